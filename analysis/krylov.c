#include "analysis/krylov.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/linalg.h"

#define BLOCKS 4u
/* A column of which less than this is new, relative to its length, is taken for rounding. */
#define NEW 1e-5
#define ROUNDING 1.2e-7 /* of an operator that works in single precision, of its largest value */

struct edx_krylov {
    uint32_t n, width;
    uint32_t blocks;       /* in use */
    double *q[BLOCKS];     /* [n, width] orthonormal */
    double *gq[BLOCKS];    /* what the operator makes of them */
    double *ritz, *g_ritz; /* [n, width] */
    double *scratch;       /* [n, width] */
    double *t;             /* [BLOCKS * width]^2 projected operator */
    double *vectors;       /* the same size */
    double *values;        /* [BLOCKS * width] */
    double *y;             /* [BLOCKS * width, width] */
    double *small;         /* [width, width] three times */
    double *work;
};

/* ---- life ---- */

static double *block(const edx_krylov *k)
{
    return calloc((size_t)k->n * k->width, sizeof(double));
}

static bool allocate(edx_krylov *k)
{
    size_t w = k->width, most = BLOCKS * w;
    bool got = true;

    for (uint32_t i = 0; i < BLOCKS; i++) {
        k->q[i] = block(k);
        k->gq[i] = block(k);
        got = got && k->q[i] != NULL && k->gq[i] != NULL;
    }
    k->ritz = block(k);
    k->g_ritz = block(k);
    k->scratch = block(k);
    k->t = calloc(most * most, sizeof *k->t);
    k->vectors = calloc(most * most, sizeof *k->vectors);
    k->values = calloc(most, sizeof *k->values);
    k->y = calloc(most * w, sizeof *k->y);
    k->small = calloc(3 * w * w, sizeof *k->small);
    k->work = calloc(edx_linalg_eigen_work((uint32_t)most), sizeof *k->work);
    return got && k->ritz != NULL && k->g_ritz != NULL && k->scratch != NULL && k->t != NULL &&
           k->vectors != NULL && k->values != NULL && k->y != NULL && k->small != NULL &&
           k->work != NULL;
}

edx_status edx_krylov_new(uint32_t n, uint32_t width, edx_krylov **out, edx_error *err)
{
    edx_krylov *k = calloc(1, sizeof *k);

    if (k != NULL) {
        k->n = n;
        k->width = width;
    }
    if (k == NULL || !allocate(k)) {
        edx_krylov_free(&k);
        return edx_fail(err, EDX_E_NOMEM, "no memory for blocks of %u x %u", n, width);
    }
    *out = k;
    return EDX_OK;
}

void edx_krylov_free(edx_krylov **krylov)
{
    edx_krylov *k = *krylov;

    *krylov = NULL;
    if (k == NULL)
        return;
    for (uint32_t i = 0; i < BLOCKS; i++) {
        free(k->q[i]);
        free(k->gq[i]);
    }
    free(k->ritz);
    free(k->g_ritz);
    free(k->scratch);
    free(k->t);
    free(k->vectors);
    free(k->values);
    free(k->y);
    free(k->small);
    free(k->work);
    free(k);
}

/* ---- orthogonal blocks ---- */

/* Takes out of v what it has of the unit vector locked. */
static void remove_locked(const edx_krylov *k, const double *locked, double *v)
{
    double *inner = k->small;

    if (locked == NULL)
        return;
    edx_linalg_inner(k->n, 1, k->width, locked, v, inner);
    edx_linalg_times(k->n, 1, k->width, -1, locked, inner, 1, v);
}

/* Takes out of v what it has of the blocks in use. */
static void remove_blocks(const edx_krylov *k, double *v)
{
    for (uint32_t b = 0; b < k->blocks; b++) {
        edx_linalg_inner(k->n, k->width, k->width, k->q[b], v, k->small);
        edx_linalg_times(k->n, k->width, k->width, -1, k->q[b], k->small, 1, v);
    }
}

