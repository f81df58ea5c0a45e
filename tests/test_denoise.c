/* Denoised rings and maps on simulated particles with known truth, and where there is nothing to
 * denoise. tests/denoise_numpy.py holds the formulas against numpy; bench/study.c is the long one.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/bias.h"
#include "analysis/denoise.h"
#include "analysis/denoise_maps.h"
#include "analysis/linalg.h"
#include "analysis/numeric.h"
#include "analysis/projection.h"
#include "analysis/smooth.h"
#include "instrument/random.h"

#define SEED 20261122u
#define E 120u
#define G 10u
#define M 12u
#define N 3u
#define RADIUS 4.0
#define STEP 0.5
#define FLATTENED 0.01 /* what the inner rings are off */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static unsigned allocations;
static bool no_memory;

void *__wrap_malloc(size_t size)
{
    allocations++;
    return no_memory ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    allocations++;
    return no_memory ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    allocations++;
    return no_memory ? NULL : __real_realloc(memory, size);
}

static void assert_near(double value, double expected, double tolerance, const char *what)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%s: %.10g, expected %.10g within %g", what, value, expected, tolerance);
}

/* ---- a particle ---- */

/* First peak of an element; a second one 60 channels on. */
static const double peaks[N] = {12, 32, 52};
static const double k_true[N] = {1.4, 1.0, 0.8};

typedef struct world {
    edx_random random;
    uint32_t n;
    edx_rings rings;
    double mean[M], square[M], truth[N * M];
    double expected[M * E], spectra[M * E], group[G * M * E];
    double windows[N * E], model[N * E], k[N];
    edx_denoise *denoise;
    edx_bias *bias;
    edx_denoise_result result;
    double heldout[G * N * M];
} world;

static double peak(double at, double channel)
{
    double x = (channel - at) / 2.5;
    return exp(-0.5 * x * x) / (2.5 * sqrt(6.283185307179586));
}

/* Counts of one atom of element e in a channel; the model believes in a second peak that is
 * stronger by wrong. */
static double line(uint32_t e, double wrong, double channel)
{
    return (peak(peaks[e], channel) + 0.6 * wrong * peak(peaks[e] + 60, channel)) / k_true[e];
}

static void set_windows(world *w)
{
    memset(w->windows, 0, sizeof w->windows);
    for (uint32_t e = 0; e < w->n; e++)
        for (int c = -7; c < 7; c++)
            w->windows[e * E + (uint32_t)(peaks[e] + c)] = c < -5 || c > 4 ? -10.0 / 4 : 1;
}

/* Least squares of templates with a background, weights of the mean spectrum. */
static void set_model(world *w, double wrong)
{
    uint32_t n = w->n + 1;
    double templates[(N + 1) * E], weighted[E * (N + 1)], normal[(N + 1) * (N + 1)];
    double rows[(N + 1) * E];

    for (uint32_t c = 0; c < E; c++) {
        double all = 1e-3;
        for (uint32_t i = 0; i < M; i++)
            all += w->expected[i * E + c];
        for (uint32_t e = 0; e < n; e++) {
            templates[c * n + e] = e < w->n ? line(e, e == 0 ? wrong : 1, c) : 1;
            weighted[c * n + e] = rows[e * E + c] = templates[c * n + e] / all;
            if (e == w->n)
                weighted[c * n + e] = rows[e * E + c] = 1 / all;
        }
    }
    edx_linalg_inner(E, n, n, templates, weighted, normal);
    assert_int_equal(edx_linalg_cholesky(n, normal, NULL), EDX_OK);
    edx_linalg_solve(n, normal, E, rows);
    memcpy(w->model, rows, w->n * E * sizeof *rows);
}

