/* The scene against a dense cube that is filled by definition. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "analysis/scene.h"
#include "analysis/scene_kernels.h"

/* ---- chance ---- */

static uint64_t chance_state;

static uint32_t chance(uint32_t below)
{
    uint64_t z = (chance_state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % below);
}

/* ---- memory that can run out ---- */

static atomic_int allocations_left = -1; /* -1: no limit */

static bool refused(void)
{
    if (atomic_load(&allocations_left) < 0)
        return false;
    return atomic_fetch_sub(&allocations_left, 1) <= 0;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_malloc(size_t size)
{
    return refused() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refused() ? NULL : __real_calloc(n, size);
}

static void allow(int n)
{
    atomic_store(&allocations_left, n);
}

static void allow_all(void)
{
    atomic_store(&allocations_left, -1);
}

/* ---- frames and the dense cube ---- */

typedef struct frame {
    edx_events events;
    uint32_t row;
    uint32_t *offsets;
    uint16_t *channels;
    uint32_t *weights;
} frame;

typedef struct cube {
    uint32_t rows, cols, channels;
    uint32_t *counts; /* saturating */
    uint64_t *spectrum, *pixel_counts;
    uint32_t *exposure;
    uint64_t total;
} cube;

static frame frame_new(uint32_t row, uint32_t pixels, uint32_t entries, bool weighted)
{
    frame f = {.row = row};

    f.offsets = calloc(pixels + 1, sizeof *f.offsets);
    f.channels = calloc(entries + 1, sizeof *f.channels);
    f.weights = weighted ? calloc(entries + 1, sizeof *f.weights) : NULL;
    f.events = (edx_events){pixels, f.offsets, f.channels, f.weights};
    return f;
}

static void frame_free(frame *f)
{
    free(f->offsets);
    free(f->channels);
    free(f->weights);
}

static uint32_t random_weight(void)
{
    static const uint32_t edges[] = {0, 1, 1, 2, 255, 256, 257, 65535, 65536, 1u << 24, UINT32_MAX};

    return chance(3) == 0 ? chance(UINT32_MAX) >> chance(32)
                          : edges[chance(sizeof edges / sizeof *edges)];
}

/* Some rows; crowd: how many entries a pixel may have; few: of how many channels. */
static frame random_frame(const cube *c, uint32_t crowd, uint32_t few, bool weighted)
{
    uint32_t row = chance(c->rows), rows = 1 + chance(c->rows - row);
    uint32_t pixels = rows * c->cols;
    frame f = frame_new(row, pixels, pixels * crowd, weighted);
    uint32_t n = 0;

    for (uint32_t p = 0; p < pixels; p++) {
        uint32_t entries = chance(3) == 0 ? 0 : chance(crowd + 1);
        for (uint32_t e = 0; e < entries; e++, n++) {
            f.channels[n] = (uint16_t)(c->channels - 1 - chance(few) % c->channels);
            if (weighted)
                f.weights[n] = random_weight();
        }
        f.offsets[p + 1] = n;
    }
    return f;
}

static cube cube_new(uint32_t rows, uint32_t cols, uint32_t channels)
{
    cube c = {.rows = rows, .cols = cols, .channels = channels};

    c.counts = calloc((size_t)rows * cols * channels, sizeof *c.counts);
    c.spectrum = calloc(channels, sizeof *c.spectrum);
    c.pixel_counts = calloc((size_t)rows * cols, sizeof *c.pixel_counts);
    c.exposure = calloc((size_t)rows * cols, sizeof *c.exposure);
    return c;
}

static void cube_free(cube *c)
{
    free(c->counts);
    free(c->spectrum);
    free(c->pixel_counts);
    free(c->exposure);
}

static void cube_count(cube *c, size_t pixel, uint16_t channel, uint32_t w)
{
    uint32_t *voxel = &c->counts[pixel * c->channels + channel];

    *voxel = *voxel > UINT32_MAX - w ? UINT32_MAX : *voxel + w;
    c->spectrum[channel] += w;
    c->pixel_counts[pixel] += w;
    c->total += w;
}

static void cube_add(cube *c, const frame *f)
{
    size_t pixel = (size_t)f->row * c->cols;

    for (uint32_t p = 0; p < f->events.pixels; p++, pixel++) {
        c->exposure[pixel]++;
        for (uint32_t e = f->offsets[p]; e < f->offsets[p + 1]; e++)
            cube_count(c, pixel, f->channels[e], f->weights == NULL ? 1 : f->weights[e]);
    }
}

/* ---- comparing ---- */

typedef struct seen {
    const uint32_t *expected; /* the pixel's dense counts */
    uint32_t *times;
    uint32_t channels;
} seen;

static void check_voxel(void *context, uint32_t channel, uint32_t count)
{
    seen *s = context;

    assert_in_range(channel, 0, s->channels - 1);
    assert_int_equal(s->times[channel]++, 0);
    assert_int_not_equal(count, 0);
    assert_int_equal(count, s->expected[channel]);
}

static uint32_t digits_of(uint32_t count)
{
    uint32_t digits = 0;

    for (; count != 0; count >>= 8)
        digits++;
    return digits;
}

static void check_visits(const edx_scene *scene, const cube *c, uint32_t pixel)
{
    uint32_t times[16384];
    seen s = {c->counts + (size_t)pixel * c->channels, times, c->channels};

    memset(times, 0, sizeof *times * c->channels);
    edx_scene_visit(scene, pixel, check_voxel, &s);
    for (uint32_t k = 0; k < c->channels; k++)
        assert_int_equal(times[k], s.expected[k] != 0);
}

static void check_sums(const edx_scene *scene, const cube *c)
{
    size_t pixels = (size_t)c->rows * c->cols;

    assert_int_equal(edx_scene_counts(scene), c->total);
    assert_memory_equal(edx_scene_spectrum(scene), c->spectrum, sizeof(uint64_t) * c->channels);
    assert_memory_equal(edx_scene_pixel_counts(scene), c->pixel_counts, sizeof(uint64_t) * pixels);
    assert_memory_equal(edx_scene_exposure(scene), c->exposure, sizeof(uint32_t) * pixels);
}

static void check(const edx_scene *scene, const cube *c)
{
    size_t voxels = (size_t)c->rows * c->cols * c->channels;
    uint32_t *dense = malloc(sizeof *dense * voxels);
    uint32_t peak = 0;
    uint64_t slots = 0;

    check_sums(scene, c);
    memset(dense, 255, sizeof *dense * voxels);
    edx_scene_dense(scene, 0, c->rows * c->cols, dense);
    assert_memory_equal(dense, c->counts, sizeof *dense * voxels);
    for (size_t v = 0; v < voxels; v++) {
        peak = c->counts[v] > peak ? c->counts[v] : peak;
        slots += digits_of(c->counts[v]);
    }
    assert_int_equal(edx_scene_peak(scene), peak);
    assert_int_equal(edx_scene_slots(scene), slots);
    for (uint32_t p = 0; p < c->rows * c->cols; p++)
        check_visits(scene, c, p);
    free(dense);
}

static edx_scene *scene_new(uint32_t rows, uint32_t cols, uint32_t channels)
{
    edx_scene *scene = NULL;

    assert_int_equal(edx_scene_new(rows, cols, channels, &scene, NULL), EDX_OK);
    return scene;
}

static void add(edx_scene *scene, cube *c, const frame *f)
{
    assert_int_equal(edx_scene_add(scene, f->row, &f->events, NULL), EDX_OK);
    cube_add(c, f);
}

/* ---- random scenes ---- */

static void random_scene(const edx_kernel *kernel, edx_pool *pool, uint32_t channels)
{
    cube c = cube_new(1 + chance(24), 1 + chance(40), channels);
    edx_scene *scene = scene_new(c.rows, c.cols, c.channels);
    uint32_t crowd = 1 + chance(chance(2) == 0 ? 12 : 60), few = 1 + chance(2 * channels);

    edx_scene_use(scene, kernel);
    assert_int_equal(edx_scene_set_pool(scene, pool, NULL), EDX_OK);
    for (int i = 0; i < 12; i++) {
        frame f = random_frame(&c, crowd, few, chance(3) == 0);
        add(scene, &c, &f);
        frame_free(&f);
        if (i % 4 == 3)
            check(scene, &c);
    }
    edx_scene_free(&scene);
    assert_null(scene);
    cube_free(&c);
}

static void test_random(void **state)
{
    edx_pool *pool = NULL;

    (void)state;
    assert_int_equal(edx_pool_new(3, &pool, NULL), EDX_OK);
    for (edx_kernel_set set = EDX_KERNEL_PLAIN; set < EDX_KERNELS; set++) {
        const edx_kernel *kernel = edx_kernel_get(set);
        for (int i = 0; kernel != NULL && i < 40; i++)
            random_scene(kernel, i % 2 == 0 ? pool : NULL, 1 + chance(400));
        print_message("%s\n", kernel == NULL ? "(not here)" : kernel->name);
    }
    edx_pool_free(&pool);
    assert_null(pool);
}

static void test_most_channels(void **state)
{
    cube c = cube_new(3, 50, 16384);
    edx_scene *scene = scene_new(c.rows, c.cols, c.channels);

    (void)state;
    for (int i = 0; i < 5; i++) {
        frame f = random_frame(&c, 900, 16384, i % 2 == 1);
        add(scene, &c, &f);
        frame_free(&f);
    }
    check(scene, &c);
    edx_scene_free(&scene);
    cube_free(&c);
}

/* ---- digits ---- */

static void add_to_voxel(edx_scene *scene, cube *c, uint16_t channel, uint32_t w, bool weighted)
{
    uint32_t entries = weighted ? 1 : w;
    frame f = frame_new(0, 1, entries, weighted);

    for (uint32_t e = 0; e < entries; e++)
        f.channels[e] = channel;
    if (weighted)
        f.weights[0] = w;
    f.offsets[1] = entries;
    add(scene, c, &f);
    frame_free(&f);
}

/* From just under each digit's end, one by one over it, with neighbours that must not move. */
static void test_digits(void **state)
{
    static const uint32_t ends[] = {255, 65535, (1u << 24) - 1};
    cube c = cube_new(1, 1, 16384);
    edx_scene *scene = scene_new(1, 1, 16384);

    (void)state;
    add_to_voxel(scene, &c, 0, 3, true);
    for (uint16_t i = 0; i < 3; i++) {
        uint16_t channel = (uint16_t)(16383 - i);
        add_to_voxel(scene, &c, channel, ends[i] - 2, true);
        for (int k = 0; k < 6; k++) {
            add_to_voxel(scene, &c, channel, 1, k % 2 == 0);
            check(scene, &c);
        }
    }
    assert_int_equal(edx_scene_peak(scene), (1u << 24) + 3);
    edx_scene_free(&scene);
    cube_free(&c);
}

static void test_many_units_at_once(void **state)
{
    static const uint32_t steps[] = {255, 1, 254, 65024, 1, 1, 70000, 8, 9};
    cube c = cube_new(1, 1, 300);
    edx_scene *scene = scene_new(1, 1, 300);

    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        add_to_voxel(scene, &c, 299, steps[i], false);
        check(scene, &c);
    }
    edx_scene_free(&scene);
    cube_free(&c);
}

