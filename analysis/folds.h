/* What interleaved frames say about components: how many there are, and how large without noise.
 *
 * Each fold of frames is an independent measurement (analysis/sparse.h). Held-out error: components
 * of all other folds predict a fold's scaled counts; what is noise there predicts nothing.
 * Noise-free eigenvalues: those of (X'X - sum over folds X_f'X_f) / (1 - sum w_f^2), w_f a fold's
 * share of the exposure, in which no count meets itself. Its mean is S'S, S the scaled mean,
 * whatever the noise. */
#ifndef EDX_ANALYSIS_FOLDS_H
#define EDX_ANALYSIS_FOLDS_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/pace.h"
#include "analysis/scaled.h"
#include "analysis/sparse.h"
#include "proto/status.h"

typedef struct edx_folds edx_folds;

/* For m components of so many channels, and up to EDX_FOLDS folds. NOMEM. */
edx_status edx_folds_new(uint32_t channels, uint32_t m, edx_folds **out, edx_error *err);
void edx_folds_free(edx_folds **folds);

/* Whether counts have grown by a tenth since the last update, or a fold more has them. */
bool edx_folds_due(const edx_folds *folds, const edx_sparse *sparse);
/* Brings everything up to date with sparse, to whose total scaled was fitted; from a fixed start
 * and without memory of what was, if fixed. NUMERIC. */
edx_status edx_folds_update(edx_folds *folds, edx_scaled *scaled, const edx_sparse *sparse,
                            bool fixed, edx_error *err);
/* The same where it is due, a fold after the other as pace (NULL: all) has it, each of the counts
 * as they are then, as scaled is by then. A round that began goes on; until it is whole the last
 * one stands, but for the vectors. NUMERIC. */
edx_status edx_folds_follow(edx_folds *folds, edx_scaled *scaled, const edx_sparse *sparse,
                            const edx_pace *pace, edx_error *err);
bool edx_folds_underway(const edx_folds *folds);   /* a round is not whole */
uint64_t edx_folds_rounds(const edx_folds *folds); /* that came to their end */

/* Of the last update; NaN while fewer than two folds have counts. */
/* [m] squared error of ranks 1 to m, relative to the sum of squares of all folds. */
const double *edx_folds_error(const edx_folds *folds);
const double *edx_folds_noise_free(const edx_folds *folds); /* [m] eigenvalues, descending */
/* The rank of least held-out error, 0 while there is none. */
uint32_t edx_folds_rank(const edx_folds *folds);
/* The k (to m) leading vectors [k, channels] of the scaled counts of all folds but one; false, and
 * nothing is written, while that fold has no counts or fewer than two have. */
bool edx_folds_vectors(const edx_folds *folds, uint32_t fold, uint32_t k, double *out);

#endif
