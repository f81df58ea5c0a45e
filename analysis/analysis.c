#include "analysis/analysis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/components.h"
#include "analysis/drift.h"
#include "analysis/health.h"
#include "analysis/intensity.h"
#include "analysis/profile.h"
#include "analysis/quant.h"
#include "analysis/shift.h"

#define PIXELS_PER_CHUNK 512u

/* Everything that follows from the settings; a new one replaces it whole. */
typedef struct setup {
    edx_settings settings;
    edx_axis axis;
    uint32_t bin_energy, bin_pixels;
    uint32_t rows, cols;           /* analysis pixels */
    uint32_t inside_lo, inside_hi; /* scan channels [lo, hi) within analysis.energy_eV */
    edx_line lines[EDX_MAX_LINES];
    uint32_t n;
    edx_intensity *intensity; /* NULL while n is 0 */
    edx_components *components;
    uint64_t *sum;   /* [axis.channels] */
    uint64_t *total; /* [rows * cols] each */
    double *image;
    float *exposure;
    float *net, *sigma, *fraction, *fraction_sigma; /* [n, rows * cols] each */
    float *nothing;                                 /* [n, rows * cols] NaN */
} setup;

struct edx_analysis {
    edx_begin begin;
    setup *now;
    edx_scene *scene;
    edx_pool *pool, *decompose_pool; /* the caller's */
    edx_health *health;
    edx_profile *profile;
    uint64_t *inside; /* [scan pixels] counts within analysis.energy_eV */
    double *live;     /* [scan pixels] s */
    double *image;    /* [scan pixels] sum over frames */
    uint8_t *mask;    /* [scan pixels] of a polygon */
    char image_name[EDX_NAME_SIZE];
    bool has_image;
    uint64_t frames, newest;
    edx_drift *drift; /* NULL: not corrected */
    edx_shift *shift;
    bool added; /* something is in the sums */
    bool misplaced;
    struct {
        uint64_t *frames;
        double (*nm)[2];
    } track;
};

/* ---- setup ---- */

static void free_setup(setup *s)
{
    if (!s)
        return;
    edx_intensity_free(&s->intensity);
    edx_components_free(&s->components);
    free(s->sum);
    free(s->total);
    free(s->image);
    free(s->exposure);
    free(s->net);
    free(s->sigma);
    free(s->fraction);
    free(s->fraction_sigma);
    free(s->nothing);
    free(s);
}

static edx_status check_bins(const edx_settings *settings, const edx_begin *begin, edx_error *err)
{
    uint64_t pixels = settings->analysis.bin_pixels, energy = settings->analysis.bin_energy;
    uint32_t shorter = begin->rows < begin->cols ? begin->rows : begin->cols;
    if (pixels < 1 || pixels > shorter)
        return edx_fail(err, EDX_E_RANGE,
                        "analysis.bin_pixels: %llu, expected 1 to %u, the scan's shorter side",
                        (unsigned long long)pixels, shorter);
    if (energy < 1 || energy > begin->channels)
        return edx_fail(err, EDX_E_RANGE,
                        "analysis.bin_energy: %llu, expected 1 to %u, the number of channels",
                        (unsigned long long)energy, begin->channels);
    return EDX_OK;
}

/* A number under another method's name would be a wrong number. */
static edx_status check_method(const edx_settings *settings, edx_error *err)
{
    if (settings->quant.method != EDX_CLIFF_LORIMER)
        return edx_fail(err, EDX_E_RANGE, "quant.method: not available, expected cliff-lorimer");
    if (settings->quant.background != EDX_BACKGROUND_WINDOWS)
        return edx_fail(err, EDX_E_RANGE, "quant.background: not available, expected windows");
    return EDX_OK;
}

