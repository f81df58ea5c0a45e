/* The slots of a scene as they are kept, for passes over all counts. */
#ifndef EDX_ANALYSIS_SCENE_ROWS_H
#define EDX_ANALYSIS_SCENE_ROWS_H

#include <stdint.h>

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

/* Valid until the scene changes. */
edx_scene_row edx_scene_row_at(const edx_scene *scene, uint32_t pixel);

/* Puts the slots of every pixel into ascending order of channel and place: sums over slots are then
 * the same, to the last bit, for equal counts, however they came. */
void edx_scene_sort(edx_scene *scene);

#endif
