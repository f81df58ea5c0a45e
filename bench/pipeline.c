/* What a frame costs from its counts to everything that is published of it: sum, maps, spectra,
 * components, factors, particles, trend. Prints one JSON object on one line; bench/run.py makes the
 * table.
 *
 * usage: pipeline RECORDING THREADS [CUBE]
 *
 * Channels are binned by 4, scan pixels are not; nothing is held out, as PERFORMANCE says of the
 * cost per frame. The summed cube (u16 [rows, cols, channels]) is written for others to work on. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "bench/replay.h"

#define MOST 1024u

typedef struct bench {
    edx_pool *pool;
    edx_analysis *analysis;
    edx_results results;
    uint32_t n;
    double add_ms[MOST], maps_ms[MOST], decompose_ms[MOST], all_ms[MOST];
} bench;

static edx_status begin(void *context, const edx_begin *begin, edx_error *err)
{
    bench *b = context;
    edx_settings settings;

    edx_settings_default(&settings);
    settings.analysis.bin_energy = 4;
    settings.analysis.bin_pixels = 1;
    settings.analysis.drift = EDX_DRIFT_NONE;
    settings.analysis.replicates = 0;
    edx_status status = edx_analysis_new(begin, &settings, &b->analysis, err);
    if (status == EDX_OK)
        status = edx_analysis_set_pool(b->analysis, b->pool, err);
    if (status == EDX_OK)
        status = edx_analysis_set_decompose_pool(b->analysis, b->pool, err);
    return status;
}

static edx_status frame(void *context, const edx_frame *frame, const edx_events *events,
                        edx_error *err)
{
    bench *b = context;

    if (b->n == MOST)
        return EDX_OK;
    const double start = bench_now_ms();
    edx_status status = edx_analysis_add(b->analysis, frame, events, err);
    if (status != EDX_OK)
        return status;
    edx_analysis_frame(b->analysis, frame->frame, true);
    const double added = bench_now_ms();
    status = edx_analysis_update(b->analysis, &b->results, err);
    const double mapped = bench_now_ms();
    if (status == EDX_OK)
        status = edx_analysis_decompose(b->analysis, &b->results, err);
    const double end = bench_now_ms();
    b->add_ms[b->n] = added - start;
    b->maps_ms[b->n] = mapped - added;
    b->decompose_ms[b->n] = end - mapped;
    b->all_ms[b->n] = end - start;
    b->n++;
    return status;
}

static double mean(const double *values, uint32_t n)
{
    double sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += values[i];
    return sum / n;
}

/* The most that was resident, in kB: getrusage counts what ran here before exec too. */
static double resident_kB(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    double kB = NAN;
    char line[256];

    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kB = strtod(line + 6, NULL);
    if (status != NULL)
        fclose(status);
    return kB;
}

static void print(const bench *b)
{
    const edx_scene *scene = edx_analysis_scene(b->analysis);

    printf("{");
    bench_print_spread("add_ms", b->add_ms, b->n);
    bench_print_spread("maps_ms", b->maps_ms, b->n);
    bench_print_spread("decompose_ms", b->decompose_ms, b->n);
    bench_print_spread("all_ms", b->all_ms, b->n);
    printf("\"mean_ms\": %.6g, \"frames\": %u, \"counts\": %llu, \"slots\": %llu, "
           "\"particles\": %zu, \"factors\": %zu, \"resident_MB\": %.1f}\n",
           mean(b->all_ms, b->n), b->n, (unsigned long long)edx_scene_counts(scene),
           (unsigned long long)edx_scene_slots(scene), b->results.detail.particles.count,
           b->results.detail.nmf.k, resident_kB() / 1024);
}

static bool write_cube(const edx_analysis *analysis, const char *path)
{
    const edx_begin *begin = edx_analysis_begin(analysis);
    uint32_t *row = calloc(begin->channels, sizeof *row);
    uint16_t *counts = calloc(begin->channels, sizeof *counts);
    FILE *out = fopen(path, "wb");
    bool good = row != NULL && counts != NULL && out != NULL;

    for (uint32_t p = 0; good && p < begin->rows * begin->cols; p++) {
        edx_scene_dense(edx_analysis_scene(analysis), p, 1, row);
        for (uint32_t c = 0; c < begin->channels; c++)
            counts[c] = (uint16_t)row[c];
        good = fwrite(counts, sizeof *counts, begin->channels, out) == begin->channels;
    }
    free(row);
    free(counts);
    return out != NULL && fclose(out) == 0 && good;
}

int main(int argc, char **argv)
{
    static bench b;
    static const bench_calls calls = {begin, frame};
    edx_error err = {0};

    if (argc != 3 && argc != 4) {
        fputs("usage: pipeline RECORDING THREADS [CUBE]\n", stderr);
        return 2;
    }
    edx_status status = edx_pool_new((uint32_t)strtoul(argv[2], NULL, 10), &b.pool, &err);
    if (status == EDX_OK)
        status = bench_replay(argv[1], &calls, &b, &err);
    if (status == EDX_OK && b.n == 0)
        status = edx_fail(&err, EDX_E_IO, "no frames");
    if (status == EDX_OK && argc == 4 && !write_cube(b.analysis, argv[3]))
        status = edx_fail(&err, EDX_E_IO, "%s: cannot be written", argv[3]);
    if (status == EDX_OK)
        print(&b);
    else
        fprintf(stderr, "pipeline: %s: %s\n", argv[1], err.text);
    edx_analysis_free(&b.analysis);
    edx_pool_free(&b.pool);
    return status == EDX_OK ? 0 : 1;
}
