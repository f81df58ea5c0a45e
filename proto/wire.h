/* MessagePack bytes as a flat table of values that can be walked, and the way back. The one file
 * behind this header is the only one that includes msgpack. */
#ifndef EDX_PROTO_WIRE_H
#define EDX_PROTO_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/array.h"
#include "proto/status.h"

typedef enum edx_kind {
    EDX_NIL,
    EDX_BOOL,
    EDX_UINT, /* an integer >= 0, of any width and signedness on the wire */
    EDX_INT,  /* an integer < 0 */
    EDX_FLOAT,
    EDX_STR, /* valid UTF-8, not terminated */
    EDX_BIN,
    EDX_LIST,
    EDX_MAP
} edx_kind;

/* One value. The children of a list follow it; those of a map are key, value, key, value. */
typedef struct edx_node {
    edx_kind kind;
    uint32_t count; /* bytes of a STR or BIN, values of a LIST, pairs of a MAP */
    uint32_t span;  /* nodes from this one to its next sibling: 1 + all descendants */
    union {
        bool boolean;
        uint64_t u;
        int64_t i;
        double f;
        const char *bytes; /* inside the parsed message, unaligned */
    } as;
} edx_node;

/* ---- reading ---- */

typedef struct edx_wire edx_wire;

/* A parser whose table is kept between messages. Refuses messages of more than max_nodes values
 * (0: 1048576) and nesting deeper than 32. NULL without memory. */
edx_wire *edx_wire_new(size_t max_nodes);
void edx_wire_free(edx_wire **wire);

/* Parses exactly one MessagePack value that fills all n bytes. Every count and length is checked
 * against the bytes left; the table grows only with values really there. Strings must be UTF-8, map
 * keys strings, extension types are refused. On success *root stays valid until the next parse and
 * while bytes live. Errors: DECODE, LIMIT, NOMEM. */
edx_status edx_wire_parse(edx_wire *wire, const void *bytes, size_t n, const edx_node **root,
                          edx_error *err);

/* First child (NULL when there is none) and the sibling after node; walk count (list) or 2 * count
 * (map) of them. */
const edx_node *edx_node_first(const edx_node *node);
const edx_node *edx_node_next(const edx_node *node);

/* The value of key in a map, the last one where a key repeats; NULL when absent, or map is NULL or
 * no map. */
const edx_node *edx_map_get(const edx_node *map, const char *key);

bool edx_node_is(const edx_node *node, const char *text); /* a STR equal to text */

/* Each reads one value of key (the node may be NULL: MISSING) and names the key in its error.
 * Integers are taken where a float is meant, and floats that are whole where an integer is. */
edx_status edx_node_uint(const edx_node *node, const char *key, uint64_t max, uint64_t *out,
                         edx_error *err);
edx_status edx_node_float(const edx_node *node, const char *key, double *out, edx_error *err);
edx_status edx_node_bool(const edx_node *node, const char *key, bool *out, edx_error *err);
/* Copies at most size - 1 bytes and terminates; longer text, or text with a NUL, is RANGE. */
edx_status edx_node_text(const edx_node *node, const char *key, char *out, size_t size,
                         edx_error *err);
/* A list of exactly n numbers. */
edx_status edx_node_floats(const edx_node *node, const char *key, double *out, size_t n,
                           edx_error *err);
/* {"dtype", "shape", "data"}: data stay inside the message, unaligned; bytes must equal dtype times
 * shape. */
edx_status edx_node_array(const edx_node *node, const char *key, edx_array *out, edx_error *err);

/* True when node is a map that holds a dtype, a shape and data: an array on the wire. */
bool edx_node_is_array(const edx_node *node);

/* ---- writing ---- */

typedef struct edx_pack edx_pack;

/* A growing buffer of MessagePack. A failure to grow sticks; edx_pack_status tells at the end. */
edx_pack *edx_pack_new(void);
void edx_pack_free(edx_pack **pack);
void edx_pack_reset(edx_pack *pack);
const void *edx_pack_data(const edx_pack *pack);
size_t edx_pack_size(const edx_pack *pack);
edx_status edx_pack_status(const edx_pack *pack);
/* Hands the buffer (free() it) to the caller and starts a new one. NULL when the status is bad. */
void *edx_pack_take(edx_pack *pack, size_t *size);

void edx_pack_map(edx_pack *pack, size_t pairs);
void edx_pack_list(edx_pack *pack, size_t values);
void edx_pack_nil(edx_pack *pack);
void edx_pack_bool(edx_pack *pack, bool value);
void edx_pack_uint(edx_pack *pack, uint64_t value);
void edx_pack_int(edx_pack *pack, int64_t value);
void edx_pack_float(edx_pack *pack, double value);
void edx_pack_text(edx_pack *pack, const char *text);
void edx_pack_bin(edx_pack *pack, const void *bytes, size_t n);
void edx_pack_floats(edx_pack *pack, const double *values, size_t n); /* a list of n floats */
/* data in C order; NULL data with a shape that holds nothing is an empty array. */
void edx_pack_array(edx_pack *pack, const edx_array *array);
/* Copies a parsed value, descendants included. */
void edx_pack_node(edx_pack *pack, const edx_node *node);

#endif
