/* Details of acquisitions that hardly are any: results are defined, whatever the counts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/analysis.h"
#include "instrument/random.h"

enum { CHANNELS = 512, MOST = 32 * 32 };

static edx_settings make_settings(uint64_t rank, uint64_t components)
{
    edx_settings s;

    edx_settings_default(&s);
    s.analysis.bin_energy = 1;
    s.analysis.bin_pixels = 1;
    s.analysis.pca.rank = rank;
    s.analysis.nmf.automatic = components == 0;
    s.analysis.nmf.components = components;
    s.quant.n_lines = 2;
    memcpy(s.quant.lines[0].line, "Ag_La", 6);
    memcpy(s.quant.lines[1].line, "Au_Ma", 6);
    s.quant.lines[0].k = 1.44;
    s.quant.lines[1].k = 1;
    return s;
}

static edx_begin make_begin(uint32_t rows, uint32_t cols)
{
    edx_begin b = {.rows = rows,
                   .cols = cols,
                   .step_nm = {0.5, 0.5},
                   .dwell_s = 0.001,
                   .frames = 20,
                   .channels = CHANNELS,
                   .offset_eV = 0,
                   .scale_eV = 10,
                   .beam_keV = 80,
                   .solid_angle_sr = NAN,
                   .elevation_deg = NAN,
                   .azimuth_deg = NAN,
                   .resolution_eV = 130,
                   .probe_nA = NAN};
    memcpy(b.head.acq, "edge", 5);
    return b;
}

/* Mean counts of a frame in pixel p and channel c. */
typedef double mean_counts(uint32_t p, uint32_t pixels, uint32_t c);

static double none(uint32_t p, uint32_t pixels, uint32_t c)
{
    (void)p;
    (void)pixels;
    (void)c;
    return 0;
}

static double one_channel(uint32_t p, uint32_t pixels, uint32_t c)
{
    (void)p;
    (void)pixels;
    return c == 298 ? 3 : 0;
}

static double one_pixel(uint32_t p, uint32_t pixels, uint32_t c)
{
    return p == pixels / 2 ? (c == 298 || c == 212 ? 40 : 0.1) : 0;
}

/* Half the rows are empty, and channels at both ends. */
static double sparse_rows(uint32_t p, uint32_t pixels, uint32_t c)
{
    return p < pixels / 2 || c < 100 || c > 400 ? 0 : c % 90 < 6 ? 0.4 : 0.02;
}

static double flat(uint32_t p, uint32_t pixels, uint32_t c)
{
    (void)p;
    (void)pixels;
    (void)c;
    return 0.01;
}

/* A disc of both elements in the middle, on a support. */
static double disc(uint32_t p, uint32_t pixels, uint32_t c)
{
    double side = sqrt(pixels), y = p / (uint32_t)side - side / 2,
           x = p % (uint32_t)side - side / 2;
    double near_line = exp(-pow((c - 298.0) / 5, 2)) + exp(-pow((c - 212.0) / 5, 2));

    return 0.002 + (hypot(y, x) < side / 4 ? 0.2 * near_line : 0);
}

/* One of the elements alone. */
static double silver(uint32_t p, uint32_t pixels, uint32_t c)
{
    return c < 260 ? 0.002 : disc(p, pixels, c);
}

static void give_frame(edx_analysis *a, uint32_t frame, mean_counts *mean, bool image,
                       edx_random *random)
{
    static uint32_t offsets[MOST + 1];
    static uint16_t channels[MOST * CHANNELS];
    static float picture[MOST];
    const edx_begin *b = edx_analysis_begin(a);
    uint32_t pixels = b->rows * b->cols, n = 0;
    edx_error err = {.text = ""};

    for (uint32_t p = 0; p < pixels; p++) {
        offsets[p] = n;
        picture[p] = p % 7 == 0 ? NAN : p % 5 == 0 ? INFINITY : (float)p;
        for (uint32_t c = 0; c < CHANNELS; c++)
            for (uint64_t k = edx_random_poisson(random, mean(p, pixels, c));
                 k > 0 && n < MOST * CHANNELS; k--)
                channels[n++] = (uint16_t)c;
    }
    offsets[pixels] = n;
    edx_frame f = {
        .frame = frame, .rows = b->rows, .live_s = NAN, .real_s = NAN, .n_images = image};
    if (image) {
        memcpy(f.image_names[0], "HAADF", 6);
        f.images[0] = edx_array_2(EDX_F4, picture, b->rows, b->cols);
    }
    const edx_events events = {pixels, offsets, channels, NULL};
    if (edx_analysis_add(a, &f, &events, &err) != EDX_OK)
        fail_msg("%s", err.text);
    edx_analysis_frame(a, frame, true);
}

