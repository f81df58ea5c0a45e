/* The slots of a scene as they are kept, for passes over all counts. */
#ifndef EDX_ANALYSIS_SCENE_ROWS_H
#define EDX_ANALYSIS_SCENE_ROWS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "analysis/scene.h"

#define EDX_ROW_CHANNEL_BITS 14u
#define EDX_ROW_CHANNEL ((1u << EDX_ROW_CHANNEL_BITS) - 1)
#define EDX_ROW_PLACES 4u

/* One pixel: slot i is digits[i] * 256^place counts in a channel, where channel is keys[i] &
 * EDX_ROW_CHANNEL and place is keys[i] >> EDX_ROW_CHANNEL_BITS. A channel has one slot for each
 * place, in no order. */
typedef struct edx_scene_row {
    const uint16_t *keys;
    const uint8_t *digits;
    uint32_t n;
} edx_scene_row;

/* Whether no slot has a place above 0, as nearly always. */
static inline bool edx_scene_row_is_narrow(const edx_scene_row *row)
{
    uint64_t all = 0, four;
    uint32_t i = 0;

    for (; i + 4 <= row->n; i += 4) {
        memcpy(&four, row->keys + i, sizeof four);
        all |= four;
    }
    for (; i < row->n; i++)
        all |= row->keys[i];
    return (all & ~(EDX_ROW_CHANNEL * UINT64_C(0x0001000100010001))) == 0;
}

/* Of a scene that is not grouped. Valid until the scene changes. Of a view, for one thread and
 * until its next call: put together, so that a channel may have more slots than one for a place. */
edx_scene_row edx_scene_row_at(const edx_scene *scene, uint32_t pixel);

/* Whether several threads may ask for rows at once: of no view. */
bool edx_scene_is_kept(const edx_scene *scene);

/* Any scene's pixel is as many rows, which add up. */
uint32_t edx_scene_pieces(const edx_scene *scene);
edx_scene_row edx_scene_piece(const edx_scene *scene, uint32_t pixel, uint32_t piece);
/* What channel of a piece is which of the scene's: [EDX_ROW_CHANNEL + 1 at most], the scene's
 * number of channels for none; NULL: they are the same. */
const uint16_t *edx_scene_map(const edx_scene *scene);

/* A row's counts as events, in memory that grows and is used again. */
typedef struct edx_scene_events {
    uint32_t *offsets;
    uint16_t *channels;
    uint32_t *weights;
    size_t room;
} edx_scene_events;

/* NOMEM. */
edx_status edx_scene_row_events(const edx_scene *scene, uint32_t row, edx_scene_events *buffer,
                                edx_events *out, edx_error *err);
void edx_scene_events_free(edx_scene_events *buffer);

/* Puts the slots of every pixel into ascending order of channel and place: sums over slots are then
 * the same, to the last bit, for equal counts, however they came. */
void edx_scene_sort(edx_scene *scene);

#endif
