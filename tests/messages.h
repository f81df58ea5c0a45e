/* What tests of messages share: bytes from hex, memory that faults behind its end, messages with
 * one value changed, allocations that are counted and refused. */
#ifndef EDX_TESTS_MESSAGES_H
#define EDX_TESTS_MESSAGES_H

#include <stddef.h>
#include <stdint.h>

#include "proto/wire.h"

/* Bytes from hex digits, into memory of the caller's; how many. */
size_t hex_bytes(const char *hex, unsigned char *out, size_t size);

/* Memory whose end is the end of the readable: what reads on behind it dies. */
typedef struct guard {
    unsigned char *map;
    size_t mapped, usable;
} guard;

guard guard_new(size_t size);
void guard_free(guard *g);
/* A copy of n bytes that ends at the guard. Valid until the next one. */
const unsigned char *guard_put(const guard *g, const void *bytes, size_t n);

/* Writes body with the value at a dotted path replaced, added, or (value NULL) left out. */
void edit_message(edx_pack *pack, const edx_node *body, const char *path, const edx_node *value);

/* Fails unless spans, counts and byte views of the tree agree with the n bytes it came from. */
void check_tree(const edx_node *root, const unsigned char *bytes, size_t n);

/* The allocator behind everything linked into the test (-Wl,--wrap): bytes asked for so far, and
 * how many allocations succeed before all fail (SIZE_MAX: never fail). */
extern size_t allocated_bytes;
extern size_t allocations_left;

#endif
