/* Values for tests, spelled as JSON. */
#ifndef EDX_TESTS_JSON_VALUE_H
#define EDX_TESTS_JSON_VALUE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"

/* Packs what text says; NaN and infinity have the strings "@nan", "@inf" and "@-inf". Fails the
 * test when text is no JSON. */
void pack_json(edx_pack *pack, const char *text);
/* The same, parsed. Valid until the next call with this wire and pack. */
const edx_node *parse_json(edx_wire *wire, edx_pack *pack, const char *text);
/* Parses what pack holds; fails the test when that is no whole value. */
const edx_node *packed_root(edx_wire *wire, const edx_pack *pack);
/* One line of JSON, keys in their order; bytes as 0a0b, an array as <u2 [2, 1] 0a000b00. free() it.
 */
char *text_of(const edx_node *node);
/* Fails unless pack holds what text spells, keys in this order. */
void assert_packed(edx_wire *wire, const edx_pack *pack, const char *text);
/* pack becomes map without its pair number skip. */
void pack_without(edx_pack *pack, const edx_node *map, uint32_t skip);

/* Random numbers (splitmix64), the same everywhere. */
typedef struct rng {
    uint64_t state;
} rng;
/* From EDX_SEED or the clock; prints it. */
rng rng_new(void);
uint64_t rng_next(rng *r);
/* 0 to n - 1. */
uint64_t rng_below(rng *r, uint64_t n);

#endif
