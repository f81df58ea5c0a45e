/* A real recording, FePt on carbon, whose net counts HyperSpy 1.7.3 gives (data/reference.json). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/analysis.h"
#include "proto/recording.h"

#define SKIP 77

typedef struct replay {
    edx_wire *wire;
    edx_recording *recording;
    edx_events_buffer *buffer;
    edx_begin begin;
    edx_analysis *analysis;
} replay;

static edx_settings settings_of_reference(void)
{
    static const double windows[2][6] = {{6232, 6572, 6032, 6152, 6652, 6772},
                                         {9252, 9632, 9012, 9152, 9732, 9872}};
    static const char *const names[2] = {"Fe_Ka", "Pt_La"};
    edx_settings s;
    edx_settings_default(&s);
    s.analysis.bin_energy = s.analysis.bin_pixels = 1;
    s.quant.n_lines = 2;
    for (int i = 0; i < 2; i++) {
        snprintf(s.quant.lines[i].line, sizeof s.quant.lines[i].line, "%s", names[i]);
        memcpy(s.quant.lines[i].window_eV, windows[i], 2 * sizeof(double));
        memcpy(s.quant.lines[i].background_eV, windows[i] + 2, 4 * sizeof(double));
    }
    return s;
}

static edx_status take_frame(replay *r, const edx_node *body, edx_error *err)
{
    edx_limits limits = edx_limits_default();
    edx_frame frame;
    edx_events events;
    edx_status status = edx_frame_read(body, &r->begin, &limits, &frame, err);
    if (status == EDX_OK)
        status = edx_events_from_frame(r->buffer, &frame, &events, err);
    if (status == EDX_OK)
        status = edx_analysis_add(r->analysis, &frame, &events, err);
    if (status == EDX_OK)
        edx_analysis_frame(r->analysis, frame.frame, true);
    return status;
}

static edx_status take_record(replay *r, const edx_record *record, edx_error *err)
{
    const edx_settings settings = settings_of_reference();
    edx_limits limits = edx_limits_default();
    const edx_node *body;
    edx_topic topic = edx_topic_parse(record->topic, record->topic_size);
    edx_status status = edx_wire_parse(r->wire, record->body, record->body_size, &body, err);
    if (status == EDX_OK && topic == EDX_TOPIC_IS_FRAME)
        return take_frame(r, body, err);
    if (status == EDX_OK && topic == EDX_TOPIC_IS_BEGIN && !r->analysis) {
        status = edx_begin_read(body, &limits, &r->begin, err);
        if (status == EDX_OK)
            status = edx_analysis_new(&r->begin, &settings, &r->analysis, err);
    }
    return status;
}

static int failures;

static void expect(const char *what, double value, double expected, double tolerance)
{
    int good = fabs(value - expected) <= tolerance;
    printf("%s %s: %.10g, expected %.10g\n", good ? "ok  " : "FAIL", what, value, expected);
    failures += !good;
}

static double sum_map(const edx_array *maps, uint64_t line)
{
    uint64_t pixels = maps->shape[1] * maps->shape[2];
    double sum = 0;
    for (uint64_t p = 0; p < pixels; p++)
        sum += edx_array_get(maps, line * pixels + p);
    return sum;
}

static void check(edx_analysis *analysis)
{
    static const double net[2] = {4739.5, 18050.785714285714};
    const edx_begin *begin = edx_analysis_begin(analysis);
    uint8_t *all = malloc((size_t)begin->rows * begin->cols);
    edx_region_result region;
    edx_results results;
    edx_error err = {.text = ""};
    if (!all)
        exit(1);
    memset(all, 1, (size_t)begin->rows * begin->cols);
    edx_analysis_final(analysis, &results, &err);
    edx_analysis_region(analysis, all, &region, &err);
    expect("counts", (double)results.head.counts, 437439, 0);
    expect("frames", (double)results.head.frames, 50, 0);
    expect("Fe_Ka", edx_array_get(&region.counts, 0), net[0], 1e-6);
    expect("Pt_La", edx_array_get(&region.counts, 1), net[1], 1e-6);
    expect("Fe_Ka, sum of the map", sum_map(&results.maps.intensity, 0), net[0], 0.5);
    expect("Pt_La, sum of the map", sum_map(&results.maps.intensity, 1), net[1], 0.5);
    free(all);
}

/* The counts were dealt to the frames at random, so the frames are as even as Poisson's or more. */
static void check_health(edx_analysis *analysis)
{
    double chi2, p;
    uint64_t dof;
    const uint64_t *outliers;
    size_t n;
    edx_analysis_health(analysis, &chi2, &dof, &p, &outliers, &n);
    expect("degrees of freedom", (double)dof, 49, 0);
    expect("outliers", (double)n, 0, 0);
    expect("chi-squared", chi2, 49, 4 * sqrt(2 * 49));
}

int main(void)
{
    char path[4096];
    edx_error err = {.text = ""};
    edx_record record;
    replay r = {.wire = edx_wire_new(0), .buffer = edx_events_buffer_new()};
    const char *data = getenv("EDX_DATA");
    snprintf(path, sizeof path, "%s/fept-bare-core-50f.edxr", data ? data : "../shared/data");
    if (access(path, R_OK) != 0) {
        printf("skipped: %s is not there; set EDX_DATA\n", path);
        return SKIP;
    }
    edx_status status = edx_recording_open(path, 0, &r.recording, &err);
    while (status == EDX_OK) {
        status = edx_recording_next(r.recording, &record, &err);
        if (status == EDX_OK)
            status = take_record(&r, &record, &err);
    }
    if (status != EDX_E_END || !r.analysis) {
        printf("FAIL %s: %s\n", path, err.text);
        return 1;
    }
    check(r.analysis);
    check_health(r.analysis);
    edx_analysis_free(&r.analysis);
    edx_recording_free(&r.recording);
    edx_events_buffer_free(&r.buffer);
    edx_wire_free(&r.wire);
    return failures ? 1 : 0;
}
