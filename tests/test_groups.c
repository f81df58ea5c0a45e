/* Counts by group of frames, and what is seen of them through bins, against dense cubes that are
 * filled by definition; what they may take of memory; counts on tape. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "analysis/pass.h"
#include "analysis/scene.h"
#include "analysis/scene_rows.h"
#include "analysis/tape.h"

enum { ROWS = 11, COLS = 9, CHANNELS = 60, GROUPS = 4, PIXELS = ROWS * COLS };

static uint64_t chance_state;

static uint32_t chance(uint32_t below)
{
    uint64_t z = (chance_state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % below);
}

/* ---- events ---- */

static uint32_t offsets[PIXELS + 1], weights[PIXELS * 40];
static uint16_t channels[PIXELS * 40];

/* Of some rows: their number and, in *row, the first. */
static edx_events make_events(uint32_t *row, bool weighted)
{
    uint32_t n = 0;

    *row = chance(ROWS);
    uint32_t pixels = (1 + chance(ROWS - *row)) * COLS;
    for (uint32_t p = 0; p < pixels; p++) {
        for (uint32_t k = chance(3) == 0 ? 0 : chance(40); k > 0; k--, n++) {
            channels[n] = (uint16_t)chance(CHANNELS);
            weights[n] = chance(4) == 0 ? chance(70000) : 1;
        }
        offsets[p + 1] = n;
    }
    return (edx_events){pixels, offsets, channels, weighted ? weights : NULL};
}

static uint64_t truth[GROUPS + 1][PIXELS][CHANNELS], exposure[GROUPS + 1];

static void count_truth(uint32_t group, uint32_t row, const edx_events *e)
{
    for (uint32_t p = 0; p < e->pixels; p++)
        for (uint32_t i = e->offsets[p]; i < e->offsets[p + 1]; i++)
            truth[group][row * COLS + p][e->channels[i]] += e->weights ? e->weights[i] : 1;
    exposure[group] += e->pixels;
}

static edx_scene *random_groups(edx_pool *pool)
{
    edx_scene *scene = NULL;

    memset(truth, 0, sizeof truth);
    memset(exposure, 0, sizeof exposure);
    assert_int_equal(edx_scene_new_grouped(ROWS, COLS, CHANNELS, GROUPS, &scene, NULL), EDX_OK);
    assert_int_equal(edx_scene_set_pool(scene, pool, NULL), EDX_OK);
    for (int i = 0; i < 25; i++) {
        uint32_t row, group = chance(GROUPS + 1);
        edx_events e = make_events(&row, i % 3 == 0);
        if (group == 1) /* nothing ever comes to that */
            group = GROUPS;
        assert_int_equal(group == GROUPS ? edx_scene_add(scene, row, &e, NULL)
                                         : edx_scene_add_to(scene, group, row, &e, NULL),
                         EDX_OK);
        count_truth(group, row, &e);
    }
    return scene;
}

/* ---- a scene of groups ---- */

static void check_all(const edx_scene *scene)
{
    static uint32_t dense[PIXELS * CHANNELS];
    uint64_t spectrum[CHANNELS] = {0};
    uint32_t peak = 0;

    edx_scene_dense(scene, 0, PIXELS, dense);
    for (uint32_t p = 0; p < PIXELS; p++)
        for (uint32_t c = 0; c < CHANNELS; c++) {
            uint64_t sum = 0;
            for (uint32_t g = 0; g <= GROUPS; g++)
                sum += truth[g][p][c];
            assert_int_equal(dense[p * CHANNELS + c], sum);
            spectrum[c] += sum;
            peak = sum > peak ? (uint32_t)sum : peak;
        }
    assert_memory_equal(edx_scene_spectrum(scene), spectrum, sizeof spectrum);
    assert_int_equal(edx_scene_peak(scene), peak);
    for (uint32_t c = 1; c < CHANNELS; c++)
        spectrum[0] += spectrum[c];
    assert_int_equal(edx_scene_counts(scene), spectrum[0]);
}

static void test_groups_add_up(void **state)
{
    edx_pool *pool = NULL;

    (void)state;
    assert_int_equal(edx_pool_new(3, &pool, NULL), EDX_OK);
    for (int i = 0; i < 12; i++) {
        edx_scene *scene = random_groups(i % 2 ? pool : NULL);
        check_all(scene);
        edx_scene_sort(scene);
        check_all(scene);
        for (uint32_t g = 0; g <= GROUPS; g++)
            assert_int_equal(edx_scene_group_exposure(scene, g), exposure[g]);
        edx_scene_free(&scene);
    }
    edx_pool_free(&pool);
}

