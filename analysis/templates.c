#include "analysis/templates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_EV 100.0
#define REACH 5.0  /* sigma to which a line is drawn */
#define WORTH 0.5  /* of a series: how much must be on the channels used */
#define FAINT 1e-3 /* of its series' strongest: lines that are left out */
#define FWHM_PER_SIGMA 2.3548200450309493

typedef struct lines {
    edx_xray_line *line; /* weights include the efficiency; NULL: bremsstrahlung */
    size_t n;
} lines;

struct edx_templates {
    edx_axis axis;
    double beam_eV;
    uint32_t first, end; /* channels used */
    uint32_t n, capacity;
    edx_template *all;
    lines *lines;
    double *spectra; /* [capacity, E] */
};

double edx_templates_efficiency(double energy_eV)
{
    const double aluminium = 2700 * 30e-9, dead = 2330 * 50e-9, crystal = 2330 * 0.5e-3; /* kg/m2 */
    double silicon = edx_xray_attenuation(14, energy_eV);
    double before = silicon * dead + edx_xray_attenuation(13, energy_eV) * aluminium;
    return exp(-before) * -expm1(-silicon * crystal);
}

/* ---- life ---- */

static bool allocate(edx_templates *t)
{
    t->all = calloc(t->capacity, sizeof *t->all);
    t->lines = calloc(t->capacity, sizeof *t->lines);
    t->spectra = calloc((size_t)t->capacity * t->axis.channels, sizeof *t->spectra);
    return t->all && t->lines && t->spectra;
}

edx_status edx_templates_new(const edx_axis *axis, const double range_eV[2], double beam_keV,
                             uint32_t capacity, edx_templates **out, edx_error *err)
{
    uint32_t first = edx_windows_first(axis, fmax(range_eV[0], LEAST_EV));
    uint32_t end = edx_windows_first(axis, fmin(range_eV[1], beam_keV * 1e3));
    *out = NULL;
    if (first >= end || capacity == 0)
        return edx_fail(err, EDX_E_RANGE,
                        "%u templates for %g to %g eV below %g keV, expected one and a channel",
                        capacity, range_eV[0], range_eV[1], beam_keV);
    edx_templates *t = calloc(1, sizeof *t);
    if (t) {
        t->axis = *axis;
        t->beam_eV = beam_keV * 1e3;
        t->first = first;
        t->end = end;
        t->capacity = capacity;
    }
    if (!t || !allocate(t)) {
        edx_templates_free(&t);
        return edx_fail(err, EDX_E_NOMEM, "no memory for %u templates", capacity);
    }
    *out = t;
    return EDX_OK;
}

void edx_templates_free(edx_templates **templates)
{
    edx_templates *t = *templates;

    *templates = NULL;
    if (!t)
        return;
    for (uint32_t i = 0; t->lines && i < t->n; i++)
        free(t->lines[i].line);
    free(t->all);
    free(t->lines);
    free(t->spectra);
    free(t);
}

uint32_t edx_templates_n(const edx_templates *templates)
{
    return templates->n;
}

const edx_template *edx_templates_at(const edx_templates *templates, uint32_t index)
{
    return &templates->all[index];
}

const double *edx_templates_spectra(const edx_templates *templates)
{
    return templates->spectra;
}

void edx_templates_channels(const edx_templates *templates, uint32_t *first, uint32_t *end)
{
    *first = templates->first;
    *end = templates->end;
}

/* ---- which ---- */

static edx_status no_room(const edx_templates *t, edx_error *err)
{
    return edx_fail(err, EDX_E_LIMIT, "more templates than expected: at most %u", t->capacity);
}

static double centre(const edx_templates *t, double channel)
{
    return t->axis.offset_eV + t->axis.scale_eV * channel;
}

/* Keeps the lines of one series that are worth drawing, as detected. */
static size_t choose(const edx_xray_line *from, size_t n, edx_xray_series series,
                     edx_xray_line *out)
{
    size_t kept = 0, chosen = 0;
    double strongest = 0;
    for (size_t i = 0; i < n; i++) {
        if (from[i].series != series)
            continue;
        out[kept] = from[i];
        out[kept].weight *= edx_templates_efficiency(from[i].energy_eV);
        strongest = fmax(strongest, out[kept++].weight);
    }
    for (size_t i = 0; i < kept; i++)
        if (out[i].weight > FAINT * strongest)
            out[chosen++] = out[i];
    return chosen;
}

/* How much of the lines is on the channels used, at a width that is about right. */
static edx_template describe(const edx_templates *t, int z, const lines *of)
{
    const double edges[2] = {centre(t, t->first - 0.5), centre(t, t->end - 0.5)};
    edx_template out = {.z = z, .series = of->n ? of->line[0].series : EDX_XRAY_K};
    double all = 0, strongest = 0;
    for (size_t i = 0; i < of->n; i++) {
        double share = edx_windows_share(of->line[i].energy_eV, 130, edges);
        all += of->line[i].weight;
        out.weight += of->line[i].weight * share;
        if (of->line[i].weight * share <= strongest)
            continue;
        strongest = of->line[i].weight * share;
        out.energy_eV = of->line[i].energy_eV;
    }
    if (out.weight <= WORTH * all)
        out.weight = 0;
    return out;
}