/* Row j of the Cholesky factor of the inner products gram, columns scaled to length 1; 0 for a
 * column that brings nothing new. */
static void factor_row(uint32_t w, const double *gram, double *factor, uint32_t j)
{
    double length = sqrt(gram[j * w + j]);

    for (uint32_t i = 0; i <= j; i++) {
        double sum = gram[j * w + i];
        for (uint32_t m = 0; m < i; m++)
            sum -= factor[j * w + m] * factor[i * w + m];
        if (i < j)
            factor[j * w + i] = factor[i * w + i] > 0 ? sum / factor[i * w + i] : 0;
        else
            factor[j * w + j] = length > 0 && sum > NEW * NEW * length * length ? sqrt(sum) : 0;
    }
}

/* Column j of the inverse of the factor's transpose: what makes column j of the block a unit vector
 * orthogonal to those before. */
static void invert_column(uint32_t w, const double *factor, double *inverse, uint32_t j)
{
    for (uint32_t i = 0; i < w; i++)
        inverse[i * w + j] = 0;
    if (!(factor[j * w + j] > 0))
        return;
    inverse[j * w + j] = 1 / factor[j * w + j];
    for (uint32_t i = j; i-- > 0;) {
        double sum = 0;
        if (!(factor[i * w + i] > 0))
            continue;
        for (uint32_t m = i + 1; m <= j; m++)
            sum += factor[m * w + i] * inverse[m * w + j];
        inverse[i * w + j] = -sum / factor[i * w + i];
    }
}

/* out = the columns of v made orthonormal, each from itself and those before; 0 where there is
 * nothing new. Returns how many are not 0. */
static uint32_t orthonormal(const edx_krylov *k, const double *v, double *out)
{
    uint32_t w = k->width, kept = 0;
    double *gram = k->small, *factor = gram + (size_t)w * w, *inverse = factor + (size_t)w * w;

    edx_linalg_inner(k->n, w, w, v, v, gram);
    for (uint32_t j = 0; j < w; j++) {
        factor_row(w, gram, factor, j);
        kept += factor[j * w + j] > 0;
    }
    for (uint32_t j = 0; j < w; j++)
        invert_column(w, factor, inverse, j);
    edx_linalg_times(k->n, w, w, 1, v, inverse, 0, out);
    return kept;
}

/* Sets columns of v that are shorter than half a unit to 0. */
static void drop_short(const edx_krylov *k, double *v)
{
    uint32_t w = k->width;

    edx_linalg_inner(k->n, w, w, v, v, k->small);
    for (uint32_t j = 0; j < w; j++) {
        if (k->small[j * w + j] > 0.25)
            continue;
        for (uint32_t i = 0; i < k->n; i++)
            v[(size_t)i * w + j] = 0;
    }
}

/* Makes the next block of what is new in v, which is spoilt. False when nothing is. */
static bool next_block(edx_krylov *k, const double *locked, double *v)
{
    double *q = k->q[k->blocks];

    remove_locked(k, locked, v);
    remove_blocks(k, v);
    orthonormal(k, v, q);
    remove_locked(k, locked, q); /* twice is enough */
    remove_blocks(k, q);
    drop_short(k, q);
    memcpy(v, q, sizeof *v * k->n * k->width);
    return orthonormal(k, v, q) > 0;
}

/* ---- Rayleigh and Ritz ---- */

/* k->small is what the operator makes between blocks a and b. */
static void put_products(edx_krylov *k, uint32_t a, uint32_t b)
{
    uint32_t w = k->width, most = BLOCKS * w;

    for (uint32_t i = 0; i < w; i++)
        for (uint32_t j = 0; j < w; j++) {
            double value = k->small[i * w + j];
            k->t[(a * w + i) * most + b * w + j] = value;
            k->t[(b * w + j) * most + a * w + i] = value;
        }
}

