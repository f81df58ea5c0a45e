/* Live under load: what takes every group of frames is done piece by piece, sums and maps go on in
 * between, the status can say what is behind, and in the end it is all the same. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "analysis/scaled.h"
#include "daemon/analyst.h"

#define SIDE 24u
#define PIXELS (SIDE * SIDE)
#define CHANNELS 512u
#define GROUPS 3u
#define FRAMES 15u
#define MOST (PIXELS * 64u)

/* ---- frames ---- */

/* A disc of two elements on a support: the same frame for the same number. */
typedef struct frames {
    edx_pack *pack;
    uint64_t state;
    uint32_t offsets[PIXELS + 1];
    uint16_t channels[MOST];
} frames;

static uint32_t below(frames *f, uint32_t n)
{
    f->state = f->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((f->state >> 33) % n);
}

/* A channel of silver's or gold's line, or any. */
static uint16_t draw(frames *f)
{
    const uint32_t kind = below(f, 5);
    const uint32_t peak = kind < 2 ? 298 : 212;
    return (uint16_t)(kind == 4 ? below(f, CHANNELS) : peak + below(f, 7) + below(f, 7) - 6);
}

static void fill(frames *f, uint64_t index)
{
    uint32_t n = 0;
    f->state = 77 + index;
    for (uint32_t p = 0; p < PIXELS; p++) {
        const double y = p / SIDE - 0.5 * SIDE, x = p % SIDE - 0.5 * SIDE;
        const uint32_t most = hypot(y, x) < SIDE / 4.0 ? 60 : 3;
        f->offsets[p] = n;
        for (uint32_t i = below(f, most) + most / 2; i > 0 && n < MOST; i--) {
            f->channels[n++] = most > 3 ? draw(f) : (uint16_t)below(f, CHANNELS);
        }
    }
    f->offsets[PIXELS] = n;
}

/* Frame index as a message, in f->pack. */
static void write_frame(frames *f, uint64_t index)
{
    edx_frame frame = {.seq = index, .frame = index, .rows = SIDE, .live_s = NAN, .real_s = NAN};
    snprintf(frame.head.acq, sizeof frame.head.acq, "load");
    fill(f, index);
    frame.counts.events = true;
    frame.counts.offsets = edx_array_1(EDX_U4, f->offsets, PIXELS + 1);
    frame.counts.channels = edx_array_1(EDX_U2, f->channels, f->offsets[PIXELS]);
    edx_frame_write(f->pack, &frame);
}

static edx_begin make_begin(void)
{
    return (edx_begin){.head = {.acq = "load"},
                       .rows = SIDE,
                       .cols = SIDE,
                       .step_nm = {0.5, 0.5},
                       .dwell_s = 1e-3,
                       .channels = CHANNELS,
                       .scale_eV = 10,
                       .beam_keV = 200,
                       .solid_angle_sr = NAN,
                       .elevation_deg = NAN,
                       .azimuth_deg = NAN,
                       .resolution_eV = 130,
                       .probe_nA = NAN,
                       .n_elements = 2,
                       .elements = {"Ag", "Au"}};
}

static edx_settings make_settings(void)
{
    edx_settings s;
    edx_settings_default(&s);
    s.analysis.bin_energy = 1;
    s.analysis.bin_pixels = 1;
    s.analysis.drift = EDX_DRIFT_NONE;
    s.analysis.replicates = GROUPS;
    s.analysis.pca.rank = 2;
    s.analysis.nmf.automatic = false;
    s.analysis.nmf.components = 2;
    return s;
}

static const edx_placement whole = {.place = true, .complete = true};

/* ---- a run whose pace the test sets ---- */

typedef struct outcome {
    void *bytes[EDX_RESULT_TOPICS];
    size_t n[EDX_RESULT_TOPICS];
} outcome;

static void keep(void *context, edx_result_topic topic, void *bytes, size_t n)
{
    outcome *o = context;
    free(o->bytes[topic]);
    o->bytes[topic] = bytes;
    o->n[topic] = n;
}

static void forget(outcome *o)
{
    for (int i = 0; i < EDX_RESULT_TOPICS; i++) {
        free(o->bytes[i]);
    }
}

typedef struct allowance {
    unsigned left, begun, ended;
} allowance;

static bool may_begin(void *context)
{
    allowance *a = context;
    if (a->left == 0) {
        return false;
    }
    a->left--;
    a->begun++;
    return true;
}

static void has_ended(void *context)
{
    allowance *a = context;
    a->ended++;
    assert_int_equal(a->ended, a->begun);
}

static edx_run *open_run(outcome *o, const edx_pace *pace)
{
    const edx_limits limits = edx_limits_default();
    const edx_begin begin = make_begin();
    const edx_settings settings = make_settings();
    edx_run *run = edx_run_new(&limits, (edx_outlet){o, keep}, NULL);
    assert_non_null(run);
    assert_int_equal(edx_run_begin(run, &begin, "", &settings, NULL), EDX_OK);
    edx_run_set_pace(run, pace);
    return run;
}

