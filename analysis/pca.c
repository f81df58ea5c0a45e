#include "analysis/pca.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/krylov.h"
#include "analysis/linalg.h"

#define MAX_COMPONENTS 64u
/* Eigenvalues within this ratio may keep their order from frame to frame. */
#define EQUAL 0.98
/* An eigenvalue that is rounding. */
#define NOTHING 1e-12

struct edx_pca {
    uint32_t m, width; /* width: columns of v, what is above m - 1 stands guard */
    bool warm;
    edx_scaled *scaled;
    edx_krylov *krylov;
    const edx_scene *store; /* of the update that runs */
    double *v;              /* [channels, width] the components after the first */
    double *before;         /* those of the last update */
    double *overlap;        /* [width, width] */
    double *theta;          /* [width] */
    double *eigenvalues;    /* [m] */
    double *columns;        /* [channels, EDX_PASS multiple] first and others, for maps */
    double sum;
    uint32_t passes;
};

/* ---- life ---- */

static bool allocate(edx_pca *p, uint32_t channels)
{
    size_t cells = (size_t)channels * p->width;

    p->v = calloc(cells, sizeof *p->v);
    p->before = calloc(cells, sizeof *p->before);
    p->columns = calloc(cells, sizeof *p->columns);
    p->overlap = calloc((size_t)p->width * p->width, sizeof *p->overlap);
    p->theta = calloc(p->width, sizeof *p->theta);
    p->eigenvalues = calloc(p->m, sizeof *p->eigenvalues);
    return p->v != NULL && p->before != NULL && p->columns != NULL && p->overlap != NULL &&
           p->theta != NULL && p->eigenvalues != NULL;
}

