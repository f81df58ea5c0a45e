/* What the details of a recording cost, frame by frame: particles, model, rings, denoising, change
 * under the beam, beyond the principal components. Prints one JSON object on one line; bench/run.py
 * makes the table.
 *
 * usage: details RECORDING THREADS REPLICATES [model]
 *
 * model: line maps are those of the model too, pixel by pixel, not those of windows.
 * Channels are binned by 4, scan pixels are not; there are no non-negative factors. The components
 * are computed once more beside the analysis, of the same counts, to know what they take of it. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analysis/analysis.h"
#include "analysis/components.h"
#include "analysis/grouped.h"
#include "proto/recording.h"

#define LAST 15u /* frames whose times are printed */
#define MOST 1024u
#define RANK 16u
#define BIN 4u

typedef struct bench {
    uint64_t replicates;
    bool modelled;
    edx_wire *wire;
    edx_events_buffer *buffer;
    edx_begin begin;
    edx_pool *pool;
    edx_analysis *analysis;
    edx_grouped *grouped;
    edx_components *components;
    edx_results results;
    uint32_t n;
    size_t particles;
    double maps_ms[MOST], all_ms[MOST], pca_ms[MOST], beyond_ms[MOST], quantify_ms[MOST];
} bench;

static double now_ms(void)
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

/* "name": [min, median, max] of the last frames */
static void print_spread(const char *name, const double *values, uint32_t count)
{
    double sorted[LAST];
    uint32_t n = count < LAST ? count : LAST;

    if (n == 0)
        return;
    memcpy(sorted, values + (count - n), sizeof *sorted * n);
    qsort(sorted, n, sizeof *sorted, by_value);
    printf("\"%s\": [%.6g, %.6g, %.6g], ", name, sorted[0], sorted[n / 2], sorted[n - 1]);
}

/* "name": [mean, largest] of all frames */
static void print_run(const char *name, const double *values, uint32_t n)
{
    double sum = 0, most = values[0];

    for (uint32_t i = 0; i < n; i++) {
        sum += values[i];
        most = values[i] > most ? values[i] : most;
    }
    printf("\"%s\": [%.6g, %.6g], ", name, sum / n, most);
}

static edx_status open_components(bench *b, edx_error *err)
{
    const edx_begin *begin = &b->begin;
    const edx_sparse_shape shape = {.rows = begin->rows,
                                    .cols = begin->cols,
                                    .channels = begin->channels,
                                    .bin_pixels = 1,
                                    .bin_energy = BIN,
                                    .hi = begin->channels};
    edx_status status = edx_grouped_new(&shape, NULL, (uint32_t)b->replicates, &b->grouped, err);

    if (status == EDX_OK)
        status = edx_grouped_set_pool(b->grouped, b->pool, err);
    if (status == EDX_OK)
        status = edx_components_new(begin->rows, begin->cols, begin->channels / BIN, EDX_AUTO, RANK,
                                    &b->components, err);
    if (status == EDX_OK)
        edx_components_set_pool(b->components, b->pool);
    return status;
}

static edx_status begin(bench *b, const edx_node *body, edx_error *err)
{
    edx_limits limits = edx_limits_default();
    edx_settings settings;
    edx_status status = edx_begin_read(body, &limits, &b->begin, err);

    edx_settings_default(&settings);
    settings.analysis.bin_energy = BIN;
    settings.analysis.bin_pixels = 1;
    settings.analysis.drift = EDX_DRIFT_NONE;
    settings.analysis.nmf.automatic = false;
    settings.analysis.nmf.components = 0;
    settings.analysis.replicates = b->replicates;
    if (b->modelled)
        settings.quant.background = EDX_BACKGROUND_MODEL;
    if (status == EDX_OK)
        status = edx_analysis_new(&b->begin, &settings, &b->analysis, err);
    if (status == EDX_OK)
        status = edx_analysis_set_pool(b->analysis, b->pool, err);
    if (status == EDX_OK)
        status = edx_analysis_set_decompose_pool(b->analysis, b->pool, err);
    return status == EDX_OK ? open_components(b, err) : status;
}

