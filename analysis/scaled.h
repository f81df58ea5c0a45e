/* Counts scaled so that Poisson noise is the same everywhere (Keenan & Kotula 2004): X_ij /
 * sqrt(a_i b_j), a and b the sums of rows and columns; empty ones are left out. */
#ifndef EDX_ANALYSIS_SCALED_H
#define EDX_ANALYSIS_SCALED_H

#include <stdint.h>

#include "analysis/pass.h"
#include "analysis/pool.h"
#include "analysis/scene.h"
#include "proto/status.h"

/* What scaling found in a store. first is known without computing: its singular value is 1. */
typedef struct edx_scaled {
    uint32_t pixels, channels;
    uint32_t full_pixels, full_channels; /* not empty */
    uint64_t counts;
    double edge;    /* the largest eigenvalue of noise: (sqrt(N) + sqrt(E))^2 / T */
    double *root;   /* [channels] 1 / sqrt(b), 0 where empty */
    double *first;  /* [channels] sqrt(b / T), a unit vector */
    double *column; /* [channels] 1 / b, 0 where empty */
    double *out;    /* [channels, EDX_PASS] scratch */
    edx_pass *pass;
} edx_scaled;

/* NOMEM. */
edx_status edx_scaled_new(uint32_t pixels, uint32_t channels, edx_scaled **out, edx_error *err);
void edx_scaled_free(edx_scaled **scaled);
void edx_scaled_set_pool(edx_scaled *scaled, edx_pool *pool);

/* Takes a and b from a store. */
void edx_scaled_fit(edx_scaled *scaled, const edx_scene *store);
/* gv = G v, both [channels, width] (width a multiple of EDX_PASS), G the sum over terms of weight
 * times the scaled counts' inner products. */
void edx_scaled_apply(edx_scaled *scaled, const edx_pass_term *terms, uint32_t n_terms,
                      uint32_t width, const double *v, double *gv);
/* form [EDX_PASS, EDX_PASS] = v' G v, v [channels, EDX_PASS]. */
void edx_scaled_form(edx_scaled *scaled, const edx_pass_term *terms, uint32_t n_terms,
                     const double *v, double *form);
/* maps [n, pixels] = scaled store times the first n columns of v [channels, width]. */
void edx_scaled_maps(edx_scaled *scaled, const edx_scene *store, uint32_t width, const double *v,
                     uint32_t n, float *maps);
/* Of columns first .. first + EDX_PASS - 1 of v [channels, width]: sum of squares of what term
 * gives, and of its products with what other gives. */
void edx_scaled_overlap(edx_scaled *scaled, const edx_pass_term *term, const edx_scene *other,
                        uint32_t width, uint32_t first, const double *v, double square[EDX_PASS],
                        double product[EDX_PASS]);
/* Sum of squares of all scaled counts of a store: the sum of all eigenvalues. */
double edx_scaled_square(edx_scaled *scaled, const edx_scene *store);

#endif
