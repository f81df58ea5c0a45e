/* Particles and their raw profiles against geometry, dense counts and the simulator's truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/intensity.h"
#include "analysis/particles.h"
#include "analysis/quant.h"
#include "analysis/radial.h"
#include "analysis/rings.h"
#include "analysis/segment.h"
#include "analysis/windows.h"
#include "instrument/random.h"
#include "instrument/simulator.h"
#include "instrument/truth.h"

#define SEED 20261122
#define PI 3.14159265358979323846

/* NaN is never near. */
static void assert_near(double value, double expected, double tolerance, const char *what)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%s: %.10g, expected %.10g +- %.3g", what, value, expected, tolerance);
}

/* ---- allocations are counted, and refused ---- */

static long allocations;
static long allocations_left = -1; /* -1: no limit */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool refused(void)
{
    allocations++;
    return allocations_left >= 0 && allocations_left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refused() ? NULL : __real_calloc(n, size);
}

/* ---- counts made by hand ---- */

enum { ROWS = 21, COLS = 17, PIXELS = ROWS * COLS, E = 12 };

static edx_sparse *new_counts(uint32_t rows, uint32_t cols, uint32_t channels, uint32_t folds)
{
    const edx_sparse_shape shape = {rows, cols, channels, 1, 1, 0, channels, folds};
    edx_sparse *s = NULL;
    assert_int_equal(edx_sparse_new(&shape, &s, NULL), EDX_OK);
    return s;
}

static uint64_t dense[4][PIXELS][E]; /* of three folds, and of all */

static void add_chance(edx_sparse *s, edx_random *random, uint64_t frame)
{
    static uint32_t offsets[PIXELS + 1], weights[PIXELS * 8];
    static uint16_t channels[PIXELS * 8];
    uint32_t n = 0;
    for (uint32_t p = 0; p < PIXELS; p++) {
        offsets[p] = n;
        for (uint32_t i = edx_random_below(random, 8); i > 0; i--) {
            channels[n] = (uint16_t)edx_random_below(random, E);
            weights[n] = edx_random_below(random, 9) > 0 ? 1 : 1 + edx_random_below(random, 100000);
            dense[frame % 3][p][channels[n]] += weights[n];
            dense[3][p][channels[n]] += weights[n];
            n++;
        }
    }
    offsets[PIXELS] = n;
    const edx_events events = {PIXELS, offsets, channels, weights};
    assert_int_equal(edx_sparse_add(s, frame, 0, &events, NULL), EDX_OK);
}

/* ---- folds ---- */

static void assert_spectrum(const edx_scene *scene, const uint64_t expected[PIXELS][E])
{
    for (uint32_t c = 0; c < E; c++) {
        uint64_t sum = 0;
        for (uint32_t p = 0; p < PIXELS; p++)
            sum += expected[p][c];
        assert_true(edx_scene_spectrum(scene)[c] == sum);
    }
}

static void any_number_of_folds(void **state)
{
    edx_random random;
    (void)state;
    memset(dense, 0, sizeof dense);
    edx_random_seed(&random, SEED, 1);
    edx_sparse *s = new_counts(ROWS, COLS, E, 3);
    for (uint64_t f = 0; f < 7; f++) {
        add_chance(s, &random, f);
        assert_true((edx_sparse_fold(s, 2) == NULL) == (f < 2)); /* nothing before it comes */
    }
    for (uint32_t f = 0; f < 3; f++) {
        assert_spectrum(edx_sparse_fold(s, f), (const uint64_t(*)[E])dense[f]);
        assert_int_equal(edx_sparse_exposure(s, f), (f == 0 ? 3 : 2) * PIXELS);
    }
    assert_null(edx_sparse_fold(s, 3));
    assert_int_equal(edx_sparse_exposure(s, 3), 0);
    edx_sparse_clear(s);
    assert_int_equal(edx_scene_counts(edx_sparse_total(s)), 0);
    assert_null(edx_sparse_fold(s, 0));
    edx_sparse_free(&s);
}

static void impossible_folds_are_refused(void **state)
{
    edx_sparse_shape shape = {ROWS, COLS, E, 1, 1, 0, E, 0};
    edx_sparse *s;
    (void)state;
    assert_int_equal(edx_sparse_new(&shape, &s, NULL), EDX_E_RANGE);
    shape.folds = 101;
    assert_int_equal(edx_sparse_new(&shape, &s, NULL), EDX_E_RANGE);
    shape.folds = 100;
    assert_int_equal(edx_sparse_new(&shape, &s, NULL), EDX_OK);
    edx_sparse_free(&s);
}

/* ---- rings ---- */

static const double uneven_nm[2] = {0.3, 0.4};

typedef struct expected_ring {
    uint32_t pixels;
    double mean, square, spectra[4][E];
} expected_ring;

/* By definition, from dense counts. */
static expected_ring expect_ring(const double centre[2], double from, double to,
                                 const uint32_t *owner, uint32_t id)
{
    expected_ring r = {0};
    for (uint32_t p = 0; p < PIXELS; p++) {
        double y = p / COLS * uneven_nm[0] - centre[0], x = p % COLS * uneven_nm[1] - centre[1];
        double d = sqrt(y * y + x * x);
        if (d < from || d >= to || (owner && owner[p] != 0 && owner[p] != id))
            continue;
        r.pixels++;
        r.mean += d;
        r.square += d * d;
        for (int f = 0; f < 4; f++)
            for (int c = 0; c < E; c++)
                r.spectra[f][c] += (double)dense[f][p][c];
    }
    return r;
}

static void assert_ring(const edx_rings *rings, uint32_t k, const expected_ring *r)
{
    double middle = (k + 0.5) * rings->step_nm;
    assert_int_equal(rings->pixels[k], r->pixels);
    assert_near(rings->middle_nm[k], middle, 1e-12, "middle");
    assert_near(rings->mean_nm[k], r->pixels ? r->mean / r->pixels : middle, 1e-12, "mean");
    assert_near(rings->square_nm2[k], r->pixels ? r->square / r->pixels : middle * middle, 1e-12,
                "square");
    for (uint32_t c = 0; c < E; c++) {
        assert_true(rings->spectra[k * E + c] == r->spectra[3][c]);
        for (uint32_t g = 0; g < rings->groups; g++)
            assert_true(rings->group[(g * rings->m + k) * E + c] == r->spectra[g][c]);
    }
}

static void check_rings(edx_ring_store *store, const edx_sparse *s, edx_random *random)
{
    const double centre[2] = {edx_random_unit(random) * 8 - 1, edx_random_unit(random) * 8 - 1};
    const double width = 0.1 + edx_random_unit(random), reach = 4 * edx_random_unit(random);
    uint32_t owner[PIXELS], id = 1 + edx_random_below(random, 2);
    bool owned = edx_random_below(random, 2) == 0, grouped = edx_random_below(random, 2) == 0;
    edx_rings rings;
    for (uint32_t p = 0; p < PIXELS; p++)
        owner[p] = edx_random_below(random, 3);
    const uint32_t *owners = owned ? owner : NULL;
    assert_int_equal(
        edx_rings_collect(store, s, centre, 3.5, width, reach, owners, id, grouped, &rings, NULL),
        EDX_OK);
    assert_int_equal(rings.m, (uint32_t)ceil(reach / width));
    assert_int_equal(rings.groups, grouped ? 3 : 0);
    assert_true(rings.radius_nm == 3.5 && rings.step_nm == width && rings.channels == E);
    for (uint32_t k = 0; k < rings.m; k++) {
        expected_ring r = expect_ring(centre, k * width, (k + 1) * width, owners, id);
        assert_ring(&rings, k, &r);
    }
    double spectrum[E];
    expected_ring r = expect_ring(centre, 0.4 * reach, reach, owners, id);
    edx_ring_zone zone = edx_rings_zone(store, s, 0.4 * reach, reach, spectrum);
    assert_int_equal(zone.pixels, r.pixels);
    assert_near(zone.square_nm2, r.pixels ? r.square / r.pixels : 0.49 * reach * reach, 1e-12,
                "square of a zone");
    for (int c = 0; c < E; c++)
        assert_true(spectrum[c] == r.spectra[3][c]);
}

