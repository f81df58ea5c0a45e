/* Drift against a known truth: simulated specimens that wander, and events moved by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/analysis.h"
#include "analysis/correlate.h"
#include "analysis/drift.h"
#include "analysis/overlap.h"
#include "analysis/shift.h"
#include "analysis/track.h"
#include "instrument/random.h"
#include "instrument/simulator.h"

static uint64_t seed = 1;

static uint64_t seeds(void)
{
    const char *text = getenv("EDX_SEEDS");
    return text ? strtoull(text, NULL, 10) : 1;
}

static void assert_near(double value, double expected, double tolerance, const char *what)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%s: %.6g, expected %.6g within %g", what, value, expected, tolerance);
}

/* ---- simulated frames ---- */

typedef struct run {
    edx_simulator *simulator;
    edx_drift *drift;
    uint32_t frames, channels, size;
    double step_nm;
    bool image;
} run;

static void open_run(run *r, const char *scene, double dose, double angle, double drift_nm,
                     double wander_nm, uint32_t frames, bool image)
{
    edx_simulator_options o;
    edx_error err = {0};
    const edx_scenes_scene *s = edx_scenes_find(scene);
    edx_simulator_defaults(s, seed, &o);
    o.frames = frames;
    o.dose = dose;
    o.drift_nm[0] = drift_nm * sin(angle);
    o.drift_nm[1] = drift_nm * cos(angle);
    o.wander_nm = wander_nm;
    *r = (run){.frames = frames, .channels = s->channels, .size = o.size, .image = image};
    assert_int_equal(edx_simulator_new(&o, &r->simulator, &err), EDX_OK);
    assert_int_equal(edx_drift_new(o.size, o.size, &r->drift, &err), EDX_OK);
    r->step_nm = edx_simulator_step_nm(r->simulator);
}

static void close_run(run *r)
{
    edx_simulator_free(&r->simulator);
    edx_drift_free(&r->drift);
}

static edx_events events_of(const edx_frame *f, uint32_t pixels)
{
    return (edx_events){.pixels = pixels,
                        .offsets = (const uint32_t *)(const void *)f->counts.offsets.data,
                        .channels = (const uint16_t *)(const void *)f->counts.channels.data};
}

/* Rows first .. first + n - 1 of a frame. */
static void look_at(run *r, uint64_t index, uint32_t first, uint32_t n)
{
    edx_frame f;
    edx_error err = {0};
    assert_int_equal(edx_simulator_frame(r->simulator, index, &f, &err), EDX_OK);
    edx_events e = events_of(&f, n * r->size);
    const uint16_t *image = (const uint16_t *)(const void *)f.images[0].data;
    edx_array part = edx_array_2(EDX_U2, image + (size_t)first * r->size, n, r->size);
    e.offsets += first * r->size;
    edx_drift_look(r->drift, index, first, &e, 0, r->channels, r->image ? &part : NULL);
}

static void place_live(run *r)
{
    edx_error err = {0};
    for (uint32_t f = 0; f < r->frames; f++) {
        look_at(r, f, 0, r->size);
        assert_int_equal(edx_drift_register(r->drift, &err), EDX_OK);
    }
}

static bool place_finally(run *r)
{
    bool changed;
    edx_error err = {0};
    edx_drift_look_back(r->drift);
    for (uint32_t f = 0; f < r->frames; f++) {
        look_at(r, f, 0, r->size);
        edx_drift_register_again(r->drift);
    }
    assert_int_equal(edx_drift_settle(r->drift, &changed, &err), EDX_OK);
    return changed;
}

/* Root mean square of one coordinate's error, scan pixels; whole counts what was moved instead. */
static double error_of(run *r, bool whole)
{
    size_t n;
    double sum = 0, nm[2];
    const edx_drift_place *p = edx_drift_places(r->drift, &n);
    assert_int_equal(n, r->frames);
    for (size_t i = 0; i < n; i++) {
        edx_simulator_moved(r->simulator, p[i].frame, nm);
        for (size_t k = 0; k < 2; k++) {
            double is = whole ? -p[i].shift[k] : p[i].moved[k], off = is - nm[k] / r->step_nm;
            sum += off * off;
        }
    }
    return sqrt(sum / (2.0 * (double)n));
}

