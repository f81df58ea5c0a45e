#include "analysis/denoise_maps.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/linalg.h"

#define PI 3.14159265358979323846
#define RADIAL 10u  /* terms of a Brownian motion */
#define WAVES 12u   /* cosines along a side */
#define FINEST 256u /* waves a side that variance is shared out to */
#define MARGIN 1.2  /* half a side of their square, in reach of the mask */
#define MOST (1 + 2 * RADIAL + WAVES * WAVES)
#define CHUNK 128u /* pixels whose features are there at a time */
#define TAUS 5u
#define SHAPES 4u /* of the Matern prior */
#define MODELS (TAUS * TAUS * SHAPES)
#define LEVEL 0.3
#define TAU_USUAL 0.1
#define FAINT 1e-3  /* weight, relative to the largest, of a model that is left out at last */
#define LEAST 1e-5  /* the same, of amplitudes for which other shapes are not tried */
#define ROUGHLY 0.1 /* the same, of a model that is left out at first */
#define SIGNAL 3.0

static const double taus[TAUS] = {0.003, 0.01, 0.03, 0.1, 0.3};
static const double lengths[2] = {0.4, 1.2}; /* R */
static const double orders[2] = {0.5, 1.5};

/* A pixel that is denoised. */
typedef struct spot {
    uint32_t row, col;
    double r;              /* from the centre, over the largest */
    double total, spread;  /* t, and its variance */
    double weight;         /* t^2 / variance of what it observes; 0: nothing */
    double value;          /* what it observes, less 1 / n */
    double mean, variance; /* the answer, less 1 / n */
} spot;

struct edx_denoise_maps {
    spot *spots;
    uint32_t n, room;
    double half_nm; /* half a side of the square */
    double reach_nm;
    uint32_t features, n_waves;
    uint32_t wave[WAVES * WAVES][2];
    double amplitude[SHAPES][WAVES * WAVES]; /* prior sigma of the waves, tau_m 1 */
    double beyond[SHAPES];                   /* variance of what is finer than the waves, tau_m 1 */
    double chunk[CHUNK * MOST];              /* [pixels, features] */
    double scaled[CHUNK * MOST];
    double gram[MOST * MOST]; /* sum of weight * features' outer products */
    double factor[MOST * MOST], inverse[MOST * MOST];
    double second[MOST * MOST], product[MOST * MOST];
    double right[MOST], mean[MOST], scale[MOST], white[MOST];
    double weights[MODELS];
    double unseen; /* variance of what is finer than the waves, mixed */
};

edx_status edx_denoise_maps_new(edx_denoise_maps **out, edx_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory for denoised maps");
}

void edx_denoise_maps_free(edx_denoise_maps **maps)
{
    if (!*maps)
        return;
    free((*maps)->spots);
    free(*maps);
    *maps = NULL;
}

/* ---- pixels ---- */

static edx_status gather(edx_denoise_maps *d, const edx_denoise_maps_input *in, edx_error *err)
{
    size_t pixels = (size_t)in->rows * in->cols, n = 0;

    for (size_t p = 0; p < pixels; p++)
        n += in->mask[p] != 0;
    if (n > d->room) {
        spot *spots = realloc(d->spots, n * sizeof *spots);
        if (!spots)
            return edx_fail(err, EDX_E_NOMEM, "no memory to denoise %zu pixels", n);
        d->spots = spots;
        d->room = (uint32_t)n;
    }
    d->n = 0;
    for (uint32_t row = 0; row < in->rows; row++)
        for (uint32_t col = 0; col < in->cols; col++)
            if (in->mask[(size_t)row * in->cols + col])
                d->spots[d->n++] = (spot){.row = row, .col = col};
    return EDX_OK;
}

/* Where a pixel is from the centre, nm. */
static void offset_of(const edx_denoise_maps_input *in, const spot *s, double out[2])
{
    out[0] = in->origin_nm[0] + s->row * in->step_nm[0] - in->centre_nm[0];
    out[1] = in->origin_nm[1] + s->col * in->step_nm[1] - in->centre_nm[1];
}

