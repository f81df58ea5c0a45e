/* Line intensities by model on spectra whose truth is known: simulated and made by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/functional.h"
#include "analysis/functional_kernels.h"
#include "analysis/intensity.h"
#include "analysis/lines.h"
#include "analysis/model.h"
#include "analysis/windows.h"
#include "instrument/physics.h"
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

/* ---- a particle in rings ---- */

#define CHANNELS 1024
#define RINGS 8
#define PAPER 129000.0 /* counts of Ag L of the paper's particle */

static const edx_axis axis = {7.5, 20, CHANNELS};
static const edx_physics physics = {80, 130, CHANNELS, 7.5, 20};
static const edx_response right = {0, 1, 130};

typedef struct world {
    const char *symbols[2];
    edx_line lines[2];
    double rings[RINGS][CHANNELS]; /* expected counts */
    double total[CHANNELS];
    double fraction[RINGS]; /* of the first element */
    double k;               /* of the windows, as a standard of the same kind gives it */
} world;

/* What one atom sends; lines that fill the sub-shell from are scaled. */
static void add_atoms(const char *symbol, double amount, const char *from, double scale,
                      double bremsstrahlung, double *spectrum)
{
    edx_physics_line lines[EDX_PHYSICS_LINES];
    uint32_t n;
    assert_int_equal(edx_physics_lines(&physics, symbol, lines, &n, NULL), EDX_OK);
    for (uint32_t i = 0; i < n; i++) {
        bool scaled = strncmp(lines[i].name, from, strlen(from)) == 0;
        edx_physics_add_line(&physics, lines[i].energy_eV,
                             amount * lines[i].barn * (scaled ? scale : 1), spectrum);
    }
    edx_physics_add_bremsstrahlung(&physics, edx_physics_z(symbol), amount * bremsstrahlung,
                                   spectrum);
}

static double sum_of(const double *row, const double *spectrum)
{
    double sum = 0;
    for (int c = 0; c < CHANNELS; c++)
        sum += row[c] * spectrum[c];
    return sum;
}

static void resolve(world *w, const char *first, const char *second)
{
    static const edx_line_setting nothing = {.k = NAN,
                                             .k_sigma = NAN,
                                             .window_eV = {NAN, NAN},
                                             .background_eV = {{NAN, NAN}, {NAN, NAN}},
                                             .zeta = NAN,
                                             .cross_section_barn = NAN};
    edx_begin begin = {.rows = 8, .cols = 8, .beam_keV = physics.beam_keV, .resolution_eV = 130};
    edx_settings settings;
    uint32_t n;
    edx_settings_default(&settings);
    settings.quant.n_lines = 2;
    settings.quant.lines[0] = settings.quant.lines[1] = nothing;
    snprintf(settings.quant.lines[0].line, EDX_LINE_SIZE, "%s", first);
    snprintf(settings.quant.lines[1].line, EDX_LINE_SIZE, "%s", second);
    begin.channels = CHANNELS;
    begin.offset_eV = axis.offset_eV;
    begin.scale_eV = axis.scale_eV;
    assert_int_equal(edx_lines_resolve(&settings, &begin, &axis, w->lines, &n, NULL), EDX_OK);
}

/* A film of carbon with traces, and what the grid sends: as in the scenes of the simulator. */
static void add_film(double amount, double *spectrum)
{
    add_atoms("C", 0.97 * amount, "", 1, 1, spectrum);
    add_atoms("O", 0.02 * amount, "", 1, 1, spectrum);
    add_atoms("Si", 0.0095 * amount, "", 1, 1, spectrum);
    add_atoms("Cl", 0.0005 * amount, "", 1, 1, spectrum);
    add_atoms("Cu", 0.015 * amount, "", 1, 1, spectrum);
}

static double net_in_windows(const edx_line *line, const double *spectrum)
{
    double row[CHANNELS];
    edx_windows windows = edx_lines_windows(line);
    assert_true(edx_windows_row(&axis, &windows, row));
    return sum_of(row, spectrum);
}

/* A sphere of Ag and Au in rings of one width, its fraction of Ag rising from 0.49 to 0.58; gold's
 * M lines 0.6 of what xraylib says, as a measured k has it; silver's that fill from are scaled. */
