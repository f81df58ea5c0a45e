/* Change under the beam, composition frame by frame, forecast: against closed forms and chances. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/damage.h"
#include "analysis/forecast.h"
#include "analysis/pending.h"
#include "analysis/tape.h"
#include "analysis/trend.h"
#include "instrument/random.h"

enum { FRAMES = 100 };

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.12g, expected %.12g within %g", value, expected, tolerance);
}

static uint64_t seed_of_run(void)
{
    const char *given = getenv("EDX_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : 20260711;
    printf("seed %llu\n", (unsigned long long)seed);
    return seed;
}

/* ---- the test of change ---- */

/* A run of frames: the share falls by loss till the last, the current decays by a fifth. */
static edx_damage run(edx_random *random, size_t frames, double rate, double share, double loss,
                      uint64_t expected, uint32_t tests)
{
    uint64_t frame[4 * FRAMES];
    double a[4 * FRAMES], n[4 * FRAMES];

    assert_true(frames <= 4 * FRAMES);
    for (size_t t = 0; t < frames; t++) {
        double done = (double)t / ((double)frames - 1), current = 1 - 0.2 * done;
        double own = (double)edx_random_poisson(random, rate * share * current * (1 - loss * done));
        frame[t] = t;
        a[t] = own;
        n[t] = own + (double)edx_random_poisson(random, rate * (1 - share) * current);
    }
    return edx_damage_test(frames, frame, a, n, expected, tests);
}

/* Named somewhere in the run. */
static unsigned named(edx_random *random, unsigned runs, size_t frames, double rate, double loss,
                      uint64_t expected)
{
    unsigned found = 0;

    for (unsigned i = 0; i < runs; i++)
        found += run(random, frames, rate, 0.4, loss, expected, 1).since >= 0;
    return found;
}

static void test_z_is_cochran_armitage(void **state)
{
    const uint64_t frame[] = {0, 1, 2, 3}; /* 10 of 100, 14 of 120, 9 of 80, 20 of 100 */
    const double a[] = {10, 14, 9, 20}, n[] = {100, 120, 80, 100};
    double p = 53.0 / 400, mean = (120 + 160 + 300) / 400.0, u = 0, v = 0;

    (void)state;
    for (int t = 0; t < 4; t++) {
        u += (t - mean) * (a[t] - n[t] * p);
        v += n[t] * (t - mean) * (t - mean);
    }
    edx_damage d = edx_damage_test(4, frame, a, n, 4, 1);
    assert_near(d.z, u / sqrt(p * (1 - p) * v), 1e-12);
    assert_int_equal(d.since, -1);
}

static void test_undamaged_runs_are_not_named(void **state)
{
    edx_random random;
    const unsigned runs = 2000;
    const double level = EDX_DAMAGE_LEVEL; /* and three standard errors */
    const unsigned most = (unsigned)(level * runs + 3 * sqrt(level * (1 - level) * runs));

    (void)state;
    edx_random_seed(&random, seed_of_run(), 1);
    assert_true(named(&random, runs, FRAMES, 1000, 0, FRAMES) <= most);
    assert_true(named(&random, runs, FRAMES, 20, 0, FRAMES) <= most); /* few counts */
    assert_true(named(&random, runs, 4 * FRAMES, 300, 0, FRAMES) <=
                most);                                                /* longer than expected */
    assert_true(named(&random, runs, 4 * FRAMES, 300, 0, 0) <= most); /* open-ended */
}

static void test_loss_is_found(void **state)
{
    edx_random random;
    const unsigned runs = 400;
    /* a tenth of it gone by the last frame: Z is loss * share * (1 - share) * sqrt(N / 12) /
     * sqrt(share (1 - share)), 5.5 here on average */
    double rate = pow(5.5 / (0.1 * sqrt(0.24)), 2) * 12 / FRAMES;

    (void)state;
    edx_random_seed(&random, seed_of_run(), 2);
    unsigned found = named(&random, runs, FRAMES, rate, 0.1, FRAMES);
    printf("found %u of %u\n", found, runs);
    assert_true(found >= runs * 95 / 100);
    edx_damage d = run(&random, FRAMES, 1e6, 0.4, 0.1, FRAMES, 1);
    assert_true(d.z < -50 && d.p < 1e-10 && d.since > 0 && d.since < 40);
}

