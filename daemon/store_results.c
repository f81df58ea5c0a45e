#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/h5.h"
#include "daemon/store.h"
#include "proto/wire.h"

#define NAME_SIZE 256
#define MAX_NODES (1u << 26) /* our own messages: memory is the limit */
#define TOPIC_PREFIX "edx."

static void put_node(edx_h5 *h5, const char *name, const edx_node *node);

/* ---- single values ---- */

static bool is_integer(const edx_node *node)
{
    return node->kind == EDX_INT || (node->kind == EDX_UINT && node->as.u <= INT64_MAX);
}

/* nil among numbers is a number that is not known. */
static bool is_number(const edx_node *node)
{
    return node->kind == EDX_UINT || node->kind == EDX_INT || node->kind == EDX_FLOAT ||
           node->kind == EDX_NIL;
}

static bool is_bool(const edx_node *node)
{
    return node->kind == EDX_BOOL;
}

static bool is_text(const edx_node *node)
{
    return node->kind == EDX_STR;
}

static int64_t integer(const edx_node *node)
{
    return node->kind == EDX_INT ? node->as.i : (int64_t)node->as.u;
}

static double number(const edx_node *node)
{
    switch (node->kind) {
    case EDX_UINT:
        return (double)node->as.u;
    case EDX_INT:
        return (double)node->as.i;
    case EDX_FLOAT:
        return node->as.f;
    default:
        return NAN;
    }
}

static void no_memory(edx_h5 *h5, const char *name)
{
    char text[EDX_ERROR_TEXT];
    snprintf(text, sizeof text, "no memory for %.100s", name);
    edx_h5_refuse(h5, EDX_E_NOMEM, text);
}

static void put_integer(edx_h5 *h5, const char *name, const edx_node *node)
{
    if (is_integer(node)) {
        const int64_t value = integer(node);
        edx_h5_put(h5, name, EDX_H5_I8, 0, NULL, &value);
    } else {
        edx_h5_put(h5, name, EDX_H5_U8, 0, NULL, &node->as.u);
    }
}

static void put_text(edx_h5 *h5, const char *name, const edx_node *node)
{
    char *text = strndup(node->as.bytes, node->count);
    if (text) {
        edx_h5_put(h5, name, EDX_H5_TEXT, 0, NULL, &text);
    } else {
        no_memory(h5, name);
    }
    free(text);
}

static void put_bytes(edx_h5 *h5, const char *name, const edx_node *node)
{
    const uint64_t n = node->count;
    edx_h5_put(h5, name, EDX_H5_U1, 1, &n, node->as.bytes);
}

/* ---- lists ---- */

static bool all(const edx_node *list, bool (*is)(const edx_node *node))
{
    const edx_node *node = edx_node_first(list);
    for (uint32_t i = 0; i < list->count; i++, node = edx_node_next(node)) {
        if (!is(node)) {
            return false;
        }
    }
    return true;
}

static void put_bools(edx_h5 *h5, const char *name, const edx_node *list)
{
    const uint64_t n = list->count;
    bool *values = malloc(n * sizeof *values);
    if (!values) {
        no_memory(h5, name);
        return;
    }
    const edx_node *node = edx_node_first(list);
    for (uint64_t i = 0; i < n; i++, node = edx_node_next(node)) {
        values[i] = node->as.boolean;
    }
    edx_h5_put(h5, name, EDX_H5_BOOL, 1, &n, values);
    free(values);
}

static void put_integers(edx_h5 *h5, const char *name, const edx_node *list)
{
    const uint64_t n = list->count;
    int64_t *values = malloc(n * sizeof *values);
    if (!values) {
        no_memory(h5, name);
        return;
    }
    const edx_node *node = edx_node_first(list);
    for (uint64_t i = 0; i < n; i++, node = edx_node_next(node)) {
        values[i] = integer(node);
    }
    edx_h5_put(h5, name, EDX_H5_I8, 1, &n, values);
    free(values);
}

static void read_numbers(const edx_node *list, double *values)
{
    const edx_node *node = edx_node_first(list);
    for (uint32_t i = 0; i < list->count; i++, node = edx_node_next(node)) {
        values[i] = number(node);
    }
}

