#include "analysis/shift.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct edx_shift {
    uint32_t *offsets;
    uint16_t *channels;
    uint32_t *weights;
    size_t pixels, entries; /* room */
    const uint8_t *ours;    /* [pixels of the scan]; NULL: all are */
};

edx_status edx_shift_new(edx_shift **out, edx_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory to move events");
}

void edx_shift_free(edx_shift **shift)
{
    edx_shift *s = *shift;
    if (!s)
        return;
    free(s->offsets);
    free(s->channels);
    free(s->weights);
    free(s);
    *shift = NULL;
}

void edx_shift_keep(edx_shift *shift, const uint8_t *ours)
{
    shift->ours = ours;
}

/* Of first .. first + n - 1, moved, what is within 0 .. size - 1: *from .. of the unmoved, *to ..
 * of the moved. Returns how many. */
static uint32_t clip(uint32_t size, uint32_t first, uint32_t n, int32_t by, uint32_t *from,
                     uint32_t *to)
{
    int64_t lo = (int64_t)first + by, hi = lo + n;
    lo = lo < 0 ? 0 : lo;
    hi = hi > size ? size : hi;
    if (lo >= hi)
        return 0;
    *to = (uint32_t)lo;
    *from = (uint32_t)(lo - by);
    return (uint32_t)(hi - lo);
}

edx_shift_area edx_shift_covers(uint32_t rows, uint32_t cols, uint32_t first, uint32_t n,
                                const int32_t by[2])
{
    edx_shift_area a = {0};
    a.rows = clip(rows, first, n, by[0], &a.from_row, &a.row);
    a.cols = clip(cols, 0, cols, by[1], &a.from_col, &a.col);
    return a;
}

static bool reserve(edx_shift *s, size_t pixels, size_t entries)
{
    if (pixels + 1 > s->pixels) {
        uint32_t *offsets = realloc(s->offsets, (pixels + 1) * sizeof *offsets);
        if (!offsets)
            return false;
        s->offsets = offsets;
        s->pixels = pixels + 1;
    }
    if (entries > s->entries || !s->channels) {
        const size_t room = entries + entries / 4;
        uint16_t *channels = realloc(s->channels, (room + 1) * sizeof *channels);
        if (channels)
            s->channels = channels;
        uint32_t *weights = realloc(s->weights, (room + 1) * sizeof *weights);
        if (weights)
            s->weights = weights;
        if (!channels || !weights)
            return false;
        s->entries = room;
    }
    return true;
}

/* Copies the entries of cols pixels from pixel first on, behind the at there are. */
static uint32_t copy(edx_shift *s, const edx_events *events, uint32_t first, uint32_t cols,
                     uint32_t pixel, uint32_t at)
{
    const uint32_t begin = events->offsets[first], n = events->offsets[first + cols] - begin;
    for (uint32_t x = 0; x < cols; x++)
        s->offsets[pixel + x] = at + (events->offsets[first + x] - begin);
    memcpy(s->channels + at, events->channels + begin, n * sizeof *s->channels);
    if (events->weights)
        memcpy(s->weights + at, events->weights + begin, n * sizeof *s->weights);
    return at + n;
}

static void leave(edx_shift *s, uint32_t cols, uint32_t pixel, uint32_t at)
{
    for (uint32_t x = 0; x < cols; x++)
        s->offsets[pixel + x] = at;
}

/* The same of those that are ours [cols], run by run. */
static uint32_t copy_ours(edx_shift *s, const edx_events *events, uint32_t first, uint32_t cols,
                          const uint8_t *ours, uint32_t pixel, uint32_t at)
{
    for (uint32_t x = 0, end; x < cols; x = end) {
        for (end = x + 1; end < cols && !ours[end] == !ours[x]; end++)
            continue;
        if (ours[x])
            at = copy(s, events, first + x, end - x, pixel + x, at);
        else
            leave(s, end - x, pixel + x, at);
    }
    return at;
}

static uint32_t move_row(edx_shift *s, const edx_shift_area *area, uint32_t scan_cols,
                         const edx_events *events, uint32_t from, uint32_t to, uint32_t at)
{
    const uint32_t pixel = to * scan_cols, right = area->col + area->cols;
    const uint32_t first = from * scan_cols + area->from_col;
    const size_t there = (size_t)(area->row + to) * scan_cols + area->col;
    leave(s, area->col, pixel, at);
    if (area->cols > 0 && s->ours)
        at = copy_ours(s, events, first, area->cols, s->ours + there, pixel + area->col, at);
    else if (area->cols > 0)
        at = copy(s, events, first, area->cols, pixel + area->col, at);
    leave(s, scan_cols - right, pixel + right, at);
    return at;
}

edx_status edx_shift_events(edx_shift *shift, const edx_shift_area *area, uint32_t scan_cols,
                            uint32_t first, const edx_events *events, edx_events *out,
                            edx_error *err)
{
    const size_t pixels = (size_t)area->rows * scan_cols;
    const size_t entries = events->offsets[events->pixels] - events->offsets[0];
    uint32_t at = 0;
    if (!reserve(shift, pixels, entries))
        return edx_fail(err, EDX_E_NOMEM, "no memory to move %zu events", entries);
    for (uint32_t y = 0; y < area->rows; y++)
        at = move_row(shift, area, scan_cols, events, area->from_row + y - first, y, at);
    shift->offsets[pixels] = at;
    *out = (edx_events){.pixels = (uint32_t)pixels,
                        .offsets = shift->offsets,
                        .channels = shift->channels,
                        .weights = events->weights ? shift->weights : NULL};
    return EDX_OK;
}
