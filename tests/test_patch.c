/* Sums over a patch of pixels and what is predicted there, against every function written out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "analysis/linalg.h"
#include "analysis/patch.h"
#include "instrument/random.h"

#define SEED 11u
#define SIDE 40u
#define ALL (EDX_PATCH_ROUND + EDX_PATCH_MOST)

static const double pi = 3.14159265358979323846;
static const edx_patch_place place = {{0.4, 0.3}, {0.1, -0.2}, {7.3, 5.9}};

typedef struct world {
    edx_patch *patch;
    edx_random random;
    edx_patch_pixel pixels[SIDE * SIDE];
    uint32_t n, functions;
    double value[SIDE * SIDE][ALL]; /* of every function: round ones, waves */
    double expected[ALL][ALL], right[ALL];
    edx_patch_sums sums;
} world;

/* A disc with a bite and a hole, wider than a strip is not: reach in pixels. */
static void choose_pixels(world *w, double reach)
{
    w->n = 0;
    for (uint32_t row = 0; row < SIDE; row++)
        for (uint32_t col = 0; col < SIDE; col++) {
            double y = row - 18.0, x = col - 20.0;
            bool hole = row == 17 && col > 12 && col<16, bite = y> 3 && x > 4;
            if (hypot(y, x) > reach || hole || bite)
                continue;
            w->pixels[w->n++] = (edx_patch_pixel){.row = row,
                                                  .col = col,
                                                  .weight = 1 + edx_random_unit(&w->random),
                                                  .value = edx_random_unit(&w->random) - 0.5};
        }
}

/* Reach of the patch from the centre, and along an axis. */
static void find_reach(const world *w, double *reach, double *widest)
{
    *reach = *widest = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        double y = place.origin_nm[0] + w->pixels[i].row * place.step_nm[0] - place.centre_nm[0];
        double x = place.origin_nm[1] + w->pixels[i].col * place.step_nm[1] - place.centre_nm[1];
        *reach = fmax(*reach, hypot(y, x));
        *widest = fmax(*widest, fmax(fabs(y), fabs(x)));
    }
    *widest = fmax(*widest, fmax(place.step_nm[0], place.step_nm[1]));
}

static double cosine(uint32_t k, double at, double half)
{
    return (k > 0 ? sqrt(2) : 1) * cos(pi * k * (at + half) / (2 * half));
}

static void write_functions(world *w)
{
    const uint32_t(*waves)[2];
    uint32_t n = edx_patch_waves(w->patch, &waves);
    double reach, widest;

    find_reach(w, &reach, &widest);
    assert_true(fabs(edx_patch_half_nm(w->patch) - 1.2 * widest) < 1e-12);
    w->functions = EDX_PATCH_ROUND + n;
    for (uint32_t i = 0; i < w->n; i++) {
        double y = place.origin_nm[0] + w->pixels[i].row * place.step_nm[0] - place.centre_nm[0];
        double x = place.origin_nm[1] + w->pixels[i].col * place.step_nm[1] - place.centre_nm[1];
        double r = hypot(y, x) / reach, *out = w->value[i];
        assert_true(fabs(w->pixels[i].r - r) < 1e-12);
        out[0] = 1;
        for (uint32_t j = 0; j < EDX_PATCH_TERMS; j++) {
            out[1 + j] = sin((j + 0.5) * pi * r * r) / ((j + 0.5) * pi);
            out[1 + EDX_PATCH_TERMS + j] = sin((j + 0.5) * pi * r) / ((j + 0.5) * pi);
        }
        for (uint32_t k = 0; k < n; k++)
            out[EDX_PATCH_ROUND + k] =
                cosine(waves[k][0], y, 1.2 * widest) * cosine(waves[k][1], x, 1.2 * widest);
    }
}