static edx_status set_axes(setup *s, const edx_begin *begin, edx_error *err)
{
    double range[2];
    s->bin_energy = (uint32_t)s->settings.analysis.bin_energy;
    s->bin_pixels = (uint32_t)s->settings.analysis.bin_pixels;
    s->rows = begin->rows / s->bin_pixels;
    s->cols = begin->cols / s->bin_pixels;
    s->axis.channels = begin->channels / s->bin_energy;
    s->axis.scale_eV = begin->scale_eV * s->bin_energy;
    s->axis.offset_eV = begin->offset_eV + 0.5 * (s->bin_energy - 1) * begin->scale_eV;
    edx_lines_range(&s->settings, begin, &s->axis, range);
    s->inside_lo = edx_windows_first(&s->axis, range[0]) * s->bin_energy;
    s->inside_hi = edx_windows_first(&s->axis, range[1]) * s->bin_energy;
    if (s->inside_lo < s->inside_hi)
        return EDX_OK;
    return edx_fail(
        err, EDX_E_RANGE,
        "analysis.energy_eV: (%g, %g) holds no channel, expected it on the axis from %g "
        "to %g eV",
        range[0], range[1], s->axis.offset_eV,
        s->axis.offset_eV + s->axis.scale_eV * (s->axis.channels - 1.0));
}

static edx_status allocate(setup *s, edx_error *err)
{
    size_t pixels = (size_t)s->rows * s->cols, maps = s->n * pixels;
    s->sum = calloc(s->axis.channels, sizeof *s->sum);
    s->total = calloc(pixels, sizeof *s->total);
    s->image = calloc(pixels, sizeof *s->image);
    s->exposure = calloc(pixels, sizeof *s->exposure);
    bool got = s->sum && s->total && s->image && s->exposure;
    if (got && maps > 0) {
        s->net = calloc(maps, sizeof *s->net);
        s->sigma = calloc(maps, sizeof *s->sigma);
        s->fraction = calloc(maps, sizeof *s->fraction);
        s->fraction_sigma = calloc(maps, sizeof *s->fraction_sigma);
        s->nothing = malloc(maps * sizeof *s->nothing);
        got = s->net && s->sigma && s->fraction && s->fraction_sigma && s->nothing;
    }
    if (!got)
        return edx_fail(err, EDX_E_NOMEM, "no memory for maps of %u x %u pixels", s->rows, s->cols);
    for (size_t i = 0; i < maps; i++)
        s->nothing[i] = NAN;
    return EDX_OK;
}

/* What the settings mean for this begin, without the memory that using them takes. */
static edx_status derive(setup *s, const edx_settings *settings, const edx_begin *begin,
                         edx_error *err)
{
    s->settings = *settings;
    edx_status status = check_bins(settings, begin, err);
    if (status == EDX_OK)
        status = check_method(settings, err);
    if (status == EDX_OK)
        status = set_axes(s, begin, err);
    if (status == EDX_OK)
        status = edx_lines_resolve(settings, begin, &s->axis, s->lines, &s->n, err);
    return status;
}

static edx_status open_components(setup *s, const edx_begin *begin, edx_error *err)
{
    const edx_sparse_shape shape = {.rows = begin->rows,
                                    .cols = begin->cols,
                                    .channels = begin->channels,
                                    .bin_pixels = s->bin_pixels,
                                    .bin_energy = s->bin_energy,
                                    .lo = s->inside_lo,
                                    .hi = s->inside_hi};
    return edx_components_new(&shape, s->settings.analysis.pca.rank,
                              s->settings.analysis.pca.max_rank, &s->components, err);
}

static edx_status new_setup(const edx_settings *settings, const edx_begin *begin, setup **out,
                            edx_error *err)
{
    setup *s = calloc(1, sizeof *s);
    if (!s)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the analysis' settings");
    edx_status status = derive(s, settings, begin, err);
    if (status == EDX_OK && s->n > 0)
        status = edx_intensity_new(s->lines, s->n, &s->axis, s->bin_energy, begin->rows,
                                   begin->cols, begin->channels, s->bin_pixels, &s->intensity, err);
    if (status == EDX_OK)
        status = open_components(s, begin, err);
    if (status == EDX_OK)
        status = allocate(s, err);
    if (status == EDX_OK)
        *out = s;
    else
        free_setup(s);
    return status;
}

