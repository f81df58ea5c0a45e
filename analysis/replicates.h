/* Non-negative factors without one group of frames after the other: what a profile by factors would
 * be had those frames not come (SCIENCE: replicates). Principal components have the same in
 * analysis/folds.h. */
#ifndef EDX_ANALYSIS_REPLICATES_H
#define EDX_ANALYSIS_REPLICATES_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/nmf.h"
#include "analysis/pool.h"
#include "analysis/sparse.h"
#include "proto/status.h"

typedef struct edx_replicates edx_replicates;

/* For groups (to EDX_FOLDS) folds of rows x cols pixels and channels channels, up to max_k factors.
 * Memory for a group is taken when it first has counts. NOMEM. */
edx_status edx_replicates_new(uint32_t rows, uint32_t cols, uint32_t channels, uint32_t groups,
                              uint32_t max_k, edx_replicates **out, edx_error *err);
void edx_replicates_free(edx_replicates **replicates);
void edx_replicates_set_pool(edx_replicates *replicates, edx_pool *pool);

/* Brings the factors without each group that has counts up to date, in a few passes from what they
 * were, or from those of all where there are none, their number has changed or fixed: from then on
 * they see the group no more. NOMEM, NUMERIC, STATE before a start of all. */
edx_status edx_replicates_update(edx_replicates *replicates, const edx_sparse *counts,
                                 const edx_nmf *all, bool fixed, edx_error *err);

/* The factors without a group, in the places of all's; NULL where there are none. */
edx_nmf *edx_replicates_without(const edx_replicates *replicates, uint32_t group);

#endif
