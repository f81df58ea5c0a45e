#include "analysis/denoise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/smooth.h"

#define MOST 1536u /* fractions: their covariance is dense */

/* All arrays are parts of one block that grows. */
struct edx_denoise {
    edx_smooth *smooth;
    double *block;
    size_t room;
    bool *flags;
    uint32_t flags_room;
    bool *quantified, *smoothed; /* [m] */
    double *spectra;             /* [m, E] counts without a group */
    double *total;               /* [E] the particle's */
    double *anchor;              /* [n, E] d_e */
    double *k, *anchors;         /* [n], [n, n] */
    double *net;                 /* [n, m] g . S */
    double *model, *model_sigma, *model_cov;
    double *denoised, *denoised_sigma, *denoised_cov;
    double *own;               /* [m, n, n] h h' S_i */
    double *cross;             /* [m, n, n] h d' S_i */
    double *u, *value, *noise; /* what is smoothed */
    double *mean, *covariance; /* what comes of it */
    double *work;              /* [2, n, n] */
    uint32_t *places;          /* [m] rings that are smoothed */
};

/* Counts to work on: all, or without a group. */
typedef struct counts {
    const double *spectra, *total;
} counts;

/* ---- life ---- */

edx_status edx_denoise_new(edx_denoise **out, edx_error *err)
{
    edx_denoise *d = calloc(1, sizeof *d);

    *out = d;
    if (!d)
        return edx_fail(err, EDX_E_NOMEM, "no memory for denoising");
    edx_status status = edx_smooth_new(&d->smooth, err);
    if (status != EDX_OK)
        edx_denoise_free(out);
    return status;
}

void edx_denoise_free(edx_denoise **denoise)
{
    edx_denoise *d = *denoise;

    *denoise = NULL;
    if (!d)
        return;
    edx_smooth_free(&d->smooth);
    free(d->block);
    free(d->flags);
    free(d->places);
    free(d);
}

static edx_status grow(edx_denoise *d, size_t doubles, uint32_t m, edx_error *err)
{
    if (m > d->flags_room) {
        free(d->flags);
        free(d->places);
        d->flags_room = 0;
        d->flags = calloc(2 * (size_t)m, sizeof *d->flags);
        d->places = calloc(m, sizeof *d->places);
        if (!d->flags || !d->places)
            return edx_fail(err, EDX_E_NOMEM, "no memory to denoise %u rings", m);
        d->flags_room = m;
    }
    if (doubles > d->room) {
        double *block = realloc(d->block, doubles * sizeof *block);
        if (!block)
            return edx_fail(err, EDX_E_NOMEM, "no memory to denoise %u rings", m);
        d->block = block;
        d->room = doubles;
    }
    return EDX_OK;
}

/* One array of the block. */
typedef struct slice {
    double **at;
    size_t size;
} slice;

/* Lays out the block for these shapes. */
static edx_status reserve(edx_denoise *d, uint32_t n, uint32_t m, uint32_t channels, edx_error *err)
{
    size_t e = channels, nm = (size_t)n * m, nn = (size_t)n * n, all = 0;
    const slice parts[] = {{&d->spectra, m * e},
                           {&d->total, e},
                           {&d->anchor, n * e},
                           {&d->k, n},
                           {&d->anchors, nn},
                           {&d->net, nm},
                           {&d->model, nm},
                           {&d->model_sigma, nm},
                           {&d->model_cov, nm * nm},
                           {&d->denoised, nm},
                           {&d->denoised_sigma, nm},
                           {&d->denoised_cov, nm * nm},
                           {&d->own, m * nn},
                           {&d->cross, m * nn},
                           {&d->u, m},
                           {&d->value, nm},
                           {&d->noise, nm * nm},
                           {&d->mean, nm},
                           {&d->covariance, nm * nm},
                           {&d->work, 2 * nn}};
    const size_t n_parts = sizeof parts / sizeof *parts;

    if (nm > MOST)
        return edx_fail(err, EDX_E_RANGE, "%u rings of %u elements, expected at most %u fractions",
                        m, n, MOST);
    for (size_t i = 0; i < n_parts; i++)
        all += parts[i].size;
    edx_status status = grow(d, all, m, err);
    if (status != EDX_OK)
        return status;
    double *next = d->block;
    for (size_t i = 0; i < n_parts; i++) {
        *parts[i].at = next;
        next += parts[i].size;
    }
    d->quantified = d->flags;
    d->smoothed = d->flags + m;
    return EDX_OK;
}

/* ---- sums over channels ---- */