static void build(world *w, double dose, const char *from, double scale)
{
    double per_atom = 0, silver = 0, gold = 0, lines[CHANNELS] = {0};
    memset(w, 0, sizeof *w);
    w->symbols[0] = "Ag";
    w->symbols[1] = "Au";
    resolve(w, "Ag_La", "Au_Ma");
    add_atoms("Ag", 1, from, scale, 0, lines);
    for (int c = 130; c < 220; c++) /* 2.6 to 4.4 keV */
        per_atom += lines[c];
    for (int i = 0; i < RINGS; i++) {
        double r = (i + 0.5) / RINGS, share = 3 * r / RINGS * sqrt(1 - r * r);
        double atoms = dose * PAPER / per_atom / 0.535 * share;
        w->fraction[i] = 0.49 + 0.09 * r;
        add_atoms("Ag", atoms * w->fraction[i], from, scale, 1, w->rings[i]);
        add_atoms("Au", atoms * (1 - w->fraction[i]), "M", 0.6, 1, w->rings[i]);
        add_film(dose * PAPER / per_atom * 20 * r / RINGS, w->rings[i]);
        for (int c = 0; c < CHANNELS; c++)
            w->total[c] += w->rings[i][c];
        silver += atoms * w->fraction[i];
        gold += atoms * (1 - w->fraction[i]);
    }
    w->k = silver / gold * net_in_windows(&w->lines[1], w->total) /
           net_in_windows(&w->lines[0], w->total);
}

static edx_model *model_of(const world *w, const edx_response *how)
{
    edx_model_setup setup = {.lines = w->lines,
                             .n = 2,
                             .beam_keV = physics.beam_keV,
                             .range_eV = {-INFINITY, INFINITY},
                             .response = *how};
    edx_model *model;
    assert_int_equal(edx_model_new(&axis, &setup, &model, NULL), EDX_OK);
    return model;
}

static double fraction_by(const double *rows, double k, const double *spectrum)
{
    double a = sum_of(rows, spectrum), b = sum_of(rows + CHANNELS, spectrum);
    return k * a / (k * a + b);
}

/* Variance of a fraction from anchored rows (SCIENCE, denoising, step 3). */
static double fraction_variance(const edx_model *m, double f, const double *total,
                                const double *ring)
{
    const double *g = edx_model_rows(m), *v = edx_model_anchors(m);
    const double *all = edx_model_totals(m), *anchors = edx_model_anchor_totals(m);
    double a = sum_of(g, ring), b = sum_of(g + CHANNELS, ring), sum = 0;
    for (int c = 0; c < CHANNELS; c++) {
        double own = g[c] / a - g[CHANNELS + c] / b;
        double delta = v[c] / anchors[0] - v[CHANNELS + c] / anchors[1] - g[c] / all[0] +
                       g[CHANNELS + c] / all[1];
        sum += ring[c] * own * own + total[c] * delta * delta + 2 * ring[c] * own * delta;
    }
    return f * f * (1 - f) * (1 - f) * sum;
}

static void draw(edx_random *random, const world *expected, world *out)
{
    memset(out->total, 0, sizeof out->total);
    for (int i = 0; i < RINGS; i++)
        for (int c = 0; c < CHANNELS; c++) {
            out->rings[i][c] = (double)edx_random_poisson(random, expected->rings[i][c]);
            out->total[c] += out->rings[i][c];
        }
}

typedef struct trial_sums {
    double pull[RINGS], pull2, error2, error2_windows;
} trial_sums;

static void one_trial(edx_random *random, edx_model *model, const world *w, trial_sums *sums)
{
    static world drawn;
    draw(random, w, &drawn);
    assert_int_equal(edx_model_fit(model, drawn.total, NULL), EDX_OK);
    for (int i = 0; i < RINGS; i++) {
        double f = fraction_by(edx_model_anchored_rows(model), w->k, drawn.rings[i]);
        double raw = fraction_by(edx_model_anchors(model), w->k, drawn.rings[i]);
        double off = f - w->fraction[i], raw_off = raw - w->fraction[i];
        double pull = off / sqrt(fraction_variance(model, f, drawn.total, drawn.rings[i]));
        sums->pull[i] += pull;
        sums->pull2 += pull * pull;
        sums->error2 += off * off;
        sums->error2_windows += raw_off * raw_off;
    }
}

