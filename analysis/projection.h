/* Spectra as a fixed set of components has them: denoising by principal components, as in the
 * paper, for any summed spectrum.
 *
 * The components are right singular vectors V [r, E] of Poisson-scaled counts (analysis/scaled.h).
 * What is scaled by the pixel comes back when the scaling is undone, so that the reconstruction of
 * a pixel, and of any sum of pixels, is D^(1/2) V' V D^(-1/2) s with D the channels' sums b. Its
 * counts by a row w are then those of s by the row D^(-1/2) V' V D^(1/2) w: project the rows once,
 * not the spectra. */
#ifndef EDX_ANALYSIS_PROJECTION_H
#define EDX_ANALYSIS_PROJECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/rings.h"

/* rows [n, E] through r vectors [r, E] (orthonormal) and b [E] into out [n, E]; channels with b 0
 * are left out on both sides. scratch [E]. */
void edx_projection_rows(uint32_t r, uint32_t channels, const double *vectors, const double *b,
                         uint32_t n, const double *rows, double *scratch, double *out);

/* Fractions [n, m] of the rings' counts by rows [n, E], C_i proportional to k_i N_i: those of the
 * reconstruction where rows are projected. NaN in rings that are not wanted [m] (NULL: all), and
 * where a count is not above 0. */
void edx_projection_fractions(const edx_rings *rings, uint32_t n, const double *rows,
                              const double *k, const bool *wanted, double *fraction);

/* Both: fractions [n, m] that windows [n, E] find in the rings as r vectors have them. scratch
 * [(n + 1) E]. For a leave-one-group-out profile, rings of the other groups and their vectors. */
void edx_projection_rings(const edx_rings *rings, uint32_t r, const double *vectors,
                          const double *b, uint32_t n, const double *windows, const double *k,
                          const bool *wanted, double *scratch, double *fraction);

#endif
