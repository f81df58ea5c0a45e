#include "analysis/energy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/lstsq.h"
#include "analysis/numeric.h"

#define PARAMETERS 3
#define PASSES 3
#define REWEIGHTINGS 4
#define SIGNIFICANT 3.0
#define KNOWN 0.5 /* of what was known before: the most that a sigma may be */
#define AT_BOUND 0.98

/* Offset in eV, gain, resolution as a factor: how far they may go, and what is known before. */
static const double reach[PARAMETERS] = {30, 0.01, 0.15};
static const double before[PARAMETERS] = {10, 0.003, 0.05};
static const double nominal[PARAMETERS] = {0, 1, 1};

struct edx_energy {
    uint32_t channels, first, end, t;
    edx_response response; /* as given */
    edx_templates *templates;
    edx_lstsq *lstsq;
    edx_numeric_fit *fit;
    uint32_t *all, *which;              /* [t] every template; those in use */
    uint32_t used, lines;               /* lines: those in use that are no background */
    double *weights, *scratch, *fitted; /* [E] */
    double *amplitudes;                 /* [t] */
    double *rows;                       /* [t, E] */
    const double *spectrum;
};

/* ---- life ---- */

static bool allocate(edx_energy *e)
{
    e->all = calloc(e->t, sizeof *e->all);
    e->which = calloc(e->t, sizeof *e->which);
    e->amplitudes = calloc(e->t, sizeof *e->amplitudes);
    e->rows = calloc((size_t)e->t * e->channels, sizeof *e->rows);
    e->weights = calloc(e->channels, sizeof *e->weights);
    e->scratch = calloc(e->channels, sizeof *e->scratch);
    e->fitted = calloc(e->channels, sizeof *e->fitted);
    return e->all && e->which && e->amplitudes && e->rows && e->weights && e->scratch && e->fitted;
}

static edx_status build(edx_energy *e, const edx_axis *axis, const edx_model_setup *setup,
                        edx_error *err)
{
    int of_line[EDX_MAX_LINES];
    edx_status status = edx_model_make_templates(axis, setup, &e->templates, of_line, err);
    if (status != EDX_OK)
        return status;
    edx_templates_channels(e->templates, &e->first, &e->end);
    e->t = edx_templates_n(e->templates);
    if (!allocate(e))
        return edx_fail(err, EDX_E_NOMEM, "no memory to refine with %u templates", e->t);
    for (uint32_t i = 0; i < e->t; i++)
        e->all[i] = i;
    status = edx_lstsq_new(e->t, e->channels, &e->lstsq, err);
    if (status == EDX_OK)
        status = edx_numeric_fit_new(e->end - e->first + PARAMETERS, PARAMETERS, &e->fit, err);
    return status;
}

edx_status edx_energy_new(const edx_axis *axis, const edx_model_setup *setup, edx_energy **out,
                          edx_error *err)
{
    edx_energy *e = calloc(1, sizeof *e);

    *out = NULL;
    if (!e)
        return edx_fail(err, EDX_E_NOMEM, "no memory to refine the energy axis");
    e->channels = axis->channels;
    e->response = setup->response;
    edx_status status = build(e, axis, setup, err);
    if (status != EDX_OK)
        edx_energy_free(&e);
    *out = e;
    return status;
}

void edx_energy_free(edx_energy **energy)
{
    edx_energy *e = *energy;

    *energy = NULL;
    if (!e)
        return;
    edx_templates_free(&e->templates);
    edx_lstsq_free(&e->lstsq);
    edx_numeric_fit_free(&e->fit);
    free(e->all);
    free(e->which);
    free(e->amplitudes);
    free(e->rows);
    free(e->weights);
    free(e->scratch);
    free(e->fitted);
    free(e);
}

/* ---- the fit ---- */

static edx_response response_of(const edx_energy *e, const double *p)
{
    return (edx_response){e->response.offset_eV + p[0], e->response.gain * p[1],
                          e->response.resolution_eV * p[2]};
}

static edx_lstsq_problem problem_of(const edx_energy *e, const uint32_t *which, uint32_t n)
{
    return (edx_lstsq_problem){
        edx_templates_spectra(e->templates), e->channels, e->first, e->end, which, n};
}

/* Weights for these parameters, and the templates that are seen or are background: the others only
 * blur what is asked. */