/* At the paper's dose and at a sixth of it (0.3 of the rate, 50 frames). */
static void rings_are_unbiased_and_sharper(void **state)
{
    enum { TRIALS = 150 };
    static world w;
    (void)state;
    for (int low = 0; low < 2; low++) {
        edx_random random;
        trial_sums sums = {0};
        edx_random_seed(&random, SEED, 2);
        build(&w, low ? 0.15 : 1, "", 1);
        edx_model *model = model_of(&w, &right);
        for (int t = 0; t < TRIALS; t++)
            one_trial(&random, model, &w, &sums);
        print_message("pull rms %.3f, error over windows' %.3f\n",
                      sqrt(sums.pull2 / (TRIALS * RINGS)), sqrt(sums.error2 / sums.error2_windows));
        for (int i = 0; i < RINGS; i++)
            assert_near(sums.pull[i] / TRIALS, 0, 0.35, "mean pull of a ring");
        assert_near(sqrt(sums.pull2 / (TRIALS * RINGS)), 1, 0.1, "rms pull");
        assert_near(sqrt(sums.error2 / sums.error2_windows), 0.7, 0.13, "error over windows'");
        edx_model_free(&model);
    }
}

/* Templates that are wrong in every spectrum alike change what all rings say alike, and the windows
 * do not care: width by 3 %, gain by 0.2 %, one line's ratio by 15 %. */
static void wrong_templates_hardly_show(void **state)
{
    static const struct {
        const char *what;
        edx_response how;
        double ratio;
    } wrong[] = {{"nothing", {0, 1, 130}, 1},       {"width", {0, 1, 130 * 1.03}, 1},
                 {"width", {0, 1, 130 * 0.97}, 1},  {"gain", {0, 1.002, 130}, 1},
                 {"gain", {0, 0.998, 130}, 1},      {"offset", {5, 1, 130}, 1},
                 {"line ratio", {0, 1, 130}, 1.15}, {"line ratio", {0, 1, 130}, 0.85}};
    static world w;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        double worst = 0;
        build(&w, 1, "L2", wrong[i].ratio);
        edx_model *model = model_of(&w, &wrong[i].how);
        assert_int_equal(edx_model_fit(model, w.total, NULL), EDX_OK);
        for (int r = 0; r < RINGS; r++) {
            double f = fraction_by(edx_model_anchored_rows(model), w.k, w.rings[r]);
            worst = fmax(worst, fabs(f - w.fraction[r]));
        }
        print_message("%s: %.5f\n", wrong[i].what, worst);
        assert_near(worst, 0, 0.002, wrong[i].what);
        edx_model_free(&model);
    }
}

/* Anchored rows give of the whole what the windows give. */
static void anchors_hold(void **state)
{
    static world w;
    (void)state;
    build(&w, 1, "", 1);
    edx_model *model = model_of(&w, &(edx_response){0, 1.002, 125});
    assert_int_equal(edx_model_fit(model, w.total, NULL), EDX_OK);
    for (int i = 0; i < 2; i++) {
        double net = net_in_windows(&w.lines[i], w.total);
        assert_near(sum_of(edx_model_anchored_rows(model) + i * CHANNELS, w.total), net, 1e-9 * net,
                    "anchored total");
        assert_near(edx_model_anchor_totals(model)[i], net, 1e-9 * net, "anchor");
    }
    edx_model_free(&model);
}

/* ---- overlaps ---- */

/* Two elements whose lines lie on each other, mixed in two parts that differ. */
static void overlap(const char *first, const char *second, const char *first_line,
                    const char *second_line, double blind)
{
    static const double x[2] = {0.3, 0.667};
    static world w;
    double film[CHANNELS] = {0}, pure[2][CHANNELS] = {{0}};
    edx_random random;
    edx_random_seed(&random, SEED, 3);
    memset(&w, 0, sizeof w);
    resolve(&w, first_line, second_line);
    add_atoms(first, 30, "", 1, 0, pure[0]);
    add_atoms(second, 30, "", 1, 0, pure[1]);
    add_film(600, film);
    for (int i = 0; i < 2; i++)
        for (int c = 0; c < CHANNELS; c++) {
            double mean = x[i] * pure[0][c] + (1 - x[i]) * pure[1][c] + film[c];
            w.rings[i][c] = (double)edx_random_poisson(&random, mean);
            w.total[c] += w.rings[i][c];
        }
    edx_model *model = model_of(&w, &right);
    assert_int_equal(edx_model_fit(model, w.total, NULL), EDX_OK);
    double k = net_in_windows(&w.lines[1], pure[1]) / net_in_windows(&w.lines[0], pure[0]);
    for (int i = 0; i < 2; i++) {
        double f = fraction_by(edx_model_anchored_rows(model), k, w.rings[i]);
        double sigma = sqrt(fraction_variance(model, f, w.total, w.rings[i]));
        double a = net_in_windows(&w.lines[0], w.rings[i]) * k;
        print_message("%s %s: %.4f +- %.4f of %.3f, windows %.3f\n", first, second, f, sigma, x[i],
                      a / (a + net_in_windows(&w.lines[1], w.rings[i])));
        assert_near(f, x[i], 3.5 * sigma + 0.004, "a fraction where lines overlap");
        assert_true(sigma < blind);
    }
    edx_model_free(&model);
}

