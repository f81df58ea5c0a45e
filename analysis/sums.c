#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis_inside.h"

#define MOST_PENDING (4u << 20) /* events: a long pause must not eat memory */
#define AWAY_SHARE 4            /* of the counts that there are */

/* ---- within the energies of the analysis ---- */

typedef struct inside_sum {
    uint32_t lo, hi;
    uint64_t sum;
} inside_sum;

static void add_inside_voxel(void *context, uint32_t channel, uint32_t count)
{
    inside_sum *s = context;
    if (channel >= s->lo && channel < s->hi)
        s->sum += count;
}

void edx_analysis_rebuild_inside(edx_analysis *a)
{
    for (uint32_t p = 0; p < edx_analysis_scan_pixels(a); p++) {
        inside_sum s = {a->now->inside_lo, a->now->inside_hi, 0};
        edx_scene_visit(a->scene, p, add_inside_voxel, &s);
        a->inside[p] = s.sum;
    }
    edx_pool_sum(a->pool, EDX_U8, a->inside, edx_analysis_scan_pixels(a));
}

/* ---- adding ---- */

/* Counts of entries first .. last within the energies of the analysis. */
static uint64_t count_inside(const edx_setup *s, const edx_events *events, uint32_t first,
                             uint32_t last)
{
    uint32_t lo = s->inside_lo, span = s->inside_hi - s->inside_lo;
    uint64_t sum = 0;
    if (events->weights) {
        for (uint32_t i = first; i < last; i++)
            sum += events->channels[i] - lo < span ? events->weights[i] : 0;
        return sum;
    }
    for (uint32_t i = first; i < last; i++)
        sum += events->channels[i] - lo < span;
    return sum;
}

static uint64_t add_inside(edx_analysis *a, uint32_t row, const edx_events *events)
{
    const edx_setup *s = a->now;
    bool all = s->inside_lo == 0 && s->inside_hi == a->begin.channels && !events->weights;
    uint64_t *inside = a->inside + (size_t)row * a->begin.cols, total = 0;
    for (uint32_t p = 0; p < events->pixels; p++) {
        uint32_t first = events->offsets[p], last = events->offsets[p + 1];
        uint64_t n = all ? last - first : count_inside(s, events, first, last);
        inside[p] += n;
        total += n;
    }
    return total;
}

static void cover(edx_analysis *a, const edx_frame *frame, const edx_shift_area *area)
{
    double ratio = frame->live_s / frame->real_s;
    a->real_s +=
        (frame->real_s > 0 ? frame->real_s : a->begin.dwell_s * area->rows * a->begin.cols);
    double live = a->begin.dwell_s * (frame->real_s > 0 && ratio >= 0 ? fmin(ratio, 1) : 1);
    for (uint32_t y = area->row; y < area->row + area->rows; y++)
        for (uint32_t x = area->col; x < area->col + area->cols; x++) {
            a->live[(size_t)y * a->begin.cols + x] += live;
            a->covered[(size_t)y * a->begin.cols + x]++;
        }
}

/* The image that is summed: the first that begin names, else the first that came. */
static const edx_array *find_image(edx_analysis *a, const edx_frame *frame)
{
    if (a->image_name[0] == '\0' && a->begin.n_images > 0)
        memcpy(a->image_name, a->begin.images[0], sizeof a->image_name);
    else if (a->image_name[0] == '\0' && frame->n_images > 0)
        memcpy(a->image_name, frame->image_names[0], sizeof a->image_name);
    for (uint32_t i = 0; i < frame->n_images; i++)
        if (strcmp(frame->image_names[i], a->image_name) == 0)
            return &frame->images[i];
    return NULL;
}

/* The frame's image, where it has the size of its counts. */
static const edx_array *image_of(edx_analysis *a, const edx_frame *frame, uint32_t pixels)
{
    const edx_array *image = find_image(a, frame);
    uint64_t elements, bytes;
    return image && edx_array_count(image, &elements, &bytes) && elements == pixels ? image : NULL;
}

