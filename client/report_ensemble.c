/* Mean profiles by diameter: plain ones on the left, denoised ones on the right. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "client/report.h"
#include "client/sheet.h"

#define PER_PAGE 6 /* groups */
#define ON_FIRST 5 /* and there what all say */
#define TOP 76.0
#define PANEL 84.0
#define ROW 122.0
#define GAP 16.0

typedef struct ensemble {
    const edx_ensemble_result *r;
    uint32_t shown;
    double range[2]; /* at.% */
    double reach[2]; /* nm: largest radius, largest depth */
} ensemble;

/* ---- curves ---- */

/* One group's mean profile in percent. Where particles differ by more than their errors, the mean
 * is known as well as they scatter: sigma grows by the root of chi^2 per degree of freedom. */
static edx_trace curve_of(const edx_ensemble_result *r, const edx_ensemble_axis *axis,
                          edx_estimator estimator, size_t group, uint32_t element)
{
    edx_trace c = {0};
    const edx_average *by = &axis->by[estimator];
    c.x = axis->m ? malloc(3 * axis->m * sizeof *c.x) : NULL;
    if (!c.x)
        return c;
    c.n = axis->m;
    c.y = c.x + c.n;
    c.sigma = c.y + c.n;
    for (size_t j = 0; j < c.n; j++) {
        const uint64_t cell = (group * r->n + element) * axis->m + j;
        const double dof = edx_array_get(&by->particles, cell) - 1;
        const double chi2 = edx_array_get(&by->chi2, cell);
        c.x[j] = axis->at_nm[j];
        c.y[j] = 100 * edx_array_get(&by->mean, cell);
        c.sigma[j] =
            100 * edx_array_get(&by->sigma, cell) * (dof > 0 && chi2 > dof ? sqrt(chi2 / dof) : 1);
    }
    return c;
}

static void widen(ensemble *e, const edx_ensemble_axis *axis, size_t group, double *reach)
{
    for (int estimator = EDX_RAW; estimator <= EDX_DENOISED; estimator++)
        for (uint32_t i = 0; i < e->shown; i++) {
            const double times = estimator == EDX_RAW ? 1 : 3; /* long bars may be cut */
            edx_trace c = curve_of(e->r, axis, (edx_estimator)estimator, group, i);
            for (size_t j = 0; j < c.n; j++)
                if (isfinite(c.y[j]) && isfinite(c.sigma[j])) {
                    e->range[0] = fmin(e->range[0], c.y[j] - times * c.sigma[j]);
                    e->range[1] = fmax(e->range[1], c.y[j] + times * c.sigma[j]);
                    *reach = fmax(*reach, c.x[j] + e->r->step_nm);
                }
            edx_trace_free(&c);
        }
}

static void find_range(ensemble *e)
{
    e->range[0] = INFINITY;
    e->range[1] = -INFINITY;
    for (size_t g = 0; g < e->r->groups; g++) {
        widen(e, &e->r->radius, g, &e->reach[0]);
        widen(e, &e->r->depth, g, &e->reach[1]);
    }
    if (!(e->range[1] > e->range[0])) {
        e->range[0] = 0;
        e->range[1] = 100;
    }
    const double room = fmax(0.5, 0.06 * (e->range[1] - e->range[0]));
    e->range[0] = fmax(e->range[0] - room, -5);
    e->range[1] = fmin(e->range[1] + room, 105);
}

/* ---- a panel ---- */

static edx_axes axes_of(const ensemble *e, edx_paper *paper, edx_box box, const char *x_label,
                        double reach, const char *y_label)
{
    return (edx_axes){.paper = paper,
                      .box = box,
                      .x = {0, reach > 0 ? reach : 1},
                      .y = {e->range[0], e->range[1]},
                      .x_label = x_label,
                      .y_label = y_label,
                      .size = EDX_SMALL};
}

/* The composition of all particles. */
static void draw_mean(const ensemble *e, const edx_axes *a)
{
    edx_paper_dash(a->paper, 3);
    for (uint32_t i = 0; i < e->shown; i++) {
        edx_paper_ink(a->paper, edx_sheet_colour(i), 0.8);
        edx_axes_level(a, 100 * e->r->composition[i][0], 0.7);
    }
    edx_paper_dash(a->paper, 0);
}