/* A sphere whose composition goes from 1 / n by slope at the surface, and counts a unit column. */
static void set_world(world *w, uint32_t n, double slope, double counts)
{
    w->n = n;
    for (uint32_t i = 0; i < M; i++) {
        double r = (i + 0.5) * STEP, u = r * r / (RADIUS * RADIUS);
        double column = 2 * i + 1.0;
        w->mean[i] = r;
        w->square[i] = r * r + 0.02;
        column *= sqrt(fmax(1 - u, 0.001));
        for (uint32_t e = 0; e < n; e++)
            w->truth[e * M + i] = 1.0 / n + (e == 0 ? slope * u : -slope * u / (n - 1.0));
        for (uint32_t c = 0; c < E; c++) {
            double sum = 0.02 * (2 * i + 1.0);
            for (uint32_t e = 0; e < n; e++)
                sum += 2 * column * w->truth[e * M + i] * line(e, 1, c);
            w->expected[i * E + c] = counts * sum;
        }
    }
    memcpy(w->k, k_true, sizeof w->k);
    set_windows(w);
    w->rings = (edx_rings){.m = M,
                           .channels = E,
                           .groups = G,
                           .radius_nm = RADIUS,
                           .mean_nm = w->mean,
                           .square_nm2 = w->square,
                           .spectra = w->spectra,
                           .group = w->group};
}

static void draw(world *w)
{
    memset(w->spectra, 0, sizeof w->spectra);
    for (uint32_t at = 0; at < G * M * E; at++) {
        w->group[at] = (double)edx_random_poisson(&w->random, w->expected[at % (M * E)] / G);
        w->spectra[at % (M * E)] += w->group[at];
    }
}

static edx_denoise_input input_of(const world *w)
{
    return (edx_denoise_input){.n = w->n,
                               .rings = &w->rings,
                               .windows = w->windows,
                               .model = w->model,
                               .k = w->k,
                               .limit = 10};
}

static void run(world *w)
{
    edx_denoise_input input = input_of(w);
    edx_error err;
    if (edx_denoise_rings(w->denoise, &input, &w->result, &err) != EDX_OK)
        fail_msg("%s", err.text);
}

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    edx_linalg_init();
    edx_random_seed(&w->random, SEED, 0);
    assert_int_equal(edx_denoise_new(&w->denoise, NULL), EDX_OK);
    assert_int_equal(edx_bias_new(&w->bias, NULL), EDX_OK);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;
    edx_denoise_free(&w->denoise);
    edx_bias_free(&w->bias);
    assert_null(w->denoise);
    assert_null(w->bias);
    free(w);
    return 0;
}

/* ---- truth ---- */

/* What errors of some kind come to, in sigma and absolute. */
typedef struct errors {
    double n, square, within, pull;
} errors;

static void count(errors *t, double error, double sigma)
{
    t->n++;
    t->square += error * error;
    t->within += fabs(error) <= 2 * sigma;
    t->pull += error / sigma;
}

/* Twenty particles of a template that is wrong by 10 %: 2 sigma of 95 %, no bias, less error. */
static void rings_are_as_good_as_they_say(void **state)
{
    world *w = *state;
    errors model = {0}, denoised = {0};

    for (uint32_t i = 0; i < 20; i++) {
        set_world(w, 2, 0.04 * (i % 3), 1500);
        set_model(w, 1.1);
        draw(w);
        run(w);
        for (uint32_t j = 0; j < M; j++) {
            if (!w->result.smoothed[j])
                continue;
            count(&model, w->result.model[j] - w->truth[j], w->result.model_sigma[j]);
            count(&denoised, w->result.denoised[j] - w->truth[j], w->result.denoised_sigma[j]);
        }
    }
    double ratio = sqrt(denoised.square / model.square);
    print_message(
        "seed %u, %g rings: within 2 sigma %.3f and %.3f, pull %.3f and %.3f, ratio %.3f\n", SEED,
        model.n, model.within / model.n, denoised.within / denoised.n, model.pull / model.n,
        denoised.pull / denoised.n, ratio);
    assert_true(model.n >= 120);
    assert_near(model.within / model.n, 0.9545, 4 * sqrt(0.9545 * 0.0455 / model.n), "coverage");
    assert_true(denoised.within / denoised.n >= 0.90);
    assert_near(model.pull / model.n, 0, 0.3, "bias of the model, sigma");
    assert_near(denoised.pull / denoised.n, 0, 0.35, "bias of denoised, sigma");
    assert_true(ratio < 0.85);
}