static void test_largest_voxel_stays(void **state)
{
    cube c = cube_new(1, 1, 4);
    edx_scene *scene = scene_new(1, 1, 4);

    (void)state;
    add_to_voxel(scene, &c, 2, UINT32_MAX - 1, true);
    check(scene, &c);
    for (int i = 0; i < 3; i++) {
        add_to_voxel(scene, &c, 2, i == 1 ? UINT32_MAX : 1, i != 2);
        assert_int_equal(edx_scene_peak(scene), UINT32_MAX);
        check(scene, &c);
    }
    edx_scene_free(&scene);
    cube_free(&c);
}

/* ---- memory ---- */

static void test_clear(void **state)
{
    cube c = cube_new(9, 17, 100), empty = cube_new(9, 17, 100);
    edx_scene *scene = scene_new(9, 17, 100);
    frame f = random_frame(&c, 30, 100, true);

    (void)state;
    for (int i = 0; i < 3; i++) {
        add(scene, &c, &f);
        check(scene, &c);
        edx_scene_clear(scene);
        check(scene, &empty);
        cube_free(&c);
        c = cube_new(9, 17, 100);
    }
    frame_free(&f);
    edx_scene_free(&scene);
    cube_free(&c);
    cube_free(&empty);
}

/* The scene may hold 1.25 times its slots' three bytes; grown by five counts a pixel and frame. */
static void test_memory_stays_in_bounds(void **state)
{
    const uint32_t side = 64, entries = side * side * 5;
    edx_scene *scene = scene_new(side, side, 1024);
    uint64_t slots = 0;

    (void)state;
    while (slots < 300u * side * side) {
        frame f = frame_new(0, side * side, entries, false);
        for (uint32_t e = 0; e < entries; e++)
            f.channels[e] = (uint16_t)chance(1024);
        for (uint32_t p = 0; p < side * side; p++)
            f.offsets[p + 1] = 5 * (p + 1);
        assert_int_equal(edx_scene_add(scene, 0, &f.events, NULL), EDX_OK);
        frame_free(&f);
        slots = edx_scene_slots(scene);
        if (slots > 200u * side * side)
            assert_true((double)edx_scene_bytes(scene) <= 1.25 * 3 * (double)slots);
    }
    edx_scene_free(&scene);
}

