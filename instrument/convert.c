#include "instrument/convert.h"

#include <stdio.h>
#include <string.h>

#include "instrument/whole.h"

typedef struct conversion {
    edx_replay *replay;
    edx_output *output;
    const edx_convert_options *options;
    edx_whole *whole; /* of the acquisition that runs, else NULL */
    edx_end end;      /* of it, as far as known */
    uint64_t acquisitions;
} conversion;

static void tell(const conversion *c, const char *text)
{
    c->options->lost(c->options->context, text);
}

static edx_status write_frame(void *context, const edx_frame *frame, uint32_t missing,
                              edx_error *err)
{
    conversion *c = context;
    if (missing > 0) {
        char text[EDX_ACQ_SIZE + 96];
        snprintf(text, sizeof text, "frame %llu of %s: %u rows never came and are empty",
                 (unsigned long long)frame->frame, frame->head.acq, missing);
        tell(c, text);
    }
    if (frame->head.t > c->end.head.t)
        c->end.head.t = frame->head.t;
    return edx_output_frame(c->output, frame, err);
}

/* The end is written when nothing can come after it any more. */
static edx_status finish_acquisition(conversion *c, edx_error *err)
{
    if (!c->whole)
        return EDX_OK;
    edx_status status = edx_whole_flush(c->whole, err);
    c->end.frames = c->end.messages = edx_whole_frames(c->whole);
    if (status == EDX_OK)
        status = edx_output_end(c->output, &c->end, err);
    edx_whole_free(&c->whole);
    return status;
}

static edx_status start_acquisition(conversion *c, const edx_begin *begin, edx_error *err)
{
    edx_status status = finish_acquisition(c, err);
    if (status != EDX_OK)
        return status;
    c->whole = edx_whole_new(begin, write_frame, c);
    if (!c->whole)
        return edx_fail(err, EDX_E_NOMEM, "no memory for whole frames");
    c->acquisitions++;
    memset(&c->end, 0, sizeof c->end);
    c->end.head = begin->head;
    snprintf(c->end.reason, sizeof c->end.reason, "stopped");
    return edx_output_begin(c->output, begin, err);
}

static edx_status take(conversion *c, const edx_source_message *message, edx_error *err)
{
    if (message->kind == EDX_SOURCE_CONFIG)
        return edx_output_raw(c->output, EDX_TOPIC_CONFIG, message->body, message->size, err);
    if (message->kind == EDX_SOURCE_BEGIN) {
        edx_output_arrival(c->output, message->arrival_ns);
        return start_acquisition(c, message->begin, err);
    }
    edx_output_arrival(c->output, message->arrival_ns);
    if (!c->whole || strcmp(message->begin->head.acq, c->end.head.acq) != 0) {
        char text[EDX_ACQ_SIZE + 64];
        snprintf(text, sizeof text, "message of %s after the next edx.begin: left out",
                 message->begin->head.acq);
        tell(c, text);
        return EDX_OK;
    }
    if (message->kind == EDX_SOURCE_FRAME)
        return edx_whole_add(c->whole, &message->frame, err);
    c->end = message->end;
    return EDX_OK;
}

static edx_status convert_all(conversion *c, edx_error *err)
{
    edx_source_message message;
    for (;;) {
        edx_status status = edx_replay_next(c->replay, &message, err);
        if (status == EDX_E_END)
            return EDX_OK;
        bool read = status == EDX_OK;
        if (read)
            status = take(c, &message, err);
        if (status == EDX_E_IO || status == EDX_E_NOMEM)
            return status;
        if (status != EDX_OK && err)
            tell(c, err->text);
        if (status != EDX_OK && read && status != EDX_E_DUPLICATE)
            return status;
        c->options->step(c->options->context, edx_replay_position(c->replay));
    }
}

edx_status edx_convert(edx_replay *replay, edx_output *output, const edx_convert_options *options,
                       edx_error *err)
{
    conversion c = {.replay = replay, .output = output, .options = options};
    edx_status status = convert_all(&c, err);
    if (status == EDX_OK)
        status = finish_acquisition(&c, err);
    edx_whole_free(&c.whole);
    if (status == EDX_OK && c.acquisitions == 0)
        status = edx_fail(err, EDX_E_STATE, "no edx.begin in it, expected an acquisition");
    return status;
}
