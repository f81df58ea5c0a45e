/* What GSL does for us against certified values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>

#include "analysis/numeric.h"

/* NIST's Misra1a (statistical reference datasets, nonlinear regression): y = b1 (1 - exp(-b2 x)).
 */
#define N 14
static const double y[N] = {10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02,
                            44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78};
static const double x[N] = {77.6,  114.9, 141.1, 190.8, 239.9, 289.0, 332.8,
                            378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0};

static void misra(void *context, const double *b, double *residuals)
{
    (void)context;
    for (int i = 0; i < N; i++)
        residuals[i] = y[i] + b[0] * expm1(-b[1] * x[i]);
}

static void assert_near(double value, double expected, double relative)
{
    if (!(fabs(value / expected - 1) <= relative))
        fail_msg("%.11g, expected %.11g", value, expected);
}

static void certified_parameters(void **state)
{
    static const double starts[2][2] = {{500, 1e-4}, {250, 5e-4}}; /* NIST's */
    const double lo[2] = {0, 0}, hi[2] = {1000, 1e-2};
    edx_numeric_fit *fit;
    (void)state;
    assert_int_equal(edx_numeric_fit_new(N, 2, &fit, NULL), EDX_OK);
    for (int s = 0; s < 2; s++) {
        double b[2] = {starts[s][0], starts[s][1]}, covariance[4], chi2;
        assert_int_equal(edx_numeric_fit_run(fit, misra, NULL, lo, hi, b, covariance, &chi2, NULL),
                         EDX_OK);
        assert_near(b[0], 2.3894212918e+02, 1e-6);
        assert_near(b[1], 5.5015643181e-04, 1e-6);
        assert_near(chi2, 1.2455138894e-01, 1e-8);
        assert_near(sqrt(covariance[0] * chi2 / (N - 2)), 2.7070075241, 1e-5);
        assert_near(sqrt(covariance[3] * chi2 / (N - 2)), 7.2668688436e-06, 1e-5);
        assert_near(covariance[1], covariance[2], 1e-9);
    }
    edx_numeric_fit_free(&fit);
}

/* The least is at the bound: the parameter goes there and no further. */
static void bounds_hold(void **state)
{
    const double lo[2] = {0, 6e-4}, hi[2] = {1000, 1e-2};
    double b[2] = {500, 1e-3}, covariance[4], chi2;
    edx_numeric_fit *fit;
    (void)state;
    assert_int_equal(edx_numeric_fit_new(N, 2, &fit, NULL), EDX_OK);
    edx_status status = edx_numeric_fit_run(fit, misra, NULL, lo, hi, b, covariance, &chi2, NULL);
    assert_true(status == EDX_OK || status == EDX_E_NUMERIC);
    assert_true(b[1] >= 6e-4 && (status != EDX_OK || b[1] < 6.1e-4));
    edx_numeric_fit_free(&fit);
}

static void blind(void *context, const double *b, double *residuals)
{
    (void)context;
    for (int i = 0; i < N; i++)
        residuals[i] = y[i] - b[0];
}

static void undefined(void *context, const double *b, double *residuals)
{
    misra(context, b, residuals);
    residuals[3] = NAN;
}

static void what_cannot_be_fitted(void **state)
{
    const double lo[2] = {0, 0}, hi[2] = {1000, 1e-2}, no[2] = {0, 0};
    double b[2] = {500, 1e-3}, covariance[4], chi2;
    edx_numeric_fit *fit;
    (void)state;
    assert_int_equal(edx_numeric_fit_new(3, 4, &fit, NULL), EDX_E_RANGE);
    assert_int_equal(edx_numeric_fit_new(N, 2, &fit, NULL), EDX_OK);
    assert_int_equal(edx_numeric_fit_run(fit, blind, NULL, lo, hi, b, covariance, &chi2, NULL),
                     EDX_E_NUMERIC);
    assert_int_equal(edx_numeric_fit_run(fit, undefined, NULL, lo, hi, b, covariance, &chi2, NULL),
                     EDX_E_NUMERIC);
    assert_int_equal(edx_numeric_fit_run(fit, misra, NULL, lo, no, b, covariance, &chi2, NULL),
                     EDX_E_RANGE);
    assert_true(b[0] == 500 && b[1] == 1e-3);
    edx_numeric_fit_free(&fit);
}

/* scipy 1.10.1, chi2.sf. */
static void tails(void **state)
{
    (void)state;
    assert_near(edx_numeric_chi2_p(3.841458820694124, 1), 0.05, 1e-12);
    assert_near(edx_numeric_chi2_p(124.34211340400408, 100), 0.05, 1e-12);
    assert_true(edx_numeric_chi2_p(1e7, 99) == 0 && edx_numeric_chi2_p(5, 0) == 1);
    assert_true(isnan(edx_numeric_chi2_p(NAN, 3)));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(certified_parameters),
        cmocka_unit_test(bounds_hold),
        cmocka_unit_test(what_cannot_be_fitted),
        cmocka_unit_test(tails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
