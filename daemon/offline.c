#include "daemon/offline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/alarms.h"
#include "daemon/analyst.h"
#include "daemon/intake.h"
#include "daemon/journal.h"

typedef struct offline {
    const edx_offline_options *options;
    edx_log *log;
    edx_alarms alarms;
    edx_journal *journal;
    edx_analyst *analyst;
    edx_intake *intake;
    const char *path;
    int percent;
    unsigned saved;
    edx_error failure; /* of the first save that failed */
} offline;

static void report(void *context, const edx_report *report, void *body, size_t n)
{
    offline *o = context;
    (void)n;
    free(body);
    if (report->kind != EDX_REPORT_SAVED) {
        return;
    }
    o->saved++;
    if (report->error.code && !o->failure.code) {
        o->failure = report->error;
    }
    if (!report->error.code) {
        edx_log_write(o->log, EDX_LOG_NOTICE,
                      "%s: %" PRIu64 " frames, %" PRIu64 " counts: in %s/%s", o->path,
                      report->facts.head.frames, report->facts.head.counts, o->options->dir,
                      report->facts.head.head.acq);
    }
}

static void progress(void *context, double share)
{
    offline *o = context;
    const int percent = (int)(100.0 * share);
    if (o->options->progress && percent != o->percent) {
        o->percent = percent;
        fprintf(stderr, "\redxd: %s: %3d %%", o->path, percent);
        fflush(stderr);
    }
}

static void adjust(void *context, edx_settings *settings)
{
    const offline *o = context;
    edx_config *config = malloc(sizeof *config);
    if (!config) {
        return;
    }
    *config = *o->options->config;
    config->settings = *settings;
    for (size_t i = 0; i < o->options->n_overrides; i++) {
        edx_config_override(config, o->options->overrides[i], NULL); /* was judged at start */
    }
    *settings = config->settings;
    free(config);
}

static edx_status start(offline *o, edx_error *err)
{
    const edx_offline_options *options = o->options;
    const edx_limits limits = edx_config_limits(options->config);
    edx_status status = edx_journal_new(options->dir, false, false, &o->journal, err);
    if (status) {
        return status;
    }
    o->analyst = edx_analyst_new(&limits, o->log, report, o);
    const edx_intake_options intake = {.limits = limits,
                                       .queue_bytes = SIZE_MAX,
                                       .waiting_bytes = (size_t)64 << 20,
                                       .settings = &options->config->settings,
                                       .replay_settings = !options->config_given,
                                       .adjust = adjust,
                                       .journal = o->journal,
                                       .analyst = o->analyst,
                                       .alarms = &o->alarms,
                                       .log = o->log,
                                       .context = o};
    o->intake = o->analyst ? edx_intake_new(&intake) : NULL;
    return o->intake ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory to start");
}

static edx_status analyse(offline *o, const char *path, edx_error *err)
{
    o->path = path;
    o->percent = -1;
    o->saved = 0;
    const edx_status status = edx_intake_replay(o->intake, path, NULL, progress, o, err);
    if (o->options->progress) {
        fprintf(stderr, "\r\033[K");
    }
    if (status) {
        edx_error_prefix(err, "%s", path);
        return status;
    }
    edx_intake_reset(o->intake, 0);
    if (o->saved == 0) {
        return edx_fail(err, EDX_E_DECODE,
                        "%s: holds no acquisition, expected an edx.begin and "
                        "frames",
                        path);
    }
    return status;
}

edx_status edx_offline_run(const edx_offline_options *options, const char *const *paths, size_t n,
                           edx_log *log, edx_error *err)
{
    offline *o = calloc(1, sizeof *o);
    if (!o) {
        return edx_fail(err, EDX_E_NOMEM, "no memory to start");
    }
    o->options = options;
    o->log = log;
    o->alarms.log = log;
    edx_error first = {0};
    edx_status status = start(o, &first);
    for (size_t i = 0; status == EDX_OK && i < n; i++) {
        edx_error why = {0};
        if (analyse(o, paths[i], &why)) {
            if (first.code) { /* the first is the caller's to tell */
                edx_log_write(log, EDX_LOG_ERROR, "%s", why.text);
            } else {
                first = why;
            }
        }
    }
    if (!first.code) {
        first = o->failure;
    }
    edx_intake_free(&o->intake);
    edx_analyst_free(&o->analyst);
    edx_journal_free(&o->journal);
    free(o);
    if (err) {
        *err = first;
    }
    return first.code;
}
