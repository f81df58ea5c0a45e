#include "analysis/sparse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/scene_rows.h"

#define NOWHERE UINT16_MAX

/* Counts by analysis pixel and channel, made from those of a message. */
typedef struct gathered {
    uint32_t *offsets; /* [pixels + 1] */
    uint16_t *channels;
    uint32_t *weights;
    size_t room, weights_room; /* entries */
    uint32_t n;
} gathered;

struct edx_sparse {
    edx_sparse_shape shape;
    uint32_t rows, cols, channels; /* analysis */
    uint16_t *map;                 /* scan channel -> analysis channel [shape.channels] */
    gathered now;
    edx_scene *total;
    edx_scene **folds;  /* [shape.folds] NULL until a frame comes */
    uint64_t *exposure; /* [shape.folds + 1] */
    edx_pool *pool;
    bool stale;
};

/* ---- life ---- */

static edx_status check_shape(const edx_sparse_shape *s, edx_error *err)
{
    if (s->bin_pixels == 0 || s->bin_pixels > s->rows || s->bin_pixels > s->cols ||
        s->bin_energy == 0 || s->bin_energy > s->channels)
        return edx_fail(
            err, EDX_E_RANGE,
            "bins of %u pixels and %u channels, expected 1 to the scan's %u x %u and %u",
            s->bin_pixels, s->bin_energy, s->rows, s->cols, s->channels);
    if (s->folds == 0 || s->folds > EDX_MAX_FOLDS)
        return edx_fail(err, EDX_E_RANGE, "%u folds, expected 1 to %u", s->folds, EDX_MAX_FOLDS);
    return EDX_OK;
}

static bool allocate(edx_sparse *s)
{
    s->map = malloc(sizeof *s->map * s->shape.channels);
    s->now.offsets = calloc((size_t)s->rows * s->cols + 1, sizeof *s->now.offsets);
    s->folds = calloc(s->shape.folds, sizeof(edx_scene *));
    s->exposure = calloc(s->shape.folds + 1u, sizeof *s->exposure);
    return s->map != NULL && s->now.offsets != NULL && s->folds != NULL && s->exposure != NULL;
}

static void fill_map(edx_sparse *s)
{
    for (uint32_t c = 0; c < s->shape.channels; c++) {
        uint32_t to = c / s->shape.bin_energy;
        bool taken = c >= s->shape.lo && c < s->shape.hi && to < s->channels;
        s->map[c] = taken ? (uint16_t)to : NOWHERE;
    }
}

edx_status edx_sparse_new(const edx_sparse_shape *shape, edx_sparse **out, edx_error *err)
{
    edx_status status = check_shape(shape, err);
    edx_sparse *s = status == EDX_OK ? calloc(1, sizeof *s) : NULL;

    *out = NULL;
    if (status != EDX_OK)
        return status;
    if (s != NULL) {
        s->shape = *shape;
        s->rows = shape->rows / shape->bin_pixels;
        s->cols = shape->cols / shape->bin_pixels;
        s->channels = shape->channels / shape->bin_energy;
    }
    if (s == NULL || !allocate(s)) {
        edx_sparse_free(&s);
        return edx_fail(err, EDX_E_NOMEM, "no memory for binned counts of %u x %u pixels",
                        shape->rows, shape->cols);
    }
    fill_map(s);
    status = edx_scene_new(s->rows, s->cols, s->channels, &s->total, err);
    if (status != EDX_OK)
        edx_sparse_free(&s);
    *out = s;
    return status;
}

void edx_sparse_free(edx_sparse **sparse)
{
    edx_sparse *s = *sparse;

    *sparse = NULL;
    if (s == NULL)
        return;
    edx_scene_free(&s->total);
    for (uint32_t f = 0; s->folds != NULL && f < s->shape.folds; f++)
        edx_scene_free(&s->folds[f]);
    free(s->folds);
    free(s->exposure);
    free(s->now.offsets);
    free(s->now.channels);
    free(s->now.weights);
    free(s->map);
    free(s);
}

edx_status edx_sparse_set_pool(edx_sparse *sparse, edx_pool *pool, edx_error *err)
{
    edx_status status = edx_scene_set_pool(sparse->total, pool, err);

    for (uint32_t f = 0; status == EDX_OK && f < sparse->shape.folds; f++)
        if (sparse->folds[f] != NULL)
            status = edx_scene_set_pool(sparse->folds[f], pool, err);
    if (status == EDX_OK)
        sparse->pool = pool;
    return status;
}

const edx_pool *edx_sparse_pool(const edx_sparse *sparse)
{
    return sparse->pool;
}

