#include "analysis/radial.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/quant.h"

#define SHELL_NM 2.0

/* ---- numbers of spectra ---- */

static double product(const double *row, uint32_t channels, const double *spectrum)
{
    double sum = 0;

    for (uint32_t c = 0; c < channels; c++)
        sum += row[c] * spectrum[c];
    return sum;
}

static double product_of_two(const double *a, const double *b, uint32_t channels,
                             const double *spectrum)
{
    double sum = 0;

    for (uint32_t c = 0; c < channels; c++)
        sum += a[c] * b[c] * spectrum[c];
    return sum;
}

void edx_radial_net(const edx_radial_lines *lines, uint32_t channels, const double *spectrum,
                    double *net, double *covariance)
{
    uint32_t n = lines->n;

    for (uint32_t i = 0; i < n; i++) {
        const double *row = lines->rows + (size_t)i * channels;
        net[i] = product(row, channels, spectrum);
        for (uint32_t j = 0; j <= i; j++)
            covariance[i * n + j] = covariance[j * n + i] =
                product_of_two(row, lines->rows + (size_t)j * channels, channels, spectrum);
    }
}

/* What a spectrum says; every array for EDX_MAX_LINES. */
typedef struct answer {
    double net[EDX_MAX_LINES], covariance[EDX_MAX_LINES * EDX_MAX_LINES];
    double fraction[EDX_MAX_LINES], sigma[EDX_MAX_LINES];
    bool quantified;
} answer;

static void ask(const edx_radial_lines *lines, uint32_t channels, const double *spectrum,
                answer *out)
{
    edx_radial_net(lines, channels, spectrum, out->net, out->covariance);
    out->quantified = edx_quant_fractions(lines->lines, lines->n, lines->limit, out->net,
                                          out->covariance, out->fraction, out->sigma);
}

void edx_radial_rings(const edx_radial_lines *lines, const edx_rings *rings, double *counts,
                      double *counts_sigma, double *fraction, double *sigma, bool *quantified)
{
    answer a = {.quantified = false};

    for (uint32_t k = 0; k < rings->m; k++) {
        ask(lines, rings->channels, rings->spectra + (size_t)k * rings->channels, &a);
        quantified[k] = a.quantified;
        for (uint32_t i = 0; i < lines->n; i++) {
            size_t at = (size_t)i * rings->m + k;
            counts[at] = a.net[i];
            counts_sigma[at] = sqrt(a.covariance[i * lines->n + i]);
            fraction[at] = a.fraction[i];
            sigma[at] = a.sigma[i];
        }
    }
}

/* Fraction of the first element and its sigma. */
static void ask_first(const edx_radial_lines *lines, uint32_t channels, const double *spectrum,
                      double out[2])
{
    answer a = {.quantified = false};

    ask(lines, channels, spectrum, &a);
    out[0] = lines->n > 0 ? a.fraction[0] : NAN;
    out[1] = lines->n > 0 ? a.sigma[0] : NAN;
}

void edx_radial_segregation(const edx_radial_lines *lines, uint32_t channels, const double *core,
                            const double *shell, edx_particle *particle)
{
    double in[2], out[2];

    ask_first(lines, channels, core, in);
    ask_first(lines, channels, shell, out);
    memset(particle->segregation.element, 0, sizeof particle->segregation.element);
    if (lines->n > 0)
        memcpy(particle->segregation.element, lines->lines[0].element,
               sizeof particle->segregation.element);
    memcpy(particle->segregation.core, in, sizeof in);
    memcpy(particle->segregation.shell, out, sizeof out);
    particle->segregation.delta = out[0] - in[0];
    particle->segregation.sigma = hypot(in[1], out[1]);
    particle->segregation.z = particle->segregation.delta / particle->segregation.sigma;
}

double edx_radial_core_nm(double radius_nm)
{
    return fmax(radius_nm - SHELL_NM, radius_nm / 2);
}

/* ---- particles ---- */

/* One particle's arrays. */
typedef struct slot {
    double *values; /* [EDX_RADIAL_KINDS, n, m], then r [m] */
    bool *quantified;
    size_t values_room, rings_room, size; /* size: n x m */
    double net[EDX_MAX_LINES];            /* of all its pixels; zeros where it is not quantified */
} slot;

struct edx_radial {
    edx_ring_store *rings;
    uint32_t channels;
    double *zones, *whole; /* [2, channels] core and shell, [channels] both */
    double centre_nm[2], radius_nm;
    uint32_t zone_pixels[2];
    double zone_middle_nm[2], zone_mean_nm[2], zone_square_nm2[2];
    edx_particle particles[EDX_MAX_PARTICLES];
    slot slots[EDX_MAX_PARTICLES];
};