/* rows lists of cols numbers; rows 0: the list itself. */
static void put_numbers(edx_h5 *h5, const char *name, const edx_node *list, uint64_t rows,
                        uint64_t cols)
{
    double *values = malloc((rows > 0 ? rows : 1) * cols * sizeof *values);
    if (!values) {
        no_memory(h5, name);
        return;
    }
    if (rows == 0) {
        read_numbers(list, values);
        edx_h5_put(h5, name, EDX_H5_F8, 1, &cols, values);
    } else {
        const edx_node *row = edx_node_first(list);
        for (uint64_t r = 0; r < rows; r++, row = edx_node_next(row)) {
            read_numbers(row, values + r * cols);
        }
        edx_h5_put(h5, name, EDX_H5_F8, 2, (const uint64_t[]){rows, cols}, values);
    }
    free(values);
}

static void put_texts(edx_h5 *h5, const char *name, const edx_node *list)
{
    const uint64_t n = list->count;
    char **texts = calloc(n, sizeof *texts);
    bool whole = texts != NULL;
    const edx_node *node = edx_node_first(list);
    for (uint64_t i = 0; whole && i < n; i++, node = edx_node_next(node)) {
        texts[i] = strndup(node->as.bytes, node->count);
        whole = texts[i] != NULL;
    }
    if (whole) {
        edx_h5_put(h5, name, EDX_H5_TEXT, 1, &n, texts);
    } else {
        no_memory(h5, name);
    }
    for (uint64_t i = 0; texts && i < n; i++) {
        free(texts[i]);
    }
    free(texts);
}

/* Columns of a list of equally long lists of numbers; 0 when it is something else. */
static uint32_t table_columns(const edx_node *list)
{
    const edx_node *row = edx_node_first(list);
    const uint32_t cols = row->kind == EDX_LIST ? row->count : 0;
    for (uint32_t r = 0; r < list->count; r++, row = edx_node_next(row)) {
        if (row->kind != EDX_LIST || row->count != cols || !all(row, is_number)) {
            return 0;
        }
    }
    return cols;
}

/* Values of a list as members "0", "1", … of the current group. */
static void put_items(edx_h5 *h5, const edx_node *list)
{
    char name[16];
    const edx_node *node = edx_node_first(list);
    for (uint32_t i = 0; i < list->count; i++, node = edx_node_next(node)) {
        snprintf(name, sizeof name, "%" PRIu32, i);
        put_node(h5, name, node);
    }
}

static void put_list(edx_h5 *h5, const char *name, const edx_node *list)
{
    if (list->count == 0) {
        edx_h5_put(h5, name, EDX_H5_F8, 1, &(const uint64_t){0}, NULL);
    } else if (all(list, is_bool)) {
        put_bools(h5, name, list);
    } else if (all(list, is_text)) {
        put_texts(h5, name, list);
    } else if (all(list, is_integer)) {
        put_integers(h5, name, list);
    } else if (all(list, is_number)) {
        put_numbers(h5, name, list, 0, list->count);
    } else if (table_columns(list) > 0) {
        put_numbers(h5, name, list, list->count, table_columns(list));
    } else {
        edx_h5_enter(h5, name);
        put_items(h5, list);
        edx_h5_leave(h5);
    }
}

/* ---- maps ---- */

/* A key where HDF5 can take it as a name. */
static void copy_name(const edx_node *key, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%.*s", (int)(key->count < NAME_SIZE ? key->count : NAME_SIZE - 1),
             key->as.bytes);
    for (char *c = name; *c; c++) {
        *c = *c == '/' ? '-' : *c;
    }
    if (!name[0] || strcmp(name, ".") == 0) {
        name[0] = '_';
        name[1] = '\0';
    }
}

/* The pairs of a map as members of the current group, whose name is given: a list of that name
 * gives the group its members, so that the list particles of edx.particles is /particles/0,
 * /particles/1, … */
static void put_pairs(edx_h5 *h5, const char *group, const edx_node *map)
{
    char name[NAME_SIZE];
    const edx_node *key = edx_node_first(map);
    for (uint32_t i = 0; i < map->count; i++) {
        const edx_node *value = edx_node_next(key);
        copy_name(key, name);
        if (value->kind == EDX_LIST && strcmp(name, group) == 0) {
            put_items(h5, value);
        } else {
            put_node(h5, name, value);
        }
        key = edx_node_next(value);
    }
}

static void put_array(edx_h5 *h5, const char *name, const edx_node *node)
{
    edx_array array;
    edx_error err = {0};
    if (edx_node_array(node, name, &array, &err)) {
        edx_h5_refuse(h5, err.code, err.text);
    } else {
        edx_h5_put(h5, name, (edx_h5_type)array.dtype, array.ndim, array.shape, array.data);
    }
}

