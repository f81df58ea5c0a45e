/* Bytes to a table of values and back. What is right is known from the MessagePack specification,
 * from RFC 3629 and from bytes that Python's msgpack wrote. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/load.h"
#include "proto/wire.h"
#include "tests/messages.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef struct fixture {
    edx_wire *wire;
    edx_pack *pack;
    edx_error err;
    const edx_node *root;
    unsigned char bytes[4096];
    size_t n;
    guard readable;
} fixture;

static int setup(void **state)
{
    static fixture f;
    f = (fixture){.wire = edx_wire_new(0), .pack = edx_pack_new(), .readable = guard_new(8192)};
    *state = &f;
    return f.wire == NULL || f.pack == NULL;
}

static int teardown(void **state)
{
    fixture *f = *state;
    edx_wire_free(&f->wire);
    edx_pack_free(&f->pack);
    guard_free(&f->readable);
    return f->wire != NULL || f->pack != NULL;
}

static edx_status parse(fixture *f, const void *bytes, size_t n)
{
    f->err = (edx_error){0};
    edx_status status =
        edx_wire_parse(f->wire, guard_put(&f->readable, bytes, n), n, &f->root, &f->err);
    assert_int_equal(status, f->err.code);
    assert_true((status == EDX_OK) == (f->root != NULL));
    if (f->root != NULL)
        check_tree(f->root, f->readable.map + f->readable.usable - n, n);
    return status;
}

static edx_status parse_hex(fixture *f, const char *hex)
{
    f->n = hex_bytes(hex, f->bytes, sizeof f->bytes);
    return parse(f, f->bytes, f->n);
}

static void expect_text(const fixture *f, const char *part)
{
    if (strstr(f->err.text, part) == NULL)
        fail_msg("\"%s\" does not hold \"%s\"", f->err.text, part);
}

/* msgpack.packb({"v": 1, "neg": -5, "deep": -2**40, "top": 2**64-1, "f": 1.5, "s": "Kα Å",
 *                "b": b"\x00\xff", "l": [1, [2, []]], "m": {}, "n": None, "t": True, "z": ""}) */
static const char python_message[] =
    "8ca17601a36e6567fba464656570d3ffffff0000000000a3746f70cfffffffffffffffffa166cb3ff800000000"
    "0000a173a64bceb120c385a162c40200ffa16c9201920290a16d80a16ec0a174c3a17aa0";

/* ---- parsing ---- */

static void reads_what_python_wrote(void **state)
{
    fixture *f = *state;
    assert_int_equal(parse_hex(f, python_message), EDX_OK);
    const edx_node *m = f->root;
    assert_int_equal(m->kind, EDX_MAP);
    assert_int_equal(m->count, 12);
    assert_int_equal(m->span, 29);
    assert_int_equal(edx_map_get(m, "v")->as.u, 1);
    assert_int_equal(edx_map_get(m, "neg")->kind, EDX_INT);
    assert_int_equal(edx_map_get(m, "neg")->as.i, -5);
    assert_int_equal(edx_map_get(m, "deep")->as.i, -1099511627776);
    assert_true(edx_map_get(m, "top")->as.u == UINT64_MAX);
    assert_true(edx_map_get(m, "f")->as.f == 1.5);
    assert_true(edx_node_is(edx_map_get(m, "s"), "K\xce\xb1 \xc3\x85"));
    assert_false(edx_node_is(edx_map_get(m, "s"), "K"));
    assert_false(edx_node_is(edx_map_get(m, "b"), ""));
    assert_memory_equal(edx_map_get(m, "b")->as.bytes, "\x00\xff", 2);
    assert_int_equal(edx_map_get(m, "n")->kind, EDX_NIL);
    assert_true(edx_map_get(m, "t")->as.boolean);
    assert_true(edx_node_is(edx_map_get(m, "z"), ""));
    assert_int_equal(edx_map_get(m, "m")->kind, EDX_MAP);
    assert_null(edx_node_first(edx_map_get(m, "m")));
    assert_null(edx_map_get(m, "absent"));
    assert_null(edx_map_get(m, "ne"));
    assert_null(edx_map_get(NULL, "v"));
    assert_null(edx_map_get(edx_map_get(m, "v"), "v"));
}

static void walks_lists(void **state)
{
    fixture *f = *state;
    assert_int_equal(parse_hex(f, python_message), EDX_OK);
    const edx_node *list = edx_map_get(f->root, "l");
    assert_int_equal(list->count, 2);
    assert_int_equal(list->span, 5);
    const edx_node *one = edx_node_first(list);
    assert_int_equal(one->as.u, 1);
    const edx_node *inner = edx_node_next(one);
    assert_int_equal(inner->kind, EDX_LIST);
    assert_int_equal(edx_node_first(inner)->as.u, 2);
    assert_int_equal(edx_node_next(edx_node_first(inner))->count, 0);
    assert_true(edx_node_next(inner) == edx_node_next(list));
}

