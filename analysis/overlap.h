/* A picture laid on a reference at whole pixels, and how far the two are apart where both are. */
#ifndef EDX_ANALYSIS_OVERLAP_H
#define EDX_ANALYSIS_OVERLAP_H

#include <stdbool.h>
#include <stdint.h>

/* Reference pixel (reach[0] + y, reach[1] + x) of rows of stride numbers is expected under picture
 * pixel (y, x); NaN where it is not known. there [rows] names the picture's rows, NULL: all. */
typedef struct edx_overlap {
    const float *picture;
    const uint8_t *there;
    uint32_t rows, cols;
    const float *reference;
    uint32_t stride, reach[2];
} edx_overlap;

/* The picture's variance that is left at an offset once gain and level are fitted; infinite where
 * less than half of the picture lies on known pixels. */
double edx_overlap_unlike(const edx_overlap *overlap, const int32_t offset[2]);

/* Share of the known reference's variance, where the picture is expected, that a plane explains. */
double edx_overlap_slope(const edx_overlap *overlap);

/* The offset at which picture and reference are nearest as they are, neither gain nor level fitted:
 * it finds a slope, which looks the same everywhere but for its level. Returns the mean square
 * difference. */
double edx_overlap_search(const edx_overlap *overlap, int32_t offset[2]);

#endif