static void put_map(edx_h5 *h5, const char *name, const edx_node *map)
{
    if (edx_node_is_array(map)) {
        put_array(h5, name, map);
        return;
    }
    edx_h5_enter(h5, name);
    put_pairs(h5, "", map);
    edx_h5_leave(h5);
}

static void put_node(edx_h5 *h5, const char *name, const edx_node *node)
{
    switch (node->kind) {
    case EDX_NIL:
        break;
    case EDX_BOOL:
        edx_h5_put(h5, name, EDX_H5_BOOL, 0, NULL, &node->as.boolean);
        break;
    case EDX_UINT:
    case EDX_INT:
        put_integer(h5, name, node);
        break;
    case EDX_FLOAT:
        edx_h5_put(h5, name, EDX_H5_F8, 0, NULL, &node->as.f);
        break;
    case EDX_STR:
        put_text(h5, name, node);
        break;
    case EDX_BIN:
        put_bytes(h5, name, node);
        break;
    case EDX_LIST:
        put_list(h5, name, node);
        break;
    case EDX_MAP:
        put_map(h5, name, node);
        break;
    }
}

/* ---- the file ---- */

/* A MessagePack map as the group of that name; NULL: as the file's root. */
static edx_status put_body(edx_h5 *h5, edx_wire *wire, const char *name, const void *bytes,
                           size_t size, edx_error *err)
{
    const edx_node *root = NULL;
    edx_status status = edx_wire_parse(wire, bytes, size, &root, err);
    if (!status && root->kind != EDX_MAP) {
        status = edx_fail(err, EDX_E_TYPE, "another value, expected a map");
    }
    if (status) {
        edx_error_prefix(err, "%s", name ? name : "ensemble");
        return status;
    }
    if (name) {
        edx_h5_enter(h5, name);
    }
    put_pairs(h5, name ? name : "", root);
    if (name) {
        edx_h5_leave(h5);
    }
    return EDX_OK;
}

static const char *group_of(const char *topic)
{
    const size_t n = strlen(TOPIC_PREFIX);
    return strncmp(topic, TOPIC_PREFIX, n) == 0 ? topic + n : topic;
}

static edx_status put_all(edx_h5 *h5, edx_wire *wire, const edx_store_message *messages, size_t n,
                          edx_error *err)
{
    edx_status status = EDX_OK;
    for (size_t i = 0; !status && i < n; i++) {
        const edx_store_message *m = &messages[i];
        status = put_body(h5, wire, group_of(m->topic), m->body, m->size, err);
    }
    return status;
}

static edx_status put_results(edx_h5 *h5, edx_wire *wire, const edx_store_message *messages,
                              size_t n, const void *config, size_t config_size, edx_error *err)
{
    edx_status status = put_all(h5, wire, messages, n, err);
    if (!status && config) {
        status = put_body(h5, wire, "config", config, config_size, err);
    }
    if (status) {
        edx_error_prefix(err, "results.h5");
    }
    return status;
}

edx_status edx_store_results(const char *dir, const edx_store_message *messages, size_t n,
                             const void *config, size_t config_size, const char *version,
                             edx_error *err)
{
    edx_h5 *h5 = NULL;
    edx_wire *wire = edx_wire_new(MAX_NODES);
    edx_status status = EDX_E_NOMEM;
    if (!wire) {
        return edx_fail(err, status, "results.h5: no memory to read messages");
    }
    status = edx_h5_new(dir, "results.h5", &h5, err);
    if (!status) {
        edx_h5_put(h5, "version", EDX_H5_TEXT, 0, NULL, &version);
        status = put_results(h5, wire, messages, n, config, config_size, err);
    }
    if (!status) {
        status = edx_h5_commit(&h5, err);
    }
    edx_h5_free(&h5);
    edx_wire_free(&wire);
    return status;
}

edx_status edx_store_ensemble(const char *dir, const void *body, size_t size, const char *version,
                              edx_error *err)
{
    edx_h5 *h5 = NULL;
    edx_wire *wire = edx_wire_new(MAX_NODES);
    edx_status status = EDX_E_NOMEM;
    if (!wire) {
        return edx_fail(err, status, "ensemble.h5: no memory to read it");
    }
    status = edx_h5_new(dir, "ensemble.h5", &h5, err);
    if (!status) {
        edx_h5_put(h5, "version", EDX_H5_TEXT, 0, NULL, &version);
        status = put_body(h5, wire, NULL, body, size, err);
    }
    if (!status) {
        status = edx_h5_commit(&h5, err);
    }
    edx_h5_free(&h5);
    edx_wire_free(&wire);
    return status;
}