static bool draw_points(const edx_axes *a, const edx_trace *c, uint32_t colour)
{
    bool any = false;
    edx_paper_ink(a->paper, colour, 0.4);
    edx_axes_bars(a, c->x, c->y, c->sigma, c->n, 3, 0.6);
    edx_paper_ink(a->paper, colour, 1);
    edx_axes_bars(a, c->x, c->y, c->sigma, c->n, 1, 1.6);
    edx_axes_points(a, c->x, c->y, c->n, 1.9);
    for (size_t j = 0; j < c->n; j++)
        any = any || isfinite(c->y[j]);
    return any;
}

static bool draw_band(const edx_axes *a, const edx_trace *c, uint32_t colour)
{
    edx_paper_ink(a->paper, colour, 0.16);
    edx_axes_band(a, c->x, c->y, c->sigma, c->n, 3);
    edx_paper_ink(a->paper, colour, 0.3);
    edx_axes_band(a, c->x, c->y, c->sigma, c->n, 1);
    edx_paper_ink(a->paper, colour, 1);
    edx_axes_curve(a, c->x, c->y, c->n, 1.1);
    bool any = false;
    for (size_t j = 0; j < c->n; j++)
        any = any || isfinite(c->y[j]);
    return any;
}

static void draw_profiles(const ensemble *e, const edx_axes *a, const edx_ensemble_axis *axis,
                          edx_estimator estimator, size_t group)
{
    bool any = false;
    draw_mean(e, a);
    for (uint32_t i = 0; i < e->shown; i++) {
        edx_trace c = curve_of(e->r, axis, estimator, group, i);
        const bool drawn = estimator == EDX_RAW ? draw_points(a, &c, edx_sheet_colour(i))
                                                : draw_band(a, &c, edx_sheet_colour(i));
        any = any || drawn;
        edx_trace_free(&c);
    }
    edx_paper_ink(a->paper, EDX_BLACK, 1);
    if (!any)
        edx_paper_text(a->paper, a->box.x + a->box.w / 2, a->box.y + a->box.h / 2, EDX_SMALL,
                       EDX_CENTRE,
                       estimator == EDX_RAW ? "nothing quantified" : "no profile passed its check");
    edx_axes_frame(a);
}

static const char *y_label(const ensemble *e, char out[40])
{
    snprintf(out, 40, "%s (at.%%)", e->shown == 1 ? e->r->elements[0] : "fraction");
    return out;
}

/* ---- rows ---- */

static void draw_group(const ensemble *e, edx_paper *paper, size_t group, double y)
{
    char label[40];
    const edx_ensemble_group *g = &e->r->group[group];
    const double left = EDX_MARGIN + 24;
    const double width = (EDX_A4_WIDTH - EDX_MARGIN - left - GAP) / 2;
    edx_axes a = axes_of(e, paper, (edx_box){left, y + 12, width, PANEL}, "radius (nm)",
                         e->reach[0], y_label(e, label));
    edx_paper_ink(paper, EDX_BLACK, 1);
    edx_paper_print(paper, left, y + 8, EDX_NORMAL, EDX_LEFT,
                    "%.3g to %.3g nm: %" PRIu64 " particle%s, mean diameter %.2f nm", g->from_nm,
                    g->to_nm, g->particles, g->particles == 1 ? "" : "s", g->diameter_nm);
    draw_profiles(e, &a, &e->r->radius, EDX_RAW, group);
    a.box.x += width + GAP;
    a.y_label = NULL;
    draw_profiles(e, &a, &e->r->radius, EDX_DENOISED, group);
}

/* Composition of each particle over its diameter. */
static void draw_members(const ensemble *e, edx_paper *paper, edx_box box)
{
    const edx_ensemble_result *r = e->r;
    double most = 0, range[2] = {INFINITY, -INFINITY};
    for (size_t p = 0; p < r->members; p++) {
        most = fmax(most, r->member[p].diameter_nm);
        for (uint32_t i = 0; i < e->shown; i++) {
            const double *c = r->member[p].composition[i];
            range[0] = isfinite(c[0]) ? fmin(range[0], 100 * (c[0] - 3 * c[1])) : range[0];
            range[1] = isfinite(c[0]) ? fmax(range[1], 100 * (c[0] + 3 * c[1])) : range[1];
        }
    }
    edx_axes a = axes_of(e, paper, box, "diameter (nm)", 1.1 * most, NULL);
    if (range[1] > range[0]) {
        a.y[0] = range[0] - 1;
        a.y[1] = range[1] + 1;
    }
    a.y_label = "";
    draw_mean(e, &a);
    for (size_t p = 0; p < r->members; p++)
        for (uint32_t i = 0; i < e->shown; i++) {
            const double at = r->member[p].diameter_nm, y = 100 * r->member[p].composition[i][0];
            const double sigma = 100 * r->member[p].composition[i][1];
            draw_points(&a, &(edx_trace){1, (double *)&at, (double *)&y, (double *)&sigma},
                        edx_sheet_colour(i));
        }
    edx_axes_frame(&a);
}

