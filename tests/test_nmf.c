/* Non-negative factors against their definition in double precision: the loops in every instruction
 * set, one pass, divergence, known factors, next to nothing. tests/nmf_sklearn.py compares with
 * scikit-learn. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/nmf.h"
#include "analysis/nmf_pass.h"
#include "analysis/pca.h"
#include "analysis/scene_rows.h"

enum { PIXELS = 1300, CHANNELS = 70, MAX_K = 12, EVENTS = 1 << 18 };

static const uint64_t seed = 20261122;
static uint64_t state_of_chance;

static uint32_t chance(uint32_t below)
{
    state_of_chance ^= state_of_chance >> 12;
    state_of_chance ^= state_of_chance << 25;
    state_of_chance ^= state_of_chance >> 27;
    return (uint32_t)((state_of_chance * 0x2545F4914F6CDD1DULL) >> 33) % below;
}

static double uniform(void)
{
    return (chance(1 << 30) + 0.5) / (1 << 30);
}

/* ---- stores ---- */

typedef struct made {
    edx_events events;
    uint32_t offsets[PIXELS + 1];
    uint16_t channels[EVENTS];
    uint32_t weights[EVENTS];
} made;

static made one;

static edx_scene *new_store(uint32_t pixels)
{
    edx_scene *s = NULL;
    assert_int_equal(edx_scene_new(1, pixels, CHANNELS, &s, NULL), EDX_OK);
    return s;
}

/* Adds counts [pixels, CHANNELS]. */
static void add_counts(edx_scene *s, const uint32_t *counts)
{
    uint32_t n = 0, pixels = edx_scene_cols(s);
    for (uint32_t p = 0; p < pixels; p++) {
        one.offsets[p] = n;
        for (uint32_t c = 0; c < CHANNELS; c++)
            if (counts[p * CHANNELS + c] > 0) {
                assert_true(n < EVENTS);
                one.channels[n] = (uint16_t)c;
                one.weights[n++] = counts[p * CHANNELS + c];
            }
    }
    one.offsets[pixels] = n;
    one.events = (edx_events){pixels, one.offsets, one.channels, one.weights};
    assert_int_equal(edx_scene_add(s, 0, &one.events, NULL), EDX_OK);
}

static uint32_t scratch[PIXELS * CHANNELS];

/* Counts with some structure, empty pixels and channels; one in a hundred large, up to most. */
static void add_chance(edx_scene *s, uint32_t full, uint32_t most)
{
    uint32_t pixels = edx_scene_cols(s);
    memset(scratch, 0, sizeof scratch);
    for (uint32_t p = 0; p < pixels; p++)
        for (uint32_t c = 0; c < CHANNELS; c++) {
            bool there =
                p % 17 != 3 && c % 13 != 5 && chance(100) < full * (c / 10 == p % 5 ? 2 : 1);
            uint32_t large = chance(100) == 0 ? chance(most) : 0;
            scratch[p * CHANNELS + c] = there ? 1 + chance(4) + large : 0;
        }
    add_counts(s, scratch);
}

/* ---- factors in double precision ---- */

static double counts_of[PIXELS * CHANNELS];

static void take_counts(const edx_scene *s)
{
    uint32_t n = edx_scene_cols(s);
    edx_scene_dense(s, 0, n, scratch);
    for (uint32_t i = 0; i < n * CHANNELS; i++)
        counts_of[i] = scratch[i];
}

static double mean_at(const float *maps, const float *spectra, uint32_t pixels, uint32_t k,
                      uint32_t p, uint32_t c)
{
    double sum = 0;
    for (uint32_t j = 0; j < k; j++)
        sum += (double)maps[j * pixels + p] * (double)spectra[j * CHANNELS + c];
    return sum;
}

/* sum of x log(x / p) - x + p by the definition, of the counts taken. */
static double divergence_of(const float *maps, const float *spectra, uint32_t pixels, uint32_t k)
{
    double d = 0;
    for (uint32_t p = 0; p < pixels; p++)
        for (uint32_t c = 0; c < CHANNELS; c++) {
            double x = counts_of[p * CHANNELS + c], mean = mean_at(maps, spectra, pixels, k, p, c);
            d += mean - x + (x > 0 ? x * log(x / mean) : 0);
        }
    return d;
}

static float spectra[MAX_K * CHANNELS], maps[MAX_K * PIXELS];

