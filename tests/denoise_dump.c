/* What edxd makes of given rings, for tests/denoise_numpy.py to compare with numpy. Doubles on both
 * sides.
 *
 *     denoise_dump <IN >OUT
 *
 * IN: n, m, E, G, vectors r, limit, R; mean and squared radius [m], spectra [m, E], groups
 * [G, m, E], windows and model rows [n, E], k [n], vectors [r, E], b [E]. OUT: quantified,
 * smoothed [m]; model, sigma [n, m], covariance [n m, n m]; the same of denoised; anchored k [n]
 * and its covariance [n, n]; heldout [G, n, m]; chi2, dof, p, passed; difference, noise, jackknife,
 * projected fractions [n, m]. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/bias.h"
#include "analysis/denoise.h"
#include "analysis/linalg.h"
#include "analysis/projection.h"

static void fail(const char *what)
{
    fprintf(stderr, "denoise_dump: %s\n", what);
    exit(EXIT_FAILURE);
}

static double *take(size_t n)
{
    double *values = calloc(n + 1, sizeof *values);

    if (!values || fread(values, sizeof *values, n, stdin) != n)
        fail("input is cut off");
    return values;
}

static void put(const double *values, size_t n)
{
    fwrite(values, sizeof *values, n, stdout);
}

static void put_flags(const bool *flags, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double value = flags[i];
        put(&value, 1);
    }
}

static void put_result(const edx_denoise_result *r)
{
    size_t nm = (size_t)r->n * r->m;

    put_flags(r->quantified, r->m);
    put_flags(r->smoothed, r->m);
    put(r->model, nm);
    put(r->model_sigma, nm);
    put(r->model_covariance, nm * nm);
    put(r->denoised, nm);
    put(r->denoised_sigma, nm);
    put(r->denoised_covariance, nm * nm);
    put(r->anchored, r->n);
    put(r->anchor_covariance, (size_t)r->n * r->n);
}

/* Check and error bars of a held-out profile. */
static void put_bias(const edx_denoise_input *in, const bool *judged, const double *heldout)
{
    size_t nm = (size_t)in->n * in->rings->m;
    edx_bias *bias = NULL;
    edx_check check;
    double *sigma = calloc(nm, sizeof *sigma);

    if (!sigma || edx_bias_new(&bias, NULL) != EDX_OK)
        fail("no memory");
    if (edx_bias_load(bias, in->rings, in->n, in->windows, in->k, judged, NULL) != EDX_OK)
        fail("bias");
    edx_bias_check(bias, heldout, &check);
    const double head[] = {check.chi2, (double)check.dof, check.p, check.passed};
    put(head, 4);
    edx_bias_jackknife(bias, heldout, sigma);
    put(edx_bias_difference(bias), nm);
    put(edx_bias_noise(bias), nm);
    put(sigma, nm);
    edx_bias_free(&bias);
    free(sigma);
}

static void run(const edx_denoise_input *in, uint32_t r, const double *vectors, const double *b)
{
    const edx_rings *rings = in->rings;
    size_t nm = (size_t)in->n * rings->m;
    bool *judged = calloc(rings->m, sizeof *judged);
    double *heldout = calloc(nm * rings->groups, sizeof *heldout);
    double *scratch = calloc((size_t)(in->n + 1) * rings->channels, sizeof *scratch);
    double *fraction = calloc(nm, sizeof *fraction);
    edx_denoise *denoise = NULL;
    edx_denoise_result result;
    edx_error err;

    if (!judged || !heldout || !scratch || !fraction || edx_denoise_new(&denoise, &err) != EDX_OK)
        fail("no memory");
    if (edx_denoise_rings(denoise, in, &result, &err) != EDX_OK)
        fail(err.text);
    put_result(&result);
    for (uint32_t i = 0; i < rings->m; i++)
        judged[i] = result.quantified[i];
    if (edx_denoise_heldout(denoise, in, heldout, &err) != EDX_OK)
        fail(err.text);
    put(heldout, nm * rings->groups);
    put_bias(in, judged, heldout);
    edx_projection_rings(rings, r, vectors, b, in->n, in->windows, in->k, judged, scratch,
                         fraction);
    put(fraction, nm);
    edx_denoise_free(&denoise);
    free(judged);
    free(heldout);
    free(scratch);
    free(fraction);
}

int main(void)
{
    double *head = take(7);
    uint32_t n = (uint32_t)head[0], m = (uint32_t)head[1], channels = (uint32_t)head[2];
    uint32_t groups = (uint32_t)head[3], r = (uint32_t)head[4];
    double *mean = take(m), *square = take(m), *spectra = take((size_t)m * channels);
    double *group = take((size_t)groups * m * channels);
    double *windows = take((size_t)n * channels), *model = take((size_t)n * channels);
    double *k = take(n), *vectors = take((size_t)r * channels), *b = take(channels);
    double *const all[] = {head, mean, square, spectra, group, windows, model, k, vectors, b};
    const edx_rings rings = {.m = m,
                             .channels = channels,
                             .groups = groups,
                             .radius_nm = head[6],
                             .mean_nm = mean,
                             .square_nm2 = square,
                             .spectra = spectra,
                             .group = group};
    const edx_denoise_input input = {
        .n = n, .rings = &rings, .windows = windows, .model = model, .k = k, .limit = head[5]};

    edx_linalg_init();
    run(&input, r, vectors, b);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return 0;
}
