/* The counts that multivariate analysis works on: analysis pixels x analysis channels, sparse, all
 * of them and fold by fold. Folds are not kept: they are groups of the cube, seen through bins. */
#ifndef EDX_ANALYSIS_SPARSE_H
#define EDX_ANALYSIS_SPARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/pool.h"
#include "analysis/scene.h"
#include "proto/frame.h"
#include "proto/status.h"

/* Frame f belongs to fold f modulo the number of folds: independent measurements of the same thing,
 * interleaved so that what changes slowly is the same in all. */
#define EDX_FOLDS 10u /* of principal components */
#define EDX_MAX_FOLDS 100u

typedef struct edx_sparse edx_sparse;

/* A scan of rows x cols pixels and channels channels, bin_pixels x bin_pixels and bin_energy of
 * them to one; only scan channels lo .. hi - 1 are taken, the other analysis channels stay empty.
 * 1 to EDX_MAX_FOLDS folds, which cost nothing until a frame comes. */
typedef struct edx_sparse_shape {
    uint32_t rows, cols, channels;
    uint32_t bin_pixels, bin_energy;
    uint32_t lo, hi;
    uint32_t folds;
} edx_sparse_shape;

/* RANGE for a bin of nothing or wider than the scan, or folds that cannot be; NOMEM. */
edx_status edx_sparse_new(const edx_sparse_shape *shape, edx_sparse **out, edx_error *err);
/* Of a cube of such a scan that the caller keeps, and adds everything to that is added here; its
 * groups are the folds, at the latest when they are asked for. */
edx_status edx_sparse_new_of(const edx_sparse_shape *shape, const edx_scene *cube, edx_sparse **out,
                             edx_error *err);
void edx_sparse_free(edx_sparse **sparse);
/* The same without a store: the total is a view (analysis/scene.h) too, and nothing is to be added.
 */
edx_status edx_sparse_new_seen(const edx_sparse_shape *shape, const edx_scene *cube,
                               edx_sparse **out, edx_error *err);
/* Forgets all counts (a caller's cube does so by itself). */
void edx_sparse_clear(edx_sparse *sparse);
/* Lets pool (the caller's; NULL: none) share the work of adding. NOMEM. */
edx_status edx_sparse_set_pool(edx_sparse *sparse, edx_pool *pool, edx_error *err);

/* Adds events of rows row ... of a scan frame as edx_scene_add does. Without memory (NOMEM) the
 * counts are stale until rebuilt. */
edx_status edx_sparse_add(edx_sparse *sparse, uint64_t frame, uint32_t row,
                          const edx_events *events, edx_error *err);
bool edx_sparse_stale(const edx_sparse *sparse);
/* Starts anew from all counts of the cube. NOMEM leaves it stale. */
edx_status edx_sparse_rebuild(edx_sparse *sparse, edx_error *err);
/* Makes the spectra and counts of total and folds those of all processes (edx_scene_share). NOMEM.
 */
edx_status edx_sparse_share(edx_sparse *sparse, edx_error *err);
edx_pool *edx_sparse_pool(const edx_sparse *sparse); /* the caller's */
/* Puts all counts but those of a caller's cube into ascending order (analysis/scene_rows.h). */
void edx_sparse_sort(edx_sparse *sparse);

uint64_t edx_sparse_bytes(const edx_sparse *sparse); /* memory of its own counts */
const edx_sparse_shape *edx_sparse_shape_of(const edx_sparse *sparse);
uint32_t edx_sparse_pixels(const edx_sparse *sparse);
uint32_t edx_sparse_channels(const edx_sparse *sparse);
const edx_scene *edx_sparse_cube(const edx_sparse *sparse); /* what folds are groups of */
const edx_scene *edx_sparse_total(const edx_sparse *sparse);
/* A view (analysis/scene.h); NULL while no frame of the fold came, and where there is no such fold.
 */
const edx_scene *edx_sparse_fold(const edx_sparse *sparse, uint32_t fold);
/* Scan pixels that the frames of a fold covered; of the fold after the last, those that are in no
 * fold. */
uint64_t edx_sparse_exposure(const edx_sparse *sparse, uint32_t fold);

#endif