static void takes_every_width_of_integer(void **state)
{
    static const struct {
        const char *hex;
        int64_t value;
    } cases[] = {
        {"00", 0},
        {"7f", 127},
        {"cc05", 5},
        {"ccff", 255},
        {"cd0100", 256},
        {"cdffff", 65535},
        {"ce00010000", 65536},
        {"ceffffffff", 4294967295},
        {"cf0000000100000000", 4294967296},
        {"cf7fffffffffffffff", INT64_MAX},
        {"d000", 0},
        {"d07f", 127},
        {"d17fff", 32767},
        {"d27fffffff", 2147483647},
        {"d37fffffffffffffff", INT64_MAX},
        {"d30000000000000005", 5},
        {"ff", -1},
        {"e0", -32},
        {"d080", -128},
        {"d18000", -32768},
        {"d280000000", INT32_MIN},
        {"d38000000000000000", INT64_MIN},
    };
    fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(parse_hex(f, cases[i].hex), EDX_OK);
        assert_int_equal(f->root->kind, cases[i].value < 0 ? EDX_INT : EDX_UINT);
        assert_true(f->root->as.i == cases[i].value);
    }
}

static void takes_both_widths_of_float(void **state)
{
    fixture *f = *state;
    assert_int_equal(parse_hex(f, "ca3e200000"), EDX_OK);
    assert_int_equal(f->root->kind, EDX_FLOAT);
    assert_true(f->root->as.f == 0.15625);
    assert_int_equal(parse_hex(f, "cb400921fb54442d18"), EDX_OK);
    assert_true(f->root->as.f == M_PI);
    assert_int_equal(parse_hex(f, "ca7f800000"), EDX_OK);
    assert_true(isinf(f->root->as.f));
    assert_int_equal(parse_hex(f, "cb7ff8000000000000"), EDX_OK);
    assert_true(isnan(f->root->as.f));
}

static void takes_every_width_of_container(void **state)
{
    static const char *const same[] = {"92a16101",   "dc0002a16101", "dd00000002a16101",
                                       "92d9016101", "92da00016101", "92db000000016101"};
    fixture *f = *state;
    for (size_t i = 0; i < COUNT(same); i++) {
        assert_int_equal(parse_hex(f, same[i]), EDX_OK);
        assert_int_equal(f->root->count, 2);
        assert_true(edx_node_is(edx_node_first(f->root), "a"));
        assert_int_equal(edx_node_next(edx_node_first(f->root))->as.u, 1);
    }
    static const char *const maps[] = {"81a16105", "de0001a16105", "df00000001a16105"};
    for (size_t i = 0; i < COUNT(maps); i++) {
        assert_int_equal(parse_hex(f, maps[i]), EDX_OK);
        assert_int_equal(edx_map_get(f->root, "a")->as.u, 5);
    }
    static const char *const bins[] = {"c40107", "c5000107", "c60000000107"};
    for (size_t i = 0; i < COUNT(bins); i++) {
        assert_int_equal(parse_hex(f, bins[i]), EDX_OK);
        assert_int_equal(f->root->kind, EDX_BIN);
        assert_int_equal(f->root->as.bytes[0], 7);
    }
    static const char *const empty[] = {"c400",   "c50000",     "c600000000", "a0", "d900",
                                        "da0000", "db00000000", "90",         "80", "dd00000000"};
    for (size_t i = 0; i < COUNT(empty); i++) {
        assert_int_equal(parse_hex(f, empty[i]), EDX_OK);
        assert_int_equal(f->root->count, 0);
    }
}

static void last_key_wins(void **state)
{
    fixture *f = *state;
    assert_int_equal(parse_hex(f, "83a16101a16202a16103"), EDX_OK);
    assert_int_equal(edx_map_get(f->root, "a")->as.u, 3);
    assert_int_equal(edx_map_get(f->root, "b")->as.u, 2);
}

