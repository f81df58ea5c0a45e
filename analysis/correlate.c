#include "analysis/correlate.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <fftw3.h>

#define PI 3.14159265358979323846
#define TAPER 8u         /* the window falls off over this part of a side, at each end */
#define LEAST_ENERGY 0.1 /* of the largest: where the reference is empty nothing is found */
#define SHARPEST 0.05    /* no peak is placed better than this, pixels */

/* Planes are high x wide, a picture and its reach, padded to a size that transforms fast.
 * Transforms hold wide / 2 + 1 complex numbers a row. */
struct edx_correlate {
    uint32_t rows, cols, reach[2];
    uint32_t high, wide;
    float *window;               /* [rows * cols] */
    float *filter;               /* [high * (wide / 2 + 1)], with the transforms' scale */
    float *plane, *reference;    /* [high * wide] */
    float *low, *energy, *score; /* the same: filtered reference, B, A then A / sqrt(noise B) */
    fftwf_complex *picture_hat, *weight_hat, *reference_hat, *product;
    fftwf_complex *all_hat; /* weight_hat where every row is there */
    fftwf_plan forward, backward;
};

static uint32_t fast_size(uint32_t at_least)
{
    static const uint32_t primes[] = {2, 3, 5, 7};
    for (uint32_t n = at_least + (at_least & 1);; n += 2) {
        uint32_t rest = n;
        for (size_t i = 0; i < sizeof primes / sizeof *primes; i++)
            while (rest % primes[i] == 0)
                rest /= primes[i];
        if (rest == 1)
            return n;
    }
}

static size_t half(const edx_correlate *c)
{
    return c->wide / 2 + 1;
}

static size_t pixels_of(const edx_correlate *c)
{
    return (size_t)c->high * c->wide;
}

static bool allocate(edx_correlate *c)
{
    float **planes[] = {&c->plane, &c->reference, &c->low, &c->energy, &c->score};
    fftwf_complex **hats[] = {&c->picture_hat, &c->weight_hat, &c->reference_hat, &c->product,
                              &c->all_hat};
    bool got = true;
    for (size_t i = 0; i < sizeof planes / sizeof *planes; i++)
        got = (*planes[i] = fftwf_alloc_real(pixels_of(c))) != NULL && got;
    for (size_t i = 0; i < sizeof hats / sizeof *hats; i++)
        got = (*hats[i] = fftwf_alloc_complex(c->high * half(c))) != NULL && got;
    c->window = malloc((size_t)c->rows * c->cols * sizeof *c->window);
    c->filter = malloc(c->high * half(c) * sizeof *c->filter);
    return got && c->window && c->filter;
}

/* 1 inside, falling to 0 as a cosine at both ends. */
static double taper(uint32_t i, uint32_t n)
{
    double end = floor((double)n / TAPER), from = fmin(i, n - 1.0 - i) + 0.5;
    return from < end ? 0.5 - 0.5 * cos(PI * from / end) : 1;
}

static void fill_window(edx_correlate *c)
{
    for (uint32_t y = 0; y < c->rows; y++)
        for (uint32_t x = 0; x < c->cols; x++)
            c->window[(size_t)y * c->cols + x] = (float)(taper(y, c->rows) * taper(x, c->cols));
}

static void fill_filter(edx_correlate *c, double smoothness)
{
    for (uint32_t y = 0; y < c->high; y++)
        for (uint32_t x = 0; x < half(c); x++) {
            double ky = 2 * PI * fmin(y, c->high - y) / c->high, kx = 2 * PI * x / c->wide;
            double low = exp(-0.5 * smoothness * smoothness * (ky * ky + kx * kx));
            c->filter[y * half(c) + x] = (float)(low / (double)pixels_of(c));
        }
}

static bool plan(edx_correlate *c)
{
    const int high = (int)c->high, wide = (int)c->wide;
    c->forward = fftwf_plan_dft_r2c_2d(high, wide, c->plane, c->product, FFTW_ESTIMATE);
    c->backward = fftwf_plan_dft_c2r_2d(high, wide, c->product, c->plane, FFTW_ESTIMATE);
    return c->forward && c->backward;
}