/* Many counts of few channels must not be met with room for each. */
static void test_crowded_frame_takes_no_more(void **state)
{
    cube c = cube_new(32, 32, 50);
    edx_scene *scene = scene_new(32, 32, 50);

    (void)state;
    for (int i = 0; i < 4; i++) {
        frame f = random_frame(&c, 2000, 50, false);
        add(scene, &c, &f);
        frame_free(&f);
    }
    assert_true(edx_scene_bytes(scene) < 32u * 32u * 50u * 3u * 2u);
    check(scene, &c);
    edx_scene_free(&scene);
    cube_free(&c);
}

static void fail_each_allocation(edx_scene *scene, cube *c, const frame *f)
{
    edx_error err;
    edx_status status = EDX_E_NOMEM;
    int tries = 0;

    for (; status != EDX_OK; tries++) {
        allow(tries);
        status = edx_scene_add(scene, f->row, &f->events, &err);
        allow_all();
        if (status == EDX_OK)
            break;
        assert_int_equal(status, EDX_E_NOMEM);
        check(scene, c);
    }
    cube_add(c, f);
    check(scene, c);
}

static void test_nomem_changes_nothing(void **state)
{
    cube c = cube_new(20, 20, 60);
    edx_scene *scene = scene_new(20, 20, 60);
    edx_pool *pool = NULL;

    (void)state;
    assert_int_equal(edx_pool_new(2, &pool, NULL), EDX_OK);
    for (int i = 0; i < 8; i++) {
        frame f = random_frame(&c, 20, 60, i % 2 == 0);
        assert_int_equal(edx_scene_set_pool(scene, i % 3 == 0 ? pool : NULL, NULL), EDX_OK);
        fail_each_allocation(scene, &c, &f);
        frame_free(&f);
    }
    allow(1);
    assert_int_equal(edx_scene_set_pool(scene, pool, NULL), EDX_E_NOMEM);
    allow_all();
    check(scene, &c);
    edx_scene_free(&scene);
    edx_pool_free(&pool);
    cube_free(&c);
}