static void give(edx_run *run, frames *f, uint64_t index)
{
    write_frame(f, index);
    assert_int_equal(
        edx_run_frame(run, edx_pack_data(f->pack), edx_pack_size(f->pack), &whole, NULL), EDX_OK);
    assert_int_equal(edx_run_update(run, 1, NULL), EDX_OK);
}

static edx_status_result status_of(const edx_run *run, uint64_t came)
{
    const edx_tally tally = {.frames = came};
    edx_run_facts facts;
    edx_status_result out;
    edx_run_facts_get(run, &facts);
    edx_status_fill(&out, EDX_ACQUIRING, 0, &facts, &tally, 0);
    return out;
}

static void conclude(edx_run *run)
{
    const edx_closing closing = {.tally = {.frames = FRAMES}};
    assert_int_equal(edx_run_save(run, 2, EDX_FINISHED, &closing, NULL),
                     EDX_E_STATE); /* no folder */
    const edx_status_result status = status_of(run, FRAMES);
    assert_int_equal(status.behind.sum + status.behind.maps + status.behind.components +
                         status.behind.heldout + status.behind.profiles,
                     0);
}

/* One piece a decomposition: every frame is summed and mapped in time, rounds become whole. */
static void hurry(edx_run *run, frames *f, allowance *allowed)
{
    uint64_t most_heldout = 0, most_profiles = 0;
    unsigned cut = 0;
    for (uint64_t i = 0; i < FRAMES; i++) {
        give(run, f, i);
        edx_status_result status = status_of(run, i + 1);
        assert_int_equal(status.behind.sum, 0);
        assert_int_equal(status.behind.maps, 0);
        assert_int_equal(status.behind.components, 1);
        assert_int_equal(status_of(run, i + 3).behind.sum, 2);
        allowed->left = 1;
        cut += !edx_run_decompose(run);
        status = status_of(run, i + 1);
        assert_int_equal(status.behind.components, 0);
        most_heldout = status.behind.heldout > most_heldout ? status.behind.heldout : most_heldout;
        most_profiles =
            status.behind.profiles > most_profiles ? status.behind.profiles : most_profiles;
    }
    print_message("cut %u times, held out %llu and profiles %llu frames behind\n", cut,
                  (unsigned long long)most_heldout, (unsigned long long)most_profiles);
    assert_true(cut > FRAMES / 2);
    assert_in_range(most_heldout, 2, FRAMES - 1);  /* 3 groups and products: 4 pieces */
    assert_in_range(most_profiles, 2, FRAMES - 1); /* neither has to wait for ever */
}

/* What is due comes to an end, and is not done twice. */
static void finish(edx_run *run, allowance *allowed)
{
    unsigned more = 0;
    allowed->left = 0;
    const unsigned begun = allowed->begun;
    assert_false(edx_run_decompose(run)); /* no time: nothing is begun, nothing is lost */
    assert_int_equal(allowed->begun, begun);
    for (allowed->left = 1; !edx_run_decompose(run); allowed->left = 1) {
        assert_in_range(++more, 1, 4 * (GROUPS + 2));
    }
    assert_in_range(status_of(run, FRAMES).behind.heldout, 0, FRAMES / 10); /* until it is due */
    assert_in_range(status_of(run, FRAMES).behind.profiles, 0, FRAMES / 10);
}

static void assert_same(const outcome *a, const outcome *b)
{
    assert_true(a->n[EDX_MAPS] > 0 && a->n[EDX_PCA] > 0 && a->n[EDX_NMF] > 0 &&
                a->n[EDX_PARTICLES] > 0);
    for (int i = EDX_SPECTRUM; i < EDX_ALARM; i++) {
        assert_int_equal(a->n[i], b->n[i]);
        assert_true(a->n[i] == 0 || memcmp(a->bytes[i], b->bytes[i], a->n[i]) == 0);
    }
}

/* Three runs of the same frames: in haste to the end, in haste and then with time, with all the
 * time there is. */
static void test_pieces(void **state)
{
    frames *f = *state;
    allowance allowed = {0}, other = {0};
    const edx_pace pace = {&allowed, may_begin, has_ended};
    const edx_pace other_pace = {&other, may_begin, has_ended};
    outcome cut = {0}, late = {0}, easy = {0};
    edx_run *runs[] = {open_run(&cut, &pace), open_run(&late, &other_pace), open_run(&easy, NULL)};

    hurry(runs[0], f, &allowed);
    hurry(runs[1], f, &other);
    finish(runs[1], &other);
    for (uint64_t i = 0; i < FRAMES; i++) {
        give(runs[2], f, i);
        assert_true(edx_run_decompose(runs[2])); /* all at once */
    }
    for (int i = 0; i < 3; i++) {
        conclude(runs[i]);
        edx_run_free(&runs[i]);
    }
    assert_same(&cut, &easy);
    assert_same(&late, &easy);
    forget(&cut);
    forget(&late);
    forget(&easy);
}