static void every_pixel_is_in_one_ring(void **state)
{
    edx_random random;
    edx_ring_store *store;
    (void)state;
    memset(dense, 0, sizeof dense);
    edx_random_seed(&random, SEED, 2);
    edx_sparse *s = new_counts(ROWS, COLS, E, 3);
    for (uint64_t f = 0; f < 8; f++)
        add_chance(s, &random, f);
    assert_int_equal(edx_rings_new(ROWS, COLS, uneven_nm, E, 3, &store, NULL), EDX_OK);
    for (int i = 0; i < 300; i++)
        check_rings(store, s, &random);
    edx_rings_free(&store);
    edx_sparse_free(&s);
}

static void impossible_rings_are_refused(void **state)
{
    static const double bad[][2] = {{0, 1},   {-1, 1},  {1, 0},    {1, -1},
                                    {NAN, 1}, {1, NAN}, {1e-4, 1}, {1, INFINITY}};
    const double centre[2] = {0, 0};
    edx_ring_store *store;
    edx_rings rings;
    (void)state;
    edx_sparse *s = new_counts(ROWS, COLS, E, 1);
    assert_int_equal(edx_rings_new(ROWS, COLS, uneven_nm, E, 0, &store, NULL), EDX_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(
            edx_rings_collect(store, s, centre, 1, bad[i][0], bad[i][1], NULL, 0, 0, &rings, NULL),
            EDX_E_RANGE);
    assert_int_equal(
        edx_rings_collect(store, s, centre, 1, 1.0 / 4096, 1, NULL, 0, 0, &rings, NULL), EDX_OK);
    assert_int_equal(rings.m, 4096);
    edx_rings_free(&store);
    edx_sparse_free(&s);
}

/* ---- segments ---- */

enum { SIDE = 128 };

static float map_signal[SIDE * SIDE], map_variance[SIDE * SIDE], map_exposure[SIDE * SIDE];

/* Difference of two Poisson counts, as a line less its background; frames less to one side. */
static void draw_noise(edx_random *random, uint32_t side, double rate, bool slanted)
{
    for (uint32_t i = 0; i < side * side; i++) {
        map_exposure[i] = slanted ? (float)(i % side) / (float)side : 1;
        double mean = rate * (double)map_exposure[i];
        double a = (double)edx_random_poisson(random, mean);
        double b = (double)edx_random_poisson(random, mean);
        map_signal[i] = (float)(a - b);
        map_variance[i] = (float)(a + b);
    }
}

static void count_in_noise(uint32_t side, double rate, bool slanted, bool image, int trials)
{
    edx_segment *s;
    edx_random random;
    int found = 0;
    assert_int_equal(edx_segment_new(side, side, 256, &s, NULL), EDX_OK);
    for (int t = 0; t < trials; t++) {
        edx_random_seed(&random, SEED + (uint64_t)(1000 * rate), (uint64_t)t);
        draw_noise(&random, side, rate, slanted);
        const edx_segment_map map = {map_signal, image ? NULL : map_variance,
                                     slanted ? map_exposure : NULL};
        found += edx_segment_find(s, &map) > 0;
    }
    edx_segment_free(&s);
    if (found * 100 > trials)
        fail_msg("%d of %d maps of noise alone (%u, rate %g) have particles", found, trials, side,
                 rate);
}

static void noise_has_no_particles(void **state)
{
    static const double rates[] = {0, 0.02, 0.1, 0.5, 2, 20, 200};
    (void)state;
    print_message("seed %d\n", SEED);
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        for (int kind = 0; kind < (rates[i] < 0.5 ? 2 : 4); kind++) { /* no image is so empty */
            count_in_noise(32, rates[i], kind & 1, kind & 2, 300);
            count_in_noise(128, rates[i], kind & 1, kind & 2, rates[i] == 2 ? 100 : 20);
        }
}

static double square(double x)
{
    return x * x;
}

static void clear_map(void)
{
    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        map_signal[i] = 0;
        map_variance[i] = 1;
    }
}

/* Pixels between two radii of a point become 100. */
static void draw_ring(double row, double col, double inner, double outer)
{
    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        double d = sqrt(square(i / SIDE - row) + square(i % SIDE - col));
        if (d >= inner && d <= outer)
            map_signal[i] = 100;
    }
}

static uint32_t find_in_map(edx_segment *s)
{
    const edx_segment_map map = {map_signal, map_variance, NULL};
    return edx_segment_find(s, &map);
}

static const edx_segment_part *part_at(const edx_segment *s, uint32_t row, uint32_t col)
{
    uint32_t label = edx_segment_labels(s)[row * SIDE + col];
    if (label == 0)
        fail_msg("no part at row %u, column %u", row, col);
    return &edx_segment_parts(s)[label - 1];
}

static void parts_are_those_that_were_drawn(void **state)
{
    edx_segment *s;
    (void)state;
    assert_int_equal(edx_segment_new(SIDE, SIDE, 256, &s, NULL), EDX_OK);
    clear_map();
    assert_int_equal(find_in_map(s), 0);
    draw_ring(20, 30, 0, 8);
    draw_ring(60.3, 70.6, 4, 9);       /* its hole is filled */
    map_signal[100 * SIDE + 20] = 700; /* a hot pixel */
    draw_ring(64, 125, 0, 7);          /* cut by the edge */
    draw_ring(100, 60, 0, 7);          /* two that touch */
    draw_ring(100, 74, 0, 7);
    assert_int_equal(find_in_map(s), 5);
    const edx_segment_part *disc = part_at(s, 20, 30), *ring = part_at(s, 60, 70);
    assert_near(disc->area, PI * 64, 12, "area of a disc");
    assert_near(disc->centre[0], 20, 1e-9, "its row");
    assert_near(disc->centre[1], 30, 1e-9, "its column");
    assert_false(disc->touches_edge || disc->touches_neighbour);
    assert_near(ring->area, PI * 81, 16, "area of a ring with its hole");
    assert_true(part_at(s, 64, 125)->touches_edge);
    const edx_segment_part *left = part_at(s, 100, 60), *right = part_at(s, 100, 74);
    assert_ptr_not_equal(left, right);
    assert_true(left->touches_neighbour && right->touches_neighbour);
    assert_near(left->centre[1], 60, 0.7, "left one's column");
    assert_near(right->centre[1], 74, 0.7, "right one's column");
    assert_near(edx_segment_background(s), 0, 0.5, "background");
    edx_segment_free(&s);
}

static void small_things_are_none(void **state)
{
    edx_segment *s;
    (void)state;
    assert_int_equal(edx_segment_new(SIDE, SIDE, 256, &s, NULL), EDX_OK);
    clear_map();
    draw_ring(40, 40.5, 0, 0.6); /* two pixels */
    assert_int_equal(find_in_map(s), 0);
    draw_ring(40, 40, 0, 2.5);
    assert_int_equal(find_in_map(s), 1);
    edx_segment_free(&s);
}

/* A dumb-bell with a neck of 0.9 of its ends, and a rod, are one. */
static void without_a_neck_nothing_is_split(void **state)
{
    edx_segment *s;
    (void)state;
    assert_int_equal(edx_segment_new(SIDE, SIDE, 256, &s, NULL), EDX_OK);
    clear_map();
    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        double row = i / SIDE, col = i % SIDE;
        if (fabs(row - 30) < 8.6 && col > 30 && col < 70)
            map_signal[i] = 100;
        if (fabs(row - 90) < 4.6 && col > 20 && col < 100)
            map_signal[i] = 100;
    }
    draw_ring(30, 30, 0, 9.5);
    draw_ring(30, 70, 0, 9.5);
    assert_int_equal(find_in_map(s), 2);
    edx_segment_free(&s);
}