static void measure(edx_denoise_maps *d, const edx_denoise_maps_input *in)
{
    double at[2], widest = 0;

    d->reach_nm = 0;
    for (uint32_t i = 0; i < d->n; i++) {
        offset_of(in, &d->spots[i], at);
        widest = fmax(widest, fmax(fabs(at[0]), fabs(at[1])));
        d->spots[i].r = hypot(at[0], at[1]);
        d->reach_nm = fmax(d->reach_nm, d->spots[i].r);
    }
    d->half_nm = MARGIN * fmax(widest, fmax(in->step_nm[0], in->step_nm[1]));
    for (uint32_t i = 0; i < d->n; i++)
        d->spots[i].r = d->reach_nm > 0 ? d->spots[i].r / d->reach_nm : 0;
}

/* Waves a side down to two pixels. */
static uint32_t finest(const edx_denoise_maps *d, const edx_denoise_maps_input *in)
{
    double most = 2 * d->half_nm / fmax(in->step_nm[0], in->step_nm[1]);

    return (uint32_t)fmin(fmax(most, 1), FINEST);
}

/* The waves of the square, from the longest to two pixels or what there is room for. */
static void choose_waves(edx_denoise_maps *d, const edx_denoise_maps_input *in)
{
    uint32_t most = finest(d, in) < WAVES - 1 ? finest(d, in) : WAVES - 1;

    d->n_waves = 0;
    for (uint32_t j = 0; j <= most; j++)
        for (uint32_t k = 0; k <= most; k++)
            if (j + k > 0 && j * j + k * k <= most * most) {
                d->wave[d->n_waves][0] = j;
                d->wave[d->n_waves++][1] = k;
            }
    d->features = 1 + 2 * RADIAL + d->n_waves;
}

/* Spectral density of a Matern process, but for a factor. */
static double density(const edx_denoise_maps *d, const edx_denoise_maps_input *in, uint32_t shape,
                      double j, double k)
{
    double length = lengths[shape % 2] * in->radius_nm, nu = orders[shape / 2];
    double unit = PI / (2 * d->half_nm);

    return pow(2 * nu / (length * length) + (j * j + k * k) * unit * unit, -(nu + 1));
}

/* Shares the variance out over the waves, and to what is finer but not than two pixels. */
static void shape_waves(edx_denoise_maps *d, const edx_denoise_maps_input *in)
{
    uint32_t most = finest(d, in);

    for (uint32_t shape = 0; shape < SHAPES; shape++) {
        double all = 0, taken = 0;
        for (uint32_t j = 0; j <= most; j++)
            for (uint32_t k = j == 0; k <= most; k++)
                all += density(d, in, shape, j, k);
        for (uint32_t i = 0; i < d->n_waves; i++) {
            double own = density(d, in, shape, d->wave[i][0], d->wave[i][1]) / all;
            d->amplitude[shape][i] = sqrt(own);
            taken += own;
        }
        d->beyond[shape] = fmax(1 - taken, 0);
    }
}

/* ---- what pixels observe ---- */

static double total_of(const edx_denoise_maps_input *in, size_t pixel)
{
    size_t pixels = (size_t)in->rows * in->cols;
    double sum = 0;

    for (uint32_t f = 0; f < in->n; f++)
        sum += in->k[f] * in->net[f * pixels + pixel];
    return sum;
}

/* Variance of sum over f of k_f (part [f = element] - share) N_f: of k N - F T for 1, F; of T for
 * 0, -1. */
