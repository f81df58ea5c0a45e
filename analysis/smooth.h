/* Compositions along a radius, smoothed by how smooth they turn out to be: Gaussian processes with
 * empirical Bayes (SCIENCE: denoising that does not lie, step 4). */
#ifndef EDX_ANALYSIS_SMOOTH_H
#define EDX_ANALYSIS_SMOOTH_H

#include <stdint.h>

#include "proto/status.h"

typedef struct edx_smooth edx_smooth;

/* NOMEM. */
edx_status edx_smooth_new(edx_smooth **out, edx_error *err);
void edx_smooth_free(edx_smooth **smooth);

/* Fractions of n (2 or more) elements at m places u = mean(r^2) / R^2, ascending: value [n - 1, m]
 * of all elements but the last, noise [d, d] their covariance, d = (n - 1) m. mean [d] and
 * covariance [d, d] are those of the posterior, a mixture over 4 kernels and 24 amplitudes tau.
 *
 * Prior: mean 1 / n, covariance B_ef (0.3^2 + tau^2 K(x, x') + slope), with K(x, x') = min(x, x')
 * or m^2 (M - m / 3) / 2 (m, M the smaller and the larger of both; slope 0.06^2 x x' with it alone)
 * for x = u and x = sqrt(u), K divided by its value at the last place; all four equally likely,
 * tau log-spaced in 0.002 to 0.6 with weight tau exp(-(tau / 0.1)^2 / 2). B_ef = (n [e = f] - 1) /
 * (n - 1), so that fractions sum to 1 whatever the order of the elements; 1 for two.
 *
 * Above d = 192 every fourth tau alone is taken, which bounds the work by 8 d^3 multiplications.
 * Allocates only when d is larger than before. RANGE above d = 1536; NUMERIC when noise is not
 * finite or no covariance positive definite; NOMEM. */
edx_status edx_smooth_rings(edx_smooth *smooth, uint32_t n, uint32_t m, const double *u,
                            const double *value, const double *noise, double *mean,
                            double *covariance, edx_error *err);

#endif
