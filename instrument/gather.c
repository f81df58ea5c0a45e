#include "instrument/gather.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct edx_gather {
    uint32_t pixels;
    uint32_t *offsets; /* [pixels + 1] */
    uint32_t *pixel;   /* [capacity], of each count */
    uint16_t *channel;
    uint16_t *sorted; /* channels pixel by pixel, where they did not come so */
    size_t n, capacity, sorted_capacity;
    bool ordered; /* pixels never went back */
};

edx_gather *edx_gather_new(uint32_t pixels)
{
    edx_gather *gather = calloc(1, sizeof *gather);
    if (!gather)
        return NULL;
    gather->pixels = pixels;
    gather->ordered = true;
    gather->offsets = calloc((size_t)pixels + 1, sizeof *gather->offsets);
    if (!gather->offsets)
        edx_gather_free(&gather);
    return gather;
}

void edx_gather_free(edx_gather **gather)
{
    if (!*gather)
        return;
    free((*gather)->offsets);
    free((*gather)->pixel);
    free((*gather)->channel);
    free((*gather)->sorted);
    free(*gather);
    *gather = NULL;
}

void edx_gather_clear(edx_gather *gather)
{
    gather->n = 0;
    gather->ordered = true;
}

static edx_status grow(edx_gather *gather, edx_error *err)
{
    if (gather->n >= UINT32_MAX - 1)
        return edx_fail(err, EDX_E_LIMIT, "more than %u counts in a frame", UINT32_MAX - 1);
    size_t wanted = gather->capacity < 4096 ? 8192 : 2 * gather->capacity;
    uint32_t *pixel = realloc(gather->pixel, wanted * sizeof *pixel);
    if (pixel)
        gather->pixel = pixel;
    uint16_t *channel = pixel ? realloc(gather->channel, wanted * sizeof *channel) : NULL;
    if (!channel)
        return edx_fail(err, EDX_E_NOMEM, "no memory for %zu counts of a frame", wanted);
    gather->channel = channel;
    gather->capacity = wanted;
    return EDX_OK;
}

edx_status edx_gather_add(edx_gather *gather, uint32_t pixel, uint16_t channel, edx_error *err)
{
    if (gather->n == gather->capacity) {
        edx_status status = grow(gather, err);
        if (status != EDX_OK)
            return status;
    }
    gather->ordered = gather->ordered && (gather->n == 0 || gather->pixel[gather->n - 1] <= pixel);
    gather->pixel[gather->n] = pixel;
    gather->channel[gather->n++] = channel;
    return EDX_OK;
}

uint64_t edx_gather_total(const edx_gather *gather)
{
    return gather->n;
}

/* Where the counts of each pixel begin; the most that one pixel got. */
static uint32_t sum_up(edx_gather *gather)
{
    uint32_t peak = 0;
    memset(gather->offsets, 0, ((size_t)gather->pixels + 1) * sizeof *gather->offsets);
    for (size_t i = 0; i < gather->n; i++)
        gather->offsets[gather->pixel[i] + 1]++;
    for (uint32_t p = 0; p < gather->pixels; p++) {
        if (gather->offsets[p + 1] > peak)
            peak = gather->offsets[p + 1];
        gather->offsets[p + 1] += gather->offsets[p];
    }
    return peak;
}

/* Each count goes where its pixel's counts go on, which moves the pixel's offset to its end. */
static edx_status sort(edx_gather *gather, edx_error *err)
{
    if (gather->sorted_capacity < gather->n) {
        uint16_t *sorted = realloc(gather->sorted, gather->capacity * sizeof *sorted);
        if (!sorted)
            return edx_fail(err, EDX_E_NOMEM, "no memory for %zu counts of a frame", gather->n);
        gather->sorted = sorted;
        gather->sorted_capacity = gather->capacity;
    }
    for (size_t i = 0; i < gather->n; i++)
        gather->sorted[gather->offsets[gather->pixel[i]]++] = gather->channel[i];
    memmove(gather->offsets + 1, gather->offsets, gather->pixels * sizeof *gather->offsets);
    gather->offsets[0] = 0;
    return EDX_OK;
}

edx_status edx_gather_counts(edx_gather *gather, edx_counts *out, edx_error *err)
{
    static const uint16_t nothing[1];
    const uint16_t *channels = gather->n > 0 ? gather->channel : nothing;
    uint32_t peak = sum_up(gather);
    if (!gather->ordered) {
        edx_status status = sort(gather, err);
        if (status != EDX_OK)
            return status;
        channels = gather->sorted;
    }
    *out = (edx_counts){.events = true, .total = gather->n, .peak = peak};
    out->offsets = edx_array_1(EDX_U4, gather->offsets, (uint64_t)gather->pixels + 1);
    out->channels = edx_array_1(EDX_U2, channels, gather->n);
    return EDX_OK;
}
