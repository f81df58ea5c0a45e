/* What is published of a particle: composition of rings, of the whole, of core and shell. Raw: net
 * counts of summed spectra by linear functionals, their exact covariance, Cliff-Lorimer
 * (analysis/quant.h). */
#ifndef EDX_ANALYSIS_RADIAL_H
#define EDX_ANALYSIS_RADIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/lines.h"
#include "analysis/particles.h"
#include "analysis/rings.h"
#include "analysis/sparse.h"
#include "proto/result.h"

/* Lines and how to see them in a spectrum. */
typedef struct edx_radial_lines {
    const edx_line *lines;
    uint32_t n;         /* 0: none is known, arrays are [0, m] */
    double limit;       /* of quantification */
    const double *rows; /* [n, E] functionals: N_i = row_i . s, cov_ij = (row_i row_j) . s */
} edx_radial_lines;

/* ---- numbers of spectra; no instance, no memory ---- */

/* Net counts [n] and covariance [n, n] of a spectrum [channels]. */
void edx_radial_net(const edx_radial_lines *lines, uint32_t channels, const double *spectrum,
                    double *net, double *covariance);
/* Of all rings: counts, counts_sigma, fraction, sigma [n, m] and quantified [m]. Fraction and sigma
 * are NaN and quantified is false where some line is not above the limit, in a ring without pixels,
 * and where there is only one line. */
void edx_radial_rings(const edx_radial_lines *lines, const edx_rings *rings, double *counts,
                      double *counts_sigma, double *fraction, double *sigma, bool *quantified);
/* Sets particle->segregation from the spectra [channels] of core and shell, for the first line's
 * element (chosen before anything is known, so that z needs no correction): delta = shell - core,
 * sigma independent, z = delta / sigma. NaN where core or shell is not quantified. */
void edx_radial_segregation(const edx_radial_lines *lines, uint32_t channels, const double *core,
                            const double *shell, edx_particle *particle);
/* Core is r < this, shell the rest to R: max(R - 2 nm, R / 2). */
double edx_radial_core_nm(double radius_nm);

/* ---- particles ---- */

typedef struct edx_radial edx_radial;

/* The arrays [n, m] of a particle. */
typedef enum edx_radial_kind {
    EDX_RADIAL_COUNTS,
    EDX_RADIAL_COUNTS_SIGMA,
    EDX_RADIAL_FRACTION,
    EDX_RADIAL_SIGMA,
    EDX_RADIAL_MODEL,
    EDX_RADIAL_MODEL_SIGMA,
    EDX_RADIAL_DENOISED,
    EDX_RADIAL_DENOISED_SIGMA,
    EDX_RADIAL_PCA,
    EDX_RADIAL_PCA_SIGMA,
    EDX_RADIAL_NMF,
    EDX_RADIAL_NMF_SIGMA,
    EDX_RADIAL_KINDS
} edx_radial_kind;

typedef struct edx_radial_source {
    const edx_sparse *counts; /* one analysis pixel for each scan pixel */
    edx_radial_lines lines;   /* by windows */
    double width_nm;          /* of a ring */
    const uint32_t *owner;    /* [scan pixels] edx_particles_owner; NULL: no particle but one */
} edx_radial_source;

/* For scans of rows x cols pixels of step_nm [dy, dx] and counts of so many channels, in groups
 * (0: none) folds. NOMEM. */
edx_status edx_radial_new(uint32_t rows, uint32_t cols, const double step_nm[2], uint32_t channels,
                          uint32_t groups, edx_radial **out, edx_error *err);
void edx_radial_free(edx_radial **radial);

/* Makes particle index (0 .. EDX_MAX_PARTICLES - 1) of place: rings to EDX_PARTICLES_REACH R;
 * composition from the summed spectrum of all its pixels within R; segregation. What comes after
 * raw (model, denoised, pca, nmf) is NaN, its checks zero, for the caller to set. rings shows what
 * it was made of until the next take. Allocates only while sizes grow. NOMEM, RANGE (rings.h). */
edx_status edx_radial_take(edx_radial *radial, const edx_radial_source *source, uint32_t index,
                           const edx_particle_place *place, bool with_groups, edx_rings *rings,
                           edx_error *err);
/* The particles that were taken, with arrays that live here until each is taken again. */
edx_particle *edx_radial_particles(edx_radial *radial);
/* One array [n, m] of particle index, to be written; the particle shows it. */
double *edx_radial_values(edx_radial *radial, uint32_t index, edx_radial_kind kind);
/* Core and shell of the last take as two rings of different width (step_nm is the core's), until
 * the next. */
edx_rings edx_radial_zones(const edx_radial *radial);

/* Shows the first count particles, with the relative sigma from k at the composition of all that
 * are quantified together (NaN where none is). Sets all of out but its head. */
void edx_radial_show(edx_radial *radial, const edx_radial_lines *lines, uint32_t count,
                     edx_particles_result *out);
/* Takes all places, raw, and shows them. */
edx_status edx_radial_fill(edx_radial *radial, const edx_radial_source *source,
                           const edx_particle_place *places, uint32_t count,
                           edx_particles_result *out, edx_error *err);

#endif
