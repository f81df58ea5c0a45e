/* Passes over sparse counts: what a decomposition spends its time in.
 *
 * X is a store's pixels x channels matrix of counts, a_i what the caller scales pixel i by. Sixteen
 * vectors go through at once. Sums are in f32 over a few thousand pixels and in f64 beyond, in an
 * order that depends on nothing but the number of pixels. */
#ifndef EDX_ANALYSIS_PASS_H
#define EDX_ANALYSIS_PASS_H

#include <stdint.h>

#include "analysis/pool.h"
#include "analysis/scene.h"
#include "proto/status.h"

#define EDX_PASS 16u /* vectors */
#define EDX_PASS_PARTS 12u

/* weight * |sum over parts of sign * X|^2; a part of NULL is empty. */
typedef struct edx_pass_term {
    double weight;
    uint32_t parts;
    const edx_scene *part[EDX_PASS_PARTS];
    int sign[EDX_PASS_PARTS]; /* 1 or -1 */
} edx_pass_term;

typedef struct edx_pass edx_pass;

/* For stores of so many pixels and channels. NOMEM. */
edx_status edx_pass_new(uint32_t pixels, uint32_t channels, edx_pass **out, edx_error *err);
void edx_pass_free(edx_pass **pass);
/* Lets pool (the caller's; NULL: none) share the work; results stay the same, to rounding where
 * other processes do a part of it. */
void edx_pass_set_pool(edx_pass *pass, edx_pool *pool);

/* a_i = 1 / the pixel's counts in store, 0 where it has none. Returns how many pixels have some. */
uint32_t edx_pass_scale(edx_pass *pass, const edx_scene *store);
/* w [channels, EDX_PASS], to be filled before each of the following. */
float *edx_pass_input(edx_pass *pass);
/* out [channels, EDX_PASS] = sum over terms of weight * X' diag(a) X w. */
void edx_pass_apply(edx_pass *pass, const edx_pass_term *terms, uint32_t n_terms, double *out);
/* out [EDX_PASS, EDX_PASS] = w' times that: the same without the half of the work that leads back
 * to channels. */
void edx_pass_form(edx_pass *pass, const edx_pass_term *terms, uint32_t n_terms, double *out);
/* For each vector, sum over pixels of a_i times the square of what term gives (its weight is not
 * used), and of a_i times what it gives and what other gives. */
void edx_pass_overlap(edx_pass *pass, const edx_pass_term *term, const edx_scene *other,
                      double square[EDX_PASS], double product[EDX_PASS]);
/* Rows from .. from + n - 1 of maps [n, pixels], n to EDX_PASS: sqrt(a_i) X w. */
void edx_pass_maps(edx_pass *pass, const edx_scene *store, uint32_t n, float *maps);
/* Sum over pixels and channels of a_i x^2 column[c]. */
double edx_pass_square(edx_pass *pass, const edx_scene *store, const double *column);

#endif
