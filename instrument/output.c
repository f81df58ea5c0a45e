#include "instrument/output.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "proto/recording.h"
#include "proto/wire.h"

#define BEGIN_EVERY 10 /* frames */

struct edx_output {
    edx_sender *sender; /* live, else */
    edx_recording_writer *writer;
    char *path, *aside;
    edx_pack *pack;
    double speed;
    bool repeat_begin;
    void *begin_body; /* the last begin as sent */
    size_t begin_size;
    char begin_acq[EDX_ACQ_SIZE];
    uint64_t frames;     /* since that begin */
    double due_s;        /* monotonic; 0: no message yet */
    double lag_s;        /* of silences in a recording */
    uint64_t arrival_ns; /* 0: from t */
};

bool edx_output_speed(const char *text, double *out)
{
    char *end = NULL;
    if (strcmp(text, "max") == 0) {
        *out = 0.0;
        return true;
    }
    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out) && *out > 0.0;
}

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* ---- life ---- */

static edx_status no_memory(edx_error *err)
{
    return edx_fail(err, EDX_E_NOMEM, "no memory for messages");
}

static edx_output *new_output(void)
{
    edx_output *output = calloc(1, sizeof *output);
    if (!output)
        return NULL;
    output->pack = edx_pack_new();
    if (!output->pack)
        edx_output_free(&output);
    return output;
}

edx_status edx_output_live(const edx_sender_options *options, double speed, edx_output **out,
                           edx_error *err)
{
    edx_output *output = new_output();
    *out = NULL;
    if (!output)
        return no_memory(err);
    output->speed = speed;
    output->repeat_begin = options->pattern == EDX_SENDER_PUB;
    edx_status status = edx_sender_new(options, &output->sender, err);
    if (status != EDX_OK)
        edx_output_free(&output);
    *out = output;
    return status;
}

static edx_status create(edx_output *output, const char *path, edx_error *err)
{
    size_t n = strlen(path) + sizeof ".part";
    output->path = strdup(path);
    output->aside = malloc(n);
    if (!output->path || !output->aside)
        return no_memory(err);
    snprintf(output->aside, n, "%s.part", path);
    if (unlink(output->aside) != 0 && errno != ENOENT)
        return edx_fail(err, EDX_E_IO, "%s: %s, expected a file that can be replaced",
                        output->aside, strerror(errno));
    edx_status status = edx_recording_create(output->aside, &output->writer, err);
    if (status != EDX_OK)
        edx_error_prefix(err, "%s", output->aside);
    return status;
}

edx_status edx_output_file(const char *path, edx_output **out, edx_error *err)
{
    edx_output *output = new_output();
    *out = NULL;
    if (!output)
        return no_memory(err);
    edx_status status = create(output, path, err);
    if (status != EDX_OK)
        edx_output_free(&output);
    *out = output;
    return status;
}

void edx_output_free(edx_output **output)
{
    edx_output *o = *output;
    if (!o)
        return;
    if (o->writer) {
        edx_recording_writer_free(&o->writer);
        unlink(o->aside);
    }
    edx_sender_free(&o->sender);
    edx_pack_free(&o->pack);
    free(o->begin_body);
    free(o->path);
    free(o->aside);
    free(o);
    *output = NULL;
}

/* ---- messages ---- */

static uint64_t arrival(const edx_output *output, double t)
{
    if (output->arrival_ns != 0)
        return output->arrival_ns;
    return (uint64_t)llround((t + output->lag_s) * 1e9);
}

/* What is in the pack, or bytes that never were. */
static edx_status put(edx_output *output, const edx_outgoing *message, double t, edx_error *err)
{
    if (output->sender)
        return edx_sender_send(output->sender, message, err);
    edx_status status = edx_recording_write(output->writer, message->topic, message->body,
                                            message->size, arrival(output, t), NULL, err);
    if (status != EDX_OK)
        edx_error_prefix(err, "%s", output->aside);
    return status;
}

static edx_status put_pack(edx_output *output, const char *topic, const edx_head *head,
                           const uint64_t *seq, edx_error *err)
{
    edx_status status = edx_pack_status(output->pack);
    if (status != EDX_OK)
        return no_memory(err);
    edx_outgoing message = {.topic = topic,
                            .body = edx_pack_data(output->pack),
                            .size = edx_pack_size(output->pack),
                            .acq = head->acq,
                            .has_seq = seq != NULL,
                            .seq = seq ? *seq : 0};
    return put(output, &message, head->t, err);
}

