/* The simulated instrument against known vectors, published numbers and its own stated truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instrument/physics.h"
#include "instrument/random.h"
#include "instrument/sampler.h"
#include "instrument/scenes.h"
#include "instrument/simulator.h"
#include "instrument/specimen.h"
#include "instrument/truth.h"
#include "instrument/whole.h"

#define SEED 20261122

static void assert_near(double value, double expected, double tolerance, const char *what)
{
    if (!(fabs(value - expected) <= tolerance)) /* NaN fails */
        fail_msg("%s: %.10g, expected %.10g +- %.3g", what, value, expected, tolerance);
}

/* ---- random numbers ---- */

/* Vectors of the authors' reference code, as rand_xoshiro and others quote them. */
static void test_generators(void **state)
{
    (void)state;
    uint64_t split = 1234567;
    assert_true(edx_random_splitmix(&split) == UINT64_C(6457827717110365317));
    assert_true(edx_random_splitmix(&split) == UINT64_C(3203168211198807973));
    assert_true(edx_random_splitmix(&split) == UINT64_C(9817491932198370423));
    edx_random random = {{1, 2, 3, 4}};
    static const uint64_t expected[] = {UINT64_C(11520),
                                        UINT64_C(0),
                                        UINT64_C(1509978240),
                                        UINT64_C(1215971899390074240),
                                        UINT64_C(1216172134540287360),
                                        UINT64_C(607988272756665600)};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_true(edx_random_next(&random) == expected[i]);
}

/* Mean and variance of a Poisson law are its mean; of n draws they scatter by sqrt(m / n) and
 * sqrt((m + 2 m^2) / n). */
static void check_moments(double mean, int n)
{
    edx_random random;
    double sum = 0.0, squares = 0.0;
    edx_random_seed(&random, SEED, (uint64_t)(mean * 1000.0));
    for (int i = 0; i < n; i++) {
        double x = (double)edx_random_poisson(&random, mean) - mean;
        sum += x;
        squares += x * x;
    }
    assert_near(sum / n, 0.0, 4.5 * sqrt(mean / n), "mean of Poisson draws less its own");
    assert_near(squares / n, mean, 4.5 * sqrt((mean + 2.0 * mean * mean) / n),
                "variance of Poisson draws");
}

/* Frequencies against exp(-m) m^k / k!: chi2 below its mean + 4.5 sigma. */
static void check_frequencies(double mean, int n)
{
    enum { BINS = 64 };
    int seen[BINS] = {0};
    edx_random random;
    edx_random_seed(&random, SEED, 77);
    for (int i = 0; i < n; i++) {
        uint64_t k = edx_random_poisson(&random, mean);
        seen[k < BINS ? k : BINS - 1]++;
    }
    double p = exp(-mean), chi2 = 0.0;
    int dof = 0;
    for (int k = 0; k < BINS - 1; k++, p *= mean / k) {
        if (p * n >= 10.0) {
            chi2 += (seen[k] - p * n) * (seen[k] - p * n) / (p * n);
            dof++;
        }
    }
    assert_true(dof > 3);
    if (chi2 > dof + 4.5 * sqrt(2.0 * dof))
        fail_msg("Poisson of mean %g: chi2 %.1f of %d", mean, chi2, dof);
}

static void test_poisson(void **state)
{
    (void)state;
    static const double means[] = {0.01, 0.7, 5.0, 31.999, 32.0, 33.0, 200.0, 5000.0};
    for (size_t i = 0; i < sizeof means / sizeof *means; i++)
        check_moments(means[i], 20000);
    check_frequencies(0.3, 100000);
    check_frequencies(3.0, 100000);
    check_frequencies(20.0, 100000);
    check_frequencies(40.0, 100000);
    edx_random random;
    edx_random_seed(&random, SEED, 0);
    assert_int_equal(edx_random_poisson(&random, 0.0), 0);
}

static void test_gauss(void **state)
{
    (void)state;
    const int n = 100000;
    double sum = 0.0, squares = 0.0, fourth = 0.0;
    edx_random random;
    edx_random_seed(&random, SEED, 3);
    for (int i = 0; i < n; i++) {
        double x = edx_random_gauss(&random);
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
    }
    assert_near(sum / n, 0.0, 4.5 / sqrt(n), "mean of normal draws");
    assert_near(squares / n, 1.0, 4.5 * sqrt(2.0 / n), "variance of normal draws");
    assert_near(fourth / n, 3.0, 4.5 * sqrt(96.0 / n) + 0.02, "fourth moment of normal draws");
}