static void test_other_groups(void **state)
{
    uint64_t all = 0;

    (void)state;
    edx_scene *scene = random_groups(NULL);
    for (uint32_t g = 0; g <= GROUPS; g++)
        all += exposure[g];
    assert_int_equal(edx_scene_regroup(scene, 7, NULL), EDX_OK);
    assert_int_equal(edx_scene_groups(scene), 7);
    check_all(scene);
    for (uint32_t g = 0; g < 7; g++)
        assert_int_equal(edx_scene_group_exposure(scene, g), 0);
    assert_int_equal(edx_scene_group_exposure(scene, 7), all);
    uint32_t row;
    edx_events e = make_events(&row, false);
    assert_int_equal(edx_scene_add_to(scene, 6, row, &e, NULL), EDX_OK);
    count_truth(0, row, &e);
    check_all(scene);
    assert_int_equal(edx_scene_group_exposure(scene, 6), e.pixels);
    edx_scene_free(&scene);
    assert_int_equal(edx_scene_new_grouped(2, 2, 4, EDX_SCENE_GROUPS + 1, &scene, NULL),
                     EDX_E_RANGE);
}

/* ---- views ---- */

enum { LO = 7, HI = 50, BIN_E = 4, E = CHANNELS / BIN_E };

static uint64_t seen[PIXELS][E];

static void add_binned(uint32_t group, uint32_t bin)
{
    uint32_t cols = COLS / bin;

    for (uint32_t p = 0; p < PIXELS; p++)
        for (uint32_t c = LO; c < HI; c++)
            if (p / COLS / bin < ROWS / bin && p % COLS / bin < cols && c / BIN_E < E)
                seen[p / COLS / bin * cols + p % COLS / bin][c / BIN_E] += truth[group][p][c];
}

/* What a group is through bins, pixels and channels that fill none left out. */
static void bin_truth(uint32_t group, uint32_t bin)
{
    memset(seen, 0, sizeof seen);
    for (uint32_t g = 0; g <= GROUPS && group == EDX_SCENE_ALL; g++)
        add_binned(g, bin);
    if (group != EDX_SCENE_ALL)
        add_binned(group, bin);
}

static void check_view(const edx_scene *view, uint32_t group, uint32_t bin)
{
    static uint32_t dense[PIXELS * E];
    uint32_t pixels = (ROWS / bin) * (COLS / bin);
    uint64_t spectrum[E] = {0}, counts = 0;

    bin_truth(group, bin);
    edx_scene_dense(view, 0, pixels, dense);
    for (uint32_t i = 0; i < pixels * E; i++) {
        assert_int_equal(dense[i], seen[i / E][i % E]);
        spectrum[i % E] += dense[i];
        counts += dense[i];
    }
    assert_memory_equal(edx_scene_spectrum(view), spectrum, sizeof spectrum);
    assert_int_equal(edx_scene_counts(view), counts);
    for (uint32_t p = 0; p < pixels; p++) {
        edx_scene_row row = edx_scene_row_at(view, p);
        uint64_t sum[E] = {0};
        for (uint32_t i = 0; i < row.n; i++)
            sum[row.keys[i] & EDX_ROW_CHANNEL] += (uint64_t)row.digits[i]
                                                  << (row.keys[i] >> EDX_ROW_CHANNEL_BITS) * 8;
        assert_memory_equal(sum, seen[p], sizeof sum);
    }
}

static void fill_map(uint16_t *map)
{
    for (uint32_t c = 0; c < CHANNELS; c++)
        map[c] = (uint16_t)(c >= LO && c < HI && c / BIN_E < E ? c / BIN_E : E);
}

static void test_views_are_groups_through_bins(void **state)
{
    uint16_t map[CHANNELS];

    (void)state;
    fill_map(map);
    for (uint32_t bin = 1; bin <= 4; bin++) {
        edx_scene *scene = random_groups(NULL);
        for (uint32_t g = 0; g <= GROUPS; g++) {
            edx_scene *view = NULL;
            assert_int_equal(edx_scene_new_view(scene, g, bin, map, E, &view, NULL), EDX_OK);
            check_view(view, g, bin);
            uint32_t row;
            edx_events e = make_events(&row, bin == 2);
            assert_int_equal(edx_scene_add_to(scene, g, row, &e, NULL), EDX_OK);
            count_truth(g, row, &e);
            check_view(view, g, bin); /* it follows */
            edx_scene_free(&view);
        }
        edx_scene *view = NULL;
        assert_int_equal(edx_scene_new_view(scene, EDX_SCENE_ALL, bin, map, E, &view, NULL),
                         EDX_OK);
        check_view(view, EDX_SCENE_ALL, bin);
        edx_scene_free(&view);
        edx_scene_free(&scene);
    }
}