static edx_status update(bench *b, edx_error *err)
{
    edx_pca_result pca;
    double start = now_ms();
    edx_status status = edx_analysis_update(b->analysis, &b->results, err);
    double maps = now_ms();

    if (status == EDX_OK)
        status = edx_analysis_decompose(b->analysis, &b->results, err);
    double all = now_ms();
    if (status == EDX_OK)
        status = edx_components_update(b->components, edx_grouped_pixels(b->grouped), false, NULL,
                                       &pca, err);
    double end = now_ms();
    b->maps_ms[b->n] = maps - start;
    b->all_ms[b->n] = all - maps;
    b->pca_ms[b->n] = end - all;
    b->beyond_ms[b->n] = (all - maps) - (end - all);
    b->quantify_ms[b->n] = b->maps_ms[b->n] + b->beyond_ms[b->n];
    b->particles = b->results.detail.particles.count;
    b->n++;
    return status;
}

static edx_status frame(bench *b, const edx_node *body, edx_error *err)
{
    edx_limits limits = edx_limits_default();
    edx_frame frame;
    edx_events events;
    edx_status status = edx_frame_read(body, &b->begin, &limits, &frame, err);

    if (status == EDX_OK)
        status = edx_events_from_frame(b->buffer, &frame, &events, err);
    if (status != EDX_OK || b->n == MOST)
        return status;
    status = edx_analysis_add(b->analysis, &frame, &events, err);
    if (status != EDX_OK)
        return status;
    edx_analysis_frame(b->analysis, frame.frame, true);
    edx_grouped_add(b->grouped, frame.frame, frame.row, &events);
    status = edx_grouped_ready(b->grouped, err);
    return status == EDX_OK ? update(b, err) : status;
}

static edx_status run(bench *b, const char *path, edx_error *err)
{
    edx_recording *recording = NULL;
    edx_record record;
    const edx_node *body;
    edx_status status = edx_recording_open(path, 0, &recording, err);

    while (status == EDX_OK && (status = edx_recording_next(recording, &record, err)) == EDX_OK) {
        edx_topic topic = edx_topic_parse(record.topic, record.topic_size);
        status = edx_wire_parse(b->wire, record.body, record.body_size, &body, err);
        if (status == EDX_OK && topic == EDX_TOPIC_IS_BEGIN)
            status = begin(b, body, err);
        else if (status == EDX_OK && topic == EDX_TOPIC_IS_FRAME)
            status = frame(b, body, err);
    }
    edx_recording_free(&recording);
    return status == EDX_E_END ? EDX_OK : status;
}

static void print(const bench *b)
{
    printf("{");
    print_spread("maps_ms", b->maps_ms, b->n);
    print_spread("all_ms", b->all_ms, b->n);
    print_spread("pca_ms", b->pca_ms, b->n);
    print_spread("beyond_ms", b->beyond_ms, b->n);
    print_spread("quantify_ms", b->quantify_ms, b->n);
    print_run("beyond_run_ms", b->beyond_ms, b->n);
    printf("\"particles\": %zu, \"frames\": %u}\n", b->particles, b->n);
}

int main(int argc, char **argv)
{
    static bench b;
    edx_error err = {0};

    b.modelled = argc == 5 && strcmp(argv[4], "model") == 0;
    if (argc != 4 && !b.modelled) {
        fputs("usage: details RECORDING THREADS REPLICATES [model]\n", stderr);
        return 2;
    }
    b.replicates = strtoul(argv[3], NULL, 10);
    b.wire = edx_wire_new(0);
    b.buffer = edx_events_buffer_new();
    edx_status status = b.wire && b.buffer ? EDX_OK : EDX_E_NOMEM;
    if (status == EDX_OK)
        status = edx_pool_new((uint32_t)strtoul(argv[2], NULL, 10), &b.pool, &err);
    if (status == EDX_OK)
        status = run(&b, argv[1], &err);
    if (status == EDX_OK && b.n == 0)
        status = edx_fail(&err, EDX_E_IO, "no frames");
    if (status == EDX_OK)
        print(&b);
    else
        fprintf(stderr, "details: %s: %s\n", argv[1], err.text);
    edx_analysis_free(&b.analysis);
    edx_components_free(&b.components);
    edx_grouped_free(&b.grouped);
    edx_pool_free(&b.pool);
    edx_wire_free(&b.wire);
    edx_events_buffer_free(&b.buffer);
    return status == EDX_OK ? 0 : 1;
}
