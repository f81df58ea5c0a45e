/* Where a noisy picture lies on a reference: a low-pass filtered, normalised cross-correlation. */
#ifndef EDX_ANALYSIS_CORRELATE_H
#define EDX_ANALYSIS_CORRELATE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/status.h"

typedef struct edx_correlate edx_correlate;

/* For pictures of rows x cols pixels (8 or more each) that are looked for up to reach [dy, dx]
 * (1 or more) pixels from where they are expected; smoothness is the low-pass filter's standard
 * deviation in pixels. RANGE, NOMEM. */
edx_status edx_correlate_new(uint32_t rows, uint32_t cols, const uint32_t reach[2],
                             double smoothness, edx_correlate **out, edx_error *err);
void edx_correlate_free(edx_correlate **correlate);

/* The reference to fill before each match, (rows + 2 reach[0]) rows of *stride numbers, of which
 * cols + 2 reach[1] count: reference pixel (reach[0] + y, reach[1] + x) is expected under picture
 * pixel (y, x). NaN where it is not known. */
float *edx_correlate_reference(edx_correlate *correlate, uint32_t *stride);

/* A peak of the correlation. */
typedef struct edx_match {
    double offset[2];   /* of the picture from where it is expected, pixels */
    double variance[2]; /* of offset, pixels squared */
    double z;           /* its height in standard deviations of the noise; 0: there is no peak */
} edx_match;

/* Finds the highest peak, and the highest within near [dy, dx] pixels of where it is expected. The
 * picture [rows * cols] has white noise of variance noise; noise 0 or below: as many counts as the
 * picture's mean. Rows that are not there (there [rows], NULL: all are) do not count. The score is
 * A / sqrt(noise B), A the sum of picture times reference and B that of the reference's squares
 * under the picture's window: neither the picture's edge nor a step of the beam current shifts it,
 * and what it is for a picture of noise alone is normal of unit variance. */
void edx_correlate_match(edx_correlate *correlate, const float *picture, const uint8_t *there,
                         double noise, const double near[2], edx_match *highest,
                         edx_match *nearest);

#endif