static void overlaps_come_apart(void **state)
{
    (void)state;
    overlap("S", "Mo", "S_Ka", "Mo_La", 0.05);
    overlap("Au", "S", "Au_Ma", "S_Ka", 0.02);
    overlap("Fe", "Co", "Fe_Ka", "Co_Ka", 0.02);
    overlap("Ti", "Ba", "Ti_Ka", "Ba_La", 0.03);
}

/* ---- the fit ---- */

/* The rows are the inverse of the templates: one at a line's own, zero at another's, whatever the
 * spectrum that they were made for. Templates drawn by another's code. */
static void rows_know_their_lines(void **state)
{
    static world w;
    double pure[2][CHANNELS] = {{0}}, film[CHANNELS] = {0};
    (void)state;
    build(&w, 1, "", 1);
    add_atoms("Ag", 100, "", 1, 0, pure[0]);
    add_atoms("Au", 100, "M", 0.6, 0, pure[1]); /* as build has it */
    add_film(100, film);
    edx_model *model = model_of(&w, &right);
    assert_int_equal(edx_model_fit(model, w.total, NULL), EDX_OK);
    const double *rows = edx_model_rows(model);
    double all = 0;
    for (int c = 130; c < 220; c++)
        all += pure[0][c];
    assert_near(sum_of(rows, pure[0]), all, 0.005 * all, "silver in silver");
    assert_near(sum_of(rows, pure[1]), 0, 0.002 * all, "silver in gold");
    assert_near(sum_of(rows + CHANNELS, pure[0]), 0, 0.002 * all, "gold in silver");
    assert_near(sum_of(rows, film), 0, 1e-3 * sum_of(film, film) / film[100], "silver in the film");
    edx_model_free(&model);
}

/* Of the drawn spectrum, chi-squared per degree of freedom is one; 6 % of width show in it. */
static void chi2_tells_wrong_templates(void **state)
{
    static world w, drawn;
    edx_random random;
    uint32_t dof;
    (void)state;
    edx_random_seed(&random, SEED, 4);
    build(&w, 1, "", 1);
    draw(&random, &w, &drawn);
    edx_model *model = model_of(&w, &right);
    assert_int_equal(edx_model_fit(model, w.total, NULL), EDX_OK);
    double misfit = edx_model_chi2(model, &dof) / dof; /* without noise: grows with counts */
    assert_near(misfit, 0, 0.35, "what a right model misses");
    assert_int_equal(edx_model_fit(model, drawn.total, NULL), EDX_OK);
    double chi2 = edx_model_chi2(model, &dof);
    assert_true(dof > 800 && dof < CHANNELS);
    assert_near(chi2 / dof, 1 + misfit, 3 * sqrt((2 + 4 * misfit) / dof),
                "chi2 of a right model per degree of freedom");
    edx_model_set_response(model, &(edx_response){0, 1, 130 * 1.06});
    assert_int_equal(edx_model_fit(model, drawn.total, NULL), EDX_OK);
    assert_near(edx_model_chi2(model, &dof) / chi2, 2, 0.7, "chi2 of a wrong width");
    edx_model_free(&model);
}

/* Where a channel holds less than one count: weights of the counts themselves would lose a fifth.
 */
static void few_counts_are_unbiased(void **state)
{
    enum { TRIALS = 400 };
    static world w, drawn;
    double sum[2] = {0}, squares[2] = {0}, expected[2];
    edx_random random;
    (void)state;
    edx_random_seed(&random, SEED, 5);
    build(&w, 1, "", 1);
    edx_model *model = model_of(&w, &right);
    assert_int_equal(edx_model_fit(model, w.total, NULL), EDX_OK);
    for (int i = 0; i < 2; i++)
        expected[i] = 0.0015 * edx_model_totals(model)[i];
    build(&w, 0.0015, "", 1);
    for (int t = 0; t < TRIALS; t++) {
        draw(&random, &w, &drawn);
        assert_int_equal(edx_model_fit(model, drawn.total, NULL), EDX_OK);
        for (int i = 0; i < 2; i++) {
            sum[i] += edx_model_totals(model)[i] / TRIALS;
            squares[i] += pow(edx_model_totals(model)[i] - expected[i], 2) / TRIALS;
        }
    }
    for (int i = 0; i < 2; i++) {
        print_message("%.1f of %.1f, rms %.1f\n", sum[i], expected[i], sqrt(squares[i]));
        assert_near(sum[i], expected[i], 0.02 * expected[i] + 3 * sqrt(squares[i] / TRIALS),
                    "mean of few counts");
    }
    edx_model_free(&model);
}

