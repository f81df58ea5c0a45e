#include "analysis/functional.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/functional_kernels.h"
#include "analysis/scene_rows.h"
#include "proto/settings.h"

#define PIXELS_PER_CHUNK 256u
#define BITS 28 /* of a table's largest value; 53 - BITS are left for a pixel's counts */

/* Tables of four lanes each: first the rows, then their squares, then the products of two. */
struct edx_functional {
    uint32_t n, channels;
    uint32_t lanes, blocks;
    edx_functional_kernel *kernel;
    edx_pool *pool;
    double *table; /* [blocks, channels, EDX_FUNCTIONAL_LANES], aligned */
    /* of the pass going on: */
    const edx_scene *store;
    float *net, *sigma;
    double *moments;
};

uint32_t edx_functional_moments_n(uint32_t n)
{
    return n + n * (n + 1) / 2;
}

/* ---- life ---- */

edx_status edx_functional_new(uint32_t n, uint32_t channels, edx_functional **out, edx_error *err)
{
    *out = NULL;
    if (n == 0 || n > EDX_MAX_LINES || channels == 0)
        return edx_fail(err, EDX_E_RANGE, "%u rows of %u channels, expected 1 to %u of some", n,
                        channels, EDX_MAX_LINES);
    edx_functional *f = calloc(1, sizeof *f);
    if (f) {
        f->n = n;
        f->channels = channels;
        f->lanes = edx_functional_moments_n(n);
        f->blocks = (f->lanes + EDX_FUNCTIONAL_LANES - 1) / EDX_FUNCTIONAL_LANES;
        f->kernel = edx_functional_kernel_best();
        size_t bytes = sizeof *f->table * f->blocks * f->channels * (size_t)EDX_FUNCTIONAL_LANES;
        f->table = aligned_alloc(64, (bytes + 63) / 64 * 64);
    }
    if (!f || !f->table) {
        edx_functional_free(&f);
        return edx_fail(err, EDX_E_NOMEM, "no memory for %u rows of %u channels", n, channels);
    }
    memset(f->table, 0, sizeof *f->table * f->blocks * f->channels * (size_t)EDX_FUNCTIONAL_LANES);
    *out = f;
    return EDX_OK;
}

void edx_functional_free(edx_functional **functional)
{
    edx_functional *f = *functional;

    *functional = NULL;
    if (!f)
        return;
    free(f->table);
    free(f);
}

void edx_functional_set_pool(edx_functional *functional, edx_pool *pool)
{
    functional->pool = pool;
}

void edx_functional_use(edx_functional *functional, edx_functional_kernel *kernel)
{
    functional->kernel = kernel;
}

/* ---- rows ---- */

/* The rows whose product lane is, past the rows themselves; lane n + i is the square of row i. */
static void factors_of(uint32_t n, uint32_t lane, uint32_t *a, uint32_t *b)
{
    uint32_t at = lane - n;

    *a = *b = at;
    if (at < n)
        return;
    at -= n;
    for (*a = 0; at >= n - 1 - *a; ++*a)
        at -= n - 1 - *a;
    *b = *a + 1 + at;
}

static double value_at(const edx_functional *f, const double *rows, uint32_t lane, uint32_t channel)
{
    uint32_t a, b;

    if (lane < f->n)
        return rows[(size_t)lane * f->channels + channel];
    factors_of(f->n, lane, &a, &b);
    return rows[(size_t)a * f->channels + channel] * rows[(size_t)b * f->channels + channel];
}

static void fill_lane(edx_functional *f, const double *rows, uint32_t lane)
{
    double *table =
        f->table + (size_t)(lane / EDX_FUNCTIONAL_LANES) * f->channels * EDX_FUNCTIONAL_LANES;
    double largest = 0;
    int exponent;

    for (uint32_t c = 0; c < f->channels; c++)
        largest = fmax(largest, fabs(value_at(f, rows, lane, c)));
    frexp(largest, &exponent);
    for (uint32_t c = 0; c < f->channels; c++) {
        double whole = rint(ldexp(value_at(f, rows, lane, c), BITS - exponent));
        table[(size_t)c * EDX_FUNCTIONAL_LANES + lane % EDX_FUNCTIONAL_LANES] =
            ldexp(whole, exponent - BITS);
    }
}

edx_status edx_functional_set(edx_functional *functional, const double *rows, edx_error *err)
{
    for (size_t i = 0; i < (size_t)functional->n * functional->channels; i++)
        if (!isfinite(rows[i] * rows[i]))
            return edx_fail(err, EDX_E_NUMERIC, "a row that is not finite, channel %u",
                            (uint32_t)(i % functional->channels));
    for (uint32_t lane = 0; lane < functional->lanes; lane++)
        fill_lane(functional, rows, lane);
    return EDX_OK;
}

