/* Eigenvalues against the noise edge, and how well each number of components predicts. */
#include <math.h>
#include <stdio.h>

#include "client/chart.h"
#include "client/number.h"
#include "client/pages.h"
#include "client/panel.h"
#include "client/series.h"

#define KEPT 0x25cfu     /* a disc */
#define LEFT_OUT 0x25cbu /* a circle */
#define FREE 0x2212u     /* a minus: the eigenvalue without noise */
#define CURSOR 0x25b2u

static uint64_t length_of(const edx_pca_result *pca)
{
    return pca->eigenvalues.ndim == 1 ? pca->eigenvalues.shape[0] : 0;
}

static void widen(double value, double *low, double *high)
{
    if (!(value > 0) || !isfinite(value))
        return;
    *low = fmin(*low, value);
    *high = fmax(*high, value);
}

/* Powers of ten that the eigenvalues and the edge lie between. */
static bool decades(const edx_pca_result *pca, double out[2])
{
    double low = INFINITY, high = 0;
    widen(pca->noise_edge, &low, &high);
    for (uint64_t i = 0; i < length_of(pca); i++) {
        widen(edx_at_1(&pca->eigenvalues, i), &low, &high);
        widen(edx_at_1(&pca->eigenvalues_noise_free, i), &(double){0}, &high);
    }
    out[0] = floor(log10(low / 2));
    out[1] = ceil(log10(high));
    if (!(out[1] > out[0]))
        out[1] = out[0] + 1;
    return high > 0;
}

static void draw_eigenvalues(const edx_page_frame *page, const edx_pca_result *pca, edx_area area)
{
    double y[2], x[2] = {1, fmax(2, (double)length_of(pca))};
    if (!decades(pca, y))
        return;
    edx_chart chart = edx_chart_fit(page->canvas, area, x, y);
    chart.log_y = true;
    chart.faint = page->stale;
    edx_chart_axes(&chart, "");
    edx_chart_across(&chart, pca->noise_edge, EDX_WARN);
    int row = chart.plot.row + (int)edx_chart_depth(&chart, pca->noise_edge);
    for (uint64_t i = 0; i < length_of(pca); i++) {
        int col = edx_chart_col(&chart, (double)i + 1);
        bool kept = i < pca->rank;
        edx_chart_point(&chart, col + 1, edx_at_1(&pca->eigenvalues_noise_free, i), FREE,
                        EDX_SERIES_2);
        edx_chart_point(&chart, col, edx_at_1(&pca->eigenvalues, i), kept ? KEPT : LEFT_OUT,
                        kept ? EDX_SERIES_1 : EDX_FAINT);
    }
    if (row > chart.plot.row)
        edx_canvas_right(page->canvas, row - 1, chart.plot.col + chart.plot.cols, EDX_WARN,
                         "noise edge");
    edx_canvas_right(page->canvas, area.row, area.col + area.cols, EDX_FAINT,
                     "● kept  ○ not  − noise-free");
}

static void draw_heldout(const edx_page_frame *page, const edx_pca_result *pca, edx_area area)
{
    double low = INFINITY, high = -INFINITY, y[2], x[2] = {1, fmax(2, (double)length_of(pca))};
    for (uint64_t i = 0; i < length_of(pca); i++) {
        double value = edx_at_1(&pca->heldout_error, i);
        low = fmin(low, value); /* leaves NaN out */
        high = fmax(high, value);
    }
    edx_canvas_text(page->canvas, area.row, area.col, area.cols, EDX_ACCENT,
                    isfinite(low) ? "held-out error" : "held-out error: not enough frames yet");
    if (!isfinite(low))
        return;
    edx_chart_room(low, high, 0.01 * fabs(high), y);
    area.row++;
    area.rows--;
    edx_chart chart = edx_chart_fit(page->canvas, area, x, y);
    chart.faint = page->stale;
    edx_chart_axes(&chart, "component");
    for (uint64_t i = 0; i < length_of(pca); i++) {
        bool chosen = i + 1 == pca->rank;
        edx_chart_point(&chart, edx_chart_col(&chart, (double)i + 1),
                        edx_at_1(&pca->heldout_error, i), chosen ? KEPT : LEFT_OUT,
                        chosen ? EDX_SERIES_1 : EDX_FAINT);
    }
    int col = edx_chart_col(&chart, (double)edx_choice_point(page->view, page->model) + 1);
    edx_canvas_put(page->canvas, chart.plot.row + chart.plot.rows, col, CURSOR, EDX_ACCENT);
}

