/* The sum spectrum: all of it, and where the listed lines are. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/marks.h"
#include "client/sheet.h"

#define HEIGHT 124.0
#define LEGEND 0.3 /* where it begins, of the height */
#define MAX_MARKS 64
#define LABEL_ROWS 4
#define ZOOM_SPACE 0.18 /* of the lines' span, on both sides */
#define ZOOM_LEAST 400.0

typedef struct mark {
    char name[EDX_MARK];
    double eV;
    double window[2], background[2][2]; /* NaN: not given */
    uint32_t colour;
    bool listed;
} mark;

typedef struct spectrum {
    const edx_spectrum_result *result;
    size_t n;
    double *keV, *sum, *fit, *background; /* one block */
    mark marks[MAX_MARKS];
    size_t n_marks;
} spectrum;

/* ---- what is shown ---- */

static void copy_row(const edx_array *from, double *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from->ndim == 1 && from->shape[0] == n ? edx_array_get(from, i) : (double)NAN;
}

static bool take_counts(spectrum *s, const edx_spectrum_result *result)
{
    s->result = result;
    s->n = result->sum.ndim == 1 ? result->sum.shape[0] : 0;
    s->keV = s->n ? malloc(4 * s->n * sizeof *s->keV) : NULL;
    if (!s->keV)
        return false;
    s->sum = s->keV + s->n;
    s->fit = s->sum + s->n;
    s->background = s->fit + s->n;
    for (size_t i = 0; i < s->n; i++)
        s->keV[i] = 1e-3 * (result->offset_eV + result->scale_eV * (double)i);
    copy_row(&result->sum, s->sum, s->n);
    copy_row(&result->fit, s->fit, s->n);
    copy_row(&result->background, s->background, s->n);
    return true;
}

static void add_mark(spectrum *s, const char *line, uint32_t colour, bool listed)
{
    const double eV = edx_mark_energy(line);
    if (isnan(eV) || s->n_marks == MAX_MARKS)
        return;
    mark *m = &s->marks[s->n_marks];
    *m = (mark){.eV = eV, .colour = colour, .listed = listed};
    m->window[0] = m->window[1] = NAN;
    memcpy(m->background, (double[2][2]){{NAN, NAN}, {NAN, NAN}}, sizeof m->background);
    edx_mark_name(m->name, line);
    for (size_t i = 0; i < s->n_marks; i++)
        if (strcmp(s->marks[i].name, m->name) == 0)
            return;
    s->n_marks++;
}

/* The window of line i as published, and what else the settings give. */
static void set_windows(mark *m, const edx_settings *settings, const edx_maps_result *maps,
                        uint32_t i)
{
    for (uint32_t k = 0; k < settings->quant.n_lines; k++)
        if (strcmp(settings->quant.lines[k].line, maps->lines[i]) == 0) {
            memcpy(m->window, settings->quant.lines[k].window_eV, sizeof m->window);
            memcpy(m->background, settings->quant.lines[k].background_eV, sizeof m->background);
        }
    for (uint32_t side = 0; maps->window_eV.ndim == 2 && side < 2; side++)
        m->window[side] = edx_array_get(&maps->window_eV, 2 * i + side);
}

static int by_energy(const void *a, const void *b)
{
    const double x = ((const mark *)a)->eV, y = ((const mark *)b)->eV;
    return (x > y) - (x < y);
}

/* The listed lines, then the other families of what was listed or found. */
static void take_marks(spectrum *s, const edx_gathered *run)
{
    static const char *const families[] = {"Ka", "La", "Ma"};
    char line[EDX_LINE_SIZE];
    const edx_maps_result *maps = edx_gathered_maps(run);
    for (uint32_t i = 0; maps && i < maps->n; i++) {
        const size_t before = s->n_marks;
        add_mark(s, maps->lines[i], edx_sheet_colour(i), true);
        if (s->n_marks > before)
            set_windows(&s->marks[before], &run->settings, maps, i);
    }
    for (uint32_t i = 0; maps && i < maps->n; i++)
        for (size_t f = 0; f < 3; f++) {
            snprintf(line, sizeof line, "%.3s_%s", maps->elements[i], families[f]);
            add_mark(s, line, EDX_GREY, false);
        }
    for (uint32_t i = 0; i < s->result->n_found; i++)
        for (size_t f = 0; f < 3; f++) {
            snprintf(line, sizeof line, "%.3s_%s", s->result->found[i], families[f]);
            add_mark(s, line, EDX_GREY, false);
        }
    qsort(s->marks, s->n_marks, sizeof *s->marks, by_energy);
}

