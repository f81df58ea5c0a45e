/* Maps of a particle's composition, denoised where they are shown: in space (SCIENCE: denoising
 * that does not lie, step 6). A radial prior, since particles are shelled, and a Matern prior,
 * since they need not be; how much of each is for the counts to say. */
#ifndef EDX_ANALYSIS_DENOISE_MAPS_H
#define EDX_ANALYSIS_DENOISE_MAPS_H

#include <stdint.h>

#include "proto/status.h"

typedef struct edx_denoise_maps edx_denoise_maps;

/* One particle; views of the caller's memory. Pixels are the analysis'. */
typedef struct edx_denoise_maps_input {
    uint32_t n, rows, cols;
    double step_nm[2];        /* of pixels, [y, x] */
    double origin_nm[2];      /* centre of pixel (0, 0) */
    double centre_nm[2];      /* of the particle */
    double radius_nm;         /* R */
    const uint8_t *mask;      /* [rows, cols] not 0: a pixel to denoise; to about 1.1 R */
    const double *net;        /* [n, rows, cols] net counts of the model */
    const double *covariance; /* [n, n, rows, cols] of net, exact */
    const double *k;          /* [n] C_i proportional to k_i net_i: edx_denoise_result.anchored */
    const double *anchor;     /* [n, n] covariance of ln k, the same for all pixels; NULL: none */
} edx_denoise_maps_input;

/* NOMEM. */
edx_status edx_denoise_maps_new(edx_denoise_maps **out, edx_error *err);
void edx_denoise_maps_free(edx_denoise_maps **maps);

/* Writes fraction and sigma [n, rows, cols] in the pixels of mask and touches no other: the caller
 * sets NaN before. NaN where the signal round about (5 x 5 pixels, binomial) is under 3 sigma, and
 * everywhere when the particle's counts of an element are not above 0 or n < 2.
 *
 * Element e of pixel p: k_e N_ep - F_p T_p with T = sum over elements of k N has mean 0 and the
 * variance that its counts have, so that F_p + (k_e N_ep - F_p T_p) / t_p observes the fraction
 * without the bias of a ratio of few counts; t and the variance are averages round about. F is
 * linearised twice, at the particle's mean and at the first answer.
 *
 * Prior: mean 1 / n, 0.3 for what is common; Brownian motions of (r / r_max)^2 and of r / r_max,
 * together of amplitude tau_r at r_max, in their ten leading terms; a Matern process (nu 1/2 or
 * 3/2, length 0.4 or 1.2 R) of amplitude tau_m, in cosines of the square round the mask: waves down
 * to two pixels, a quarter of a disc of 12 by 12 at most; what is finer stays in the variance.
 * Either tau 0.003 to 0.3, weighted as for rings and by marginal likelihood; mean and variance are
 * the mixture's, the anchor's variance added. More than two elements are done one against the rest,
 * and then brought to sum 1 in proportion to their variances; sigma stays what it was.
 *
 * The waves' part of the normal equations is factorised once for a shape and its amplitude, what is
 * left for the radial functions once for each of theirs: for each element at most 40 Cholesky
 * factors of 110 x 110 and 200 of 21 x 21, whatever the pixels, and work that grows linearly with
 * them (analysis/patch.h). Allocates only when the mask is larger than before. NOMEM; NUMERIC for
 * what is not finite. */
edx_status edx_denoise_maps_particle(edx_denoise_maps *maps, const edx_denoise_maps_input *input,
                                     double *fraction, double *sigma, edx_error *err);

#endif
