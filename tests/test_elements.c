/* Elements found in spectra whose elements are known: every scene of the simulator, and mixtures.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/elements.h"
#include "instrument/physics.h"
#include "instrument/random.h"
#include "instrument/simulator.h"

#define SEED 20261122
#define CHANNELS 1024

static const double everywhere[2] = {-INFINITY, INFINITY};
static const edx_response right = {0, 1, 130};

static const edx_found *find(const edx_found *found, uint32_t n, const char *symbol)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(found[i].symbol, symbol) == 0)
            return &found[i];
    return NULL;
}

static double uniform(edx_random *random)
{
    return (double)(edx_random_next(random) >> 11) * 0x1p-53;
}

/* Drawing takes as long as there are counts: of many, the normal law is as good. */
static double counts_of(edx_random *random, double mean)
{
    if (mean < 1000)
        return (double)edx_random_poisson(random, mean);
    double radius = sqrt(-2 * log(1 - uniform(random)));
    return rint(mean + sqrt(mean) * radius * cos(6.283185307179586 * uniform(random)));
}

static void draw(edx_random *random, const double *expected, double amount, double *spectrum)
{
    for (int c = 0; c < CHANNELS; c++)
        spectrum[c] = counts_of(random, amount * expected[c]);
}

/* ---- scenes ---- */

/* Expected counts of a frame in channels of 20 eV. */
static void expect_scene(const edx_scenes_scene *scene, edx_axis *axis, double *expected)
{
    edx_simulator_options options;
    edx_simulator *simulator;
    uint32_t bin = scene->channels / CHANNELS;
    edx_simulator_defaults(scene, 1, &options);
    assert_int_equal(edx_simulator_new(&options, &simulator, NULL), EDX_OK);
    memset(expected, 0, sizeof *expected * CHANNELS);
    for (uint32_t i = 0; i < edx_simulator_components(simulator); i++)
        for (uint32_t c = 0; c < scene->channels; c++)
            expected[c / bin] +=
                edx_simulator_expected(simulator, i) * edx_simulator_spectrum(simulator, i)[c];
    *axis = (edx_axis){0.5 * (bin - 1) * scene->scale_eV, bin * scene->scale_eV, CHANNELS};
    edx_simulator_free(&simulator);
}

static bool in_scene(const edx_scenes_scene *scene, const char *symbol)
{
    for (int i = 0; i < EDX_SCENES_ELEMENTS && scene->elements[i].symbol; i++)
        if (strcmp(scene->elements[i].symbol, symbol) == 0)
            return true;
    return false;
}

static void check_scene(const edx_scenes_scene *scene, double frames, const edx_found *found,
                        uint32_t n)
{
    static const char *const around[] = {"C", "O", "Si", "Cl", "Cu"};
    for (int i = 0; i < EDX_SCENES_ELEMENTS && scene->elements[i].symbol; i++) {
        const edx_found *f = find(found, n, scene->elements[i].symbol);
        if (!f || !f->quantify || f->instrument || !(f->net > 5 * f->sigma))
            fail_msg("%s after %g frames: no %s", scene->name, frames, scene->elements[i].symbol);
    }
    for (uint32_t i = 0; i < n; i++) {
        bool known = in_scene(scene, found[i].symbol);
        for (size_t k = 0; k < sizeof around / sizeof *around && !known; k++)
            known = strcmp(around[k], found[i].symbol) == 0 && found[i].instrument &&
                    !found[i].quantify;
        if (!known)
            fail_msg("%s after %g frames: %s (%s %.0f) is not there", scene->name, frames,
                     found[i].symbol, found[i].line, found[i].net);
    }
}

