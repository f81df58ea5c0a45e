#include "analysis/detail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/components.h"
#include "analysis/grouped.h"
#include "analysis/nmf.h"
#include "analysis/portraits.h"
#include "analysis/replicates.h"
#include "analysis/survey.h"
#include "analysis/watch.h"

#define GROWTH 1.1       /* of counts, before what takes all groups is asked again */
#define PASSES 1u        /* of factors, after a frame */
#define MOST_PASSES 256u /* of the last ones */
#define CONVERGED 1e-4   /* what a round of them may still gain of the divergence */
#define MARGIN_NM 1.0    /* round a particle, that may be its own */

struct edx_detail {
    edx_begin begin;
    edx_settings settings;
    uint32_t rows, cols, channels, n;
    edx_grouped *grouped;
    edx_components *components;
    edx_nmf *nmf;               /* NULL: off */
    edx_replicates *replicates; /* NULL: there are no groups or no factors */
    edx_survey *survey;         /* NULL: there are no energies to model */
    edx_portraits *portraits;
    edx_watch *watch;
    double *windows;             /* [n, E] */
    float *first_spectra;        /* [most components, E] that factors start from */
    float *nmf_maps;             /* [most components, rows, cols] */
    double *share;               /* [most components, n] */
    bool *particle;              /* [most components] */
    uint64_t judged;             /* counts when the last verdict was due */
    uint32_t n_judged;           /* particles then */
    bool owed;                   /* … and it was not passed yet */
    uint64_t verdicts;           /* passed */
    bool heldout_due;            /* what is held out has not been asked to its end */
    edx_detail_ages asked, ages; /* of what is under way; of what is there */
};

/* ---- life ---- */

static uint32_t most_components(const edx_settings *s)
{
    return (uint32_t)(s->analysis.nmf.automatic ? s->analysis.pca.max_rank
                                                : s->analysis.nmf.components);
}

static edx_status open_counts(edx_detail *d, const edx_detail_setup *s, edx_error *err)
{
    const edx_sparse_shape shape = {.rows = s->begin->rows,
                                    .cols = s->begin->cols,
                                    .channels = s->begin->channels,
                                    .bin_pixels = (uint32_t)s->settings->analysis.bin_pixels,
                                    .bin_energy = (uint32_t)s->settings->analysis.bin_energy,
                                    .lo = s->lo,
                                    .hi = s->hi};
    return edx_grouped_new(&shape, s->cube, (uint32_t)s->settings->analysis.replicates, &d->grouped,
                           err);
}

static edx_status open_components(edx_detail *d, const edx_detail_setup *s, edx_error *err)
{
    uint32_t k = most_components(s->settings);
    edx_status status =
        edx_components_new(d->rows, d->cols, d->channels, s->settings->analysis.pca.rank,
                           s->settings->analysis.pca.max_rank, &d->components, err);

    if (status != EDX_OK || k == 0)
        return status;
    d->first_spectra = calloc((size_t)k * d->channels, sizeof *d->first_spectra);
    d->nmf_maps = calloc((size_t)k * d->rows * d->cols, sizeof *d->nmf_maps);
    d->share = calloc((size_t)k * d->n + 1, sizeof *d->share);
    d->particle = calloc(k, sizeof *d->particle);
    if (d->first_spectra == NULL || d->nmf_maps == NULL || d->share == NULL || d->particle == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for %u components of %u x %u pixels", k,
                        d->rows, d->cols);
    status = edx_nmf_new(d->rows * d->cols, d->channels, k, &d->nmf, err);
    if (status == EDX_OK && edx_grouped_groups(d->grouped) >= 2)
        status = edx_replicates_new(d->rows, d->cols, d->channels, edx_grouped_groups(d->grouped),
                                    k, &d->replicates, err);
    return status;
}

static edx_status open_survey(edx_detail *d, const edx_detail_setup *s, edx_error *err)
{
    double range[2];

    edx_lines_range(s->settings, s->begin, &s->axis, range);
    edx_status status = edx_survey_new(s->begin, &s->axis, range, s->lines, s->n, &d->survey, err);
    return status == EDX_E_RANGE ? EDX_OK : status; /* no energies to model */
}

