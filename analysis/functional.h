/* Linear functionals of sparse counts: any set of rows, over every pixel.
 *
 * With rows v [n, E] and the counts s of a pixel: net_i = v_i . s, and for Poisson counts exactly
 * variance v_i^2 . s and covariance (v_i v_j) . s. Rows are rounded to 2^-28 of the largest value,
 * so that sums are exact (of up to 2^24 counts a pixel) and depend neither on the order of counts
 * nor on threads or processors. */
#ifndef EDX_ANALYSIS_FUNCTIONAL_H
#define EDX_ANALYSIS_FUNCTIONAL_H

#include <stdint.h>

#include "analysis/pool.h"
#include "analysis/scene.h"
#include "proto/status.h"

typedef struct edx_functional edx_functional;

/* For n (1 to EDX_MAX_LINES) rows over stores of so many channels. RANGE, NOMEM. */
edx_status edx_functional_new(uint32_t n, uint32_t channels, edx_functional **out, edx_error *err);
void edx_functional_free(edx_functional **functional);
/* Lets pool (the caller's; NULL: none) share the work; results stay the same. */
void edx_functional_set_pool(edx_functional *functional, edx_pool *pool);

/* The rows [n, E] from now on; copied. NUMERIC when one is not finite: nothing changes. */
edx_status edx_functional_set(edx_functional *functional, const double *rows, edx_error *err);

/* Net counts [n, pixels] and their sigma (either may be NULL) of a store of so many channels, such
 * as edx_sparse_total. */
void edx_functional_maps(edx_functional *functional, const edx_scene *store, float *net,
                         float *sigma);
/* For every pixel n net counts and the upper triangle of their covariance, row by row: moments
 * [pixels, edx_functional_moments_n]. */
uint32_t edx_functional_moments_n(uint32_t n);
void edx_functional_moments(edx_functional *functional, const edx_scene *store, double *moments);
/* Net counts [n] and covariance [n, n] of one pixel. */
void edx_functional_pixel(const edx_functional *functional, const edx_scene *store, uint32_t pixel,
                          double *net, double *covariance);

/* The same of a spectrum [channels], with rows as they are: the sum, a region, a ring. */
void edx_functional_spectrum(const double *rows, uint32_t n, uint32_t channels,
                             const double *spectrum, double *net, double *covariance);

#endif