/* ---- drawing ---- */

/* Where names stand already. */
typedef struct places {
    double from[MAX_MARKS], to[MAX_MARKS];
    int row[MAX_MARKS];
    size_t n;
} places;

/* The first row in which [from, to] is free; LABEL_ROWS where none is. */
static int free_row(const places *p, double from, double to)
{
    for (int row = 0; row < LABEL_ROWS; row++) {
        bool taken = false;
        for (size_t i = 0; i < p->n; i++)
            taken = taken || (p->row[i] == row && from < p->to[i] + 3 && to + 3 > p->from[i]);
        if (!taken)
            return row;
    }
    return LABEL_ROWS;
}

static void draw_mark(const edx_axes *a, const mark *m, places *p)
{
    const double x = edx_axes_x(a, m->eV / 1000), size = EDX_SMALL;
    const double width = edx_paper_width(a->paper, size, m->listed ? EDX_BOLD : 0, m->name);
    const double left = fmin(fmax(x - width / 2, a->box.x + 2), a->box.x + a->box.w - width - 2);
    const int row = free_row(p, left, left + width);
    if (row == LABEL_ROWS)
        return;
    const double y = a->box.y + (row + 1) * (size + 2);
    p->from[p->n] = left;
    p->to[p->n] = left + width;
    p->row[p->n++] = row;
    edx_paper_ink(a->paper, m->colour, m->listed ? 1 : 0.7);
    edx_paper_dash(a->paper, m->listed ? 0 : 2);
    edx_paper_line(a->paper, x, y, x, a->box.y + a->box.h, 0.5);
    edx_paper_dash(a->paper, 0);
    edx_paper_text(a->paper, left, y - 2, size, m->listed ? EDX_BOLD : 0, m->name);
}

/* The listed lines first; others where there is room for their names. */
static void draw_marks(const spectrum *s, const edx_axes *a)
{
    places p = {.n = 0};
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < s->n_marks; i++) {
            const mark *m = &s->marks[i];
            if (m->listed == (pass == 0) && m->eV / 1000 > a->x[0] && m->eV / 1000 < a->x[1])
                draw_mark(a, m, &p);
        }
}

static void shade(const edx_axes *a, const double eV[2], uint32_t colour, double alpha)
{
    if (!isfinite(eV[0]) || !isfinite(eV[1]))
        return;
    const double from = edx_axes_x(a, eV[0] / 1000), to = edx_axes_x(a, eV[1] / 1000);
    edx_paper_ink(a->paper, colour, alpha);
    edx_paper_fill(a->paper, (edx_box){from, a->box.y, to - from, a->box.h});
}

static void draw_windows(const spectrum *s, const edx_axes *a)
{
    edx_paper_clip(a->paper, a->box);
    for (size_t i = 0; i < s->n_marks; i++) {
        shade(a, s->marks[i].window, s->marks[i].colour, 0.22);
        for (int side = 0; side < 2 && isfinite(s->marks[i].window[0]); side++)
            shade(a, s->marks[i].background[side], s->marks[i].colour, 0.09);
    }
    edx_paper_unclip(a->paper);
}

static void draw_curves(const spectrum *s, const edx_axes *a)
{
    edx_paper_ink(a->paper, edx_sheet_colour(5), 0.8);
    edx_axes_curve(a, s->keV, s->fit, s->n, 1.6);
    edx_paper_ink(a->paper, edx_sheet_colour(3), 1);
    edx_axes_curve(a, s->keV, s->background, s->n, 0.8);
    edx_paper_ink(a->paper, EDX_BLACK, 1);
    edx_axes_curve(a, s->keV, s->sum, s->n, 0.5);
}