static void add_image(edx_analysis *a, const edx_array *image, uint32_t first,
                      const edx_shift_area *area)
{
    a->has_image = true;
    for (uint32_t y = 0; y < area->rows; y++)
        for (uint32_t x = 0; x < area->cols; x++) {
            size_t from = (size_t)(area->from_row + y - first) * a->begin.cols + area->from_col + x;
            double value = edx_array_get(image, from);
            a->image[(size_t)(area->row + y) * a->begin.cols + area->col + x] +=
                isfinite(value) ? value : 0;
        }
}

void edx_analysis_look(edx_analysis *analysis, const edx_frame *frame, const edx_events *events)
{
    if (analysis->drift)
        edx_drift_look(analysis->drift, frame->frame, frame->row, events, analysis->now->inside_lo,
                       analysis->now->inside_hi, image_of(analysis, frame, events->pixels));
}

/* Where the frame's events go. */
static edx_status find_place(edx_analysis *a, const edx_frame *frame, const edx_events *events,
                             int32_t shift[2], edx_error *err)
{
    shift[0] = shift[1] = 0;
    if (!a->drift)
        return EDX_OK;
    const edx_drift_place *place = edx_drift_find(a->drift, frame->frame);
    edx_status status = EDX_OK;
    if (!place) {
        if (!edx_drift_looks_at(a->drift, frame->frame))
            edx_analysis_look(a, frame, events);
        status = edx_drift_register(a->drift, err);
        place = edx_drift_find(a->drift, frame->frame);
    }
    if (place)
        memcpy(shift, place->shift, sizeof place->shift);
    return status;
}

/* ---- what waits ---- */

/* Events of whole rows, and the exposure of what they cover. */
static edx_status add_to_cube(edx_analysis *a, const edx_pending_place *place,
                              const edx_events *events, edx_error *err)
{
    const uint32_t group = (uint32_t)(place->frame % edx_scene_groups(a->scene));
    const uint32_t rows = events->pixels / a->begin.cols, right = place->col + place->cols;
    edx_status status = edx_scene_add_to(a->scene, group, place->row, events, err);
    if (status != EDX_OK)
        return status;
    edx_scene_uncover(a->scene, place->row, rows, 0, place->col);
    edx_scene_uncover(a->scene, place->row, rows, right, a->begin.cols - right);
    return EDX_OK;
}

static void count_entries(edx_analysis *a, const edx_events *events, uint32_t first, uint32_t last)
{
    uint64_t *spectrum = a->waiting.spectrum;
    for (uint32_t i = first; i < last && !events->weights; i++)
        spectrum[events->channels[i]]++;
    for (uint32_t i = first; i < last && events->weights; i++)
        spectrum[events->channels[i]] += events->weights[i];
}

/* What the spectrum is short of while they wait: of the scan pixels that fill analysis pixels. */
static void count_waiting(edx_analysis *a, const edx_pending_place *place, const edx_events *events)
{
    const edx_setup *s = a->now;
    const uint32_t *offsets = events->offsets, cols = s->cols * s->bin_pixels;
    const uint32_t last = place->row + events->pixels / a->begin.cols;
    for (uint32_t y = place->row; y < last && y < s->rows * s->bin_pixels; y++) {
        const uint32_t *row = offsets + (size_t)(y - place->row) * a->begin.cols;
        count_entries(a, events, row[0], row[cols]);
    }
    if (!events->weights)
        a->waiting.counts += offsets[events->pixels] - offsets[0];
    for (uint32_t i = offsets[0]; i < offsets[events->pixels] && events->weights; i++)
        a->waiting.counts += events->weights[i];
}

/* The first n that wait are in the cube. */
static void recount_waiting(edx_analysis *a, size_t n)
{
    edx_pending_place place;
    edx_events events;
    if (a->waiting.counts > 0)
        memset(a->waiting.spectrum, 0, a->begin.channels * sizeof *a->waiting.spectrum);
    a->waiting.counts = 0;
    a->waiting.in_cube = n;
    for (size_t i = n; i < edx_pending_count(a->later); i++) {
        edx_pending_get(a->later, i, &place, &events);
        count_waiting(a, &place, &events);
    }
}

