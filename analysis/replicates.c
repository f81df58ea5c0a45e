#include "analysis/replicates.h"

#include <stdlib.h>

#define WARM_PASSES 2u
#define FIRST_PASSES 10u /* for what they knew of the group to fade */

struct edx_replicates {
    uint32_t rows, cols, channels, groups, max_k;
    edx_pool *pool;
    edx_nmf *without[EDX_FOLDS];
    bool found[EDX_FOLDS];
    uint32_t next;   /* group to be brought up to date */
    uint32_t k;      /* factors of the groups before it */
    edx_scene *rest; /* all counts but a group's */
    uint32_t *dense; /* [channels] a pixel */
    uint16_t *seen;  /* [channels] where it has counts */
    uint32_t n_seen;
    uint32_t *offsets; /* [cols + 1] a row as events */
    uint16_t *channel; /* [cols * channels] */
    uint32_t *weight;
};

edx_status edx_replicates_new(uint32_t rows, uint32_t cols, uint32_t channels, uint32_t groups,
                              uint32_t max_k, edx_replicates **out, edx_error *err)
{
    edx_replicates *r = calloc(1, sizeof *r);
    size_t row = (size_t)cols * channels;

    *out = r;
    if (r == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for replicates");
    *r = (edx_replicates){.rows = rows,
                          .cols = cols,
                          .channels = channels,
                          .groups = groups < EDX_FOLDS ? groups : EDX_FOLDS,
                          .max_k = max_k,
                          .dense = calloc(channels, sizeof *r->dense),
                          .seen = calloc(channels, sizeof *r->seen),
                          .offsets = calloc((size_t)cols + 1, sizeof *r->offsets),
                          .channel = calloc(row, sizeof *r->channel),
                          .weight = calloc(row, sizeof *r->weight)};
    edx_status status = edx_scene_new(rows, cols, channels, &r->rest, err);
    if (status == EDX_OK && (r->dense == NULL || r->seen == NULL || r->offsets == NULL ||
                             r->channel == NULL || r->weight == NULL))
        status = edx_fail(err, EDX_E_NOMEM, "no memory for replicates of %u channels", channels);
    if (status != EDX_OK)
        edx_replicates_free(out);
    return status;
}

void edx_replicates_free(edx_replicates **replicates)
{
    edx_replicates *r = *replicates;

    *replicates = NULL;
    if (r == NULL)
        return;
    for (uint32_t g = 0; g < EDX_FOLDS; g++)
        edx_nmf_free(&r->without[g]);
    edx_scene_free(&r->rest);
    free(r->dense);
    free(r->seen);
    free(r->offsets);
    free(r->channel);
    free(r->weight);
    free(r);
}

void edx_replicates_set_pool(edx_replicates *replicates, edx_pool *pool)
{
    replicates->pool = pool;
    for (uint32_t g = 0; g < replicates->groups; g++)
        if (replicates->without[g] != NULL)
            edx_nmf_set_pool(replicates->without[g], pool);
}

/* ---- all counts but a group's ---- */

static void add_voxel(void *context, uint32_t channel, uint32_t count)
{
    edx_replicates *r = context;

    r->dense[channel] = count;
    r->seen[r->n_seen++] = (uint16_t)channel;
}

static void remove_voxel(void *context, uint32_t channel, uint32_t count)
{
    edx_replicates *r = context;

    r->dense[channel] -= count;
}

/* Appends one pixel's events from entry n on; returns where they end. */
static uint32_t take_pixel(edx_replicates *r, const edx_scene *all, const edx_scene *group,
                           uint32_t pixel, uint32_t n)
{
    r->n_seen = 0;
    edx_scene_visit(all, pixel, add_voxel, r);
    edx_scene_visit(group, pixel, remove_voxel, r);
    for (uint32_t i = 0; i < r->n_seen; i++) {
        r->channel[n] = r->seen[i];
        r->weight[n] = r->dense[r->seen[i]];
        n += r->weight[n] > 0;
    }
    return n;
}

static edx_status subtract(edx_replicates *r, const edx_scene *all, const edx_scene *group,
                           edx_error *err)
{
    edx_status status = EDX_OK;

    edx_scene_clear(r->rest);
    for (uint32_t row = 0; row < r->rows && status == EDX_OK; row++) {
        uint32_t n = 0;
        for (uint32_t col = 0; col < r->cols; col++) {
            r->offsets[col] = n;
            n = take_pixel(r, all, group, row * r->cols + col, n);
        }
        r->offsets[r->cols] = n;
        const edx_events events = {r->cols, r->offsets, r->channel, r->weight};
        status = edx_scene_add(r->rest, row, &events, err);
    }
    if (status == EDX_OK)
        status = edx_scene_share(r->rest, r->pool, err);
    return status;
}

/* ---- factors ---- */

static edx_status open_group(edx_replicates *r, uint32_t g, edx_error *err)
{
    if (r->without[g] != NULL)
        return EDX_OK;
    edx_status status = edx_nmf_new(r->rows * r->cols, r->channels, r->max_k, &r->without[g], err);
    if (status == EDX_OK)
        edx_nmf_set_pool(r->without[g], r->pool);
    return status;
}

static edx_status update_group(edx_replicates *r, const edx_sparse *counts, uint32_t g,
                               const edx_nmf *all, bool fixed, edx_error *err)
{
    uint32_t passes = WARM_PASSES;
    edx_status status = open_group(r, g, err);

    if (status == EDX_OK)
        status = subtract(r, edx_sparse_total(counts), edx_sparse_fold(counts, g), err);
    if (status == EDX_OK && (fixed || edx_nmf_needs_start(r->without[g], edx_nmf_rank(all)))) {
        passes = FIRST_PASSES;
        status = edx_nmf_start_as(r->without[g], r->rest, all, err);
    }
    if (status == EDX_OK)
        status = edx_nmf_update(r->without[g], r->rest, passes, err);
    r->found[g] = status == EDX_OK;
    return status;
}

void edx_replicates_begin(edx_replicates *replicates)
{
    replicates->next = 0;
}

edx_status edx_replicates_update(edx_replicates *replicates, const edx_sparse *counts,
                                 const edx_nmf *all, bool fixed, const edx_pace *pace,
                                 edx_error *err)
{
    edx_replicates *r = replicates;
    edx_status status = EDX_OK;

    if (r->k != edx_nmf_rank(all))
        r->next = 0; /* all are compared, factor by factor */
    r->k = edx_nmf_rank(all);
    while (r->next < r->groups && status == EDX_OK && edx_pace_begin(pace)) {
        const edx_scene *group = edx_sparse_fold(counts, r->next);
        r->found[r->next] = false;
        if (group != NULL && edx_scene_counts(group) > 0)
            status = update_group(r, counts, r->next, all, fixed, err);
        r->next++;
        edx_pace_end(pace);
    }
    return status;
}

bool edx_replicates_underway(const edx_replicates *replicates)
{
    return replicates->next < replicates->groups;
}

edx_nmf *edx_replicates_without(const edx_replicates *replicates, uint32_t group)
{
    return group < replicates->groups && replicates->found[group] ? replicates->without[group]
                                                                  : NULL;
}
