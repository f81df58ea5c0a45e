#include "analysis/pending.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One message's events; where its numbers start in the arrays that all share. */
typedef struct block {
    edx_pending_place place;
    uint32_t pixels, counts;
    bool weighted;
    size_t offsets, channels, weights;
} block;

typedef struct array {
    void *at;
    size_t n, room; /* elements */
} array;

struct edx_pending {
    array blocks;   /* block */
    array offsets;  /* u32 */
    array channels; /* u16 */
    array weights;  /* u32 */
};

edx_status edx_pending_new(edx_pending **out, edx_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory for events that wait");
}

void edx_pending_free(edx_pending **pending)
{
    edx_pending *p = *pending;

    *pending = NULL;
    if (p == NULL)
        return;
    free(p->blocks.at);
    free(p->offsets.at);
    free(p->channels.at);
    free(p->weights.at);
    free(p);
}

static bool reserve(array *a, size_t more, size_t size)
{
    if (more <= a->room - a->n)
        return true;
    size_t room = a->n + a->n / 2 + more;
    void *grown = realloc(a->at, room * size);
    if (grown == NULL)
        return false;
    a->at = grown;
    a->room = room;
    return true;
}

static size_t append(array *a, const void *from, size_t n, size_t size)
{
    size_t at = a->n;

    if (n > 0)
        memcpy((unsigned char *)a->at + at * size, from, n * size);
    a->n += n;
    return at;
}

edx_status edx_pending_put(edx_pending *pending, const edx_pending_place *place,
                           const edx_events *events, edx_error *err)
{
    edx_pending *p = pending;
    bool weighted = events->weights != NULL;
    uint32_t first = events->offsets[0], counts = events->offsets[events->pixels] - first;
    block b = {.place = *place, .pixels = events->pixels, .counts = counts, .weighted = weighted};

    if (!reserve(&p->blocks, 1, sizeof b) ||
        !reserve(&p->offsets, (size_t)events->pixels + 1, sizeof(uint32_t)) ||
        !reserve(&p->channels, (size_t)counts + 1, sizeof(uint16_t)) ||
        !reserve(&p->weights, weighted ? (size_t)counts + 1 : 1, sizeof(uint32_t)))
        return edx_fail(err, EDX_E_NOMEM, "no memory for %u events that wait", counts);
    b.channels = append(&p->channels, events->channels + first, counts, sizeof(uint16_t));
    if (weighted)
        b.weights = append(&p->weights, events->weights + first, counts, sizeof(uint32_t));
    b.offsets = append(&p->offsets, events->offsets, (size_t)events->pixels + 1, sizeof(uint32_t));
    uint32_t *offsets = (uint32_t *)p->offsets.at + b.offsets;
    for (uint32_t i = 0; first > 0 && i <= events->pixels; i++)
        offsets[i] -= first;
    append(&p->blocks, &b, 1, sizeof b);
    return EDX_OK;
}

size_t edx_pending_count(const edx_pending *pending)
{
    return pending->blocks.n;
}

size_t edx_pending_events(const edx_pending *pending)
{
    return pending->channels.n;
}

size_t edx_pending_bytes(const edx_pending *pending)
{
    const edx_pending *p = pending;

    return p->blocks.room * sizeof(block) + p->offsets.room * sizeof(uint32_t) +
           p->channels.room * sizeof(uint16_t) + p->weights.room * sizeof(uint32_t);
}

void edx_pending_get(const edx_pending *pending, size_t i, edx_pending_place *place,
                     edx_events *events)
{
    const block *b = (const block *)pending->blocks.at + i;

    *place = b->place;
    *events = (edx_events){
        .pixels = b->pixels,
        .offsets = (const uint32_t *)pending->offsets.at + b->offsets,
        .channels = (const uint16_t *)pending->channels.at + b->channels,
        .weights = b->weighted ? (const uint32_t *)pending->weights.at + b->weights : NULL};
}

void edx_pending_clear(edx_pending *pending)
{
    pending->blocks.n = pending->offsets.n = pending->channels.n = pending->weights.n = 0;
}
