/* Line intensities against their definition on dense counts. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "analysis/intensity.h"
#include "analysis/intensity_tile.h"

static uint64_t chance_state;

static uint32_t chance(uint32_t below)
{
    uint64_t z = (chance_state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % below);
}

static int allocations_left = -1; /* -1: no limit */

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
    if (allocations_left >= 0 && allocations_left-- == 0)
        return NULL;
    return __real_calloc(n, size);
}

/* ---- by definition ---- */

typedef struct setup {
    edx_line lines[EDX_MAX_LINES];
    uint32_t n;
    edx_axis axis;
    uint32_t bin_energy, rows, cols, channels, bin_pixels;
} setup;

/* Sum and number of the analysis channels whose centre lies in a window. */
static double window_sum(const edx_axis *axis, const double window[2], const double *s, double *n)
{
    double sum = 0;

    *n = 0;
    for (uint32_t a = 0; a < axis->channels; a++) {
        double energy = axis->offset_eV + a * axis->scale_eV;
        if (energy >= window[0] && energy < window[1]) {
            sum += s[a];
            *n += 1;
        }
    }
    return sum;
}

/* Peak minus n times the straight line through the two backgrounds' mean levels, at its middle. */
static double net_of(const edx_line *line, const edx_axis *axis, const double *s)
{
    double n, n1, n2;
    double peak = window_sum(axis, line->window_eV, s, &n);
    double level1 = window_sum(axis, line->background_eV[0], s, &n1) / n1;
    double level2 = window_sum(axis, line->background_eV[1], s, &n2) / n2;
    double e = 0.5 * (line->window_eV[0] + line->window_eV[1]);
    double e1 = 0.5 * (line->background_eV[0][0] + line->background_eV[0][1]);
    double e2 = 0.5 * (line->background_eV[1][0] + line->background_eV[1][1]);

    return peak - n * (level1 + (level2 - level1) / (e2 - e1) * (e - e1));
}

/* v_i in every analysis channel: what one count there gives. */
static double *functionals(const setup *t)
{
    double *v = calloc((size_t)t->n * t->axis.channels, sizeof *v);
    double *one = calloc(t->axis.channels, sizeof *one);

    for (uint32_t i = 0; i < t->n; i++)
        for (uint32_t a = 0; a < t->axis.channels; a++) {
            one[a] = 1;
            v[(size_t)i * t->axis.channels + a] = net_of(&t->lines[i], &t->axis, one);
            one[a] = 0;
        }
    free(one);
    return v;
}

/* Analysis spectrum of one analysis pixel of a dense cube. */
static void binned(const setup *t, const uint32_t *cube, uint32_t row, uint32_t col, double *s)
{
    memset(s, 0, sizeof *s * t->axis.channels);
    for (uint32_t r = row * t->bin_pixels; r < (row + 1) * t->bin_pixels; r++)
        for (uint32_t c = col * t->bin_pixels; c < (col + 1) * t->bin_pixels; c++)
            for (uint32_t k = 0; k < t->axis.channels * t->bin_energy; k++)
                s[k / t->bin_energy] += cube[((size_t)r * t->cols + c) * t->channels + k];
}

/* ---- random setups ---- */

static void random_window(const setup *t, double window[2])
{
    double width = t->axis.scale_eV * (1 + chance(t->axis.channels / 3));
    double reach = t->axis.scale_eV * t->axis.channels - width;

    window[0] = t->axis.offset_eV + reach * chance(1000) / 1000;
    window[1] = window[0] + width;
}

static bool usable(const setup *t, const edx_line *line)
{
    const double *windows[] = {line->window_eV, line->background_eV[0], line->background_eV[1]};
    double s[4096] = {0}, n;

    for (int w = 0; w < 3; w++) {
        (void)window_sum(&t->axis, windows[w], s, &n);
        if (n == 0)
            return false;
    }
    return fabs(windows[1][0] + windows[1][1] - windows[2][0] - windows[2][1]) >
           2 * t->axis.scale_eV;
}

