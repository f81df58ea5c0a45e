#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/load.h"

struct edx_events_buffer {
    uint32_t *offsets;
    size_t offsets_capacity;
    uint16_t *channels;
    uint32_t *weights;
    size_t channels_capacity, weights_capacity;
};

edx_events_buffer *edx_events_buffer_new(void)
{
    return calloc(1, sizeof(edx_events_buffer));
}

void edx_events_buffer_free(edx_events_buffer **buffer)
{
    if (buffer == NULL || *buffer == NULL)
        return;
    free((*buffer)->offsets);
    free((*buffer)->channels);
    free((*buffer)->weights);
    free(*buffer);
    *buffer = NULL;
}

/* Room for n elements at *data, at least doubled when it grows; false leaves all as it was. */
static bool grow(void **data, size_t *capacity, size_t n, size_t size)
{
    if (n <= *capacity)
        return true;
    size_t wanted = n - *capacity > *capacity ? n : 2 * *capacity;
    void *grown = wanted > SIZE_MAX / size ? NULL : realloc(*data, wanted * size);
    if (grown == NULL)
        return false;
    *data = grown;
    *capacity = wanted;
    return true;
}

static bool grow_offsets(edx_events_buffer *buffer, size_t n)
{
    void *data = buffer->offsets;
    bool grown = grow(&data, &buffer->offsets_capacity, n, sizeof *buffer->offsets);
    buffer->offsets = data;
    return grown;
}

static bool grow_channels(edx_events_buffer *buffer, size_t n)
{
    void *data = buffer->channels;
    bool grown = grow(&data, &buffer->channels_capacity, n, sizeof *buffer->channels);
    buffer->channels = data;
    return grown;
}

static bool grow_weights(edx_events_buffer *buffer, size_t n)
{
    void *data = buffer->weights;
    bool grown = grow(&data, &buffer->weights_capacity, n, sizeof *buffer->weights);
    buffer->weights = data;
    return grown;
}

/* ---- dense ---- */

/* The non-zero values among the lanes of a word, from channel first on. Inlined with bits known. */
static inline size_t add_word(const edx_events_buffer *buffer, size_t n, uint64_t word,
                              size_t first, unsigned bits)
{
    uint64_t mask = UINT64_MAX >> (64 - bits);
    while (word != 0) {
        unsigned lane = (unsigned)__builtin_ctzll(word) / bits;
        buffer->channels[n] = (uint16_t)(first + lane);
        buffer->weights[n] = (uint32_t)(word >> (lane * bits) & mask);
        n++;
        word &= ~(mask << (lane * bits));
    }
    return n;
}

static inline bool all_zero(const unsigned char *bytes)
{
    uint64_t any = 0;
    for (size_t i = 0; i < 8; i++)
        any |= edx_load_u64(bytes, i);
    return any == 0;
}

/* The spectrum of one pixel, appended from n on; returns the new n. Most values are zero: they are
 * passed over 64 bytes at a time. */
static inline size_t add_spectrum(const edx_events_buffer *buffer, size_t n,
                                  const unsigned char *bytes, size_t size, unsigned bits)
{
    const size_t lanes = 64 / bits;
    size_t at = 0;
    for (; size - at >= 64; at += 64) {
        if (all_zero(bytes + at))
            continue;
        for (size_t i = 0; i < 8; i++)
            n = add_word(buffer, n, edx_load_u64(bytes + at, i), (at / 8 + i) * lanes, bits);
    }
    while (at < size) {
        size_t step = size - at < 8 ? size - at : 8;
        uint64_t word = 0;
        memcpy(&word, bytes + at, step);
        n = add_word(buffer, n, word, at / 8 * lanes, bits);
        at += step;
    }
    return n;
}

static size_t add_pixel(const edx_events_buffer *buffer, size_t n, const unsigned char *bytes,
                        size_t size, edx_dtype dtype)
{
    if (dtype == EDX_U1)
        return add_spectrum(buffer, n, bytes, size, 8);
    if (dtype == EDX_U2)
        return add_spectrum(buffer, n, bytes, size, 16);
    return add_spectrum(buffer, n, bytes, size, 32);
}

static bool from_dense(edx_events_buffer *buffer, const edx_array *dense, size_t pixels)
{
    size_t channels = dense->shape[2];
    size_t size = channels * edx_dtype_size(dense->dtype);
    const unsigned char *bytes = dense->data;
    size_t n = 0;
    buffer->offsets[0] = 0;
    for (size_t p = 0; p < pixels; p++) {
        if (!grow_channels(buffer, n + channels) || !grow_weights(buffer, n + channels))
            return false;
        n = add_pixel(buffer, n, bytes + p * size, size, dense->dtype);
        buffer->offsets[p + 1] = (uint32_t)n;
    }
    return true;
}

/* ---- events ---- */

static bool from_events(edx_events_buffer *buffer, const edx_counts *counts, size_t pixels)
{
    const void *offsets = counts->offsets.data;
    uint32_t first = edx_load_u32(offsets, 0);
    size_t n = counts->total;
    if (!grow_channels(buffer, n))
        return false;
    memcpy(buffer->offsets, offsets, (pixels + 1) * sizeof *buffer->offsets);
    for (size_t p = 0; first > 0 && p <= pixels; p++)
        buffer->offsets[p] -= first;
    const unsigned char *bytes = counts->channels.data;
    bytes += first * edx_dtype_size(counts->channels.dtype);
    if (counts->channels.dtype == EDX_U2 && n > 0) {
        memcpy(buffer->channels, bytes, n * sizeof *buffer->channels);
        return true;
    }
    for (size_t i = 0; i < n; i++)
        buffer->channels[i] = (uint16_t)edx_load_u32(bytes, i);
    return true;
}

edx_status edx_events_from_frame(edx_events_buffer *buffer, const edx_frame *frame, edx_events *out,
                                 edx_error *err)
{
    const edx_counts *counts = &frame->counts;
    size_t pixels = counts->events ? counts->offsets.shape[0] - 1
                                   : counts->dense.shape[0] * counts->dense.shape[1];
    bool done = grow_offsets(buffer, pixels + 1) &&
                (counts->events ? from_events(buffer, counts, pixels)
                                : from_dense(buffer, &counts->dense, pixels));
    if (!done)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the events of %zu pixels", pixels);
    *out = (edx_events){.pixels = (uint32_t)pixels,
                        .offsets = buffer->offsets,
                        .channels = buffer->channels,
                        .weights = counts->events ? NULL : buffer->weights};
    return EDX_OK;
}
