/* How the scene keeps the counts of a strip of pixels. Only the scene's own files include this.
 *
 * A slot is a key (channel, and above it the digit's place) and one base-256 digit of its count.
 * Digit 0 of a channel stands wherever a higher one does, so that one more count asks for one more
 * slot at most. A pixel's record is [u16 keys x capacity][u8 digits x capacity]; digits of slots
 * not in use are 0. The records of a strip follow each other in one buffer, which is laid out anew
 * with fresh slack when one of them is full. */
#ifndef EDX_ANALYSIS_SCENE_STRIP_H
#define EDX_ANALYSIS_SCENE_STRIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/scene_kernels.h"

#define EDX_DIGITS 4u
#define EDX_CHANNEL_BITS 14u
#define EDX_MAX_CHANNELS (1u << EDX_CHANNEL_BITS)
#define EDX_STRIP 128u /* pixels in a strip */
#define EDX_GRAIN 4u   /* capacities are multiples of it */
#define EDX_GRAIN_BYTES ((size_t)EDX_GRAIN * 3)

typedef struct edx_record {
    uint32_t start; /* of the record in the buffer, in EDX_GRAIN slots */
    uint32_t n;     /* slots in use */
} edx_record;

/* The record after the last pixel's is where that ends. No buffer: every record is empty. */
typedef struct edx_strip {
    uint8_t *buffer;
    size_t bytes;
    edx_record records[EDX_STRIP + 1];
} edx_strip;

/* One pixel's record, opened. */
typedef struct edx_slots {
    uint16_t *keys;
    uint8_t *digits;
    uint32_t n;
} edx_slots;

static inline uint32_t edx_strip_capacity(const edx_strip *strip, uint32_t i)
{
    return EDX_GRAIN * (strip->records[i + 1].start - strip->records[i].start);
}

/* Pixel i of a strip that has a buffer. */
static inline edx_slots edx_strip_open(const edx_strip *strip, uint32_t i)
{
    uint8_t *at = strip->buffer + strip->records[i].start * EDX_GRAIN_BYTES;

    return (edx_slots){(uint16_t *)(void *)at, at + sizeof(uint16_t) * edx_strip_capacity(strip, i),
                       strip->records[i].n};
}

/* Eight digits beyond all records, for edx_count_eight to spoil, as an index into a pixel's. */
static inline uint32_t edx_strip_spare(const edx_strip *strip, const edx_slots *px)
{
    return (uint32_t)(strip->buffer + strip->bytes - EDX_EIGHT - px->digits);
}

static inline uint16_t edx_slots_key(uint32_t channel, uint32_t digit)
{
    return (uint16_t)(channel | digit << EDX_CHANNEL_BITS);
}

/* Index of a new slot; there must be room. */
static inline uint32_t edx_slots_append(edx_slots *px, uint16_t key)
{
    px->keys[px->n] = key;
    return px->n++;
}

/* Index of a key, n when it is not there. */
static inline uint32_t edx_slots_find(const edx_slots *px, const edx_kernel *kernel, uint16_t key)
{
    uint32_t at = kernel->find(px->keys, px->n, key);
    return at < px->n ? at : px->n;
}

/* The count whose lowest digit stands in slot i; that of a channel. */
uint32_t edx_slots_value(const edx_slots *px, const edx_kernel *kernel, uint32_t i);
uint32_t edx_slots_count(const edx_slots *px, const edx_kernel *kernel, uint32_t channel);
/* Adds w times 256^digit counts to a channel; there must be room. What would pass the largest count
 * stays there. */
void edx_slots_add(edx_slots *px, const edx_kernel *kernel, uint32_t channel, uint32_t digit,
                   uint32_t w);
/* Some channel has more digits than one. */
bool edx_slots_wide(const edx_slots *px);

/* Lays the records of count pixels out anew, with more[i] slots of room each.
 * Returns false, and changes nothing, without memory. */
bool edx_strip_rebuild(edx_strip *strip, uint32_t count, const uint32_t *more);
void edx_strip_clear(edx_strip *strip, uint32_t count);

#endif
