/* One map, the spectrum below where there is room. */
#include <math.h>
#include <stdio.h>

#include "client/number.h"
#include "client/pages.h"
#include "client/panel.h"
#include "client/plot.h"
#include "client/spectrum.h"
#include "client/verdict.h"

#define TALL_ROWS 30 /* of the body: room for a spectrum */
#define SPECTRUM_ROWS 9

/* What is under the cursor; returns the columns used. */
static int draw_readout(const edx_page_frame *page, const edx_picture *picture, edx_area area)
{
    char text[EDX_NUMBER], frames[EDX_NUMBER] = "";
    uint64_t at[2];
    edx_choice_cursor(page->view, picture, at);
    double value = edx_picture_at(picture, EDX_VALUE, at[0], at[1]);
    double sigma = edx_picture_at(picture, EDX_SIGMA, at[0], at[1]);
    double exposure = edx_picture_exposure(picture, at[0], at[1]);
    bool certain = picture->sigma.ndim || picture->poisson;
    if (!isnan(exposure))
        snprintf(frames, sizeof frames, " (n = %.0f)", exposure);
    return edx_canvas_printf(
        page->canvas, area.row, area.col, area.cols, EDX_TEXT, "y %llu x %llu  %s: %s%s%s%s",
        (unsigned long long)at[0], (unsigned long long)at[1], picture->name,
        isnan(value) ? "missing"
        : certain    ? edx_number_pm(text, value, sigma)
                     : edx_number(text, value),
        isnan(value) || !*picture->unit ? "" : " ", isnan(value) ? "" : picture->unit, frames);
}

void edx_page_map(const edx_page_frame *page, edx_area area)
{
    edx_picture picture = edx_choice_picture(page->view, page->model);
    edx_map map = edx_map_fit(&picture, page->view->measure, area, page->canvas->depth);
    uint64_t at[2];
    map.faded = page->stale;
    edx_map_draw(&map, page->canvas);
    edx_map_legend(&map, page->canvas, (edx_area){area.row + area.rows, area.col, 1, area.cols});
    if (!picture.rows)
        return;
    edx_choice_cursor(page->view, &picture, at);
    edx_map_cursor(&map, page->canvas, at[0], at[1]);
    draw_readout(page, &picture, (edx_area){area.row + area.rows + 1, area.col, 1, area.cols});
}

/* Whether a denoised map may be believed, over the first rows at the right. */
static void draw_check(const edx_page_frame *page, edx_panel *panel)
{
    char words[EDX_WORDS];
    const edx_result *result = edx_latest_get(page->model, EDX_PARTICLES);
    size_t item = edx_choice_item(page->view, page->model);
    if (!result || !edx_picture_is_denoised(page->model, item))
        return;
    edx_trust trust = edx_verdict_denoised(&result->as.particles, words);
    edx_panel_line(panel, "denoised", trust == EDX_TRUSTED ? EDX_GOOD : EDX_WARN, "%s",
                   trust == EDX_TRUSTED     ? "✓"
                   : trust == EDX_UNCHECKED ? "▲ not checked"
                                            : "▲ biased");
    edx_panel_words(panel, trust == EDX_TRUSTED ? EDX_TEXT : EDX_WARN, words);
    panel->row++;
}

void edx_page_maps(const edx_page_frame *page)
{
    const edx_result *spectrum = edx_latest_get(page->model, EDX_SPECTRUM);
    edx_area map = page->body, below = page->body;
    edx_panel panel = {page->canvas, page->panel, page->panel.row, page->stale};
    below.rows = page->body.rows >= TALL_ROWS ? SPECTRUM_ROWS : 0;
    below.row += page->body.rows - below.rows;
    map.rows -= 2 + below.rows;
    edx_page_map(page, map);
    if (spectrum && below.rows)
        edx_spectrum_draw(&spectrum->as.spectrum, page->canvas, below);
    draw_check(page, &panel);
    edx_panel_acquisition(&panel, page->model);
    edx_panel_sum(&panel, page->model, page->view->measure);
}