/* The projected operator's rows and columns of the newest block. */
static void project(edx_krylov *k)
{
    uint32_t w = k->width, b = k->blocks - 1;

    for (uint32_t a = 0; a <= b; a++) {
        edx_linalg_inner(k->n, w, w, k->q[a], k->gq[b], k->small);
        put_products(k, a, b);
    }
}

static void combine(const edx_krylov *k, double *const *blocks, double *out)
{
    for (uint32_t b = 0; b < k->blocks; b++)
        edx_linalg_times(k->n, k->width, k->width, 1, blocks[b],
                         k->y + (size_t)b * k->width * k->width, b > 0, out);
}

/* theta and the Ritz vectors of all blocks. */
static edx_status find_ritz(edx_krylov *k, double *theta, edx_error *err)
{
    uint32_t w = k->width, most = BLOCKS * w, size = k->blocks * w;

    for (uint32_t i = 0; i < size; i++)
        for (uint32_t j = 0; j < size; j++)
            k->vectors[i * size + j] = 0.5 * (k->t[i * most + j] + k->t[j * most + i]);
    edx_status status = edx_linalg_eigen(size, k->vectors, k->values, k->work, err);
    if (status != EDX_OK)
        return status;
    for (uint32_t j = 0; j < w; j++) {
        theta[j] = k->values[size - 1 - j];
        for (uint32_t i = 0; i < size; i++)
            k->y[i * w + j] = k->vectors[(size - 1 - j) * size + i];
    }
    combine(k, k->q, k->ritz);
    return EDX_OK;
}

/* The same, and what the operator makes of these. */
static edx_status rayleigh_ritz(edx_krylov *k, double *theta, edx_error *err)
{
    edx_status status = find_ritz(k, theta, err);

    if (status == EDX_OK)
        combine(k, k->gq, k->g_ritz);
    return status;
}

/* |G v - theta v| of every Ritz pair, into k->values. */
static void residuals(edx_krylov *k, const double *theta)
{
    uint32_t w = k->width;

    for (uint32_t j = 0; j < w; j++)
        k->values[j] = 0;
    for (uint32_t i = 0; i < k->n; i++) {
        const double *g = k->g_ritz + (size_t)i * w, *v = k->ritz + (size_t)i * w;
        for (uint32_t j = 0; j < w; j++)
            k->values[j] += (g[j] - theta[j] * v[j]) * (g[j] - theta[j] * v[j]);
    }
    for (uint32_t j = 0; j < w; j++)
        k->values[j] = sqrt(k->values[j]);
}

/* A residual of rounding gets no smaller, and beside a large first pair it is more than the
 * tolerance of a small one: a search would go on to its last pass. */
static bool converged(edx_krylov *k, const edx_krylov_goal *goal, const double *theta)
{
    residuals(k, theta);
    for (uint32_t j = 0; j < k->width; j++) {
        if (theta[j] <= goal->significant)
            return theta[j] + k->values[j] < goal->significant;
        double sine = k->values[j] / (theta[j] - goal->edge) * goal->edge / theta[j];
        if (sine > goal->tolerance && k->values[j] > ROUNDING * theta[0])
            return false;
    }
    return true;
}

/* ---- solving ---- */

static void use_operator(edx_krylov *k, edx_krylov_operator *g, void *context, const double *locked)
{
    g(context, k->q[k->blocks], k->gq[k->blocks]);
    remove_locked(k, locked, k->gq[k->blocks]);
    k->blocks++;
    project(k);
}

/* All blocks but the Ritz vectors are forgotten. */
static void restart(edx_krylov *k, const double *theta)
{
    uint32_t w = k->width, most = BLOCKS * w;

    memcpy(k->q[0], k->ritz, sizeof *k->ritz * k->n * w);
    memcpy(k->gq[0], k->g_ritz, sizeof *k->g_ritz * k->n * w);
    k->blocks = 1;
    for (uint32_t i = 0; i < w; i++)
        for (uint32_t j = 0; j < w; j++)
            k->t[i * most + j] = i == j ? theta[i] : 0;
}

