/* Particles of many runs, grouped by diameter, their profiles averaged (Moreira et al., Small 2024,
 * figure 3).
 *
 * In each group, bin and element the mean is that of the points that fall into the bin, weighted by
 * 1/sigma^2, sigma being what counting and, for denoised values, smoothing leave. The sigma of k is
 * common to all particles and does not average down: it is kept apart. Points that are not
 * quantified, and profiles whose check for bias did not pass (or was not made), are left out; so
 * are particles that the edge of the scan cuts, of which no diameter is known.
 *
 * Chi^2 tells whether particles agree within their errors: where it is far above particles - 1 they
 * differ in truth. */
#ifndef EDX_ANALYSIS_ENSEMBLE_H
#define EDX_ANALYSIS_ENSEMBLE_H

#include "proto/ensemble.h"
#include "proto/result.h"

#define EDX_ENSEMBLE_GROUP_NM 1.0

typedef struct edx_ensemble edx_ensemble;

/* Groups of diameter are group_nm wide, their middles multiples of it: 7.5 to 8.5 nm for 1. NULL
 * without memory. */
edx_ensemble *edx_ensemble_new(double group_nm);
void edx_ensemble_free(edx_ensemble **ensemble);

/* Adds the particles of one run; everything is copied. The first run's elements are the ensemble's:
 * particles of others are counted as left out. NOMEM. */
edx_status edx_ensemble_add(edx_ensemble *ensemble, const edx_particles_result *run,
                            edx_error *err);

/* Averages what was added. Bins are as wide as the widest rings. Arrays belong to the ensemble
 * until its next call. STATE where no particle was added that could be averaged; NOMEM. */
edx_status edx_ensemble_average(edx_ensemble *ensemble, edx_ensemble_result *out, edx_error *err);

#endif