static size_t count_shifted(const run *r)
{
    size_t n, shifted = 0;
    const edx_drift_place *p = edx_drift_places(r->drift, &n);
    for (size_t i = 0; i < n; i++)
        shifted += p[i].shift[0] != 0 || p[i].shift[1] != 0;
    return shifted;
}

/* ---- what was asked for ---- */

typedef struct motion {
    double drift_nm, wander_nm;
    uint32_t frames;
} motion;

/* A steady 0.3 nm a frame takes a particle out of the field of 16 nm before frame 40. */
static const motion motions[] = {{0.02, 0, 100}, {0.1, 0, 80},  {0.3, 0, 24},
                                 {0, 0.02, 100}, {0, 0.1, 100}, {0, 0.3, 60}};

static void follow(const char *scene, bool image, double live, double final)
{
    for (size_t m = 0; m < sizeof motions / sizeof *motions; m++) {
        run r;
        char what[128];
        open_run(&r, scene, 1, 0.7 * (double)seed, motions[m].drift_nm, motions[m].wander_nm,
                 motions[m].frames, image);
        place_live(&r);
        snprintf(what, sizeof what, "%s seed %llu %s motion %zu", scene, (unsigned long long)seed,
                 image ? "image" : "counts", m);
        const double at_once = error_of(&r, false);
        place_finally(&r);
        const double at_last = error_of(&r, false);
        print_message("%s: rms %.3f px live, %.3f final, whole pixels %.3f\n", what, at_once,
                      at_last, error_of(&r, true));
        assert_near(at_once, 0, live, what);
        assert_near(at_last, 0, final, what);
        assert_near(error_of(&r, true), 0, hypot(final, 0.33), what);
        assert_int_equal(edx_drift_unregistered(r.drift), 0);
        close_run(&r);
    }
}

static void test_follows_images(void **state)
{
    (void)state;
    for (seed = 1; seed <= seeds(); seed++) {
        follow("agau-8nm", true, 0.25, 0.1);
        follow("agau-4nm", true, 0.25, 0.1);
    }
}

static void test_follows_counts(void **state)
{
    (void)state;
    for (seed = 1; seed <= seeds(); seed++) {
        follow("agau-8nm", false, 0.7, 0.6);
        follow("agau-two", false, 0.7, 0.6);
        follow("agau-4nm", false, 1.0, 0.95);
    }
}

/* No scene, at any dose, moves where nothing drifts; one without features is not registered at all
 * and stays too. */
static void test_rests(void **state)
{
    static const double doses[] = {0.05, 0.15, 0.5};
    (void)state;
    for (seed = 1; seed <= seeds(); seed++)
        for (size_t s = 0; s < edx_scenes_count(); s++)
            for (size_t k = 0; k < 4; k++) {
                run r;
                open_run(&r, edx_scenes_at(s)->name, k < 3 ? doses[k] : 1, 0, 0, 0, 40, k == 3);
                place_live(&r);
                if (k > 1)
                    assert_int_equal(count_shifted(&r), 0);
                place_finally(&r);
                assert_int_equal(count_shifted(&r), 0);
                if (strcmp(edx_scenes_at(s)->name, "film-3") == 0)
                    assert_true(edx_drift_unregistered(r.drift) > 36);
                else if (k > 0)
                    assert_int_equal(edx_drift_unregistered(r.drift), 0);
                close_run(&r);
            }
}

/* A frame of noise among frames that drift: reported, and put where its neighbours are. */
static void test_weak_frame(void **state)
{
    enum { WEAK = 12 };
    run r;
    edx_random random;
    edx_error err = {0};
    static uint32_t offsets[64 * 64 + 1];
    static uint16_t channels[64 * 64 * 20];
    (void)state;
    seed = 1;
    open_run(&r, "agau-8nm", 1, 0.4, 0.1, 0, 24, false);
    edx_random_seed(&random, 5, 5);
    for (uint32_t p = 0; p < 64 * 64; p++)
        offsets[p + 1] = offsets[p] + (uint32_t)edx_random_poisson(&random, 5);
    const edx_events noise = {.pixels = 64 * 64, .offsets = offsets, .channels = channels};
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            edx_drift_look_back(r.drift);
        for (uint64_t f = 0; f < r.frames; f++) {
            look_at(&r, f, 0, r.size);
            if (f == WEAK) {
                look_at(&r, 0, 0, 1); /* another frame: what was looked at is forgotten */
                edx_drift_look(r.drift, f, 0, &noise, 0, r.channels, NULL);
            }
            if (pass == 1)
                edx_drift_register_again(r.drift);
            else
                assert_int_equal(edx_drift_register(r.drift, &err), EDX_OK);
        }
        bool changed;
        if (pass == 1)
            assert_int_equal(edx_drift_settle(r.drift, &changed, &err), EDX_OK);
        const edx_drift_place *weak = edx_drift_find(r.drift, WEAK);
        const edx_drift_place *before = edx_drift_find(r.drift, WEAK - 1);
        assert_false(weak->registered);
        assert_int_equal(edx_drift_unregistered(r.drift), 1);
        for (int k = 0; k < 2; k++)
            assert_true(abs(weak->shift[k] - before->shift[k]) <= 1);
        assert_int_not_equal(before->shift[1], 0);
        if (pass == 0)
            assert_int_equal(edx_drift_recent_failures(r.drift), 0); /* more than ten ago */
    }
    close_run(&r);
}