static double dot(uint32_t channels, const double *row, const double *spectrum)
{
    double sum = 0;
    for (uint32_t c = 0; c < channels; c++)
        sum += row[c] * spectrum[c];
    return sum;
}

/* Covariance of two rows' sums over Poisson counts. */
static double dot3(uint32_t channels, const double *row, const double *other,
                   const double *spectrum)
{
    double sum = 0;
    for (uint32_t c = 0; c < channels; c++)
        sum += row[c] * other[c] * spectrum[c];
    return sum;
}

/* Sum of the spectra of rings inside R. */
static void sum_inside(const edx_rings *rings, const double *spectra, double *total)
{
    memset(total, 0, rings->channels * sizeof *total);
    for (uint32_t i = 0; i < rings->m; i++)
        if (rings->mean_nm[i] < rings->radius_nm)
            for (uint32_t c = 0; c < rings->channels; c++)
                total[c] += spectra[(size_t)i * rings->channels + c];
}

/* ---- which rings ---- */

static bool over_limit(const edx_denoise_input *in, const double *spectrum)
{
    uint32_t channels = in->rings->channels;

    for (uint32_t e = 0; e < in->n; e++) {
        const double *row = in->windows + (size_t)e * channels;
        double net = dot(channels, row, spectrum);
        if (!(net > 0 && net > in->limit * sqrt(dot3(channels, row, row, spectrum))))
            return false;
    }
    return in->n >= 2;
}

static void choose_rings(edx_denoise *d, const edx_denoise_input *in)
{
    const edx_rings *rings = in->rings;

    for (uint32_t i = 0; i < rings->m; i++) {
        d->quantified[i] = over_limit(in, rings->spectra + (size_t)i * rings->channels);
        d->smoothed[i] = d->quantified[i] && rings->mean_nm[i] < rings->radius_nm;
    }
}

/* ---- model ---- */

/* k of the model's counts, and what the anchor's own noise does: false where it cannot be. */
static bool anchor(edx_denoise *d, const edx_denoise_input *in, const double *total)
{
    uint32_t n = in->n, channels = in->rings->channels;

    for (uint32_t e = 0; e < n; e++) {
        const double *w = in->windows + (size_t)e * channels;
        const double *g = in->model + (size_t)e * channels;
        double *delta = d->anchor + (size_t)e * channels;
        double windows = dot(channels, w, total), model = dot(channels, g, total);
        if (!(windows > 0 && model > 0 && in->k[e] > 0))
            return false;
        d->k[e] = in->k[e] * windows / model;
        for (uint32_t c = 0; c < channels; c++)
            delta[c] = w[c] / windows - g[c] / model;
    }
    for (uint32_t e = 0; e < n; e++)
        for (uint32_t f = 0; f < n; f++)
            d->anchors[e * n + f] = dot3(channels, d->anchor + (size_t)e * channels,
                                         d->anchor + (size_t)f * channels, total);
    return true;
}

/* Fractions of one ring and the sums that its covariances are made of; false where a count is not
 * above 0. */
static bool fit_ring(edx_denoise *d, const edx_denoise_input *in, uint32_t i,
                     const double *spectrum)
{
    uint32_t n = in->n, m = in->rings->m, channels = in->rings->channels;
    double *own = d->own + (size_t)i * n * n, *cross = d->cross + (size_t)i * n * n, sum = 0;

    for (uint32_t e = 0; e < n; e++) {
        double net = dot(channels, in->model + (size_t)e * channels, spectrum);
        if (!(net > 0))
            return false;
        d->net[e * m + i] = net;
        sum += d->k[e] * net;
    }
    for (uint32_t e = 0; e < n; e++)
        for (uint32_t f = 0; f < n; f++) {
            const double *g = in->model + (size_t)e * channels;
            double net = d->net[e * m + i], other = d->net[f * m + i];
            own[e * n + f] =
                dot3(channels, g, in->model + (size_t)f * channels, spectrum) / (net * other);
            cross[e * n + f] = dot3(channels, g, d->anchor + (size_t)f * channels, spectrum) / net;
        }
    for (uint32_t e = 0; e < n; e++)
        d->model[e * m + i] = d->k[e] * d->net[e * m + i] / sum;
    return true;
}

/* d F_e / d ln (k' a)_f of ring i. */
static double jacobian(const edx_denoise *d, uint32_t m, uint32_t i, uint32_t e, uint32_t f)
{
    return d->model[e * m + i] * ((e == f) - d->model[f * m + i]);
}