/* Two peaks of 100 above one threshold: a valley of 0.6 between them splits what has no neck, if it
 * is no noise. */
static void valleys_split_unless_they_are_noise(void **state)
{
    edx_segment *s;
    (void)state;
    assert_int_equal(edx_segment_new(SIDE, SIDE, 256, &s, NULL), EDX_OK);
    for (int noise = 0; noise < 2; noise++) {
        clear_map();
        for (uint32_t i = 0; i < SIDE * SIDE; i++) {
            double row = i / SIDE - 50.0, col = i % SIDE - 50.0;
            map_signal[i] = (float)(100 * exp(-(row * row + col * col) / 4.5));
            map_signal[i] += (float)(100 * exp(-(row * row + square(col - 5.5)) / 4.5));
            map_variance[i] = map_signal[i] > 1 && noise == 1 ? 1600 : 1;
        }
        assert_int_equal(find_in_map(s), noise == 1 ? 1 : 2);
        if (noise == 0)
            assert_near(part_at(s, 50, 50)->centre[1], 50, 0.5, "column");
    }
    edx_segment_free(&s);
}

static void the_largest_stay(void **state)
{
    edx_segment *s;
    (void)state;
    assert_int_equal(edx_segment_new(SIDE, SIDE, 10, &s, NULL), EDX_OK);
    clear_map();
    for (int i = 0; i < 49; i++) { /* ten rods of 75 pixels among discs of 49 */
        int row = 10 + i / 7 * 18, col = 10 + i % 7 * 18;
        if (i % 5 != 2)
            draw_ring(row, col, 0, 4);
        for (int k = 0; k < 75 && i % 5 == 2; k++)
            map_signal[(row - 2 + k / 15) * SIDE + col - 7 + k % 15] = 100;
    }
    assert_int_equal(find_in_map(s), 10);
    for (int i = 0; i < 49; i++) {
        uint32_t at = (uint32_t)((10 + i / 7 * 18) * SIDE + 10 + i % 7 * 18);
        assert_int_equal(edx_segment_labels(s)[at] > 0, i % 5 == 2);
    }
    edx_segment_free(&s);
}

/* ---- spheres without noise ---- */

enum { SCAN = 96, CHANNELS = 8, BIN = 2, MAP = SCAN / BIN };

/* Net counts of two lines: a peak less half of each neighbour. */
static const double hand_rows[2 * CHANNELS] = {0, -0.5, 1, -0.5, 0,    0, 0,    0,
                                               0, 0,    0, 0,    -0.5, 1, -0.5, 0};
static const edx_line hand_lines[2] = {{.element = "Ag", .k = 1.44, .k_sigma = 0.01},
                                       {.element = "Au", .k = 1.0}};
static const double even_nm[2] = {0.25, 0.25};

typedef struct sphere {
    double y, x, diameter; /* nm */
} sphere;

typedef struct hand {
    edx_sparse *counts;
    edx_particles *particles;
    float net[2 * MAP * MAP], sigma[2 * MAP * MAP];
    double support; /* as much net signal everywhere as of so many nm */
} hand;

/* Thickness, averaged over the pixel. */
static double chord(const sphere *s, uint32_t row, uint32_t col)
{
    double sum = 0;
    for (int i = 0; i < 64; i++) {
        double y = (row + (i / 8 - 3.5) / 8) * 0.25 - s->y,
               x = (col + (i % 8 - 3.5) / 8) * 0.25 - s->x;
        sum += 2 * sqrt(fmax(square(s->diameter / 2) - y * y - x * x, 0));
    }
    return sum / 64;
}

static void hand_open(hand *h)
{
    const edx_particles_shape shape = {SCAN, SCAN, {0.25, 0.25}, BIN, CHANNELS};
    h->counts = new_counts(SCAN, SCAN, CHANNELS, 1);
    assert_int_equal(edx_particles_new(&shape, &h->particles, NULL), EDX_OK);
}

static void hand_close(hand *h)
{
    edx_sparse_free(&h->counts);
    edx_particles_free(&h->particles);
}

/* Counts of n spheres, in proportion to thickness: ag in the silver line per nm, twice that in the
 * gold line, around each a background of level counts a channel. */
static void hand_draw(hand *h, const sphere *spheres, int n, uint32_t ag, uint32_t level)
{
    static uint32_t offsets[SCAN * SCAN + 1], weights[SCAN * SCAN * 6];
    static uint16_t channels[SCAN * SCAN * 6];
    uint32_t at = 0;
    edx_sparse_clear(h->counts);
    for (uint32_t p = 0; p < SCAN * SCAN; p++) {
        offsets[p] = at;
        double nm = h->support;
        for (int i = 0; i < n; i++)
            nm += chord(&spheres[i], p / SCAN, p % SCAN);
        for (uint16_t c = 1; c < 7; c++) {
            double counts = nm * ag * (c == 2 ? 1 : c == 5 ? 2 : 0) + level;
            channels[at] = c;
            weights[at] = (uint32_t)lround(counts);
            at += weights[at] > 0;
        }
    }
    offsets[SCAN * SCAN] = at;
    const edx_events events = {SCAN * SCAN, offsets, channels, weights};
    assert_int_equal(edx_sparse_add(h->counts, 0, 0, &events, NULL), EDX_OK);
}

static edx_particles_source hand_source(hand *h)
{
    memset(h->net, 0, sizeof h->net);
    memset(h->sigma, 0, sizeof h->sigma);
    for (uint32_t p = 0; p < SCAN * SCAN; p++) {
        uint32_t counts[CHANNELS], at = p / SCAN / BIN * MAP + p % SCAN / BIN;
        edx_scene_dense(edx_sparse_total(h->counts), p, 1, counts);
        for (uint32_t i = 0; i < 2; i++)
            for (uint32_t c = 0; c < CHANNELS; c++) {
                double v = hand_rows[i * CHANNELS + c];
                h->net[i * MAP * MAP + at] += (float)(v * counts[c]);
                h->sigma[i * MAP * MAP + at] += (float)(v * v * counts[c]);
            }
    }
    for (uint32_t i = 0; i < 2 * MAP * MAP; i++)
        h->sigma[i] = sqrtf(h->sigma[i]);
    return (edx_particles_source){2, h->net, h->sigma, NULL, NULL, NULL, h->counts, hand_rows};
}

static uint32_t hand_detect(hand *h, bool fixed)
{
    edx_particles_source source = hand_source(h);
    return edx_particles_detect(h->particles, &source, fixed);
}

static void sizes_are_those_of_spheres(void **state)
{
    static const double diameters[] = {3, 4, 5, 6.5, 8, 10, 12};
    static hand h;
    edx_random random;
    (void)state;
    edx_random_seed(&random, SEED, 3);
    hand_open(&h);
    for (size_t i = 0; i < sizeof diameters / sizeof *diameters; i++) {
        sphere s = {11.5 + edx_random_unit(&random), 11.5 + edx_random_unit(&random), diameters[i]};
        hand_draw(&h, &s, 1, 200, 50);
        assert_int_equal(hand_detect(&h, true), 1);
        const edx_particle_place *p = edx_particles_places(h.particles);
        assert_near(p->diameter_nm, s.diameter, 0.003 * s.diameter, "diameter");
        assert_near(p->centre_nm[0], s.y, 0.01, "y");
        assert_near(p->centre_nm[1], s.x, 0.01, "x");
        assert_true(p->radius_nm * 2 == p->diameter_nm);
        assert_near(p->area_diameter_nm / s.diameter, 0.92, 0.09, "area diameter, relative");
        assert_false(p->touches_edge || p->touches_neighbour);
        assert_int_equal(p->id, 1);
    }
    hand_close(&h);
}