static void test_more_tests_cost(void **state)
{
    edx_random one, five;

    (void)state;
    edx_random_seed(&one, 3, 3);
    edx_random_seed(&five, 3, 3);
    edx_damage a = run(&one, FRAMES, 2000, 0.4, 0.1, FRAMES, 1);
    edx_damage b = run(&five, FRAMES, 2000, 0.4, 0.1, FRAMES, 5);
    assert_near(b.p, 5 * a.p, 1e-12);
}

static void test_nothing_is_nothing(void **state)
{
    const uint64_t frame[] = {0, 1, 2};
    const double none[] = {0, 0, 0}, some[] = {5, 0, 7};

    (void)state;
    edx_damage d = edx_damage_test(0, NULL, NULL, NULL, 100, 1);
    assert_true(d.p >= 1 && d.since == -1 && fabs(d.z) <= 0);
    d = edx_damage_test(3, frame, none, none, 100, 1);
    assert_true(d.p >= 1 && isfinite(d.z));
    d = edx_damage_test(3, frame, some, some, 0, 1); /* all of them */
    assert_true(d.p >= 1 && isfinite(d.z));
}

/* ---- the trend ---- */

enum { ROWS = 2, COLS = 3, CHANNELS = 8 };

/* Channels 1 and 2 are line 0's, 4 its background; 5 and 6 line 1's, without background. */
static const double rows_v[2 * CHANNELS] = {0, 1, 1, 0, -2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0};
static const uint8_t band[2 * CHANNELS] = {0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0};
static const uint8_t apart[CHANNELS] = {1, 0, 0, 0, 0, 0, 0, 0};
static const edx_trend_shape shape = {.rows = ROWS,
                                      .cols = COLS,
                                      .channels = CHANNELS,
                                      .bin_energy = 1,
                                      .lo = 0,
                                      .hi = CHANNELS - 1,
                                      .n = 2,
                                      .rows_v = rows_v,
                                      .band = band,
                                      .apart = apart};

static edx_trend *open_trend(void)
{
    edx_trend *trend = NULL;
    edx_error err;

    assert_int_equal(edx_trend_new(&shape, &trend, &err), EDX_OK);
    return trend;
}

/* As many counts in each channel as given, all in one pixel. */
static void add(edx_trend *trend, uint64_t frame, uint32_t pixel, const unsigned counts[CHANNELS])
{
    uint16_t channels[1000];
    uint32_t offsets[ROWS * COLS + 1], n = 0;
    edx_error err;

    for (uint32_t c = 0; c < CHANNELS; c++)
        for (unsigned i = 0; i < counts[c]; i++)
            channels[n++] = (uint16_t)c;
    for (uint32_t p = 0; p <= ROWS * COLS; p++)
        offsets[p] = p <= pixel ? 0 : n;
    edx_events events = {ROWS * COLS, offsets, channels, NULL};
    assert_int_equal(edx_trend_add(trend, frame, 0, &events, &err), EDX_OK);
}

/* A message of a few bytes says 2^32 - 1 counts: memory follows what came, not what it says. */
static void test_a_count_costs_no_memory(void **state)
{
    const uint32_t offsets[ROWS * COLS + 1] = {0, 1, 1, 1, 1, 1, 1};
    const uint16_t channel = 1;
    uint32_t weight = UINT32_MAX;
    edx_events events = {ROWS * COLS, offsets, &channel, &weight};
    edx_line lines[2] = {{.k = 1.5}, {.k = 1}};
    edx_trend *trend = open_trend();
    edx_trend_state out;
    edx_error err;

    (void)state;
    assert_int_equal(edx_trend_add(trend, 0, 0, &events, &err), EDX_E_LIMIT);
    weight = 255;
    assert_int_equal(edx_trend_add(trend, 1, 0, &events, &err), EDX_OK);
    assert_int_equal(edx_trend_update(trend, lines, 3, 0, NULL, 0, &out, &err), EDX_OK);
    assert_int_equal(out.frames, 1);
    edx_trend_free(&trend);
}

