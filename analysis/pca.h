/* Principal components of Poisson-scaled counts, exact at every frame.
 *
 * The singular value decomposition of the scaled counts (analysis/scaled.h), not centred. The first
 * pair is known: the mean spectrum, eigenvalue 1. The others are found by block Krylov from what
 * they were a frame before. Signs and, where two are as good as equal, order stay as they were. */
#ifndef EDX_ANALYSIS_PCA_H
#define EDX_ANALYSIS_PCA_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/pool.h"
#include "analysis/scaled.h"
#include "analysis/scene.h"
#include "proto/status.h"

/* Singular values above this many times that of the noise edge are significant: their components
 * must be those of the batch answer. */
#define EDX_PCA_SIGNIFICANT 1.3

typedef struct edx_pca edx_pca;

/* The m (1 to 64) leading components of stores of so many pixels and channels. RANGE, NOMEM. */
edx_status edx_pca_new(uint32_t pixels, uint32_t channels, uint32_t m, edx_pca **out,
                       edx_error *err);
void edx_pca_free(edx_pca **pca);
/* Lets pool (the caller's; NULL: none) share the work; results stay the same. */
void edx_pca_set_pool(edx_pca *pca, edx_pool *pool);

/* Brings the components up to date with a store that holds counts; from a fixed start, to
 * convergence and without memory of what was, if fixed. NUMERIC. */
edx_status edx_pca_update(edx_pca *pca, const edx_scene *store, bool fixed, edx_error *err);

/* Of the last update. */
uint32_t edx_pca_components(const edx_pca *pca);  /* m */
uint32_t edx_pca_possible(const edx_pca *pca);    /* how many of the m are not 0 */
uint32_t edx_pca_significant(const edx_pca *pca); /* how many are, the first included */
const double *
edx_pca_eigenvalues(const edx_pca *pca);     /* [m], of the inner products; the first is 1 */
double edx_pca_edge(const edx_pca *pca);     /* largest eigenvalue of noise */
double edx_pca_sum(const edx_pca *pca);      /* of all eigenvalues */
uint32_t edx_pca_passes(const edx_pca *pca); /* over all counts */
edx_scaled *edx_pca_scaled(edx_pca *pca);    /* the scaling, for further passes */
/* spectra [k, channels], unit vectors, and maps [k, pixels], scaled counts times spectra, of the
 * first k (to m) components; 0 where there are no more. */
void edx_pca_vectors(edx_pca *pca, const edx_scene *store, uint32_t k, float *spectra, float *maps);

#endif