/* Rows in blocks are one frame; a frame broken off after most of its rows is registered by them. */
static void test_rows(void **state)
{
    run r;
    edx_error err = {0};
    double nm[2];
    (void)state;
    seed = 3;
    for (int image = 0; image < 2; image++) {
        open_run(&r, "agau-8nm", 1, 2.0, 0.1, 0, 20, image == 1);
        for (uint64_t f = 0; f < 20; f++) {
            look_at(&r, f, 16, 16);
            look_at(&r, f, 0, 16);
            look_at(&r, f, 32, 8);
            if (f != 15)
                look_at(&r, f, 40, 24);
            assert_int_equal(edx_drift_register(r.drift, &err), EDX_OK);
        }
        assert_near(error_of(&r, false), 0, image ? 0.2 : 0.7, "blocks");
        const edx_drift_place *broken = edx_drift_find(r.drift, 15);
        edx_simulator_moved(r.simulator, 15, nm);
        assert_true(broken->registered);
        for (int k = 0; k < 2; k++)
            assert_near(broken->moved[k], nm[k] / r.step_nm, image ? 0.3 : 1.2, "broken off");
        close_run(&r);
    }
}

/* Frames that come late find their place in order, and looking back changes nothing of what is
 * placed live afterwards. */
static void test_order_and_looking_back(void **state)
{
    run a, b;
    size_t n;
    edx_error err = {0};
    (void)state;
    seed = 2;
    open_run(&a, "agau-8nm", 1, 1, 0.1, 0, 20, false);
    open_run(&b, "agau-8nm", 1, 1, 0.1, 0, 20, false);
    static const uint64_t order[] = {0, 1, 2, 4, 3, 5, 6, 7, 9, 8};
    for (uint32_t i = 0; i < 20; i++) {
        const uint64_t f = i < 10 ? order[i] : i;
        look_at(&a, f, 0, 64);
        look_at(&b, f, 0, 64);
        assert_int_equal(edx_drift_register(a.drift, &err), EDX_OK);
        assert_int_equal(edx_drift_register(b.drift, &err), EDX_OK);
        if (i == 9) {
            bool changed;
            edx_drift_look_back(b.drift);
            for (uint64_t k = 0; k < 10; k++) {
                look_at(&b, k, 0, 64);
                edx_drift_register_again(b.drift);
            }
            assert_int_equal(edx_drift_settle(b.drift, &changed, &err), EDX_OK);
        }
    }
    const edx_drift_place *p = edx_drift_places(a.drift, &n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(p[i].frame, i);
        const edx_drift_place *q = edx_drift_find(b.drift, i);
        for (int k = 0; k < 2 && i >= 10; k++)
            assert_true(p[i].moved[k] == q->moved[k]);
    }
    assert_null(edx_drift_find(a.drift, 20));
    close_run(&a);
    close_run(&b);
}

/* ---- the parts ---- */

