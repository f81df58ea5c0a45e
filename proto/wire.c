#include "proto/wire.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MSGPACK_EMBED_STACK_SIZE 32 /* the deepest nesting */
#include <msgpack.h>
#include <msgpack/unpack_define.h>

#include "proto/load.h"

#define DEFAULT_MAX_NODES 1048576u
#define FIRST_NODES 256u
#define FIRST_BYTES 1024u

struct edx_wire {
    edx_node *nodes;
    size_t count, capacity;
    size_t max_nodes;
};

/* ---- UTF-8 ---- */

/* Bytes of the well-formed character at s (RFC 3629, table of section 4), 0 when there is none. */
static size_t utf8_character(const unsigned char *s, size_t n)
{
    if (s[0] < 0x80)
        return 1;
    size_t size = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || n < size)
        return 0;
    unsigned lo = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned hi = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < lo || s[1] > hi)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

/* How many of the n leading bytes are well-formed characters. */
static size_t utf8_prefix(const char *bytes, size_t n)
{
    size_t i = 0;
    while (i < n) {
        if (n - i >= 8 && (edx_load_u64(bytes + i, 0) & 0x8080808080808080u) == 0) {
            i += 8;
            continue;
        }
        size_t size = utf8_character((const unsigned char *)bytes + i, n - i);
        if (size == 0)
            break;
        i += size;
    }
    return i;
}

/* ---- the parser: msgpack's state machine over callbacks that fill the table ---- */

#define REFUSED (-100) /* none of msgpack's own return codes */

typedef struct cursor {
    edx_wire *wire;
    uint64_t size;   /* bytes of the message */
    uint64_t needed; /* bytes that the values seen and promised so far take at least */
    uint64_t values; /* values seen and promised so far */
    edx_error *err;
    edx_status status;
} cursor;

static edx_node *add(cursor *c, edx_kind kind, uint32_t *index)
{
    edx_wire *wire = c->wire;
    if (wire->count == wire->capacity) {
        edx_node *grown = realloc(wire->nodes, 2 * wire->capacity * sizeof *grown);
        if (grown == NULL) {
            c->status = edx_fail(c->err, EDX_E_NOMEM, "no memory for %zu values", wire->count + 1);
            return NULL;
        }
        wire->nodes = grown;
        wire->capacity *= 2;
    }
    *index = (uint32_t)wire->count;
    edx_node *node = &wire->nodes[wire->count++];
    *node = (edx_node){.kind = kind, .span = 1};
    return node;
}

static uint32_t on_root(cursor *c)
{
    (void)c;
    return 0;
}

static int on_nil(cursor *c, uint32_t *out)
{
    return add(c, EDX_NIL, out) == NULL ? REFUSED : 0;
}

static int on_bool(cursor *c, bool value, uint32_t *out)
{
    edx_node *node = add(c, EDX_BOOL, out);
    if (node == NULL)
        return REFUSED;
    node->as.boolean = value;
    return 0;
}

static int on_false(cursor *c, uint32_t *out)
{
    return on_bool(c, false, out);
}

static int on_true(cursor *c, uint32_t *out)
{
    return on_bool(c, true, out);
}

static int on_unsigned(cursor *c, uint64_t value, uint32_t *out)
{
    edx_node *node = add(c, EDX_UINT, out);
    if (node == NULL)
        return REFUSED;
    node->as.u = value;
    return 0;
}

static int on_signed(cursor *c, int64_t value, uint32_t *out)
{
    if (value >= 0)
        return on_unsigned(c, (uint64_t)value, out);
    edx_node *node = add(c, EDX_INT, out);
    if (node == NULL)
        return REFUSED;
    node->as.i = value;
    return 0;
}

static int on_real(cursor *c, double value, uint32_t *out)
{
    edx_node *node = add(c, EDX_FLOAT, out);
    if (node == NULL)
        return REFUSED;
    node->as.f = value;
    return 0;
}

static int bytes_node(cursor *c, edx_kind kind, const char *bytes, unsigned n, uint32_t *out)
{
    edx_node *node = add(c, kind, out);
    if (node == NULL)
        return REFUSED;
    c->needed += n;
    node->count = n;
    node->as.bytes = n > 0 ? bytes : "";
    return 0;
}