edx_status edx_radial_new(uint32_t rows, uint32_t cols, const double step_nm[2], uint32_t channels,
                          uint32_t groups, edx_radial **out, edx_error *err)
{
    edx_radial *r = calloc(1, sizeof *r);
    edx_status status = EDX_OK;

    if (r != NULL) {
        r->channels = channels;
        r->zones = calloc(2 * (size_t)channels, sizeof *r->zones);
        r->whole = calloc(channels, sizeof *r->whole);
    }
    if (r == NULL || r->zones == NULL || r->whole == NULL)
        status = edx_fail(err, EDX_E_NOMEM, "no memory for radial profiles");
    if (r != NULL && status == EDX_OK)
        status = edx_rings_new(rows, cols, step_nm, channels, groups, &r->rings, err);
    if (status != EDX_OK)
        edx_radial_free(&r);
    *out = r;
    return status;
}

void edx_radial_free(edx_radial **radial)
{
    edx_radial *r = *radial;

    *radial = NULL;
    if (r == NULL)
        return;
    edx_rings_free(&r->rings);
    for (uint32_t i = 0; i < EDX_MAX_PARTICLES; i++) {
        free(r->slots[i].values);
        free(r->slots[i].quantified);
    }
    free(r->zones);
    free(r->whole);
    free(r);
}