/* A spot between pixels, on a slope, before a level that has changed: found to a hundredth. */
static void test_correlate_known(void **state)
{
    enum { N = 40, REACH = 10 };
    static const double offsets[][2] = {{0, 0}, {2.5, -3.25}, {-7.4, 6.1}, {0.3, 0.45}};
    const uint32_t reach[2] = {REACH, REACH};
    const double near[2] = {2, 2};
    static float picture[N * N];
    edx_correlate *c;
    edx_error err = {0};
    uint32_t stride;
    (void)state;
    assert_int_equal(edx_correlate_new(N, N, reach, 1, &c, &err), EDX_OK);
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        const double cy = i % 2 == 0 ? 30 : 14; /* in the middle, and half out of the picture */
        edx_match highest, nearest;
        float *reference = edx_correlate_reference(c, &stride);
        for (int y = 0; y < N + 2 * REACH; y++)
            for (int x = 0; x < N + 2 * REACH; x++)
                reference[(uint32_t)y * stride + (uint32_t)x] =
                    (float)(5 * exp(-0.5 * (pow(y - cy, 2) + pow(x - 29, 2)) / 16));
        for (int y = 0; y < N; y++)
            for (int x = 0; x < N; x++)
                picture[y * N + x] = (float)(7 + 9 * exp(-0.5 *
                                                         (pow(y + REACH + offsets[i][0] - cy, 2) +
                                                          pow(x + REACH + offsets[i][1] - 29, 2)) /
                                                         16));
        edx_correlate_match(c, picture, NULL, 1e-4, near, &highest, &nearest);
        for (int k = 0; k < 2; k++)
            assert_near(highest.offset[k], offsets[i][k], i % 2 == 0 ? 0.03 : 0.25, "offset");
        const bool is_near = fmax(fabs(offsets[i][0]), fabs(offsets[i][1])) < 2;
        assert_true(is_near == (nearest.z > 0));
        assert_true(highest.z > 100);
    }
    edx_correlate_free(&c);
    assert_int_equal(edx_correlate_new(7, 40, reach, 1, &c, &err), EDX_E_RANGE);
    assert_null(c);
}

/* Pictures of noise alone: z is normal of unit variance, its largest over all offsets below 6. */
static void test_correlate_noise(void **state)
{
    enum { N = 48, REACH = 12, WIDE = N + 2 * REACH, TRIES = 200 };
    const uint32_t reach[2] = {REACH, REACH};
    const double near[2] = {2, 2};
    static float picture[N * N];
    edx_correlate *c;
    edx_error err = {0};
    edx_random random;
    uint32_t stride;
    int beyond = 0;
    (void)state;
    edx_random_seed(&random, 11, 0);
    assert_int_equal(edx_correlate_new(N, N, reach, 2.5, &c, &err), EDX_OK);
    for (int t = 0; t < TRIES; t++) {
        edx_match highest, nearest;
        float *reference = edx_correlate_reference(c, &stride);
        for (int y = 0; y < WIDE; y++)
            for (int x = 0; x < WIDE; x++)
                reference[(uint32_t)y * stride + (uint32_t)x] =
                    (float)(2 + 5 * exp(-0.5 * (pow(y - 36, 2) + pow(x - 36, 2)) / 36));
        for (int p = 0; p < N * N; p++)
            picture[p] = (float)edx_random_poisson(&random, 2.0);
        edx_correlate_match(c, picture, NULL, 0, near, &highest, &nearest);
        assert_true(highest.z < 6);
        beyond += nearest.z > 3;
    }
    assert_true(beyond <= 4);
    edx_correlate_free(&c);
}

/* A slope has no features; its level tells where it lies. */
static void test_slope(void **state)
{
    static const int32_t truth[][2] = {{0, 0}, {3, 4}, {-3, 2}, {1, 4}};
    static uint16_t image[64 * 64];
    static uint32_t offsets[64 * 64 + 1];
    const edx_events none = {.pixels = 64 * 64, .offsets = offsets, .channels = image};
    const edx_array array = edx_array_2(EDX_U2, image, 64, 64);
    edx_drift *d;
    edx_error err = {0};
    (void)state;
    assert_int_equal(edx_drift_new(64, 64, &d, &err), EDX_OK);
    for (int pass = 0; pass < 2; pass++) {
        bool changed = true;
        for (uint64_t f = 0; f < 4; f++) {
            for (int32_t y = 0; y < 64; y++)
                for (int32_t x = 0; x < 64; x++)
                    image[(y + truth[f][0] + 64) % 64 * 64 + (x + truth[f][1] + 64) % 64] =
                        (uint16_t)(64 * y + x);
            edx_drift_look(d, f, 0, &none, 0, 1, &array);
            if (pass == 1)
                edx_drift_register_again(d);
            else
                assert_int_equal(edx_drift_register(d, &err), EDX_OK);
        }
        if (pass == 1) {
            assert_int_equal(edx_drift_settle(d, &changed, &err), EDX_OK);
            assert_false(changed);
        }
        for (uint64_t f = 0; f < 4; f++)
            for (int k = 0; k < 2; k++)
                assert_int_equal(edx_drift_find(d, f)->shift[k], -truth[f][k]);
        edx_drift_look_back(d);
    }
    edx_drift_free(&d);
}

