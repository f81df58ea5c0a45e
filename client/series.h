/* Published numbers by their place, and the estimators of a particle's profile. */
#ifndef EDX_CLIENT_SERIES_H
#define EDX_CLIENT_SERIES_H

#include <stdbool.h>

#include "proto/ensemble.h"
#include "proto/result.h"

/* NaN where the array has no such element, or another number of dimensions. */
double edx_at_1(const edx_array *array, uint64_t i);
double edx_at_2(const edx_array *array, uint64_t i, uint64_t j);

/* From its name; false when it is none. */
bool edx_estimator_parse(const char *name, edx_estimator *out);

/* What one estimator makes of a particle. */
typedef struct edx_radial {
    const edx_array *value, *sigma; /* [n, m] */
    const edx_check *check;         /* NULL: it needs none */
    bool any;                       /* there is a number in it */
} edx_radial;

edx_radial edx_radial_of(const edx_particle *particle, edx_estimator source);
/* Wanted where it has numbers, else the first of denoised, model and raw that has. */
edx_estimator edx_estimator_shown(const edx_particle *particle, edx_estimator wanted);
/* True where a ring is over the quantification limit. */
bool edx_radial_known(const edx_particle *particle, uint64_t ring);

/* The relative error of an element's fraction that comes from k; NaN when none is published. */
double edx_systematic_of(const edx_particles_result *result, const char *element);
/* Fraction and sigma of an element; NULL when there is none. */
const double *edx_composition_of(const edx_particle *particle, const char *element);
/* The particle to show where there is room for one: the largest that the edge does not cut, else
 * the largest. NULL when there is none. */
const edx_particle *edx_particle_shown(const edx_particles_result *result);

#endif