/* Without noise: exact, whatever the template's ratio; unanchored it would be 0.02 off. */
static void anchors_hold_what_templates_bend(void **state)
{
    world *w = *state;
    edx_denoise_input input;
    double off[2];

    set_world(w, 2, 0, 1e5);
    set_model(w, 1.25);
    memcpy(w->spectra, w->expected, sizeof w->spectra);
    run(w);
    off[0] = fabs(w->result.model[0] - w->truth[0]);
    input = input_of(w);
    input.windows = w->model; /* nothing to anchor to */
    assert_int_equal(edx_denoise_rings(w->denoise, &input, &w->result, NULL), EDX_OK);
    off[1] = fabs(w->result.model[0] - w->truth[0]);
    assert_true(off[1] > 0.01);
    assert_near(off[0], 0, 0.0035, "anchored"); /* what windows miss of a peak */
}

/* ---- more than two elements ---- */

static void three_elements_sum_to_one(void **state)
{
    world *w = *state;
    const double *cov;

    set_world(w, 3, 0.06, 3000);
    set_model(w, 1);
    draw(w);
    run(w);
    cov = w->result.denoised_covariance;
    for (uint32_t i = 0; i < M; i++) {
        double sum = 0, all = 0;
        for (uint32_t e = 0; w->result.smoothed[i] && e < 3; e++) {
            sum += w->result.denoised[e * M + i];
            for (uint32_t f = 0; f < 3; f++)
                all += cov[(e * M + i) * 3 * M + f * M + i];
        }
        if (w->result.smoothed[i]) {
            assert_near(sum, 1, 1e-12, "sum");
            assert_near(all, 0, 1e-12, "its variance");
        }
    }
    assert_true(w->result.smoothed[3]);
}

/* Which element comes first makes no difference. */
static void order_makes_no_difference(void **state)
{
    static const uint32_t turned[3] = {2, 0, 1};
    world *w = *state;
    double windows[N * E], model[N * E], k[N], before[2][N * M];

    set_world(w, 3, 0.06, 3000);
    set_model(w, 1);
    draw(w);
    run(w);
    memcpy(before[0], w->result.denoised, sizeof before[0]);
    memcpy(before[1], w->result.denoised_sigma, sizeof before[1]);
    for (uint32_t e = 0; e < 3; e++) {
        memcpy(windows + e * E, w->windows + turned[e] * E, E * sizeof *windows);
        memcpy(model + e * E, w->model + turned[e] * E, E * sizeof *model);
        k[e] = w->k[turned[e]];
    }
    edx_denoise_input input = input_of(w);
    input.windows = windows;
    input.model = model;
    input.k = k;
    assert_int_equal(edx_denoise_rings(w->denoise, &input, &w->result, NULL), EDX_OK);
    for (uint32_t at = 0; at < 3 * M; at++) {
        uint32_t from = turned[at / M] * M + at % M;
        if (!w->result.smoothed[at % M])
            continue;
        assert_near(w->result.denoised[at], before[0][from], 1e-9, "fraction");
        assert_near(w->result.denoised_sigma[at], before[1][from], 1e-8, "sigma");
    }
}

/* ---- nothing to denoise ---- */

static uint32_t known(const double *values, uint32_t n)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += isfinite(values[i]) != 0;
    return sum;
}

