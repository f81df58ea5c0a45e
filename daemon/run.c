#include "daemon/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/analysis.h"
#include "analysis/drift.h"
#include "analysis/pool.h"
#include "daemon/answer.h"
#include "daemon/memory.h"
#include "daemon/store.h"
#include "daemon/version.h"

/* Messages of one scan frame that waits for its other rows, one behind the other. */
typedef struct waiting {
    bool used;
    uint64_t frame;
    unsigned char *bytes;
    size_t size, capacity; /* each message: u64 length, body */
    uint64_t n;            /* messages */
} waiting;

struct edx_run {
    edx_limits limits;
    uint64_t budget; /* bytes that the sums may take */
    edx_outlet outlet;
    edx_log *log;
    edx_begin begin;
    edx_settings settings; /* as asked for, whether this begin could carry them or not */
    char folder[4096];
    edx_analysis *analysis;
    const edx_pace *pace;
    edx_crew *crew;             /* NULL: alone */
    edx_pool *pool, *find_pool; /* NULL: one thread */
    bool parted;                /* find has a thread, and a pool, of its own */
    edx_events_buffer *events;
    edx_wire *wire;
    edx_frame frame;
    edx_pack *pack;
    waiting waiting[EDX_WAITING_FRAMES];
    edx_source source;
    edx_spans summed; /* seq of every message in the sums */
    uint64_t taken;   /* frame messages; all are counted, whatever becomes of them */
    uint64_t frames;  /* complete ones that were summed */
    uint64_t mapped;  /* … when maps were last made */
    uint64_t added;   /* … to the sums; what neither is nor waits is lost to them */
    bool full;
    bool starved, components_starved; /* there is no memory for what the settings ask for */
    bool emptied;                     /* the sums were to be made anew, and could not be */
    bool drift_said;
    bool profile_failed, components_failed;
    edx_result_head head;   /* of the newest results */
    edx_result_head leaves; /* of what is being published */
    edx_results results;
    edx_results found; /* by find */
    edx_status finding;
    edx_error why;
    bool away;         /* prepared, not collected */
    bool fresh;        /* something was added or updated since */
    bool profile_late; /* the newest results have no line profile */
    bool target_reached;
    size_t n_findings;
    edx_alarm findings[EDX_WATCH_FINDINGS];
    bool updated; /* results are of the counts as they stand */
};

#define MAX_THREADS 8
#define POOL_PIXELS 16384u /* a smaller scan is summed sooner than other threads wake up */

/* As many threads as there are processors for each of the processes that share the machine; results
 * are the same for any number. */
static edx_pool *pool_new(long processes, edx_log *log)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN) / processes;
    edx_pool *pool = NULL;
    edx_error err = {0};
    if (processors > 1 &&
        edx_pool_new(processors < MAX_THREADS ? (uint32_t)processors : MAX_THREADS, &pool, &err)) {
        edx_log_write(log, EDX_LOG_WARNING, "the analysis runs in one thread: %s", err.text);
    }
    return pool;
}

static uint64_t budget_of(const edx_limits *limits, edx_log *log)
{
    const uint64_t machine = edx_memory_of_machine();
    if (machine >= limits->max_cube_bytes) {
        return limits->max_cube_bytes;
    }
    edx_log_write(log, EDX_LOG_NOTICE,
                  "the sums may take %.2g GB, two thirds of this machine's memory, not the %.2g GB "
                  "of limits.max_cube_GB",
                  (double)machine * 0x1p-30, (double)limits->max_cube_bytes * 0x1p-30);
    return machine;
}

edx_run *edx_run_new(const edx_limits *limits, edx_outlet outlet, edx_log *log)
{
    edx_run *run = calloc(1, sizeof *run);
    if (!run) {
        return NULL;
    }
    run->limits = *limits;
    run->budget = budget_of(limits, log);
    run->outlet = outlet;
    run->log = log;
    run->events = edx_events_buffer_new();
    run->wire = edx_wire_new(0);
    run->pack = edx_pack_new();
    run->pool = pool_new(1, log);
    if (!run->events || !run->wire || !run->pack) {
        edx_run_free(&run);
    }
    return run;
}

edx_status edx_run_set_crew(edx_run *run, edx_crew *crew, edx_error *err)
{
    const edx_ranks *ranks = edx_crew_ranks(crew);
    run->crew = crew;
    run->budget /= edx_crew_here(crew);
    edx_pool_free(&run->pool);
    run->pool = pool_new(edx_crew_here(crew), run->log);
    if (ranks && !run->pool) {
        const edx_status status = edx_pool_new(1, &run->pool, err);
        if (status) {
            return status;
        }
    }
    if (ranks) {
        edx_pool_join(run->pool, ranks);
    }
    return EDX_OK;
}

/* What one process of a group cannot do the others would wait for: all end. What fails in all of
 * them alike is for the caller. */
static edx_status all_or_none(edx_run *run, edx_status status, const edx_error *why)
{
    const bool ours = status == EDX_E_NOMEM || status == EDX_E_LIMIT || status == EDX_E_IO;
    if (ours && edx_crew_ranks(run->crew)) {
        edx_crew_fail(run->crew, why);
    }
    return status;
}

