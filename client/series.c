#include "client/series.h"

#include <math.h>
#include <string.h>

double edx_at_1(const edx_array *array, uint64_t i)
{
    bool there = array->ndim == 1 && i < array->shape[0];
    return there ? edx_array_get(array, i) : (double)NAN;
}

double edx_at_2(const edx_array *array, uint64_t i, uint64_t j)
{
    bool there = array->ndim == 2 && i < array->shape[0] && j < array->shape[1];
    return there ? edx_array_get(array, i * array->shape[1] + j) : (double)NAN;
}

bool edx_estimator_parse(const char *name, edx_estimator *out)
{
    for (int i = 0; i < EDX_ESTIMATORS; i++)
        if (strcmp(name, edx_estimator_name((edx_estimator)i)) == 0) {
            *out = (edx_estimator)i;
            return true;
        }
    return false;
}

static bool any_finite(const edx_array *array)
{
    uint64_t elements, bytes;
    if (array->ndim != 2 || !edx_array_count(array, &elements, &bytes))
        return false;
    for (uint64_t i = 0; i < elements; i++)
        if (isfinite(edx_array_get(array, i)))
            return true;
    return false;
}

edx_radial edx_radial_of(const edx_particle *particle, edx_estimator source)
{
    const edx_array *values[EDX_ESTIMATORS] = {&particle->radial.fraction, &particle->radial.model,
                                               &particle->radial.denoised, &particle->radial.pca,
                                               &particle->radial.nmf};
    const edx_array *sigmas[EDX_ESTIMATORS] = {
        &particle->radial.sigma, &particle->radial.model_sigma, &particle->radial.denoised_sigma,
        &particle->radial.pca_sigma, &particle->radial.nmf_sigma};
    const edx_check *checks[EDX_ESTIMATORS] = {NULL, NULL, &particle->radial.denoised_check,
                                               &particle->radial.pca_check,
                                               &particle->radial.nmf_check};
    return (edx_radial){.value = values[source],
                        .sigma = sigmas[source],
                        .check = checks[source],
                        .any = any_finite(values[source])};
}

edx_estimator edx_estimator_shown(const edx_particle *particle, edx_estimator wanted)
{
    static const edx_estimator order[] = {EDX_DENOISED, EDX_MODEL, EDX_RAW};
    if (edx_radial_of(particle, wanted).any)
        return wanted;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (edx_radial_of(particle, order[i]).any)
            return order[i];
    return EDX_RAW;
}

bool edx_radial_known(const edx_particle *particle, uint64_t ring)
{
    return ring < particle->radial.m && particle->radial.quantified[ring];
}

double edx_systematic_of(const edx_particles_result *result, const char *element)
{
    for (uint32_t i = 0; i < result->n; i++)
        if (strcmp(result->elements[i], element) == 0)
            return result->systematic[i];
    return (double)NAN;
}

const double *edx_composition_of(const edx_particle *particle, const char *element)
{
    for (uint32_t i = 0; i < particle->n; i++)
        if (strcmp(particle->elements[i], element) == 0)
            return particle->composition[i];
    return NULL;
}

const edx_particle *edx_particle_shown(const edx_particles_result *result)
{
    const edx_particle *best = NULL;
    for (size_t i = 0; i < result->count; i++) {
        const edx_particle *p = &result->particles[i];
        if (!best || (best->touches_edge && !p->touches_edge) ||
            (best->touches_edge == p->touches_edge && p->diameter_nm > best->diameter_nm))
            best = p;
    }
    return best;
}