/* What holds for factors of any store, D included. */
static void check_factors(edx_nmf *n, const edx_scene *s)
{
    uint32_t pixels = edx_scene_cols(s), k = edx_nmf_rank(n);
    double total = (double)edx_scene_counts(s);
    take_counts(s);
    edx_nmf_maps(n, maps);
    for (uint32_t j = 0; j < k; j++) {
        double sum = 0, map = 0;
        for (uint32_t c = 0; c < CHANNELS; c++) {
            assert_true(edx_nmf_spectra(n)[j * CHANNELS + c] >= 0);
            sum += (double)edx_nmf_spectra(n)[j * CHANNELS + c];
        }
        assert_true(fabs(sum - (total > 0)) < 1e-5);
        for (uint32_t p = 0; p < pixels; p++) {
            assert_true(maps[j * pixels + p] >= 0);
            map += (double)maps[j * pixels + p];
        }
        assert_true(fabs(map - edx_nmf_totals(n)[j]) <= 1e-5 * map);
    }
    for (uint32_t p = 0; p < pixels; p++) {
        double sum = 0, a = (double)edx_scene_pixel_counts(s)[p];
        for (uint32_t j = 0; j < k; j++)
            sum += (double)maps[j * pixels + p];
        assert_true(fabs(sum - a) <= 1e-5 * a);
    }
    double d = divergence_of(maps, edx_nmf_spectra(n), pixels, k);
    assert_true(isfinite(d) && fabs(edx_nmf_divergence(n) - d) <= 1e-6 * (total + d));
}

/* A start from the store's principal components. */
static void start(edx_nmf *n, const edx_scene *s, uint32_t k, bool fixed)
{
    edx_pca *p = NULL;
    assert_int_equal(edx_pca_new(edx_scene_cols(s), CHANNELS, MAX_K, &p, NULL), EDX_OK);
    memset(spectra, 0, sizeof spectra);
    memset(maps, 0, sizeof maps);
    if (edx_scene_counts(s) > 0) {
        assert_int_equal(edx_pca_update(p, s, true, NULL), EDX_OK);
        edx_pca_vectors(p, s, k, spectra, maps);
    }
    assert_int_equal(edx_nmf_start(n, s, k, spectra, maps, fixed, NULL), EDX_OK);
    edx_pca_free(&p);
}

static edx_nmf *new_nmf(uint32_t pixels)
{
    edx_nmf *n = NULL;
    assert_int_equal(edx_nmf_new(pixels, CHANNELS, MAX_K, &n, NULL), EDX_OK);
    return n;
}

/* ---- the loops ---- */

/* x log(x / mean) of the slots of a channel. */
static double logs_of(edx_scene_row row, uint32_t channel, double mean)
{
    double sum = 0;
    for (uint32_t i = 0; i < row.n; i++)
        if ((row.keys[i] & EDX_ROW_CHANNEL) == channel && row.digits[i] > 0) {
            double x = ldexp(row.digits[i], (int)(row.keys[i] >> EDX_ROW_CHANNEL_BITS) * 8);
            sum += x * log(x / mean);
        }
    return sum;
}

static void check_loops(const edx_nmf_kernel *kernel, const edx_scene *s)
{
    static _Alignas(64) float h[CHANNELS * 64], y[CHANNELS * 64];
    _Alignas(64) float u[64], g[64];
    uint32_t w = kernel->width;
    for (uint32_t i = 0; i < CHANNELS * w; i++)
        h[i] = (float)(0.001 + uniform());
    for (uint32_t p = 0; p < edx_scene_cols(s); p++) {
        edx_scene_row row = edx_scene_row_at(s, p);
        double log_sum = 0, expected[64] = {0};
        for (uint32_t k = 0; k < w; k++)
            u[k] = (float)(uniform() * exp(-8 * uniform()));
        memset(y, 0, sizeof y);
        kernel->step(&row, h, u, g, y);
        for (uint32_t c = 0; c < CHANNELS; c++) {
            double x = counts_of[p * CHANNELS + c], mean = 0;
            for (uint32_t k = 0; k < w; k++)
                mean += (double)h[c * w + k] * (double)u[k];
            log_sum += logs_of(row, c, mean);
            for (uint32_t k = 0; k < w; k++) {
                double part = x / mean * (double)u[k];
                expected[k] += x / mean * (double)h[c * w + k];
                assert_true(fabs((double)y[c * w + k] - part) <= 3e-6 * part);
            }
        }
        for (uint32_t k = 0; k < w; k++)
            assert_true(fabs((double)g[k] - expected[k]) <= 5e-6 * expected[k]);
        double size = (double)edx_scene_pixel_counts(s)[p];
        assert_true(fabs((double)kernel->log(&row, h, u) - log_sum) <=
                    2e-6 * (size + fabs(log_sum)));
    }
}

