/* Lines, windows and factors against published values and spectra of known composition. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/lines.h"

/* NaN is never near. */
static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.9g, expected %.9g within %g", value, expected, tolerance);
}

/* ---- energies ---- */

/* keV, as in the X-ray Data Booklet and HyperSpy 1.7.3. */
static const struct {
    const char *name;
    double keV;
} published[] = {
    {"C_Ka", 0.2774},   {"O_Ka", 0.5249},   {"Al_Ka", 1.4865},  {"Si_Ka", 1.7397},
    {"S_Ka", 2.3072},   {"Ti_Ka", 4.5109},  {"Fe_Ka", 6.4039},  {"Fe_Kb", 7.0580},
    {"Fe_La", 0.7045},  {"Co_Ka", 6.9303},  {"Ni_Ka", 7.4781},  {"Cu_Ka", 8.0478},
    {"Cu_Kb", 8.9053},  {"Zn_Ka", 8.6389},  {"Mo_La", 2.2932},  {"Pd_La", 2.8386},
    {"Ag_Ka", 22.163},  {"Ag_La", 2.9844},  {"Ag_Ll", 2.6336},  {"Ag_Ln", 2.8062},
    {"Ag_Lb1", 3.1509}, {"Ag_Lb2", 3.3478}, {"Ag_Lb3", 3.2344}, {"Ag_Lb4", 3.2034},
    {"Ag_Lg1", 3.5204}, {"Ag_Lg3", 3.7499}, {"W_La", 8.3976},   {"W_Ma", 1.7756},
    {"Pt_La", 9.4421},  {"Pt_Ma", 2.0505},  {"Au_La", 9.7130},  {"Au_Ma", 2.1229},
    {"Au_Mb", 2.2047},  {"Au_Mg", 2.4091},  {"Au_Mz", 1.6603},  {"Au_M2N4", 2.7958},
};

static void energies_are_the_published_ones(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++) {
        double energy = NAN;
        assert_int_equal(edx_lines_energy(published[i].name, &energy, NULL), EDX_OK);
        if (!(fabs(energy - published[i].keV * 1e3) < 5.0))
            fail_msg("%s: %g eV, published %g", published[i].name, energy, published[i].keV * 1e3);
    }
}

static void nobody_knows_these_lines(void **state)
{
    static const char *const names[] = {
        "",      "Ag",    "_La",  "Xx_La",     "Ag_",
        "Ag_Lz", "ag_La", "H_Ka", "Silver_La", "Ag_La_and_much_more",
        "Ag_La "};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        edx_error err = {.text = ""};
        double energy = -1;
        assert_int_equal(edx_lines_energy(names[i], &energy, &err), EDX_E_UNKNOWN);
        assert_non_null(strstr(err.text, "expected"));
        assert_true(energy == -1);
    }
}

/* 130 eV at Mn Ka; by hand at Ag La: sqrt(16900 - 2.45 * 2914.3). */
static void width_follows_energy(void **state)
{
    (void)state;
    assert_near(edx_lines_fwhm(5898.7, 130), 130, 1e-9);
    assert_near(edx_lines_fwhm(2984.4, 130), 98.79, 0.01);
    assert_true(edx_lines_fwhm(10, 100) > 0);
}

/* ---- a setting ---- */

static edx_axis axis_of(const edx_begin *begin)
{
    return (edx_axis){begin->offset_eV, begin->scale_eV, begin->channels};
}

static edx_begin begin_of(double beam_keV, double offset_eV, const char *const *elements,
                          uint32_t n)
{
    edx_begin b = {.rows = 8,
                   .cols = 8,
                   .channels = 1024,
                   .offset_eV = offset_eV,
                   .scale_eV = 20,
                   .beam_keV = beam_keV,
                   .resolution_eV = 130,
                   .n_elements = n};
    for (uint32_t i = 0; i < n; i++)
        snprintf(b.elements[i], sizeof b.elements[i], "%s", elements[i]);
    return b;
}

