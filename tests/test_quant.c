/* Composition and frame health against closed forms, published values and simulated counts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/health.h"
#include "analysis/quant.h"
#include "analysis/thickness.h"
#include "analysis/xray.h"

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.12g, expected %.12g within %g", value, expected, tolerance);
}

/* ---- chance ---- */

static uint64_t state_of_chance;

static double uniform(void) /* xorshift64*: 0 < u < 1 */
{
    state_of_chance ^= state_of_chance >> 12;
    state_of_chance ^= state_of_chance << 25;
    state_of_chance ^= state_of_chance >> 27;
    return ((double)((state_of_chance * 0x2545F4914F6CDD1DULL) >> 12) + 0.5) * 0x1p-52;
}

/* Knuth's product of uniforms, in pieces that do not underflow; exact. */
static double poisson(double mean)
{
    double counts = 0;
    for (; mean > 0; mean -= 500) {
        double product = uniform(), end = exp(-fmin(mean, 500));
        for (; product > end; product *= uniform())
            counts++;
    }
    return counts;
}

static void seed(uint64_t value)
{
    const char *text = getenv("EDX_SEED");
    state_of_chance = text ? strtoull(text, NULL, 10) : value;
    print_message("seed %llu\n", (unsigned long long)state_of_chance);
}

/* ---- fractions ---- */

static const edx_line silver_gold[2] = {{.element = "Ag", .k = 1.44, .k_sigma = 0.01},
                                        {.element = "Au", .k = 1.0}};

/* sigma_C = C_A C_B sqrt(var_A / N_A^2 + var_B / N_B^2 - 2 cov / (N_A N_B)). */
static void two_elements_follow_the_closed_form(void **state)
{
    const double net[2] = {1000, 1440}, cov[4] = {1300, -170, -170, 1900};
    double c[2], sigma[2];
    (void)state;
    assert_true(edx_quant_fractions(silver_gold, 2, 10, net, cov, c, sigma));
    assert_near(c[0], 0.5, 1e-14);
    assert_near(c[1], 0.5, 1e-14);
    double expected = 0.25 * sqrt(1300 / 1e6 + 1900 / (1440.0 * 1440) + 2 * 170 / 1.44e6);
    assert_near(sigma[0], expected, 1e-15);
    assert_near(sigma[1], expected, 1e-15);
}

/* The Jacobian by differences of the fractions themselves. */
static void three_elements_follow_the_jacobian(void **state)
{
    const edx_line lines[3] = {{.k = 1.3}, {.k = 0.7}, {.k = 2.1}};
    const double net[3] = {900, 2500, 400};
    const double cov[9] = {1100, 60, -90, 60, 2800, 45, -90, 45, 700};
    double c[3], sigma[3], unused[3], jacobian[3][3];
    (void)state;
    assert_true(edx_quant_fractions(lines, 3, 3, net, cov, c, sigma));
    assert_near(c[0], 1.3 * 900 / (1.3 * 900 + 0.7 * 2500 + 2.1 * 400), 1e-14);
    assert_near(c[0] + c[1] + c[2], 1, 1e-14);
    for (size_t j = 0; j < 3; j++) {
        double up[3], down[3], moved[3] = {net[0], net[1], net[2]};
        moved[j] = net[j] + 0.01;
        edx_quant_fractions(lines, 3, 3, moved, cov, up, unused);
        moved[j] = net[j] - 0.01;
        edx_quant_fractions(lines, 3, 3, moved, cov, down, unused);
        for (size_t i = 0; i < 3; i++)
            jacobian[i][j] = (up[i] - down[i]) / 0.02;
    }
    for (size_t i = 0; i < 3; i++) {
        double square = 0;
        for (size_t a = 0; a < 3; a++)
            for (size_t b = 0; b < 3; b++)
                square += jacobian[i][a] * cov[a * 3 + b] * jacobian[i][b];
        assert_near(sigma[i], sqrt(square), 1e-8);
    }
}

static void expect_nothing(uint32_t n, const double *net, const double *cov)
{
    double c[2] = {7, 7}, sigma[2] = {7, 7};
    assert_false(edx_quant_fractions(silver_gold, n, 10, net, cov, c, sigma));
    for (uint32_t i = 0; i < n; i++)
        assert_true(isnan(c[i]) && isnan(sigma[i]));
}