static int on_str(cursor *c, const char *base, const char *bytes, unsigned n, uint32_t *out)
{
    (void)base;
    if (n > 0 && utf8_prefix(bytes, n) != n) {
        c->status = edx_fail(c->err, EDX_E_DECODE, "string that is not UTF-8");
        return REFUSED;
    }
    return bytes_node(c, EDX_STR, bytes, n, out);
}

static int on_bin(cursor *c, const char *base, const char *bytes, unsigned n, uint32_t *out)
{
    (void)base;
    return bytes_node(c, EDX_BIN, bytes, n, out);
}

static int on_ext(cursor *c, const char *base, const char *bytes, unsigned n, uint32_t *out)
{
    (void)base;
    (void)bytes;
    (void)n;
    (void)out;
    c->status = edx_fail(c->err, EDX_E_DECODE, "extension type, expected none");
    return REFUSED;
}

/* Every value takes a byte at least, so what a header promises must fit into the bytes that are not
 * spoken for yet. Nothing is allocated here. */
static int promise(cursor *c, uint64_t children)
{
    c->needed += children;
    c->values += children;
    if (c->needed > c->size) {
        c->status = edx_fail(c->err, EDX_E_DECODE,
                             "%" PRIu64 " values claimed, more than there are bytes", children);
        return REFUSED;
    }
    if (c->values > c->wire->max_nodes) {
        c->status = edx_fail(c->err, EDX_E_LIMIT, "%" PRIu64 " values, expected at most %zu",
                             c->values, c->wire->max_nodes);
        return REFUSED;
    }
    return 0;
}

static int on_array(cursor *c, unsigned n, uint32_t *out)
{
    edx_node *node = promise(c, n) < 0 ? NULL : add(c, EDX_LIST, out);
    if (node == NULL)
        return REFUSED;
    node->count = n;
    return 0;
}

static int on_map(cursor *c, unsigned n, uint32_t *out)
{
    edx_node *node = promise(c, 2 * (uint64_t)n) < 0 ? NULL : add(c, EDX_MAP, out);
    if (node == NULL)
        return REFUSED;
    node->count = n;
    return 0;
}

static int on_array_item(cursor *c, const uint32_t *list, uint32_t value)
{
    (void)value;
    c->wire->nodes[*list].span = (uint32_t)c->wire->count - *list;
    return 0;
}

static int on_map_item(cursor *c, const uint32_t *map, uint32_t key, uint32_t value)
{
    (void)value;
    if (c->wire->nodes[key].kind != EDX_STR) {
        c->status = edx_fail(c->err, EDX_E_DECODE, "map key that is no string");
        return REFUSED;
    }
    c->wire->nodes[*map].span = (uint32_t)c->wire->count - *map;
    return 0;
}

/* The names that the template calls for each width. */
#define on_uint8 on_unsigned
#define on_uint16 on_unsigned
#define on_uint32 on_unsigned
#define on_uint64 on_unsigned
#define on_int8 on_signed
#define on_int16 on_signed
#define on_int32 on_signed
#define on_int64 on_signed
#define on_float on_real
#define on_double on_real

#define msgpack_unpack_struct(name) struct machine##name
#define msgpack_unpack_func(result, name) static inline result machine##name
#define msgpack_unpack_callback(name) on##name
#define msgpack_unpack_object uint32_t
#define msgpack_unpack_user cursor
#include <msgpack/unpack_template.h>

edx_wire *edx_wire_new(size_t max_nodes)
{
    edx_wire *wire = calloc(1, sizeof *wire);
    if (wire == NULL)
        return NULL;
    wire->max_nodes = max_nodes == 0 ? DEFAULT_MAX_NODES : max_nodes;
    if (wire->max_nodes > UINT32_MAX)
        wire->max_nodes = UINT32_MAX; /* span is 32 bits wide */
    wire->capacity = FIRST_NODES;
    wire->nodes = malloc(wire->capacity * sizeof *wire->nodes);
    if (wire->nodes == NULL)
        edx_wire_free(&wire);
    return wire;
}

void edx_wire_free(edx_wire **wire)
{
    if (wire == NULL || *wire == NULL)
        return;
    free((*wire)->nodes);
    free(*wire);
    *wire = NULL;
}