/* The same counts once more, for the lower half alone. */
static void hand_repeat_half(hand *h)
{
    static uint32_t offsets[SCAN / 2 * SCAN + 1], weights[SCAN / 2 * SCAN * CHANNELS];
    static uint16_t channels[SCAN / 2 * SCAN * CHANNELS];
    uint32_t at = 0, counts[CHANNELS];
    for (uint32_t p = 0; p < SCAN / 2 * SCAN; p++) {
        offsets[p] = at;
        edx_scene_dense(edx_sparse_total(h->counts), SCAN / 2 * SCAN + p, 1, counts);
        for (uint32_t c = 0; c < CHANNELS; c++) {
            channels[at] = (uint16_t)c;
            weights[at] = counts[c];
            at += counts[c] > 0;
        }
    }
    offsets[SCAN / 2 * SCAN] = at;
    const edx_events events = {SCAN / 2 * SCAN, offsets, channels, weights};
    assert_int_equal(edx_sparse_add(h->counts, 1, SCAN / 2, &events, NULL), EDX_OK);
}

/* Half of the scan has twice the exposure, and the support has net counts. */
static void exposure_and_background_do_not_bias(void **state)
{
    static float exposure[MAP * MAP];
    static hand h;
    const sphere s = {12.1, 11.8, 8};
    (void)state;
    hand_open(&h);
    h.support = 0.7;
    hand_draw(&h, &s, 1, 200, 50);
    hand_repeat_half(&h);
    for (uint32_t i = 0; i < MAP * MAP; i++)
        exposure[i] = i / MAP < MAP / 2 ? 1 : 2;
    edx_particles_source source = hand_source(&h);
    source.exposure = exposure;
    assert_int_equal(edx_particles_detect(h.particles, &source, true), 1);
    const edx_particle_place *p = edx_particles_places(h.particles);
    assert_near(p->diameter_nm, 8, 0.03, "diameter");
    assert_near(p->centre_nm[0], s.y, 0.02, "y");
    assert_near(p->centre_nm[1], s.x, 0.02, "x");
    hand_close(&h);
}

/* Without counts of scan pixels, and from an image alone. */
static void coarser_sources_serve_as_well(void **state)
{
    static double image[MAP * MAP];
    static hand h;
    edx_random random;
    const sphere s = {12.2, 11.7, 9};
    (void)state;
    edx_random_seed(&random, SEED, 4);
    hand_open(&h);
    hand_draw(&h, &s, 1, 200, 50);
    edx_particles_source source = hand_source(&h);
    source.counts = NULL;
    assert_int_equal(edx_particles_detect(h.particles, &source, true), 1);
    const edx_particle_place *p = edx_particles_places(h.particles);
    assert_near(p->diameter_nm, 9, 0.09, "diameter in analysis pixels");
    assert_near(p->centre_nm[0], s.y, 0.02, "y");
    for (uint32_t i = 0; i < MAP * MAP; i++)
        image[i] = 1000 + h.net[i] + 20 * edx_random_gauss(&random);
    memset(h.net, 0, sizeof h.net);
    source.image = image;
    assert_int_equal(edx_particles_detect(h.particles, &source, true), 1);
    assert_near(p->diameter_nm, 9, 0.18, "diameter in an image");
    source.n = 0;
    assert_int_equal(edx_particles_detect(h.particles, &source, true), 1);
    source.image = NULL;
    assert_int_equal(edx_particles_detect(h.particles, &source, true), 0);
    hand_close(&h);
}

/* ---- identity ---- */

static const edx_particle_place *place_near(const hand *h, double y, double x)
{
    const edx_particle_place *places = edx_particles_places(h->particles);
    for (uint32_t i = 0; i < edx_particles_count(h->particles); i++)
        if (hypot(places[i].centre_nm[0] - y, places[i].centre_nm[1] - x) < 0.5)
            return &places[i];
    fail_msg("no particle at %g, %g nm", y, x);
    return NULL;
}

static void ids_stay_and_none_comes_back(void **state)
{
    static hand h;
    sphere s[3] = {{18, 6, 6}, {6, 7, 7}, {7, 17, 5}};
    (void)state;
    hand_open(&h);
    hand_draw(&h, s, 2, 200, 50);
    assert_int_equal(hand_detect(&h, false), 2);
    assert_int_equal(place_near(&h, 6, 7)->id, 1);
    assert_int_equal(place_near(&h, 18, 6)->id, 2);
    for (int i = 0; i < 10; i++) { /* they wander by more than a radius */
        s[0].y -= 0.4;
        s[1].x += 0.3;
        hand_draw(&h, s, 3, 200, 50);
        assert_int_equal(hand_detect(&h, false), 3);
        assert_int_equal(place_near(&h, s[1].y, s[1].x)->id, 1);
        assert_int_equal(place_near(&h, s[0].y, s[0].x)->id, 2);
        assert_int_equal(place_near(&h, s[2].y, s[2].x)->id, 3);
    }
    hand_draw(&h, s, 2, 200, 50);
    assert_int_equal(hand_detect(&h, false), 2);
    hand_draw(&h, s, 3, 200, 50);
    assert_int_equal(hand_detect(&h, false), 3);
    assert_int_equal(place_near(&h, s[2].y, s[2].x)->id, 4);
    edx_particles *next;
    const edx_particles_shape shape = {SCAN, SCAN, {0.25, 0.25}, BIN, CHANNELS};
    assert_int_equal(edx_particles_new(&shape, &next, NULL), EDX_OK);
    edx_particles_follow(next, h.particles);
    edx_particles_free(&h.particles);
    h.particles = next;
    hand_detect(&h, false);
    assert_int_equal(place_near(&h, s[2].y, s[2].x)->id, 4);
    hand_detect(&h, true); /* from 1, by y, then x */
    assert_int_equal(place_near(&h, s[1].y, s[1].x)->id, 1);
    assert_int_equal(place_near(&h, s[2].y, s[2].x)->id, 2);
    assert_int_equal(place_near(&h, s[0].y, s[0].x)->id, 3);
    hand_close(&h);
}

/* ---- owners ---- */

static void pixels_belong_to_the_nearer_sphere(void **state)
{
    static hand h;
    const sphere s[2] = {{11, 7, 6}, {11.5, 14.4, 9}}; /* 7.42 nm apart: they touch */
    (void)state;
    hand_open(&h);
    hand_draw(&h, s, 2, 200, 50);
    assert_int_equal(hand_detect(&h, true), 2);
    const edx_particle_place *p = edx_particles_places(h.particles);
    const uint32_t *owner = edx_particles_owner(h.particles);
    for (int i = 0; i < 2; i++) {
        assert_near(p[i].diameter_nm, s[i].diameter, 0.03 * s[i].diameter, "touching: diameter");
        assert_near(p[i].centre_nm[1], s[i].x, 0.1, "touching: x");
        assert_true(p[i].touches_neighbour);
    }
    for (uint32_t k = 0; k < SCAN * SCAN; k++) {
        double y = k / SCAN * 0.25, x = k % SCAN * 0.25, over[2];
        for (int i = 0; i < 2; i++)
            over[i] = hypot(y - s[i].y, x - s[i].x) - s[i].diameter / 2;
        uint32_t nearer = over[0] < over[1] ? 0 : 1;
        if (over[nearer] < 0.2 * s[nearer].diameter / 2 && fabs(over[0] - over[1]) > 0.8)
            assert_int_equal(owner[k], nearer + 1);
        if (over[0] > 0.4 * 3 && over[1] > 0.4 * 4.5)
            assert_int_equal(owner[k], 0);
    }
    hand_close(&h);
}

