#include "client/estimate.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define CLEAR 3.0 /* sigma */

const char *edx_estimate_trust_name(edx_estimate_trust trust)
{
    static const char *const names[] = {"ok", "biased", "unchecked"};
    return names[trust];
}

static edx_estimate_trust trust_of(const edx_check *check)
{
    if (!check || check->passed)
        return EDX_ESTIMATE_OK;
    return check->dof == 0 || isnan(check->p) ? EDX_ESTIMATE_UNCHECKED : EDX_ESTIMATE_BIASED;
}

edx_estimate edx_particle_estimate(const edx_particle *p, edx_estimator estimator)
{
    edx_estimate out = {.estimator = estimator};
    switch (estimator) {
    case EDX_MODEL:
        out.value = p->radial.model;
        out.sigma = p->radial.model_sigma;
        break;
    case EDX_DENOISED:
        out.value = p->radial.denoised;
        out.sigma = p->radial.denoised_sigma;
        out.check = &p->radial.denoised_check;
        break;
    case EDX_BY_PCA:
        out.value = p->radial.pca;
        out.sigma = p->radial.pca_sigma;
        out.check = &p->radial.pca_check;
        break;
    case EDX_BY_NMF:
        out.value = p->radial.nmf;
        out.sigma = p->radial.nmf_sigma;
        out.check = &p->radial.nmf_check;
        break;
    default:
        out.value = p->radial.fraction;
        out.sigma = p->radial.sigma;
    }
    if (!out.sigma.ndim)
        out.value.ndim = 0;
    out.trust = trust_of(out.check);
    return out;
}

const char *edx_estimate_text(char out[EDX_ESTIMATE_TEXT], const edx_estimate *e)
{
    if (!e->check)
        snprintf(out, EDX_ESTIMATE_TEXT, "unbiased");
    else if (e->trust == EDX_ESTIMATE_UNCHECKED)
        snprintf(out, EDX_ESTIMATE_TEXT, "unchecked: not to be relied on");
    else
        snprintf(out, EDX_ESTIMATE_TEXT, "%s (chi2 = %.3g, dof = %" PRIu64 ", p = %.2g)%s",
                 e->trust == EDX_ESTIMATE_BIASED ? "biased" : "check passed", e->check->chi2,
                 e->check->dof, e->check->p,
                 e->trust == EDX_ESTIMATE_BIASED ? ": the model stands" : "");
    return out;
}

static const char *sign(double value)
{
    return value < 0 ? "−" : "+";
}

bool edx_particle_verdict(char out[EDX_PARTICLE_VERDICT], const edx_particle *p)
{
    const double delta = 100 * p->segregation.delta, sigma = 100 * p->segregation.sigma;
    const double z = p->segregation.z;
    if (!isfinite(delta) || !isfinite(sigma)) {
        snprintf(out, EDX_PARTICLE_VERDICT, "Segregation: not enough counts");
        return false;
    }
    const bool clear = fabs(z) >= CLEAR;
    const int digits = sigma < 0.95 ? 2 : 1;
    snprintf(out, EDX_PARTICLE_VERDICT, "%s%s: shell − core = %s%.*f ± %.*f at.%%%s%s (z = %s%.1f)",
             clear ? delta > 0 ? "Shell richer in " : "Core richer in " : "No segregation shown",
             clear ? p->segregation.element : "", sign(delta), digits, fabs(delta), digits, sigma,
             clear ? "" : " ", clear ? "" : p->segregation.element, z < 0 ? "−" : "", fabs(z));
    return clear;
}

const double *edx_particle_composition(const edx_particle *p, const char *element)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (strcmp(p->elements[i], element) == 0)
            return p->composition[i];
    return NULL;
}

double edx_particles_systematic(const edx_particles_result *result, const char *element)
{
    for (uint32_t i = 0; i < result->n; i++)
        if (strcmp(result->elements[i], element) == 0)
            return result->systematic[i];
    return NAN;
}

const edx_particle *edx_particles_largest(const edx_particles_result *result)
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