/* The transform of the window, of rows that are there. */
static void transform_weight(edx_correlate *c, const uint8_t *there, fftwf_complex *out)
{
    memset(c->plane, 0, pixels_of(c) * sizeof *c->plane);
    for (uint32_t y = 0; y < c->rows; y++)
        for (uint32_t x = 0; x < c->cols && (!there || there[y]); x++) {
            c->plane[(size_t)y * c->wide + x] = c->window[(size_t)y * c->cols + x];
        }
    fftwf_execute_dft_r2c(c->forward, c->plane, out);
}

edx_status edx_correlate_new(uint32_t rows, uint32_t cols, const uint32_t reach[2],
                             double smoothness, edx_correlate **out, edx_error *err)
{
    *out = NULL;
    if (rows < TAPER || cols < TAPER || rows > UINT16_MAX || cols > UINT16_MAX || reach[0] < 1 ||
        reach[0] > rows || reach[1] < 1 || reach[1] > cols)
        return edx_fail(err, EDX_E_RANGE, "a picture of %u x %u pixels cannot be looked for", rows,
                        cols);
    edx_correlate *c = calloc(1, sizeof *c);
    if (!c)
        return edx_fail(err, EDX_E_NOMEM, "no memory to correlate");
    c->rows = rows;
    c->cols = cols;
    memcpy(c->reach, reach, sizeof c->reach);
    c->high = fast_size(rows + 2 * reach[0]);
    c->wide = fast_size(cols + 2 * reach[1]);
    if (!allocate(c) || !plan(c)) {
        edx_correlate_free(&c);
        return edx_fail(err, EDX_E_NOMEM, "no memory to correlate %u x %u pixels", rows, cols);
    }
    fill_window(c);
    fill_filter(c, smoothness);
    transform_weight(c, NULL, c->all_hat);
    *out = c;
    return EDX_OK;
}

void edx_correlate_free(edx_correlate **correlate)
{
    edx_correlate *c = *correlate;
    if (!c)
        return;
    fftwf_destroy_plan(c->forward);
    fftwf_destroy_plan(c->backward);
    float *planes[] = {c->plane, c->reference, c->low, c->energy, c->score};
    fftwf_complex *hats[] = {c->picture_hat, c->weight_hat, c->reference_hat, c->product,
                             c->all_hat};
    for (size_t i = 0; i < sizeof planes / sizeof *planes; i++)
        fftwf_free(planes[i]);
    for (size_t i = 0; i < sizeof hats / sizeof *hats; i++)
        fftwf_free(hats[i]);
    free(c->window);
    free(c->filter);
    free(c);
    *correlate = NULL;
}

float *edx_correlate_reference(edx_correlate *correlate, uint32_t *stride)
{
    *stride = correlate->wide;
    return correlate->reference;
}

/* ---- preparing ---- */

/* The windowed picture about its mean, on the plane from (0, 0) on. Returns the mean. */
static double spread_picture(edx_correlate *c, const float *picture, const uint8_t *there)
{
    double sum = 0, weight = 0;
    for (uint32_t y = 0; y < c->rows; y++)
        for (uint32_t x = 0; x < c->cols && (!there || there[y]); x++) {
            size_t p = (size_t)y * c->cols + x;
            sum += (double)c->window[p] * picture[p];
            weight += c->window[p];
        }
    float mean = weight > 0 ? (float)(sum / weight) : 0;
    memset(c->plane, 0, pixels_of(c) * sizeof *c->plane);
    for (uint32_t y = 0; y < c->rows; y++)
        for (uint32_t x = 0; x < c->cols && (!there || there[y]); x++) {
            size_t p = (size_t)y * c->cols + x;
            c->plane[(size_t)y * c->wide + x] = c->window[p] * (picture[p] - mean);
        }
    return mean;
}

/* The mean of what is known where the picture is expected. */
static float reference_mean(const edx_correlate *c)
{
    double sum = 0, weight = 0;
    for (uint32_t y = 0; y < c->rows; y++) {
        const float *row = c->reference + (size_t)(y + c->reach[0]) * c->wide + c->reach[1];
        const float *window = c->window + (size_t)y * c->cols;
        for (uint32_t x = 0; x < c->cols; x++)
            if (!isnan(row[x])) {
                sum += (double)window[x] * row[x];
                weight += window[x];
            }
    }
    return weight > 0 ? (float)(sum / weight) : 0;
}

