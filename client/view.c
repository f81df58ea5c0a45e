#include "client/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "client/number.h"
#include "client/panel.h"
#include "client/plot.h"

#define STATUS_PERIOD 1.0 /* s: edx.status comes at least that often */
#define STALE_PERIODS 2
#define WIDE_COLS 110
#define TALL_ROWS 36
#define PANEL 22
#define WIDE_PANEL 32
#define SPECTRUM_ROWS 9

/* Where everything goes, from the size of the canvas. */
typedef struct layout {
    edx_area tabs, map, legend, readout, spectrum, panel, alarms;
    int hints; /* the last row */
} layout;

static layout lay_out(const edx_canvas *canvas)
{
    int panel = canvas->cols >= WIDE_COLS ? WIDE_PANEL : PANEL, left = canvas->cols - panel - 2;
    bool tall = canvas->rows >= TALL_ROWS;
    int alarms = tall ? 3 : 1, spectrum = tall ? SPECTRUM_ROWS : 0;
    int map = canvas->rows - 2 - 2 - spectrum - alarms - 1, row = 2;
    layout l = {.tabs = {1, 0, 1, canvas->cols}, .hints = canvas->rows - 1};
    l.map = (edx_area){row, 0, map, left};
    l.panel = (edx_area){row, left + 2, map + 2 + spectrum, panel};
    l.legend = (edx_area){row += map, 0, 1, left};
    l.readout = (edx_area){row += 1, 0, 1, left};
    l.spectrum = (edx_area){row += 1, 0, spectrum, left};
    l.alarms = (edx_area){row + spectrum, 0, alarms, canvas->cols};
    return l;
}

/* ---- choices ---- */

size_t edx_view_shown(const edx_view *view, const edx_latest *model)
{
    size_t count = edx_picture_count(model);
    if (view->chosen)
        return view->selected < count ? view->selected : count - 1;
    for (size_t i = 0; i < count; i++)
        if (edx_picture_get(model, i).rows)
            return i;
    return 0;
}

edx_picture edx_view_picture(const edx_view *view, const edx_latest *model)
{
    return edx_picture_get(model, edx_view_shown(view, model));
}

void edx_view_cursor(const edx_view *view, const edx_picture *picture, uint64_t cursor[2])
{
    const uint64_t size[2] = {picture->rows, picture->cols};
    for (int i = 0; i < 2; i++) {
        cursor[i] = view->has_cursor ? view->cursor[i] : size[i] / 2;
        if (cursor[i] >= size[i])
            cursor[i] = size[i] ? size[i] - 1 : 0;
    }
}

double edx_view_stale(const edx_view *view, const edx_latest *model, edx_result_topic topic)
{
    double age = edx_latest_age(model, EDX_STATUS, view->now);
    if (age > STALE_PERIODS * STATUS_PERIOD)
        return age;
    double behind = view->frozen || view->past ? 0 : edx_latest_behind(model, topic);
    return behind > STALE_PERIODS * STATUS_PERIOD ? behind : 0;
}

/* ---- top ---- */

static const char *state_mark(edx_state state)
{
    return state == EDX_ACQUIRING ? "●" : state == EDX_FINISHED ? "■" : "○";
}

static void draw_badge(const edx_view *view, const edx_latest *model, double stale,
                       edx_canvas *canvas)
{
    char text[64], span[EDX_NUMBER];
    const edx_result *maps = edx_latest_get(model, EDX_MAPS);
    edx_role role = EDX_INK;
    if (stale > 0) {
        snprintf(text, sizeof text, " STALE %s ", edx_number_span(span, floor(stale)));
        role = EDX_BAD;
    } else if (view->past && maps) {
        snprintf(text, sizeof text, " HISTORY frame %llu ",
                 (unsigned long long)edx_result_head_of(maps)->frame);
    } else {
        snprintf(text, sizeof text, view->frozen ? " FROZEN " : " live ");
    }
    int width = edx_text_width(text);
    edx_canvas_right(canvas, 0, canvas->cols, role, text);
    for (int i = 0; role == EDX_BAD && i < width; i++)
        edx_canvas_at(canvas, 0, canvas->cols - 1 - i)->attr |= EDX_REVERSE;
}

