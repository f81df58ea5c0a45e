#include "analysis/sparse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/scene_rows.h"

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
    edx_scene *own; /* the cube where nobody else keeps it */
    const edx_scene *cube;
    edx_scene **folds; /* [shape.folds] views of the cube */
    edx_pool *pool;
    bool seen; /* total is a view too */
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
    return s->map != NULL && s->now.offsets != NULL && s->folds != NULL;
}

static void fill_map(edx_sparse *s)
{
    for (uint32_t c = 0; c < s->shape.channels; c++) {
        uint32_t to = c / s->shape.bin_energy;
        bool taken = c >= s->shape.lo && c < s->shape.hi && to < s->channels;
        s->map[c] = (uint16_t)(taken ? to : s->channels);
    }
}

static edx_status open_scenes(edx_sparse *s, const edx_scene *cube, edx_error *err)
{
    const edx_sparse_shape *shape = &s->shape;
    edx_status status = EDX_OK;

    if (cube == NULL)
        status = edx_scene_new_grouped(shape->rows, shape->cols, shape->channels, shape->folds,
                                       &s->own, err);
    s->cube = cube != NULL ? cube : s->own;
    if (status == EDX_OK && s->seen)
        status = edx_scene_new_view(s->cube, EDX_SCENE_ALL, shape->bin_pixels, s->map, s->channels,
                                    &s->total, err);
    else if (status == EDX_OK)
        status = edx_scene_new(s->rows, s->cols, s->channels, &s->total, err);
    for (uint32_t f = 0; status == EDX_OK && f < shape->folds; f++)
        status = edx_scene_new_view(s->cube, f, shape->bin_pixels, s->map, s->channels,
                                    &s->folds[f], err);
    return status;
}

static edx_status make(const edx_sparse_shape *shape, const edx_scene *cube, bool seen,
                       edx_sparse **out, edx_error *err)
{
    edx_status status = check_shape(shape, err);
    edx_sparse *s = status == EDX_OK ? calloc(1, sizeof *s) : NULL;

    *out = NULL;
    if (status != EDX_OK)
        return status;
    if (s != NULL) {
        s->shape = *shape;
        s->seen = seen;
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
    status = open_scenes(s, cube, err);
    if (status != EDX_OK)
        edx_sparse_free(&s);
    *out = s;
    return status;
}

edx_status edx_sparse_new(const edx_sparse_shape *shape, edx_sparse **out, edx_error *err)
{
    return make(shape, NULL, false, out, err);
}

edx_status edx_sparse_new_of(const edx_sparse_shape *shape, const edx_scene *cube, edx_sparse **out,
                             edx_error *err)
{
    return make(shape, cube, false, out, err);
}

edx_status edx_sparse_new_seen(const edx_sparse_shape *shape, const edx_scene *cube,
                               edx_sparse **out, edx_error *err)
{
    return make(shape, cube, true, out, err);
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
    edx_scene_free(&s->own);
    free(s->folds);
    free(s->now.offsets);
    free(s->now.channels);
    free(s->now.weights);
    free(s->map);
    free(s);
}

edx_status edx_sparse_set_pool(edx_sparse *sparse, edx_pool *pool, edx_error *err)
{
    edx_status status = sparse->seen ? EDX_OK : edx_scene_set_pool(sparse->total, pool, err);

    if (status == EDX_OK && sparse->own != NULL)
        status = edx_scene_set_pool(sparse->own, pool, err);
    if (status == EDX_OK)
        sparse->pool = pool;
    return status;
}

edx_pool *edx_sparse_pool(const edx_sparse *sparse)
{
    return sparse->pool;
}

edx_status edx_sparse_share(edx_sparse *sparse, edx_error *err)
{
    edx_status status = edx_scene_share(sparse->total, sparse->pool, err);

    for (uint32_t f = 0; status == EDX_OK && f < sparse->shape.folds; f++)
        if (edx_sparse_fold(sparse, f) != NULL)
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
        n += to != s->channels;
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

static edx_status add(edx_sparse *s, uint32_t row, const edx_events *events, edx_error *err)
{
    uint32_t bin = s->shape.bin_pixels;
    assert(bin > 0 && s->shape.cols > 0);
    uint32_t end = smaller(row + events->pixels / s->shape.cols, s->rows * bin);
    edx_status status = make_room(&s->now, (size_t)events->offsets[events->pixels] + 1,
                                  events->weights != NULL, err);

    if (status != EDX_OK || row >= end)
        return status;
    edx_events binned = gather(s, events, row, end);
    return edx_scene_add(s->total, row / bin, &binned, err);
}

edx_status edx_sparse_add(edx_sparse *sparse, uint64_t frame, uint32_t row,
                          const edx_events *events, edx_error *err)
{
    uint32_t fold = (uint32_t)(frame % sparse->shape.folds);
    edx_status status = EDX_OK;

    if (sparse->own != NULL)
        status = edx_scene_add_to(sparse->own, fold, row, events, err);
    if (status == EDX_OK)
        status = add(sparse, row, events, err);
    sparse->stale = sparse->stale || status != EDX_OK;
    return status;
}

bool edx_sparse_stale(const edx_sparse *sparse)
{
    return sparse->stale;
}

/* ---- starting anew ---- */

void edx_sparse_clear(edx_sparse *sparse)
{
    if (!sparse->seen)
        edx_scene_clear(sparse->total);
    if (sparse->own != NULL)
        edx_scene_clear(sparse->own);
    sparse->stale = false;
}

/* A row of the cube came in one go, whatever frames it is of. */
static void copy_exposure(edx_sparse *s)
{
    const uint32_t *frames = edx_scene_exposure(s->cube);
    size_t bin = s->shape.bin_pixels;

    for (uint32_t i = 0; i < s->rows * s->cols; i++)
        edx_scene_set_exposure(s->total, i,
                               frames[i / s->cols * bin * s->shape.cols + i % s->cols * bin]);
}

edx_status edx_sparse_rebuild(edx_sparse *sparse, edx_error *err)
{
    edx_scene_events buffer = {NULL, NULL, NULL, 0};
    edx_status status = EDX_OK;
    edx_events events;

    edx_scene_clear(sparse->total);
    for (uint32_t row = 0; status == EDX_OK && row < sparse->shape.rows; row++) {
        status = edx_scene_row_events(sparse->cube, row, &buffer, &events, err);
        if (status == EDX_OK)
            status = add(sparse, row, &events, err);
    }
    edx_scene_events_free(&buffer);
    if (status == EDX_OK)
        copy_exposure(sparse);
    sparse->stale = status != EDX_OK;
    return status;
}

void edx_sparse_sort(edx_sparse *sparse)
{
    if (!sparse->seen)
        edx_scene_sort(sparse->total);
    if (sparse->own != NULL)
        edx_scene_sort(sparse->own);
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

const edx_scene *edx_sparse_cube(const edx_sparse *sparse)
{
    return sparse->cube;
}

const edx_scene *edx_sparse_fold(const edx_sparse *sparse, uint32_t fold)
{
    return fold < sparse->shape.folds && edx_sparse_exposure(sparse, fold) > 0 ? sparse->folds[fold]
                                                                               : NULL;
}

uint64_t edx_sparse_exposure(const edx_sparse *sparse, uint32_t fold)
{
    return edx_scene_group_exposure(sparse->cube, fold);
}

uint64_t edx_sparse_bytes(const edx_sparse *sparse)
{
    return edx_scene_bytes(sparse->total) +
           (sparse->own != NULL ? edx_scene_bytes(sparse->own) : 0);
}