/* Draws from weights 0, 1, 2 ... against their shares; weight 0 is never drawn. */
static void test_alias(void **state)
{
    (void)state;
    enum { N = 37, DRAWS = 200000 };
    double weights[N], sum = 0.0, chi2 = 0.0;
    int seen[N] = {0};
    for (int i = 0; i < N; i++)
        sum += weights[i] = i % 5 == 0 ? 0.0 : i * i;
    edx_alias *alias = edx_alias_new(N);
    assert_non_null(alias);
    assert_int_equal(edx_alias_set(alias, weights, NULL), EDX_OK);
    edx_random random;
    edx_random_seed(&random, SEED, 4);
    for (int i = 0; i < DRAWS; i++)
        seen[edx_alias_draw(alias, &random)]++;
    for (int i = 0; i < N; i++) {
        double expected = DRAWS * weights[i] / sum;
        if (weights[i] <= 0.0)
            assert_int_equal(seen[i], 0);
        else
            chi2 += (seen[i] - expected) * (seen[i] - expected) / expected;
    }
    assert_true(chi2 < 28 + 4.5 * sqrt(2.0 * 28));
    memset(weights, 0, sizeof weights);
    assert_int_equal(edx_alias_set(alias, weights, NULL), EDX_E_RANGE);
    edx_alias_free(&alias);
    assert_null(alias);
}

/* ---- physics ---- */

static const edx_physics paper = {
    .beam_keV = 80.0, .resolution_eV = 130.0, .channels = 4096, .scale_eV = 5.0};

static const edx_physics_line *find_line(const edx_physics_line *lines, uint32_t n,
                                         const char *name)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(lines[i].name, name) == 0)
            return &lines[i];
    fail_msg("no line %s", name);
    return NULL;
}

/* Bearden 1967, eV; the last column is how far tables differ. */
static void test_line_energies(void **state)
{
    (void)state;
    static const struct {
        const char *element, *line;
        double energy_eV, tolerance;
    } known[] = {
        {"Ag", "L3M5", 2984.31, 1.0}, {"Ag", "L2M4", 3150.94, 1.0}, {"Au", "M5N7", 2122.9, 3.0},
        {"Au", "M4N6", 2204.6, 3.0},  {"Au", "L3M5", 9713.3, 1.0},  {"Cu", "KL3", 8047.78, 0.5},
        {"Fe", "KL3", 6403.84, 0.5},  {"Si", "KL3", 1739.98, 0.5},  {"C", "KL3", 277.0, 1.0},
        {"O", "KL3", 524.9, 1.0},     {"Pt", "L3M5", 9442.3, 1.0}};
    edx_physics_line lines[EDX_PHYSICS_LINES];
    uint32_t n = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_int_equal(edx_physics_lines(&paper, known[i].element, lines, &n, NULL), EDX_OK);
        assert_near(find_line(lines, n, known[i].line)->energy_eV, known[i].energy_eV,
                    known[i].tolerance, known[i].line);
    }
    assert_int_equal(edx_physics_lines(&paper, "Xx", lines, &n, NULL), EDX_E_UNKNOWN);
}

/* Ka1 : Ka2 near 1 : 0.51 (Scofield 1974), Kb : Ka of Cu 0.137 (Salem 1974); Au M2 lines weaker
 * than 2 % of Ma, as everywhere but in one table. */
static void test_line_ratios(void **state)
{
    (void)state;
    edx_physics_line lines[EDX_PHYSICS_LINES];
    uint32_t n = 0;
    edx_physics_lines(&paper, "Cu", lines, &n, NULL);
    double alpha1 = find_line(lines, n, "KL3")->barn, alpha2 = find_line(lines, n, "KL2")->barn;
    double beta = find_line(lines, n, "KM3")->barn + find_line(lines, n, "KM2")->barn;
    assert_near(alpha2 / alpha1, 0.513, 0.01, "Cu Ka2 / Ka1");
    assert_near(beta / (alpha1 + alpha2), 0.137, 0.005, "Cu Kb / Ka");
    edx_physics_lines(&paper, "Au", lines, &n, NULL);
    double ratio = find_line(lines, n, "M2N4")->barn / find_line(lines, n, "M5N7")->barn;
    assert_true(ratio < 0.02);
}

