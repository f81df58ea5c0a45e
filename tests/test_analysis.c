/* The analysis as a whole on a small cube whose every count is known. */
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

#include "analysis/analysis.h"
#include "analysis/health.h"

enum { ROWS = 7, COLS = 9, PIXELS = ROWS * COLS, CHANNELS = 130, FRAMES = 6 };
enum { BIN = 4, PIX = 2, E = CHANNELS / BIN, R = ROWS / PIX, C = COLS / PIX, P = R * C };

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.12g, expected %.12g within %g", value, expected, tolerance);
}

/* ---- allocations (-Wl,--wrap) ---- */

static size_t allocations_left = SIZE_MAX;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static int refused(void)
{
    if (allocations_left == 0)
        return 1;
    if (allocations_left != SIZE_MAX)
        allocations_left--;
    return 0;
}

void *__wrap_malloc(size_t n)
{
    return refused() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refused() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return refused() ? NULL : __real_realloc(p, n);
}

/* ---- an acquisition whose every count is known ---- */

static uint64_t state_of_chance = 4711;

static uint32_t chance(uint32_t below)
{
    state_of_chance ^= state_of_chance >> 12;
    state_of_chance ^= state_of_chance << 25;
    state_of_chance ^= state_of_chance >> 27;
    return (uint32_t)((state_of_chance * 0x2545F4914F6CDD1DULL) >> 33) % below;
}

/* The counts of one frame, as dense counts and as events. */
typedef struct known_frame {
    uint32_t dense[PIXELS][CHANNELS];
    float image[PIXELS];
    uint64_t total;
} known_frame;

static known_frame frames[FRAMES];
static uint64_t cube[PIXELS][CHANNELS];

/* Two peaks of uneven strength on a background, a peak at the axis' very start and end. */
static void make_frames(void)
{
    memset(cube, 0, sizeof cube);
    memset(frames, 0, sizeof frames);
    for (int f = 0; f < FRAMES; f++)
        for (uint32_t p = 0; p < PIXELS; p++) {
            uint32_t n = 60 + 3 * p + (p % COLS) * 4;
            for (uint32_t i = 0; i < n; i++) {
                uint32_t kind = chance(10);
                uint32_t c = kind < 3   ? chance(CHANNELS)
                             : kind < 7 ? 38 + chance(9)
                                        : 86 + chance(7);
                c = chance(40) == 0 ? (chance(2) ? CHANNELS - 1 : 0) : c;
                frames[f].dense[p][c]++;
                frames[f].total++;
                cube[p][c]++;
            }
            frames[f].image[p] = (float)(p * 10 + (uint32_t)f);
        }
}

/* Axis of 10 eV channels from -5 eV on; times 1 s live of 2 s. */
static edx_begin make_begin(double offset_eV)
{
    edx_begin b = {.head = {.acq = "known"},
                   .rows = ROWS,
                   .cols = COLS,
                   .step_nm = {0.5, 0.25},
                   .dwell_s = 1e-3,
                   .channels = CHANNELS,
                   .offset_eV = offset_eV,
                   .scale_eV = 10,
                   .beam_keV = 80,
                   .resolution_eV = 130,
                   .n_images = 1,
                   .images = {"HAADF"}};
    return b;
}

static const double windows[2][3][2] = {{{375, 475}, {175, 335}, {515, 715}},
                                        {{855, 935}, {515, 715}, {1000, 1240}}};

static edx_settings make_settings(void)
{
    edx_settings s;
    edx_settings_default(&s);
    s.analysis.bin_energy = BIN;
    s.analysis.bin_pixels = PIX;
    s.quant.limit = 3;
    s.quant.n_lines = 2;
    snprintf(s.quant.lines[0].line, sizeof s.quant.lines[0].line, "%s", "O_Ka");
    snprintf(s.quant.lines[1].line, sizeof s.quant.lines[1].line, "%s", "Fe_La");
    for (size_t i = 0; i < 2; i++) {
        memcpy(s.quant.lines[i].window_eV, windows[i][0], sizeof windows[i][0]);
        memcpy(s.quant.lines[i].background_eV, windows[i][1], 2 * sizeof windows[i][1]);
        s.quant.lines[i].k = i == 0 ? 1.44 : 1;
    }
    return s;
}

static edx_analysis *start(double offset_eV, const edx_settings *settings)
{
    edx_begin begin = make_begin(offset_eV);
    edx_analysis *a = NULL;
    edx_error err = {.text = ""};
    if (settings->quant.n_lines == 0) { /* named, so that none is looked for; it has no line */
        begin.n_elements = 1;
        memcpy(begin.elements[0], "H", 2);
    }
    if (edx_analysis_new(&begin, settings, &a, &err) != EDX_OK)
        fail_msg("%s", err.text);
    return a;
}

/* Rows first .. last of a frame; voxels as weights, or count by count. */
static edx_status give_rows(edx_analysis *a, int f, uint32_t first, uint32_t last, bool weighted)
{
    static uint16_t channels[PIXELS * 1000];
    static uint32_t weights[PIXELS * 1000], offsets[PIXELS + 1];
    uint32_t n = 0, pixels = (last - first) * COLS;
    for (uint32_t p = 0; p < pixels; p++) {
        offsets[p] = n;
        for (uint32_t c = 0; c < CHANNELS; c++) {
            uint32_t counts = frames[f].dense[first * COLS + p][c],
                     entries = weighted ? counts > 0 : counts;
            for (uint32_t i = 0; i < entries; i++) {
                channels[n] = (uint16_t)c;
                weights[n++] = counts;
            }
        }
    }
    offsets[pixels] = n;
    edx_events events = {pixels, offsets, channels, weighted ? weights : NULL};
    edx_frame frame = {.frame = (uint64_t)f,
                       .row = first,
                       .rows = last - first,
                       .live_s = 1,
                       .real_s = 2,
                       .n_images = 2,
                       .image_names = {"BF", "HAADF"}};
    frame.images[0] = edx_array_2(EDX_F4, frames[0].image, last - first, COLS);
    frame.images[1] = edx_array_2(EDX_F4, frames[f].image + first * COLS, last - first, COLS);
    return edx_analysis_add(a, &frame, &events, NULL);
}

static void give_frame(edx_analysis *a, int f)
{
    if (f % 3 == 0) { /* in blocks of rows, the later ones first */
        assert_int_equal(give_rows(a, f, 4, ROWS, false), EDX_OK);
        assert_int_equal(give_rows(a, f, 0, 4, true), EDX_OK);
    } else {
        assert_int_equal(give_rows(a, f, 0, ROWS, f % 3 == 1), EDX_OK);
    }
    edx_analysis_frame(a, (uint64_t)f, true);
}

static edx_analysis *run(double offset_eV, const edx_settings *settings)
{
    edx_analysis *a = start(offset_eV, settings);
    for (int f = 0; f < FRAMES; f++)
        give_frame(a, f);
    return a;
}

/* ---- the same numbers from the contract's words ---- */

typedef struct answer {
    double net[2], covariance[2][2], fraction[2], sigma[2];
} answer;