edx_status edx_analysis_check(const edx_begin *begin, const edx_settings *settings, edx_error *err)
{
    setup s = {.n = 0};
    return derive(&s, settings, begin, err);
}

/* ---- life ---- */

static size_t scan_pixels(const edx_analysis *a)
{
    return (size_t)a->begin.rows * a->begin.cols;
}

static edx_status new_buffers(edx_analysis *a, edx_error *err)
{
    size_t pixels = scan_pixels(a);
    a->inside = calloc(pixels, sizeof *a->inside);
    a->live = calloc(pixels, sizeof *a->live);
    a->image = calloc(pixels, sizeof *a->image);
    a->mask = calloc(pixels, sizeof *a->mask);
    if (!a->inside || !a->live || !a->image || !a->mask)
        return edx_fail(err, EDX_E_NOMEM, "no memory for %u x %u pixels", a->begin.rows,
                        a->begin.cols);
    return EDX_OK;
}

/* NULL where nothing is to be corrected. */
static edx_status new_drift(const edx_begin *begin, const edx_settings *settings, edx_drift **out,
                            edx_error *err)
{
    const uint32_t shorter = begin->rows < begin->cols ? begin->rows : begin->cols;
    *out = NULL;
    if (settings->analysis.drift != EDX_DRIFT_INTEGER || shorter < EDX_DRIFT_MIN_SIDE)
        return EDX_OK;
    return edx_drift_new(begin->rows, begin->cols, out, err);
}

edx_status edx_analysis_new(const edx_begin *begin, const edx_settings *settings,
                            edx_analysis **out, edx_error *err)
{
    edx_analysis *a = calloc(1, sizeof *a);
    *out = a;
    if (!a)
        return edx_fail(err, EDX_E_NOMEM, "no memory for an analysis");
    a->begin = *begin;
    edx_status status = new_setup(settings, begin, &a->now, err);
    if (status == EDX_OK)
        status = edx_scene_new(begin->rows, begin->cols, begin->channels, &a->scene, err);
    if (status == EDX_OK)
        status = edx_health_new(&a->health, err);
    if (status == EDX_OK)
        status = edx_profile_new(begin->rows, begin->cols, begin->channels, &a->profile, err);
    if (status == EDX_OK)
        status = new_buffers(a, err);
    if (status == EDX_OK)
        status = edx_shift_new(&a->shift, err);
    if (status == EDX_OK)
        status = new_drift(&a->begin, settings, &a->drift, err);
    if (status != EDX_OK)
        edx_analysis_free(out);
    return status;
}

void edx_analysis_free(edx_analysis **analysis)
{
    edx_analysis *a = *analysis;
    if (!a)
        return;
    free_setup(a->now);
    edx_scene_free(&a->scene);
    edx_health_free(&a->health);
    edx_profile_free(&a->profile);
    free(a->inside);
    free(a->live);
    free(a->image);
    free(a->mask);
    edx_drift_free(&a->drift);
    edx_shift_free(&a->shift);
    free(a->track.frames);
    free(a->track.nm);
    free(a);
    *analysis = NULL;
}

edx_status edx_analysis_set_pool(edx_analysis *analysis, edx_pool *pool, edx_error *err)
{
    edx_status status = edx_scene_set_pool(analysis->scene, pool, err);
    if (status != EDX_OK)
        return status;
    analysis->pool = pool;
    if (analysis->now->intensity)
        edx_intensity_set_pool(analysis->now->intensity, pool);
    return EDX_OK;
}

edx_status edx_analysis_set_decompose_pool(edx_analysis *analysis, edx_pool *pool, edx_error *err)
{
    edx_status status = edx_components_set_pool(analysis->now->components, pool, err);
    if (status == EDX_OK)
        analysis->decompose_pool = pool;
    return status;
}

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

static void rebuild_inside(edx_analysis *a)
{
    for (uint32_t p = 0; p < scan_pixels(a); p++) {
        inside_sum s = {a->now->inside_lo, a->now->inside_hi, 0};
        edx_scene_visit(a->scene, p, add_inside_voxel, &s);
        a->inside[p] = s.sum;
    }
}

