/* Binned sparse counts and their principal components where they are hard: next to nothing, larger
 * counts than a slot holds, every instruction set, any number of threads. tests/pca_numpy.py
 * compares with numpy. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/krylov.h"
#include "analysis/pass_kernels.h"
#include "analysis/pca.h"
#include "analysis/scene_rows.h"
#include "analysis/sparse.h"

enum { ROWS = 7, COLS = 9, PIXELS = ROWS * COLS, CHANNELS = 130, M = 16 };
enum { BIN = 4, PIX = 2, E = CHANNELS / BIN, R = ROWS / PIX, C = COLS / PIX, P = R * C };

static const uint64_t seed = 20241117;
static uint64_t state_of_chance;

static uint32_t chance(uint32_t below)
{
    state_of_chance ^= state_of_chance >> 12;
    state_of_chance ^= state_of_chance << 25;
    state_of_chance ^= state_of_chance >> 27;
    return (uint32_t)((state_of_chance * 0x2545F4914F6CDD1DULL) >> 33) % below;
}

/* Events made of dense counts, entry by entry, weighted or one by one. */
typedef struct made {
    edx_events events;
    uint32_t offsets[PIXELS + 1];
    uint16_t channels[1 << 16];
    uint32_t weights[1 << 16];
} made;

static made one;

static void make_events(uint32_t rows, uint32_t most, bool weighted)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < rows * COLS; p++) {
        one.offsets[p] = n;
        for (uint32_t i = chance(most); i > 0; i--) {
            one.weights[n] = weighted ? 1 + chance(3) * chance(70000) : 1;
            one.channels[n++] = (uint16_t)(chance(2) ? chance(CHANNELS) : 40 + chance(9));
        }
    }
    one.offsets[rows * COLS] = n;
    one.events =
        (edx_events){rows * COLS, one.offsets, one.channels, weighted ? one.weights : NULL};
}

static edx_sparse *new_sparse(uint32_t pix, uint32_t bin, uint32_t lo, uint32_t hi)
{
    const edx_sparse_shape shape = {ROWS, COLS, CHANNELS, pix, bin, lo, hi, EDX_FOLDS};
    edx_sparse *s = NULL;
    assert_int_equal(edx_sparse_new(&shape, &s, NULL), EDX_OK);
    return s;
}

/* ---- binned counts ---- */

static uint64_t truth[EDX_FOLDS + 1][P][E];

static void count_truth(uint64_t frame, uint32_t row, uint32_t lo, uint32_t hi)
{
    for (uint32_t p = 0; p < one.events.pixels; p++)
        for (uint32_t i = one.offsets[p]; i < one.offsets[p + 1]; i++) {
            uint32_t y = (row + p / COLS) / PIX, x = p % COLS / PIX, c = one.channels[i];
            if (y >= R || x >= C || c / BIN >= E || c < lo || c >= hi)
                continue;
            truth[frame % EDX_FOLDS][y * C + x][c / BIN] += one.weights[i];
            truth[EDX_FOLDS][y * C + x][c / BIN] += one.weights[i];
        }
}

static void assert_counts(const edx_scene *scene, uint64_t expected[P][E])
{
    static uint32_t dense[P * E];
    edx_scene_dense(scene, 0, P, dense);
    for (uint32_t i = 0; i < P * E; i++)
        assert_int_equal(dense[i], expected[i / E][i % E]);
}

