/* Many particles of many runs, averaged by diameter: what edxd --offline leaves in ensemble.h5. */
#ifndef EDX_PROTO_ENSEMBLE_H
#define EDX_PROTO_ENSEMBLE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/settings.h"
#include "proto/wire.h"

/* The profiles of a particle, as edx.particles publishes them. */
typedef enum edx_estimator {
    EDX_RAW, /* fraction */
    EDX_MODEL,
    EDX_DENOISED,
    EDX_BY_PCA,
    EDX_BY_NMF,
    EDX_ESTIMATORS
} edx_estimator;

const char *edx_estimator_name(edx_estimator estimator); /* "raw", "model", "denoised"… */

/* [g, n, m] each. NaN, and no particle, where nothing is known. */
typedef struct edx_average {
    edx_array mean;      /* weighted by 1/sigma^2 */
    edx_array sigma;     /* from counting: 1/sqrt(sum of the weights) */
    edx_array chi2;      /* of the particles about the mean; particles - 1 degrees of freedom */
    edx_array particles; /* <u4: profiles that have a point there */
} edx_average;

/* Means along one axis, in bins step_nm wide. */
typedef struct edx_ensemble_axis {
    size_t m;
    const double *at_nm; /* [m] middle of each bin */
    edx_average by[EDX_ESTIMATORS];
} edx_ensemble_axis;

/* Particles with from_nm <= diameter < to_nm. The last group is all particles. */
typedef struct edx_ensemble_group {
    double from_nm, to_nm;
    double diameter_nm; /* mean */
    uint64_t particles;
} edx_ensemble_group;

typedef struct edx_ensemble_member {
    char acq[EDX_ACQ_SIZE];
    uint64_t id, group;
    double diameter_nm;
    double composition[EDX_MAX_LINES][2]; /* fraction, sigma */
    double delta, delta_sigma;            /* segregation of the first element; NaN: unknown */
} edx_ensemble_member;

typedef struct edx_ensemble_result {
    double group_nm, step_nm;
    uint32_t n;
    char elements[EDX_MAX_LINES][EDX_SYMBOL_SIZE];
    double composition[EDX_MAX_LINES][2];   /* of all particles, weighted: fraction, sigma */
    double systematic[EDX_MAX_LINES];       /* relative sigma of a fraction that comes from k */
    uint64_t left_out_edge, left_out_other; /* particles: cut by the edge; of other elements */
    size_t groups;
    const edx_ensemble_group *group; /* [groups] */
    size_t members;
    const edx_ensemble_member *member; /* [members] */
    edx_ensemble_axis radius, depth;   /* from the centre; below the surface */
    void *owned[4];                    /* what edx_ensemble_clear frees */
} edx_ensemble_result;

/* One body as a map; pack is reset first. */
void edx_ensemble_write(edx_pack *pack, const edx_ensemble_result *result);
/* Reads a parsed body into out (zeroed); arrays stay views into the message. */
edx_status edx_ensemble_read(const edx_node *body, edx_ensemble_result *out, edx_error *err);
void edx_ensemble_clear(edx_ensemble_result *result);

#endif
