/* What a frame costs from its counts to everything that is published of it: sum, maps, spectra,
 * components, factors, particles, trend. And what it costs to do what a notebook does: sum, maps
 * and their composition, components, and FACTORS factors, carried on by one pass. Prints one JSON
 * object on one line; bench/run.py makes the table.
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
#include "analysis/nmf.h"
#include "analysis/pca.h"
#include "analysis/sparse.h"
#include "bench/replay.h"

#define MOST 1024u
#define BIN 4u
#define COMPONENTS 16u
#define FACTORS 8u /* the paper's */
#define PASSES 1u

typedef struct bench {
    edx_pool *pool;
    edx_analysis *analysis;
    edx_results results;
    edx_sparse *sparse; /* of the same cube, for the notebook's steps */
    edx_pca *pca;
    edx_nmf *nmf;
    float *spectra, *maps; /* [COMPONENTS, channels], [COMPONENTS, pixels] */
    uint32_t n;
    double add_ms[MOST], maps_ms[MOST], decompose_ms[MOST], all_ms[MOST], steps_ms[MOST];
} bench;

static edx_status open_steps(bench *b, const edx_begin *begin, edx_error *err)
{
    const edx_sparse_shape shape = {.rows = begin->rows,
                                    .cols = begin->cols,
                                    .channels = begin->channels,
                                    .bin_pixels = 1,
                                    .bin_energy = BIN,
                                    .hi = begin->channels,
                                    .folds = 1};
    edx_status status = edx_sparse_new_of(&shape, edx_analysis_scene(b->analysis), &b->sparse, err);

    if (status != EDX_OK)
        return status;
    const uint32_t pixels = edx_sparse_pixels(b->sparse), channels = edx_sparse_channels(b->sparse);
    status = edx_sparse_set_pool(b->sparse, b->pool, err);
    if (status == EDX_OK)
        status = edx_pca_new(pixels, channels, COMPONENTS, &b->pca, err);
    if (status == EDX_OK)
        status = edx_nmf_new(pixels, channels, FACTORS, &b->nmf, err);
    if (status != EDX_OK)
        return status;
    edx_pca_set_pool(b->pca, b->pool);
    edx_nmf_set_pool(b->nmf, b->pool);
    b->spectra = calloc((size_t)COMPONENTS * channels, sizeof *b->spectra);
    b->maps = calloc((size_t)COMPONENTS * pixels, sizeof *b->maps);
    return b->spectra == NULL || b->maps == NULL ? edx_fail(err, EDX_E_NOMEM, "no memory") : EDX_OK;
}

/* Components, their maps, and factors, of all frames. */
static edx_status decompose(bench *b, const edx_frame *frame, const edx_events *events,
                            edx_error *err)
{
    const edx_scene *total = edx_sparse_total(b->sparse);
    edx_status status = edx_sparse_add(b->sparse, frame->frame, frame->row, events, err);

    if (status == EDX_OK)
        status = edx_pca_update(b->pca, total, false, err);
    if (status != EDX_OK)
        return status;
    edx_pca_vectors(b->pca, total, FACTORS, b->spectra, b->maps);
    if (edx_nmf_needs_start(b->nmf, FACTORS))
        status = edx_nmf_start(b->nmf, total, FACTORS, b->spectra, b->maps, false, err);
    if (status == EDX_OK)
        status = edx_nmf_update(b->nmf, total, PASSES, err);
    edx_nmf_maps(b->nmf, b->maps);
    return status;
}

static edx_status begin(void *context, const edx_begin *begin, edx_error *err)
{
    bench *b = context;
    edx_settings settings;

    edx_settings_default(&settings);
    settings.analysis.bin_energy = BIN;
    settings.analysis.bin_pixels = 1;
    settings.analysis.drift = EDX_DRIFT_NONE;
    settings.analysis.replicates = 0;
    edx_status status = edx_analysis_new(begin, &settings, &b->analysis, err);
    if (status == EDX_OK)
        status = edx_analysis_set_pool(b->analysis, b->pool, err);
    if (status == EDX_OK)
        status = edx_analysis_set_decompose_pool(b->analysis, b->pool, err);
    return status == EDX_OK ? open_steps(b, begin, err) : status;
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
        status = decompose(b, frame, events, err);
    const double stepped = bench_now_ms();
    if (status == EDX_OK)
        status = edx_analysis_decompose(b->analysis, &b->results, err);
    const double end = bench_now_ms();
    b->add_ms[b->n] = added - start;
    b->maps_ms[b->n] = mapped - added;
    b->steps_ms[b->n] = stepped - start;
    b->decompose_ms[b->n] = end - stepped;
    b->all_ms[b->n] = end - start - (stepped - mapped);
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
    bench_print_spread("steps_ms", b->steps_ms, b->n);
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
    edx_pca_free(&b.pca);
    edx_nmf_free(&b.nmf);
    edx_sparse_free(&b.sparse);
    edx_analysis_free(&b.analysis);
    free(b.spectra);
    free(b.maps);
    edx_pool_free(&b.pool);
    return status == EDX_OK ? 0 : 1;
}