static void assert_known(world *w, uint32_t model, uint32_t denoised)
{
    uint32_t n = w->n, m = w->rings.m;
    const edx_denoise_result *r = &w->result;

    run(w);
    assert_int_equal(known(r->model, n * m), n * model);
    assert_int_equal(known(r->model_sigma, n * m), n * model);
    assert_int_equal(known(r->model_covariance, n * m * n * m), n * n * model * model);
    assert_int_equal(known(r->denoised, n * m), n * denoised);
    assert_int_equal(known(r->denoised_sigma, n * m), n * denoised);
    assert_int_equal(known(r->denoised_covariance, n * m * n * m), n * n * denoised * denoised);
}

static void few_rings_are_no_matter(void **state)
{
    world *w = *state;

    set_world(w, 2, 0.05, 1e4);
    set_model(w, 1);
    draw(w);
    assert_known(w, M, 8); /* R is 4 nm: what lies beyond has a model only */
    w->rings.m = 1;
    assert_known(w, 1, 1);
    assert_near(w->result.denoised[0], w->result.model[0], 0.02, "one ring");
    w->rings.m = 2;
    assert_known(w, 2, 2);
    w->rings.m = M;
    w->rings.radius_nm = 0;
    assert_known(w, 0, 0); /* nothing is inside: no anchor either */
    w->rings.radius_nm = NAN;
    assert_known(w, 0, 0);
    w->n = 1;
    w->rings.radius_nm = RADIUS;
    assert_known(w, 0, 0);
    w->n = 0;
    assert_known(w, 0, 0);
    w->n = 2;
    w->rings.m = 0;
    assert_known(w, 0, 0);
}

static void no_counts_are_no_error(void **state)
{
    world *w = *state;
    edx_denoise_input input;

    set_world(w, 2, 0.05, 1e4);
    set_model(w, 1);
    memset(w->spectra, 0, sizeof w->spectra);
    memset(w->group, 0, sizeof w->group);
    assert_known(w, 0, 0);
    input = input_of(w);
    assert_int_equal(edx_denoise_heldout(w->denoise, &input, w->heldout, NULL), EDX_OK);
    assert_int_equal(known(w->heldout, G * 2 * M), 0);
    set_world(w, 2, 0.05, 0.02); /* some counts, none over the limit */
    draw(w);
    assert_known(w, 0, 0);
    for (uint32_t at = 0; at < M * E; at++)
        w->spectra[at] = 1e5 * line(1, 1, at % E) * RADIUS; /* one element alone */
    assert_known(w, 0, 0);
}

static void too_many_are_refused(void **state)
{
    world *w = *state;
    edx_smooth *smooth;
    edx_error err;
    double u = 1, value = 0.5, noise = NAN, mean, covariance;

    set_world(w, 2, 0, 10);
    edx_denoise_input input = input_of(w);
    w->rings.m = 769;
    assert_int_equal(edx_denoise_rings(w->denoise, &input, &w->result, &err), EDX_E_RANGE);
    w->rings.m = M;
    assert_int_equal(edx_smooth_new(&smooth, NULL), EDX_OK);
    assert_int_equal(
        edx_smooth_rings(smooth, 2, 1537, &u, &value, &noise, &mean, &covariance, &err),
        EDX_E_RANGE);
    assert_int_equal(edx_smooth_rings(smooth, 2, 1, &u, &value, &noise, &mean, &covariance, &err),
                     EDX_E_NUMERIC);
    edx_smooth_free(&smooth);
    edx_smooth_free(&smooth);
}