/* Weight of analysis channel e in line i's net counts. */
static double functional(size_t i, size_t e, double offset_eV)
{
    double centre[E], n[3] = {0}, middle[3], value = 0;
    for (size_t c = 0; c < E; c++)
        centre[c] = offset_eV + 15 + 40 * (double)c;
    for (size_t w = 0; w < 3; w++) {
        middle[w] = (windows[i][w][0] + windows[i][w][1]) / 2;
        for (size_t c = 0; c < E; c++)
            n[w] += centre[c] >= windows[i][w][0] && centre[c] < windows[i][w][1];
    }
    double second = (middle[0] - middle[1]) / (middle[2] - middle[1]);
    const double weight[3] = {1, -n[0] * (1 - second) / n[1], -n[0] * second / n[2]};
    for (size_t w = 0; w < 3; w++)
        if (centre[e] >= windows[i][w][0] && centre[e] < windows[i][w][1])
            value += weight[w];
    return value;
}

static answer solve(const uint64_t spectrum[CHANNELS], double offset_eV)
{
    answer r;
    memset(&r, 0, sizeof r);
    for (size_t c = 0; c < (size_t)E * BIN; c++)
        for (size_t i = 0; i < 2; i++) {
            double v = functional(i, c / BIN, offset_eV);
            r.net[i] += v * (double)spectrum[c];
            for (size_t j = 0; j < 2; j++)
                r.covariance[i][j] += v * functional(j, c / BIN, offset_eV) * (double)spectrum[c];
        }
    double a = 1.44 * r.net[0], b = r.net[1];
    bool known = r.net[0] > 3 * sqrt(r.covariance[0][0]) && r.net[1] > 3 * sqrt(r.covariance[1][1]);
    double relative = r.covariance[0][0] / (r.net[0] * r.net[0]) +
                      r.covariance[1][1] / (r.net[1] * r.net[1]) -
                      2 * r.covariance[0][1] / (r.net[0] * r.net[1]);
    r.fraction[0] = known ? a / (a + b) : NAN;
    r.fraction[1] = known ? b / (a + b) : NAN;
    r.sigma[0] = r.sigma[1] = known ? r.fraction[0] * r.fraction[1] * sqrt(relative) : NAN;
    return r;
}

static void same(double value, double expected, double relative)
{
    if (isnan(expected))
        assert_true(isnan(value));
    else
        assert_near(value, expected, relative * (1 + fabs(expected)));
}

static void add_spectrum(uint64_t *sum, size_t pixel)
{
    for (size_t c = 0; c < CHANNELS; c++)
        sum[c] += cube[pixel][c];
}

/* ---- tests ---- */

static void check_spectrum(const edx_spectrum_result *s, uint64_t first_inside)
{
    assert_int_equal(s->sum.shape[0], E);
    assert_true(s->sum.ndim == 1 && s->total.ndim == 2 && s->image.ndim == 2);
    for (size_t e = 0; e < E; e++) {
        uint64_t sum = 0;
        for (size_t p = 0; p < PIXELS; p++)
            for (size_t i = 0; i < BIN && p / COLS < R * PIX && p % COLS < C * PIX; i++)
                sum += e * BIN + i >= first_inside ? cube[p][e * BIN + i] : 0;
        assert_true(edx_array_get(&s->sum, e) == (double)sum);
    }
    for (size_t p = 0; p < P; p++) {
        double total = 0, image = 0;
        for (size_t i = 0; i < PIX * PIX; i++) {
            size_t pixel = (p / C * PIX + i / PIX) * COLS + p % C * PIX + i % PIX;
            for (size_t c = first_inside; c < (size_t)E * BIN; c++)
                total += (double)cube[pixel][c];
            image += FRAMES * 10.0 * (double)pixel + FRAMES * (FRAMES - 1) / 2.0;
        }
        assert_true(edx_array_get(&s->total, p) == total);
        assert_near(edx_array_get(&s->image, p), image, 1e-9 * image);
    }
}

static void check_maps(const edx_maps_result *m)
{
    uint32_t quantified = 0;
    assert_true(m->n == 2 && m->intensity.shape[1] == R && m->intensity.shape[2] == C);
    assert_string_equal(m->lines[0], "O_Ka");
    assert_string_equal(m->elements[1], "Fe");
    assert_true(m->step_nm[0] == 1.0 && m->step_nm[1] == 0.5);
    for (size_t p = 0; p < P; p++) {
        uint64_t spectrum[CHANNELS] = {0};
        for (size_t i = 0; i < PIX * PIX; i++)
            add_spectrum(spectrum, (p / C * PIX + i / PIX) * COLS + p % C * PIX + i % PIX);
        answer r = solve(spectrum, -5);
        quantified += isnan(r.fraction[0]) ? 0 : 1;
        assert_true(edx_array_get(&m->exposure, p) == FRAMES);
        for (size_t i = 0; i < 2; i++) {
            same(edx_array_get(&m->intensity, i * P + p), r.net[i], 1e-6);
            same(edx_array_get(&m->sigma, i * P + p), sqrt(r.covariance[i][i]), 1e-6);
            same(edx_array_get(&m->atomic_fraction, i * P + p), r.fraction[i], 1e-6);
            same(edx_array_get(&m->fraction_sigma, i * P + p), r.sigma[i], 1e-6);
            assert_true(isnan(edx_array_get(&m->denoised_fraction, i * P + p)));
            assert_true(isnan(edx_array_get(&m->denoised_sigma, i * P + p)));
        }
    }
    print_message("%u of %d pixels quantified\n", quantified, P);
    assert_true(quantified > 0);
}

static void results_are_those_of_the_contract(void **state)
{
    edx_settings settings = make_settings();
    edx_analysis *a = run(-5, &settings);
    edx_results r;
    (void)state;
    assert_int_equal(edx_analysis_update(a, &r, NULL), EDX_OK);
    uint64_t counts = 0;
    for (int f = 0; f < FRAMES; f++)
        counts += frames[f].total;
    assert_true(r.head.frames == FRAMES && r.head.frame == FRAMES - 1 && r.head.counts == counts);
    assert_true(r.maps.head.counts == counts && r.spectrum.head.frames == FRAMES);
    assert_true(r.spectrum.offset_eV == 10 && r.spectrum.scale_eV == 40);
    check_spectrum(&r.spectrum,
                   12); /* the axis starts below 0: the first centre above 100 is 130 */
    assert_true(r.has_maps);
    check_maps(&r.maps);
    edx_analysis_free(&a);
    assert_null(a);
}

static double weaker(const edx_maps_result *m, size_t p)
{
    return fmin(edx_array_get(&m->intensity, p) / edx_array_get(&m->sigma, p),
                edx_array_get(&m->intensity, P + p) / edx_array_get(&m->sigma, P + p));
}

/* Between the weakest and the strongest pixel, the limit leaves some with numbers and some without.
 */
static void the_limit_leaves_pixels_out(void **state)
{
    edx_settings settings = make_settings();
    edx_results r;
    uint32_t numbers = 0;
    (void)state;
    edx_analysis *a = run(-5, &settings);
    edx_analysis_update(a, &r, NULL);
    settings.quant.limit = 0.5 * (weaker(&r.maps, 0) + weaker(&r.maps, P - 1));
    assert_int_equal(edx_analysis_configure(a, &settings, NULL), EDX_OK);
    edx_analysis_update(a, &r, NULL);
    for (size_t p = 0; p < P; p++) {
        bool above = weaker(&r.maps, p) > settings.quant.limit;
        numbers += above ? 1 : 0;
        assert_true(above != isnan(edx_array_get(&r.maps.atomic_fraction, p)));
        assert_true(above != isnan(edx_array_get(&r.maps.fraction_sigma, P + p)));
    }
    assert_true(numbers > 0 && numbers < P);
    edx_analysis_free(&a);
}

