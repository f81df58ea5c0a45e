/* What spectra are made of: the lines of each element's series, and bremsstrahlung, as the detector
 * shows them. */
#ifndef EDX_ANALYSIS_TEMPLATES_H
#define EDX_ANALYSIS_TEMPLATES_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/windows.h"
#include "analysis/xray.h"
#include "proto/status.h"

/* How photons become counts: one of energy E is shown at (E - offset_eV) / gain on the axis, spread
 * by the detector's Gaussian. {0, 1, resolution}: the axis is right. */
typedef struct edx_response {
    double offset_eV;
    double gain;
    double resolution_eV; /* FWHM at Mn Ka */
} edx_response;

/* All lines of one element that fill vacancies of one shell. Their ratios are xraylib's, which hold
 * to some percent; those between an element's series do not (of M shells, to a factor of two). */
typedef struct edx_template {
    int z; /* 0: bremsstrahlung */
    edx_xray_series series;
    double energy_eV; /* its strongest line; 0 for bremsstrahlung */
    double weight;    /* photons per atom that are counted on the channels used */
} edx_template;

typedef struct edx_templates edx_templates;

/* None yet, room for capacity (0: RANGE); spectra have axis->channels values, those whose centre is
 * outside range_eV [lo, hi), below 100 eV or above the beam are zero. RANGE when no channel is
 * left, NOMEM. */
edx_status edx_templates_new(const edx_axis *axis, const double range_eV[2], double beam_keV,
                             uint32_t capacity, edx_templates **out, edx_error *err);
void edx_templates_free(edx_templates **templates);

/* Adds a series of element z. *index is its place; -1, and nothing is added, when the beam does not
 * excite it or less than half of it is on the channels used. LIMIT when there is no room, NOMEM.
 */
edx_status edx_templates_add(edx_templates *templates, int z, edx_xray_series series, int *index,
                             edx_error *err);
/* Adds bremsstrahlung: efficiency / E (Kramers, of a thin specimen) times Legendre polynomials of
 * log E of degree 0 to terms - 1; once, as the axis is said to be. LIMIT. */
edx_status edx_templates_add_background(edx_templates *templates, uint32_t terms, edx_error *err);
/* Computes all spectra: of lines and of the first background unit area, of the other background
 * terms a sum of absolute values of 1. To be called after adding. */
void edx_templates_shape(edx_templates *templates, const edx_response *response);

/* The same of some [n] of them alone; the others stay as they are. */
void edx_templates_shape_some(edx_templates *templates, const edx_response *response,
                              const uint32_t *which, uint32_t n);

uint32_t edx_templates_n(const edx_templates *templates);
const edx_template *edx_templates_at(const edx_templates *templates, uint32_t index);
/* [n, E]; valid until templates are added. */
const double *edx_templates_spectra(const edx_templates *templates);
/* Channels first .. end - 1 are used. */
void edx_templates_channels(const edx_templates *templates, uint32_t *first, uint32_t *end);

/* Detected share of photons: 30 nm of aluminium and 50 nm of dead silicon before 0.5 mm of crystal,
 * a drift detector without a window; what a real one differs by is for the background's terms. */
double edx_templates_efficiency(double energy_eV);

#endif