/* Passes over a view give what the same counts in a store of their own give. */
static void test_passes_over_views(void **state)
{
    enum { BIN = 2, P = (ROWS / BIN) * (COLS / BIN) };
    static double of_view[E * EDX_PASS], expected[E][EDX_PASS];
    uint16_t map[CHANNELS];
    double column[E], square = 0;
    edx_scene *view = NULL, *scene = random_groups(NULL);
    edx_pass *pass = NULL;

    (void)state;
    fill_map(map);
    assert_int_equal(edx_scene_new_view(scene, 0, BIN, map, E, &view, NULL), EDX_OK);
    assert_int_equal(edx_pass_new(P, E, &pass, NULL), EDX_OK);
    bin_truth(0, BIN);
    edx_scene *store = NULL; /* one count in every pixel: a_i is 1 */
    assert_int_equal(edx_scene_new(ROWS / BIN, COLS / BIN, E, &store, NULL), EDX_OK);
    for (uint32_t p = 0; p <= P; p++)
        offsets[p] = p;
    memset(channels, 0, sizeof channels);
    assert_int_equal(edx_scene_add(store, 0, &(edx_events){P, offsets, channels, NULL}, NULL),
                     EDX_OK);
    edx_pass_scale(pass, store);
    float *w = edx_pass_input(pass);
    for (uint32_t i = 0; i < E * EDX_PASS; i++)
        w[i] = (float)chance(1000) / 1000;
    memset(expected, 0, sizeof expected);
    for (uint32_t p = 0; p < P; p++)
        for (uint32_t k = 0; k < EDX_PASS; k++) {
            double u = 0;
            for (uint32_t c = 0; c < E; c++)
                u += (double)seen[p][c] * (double)w[c * EDX_PASS + k];
            for (uint32_t c = 0; c < E; c++)
                expected[c][k] += (double)seen[p][c] * u;
        }
    const edx_pass_term term = {1, 1, {view}, {1}};
    edx_pass_apply(pass, &term, 1, of_view);
    for (uint32_t i = 0; i < E * EDX_PASS; i++)
        assert_true(of_view[i] >= expected[i / EDX_PASS][i % EDX_PASS] * (1 - 1e-5) &&
                    of_view[i] <= expected[i / EDX_PASS][i % EDX_PASS] * (1 + 1e-5));
    for (uint32_t c = 0; c < E; c++)
        column[c] = 1.0 / (1 + c);
    for (uint32_t i = 0; i < P * E; i++)
        square += (double)seen[i / E][i % E] * (double)seen[i / E][i % E] * column[i % E];
    double found = edx_pass_square(pass, view, column);
    assert_true(found >= square * (1 - 1e-5) && found <= square * (1 + 1e-5));
    edx_pass_free(&pass);
    edx_scene_free(&view);
    edx_scene_free(&store);
    edx_scene_free(&scene);
}

/* ---- memory ---- */

/* What a pixel takes beside its slots: two sums, and of every group a record with what rounding up
 * to whole ones leaves. */
static uint64_t fixed(uint32_t pixels, uint32_t groups)
{
    return 4096 + pixels * (12u + groups * 18u);
}

/* Frames of few or many counts, in a few channels or all, of some rows or all, to one group or
 * another: never more than 1.25 times what the counts need. */