static void binned_counts_are_those_of_the_frames(void **state)
{
    (void)state;
    edx_sparse *s = new_sparse(PIX, BIN, 9, 118);
    memset(truth, 0, sizeof truth);
    for (uint64_t f = 0; f < 24; f++) {
        uint32_t row = f % 3 == 0 ? 0 : chance(ROWS), rows = f % 3 == 0 ? ROWS : ROWS - row;
        make_events(rows, 30, f % 2 == 1);
        assert_int_equal(edx_sparse_add(s, f, row, &one.events, NULL), EDX_OK);
        count_truth(f, row, 9, 118);
    }
    for (int sorted = 0; sorted < 2; sorted++) {
        assert_counts(edx_sparse_total(s), truth[EDX_FOLDS]);
        for (uint32_t f = 0; f < EDX_FOLDS; f++)
            assert_counts(edx_sparse_fold(s, f), truth[f]);
        edx_sparse_sort(s);
    }
    assert_int_equal(edx_sparse_rebuild(s, NULL), EDX_OK);
    assert_false(edx_sparse_stale(s));
    assert_counts(edx_sparse_total(s), truth[EDX_FOLDS]);
    edx_sparse_free(&s);
}

static void sorted_counts_forget_how_they_came(void **state)
{
    (void)state;
    edx_sparse *a = new_sparse(1, 1, 0, CHANNELS), *b = new_sparse(1, 1, 0, CHANNELS);
    for (int turn = 0; turn < 2; turn++)
        for (uint64_t f = 0; f < 8; f++) {
            state_of_chance = seed + (turn == 0 ? f : 7 - f);
            make_events(ROWS, 40, f % 2 == (uint64_t)turn);
            assert_int_equal(edx_sparse_add(turn ? b : a, f, 0, &one.events, NULL), EDX_OK);
        }
    edx_sparse_sort(a);
    edx_sparse_sort(b);
    for (uint32_t p = 0; p < PIXELS; p++) {
        edx_scene_row x = edx_scene_row_at(edx_sparse_total(a), p);
        edx_scene_row y = edx_scene_row_at(edx_sparse_total(b), p);
        assert_int_equal(x.n, y.n);
        if (x.n == 0)
            continue;
        assert_memory_equal(x.keys, y.keys, x.n * sizeof *x.keys);
        assert_memory_equal(x.digits, y.digits, x.n);
    }
    edx_sparse_free(&a);
    edx_sparse_free(&b);
}

/* ---- the loops ---- */

/* Sums of one pixel by the definition. */
static void dot_by_definition(const edx_scene *scene, uint32_t pixel, const float *w, double *sum)
{
    static uint32_t dense[CHANNELS];
    edx_scene_dense(scene, pixel, 1, dense);
    for (uint32_t k = 0; k < EDX_PASS; k++) {
        sum[k] = 0;
        for (uint32_t c = 0; c < CHANNELS; c++)
            sum[k] += (double)dense[c] * (double)w[c * EDX_PASS + k];
    }
}

static void check_loops(const edx_pass_kernel *kernel, const edx_scene *scene, const float *values)
{
    static _Alignas(64) float w[CHANNELS * EDX_PASS], y[CHANNELS * EDX_PASS];
    _Alignas(64) float u[EDX_PASS];
    double expected[EDX_PASS];
    static uint32_t dense[CHANNELS];
    for (uint32_t i = 0; i < CHANNELS * EDX_PASS; i++)
        w[i] = (float)(1 + chance(1000)) / 1000;
    for (uint32_t p = 0; p < PIXELS; p++) {
        edx_scene_row row = edx_scene_row_at(scene, p);
        dot_by_definition(scene, p, w, expected);
        memset(u, 0, sizeof u);
        kernel->dot(&row, NULL, values, w, u);
        for (uint32_t k = 0; k < EDX_PASS; k++)
            assert_true(fabs((double)u[k] - expected[k]) <= 2e-6 * expected[k]);
        memset(y, 0, sizeof y);
        kernel->spread(&row, NULL, values, w, y);
        edx_scene_dense(scene, p, 1, dense);
        for (uint32_t i = 0; i < CHANNELS * EDX_PASS; i++) {
            double product = (double)dense[i / EDX_PASS] * (double)w[i % EDX_PASS];
            assert_true(fabs((double)y[i] - product) <= 1e-6 * product);
        }
    }
}