static edx_line_setting setting_of(const char *line)
{
    edx_line_setting s = {.k = NAN,
                          .k_sigma = NAN,
                          .window_eV = {NAN, NAN},
                          .background_eV = {{NAN, NAN}, {NAN, NAN}},
                          .zeta = NAN,
                          .cross_section_barn = NAN};
    snprintf(s.line, sizeof s.line, "%s", line);
    return s;
}

static edx_settings two_lines(const char *first, const char *second)
{
    edx_settings s;
    edx_settings_default(&s);
    s.quant.n_lines = 2;
    s.quant.lines[0] = setting_of(first);
    s.quant.lines[1] = setting_of(second);
    return s;
}

static uint32_t resolve(const edx_settings *settings, const edx_begin *begin, edx_line *lines)
{
    edx_axis axis = axis_of(begin);
    edx_error err = {.text = ""};
    uint32_t n = 99;
    if (edx_lines_resolve(settings, begin, &axis, lines, &n, &err) != EDX_OK)
        fail_msg("%s", err.text);
    return n;
}

static void expect_refusal(const edx_settings *settings, edx_status status, const char *text)
{
    edx_begin begin = begin_of(80, 0, NULL, 0);
    edx_axis axis = axis_of(&begin);
    edx_line lines[EDX_MAX_LINES];
    edx_error err = {.text = ""};
    uint32_t n;
    assert_int_equal(edx_lines_resolve(settings, &begin, &axis, lines, &n, &err), status);
    if (!strstr(err.text, text))
        fail_msg("\"%s\" says nothing of \"%s\"", err.text, text);
}

/* ---- choice ---- */

static void elements_get_their_best_line(void **state)
{
    static const struct {
        double beam_keV, offset_eV;
        const char *elements[3];
        const char *lines[3];
    } cases[] = {
        {80, 0, {"Ag", "Au"}, {"Ag_La", "Au_Ma"}},
        {80, -480, {"Au", "Ag"}, {"Au_Ma", "Ag_La"}},
        {200, 160, {"Fe", "Pt"}, {"Fe_Ka", "Pt_Ma"}},
        {80, 0, {"Cu", "Au"}, {"Cu_Ka", "Au_Ma"}},
        {200, 0, {"Co", "Pt"}, {"Co_Ka", "Pt_Ma"}},
        {200, 0, {"W", "Si"}, {"W_La", "Si_Ka"}},  /* W Ma lies on Si Ka */
        {15, 0, {"Ge", "Cu"}, {"Ge_La", "Cu_La"}}, /* 15 keV make next to no Cu K */
        {200, 0, {"C", "O", "Ag"}, {"C_Ka", "O_Ka", "Ag_La"}},
        {80, 0, {"H", "Ag", "Xx"}, {"Ag_La"}}, /* what has no line is left out */
        {80, 0, {"Ag", "Au", "Ag"}, {"Ag_La", "Au_Ma"}},
    };
    edx_settings settings;
    (void)state;
    edx_settings_default(&settings);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        edx_line lines[EDX_MAX_LINES];
        uint32_t n_elements = cases[i].elements[2] ? 3 : 2, expected = 0;
        edx_begin begin =
            begin_of(cases[i].beam_keV, cases[i].offset_eV, cases[i].elements, n_elements);
        uint32_t n = resolve(&settings, &begin, lines);
        while (expected < 3 && cases[i].lines[expected])
            expected++;
        assert_int_equal(n, expected);
        for (uint32_t j = 0; j < n; j++) {
            assert_string_equal(lines[j].name, cases[i].lines[j]);
            assert_true(lines[j].default_windows && lines[j].computed_k);
        }
    }
}

static void settings_come_before_begin(void **state)
{
    static const char *const elements[] = {"Fe", "Pt"};
    edx_settings settings = two_lines("Au_La", "Ag_La");
    edx_begin begin = begin_of(80, 0, elements, 2);
    edx_line lines[EDX_MAX_LINES];
    (void)state;
    assert_int_equal(resolve(&settings, &begin, lines), 2);
    assert_string_equal(lines[0].name, "Au_La");
    assert_string_equal(lines[1].element, "Ag");
    assert_int_equal(lines[1].z, 47);
    assert_near(lines[1].atomic_weight, 107.87, 0.01);
    settings.quant.n_lines = 0;
    begin.n_elements = 0;
    assert_int_equal(resolve(&settings, &begin, lines), 0);
}

