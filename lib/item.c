/* Items are the nodes of a parsed message under another name. */
#include <math.h>
#include <string.h>

#include "lib/edx.h"
#include "proto/array.h"
#include "proto/wire.h"

static const edx_node *node_of(const edx_item *item)
{
    return (const edx_node *)(const void *)item;
}

static const edx_item *item_of(const edx_node *node)
{
    return (const edx_item *)(const void *)node;
}

static bool read_array(const edx_item *item, edx_array *out)
{
    const edx_node *node = node_of(item);
    return node && edx_node_is_array(node) && !edx_node_array(node, "", out, NULL);
}

int edx_item_kind_of(const edx_item *item)
{
    static const edx_item_kind kinds[] = {
        [EDX_NIL] = EDX_ITEM_NONE,   [EDX_BOOL] = EDX_ITEM_TRUTH,   [EDX_UINT] = EDX_ITEM_NUMBER,
        [EDX_INT] = EDX_ITEM_NUMBER, [EDX_FLOAT] = EDX_ITEM_NUMBER, [EDX_STR] = EDX_ITEM_TEXT,
        [EDX_BIN] = EDX_ITEM_BYTES,  [EDX_LIST] = EDX_ITEM_LIST,    [EDX_MAP] = EDX_ITEM_MAP};
    edx_array array;
    if (!item)
        return EDX_ITEM_NONE;
    return read_array(item, &array) ? EDX_ITEM_ARRAY : (int)kinds[node_of(item)->kind];
}

size_t edx_item_count(const edx_item *item)
{
    switch (edx_item_kind_of(item)) {
    case EDX_ITEM_TEXT:
    case EDX_ITEM_BYTES:
    case EDX_ITEM_LIST:
    case EDX_ITEM_MAP:
        return node_of(item)->count;
    default:
        return 0;
    }
}

const edx_item *edx_item_get(const edx_item *item, const char *key)
{
    return item_of(edx_map_get(node_of(item), key));
}

/* Node i of the children, which of a map are keys and values in turn. */
static const edx_item *child(const edx_item *item, size_t i)
{
    const edx_node *node = edx_node_first(node_of(item));
    while (i-- > 0)
        node = edx_node_next(node);
    return item_of(node);
}

const edx_item *edx_item_at(const edx_item *item, size_t i)
{
    int kind = edx_item_kind_of(item);
    if ((kind != EDX_ITEM_LIST && kind != EDX_ITEM_MAP) || i >= node_of(item)->count)
        return NULL;
    return child(item, kind == EDX_ITEM_MAP ? 2 * i + 1 : i);
}

const edx_item *edx_item_key(const edx_item *item, size_t i)
{
    if (edx_item_kind_of(item) != EDX_ITEM_MAP || i >= node_of(item)->count)
        return NULL;
    return child(item, 2 * i);
}

double edx_item_number(const edx_item *item)
{
    double value;
    return item && !edx_node_float(node_of(item), "", &value, NULL) ? value : (double)NAN;
}

int64_t edx_item_integer(const edx_item *item, int64_t otherwise)
{
    uint64_t value;
    if (!item)
        return otherwise;
    if (node_of(item)->kind == EDX_INT)
        return node_of(item)->as.i;
    return edx_node_uint(node_of(item), "", INT64_MAX, &value, NULL) ? otherwise : (int64_t)value;
}

int edx_item_truth(const edx_item *item)
{
    return item && node_of(item)->kind == EDX_BOOL && node_of(item)->as.boolean;
}

char *edx_item_text(const edx_item *item, char *out, size_t size)
{
    const edx_node *node = node_of(item);
    size_t n = node && node->kind == EDX_STR ? node->count : 0;
    if (size == 0)
        return out;
    if (n >= size)
        for (n = size - 1; n > 0 && ((unsigned char)node->as.bytes[n] & 0xc0) == 0x80;)
            n--;
    if (n > 0)
        memcpy(out, node->as.bytes, n);
    out[n] = '\0';
    return out;
}

int edx_item_grid(const edx_item *item, edx_grid *out)
{
    edx_array array;
    uint64_t bytes;
    *out = (edx_grid){.dtype = "", .shape = {1, 1, 1, 1}};
    if (!read_array(item, &array) || !edx_array_count(&array, &out->count, &bytes))
        return 0;
    out->dtype = edx_dtype_name(array.dtype);
    out->bytes = edx_dtype_size(array.dtype);
    out->ndim = array.ndim;
    memcpy(out->shape, array.shape, array.ndim * sizeof *array.shape);
    out->data = array.data;
    return 1;
}

static bool view(const edx_grid *grid, edx_array *out)
{
    *out = (edx_array){.data = grid->data};
    return grid->data && edx_dtype_parse(grid->dtype, strlen(grid->dtype), &out->dtype);
}

double edx_grid_at(const edx_grid *grid, uint64_t i)
{
    double value = (double)NAN;
    if (i < grid->count)
        edx_grid_copy(grid, i, 1, &value);
    return value;
}

size_t edx_grid_copy(const edx_grid *grid, uint64_t first, size_t n, double *out)
{
    edx_array array;
    if (first >= grid->count || !view(grid, &array))
        return 0;
    size_t left = (size_t)(grid->count - first);
    if (n > left)
        n = left;
    for (size_t i = 0; i < n; i++)
        out[i] = edx_array_get(&array, first + i);
    return n;
}
