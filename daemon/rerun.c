#include "daemon/rerun.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/recording.h"
#include "proto/wire.h"

typedef struct message {
    uint64_t frame, offset;
} message;

struct edx_rerun {
    edx_recording *recording;
    edx_wire *wire;
    message *messages;
    size_t n, room;
};

static int by_frame(const void *a, const void *b)
{
    const message *x = a;
    const message *y = b;
    if (x->frame != y->frame) {
        return x->frame > y->frame ? 1 : -1;
    }
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Whether the record is a frame message of the acquisition, and its seq and frame. */
static bool is_frame(edx_rerun *r, const edx_record *record, const char *acq, uint64_t *seq,
                     uint64_t *frame)
{
    const edx_node *body = NULL;
    char name[EDX_ACQ_SIZE];
    return edx_topic_parse(record->topic, record->topic_size) == EDX_TOPIC_IS_FRAME &&
           edx_wire_parse(r->wire, record->body, record->body_size, &body, NULL) == EDX_OK &&
           edx_node_text(edx_map_get(body, "acq"), "acq", name, sizeof name, NULL) == EDX_OK &&
           strcmp(name, acq) == 0 &&
           edx_node_uint(edx_map_get(body, "seq"), "seq", UINT64_MAX, seq, NULL) == EDX_OK &&
           edx_node_uint(edx_map_get(body, "frame"), "frame", UINT64_MAX, frame, NULL) == EDX_OK;
}

static edx_status keep(edx_rerun *r, uint64_t frame, uint64_t offset, edx_error *err)
{
    if (r->n == r->room) {
        const size_t room = r->room ? 2 * r->room : 256;
        message *grown = realloc(r->messages, room * sizeof *grown);
        if (!grown) {
            return edx_fail(err, EDX_E_NOMEM, "no memory to read %zu messages again", room);
        }
        r->messages = grown;
        r->room = room;
    }
    r->messages[r->n++] = (message){frame, offset};
    return EDX_OK;
}

/* The first message of each seq is the one that was summed. */
static edx_status take(edx_rerun *r, const edx_record *record, const edx_source *source,
                       const edx_spans *summed, edx_spans *found, edx_error *err)
{
    uint64_t seq = 0;
    uint64_t frame = 0;
    if (record->offset < source->from || !is_frame(r, record, source->acq, &seq, &frame) ||
        !edx_spans_has(summed, seq) || edx_spans_has(found, seq)) {
        return EDX_OK;
    }
    if (!edx_spans_reserve(found)) {
        return edx_fail(err, EDX_E_NOMEM, "no memory to read messages again");
    }
    edx_spans_add(found, seq);
    return keep(r, frame, record->offset, err);
}

static edx_status find_all(edx_rerun *r, const edx_source *source, const edx_spans *summed,
                           edx_error *err)
{
    edx_spans found = {0};
    edx_status status = EDX_OK;
    while (status == EDX_OK || status == EDX_E_DAMAGED) {
        edx_record record;
        status = edx_recording_next(r->recording, &record, NULL);
        if (status == EDX_OK) {
            status = take(r, &record, source, summed, &found, err);
        }
    }
    if (status == EDX_E_END || status == EDX_E_TORN) {
        status =
            found.count == summed->count
                ? EDX_OK
                : edx_fail(err, EDX_E_STATE, "%s: %llu messages that were summed are not in it",
                           source->path, (unsigned long long)(summed->count - found.count));
    }
    edx_spans_clear(&found);
    return status;
}

edx_status edx_rerun_open(const edx_source *source, const edx_spans *summed, edx_rerun **out,
                          edx_error *err)
{
    edx_rerun *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r || !(r->wire = edx_wire_new(0))) {
        free(r);
        return edx_fail(err, EDX_E_NOMEM, "no memory to read messages again");
    }
    edx_status status = edx_recording_open(source->path, UINT64_MAX, &r->recording, err);
    if (status == EDX_OK) {
        status = find_all(r, source, summed, err);
    }
    if (status) {
        edx_rerun_free(&r);
        return status;
    }
    if (r->n > 1) {
        qsort(r->messages, r->n, sizeof *r->messages, by_frame);
    }
    *out = r;
    return EDX_OK;
}

void edx_rerun_free(edx_rerun **rerun)
{
    edx_rerun *r = *rerun;
    if (!r) {
        return;
    }
    edx_recording_free(&r->recording);
    edx_wire_free(&r->wire);
    free(r->messages);
    free(r);
    *rerun = NULL;
}

size_t edx_rerun_count(const edx_rerun *rerun)
{
    return rerun->n;
}

uint64_t edx_rerun_frame(const edx_rerun *rerun, size_t i)
{
    return rerun->messages[i].frame;
}

edx_status edx_rerun_read(edx_rerun *rerun, size_t i, const void **body, size_t *n, edx_error *err)
{
    edx_record record;
    const edx_status status =
        edx_recording_at(rerun->recording, rerun->messages[i].offset, &record, err);
    if (status == EDX_OK) {
        *body = record.body;
        *n = record.body_size;
    }
    return status;
}
