/* Frame by frame: composition with its error, where the specimen drifted, damage, dose, forecast.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/chart.h"
#include "client/number.h"
#include "client/pages.h"
#include "client/panel.h"
#include "client/series.h"
#include "client/verdict.h"

#define DRIFT_COLS 24
#define BELOW_ROWS 8
#define LEAST_REACH 0.1 /* nm */
#define TAIL 0.02       /* early frames have errors without end */
#define CURSOR 0x25b2u

static uint64_t frames_of(const edx_trend_result *trend)
{
    return trend->composition.ndim == 2 ? trend->composition.shape[1] : 0;
}

static uint64_t rows_of(const edx_trend_result *trend)
{
    return trend->composition.ndim == 2 ? trend->composition.shape[0] : 0;
}

/* ---- composition ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Most of value ± sigma, with some room, within 0 and 100 %. */
static void limits(const edx_trend_result *trend, double y[2])
{
    uint64_t rows = rows_of(trend), frames = frames_of(trend);
    double *ends = calloc((size_t)(2 * rows * frames) + 1, sizeof *ends);
    size_t n = 0;
    y[0] = 0;
    y[1] = 100;
    for (uint64_t i = 0; ends && i < rows; i++)
        for (uint64_t f = 0; f < frames; f++) {
            double value = edx_at_2(&trend->composition, i, f),
                   sigma = edx_at_2(&trend->sigma, i, f);
            if (!isfinite(value))
                continue;
            sigma = isfinite(sigma) ? sigma : 0;
            ends[n++] = 100 * (value - sigma);
            ends[n++] = 100 * (value + sigma);
        }
    if (n) {
        qsort(ends, n, sizeof *ends, by_value);
        double low = ends[(size_t)(TAIL * (double)(n - 1))];
        double high = ends[n - 1 - (size_t)(TAIL * (double)(n - 1))];
        edx_chart_room(low, high, 1, y);
        y[0] = fmax(0, y[0]);
        y[1] = fmin(100, y[1]);
    }
    free(ends);
}

/* The frame that a column shows: the last of those it covers. */
static uint64_t frame_at(const edx_chart *chart, int col, uint64_t frames)
{
    double x = edx_chart_x(chart, col);
    uint64_t f = x > 0 ? (uint64_t)(x + 0.5) : 0;
    return f < frames ? f : frames - 1;
}

static void draw_curves(const edx_chart *chart, const edx_trend_result *trend)
{
    int end = chart->plot.col + chart->plot.cols;
    for (int pass = 0; pass < 2; pass++)
        for (uint64_t i = 0; i < rows_of(trend); i++)
            for (int col = chart->plot.col; col < end; col++) {
                uint64_t f = frame_at(chart, col, frames_of(trend));
                double value = 100 * edx_at_2(&trend->composition, i, f);
                double sigma = 100 * edx_at_2(&trend->sigma, i, f);
                if (pass)
                    edx_chart_dash(chart, col, value, edx_palette_series(i));
                else
                    edx_chart_band(chart, col, value - sigma, value + sigma, edx_palette_series(i));
            }
}

/* The names at the curves' right ends. */
static void draw_names(const edx_page_frame *page, const edx_chart *chart,
                       const edx_trend_result *trend, const edx_maps_result *maps)
{
    for (uint64_t i = 0; maps && i < rows_of(trend) && i < maps->n; i++) {
        double depth =
            edx_chart_depth(chart, 100 * edx_at_2(&trend->composition, i, frames_of(trend) - 1));
        if (depth >= 1 && depth < chart->plot.rows)
            edx_canvas_right(page->canvas, chart->plot.row + (int)depth - 1,
                             chart->plot.col + chart->plot.cols, edx_palette_series(i),
                             maps->elements[i]);
    }
}

static void draw_damage(const edx_page_frame *page, const edx_chart *chart,
                        const edx_trend_result *trend)
{
    int64_t since = trend->damage.since_frame;
    int col = since >= 0 ? edx_chart_col(chart, (double)since) : -1;
    if (col < 0)
        return;
    for (int row = 0; row < chart->plot.rows; row++)
        edx_canvas_put(page->canvas, chart->plot.row + row, col, 0x2506u, EDX_BAD);
    int room = chart->plot.col + chart->plot.cols - col - 1;
    if (room >= 6)
        edx_canvas_text(page->canvas, chart->plot.row, col + 1, room, EDX_BAD, "damage");
    else
        edx_canvas_right(page->canvas, chart->plot.row, col, EDX_BAD, "damage");
}