static double variance_of(const edx_denoise_maps_input *in, size_t pixel, uint32_t element,
                          double part, double share)
{
    size_t pixels = (size_t)in->rows * in->cols;
    double sum = 0;

    for (uint32_t f = 0; f < in->n; f++)
        for (uint32_t g = 0; g < in->n; g++) {
            double a = in->k[f] * ((f == element ? part : 0) - share);
            double b = in->k[g] * ((g == element ? part : 0) - share);
            sum += a * b * in->covariance[((size_t)f * in->n + g) * pixels + pixel];
        }
    return sum;
}

/* Averages round a pixel of T, its variance and that of k N - F T. */
static double look_around(const edx_denoise_maps_input *in, spot *s, uint32_t element, double share)
{
    static const double binomial[5] = {1, 4, 6, 4, 1};
    double sum = 0, variance = 0;

    s->total = s->spread = 0;
    for (uint32_t i = 0; i < 25; i++) {
        int64_t row = (int64_t)s->row + i / 5 - 2, col = (int64_t)s->col + i % 5 - 2;
        double weight = binomial[i / 5] * binomial[i % 5];
        if (row < 0 || col < 0 || row >= in->rows || col >= in->cols)
            continue;
        size_t pixel = (size_t)row * in->cols + (size_t)col;
        sum += weight;
        s->total += weight * total_of(in, pixel);
        s->spread += weight * weight * variance_of(in, pixel, element, 0, -1);
        variance += weight * variance_of(in, pixel, element, 1, share);
    }
    s->total /= sum;
    s->spread /= sum * sum;
    return variance / sum;
}

/* What every pixel observes of one element, linearised at the answers there are. */
static void observe(edx_denoise_maps *d, const edx_denoise_maps_input *in, uint32_t element)
{
    size_t pixels = (size_t)in->rows * in->cols;

    for (uint32_t i = 0; i < d->n; i++) {
        spot *s = &d->spots[i];
        size_t pixel = (size_t)s->row * in->cols + s->col;
        double share = fmin(fmax(s->mean + 1.0 / in->n, 0), 1);
        double variance = look_around(in, s, element, share);
        double ours = in->k[element] * in->net[element * pixels + pixel];
        bool seen = s->total > 0 && variance > 0;
        s->weight = seen ? s->total * s->total / variance : 0;
        s->value = seen ? share + (ours - share * total_of(in, pixel)) / s->total - 1.0 / in->n : 0;
    }
}

/* ---- features ---- */

/* Terms of a Brownian motion of x in 0 to 1, each of variance 1 / ((j - 1/2) pi)^2 / 2. */
static void fill_radial(double x, double *out)
{
    for (uint32_t j = 0; j < RADIAL; j++)
        out[j] = sin((j + 0.5) * PI * x) / ((j + 0.5) * PI);
}

static void fill_features(const edx_denoise_maps *d, const edx_denoise_maps_input *in,
                          const spot *s, double *out)
{
    double at[2], wave[2][WAVES];

    offset_of(in, s, at);
    for (uint32_t axis = 0; axis < 2; axis++)
        for (uint32_t j = 0; j < WAVES; j++)
            wave[axis][j] =
                (j ? sqrt(2) : 1) * cos(PI * j * (at[axis] + d->half_nm) / (2 * d->half_nm));
    out[0] = 1;
    fill_radial(s->r * s->r, out + 1);
    fill_radial(s->r, out + 1 + RADIAL);
    for (uint32_t i = 0; i < d->n_waves; i++)
        out[1 + 2 * RADIAL + i] = wave[0][d->wave[i][0]] * wave[1][d->wave[i][1]];
}

/* Features of spots first .. first + n - 1 into chunk; n is returned. */
static uint32_t fill_chunk(edx_denoise_maps *d, const edx_denoise_maps_input *in, uint32_t first)
{
    uint32_t n = d->n - first < CHUNK ? d->n - first : CHUNK;

    for (uint32_t i = 0; i < n; i++)
        fill_features(d, in, &d->spots[first + i], d->chunk + (size_t)i * d->features);
    return n;
}

