#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/result.h"
#include "proto/result_keys.h"

/* Who owns what in edx_result.owned. */
enum { OWNED_BOOLS, OWNED_RECORDS, OWNED_UINTS };

typedef struct reader {
    edx_result *out;
    size_t values;       /* of the whole body: no more booleans than that can come */
    size_t bools;        /* used of OWNED_BOOLS */
    uint64_t extent[26]; /* by letter */
    bool bound[26];
    edx_error *err;
} reader;

#define AT(type, base, offset) (*(type *)(void *)((base) + (offset)))

static edx_status read_map(reader *r, const edx_key *keys, char *base, const edx_node *map);

/* ---- extents ---- */

/* The first extent of a name stands; the others must agree with it. */
static edx_status bind(reader *r, const char *key, char name, uint64_t extent)
{
    uint64_t expected = (uint64_t)(name - '0');
    if (name >= 'a') {
        int letter = name - 'a';
        if (!r->bound[letter])
            r->extent[letter] = extent;
        r->bound[letter] = true;
        expected = r->extent[letter];
    }
    if (extent == expected)
        return EDX_OK;
    return edx_fail(r->err, EDX_E_RANGE, "%s: extent %" PRIu64 ", expected %" PRIu64, key, extent,
                    expected);
}

/* Extents of a record are its own, but for the number of lines. */
static void unbind(reader *r)
{
    for (int i = 0; i < 26; i++)
        r->bound[i] = r->bound[i] && i == 'n' - 'a';
}

/* ---- single values ---- */

static edx_status read_int(reader *r, const edx_key *key, int64_t *out, const edx_node *node)
{
    if (node && node->kind == EDX_INT) {
        *out = node->as.i;
        return EDX_OK;
    }
    if (node && node->kind == EDX_FLOAT && node->as.f >= (double)INT64_MIN && node->as.f < 0 &&
        trunc(node->as.f) >= node->as.f && trunc(node->as.f) <= node->as.f) {
        *out = (int64_t)node->as.f;
        return EDX_OK;
    }
    uint64_t value = 0;
    edx_status status = edx_node_uint(node, key->key, INT64_MAX, &value, r->err);
    *out = (int64_t)value;
    return status;
}

static edx_status read_uint(reader *r, const edx_key *key, uint64_t *out, const edx_node *node)
{
    *out = 0;
    if (!node && key->optional)
        return EDX_OK;
    return edx_node_uint(node, key->key, UINT64_MAX, out, r->err);
}

static edx_status read_float(reader *r, const edx_key *key, double *out, const edx_node *node)
{
    *out = NAN;
    return node || key->required ? edx_node_float(node, key->key, out, r->err) : EDX_OK;
}

static edx_status read_pair(reader *r, const edx_key *key, double out[2], const edx_node *node)
{
    out[0] = out[1] = NAN;
    return node ? edx_node_floats(node, key->key, out, 2, r->err) : EDX_OK;
}

static edx_status read_text(reader *r, const edx_key *key, char *out, const edx_node *node)
{
    if (!node && key->optional)
        return EDX_OK;
    return edx_node_text(node, key->key, out, key->size, r->err);
}

static edx_status read_state(reader *r, const edx_key *key, edx_state *out, const edx_node *node)
{
    for (edx_state state = EDX_IDLE; state <= EDX_FINISHED; state++)
        if (edx_node_is(node, edx_state_name(state))) {
            *out = state;
            return EDX_OK;
        }
    return edx_fail(r->err, node ? EDX_E_RANGE : EDX_E_MISSING,
                    "%s: expected idle, acquiring or finished", key->key);
}

static edx_status read_array(reader *r, const edx_key *key, char *base, const edx_node *node)
{
    edx_array array;
    if (!node)
        return EDX_OK;
    edx_status status = edx_node_array(node, key->key, &array, r->err);
    if (!status && array.ndim != strlen(key->dims))
        status = edx_fail(r->err, EDX_E_RANGE, "%s: %" PRIu32 " dimensions, expected %zu", key->key,
                          array.ndim, strlen(key->dims));
    for (uint32_t i = 0; !status && i < array.ndim; i++)
        status = bind(r, key->key, key->dims[i], array.shape[i]);
    if (status)
        return status;
    AT(edx_array, base, key->offset) = array;
    if (key->count)
        AT(size_t, base, key->count) = array.shape[0];
    return EDX_OK;
}

/* ---- lists ---- */

static edx_status expect(const reader *r, const edx_key *key, const edx_node *node, edx_kind kind)
{
    const char *name = kind == EDX_LIST ? "a list" : "a map";
    if (!node)
        return edx_fail(r->err, EDX_E_MISSING, "%s: missing, expected %s", key->key, name);
    if (node->kind != kind)
        return edx_fail(r->err, EDX_E_TYPE, "%s: expected %s", key->key, name);
    return EDX_OK;
}