void edx_run_free(edx_run **run)
{
    if (!*run) {
        return;
    }
    edx_run_forget(*run);
    edx_pool_free(&(*run)->pool);
    edx_pool_free(&(*run)->find_pool);
    for (int i = 0; i < EDX_WAITING_FRAMES; i++) {
        free((*run)->waiting[i].bytes);
    }
    edx_events_buffer_free(&(*run)->events);
    edx_wire_free(&(*run)->wire);
    edx_pack_free(&(*run)->pack);
    free(*run);
    *run = NULL;
}

void edx_run_forget(edx_run *run)
{
    run->updated = run->drift_said = run->full = run->emptied = run->profile_late = false;
    run->starved = run->components_starved = false;
    run->taken = run->added = run->frames = run->mapped = 0;
    run->source = (edx_source){.path = ""};
    edx_spans_clear(&run->summed);
    edx_analysis_free(&run->analysis);
    for (int i = 0; i < EDX_WAITING_FRAMES; i++) {
        run->waiting[i].used = false;
    }
    run->profile_failed = run->components_failed = false;
    run->head = (edx_result_head){0};
    run->n_findings = 0;
    run->target_reached = false;
    run->begin.head = (edx_head){0};
}

void edx_run_set_source(edx_run *run, const edx_source *source)
{
    run->source = *source;
}

void edx_run_move(edx_run *run, const char *acq, const char *folder)
{
    snprintf(run->begin.head.acq, sizeof run->begin.head.acq, "%s", acq);
    snprintf(run->folder, sizeof run->folder, "%s", folder);
}

bool edx_run_active(const edx_run *run)
{
    return run->analysis != NULL;
}

/* ---- life ---- */

/* A line scan has no pixels to bin across it. */
static void narrow_bins(const edx_run *run, edx_settings *settings)
{
    const uint32_t shorter = run->begin.rows < run->begin.cols ? run->begin.rows : run->begin.cols;
    if (settings->analysis.bin_pixels > shorter) {
        settings->analysis.bin_pixels = 1;
    }
}

/* Settings that fit every begin: counts must be summed even where the configured lines cannot be.
 */
static edx_status begin_plain(edx_run *run, edx_error *err)
{
    edx_begin begin = run->begin;
    edx_settings plain;
    edx_settings_default(&plain);
    plain.analysis.bin_energy = plain.analysis.bin_pixels = 1;
    plain.analysis.drift = run->settings.analysis.drift;
    plain.analysis.exclude = run->settings.analysis.exclude;
    plain.analysis.replicates = 0;
    begin.n_elements = 0;
    const edx_status status = edx_analysis_new(&begin, &plain, &run->analysis, err);
    if (!status) {
        edx_analysis_sum_alone(run->analysis);
    }
    return status;
}

static edx_status share_work(edx_run *run, edx_error *err)
{
    const uint64_t pixels = (uint64_t)run->begin.rows * run->begin.cols;
    const bool all = pixels >= POOL_PIXELS || edx_crew_ranks(run->crew);
    edx_pool *pool = all ? run->pool : NULL;
    const edx_status status = edx_analysis_set_pool(run->analysis, pool, err);
    edx_pool *find = run->parted ? run->find_pool : run->pool;
    return status ? status : edx_analysis_set_decompose_pool(run->analysis, find, err);
}

edx_status edx_run_begin(edx_run *run, const edx_begin *begin, const char *folder,
                         const edx_settings *settings, edx_error *err)
{
    edx_error why = {0};
    edx_run_forget(run);
    run->begin = *begin;
    run->settings = *settings;
    snprintf(run->folder, sizeof run->folder, "%s", folder);
    edx_settings fitted = *settings;
    narrow_bins(run, &fitted);
    edx_status made = edx_analysis_new(&run->begin, &fitted, &run->analysis, &why);
    if (made == EDX_E_NOMEM) { /* that may pass */
        made = edx_analysis_new(&run->begin, &fitted, &run->analysis, &why);
    }
    if (all_or_none(run, made, &why) == EDX_OK) {
        return share_work(run, err);
    }
    run->starved = made == EDX_E_NOMEM;
    edx_log_write(run->log, EDX_LOG_ERROR,
                  "%s: %s; only the sum is computed until the settings fit", begin->head.acq,
                  why.text);
    edx_status status = begin_plain(run, err);
    return status ? status : share_work(run, err);
}

edx_status edx_run_configure(edx_run *run, const edx_settings *settings, edx_error *err)
{
    run->updated = false;
    run->profile_failed = false;
    edx_settings fitted = *settings;
    narrow_bins(run, &fitted);
    edx_status status = EDX_E_NOMEM;
    for (int i = 0; i < 2 && status == EDX_E_NOMEM; i++) { /* that may pass */
        status = run->analysis ? edx_analysis_configure(run->analysis, &fitted, err) : EDX_OK;
    }
    if (status == EDX_OK) {
        run->settings = *settings;
    }
    run->starved = status == EDX_E_NOMEM || (run->starved && status != EDX_OK);
    return status;
}

/* ---- frames ---- */

static waiting *waiting_find(edx_run *run, uint64_t frame)
{
    for (int i = 0; i < EDX_WAITING_FRAMES; i++) {
        if (run->waiting[i].used && run->waiting[i].frame == frame) {
            return &run->waiting[i];
        }
    }
    return NULL;
}

