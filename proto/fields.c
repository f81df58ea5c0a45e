#include "proto/fields.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A dotted path for error texts; what does not fit is left out. */
#define PATH_SIZE 128
#define KEYS_SIZE 192

typedef struct reader {
    char path[PATH_SIZE];
    bool tolerant; /* unknown keys are ignored */
    edx_error *err;
} reader;

/* ---- paths ---- */

/* Appends to the path and returns its former length, for leave(). */
__attribute__((format(printf, 2, 3))) static size_t enter(reader *r, const char *fmt, ...)
{
    size_t n = strlen(r->path);
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->path + n, sizeof r->path - n, fmt, args);
    va_end(args);
    return n;
}

static size_t enter_key(reader *r, const char *key)
{
    return enter(r, "%s%s", r->path[0] ? "." : "", key);
}

static void leave(reader *r, size_t n)
{
    r->path[n] = '\0';
}

static const edx_field *find_key(const edx_field *table, const char *key, size_t n)
{
    for (const edx_field *field = table; field->key; field++)
        if (strlen(field->key) == n && memcmp(field->key, key, n) == 0)
            return field;
    return NULL;
}

static edx_status unknown_key(const edx_field *table, const char *path, edx_error *err)
{
    char keys[KEYS_SIZE] = "";
    size_t n = 0;
    for (const edx_field *field = table; field->key && n < sizeof keys; field++)
        n += (size_t)snprintf(keys + n, sizeof keys - n, "%s%s", n ? ", " : "", field->key);
    return edx_fail(err, EDX_E_UNKNOWN, "%s: unknown key, expected one of %s", path, keys);
}

typedef struct target {
    const edx_field *field; /* NULL: the whole table */
    size_t offset;          /* of the field's value in the object */
} target;

/* Walks down the groups that path names. */
static edx_status resolve(const edx_field *table, const char *path, target *out, edx_error *err)
{
    *out = (target){0};
    for (const char *key = path; *key;) {
        size_t n = strcspn(key, ".");
        const edx_field *field = find_key(table, key, n);
        if (!field)
            return unknown_key(table, path, err);
        out->field = field;
        out->offset += field->offset;
        if (!key[n])
            return EDX_OK;
        if (field->kind != EDX_FIELD_GROUP)
            return edx_fail(err, EDX_E_UNKNOWN,
                            "%s: unknown key, \"%s\" holds no keys, expected %.*s", path,
                            field->key, (int)(key - path + (ptrdiff_t)n), path);
        table = field->sub;
        key += n + 1;
        if (!*key)
            return unknown_key(table, path, err);
    }
    return EDX_OK;
}

/* ---- reading ---- */

static edx_status read_value(reader *r, const edx_field *field, void *value, const edx_node *node);

static edx_status check_number(const reader *r, const edx_field *field, double number)
{
    if (!isfinite(number))
        return edx_fail(r->err, EDX_E_RANGE, "%s: %g, expected a finite number", r->path, number);
    if (field->max <= field->min || (number >= field->min && number <= field->max))
        return EDX_OK;
    char low[32] = "more than 0", high[32] = "";
    if (field->min <= 0 || field->min > EDX_FIELD_ABOVE_ZERO)
        snprintf(low, sizeof low, "at least %.10g", field->min);
    if (field->max < 1 && field->max >= EDX_FIELD_BELOW_ONE)
        snprintf(high, sizeof high, " and less than 1");
    else if (isfinite(field->max))
        snprintf(high, sizeof high, " and at most %.10g", field->max);
    return edx_fail(r->err, EDX_E_RANGE, "%s: %.15g, expected %s%s", r->path, number, low, high);
}

static edx_status read_bool(reader *r, const edx_field *field, void *value, const edx_node *node)
{
    (void)field;
    return edx_node_bool(node, r->path, value, r->err);
}

static edx_status read_uint(reader *r, const edx_field *field, void *value, const edx_node *node)
{
    uint64_t number;
    edx_status status = edx_node_uint(node, r->path, UINT64_MAX, &number, r->err);
    if (!status)
        status = check_number(r, field, (double)number);
    if (!status)
        memcpy(value, &number, sizeof number);
    return status;
}

static edx_status read_float(reader *r, const edx_field *field, void *value, const edx_node *node)
{
    double number;
    edx_status status = edx_node_float(node, r->path, &number, r->err);
    if (!status)
        status = check_number(r, field, number);
    if (!status)
        memcpy(value, &number, sizeof number);
    return status;
}

static edx_status read_text(reader *r, const edx_field *field, void *value, const edx_node *node)
{
    return edx_node_text(node, r->path, value, field->size, r->err);
}

/* "a, b or c", the first n choices. */
static void list_choices(const edx_field *field, size_t n, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n && used < size; i++) {
        const char *glue = i == 0 ? "" : i + 1 == n ? " or " : ", ";
        used += (size_t)snprintf(out + used, size - used, "%s%s", glue, field->choices[i]);
    }
}