/* ---- one pixel ---- */

/* Sums of the first lanes lanes, rounded up to whole blocks. */
static void sum_pixel(const edx_functional *f, const edx_scene *store, uint32_t pixel,
                      uint32_t lanes, double *sums)
{
    edx_scene_row row = edx_scene_row_at(store, pixel);
    const double *table = f->table;

    for (uint32_t at = 0; at < lanes; at += EDX_FUNCTIONAL_LANES) {
        f->kernel(&row, table, sums + at);
        table += (size_t)f->channels * EDX_FUNCTIONAL_LANES;
    }
}

#define MOST_LANES (EDX_MAX_LINES + EDX_MAX_LINES * (EDX_MAX_LINES + 1) / 2 + EDX_FUNCTIONAL_LANES)

void edx_functional_pixel(const edx_functional *functional, const edx_scene *store, uint32_t pixel,
                          double *net, double *covariance)
{
    double sums[MOST_LANES] = {0};
    uint32_t n = functional->n, a, b;

    sum_pixel(functional, store, pixel, functional->lanes, sums);
    memcpy(net, sums, sizeof *net * n);
    for (uint32_t lane = n; lane < functional->lanes; lane++) {
        factors_of(n, lane, &a, &b);
        covariance[a * n + b] = covariance[b * n + a] = sums[lane];
    }
}

/* ---- all pixels ---- */

static void put_maps(const edx_functional *f, uint32_t pixel, uint32_t pixels, const double *sums)
{
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->net)
            f->net[(size_t)i * pixels + pixel] = (float)sums[i];
        if (f->sigma)
            f->sigma[(size_t)i * pixels + pixel] = (float)sqrt(sums[f->n + i]);
    }
}

static void put_moments(const edx_functional *f, uint32_t pixel, const double *sums)
{
    double *to = f->moments + (size_t)pixel * f->lanes;
    uint32_t cross = 2 * f->n;

    memcpy(to, sums, sizeof *to * f->n);
    to += f->n;
    for (uint32_t i = 0; i < f->n; i++) {
        *to++ = sums[f->n + i];
        for (uint32_t j = i + 1; j < f->n; j++)
            *to++ = sums[cross++];
    }
}

static void do_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    const edx_functional *f = context;
    uint32_t pixels = edx_scene_rows(f->store) * edx_scene_cols(f->store);
    uint32_t first = chunk * PIXELS_PER_CHUNK;
    uint32_t n = pixels - first < PIXELS_PER_CHUNK ? pixels - first : PIXELS_PER_CHUNK;
    double sums[MOST_LANES] = {0};

    (void)worker;
    for (uint32_t i = first; i < first + n; i++) {
        sum_pixel(f, f->store, i, f->moments ? f->lanes : f->sigma ? 2 * f->n : f->n, sums);
        if (f->moments)
            put_moments(f, i, sums);
        else
            put_maps(f, i, pixels, sums);
    }
}

static void run(edx_functional *f, const edx_scene *store)
{
    uint32_t pixels = edx_scene_rows(store) * edx_scene_cols(store);

    f->store = store;
    edx_pool_run(f->pool, (pixels + PIXELS_PER_CHUNK - 1) / PIXELS_PER_CHUNK, do_chunk, f);
}

void edx_functional_maps(edx_functional *functional, const edx_scene *store, float *net,
                         float *sigma)
{
    functional->net = net;
    functional->sigma = sigma;
    functional->moments = NULL;
    run(functional, store);
}

void edx_functional_moments(edx_functional *functional, const edx_scene *store, double *moments)
{
    functional->moments = moments;
    run(functional, store);
}

/* ---- a spectrum ---- */

void edx_functional_spectrum(const double *rows, uint32_t n, uint32_t channels,
                             const double *spectrum, double *net, double *covariance)
{
    for (uint32_t i = 0; i < n; i++) {
        const double *a = rows + (size_t)i * channels;
        net[i] = 0;
        for (uint32_t c = 0; c < channels; c++)
            net[i] += a[c] * spectrum[c];
        for (uint32_t j = 0; j <= i; j++) {
            const double *b = rows + (size_t)j * channels;
            double sum = 0;
            for (uint32_t c = 0; c < channels; c++)
                sum += a[c] * b[c] * spectrum[c];
            covariance[i * n + j] = covariance[j * n + i] = sum;
        }
    }
}
