/* A particle's composition from centre to surface, by every estimator. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "client/sheet.h"

#define HEIGHT 122.0
#define HEAD 60.0 /* words and titles above the panels */
#define GAP 7.0
#define SHELL_NM 2.0 /* the core ends that far below the surface, or half way */

typedef struct radial {
    const edx_gathered *run;
    const edx_particle *p;
    edx_paper *paper;
    uint32_t shown;  /* elements */
    double range[2]; /* at.% of all panels */
} radial;

static const char *const titles[EDX_ESTIMATORS] = {"Raw", "Model", "Denoised", "PCA", "NMF"};

/* Widens the range by a curve and, where times is not 0, its error. */
static void widen(double range[2], const edx_trace *c, double times)
{
    for (size_t j = 0; j < c->n; j++)
        if (isfinite(c->y[j]) && (times <= 0 || isfinite(c->sigma[j]))) {
            const double reach = times > 0 ? times * c->sigma[j] : 0;
            range[0] = fmin(range[0], c->y[j] - reach);
            range[1] = fmax(range[1], c->y[j] + reach);
        }
}

/* What is quantified: the rest of a raw profile is no number. */
static edx_trace curve_of(const radial *r, edx_estimator e, uint32_t element)
{
    const edx_radial found = edx_radial_of(r->p, e);
    edx_trace c = edx_trace_percent(&r->p->radial.r_nm, found.value, found.sigma, element);
    for (size_t j = 0; j < c.n; j++)
        if (e == EDX_RAW && r->p->radial.quantified && !r->p->radial.quantified[j])
            c.y[j] = NAN;
    return c;
}

static void find_range(radial *r)
{
    double range[2] = {INFINITY, -INFINITY};
    for (edx_estimator e = EDX_RAW; e < EDX_ESTIMATORS; e++)
        for (uint32_t i = 0; i < r->shown; i++) {
            edx_trace c = curve_of(r, e, i);
            widen(range, &c, e <= EDX_DENOISED ? 3 : 0);
            edx_trace_free(&c);
        }
    if (!(range[1] > range[0])) {
        range[0] = 0;
        range[1] = 100;
    }
    const double room = fmax(0.5, 0.06 * (range[1] - range[0]));
    r->range[0] = fmax(range[0] - room, -5);
    r->range[1] = fmin(range[1] + room, 105);
}

/* ---- one panel ---- */

static void draw_bands(const edx_axes *a, const edx_trace *c, uint32_t colour, bool trusted)
{
    edx_paper_ink(a->paper, colour, trusted ? 0.16 : 0.08);
    edx_axes_band(a, c->x, c->y, c->sigma, c->n, 3);
    edx_paper_ink(a->paper, colour, trusted ? 0.3 : 0.15);
    edx_axes_band(a, c->x, c->y, c->sigma, c->n, 1);
    edx_paper_ink(a->paper, colour, 1);
    edx_paper_dash(a->paper, trusted ? 0 : 2.5);
    edx_axes_curve(a, c->x, c->y, c->n, 1.1);
    edx_paper_dash(a->paper, 0);
}

static void draw_bars(const edx_axes *a, const edx_trace *c, uint32_t colour)
{
    edx_paper_ink(a->paper, colour, 0.4);
    edx_axes_bars(a, c->x, c->y, c->sigma, c->n, 3, 0.6);
    edx_paper_ink(a->paper, colour, 1);
    edx_axes_bars(a, c->x, c->y, c->sigma, c->n, 1, 1.6);
    edx_axes_points(a, c->x, c->y, c->n, 1.8);
}

/* The model's line, for comparison. */
static void draw_model(const radial *r, const edx_axes *a)
{
    for (uint32_t i = 0; i < r->shown; i++) {
        edx_trace c = curve_of(r, EDX_MODEL, i);
        edx_paper_ink(a->paper, EDX_GREY, 1);
        edx_axes_curve(a, c.x, c.y, c.n, 0.7);
        edx_trace_free(&c);
    }
}