static void loops_are_right_in_every_instruction_set(void **state)
{
    (void)state;
    edx_scene *s = new_store(40);
    uint32_t checked = 0;
    add_chance(s, 30, 300);
    add_chance(s, 20, 70000);
    take_counts(s);
    for (edx_kernel_set set = EDX_KERNEL_PLAIN; set < EDX_KERNELS; set++)
        for (uint32_t width = 8; width <= 64; width *= 2)
            if (edx_nmf_kernel_get(set, width) != NULL) {
                check_loops(edx_nmf_kernel_get(set, width), s);
                checked++;
            }
    assert_true(checked >= 4);
    for (uint32_t k = 1; k <= EDX_NMF_WIDEST; k++)
        assert_true(edx_nmf_kernel_best(k)->width >= k);
    edx_scene_free(&s);
}

/* ---- one pass ---- */

/* Expectation maximisation by its definition: blocks one after the other, H from the shares of all,
 * which are what the start expects where none came yet; or H only in the end. */
static void pass_by_definition(double *w, double *h, uint32_t pixels, uint32_t k, uint32_t blocks,
                               bool whole)
{
    static double shares[8][MAX_K * CHANNELS], sum[MAX_K * CHANNELS];
    for (uint32_t b = 0; b < blocks; b++)
        for (uint32_t i = 0; i < k * CHANNELS; i++) {
            shares[b][i] = 0;
            for (uint32_t p = pixels * b / blocks; p < pixels * (b + 1) / blocks; p++)
                shares[b][i] += w[p * k + i / CHANNELS] * h[i];
        }
    for (uint32_t b = 0; b < blocks; b++) {
        memset(shares[b], 0, sizeof shares[b]);
        for (uint32_t p = pixels * b / blocks; p < pixels * (b + 1) / blocks; p++) {
            double next[MAX_K] = {0};
            for (uint32_t c = 0; c < CHANNELS; c++) {
                double mean = 0;
                for (uint32_t j = 0; j < k; j++)
                    mean += w[p * k + j] * h[j * CHANNELS + c];
                for (uint32_t j = 0; j < k && mean > 0; j++) {
                    double part = w[p * k + j] * h[j * CHANNELS + c] / mean;
                    next[j] += part * counts_of[p * CHANNELS + c];
                    shares[b][j * CHANNELS + c] += part * counts_of[p * CHANNELS + c];
                }
            }
            memcpy(w + (size_t)p * k, next, sizeof *next * k);
        }
        if (whole && b + 1 < blocks)
            continue;
        memset(sum, 0, sizeof sum);
        for (uint32_t j = 0; j < k; j++) {
            double all = 0;
            for (uint32_t i = j * CHANNELS; i < (j + 1) * CHANNELS; i++) {
                for (uint32_t q = 0; q < blocks; q++)
                    sum[i] += shares[q][i];
                all += sum[i];
            }
            for (uint32_t i = j * CHANNELS; i < (j + 1) * CHANNELS; i++)
                h[i] = sum[i] / all;
        }
    }
}

static void assert_near(const float *ours, const double *truth, uint32_t n, uint32_t step,
                        double scale)
{
    for (uint32_t i = 0; i < n; i++)
        assert_true(fabs((double)ours[i] - truth[i * step]) <= 2e-5 * (truth[i * step] + scale));
}

