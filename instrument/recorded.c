#include "instrument/recorded.h"

#include <stdlib.h>
#include <string.h>

#include "proto/recording.h"
#include "proto/wire.h"

#define MAX_BEGINS 4096u

typedef struct recorded {
    edx_recording *recording;
    edx_wire *wire;
    edx_limits limits;
    edx_begin **begins; /* of every acquisition so far, newest last */
    uint32_t n_begins;
    bool growing; /* a torn last record may be one that is being written */
    bool ended;
} recorded;

static void close_recorded(void *self)
{
    recorded *source = self;
    edx_recording_free(&source->recording);
    edx_wire_free(&source->wire);
    for (uint32_t i = 0; i < source->n_begins; i++)
        free(source->begins[i]);
    free(source->begins);
    free(source);
}

static edx_status open_recorded(const char *path, const edx_source_options *options, void **self,
                                edx_error *err)
{
    *self = NULL;
    recorded *source = calloc(1, sizeof *source);
    if (!source)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    source->limits = edx_limits_default();
    source->growing = options->growing;
    source->wire = edx_wire_new(0);
    edx_status status = source->wire ? edx_recording_open(path, 0, &source->recording, err)
                                     : edx_fail(err, EDX_E_NOMEM, "no memory");
    if (status == EDX_OK)
        *self = source;
    else
        close_recorded(source);
    return status;
}

/* ---- begins ---- */

static edx_begin *find_begin(const recorded *source, const char *acq)
{
    for (uint32_t i = source->n_begins; i > 0; i--)
        if (strcmp(source->begins[i - 1]->head.acq, acq) == 0)
            return source->begins[i - 1];
    return NULL;
}

static edx_status add_begin(recorded *source, const edx_begin *begin, edx_error *err)
{
    if (source->n_begins == MAX_BEGINS)
        return edx_fail(err, EDX_E_LIMIT, "more than %u acquisitions in one file", MAX_BEGINS);
    edx_begin **begins = realloc(source->begins, (source->n_begins + 1) * sizeof *source->begins);
    if (begins)
        source->begins = begins;
    edx_begin *copy = begins ? malloc(sizeof *copy) : NULL;
    if (!copy)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    *copy = *begin;
    source->begins[source->n_begins++] = copy;
    return EDX_OK;
}

/* OK for a new begin, DUPLICATE for one that came before: same acquisition, same t. */
static edx_status take_begin(recorded *source, const edx_node *body, edx_source_message *out,
                             edx_error *err)
{
    edx_begin begin;
    edx_status status = edx_begin_read(body, &source->limits, &begin, err);
    if (status != EDX_OK)
        return status;
    const edx_begin *known = find_begin(source, begin.head.acq);
    if (known && known->head.t == begin.head.t)
        return EDX_E_DUPLICATE;
    status = add_begin(source, &begin, err);
    out->kind = EDX_SOURCE_BEGIN;
    out->begin = status == EDX_OK ? source->begins[source->n_begins - 1] : NULL;
    return status;
}

/* ---- messages ---- */

static edx_status take_frame(recorded *source, const edx_node *body, edx_source_message *out,
                             edx_error *err)
{
    edx_head head;
    edx_status status = edx_head_read(body, &head, err);
    if (status != EDX_OK)
        return status;
    out->kind = EDX_SOURCE_FRAME;
    out->begin = find_begin(source, head.acq);
    if (!out->begin)
        return edx_fail(err, EDX_E_STATE, "frame of %s, expected an edx.begin before it", head.acq);
    return edx_frame_read(body, out->begin, &source->limits, &out->frame, err);
}

static edx_status take_end(recorded *source, const edx_node *body, edx_source_message *out,
                           edx_error *err)
{
    edx_status status = edx_end_read(body, &out->end, err);
    if (status != EDX_OK)
        return status;
    out->kind = EDX_SOURCE_END;
    out->begin = find_begin(source, out->end.head.acq);
    if (!out->begin)
        return edx_fail(err, EDX_E_STATE, "end of %s, expected an edx.begin before it",
                        out->end.head.acq);
    return EDX_OK;
}

static edx_status decode(recorded *source, const edx_record *record, edx_source_message *out,
                         edx_error *err)
{
    const edx_node *body = NULL;
    edx_topic topic = edx_topic_parse(record->topic, record->topic_size);
    if (topic == EDX_TOPIC_IS_CONFIG) {
        out->kind = EDX_SOURCE_CONFIG;
        out->body = record->body;
        out->size = record->body_size;
        return EDX_OK;
    }
    if (topic == EDX_TOPIC_IS_OTHER)
        return edx_fail(err, EDX_E_UNKNOWN, "topic %.32s, expected edx.begin, edx.frame or edx.end",
                        record->topic);
    edx_status status = edx_wire_parse(source->wire, record->body, record->body_size, &body, err);
    if (status != EDX_OK)
        return status;
    if (topic == EDX_TOPIC_IS_BEGIN)
        return take_begin(source, body, out, err);
    if (topic == EDX_TOPIC_IS_FRAME)
        return take_frame(source, body, out, err);
    return take_end(source, body, out, err);
}

/* The next record, or END. */
static edx_status next_record(recorded *source, edx_record *record, edx_error *err)
{
    if (source->ended)
        return edx_fail(err, EDX_E_END, "nothing more to read");
    edx_status status = edx_recording_next(source->recording, record, err);
    if (status == EDX_E_TORN && source->growing)
        return edx_fail(err, EDX_E_END, "nothing more to read yet");
    source->ended = status == EDX_E_TORN;
    return status;
}

static edx_status next_recorded(void *self, edx_source_message *out, edx_error *err)
{
    recorded *source = self;
    edx_record record;
    edx_status status = EDX_E_DUPLICATE;
    while (status == EDX_E_DUPLICATE) {
        status = next_record(source, &record, err);
        if (status != EDX_OK)
            return status;
        out->arrival_ns = record.arrival_ns;
        status = decode(source, &record, out, err);
        if (status != EDX_OK && status != EDX_E_DUPLICATE)
            edx_error_prefix(err, "record at byte %llu", (unsigned long long)record.offset);
    }
    return status;
}

static void settle_recorded(void *self)
{
    ((recorded *)self)->growing = false;
}

static uint64_t position_recorded(const void *self)
{
    return edx_recording_position(((const recorded *)self)->recording);
}

static uint64_t size_recorded(const void *self)
{
    return edx_recording_file_size(((const recorded *)self)->recording);
}

const edx_source edx_recorded_source = {
    .ending = ".edxr",
    .grows = true,
    .open = open_recorded,
    .next = next_recorded,
    .settle = settle_recorded,
    .position = position_recorded,
    .size = size_recorded,
    .close = close_recorded,
};