/* Normal equations of all spots. */
static void accumulate(edx_denoise_maps *d, const edx_denoise_maps_input *in)
{
    uint32_t m = d->features;
    size_t square = (size_t)m * m;

    memset(d->gram, 0, square * sizeof *d->gram);
    memset(d->right, 0, m * sizeof *d->right);
    for (uint32_t first = 0; first < d->n; first += CHUNK) {
        uint32_t n = fill_chunk(d, in, first);
        for (uint32_t i = 0; i < n; i++) {
            const spot *s = &d->spots[first + i];
            for (uint32_t j = 0; j < m; j++) {
                double weighted = s->weight * d->chunk[(size_t)i * m + j];
                d->scaled[(size_t)i * m + j] = weighted;
                d->right[j] += weighted * s->value;
            }
        }
        edx_linalg_inner(n, m, m, d->chunk, d->scaled, d->product);
        for (size_t i = 0; i < square; i++)
            d->gram[i] += d->product[i];
    }
}

/* ---- models ---- */

static double radial_tau(uint32_t model)
{
    return taus[model / (SHAPES * TAUS)];
}

static double wave_tau(uint32_t model)
{
    return taus[model / SHAPES % TAUS];
}

/* Prior sigma of every feature's coefficient. */
static void fill_scale(edx_denoise_maps *d, uint32_t model)
{
    double *wave = &d->scale[1 + 2 * RADIAL];

    d->scale[0] = LEVEL;
    for (uint32_t j = 0; j < 2 * RADIAL; j++)
        d->scale[1 + j] = radial_tau(model); /* sqrt(2) of the sine, 1 / sqrt(2) of two motions */
    for (uint32_t i = 0; i < d->n_waves; i++)
        wave[i] = wave_tau(model) * d->amplitude[model % SHAPES][i];
}

/* Leaves the factor of 1 + scale gram scale, and what it whitens of the right side. */
static bool factorise(edx_denoise_maps *d, uint32_t model)
{
    uint32_t m = d->features;

    fill_scale(d, model);
    for (uint32_t i = 0; i < m; i++) {
        for (uint32_t j = 0; j <= i; j++)
            d->factor[(size_t)i * m + j] =
                d->scale[i] * d->gram[(size_t)i * m + j] * d->scale[j] + (i == j);
        for (uint32_t j = i + 1; j < m; j++)
            d->factor[(size_t)i * m + j] = 0;
        d->white[i] = d->scale[i] * d->right[i];
    }
    if (edx_linalg_cholesky(m, d->factor, NULL) != EDX_OK)
        return false;
    edx_linalg_forward(m, d->factor, 1, d->white);
    return true;
}

static double evidence(edx_denoise_maps *d, uint32_t model)
{
    double a = radial_tau(model), b = wave_tau(model), sum = log(a) + log(b);

    if (!factorise(d, model))
        return -INFINITY;
    sum -= 0.5 * (a * a + b * b) / (TAU_USUAL * TAU_USUAL);
    for (uint32_t i = 0; i < d->features; i++)
        sum += 0.5 * d->white[i] * d->white[i] - log(d->factor[(size_t)i * d->features + i]);
    return isfinite(sum) ? sum : -INFINITY;
}

/* Adds a model's posterior of the coefficients to the mixture's moments. */
static void add_model(edx_denoise_maps *d, uint32_t model, double weight)
{
    uint32_t m = d->features;
    double shift[MOST];

    if (!factorise(d, model))
        return;
    memset(d->inverse, 0, (size_t)m * m * sizeof *d->inverse);
    for (uint32_t i = 0; i < m; i++)
        d->inverse[(size_t)i * m + i] = d->scale[i];
    edx_linalg_forward(m, d->factor, m, d->inverse);
    edx_linalg_inner(m, m, 1, d->inverse, d->white, shift);
    edx_linalg_inner(m, m, m, d->inverse, d->inverse, d->product);
    double tau = wave_tau(model);
    d->unseen += weight * tau * tau * d->beyond[model % SHAPES];
    for (uint32_t i = 0; i < m; i++) {
        d->mean[i] += weight * shift[i];
        for (uint32_t j = 0; j < m; j++)
            d->second[(size_t)i * m + j] +=
                weight * (d->product[(size_t)i * m + j] + shift[i] * shift[j]);
    }
}

