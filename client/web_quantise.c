#include "client/web_quantise.h"

#include <math.h>
#include <stdlib.h>

#include "proto/load.h"

typedef struct buffer {
    void *bytes;
    size_t room;
} buffer;

struct edx_quantiser {
    buffer values; /* double, of one plane */
    buffer q;      /* uint16_t, of the whole array */
    buffer offset; /* double, one per plane */
    buffer scale;  /* likewise */
};

edx_quantiser *edx_quantiser_new(void)
{
    return calloc(1, sizeof(edx_quantiser));
}

void edx_quantiser_free(edx_quantiser **quantiser)
{
    edx_quantiser *z = *quantiser;
    if (!z)
        return;
    free(z->values.bytes);
    free(z->q.bytes);
    free(z->offset.bytes);
    free(z->scale.bytes);
    free(z);
    *quantiser = NULL;
}

/* Room for n elements of size bytes; what was there is lost. */
static bool grow(buffer *b, size_t n, size_t size)
{
    if (n > SIZE_MAX / size)
        return false;
    if (n * size <= b->room)
        return true;
    free(b->bytes);
    b->bytes = malloc(n * size);
    b->room = b->bytes ? n * size : 0;
    return b->bytes != NULL;
}

static bool make_room(edx_quantiser *z, size_t elements, size_t planes)
{
    return grow(&z->values, elements / planes, sizeof(double)) &&
           grow(&z->q, elements, sizeof(uint16_t)) && grow(&z->offset, planes, sizeof(double)) &&
           grow(&z->scale, planes, sizeof(double));
}

/* ---- a plane ---- */

static void load(const edx_array *array, size_t first, size_t n, double *out)
{
    if (array->dtype == EDX_F4)
        for (size_t i = 0; i < n; i++)
            out[i] = (double)edx_load_f32(array->data, first + i);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = edx_load_f64(array->data, first + i);
}

/* The range of what is finite; 0 and 0 where nothing is. */
static void range(const double *values, size_t n, double *lo, double *hi)
{
    *lo = INFINITY;
    *hi = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(values[i]))
            continue;
        *lo = values[i] < *lo ? values[i] : *lo;
        *hi = values[i] > *hi ? values[i] : *hi;
    }
    if (*lo > *hi)
        *lo = *hi = 0.0;
}

/* Levels are counted from the middle of the first: rounding to the nearest is a cut. Values that
 * overflow on their way (a range beyond that of double) stay within the levels. */
static uint16_t level(double value, double offset, double per_scale)
{
    double x = (value - offset) * per_scale + 0.5;
    if (!(x > 0.0))
        return 0;
    return x < EDX_QUANTISE_LEVELS ? (uint16_t)x : EDX_QUANTISE_LEVELS;
}

static void quantise_plane(edx_quantiser *z, size_t plane, size_t n)
{
    const double *values = z->values.bytes;
    double *offset = z->offset.bytes, *scale = z->scale.bytes, hi;
    uint16_t *q = (uint16_t *)z->q.bytes + plane * n;
    range(values, n, &offset[plane], &hi);
    scale[plane] = hi / EDX_QUANTISE_LEVELS - offset[plane] / EDX_QUANTISE_LEVELS;
    double per_scale = scale[plane] > 0.0 ? 1.0 / scale[plane] : 0.0;
    for (size_t i = 0; i < n; i++)
        q[i] =
            isfinite(values[i]) ? level(values[i], offset[plane], per_scale) : EDX_QUANTISE_MISSING;
}

/* ---- an array ---- */

static void write_array(edx_pack *pack, const edx_array *array, const edx_quantiser *z,
                        size_t elements, size_t planes)
{
    edx_pack_map(pack, 5);
    edx_pack_text(pack, "dtype");
    edx_pack_text(pack, edx_dtype_name(EDX_U2));
    edx_pack_text(pack, "shape");
    edx_pack_list(pack, array->ndim);
    for (uint32_t i = 0; i < array->ndim; i++)
        edx_pack_uint(pack, array->shape[i]);
    edx_pack_text(pack, "data");
    edx_pack_bin(pack, z->q.bytes, elements * sizeof(uint16_t));
    edx_pack_text(pack, "offset");
    edx_pack_floats(pack, z->offset.bytes, planes);
    edx_pack_text(pack, "scale");
    edx_pack_floats(pack, z->scale.bytes, planes);
}

static edx_status quantise_array(edx_quantiser *z, const edx_array *array, size_t elements,
                                 edx_pack *pack, edx_error *err)
{
    size_t n = (size_t)(array->shape[array->ndim - 2] * array->shape[array->ndim - 1]);
    size_t planes = elements / n;
    if (!make_room(z, elements, planes))
        return edx_fail(err, EDX_E_NOMEM, "no memory for %zu values", elements);
    for (size_t plane = 0; plane < planes; plane++) {
        load(array, plane * n, n, z->values.bytes);
        quantise_plane(z, plane, n);
    }
    write_array(pack, array, z, elements, planes);
    return EDX_OK;
}

/* Whether node is an array to be quantised; *elements are its values. */
static bool pays(const edx_node *node, edx_array *array, size_t *elements)
{
    uint64_t n, bytes;
    if (!edx_node_is_array(node) || edx_node_array(node, "array", array, NULL) != EDX_OK)
        return false;
    if ((array->dtype != EDX_F4 && array->dtype != EDX_F8) || array->ndim < 2)
        return false;
    if (!edx_array_count(array, &n, &bytes) || n < EDX_QUANTISE_FROM)
        return false;
    *elements = (size_t)n;
    return true;
}

static edx_status quantise(edx_quantiser *z, const edx_node *node, edx_pack *pack, edx_error *err);

/* A list's values, or a map's keys and values. */
static edx_status quantise_children(edx_quantiser *z, const edx_node *node, uint32_t n,
                                    edx_pack *pack, edx_error *err)
{
    edx_status status = EDX_OK;
    const edx_node *child = edx_node_first(node);
    for (uint32_t i = 0; i < n && !status; i++, child = edx_node_next(child))
        status = quantise(z, child, pack, err);
    return status;
}

/* The parser's limit of nesting bounds the recursion. */
static edx_status quantise(edx_quantiser *z, const edx_node *node, edx_pack *pack, edx_error *err)
{
    edx_array array;
    size_t elements;
    if (pays(node, &array, &elements))
        return quantise_array(z, &array, elements, pack, err);
    if (node->kind == EDX_MAP && !edx_node_is_array(node)) {
        edx_pack_map(pack, node->count);
        return quantise_children(z, node, 2 * node->count, pack, err);
    }
    if (node->kind == EDX_LIST) {
        edx_pack_list(pack, node->count);
        return quantise_children(z, node, node->count, pack, err);
    }
    edx_pack_node(pack, node);
    return EDX_OK;
}

edx_status edx_quantise(edx_quantiser *quantiser, const edx_node *body, edx_pack *pack,
                        edx_error *err)
{
    return quantise(quantiser, body, pack, err);
}
