#include "analysis/tape.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that move on: by one pixel, or by what the next byte says. Others are symbols. */
#define STEP 0u
#define LEAP 255u

typedef struct message {
    uint64_t frame;
    uint32_t first; /* pixel */
    size_t n;
    uint8_t *bytes; /* [n] */
} message;

struct edx_tape {
    message *messages;
    size_t n, room;
    uint64_t bytes; /* of all messages */
    message now;    /* under way, in memory that is used again */
    size_t now_room;
    uint32_t pixel; /* of the last symbol */
};

edx_status edx_tape_new(edx_tape **out, edx_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory for counts by frame");
}

void edx_tape_clear(edx_tape *tape)
{
    for (size_t i = 0; i < tape->n; i++)
        free(tape->messages[i].bytes);
    tape->n = 0;
    tape->bytes = 0;
}

void edx_tape_free(edx_tape **tape)
{
    edx_tape *t = *tape;

    *tape = NULL;
    if (t == NULL)
        return;
    edx_tape_clear(t);
    free(t->messages);
    free(t->now.bytes);
    free(t);
}

/* ---- putting ---- */

static bool make_room(edx_tape *t)
{
    size_t room = 2 * (t->n + 1);

    if (t->n < t->room)
        return true;
    message *grown = realloc(t->messages, room * sizeof *grown);
    if (grown == NULL)
        return false;
    t->messages = grown;
    t->room = room;
    return true;
}

edx_status edx_tape_begin(edx_tape *tape, uint64_t frame, uint32_t first, uint32_t pixels,
                          size_t entries, edx_error *err)
{
    /* a symbol and a leap each, and leaps of nothing but the way */
    size_t most = 3 * entries + 2 * ((size_t)pixels / LEAP + 1);

    if (most > tape->now_room) {
        free(tape->now.bytes);
        tape->now.bytes = malloc(2 * most);
        tape->now_room = tape->now.bytes != NULL ? 2 * most : 0;
    }
    if (tape->now.bytes == NULL || !make_room(tape))
        return edx_fail(err, EDX_E_NOMEM, "no memory for %zu counts of a frame", entries);
    tape->now.frame = frame;
    tape->now.first = tape->pixel = first;
    tape->now.n = 0;
    return EDX_OK;
}

static void move_on(edx_tape *t, uint32_t gap)
{
    uint8_t *bytes = t->now.bytes;

    if (gap == 1)
        bytes[t->now.n++] = STEP;
    while (gap > 1) {
        uint32_t leap = gap < LEAP ? gap : LEAP;
        bytes[t->now.n++] = LEAP;
        bytes[t->now.n++] = (uint8_t)leap;
        gap -= leap;
        if (gap == 1)
            bytes[t->now.n++] = STEP;
    }
}

void edx_tape_put(edx_tape *tape, uint32_t pixel, uint8_t symbol)
{
    if (pixel != tape->pixel)
        move_on(tape, pixel - tape->pixel);
    tape->pixel = pixel;
    tape->now.bytes[tape->now.n++] = symbol;
}

/* Without memory for a copy of its size the message keeps the memory it was made in. */
void edx_tape_end(edx_tape *tape)
{
    size_t n = tape->now.n;
    message kept = tape->now;

    kept.bytes = malloc(n + 1);
    if (kept.bytes != NULL) {
        memcpy(kept.bytes, tape->now.bytes, n);
    } else {
        kept.bytes = tape->now.bytes;
        tape->now.bytes = NULL;
        tape->now_room = 0;
    }
    tape->messages[tape->n++] = kept;
    tape->bytes += n + 1;
}

/* ---- asking ---- */

size_t edx_tape_count(const edx_tape *tape)
{
    return tape->n;
}

uint64_t edx_tape_frame(const edx_tape *tape, size_t index)
{
    return tape->messages[index].frame;
}

void edx_tape_visit(const edx_tape *tape, size_t index, edx_tape_visitor *visit, void *context)
{
    const uint8_t *at = tape->messages[index].bytes, *end = at + tape->messages[index].n;
    uint32_t pixel = tape->messages[index].first;

    while (at < end) {
        uint8_t byte = *at++;
        if (byte == STEP)
            pixel++;
        else if (byte == LEAP)
            pixel += *at++;
        else
            visit(context, pixel, byte);
    }
}

uint64_t edx_tape_bytes(const edx_tape *tape)
{
    return tape->bytes + tape->room * sizeof *tape->messages + tape->now_room;
}
