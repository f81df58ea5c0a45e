/* Functionals of sparse counts against sums over dense ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/functional.h"
#include "analysis/functional_kernels.h"
#include "instrument/random.h"

#define SEED 20261122
#define SIDE 23
#define PIXELS (SIDE * SIDE)
#define CHANNELS 300
#define ROWS 3
#define MOMENTS (ROWS + ROWS * (ROWS + 1) / 2)

static double uniform(edx_random *random)
{
    return (double)(edx_random_next(random) >> 11) * 0x1p-53;
}

/* Counts in two parts, in either order: what they add up to is the same. Some pixels are empty,
 * some hold a voxel of more than a byte. */
static edx_scene *make_store(bool reversed)
{
    static uint32_t offsets[PIXELS + 1], weights[PIXELS * 40];
    static uint16_t channels[PIXELS * 40];
    edx_scene *store;
    assert_int_equal(edx_scene_new(SIDE, SIDE, CHANNELS, &store, NULL), EDX_OK);
    for (uint64_t part = 0; part < 2; part++) {
        edx_random random;
        uint32_t n = 0;
        edx_random_seed(&random, SEED, reversed ? 1 - part : part);
        for (uint32_t p = 0; p < PIXELS; p++) {
            offsets[p] = n;
            for (uint32_t k = 0; p % 5 != 0 && k < p % 37; k++) {
                channels[n] = (uint16_t)(edx_random_next(&random) % CHANNELS);
                weights[n++] = edx_random_next(&random) % 50 == 0 ? 70000 : 1;
            }
        }
        offsets[PIXELS] = n;
        edx_events events = {PIXELS, offsets, channels, weights};
        assert_int_equal(edx_scene_add(store, 0, &events, NULL), EDX_OK);
    }
    return store;
}

static void make_rows(double *rows)
{
    edx_random random;
    edx_random_seed(&random, SEED, 9);
    for (int i = 0; i < ROWS * CHANNELS; i++)
        rows[i] = i % 4 == 0 ? 0 : 3 * uniform(&random) - 1;
}

static edx_functional *make(const double *rows)
{
    edx_functional *f;
    assert_int_equal(edx_functional_new(ROWS, CHANNELS, &f, NULL), EDX_OK);
    assert_int_equal(edx_functional_set(f, rows, NULL), EDX_OK);
    return f;
}

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.12g, expected %.12g +- %.3g", value, expected, tolerance);
}

static void check_pixel(const edx_functional *f, const edx_scene *store, const double *rows,
                        uint32_t pixel)
{
    uint32_t dense[CHANNELS];
    double spectrum[CHANNELS], all = 1;
    double net[ROWS], covariance[ROWS * ROWS], dense_net[ROWS], dense_covariance[ROWS * ROWS];
    edx_scene_dense(store, pixel, 1, dense);
    for (int c = 0; c < CHANNELS; c++)
        all += spectrum[c] = dense[c];
    edx_functional_spectrum(rows, ROWS, CHANNELS, spectrum, dense_net, dense_covariance);
    edx_functional_pixel(f, store, pixel, net, covariance);
    for (int i = 0; i < ROWS; i++) {
        double sum = 0;
        for (int c = 0; c < CHANNELS; c++)
            sum += rows[i * CHANNELS + c] * dense[c];
        assert_near(dense_net[i], sum, 1e-12 * all);
        assert_near(net[i], sum, 2e-8 * all);
        for (int j = 0; j < ROWS; j++)
            assert_near(covariance[i * ROWS + j], dense_covariance[i * ROWS + j], 5e-8 * all);
    }
    double product = 0;
    for (int c = 0; c < CHANNELS; c++)
        product += rows[c] * rows[2 * CHANNELS + c] * dense[c];
    assert_near(covariance[2], product, 5e-8 * all);
}