static void refuses_what_is_no_message(void **state)
{
    static const struct {
        const char *hex, *text;
    } cases[] = {
        {"", "cut off at byte 0"},
        {"a3616", "cut off at byte 2"},
        {"810101", "map key that is no string"},
        {"81c4016101", "map key that is no string"},
        {"818001", "map key that is no string"},
        {"82a16101c001", "map key that is no string"},
        {"0000", "value ends at byte 1, expected at 2"},
        {"80c0", "value ends at byte 1, expected at 2"},
        {"c1", "no MessagePack"},
        {"92c100", "no MessagePack"},
        {"c7010000", "extension"},
        {"d40000", "extension"},
        {"91d600000000aa", "extension"},
        {"c70005", "extension"},
        {"a1ff", "not UTF-8"},
        {"81a1ff01", "not UTF-8"},
        {"dd00000002aabb", "cut off"},
        {"dd00000008aabb", "8 values claimed"},
        {"df7fffffffa0", "4294967294 values claimed"},
        {"9392dd00000005000000", "5 values claimed"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(parse_hex(f, cases[i].hex), EDX_E_DECODE);
        expect_text(f, cases[i].text);
    }
    assert_int_equal(edx_wire_parse(f->wire, NULL, 0, &f->root, NULL), EDX_E_DECODE);
}

static void nests_32_deep(void **state)
{
    fixture *f = *state;
    unsigned char bytes[128];
    for (size_t depth = 1; depth <= 40; depth++) {
        memset(bytes, 0x91, depth);
        bytes[depth - 1] = 0x90;
        assert_int_equal(parse(f, bytes, depth), depth <= 32 ? EDX_OK : EDX_E_LIMIT);
        for (size_t i = 0; i < depth; i++)
            memcpy(bytes + 3 * i, "\x81\xa1k", 3);
        bytes[3 * depth] = 0x05;
        assert_int_equal(parse(f, bytes, 3 * depth + 1), depth <= 32 ? EDX_OK : EDX_E_LIMIT);
    }
    expect_text(f, "nested deeper than 32");
}

static void counts_values_against_the_limit(void **state)
{
    fixture *f = *state;
    edx_wire *small = edx_wire_new(4);
    assert_non_null(small);
    assert_int_equal(edx_wire_parse(small, "\x93\x01\x02\x03", 4, &f->root, NULL), EDX_OK);
    assert_int_equal(edx_wire_parse(small, "\x94\x01\x02\x03\x04", 5, &f->root, &f->err),
                     EDX_E_LIMIT);
    expect_text(f, "5 values, expected at most 4");
    assert_int_equal(edx_wire_parse(small, "\x91\x93\x01\x02\x03", 5, &f->root, NULL), EDX_E_LIMIT);
    assert_int_equal(edx_wire_parse(small, "\x82\xa0\x01\xa0\x02", 5, &f->root, NULL), EDX_E_LIMIT);
    edx_wire_free(&small);
    assert_null(small);
    edx_wire_free(&small);
}

/* A header may claim 2^32 - 1 values; what is allocated follows what is there. */
static void claims_allocate_nothing(void **state)
{
    static const char *const claims[] = {"ddffffffff", "dfffffffff", "dcffff",      "deffff",
                                         "dbffffffff", "c6ffffffff", "91ddffffffff"};
    fixture *f = *state;
    size_t before = allocated_bytes;
    for (size_t i = 0; i < COUNT(claims); i++)
        assert_int_equal(parse_hex(f, claims[i]), EDX_E_DECODE);
    assert_int_equal(allocated_bytes, before);
    /* The counter counts: a thousand values need more than the first table holds. */
    unsigned char list[1003] = {0xdc, 0x03, 0xe8};
    assert_int_equal(parse(f, list, sizeof list), EDX_OK);
    assert_int_equal(f->root->span, 1001);
    assert_true(allocated_bytes > before);
    assert_true(allocated_bytes - before < 3000 * sizeof(edx_node));
}

static void tells_when_memory_ends(void **state)
{
    fixture *f = *state;
    unsigned char list[1003] = {0xdc, 0x03, 0xe8};
    allocations_left = 0;
    edx_status status = parse(f, list, sizeof list);
    edx_wire *none = edx_wire_new(0);
    allocations_left = 1;
    edx_wire *half = edx_wire_new(0);
    allocations_left = SIZE_MAX;
    assert_int_equal(status, EDX_E_NOMEM);
    assert_null(none);
    assert_null(half);
    assert_int_equal(parse(f, list, sizeof list), EDX_OK);
}

/* ---- UTF-8 ---- */

static bool utf8_taken(fixture *f, const unsigned char *text, size_t n)
{
    const edx_node *root;
    f->bytes[0] = (unsigned char)(0xa0 + n);
    memcpy(f->bytes + 1, text, n);
    return edx_wire_parse(f->wire, f->bytes, n + 1, &root, NULL) == EDX_OK;
}

static size_t encode(uint32_t c, unsigned char *out)
{
    if (c < 0x80) {
        out[0] = (unsigned char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (unsigned char)(0x80 | (c & 0x3f));
    out[0] = (unsigned char)((n == 2 ? 0xc0u : n == 3 ? 0xe0u : 0xf0u) | c);
    return n;
}

static void takes_every_character(void **state)
{
    fixture *f = *state;
    unsigned char text[4];
    for (uint32_t c = 0; c < 0x120000; c++) {
        bool is = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
        if (utf8_taken(f, text, encode(c, text)) != is)
            fail_msg("U+%04X", c);
    }
}

/* How many strings of two and three bytes are UTF-8 follows from how many characters there are of
 * each length: 128, 1920 and 63488 less 2048 surrogates. */
static void takes_nothing_else(void **state)
{
    fixture *f = *state;
    uint32_t taken = 0;
    for (uint32_t i = 0; i < 1u << 16; i++)
        taken +=
            utf8_taken(f, (const unsigned char[]){(unsigned char)(i >> 8), (unsigned char)i}, 2);
    assert_int_equal(taken, 128 * 128 + 1920);
    taken = 0;
    for (uint32_t i = 0; i < 1u << 24; i++)
        taken += utf8_taken(f,
                            (const unsigned char[]){(unsigned char)(i >> 16),
                                                    (unsigned char)(i >> 8), (unsigned char)i},
                            3);
    assert_int_equal(taken, 128 * 128 * 128 + 2 * 128 * 1920 + 63488 - 2048);
}

static void finds_bad_bytes_in_long_text(void **state)
{
    fixture *f = *state;
    unsigned char bytes[42] = {0xd9, 40};
    for (size_t i = 0; i < 40; i++) {
        memset(bytes + 2, 'a', 40);
        assert_int_equal(parse(f, bytes, sizeof bytes), EDX_OK);
        bytes[2 + i] = 0xc3;
        assert_int_equal(parse(f, bytes, sizeof bytes), EDX_E_DECODE);
        if (i + 1 < 40) {
            bytes[3 + i] = 0xa9;
            assert_int_equal(parse(f, bytes, sizeof bytes), EDX_OK);
        }
    }
}

/* ---- properties ---- */

static void every_cut_is_told(void **state)
{
    fixture *f = *state;
    unsigned char bytes[512];
    size_t n = hex_bytes(python_message, bytes, sizeof bytes);
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(parse(f, bytes, cut), EDX_E_DECODE);
        char text[64];
        (void)snprintf(text, sizeof text, "cut off at byte %zu", cut);
        if (strstr(f->err.text, "claimed") == NULL)
            expect_text(f, text);
    }
}

/* parse() checks every tree that comes out. */
static void every_changed_byte_is_survived(void **state)
{
    fixture *f = *state;
    unsigned char bytes[512];
    size_t n = hex_bytes(python_message, bytes, sizeof bytes);
    size_t good = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char was = bytes[i];
        for (unsigned value = 0; value < 256; value++) {
            bytes[i] = (unsigned char)value;
            good += parse(f, bytes, n) == EDX_OK;
        }
        bytes[i] = was;
    }
    assert_true(good > n && good < 255 * n);
}

/* ---- reading one value ---- */

static void reads_integers(void **state)
{
    static const struct {
        const char *hex;
        uint64_t max;
        edx_status status;
        uint64_t value;
    } cases[] = {
        {"05", 5, EDX_OK, 5},
        {"05", 4, EDX_E_RANGE, 0},
        {"ff", 5, EDX_E_RANGE, 0},
        {"cfffffffffffffffff", UINT64_MAX, EDX_OK, UINT64_MAX},
        {"cb4014000000000000", 5, EDX_OK, 5},
        {"cb4014000000000000", 4, EDX_E_RANGE, 0},
        {"ca40a00000", 5, EDX_OK, 5},
        {"cb8000000000000000", 5, EDX_OK, 0},
        {"cb4016000000000000", 9, EDX_E_RANGE, 0},
        {"cbbff0000000000000", 9, EDX_E_RANGE, 0},
        {"cb43f0000000000000", UINT64_MAX, EDX_E_RANGE, 0},
        {"cb43efffffffffffff", UINT64_MAX, EDX_OK, 18446744073709549568u},
        {"cb7ff8000000000000", UINT64_MAX, EDX_E_RANGE, 0},
        {"cb7ff0000000000000", UINT64_MAX, EDX_E_RANGE, 0},
        {"a135", 9, EDX_E_TYPE, 0},
        {"c3", 9, EDX_E_TYPE, 0},
        {"c0", 9, EDX_E_TYPE, 0},
    };
    fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(parse_hex(f, cases[i].hex), EDX_OK);
        uint64_t value = 77;
        assert_int_equal(edx_node_uint(f->root, "scan.rows", cases[i].max, &value, &f->err),
                         cases[i].status);
        assert_true(value == (cases[i].status == EDX_OK ? cases[i].value : 77));
        if (cases[i].status != EDX_OK)
            expect_text(f, "scan.rows: ");
    }
    assert_int_equal(edx_node_uint(NULL, "seq", 9, &(uint64_t){0}, &f->err), EDX_E_MISSING);
    expect_text(f, "seq: missing, expected an integer");
}