static edx_status refused(const cursor *c, int result, size_t offset)
{
    edx_status status = c->status;
    if (result == MSGPACK_UNPACK_NOMEM_ERROR)
        status = edx_fail(c->err, EDX_E_LIMIT, "nested deeper than %d", MSGPACK_EMBED_STACK_SIZE);
    else if (result != REFUSED)
        status = edx_fail(c->err, EDX_E_DECODE, "no MessagePack");
    edx_error_prefix(c->err, "byte %zu", offset);
    return status;
}

edx_status edx_wire_parse(edx_wire *wire, const void *bytes, size_t n, const edx_node **root,
                          edx_error *err)
{
    *root = NULL;
    wire->count = 0;
    if (n == 0)
        return edx_fail(err, EDX_E_DECODE, "cut off at byte 0");
    struct machine_context machine;
    machine.user = (cursor){.wire = wire, .size = n, .needed = 1, .values = 1, .err = err};
    machine_init(&machine);
    size_t offset = 0;
    int result = machine_execute(&machine, bytes, n, &offset);
    if (result < 0)
        return refused(&machine.user, result, offset);
    if (result == 0)
        return edx_fail(err, EDX_E_DECODE, "cut off at byte %zu", n);
    if (offset != n)
        return edx_fail(err, EDX_E_DECODE, "value ends at byte %zu, expected at %zu", offset, n);
    *root = wire->nodes;
    return EDX_OK;
}

/* ---- walking ---- */

const edx_node *edx_node_first(const edx_node *node)
{
    bool parent = node->kind == EDX_LIST || node->kind == EDX_MAP;
    return parent && node->count > 0 ? node + 1 : NULL;
}

const edx_node *edx_node_next(const edx_node *node)
{
    return node + node->span;
}

static bool equals(const edx_node *node, const char *text, size_t n)
{
    return node->count == n && memcmp(node->as.bytes, text, n) == 0;
}

const edx_node *edx_map_get(const edx_node *map, const char *key)
{
    if (map == NULL || map->kind != EDX_MAP)
        return NULL;
    const edx_node *found = NULL;
    const edx_node *at = edx_node_first(map);
    size_t n = strlen(key);
    for (uint32_t i = 0; i < map->count; i++) {
        const edx_node *value = edx_node_next(at);
        if (equals(at, key, n))
            found = value;
        at = edx_node_next(value);
    }
    return found;
}

bool edx_node_is(const edx_node *node, const char *text)
{
    return node != NULL && node->kind == EDX_STR && equals(node, text, strlen(text));
}

/* ---- reading one value ---- */

static const char *kind_text(edx_kind kind)
{
    static const char *const texts[] = {
        [EDX_NIL] = "nil",         [EDX_BOOL] = "a boolean",
        [EDX_UINT] = "an integer", [EDX_INT] = "a negative integer",
        [EDX_FLOAT] = "a float",   [EDX_STR] = "a string",
        [EDX_BIN] = "bytes",       [EDX_LIST] = "a list",
        [EDX_MAP] = "a map",
    };
    return texts[kind];
}

/* MISSING or TYPE, whichever it is. */
static edx_status not_a(const edx_node *node, const char *key, const char *expected, edx_error *err)
{
    if (node == NULL)
        return edx_fail(err, EDX_E_MISSING, "%s: missing, expected %s", key, expected);
    return edx_fail(err, EDX_E_TYPE, "%s: %s, expected %s", key, kind_text(node->kind), expected);
}

edx_status edx_node_uint(const edx_node *node, const char *key, uint64_t max, uint64_t *out,
                         edx_error *err)
{
    if (node == NULL ||
        (node->kind != EDX_UINT && node->kind != EDX_INT && node->kind != EDX_FLOAT))
        return not_a(node, key, "an integer", err);
    if (node->kind == EDX_INT)
        return edx_fail(err, EDX_E_RANGE, "%s: %" PRId64 ", expected 0 to %" PRIu64, key,
                        node->as.i, max);
    uint64_t value = node->as.u;
    if (node->kind == EDX_FLOAT) {
        bool fits = node->as.f >= 0.0 && node->as.f < 0x1p64;
        value = fits ? (uint64_t)node->as.f : 0;
        if (!fits || (double)value != node->as.f)
            return edx_fail(err, EDX_E_RANGE, "%s: %g, expected an integer 0 to %" PRIu64, key,
                            node->as.f, max);
    }
    if (value > max)
        return edx_fail(err, EDX_E_RANGE, "%s: %" PRIu64 ", expected at most %" PRIu64, key, value,
                        max);
    *out = value;
    return EDX_OK;
}

