/* Sets kept as ranges, against a plain bitmap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/spans.h"
#include "tests/json_value.h"
#include "tests/messages.h"

#define SIZE 400u

static void add(edx_spans *spans, uint64_t value)
{
    assert_true(edx_spans_reserve(spans));
    edx_spans_add(spans, value);
}

/* What the bitmap says: its members, its ranges, one above the largest. */
typedef struct model {
    bool in[SIZE];
} model;

static void compare(const edx_spans *spans, const model *m)
{
    uint64_t count = 0, end = 0;
    size_t ranges = 0;
    for (uint64_t i = 0; i < SIZE; i++) {
        assert_int_equal(edx_spans_has(spans, i), m->in[i]);
        count += m->in[i];
        ranges += m->in[i] && (i == 0 || !m->in[i - 1]);
        end = m->in[i] ? i + 1 : end;
    }
    assert_int_equal(spans->count, count);
    assert_int_equal(spans->n, ranges); /* memory grows with gaps, not with members */
    assert_int_equal(edx_spans_end(spans), end);
    assert_false(edx_spans_has(spans, SIZE));
}

static void trial(rng *random)
{
    edx_spans spans = {0};
    model m = {0};
    const uint64_t share = 1 + rng_below(random, 100);
    const uint64_t reach = 1 + rng_below(random, SIZE);
    for (uint64_t n = 0; n < SIZE * share / 100; n++) {
        const uint64_t value = rng_below(random, reach);
        add(&spans, value);
        m.in[value] = true;
        if (n % 16 == 0)
            compare(&spans, &m);
    }
    compare(&spans, &m);
    edx_spans_clear(&spans);
    assert_int_equal(spans.count, 0);
    assert_int_equal(edx_spans_end(&spans), 0);
}

static void test_random(void **state)
{
    (void)state;
    rng random = rng_new();
    for (int i = 0; i < 500; i++)
        trial(&random);
}

static void test_empty(void **state)
{
    (void)state;
    edx_spans spans = {0};
    assert_false(edx_spans_has(&spans, 0));
    assert_false(edx_spans_has(&spans, UINT64_MAX - 1));
    assert_int_equal(edx_spans_end(&spans), 0);
    edx_spans_clear(&spans);
}

/* In order, backwards, and every second first: one range in the end. */
static void test_orders(void **state)
{
    (void)state;
    const uint64_t n = 100000;
    for (int order = 0; order < 3; order++) {
        edx_spans spans = {0};
        for (uint64_t i = 0; i < n; i++) {
            const uint64_t half = n / 2;
            const uint64_t interleaved = i < half ? 2 * i : 2 * (i - half) + 1;
            add(&spans, order == 0 ? i : order == 1 ? n - 1 - i : interleaved);
        }
        assert_int_equal(spans.n, 1);
        assert_int_equal(spans.count, n);
        assert_int_equal(edx_spans_end(&spans), n);
        edx_spans_clear(&spans);
    }
}

static void test_large_values(void **state)
{
    (void)state;
    edx_spans spans = {0};
    const uint64_t most = UINT64_MAX - 1;
    add(&spans, most);
    add(&spans, 0);
    add(&spans, most - 1);
    assert_int_equal(spans.n, 2);
    assert_int_equal(edx_spans_end(&spans), UINT64_MAX);
    assert_true(edx_spans_has(&spans, most));
    assert_false(edx_spans_has(&spans, most - 2));
    edx_spans_clear(&spans);
}

/* A reserve that fails changes nothing, and one that succeeded is enough for the next add. */
static void test_no_memory(void **state)
{
    (void)state;
    edx_spans spans = {0};
    unsigned refused = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        const edx_spans before = spans;
        allocations_left = 0;
        const bool room = edx_spans_reserve(&spans);
        if (!room) {
            assert_memory_equal(&before, &spans, sizeof spans);
            refused++;
            allocations_left = 1;
            assert_true(edx_spans_reserve(&spans));
            allocations_left = 0;
        }
        edx_spans_add(&spans, 2 * i);
        allocations_left = SIZE_MAX;
    }
    assert_in_range(refused, 1, 20);
    assert_int_equal(spans.count, 1000);
    edx_spans_clear(&spans);
}

/* Every span is told once, whatever fits into one part. */
static void test_parts(void **state)
{
    (void)state;
    edx_spans spans = {0};
    char text[64];
    uint64_t told = 0;
    for (uint64_t i = 0; i < 100; i++) {
        assert_true(edx_spans_reserve(&spans));
        edx_spans_add(&spans, 1000 + 2 * i);
    }
    size_t next = 0;
    while (edx_spans_part(&spans, &next, text, sizeof text))
        for (char *at = text; *at; told++) {
            assert_int_equal(strtoull(at, &at, 10), 1000 + 2 * told);
            at += strspn(at, ", ");
        }
    assert_int_equal(told, 100);
    edx_spans_clear(&spans);
    next = 0;
    assert_false(edx_spans_part(&spans, &next, text, sizeof text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),    cmocka_unit_test(test_empty),
        cmocka_unit_test(test_orders),    cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