/* What the curves are, at the right of the frame. */
static void draw_legend(const spectrum *s, const edx_axes *a)
{
    static const char *const names[] = {"counts", "fit", "bremsstrahlung"};
    const uint32_t colours[] = {EDX_BLACK, edx_sheet_colour(5), edx_sheet_colour(3)};
    const int n = s->result->fit.ndim ? 3 : 1;
    for (int i = 0; i < n; i++) {
        const double y = a->box.y + a->box.h * LEGEND + i * 9, x = a->box.x + a->box.w - 66;
        edx_paper_ink(a->paper, colours[i], 1);
        edx_paper_line(a->paper, x, y - 2, x + 10, y - 2, 1);
        edx_paper_ink(a->paper, EDX_BLACK, 1);
        edx_paper_text(a->paper, x + 13, y, EDX_SMALL, EDX_LEFT, names[i]);
    }
    if (n > 1 && isfinite(s->result->fit_chi2))
        edx_paper_print(a->paper, a->box.x + a->box.w - 66, a->box.y + a->box.h * LEGEND + 27,
                        EDX_SMALL, EDX_LEFT, "χ²/dof = %.2f",
                        s->result->fit_chi2 / s->result->fit_dof);
}

/* Largest count of channels in [lo, hi) keV; the last channel that has any, in *last. */
static double largest(const spectrum *s, double lo, double hi, size_t *last)
{
    double most = 1;
    for (size_t i = 0; i < s->n; i++) {
        if (s->keV[i] < lo || s->keV[i] >= hi)
            continue;
        most = fmax(most, s->sum[i]);
        if (s->sum[i] > 0 && last)
            *last = i;
    }
    return most;
}

static void draw_all(const spectrum *s, edx_paper *paper, edx_box box)
{
    size_t last = s->n - 1;
    const double most = largest(s, -INFINITY, INFINITY, &last);
    const edx_axes a = {.paper = paper,
                        .box = box,
                        .x = {fmin(s->keV[0], 0), fmax(s->keV[last], 0.1)},
                        .y = {0.5, 30 * most},
                        .logarithmic = true,
                        .x_label = "energy (keV)",
                        .y_label = "counts per channel",
                        .size = EDX_SMALL};
    draw_marks(s, &a);
    draw_curves(s, &a);
    draw_legend(s, &a);
    edx_axes_frame(&a);
}

/* The energies of the listed lines and their windows, with some room. */
static bool zoom_range(const spectrum *s, double range[2])
{
    range[0] = INFINITY;
    range[1] = -INFINITY;
    for (size_t i = 0; i < s->n_marks; i++)
        if (s->marks[i].listed) {
            const mark *m = &s->marks[i];
            range[0] = fmin(range[0], fmin(m->eV, fmin(m->window[0], m->background[0][0])));
            range[1] = fmax(range[1], fmax(m->eV, fmax(m->window[1], m->background[1][1])));
        }
    const double room = fmax(ZOOM_LEAST, ZOOM_SPACE * (range[1] - range[0]));
    range[0] = fmax(1e-3 * (range[0] - room), s->keV[0]);
    range[1] = fmin(1e-3 * (range[1] + room), s->keV[s->n - 1]);
    return range[1] > range[0];
}

static void draw_zoom(const spectrum *s, edx_paper *paper, edx_box box)
{
    double range[2];
    if (!zoom_range(s, range))
        return;
    const edx_axes a = {.paper = paper,
                        .box = box,
                        .x = {range[0], range[1]},
                        .y = {0, 1.35 * largest(s, range[0], range[1], NULL)},
                        .x_label = "energy (keV)",
                        .y_label = "",
                        .size = EDX_SMALL};
    draw_windows(s, &a);
    draw_marks(s, &a);
    draw_curves(s, &a);
    edx_axes_frame(&a);
}

double edx_sheet_spectrum(const edx_gathered *run, edx_paper *paper, double y)
{
    spectrum s = {0};
    const double width = EDX_A4_WIDTH - 2 * EDX_MARGIN, left = EDX_MARGIN + 24;
    if (!edx_gathered_spectrum(run) || !take_counts(&s, edx_gathered_spectrum(run)))
        return y;
    take_marks(&s, run);
    edx_paper_ink(paper, EDX_BLACK, 1);
    edx_paper_text(paper, EDX_MARGIN, y + 8, EDX_NORMAL, EDX_BOLD, "Sum spectrum");
    draw_all(&s, paper, (edx_box){left, y + 13, 0.55 * width - 24, HEIGHT});
    draw_zoom(&s, paper, (edx_box){EDX_MARGIN + 0.62 * width, y + 13, 0.38 * width, HEIGHT});
    free(s.keV);
    return y + 13 + HEIGHT + 24;
}
