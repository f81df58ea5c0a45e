#include "analysis/survey.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REFIT 1.1 /* of counts */
#define ASK 2.0

struct edx_survey {
    edx_begin begin;
    edx_axis axis;
    double range_eV[2];
    edx_line lines[EDX_MAX_LINES];
    uint32_t n;
    edx_elements *elements;
    edx_energy *energy;
    edx_model *model;
    edx_found found[EDX_MAX_LINES];
    uint32_t n_found;
    edx_calibration calibration;
    double *sum, *fit, *background; /* [E] */
    double *rows;                   /* [n, E] */
    double chi2, fitted, asked;     /* counts when last */
    uint32_t dof;
};

static edx_response given_response(const edx_survey *s)
{
    return (edx_response){0, 1, s->begin.resolution_eV};
}

/* others [EDX_MAX_LINES]: what else was found. */
static edx_model_setup setup_of(const edx_survey *s, int *others)
{
    edx_model_setup setup = {.lines = s->lines,
                             .n = s->n,
                             .others = others,
                             .beam_keV = s->begin.beam_keV,
                             .range_eV = {s->range_eV[0], s->range_eV[1]},
                             .response = given_response(s)};

    for (uint32_t i = 0; i < s->n_found; i++)
        if (!s->found[i].given)
            others[setup.n_others++] = s->found[i].z;
    return setup;
}

