#include "analysis/lstsq.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/linalg.h"

#define DISTINCT 0.01 /* of a template's square that the ones before it must not explain */
#define FLOOR 0.01    /* of the mean channel */

struct edx_lstsq {
    uint32_t t, channels;
    edx_lstsq_problem problem;
    uint32_t *kept; /* [active] places in which */
    uint32_t active;
    double *design;  /* [channels used, n] */
    double *normal;  /* [n, n] */
    double *factor;  /* [active, active] */
    double *unit;    /* [n] 1 / sqrt of the normal matrix' diagonal */
    double *weights; /* [E] */
    double *roots;   /* [E] of the weights */
    uint32_t *from;  /* [n] channels from .. to - 1 hold all that the template has */
    uint32_t *to;    /* [n] */
    double *wide;    /* [active, channels used] */
};

edx_status edx_lstsq_new(uint32_t t, uint32_t channels, edx_lstsq **out, edx_error *err)
{
    edx_lstsq *l = calloc(1, sizeof *l);
    size_t cells = (size_t)t * channels;

    edx_linalg_init();
    if (l) {
        l->t = t;
        l->channels = channels;
        l->kept = calloc(t, sizeof *l->kept);
        l->design = calloc(cells, sizeof *l->design);
        l->normal = calloc((size_t)t * t, sizeof *l->normal);
        l->factor = calloc((size_t)t * t, sizeof *l->factor);
        l->unit = calloc(t, sizeof *l->unit);
        l->weights = calloc(channels, sizeof *l->weights);
        l->roots = calloc(channels, sizeof *l->roots);
        l->from = calloc(t, sizeof *l->from);
        l->to = calloc(t, sizeof *l->to);
        l->wide = calloc(cells, sizeof *l->wide);
    }
    if (!l || !l->kept || !l->design || !l->normal || !l->factor || !l->unit || !l->weights ||
        !l->roots || !l->from || !l->to || !l->wide) {
        edx_lstsq_free(&l);
        return edx_fail(err, EDX_E_NOMEM, "no memory to fit %u templates", t);
    }
    *out = l;
    return EDX_OK;
}

void edx_lstsq_free(edx_lstsq **lstsq)
{
    edx_lstsq *l = *lstsq;

    *lstsq = NULL;
    if (!l)
        return;
    free(l->kept);
    free(l->design);
    free(l->normal);
    free(l->factor);
    free(l->unit);
    free(l->weights);
    free(l->roots);
    free(l->from);
    free(l->to);
    free(l->wide);
    free(l);
}

/* ---- preparation ---- */

static const double *shape(const edx_lstsq *l, uint32_t place)
{
    return l->problem.shapes + (size_t)l->problem.which[place] * l->problem.channels;
}

/* Lines are narrow: where they are zero there is nothing to multiply. */
static void find_extent(edx_lstsq *l, uint32_t place)
{
    const double *s = shape(l, place);
    uint32_t from = l->problem.first, to = l->problem.end;

    while (from < to && s[from] == 0)
        from++;
    while (to > from && s[to - 1] == 0)
        to--;
    l->from[place] = from;
    l->to[place] = to;
}

/* The normal matrix, scaled to a diagonal of ones (zeros for templates that are zero). */
static void multiply(edx_lstsq *l)
{
    const edx_lstsq_problem *p = &l->problem;
    uint32_t n = p->n, used = p->end - p->first;

    if (n == 0)
        return;
    for (uint32_t c = p->first; c < p->end; c++)
        l->roots[c] = sqrt(l->weights[c]);
    memset(l->design, 0, sizeof *l->design * n * used);
    for (uint32_t i = 0; i < n; i++) {
        const double *s = shape(l, i);
        find_extent(l, i);
        for (uint32_t c = l->from[i]; c < l->to[i]; c++)
            l->design[(size_t)(c - p->first) * n + i] = s[c] * l->roots[c];
    }
    edx_linalg_inner(used, n, n, l->design, l->design, l->normal);
    for (uint32_t i = 0; i < n; i++) {
        double square = l->normal[i * n + i];
        l->unit[i] = square > 0 ? 1 / sqrt(square) : 0;
    }
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < n; j++)
            l->normal[i * n + j] *= l->unit[i] * l->unit[j];
}

/* Next row of the Cholesky factor, for the template at place; what is left of its diagonal. */
static double extend(edx_lstsq *l, uint32_t place)
{
    double *row = l->factor + (size_t)l->active * l->t;
    double left = l->normal[place * l->problem.n + place];

    for (uint32_t k = 0; k < l->active; k++) {
        const double *before = l->factor + (size_t)k * l->t;
        double sum = l->normal[place * l->problem.n + l->kept[k]];
        for (uint32_t j = 0; j < k; j++)
            sum -= row[j] * before[j];
        row[k] = sum / before[k];
        left -= row[k] * row[k];
    }
    return left;
}

