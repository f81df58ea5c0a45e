/* Several processes with one acquisition between them have the results of one: here they are
 * threads, each with an analysis of its own. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/analysis.h"

enum { ROWS = 49, COLS = 44, PIXELS = ROWS * COLS, CHANNELS = 260, FRAMES = 6, MOST = 17 };
enum { ENTRIES = PIXELS * 40 };

/* ---- an acquisition: a disc of silver and gold ---- */

static uint16_t channels[FRAMES][ENTRIES];
static uint32_t offsets[FRAMES][PIXELS + 1];
static uint64_t state_of_chance = 271828;

static uint32_t chance(uint32_t below)
{
    state_of_chance ^= state_of_chance >> 12;
    state_of_chance ^= state_of_chance << 25;
    state_of_chance ^= state_of_chance >> 27;
    return (uint32_t)((state_of_chance * 0x2545F4914F6CDD1DULL) >> 33) % below;
}

/* A channel of a peak, or of the background. */
static uint16_t draw(uint32_t kind)
{
    uint32_t peak = kind == 0 ? 149 : kind == 1 ? 106 : 0;
    return (uint16_t)(peak > 0 ? peak - 4 + chance(3) + chance(3) + chance(3) + chance(3)
                               : chance(CHANNELS));
}

static void make_frames(void)
{
    for (uint32_t f = 0; f < FRAMES; f++) {
        uint32_t n = 0;
        for (uint32_t p = 0; p < PIXELS; p++) {
            double y = p / COLS - 24.0, x = p % COLS - 20.0, r = sqrt(y * y + x * x);
            offsets[f][p] = n;
            for (uint32_t i = 3 + chance(3); i > 0; i--)
                channels[f][n++] = draw(2);
            for (uint32_t i = r < 12 ? 8 + chance(9) : 0; i > 0; i--)
                channels[f][n++] = draw(chance(24) < (uint32_t)r + 6 ? 0 : 1);
        }
        offsets[f][PIXELS] = n;
    }
}

static edx_analysis *start(uint64_t bin)
{
    const edx_begin begin = {.head = {.acq = "disc"},
                             .rows = ROWS,
                             .cols = COLS,
                             .step_nm = {0.5, 0.5},
                             .dwell_s = 1e-3,
                             .channels = CHANNELS,
                             .scale_eV = 20,
                             .beam_keV = 200,
                             .resolution_eV = 130,
                             .n_elements = 2,
                             .elements = {"Ag", "Au"}};
    edx_analysis *a = NULL;
    edx_settings s;
    edx_error err = {.text = ""};

    edx_settings_default(&s);
    s.analysis.bin_energy = 1;
    s.analysis.bin_pixels = bin;
    if (edx_analysis_new(&begin, &s, &a, &err) != EDX_OK)
        fail_msg("%s", err.text);
    return a;
}

static void give(edx_analysis *a)
{
    for (uint32_t f = 0; f < FRAMES; f++) {
        const edx_events events = {PIXELS, offsets[f], channels[f], NULL};
        const edx_frame frame = {.frame = f, .rows = ROWS};
        assert_int_equal(edx_analysis_add(a, &frame, &events, NULL), EDX_OK);
        edx_analysis_frame(a, f, true);
    }
}

typedef struct answer {
    edx_results results;
    edx_profile_result profile;
    uint64_t slots;
} answer;

static void conclude(edx_analysis *a, answer *out)
{
    const double from[2] = {12, 0}, to[2] = {12, 21};

    give(a);
    out->slots = edx_scene_slots(edx_analysis_scene(a));
    assert_int_equal(edx_analysis_final(a, &out->results, NULL), EDX_OK);
    assert_int_equal(edx_analysis_decompose(a, &out->results, NULL), EDX_OK);
    assert_int_equal(edx_analysis_profile(a, from, to, 3, &out->profile, NULL), EDX_OK);
}

/* ---- processes ---- */

typedef struct meeting {
    uint32_t n;
    pthread_barrier_t barrier;
    void *values[MOST];
    double *sum; /* [count] of the call */
} meeting;

typedef struct process {
    meeting *with;
    edx_ranks ranks;
    edx_pool *pool;
    edx_analysis *analysis;
    answer answer;
} process;

static double at(edx_dtype type, const void *values, size_t i)
{
    const edx_array view = edx_array_1(type, values, i + 1);
    return edx_array_get(&view, i);
}

static void put(edx_dtype type, void *values, size_t i, double value)
{
    if (type == EDX_F4)
        ((float *)values)[i] = (float)value;
    else if (type == EDX_F8)
        ((double *)values)[i] = value;
    else if (type == EDX_U4)
        ((uint32_t *)values)[i] = (uint32_t)value;
    else /* differences of whole numbers come round */
        ((uint64_t *)values)[i] = (uint64_t)(int64_t)value;
}

static void add_up(meeting *m, edx_dtype type, size_t count)
{
    m->sum = calloc(count, sizeof *m->sum);
    for (uint32_t r = 0; r < m->n; r++)
        for (size_t i = 0; i < count; i++)
            m->sum[i] +=
                type == EDX_U8 ? (double)((int64_t *)m->values[r])[i] : at(type, m->values[r], i);
}