static edx_status allocate(edx_survey *s, edx_error *err)
{
    size_t channels = s->axis.channels;

    s->sum = calloc(channels, sizeof *s->sum);
    s->fit = calloc(channels, sizeof *s->fit);
    s->background = calloc(channels, sizeof *s->background);
    s->rows = calloc(s->n * channels + 1, sizeof *s->rows);
    if (s->sum == NULL || s->fit == NULL || s->background == NULL || s->rows == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory to survey %zu channels", channels);
    return edx_elements_new(&s->axis, s->range_eV, s->begin.beam_keV, &s->elements, err);
}

edx_status edx_survey_new(const edx_begin *begin, const edx_axis *axis, const double range_eV[2],
                          const edx_line *lines, uint32_t n, edx_survey **out, edx_error *err)
{
    edx_survey *s = calloc(1, sizeof *s);

    *out = s;
    if (s == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a survey");
    s->begin = *begin;
    s->axis = *axis;
    memcpy(s->range_eV, range_eV, sizeof s->range_eV);
    for (uint32_t i = 0; i < n; i++)
        s->lines[i] = lines[i];
    s->n = n;
    s->calibration.use = given_response(s);
    edx_status status = allocate(s, err);
    if (status != EDX_OK)
        edx_survey_free(out);
    return status;
}

void edx_survey_free(edx_survey **survey)
{
    edx_survey *s = *survey;

    *survey = NULL;
    if (s == NULL)
        return;
    edx_elements_free(&s->elements);
    edx_energy_free(&s->energy);
    edx_model_free(&s->model);
    free(s->sum);
    free(s->fit);
    free(s->background);
    free(s->rows);
    free(s);
}

/* ---- looking ---- */

/* Templates of all that is there: anew where that has changed. */
static edx_status rebuild(edx_survey *s, edx_error *err)
{
    int others[EDX_MAX_LINES];
    edx_model_setup setup = setup_of(s, others);
    edx_model *model = NULL;
    edx_energy *energy = NULL;
    edx_status status = edx_model_new(&s->axis, &setup, &model, err);

    if (status == EDX_OK)
        status = edx_energy_new(&s->axis, &setup, &energy, err);
    if (status != EDX_OK) {
        edx_model_free(&model);
        return status;
    }
    edx_model_free(&s->model);
    edx_energy_free(&s->energy);
    s->model = model;
    s->energy = energy;
    return EDX_OK;
}

static bool same_elements(const edx_survey *s, const edx_found *found, uint32_t n)
{
    if (s->model == NULL || n != s->n_found)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (found[i].z != s->found[i].z || found[i].given != s->found[i].given)
            return false;
    return true;
}

static edx_status ask(edx_survey *s, bool fixed, edx_error *err)
{
    edx_response response = fixed ? given_response(s) : s->calibration.use;
    edx_found found[EDX_MAX_LINES];
    int given[EDX_MAX_LINES];
    uint32_t n = 0;

    for (uint32_t i = 0; i < s->n; i++)
        given[i] = s->lines[i].z;
    edx_status status =
        edx_elements_find(s->elements, s->sum, &response, given, s->n, found, &n, err);
    if (status != EDX_OK)
        return status;
    bool same = same_elements(s, found, n);
    memcpy(s->found, found, n * sizeof *found);
    s->n_found = n;
    if (!same || fixed)
        status = rebuild(s, err);
    return status == EDX_OK ? edx_energy_refine(s->energy, s->sum, &s->calibration, err) : status;
}

static edx_status fit(edx_survey *s, edx_error *err)
{
    size_t channels = s->axis.channels;

    edx_model_set_response(s->model, &s->calibration.use);
    edx_status status = edx_model_fit(s->model, s->sum, err);
    if (status != EDX_OK)
        return status;
    memcpy(s->fit, edx_model_fitted(s->model), channels * sizeof *s->fit);
    memcpy(s->background, edx_model_background(s->model), channels * sizeof *s->background);
    if (s->n > 0)
        memcpy(s->rows, edx_model_anchored_rows(s->model), s->n * channels * sizeof *s->rows);
    s->chi2 = edx_model_chi2(s->model, &s->dof);
    return EDX_OK;
}

edx_status edx_survey_update(edx_survey *survey, const uint64_t *sum, bool fixed, edx_error *err)
{
    edx_survey *s = survey;
    double counts = 0;
    edx_status status = EDX_OK;

    for (uint32_t c = 0; c < s->axis.channels; c++)
        counts += s->sum[c] = (double)sum[c];
    if (counts <= 0 || (!fixed && counts < REFIT * s->fitted))
        return EDX_OK;
    if (fixed || s->model == NULL || counts >= ASK * s->asked) {
        status = ask(s, fixed, err);
        s->asked = counts;
    }
    if (status == EDX_OK && s->model != NULL)
        status = fit(s, err);
    if (status == EDX_OK)
        s->fitted = counts;
    return status;
}

edx_status edx_survey_look(edx_survey *survey, const uint64_t *sum, edx_found *out, uint32_t *n,
                           edx_error *err)
{
    edx_response response = given_response(survey);

    for (uint32_t c = 0; c < survey->axis.channels; c++)
        survey->sum[c] = (double)sum[c];
    return edx_elements_find(survey->elements, survey->sum, &response, NULL, 0, out, n, err);
}

/* ---- telling ---- */

const double *edx_survey_rows(const edx_survey *survey)
{
    return survey->fitted > 0 && survey->n > 0 ? survey->rows : NULL;
}

edx_model *edx_survey_model(edx_survey *survey)
{
    return survey->fitted > 0 ? survey->model : NULL;
}

static void fill_found(const edx_survey *s, edx_spectrum_result *out)
{
    out->n_found = 0;
    for (uint32_t i = 0; i < s->n_found; i++) {
        if (!(s->found[i].sigma > 0))
            continue;
        memcpy(out->found[out->n_found], s->found[i].symbol, EDX_SYMBOL_SIZE);
        out->significance[out->n_found++] = s->found[i].net / s->found[i].sigma;
    }
}

void edx_survey_fill(const edx_survey *survey, edx_spectrum_result *out)
{
    const edx_survey *s = survey;
    bool known = s->fitted > 0, refined = known && s->calibration.refined;
    const edx_response *fitted = &s->calibration.fitted, *sigma = &s->calibration.sigma;

    out->fit_chi2 = known ? s->chi2 : NAN;
    out->fit_dof = known ? (double)s->dof : NAN;
    out->calibration.offset_eV = refined ? fitted->offset_eV : NAN;
    out->calibration.offset_sigma = refined ? sigma->offset_eV : NAN;
    out->calibration.gain = refined ? fitted->gain : NAN;
    out->calibration.gain_sigma = refined ? sigma->gain : NAN;
    out->calibration.resolution_eV = refined ? fitted->resolution_eV : NAN;
    out->calibration.resolution_sigma = refined ? sigma->resolution_eV : NAN;
    fill_found(s, out);
    if (!known)
        return;
    out->fit = edx_array_1(EDX_F8, s->fit, s->axis.channels);
    out->background = edx_array_1(EDX_F8, s->background, s->axis.channels);
}
