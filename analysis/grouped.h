/* The counts that what takes longer works on, by groups of interleaved frames: in analysis pixels
 * for decompositions, in scan pixels for rings round particles. */
#ifndef EDX_ANALYSIS_GROUPED_H
#define EDX_ANALYSIS_GROUPED_H

#include <stdint.h>

#include "analysis/pool.h"
#include "analysis/scene.h"
#include "analysis/sparse.h"
#include "proto/frame.h"
#include "proto/status.h"

typedef struct edx_grouped edx_grouped;

/* shape as for decompositions (its folds are set here); groups of frames, more than EDX_FOLDS serve
 * as EDX_FOLDS; below 2 the rings are not kept by group. RANGE, NOMEM. */
edx_status edx_grouped_new(const edx_sparse_shape *shape, uint32_t groups, edx_grouped **out,
                           edx_error *err);
void edx_grouped_free(edx_grouped **grouped);
/* Lets pool (the caller's; NULL: none) share the work; results stay the same. NOMEM. */
edx_status edx_grouped_set_pool(edx_grouped *grouped, edx_pool *pool, edx_error *err);

/* Takes over the counts of before where the shape is the same; else starts from all counts of a
 * scene, which then are in no group: false. */
bool edx_grouped_follow(edx_grouped *grouped, edx_grouped *before, const edx_scene *scene);
/* Forgets all counts. */
void edx_grouped_clear(edx_grouped *grouped);
/* Adds events as edx_sparse_add does. What memory there is none for comes when ready. */
void edx_grouped_add(edx_grouped *grouped, uint64_t frame, uint32_t row, const edx_events *events);
/* To be called before the stores are used: scene holds the same counts, for when some could not be
 * added. NOMEM. */
edx_status edx_grouped_ready(edx_grouped *grouped, const edx_scene *scene, edx_error *err);

/* Puts all counts into one order, whatever order they came in. */
void edx_grouped_sort(edx_grouped *grouped);

edx_sparse *edx_grouped_pixels(edx_grouped *grouped);    /* analysis pixels; 2 folds or more */
edx_sparse *edx_grouped_scan(edx_grouped *grouped);      /* scan pixels; the same folds */
uint32_t edx_grouped_groups(const edx_grouped *grouped); /* 0 where they are not wanted */

uint64_t edx_grouped_bytes(const edx_grouped *grouped); /* memory of the counts */

#endif
