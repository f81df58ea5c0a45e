/* Compositions of a particle's rings, by model and denoised, with errors that are true (SCIENCE:
 * denoising that does not lie).
 *
 * The model: intensities of fitted templates, which use every line, anchored to the windows' total,
 * since what is wrong with a template biases all rings alike. Denoised: the model smoothed over
 * the rings by analysis/smooth.h. Spectra are Poisson counts, so all covariances are exact but for
 * the linearisation of ratios. */
#ifndef EDX_ANALYSIS_DENOISE_H
#define EDX_ANALYSIS_DENOISE_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/rings.h"
#include "proto/status.h"

typedef struct edx_denoise edx_denoise;

/* What to denoise; views of the caller's memory. */
typedef struct edx_denoise_input {
    uint32_t n;             /* elements */
    const edx_rings *rings; /* m rings of E channels, from the centre outwards */
    const double *windows;  /* [n, E] rows whose product with a spectrum are net counts */
    const double *model;    /* [n, E] the same of the template fit, not anchored */
    const double *k;        /* [n] C_i proportional to k_i N_i of the windows' counts, atomic */
    const double *total;    /* [E] the particle; NULL: all rings of mean r < R */
    const double *groups;   /* [G, E] the particle by group of frames; NULL where total is */
    double limit;           /* of quantification: N > limit * sigma of the windows' counts */
} edx_denoise_input;

/* Views of the instance's memory, until the next call. NaN where a ring has no answer, rows and
 * columns of covariances included. Index [e, i] of [n, m] is row e * m + i of a covariance. */
typedef struct edx_denoise_result {
    uint32_t n, m;
    const bool *quantified;            /* [m] every element is over the limit */
    const bool *smoothed;              /* [m] quantified, and mean r < R: denoised */
    const double *model;               /* [n, m] where quantified */
    const double *model_sigma;         /* [n, m] */
    const double *model_covariance;    /* [n m, n m] */
    const double *denoised;            /* [n, m] where smoothed; never extrapolated */
    const double *denoised_sigma;      /* [n, m] */
    const double *denoised_covariance; /* [n m, n m] */
    const double *anchored;            /* [n] k of the model's counts; NaN without an anchor */
    const double *anchor_covariance;   /* [n, n] of their logarithms */
} edx_denoise_result;

/* NOMEM. */
edx_status edx_denoise_new(edx_denoise **out, edx_error *err);
void edx_denoise_free(edx_denoise **denoise);

/* Model and denoised fractions of all rings. Less than two elements, no counts or nothing over the
 * limit is no error: all is NaN. With rings of one core and one shell, their difference and its
 * sigma follow from model and model_covariance.
 *
 * Element e in ring i: F = k'_e a_ei / sum over elements, a_ei = g_e . S_i, k'_e = k_e W_e / A_e,
 * W_e and A_e the total's counts by windows and by model. Covariance of the logarithms of k'_e a_ei
 * and k'_f a_fj: sum over channels of S (h_ei h_fj where i = j) + S_i h_ei d_f + S_j h_fj d_e + S
 * d_e d_f, h_ei = g_e / a_ei, d_e = w_e / W_e - g_e / A_e; through the Jacobian F_e ([e = f] -
 * F_f). For two elements this is F (1 - F) times what SCIENCE has, and denoised is its mixture.
 *
 * Allocates only when shapes are larger than before. NOMEM; RANGE for more than 1536 fractions;
 * NUMERIC for what is not finite. */
edx_status edx_denoise_rings(edx_denoise *denoise, const edx_denoise_input *input,
                             edx_denoise_result *out, edx_error *err);

/* Denoised fractions without one group of frames after the other, [G, n, m] (the caller's), for
 * analysis/bias.h: the same rings as smoothed in the answer to all counts, NaN elsewhere. Ends the
 * life of earlier results. */
edx_status edx_denoise_heldout(edx_denoise *denoise, const edx_denoise_input *input,
                               double *heldout, edx_error *err);

#endif