/* 1300 pixels are two blocks, 300 are one. */
static void check_pass(uint32_t pixels, uint32_t k, bool whole)
{
    static double w[PIXELS * MAX_K], h[MAX_K * CHANNELS];
    edx_nmf_pass *pass = NULL;
    edx_scene *s = new_store(pixels);
    add_chance(s, 20, 1000);
    take_counts(s);
    for (uint32_t i = 0; i < MAX_K * CHANNELS; i++)
        spectra[i] = (float)uniform();
    for (uint32_t i = 0; i < MAX_K * PIXELS; i++)
        maps[i] = (float)uniform();
    assert_int_equal(edx_nmf_pass_new(pixels, CHANNELS, MAX_K, &pass, NULL), EDX_OK);
    edx_nmf_pass_set(pass, s, k, spectra, maps, 0);
    edx_nmf_pass_get(pass, spectra, maps);
    for (uint32_t i = 0; i < k * CHANNELS; i++)
        h[i] = (double)spectra[i];
    for (uint32_t i = 0; i < k * pixels; i++)
        w[i % pixels * k + i / pixels] = (double)maps[i];
    if (whole)
        edx_nmf_pass_whole(pass, s);
    else
        edx_nmf_pass_blocks(pass, s, 0);
    pass_by_definition(w, h, pixels, k, pixels / 512 > 0 ? pixels / 512 : 1, whole);
    edx_nmf_pass_get(pass, spectra, maps);
    assert_near(spectra, h, k * CHANNELS, 1, 1e-4);
    for (uint32_t j = 0; j < k; j++)
        assert_near(maps + j * pixels, w + j, pixels, k, 1e-3);
    edx_nmf_pass_free(&pass);
    edx_scene_free(&s);
}

static void a_pass_is_expectation_maximisation(void **state)
{
    (void)state;
    for (uint32_t k = 1; k <= MAX_K; k += k < 3 ? 1 : 3)
        for (int whole = 0; whole < 2; whole++) {
            check_pass(300, k, whole);
            check_pass(PIXELS, k, whole);
        }
}

/* ---- divergence ---- */

static void divergence_never_rises(void **state)
{
    (void)state;
    for (uint32_t turn = 0; turn < 30; turn++) {
        uint32_t pixels = turn % 3 == 0 ? PIXELS : 1 + chance(400), k = 1 + chance(MAX_K);
        edx_scene *s = new_store(pixels);
        edx_nmf *n = new_nmf(pixels);
        add_chance(s, 1 + chance(20), 1 + chance(100000));
        start(n, s, k, turn % 2 == 0);
        for (uint32_t growth = 0; growth < 3; growth++) {
            double before = INFINITY;
            for (uint32_t i = 0; i < 12; i++) {
                assert_int_equal(edx_nmf_update(n, s, chance(7), NULL), EDX_OK);
                assert_true(edx_nmf_divergence(n) <= before);
                before = edx_nmf_divergence(n);
            }
            assert_int_equal(edx_nmf_converge(n, s, 1e-6, 100, NULL), EDX_OK);
            assert_true(edx_nmf_divergence(n) <= before && edx_nmf_passes(n) <= 100);
            check_factors(n, s);
            add_chance(s, 1 + chance(10), 1 + chance(1000));
        }
        edx_nmf_free(&n);
        edx_scene_free(&s);
    }
}

/* ---- threads ---- */

static void factors_do_not_depend_on_threads(void **state)
{
    (void)state;
    static float kept[2][MAX_K * (CHANNELS + PIXELS)];
    double divergence[2];
    for (int turn = 0; turn < 2; turn++) {
        edx_scene *s = new_store(PIXELS);
        edx_nmf *n = new_nmf(PIXELS);
        edx_pool *pool = NULL;
        state_of_chance = seed;
        assert_int_equal(edx_pool_new(turn == 0 ? 1 : 3, &pool, NULL), EDX_OK);
        edx_nmf_set_pool(n, turn == 0 ? NULL : pool);
        add_chance(s, 20, 300);
        start(n, s, 5, false);
        for (uint32_t i = 0; i < 4; i++) {
            assert_int_equal(edx_nmf_update(n, s, 4, NULL), EDX_OK);
            add_chance(s, 10, 10);
        }
        assert_int_equal(edx_nmf_converge(n, s, 1e-5, 60, NULL), EDX_OK);
        memcpy(kept[turn], edx_nmf_spectra(n), sizeof(float) * 5 * CHANNELS);
        edx_nmf_maps(n, kept[turn] + MAX_K * CHANNELS);
        divergence[turn] = edx_nmf_divergence(n);
        edx_nmf_free(&n);
        edx_pool_free(&pool);
        edx_scene_free(&s);
    }
    assert_memory_equal(kept[0], kept[1], sizeof kept[0]);
    assert_memory_equal(&divergence[0], &divergence[1], sizeof *divergence);
}

/* ---- known factors ---- */

enum { KNOWN = 3, LINES = 4, SIDE = 36 };

/* A film below, a grid that grows to the right, a particle in the middle: each alone somewhere,
 * else factors are not unique. Spectra are peaks on a slope. */