static void memory_is_kept(void **state)
{
    world *w = *state;

    set_world(w, 2, 0.05, 1500);
    set_model(w, 1);
    draw(w);
    run(w);
    edx_denoise_input input = input_of(w);
    assert_int_equal(edx_bias_load(w->bias, &w->rings, 2, w->windows, w->k, NULL, NULL), EDX_OK);
    allocations = 0;
    run(w);
    assert_int_equal(edx_denoise_heldout(w->denoise, &input, w->heldout, NULL), EDX_OK);
    assert_int_equal(edx_bias_load(w->bias, &w->rings, 2, w->windows, w->k, NULL, NULL), EDX_OK);
    assert_int_equal(allocations, 0);
    edx_denoise *denoise;
    edx_bias *bias;
    no_memory = true;
    assert_int_equal(edx_denoise_new(&denoise, NULL), EDX_E_NOMEM);
    assert_int_equal(edx_bias_new(&bias, NULL), EDX_E_NOMEM);
    no_memory = false;
    assert_int_equal(edx_denoise_new(&denoise, NULL), EDX_OK);
    no_memory = true;
    assert_int_equal(edx_denoise_rings(denoise, &input, &w->result, NULL), EDX_E_NOMEM);
    no_memory = false;
    assert_int_equal(edx_denoise_rings(denoise, &input, &w->result, NULL), EDX_OK);
    edx_denoise_free(&denoise);
}

/* ---- bias ---- */

/* Held-out profiles that are all the same: the truth plus offset in the inner rings, and outside in
 * the outer ones. */
static edx_check check_both(world *w, double offset, double outside)
{
    edx_check check;

    for (uint32_t at = 0; at < G * w->n * M; at++) {
        uint32_t e = at / M % w->n, i = at % M;
        double sign = e == 0 ? 1 : -1 / (w->n - 1.0);
        w->heldout[at] = w->truth[e * M + i] + sign * (i < 5 ? offset : outside);
    }
    edx_bias_check(w->bias, w->heldout, &check);
    return check;
}

static edx_check check_of(world *w, double offset)
{
    return check_both(w, offset, 0);
}

/* The truth fails in about 1 of 100 runs; what is 0.05 off fails always. */
static void bias_is_found(void **state)
{
    world *w = *state;
    uint32_t alarms = 0;

    for (uint32_t n = 2; n <= 3; n++)
        for (uint32_t run_of = 0; run_of < 60; run_of++) {
            set_world(w, n, 0.05, 1500);
            draw(w);
            assert_int_equal(edx_bias_load(w->bias, &w->rings, n, w->windows, w->k, NULL, NULL),
                             EDX_OK);
            edx_check good = check_of(w, 0), bad = check_of(w, 0.05);
            assert_int_equal(good.dof, (n - 1) * M);
            assert_true(isfinite(good.chi2) && good.p >= 0 && good.p <= 1);
            assert_true(good.passed == (good.p >= 0.01));
            assert_false(bad.passed);
            alarms += !good.passed;
        }
    print_message("seed %u: %u false alarms of 120\n", SEED, alarms);
    assert_true(alarms <= 6);
}

/* What is a little too flat fails more often than all rings together say, which say it alone where
 * no radius is known. */
static void flattening_is_found(void **state)
{
    world *w = *state;

    for (uint32_t n = 2; n <= 3; n++) {
        uint32_t runs = 60, blind = 0, failed = 0, pale = 0;
        for (uint32_t run_of = 0; run_of < runs; run_of++) {
            set_world(w, n, 0.05, 1500);
            draw(w);
            assert_int_equal(edx_bias_load(w->bias, &w->rings, n, w->windows, w->k, NULL, NULL),
                             EDX_OK);
            edx_check check = check_both(w, FLATTENED, -FLATTENED);
            double plain = edx_numeric_chi2_p(check.chi2, check.dof);
            assert_true(check.p <= fmin(1, plain / (1 - EDX_BIAS_RISE_SHARE)) * 1.0000001);
            failed += !check.passed;
            blind += plain < EDX_BIAS_LEAST_P;
            w->rings.radius_nm = NAN;
            assert_int_equal(edx_bias_load(w->bias, &w->rings, n, w->windows, w->k, NULL, NULL),
                             EDX_OK);
            check = check_both(w, FLATTENED, -FLATTENED);
            assert_near(check.p, plain, 1e-12, "p without a radius");
            pale += !check.passed;
        }
        print_message("seed %u, %u elements: of %u flattened profiles %u found, %u by all rings\n",
                      SEED, n, runs, failed, blind);
        assert_int_equal(pale, blind);
        assert_true(failed >= blind + runs / 6);
    }
}