/* Two of 8 nm, 7 nm apart: in projection as thick between them as at their centres, but narrower.
 */
static void spheres_that_overlap_are_two(void **state)
{
    static hand h;
    const sphere s[2] = {{12, 8.5, 8}, {12, 15.1, 8}};
    (void)state;
    hand_open(&h);
    hand_draw(&h, s, 2, 200, 50);
    assert_int_equal(hand_detect(&h, true), 2);
    for (int i = 0; i < 2; i++) {
        const edx_particle_place *p = edx_particles_places(h.particles) + i;
        double nearest = fmin(fabs(p->centre_nm[1] - 8.5), fabs(p->centre_nm[1] - 15.1));
        assert_near(nearest, 0, 0.2, "x");
        assert_near(p->diameter_nm, 8, 0.4, "diameter");
        assert_true(p->touches_neighbour);
    }
    hand_close(&h);
}

static void masks_have_their_margin(void **state)
{
    static hand h;
    const sphere s = {12, 11, 8};
    (void)state;
    hand_open(&h);
    hand_draw(&h, &s, 1, 200, 50);
    hand_detect(&h, true);
    for (int margin = 0; margin < 3; margin++) {
        const uint8_t *mask = edx_particles_mask(h.particles, margin);
        for (uint32_t i = 0; i < MAP * MAP; i++) {
            double y = i / MAP * 0.5 + 0.125 - s.y, x = i % MAP * 0.5 + 0.125 - s.x;
            double over = sqrt(y * y + x * x) - 4 - margin;
            if (fabs(over) > 0.05)
                assert_int_equal(mask[i], over < 0);
        }
    }
    hand_close(&h);
}

static void what_leaves_the_scan_is_flagged(void **state)
{
    static hand h;
    const sphere s[2] = {{2.5, 12, 6}, {14, 12, 7}};
    (void)state;
    hand_open(&h);
    hand_draw(&h, s, 2, 200, 50);
    assert_int_equal(hand_detect(&h, true), 2);
    assert_true(edx_particles_places(h.particles)[0].touches_edge);
    assert_false(edx_particles_places(h.particles)[1].touches_edge);
    hand_close(&h);
}

/* ---- simulated runs ---- */

typedef struct rig {
    edx_simulator *simulator;
    edx_begin begin;
    edx_axis axis;
    edx_line lines[EDX_MAX_LINES];
    uint32_t n;
    double *rows;
    edx_sparse *counts;
    edx_scene *scene;
    edx_intensity *intensity;
    edx_particles *particles;
    edx_radial *radial;
    float *net, *sigma;
    double *image;
} rig;

static void set_lines(rig *r, const edx_scenes_scene *scene)
{
    edx_settings settings;
    edx_settings_default(&settings);
    for (; scene->elements[settings.quant.n_lines].symbol; settings.quant.n_lines++) {
        edx_line_setting *line = &settings.quant.lines[settings.quant.n_lines];
        *line = (edx_line_setting){.k = edx_simulator_peaks(r->simulator)[settings.quant.n_lines].k,
                                   .k_sigma = settings.quant.n_lines == 0 ? 0.01 : 0,
                                   .window_eV = {NAN, NAN},
                                   .background_eV = {{NAN, NAN}, {NAN, NAN}},
                                   .zeta = NAN,
                                   .cross_section_barn = NAN};
        snprintf(line->line, sizeof line->line, "%s", scene->elements[settings.quant.n_lines].line);
    }
    assert_int_equal(edx_lines_resolve(&settings, &r->begin, &r->axis, r->lines, &r->n, NULL),
                     EDX_OK);
    r->rows = calloc((size_t)r->n * r->axis.channels, sizeof *r->rows);
    for (uint32_t i = 0; i < r->n; i++) {
        edx_windows windows = edx_lines_windows(&r->lines[i]);
        assert_true(edx_windows_row(&r->axis, &windows, r->rows + (size_t)i * r->axis.channels));
    }
}

static void rig_open(rig *r, const edx_scenes_scene *scene, uint64_t seed, double dose)
{
    edx_simulator_options options;
    edx_simulator_defaults(scene, seed, &options);
    options.dose = dose;
    assert_int_equal(edx_simulator_new(&options, &r->simulator, NULL), EDX_OK);
    edx_simulator_begin(r->simulator, &r->begin);
    const edx_begin *b = &r->begin;
    r->axis = (edx_axis){b->offset_eV + 1.5 * b->scale_eV, 4 * b->scale_eV, b->channels / 4};
    set_lines(r, scene);
    const edx_sparse_shape shape = {b->rows, b->cols, b->channels, 1, 4, 0, b->channels, 10};
    const edx_particles_shape particles = {
        b->rows, b->cols, {b->step_nm[0], b->step_nm[1]}, BIN, r->axis.channels};
    assert_int_equal(edx_sparse_new(&shape, &r->counts, NULL), EDX_OK);
    assert_int_equal(edx_scene_new(b->rows, b->cols, b->channels, &r->scene, NULL), EDX_OK);
    assert_int_equal(edx_intensity_new(r->lines, r->n, &r->axis, 4, b->rows, b->cols, b->channels,
                                       BIN, &r->intensity, NULL),
                     EDX_OK);
    assert_int_equal(edx_particles_new(&particles, &r->particles, NULL), EDX_OK);
    assert_int_equal(
        edx_radial_new(b->rows, b->cols, b->step_nm, r->axis.channels, 10, &r->radial, NULL),
        EDX_OK);
    size_t pixels = (size_t)(b->rows / BIN) * (b->cols / BIN);
    r->net = calloc(r->n * pixels, sizeof *r->net);
    r->sigma = calloc(r->n * pixels, sizeof *r->sigma);
    r->image = calloc(pixels, sizeof *r->image);
}

static void rig_close(rig *r)
{
    edx_simulator_free(&r->simulator);
    edx_sparse_free(&r->counts);
    edx_scene_free(&r->scene);
    edx_intensity_free(&r->intensity);
    edx_particles_free(&r->particles);
    edx_radial_free(&r->radial);
    free(r->rows);
    free(r->net);
    free(r->sigma);
    free(r->image);
}

static void rig_add(rig *r, uint64_t index)
{
    edx_events_buffer *buffer = edx_events_buffer_new();
    uint32_t cols = r->begin.cols;
    edx_frame frame;
    edx_events events;
    assert_int_equal(edx_simulator_frame(r->simulator, index, &frame, NULL), EDX_OK);
    assert_int_equal(edx_events_from_frame(buffer, &frame, &events, NULL), EDX_OK);
    assert_int_equal(edx_sparse_add(r->counts, index, 0, &events, NULL), EDX_OK);
    assert_int_equal(edx_scene_add(r->scene, 0, &events, NULL), EDX_OK);
    edx_intensity_add(r->intensity, 0, &events);
    for (uint32_t p = 0; p < events.pixels; p++)
        r->image[p / cols / BIN * (cols / BIN) + p % cols / BIN] +=
            edx_array_get(&frame.images[0], p);
    edx_events_buffer_free(&buffer);
}

static uint32_t rig_detect(rig *r, bool fixed)
{
    edx_intensity_maps(r->intensity, r->net, r->sigma);
    const edx_particles_source source = {r->n, r->net, r->sigma,  r->image,
                                         NULL, NULL,   r->counts, r->rows};
    return edx_particles_detect(r->particles, &source, fixed);
}

static edx_radial_source rig_source(const rig *r)
{
    return (edx_radial_source){.counts = r->counts,
                               .lines = {r->lines, r->n, 10, r->rows},
                               .width_nm = 0.5,
                               .owner = edx_particles_owner(r->particles)};
}

static void rig_run(rig *r, const edx_scenes_scene *scene, uint64_t seed)
{
    rig_open(r, scene, seed, 1);
    for (uint64_t f = 0; f < scene->frames; f++)
        rig_add(r, f);
}