/* How many pairs are above the limit. */
static uint32_t significant(const edx_krylov *k, const edx_krylov_goal *goal, const double *theta)
{
    uint32_t n = 0;

    while (n < k->width && theta[n] > goal->significant)
        n++;
    return n;
}

/* What a block that has been made adds, without what the operator makes of it: enough where that
 * would lead to nothing but the power step, which the block holds already. *enough is false when it
 * brings up another pair. */
static edx_status look(edx_krylov *k, const edx_krylov_goal *goal, void *context, double *theta,
                       bool *enough, edx_error *err)
{
    uint32_t b = k->blocks++, before = significant(k, goal, theta);

    for (uint32_t a = 0; a < b; a++) {
        edx_linalg_inner(k->n, k->width, k->width, k->gq[a], k->q[b], k->small);
        put_products(k, a, b);
    }
    goal->form(context, k->q[b], k->small);
    put_products(k, b, b);
    edx_status status = find_ritz(k, theta, err);
    *enough = significant(k, goal, theta) == before;
    if (!*enough)
        k->blocks--;
    return status;
}

/* What one search works on. */
typedef struct solving {
    edx_krylov_operator *g;
    void *context;
    const edx_krylov_goal *goal;
    const double *locked;
    double *theta;
    bool last; /* converged, and as many passes as must be with this one */
    bool more; /* the last block had something new */
    bool done; /* the Ritz vectors are what is sought, the power step in them */
} solving;

/* One more block, and what follows from it. */
static edx_status extend(edx_krylov *k, solving *s, edx_error *err)
{
    edx_status status = EDX_OK;

    if (k->blocks == BLOCKS)
        restart(k, s->theta);
    memcpy(k->scratch, k->gq[k->blocks - 1], sizeof *k->scratch * k->n * k->width);
    s->more = next_block(k, s->locked, k->scratch);
    if (s->more && s->last && s->goal->form != NULL)
        status = look(k, s->goal, s->context, s->theta, &s->done, err);
    if (status != EDX_OK || !s->more || s->done)
        return status;
    use_operator(k, s->g, s->context, s->locked);
    return rayleigh_ritz(k, s->theta, err);
}

/* The Ritz vectors after one power step, which costs nothing, in their order. */
static void power_step(edx_krylov *k, const double *locked, double *v)
{
    for (size_t i = 0; i < (size_t)k->n * k->width; i++)
        k->scratch[i] = k->g_ritz[i];
    if (orthonormal(k, k->scratch, v) < k->width)
        memcpy(v, k->ritz, sizeof *v * k->n * k->width);
    remove_locked(k, locked, v);
}

edx_status edx_krylov_solve(edx_krylov *k, edx_krylov_operator *g, void *context,
                            const edx_krylov_goal *goal, const double *locked, double *v,
                            double *theta, uint32_t *passes, edx_error *err)
{
    solving s = {.g = g, .context = context, .goal = goal, .locked = locked, .theta = theta};
    uint32_t used = 1;

    s.more = true;
    k->blocks = 0;
    memcpy(k->scratch, v, sizeof *v * k->n * k->width);
    next_block(k, locked, k->scratch);
    use_operator(k, g, context, locked);
    edx_status status = rayleigh_ritz(k, theta, err);
    while (status == EDX_OK && s.more && !s.done && used < goal->max_passes) {
        bool good = used + 1 >= goal->min_passes && converged(k, goal, theta);
        if (good && used >= goal->min_passes)
            break;
        s.last = good;
        status = extend(k, &s, err);
        used += s.more;
    }
    if (status == EDX_OK && s.done)
        memcpy(v, k->ritz, sizeof *v * k->n * k->width);
    else if (status == EDX_OK)
        power_step(k, locked, v);
    if (passes != NULL)
        *passes = used;
    return status;
}

/* SplitMix64 */
double edx_krylov_scatter(uint64_t index)
{
    uint64_t z = (index + 1) * 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)(int64_t)(z ^ (z >> 31)) * 0x1p-63;
}