static void energies_outside_are_left_out_of_totals(void **state)
{
    static const struct {
        double offset_eV, range[2];
        size_t lo, hi; /* channels counted */
    } cases[] = {{5, {NAN, NAN}, 0, E * BIN},
                 {-5, {NAN, NAN}, 12, E * BIN},
                 {-5, {130, 170}, 12, 16},
                 {-5, {131, 211}, 16, 24},
                 {5, {-1e9, 400}, 0, 40}};
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        edx_settings settings = make_settings();
        edx_results r;
        memcpy(settings.analysis.energy_eV, cases[k].range, sizeof cases[k].range);
        edx_analysis *a = run(cases[k].offset_eV, &settings);
        edx_analysis_update(a, &r, NULL);
        double expected = 0, totals = 0, chi2, p, mean = 0, squares = 0;
        uint64_t dof;
        const uint64_t *outliers;
        size_t n;
        for (size_t q = 0; q < P; q++)
            for (size_t i = 0; i < PIX * PIX; i++)
                for (size_t c = cases[k].lo; c < cases[k].hi; c++)
                    expected +=
                        (double)cube[(q / C * PIX + i / PIX) * COLS + q % C * PIX + i % PIX][c];
        for (size_t q = 0; q < P; q++)
            totals += edx_array_get(&r.spectrum.total, q);
        assert_true(totals == expected);
        for (int pass = 0; pass < 2; pass++)
            for (int f = 0; f < FRAMES; f++) {
                double total = 0;
                for (size_t q = 0; q < PIXELS; q++)
                    for (size_t c = cases[k].lo; c < cases[k].hi; c++)
                        total += frames[f].dense[q][c];
                mean += pass == 0 ? total / FRAMES : 0;
                squares += pass == 1 ? (total - mean) * (total - mean) : 0;
            }
        edx_analysis_health(a, &chi2, &dof, &p, &outliers, &n);
        assert_near(chi2, squares / mean, 1e-9);
        assert_true(dof == FRAMES - 1 && n == 0);
        edx_analysis_free(&a);
    }
}

/* Counts of the scan pixels that fill bins of pix, in analysis channel e, in frame 0. */
static double bins_hold(size_t e, size_t bin, size_t pix)
{
    double sum = 0;
    for (size_t y = 0; y < ROWS / pix * pix; y++)
        for (size_t x = 0; x < COLS / pix * pix; x++)
            for (size_t c = e * bin; c < (e + 1) * bin; c++)
                sum += frames[0].dense[y * COLS + x][c];
    return sum;
}

static void check_sum(const edx_spectrum_result *s, const edx_settings *settings)
{
    size_t bin = settings->analysis.bin_energy, pix = settings->analysis.bin_pixels;
    const double *range = settings->analysis.energy_eV;
    double sum = 0, total = 0;
    assert_int_equal(s->sum.shape[0], CHANNELS / bin);
    for (size_t e = 0; e < CHANNELS / bin; e++) {
        double centre = s->offset_eV + s->scale_eV * (double)e;
        bool in = isnan(range[0]) || (range[0] <= centre && centre < range[1]);
        assert_true(edx_array_get(&s->sum, e) == (in ? bins_hold(e, bin, pix) : 0));
        sum += edx_array_get(&s->sum, e);
    }
    for (size_t p = 0; p < (ROWS / pix) * (COLS / pix); p++)
        total += edx_array_get(&s->total, p);
    assert_true(sum == total && sum > 0);
}

/* One frame under these settings, without lines. */
static void check_sum_of(const edx_begin *begin, edx_settings settings)
{
    edx_analysis *a = NULL;
    edx_results r;
    edx_error err = {.text = ""};
    settings.quant.n_lines = 0;
    if (edx_analysis_new(begin, &settings, &a, &err) != EDX_OK)
        fail_msg("%s", err.text);
    give_frame(a, 0);
    assert_int_equal(edx_analysis_update(a, &r, NULL), EDX_OK);
    check_sum(&r.spectrum, &settings);
    edx_analysis_free(&a);
}

/* Edges of energy_eV on the very centres of axes whose steps are not exact in binary. */
static void the_sum_holds_what_the_totals_hold(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        edx_settings settings = make_settings();
        edx_begin begin = make_begin(i % 2 ? 0 : -4.7);
        uint32_t bin = 1 + chance(5), n = CHANNELS / bin;
        uint32_t lo = chance(n / 2), hi = n - 1 - chance(5);
        begin.scale_eV = i % 3 == 0 ? 7.3 : 0.1 * (1 + chance(200));
        settings.analysis.bin_energy = bin;
        settings.analysis.bin_pixels = 1 + chance(ROWS);
        double offset = begin.offset_eV + 0.5 * (bin - 1) * begin.scale_eV;
        settings.analysis.energy_eV[0] = offset + begin.scale_eV * bin * lo;
        settings.analysis.energy_eV[1] = offset + begin.scale_eV * bin * hi;
        check_sum_of(&begin, settings);
    }
}

/* An axis that begins below 0 and never reaches 100 eV (keV by mistake) is taken whole; the third
 * reaches it only before channels are put together. */
static void an_axis_below_100_eV_is_taken_whole(void **state)
{
    static const double axes[][2] = {{-0.005, 0.01}, {-5, 0.8}, {-5, 0.82}, {-1e300, 10}};
    (void)state;
    for (size_t i = 0; i < sizeof axes / sizeof axes[0]; i++) {
        edx_begin begin = make_begin(axes[i][0]);
        begin.scale_eV = axes[i][1];
        check_sum_of(&begin, make_settings());
    }
}

#define PICK(list) list[chance(sizeof list / sizeof list[0])]

static edx_begin extreme_begin(void)
{
    static const double offsets[] = {0, -480, 1e-300, -1e-300, 1e300, -1e300, DBL_MAX, -DBL_MAX};
    static const double scales[] = {1e-320, 1e-300, 10, 20, 1e4, 1e300, DBL_MAX};
    static const double beams[] = {1e-300, 80, 200, 1e154, 1e300, DBL_MAX};
    static const double widths[] = {NAN, 1e-300, 130, 1e4, 1e150, 1e156, DBL_MAX, INFINITY};
    edx_begin b = make_begin(PICK(offsets));
    b.scale_eV = PICK(scales);
    b.beam_keV = PICK(beams);
    b.resolution_eV = PICK(widths);
    return b;
}

/* A line asked for by the settings, or elements named by begin. */
static edx_settings ask_for_lines(edx_begin *begin, bool by_settings)
{
    static const char *const names[] = {"Ag", "Au", "O", "C", "Cu", "Fe"};
    edx_settings s = make_settings();
    s.analysis.bin_energy = 1 + chance(3);
    s.quant.n_lines = by_settings;
    s.quant.lines[0].k = NAN;
    s.quant.lines[0].window_eV[0] = s.quant.lines[0].background_eV[0][0] = NAN;
    begin->n_elements = by_settings ? 0 : 2;
    for (size_t k = 0; k < begin->n_elements; k++)
        snprintf(begin->elements[k], sizeof begin->elements[k], "%s", PICK(names));
    return s;
}

