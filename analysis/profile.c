#include "analysis/profile.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/functional.h"
#include "analysis/quant.h"

#define MAX_POINTS 65536
#define ROUNDING 1e-9 /* part of a step by which a centre may miss the band's border */

struct edx_profile {
    uint32_t rows, cols, channels;
    uint64_t *spectrum; /* [channels] full resolution */
    uint64_t *binned;   /* [channels], what a region shows */
    double *counts;     /* [channels] the same */
    uint32_t *order;    /* [pixels] scan pixels, point by point */
    uint32_t *starts;   /* [points + 1] into order */
    double *values;     /* d [m], then counts, fraction, sigma [n, m] each */
    size_t points_room, values_room;
    double covariance[EDX_MAX_LINES * EDX_MAX_LINES];
};

edx_status edx_profile_new(uint32_t rows, uint32_t cols, uint32_t channels, edx_profile **out,
                           edx_error *err)
{
    edx_profile *p = calloc(1, sizeof *p);
    *out = p;
    if (!p)
        goto failed;
    p->rows = rows;
    p->cols = cols;
    p->channels = channels;
    p->spectrum = calloc(channels, sizeof *p->spectrum);
    p->binned = calloc(channels, sizeof *p->binned);
    p->counts = calloc(channels, sizeof *p->counts);
    p->order = calloc((size_t)rows * cols, sizeof *p->order);
    if (!p->spectrum || !p->binned || !p->counts || !p->order)
        goto failed;
    return EDX_OK;
failed:
    edx_profile_free(out);
    return edx_fail(err, EDX_E_NOMEM, "no memory for profiles of %u x %u pixels", rows, cols);
}

void edx_profile_free(edx_profile **profile)
{
    edx_profile *p = *profile;
    if (!p)
        return;
    free(p->spectrum);
    free(p->binned);
    free(p->counts);
    free(p->order);
    free(p->starts);
    free(p->values);
    free(p);
    *profile = NULL;
}

/* Room for the numbers of m points of n lines. */
static edx_status reserve(edx_profile *p, size_t points, size_t n, edx_error *err)
{
    size_t values = points * (1 + 3 * n);
    if (points + 1 > p->points_room) {
        uint32_t *starts = realloc(p->starts, (points + 1) * sizeof *starts);
        if (!starts)
            return edx_fail(err, EDX_E_NOMEM, "no memory for a profile of %zu points", points);
        p->starts = starts;
        p->points_room = points + 1;
    }
    if (values > p->values_room) {
        double *grown = realloc(p->values, values * sizeof *grown);
        if (!grown)
            return edx_fail(err, EDX_E_NOMEM, "no memory for a profile of %zu points", points);
        p->values = grown;
        p->values_room = values;
    }
    return EDX_OK;
}

static void add_voxel(void *context, uint32_t channel, uint32_t count)
{
    uint64_t *spectrum = context;
    spectrum[channel] += count;
}

static void sum_pixels(edx_profile *p, const edx_profile_source *source, const uint32_t *pixels,
                       size_t n)
{
    memset(p->spectrum, 0, p->channels * sizeof *p->spectrum);
    for (size_t i = 0; i < n; i++)
        edx_scene_visit(source->scene, pixels[i], add_voxel, p->spectrum);
    edx_pool_sum(source->pool, EDX_U8, p->spectrum, p->channels);
}

/* ---- band ---- */

typedef struct band {
    double from[2], along[2]; /* nm; unit vector */
    double length, half, step;
    double step_nm[2];
    size_t points;
} band;

static bool set_band(band *b, const double step_nm[2], const double from[2], const double to[2],
                     double width)
{
    double dy = to[0] - from[0], dx = to[1] - from[1];
    *b = (band){.from = {from[0], from[1]}, .step_nm = {step_nm[0], step_nm[1]}};
    b->length = hypot(dy, dx);
    b->along[0] = dy / b->length;
    b->along[1] = dx / b->length;
    b->half = width / 2;
    b->step = fmin(step_nm[0], step_nm[1]);
    if (!isfinite(b->length) || b->length <= 0 || !isfinite(width) || width < 0)
        return false;
    b->points = (size_t)fmin(b->length / b->step + 0.5 + 2 * ROUNDING, MAX_POINTS) + 1;
    return true;
}

/* The point that a pixel belongs to; false when it is outside the band. */
static bool point_of(const band *b, uint32_t row, uint32_t col, size_t *point)
{
    double y = row * b->step_nm[0] - b->from[0], x = col * b->step_nm[1] - b->from[1];
    double along = y * b->along[0] + x * b->along[1];
    double away = fabs(x * b->along[0] - y * b->along[1]);
    double slack = ROUNDING * b->step;
    if (along < -slack || along > b->length + slack || away > b->half + slack)
        return false;
    *point = (size_t)floor(fmax(along, 0) / b->step + 0.5 + ROUNDING);
    if (*point >= b->points)
        *point = b->points - 1;
    return true;
}

