#include <math.h>
#include <string.h>

#include "analysis/linalg.h"
#include "analysis/nmf_inside.h"

#define FIRST_STEPS 10 /* of expectation maximisation, which no start troubles */
#define MOST_STEPS 100 /* of Newton; ten do */
#define MOST_HALVINGS 30
/* Of the counts: how much a coefficient may be wrong by, as its slope tells. */
#define PRECISE 1e-10
/* Of the counts: what a coefficient at 0 gets that is to grow. */
#define BIT 1e-6
/* What sums of logarithms cannot tell apart. */
#define ROUNDING 1e-13

/* One spectrum s and what is tried for it: f(w) = sum of p - s log p, p = sum over k of w_k h_k. */
typedef struct fit {
    uint32_t channels, k;
    const float *h;  /* [channels, k] */
    const double *s; /* [channels] */
    double counts;   /* in channels that h explains */
    double w[EDX_NMF_WIDEST];
    double slope[EDX_NMF_WIDEST];
    double curve[EDX_NMF_WIDEST * EDX_NMF_WIDEST];
} fit;

static double expected(const fit *f, const double *w, uint32_t channel)
{
    const float *h = f->h + (size_t)channel * f->k;
    double p = 0;

    for (uint32_t k = 0; k < f->k; k++)
        p += w[k] * (double)h[k];
    return p;
}

/* Whether some component has this channel. */
static bool explained(const fit *f, uint32_t channel)
{
    for (uint32_t k = 0; k < f->k; k++)
        if (f->h[(size_t)channel * f->k + k] > 0)
            return true;
    return false;
}

static double value_of(const fit *f, const double *w)
{
    double sum = 0;

    for (uint32_t k = 0; k < f->k; k++)
        sum += w[k];
    for (uint32_t c = 0; c < f->channels; c++)
        if (f->s[c] > 0 && explained(f, c))
            sum -= f->s[c] * log(expected(f, w, c));
    return sum;
}

/* Slopes, and where curved, second derivatives. */
static void derive(fit *f, bool curved)
{
    for (uint32_t k = 0; k < f->k; k++)
        f->slope[k] = 1;
    memset(f->curve, 0, sizeof *f->curve * f->k * f->k);
    for (uint32_t c = 0; c < f->channels; c++) {
        const float *h = f->h + (size_t)c * f->k;
        double p = f->s[c] > 0 ? expected(f, f->w, c) : 0;
        if (!(p > 0))
            continue;
        for (uint32_t k = 0; k < f->k; k++) {
            double part = f->s[c] / p * (double)h[k];
            f->slope[k] -= part;
            for (uint32_t j = 0; curved && j <= k; j++)
                f->curve[k * f->k + j] += part / p * (double)h[j];
        }
    }
}

/* What the step is for those that the slope drives below 0 at once: to 0, and the others' steps do
 * not count on them (Bertsekas 1982; else clipped steps spoil each other). */
static bool ends(const fit *f, uint32_t k)
{
    return f->slope[k] >= 0 && f->w[k] * f->curve[k * f->k + k] <= f->slope[k];
}

static bool done(const fit *f)
{
    for (uint32_t k = 0; k < f->k; k++) {
        if (f->w[k] > 0 && fabs(f->slope[k]) * f->w[k] > PRECISE * f->counts)
            return false;
        if (!(f->w[k] > 0) && f->slope[k] < -PRECISE)
            return false;
    }
    return true;
}

