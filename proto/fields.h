/* One table describes a struct: its keys on the wire, their types and what values are possible. The
 * same table reads, writes, sets one key by its dotted path and gets it back. */
#ifndef EDX_PROTO_FIELDS_H
#define EDX_PROTO_FIELDS_H

#include <float.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"

typedef enum edx_field_kind {
    EDX_FIELD_BOOL,   /* bool */
    EDX_FIELD_UINT,   /* uint64_t */
    EDX_FIELD_FLOAT,  /* double; NaN means "not given" and is left out when writing */
    EDX_FIELD_TEXT,   /* char[size] */
    EDX_FIELD_CHOICE, /* int, index into choices (NULL-terminated) */
    EDX_FIELD_PAIR,   /* double[2]; NaN in the first: not given */
    EDX_FIELD_LIST,   /* struct edx_field_list: sub-structs in place */
    EDX_FIELD_GROUP,  /* sub-struct in place */
    EDX_FIELD_CUSTOM  /* read and write by functions */
} edx_field_kind;

typedef struct edx_field edx_field;
struct edx_field {
    const char *key; /* NULL ends a table */
    edx_field_kind kind;
    size_t offset; /* in the struct; GROUP: of the sub-struct */
    size_t size;   /* TEXT: bytes; LIST: bytes of one element; CHOICE: how many of the choices this
                      version can do, 0: all */
    double min, max; /* of UINT, FLOAT, PAIR; max <= min: any (finite) value */
    const char *const *choices;
    const edx_field *sub; /* GROUP, LIST: the table of the sub-struct */
    size_t max_count;     /* LIST: how many fit */
    size_t count_offset;  /* LIST: offset of a uint32_t count */
    bool required;        /* in reading a list's element: must be there */
    edx_status (*read)(const edx_node *node, const char *key, void *value, edx_error *err);
    void (*write)(edx_pack *pack, const void *value);
    void (*reset)(void *element); /* LIST: defaults of an element before it is read */
    /* CUSTOM: false leaves the key out when writing; NULL: never */
    bool (*given)(const void *value);
};

/* A min for what must be greater than zero. */
#define EDX_FIELD_ABOVE_ZERO DBL_TRUE_MIN
/* A max for what must be less than one. */
#define EDX_FIELD_BELOW_ONE (1 - DBL_EPSILON / 2)

/* Sets the value at a dotted path ("analysis.pca.rank"), "" for the whole; a path to a GROUP sets
 * each key that the map holds. UNKNOWN names a path nobody knows and lists the keys there; TYPE and
 * RANGE say what was expected. On error the struct is unchanged for that key. */
edx_status edx_fields_set(const edx_field *table, void *object, const char *path,
                          const edx_node *value, edx_error *err);
/* Sets every key that the map holds and ignores those that nobody knows, at every depth: for what a
 * newer version may have written. */
edx_status edx_fields_read(const edx_field *table, void *object, const edx_node *map,
                           edx_error *err);
/* Writes the value at path, "" for the whole; nil when it is not given. UNKNOWN as above. */
edx_status edx_fields_get(const edx_field *table, const void *object, const char *path,
                          edx_pack *pack, edx_error *err);

#endif