static void check_outer(const edx_pass_kernel *kernel)
{
    _Alignas(64) float u[EDX_PASS], gram[EDX_PASS * EDX_PASS];
    for (uint32_t k = 0; k < EDX_PASS; k++)
        u[k] = (float)chance(1000);
    for (uint32_t k = 0; k < EDX_PASS * EDX_PASS; k++)
        gram[k] = (float)k;
    kernel->outer(0.5F, u, gram);
    for (uint32_t k = 0; k < EDX_PASS * EDX_PASS; k++) {
        double product = (double)u[k / EDX_PASS] * (double)u[k % EDX_PASS];
        assert_true(fabs((double)gram[k] - k - 0.5 * product) <= 1e-6 * (k + product));
    }
}

static void loops_are_right_in_every_instruction_set(void **state)
{
    (void)state;
    float values[EDX_PASS_VALUES];
    edx_sparse *s = new_sparse(1, 1, 0, CHANNELS);
    for (uint32_t i = 0; i < EDX_PASS_VALUES; i++)
        values[i] = (float)ldexp(i % 256, (int)(i / 256) * 8);
    for (uint64_t f = 0; f < 6; f++) {
        make_events(ROWS, 60, f % 2 == 1);
        assert_int_equal(edx_sparse_add(s, f, 0, &one.events, NULL), EDX_OK);
    }
    for (edx_kernel_set set = EDX_KERNEL_PLAIN; set < EDX_KERNELS; set++)
        if (edx_pass_kernel_get(set) != NULL) {
            check_loops(edx_pass_kernel_get(set), edx_sparse_total(s), values);
            check_outer(edx_pass_kernel_get(set));
        }
    edx_sparse_free(&s);
}

/* w' times what a pass gives is what its shorter way gives, of several terms and parts. */
static void forms_are_those_of_passes(void **state)
{
    (void)state;
    edx_sparse *s = new_sparse(1, 1, 0, CHANNELS);
    edx_pass *pass = NULL;
    static double out[CHANNELS * EDX_PASS];
    double form[EDX_PASS * EDX_PASS];
    for (uint64_t f = 0; f < 6; f++) {
        make_events(ROWS, 60, f % 2 == 1);
        assert_int_equal(edx_sparse_add(s, f, 0, &one.events, NULL), EDX_OK);
    }
    const edx_pass_term terms[2] = {
        {1, 2, {edx_sparse_total(s), edx_sparse_fold(s, 1)}, {1, -1}},
        {-0.3, 1, {edx_sparse_fold(s, 2)}, {1}},
    };
    assert_int_equal(edx_pass_new(PIXELS, CHANNELS, &pass, NULL), EDX_OK);
    edx_pass_scale(pass, edx_sparse_total(s));
    float *w = edx_pass_input(pass);
    for (uint32_t i = 0; i < CHANNELS * EDX_PASS; i++)
        w[i] = (float)(1 + chance(1000)) / 1000;
    edx_pass_apply(pass, terms, 2, out);
    edx_pass_form(pass, terms, 2, form);
    for (uint32_t k = 0; k < EDX_PASS * EDX_PASS; k++) {
        double expected = 0;
        for (uint32_t c = 0; c < CHANNELS; c++)
            expected += (double)w[c * EDX_PASS + k / EDX_PASS] * out[c * EDX_PASS + k % EDX_PASS];
        assert_true(fabs(form[k] - expected) <= 1e-5 * fabs(expected));
    }
    edx_pass_free(&pass);
    edx_sparse_free(&s);
}

/* ---- searches ---- */

/* G = diag(values); how often each way was used. */
typedef struct diagonal {
    const double *values;
    uint32_t n, uses, forms;
} diagonal;

static void use(void *context, const double *v, double *gv)
{
    diagonal *d = context;
    d->uses++;
    for (uint32_t i = 0; i < d->n * 2; i++)
        gv[i] = d->values[i / 2] * v[i];
}

