#include "analysis/tape.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that move on: by one pixel, or by what the next byte says. Others are symbols. */
#define STEP 0u
#define LEAP 255u
#define MARK 128u /* pixels from one mark to the next */

typedef struct message {
    uint64_t frame;
    uint32_t first; /* pixel */
    uint32_t marks;
    size_t n;
    uint8_t *bytes; /* [n] */
    uint32_t *mark; /* [marks] where what lies in pixel first + i MARK and after begins: the way
                       there ends at that pixel */
} message;

struct edx_tape {
    message *messages;
    size_t n, room;
    uint64_t bytes; /* of all messages */
    message now;    /* under way, in memory that is used again */
    size_t now_room, marks_room;
    uint32_t pixel; /* of the last symbol */
};

edx_status edx_tape_new(edx_tape **out, edx_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out != NULL ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory for counts by frame");
}

void edx_tape_clear(edx_tape *tape)
{
    for (size_t i = 0; i < tape->n; i++) {
        free(tape->messages[i].bytes);
        free(tape->messages[i].mark);
    }
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
    free(t->now.mark);
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

static bool make_room_for_marks(edx_tape *t, uint32_t marks)
{
    if (marks > t->marks_room) {
        free(t->now.mark);
        t->now.mark = malloc(2 * (size_t)marks * sizeof *t->now.mark);
        t->marks_room = t->now.mark != NULL ? 2 * (size_t)marks : 0;
    }
    return t->now.mark != NULL;
}

edx_status edx_tape_begin(edx_tape *tape, uint64_t frame, uint32_t first, uint32_t pixels,
                          size_t entries, edx_error *err)
{
    /* a symbol and a leap each, or a step for every pixel, and ways that are cut in two at marks */
    size_t most = 3 * entries + pixels + 3 * ((size_t)pixels / MARK + 1) + EDX_TAPE_SLACK;

    if (most > tape->now_room) {
        free(tape->now.bytes);
        tape->now.bytes = malloc(2 * most);
        tape->now_room = tape->now.bytes != NULL ? 2 * most : 0;
    }
    if (tape->now.bytes == NULL || most > UINT32_MAX || !make_room(tape) ||
        !make_room_for_marks(tape, pixels / MARK + 1))
        return edx_fail(err, EDX_E_NOMEM, "no memory for %zu counts of a frame", entries);
    tape->now.frame = frame;
    tape->now.first = tape->pixel = first;
    tape->now.n = 0;
    tape->now.marks = 0;
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

static void set_mark(edx_tape *t)
{
    uint32_t at = t->now.first + t->now.marks * MARK;

    move_on(t, at - t->pixel);
    t->pixel = at;
    t->now.mark[t->now.marks++] = (uint32_t)t->now.n;
}

/* Goes to a pixel; where its symbols begin. */
static size_t reach(edx_tape *t, uint32_t pixel)
{
    while (pixel - t->now.first >= t->now.marks * MARK)
        set_mark(t);
    if (pixel != t->pixel)
        move_on(t, pixel - t->pixel);
    t->pixel = pixel;
    return t->now.n;
}

void edx_tape_put_all(edx_tape *tape, uint32_t pixel, const uint8_t *symbols, size_t n)
{
    if (n == 0)
        return;
    (void)reach(tape, pixel);
    for (size_t i = 0; i < n; i++)
        tape->now.bytes[tape->now.n + i] = symbols[i];
    tape->now.n += n;
}

/* Symbols are copied EDX_TAPE_SLACK at a time, mostly once: how many they are is chance, which
 * branches follow badly. */
void edx_tape_put_run(edx_tape *tape, uint32_t first, uint32_t n, const uint8_t *symbols,
                      const uint32_t *ends)
{
    size_t at = reach(tape, first);
    uint32_t from = 0, way = first - tape->now.first;
    uint8_t *to = tape->now.bytes;

    for (uint32_t i = 0; i < n; i++) {
        if (i > 0)
            to[at++] = STEP;
        if (i > 0 && (way + i) % MARK == 0)
            tape->now.mark[tape->now.marks++] = (uint32_t)at;
        do {
            memcpy(to + at, symbols + from, EDX_TAPE_SLACK);
            at += EDX_TAPE_SLACK;
            from += EDX_TAPE_SLACK;
        } while (from < ends[i]);
        at -= from - ends[i];
        from = ends[i];
    }
    tape->now.n = at;
    tape->pixel = first + n - 1;
}

void edx_tape_put(edx_tape *tape, uint32_t pixel, uint8_t symbol)
{
    edx_tape_put_all(tape, pixel, &symbol, 1);
}

/* A copy of its size; without memory for it, what it was made in, which is used up then. */
static void *fit(void **made, size_t *room, size_t size)
{
    void *kept = malloc(size + 1);

    if (kept != NULL)
        return memcpy(kept, *made, size);
    kept = *made;
    *made = NULL;
    *room = 0;
    return kept;
}

void edx_tape_end(edx_tape *tape)
{
    size_t n = tape->now.n, marks = tape->now.marks * sizeof *tape->now.mark;
    message kept = tape->now;

    kept.bytes = fit((void **)&tape->now.bytes, &tape->now_room, n);
    kept.mark = fit((void **)&tape->now.mark, &tape->marks_room, marks);
    tape->messages[tape->n++] = kept;
    tape->bytes += n + marks + 2;
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

void edx_tape_visit_some(const edx_tape *tape, size_t index, uint32_t first, uint32_t end,
                         edx_tape_visitor *visit, void *context)
{
    const message *m = &tape->messages[index];
    uint32_t mark = first > m->first ? (first - m->first) / MARK : 0;

    if (mark >= m->marks || end <= m->first)
        return;
    const uint8_t *at = m->bytes + m->mark[mark], *stop = m->bytes + m->n;
    uint32_t pixel = m->first + mark * MARK;

    while (at < stop && pixel < end) {
        uint8_t byte = *at++;
        if (byte == STEP)
            pixel++;
        else if (byte == LEAP)
            pixel += *at++;
        else if (pixel >= first)
            visit(context, pixel, byte);
    }
}

void edx_tape_visit(const edx_tape *tape, size_t index, edx_tape_visitor *visit, void *context)
{
    edx_tape_visit_some(tape, index, 0, UINT32_MAX, visit, context);
}

uint64_t edx_tape_bytes(const edx_tape *tape)
{
    return tape->bytes + tape->room * sizeof *tape->messages + tape->now_room +
           tape->marks_room * sizeof *tape->now.mark;
}
