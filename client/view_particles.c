/* One particle: its composition, its radial profile with error bars, what may be believed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "client/chart.h"
#include "client/number.h"
#include "client/pages.h"
#include "client/panel.h"
#include "client/verdict.h"

#define CURSOR 0x25b2u
#define UP 0x25b2u
#define DOWN 0x25bcu
#define MARKS 4

/* A profile: of a particle by one estimator, or along a line. */
typedef struct profile {
    const edx_particle *particle; /* NULL: along a line */
    edx_estimator source;
    edx_trust trust;
    const edx_array *x, *value, *sigma;
    uint64_t n, m;
    char elements[EDX_MAX_LINES][EDX_SYMBOL_SIZE];
} profile;

static bool known(const profile *p, uint64_t i, uint64_t k)
{
    bool over = !p->particle || edx_radial_known(p->particle, k);
    return over && isfinite(edx_at_2(p->value, i, k));
}

static profile of_particle(const edx_particle *particle, edx_estimator source)
{
    char words[EDX_WORDS];
    edx_radial radial = edx_radial_of(particle, source);
    profile p = {.particle = particle,
                 .source = source,
                 .trust = edx_verdict_profile(particle, source, words),
                 .x = &particle->radial.r_nm,
                 .value = radial.value,
                 .sigma = radial.sigma,
                 .n = particle->n,
                 .m = particle->radial.m};
    memcpy(p.elements, particle->elements, sizeof p.elements);
    return p;
}

static profile of_line(const edx_profile_result *line, const edx_maps_result *maps)
{
    profile p = {.x = &line->d_nm,
                 .value = &line->fraction,
                 .sigma = &line->sigma,
                 .n = maps ? maps->n : 0,
                 .m = line->d_nm.ndim == 1 ? line->d_nm.shape[0] : 0};
    if (maps)
        memcpy(p.elements, maps->elements, sizeof p.elements);
    return p;
}

/* ---- the plot ---- */

/* As the page has it: three sigma of all that is known, a tenth more, within 0 and 100 %. */
static void limits(const profile *p, double y[2])
{
    double low = INFINITY, high = -INFINITY;
    for (uint64_t i = 0; i < p->n; i++)
        for (uint64_t k = 0; k < p->m; k++) {
            double sigma = edx_at_2(p->sigma, i, k), value = edx_at_2(p->value, i, k);
            if (!known(p, i, k))
                continue;
            sigma = isfinite(sigma) ? sigma : 0;
            low = fmin(low, 100 * (value - 3 * sigma));
            high = fmax(high, 100 * (value + 3 * sigma));
        }
    edx_chart_room(low, high, 1, y);
    if (!isfinite(low))
        y[1] = 100;
    y[0] = fmax(0, y[0]);
    y[1] = fmin(100, y[1]);
    if (!(y[1] > y[0]))
        y[0] = 0, y[1] = 100;
}

/* The furthest point that is known, or all. */
static double far(const profile *p)
{
    double x = 0;
    for (uint64_t k = 0; k < p->m; k++)
        for (uint64_t i = 0; i < p->n; i++)
            if (known(p, i, k))
                x = fmax(x, edx_at_1(p->x, k));
    return x > 0 ? x : p->m && edx_at_1(p->x, p->m - 1) > 0 ? edx_at_1(p->x, p->m - 1) : 1;
}

/* Filled where it may be believed, an arrow in the direction of its bias where not. */
static uint32_t mark_of(const profile *p, uint64_t i, uint64_t k)
{
    static const uint32_t filled[MARKS] = {0x25cf, 0x25a0, 0x25c6, 0x2605};
    static const uint32_t hollow[MARKS] = {0x25cb, 0x25a1, 0x25c7, 0x2606};
    int bias = p->trust == EDX_BIASED ? edx_verdict_bias(p->particle, p->source, i, k) : 0;
    if (bias)
        return bias > 0 ? UP : DOWN;
    return (p->trust == EDX_TRUSTED ? filled : hollow)[i % MARKS];
}

