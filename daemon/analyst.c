#include "daemon/analyst.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/recording.h"

struct edx_analyst {
    edx_run *run;
    edx_log *log;
    edx_reporter *report;
    void *context;
    edx_recording *recording; /* opened when a frame has to be read back */
    char recording_path[4096];
    edx_wire *wire;
    edx_pack *reply;
    bool changed;       /* since the last update */
    int64_t arrival_ns; /* of the newest frame summed */
    edx_pace pace;
    double spare_s, spare_at; /* time for refreshes while frames wait, and when that was so */
    double piece_at;          /* when the piece under way began */
    bool threaded;
    bool away;      /* the components are being found */
    double away_at; /* … since then */
    pthread_t thread, finder;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t wake, wake_finder;
    bool sent, returned; /* by the analyst to the finder, and back */
    bool pressed;        /* something came since it was sent, or waits for it */
    bool ends;
    edx_task *ring;
    size_t first, n, capacity;
    size_t backlog;
    uint64_t done;
    bool busy;
};

void edx_task_init(edx_task *task, edx_task_kind kind)
{
    *task = (edx_task){.kind = kind};
    edx_message_init(&task->message);
}

void edx_task_clear(edx_task *task)
{
    edx_message_close(&task->message);
    free(task->start);
    free(task->closing);
    task->start = NULL;
    task->closing = NULL;
}

static void report_result(void *context, edx_result_topic topic, void *bytes, size_t n)
{
    edx_analyst *a = context;
    const edx_report report = {.kind = EDX_REPORT_RESULT,
                               .topic = topic,
                               .frame = edx_run_head(a->run)->frame,
                               .t = edx_run_head(a->run)->head.t,
                               .arrival_ns = a->arrival_ns};
    a->report(a->context, &report, bytes, n);
}

edx_analyst *edx_analyst_new(const edx_limits *limits, edx_log *log, edx_reporter *report,
                             void *context)
{
    edx_analyst *a = calloc(1, sizeof *a);
    if (!a) {
        return NULL;
    }
    pthread_mutex_init(&a->mutex, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&a->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&a->wake_finder, NULL);
    a->log = log;
    a->report = report;
    a->context = context;
    a->wire = edx_wire_new(0);
    a->reply = edx_pack_new();
    a->run = edx_run_new(limits, (edx_outlet){a, report_result}, log);
    if (!a->run || !a->wire || !a->reply) {
        edx_analyst_free(&a);
    }
    return a;
}