static void draw_top(const edx_view *view, const edx_latest *model, double stale,
                     edx_canvas *canvas)
{
    const edx_result *result = edx_latest_get(model, EDX_STATUS);
    edx_canvas_ground(canvas, (edx_area){0, 0, 1, canvas->cols}, EDX_BAR);
    for (int col = 0; col < canvas->cols; col++)
        edx_canvas_put(canvas, 0, col, ' ', EDX_INK);
    if (!result) {
        edx_canvas_printf(canvas, 0, 1, canvas->cols - 2, EDX_INK, "edx   waiting for edxd at %s",
                          view->endpoint);
        return;
    }
    const edx_status_result *status = &result->as.status;
    edx_canvas_printf(canvas, 0, 1, canvas->cols - 26, EDX_INK, "edx   %s %s   %s",
                      state_mark(status->state), edx_state_name(status->state),
                      status->head.head.acq);
    draw_badge(view, model, stale, canvas);
}

/* Width of the tabs from first to last. */
static int tabs_width(const edx_latest *model, size_t first, size_t last)
{
    int width = 0;
    for (size_t i = first; i <= last; i++)
        width += edx_text_width(edx_picture_get(model, i).name) + 4;
    return width;
}

/* One tab; returns its width. */
static int draw_tab(const edx_latest *model, size_t i, bool chosen, edx_canvas *canvas, int row,
                    int col, int width)
{
    char text[48];
    edx_picture picture = edx_picture_get(model, i);
    if (i < 9)
        snprintf(text, sizeof text, "%zu %s", i + 1, picture.name);
    else
        snprintf(text, sizeof text, "· %s", picture.name);
    edx_role role = chosen ? EDX_ACCENT : picture.rows ? EDX_TEXT : EDX_FAINT;
    int used = edx_canvas_text(canvas, row, col + 1, width - 1, role, text);
    edx_canvas_put(canvas, row, col, ' ', role);
    edx_canvas_put(canvas, row, col + used + 1, ' ', role);
    for (int k = 0; chosen && k < used + 2 && k < width; k++)
        edx_canvas_at(canvas, row, col + k)->attr |= EDX_REVERSE;
    return used + 2;
}

static void draw_tabs(const edx_view *view, const edx_latest *model, edx_canvas *canvas,
                      edx_area area)
{
    char text[48];
    size_t count = edx_picture_count(model), first = 0, shown = edx_view_shown(view, model);
    edx_picture picture = edx_view_picture(view, model);
    const edx_result *result = edx_latest_get(model, picture.topic);
    int end = area.cols;
    snprintf(text, sizeof text, "%s%s", edx_measure_name(view->measure), " (u)");
    if (result)
        snprintf(text, sizeof text, "%s (u)  frame %llu", edx_measure_name(view->measure),
                 (unsigned long long)edx_result_head_of(result)->frame);
    edx_canvas_right(canvas, area.row, end, EDX_FAINT, text);
    end -= edx_text_width(text) + 1;
    while (first < shown && tabs_width(model, first, shown) > end)
        first++;
    for (int col = area.col; first < count && col + 4 < end; first++)
        col += draw_tab(model, first, first == shown, canvas, area.row, col, end - col);
}

/* ---- map ---- */

static void draw_readout(const edx_view *view, const edx_picture *picture, edx_canvas *canvas,
                         edx_area area)
{
    char text[EDX_NUMBER], frames[EDX_NUMBER] = "";
    uint64_t at[2];
    if (!picture->rows)
        return;
    edx_view_cursor(view, picture, at);
    double value = edx_picture_at(picture, EDX_VALUE, at[0], at[1]);
    double sigma = edx_picture_at(picture, EDX_SIGMA, at[0], at[1]);
    double exposure = edx_picture_exposure(picture, at[0], at[1]);
    bool certain = picture->sigma.ndim || picture->poisson;
    if (!isnan(exposure))
        snprintf(frames, sizeof frames, " (n = %.0f)", exposure);
    edx_canvas_printf(
        canvas, area.row, area.col, area.cols, EDX_TEXT, "y %llu x %llu  %s: %s%s%s%s",
        (unsigned long long)at[0], (unsigned long long)at[1], picture->name,
        isnan(value) ? "missing"
        : certain    ? edx_number_pm(text, value, sigma)
                     : edx_number(text, value),
        isnan(value) || !*picture->unit ? "" : " ", isnan(value) ? "" : picture->unit, frames);
}

static void draw_map(const edx_view *view, const edx_latest *model, edx_canvas *canvas,
                     const layout *l)
{
    edx_picture picture = edx_view_picture(view, model);
    edx_map map = edx_map_fit(&picture, view->measure, l->map, canvas->depth);
    map.faded = edx_view_stale(view, model, picture.topic) > 0;
    edx_map_draw(&map, canvas);
    if (picture.rows) {
        uint64_t at[2];
        edx_view_cursor(view, &picture, at);
        edx_map_cursor(&map, canvas, at[0], at[1]);
    }
    edx_map_legend(&map, canvas, l->legend);
    draw_readout(view, &picture, canvas, l->readout);
}

/* ---- bottom ---- */