/* Pictures of other energies, or none, do not fit those to come. */
static void renew_drift(edx_analysis *a, const setup *before, edx_drift **drift)
{
    const setup *after = a->now;
    const bool same = before->settings.analysis.drift == after->settings.analysis.drift &&
                      before->inside_lo == after->inside_lo &&
                      before->inside_hi == after->inside_hi;
    if (!same) {
        edx_drift *unused = a->drift;
        a->misplaced = a->misplaced || (a->added && (unused || *drift));
        a->drift = *drift;
        *drift = unused;
    }
    edx_drift_free(drift);
}

edx_status edx_analysis_configure(edx_analysis *analysis, const edx_settings *settings,
                                  edx_error *err)
{
    setup *before = analysis->now, *after = NULL;
    edx_drift *drift = NULL;
    edx_status status = new_setup(settings, &analysis->begin, &after, err);
    if (status == EDX_OK)
        status = new_drift(&analysis->begin, settings, &drift, err);
    if (status == EDX_OK)
        status = edx_components_set_pool(after->components, analysis->decompose_pool, err);
    if (status != EDX_OK) {
        edx_drift_free(&drift);
        free_setup(after);
        return status;
    }
    analysis->now = after;
    renew_drift(analysis, before, &drift);
    edx_components_follow(after->components, before->components, analysis->scene);
    if (after->intensity) {
        edx_intensity_set_pool(after->intensity, analysis->pool);
        edx_intensity_rebuild(after->intensity, analysis->scene);
    }
    if (after->inside_lo != before->inside_lo || after->inside_hi != before->inside_hi) {
        rebuild_inside(analysis);
        edx_health_clear(analysis->health);
    }
    free_setup(before);
    return EDX_OK;
}

/* ---- adding ---- */

