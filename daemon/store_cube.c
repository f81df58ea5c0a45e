#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/h5.h"
#include "daemon/store.h"
#include "daemon/store_signal.h"

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t at_least_1(uint64_t n)
{
    return n > 0 ? n : 1;
}

/* ---- what describes the data ---- */

static void put_axes(edx_h5 *h5, const edx_begin *b)
{
    const edx_signal_axis axes[] = {
        {"y", "nm", 0.0, b->step_nm[0], b->rows, true, false},
        {"x", "nm", 0.0, b->step_nm[1], b->cols, true, false},
        {"Energy", "keV", b->offset_eV / 1000.0, b->scale_eV / 1000.0, b->channels, false, true},
    };
    for (uint32_t i = 0; i < sizeof axes / sizeof *axes; i++) {
        edx_signal_put_axis(h5, i, &axes[i]);
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
        edx_signal_text(h5, "detector_type", b->detector);
    }
    edx_h5_enter(h5, "EDS");
    if (b->has_detector) {
        edx_signal_float(h5, "azimuth_angle", b->azimuth_deg);
        edx_signal_float(h5, "elevation_angle", b->elevation_deg);
        edx_signal_float(h5, "energy_resolution_MnKa", b->resolution_eV);
        edx_signal_float(h5, "solid_angle", b->solid_angle_sr);
    }
    /* HyperSpy makes the dose of a pixel from it: s per pixel, all frames together. */
    edx_signal_float(h5, "live_time", mean(live_time_s, (uint64_t)b->rows * b->cols));
    edx_h5_leave(h5);
    edx_h5_leave(h5);
}

static void put_instrument(edx_h5 *h5, const edx_begin *b, const double *live_time_s)
{
    edx_h5_enter(h5, "Acquisition_instrument");
    edx_h5_enter(h5, "TEM");
    edx_signal_text(h5, "acquisition_mode", "STEM");
    edx_signal_float(h5, "beam_energy", b->beam_keV);
    edx_signal_float(h5, "beam_current", b->probe_nA);
    edx_h5_enter(h5, "Stage");
    edx_signal_float(h5, "tilt_alpha", 0.0);
    edx_h5_leave(h5);
    put_detector(h5, b, live_time_s);
    edx_h5_leave(h5);
    edx_h5_leave(h5);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A list as HyperSpy keeps it, sorted, each once. */
static void put_list(edx_h5 *h5, const char *name, const char **texts, size_t n)
{
    qsort(texts, n, sizeof *texts, compare_texts);
    uint64_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || strcmp(texts[kept - 1], texts[i]) != 0) {
            texts[kept++] = texts[i];
        }
    }
    edx_signal_texts(h5, name, texts, kept);
}

