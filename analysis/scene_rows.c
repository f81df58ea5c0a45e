#include "analysis/scene_rows.h"

#include <assert.h>

#include "analysis/scene_inside.h"

#define WORDS (EDX_MAX_CHANNELS / 64u)

_Static_assert(EDX_ROW_CHANNEL_BITS == EDX_CHANNEL_BITS && EDX_ROW_PLACES == EDX_DIGITS,
               "rows are slots");

edx_scene_row edx_scene_row_at(const edx_scene *scene, uint32_t pixel)
{
    assert(scene->groups == 0);
    return scene->of != NULL ? edx_scene_whole(scene, pixel) : edx_scene_piece(scene, pixel, 0);
}

/* ---- sorting ---- */

/* What a pixel's slots hold: counts, and which channels have any. */
typedef struct sorting {
    uint32_t *tally;      /* [channels] */
    uint64_t some[WORDS]; /* a bit for each channel */
} sorting;

/* Moves the slots into tally, and empties them. */
static void take_slots(const edx_slots *px, sorting *s)
{
    for (uint32_t i = 0; i < px->n; i++) {
        uint32_t place = px->keys[i] >> EDX_CHANNEL_BITS, c = px->keys[i] & EDX_ROW_CHANNEL;
        s->tally[c] |= (uint32_t)px->digits[i] << 8 * place;
        s->some[c / 64] |= UINT64_C(1) << c % 64;
        px->digits[i] = 0;
    }
}

static uint32_t put_channel(const edx_slots *px, uint32_t channel, uint32_t count, uint32_t n)
{
    for (uint32_t d = 0; count != 0; d++, count >>= 8) {
        px->keys[n] = edx_slots_key(channel, d);
        px->digits[n++] = (uint8_t)count;
    }
    return n;
}

/* Writes tally back in order, and empties it; a channel needs no more slots than before. */
static uint32_t put_slots(const edx_slots *px, sorting *s, uint32_t channels)
{
    uint32_t n = 0;

    for (uint32_t w = 0; w < (channels + 63) / 64; w++) {
        for (uint64_t some = s->some[w]; some != 0; some &= some - 1) {
            uint32_t c = w * 64 + (uint32_t)__builtin_ctzll(some);
            n = put_channel(px, c, s->tally[c], n);
            s->tally[c] = 0;
        }
        s->some[w] = 0;
    }
    return n;
}

static void sort_strip(void *context, uint32_t index, uint32_t worker)
{
    edx_scene *scene = context;
    edx_scene_store *store = &scene->stores[index / scene->n_strips];
    uint32_t s = index % scene->n_strips;
    edx_strip *strip = store->strips == NULL ? NULL : &store->strips[s];
    sorting sorted = {.tally = scene->workers[worker].tally};

    if (strip == NULL || strip->buffer == NULL)
        return;
    for (uint32_t i = 0; i < edx_scene_strip_pixels(scene, s); i++) {
        edx_slots px = edx_strip_open(strip, i);
        take_slots(&px, &sorted);
        strip->records[i].n = put_slots(&px, &sorted, scene->channels);
    }
}

void edx_scene_sort(edx_scene *scene)
{
    edx_pool_run(scene->pool, (scene->groups + 1) * scene->n_strips, sort_strip, scene);
}
