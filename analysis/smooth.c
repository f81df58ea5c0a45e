#include "analysis/smooth.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/linalg.h"

#define KERNELS 4u
#define TAUS 24u
#define TAU_LEAST 0.002
#define TAU_MOST 0.6
#define TAU_USUAL 0.1 /* of the half-normal prior over tau */
#define LEVEL 0.3     /* prior sigma of what is common to all places */
#define SLOPE 0.06    /* prior sigma of the slope, of integrated kernels */
#define MANY 192u     /* unknowns above which fewer tau are tried */
#define MOST 1536u
#define FAINT 1e-14 /* weight, relative to the largest, of what cannot be seen */

struct edx_smooth {
    uint32_t room; /* d for which there is memory */
    double *block;
    double *prior, *factor, *gain; /* [d, d] */
    double *residual, *white;      /* [d] */
    double *shift;                 /* [d] one model's mean, less the prior's */
};

/* One question. */
typedef struct question {
    uint32_t n, m, d;
    const double *u, *noise;
} question;

edx_status edx_smooth_new(edx_smooth **out, edx_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory for smoothing");
}

void edx_smooth_free(edx_smooth **smooth)
{
    if (!*smooth)
        return;
    free((*smooth)->block);
    free(*smooth);
    *smooth = NULL;
}

static edx_status reserve(edx_smooth *s, uint32_t d, edx_error *err)
{
    size_t square = (size_t)d * d;

    if (d > MOST)
        return edx_fail(err, EDX_E_RANGE, "smoothing %u fractions, expected at most %u", d, MOST);
    if (d <= s->room)
        return EDX_OK;
    double *block = realloc(s->block, (3 * square + 3 * (size_t)d) * sizeof *block);
    if (!block)
        return edx_fail(err, EDX_E_NOMEM, "no memory to smooth %u fractions", d);
    s->block = block;
    s->prior = block;
    s->factor = s->prior + square;
    s->gain = s->factor + square;
    s->residual = s->gain + square;
    s->white = s->residual + d;
    s->shift = s->white + d;
    s->room = d;
    return EDX_OK;
}

/* ---- prior ---- */

static double step_kernel(double x, double y)
{
    return fmin(x, y);
}

static double integrated_kernel(double x, double y)
{
    double m = fmin(x, y), most = fmax(x, y);
    return m * m * (most - m / 3.0) / 2.0;
}

/* Covariance of one element's fraction at two places. */
static double between(uint32_t kernel, double tau, double u, double v, double last)
{
    bool root = kernel % 2 == 1, integrated = kernel >= 2;
    double x = root ? sqrt(u) : u, y = root ? sqrt(v) : v, z = root ? sqrt(last) : last;
    double scale = integrated ? integrated_kernel(z, z) : step_kernel(z, z);
    double k = integrated ? integrated_kernel(x, y) : step_kernel(x, y);
    double sum = LEVEL * LEVEL + (scale > 0 ? tau * tau * k / scale : 0);
    return integrated ? sum + SLOPE * SLOPE * x * y : sum;
}

static void fill_prior(edx_smooth *s, const question *q, uint32_t kernel, double tau)
{
    uint32_t m = q->m, d = q->d;
    double last = q->u[m - 1], other = -1.0 / (q->n - 1.0);

    for (uint32_t i = 0; i < m; i++)
        for (uint32_t j = 0; j < m; j++) {
            double k = between(kernel, tau, q->u[i], q->u[j], last);
            for (uint32_t e = 0; e + 1 < q->n; e++)
                for (uint32_t f = 0; f + 1 < q->n; f++)
                    s->prior[((size_t)e * m + i) * d + (size_t)f * m + j] = e == f ? k : other * k;
        }
}

/* ---- one model ---- */

static double tau_of(uint32_t index)
{
    return TAU_LEAST * pow(TAU_MOST / TAU_LEAST, index / (TAUS - 1.0));
}

/* Leaves the factor of prior + noise and the residual it whitens. False: not positive definite. */
static bool factorise(edx_smooth *s, const question *q, uint32_t kernel, double tau)
{
    size_t square = (size_t)q->d * q->d;

    fill_prior(s, q, kernel, tau);
    for (size_t i = 0; i < square; i++)
        s->factor[i] = s->prior[i] + q->noise[i];
    if (edx_linalg_cholesky(q->d, s->factor, NULL) != EDX_OK)
        return false;
    memcpy(s->white, s->residual, q->d * sizeof *s->white);
    edx_linalg_forward(q->d, s->factor, 1, s->white);
    return true;
}

