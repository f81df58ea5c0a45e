/* The principal components that are published: binned counts, decomposition, folds, rank. */
#ifndef EDX_ANALYSIS_COMPONENTS_H
#define EDX_ANALYSIS_COMPONENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/pool.h"
#include "analysis/scene.h"
#include "analysis/sparse.h"
#include "proto/frame.h"
#include "proto/result.h"
#include "proto/status.h"

typedef struct edx_components edx_components;

/* shape's folds are set here; rank EDX_AUTO or 1 to max_rank; max_rank at most 64. RANGE, NOMEM. */
edx_status edx_components_new(const edx_sparse_shape *shape, uint64_t rank, uint64_t max_rank,
                              edx_components **out, edx_error *err);
void edx_components_free(edx_components **components);
/* Lets pool (the caller's; NULL: none) share the work; results stay the same. NOMEM. */
edx_status edx_components_set_pool(edx_components *components, edx_pool *pool, edx_error *err);

/* Takes over the counts of before where the shape is the same; else starts from all counts of a
 * scene, which then are in no fold. */
void edx_components_follow(edx_components *components, edx_components *before,
                           const edx_scene *scene);
/* Adds events as edx_sparse_add does. What memory there is none for comes with the next update. */
void edx_components_add(edx_components *components, uint64_t frame, uint32_t row,
                        const edx_events *events);

/* Brings all fields of out but head up to date; from a fixed start, in fixed order, if fixed. scene
 * holds the same counts, for when some could not be added. out's arrays are valid until the next
 * update. STATE without counts, NOMEM, NUMERIC. */
edx_status edx_components_update(edx_components *components, const edx_scene *scene, bool fixed,
                                 edx_pca_result *out, edx_error *err);

#endif