/* Casnati's formula by hand for Cu K at 80 keV: 343 b; the onset; n electrons count n times. */
static void test_ionisation(void **state)
{
    (void)state;
    assert_near(edx_physics_ionisation(80e3, 8979.0, 2.0), 343.0, 3.0, "Cu K at 80 keV");
    assert_near(edx_physics_ionisation(80e3, 8979.0, 4.0),
                2.0 * edx_physics_ionisation(80e3, 8979.0, 2.0), 1e-9, "twice the electrons");
    assert_true(edx_physics_ionisation(8979.0, 8979.0, 2.0) <= 0.0);
    assert_true(edx_physics_ionisation(9100.0, 8979.0, 2.0) > 0.0);
}

static void test_detector(void **state)
{
    (void)state;
    assert_near(edx_physics_fwhm(5898.7, 130.0), 130.0, 1e-9, "FWHM at Mn Ka");
    assert_near(edx_physics_fwhm(2984.0, 130.0), 98.78, 0.1, "FWHM at Ag La");
    assert_true(edx_physics_efficiency(50.0) <= 0.0);
    double carbon = edx_physics_efficiency(277.0), middle = edx_physics_efficiency(6000.0);
    double silver = edx_physics_efficiency(22163.0);
    assert_true(carbon > 0.2 && carbon < 0.8);
    assert_true(middle > 0.98 && middle <= 1.0);
    /* 0.45 mm Si at 22.16 keV: mu/rho 3.3 cm2/g (NIST XCOM), so 29 % */
    assert_near(silver, 0.29, 0.03, "efficiency at Ag Ka");
    /* falls within 2 % over the Si K edge in the dead layer, but does fall */
    assert_true(edx_physics_efficiency(1845.0) < edx_physics_efficiency(1835.0));
}

/* A line keeps its counts, its place and its width in the channels. */
static void test_line_shape(void **state)
{
    (void)state;
    double *spectrum = calloc(paper.channels, sizeof *spectrum);
    double sum = 0.0, mean = 0.0, square = 0.0;
    assert_non_null(spectrum);
    edx_physics_add_line(&paper, 2984.4, 3.0, spectrum);
    for (uint32_t c = 0; c < paper.channels; c++) {
        double energy = paper.offset_eV + c * paper.scale_eV;
        sum += spectrum[c];
        mean += spectrum[c] * energy / 3.0;
        square += spectrum[c] * energy * energy / 3.0;
    }
    double sigma = sqrt(square - mean * mean);
    assert_near(sum, 3.0, 1e-6, "counts of a line");
    assert_near(mean, 2984.4, 1e-3, "centre of a line");
    assert_near(sigma * 2.35482, edx_physics_fwhm(2984.4, 130.0), 0.2, "width of a line");
    edx_physics_add_line(&paper, 30000.0, 1.0, spectrum);
    edx_physics_add_line(&paper, -500.0, 1.0, spectrum);
    free(spectrum);
}

/* ---- specimen ---- */

/* All atoms of the sphere are in the map, whatever the probe; density times volume. */
static void test_sphere(void **state)
{
    (void)state;
    enum { SIZE = 128 };
    const edx_scenes_scene *scene = edx_scenes_find("agau-8nm");
    double *map = calloc((size_t)SIZE * SIZE, sizeof *map), shift[2] = {0.0, 0.0};
    edx_specimen *specimen = edx_specimen_new(scene);
    assert_non_null(specimen);
    assert_non_null(map);
    double step = 16.0 / SIZE, all = 0.0;
    for (uint32_t e = 0; e < 2; e++) {
        double sum = 0.0, atoms = edx_specimen_atoms(specimen, 0, e);
        edx_specimen_map(specimen, e, SIZE, step, shift, map);
        for (int p = 0; p < SIZE * SIZE; p++)
            sum += map[p] * step * step;
        assert_near(sum, atoms, 2e-3 * atoms, "atoms in the map");
        all += atoms;
    }
    assert_near(all, 58.8 * 4.0 / 3.0 * 3.14159265 * 64.0, 1.0, "atoms of the sphere");
    /* through the middle: 4 nm of core and 4 nm of shell, blurred by next to nothing */
    double silver = edx_specimen_column(specimen, 0, 0, 0.0);
    double gold = edx_specimen_column(specimen, 0, 1, 0.0);
    assert_near(silver + gold, 58.8 * 8.0, 2.0, "column through the middle");
    assert_near(silver / (silver + gold), 0.535, 2e-3, "fraction through the middle");
    assert_near(edx_specimen_column(specimen, 0, 0, 5.5), 0.0, 0.0, "outside");
    edx_specimen_free(&specimen);
    free(map);
}

