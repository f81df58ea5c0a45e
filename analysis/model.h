/* Line intensities by a model of the whole spectrum: templates fitted by weighted least squares.
 *
 * The fit is linear, so what it makes of any spectrum s is a set of linear functionals, the rows g
 * of (T'WT)^-1 T'W: net counts g_i . s, variance g_i^2 . s and covariance (g_i g_j) . s, exact for
 * Poisson counts (analysis/functional.h). They use every line of an element and separate those that
 * overlap. Whatever is wrong with a template (width, gain, ratios, background) biases all spectra
 * of a scene alike: anchored to the windows' net counts of their sum, that bias is gone, and
 * k-factors mean what they mean for windows (SCIENCE: line intensities; denoising, steps 1 and 2).
 */
#ifndef EDX_ANALYSIS_MODEL_H
#define EDX_ANALYSIS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/lines.h"
#include "analysis/templates.h"
#include "analysis/windows.h"
#include "proto/status.h"

typedef struct edx_model edx_model;

typedef struct edx_model_setup {
    const edx_line *lines; /* to quantify; their order is that of all rows */
    uint32_t n;            /* 0 to EDX_MAX_LINES */
    const int *others;     /* atomic numbers of what else may be there */
    uint32_t n_others;     /* C, N, O, Al, Si, Cl and Cu need not be named */
    double beam_keV;
    double range_eV[2]; /* [lo, hi) of channel centres, as of edx_lines_range; from 450 eV on */
    edx_response response;
    bool floating; /* no series of an element is tied to another */
} edx_model_setup;

/* The templates that a setup asks for, not shaped yet: the listed lines' series, their elements'
 * other ones, other elements, bremsstrahlung. of_line [n]: that of each line, -1 for none. RANGE,
 * NOMEM. */
edx_status edx_model_make_templates(const edx_axis *axis, const edx_model_setup *setup,
                                    edx_templates **out, int *of_line, edx_error *err);

/* Everything that fits work with; they allocate nothing. A line whose templates have no channel
 * keeps its windows as its row. RANGE when the range holds no channel or the windows of a line
 * none, NOMEM. */
edx_status edx_model_new(const edx_axis *axis, const edx_model_setup *setup, edx_model **out,
                         edx_error *err);
void edx_model_free(edx_model **model);

/* Templates for another response from now on; to be fitted again. */
void edx_model_set_response(edx_model *model, const edx_response *response);

/* Fits spectrum [E] (counts): first every series of every element by itself; then, unless floating,
 * with the series of a listed element tied in the ratio found, where both lie above 1 keV, are
 * known to 5 % and are within a factor of three of xraylib's (from then on all of them measure the
 * element), and with the series of other elements held within that factor of the one seen best.
 * 6 reweightings each. Templates that the spectrum cannot tell from those before them (listed
 * lines, background, the listed elements' other series, other elements) are left out: a row of
 * zeros. A function of the spectrum alone. An empty spectrum makes rows of equal weights. NUMERIC
 * when it is not finite. */
edx_status edx_model_fit(edx_model *model, const double *spectrum, edx_error *err);

/* All of the following are of the last fit, and valid until the next. */

/* g [n, E]: g_i . s are the counts of all lines of line i's series. */
const double *edx_model_rows(const edx_model *model);
/* v [n, E]: the windows, less what the model finds there of other elements where more than 5 % of
 * one of their series would count (default windows that are clear of all others are left as they
 * are). */
const double *edx_model_anchors(const edx_model *model);
/* [n, E]: rows times v_i . S / g_i . S, S the spectrum fitted, so that their net counts of S are
 * those of v; times what the windows make of the template while either is under 5 sigma. */
const double *edx_model_anchored_rows(const edx_model *model);
/* v_i . S and g_i . S [n] each. */
const double *edx_model_anchor_totals(const edx_model *model);
const double *edx_model_totals(const edx_model *model);

/* The fit and its bremsstrahlung alone, counts [E]; zero outside the channels used. */
const double *edx_model_fitted(const edx_model *model);
const double *edx_model_background(const edx_model *model);
/* Pearson's chi-squared of neighbouring channels taken together until 5 counts are expected, and
 * the degrees of freedom; 0 and 0 for an empty spectrum. */
double edx_model_chi2(const edx_model *model, uint32_t *dof);

/* What was fitted: templates by index, their counts in S, sigma (NaN for those left out). Those of
 * listed lines come first where they have channels. */
uint32_t edx_model_templates(const edx_model *model);
const edx_template *edx_model_template(const edx_model *model, uint32_t index);
double edx_model_amplitude(const edx_model *model, uint32_t index, double *sigma);
/* Template of line i; -1 when it has none. */
int edx_model_line_template(const edx_model *model, uint32_t i);

#endif