static double known_map(uint32_t j, uint32_t p)
{
    double y = p / SIDE, x = p % SIDE, r = hypot(y - 17, x - 18);
    if (j == 0)
        return y > 17 ? 60 : 0;
    if (j == 1)
        return x > 18 ? 5 * (x - 18) : 0;
    return r < 8 ? 120 * sqrt(1 - r * r / 64) : 0;
}

static double known_spectrum(uint32_t j, uint32_t c)
{
    static const uint32_t peaks[KNOWN][2] = {{8, 8}, {40, 64}, {25, 52}};
    double d = (double)c - peaks[j][0], e = (double)c - peaks[j][1];
    return (0.2 * (1 - c / 80.0) / 40 + 0.4 * exp(-d * d / 4.5) + 0.4 * exp(-e * e / 4.5)) / 3.16;
}

static uint32_t poisson(double mean)
{
    double product = uniform(), limit = exp(-mean);
    uint32_t n = 0;
    for (; product > limit; n++)
        product *= uniform();
    return n;
}

static void add_known(edx_scene *s)
{
    memset(scratch, 0, sizeof scratch);
    for (uint32_t p = 0; p < SIDE * SIDE; p++)
        for (uint32_t c = 0; c < CHANNELS; c++) {
            double mean = 0;
            for (uint32_t j = 0; j < KNOWN; j++)
                mean += known_map(j, p) * known_spectrum(j, c);
            scratch[p * CHANNELS + c] = poisson(mean);
        }
    add_counts(s, scratch);
}

/* Windows on the particle's peaks (0, 1), the film's (2) and the grid's (3), minus what is beside;
 * every other channel 0. */
static void fill_rows(double *rows)
{
    static const uint32_t at[LINES] = {25, 52, 8, 40};
    memset(rows, 0, sizeof *rows * LINES * CHANNELS);
    for (uint32_t i = 0; i < LINES; i++)
        for (uint32_t c = at[i] - 7; c <= at[i] + 7; c++)
            rows[i * CHANNELS + c] = c + 3 >= at[i] && c <= at[i] + 3 ? 1 : -7.0 / 8;
}

