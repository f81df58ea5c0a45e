/* Passes of expectation maximisation over sparse counts: what non-negative factors spend their time
 * in.
 *
 * X_ic is Poisson with mean sum over k of W_ik H_kc, rows of H summing to 1 (Lee & Seung 1999, and
 * Shepp & Vardi 1982 before). A pass shares every count out among the components in proportion,
 * which gives W at once and, summed over pixels, H. Incremental (Neal & Hinton 1998): pixels are in
 * blocks, the shares of each are kept, and H follows after every block. Only slots are looked at.
 */
#ifndef EDX_ANALYSIS_NMF_PASS_H
#define EDX_ANALYSIS_NMF_PASS_H

#include <stdint.h>

#include "analysis/nmf_kernels.h"
#include "analysis/pool.h"
#include "analysis/scene.h"
#include "proto/status.h"

typedef struct edx_nmf_pass edx_nmf_pass;

/* For stores of so many pixels and channels, and up to max_k (to EDX_NMF_WIDEST) components. NOMEM.
 */
edx_status edx_nmf_pass_new(uint32_t pixels, uint32_t channels, uint32_t max_k, edx_nmf_pass **out,
                            edx_error *err);
void edx_nmf_pass_free(edx_nmf_pass **pass);
/* Lets pool (the caller's; NULL: none) share the work; results stay the same, to rounding where
 * other processes do a part of it: maps then are 0 in pixels that are not this one's. */
void edx_nmf_pass_set_pool(edx_nmf_pass *pass, edx_pool *pool);
/* Makes it use these loops, which hold the components, from the next set on. */
void edx_nmf_pass_use(edx_nmf_pass *pass, const edx_nmf_kernel *kernel);

/* Takes spectra [k, channels] and maps [k, pixels] (a pixel's sum does not matter), not negative,
 * and makes them fit the store as follow does. */
void edx_nmf_pass_set(edx_nmf_pass *pass, const edx_scene *store, uint32_t k, const float *spectra,
                      const float *maps, float mix);
/* Makes the factors fit a store that has grown: maps of a pixel sum to its counts again. A share
 * mix (0 to 1) of everything is as if components were alike, so that what was 0 can come back. */
void edx_nmf_pass_follow(edx_nmf_pass *pass, const edx_scene *store, float mix);

/* One pass, block by block. The further it is carried on the way of the last pass first (push 0 to
 * 1, less than all of the way to 0), the faster many passes converge; only with 0 is it sure that
 * they do. */
void edx_nmf_pass_blocks(edx_nmf_pass *pass, const edx_scene *store, float push);
/* One pass with H as it is until the end: the divergence cannot rise. */
void edx_nmf_pass_whole(edx_nmf_pass *pass, const edx_scene *store);

/* Sum over slots x of x log(x / p), p the mean expected there: the divergence, but for digits
 * (NULL: not asked for), which is what that lacks where counts have several digits: the sum of x
 * log x over counts minus that over slots, a property of the store. */
double edx_nmf_pass_log(edx_nmf_pass *pass, const edx_scene *store, double *digits);

/* Remembers everything; brings back what was remembered. */
void edx_nmf_pass_keep(edx_nmf_pass *pass);
void edx_nmf_pass_undo(edx_nmf_pass *pass);

/* Puts component order[j] into place j. */
void edx_nmf_pass_order(edx_nmf_pass *pass, const uint32_t *order);
/* spectra [k, channels], each summing to 1, and maps [k, pixels] (either may be NULL). */
void edx_nmf_pass_get(const edx_nmf_pass *pass, float *spectra, float *maps);
/* totals [k]: the sums of the maps. */
void edx_nmf_pass_totals(const edx_nmf_pass *pass, double *totals);

#endif
