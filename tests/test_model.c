/* Line intensities by model on spectra whose truth is known: simulated and made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/intensity.h"
#include "analysis/lines.h"
#include "analysis/windows.h"
#include "instrument/random.h"

#define SEED 20261122

/* NaN is never near. */
static void assert_near(double value, double expected, double tolerance, const char *what)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%s: %.10g, expected %.10g +- %.3g", what, value, expected, tolerance);
}

/* ---- rows of windows ---- */

static double uniform(edx_random *random, double lo, double hi)
{
    return lo + (hi - lo) * ((double)(edx_random_next(random) >> 11) * 0x1p-53);
}

static void fill_line(edx_random *random, edx_line *line)
{
    double at = uniform(random, 1500, 8000);
    memset(line, 0, sizeof *line);
    snprintf(line->name, sizeof line->name, "Xx_Ka");
    line->window_eV[0] = at;
    line->window_eV[1] = at + uniform(random, 25, 300);
    for (int b = 0; b < 2; b++) { /* wherever: even inside the peak */
        line->background_eV[b][0] = at + uniform(random, -900, 900);
        line->background_eV[b][1] = line->background_eV[b][0] + uniform(random, 25, 200);
    }
}

static void compare_rows(edx_random *random)
{
    enum { CHANNELS = 700 };
    const edx_axis axis = {-37.5, 20, CHANNELS};
    uint64_t spectrum[CHANNELS];
    double row[CHANNELS], net, variance, sum = 0, squares = 0;
    edx_intensity *intensity;
    edx_line line;
    fill_line(random, &line);
    assert_int_equal(edx_intensity_new(&line, 1, &axis, 1, 1, 1, CHANNELS, 1, &intensity, NULL),
                     EDX_OK);
    for (int c = 0; c < CHANNELS; c++)
        spectrum[c] = edx_random_next(random) % 1000;
    edx_intensity_spectrum(intensity, spectrum, &net, &variance);
    edx_windows windows = edx_lines_windows(&line);
    assert_true(edx_windows_row(&axis, &windows, row));
    for (int c = 0; c < CHANNELS; c++) {
        sum += row[c] * (double)spectrum[c];
        squares += row[c] * row[c] * (double)spectrum[c];
    }
    assert_near(sum, net, 1e-9 * sqrt(variance), "row times spectrum");
    assert_near(squares, variance, 1e-9 * variance, "its variance");
    edx_intensity_free(&intensity);
}

static void windows_are_a_row(void **state)
{
    edx_random random;
    (void)state;
    edx_random_seed(&random, SEED, 1);
    for (int i = 0; i < 200; i++)
        compare_rows(&random);
}

static void rows_of_nothing_are_refused(void **state)
{
    static const edx_windows bad[] = {
        {.window_eV = {101, 104}, .background_eV = {{0, 50}, {150, 190}}},
        {.window_eV = {100, 150}, .background_eV = {{0, 50}, {1e4, 2e4}}},
        {.window_eV = {100, 150}, .background_eV = {{20, 60}, {30, 50}}},
    };
    const edx_axis axis = {0, 20, 10};
    double row[10];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        row[5] = 1;
        assert_false(edx_windows_row(&axis, &bad[i], row));
        assert_true(row[5] == 0);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_a_row),
        cmocka_unit_test(rows_of_nothing_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