static void test_gradient(void **state)
{
    (void)state;
    const edx_scenes_particle *sphere = &edx_scenes_find("agau-8nm")->particles[0];
    assert_near(edx_specimen_fraction(sphere, 0.0), 0.49, 1e-12, "core");
    assert_near(edx_specimen_fraction(sphere, 1.49), 0.49, 1e-12, "core up to the gradient");
    assert_near(edx_specimen_fraction(sphere, 2.0), 0.535, 1e-12, "half-way at R - 2 nm");
    assert_near(edx_specimen_fraction(sphere, 2.51), 0.58, 1e-12, "shell");
    const edx_scenes_particle *small = &edx_scenes_find("agau-4nm")->particles[0];
    assert_near(edx_specimen_fraction(small, 1.0), 0.535, 1e-12, "half-way at R / 2");
}

/* ---- runs ---- */

static edx_simulator *simulate(const char *scene, uint64_t seed, double dose)
{
    edx_simulator_options options;
    edx_simulator *simulator = NULL;
    edx_error err;
    edx_simulator_defaults(edx_scenes_find(scene), seed, &options);
    options.dose = dose;
    if (edx_simulator_new(&options, &simulator, &err) != EDX_OK)
        fail_msg("%s: %s", scene, err.text);
    return simulator;
}

static double mean_counts(const edx_simulator *simulator)
{
    double sum = 0.0;
    for (uint32_t c = 0; c < edx_simulator_components(simulator); c++)
        sum += edx_simulator_expected(simulator, c);
    return sum;
}

/* Counts of a spectrum of 5 eV channels between two energies, channels cut where they are. */
static double between(const double *spectrum, double lo, double hi)
{
    double sum = 0.0;
    for (int c = 0; c < 4096; c++) {
        double low = fmax(5.0 * c - 2.5, lo), high = fmin(5.0 * c + 2.5, hi);
        if (high > low)
            sum += spectrum[c] * (high - low) / 5.0;
    }
    return sum;
}

/* The half of the Ag La peak that lies below its middle, where Lb does not reach, and the Au M peak
 * down to its feet. */
static double silver_peak(const double *spectrum)
{
    return 2.0 * between(spectrum, 2885.0, 2983.8);
}

static double gold_peak(const double *spectrum)
{
    return between(spectrum, 2030.0, 2300.0);
}

/* k = 1.44 (Moreira et al. 2024): C_Ag / C_Au = 1.44 N_Ag / N_Au, from the expected spectra of each
 * element above its bremsstrahlung. */
static void test_k(void **state)
{
    (void)state;
    edx_simulator *simulator = simulate("agau-8nm", 1, 1.0);
    const edx_simulator_peak *peaks = edx_simulator_peaks(simulator);
    double atoms[2], counts[2];
    assert_near(peaks[0].k / peaks[1].k, 1.44, 1e-9, "stated k");
    for (uint32_t e = 0; e < 2; e++) {
        double *lines = calloc(4096, sizeof *lines), *smooth = calloc(4096, sizeof *smooth);
        assert_true(lines && smooth);
        assert_string_equal(edx_simulator_component_name(simulator, e), e == 0 ? "Ag" : "Au");
        atoms[e] = edx_specimen_atoms(edx_simulator_specimen(simulator), 0, e);
        double per_barn = atoms[e] * peaks[e].counts_per_atom / peaks[e].barn;
        edx_physics_add_bremsstrahlung(&paper, e == 0 ? 47 : 79, per_barn, smooth);
        for (int c = 0; c < 4096; c++)
            lines[c] =
                edx_simulator_expected(simulator, e) * edx_simulator_spectrum(simulator, e)[c] -
                smooth[c];
        counts[e] = e == 0 ? silver_peak(lines) : gold_peak(lines);
        assert_near(between(lines, 4500.0, 8000.0), 0.0, 1e-3 * counts[e], "counts without a line");
        assert_near(counts[e] / (atoms[e] * peaks[e].counts_per_atom), 1.0, 0.03,
                    "counts of a peak against atoms");
        free(lines);
        free(smooth);
    }
    assert_near(atoms[0] / atoms[1] * counts[1] / counts[0], 1.44, 0.04, "k from the spectra");
    edx_simulator_free(&simulator);
}

/* The paper's scan has about 500 counts a pixel, which is what all that is promised of it needs. */
static void test_dose(void **state)
{
    (void)state;
    edx_simulator *simulator = simulate("agau-8nm", SEED, 1.0);
    assert_near(100 * mean_counts(simulator) / (64 * 64), 500, 25, "counts a pixel in 100 frames");
    edx_simulator_free(&simulator);
}

