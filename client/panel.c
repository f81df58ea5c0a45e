#include "client/panel.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/number.h"
#include "client/plot.h"

#define DAMAGE_P 0.01
#define HEALTH_P 0.001

/* Lines are written from above until the area is full. */
typedef struct panel {
    edx_canvas *canvas;
    edx_area area;
    int row;
    bool stale;
} panel;

static bool full(const panel *p)
{
    return p->row >= p->area.row + p->area.rows;
}

static edx_role role_of(const panel *p, edx_role role)
{
    return p->stale ? EDX_FAINT : role;
}

/* A label at the left, text at the right. */
static void write_line(panel *p, const char *label, edx_role role, const char *text)
{
    if (full(p))
        return;
    int used = edx_canvas_text(p->canvas, p->row, p->area.col, p->area.cols, EDX_FAINT, label);
    int width = edx_text_width(text), room = p->area.cols - used - 1;
    int col = width <= room ? p->area.col + p->area.cols - width : p->area.col + used + 1;
    edx_canvas_text(p->canvas, p->row++, col, room, role_of(p, role), text);
}

__attribute__((format(printf, 4, 5))) static void line(panel *p, const char *label, edx_role role,
                                                       const char *fmt, ...)
{
    char text[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    write_line(p, label, role, text);
}

static void heading(panel *p, const char *text)
{
    p->row++;
    if (p->row + 1 >= p->area.row + p->area.rows)
        p->row = p->area.row + p->area.rows;
    if (!full(p))
        edx_canvas_text(p->canvas, p->row++, p->area.col, p->area.cols, EDX_ACCENT, text);
}

/* ---- the acquisition ---- */

static void progress(panel *p, const edx_status_result *status)
{
    double part = (double)status->head.frames / (double)status->expected;
    if (!status->expected) {
        line(p, "frames", EDX_TEXT, "%llu", (unsigned long long)status->head.frames);
        return;
    }
    line(p, "frames", EDX_TEXT, "%llu / %llu", (unsigned long long)status->head.frames,
         (unsigned long long)status->expected);
    if (full(p))
        return;
    edx_bar_draw(p->canvas, p->row, p->area.col, p->area.cols - 6, part, role_of(p, EDX_GOOD));
    line(p, "", EDX_TEXT, "%.0f %%", 100 * part);
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

static void drift(panel *p, const edx_latest *model, const edx_status_result *status)
{
    char now[EDX_NUMBER], rms[EDX_NUMBER];
    double distance = hypot(status->drift_nm[0], status->drift_nm[1]);
    double spread = drift_rms(model);
    if (isnan(distance))
        return;
    line(p, "drift", EDX_TEXT, "%s nm", edx_number(now, distance));
    if (!isnan(spread))
        line(p, "drift rms", EDX_TEXT, "%s nm", edx_number(rms, spread));
}

static void losses(panel *p, const edx_status_result *status)
{
    char lost[EDX_NUMBER], duplicate[EDX_NUMBER], bad[EDX_NUMBER];
    bool any = status->lost || status->bad;
    line(p, "lost/dup/bad", any ? EDX_BAD : EDX_TEXT, "%s/%s/%s",
         edx_number(lost, (double)status->lost), edx_number(duplicate, (double)status->duplicate),
         edx_number(bad, (double)status->bad));
}

static void acquisition(panel *p, const edx_latest *model, const edx_status_result *status)
{
    char a[EDX_NUMBER], b[EDX_NUMBER];
    progress(p, status);
    line(p, "counts", EDX_TEXT, "%s", edx_number(a, (double)status->head.counts));
    line(p, "rate", EDX_TEXT, "%s cps", edx_number(a, status->rate_cps));
    line(p, "latency", EDX_TEXT, "%s / %s ms", edx_number(a, status->latency_ms.p50),
         edx_number(b, status->latency_ms.p99));
    line(p, "messages", EDX_TEXT, "%llu", (unsigned long long)status->received);
    losses(p, status);
    drift(p, model, status);
    if (status->health.dof)
        line(p, "health", status->health.p < HEALTH_P ? EDX_WARN : EDX_TEXT, "p %s, %zu out",
             edx_number(a, status->health.p), status->health.n_outliers);
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

static void whole(panel *p, const edx_latest *model, const edx_maps_result *maps)
{
    char text[EDX_NUMBER];
    double number[2];
    const edx_result *trend = edx_latest_get(model, EDX_TREND);
    bool quantified = trend && composition_of(&trend->as.trend, maps->n, 0, number);
    heading(p, quantified ? "sum, at.%" : "sum, net counts");
    for (uint32_t i = 0; i < maps->n; i++) {
        if (quantified)
            composition_of(&trend->as.trend, maps->n, i, number);
        else
            counts_of(maps, i, number);
        line(p, quantified ? maps->elements[i] : maps->lines[i], EDX_TEXT, "%s",
             edx_number_pm(text, number[0], number[1]));
    }
}

/* ---- what may still come ---- */

static void forecast(panel *p, const edx_trend_result *trend)
{
    char text[EDX_NUMBER];
    double target = trend->forecast.target_sigma, frames = trend->forecast.frames_needed;
    if (p->stale || !(target > 0) || isnan(frames))
        return;
    line(p, "target σ", EDX_TEXT, "%s at.%%", edx_number(text, 100 * target));
    if (isinf(frames) || frames < 0)
        line(p, "forecast", EDX_WARN, "not reachable");
    else if (trend->forecast.seconds >= 0)
        line(p, "forecast", EDX_TEXT, "%.0f fr, %s", frames,
             edx_number_span(text, trend->forecast.seconds));
    else
        line(p, "forecast", EDX_TEXT, "%.0f frames", frames);
}

static void trend_lines(panel *p, const edx_trend_result *trend)
{
    char z[EDX_NUMBER], prob[EDX_NUMBER];
    if (trend->dose_e_per_A2 > 0)
        line(p, "dose", EDX_TEXT, "%s e/Å²", edx_number(z, trend->dose_e_per_A2));
    if (isfinite(trend->damage.z))
        line(p, "damage", trend->damage.p < DAMAGE_P ? EDX_BAD : EDX_TEXT, "z %s, p %s",
             edx_number(z, trend->damage.z), edx_number(prob, trend->damage.p));
    forecast(p, trend);
}

static void particles(panel *p, const edx_particles_result *result)
{
    char text[EDX_NUMBER];
    snprintf(text, sizeof text, "particles %zu", result->count);
    heading(p, text);
    for (size_t i = 0; i < result->count; i++) {
        const edx_particle *one = &result->particles[i];
        char label[EDX_NUMBER], size[EDX_NUMBER];
        snprintf(label, sizeof label, "%llu %s", (unsigned long long)one->id,
                 edx_number(size, one->diameter_nm));
        if (one->n)
            line(p, label, EDX_TEXT, "%s %s", one->elements[0],
                 edx_number_pm(text, 100 * one->composition[0][0], 100 * one->composition[0][1]));
        else
            line(p, label, EDX_TEXT, "nm");
    }
}

void edx_panel_draw(const edx_latest *model, bool stale, edx_canvas *canvas, edx_area area)
{
    panel p = {.canvas = canvas, .area = area, .row = area.row, .stale = stale};
    const edx_result *status = edx_latest_get(model, EDX_STATUS);
    const edx_result *maps = edx_latest_get(model, EDX_MAPS);
    const edx_result *trend = edx_latest_get(model, EDX_TREND);
    const edx_result *found = edx_latest_get(model, EDX_PARTICLES);
    if (status)
        acquisition(&p, model, &status->as.status);
    if (maps)
        whole(&p, model, &maps->as.maps);
    if (trend)
        trend_lines(&p, &trend->as.trend);
    if (found && found->as.particles.count)
        particles(&p, &found->as.particles);
}