static edx_status make_room(slot *s, size_t n, size_t m, edx_error *err)
{
    size_t values = EDX_RADIAL_KINDS * n * m + m;

    s->size = n * m;
    if (values > s->values_room) {
        free(s->values);
        s->values = malloc(sizeof *s->values * values);
        s->values_room = s->values != NULL ? values : 0;
    }
    if (m > s->rings_room) {
        free(s->quantified);
        s->quantified = malloc(sizeof *s->quantified * m);
        s->rings_room = s->quantified != NULL ? m : 0;
    }
    if (s->values == NULL || s->quantified == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a particle of %zu rings", m);
    return EDX_OK;
}

double *edx_radial_values(edx_radial *radial, uint32_t index, edx_radial_kind kind)
{
    return radial->slots[index].values + (size_t)kind * radial->slots[index].size;
}

/* Every array of the particle becomes a view of its slot's. */
static void show_values(edx_radial *r, uint32_t index, size_t n, size_t m)
{
    edx_particle *p = &r->particles[index];
    const slot *s = &r->slots[index];
    edx_array *const shown[EDX_RADIAL_KINDS] = {[EDX_RADIAL_COUNTS] = &p->radial.counts,
                                                [EDX_RADIAL_COUNTS_SIGMA] = &p->radial.counts_sigma,
                                                [EDX_RADIAL_FRACTION] = &p->radial.fraction,
                                                [EDX_RADIAL_SIGMA] = &p->radial.sigma,
                                                [EDX_RADIAL_MODEL] = &p->radial.model,
                                                [EDX_RADIAL_MODEL_SIGMA] = &p->radial.model_sigma,
                                                [EDX_RADIAL_DENOISED] = &p->radial.denoised,
                                                [EDX_RADIAL_DENOISED_SIGMA] =
                                                    &p->radial.denoised_sigma,
                                                [EDX_RADIAL_PCA] = &p->radial.pca,
                                                [EDX_RADIAL_PCA_SIGMA] = &p->radial.pca_sigma,
                                                [EDX_RADIAL_NMF] = &p->radial.nmf,
                                                [EDX_RADIAL_NMF_SIGMA] = &p->radial.nmf_sigma};

    for (size_t k = 0; k < EDX_RADIAL_KINDS; k++)
        *shown[k] = edx_array_2(EDX_F8, s->values + k * s->size, n, m);
    p->radial.m = m;
    p->radial.r_nm = edx_array_1(EDX_F8, s->values + EDX_RADIAL_KINDS * s->size, m);
    p->radial.quantified = s->quantified;
}

/* Raw rings; NaN in what is to come. */
static void fill_rings(edx_radial *r, uint32_t index, const edx_radial_lines *lines,
                       const edx_rings *rings)
{
    slot *s = &r->slots[index];
    double *v = s->values;

    edx_radial_rings(lines, rings, v, v + s->size, v + 2 * s->size, v + 3 * s->size, s->quantified);
    for (size_t i = EDX_RADIAL_MODEL * s->size; i < EDX_RADIAL_KINDS * s->size; i++)
        v[i] = NAN;
    memcpy(v + EDX_RADIAL_KINDS * s->size, rings->middle_nm, sizeof *v * rings->m);
}

static void sum_zones(edx_radial *r, const edx_radial_source *source,
                      const edx_particle_place *place)
{
    const double edges[3] = {0, edx_radial_core_nm(place->radius_nm), place->radius_nm};

    for (size_t z = 0; z < 2; z++) {
        edx_ring_zone zone = edx_rings_zone(r->rings, source->counts, edges[z], edges[z + 1],
                                            r->zones + z * r->channels);
        r->zone_pixels[z] = zone.pixels;
        r->zone_middle_nm[z] = (edges[z] + edges[z + 1]) / 2;
        r->zone_mean_nm[z] = zone.mean_nm;
        r->zone_square_nm2[z] = zone.square_nm2;
    }
    for (uint32_t c = 0; c < r->channels; c++)
        r->whole[c] = r->zones[c] + r->zones[r->channels + c];
    memcpy(r->centre_nm, place->centre_nm, sizeof r->centre_nm);
    r->radius_nm = place->radius_nm;
}

edx_rings edx_radial_zones(const edx_radial *radial)
{
    return (edx_rings){.m = 2,
                       .channels = radial->channels,
                       .step_nm = edx_radial_core_nm(radial->radius_nm),
                       .centre_nm = {radial->centre_nm[0], radial->centre_nm[1]},
                       .radius_nm = radial->radius_nm,
                       .pixels = radial->zone_pixels,
                       .middle_nm = radial->zone_middle_nm,
                       .mean_nm = radial->zone_mean_nm,
                       .square_nm2 = radial->zone_square_nm2,
                       .spectra = radial->zones};
}

static void fill_composition(edx_radial *r, uint32_t index, const edx_radial_lines *lines)
{
    edx_particle *p = &r->particles[index];
    slot *s = &r->slots[index];
    answer a = {.quantified = false};

    ask(lines, r->channels, r->whole, &a);
    p->n = lines->n;
    memset(s->net, 0, sizeof s->net);
    for (uint32_t i = 0; i < lines->n; i++) {
        memcpy(p->elements[i], lines->lines[i].element, sizeof p->elements[i]);
        p->composition[i][0] = a.fraction[i];
        p->composition[i][1] = a.sigma[i];
        s->net[i] = a.quantified ? a.net[i] : 0;
    }
}

edx_status edx_radial_take(edx_radial *radial, const edx_radial_source *source, uint32_t index,
                           const edx_particle_place *place, bool with_groups, edx_rings *rings,
                           edx_error *err)
{
    edx_particle *p = &radial->particles[index];

    assert(index < EDX_MAX_PARTICLES);
    edx_status status = edx_rings_collect(
        radial->rings, source->counts, place->centre_nm, place->radius_nm, source->width_nm,
        EDX_PARTICLES_REACH * place->radius_nm, source->owner, place->id, with_groups, rings, err);
    if (status == EDX_OK)
        status = make_room(&radial->slots[index], source->lines.n, rings->m, err);
    if (status != EDX_OK)
        return status;
    *p = (edx_particle){.id = place->id,
                        .centre_nm = {place->centre_nm[0], place->centre_nm[1]},
                        .diameter_nm = place->diameter_nm,
                        .area_diameter_nm = place->area_diameter_nm,
                        .touches_edge = place->touches_edge};
    fill_rings(radial, index, &source->lines, rings);
    show_values(radial, index, source->lines.n, rings->m);
    sum_zones(radial, source, place);
    fill_composition(radial, index, &source->lines);
    edx_radial_segregation(&source->lines, radial->channels, radial->zones,
                           radial->zones + radial->channels, p);
    return EDX_OK;
}

edx_particle *edx_radial_particles(edx_radial *radial)
{
    return radial->particles;
}

/* ---- all together ---- */

void edx_radial_show(edx_radial *radial, const edx_radial_lines *lines, uint32_t count,
                     edx_particles_result *out)
{
    const double certain[EDX_MAX_LINES * EDX_MAX_LINES] = {0};
    double net[EDX_MAX_LINES] = {0}, fraction[EDX_MAX_LINES], sigma[EDX_MAX_LINES];

    for (uint32_t p = 0; p < count; p++)
        for (uint32_t i = 0; i < lines->n; i++)
            net[i] += radial->slots[p].net[i];
    edx_quant_fractions(lines->lines, lines->n, 0, net, certain, fraction, sigma);
    edx_quant_systematic(lines->lines, lines->n, fraction, out->systematic);
    out->n = lines->n;
    for (uint32_t i = 0; i < lines->n; i++)
        memcpy(out->elements[i], lines->lines[i].element, sizeof out->elements[i]);
    out->count = count;
    out->particles = radial->particles;
}

edx_status edx_radial_fill(edx_radial *radial, const edx_radial_source *source,
                           const edx_particle_place *places, uint32_t count,
                           edx_particles_result *out, edx_error *err)
{
    edx_status status = EDX_OK;
    edx_rings rings;

    for (uint32_t i = 0; i < count && status == EDX_OK; i++)
        status = edx_radial_take(radial, source, i, &places[i], false, &rings, err);
    if (status == EDX_OK)
        edx_radial_show(radial, &source->lines, count, out);
    return status;
}