static waiting *waiting_take(edx_run *run, uint64_t frame)
{
    waiting *w = waiting_find(run, frame);
    for (int i = 0; !w && i < EDX_WAITING_FRAMES; i++) {
        if (!run->waiting[i].used) {
            w = &run->waiting[i];
            w->used = true;
            w->frame = frame;
            w->size = 0;
            w->n = 0;
        }
    }
    return w;
}

static edx_status wait_rows(edx_run *run, uint64_t frame, const void *body, size_t n,
                            edx_error *err)
{
    waiting *w = waiting_take(run, frame);
    const uint64_t length = n;
    if (!w) {
        return edx_fail(err, EDX_E_STATE, "more frames wait for rows than there can be");
    }
    if (w->size + sizeof length + n > w->capacity) {
        const size_t capacity = 2 * w->capacity + sizeof length + n;
        unsigned char *grown = realloc(w->bytes, capacity);
        if (!grown) {
            return edx_fail(err, EDX_E_NOMEM, "no memory for rows that wait");
        }
        w->bytes = grown;
        w->capacity = capacity;
    }
    memcpy(w->bytes + w->size, &length, sizeof length);
    memcpy(w->bytes + w->size + sizeof length, body, n);
    w->size += sizeof length + n;
    w->n++;
    return EDX_OK;
}

/* What to do with one message of rows. */
typedef edx_status rows_action(edx_run *run, const edx_frame *frame, edx_error *err);

/* Before the memory is taken. Once the sums are full they stay as they are: those of the frames up
 * to here. */
static edx_status check_room(edx_run *run, const edx_frame *frame, const edx_events *events,
                             edx_error *err)
{
    const uint64_t more = events->offsets[events->pixels] - events->offsets[0];
    if (run->full || !edx_analysis_fits(run->analysis, more, run->budget)) {
        if (!run->full) {
            edx_log_write(
                run->log, EDX_LOG_ERROR,
                "%s: the sums have reached limits.max_cube_GB at frame %llu: from here on "
                "frames are recorded, not summed",
                run->begin.head.acq, (unsigned long long)frame->frame);
        }
        run->full = true;
        return edx_fail(err, EDX_E_LIMIT, "the sums have reached limits.max_cube_GB");
    }
    return EDX_OK;
}

static edx_status add_within(edx_run *run, const edx_frame *frame, bool limited, edx_error *err)
{
    run->updated = false;
    run->fresh = true;
    edx_events events;
    edx_status status = edx_events_from_frame(run->events, frame, &events, err);
    if (status == EDX_OK && limited) {
        status = check_room(run, frame, &events, err);
    }
    if (status == EDX_OK) {
        status = edx_analysis_add(run->analysis, frame, &events, err);
    }
    return status;
}

/* What was in the sums before. */
static edx_status add(edx_run *run, const edx_frame *frame, edx_error *err)
{
    return add_within(run, frame, false, err);
}

/* For its drift. */
static edx_status look(edx_run *run, const edx_frame *frame, edx_error *err)
{
    edx_events events;
    const edx_status status = edx_events_from_frame(run->events, frame, &events, err);
    if (status == EDX_OK) {
        edx_analysis_look(run->analysis, frame, &events);
    }
    return status;
}

/* Into the sums for the first time. */
static edx_status sum(edx_run *run, const edx_frame *frame, edx_error *err)
{
    if (!edx_spans_reserve(&run->summed)) {
        return edx_fail(err, EDX_E_NOMEM, "no memory to remember what is summed");
    }
    const edx_status status = add_within(run, frame, true, err);
    run->added += status == EDX_OK;
    if (status == EDX_OK && !edx_spans_has(&run->summed, frame->seq)) {
        edx_spans_add(&run->summed, frame->seq);
    }
    return status;
}

static edx_status decode(edx_run *run, const void *body, size_t n, edx_frame *frame, edx_error *err)
{
    const edx_node *root;
    const edx_status status = edx_wire_parse(run->wire, body, n, &root, err);
    return status ? status : edx_frame_read(root, &run->begin, &run->limits, frame, err);
}

static edx_status with_message(edx_run *run, const void *body, size_t n, rows_action *action,
                               edx_error *err)
{
    const edx_status status = decode(run, body, n, &run->frame, err);
    return status ? status : action(run, &run->frame, err);
}

/* Rows of a frame that wait; w may be NULL. */
static edx_status with_waiting(edx_run *run, const waiting *w, rows_action *action, edx_error *err)
{
    edx_status status = EDX_OK;
    for (size_t at = 0; w && at < w->size && status == EDX_OK;) {
        uint64_t length;
        memcpy(&length, w->bytes + at, sizeof length);
        at += sizeof length;
        status = with_message(run, w->bytes + at, length, action, err);
        at += length;
    }
    return status;
}

/* Sums a frame: the message body (NULL: none came last), decoded in run->frame, and all of its rows
 * that wait. Drift wants to see all of them before the first is added. */
