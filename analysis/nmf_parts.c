#include <math.h>

#include "analysis/nmf_inside.h"

/* ---- lines ---- */

static double dot(const float *spectrum, const double *row, uint32_t channels)
{
    double sum = 0;

    for (uint32_t c = 0; c < channels; c++)
        sum += (double)spectrum[c] * row[c];
    return sum;
}

void edx_nmf_share(const edx_nmf *nmf, const double *rows, uint32_t n, double *share)
{
    for (uint32_t i = 0; i < n; i++) {
        double sum = 0;
        for (uint32_t k = 0; k < nmf->k; k++) {
            const float *spectrum = nmf->spectra + (size_t)k * nmf->channels;
            double net =
                nmf->totals[k] * dot(spectrum, rows + (size_t)i * nmf->channels, nmf->channels);
            share[(size_t)k * n + i] = net;
            sum += net;
        }
        for (uint32_t k = 0; k < nmf->k; k++)
            share[(size_t)k * n + i] = sum > 0 ? share[(size_t)k * n + i] / sum : 0;
    }
}

/* ---- particles ---- */

/* Sums over one side of the mask. */
typedef struct side {
    double n, sum, square;
} side;

#define NUMBERS (sizeof(side) / sizeof(double))

static void add(side *s, double value)
{
    s->n++;
    s->sum += value;
    s->square += value * value;
}

static double mean_of(const side *s)
{
    return s->n > 0 ? s->sum / s->n : 0;
}

/* Variance of the mean. */
static double variance_of(const side *s)
{
    if (s->n < 2)
        return s->n > 0 ? s->square : 0;
    double mean = s->sum / s->n, spread = s->square / s->n - mean * mean;
    return spread > 0 ? spread / (s->n - 1) : 0;
}

static bool confined(const edx_nmf *n, const float *map, const uint8_t *inside)
{
    side sides[2] = {{0}};
    const side *in = &sides[1], *out = &sides[0];

    for (uint32_t i = 0; i < n->pixels; i++)
        if (n->counts[i] > 0)
            add(&sides[inside[i] != 0], (double)map[i]);
    edx_pool_sum(n->pool, EDX_F8, sides, 2 * NUMBERS);
    double sigma = sqrt(variance_of(in) + variance_of(out)), a = mean_of(in), b = mean_of(out);
    return a > 0 && b < EDX_NMF_OUTSIDE * a && a - b > EDX_NMF_SIGMAS * sigma;
}

/* Net counts of a line in component k, and their variance. */
static double net_of(const edx_nmf *n, uint32_t k, const double *row, double *variance)
{
    const float *spectrum = n->spectra + (size_t)k * n->channels;
    double net = 0, sum = 0;

    for (uint32_t c = 0; c < n->channels; c++) {
        net += (double)spectrum[c] * row[c];
        sum += (double)spectrum[c] * row[c] * row[c];
    }
    *variance = n->totals[k] * sum;
    return n->totals[k] * net;
}

static bool carries(const edx_nmf *n, uint32_t k, const double *row)
{
    double all = 0, variance, other;
    double net = net_of(n, k, row, &variance);

    for (uint32_t j = 0; j < n->k; j++)
        all += net_of(n, j, row, &other);
    return net > EDX_NMF_SIGMAS * sqrt(variance) && net > EDX_NMF_CARRIES * all;
}

void edx_nmf_particle(edx_nmf *nmf, const uint8_t *inside, const double *rows, uint32_t n,
                      const bool *quantified, bool *particle)
{
    edx_nmf_pass_get(nmf->pass, NULL, nmf->maps);
    for (uint32_t k = 0; k < nmf->k; k++) {
        particle[k] = false;
        if (!confined(nmf, nmf->maps + (size_t)k * nmf->pixels, inside))
            continue;
        for (uint32_t i = 0; i < n && !particle[k]; i++)
            particle[k] = quantified[i] && carries(nmf, k, rows + (size_t)i * nmf->channels);
    }
}