static void test_composition_is_of_all_frames_so_far(void **state)
{
    edx_line lines[2] = {{.k = 1.5}, {.k = 1}};
    const unsigned first[CHANNELS] = {9, 60, 50, 7, 5, 40, 45, 9};
    const unsigned second[CHANNELS] = {9, 30, 20, 7, 2, 70, 60, 9};
    const unsigned elsewhere[CHANNELS] = {0, 500, 0, 0, 0, 0, 0, 0};
    const uint32_t owner[ROWS * COLS] = {0, 0, 1, 0, 0, 0};
    edx_trend *trend = open_trend();
    edx_trend_state out;
    edx_error err;

    (void)state;
    add(trend, 7, 2, second); /* frames may come in any order */
    add(trend, 3, 2, first);
    add(trend, 3, 4, elsewhere);
    assert_int_equal(edx_trend_regions(trend, owner, 1, &err), EDX_OK);
    assert_int_equal(edx_trend_update(trend, lines, 1, 100, NULL, 0, &out, &err), EDX_OK);
    assert_int_equal(out.frames, 2);
    assert_int_equal(out.frame[0], 3);
    assert_int_equal(out.frame[1], 7);
    double a = 1.5 * (60 + 50 - 10), b = 85, a2 = 1.5 * (100 + 50 - 4), b2 = 85 + 130;
    assert_near(out.composition[0], a / (a + b), 1e-12);
    assert_near(out.composition[1], a2 / (a2 + b2), 1e-12);
    assert_near(out.composition[2 + 1], b2 / (a2 + b2), 1e-12);
    double relative = sqrt((110 + 4 * 5) / 1e4 + 85 / (85.0 * 85));
    assert_near(out.sigma[0], a * b / (a + b) / (a + b) * relative, 1e-12);
    edx_trend_clear(trend);
    assert_int_equal(edx_trend_update(trend, lines, 1, 100, NULL, 0, &out, &err), EDX_OK);
    assert_int_equal(out.frames, 0);
    edx_trend_free(&trend);
}

/* Counting in regions later gives what counting in them at once gives. */
static void test_regions_count_anew(void **state)
{
    edx_line lines[2] = {{.k = 1.5}, {.k = 1}};
    const unsigned counts[CHANNELS] = {9, 60, 50, 7, 5, 40, 45, 9};
    const uint32_t owner[ROWS * COLS] = {0, 1, 1, 2, 40, 0};
    edx_trend *late = open_trend(), *early = open_trend();
    edx_trend_state a, b;
    edx_error err;

    (void)state;
    assert_int_equal(edx_trend_regions(early, owner, 40, &err), EDX_OK);
    for (uint32_t i = 0; i < 12; i++) {
        add(late, i / 2, i % 6, counts);
        add(early, i / 2, i % 6, counts);
    }
    assert_int_equal(edx_trend_regions(late, owner, 40, &err), EDX_OK);
    assert_int_equal(edx_trend_update(late, lines, 1, 0, NULL, 0, &a, &err), EDX_OK);
    assert_int_equal(edx_trend_update(early, lines, 1, 0, NULL, 0, &b, &err), EDX_OK);
    assert_int_equal(a.frames, b.frames);
    for (size_t i = 0; i < 2 * a.frames; i++)
        assert_true((isnan(a.composition[i]) && isnan(b.composition[i])) ||
                    fabs(a.composition[i] - b.composition[i]) <= 0);
    edx_trend_free(&late);
    edx_trend_free(&early);
}

/* ---- many pixels ---- */

enum { HIGH = 30, WIDE = 47, FIELD = HIGH * WIDE, MOST = 4000 };

typedef struct message {
    uint32_t offsets[FIELD + 1], weights[FIELD * 9 + MOST];
    uint16_t channels[FIELD * 9 + MOST];
    edx_events events;
} message;

