/* A spectrum as a sum of templates: weighted linear least squares, where templates may depend on
 * each other. */
#ifndef EDX_ANALYSIS_LSTSQ_H
#define EDX_ANALYSIS_LSTSQ_H

#include <stdint.h>

#include "proto/status.h"

/* Templates [t, E] of which some are used, in an order of precedence, on channels first .. end - 1.
 */
typedef struct edx_lstsq_problem {
    const double *shapes;
    uint32_t channels; /* E */
    uint32_t first, end;
    const uint32_t *which; /* [n] indices of templates */
    uint32_t n;
} edx_lstsq_problem;

typedef struct edx_lstsq edx_lstsq;

/* For problems of up to t templates on up to so many channels. NOMEM. */
edx_status edx_lstsq_new(uint32_t t, uint32_t channels, edx_lstsq **out, edx_error *err);
void edx_lstsq_free(edx_lstsq **lstsq);

/* Weights [E] of the channels, 1 / variance. A template of which those before it explain all but 1
 * % of the weighted square is left out, and so is one that is zero. NUMERIC when something is not
 * finite. */
edx_status edx_lstsq_prepare(edx_lstsq *lstsq, const edx_lstsq_problem *problem,
                             const double *weights, edx_error *err);
/* amplitudes [n] in the order of which, 0 for those left out; the fit [E], 0 elsewhere (may be
 * NULL). */
void edx_lstsq_solve(edx_lstsq *lstsq, const double *spectrum, double *amplitudes, double *fitted);
/* rows [n, E]: amplitudes = rows . spectrum. */
void edx_lstsq_rows(edx_lstsq *lstsq, double *rows);

/* Fits counts: weights are 1 / variance expected by the fit before, times over, first of the counts
 * themselves; channels are expected to hold 1 % of the mean channel at least. Leaves the
 * preparation of the last weights (weights [E] is written). An empty spectrum gets equal weights.
 */
edx_status edx_lstsq_poisson(edx_lstsq *lstsq, const edx_lstsq_problem *problem, int times,
                             const double *spectrum, double *weights, double *amplitudes,
                             double *fitted, edx_error *err);

#endif
