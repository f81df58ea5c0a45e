/* What looking at the beam costs, frame by frame: where the specimen has moved to, and whether
 * something changes. Prints one JSON object on one line.
 *
 * usage: beam RECORDING
 *
 * Times are of the processor, so that a busy machine says the same; the mean of all frames and the
 * largest, since now and then all frames are counted anew. Channels are binned by 4. The particle
 * that is watched is a disc in the middle, a third of the field wide. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "analysis/drift.h"
#include "analysis/linalg.h"
#include "analysis/lines.h"
#include "analysis/watch.h"
#include "proto/recording.h"

#define BIN 4u

typedef struct cost {
    double mean, worst;
} cost;

typedef struct bench {
    edx_begin begin;
    edx_line lines[EDX_MAX_LINES];
    uint32_t n, frames;
    double *rows; /* [n, E] */
    uint32_t *owner;
    edx_particle_place place;
    edx_drift *drift;
    edx_watch *watch;
    cost drift_ms, add_ms, watch_ms;
} bench;

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void count(cost *c, double ms)
{
    c->mean += ms;
    c->worst = fmax(c->worst, ms);
}

static void place_particle(bench *b)
{
    const double *step = b->begin.step_nm;
    edx_particle_place *p = &b->place;

    p->id = 1;
    p->centre_nm[0] = 0.5 * b->begin.rows * step[0];
    p->centre_nm[1] = 0.5 * b->begin.cols * step[1];
    p->radius_nm = fmin(p->centre_nm[0], p->centre_nm[1]) / 3 * (1 + 0.01 * sin(b->frames));
    p->diameter_nm = 2 * p->radius_nm;
    for (uint32_t i = 0; i < b->begin.rows * b->begin.cols; i++)
        b->owner[i] = hypot(i / b->begin.cols * step[0] - p->centre_nm[0],
                            i % b->begin.cols * step[1] - p->centre_nm[1]) < p->radius_nm;
}

static edx_status open_watch(bench *b, edx_error *err)
{
    const edx_begin *g = &b->begin;
    const edx_axis axis = {g->offset_eV + g->scale_eV * (BIN - 1) / 2.0, g->scale_eV * BIN,
                           g->channels / BIN};
    edx_settings settings;

    edx_settings_default(&settings);
    edx_status status = edx_lines_resolve(&settings, g, &axis, b->lines, &b->n, err);
    b->rows = calloc((size_t)b->n * axis.channels + 1, sizeof *b->rows);
    b->owner = calloc((size_t)g->rows * g->cols, sizeof *b->owner);
    if (status == EDX_OK && (b->rows == NULL || b->owner == NULL))
        status = EDX_E_NOMEM;
    if (status != EDX_OK)
        return status;
    for (uint32_t i = 0; i < b->n; i++) {
        edx_windows windows = edx_lines_windows(&b->lines[i]);
        (void)edx_windows_row(&axis, &windows, b->rows + (size_t)i * axis.channels);
    }
    place_particle(b);
    const edx_watch_setup setup = {.begin = g,
                                   .axis = axis,
                                   .bin_energy = BIN,
                                   .hi = g->channels,
                                   .lines = b->lines,
                                   .n = b->n,
                                   .rows_v = b->rows,
                                   .limit = settings.quant.limit,
                                   .target_sigma = settings.analysis.target_sigma};
    return edx_watch_new(&setup, &b->watch, err);
}

static edx_status begin(bench *b, const edx_node *body, edx_error *err)
{
    edx_limits limits = edx_limits_default();
    edx_status status = edx_begin_read(body, &limits, &b->begin, err);

    if (status == EDX_OK)
        status = open_watch(b, err);
    if (status == EDX_OK)
        status = edx_drift_new(b->begin.rows, b->begin.cols, &b->drift, err);
    return status;
}