/* The limit is N > 10 sigma; a missing partner never makes 0 or 1. */
static void under_the_limit_there_is_no_number(void **state)
{
    const double cov[4] = {100, 0, 0, 100}, none[4] = {0};
    double c[2], sigma[2];
    (void)state;
    expect_nothing(2, (double[]){100, 500}, cov); /* 10 sigma exactly */
    expect_nothing(2, (double[]){500, 99}, cov);
    expect_nothing(2, (double[]){500, -200}, cov);
    expect_nothing(2, (double[]){500, NAN}, cov);
    expect_nothing(2, (double[]){500, 0}, none);
    expect_nothing(2, (double[]){0, 0}, none);
    expect_nothing(1, (double[]){500}, cov);
    assert_true(edx_quant_fractions(silver_gold, 2, 10, (double[]){100.01, 500}, cov, c, sigma));
}

/* Two elements, k_sigma on one: sigma_C / C = C_other * sigma_k / k. */
static void systematic_sigma_comes_from_k(void **state)
{
    const double c[2] = {0.49, 0.51};
    const edx_line three[3] = {{.k = 2, .k_sigma = 0.4}, {.k = 1, .k_sigma = 0.2}, {.k = 1}};
    const double d[3] = {0.2, 0.3, 0.5};
    double relative[3];
    (void)state;
    edx_quant_systematic(silver_gold, 2, c, relative);
    assert_near(relative[0], 0.51 * 0.01 / 1.44, 1e-15);
    assert_near(relative[1], 0.49 * 0.01 / 1.44, 1e-15);
    edx_quant_systematic(three, 3, d, relative);
    assert_near(relative[0], 0.2 * hypot(0.8, 0.3), 1e-15);
    assert_near(relative[2], 0.2 * hypot(0.2, 0.3), 1e-15);
}

/* Poisson counts in two peak windows and three background windows, the middle one shared: errors in
 * units of sigma have rms 1 and stay within 2 in 95.4 %. */
static void errors_are_as_large_as_stated(void **state)
{
    enum { TRIALS = 20000 };
    const double peak[2] = {420, 380}, level[3] = {90, 60, 50},
                 truth = 1.44 * 345 / (1.44 * 345 + 325);
    double squares = 0, within = 0;
    (void)state;
    seed(20261122);
    for (int trial = 0; trial < TRIALS; trial++) {
        double b[3], n[2], cov[4], c[2], sigma[2];
        for (size_t i = 0; i < 3; i++)
            b[i] = poisson(level[i]);
        for (size_t i = 0; i < 2; i++) {
            double gross = poisson(peak[i]);
            n[i] = gross - 0.5 * (b[i] + b[i + 1]);
            cov[3 * i] = gross + 0.25 * (b[i] + b[i + 1]);
        }
        cov[1] = cov[2] = 0.25 * b[1];
        assert_true(edx_quant_fractions(silver_gold, 2, 3, n, cov, c, sigma));
        double pull = (c[0] - truth) / sigma[0];
        squares += pull * pull;
        within += fabs(pull) < 2;
    }
    print_message("pull rms %.4f, within 2 sigma %.4f\n", sqrt(squares / TRIALS), within / TRIALS);
    assert_near(sqrt(squares / TRIALS), 1, 0.05);
    assert_near(within / TRIALS, 0.9545, 0.01);
}

/* ---- health ---- */