static edx_status sum_frame(edx_run *run, uint64_t index, const void *body, size_t n,
                            edx_error *err)
{
    waiting *w = waiting_find(run, index);
    edx_status status = EDX_OK;
    if (w && edx_analysis_drift(run->analysis)) {
        status = body ? look(run, &run->frame, err) : EDX_OK;
        status = status ? status : with_waiting(run, w, look, err);
        status = status || !body ? status : decode(run, body, n, &run->frame, err);
    }
    if (status == EDX_OK && body) {
        status = sum(run, &run->frame, err);
    }
    if (status == EDX_OK) {
        status = with_waiting(run, w, sum, err);
    }
    if (w) {
        w->used = false;
    }
    return status;
}

void edx_run_place(edx_run *run, const edx_placement *placement)
{
    for (uint32_t i = 0; run->analysis && i < placement->n_incomplete; i++) {
        edx_error err = {0};
        if (all_or_none(run, sum_frame(run, placement->incomplete[i], NULL, 0, &err), &err)) {
            edx_log_write(run->log, EDX_LOG_ERROR, "%s: frame %llu is not summed: %s",
                          run->begin.head.acq, (unsigned long long)placement->incomplete[i],
                          err.text);
        }
        edx_analysis_frame(run->analysis, placement->incomplete[i], false);
        edx_log_write(run->log, EDX_LOG_WARNING,
                      "%s: frame %llu is summed with rows missing: not all of its messages came",
                      run->begin.head.acq, (unsigned long long)placement->incomplete[i]);
    }
}

static edx_status take_frame(edx_run *run, const void *body, size_t n,
                             const edx_placement *placement, edx_error *err)
{
    run->taken++;
    if (!run->analysis) {
        return edx_fail(err, EDX_E_STATE, "no acquisition");
    }
    if (!placement->finish) {
        edx_run_place(run, placement);
    }
    edx_status status = decode(run, body, n, &run->frame, err); /* behind what else decodes */
    if (status) {
        return status;
    }
    const uint64_t index = run->frame.frame;
    if (!placement->place) {
        return wait_rows(run, index, body, n, err);
    }
    status = sum_frame(run, index, body, n, err);
    if (status == EDX_OK) {
        edx_analysis_frame(run->analysis, index, placement->complete);
        run->frames += placement->complete;
    }
    if (placement->finish) { /* behind the frame that finishes the acquisition */
        edx_run_place(run, placement);
    }
    return status;
}

edx_status edx_run_frame(edx_run *run, const void *body, size_t n, const edx_placement *placement,
                         edx_error *err)
{
    edx_error why = {0};
    const edx_status status = take_frame(run, body, n, placement, &why);
    if (status && err) {
        *err = why;
    }
    return all_or_none(run, status, &why);
}

/* ---- drift, looking back ---- */

/* Every message that was summed, frame by frame: rows on each, then whole on each frame. */
static edx_status for_frames(edx_run *run, edx_rerun *rerun, rows_action *rows,
                             edx_status whole(edx_run *run, uint64_t frame, uint64_t n_rows,
                                              edx_error *err),
                             edx_error *err)
{
    const size_t n = edx_rerun_count(rerun);
    uint64_t n_rows = 0;
    edx_status status = EDX_OK;
    for (size_t i = 0; i < n && status == EDX_OK; i++) {
        const void *body = NULL;
        size_t size = 0;
        const uint64_t frame = edx_rerun_frame(rerun, i);
        status = edx_rerun_read(rerun, i, &body, &size, err);
        status = status ? status : with_message(run, body, size, rows, err);
        n_rows += run->frame.rows;
        if (status == EDX_OK && (i + 1 == n || edx_rerun_frame(rerun, i + 1) != frame)) {
            status = whole(run, frame, n_rows, err);
            n_rows = 0;
        }
    }
    return status;
}

static edx_status register_live(edx_run *run, uint64_t frame, uint64_t n_rows, edx_error *err)
{
    (void)frame;
    (void)n_rows;
    return edx_drift_register(edx_analysis_drift(run->analysis), err);
}

static edx_status register_again(edx_run *run, uint64_t frame, uint64_t n_rows, edx_error *err)
{
    (void)frame;
    (void)n_rows;
    (void)err;
    edx_drift_register_again(edx_analysis_drift(run->analysis));
    return EDX_OK;
}

static edx_status close_frame(edx_run *run, uint64_t frame, uint64_t n_rows, edx_error *err)
{
    (void)err;
    edx_analysis_frame(run->analysis, frame, n_rows >= run->begin.rows);
    return EDX_OK;
}

static edx_status sum_anew(edx_run *run, edx_rerun *rerun, edx_error *err)
{
    run->emptied = true;
    edx_status status = edx_analysis_restart(run->analysis, err);
    if (status == EDX_OK) {
        status = for_frames(run, rerun, add, close_frame, err);
    }
    run->emptied = status != EDX_OK;
    return status;
}

/* Sums without the frames that do not belong. Where settings changed on the way, the health knows
 * all frames only once they are added anew. */
static edx_status leave_out(edx_run *run, edx_rerun *rerun, edx_error *err)
{
    edx_status status = EDX_OK;
    bool changed = true;
    for (int i = 0; i < 3 && changed && status == EDX_OK; i++) {
        status = edx_analysis_exclude(run->analysis, &changed, err);
        if (status == EDX_OK && changed) {
            status = sum_anew(run, rerun, err);
        }
    }
    return status;
}

