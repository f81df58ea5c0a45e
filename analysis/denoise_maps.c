#include "analysis/denoise_maps.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/linalg.h"
#include "analysis/patch.h"

#define PI 3.14159265358979323846
#define ROUND EDX_PATCH_ROUND
#define WIDTH EDX_PATCH_WIDTH
#define MOST EDX_PATCH_MOST
#define TAUS 5u
#define SHAPES 4u /* of the Matern prior */
#define BLURS (TAUS * SHAPES)
#define MODELS (TAUS * BLURS)
#define LEVEL 0.3
#define TAU_USUAL 0.1
#define FAINT 1e-3  /* weight, relative to the largest, of a model that is left out at last */
#define LEAST 1e-5  /* the same, of amplitudes for which other shapes are not tried */
#define ROUGHLY 0.1 /* the same, of a model that is left out at first */
#define SIGNAL 3.0
#define REACH 2 /* pixels that are round about, along an axis */

static const double taus[TAUS] = {0.003, 0.01, 0.03, 0.1, 0.3};
static const double lengths[2] = {0.4, 1.2}; /* R */
static const double orders[2] = {0.5, 1.5};

/* Of one element in one pixel: k N, the same of the others, and their variances. */
typedef struct tally {
    double ours, others;
    double var_ours, var_others, covariance;
} tally;

/* What is round a pixel that is denoised, averages. */
typedef struct spot {
    tally around;
    double spread; /* variance of the average total */
} spot;

struct edx_denoise_maps {
    edx_patch *patch;
    edx_patch_pixel *pixels;
    spot *spots;
    uint32_t n, room;
    uint32_t first[2], end[2]; /* rows and columns of the box round the mask, REACH more */
    tally *box;
    size_t box_room;
    uint32_t n_waves;
    const uint32_t (*wave)[2];
    double amplitude[SHAPES][MOST]; /* prior sigma of the waves, tau_m 1 */
    double beyond[SHAPES];          /* variance of what is finer than the waves, tau_m 1 */
    edx_patch_sums sums;
    edx_patch_sums moments;
    double scale[MOST];         /* prior sigma of the waves */
    double factor[MOST * MOST]; /* of 1 + scale waves scale */
    double white[MOST * WIDTH]; /* what it whitens of scale across */
    double rest[WIDTH * WIDTH]; /* what is left of the round functions' matrix, and of the value */
    double inverse[MOST * MOST], product[MOST * MOST];
    double reply[MOST * WIDTH], mixed[MOST * WIDTH], flipped[WIDTH * MOST];
    double small[ROUND * ROUND], shift[ROUND]; /* the same of the round functions */
    double weights[MODELS];
    double unseen; /* variance of what is finer than the waves, mixed */
};

/* ---- life ---- */

edx_status edx_denoise_maps_new(edx_denoise_maps **out, edx_error *err)
{
    edx_denoise_maps *d = *out = calloc(1, sizeof *d);

    if (!d)
        return edx_fail(err, EDX_E_NOMEM, "no memory for denoised maps");
    edx_status status = edx_patch_new(&d->patch, err);
    if (status != EDX_OK)
        edx_denoise_maps_free(out);
    return status;
}

void edx_denoise_maps_free(edx_denoise_maps **maps)
{
    edx_denoise_maps *d = *maps;

    *maps = NULL;
    if (!d)
        return;
    edx_patch_free(&d->patch);
    free(d->pixels);
    free(d->spots);
    free(d->box);
    free(d);
}

/* ---- pixels ---- */

static edx_status reserve(edx_denoise_maps *d, size_t n, edx_error *err)
{
    if (n <= d->room)
        return EDX_OK;
    free(d->pixels);
    free(d->spots);
    d->room = 0;
    d->pixels = malloc(n * sizeof *d->pixels);
    d->spots = malloc(n * sizeof *d->spots);
    if (!d->pixels || !d->spots)
        return edx_fail(err, EDX_E_NOMEM, "no memory to denoise %zu pixels", n);
    d->room = (uint32_t)n;
    return EDX_OK;
}