/* A frame's total is Poisson about its mean: chi2 over frames. */
static void test_totals(void **state)
{
    (void)state;
    enum { FRAMES = 100 };
    edx_simulator *simulator = simulate("agau-8nm", SEED, 1.0);
    double mean = mean_counts(simulator), chi2 = 0.0, sum = 0.0;
    edx_frame frame;
    for (uint64_t f = 0; f < FRAMES; f++) {
        assert_int_equal(edx_simulator_frame(simulator, f, &frame, NULL), EDX_OK);
        double total = (double)frame.counts.total;
        sum += total;
        chi2 += (total - mean) * (total - mean) / mean;
    }
    assert_near(sum, FRAMES * mean, 4.5 * sqrt(FRAMES * mean), "counts of a run");
    assert_near(chi2, FRAMES, 4.5 * sqrt(2.0 * FRAMES), "chi2 of totals");
    edx_simulator_free(&simulator);
}

/* Counts of every channel and of every pixel row against what is expected there. */
static void test_distribution(void **state)
{
    (void)state;
    enum { FRAMES = 40, PIXELS = 64 * 64, CHANNELS = 4096 };
    edx_simulator *simulator = simulate("agau-8nm", SEED + 1, 1.0);
    double *expected = calloc(CHANNELS, sizeof *expected);
    double *seen = calloc(CHANNELS, sizeof *seen);
    edx_frame frame;
    assert_true(expected && seen);
    for (uint32_t c = 0; c < edx_simulator_components(simulator); c++)
        for (int e = 0; e < CHANNELS; e++)
            expected[e] += FRAMES * edx_simulator_expected(simulator, c) *
                           edx_simulator_spectrum(simulator, c)[e];
    for (uint64_t f = 0; f < FRAMES; f++) {
        edx_simulator_frame(simulator, f, &frame, NULL);
        const uint16_t *channels = frame.counts.channels.data;
        const uint32_t *offsets = frame.counts.offsets.data;
        assert_int_equal(offsets[0], 0);
        assert_true(offsets[PIXELS] == frame.counts.total);
        for (uint32_t p = 0; p < PIXELS; p++)
            assert_true(offsets[p] <= offsets[p + 1]);
        for (uint64_t i = 0; i < frame.counts.total; i++)
            seen[channels[i]] += 1.0;
    }
    double chi2 = 0.0;
    int dof = 0;
    for (int e = 0; e < CHANNELS; e++)
        if (expected[e] >= 10.0) {
            chi2 += (seen[e] - expected[e]) * (seen[e] - expected[e]) / expected[e];
            dof++;
        }
    assert_true(dof > 500);
    assert_near(chi2, dof, 4.5 * sqrt(2.0 * dof), "chi2 of channels");
    free(expected);
    free(seen);
    edx_simulator_free(&simulator);
}

/* Composition out of drawn counts, film, stray copper and bremsstrahlung included, at a dose where
 * noise is small: with k = 1.44 it is the whole particle's. Backgrounds follow the law of
 * bremsstrahlung from where there is no line, 3.9 to 4.2 keV. */
static void test_composition(void **state)
{
    (void)state;
    edx_simulator *simulator = simulate("agau-8nm", SEED + 2, 300.0);
    double *spectrum = calloc(4096, sizeof *spectrum);
    edx_frame frame;
    assert_non_null(spectrum);
    assert_int_equal(edx_simulator_frame(simulator, 0, &frame, NULL), EDX_OK);
    const uint16_t *channels = frame.counts.channels.data;
    for (uint64_t i = 0; i < frame.counts.total; i++)
        spectrum[channels[i]] += 1.0;
    double silver = silver_peak(spectrum), gold = gold_peak(spectrum);
    double *smooth = calloc(4096, sizeof *smooth);
    assert_non_null(smooth);
    edx_physics_add_bremsstrahlung(&paper, 47, 1.0, smooth);
    double scale = between(spectrum, 3900.0, 4200.0) / between(smooth, 3900.0, 4200.0);
    silver = 1.44 * (silver - scale * silver_peak(smooth));
    gold -= scale * gold_peak(smooth);
    free(smooth);
    double atoms[2] = {edx_specimen_atoms(edx_simulator_specimen(simulator), 0, 0),
                       edx_specimen_atoms(edx_simulator_specimen(simulator), 0, 1)};
    assert_near(silver / (silver + gold), atoms[0] / (atoms[0] + atoms[1]), 0.01,
                "silver of the particle");
    free(spectrum);
    edx_simulator_free(&simulator);
}