/* Sorts the band's pixels into p->order by point; returns how many there are. */
static size_t sort_pixels(edx_profile *p, const band *b)
{
    size_t total = 0, point;
    memset(p->starts, 0, (b->points + 1) * sizeof *p->starts);
    for (uint32_t row = 0; row < p->rows; row++)
        for (uint32_t col = 0; col < p->cols; col++)
            if (point_of(b, row, col, &point)) {
                p->starts[point]++;
                total++;
            }
    uint32_t end = 0;
    for (size_t i = 0; i <= b->points; i++) {
        end += p->starts[i];
        p->starts[i] = end; /* the end of its pixels; filling backwards makes it their start */
    }
    for (uint32_t row = p->rows; row-- > 0;)
        for (uint32_t col = p->cols; col-- > 0;)
            if (point_of(b, row, col, &point))
                p->order[--p->starts[point]] = row * p->cols + col;
    return total;
}

static uint32_t bin(edx_profile *p, uint32_t bin_energy)
{
    uint32_t bins = p->channels / bin_energy;
    memset(p->binned, 0, bins * sizeof *p->binned);
    for (uint32_t c = 0; c < bins * bin_energy; c++)
        p->binned[c / bin_energy] += p->spectrum[c];
    return bins;
}

static void evaluate_rows(edx_profile *p, const edx_profile_source *source, double *net)
{
    uint32_t bins = bin(p, source->bin_energy);
    for (uint32_t c = 0; c < bins; c++)
        p->counts[c] = (double)p->binned[c];
    edx_functional_spectrum(source->rows, source->n, bins, p->counts, net, p->covariance);
}

/* What the specimen does not let out is put back for the fractions; counts stay what they are. */
static void evaluate_absolute(const edx_profile *p, const edx_profile_source *source,
                              const uint32_t *pixels, size_t n, const double *net, double *fraction,
                              double *sigma)
{
    double corrected[EDX_MAX_LINES], covariance[EDX_MAX_LINES * EDX_MAX_LINES], live = 0;
    memcpy(corrected, net, source->n * sizeof *corrected);
    memcpy(covariance, p->covariance, (size_t)source->n * source->n * sizeof *covariance);
    for (size_t i = 0; i < n; i++)
        live += source->live_s[pixels[i]];
    edx_thickness_correct(source->thickness, (double)n, live / (double)n, corrected, covariance,
                          NULL);
    edx_quant_fractions(source->lines, source->n, source->limit, corrected, covariance, fraction,
                        sigma);
}

/* The composition of the sum over pixels, which sum_pixels took. */
static void evaluate(edx_profile *p, const edx_profile_source *source, const uint32_t *pixels,
                     size_t n, double *net, double *fraction, double *sigma)
{
    if (source->rows)
        evaluate_rows(p, source, net);
    else
        edx_intensity_spectrum(source->intensity, p->spectrum, net, p->covariance);
    if (source->thickness)
        evaluate_absolute(p, source, pixels, n, net, fraction, sigma);
    else
        edx_quant_fractions(source->lines, source->n, source->limit, net, p->covariance, fraction,
                            sigma);
}

static void fill_point(edx_profile *p, const edx_profile_source *source, size_t point, size_t m)
{
    double net[EDX_MAX_LINES], fraction[EDX_MAX_LINES], sigma[EDX_MAX_LINES];
    double *counts = p->values + m, *fractions = counts + (size_t)source->n * m;
    double *sigmas = fractions + (size_t)source->n * m;
    uint32_t first = p->starts[point], pixels = p->starts[point + 1] - first;
    sum_pixels(p, source, p->order + first, pixels);
    evaluate(p, source, p->order + first, pixels, net, fraction, sigma);
    for (uint32_t i = 0; i < source->n; i++) {
        counts[i * m + point] = net[i];
        fractions[i * m + point] = fraction[i];
        sigmas[i * m + point] = sigma[i];
    }
}