/* Where the core ends (dotted), and the surface. */
static void draw_limits(const radial *r, const edx_axes *a)
{
    const double surface = r->p->diameter_nm / 2;
    edx_paper_ink(a->paper, EDX_GREY, 1);
    edx_paper_dash(a->paper, 1.2);
    edx_axes_upright(a, fmax(surface - SHELL_NM, surface / 2), 0.6);
    edx_paper_dash(a->paper, 3);
    edx_axes_upright(a, surface, 0.6);
    edx_paper_dash(a->paper, 0);
}

static void draw_trust(const edx_axes *a, const edx_radial *e)
{
    const double x = a->box.x + a->box.w / 2, y = a->box.y - 3;
    const edx_trust trust = edx_verdict_check(e->check);
    if (!e->any || !e->check)
        return;
    edx_paper_ink(a->paper, trust == EDX_TRUSTED ? 0x00664a : EDX_RED, 1);
    if (trust == EDX_UNCHECKED)
        edx_paper_text(a->paper, x, y, EDX_SMALL, EDX_CENTRE | EDX_BOLD, "UNCHECKED");
    else if (trust == EDX_BIASED)
        edx_paper_print(a->paper, x, y, EDX_SMALL, EDX_CENTRE | EDX_BOLD, "BIASED, p = %.1g",
                        e->check->p);
    else
        edx_paper_print(a->paper, x, y, EDX_SMALL, EDX_CENTRE, "check passed, p = %.2g",
                        e->check->p);
}

static bool any_finite(const edx_trace *c)
{
    bool any = false;
    for (size_t j = 0; j < c->n; j++)
        any = any || isfinite(c->y[j]);
    return any;
}

static bool draw_element(const radial *r, const edx_axes *a, edx_estimator e, bool trusted,
                         uint32_t i)
{
    edx_trace c = curve_of(r, e, i);
    const bool any = any_finite(&c);
    if (e == EDX_RAW)
        draw_bars(a, &c, edx_sheet_colour(i));
    else
        draw_bands(a, &c, edx_sheet_colour(i), trusted);
    edx_trace_free(&c);
    return any;
}

static void draw_panel(const radial *r, const edx_axes *a, edx_estimator estimator)
{
    const edx_radial e = edx_radial_of(r->p, estimator);
    const bool trusted = edx_verdict_check(e.check) == EDX_TRUSTED;
    bool any = false;
    if (e.any && !trusted) {
        edx_paper_ink(a->paper, EDX_RED, 0.12);
        edx_paper_hatch(a->paper, a->box, 5, 0.8);
    }
    draw_limits(r, a);
    if (estimator >= EDX_BY_PCA)
        draw_model(r, a);
    for (uint32_t i = 0; i < r->shown; i++)
        any = draw_element(r, a, estimator, trusted, i) || any;
    if (!any) {
        edx_paper_ink(a->paper, 0xffffff, 1);
        edx_paper_fill(a->paper, (edx_box){a->box.x + 4, a->box.y + a->box.h / 2 - EDX_SMALL - 1,
                                           a->box.w - 8, EDX_SMALL + 5});
    }
    edx_paper_ink(a->paper, EDX_BLACK, 1);
    edx_paper_text(a->paper, a->box.x + a->box.w / 2, a->box.y - 12, EDX_NORMAL,
                   EDX_CENTRE | EDX_BOLD, titles[estimator]);
    if (!any)
        edx_paper_text(a->paper, a->box.x + a->box.w / 2, a->box.y + a->box.h / 2, EDX_SMALL,
                       EDX_CENTRE, "nothing quantified");
    draw_trust(a, &e);
    edx_axes_frame(a);
}

/* ---- words ---- */

static void print_composition(const radial *r, double x, double y)
{
    char text[512] = "";
    size_t used = 0;
    const edx_particles_result *all = edx_gathered_particles(r->run);
    const edx_maps_result *maps = edx_gathered_maps(r->run);
    for (uint32_t i = 0; i < maps->n && used < sizeof text - 80; i++) {
        const double *c = edx_composition_of(r->p, maps->elements[i]);
        if (!c || !isfinite(c[0]))
            continue;
        const double systematic = c[0] * edx_systematic_of(all, maps->elements[i]);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s %.2f ± %.2f",
                                 used ? ", " : "", maps->elements[i], 100 * c[0], 100 * c[1]);
        if (systematic > 0)
            used +=
                (size_t)snprintf(text + used, sizeof text - used, " ± %.2f (k)", 100 * systematic);
    }
    edx_paper_print(r->paper, x, y, EDX_NORMAL, EDX_LEFT,
                    "Particle %" PRIu64 ": diameter %.2f nm%s%s%s", r->p->id, r->p->diameter_nm,
                    r->p->touches_edge ? ", cut by the edge" : "", used ? "; at.%: " : "", text);
}

