/* What non-negative factors of a recording cost, frame by frame. Prints one JSON object on one
 * line; bench/run.py makes the table.
 *
 * usage: nmf RECORDING THREADS BIN_ENERGY FRAME K CUBE
 *
 * Adds all frames up to FRAME with an update of PASSES passes after each, writes the summed cube
 * (u16 [rows, cols, channels]), times single passes over it, and converges from a fixed start. Scan
 * pixels are not binned. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analysis/nmf.h"
#include "analysis/nmf_pass.h"
#include "analysis/pca.h"
#include "analysis/sparse.h"
#include "proto/recording.h"

#define PASSES 4u /* of an update */
#define LAST 15u  /* frames, or passes, whose times are printed */
#define WARM 64u  /* passes before these: threads that slept find their processors */
#define MOST 4096u
#define TOLERANCE 3e-5
#define MOST_PASSES 512u

typedef struct bench {
    uint32_t bin_energy, frame, k;
    edx_wire *wire;
    edx_events_buffer *buffer;
    edx_begin begin;
    edx_pool *pool;
    edx_sparse *sparse;
    edx_pca *pca;
    edx_nmf *nmf;
    float *spectra, *maps;
    uint32_t n;
    double update_ms[MOST], pass_ms[LAST], converge_ms, live;
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

/* "name": [min, median, max] of the last LAST of count values */
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
                                    .folds = 1};

    if (status == EDX_OK)
        status = edx_sparse_new(&shape, &b->sparse, err);
    if (status != EDX_OK)
        return status;
    uint32_t pixels = edx_sparse_pixels(b->sparse), channels = edx_sparse_channels(b->sparse);
    status = edx_pca_new(pixels, channels, b->k, &b->pca, err);
    if (status == EDX_OK)
        status = edx_nmf_new(pixels, channels, b->k, &b->nmf, err);
    if (status != EDX_OK)
        return status;
    edx_pca_set_pool(b->pca, b->pool);
    edx_nmf_set_pool(b->nmf, b->pool);
    b->spectra = calloc((size_t)b->k * channels, sizeof *b->spectra);
    b->maps = calloc((size_t)b->k * pixels, sizeof *b->maps);
    return b->spectra == NULL || b->maps == NULL ? EDX_E_NOMEM : EDX_OK;
}

static edx_status start(bench *b, bool fixed, edx_error *err)
{
    const edx_scene *total = edx_sparse_total(b->sparse);
    edx_status status = edx_pca_update(b->pca, total, fixed, err);

    if (status != EDX_OK)
        return status;
    edx_pca_vectors(b->pca, total, b->k, b->spectra, b->maps);
    return edx_nmf_start(b->nmf, total, b->k, b->spectra, b->maps, fixed, err);
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
    status = edx_sparse_add(b->sparse, frame.frame, frame.row, &events, err);
    if (status == EDX_OK && edx_nmf_needs_start(b->nmf, b->k))
        status = start(b, false, err);
    double before = now_ms();
    if (status == EDX_OK)
        status = edx_nmf_update(b->nmf, edx_sparse_total(b->sparse), PASSES, err);
    b->update_ms[b->n++] = now_ms() - before;
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

static bool write_cube(bench *b, const char *cube)
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
    free(row);
    return out != NULL && fclose(out) == 0 && good;
}

/* One iteration: every count once. */
static edx_status time_passes(bench *b, edx_error *err)
{
    const edx_scene *total = edx_sparse_total(b->sparse);
    edx_nmf_pass *pass = NULL;
    edx_status status = edx_nmf_pass_new(edx_sparse_pixels(b->sparse),
                                         edx_sparse_channels(b->sparse), b->k, &pass, err);

    if (status != EDX_OK)
        return status;
    edx_nmf_pass_set_pool(pass, b->pool);
    edx_nmf_maps(b->nmf, b->maps);
    edx_nmf_pass_set(pass, total, b->k, edx_nmf_spectra(b->nmf), b->maps, 0);
    for (uint32_t i = 0; i < WARM + LAST; i++) {
        double before = now_ms();
        edx_nmf_pass_blocks(pass, total, 0.5F);
        b->pass_ms[i % LAST] = now_ms() - before;
    }
    edx_nmf_pass_free(&pass);
    return EDX_OK;
}

/* What the final analysis does. */
static edx_status converge(bench *b, edx_error *err)
{
    b->live = edx_nmf_divergence(b->nmf);
    edx_sparse_sort(b->sparse);
    edx_status status = start(b, true, err);
    double before = now_ms();
    if (status == EDX_OK)
        status = edx_nmf_converge(b->nmf, edx_sparse_total(b->sparse), TOLERANCE, MOST_PASSES, err);
    b->converge_ms = now_ms() - before;
    return status;
}

static void print(const bench *b)
{
    const edx_scene *total = edx_sparse_total(b->sparse);

    printf("{");
    print_spread("pass_ms", b->pass_ms, LAST);
    print_spread("update_ms", b->update_ms, b->n);
    printf("\"passes\": %u, \"live\": %.9g, \"converge_ms\": %.6g, \"converge_passes\": %u, ",
           PASSES, b->live, b->converge_ms, edx_nmf_passes(b->nmf));
    printf("\"converged\": %.9g, \"frames\": %u, \"counts\": %llu, \"slots\": %llu}\n",
           edx_nmf_divergence(b->nmf), b->n, (unsigned long long)edx_scene_counts(total),
           (unsigned long long)edx_scene_slots(total));
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

static edx_status measure(bench *b, char **argv, edx_error *err)
{
    edx_status status = b->wire && b->buffer ? EDX_OK : EDX_E_NOMEM;

    if (status == EDX_OK)
        status = edx_pool_new(number(argv[2]), &b->pool, err);
    if (status == EDX_OK)
        status = run(b, argv[1], err);
    if (status == EDX_OK && (b->n == 0 || !write_cube(b, argv[6])))
        status = edx_fail(err, EDX_E_IO, "no frames, or a file that cannot be written");
    if (status == EDX_OK)
        status = time_passes(b, err);
    if (status == EDX_OK)
        status = converge(b, err);
    return status;
}

int main(int argc, char **argv)
{
    static bench b;
    edx_error err = {0};

    if (argc != 7) {
        fputs("usage: nmf RECORDING THREADS BIN_ENERGY FRAME K CUBE\n", stderr);
        return 2;
    }
    b.bin_energy = number(argv[3]);
    b.frame = number(argv[4]) < MOST ? number(argv[4]) : MOST;
    b.k = number(argv[5]);
    b.wire = edx_wire_new(0);
    b.buffer = edx_events_buffer_new();
    edx_status status = measure(&b, argv, &err);
    if (status == EDX_OK)
        print(&b);
    else
        fprintf(stderr, "nmf: %s: %s\n", argv[1], err.text);
    edx_nmf_free(&b.nmf);
    edx_pca_free(&b.pca);
    edx_sparse_free(&b.sparse);
    edx_pool_free(&b.pool);
    edx_wire_free(&b.wire);
    edx_events_buffer_free(&b.buffer);
    free(b.spectra);
    free(b.maps);
    return status == EDX_OK ? 0 : 1;
}