static double unix_time(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* Seconds that no setting of the clock changes. */
static double monotonic_time(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* ---- carrying out ---- */

static void report_facts(edx_analyst *a)
{
    /* not yet of a frame that is not in the maps */
    edx_report report = {.kind = EDX_REPORT_FACTS, .arrival_ns = a->changed ? 0 : a->arrival_ns};
    edx_run_facts_get(a->run, &report.facts);
    a->report(a->context, &report, NULL, 0);
}

void edx_analyst_update(edx_analyst *analyst, double t)
{
    edx_error err = {0};
    analyst->changed = false;
    if (edx_run_active(analyst->run) && edx_run_update(analyst->run, t, &err)) {
        edx_log_write(analyst->log, EDX_LOG_ERROR, "analysis: %s", err.text);
    }
    report_facts(analyst);
}

static void begin(edx_analyst *a, edx_task *task)
{
    edx_error err = {0};
    edx_recording_free(&a->recording);
    memcpy(a->recording_path, task->start->recording, sizeof a->recording_path);
    if (edx_run_begin(a->run, &task->start->begin, task->start->folder, &task->start->settings,
                      &err)) {
        edx_log_write(a->log, EDX_LOG_ERROR, "%s: cannot be analysed: %s",
                      task->start->begin.head.acq, err.text);
    }
    edx_run_set_source(a->run, &task->start->source);
    a->changed = true;
    report_facts(a); /* before the first result: whose it is */
}

/* A folder that could be made at last. */
static void move(edx_analyst *a, edx_task *task)
{
    memcpy(a->recording_path, task->start->recording, sizeof a->recording_path);
    edx_run_move(a->run, task->start->begin.head.acq, task->start->folder);
    edx_run_set_source(a->run, &task->start->source);
    report_facts(a);
}

static edx_status read_back(edx_analyst *a, edx_task *task, edx_error *err)
{
    edx_record record;
    if (!a->recording) {
        const edx_status status =
            edx_recording_open(a->recording_path, UINT64_MAX, &a->recording, err);
        if (status) {
            return status;
        }
    }
    const edx_status status = edx_recording_at(a->recording, task->offset, &record, err);
    task->body = record.body;
    task->size = record.body_size;
    return status;
}

static void frame(edx_analyst *a, edx_task *task)
{
    edx_error err = {0};
    edx_status status = EDX_OK;
    if (task->on_disk) {
        status = read_back(a, task, &err);
        if (status) {
            edx_run_miss(a->run);
        }
    } else if (!task->body) {
        task->body = edx_message_data(&task->message);
        task->size = edx_message_size(&task->message);
    }
    if (status == EDX_OK) {
        status = edx_run_frame(a->run, task->body, task->size, &task->placement, &err);
    }
    if (status && status != EDX_E_LIMIT) { /* LIMIT: said once */
        edx_log_write(a->log, EDX_LOG_ERROR, "a frame is recorded but not summed: %s", err.text);
    }
    a->arrival_ns = task->arrival_ns;
    a->changed = true;
}

static void save(edx_analyst *a, edx_task *task)
{
    edx_report report = {.kind = EDX_REPORT_SAVED, .ticket = task->ticket, .state = task->state};
    const double t = a->threaded ? unix_time() : task->t; /* offline: what the recording says */
    edx_run_save(a->run, t, task->state, task->closing, &report.error);
    a->changed = false;
    report_facts(a);
    edx_run_facts_get(a->run, &report.facts);
    a->report(a->context, &report, NULL, 0);
}

static void ask(edx_analyst *a, edx_task *task)
{
    edx_error err = {0};
    const edx_node *request = NULL;
    char cmd[32] = "";
    size_t n = 0;
    edx_report report = {.kind = EDX_REPORT_ANSWER, .ticket = task->ticket};
    if (edx_wire_parse(a->wire, edx_message_data(&task->message), edx_message_size(&task->message),
                       &request, &err) == EDX_OK) {
        edx_node_text(edx_map_get(request, "cmd"), "cmd", cmd, sizeof cmd, &err);
    }
    edx_pack_reset(a->reply);
    edx_run_answer(a->run, cmd, request, a->reply);
    void *bytes = edx_pack_take(a->reply, &n);
    a->report(a->context, &report, bytes, n);
}

static void configure(edx_analyst *a, edx_task *task)
{
    edx_error err = {0};
    if (edx_run_configure(a->run, &task->start->settings, &err)) {
        edx_log_write(a->log, EDX_LOG_ERROR, "settings are kept as they were: %s", err.text);
    }
    a->changed = true;
}

static void execute(edx_analyst *a, edx_task *task)
{
    switch (task->kind) {
    case EDX_TASK_BEGIN:
        begin(a, task);
        break;
    case EDX_TASK_CONFIGURE:
        configure(a, task);
        break;
    case EDX_TASK_FRAME:
        frame(a, task);
        break;
    case EDX_TASK_PLACE:
        edx_run_place(a->run, &task->placement);
        a->changed = true;
        break;
    case EDX_TASK_FOLDER:
        move(a, task);
        break;
    case EDX_TASK_SAVE:
        save(a, task);
        break;
    case EDX_TASK_FORGET:
        edx_run_forget(a->run);
        report_facts(a);
        break;
    case EDX_TASK_ASK:
        ask(a, task);
        break;
    case EDX_TASK_QUIT:
        break;
    }
}

/* ---- queue ---- */

static bool grow(edx_analyst *a)
{
    const size_t capacity = a->capacity ? 2 * a->capacity : 256;
    edx_task *ring = malloc(capacity * sizeof *ring);
    if (!ring) {
        return false;
    }
    for (size_t i = 0, at = a->first; i < a->n; i++) {
        ring[i] = a->ring[at];
        at = at + 1 < a->capacity ? at + 1 : 0;
    }
    free(a->ring);
    a->ring = ring;
    a->first = 0;
    a->capacity = capacity;
    return true;
}

static size_t weight(edx_task *task)
{
    return edx_message_size(&task->message);
}

static edx_status push(edx_analyst *a, edx_task *task)
{
    pthread_mutex_lock(&a->mutex);
    const bool room = a->n < a->capacity || grow(a);
    if (room) {
        a->backlog += weight(task);
        a->ring[(a->first + a->n++) % a->capacity] = *task;
        pthread_cond_signal(&a->wake);
    }
    pthread_mutex_unlock(&a->mutex);
    if (room) {
        edx_task_init(task, task->kind);
    }
    return room ? EDX_OK : EDX_E_NOMEM;
}

edx_status edx_analyst_give(edx_analyst *analyst, edx_task *task)
{
    if (analyst->threaded) {
        return push(analyst, task);
    }
    execute(analyst, task);
    edx_task_clear(task);
    return EDX_OK;
}

/* Waits for a task: ms < 0 for ever. With the mutex held. */
static void wait_for_task(edx_analyst *a, int64_t ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int rc = 0;
    while (a->n == 0 && !a->returned && rc == 0) {
        rc = ms < 0 ? pthread_cond_wait(&a->wake, &a->mutex)
                    : pthread_cond_timedwait(&a->wake, &a->mutex, &until);
    }
}

/* The next task; false when none comes within ms (below 0: however long it takes), or the
 * components do. */
static bool pop(edx_analyst *a, int64_t ms, edx_task *task)
{
    pthread_mutex_lock(&a->mutex);
    a->busy = ms >= 0 || a->away;
    if (ms != 0) {
        wait_for_task(a, ms);
    }
    const bool got = a->n > 0;
    if (got) {
        *task = a->ring[a->first];
        a->first = (a->first + 1) % a->capacity;
        a->n--;
        a->backlog -= weight(task);
        a->busy = true;
        a->pressed = true;
        a->done += !a->away; /* the finder is watched too */
    }
    pthread_mutex_unlock(&a->mutex);
    return got;
}

/* ---- what need not follow every frame ---- */

/* Refreshes that take every group of frames (analysis/pace.h) run while nothing else waits. While
 * frames do, they get this share of the time, saved up to MOST_SPARE_S, so that they get on however
 * fast frames come, and never hold up the sums for longer than a piece. */
#define REFRESH_SHARE 0.2
#define MOST_SPARE_S 0.5

static bool is_quiet(edx_analyst *a)
{
    pthread_mutex_lock(&a->mutex);
    const bool quiet = a->n == 0 && !a->pressed;
    pthread_mutex_unlock(&a->mutex);
    return quiet;
}

static bool piece_begins(void *context)
{
    edx_analyst *a = context;
    a->piece_at = monotonic_time();
    a->spare_s = fmin(MOST_SPARE_S, a->spare_s + REFRESH_SHARE * (a->piece_at - a->spare_at));
    a->spare_at = a->piece_at;
    return a->spare_s > 0 || is_quiet(a);
}

static void piece_ends(void *context)
{
    edx_analyst *a = context;
    const double took = monotonic_time() - a->piece_at;
    a->spare_s = fmax(a->spare_s, 0) - took; /* what quiet hours took is not owed */
}

/* ---- the finder ---- */

static void *find(void *argument)
{
    edx_analyst *a = argument;
    pthread_mutex_lock(&a->mutex);
    while (!a->ends) {
        if (!a->sent) {
            pthread_cond_wait(&a->wake_finder, &a->mutex);
            continue;
        }
        a->sent = false;
        pthread_mutex_unlock(&a->mutex);
        edx_run_find(a->run);
        pthread_mutex_lock(&a->mutex);
        a->returned = true;
        pthread_cond_signal(&a->wake);
    }
    pthread_mutex_unlock(&a->mutex);
    return NULL;
}

/* ---- the thread ---- */

/* Maps leave before the components take every processor. Frames that leave no pause hold maps up no
 * longer than BUSY_S, and components no longer than BUSY_S after maps, or than so many times what
 * either took last: of a time that is too short for everything components take a fifth at most, and
 * maps half of the rest. */
#define QUIET_MS 4
#define BUSY_S 1.0
#define MAPS_TIMES 1
#define COMPONENTS_TIMES 4

/* What has to be done again, since when, and how long it waits for a pause. */
typedef struct chore {
    bool due;
    double since, patience_s;
} chore;

static void becomes_due(chore *c, double now)
{
    c->since = c->due ? c->since : now;
    c->due = true;
}

static bool is_overdue(const chore *c, double now)
{
    return c->due && now - c->since > c->patience_s;
}

static void was_done(chore *c, double began, bool whole, int times)
{
    const double now = monotonic_time();
    *c = (chore){.due = !whole, .since = now, .patience_s = fmax(BUSY_S, times * (now - began))};
}

/* Lets the finder begin, if there is anything to find. */
static void send_finder(edx_analyst *a, chore *components)
{
    a->away_at = monotonic_time();
    components->due = false;
    a->away = edx_run_prepare(a->run);
    if (!a->away) {
        return;
    }
    pthread_mutex_lock(&a->mutex);
    a->pressed = false;
    a->sent = true;
    pthread_cond_signal(&a->wake_finder);
    pthread_mutex_unlock(&a->mutex);
}

static void collect(edx_analyst *a, chore *components)
{
    const bool whole = edx_run_collect(a->run);
    const bool due = components->due; /* frames came since */
    a->away = false;
    report_facts(a);
    was_done(components, a->away_at, whole && !due, COMPONENTS_TIMES);
}

static bool has_returned(edx_analyst *a)
{
    pthread_mutex_lock(&a->mutex);
    const bool returned = a->returned;
    a->returned = false;
    a->done += returned;
    pthread_mutex_unlock(&a->mutex);
    return returned;
}

/* Waits for the finder, which begins nothing more than the spare time allows. */
static void call_back(edx_analyst *a, chore *components)
{
    pthread_mutex_lock(&a->mutex);
    a->pressed = true;
    while (a->away && !a->returned) {
        pthread_cond_wait(&a->wake, &a->mutex);
    }
    pthread_mutex_unlock(&a->mutex);
    if (a->away && has_returned(a)) {
        collect(a, components);
    }
}

/* Whether the finder can go on meanwhile. Not where frames come faster than they are summed, and
 * have to be read back. */
static bool is_apart(const edx_analyst *a, edx_task *task)
{
    return (task->kind == EDX_TASK_FRAME || task->kind == EDX_TASK_PLACE) && !task->on_disk &&
           !edx_run_is_laden(a->run, weight(task));
}

static void make_maps(edx_analyst *a, chore *maps, chore *components)
{
    if (a->away && edx_run_needs_details(a->run)) {
        call_back(a, components);
    }
    const double now = monotonic_time();
    edx_analyst_update(a, unix_time());
    was_done(maps, now, true, MAPS_TIMES);
    becomes_due(components, now);
}

static void carry_out(edx_analyst *a, edx_task *task, chore *maps, chore *components)
{
    if (a->away && !is_apart(a, task)) {
        call_back(a, components);
    }
    if (task->kind == EDX_TASK_SAVE && a->changed) { /* the final analysis takes its time */
        make_maps(a, maps, components);
    }
    execute(a, task);
    edx_task_clear(task);
}

static void *work(void *argument)
{
    edx_analyst *a = argument;
    chore maps = {.patience_s = BUSY_S}, components = {.due = true, .patience_s = BUSY_S};
    bool quit = false;
    components.since = monotonic_time();
    while (!quit) {
        edx_task task;
        const bool got = pop(a, a->changed ? 0 : components.due && !a->away ? QUIET_MS : -1, &task);
        const bool quiet = !got && !a->changed;
        if (a->away && has_returned(a)) {
            collect(a, &components);
        }
        if (got) {
            quit = task.kind == EDX_TASK_QUIT;
            carry_out(a, &task, &maps, &components);
        }
        if (a->changed) {
            becomes_due(&maps, monotonic_time());
        }
        if (a->changed && (!got || is_overdue(&maps, monotonic_time()))) {
            make_maps(a, &maps, &components);
        }
        if (!a->away && !quit &&
            (quiet ? components.due : !a->changed && is_overdue(&components, monotonic_time()))) {
            send_finder(a, &components);
        }
    }
    return NULL;
}

edx_status edx_analyst_set_crew(edx_analyst *analyst, edx_crew *crew, edx_error *err)
{
    return edx_run_set_crew(analyst->run, crew, err);
}

static void end_finder(edx_analyst *a)
{
    pthread_mutex_lock(&a->mutex);
    a->ends = a->pressed = true;
    pthread_cond_signal(&a->wake_finder);
    pthread_mutex_unlock(&a->mutex);
    pthread_join(a->finder, NULL);
}

edx_status edx_analyst_start(edx_analyst *analyst, edx_error *err)
{
    analyst->spare_at = monotonic_time();
    analyst->pace = (edx_pace){analyst, piece_begins, piece_ends};
    edx_run_set_pace(analyst->run, &analyst->pace);
    const edx_status status = edx_run_part(analyst->run, err);
    if (status) {
        return status;
    }
    int rc = pthread_create(&analyst->finder, NULL, find, analyst);
    if (rc == 0) {
        rc = pthread_create(&analyst->thread, NULL, work, analyst);
        if (rc != 0) {
            end_finder(analyst);
        }
    }
    if (rc != 0) {
        return edx_fail(err, EDX_E_IO, "cannot start the analyst's threads: %s", strerror(rc));
    }
    analyst->threaded = true;
    return EDX_OK;
}

size_t edx_analyst_backlog(edx_analyst *analyst)
{
    pthread_mutex_lock(&analyst->mutex);
    const size_t backlog = analyst->backlog;
    pthread_mutex_unlock(&analyst->mutex);
    return backlog;
}

uint64_t edx_analyst_progress(edx_analyst *analyst, bool *busy)
{
    pthread_mutex_lock(&analyst->mutex);
    const uint64_t done = analyst->done;
    *busy = analyst->busy || analyst->n > 0;
    pthread_mutex_unlock(&analyst->mutex);
    return done;
}

static void stop(edx_analyst *a)
{
    edx_task quit;
    edx_task_init(&quit, EDX_TASK_QUIT);
    while (push(a, &quit) != EDX_OK) {
        const struct timespec pause = {.tv_nsec = 10000000};
        nanosleep(&pause, NULL); /* the queue empties by itself */
    }
    pthread_join(a->thread, NULL);
    end_finder(a);
    a->threaded = false;
}

void edx_analyst_free(edx_analyst **analyst)
{
    edx_analyst *a = *analyst;
    if (!a) {
        return;
    }
    if (a->threaded) {
        stop(a);
    }
    for (size_t i = 0; i < a->n; i++) {
        edx_task_clear(&a->ring[(a->first + i) % a->capacity]);
    }
    free(a->ring);
    edx_run_free(&a->run);
    edx_recording_free(&a->recording);
    edx_wire_free(&a->wire);
    edx_pack_free(&a->reply);
    pthread_cond_destroy(&a->wake);
    pthread_cond_destroy(&a->wake_finder);
    pthread_mutex_destroy(&a->mutex);
    free(a);
    *analyst = NULL;
}