/* ---- windows ---- */

/* Lines of a test spectrum, keV and relative intensity within the family: HyperSpy's table. */
typedef struct known_line {
    double keV, weight;
} known_line;

typedef struct known_element {
    const char *symbol;
    known_line lines[24];
} known_element;

static const known_element ag = {"Ag",
                                 {{2.9844, 1},
                                  {2.9783, .11},
                                  {3.1509, .35175},
                                  {3.3478, .1165},
                                  {3.2034, .0444},
                                  {2.8062, .0131},
                                  {2.6336, .04129},
                                  {3.2344, .0737},
                                  {3.7499, .014},
                                  {3.5204, .03735}}};
static const known_element au = {"Au",
                                 {{2.1229, 1},
                                  {2.2047, .59443},
                                  {2.4091, .08505},
                                  {1.6603, .01344},
                                  {2.7958, .0029},
                                  {2.7347, .005},
                                  {2.7362, .01},
                                  {9.7130, .5},
                                  {9.6280, .055},
                                  {8.4938, .0281},
                                  {10.3087, .007},
                                  {11.4425, .2},
                                  {11.2050, .03},
                                  {11.5848, .11},
                                  {11.6098, .034},
                                  {13.3816, .042},
                                  {13.8074, .01}}};
static const known_element pt = {"Pt",
                                 {{2.0505, 1},
                                  {2.1276, .59443},
                                  {2.3321, .08505},
                                  {1.6026, .01344},
                                  {2.6957, .0029},
                                  {2.6380, .005},
                                  {2.6393, .01},
                                  {9.4421, .5},
                                  {9.3620, .055},
                                  {8.2677, .0277},
                                  {9.9766, .007},
                                  {11.0707, .2},
                                  {10.8534, .033},
                                  {11.2504, .11},
                                  {11.2345, .039},
                                  {12.9418, .042},
                                  {13.3609, .011}}};
static const known_element fe = {
    "Fe", {{6.4039, .66}, {6.3909, .34}, {7.0580, .1272}, {.7045, 1}, {.6282, .125}, {.6152, .31}}};
static const known_element co = {
    "Co",
    {{6.9303, .66}, {6.9153, .34}, {7.6494, .1277}, {.7757, 1}, {.6929, .083}, {.6779, .216}}};
static const known_element cu = {
    "Cu",
    {{8.0478, .66}, {8.0278, .34}, {8.9053, .13157}, {.9295, 1}, {.8312, .02}, {.8113, .084}}};
static const known_element surroundings = {
    "", {{.2774, 1}, {.5249, .3}, {1.7397, .1}, {2.6224, .01}, {2.8156, .001}}};

#define CHANNELS 1024

/* Integral of the line's Gaussian over [lo, hi), eV. */
static double gauss(double keV, double lo, double hi)
{
    double unit = edx_lines_fwhm(keV * 1e3, 130) / 2.3548200450309493 * sqrt(2.0);
    return 0.5 * (erf((hi - keV * 1e3) / unit) - erf((lo - keV * 1e3) / unit));
}

static void add_element(const known_element *element, double area, double *spectrum)
{
    for (const known_line *l = element->lines; l->keV > 0; l++)
        for (size_t c = 0; c < CHANNELS; c++) {
            double centre = 20.0 * (double)c;
            spectrum[c] += area * l->weight * gauss(l->keV, centre - 10, centre + 10);
        }
}