static edx_status reserve_box(edx_denoise_maps *d, edx_error *err)
{
    size_t n = (size_t)(d->end[0] - d->first[0]) * (d->end[1] - d->first[1]);

    if (n <= d->box_room)
        return EDX_OK;
    free(d->box);
    d->box_room = 0;
    d->box = malloc(n * sizeof *d->box);
    if (!d->box)
        return edx_fail(err, EDX_E_NOMEM, "no memory to denoise %zu pixels", n);
    d->box_room = n;
    return EDX_OK;
}

/* The box of one pixel, or of those so far and one more. */
static void widen(edx_denoise_maps *d, int axis, uint32_t at, uint32_t count)
{
    uint32_t first = at > REACH ? at - REACH : 0, end = at + REACH < count ? at + REACH + 1 : count;

    d->first[axis] = d->n == 0 || first < d->first[axis] ? first : d->first[axis];
    d->end[axis] = d->n == 0 || end > d->end[axis] ? end : d->end[axis];
}

static void take_pixels(edx_denoise_maps *d, const edx_denoise_maps_input *in)
{
    d->n = 0;
    for (uint32_t row = 0; row < in->rows; row++)
        for (uint32_t col = 0; col < in->cols; col++) {
            if (!in->mask[(size_t)row * in->cols + col])
                continue;
            widen(d, 0, row, in->rows);
            widen(d, 1, col, in->cols);
            d->pixels[d->n++] = (edx_patch_pixel){.row = row, .col = col};
        }
}

static edx_status gather(edx_denoise_maps *d, const edx_denoise_maps_input *in, edx_error *err)
{
    size_t pixels = (size_t)in->rows * in->cols, n = 0;
    edx_patch_place place;

    for (size_t p = 0; p < pixels; p++)
        n += in->mask[p] != 0;
    edx_status status = reserve(d, n, err);
    d->n = 0;
    if (status != EDX_OK || n == 0)
        return status;
    take_pixels(d, in);
    for (int axis = 0; axis < 2; axis++) {
        place.step_nm[axis] = in->step_nm[axis];
        place.origin_nm[axis] = in->origin_nm[axis];
        place.centre_nm[axis] = in->centre_nm[axis];
    }
    status = reserve_box(d, err);
    if (status == EDX_OK)
        status = edx_patch_set(d->patch, &place, d->pixels, d->n, err);
    return status;
}

static size_t index_of(const edx_denoise_maps *d, const edx_denoise_maps_input *in, uint32_t i)
{
    return (size_t)d->pixels[i].row * in->cols + d->pixels[i].col;
}

/* ---- waves ---- */

/* Spectral density of a Matern process, but for a factor. */
static double density(const edx_denoise_maps *d, const edx_denoise_maps_input *in, uint32_t shape,
                      double j, double k)
{
    double length = lengths[shape % 2] * in->radius_nm, nu = orders[shape / 2];
    double unit = PI / (2 * edx_patch_half_nm(d->patch));

    return pow(2 * nu / (length * length) + (j * j + k * k) * unit * unit, -(nu + 1));
}