static void say_left_out(edx_run *run)
{
    size_t n = 0;
    const uint64_t *frames = edx_analysis_excluded(run->analysis, &n);
    for (size_t i = 0; i < n; i++) {
        edx_log_write(run->log, EDX_LOG_WARNING,
                      "%s: frame %llu is left out of the sum: its counts are outlying, or rows are "
                      "missing (analysis.exclude)",
                      run->begin.head.acq, (unsigned long long)frames[i]);
    }
}

/* Each frame's place as all others tell it; *changed: the sums stand elsewhere. */
static edx_status find_places(edx_run *run, edx_rerun *rerun, bool *changed, edx_error *err)
{
    edx_drift *drift = edx_analysis_drift(run->analysis);
    edx_status status = EDX_OK;
    *changed = edx_analysis_is_misplaced(run->analysis);
    if (!drift) {
        return EDX_OK;
    }
    if (*changed) { /* not all were looked at under these settings */
        edx_drift_clear(drift);
        status = for_frames(run, rerun, look, register_live, err);
    }
    edx_drift_look_back(drift);
    if (status == EDX_OK) {
        status = for_frames(run, rerun, look, register_again, err);
    }
    bool moved = false;
    if (status == EDX_OK) {
        status = edx_drift_settle(drift, &moved, err);
    }
    *changed = *changed || moved;
    return status;
}

static void say_places(edx_run *run, bool changed)
{
    edx_drift *drift = edx_analysis_drift(run->analysis);
    size_t n = 0;
    const edx_drift_place *places = drift ? edx_drift_places(drift, &n) : NULL;
    const size_t weak = drift ? edx_drift_unregistered(drift) : 0;
    if (changed) {
        edx_log_write(run->log, EDX_LOG_NOTICE,
                      "%s: drift: all frames are summed anew, each registered against the others",
                      run->begin.head.acq);
    }
    for (size_t i = 0; weak > 0 && i < n; i++) {
        if (!places[i].registered) {
            edx_log_write(
                run->log, EDX_LOG_WARNING,
                "%s: drift: %zu of %zu frames could not be registered, the first is frame "
                "%llu; they are summed where their neighbours are, or unshifted",
                run->begin.head.acq, weak, n, (unsigned long long)places[i].frame);
            return;
        }
    }
}

static edx_status look_back(edx_run *run, edx_error *err)
{
    edx_rerun *rerun = NULL;
    bool changed = false;
    edx_status status = edx_rerun_open(&run->source, &run->summed, &rerun, err);
    if (status == EDX_OK) {
        status = find_places(run, rerun, &changed, err);
    }
    if (status == EDX_OK && (changed || run->emptied)) {
        status = sum_anew(run, rerun, err);
    }
    if (status == EDX_OK) {
        status = leave_out(run, rerun, err);
    }
    edx_rerun_free(&rerun);
    if (status == EDX_OK) {
        say_places(run, changed);
        say_left_out(run);
    }
    return status;
}

/* Whether all frames are to be read again once the last has come. */
static bool wants_looking_back(edx_run *run)
{
    size_t excluded = 0;
    edx_analysis_excluded(run->analysis, &excluded);
    return edx_analysis_drift(run->analysis) || edx_analysis_is_misplaced(run->analysis) ||
           excluded > 0 || edx_analysis_settings(run->analysis)->analysis.exclude;
}

/* All frames came: better places than those found live, and what does not belong goes. Where they
 * cannot be read again, the sum stands. Fails where it was emptied and could not be made anew. */
static edx_status correct(edx_run *run, edx_error *failure)
{
    edx_error err = {0};
    if (!wants_looking_back(run)) {
        return EDX_OK;
    }
    if (run->source.path[0] != '\0') {
        if (look_back(run, &err)) {
            if (run->emptied) {
                return edx_fail(failure, err.code, "summing anew: %s", err.text);
            }
            edx_log_write(run->log, EDX_LOG_ERROR,
                          "%s: drift: frames stay where they were placed "
                          "live: %s",
                          run->begin.head.acq, err.text);
        }
    } else if (!run->drift_said) {
        edx_log_write(run->log, EDX_LOG_NOTICE,
                      "%s: drift: nothing is recorded, so frames stay where they were placed "
                      "live%s",
                      run->begin.head.acq,
                      edx_analysis_settings(run->analysis)->analysis.exclude
                          ? ", and outlying ones in the sum"
                          : "");
        run->drift_said = true;
    }
    return EDX_OK;
}

/* ---- results ---- */

static void publish(edx_run *run, edx_result_topic topic)
{
    size_t n = 0;
    void *bytes = edx_pack_take(run->pack, &n);
    if (!bytes) {
        edx_log_write(run->log, EDX_LOG_ERROR, "%s: no memory to publish",
                      edx_result_topic_name(topic));
    } else if (run->outlet.publish) {
        run->outlet.publish(run->outlet.context, topic, bytes, n);
    } else {
        free(bytes);
    }
}