static void assert_finite(const char *name, const edx_array *array)
{
    uint64_t elements = 0, bytes = 0;

    if (array->ndim == 0)
        return;
    assert_true(edx_array_count(array, &elements, &bytes));
    for (uint64_t i = 0; i < elements; i++)
        if (!isfinite(edx_array_get(array, i)))
            fail_msg("%s[%u] is not finite", name, (unsigned)i);
}

/* NaN, or a fraction; not 0 or 1 out of nothing. */
static void assert_fractions(const char *name, const edx_array *array)
{
    uint64_t elements = 0, bytes = 0;

    assert_true(edx_array_count(array, &elements, &bytes));
    for (uint64_t i = 0; i < elements; i++) {
        double f = edx_array_get(array, i);
        if (!isnan(f) && !(f > 0 && f < 1))
            fail_msg("%s[%u] is %g", name, (unsigned)i, f);
    }
}

static void check(const edx_results *r, bool only_one)
{
    const edx_detail_results *d = &r->detail;

    assert_finite("intensity", &r->maps.intensity);
    assert_finite("sigma", &r->maps.sigma);
    assert_fractions("atomic_fraction", &r->maps.atomic_fraction);
    assert_fractions("denoised_fraction", &r->maps.denoised_fraction);
    if (d->has_pca) {
        assert_finite("eigenvalues", &d->pca.eigenvalues);
        assert_finite("pca.spectra", &d->pca.spectra);
        assert_finite("pca.maps", &d->pca.maps);
        assert_finite("explained", &d->pca.explained);
        assert_true(isfinite(d->pca.noise_edge));
    }
    if (d->has_nmf) {
        assert_finite("nmf.spectra", &d->nmf.spectra);
        assert_finite("nmf.maps", &d->nmf.maps);
        assert_finite("share", &d->nmf.share);
        assert_true(isfinite(d->nmf.divergence));
    }
    for (size_t i = 0; i < d->particles.count; i++) {
        const edx_particle *p = &d->particles.particles[i];
        assert_true(isfinite(p->diameter_nm) && isfinite(p->centre_nm[0]));
        assert_fractions("fraction", &p->radial.fraction);
        assert_fractions("model", &p->radial.model);
        assert_fractions("denoised", &p->radial.denoised);
        assert_fractions("pca", &p->radial.pca);
        assert_fractions("nmf", &p->radial.nmf);
        assert_true(isfinite(p->radial.denoised_check.p) && isfinite(p->radial.pca_check.p));
        if (only_one) {
            assert_true(isnan(p->composition[0][0]));
            for (size_t k = 0; k < p->radial.m; k++)
                assert_false(p->radial.quantified[k]);
        }
    }
    if (d->has_trend) {
        assert_true(isfinite(d->trend.damage.z) && d->trend.damage.p > 0);
        assert_fractions("composition", &d->trend.composition);
        assert_finite("drift_nm", &d->trend.drift_nm);
    }
}

typedef struct edge {
    const char *name;
    uint32_t rows, cols, frames;
    mean_counts *mean;
    uint64_t rank, components;
    bool image, only_one, particle;
} edge;

static const edge edges[] = {
    {"no counts", 8, 8, 3, none, EDX_AUTO, 0, true, true, false},
    {"no frame", 8, 8, 0, flat, EDX_AUTO, 0, true, true, false},
    {"one pixel", 1, 1, 5, flat, EDX_AUTO, 0, false, true, false},
    {"one row", 1, 24, 5, flat, EDX_AUTO, 3, false, false, false},
    {"all in one channel", 12, 12, 12, one_channel, EDX_AUTO, 4, false, true, false},
    {"all in one pixel", 12, 12, 12, one_pixel, EDX_AUTO, 4, true, false, false},
    {"empty rows and channels", 12, 12, 12, sparse_rows, EDX_AUTO, 0, true, false, false},
    {"more components than there can be", 3, 3, 4, flat, 16, 16, false, false, false},
    {"one frame", 24, 24, 1, disc, EDX_AUTO, 0, false, false, false},
    {"a particle", 32, 32, 12, disc, EDX_AUTO, 0, true, false, true},
    {"one partner missing", 32, 32, 12, silver, EDX_AUTO, 3, true, true, true},
};