static void use_form(void *context, const double *v, double *form)
{
    diagonal *d = context;
    d->forms++;
    memset(form, 0, 4 * sizeof *form);
    for (uint32_t i = 0; i < d->n; i++)
        for (uint32_t k = 0; k < 4; k++)
            form[k] += v[2 * i + k / 2] * d->values[i] * v[2 * i + k % 2];
}

/* Two vectors to a block, started at the first unit vector but for tilt, and at the second, which
 * has a trace of the third: largest eigenvalue found for it. */
static diagonal search(const double *values, double tilt, double trace, double *theta, double *v)
{
    enum { N = 8 };
    const edx_krylov_goal goal = {.edge = 1,
                                  .significant = 1.69,
                                  .tolerance = 2e-4,
                                  .min_passes = 2,
                                  .max_passes = 40,
                                  .form = use_form};
    diagonal d = {values, N, 0, 0};
    edx_krylov *k = NULL;
    memset(v, 0, 2 * N * sizeof *v);
    v[0] = v[2 + 1] = 1;
    v[2 * 3] = tilt;
    v[2 * 2 + 1] = trace;
    assert_int_equal(edx_krylov_new(N, 2, &k, NULL), EDX_OK);
    assert_int_equal(edx_krylov_solve(k, use, &d, &goal, NULL, v, theta, NULL, NULL), EDX_OK);
    edx_krylov_free(&k);
    return d;
}

/* A start that is good enough is only looked at again; one that is not, or that hides a pair, goes
 * the whole way. */
static void last_passes_are_short_where_they_may(void **state)
{
    (void)state;
    static const double noise[8] = {9, 0.9, 0.8, 0.5, 0.4, 0.3, 0.2, 0.1},
                        hidden[8] = {9, 0.9, 5, 0.5, 0.4, 0.3, 0.2, 0.1};
    double theta[2], v[16];
    diagonal d = search(noise, 1e-3, 1e-3, theta, v);
    assert_true(d.uses == 1 && d.forms == 1);
    assert_true(fabs(theta[0] - 9) <= 1e-9 && fabs(fabs(v[0]) - 1) <= 1e-8);
    d = search(noise, 0.3, 1e-3, theta, v);
    assert_true(d.uses >= 2 && d.forms == 0);
    assert_true(fabs(theta[0] - 9) <= 1e-6 && fabs(fabs(v[0]) - 1) <= 1e-6);
    d = search(hidden, 1e-3, 1e-3, theta, v);
    assert_true(d.uses >= 2 && d.forms == 1);
    assert_true(fabs(theta[1] - 5) <= 1e-6 && fabs(fabs(v[2 * 2 + 1]) - 1) <= 1e-6);
}

/* ---- components of next to nothing ---- */

/* One frame of count counts in each of n voxels, and its components. */
static edx_pca *components_of(edx_sparse *s, const uint32_t (*voxels)[2], uint32_t n,
                              uint32_t count, bool fixed)
{
    edx_pca *p = NULL;
    uint32_t at = 0;
    for (uint32_t pixel = 0; pixel < PIXELS; pixel++) {
        one.offsets[pixel] = at;
        for (uint32_t i = 0; i < n; i++)
            if (voxels[i][0] == pixel) {
                one.channels[at] = (uint16_t)voxels[i][1];
                one.weights[at++] = count;
            }
    }
    one.offsets[PIXELS] = at;
    one.events = (edx_events){PIXELS, one.offsets, one.channels, one.weights};
    assert_int_equal(edx_sparse_add(s, 0, 0, &one.events, NULL), EDX_OK);
    assert_int_equal(edx_pca_new(PIXELS, CHANNELS, M, &p, NULL), EDX_OK);
    for (int turn = 0; turn < 3; turn++)
        assert_int_equal(edx_pca_update(p, edx_sparse_total(s), fixed, NULL), EDX_OK);
    return p;
}

