#include "analysis/watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/bands.h"
#include "analysis/forecast.h"
#include "analysis/quant.h"
#include "analysis/trend.h"

#define ELECTRON_C 1.602176634e-19
#define GROWTH 1.1 /* of frames, before where the particles are is asked again */

struct edx_watch {
    edx_begin begin;
    edx_line lines[EDX_MAX_LINES];
    uint32_t n;
    double limit, target;
    bool exclude;
    edx_trend *trend;
    uint32_t *label; /* [scan pixels] */
    uint32_t regions;
    double asked;  /* exposure when the regions were last set */
    double *drift; /* [f, 2] */
    size_t drift_room;
};

/* ---- life ---- */

static edx_status open_trend(edx_watch *w, const edx_watch_setup *s, edx_error *err)
{
    size_t channels = s->axis.channels;
    uint8_t *band = calloc((s->n + 1) * channels, 1); /* and what is set apart */
    edx_status status = EDX_OK;

    if (band == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for bands of %zu channels", channels);
    edx_bands(s->lines, s->n, &s->axis, s->begin->beam_keV * 1e3, s->begin->resolution_eV, band,
              band + s->n * channels);
    const edx_trend_shape shape = {.rows = s->begin->rows,
                                   .cols = s->begin->cols,
                                   .channels = s->begin->channels,
                                   .bin_energy = s->bin_energy,
                                   .lo = s->lo,
                                   .hi = s->hi,
                                   .n = s->n,
                                   .rows_v = s->rows_v,
                                   .band = band,
                                   .apart = band + s->n * channels};
    status = edx_trend_new(&shape, &w->trend, err);
    free(band);
    return status;
}

edx_status edx_watch_new(const edx_watch_setup *setup, edx_watch **out, edx_error *err)
{
    edx_watch *w = calloc(1, sizeof *w);

    *out = w;
    if (w == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory to watch the acquisition");
    w->begin = *setup->begin;
    memcpy(w->lines, setup->lines, setup->n * sizeof *w->lines);
    w->n = setup->n;
    w->limit = setup->limit;
    w->target = setup->target_sigma;
    w->exclude = setup->exclude;
    w->label = calloc((size_t)w->begin.rows * w->begin.cols, sizeof *w->label);
    edx_status status = open_trend(w, setup, err);
    if (status == EDX_OK && w->label == NULL)
        status = edx_fail(err, EDX_E_NOMEM, "no memory to watch %u x %u pixels", w->begin.rows,
                          w->begin.cols);
    if (status != EDX_OK)
        edx_watch_free(out);
    return status;
}

void edx_watch_free(edx_watch **watch)
{
    edx_watch *w = *watch;

    *watch = NULL;
    if (w == NULL)
        return;
    edx_trend_free(&w->trend);
    free(w->label);
    free(w->drift);
    free(w);
}

void edx_watch_clear(edx_watch *watch)
{
    edx_trend_clear(watch->trend);
    watch->asked = 0;
}

void edx_watch_set_pool(edx_watch *watch, const edx_pool *pool)
{
    edx_trend_set_pool(watch->trend, pool);
}

bool edx_watch_follow(edx_watch *watch, edx_watch *before)
{
    return edx_trend_follow(watch->trend, before->trend);
}

edx_status edx_watch_add(edx_watch *watch, uint64_t frame, uint32_t row, const edx_events *events,
                         edx_error *err)
{
    return edx_trend_add(watch->trend, frame, row, events, err);
}

/* ---- where ---- */

/* Index from 1 of the particle whose id a pixel has, if the pixel is within its radius. */
static uint32_t region_at(const edx_watch *w, const edx_watch_input *in, uint32_t row, uint32_t col)
{
    uint32_t id = in->owner[(size_t)row * w->begin.cols + col];

    for (uint32_t i = 0; id != 0 && i < in->count; i++) {
        const edx_particle_place *p = &in->places[i];
        if (p->id == id)
            return hypot(row * w->begin.step_nm[0] - p->centre_nm[0],
                         col * w->begin.step_nm[1] - p->centre_nm[1]) < p->radius_nm
                       ? i + 1
                       : 0;
    }
    return 0;
}

static edx_status set_regions(edx_watch *w, const edx_watch_input *in, edx_error *err)
{
    if (!in->fixed && in->count == w->regions && in->exposure < GROWTH * w->asked)
        return EDX_OK;
    for (uint32_t y = 0; in->count > 0 && y < w->begin.rows; y++)
        for (uint32_t x = 0; x < w->begin.cols; x++)
            w->label[(size_t)y * w->begin.cols + x] = region_at(w, in, y, x);
    w->regions = in->count;
    w->asked = in->exposure;
    return edx_trend_regions(w->trend, w->label, in->count, err);
}

/* Frames that no test takes may be broken off: rows that miss no more than those are covered. */
static void set_field(edx_watch *w, const edx_watch_input *in)
{
    size_t pixels = (size_t)w->begin.rows * w->begin.cols;
    size_t in_sums = in->n_outliers > in->n_excluded ? in->n_outliers - in->n_excluded : 0;
    uint32_t most = 0;

    for (size_t p = 0; in->covered != NULL && p < pixels; p++)
        most = in->covered[p] > most ? in->covered[p] : most;
    edx_trend_field(w->trend, in->covered, most > in_sums ? most - (uint32_t)in_sums : 0);
}

/* ---- how long ---- */

/* Statistical and systematic sigma of the element that is known least. */
static bool worst_sigma(const edx_watch *w, const edx_trend_state *s, double sigma[2])
{
    double fraction[EDX_MAX_LINES], relative[EDX_MAX_LINES];

    sigma[0] = sigma[1] = 0;
    if (w->n < 2 || s->frames == 0 || isnan(s->composition[s->frames - 1]))
        return false;
    for (uint32_t i = 0; i < w->n; i++)
        fraction[i] = s->composition[(i + 1) * s->frames - 1];
    edx_quant_systematic(w->lines, w->n, fraction, relative);
    for (uint32_t i = 0; i < w->n; i++) {
        double one = s->sigma[(i + 1) * s->frames - 1], two = relative[i] * fraction[i];
        if (hypot(one, two) > hypot(sigma[0], sigma[1])) {
            sigma[0] = one;
            sigma[1] = two;
        }
    }
    return true;
}

static double seconds_to(const edx_watch_input *in, double frames)
{
    return fmax(0, frames - (double)in->frames) * in->frame_s;
}

/* Difference of core and shell: the largest particle's. */
static double difference_sigma(const edx_watch_input *in)
{
    double largest = 0, sigma = NAN;

    for (uint32_t i = 0; i < in->count && in->particles != NULL; i++)
        if (in->particles[i].diameter_nm > largest &&
            isfinite(in->particles[i].segregation.sigma)) {
            largest = in->particles[i].diameter_nm;
            sigma = in->particles[i].segregation.sigma;
        }
    return sigma;
}

static void forecast(const edx_watch *w, const edx_watch_input *in, const double sigma[2],
                     bool known, edx_trend_result *out)
{
    double frames = (double)in->frames;

    out->forecast.target_sigma = w->target;
    out->forecast.frames_needed =
        known ? edx_forecast_frames(frames, sigma[0], sigma[1], w->target) : NAN;
    out->forecast.seconds = seconds_to(in, out->forecast.frames_needed);
    out->forecast.delta_frames_needed =
        edx_forecast_frames(frames, difference_sigma(in), 0, w->target);
    out->forecast.delta_seconds = seconds_to(in, out->forecast.delta_frames_needed);
    if (isnan(out->forecast.frames_needed))
        out->forecast.seconds = NAN;
    if (isnan(out->forecast.delta_frames_needed))
        out->forecast.delta_seconds = NAN;
}

/* ---- findings ---- */

static void find_damage(const edx_watch *w, const edx_watch_input *in, const edx_trend_state *s,
                        edx_alarm *out)
{
    bool some = s->region > 0 && in->count > 0;
    char where[48] = "the field";

    *out = (edx_alarm){.kind = "damage", .severity = "warning", .since_frame = s->damage.since};
    out->active = s->damage.since >= 0;
    if (!out->active)
        return;
    if (some)
        snprintf(where, sizeof where, "particle %u", in->places[s->region - 1].id);
    if (s->whole)
        snprintf(
            out->message, sizeof out->message,
            "%s loses counts of all its elements (z %.1f): it is sputtered or leaves its place; "
            "lower the dose, or look at the drift",
            where, s->damage.z);
    else
        snprintf(out->message, sizeof out->message,
                 "%s in %s changes under the beam (z %.1f since frame %lld): the composition is no "
                 "longer the specimen's; lower the dose or stop",
                 w->lines[s->element].element, where, s->damage.z, (long long)s->damage.since);
}

/* The first few of the frames that no test takes. */
static size_t name_frames(const edx_watch_input *in, char *out, size_t size)
{
    size_t at = (size_t)snprintf(out, size, "%s", in->n_outliers == 1 ? "frame" : "frames");

    for (size_t i = 0; i < in->n_outliers && i < 5; i++)
        at += (size_t)snprintf(out + at, size - at, "%s %llu", i > 0 ? "," : "",
                               (unsigned long long)in->outliers[i]);
    if (in->n_outliers > 5)
        at += (size_t)snprintf(out + at, size - at, " and %zu more", in->n_outliers - 5);
    return at;
}

static void find_health(const edx_watch *w, const edx_watch_input *in, const edx_trend_state *s,
                        edx_alarm *out)
{
    const char *advice = w->exclude && in->fixed ? ": left out of the sum"
                         : w->exclude            ? ": left out of the sum at the end"
                                                 : ": look at the beam, or set analysis.exclude";
    bool carbon = s->contamination.since >= 0 && s->contamination.z > 0,
         frames = in->n_outliers > 0;
    char *text = out->message;
    size_t at = 0, size = sizeof out->message;

    *out = (edx_alarm){.kind = "health", .severity = "warning", .active = carbon || frames};
    out->since_frame = frames ? (int64_t)in->outliers[0] : s->contamination.since;
    if (carbon && (!frames || s->contamination.since < out->since_frame))
        out->since_frame = s->contamination.since;
    if (frames) {
        at = name_frames(in, text, size);
        at += (size_t)snprintf(text + at, size - at, " broken off or with outlying counts%s",
                               carbon ? "; " : advice);
    }
    if (carbon)
        snprintf(text + at, size - at,
                 "carbon grows (z %.1f): contamination, no loss of other elements",
                 s->contamination.z);
}

static void find_target(const edx_watch *w, const edx_watch_input *in, const edx_trend_result *t,
                        edx_alarm *out)
{
    double needed = t->forecast.frames_needed;

    *out = (edx_alarm){.kind = "target", .severity = "info", .since_frame = (int64_t)in->frames};
    out->active = !isnan(needed) && (isinf(needed) || needed <= (double)in->frames);
    if (out->active && isinf(needed))
        snprintf(out->message, sizeof out->message,
                 "sigma %g cannot be reached at any dose: the factors' own uncertainty is larger; "
                 "calibrate k or raise analysis.target_sigma",
                 w->target);
    else if (out->active)
        snprintf(out->message, sizeof out->message,
                 "the composition is known to %g: enough frames for analysis.target_sigma",
                 w->target);
}

/* ---- update ---- */

/* The track of the frames that are watched. */
static edx_status copy_drift(edx_watch *w, const edx_watch_input *in, const edx_trend_state *s,
                             edx_error *err)
{
    size_t frames = s->frames, at = 0;

    if (frames > w->drift_room) {
        double *grown = realloc(w->drift, 4 * frames * sizeof *grown);
        if (grown == NULL)
            return edx_fail(err, EDX_E_NOMEM, "no memory for the drift of %zu frames", frames);
        w->drift = grown;
        w->drift_room = 2 * frames;
    }
    for (size_t f = 0; f < frames; f++) {
        while (at < in->n_drift && in->drift_frame[at] < s->frame[f])
            at++;
        bool known = at < in->n_drift && in->drift_frame[at] == s->frame[f];
        for (size_t i = 0; i < 2; i++)
            w->drift[2 * f + i] = known ? in->drift_nm[at][i] : 0;
    }
    return EDX_OK;
}

/* Electrons on a square angstrom. */
static double dose(const edx_watch *w, double exposure)
{
    double area_A2 = w->begin.step_nm[0] * w->begin.step_nm[1] * 100;

    return w->begin.probe_nA * 1e-9 / ELECTRON_C * w->begin.dwell_s * exposure / area_A2;
}

edx_status edx_watch_update(edx_watch *watch, const edx_watch_input *input, edx_trend_result *out,
                            edx_alarm findings[EDX_WATCH_FINDINGS], edx_error *err)
{
    edx_watch *w = watch;
    edx_trend_state s = {0};
    double sigma[2];
    edx_status status = set_regions(w, input, err);

    set_field(w, input);
    if (status == EDX_OK)
        status = edx_trend_update(w->trend, w->lines, w->limit, w->begin.frames, input->outliers,
                                  input->n_outliers, &s, err);
    if (status == EDX_OK)
        status = copy_drift(w, input, &s, err);
    if (status != EDX_OK)
        return status;
    memset(out, 0, sizeof *out);
    out->composition = edx_array_2(EDX_F8, s.composition, w->n, s.frames);
    out->sigma = edx_array_2(EDX_F8, s.sigma, w->n, s.frames);
    out->drift_nm = edx_array_2(EDX_F8, w->drift, s.frames, 2);
    out->dose_e_per_A2 = dose(w, input->exposure);
    out->damage.z = s.damage.z;
    out->damage.p = s.damage.p;
    out->damage.since_frame = s.damage.since;
    out->contamination.z = s.contamination.z;
    out->contamination.p = s.contamination.p;
    out->contamination.since_frame =
        s.contamination.since >= 0 ? (double)s.contamination.since : NAN;
    forecast(w, input, sigma, worst_sigma(w, &s, sigma), out);
    find_damage(w, input, &s, &findings[0]);
    find_health(w, input, &s, &findings[1]);
    find_target(w, input, out, &findings[2]);
    return EDX_OK;
}

uint64_t edx_watch_bytes(const edx_watch *watch, uint64_t more)
{
    return watch->trend != NULL ? edx_trend_bytes(watch->trend, more) : 0;
}