edx_status edx_analysis_catch_up(edx_analysis *analysis, edx_error *err)
{
    edx_analysis *a = analysis;
    const size_t n = edx_pending_count(a->later);
    size_t i = a->waiting.in_details;
    edx_status status = EDX_OK;
    for (; i < n && status == EDX_OK; i += status == EDX_OK) {
        edx_pending_place place;
        edx_events events;
        edx_pending_get(a->later, i, &place, &events);
        if (i >= a->waiting.in_cube)
            status = add_to_cube(a, &place, &events, err);
        if (status == EDX_OK)
            edx_detail_add(a->now->detail, place.frame, place.row, &events);
    }
    a->waiting.in_details = i;
    if (status == EDX_OK) {
        edx_pending_clear(a->later);
        a->waiting.in_details = 0;
    }
    recount_waiting(a, status == EDX_OK ? 0 : i > a->waiting.in_cube ? i : a->waiting.in_cube);
    return status;
}

void edx_analysis_drop_waiting(edx_analysis *a)
{
    edx_pending_clear(a->later);
    a->waiting.in_details = 0;
    recount_waiting(a, 0);
}

/* The more there are already, the longer the details are away, and the less is a share of them. */
uint64_t edx_analysis_most_away(const edx_analysis *analysis)
{
    const uint64_t share = edx_scene_counts(analysis->scene) / AWAY_SHARE;
    return share > EDX_LEAST_AWAY ? share : EDX_LEAST_AWAY;
}

/* While the details are away they alone look into the cube; and what has waited then can wait until
 * they go again, which need not hold up maps. */
static bool has_to_wait(const edx_analysis *a)
{
    return a->away || (a->waiting.in_cube < edx_pending_count(a->later) &&
                       edx_pending_events(a->later) < edx_analysis_most_away(a));
}

static edx_status put_by(edx_analysis *a, const edx_pending_place *place, const edx_events *events,
                         edx_error *err)
{
    edx_status status = edx_pending_put(a->later, place, events, err);
    if (status == EDX_OK)
        count_waiting(a, place, events);
    return status;
}

/* Maps need not wait for what takes longer. */
static edx_status add_counts(edx_analysis *a, const edx_pending_place *place,
                             const edx_events *events, edx_error *err)
{
    edx_status status = EDX_OK;
    if (has_to_wait(a))
        return put_by(a, place, events, err);
    if (a->waiting.in_cube < edx_pending_count(a->later) ||
        edx_pending_events(a->later) >= MOST_PENDING)
        status = edx_analysis_catch_up(a, err);
    if (status == EDX_OK)
        status = add_to_cube(a, place, events, err);
    if (status != EDX_OK)
        return status;
    if (edx_pending_put(a->later, place, events, NULL) == EDX_OK)
        a->waiting.in_cube++;
    else if (edx_analysis_catch_up(a, NULL) == EDX_OK) /* all of it is in the cube */
        edx_detail_add(a->now->detail, place->frame, place->row, events);
    return EDX_OK;
}

/* ---- a message's rows ---- */

/* The events of whole rows as they stand. Returns the counts within the energies of the analysis.
 */
static uint64_t add_sums(edx_analysis *a, const edx_frame *frame, const edx_shift_area *area,
                         const edx_events *events)
{
    if (a->now->intensity)
        edx_intensity_add(a->now->intensity, area->row, events);
    cover(a, frame, area);
    return add_inside(a, area->row, events);
}

