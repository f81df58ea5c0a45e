/* Non-negative factors of unscaled counts: maps and spectra that are not negative and of which the
 * counts are a Poisson sample, most likely (SCIENCE: NMF).
 *
 * Minimises the Kullback-Leibler divergence D = sum over pixels i and channels c of x log(x / p) -
 * x + p, p_ic = sum over k of maps[k, i] spectra[k, c], by incremental expectation maximisation
 * (analysis/nmf_pass.h) from what was found a frame before. Spectra sum to 1, so that maps are
 * counts.
 *
 * Identity: components keep their places from call to call. After a start with another k, and
 * memory of what was, those that are most alike (correlation of the spectra's deviations from the
 * mean, noise made equal; the most alike pair first) keep their order, and what is new comes after
 * them. What is new, and everything without memory, is in order of counts, most first. */
#ifndef EDX_ANALYSIS_NMF_H
#define EDX_ANALYSIS_NMF_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/pool.h"
#include "analysis/scene.h"
#include "proto/status.h"

typedef struct edx_nmf edx_nmf;

/* Up to max_k (1 to 64) components of stores of so many pixels and channels. RANGE, NOMEM. */
edx_status edx_nmf_new(uint32_t pixels, uint32_t channels, uint32_t max_k, edx_nmf **out,
                       edx_error *err);
void edx_nmf_free(edx_nmf **nmf);
/* Lets pool (the caller's; NULL: none) share the work; results stay the same. */
void edx_nmf_set_pool(edx_nmf *nmf, edx_pool *pool);

/* Whether k components need a start: none was, it had no counts, or it was for another number. */
bool edx_nmf_needs_start(const edx_nmf *nmf, uint32_t k);
/* Starts k (1 to max_k) components from principal ones of the same store, spectra [k, channels] and
 * maps [k, pixels] as edx_pca_vectors gives them: of each the sign that has more, without what is
 * negative (NNDSVD, Boutsidis & Gallopoulos 2008), and a fifth of everything alike. Where there is
 * no more principal component, the mean with something added that depends on its place alone.
 * Without memory of what was, if fixed. RANGE. */
edx_status edx_nmf_start(edx_nmf *nmf, const edx_scene *store, uint32_t k, const float *spectra,
                         const float *maps, bool fixed, edx_error *err);

/* Starts from the components of other, found in nearly the same counts, in their places. STATE
 * before a start of other, RANGE for more than max_k. */
edx_status edx_nmf_start_as(edx_nmf *nmf, const edx_scene *store, const edx_nmf *other,
                            edx_error *err);

/* Brings the components up to date with a store that may have grown, in n passes over its counts.
 * For the same counts (the same sums of pixels and channels) D never rises from call to call.
 * Without counts everything is 0. STATE before a start, NUMERIC when D is not finite. */
edx_status edx_nmf_update(edx_nmf *nmf, const edx_scene *store, uint32_t n, edx_error *err);
/* Makes passes until EDX_NMF_ROUND of them lessen D by less than tolerance times D, max_passes at
 * most (both of a fixed store; 1e-4 and 256 end within 0.5 % of where thousands do). */
#define EDX_NMF_ROUND 8u
edx_status edx_nmf_converge(edx_nmf *nmf, const edx_scene *store, double tolerance,
                            uint32_t max_passes, edx_error *err);

/* Of the last call. */
uint32_t edx_nmf_rank(const edx_nmf *nmf);          /* k; 0 before a start */
double edx_nmf_divergence(const edx_nmf *nmf);      /* D */
uint32_t edx_nmf_passes(const edx_nmf *nmf);        /* but those made again */
const float *edx_nmf_spectra(const edx_nmf *nmf);   /* [k, channels], each summing to 1 */
const double *edx_nmf_totals(const edx_nmf *nmf);   /* [k] sums of the maps, counts */
void edx_nmf_maps(const edx_nmf *nmf, float *maps); /* [k, pixels] */

/* share [k, n]: what part of line i's net counts component k carries, rows [n, channels] the
 * linear functionals of the lines: rows[i] . spectra[k] * totals[k] over its sum over k. They sum
 * to 1 for every line. Net counts may be negative, and so may shares, and above 1 then: nothing is
 * clipped. 0 for a line whose net counts are not above 0 in the sum. */
void edx_nmf_share(const edx_nmf *nmf, const double *rows, uint32_t n, double *share);

/* particle [k]: whether a component is a particle's: confined to inside [pixels] (not 0: within a
 * particle; the caller dilates) and carrying a quantified line.
 *
 * Confined: its mean map outside is below EDX_NMF_OUTSIDE times that inside, and they differ by
 * more than EDX_NMF_SIGMAS standard errors, those of the means from the maps' own scatter. (Noise
 * that a map, being not negative, cannot average away leaves 0.003 to 0.03 of a particle outside in
 * simulations of 15 to 1000 counts a pixel; films and grids are at 0.7 and more. Components that
 * fit noise are at 0.1 and more, and fail by carrying nothing.) Carrying line i, where
 * quantified[i]: its net counts rows[i] . spectra[k] * totals[k] are above EDX_NMF_SIGMAS times
 * their Poisson sigma, and above EDX_NMF_CARRIES of all components'. */
#define EDX_NMF_OUTSIDE 0.25
#define EDX_NMF_SIGMAS 5.0
#define EDX_NMF_CARRIES 0.05
void edx_nmf_particle(edx_nmf *nmf, const uint8_t *inside, const double *rows, uint32_t n,
                      const bool *quantified, bool *particle);

/* coefficients [m, k]: how many counts of each component other spectra [m, channels] (of rings,
 * say) hold: not negative, the most likely ones for Poisson counts, the components' spectra as they
 * are (projected Newton steps). Counts in channels where every component is 0 are left out; 0 for a
 * spectrum without counts. NUMERIC for a spectrum that is negative or not finite. */
edx_status edx_nmf_project(edx_nmf *nmf, const double *spectra, uint32_t m, double *coefficients,
                           edx_error *err);

#endif