static void reads_floats(void **state)
{
    static const struct {
        const char *hex;
        double value;
    } cases[] = {{"05", 5.0},
                 {"fb", -5.0},
                 {"ca3e200000", 0.15625},
                 {"cb400921fb54442d18", M_PI},
                 {"cfffffffffffffffff", 0x1p64},
                 {"d38000000000000000", -0x1p63}};
    fixture *f = *state;
    double value;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(parse_hex(f, cases[i].hex), EDX_OK);
        assert_int_equal(edx_node_float(f->root, "t", &value, &f->err), EDX_OK);
        assert_true(value == cases[i].value);
    }
    assert_int_equal(parse_hex(f, "a0"), EDX_OK);
    assert_int_equal(edx_node_float(f->root, "t", &value, &f->err), EDX_E_TYPE);
    expect_text(f, "t: a string, expected a number");
    assert_int_equal(edx_node_float(NULL, "t", &value, &f->err), EDX_E_MISSING);
}

static void reads_lists_of_floats(void **state)
{
    fixture *f = *state;
    double pair[2] = {7.0, 7.0};
    assert_int_equal(parse_hex(f, "92ca3e200000fb"), EDX_OK);
    assert_int_equal(edx_node_floats(f->root, "step", pair, 2, &f->err), EDX_OK);
    assert_true(pair[0] == 0.15625 && pair[1] == -5.0);
    assert_int_equal(edx_node_floats(f->root, "step", pair, 1, &f->err), EDX_E_RANGE);
    expect_text(f, "step: 2 values, expected 1");
    assert_int_equal(parse_hex(f, "9201a0"), EDX_OK);
    assert_int_equal(edx_node_floats(f->root, "step", pair, 2, &f->err), EDX_E_TYPE);
    assert_true(pair[0] == 0.15625);
    assert_int_equal(edx_node_floats(NULL, "step", pair, 2, &f->err), EDX_E_MISSING);
    assert_int_equal(parse_hex(f, "01"), EDX_OK);
    assert_int_equal(edx_node_floats(f->root, "step", pair, 2, &f->err), EDX_E_TYPE);
    assert_int_equal(parse_hex(f, "90"), EDX_OK);
    assert_int_equal(edx_node_floats(f->root, "step", pair, 0, &f->err), EDX_OK);
}