static void random_line(const setup *t, edx_line *line)
{
    memset(line, 0, sizeof *line);
    do {
        random_window(t, line->window_eV);
        random_window(t, line->background_eV[0]);
        random_window(t, line->background_eV[1]);
    } while (!usable(t, line));
}

static setup random_setup(uint32_t most_lines)
{
    setup t = {
        .n = 1 + chance(most_lines), .bin_energy = 1 + chance(4), .bin_pixels = 1 + chance(3)};

    t.axis = (edx_axis){-30.0 + chance(50), 5.0 + chance(10), 12 + chance(120)};
    t.channels = t.axis.channels * t.bin_energy + chance(t.bin_energy + 3);
    t.rows = t.bin_pixels + chance(6);
    t.cols = t.bin_pixels + chance(90);
    for (uint32_t i = 0; i < t.n; i++)
        random_line(&t, &t.lines[i]);
    return t;
}

static edx_intensity *intensity_new(const setup *t)
{
    edx_intensity *in = NULL;
    edx_error err = {EDX_OK, ""};

    (void)edx_intensity_new(t->lines, t->n, &t->axis, t->bin_energy, t->rows, t->cols, t->channels,
                            t->bin_pixels, &in, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(edx_intensity_rows(in), t->rows / t->bin_pixels);
    assert_int_equal(edx_intensity_cols(in), t->cols / t->bin_pixels);
    return in;
}

/* ---- random events ---- */

typedef struct frame {
    edx_events events;
    uint32_t row;
    uint32_t *offsets;
    uint16_t *channels;
    uint32_t *weights;
} frame;

static uint32_t random_weight(void)
{
    return chance(20) == 0 ? 60000 + chance(200000) : chance(5);
}

static frame random_frame(const setup *t, uint32_t crowd, bool weighted)
{
    frame f = {.row = chance(t->rows)};
    uint32_t pixels = (1 + chance(t->rows - f.row)) * t->cols, n = 0;

    f.offsets = calloc(pixels + 1, sizeof *f.offsets);
    f.channels = calloc((size_t)pixels * crowd + 1, sizeof *f.channels);
    f.weights = weighted ? calloc((size_t)pixels * crowd + 1, sizeof *f.weights) : NULL;
    for (uint32_t p = 0; p < pixels; p++) {
        for (uint32_t e = chance(2) == 0 ? chance(crowd + 1) : 0; e > 0; e--, n++) {
            f.channels[n] = (uint16_t)chance(t->channels);
            if (weighted)
                f.weights[n] = random_weight();
        }
        f.offsets[p + 1] = n;
    }
    f.events = (edx_events){pixels, f.offsets, f.channels, f.weights};
    return f;
}

static void frame_free(frame *f)
{
    free(f->offsets);
    free(f->channels);
    free(f->weights);
}

static void cube_add(const setup *t, uint32_t *cube, const frame *f)
{
    uint32_t *pixel = cube + (size_t)f->row * t->cols * t->channels;

    for (uint32_t p = 0; p < f->events.pixels; p++, pixel += t->channels)
        for (uint32_t e = f->offsets[p]; e < f->offsets[p + 1]; e++)
            pixel[f->channels[e]] += f->weights == NULL ? 1 : f->weights[e];
}

/* ---- comparing ---- */

static void assert_near(double value, double expected, double scale)
{
    if (!(fabs(value - expected) <= scale))
        fail_msg("%.17g, expected %.17g within %g", value, expected, scale);
}

/* Net and covariance of an analysis spectrum, and the sums of |v| s: what errors scale with. */
static void expect(const setup *t, const double *v, const double *s, double *net, double *cov,
                   double *size)
{
    const uint32_t channels = t->axis.channels;

    for (uint32_t i = 0; i < t->n; i++) {
        net[i] = net_of(&t->lines[i], &t->axis, s);
        size[i] = 1;
        for (uint32_t a = 0; a < channels; a++)
            size[i] += fabs(v[(size_t)i * channels + a]) * s[a];
        for (uint32_t j = 0; j < t->n; j++) {
            double sum = 0;
            for (uint32_t a = 0; a < channels; a++)
                sum += v[(size_t)i * channels + a] * v[(size_t)j * channels + a] * s[a];
            cov[i * t->n + j] = sum;
        }
    }
}

static void check_result(const setup *t, const double *v, const double *s, const double *net,
                         const double *cov)
{
    double want[EDX_MAX_LINES], size[EDX_MAX_LINES];
    double want_cov[EDX_MAX_LINES * EDX_MAX_LINES];

    double counts = 0; /* where windows cancel, v is rounding and is multiplied by all of them */

    expect(t, v, s, want, want_cov, size);
    for (uint32_t a = 0; a < t->axis.channels; a++)
        counts += s[a];
    for (uint32_t i = 0; i < t->n; i++) {
        assert_near(net[i], want[i], 1e-9 * size[i] + 1e-15 * counts);
        for (uint32_t j = 0; j < t->n; j++)
            assert_near(cov[i * t->n + j], want_cov[i * t->n + j],
                        1e-9 * sqrt(want_cov[i * t->n + i] * want_cov[j * t->n + j]) + 1e-9 +
                            1e-15 * counts);
    }
}

static void check_maps(const edx_intensity *in, const setup *t, uint32_t pixel, const double *net,
                       const double *cov, const float *maps, const float *sigma)
{
    size_t pixels = (size_t)edx_intensity_rows(in) * edx_intensity_cols(in);

    for (uint32_t i = 0; i < t->n; i++) {
        double root = sqrt(cov[i * t->n + i]);
        assert_near(maps[i * pixels + pixel], net[i], 1e-7 * fabs(net[i]) + 1e-9 * root);
        assert_near(sigma[i * pixels + pixel], root, 1e-7 * root);
    }
}

static void check(const edx_intensity *in, const setup *t, const double *v, const uint32_t *cube)
{
    uint32_t rows = edx_intensity_rows(in), cols = edx_intensity_cols(in);
    size_t map = (size_t)rows * cols * t->n;
    float *maps = calloc(map, sizeof *maps), *sigma = calloc(map, sizeof *sigma);
    double *s = calloc(t->axis.channels, sizeof *s);
    double net[EDX_MAX_LINES], cov[EDX_MAX_LINES * EDX_MAX_LINES];

    edx_intensity_maps(in, maps, sigma);
    for (uint32_t p = 0; p < rows * cols; p++) {
        edx_intensity_pixel(in, p, net, cov);
        binned(t, cube, p / cols, p % cols, s);
        check_result(t, v, s, net, cov);
        check_maps(in, t, p, net, cov, maps, sigma);
    }
    free(s);
    free(sigma);
    free(maps);
}

/* ---- tests ---- */

static void random_case(uint32_t most_lines, edx_pool *pool)
{
    setup t = random_setup(most_lines);
    edx_intensity *in = intensity_new(&t), *again = intensity_new(&t);
    edx_scene *scene = NULL;
    uint32_t *cube = calloc((size_t)t.rows * t.cols * t.channels, sizeof *cube);
    double *v = functionals(&t);

    edx_intensity_set_pool(in, pool);
    assert_int_equal(edx_scene_new(t.rows, t.cols, t.channels, &scene, NULL), EDX_OK);
    for (int i = 0; i < 5; i++) {
        frame f = random_frame(&t, i == 2 ? 1500 : 20, chance(3) == 0);
        edx_intensity_add(in, f.row, &f.events);
        assert_int_equal(edx_scene_add(scene, f.row, &f.events, NULL), EDX_OK);
        cube_add(&t, cube, &f);
        frame_free(&f);
    }
    check(in, &t, v, cube);
    for (int i = 0; i < 2; i++) {
        edx_intensity_rebuild(again, scene);
        check(again, &t, v, cube);
    }
    edx_scene_free(&scene);
    edx_intensity_free(&in);
    edx_intensity_free(&again);
    assert_null(in);
    free(v);
    free(cube);
}

static void test_random(void **state)
{
    edx_pool *pool = NULL;

    (void)state;
    assert_int_equal(edx_pool_new(3, &pool, NULL), EDX_OK);
    for (int i = 0; i < 40; i++)
        random_case(i == 0 ? EDX_MAX_LINES : 6, i % 2 == 0 ? pool : NULL);
    edx_pool_free(&pool);
}

/* Whatever the processor offers, and however many threads there are: the same bits. */
static void test_same_bits_everywhere(void **state)
{
    setup t = random_setup(12);
    edx_intensity *in = intensity_new(&t);
    size_t map = (size_t)t.n * edx_intensity_rows(in) * edx_intensity_cols(in);
    float *plain = calloc(2 * map, sizeof *plain), *other = calloc(2 * map, sizeof *other);
    edx_pool *pool = NULL;

    (void)state;
    assert_int_equal(edx_pool_new(4, &pool, NULL), EDX_OK);
    for (int i = 0; i < 60; i++) {
        frame f = random_frame(&t, 40, i == 59);
        edx_intensity_add(in, f.row, &f.events);
        frame_free(&f);
        edx_intensity_use(in, edx_tile_sum_get(EDX_KERNEL_PLAIN));
        edx_intensity_set_pool(in, NULL);
        edx_intensity_maps(in, plain, plain + map);
        for (edx_kernel_set set = EDX_KERNEL_PLAIN; set < EDX_KERNELS; set++) {
            if (edx_tile_sum_get(set) == NULL)
                continue;
            edx_intensity_use(in, edx_tile_sum_get(set));
            edx_intensity_set_pool(in, set % 2 == 0 ? NULL : pool);
            edx_intensity_maps(in, other, other + map);
            assert_memory_equal(plain, other, sizeof *plain * 2 * map);
            memset(other, 0, sizeof *other * 2 * map);
            edx_intensity_maps(in, other, NULL);
            edx_intensity_maps(in, NULL, other + map);
            assert_memory_equal(plain, other, sizeof *plain * 2 * map);
        }
    }
    edx_pool_free(&pool);
    edx_intensity_free(&in);
    free(plain);
    free(other);
}

static void test_spectrum(void **state)
{
    (void)state;
    for (int r = 0; r < 50; r++) {
        setup t = random_setup(8);
        edx_intensity *in = intensity_new(&t);
        uint64_t *full = calloc(t.channels, sizeof *full);
        double *s = calloc(t.axis.channels, sizeof *s), *v = functionals(&t);
        double net[EDX_MAX_LINES], cov[EDX_MAX_LINES * EDX_MAX_LINES];
        for (uint32_t k = 0; k < t.channels; k++) {
            full[k] = (uint64_t)chance(1u << 30) << chance(8);
            if (k / t.bin_energy < t.axis.channels)
                s[k / t.bin_energy] += (double)full[k];
        }
        edx_intensity_spectrum(in, full, net, cov);
        check_result(&t, v, s, net, cov);
        edx_intensity_free(&in);
        free(v);
        free(s);
        free(full);
    }
}

/* A peak of 1000 counts on a sloping background, windows of unequal widths: the answer is known. */
static void test_peak_on_slope(void **state)
{
    setup t = {.n = 1, .bin_energy = 1, .rows = 1, .cols = 1, .channels = 200, .bin_pixels = 1};
    uint64_t spectrum[200];
    double net, variance;

    (void)state;
    t.axis = (edx_axis){5, 10, 200};
    t.lines[0].window_eV[0] = 900; /* channels 90 to 109, middle 1000 eV */
    t.lines[0].window_eV[1] = 1100;
    t.lines[0].background_eV[0][0] = 500; /* 50 to 59, level 4450 at 550 eV */
    t.lines[0].background_eV[0][1] = 600;
    t.lines[0].background_eV[1][0] = 1200; /* 120 to 159, level 3600 at 1400 eV */
    t.lines[0].background_eV[1][1] = 1600;
    for (uint32_t k = 0; k < 200; k++)
        spectrum[k] = 5000 - 10 * k - 5; /* 5000 - E */
    spectrum[100] += 1000;
    edx_intensity *in = intensity_new(&t);
    edx_intensity_spectrum(in, spectrum, &net, &variance);
    /* Line at 1000 eV: 4450 (400 / 850) + 3600 (450 / 850) = 4000, as the slope says. */
    assert_near(net, 1000, 1e-8);
    /* 81000 + (20/10 8/17)^2 44500 + (20/40 9/17)^2 144000 */
    assert_near(variance, 81000 + 256.0 / 289 * 44500 + 81.0 / 1156 * 144000, 1e-7);
    edx_intensity_free(&in);
}

static void test_clear(void **state)
{
    setup t = random_setup(5);
    edx_intensity *in = intensity_new(&t);
    uint32_t *cube = calloc((size_t)t.rows * t.cols * t.channels, sizeof *cube);
    double *v = functionals(&t);

    (void)state;
    for (int i = 0; i < 3; i++) {
        frame f = random_frame(&t, 50, true);
        edx_intensity_add(in, f.row, &f.events);
        frame_free(&f);
        edx_intensity_clear(in);
        check(in, &t, v, cube);
    }
    edx_intensity_free(&in);
    free(cube);
    free(v);
}

static edx_status new_status(const setup *t)
{
    edx_intensity *in = NULL;
    edx_error err;
    edx_status status = edx_intensity_new(t->lines, t->n, &t->axis, t->bin_energy, t->rows, t->cols,
                                          t->channels, t->bin_pixels, &in, &err);

    assert_true((status == EDX_OK) == (in != NULL));
    if (in != NULL)
        edx_intensity_free(&in);
    return status;
}

static setup plain_setup(void)
{
    setup t = {.n = 1, .bin_energy = 1, .rows = 4, .cols = 4, .channels = 100, .bin_pixels = 1};

    t.axis = (edx_axis){0, 10, 100};
    t.lines[0].window_eV[0] = 500;
    t.lines[0].window_eV[1] = 600;
    t.lines[0].background_eV[0][0] = 300;
    t.lines[0].background_eV[0][1] = 400;
    t.lines[0].background_eV[1][0] = 700;
    t.lines[0].background_eV[1][1] = 800;
    return t;
}

static void test_refuses(void **state)
{
    setup good = plain_setup(), t;

    (void)state;
    assert_int_equal(new_status(&good), EDX_OK);
    t = good, t.n = 0;
    assert_int_equal(new_status(&t), EDX_E_RANGE);
    t = good, t.n = EDX_MAX_LINES + 1;
    assert_int_equal(new_status(&t), EDX_E_RANGE);
    t = good, t.bin_energy = 0;
    assert_int_equal(new_status(&t), EDX_E_RANGE);
    t = good, t.bin_energy = 2;
    assert_int_equal(new_status(&t), EDX_E_RANGE);
    t = good, t.bin_pixels = 5;
    assert_int_equal(new_status(&t), EDX_E_RANGE);
    t = good, t.bin_pixels = 0;
    assert_int_equal(new_status(&t), EDX_E_RANGE);
    t = good, t.lines[0].window_eV[1] = 500;
    assert_int_equal(new_status(&t), EDX_E_RANGE);
    t = good, t.lines[0].background_eV[1][0] = NAN;
    assert_int_equal(new_status(&t), EDX_E_RANGE);
    t = good, memcpy(t.lines[0].background_eV[1], t.lines[0].background_eV[0], 2 * sizeof(double));
    assert_int_equal(new_status(&t), EDX_E_RANGE);
}

static void test_without_memory(void **state)
{
    setup t = plain_setup();
    edx_status status = EDX_E_NOMEM;
    int tries = 0;

    (void)state;
    for (; status != EDX_OK; tries++) {
        allocations_left = tries;
        status = new_status(&t);
        allocations_left = -1;
        assert_true(status == EDX_OK || status == EDX_E_NOMEM);
    }
    assert_true(tries > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),         cmocka_unit_test(test_same_bits_everywhere),
        cmocka_unit_test(test_spectrum),       cmocka_unit_test(test_peak_on_slope),
        cmocka_unit_test(test_clear),          cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_without_memory),
    };
    const char *seed = getenv("EDX_SEED");

    chance_state = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
    print_message("EDX_SEED=%" PRIu64 "\n", chance_state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