static void test_track(void **state)
{
    enum { N = 200 };
    static edx_track_point points[N];
    static double at[N][2], sigma[N][2];
    edx_random random;
    (void)state;
    edx_random_seed(&random, 21, 0);
    for (int kind = 0; kind < 3; kind++) { /* rests, jumps once, walks */
        double truth[N] = {0}, square = 0, origin[2], now[2], live = 0;
        edx_track track;
        for (int i = 0; i < N; i++) {
            truth[i] = kind == 1 ? (i < 100 ? 0 : 6) : 0;
            if (kind == 2)
                truth[i] = i > 0 ? truth[i - 1] + 0.3 * edx_random_gauss(&random) : 0;
            const double seen = truth[i] + 0.5 * edx_random_gauss(&random);
            points[i] = (edx_track_point){.at = {seen, seen},
                                          .variance = {0.25, 0.25},
                                          .frame = (uint64_t)i,
                                          .measured = i % 10 != 9};
        }
        edx_track_start(&track, 0);
        for (int i = 1; i < N; i++) {
            edx_track_step(&track, &points[i], now, origin);
            live += pow(now[0] - truth[i], 2);
        }
        edx_track_smooth(points, N, at, sigma);
        for (int i = 0; i < N; i++)
            square += pow(at[i][0] - truth[i], 2);
        print_message("kind %d: rms %.3f live, %.3f smooth\n", kind, sqrt(live / N),
                      sqrt(square / N));
        const double limit = kind == 0 ? 0.1 : kind == 1 ? 0.45 : 0.35;
        assert_near(sqrt(square / N), 0, limit, "smooth");
        assert_near(sqrt(live / N), 0, kind == 0 ? 0.08 : 0.7, "live");
        assert_near(sigma[100][0], limit / 2, limit / 2, "sigma");
    }
    for (int i = 0; i < N; i++)
        points[i].measured = false;
    edx_track_smooth(points, N, at, sigma);
    assert_true(at[5][1] == 0 && isinf(sigma[5][0]));
}

/* ---- events ---- */

enum { ROWS = 9, COLS = 11, CHANNELS = 64 };

typedef struct cube {
    uint32_t counts[ROWS][COLS][CHANNELS];
    uint32_t exposure[ROWS][COLS];
} cube;

static void draw(edx_random *random, uint32_t rows, bool weighted, uint32_t *offsets,
                 uint16_t *channels, uint32_t *weights, edx_events *out)
{
    uint32_t n = 0;
    offsets[0] = 0;
    for (uint32_t p = 0; p < rows * COLS; p++) {
        for (uint32_t k = edx_random_below(random, 4); k > 0; k--) {
            channels[n] = (uint16_t)edx_random_below(random, CHANNELS);
            weights[n++] = 1 + edx_random_below(random, 3);
        }
        offsets[p + 1] = n;
    }
    *out = (edx_events){.pixels = rows * COLS,
                        .offsets = offsets,
                        .channels = channels,
                        .weights = weighted ? weights : NULL};
}

static void add_by_hand(cube *c, const edx_events *e, uint32_t first, const int32_t by[2])
{
    for (uint32_t p = 0; p < e->pixels; p++) {
        const int64_t y = (int64_t)first + p / COLS + by[0], x = (int64_t)(p % COLS) + by[1];
        if (y < 0 || y >= ROWS || x < 0 || x >= COLS)
            continue;
        c->exposure[y][x]++;
        for (uint32_t i = e->offsets[p]; i < e->offsets[p + 1]; i++)
            c->counts[y][x][e->channels[i]] += e->weights ? e->weights[i] : 1;
    }
}