/* Factors what is distinct; then packs the factor's rows. */
static void factor(edx_lstsq *l)
{
    l->active = 0;
    for (uint32_t i = 0; i < l->problem.n; i++) {
        double left = extend(l, i);
        if (!(left > DISTINCT))
            continue;
        l->factor[(size_t)l->active * l->t + l->active] = sqrt(left);
        l->kept[l->active++] = i;
    }
    for (uint32_t i = 1; i < l->active; i++)
        memmove(l->factor + (size_t)i * l->active, l->factor + (size_t)i * l->t,
                sizeof *l->factor * l->active);
}

edx_status edx_lstsq_prepare(edx_lstsq *lstsq, const edx_lstsq_problem *problem,
                             const double *weights, edx_error *err)
{
    lstsq->problem = *problem;
    if (problem->n > lstsq->t || problem->channels > lstsq->channels)
        return edx_fail(err, EDX_E_RANGE, "%u templates of %u channels, expected %u of %u at most",
                        problem->n, problem->channels, lstsq->t, lstsq->channels);
    memcpy(lstsq->weights, weights, sizeof *weights * problem->channels);
    multiply(lstsq);
    for (size_t i = 0; i < (size_t)problem->n * problem->n; i++)
        if (!isfinite(lstsq->normal[i]))
            return edx_fail(err, EDX_E_NUMERIC, "templates or weights that are not finite");
    factor(lstsq);
    return EDX_OK;
}

/* ---- solution ---- */

void edx_lstsq_solve(edx_lstsq *lstsq, const double *spectrum, double *amplitudes, double *fitted)
{
    const edx_lstsq_problem *p = &lstsq->problem;
    double *b = lstsq->wide;

    for (uint32_t k = 0; k < lstsq->active; k++) {
        uint32_t place = lstsq->kept[k];
        const double *s = shape(lstsq, place);
        double sum = 0;
        for (uint32_t c = lstsq->from[place]; c < lstsq->to[place]; c++)
            sum += s[c] * lstsq->weights[c] * spectrum[c];
        b[k] = sum * lstsq->unit[place];
    }
    edx_linalg_solve(lstsq->active, lstsq->factor, 1, b);
    memset(amplitudes, 0, sizeof *amplitudes * p->n);
    for (uint32_t k = 0; k < lstsq->active; k++)
        amplitudes[lstsq->kept[k]] = b[k] * lstsq->unit[lstsq->kept[k]];
    if (!fitted)
        return;
    memset(fitted, 0, sizeof *fitted * p->channels);
    for (uint32_t i = 0; i < p->n; i++) {
        const double *s = shape(lstsq, i);
        for (uint32_t c = lstsq->from[i]; amplitudes[i] != 0 && c < lstsq->to[i]; c++)
            fitted[c] += amplitudes[i] * s[c];
    }
}

void edx_lstsq_rows(edx_lstsq *lstsq, double *rows)
{
    const edx_lstsq_problem *p = &lstsq->problem;
    uint32_t used = p->end - p->first;

    for (uint32_t k = 0; k < lstsq->active; k++) {
        const double *s = shape(lstsq, lstsq->kept[k]) + p->first;
        double unit = lstsq->unit[lstsq->kept[k]];
        for (uint32_t c = 0; c < used; c++)
            lstsq->wide[(size_t)k * used + c] = unit * s[c] * lstsq->weights[p->first + c];
    }
    edx_linalg_solve(lstsq->active, lstsq->factor, used, lstsq->wide);
    memset(rows, 0, sizeof *rows * p->n * p->channels);
    for (uint32_t k = 0; k < lstsq->active; k++) {
        double unit = lstsq->unit[lstsq->kept[k]];
        double *row = rows + (size_t)lstsq->kept[k] * p->channels + p->first;
        for (uint32_t c = 0; c < used; c++)
            row[c] = unit * lstsq->wide[(size_t)k * used + c];
    }
}

/* ---- counts ---- */

static void weigh(const edx_lstsq_problem *p, const double *expected, double least, double *weights)
{
    memset(weights, 0, sizeof *weights * p->channels);
    for (uint32_t c = p->first; c < p->end; c++)
        weights[c] = 1 / fmax(expected[c], least);
}

edx_status edx_lstsq_poisson(edx_lstsq *lstsq, const edx_lstsq_problem *problem, int times,
                             const double *spectrum, double *weights, double *amplitudes,
                             double *fitted, edx_error *err)
{
    double sum = 0;

    for (uint32_t c = problem->first; c < problem->end; c++)
        sum += spectrum[c];
    if (!isfinite(sum))
        return edx_fail(err, EDX_E_NUMERIC, "a spectrum that is not finite");
    double least = sum > 0 ? FLOOR * sum / (problem->end - problem->first) : 1;
    weigh(problem, spectrum, fmax(least, 1), weights);
    edx_status status = EDX_OK;
    for (int i = 0; i < times && status == EDX_OK; i++) {
        status = edx_lstsq_prepare(lstsq, problem, weights, err);
        if (status != EDX_OK)
            break;
        edx_lstsq_solve(lstsq, spectrum, amplitudes, fitted);
        if (i + 1 < times)
            weigh(problem, fitted, least, weights);
    }
    return status;
}
