/* Tails of distributions and nonlinear least squares: what GSL does for us. The one file of the
 * analysis that includes it. */
#ifndef EDX_ANALYSIS_NUMERIC_H
#define EDX_ANALYSIS_NUMERIC_H

#include <stdint.h>

#include "proto/status.h"

/* Chance that chi-squared of dof degrees of freedom exceeds chi2: 1 for dof 0, NaN for NaN. */
double edx_numeric_chi2_p(double chi2, uint64_t dof);

/* Least squares of a function that is not linear in its few parameters, each within bounds. */
typedef struct edx_numeric_fit edx_numeric_fit;

/* Writes the residuals [m], each divided by its sigma, of parameters [n]. */
typedef void edx_numeric_residuals(void *context, const double *parameters, double *residuals);

/* For m residuals of n (1 to 16, at most m) parameters. RANGE, NOMEM. */
edx_status edx_numeric_fit_new(uint32_t m, uint32_t n, edx_numeric_fit **out, edx_error *err);
void edx_numeric_fit_free(edx_numeric_fit **fit);

/* Changes parameters [n] from a start within lo .. hi [n] to where the sum of squares, chi2, is
 * least; covariance [n, n] is the inverse of J'J there, with respect to the parameters themselves.
 * A parameter stays a little inside its bounds (p = middle + half * sin u, the transform of
 * MINUIT). RANGE for lo >= hi; NUMERIC, parameters as they were, when nothing converges, something
 * is not finite or the residuals do not depend on every parameter. */
edx_status edx_numeric_fit_run(edx_numeric_fit *fit, edx_numeric_residuals *residuals,
                               void *context, const double *lo, const double *hi,
                               double *parameters, double *covariance, double *chi2,
                               edx_error *err);

#endif