static double cosine(const float *a, uint32_t j)
{
    double aa = 0, bb = 0, ab = 0;
    for (uint32_t c = 0; c < CHANNELS; c++) {
        double x = (double)a[c], y = known_spectrum(j, c);
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    return ab / sqrt(aa * bb);
}

/* Which component is known factor j. */
static uint32_t find_known(const edx_nmf *n, uint32_t j)
{
    uint32_t best = 0;
    for (uint32_t k = 0; k < edx_nmf_rank(n); k++)
        if (cosine(edx_nmf_spectra(n) + k * CHANNELS, j) >
            cosine(edx_nmf_spectra(n) + best * CHANNELS, j))
            best = k;
    return best;
}

static edx_nmf *known_factors(edx_scene *s)
{
    edx_nmf *n = new_nmf(SIDE * SIDE);
    for (uint32_t f = 0; f < 6; f++) {
        add_known(s);
        if (f == 0)
            start(n, s, KNOWN, false);
        assert_int_equal(edx_nmf_update(n, s, 4, NULL), EDX_OK);
    }
    assert_int_equal(edx_nmf_converge(n, s, 1e-6, 500, NULL), EDX_OK);
    check_factors(n, s);
    return n;
}

static void known_factors_are_found(void **state)
{
    (void)state;
    static double rows[LINES * CHANNELS], share[KNOWN * LINES];
    static uint8_t inside[SIDE * SIDE];
    static const bool quantified[LINES] = {true, true, false, false};
    bool particle[KNOWN];
    edx_scene *s = new_store(SIDE * SIDE);
    edx_nmf *n = known_factors(s);
    fill_rows(rows);
    for (uint32_t p = 0; p < SIDE * SIDE; p++)
        inside[p] = hypot(p / SIDE - 17.0, p % SIDE - 18.0) < 10;
    edx_nmf_share(n, rows, LINES, share);
    edx_nmf_particle(n, inside, rows, LINES, quantified, particle);
    for (uint32_t j = 0; j < KNOWN; j++) {
        uint32_t k = find_known(n, j);
        assert_true(cosine(edx_nmf_spectra(n) + k * CHANNELS, j) > 0.985);
        assert_int_equal(particle[k], j == 2);
    }
    /* The particle's lines are its own, the film's and the grid's are not. */
    uint32_t k = find_known(n, 2);
    for (uint32_t i = 0; i < LINES; i++) {
        double sum = 0;
        for (uint32_t j = 0; j < KNOWN; j++)
            sum += share[j * LINES + i];
        assert_true(fabs(sum - 1) < 1e-9);
        assert_true(i < 2 ? share[k * LINES + i] > 0.95 : fabs(share[k * LINES + i]) < 0.1);
    }
    static const bool others[LINES] = {false, false, true, true};
    edx_nmf_particle(n, inside, rows, LINES, others, particle);
    assert_false(particle[0] || particle[1] || particle[2]);
    /* The film is where it is and nowhere else, but not in its lower half. */
    for (uint32_t from = 18; from <= 27; from += 9) {
        for (uint32_t p = 0; p < SIDE * SIDE; p++)
            inside[p] = p / SIDE >= from;
        edx_nmf_particle(n, inside, rows, LINES, others, particle);
        for (uint32_t j = 0; j < KNOWN; j++)
            assert_int_equal(particle[find_known(n, j)], j == 0 && from == 18);
    }
    /* A line of which the particle has little. */
    for (uint32_t p = 0; p < SIDE * SIDE; p++)
        inside[p] = hypot(p / SIDE - 17.0, p % SIDE - 18.0) < 10;
    for (uint32_t little = 0; little < 2; little++) {
        for (uint32_t c = 22; c < 29; c++)
            rows[2 * CHANNELS + c] = little ? 0.02 : 0.5;
        edx_nmf_particle(n, inside, rows, LINES, others, particle);
        assert_int_equal(particle[k], !little);
    }
    edx_nmf_free(&n);
    edx_scene_free(&s);
}

static void components_keep_their_places(void **state)
{
    (void)state;
    edx_scene *s = new_store(SIDE * SIDE);
    edx_nmf *n = known_factors(s);
    uint32_t place[KNOWN];
    for (uint32_t j = 0; j < KNOWN; j++)
        place[j] = find_known(n, j);
    for (uint32_t k = KNOWN + 2; k >= KNOWN; k--) {
        assert_true(edx_nmf_needs_start(n, k));
        start(n, s, k, false);
        assert_int_equal(edx_nmf_update(n, s, 40, NULL), EDX_OK);
        assert_false(edx_nmf_needs_start(n, k));
        check_factors(n, s);
        for (uint32_t j = 0; j < KNOWN; j++)
            assert_int_equal(find_known(n, j), place[j]);
    }
    start(n, s, KNOWN, true); /* without memory: most counts first */
    assert_int_equal(edx_nmf_converge(n, s, 1e-6, 100, NULL), EDX_OK);
    for (uint32_t k = 0; k + 1 < KNOWN; k++)
        assert_true(edx_nmf_totals(n)[k] >= edx_nmf_totals(n)[k + 1]);
    edx_nmf_free(&n);
    edx_scene_free(&s);
}

/* ---- other spectra ---- */

static void mixtures_are_taken_apart(void **state)
{
    (void)state;
    enum { M = 4 };
    static const double parts[M][KNOWN] = {{50, 20, 7}, {0, 300, 0}, {1e6, 0, 3e4}, {0, 0, 0}};
    static double mixed[M * CHANNELS], found[M * KNOWN];
    edx_scene *s = new_store(SIDE * SIDE);
    edx_nmf *n = known_factors(s);
    for (uint32_t m = 0; m < M; m++)
        for (uint32_t c = 0; c < CHANNELS; c++) {
            mixed[m * CHANNELS + c] = 0;
            for (uint32_t k = 0; k < KNOWN; k++)
                mixed[m * CHANNELS + c] +=
                    parts[m][k] * (double)edx_nmf_spectra(n)[k * CHANNELS + c];
        }
    assert_int_equal(edx_nmf_project(n, mixed, M, found, NULL), EDX_OK);
    for (uint32_t m = 0; m < M; m++) {
        double sum = parts[m][0] + parts[m][1] + parts[m][2];
        for (uint32_t k = 0; k < KNOWN; k++)
            assert_true(fabs(found[m * KNOWN + k] - parts[m][k]) <= 1e-6 * sum);
    }
    mixed[5] = -1;
    assert_int_equal(edx_nmf_project(n, mixed, M, found, NULL), EDX_E_NUMERIC);
    edx_nmf_free(&n);
    edx_scene_free(&s);
}

/* Counts: at the optimum no slope is negative, and all are 0 where coefficients are not (Kuhn and
 * Tucker). */
static void counts_are_taken_apart_as_well_as_can_be(void **state)
{
    (void)state;
    enum { M = 300, K = 9 };
    static double rings[M * CHANNELS], found[M * K];
    edx_scene *s = new_store(PIXELS);
    edx_nmf *n = new_nmf(PIXELS);
    add_chance(s, 20, 50);
    start(n, s, K, true);
    assert_int_equal(edx_nmf_converge(n, s, 1e-6, 60, NULL), EDX_OK);
    for (uint32_t i = 0; i < M * CHANNELS; i++)
        rings[i] =
            i % CHANNELS % 13 == 5 || chance(10) > i / CHANNELS % 10 ? 0 : chance(1 + i / CHANNELS);
    assert_int_equal(edx_nmf_project(n, rings, M, found, NULL), EDX_OK);
    for (uint32_t m = 0; m < M; m++) {
        double counts = 0;
        for (uint32_t c = 0; c < CHANNELS; c++)
            counts += rings[m * CHANNELS + c];
        for (uint32_t k = 0; k < K; k++) {
            double slope = 1, w = found[m * K + k];
            for (uint32_t c = 0; c < CHANNELS; c++) {
                double mean = 0;
                for (uint32_t j = 0; j < K; j++)
                    mean += found[m * K + j] * (double)edx_nmf_spectra(n)[j * CHANNELS + c];
                slope -= rings[m * CHANNELS + c] > 0
                             ? rings[m * CHANNELS + c] / mean *
                                   (double)edx_nmf_spectra(n)[k * CHANNELS + c]
                             : 0;
            }
            assert_true(w >= 0 && isfinite(w));
            assert_true(counts == 0 || (slope > -1e-7 && fabs(slope) * w <= 1e-7 * counts));
        }
    }
    edx_nmf_free(&n);
    edx_scene_free(&s);
}

/* ---- next to nothing ---- */

/* Voxels [pixel, channel, count] that are all there is. */
static const struct {
    uint32_t pixels, n, voxels[3][3];
    double divergence; /* of as many components as there are blocks, or more */
} cases[] = {
    {1, 1, {{0, 0, 1}}, 0},
    {1, 3, {{0, 3, 5}, {0, 4, 70000000}, {0, 69, 1}}, 0},
    {63, 1, {{5, 7, 1}}, 0},
    {63, 3, {{0, 7, 300}, {5, 7, 1}, {62, 7, 2}}, 0},
    {63, 3, {{5, 0, 1}, {5, 33, 2}, {5, 69, 3}}, 0},
    {600, 3, {{5, 7, 4}, {6, 7, 2}, {599, 7, 70000}}, 0},
};

static void next_to_nothing_has_factors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (uint32_t k = 1; k <= MAX_K; k += 3) {
            edx_scene *s = new_store(cases[i].pixels);
            edx_nmf *n = new_nmf(cases[i].pixels);
            memset(scratch, 0, sizeof scratch);
            for (uint32_t v = 0; v < cases[i].n; v++)
                scratch[cases[i].voxels[v][0] * CHANNELS + cases[i].voxels[v][1]] =
                    cases[i].voxels[v][2];
            add_counts(s, scratch);
            start(n, s, k, false);
            assert_int_equal(edx_nmf_update(n, s, 3, NULL), EDX_OK);
            check_factors(n, s);
            assert_int_equal(edx_nmf_converge(n, s, 1e-6, 300, NULL), EDX_OK);
            check_factors(n, s);
            double total = (double)edx_scene_counts(s);
            assert_true(fabs(edx_nmf_divergence(n) - cases[i].divergence) <= 1e-6 * total);
            add_chance(s, 30, 10);
            assert_int_equal(edx_nmf_update(n, s, 3, NULL), EDX_OK);
            check_factors(n, s);
            edx_nmf_free(&n);
            edx_scene_free(&s);
        }
}

