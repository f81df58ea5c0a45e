/* Are the frames what one steady beam gives? Their totals against Poisson. */
#ifndef EDX_ANALYSIS_HEALTH_H
#define EDX_ANALYSIS_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

typedef struct edx_health edx_health;

edx_status edx_health_new(edx_health **out, edx_error *err);
void edx_health_free(edx_health **health);
void edx_health_clear(edx_health *health);

/* Counts of some rows of a scan frame that is not closed yet. NOMEM changes nothing. */
edx_status edx_health_add(edx_health *health, uint64_t frame, uint64_t counts, edx_error *err);
/* The frame stands. One that is not complete is named as an outlier and tested no further, since
 * its missing rows need not have been average ones. Nothing was added for it: nothing happens,
 * unless it is incomplete, which is remembered where memory allows. */
void edx_health_close(edx_health *health, uint64_t frame, bool complete);

/* D = sum (n_f - mean)^2 / mean over the complete frames, chi-squared with dof = frames - 1 degrees
 * of freedom if they are Poisson of one rate; p the chance of more. Below two frames 0, 0 and 1.
 * outliers (n_outliers; until the next call): the incomplete frames, and those further than 5 sigma
 * from the median, sigma being Poisson's or the frames' own interquartile range, whichever is more,
 * so that a slowly falling beam current names no frame. */
void edx_health_result(edx_health *health, double *chi2, uint64_t *dof, double *p,
                       const uint64_t **outliers, size_t *n_outliers);

/* edx_numeric_chi2_p. */
double edx_health_chi2_p(double chi2, uint64_t dof);

#endif