/* Spheres of 8 nm's scene, elsewhere and of other sizes. */
static edx_scenes_scene spheres(const char *name, const sphere *s, uint32_t n)
{
    edx_scenes_scene scene = *edx_scenes_find("agau-8nm");
    scene.name = name;
    scene.n_particles = n;
    for (uint32_t i = 0; i < n; i++) {
        scene.particles[i] = scene.particles[0];
        scene.particles[i].centre_nm[0] = s[i].y;
        scene.particles[i].centre_nm[1] = s[i].x;
        scene.particles[i].diameter_nm = s[i].diameter;
    }
    return scene;
}

static const edx_particle_place *find_place(const rig *r, const edx_scenes_particle *truth)
{
    const edx_particle_place *places = edx_particles_places(r->particles), *best = NULL;
    double least = INFINITY;
    for (uint32_t i = 0; i < edx_particles_count(r->particles); i++) {
        double d = hypot(places[i].centre_nm[0] - truth->centre_nm[0],
                         places[i].centre_nm[1] - truth->centre_nm[1]);
        if (d < least) {
            least = d;
            best = &places[i];
        }
    }
    if (!(least <= 0.1))
        fail_msg("particle at %g, %g nm: the nearest is %g nm away", truth->centre_nm[0],
                 truth->centre_nm[1], least);
    return best;
}

static void check_places(const edx_scenes_scene *scene, uint64_t seed)
{
    rig r;
    rig_run(&r, scene, seed);
    if (rig_detect(&r, true) != scene->n_particles)
        fail_msg("%s, seed %llu: %u particles, expected %u", scene->name, (unsigned long long)seed,
                 edx_particles_count(r.particles), scene->n_particles);
    for (uint32_t i = 0; i < scene->n_particles; i++) {
        const edx_scenes_particle *truth = &scene->particles[i];
        const edx_particle_place *p = find_place(&r, truth);
        assert_near(p->diameter_nm, truth->diameter_nm, 0.03 * truth->diameter_nm, scene->name);
        assert_false(p->touches_edge);
    }
    rig_close(&r);
}

static void places_and_sizes_are_true(void **state)
{
    static const sphere touching[2] = {{5.0, 5.0, 6}, {10.3, 10.35, 9}}; /* 7.53 nm apart */
    static const sphere unequal[2] = {{5.9, 5.8, 10}, {13, 13.1, 4}};
    static const sphere four[4] = {{3.5, 3.6, 4}, {3.8, 11.9, 5}, {11.4, 11.2, 7}, {12, 3.2, 4}};
    const edx_scenes_scene made[] = {spheres("touching", touching, 2),
                                     spheres("unequal", unequal, 2), spheres("four", four, 4)};
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        for (size_t i = 0; i < edx_scenes_count(); i++)
            check_places(edx_scenes_at(i), seed);
        for (size_t i = 0; i < sizeof made / sizeof *made; i++)
            check_places(&made[i], seed);
    }
}

/* In the first frames at a fortieth of the dose there is one particle, or none yet. */
static void few_counts_make_no_crowd(void **state)
{
    static const char *const names[] = {"agau-8nm", "agau-4nm", "agau-10nm", "film-3"};
    uint32_t more = 0, none = 0;
    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            const edx_scenes_scene *scene = edx_scenes_find(names[i]);
            rig r;
            rig_open(&r, scene, seed, 0.025);
            for (uint64_t f = 0; f < 15; f++) {
                rig_add(&r, f);
                uint32_t count = rig_detect(&r, false);
                more += count > scene->n_particles;
                none += count < scene->n_particles;
            }
            rig_close(&r);
        }
    assert_in_range(more, 0, 4); /* of 180 */
    assert_in_range(none, 0, 20);
}

/* Same counts, other order: the same numbers to the last bit. */
static void order_makes_no_difference(void **state)
{
    const edx_scenes_scene *scene = edx_scenes_find("agau-two");
    rig a, b;
    edx_particles_result x, y;
    (void)state;
    rig_open(&a, scene, 5, 1);
    rig_open(&b, scene, 5, 1);
    for (uint64_t f = 0; f < 20; f++) {
        rig_add(&a, f);
        rig_add(&b, 19 - f);
        if (f % 4 == 0)
            rig_detect(&b, false);
    }
    assert_int_equal(rig_detect(&a, true), 2);
    assert_int_equal(rig_detect(&b, true), 2);
    assert_memory_equal(edx_particles_places(a.particles), edx_particles_places(b.particles),
                        2 * sizeof(edx_particle_place));
    edx_radial_source s = rig_source(&a), t = rig_source(&b);
    assert_int_equal(edx_radial_fill(a.radial, &s, edx_particles_places(a.particles), 2, &x, NULL),
                     EDX_OK);
    assert_int_equal(edx_radial_fill(b.radial, &t, edx_particles_places(b.particles), 2, &y, NULL),
                     EDX_OK);
    for (int p = 0; p < 2; p++) {
        const edx_particle *one = &x.particles[p], *other = &y.particles[p];
        size_t bytes = sizeof(double) * 2 * one->radial.m;
        assert_int_equal(one->radial.m, other->radial.m);
        assert_memory_equal(one->radial.counts.data, other->radial.counts.data, bytes);
        assert_memory_equal(one->radial.counts_sigma.data, other->radial.counts_sigma.data, bytes);
        assert_memory_equal(&one->segregation, &other->segregation, sizeof one->segregation);
    }
    rig_close(&a);
    rig_close(&b);
}

/* ---- radial profiles ---- */

/* Full spectrum of a ring by the definition, through the other way to line intensities. */
static void assert_ring_counts(const rig *r, const edx_particle *p, uint32_t ring)
{
    static uint64_t spectrum[4096];
    static uint32_t pixel[4096];
    double net[2], covariance[4], fraction[2], sigma[2];
    const edx_particle_place *place = edx_particles_places(r->particles);
    memset(spectrum, 0, sizeof spectrum);
    for (uint32_t i = 0; i < r->begin.rows * r->begin.cols; i++) {
        double d = hypot(i / r->begin.cols * 0.25 - place->centre_nm[0],
                         i % r->begin.cols * 0.25 - place->centre_nm[1]);
        if (d < 0.5 * ring || d >= 0.5 * (ring + 1))
            continue;
        edx_scene_dense(r->scene, i, 1, pixel);
        for (uint32_t c = 0; c < 4096; c++)
            spectrum[c] += pixel[c];
    }
    edx_intensity_spectrum(r->intensity, spectrum, net, covariance);
    bool known = edx_quant_fractions(r->lines, 2, 10, net, covariance, fraction, sigma);
    assert_int_equal(p->radial.quantified[ring], known);
    for (uint32_t i = 0; i < 2; i++) {
        size_t at = i * p->radial.m + ring;
        assert_near(edx_array_get(&p->radial.counts, at), net[i], 1e-6, "counts");
        assert_near(edx_array_get(&p->radial.counts_sigma, at), sqrt(covariance[3 * i]), 1e-6,
                    "their sigma");
        double f = edx_array_get(&p->radial.fraction, at), s = edx_array_get(&p->radial.sigma, at);
        if (!known)
            assert_true(isnan(f) && isnan(s));
        else
            assert_true(fabs(f - fraction[i]) < 1e-12 && fabs(s - sigma[i]) < 1e-12);
    }
}