edx_status edx_pca_new(uint32_t pixels, uint32_t channels, uint32_t m, edx_pca **out,
                       edx_error *err)
{
    *out = NULL;
    if (m < 1 || m > MAX_COMPONENTS)
        return edx_fail(err, EDX_E_RANGE, "%u components, expected 1 to %u", m, MAX_COMPONENTS);
    edx_pca *p = calloc(1, sizeof *p);
    if (p == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for components");
    edx_linalg_init();
    p->m = m;
    p->width = (m + EDX_PASS - 1) / EDX_PASS * EDX_PASS;
    edx_status status = edx_scaled_new(pixels, channels, &p->scaled, err);
    if (status == EDX_OK)
        status = edx_krylov_new(channels, p->width, &p->krylov, err);
    if (status == EDX_OK && !allocate(p, channels))
        status =
            edx_fail(err, EDX_E_NOMEM, "no memory for %u components of %u channels", m, channels);
    if (status != EDX_OK)
        edx_pca_free(&p);
    *out = p;
    return status;
}

void edx_pca_free(edx_pca **pca)
{
    edx_pca *p = *pca;

    *pca = NULL;
    if (p == NULL)
        return;
    edx_scaled_free(&p->scaled);
    edx_krylov_free(&p->krylov);
    free(p->v);
    free(p->before);
    free(p->columns);
    free(p->overlap);
    free(p->theta);
    free(p->eigenvalues);
    free(p);
}

void edx_pca_set_pool(edx_pca *pca, edx_pool *pool)
{
    edx_scaled_set_pool(pca->scaled, pool);
}

/* ---- signs and order ---- */

static void swap_components(edx_pca *p, uint32_t a, uint32_t b)
{
    double theta = p->theta[a];

    p->theta[a] = p->theta[b];
    p->theta[b] = theta;
    for (uint32_t c = 0; c < p->scaled->channels; c++) {
        double *row = p->v + (size_t)c * p->width, value = row[a];
        row[a] = row[b];
        row[b] = value;
    }
}

/* Where two that follow each other crossed, as before; only those that the order by size says
 * nothing about. */
static void keep_order(edx_pca *p, double least)
{
    const double *o = p->overlap;
    uint32_t w = p->width;

    for (uint32_t j = 0; j + 1 < w && p->theta[j + 1] > least; j++) {
        bool equal = p->theta[j + 1] > EQUAL * p->theta[j];
        double as_was = fabs(o[j * w + j]) + fabs(o[(j + 1) * w + j + 1]);
        double crossed = fabs(o[j * w + j + 1]) + fabs(o[(j + 1) * w + j]);
        if (equal && crossed > as_was) {
            swap_components(p, j, j + 1);
            j++;
        }
    }
}

static void flip(edx_pca *p, uint32_t j)
{
    for (uint32_t c = 0; c < p->scaled->channels; c++)
        p->v[(size_t)c * p->width + j] *= -1;
}

static double cubes(const edx_pca *p, uint32_t j)
{
    double sum = 0;

    for (uint32_t c = 0; c < p->scaled->channels; c++) {
        double value = p->v[(size_t)c * p->width + j];
        sum += value * value * value;
    }
    return sum;
}

static double agreement(const edx_pca *p, uint32_t j)
{
    double sum = 0;

    for (uint32_t c = 0; c < p->scaled->channels; c++)
        sum += p->v[(size_t)c * p->width + j] * p->before[(size_t)c * p->width + j];
    return sum;
}

/* Peaks point up at first, and stay as they are. */
static void keep_signs(edx_pca *p, bool warm)
{
    for (uint32_t j = 0; j < p->width; j++) {
        double with = warm ? agreement(p, j) : 0;
        if (fabs(with) > 0.5 ? with < 0 : cubes(p, j) < 0)
            flip(p, j);
    }
}

/* ---- update ---- */

static void apply(void *context, const double *v, double *gv)
{
    edx_pca *p = context;
    const edx_pass_term term = {1, 1, {p->store}, {1}};

    edx_scaled_apply(p->scaled, &term, 1, p->width, v, gv);
}

static void form(void *context, const double *v, double *out)
{
    edx_pca *p = context;
    const edx_pass_term term = {1, 1, {p->store}, {1}};

    edx_scaled_form(p->scaled, &term, 1, v, out);
}

/* Fills columns of v: all, or those that had nothing to hold when counts were few. */
static void fill_start(edx_pca *p, bool all)
{
    for (uint32_t c = 0; c < p->scaled->channels; c++)
        for (uint32_t j = 0; j < p->width; j++) {
            size_t at = (size_t)c * p->width + j;
            if (all || !(p->theta[j] > NOTHING))
                p->v[at] = p->scaled->root[c] > 0 ? edx_krylov_scatter(at) : 0;
        }
}

static edx_krylov_goal goal_of(const edx_pca *p, bool fixed, bool warm)
{
    double edge = p->scaled->edge;
    edx_krylov_goal goal = {.edge = edge,
                            .significant = EDX_PCA_SIGNIFICANT * EDX_PCA_SIGNIFICANT * edge,
                            .tolerance = 2e-4,
                            .min_passes = warm ? 2 : 6,
                            .max_passes = 40,
                            .form = p->width == EDX_PASS ? form : NULL};

    if (fixed) {
        goal.tolerance = 1e-6;
        goal.min_passes = 16;
        goal.max_passes = 100;
    }
    return goal;
}

static void keep_eigenvalues(edx_pca *p)
{
    p->eigenvalues[0] = 1;
    for (uint32_t j = 1; j < p->m; j++)
        p->eigenvalues[j] = p->theta[j - 1] > NOTHING ? p->theta[j - 1] : 0;
}

edx_status edx_pca_update(edx_pca *p, const edx_scene *store, bool fixed, edx_error *err)
{
    bool warm = p->warm && !fixed;

    p->store = store;
    edx_scaled_fit(p->scaled, store);
    if (p->scaled->counts == 0)
        return edx_fail(err, EDX_E_STATE, "no counts, expected some");
    fill_start(p, !warm);
    memcpy(p->before, p->v, sizeof *p->v * p->scaled->channels * p->width);
    edx_krylov_goal goal = goal_of(p, fixed, warm);
    p->warm = false;
    edx_status status = edx_krylov_solve(p->krylov, apply, p, &goal, p->scaled->first, p->v,
                                         p->theta, &p->passes, err);
    if (status != EDX_OK)
        return status;
    if (warm) {
        edx_linalg_inner(p->scaled->channels, p->width, p->width, p->v, p->before, p->overlap);
        keep_order(p, goal.significant);
    }
    keep_signs(p, warm);
    keep_eigenvalues(p);
    p->sum = edx_scaled_square(p->scaled, store);
    p->warm = true;
    return EDX_OK;
}

/* ---- asking ---- */

uint32_t edx_pca_components(const edx_pca *pca)
{
    return pca->m;
}

uint32_t edx_pca_possible(const edx_pca *pca)
{
    uint32_t n = 0;

    while (n < pca->m && pca->eigenvalues[n] > 0)
        n++;
    return n;
}

uint32_t edx_pca_significant(const edx_pca *pca)
{
    double least = EDX_PCA_SIGNIFICANT * EDX_PCA_SIGNIFICANT * pca->scaled->edge;
    uint32_t n = 1;

    while (n < pca->m && pca->eigenvalues[n] > least)
        n++;
    return n;
}

const double *edx_pca_eigenvalues(const edx_pca *pca)
{
    return pca->eigenvalues;
}

double edx_pca_edge(const edx_pca *pca)
{
    return pca->scaled->edge;
}

double edx_pca_sum(const edx_pca *pca)
{
    return pca->sum;
}

uint32_t edx_pca_passes(const edx_pca *pca)
{
    return pca->passes;
}

edx_scaled *edx_pca_scaled(edx_pca *pca)
{
    return pca->scaled;
}

void edx_pca_vectors(edx_pca *p, const edx_scene *store, uint32_t k, float *spectra, float *maps)
{
    const edx_scaled *s = p->scaled;

    for (uint32_t c = 0; c < s->channels; c++)
        for (uint32_t j = 0; j < k; j++) {
            double others = j == 0 ? 0 : p->v[(size_t)c * p->width + j - 1];
            double value = p->eigenvalues[j] > 0 ? others : 0;
            p->columns[(size_t)c * p->width + j] = j == 0 ? s->first[c] : value;
            spectra[(size_t)j * s->channels + c] = (float)p->columns[(size_t)c * p->width + j];
        }
    edx_scaled_maps(p->scaled, store, p->width, p->columns, k, maps);
}