static edx_status no_memory(const reader *r, const edx_key *key)
{
    return edx_fail(r->err, EDX_E_NOMEM, "%s: no memory", key->key);
}

static edx_status expect_names(const reader *r, const edx_key *key, const edx_node *node,
                               edx_kind kind)
{
    edx_status status = expect(r, key, node, kind);
    if (!status && node->count > EDX_MAX_LINES)
        status = edx_fail(r->err, EDX_E_RANGE, "%s: %" PRIu32 " values, expected at most %d",
                          key->key, node->count, EDX_MAX_LINES);
    return status;
}

static edx_status read_names(reader *r, const edx_key *key, char *base, const edx_node *node)
{
    edx_status status = expect_names(r, key, node, EDX_LIST);
    if (!status)
        status = bind(r, key->key, key->dims[0], node->count);
    if (status)
        return status;
    AT(uint32_t, base, key->count) = node->count;
    const edx_node *at = edx_node_first(node);
    for (uint32_t i = 0; i < node->count && !status; i++, at = edx_node_next(at)) {
        char *name = base + key->offset + i * key->size;
        status = edx_node_text(at, key->key, name, key->size, r->err);
    }
    return status;
}

static edx_status read_uints(reader *r, const edx_key *key, char *base, const edx_node *node)
{
    edx_status status = expect(r, key, node, EDX_LIST);
    if (status || node->count == 0)
        return status;
    uint64_t *values = malloc(node->count * sizeof *values);
    if (!values)
        return no_memory(r, key);
    r->out->owned[OWNED_UINTS] = values;
    AT(const uint64_t *, base, key->offset) = values;
    AT(size_t, base, key->count) = node->count;
    const edx_node *at = edx_node_first(node);
    for (uint32_t i = 0; i < node->count && !status; i++, at = edx_node_next(at))
        status = edx_node_uint(at, key->key, UINT64_MAX, &values[i], r->err);
    return status;
}

static edx_status read_bools(reader *r, const edx_key *key, char *base, const edx_node *node)
{
    edx_status status = expect(r, key, node, EDX_LIST);
    if (!status)
        status = bind(r, key->key, key->dims[0], node->count);
    if (status)
        return status;
    void **owned = &r->out->owned[OWNED_BOOLS];
    if (!*owned && !(*owned = calloc(r->values, sizeof(bool))))
        return no_memory(r, key);
    bool *values = (bool *)*owned + r->bools;
    r->bools += node->count;
    AT(const bool *, base, key->offset) = values;
    AT(size_t, base, key->count) = node->count;
    const edx_node *at = edx_node_first(node);
    for (uint32_t i = 0; i < node->count && !status; i++, at = edx_node_next(at))
        status = edx_node_bool(at, key->key, &values[i], r->err);
    return status;
}

/* ---- maps ---- */

static edx_status read_last(reader *r, const edx_key *key, double *last, const edx_node *node)
{
    edx_status status = expect(r, key, node, EDX_MAP);
    for (edx_result_topic topic = EDX_STATUS; topic < EDX_RESULT_TOPICS && !status; topic++) {
        const char *name = edx_result_topic_name(topic);
        const edx_node *t = edx_map_get(node, name);
        last[topic] = NAN;
        if (t)
            status = edx_node_float(t, name, &last[topic], r->err);
    }
    return status;
}

/* A map by name of one number (stride 1) or of [f, s] (stride 2). */
static edx_status read_by_name(reader *r, const edx_key *key, char *base, const edx_node *node,
                               size_t stride)
{
    edx_status status = expect_names(r, key, node, EDX_MAP);
    if (status)
        return status;
    double *values = &AT(double, base, key->values);
    AT(uint32_t, base, key->count) = node->count;
    const edx_node *name = edx_node_first(node);
    for (uint32_t i = 0; i < node->count && !status; i++) {
        const edx_node *value = edx_node_next(name);
        char *text = base + key->offset + i * key->size;
        status = edx_node_text(name, key->key, text, key->size, r->err);
        if (!status && stride == 2)
            status = edx_node_floats(value, text, &values[2 * (size_t)i], 2, r->err);
        else if (!status)
            status = edx_node_float(value, text, &values[i], r->err);
        name = edx_node_next(value);
    }
    return status;
}

/* Room for record i, zeroed: memory grows with records that are there, not with a claimed count. */
static char *new_record(reader *r, const edx_key *key, size_t i)
{
    void **records = &r->out->owned[OWNED_RECORDS];
    if ((i & (i - 1)) == 0) { /* 0 or a power of two: full */
        void *grown = realloc(*records, (i ? 2 * i : 1) * key->size);
        if (!grown)
            return NULL;
        *records = grown;
    }
    char *record = (char *)*records + i * key->size;
    memset(record, 0, key->size);
    return record;
}

static edx_status read_record(reader *r, const edx_key *key, size_t i, const edx_node *node)
{
    char *record = new_record(r, key, i);
    if (!record)
        return no_memory(r, key);
    unbind(r);
    edx_status status = read_map(r, key->sub, record, node);
    if (status)
        edx_error_prefix(r->err, "%s[%zu]", key->key, i);
    return status;
}