/* Ends the test where a loop does not end: after so many seconds of work. 0: not any more. */
static void end_after(time_t seconds)
{
    const struct itimerval limit = {.it_value.tv_sec = seconds};
    assert_int_equal(setitimer(ITIMER_PROF, &limit, NULL), 0);
}

/* Whatever finite numbers a begin holds, its counts are analysed, and in time; only a line that the
 * settings ask for may be refused. */
static void extreme_begins_end_in_time(void **state)
{
    (void)state;
    end_after(120);
    for (int i = 0; i < 1000; i++) {
        edx_begin begin = extreme_begin();
        edx_settings settings = ask_for_lines(&begin, i % 2 == 0);
        edx_analysis *a = NULL;
        edx_results r;
        edx_error err = {.text = ""};
        edx_status status = edx_analysis_new(&begin, &settings, &a, &err);
        if (status != EDX_OK && (i % 2 != 0 || status != EDX_E_RANGE))
            fail_msg("%g + %g c, %g keV, %g eV: %s", begin.offset_eV, begin.scale_eV,
                     begin.beam_keV, begin.resolution_eV, err.text);
        if (status != EDX_OK)
            continue;
        give_frame(a, i % FRAMES);
        assert_int_equal(edx_analysis_update(a, &r, NULL), EDX_OK);
        edx_analysis_free(&a);
    }
    end_after(0);
}

static void live_time_follows_dead_time(void **state)
{
    edx_settings settings = make_settings();
    edx_analysis *a = run(-5, &settings);
    (void)state;
    for (size_t p = 0; p < PIXELS; p++)
        assert_near(edx_analysis_live_time(a)[p], FRAMES * 1e-3 / 2, 1e-15);
    uint32_t offsets[COLS + 1] = {0};
    edx_events none = {COLS, offsets, NULL, NULL};
    edx_frame frame = {.frame = 6, .row = 2, .rows = 1, .live_s = NAN, .real_s = 2};
    assert_int_equal(edx_analysis_add(a, &frame, &none, NULL), EDX_OK); /* live not known: dwell */
    frame.live_s = 3;                                                   /* more than real */
    assert_int_equal(edx_analysis_add(a, &frame, &none, NULL), EDX_OK);
    frame.live_s = 1, frame.real_s = 0;
    assert_int_equal(edx_analysis_add(a, &frame, &none, NULL), EDX_OK);
    assert_near(edx_analysis_live_time(a)[2 * COLS + 3], FRAMES * 1e-3 / 2 + 3e-3, 1e-15);
    assert_near(edx_analysis_live_time(a)[3 * COLS], FRAMES * 1e-3 / 2, 1e-15);
    frame.row = ROWS; /* beyond the scan */
    assert_int_equal(edx_analysis_add(a, &frame, &none, NULL), EDX_E_MISMATCH);
    edx_analysis_free(&a);
}

static void arrays_equal(const edx_array *a, const edx_array *b)
{
    uint64_t n, bytes, m;
    assert_true(edx_array_count(a, &n, &bytes) && edx_array_count(b, &m, &bytes) && n == m);
    assert_memory_equal(a->data, b->data, bytes);
}

static void results_equal(const edx_results *a, const edx_results *b)
{
    assert_true(a->head.frames == b->head.frames && a->head.counts == b->head.counts);
    assert_true(a->head.frame == b->head.frame);
    assert_true(a->has_maps == b->has_maps);
    arrays_equal(&a->spectrum.sum, &b->spectrum.sum);
    arrays_equal(&a->spectrum.image, &b->spectrum.image);
    arrays_equal(&a->spectrum.total, &b->spectrum.total);
    arrays_equal(&a->maps.intensity, &b->maps.intensity);
    arrays_equal(&a->maps.sigma, &b->maps.sigma);
    arrays_equal(&a->maps.atomic_fraction, &b->maps.atomic_fraction);
    arrays_equal(&a->maps.fraction_sigma, &b->maps.fraction_sigma);
    arrays_equal(&a->maps.exposure, &b->maps.exposure);
}

static void components_equal(const edx_pca_result *a, const edx_pca_result *b)
{
    assert_int_equal(a->rank, b->rank);
    arrays_equal(&a->eigenvalues, &b->eigenvalues);
    arrays_equal(&a->eigenvalues_noise_free, &b->eigenvalues_noise_free);
    arrays_equal(&a->heldout_error, &b->heldout_error);
    arrays_equal(&a->spectra, &b->spectra);
    arrays_equal(&a->maps, &b->maps);
    arrays_equal(&a->explained, &b->explained);
}

/* In any order, with any number of threads, final or running: the same bytes; of components where
 * results are final. */
static void order_and_threads_change_nothing(void **state)
{
    static const int order[FRAMES] = {3, 0, 5, 1, 4, 2};
    edx_settings settings = make_settings();
    edx_analysis *a = run(-5, &settings), *b = start(-5, &settings);
    edx_pool *pool = NULL;
    edx_results ra, rb;
    (void)state;
    assert_int_equal(edx_pool_new(3, &pool, NULL), EDX_OK);
    assert_int_equal(edx_analysis_set_pool(b, pool, NULL), EDX_OK);
    assert_int_equal(edx_analysis_set_decompose_pool(b, pool, NULL), EDX_OK);
    for (int f = 0; f < FRAMES; f++) {
        give_frame(b, order[f]);
        edx_analysis_update(b, &rb, NULL);
        assert_int_equal(edx_analysis_decompose(b, &rb, NULL), EDX_OK);
        assert_true(rb.detail.has_pca);
    }
    edx_analysis_update(a, &ra, NULL);
    results_equal(&ra, &rb);
    assert_int_equal(edx_analysis_final(b, &rb, NULL), EDX_OK);
    results_equal(&ra, &rb);
    edx_analysis_final(a, &ra, NULL);
    assert_int_equal(edx_analysis_decompose(a, &ra, NULL), EDX_OK);
    assert_int_equal(edx_analysis_decompose(b, &rb, NULL), EDX_OK);
    components_equal(&ra.detail.pca, &rb.detail.pca);
    edx_analysis_free(&a);
    edx_analysis_free(&b);
    edx_pool_free(&pool);
}

/* ---- details that are away ---- */

typedef struct errand {
    edx_analysis *analysis;
    edx_results results;
    edx_status status;
} errand;

static void *run_errand(void *argument)
{
    errand *e = argument;
    e->status = edx_analysis_find(e->analysis, &e->results, NULL);
    return NULL;
}