static edx_status look(edx_energy *e, const double *p, edx_error *err)
{
    edx_response response = response_of(e, p);
    edx_templates_shape(e->templates, &response);
    edx_lstsq_problem problem = problem_of(e, e->all, e->t);
    edx_status status = edx_lstsq_poisson(e->lstsq, &problem, REWEIGHTINGS, e->spectrum, e->weights,
                                          e->amplitudes, e->fitted, err);
    if (status != EDX_OK)
        return status;
    edx_lstsq_rows(e->lstsq, e->rows);
    e->used = e->lines = 0;
    for (uint32_t i = 0; i < e->t; i++) {
        double variance = 0;
        for (uint32_t c = e->first; c < e->end; c++)
            variance += e->rows[(size_t)i * e->channels + c] *
                        e->rows[(size_t)i * e->channels + c] * e->spectrum[c];
        bool line = edx_templates_at(e->templates, i)->z != 0;
        if (line && !(e->amplitudes[i] > SIGNIFICANT * sqrt(variance)))
            continue;
        e->which[e->used++] = i;
        e->lines += line ? 1 : 0;
    }
    return EDX_OK;
}

/* With the best amplitudes for these parameters. */
static void residuals(void *context, const double *p, double *out)
{
    edx_energy *e = context;
    uint32_t used = e->end - e->first;
    edx_response response = response_of(e, p);
    edx_templates_shape_some(e->templates, &response, e->which, e->used);
    edx_lstsq_problem problem = problem_of(e, e->which, e->used);
    if (edx_lstsq_prepare(e->lstsq, &problem, e->weights, NULL) == EDX_OK)
        edx_lstsq_solve(e->lstsq, e->spectrum, e->amplitudes, e->scratch);
    for (uint32_t c = e->first; c < e->end; c++)
        out[c - e->first] = sqrt(e->weights[c]) * (e->spectrum[c] - e->scratch[c]);
    for (int k = 0; k < PARAMETERS; k++)
        out[used + (uint32_t)k] = (p[k] - nominal[k]) / before[k];
}

/* ---- what comes of it ---- */

/* Whether the parameters are not worth having, and why. */
static bool worthless(const double *p, const double *sigma, char *why, size_t room)
{
    static const char *const names[PARAMETERS] = {"offset", "gain", "resolution"};
    for (int k = 0; k < PARAMETERS; k++)
        if (!(sigma[k] < KNOWN * before[k])) {
            snprintf(why, room, "the lines are too weak to tell the %s", names[k]);
            return true;
        }
    for (int k = 0; k < PARAMETERS; k++)
        if (!(fabs(p[k] - nominal[k]) < AT_BOUND * reach[k])) {
            snprintf(why, room, "the %s would have to be further away than is possible", names[k]);
            return true;
        }
    return false;
}

/* sigma [3]: what is at its bound seems to be known well, and is caught there. */
static bool find_sigmas(const edx_energy *e, const double *p, const double *covariance, double chi2,
                        double *sigma)
{
    double dof = fmax((double)(e->end - e->first) - e->used, 1);
    double scale = sqrt(fmax(chi2 / dof, 1));
    bool differs = false;
    for (int k = 0; k < PARAMETERS; k++) {
        sigma[k] = scale * sqrt(covariance[k * PARAMETERS + k]);
        differs = differs || fabs(p[k] - nominal[k]) > SIGNIFICANT * sigma[k];
    }
    return differs;
}

edx_status edx_energy_refine(edx_energy *energy, const double *spectrum, edx_calibration *out,
                             edx_error *err)
{
    edx_energy *e = energy;
    double p[PARAMETERS], lo[PARAMETERS], hi[PARAMETERS], sigma[PARAMETERS];
    double covariance[PARAMETERS * PARAMETERS], chi2 = 0;
    edx_status status = EDX_OK;

    *out =
        (edx_calibration){.fitted = {NAN, NAN, NAN}, .sigma = {NAN, NAN, NAN}, .use = e->response};
    e->spectrum = spectrum;
    for (int k = 0; k < PARAMETERS; k++) {
        p[k] = nominal[k];
        lo[k] = nominal[k] - reach[k];
        hi[k] = nominal[k] + reach[k];
    }
    for (int pass = 0; pass < PASSES && status == EDX_OK; pass++) {
        status = look(e, p, err);
        if (status != EDX_OK)
            return status;
        if (e->lines == 0) {
            snprintf(out->why, sizeof out->why, "no line is seen");
            return EDX_OK;
        }
        status = edx_numeric_fit_run(e->fit, residuals, e, lo, hi, p, covariance, &chi2, NULL);
    }
    if (status != EDX_OK) {
        snprintf(out->why, sizeof out->why, "nothing within the bounds fits the spectrum");
        return EDX_OK;
    }
    bool differs = find_sigmas(e, p, covariance, chi2, sigma);
    out->refined = !worthless(p, sigma, out->why, sizeof out->why);
    if (!out->refined)
        return EDX_OK;
    out->fitted = response_of(e, p);
    out->sigma =
        (edx_response){sigma[0], e->response.gain * sigma[1], e->response.resolution_eV * sigma[2]};
    out->use = differs ? out->fitted : e->response;
    return EDX_OK;
}