/* scipy.stats.chi2.sf; for dof 2 it is exp(-x / 2), for dof 4 (1 + x / 2) exp(-x / 2). */
static void chances_are_the_known_ones(void **state)
{
    static const struct {
        double chi2;
        uint64_t dof;
        double p;
    } known[] = {
        {3.841458820694124, 1, 0.05},
        {5.991464547107979, 2, 0.05},
        {18.307038053275146, 10, 0.05},
        {6.6348966010212145, 1, 0.01},
        {124.34211340400407, 100, 0.05},
        {77.929465165017, 100, 0.95},
        {1.0, 2, 0.6065306597126334},
        {20.0, 4, 4.994e-4},
        {0.0, 5, 1.0},
        {-1.0, 5, 1.0},
        {3.0, 0, 1.0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_near(edx_health_chi2_p(known[i].chi2, known[i].dof), known[i].p, 1e-4 * known[i].p);
    assert_near(edx_health_chi2_p(20, 4), 11 * exp(-10), 1e-17);
    assert_near(edx_health_chi2_p(600, 2) / exp(-300), 1, 1e-9);
    assert_true(edx_health_chi2_p(1e7, 99) == 0);
    assert_true(edx_health_chi2_p(INFINITY, 99) == 0);
    assert_near(edx_health_chi2_p(1e6, 1000000), 0.5, 0.001); /* median near dof - 2/3 */
    assert_true(isnan(edx_health_chi2_p(NAN, 3)));
}

typedef struct health_numbers {
    double chi2, p;
    uint64_t dof;
    const uint64_t *outliers;
    size_t n;
} health_numbers;

static health_numbers look(edx_health *h)
{
    health_numbers r;
    edx_health_result(h, &r.chi2, &r.dof, &r.p, &r.outliers, &r.n);
    return r;
}

static void give(edx_health *h, uint64_t frame, uint64_t counts)
{
    assert_int_equal(edx_health_add(h, frame, counts, NULL), EDX_OK);
    edx_health_close(h, frame, true);
}

/* D by hand: totals 90, 100, 110 have mean 100 and D = 200 / 100. */
static void health_follows_its_formula(void **state)
{
    edx_health *h = NULL;
    (void)state;
    assert_int_equal(edx_health_new(&h, NULL), EDX_OK);
    health_numbers r = look(h);
    assert_true(r.chi2 == 0 && r.dof == 0 && r.p == 1 && r.n == 0);
    give(h, 0, 90);
    give(h, 1, 110);
    assert_int_equal(edx_health_add(h, 2, 60, NULL), EDX_OK); /* two blocks of rows */
    assert_int_equal(edx_health_add(h, 3, 1, NULL), EDX_OK);  /* still open */
    assert_int_equal(edx_health_add(h, 2, 40, NULL), EDX_OK);
    edx_health_close(h, 2, true);
    r = look(h);
    assert_near(r.chi2, 2, 1e-12);
    assert_int_equal(r.dof, 2);
    assert_near(r.p, exp(-1), 1e-12);
    assert_int_equal(r.n, 0);
    edx_health_clear(h);
    r = look(h);
    assert_true(r.dof == 0 && r.p == 1);
    edx_health_free(&h);
    assert_null(h);
}

/* An aborted frame is named and not tested; a frame of double the counts is named; the others,
 * among them one 3 sigma off, are not. */
static void outlying_frames_are_named(void **state)
{
    edx_health *h = NULL;
    (void)state;
    seed(7);
    assert_int_equal(edx_health_new(&h, NULL), EDX_OK);
    for (uint64_t f = 0; f < 60; f++)
        if (f != 13 && f != 17 && f != 41 && f != 59)
            give(h, f, (uint64_t)poisson(10000));
    give(h, 41, 20000);
    give(h, 17, 0);
    give(h, 59, 10300);
    edx_health_add(h, 13, 9000, NULL);
    edx_health_close(h, 13, false);
    health_numbers r = look(h);
    assert_int_equal(r.n, 3);
    assert_true(r.outliers[0] == 13 && r.outliers[1] == 17 && r.outliers[2] == 41);
    assert_int_equal(r.dof, 58);
    assert_true(r.p < 1e-100);
    edx_health_free(&h);
}

/* A beam that loses a third of its current is no Poisson process, but no single frame is to blame.
 */
static void a_falling_beam_names_no_frame(void **state)
{
    edx_health *h = NULL;
    (void)state;
    seed(8);
    assert_int_equal(edx_health_new(&h, NULL), EDX_OK);
    for (uint64_t f = 0; f < 100; f++)
        give(h, f, (uint64_t)poisson(10000 * (1 - 0.0033 * (double)f)));
    health_numbers r = look(h);
    assert_true(r.p < 1e-10);
    assert_int_equal(r.n, 0);
    edx_health_free(&h);
}

/* Steady Poisson frames: p is uniform, so 5 % fall under 0.05. */
static void steady_frames_are_rarely_doubted(void **state)
{
    enum { RUNS = 2000 };
    edx_health *h = NULL;
    double low = 0, named = 0;
    (void)state;
    seed(9);
    assert_int_equal(edx_health_new(&h, NULL), EDX_OK);
    for (int run = 0; run < RUNS; run++) {
        edx_health_clear(h);
        for (uint64_t f = 0; f < 50; f++)
            give(h, f, (uint64_t)poisson(40));
        health_numbers r = look(h);
        low += r.p < 0.05;
        named += (double)r.n;
    }
    print_message("p < 0.05 in %.2f %%, %g frames of %d named\n", 100 * low / RUNS, named,
                  50 * RUNS);
    assert_near(low / RUNS, 0.05, 0.015);
    assert_true(named <= 5);
    edx_health_free(&h);
}

/* ---- mass thickness ---- */

static const edx_begin instrument = {.step_nm = {2, 3}, .probe_nA = 0.5, .elevation_deg = 25};

/* What a foil of so much mass, kg/m2, of each of two elements lets out into their lines' counts. */
static void emit(const edx_thickness *t, const double mass[2], double electrons, double pixels,
                 double net[2])
{
    for (uint32_t i = 0; i < 2; i++) {
        double chi = 0;
        for (uint32_t j = 0; j < 2; j++)
            chi += t->attenuation[i][j] * mass[j] / sin(25 * acos(-1) / 180);
        double unit = t->method == EDX_ZETA ? 1 / t->factor[i] : t->factor[i] / t->atom_kg[i];
        net[i] = mass[i] * unit * electrons * pixels * (1 - exp(-chi)) / chi;
    }
}

static void check_foil(int method, double thickness_m)
{
    const edx_line lines[2] = {{.z = 13,
                                .energy_eV = 1487,
                                .atomic_weight = 26.98,
                                .factor = method == EDX_ZETA ? 350 : 3e-26},
                               {.z = 29,
                                .energy_eV = 8046,
                                .atomic_weight = 63.55,
                                .factor = method == EDX_ZETA ? 900 : 1e-26}};
    const double mass[2] = {0.3 * 7e3 * thickness_m, 0.7 * 7e3 * thickness_m}; /* kg/m2 */
    double electrons = 0.5e-9 * 4 / 1.602176634e-19, net[2], atoms[2], cov[4] = {1, 0, 0, 1};
    edx_thickness t;

    edx_thickness_init(&t, method, &instrument, lines, 2);
    emit(&t, mass, electrons, 10, net);
    double before = net[0], thick = edx_thickness_correct(&t, 10, 4, net, cov, atoms);
    assert_near(thick / (mass[0] + mass[1]), 1, 1e-9);
    for (int i = 0; i < 2; i++)
        assert_near(atoms[i] * lines[i].atomic_weight * 1.66053906660e-27 / (mass[i] * 10 * 6e-18),
                    1, 1e-9);
    assert_true(net[0] > before); /* Al is absorbed by Cu */
    assert_near(cov[1], 0, 0);
    assert_near(cov[0], net[0] / before * net[0] / before, 1e-9 * cov[0]);
}

/* What went in comes out, absorption undone, for foils from 1 nm to where a fifth of Al is lost. */
static void a_foil_is_measured(void **state)
{
    (void)state;
    for (double nm = 1; nm < 200; nm *= 3) {
        check_foil(EDX_ZETA, nm * 1e-9);
        check_foil(EDX_CROSS_SECTION, nm * 1e-9);
    }
}

static void without_a_current_nothing_is_measured(void **state)
{
    const edx_line line = {.z = 13, .energy_eV = 1487, .atomic_weight = 26.98, .factor = 350};
    edx_begin blind = instrument;
    double net = 100, cov = 100, atoms;
    edx_thickness t;

    (void)state;
    blind.probe_nA = NAN;
    edx_thickness_init(&t, EDX_ZETA, &blind, &line, 1);
    assert_true(isnan(edx_thickness_correct(&t, 10, 4, &net, &cov, &atoms)) && isnan(atoms));
    assert_near(net, 100, 0);
    edx_thickness_init(&t, EDX_ZETA, &instrument, &line, 1);
    net = 1e12; /* no thickness gives so many */
    assert_true(isnan(edx_thickness_correct(&t, 10, 4, &net, &cov, &atoms)) && isnan(net));
    net = cov = 0;
    assert_near(edx_thickness_correct(&t, 10, 4, &net, &cov, &atoms), 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_elements_follow_the_closed_form),
        cmocka_unit_test(three_elements_follow_the_jacobian),
        cmocka_unit_test(under_the_limit_there_is_no_number),
        cmocka_unit_test(systematic_sigma_comes_from_k),
        cmocka_unit_test(errors_are_as_large_as_stated),
        cmocka_unit_test(chances_are_the_known_ones),
        cmocka_unit_test(health_follows_its_formula),
        cmocka_unit_test(outlying_frames_are_named),
        cmocka_unit_test(a_falling_beam_names_no_frame),
        cmocka_unit_test(steady_frames_are_rarely_doubted),
        cmocka_unit_test(a_foil_is_measured),
        cmocka_unit_test(without_a_current_nothing_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
