/* The energy axis as the lines have it, on spectra drawn with another one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/energy.h"
#include "instrument/physics.h"
#include "instrument/random.h"

#define SEED 20261122
#define CHANNELS 1024

static const edx_axis axis = {7.5, 20, CHANNELS};

static void assert_near(double value, double expected, double tolerance, const char *what)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%s: %.10g, expected %.10g +- %.3g", what, value, expected, tolerance);
}

/* An alloy of Ag and Au on carbon, counted by a detector that shows a photon of E at (E - offset) /
 * gain on the axis above. */
static void expect(const edx_response *truth, double amount, double *spectrum)
{
    static const struct {
        const char *symbol;
        double atoms;
    } parts[] = {{"Ag", 1},   {"Au", 1},    {"C", 19},  {"O", 0.4},
                 {"Si", 0.2}, {"Cl", 0.01}, {"Cu", 0.3}};
    const edx_physics physics = {80, truth->resolution_eV, CHANNELS,
                                 truth->offset_eV + truth->gain * axis.offset_eV,
                                 truth->gain * axis.scale_eV};
    memset(spectrum, 0, sizeof *spectrum * CHANNELS);
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        edx_physics_line lines[EDX_PHYSICS_LINES];
        uint32_t n;
        double atoms = amount * parts[p].atoms;
        assert_int_equal(edx_physics_lines(&physics, parts[p].symbol, lines, &n, NULL), EDX_OK);
        for (uint32_t i = 0; i < n; i++)
            edx_physics_add_line(&physics, lines[i].energy_eV, atoms * lines[i].barn, spectrum);
        edx_physics_add_bremsstrahlung(&physics, edx_physics_z(parts[p].symbol), atoms, spectrum);
    }
}

static void draw(edx_random *random, const double *expected, double *spectrum)
{
    for (int c = 0; c < CHANNELS; c++)
        spectrum[c] = (double)edx_random_poisson(random, expected[c]);
}

static edx_energy *make(void)
{
    static const int others[] = {47, 79};
    edx_model_setup setup = {.others = others,
                             .n_others = 2,
                             .beam_keV = 80,
                             .range_eV = {-INFINITY, INFINITY},
                             .response = {0, 1, 130}};
    edx_energy *energy;
    assert_int_equal(edx_energy_new(&axis, &setup, &energy, NULL), EDX_OK);
    return energy;
}

#define PAPER 500.0 /* counts of the paper's particle, about */

/* Pulls of offset, gain and width: within 2 sigma nearly always, and not much better. */
static void known_axes_are_found(void **state)
{
    static const edx_response truths[] = {{0, 1, 130},       {20, 1, 130},    {-25, 1, 130},
                                          {0, 1.006, 130},   {0, 1, 120},     {8, 0.995, 142},
                                          {-12, 1.003, 138}, {15, 1.001, 125}};
    enum { TRUTHS = sizeof truths / sizeof *truths, TRIALS = 3 };
    double expected[CHANNELS], spectrum[CHANNELS], squares = 0;
    edx_energy *energy = make();
    edx_random random;
    int beyond = 0;
    (void)state;
    edx_random_seed(&random, SEED, 1);
    for (int i = 0; i < TRUTHS * TRIALS; i++) {
        const edx_response *truth = &truths[i % TRUTHS];
        edx_calibration c;
        expect(truth, PAPER, expected);
        draw(&random, expected, spectrum);
        assert_int_equal(edx_energy_refine(energy, spectrum, &c, NULL), EDX_OK);
        if (!c.refined)
            fail_msg("refused: %s", c.why);
        double pulls[3] = {(c.fitted.offset_eV - truth->offset_eV) / c.sigma.offset_eV,
                           (c.fitted.gain - truth->gain) / c.sigma.gain,
                           (c.fitted.resolution_eV - truth->resolution_eV) / c.sigma.resolution_eV};
        assert_true(c.sigma.offset_eV < 1 && c.sigma.gain < 2e-4 && c.sigma.resolution_eV < 1);
        for (int k = 0; k < 3; k++) {
            beyond += fabs(pulls[k]) > 2;
            squares += pulls[k] * pulls[k];
        }
    }
    print_message("rms pull %.2f, %d of %d beyond 2 sigma\n", sqrt(squares / (3 * TRUTHS * TRIALS)),
                  beyond, 3 * TRUTHS * TRIALS);
    assert_near(sqrt(squares / (3 * TRUTHS * TRIALS)), 1, 0.3, "rms pull");
    assert_true(beyond <= 3 * TRUTHS * TRIALS / 7);
    edx_energy_free(&energy);
}

/* What is used changes only when something does. */
static void used_where_significant(void **state)
{
    double expected[CHANNELS];
    edx_energy *energy = make();
    edx_calibration c;
    (void)state;
    expect(&(edx_response){0.05, 1.00001, 130.05}, PAPER, expected);
    assert_int_equal(edx_energy_refine(energy, expected, &c, NULL), EDX_OK);
    assert_true(c.refined && c.use.offset_eV == 0 && c.use.gain == 1 && c.use.resolution_eV == 130);
    expect(&(edx_response){0, 1.003, 130}, PAPER, expected);
    assert_int_equal(edx_energy_refine(energy, expected, &c, NULL), EDX_OK);
    assert_true(c.refined && c.use.gain == c.fitted.gain);
    assert_near(c.use.gain, 1.003, 1e-4, "gain");
    edx_energy_free(&energy);
}

static void refuse(edx_energy *energy, const double *spectrum, const char *why)
{
    edx_calibration c;
    assert_int_equal(edx_energy_refine(energy, spectrum, &c, NULL), EDX_OK);
    print_message("%s\n", c.why);
    assert_false(c.refined);
    assert_true(isnan(c.fitted.gain) && isnan(c.sigma.offset_eV));
    assert_true(c.use.offset_eV == 0 && c.use.gain == 1 && c.use.resolution_eV == 130);
    if (why)
        assert_non_null(strstr(c.why, why));
    else
        assert_true(c.why[0] != '\0');
}

/* Too few counts, no line, or too far: refused with a reason, and what was given stays in use. */
static void refused_rather_than_wrong(void **state)
{
    double expected[CHANNELS], spectrum[CHANNELS] = {0};
    edx_energy *energy = make();
    edx_random random;
    edx_calibration c;
    (void)state;
    edx_random_seed(&random, SEED, 2);
    refuse(energy, spectrum, "no line");
    expect(&(edx_response){0, 1, 130}, 0.0005 * PAPER, expected);
    draw(&random, expected, spectrum);
    refuse(energy, spectrum, "too weak");
    expect(&(edx_response){45, 1, 130}, PAPER, expected);
    draw(&random, expected, spectrum);
    refuse(energy, spectrum, NULL);
    expect(&(edx_response){0, 1, 160}, PAPER, expected);
    draw(&random, expected, spectrum);
    refuse(energy, spectrum, NULL);
    spectrum[300] = INFINITY;
    assert_int_equal(edx_energy_refine(energy, spectrum, &c, NULL), EDX_E_NUMERIC);
    edx_energy_free(&energy);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_axes_are_found),
        cmocka_unit_test(used_where_significant),
        cmocka_unit_test(refused_rather_than_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