/* The reference about its mean, 0 where it is not known, on the plane. */
static void spread_reference(edx_correlate *c)
{
    const uint32_t high = c->rows + 2 * c->reach[0], wide = c->cols + 2 * c->reach[1];
    const float mean = reference_mean(c);
    memset(c->plane, 0, pixels_of(c) * sizeof *c->plane);
    for (uint32_t y = 0; y < high; y++) {
        const float *from = c->reference + (size_t)y * c->wide;
        float *to = c->plane + (size_t)y * c->wide;
        for (uint32_t x = 0; x < wide; x++)
            to[x] = isnan(from[x]) ? 0 : from[x] - mean;
    }
}

static void filter_reference(edx_correlate *c)
{
    fftwf_complex *hat = c->reference_hat;
    for (size_t i = 0; i < c->high * half(c); i++) {
        hat[i][0] *= c->filter[i];
        hat[i][1] *= c->filter[i];
    }
}

/* out(d) = sum over x of a(x) b(x + d), from the transforms. */
static void correlate(edx_correlate *c, const fftwf_complex *a, const fftwf_complex *b, float scale,
                      float *out)
{
    for (size_t i = 0; i < c->high * half(c); i++) {
        c->product[i][0] = scale * (a[i][0] * b[i][0] + a[i][1] * b[i][1]);
        c->product[i][1] = scale * (a[i][0] * b[i][1] - a[i][1] * b[i][0]);
    }
    fftwf_execute_dft_c2r(c->backward, c->product, out);
}

/* B into energy: the window's mean square of the filtered reference about its mean, times its sum.
 */
static void weigh_reference(edx_correlate *c, const fftwf_complex *weight)
{
    const size_t n = pixels_of(c);
    const float scale = 1.0F / (float)n, sum = weight[0][0];
    correlate(c, weight, c->reference_hat, 1, c->energy);
    for (size_t i = 0; i < n; i++)
        c->plane[i] = c->low[i] * c->low[i];
    fftwf_execute_dft_r2c(c->forward, c->plane, c->reference_hat);
    correlate(c, weight, c->reference_hat, scale, c->plane);
    for (size_t i = 0; i < n; i++)
        c->energy[i] = c->plane[i] - c->energy[i] * c->energy[i] / sum;
}

/* A into score, B into energy. Returns the picture's mean. */
static double transform(edx_correlate *c, const float *picture, const uint8_t *there)
{
    const fftwf_complex *weight = c->all_hat;
    if (there) {
        transform_weight(c, there, c->weight_hat);
        weight = c->weight_hat;
    }
    double mean = spread_picture(c, picture, there);
    fftwf_execute_dft_r2c(c->forward, c->plane, c->picture_hat);
    spread_reference(c);
    fftwf_execute_dft_r2c(c->forward, c->plane, c->reference_hat);
    filter_reference(c);
    correlate(c, c->picture_hat, c->reference_hat, 1, c->score);
    memcpy(c->product, c->reference_hat, c->high * half(c) * sizeof *c->product);
    fftwf_execute_dft_c2r(c->backward, c->product, c->low);
    weigh_reference(c, weight);
    return mean;
}

/* ---- peaks ---- */

/* Standard deviations of the noise under each offset. */
static void normalise(edx_correlate *c, double noise, float *z)
{
    float most = 0;
    for (uint32_t y = 0; y <= 2 * c->reach[0]; y++)
        for (uint32_t x = 0; x <= 2 * c->reach[1]; x++)
            most = fmaxf(most, c->energy[(size_t)y * c->wide + x]);
    for (uint32_t y = 0; y <= 2 * c->reach[0]; y++)
        for (uint32_t x = 0; x <= 2 * c->reach[1]; x++) {
            size_t p = (size_t)y * c->wide + x;
            double energy = fmax(c->energy[p], LEAST_ENERGY * most);
            z[p] = noise * energy > 0 ? (float)(c->score[p] / sqrt(noise * energy)) : 0;
        }
}