edx_status edx_sparse_share(edx_sparse *sparse, edx_error *err)
{
    edx_status status = edx_scene_share(sparse->total, sparse->pool, err);

    for (uint32_t f = 0; status == EDX_OK && f < sparse->shape.folds; f++)
        if (sparse->folds[f] != NULL)
            status = edx_scene_share(sparse->folds[f], sparse->pool, err);
    return status;
}

/* ---- gathering ---- */

static edx_status make_room(gathered *g, size_t entries, bool weighted, edx_error *err)
{
    if (entries > g->room) {
        uint16_t *channels = realloc(g->channels, sizeof *channels * 2 * entries);
        if (channels == NULL)
            return edx_fail(err, EDX_E_NOMEM, "no memory to bin %zu counts", entries);
        g->channels = channels;
        g->room = 2 * entries;
    }
    if (weighted && entries > g->weights_room) {
        uint32_t *weights = realloc(g->weights, sizeof *weights * 2 * entries);
        if (weights == NULL)
            return edx_fail(err, EDX_E_NOMEM, "no memory to bin %zu counts", entries);
        g->weights = weights;
        g->weights_room = 2 * entries;
    }
    return EDX_OK;
}

/* Entries first .. end - 1, those that are in no analysis channel left out. */
static void gather_entries(edx_sparse *s, const edx_events *events, uint32_t first, uint32_t end)
{
    gathered *g = &s->now;
    uint32_t n = g->n;

    for (uint32_t i = first; i < end; i++) {
        uint16_t to = s->map[events->channels[i]];
        g->channels[n] = to;
        if (events->weights != NULL)
            g->weights[n] = events->weights[i];
        n += to != NOWHERE;
    }
    g->n = n;
}