/* With d far from 0 sigma is |d| at least; where all groups agree, sqrt(noise) at least. */
static void errors_grow_with_bias(void **state)
{
    world *w = *state;
    double sigma[2 * M];

    set_world(w, 2, 0.05, 1500);
    draw(w);
    assert_int_equal(edx_bias_load(w->bias, &w->rings, 2, w->windows, w->k, NULL, NULL), EDX_OK);
    check_of(w, 0.2);
    edx_bias_jackknife(w->bias, w->heldout, sigma);
    const double *d = edx_bias_difference(w->bias), *noise = edx_bias_noise(w->bias);
    for (uint32_t at = 0; at < 2 * M; at++) {
        double expected = fmax(d[at] * d[at], noise[at]); /* the groups are all the same */
        assert_near(sigma[at], sqrt(expected), 1e-12, "sigma");
        assert_near(d[at], -d[(at + M) % (2 * M)], 1e-12, "two elements mirror each other");
    }
    assert_near(d[3], -0.2, 0.05, "d");
}

static void no_verdict(void **state)
{
    world *w = *state;
    edx_check check;
    bool judged[M] = {false};
    double sigma[2 * M];

    set_world(w, 2, 0.05, 1500);
    draw(w);
    memset(w->group + M * E, 0, (G - 1) * M * E * sizeof *w->group); /* one group has counts */
    assert_int_equal(edx_bias_load(w->bias, &w->rings, 2, w->windows, w->k, NULL, NULL), EDX_OK);
    check = check_of(w, 0);
    assert_true(check.chi2 == 0 && check.dof == 0 && check.p == 1 && !check.passed);
    edx_bias_jackknife(w->bias, w->heldout, sigma);
    assert_int_equal(known(sigma, 2 * M), 0);
    draw(w);
    assert_int_equal(edx_bias_load(w->bias, &w->rings, 2, w->windows, w->k, judged, NULL), EDX_OK);
    assert_int_equal(check_of(w, 0).dof, 0);
    judged[4] = true;
    assert_int_equal(edx_bias_load(w->bias, &w->rings, 2, w->windows, w->k, judged, NULL), EDX_OK);
    assert_int_equal(check_of(w, 0).dof, 1);
    w->heldout[4] = NAN;
    edx_bias_check(w->bias, w->heldout, &check);
    assert_true(check.dof == 0 && check.p == 1 && !check.passed);
    w->rings.groups = 0;
    assert_int_equal(edx_bias_load(w->bias, &w->rings, 2, w->windows, w->k, NULL, NULL), EDX_OK);
    edx_bias_check(w->bias, w->heldout, &check);
    assert_true(check.dof == 0 && check.p == 1 && !check.passed);
}

/* ---- maps ---- */

#define SIDE 24u
#define PIXELS (SIDE * SIDE)

typedef struct plane {
    uint8_t mask[PIXELS];
    double net[N * PIXELS], covariance[N * N * PIXELS], truth[N * PIXELS];
    double fraction[N * PIXELS], sigma[N * PIXELS];
    edx_denoise_maps *maps;
} plane;