static void draw_alarm(const edx_latched *latched, edx_canvas *canvas, int row, int width)
{
    const char *severity = latched->alarm.severity;
    bool error = strcmp(severity, "error") == 0, warning = strcmp(severity, "warning") == 0;
    edx_role role = latched->acknowledged ? EDX_FAINT
                    : error               ? EDX_BAD
                    : warning             ? EDX_WARN
                                          : EDX_ACCENT;
    edx_canvas_printf(canvas, row, 0, width, role, "%s %s %s%s: %s",
                      error     ? "✖"
                      : warning ? "▲"
                                : "●",
                      severity, latched->alarm.kind, latched->alarm.active ? "" : " (over)",
                      latched->alarm.message);
}

/* Returns how many unacknowledged alarms there are. */
static size_t draw_alarms(const edx_latest *model, edx_canvas *canvas, edx_area area)
{
    size_t n, waiting = 0;
    const edx_latched *alarms = edx_latest_alarms(model, &n);
    for (size_t i = 0; i < n; i++) {
        waiting += !alarms[i].acknowledged;
        if (i < (size_t)area.rows)
            draw_alarm(&alarms[i], canvas, area.row + (int)i, area.cols);
    }
    return waiting;
}

static void draw_hints(const edx_view *view, size_t waiting, edx_canvas *canvas, int row)
{
    if (view->note[0])
        edx_canvas_text(canvas, row, 0, canvas->cols, EDX_WARN, view->note);
    else if (waiting)
        edx_canvas_printf(canvas, row, 0, canvas->cols, EDX_WARN,
                          "%zu alarm%s to acknowledge: a    ? help   q quit", waiting,
                          waiting == 1 ? "" : "s");
    else
        edx_canvas_text(
            canvas, row, 0, canvas->cols, EDX_FAINT,
            "1-9 Tab map   u uncertainty   arrows cursor   [ ] history   space freeze   ?");
}

static void draw_help(edx_canvas *canvas)
{
    static const char *const lines[] = {
        "",
        "  1-9        choose a map",
        "  Tab        the next map, Shift-Tab the one before",
        "  u          value, uncertainty, signal to noise",
        "  arrows     move the cursor",
        "  [ ]        one frame back, one forward; l: live again",
        "  space      freeze, go on",
        "  a          acknowledge the alarms",
        "  ?          this page, or back",
        "  q          quit",
        "",
        "  Hatched: missing. Pale: the uncertainty is as large",
        "  as what is shown. No colour at all: stale.",
        "",
    };
    int n = (int)(sizeof lines / sizeof *lines), width = 58;
    int row = (canvas->rows - n) / 2, col = (canvas->cols - width) / 2;
    for (int i = 0; i < n; i++) {
        for (int x = 0; x < width; x++)
            *edx_canvas_at(canvas, row + i, col + x) = (edx_cell){.glyph = ' '};
        edx_canvas_ground(canvas, (edx_area){row + i, col, 1, width}, EDX_BAR);
        for (int x = 0; x < width; x++)
            edx_canvas_put(canvas, row + i, col + x, ' ', EDX_INK);
        edx_canvas_text(canvas, row + i, col, width, EDX_INK, lines[i]);
    }
}

/* ---- the whole ---- */

static void draw_too_small(edx_canvas *canvas)
{
    edx_canvas_printf(canvas, 0, 0, canvas->cols, EDX_WARN, "%d x %d is too small", canvas->cols,
                      canvas->rows);
    edx_canvas_printf(canvas, 1, 0, canvas->cols, EDX_TEXT, "%d x %d is needed", EDX_MIN_COLS,
                      EDX_MIN_ROWS);
}

void edx_view_draw(const edx_view *view, const edx_latest *model, edx_canvas *canvas)
{
    edx_canvas_clear(canvas);
    if (canvas->rows < EDX_MIN_ROWS || canvas->cols < EDX_MIN_COLS) {
        draw_too_small(canvas);
        return;
    }
    layout l = lay_out(canvas);
    double stale = edx_view_stale(view, model, edx_view_picture(view, model).topic);
    const edx_result *spectrum = edx_latest_get(model, EDX_SPECTRUM);
    draw_top(view, model, stale, canvas);
    draw_tabs(view, model, canvas, l.tabs);
    draw_map(view, model, canvas, &l);
    if (spectrum && l.spectrum.rows)
        edx_spectrum_draw(&spectrum->as.spectrum, canvas, l.spectrum);
    edx_panel_draw(model, stale > 0, canvas, l.panel);
    draw_hints(view, draw_alarms(model, canvas, l.alarms), canvas, l.hints);
    if (view->help)
        draw_help(canvas);
}