edx_status edx_node_float(const edx_node *node, const char *key, double *out, edx_error *err)
{
    if (node == NULL ||
        (node->kind != EDX_UINT && node->kind != EDX_INT && node->kind != EDX_FLOAT))
        return not_a(node, key, "a number", err);
    if (node->kind == EDX_FLOAT)
        *out = node->as.f;
    else
        *out = node->kind == EDX_UINT ? (double)node->as.u : (double)node->as.i;
    return EDX_OK;
}

edx_status edx_node_bool(const edx_node *node, const char *key, bool *out, edx_error *err)
{
    if (node == NULL || node->kind != EDX_BOOL)
        return not_a(node, key, "true or false", err);
    *out = node->as.boolean;
    return EDX_OK;
}

edx_status edx_node_text(const edx_node *node, const char *key, char *out, size_t size,
                         edx_error *err)
{
    if (node == NULL || node->kind != EDX_STR)
        return not_a(node, key, "a string", err);
    if (node->count >= size)
        return edx_fail(err, EDX_E_RANGE, "%s: %" PRIu32 " bytes, expected at most %zu", key,
                        node->count, size - 1);
    if (memchr(node->as.bytes, 0, node->count) != NULL)
        return edx_fail(err, EDX_E_RANGE, "%s: holds a NUL, expected text", key);
    memcpy(out, node->as.bytes, node->count);
    out[node->count] = '\0';
    return EDX_OK;
}

edx_status edx_node_floats(const edx_node *node, const char *key, double *out, size_t n,
                           edx_error *err)
{
    if (node == NULL || node->kind != EDX_LIST)
        return not_a(node, key, "a list of numbers", err);
    if (node->count != n)
        return edx_fail(err, EDX_E_RANGE, "%s: %" PRIu32 " values, expected %zu", key, node->count,
                        n);
    /* The copy is made whole first, so that *out is unchanged on error. */
    const edx_node *at = edx_node_first(node);
    for (size_t i = 0; i < n; i++, at = edx_node_next(at)) {
        double ignored;
        edx_status status = edx_node_float(at, key, &ignored, err);
        if (status != EDX_OK)
            return status;
    }
    at = edx_node_first(node);
    for (size_t i = 0; i < n; i++, at = edx_node_next(at))
        (void)edx_node_float(at, key, &out[i], NULL);
    return EDX_OK;
}

/* ---- arrays ---- */

bool edx_node_is_array(const edx_node *node)
{
    const edx_node *dtype = edx_map_get(node, "dtype");
    const edx_node *shape = edx_map_get(node, "shape");
    const edx_node *data = edx_map_get(node, "data");
    return dtype != NULL && dtype->kind == EDX_STR && shape != NULL && shape->kind == EDX_LIST &&
           data != NULL && data->kind == EDX_BIN;
}

static edx_status read_dtype(const edx_node *node, edx_dtype *out, edx_error *err)
{
    if (node == NULL || node->kind != EDX_STR)
        return not_a(node, "dtype", "a string", err);
    if (!edx_dtype_parse(node->as.bytes, node->count, out)) {
        int shown = node->count < 16 ? (int)node->count : 16;
        return edx_fail(err, EDX_E_TYPE,
                        "dtype: \"%.*s\", expected |u1, <u2, <u4, <u8, <i4, <f4 or <f8", shown,
                        node->as.bytes);
    }
    return EDX_OK;
}