/* As many components as there can be, of the eigenvalues expected; 0 beyond; nothing that is not
 * finite. */
static void assert_components(edx_pca *p, const edx_sparse *s, const double *expected, uint32_t n)
{
    static float spectra[M * CHANNELS], maps[M * PIXELS];
    double sum = 0;
    assert_int_equal(edx_pca_possible(p), n);
    for (uint32_t j = 0; j < M; j++) {
        double value = j < n ? expected[j] : 0;
        assert_true(fabs(edx_pca_eigenvalues(p)[j] - value) <= 1e-6);
        sum += value;
    }
    assert_true(fabs(edx_pca_sum(p) - sum) <= 1e-6);
    edx_pca_vectors(p, edx_sparse_total(s), M, spectra, maps);
    for (uint32_t j = 0; j < M; j++) {
        double spectrum = 0, map = 0;
        for (uint32_t c = 0; c < CHANNELS; c++)
            spectrum += (double)spectra[j * CHANNELS + c] * (double)spectra[j * CHANNELS + c];
        for (uint32_t i = 0; i < PIXELS; i++)
            map += (double)maps[j * PIXELS + i] * (double)maps[j * PIXELS + i];
        assert_true(fabs(spectrum - (j < n ? 1 : 0)) <= 1e-6);
        assert_true(fabs(map - (j < n ? expected[j] : 0)) <= 1e-6);
    }
}

/* Voxels, counts in each, and the eigenvalues: those of blocks that share no row and no column are
 * 1 each; [[1 1] [1 0]] has 1/4 beside. */
static const struct {
    uint32_t n, voxels[4][2], possible;
    double eigenvalues[4];
} cases[] = {
    {1, {{5, 7}}, 1, {1}},
    {3, {{0, 129}, {5, 129}, {62, 129}}, 1, {1}},
    {3, {{5, 0}, {5, 77}, {5, 129}}, 1, {1}},
    {3, {{5, 0}, {6, 77}, {62, 129}}, 3, {1, 1, 1}},
    {3, {{5, 7}, {5, 8}, {6, 7}}, 2, {1, 0.25}},
};

enum { N = 300, W = 8 };

/* Two large pairs, a small one, and noise below 1.2e-4; rounded as in single precision. */
static double value_of(uint32_t i)
{
    static const double leading[] = {1, 0.4, 3.4e-4};
    return i < 3 ? leading[i] : 1.2e-4 * (N - i) / N;
}

static void rounded(void *context, const double *v, double *gv)
{
    (void)context;
    for (uint32_t i = 0; i < N; i++)
        for (uint32_t j = 0; j < W; j++) {
            const size_t at = (size_t)i * W + j;
            gv[at] = value_of(i) * v[at] + 8e-9 * edx_krylov_scatter(at);
        }
}

/* What is lost to rounding cannot be found by going on. */
static void searches_end_at_rounding(void **state)
{
    (void)state;
    const edx_krylov_goal goal = {.edge = 1.3e-4,
                                  .significant = 1.6e-4,
                                  .tolerance = 1e-5,
                                  .min_passes = 10,
                                  .max_passes = 40};
    static double v[N * W], theta[W];
    edx_krylov *k = NULL;
    uint32_t passes = 0;
    assert_int_equal(edx_krylov_new(N, W, &k, NULL), EDX_OK);
    for (uint32_t i = 0; i < N * W; i++)
        v[i] = edx_krylov_scatter(7 * N * W + i);
    assert_int_equal(edx_krylov_solve(k, rounded, NULL, &goal, NULL, v, theta, &passes, NULL),
                     EDX_OK);
    for (uint32_t j = 0; j < 3; j++)
        assert_true(fabs(theta[j] - value_of(j)) < 1e-6 + 1e-3 * value_of(j));
    assert_in_range(passes, 10, 20);
    edx_krylov_free(&k);
}

