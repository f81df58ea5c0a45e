#include "client/view.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "client/number.h"
#include "client/pages.h"

#define STATUS_PERIOD 1.0 /* s: edx.status comes at least that often */
#define STALE_PERIODS 2
#define WIDE_COLS 110
#define TALL_ROWS 36
#define PANEL 22
#define WIDE_PANEL 32
#define BADGE_COLS 8 /* the shortest badge and the blank before it */

/* Where everything goes, from the size of the canvas. */
typedef struct layout {
    edx_area tabs, body, panel, alarms;
    int hints; /* the last row */
} layout;

static layout lay_out(const edx_canvas *canvas)
{
    int panel = canvas->cols >= WIDE_COLS ? WIDE_PANEL : PANEL, left = canvas->cols - panel - 2;
    int alarms = canvas->rows >= TALL_ROWS ? 3 : 1, rows = canvas->rows - 2 - alarms - 1;
    layout l = {.tabs = {1, 0, 1, canvas->cols}, .hints = canvas->rows - 1};
    l.body = (edx_area){2, 0, rows, left};
    l.panel = (edx_area){2, left + 2, rows, panel};
    l.alarms = (edx_area){2 + rows, 0, alarms, canvas->cols};
    return l;
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

/* All frames are there, and the final analysis is at work, which of a large scan takes minutes. */
static const char *state_name(const edx_status_result *status)
{
    const bool all = status->expected > 0 && status->head.frames >= status->expected;
    return status->state == EDX_ACQUIRING && all ? "finishing" : edx_state_name(status->state);
}

static void draw_badge(const edx_view *view, const edx_latest *model, double stale,
                       edx_canvas *canvas)
{
    char text[64], span[EDX_NUMBER];
    const edx_result *shown = edx_latest_get(model, edx_choice_topic(view, model));
    edx_role role = EDX_INK;
    if (stale > 0) {
        snprintf(text, sizeof text, " STALE %s ", edx_number_span(span, floor(stale)));
        role = EDX_BAD;
    } else if (view->past && shown) {
        snprintf(text, sizeof text, " HISTORY frame %llu ",
                 (unsigned long long)edx_result_head_of(shown)->frame);
    } else {
        snprintf(text, sizeof text, view->frozen ? " FROZEN " : " live ");
    }
    int width = edx_text_width(text);
    edx_canvas_right(canvas, 0, canvas->cols, role, text);
    for (int i = 0; role == EDX_BAD && i < width; i++)
        edx_canvas_at(canvas, 0, canvas->cols - 1 - i)->attr |= EDX_REVERSE;
}

/* The names of the pages end where the shortest badge begins; a longer one covers them. Returns the
 * column where they begin. */
static int draw_pages(const edx_view *view, edx_canvas *canvas)
{
    int end = canvas->cols - BADGE_COLS, col = end;
    for (int i = 0; i < EDX_PAGES; i++)
        col -= edx_text_width(edx_page_name((edx_page)i)) + 2;
    for (int i = 0, at = col; i < EDX_PAGES; i++) {
        const char *name = edx_page_name((edx_page)i);
        int width = edx_text_width(name) + 2;
        edx_canvas_text(canvas, 0, at + 1, width, EDX_INK, name);
        for (int k = 0; i == (int)view->page && k < width; k++)
            edx_canvas_at(canvas, 0, at + k)->attr ^= EDX_REVERSE;
        at += width;
    }
    return col;
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
    int end = draw_pages(view, canvas);
    edx_canvas_printf(canvas, 0, 1, end - 2, EDX_INK, "%s %s %s", state_mark(status->state),
                      state_name(status), status->head.head.acq);
    draw_badge(view, model, stale, canvas);
}

/* ---- the page's items ---- */

static int tab_text(const edx_view *view, const edx_latest *model, size_t i, char out[64])
{
    char name[EDX_ITEM_NAME];
    edx_choice_name(view, model, i, name);
    if (i < 9)
        snprintf(out, 64, "%zu %s", i + 1, name);
    else
        snprintf(out, 64, "· %s", name);
    return edx_text_width(out) + 2;
}

/* Width of the tabs from first to last. */
static int tabs_width(const edx_view *view, const edx_latest *model, size_t first, size_t last)
{
    char text[64];
    int width = 0;
    for (size_t i = first; i <= last; i++)
        width += tab_text(view, model, i, text);
    return width;
}

/* One tab; returns its width. */
static int draw_tab(const edx_view *view, const edx_latest *model, size_t i, edx_canvas *canvas,
                    int row, int col, int width)
{
    char text[64];
    bool chosen = i == edx_choice_item(view, model);
    tab_text(view, model, i, text);
    edx_role role = chosen ? EDX_ACCENT : edx_choice_there(view, model, i) ? EDX_TEXT : EDX_FAINT;
    int used = edx_canvas_text(canvas, row, col + 1, width - 1, role, text);
    edx_canvas_put(canvas, row, col, ' ', role);
    edx_canvas_put(canvas, row, col + used + 1, ' ', role);
    for (int k = 0; chosen && k < used + 2 && k < width; k++)
        edx_canvas_at(canvas, row, col + k)->attr |= EDX_REVERSE;
    return used + 2;
}

/* What is chosen beside the item: "denoised (s)  value (u)  frame 71". */
static void describe(const edx_view *view, const edx_latest *model, char *out, size_t size)
{
    edx_picture picture = edx_choice_picture(view, model);
    const edx_result *result = edx_latest_get(model, edx_choice_topic(view, model));
    size_t item = edx_choice_item(view, model);
    char source[32] = "", measure[16] = "", frame[32] = "";
    if (view->page == EDX_PAGE_MAPS && edx_picture_denoised(model, item) != item)
        snprintf(source, sizeof source, "%s (s)  ",
                 edx_picture_is_denoised(model, item) ? "denoised" : "raw");
    else if (view->page == EDX_PAGE_PARTICLES && edx_choice_particle(view, model))
        snprintf(source, sizeof source, "%s (s)  ",
                 edx_estimator_name(edx_choice_source(view, model)));
    else if (view->page == EDX_PAGE_COMPONENTS)
        snprintf(source, sizeof source, "%s (s)  ", edx_choice_pca(view, model) ? "PCA" : "NMF");
    if (view->page == EDX_PAGE_MAPS || view->page == EDX_PAGE_TREND)
        snprintf(measure, sizeof measure, "%s (u)  ",
                 edx_measure_name(view->page == EDX_PAGE_TREND
                                      ? view->measure
                                      : edx_picture_measure(&picture, view->measure)));
    if (result)
        snprintf(frame, sizeof frame, "frame %llu",
                 (unsigned long long)edx_result_head_of(result)->frame);
    snprintf(out, size, "%s%s%s", source, measure, frame);
}

static const char *title(edx_page page)
{
    return page == EDX_PAGE_TREND   ? " composition, drift, damage, forecast"
           : page == EDX_PAGE_SCREE ? " eigenvalues of the scaled counts"
                                    : "";
}

static void draw_tabs(const edx_view *view, const edx_latest *model, edx_canvas *canvas,
                      edx_area area)
{
    char text[128];
    size_t count = edx_choice_count(view, model), first = 0, shown = edx_choice_item(view, model);
    int end = area.cols;
    describe(view, model, text, sizeof text);
    edx_canvas_right(canvas, area.row, end, EDX_FAINT, text);
    end -= edx_text_width(text) + 1;
    edx_canvas_text(canvas, area.row, area.col, end, EDX_ACCENT, title(view->page));
    while (first < shown && tabs_width(view, model, first, shown) > end)
        first++;
    for (int col = area.col; first < count && col + 4 < end; first++)
        col += draw_tab(view, model, first, canvas, area.row, col, end - col);
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
            "Tab views  1-9 map  u uncertainty  s source  arrows  [ ] history  space freeze ?");
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
    static void (*const pages[EDX_PAGES])(const edx_page_frame *) = {
        [EDX_PAGE_MAPS] = edx_page_maps,   [EDX_PAGE_PARTICLES] = edx_page_particles,
        [EDX_PAGE_TREND] = edx_page_trend, [EDX_PAGE_COMPONENTS] = edx_page_components,
        [EDX_PAGE_SCREE] = edx_page_scree,
    };
    edx_canvas_clear(canvas);
    if (canvas->rows < EDX_MIN_ROWS || canvas->cols < EDX_MIN_COLS) {
        draw_too_small(canvas);
        return;
    }
    layout l = lay_out(canvas);
    double stale = edx_view_stale(view, model, edx_choice_topic(view, model));
    draw_top(view, model, stale, canvas);
    draw_tabs(view, model, canvas, l.tabs);
    const edx_page_frame page = {view, model, canvas, l.body, l.panel, stale > 0};
    pages[view->page](&page);
    draw_hints(view, draw_alarms(model, canvas, l.alarms), canvas, l.hints);
    if (view->help)
        edx_page_help(canvas);
}
