#include "instrument/replay.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/recording.h"
#include "proto/wire.h"

#define MAX_BEGINS 4096u

struct edx_replay {
    edx_recording *recording;
    edx_wire *wire;
    edx_limits limits;
    edx_begin **begins; /* of every acquisition so far, newest last */
    uint32_t n_begins;
    bool torn;
};

/* ---- formats ---- */

static edx_status open_recording(edx_replay *replay, const char *path, edx_error *err)
{
    return edx_recording_open(path, 0, &replay->recording, err);
}

static edx_status refuse(edx_replay *replay, const char *path, edx_error *err)
{
    (void)replay;
    const char *ending = strrchr(path, '.');
    return edx_fail(err, EDX_E_UNKNOWN,
                    "format %s, expected a recording (.edxr): the one format this version reads",
                    ending ? ending : "unknown");
}

/* By the ending of the name; a name with another ending is taken for a recording, whose first bytes
 * tell. */
static const struct format {
    const char *ending;
    edx_status (*open)(edx_replay *replay, const char *path, edx_error *err);
} formats[] = {
    {".edxr", open_recording},
    {".pts", refuse}, /* JEOL */
    {".emd", refuse}, /* Velox */
};

static const struct format *format_of(const char *path)
{
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending && i < sizeof formats / sizeof *formats; i++)
        if (strcasecmp(ending, formats[i].ending) == 0)
            return &formats[i];
    return &formats[0];
}

edx_status edx_replay_open(const char *path, edx_replay **out, edx_error *err)
{
    *out = NULL;
    edx_replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    replay->limits = edx_limits_default();
    replay->wire = edx_wire_new(0);
    edx_status status = replay->wire ? format_of(path)->open(replay, path, err)
                                     : edx_fail(err, EDX_E_NOMEM, "no memory");
    if (status != EDX_OK)
        edx_replay_free(&replay);
    *out = replay;
    return status;
}

void edx_replay_free(edx_replay **replay)
{
    if (!*replay)
        return;
    edx_recording_free(&(*replay)->recording);
    edx_wire_free(&(*replay)->wire);
    for (uint32_t i = 0; i < (*replay)->n_begins; i++)
        free((*replay)->begins[i]);
    free((*replay)->begins);
    free(*replay);
    *replay = NULL;
}

/* ---- begins ---- */

static edx_begin *find_begin(const edx_replay *replay, const char *acq)
{
    for (uint32_t i = replay->n_begins; i > 0; i--)
        if (strcmp(replay->begins[i - 1]->head.acq, acq) == 0)
            return replay->begins[i - 1];
    return NULL;
}

static edx_status add_begin(edx_replay *replay, const edx_begin *begin, edx_error *err)
{
    if (replay->n_begins == MAX_BEGINS)
        return edx_fail(err, EDX_E_LIMIT, "more than %u acquisitions in one file", MAX_BEGINS);
    edx_begin **begins = realloc(replay->begins, (replay->n_begins + 1) * sizeof *replay->begins);
    if (begins)
        replay->begins = begins;
    edx_begin *copy = begins ? malloc(sizeof *copy) : NULL;
    if (!copy)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    *copy = *begin;
    replay->begins[replay->n_begins++] = copy;
    return EDX_OK;
}

/* OK for a new begin, DUPLICATE for one that came before: same acquisition, same t. */
static edx_status take_begin(edx_replay *replay, const edx_node *body, edx_replay_message *out,
                             edx_error *err)
{
    edx_begin begin;
    edx_status status = edx_begin_read(body, &replay->limits, &begin, err);
    if (status != EDX_OK)
        return status;
    const edx_begin *known = find_begin(replay, begin.head.acq);
    if (known && known->head.t == begin.head.t)
        return EDX_E_DUPLICATE;
    status = add_begin(replay, &begin, err);
    out->kind = EDX_REPLAY_BEGIN;
    out->begin = status == EDX_OK ? replay->begins[replay->n_begins - 1] : NULL;
    return status;
}

/* ---- messages ---- */

static edx_status take_frame(edx_replay *replay, const edx_node *body, edx_replay_message *out,
                             edx_error *err)
{
    edx_head head;
    edx_status status = edx_head_read(body, &head, err);
    if (status != EDX_OK)
        return status;
    out->kind = EDX_REPLAY_FRAME;
    out->begin = find_begin(replay, head.acq);
    if (!out->begin)
        return edx_fail(err, EDX_E_STATE, "frame of %s, expected an edx.begin before it", head.acq);
    return edx_frame_read(body, out->begin, &replay->limits, &out->frame, err);
}

static edx_status take_end(edx_replay *replay, const edx_node *body, edx_replay_message *out,
                           edx_error *err)
{
    edx_status status = edx_end_read(body, &out->end, err);
    if (status != EDX_OK)
        return status;
    out->kind = EDX_REPLAY_END;
    out->begin = find_begin(replay, out->end.head.acq);
    if (!out->begin)
        return edx_fail(err, EDX_E_STATE, "end of %s, expected an edx.begin before it",
                        out->end.head.acq);
    return EDX_OK;
}

static edx_status decode(edx_replay *replay, const edx_record *record, edx_replay_message *out,
                         edx_error *err)
{
    const edx_node *body = NULL;
    edx_topic topic = edx_topic_parse(record->topic, record->topic_size);
    if (topic == EDX_TOPIC_IS_CONFIG) {
        out->kind = EDX_REPLAY_CONFIG;
        out->body = record->body;
        out->size = record->body_size;
        return EDX_OK;
    }
    if (topic == EDX_TOPIC_IS_OTHER)
        return edx_fail(err, EDX_E_UNKNOWN, "topic %.32s, expected edx.begin, edx.frame or edx.end",
                        record->topic);
    edx_status status = edx_wire_parse(replay->wire, record->body, record->body_size, &body, err);
    if (status != EDX_OK)
        return status;
    if (topic == EDX_TOPIC_IS_BEGIN)
        return take_begin(replay, body, out, err);
    if (topic == EDX_TOPIC_IS_FRAME)
        return take_frame(replay, body, out, err);
    return take_end(replay, body, out, err);
}

edx_status edx_replay_next(edx_replay *replay, edx_replay_message *out, edx_error *err)
{
    edx_record record;
    edx_status status = EDX_E_DUPLICATE;
    if (replay->torn)
        return edx_fail(err, EDX_E_END, "nothing more to read");
    while (status == EDX_E_DUPLICATE) {
        status = edx_recording_next(replay->recording, &record, err);
        replay->torn = status == EDX_E_TORN;
        if (status != EDX_OK)
            return status;
        out->arrival_ns = record.arrival_ns;
        status = decode(replay, &record, out, err);
        if (status != EDX_OK && status != EDX_E_DUPLICATE)
            edx_error_prefix(err, "record at byte %llu", (unsigned long long)record.offset);
    }
    return status;
}

uint64_t edx_replay_position(const edx_replay *replay)
{
    return edx_recording_position(replay->recording);
}

uint64_t edx_replay_size(const edx_replay *replay)
{
    return edx_recording_file_size(replay->recording);
}