static edx_status watch(bench *b, edx_error *err)
{
    const edx_watch_input input = {.places = &b->place,
                                   .count = 1,
                                   .owner = b->owner,
                                   .exposure = b->frames + 1,
                                   .frames = b->frames + 1,
                                   .frame_s = 1};
    edx_alarm findings[EDX_WATCH_FINDINGS];
    edx_trend_result out;

    return edx_watch_update(b->watch, &input, &out, findings, err);
}

static edx_status take(bench *b, const edx_frame *frame, const edx_events *events, edx_error *err)
{
    double start = now_ms();

    edx_drift_look(b->drift, frame->frame, frame->row, events, 0, b->begin.channels,
                   frame->n_images > 0 ? &frame->images[0] : NULL);
    edx_status status = edx_drift_register(b->drift, err);
    double placed = now_ms();
    if (status == EDX_OK)
        status = edx_watch_add(b->watch, frame->frame, frame->row, events, err);
    double added = now_ms();
    place_particle(b); /* which others do */
    double seen = now_ms();
    if (status == EDX_OK)
        status = watch(b, err);
    double end = now_ms();
    count(&b->drift_ms, placed - start);
    count(&b->add_ms, added - placed);
    count(&b->watch_ms, end - seen);
    b->frames++;
    return status;
}

static edx_status replay(bench *b, const char *path, edx_wire *wire, edx_events_buffer *buffer,
                         edx_error *err)
{
    edx_limits limits = edx_limits_default();
    edx_recording *recording = NULL;
    edx_record record;
    const edx_node *body;
    edx_status status = edx_recording_open(path, 0, &recording, err);

    while (status == EDX_OK && (status = edx_recording_next(recording, &record, err)) == EDX_OK) {
        edx_topic topic = edx_topic_parse(record.topic, record.topic_size);
        edx_frame frame;
        edx_events events;
        status = edx_wire_parse(wire, record.body, record.body_size, &body, err);
        if (status == EDX_OK && topic == EDX_TOPIC_IS_BEGIN)
            status = begin(b, body, err);
        if (status != EDX_OK || topic != EDX_TOPIC_IS_FRAME)
            continue;
        status = edx_frame_read(body, &b->begin, &limits, &frame, err);
        if (status == EDX_OK)
            status = edx_events_from_frame(buffer, &frame, &events, err);
        if (status == EDX_OK)
            status = take(b, &frame, &events, err);
    }
    edx_recording_free(&recording);
    return status == EDX_E_END ? EDX_OK : status;
}

static void print(const char *name, const cost *c, uint32_t frames, const char *end)
{
    printf("\"%s\": [%.6g, %.6g]%s", name, c->mean / frames, c->worst, end);
}

int main(int argc, char **argv)
{
    static bench b;
    edx_error err = {0};
    edx_wire *wire = edx_wire_new(0);
    edx_events_buffer *buffer = edx_events_buffer_new();
    edx_status status = wire != NULL && buffer != NULL ? EDX_OK : EDX_E_NOMEM;

    if (argc != 2) {
        fputs("usage: beam RECORDING\n", stderr);
        return 2;
    }
    edx_linalg_init();
    if (status == EDX_OK)
        status = replay(&b, argv[1], wire, buffer, &err);
    if (status == EDX_OK && b.frames > 0) {
        printf("{\"frames\": %u, ", b.frames);
        print("drift_ms", &b.drift_ms, b.frames, ", ");
        print("add_ms", &b.add_ms, b.frames, ", ");
        print("watch_ms", &b.watch_ms, b.frames, "}\n");
    } else {
        fprintf(stderr, "beam: %s: %s\n", argv[1], err.text);
    }
    edx_drift_free(&b.drift);
    edx_watch_free(&b.watch);
    edx_wire_free(&wire);
    edx_events_buffer_free(&buffer);
    free(b.rows);
    free(b.owner);
    return status == EDX_OK && b.frames > 0 ? 0 : 1;
}