static void reads_booleans(void **state)
{
    fixture *f = *state;
    bool value = false;
    assert_int_equal(parse_hex(f, "c3"), EDX_OK);
    assert_int_equal(edx_node_bool(f->root, "on", &value, &f->err), EDX_OK);
    assert_true(value);
    assert_int_equal(parse_hex(f, "01"), EDX_OK);
    assert_int_equal(edx_node_bool(f->root, "on", &value, &f->err), EDX_E_TYPE);
    assert_int_equal(edx_node_bool(NULL, "on", &value, &f->err), EDX_E_MISSING);
}

static void reads_text(void **state)
{
    fixture *f = *state;
    char text[4] = "???";
    assert_int_equal(parse_hex(f, "a3616263"), EDX_OK);
    assert_int_equal(edx_node_text(f->root, "acq", text, 4, &f->err), EDX_OK);
    assert_string_equal(text, "abc");
    assert_int_equal(edx_node_text(f->root, "acq", text, 3, &f->err), EDX_E_RANGE);
    expect_text(f, "acq: 3 bytes, expected at most 2");
    assert_int_equal(parse_hex(f, "a2006a"), EDX_OK);
    assert_int_equal(edx_node_text(f->root, "acq", text, 4, &f->err), EDX_E_RANGE);
    assert_int_equal(parse_hex(f, "c40161"), EDX_OK);
    assert_int_equal(edx_node_text(f->root, "acq", text, 4, &f->err), EDX_E_TYPE);
    assert_int_equal(edx_node_text(NULL, "acq", text, 4, &f->err), EDX_E_MISSING);
    assert_int_equal(parse_hex(f, "a0"), EDX_OK);
    assert_int_equal(edx_node_text(f->root, "acq", text, 4, &f->err), EDX_OK);
    assert_string_equal(text, "");
}

/* ---- arrays ---- */

/* {"dtype": "<u2", "shape": [2, 3], "data": 1..6} as numpy and msgpack write it. */
#define ARRAY_HEAD "83a56474797065a33c7532a57368617065"
#define ARRAY_DATA "a464617461"

static void reads_arrays(void **state)
{
    fixture *f = *state;
    edx_array a;
    assert_int_equal(parse_hex(f, ARRAY_HEAD "920203" ARRAY_DATA "c40c010002000300040005000601"),
                     EDX_OK);
    assert_true(edx_node_is_array(f->root));
    assert_int_equal(edx_node_array(f->root, "counts", &a, &f->err), EDX_OK);
    assert_int_equal(a.dtype, EDX_U2);
    assert_int_equal(a.ndim, 2);
    assert_int_equal(a.shape[0], 2);
    assert_int_equal(a.shape[1], 3);
    for (uint64_t i = 0; i < 5; i++)
        assert_true(edx_array_get(&a, i) == (double)(i + 1));
    assert_true(edx_array_get(&a, 5) == 262.0);
    assert_int_equal(parse_hex(f, ARRAY_HEAD "9200ce10000000" ARRAY_DATA "c400"), EDX_OK);
    assert_int_equal(edx_node_array(f->root, "counts", &a, &f->err), EDX_OK);
    assert_int_equal(parse_hex(f, ARRAY_HEAD "90" ARRAY_DATA "c4020100"), EDX_OK);
    assert_int_equal(edx_node_array(f->root, "counts", &a, &f->err), EDX_OK);
    assert_int_equal(a.ndim, 0);
}