/* Elements stand side by side, so that bars of mirrored profiles do not hide each other. */
static int column_of(const edx_chart *chart, const profile *p, uint64_t i, uint64_t k)
{
    int col = edx_chart_col(chart, edx_at_1(p->x, k));
    bool room = p->m && chart->plot.cols / (int)p->m > (int)p->n;
    return col < 0 ? -1 : room && p->n > 1 ? col + (int)i - (int)(p->n / 2) : col;
}

static void draw_points(const edx_chart *chart, const profile *p)
{
    for (uint64_t i = 0; i < p->n; i++)
        for (uint64_t k = 0; k < p->m; k++) {
            int col = column_of(chart, p, i, k);
            double value = 100 * edx_at_2(p->value, i, k);
            if (!known(p, i, k) || col < chart->plot.col)
                continue;
            edx_role role = edx_palette_series(i);
            edx_chart_bar(chart, col, value, 100 * edx_at_2(p->sigma, i, k), role);
            edx_chart_point(chart, col, value, mark_of(p, i, k), role);
        }
}

/* Names of the elements with their marks, in the plot's upper right corner. */
static void draw_key(const edx_chart *chart, const profile *p)
{
    static const char *const marks[MARKS] = {"●", "■", "◆", "★"};
    int end = chart->plot.col + chart->plot.cols;
    for (uint64_t i = p->n; i-- > 0;) {
        char text[EDX_NUMBER];
        snprintf(text, sizeof text, "%s %s", marks[i % MARKS], p->elements[i]);
        edx_canvas_right(chart->canvas, chart->plot.row - 1, end,
                         chart->faint ? EDX_FAINT : edx_palette_series(i), text);
        end -= edx_text_width(text) + 2;
    }
    edx_canvas_text(chart->canvas, chart->plot.row - 1, chart->plot.col - EDX_CHART_MARGIN,
                    end - chart->plot.col + EDX_CHART_MARGIN, EDX_FAINT,
                    "at.%   ┃ ±1σ (68 %)  │ ±3σ (99.7 %)");
}

static void draw_plot(const edx_page_frame *page, const profile *p, edx_area area)
{
    double x[2] = {0, 1.03 * far(p)}, y[2];
    limits(p, y);
    edx_area plot = {area.row + 1, area.col, area.rows - 1, area.cols};
    edx_chart chart = edx_chart_fit(page->canvas, plot, x, y);
    chart.faint = page->stale;
    edx_chart_axes(&chart, p->particle ? "nm from the centre" : "nm along the line");
    draw_points(&chart, p);
    if (p->trust != EDX_TRUSTED)
        edx_chart_hatch(&chart);
    draw_key(&chart, p);
    int col = edx_chart_col(&chart, edx_at_1(p->x, edx_choice_point(page->view, page->model)));
    if (col >= 0)
        edx_canvas_put(page->canvas, chart.plot.row + chart.plot.rows, col, CURSOR, EDX_ACCENT);
}

/* "1.25 nm: Ag 48.3 ± 1.4, Au 51.7 ± 1.4 at.%" */
static void draw_readout(const edx_page_frame *page, const profile *p, edx_area area)
{
    char text[256], number[EDX_NUMBER];
    uint64_t k = edx_choice_point(page->view, page->model);
    int used = snprintf(text, sizeof text, "%.2f nm:", edx_at_1(p->x, k));
    bool any = false;
    for (uint64_t i = 0; i < p->n && used < (int)sizeof text - 64; i++) {
        if (!known(p, i, k))
            continue;
        used += snprintf(
            text + used, sizeof text - (size_t)used, "%s %s %s", any ? "," : "", p->elements[i],
            edx_number_percent(number, edx_at_2(p->value, i, k), edx_at_2(p->sigma, i, k)));
        any = true;
    }
    edx_canvas_printf(page->canvas, area.row, area.col, area.cols, EDX_TEXT, "%s%s", text,
                      any ? " at.%" : " under the limit");
}

/* ---- the words above ---- */