static void cubes_equal(const edx_analysis *a, const edx_analysis *b)
{
    static uint32_t of_a[CHANNELS], of_b[CHANNELS];
    const edx_scene *x = edx_analysis_scene(a), *y = edx_analysis_scene(b);
    assert_int_equal(edx_scene_counts(x), edx_scene_counts(y));
    assert_memory_equal(edx_scene_spectrum(x), edx_scene_spectrum(y), CHANNELS * sizeof(uint64_t));
    assert_memory_equal(edx_scene_exposure(x), edx_scene_exposure(y), PIXELS * sizeof(uint32_t));
    for (uint32_t p = 0; p < PIXELS; p++) {
        edx_scene_dense(x, p, 1, of_a);
        edx_scene_dense(y, p, 1, of_b);
        assert_memory_equal(of_a, of_b, sizeof of_a);
    }
}

/* Frames first .. last - 1 come to both; maps of both are the same after each. */
static void give_both(edx_analysis *a, edx_analysis *b, int first, int last)
{
    edx_results ra, rb;
    for (int f = first; f < last; f++) {
        give_frame(a, f);
        give_frame(b, f);
        assert_int_equal(edx_analysis_update(a, &ra, NULL), EDX_OK);
        assert_int_equal(edx_analysis_update(b, &rb, NULL), EDX_OK);
        results_equal(&ra, &rb);
    }
}

/* Scans that bins fill and that they do not, by 1 and by several; each in both orders: find in
 * another thread meanwhile, and find after all that came. */
static void what_comes_while_details_are_away_is_shown(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        edx_settings settings = make_settings();
        settings.analysis.bin_pixels = (uint64_t)(i % 3 + 1);
        edx_analysis *a = start(-5, &settings), *b = start(-5, &settings);
        errand e = {.analysis = b};
        edx_results ra;
        pthread_t thread;
        give_both(a, b, 0, 2);
        edx_analysis_update(b, &e.results, NULL);
        assert_int_equal(edx_analysis_prepare(b, &e.results, NULL), EDX_OK);
        assert_int_equal(pthread_create(&thread, NULL, run_errand, &e), 0);
        if (i >= 3) {
            assert_int_equal(pthread_join(thread, NULL), 0);
        }
        give_both(a, b, 2, 5);
        assert_true(edx_scene_counts(edx_analysis_scene(b)) <
                    edx_scene_counts(edx_analysis_scene(a)));
        assert_int_equal(edx_analysis_ages_of(b).sum, 5);
        assert_int_equal(edx_analysis_ages_of(b).components, 0);
        assert_true(i < 3 ? pthread_join(thread, NULL) == 0 : e.status == EDX_OK);
        edx_analysis_collect(b, &e.results);
        assert_int_equal(e.status, EDX_OK);
        assert_true(e.results.detail.has_pca);
        assert_int_equal(e.results.detail.pca.head.frames, 2);
        assert_int_equal(edx_analysis_ages_of(b).components, 2);
        give_both(a, b, 5, FRAMES);
        assert_int_equal(edx_analysis_final(a, &ra, NULL), EDX_OK);
        assert_int_equal(edx_analysis_final(b, &e.results, NULL), EDX_OK);
        cubes_equal(a, b);
        assert_int_equal(edx_analysis_decompose(a, &ra, NULL), EDX_OK);
        assert_int_equal(edx_analysis_decompose(b, &e.results, NULL), EDX_OK);
        results_equal(&ra, &e.results);
        components_equal(&ra.detail.pca, &e.results.detail.pca);
        edx_analysis_free(&a);
        edx_analysis_free(&b);
    }
}

/* Memory that events which wait might need is no reason to stop: it is enough that they have none.
 */
static void what_waits_is_no_reason_to_stop(void **state)
{
    (void)state;
    edx_settings settings = make_settings();
    edx_analysis *a = start(-5, &settings), *b = start(-5, &settings);
    edx_results results;
    give_both(a, b, 0, 1);
    edx_analysis_update(b, &results, NULL);
    assert_int_equal(edx_analysis_prepare(b, &results, NULL), EDX_OK);
    for (int f = 1; f < FRAMES; f++) {
        give_frame(a, f);
        give_frame(b, f);
    }
    edx_analysis_prepare(a, &results, NULL); /* nothing waits */
    edx_analysis_collect(a, &results);
    const uint64_t needed = edx_analysis_bytes(a, 0), most = edx_analysis_bytes(b, 0);
    assert_true(needed < most);
    assert_true(edx_analysis_fits(b, 0, most));
    assert_false(edx_analysis_fits(b, 0, most - 1)); /* while the details are away */
    edx_analysis_collect(b, &results);
    assert_true(edx_analysis_fits(b, 0, needed + needed / 4));
    assert_false(edx_analysis_fits(b, 0, needed / 2));
    cubes_equal(a, b);
    edx_analysis_free(&a);
    edx_analysis_free(&b);
}

/* Where there is none for a frame it is left out; where there is none to take up what waited, that
 * waits on. */
static void details_come_back_without_memory(void **state)
{
    edx_settings settings = make_settings();
    edx_results ra, rb;
    (void)state;
    for (size_t left = 0; left < 12; left++) {
        edx_analysis *a = start(-5, &settings), *b = start(-5, &settings);
        give_both(a, b, 0, 1);
        edx_analysis_update(b, &rb, NULL);
        assert_int_equal(edx_analysis_prepare(b, &rb, NULL), EDX_OK);
        for (int f = 1; f < FRAMES; f += f % 3) { /* 1, 2, 4, 5: those in one message */
            allocations_left = left;
            const edx_status status = give_rows(b, f, 0, ROWS, f % 3 == 1);
            allocations_left = SIZE_MAX;
            if (status == EDX_OK) {
                edx_analysis_frame(b, (uint64_t)f, true);
                give_frame(a, f);
            } else {
                assert_int_equal(status, EDX_E_NOMEM);
            }
        }
        edx_analysis_collect(b, &rb);
        allocations_left = left;
        const edx_status status = edx_analysis_prepare(b, &rb, NULL);
        allocations_left = SIZE_MAX;
        assert_true(status == EDX_OK || status == EDX_E_NOMEM);
        edx_analysis_collect(b, &rb);
        edx_analysis_update(a, &ra, NULL);
        edx_analysis_update(b, &rb, NULL);
        results_equal(&ra, &rb);
        edx_analysis_final(a, &ra, NULL);
        assert_int_equal(edx_analysis_final(b, &rb, NULL), EDX_OK);
        results_equal(&ra, &rb);
        cubes_equal(a, b);
        edx_analysis_free(&a);
        edx_analysis_free(&b);
    }
}

/* A change on the way gives what those settings would have given from the start. */
static void settings_may_change_on_the_way(void **state)
{
    edx_settings before = make_settings(), after = before, wrong = before;
    edx_results ra, rb;
    edx_error err = {.text = ""};
    (void)state;
    after.analysis.bin_energy = 1;
    after.analysis.bin_pixels = 3;
    after.analysis.energy_eV[0] = 0, after.analysis.energy_eV[1] = 900;
    after.quant.lines[0].k = 1.1;
    wrong.quant.lines[1].window_eV[0] = 5000, wrong.quant.lines[1].window_eV[1] = 6000;
    edx_analysis *a = run(-5, &after), *b = start(-5, &before);
    for (int f = 0; f < FRAMES; f++) {
        if (f == 4)
            assert_int_equal(edx_analysis_configure(b, &after, &err), EDX_OK);
        give_frame(b, f);
        assert_int_equal(edx_analysis_configure(b, &wrong, &err), EDX_E_RANGE);
        assert_non_null(strstr(err.text, "Fe_La window_eV"));
    }
    edx_analysis_update(a, &ra, NULL);
    edx_analysis_update(b, &rb, NULL);
    results_equal(&ra, &rb);
    assert_true(edx_analysis_settings(b)->quant.lines[0].k == 1.1);
    double chi2, p;
    uint64_t dof;
    const uint64_t *outliers;
    size_t n;
    edx_analysis_health(b, &chi2, &dof, &p, &outliers, &n);
    assert_int_equal(dof, 1); /* two frames since energy_eV changed */
    edx_analysis_free(&a);
    edx_analysis_free(&b);
}