/* Counts of the message within the energies of the analysis, wherever they fell: *counts. */
static edx_status add_rows(edx_analysis *a, const edx_frame *frame, const edx_events *events,
                           const int32_t shift[2], uint64_t *counts, edx_error *err)
{
    const uint32_t cols = a->begin.cols;
    const edx_shift_area area =
        edx_shift_covers(a->begin.rows, cols, frame->row, events->pixels / cols, shift);
    const edx_array *image = image_of(a, frame, events->pixels);
    const bool moved = shift[0] != 0 || shift[1] != 0 || a->ours;
    edx_events there = *events;
    edx_status status = EDX_OK;
    if (moved)
        status = edx_shift_events(a->shift, &area, cols, frame->row, events, &there, err);
    if (status == EDX_OK && area.rows > 0 && area.cols > 0)
        status = add_counts(a, &(edx_pending_place){frame->frame, area.row, area.col, area.cols},
                            &there, err);
    if (status != EDX_OK)
        return status;
    if (area.rows > 0 && area.cols > 0) {
        *counts = add_sums(a, frame, &area, &there);
        if (image)
            add_image(a, image, frame->row, &area);
    }
    if (moved)
        *counts = count_inside(a->now, events, events->offsets[0], events->offsets[events->pixels]);
    return EDX_OK;
}

/* ---- frames left out ---- */

const uint64_t *edx_analysis_excluded(const edx_analysis *analysis, size_t *n)
{
    *n = analysis->excluded.n;
    return analysis->excluded.frames;
}

static bool is_excluded(const edx_analysis *a, uint64_t frame)
{
    for (size_t i = 0; i < a->excluded.n; i++)
        if (a->excluded.frames[i] == frame)
            return true;
    return false;
}

edx_status edx_analysis_exclude(edx_analysis *analysis, bool *changed, edx_error *err)
{
    edx_analysis *a = analysis;
    const uint64_t *outliers = NULL;
    uint64_t dof;
    double chi2, p;
    size_t n = 0;
    *changed = false;
    if (a->now->settings.analysis.exclude)
        edx_health_result(a->health, &chi2, &dof, &p, &outliers, &n);
    if (n > a->excluded.room) {
        uint64_t *frames = realloc(a->excluded.frames, n * sizeof *frames);
        if (!frames)
            return edx_fail(err, EDX_E_NOMEM, "no memory to leave %zu frames out", n);
        a->excluded.frames = frames;
        a->excluded.room = n;
    }
    *changed = n != a->excluded.n ||
               (n > 0 && memcmp(outliers, a->excluded.frames, n * sizeof *outliers) != 0);
    if (n > 0)
        memcpy(a->excluded.frames, outliers, n * sizeof *outliers);
    a->excluded.n = n;
    return EDX_OK;
}

/* ---- a message ---- */

/* What a frame that is left out is to the health. */
static uint64_t count_only(const edx_analysis *a, const edx_events *events)
{
    return count_inside(a->now, events, events->offsets[0], events->offsets[events->pixels]);
}

edx_status edx_analysis_add(edx_analysis *analysis, const edx_frame *frame,
                            const edx_events *events, edx_error *err)
{
    uint32_t rows = events->pixels / analysis->begin.cols;
    uint64_t counts = 0;
    int32_t shift[2];
    if (events->pixels % analysis->begin.cols != 0 || rows > analysis->begin.rows ||
        frame->row > analysis->begin.rows - rows)
        return edx_fail(err, EDX_E_MISMATCH, "row %u and %u pixels, expected whole rows of %u x %u",
                        frame->row, events->pixels, analysis->begin.rows, analysis->begin.cols);
    edx_status status = edx_health_add(analysis->health, frame->frame, 0, err);
    if (status == EDX_OK && is_excluded(analysis, frame->frame))
        return edx_health_add(analysis->health, frame->frame, count_only(analysis, events), err);
    if (status == EDX_OK)
        status = find_place(analysis, frame, events, shift, err);
    if (status == EDX_OK)
        status = add_rows(analysis, frame, events, shift, &counts, err);
    if (status != EDX_OK)
        return status;
    edx_health_add(analysis->health, frame->frame, counts, NULL); /* known: cannot fail */
    analysis->added = true;
    return EDX_OK;
}

void edx_analysis_frame(edx_analysis *analysis, uint64_t index, bool complete)
{
    edx_health_close(analysis->health, index, complete);
    if (is_excluded(analysis, index))
        return;
    analysis->frames += complete;
    if (index > analysis->newest)
        analysis->newest = index;
}