static void run(const edge *e, bool every_frame)
{
    edx_settings settings = make_settings(e->rank, e->components);
    edx_begin begin = make_begin(e->rows, e->cols);
    edx_analysis *a = NULL;
    edx_results r;
    edx_random random;
    edx_error err = {.text = ""};

    print_message("%s\n", e->name);
    edx_random_seed(&random, 5, 5);
    if (edx_analysis_new(&begin, &settings, &a, &err) != EDX_OK)
        fail_msg("%s", err.text);
    for (uint32_t f = 0; f < e->frames; f++) {
        give_frame(a, f, e->mean, e->image, &random);
        if (!every_frame)
            continue;
        assert_int_equal(edx_analysis_update(a, &r, &err), EDX_OK);
        if (edx_analysis_decompose(a, &r, &err) != EDX_OK)
            fail_msg("%s", err.text);
        check(&r, e->only_one);
    }
    assert_int_equal(edx_analysis_final(a, &r, &err), EDX_OK);
    if (edx_analysis_decompose(a, &r, &err) != EDX_OK)
        fail_msg("%s", err.text);
    check(&r, e->only_one);
    if (e->particle)
        assert_true(r.detail.particles.count == 1);
    edx_analysis_free(&a);
}

static void test_results_are_defined(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        run(&edges[i], false);
        run(&edges[i], true);
    }
}

/* What is found piece by piece is found of the same maps again and again. */
static void test_decomposing_again_finds_the_same(void **state)
{
    edx_settings settings = make_settings(EDX_AUTO, 0);
    edx_begin begin = make_begin(32, 32);
    edx_analysis *a = NULL;
    edx_results r;
    edx_random random;

    (void)state;
    edx_random_seed(&random, 5, 5);
    assert_int_equal(edx_analysis_new(&begin, &settings, &a, NULL), EDX_OK);
    for (uint32_t f = 0; f < 8; f++)
        give_frame(a, f, disc, true, &random);
    assert_int_equal(edx_analysis_update(a, &r, NULL), EDX_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(edx_analysis_decompose(a, &r, NULL), EDX_OK);
        assert_int_equal(r.detail.particles.count, 1);
        assert_int_equal(r.detail.particles.particles[0].id, 1);
    }
    edx_analysis_free(&a);
}

/* ---- windows and regions at their limits ---- */

/* Two windows that share 300 eV, without background. */
static edx_settings overlapping(void)
{
    edx_settings s = make_settings(EDX_AUTO, 0);

    memcpy(s.quant.lines[1].line, "Cd_La", 6);
    for (int i = 0; i < 2; i++) {
        double low = i == 0 ? 2795 : 2895;
        s.quant.lines[i].window_eV[0] = low;
        s.quant.lines[i].window_eV[1] = low + 400;
        for (int j = 0; j < 2; j++) {
            s.quant.lines[i].background_eV[j][0] = j == 0 ? 2005 : 4005;
            s.quant.lines[i].background_eV[j][1] = j == 0 ? 2105 : 4105;
        }
    }
    return s;
}

/* One frame with so many counts at 2850, 3000 and 3250 eV in each pixel: in the first window, in
 * both, in the second. */
static edx_analysis *add_three(const edx_settings *settings, const uint32_t counts[3])
{
    static uint32_t offsets[17];
    static uint16_t channels[16 * 1000];
    static const uint16_t at[3] = {285, 300, 325};
    edx_begin begin = make_begin(4, 4);
    edx_frame frame = {.rows = 4, .live_s = NAN, .real_s = NAN};
    edx_analysis *a = NULL;
    edx_error err = {.text = ""};
    uint32_t n = 0;

    for (uint32_t p = 0; p < 16; p++) {
        for (int i = 0; i < 3; i++)
            for (uint32_t k = 0; k < counts[i]; k++)
                channels[n++] = at[i];
        offsets[p + 1] = n;
    }
    const edx_events events = {16, offsets, channels, NULL};
    if (edx_analysis_new(&begin, settings, &a, &err) != EDX_OK)
        fail_msg("%s", err.text);
    assert_int_equal(edx_analysis_add(a, &frame, &events, &err), EDX_OK);
    edx_analysis_frame(a, 0, true);
    return a;
}

