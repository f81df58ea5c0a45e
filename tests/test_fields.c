/* A table over a struct of every kind: what is taken, what is refused and with which words, what is
 * written and in which order. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/fields.h"
#include "tests/json_value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef struct element {
    char name[6];
    double weight;
    double window[2];
} element;

typedef struct inner {
    double from[2];
    uint64_t depth;
} inner;

typedef struct thing {
    bool flag;
    uint64_t n;
    double f;
    char text[6];
    int choice;
    double pair[2];
    uint32_t count;
    element list[3];
    inner group;
    int64_t twice;
    double free;
} thing;

static edx_status read_half(const edx_node *node, const char *key, void *value, edx_error *err)
{
    uint64_t number;
    edx_status status = edx_node_uint(node, key, 1000, &number, err);
    if (!status && number % 2)
        return edx_fail(err, EDX_E_RANGE, "%s: odd, expected even", key);
    if (!status)
        *(int64_t *)value = (int64_t)(number / 2);
    return status;
}

static void write_double(edx_pack *pack, const void *value)
{
    edx_pack_int(pack, *(const int64_t *)value * 2);
}

static bool half_given(const void *value)
{
    return *(const int64_t *)value != 0;
}

static void element_reset(void *value)
{
    *(element *)value = (element){.weight = 0.5, .window = {NAN, NAN}};
}

static const char *const colours[] = {"red", "green", "blue", NULL};

static const edx_field element_table[] = {
    {"name", EDX_FIELD_TEXT, offsetof(element, name), sizeof((element *)0)->name, .required = true},
    {"weight", EDX_FIELD_FLOAT, offsetof(element, weight), .min = 0, .max = INFINITY},
    {"window", EDX_FIELD_PAIR, offsetof(element, window), .min = -10, .max = 10},
    {0}};

static const edx_field inner_table[] = {
    {"from", EDX_FIELD_PAIR, .offset = offsetof(inner, from)},
    {"depth", EDX_FIELD_UINT, offsetof(inner, depth), .min = 1, .max = 9},
    {0}};

static const edx_field table[] = {
    {"flag", EDX_FIELD_BOOL, .offset = offsetof(thing, flag)},
    {"n", EDX_FIELD_UINT, offsetof(thing, n), .min = 2, .max = 40},
    {"f", EDX_FIELD_FLOAT, offsetof(thing, f), .min = EDX_FIELD_ABOVE_ZERO,
     .max = EDX_FIELD_BELOW_ONE},
    {"text", EDX_FIELD_TEXT, .offset = offsetof(thing, text), .size = sizeof((thing *)0)->text},
    {"choice", EDX_FIELD_CHOICE, offsetof(thing, choice), 2, .choices = colours},
    {"pair", EDX_FIELD_PAIR, offsetof(thing, pair), .min = -1, .max = 1},
    {"list", EDX_FIELD_LIST, offsetof(thing, list), sizeof(element), .sub = element_table,
     .max_count = 3, .count_offset = offsetof(thing, count), .reset = element_reset},
    {"group", EDX_FIELD_GROUP, offsetof(thing, group), .sub = inner_table},
    {"half", EDX_FIELD_CUSTOM, offsetof(thing, twice), .read = read_half, .write = write_double,
     .given = half_given},
    {"free", EDX_FIELD_FLOAT, .offset = offsetof(thing, free)},
    {0}};

static thing new_thing(void)
{
    thing t = {.n = 2, .f = NAN, .pair = {NAN, NAN}, .free = 1};
    t.group = (inner){{NAN, NAN}, 1};
    return t;
}

typedef struct fixture {
    edx_wire *wire;
    edx_pack *pack;
    edx_error err;
} fixture;

static int setup(void **state)
{
    static fixture f;
    f = (fixture){.wire = edx_wire_new(0), .pack = edx_pack_new()};
    *state = &f;
    return !f.wire || !f.pack;
}

static int teardown(void **state)
{
    fixture *f = *state;
    edx_wire_free(&f->wire);
    edx_pack_free(&f->pack);
    return 0;
}

static edx_status set(fixture *f, thing *t, const char *path, const char *json)
{
    f->err = (edx_error){0};
    return edx_fields_set(table, t, path, parse_json(f->wire, f->pack, json), &f->err);
}

static void assert_get(fixture *f, const thing *t, const char *path, const char *json)
{
    edx_pack_reset(f->pack);
    assert_int_equal(edx_fields_get(table, t, path, f->pack, &f->err), EDX_OK);
    assert_packed(f->wire, f->pack, json);
}

static void test_set(void **state)
{
    fixture *f = *state;
    thing t = new_thing();
    assert_int_equal(set(f, &t, "flag", "true"), EDX_OK);
    assert_true(t.flag);
    assert_int_equal(set(f, &t, "n", "40.0"), EDX_OK);
    assert_int_equal(t.n, 40);
    assert_int_equal(set(f, &t, "f", "0.25"), EDX_OK);
    assert_float_equal(t.f, 0.25, 0);
    assert_int_equal(set(f, &t, "text", "\"abcde\""), EDX_OK);
    assert_string_equal(t.text, "abcde");
    assert_int_equal(set(f, &t, "choice", "\"green\""), EDX_OK);
    assert_int_equal(t.choice, 1);
    assert_int_equal(set(f, &t, "pair", "[-1, 1]"), EDX_OK);
    assert_float_equal(t.pair[0], -1, 0);
    assert_float_equal(t.pair[1], 1, 0);
    assert_int_equal(set(f, &t, "group.depth", "9"), EDX_OK);
    assert_int_equal(t.group.depth, 9);
    assert_int_equal(set(f, &t, "half", "8"), EDX_OK);
    assert_int_equal(t.twice, 4);
    assert_int_equal(set(f, &t, "free", "-1e300"), EDX_OK);
    assert_float_equal(t.free, -1e300, 0);
}

static void test_set_group(void **state)
{
    fixture *f = *state;
    thing t = new_thing();
    assert_int_equal(set(f, &t, "group", "{}"), EDX_OK);
    assert_true(isnan(t.group.from[0]) && t.group.depth == 1);
    assert_int_equal(set(f, &t, "group", "{\"depth\": 3, \"from\": [7, -8.5]}"), EDX_OK);
    assert_int_equal(t.group.depth, 3);
    assert_float_equal(t.group.from[1], -8.5, 0);
    assert_int_equal(set(f, &t, "", "{\"n\": 5, \"group\": {\"depth\": 4}}"), EDX_OK);
    assert_int_equal(t.n, 5);
    assert_int_equal(t.group.depth, 4);
    assert_float_equal(t.group.from[0], 7, 0);
}

static void test_set_list(void **state)
{
    fixture *f = *state;
    thing t = new_thing();
    assert_int_equal(
        set(f, &t, "list",
            "[{\"name\": \"a\", \"weight\": 2}, {\"window\": [1, 2], \"name\": \"b\"}]"),
        EDX_OK);
    assert_int_equal(t.count, 2);
    assert_string_equal(t.list[0].name, "a");
    assert_float_equal(t.list[0].weight, 2, 0);
    assert_true(isnan(t.list[0].window[0]));
    assert_string_equal(t.list[1].name, "b");
    assert_float_equal(t.list[1].weight, 0.5, 0);
    assert_float_equal(t.list[1].window[1], 2, 0);
    assert_int_equal(set(f, &t, "list", "[]"), EDX_OK);
    assert_int_equal(t.count, 0);
}

typedef struct refusal {
    const char *path, *json;
    edx_status status;
    const char *text;
} refusal;

static const refusal refusals[] = {
    {"flaf", "true", EDX_E_UNKNOWN,
     "flaf: unknown key, expected one of flag, n, f, text, choice, pair, list, group, half, free"},
    {"group.deep", "1", EDX_E_UNKNOWN, "group.deep: unknown key, expected one of from, depth"},
    {"group.", "1", EDX_E_UNKNOWN, "group.: unknown key, expected one of from, depth"},
    {"n.x", "1", EDX_E_UNKNOWN, "n.x: unknown key, \"n\" holds no keys, expected n"},
    {"list.name", "1", EDX_E_UNKNOWN,
     "list.name: unknown key, \"list\" holds no keys, expected list"},
    {"flag", "1", EDX_E_TYPE, "flag: an integer, expected true or false"},
    {"flag", "\"true\"", EDX_E_TYPE, "flag: a string, expected true or false"},
    {"n", "\"3\"", EDX_E_TYPE, "n: a string, expected an integer"},
    {"n", "true", EDX_E_TYPE, "n: a boolean, expected an integer"},
    {"n", "1", EDX_E_RANGE, "n: 1, expected at least 2 and at most 40"},
    {"n", "41", EDX_E_RANGE, "n: 41, expected at least 2 and at most 40"},
    {"n", "\"@nan\"", EDX_E_RANGE, NULL},
    {"n", "2.5", EDX_E_RANGE, NULL},
    {"n", "-3", EDX_E_RANGE, NULL},
    {"f", "0", EDX_E_RANGE, "f: 0, expected more than 0 and less than 1"},
    {"f", "1", EDX_E_RANGE, "f: 1, expected more than 0 and less than 1"},
    {"f", "\"@nan\"", EDX_E_RANGE, "f: nan, expected a finite number"},
    {"free", "\"@inf\"", EDX_E_RANGE, "free: inf, expected a finite number"},
    {"free", "null", EDX_E_TYPE, "free: nil, expected a number"},
    {"text", "\"abcdef\"", EDX_E_RANGE, "text: 6 bytes, expected at most 5"},
    {"text", "7", EDX_E_TYPE, "text: an integer, expected a string"},
    {"choice", "\"pink\"", EDX_E_RANGE, "choice: \"pink\", expected red or green"},
    {"choice", "\"blue\"", EDX_E_RANGE,
     "choice: \"blue\" is not in this version yet, expected red or green"},
    {"choice", "0", EDX_E_TYPE, "choice: an integer, expected a string"},
    {"pair", "[0]", EDX_E_RANGE, "pair: 1 values, expected 2"},
    {"pair", "[0, 2]", EDX_E_RANGE, "pair: 2, expected at least -1 and at most 1"},
    {"pair", "[0, \"@-inf\"]", EDX_E_RANGE, "pair: -inf, expected a finite number"},
    {"pair", "0", EDX_E_TYPE, "pair: an integer, expected a list of numbers"},
    {"list", "{}", EDX_E_TYPE, "list: expected a list"},
    {"list", "[1]", EDX_E_TYPE, "list[0]: expected a map"},
    {"list", "[{\"name\": \"a\"}, {\"weight\": 1}]", EDX_E_MISSING,
     "list[1].name: missing, expected in every element"},
    {"list", "[{\"name\": \"a\", \"wait\": 1}]", EDX_E_UNKNOWN,
     "list[0].wait: unknown key, expected one of name, weight, window"},
    {"list", "[{\"name\": \"a\", \"weight\": -1}]", EDX_E_RANGE,
     "list[0].weight: -1, expected at least 0"},
    {"list", "[{}, {}, {}, {}]", EDX_E_RANGE, "list: 4 elements, expected at most 3"},
    {"group", "[]", EDX_E_TYPE, "group: expected a map"},
    {"group", "{\"deep\": 1}", EDX_E_UNKNOWN,
     "group.deep: unknown key, expected one of from, depth"},
    {"", "{\"group\": {\"depth\": 0}}", EDX_E_RANGE,
     "group.depth: 0, expected at least 1 and at most 9"},
    {"", "7", EDX_E_TYPE, "expected a map"},
    {"half", "3", EDX_E_RANGE, "half: odd, expected even"},
};

/* Each refusal says its words and changes nothing. */
static void test_refusals(void **state)
{
    fixture *f = *state;
    thing t = new_thing(), before;
    assert_int_equal(set(f, &t, "list", "[{\"name\": \"x\"}]"), EDX_OK);
    memcpy(&before, &t, sizeof t);
    for (size_t i = 0; i < COUNT(refusals); i++) {
        const refusal *r = &refusals[i];
        edx_status status = set(f, &t, r->path, r->json);
        if (status != r->status || (r->text && strcmp(f->err.text, r->text) != 0))
            fail_msg("%s = %s: %d \"%s\", expected %d \"%s\"", r->path, r->json, status,
                     f->err.text, r->status, r->text ? r->text : "");
        assert_memory_equal(&before, &t, sizeof t);
    }
}