static void draw_composition(const edx_page_frame *page, const edx_trend_result *trend,
                             edx_area area)
{
    const edx_result *maps = edx_latest_get(page->model, EDX_MAPS);
    double y[2], x[2] = {0, fmax(1, (double)frames_of(trend) - 1)};
    if (!frames_of(trend)) {
        edx_canvas_text(page->canvas, area.row, area.col, area.cols, EDX_FAINT,
                        "no composition yet: no line is known");
        return;
    }
    limits(trend, y);
    edx_canvas_text(page->canvas, area.row, area.col, area.cols, EDX_FAINT,
                    "at.% of all frames up to each   ░ ±1σ (68 %)");
    edx_chart chart = edx_chart_fit(
        page->canvas, (edx_area){area.row + 1, area.col, area.rows - 1, area.cols}, x, y);
    chart.faint = page->stale;
    edx_chart_axes(&chart, "frame");
    draw_curves(&chart, trend);
    draw_damage(page, &chart, trend);
    draw_names(page, &chart, trend, maps ? &maps->as.maps : NULL);
    int col = edx_chart_col(&chart, (double)edx_choice_point(page->view, page->model));
    if (col >= 0)
        edx_canvas_put(page->canvas, chart.plot.row + chart.plot.rows, col, CURSOR, EDX_ACCENT);
}

static void draw_readout(const edx_page_frame *page, const edx_trend_result *trend, edx_area area)
{
    const edx_result *maps = edx_latest_get(page->model, EDX_MAPS);
    uint64_t f = edx_choice_point(page->view, page->model);
    int end = area.col + area.cols;
    if (!frames_of(trend) || !maps)
        return;
    int col = area.col + edx_canvas_printf(page->canvas, area.row, area.col, area.cols, EDX_TEXT,
                                           "frame %llu:", (unsigned long long)f);
    for (uint64_t i = 0; i < rows_of(trend) && i < maps->as.maps.n && col < end; i++) {
        char number[EDX_NUMBER];
        col += edx_canvas_printf(page->canvas, area.row, col, end - col, EDX_TEXT, "%s %s %s",
                                 i ? "," : "", maps->as.maps.elements[i],
                                 edx_number_percent(number, edx_at_2(&trend->composition, i, f),
                                                    edx_at_2(&trend->sigma, i, f)));
    }
    edx_canvas_text(page->canvas, area.row, col, end - col, EDX_TEXT, " at.%");
}

/* ---- drift ---- */

/* A plane of cells, each twice as high as wide, y downwards as in the maps. */
typedef struct plane {
    edx_area area;
    double low[2], cell_nm; /* [y, x] at its upper left corner; nm a column */
} plane;

/* Room for the whole track and the first frame's place, at equal scales. */
static plane plane_of(const edx_array *drift, edx_area area)
{
    plane p = {.area = area};
    double high[2] = {0, 0};
    for (uint64_t f = 0; drift->ndim == 2 && f < drift->shape[0]; f++)
        for (uint64_t k = 0; k < 2; k++) {
            p.low[k] = fmin(p.low[k], edx_at_2(drift, f, k)); /* leaves NaN out */
            high[k] = fmax(high[k], edx_at_2(drift, f, k));
        }
    double rows = fmax(1, area.rows - 1), cols = fmax(1, area.cols - 1);
    p.cell_nm = fmax(fmax((high[0] - p.low[0]) / (2 * rows), (high[1] - p.low[1]) / cols),
                     LEAST_REACH / cols);
    p.low[0] -= (2 * rows * p.cell_nm - (high[0] - p.low[0])) / 2;
    p.low[1] -= (cols * p.cell_nm - (high[1] - p.low[1])) / 2;
    return p;
}

static void put_place(const plane *p, edx_canvas *canvas, double y, double x, uint32_t glyph,
                      edx_role role)
{
    if (!isfinite(y) || !isfinite(x))
        return;
    int row = (int)lround((y - p->low[0]) / (2 * p->cell_nm));
    int col = (int)lround((x - p->low[1]) / p->cell_nm);
    if (row >= 0 && row < p->area.rows && col >= 0 && col < p->area.cols)
        edx_canvas_put(canvas, p->area.row + row, p->area.col + col, glyph, role);
}

static void draw_length(const plane *p, edx_canvas *canvas, int row)
{
    double nm = edx_number_step(p->cell_nm * p->area.cols / 2);
    int width = (int)lround(nm / p->cell_nm);
    for (int i = 0; i < width; i++)
        edx_canvas_put(canvas, row, p->area.col + i,
                       i == 0           ? 0x251cu
                       : i == width - 1 ? 0x2524u
                                        : 0x2500u,
                       EDX_FAINT);
    edx_canvas_printf(canvas, row, p->area.col + width + 1, p->area.cols - width - 1, EDX_FAINT,
                      "%g nm", nm);
}