static void pixels_are_dense_sums(void **state)
{
    double rows[ROWS * CHANNELS];
    edx_scene *store = make_store(false);
    (void)state;
    make_rows(rows);
    edx_functional *f = make(rows);
    assert_true(edx_scene_peak(store) > 65535);
    for (uint32_t p = 0; p < PIXELS; p++)
        check_pixel(f, store, rows, p);
    edx_functional_free(&f);
    edx_scene_free(&store);
}

static void maps_are_their_pixels(void **state)
{
    static float net[ROWS][PIXELS], sigma[ROWS][PIXELS];
    static double moments[PIXELS][MOMENTS];
    double rows[ROWS * CHANNELS], one[ROWS], covariance[ROWS * ROWS];
    edx_scene *store = make_store(false);
    (void)state;
    make_rows(rows);
    edx_functional *f = make(rows);
    assert_int_equal(edx_functional_moments_n(ROWS), MOMENTS);
    edx_functional_maps(f, store, net[0], sigma[0]);
    edx_functional_moments(f, store, moments[0]);
    for (uint32_t p = 0; p < PIXELS; p++) {
        const double *moment = moments[p];
        edx_functional_pixel(f, store, p, one, covariance);
        for (int i = 0; i < ROWS; i++) {
            assert_true(net[i][p] == (float)one[i] && moment[i] == one[i]);
            assert_true(sigma[i][p] == (float)sqrt(covariance[i * ROWS + i]));
        }
        moment += ROWS;
        for (int i = 0; i < ROWS; i++)
            for (int j = i; j < ROWS; j++)
                assert_true(*moment++ == covariance[i * ROWS + j]);
    }
    edx_functional_free(&f);
    edx_scene_free(&store);
}

/* To the last bit, whatever the threads, the loop or the order of the counts. */
static void nothing_else_matters(void **state)
{
    static double plain[PIXELS][MOMENTS], other[PIXELS][MOMENTS];
    double rows[ROWS * CHANNELS];
    edx_scene *store = make_store(false), *reversed = make_store(true);
    edx_pool *pool;
    (void)state;
    make_rows(rows);
    edx_functional *f = make(rows);
    edx_functional_use(f, edx_functional_kernel_get(EDX_KERNEL_PLAIN));
    edx_functional_moments(f, store, plain[0]);
    assert_int_equal(edx_pool_new(3, &pool, NULL), EDX_OK);
    edx_functional_set_pool(f, pool);
    for (edx_kernel_set set = EDX_KERNEL_PLAIN; set < EDX_KERNELS; set++) {
        edx_functional_kernel *kernel = edx_functional_kernel_get(set);
        if (kernel == NULL)
            continue;
        edx_functional_use(f, kernel);
        memset(other, 0, sizeof other);
        edx_functional_moments(f, reversed, other[0]);
        assert_memory_equal(plain, other, sizeof plain);
    }
    edx_functional_free(&f);
    edx_pool_free(&pool);
    edx_scene_free(&store);
    edx_scene_free(&reversed);
}

static void rows_that_cannot_be(void **state)
{
    double rows[ROWS * CHANNELS], net[ROWS], covariance[ROWS * ROWS];
    edx_scene *store = make_store(false);
    edx_functional *none;
    (void)state;
    assert_int_equal(edx_functional_new(0, CHANNELS, &none, NULL), EDX_E_RANGE);
    assert_int_equal(edx_functional_new(33, CHANNELS, &none, NULL), EDX_E_RANGE);
    memset(rows, 0, sizeof rows);
    edx_functional *f = make(rows);
    edx_functional_pixel(f, store, 33, net, covariance);
    assert_true(net[1] == 0 && covariance[4] == 0);
    rows[7] = INFINITY;
    assert_int_equal(edx_functional_set(f, rows, NULL), EDX_E_NUMERIC);
    edx_functional_free(&f);
    edx_scene_free(&store);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_are_dense_sums),
        cmocka_unit_test(maps_are_their_pixels),
        cmocka_unit_test(nothing_else_matters),
        cmocka_unit_test(rows_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
