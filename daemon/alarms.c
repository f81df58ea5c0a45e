#include "daemon/alarms.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static edx_alarm *find(edx_alarms *alarms, const char *kind)
{
    for (size_t i = 0; i < alarms->n; i++) {
        if (strcmp(alarms->alarm[i].kind, kind) == 0) {
            return &alarms->alarm[i];
        }
    }
    return NULL;
}

static edx_alarm *make(edx_alarms *alarms, const char *kind)
{
    edx_alarm *a = find(alarms, kind);
    if (!a && alarms->n < EDX_MAX_ALARMS) {
        a = &alarms->alarm[alarms->n++];
        *a = (edx_alarm){0};
        snprintf(a->kind, sizeof a->kind, "%s", kind);
    }
    return a;
}

void edx_alarms_raise(edx_alarms *alarms, const char *kind, const char *severity,
                      int64_t since_frame, const char *message, ...)
{
    edx_alarm *a = make(alarms, kind);
    char text[sizeof a->message];
    va_list args;
    va_start(args, message);
    vsnprintf(text, sizeof text, message, args);
    va_end(args);
    if (!a || (a->active && strcmp(a->message, text) == 0)) {
        return;
    }
    if (!a->active) {
        a->active = true;
        a->since_frame = since_frame;
        const edx_level level = strcmp(severity, "error") == 0 ? EDX_LOG_ERROR : EDX_LOG_WARNING;
        edx_log_write(alarms->log, level, "alarm %s: %s", kind, text);
    }
    snprintf(a->severity, sizeof a->severity, "%s", severity);
    memcpy(a->message, text, sizeof text);
    alarms->version++;
}

void edx_alarms_clear(edx_alarms *alarms, const char *kind)
{
    edx_alarm *a = find(alarms, kind);
    if (a && a->active) {
        a->active = false;
        alarms->version++;
        edx_log_write(alarms->log, EDX_LOG_NOTICE, "alarm %s: over", kind);
    }
}

bool edx_alarms_active(const edx_alarms *alarms, const char *kind)
{
    const edx_alarm *a = find((edx_alarms *)alarms, kind);
    return a && a->active;
}

static bool outlives(const edx_alarm *a)
{
    return strcmp(a->kind, "disk") == 0 || strcmp(a->kind, "space") == 0;
}

void edx_alarms_begin(edx_alarms *alarms)
{
    size_t kept = 0;
    for (size_t i = 0; i < alarms->n; i++) {
        if (outlives(&alarms->alarm[i])) {
            alarms->alarm[kept++] = alarms->alarm[i];
        }
    }
    alarms->version += kept != alarms->n;
    alarms->n = kept;
}