/* Started from less than what comes later, no two stay the same. */
static void components_that_were_not_there_yet_come(void **state)
{
    (void)state;
    edx_scene *s = new_store(600);
    edx_nmf *n = new_nmf(600);
    memset(scratch, 0, sizeof scratch);
    scratch[7] = 1;
    add_counts(s, scratch);
    start(n, s, 5, false);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(edx_nmf_update(n, s, 4, NULL), EDX_OK);
        add_chance(s, 20, 10);
    }
    assert_int_equal(edx_nmf_converge(n, s, 1e-6, 100, NULL), EDX_OK);
    for (uint32_t j = 1; j < 5; j++)
        for (uint32_t i = 0; i < j; i++) {
            double apart = 0;
            for (uint32_t c = 0; c < CHANNELS; c++)
                apart += fabs((double)edx_nmf_spectra(n)[j * CHANNELS + c] -
                              (double)edx_nmf_spectra(n)[i * CHANNELS + c]);
            assert_true(apart > 0.1);
        }
    edx_nmf_free(&n);
    edx_scene_free(&s);
}

static void no_counts_have_factors_of_nothing(void **state)
{
    (void)state;
    static double rows[LINES * CHANNELS], share[MAX_K * LINES];
    static uint8_t inside[63];
    static const bool quantified[LINES] = {true, true, true, true};
    bool particle[MAX_K] = {true, true, true, true};
    edx_scene *s = new_store(63);
    edx_nmf *n = new_nmf(63);
    fill_rows(rows);
    memset(inside, 1, 20);
    assert_true(edx_nmf_needs_start(n, 4));
    start(n, s, 4, false);
    assert_int_equal(edx_nmf_update(n, s, 3, NULL), EDX_OK);
    assert_int_equal(edx_nmf_converge(n, s, 1e-6, 30, NULL), EDX_OK);
    check_factors(n, s);
    edx_nmf_share(n, rows, LINES, share);
    edx_nmf_particle(n, inside, rows, LINES, quantified, particle);
    for (uint32_t i = 0; i < 4 * LINES; i++)
        assert_true(share[i] == 0 && !particle[i / LINES]);
    assert_true(edx_nmf_needs_start(n, 4));
    add_chance(s, 20, 10);
    assert_int_equal(edx_nmf_update(n, s, 3, NULL), EDX_OK); /* nobody started anew */
    check_factors(n, s);
    start(n, s, 4, false);
    assert_false(edx_nmf_needs_start(n, 4));
    assert_int_equal(edx_nmf_update(n, s, 3, NULL), EDX_OK);
    check_factors(n, s);
    edx_nmf_free(&n);
    edx_scene_free(&s);
}

