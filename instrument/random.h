/* Random numbers that are the same on every machine: integers, and correctly rounded arithmetic.
 *
 * xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64. Nothing here calls libm: its last
 * bits differ between systems, and one differing bit would change every count after it. */
#ifndef EDX_INSTRUMENT_RANDOM_H
#define EDX_INSTRUMENT_RANDOM_H

#include <stdint.h>

#include "proto/status.h"

typedef struct edx_random {
    uint64_t s[4];
} edx_random;

/* Streams of one seed are independent: frame f of a run takes stream f. */
void edx_random_seed(edx_random *random, uint64_t seed, uint64_t stream);
uint64_t edx_random_next(edx_random *random);
/* One step of splitmix64: advances *state. */
uint64_t edx_random_splitmix(uint64_t *state);
/* Uniform in (0, 1]. */
double edx_random_unit(edx_random *random);
/* Uniform in 0 .. n - 1, n > 0. */
uint32_t edx_random_below(edx_random *random, uint32_t n);
/* Poisson, exact for every mean from 0 on: arrivals of a unit-rate process before the mean. Costs
 * one number per count. */
uint64_t edx_random_poisson(edx_random *random, double mean);
/* Normal, mean 0, variance 1, within 16 sigma: a sum of 256 fair bits and a uniform to fill the
 * steps. Good for noise of images, not for tails. */
double edx_random_gauss(edx_random *random);

/* Draws an index with probability proportional to its weight, in constant time (Walker 1977, tables
 * after Vose 1991, in integers). */
typedef struct edx_alias edx_alias;

/* A table for up to n indices. NULL without memory. */
edx_alias *edx_alias_new(uint32_t n);
void edx_alias_free(edx_alias **alias);
/* Weights [n] from now on, finite and not negative; they are rounded to 2^-32 of the largest.
 * All zero: RANGE. */
edx_status edx_alias_set(edx_alias *alias, const double *weights, edx_error *err);
uint32_t edx_alias_draw(const edx_alias *alias, edx_random *random);

#endif