static void refuses_arrays_that_are_none(void **state)
{
    static const struct {
        const char *hex;
        edx_status status;
        const char *text;
    } cases[] = {
        {ARRAY_HEAD "920203" ARRAY_DATA "c40b0000000000000000000000", EDX_E_RANGE,
         "counts: data: 11 bytes, expected those of <u2 [2, 3]"},
        {ARRAY_HEAD "920203" ARRAY_DATA "ac000000000000000000000000", EDX_E_TYPE, "counts: data"},
        {ARRAY_HEAD "950101010101" ARRAY_DATA "c4020000", EDX_E_RANGE, "5 dimensions"},
        {ARRAY_HEAD "92ff01" ARRAY_DATA "c4020000", EDX_E_RANGE, "counts: shape: -1"},
        {ARRAY_HEAD "92cf4000000000000000cf4000000000000000" ARRAY_DATA "c400", EDX_E_RANGE,
         "expected those of"},
        {ARRAY_HEAD "91cf7fffffffffffffff" ARRAY_DATA "c400", EDX_E_RANGE, "expected those of"},
        {ARRAY_HEAD "91cf8000000000000000" ARRAY_DATA "c400", EDX_E_RANGE, "shape"},
        {ARRAY_HEAD "91a131" ARRAY_DATA "c400", EDX_E_TYPE, "shape: a string"},
        {ARRAY_HEAD "00" ARRAY_DATA "c400", EDX_E_TYPE, "shape: an integer"},
        {"83a56474797065a33e7532a573686170659100a464617461c400", EDX_E_TYPE, "\">u2\""},
        {"83a56474797065a23c75a573686170659100a464617461c400", EDX_E_TYPE, "\"<u\""},
        {"83a5647479706500a573686170659100a464617461c400", EDX_E_TYPE, "dtype: an integer"},
        {"82a573686170659100a464617461c400", EDX_E_MISSING, "counts: dtype: missing"},
        {"82a56474797065a33c7532a464617461c400", EDX_E_MISSING, "counts: shape: missing"},
        {"82a56474797065a33c7532a573686170659100", EDX_E_MISSING, "counts: data: missing"},
        {"90", EDX_E_TYPE, "counts: a list, expected an array"},
    };
    fixture *f = *state;
    edx_array a;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(parse_hex(f, cases[i].hex), EDX_OK);
        assert_int_equal(edx_node_array(f->root, "counts", &a, &f->err), cases[i].status);
        expect_text(f, cases[i].text);
    }
    assert_false(edx_node_is_array(f->root));
    assert_false(edx_node_is_array(NULL));
    assert_int_equal(edx_node_array(NULL, "counts", &a, &f->err), EDX_E_MISSING);
}

static void knows_every_dtype(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t size;
        unsigned char bytes[9]; /* at offset 1: unaligned */
        double value;
    } cases[EDX_DTYPES] = {
        [EDX_U1] = {"|u1", 1, {0, 200}, 200.0},
        [EDX_U2] = {"<u2", 2, {0, 0x39, 0x30}, 12345.0},
        [EDX_U4] = {"<u4", 4, {0, 0, 0, 0, 0x80}, 2147483648.0},
        [EDX_U8] = {"<u8", 8, {0, 0, 0, 0, 0, 0, 0, 0, 0x80}, 0x1p63},
        [EDX_I4] = {"<i4", 4, {0, 0xfe, 0xff, 0xff, 0xff}, -2.0},
        [EDX_F4] = {"<f4", 4, {0, 0, 0, 0x20, 0x3e}, 0.15625},
        [EDX_F8] = {"<f8", 8, {0, 0x18, 0x2d, 0x44, 0x54, 0xfb, 0x21, 0x09, 0x40}, M_PI},
    };
    for (unsigned i = 0; i < EDX_DTYPES; i++) {
        edx_dtype dtype = EDX_DTYPES;
        assert_true(edx_dtype_parse(cases[i].name, 3, &dtype));
        assert_int_equal(dtype, i);
        assert_string_equal(edx_dtype_name(dtype), cases[i].name);
        assert_int_equal(edx_dtype_size(dtype), cases[i].size);
        edx_array a = edx_array_1(dtype, cases[i].bytes + 1, 1);
        assert_true(edx_array_get(&a, 0) == cases[i].value);
    }
    edx_dtype none;
    assert_false(edx_dtype_parse("<u2x", 4, &none));
    assert_false(edx_dtype_parse("", 0, &none));
    assert_int_equal(edx_dtype_size(EDX_DTYPES), 0);
}

static void counts_elements(void **state)
{
    (void)state;
    uint64_t elements;
    uint64_t bytes;
    edx_array a = edx_array_3(EDX_U4, NULL, 2, 3, 5);
    assert_true(edx_array_count(&a, &elements, &bytes));
    assert_int_equal(elements, 30);
    assert_int_equal(bytes, 120);
    a = edx_array_2(EDX_U1, NULL, UINT64_C(1) << 32, UINT64_C(1) << 32);
    assert_false(edx_array_count(&a, &elements, &bytes));
    a = edx_array_1(EDX_F8, NULL, UINT64_C(1) << 61);
    assert_false(edx_array_count(&a, &elements, &bytes));
    a = edx_array_3(EDX_F8, NULL, UINT64_MAX, UINT64_MAX, 0);
    assert_true(edx_array_count(&a, &elements, &bytes));
    assert_int_equal(elements, 0);
    a.ndim = EDX_MAX_DIM + 1;
    assert_false(edx_array_count(&a, &elements, &bytes));
}

