/* Line profiles and regions: spectra summed over chosen scan pixels, and what follows from them.
 * All nm coordinates are [y, x] from the centre of scan pixel (0, 0). */
#ifndef EDX_ANALYSIS_PROFILE_H
#define EDX_ANALYSIS_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/intensity.h"
#include "analysis/lines.h"
#include "analysis/pool.h"
#include "analysis/scene.h"
#include "analysis/thickness.h"
#include "proto/result.h"

/* What profiles are taken from; views of somebody's memory. */
typedef struct edx_profile_source {
    const edx_scene *scene;
    const edx_intensity *intensity; /* NULL while no line is known */
    const edx_line *lines;
    uint32_t n;
    double limit; /* of quantification */
    double step_nm[2];
    uint32_t bin_energy;
    const double *rows;             /* [n, E] functionals instead of windows; NULL: windows */
    const edx_thickness *thickness; /* NULL unless quant.method counts atoms */
    const double *live_s;           /* [rows * cols], for thickness */
    const edx_pool *pool;           /* of whose processes the scene is one's; NULL: it is all */
} edx_profile_source;

/* A region's sum. Arrays live until the next call. */
typedef struct edx_region_result {
    uint64_t pixels;           /* scan pixels in it */
    edx_array spectrum;        /* [E] <u8, analysis channels */
    edx_array counts;          /* [n] net counts; ndim 0 while no line is known */
    edx_array fraction, sigma; /* [n], NaN under the limit */
    const double *covariance;  /* [n, n] of counts */
} edx_region_result;

typedef struct edx_profile edx_profile;

/* Memory for profiles of a scan of rows x cols pixels and channels channels. */
edx_status edx_profile_new(uint32_t rows, uint32_t cols, uint32_t channels, edx_profile **out,
                           edx_error *err);
void edx_profile_free(edx_profile **profile);

/* A band of width_nm from from_nm to to_nm. Every scan pixel whose centre lies within width / 2 of
 * the line and between its ends is in exactly one point: that at the nearest multiple of the scan
 * step (the smaller of dy, dx) along the line. No interpolation: a point's spectrum is summed
 * counts. Arrays of out live until the next call. RANGE: no pixel in the band, no length, more than
 * 65536 points; STATE: no line is known. */
edx_status edx_profile_band(edx_profile *profile, const edx_profile_source *source,
                            const double from_nm[2], const double to_nm[2], double width_nm,
                            edx_profile_result *out, edx_error *err);

/* The pixels whose mask byte [rows * cols] is not 0. RANGE when there is none. */
edx_status edx_profile_region(edx_profile *profile, const edx_profile_source *source,
                              const uint8_t *mask, edx_region_result *out, edx_error *err);

/* Sets mask [rows * cols] to 1 where a pixel's centre is inside the polygon of n corners (even-odd
 * rule; closed by itself; of two polygons that share an edge, a centre on it is in one), else to 0.
 * RANGE for less than 3 corners or one that is not finite. */
edx_status edx_profile_polygon(uint32_t rows, uint32_t cols, const double step_nm[2],
                               const double (*corners_nm)[2], size_t n, uint8_t *mask,
                               edx_error *err);

#endif