static void test_same_seed(void **state)
{
    (void)state;
    edx_simulator *one = simulate("agau-two", 5, 1.0), *two = simulate("agau-two", 5, 1.0);
    edx_simulator *other = simulate("agau-two", 6, 1.0);
    edx_frame a, b, c;
    edx_simulator_frame(one, 0, &a, NULL);
    edx_simulator_frame(one, 7, &a, NULL); /* frame 7 does not depend on what came before */
    edx_simulator_frame(two, 7, &b, NULL);
    edx_simulator_frame(other, 7, &c, NULL);
    assert_true(a.counts.total == b.counts.total);
    assert_memory_equal(a.counts.channels.data, b.counts.channels.data, 2 * a.counts.total);
    assert_memory_equal(a.images[0].data, b.images[0].data, 2 * 64 * 64);
    assert_memory_not_equal(a.counts.channels.data, c.counts.channels.data, 2000);
    edx_simulator_free(&one);
    edx_simulator_free(&two);
    edx_simulator_free(&other);
}

/* Centre of the particle in a frame's HAADF, above the film. */
static void centre(const edx_frame *frame, double out[2])
{
    const uint16_t *image = frame->images[0].data;
    double sum = 0.0;
    out[0] = out[1] = 0.0;
    for (int row = 0; row < 64; row++)
        for (int col = 0; col < 64; col++) {
            double signal = image[row * 64 + col] > 4000 ? image[row * 64 + col] - 2300.0 : 0.0;
            sum += signal;
            out[0] += signal * row * 0.25;
            out[1] += signal * col * 0.25;
        }
    out[0] /= sum;
    out[1] /= sum;
}

/* The image moves by what is asked for, and silver goes as it is asked to. */
static void test_drift_and_damage(void **state)
{
    (void)state;
    edx_simulator_options options;
    edx_simulator *simulator = NULL;
    edx_frame frame;
    double first[2], last[2];
    edx_simulator_defaults(edx_scenes_find("agau-4nm"), SEED, &options);
    options.drift_nm[0] = 0.03;
    options.drift_nm[1] = -0.02;
    options.damage = 0.5;
    options.dose = 20.0;
    assert_int_equal(edx_simulator_new(&options, &simulator, NULL), EDX_OK);
    edx_simulator_frame(simulator, 0, &frame, NULL);
    centre(&frame, first);
    double before = (double)frame.counts.total;
    edx_simulator_frame(simulator, 99, &frame, NULL);
    centre(&frame, last);
    assert_near(first[0], 7.7, 0.03, "centre y");
    assert_near(first[1], 8.1, 0.03, "centre x");
    assert_near(last[0] - first[0], 2.97, 0.03, "drift y");
    assert_near(last[1] - first[1], -1.98, 0.03, "drift x");
    assert_near(before - (double)frame.counts.total, 0.5 * edx_simulator_expected(simulator, 0),
                4.5 * sqrt(2.0 * before), "counts lost with half the silver");
    edx_simulator_free(&simulator);
}

/* All counts and the image, but for its offset of 200, fade as the current does. */
static void test_decay(void **state)
{
    (void)state;
    edx_simulator_options options;
    edx_simulator *simulator = NULL;
    edx_frame frame;
    double image[2] = {0.0, 0.0}, counts[2];
    edx_simulator_defaults(edx_scenes_find("agau-4nm"), SEED, &options);
    options.decay = 0.2;
    options.dose = 20.0;
    assert_int_equal(edx_simulator_new(&options, &simulator, NULL), EDX_OK);
    for (int i = 0; i < 2; i++) {
        edx_simulator_frame(simulator, i == 0 ? 0 : 99, &frame, NULL);
        counts[i] = (double)frame.counts.total;
        for (int p = 0; p < 64 * 64; p++)
            image[i] += ((const uint16_t *)frame.images[0].data)[p] - 200.0;
    }
    assert_near(counts[1] / counts[0], 0.8, 4.5 / sqrt(counts[1]), "counts");
    assert_near(image[1] / image[0], 0.8, 0.002, "image");
    edx_simulator_free(&simulator);
}