edx_status edx_profile_band(edx_profile *profile, const edx_profile_source *source,
                            const double from_nm[2], const double to_nm[2], double width_nm,
                            edx_profile_result *out, edx_error *err)
{
    band b;
    if (source->n == 0)
        return edx_fail(err, EDX_E_STATE, "profile: no line is known, expected quant.lines");
    if (!set_band(&b, source->step_nm, from_nm, to_nm, width_nm))
        return edx_fail(err, EDX_E_RANGE, "profile: expected two points apart and a width >= 0");
    if (b.points > MAX_POINTS)
        return edx_fail(err, EDX_E_RANGE,
                        "profile: %g nm in steps of %g, expected at most %d points", b.length,
                        b.step, MAX_POINTS);
    size_t m = b.points;
    edx_status status = reserve(profile, m, source->n, err);
    if (status != EDX_OK)
        return status;
    if (sort_pixels(profile, &b) == 0)
        return edx_fail(err, EDX_E_RANGE,
                        "profile: no pixel's centre is in the band, expected a "
                        "line across the scan and a width of a step or more");
    for (size_t i = 0; i < m; i++) {
        profile->values[i] = (double)i * b.step;
        fill_point(profile, source, i, m);
    }
    const double *v = profile->values;
    memcpy(out->from_nm, from_nm, sizeof out->from_nm);
    memcpy(out->to_nm, to_nm, sizeof out->to_nm);
    out->width_nm = width_nm;
    out->d_nm = edx_array_1(EDX_F8, v, m);
    out->counts = edx_array_2(EDX_F8, v + m, source->n, m);
    out->fraction = edx_array_2(EDX_F8, v + m + (size_t)source->n * m, source->n, m);
    out->sigma = edx_array_2(EDX_F8, v + m + 2 * (size_t)source->n * m, source->n, m);
    return EDX_OK;
}

/* ---- region ---- */

static size_t gather(edx_profile *p, const uint8_t *mask)
{
    size_t n = 0, pixels = (size_t)p->rows * p->cols;
    for (size_t i = 0; i < pixels; i++)
        if (mask[i])
            p->order[n++] = (uint32_t)i;
    return n;
}

edx_status edx_profile_region(edx_profile *profile, const edx_profile_source *source,
                              const uint8_t *mask, edx_region_result *out, edx_error *err)
{
    edx_status status = reserve(profile, 1, source->n, err);
    if (status != EDX_OK)
        return status;
    *out = (edx_region_result){.pixels = gather(profile, mask)};
    if (out->pixels == 0)
        return edx_fail(err, EDX_E_RANGE,
                        "region: no pixel's centre is in it, expected one or more");
    sum_pixels(profile, source, profile->order, out->pixels);
    uint32_t bins = bin(profile, source->bin_energy);
    out->spectrum = edx_array_1(EDX_U8, profile->binned, bins);
    if (source->n == 0)
        return EDX_OK;
    double *v = profile->values;
    evaluate(profile, source, profile->order, out->pixels, v, v + source->n,
             v + 2 * (size_t)source->n);
    out->counts = edx_array_1(EDX_F8, v, source->n);
    out->fraction = edx_array_1(EDX_F8, v + source->n, source->n);
    out->sigma = edx_array_1(EDX_F8, v + 2 * (size_t)source->n, source->n);
    out->covariance = profile->covariance;
    return EDX_OK;
}

/* Where the edge a-b crosses the row at y, the columns from there on change sides. */
static void cross(const double a[2], const double b[2], double y, double dx, uint32_t cols,
                  uint8_t *row)
{
    if ((a[0] <= y) == (b[0] <= y))
        return;
    if (a[0] >
        b[0]) { /* one order, so that neighbours agree on their common edge to the last bit */
        const double *swap = a;
        a = b;
        b = swap;
    }
    double x = a[1] + (y - a[0]) / (b[0] - a[0]) * (b[1] - a[1]);
    double col = fmax(ceil(x / dx), 0);
    if (col < cols)
        row[(size_t)col] ^= 1;
}

edx_status edx_profile_polygon(uint32_t rows, uint32_t cols, const double step_nm[2],
                               const double (*corners_nm)[2], size_t n, uint8_t *mask,
                               edx_error *err)
{
    if (n < 3)
        return edx_fail(err, EDX_E_RANGE, "polygon: %zu corners, expected 3 or more", n);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(corners_nm[i][0]) || !isfinite(corners_nm[i][1]))
            return edx_fail(err, EDX_E_RANGE, "polygon: corner %zu, expected finite [y, x] nm", i);
    memset(mask, 0, (size_t)rows * cols);
    for (uint32_t r = 0; r < rows; r++) {
        uint8_t *row = mask + (size_t)r * cols;
        for (size_t i = 0; i < n; i++)
            cross(corners_nm[i], corners_nm[(i + 1) % n], r * step_nm[0], step_nm[1], cols, row);
        for (uint32_t c = 1; c < cols; c++)
            row[c] ^= row[c - 1];
    }
    return EDX_OK;
}