static edx_status read_choice(reader *r, const edx_field *field, void *value, const edx_node *node)
{
    char text[64], expected[KEYS_SIZE];
    edx_status status = edx_node_text(node, r->path, text, sizeof text, r->err);
    if (status)
        return status;
    size_t known = 0, chosen = SIZE_MAX;
    for (; field->choices[known]; known++)
        if (strcmp(field->choices[known], text) == 0)
            chosen = known;
    size_t possible = field->size ? field->size : known;
    if (chosen < possible) {
        int index = (int)chosen;
        memcpy(value, &index, sizeof index);
        return EDX_OK;
    }
    list_choices(field, possible, expected, sizeof expected);
    return edx_fail(r->err, EDX_E_RANGE, "%s: \"%s\"%s, expected %s", r->path, text,
                    chosen < known ? " is not in this version yet" : "", expected);
}

static edx_status read_pair(reader *r, const edx_field *field, void *value, const edx_node *node)
{
    double pair[2];
    edx_status status = edx_node_floats(node, r->path, pair, 2, r->err);
    for (int i = 0; i < 2 && !status; i++)
        status = check_number(r, field, pair[i]);
    if (!status)
        memcpy(value, pair, sizeof pair);
    return status;
}

static edx_status expect_kind(const reader *r, const edx_node *node, edx_kind kind,
                              const char *name)
{
    if (!node || node->kind == kind)
        return node ? EDX_OK
                    : edx_fail(r->err, EDX_E_MISSING, "%s: missing, expected %s", r->path, name);
    return edx_fail(r->err, EDX_E_TYPE, "%s%sexpected %s", r->path, r->path[0] ? ": " : "", name);
}

static edx_status read_pairs_of_map(reader *r, const edx_field *table, void *object,
                                    const edx_node *key, const edx_node *value)
{
    const edx_field *field = find_key(table, key->as.bytes, key->count);
    if (!field && r->tolerant)
        return EDX_OK;
    char text[64];
    snprintf(text, sizeof text, "%.*s", key->count < 60 ? (int)key->count : 60, key->as.bytes);
    size_t n = enter_key(r, text);
    edx_status status = field ? read_value(r, field, (char *)object + field->offset, value)
                              : unknown_key(table, r->path, r->err);
    leave(r, n);
    return status;
}

static edx_status read_map(reader *r, const edx_field *table, void *object, const edx_node *node)
{
    edx_status status = expect_kind(r, node, EDX_MAP, "a map");
    if (status)
        return status;
    const edx_node *key = edx_node_first(node);
    for (uint32_t i = 0; i < node->count && !status; i++) {
        const edx_node *value = edx_node_next(key);
        status = read_pairs_of_map(r, table, object, key, value);
        key = edx_node_next(value);
    }
    return status;
}

static edx_status check_required(reader *r, const edx_field *table, const edx_node *node)
{
    for (const edx_field *field = table; field->key; field++)
        if (field->required && !edx_map_get(node, field->key))
            return edx_fail(r->err, EDX_E_MISSING, "%s.%s: missing, expected in every element",
                            r->path, field->key);
    return EDX_OK;
}

static edx_status read_element(reader *r, const edx_field *field, void *element,
                               const edx_node *node)
{
    if (field->reset)
        field->reset(element);
    edx_status status = read_map(r, field->sub, element, node);
    return status ? status : check_required(r, field->sub, node);
}

static edx_status read_elements(reader *r, const edx_field *field, char *elements,
                                const edx_node *node)
{
    edx_status status = EDX_OK;
    const edx_node *at = edx_node_first(node);
    for (uint32_t i = 0; i < node->count && !status; i++) {
        size_t n = enter(r, "[%" PRIu32 "]", i);
        status = read_element(r, field, elements + i * field->size, at);
        leave(r, n);
        at = edx_node_next(at);
    }
    return status;
}

/* All elements are read aside first: the list changes whole or not at all. */
static edx_status read_list(reader *r, const edx_field *field, void *value, const edx_node *node)
{
    edx_status status = expect_kind(r, node, EDX_LIST, "a list");
    if (status)
        return status;
    if (node->count > field->max_count)
        return edx_fail(r->err, EDX_E_RANGE, "%s: %" PRIu32 " elements, expected at most %zu",
                        r->path, node->count, field->max_count);
    char *elements = calloc(node->count + 1, field->size);
    if (!elements)
        return edx_fail(r->err, EDX_E_NOMEM, "%s: no memory", r->path);
    status = read_elements(r, field, elements, node);
    if (!status) {
        memcpy(value, elements, node->count * field->size);
        memcpy((char *)value - field->offset + field->count_offset, &node->count,
               sizeof node->count);
    }
    free(elements);
    return status;
}

static edx_status read_group(reader *r, const edx_field *field, void *value, const edx_node *node)
{
    return read_map(r, field->sub, value, node);
}

static edx_status read_custom(reader *r, const edx_field *field, void *value, const edx_node *node)
{
    return field->read(node, r->path, value, r->err);
}

