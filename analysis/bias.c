#include "analysis/bias.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/linalg.h"
#include "analysis/numeric.h"

struct edx_bias {
    uint32_t n, m, groups;
    uint32_t full; /* groups that hold counts */
    double *block;
    size_t room;
    double *k;                  /* [n] */
    double *judged;             /* [m] not 0: tests look at it */
    double *counts;             /* [G] of all rings */
    double *net;                /* [G, m, n] k N */
    double *covariance;         /* [G, m, n, n] of k N */
    double *difference, *noise; /* [n, m] */
    double *matrix, *vector;    /* [n, n], [n, 2] */
    double *outwards;           /* [m] 0 inside, 1 outside */
    /* d fitted by a level and a rise outwards, n - 1 elements each */
    double *inverse;        /* [n - 1, n] cov^-1 and cov^-1 d of a ring */
    double *normal, *score; /* [2 (n - 1)] squared, and [2 (n - 1)] */
    double *factor, *root;  /* the same: what is left of them */
    double least, most;     /* of outwards, over the rings that were fitted */
};

/* ---- life ---- */

edx_status edx_bias_new(edx_bias **out, edx_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory for bias tests");
}

void edx_bias_free(edx_bias **bias)
{
    if (!*bias)
        return;
    free((*bias)->block);
    free(*bias);
    *bias = NULL;
}

static edx_status reserve(edx_bias *b, edx_error *err)
{
    size_t n = b->n, m = b->m, cells = b->groups * m;
    size_t all = 7 * n + 2 * m + b->groups + cells * n + cells * n * n + 2 * n * m + 10 * n * n;

    if (all > b->room) {
        double *block = realloc(b->block, all * sizeof *block);
        if (!block)
            return edx_fail(err, EDX_E_NOMEM, "no memory to test %u rings", b->m);
        b->block = block;
        b->room = all;
    }
    b->k = b->block;
    b->judged = b->k + n;
    b->counts = b->judged + m;
    b->net = b->counts + b->groups;
    b->covariance = b->net + cells * n;
    b->difference = b->covariance + cells * n * n;
    b->noise = b->difference + n * m;
    b->matrix = b->noise + n * m;
    b->vector = b->matrix + n * n;
    b->outwards = b->vector + 2 * n;
    b->inverse = b->outwards + m;
    b->normal = b->inverse + n * n;
    b->factor = b->normal + 4 * n * n;
    b->score = b->factor + 4 * n * n;
    b->root = b->score + 2 * n;
    return EDX_OK;
}

/* ---- raw counts ---- */

/* k N and their covariance of one spectrum; its counts are returned. */
static double load_spectrum(edx_bias *b, uint32_t channels, const double *windows,
                            const double *spectrum, double *net, double *covariance)
{
    uint32_t n = b->n;
    double sum = 0;

    memset(net, 0, n * sizeof *net);
    memset(covariance, 0, (size_t)n * n * sizeof *covariance);
    for (uint32_t c = 0; c < channels; c++) {
        double s = spectrum[c];
        if (s == 0)
            continue; /* a group's spectra are mostly empty */
        sum += s;
        for (uint32_t e = 0; e < n; e++) {
            double part = b->k[e] * windows[(size_t)e * channels + c] * s;
            net[e] += part;
            for (uint32_t f = 0; part != 0 && f < n; f++)
                covariance[e * n + f] += part * b->k[f] * windows[(size_t)f * channels + c];
        }
    }
    return sum;
}

/* From 0 at a quarter of the radius to 1 at three quarters. */
static double outwards(double mean_nm, double radius_nm)
{
    return radius_nm > 0 ? fmin(1, fmax(0, 2 * mean_nm / radius_nm - 0.5)) : 0;
}

edx_status edx_bias_load(edx_bias *bias, const edx_rings *rings, uint32_t n, const double *windows,
                         const double *k, const bool *judged, edx_error *err)
{
    edx_bias *b = bias;

    b->n = n;
    b->m = rings->m;
    b->groups = rings->groups;
    b->full = 0;
    edx_status status = reserve(b, err);
    if (status != EDX_OK) {
        b->n = b->m = b->groups = 0;
        return status;
    }
    memcpy(b->k, k, n * sizeof *k);
    for (uint32_t i = 0; i < b->m; i++) {
        b->judged[i] = judged == NULL || judged[i];
        b->outwards[i] = outwards(rings->mean_nm[i], rings->radius_nm);
    }
    for (uint32_t g = 0; g < b->groups; g++) {
        b->counts[g] = 0;
        for (uint32_t i = 0; i < b->m; i++) {
            size_t at = (size_t)g * b->m + i;
            b->counts[g] +=
                load_spectrum(b, rings->channels, windows, rings->group + at * rings->channels,
                              b->net + at * n, b->covariance + at * n * n);
        }
        b->full += b->counts[g] > 0;
    }
    return EDX_OK;
}