/* Up to most - 1 counts in a pixel, and once very many. */
static void fill(message *m, edx_random *random, uint32_t most)
{
    uint32_t n = 0, crowd = edx_random_below(random, FIELD);

    for (uint32_t p = 0; p < FIELD; p++) {
        m->offsets[p] = n;
        uint32_t here = p == crowd ? MOST : edx_random_below(random, most);
        for (uint32_t i = 0; i < here; i++) {
            m->weights[n] = 1;
            uint32_t line = 1 + 4 * edx_random_below(random, 2), any = edx_random_below(random, 16);
            m->channels[n++] = (uint16_t)(any < CHANNELS ? any : line);
        }
    }
    m->offsets[FIELD] = n;
    m->events = (edx_events){FIELD, m->offsets, m->channels, NULL};
}

static edx_trend *open_field(void)
{
    edx_trend_shape field = shape;
    edx_trend *trend = NULL;
    edx_error err;

    field.rows = HIGH;
    field.cols = WIDE;
    assert_int_equal(edx_trend_new(&field, &trend, &err), EDX_OK);
    return trend;
}

static void set_labels(edx_trend *trend, uint32_t shift, const uint32_t *owner)
{
    uint32_t moved[FIELD];
    edx_error err;

    for (uint32_t p = 0; p < FIELD; p++)
        moved[p] = owner[(p + shift) % FIELD];
    assert_int_equal(edx_trend_regions(trend, moved, 40, &err), EDX_OK);
}

static void assert_same_trend(edx_trend *one, edx_trend *other)
{
    const edx_line lines[2] = {{.k = 1.5}, {.k = 1}};
    edx_trend_state a, b;
    edx_error err;

    assert_int_equal(edx_trend_update(one, lines, 1, 0, NULL, 0, &a, &err), EDX_OK);
    assert_int_equal(edx_trend_update(other, lines, 1, 0, NULL, 0, &b, &err), EDX_OK);
    assert_int_equal(a.frames, b.frames);
    for (size_t i = 0; i < 2 * a.frames; i++) {
        assert_near(a.composition[i], b.composition[i], 0);
        assert_near(a.sigma[i], b.sigma[i], 0);
    }
    assert_near(a.damage.z, b.damage.z, 0);
    assert_near(a.contamination.z, b.contamination.z, 0);
}

/* Counts come one by one or with weights, which another way takes: both say the same, and both
 * find them again when the regions move. */
static void test_every_way_of_counting_gives_the_same(void **state)
{
    static message m;
    uint32_t owner[FIELD];
    edx_random random;
    edx_error err;

    (void)state;
    edx_random_seed(&random, seed_of_run(), 7);
    for (uint32_t turn = 0; turn < 6; turn++) {
        edx_trend *counted = open_field(), *weighed = open_field();
        for (uint32_t p = 0; p < FIELD; p++)
            owner[p] = p / WIDE > 9 && p % WIDE > 20 ? 1 + edx_random_below(&random, 34) : 0;
        for (uint64_t t = 0; t < 8; t++) {
            fill(&m, &random, turn % 2 == 0 ? 10 : 2);
            assert_int_equal(edx_trend_add(counted, t, 0, &m.events, &err), EDX_OK);
            m.events.weights = m.weights;
            assert_int_equal(edx_trend_add(weighed, t, 0, &m.events, &err), EDX_OK);
        }
        assert_same_trend(counted, weighed);
        for (uint32_t shift = 0; shift < 3; shift++) {
            set_labels(counted, 200 * shift, owner);
            set_labels(weighed, 200 * shift, owner);
            assert_same_trend(counted, weighed);
        }
        edx_trend_free(&counted);
        edx_trend_free(&weighed);
    }
}

typedef struct heard {
    uint32_t pixels[FIELD * 9], n;
    uint8_t symbols[FIELD * 9];
} heard;

static void hear(void *context, uint32_t pixel, uint8_t symbol)
{
    heard *h = context;

    h->pixels[h->n] = pixel;
    h->symbols[h->n++] = symbol;
}