static void settings_that_cannot_be_are_named(void **state)
{
    static const struct {
        uint64_t bin_energy, bin_pixels;
        double range[2];
        int method, background;
        const char *says;
    } cases[] = {
        {4, 8, {NAN, NAN}, EDX_CLIFF_LORIMER, EDX_BACKGROUND_WINDOWS, "analysis.bin_pixels: 8"},
        {131, 2, {NAN, NAN}, EDX_CLIFF_LORIMER, EDX_BACKGROUND_WINDOWS, "analysis.bin_energy: 131"},
        {4, 2, {5e3, 6e3}, EDX_CLIFF_LORIMER, EDX_BACKGROUND_WINDOWS, "analysis.energy_eV"},
        {4, 2, {NAN, NAN}, EDX_ZETA, EDX_BACKGROUND_WINDOWS, "expected zeta"},
        {4, 2, {NAN, NAN}, EDX_CROSS_SECTION, EDX_BACKGROUND_WINDOWS, "cross_section_barn"},
    };
    edx_begin begin = make_begin(-5);
    edx_settings good = make_settings();
    (void)state;
    assert_int_equal(edx_analysis_check(&begin, &good, NULL), EDX_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        edx_settings s = make_settings();
        edx_analysis *a = NULL;
        edx_error err = {.text = ""};
        s.analysis.bin_energy = cases[i].bin_energy;
        s.analysis.bin_pixels = cases[i].bin_pixels;
        memcpy(s.analysis.energy_eV, cases[i].range, sizeof cases[i].range);
        s.quant.method = cases[i].method;
        s.quant.background = cases[i].background;
        edx_status expected = cases[i].method == EDX_CLIFF_LORIMER ? EDX_E_RANGE : EDX_E_MISSING;
        assert_int_equal(edx_analysis_new(&begin, &s, &a, &err), expected);
        assert_null(a);
        assert_int_equal(edx_analysis_check(&begin, &s, NULL), expected);
        if (!strstr(err.text, cases[i].says))
            fail_msg("\"%s\" says nothing of %s", err.text, cases[i].says);
    }
}

/* ZETA at a probe of 1 nA, without the specimen's absorption to speak of. */
static edx_analysis *run_zeta(double limit)
{
    edx_settings settings = make_settings();
    edx_begin begin = make_begin(-5);
    edx_analysis *a = NULL;
    settings.quant.method = EDX_ZETA;
    settings.quant.limit = limit;
    settings.quant.lines[0].zeta = settings.quant.lines[1].zeta = 1;
    begin.probe_nA = 1;
    begin.elevation_deg = 90;
    assert_int_equal(edx_analysis_new(&begin, &settings, &a, NULL), EDX_OK);
    for (int f = 0; f < FRAMES; f++)
        give_frame(a, f);
    return a;
}

/* Fractions, atoms and thickness are known of the same pixels: with any limit, and with each that
 * a pixel is at, by less than its float tells. */
static void atoms_are_counted_where_there_are_fractions(void **state)
{
    edx_results r;
    edx_analysis *a = run_zeta(3);
    double limits[P];
    uint32_t seen[2] = {0};
    (void)state;
    assert_int_equal(edx_analysis_update(a, &r, NULL), EDX_OK);
    for (size_t p = 0; p < P; p++) {
        const edx_maps_result *m = &r.maps;
        double one = edx_array_get(&m->intensity, p) / edx_array_get(&m->sigma, p);
        double two = edx_array_get(&m->intensity, P + p) / edx_array_get(&m->sigma, P + p);
        limits[p] = fmin(one, two) * (1 + 5e-6);
    }
    edx_analysis_free(&a);
    for (size_t p = 0; p < P; p++) {
        if (!(limits[p] > 0))
            continue;
        a = run_zeta(limits[p]);
        assert_int_equal(edx_analysis_update(a, &r, NULL), EDX_OK);
        assert_true(isnan(edx_array_get(&r.maps.atomic_fraction, p)));
        for (size_t q = 0; q < P; q++) {
            bool known = !isnan(edx_array_get(&r.maps.atomic_fraction, q));
            assert_true(isnan(edx_array_get(&r.maps.mass_thickness, q)) == !known);
            for (size_t i = 0; i < 2; i++)
                assert_true(isnan(edx_array_get(&r.maps.atoms, i * P + q)) == !known);
            seen[known]++;
        }
        edx_analysis_free(&a);
    }
    assert_true(seen[0] > 0 && seen[1] > 0);
}

static void without_lines_there_is_a_spectrum(void **state)
{
    edx_settings settings = make_settings();
    edx_results r;
    edx_profile_result profile;
    edx_region_result region;
    uint8_t mask[PIXELS];
    uint32_t n = 9;
    (void)state;
    settings.quant.n_lines = 0;
    edx_analysis *a = run(-5, &settings);
    edx_analysis_update(a, &r, NULL);
    assert_false(r.has_maps);
    edx_analysis_lines(a, &n);
    assert_int_equal(n, 0);
    check_spectrum(&r.spectrum, 12);
    memset(mask, 1, sizeof mask);
    assert_int_equal(edx_analysis_region(a, mask, &region, NULL), EDX_OK);
    for (size_t e = 0; e < E; e++) { /* a region is of scan pixels, at every energy */
        uint64_t sum[CHANNELS] = {0}, binned = 0;
        for (size_t p = 0; p < PIXELS; p++)
            add_spectrum(sum, p);
        for (size_t i = 0; i < BIN; i++)
            binned += sum[e * BIN + i];
        assert_true(edx_array_get(&region.spectrum, e) == (double)binned);
    }
    assert_true(region.counts.ndim == 0 && region.pixels == PIXELS);
    assert_int_equal(edx_analysis_profile(a, (double[]){0, 0}, (double[]){1, 1}, 1, &profile, NULL),
                     EDX_E_STATE);
    edx_analysis_free(&a);
}

/* ---- profiles and regions ---- */

