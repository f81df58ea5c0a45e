#include "bench/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/recording.h"

#define LAST 15u

double bench_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void bench_print_spread(const char *name, const double *values, uint32_t n)
{
    double sorted[LAST];
    uint32_t last = n < LAST ? n : LAST;

    if (last == 0)
        return;
    memcpy(sorted, values + (n - last), sizeof *sorted * last);
    qsort(sorted, last, sizeof *sorted, by_value);
    printf("\"%s\": [%.6g, %.6g, %.6g], ", name, sorted[0], sorted[last / 2], sorted[last - 1]);
}

typedef struct replay {
    const bench_calls *calls;
    void *context;
    edx_wire *wire;
    edx_events_buffer *buffer;
    edx_begin begin;
} replay;

static edx_status hand_over(replay *r, const edx_record *record, edx_error *err)
{
    const edx_limits limits = edx_limits_default();
    const edx_topic topic = edx_topic_parse(record->topic, record->topic_size);
    const edx_node *body;
    edx_frame frame;
    edx_events events;
    edx_status status = edx_wire_parse(r->wire, record->body, record->body_size, &body, err);

    if (status == EDX_OK && topic == EDX_TOPIC_IS_BEGIN) {
        status = edx_begin_read(body, &limits, &r->begin, err);
        return status == EDX_OK ? r->calls->begin(r->context, &r->begin, err) : status;
    }
    if (status != EDX_OK || topic != EDX_TOPIC_IS_FRAME)
        return status;
    status = edx_frame_read(body, &r->begin, &limits, &frame, err);
    if (status == EDX_OK)
        status = edx_events_from_frame(r->buffer, &frame, &events, err);
    return status == EDX_OK ? r->calls->frame(r->context, &frame, &events, err) : status;
}

edx_status bench_replay(const char *path, const bench_calls *calls, void *context, edx_error *err)
{
    replay r = {.calls = calls, .context = context};
    edx_recording *recording = NULL;
    edx_record record;
    edx_status status = EDX_E_NOMEM;

    r.wire = edx_wire_new(0);
    r.buffer = edx_events_buffer_new();
    if (r.wire != NULL && r.buffer != NULL)
        status = edx_recording_open(path, 0, &recording, err);
    while (status == EDX_OK && (status = edx_recording_next(recording, &record, err)) == EDX_OK)
        status = hand_over(&r, &record, err);
    edx_recording_free(&recording);
    edx_events_buffer_free(&r.buffer);
    edx_wire_free(&r.wire);
    return status == EDX_E_END ? EDX_OK : status;
}