/* Pixels of a message from first on, in runs or one by one as chance will; put is what was. */
static void put_some(edx_tape *tape, edx_random *random, uint32_t first, uint32_t most, heard *put)
{
    put->n = 0;
    for (uint32_t p = 0, n; p < FIELD; p += n) {
        uint8_t symbols[50 * 9 + EDX_TAPE_SLACK];
        uint32_t ends[50], end = 0;
        bool alone = edx_random_below(random, 3) == 0;
        n = alone ? 1 : 1 + edx_random_below(random, 50);
        n = n < FIELD - p ? n : FIELD - p;
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t k = edx_random_below(random, most); k > 0; k--) {
                symbols[end++] = (uint8_t)(1 + edx_random_below(random, EDX_TAPE_SYMBOLS));
                hear(put, first + p + i, symbols[end - 1]);
            }
            ends[i] = end;
        }
        if (alone)
            edx_tape_put_all(tape, first + p, symbols, end);
        else
            edx_tape_put_run(tape, first + p, n, symbols, ends);
    }
}

static void assert_heard(const edx_tape *tape, size_t index, const heard *put, uint32_t first,
                         uint32_t end)
{
    static heard got;
    uint32_t at = 0, n = 0;

    got.n = 0;
    edx_tape_visit_some(tape, index, first, end, hear, &got);
    while (at < put->n && put->pixels[at] < first)
        at++;
    while (at + n < put->n && put->pixels[at + n] < end)
        n++;
    assert_int_equal(got.n, n);
    if (n > 0) {
        assert_memory_equal(got.pixels, put->pixels + at, n * sizeof *got.pixels);
        assert_memory_equal(got.symbols, put->symbols + at, n);
    }
}

static void test_a_tape_gives_back_what_it_got(void **state)
{
    static heard put;
    edx_tape *tape = NULL;
    edx_random random;
    edx_error err;

    (void)state;
    edx_random_seed(&random, seed_of_run(), 8);
    assert_int_equal(edx_tape_new(&tape, &err), EDX_OK);
    for (uint32_t turn = 0; turn < 60; turn++) {
        uint32_t first = edx_random_below(&random, 1000), most = 1 + turn % 9;
        assert_int_equal(edx_tape_begin(tape, turn, first, FIELD, (size_t)FIELD * 9, &err), EDX_OK);
        put_some(tape, &random, first, most, &put);
        edx_tape_end(tape);
        assert_heard(tape, turn, &put, 0, UINT32_MAX);
        for (uint32_t i = 0; i < 20; i++) {
            uint32_t from = first + edx_random_below(&random, FIELD);
            assert_heard(tape, turn, &put, from, from + edx_random_below(&random, 300));
        }
    }
    edx_tape_free(&tape);
}

/* ---- what changes ---- */

/* A run in the field of six pixels: line 0 and line 1 in pixel 2, film everywhere. */
static void simulate(edx_trend *trend, edx_random *random, double loss, double ablation,
                     double carbon)
{
    for (uint64_t t = 0; t < FRAMES; t++) {
        double done = (double)t / (FRAMES - 1), left = 1 - ablation * done;
        unsigned particle[CHANNELS] = {0}, film[CHANNELS] = {0};
        particle[1] = (unsigned)edx_random_poisson(random, 200 * left * (1 - loss * done));
        particle[5] = (unsigned)edx_random_poisson(random, 200 * left);
        film[0] = (unsigned)edx_random_poisson(random, 200 * (1 + carbon * done));
        film[3] = (unsigned)edx_random_poisson(random, 400);
        add(trend, t, 2, particle);
        add(trend, t, 0, film);
    }
}

static edx_trend_state simulated(edx_trend *trend, uint64_t stream, double loss, double ablation,
                                 double carbon)
{
    static const edx_line lines[2] = {{.k = 1.5}, {.k = 1}};
    const uint32_t owner[ROWS * COLS] = {0, 0, 1, 0, 0, 0};
    edx_random random;
    edx_trend_state out;
    edx_error err;

    edx_random_seed(&random, 11, stream);
    simulate(trend, &random, loss, ablation, carbon);
    assert_int_equal(edx_trend_regions(trend, owner, 1, &err), EDX_OK);
    assert_int_equal(edx_trend_update(trend, lines, 10, FRAMES, NULL, 0, &out, &err), EDX_OK);
    return out;
}