/* Along row 3, three rows wide: point i is column i of rows 2 to 4. */
static void a_band_along_a_row_is_its_columns(void **state)
{
    edx_settings settings = make_settings();
    edx_analysis *a = run(-5, &settings);
    edx_profile_result r;
    const double from[2] = {1.5, 0}, to[2] = {1.5, 0.25 * (COLS - 1)};
    (void)state;
    assert_int_equal(edx_analysis_profile(a, from, to, 1.0, &r, NULL), EDX_OK);
    assert_true(r.d_nm.shape[0] == COLS && r.counts.shape[0] == 2 && r.counts.shape[1] == COLS);
    assert_true(r.from_nm[0] == 1.5 && r.to_nm[1] == to[1] && r.width_nm == 1);
    assert_int_equal(r.head.frames, FRAMES);
    for (size_t i = 0; i < COLS; i++) {
        uint64_t spectrum[CHANNELS] = {0};
        for (size_t row = 2; row <= 4; row++)
            add_spectrum(spectrum, row * COLS + i);
        answer s = solve(spectrum, -5);
        assert_near(edx_array_get(&r.d_nm, i), 0.25 * (double)i, 1e-12);
        for (size_t j = 0; j < 2; j++) {
            same(edx_array_get(&r.counts, j * COLS + i), s.net[j], 1e-12);
            same(edx_array_get(&r.fraction, j * COLS + i), s.fraction[j], 1e-12);
            same(edx_array_get(&r.sigma, j * COLS + i), s.sigma[j], 1e-9);
        }
    }
    edx_analysis_free(&a);
}

typedef struct known_band {
    uint64_t spectra[64][CHANNELS]; /* of the points */
    uint64_t pixels;
} known_band;

/* Every pixel between the ends and near enough, at the nearest multiple of 0.25 nm. */
static void make_band(known_band *b, const double from[2], const double to[2], double width)
{
    double length = hypot(to[0] - from[0], to[1] - from[1]);
    memset(b, 0, sizeof *b);
    for (size_t p = 0; p < PIXELS; p++) {
        double y = 0.5 * (double)(p / COLS) - from[0], x = 0.25 * (double)(p % COLS) - from[1];
        double t = (y * (to[0] - from[0]) + x * (to[1] - from[1])) / length;
        double off = fabs(y * (to[1] - from[1]) - x * (to[0] - from[0])) / length;
        if (t < 0 || t > length || off > width / 2)
            continue;
        add_spectrum(b->spectra[lround(t / 0.25)], p);
        b->pixels++;
    }
}

/* Any band, across the scan or beside it. */
static void a_band_counts_each_pixel_once(void **state)
{
    static known_band known;
    edx_settings settings = make_settings();
    edx_analysis *a = run(-5, &settings);
    (void)state;
    for (int trial = 0; trial < 200; trial++) {
        const double from[2] = {chance(400) * 0.01 - 0.5, chance(300) * 0.01 - 0.5};
        const double to[2] = {chance(400) * 0.01 - 0.5, chance(300) * 0.01 - 0.503};
        double width = chance(150) * 0.01;
        edx_profile_result r;
        make_band(&known, from, to, width);
        edx_status status = edx_analysis_profile(a, from, to, width, &r, NULL);
        assert_int_equal(status, known.pixels ? EDX_OK : EDX_E_RANGE);
        if (!known.pixels)
            continue;
        size_t m = r.d_nm.shape[0];
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < 2; j++)
                same(edx_array_get(&r.counts, j * m + i), solve(known.spectra[i], -5).net[j], 1e-9);
    }
    edx_analysis_free(&a);
}

static void impossible_bands_are_refused(void **state)
{
    static const double bands[][5] = {
        {0, 0, 0, 0, 1},   {50, 50, 60, 60, 1},    {0, 0, 1, 1, -1}, {0, 0, 1e9, 0, 1},
        {NAN, 0, 1, 1, 1}, {0, 0, INFINITY, 0, 1}, {0, 0, 1, 1, NAN}};
    edx_settings settings = make_settings();
    edx_analysis *a = run(-5, &settings);
    edx_profile_result r;
    edx_error err = {.text = ""};
    (void)state;
    for (size_t i = 0; i < sizeof bands / sizeof bands[0]; i++)
        assert_int_equal(edx_analysis_profile(a, bands[i], bands[i] + 2, bands[i][4], &r, &err),
                         EDX_E_RANGE);
    edx_analysis_free(&a);
}

/* The composition of a region comes from summed counts. */
static void a_region_is_its_sum(void **state)
{
    edx_settings settings = make_settings();
    edx_analysis *a = run(-5, &settings);
    uint8_t mask[PIXELS] = {0};
    uint64_t spectrum[CHANNELS] = {0};
    edx_region_result r;
    (void)state;
    for (size_t p = 0; p < PIXELS; p += 5) {
        mask[p] = 7;
        add_spectrum(spectrum, p);
    }
    assert_int_equal(edx_analysis_region(a, mask, &r, NULL), EDX_OK);
    answer s = solve(spectrum, -5);
    assert_int_equal(r.pixels, (PIXELS + 4) / 5);
    for (size_t e = 0; e < E; e++)
        assert_true(edx_array_get(&r.spectrum, e) ==
                    (double)(spectrum[4 * e] + spectrum[4 * e + 1] + spectrum[4 * e + 2] +
                             spectrum[4 * e + 3]));
    for (size_t i = 0; i < 2; i++) {
        same(edx_array_get(&r.counts, i), s.net[i], 1e-12);
        same(edx_array_get(&r.fraction, i), s.fraction[i], 1e-12);
        same(edx_array_get(&r.sigma, i), s.sigma[i], 1e-9);
        same(r.covariance[2 * i], s.covariance[i][0], 1e-12);
    }
    memset(mask, 0, sizeof mask);
    assert_int_equal(edx_analysis_region(a, mask, &r, NULL), EDX_E_RANGE);
    /* rows 1 to 3, columns 2 to 5 */
    const double box[4][2] = {{0.3, 0.4}, {0.3, 1.3}, {1.6, 1.3}, {1.6, 0.4}};
    assert_int_equal(edx_analysis_region_polygon(a, box, 4, &r, NULL), EDX_OK);
    assert_int_equal(r.pixels, 12);
    assert_int_equal(edx_analysis_region_polygon(a, box, 2, &r, NULL), EDX_E_RANGE);
    edx_analysis_free(&a);
}

/* Inside, by the angle that the corners turn through as seen from the pixel: odd turns are in. */
static bool turns_round(const double (*corners)[2], size_t n, double y, double x)
{
    double angle = 0;
    for (size_t i = 0; i < n; i++) {
        const double *p = corners[i], *q = corners[(i + 1) % n];
        double ay = p[0] - y, ax = p[1] - x, by = q[0] - y, bx = q[1] - x;
        angle += atan2(ax * by - ay * bx, ax * bx + ay * by);
    }
    return (long)round(fabs(angle) / 6.283185307179586) % 2 == 1;
}

static void polygons_hold_the_pixels_inside(void **state)
{
    static const double star[5][2] = {{0, 2}, {3.9, 0.6}, {1.4, 4.1}, {1.3, 0.1}, {3.8, 3.7}};
    const double step[2] = {0.3, 0.2};
    uint8_t mask[20 * 30];
    (void)state;
    for (int trial = 0; trial < 300; trial++) {
        double corners[9][2];
        size_t n = 3 + chance(7);
        for (size_t i = 0; i < n; i++) {
            corners[i][0] = chance(100000) * 0.00007 - 0.5123;
            corners[i][1] = chance(100000) * 0.00007 - 0.5077;
        }
        if (trial == 0)
            memcpy(corners, star, (n = 5) * sizeof star[0]);
        assert_int_equal(
            edx_profile_polygon(20, 30, step, (const double(*)[2])corners, n, mask, NULL), EDX_OK);
        for (size_t p = 0; p < 20 * 30; p++)
            assert_int_equal(mask[p], turns_round((const double(*)[2])corners, n,
                                                  0.3 * (double)(p / 30), 0.2 * (double)(p % 30)));
    }
}

