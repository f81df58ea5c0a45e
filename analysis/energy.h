/* Is the energy axis where the lines say it is? Offset, gain and resolution from a spectrum. */
#ifndef EDX_ANALYSIS_ENERGY_H
#define EDX_ANALYSIS_ENERGY_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/model.h"
#include "proto/status.h"

typedef struct edx_energy edx_energy;

/* What the lines of a spectrum say. */
typedef struct edx_calibration {
    bool refined;        /* false: refused, and fitted and sigma are NaN */
    char why[96];        /* why it was refused; "" where it was not */
    edx_response fitted; /* with templates, a photon of E is shown at (E - offset_eV) / gain */
    edx_response sigma;  /* times the root of chi-squared per degree of freedom above one */
    edx_response use;    /* fitted where it differs by 3 sigma in something, else as was given */
} edx_calibration;

/* Everything that refining works with: the templates of setup, whose response is what the axis and
 * the detector are said to be. RANGE when the range holds no channel, NOMEM. */
edx_status edx_energy_new(const edx_axis *axis, const edx_model_setup *setup, edx_energy **out,
                          edx_error *err);
void edx_energy_free(edx_energy **energy);

/* Offset (to +-30 eV), gain (to +-1 %) and resolution (to +-15 %) that fit spectrum [E] (counts)
 * best, all amplitudes fitted along; that they lie within 10 eV, 0.3 % and 5 % is taken as known
 * before, as one measurement of each. Refused, which is no error: when they are not known better
 * than that from the lines, or lie at a bound. A function of the spectrum alone. Takes tens of
 * milliseconds. NUMERIC when the spectrum is not finite. */
edx_status edx_energy_refine(edx_energy *energy, const double *spectrum, edx_calibration *out,
                             edx_error *err);

#endif
