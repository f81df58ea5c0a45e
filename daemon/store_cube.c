#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/h5.h"
#include "daemon/store.h"

#define CHUNK_BYTES 1000000u /* what HyperSpy aims at */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t at_least_1(uint64_t n)
{
    return n > 0 ? n : 1;
}

/* ---- attributes ---- */

static void put_text(edx_h5 *h5, const char *key, const char *text)
{
    edx_h5_attribute(h5, key, EDX_H5_TEXT, &text);
}

static void put_bool(edx_h5 *h5, const char *key, bool value)
{
    edx_h5_attribute(h5, key, EDX_H5_BOOL, &value);
}

/* What was not sent is NaN, and left out. */
static void put_float(edx_h5 *h5, const char *key, double value)
{
    if (!isnan(value)) {
        edx_h5_attribute(h5, key, EDX_H5_F8, &value);
    }
}

/* ---- what describes the data ---- */

typedef struct axis {
    const char *group, *name, *units;
    double offset, scale;
    uint32_t size;
    bool navigate;
} axis;

static void put_axis(edx_h5 *h5, const axis *a)
{
    const int64_t size = a->size;
    edx_h5_enter(h5, a->group);
    put_text(h5, "_type", "UniformDataAxis");
    put_text(h5, "name", a->name);
    put_text(h5, "units", a->units);
    put_float(h5, "offset", a->offset);
    put_float(h5, "scale", a->scale);
    edx_h5_attribute(h5, "size", EDX_H5_I8, &size);
    put_bool(h5, "navigate", a->navigate);
    put_bool(h5, "is_binned", !a->navigate);
    edx_h5_leave(h5);
}

static void put_axes(edx_h5 *h5, const edx_begin *b)
{
    const axis axes[] = {
        {"axis-0", "y", "nm", 0.0, b->step_nm[0], b->rows, true},
        {"axis-1", "x", "nm", 0.0, b->step_nm[1], b->cols, true},
        {"axis-2", "Energy", "keV", b->offset_eV / 1000.0, b->scale_eV / 1000.0, b->channels,
         false},
    };
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++) {
        put_axis(h5, &axes[i]);
    }
}

static double mean(const double *values, uint64_t n)
{
    double sum = 0.0;
    for (uint64_t i = 0; values && i < n; i++) {
        sum += values[i];
    }
    return values && n > 0 ? sum / (double)n : NAN;
}

static void put_detector(edx_h5 *h5, const edx_begin *b, const double *live_time_s)
{
    edx_h5_enter(h5, "Detector");
    if (b->has_detector && b->detector[0]) {
        put_text(h5, "detector_type", b->detector);
    }
    edx_h5_enter(h5, "EDS");
    if (b->has_detector) {
        put_float(h5, "azimuth_angle", b->azimuth_deg);
        put_float(h5, "elevation_angle", b->elevation_deg);
        put_float(h5, "energy_resolution_MnKa", b->resolution_eV);
        put_float(h5, "solid_angle", b->solid_angle_sr);
    }
    /* HyperSpy makes the dose of a pixel from it: s per pixel, all frames together. */
    put_float(h5, "live_time", mean(live_time_s, (uint64_t)b->rows * b->cols));
    edx_h5_leave(h5);
    edx_h5_leave(h5);
}

static void put_instrument(edx_h5 *h5, const edx_begin *b, const double *live_time_s)
{
    edx_h5_enter(h5, "Acquisition_instrument");
    edx_h5_enter(h5, "TEM");
    put_text(h5, "acquisition_mode", "STEM");
    put_float(h5, "beam_energy", b->beam_keV);
    put_float(h5, "beam_current", b->probe_nA);
    edx_h5_enter(h5, "Stage");
    put_float(h5, "tilt_alpha", 0.0);
    edx_h5_leave(h5);
    put_detector(h5, b, live_time_s);
    edx_h5_leave(h5);
    edx_h5_leave(h5);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A list as HyperSpy keeps it, sorted, each once. */
static void put_list(edx_h5 *h5, const char *name, const char **texts, size_t n)
{
    qsort(texts, n, sizeof *texts, compare);
    uint64_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || strcmp(texts[kept - 1], texts[i]) != 0) {
            texts[kept++] = texts[i];
        }
    }
    if (kept > 0) {
        edx_h5_put(h5, name, EDX_H5_TEXT, 1, &kept, texts);
    }
}