/* Two triangles that share a diagonal through pixel centres make the rectangle, no pixel twice. */
static void neighbouring_polygons_share_no_pixel(void **state)
{
    static const double step[2] = {1, 1};
    static const double lower[3][2] = {{0, 0}, {0, 10}, {10, 0}},
                        upper[3][2] = {{10, 10}, {10, 0}, {0, 10}};
    uint8_t a[144], b[144];
    (void)state;
    edx_profile_polygon(12, 12, step, lower, 3, a, NULL);
    edx_profile_polygon(12, 12, step, upper, 3, b, NULL);
    for (size_t p = 0; p < 144; p++)
        assert_int_equal(a[p] + b[p], p / 12 < 10 && p % 12 < 10);
}

/* ---- trouble ---- */

/* Critical values as printed in any table of chi-squared. */
static void chi_squared_as_in_the_tables(void **state)
{
    static const struct {
        double chi2;
        uint64_t dof;
        double p;
    } table[] = {{3.841, 1, 0.05}, {18.307, 10, 0.05}, {118.498, 100, 0.10}, {37.566, 20, 0.01}};
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_true(fabs(edx_health_chi2_p(table[i].chi2, table[i].dof) - table[i].p) < 2e-5);
    assert_true(edx_health_chi2_p(1e5, 10) == 0.0);
    assert_true(edx_health_chi2_p(0.0, 10) == 1.0);
    assert_true(edx_health_chi2_p(5.0, 0) == 1.0);
}

/* A frame placed with rows missing whose rows come later is one frame again. */
static void late_rows_join_their_frame(void **state)
{
    edx_health *health = NULL;
    double chi2, p;
    uint64_t dof;
    const uint64_t *outliers;
    size_t n;
    (void)state;
    assert_int_equal(edx_health_new(&health, NULL), EDX_OK);
    for (uint64_t frame = 0; frame < 6; frame++) {
        bool late = frame == 2;
        assert_int_equal(edx_health_add(health, frame, late ? 40 : 100, NULL), EDX_OK);
        edx_health_close(health, frame, !late);
    }
    edx_health_result(health, &chi2, &dof, &p, &outliers, &n);
    assert_int_equal(n, 1);
    assert_int_equal(outliers[0], 2);
    assert_int_equal(edx_health_add(health, 2, 30, NULL), EDX_OK);
    edx_health_close(health, 2, false);
    assert_int_equal(edx_health_add(health, 2, 30, NULL), EDX_OK);
    edx_health_close(health, 2, true);
    edx_health_result(health, &chi2, &dof, &p, &outliers, &n);
    assert_int_equal(n, 0);
    assert_int_equal(dof, 5);
    assert_true(chi2 == 0.0);
    edx_health_free(&health);
}

static void aborted_frames_are_named(void **state)
{
    edx_settings settings = make_settings();
    edx_analysis *a = start(-5, &settings);
    const uint64_t *outliers;
    double chi2, p;
    uint64_t dof;
    size_t n;
    edx_results r;
    (void)state;
    give_frame(a, 1);
    give_frame(a, 2);
    assert_int_equal(give_rows(a, 3, 0, 3, false), EDX_OK);
    edx_analysis_frame(a, 3, false);
    edx_analysis_update(a, &r, NULL);
    assert_true(r.head.frames == 2 && r.head.frame == 3);
    assert_true(edx_array_get(&r.maps.exposure, 0) == 3);   /* rows 0 and 1 */
    assert_true(edx_array_get(&r.maps.exposure, C) == 2.5); /* rows 2 and 3 */
    assert_true(edx_array_get(&r.maps.exposure, 2 * C) == 2.0);
    edx_analysis_health(a, &chi2, &dof, &p, &outliers, &n);
    assert_true(n == 1 && outliers[0] == 3 && dof == 1);
    edx_analysis_free(&a);
}

/* Every allocation fails in turn: an error, nothing leaked (the sanitizer looks), nothing changed.
 */
static void memory_may_run_out_anywhere(void **state)
{
    edx_settings settings = make_settings();
    edx_begin begin = make_begin(-5);
    edx_analysis *a = NULL, *b = run(-5, &settings), *whole = run(-5, &settings);
    edx_results ra, rb;
    size_t i = 0;
    (void)state;
    for (edx_status status = EDX_E_NOMEM; status != EDX_OK; i++) {
        allocations_left = i;
        status = edx_analysis_new(&begin, &settings, &a, NULL);
        allocations_left = SIZE_MAX;
        assert_true(status == EDX_OK || (status == EDX_E_NOMEM && a == NULL));
    }
    print_message("%zu allocations\n", i - 1);
    edx_analysis_free(&a);
    settings.analysis.bin_energy = 2;
    i = 0;
    for (edx_status status = EDX_E_NOMEM; status != EDX_OK; i++) {
        edx_analysis_update(b, &rb, NULL);
        edx_analysis_update(whole, &ra, NULL);
        results_equal(&ra, &rb);
        allocations_left = i;
        status = edx_analysis_configure(b, &settings, NULL);
        allocations_left = SIZE_MAX;
        assert_true(status == EDX_OK || status == EDX_E_NOMEM);
    }
    edx_analysis_free(&b);
    edx_analysis_free(&whole);
}

static int set_up(void **state)
{
    (void)state;
    make_frames();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_those_of_the_contract),
        cmocka_unit_test(the_limit_leaves_pixels_out),
        cmocka_unit_test(energies_outside_are_left_out_of_totals),
        cmocka_unit_test(the_sum_holds_what_the_totals_hold),
        cmocka_unit_test(an_axis_below_100_eV_is_taken_whole),
        cmocka_unit_test(extreme_begins_end_in_time),
        cmocka_unit_test(live_time_follows_dead_time),
        cmocka_unit_test(order_and_threads_change_nothing),
        cmocka_unit_test(what_comes_while_details_are_away_is_shown),
        cmocka_unit_test(what_waits_is_no_reason_to_stop),
        cmocka_unit_test(details_come_back_without_memory),
        cmocka_unit_test(settings_may_change_on_the_way),
        cmocka_unit_test(settings_that_cannot_be_are_named),
        cmocka_unit_test(atoms_are_counted_where_there_are_fractions),
        cmocka_unit_test(without_lines_there_is_a_spectrum),
        cmocka_unit_test(a_band_along_a_row_is_its_columns),
        cmocka_unit_test(a_band_counts_each_pixel_once),
        cmocka_unit_test(impossible_bands_are_refused),
        cmocka_unit_test(a_region_is_its_sum),
        cmocka_unit_test(polygons_hold_the_pixels_inside),
        cmocka_unit_test(neighbouring_polygons_share_no_pixel),
        cmocka_unit_test(chi_squared_as_in_the_tables),
        cmocka_unit_test(late_rows_join_their_frame),
        cmocka_unit_test(aborted_frames_are_named),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    print_message("seed %llu\n", (unsigned long long)state_of_chance);
    return cmocka_run_group_tests(tests, set_up, NULL);
}