static void test_shift_events(void **state)
{
    static uint32_t offsets[ROWS * COLS + 1], weights[ROWS * COLS * 4];
    static uint16_t channels[ROWS * COLS * 4];
    const int32_t none[2] = {0, 0};
    edx_shift *shift;
    edx_random random;
    edx_error err = {0};
    (void)state;
    edx_random_seed(&random, 31, 0);
    assert_int_equal(edx_shift_new(&shift, &err), EDX_OK);
    for (int32_t k = 0; k < 600; k++) {
        static cube moved, expected;
        const uint32_t first = edx_random_below(&random, ROWS);
        const uint32_t rows = 1 + edx_random_below(&random, ROWS - first);
        const int32_t by[2] = {(int32_t)edx_random_below(&random, 25) - 12,
                               (int32_t)edx_random_below(&random, 29) - 14};
        edx_events e, out;
        draw(&random, rows, k % 2 == 1, offsets, channels, weights, &e);
        const edx_shift_area area = edx_shift_covers(ROWS, COLS, first, rows, by);
        assert_int_equal(edx_shift_events(shift, &area, COLS, first, &e, &out, &err), EDX_OK);
        assert_int_equal(out.pixels, area.rows * COLS);
        memset(&moved, 0, sizeof moved);
        memset(&expected, 0, sizeof expected);
        add_by_hand(&moved, &out, area.row, none);
        add_by_hand(&expected, &e, first, by);
        assert_memory_equal(moved.counts, expected.counts, sizeof moved.counts);
        uint32_t covered = 0;
        for (uint32_t p = 0; p < ROWS * COLS; p++)
            covered += expected.exposure[p / COLS][p % COLS];
        assert_int_equal(covered, area.rows * area.cols);
    }
    edx_shift_free(&shift);
}

/* ---- the analysis ---- */

/* The sums stand where the frames' places say, with exposure, live time and image. */
static void check_sums(edx_analysis *a, run *r)
{
    const edx_scene *scene = edx_analysis_scene(a);
    const uint32_t *exposure = edx_scene_exposure(scene);
    const double *live = edx_analysis_live_time(a);
    const size_t pixels = (size_t)r->size * r->size;
    uint64_t *counts = calloc(pixels, sizeof *counts), total = 0;
    uint32_t *covered = calloc(pixels, sizeof *covered);
    for (uint64_t f = 0; f < r->frames; f++) {
        const edx_drift_place *place = edx_drift_find(edx_analysis_drift(a), f);
        edx_frame frame;
        assert_int_equal(edx_simulator_frame(r->simulator, f, &frame, NULL), EDX_OK);
        const edx_events e = events_of(&frame, (uint32_t)pixels);
        for (uint32_t p = 0; p < pixels; p++) {
            const int64_t y = (int64_t)(p / r->size) + place->shift[0];
            const int64_t x = (int64_t)(p % r->size) + place->shift[1];
            if (y < 0 || y >= r->size || x < 0 || x >= r->size)
                continue;
            counts[y * r->size + x] += e.offsets[p + 1] - e.offsets[p];
            covered[y * r->size + x]++;
            total += e.offsets[p + 1] - e.offsets[p];
        }
    }
    assert_memory_equal(edx_scene_pixel_counts(scene), counts, pixels * sizeof *counts);
    assert_memory_equal(exposure, covered, pixels * sizeof *covered);
    assert_int_equal(edx_scene_counts(scene), total);
    for (size_t p = 0; p < pixels; p++)
        assert_near(live[p], covered[p] * 0.97e-3, 1e-9, "live time");
    free(counts);
    free(covered);
}

static void add_frame(edx_analysis *a, run *r, uint64_t index, uint32_t blocks)
{
    edx_error err = {0};
    edx_frame f;
    assert_int_equal(edx_simulator_frame(r->simulator, index, &f, &err), EDX_OK);
    const uint16_t *image = (const uint16_t *)(const void *)f.images[0].data;
    for (uint32_t pass = 0; pass < 2; pass++)
        for (uint32_t b = 0; b < blocks; b++) {
            const uint32_t rows = r->size / blocks;
            edx_events e = events_of(&f, rows * r->size);
            e.offsets += b * rows * r->size;
            f.row = b * rows;
            f.rows = rows;
            f.n_images = r->image ? 1 : 0;
            f.images[0] = edx_array_2(EDX_U2, image + (size_t)b * rows * r->size, rows, r->size);
            if (pass == 1)
                assert_int_equal(edx_analysis_add(a, &f, &e, &err), EDX_OK);
            else if (blocks > 1)
                edx_analysis_look(a, &f, &e);
        }
    edx_analysis_frame(a, index, true);
}

static edx_analysis *analysis_of(run *r, edx_drift_mode mode)
{
    edx_settings settings;
    edx_begin begin;
    edx_error err = {0};
    edx_analysis *a;
    edx_settings_default(&settings);
    settings.analysis.drift = (int)mode;
    edx_simulator_begin(r->simulator, &begin);
    assert_int_equal(edx_analysis_new(&begin, &settings, &a, &err), EDX_OK);
    return a;
}

