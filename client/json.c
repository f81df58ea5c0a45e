#include "client/json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOMEM(err) edx_fail(err, EDX_E_NOMEM, "no memory for JSON")

/* Every function here returns a new reference, NULL without memory, and takes over what it is given
 * to put into another. */

static json_t *from_number(double f)
{
    return isfinite(f) ? json_real(f) : json_null();
}

static json_t *from_uint(uint64_t u)
{
    return u <= INT64_MAX ? json_integer((json_int_t)u) : json_real((double)u);
}

/* One element; whole numbers stay whole. */
static json_t *from_element(const edx_array *array, uint64_t index)
{
    double f = edx_array_get(array, index);
    bool whole = array->dtype != EDX_F4 && array->dtype != EDX_F8 && fabs(f) < 0x1p53;
    return whole ? json_integer((json_int_t)f) : from_number(f);
}

static bool append(json_t *list, json_t *value)
{
    return value && json_array_append_new(list, value) == 0;
}

/* The part of the array under dimension dim that starts at *index, which moves on behind it. */
static json_t *from_array(const edx_array *array, uint32_t dim, uint64_t *index)
{
    if (dim == array->ndim)
        return from_element(array, (*index)++);
    json_t *list = json_array();
    for (uint64_t i = 0; list && i < array->shape[dim]; i++)
        if (!append(list, from_array(array, dim + 1, index))) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static json_t *from_bytes(const edx_node *node)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = (const unsigned char *)node->as.bytes;
    size_t n = node->count, length = 4 * ((n + 2) / 3);
    char *text = malloc(length + 1);
    if (!text)
        return NULL;
    for (size_t i = 0, o = 0; i < n; i += 3, o += 4) {
        uint32_t b1 = i + 1 < n ? bytes[i + 1] : 0u, b2 = i + 2 < n ? bytes[i + 2] : 0u;
        uint32_t bits = (uint32_t)bytes[i] << 16 | b1 << 8 | b2;
        text[o] = digits[bits >> 18];
        text[o + 1] = digits[bits >> 12 & 63];
        text[o + 2] = i + 1 < n ? digits[bits >> 6 & 63] : '=';
        text[o + 3] = i + 2 < n ? digits[bits & 63] : '=';
    }
    json_t *value = json_stringn(text, length);
    free(text);
    return value;
}

static json_t *from_node(const edx_node *node);

static json_t *from_list(const edx_node *node)
{
    json_t *list = json_array();
    const edx_node *child = edx_node_first(node);
    for (uint32_t i = 0; list && i < node->count; i++, child = edx_node_next(child))
        if (!append(list, from_node(child))) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

/* Puts the pairs of node into map; false without memory. */
static bool put_pairs(json_t *map, const edx_node *node)
{
    const edx_node *key = edx_node_first(node);
    for (uint32_t i = 0; i < node->count; i++) {
        const edx_node *value = edx_node_next(key);
        char *name = strndup(key->as.bytes, key->count);
        bool put = name && json_object_set_new(map, name, from_node(value)) == 0;
        free(name);
        if (!put)
            return false;
        key = edx_node_next(value);
    }
    return true;
}

static json_t *from_map(const edx_node *node)
{
    edx_array array;
    uint64_t index = 0;
    if (edx_node_is_array(node) && edx_node_array(node, "array", &array, NULL) == EDX_OK)
        return from_array(&array, 0, &index);
    json_t *map = json_object();
    if (map && !put_pairs(map, node)) {
        json_decref(map);
        map = NULL;
    }
    return map;
}

static json_t *from_node(const edx_node *node)
{
    switch (node->kind) {
    case EDX_BOOL:
        return json_boolean(node->as.boolean);
    case EDX_UINT:
        return from_uint(node->as.u);
    case EDX_INT:
        return json_integer(node->as.i);
    case EDX_FLOAT:
        return from_number(node->as.f);
    case EDX_STR:
        return json_stringn(node->as.bytes, node->count);
    case EDX_BIN:
        return from_bytes(node);
    case EDX_LIST:
        return from_list(node);
    case EDX_MAP:
        return from_map(node);
    default:
        return json_null();
    }
}

edx_status edx_json_line(const char *topic, const edx_node *node, char **out, edx_error *err)
{
    *out = NULL;
    json_t *value = from_node(node);
    if (value && topic && json_typeof(value) == JSON_OBJECT) {
        json_t *first = json_pack("{s:s}", "topic", topic);
        if (!first || json_object_update_missing(first, value)) {
            json_decref(first);
            json_decref(value);
            return NOMEM(err);
        }
        json_decref(value);
        value = first;
    }
    if (value)
        *out = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    return *out ? EDX_OK : NOMEM(err);
}