/* Kramers' (E0 - E) / E, cut off by absorption below 1 keV, height counts per channel at 3 keV. */
static void add_bremsstrahlung(double beam_keV, double height, double *spectrum)
{
    for (size_t c = 5; c < CHANNELS; c++) {
        double keV = 0.02 * (double)c;
        spectrum[c] += height * (beam_keV - keV) / (beam_keV - 3) * 3 / keV *
                       exp(-0.3 * (pow(keV, -3) - pow(3, -3)));
    }
}

static double sum_between(const double *spectrum, const double window[2], double *n)
{
    double sum = 0;
    *n = 0;
    for (size_t c = 0; c < CHANNELS; c++)
        if (20.0 * (double)c >= window[0] && 20.0 * (double)c < window[1]) {
            sum += spectrum[c];
            *n += 1;
        }
    return sum;
}

/* The contract's net counts, written down once more. */
static double net_counts(const double *spectrum, const double window[2],
                         const double background[2][2])
{
    double n, left, right, at = (window[0] + window[1]) / 2;
    double gross = sum_between(spectrum, window, &n);
    double level0 = sum_between(spectrum, background[0], &left) / left;
    double level1 = sum_between(spectrum, background[1], &right) / right;
    double middle0 = (background[0][0] + background[0][1]) / 2;
    double middle1 = (background[1][0] + background[1][1]) / 2;
    return gross - n * (level0 + (level1 - level0) * (at - middle0) / (middle1 - middle0));
}

/* What the window holds of an element's own lines. */
static double contained(const known_element *element, double area, const double window[2])
{
    double sum = 0;
    for (const known_line *l = element->lines; l->keV > 0; l++)
        sum += area * l->weight * gauss(l->keV, window[0], window[1]);
    return sum;
}

static void synthesise(double beam_keV, const known_element *a, double area_a,
                       const known_element *b, double area_b, double *spectrum)
{
    memset(spectrum, 0, CHANNELS * sizeof *spectrum);
    add_element(a, area_a, spectrum);
    add_element(b, area_b, spectrum);
    add_element(&surroundings, 1e5, spectrum);
    if (a != &cu && b != &cu)
        add_element(&cu, 3e4, spectrum); /* the grid */
    add_bremsstrahlung(beam_keV, 2000, spectrum);
}

static const struct {
    double beam_keV;
    const known_element *a, *b;
} pairs[] = {{80, &ag, &au}, {200, &ag, &au}, {200, &fe, &pt}, {200, &co, &pt}, {80, &cu, &au}};

/* Peaks of known area, no noise: the net counts are what the window holds of them, within 2 %. */
static void windows_keep_clear_of_other_lines(void **state)
{
    static const double mixes[3][2] = {{1e6, 1e6}, {2e6, 1e6}, {1e6, 2e6}};
    double spectrum[CHANNELS];
    edx_settings settings;
    (void)state;
    edx_settings_default(&settings);
    for (size_t p = 0; p < sizeof pairs / sizeof pairs[0]; p++)
        for (size_t m = 0; m < 3; m++) {
            const known_element *elements[2] = {pairs[p].a, pairs[p].b};
            const char *symbols[2] = {pairs[p].a->symbol, pairs[p].b->symbol};
            edx_begin begin = begin_of(pairs[p].beam_keV, 0, symbols, 2);
            edx_line lines[EDX_MAX_LINES];
            assert_int_equal(resolve(&settings, &begin, lines), 2);
            synthesise(pairs[p].beam_keV, pairs[p].a, mixes[m][0], pairs[p].b, mixes[m][1],
                       spectrum);
            for (size_t i = 0; i < 2; i++) {
                double net = net_counts(spectrum, lines[i].window_eV, lines[i].background_eV);
                double truth = contained(elements[i], mixes[m][i], lines[i].window_eV);
                print_message("%s in %s%s: net / truth %.4f\n", lines[i].name, symbols[0],
                              symbols[1], net / truth);
                if (!(fabs(net / truth - 1) < 0.02))
                    fail_msg("%s: %g of %g counts", lines[i].name, net, truth);
            }
        }
}

/* A line, or a doublet, whole and nothing more: the window's gross counts of the element are those
 * of its peak within 2 %, in less than 2.5 FWHM beyond the doublet's splitting. */