static void sum(void *context, edx_dtype type, void *values, size_t count)
{
    const process *p = context;
    meeting *m = p->with;

    m->values[p->ranks.rank] = values;
    pthread_barrier_wait(&m->barrier);
    if (p->ranks.rank == 0)
        add_up(m, type, count);
    pthread_barrier_wait(&m->barrier);
    for (size_t i = 0; i < count; i++)
        put(type, values, i, m->sum[i]);
    pthread_barrier_wait(&m->barrier);
    if (p->ranks.rank == 0)
        free(m->sum);
}

static void *live(void *context)
{
    process *p = context;
    conclude(p->analysis, &p->answer);
    return NULL;
}

static void open_process(process *p, meeting *m, uint32_t rank, uint64_t bin)
{
    *p = (process){.with = m, .ranks = {rank, m->n, p, sum}, .analysis = start(bin)};
    assert_int_equal(edx_pool_new(1, &p->pool, NULL), EDX_OK);
    edx_pool_join(p->pool, &p->ranks);
    assert_int_equal(edx_analysis_set_pool(p->analysis, p->pool, NULL), EDX_OK);
    assert_int_equal(edx_analysis_set_decompose_pool(p->analysis, p->pool, NULL), EDX_OK);
}

/* ---- comparison ---- */

static void near(const char *what, const edx_array *one, const edx_array *two, double tolerance)
{
    uint64_t n = 0, other = 0, bytes = 0;
    double largest = 0, apart = 0;

    assert_true(edx_array_count(one, &n, &bytes) && edx_array_count(two, &other, &bytes));
    assert_int_equal(n, other);
    assert_true(n > 0);
    for (uint64_t i = 0; i < n; i++) {
        double a = edx_array_get(one, i), b = edx_array_get(two, i);
        if (isnan(a) != isnan(b))
            fail_msg("%s[%llu]: %g, expected %g", what, (unsigned long long)i, b, a);
        largest = isnan(a) ? largest : fmax(largest, fabs(a));
        apart = isnan(a) ? apart : fmax(apart, fabs(a - b));
    }
    if (!(apart <= tolerance * largest))
        fail_msg("%s: %g apart, expected at most %g of %g", what, apart, tolerance, largest);
}

#define NEAR(field, tolerance) near(#field, &one->field, &two->field, tolerance)

static void compare(const answer *one, const answer *two, double tolerance)
{
    assert_int_equal(one->results.head.counts, two->results.head.counts);
    NEAR(results.spectrum.sum, 0);
    NEAR(results.spectrum.total, 0);
    NEAR(results.maps.intensity, 0);
    NEAR(results.maps.sigma, 0);
    NEAR(results.maps.atomic_fraction, 0);
    NEAR(results.maps.fraction_sigma, 0);
    NEAR(results.maps.exposure, 0);
    NEAR(results.maps.denoised_fraction, 1e-6);
    NEAR(profile.counts, 0);
    NEAR(profile.fraction, 0);
    NEAR(results.detail.pca.eigenvalues, tolerance);
    NEAR(results.detail.pca.heldout_error, tolerance);
    NEAR(results.detail.pca.spectra, tolerance);
    NEAR(results.detail.pca.maps, tolerance);
    NEAR(results.detail.nmf.spectra, tolerance);
    NEAR(results.detail.nmf.maps, tolerance);
    NEAR(results.detail.trend.composition, 0);
    assert_int_equal(one->results.detail.particles.count, 1);
    assert_int_equal(two->results.detail.particles.count, 1);
    const edx_particle *a = one->results.detail.particles.particles,
                       *b = two->results.detail.particles.particles;
    near("radial.counts", &a->radial.counts, &b->radial.counts, 0);
    near("radial.nmf", &a->radial.nmf, &b->radial.nmf, tolerance);
    near("radial.pca", &a->radial.pca, &b->radial.pca, tolerance);
}

/* ---- */

static void processes_agree(uint32_t n, uint64_t bin, double tolerance)
{
    static process all[MOST];
    static answer alone;
    pthread_t threads[MOST];
    meeting m = {.n = n};
    edx_analysis *a = start(bin);
    uint64_t slots = 0, most = 0;

    conclude(a, &alone);
    assert_int_equal(pthread_barrier_init(&m.barrier, NULL, n), 0);
    for (uint32_t r = 0; r < n; r++)
        open_process(&all[r], &m, r, bin);
    for (uint32_t r = 0; r < n; r++)
        assert_int_equal(pthread_create(&threads[r], NULL, live, &all[r]), 0);
    for (uint32_t r = 0; r < n; r++)
        pthread_join(threads[r], NULL);
    for (uint32_t r = 0; r < n; r++) {
        compare(&alone, &all[r].answer, tolerance);
        slots += all[r].answer.slots;
        most = all[r].answer.slots > most ? all[r].answer.slots : most;
        edx_analysis_free(&all[r].analysis);
        edx_pool_free(&all[r].pool);
    }
    assert_int_equal(slots, alone.slots); /* every count is with one */
    assert_true(most < alone.slots);
    pthread_barrier_destroy(&m.barrier);
    edx_analysis_free(&a);
}

static void whole_lanes(void **state)
{
    (void)state;
    processes_agree(2, 1, 1e-12);
    processes_agree(3, 1, 1e-12);
}

/* 24 x 22 analysis pixels, which a row of the scan is too much for; runs of them are dealt. */
static void binned_pixels_and_more_processes_than_lanes(void **state)
{
    (void)state;
    processes_agree(17, 2, 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_lanes),
        cmocka_unit_test(binned_pixels_and_more_processes_than_lanes),
    };
    make_frames();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