static edx_status open_portraits(edx_detail *d, const edx_detail_setup *s, edx_error *err)
{
    const edx_portraits_setup setup = {.begin = s->begin,
                                       .bin_pixels = (uint32_t)s->settings->analysis.bin_pixels,
                                       .rows = d->rows,
                                       .cols = d->cols,
                                       .channels = d->channels,
                                       .groups = edx_grouped_groups(d->grouped),
                                       .lines = s->lines,
                                       .n = s->n,
                                       .windows = d->windows,
                                       .limit = s->settings->quant.limit,
                                       .ring_nm = s->settings->analysis.radial_step_nm,
                                       .max_rank = (uint32_t)s->settings->analysis.pca.max_rank};
    return edx_portraits_new(&setup, &d->portraits, err);
}

static edx_status open_watch(edx_detail *d, const edx_detail_setup *s, edx_error *err)
{
    const edx_watch_setup setup = {.begin = s->begin,
                                   .axis = s->axis,
                                   .bin_energy = (uint32_t)s->settings->analysis.bin_energy,
                                   .lo = s->lo,
                                   .hi = s->hi,
                                   .lines = s->lines,
                                   .n = s->n,
                                   .rows_v = d->windows,
                                   .limit = s->settings->quant.limit,
                                   .exclude = s->settings->analysis.exclude,
                                   .target_sigma = s->settings->analysis.target_sigma};
    return edx_watch_new(&setup, &d->watch, err);
}