static void test_new_without_memory(void **state)
{
    edx_error err;
    edx_scene *scene = NULL;
    edx_pool *pool = NULL;
    int tries = 0;

    (void)state;
    for (edx_status status = EDX_E_NOMEM; status != EDX_OK; tries++) {
        allow(tries);
        status = edx_scene_new(5, 5, 10, &scene, &err);
        allow_all();
        assert_true(status == EDX_OK || (status == EDX_E_NOMEM && scene == NULL));
    }
    assert_true(tries > 5);
    edx_scene_free(&scene);
    allow(0);
    assert_int_equal(edx_pool_new(2, &pool, &err), EDX_E_NOMEM);
    allow_all();
    assert_null(pool);
}

static void test_ranges(void **state)
{
    static const uint32_t bad[][3] = {
        {0, 5, 5}, {5, 0, 5}, {5, 5, 0}, {5, 5, 16385}, {65536, 65536, 5}};
    edx_error err;
    edx_scene *scene = NULL;
    edx_pool *pool = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(edx_scene_new(bad[i][0], bad[i][1], bad[i][2], &scene, &err), EDX_E_RANGE);
    assert_int_equal(edx_pool_new(0, &pool, &err), EDX_E_RANGE);
    assert_int_equal(edx_pool_new(257, &pool, &err), EDX_E_RANGE);
    assert_null(scene);
    assert_null(pool);
}

static void test_no_pixels(void **state)
{
    cube c = cube_new(2, 2, 5);
    edx_scene *scene = scene_new(2, 2, 5);
    frame f = frame_new(0, 0, 0, false);

    (void)state;
    add(scene, &c, &f);
    check(scene, &c);
    assert_int_equal(edx_scene_rows(scene), 2);
    assert_int_equal(edx_scene_cols(scene), 2);
    assert_int_equal(edx_scene_channels(scene), 5);
    frame_free(&f);
    edx_scene_free(&scene);
    cube_free(&c);
}

/* ---- kernels ---- */

#define KEYS 600u