static void wrong_use_is_an_error(void **state)
{
    (void)state;
    edx_nmf *n = NULL;
    edx_scene *s = new_store(5);
    assert_int_equal(edx_nmf_new(5, CHANNELS, 0, &n, NULL), EDX_E_RANGE);
    assert_int_equal(edx_nmf_new(5, CHANNELS, 65, &n, NULL), EDX_E_RANGE);
    assert_null(n);
    n = new_nmf(5);
    assert_int_equal(edx_nmf_rank(n), 0);
    assert_int_equal(edx_nmf_update(n, s, 1, NULL), EDX_E_STATE);
    assert_int_equal(edx_nmf_converge(n, s, 1e-4, 1, NULL), EDX_E_STATE);
    assert_int_equal(edx_nmf_start(n, s, 0, spectra, maps, true, NULL), EDX_E_RANGE);
    assert_int_equal(edx_nmf_start(n, s, MAX_K + 1, spectra, maps, true, NULL), EDX_E_RANGE);
    add_chance(s, 50, 3);
    for (uint32_t i = 0; i < MAX_K * CHANNELS; i++) /* no principal components at all */
        spectra[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -1;
    for (uint32_t i = 0; i < MAX_K * 5; i++)
        maps[i] = i % 2 == 0 ? NAN : INFINITY;
    assert_int_equal(edx_nmf_start(n, s, 4, spectra, maps, true, NULL), EDX_OK);
    assert_int_equal(edx_nmf_update(n, s, 5, NULL), EDX_OK);
    check_factors(n, s);
    edx_nmf_free(&n);
    edx_scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_are_right_in_every_instruction_set),
        cmocka_unit_test(a_pass_is_expectation_maximisation),
        cmocka_unit_test(divergence_never_rises),
        cmocka_unit_test(factors_do_not_depend_on_threads),
        cmocka_unit_test(known_factors_are_found),
        cmocka_unit_test(components_keep_their_places),
        cmocka_unit_test(mixtures_are_taken_apart),
        cmocka_unit_test(counts_are_taken_apart_as_well_as_can_be),
        cmocka_unit_test(next_to_nothing_has_factors),
        cmocka_unit_test(components_that_were_not_there_yet_come),
        cmocka_unit_test(no_counts_have_factors_of_nothing),
        cmocka_unit_test(wrong_use_is_an_error),
    };
    printf("seed %llu\n", (unsigned long long)seed);
    state_of_chance = seed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
