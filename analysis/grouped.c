#include "analysis/grouped.h"

#include <stdbool.h>
#include <stdlib.h>

struct edx_grouped {
    edx_sparse *counts;
    edx_sparse *scan; /* sees the same */
    uint32_t groups;
};

/* ---- life ---- */

uint32_t edx_grouped_folds(uint32_t groups)
{
    return groups < 2 || groups > EDX_FOLDS ? EDX_FOLDS : groups;
}

edx_status edx_grouped_new(const edx_sparse_shape *shape, const edx_scene *cube, uint32_t groups,
                           edx_grouped **out, edx_error *err)
{
    edx_sparse_shape pixels = *shape, scan;
    edx_grouped *g = calloc(1, sizeof *g);

    *out = g;
    if (g == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for grouped counts");
    pixels.folds = edx_grouped_folds(groups);
    g->groups = groups < 2 ? 0 : pixels.folds;
    scan = pixels;
    scan.bin_pixels = 1;
    edx_status status = edx_sparse_new_of(&pixels, cube, &g->counts, err);
    if (status == EDX_OK)
        status = edx_sparse_new_seen(&scan, edx_sparse_cube(g->counts), &g->scan, err);
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
    edx_sparse_free(&g->scan);
    edx_sparse_free(&g->counts);
    free(g);
}

edx_status edx_grouped_set_pool(edx_grouped *grouped, edx_pool *pool, edx_error *err)
{
    edx_status status = edx_sparse_set_pool(grouped->counts, pool, err);
    return status == EDX_OK ? edx_sparse_set_pool(grouped->scan, pool, err) : status;
}

/* ---- counts ---- */

void edx_grouped_add(edx_grouped *grouped, uint64_t frame, uint32_t row, const edx_events *events)
{
    if (!edx_sparse_stale(grouped->counts))
        (void)edx_sparse_add(grouped->counts, frame, row, events, NULL); /* else becomes stale */
}

static bool same_shape(const edx_sparse_shape *a, const edx_sparse_shape *b)
{
    return a->rows == b->rows && a->cols == b->cols && a->channels == b->channels &&
           a->bin_pixels == b->bin_pixels && a->bin_energy == b->bin_energy && a->lo == b->lo &&
           a->hi == b->hi && a->folds == b->folds;
}

bool edx_grouped_follow(edx_grouped *grouped, edx_grouped *before)
{
    edx_sparse *taken = before->counts;
    uint32_t none = edx_sparse_shape_of(grouped->counts)->folds;

    if (same_shape(edx_sparse_shape_of(grouped->counts), edx_sparse_shape_of(taken))) {
        before->counts = grouped->counts;
        grouped->counts = taken;
    } else {
        (void)edx_sparse_rebuild(grouped->counts, NULL); /* else stays stale */
    }
    return edx_sparse_exposure(grouped->counts, none) == 0;
}

void edx_grouped_clear(edx_grouped *grouped)
{
    edx_sparse_clear(grouped->counts);
}

edx_status edx_grouped_ready(edx_grouped *grouped, edx_error *err)
{
    edx_status status = EDX_OK;

    if (edx_sparse_stale(grouped->counts))
        status = edx_sparse_rebuild(grouped->counts, err);
    if (status == EDX_OK)
        status = edx_sparse_share(grouped->counts, err);
    return status == EDX_OK ? edx_sparse_share(grouped->scan, err) : status;
}

void edx_grouped_sort(edx_grouped *grouped)
{
    edx_sparse_sort(grouped->counts);
}

edx_sparse *edx_grouped_pixels(edx_grouped *grouped)
{
    return grouped->counts;
}

edx_sparse *edx_grouped_scan(edx_grouped *grouped)
{
    bool same = edx_sparse_shape_of(grouped->counts)->bin_pixels == 1;

    return same ? grouped->counts : grouped->scan; /* what is kept is quicker than what is seen */
}

uint32_t edx_grouped_groups(const edx_grouped *grouped)
{
    return grouped->groups;
}

uint64_t edx_grouped_bytes(const edx_grouped *grouped)
{
    return edx_sparse_bytes(grouped->counts);
}