static void print_segregation(const radial *r, double x, double y)
{
    char text[EDX_WORDS];
    const double *core = r->p->segregation.core, *shell = r->p->segregation.shell;
    const bool clear = edx_verdict_segregation(r->p, text);
    text[0] = (char)toupper((unsigned char)text[0]);
    edx_paper_text(r->paper, x, y, EDX_NORMAL, clear ? EDX_BOLD : 0, text);
    if (!isfinite(core[0]) || !isfinite(shell[0]))
        return;
    const bool apart = fabs(core[0] - shell[0]) > 3 * (core[1] + shell[1]);
    edx_paper_print(
        r->paper, x, y + 10, EDX_NORMAL, EDX_LEFT,
        "Δ = shell − core; core %.2f ± %.2f, shell %.2f ± %.2f at.%% %s: 3σ intervals %s",
        100 * core[0], 100 * core[1], 100 * shell[0], 100 * shell[1], r->p->segregation.element,
        apart ? "lie apart" : "overlap");
}

static void print_legend(const radial *r, double y)
{
    const edx_maps_result *maps = edx_gathered_maps(r->run);
    double x = EDX_A4_WIDTH - EDX_MARGIN;
    for (uint32_t i = r->shown; i > 0; i--) {
        edx_paper_ink(r->paper, edx_sheet_colour(i - 1), 1);
        edx_paper_text(r->paper, x, y, EDX_NORMAL, EDX_RIGHT | EDX_BOLD, maps->elements[i - 1]);
        x -= edx_paper_width(r->paper, EDX_NORMAL, EDX_BOLD, maps->elements[i - 1]) + 6;
    }
    edx_paper_ink(r->paper, EDX_BLACK, 1);
    edx_paper_text(r->paper, EDX_A4_WIDTH - EDX_MARGIN, y + 10, EDX_SMALL, EDX_RIGHT,
                   "dark 1σ, light 3σ; dashes: surface; dots: core's end");
}

double edx_sheet_radial(const edx_gathered *run, const edx_particle *particle, edx_paper *paper,
                        double y)
{
    radial r = {.run = run, .p = particle, .paper = paper};
    const edx_maps_result *maps = edx_gathered_maps(run);
    const double left = EDX_MARGIN + 24, width = EDX_A4_WIDTH - EDX_MARGIN - left;
    const double panel = (width - (EDX_ESTIMATORS - 1) * GAP) / EDX_ESTIMATORS;
    char label[40];
    if (!maps || !particle->radial.m)
        return y;
    r.shown = edx_sheet_shown(maps->n);
    find_range(&r);
    edx_paper_ink(paper, EDX_BLACK, 1);
    print_composition(&r, EDX_MARGIN, y + 8);
    print_segregation(&r, EDX_MARGIN, y + 18);
    print_legend(&r, y + 18);
    snprintf(label, sizeof label, "%s (at.%%)", r.shown == 1 ? maps->elements[0] : "fraction");
    const double end = edx_array_get(&particle->radial.r_nm, particle->radial.m - 1);
    for (edx_estimator e = EDX_RAW; e < EDX_ESTIMATORS; e++) {
        const edx_axes a = {.paper = paper,
                            .box = {left + (double)e * (panel + GAP), y + HEAD, panel, HEIGHT},
                            .x = {0, fmin(end, 0.65 * particle->diameter_nm + 0.5)},
                            .y = {r.range[0], r.range[1]},
                            .x_label = "radius (nm)",
                            .y_label = e == EDX_RAW ? label : NULL,
                            .size = EDX_SMALL};
        draw_panel(&r, &a, e);
    }
    return y + HEAD + HEIGHT + 24;
}
