#include "analysis/scene_strip.h"

#include <stdlib.h>
#include <string.h>

uint32_t edx_slots_value(const edx_slots *px, const edx_kernel *kernel, uint32_t i)
{
    uint32_t value = px->digits[i];

    for (uint32_t d = 1; d < EDX_DIGITS; d++) {
        uint32_t at = edx_slots_find(px, kernel, edx_slots_key(px->keys[i], d));
        if (at == px->n)
            break;
        value |= (uint32_t)px->digits[at] << 8 * d;
    }
    return value;
}

uint32_t edx_slots_count(const edx_slots *px, const edx_kernel *kernel, uint32_t channel)
{
    uint32_t at = edx_slots_find(px, kernel, edx_slots_key(channel, 0));
    return at == px->n ? 0 : edx_slots_value(px, kernel, at);
}

void edx_slots_add(edx_slots *px, const edx_kernel *kernel, uint32_t channel, uint32_t digit,
                   uint32_t w)
{
    for (; w > 0 && digit < EDX_DIGITS; digit++) {
        uint16_t key = edx_slots_key(channel, digit);
        uint32_t at = edx_slots_find(px, kernel, key);
        if (at == px->n)
            edx_slots_append(px, key);
        uint32_t sum = px->digits[at] + (w & 255u);
        px->digits[at] = (uint8_t)sum;
        w = (w >> 8) + (sum >> 8);
    }
    for (digit = 0; w > 0 && digit < EDX_DIGITS; digit++)
        px->digits[edx_slots_find(px, kernel, edx_slots_key(channel, digit))] = 255;
}

bool edx_slots_wide(const edx_slots *px)
{
    uint32_t all = 0;

    for (uint32_t i = 0; i < px->n; i++)
        all |= px->keys[i];
    return all >= EDX_MAX_CHANNELS;
}

static void copy_records(const edx_strip *from, edx_strip *to, uint32_t count)
{
    memset(to->buffer, 0, to->bytes);
    for (uint32_t i = 0; from->buffer != NULL && i < count; i++) {
        edx_slots old = edx_strip_open(from, i);
        edx_slots new = edx_strip_open(to, i);
        memcpy(new.keys, old.keys, sizeof *new.keys *old.n);
        memcpy(new.digits, old.digits, old.n);
    }
}

bool edx_strip_rebuild(edx_strip *strip, uint32_t count, const uint32_t *more)
{
    edx_strip next;
    uint64_t start = 0;

    for (uint32_t i = 0; i < count; i++) {
        next.records[i] = (edx_record){(uint32_t)start, strip->records[i].n};
        start += ((uint64_t)strip->records[i].n + more[i] + EDX_GRAIN - 1) / EDX_GRAIN;
    }
    next.records[count] = (edx_record){(uint32_t)start, 0};
    next.bytes = start * EDX_GRAIN_BYTES + EDX_KEYS_PAD + EDX_EIGHT;
    next.buffer = malloc(next.bytes);
    if (next.buffer == NULL)
        return false;
    copy_records(strip, &next, count);
    free(strip->buffer);
    strip->buffer = next.buffer;
    strip->bytes = next.bytes;
    memcpy(strip->records, next.records, sizeof *next.records * (count + 1));
    return true;
}

void edx_strip_clear(edx_strip *strip, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        strip->records[i].n = 0;
    if (strip->buffer != NULL)
        memset(strip->buffer, 0, strip->bytes);
}