/* Counts of entries first .. last within the energies of the analysis. */
static uint64_t count_inside(const setup *s, const edx_events *events, uint32_t first,
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
    const setup *s = a->now;
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

static void add_live(edx_analysis *a, const edx_frame *frame, const edx_shift_area *area)
{
    double ratio = frame->live_s / frame->real_s;
    double live = a->begin.dwell_s * (frame->real_s > 0 && ratio >= 0 ? fmin(ratio, 1) : 1);
    for (uint32_t y = area->row; y < area->row + area->rows; y++)
        for (uint32_t x = area->col; x < area->col + area->cols; x++)
            a->live[(size_t)y * a->begin.cols + x] += live;
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

/* The events of whole rows as they are to stand, and the exposure of what they cover. Returns the
 * counts within the energies of the analysis. */
static uint64_t add_sums(edx_analysis *a, const edx_frame *frame, const edx_shift_area *area,
                         const edx_events *events)
{
    const uint32_t right = area->col + area->cols;
    edx_scene_uncover(a->scene, area->row, area->rows, 0, area->col);
    edx_scene_uncover(a->scene, area->row, area->rows, right, a->begin.cols - right);
    if (a->now->intensity)
        edx_intensity_add(a->now->intensity, area->row, events);
    edx_components_add(a->now->components, frame->frame, area->row, events);
    add_live(a, frame, area);
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
    const bool moved = shift[0] != 0 || shift[1] != 0;
    edx_events there = *events;
    edx_status status = EDX_OK;
    if (moved)
        status = edx_shift_events(a->shift, &area, cols, frame->row, events, &there, err);
    if (status == EDX_OK && area.rows > 0 && area.cols > 0)
        status = edx_scene_add(a->scene, area.row, &there, err);
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
    analysis->frames += complete;
    if (index > analysis->newest)
        analysis->newest = index;
}

/* ---- drift ---- */

edx_drift *edx_analysis_drift(edx_analysis *analysis)
{
    return analysis->drift;
}

bool edx_analysis_is_misplaced(const edx_analysis *analysis)
{
    return analysis->misplaced;
}

edx_status edx_analysis_restart(edx_analysis *analysis, edx_error *err)
{
    setup *before = analysis->now, *after = NULL;
    const size_t pixels = scan_pixels(analysis);
    edx_status status = new_setup(&before->settings, &analysis->begin, &after, err);
    if (status == EDX_OK)
        status = edx_components_set_pool(after->components, analysis->decompose_pool, err);
    if (status != EDX_OK) {
        free_setup(after);
        return status;
    }
    free_setup(before);
    analysis->now = after;
    if (after->intensity)
        edx_intensity_set_pool(after->intensity, analysis->pool);
    edx_scene_clear(analysis->scene);
    edx_health_clear(analysis->health);
    memset(analysis->inside, 0, pixels * sizeof *analysis->inside);
    memset(analysis->live, 0, pixels * sizeof *analysis->live);
    memset(analysis->image, 0, pixels * sizeof *analysis->image);
    analysis->frames = analysis->newest = 0;
    analysis->misplaced = analysis->added = false;
    return EDX_OK;
}

edx_status edx_analysis_track(edx_analysis *analysis, size_t *n, const uint64_t **frames,
                              const double (**nm)[2], edx_error *err)
{
    edx_analysis *a = analysis;
    size_t places = 0;
    const edx_drift_place *place = a->drift ? edx_drift_places(a->drift, &places) : NULL;
    uint64_t *numbers = realloc(a->track.frames, (places + 1) * sizeof *numbers);
    if (numbers)
        a->track.frames = numbers;
    double(*moved)[2] = realloc(a->track.nm, (places + 1) * sizeof *moved);
    if (moved)
        a->track.nm = moved;
    *n = 0;
    if (!numbers || !moved)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the drift of %zu frames", places);
    for (size_t f = 0; f < places; f++) {
        numbers[f] = place[f].frame;
        for (size_t i = 0; i < 2; i++)
            moved[f][i] = place[f].moved[i] * a->begin.step_nm[i];
    }
    *n = places;
    *frames = numbers;
    *nm = (const double(*)[2])moved;
    return EDX_OK;
}

/* ---- results ---- */

static void remove_voxel(void *context, uint32_t channel, uint32_t count)
{
    const setup *s = context;
    if (channel >= s->inside_lo && channel < s->inside_hi)
        s->sum[channel / s->bin_energy] -= count;
}

/* The scan pixels that fill no analysis pixel lie at the last columns and in the last rows. */
static void remove_edges(edx_analysis *a)
{
    setup *s = a->now;
    uint32_t rows = s->rows * s->bin_pixels, cols = s->cols * s->bin_pixels;
    for (uint32_t y = 0; y < a->begin.rows; y++)
        for (uint32_t x = y < rows ? cols : 0; x < a->begin.cols; x++)
            edx_scene_visit(a->scene, y * a->begin.cols + x, remove_voxel, s);
}

/* What the totals of the analysis pixels hold, by channel. */
static void bin_spectrum(edx_analysis *a)
{
    const uint64_t *full = edx_scene_spectrum(a->scene);
    setup *s = a->now;
    memset(s->sum, 0, s->axis.channels * sizeof *s->sum);
    for (uint32_t c = s->inside_lo; c < s->inside_hi; c++)
        s->sum[c / s->bin_energy] += full[c];
    remove_edges(a);
}

/* Sums of scan pixels over one analysis pixel; exposure is their mean. */
static void bin_pixel(const edx_analysis *a, uint32_t row, uint32_t col)
{
    setup *s = a->now;
    const uint32_t *exposure = edx_scene_exposure(a->scene);
    size_t out = (size_t)row * s->cols + col;
    uint64_t total = 0, covered = 0;
    double image = 0;
    for (uint32_t y = row * s->bin_pixels; y < (row + 1) * s->bin_pixels; y++)
        for (uint32_t x = col * s->bin_pixels; x < (col + 1) * s->bin_pixels; x++) {
            size_t p = (size_t)y * a->begin.cols + x;
            total += a->inside[p];
            covered += exposure[p];
            image += a->image[p];
        }
    s->total[out] = total;
    s->image[out] = image;
    s->exposure[out] = (float)((double)covered / ((double)s->bin_pixels * s->bin_pixels));
}

static void bin_row(void *context, uint32_t row, uint32_t worker)
{
    const edx_analysis *a = context;
    (void)worker;
    for (uint32_t col = 0; col < a->now->cols; col++)
        bin_pixel(a, row, col);
}

/* Whether the maps, rounded as they are, rule out that the pixel is quantified. */
static bool hopeless(const setup *s, size_t pixel)
{
    size_t pixels = (size_t)s->rows * s->cols;
    for (uint32_t i = 0; i < s->n; i++) {
        double net = s->net[i * pixels + pixel], sigma = s->sigma[i * pixels + pixel];
        if (net * (1 + 1e-5) <= s->settings.quant.limit * sigma)
            return true;
    }
    return s->n < 2;
}

static void quantify_pixel(setup *s, size_t pixel)
{
    double net[EDX_MAX_LINES], covariance[EDX_MAX_LINES * EDX_MAX_LINES];
    double fraction[EDX_MAX_LINES], sigma[EDX_MAX_LINES];
    size_t pixels = (size_t)s->rows * s->cols;
    bool known = !hopeless(s, pixel);
    if (known) {
        edx_intensity_pixel(s->intensity, (uint32_t)pixel, net, covariance);
        edx_quant_fractions(s->lines, s->n, s->settings.quant.limit, net, covariance, fraction,
                            sigma);
    }
    for (uint32_t i = 0; i < s->n; i++) {
        s->fraction[i * pixels + pixel] = known ? (float)fraction[i] : NAN;
        s->fraction_sigma[i * pixels + pixel] = known ? (float)sigma[i] : NAN;
    }
}

static void quantify_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    setup *s = context;
    size_t pixels = (size_t)s->rows * s->cols, first = (size_t)chunk * PIXELS_PER_CHUNK;
    (void)worker;
    for (size_t p = first; p < pixels && p < first + PIXELS_PER_CHUNK; p++)
        quantify_pixel(s, p);
}

static void quantify(edx_analysis *a)
{
    setup *s = a->now;
    uint32_t pixels = s->rows * s->cols;
    edx_intensity_maps(s->intensity, s->net, s->sigma);
    edx_pool_run(a->pool, (pixels + PIXELS_PER_CHUNK - 1) / PIXELS_PER_CHUNK, quantify_chunk, s);
}

static void fill_head(const edx_analysis *a, edx_result_head *head)
{
    head->frames = a->frames;
    head->frame = a->newest;
    head->counts = edx_scene_counts(a->scene);
}

static void fill_spectrum(const edx_analysis *a, edx_spectrum_result *out)
{
    const setup *s = a->now;
    fill_head(a, &out->head);
    out->offset_eV = s->axis.offset_eV;
    out->scale_eV = s->axis.scale_eV;
    out->sum = edx_array_1(EDX_U8, s->sum, s->axis.channels);
    out->total = edx_array_2(EDX_U8, s->total, s->rows, s->cols);
    if (a->has_image)
        out->image = edx_array_2(EDX_F8, s->image, s->rows, s->cols);
}

static void fill_maps(const edx_analysis *a, edx_maps_result *out)
{
    const setup *s = a->now;
    fill_head(a, &out->head);
    out->n = s->n;
    for (uint32_t i = 0; i < s->n; i++) {
        memcpy(out->lines[i], s->lines[i].name, sizeof out->lines[i]);
        memcpy(out->elements[i], s->lines[i].element, sizeof out->elements[i]);
    }
    for (size_t i = 0; i < 2; i++)
        out->step_nm[i] = a->begin.step_nm[i] * s->bin_pixels;
    out->intensity = edx_array_3(EDX_F4, s->net, s->n, s->rows, s->cols);
    out->sigma = edx_array_3(EDX_F4, s->sigma, s->n, s->rows, s->cols);
    out->atomic_fraction = edx_array_3(EDX_F4, s->fraction, s->n, s->rows, s->cols);
    out->fraction_sigma = edx_array_3(EDX_F4, s->fraction_sigma, s->n, s->rows, s->cols);
    out->denoised_fraction = edx_array_3(EDX_F4, s->nothing, s->n, s->rows, s->cols);
    out->denoised_sigma = edx_array_3(EDX_F4, s->nothing, s->n, s->rows, s->cols);
    out->exposure = edx_array_2(EDX_F4, s->exposure, s->rows, s->cols);
}

edx_status edx_analysis_update(edx_analysis *analysis, edx_results *out, edx_error *err)
{
    (void)err;
    memset(out, 0, sizeof *out);
    bin_spectrum(analysis);
    edx_pool_run(analysis->pool, analysis->now->rows, bin_row, analysis);
    fill_head(analysis, &out->head);
    fill_spectrum(analysis, &out->spectrum);
    out->has_maps = analysis->now->n > 0;
    if (out->has_maps) {
        quantify(analysis);
        fill_maps(analysis, &out->maps);
    }
    return EDX_OK;
}

edx_status edx_analysis_final(edx_analysis *analysis, edx_results *out, edx_error *err)
{
    if (analysis->now->intensity)
        edx_intensity_rebuild(analysis->now->intensity, analysis->scene);
    rebuild_inside(analysis);
    edx_status status = edx_analysis_update(analysis, out, err);
    out->final = true;
    return status;
}

edx_status edx_analysis_decompose(edx_analysis *analysis, edx_results *results, edx_error *err)
{
    edx_status status = edx_components_update(analysis->now->components, analysis->scene,
                                              results->final, &results->pca, err);
    results->has_pca = status == EDX_OK;
    results->pca.head = results->head;
    return status == EDX_E_STATE ? EDX_OK : status;
}

/* ---- asking ---- */

const edx_scene *edx_analysis_scene(const edx_analysis *analysis)
{
    return analysis->scene;
}

const edx_begin *edx_analysis_begin(const edx_analysis *analysis)
{
    return &analysis->begin;
}

const edx_settings *edx_analysis_settings(const edx_analysis *analysis)
{
    return &analysis->now->settings;
}

const edx_line *edx_analysis_lines(const edx_analysis *analysis, uint32_t *n)
{
    *n = analysis->now->n;
    return analysis->now->lines;
}

const double *edx_analysis_live_time(const edx_analysis *analysis)
{
    return analysis->live;
}

void edx_analysis_health(edx_analysis *analysis, double *chi2, uint64_t *dof, double *p,
                         const uint64_t **outliers, size_t *n_outliers)
{
    edx_health_result(analysis->health, chi2, dof, p, outliers, n_outliers);
}

static edx_profile_source source_of(const edx_analysis *a)
{
    const setup *s = a->now;
    return (edx_profile_source){.scene = a->scene,
                                .intensity = s->intensity,
                                .lines = s->lines,
                                .n = s->n,
                                .limit = s->settings.quant.limit,
                                .step_nm = {a->begin.step_nm[0], a->begin.step_nm[1]},
                                .bin_energy = s->bin_energy};
}

edx_status edx_analysis_profile(edx_analysis *analysis, const double from_nm[2],
                                const double to_nm[2], double width_nm, edx_profile_result *out,
                                edx_error *err)
{
    edx_profile_source source = source_of(analysis);
    memset(out, 0, sizeof *out);
    fill_head(analysis, &out->head);
    return edx_profile_band(analysis->profile, &source, from_nm, to_nm, width_nm, out, err);
}

edx_status edx_analysis_region(edx_analysis *analysis, const uint8_t *mask, edx_region_result *out,
                               edx_error *err)
{
    edx_profile_source source = source_of(analysis);
    return edx_profile_region(analysis->profile, &source, mask, out, err);
}

edx_status edx_analysis_region_polygon(edx_analysis *analysis, const double (*corners_nm)[2],
                                       size_t n, edx_region_result *out, edx_error *err)
{
    const edx_begin *b = &analysis->begin;
    edx_status status =
        edx_profile_polygon(b->rows, b->cols, b->step_nm, corners_nm, n, analysis->mask, err);
    if (status != EDX_OK)
        return status;
    return edx_analysis_region(analysis, analysis->mask, out, err);
}