static void test_causes_are_told_apart(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        edx_trend *trend = open_trend();
        edx_trend_state s =
            simulated(trend, (uint64_t)i, i == 1 ? 0.4 : 0, i == 2 ? 0.4 : 0, i == 3 ? 1.5 : 0);
        bool damaged = i == 1 || i == 2;
        assert_int_equal(s.damage.since >= 0, damaged);
        assert_int_equal(s.contamination.since >= 0, i == 3);
        if (damaged) {
            assert_true(s.damage.z < 0);
            assert_int_equal(s.region, 1);
            assert_int_equal(s.whole, i == 2);
        }
        if (i == 1)
            assert_int_equal(s.element, 0);
        if (i == 3)
            assert_true(s.contamination.z > 0);
        edx_trend_free(&trend);
    }
}

static void test_frames_can_be_left_out(void **state)
{
    const unsigned good[CHANNELS] = {5, 100, 0, 20, 0, 100, 0, 0};
    const unsigned broken[CHANNELS] = {5, 0, 0, 20, 0, 100, 0, 0};
    const uint64_t skipped[] = {2, 80, 90};
    edx_line lines[2] = {{.k = 1.5}, {.k = 1}};
    edx_trend *trend = open_trend();
    edx_trend_state out;
    edx_error err;

    (void)state;
    for (uint64_t t = 0; t < FRAMES; t++)
        add(trend, t, 2, t == 80 || t == 90 ? broken : good);
    assert_int_equal(edx_trend_update(trend, lines, 10, FRAMES, skipped, 3, &out, &err), EDX_OK);
    assert_near(out.damage.z, 0, 1e-9);
    assert_int_equal(edx_trend_update(trend, lines, 10, FRAMES, NULL, 0, &out, &err), EDX_OK);
    assert_true(out.damage.z < -1);
    edx_trend_free(&trend);
}

/* The specimen drifts: half way, pixel gone leaves the field of view. */
static edx_trend_state drifted(edx_trend *trend, uint32_t gone, const uint32_t *exposure)
{
    static const edx_line lines[2] = {{.k = 1.5}, {.k = 1}};
    const uint32_t owner[ROWS * COLS] = {0, 0, 1, 0, 0, 0};
    const unsigned particle[CHANNELS] = {0, 200, 0, 0, 0, 200, 0, 0};
    const unsigned film[CHANNELS] = {100, 0, 0, 300, 0, 0, 0, 0};
    edx_trend_state out;
    edx_error err;

    for (uint64_t t = 0; t < FRAMES; t++)
        for (uint32_t p = 0; p < 3; p++)
            if (p != gone || t < FRAMES / 2)
                add(trend, t, p, p == 2 ? particle : film);
    assert_int_equal(edx_trend_regions(trend, owner, 1, &err), EDX_OK);
    edx_trend_field(trend, exposure, FRAMES);
    assert_int_equal(edx_trend_update(trend, lines, 10, FRAMES, NULL, 0, &out, &err), EDX_OK);
    return out;
}

static void test_what_leaves_the_field_is_not_lost(void **state)
{
    (void)state;
    for (uint32_t gone = 0; gone < 3; gone += 2) /* film, particle */
        for (int told = 0; told < 2; told++) {
            uint32_t exposure[ROWS * COLS] = {FRAMES, FRAMES, FRAMES, FRAMES, FRAMES, FRAMES};
            edx_trend *trend = open_trend();
            exposure[gone] = FRAMES / 2;
            edx_trend_state s = drifted(trend, gone, told ? exposure : NULL);
            assert_int_equal(s.damage.since >= 0, !told);
            assert_int_equal(s.contamination.since, -1);
            edx_trend_free(&trend);
        }
}