typedef struct keys {
    uint16_t key[KEYS + EDX_KEYS_PAD / 2];
    uint8_t digit[KEYS + EDX_EIGHT];
    uint32_t n;
} keys;

/* n different keys, and behind them others that also occur before. */
static void random_keys(keys *k)
{
    k->n = chance(chance(2) == 0 ? 70 : KEYS);
    for (uint32_t i = 0; i < sizeof k->key / sizeof *k->key; i++)
        k->key[i] = (uint16_t)(i < k->n ? 3 * i + 7 : 3 * chance(KEYS) + 7);
    for (uint32_t i = k->n; i-- > 1;) {
        uint32_t j = chance(i + 1);
        uint16_t keep = k->key[i];
        k->key[i] = k->key[j];
        k->key[j] = keep;
    }
    for (uint32_t i = 0; i < sizeof k->digit; i++)
        k->digit[i] = (uint8_t)(chance(2) == 0 ? 255 : chance(256));
}

static uint32_t where(const keys *k, uint16_t wanted)
{
    uint32_t at = 0;

    while (at < k->n && k->key[at] != wanted)
        at++;
    return at;
}

static void check_eight(const edx_kernel *kernel, keys *k)
{
    uint16_t wanted[EDX_EIGHT];
    uint8_t expected[KEYS];
    uint32_t answer = 0, m = 1 + chance(EDX_EIGHT);

    memcpy(expected, k->digit, k->n);
    memset(k->digit + KEYS, 0, EDX_EIGHT);
    for (uint32_t i = 0; i < m; i++)
        wanted[i] = (uint16_t)(3 * chance(k->n + 20) + 7 - (chance(5) == 0));
    for (uint32_t i = 0; i < m; i++) {
        uint32_t at = where(k, wanted[i]);
        answer |= (uint32_t)(at < k->n) << (m - 1 - i);
        if (at < k->n && ++expected[at] == 0)
            answer |= EDX_WRAPPED;
    }
    assert_int_equal(kernel->count_eight(k->key, k->n, k->digit, KEYS, wanted, m), answer);
    assert_memory_equal(k->digit, expected, k->n);
}

static void check_find(const edx_kernel *kernel, const keys *k)
{
    uint16_t wanted = (uint16_t)(3 * chance(k->n + 20) + 7);
    uint32_t at = kernel->find(k->key, k->n, wanted), expected = where(k, wanted);

    assert_true(expected < k->n ? at == expected : at >= k->n);
}

static void test_kernels(void **state)
{
    keys k;

    (void)state;
    for (edx_kernel_set set = EDX_KERNEL_PLAIN; set < EDX_KERNELS; set++) {
        const edx_kernel *kernel = edx_kernel_get(set);
        for (int i = 0; kernel != NULL && i < 4000; i++) {
            random_keys(&k);
            check_find(kernel, &k);
            check_eight(kernel, &k);
        }
    }
}

/* ---- pool ---- */

typedef struct tally {
    atomic_uint done[1000];
    atomic_uint workers[4];
} tally;

static void count_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    tally *t = context;

    atomic_fetch_add(&t->done[chunk], 1);
    atomic_fetch_add(&t->workers[worker], 1);
}

static void test_pool_runs_each_chunk_once(void **state)
{
    edx_pool *pool = NULL;
    static tally t;

    (void)state;
    assert_int_equal(edx_pool_new(4, &pool, NULL), EDX_OK);
    assert_int_equal(edx_pool_threads(pool), 4);
    assert_int_equal(edx_pool_threads(NULL), 1);
    for (uint32_t i = 0; i < 2000; i++) {
        uint32_t chunks = i % 1000;
        memset(&t, 0, sizeof t);
        edx_pool_run(i % 7 == 0 ? NULL : pool, chunks, count_chunk, &t);
        for (uint32_t k = 0; k < 1000; k++)
            assert_int_equal(atomic_load(&t.done[k]), k < chunks);
    }
    edx_pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_most_channels),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_many_units_at_once),
        cmocka_unit_test(test_largest_voxel_stays),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_memory_stays_in_bounds),
        cmocka_unit_test(test_crowded_frame_takes_no_more),
        cmocka_unit_test(test_nomem_changes_nothing),
        cmocka_unit_test(test_new_without_memory),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_no_pixels),
        cmocka_unit_test(test_pool_runs_each_chunk_once),
    };
    const char *seed = getenv("EDX_SEED");

    chance_state = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
    print_message("EDX_SEED=%" PRIu64 "\n", chance_state);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