/* True ones and no false one, from the first frames on and however many there are. */
static void every_scene_is_named(void **state)
{
    static const double frames[] = {3, 10, 100, 1e4, 1e6};
    double expected[CHANNELS], spectrum[CHANNELS];
    edx_random random;
    (void)state;
    edx_random_seed(&random, SEED, 1);
    for (size_t s = 0; s < edx_scenes_count(); s++) {
        const edx_scenes_scene *scene = edx_scenes_at(s);
        edx_axis axis;
        edx_elements *elements;
        expect_scene(scene, &axis, expected);
        assert_int_equal(edx_elements_new(&axis, everywhere, scene->beam_keV, &elements, NULL),
                         EDX_OK);
        for (size_t f = 0; f < sizeof frames / sizeof *frames; f++) {
            edx_found found[EDX_MAX_LINES];
            uint32_t n;
            draw(&random, expected, frames[f], spectrum);
            assert_int_equal(
                edx_elements_find(elements, spectrum, &right, NULL, 0, found, &n, NULL), EDX_OK);
            check_scene(scene, frames[f], found, n);
        }
        edx_elements_free(&elements);
    }
}

/* ---- mixtures ---- */

#define POOL                                                                                       \
    "Mg", "P", "S", "Ca", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Zn", "Ga", "As", "Se", "Sr",   \
        "Nb", "Mo", "Ru", "Pd", "Ag", "Cd", "In", "Sn", "Te", "Ba", "La", "Ce", "Gd", "Hf", "W",   \
        "Ir", "Pt", "Au", "Pb", "Bi"

static void add_atoms(const edx_physics *physics, const char *symbol, double amount,
                      double *spectrum)
{
    edx_physics_line lines[EDX_PHYSICS_LINES];
    uint32_t n;
    assert_int_equal(edx_physics_lines(physics, symbol, lines, &n, NULL), EDX_OK);
    for (uint32_t i = 0; i < n; i++)
        edx_physics_add_line(physics, lines[i].energy_eV, amount * lines[i].barn, spectrum);
    edx_physics_add_bremsstrahlung(physics, edx_physics_z(symbol), amount, spectrum);
}

/* Two elements, a quarter of the atoms each at least, on carbon with traces and grid. */
static void mix(const edx_physics *physics, edx_random *random, const char *names[2],
                double *spectrum)
{
    static const char *const pool[] = {POOL};
    uint64_t size = sizeof pool / sizeof *pool, first = edx_random_next(random) % size;
    double share = 0.25 + 0.5 * uniform(random);
    names[0] = pool[first];
    names[1] = pool[(first + 1 + edx_random_next(random) % (size - 1)) % size];
    memset(spectrum, 0, sizeof *spectrum * CHANNELS);
    add_atoms(physics, names[0], share, spectrum);
    add_atoms(physics, names[1], 1 - share, spectrum);
    add_atoms(physics, "C", 2.9, spectrum);
    add_atoms(physics, "O", 0.06, spectrum);
    add_atoms(physics, "Si", 0.03, spectrum);
    add_atoms(physics, "Cu", 0.09, spectrum);
}

static double sum_of(const double *spectrum)
{
    double sum = 0;
    for (int c = 0; c < CHANNELS; c++)
        sum += spectrum[c];
    return sum;
}

/* Axis off by up to 10 eV, 5000 to a million counts, three voltages: of a hundred pairs of elements
 * one in twenty may hide the other (S under Pb M), and one false name in fifty samples is allowed.
 */
static void mixtures_are_named(void **state)
{
    enum { SAMPLES = 120 };
    static const double beams[] = {80, 200, 300}, offsets[] = {0, 10, -10, 5},
                        counts[] = {5e3, 5e4, 1e6};
    int missed = 0, wrong = 0;
    edx_random random;
    (void)state;
    edx_random_seed(&random, SEED, 2);
    for (int i = 0; i < SAMPLES; i++) {
        const edx_axis axis = {7.5, 20, CHANNELS};
        const edx_physics physics = {beams[i % 3], 130, CHANNELS, 7.5 + offsets[i % 4], 20};
        double expected[CHANNELS], spectrum[CHANNELS];
        edx_found found[EDX_MAX_LINES];
        const char *names[2];
        edx_elements *elements;
        uint32_t n;
        mix(&physics, &random, names, expected);
        draw(&random, expected, counts[i / 4 % 3] / sum_of(expected), spectrum);
        assert_int_equal(edx_elements_new(&axis, everywhere, physics.beam_keV, &elements, NULL),
                         EDX_OK);
        assert_int_equal(edx_elements_find(elements, spectrum, &right, NULL, 0, found, &n, NULL),
                         EDX_OK);
        for (int k = 0; k < 2; k++)
            missed += find(found, n, names[k]) == NULL;
        for (uint32_t k = 0; k < n; k++)
            wrong += !found[k].instrument && strcmp(found[k].symbol, names[0]) != 0 &&
                     strcmp(found[k].symbol, names[1]) != 0;
        edx_elements_free(&elements);
    }
    print_message("%d of %d missed, %d false\n", missed, 2 * SAMPLES, wrong);
    assert_true(missed <= 2 * SAMPLES / 20);
    assert_true(wrong <= SAMPLES / 50);
}