/* Silver sends bremsstrahlung too: as it goes, carbon's share of all that is left grows. */
static void test_a_loss_is_no_contamination(void **state)
{
    static const edx_line lines[2] = {{.k = 1.5}, {.k = 1}};
    const uint32_t owner[ROWS * COLS] = {0, 0, 1, 0, 0, 0};
    const unsigned film[CHANNELS] = {250, 0, 0, 200, 200, 0, 0, 0};
    edx_trend *trend = open_trend();
    edx_trend_state out;
    edx_error err;

    (void)state;
    for (unsigned t = 0; t < FRAMES; t++) {
        const unsigned particle[CHANNELS] = {0, 300 - 2 * t, 0, 0, 300 - 2 * t, 200, 0, 0};
        add(trend, t, 2, particle);
        for (uint32_t p = 0; p < 2; p++)
            add(trend, t, p, film);
    }
    assert_int_equal(edx_trend_regions(trend, owner, 1, &err), EDX_OK);
    assert_int_equal(edx_trend_update(trend, lines, 10, FRAMES, NULL, 0, &out, &err), EDX_OK);
    assert_true(out.damage.since >= 0 && out.damage.z < 0);
    assert_int_equal(out.element, 0);
    assert_near(out.contamination.z, 0, 1e-9);
    edx_trend_free(&trend);
}

/* ---- others ---- */

static void test_forecast(void **state)
{
    (void)state;
    /* 0.02 after 20 frames is 0.01 after 80 */
    assert_near(edx_forecast_frames(20, 0.02, 0, 0.01), 80, 0);
    assert_near(edx_forecast_frames(20, 0.02, 0.006, 0.01), 125, 0); /* 0.008 is left for chance */
    assert_true(isinf(edx_forecast_frames(20, 0.02, 0.01, 0.01)));
    assert_true(isnan(edx_forecast_frames(0, 0.02, 0, 0.01)));
    assert_true(isnan(edx_forecast_frames(20, NAN, 0, 0.01)));
}

static void test_pending_gives_back_what_it_got(void **state)
{
    const uint32_t offsets[] = {3, 5, 5, 6}, weights[] = {9, 9, 9, 2, 3, 4};
    const uint16_t channels[] = {9, 9, 9, 1, 2, 7};
    edx_events in = {3, offsets, channels, NULL}, out;
    edx_pending *pending = NULL;
    edx_pending_place place;
    edx_error err;

    (void)state;
    assert_int_equal(edx_pending_new(&pending, &err), EDX_OK);
    for (uint32_t i = 0; i < 100; i++) {
        place = (edx_pending_place){i, i + 1, i + 2, i + 3};
        in.weights = i % 3 == 0 ? weights : NULL;
        assert_int_equal(edx_pending_put(pending, &place, &in, &err), EDX_OK);
    }
    assert_int_equal(edx_pending_events(pending), 300);
    for (size_t i = 0; i < edx_pending_count(pending); i++) {
        edx_pending_get(pending, i, &place, &out);
        assert_int_equal(place.frame, i);
        assert_int_equal(place.row, i + 1);
        assert_int_equal(place.col, i + 2);
        assert_int_equal(place.cols, i + 3);
        assert_int_equal(out.offsets[0], 0);
        assert_int_equal(out.offsets[2], 2);
        assert_int_equal(out.offsets[3], 3);
        assert_int_equal(out.channels[2], 7);
        assert_int_equal(out.weights != NULL, i % 3 == 0);
        if (out.weights != NULL)
            assert_int_equal(out.weights[1], 3);
    }
    edx_pending_clear(pending);
    assert_int_equal(edx_pending_count(pending), 0);
    edx_pending_free(&pending);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_z_is_cochran_armitage),
        cmocka_unit_test(test_undamaged_runs_are_not_named),
        cmocka_unit_test(test_loss_is_found),
        cmocka_unit_test(test_more_tests_cost),
        cmocka_unit_test(test_nothing_is_nothing),
        cmocka_unit_test(test_a_count_costs_no_memory),
        cmocka_unit_test(test_composition_is_of_all_frames_so_far),
        cmocka_unit_test(test_regions_count_anew),
        cmocka_unit_test(test_every_way_of_counting_gives_the_same),
        cmocka_unit_test(test_a_tape_gives_back_what_it_got),
        cmocka_unit_test(test_causes_are_told_apart),
        cmocka_unit_test(test_frames_can_be_left_out),
        cmocka_unit_test(test_what_leaves_the_field_is_not_lost),
        cmocka_unit_test(test_a_loss_is_no_contamination),
        cmocka_unit_test(test_forecast),
        cmocka_unit_test(test_pending_gives_back_what_it_got),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