/* ---- mixture ---- */

static double largest(const edx_denoise_maps *d)
{
    double most = -INFINITY;

    for (uint32_t i = 0; i < MODELS; i++)
        most = fmax(most, d->weights[i]);
    return most;
}

/* Weighs all pairs of amplitudes with one shape, then other shapes where a pair is likely. */
static void weigh_all(edx_denoise_maps *d)
{
    for (uint32_t i = 0; i < MODELS; i++)
        d->weights[i] = i % SHAPES == 0 ? evidence(d, i) : -INFINITY;
    double least = largest(d) + log(LEAST);
    for (uint32_t i = 0; i < MODELS; i++)
        if (i % SHAPES != 0 && d->weights[i - i % SHAPES] > least)
            d->weights[i] = evidence(d, i);
}

/* Weighs again those that counted before. */
static void weigh_again(edx_denoise_maps *d)
{
    double least = largest(d) + log(FAINT);

    for (uint32_t i = 0; i < MODELS; i++)
        d->weights[i] = d->weights[i] > least ? evidence(d, i) : -INFINITY;
}

/* Moments of the coefficients over all models but those fainter than faint. */
static void mix(edx_denoise_maps *d, double faint)
{
    uint32_t m = d->features;
    double sum = 0, most = largest(d), least = most + log(faint);

    d->unseen = 0;
    memset(d->mean, 0, m * sizeof *d->mean);
    memset(d->second, 0, (size_t)m * m * sizeof *d->second);
    for (uint32_t i = 0; i < MODELS; i++)
        sum += d->weights[i] > least ? exp(d->weights[i] - most) : 0;
    for (uint32_t i = 0; i < MODELS; i++)
        if (d->weights[i] > least)
            add_model(d, i, exp(d->weights[i] - most) / sum);
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < m; j++)
            d->second[(size_t)i * m + j] -= d->mean[i] * d->mean[j];
}

/* Mean and variance of every spot. */
static void predict(edx_denoise_maps *d, const edx_denoise_maps_input *in)
{
    uint32_t m = d->features;

    for (uint32_t first = 0; first < d->n; first += CHUNK) {
        uint32_t n = fill_chunk(d, in, first);
        edx_linalg_times(n, m, m, 1, d->chunk, d->second, 0, d->scaled);
        for (uint32_t i = 0; i < n; i++) {
            spot *s = &d->spots[first + i];
            const double *feature = d->chunk + (size_t)i * m;
            s->mean = 0;
            s->variance = d->unseen;
            for (uint32_t j = 0; j < m; j++) {
                s->mean += feature[j] * d->mean[j];
                s->variance += feature[j] * d->scaled[(size_t)i * m + j];
            }
        }
    }
}

/* ---- one element, all elements ---- */

/* The particle's fraction of an element; NaN where some element has no counts above 0. */
static double whole(const edx_denoise_maps *d, const edx_denoise_maps_input *in, uint32_t element)
{
    size_t pixels = (size_t)in->rows * in->cols;
    double total = 0, ours = 0;

    for (uint32_t f = 0; f < in->n; f++) {
        double sum = 0;
        for (uint32_t i = 0; i < d->n; i++)
            sum += in->net[f * pixels + (size_t)d->spots[i].row * in->cols + d->spots[i].col];
        if (!(sum > 0 && in->k[f] > 0))
            return NAN;
        total += in->k[f] * sum;
        ours += f == element ? in->k[f] * sum : 0;
    }
    return ours / total;
}

