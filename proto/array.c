#include "proto/array.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/load.h"

static const struct {
    const char *name;
    size_t size;
} dtypes[EDX_DTYPES] = {
    [EDX_U1] = {"|u1", 1}, [EDX_U2] = {"<u2", 2}, [EDX_U4] = {"<u4", 4}, [EDX_U8] = {"<u8", 8},
    [EDX_I4] = {"<i4", 4}, [EDX_F4] = {"<f4", 4}, [EDX_F8] = {"<f8", 8},
};

const char *edx_dtype_name(edx_dtype dtype)
{
    return dtype < EDX_DTYPES ? dtypes[dtype].name : "unknown";
}

size_t edx_dtype_size(edx_dtype dtype)
{
    return dtype < EDX_DTYPES ? dtypes[dtype].size : 0;
}

bool edx_dtype_parse(const char *text, size_t n, edx_dtype *out)
{
    for (unsigned i = 0; i < EDX_DTYPES; i++) {
        if (strlen(dtypes[i].name) == n && memcmp(dtypes[i].name, text, n) == 0) {
            *out = (edx_dtype)i;
            return true;
        }
    }
    return false;
}

bool edx_array_count(const edx_array *array, uint64_t *elements, uint64_t *bytes)
{
    if (array->ndim > EDX_MAX_DIM)
        return false;
    /* An empty array is empty however large its other dimensions are. */
    bool empty = false;
    for (uint32_t d = 0; d < array->ndim; d++)
        empty = empty || array->shape[d] == 0;
    uint64_t product = empty ? 0 : 1;
    for (uint32_t d = 0; d < array->ndim; d++) {
        if (__builtin_mul_overflow(product, array->shape[d], &product))
            return false;
    }
    *elements = product;
    return !__builtin_mul_overflow(product, (uint64_t)edx_dtype_size(array->dtype), bytes);
}

void edx_array_text(const edx_array *array, char *out, size_t size)
{
    int n = snprintf(out, size, "%s [", edx_dtype_name(array->dtype));
    for (uint32_t d = 0; d < array->ndim && d < EDX_MAX_DIM; d++) {
        if (n < 0 || (size_t)n >= size)
            return;
        int more =
            snprintf(out + n, size - (size_t)n, "%s%" PRIu64, d > 0 ? ", " : "", array->shape[d]);
        n = more < 0 ? -1 : n + more;
    }
    if (n >= 0 && (size_t)n + 1 < size)
        memcpy(out + n, "]", 2);
}

double edx_array_get(const edx_array *array, uint64_t index)
{
    switch (array->dtype) {
    case EDX_U1:
        return ((const uint8_t *)array->data)[index];
    case EDX_U2:
        return edx_load_u16(array->data, index);
    case EDX_U4:
        return edx_load_u32(array->data, index);
    case EDX_U8:
        return (double)edx_load_u64(array->data, index);
    case EDX_I4:
        return edx_load_i32(array->data, index);
    case EDX_F4:
        return (double)edx_load_f32(array->data, index);
    case EDX_F8:
        return edx_load_f64(array->data, index);
    case EDX_DTYPES:
        break;
    }
    return 0.0;
}

edx_array edx_array_1(edx_dtype dtype, const void *data, uint64_t n)
{
    return (edx_array){.dtype = dtype, .ndim = 1, .shape = {n}, .data = data};
}

edx_array edx_array_2(edx_dtype dtype, const void *data, uint64_t rows, uint64_t cols)
{
    return (edx_array){.dtype = dtype, .ndim = 2, .shape = {rows, cols}, .data = data};
}

edx_array edx_array_3(edx_dtype dtype, const void *data, uint64_t n, uint64_t rows, uint64_t cols)
{
    return (edx_array){.dtype = dtype, .ndim = 3, .shape = {n, rows, cols}, .data = data};
}