/* The configured line profile; false when there is none. */
static bool profile(edx_run *run, edx_profile_result *out)
{
    const edx_settings *s = edx_analysis_settings(run->analysis);
    edx_error err = {0};
    if (isnan(s->analysis.profile.from_nm[0]) || isnan(s->analysis.profile.to_nm[0]) ||
        run->profile_failed) {
        return false;
    }
    if (edx_analysis_profile(run->analysis, s->analysis.profile.from_nm, s->analysis.profile.to_nm,
                             s->analysis.profile.width_nm, out, &err)) {
        run->profile_failed = err.code != EDX_E_NOMEM; /* that may pass */
        edx_log_write(run->log, EDX_LOG_ERROR, "analysis.profile: %s", err.text);
        return false;
    }
    out->head = run->head;
    return true;
}

/* What came of decomposing: why says what status is. Says once that it fails. */
static bool judge(edx_run *run, const edx_results *results, edx_status status, const edx_error *why)
{
    all_or_none(run, status, why);
    if (status && !run->components_failed) {
        edx_log_write(run->log, EDX_LOG_ERROR, "analysis: components and particles: %s", why->text);
    }
    run->components_failed = status != EDX_OK;
    run->components_starved = status == EDX_E_NOMEM;
    run->n_findings = results->detail.has_trend ? EDX_WATCH_FINDINGS : 0;
    run->target_reached = results->detail.has_trend && /* infinite: at no dose */
                          isfinite(results->detail.trend.forecast.frames_needed);
    memcpy(run->findings, results->detail.findings, sizeof results->detail.findings);
    return status == EDX_OK;
}

/* What takes longer, of the same counts. */
static void decompose(edx_run *run, edx_results *results)
{
    edx_error err = {0};
    const edx_status status = edx_analysis_decompose(run->analysis, results, &err);
    judge(run, results, status, &err);
}

/* Calls each(run, topic) with every result written into run->pack in turn. */
static void for_each_result(edx_run *run, edx_results *results, double t,
                            void each(edx_run *run, edx_result_topic topic, void *context),
                            void *context)
{
    edx_profile_result line;
    run->head = results->head;
    run->head.head = run->begin.head;
    run->head.head.t = t;
    results->head = results->spectrum.head = results->maps.head = run->head;
    run->leaves = run->head;
    if (results->has_maps) { /* first: what people wait for */
        edx_maps_write(run->pack, &results->maps);
        each(run, EDX_MAPS, context);
    }
    edx_spectrum_write(run->pack, &results->spectrum);
    each(run, EDX_SPECTRUM, context);
    run->profile_late = run->away; /* it looks into the cube */
    if (!run->away && profile(run, &line)) {
        edx_profile_write(run->pack, &line);
        each(run, EDX_PROFILE, context);
    }
}

static void for_details(edx_run *run, edx_results *results,
                        void each(edx_run *run, edx_result_topic topic, void *context),
                        void *context)
{
    edx_detail_results *d = &results->detail;
    d->pca.head = d->nmf.head = d->particles.head = d->trend.head = results->head;
    run->leaves = results->head;
    if (d->has_pca) {
        edx_pca_write(run->pack, &d->pca);
        each(run, EDX_PCA, context);
    }
    if (d->has_nmf) {
        edx_nmf_write(run->pack, &d->nmf);
        each(run, EDX_NMF, context);
    }
    if (d->has_particles) {
        edx_particles_write(run->pack, &d->particles);
        each(run, EDX_PARTICLES, context);
    }
    if (d->has_trend) {
        edx_trend_write(run->pack, &d->trend);
        each(run, EDX_TREND, context);
    }
}

static void publish_each(edx_run *run, edx_result_topic topic, void *context)
{
    (void)context;
    publish(run, topic);
}

edx_status edx_run_update(edx_run *run, double t, edx_error *err)
{
    run->updated = false;
    run->fresh = true;
    if (!run->analysis) {
        return edx_fail(err, EDX_E_STATE, "no acquisition");
    }
    const edx_status status = edx_analysis_update(run->analysis, &run->results, err);
    if (status == EDX_OK) {
        for_each_result(run, &run->results, t, publish_each, NULL);
        run->mapped = run->frames;
        run->updated = true;
    }
    return status;
}

void edx_run_set_pace(edx_run *run, const edx_pace *pace)
{
    run->pace = pace;
}

/* The line profile that an update left out. */
static void publish_late_profile(edx_run *run)
{
    edx_profile_result line;
    if (run->profile_late && profile(run, &line)) {
        run->leaves = run->head;
        edx_profile_write(run->pack, &line);
        publish(run, EDX_PROFILE);
    }
    run->profile_late = false;
}

edx_status edx_run_part(edx_run *run, edx_error *err)
{
    run->parted = true;
    run->find_pool = pool_new(1, run->log);
    return run->analysis ? share_work(run, err) : EDX_OK;
}

bool edx_run_prepare(edx_run *run)
{
    if (!run->analysis || !run->updated) {
        return false;
    }
    publish_late_profile(run);
    run->found = run->results;
    run->why = (edx_error){0};
    run->fresh = false;
    edx_analysis_set_pace(run->analysis, run->pace);
    run->finding = edx_analysis_prepare(run->analysis, &run->found, &run->why);
    run->away = true;
    return true;
}