static edx_status read_shape(const edx_node *node, edx_array *out, edx_error *err)
{
    if (node == NULL || node->kind != EDX_LIST)
        return not_a(node, "shape", "a list of integers", err);
    if (node->count > EDX_MAX_DIM)
        return edx_fail(err, EDX_E_RANGE, "shape: %" PRIu32 " dimensions, expected at most %d",
                        node->count, EDX_MAX_DIM);
    out->ndim = node->count;
    const edx_node *at = edx_node_first(node);
    for (uint32_t d = 0; d < node->count; d++, at = edx_node_next(at)) {
        edx_status status = edx_node_uint(at, "shape", INT64_MAX, &out->shape[d], err);
        if (status != EDX_OK)
            return status;
    }
    return EDX_OK;
}

static edx_status read_data(const edx_node *node, edx_array *out, edx_error *err)
{
    if (node == NULL || node->kind != EDX_BIN)
        return not_a(node, "data", "bytes", err);
    uint64_t elements;
    uint64_t bytes;
    if (!edx_array_count(out, &elements, &bytes) || bytes != node->count) {
        char text[EDX_ARRAY_TEXT];
        edx_array_text(out, text, sizeof text);
        return edx_fail(err, EDX_E_RANGE, "data: %" PRIu32 " bytes, expected those of %s",
                        node->count, text);
    }
    out->data = node->as.bytes;
    return EDX_OK;
}

edx_status edx_node_array(const edx_node *node, const char *key, edx_array *out, edx_error *err)
{
    if (node == NULL || node->kind != EDX_MAP)
        return not_a(node, key, "an array {dtype, shape, data}", err);
    edx_array array = {0};
    edx_status status = read_dtype(edx_map_get(node, "dtype"), &array.dtype, err);
    if (status == EDX_OK)
        status = read_shape(edx_map_get(node, "shape"), &array, err);
    if (status == EDX_OK)
        status = read_data(edx_map_get(node, "data"), &array, err);
    if (status != EDX_OK) {
        edx_error_prefix(err, "%s", key);
        return status;
    }
    *out = array;
    return EDX_OK;
}

/* ---- writing ---- */

struct edx_pack {
    msgpack_packer packer;
    char *data;
    size_t size, capacity;
    edx_status status;
};

static bool reserve(edx_pack *pack, size_t n)
{
    if (pack->status != EDX_OK)
        return false;
    if (n <= pack->capacity - pack->size)
        return true;
    size_t capacity = pack->capacity < FIRST_BYTES ? FIRST_BYTES : pack->capacity;
    while (capacity - pack->size < n && capacity <= SIZE_MAX / 2)
        capacity *= 2;
    char *grown = capacity - pack->size < n ? NULL : realloc(pack->data, capacity);
    if (grown == NULL) {
        pack->status = EDX_E_NOMEM;
        return false;
    }
    pack->data = grown;
    pack->capacity = capacity;
    return true;
}

static int append(void *context, const char *bytes, size_t n)
{
    edx_pack *pack = context;
    if (!reserve(pack, n))
        return -1;
    if (n > 0)
        memcpy(pack->data + pack->size, bytes, n);
    pack->size += n;
    return 0;
}

/* MessagePack counts with 32 bits. */
static bool countable(edx_pack *pack, size_t n)
{
    if (n > UINT32_MAX && pack->status == EDX_OK)
        pack->status = EDX_E_LIMIT;
    return pack->status == EDX_OK;
}

edx_pack *edx_pack_new(void)
{
    edx_pack *pack = calloc(1, sizeof *pack);
    if (pack == NULL)
        return NULL;
    msgpack_packer_init(&pack->packer, pack, append);
    if (!reserve(pack, FIRST_BYTES))
        edx_pack_free(&pack);
    return pack;
}

void edx_pack_free(edx_pack **pack)
{
    if (pack == NULL || *pack == NULL)
        return;
    free((*pack)->data);
    free(*pack);
    *pack = NULL;
}

void edx_pack_reset(edx_pack *pack)
{
    pack->size = 0;
    pack->status = EDX_OK;
}

const void *edx_pack_data(const edx_pack *pack)
{
    return pack->data;
}

size_t edx_pack_size(const edx_pack *pack)
{
    return pack->size;
}

edx_status edx_pack_status(const edx_pack *pack)
{
    return pack->status;
}

void *edx_pack_take(edx_pack *pack, size_t *size)
{
    if (!reserve(pack, 1))
        return NULL;
    void *taken = pack->data;
    *size = pack->size;
    pack->data = NULL;
    pack->size = 0;
    pack->capacity = 0;
    return taken;
}