/* ---- what has no answer ---- */

static bool all_finite(const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

static void empty_spectra_have_rows(void **state)
{
    static world w;
    double nothing[CHANNELS] = {0}, one[CHANNELS] = {0};
    uint32_t dof;
    (void)state;
    build(&w, 1, "", 1);
    edx_model *model = model_of(&w, &right);
    assert_int_equal(edx_model_fit(model, nothing, NULL), EDX_OK);
    assert_true(all_finite(edx_model_anchored_rows(model), 2 * CHANNELS));
    assert_true(edx_model_totals(model)[0] == 0);
    assert_true(edx_model_chi2(model, &dof) == 0 && dof == 0);
    one[147] = 1;
    assert_int_equal(edx_model_fit(model, one, NULL), EDX_OK);
    assert_true(all_finite(edx_model_anchored_rows(model), 2 * CHANNELS));
    nothing[3] = NAN; /* outside the channels used */
    assert_int_equal(edx_model_fit(model, nothing, NULL), EDX_OK);
    nothing[300] = NAN;
    assert_int_equal(edx_model_fit(model, nothing, NULL), EDX_E_NUMERIC);
    edx_model_free(&model);
}

/* Two lines that are one: the first has it, the second has a row of zeros, not half of it. */
static void one_line_twice(void **state)
{
    static world w;
    (void)state;
    build(&w, 1, "", 1);
    w.lines[1] = w.lines[0];
    edx_model *model = model_of(&w, &right);
    assert_int_equal(edx_model_fit(model, w.total, NULL), EDX_OK);
    assert_near(edx_model_totals(model)[0], PAPER, 0.2 * PAPER, "silver without gold");
    for (int c = 0; c < CHANNELS; c++)
        assert_true(edx_model_rows(model)[CHANNELS + c] == 0);
    assert_true(all_finite(edx_model_anchored_rows(model), 2 * CHANNELS));
    edx_model_free(&model);
}

/* A line outside the range keeps its windows; one alone, and none, are fitted as well. */
static void lines_outside_and_few(void **state)
{
    static world w;
    double row[CHANNELS];
    (void)state;
    build(&w, 1, "", 1);
    edx_model_setup setup = {
        .lines = w.lines, .n = 2, .beam_keV = 80, .range_eV = {450, 2700}, .response = right};
    edx_model *model;
    assert_int_equal(edx_model_new(&axis, &setup, &model, NULL), EDX_OK);
    assert_int_equal(edx_model_fit(model, w.total, NULL), EDX_OK);
    edx_windows windows = edx_lines_windows(&w.lines[0]);
    assert_true(edx_windows_row(&axis, &windows, row));
    assert_memory_equal(row, edx_model_rows(model), sizeof row);
    edx_model_free(&model);
    for (setup.n = 0; setup.n < 2; setup.n++) {
        assert_int_equal(edx_model_new(&axis, &setup, &model, NULL), EDX_OK);
        assert_int_equal(edx_model_fit(model, w.total, NULL), EDX_OK);
        edx_model_free(&model);
    }
    setup.range_eV[0] = 3e4;
    setup.range_eV[1] = 4e4;
    assert_int_equal(edx_model_new(&axis, &setup, &model, NULL), EDX_E_RANGE);
    assert_null(model);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_a_row),
        cmocka_unit_test(rows_of_nothing_are_refused),
        cmocka_unit_test(rings_are_unbiased_and_sharper),
        cmocka_unit_test(wrong_templates_hardly_show),
        cmocka_unit_test(anchors_hold),
        cmocka_unit_test(overlaps_come_apart),
        cmocka_unit_test(rows_know_their_lines),
        cmocka_unit_test(chi2_tells_wrong_templates),
        cmocka_unit_test(few_counts_are_unbiased),
        cmocka_unit_test(empty_spectra_have_rows),
        cmocka_unit_test(one_line_twice),
        cmocka_unit_test(lines_outside_and_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