static void windows_take_their_whole_peak(void **state)
{
    static const struct {
        const known_element *element;
        double peak, splitting; /* relative intensity of La, or of Ma and Mb, or Ka; eV */
    } peaks[] = {
        {&ag, 1.11, 6}, {&au, 1.59443, 82}, {&pt, 1.59443, 77}, {&fe, 1, 13}, {&cu, 1, 20}};
    edx_settings settings;
    (void)state;
    edx_settings_default(&settings);
    for (size_t i = 0; i < sizeof peaks / sizeof peaks[0]; i++) {
        edx_begin begin = begin_of(80, 0, &peaks[i].element->symbol, 1);
        edx_line line[EDX_MAX_LINES];
        assert_int_equal(resolve(&settings, &begin, line), 1);
        double whole = contained(peaks[i].element, 1, line[0].window_eV) / peaks[i].peak;
        double fwhm = edx_lines_fwhm(line[0].energy_eV, 130);
        double wide = (line[0].window_eV[1] - line[0].window_eV[0] - peaks[i].splitting) / fwhm;
        print_message("%s: %.3f of the peak in %.2f FWHM\n", line[0].name, whole, wide);
        assert_near(whole, 1, 0.02);
        assert_true(wide > 1.5 && wide < 2.5);
    }
}

/* The test can tell: windows one FWHM wide, two FWHM away lose a sixth of Ag to its own L beta. */
static void usual_windows_lose_silver(void **state)
{
    double spectrum[CHANNELS], f = edx_lines_fwhm(2984.4, 130), e = 2984.4;
    const double window[2] = {e - f, e + f};
    const double background[2][2] = {{e - 2.5 * f, e - 1.5 * f}, {e + 1.5 * f, e + 2.5 * f}};
    (void)state;
    synthesise(80, &ag, 1e6, &au, 1e6, spectrum);
    double lost = 1 - net_counts(spectrum, window, background) / contained(&ag, 1e6, window);
    print_message("usual windows lose %.1f %% of Ag\n", 100 * lost);
    assert_true(lost > 0.10 && lost < 0.40);
}

/* On a scanned axis with a strobe peak: channel edges, in order, apart, and above 100 eV. */
static void windows_lie_on_channel_edges(void **state)
{
    static const char *const elements[] = {"C", "O", "Si", "Ti", "Ag", "Au"};
    edx_begin begin = begin_of(200, -475, elements, 6);
    edx_settings settings;
    edx_line lines[EDX_MAX_LINES];
    (void)state;
    edx_settings_default(&settings);
    assert_int_equal(resolve(&settings, &begin, lines), 6);
    for (size_t i = 0; i < 6; i++) {
        const double(*b)[2] = lines[i].background_eV, *w = lines[i].window_eV;
        const double edges[6] = {b[0][0], b[0][1], w[0], w[1], b[1][0], b[1][1]};
        assert_true(edges[0] >= 90 && edges[5] <= -475 + 20 * 1024);
        for (size_t j = 0; j < 6; j++) {
            double channel = (edges[j] + 475) / 20 + 0.5;
            assert_near(channel, round(channel), 1e-6);
            assert_true(j == 0 || edges[j] >= edges[j - 1]);
        }
        assert_true(w[0] < lines[i].energy_eV && lines[i].energy_eV < w[1]);
    }
}

static void given_windows_are_taken(void **state)
{
    edx_settings settings = two_lines("Fe_Ka", "Pt_La");
    edx_begin begin = begin_of(200, 160, NULL, 0);
    edx_line lines[EDX_MAX_LINES];
    (void)state;
    memcpy(settings.quant.lines[0].window_eV, (double[]){6232, 6572}, 2 * sizeof(double));
    memcpy(settings.quant.lines[0].background_eV, (double[]){6032, 6152, 6652, 6772},
           4 * sizeof(double));
    memcpy(settings.quant.lines[1].window_eV, (double[]){9252, 9632}, 2 * sizeof(double));
    resolve(&settings, &begin, lines);
    assert_true(lines[0].window_eV[0] == 6232 && lines[0].window_eV[1] == 6572);
    assert_true(lines[0].background_eV[0][1] == 6152 && lines[0].background_eV[1][0] == 6652);
    assert_true(lines[1].window_eV[0] == 9252 && lines[1].window_eV[1] == 9632);
    assert_true(lines[1].background_eV[0][1] <= 9252 && lines[1].background_eV[1][0] >= 9632);
    assert_false(lines[0].default_windows || lines[1].default_windows);
}

