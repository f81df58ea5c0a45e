/* The alarms that stand: one per kind, raised and cleared by whoever sees the cause. */
#ifndef EDX_DAEMON_ALARMS_H
#define EDX_DAEMON_ALARMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/log.h"
#include "proto/result.h"

#define EDX_MAX_ALARMS 16

typedef struct edx_alarms {
    edx_log *log;
    size_t n;
    edx_alarm alarm[EDX_MAX_ALARMS];
    uint64_t version; /* changes when any does */
} edx_alarms;

/* Raises kind, or renews its message while it stands; a new one is logged. message printf style. */
void edx_alarms_raise(edx_alarms *alarms, const char *kind, const char *severity,
                      int64_t since_frame, const char *message, ...)
    __attribute__((format(printf, 5, 6)));
/* The cause is gone: the alarm stays in the list, inactive. */
void edx_alarms_clear(edx_alarms *alarms, const char *kind);
bool edx_alarms_active(const edx_alarms *alarms, const char *kind);
/* A new acquisition: forgets those that belong to the one before (all but disk and space). */
void edx_alarms_begin(edx_alarms *alarms);

#endif
