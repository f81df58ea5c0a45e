/* Is a denoised profile biased? Judged by counts that it has not seen (SCIENCE: held-out bias
 * test), and the error bar that follows.
 *
 * With F^(-g) the denoised fractions without group g of the frames, and N_g a ring's raw counts in
 * that group, d_e = sum_g (k_e N_eg - F_e^(-g) sum_f k_f N_fg) / sum_g sum_f k_f N_fg estimates
 * what the denoised fraction misses: same pixels on both sides, counts in no common. Its variance
 * is exact for Poisson counts.
 *
 * Two tests share the chance of a false alarm. One is blind: chi-squared of d over all rings. The
 * other knows how denoising lies: what it takes for noise it flattens, so that d rises or falls
 * from the centre to the surface; one degree of freedom an element, not one a ring and element. Of
 * PCA-8's flat profiles of agau-8nm it finds all by the model's counts, 200 in 200 at the paper's
 * dose and at 0.15 of it, where they are 5.8 sigma off to a test that knows every spectrum and the
 * true profile beforehand. At half of that they are 4.1 sigma off, so that no test can find more
 * than 0.94 of them; this one finds nine in ten, the blind one six (bench/study.c). */
#ifndef EDX_ANALYSIS_BIAS_H
#define EDX_ANALYSIS_BIAS_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/rings.h"
#include "proto/result.h"
#include "proto/status.h"

#define EDX_BIAS_LEAST_P 0.01
#define EDX_BIAS_RISE_SHARE 0.8 /* of the chance of a false alarm, for the rise */

typedef struct edx_bias edx_bias;

/* NOMEM. */
edx_status edx_bias_new(edx_bias **out, edx_error *err);
void edx_bias_free(edx_bias **bias);

/* Raw counts, with exact covariances, of every ring in every group of rings: windows [n, E] rows,
 * k [n] atomic. judged [m] are the rings that tests look at (NULL: all): those that are quantified.
 * Nothing is kept of the caller's memory. Serves any number of tests. Allocates only when shapes
 * are larger than before. NOMEM. */
edx_status edx_bias_load(edx_bias *bias, const edx_rings *rings, uint32_t n, const double *windows,
                         const double *k, const bool *judged, edx_error *err);

/* heldout [G, n, m]: denoised fractions without each group. chi2 sums, over the judged rings where
 * all of them are finite, d' cov^-1 d of n - 1 elements (which ones makes no difference); dof
 * counts them. p is the smaller of p(chi2, dof) / 0.2 and p(rise) / 0.8, at most 1: rise is by how
 * much a slope of d, from R/4 to 3 R/4 and constant inside and outside, lowers what a constant
 * leaves of chi2, with n - 1 degrees of freedom; plain p(chi2, dof) where the rings span less than
 * half of that, or R is not known. passed where p >= 0.01. No verdict, that is chi2 0, dof 0, p 1
 * and not passed, where fewer than two groups hold counts, there are fewer than two elements, or no
 * ring can be judged.
 */
void edx_bias_check(edx_bias *bias, const double *heldout, edx_check *out);

/* sigma [n, m] of a denoised profile: sqrt(jackknife variance + noise + max(0, d^2 - noise)), noise
 * the variance of d; jackknife over the groups that hold counts. NaN where a ring cannot be judged
 * or there is no verdict. */
void edx_bias_jackknife(edx_bias *bias, const double *heldout, double *sigma);

/* d and its variance [n, m] of the last check or jackknife; NaN where there is none. The instance's
 * memory, until the next call. */
const double *edx_bias_difference(const edx_bias *bias);
const double *edx_bias_noise(const edx_bias *bias);

#endif