/* Logarithm of a model's weight: prior over tau times marginal likelihood, but for a constant. */
static double evidence(edx_smooth *s, const question *q, uint32_t kernel, double tau)
{
    double part = tau / TAU_USUAL;

    if (!factorise(s, q, kernel, tau))
        return -INFINITY;
    double sum = log(tau) - 0.5 * part * part;
    for (uint32_t i = 0; i < q->d; i++)
        sum -= 0.5 * s->white[i] * s->white[i] + log(s->factor[(size_t)i * q->d + i]);
    return isfinite(sum) ? sum : -INFINITY;
}

/* Adds a model's posterior, weighted, to the moments about the prior's mean. */
static void add_model(edx_smooth *s, const question *q, uint32_t kernel, double tau, double weight,
                      double *mean, double *second)
{
    uint32_t d = q->d;
    double *explained = s->factor;

    if (!factorise(s, q, kernel, tau))
        return;
    memcpy(s->gain, s->prior, (size_t)d * d * sizeof *s->gain);
    edx_linalg_forward(d, s->factor, d, s->gain);
    edx_linalg_inner(d, d, 1, s->gain, s->white, s->shift);
    edx_linalg_inner(d, d, d, s->gain, s->gain, explained);
    for (uint32_t i = 0; i < d; i++) {
        mean[i] += weight * s->shift[i];
        for (uint32_t j = 0; j < d; j++) {
            size_t at = (size_t)i * d + j;
            second[at] += weight * (s->prior[at] - explained[at] + s->shift[i] * s->shift[j]);
        }
    }
}

/* ---- mixture ---- */

static uint32_t stride(uint32_t d)
{
    return d > MANY ? 4 : 1;
}

/* Logarithms of all weights; the largest is returned. */
static double weigh(edx_smooth *s, const question *q, double *weights)
{
    double most = -INFINITY;

    for (uint32_t i = 0; i < KERNELS * TAUS; i++) {
        bool tried = i % TAUS % stride(q->d) == 0;
        weights[i] = tried ? evidence(s, q, i / TAUS, tau_of(i % TAUS)) : -INFINITY;
        most = fmax(most, weights[i]);
    }
    return most;
}

static void mix(edx_smooth *s, const question *q, const double *weights, double most, double *mean,
                double *covariance)
{
    uint32_t d = q->d;
    double sum = 0;

    memset(mean, 0, d * sizeof *mean);
    memset(covariance, 0, (size_t)d * d * sizeof *covariance);
    for (uint32_t i = 0; i < KERNELS * TAUS; i++)
        sum += exp(weights[i] - most);
    for (uint32_t i = 0; i < KERNELS * TAUS; i++) {
        double weight = exp(weights[i] - most);
        if (weight > FAINT)
            add_model(s, q, i / TAUS, tau_of(i % TAUS), weight / sum, mean, covariance);
    }
    for (uint32_t i = 0; i < d; i++)
        for (uint32_t j = 0; j < d; j++)
            covariance[(size_t)i * d + j] -= mean[i] * mean[j];
    for (uint32_t i = 0; i < d; i++)
        mean[i] += 1.0 / q->n;
}

edx_status edx_smooth_rings(edx_smooth *smooth, uint32_t n, uint32_t m, const double *u,
                            const double *value, const double *noise, double *mean,
                            double *covariance, edx_error *err)
{
    double weights[KERNELS * TAUS];
    uint64_t d = (uint64_t)(n > 1 ? n - 1 : 0) * m;
    const question q = {n, m, d > MOST ? MOST + 1 : (uint32_t)d, u, noise};

    if (d == 0)
        return EDX_OK;
    edx_status status = reserve(smooth, q.d, err);
    if (status != EDX_OK)
        return status;
    for (uint32_t i = 0; i < q.d; i++)
        smooth->residual[i] = value[i] - 1.0 / n;
    double most = weigh(smooth, &q, weights);
    if (!isfinite(most))
        return edx_fail(err, EDX_E_NUMERIC,
                        "smoothing %u fractions: their covariance is not positive definite", q.d);
    mix(smooth, &q, weights, most, mean, covariance);
    return EDX_OK;
}