static void impossible_windows_are_named(void **state)
{
    edx_settings s = two_lines("Ag_La", "Au_Ma");
    double *w = s.quant.lines[1].window_eV;
    (void)state;
    w[0] = 2200, w[1] = 2100;
    expect_refusal(&s, EDX_E_RANGE, "Au_Ma window_eV");
    w[0] = 30000, w[1] = 30100;
    expect_refusal(&s, EDX_E_RANGE, "Au_Ma window_eV");
    w[0] = 2101, w[1] = 2119; /* between two channels */
    expect_refusal(&s, EDX_E_RANGE, "holds no channel");
    s = two_lines("Ag_La", "Au_Ma");
    memcpy(s.quant.lines[0].background_eV, (double[]){2500, 2600, 2400, 2700}, 4 * sizeof(double));
    expect_refusal(&s, EDX_E_RANGE, "one midpoint");
    s = two_lines("Ag_La", "Ag_Ka"); /* 22 keV, the axis ends at 20 */
    expect_refusal(&s, EDX_E_RANGE, "Ag_Ka");
    s = two_lines("Ag_La", "Au_Qa");
    expect_refusal(&s, EDX_E_UNKNOWN, "quant.lines: Au_Qa");
}

/* ---- factors ---- */

static void factors_are_all_or_none(void **state)
{
    edx_settings s = two_lines("Ag_La", "Au_Ma");
    (void)state;
    s.quant.lines[0].k = 1.44;
    expect_refusal(&s, EDX_E_RANGE, "Au_Ma has no k while Ag_La has one; give all or none");
    s = two_lines("Ag_La", "Au_Ma");
    s.quant.lines[1].k = 1.44;
    expect_refusal(&s, EDX_E_RANGE, "Ag_La has no k while Au_Ma has one");
}

/* 1 g of Ag for 2 g of Au at equal counts is 107.868 : 1/2 the atoms of ... C_at = C_wt / A. */
static void weight_factors_become_atomic(void **state)
{
    edx_settings s = two_lines("Ag_La", "Au_Ma");
    edx_begin begin = begin_of(80, 0, NULL, 0);
    edx_line lines[EDX_MAX_LINES];
    (void)state;
    s.quant.lines[0].k = 0.5, s.quant.lines[1].k = 1;
    s.quant.lines[0].k_sigma = 0.05;
    resolve(&s, &begin, lines);
    assert_true(lines[0].k == 0.5 && lines[1].k == 1 && lines[1].k_sigma == 0);
    assert_true(!lines[0].computed_k && lines[0].k_sigma == 0.05);
    s.quant.lines[0].k_basis = s.quant.lines[1].k_basis = EDX_BASIS_WEIGHT;
    resolve(&s, &begin, lines);
    assert_near(lines[0].k / lines[1].k, 0.5 * 196.967 / 107.868, 1e-4);
    assert_near(lines[0].k_sigma / lines[0].k, 0.1, 1e-12);
}

/* Neighbours' K lines are known best: measured k_XSi by weight at 120 kV are about 1.35 for
 * Fe, 1.50 for Ni and 1.60 for Cu (tables in Williams & Carter 2009); their ratios must be met
 * within 10 %. */