/* ---- the analyst's thread ---- */

typedef struct desk {
    frames *f;
    edx_analyst *analyst;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    edx_run_facts facts;
    bool armed;      /* the next group that is held out takes until maps have the frame that then
                      * comes */
    bool mapped;     /* they have */
    unsigned rounds; /* groups held out since */
} desk;

static desk *the_desk; /* of the wrapped call, which has no context */

static void send(desk *d, uint64_t index)
{
    edx_task task;
    edx_task_init(&task, EDX_TASK_FRAME);
    write_frame(d->f, index);
    task.placement = whole;
    assert_int_equal(
        edx_message_set(&task.message, edx_pack_data(d->f->pack), edx_pack_size(d->f->pack)), 0);
    assert_int_equal(edx_analyst_give(d->analyst, &task), EDX_OK);
}

/* Once for every group that is held out. */
void __real_edx_scaled_overlap(edx_scaled *scaled, const edx_pass_term *term,
                               const edx_scene *other, uint32_t width, uint32_t first,
                               const double *v, double square[EDX_PASS], double product[EDX_PASS]);
void __wrap_edx_scaled_overlap(edx_scaled *scaled, const edx_pass_term *term,
                               const edx_scene *other, uint32_t width, uint32_t first,
                               const double *v, double square[EDX_PASS], double product[EDX_PASS]);

void __wrap_edx_scaled_overlap(edx_scaled *scaled, const edx_pass_term *term,
                               const edx_scene *other, uint32_t width, uint32_t first,
                               const double *v, double square[EDX_PASS], double product[EDX_PASS])
{
    desk *d = the_desk;
    if (d && d->armed) {
        d->armed = false;
        send(d, 4);
        pthread_mutex_lock(&d->mutex);
        while (!d->mapped) {
            pthread_cond_wait(&d->changed, &d->mutex);
        }
        pthread_mutex_unlock(&d->mutex);
    }
    if (d) {
        d->rounds++;
    }
    __real_edx_scaled_overlap(scaled, term, other, width, first, v, square, product);
}

static void hear(void *context, const edx_report *r, void *body, size_t n)
{
    desk *d = context;
    (void)n;
    free(body);
    pthread_mutex_lock(&d->mutex);
    if (r->kind == EDX_REPORT_FACTS) {
        d->facts = r->facts;
    }
    d->mapped =
        d->mapped || (r->kind == EDX_REPORT_RESULT && r->topic == EDX_MAPS && r->frame == 4);
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->mutex);
}

/* Until so many frames are in everything. */
static void wait_for(desk *d, uint64_t n)
{
    pthread_mutex_lock(&d->mutex);
    while (d->facts.ages.components < n || d->facts.ages.heldout < n ||
           d->facts.ages.profiles < n) {
        pthread_cond_wait(&d->changed, &d->mutex);
    }
    pthread_mutex_unlock(&d->mutex);
}

static void begin(desk *d)
{
    edx_task task;
    edx_task_init(&task, EDX_TASK_BEGIN);
    task.start = calloc(1, sizeof *task.start);
    assert_non_null(task.start);
    task.start->begin = make_begin();
    task.start->settings = make_settings();
    assert_int_equal(edx_analyst_give(d->analyst, &task), EDX_OK);
}

/* A frame that comes while components are being found is mapped at once, and in them later. */
static void test_thread(void **state)
{
    const edx_limits limits = edx_limits_default();
    desk d = {.f = *state};
    pthread_mutex_init(&d.mutex, NULL);
    pthread_cond_init(&d.changed, NULL);
    d.analyst = edx_analyst_new(&limits, NULL, hear, &d);
    assert_non_null(d.analyst);
    assert_int_equal(edx_analyst_start(d.analyst, NULL), EDX_OK);
    begin(&d);
    for (uint64_t i = 0; i < 3; i++) {
        send(&d, i);
    }
    wait_for(&d, 3);
    d.armed = true;
    the_desk = &d;
    send(&d, 3);
    wait_for(&d, 4);
    pthread_mutex_lock(&d.mutex);
    while (d.facts.ages.sum < 5 || d.facts.ages.components < 5) {
        pthread_cond_wait(&d.changed, &d.mutex);
    }
    pthread_mutex_unlock(&d.mutex);
    edx_analyst_free(&d.analyst);
    the_desk = NULL;
    assert_true(d.mapped);
    assert_true(d.rounds >= GROUPS);
    pthread_cond_destroy(&d.changed);
    pthread_mutex_destroy(&d.mutex);
}

static int setup(void **state)
{
    frames *f = calloc(1, sizeof *f);
    *state = f;
    if (f) {
        f->pack = edx_pack_new();
    }
    return !f || !f->pack;
}

static int teardown(void **state)
{
    frames *f = *state;
    edx_pack_free(&f->pack);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(test_thread, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
