#include "analysis/numeric.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <gsl/gsl_sf_gamma.h>

#define MOST_PARAMETERS 16u
#define STEP 1e-4    /* of u, for derivatives */
#define INSIDE 0.999 /* a start nearer to its bound than this part of the half width is moved */
#define ITERATIONS 50u
#define TOLERANCE 1e-6 /* of a step in u */

double edx_numeric_chi2_p(double chi2, uint64_t dof)
{
    gsl_sf_result q;
    if (isnan(chi2))
        return NAN;
    if (dof == 0 || chi2 <= 0)
        return 1;
    if (isinf(chi2))
        return 0;
    /* GSL's own handler would abort where the tail underflows; 0 is right there. */
    gsl_set_error_handler_off();
    int status = gsl_sf_gamma_inc_Q_e(0.5 * (double)dof, 0.5 * chi2, &q);
    return status == GSL_SUCCESS ? fmin(fmax(q.val, 0), 1) : 0;
}

/* ---- least squares ---- */

struct edx_numeric_fit {
    uint32_t m, n;
    gsl_multifit_nlinear_workspace *work;
    gsl_vector *start; /* u */
    gsl_matrix *covariance;
    double *above, *below; /* [m] residuals a step of u away */
    /* of the run going on: */
    edx_numeric_residuals *residuals;
    void *context;
    const double *lo, *hi;
};

edx_status edx_numeric_fit_new(uint32_t m, uint32_t n, edx_numeric_fit **out, edx_error *err)
{
    *out = NULL;
    if (n == 0 || n > MOST_PARAMETERS || m < n)
        return edx_fail(err, EDX_E_RANGE, "%u parameters of %u residuals, expected 1 to %u", n, m,
                        m < MOST_PARAMETERS ? m : MOST_PARAMETERS);
    gsl_set_error_handler_off();
    gsl_multifit_nlinear_parameters how = gsl_multifit_nlinear_default_parameters();
    how.solver = gsl_multifit_nlinear_solver_qr;
    edx_numeric_fit *fit = calloc(1, sizeof *fit);
    if (fit) {
        fit->m = m;
        fit->n = n;
        fit->work = gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &how, m, n);
        fit->start = gsl_vector_alloc(n);
        fit->covariance = gsl_matrix_alloc(n, n);
        fit->above = malloc(sizeof *fit->above * m);
        fit->below = malloc(sizeof *fit->below * m);
    }
    if (!fit || !fit->work || !fit->start || !fit->covariance || !fit->above || !fit->below) {
        edx_numeric_fit_free(&fit);
        return edx_fail(err, EDX_E_NOMEM, "no memory to fit %u parameters to %u numbers", n, m);
    }
    *out = fit;
    return EDX_OK;
}

void edx_numeric_fit_free(edx_numeric_fit **fit)
{
    edx_numeric_fit *f = *fit;

    *fit = NULL;
    if (!f)
        return;
    if (f->work)
        gsl_multifit_nlinear_free(f->work);
    if (f->start)
        gsl_vector_free(f->start);
    if (f->covariance)
        gsl_matrix_free(f->covariance);
    free(f->above);
    free(f->below);
    free(f);
}

static double half(const edx_numeric_fit *fit, uint32_t i)
{
    return 0.5 * (fit->hi[i] - fit->lo[i]);
}

static double middle(const edx_numeric_fit *fit, uint32_t i)
{
    return 0.5 * (fit->hi[i] + fit->lo[i]);
}

static double inside(const edx_numeric_fit *fit, uint32_t i, double u)
{
    double p = middle(fit, i) + half(fit, i) * sin(u);
    return fmin(fmax(p, fit->lo[i]), fit->hi[i]);
}

static void at(const edx_numeric_fit *fit, const gsl_vector *u, double *parameters)
{
    for (uint32_t i = 0; i < fit->n; i++)
        parameters[i] = inside(fit, i, gsl_vector_get(u, i));
}

static int evaluate(const gsl_vector *u, void *context, gsl_vector *f)
{
    edx_numeric_fit *fit = context;
    double parameters[MOST_PARAMETERS];

    at(fit, u, parameters);
    fit->residuals(fit->context, parameters, fit->above);
    for (uint32_t i = 0; i < fit->m; i++) {
        if (!isfinite(fit->above[i]))
            return GSL_EBADFUNC;
        gsl_vector_set(f, i, fit->above[i]);
    }
    return GSL_SUCCESS;
}