/* Newton's step; false where there is none. */
static bool newton(const fit *f, double *step)
{
    double matrix[EDX_NMF_WIDEST * EDX_NMF_WIDEST], right[EDX_NMF_WIDEST];
    uint32_t at[EDX_NMF_WIDEST], n = 0;

    for (uint32_t k = 0; k < f->k; k++) {
        step[k] = -f->w[k];
        if (!ends(f, k))
            at[n++] = k;
    }
    for (uint32_t i = 0; i < n; i++) {
        right[i] = -f->slope[at[i]];
        for (uint32_t j = 0; j <= i; j++)
            matrix[i * n + j] = matrix[j * n + i] = f->curve[at[i] * f->k + at[j]];
        matrix[i * n + i] *= 1 + 1e-10;
        matrix[i * n + i] += 1e-12 / (1 + f->counts);
    }
    if (n > 0 && edx_linalg_cholesky(n, matrix, NULL) != EDX_OK)
        return false;
    if (n > 0)
        edx_linalg_solve(n, matrix, 1, right);
    for (uint32_t i = 0; i < n; i++)
        step[at[i]] = right[i];
    return true;
}

/* What always goes down: one step of expectation maximisation, from above 0 where 0 is no end. */
static void share_out(fit *f)
{
    for (uint32_t k = 0; k < f->k; k++)
        if (!(f->w[k] > 0) && f->slope[k] < 0)
            f->w[k] = BIT * f->counts;
    derive(f, false);
    for (uint32_t k = 0; k < f->k; k++)
        f->w[k] *= 1 - f->slope[k];
}

/* As far along step as f falls, or as good as stays; false where it does not. */
static bool walk(fit *f, const double *step)
{
    double before = value_of(f, f->w), length = 1, tried[EDX_NMF_WIDEST];

    for (int i = 0; i < MOST_HALVINGS; i++, length /= 2) {
        for (uint32_t k = 0; k < f->k; k++)
            tried[k] = fmax(0, f->w[k] + length * step[k]);
        if (value_of(f, tried) <= before + ROUNDING * fabs(before)) {
            memcpy(f->w, tried, sizeof *tried * f->k);
            return true;
        }
    }
    return false;
}

static void solve(fit *f)
{
    double step[EDX_NMF_WIDEST];

    for (int i = 0; i < FIRST_STEPS; i++)
        share_out(f);
    for (int i = 0; i < MOST_STEPS; i++) {
        derive(f, true);
        if (done(f))
            return;
        if (!newton(f, step) || !walk(f, step))
            share_out(f);
    }
}

typedef struct job {
    const edx_nmf *nmf;
    const double *spectra;
    double *coefficients;
} job;

static void project(void *context, uint32_t index, uint32_t worker)
{
    const job *j = context;
    const edx_nmf *n = j->nmf;
    fit f = {.channels = n->channels, .k = n->k, .h = n->start};
    double total = 0;

    (void)worker;
    f.s = j->spectra + (size_t)index * n->channels;
    for (uint32_t c = 0; c < f.channels; c++)
        if (f.s[c] > 0 && explained(&f, c))
            f.counts += f.s[c];
    for (uint32_t k = 0; k < n->k; k++)
        total += n->totals[k];
    for (uint32_t k = 0; k < n->k; k++)
        f.w[k] = f.counts * (0.9 * (total > 0 ? n->totals[k] / total : 0) + 0.1 / n->k);
    if (f.counts > 0)
        solve(&f);
    memcpy(j->coefficients + (size_t)index * n->k, f.w, sizeof *f.w * n->k);
}

edx_status edx_nmf_project(edx_nmf *nmf, const double *spectra, uint32_t m, double *coefficients,
                           edx_error *err)
{
    job j = {nmf, spectra, coefficients};

    for (size_t i = 0; i < (size_t)m * nmf->channels; i++)
        if (!(spectra[i] >= 0 && spectra[i] < INFINITY))
            return edx_fail(err, EDX_E_NUMERIC, "spectrum %zu, channel %zu: %g, expected counts",
                            i / nmf->channels, i % nmf->channels, spectra[i]);
    for (uint32_t c = 0; c < nmf->channels; c++)
        for (uint32_t k = 0; k < nmf->k; k++)
            nmf->start[(size_t)c * nmf->k + k] = nmf->spectra[(size_t)k * nmf->channels + c];
    edx_pool_run(nmf->pool, m, project, &j);
    return EDX_OK;
}