static void put_sample(edx_h5 *h5, const edx_begin *b, const edx_line *lines, uint32_t n)
{
    const char *texts[EDX_MAX_LINES + EDX_MAX_ELEMENTS] = {0};
    edx_h5_enter(h5, "Sample");
    const uint32_t elements = n > 0 ? n : b->n_elements;
    for (uint32_t i = 0; i < elements; i++) {
        texts[i] = n > 0 ? lines[i].element : b->elements[i];
    }
    put_list(h5, "_list_elements", texts, elements);
    for (uint32_t i = 0; i < n; i++) {
        texts[i] = lines[i].name;
    }
    put_list(h5, "_list_xray_lines", texts, n);
    edx_h5_leave(h5);
}

static const char *title_of(const edx_begin *begin)
{
    return begin->title[0] ? begin->title : begin->head.acq;
}

static void put_metadata(edx_h5 *h5, const edx_begin *b, const edx_line *lines, uint32_t n,
                         const double *live_time_s)
{
    edx_h5_enter(h5, "metadata");
    edx_h5_enter(h5, "General");
    put_text(h5, "title", title_of(b));
    edx_h5_leave(h5);
    edx_h5_enter(h5, "Signal");
    put_text(h5, "signal_type", "EDS_TEM");
    put_text(h5, "record_by", "spectrum");
    put_text(h5, "quantity", "X-rays (Counts)");
    edx_h5_leave(h5);
    put_instrument(h5, b, live_time_s);
    put_sample(h5, b, lines, n);
    edx_h5_leave(h5);
}

/* HyperSpy knows one live time for all pixels; the true one goes where it keeps what it does not
 * know. It asks for chunks of everything that it reads lazily. */
static void put_original(edx_h5 *h5, const edx_begin *b, const double *live_time_s)
{
    const uint64_t shape[2] = {b->rows, b->cols};
    const uint64_t start[2] = {0, 0};
    const uint64_t fit = at_least_1(CHUNK_BYTES / (sizeof *live_time_s * shape[1]));
    const uint64_t chunk[2] = {smaller(shape[0], fit), shape[1]};
    edx_h5_enter(h5, "original_metadata");
    edx_h5_enter(h5, "edxd");
    put_text(h5, "acq", b->head.acq);
    if (live_time_s) {
        edx_h5_open(h5, "live_time_s", EDX_H5_F8, 2, shape, chunk);
        edx_h5_write(h5, start, shape, live_time_s);
        edx_h5_close(h5);
    }
    edx_h5_leave(h5);
    edx_h5_leave(h5);
}

/* ---- the data ---- */

typedef struct block {
    uint64_t shape[3]; /* of the largest block */
    uint32_t *wide;
    uint16_t *narrow; /* NULL: counts need 32 bits */
} block;

/* Whole spectra, as nearly square in space as the scan allows, of about CHUNK_BYTES. */
static void choose_shape(const edx_scene *scene, size_t size, uint64_t shape[3])
{
    const uint64_t rows = edx_scene_rows(scene);
    const uint64_t cols = edx_scene_cols(scene);
    const uint64_t channels = edx_scene_channels(scene);
    const uint64_t pixels = at_least_1(CHUNK_BYTES / (channels * size));
    const uint64_t side = at_least_1((uint64_t)sqrt((double)pixels));
    const uint64_t first = at_least_1(smaller(rows, side));
    shape[1] = at_least_1(smaller(cols, pixels / first));
    shape[0] = at_least_1(smaller(rows, pixels / shape[1]));
    shape[2] = channels;
}