static void draw_facts(const edx_page_frame *page, const edx_particle *one, int row)
{
    char size[EDX_NUMBER], disc[EDX_NUMBER];
    edx_canvas_printf(page->canvas, row, page->body.col, page->body.cols,
                      one->touches_edge ? EDX_WARN : EDX_TEXT,
                      "⌀ %s (disc %s) at y %.1f x %.1f nm%s", edx_number(size, one->diameter_nm),
                      edx_number(disc, one->area_diameter_nm), one->centre_nm[0], one->centre_nm[1],
                      one->touches_edge ? "  ▲ cut by edge" : "");
}

static void draw_composition(const edx_page_frame *page, const edx_particle *one, int row)
{
    const edx_result *result = edx_latest_get(page->model, EDX_PARTICLES);
    int col = page->body.col, end = page->body.col + page->body.cols;
    for (uint32_t i = 0; i < one->n && col < end; i++) {
        char number[EDX_NUMBER], k[EDX_NUMBER] = "";
        double fraction = one->composition[i][0];
        double systematic = fraction * edx_systematic_of(&result->as.particles, one->elements[i]);
        if (systematic > 0)
            snprintf(k, sizeof k, " ± %.1f k", 100 * systematic);
        edx_role role = page->stale ? EDX_FAINT : edx_palette_series(i);
        col += edx_canvas_printf(page->canvas, row, col, end - col, role, "%s", one->elements[i]);
        col += edx_canvas_printf(page->canvas, row, col, end - col, EDX_TEXT, " %s%s%s",
                                 edx_number_percent(number, fraction, one->composition[i][1]), k,
                                 i + 1 < one->n ? ", " : " at.%");
    }
}

/* Returns the rows that the words take. */
static int draw_trust(const edx_page_frame *page, const profile *p, int row)
{
    char words[EDX_WORDS], text[EDX_WORDS + 32];
    edx_trust trust = edx_verdict_profile(p->particle, p->source, words);
    edx_role role = trust == EDX_TRUSTED ? EDX_GOOD : trust == EDX_BIASED ? EDX_BAD : EDX_WARN;
    edx_area area = {row, page->body.col, page->body.rows, page->body.cols};
    edx_panel lines = {page->canvas, area, row, page->stale};
    snprintf(text, sizeof text, "%s %s%s", trust == EDX_TRUSTED ? "✓" : "▲", words,
             trust == EDX_BIASED ? ": the model stands" : "");
    edx_panel_words(&lines, role, text);
    return lines.row - row;
}

static void draw_segregation(const edx_page_frame *page, const edx_particle *one, int row)
{
    char words[EDX_WORDS];
    bool clear = edx_verdict_segregation(one, words);
    edx_canvas_text(page->canvas, row, page->body.col, page->body.cols,
                    clear && !page->stale ? EDX_ACCENT : EDX_TEXT, words);
}

/* ---- figures ---- */

static void segregation(edx_panel *panel, const edx_particle *one)
{
    char text[EDX_NUMBER];
    if (!isfinite(one->segregation.delta))
        return;
    edx_panel_heading(panel, "segregation, at.%");
    snprintf(text, sizeof text, "%s core", one->segregation.element);
    char number[EDX_NUMBER];
    edx_panel_line(panel, text, EDX_TEXT, "%s",
                   edx_number_percent(number, one->segregation.core[0], one->segregation.core[1]));
    edx_panel_line(
        panel, "shell", EDX_TEXT, "%s",
        edx_number_percent(number, one->segregation.shell[0], one->segregation.shell[1]));
}

/* What every estimator's check says. */
static void checks(edx_panel *panel, const edx_particle *one, edx_estimator shown)
{
    edx_panel_heading(panel, "estimators (s)");
    for (int i = 0; i < EDX_ESTIMATORS; i++) {
        char words[EDX_WORDS];
        edx_estimator source = (edx_estimator)i;
        edx_trust trust = edx_verdict_profile(one, source, words);
        bool any = edx_radial_of(one, source).any;
        edx_role role = source == shown ? EDX_ACCENT : any ? EDX_TEXT : EDX_FAINT;
        edx_panel_line(panel, edx_estimator_name(source), role, "%s",
                       !any                     ? "none"
                       : trust == EDX_BIASED    ? "▲ biased"
                       : trust == EDX_UNCHECKED ? "unchecked"
                       : source < EDX_DENOISED  ? "unbiased"
                                                : "✓ passed");
    }
}