static void test_sums_follow(void **state)
{
    (void)state;
    seed = 4;
    for (uint32_t blocks = 1; blocks <= 4; blocks += 3) {
        run r;
        size_t n;
        const uint64_t *frames;
        const double(*nm)[2];
        edx_error err = {0};
        double truth[2];
        open_run(&r, "agau-8nm", 1, blocks + 0.5, 0.15, 0, 16, true);
        edx_analysis *a = analysis_of(&r, EDX_DRIFT_INTEGER);
        for (uint64_t f = 0; f < r.frames; f++)
            add_frame(a, &r, f, blocks);
        check_sums(a, &r);
        assert_int_equal(edx_analysis_track(a, &n, &frames, &nm, &err), EDX_OK);
        assert_int_equal(n, r.frames);
        for (size_t f = 0; f < n; f++) {
            edx_simulator_moved(r.simulator, f, truth);
            assert_int_equal(frames[f], f);
            for (int k = 0; k < 2; k++)
                assert_near(nm[f][k], truth[k], 0.08, "track");
        }
        uint64_t dof;
        size_t outliers;
        double chi2, p;
        const uint64_t *which;
        edx_analysis_health(a, &chi2, &dof, &p, &which, &outliers);
        assert_int_equal(dof, r.frames - 1); /* of all counts, also those that left */
        assert_true(p > 1e-4);
        edx_analysis_free(&a);
        close_run(&r);
    }
}

/* Started anew, the same frames at the same places make the same sums; settings that change what is
 * looked at say that they do not fit. */
static void test_restart(void **state)
{
    run r;
    edx_error err = {0};
    (void)state;
    seed = 4;
    open_run(&r, "agau-8nm", 1, 0.5, 0.15, 0, 10, true);
    edx_analysis *a = analysis_of(&r, EDX_DRIFT_INTEGER);
    edx_settings settings = *edx_analysis_settings(a);
    settings.analysis.energy_eV[0] = 500;
    settings.analysis.energy_eV[1] = 15000;
    assert_int_equal(edx_analysis_configure(a, &settings, &err), EDX_OK);
    assert_false(edx_analysis_is_misplaced(a)); /* nothing stood yet */
    for (uint64_t f = 0; f < r.frames; f++)
        add_frame(a, &r, f, 1);
    assert_int_equal(edx_analysis_restart(a, &err), EDX_OK);
    assert_int_equal(edx_scene_counts(edx_analysis_scene(a)), 0);
    for (uint64_t f = 0; f < r.frames; f++)
        add_frame(a, &r, f, 1);
    check_sums(a, &r);
    settings.quant.limit = 5;
    assert_int_equal(edx_analysis_configure(a, &settings, &err), EDX_OK);
    assert_false(edx_analysis_is_misplaced(a));
    settings.analysis.drift = EDX_DRIFT_NONE;
    assert_int_equal(edx_analysis_configure(a, &settings, &err), EDX_OK);
    assert_null(edx_analysis_drift(a));
    assert_true(edx_analysis_is_misplaced(a));
    edx_analysis_free(&a);
    a = analysis_of(&r, EDX_DRIFT_NONE);
    assert_null(edx_analysis_drift(a));
    edx_analysis_free(&a);
    close_run(&r);
}

static void test_small_scans(void **state)
{
    edx_drift *d;
    edx_error err = {0};
    (void)state;
    assert_int_equal(edx_drift_new(7, 200, &d, &err), EDX_E_RANGE);
    assert_null(d);
    assert_int_equal(edx_drift_new(8, 1000, &d, &err), EDX_OK);
    edx_drift_free(&d);
    edx_drift_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_track),
        cmocka_unit_test(test_correlate_known),
        cmocka_unit_test(test_correlate_noise),
        cmocka_unit_test(test_shift_events),
        cmocka_unit_test(test_slope),
        cmocka_unit_test(test_small_scans),
        cmocka_unit_test(test_follows_images),
        cmocka_unit_test(test_follows_counts),
        cmocka_unit_test(test_rests),
        cmocka_unit_test(test_weak_frame),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_order_and_looking_back),
        cmocka_unit_test(test_sums_follow),
        cmocka_unit_test(test_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
