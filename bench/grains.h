/* Simulated particles of many shapes with known truth, for the study of denoising: what the scene
 * agau-8nm scatters, in a sphere whose composition follows a shape. */
#ifndef EDX_BENCH_GRAINS_H
#define EDX_BENCH_GRAINS_H

#include <stdint.h>

#include "instrument/simulator.h"
#include "proto/frame.h"

/* The first nine are what SCIENCE names; the last two are not round, and paper is agau-8nm's. */
/* Most by which the composition of a drawn grain differs from its shape's. */
#define GRAIN_LEVEL 0.15

typedef enum grain_shape {
    GRAIN_FLAT,
    GRAIN_WEAK,
    GRAIN_STRONG,
    GRAIN_INVERTED,
    GRAIN_THIN,
    GRAIN_LINEAR,
    GRAIN_ONION,
    GRAIN_STEP,
    GRAIN_SMALL,
    GRAIN_SHAPES, /* round ones */
    GRAIN_PAPER = GRAIN_SHAPES,
    GRAIN_TILTED,
    GRAIN_TWO_FACED
} grain_shape;

const char *grain_name(grain_shape shape);

typedef struct grain {
    grain_shape shape;
    double centre_nm[2], diameter_nm;
    double level; /* added to the fraction of the first element everywhere */
    double turn;  /* direction of what is not round, radians */
} grain;

/* A shape of random size (4 to 10 nm; small: 4 to 5; paper, tilted, two-faced: 8), place, level and
 * direction. */
void grain_draw(grain_shape shape, uint64_t seed, grain *out);
/* Fraction of the first element at y, x, z from the centre, in space. */
double grain_fraction(const grain *grain, const double at_nm[3]);

typedef struct grain_source grain_source;

/* NULL, said on stderr, when it cannot be. */
grain_source *grain_source_new(void);
void grain_source_free(grain_source **source);
const edx_simulator *grain_source_simulator(const grain_source *source);

/* The particle's atoms [2, pixels], arbitrary scale, probe included; valid until the next call. */
const double *grain_source_place(grain_source *source, const grain *grain);
/* Expected full-resolution spectrum [channels] of the particle's pixels within reach_nm of its
 * centre, of frames at the dose. */
void grain_source_expected(const grain_source *source, const grain *grain, double reach_nm,
                           double frames, double *spectrum);
/* Counts of so many frames (dose times as many electrons each), all in one. 0: no memory. */
int grain_source_counts(grain_source *source, uint64_t seed, uint64_t part, double frames,
                        edx_events *out);

#endif
