/* Counts to composition: Cliff-Lorimer with the full covariance. */
#ifndef EDX_ANALYSIS_QUANT_H
#define EDX_ANALYSIS_QUANT_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/lines.h"

/* Fractions C_i = k_i N_i / sum_j k_j N_j of n lines, one line per element, from net counts [n] and
 * their covariance [n, n]; sigma [n] is statistical, by the full Jacobian. Returns false, and NaN
 * in both, when some line is at or under the quantification limit N_i > limit * sqrt(var_i), or
 * there is only one: never 0 or 1 because the partner is missing. (Cliff & Lorimer 1975.) */
bool edx_quant_fractions(const edx_line *lines, uint32_t n, double limit, const double *net,
                         const double *covariance, double *fraction, double *sigma);

/* Systematic relative sigma of each fraction [n] that comes from the lines' k_sigma. */
void edx_quant_systematic(const edx_line *lines, uint32_t n, const double *fraction,
                          double *relative_sigma);

#endif
