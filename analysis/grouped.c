#include "analysis/grouped.h"

#include <stdbool.h>
#include <stdlib.h>

struct edx_grouped {
    edx_sparse *pixels;
    edx_sparse *scan; /* NULL: pixels serves, they are scan pixels */
    uint32_t groups;
};

/* ---- life ---- */

static edx_status open_stores(edx_grouped *g, const edx_sparse_shape *shape, uint32_t groups,
                              edx_error *err)
{
    edx_sparse_shape pixels = *shape, scan = *shape;

    scan.folds = groups > EDX_FOLDS ? EDX_FOLDS : groups < 1 ? 1 : groups;
    g->groups = groups < 2 ? 0 : scan.folds;
    pixels.folds = groups < 2 ? EDX_FOLDS : scan.folds;
    scan.bin_pixels = 1;
    edx_status status = edx_sparse_new(&pixels, &g->pixels, err);
    if (status == EDX_OK && pixels.bin_pixels != 1)
        status = edx_sparse_new(&scan, &g->scan, err);
    return status;
}

edx_status edx_grouped_new(const edx_sparse_shape *shape, uint32_t groups, edx_grouped **out,
                           edx_error *err)
{
    edx_grouped *g = calloc(1, sizeof *g);

    *out = g;
    if (g == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for grouped counts");
    edx_status status = open_stores(g, shape, groups, err);
    if (status != EDX_OK)
        edx_grouped_free(out);
    return status;
}

void edx_grouped_free(edx_grouped **grouped)
{
    edx_grouped *g = *grouped;

    *grouped = NULL;
    if (g == NULL)
        return;
    edx_sparse_free(&g->pixels);
    edx_sparse_free(&g->scan);
    free(g);
}

edx_status edx_grouped_set_pool(edx_grouped *grouped, edx_pool *pool, edx_error *err)
{
    edx_status status = edx_sparse_set_pool(grouped->pixels, pool, err);

    if (status == EDX_OK && grouped->scan != NULL)
        status = edx_sparse_set_pool(grouped->scan, pool, err);
    return status;
}

/* ---- counts ---- */

void edx_grouped_add(edx_grouped *grouped, uint64_t frame, uint32_t row, const edx_events *events)
{
    edx_sparse *stores[] = {grouped->pixels, grouped->scan};

    for (int i = 0; i < 2; i++)
        if (stores[i] != NULL && !edx_sparse_stale(stores[i]))
            (void)edx_sparse_add(stores[i], frame, row, events, NULL); /* else becomes stale */
}

static bool same_shape(const edx_sparse_shape *a, const edx_sparse_shape *b)
{
    return a->rows == b->rows && a->cols == b->cols && a->channels == b->channels &&
           a->bin_pixels == b->bin_pixels && a->bin_energy == b->bin_energy && a->lo == b->lo &&
           a->hi == b->hi && a->folds == b->folds;
}

/* Whatever a store of one shape counted, another of the same shape has counted. */
static bool follow(edx_sparse **store, edx_sparse **before, const edx_scene *scene)
{
    if (same_shape(edx_sparse_shape_of(*store), edx_sparse_shape_of(*before))) {
        edx_sparse *taken = *before;
        *before = *store;
        *store = taken;
        return true;
    }
    (void)edx_sparse_rebuild(*store, scene, NULL); /* else stays stale */
    return false;
}

bool edx_grouped_follow(edx_grouped *grouped, edx_grouped *before, const edx_scene *scene)
{
    bool all = follow(&grouped->pixels, &before->pixels, scene);

    if (grouped->scan != NULL && before->scan != NULL)
        return follow(&grouped->scan, &before->scan, scene) && all;
    if (grouped->scan != NULL)
        (void)edx_sparse_rebuild(grouped->scan, scene, NULL);
    return all && grouped->scan == NULL;
}

void edx_grouped_clear(edx_grouped *grouped)
{
    edx_sparse_clear(grouped->pixels);
    if (grouped->scan != NULL)
        edx_sparse_clear(grouped->scan);
}

edx_status edx_grouped_ready(edx_grouped *grouped, const edx_scene *scene, edx_error *err)
{
    edx_sparse *stores[] = {grouped->pixels, grouped->scan};
    edx_status status = EDX_OK;

    for (int i = 0; i < 2 && status == EDX_OK; i++)
        if (stores[i] != NULL && edx_sparse_stale(stores[i]))
            status = edx_sparse_rebuild(stores[i], scene, err);
    for (int i = 0; i < 2 && status == EDX_OK; i++)
        if (stores[i] != NULL)
            status = edx_sparse_share(stores[i], err);
    return status;
}

void edx_grouped_sort(edx_grouped *grouped)
{
    edx_sparse_sort(grouped->pixels);
    if (grouped->scan != NULL)
        edx_sparse_sort(grouped->scan);
}

edx_sparse *edx_grouped_pixels(edx_grouped *grouped)
{
    return grouped->pixels;
}

edx_sparse *edx_grouped_scan(edx_grouped *grouped)
{
    return grouped->scan != NULL ? grouped->scan : grouped->pixels;
}

uint32_t edx_grouped_groups(const edx_grouped *grouped)
{
    return grouped->groups;
}

uint64_t edx_grouped_bytes(const edx_grouped *grouped)
{
    return edx_sparse_bytes(grouped->pixels) +
           (grouped->scan != NULL ? edx_sparse_bytes(grouped->scan) : 0);
}
