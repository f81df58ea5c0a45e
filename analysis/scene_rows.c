#include "analysis/scene_rows.h"

#include "analysis/scene_inside.h"

_Static_assert(EDX_ROW_CHANNEL_BITS == EDX_CHANNEL_BITS && EDX_ROW_PLACES == EDX_DIGITS,
               "rows are slots");

edx_scene_row edx_scene_row_at(const edx_scene *scene, uint32_t pixel)
{
    const edx_strip *strip = &scene->strips[pixel / EDX_STRIP];

    if (strip->buffer == NULL)
        return (edx_scene_row){NULL, NULL, 0};
    edx_slots px = edx_strip_open(strip, pixel % EDX_STRIP);
    return (edx_scene_row){px.keys, px.digits, px.n};
}

/* Moves the slots into tally, and empties them. */
static void take_slots(const edx_slots *px, uint32_t *tally)
{
    for (uint32_t i = 0; i < px->n; i++) {
        uint32_t place = px->keys[i] >> EDX_CHANNEL_BITS;
        tally[px->keys[i] & EDX_ROW_CHANNEL] |= (uint32_t)px->digits[i] << 8 * place;
        px->digits[i] = 0;
    }
}

/* Writes tally back in order, and empties it; a channel needs no more slots than before. */
static uint32_t put_slots(const edx_slots *px, uint32_t *tally, uint32_t channels)
{
    uint32_t n = 0;

    for (uint32_t c = 0; c < channels; c++) {
        for (uint32_t d = 0; tally[c] != 0; d++, tally[c] >>= 8) {
            px->keys[n] = edx_slots_key(c, d);
            px->digits[n++] = (uint8_t)tally[c];
        }
    }
    return n;
}

static void sort_strip(void *context, uint32_t s, uint32_t worker)
{
    edx_scene *scene = context;
    edx_strip *strip = &scene->strips[s];
    uint32_t *tally = scene->workers[worker].tally;

    for (uint32_t i = 0; strip->buffer != NULL && i < edx_scene_strip_pixels(scene, s); i++) {
        edx_slots px = edx_strip_open(strip, i);
        take_slots(&px, tally);
        strip->records[i].n = put_slots(&px, tally, scene->channels);
    }
}

void edx_scene_sort(edx_scene *scene)
{
    edx_pool_run(scene->pool, scene->n_strips, sort_strip, scene);
}