static void put_sample(edx_h5 *h5, const edx_begin *b, const edx_store_lines *used)
{
    const char *texts[EDX_MAX_LINES + EDX_MAX_ELEMENTS] = {0};
    const edx_line *lines = used->lines;
    const uint32_t n = used->n;
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

static void put_metadata(edx_h5 *h5, const edx_begin *b, const edx_store_lines *used,
                         const double *live_time_s)
{
    edx_h5_enter(h5, "metadata");
    edx_signal_general(h5, title_of(b));
    edx_h5_enter(h5, "Signal");
    edx_signal_text(h5, "signal_type", "EDS_TEM");
    edx_signal_text(h5, "record_by", "spectrum");
    edx_signal_text(h5, "quantity", "X-rays (Counts)");
    edx_h5_leave(h5);
    put_instrument(h5, b, live_time_s);
    put_sample(h5, b, used);
    edx_h5_leave(h5);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp((*(const edx_line *const *)a)->name, (*(const edx_line *const *)b)->name);
}

/* [lo, hi) as HyperSpy slices, from the centre of the first channel to that of the first behind:
 * those that the analysis' channels of bin are made of. */
static void put_window(const edx_begin *b, uint32_t bin, const double window_eV[2], double keV[2])
{
    const edx_axis axis = {b->offset_eV + 0.5 * (bin - 1) * b->scale_eV, b->scale_eV * bin,
                           b->channels / bin};
    for (int i = 0; i < 2; i++) {
        const uint32_t channel = edx_windows_first(&axis, window_eV[i]) * bin;
        keV[i] = (b->offset_eV + b->scale_eV * channel) / 1000.0;
    }
}

/* What get_lines_intensity and quantification ask for, in the order of Sample.xray_lines; HyperSpy
 * weighs where we count atoms. */
static void put_lines(edx_h5 *h5, const edx_begin *b, const edx_store_lines *used)
{
    const edx_line *sorted[EDX_MAX_LINES] = {0};
    const uint64_t n = used->n;
    double window[EDX_MAX_LINES][2];
    double background[EDX_MAX_LINES][4];
    double factor[EDX_MAX_LINES];
    for (uint64_t i = 0; i < n; i++) {
        sorted[i] = &used->lines[i];
    }
    qsort(sorted, n, sizeof *sorted, compare_lines);
    for (uint64_t i = 0; i < n; i++) {
        put_window(b, used->bin_energy, sorted[i]->window_eV, window[i]);
        put_window(b, used->bin_energy, sorted[i]->background_eV[0], background[i]);
        put_window(b, used->bin_energy, sorted[i]->background_eV[1], background[i] + 2);
        factor[i] = sorted[i]->k * sorted[i]->atomic_weight;
    }
    edx_signal_array(h5, "window_keV", EDX_H5_F8, 2, (const uint64_t[]){n, 2}, window);
    edx_signal_array(h5, "background_keV", EDX_H5_F8, 2, (const uint64_t[]){n, 4}, background);
    edx_signal_array(h5, "kfactors", EDX_H5_F8, 1, &n, factor);
}

/* HyperSpy knows one live time for all pixels, and no windows; both go where it keeps what it does
 * not know. */
static void put_original(edx_h5 *h5, const edx_begin *b, const edx_store_lines *used,
                         const double *live_time_s)
{
    edx_h5_enter(h5, "original_metadata");
    edx_h5_enter(h5, "edxd");
    edx_signal_text(h5, "acq", b->head.acq);
    edx_signal_float(h5, "dwell_s", b->dwell_s);
    if (live_time_s) {
        edx_signal_array(h5, "live_time_s", EDX_H5_F8, 2, (const uint64_t[]){b->rows, b->cols},
                         live_time_s);
    }
    if (used->n > 0) {
        put_lines(h5, b, used);
    }
    edx_h5_leave(h5);
    edx_h5_leave(h5);
}

/* ---- the data ---- */

typedef struct block {
    const edx_store_together *together;
    uint64_t shape[3]; /* of the largest block */
    uint32_t *wide;
    uint16_t *narrow; /* NULL: counts need 32 bits */
} block;

/* Whole spectra, as nearly square in space as the scan allows, of about EDX_SIGNAL_CHUNK_BYTES. */
static void choose_shape(const edx_scene *scene, size_t size, uint64_t shape[3])
{
    const uint64_t rows = edx_scene_rows(scene);
    const uint64_t cols = edx_scene_cols(scene);
    const uint64_t channels = edx_scene_channels(scene);
    const uint64_t pixels = at_least_1(EDX_SIGNAL_CHUNK_BYTES / (channels * size));
    const uint64_t side = at_least_1((uint64_t)sqrt((double)pixels));
    const uint64_t first = at_least_1(smaller(rows, side));
    shape[1] = at_least_1(smaller(cols, pixels / first));
    shape[0] = at_least_1(smaller(rows, pixels / shape[1]));
    shape[2] = channels;
}

static edx_status block_init(block *b, const edx_scene *scene, edx_error *err)
{
    const uint32_t peak = edx_crew_largest(b->together->crew, edx_scene_peak(scene));
    const bool narrow = peak <= UINT16_MAX;
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

/* The column up to which the pixels of a row, from col on, are one process'. */
static uint32_t end_of_run(const edx_ranks *ranks, const edx_ranks_grid *grid, uint32_t row,
                           uint32_t col, uint32_t end, uint32_t *owner)
{
    *owner = edx_ranks_owner_at(ranks, grid, row, col);
    while (++col < end && edx_ranks_owner_at(ranks, grid, row, col) == *owner) {
    }
    return col;
}

/* Counts of columns col to end - 1 of a row; what another process holds comes to the one that
 * writes. */
static void row_fill(const block *b, const edx_scene *scene, uint32_t row, uint32_t col,
                     uint32_t end, uint32_t *out)
{
    edx_crew *crew = b->together->crew;
    const edx_ranks *ranks = edx_crew_ranks(crew);
    const uint32_t first = row * edx_scene_cols(scene);
    if (!ranks) {
        edx_scene_dense(scene, first + col, end - col, out);
        return;
    }
    for (uint32_t next = col; col < end; col = next) {
        uint32_t owner;
        next = end_of_run(ranks, &b->together->grid, row, col, end, &owner);
        const size_t n = (size_t)(next - col) * edx_scene_channels(scene);
        if (owner == ranks->rank) {
            edx_scene_dense(scene, first + col, next - col, out);
        }
        edx_crew_fetch(crew, owner, out, n * sizeof *out);
        out += n;
    }
}

/* Fills the block of size [rows, cols, channels] from start and gives its counts. */
static const void *block_fill(block *b, const edx_scene *scene, const uint64_t start[3],
                              const uint64_t size[3])
{
    const size_t line = size[1] * size[2];
    for (uint64_t r = 0; r < size[0]; r++) {
        row_fill(b, scene, (uint32_t)(start[0] + r), (uint32_t)start[1],
                 (uint32_t)(start[1] + size[1]), b->wide + r * line);
    }
    if (!b->narrow) {
        return b->wide;
    }
    for (size_t i = 0; i < size[0] * line; i++) {
        b->narrow[i] = (uint16_t)b->wide[i];
    }
    return b->narrow;
}

/* h5 NULL: fills them for the process that writes. */
static void put_blocks(edx_h5 *h5, const edx_scene *scene, block *b, const uint64_t shape[3])
{
    uint64_t start[3] = {0};
    for (start[0] = 0; start[0] < shape[0]; start[0] += b->shape[0]) {
        for (start[1] = 0; start[1] < shape[1]; start[1] += b->shape[1]) {
            const uint64_t size[3] = {smaller(b->shape[0], shape[0] - start[0]),
                                      smaller(b->shape[1], shape[1] - start[1]), shape[2]};
            const void *counts = block_fill(b, scene, start, size);
            if (h5) {
                edx_h5_write(h5, start, size, counts);
            }
        }
    }
}

static edx_status put_data(const edx_store_together *together, edx_h5 *h5, const edx_scene *scene,
                           edx_error *err)
{
    const uint64_t shape[3] = {edx_scene_rows(scene), edx_scene_cols(scene),
                               edx_scene_channels(scene)};
    block b = {.together = together};
    edx_error why = {0};
    block_init(&b, scene, &why);
    const edx_status status = edx_crew_common(together->crew, &why);
    if (status) {
        edx_fail(err, status, "%s", why.text);
    } else {
        if (h5) {
            edx_h5_open(h5, "data", b.narrow ? EDX_H5_U2 : EDX_H5_U4, 3, shape, b.shape);
        }
        put_blocks(h5, scene, &b, shape);
        if (h5) {
            edx_h5_close(h5);
        }
    }
    block_clear(&b);
    return status;
}

/* ---- the file ---- */

static edx_status write_cube(const edx_store_together *together, const char *dir,
                             const edx_scene *scene, const edx_begin *begin,
                             const edx_store_lines *used, const double *live_time_s, edx_error *err)
{
    edx_h5 *h5 = NULL;
    edx_status status = edx_h5_new(dir, "cube.hspy", &h5, err);
    if (!edx_crew_follow(together->crew, status == EDX_OK)) {
        return status;
    }
    edx_signal_start(h5);
    edx_signal_enter(h5, title_of(begin), begin->head.acq);
    put_axes(h5, begin);
    put_metadata(h5, begin, used, live_time_s);
    put_original(h5, begin, used, live_time_s);
    status = put_data(together, h5, scene, err);
    edx_h5_leave(h5);
    edx_h5_leave(h5);
    if (status) {
        edx_h5_free(&h5);
        return status;
    }
    return edx_h5_commit(&h5, err);
}

edx_status edx_store_cube_of(const edx_store_together *together, const char *dir,
                             const edx_scene *scene, const edx_begin *begin,
                             const edx_store_lines *used, const double *live_time_s, edx_error *err)
{
    if (edx_crew_leads(together->crew)) {
        return write_cube(together, dir, scene, begin, used, live_time_s, err);
    }
    return edx_crew_follow(together->crew, false) ? put_data(together, NULL, scene, err) : EDX_OK;
}

edx_status edx_store_cube(const char *dir, const edx_scene *scene, const edx_begin *begin,
                          const edx_store_lines *used, const double *live_time_s, edx_error *err)
{
    const edx_store_together alone = {.crew = NULL};
    return edx_store_cube_of(&alone, dir, scene, begin, used, live_time_s, err);
}
