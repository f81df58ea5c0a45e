#include "daemon/arrears.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/spans.h"

typedef struct waiting {
    struct waiting *next;
    edx_message body;
    const char *topic;
    uint64_t unix_ns, seq, frame;
    bool is_frame;
    size_t weight;
} waiting;

struct edx_arrears {
    size_t limit, bytes;
    waiting *first, **last;
    edx_spans seq, frames; /* missing */
    bool unnamed;          /* there was no memory to remember which */
};

#define BLOCK 8192u /* a small message of libzmq's holds on to the block that it was read with */

edx_arrears *edx_arrears_new(size_t limit)
{
    edx_arrears *a = calloc(1, sizeof *a);
    if (a) {
        a->limit = limit;
        a->last = &a->first;
    }
    return a;
}

static void drop_first(edx_arrears *a)
{
    waiting *w = a->first;
    a->first = w->next;
    a->last = a->first ? a->last : &a->first;
    a->bytes -= w->weight;
    edx_message_close(&w->body);
    free(w);
}

void edx_arrears_free(edx_arrears **arrears)
{
    edx_arrears *a = *arrears;
    if (!a) {
        return;
    }
    while (a->first) {
        drop_first(a);
    }
    edx_spans_clear(&a->seq);
    edx_spans_clear(&a->frames);
    free(a);
    *arrears = NULL;
}

/* ---- what is missing ---- */

static void note(edx_arrears *a, edx_spans *spans, uint64_t value)
{
    if (!edx_spans_reserve(spans)) {
        a->unnamed = true;
    } else if (!edx_spans_has(spans, value)) {
        edx_spans_add(spans, value);
    }
}

static void note_missing(edx_arrears *a, uint64_t seq, uint64_t frame)
{
    note(a, &a->seq, seq);
    note(a, &a->frames, frame);
}

uint64_t edx_arrears_missing(const edx_arrears *arrears, char *text, size_t size)
{
    char seq[160];
    char frames[160];
    edx_spans_text(&arrears->seq, seq, sizeof seq);
    edx_spans_text(&arrears->frames, frames, sizeof frames);
    snprintf(text, size, "seq %s (frames %s)%s", seq, frames,
             arrears->unnamed ? " and more that there was no memory to note" : "");
    return arrears->seq.count + arrears->unnamed;
}

/* ---- what waits ---- */

static waiting *copy_of(const edx_entry *entry)
{
    waiting *w = calloc(1, sizeof *w);
    if (!w) {
        return NULL;
    }
    edx_message_init(&w->body);
    if (entry->owner) {
        edx_message_share(&w->body, entry->owner);
    } else if (edx_message_set(&w->body, entry->body, entry->size)) {
        free(w);
        return NULL;
    }
    w->topic = entry->topic;
    w->unix_ns = entry->unix_ns;
    w->is_frame = entry->frame != NULL;
    w->seq = entry->frame ? entry->frame->seq : 0;
    w->frame = entry->frame ? entry->frame->frame : 0;
    return w;
}

bool edx_arrears_keep(edx_arrears *arrears, const edx_entry *entry)
{
    const size_t weight = sizeof(waiting) + (entry->size > BLOCK ? entry->size : BLOCK);
    const bool room = !entry->frame || arrears->bytes + weight <= arrears->limit;
    waiting *w = room ? copy_of(entry) : NULL;
    if (!w) {
        if (entry->frame) {
            note_missing(arrears, entry->frame->seq, entry->frame->frame);
        }
        return false;
    }
    w->weight = weight;
    arrears->bytes += weight;
    *arrears->last = w;
    arrears->last = &w->next;
    return true;
}

bool edx_arrears_waits(const edx_arrears *arrears)
{
    return arrears->first != NULL;
}

edx_status edx_arrears_pay(edx_arrears *arrears, edx_run_file *file, edx_error *err)
{
    while (arrears->first) {
        waiting *w = arrears->first;
        const edx_status status =
            edx_run_file_write(file, w->topic, edx_message_data(&w->body),
                               edx_message_size(&w->body), w->unix_ns, NULL, err);
        if (status) {
            return status;
        }
        drop_first(arrears);
    }
    return EDX_OK;
}

void edx_arrears_give_up(edx_arrears *arrears)
{
    while (arrears->first) {
        if (arrears->first->is_frame) {
            note_missing(arrears, arrears->first->seq, arrears->first->frame);
        }
        drop_first(arrears);
    }
}
