/* Writes the principal components of a recording after given frames, as the live analysis has them:
 *
 *     pca_dump RECORDING BIN_PIXELS BIN_ENERGY COMPONENTS LO HI WARM FRAME... >OUT
 *
 * LO and HI: scan channels taken. WARM is 1 for updates after every frame, 0 for a fixed start at
 * each given one. OUT holds doubles, for each given frame: frames summed, m, pixels, channels,
 * noise edge, sum of all eigenvalues, significant components, passes since the last, eigenvalues
 * [m], spectra [m, channels], maps [m, pixels]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/pca.h"
#include "analysis/sparse.h"
#include "proto/recording.h"

typedef struct dump {
    uint32_t bin_pixels, bin_energy, m, lo, hi;
    bool warm;
    edx_wire *wire;
    edx_events_buffer *buffer;
    edx_begin begin;
    edx_sparse *sparse;
    edx_pca *pca;
    edx_pool *pool;
    uint64_t frames, passes;
    float *spectra, *maps;
} dump;

static void put(double value)
{
    fwrite(&value, sizeof value, 1, stdout);
}

static void put_all(const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put((double)values[i]);
}

static void put_components(dump *d)
{
    uint32_t pixels = edx_sparse_pixels(d->sparse), channels = edx_sparse_channels(d->sparse);
    const double head[] = {(double)d->frames,
                           d->m,
                           pixels,
                           channels,
                           edx_pca_edge(d->pca),
                           edx_pca_sum(d->pca),
                           edx_pca_significant(d->pca),
                           (double)d->passes};

    d->passes = 0;
    fwrite(head, sizeof *head, sizeof head / sizeof *head, stdout);
    fwrite(edx_pca_eigenvalues(d->pca), sizeof(double), d->m, stdout);
    edx_pca_vectors(d->pca, edx_sparse_total(d->sparse), d->m, d->spectra, d->maps);
    put_all(d->spectra, (size_t)d->m * channels);
    put_all(d->maps, (size_t)d->m * pixels);
}

static edx_status begin(dump *d, const edx_node *body, edx_error *err)
{
    edx_limits limits = edx_limits_default();
    edx_status status = edx_begin_read(body, &limits, &d->begin, err);
    const edx_begin *b = &d->begin;
    edx_sparse_shape shape = {b->rows,       b->cols, b->channels, d->bin_pixels,
                              d->bin_energy, d->lo,   d->hi,       EDX_FOLDS};

    if (status == EDX_OK)
        status = edx_sparse_new(&shape, &d->sparse, err);
    if (status == EDX_OK)
        status = edx_sparse_set_pool(d->sparse, d->pool, err);
    if (status == EDX_OK)
        status = edx_pca_new(edx_sparse_pixels(d->sparse), edx_sparse_channels(d->sparse), d->m,
                             &d->pca, err);
    if (status != EDX_OK)
        return status;
    edx_pca_set_pool(d->pca, d->pool);
    d->spectra = malloc(sizeof *d->spectra * d->m * edx_sparse_channels(d->sparse));
    d->maps = malloc(sizeof *d->maps * d->m * edx_sparse_pixels(d->sparse));
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

static edx_status update(dump *d, char *const *list, edx_error *err)
{
    const edx_scene *total = edx_sparse_total(d->sparse);
    bool now = wanted(d, list);
    edx_status status = EDX_OK;

    if ((!d->warm && !now) || edx_scene_counts(total) == 0)
        return EDX_OK;
    if (!d->warm)
        edx_sparse_sort(d->sparse);
    status = edx_pca_update(d->pca, total, !d->warm, err);
    d->passes += edx_pca_passes(d->pca);
    if (status == EDX_OK && now)
        put_components(d);
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

    if (argc < 9) {
        fprintf(stderr, "pca_dump: too few arguments, expected those its source names\n");
        return 2;
    }
    dump d = {.bin_pixels = number(argv[2]),
              .bin_energy = number(argv[3]),
              .m = number(argv[4]),
              .lo = number(argv[5]),
              .hi = number(argv[6]),
              .warm = number(argv[7]) != 0,
              .wire = edx_wire_new(0),
              .buffer = edx_events_buffer_new()};
    edx_status status = d.wire && d.buffer ? EDX_OK : EDX_E_NOMEM;
    if (status == EDX_OK)
        status = edx_pool_new(threads == NULL ? 2 : number(threads), &d.pool, &err);
    if (status == EDX_OK)
        status = run(&d, argv[1], argv + 8, &err);
    if (status != EDX_OK)
        fprintf(stderr, "pca_dump: %s: %s\n", argv[1], err.text);
    free(d.spectra);
    free(d.maps);
    edx_pca_free(&d.pca);
    edx_sparse_free(&d.sparse);
    edx_pool_free(&d.pool);
    edx_wire_free(&d.wire);
    edx_events_buffer_free(&d.buffer);
    return status == EDX_OK ? 0 : 1;
}