/* Covariance [n, n] of the fractions of rings i and j: J_i L J_j'. */
static void covariance_of(edx_denoise *d, uint32_t n, uint32_t m, uint32_t i, uint32_t j)
{
    const double *own = d->own + (size_t)i * n * n;
    const double *x = d->cross + (size_t)i * n * n, *y = d->cross + (size_t)j * n * n;
    double *logs = d->work, *half = d->work + (size_t)n * n;
    size_t nm = (size_t)n * m;

    for (uint32_t e = 0; e < n; e++)
        for (uint32_t f = 0; f < n; f++)
            logs[e * n + f] =
                (i == j ? own[e * n + f] : 0) + x[e * n + f] + y[f * n + e] + d->anchors[e * n + f];
    for (uint32_t e = 0; e < n; e++)
        for (uint32_t f = 0; f < n; f++) {
            double sum = 0;
            for (uint32_t a = 0; a < n; a++)
                sum += jacobian(d, m, i, e, a) * logs[a * n + f];
            half[e * n + f] = sum;
        }
    for (uint32_t e = 0; e < n; e++)
        for (uint32_t f = 0; f < n; f++) {
            double sum = 0;
            for (uint32_t a = 0; a < n; a++)
                sum += half[e * n + a] * jacobian(d, m, j, f, a);
            d->model_cov[((size_t)e * m + i) * nm + (size_t)f * m + j] = sum;
        }
}

static void fill(double *values, size_t size, double value)
{
    for (size_t i = 0; i < size; i++)
        values[i] = value;
}

/* Square roots of a covariance's diagonal. */
static void deviations(size_t size, const double *covariance, double *sigma)
{
    for (size_t i = 0; i < size; i++) {
        double square = covariance[i * size + i];
        sigma[i] = square < 0 ? 0 : sqrt(square); /* rounding may leave less than nothing */
    }
}

/* Model fractions of the quantified rings and their covariance; a ring without counts above 0 is
 * not quantified after all. */
static void fit_model(edx_denoise *d, const edx_denoise_input *in, const counts *from)
{
    uint32_t n = in->n, m = in->rings->m;
    size_t nm = (size_t)n * m;
    bool anchored = n >= 2 && anchor(d, in, from->total);

    fill(d->model, nm, NAN);
    fill(d->model_cov, nm * nm, NAN);
    if (!anchored) {
        fill(d->k, n, NAN);
        fill(d->anchors, (size_t)n * n, NAN);
    }
    for (uint32_t i = 0; i < m; i++)
        if (d->quantified[i] &&
            (!anchored || !fit_ring(d, in, i, from->spectra + (size_t)i * in->rings->channels)))
            d->quantified[i] = d->smoothed[i] = false;
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < m; j++)
            if (d->quantified[i] && d->quantified[j])
                covariance_of(d, n, m, i, j);
    deviations(nm, d->model_cov, d->model_sigma);
}

/* ---- denoised ---- */

/* Fractions of all elements but the last in the rings that are smoothed; their number is returned.
 */
static uint32_t gather(edx_denoise *d, const edx_rings *rings, uint32_t n)
{
    uint32_t m = rings->m, count = 0;
    double square = rings->radius_nm * rings->radius_nm;

    for (uint32_t i = 0; i < m; i++)
        if (d->smoothed[i]) {
            d->u[count] = rings->square_nm2[i] / square;
            d->places[count++] = i;
        }
    size_t side = (size_t)(n - 1) * count, nm = (size_t)n * m;
    for (size_t a = 0; a < side; a++) {
        size_t from = a / count * m + d->places[a % count];
        d->value[a] = d->model[from];
        for (size_t b = 0; b < side; b++)
            d->noise[a * side + b] = d->model_cov[from * nm + b / count * m + d->places[b % count]];
    }
    return count;
}

/* Signs with which the fractions before the last make up element e: itself, or less all of them. */
static double made_of(uint32_t n, uint32_t e, uint32_t f)
{
    return e + 1 < n ? (double)(e == f) : -1.0;
}

/* Covariance of elements e and f at the places a and b, from that of all but the last. */
static double spread(const edx_denoise *d, uint32_t n, uint32_t count, uint32_t e, uint32_t f,
                     size_t a, size_t b)
{
    size_t side = (size_t)(n - 1) * count;
    double sum = 0;

    for (uint32_t g = 0; g + 1 < n; g++)
        for (uint32_t h = 0; h + 1 < n; h++)
            if (made_of(n, e, g) != 0 && made_of(n, f, h) != 0)
                sum += made_of(n, e, g) * made_of(n, f, h) *
                       d->covariance[((size_t)g * count + a) * side + (size_t)h * count + b];
    return sum;
}