static void assert_near(const char *name, double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-6 * fabs(expected)))
        fail_msg("%s: %.9g, expected %.9g", name, value, expected);
}

/* A region of one pixel, whose windows share counts: these are known twice, not twice as well. */
static void test_overlapping_windows_share_their_error(void **state)
{
    static const uint32_t counts[3] = {200, 300, 400};
    static const uint8_t one[16] = {0, 0, 0, 0, 0, 0, 1};
    const double a = 500, b = 700, shared = 300;
    edx_settings settings = overlapping();
    edx_analysis *analysis = add_three(&settings, counts);
    edx_region_result region;
    edx_results r;
    edx_error err = {.text = ""};

    (void)state;
    double f = 1.44 * a / (1.44 * a + b), relative = 1 / a + 1 / b - 2 * shared / (a * b);
    assert_int_equal(edx_analysis_final(analysis, &r, &err), EDX_OK);
    assert_near("map", edx_array_get(&r.maps.atomic_fraction, 5), f);
    assert_near("its sigma", edx_array_get(&r.maps.fraction_sigma, 5),
                f * (1 - f) * sqrt(relative));
    assert_int_equal(edx_analysis_region(analysis, one, &region, &err), EDX_OK);
    assert_int_equal(region.pixels, 1);
    assert_near("counts", edx_array_get(&region.counts, 0), a);
    assert_near("region", edx_array_get(&region.fraction, 0), f);
    assert_near("its sigma", edx_array_get(&region.sigma, 0), f * (1 - f) * sqrt(relative));
    if (edx_analysis_decompose(analysis, &r, &err) != EDX_OK)
        fail_msg("%s", err.text);
    check(&r, false);
    edx_analysis_free(&analysis);
}

/* Nothing is known of either element. */
static void test_a_region_of_nothing(void **state)
{
    static const uint32_t counts[3] = {0, 0, 0};
    static const uint8_t one[16] = {1};
    edx_settings settings = overlapping();
    edx_analysis *analysis = add_three(&settings, counts);
    edx_region_result region;
    edx_error err = {.text = ""};

    (void)state;
    assert_int_equal(edx_analysis_region(analysis, one, &region, &err), EDX_OK);
    for (uint64_t i = 0; i < 2; i++) {
        assert_true(fabs(edx_array_get(&region.counts, i)) <= 0);
        assert_true(isnan(edx_array_get(&region.fraction, i)));
        assert_true(isnan(edx_array_get(&region.sigma, i)));
    }
    edx_analysis_free(&analysis);
}

/* The axis ends at 5110 eV: what lies beyond cannot be, and the key is named; what begins before
 * takes the channels that are there. */
static void test_windows_off_the_axis(void **state)
{
    edx_begin begin = make_begin(4, 4);
    edx_error err = {.text = ""};
    edx_settings s;

    (void)state;
    for (int i = 0; i < 2; i++) {
        s = overlapping();
        double *window = i == 0 ? s.quant.lines[1].window_eV : s.quant.lines[0].background_eV[1];
        window[0] = 6000;
        window[1] = 6200;
        assert_int_equal(edx_analysis_check(&begin, &s, &err), EDX_E_RANGE);
        assert_non_null(strstr(err.text, i == 0 ? "Cd_La window_eV" : "Ag_La background_eV"));
    }
    s = overlapping();
    s.quant.lines[0].window_eV[0] = 2845;
    s.quant.lines[0].window_eV[1] = 9000;
    static const uint32_t counts[3] = {200, 300, 400};
    edx_analysis *analysis = add_three(&s, counts);
    edx_results r;
    assert_int_equal(edx_analysis_final(analysis, &r, &err), EDX_OK);
    assert_near("net", edx_array_get(&r.maps.intensity, 5), 900);
    edx_analysis_free(&analysis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results_are_defined),
        cmocka_unit_test(test_decomposing_again_finds_the_same),
        cmocka_unit_test(test_overlapping_windows_share_their_error),
        cmocka_unit_test(test_a_region_of_nothing),
        cmocka_unit_test(test_windows_off_the_axis),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