static edx_status read_records(reader *r, const edx_key *key, char *base, const edx_node *node)
{
    edx_status status = expect(r, key, node, EDX_LIST);
    if (status)
        return status;
    const edx_node *at = edx_node_first(node);
    for (uint32_t i = 0; i < node->count && !status; i++, at = edx_node_next(at))
        status = read_record(r, key, i, at);
    AT(void *, base, key->offset) = r->out->owned[OWNED_RECORDS];
    AT(size_t, base, key->count) = node->count;
    return status;
}

static edx_status read_group(reader *r, const edx_key *key, char *base, const edx_node *node)
{
    const edx_node none = {.kind = EDX_MAP, .span = 1};
    edx_status status = node || key->optional ? EDX_OK : expect(r, key, node, EDX_MAP);
    if (!status)
        status = read_map(r, key->sub, base, node ? node : &none);
    if (status && node)
        edx_error_prefix(r->err, "%s", key->key);
    return status;
}

static edx_status read_list(reader *r, const edx_key *key, char *base, const edx_node *node)
{
    const bool map = key->kind == EDX_KEY_PAIRS || key->kind == EDX_KEY_NUMBERS;
    if (!node && (key->optional || key->kind == EDX_KEY_BOOLS))
        return EDX_OK;
    if (!node)
        return expect(r, key, node, map ? EDX_MAP : EDX_LIST);
    switch (key->kind) {
    case EDX_KEY_NAMES:
        return read_names(r, key, base, node);
    case EDX_KEY_UINTS:
        return read_uints(r, key, base, node);
    case EDX_KEY_BOOLS:
        return read_bools(r, key, base, node);
    case EDX_KEY_PAIRS:
        return read_by_name(r, key, base, node, 2);
    case EDX_KEY_NUMBERS:
        return read_by_name(r, key, base, node, 1);
    default:
        return read_records(r, key, base, node);
    }
}

static edx_status read_value(reader *r, const edx_key *key, char *base, const edx_node *node)
{
    char *value = base + key->offset;
    switch (key->kind) {
    case EDX_KEY_UINT:
        return read_uint(r, key, &AT(uint64_t, value, 0), node);
    case EDX_KEY_INT:
        return read_int(r, key, &AT(int64_t, value, 0), node);
    case EDX_KEY_FLOAT:
        return read_float(r, key, &AT(double, value, 0), node);
    case EDX_KEY_BOOL:
        return edx_node_bool(node, key->key, &AT(bool, value, 0), r->err);
    case EDX_KEY_PAIR:
        return read_pair(r, key, &AT(double, value, 0), node);
    case EDX_KEY_TEXT:
        return read_text(r, key, value, node);
    case EDX_KEY_STATE:
        return read_state(r, key, &AT(edx_state, value, 0), node);
    case EDX_KEY_LAST:
        return read_last(r, key, &AT(double, value, 0), node);
    case EDX_KEY_ARRAY:
        return read_array(r, key, base, node);
    case EDX_KEY_GROUP:
        return read_group(r, key, base, node);
    default:
        return read_list(r, key, base, node);
    }
}

static edx_status read_map(reader *r, const edx_key *keys, char *base, const edx_node *map)
{
    if (map->kind != EDX_MAP)
        return edx_fail(r->err, EDX_E_TYPE, "expected a map");
    edx_status status = EDX_OK;
    for (const edx_key *key = keys; key->key && !status; key++)
        status = read_value(r, key, base, edx_map_get(map, key->key));
    return status;
}

static edx_status read_version(const edx_node *body, edx_error *err)
{
    uint64_t version;
    edx_status status = edx_node_uint(edx_map_get(body, "v"), "v", UINT64_MAX, &version, err);
    if (!status && version != 1)
        status = edx_fail(err, EDX_E_VERSION, "v: %" PRIu64 ", expected 1", version);
    return status;
}

edx_status edx_result_read(edx_result_topic topic, const edx_node *body, edx_result *out,
                           edx_error *err)
{
    if ((unsigned)topic >= EDX_RESULT_TOPICS)
        return edx_fail(err, EDX_E_UNKNOWN, "topic %d, expected one that edxd publishes",
                        (int)topic);
    reader r = {.out = out, .values = body->span, .err = err};
    out->topic = topic;
    edx_status status = read_version(body, err);
    if (!status)
        status = read_map(&r, edx_result_head_keys, (char *)&out->as, body);
    if (!status)
        status = read_map(&r, edx_result_keys[topic], (char *)&out->as, body);
    if (status)
        edx_result_clear(out);
    return status;
}

void edx_result_clear(edx_result *result)
{
    for (size_t i = 0; i < sizeof result->owned / sizeof *result->owned; i++)
        free(result->owned[i]);
    *result = (edx_result){0};
}
