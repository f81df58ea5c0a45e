#include "analysis/analysis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis_inside.h"
#include "analysis/grouped.h"
#include "analysis/profile.h"
#include "analysis/scene_rows.h"

edx_status edx_analysis_check(const edx_begin *begin, const edx_settings *settings, edx_error *err)
{
    edx_setup s = {.n = 0};
    return edx_setup_derive(&s, settings, begin, err);
}

/* ---- life ---- */

static edx_status new_buffers(edx_analysis *a, edx_error *err)
{
    size_t pixels = edx_analysis_scan_pixels(a);
    a->inside = calloc(pixels, sizeof *a->inside);
    a->live = calloc(pixels, sizeof *a->live);
    a->image = calloc(pixels, sizeof *a->image);
    a->mask = calloc(pixels, sizeof *a->mask);
    a->covered = calloc(pixels, sizeof *a->covered);
    a->waiting.spectrum = calloc(a->begin.channels, sizeof *a->waiting.spectrum);
    if (!a->inside || !a->live || !a->image || !a->mask || !a->covered || !a->waiting.spectrum)
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

static uint32_t groups_of(const edx_settings *settings)
{
    return edx_grouped_folds((uint32_t)settings->analysis.replicates);
}

edx_status edx_analysis_new(const edx_begin *begin, const edx_settings *settings,
                            edx_analysis **out, edx_error *err)
{
    edx_analysis *a = calloc(1, sizeof *a);
    *out = a;
    if (!a)
        return edx_fail(err, EDX_E_NOMEM, "no memory for an analysis");
    a->begin = a->known = *begin;
    edx_status status = edx_scene_new_grouped(begin->rows, begin->cols, begin->channels,
                                              groups_of(settings), &a->scene, err);
    if (status == EDX_OK)
        status = edx_setup_new(settings, &a->known, a->scene, &a->now, err);
    if (status == EDX_OK)
        status = edx_pending_new(&a->later, err);
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
    edx_setup_free(&a->now);
    edx_scene_free(&a->scene);
    edx_pending_free(&a->later);
    edx_health_free(&a->health);
    edx_profile_free(&a->profile);
    free(a->inside);
    free(a->live);
    free(a->image);
    free(a->mask);
    free(a->covered);
    free(a->waiting.spectrum);
    free(a->details.outliers);
    free(a->ours);
    edx_drift_free(&a->drift);
    edx_shift_free(&a->shift);
    free(a->track.frames);
    free(a->track.nm);
    free(a->excluded.frames);
    free(a);
    *analysis = NULL;
}

/* Deals the scan's pixels out to processes. */
static void deal(edx_analysis *a)
{
    const edx_ranks *ranks = edx_pool_ranks(a->pool);
    const edx_ranks_grid grid = {a->now->rows, a->now->cols, a->now->bin_pixels};
    for (uint32_t y = 0; a->ours && y < a->begin.rows; y++)
        for (uint32_t x = 0; x < a->begin.cols; x++)
            a->ours[(size_t)y * a->begin.cols + x] =
                edx_ranks_owner_at(ranks, &grid, y, x) == ranks->rank;
}

edx_status edx_analysis_set_pool(edx_analysis *analysis, edx_pool *pool, edx_error *err)
{
    edx_status status = edx_scene_set_pool(analysis->scene, pool, err);
    if (status == EDX_OK && edx_pool_ranks(pool) && !analysis->ours) {
        analysis->ours = calloc(edx_analysis_scan_pixels(analysis), 1);
        if (!analysis->ours)
            status = edx_fail(err, EDX_E_NOMEM, "no memory to share out the scan");
    }
    if (status != EDX_OK)
        return status;
    analysis->pool = pool;
    deal(analysis);
    edx_shift_keep(analysis->shift, analysis->ours);
    if (analysis->now->intensity)
        edx_intensity_set_pool(analysis->now->intensity, pool);
    return EDX_OK;
}

edx_status edx_analysis_set_decompose_pool(edx_analysis *analysis, edx_pool *pool, edx_error *err)
{
    edx_status status = edx_detail_set_pool(analysis->now->detail, pool, err);
    if (status == EDX_OK)
        analysis->decompose_pool = pool;
    return status;
}

/* Frames go on being placed as they were where they can be; looking back then starts anew. */
static void renew_drift(edx_analysis *a, const edx_setup *before, edx_drift **drift)
{
    const edx_setup *after = a->now;
    const bool on = *drift != NULL, was_on = a->drift != NULL;
    const bool same_energies =
        before->inside_lo == after->inside_lo && before->inside_hi == after->inside_hi;
    if (on != was_on || (on && !same_energies))
        a->misplaced = a->misplaced || a->added;
    if (on != was_on) {
        edx_drift *unused = a->drift;
        a->drift = *drift;
        *drift = unused;
    }
    edx_drift_free(drift);
}

/* Of several processes, others then have a pixel's counts than those that are to analyse it. */
static bool deals_anew(edx_analysis *a, const edx_setup *before)
{
    if (!a->ours || a->now->bin_pixels == before->bin_pixels)
        return false;
    deal(a);
    return true;
}

edx_status edx_analysis_configure(edx_analysis *analysis, const edx_settings *settings,
                                  edx_error *err)
{
    edx_setup *before = analysis->now, *after = NULL;
    edx_drift *drift = NULL;
    edx_status status = edx_analysis_catch_up(analysis, err);
    if (status == EDX_OK)
        status = edx_setup_new(settings, &analysis->known, analysis->scene, &after, err);
    if (status == EDX_OK)
        status = new_drift(&analysis->begin, settings, &drift, err);
    if (status == EDX_OK)
        status = edx_detail_set_pool(after->detail, analysis->decompose_pool, err);
    if (status == EDX_OK)
        status = edx_scene_regroup(analysis->scene, groups_of(settings), err);
    if (status != EDX_OK) {
        edx_drift_free(&drift);
        edx_setup_free(&after);
        return status;
    }
    analysis->now = after;
    analysis->sums_alone = false;
    renew_drift(analysis, before, &drift);
    const bool dealt = deals_anew(analysis, before);
    if (!edx_detail_follow(after->detail, before->detail) || dealt)
        analysis->misplaced = analysis->misplaced || analysis->added;
    if (after->intensity) {
        edx_intensity_set_pool(after->intensity, analysis->pool);
        edx_intensity_rebuild(after->intensity, analysis->scene);
    }
    if (after->inside_lo != before->inside_lo || after->inside_hi != before->inside_hi) {
        edx_analysis_rebuild_inside(analysis);
        edx_health_clear(analysis->health);
    }
    edx_setup_free(&before);
    return EDX_OK;
}

void edx_analysis_sum_alone(edx_analysis *analysis)
{
    analysis->sums_alone = true;
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
    edx_setup *before = analysis->now, *after = NULL;
    const size_t pixels = edx_analysis_scan_pixels(analysis);
    edx_status status =
        edx_setup_new(&before->settings, &analysis->known, analysis->scene, &after, err);
    if (status == EDX_OK)
        status = edx_detail_set_pool(after->detail, analysis->decompose_pool, err);
    if (status != EDX_OK) {
        edx_setup_free(&after);
        return status;
    }
    edx_setup_free(&before);
    analysis->now = after;
    if (after->intensity)
        edx_intensity_set_pool(after->intensity, analysis->pool);
    edx_analysis_drop_waiting(analysis);
    edx_scene_clear(analysis->scene);
    edx_health_clear(analysis->health);
    memset(analysis->inside, 0, pixels * sizeof *analysis->inside);
    memset(analysis->live, 0, pixels * sizeof *analysis->live);
    memset(analysis->covered, 0, pixels * sizeof *analysis->covered);
    memset(analysis->image, 0, pixels * sizeof *analysis->image);
    analysis->frames = analysis->newest = analysis->decomposed = 0;
    analysis->real_s = 0;
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

/* ---- elements that nobody named ---- */

#define LOOK_AGAIN 2.0 /* when counts have grown so much */

/* Elements of the sum that are the specimen's, as if the begin named them. */
static edx_status look_for_elements(edx_analysis *a, edx_begin *known, edx_error *err)
{
    edx_survey *survey = edx_detail_survey(a->now->detail);
    edx_found found[EDX_MAX_LINES];
    uint32_t n = 0;
    edx_status status = survey ? edx_survey_look(survey, a->now->sum, found, &n, err) : EDX_OK;
    *known = a->begin;
    for (uint32_t i = 0; i < n && status == EDX_OK; i++)
        if (found[i].quantify && known->n_elements < EDX_MAX_ELEMENTS)
            memcpy(known->elements[known->n_elements++], found[i].symbol, EDX_SYMBOL_SIZE);
    return status;
}

static bool same_elements(const edx_begin *a, const edx_begin *b)
{
    return a->n_elements == b->n_elements &&
           memcmp(a->elements, b->elements, a->n_elements * sizeof *a->elements) == 0;
}

/* Nobody named any, and there are so many more counts to tell by. */
static bool has_to_look(const edx_analysis *a, double counts, bool final)
{
    return !a->sums_alone && a->begin.n_elements == 0 && a->now->settings.quant.n_lines == 0 &&
           counts > 0 && (final || counts >= LOOK_AGAIN * a->looked);
}

static double counts_of(const edx_analysis *a)
{
    edx_result_head head = {0};
    edx_analysis_head(a, &head);
    return (double)head.counts;
}

/* An unknown specimen shows maps too: once its elements stand out of the sum. */
static edx_status find_elements(edx_analysis *a, bool final, edx_error *err)
{
    double counts = counts_of(a);
    edx_begin known, before = a->known;
    if (a->away || !has_to_look(a, counts, final))
        return EDX_OK;
    a->looked = counts;
    edx_analysis_bin_spectrum(a);
    edx_status status = look_for_elements(a, &known, err);
    if (status != EDX_OK || same_elements(&known, &a->known))
        return status;
    const edx_settings settings = a->now->settings;
    a->known = known;
    status = edx_analysis_configure(a, &settings, err);
    if (status != EDX_OK)
        a->known = before;
    return status;
}

edx_status edx_analysis_settle(edx_analysis *analysis, edx_error *err)
{
    edx_status status = edx_analysis_catch_up(analysis, err);
    if (status == EDX_OK)
        status = edx_scene_share(analysis->scene, analysis->pool, err);
    return status == EDX_OK ? find_elements(analysis, true, err) : status;
}

edx_status edx_analysis_update(edx_analysis *analysis, edx_results *out, edx_error *err)
{
    memset(out, 0, sizeof *out);
    edx_status status = find_elements(analysis, false, err);
    edx_analysis_show(analysis, out);
    return status;
}

edx_status edx_analysis_final(edx_analysis *analysis, edx_results *out, edx_error *err)
{
    edx_status status = edx_analysis_settle(analysis, err);
    if (status != EDX_OK)
        return status;
    if (analysis->now->intensity)
        edx_intensity_rebuild(analysis->now->intensity, analysis->scene);
    edx_analysis_rebuild_inside(analysis);
    status = edx_analysis_update(analysis, out, err);
    out->final = true;
    return status;
}

/* The mean of what the scan's pixels were covered by. */
static double mean_exposure(const edx_analysis *a)
{
    double sum = 0;
    for (size_t p = 0; p < edx_analysis_scan_pixels(a); p++)
        sum += a->covered[p];
    return sum / (double)edx_analysis_scan_pixels(a);
}

/* Outlying frames, which more frames may change. */
static edx_status describe_outliers(edx_analysis *a, edx_detail_input *out, edx_error *err)
{
    const uint64_t *outliers = NULL;
    double chi2, p;
    uint64_t dof;
    edx_health_result(a->health, &chi2, &dof, &p, &outliers, &out->n_outliers);
    if (out->n_outliers > a->details.room) {
        uint64_t *room = realloc(a->details.outliers, out->n_outliers * sizeof *room);
        if (!room)
            return edx_fail(err, EDX_E_NOMEM, "no memory for %zu outlying frames", out->n_outliers);
        a->details.outliers = room;
        a->details.room = out->n_outliers;
    }
    if (out->n_outliers > 0)
        memcpy(a->details.outliers, outliers, out->n_outliers * sizeof *outliers);
    out->outliers = a->details.outliers;
    return EDX_OK;
}

/* Nothing of it changes before the next time. */
static edx_status describe(edx_analysis *a, bool fixed, edx_detail_input *out, edx_error *err)
{
    edx_setup *s = a->now;
    edx_setup_lend(s);
    *out = (edx_detail_input){.scene = a->scene,
                              .sum = s->lent.sum,
                              .net = s->lent.net,
                              .sigma = s->lent.sigma,
                              .image = a->has_image ? s->lent.image : NULL,
                              .exposure = s->lent.exposure,
                              .mean_exposure = mean_exposure(a),
                              .frames = a->frames,
                              .n_excluded = a->excluded.n,
                              .fixed = fixed,
                              .pace = fixed ? NULL : a->pace};
    out->frame_s = out->mean_exposure > 0 ? a->real_s / out->mean_exposure : 0;
    edx_status status = describe_outliers(a, out, err);
    if (status != EDX_OK)
        return status;
    return edx_analysis_track(a, &out->n_drift, &out->drift_frame, &out->drift_nm, err);
}

edx_status edx_analysis_prepare(edx_analysis *analysis, edx_results *results, edx_error *err)
{
    edx_analysis *a = analysis;
    memset(&results->detail, 0, sizeof results->detail);
    edx_status status = edx_analysis_catch_up(a, err);
    a->details.frames = a->frames;
    if (status != EDX_OK || a->sums_alone)
        return status;
    if (results->final)
        edx_scene_sort(a->scene);
    status = describe(a, results->final, &a->details.input, err);
    if (status == EDX_OK)
        status = edx_detail_look(a->now->detail, &a->details.input, err);
    a->details.ages = edx_detail_ages_of(a->now->detail);
    a->details.bytes =
        edx_scene_bytes(a->scene) + edx_detail_bytes(a->now->detail, edx_analysis_most_away(a));
    a->away = status == EDX_OK;
    return status;
}

edx_status edx_analysis_find(edx_analysis *analysis, edx_results *results, edx_error *err)
{
    edx_analysis *a = analysis;
    if (!a->away) /* there is nothing to find */
        return EDX_OK;
    return edx_detail_update(a->now->detail, &a->details.input, &results->detail, err);
}

void edx_analysis_collect(edx_analysis *analysis, edx_results *results)
{
    edx_analysis *a = analysis;
    const bool was_away = a->away;
    a->away = false;
    a->decomposed = a->details.frames;
    results->detail.pca.head = results->detail.nmf.head = results->detail.particles.head =
        results->detail.trend.head = results->head;
    if (was_away)
        edx_setup_denoised(a->now);
    if (was_away && results->final)
        edx_analysis_show(a, results); /* denoised maps are these counts' */
}

edx_status edx_analysis_decompose(edx_analysis *analysis, edx_results *results, edx_error *err)
{
    edx_status status = edx_analysis_prepare(analysis, results, err);
    if (status == EDX_OK)
        status = edx_analysis_find(analysis, results, err);
    edx_analysis_collect(analysis, results);
    return status;
}

bool edx_analysis_needs_details(const edx_analysis *analysis)
{
    return analysis->now->functional || has_to_look(analysis, counts_of(analysis), false);
}

void edx_analysis_set_pace(edx_analysis *analysis, const edx_pace *pace)
{
    analysis->pace = pace;
}

bool edx_analysis_underway(const edx_analysis *analysis)
{
    return !analysis->sums_alone && edx_detail_underway(analysis->now->detail);
}

edx_analysis_ages edx_analysis_ages_of(const edx_analysis *analysis)
{
    const edx_analysis *a = analysis;
    const edx_detail_ages detail = a->away ? a->details.ages : edx_detail_ages_of(a->now->detail);
    if (a->sums_alone) /* nothing else is to follow */
        return (edx_analysis_ages){a->frames, a->frames, a->frames, a->frames};
    return (edx_analysis_ages){a->frames, a->decomposed, detail.heldout, detail.profiles};
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
    const edx_setup *s = a->now;
    return (edx_profile_source){.scene = a->scene,
                                .intensity = s->intensity,
                                .lines = s->lines,
                                .n = s->n,
                                .limit = s->settings.quant.limit,
                                .step_nm = {a->begin.step_nm[0], a->begin.step_nm[1]},
                                .bin_energy = s->bin_energy,
                                .rows = s->modelled ? edx_survey_rows(edx_detail_survey(s->detail))
                                                    : NULL,
                                .thickness = s->absolute ? &s->thickness : NULL,
                                .live_s = a->live,
                                .pool = a->pool};
}

edx_status edx_analysis_profile(edx_analysis *analysis, const double from_nm[2],
                                const double to_nm[2], double width_nm, edx_profile_result *out,
                                edx_error *err)
{
    edx_profile_source source = source_of(analysis);
    edx_status status = edx_analysis_catch_up(analysis, err);
    memset(out, 0, sizeof *out);
    if (status != EDX_OK)
        return status;
    edx_analysis_head(analysis, &out->head);
    return edx_profile_band(analysis->profile, &source, from_nm, to_nm, width_nm, out, err);
}

edx_status edx_analysis_region(edx_analysis *analysis, const uint8_t *mask, edx_region_result *out,
                               edx_error *err)
{
    edx_profile_source source = source_of(analysis);
    edx_status status = edx_analysis_catch_up(analysis, err);
    if (status != EDX_OK)
        return status;
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

uint64_t edx_analysis_bytes(const edx_analysis *analysis, uint64_t more)
{
    more += edx_pending_events(analysis->later); /* the details have yet to see them */
    uint64_t bytes = analysis->away ? analysis->details.bytes
                                    : edx_scene_bytes(analysis->scene) +
                                          edx_detail_bytes(analysis->now->detail, more);
    return bytes + bytes / 8 + 24 * more + edx_pending_bytes(analysis->later);
}

bool edx_analysis_fits(edx_analysis *analysis, uint64_t more, uint64_t budget)
{
    if (edx_analysis_bytes(analysis, more) <= budget)
        return true;
    return !analysis->away && edx_pending_events(analysis->later) > 0 &&
           edx_analysis_catch_up(analysis, NULL) == EDX_OK &&
           edx_analysis_bytes(analysis, more) <= budget;
}

bool edx_analysis_waits(const edx_analysis *analysis, uint64_t more, uint64_t budget)
{
    return analysis->away &&
           (edx_pending_events(analysis->later) >= edx_analysis_most_away(analysis) ||
            edx_analysis_bytes(analysis, EDX_LEAST_AWAY + more) > budget);
}
