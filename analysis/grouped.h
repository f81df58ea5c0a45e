/* The counts that what takes longer works on, by groups of interleaved frames, which the cube
 * keeps: in analysis pixels for decompositions, in scan pixels for rings round particles. */
#ifndef EDX_ANALYSIS_GROUPED_H
#define EDX_ANALYSIS_GROUPED_H

#include <stdint.h>

#include "analysis/pool.h"
#include "analysis/scene.h"
#include "analysis/sparse.h"
#include "proto/frame.h"
#include "proto/status.h"

typedef struct edx_grouped edx_grouped;

/* How many groups a cube is to have: groups, more than EDX_FOLDS serve as EDX_FOLDS, and so many
 * where fewer than 2 are asked for, for components' folds alone. */
uint32_t edx_grouped_folds(uint32_t groups);
/* shape as for decompositions (its folds are set here), of a cube that the caller keeps (NULL: it
 * keeps one itself), and adds to frame by frame modulo edx_grouped_folds(groups); below 2 groups
 * rings are not asked for by group. RANGE, NOMEM. */
edx_status edx_grouped_new(const edx_sparse_shape *shape, const edx_scene *cube, uint32_t groups,
                           edx_grouped **out, edx_error *err);
void edx_grouped_free(edx_grouped **grouped);
/* Lets pool (the caller's; NULL: none) share the work; results stay the same. NOMEM. */
edx_status edx_grouped_set_pool(edx_grouped *grouped, edx_pool *pool, edx_error *err);

/* Takes over the counts of before where the shape is the same; else starts from those of the cube.
 * False where some of these are in no group. */
bool edx_grouped_follow(edx_grouped *grouped, edx_grouped *before);
/* Forgets all counts. */
void edx_grouped_clear(edx_grouped *grouped);
/* Adds events as edx_sparse_add does. What memory there is none for comes when ready. */
void edx_grouped_add(edx_grouped *grouped, uint64_t frame, uint32_t row, const edx_events *events);
/* To be called before the counts are used: makes up for what could not be added. NOMEM. */
edx_status edx_grouped_ready(edx_grouped *grouped, edx_error *err);

/* Puts all counts but the cube's into one order, whatever order they came in. */
void edx_grouped_sort(edx_grouped *grouped);

edx_sparse *edx_grouped_pixels(edx_grouped *grouped);    /* analysis pixels; 2 folds or more */
edx_sparse *edx_grouped_scan(edx_grouped *grouped);      /* scan pixels; the same folds */
uint32_t edx_grouped_groups(const edx_grouped *grouped); /* 0 where they are not wanted */

uint64_t edx_grouped_bytes(const edx_grouped *grouped); /* memory of the counts but the cube's */

#endif