/* Not lower than its eight neighbours. */
static bool is_peak(const edx_correlate *c, const float *z, const uint32_t at[2])
{
    const float top = z[(size_t)at[0] * c->wide + at[1]];
    for (uint32_t y = at[0] - 1; y <= at[0] + 1; y++)
        for (uint32_t x = at[1] - 1; x <= at[1] + 1; x++)
            if (z[(size_t)y * c->wide + x] > top)
                return false;
    return top > 0;
}

/* The highest of the offsets within near of the middle, if it is a peak; the edge of what was
 * looked at is not searched. */
static bool find_peak(const edx_correlate *c, const float *z, const double near[2], uint32_t at[2])
{
    uint32_t by[2];
    for (size_t i = 0; i < 2; i++)
        by[i] = near[i] < c->reach[i] - 1.0 ? (uint32_t)near[i] : c->reach[i] - 1;
    at[0] = c->reach[0];
    at[1] = c->reach[1];
    for (uint32_t y = c->reach[0] - by[0]; y <= c->reach[0] + by[0]; y++)
        for (uint32_t x = c->reach[1] - by[1]; x <= c->reach[1] + by[1]; x++)
            if (z[(size_t)y * c->wide + x] > z[(size_t)at[0] * c->wide + at[1]]) {
                at[0] = y;
                at[1] = x;
            }
    return is_peak(c, z, at);
}

/* Sum of w^2 (slope of the filtered reference)^2 along step under the picture at an offset. */
static double slope_energy(const edx_correlate *c, const uint32_t at[2], size_t step)
{
    double sum = 0;
    for (uint32_t y = 1; y + 1 < c->rows; y++) {
        const float *low = c->low + (size_t)(y + at[0]) * c->wide + at[1];
        const float *window = c->window + (size_t)y * c->cols;
        for (uint32_t x = 1; x + 1 < c->cols; x++) {
            float slope = window[x] * 0.5F * (low[x + step] - low[(ptrdiff_t)x - (ptrdiff_t)step]);
            sum += (double)slope * slope;
        }
    }
    return sum;
}

/* The parabola through the peak and its neighbours places it; noise over its curvature is how far
 * it may be wrong. */
static void refine(const edx_correlate *c, const float *z, double noise, const uint32_t at[2],
                   edx_match *out)
{
    const size_t steps[2] = {c->wide, 1};
    const size_t p = (size_t)at[0] * c->wide + at[1];
    out->z = z[p];
    for (size_t i = 0; i < 2; i++) {
        double before = z[p - steps[i]], after = z[p + steps[i]];
        double bend = 2.0 * z[p] - before - after;
        double curve = 2.0 * c->score[p] - c->score[p - steps[i]] - c->score[p + steps[i]];
        double sub = bend > 0 ? 0.5 * (after - before) / bend : 0;
        out->offset[i] = (double)at[i] - c->reach[i] + fmax(-1, fmin(1, sub));
        double variance =
            curve > 0 ? noise * slope_energy(c, at, steps[i]) / (curve * curve) : INFINITY;
        out->variance[i] = fmin(variance, (double)c->reach[i] * c->reach[i]) + SHARPEST * SHARPEST;
    }
}

void edx_correlate_match(edx_correlate *correlate, const float *picture, const uint8_t *there,
                         double noise, const double near[2], edx_match *highest, edx_match *nearest)
{
    edx_correlate *c = correlate;
    const double anywhere[2] = {INFINITY, INFINITY};
    uint32_t at[2] = {0, 0};
    float *z = c->plane;
    memset(highest, 0, sizeof *highest);
    memset(nearest, 0, sizeof *nearest);
    double mean = transform(c, picture, there);
    if (noise <= 0)
        noise = mean;
    if (!(noise > 0))
        return;
    normalise(c, noise, z);
    if (find_peak(c, z, anywhere, at))
        refine(c, z, noise, at, highest);
    if (find_peak(c, z, near, at))
        refine(c, z, noise, at, nearest);
}