static void assert_nothing_yet(const edx_particle *p)
{
    const edx_array *later[] = {
        &p->radial.model, &p->radial.model_sigma, &p->radial.denoised, &p->radial.denoised_sigma,
        &p->radial.pca,   &p->radial.pca_sigma,   &p->radial.nmf,      &p->radial.nmf_sigma};
    const edx_check none = {0};
    for (size_t k = 0; k < sizeof later / sizeof *later; k++) {
        assert_int_equal(later[k]->ndim, 2);
        assert_int_equal(later[k]->shape[0], p->n);
        assert_int_equal(later[k]->shape[1], p->radial.m);
        for (size_t i = 0; i < p->n * p->radial.m; i++)
            assert_true(isnan(edx_array_get(later[k], i)));
    }
    assert_memory_equal(&p->radial.denoised_check, &none, sizeof none);
    assert_memory_equal(&p->radial.pca_check, &none, sizeof none);
    assert_memory_equal(&p->radial.nmf_check, &none, sizeof none);
}

static void profiles_are_complete(void **state)
{
    edx_particles_result result = {.count = 0};
    rig r;
    (void)state;
    rig_run(&r, edx_scenes_find("agau-8nm"), 11);
    assert_int_equal(rig_detect(&r, true), 1);
    edx_radial_source source = rig_source(&r);
    const edx_particle_place *place = edx_particles_places(r.particles);
    assert_int_equal(edx_radial_fill(r.radial, &source, place, 1, &result, NULL), EDX_OK);
    assert_int_equal(result.count, 1);
    const edx_particle *p = result.particles;
    assert_int_equal(p->id, 1);
    assert_true(p->diameter_nm == place->diameter_nm && p->centre_nm[1] == place->centre_nm[1]);
    assert_int_equal(p->n, 2);
    assert_string_equal(p->elements[0], "Ag");
    assert_string_equal(p->segregation.element, "Ag");
    assert_int_equal(p->radial.m, ceil(1.35 * place->radius_nm / 0.5));
    for (uint32_t i = 0; i < p->radial.m; i++) {
        assert_near(edx_array_get(&p->radial.r_nm, i), 0.5 * i + 0.25, 1e-12, "r");
        assert_ring_counts(&r, p, i);
    }
    assert_true(p->radial.quantified[0] && !p->radial.quantified[p->radial.m - 1]);
    assert_nothing_yet(p);
    assert_near(p->composition[0][0] + p->composition[1][0], 1, 1e-12, "sum of fractions");
    assert_int_equal(result.n, 2);
    assert_near(result.systematic[0], p->composition[1][0] * 0.01 / r.lines[0].k, 1e-12,
                "systematic");
    rig_close(&r);
}

typedef struct pulls {
    double sum, squares, n;
} pulls;

static void add_pull(pulls *p, double value, double truth, double sigma)
{
    double pull = (value - truth) / sigma;
    assert_true(isfinite(pull));
    p->sum += pull;
    p->squares += pull * pull;
    p->n++;
}

/* Rings, core and shell of one particle against the specimen, in sigma. */
static void pull_particle(const rig *r, const edx_particle *p, pulls *rings, pulls *delta)
{
    double radius = p->diameter_nm / 2, core[2], shell[2], truth[2];
    double limit = edx_radial_core_nm(radius);
    for (uint32_t i = 0; i < p->radial.m; i++)
        if (p->radial.quantified[i] && 0.5 * (i + 1) < radius) {
            edx_truth_ring(r->simulator, 0, 0.5 * i, 0.5 * (i + 1), truth);
            add_pull(rings, edx_array_get(&p->radial.fraction, i), truth[0],
                     edx_array_get(&p->radial.sigma, i));
        }
    edx_truth_ring(r->simulator, 0, 0, limit, core);
    edx_truth_ring(r->simulator, 0, limit, radius, shell);
    add_pull(delta, p->segregation.delta, shell[0] - core[0], p->segregation.sigma);
    assert_near(p->segregation.z, p->segregation.delta / p->segregation.sigma, 1e-9, "z");
    assert_near(p->segregation.sigma, hypot(p->segregation.core[1], p->segregation.shell[1]), 1e-12,
                "sigma");
}

/* Mean 0 and rms 1 of n pulls, to 4.5 sigma; what a width of windows misses is allowed for. */
static void assert_pulls(const pulls *p, const char *what)
{
    print_message("%s: %g pulls, mean %.2f, rms %.2f\n", what, p->n, p->sum / p->n,
                  sqrt(p->squares / p->n));
    assert_near(p->sum / p->n, 0, 4.5 / sqrt(p->n) + 0.3, what);
    assert_near(p->squares / p->n, 1, 4.5 * sqrt(2 / p->n) + 0.2, what);
}

static void profiles_are_true(void **state)
{
    static const char *const names[] = {"agau-8nm", "agau-inverted", "agau-flat"};
    pulls rings = {0}, delta = {0};
    (void)state;
    for (int i = 0; i < 3; i++)
        for (uint64_t seed = 21; seed < 25; seed++) {
            edx_particles_result result = {.count = 0};
            rig r;
            rig_run(&r, edx_scenes_find(names[i]), seed);
            assert_int_equal(rig_detect(&r, true), 1);
            edx_radial_source source = rig_source(&r);
            assert_int_equal(edx_radial_fill(r.radial, &source, edx_particles_places(r.particles),
                                             1, &result, NULL),
                             EDX_OK);
            pull_particle(&r, result.particles, &rings, &delta);
            double z = result.particles->segregation.z;
            assert_true(i == 0 ? z > 3 : i == 1 ? z < -3 : fabs(z) < 4);
            rig_close(&r);
        }
    assert_pulls(&rings, "rings");
    assert_pulls(&delta, "shell less core");
}

/* ---- numbers that are not there ---- */

static void one_partner_is_no_composition(void **state)
{
    static hand h;
    const sphere s = {12, 12, 8};
    edx_particles_result result = {.count = 0};
    edx_radial *radial;
    (void)state;
    hand_open(&h);
    hand_draw(&h, &s, 1, 200, 50);
    assert_int_equal(hand_detect(&h, true), 1);
    double gone[2 * CHANNELS] = {0}; /* gold is looked for where there is nothing */
    memcpy(gone, hand_rows, sizeof *gone * CHANNELS);
    gone[2 * CHANNELS - 1] = 1;
    assert_int_equal(edx_radial_new(SCAN, SCAN, even_nm, CHANNELS, 0, &radial, NULL), EDX_OK);
    for (uint32_t n = 0; n <= 2; n++) {
        const edx_radial_source source = {h.counts, {hand_lines, n, 10, gone}, 0.5, NULL};
        assert_int_equal(
            edx_radial_fill(radial, &source, edx_particles_places(h.particles), 1, &result, NULL),
            EDX_OK);
        const edx_particle *p = result.particles;
        assert_int_equal(p->n, n);
        assert_int_equal(p->radial.fraction.shape[0], n);
        for (uint32_t k = 0; k < p->radial.m; k++) {
            assert_false(p->radial.quantified[k]);
            for (uint32_t i = 0; i < n; i++)
                assert_true(isnan(edx_array_get(&p->radial.fraction, i * p->radial.m + k)));
        }
        for (uint32_t i = 0; i < n; i++)
            assert_true(isnan(p->composition[i][0]) && isnan(result.systematic[i]));
        assert_true(isnan(p->segregation.delta) && isnan(p->segregation.z));
        assert_string_equal(p->segregation.element, n == 0 ? "" : "Ag");
    }
    edx_radial_free(&radial);
    hand_close(&h);
}

/* Counts without noise: Ag : Au = 1 : 2 counts, so C = 1.44 / 3.44 in every ring and zone; a place
 * of one pixel has an answer for that pixel and none around it. */
