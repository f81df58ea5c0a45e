/* The principal components that are published: decomposition, folds, rank. */
#ifndef EDX_ANALYSIS_COMPONENTS_H
#define EDX_ANALYSIS_COMPONENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/folds.h"
#include "analysis/pace.h"
#include "analysis/pool.h"
#include "analysis/sparse.h"
#include "proto/result.h"
#include "proto/status.h"

typedef struct edx_components edx_components;

/* For stores of rows x cols pixels and channels channels. rank EDX_AUTO or 1 to
 * max_rank; max_rank at most 64. RANGE, NOMEM. */
edx_status edx_components_new(uint32_t rows, uint32_t cols, uint32_t channels, uint64_t rank,
                              uint64_t max_rank, edx_components **out, edx_error *err);
void edx_components_free(edx_components **components);
/* Lets pool (the caller's; NULL: none) share the work; results stay the same.
 */
void edx_components_set_pool(edx_components *components, edx_pool *pool);

/* Brings all fields of out but head up to date with the counts of sparse; from
 * a fixed start if fixed, sparse then being in fixed order (edx_sparse_sort).
 * out's arrays are valid until the next update. Otherwise what folds say is
 * brought up to date as pace (NULL: at once) has it. STATE without counts,
 * NOMEM, NUMERIC. */
edx_status edx_components_update(edx_components *components, const edx_sparse *sparse, bool fixed,
                                 const edx_pace *pace, edx_pca_result *out, edx_error *err);

/* The first k components of the last update, as edx_pca_vectors gives them;
 * max_rank at most are written. */
void edx_components_vectors(edx_components *components, const edx_sparse *sparse, uint32_t k,
                            float *spectra, float *maps);
/* Of the last update. */
const edx_folds *edx_components_folds(const edx_components *components);

#endif
