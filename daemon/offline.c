#include "daemon/offline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/ensemble.h"
#include "daemon/alarms.h"
#include "daemon/analyst.h"
#include "daemon/intake.h"
#include "daemon/journal.h"
#include "daemon/store.h"
#include "daemon/version.h"
#include "daemon/warn.h"
#include "proto/ensemble.h"

/* A body of edx.particles. */
typedef struct particles {
    void *body; /* NULL: none */
    size_t size;
} particles;

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
    edx_error failure;         /* of the first save that failed */
    particles newest;          /* published last */
    particles saved_particles; /* of the run saved last, which may be saved once more */
    char saved_acq[EDX_ACQ_SIZE];
    edx_ensemble *ensemble;
    size_t runs; /* in it */
} offline;

/* ---- the ensemble ---- */

static edx_status add_particles(offline *o, const edx_node *body, edx_error *err)
{
    edx_result result = {0};
    edx_status status = edx_result_read(EDX_PARTICLES, body, &result, err);
    if (!status) {
        status = edx_ensemble_add(o->ensemble, &result.as.particles, err);
    }
    edx_result_clear(&result);
    return status;
}

/* The particles of the run that was saved last become members: it is not saved again. */
static void end_run(offline *o)
{
    edx_error err = {0};
    const edx_node *body = NULL;
    if (!o->saved_particles.body) {
        return;
    }
    edx_wire *wire = edx_wire_new(0);
    edx_status status =
        wire ? edx_wire_parse(wire, o->saved_particles.body, o->saved_particles.size, &body, &err)
             : edx_fail(&err, EDX_E_NOMEM, "no memory");
    if (!status) {
        status = add_particles(o, body, &err);
    }
    if (status) {
        edx_log_write(o->log, EDX_LOG_ERROR, "ensemble: %s: %s", o->saved_acq, err.text);
    } else {
        o->runs++;
    }
    edx_wire_free(&wire);
    free(o->saved_particles.body);
    o->saved_particles = (particles){0};
}

static void keep_newest(offline *o, void *body, size_t n)
{
    free(o->newest.body);
    o->newest = (particles){body, n};
}

/* The run of that name was saved, with what was published last. */
static void keep_saved(offline *o, const char *acq)
{
    if (strcmp(acq, o->saved_acq) != 0) {
        end_run(o);
    }
    snprintf(o->saved_acq, sizeof o->saved_acq, "%s", acq);
    free(o->saved_particles.body);
    o->saved_particles = o->newest;
    o->newest = (particles){0};
}

static edx_status store_ensemble(offline *o, const edx_ensemble_result *result, edx_error *err)
{
    edx_pack *pack = edx_pack_new();
    edx_status status = EDX_E_NOMEM;
    if (pack) {
        edx_ensemble_write(pack, result);
        status = edx_pack_status(pack);
    }
    if (status) {
        edx_fail(err, status, "ensemble.h5: no memory");
    } else {
        status = edx_store_ensemble(o->options->dir, edx_pack_data(pack), edx_pack_size(pack),
                                    EDX_VERSION, err);
    }
    edx_pack_free(&pack);
    return status;
}

/* Several runs leave what they say together. */
static edx_status write_ensemble(offline *o, edx_error *err)
{
    edx_ensemble_result result;
    edx_error why = {0};
    end_run(o);
    if (o->runs < 2) {
        return EDX_OK;
    }
    edx_status status = edx_ensemble_average(o->ensemble, &result, &why);
    if (status == EDX_E_STATE) {
        edx_log_write(o->log, EDX_LOG_NOTICE, "no ensemble: %s", why.text);
        return EDX_OK;
    }
    if (!status) {
        status = store_ensemble(o, &result, &why);
    }
    if (status && err) {
        *err = why;
    } else if (!status) {
        edx_log_write(o->log, EDX_LOG_NOTICE,
                      "%zu particles of %zu runs, %zu groups of diameter: in %s/ensemble.h5",
                      result.members, o->runs, result.groups - 1, o->options->dir);
    }
    return status;
}

/* ---- the runs ---- */

static void report(void *context, const edx_report *report, void *body, size_t n)
{
    offline *o = context;
    if (report->kind == EDX_REPORT_RESULT && report->topic == EDX_PARTICLES) {
        keep_newest(o, body, n);
        return;
    }
    free(body);
    if (report->kind != EDX_REPORT_SAVED) {
        return;
    }
    o->saved++;
    if (report->error.code && !o->failure.code) {
        o->failure = report->error;
    }
    if (report->facts.unsummed > 0 && !o->failure.code) {
        edx_fail(&o->failure, EDX_E_NOMEM,
                 "%s: %" PRIu64 " frame messages are not in the sums: no memory, or "
                 "limits.max_cube_GB",
                 o->path, report->facts.unsummed);
    }
    if (!report->error.code) {
        edx_alarms found = {.log = o->log}; /* each run has its own */
        edx_warn(&found, &report->facts);
        keep_saved(o, report->facts.head.head.acq);
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
    o->ensemble = edx_ensemble_new(EDX_ENSEMBLE_GROUP_NM);
    o->intake = o->analyst && o->ensemble ? edx_intake_new(&intake) : NULL;
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
    if (status == EDX_OK) {
        write_ensemble(o, first.code ? NULL : &first);
    }
    edx_intake_free(&o->intake);
    edx_analyst_free(&o->analyst);
    edx_journal_free(&o->journal);
    edx_ensemble_free(&o->ensemble);
    free(o->newest.body);
    free(o->saved_particles.body);
    free(o);
    if (err) {
        *err = first;
    }
    return first.code;
}