/* What the packer returns is what append left in pack->status. */

void edx_pack_map(edx_pack *pack, size_t pairs)
{
    if (countable(pack, pairs))
        (void)msgpack_pack_map(&pack->packer, pairs);
}

void edx_pack_list(edx_pack *pack, size_t values)
{
    if (countable(pack, values))
        (void)msgpack_pack_array(&pack->packer, values);
}

void edx_pack_nil(edx_pack *pack)
{
    (void)msgpack_pack_nil(&pack->packer);
}

void edx_pack_bool(edx_pack *pack, bool value)
{
    (void)(value ? msgpack_pack_true(&pack->packer) : msgpack_pack_false(&pack->packer));
}

void edx_pack_uint(edx_pack *pack, uint64_t value)
{
    (void)msgpack_pack_uint64(&pack->packer, value);
}

void edx_pack_int(edx_pack *pack, int64_t value)
{
    (void)msgpack_pack_int64(&pack->packer, value);
}

void edx_pack_float(edx_pack *pack, double value)
{
    (void)msgpack_pack_double(&pack->packer, value);
}

/* A byte that is no UTF-8 (a file name, a line of a config file) becomes '?': no reader, ours
 * included, would take the message otherwise. */
static void pack_string(edx_pack *pack, const char *text, size_t n)
{
    if (!countable(pack, n))
        return;
    (void)msgpack_pack_str(&pack->packer, n);
    size_t i = 0;
    while (i < n) {
        size_t good = utf8_prefix(text + i, n - i);
        (void)append(pack, text + i, good);
        i += good;
        if (i < n) {
            (void)append(pack, "?", 1);
            i++;
        }
    }
}

void edx_pack_text(edx_pack *pack, const char *text)
{
    pack_string(pack, text, strlen(text));
}

void edx_pack_bin(edx_pack *pack, const void *bytes, size_t n)
{
    if (!countable(pack, n))
        return;
    (void)msgpack_pack_bin(&pack->packer, n);
    (void)append(pack, bytes, n);
}

void edx_pack_floats(edx_pack *pack, const double *values, size_t n)
{
    edx_pack_list(pack, n);
    for (size_t i = 0; i < n; i++)
        edx_pack_float(pack, values[i]);
}

void edx_pack_array(edx_pack *pack, const edx_array *array)
{
    uint64_t elements;
    uint64_t bytes;
    if (!edx_array_count(array, &elements, &bytes)) {
        (void)countable(pack, SIZE_MAX);
        return;
    }
    edx_pack_map(pack, 3);
    edx_pack_text(pack, "dtype");
    edx_pack_text(pack, edx_dtype_name(array->dtype));
    edx_pack_text(pack, "shape");
    edx_pack_list(pack, array->ndim);
    for (uint32_t d = 0; d < array->ndim; d++)
        edx_pack_uint(pack, array->shape[d]);
    edx_pack_text(pack, "data");
    edx_pack_bin(pack, array->data, bytes);
}

static void pack_one(edx_pack *pack, const edx_node *node)
{
    switch (node->kind) {
    case EDX_NIL:
        edx_pack_nil(pack);
        break;
    case EDX_BOOL:
        edx_pack_bool(pack, node->as.boolean);
        break;
    case EDX_UINT:
        edx_pack_uint(pack, node->as.u);
        break;
    case EDX_INT:
        edx_pack_int(pack, node->as.i);
        break;
    case EDX_FLOAT:
        edx_pack_float(pack, node->as.f);
        break;
    case EDX_STR:
        pack_string(pack, node->as.bytes, node->count);
        break;
    case EDX_BIN:
        edx_pack_bin(pack, node->as.bytes, node->count);
        break;
    case EDX_LIST:
        edx_pack_list(pack, node->count);
        break;
    case EDX_MAP:
        edx_pack_map(pack, node->count);
        break;
    }
}

void edx_pack_node(edx_pack *pack, const edx_node *node)
{
    /* The table is in the order of the bytes, so a run of it is the value and its descendants. */
    for (uint32_t i = 0; i < node->span; i++)
        pack_one(pack, &node[i]);
}