/* ---- differences ---- */

static double total_of(const edx_bias *b, const double *net)
{
    double sum = 0;
    for (uint32_t e = 0; e < b->n; e++)
        sum += net[e];
    return sum;
}

/* Adds one group's part of the numerators' covariance: P C P', P = 1 - F 1'. */
static void add_covariance(edx_bias *b, const double *fraction, const double *c)
{
    uint32_t n = b->n;
    double *columns = b->vector, all = 0;

    for (uint32_t e = 0; e < n; e++) {
        columns[e] = 0;
        for (uint32_t f = 0; f < n; f++)
            columns[e] += c[e * n + f];
        all += columns[e];
    }
    for (uint32_t e = 0; e < n; e++)
        for (uint32_t f = 0; f < n; f++)
            b->matrix[e * n + f] += c[e * n + f] - fraction[f] * columns[e] -
                                    fraction[e] * columns[f] + fraction[e] * fraction[f] * all;
}

/* d of one ring into difference and noise, its covariance into matrix [n, n]. False, and NaN: the
 * ring cannot be judged. */
static bool judge(edx_bias *b, const double *heldout, uint32_t i)
{
    uint32_t n = b->n, m = b->m;
    double sum = 0, *fraction = b->vector + n;

    memset(b->matrix, 0, (size_t)n * n * sizeof *b->matrix);
    for (uint32_t e = 0; e < n; e++)
        b->difference[e * m + i] = 0;
    for (uint32_t g = 0; g < b->groups; g++) {
        if (b->counts[g] == 0)
            continue;
        const double *net = b->net + ((size_t)g * m + i) * n;
        double total = total_of(b, net);
        sum += total;
        for (uint32_t e = 0; e < n; e++) {
            fraction[e] = heldout[((size_t)g * n + e) * m + i];
            b->difference[e * m + i] += net[e] - fraction[e] * total;
        }
        add_covariance(b, fraction, b->covariance + ((size_t)g * m + i) * n * n);
    }
    bool possible = n >= 2 && b->full >= 2 && b->judged[i] != 0 && sum > 0;
    for (uint32_t e = 0; e < n; e++) {
        double *d = &b->difference[e * m + i], noise = b->matrix[e * n + e] / (sum * sum);
        possible = possible && isfinite(*d) && noise > 0 && isfinite(noise);
        *d = possible ? *d / sum : NAN;
        b->noise[e * m + i] = possible ? noise : NAN;
    }
    for (uint32_t e = 0; !possible && e < n; e++)
        b->difference[e * m + i] = b->noise[e * m + i] = NAN;
    for (uint32_t at = 0; at < n * n; at++)
        b->matrix[at] /= sum * sum;
    return possible;
}

/* d' cov^-1 d of all elements but the last, and inverse; NaN where it cannot be had. */
static double chi2_of(edx_bias *b, uint32_t i)
{
    uint32_t n = b->n, side = n - 1;
    double sum = 0;

    for (uint32_t e = 0; e < side; e++) {
        memmove(b->matrix + (size_t)e * side, b->matrix + (size_t)e * n, side * sizeof *b->matrix);
        for (uint32_t f = 0; f < side; f++)
            b->inverse[e * n + f] = e == f;
        b->inverse[e * n + side] = b->difference[e * b->m + i];
    }
    if (edx_linalg_cholesky(side, b->matrix, NULL) != EDX_OK)
        return NAN;
    edx_linalg_solve(side, b->matrix, n, b->inverse);
    for (uint32_t e = 0; e < side; e++)
        sum += b->difference[e * b->m + i] * b->inverse[e * n + side];
    return sum;
}

/* ---- verdict ---- */

static void start_fit(edx_bias *b)
{
    uint32_t n = b->n;

    memset(b->normal, 0, 4 * (size_t)n * n * sizeof *b->normal);
    memset(b->score, 0, 2 * (size_t)n * sizeof *b->score);
    b->least = INFINITY;
    b->most = -INFINITY;
}