/* Cell of the product of two functions; the value stands at functions. */
static double *cell(edx_patch_sums *s, uint32_t functions, uint32_t a, uint32_t b)
{
    uint32_t waves = functions - EDX_PATCH_ROUND;
    uint32_t column = b == functions ? EDX_PATCH_ROUND : b;

    if (a < EDX_PATCH_ROUND)
        return b < EDX_PATCH_ROUND || b == functions
                   ? &s->round[(size_t)a * EDX_PATCH_WIDTH + column]
                   : &s->across[(size_t)(b - EDX_PATCH_ROUND) * EDX_PATCH_WIDTH + a];
    a -= EDX_PATCH_ROUND;
    return b < EDX_PATCH_ROUND || b == functions
               ? &s->across[(size_t)a * EDX_PATCH_WIDTH + column]
               : &s->waves[(size_t)a * waves + b - EDX_PATCH_ROUND];
}

static double product(const world *w, uint32_t a, uint32_t b)
{
    double sum = 0;

    for (uint32_t i = 0; i < w->n; i++)
        sum += w->pixels[i].weight * w->value[i][a] *
               (b == w->functions ? w->pixels[i].value : w->value[i][b]);
    return sum;
}

static void check_sums(world *w)
{
    edx_patch_accumulate(w->patch, &w->sums);
    for (uint32_t a = 0; a < w->functions; a++)
        for (uint32_t b = 0; b <= w->functions; b++) {
            double wanted = product(w, a, b), got = *cell(&w->sums, w->functions, a, b);
            if (fabs(got - wanted) > 1e-10)
                fail_msg("functions %u and %u: %.15g, expected %.15g", a, b, got, wanted);
        }
}

/* Any symmetric matrix will do. */
static void check_predictions(world *w)
{
    for (uint32_t a = 0; a < w->functions; a++)
        for (uint32_t b = a; b <= w->functions; b++) {
            double value = edx_random_unit(&w->random) - 0.5;
            *cell(&w->sums, w->functions, a, b) = value;
            if (b < w->functions)
                *cell(&w->sums, w->functions, b, a) = value;
        }
    edx_patch_predict(w->patch, &w->sums);
    for (uint32_t i = 0; i < w->n; i++) {
        double mean = 0, form = 0;
        for (uint32_t a = 0; a < w->functions; a++) {
            mean += w->value[i][a] * *cell(&w->sums, w->functions, a, w->functions);
            for (uint32_t b = 0; b < w->functions; b++)
                form += w->value[i][a] * w->value[i][b] * *cell(&w->sums, w->functions, a, b);
        }
        if (fabs(mean - w->pixels[i].mean) > 1e-10 || fabs(form - w->pixels[i].variance) > 1e-9)
            fail_msg("pixel %u: %.15g, %.15g, expected %.15g, %.15g", i, w->pixels[i].mean,
                     w->pixels[i].variance, mean, form);
    }
}

static void sums_are_those_of_all_functions(void **state)
{
    static const double reaches[] = {3, 30, 9, 0.5};
    world *w = *state;

    print_message("seed %u\n", SEED);
    for (size_t i = 0; i < sizeof reaches / sizeof *reaches; i++) {
        choose_pixels(w, reaches[i]);
        assert_int_equal(edx_patch_set(w->patch, &place, w->pixels, w->n, NULL), EDX_OK);
        write_functions(w);
        check_sums(w);
        check_predictions(w);
    }
}

static void nothing_is_a_patch_too(void **state)
{
    world *w = *state;

    assert_int_equal(edx_patch_set(w->patch, &place, w->pixels, 0, NULL), EDX_OK);
    edx_patch_accumulate(w->patch, &w->sums);
    assert_true(w->sums.round[0] == 0);
    edx_patch_predict(w->patch, &w->sums);
}

static int set_up(void **state)
{
    world *w = calloc(1, sizeof *w);

    edx_linalg_init();
    assert_non_null(w);
    edx_random_seed(&w->random, SEED, 1);
    assert_int_equal(edx_patch_new(&w->patch, NULL), EDX_OK);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    world *w = *state;

    edx_patch_free(&w->patch);
    assert_null(w->patch);
    free(w);
    return 0;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums_are_those_of_all_functions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_a_patch_too, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