static edx_status block_init(block *b, const edx_scene *scene, edx_error *err)
{
    const bool narrow = edx_scene_peak(scene) <= UINT16_MAX;
    choose_shape(scene, narrow ? sizeof *b->narrow : sizeof *b->wide, b->shape);
    const size_t n = b->shape[0] * b->shape[1] * b->shape[2];
    b->wide = malloc(n * sizeof *b->wide);
    b->narrow = narrow ? malloc(n * sizeof *b->narrow) : NULL;
    if (!b->wide || (narrow && !b->narrow)) {
        return edx_fail(err, EDX_E_NOMEM, "no memory for a block of the cube");
    }
    return EDX_OK;
}

static void block_clear(block *b)
{
    free(b->wide);
    free(b->narrow);
}

/* Fills the block of size [rows, cols, channels] from start and gives its counts. */
static const void *block_fill(block *b, const edx_scene *scene, const uint64_t start[3],
                              const uint64_t size[3])
{
    const uint64_t cols = edx_scene_cols(scene);
    const size_t line = size[1] * size[2];
    for (uint64_t r = 0; r < size[0]; r++) {
        const uint64_t first = (start[0] + r) * cols + start[1];
        edx_scene_dense(scene, (uint32_t)first, (uint32_t)size[1], b->wide + r * line);
    }
    if (!b->narrow) {
        return b->wide;
    }
    for (size_t i = 0; i < size[0] * line; i++) {
        b->narrow[i] = (uint16_t)b->wide[i];
    }
    return b->narrow;
}

static void put_blocks(edx_h5 *h5, const edx_scene *scene, block *b, const uint64_t shape[3])
{
    uint64_t start[3] = {0};
    for (start[0] = 0; start[0] < shape[0]; start[0] += b->shape[0]) {
        for (start[1] = 0; start[1] < shape[1]; start[1] += b->shape[1]) {
            const uint64_t size[3] = {smaller(b->shape[0], shape[0] - start[0]),
                                      smaller(b->shape[1], shape[1] - start[1]), shape[2]};
            edx_h5_write(h5, start, size, block_fill(b, scene, start, size));
        }
    }
}

static edx_status put_data(edx_h5 *h5, const edx_scene *scene, edx_error *err)
{
    const uint64_t shape[3] = {edx_scene_rows(scene), edx_scene_cols(scene),
                               edx_scene_channels(scene)};
    block b = {0};
    const edx_status status = block_init(&b, scene, err);
    if (!status) {
        edx_h5_open(h5, "data", b.narrow ? EDX_H5_U2 : EDX_H5_U4, 3, shape, b.shape);
        put_blocks(h5, scene, &b, shape);
        edx_h5_close(h5);
    }
    block_clear(&b);
    return status;
}

/* ---- the file ---- */

/* The title where HDF5 can take it as a name: like HyperSpy, '-' for '/'; "." would be the group
 * itself. */
static void enter_experiment(edx_h5 *h5, const edx_begin *begin)
{
    char name[EDX_TITLE_SIZE];
    snprintf(name, sizeof name, "%s", title_of(begin));
    for (char *c = name; *c; c++) {
        *c = *c == '/' ? '-' : *c;
    }
    edx_h5_enter(h5, strcmp(name, ".") == 0 ? begin->head.acq : name);
}

edx_status edx_store_cube(const char *dir, const edx_scene *scene, const edx_begin *begin,
                          const edx_line *lines, uint32_t n_lines, const double *live_time_s,
                          edx_error *err)
{
    edx_h5 *h5 = NULL;
    edx_status status = edx_h5_new(dir, "cube.hspy", &h5, err);
    if (status) {
        return status;
    }
    put_text(h5, "file_format", "HyperSpy");
    put_text(h5, "file_format_version", "3.1");
    edx_h5_enter(h5, "Experiments");
    enter_experiment(h5, begin);
    put_axes(h5, begin);
    put_metadata(h5, begin, lines, n_lines, live_time_s);
    put_original(h5, begin, live_time_s);
    status = put_data(h5, scene, err);
    edx_h5_leave(h5);
    edx_h5_leave(h5);
    if (status) {
        edx_h5_free(&h5);
        return status;
    }
    return edx_h5_commit(&h5, err);
}