static void names_shapes(void **state)
{
    (void)state;
    char text[EDX_ARRAY_TEXT];
    edx_array a = edx_array_3(EDX_U2, NULL, 64, 64, 1024);
    edx_array_text(&a, text, sizeof text);
    assert_string_equal(text, "<u2 [64, 64, 1024]");
    for (size_t size = 1; size < 18; size++) {
        memset(text, '#', sizeof text);
        edx_array_text(&a, text, size);
        assert_true(strlen(text) < size);
        assert_int_equal(text[size], '#');
    }
    a = (edx_array){.dtype = EDX_F8, .ndim = 4, .shape = {UINT64_MAX, UINT64_MAX, UINT64_MAX, 1}};
    a.shape[3] = UINT64_MAX;
    edx_array_text(&a, text, sizeof text);
    assert_int_equal(strlen(text), 3 + 2 + 4 * 20 + 3 * 2 + 1);
}

/* ---- writing ---- */

static void write_python_message(edx_pack *p)
{
    edx_pack_map(p, 12);
    edx_pack_text(p, "v");
    edx_pack_uint(p, 1);
    edx_pack_text(p, "neg");
    edx_pack_int(p, -5);
    edx_pack_text(p, "deep");
    edx_pack_int(p, -1099511627776);
    edx_pack_text(p, "top");
    edx_pack_uint(p, UINT64_MAX);
    edx_pack_text(p, "f");
    edx_pack_float(p, 1.5);
    edx_pack_text(p, "s");
    edx_pack_text(p, "K\xce\xb1 \xc3\x85");
    edx_pack_text(p, "b");
    edx_pack_bin(p, "\x00\xff", 2);
    edx_pack_text(p, "l");
    edx_pack_list(p, 2);
    edx_pack_uint(p, 1);
    edx_pack_list(p, 2);
    edx_pack_uint(p, 2);
    edx_pack_list(p, 0);
    edx_pack_text(p, "m");
    edx_pack_map(p, 0);
    edx_pack_text(p, "n");
    edx_pack_nil(p);
    edx_pack_text(p, "t");
    edx_pack_bool(p, true);
    edx_pack_text(p, "z");
    edx_pack_text(p, "");
}

static void expect_packed(const fixture *f, const char *hex)
{
    unsigned char bytes[1024];
    size_t n = hex_bytes(hex, bytes, sizeof bytes);
    assert_int_equal(edx_pack_status(f->pack), EDX_OK);
    assert_int_equal(edx_pack_size(f->pack), n);
    assert_memory_equal(edx_pack_data(f->pack), bytes, n);
}

static void writes_what_python_writes(void **state)
{
    fixture *f = *state;
    write_python_message(f->pack);
    expect_packed(f, python_message);
}

static void copies_what_it_read(void **state)
{
    fixture *f = *state;
    assert_int_equal(parse_hex(f, python_message), EDX_OK);
    edx_pack_node(f->pack, f->root);
    expect_packed(f, python_message);
    edx_pack_reset(f->pack);
    edx_pack_node(f->pack, edx_map_get(f->root, "l"));
    expect_packed(f, "9201920290");
}

static void writes_arrays(void **state)
{
    fixture *f = *state;
    static const uint16_t values[] = {1, 2, 3, 4, 5, 262};
    edx_array a = edx_array_2(EDX_U2, values, 2, 3);
    edx_pack_array(f->pack, &a);
    expect_packed(f, ARRAY_HEAD "920203" ARRAY_DATA "c40c010002000300040005000601");
    edx_pack_reset(f->pack);
    a = edx_array_2(EDX_U2, NULL, 0, 3);
    edx_pack_array(f->pack, &a);
    expect_packed(f, ARRAY_HEAD "920003" ARRAY_DATA "c400");
    edx_pack_reset(f->pack);
    edx_pack_floats(f->pack, (const double[]){1.5, -2.0}, 2);
    expect_packed(f, "92cb3ff8000000000000cbc000000000000000");
}

static void mends_text_that_is_not_utf8(void **state)
{
    fixture *f = *state;
    edx_pack_text(f->pack, "a\xff\xc3\xa9\xe2\x82");
    expect_packed(f, "a6613fc3a93f3f");
}

static void hands_its_buffer_over(void **state)
{
    fixture *f = *state;
    size_t n = 0;
    edx_pack_uint(f->pack, 7);
    unsigned char *taken = edx_pack_take(f->pack, &n);
    assert_non_null(taken);
    assert_int_equal(n, 1);
    assert_int_equal(taken[0], 7);
    free(taken);
    assert_int_equal(edx_pack_size(f->pack), 0);
    edx_pack_uint(f->pack, 8);
    expect_packed(f, "08");
    edx_pack_reset(f->pack);
    taken = edx_pack_take(f->pack, &n);
    assert_non_null(taken);
    assert_int_equal(n, 0);
    free(taken);
}

static void failure_to_grow_sticks(void **state)
{
    fixture *f = *state;
    static const unsigned char big[5000];
    size_t n = 0;
    allocations_left = 0;
    edx_pack_bin(f->pack, big, sizeof big);
    allocations_left = SIZE_MAX;
    assert_int_equal(edx_pack_status(f->pack), EDX_E_NOMEM);
    edx_pack_uint(f->pack, 1);
    assert_int_equal(edx_pack_status(f->pack), EDX_E_NOMEM);
    assert_null(edx_pack_take(f->pack, &n));
    edx_pack_reset(f->pack);
    edx_pack_bin(f->pack, big, sizeof big);
    assert_int_equal(edx_pack_status(f->pack), EDX_OK);
    assert_int_equal(edx_pack_size(f->pack), sizeof big + 3);
    allocations_left = 1;
    edx_pack *half = edx_pack_new();
    allocations_left = SIZE_MAX;
    assert_null(half);
}