static edx_status read_value(reader *r, const edx_field *field, void *value, const edx_node *node)
{
    static edx_status (*const readers[])(reader *, const edx_field *, void *, const edx_node *) = {
        [EDX_FIELD_BOOL] = read_bool,     [EDX_FIELD_UINT] = read_uint,
        [EDX_FIELD_FLOAT] = read_float,   [EDX_FIELD_TEXT] = read_text,
        [EDX_FIELD_CHOICE] = read_choice, [EDX_FIELD_PAIR] = read_pair,
        [EDX_FIELD_LIST] = read_list,     [EDX_FIELD_GROUP] = read_group,
        [EDX_FIELD_CUSTOM] = read_custom,
    };
    return readers[field->kind](r, field, value, node);
}

edx_status edx_fields_set(const edx_field *table, void *object, const char *path,
                          const edx_node *value, edx_error *err)
{
    target at;
    edx_status status = resolve(table, path, &at, err);
    if (status)
        return status;
    reader r = {.err = err};
    enter(&r, "%s", path);
    if (!at.field)
        return read_map(&r, table, object, value);
    return read_value(&r, at.field, (char *)object + at.offset, value);
}

edx_status edx_fields_read(const edx_field *table, void *object, const edx_node *map,
                           edx_error *err)
{
    reader r = {.tolerant = true, .err = err};
    return read_map(&r, table, object, map);
}

/* ---- writing ---- */

static void write_value(edx_pack *pack, const edx_field *field, const char *value, uint32_t count);

static double load_double(const void *value)
{
    double number;
    memcpy(&number, value, sizeof number);
    return number;
}

static bool is_given(const edx_field *field, const char *value)
{
    if (field->kind == EDX_FIELD_FLOAT || field->kind == EDX_FIELD_PAIR)
        return !isnan(load_double(value));
    return field->kind != EDX_FIELD_CUSTOM || !field->given || field->given(value);
}

/* The count of a LIST lies beside it, in the struct that holds both. */
static uint32_t count_of(const edx_field *field, const char *object)
{
    uint32_t count = 0;
    if (field->kind == EDX_FIELD_LIST)
        memcpy(&count, object + field->count_offset, sizeof count);
    return count;
}

static void write_map(edx_pack *pack, const edx_field *table, const char *object)
{
    size_t given = 0;
    for (const edx_field *field = table; field->key; field++)
        given += is_given(field, object + field->offset);
    edx_pack_map(pack, given);
    for (const edx_field *field = table; field->key; field++) {
        if (!is_given(field, object + field->offset))
            continue;
        edx_pack_text(pack, field->key);
        write_value(pack, field, object + field->offset, count_of(field, object));
    }
}

static void write_choice(edx_pack *pack, const edx_field *field, const char *value)
{
    int index;
    memcpy(&index, value, sizeof index);
    edx_pack_text(pack, field->choices[index]);
}

static void write_uint(edx_pack *pack, const char *value)
{
    uint64_t number;
    memcpy(&number, value, sizeof number);
    edx_pack_uint(pack, number);
}

static void write_pair(edx_pack *pack, const char *value)
{
    double pair[2];
    memcpy(pair, value, sizeof pair);
    edx_pack_floats(pack, pair, 2);
}

static void write_list(edx_pack *pack, const edx_field *field, const char *value, uint32_t count)
{
    edx_pack_list(pack, count);
    for (uint32_t i = 0; i < count; i++)
        write_map(pack, field->sub, value + i * field->size);
}

static void write_value(edx_pack *pack, const edx_field *field, const char *value, uint32_t count)
{
    switch (field->kind) {
    case EDX_FIELD_BOOL:
        edx_pack_bool(pack, *(const bool *)value);
        break;
    case EDX_FIELD_UINT:
        write_uint(pack, value);
        break;
    case EDX_FIELD_FLOAT:
        edx_pack_float(pack, load_double(value));
        break;
    case EDX_FIELD_TEXT:
        edx_pack_text(pack, value);
        break;
    case EDX_FIELD_CHOICE:
        write_choice(pack, field, value);
        break;
    case EDX_FIELD_PAIR:
        write_pair(pack, value);
        break;
    case EDX_FIELD_LIST:
        write_list(pack, field, value, count);
        break;
    case EDX_FIELD_GROUP:
        write_map(pack, field->sub, value);
        break;
    case EDX_FIELD_CUSTOM:
        field->write(pack, value);
        break;
    }
}

edx_status edx_fields_get(const edx_field *table, const void *object, const char *path,
                          edx_pack *pack, edx_error *err)
{
    target at;
    edx_status status = resolve(table, path, &at, err);
    if (status)
        return status;
    if (!at.field) {
        write_map(pack, table, object);
        return EDX_OK;
    }
    const char *value = (const char *)object + at.offset;
    const char *holder = value - at.field->offset;
    if (is_given(at.field, value))
        write_value(pack, at.field, value, count_of(at.field, holder));
    else
        edx_pack_nil(pack);
    return EDX_OK;
}
