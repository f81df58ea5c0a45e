/* Non-negative factors without one group of frames after the other: what a profile by factors would
 * be had those frames not come (SCIENCE: replicates). Principal components have the same in
 * analysis/folds.h. */
#ifndef EDX_ANALYSIS_REPLICATES_H
#define EDX_ANALYSIS_REPLICATES_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/nmf.h"
#include "analysis/pace.h"
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

/* The factors without any group are to be brought up to date anew. */
void edx_replicates_begin(edx_replicates *replicates);
/* Brings the factors without each group that has counts up to date, in a few passes from what they
 * were, or from those of all where there are none, their number has changed or fixed: from then on
 * they see the group no more. As many groups as pace (NULL: all) has it, each of the counts as they
 * are then; where the number of factors changes on the way, from the first group on again. NOMEM,
 * NUMERIC, STATE before a start of all. */
edx_status edx_replicates_update(edx_replicates *replicates, const edx_sparse *counts,
                                 const edx_nmf *all, bool fixed, const edx_pace *pace,
                                 edx_error *err);
bool edx_replicates_underway(const edx_replicates *replicates); /* some have not been */

/* The factors without a group, in the places of all's; NULL where there are none. */
edx_nmf *edx_replicates_without(const edx_replicates *replicates, uint32_t group);

#endif