/* Counts of a sphere of 8 pixels' radius, radial or with two faces; background as noise alone. */
static void draw_map(plane *p, edx_random *random, uint32_t n, bool faces, double counts)
{
    memset(p->covariance, 0, sizeof p->covariance);
    for (uint32_t at = 0; at < PIXELS; at++) {
        double y = at / SIDE - 11.7, x = at % SIDE - 11.4, u = (y * y + x * x) / 64;
        double column = counts * sqrt(fmax(1 - u, 0)), level = 0.05 * counts;
        double lean = faces ? (y > 0.3 * x ? 0.04 : -0.04) : 0.06 * (u - 0.5);
        p->mask[at] = u < 1.21;
        for (uint32_t e = 0; e < n; e++) {
            double share = 1.0 / n + (e == 0 ? lean : -lean / (n - 1.0));
            double peak_counts =
                (double)edx_random_poisson(random, column * share / k_true[e] + level);
            p->truth[e * PIXELS + at] = share;
            p->net[e * PIXELS + at] = peak_counts - level;
            p->covariance[(e * n + e) * PIXELS + at] = peak_counts;
        }
        for (uint32_t e = 0; e < n; e++)
            p->fraction[e * PIXELS + at] = p->sigma[e * PIXELS + at] = -7;
    }
}

static edx_denoise_maps_input map_input(const plane *p, uint32_t n)
{
    return (edx_denoise_maps_input){.n = n,
                                    .rows = SIDE,
                                    .cols = SIDE,
                                    .step_nm = {0.5, 0.5},
                                    .origin_nm = {0.125, 0.125},
                                    .centre_nm = {5.975, 5.825},
                                    .radius_nm = 4,
                                    .mask = p->mask,
                                    .net = p->net,
                                    .covariance = p->covariance,
                                    .k = k_true};
}

static void run_map(plane *p, uint32_t n)
{
    const edx_denoise_maps_input input = map_input(p, n);
    edx_error err;
    if (edx_denoise_maps_particle(p->maps, &input, p->fraction, p->sigma, &err) != EDX_OK)
        fail_msg("%s", err.text);
}

/* Errors of pixels well inside, raw and denoised. */
static void judge_map(const plane *p, uint32_t n, errors *raw, errors *denoised)
{
    for (uint32_t at = 0; at < PIXELS; at++) {
        double y = at / SIDE - 11.7, x = at % SIDE - 11.4, total = 0;
        for (uint32_t e = 0; e < n; e++)
            total += k_true[e] * p->net[e * PIXELS + at];
        if (y * y + x * x > 56)
            continue;
        count(raw, k_true[0] * p->net[at] / total - p->truth[at], 1);
        count(denoised, p->fraction[at] - p->truth[at], p->sigma[at]);
    }
}

static int set_up_map(void **state)
{
    plane *p = calloc(1, sizeof *p);
    assert_non_null(p);
    edx_linalg_init();
    assert_int_equal(edx_denoise_maps_new(&p->maps, NULL), EDX_OK);
    *state = p;
    return 0;
}

static int tear_down_map(void **state)
{
    plane *p = *state;
    edx_denoise_maps_free(&p->maps);
    assert_null(p->maps);
    free(p);
    return 0;
}

static void study_map(plane *p, uint32_t n, bool faces, double ratio, double coverage)
{
    edx_random random;
    errors raw = {0}, denoised = {0};

    edx_random_seed(&random, SEED, 5);
    for (uint32_t i = 0; i < 4; i++) {
        draw_map(p, &random, n, faces, 300);
        run_map(p, n);
        judge_map(p, n, &raw, &denoised);
    }
    print_message("seed %u, %u elements%s: rms over raw %.3f, within 2 sigma %.3f\n", SEED, n,
                  faces ? ", two faces" : "", sqrt(denoised.square / raw.square),
                  denoised.within / denoised.n);
    assert_true(sqrt(denoised.square / raw.square) <= ratio);
    assert_true(denoised.within / denoised.n >= coverage);
}

static void maps_are_as_good_as_they_say(void **state)
{
    study_map(*state, 2, false, 0.21, 0.92);
    study_map(*state, 2, true, 0.70, 0.90);
    study_map(*state, 3, false, 0.19, 0.92);
}

