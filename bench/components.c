/* What principal components of a recording cost, frame by frame. Prints one JSON object on one
 * line; bench/run.py makes the table.
 *
 * usage: components RECORDING THREADS BIN_ENERGY FRAME CUBE SPECTRA
 *
 * Adds all frames up to FRAME with an update after each, and writes the summed cube (u16 [rows,
 * cols, channels]) and the leading spectra (f32 [16, channels]) for others to compare with. Scan
 * pixels are not binned. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analysis/folds.h"
#include "analysis/pca.h"
#include "analysis/sparse.h"
#include "proto/recording.h"

#define M 16u
#define LAST 15u /* frames whose times are printed */
#define MOST 4096u

typedef struct bench {
    uint32_t bin_energy, frame;
    edx_wire *wire;
    edx_events_buffer *buffer;
    edx_begin begin;
    edx_pool *pool;
    edx_sparse *sparse;
    edx_pca *pca;
    edx_folds *folds;
    float *spectra, *maps;
    uint32_t n, n_folds;
    double add_ms[MOST], pca_ms[MOST], folds_ms[MOST], passes[MOST];
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

/* "name": [min, median, max] of the last n of count values */
static void print_spread(const char *name, const double *values, uint32_t count, uint32_t n)
{
    double sorted[LAST];

    n = n > count ? count : n;
    memcpy(sorted, values + (count - n), sizeof *sorted * n);
    qsort(sorted, n, sizeof *sorted, by_value);
    printf("\"%s\": [%.6g, %.6g, %.6g], ", name, sorted[0], sorted[n / 2], sorted[n - 1]);
}

static double mean(const double *values, uint32_t n)
{
    double sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += values[i];
    return sum / n;
}

static edx_status begin(bench *b, const edx_node *body, edx_error *err)
{
    edx_limits limits = edx_limits_default();
    edx_status status = edx_begin_read(body, &limits, &b->begin, err);
    const edx_sparse_shape shape = {.rows = b->begin.rows,
                                    .cols = b->begin.cols,
                                    .channels = b->begin.channels,
                                    .bin_pixels = 1,
                                    .bin_energy = b->bin_energy,
                                    .hi = b->begin.channels,
                                    .folds = EDX_FOLDS};

    if (status == EDX_OK)
        status = edx_sparse_new(&shape, &b->sparse, err);
    if (status == EDX_OK)
        status = edx_sparse_set_pool(b->sparse, b->pool, err);
    if (status != EDX_OK)
        return status;
    uint32_t pixels = edx_sparse_pixels(b->sparse), channels = edx_sparse_channels(b->sparse);
    status = edx_pca_new(pixels, channels, M, &b->pca, err);
    if (status == EDX_OK)
        status = edx_folds_new(channels, M, &b->folds, err);
    b->spectra = calloc((size_t)M * channels, sizeof *b->spectra);
    b->maps = calloc((size_t)M * pixels, sizeof *b->maps);
    if (status == EDX_OK)
        edx_pca_set_pool(b->pca, b->pool);
    return b->spectra == NULL || b->maps == NULL ? EDX_E_NOMEM : status;
}

static edx_status update(bench *b, edx_error *err)
{
    double start = now_ms();
    edx_status status = edx_pca_update(b->pca, edx_sparse_total(b->sparse), false, err);

    edx_pca_vectors(b->pca, edx_sparse_total(b->sparse), 8, b->spectra, b->maps);
    b->pca_ms[b->n] = now_ms() - start;
    b->passes[b->n] = edx_pca_passes(b->pca);
    if (status == EDX_OK && edx_folds_due(b->folds, b->sparse)) {
        start = now_ms();
        status = edx_folds_update(b->folds, edx_pca_scaled(b->pca), b->sparse, false, err);
        b->folds_ms[b->n_folds++] = now_ms() - start;
    }
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
    if (status != EDX_OK || b->n == b->frame)
        return status;
    double start = now_ms();
    status = edx_sparse_add(b->sparse, frame.frame, frame.row, &events, err);
    b->add_ms[b->n] = now_ms() - start;
    if (status == EDX_OK)
        status = update(b, err);
    b->n++;
    return status;
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

static bool write_files(bench *b, const char *cube, const char *spectra)
{
    uint32_t pixels = edx_sparse_pixels(b->sparse), channels = edx_sparse_channels(b->sparse);
    uint32_t *row = calloc(channels, sizeof *row);
    FILE *out = fopen(cube, "wb");
    bool good = row != NULL && out != NULL;

    for (uint32_t p = 0; good && p < pixels; p++) {
        edx_scene_dense(edx_sparse_total(b->sparse), p, 1, row);
        for (uint32_t c = 0; c < channels; c++) {
            uint16_t count = (uint16_t)row[c];
            good = good && fwrite(&count, sizeof count, 1, out) == 1;
        }
    }
    good = out != NULL && fclose(out) == 0 && good;
    free(row);
    edx_pca_vectors(b->pca, edx_sparse_total(b->sparse), M, b->spectra, b->maps);
    out = fopen(spectra, "wb");
    good = good && out != NULL && fwrite(b->spectra, sizeof(float) * channels, M, out) == M;
    return out != NULL && fclose(out) == 0 && good;
}

static void print(const bench *b)
{
    printf("{");
    print_spread("add_ms", b->add_ms, b->n, LAST);
    print_spread("pca_ms", b->pca_ms, b->n, LAST);
    print_spread("pca_10_ms", b->pca_ms, b->n < 18 ? b->n : 18, LAST);
    print_spread("folds_ms", b->folds_ms, b->n_folds, 5);
    printf("\"pca_mean_ms\": %.6g, \"folds_mean_ms\": %.6g, \"passes\": %.3g, ",
           mean(b->pca_ms, b->n), mean(b->folds_ms, b->n_folds) * b->n_folds / b->n,
           mean(b->passes, b->n));
    printf("\"significant\": %u, \"frames\": %u, \"counts\": %llu, \"slots\": %llu}\n",
           edx_pca_significant(b->pca), b->n,
           (unsigned long long)edx_scene_counts(edx_sparse_total(b->sparse)),
           (unsigned long long)edx_scene_slots(edx_sparse_total(b->sparse)));
}

int main(int argc, char **argv)
{
    static bench b;
    edx_error err = {0};

    if (argc != 7) {
        fputs("usage: components RECORDING THREADS BIN_ENERGY FRAME CUBE SPECTRA\n", stderr);
        return 2;
    }
    b.bin_energy = (uint32_t)strtoul(argv[3], NULL, 10);
    b.frame = (uint32_t)strtoul(argv[4], NULL, 10);
    b.frame = b.frame > MOST ? MOST : b.frame;
    b.wire = edx_wire_new(0);
    b.buffer = edx_events_buffer_new();
    edx_status status = b.wire && b.buffer ? EDX_OK : EDX_E_NOMEM;
    if (status == EDX_OK)
        status = edx_pool_new((uint32_t)strtoul(argv[2], NULL, 10), &b.pool, &err);
    if (status == EDX_OK)
        status = run(&b, argv[1], &err);
    if (status == EDX_OK && (b.n == 0 || !write_files(&b, argv[5], argv[6])))
        status = edx_fail(&err, EDX_E_IO, "no frames, or files that cannot be written");
    if (status == EDX_OK)
        print(&b);
    else
        fprintf(stderr, "components: %s: %s\n", argv[1], err.text);
    edx_folds_free(&b.folds);
    edx_pca_free(&b.pca);
    edx_sparse_free(&b.sparse);
    edx_pool_free(&b.pool);
    edx_wire_free(&b.wire);
    edx_events_buffer_free(&b.buffer);
    free(b.spectra);
    free(b.maps);
    return status == EDX_OK ? 0 : 1;
}
