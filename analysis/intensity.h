/* Net line intensities by windows, with exact variances, kept up to date at event speed.
 *
 * The channel axis is cut at every edge of every window into segments in which all functionals are
 * constant; a count is one integer increment of its pixel's segment. N_i = v_i . s, var = v_i^2 . s
 * and cov = (v_i v_j) . s are then exact sums over few segments (SCIENCE: linear functionals). */
#ifndef EDX_ANALYSIS_INTENSITY_H
#define EDX_ANALYSIS_INTENSITY_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/lines.h"
#include "analysis/pool.h"
#include "analysis/scene.h"
#include "proto/frame.h"
#include "proto/status.h"

typedef struct edx_intensity edx_intensity;

/* Windows of n (1 to EDX_MAX_LINES) lines over a scan of rows x cols pixels, binned bin_pixels x
 * bin_pixels (what does not fill a bin is left out), bin_energy channels to one of axis. RANGE for
 * a window that takes no channel or backgrounds with one midpoint, NOMEM. */
edx_status edx_intensity_new(const edx_line *lines, uint32_t n, const edx_axis *axis,
                             uint32_t bin_energy, uint32_t rows, uint32_t cols, uint32_t channels,
                             uint32_t bin_pixels, edx_intensity **out, edx_error *err);
void edx_intensity_free(edx_intensity **intensity);
void edx_intensity_clear(edx_intensity *intensity);

/* Lets pool (the caller's, alive as long as it is used here; NULL: none) share the work from now
 * on. Results are the same for any number of threads. */
void edx_intensity_set_pool(edx_intensity *intensity, edx_pool *pool);

uint32_t edx_intensity_rows(const edx_intensity *intensity); /* analysis pixels */
uint32_t edx_intensity_cols(const edx_intensity *intensity);

/* Adds events of rows row ... as edx_scene_add does. */
void edx_intensity_add(edx_intensity *intensity, uint32_t row, const edx_events *events);
/* Starts anew from all counts of a scene. */
void edx_intensity_rebuild(edx_intensity *intensity, const edx_scene *scene);

/* Net counts [n, rows, cols] and their sigma (either may be NULL), from integer sums. */
void edx_intensity_maps(const edx_intensity *intensity, float *net, float *sigma);
/* Net counts [n] and covariance [n, n] of one analysis pixel. */
void edx_intensity_pixel(const edx_intensity *intensity, uint32_t pixel, double *net,
                         double *covariance);
/* The same of a full-resolution spectrum [channels]: the sum, a region, a ring. */
void edx_intensity_spectrum(const edx_intensity *intensity, const uint64_t *spectrum, double *net,
                            double *covariance);

#endif