static void stamp(const edx_output *output, edx_head *head)
{
    head->t = output->sender ? seconds_of(CLOCK_REALTIME) : head->t + output->lag_s;
}

static edx_status keep_begin(edx_output *output, const edx_head *head, edx_error *err)
{
    size_t size = edx_pack_size(output->pack);
    if (edx_pack_status(output->pack) != EDX_OK)
        return no_memory(err);
    void *body = realloc(output->begin_body, size ? size : 1);
    if (!body)
        return no_memory(err);
    memcpy(body, edx_pack_data(output->pack), size);
    output->begin_body = body;
    output->begin_size = size;
    memcpy(output->begin_acq, head->acq, sizeof output->begin_acq);
    output->frames = 0;
    return EDX_OK;
}

static edx_status send_begin_again(edx_output *output, edx_error *err)
{
    edx_outgoing message = {.topic = EDX_TOPIC_BEGIN,
                            .body = output->begin_body,
                            .size = output->begin_size,
                            .acq = output->begin_acq};
    return put(output, &message, 0.0, err);
}

edx_status edx_output_begin(edx_output *output, const edx_begin *begin, edx_error *err)
{
    edx_begin stamped = *begin;
    stamp(output, &stamped.head);
    edx_begin_write(output->pack, &stamped);
    edx_status status = EDX_OK;
    if (output->repeat_begin)
        status = keep_begin(output, &stamped.head, err);
    if (status == EDX_OK)
        status = put_pack(output, EDX_TOPIC_BEGIN, &stamped.head, NULL, err);
    return status;
}

edx_status edx_output_frame(edx_output *output, const edx_frame *frame, edx_error *err)
{
    edx_frame stamped = *frame;
    edx_status status = EDX_OK;
    if (output->repeat_begin && output->begin_body && output->frames > 0 &&
        output->frames % BEGIN_EVERY == 0 && strcmp(output->begin_acq, frame->head.acq) == 0)
        status = send_begin_again(output, err);
    if (status != EDX_OK)
        return status;
    output->frames++;
    stamp(output, &stamped.head);
    edx_frame_write(output->pack, &stamped);
    return put_pack(output, EDX_TOPIC_FRAME, &stamped.head, &stamped.seq, err);
}

edx_status edx_output_end(edx_output *output, const edx_end *end, edx_error *err)
{
    edx_end stamped = *end;
    stamp(output, &stamped.head);
    edx_end_write(output->pack, &stamped);
    return put_pack(output, EDX_TOPIC_END, &stamped.head, NULL, err);
}

edx_status edx_output_raw(edx_output *output, const char *topic, const void *body, size_t n,
                          edx_error *err)
{
    edx_outgoing message = {.topic = topic, .body = body, .size = n};
    return put(output, &message, seconds_of(CLOCK_REALTIME), err);
}

/* ---- time ---- */

edx_status edx_output_pace(edx_output *output, double seconds, edx_error *err)
{
    if (!output->sender || output->speed <= 0.0)
        return EDX_OK;
    double now = seconds_of(CLOCK_MONOTONIC);
    double due = (output->due_s > 0.0 ? output->due_s : now) + seconds / output->speed;
    output->due_s = due > now ? due : now;
    return due > now ? edx_sender_pause(output->sender, due - now, err) : EDX_OK;
}

edx_status edx_output_silence(edx_output *output, double seconds, edx_error *err)
{
    if (output->sender)
        return edx_sender_pause(output->sender, seconds, err);
    output->lag_s += seconds;
    return EDX_OK;
}

void edx_output_arrival(edx_output *output, uint64_t arrival_ns)
{
    output->arrival_ns = arrival_ns;
}

/* ---- the end ---- */

edx_status edx_output_finish(edx_output *output, edx_error *err)
{
    if (output->sender)
        return edx_sender_finish(output->sender, err);
    edx_status status = edx_recording_sync(output->writer, err);
    if (status != EDX_OK) {
        edx_error_prefix(err, "%s", output->aside);
        return status;
    }
    edx_recording_writer_free(&output->writer);
    if (rename(output->aside, output->path) == 0)
        return EDX_OK;
    status = edx_fail(err, EDX_E_IO, "%s: %s, expected a file that can be replaced", output->path,
                      strerror(errno));
    unlink(output->aside);
    return status;
}

edx_sender_counts edx_output_counts(const edx_output *output)
{
    return output->sender ? edx_sender_statistics(output->sender) : (edx_sender_counts){0};
}