void edx_run_find(edx_run *run)
{
    if (run->finding == EDX_OK) {
        run->finding = edx_analysis_find(run->analysis, &run->found, &run->why);
    }
}

bool edx_run_collect(edx_run *run)
{
    edx_analysis_collect(run->analysis, &run->found);
    run->away = false;
    const bool done = judge(run, &run->found, run->finding, &run->why);
    const bool left = done && edx_analysis_underway(run->analysis);
    for_details(run, &run->found, publish_each, NULL);
    if (!run->fresh) {
        run->updated = left;
    }
    return !left;
}

bool edx_run_decompose(edx_run *run)
{
    if (!edx_run_prepare(run)) {
        return true;
    }
    edx_run_find(run);
    return edx_run_collect(run);
}

bool edx_run_is_laden(const edx_run *run, size_t n)
{
    uint64_t events = n / sizeof(uint16_t);
    for (int i = 0; i < EDX_WAITING_FRAMES; i++) {
        events += run->waiting[i].used ? run->waiting[i].size / sizeof(uint16_t) : 0;
    }
    return run->analysis && edx_analysis_waits(run->analysis, events, run->budget);
}

bool edx_run_needs_details(const edx_run *run)
{
    return run->analysis && edx_analysis_needs_details(run->analysis);
}

void edx_run_miss(edx_run *run)
{
    run->taken++;
}

static uint64_t unsummed(const edx_run *run)
{
    uint64_t lost = run->taken - run->added;
    for (int i = 0; i < EDX_WAITING_FRAMES; i++) {
        lost -= run->waiting[i].used ? run->waiting[i].n : 0;
    }
    return lost;
}

const edx_result_head *edx_run_head(const edx_run *run)
{
    return &run->leaves;
}

/* The analysis counts what it was not told to leave out; what came counts all. */
static edx_run_ages ages(const edx_run *run)
{
    edx_run_ages out = {run->frames, run->mapped, run->frames, run->frames, run->frames};
    if (run->analysis) {
        const edx_analysis_ages a = edx_analysis_ages_of(run->analysis);
        out.components -= a.sum - a.components;
        out.heldout -= a.sum - a.heldout;
        out.profiles -= a.sum - a.profiles;
    }
    return out;
}

static void drift_facts(const edx_run *run, edx_run_facts *out)
{
    const edx_drift *drift = edx_analysis_drift(run->analysis);
    size_t n = 0;
    const edx_drift_place *places = drift ? edx_drift_places(drift, &n) : NULL;
    for (size_t i = 0; i < 2 && n > 0; i++) {
        out->drift_nm[i] = places[n - 1].moved[i] * run->begin.step_nm[i];
    }
    if (n > 0) {
        out->drift_failures = edx_drift_recent_failures(drift);
        out->drift_lost = edx_drift_lost_field(drift);
    }
}

void edx_run_facts_get(const edx_run *run, edx_run_facts *out)
{
    const uint64_t *outliers = NULL;
    size_t n = 0;
    *out =
        (edx_run_facts){.p = 1.0, .unsummed = unsummed(run), .full = run->full, .ages = ages(run)};
    out->target_reached = run->target_reached;
    out->starved = run->starved || run->components_starved;
    out->head = run->head;
    out->head.head = run->begin.head; /* also where nothing can be analysed */
    if (!run->analysis) {
        return;
    }
    drift_facts(run, out);
    out->n_findings = run->n_findings;
    memcpy(out->findings, run->findings, run->n_findings * sizeof *out->findings);
    edx_analysis_health(run->analysis, &out->chi2, &out->dof, &out->p, &outliers, &n);
    out->n_outliers = n < EDX_MAX_OUTLIERS ? n : EDX_MAX_OUTLIERS;
    if (out->n_outliers > 0) {
        memcpy(out->outliers, outliers, out->n_outliers * sizeof *outliers);
    }
}

void edx_run_answer(edx_run *run, const char *cmd, const edx_node *request, edx_pack *reply)
{
    edx_answer(run->analysis, cmd, request, reply);
}

/* ---- storing ---- */

typedef struct stored {
    edx_store_message messages[EDX_RESULT_TOPICS];
    void *bytes[EDX_RESULT_TOPICS];
    size_t n;
    bool failed;
    bool publish;
} stored;

static void store_each(edx_run *run, edx_result_topic topic, void *context)
{
    stored *s = context;
    size_t n = 0;
    void *bytes = edx_pack_take(run->pack, &n);
    if (!bytes) {
        s->failed = true;
        return;
    }
    if (s->publish && run->outlet.publish) {
        void *copy = malloc(n);
        if (copy) {
            memcpy(copy, bytes, n);
            run->outlet.publish(run->outlet.context, topic, copy, n);
        }
    }
    s->bytes[s->n] = bytes;
    s->messages[s->n++] = (edx_store_message){edx_result_topic_name(topic), bytes, n};
}

static void store_status(edx_run *run, double t, edx_state state, const edx_closing *closing,
                         stored *s)
{
    edx_run_facts facts;
    edx_status_result status;
    edx_run_facts_get(run, &facts);
    edx_status_fill(&status, state, run->begin.frames, &facts, &closing->tally, closing->bad);
    status.head.head.t = t;
    const edx_alarm_result alarm = {
        .head = status.head, .count = closing->n_alarms, .alarms = closing->alarms};
    s->publish = false; /* the receiving side publishes these two */
    edx_status_write(run->pack, &status);
    store_each(run, EDX_STATUS, s);
    edx_alarm_write(run->pack, &alarm);
    store_each(run, EDX_ALARM, s);
}