/* 32-bit counts of the format, 64-bit sizes of ours. */
static void refuses_to_write_too_much(void **state)
{
    fixture *f = *state;
    edx_pack_bin(f->pack, "", (size_t)UINT32_MAX + 1);
    assert_int_equal(edx_pack_status(f->pack), EDX_E_LIMIT);
    edx_pack_reset(f->pack);
    edx_pack_list(f->pack, (size_t)UINT32_MAX + 1);
    assert_int_equal(edx_pack_status(f->pack), EDX_E_LIMIT);
    edx_pack_reset(f->pack);
    edx_array a = edx_array_2(EDX_U1, "", UINT64_C(1) << 32, UINT64_C(1) << 32);
    edx_pack_array(f->pack, &a);
    assert_int_equal(edx_pack_status(f->pack), EDX_E_LIMIT);
}

/* ---- errors ---- */

static void every_status_has_a_text(void **state)
{
    (void)state;
    for (int i = EDX_E_DENIED; i <= 0; i++) {
        assert_string_not_equal(edx_status_text((edx_status)i), "unknown status");
        for (int j = EDX_E_DENIED; j < i; j++)
            assert_string_not_equal(edx_status_text((edx_status)i), edx_status_text((edx_status)j));
    }
    assert_string_equal(edx_status_text((edx_status)-999), "unknown status");
}

static void errors_are_one_line_and_fit(void **state)
{
    (void)state;
    edx_error err;
    assert_int_equal(edx_fail(&err, EDX_E_RANGE, "rows: %d\nof\t%s", 7, "x\x7f"), EDX_E_RANGE);
    assert_int_equal(err.code, EDX_E_RANGE);
    assert_string_equal(err.text, "rows: 7?of?x?");
    edx_error_prefix(&err, "%s", "scan");
    assert_string_equal(err.text, "scan: rows: 7?of?x?");
    assert_int_equal(err.code, EDX_E_RANGE);
    assert_int_equal(edx_fail(NULL, EDX_E_IO, "x"), EDX_E_IO);
    edx_error_prefix(NULL, "x");
    char longer[600];
    for (size_t n = 240; n < 600; n++) {
        memset(longer, 'y', n);
        longer[n] = '\0';
        (void)edx_fail(&err, EDX_E_IO, "%s", longer);
        assert_int_equal(strlen(err.text), n < EDX_ERROR_TEXT ? n : EDX_ERROR_TEXT - 1);
        edx_error_prefix(&err, "where");
        assert_memory_equal(err.text, "where: yyy", 10);
        assert_int_equal(strlen(err.text), n + 7 < EDX_ERROR_TEXT ? n + 7 : EDX_ERROR_TEXT - 1);
        edx_error_prefix(&err, "%s", longer);
        assert_true(strlen(err.text) < EDX_ERROR_TEXT);
    }
}

static void a_cut_leaves_whole_characters(void **state)
{
    (void)state;
    edx_error err;
    char text[400];
    for (size_t lead = 0; lead < 4; lead++) {
        memset(text, 'a', lead);
        for (size_t i = lead; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        (void)edx_fail(&err, EDX_E_IO, "%s", text);
        assert_true(strlen(err.text) >= EDX_ERROR_TEXT - 4);
        assert_int_equal((strlen(err.text) - lead) % 3, 0);
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads_what_python_wrote),
        TEST(walks_lists),
        TEST(takes_every_width_of_integer),
        TEST(takes_both_widths_of_float),
        TEST(takes_every_width_of_container),
        TEST(last_key_wins),
        TEST(refuses_what_is_no_message),
        TEST(nests_32_deep),
        TEST(counts_values_against_the_limit),
        TEST(claims_allocate_nothing),
        TEST(tells_when_memory_ends),
        TEST(takes_every_character),
        TEST(takes_nothing_else),
        TEST(finds_bad_bytes_in_long_text),
        TEST(every_cut_is_told),
        TEST(every_changed_byte_is_survived),
        TEST(reads_integers),
        TEST(reads_floats),
        TEST(reads_lists_of_floats),
        TEST(reads_booleans),
        TEST(reads_text),
        TEST(reads_arrays),
        TEST(refuses_arrays_that_are_none),
        TEST(knows_every_dtype),
        TEST(counts_elements),
        TEST(names_shapes),
        TEST(writes_what_python_writes),
        TEST(copies_what_it_read),
        TEST(writes_arrays),
        TEST(mends_text_that_is_not_utf8),
        TEST(hands_its_buffer_over),
        TEST(failure_to_grow_sticks),
        TEST(refuses_to_write_too_much),
        TEST(every_status_has_a_text),
        TEST(errors_are_one_line_and_fit),
        TEST(a_cut_leaves_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