static void scatter_means(edx_denoise *d, uint32_t n, uint32_t m, uint32_t count)
{
    for (uint32_t a = 0; a < count; a++) {
        double rest = 1;
        for (uint32_t e = 0; e + 1 < n; e++) {
            d->denoised[e * m + d->places[a]] = d->mean[e * count + a];
            rest -= d->mean[e * count + a];
        }
        d->denoised[(n - 1) * m + d->places[a]] = rest;
    }
}

static void scatter_covariance(edx_denoise *d, uint32_t n, uint32_t m, uint32_t count)
{
    size_t nm = (size_t)n * m;

    for (uint32_t e = 0; e < n; e++)
        for (uint32_t f = 0; f < n; f++)
            for (uint32_t a = 0; a < count; a++)
                for (uint32_t b = 0; b < count; b++)
                    d->denoised_cov[((size_t)e * m + d->places[a]) * nm + (size_t)f * m +
                                    d->places[b]] = spread(d, n, count, e, f, a, b);
}

static edx_status smooth(edx_denoise *d, const edx_denoise_input *in, bool covariance,
                         edx_error *err)
{
    uint32_t n = in->n, m = in->rings->m;
    size_t nm = (size_t)n * m;

    fill(d->denoised, nm, NAN);
    if (covariance)
        fill(d->denoised_cov, nm * nm, NAN);
    uint32_t count = n < 2 ? 0 : gather(d, in->rings, n);
    if (count > 0) {
        edx_status status = edx_smooth_rings(d->smooth, n, count, d->u, d->value, d->noise, d->mean,
                                             d->covariance, err);
        if (status != EDX_OK)
            return status;
        scatter_means(d, n, m, count);
        if (covariance)
            scatter_covariance(d, n, m, count);
    }
    if (covariance)
        deviations(nm, d->denoised_cov, d->denoised_sigma);
    return EDX_OK;
}

/* ---- all together ---- */

static counts all_counts(edx_denoise *d, const edx_denoise_input *in)
{
    counts all = {in->rings->spectra, in->total};

    if (!in->total) {
        sum_inside(in->rings, in->rings->spectra, d->total);
        all.total = d->total;
    }
    return all;
}

edx_status edx_denoise_rings(edx_denoise *denoise, const edx_denoise_input *input,
                             edx_denoise_result *out, edx_error *err)
{
    edx_denoise *d = denoise;
    edx_status status = reserve(d, input->n, input->rings->m, input->rings->channels, err);

    if (status != EDX_OK)
        return status;
    const counts all = all_counts(d, input);
    choose_rings(d, input);
    fit_model(d, input, &all);
    status = smooth(d, input, true, err);
    *out = (edx_denoise_result){.n = input->n,
                                .m = input->rings->m,
                                .quantified = d->quantified,
                                .smoothed = d->smoothed,
                                .model = d->model,
                                .model_sigma = d->model_sigma,
                                .model_covariance = d->model_cov,
                                .denoised = d->denoised,
                                .denoised_sigma = d->denoised_sigma,
                                .denoised_covariance = d->denoised_cov,
                                .anchored = d->k,
                                .anchor_covariance = d->anchors};
    return status;
}

/* ---- without a group ---- */

static void subtract(size_t size, const double *all, const double *left_out, double *rest)
{
    for (size_t i = 0; i < size; i++)
        rest[i] = all[i] - left_out[i];
}

static counts without(edx_denoise *d, const edx_denoise_input *in, uint32_t group)
{
    const edx_rings *rings = in->rings;
    size_t channels = rings->channels, cells = rings->m * channels;

    subtract(cells, rings->spectra, rings->group + group * cells, d->spectra);
    if (in->total)
        subtract(channels, in->total, in->groups + group * channels, d->total);
    else
        sum_inside(rings, d->spectra, d->total);
    return (counts){d->spectra, d->total};
}

edx_status edx_denoise_heldout(edx_denoise *denoise, const edx_denoise_input *input,
                               double *heldout, edx_error *err)
{
    edx_denoise *d = denoise;
    size_t nm = (size_t)input->n * input->rings->m;
    edx_status status = reserve(d, input->n, input->rings->m, input->rings->channels, err);

    for (uint32_t g = 0; status == EDX_OK && g < input->rings->groups; g++) {
        const counts rest = without(d, input, g);
        choose_rings(d, input);
        fit_model(d, input, &rest);
        status = smooth(d, input, false, err);
        memcpy(heldout + g * nm, d->denoised, nm * sizeof *heldout);
    }
    return status;
}