static edx_status store_files(edx_run *run, const stored *s, edx_error *err)
{
    const edx_settings *used = edx_analysis_settings(run->analysis);
    edx_store_lines lines = {.bin_energy = (uint32_t)used->analysis.bin_energy};
    lines.lines = edx_analysis_lines(run->analysis, &lines.n);
    const uint32_t bin = (uint32_t)used->analysis.bin_pixels;
    const edx_store_together together = {
        .crew = run->crew, .grid = {run->begin.rows / bin, run->begin.cols / bin, bin}};
    edx_status status =
        edx_store_cube_of(&together, run->folder, edx_analysis_scene(run->analysis), &run->begin,
                          &lines, edx_analysis_live_time(run->analysis), err);
    if (!edx_crew_leads(run->crew)) {
        return status;
    }
    if (!status) {
        status = edx_store_maps(run->folder, &run->begin, (uint32_t)used->analysis.bin_pixels,
                                s->messages, s->n, err);
    }
    if (status) {
        return status;
    }
    edx_pack_reset(run->pack);
    status = edx_fields_get(edx_settings_table, &run->settings, "", run->pack, err);
    if (status) {
        return status;
    }
    return edx_store_results(run->folder, s->messages, s->n, edx_pack_data(run->pack),
                             edx_pack_size(run->pack), EDX_VERSION, err);
}

/* Processes of a group that have read other frames, or placed them elsewhere, have no common
 * answer. */
static edx_status compare(edx_run *run, edx_error *err)
{
    const edx_drift *drift = edx_analysis_drift(run->analysis);
    const uint32_t *exposure = edx_scene_exposure(edx_analysis_scene(run->analysis));
    size_t n = 0;
    const edx_drift_place *places = drift ? edx_drift_places(drift, &n) : NULL;
    uint64_t numbers[3] = {run->added, 0, 0};
    if (!edx_crew_ranks(run->crew)) {
        return EDX_OK;
    }
    for (uint64_t i = 0; i < (uint64_t)run->begin.rows * run->begin.cols; i++) {
        numbers[1] = 31 * numbers[1] + exposure[i];
    }
    for (size_t i = 0; i < n; i++) {
        numbers[2] =
            31 * (31 * numbers[2] + (uint32_t)places[i].shift[0]) + (uint32_t)places[i].shift[1];
    }
    if (edx_crew_agrees(run->crew, numbers, sizeof numbers / sizeof *numbers)) {
        return EDX_OK;
    }
    edx_fail(err, EDX_E_IO,
             "%s: the processes have summed different frames, or in different places; expected "
             "one recording, and machines that compute alike",
             run->begin.head.acq);
    return err->code;
}

/* The analysis of all that there is. */
static edx_status conclude(edx_run *run, edx_state state, edx_results *results, edx_error *err)
{
    edx_status status = compare(run, err);
    if (status == EDX_OK) {
        status = edx_analysis_settle(run->analysis, err);
    }
    if (status == EDX_OK && state == EDX_FINISHED) {
        status = correct(run, err);
    }
    if (status == EDX_OK) {
        status = compare(run, err);
    }
    return status ? status : edx_analysis_final(run->analysis, results, err);
}

/* Whether there is something to write and somewhere to write it: what the leader says. */
static bool to_store(edx_run *run, const stored *s, const edx_closing *closing, edx_error *err)
{
    edx_status status = EDX_OK;
    if (!edx_crew_leads(run->crew)) {
        return edx_crew_follow(run->crew, false);
    }
    if (!closing->stands && s->failed) {
        status = edx_fail(err, EDX_E_NOMEM, "no memory to store results");
    } else if (!closing->stands && run->folder[0] == '\0') {
        status = edx_fail(err, EDX_E_STATE, "%s: its folder could not be made, nothing is stored",
                          run->begin.head.acq);
    }
    return edx_crew_follow(run->crew, !closing->stands && status == EDX_OK);
}

edx_status edx_run_save(edx_run *run, double t, edx_state state, const edx_closing *closing,
                        edx_error *err)
{
    run->updated = false;
    edx_results results;
    stored s = {.publish = true};
    edx_error why = {0};
    if (!run->analysis) {
        return edx_fail(err, EDX_E_STATE, "there is no acquisition to save");
    }
    if (all_or_none(run, conclude(run, state, &results, &why), &why)) {
        return edx_fail(err, why.code, "%s", why.text);
    }
    decompose(run, &results);
    run->mapped = run->frames;
    for_each_result(run, &results, t, store_each, &s);
    for_details(run, &results, store_each, &s);
    store_status(run, t, state, closing, &s);
    if (to_store(run, &s, closing, &why)) {
        store_files(run, &s, &why);
    }
    if (why.code && err) {
        *err = why;
    }
    for (size_t i = 0; i < s.n; i++) {
        free(s.bytes[i]);
    }
    return why.code;
}