static void next_to_nothing_has_its_components(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 3, 300, 70000000};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t k = 0; k < 8; k++) {
            edx_sparse *s = new_sparse(1, 1, 0, CHANNELS);
            edx_pca *p = components_of(s, cases[i].voxels, cases[i].n, counts[k / 2], k % 2);
            assert_components(p, s, cases[i].eigenvalues, cases[i].possible);
            edx_pca_free(&p);
            edx_sparse_free(&s);
        }
}

static void no_counts_are_an_error(void **state)
{
    (void)state;
    edx_sparse *s = new_sparse(1, 1, 0, CHANNELS);
    edx_pca *p = NULL;
    edx_error err = {0};
    assert_int_equal(edx_pca_new(PIXELS, CHANNELS, M, &p, NULL), EDX_OK);
    assert_int_equal(edx_pca_update(p, edx_sparse_total(s), false, &err), EDX_E_STATE);
    assert_int_equal(edx_pca_update(p, edx_sparse_total(s), true, &err), EDX_E_STATE);
    edx_pca_free(&p);
    assert_int_equal(edx_pca_new(PIXELS, CHANNELS, 0, &p, NULL), EDX_E_RANGE);
    assert_int_equal(edx_pca_new(PIXELS, CHANNELS, 65, &p, NULL), EDX_E_RANGE);
    assert_null(p);
    edx_sparse_free(&s);
}

/* What grows from one count to many finds every component that there is in the end. */
static void components_appear_as_counts_come(void **state)
{
    (void)state;
    edx_sparse *s = new_sparse(1, 1, 0, CHANNELS);
    edx_pca *live = NULL, *fixed = NULL;
    assert_int_equal(edx_pca_new(PIXELS, CHANNELS, M, &live, NULL), EDX_OK);
    assert_int_equal(edx_pca_new(PIXELS, CHANNELS, M, &fixed, NULL), EDX_OK);
    for (uint64_t f = 0; f < 40; f++) {
        uint32_t n = 0;
        for (uint32_t p = 0; p < PIXELS; p++) {
            one.offsets[p] = n;
            for (uint32_t i = 0; i < (f < 3 ? p == f : 12); i++)
                one.channels[n++] = (uint16_t)((p % 4) * 30 + chance(30));
        }
        one.offsets[PIXELS] = n;
        one.events = (edx_events){PIXELS, one.offsets, one.channels, NULL};
        assert_int_equal(edx_sparse_add(s, f, 0, &one.events, NULL), EDX_OK);
        assert_int_equal(edx_pca_update(live, edx_sparse_total(s), false, NULL), EDX_OK);
    }
    assert_int_equal(edx_pca_update(fixed, edx_sparse_total(s), true, NULL), EDX_OK);
    assert_int_equal(edx_pca_significant(live), 4); /* four blocks: eigenvalues of 1 */
    assert_int_equal(edx_pca_significant(fixed), 4);
    for (uint32_t j = 0; j < 4; j++)
        assert_true(fabs(edx_pca_eigenvalues(live)[j] - 1) <= 1e-4);
    assert_int_equal(edx_pca_possible(live), M);
    edx_pca_free(&live);
    edx_pca_free(&fixed);
    edx_sparse_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binned_counts_are_those_of_the_frames),
        cmocka_unit_test(sorted_counts_forget_how_they_came),
        cmocka_unit_test(loops_are_right_in_every_instruction_set),
        cmocka_unit_test(forms_are_those_of_passes),
        cmocka_unit_test(last_passes_are_short_where_they_may),
        cmocka_unit_test(searches_end_at_rounding),
        cmocka_unit_test(next_to_nothing_has_its_components),
        cmocka_unit_test(no_counts_are_an_error),
        cmocka_unit_test(components_appear_as_counts_come),
    };
    printf("seed %llu\n", (unsigned long long)seed);
    state_of_chance = seed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
