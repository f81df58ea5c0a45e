#include "tests/json_value.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* ---- JSON to MessagePack ---- */

static void pack_string(edx_pack *pack, const char *text)
{
    if (strcmp(text, "@nan") == 0)
        edx_pack_float(pack, NAN);
    else if (strcmp(text, "@inf") == 0)
        edx_pack_float(pack, INFINITY);
    else if (strcmp(text, "@-inf") == 0)
        edx_pack_float(pack, -INFINITY);
    else
        edx_pack_text(pack, text);
}

static void pack_value(edx_pack *pack, const json_t *value);

static void pack_object(edx_pack *pack, const json_t *object)
{
    json_t *map = (json_t *)(uintptr_t)object;
    edx_pack_map(pack, json_object_size(object));
    for (void *at = json_object_iter(map); at; at = json_object_iter_next(map, at)) {
        edx_pack_text(pack, json_object_iter_key(at));
        pack_value(pack, json_object_iter_value(at));
    }
}

static void pack_integer(edx_pack *pack, json_int_t value)
{
    if (value < 0)
        edx_pack_int(pack, value);
    else
        edx_pack_uint(pack, (uint64_t)value);
}

static void pack_value(edx_pack *pack, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        pack_object(pack, value);
        break;
    case JSON_ARRAY:
        edx_pack_list(pack, json_array_size(value));
        for (size_t i = 0; i < json_array_size(value); i++)
            pack_value(pack, json_array_get(value, i));
        break;
    case JSON_STRING:
        pack_string(pack, json_string_value(value));
        break;
    case JSON_INTEGER:
        pack_integer(pack, json_integer_value(value));
        break;
    case JSON_REAL:
        edx_pack_float(pack, json_real_value(value));
        break;
    case JSON_NULL:
        edx_pack_nil(pack);
        break;
    default:
        edx_pack_bool(pack, json_is_true(value));
        break;
    }
}

void pack_json(edx_pack *pack, const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &error);
    if (!value) {
        fail_msg("the test's own JSON: %s: %s", error.text, text);
        return;
    }
    pack_value(pack, value);
    json_decref(value);
}

const edx_node *packed_root(edx_wire *wire, const edx_pack *pack)
{
    const edx_node *root = NULL;
    edx_error err = {0};
    if (edx_pack_status(pack) ||
        edx_wire_parse(wire, edx_pack_data(pack), edx_pack_size(pack), &root, &err))
        fail_msg("what was written is no whole value: %s", err.text);
    return root;
}

const edx_node *parse_json(edx_wire *wire, edx_pack *pack, const char *text)
{
    edx_pack_reset(pack);
    pack_json(pack, text);
    return packed_root(wire, pack);
}

/* ---- a parsed value to JSON ---- */

static const edx_node *print(FILE *out, const edx_node *node);

static void print_children(FILE *out, const edx_node *node)
{
    bool map = node->kind == EDX_MAP;
    fputc(map ? '{' : '[', out);
    const edx_node *at = edx_node_first(node);
    for (uint32_t i = 0; i < node->count; i++) {
        fputs(i ? ", " : "", out);
        at = print(out, at);
        if (map) {
            fputs(": ", out);
            at = print(out, at);
        }
    }
    fputc(map ? '}' : ']', out);
}

static void print_bytes(FILE *out, const edx_node *node)
{
    for (uint32_t i = 0; i < node->count; i++)
        fprintf(out, "%02x", (unsigned char)node->as.bytes[i]);
}

static void print_array(FILE *out, const edx_node *node)
{
    const edx_node *dtype = edx_map_get(node, "dtype");
    fprintf(out, "%.*s ", (int)dtype->count, dtype->as.bytes);
    print(out, edx_map_get(node, "shape"));
    fputc(' ', out);
    print(out, edx_map_get(node, "data"));
}

static const edx_node *print(FILE *out, const edx_node *node)
{
    switch (node->kind) {
    case EDX_NIL:
        fputs("null", out);
        break;
    case EDX_BOOL:
        fputs(node->as.boolean ? "true" : "false", out);
        break;
    case EDX_UINT:
        fprintf(out, "%" PRIu64, node->as.u);
        break;
    case EDX_INT:
        fprintf(out, "%" PRId64, node->as.i);
        break;
    case EDX_FLOAT:
        fprintf(out, "%.12g", node->as.f);
        break;
    case EDX_STR:
        fprintf(out, "\"%.*s\"", (int)node->count, node->as.bytes);
        break;
    case EDX_BIN:
        print_bytes(out, node);
        break;
    case EDX_LIST:
    case EDX_MAP:
        if (edx_node_is_array(node))
            print_array(out, node);
        else
            print_children(out, node);
        break;
    }
    return edx_node_next(node);
}

char *text_of(const edx_node *node)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    print(out, node);
    fclose(out);
    return text;
}

void assert_packed(edx_wire *wire, const edx_pack *pack, const char *text)
{
    char *found = text_of(packed_root(wire, pack));
    assert_string_equal(found, text);
    free(found);
}

void pack_without(edx_pack *pack, const edx_node *map, uint32_t skip)
{
    edx_pack_reset(pack);
    edx_pack_map(pack, map->count - 1);
    const edx_node *key = edx_node_first(map);
    for (uint32_t i = 0; i < map->count; i++) {
        const edx_node *value = edx_node_next(key);
        if (i != skip) {
            edx_pack_node(pack, key);
            edx_pack_node(pack, value);
        }
        key = edx_node_next(value);
    }
}

/* ---- random numbers ---- */

rng rng_new(void)
{
    const char *seed = getenv("EDX_SEED");
    rng r = {seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL)};
    print_message("EDX_SEED=%" PRIu64 "\n", r.state);
    return r;
}

uint64_t rng_next(rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint64_t rng_below(rng *r, uint64_t n)
{
    return rng_next(r) % n;
}
