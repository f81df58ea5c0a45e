/* What the sum spectrum tells: which elements, whether the energy axis is right, a model of it all.
 */
#ifndef EDX_ANALYSIS_SURVEY_H
#define EDX_ANALYSIS_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/elements.h"
#include "analysis/energy.h"
#include "analysis/lines.h"
#include "analysis/model.h"
#include "proto/frame.h"
#include "proto/result.h"

typedef struct edx_survey edx_survey;

/* For spectra on the analysis' axis within range_eV [lo, hi); lines (n, copied) are the operator's.
 * RANGE when there are no energies to model, NOMEM. */
edx_status edx_survey_new(const edx_begin *begin, const edx_axis *axis, const double range_eV[2],
                          const edx_line *lines, uint32_t n, edx_survey **out, edx_error *err);
void edx_survey_free(edx_survey **survey);

/* Looks at sum [E] (counts): fits it when counts have grown by a tenth, asks for elements and the
 * axis when they have doubled; both whatever they were, if fixed. NUMERIC, NOMEM: what was found
 * before stands. */
edx_status edx_survey_update(edx_survey *survey, const uint64_t *sum, bool fixed, edx_error *err);

/* Which elements sum shows, given nothing: out [EDX_MAX_LINES]. A function of sum alone. NUMERIC.
 */
edx_status edx_survey_look(edx_survey *survey, const uint64_t *sum, edx_found *out, uint32_t *n,
                           edx_error *err);

/* Of the last update that looked. */
/* Functionals [n, E] of the fit, anchored to the windows; NULL before, and without lines. */
const double *edx_survey_rows(const edx_survey *survey);
/* To be fitted to other spectra of the same specimen; NULL before. */
edx_model *edx_survey_model(edx_survey *survey);
/* fit, background, fit_chi2, fit_dof, calibration and found of out; those that are not known are
 * absent. */
void edx_survey_fill(const edx_survey *survey, edx_spectrum_result *out);

#endif