static void maps_touch_the_mask_only(void **state)
{
    plane *p = *state;
    edx_random random;

    edx_random_seed(&random, SEED, 6);
    for (uint32_t n = 2; n <= 3; n++) {
        draw_map(p, &random, n, false, 300);
        run_map(p, n);
        for (uint32_t at = 0; at < PIXELS; at++) {
            double sum = 0;
            for (uint32_t e = 0; e < n; e++) {
                sum += p->fraction[e * PIXELS + at];
                if (!p->mask[at])
                    assert_true(p->fraction[e * PIXELS + at] == -7);
            }
            if (p->mask[at] && isfinite(sum))
                assert_near(sum, 1, 1e-12, "sum");
        }
    }
}

static void anchors_widen_maps(void **state)
{
    static const double anchor[4] = {0.0016, 0, 0, 0};
    plane *p = *state;
    edx_random random;
    uint32_t at = 11 * SIDE + 11;

    edx_random_seed(&random, SEED, 7);
    draw_map(p, &random, 2, false, 300);
    run_map(p, 2);
    double before = p->sigma[at], f = p->fraction[at];
    edx_denoise_maps_input input = map_input(p, 2);
    input.anchor = anchor;
    assert_int_equal(edx_denoise_maps_particle(p->maps, &input, p->fraction, p->sigma, NULL),
                     EDX_OK);
    double common = f * (1 - f) * 0.04;
    assert_near(p->sigma[at], sqrt(before * before + common * common), 1e-9, "sigma");
    assert_near(p->sigma[at + PIXELS], p->sigma[at], 1e-12, "of the other");
}

static void maps_of_nothing(void **state)
{
    plane *p = *state;
    edx_random random;

    edx_random_seed(&random, SEED, 8);
    draw_map(p, &random, 2, false, 300);
    memset(p->net, 0, sizeof p->net);
    memset(p->covariance, 0, sizeof p->covariance);
    run_map(p, 2);
    for (uint32_t at = 0; at < PIXELS; at++)
        assert_true(p->mask[at] ? isnan(p->fraction[at]) && isnan(p->sigma[at])
                                : p->fraction[at] == -7);
    draw_map(p, &random, 2, false, 300);
    memset(p->mask, 0, sizeof p->mask);
    p->mask[11 * SIDE + 11] = 1; /* one pixel */
    run_map(p, 2);
    assert_near(p->fraction[11 * SIDE + 11], 0.5, 0.3, "one pixel");
    p->mask[11 * SIDE + 11] = 0; /* none */
    run_map(p, 2);
    draw_map(p, &random, 2, false, 300);
    p->net[11 * SIDE + 11] = NAN;
    const edx_denoise_maps_input input = map_input(p, 2);
    edx_status status = edx_denoise_maps_particle(p->maps, &input, p->fraction, p->sigma, NULL);
    assert_true(status == EDX_E_NUMERIC || isnan(p->fraction[11 * SIDE + 11]));
    draw_map(p, &random, 2, false, 300);
    run_map(p, 2);
    allocations = 0;
    run_map(p, 2);
    assert_int_equal(allocations, 0);
}

#define RING_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define MAP_TEST(f) cmocka_unit_test_setup_teardown(f, set_up_map, tear_down_map)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        RING_TEST(rings_are_as_good_as_they_say),
        RING_TEST(anchors_hold_what_templates_bend),
        RING_TEST(three_elements_sum_to_one),
        RING_TEST(order_makes_no_difference),
        RING_TEST(few_rings_are_no_matter),
        RING_TEST(no_counts_are_no_error),
        RING_TEST(too_many_are_refused),
        RING_TEST(memory_is_kept),
        RING_TEST(bias_is_found),
        RING_TEST(flattening_is_found),
        RING_TEST(errors_grow_with_bias),
        RING_TEST(no_verdict),
        MAP_TEST(maps_are_as_good_as_they_say),
        MAP_TEST(maps_touch_the_mask_only),
        MAP_TEST(anchors_widen_maps),
        MAP_TEST(maps_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