static void list(const edx_page_frame *page, edx_panel *panel, const edx_particle *shown)
{
    const edx_result *result = edx_latest_get(page->model, EDX_PARTICLES);
    size_t count = result ? result->as.particles.count : 0;
    const edx_particle *all = count ? result->as.particles.particles : NULL;
    char heading[64];
    snprintf(heading, sizeof heading, "particles %zu%s%s%s", count, count && all->n ? ", " : "",
             count && all->n ? all->elements[0] : "", count && all->n ? " at.%" : "");
    edx_panel_heading(panel, heading);
    for (size_t i = 0; i < count; i++) {
        char label[EDX_NUMBER], size[EDX_NUMBER], text[EDX_NUMBER] = "–";
        snprintf(label, sizeof label, "%llu%s %s", (unsigned long long)all[i].id,
                 all[i].touches_edge ? "▲" : "", edx_number(size, all[i].diameter_nm));
        if (all[i].n)
            edx_number_percent(text, all[i].composition[0][0], all[i].composition[0][1]);
        edx_panel_line(panel, label, &all[i] == shown ? EDX_ACCENT : EDX_TEXT, "%s", text);
    }
}

/* Titles start at the top; the empty line above them stays outside. */
static void figures(const edx_page_frame *page, const edx_particle *shown)
{
    edx_panel panel = {page->canvas, page->panel, page->panel.row - 1, page->stale};
    if (shown) {
        checks(&panel, shown, edx_choice_source(page->view, page->model));
        segregation(&panel, shown);
    }
    list(page, &panel, shown);
    edx_panel_heading(&panel, "acquisition");
    edx_panel_acquisition(&panel, page->model);
}

/* ---- the whole ---- */

static void draw_line(const edx_page_frame *page)
{
    const edx_result *result = edx_latest_get(page->model, EDX_PROFILE);
    const edx_result *maps = edx_latest_get(page->model, EDX_MAPS);
    const edx_profile_result *line = &result->as.profile;
    profile p = of_line(line, maps ? &maps->as.maps : NULL);
    edx_canvas_printf(page->canvas, page->body.row, page->body.col, page->body.cols, EDX_TEXT,
                      "from y %.1f x %.1f to y %.1f x %.1f nm, %.1f nm wide", line->from_nm[0],
                      line->from_nm[1], line->to_nm[0], line->to_nm[1], line->width_nm);
    draw_plot(page, &p,
              (edx_area){page->body.row + 2, page->body.col, page->body.rows - 3, page->body.cols});
    draw_readout(
        page, &p,
        (edx_area){page->body.row + page->body.rows - 1, page->body.col, 1, page->body.cols});
}

static void draw_particle(const edx_page_frame *page, const edx_particle *one)
{
    edx_area body = page->body;
    profile p = of_particle(one, edx_choice_source(page->view, page->model));
    draw_facts(page, one, body.row);
    draw_composition(page, one, body.row + 1);
    draw_segregation(page, one, body.row + 2);
    int above = 3 + draw_trust(page, &p, body.row + 3);
    draw_plot(page, &p, (edx_area){body.row + above, body.col, body.rows - above - 1, body.cols});
    draw_readout(page, &p, (edx_area){body.row + body.rows - 1, body.col, 1, body.cols});
}

void edx_page_particles(const edx_page_frame *page)
{
    const edx_particle *one = edx_choice_particle(page->view, page->model);
    if (one)
        draw_particle(page, one);
    else if (edx_choice_line(page->view, page->model))
        draw_line(page);
    else
        edx_canvas_text(page->canvas, page->body.row, page->body.col, page->body.cols, EDX_FAINT,
                        edx_latest_get(page->model, EDX_PARTICLES) ? "no particle found so far"
                                                                   : "not published yet");
    figures(page, one);
}
