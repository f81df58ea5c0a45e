/* The growing datacube: every count since the acquisition began, sparse by scan pixel, exact. */
#ifndef EDX_ANALYSIS_SCENE_H
#define EDX_ANALYSIS_SCENE_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/pool.h"
#include "proto/frame.h"
#include "proto/status.h"

/* Counts are kept as (channel, count) slots in u16 + u8 per scan pixel; a count above 255 goes on
 * in a further slot (digits of base 256), so that a voxel holds up to 2^32 - 1. Also kept: the sum
 * spectrum, the total and the exposure (frames that cover it) of every pixel, and the grand total.
 */
typedef struct edx_scene edx_scene;

#define EDX_SCENE_GROUPS 100u

/* Empty scene of rows x cols scan pixels and channels (at most 16384) channels. RANGE, NOMEM. */
edx_status edx_scene_new(uint32_t rows, uint32_t cols, uint32_t channels, edx_scene **out,
                         edx_error *err);
/* One whose counts are kept by group, 1 to EDX_SCENE_GROUPS and what is of none; its sums are of
 * all. Memory for a group is taken when it first has counts. RANGE, NOMEM. */
edx_status edx_scene_new_grouped(uint32_t rows, uint32_t cols, uint32_t channels, uint32_t groups,
                                 edx_scene **out, edx_error *err);
#define EDX_SCENE_ALL UINT32_MAX /* groups */
/* The counts of one group of a scene (or of all), which stays the caller's and lives longer, as if
 * bin x bin pixels were one and map [its channels] gave the channel, channels for none. It can be
 * asked, not changed, and has no pixel counts or peak; its exposure is the scene's. The group has
 * to be there when it is asked. NOMEM. */
edx_status edx_scene_new_view(const edx_scene *of, uint32_t group, uint32_t bin,
                              const uint16_t *map, uint32_t channels, edx_scene **out,
                              edx_error *err);
void edx_scene_free(edx_scene **scene);
/* Empties it, keeping what memory it has. */
void edx_scene_clear(edx_scene *scene);

/* Lets pool (the caller's, alive as long as the scene uses it; NULL: none) share the work of add
 * from now on. Counts are the same for any number of threads. NOMEM. */
edx_status edx_scene_set_pool(edx_scene *scene, edx_pool *pool, edx_error *err);

/* Adds the events of rows row .. row + events->pixels / cols - 1 and one frame of exposure there.
 * Channels must be below the scene's (the decoder has checked). A voxel that would pass
 * 2^32 - 1 stays there; the sums go on. NOMEM leaves the scene unchanged. */
edx_status edx_scene_add(edx_scene *scene, uint32_t row, const edx_events *events, edx_error *err);
/* The same, of a group; edx_scene_groups for none, as edx_scene_add has it. */
edx_status edx_scene_add_to(edx_scene *scene, uint32_t group, uint32_t row,
                            const edx_events *events, edx_error *err);
/* Other groups from now on; the counts so far become those of none. NOMEM changes nothing. */
edx_status edx_scene_regroup(edx_scene *scene, uint32_t groups, edx_error *err);
/* Takes back the frame of exposure that add gave to columns col .. col + cols - 1 of some rows,
 * which it did not cover. */
void edx_scene_uncover(edx_scene *scene, uint32_t row, uint32_t rows, uint32_t col, uint32_t cols);

/* Makes spectrum and counts those of all processes of pool, until something is added; pixels are
 * still this one's. Nothing where there is one alone. All must come here. NOMEM. */
edx_status edx_scene_share(edx_scene *scene, const edx_pool *pool, edx_error *err);

/* Says how many frames cover a pixel, where events that were added stood for more than one. */
void edx_scene_set_exposure(edx_scene *scene, uint32_t pixel, uint32_t frames);

uint32_t edx_scene_rows(const edx_scene *scene);
uint32_t edx_scene_cols(const edx_scene *scene);
uint32_t edx_scene_channels(const edx_scene *scene);
uint32_t edx_scene_groups(const edx_scene *scene); /* 0: not kept by group */
/* Pixels of events that a group (edx_scene_groups: none) was given. */
uint64_t edx_scene_group_exposure(const edx_scene *scene, uint32_t group);
uint64_t edx_scene_counts(const edx_scene *scene);
const uint64_t *edx_scene_spectrum(const edx_scene *scene);     /* [channels] */
const uint64_t *edx_scene_pixel_counts(const edx_scene *scene); /* [rows * cols] */
const uint32_t *edx_scene_exposure(const edx_scene *scene);     /* [rows * cols] */
size_t edx_scene_bytes(const edx_scene *scene);                 /* memory held now */
uint64_t edx_scene_slots(const edx_scene *scene); /* slots in use: a pass over the pixels */
uint32_t edx_scene_peak(const edx_scene *scene);  /* largest voxel: a pass over the slots */

/* Calls visit(context, channel, count) for every voxel of scan pixel that is not zero (digits put
 * together), in no order: each channel once, and of a grouped scene or a view once for every group
 * and pixel that has it. */
typedef void edx_scene_visitor(void *context, uint32_t channel, uint32_t count);
void edx_scene_visit(const edx_scene *scene, uint32_t pixel, edx_scene_visitor *visit,
                     void *context);
/* Writes n pixels from first on as dense counts, out[n * channels], C order. */
void edx_scene_dense(const edx_scene *scene, uint32_t first, uint32_t n, uint32_t *out);

#endif