/* Where the specimen went, seen from the first frame (a cross). */
static void draw_drift(const edx_page_frame *page, const edx_trend_result *trend, edx_area area)
{
    const edx_array *drift = &trend->drift_nm;
    uint64_t frames = drift->ndim == 2 ? drift->shape[0] : 0, last = frames ? frames - 1 : 0;
    plane p = plane_of(drift, (edx_area){area.row + 1, area.col, area.rows - 2, area.cols});
    char y[EDX_NUMBER], x[EDX_NUMBER];
    edx_canvas_printf(page->canvas, area.row, area.col, area.cols, EDX_ACCENT, "drift y %s x %s nm",
                      edx_number_signed(y, edx_at_2(drift, last, 0), 2),
                      edx_number_signed(x, edx_at_2(drift, last, 1), 2));
    if (!frames)
        return;
    for (uint64_t f = 0; f < frames; f++)
        put_place(&p, page->canvas, edx_at_2(drift, f, 0), edx_at_2(drift, f, 1), 0x2022u,
                  page->stale ? EDX_FAINT : EDX_SERIES_1);
    put_place(&p, page->canvas, 0, 0, '+', EDX_TEXT);
    put_place(&p, page->canvas, edx_at_2(drift, last, 0), edx_at_2(drift, last, 1), 0x25cfu,
              page->stale ? EDX_FAINT : EDX_SERIES_2);
    draw_length(&p, page->canvas, area.row + area.rows - 1);
}

/* ---- words ---- */

static void change_words(edx_panel *panel, const char *label, const edx_change *change,
                         edx_role role)
{
    edx_panel_line(panel, label, change->found ? role : EDX_TEXT, "%s%s", change->found ? "▲ " : "",
                   change->words);
    if (change->known)
        edx_panel_line(panel, "", change->found ? role : EDX_TEXT, "%s", change->numbers);
}

static void forecast_words(edx_panel *panel, const edx_latest *model, bool delta, const char *label)
{
    char words[EDX_WORDS], span[EDX_NUMBER];
    edx_forecast next = edx_verdict_forecast(model, delta, panel->stale);
    bool warn = next.kind == EDX_FORECAST_NEVER || next.kind == EDX_FORECAST_WITHHELD;
    edx_forecast_text(&next, words);
    edx_panel_line(panel, label, warn ? EDX_WARN : EDX_TEXT, "%s", words);
    if (next.kind == EDX_FORECAST_INTERVAL && next.seconds > 0)
        edx_panel_line(panel, "", EDX_TEXT, "%s", edx_number_span(span, next.seconds));
    if (next.kind == EDX_FORECAST_WITHHELD && !delta)
        edx_panel_line(panel, "", EDX_WARN, "specimen changes");
}

static void draw_words(const edx_page_frame *page, const edx_trend_result *trend, edx_area area)
{
    edx_panel panel = {page->canvas, area, area.row, page->stale};
    char words[EDX_WORDS], number[EDX_NUMBER];
    edx_change damage = edx_verdict_damage(trend), carbon = edx_verdict_contamination(trend);
    change_words(&panel, "damage", &damage, EDX_BAD);
    change_words(&panel, "carbon", &carbon, EDX_WARN);
    if (trend->forecast.target_sigma > 0)
        snprintf(words, sizeof words, "to ± %s at.%%",
                 edx_number(number, 100 * trend->forecast.target_sigma));
    else
        snprintf(words, sizeof words, "target");
    forecast_words(&panel, page->model, false, words);
    forecast_words(&panel, page->model, true, "shell - core");
}

void edx_page_trend(const edx_page_frame *page)
{
    const edx_result *result = edx_latest_get(page->model, EDX_TREND);
    edx_panel panel = {page->canvas, page->panel, page->panel.row, page->stale};
    edx_area body = page->body;
    if (result) {
        const edx_trend_result *trend = &result->as.trend;
        int below = body.rows > 3 * BELOW_ROWS ? body.rows / 3 : BELOW_ROWS;
        int above = body.rows - 1 - below, row = body.row + above + 1;
        draw_composition(page, trend, (edx_area){body.row, body.col, above, body.cols});
        draw_readout(page, trend, (edx_area){body.row + above, body.col, 1, body.cols});
        draw_drift(page, trend, (edx_area){row, body.col, below, DRIFT_COLS});
        draw_words(page, trend,
                   (edx_area){row, body.col + DRIFT_COLS + 2, below, body.cols - DRIFT_COLS - 2});
    } else {
        edx_canvas_text(page->canvas, body.row, body.col, body.cols, EDX_FAINT,
                        "not published yet");
    }
    edx_panel_acquisition(&panel, page->model);
    edx_panel_sum(&panel, page->model, page->view->measure);
}