/* A path longer than any buffer, a key longer than any buffer, no error wanted. */
static void test_long_names(void **state)
{
    fixture *f = *state;
    thing t = new_thing();
    char path[3000], json[3100] = "{\"";
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(set(f, &t, path, "1"), EDX_E_UNKNOWN);
    memset(json + 2, 'y', 2500);
    memcpy(json + 2502, "\":1}", 5);
    assert_int_equal(set(f, &t, "group", json), EDX_E_UNKNOWN);
    const edx_node *one = parse_json(f->wire, f->pack, "1");
    assert_int_equal(edx_fields_set(table, &t, "group.deep", one, NULL), EDX_E_UNKNOWN);
    assert_int_equal(edx_fields_set(table, &t, "flag", one, NULL), EDX_E_TYPE);
}

static void test_get(void **state)
{
    fixture *f = *state;
    thing t = new_thing();
    assert_get(f, &t, "",
               "{\"flag\": false, \"n\": 2, \"text\": \"\", \"choice\": \"red\", \"list\": [], "
               "\"group\": {\"depth\": 1}, \"free\": 1}");
    assert_get(f, &t, "f", "null");
    assert_get(f, &t, "half", "null");
    assert_get(f, &t, "group.depth", "1");
    set(f, &t, "",
        "{\"half\": 6, \"f\": 0.5, \"pair\": [0, 1], \"group\": {\"from\": [1, 2]}, \"list\": "
        "[{\"name\": \"b\"}, {\"name\": \"c\", \"window\": [3, 4]}]}");
    assert_get(f, &t, "",
               "{\"flag\": false, \"n\": 2, \"f\": 0.5, \"text\": \"\", \"choice\": \"red\", "
               "\"pair\": [0, 1], \"list\": [{\"name\": \"b\", \"weight\": 0.5}, {\"name\": \"c\", "
               "\"weight\": 0.5, \"window\": [3, 4]}], \"group\": {\"from\": [1, 2], \"depth\": "
               "1}, \"half\": 6, \"free\": 1}");
    assert_get(f, &t, "list",
               "[{\"name\": \"b\", \"weight\": 0.5}, {\"name\": \"c\", \"weight\": 0.5, "
               "\"window\": [3, 4]}]");
    assert_get(f, &t, "group", "{\"from\": [1, 2], \"depth\": 1}");
    assert_int_equal(edx_fields_get(table, &t, "group.z", f->pack, &f->err), EDX_E_UNKNOWN);
    assert_string_equal(f->err.text, "group.z: unknown key, expected one of from, depth");
}

/* What a newer version wrote: unknown keys are passed over at every depth, values are not. */
static void test_tolerant(void **state)
{
    fixture *f = *state;
    thing t = new_thing();
    const char *newer =
        "{\"n\": 7, \"new\": [1, {\"a\": 2}], \"group\": {\"new\": 1, \"depth\": 2}, "
        "\"list\": [{\"new\": 0, \"name\": \"q\"}]}";
    assert_int_equal(edx_fields_read(table, &t, parse_json(f->wire, f->pack, newer), &f->err),
                     EDX_OK);
    assert_int_equal(t.n, 7);
    assert_int_equal(t.group.depth, 2);
    assert_string_equal(t.list[0].name, "q");
    const char *wrong = "{\"new\": 1, \"list\": [{\"weight\": 1}]}";
    assert_int_equal(edx_fields_read(table, &t, parse_json(f->wire, f->pack, wrong), &f->err),
                     EDX_E_MISSING);
    assert_int_equal(edx_fields_read(table, &t, NULL, &f->err), EDX_E_MISSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_group, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_get, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tolerant, setup, teardown),
    };
    return cmocka_run_group_tests_name("fields", tests, NULL, NULL);
}