static void test_options(void **state)
{
    (void)state;
    edx_simulator_options options;
    edx_simulator *simulator = NULL;
    edx_simulator_defaults(edx_scenes_find("film-3"), 1, &options);
    options.size = 0;
    assert_int_equal(edx_simulator_new(&options, &simulator, NULL), EDX_E_RANGE);
    edx_simulator_defaults(edx_scenes_find("film-3"), 1, &options);
    options.dose = NAN;
    assert_int_equal(edx_simulator_new(&options, &simulator, NULL), EDX_E_RANGE);
    edx_simulator_defaults(edx_scenes_find("film-3"), 1, &options);
    options.damage = 1.5;
    assert_int_equal(edx_simulator_new(&options, &simulator, NULL), EDX_E_RANGE);
    edx_simulator_defaults(edx_scenes_find("film-3"), 1, &options);
    options.decay = -0.1;
    assert_int_equal(edx_simulator_new(&options, &simulator, NULL), EDX_E_RANGE);
    edx_simulator_defaults(edx_scenes_find("film-3"), 1, &options);
    strcpy(options.acq, ".hidden");
    assert_int_equal(edx_simulator_new(&options, &simulator, NULL), EDX_E_RANGE);
    assert_null(simulator);
    assert_null(edx_scenes_find("agau"));
}

/* Every scene can be simulated at every size, and its truth is a whole. */
static void test_scenes(void **state)
{
    (void)state;
    edx_frame frame;
    for (size_t i = 0; i < edx_scenes_count(); i++) {
        edx_simulator_options options;
        edx_simulator *simulator = NULL;
        edx_simulator_defaults(edx_scenes_at(i), 1, &options);
        options.size = 17;
        assert_int_equal(edx_simulator_new(&options, &simulator, NULL), EDX_OK);
        assert_int_equal(edx_simulator_frame(simulator, 3, &frame, NULL), EDX_OK);
        double mean = mean_counts(simulator);
        assert_near((double)frame.counts.total, mean, 6.0 * sqrt(mean), edx_scenes_at(i)->name);
        for (uint32_t e = 0; e < edx_simulator_elements(simulator); e++) {
            assert_true(edx_simulator_peaks(simulator)[e].barn > 0.0);
            assert_true(edx_simulator_peaks(simulator)[e].k > 0.0);
        }
        edx_simulator_free(&simulator);
    }
}

/* Core and shell in projection: the core ring looks through the shell. */
static void test_truth_rings(void **state)
{
    (void)state;
    edx_simulator *simulator = simulate("agau-8nm", 1, 1.0);
    double core[2], shell[2], flat[2];
    double inside = edx_truth_ring(simulator, 0, 0.0, 2.0, core);
    double outside = edx_truth_ring(simulator, 0, 2.0, 1e9, shell);
    assert_near(core[0] + core[1], 1.0, 1e-12, "fractions");
    assert_true(core[0] > 0.535 && core[0] < 0.56);
    assert_true(shell[0] > 0.57 && shell[0] < 0.58);
    double all = edx_specimen_atoms(edx_simulator_specimen(simulator), 0, 0) +
                 edx_specimen_atoms(edx_simulator_specimen(simulator), 0, 1);
    assert_near(inside + outside, all, 5e-3 * all, "atoms of core and shell");
    edx_simulator_free(&simulator);
    simulator = simulate("agau-flat", 1, 1.0);
    edx_truth_ring(simulator, 0, 0.0, 2.0, flat);
    assert_near(flat[0], 0.535, 1e-9, "flat core");
    edx_truth_ring(simulator, 0, 2.0, 1e9, flat);
    assert_near(flat[0], 0.535, 1e-9, "flat shell");
    edx_simulator_free(&simulator);
}

/* ---- row blocks ---- */

enum { ROWS = 4, COLS = 3 };

typedef struct caught {
    int n;
    uint64_t frame[8], seq[8];
    uint32_t missing[8], per_row[8][ROWS];
    double live[8];
} caught;

static edx_status catch_frame(void *context, const edx_frame *frame, uint32_t missing,
                              edx_error *err)
{
    (void)err;
    caught *c = context;
    const uint32_t *offsets = frame->counts.offsets.data;
    const uint16_t *channels = frame->counts.channels.data;
    const uint16_t *image = frame->images[0].data;
    c->frame[c->n] = frame->frame;
    c->seq[c->n] = frame->seq;
    c->missing[c->n] = missing;
    c->live[c->n] = frame->live_s;
    for (int r = 0; r < ROWS; r++) {
        uint32_t from = offsets[r * COLS], to = offsets[(r + 1) * COLS];
        c->per_row[c->n][r] = to - from;
        for (uint32_t i = from; i < to; i++)
            assert_int_equal(channels[i], 10 * r + 1); /* counts stay in their row */
        assert_int_equal(image[r * COLS], to > from ? 100 + r : 0);
    }
    c->n++;
    return EDX_OK;
}