/* Central differences in u. */
static int differentiate(const gsl_vector *u, void *context, gsl_matrix *jacobian)
{
    edx_numeric_fit *fit = context;
    double here[MOST_PARAMETERS], moved[MOST_PARAMETERS];

    at(fit, u, here);
    for (uint32_t k = 0; k < fit->n; k++) {
        memcpy(moved, here, sizeof moved);
        moved[k] = inside(fit, k, gsl_vector_get(u, k) + STEP);
        fit->residuals(fit->context, moved, fit->above);
        moved[k] = inside(fit, k, gsl_vector_get(u, k) - STEP);
        fit->residuals(fit->context, moved, fit->below);
        for (uint32_t i = 0; i < fit->m; i++) {
            double slope = (fit->above[i] - fit->below[i]) / (2 * STEP);
            if (!isfinite(slope))
                return GSL_EBADFUNC;
            gsl_matrix_set(jacobian, i, k, slope);
        }
    }
    return GSL_SUCCESS;
}

static edx_status take_start(edx_numeric_fit *fit, const double *parameters, edx_error *err)
{
    for (uint32_t i = 0; i < fit->n; i++) {
        if (!(fit->lo[i] < fit->hi[i]) || !isfinite(half(fit, i)))
            return edx_fail(err, EDX_E_RANGE, "bounds %g and %g of parameter %u, expected lo < hi",
                            fit->lo[i], fit->hi[i], i);
        double x = (parameters[i] - middle(fit, i)) / half(fit, i);
        gsl_vector_set(fit->start, i, asin(fmin(fmax(x, -INSIDE), INSIDE)));
    }
    return EDX_OK;
}

/* dp = half * cos(u) du. */
static bool take_covariance(const edx_numeric_fit *fit, double *covariance)
{
    const gsl_vector *u = gsl_multifit_nlinear_position(fit->work);

    for (uint32_t i = 0; i < fit->n; i++)
        for (uint32_t j = 0; j < fit->n; j++) {
            double c = gsl_matrix_get(fit->covariance, i, j) * half(fit, i) * half(fit, j) *
                       cos(gsl_vector_get(u, i)) * cos(gsl_vector_get(u, j));
            covariance[i * fit->n + j] = c;
            if (!isfinite(c) || (i == j && !(c > 0)))
                return false;
        }
    return true;
}

/* Until no u moves any more: they are angles, so that a small step is small by itself. */
static int iterate(edx_numeric_fit *fit)
{
    for (uint32_t i = 0; i < ITERATIONS; i++) {
        int status = gsl_multifit_nlinear_iterate(fit->work);
        if (status == GSL_ENOPROG) /* no step is better: it is as good as rounding allows */
            return GSL_SUCCESS;
        if (status != GSL_SUCCESS)
            return status;
        double step = fmax(gsl_vector_max(fit->work->dx), -gsl_vector_min(fit->work->dx));
        if (step < TOLERANCE)
            return GSL_SUCCESS;
    }
    return GSL_EMAXITER;
}

static int run(edx_numeric_fit *fit, double *chi2)
{
    gsl_multifit_nlinear_fdf fdf = {
        .f = evaluate, .df = differentiate, .n = fit->m, .p = fit->n, .params = fit};
    int status = gsl_multifit_nlinear_init(fit->start, &fdf, fit->work);

    if (status == GSL_SUCCESS)
        status = iterate(fit);
    if (status == GSL_SUCCESS)
        status =
            gsl_multifit_nlinear_covar(gsl_multifit_nlinear_jac(fit->work), 0, fit->covariance);
    *chi2 = 0;
    for (uint32_t i = 0; status == GSL_SUCCESS && i < fit->m; i++) {
        double r = gsl_vector_get(gsl_multifit_nlinear_residual(fit->work), i);
        *chi2 += r * r;
    }
    return status;
}

edx_status edx_numeric_fit_run(edx_numeric_fit *fit, edx_numeric_residuals *residuals,
                               void *context, const double *lo, const double *hi,
                               double *parameters, double *covariance, double *chi2, edx_error *err)
{
    fit->residuals = residuals;
    fit->context = context;
    fit->lo = lo;
    fit->hi = hi;
    edx_status status = take_start(fit, parameters, err);
    if (status != EDX_OK)
        return status;
    int problem = run(fit, chi2);
    if (problem != GSL_SUCCESS)
        return edx_fail(err, EDX_E_NUMERIC, "no least squares of %u parameters: %s", fit->n,
                        gsl_strerror(problem));
    if (!take_covariance(fit, covariance))
        return edx_fail(err, EDX_E_NUMERIC, "what is fitted does not depend on all %u parameters",
                        fit->n);
    at(fit, gsl_multifit_nlinear_position(fit->work), parameters);
    return EDX_OK;
}
