/* An n-dimensional array as it travels: numpy's type strings, C order, little-endian. */
#ifndef EDX_PROTO_ARRAY_H
#define EDX_PROTO_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

typedef enum edx_dtype {
    EDX_U1, /* |u1 */
    EDX_U2, /* <u2 */
    EDX_U4, /* <u4 */
    EDX_U8, /* <u8 */
    EDX_I4, /* <i4 */
    EDX_F4, /* <f4 */
    EDX_F8, /* <f8 */
    EDX_DTYPES
} edx_dtype;

#define EDX_MAX_DIM 4

/* A view: data belong to somebody else and may be unaligned when they lie inside a message. */
typedef struct edx_array {
    edx_dtype dtype;
    uint32_t ndim;
    uint64_t shape[EDX_MAX_DIM];
    const void *data;
} edx_array;

const char *edx_dtype_name(edx_dtype dtype);
size_t edx_dtype_size(edx_dtype dtype);
/* From numpy's string of n bytes; false when it is none of ours. */
bool edx_dtype_parse(const char *text, size_t n, edx_dtype *out);

/* Number of elements, and of bytes; false on overflow of 64 bits. */
bool edx_array_count(const edx_array *array, uint64_t *elements, uint64_t *bytes);

/* "<u2 [64, 64, 1024]", for errors; cut to size. */
#define EDX_ARRAY_TEXT 100
void edx_array_text(const edx_array *array, char *out, size_t size);

/* One element as a double, at its flat index; the index is not checked. */
double edx_array_get(const edx_array *array, uint64_t index);

/* Views of caller's memory. */
edx_array edx_array_1(edx_dtype dtype, const void *data, uint64_t n);
edx_array edx_array_2(edx_dtype dtype, const void *data, uint64_t rows, uint64_t cols);
edx_array edx_array_3(edx_dtype dtype, const void *data, uint64_t n, uint64_t rows, uint64_t cols);

#endif