static edx_status write_windows(edx_detail *d, const edx_detail_setup *s, edx_error *err)
{
    d->windows = calloc((size_t)s->n * d->channels + 1, sizeof *d->windows);
    if (d->windows == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the rows of %u lines", s->n);
    for (uint32_t i = 0; i < s->n; i++) {
        edx_windows windows = edx_lines_windows(&s->lines[i]);
        if (!edx_windows_row(&s->axis, &windows, d->windows + (size_t)i * d->channels))
            return edx_fail(err, EDX_E_RANGE, "quant.lines: a window of %s takes no channel",
                            s->lines[i].name);
    }
    return EDX_OK;
}

edx_status edx_detail_new(const edx_detail_setup *setup, edx_detail **out, edx_error *err)
{
    edx_detail *d = calloc(1, sizeof *d);

    *out = d;
    if (d == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the analysis' details");
    d->begin = *setup->begin;
    d->settings = *setup->settings;
    d->rows = setup->rows;
    d->cols = setup->cols;
    d->channels = setup->axis.channels;
    d->n = setup->n;
    edx_status status = write_windows(d, setup, err);
    if (status == EDX_OK)
        status = open_counts(d, setup, err);
    if (status == EDX_OK)
        status = open_components(d, setup, err);
    if (status == EDX_OK)
        status = open_survey(d, setup, err);
    if (status == EDX_OK)
        status = open_portraits(d, setup, err);
    if (status == EDX_OK)
        status = open_watch(d, setup, err);
    if (status != EDX_OK)
        edx_detail_free(out);
    return status;
}

void edx_detail_free(edx_detail **detail)
{
    edx_detail *d = *detail;

    *detail = NULL;
    if (d == NULL)
        return;
    edx_grouped_free(&d->grouped);
    edx_components_free(&d->components);
    edx_nmf_free(&d->nmf);
    edx_replicates_free(&d->replicates);
    edx_survey_free(&d->survey);
    edx_portraits_free(&d->portraits);
    edx_watch_free(&d->watch);
    free(d->windows);
    free(d->first_spectra);
    free(d->nmf_maps);
    free(d->share);
    free(d->particle);
    free(d);
}

edx_status edx_detail_set_pool(edx_detail *detail, edx_pool *pool, edx_error *err)
{
    edx_components_set_pool(detail->components, pool);
    if (detail->nmf != NULL)
        edx_nmf_set_pool(detail->nmf, pool);
    if (detail->replicates != NULL)
        edx_replicates_set_pool(detail->replicates, pool);
    edx_watch_set_pool(detail->watch, pool);
    return edx_grouped_set_pool(detail->grouped, pool, err);
}

/* ---- counts ---- */

bool edx_detail_follow(edx_detail *detail, edx_detail *before)
{
    bool counts = edx_grouped_follow(detail->grouped, before->grouped);

    edx_portraits_follow(detail->portraits, before->portraits);
    return edx_watch_follow(detail->watch, before->watch) && counts;
}

void edx_detail_clear(edx_detail *detail)
{
    edx_grouped_clear(detail->grouped);
    edx_watch_clear(detail->watch);
    detail->judged = 0;
}

void edx_detail_add(edx_detail *detail, uint64_t frame, uint32_t row, const edx_events *events)
{
    edx_grouped_add(detail->grouped, frame, row, events);
    (void)edx_watch_add(detail->watch, frame, row, events, NULL); /* else the frame has none */
}

/* ---- components ---- */

static bool never(void *context)
{
    (void)context;
    return false;
}

static const edx_pace later = {NULL, never, NULL};

static edx_status find_components(edx_detail *d, const edx_detail_input *in, edx_pca_result *out,
                                  edx_error *err)
{
    edx_sparse *counts = edx_grouped_pixels(d->grouped);

    const edx_folds *folds = edx_components_folds(d->components);
    const edx_pace *pace = in->pace;
    uint64_t rounds = edx_folds_rounds(folds);

    if (in->fixed || (!edx_folds_underway(folds) && edx_folds_due(folds, counts)))
        d->asked.heldout = in->frames;
    if (d->owed && !edx_folds_underway(folds) && pace != NULL)
        pace = &later; /* one round after the other, or a verdict might never come */
    edx_status status = edx_components_update(d->components, counts, in->fixed, pace, out, err);
    if (edx_folds_rounds(folds) != rounds)
        d->ages.heldout = d->asked.heldout;
    d->heldout_due = edx_folds_underway(folds) || edx_folds_due(folds, counts);
    return status;
}

/* How many factors: as many as principal components predict frames best. */
static uint32_t factors_wanted(const edx_detail *d, const edx_pca_result *pca)
{
    return d->settings.analysis.nmf.automatic ? (uint32_t)pca->rank
                                              : (uint32_t)d->settings.analysis.nmf.components;
}

static edx_status start_factors(edx_detail *d, uint32_t k, bool fixed, edx_error *err)
{
    const edx_sparse *counts = edx_grouped_pixels(d->grouped);

    memset(d->first_spectra, 0, (size_t)k * d->channels * sizeof *d->first_spectra);
    memset(d->nmf_maps, 0, (size_t)k * d->rows * d->cols * sizeof *d->nmf_maps);
    edx_components_vectors(d->components, counts, k, d->first_spectra, d->nmf_maps);
    return edx_nmf_start(d->nmf, edx_sparse_total(counts), k, d->first_spectra, d->nmf_maps, fixed,
                         err);
}

static edx_status find_factors(edx_detail *d, const edx_detail_input *in, const edx_pca_result *pca,
                               edx_error *err)
{
    const edx_scene *counts = edx_sparse_total(edx_grouped_pixels(d->grouped));
    uint32_t k = factors_wanted(d, pca);
    edx_status status = EDX_OK;

    if (in->fixed || edx_nmf_needs_start(d->nmf, k))
        status = start_factors(d, k, in->fixed, err);
    if (status != EDX_OK)
        return status;
    return in->fixed ? edx_nmf_converge(d->nmf, counts, CONVERGED, MOST_PASSES, err)
                     : edx_nmf_update(d->nmf, counts, PASSES, err);
}

/* Whether the particles' pixels together hold enough of line i. */
static bool quantified(const edx_detail *d, const edx_detail_input *in, const uint8_t *mask,
                       uint32_t i)
{
    size_t pixels = (size_t)d->rows * d->cols;
    double net = 0, variance = 0;

    for (size_t p = 0; p < pixels; p++) {
        double sigma = (double)in->sigma[i * pixels + p];
        net += mask[p] ? (double)in->net[i * pixels + p] : 0;
        variance += mask[p] ? sigma * sigma : 0;
    }
    return net > 0 && net > d->settings.quant.limit * sqrt(variance);
}

/* Which factors are the particles'. */
static void mark_factors(edx_detail *d, const edx_detail_input *in)
{
    const uint8_t *mask = edx_particles_mask(edx_portraits_particles(d->portraits), MARGIN_NM);
    bool carried[EDX_MAX_LINES];

    for (uint32_t i = 0; i < d->n; i++)
        carried[i] = quantified(d, in, mask, i);
    edx_nmf_particle(d->nmf, mask, d->windows, d->n, carried, d->particle);
}

static void fill_factors(edx_detail *d, edx_nmf_result *out)
{
    uint32_t k = edx_nmf_rank(d->nmf);

    edx_nmf_maps(d->nmf, d->nmf_maps);
    edx_nmf_share(d->nmf, d->windows, d->n, d->share);
    out->k = k;
    out->spectra = edx_array_2(EDX_F4, edx_nmf_spectra(d->nmf), k, d->channels);
    out->maps = edx_array_3(EDX_F4, d->nmf_maps, k, d->rows, d->cols);
    out->divergence = edx_nmf_divergence(d->nmf);
    if (d->n > 0)
        out->share = edx_array_2(EDX_F8, d->share, k, d->n);
    out->particle = d->particle;
}

/* ---- particles ---- */

/* Whether it is time to ask all groups. */
static bool verdict_due(edx_detail *d, const edx_detail_input *in)
{
    uint64_t counts = edx_scene_counts(edx_sparse_total(edx_grouped_pixels(d->grouped)));
    uint32_t particles = edx_particles_count(edx_portraits_particles(d->portraits));
    bool due =
        in->fixed || particles != d->n_judged || (double)counts >= GROWTH * (double)d->judged;

    if (due) {
        d->judged = counts;
        d->n_judged = particles;
    }
    return due;
}

static edx_status watch(edx_detail *d, const edx_detail_input *in,
                        const edx_particles_result *particles, edx_detail_results *out,
                        edx_error *err)
{
    edx_particles *found = edx_portraits_particles(d->portraits);
    const edx_watch_input input = {.places = edx_particles_places(found),
                                   .count = edx_particles_count(found),
                                   .owner = edx_particles_owner(found),
                                   .particles = particles->particles,
                                   .exposure = in->mean_exposure,
                                   .covered = edx_scene_exposure(in->scene),
                                   .frames = in->frames,
                                   .frame_s = in->frame_s,
                                   .outliers = in->outliers,
                                   .n_outliers = in->n_outliers,
                                   .n_excluded = in->n_excluded,
                                   .drift_frame = in->drift_frame,
                                   .drift_nm = in->drift_nm,
                                   .n_drift = in->n_drift,
                                   .fixed = in->fixed};
    return edx_watch_update(d->watch, &input, &out->trend, out->findings, err);
}

/* ---- all ---- */

static edx_portraits_input sitters_of(edx_detail *d, const edx_detail_input *in,
                                      const edx_pca_result *pca)
{
    return (edx_portraits_input){
        .grouped = d->grouped,
        .net = in->net,
        .sigma = in->sigma,
        .image = in->image,
        .exposure = in->exposure,
        .covered = edx_scene_exposure(in->scene),
        .model = d->n >= 2 && d->survey != NULL ? edx_survey_model(d->survey) : NULL,
        .pca = pca,
        .folds = edx_components_folds(d->components),
        .nmf = d->nmf,
        .replicates = d->replicates,
        .particle = d->particle,
        .fixed = in->fixed};
}

/* Whether all groups are asked now: they are once factors without each are there. */
static edx_status prepare_verdict(edx_detail *d, const edx_detail_input *in, bool *now,
                                  edx_error *err)
{
    bool waits = false;
    edx_status status = EDX_OK;

    if ((!d->owed || in->fixed) && verdict_due(d, in)) {
        d->owed = true;
        d->asked.profiles = in->frames;
        if (d->replicates != NULL)
            edx_replicates_begin(d->replicates);
    }
    if (d->owed && d->replicates != NULL && d->n >= 2 && d->n_judged > 0) {
        status = edx_replicates_update(d->replicates, edx_grouped_pixels(d->grouped), d->nmf,
                                       in->fixed, in->pace, err);
        waits = edx_replicates_underway(d->replicates);
    }
    *now = status == EDX_OK && d->owed && !waits && edx_pace_begin(in->pace);
    return status;
}

static void pass_verdict(edx_detail *d, const edx_detail_input *in)
{
    edx_pace_end(in->pace);
    d->owed = false;
    d->verdicts++;
    d->ages.profiles = d->asked.profiles;
}

static edx_status find_particles(edx_detail *d, const edx_detail_input *in, edx_detail_results *out,
                                 edx_error *err)
{
    edx_portraits_input sitters = sitters_of(d, in, &out->pca);
    edx_status status = edx_portraits_find(d->portraits, &sitters, err);

    if (status != EDX_OK)
        return status;
    if (d->nmf != NULL)
        mark_factors(d, in);
    status = prepare_verdict(d, in, &sitters.verdict, err);
    if (status == EDX_OK)
        status = edx_portraits_update(d->portraits, &sitters, &out->particles, err);
    if (sitters.verdict)
        pass_verdict(d, in);
    out->has_particles = status == EDX_OK;
    return status;
}

edx_status edx_detail_look(edx_detail *detail, const edx_detail_input *input, edx_error *err)
{
    edx_detail *d = detail;
    edx_status status = edx_grouped_ready(d->grouped, err);

    if (status == EDX_OK && input->fixed)
        edx_grouped_sort(d->grouped);
    if (status == EDX_OK && d->survey != NULL)
        status = edx_survey_update(d->survey, input->sum, input->fixed, err);
    return status;
}

edx_status edx_detail_update(edx_detail *detail, const edx_detail_input *input,
                             edx_detail_results *out, edx_error *err)
{
    edx_detail *d = detail;

    memset(out, 0, sizeof *out);
    edx_status status = find_components(d, input, &out->pca, err);
    out->has_pca = status == EDX_OK;
    if (status == EDX_OK && d->nmf != NULL)
        status = find_factors(d, input, &out->pca, err);
    if (status == EDX_E_STATE)
        return EDX_OK; /* there are no counts */
    if (status == EDX_OK)
        status = find_particles(d, input, out, err);
    if (status == EDX_OK)
        status = watch(d, input, &out->particles, out, err);
    out->has_trend = status == EDX_OK;
    out->has_nmf = status == EDX_OK && d->nmf != NULL && edx_nmf_rank(d->nmf) > 0;
    if (out->has_nmf)
        fill_factors(d, &out->nmf);
    return status;
}

uint64_t edx_detail_verdicts(const edx_detail *detail)
{
    return detail->verdicts;
}

const float *edx_detail_fraction(const edx_detail *detail)
{
    return edx_portraits_fraction(detail->portraits);
}

const float *edx_detail_fraction_sigma(const edx_detail *detail)
{
    return edx_portraits_sigma(detail->portraits);
}

edx_survey *edx_detail_survey(edx_detail *detail)
{
    return detail->survey;
}

const edx_scene *edx_detail_counts(const edx_detail *detail)
{
    return edx_sparse_total(edx_grouped_pixels(detail->grouped));
}

edx_detail_ages edx_detail_ages_of(const edx_detail *detail)
{
    return detail->ages;
}

bool edx_detail_underway(const edx_detail *detail)
{
    return detail->owed || detail->heldout_due;
}

uint64_t edx_detail_bytes(const edx_detail *detail, uint64_t more)
{
    return edx_grouped_bytes(detail->grouped) +
           (detail->watch != NULL ? edx_watch_bytes(detail->watch, more) : 0);
}