/* Shares the variance out over the waves, and to what is finer but not than two pixels. */
static void shape_waves(edx_denoise_maps *d, const edx_denoise_maps_input *in)
{
    uint32_t most = edx_patch_finest(d->patch);

    d->n_waves = edx_patch_waves(d->patch, &d->wave);
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

static tally tally_of(const edx_denoise_maps_input *in, size_t pixel, uint32_t element)
{
    size_t pixels = (size_t)in->rows * in->cols;
    tally t = {0};

    for (uint32_t f = 0; f < in->n; f++) {
        double counts = in->k[f] * in->net[f * pixels + pixel];
        *(f == element ? &t.ours : &t.others) += counts;
        for (uint32_t g = 0; g < in->n; g++) {
            double one =
                in->k[f] * in->k[g] * in->covariance[((size_t)f * in->n + g) * pixels + pixel];
            if (f != element && g != element)
                t.var_others += one;
            else if (f == g)
                t.var_ours += one;
            else
                t.covariance += 0.5 * one;
        }
    }
    return t;
}

static void fill_box(edx_denoise_maps *d, const edx_denoise_maps_input *in, uint32_t element)
{
    tally *to = d->box;

    for (uint32_t row = d->first[0]; row < d->end[0]; row++)
        for (uint32_t col = d->first[1]; col < d->end[1]; col++)
            *to++ = tally_of(in, (size_t)row * in->cols + col, element);
}

static void add_tally(tally *to, const tally *one, double weight)
{
    to->ours += weight * one->ours;
    to->others += weight * one->others;
    to->var_ours += weight * one->var_ours;
    to->var_others += weight * one->var_others;
    to->covariance += weight * one->covariance;
}

static double variance_of_total(const tally *t)
{
    return t->var_ours + 2 * t->covariance + t->var_others;
}

/* Averages round a pixel. */
static void look_around(edx_denoise_maps *d, uint32_t i)
{
    static const double binomial[2 * REACH + 1] = {1, 4, 6, 4, 1};
    const edx_patch_pixel *at = &d->pixels[i];
    uint32_t cols = d->end[1] - d->first[1];
    spot s = {.spread = 0};
    double sum = 0;

    for (uint32_t k = 0; k < 25; k++) {
        uint32_t row = at->row + k / 5, col = at->col + k % 5; /* REACH too large */
        double weight = binomial[k / 5] * binomial[k % 5];
        if (row < d->first[0] + REACH || col < d->first[1] + REACH || row - REACH >= d->end[0] ||
            col - REACH >= d->end[1])
            continue;
        const tally *one =
            d->box + (size_t)(row - REACH - d->first[0]) * cols + (col - REACH - d->first[1]);
        sum += weight;
        add_tally(&s.around, one, weight);
        s.spread += weight * weight * variance_of_total(one);
    }
    d->spots[i] = (spot){.spread = s.spread / (sum * sum)};
    add_tally(&d->spots[i].around, &s.around, 1 / sum);
}

static double total_around(const spot *s)
{
    return s->around.ours + s->around.others;
}

static const tally *tally_at(const edx_denoise_maps *d, uint32_t i)
{
    return d->box + (size_t)(d->pixels[i].row - d->first[0]) * (d->end[1] - d->first[1]) +
           (d->pixels[i].col - d->first[1]);
}

/* What every pixel observes of the element, linearised at the answers there are. */
static void observe(edx_denoise_maps *d, uint32_t n)
{
    for (uint32_t i = 0; i < d->n; i++) {
        edx_patch_pixel *at = &d->pixels[i];
        const tally *one = tally_at(d, i), *round = &d->spots[i].around;
        double share = fmin(fmax(at->mean + 1.0 / n, 0), 1), rest = 1 - share;
        double variance = rest * rest * round->var_ours - 2 * rest * share * round->covariance +
                          share * share * round->var_others;
        double total = total_around(&d->spots[i]);
        bool seen = total > 0 && variance > 0;
        at->weight = seen ? total * total / variance : 0;
        at->value =
            seen ? share + (one->ours - share * (one->ours + one->others)) / total - 1.0 / n : 0;
    }
}

/* ---- models ---- */

static double radial_tau(uint32_t model)
{
    return taus[model / BLURS];
}

static double wave_tau(uint32_t blur)
{
    return taus[blur / SHAPES];
}

/* Leaves the factor of the waves' 1 + scale waves scale, what it whitens, and what is left of the
 * round functions' matrix, their right side in its last column; *sum becomes the waves' part of the
 * logarithm of the evidence. */
static bool factorise(edx_denoise_maps *d, uint32_t blur, double *sum)
{
    uint32_t m = d->n_waves;

    for (uint32_t i = 0; i < m; i++)
        d->scale[i] = wave_tau(blur) * d->amplitude[blur % SHAPES][i];
    for (uint32_t i = 0; i < m; i++) {
        for (uint32_t j = 0; j < m; j++)
            d->factor[(size_t)i * m + j] =
                d->scale[i] * d->sums.waves[(size_t)i * m + j] * d->scale[j];
        d->factor[(size_t)i * m + i] += 1;
        for (uint32_t k = 0; k < WIDTH; k++)
            d->white[(size_t)i * WIDTH + k] = d->scale[i] * d->sums.across[(size_t)i * WIDTH + k];
    }
    if (edx_linalg_cholesky(m, d->factor, NULL) != EDX_OK)
        return false;
    edx_linalg_forward(m, d->factor, WIDTH, d->white);
    edx_linalg_inner(m, WIDTH, WIDTH, d->white, d->white, d->rest);
    *sum = 0.5 * d->rest[ROUND * WIDTH + ROUND];
    for (uint32_t i = 0; i < m; i++)
        *sum -= log(d->factor[(size_t)i * m + i]);
    for (uint32_t i = 0; i < ROUND * WIDTH; i++)
        d->rest[i] = d->sums.round[i] - d->rest[i];
    return true;
}

/* Prior sigma of a round function's coefficient. */
static double scale_of(uint32_t function, uint32_t model)
{
    return function == 0 ? LEVEL : radial_tau(model); /* sqrt(2) of the sine, 1 / sqrt(2) of two
                                                         motions */
}

/* The same for the round functions, after the waves. */
static bool factorise_round(edx_denoise_maps *d, uint32_t model)
{
    for (uint32_t i = 0; i < ROUND; i++) {
        for (uint32_t j = 0; j < ROUND; j++)
            d->small[i * ROUND + j] =
                scale_of(i, model) * d->rest[i * WIDTH + j] * scale_of(j, model) + (i == j);
        d->shift[i] = scale_of(i, model) * d->rest[i * WIDTH + ROUND];
    }
    if (edx_linalg_cholesky(ROUND, d->small, NULL) != EDX_OK)
        return false;
    edx_linalg_forward(ROUND, d->small, 1, d->shift);
    return true;
}

/* Of a model whose waves are factorised, their part of the sum given. */
static double evidence(edx_denoise_maps *d, uint32_t model, double sum)
{
    double a = radial_tau(model), b = wave_tau(model % BLURS);

    if (!factorise_round(d, model))
        return -INFINITY;
    sum += log(a) + log(b) - 0.5 * (a * a + b * b) / (TAU_USUAL * TAU_USUAL);
    for (uint32_t i = 0; i < ROUND; i++)
        sum += 0.5 * d->shift[i] * d->shift[i] - log(d->small[i * ROUND + i]);
    return isfinite(sum) ? sum : -INFINITY;
}

/* ---- mixture ---- */

static double largest(const edx_denoise_maps *d)
{
    double most = -INFINITY;

    for (uint32_t i = 0; i < MODELS; i++)
        most = fmax(most, d->weights[i]);
    return most;
}

/* Weighs the models of one blur that are wanted; the others' weights are what they were. */
static void weigh(edx_denoise_maps *d, uint32_t blur, const bool wanted[TAUS])
{
    bool any = false;
    double sum = 0;

    for (uint32_t r = 0; r < TAUS; r++)
        any = any || wanted[r];
    if (!any)
        return;
    bool there = factorise(d, blur, &sum);
    for (uint32_t r = 0; r < TAUS; r++)
        if (wanted[r])
            d->weights[r * BLURS + blur] = there ? evidence(d, r * BLURS + blur, sum) : -INFINITY;
}

/* Weighs all pairs of amplitudes with one shape, then other shapes where a pair is likely. */
static void weigh_all(edx_denoise_maps *d)
{
    bool wanted[TAUS] = {true, true, true, true, true};

    for (uint32_t i = 0; i < MODELS; i++)
        d->weights[i] = -INFINITY;
    for (uint32_t blur = 0; blur < BLURS; blur += SHAPES)
        weigh(d, blur, wanted);
    double least = largest(d) + log(LEAST);
    for (uint32_t blur = 0; blur < BLURS; blur++) {
        for (uint32_t r = 0; r < TAUS; r++)
            wanted[r] = d->weights[r * BLURS + blur - blur % SHAPES] > least;
        if (blur % SHAPES != 0)
            weigh(d, blur, wanted);
    }
}

/* Weighs again those that counted before. */
static void weigh_again(edx_denoise_maps *d)
{
    double least = largest(d) + log(FAINT);
    bool wanted[TAUS];

    for (uint32_t blur = 0; blur < BLURS; blur++) {
        for (uint32_t r = 0; r < TAUS; r++)
            wanted[r] = d->weights[r * BLURS + blur] > least;
        weigh(d, blur, wanted);
        for (uint32_t r = 0; r < TAUS; r++)
            if (!wanted[r])
                d->weights[r * BLURS + blur] = -INFINITY;
    }
}

/* Adds weight times (covariance + mean mean', -mean; -mean', 1) of a model's round functions. */
static void add_round(edx_denoise_maps *d, uint32_t model, double weight, double *to)
{
    double inverse[ROUND * ROUND] = {0}, covariance[ROUND * ROUND], mean[WIDTH];

    if (!factorise_round(d, model))
        return;
    for (uint32_t i = 0; i < ROUND; i++)
        inverse[i * ROUND + i] = scale_of(i, model);
    edx_linalg_forward(ROUND, d->small, ROUND, inverse);
    edx_linalg_inner(ROUND, ROUND, 1, inverse, d->shift, mean);
    edx_linalg_inner(ROUND, ROUND, ROUND, inverse, inverse, covariance);
    mean[ROUND] = -1;
    for (uint32_t i = 0; i < WIDTH; i++)
        for (uint32_t j = 0; j < WIDTH; j++)
            to[i * WIDTH + j] +=
                weight *
                (mean[i] * mean[j] + (i < ROUND && j < ROUND ? covariance[i * ROUND + j] : 0));
}

/* What the waves say when the round functions' coefficients are known: their covariance into
 * product, and their mean, that without any in the last column of reply, less the others times
 * those. */
static void reply(edx_denoise_maps *d)
{
    uint32_t m = d->n_waves;

    memset(d->inverse, 0, (size_t)m * m * sizeof *d->inverse);
    for (uint32_t i = 0; i < m; i++)
        d->inverse[(size_t)i * m + i] = d->scale[i];
    edx_linalg_forward(m, d->factor, m, d->inverse);
    edx_linalg_inner(m, m, WIDTH, d->inverse, d->white, d->reply);
    edx_linalg_inner(m, m, m, d->inverse, d->inverse, d->product);
}

/* Adds the moments of all functions, round [WIDTH, WIDTH] those that add_round has added. */
static void add_waves(edx_denoise_maps *d, const double *round)
{
    uint32_t m = d->n_waves;
    edx_patch_sums *to = &d->moments;

    edx_linalg_times(m, WIDTH, WIDTH, 1, d->reply, round, 0, d->mixed);
    for (uint32_t i = 0; i < m; i++) {
        for (uint32_t k = 0; k < WIDTH; k++) {
            to->across[(size_t)i * WIDTH + k] +=
                (k < ROUND ? -1 : 1) * d->mixed[(size_t)i * WIDTH + k];
            d->flipped[(size_t)k * m + i] = d->reply[(size_t)i * WIDTH + k];
        }
    }
    edx_linalg_times(m, WIDTH, m, 1, d->mixed, d->flipped, 1, to->waves);
    for (size_t i = 0; i < (size_t)m * m; i++)
        to->waves[i] += round[ROUND * WIDTH + ROUND] * d->product[i];
    for (uint32_t i = 0; i < ROUND; i++) {
        for (uint32_t j = 0; j < ROUND; j++)
            to->round[i * WIDTH + j] += round[i * WIDTH + j];
        to->round[i * WIDTH + ROUND] -= round[i * WIDTH + ROUND];
    }
}

/* Adds all models of a blur that are above least to the mixture; most weighs 1 / sum. */
static void add_blur(edx_denoise_maps *d, uint32_t blur, double least, double most, double sum)
{
    double round[WIDTH * WIDTH] = {0}, unused, tau = wave_tau(blur);
    bool any = false;

    for (uint32_t r = 0; r < TAUS; r++)
        any = any || d->weights[r * BLURS + blur] > least;
    if (!any || !factorise(d, blur, &unused))
        return;
    for (uint32_t r = 0; r < TAUS; r++) {
        double weight = d->weights[r * BLURS + blur];
        if (weight > least)
            add_round(d, r * BLURS + blur, exp(weight - most) / sum, round);
    }
    reply(d);
    add_waves(d, round);
    d->unseen += round[ROUND * WIDTH + ROUND] * tau * tau * d->beyond[blur % SHAPES];
}

/* Second moments become the covariance. */
static void centre(edx_denoise_maps *d)
{
    uint32_t m = d->n_waves;
    edx_patch_sums *s = &d->moments;

    for (uint32_t i = 0; i < m; i++) {
        double mean = s->across[(size_t)i * WIDTH + ROUND];
        for (uint32_t k = 0; k < ROUND; k++)
            s->across[(size_t)i * WIDTH + k] -= mean * s->round[k * WIDTH + ROUND];
        for (uint32_t j = 0; j < m; j++)
            s->waves[(size_t)i * m + j] -= mean * s->across[(size_t)j * WIDTH + ROUND];
    }
    for (uint32_t i = 0; i < ROUND; i++)
        for (uint32_t j = 0; j < ROUND; j++)
            s->round[i * WIDTH + j] -= s->round[i * WIDTH + ROUND] * s->round[j * WIDTH + ROUND];
}

/* Moments of the coefficients over all models but those fainter than faint. */
static void mix(edx_denoise_maps *d, double faint)
{
    double sum = 0, most = largest(d), least = most + log(faint);

    d->unseen = 0;
    memset(&d->moments, 0, sizeof d->moments);
    for (uint32_t i = 0; i < MODELS; i++)
        sum += d->weights[i] > least ? exp(d->weights[i] - most) : 0;
    for (uint32_t blur = 0; blur < BLURS; blur++)
        add_blur(d, blur, least, most, sum);
    centre(d);
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
            sum += in->net[f * pixels + index_of(d, in, i)];
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
    fill_box(d, in, element);
    for (uint32_t i = 0; i < d->n; i++) {
        look_around(d, i);
        d->pixels[i].mean = start - 1.0 / in->n;
    }
    for (int pass = 0; pass < 2; pass++) {
        observe(d, in->n);
        edx_patch_accumulate(d->patch, &d->sums);
        if (pass == 0)
            weigh_all(d);
        else
            weigh_again(d);
        if (!isfinite(largest(d)))
            return edx_fail(err, EDX_E_NUMERIC, "a particle's map is not finite");
        mix(d, pass == 0 ? ROUGHLY : FAINT);
        edx_patch_predict(d->patch, &d->moments);
    }
    return EDX_OK;
}

/* Writes element's answers; the last of two is what the first leaves. */
static void write_element(const edx_denoise_maps *d, const edx_denoise_maps_input *in,
                          uint32_t element, double *fraction, double *sigma)
{
    size_t pixels = (size_t)in->rows * in->cols;

    for (uint32_t i = 0; i < d->n; i++) {
        const edx_patch_pixel *one = &d->pixels[i];
        bool known = total_around(&d->spots[i]) > SIGNAL * sqrt(d->spots[i].spread);
        size_t at = element * pixels + index_of(d, in, i);
        fraction[at] = known ? one->mean + 1.0 / in->n : NAN;
        sigma[at] = known ? sqrt(fmax(one->variance + d->unseen, 0)) : NAN;
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
    shape_waves(d, input);
    bool known = input->n >= 2 && isfinite(whole(d, input, 0));
    for (uint32_t i = 0; !known && i < input->n * d->n; i++) {
        size_t at = i / d->n * pixels + index_of(d, input, i % d->n);
        fraction[at] = sigma[at] = NAN;
    }
    for (uint32_t e = 0; known && e < runs; e++) {
        status = denoise(d, input, e, whole(d, input, e), err);
        if (status != EDX_OK)
            return status;
        write_element(d, input, e, fraction, sigma);
    }
    for (uint32_t i = 0; known && i < d->n; i++)
        finish(input, index_of(d, input, i), fraction, sigma);
    return EDX_OK;
}
