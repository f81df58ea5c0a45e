/* The keys of every published body, as tables over the structs of result.h; what writes and what
 * reads them share these. */
#ifndef EDX_PROTO_RESULT_KEYS_H
#define EDX_PROTO_RESULT_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/result.h"

typedef enum edx_key_kind {
    EDX_KEY_UINT,    /* uint64_t */
    EDX_KEY_INT,     /* int64_t */
    EDX_KEY_FLOAT,   /* double, left out when NaN */
    EDX_KEY_BOOL,    /* bool */
    EDX_KEY_PAIR,    /* double[2], left out when the first is NaN */
    EDX_KEY_TEXT,    /* char[size] */
    EDX_KEY_STATE,   /* edx_state */
    EDX_KEY_LAST,    /* double[EDX_RESULT_TOPICS]: {topic: t}, NaN left out */
    EDX_KEY_ARRAY,   /* edx_array, left out when ndim is 0; count takes its first extent */
    EDX_KEY_GROUP,   /* a map of sub, whose offsets are of the same struct */
    EDX_KEY_NAMES,   /* char[EDX_MAX_LINES][size], uint32_t at count */
    EDX_KEY_UINTS,   /* const uint64_t *, size_t at count */
    EDX_KEY_BOOLS,   /* const bool *, size_t at count; left out when NULL */
    EDX_KEY_PAIRS,   /* {name: [f, s]}: char[][size], double[][2] at values, uint32_t at count */
    EDX_KEY_NUMBERS, /* {name: number}: char[][size], double[] at values, uint32_t at count */
    EDX_KEY_RECORDS  /* const struct *, each of size bytes with keys sub, size_t at count */
} edx_key_kind;

typedef struct edx_key edx_key;
struct edx_key {
    const char *key; /* NULL ends a table */
    edx_key_kind kind;
    size_t offset, size;
    size_t count; /* 0: none */
    size_t values;
    /* ARRAY: its extents, a letter each. The same letter is the same extent in one body (in one
     * record, but for n); a digit is that extent. UINTS, BOOLS, NAMES: one letter. */
    const char *dims;
    const edx_key *sub;
    bool required; /* FLOAT: written even when NaN, and missed when it does not come */
    /* TEXT, NUMBERS: left out when empty; GROUP: when it holds nothing; UINT: 0 when it does not
     * come. */
    bool optional;
};

extern const edx_key edx_result_head_keys[];
/* Of each topic, without the head's. */
extern const edx_key *const edx_result_keys[EDX_RESULT_TOPICS];

#endif
