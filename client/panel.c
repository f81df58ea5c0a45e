#include "client/panel.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/number.h"
#include "client/plot.h"
#include "client/verdict.h"

#define HEALTH_P 0.001
#define LATE 2u /* frames that nobody minds */

static bool full(const edx_panel *p)
{
    return p->row >= p->area.row + p->area.rows;
}

static edx_role role_of(const edx_panel *p, edx_role role)
{
    return p->stale ? EDX_FAINT : role;
}

void edx_panel_line(edx_panel *p, const char *label, edx_role role, const char *fmt, ...)
{
    char text[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (full(p))
        return;
    int used = edx_canvas_text(p->canvas, p->row, p->area.col, p->area.cols, EDX_FAINT, label);
    int width = edx_text_width(text), room = p->area.cols - used - 1;
    int col = width <= room ? p->area.col + p->area.cols - width : p->area.col + used + 1;
    edx_canvas_text(p->canvas, p->row++, col, room, role_of(p, role), text);
}

void edx_panel_heading(edx_panel *p, const char *text)
{
    p->row++;
    if (p->row + 1 >= p->area.row + p->area.rows)
        p->row = p->area.row + p->area.rows;
    if (!full(p))
        edx_canvas_text(p->canvas, p->row++, p->area.col, p->area.cols, EDX_ACCENT, text);
}

void edx_panel_words(edx_panel *p, edx_role role, const char *text)
{
    while (*text && !full(p)) {
        size_t used = edx_text_fold(text, p->area.cols);
        edx_canvas_printf(p->canvas, p->row++, p->area.col, p->area.cols, role_of(p, role), "%.*s",
                          (int)used, text);
        for (text += used; *text == ' ';)
            text++;
    }
}

/* ---- the acquisition ---- */

static void progress(edx_panel *p, const edx_status_result *status)
{
    double part = (double)status->head.frames / (double)status->expected;
    if (!status->expected) {
        edx_panel_line(p, "frames", EDX_TEXT, "%llu", (unsigned long long)status->head.frames);
        return;
    }
    edx_panel_line(p, "frames", EDX_TEXT, "%llu / %llu", (unsigned long long)status->head.frames,
                   (unsigned long long)status->expected);
    if (full(p))
        return;
    edx_bar_draw(p->canvas, p->row, p->area.col, p->area.cols - 6, part, role_of(p, EDX_GOOD));
    edx_panel_line(p, "", EDX_TEXT, "%.0f %%", 100 * part);
}

/* Root mean square distance of the drift from its mean over the frames, nm. */
static double drift_rms(const edx_latest *model)
{
    const edx_result *trend = edx_latest_get(model, EDX_TREND);
    const edx_array *drift = trend ? &trend->as.trend.drift_nm : NULL;
    if (!drift || drift->ndim != 2 || drift->shape[1] != 2 || drift->shape[0] == 0)
        return (double)NAN;
    double sum[2] = {0, 0}, square = 0, n = (double)drift->shape[0];
    for (uint64_t i = 0; i < 2 * drift->shape[0]; i++) {
        double nm = edx_array_get(drift, i);
        sum[i % 2] += nm;
        square += nm * nm;
    }
    return sqrt(fmax(0, square / n - (sum[0] * sum[0] + sum[1] * sum[1]) / (n * n)));
}

static void drift(edx_panel *p, const edx_latest *model, const edx_status_result *status)
{
    char now[EDX_NUMBER], rms[EDX_NUMBER];
    double distance = hypot(status->drift_nm[0], status->drift_nm[1]);
    double spread = drift_rms(model);
    if (isnan(distance))
        return;
    edx_panel_line(p, "drift", EDX_TEXT, "%s nm", edx_number(now, distance));
    if (!isnan(spread))
        edx_panel_line(p, "drift rms", EDX_TEXT, "%s nm", edx_number(rms, spread));
}

static void losses(edx_panel *p, const edx_status_result *status)
{
    char lost[EDX_NUMBER], duplicate[EDX_NUMBER], bad[EDX_NUMBER];
    bool any = status->lost || status->bad;
    edx_panel_line(p, "lost/dup/bad", any ? EDX_BAD : EDX_TEXT, "%s/%s/%s",
                   edx_number(lost, (double)status->lost),
                   edx_number(duplicate, (double)status->duplicate),
                   edx_number(bad, (double)status->bad));
}

/* The first that is late, by more than a moment: what follows it is later still. The last two wait
 * for a tenth more of the frames in any case. */
static void lateness(edx_panel *p, const edx_status_result *status)
{
    char frames[EDX_NUMBER];
    const uint64_t rare = status->head.frames / 5 + LATE;
    const struct {
        const char *name;
        uint64_t behind, most;
    } of[] = {{"sum", status->behind.sum, LATE},
              {"maps", status->behind.maps, LATE},
              {"components", status->behind.components, LATE},
              {"held out", status->behind.heldout, rare},
              {"profiles", status->behind.profiles, rare}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        if (of[i].behind > of[i].most) {
            edx_panel_line(p, "behind", EDX_WARN, "%s %s", of[i].name,
                           edx_number(frames, (double)of[i].behind));
            return;
        }
}

void edx_panel_acquisition(edx_panel *p, const edx_latest *model)
{
    char a[EDX_NUMBER], b[EDX_NUMBER];
    const edx_result *result = edx_latest_get(model, EDX_STATUS);
    if (!result)
        return;
    const edx_status_result *status = &result->as.status;
    progress(p, status);
    edx_panel_line(p, "counts", EDX_TEXT, "%s", edx_number(a, (double)status->head.counts));
    edx_panel_line(p, "rate", EDX_TEXT, "%s cps", edx_number(a, status->rate_cps));
    edx_panel_line(p, "latency", EDX_TEXT, "%s / %s ms", edx_number(a, status->latency_ms.p50),
                   edx_number(b, status->latency_ms.p99));
    lateness(p, status);
    edx_panel_line(p, "messages", EDX_TEXT, "%llu", (unsigned long long)status->received);
    losses(p, status);
    drift(p, model, status);
    if (status->health.dof)
        edx_panel_line(p, "health", status->health.p < HEALTH_P ? EDX_WARN : EDX_TEXT,
                       "p %s, %zu out", edx_number(a, status->health.p), status->health.n_outliers);
}

/* ---- the sum ---- */

/* Composition after the newest frame, of element i of n. */
static bool composition_of(const edx_trend_result *trend, uint32_t n, uint32_t i, double out[2])
{
    const edx_array *c = &trend->composition;
    if (c->ndim != 2 || c->shape[0] != n || c->shape[1] == 0)
        return false;
    uint64_t index = i * c->shape[1] + c->shape[1] - 1;
    bool has_sigma = trend->sigma.ndim == 2 && trend->sigma.shape[0] == n &&
                     trend->sigma.shape[1] == c->shape[1];
    out[0] = 100 * edx_array_get(c, index);
    out[1] = has_sigma ? 100 * edx_array_get(&trend->sigma, index) : (double)NAN;
    return true;
}

/* Net counts of line i over the whole map, sigma from pixels, which are independent. */
static void counts_of(const edx_maps_result *maps, uint32_t i, double out[2])
{
    edx_picture picture = {.values = maps->intensity, .sigma = maps->sigma};
    double variance = 0;
    out[0] = out[1] = (double)NAN;
    if (picture.values.ndim != 3 || i >= picture.values.shape[0])
        return;
    uint64_t pixels = picture.values.shape[1] * picture.values.shape[2];
    out[0] = 0;
    for (uint64_t k = i * pixels; k < (i + 1) * pixels; k++)
        out[0] += edx_array_get(&picture.values, k);
    if (picture.sigma.ndim != 3 || picture.sigma.shape[0] != picture.values.shape[0] ||
        picture.sigma.shape[1] * picture.sigma.shape[2] != pixels)
        return;
    for (uint64_t k = i * pixels; k < (i + 1) * pixels; k++)
        variance += pow(edx_array_get(&picture.sigma, k), 2);
    out[1] = sqrt(variance);
}

/* The number that measure asks for of a value with its sigma. */
static void measured(edx_panel *p, const char *label, edx_measure measure, const double number[2])
{
    char text[EDX_NUMBER];
    double ratio = number[1] > 0 ? number[0] / number[1] : (double)NAN;
    if (measure == EDX_VALUE)
        edx_number_pm(text, number[0], number[1]);
    else
        edx_number(text, measure == EDX_SIGMA ? number[1] : ratio);
    edx_panel_line(p, label, EDX_TEXT, "%s", text);
}

/* With particles, the trend is that of all of them together. */
static const char *subject(const edx_latest *model)
{
    const edx_result *found = edx_latest_get(model, EDX_PARTICLES);
    return found && found->as.particles.count ? "particles" : "sum";
}

static void whole(edx_panel *p, const edx_latest *model, const edx_maps_result *maps,
                  edx_measure measure)
{
    static const char *const units[2][EDX_MEASURES] = {{"net counts", "σ, counts", "S/N, counts"},
                                                       {"at.%", "σ, at.%", "S/N"}};
    char text[64];
    double number[2];
    const edx_result *trend = edx_latest_get(model, EDX_TREND);
    bool quantified = trend && composition_of(&trend->as.trend, maps->n, 0, number);
    snprintf(text, sizeof text, "%s, %s", quantified ? subject(model) : "sum",
             units[quantified][measure]);
    edx_panel_heading(p, text);
    for (uint32_t i = 0; i < maps->n; i++) {
        if (quantified)
            composition_of(&trend->as.trend, maps->n, i, number);
        else
            counts_of(maps, i, number);
        measured(p, quantified ? maps->elements[i] : maps->lines[i], measure, number);
    }
}

/* ---- what may still come ---- */

static bool unsettled(const edx_forecast *next)
{
    return next->kind == EDX_FORECAST_NEVER || next->kind == EDX_FORECAST_WITHHELD;
}

static void forecast(edx_panel *p, const edx_latest *model, const edx_trend_result *trend)
{
    char words[EDX_WORDS], target[EDX_NUMBER], span[EDX_NUMBER];
    edx_forecast next = edx_verdict_forecast(model, false, p->stale);
    if (next.kind == EDX_FORECAST_UNKNOWN)
        return;
    edx_panel_line(p, "target σ", EDX_TEXT, "%s at.%%",
                   edx_number(target, 100 * trend->forecast.target_sigma));
    if (next.kind == EDX_FORECAST_STALE)
        return;
    edx_forecast_text(&next, words);
    if (next.kind == EDX_FORECAST_INTERVAL)
        snprintf(words, sizeof words, "%.0f to %.0f fr", next.low, next.high);
    edx_panel_line(p, "forecast", unsettled(&next) ? EDX_WARN : EDX_TEXT, "%s", words);
    if (next.kind == EDX_FORECAST_INTERVAL && next.seconds > 0)
        edx_panel_line(p, "time left", EDX_TEXT, "%s", edx_number_span(span, next.seconds));
}

static void trend_lines(edx_panel *p, const edx_latest *model, const edx_trend_result *trend)
{
    char z[EDX_NUMBER];
    if (trend->dose_e_per_A2 > 0)
        edx_panel_line(p, "dose", EDX_TEXT, "%s e/Å²", edx_number(z, trend->dose_e_per_A2));
    edx_change damage = edx_verdict_damage(trend);
    if (damage.found)
        edx_panel_line(p, "damage", EDX_BAD, "%s", damage.words);
    else if (damage.known)
        edx_panel_line(p, "damage", EDX_TEXT, "none, z %.1f", trend->damage.z);
    forecast(p, model, trend);
}

static void particles(edx_panel *p, const edx_particles_result *result)
{
    char text[EDX_NUMBER];
    snprintf(text, sizeof text, "particles %zu", result->count);
    edx_panel_heading(p, text);
    for (size_t i = 0; i < result->count; i++) {
        const edx_particle *one = &result->particles[i];
        char label[EDX_NUMBER], size[EDX_NUMBER];
        snprintf(label, sizeof label, "%llu %s", (unsigned long long)one->id,
                 edx_number(size, one->diameter_nm));
        if (one->n)
            edx_panel_line(
                p, label, EDX_TEXT, "%s %s", one->elements[0],
                edx_number_percent(text, one->composition[0][0], one->composition[0][1]));
        else
            edx_panel_line(p, label, EDX_TEXT, "nm");
    }
}

void edx_panel_sum(edx_panel *p, const edx_latest *model, edx_measure measure)
{
    const edx_result *maps = edx_latest_get(model, EDX_MAPS);
    const edx_result *trend = edx_latest_get(model, EDX_TREND);
    const edx_result *found = edx_latest_get(model, EDX_PARTICLES);
    if (maps)
        whole(p, model, &maps->as.maps, measure);
    if (trend)
        trend_lines(p, model, &trend->as.trend);
    if (found && found->as.particles.count)
        particles(p, &found->as.particles);
}