static void test_memory_stays_in_bounds(void **state)
{
    enum { SIDE = 32, N = SIDE * SIDE, MOST = 60 };
    static uint32_t at[N + 1];
    static uint16_t of[N * MOST];
    edx_scene *scene = NULL;

    (void)state;
    assert_int_equal(edx_scene_new_grouped(SIDE, SIDE, 4096, 10, &scene, NULL), EDX_OK);
    for (int frame = 0; frame < 150; frame++) {
        uint32_t rows = chance(3) == 0 ? 1 + chance(SIDE) : SIDE, n = 0;
        uint32_t crowd = chance(4) == 0 ? MOST : 6, few = chance(2) == 0 ? 40 : 4096;
        for (uint32_t p = 0; p < rows * SIDE; p++) {
            for (uint32_t k = chance(crowd); k > 0; k--)
                of[n++] = (uint16_t)chance(few);
            at[p + 1] = n;
        }
        const edx_events e = {rows * SIDE, at, of, NULL};
        assert_int_equal(edx_scene_add_to(scene, chance(10), SIDE - rows, &e, NULL), EDX_OK);
        uint64_t needed = 3 * edx_scene_slots(scene);
        uint64_t workers = 4096 * (8 + 8 * 10 + 12);
        assert_in_range(edx_scene_bytes(scene), needed, needed * 5 / 4 + fixed(N, 10) + workers);
    }
    edx_scene_free(&scene);
}

/* ---- tape ---- */

typedef struct expected {
    const uint32_t *pixel;
    const uint8_t *symbol;
    size_t at;
} expected;

static void check_put(void *context, uint32_t pixel, uint8_t symbol)
{
    expected *e = context;

    assert_int_equal(pixel, e->pixel[e->at]);
    assert_int_equal(symbol, e->symbol[e->at]);
    e->at++;
}

/* Any pixels of a message, and none that are not asked for. */
static void check_some(const edx_tape *tape, uint32_t message, const uint32_t *pixel,
                       const uint8_t *symbol, size_t n)
{
    uint32_t most = n > 0 ? pixel[n - 1] + 600 : 600, first = chance(most);
    uint32_t end = first + chance(most);
    expected e = {pixel, symbol, 0};

    while (e.at < n && pixel[e.at] < first)
        e.at++;
    edx_tape_visit_some(tape, message, first, end, check_put, &e);
    assert_true(e.at == 0 || pixel[e.at - 1] < end);
    assert_true(e.at == n || pixel[e.at] >= end || first >= end);
}

static void test_tape_keeps_what_is_put(void **state)
{
    enum { MOST = 3000, MESSAGES = 12 };
    static uint32_t pixel[MESSAGES][MOST];
    static uint8_t symbol[MESSAGES][MOST];
    static const uint32_t steps[] = {0, 0, 1, 2, 3, 254, 255, 256, 510, 511, 70000};
    size_t n[MESSAGES], all = 0;
    edx_tape *tape = NULL;

    (void)state;
    assert_int_equal(edx_tape_new(&tape, NULL), EDX_OK);
    for (uint32_t m = 0; m < MESSAGES; m++) {
        uint32_t first = chance(1000), at = first, most = m % 3 == 0 ? 5 : 11;
        n[m] = chance(MOST);
        for (size_t i = 0; i < n[m]; i++) {
            at += steps[chance(most)];
            pixel[m][i] = at;
            symbol[m][i] = (uint8_t)(1 + chance(EDX_TAPE_SYMBOLS));
        }
        assert_int_equal(edx_tape_begin(tape, 7 * m, first, at - first + 1, n[m], NULL), EDX_OK);
        for (size_t i = 0; i < n[m]; i++)
            edx_tape_put(tape, pixel[m][i], symbol[m][i]);
        edx_tape_end(tape);
        all += n[m];
    }
    assert_int_equal(edx_tape_count(tape), MESSAGES);
    for (uint32_t m = 0; m < MESSAGES; m++) {
        expected e = {pixel[m], symbol[m], 0};
        edx_tape_visit(tape, m, check_put, &e);
        assert_int_equal(e.at, n[m]);
        assert_int_equal(edx_tape_frame(tape, m), 7 * m);
        for (int i = 0; i < 200; i++)
            check_some(tape, m, pixel[m], symbol[m], n[m]);
    }
    assert_true(edx_tape_bytes(tape) > all);
    edx_tape_clear(tape);
    assert_int_equal(edx_tape_count(tape), 0);
    edx_tape_free(&tape);
    assert_null(tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups_add_up),
        cmocka_unit_test(test_other_groups),
        cmocka_unit_test(test_views_are_groups_through_bins),
        cmocka_unit_test(test_passes_over_views),
        cmocka_unit_test(test_memory_stays_in_bounds),
        cmocka_unit_test(test_tape_keeps_what_is_put),
    };
    const char *seed = getenv("EDX_SEED");

    chance_state = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
    print_message("EDX_SEED=%" PRIu64 "\n", chance_state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