/* rows rows from row on; every pixel of row r has two counts in channel 10 r + 1, dense. */
static edx_status add_rows(edx_whole *whole, uint64_t seq, uint64_t frame, uint32_t row,
                           uint32_t rows)
{
    uint8_t counts[ROWS * COLS * 64] = {0};
    uint16_t image[ROWS * COLS];
    for (uint32_t p = 0; p < rows * COLS; p++) {
        counts[p * 64 + 10 * (row + p / COLS) + 1] = 2;
        image[p] = (uint16_t)(100 + row + p / COLS);
    }
    edx_frame message = {.seq = seq, .frame = frame, .row = row, .rows = rows, .live_s = rows};
    strcpy(message.head.acq, "t");
    message.real_s = NAN;
    message.counts.dense = edx_array_3(EDX_U1, counts, rows, COLS, 64);
    message.counts.total = 2 * rows * COLS;
    message.counts.peak = 2;
    message.n_images = 1;
    strcpy(message.image_names[0], "HAADF");
    message.images[0] = edx_array_2(EDX_U2, image, rows, COLS);
    return edx_whole_add(whole, &message, NULL);
}

static void test_whole_frames(void **state)
{
    (void)state;
    caught c = {0};
    edx_begin begin = {.rows = ROWS, .cols = COLS, .channels = 64};
    edx_whole *whole = edx_whole_new(&begin, catch_frame, &c);
    assert_non_null(whole);
    assert_int_equal(add_rows(whole, 1, 0, 2, 2), EDX_OK);
    assert_int_equal(add_rows(whole, 2, 1, 0, 1), EDX_OK);
    assert_int_equal(c.n, 0);
    assert_int_equal(add_rows(whole, 0, 0, 0, 2), EDX_OK); /* frame 0 is whole */
    assert_int_equal(c.n, 1);
    assert_int_equal(add_rows(whole, 0, 0, 0, 2), EDX_E_DUPLICATE); /* its seq again */
    assert_int_equal(add_rows(whole, 9, 0, 1, 1), EDX_E_DUPLICATE); /* its row again */
    assert_int_equal(add_rows(whole, 2, 1, 2, 1), EDX_E_DUPLICATE); /* a seq with other rows */
    assert_int_equal(add_rows(whole, 3, 2, 0, 4), EDX_OK);          /* whole, 1 still waits */
    assert_int_equal(c.n, 2);
    assert_int_equal(add_rows(whole, 4, 3, 1, 2), EDX_OK); /* two ahead: 1 leaves as it is */
    assert_int_equal(c.n, 3);
    assert_int_equal(edx_whole_flush(whole, NULL), EDX_OK);
    assert_int_equal(c.n, 4);
    static const uint64_t frames[] = {0, 2, 1, 3};
    static const uint32_t missing[] = {0, 0, 3, 2};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(c.frame[i], frames[i]);
        assert_int_equal(c.seq[i], i);
        assert_int_equal(c.missing[i], missing[i]);
        assert_near(c.live[i], ROWS - missing[i], 0.0, "live time");
    }
    assert_int_equal(c.per_row[0][3], 2 * COLS);
    assert_int_equal(c.per_row[2][0], 2 * COLS);
    assert_int_equal(c.per_row[2][1], 0);
    assert_int_equal(edx_whole_frames(whole), 4);
    edx_whole_free(&whole);
    assert_null(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generators),    cmocka_unit_test(test_poisson),
        cmocka_unit_test(test_gauss),         cmocka_unit_test(test_alias),
        cmocka_unit_test(test_line_energies), cmocka_unit_test(test_line_ratios),
        cmocka_unit_test(test_ionisation),    cmocka_unit_test(test_detector),
        cmocka_unit_test(test_line_shape),    cmocka_unit_test(test_sphere),
        cmocka_unit_test(test_gradient),      cmocka_unit_test(test_k),
        cmocka_unit_test(test_dose),          cmocka_unit_test(test_totals),
        cmocka_unit_test(test_distribution),  cmocka_unit_test(test_composition),
        cmocka_unit_test(test_same_seed),     cmocka_unit_test(test_drift_and_damage),
        cmocka_unit_test(test_decay),         cmocka_unit_test(test_options),
        cmocka_unit_test(test_scenes),        cmocka_unit_test(test_truth_rings),
        cmocka_unit_test(test_whole_frames),
    };
    print_message("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
