/* Functions on a patch of pixels, in which maps are fitted: 1, terms of two Brownian motions of the
 * distance from a centre, and cosines of the square round the patch.
 *
 * A cosine is one along y times one along x, and a product of two is a sum of cosines of sums and
 * differences of waves. So neither the sums that normal equations take over all pixels nor what a
 * quadratic form is in every pixel need functions x functions of work a pixel: some 40 x 22
 * instead of 130 x 130. */
#ifndef EDX_ANALYSIS_PATCH_H
#define EDX_ANALYSIS_PATCH_H

#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

#define EDX_PATCH_TERMS 10u /* of a Brownian motion */
#define EDX_PATCH_ROUND (1 + 2 * EDX_PATCH_TERMS)
#define EDX_PATCH_SIDE 12u /* cosines along a side */
#define EDX_PATCH_MOST (EDX_PATCH_SIDE * EDX_PATCH_SIDE)
#define EDX_PATCH_WIDTH (EDX_PATCH_ROUND + 1) /* round functions, and one column more */

/* A pixel of the patch; all but place and observation is the patch's to write. */
typedef struct edx_patch_pixel {
    uint32_t row, col;
    double r;              /* from the centre, over the largest */
    double weight, value;  /* of what it observes */
    double mean, variance; /* of what is predicted */
} edx_patch_pixel;

typedef struct edx_patch_place {
    double step_nm[2];   /* of pixels, [y, x] */
    double origin_nm[2]; /* centre of pixel (0, 0) */
    double centre_nm[2]; /* from which distances are */
} edx_patch_place;

typedef struct edx_patch edx_patch;

/* NOMEM. */
edx_status edx_patch_new(edx_patch **out, edx_error *err);
void edx_patch_free(edx_patch **patch);

/* The patch is pixels [n] from now on, the caller's, by rows; their r is written. Allocates only
 * when there are more of them, or more columns, than before. NOMEM. */
edx_status edx_patch_set(edx_patch *patch, const edx_patch_place *place, edx_patch_pixel *pixels,
                         uint32_t n, edx_error *err);

/* Half a side of the square: 1.2 times the reach of the patch along an axis. */
double edx_patch_half_nm(const edx_patch *patch);
/* The waves [n, 2]: half periods a side along y and x, longer than two pixels each, a quarter of a
 * disc of EDX_PATCH_SIDE at most; the constant is not among them. */
uint32_t edx_patch_waves(const edx_patch *patch, const uint32_t (**waves)[2]);
/* Half periods a side down to two pixels, at most 256. */
uint32_t edx_patch_finest(const edx_patch *patch);

/* Sums over pixels of weight times products of two functions, and of weight times value. */
typedef struct edx_patch_sums {
    double round[EDX_PATCH_ROUND * EDX_PATCH_WIDTH]; /* [round, round and value] */
    double across[EDX_PATCH_MOST * EDX_PATCH_WIDTH]; /* [waves, round and value] */
    double waves[EDX_PATCH_MOST * EDX_PATCH_MOST];   /* [waves, waves] */
} edx_patch_sums;

void edx_patch_accumulate(edx_patch *patch, edx_patch_sums *out);

/* The same matrices, as moments of coefficients: covariance, and the mean in the last column.
 * Writes mean and variance of every pixel. */
void edx_patch_predict(edx_patch *patch, const edx_patch_sums *moments);

#endif
