/* What may be believed, in words. A profile that failed its check is biased: the model's stands. */
#ifndef EDX_CLIENT_ESTIMATE_H
#define EDX_CLIENT_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/ensemble.h"
#include "proto/result.h"

typedef enum edx_estimate_trust {
    EDX_ESTIMATE_OK,
    EDX_ESTIMATE_BIASED,
    EDX_ESTIMATE_UNCHECKED
} edx_estimate_trust;

const char *edx_estimate_trust_name(edx_estimate_trust trust); /* "ok", "biased", "unchecked" */

/* One profile of a particle; value.ndim 0: there is none. */
typedef struct edx_estimate {
    edx_estimator estimator;
    edx_array value, sigma; /* [n, m] */
    const edx_check *check; /* NULL: raw and model need none */
    edx_estimate_trust trust;
} edx_estimate;

edx_estimate edx_particle_estimate(const edx_particle *particle, edx_estimator estimator);
/* "biased (p = 0.0001): the model stands" */
#define EDX_ESTIMATE_TEXT 96
const char *edx_estimate_text(char out[EDX_ESTIMATE_TEXT], const edx_estimate *estimate);

/* The segregation in one sentence; true where |z| is at least 3. */
#define EDX_PARTICLE_VERDICT 160
bool edx_particle_verdict(char out[EDX_PARTICLE_VERDICT], const edx_particle *particle);

/* The entry of element in a particle's composition or a message's systematic; NULL: none. */
const double *edx_particle_composition(const edx_particle *particle, const char *element);
double edx_particles_systematic(const edx_particles_result *result, const char *element);

/* The particle to show where there is room for one: the largest that the edge does not cut, else
 * the largest. NULL when there is none. */
const edx_particle *edx_particles_largest(const edx_particles_result *result);

#endif
