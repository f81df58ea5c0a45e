#include "daemon/store_signal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDEST 8u /* bytes of a value */

void edx_signal_text(edx_h5 *h5, const char *key, const char *text)
{
    edx_h5_attribute(h5, key, EDX_H5_TEXT, &text);
}

static void put_bool(edx_h5 *h5, const char *key, bool value)
{
    edx_h5_attribute(h5, key, EDX_H5_BOOL, &value);
}

void edx_signal_float(edx_h5 *h5, const char *key, double value)
{
    if (!isnan(value)) {
        edx_h5_attribute(h5, key, EDX_H5_F8, &value);
    }
}

void edx_signal_integer(edx_h5 *h5, const char *key, uint64_t value)
{
    edx_h5_attribute(h5, key, EDX_H5_I8, &value);
}

void edx_signal_start(edx_h5 *h5)
{
    edx_signal_text(h5, "file_format", "HyperSpy");
    edx_signal_text(h5, "file_format_version", "3.1");
    edx_h5_enter(h5, "Experiments");
}

void edx_signal_enter(edx_h5 *h5, const char *title, const char *other)
{
    char name[EDX_TITLE_SIZE];
    snprintf(name, sizeof name, "%s", title);
    for (char *c = name; *c; c++) {
        *c = *c == '/' ? '-' : *c;
    }
    edx_h5_enter(h5, strcmp(name, ".") == 0 ? other : name);
}

void edx_signal_put_axis(edx_h5 *h5, uint32_t index, const edx_signal_axis *axis)
{
    char group[24];
    snprintf(group, sizeof group, "axis-%u", index);
    edx_h5_enter(h5, group);
    edx_signal_text(h5, "_type", "UniformDataAxis");
    edx_signal_text(h5, "name", axis->name);
    edx_signal_text(h5, "units", axis->units);
    edx_signal_float(h5, "offset", axis->offset);
    edx_signal_float(h5, "scale", axis->scale);
    edx_signal_integer(h5, "size", axis->size);
    put_bool(h5, "navigate", axis->navigate);
    put_bool(h5, "is_binned", axis->binned);
    edx_h5_leave(h5);
}

void edx_signal_general(edx_h5 *h5, const char *title)
{
    edx_h5_enter(h5, "General");
    edx_signal_text(h5, "title", title);
    edx_h5_leave(h5);
}

void edx_signal_texts(edx_h5 *h5, const char *name, const char *const *texts, uint64_t n)
{
    if (n > 0) {
        edx_h5_put(h5, name, EDX_H5_TEXT, 1, &n, texts);
    }
}

void edx_signal_array(edx_h5 *h5, const char *name, edx_h5_type type, uint32_t ndim,
                      const uint64_t *shape, const void *data)
{
    const uint64_t start[EDX_H5_MAX_DIM] = {0};
    uint64_t chunk[EDX_H5_MAX_DIM] = {0};
    uint64_t fit = EDX_SIGNAL_CHUNK_BYTES / WIDEST;
    for (uint32_t d = ndim; d-- > 0;) {
        chunk[d] = fit < shape[d] ? fit : shape[d];
        chunk[d] = chunk[d] > 0 ? chunk[d] : 1;
        fit /= chunk[d];
    }
    edx_h5_open(h5, name, type, ndim, shape, chunk);
    edx_h5_write(h5, start, shape, data);
    edx_h5_close(h5);
}