static void computed_factors_are_near_measured_ones(void **state)
{
    static const struct {
        const char *line;
        double weight, k;
    } measured[] = {{"Ni_Ka", 58.69, 1.50}, {"Cu_Ka", 63.55, 1.60}};
    edx_begin begin = begin_of(120, 0, NULL, 0);
    edx_line lines[EDX_MAX_LINES];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        edx_settings s = two_lines(measured[i].line, "Fe_Ka");
        resolve(&s, &begin, lines);
        double by_weight = lines[0].k / lines[1].k * measured[i].weight / 55.85;
        print_message("k(%s) / k(Fe_Ka) by weight %.3f, measured %.3f\n", measured[i].line,
                      by_weight, measured[i].k / 1.35);
        assert_near(by_weight, measured[i].k / 1.35, 0.1 * measured[i].k / 1.35);
        assert_true(lines[1].k == 1 && lines[0].computed_k);
        assert_near(lines[0].k_sigma, 0.2 * lines[0].k, 1e-12);
    }
}

/* A shell is hardly ionised just above its edge (Cu K: 8.98 keV), well at ten times as much. */
static void yields_vanish_at_the_edge(void **state)
{
    edx_settings s = two_lines("Cu_Ka", "Fe_Ka");
    edx_begin near = begin_of(9.1, 0, NULL, 0), far = begin_of(90, 0, NULL, 0);
    edx_line a[EDX_MAX_LINES], b[EDX_MAX_LINES];
    (void)state;
    resolve(&s, &near, a);
    resolve(&s, &far, b);
    assert_true(a[0].k > 8 * b[0].k);
}

/* Half the window, half the counts, twice the factor (nearly: the peak is symmetric). */
static void computed_factors_know_the_windows(void **state)
{
    edx_settings whole = two_lines("Fe_Ka", "Ni_Ka"), half = whole;
    edx_begin begin = begin_of(200, 0, NULL, 0);
    edx_line a[EDX_MAX_LINES], b[EDX_MAX_LINES];
    (void)state;
    memcpy(whole.quant.lines[0].window_eV, (double[]){6210, 6590}, 2 * sizeof(double));
    memcpy(half.quant.lines[0].window_eV, (double[]){6210, 6400}, 2 * sizeof(double));
    resolve(&whole, &begin, a);
    resolve(&half, &begin, b);
    assert_near(b[0].k / a[0].k, 2, 0.05);
}

static void what_the_beam_does_not_excite_has_no_factor(void **state)
{
    edx_settings s = two_lines("Ag_La", "Au_La");
    edx_begin begin = begin_of(10, 0, NULL, 0); /* Au L3 needs 11.9 keV */
    edx_axis axis = axis_of(&begin);
    edx_line lines[EDX_MAX_LINES];
    edx_error err = {.text = ""};
    uint32_t n;
    (void)state;
    assert_int_equal(edx_lines_resolve(&s, &begin, &axis, lines, &n, &err), EDX_E_RANGE);
    assert_non_null(strstr(err.text, "Au_La yields no counts"));
    s.quant.lines[0].k = s.quant.lines[1].k = 1;
    assert_int_equal(edx_lines_resolve(&s, &begin, &axis, lines, &n, &err), EDX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(energies_are_the_published_ones),
        cmocka_unit_test(nobody_knows_these_lines),
        cmocka_unit_test(width_follows_energy),
        cmocka_unit_test(elements_get_their_best_line),
        cmocka_unit_test(settings_come_before_begin),
        cmocka_unit_test(windows_keep_clear_of_other_lines),
        cmocka_unit_test(windows_take_their_whole_peak),
        cmocka_unit_test(usual_windows_lose_silver),
        cmocka_unit_test(windows_lie_on_channel_edges),
        cmocka_unit_test(given_windows_are_taken),
        cmocka_unit_test(impossible_windows_are_named),
        cmocka_unit_test(factors_are_all_or_none),
        cmocka_unit_test(weight_factors_become_atomic),
        cmocka_unit_test(computed_factors_are_near_measured_ones),
        cmocka_unit_test(yields_vanish_at_the_edge),
        cmocka_unit_test(computed_factors_know_the_windows),
        cmocka_unit_test(what_the_beam_does_not_excite_has_no_factor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