static void exact_counts_give_exact_fractions(void **state)
{
    static hand h;
    const sphere s = {12, 12, 8};
    const double truth = 1.44 / 3.44;
    edx_rings rings;
    edx_radial *radial;
    (void)state;
    hand_open(&h);
    hand_draw(&h, &s, 1, 20000, 0);
    assert_int_equal(hand_detect(&h, true), 1);
    assert_int_equal(edx_radial_new(SCAN, SCAN, even_nm, CHANNELS, 1, &radial, NULL), EDX_OK);
    const edx_radial_source source = {
        h.counts, {hand_lines, 2, 10, hand_rows}, 0.5, edx_particles_owner(h.particles)};
    assert_int_equal(
        edx_radial_take(radial, &source, 3, edx_particles_places(h.particles), true, &rings, NULL),
        EDX_OK);
    const edx_particle *p = &edx_radial_particles(radial)[3];
    for (uint32_t k = 0; 0.5 * (k + 1) < 4; k++)
        assert_near(edx_array_get(&p->radial.fraction, k), truth, 1e-6, "ring");
    assert_near(p->composition[0][0], truth, 1e-6, "whole");
    assert_near(p->segregation.core[0], truth, 1e-6, "core");
    assert_near(p->segregation.shell[0], truth, 1e-6, "shell");
    edx_radial_values(radial, 3, EDX_RADIAL_DENOISED)[1] = 0.25; /* what the caller writes shows */
    assert_true(edx_array_get(&p->radial.denoised, 1) == 0.25);
    edx_rings zones = edx_radial_zones(radial);
    assert_int_equal(zones.m, 2);
    double radius = p->diameter_nm / 2;
    assert_near(zones.pixels[0] + zones.pixels[1], PI * radius * radius * 16, 30,
                "pixels within R");
    assert_near(zones.square_nm2[0], square(edx_radial_core_nm(radius)) / 2, 0.1, "core's square");
    const edx_particle_place one = {
        .id = 1, .centre_nm = {12, 12}, .radius_nm = 0.1, .diameter_nm = 0.2};
    assert_int_equal(edx_radial_take(radial, &source, 0, &one, true, &rings, NULL), EDX_OK);
    p = edx_radial_particles(radial);
    assert_int_equal(p->radial.m, 1);
    assert_near(p->composition[0][0], truth, 1e-4, "one pixel");
    assert_true(isnan(p->segregation.shell[0]) && isnan(p->segregation.delta));
    edx_radial_free(&radial);
    hand_close(&h);
}

/* Core and shell by other functionals: here rows that see twice the silver. */
static void segregation_takes_any_rows(void **state)
{
    const double rows[4] = {2, 0, 0, 1}, core[2] = {1000, 4000}, shell[2] = {3000, 2000};
    const edx_radial_lines lines = {hand_lines, 2, 5, rows};
    edx_particle p;
    (void)state;
    edx_radial_segregation(&lines, 2, core, shell, &p);
    double in = 2880.0 / 6880, out = 8640.0 / 10640;
    assert_near(p.segregation.core[0], in, 1e-12, "core");
    assert_near(p.segregation.core[1], in * (1 - in) * sqrt(1.0 / 1000 + 1.0 / 4000), 1e-12,
                "its sigma");
    assert_near(p.segregation.delta, out - in, 1e-12, "delta");
    assert_near(p.segregation.sigma,
                hypot(p.segregation.core[1], out * (1 - out) * sqrt(1.0 / 3000 + 1.0 / 2000)),
                1e-12, "sigma");
    assert_near(edx_radial_core_nm(5), 3, 1e-12, "core of 10 nm");
    assert_near(edx_radial_core_nm(3), 1.5, 1e-12, "core of 6 nm");
}

/* ---- memory ---- */

static void nothing_is_allocated_again(void **state)
{
    static hand h;
    const sphere s[2] = {{7, 8, 6}, {15, 15, 8}};
    edx_particles_result result;
    edx_radial *radial;
    (void)state;
    hand_open(&h);
    hand_draw(&h, s, 2, 200, 50);
    edx_particles_source source = hand_source(&h);
    assert_int_equal(edx_radial_new(SCAN, SCAN, even_nm, CHANNELS, 0, &radial, NULL), EDX_OK);
    const edx_radial_source rings = {
        h.counts, {hand_lines, 2, 10, hand_rows}, 0.5, edx_particles_owner(h.particles)};
    for (int turn = 0; turn < 3; turn++) {
        long before = allocations;
        assert_int_equal(edx_particles_detect(h.particles, &source, turn == 1), 2);
        edx_particles_mask(h.particles, 1);
        assert_int_equal(allocations, before); /* not even at first */
        assert_int_equal(
            edx_radial_fill(radial, &rings, edx_particles_places(h.particles), 2, &result, NULL),
            EDX_OK);
        assert_true(turn == 0 || allocations == before);
    }
    edx_radial_free(&radial);
    hand_close(&h);
}

/* Everything once; NOMEM wherever an allocation fails, and what was made can be freed. */
static edx_status try_all(const hand *h)
{
    const edx_particles_shape shape = {SCAN, SCAN, {0.25, 0.25}, BIN, CHANNELS};
    const edx_radial_source source = {h->counts, {hand_lines, 2, 10, hand_rows}, 0.5, NULL};
    const edx_particle_place place = {.id = 1, .centre_nm = {12, 12}, .radius_nm = 4};
    edx_particles_result result;
    edx_particles *particles = NULL;
    edx_radial *radial = NULL;
    edx_status status = edx_particles_new(&shape, &particles, NULL);
    if (status == EDX_OK)
        status = edx_radial_new(SCAN, SCAN, even_nm, CHANNELS, 0, &radial, NULL);
    for (int turn = 0; turn < 2 && status == EDX_OK; turn++)
        status = edx_radial_fill(radial, &source, &place, 1, &result, NULL);
    edx_radial_free(&radial);
    edx_particles_free(&particles);
    return status;
}

static void every_failed_allocation_is_reported(void **state)
{
    static hand h;
    const sphere s = {12, 12, 8};
    edx_status status = EDX_E_NOMEM;
    int fails = 0;
    (void)state;
    hand_open(&h);
    hand_draw(&h, &s, 1, 200, 50);
    for (; status != EDX_OK; fails++) {
        allocations_left = fails;
        status = try_all(&h);
        allocations_left = -1;
        assert_true(status == EDX_OK || status == EDX_E_NOMEM);
        assert_in_range(fails, 0, 200);
    }
    assert_in_range(fails, 30, 200);
    hand_close(&h);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_folds),
        cmocka_unit_test(impossible_folds_are_refused),
        cmocka_unit_test(every_pixel_is_in_one_ring),
        cmocka_unit_test(impossible_rings_are_refused),
        cmocka_unit_test(noise_has_no_particles),
        cmocka_unit_test(parts_are_those_that_were_drawn),
        cmocka_unit_test(small_things_are_none),
        cmocka_unit_test(without_a_neck_nothing_is_split),
        cmocka_unit_test(valleys_split_unless_they_are_noise),
        cmocka_unit_test(the_largest_stay),
        cmocka_unit_test(sizes_are_those_of_spheres),
        cmocka_unit_test(exposure_and_background_do_not_bias),
        cmocka_unit_test(coarser_sources_serve_as_well),
        cmocka_unit_test(ids_stay_and_none_comes_back),
        cmocka_unit_test(pixels_belong_to_the_nearer_sphere),
        cmocka_unit_test(spheres_that_overlap_are_two),
        cmocka_unit_test(masks_have_their_margin),
        cmocka_unit_test(what_leaves_the_scan_is_flagged),
        cmocka_unit_test(places_and_sizes_are_true),
        cmocka_unit_test(few_counts_make_no_crowd),
        cmocka_unit_test(order_makes_no_difference),
        cmocka_unit_test(profiles_are_complete),
        cmocka_unit_test(profiles_are_true),
        cmocka_unit_test(one_partner_is_no_composition),
        cmocka_unit_test(exact_counts_give_exact_fractions),
        cmocka_unit_test(segregation_takes_any_rows),
        cmocka_unit_test(nothing_is_allocated_again),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