/* All particles: below the surface, and one by one. */
static void draw_all(const ensemble *e, edx_paper *paper, double y)
{
    char label[40];
    const double left = EDX_MARGIN + 24;
    const double width = (EDX_A4_WIDTH - EDX_MARGIN - left - GAP) / 2;
    const edx_axes a = axes_of(e, paper, (edx_box){left, y + 12, width, PANEL},
                               "depth below the surface (nm)", e->reach[1], y_label(e, label));
    edx_paper_ink(paper, EDX_BLACK, 1);
    edx_paper_print(paper, left, y + 8, EDX_NORMAL, EDX_LEFT,
                    "All %zu particles, plain, from the surface inwards", e->r->members);
    edx_paper_text(paper, left + width + GAP, y + 8, EDX_NORMAL, EDX_LEFT,
                   "Composition of each particle");
    draw_profiles(e, &a, &e->r->depth, EDX_RAW, e->r->groups - 1);
    draw_members(e, paper, (edx_box){left + width + GAP, y + 12, width, PANEL});
}

static void print_head(const ensemble *e, edx_paper *paper)
{
    const edx_ensemble_result *r = e->r;
    const double left = EDX_MARGIN + 24, half = (EDX_A4_WIDTH - EDX_MARGIN - left + GAP) / 2;
    edx_paper_ink(paper, EDX_BLACK, 1);
    edx_paper_print(paper, EDX_MARGIN, 40, EDX_LARGE, EDX_BOLD, "%zu particles by diameter",
                    r->members);
    edx_paper_print(paper, EDX_A4_WIDTH - EDX_MARGIN, 40, EDX_NORMAL, EDX_RIGHT,
                    "all: %.2f ± %.2f ± %.2f (k) at.%% %s", 100 * r->composition[0][0],
                    100 * r->composition[0][1], 100 * r->composition[0][0] * r->systematic[0],
                    r->elements[0]);
    edx_paper_text(paper, left, 68, EDX_NORMAL + 1, EDX_BOLD, "Plain");
    edx_paper_text(paper, left + half, 68, EDX_NORMAL + 1, EDX_BOLD, "Denoised");
    for (uint32_t i = 0; i < e->shown && i < 12; i++) {
        edx_paper_ink(paper, edx_sheet_colour(i), 1);
        edx_paper_text(paper, left + 60 + 16 * i, 68, EDX_NORMAL, EDX_BOLD, r->elements[i]);
    }
    edx_paper_ink(paper, EDX_GREY, 1);
    edx_paper_line(paper, EDX_MARGIN, 46, EDX_A4_WIDTH - EDX_MARGIN, 46, 0.6);
    edx_paper_print(paper, EDX_MARGIN, EDX_A4_HEIGHT - 20, EDX_SMALL, EDX_LEFT,
                    "Means weighted by 1/σ²; thick 1σ, thin 3σ, grown by √(χ²/dof) where particles "
                    "differ by more. Dashed: all particles. Left out: %" PRIu64
                    " at the edge, %" PRIu64 " of other elements.",
                    r->left_out_edge, r->left_out_other);
}

static void draw_page(const void *document, edx_paper *paper, size_t page)
{
    const ensemble *e = document;
    double y = TOP;
    print_head(e, paper);
    const size_t first = page == 0 ? 0 : ON_FIRST + (page - 1) * PER_PAGE;
    const size_t last = first + (page == 0 ? ON_FIRST : PER_PAGE);
    for (size_t g = first; g < last && g + 1 < e->r->groups; g++, y += ROW)
        draw_group(e, paper, g, y);
    if (page == 0)
        draw_all(e, paper, y);
}

edx_status edx_report_ensemble(const edx_ensemble_result *result, const char *dir, edx_error *err)
{
    ensemble e = {.r = result, .shown = edx_sheet_shown(result->n)};
    const size_t groups = result->groups - 1, more = groups > ON_FIRST ? groups - ON_FIRST : 0;
    find_range(&e);
    return edx_sheet_write(&e, 1 + (more + PER_PAGE - 1) / PER_PAGE, draw_page, dir, "ensemble",
                           err);
}
