/* Particles of a scan: where they are, how large, whose each pixel is, which is which from frame to
 * frame. All nm coordinates are [y, x] from the centre of scan pixel (0, 0). */
#ifndef EDX_ANALYSIS_PARTICLES_H
#define EDX_ANALYSIS_PARTICLES_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/sparse.h"
#include "proto/status.h"

#define EDX_MAX_PARTICLES 256u
#define EDX_PARTICLES_REACH                                                                        \
    1.35 /* of R: a particle's counts are looked for so far from its centre */

/* A scan of rows x cols pixels of step_nm [dy, dx], binned bin_pixels x bin_pixels for maps, and
 * the analysis' channels. */
typedef struct edx_particles_shape {
    uint32_t rows, cols;
    double step_nm[2];
    uint32_t bin_pixels;
    uint32_t channels;
} edx_particles_shape;

/* What particles are found in; views of somebody's memory. Maps are in analysis pixels, sums over
 * frames. */
typedef struct edx_particles_source {
    uint32_t n;               /* lines; 0: none is known */
    const float *net, *sigma; /* [n, rows, cols] (edx_intensity_maps) */
    const double *image;      /* [rows, cols]; NULL: none */
    const float *exposure;    /* [rows, cols] mean frames of a scan pixel; NULL: all the same */
    const uint32_t *covered;  /* [scan pixels] frames; NULL: what counts say */
    const edx_sparse *counts; /* bin_pixels 1; NULL: sizes are measured in analysis pixels */
    const double *rows;       /* [n, channels] the lines' functionals (edx_windows_row) */
} edx_particles_source;

/* A particle. Centre: that of its net counts, background subtracted. Diameter: of the sphere with
 * the same second moment, R = sqrt(5 <rho^2> / 2), of the net counts within 1.35 R, repeated until
 * it stays; a pixel's own moment is taken off. Pixels of other particles do not count. */
typedef struct edx_particle_place {
    uint32_t id; /* from 1 */
    double centre_nm[2];
    double radius_nm, diameter_nm;
    double area_diameter_nm; /* of the disc of as many pixels as are above the threshold */
    bool touches_edge; /* it goes on outside the scan, or may: size and centre are not whole */
    bool touches_neighbour;
} edx_particle_place;

typedef struct edx_particles edx_particles;

/* RANGE for bins that do not fit the scan, NOMEM. */
edx_status edx_particles_new(const edx_particles_shape *shape, edx_particles **out, edx_error *err);
void edx_particles_free(edx_particles **particles);
/* Takes over which particle had which id; shapes may differ. */
void edx_particles_follow(edx_particles *particles, const edx_particles *before);

/* Finds the particles (analysis/segment.h) in the lines' summed net counts; where these are not
 * significant in the whole map (5 sigma) and show no particle, in the image. Returns how many, at
 * most EDX_MAX_PARTICLES: the largest. A particle whose centre is within the radius of one of the
 * detection before keeps that one's id, nearest first; other ids are new ones, counted up, and none
 * is used twice. fixed: forgets what was before and numbers them from 1 in order of centre, y then
 * x. Equal counts give equal numbers, in whatever order they came. Allocates nothing. */
uint32_t edx_particles_detect(edx_particles *particles, const edx_particles_source *source,
                              bool fixed);

/* Of the last detection, until the next. */
uint32_t edx_particles_count(const edx_particles *particles);
const edx_particle_place *edx_particles_places(const edx_particles *particles); /* by rising id */
/* Id of the particle that a scan pixel belongs to, 0 for none [scan pixels]: within it, up to the
 * watershed; beyond it, to EDX_PARTICLES_REACH, that whose surface is nearest. */
const uint32_t *edx_particles_owner(const edx_particles *particles);
/* 1 for analysis pixels [rows, cols] within margin_nm of a particle, or of its sphere, else 0;
 * until the next call. */
const uint8_t *edx_particles_mask(edx_particles *particles, double margin_nm);

#endif