/* ---- what is given, and what is not there ---- */

static void the_operator_wins(void **state)
{
    static const int given[] = {29, 26, 79};
    const edx_axis axis = {7.5, 20, CHANNELS};
    const edx_physics physics = {200, 130, CHANNELS, 7.5, 20};
    double expected[CHANNELS] = {0}, spectrum[CHANNELS];
    edx_found found[EDX_MAX_LINES];
    edx_elements *elements;
    edx_random random;
    uint32_t n;
    (void)state;
    edx_random_seed(&random, SEED, 3);
    add_atoms(&physics, "Cu", 1, expected);
    add_atoms(&physics, "Ni", 1, expected);
    add_atoms(&physics, "Fe", 0.5, expected);
    draw(&random, expected, 1e5 / sum_of(expected), spectrum);
    assert_int_equal(edx_elements_new(&axis, everywhere, 200, &elements, NULL), EDX_OK);
    assert_int_equal(edx_elements_find(elements, spectrum, &right, given, 3, found, &n, NULL),
                     EDX_OK);
    assert_true(n == 4);
    for (int i = 0; i < 3; i++)
        assert_true(found[i].z == given[i] && found[i].given && found[i].quantify &&
                    !found[i].instrument);
    assert_string_equal(found[0].line, "Cu_Ka");
    assert_true(found[2].net < 5 * found[2].sigma || found[2].sigma == 0); /* no gold */
    assert_string_equal(found[3].symbol, "Ni");
    assert_true(!found[3].given && !found[3].quantify);
    edx_elements_free(&elements);
}

static void nothing_is_found_in_nothing(void **state)
{
    const edx_axis axis = {7.5, 20, CHANNELS};
    const edx_physics physics = {80, 130, CHANNELS, 7.5, 20};
    double smooth[CHANNELS] = {0}, spectrum[CHANNELS] = {0};
    edx_found found[EDX_MAX_LINES];
    edx_elements *elements;
    edx_random random;
    uint32_t n;
    (void)state;
    edx_random_seed(&random, SEED, 4);
    assert_int_equal(edx_elements_new(&axis, everywhere, 80, &elements, NULL), EDX_OK);
    assert_int_equal(edx_elements_find(elements, spectrum, &right, NULL, 0, found, &n, NULL),
                     EDX_OK);
    assert_int_equal(n, 0);
    edx_physics_add_bremsstrahlung(&physics, 20, 1, smooth);
    for (double counts = 10; counts < 2e7; counts *= 10)
        for (int i = 0; i < 5; i++) {
            draw(&random, smooth, counts / sum_of(smooth), spectrum);
            assert_int_equal(
                edx_elements_find(elements, spectrum, &right, NULL, 0, found, &n, NULL), EDX_OK);
            if (n > 0)
                fail_msg("%s in %g counts of bremsstrahlung", found[0].line, counts);
        }
    spectrum[500] = NAN;
    assert_int_equal(edx_elements_find(elements, spectrum, &right, NULL, 0, found, &n, NULL),
                     EDX_E_NUMERIC);
    edx_elements_free(&elements);
    assert_int_equal(edx_elements_new(&axis, (const double[2]){5e4, 6e4}, 80, &elements, NULL),
                     EDX_E_RANGE);
    assert_null(elements);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scene_is_named),
        cmocka_unit_test(mixtures_are_named),
        cmocka_unit_test(the_operator_wins),
        cmocka_unit_test(nothing_is_found_in_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