/* Adds ring i, whose inverse stands, to the fit of d = level + rise * outwards. */
static void fit_ring(edx_bias *b, uint32_t i)
{
    uint32_t n = b->n, side = n - 1;
    const double x[2] = {1, b->outwards[i]};

    b->least = fmin(b->least, x[1]);
    b->most = fmax(b->most, x[1]);
    for (uint32_t at = 0; at < 4 * side * side; at++) {
        uint32_t row = at / (2 * side), column = at % (2 * side);
        b->normal[at] +=
            x[row / side] * x[column / side] * b->inverse[row % side * n + column % side];
    }
    for (uint32_t row = 0; row < 2 * side; row++)
        b->score[row] += x[row / side] * b->inverse[row % side * n + side];
}

/* By how much the first terms of the fit lower chi2; NaN where they cannot be told apart. */
static double explained(edx_bias *b, uint32_t terms)
{
    uint32_t all = 2 * (b->n - 1);
    double sum = 0;

    for (uint32_t row = 0; row < terms; row++) {
        memcpy(b->factor + (size_t)row * terms, b->normal + (size_t)row * all,
               terms * sizeof *b->factor);
        b->root[row] = b->score[row];
    }
    if (edx_linalg_cholesky(terms, b->factor, NULL) != EDX_OK)
        return NAN;
    edx_linalg_forward(terms, b->factor, 1, b->root);
    for (uint32_t row = 0; row < terms; row++)
        sum += b->root[row] * b->root[row];
    return sum;
}

/* The smaller of two p, that of all rings and that of a rise from the centre to the surface, made
 * good for there being two; of one, where the rings do not reach from there to there. */
static double p_of(edx_bias *b, const edx_check *check)
{
    uint32_t side = b->n - 1;
    double p = edx_numeric_chi2_p(check->chi2, check->dof);

    if (!(b->most - b->least >= 0.5))
        return p;
    double rise = explained(b, 2 * side) - explained(b, side);
    if (!isfinite(rise))
        return p;
    return fmin(1, fmin(p / (1 - EDX_BIAS_RISE_SHARE),
                        edx_numeric_chi2_p(fmax(0, rise), side) / EDX_BIAS_RISE_SHARE));
}

void edx_bias_check(edx_bias *bias, const double *heldout, edx_check *out)
{
    *out = (edx_check){.p = 1};
    start_fit(bias);
    for (uint32_t i = 0; i < bias->m; i++) {
        double chi2 = judge(bias, heldout, i) ? chi2_of(bias, i) : NAN;
        if (!isfinite(chi2))
            continue;
        fit_ring(bias, i);
        out->chi2 += chi2;
        out->dof += bias->n - 1;
    }
    if (out->dof == 0)
        return;
    out->p = p_of(bias, out);
    out->passed = out->p >= EDX_BIAS_LEAST_P;
}

/* ---- error bars ---- */

/* Delete-a-group jackknife variance of element e in ring i. */
static double jackknife(const edx_bias *b, const double *heldout, uint32_t e, uint32_t i)
{
    double mean = 0, sum = 0;

    for (int pass = 0; pass < 2; pass++)
        for (uint32_t g = 0; g < b->groups; g++) {
            double value = heldout[((size_t)g * b->n + e) * b->m + i];
            if (b->counts[g] == 0)
                continue;
            if (pass == 0)
                mean += value / b->full;
            else
                sum += (value - mean) * (value - mean);
        }
    return sum * (b->full - 1.0) / b->full;
}

void edx_bias_jackknife(edx_bias *bias, const double *heldout, double *sigma)
{
    for (uint32_t i = 0; i < bias->m; i++) {
        bool possible = judge(bias, heldout, i);
        for (uint32_t e = 0; e < bias->n; e++) {
            size_t at = (size_t)e * bias->m + i;
            double d = bias->difference[at], noise = bias->noise[at];
            sigma[at] = possible
                            ? sqrt(jackknife(bias, heldout, e, i) + noise + fmax(0, d * d - noise))
                            : NAN;
        }
    }
}

const double *edx_bias_difference(const edx_bias *bias)
{
    return bias->difference;
}

const double *edx_bias_noise(const edx_bias *bias)
{
    return bias->noise;
}