/* Scan rows first .. end - 1, of those that start at row of the scan, as one analysis row. */
static void gather_row(edx_sparse *s, const edx_events *events, uint32_t row, uint32_t first,
                       uint32_t end, uint32_t *offsets)
{
    uint32_t bin = s->shape.bin_pixels;

    for (uint32_t c = 0; c < s->cols; c++) {
        offsets[c] = s->now.n;
        for (uint32_t r = first; r < end; r++) {
            const uint32_t *at = events->offsets + (size_t)(r - row) * s->shape.cols;
            gather_entries(s, events, at[(size_t)c * bin], at[(size_t)(c + 1) * bin]);
        }
    }
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* The events of scan rows row .. end - 1 (those that fill analysis rows) as analysis rows. */
static edx_events gather(edx_sparse *s, const edx_events *events, uint32_t row, uint32_t end)
{
    uint32_t bin = s->shape.bin_pixels, row_0 = row / bin, *offsets = s->now.offsets;

    s->now.n = 0;
    for (uint32_t r = row_0; r * bin < end; r++) {
        uint32_t first = r * bin < row ? row : r * bin;
        gather_row(s, events, row, first, smaller((r + 1) * bin, end), offsets);
        offsets += s->cols;
    }
    *offsets = s->now.n;
    return (edx_events){.pixels = (uint32_t)(offsets - s->now.offsets),
                        .offsets = s->now.offsets,
                        .channels = s->now.channels,
                        .weights = events->weights == NULL ? NULL : s->now.weights};
}

/* ---- adding ---- */

static edx_status open_fold(edx_sparse *s, uint32_t fold, edx_error *err)
{
    if (s->folds[fold] != NULL)
        return EDX_OK;
    edx_status status = edx_scene_new(s->rows, s->cols, s->channels, &s->folds[fold], err);
    if (status == EDX_OK)
        status = edx_scene_set_pool(s->folds[fold], s->pool, err);
    if (status != EDX_OK)
        edx_scene_free(&s->folds[fold]);
    return status;
}

static edx_status add(edx_sparse *s, uint32_t fold, uint32_t row, const edx_events *events,
                      edx_error *err)
{
    uint32_t bin = s->shape.bin_pixels;
    assert(bin > 0 && s->shape.cols > 0);
    uint32_t end = smaller(row + events->pixels / s->shape.cols, s->rows * bin);
    edx_status status = make_room(&s->now, (size_t)events->offsets[events->pixels] + 1,
                                  events->weights != NULL, err);

    if (status == EDX_OK && fold < s->shape.folds)
        status = open_fold(s, fold, err);
    if (status != EDX_OK || row >= end)
        return status;
    edx_events binned = gather(s, events, row, end);
    status = edx_scene_add(s->total, row / bin, &binned, err);
    if (status == EDX_OK && fold < s->shape.folds)
        status = edx_scene_add(s->folds[fold], row / bin, &binned, err);
    return status;
}

edx_status edx_sparse_add(edx_sparse *sparse, uint64_t frame, uint32_t row,
                          const edx_events *events, edx_error *err)
{
    uint32_t fold = (uint32_t)(frame % sparse->shape.folds);
    edx_status status = add(sparse, fold, row, events, err);

    if (status != EDX_OK)
        sparse->stale = true;
    else
        sparse->exposure[fold] += events->pixels;
    return status;
}

bool edx_sparse_stale(const edx_sparse *sparse)
{
    return sparse->stale;
}

/* ---- starting anew ---- */

/* One scan row of a scene as weighted events. */
typedef struct row_of_scene {
    uint32_t *offsets;
    uint16_t *channels;
    uint32_t *weights;
    uint32_t n;
} row_of_scene;

static void take_voxel(void *context, uint32_t channel, uint32_t count)
{
    row_of_scene *r = context;

    r->channels[r->n] = (uint16_t)channel;
    r->weights[r->n++] = count;
}

static edx_status add_scene_row(edx_sparse *s, const edx_scene *scene, uint32_t row,
                                row_of_scene *r, edx_error *err)
{
    r->n = 0;
    for (uint32_t c = 0; c < s->shape.cols; c++) {
        r->offsets[c] = r->n;
        edx_scene_visit(scene, row * s->shape.cols + c, take_voxel, r);
    }
    r->offsets[s->shape.cols] = r->n;
    edx_events events = {s->shape.cols, r->offsets, r->channels, r->weights};
    return add(s, s->shape.folds, row, &events, err);
}

void edx_sparse_clear(edx_sparse *sparse)
{
    edx_scene_clear(sparse->total);
    for (uint32_t f = 0; f < sparse->shape.folds; f++)
        edx_scene_free(&sparse->folds[f]);
    memset(sparse->exposure, 0, sizeof *sparse->exposure * (sparse->shape.folds + 1));
    sparse->stale = false;
}

/* A row of the scene came in one go, whatever frames it is of. */
static void copy_exposure(edx_sparse *s, const edx_scene *scene)
{
    const uint32_t *frames = edx_scene_exposure(scene);
    size_t bin = s->shape.bin_pixels;

    for (uint32_t i = 0; i < s->rows * s->cols; i++)
        edx_scene_set_exposure(s->total, i,
                               frames[i / s->cols * bin * s->shape.cols + i % s->cols * bin]);
}

edx_status edx_sparse_rebuild(edx_sparse *sparse, const edx_scene *scene, edx_error *err)
{
    size_t most = (size_t)sparse->shape.cols * sparse->shape.channels;
    row_of_scene r = {.offsets = malloc(sizeof *r.offsets * (sparse->shape.cols + 1)),
                      .channels = malloc(sizeof *r.channels * most),
                      .weights = malloc(sizeof *r.weights * most)};
    edx_status status = EDX_OK;

    edx_sparse_clear(sparse);
    sparse->stale = true;
    if (r.offsets == NULL || r.channels == NULL || r.weights == NULL)
        status =
            edx_fail(err, EDX_E_NOMEM, "no memory to bin a row of %u pixels", sparse->shape.cols);
    for (uint32_t row = 0; status == EDX_OK && row < sparse->shape.rows; row++)
        status = add_scene_row(sparse, scene, row, &r, err);
    for (uint32_t i = 0; i < sparse->shape.rows * sparse->shape.cols; i++)
        sparse->exposure[sparse->shape.folds] += edx_scene_exposure(scene)[i];
    if (status == EDX_OK)
        copy_exposure(sparse, scene);
    sparse->stale = status != EDX_OK;
    free(r.offsets);
    free(r.channels);
    free(r.weights);
    return status;
}

void edx_sparse_sort(edx_sparse *sparse)
{
    edx_scene_sort(sparse->total);
    for (uint32_t f = 0; f < sparse->shape.folds; f++)
        if (sparse->folds[f] != NULL)
            edx_scene_sort(sparse->folds[f]);
}

/* ---- asking ---- */

const edx_sparse_shape *edx_sparse_shape_of(const edx_sparse *sparse)
{
    return &sparse->shape;
}

uint32_t edx_sparse_pixels(const edx_sparse *sparse)
{
    return sparse->rows * sparse->cols;
}

uint32_t edx_sparse_channels(const edx_sparse *sparse)
{
    return sparse->channels;
}

const edx_scene *edx_sparse_total(const edx_sparse *sparse)
{
    return sparse->total;
}

const edx_scene *edx_sparse_fold(const edx_sparse *sparse, uint32_t fold)
{
    return fold < sparse->shape.folds ? sparse->folds[fold] : NULL;
}

uint64_t edx_sparse_exposure(const edx_sparse *sparse, uint32_t fold)
{
    return sparse->exposure[fold];
}

uint64_t edx_sparse_bytes(const edx_sparse *sparse)
{
    uint64_t bytes = edx_scene_bytes(sparse->total);
    for (uint32_t f = 0; f < sparse->shape.folds; f++)
        bytes += sparse->folds[f] != NULL ? edx_scene_bytes(sparse->folds[f]) : 0;
    return bytes;
}
