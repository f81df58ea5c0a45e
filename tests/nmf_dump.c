/* Writes the non-negative factors of a recording after given frames:
 *
 *     nmf_dump RECORDING BIN_PIXELS BIN_ENERGY K PASSES FRAME... >OUT
 *
 * PASSES are those of the update after every frame; 0 for a fixed start at each given one, and
 * passes until they converge. OUT holds doubles, for each given frame: frames summed, k, pixels,
 * channels, divergence, passes, spectra [k, channels], maps [k, pixels]. */
#include <stdio.h>
#include <stdlib.h>

#include "analysis/nmf.h"
#include "analysis/pca.h"
#include "analysis/sparse.h"
#include "proto/recording.h"

#define TOLERANCE 3e-5
#define MOST 512u

typedef struct dump {
    uint32_t bin_pixels, bin_energy, k, passes;
    edx_wire *wire;
    edx_events_buffer *buffer;
    edx_begin begin;
    edx_sparse *sparse;
    edx_pca *pca;
    edx_nmf *nmf;
    edx_pool *pool;
    uint64_t frames;
    float *spectra, *maps;
} dump;

static void put_all(const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double value = (double)values[i];
        fwrite(&value, sizeof value, 1, stdout);
    }
}

static void put_factors(dump *d)
{
    uint32_t pixels = edx_sparse_pixels(d->sparse), channels = edx_sparse_channels(d->sparse);
    const double head[] = {(double)d->frames, edx_nmf_rank(d->nmf),       pixels,
                           channels,          edx_nmf_divergence(d->nmf), edx_nmf_passes(d->nmf)};

    fwrite(head, sizeof *head, sizeof head / sizeof *head, stdout);
    put_all(edx_nmf_spectra(d->nmf), (size_t)d->k * channels);
    edx_nmf_maps(d->nmf, d->maps);
    put_all(d->maps, (size_t)d->k * pixels);
}

static edx_status begin(dump *d, const edx_node *body, edx_error *err)
{
    edx_limits limits = edx_limits_default();
    edx_status status = edx_begin_read(body, &limits, &d->begin, err);
    const edx_begin *b = &d->begin;
    const edx_sparse_shape shape = {.rows = b->rows,
                                    .cols = b->cols,
                                    .channels = b->channels,
                                    .bin_pixels = d->bin_pixels,
                                    .bin_energy = d->bin_energy,
                                    .hi = b->channels,
                                    .folds = 1};

    if (status == EDX_OK)
        status = edx_sparse_new(&shape, &d->sparse, err);
    if (status != EDX_OK)
        return status;
    uint32_t pixels = edx_sparse_pixels(d->sparse), channels = edx_sparse_channels(d->sparse);
    status = edx_pca_new(pixels, channels, d->k, &d->pca, err);
    if (status == EDX_OK)
        status = edx_nmf_new(pixels, channels, d->k, &d->nmf, err);
    if (status != EDX_OK)
        return status;
    edx_pca_set_pool(d->pca, d->pool);
    edx_nmf_set_pool(d->nmf, d->pool);
    d->spectra = malloc(sizeof *d->spectra * d->k * channels);
    d->maps = malloc(sizeof *d->maps * d->k * pixels);
    return d->spectra == NULL || d->maps == NULL ? EDX_E_NOMEM : EDX_OK;
}

static edx_status frame(dump *d, const edx_node *body, edx_error *err)
{
    edx_limits limits = edx_limits_default();
    edx_frame frame;
    edx_events events;
    edx_status status = edx_frame_read(body, &d->begin, &limits, &frame, err);

    if (status == EDX_OK)
        status = edx_events_from_frame(d->buffer, &frame, &events, err);
    if (status == EDX_OK)
        status = edx_sparse_add(d->sparse, frame.frame, frame.row, &events, err);
    d->frames++;
    return status;
}

static bool wanted(const dump *d, char *const *list)
{
    for (; *list != NULL; list++)
        if (strtoull(*list, NULL, 10) == d->frames)
            return true;
    return false;
}

static edx_status start(dump *d, edx_error *err)
{
    const edx_scene *total = edx_sparse_total(d->sparse);
    bool fixed = d->passes == 0;
    edx_status status = edx_pca_update(d->pca, total, fixed, err);

    if (status != EDX_OK || (!fixed && !edx_nmf_needs_start(d->nmf, d->k)))
        return status;
    edx_pca_vectors(d->pca, total, d->k, d->spectra, d->maps);
    return edx_nmf_start(d->nmf, total, d->k, d->spectra, d->maps, fixed, err);
}

static edx_status update(dump *d, char *const *list, edx_error *err)
{
    const edx_scene *total = edx_sparse_total(d->sparse);
    bool now = wanted(d, list);

    if (edx_scene_counts(total) == 0 || (d->passes == 0 && !now))
        return EDX_OK;
    if (d->passes == 0)
        edx_sparse_sort(d->sparse);
    edx_status status = start(d, err);
    if (status == EDX_OK && d->passes > 0)
        status = edx_nmf_update(d->nmf, total, d->passes, err);
    else if (status == EDX_OK)
        status = edx_nmf_converge(d->nmf, total, TOLERANCE, MOST, err);
    if (status == EDX_OK && now)
        put_factors(d);
    return status;
}

static edx_status take(dump *d, const edx_record *record, char *const *list, edx_error *err)
{
    const edx_node *body;
    edx_topic topic = edx_topic_parse(record->topic, record->topic_size);
    edx_status status = edx_wire_parse(d->wire, record->body, record->body_size, &body, err);

    if (status == EDX_OK && topic == EDX_TOPIC_IS_BEGIN && d->sparse == NULL)
        status = begin(d, body, err);
    if (status == EDX_OK && topic == EDX_TOPIC_IS_FRAME) {
        status = frame(d, body, err);
        if (status == EDX_OK)
            status = update(d, list, err);
    }
    return status;
}

static edx_status run(dump *d, const char *path, char *const *list, edx_error *err)
{
    edx_recording *recording = NULL;
    edx_record record;
    edx_status status = edx_recording_open(path, 0, &recording, err);

    while (status == EDX_OK && (status = edx_recording_next(recording, &record, err)) == EDX_OK)
        status = take(d, &record, list, err);
    edx_recording_free(&recording);
    return status == EDX_E_END ? EDX_OK : status;
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    edx_error err = {0};
    const char *threads = getenv("EDX_THREADS");

    if (argc < 7) {
        fprintf(stderr, "nmf_dump: too few arguments, expected those its source names\n");
        return 2;
    }
    dump d = {.bin_pixels = number(argv[2]),
              .bin_energy = number(argv[3]),
              .k = number(argv[4]),
              .passes = number(argv[5]),
              .wire = edx_wire_new(0),
              .buffer = edx_events_buffer_new()};
    edx_status status = d.wire && d.buffer ? EDX_OK : EDX_E_NOMEM;
    if (status == EDX_OK)
        status = edx_pool_new(threads == NULL ? 2 : number(threads), &d.pool, &err);
    if (status == EDX_OK)
        status = run(&d, argv[1], argv + 6, &err);
    if (status != EDX_OK)
        fprintf(stderr, "nmf_dump: %s: %s\n", argv[1], err.text);
    free(d.spectra);
    free(d.maps);
    edx_nmf_free(&d.nmf);
    edx_pca_free(&d.pca);
    edx_sparse_free(&d.sparse);
    edx_pool_free(&d.pool);
    edx_wire_free(&d.wire);
    edx_events_buffer_free(&d.buffer);
    return status == EDX_OK ? 0 : 1;
}
