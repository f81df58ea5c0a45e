#include "daemon/offline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analysis/ensemble.h"
#include "analysis/linalg.h"
#include "daemon/alarms.h"
#include "daemon/analyst.h"
#include "daemon/intake.h"
#include "daemon/journal.h"
#include "daemon/store.h"
#include "daemon/version.h"
#include "daemon/warn.h"
#include "proto/ensemble.h"
#include "proto/recording.h"

/* A body of edx.particles. */
typedef struct particles {
    void *body; /* NULL: none */
    size_t size;
} particles;

/* What a recording leaves: an edx_error, or particles for the ensemble. */
typedef struct finding {
    size_t recording;
    bool failed;
    void *bytes;
    size_t n;
} finding;

typedef struct offline {
    const edx_offline_options *options;
    edx_log *log;
    edx_alarms alarms;
    edx_journal *journal;
    edx_analyst *analyst;
    edx_intake *intake;
    const char *path;
    size_t recording; /* its place */
    int percent;
    unsigned saved;
    edx_error first;           /* of all recordings */
    edx_error failure;         /* of the first save of a recording that failed */
    particles newest;          /* published last */
    particles saved_particles; /* of the run saved last, which may be saved once more */
    char saved_acq[EDX_ACQ_SIZE];
    edx_ensemble *ensemble;
    size_t runs;       /* in it */
    finding *findings; /* of a crew, which puts them together at the end */
    size_t n_findings;
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

static void add_members(offline *o, const void *bytes, size_t n)
{
    edx_error err = {0};
    const edx_node *body = NULL;
    edx_wire *wire = edx_wire_new(0);
    edx_status status = wire ? edx_wire_parse(wire, bytes, n, &body, &err)
                             : edx_fail(&err, EDX_E_NOMEM, "no memory");
    if (!status) {
        status = add_particles(o, body, &err);
    }
    if (status) {
        edx_log_write(o->log, EDX_LOG_ERROR, "ensemble: %s", err.text);
    } else {
        o->runs++;
    }
    edx_wire_free(&wire);
}

/* The first error is the caller's to tell. */
static void add_error(offline *o, const edx_error *err)
{
    if (o->first.code) {
        edx_log_write(o->log, EDX_LOG_ERROR, "%s", err->text);
    } else {
        o->first = *err;
    }
}

static void settle_finding(offline *o, const finding *f)
{
    if (f->failed) {
        add_error(o, f->bytes);
    } else {
        add_members(o, f->bytes, f->n);
    }
}

/* Takes f.bytes over. */
static void find(offline *o, finding f)
{
    edx_crew *crew = o->options->crew;
    finding *grown = NULL;
    if (edx_crew_size(crew) > 1) {
        grown = realloc(o->findings, (o->n_findings + 1) * sizeof *grown);
        if (!grown) {
            edx_crew_fail(crew, &(edx_error){EDX_E_NOMEM, "no memory for what was found"});
        }
    }
    if (!grown) {
        settle_finding(o, &f);
        free(f.bytes);
        return;
    }
    o->findings = grown;
    o->findings[o->n_findings++] = f;
}

static void find_error(offline *o, const edx_error *err)
{
    edx_error *copy = malloc(sizeof *copy);
    if (copy) {
        *copy = *err;
        find(o, (finding){o->recording, true, copy, sizeof *copy});
    } else {
        add_error(o, err);
    }
}

/* The particles of the run that was saved last become members: it is not saved again. */
static void end_run(offline *o)
{
    if (o->saved_particles.body) {
        find(o, (finding){o->recording, false, o->saved_particles.body, o->saved_particles.size});
        o->saved_particles = (particles){0};
    }
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
    const bool leads = edx_crew_leads(options->crew);
    edx_error why = {0};
    edx_journal_new(leads ? options->dir : NULL, false, false, &o->journal, &why);
    if (edx_crew_common(options->crew, &why)) {
        return edx_fail(err, why.code, "%s", why.text);
    }
    o->analyst = edx_analyst_new(&limits, o->log, report, o);
    if (o->analyst && edx_analyst_set_crew(o->analyst, options->crew, err)) {
        return err->code;
    }
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

/* A recording that one of a group cannot read, or that is another, is none for the others. */
static edx_status look_at(offline *o, edx_error *err)
{
    edx_recording *recording = NULL;
    edx_crew *crew = o->options->crew;
    uint64_t size = 0;
    if (!edx_crew_ranks(crew)) {
        return EDX_OK; /* will be seen */
    }
    if (edx_recording_open(o->path, UINT64_MAX, &recording, err) == EDX_OK) {
        size = edx_recording_file_size(recording);
    }
    edx_recording_free(&recording);
    if (edx_crew_common(crew, err)) {
        return err->code;
    }
    return edx_crew_agrees(crew, &size, 1)
               ? EDX_OK
               : edx_fail(err, EDX_E_IO, "has not the same size for all processes");
}

static edx_status analyse(offline *o, edx_error *err)
{
    o->percent = -1;
    o->saved = 0;
    edx_status status = look_at(o, err);
    if (status == EDX_OK) {
        status = edx_intake_replay(o->intake, o->path, NULL, progress, o, err);
    }
    if (o->options->progress) {
        fprintf(stderr, "\r\033[K");
    }
    if (status) {
        edx_error_prefix(err, "%s", o->path);
        return status;
    }
    edx_intake_reset(o->intake, 0);
    if (o->saved == 0) {
        return edx_fail(err, EDX_E_DECODE,
                        "%s: holds no acquisition, expected an edx.begin and "
                        "frames",
                        o->path);
    }
    return status;
}

static void analyse_one(offline *o, const char *path, size_t recording)
{
    edx_error why = {0};
    o->path = path;
    o->recording = recording;
    o->failure = (edx_error){0};
    if (analyse(o, &why)) {
        find_error(o, &why);
    } else if (o->failure.code) {
        find_error(o, &o->failure);
    }
    end_run(o);
}

/* ---- a crew ---- */

static double size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (double)st.st_size + 1 : 1;
}

typedef struct part {
    size_t recording;
    double size;
} part;

static int largest_first(const void *a, const void *b)
{
    const part *x = a;
    const part *y = b;
    if (x->size > y->size || x->size < y->size) {
        return x->size > y->size ? -1 : 1;
    }
    return (x->recording > y->recording) - (x->recording < y->recording);
}

/* Which of groups analyses which recording: the largest first, each where it is done soonest. */
static edx_status deal(const edx_offline_options *options, const char *const *paths, size_t n,
                       uint32_t groups, uint32_t *out, edx_error *err)
{
    const uint32_t size = edx_crew_size(options->crew);
    part *parts = calloc(n, sizeof *parts);
    double *load = calloc(groups, sizeof *load);
    for (size_t i = 0; parts && i < n; i++) {
        parts[i] = (part){i, size_of(paths[i])};
    }
    if (parts && load) {
        qsort(parts, n, sizeof *parts, largest_first);
    }
    for (size_t i = 0; parts && load && i < n; i++) {
        uint32_t best = 0;
        for (uint32_t g = 0; g < groups; g++) {
            const double members = edx_crew_members(size, groups, g);
            if (load[g] + parts[i].size / members <
                load[best] + parts[i].size / edx_crew_members(size, groups, best)) {
                best = g;
            }
        }
        load[best] += parts[i].size / edx_crew_members(size, groups, best);
        out[parts[i].recording] = best;
    }
    const bool dealt = parts && load;
    free(parts);
    free(load);
    if (!dealt) {
        return edx_fail(err, EDX_E_NOMEM, "no memory to start");
    }
    for (size_t i = 0; i < n; i++) { /* what rank 0 sees counts */
        out[i] = (uint32_t)edx_crew_announce(options->crew, out[i]);
    }
    return EDX_OK;
}

#define LAST UINT64_MAX

static int by_recording(const void *a, const void *b)
{
    const finding *x = a;
    const finding *y = b;
    return (x->recording > y->recording) - (x->recording < y->recording);
}

/* Takes what the leader of a group found. */
static edx_status take_from(offline *o, uint32_t rank, edx_error *err)
{
    uint64_t key = 0;
    while (key != LAST) {
        finding f = {0};
        const edx_status status = edx_crew_take(o->options->crew, rank, &key, &f.bytes, &f.n, err);
        if (status) {
            return status;
        }
        if (key == LAST) {
            free(f.bytes);
        } else {
            f.recording = (size_t)(key / 2);
            f.failed = key % 2 != 0;
            find(o, f);
        }
    }
    return EDX_OK;
}

static void hand_in(offline *o)
{
    edx_crew *crew = o->options->crew;
    if (!edx_crew_leads(crew)) {
        return; /* the leader found the same */
    }
    for (size_t i = 0; i < o->n_findings; i++) {
        const finding *f = &o->findings[i];
        edx_crew_hand_in(crew, 2 * (uint64_t)f->recording + f->failed, f->bytes, f->n);
    }
    edx_crew_hand_in(crew, LAST, NULL, 0);
}

/* All that was found comes to rank 0, and is told in the order of the recordings. */
static void put_together(offline *o, uint32_t groups)
{
    edx_crew *crew = o->options->crew;
    const uint32_t size = edx_crew_size(crew);
    edx_error err = {0};
    if (edx_crew_rank(crew) > 0) {
        hand_in(o);
        return;
    }
    for (uint32_t r = 1; r < size; r++) {
        const bool leads =
            edx_crew_group_of(size, groups, r) != edx_crew_group_of(size, groups, r - 1);
        if (leads && take_from(o, r, &err)) {
            edx_crew_fail(crew, &err);
        }
    }
    if (o->n_findings > 0) {
        qsort(o->findings, o->n_findings, sizeof *o->findings, by_recording);
    }
    for (size_t i = 0; i < o->n_findings; i++) {
        settle_finding(o, &o->findings[i]);
    }
}

/* Sums are rounded alike, so that all go the same way. */
static edx_status compare_machines(const edx_offline_options *options, edx_error *err)
{
    uint64_t number = 0;
    for (const char *c = edx_linalg_machine(); *c != '\0'; c++) {
        number = 31 * number + (unsigned char)*c;
    }
    for (const char *c = EDX_VERSION; *c != '\0'; c++) {
        number = 31 * number + (unsigned char)*c;
    }
    return edx_crew_unanimous(options->crew, number)
               ? EDX_OK
               : edx_fail(err, EDX_E_STATE,
                          "the machines are of different kinds (rank %u is a %s), or edxd is; "
                          "expected processors that compute alike (OPENBLAS_CORETYPE)",
                          edx_crew_rank(options->crew), edx_linalg_machine());
}

/* ---- all ---- */

static void analyse_all(offline *o, const char *const *paths, size_t n, uint32_t *groups_of)
{
    edx_crew *crew = o->options->crew;
    const uint32_t size = edx_crew_size(crew);
    const uint32_t groups = n < size ? (uint32_t)n : size;
    edx_error why = {0};
    if (compare_machines(o->options, &o->first)) {
        return;
    }
    if (deal(o->options, paths, n, groups, groups_of, &o->first)) {
        edx_crew_fail(crew, &o->first);
        return;
    }
    edx_crew_split(crew, groups);
    if (!edx_crew_leads(crew)) {
        o->log = NULL; /* what it says the leader says too */
    }
    o->alarms.log = o->log;
    const bool started = start(o, &why) == EDX_OK;
    if (!started) {
        find_error(o, &why);
    }
    for (size_t i = 0; started && i < n; i++) {
        if (groups_of[i] == edx_crew_group_of(size, groups, edx_crew_rank(crew))) {
            analyse_one(o, paths[i], i);
        }
    }
    put_together(o, groups);
    if (started && edx_crew_rank(crew) == 0) {
        write_ensemble(o, o->first.code ? NULL : &o->first);
    }
}

static void close_all(offline *o)
{
    edx_intake_free(&o->intake);
    edx_analyst_free(&o->analyst);
    edx_journal_free(&o->journal);
    edx_ensemble_free(&o->ensemble);
    for (size_t i = 0; i < o->n_findings; i++) {
        free(o->findings[i].bytes);
    }
    free(o->findings);
    free(o->newest.body);
    free(o->saved_particles.body);
    free(o);
}

edx_status edx_offline_run(const edx_offline_options *options, const char *const *paths, size_t n,
                           edx_log *log, edx_error *err)
{
    offline *o = calloc(1, sizeof *o);
    uint32_t *groups_of = calloc(n, sizeof *groups_of);
    edx_error first = {.code = EDX_E_NOMEM, .text = "no memory to start"};
    if (o && groups_of) {
        o->options = options;
        o->log = log;
        analyse_all(o, paths, n, groups_of);
        first = o->first;
    } else {
        edx_crew_fail(options->crew, &first);
    }
    free(groups_of);
    if (o) {
        close_all(o);
    }
    const uint64_t code = edx_crew_announce(options->crew, (uint64_t) - (int64_t)first.code);
    if (err) {
        *err = first;
    }
    return first.code ? first.code : -(edx_status)code;
}
