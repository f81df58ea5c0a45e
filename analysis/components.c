#include "analysis/components.h"

#include <stdbool.h>
#include <stdlib.h>

#include "analysis/pca.h"
#include "proto/settings.h"

struct edx_components {
    uint32_t rank, max_rank; /* rank EDX_AUTO or what is asked for */
    uint32_t rows, cols, channels;
    edx_pca *pca;
    edx_folds *folds;
    float *spectra;    /* [max_rank, channels] */
    float *maps;       /* [max_rank, rows, cols] */
    double *explained; /* [max_rank] */
};

/* ---- life ---- */

static edx_status open_parts(edx_components *c, edx_error *err)
{
    edx_status status = edx_pca_new(c->rows * c->cols, c->channels, c->max_rank, &c->pca, err);

    return status == EDX_OK ? edx_folds_new(c->channels, c->max_rank, &c->folds, err) : status;
}

static edx_status allocate(edx_components *c, edx_error *err)
{
    c->spectra = calloc((size_t)c->max_rank * c->channels, sizeof *c->spectra);
    c->maps = calloc((size_t)c->max_rank * c->rows * c->cols, sizeof *c->maps);
    c->explained = calloc(c->max_rank, sizeof *c->explained);
    if (c->spectra == NULL || c->maps == NULL || c->explained == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for %u components of %u x %u pixels",
                        c->max_rank, c->rows, c->cols);
    return EDX_OK;
}

edx_status edx_components_new(uint32_t rows, uint32_t cols, uint32_t channels, uint64_t rank,
                              uint64_t max_rank, edx_components **out, edx_error *err)
{
    edx_components *c = calloc(1, sizeof *c);

    *out = c;
    if (c == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for components");
    c->rank = (uint32_t)rank;
    c->max_rank = (uint32_t)max_rank;
    c->rows = rows;
    c->cols = cols;
    c->channels = channels;
    edx_status status = open_parts(c, err);
    if (status == EDX_OK)
        status = allocate(c, err);
    if (status != EDX_OK)
        edx_components_free(out);
    return status;
}

void edx_components_free(edx_components **components)
{
    edx_components *c = *components;

    *components = NULL;
    if (c == NULL)
        return;
    edx_pca_free(&c->pca);
    edx_folds_free(&c->folds);
    free(c->spectra);
    free(c->maps);
    free(c->explained);
    free(c);
}

void edx_components_set_pool(edx_components *components, edx_pool *pool)
{
    edx_pca_set_pool(components->pca, pool);
}

/* ---- results ---- */

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* What the folds say, but none that cannot be told from noise; before they say
 * anything, what stands out of it. */
static uint32_t automatic_rank(const edx_components *c)
{
    const double *eigenvalues = edx_pca_eigenvalues(c->pca);
    uint32_t above = 1, heldout = edx_folds_rank(c->folds);

    while (above < c->max_rank && eigenvalues[above] > edx_pca_edge(c->pca))
        above++;
    return heldout == 0 ? edx_pca_significant(c->pca) : smaller(heldout, above);
}

static void fill(edx_components *c, uint32_t k, edx_pca_result *out)
{
    const double *eigenvalues = edx_pca_eigenvalues(c->pca);

    for (uint32_t j = 0; j < k; j++)
        c->explained[j] = eigenvalues[j] / edx_pca_sum(c->pca);
    out->rank = k;
    out->eigenvalues = edx_array_1(EDX_F8, eigenvalues, c->max_rank);
    out->eigenvalues_noise_free = edx_array_1(EDX_F8, edx_folds_noise_free(c->folds), c->max_rank);
    out->noise_edge = edx_pca_edge(c->pca);
    out->heldout_error = edx_array_1(EDX_F8, edx_folds_error(c->folds), c->max_rank);
    out->spectra = edx_array_2(EDX_F4, c->spectra, k, c->channels);
    out->maps = edx_array_3(EDX_F4, c->maps, k, c->rows, c->cols);
    out->explained = edx_array_1(EDX_F8, c->explained, k);
}

edx_status edx_components_update(edx_components *c, const edx_sparse *sparse, bool fixed,
                                 const edx_pace *pace, edx_pca_result *out, edx_error *err)
{
    edx_status status = edx_pca_update(c->pca, edx_sparse_total(sparse), fixed, err);

    if (status == EDX_OK && fixed)
        status = edx_folds_update(c->folds, edx_pca_scaled(c->pca), sparse, true, err);
    else if (status == EDX_OK)
        status = edx_folds_follow(c->folds, edx_pca_scaled(c->pca), sparse, pace, err);
    if (status != EDX_OK)
        return status;
    uint32_t wanted = c->rank == EDX_AUTO ? automatic_rank(c) : c->rank;
    uint32_t k = smaller(wanted, edx_pca_possible(c->pca));
    edx_pca_vectors(c->pca, edx_sparse_total(sparse), k, c->spectra, c->maps);
    fill(c, k, out);
    return EDX_OK;
}

const edx_folds *edx_components_folds(const edx_components *components)
{
    return components->folds;
}

void edx_components_vectors(edx_components *components, const edx_sparse *sparse, uint32_t k,
                            float *spectra, float *maps)
{
    edx_pca_vectors(components->pca, edx_sparse_total(sparse), smaller(k, components->max_rank),
                    spectra, maps);
}