static edx_status denoise(edx_denoise_maps *d, const edx_denoise_maps_input *in, uint32_t element,
                          double start, edx_error *err)
{
    for (uint32_t i = 0; i < d->n; i++)
        d->spots[i].mean = start - 1.0 / in->n;
    for (int pass = 0; pass < 2; pass++) {
        observe(d, in, element);
        accumulate(d, in);
        if (pass == 0)
            weigh_all(d);
        else
            weigh_again(d);
        if (!isfinite(largest(d)))
            return edx_fail(err, EDX_E_NUMERIC, "a particle's map is not finite");
        mix(d, pass == 0 ? ROUGHLY : FAINT);
        predict(d, in);
    }
    return EDX_OK;
}

/* Writes element's answers; the last of two is what the first leaves. */
static void write_element(const edx_denoise_maps *d, const edx_denoise_maps_input *in,
                          uint32_t element, double *fraction, double *sigma)
{
    size_t pixels = (size_t)in->rows * in->cols;

    for (uint32_t i = 0; i < d->n; i++) {
        const spot *s = &d->spots[i];
        bool known = s->total > SIGNAL * sqrt(s->spread);
        size_t at = element * pixels + (size_t)s->row * in->cols + s->col;
        fraction[at] = known ? s->mean + 1.0 / in->n : NAN;
        sigma[at] = known ? sqrt(fmax(s->variance, 0)) : NAN;
        if (in->n == 2) {
            fraction[at + pixels] = 1 - fraction[at];
            sigma[at + pixels] = sigma[at];
        }
    }
}

/* Brings the fractions of a pixel to sum 1, and adds the anchor's variance. */
static void finish(const edx_denoise_maps_input *in, size_t pixel, double *fraction, double *sigma)
{
    size_t pixels = (size_t)in->rows * in->cols;
    uint32_t n = in->n;
    double excess = -1, squares = 0;

    for (uint32_t e = 0; e < n; e++) {
        excess += fraction[e * pixels + pixel];
        squares += sigma[e * pixels + pixel] * sigma[e * pixels + pixel];
    }
    for (uint32_t e = 0; n > 2 && squares > 0 && e < n; e++) {
        double s = sigma[e * pixels + pixel];
        fraction[e * pixels + pixel] -= excess * s * s / squares;
    }
    for (uint32_t e = 0; in->anchor && e < n; e++) {
        double own = fraction[e * pixels + pixel], *s = &sigma[e * pixels + pixel], sum = 0;
        for (uint32_t f = 0; f < n; f++)
            for (uint32_t g = 0; g < n; g++)
                sum += ((e == f) - fraction[f * pixels + pixel]) * in->anchor[f * n + g] *
                       ((e == g) - fraction[g * pixels + pixel]);
        *s = sqrt(*s * *s + own * own * fmax(sum, 0));
    }
}

edx_status edx_denoise_maps_particle(edx_denoise_maps *maps, const edx_denoise_maps_input *input,
                                     double *fraction, double *sigma, edx_error *err)
{
    edx_denoise_maps *d = maps;
    size_t pixels = (size_t)input->rows * input->cols;
    uint32_t runs = input->n == 2 ? 1 : input->n;
    edx_status status = gather(d, input, err);

    if (status != EDX_OK || d->n == 0)
        return status;
    measure(d, input);
    choose_waves(d, input);
    shape_waves(d, input);
    bool known = input->n >= 2 && isfinite(whole(d, input, 0));
    for (size_t i = 0; !known && i < input->n * pixels; i++)
        if (input->mask[i % pixels])
            fraction[i] = sigma[i] = NAN;
    for (uint32_t e = 0; known && e < runs; e++) {
        status = denoise(d, input, e, whole(d, input, e), err);
        if (status != EDX_OK)
            return status;
        write_element(d, input, e, fraction, sigma);
    }
    for (size_t i = 0; known && i < pixels; i++)
        if (input->mask[i])
            finish(input, i, fraction, sigma);
    return EDX_OK;
}