static void draw_readout(const edx_page_frame *page, const edx_pca_result *pca, edx_area area)
{
    char value[EDX_NUMBER], error[EDX_NUMBER], bare[EDX_NUMBER];
    size_t i = edx_choice_point(page->view, page->model);
    edx_canvas_printf(
        page->canvas, area.row, area.col, area.cols, EDX_TEXT,
        "%zu: %s, noise-free %s, held out %s", i + 1,
        edx_number_small(value, edx_at_1(&pca->eigenvalues, i)),
        edx_number_small(bare, edx_at_1(&pca->eigenvalues_noise_free, i)),
        isnan(edx_at_1(&pca->heldout_error, i))
            ? "–"
            : (snprintf(error, sizeof error, "%.4f", edx_at_1(&pca->heldout_error, i)), error));
}

/* What leaves the acquisition a heading, its frames and their bar. */
static uint64_t room_for_values(const edx_panel *panel)
{
    const int acquisition = 4;
    int room = panel->area.row + panel->area.rows - panel->row - acquisition;
    return room > 1 ? (uint64_t)room : 1;
}

static void figures(const edx_page_frame *page, const edx_pca_result *pca)
{
    edx_panel panel = {page->canvas, page->panel, page->panel.row, page->stale};
    char text[EDX_NUMBER], label[EDX_NUMBER];
    size_t cursor = edx_choice_point(page->view, page->model);
    edx_panel_line(&panel, "rank", EDX_TEXT, "%llu of %llu", (unsigned long long)pca->rank,
                   (unsigned long long)length_of(pca));
    edx_panel_line(&panel, "noise edge", EDX_TEXT, "%s", edx_number_small(text, pca->noise_edge));
    edx_panel_heading(&panel, "eigenvalue / edge");
    uint64_t room = room_for_values(&panel), first = cursor < room ? 0 : cursor - room + 1;
    for (uint64_t i = first; i < length_of(pca) && i < first + room; i++) {
        edx_role role = i == cursor ? EDX_ACCENT : i < pca->rank ? EDX_TEXT : EDX_FAINT;
        snprintf(label, sizeof label, "%llu%s", (unsigned long long)i + 1,
                 i < pca->rank ? " kept" : "");
        edx_panel_line(&panel, label, role, "%s",
                       edx_number_small(text, edx_at_1(&pca->eigenvalues, i) / pca->noise_edge));
    }
    edx_panel_heading(&panel, "acquisition");
    edx_panel_acquisition(&panel, page->model);
}

void edx_page_scree(const edx_page_frame *page)
{
    const edx_result *result = edx_latest_get(page->model, EDX_PCA);
    edx_area area = page->body;
    if (!result) {
        edx_panel panel = {page->canvas, page->panel, page->panel.row, page->stale};
        edx_canvas_text(page->canvas, area.row, area.col, area.cols, EDX_FAINT,
                        "not published yet");
        edx_panel_acquisition(&panel, page->model);
        return;
    }
    int heldout = (area.rows - 1) * 2 / 5;
    draw_eigenvalues(page, &result->as.pca,
                     (edx_area){area.row, area.col, area.rows - 1 - heldout, area.cols});
    draw_heldout(page, &result->as.pca,
                 (edx_area){area.row + area.rows - 1 - heldout, area.col, heldout, area.cols});
    draw_readout(page, &result->as.pca,
                 (edx_area){area.row + area.rows - 1, area.col, 1, area.cols});
    figures(page, &result->as.pca);
}