edx_status edx_templates_add(edx_templates *templates, int z, edx_xray_series series, int *index,
                             edx_error *err)
{
    edx_xray_line all[EDX_XRAY_LINES], chosen[EDX_XRAY_LINES];
    size_t n = edx_xray_lines(z, templates->beam_eV, all);
    lines of = {chosen, choose(all, n, series, chosen)};
    edx_template described = describe(templates, z, &of);
    *index = -1;
    if (of.n == 0 || !(described.weight > 0))
        return EDX_OK;
    if (templates->n == templates->capacity)
        return no_room(templates, err);
    lines *kept = &templates->lines[templates->n];
    kept->line = malloc(of.n * sizeof *kept->line);
    if (!kept->line)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the lines of element %d", z);
    memcpy(kept->line, chosen, of.n * sizeof *kept->line);
    kept->n = of.n;
    templates->all[templates->n] = described;
    *index = (int)templates->n++;
    return EDX_OK;
}

/* ---- bremsstrahlung ---- */

static void normalise(const edx_templates *t, double *spectrum)
{
    double sum = 0;
    for (uint32_t c = t->first; c < t->end; c++)
        sum += fabs(spectrum[c]);
    for (uint32_t c = t->first; c < t->end && sum > 0; c++)
        spectrum[c] /= sum;
}

/* Legendre polynomial, by Bonnet's recursion. */
static double legendre(uint32_t degree, double x)
{
    double before = 0, p = 1;
    for (uint32_t k = 0; k < degree; k++) {
        double next = ((2 * k + 1) * x * p - k * before) / (k + 1);
        before = p;
        p = next;
    }
    return p;
}

/* Bremsstrahlung is so smooth that the axis as it is said to be will do, whatever the response. */
edx_status edx_templates_add_background(edx_templates *templates, uint32_t terms, edx_error *err)
{
    edx_templates *t = templates;
    double lo = log(centre(t, t->first)), hi = log(centre(t, t->end));

    if (terms > t->capacity - t->n)
        return no_room(t, err);
    for (uint32_t c = t->first; c < t->end; c++) {
        double energy = centre(t, c), kramers = edx_templates_efficiency(energy) / energy;
        for (uint32_t k = 0; k < terms; k++)
            t->spectra[(size_t)(t->n + k) * t->axis.channels + c] =
                kramers * legendre(k, 2 * (log(energy) - lo) / (hi - lo) - 1);
    }
    for (uint32_t k = 0; k < terms; k++) {
        normalise(t, t->spectra + (size_t)t->n * t->axis.channels);
        t->all[t->n++] = (edx_template){.z = 0};
    }
    return EDX_OK;
}

/* ---- spectra ---- */

/* Adds a line: the integrals of its Gaussian over the channels. */
static void draw(const edx_templates *t, const edx_response *response, const edx_xray_line *line,
                 double *spectrum)
{
    const edx_axis *a = &t->axis;
    double sigma = edx_windows_fwhm(line->energy_eV, response->resolution_eV) / FWHM_PER_SIGMA;
    double at = (line->energy_eV - response->offset_eV) / response->gain;
    double unit = sqrt(2) * sigma / response->gain, reach = REACH * sigma;
    double lowest = ceil((at - reach - a->offset_eV) / a->scale_eV);
    double highest = ceil((at + reach - a->offset_eV) / a->scale_eV);
    uint32_t first = lowest > t->first ? (lowest < t->end ? (uint32_t)lowest : t->end) : t->first;
    uint32_t end = highest < t->end ? (highest > first ? (uint32_t)highest : first) : t->end;
    double below = erf((centre(t, first - 0.5) - at) / unit);
    for (uint32_t c = first; c < end; c++) {
        double above = erf((centre(t, c + 0.5) - at) / unit);
        spectrum[c] += 0.5 * line->weight * (above - below);
        below = above;
    }
}

static void shape(edx_templates *t, const edx_response *response, uint32_t index)
{
    double *spectrum = t->spectra + (size_t)index * t->axis.channels;

    if (t->all[index].z == 0)
        return;
    memset(spectrum, 0, sizeof *spectrum * t->axis.channels);
    for (size_t k = 0; k < t->lines[index].n; k++)
        draw(t, response, &t->lines[index].line[k], spectrum);
    normalise(t, spectrum);
}

void edx_templates_shape(edx_templates *templates, const edx_response *response)
{
    for (uint32_t i = 0; i < templates->n; i++)
        shape(templates, response, i);
}

void edx_templates_shape_some(edx_templates *templates, const edx_response *response,
                              const uint32_t *which, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        shape(templates, response, which[i]);
}
