/* Image and maps with their scales. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/marks.h"
#include "client/number.h"
#include "client/picture.h"
#include "client/sheet.h"

#define MAX_TILES 10
#define PER_ROW 5
#define GAP 12.0
#define SMALLER 80.0 /* tiles in two rows */
#define HEAD 11.0
#define BAR 5.0
#define FOOT 30.0 /* colour bar and its numbers */
#define BASICS 2  /* pictures before those of lines */

typedef struct tile {
    edx_picture picture;
    char title[48];
    bool grey, particles;
    double range[2];
} tile;

typedef struct tiles {
    tile tile[MAX_TILES];
    size_t n;
} tiles;

/* ---- which ---- */

static void add(tiles *t, const edx_gathered *run, size_t index, const char *title)
{
    if (t->n == MAX_TILES)
        return;
    tile *new = &t->tile[t->n];
    *new = (tile){.picture = edx_picture_get(run->latest, index)};
    if (!new->picture.rows)
        return;
    snprintf(new->title, sizeof new->title, "%.40s", title);
    edx_picture_range(&new->picture, EDX_VALUE, new->range);
    t->n++;
}

static void add_image(tiles *t, const edx_gathered *run)
{
    add(t, run, 0, "HAADF");
    if (!t->n)
        add(t, run, 1, "All counts");
    if (t->n) {
        t->tile[0].grey = true;
        t->tile[0].particles = true;
    }
}

static void add_lines(tiles *t, const edx_gathered *run, const edx_maps_result *maps)
{
    char name[EDX_MARK];
    for (uint32_t i = 0; i < maps->n; i++)
        add(t, run, BASICS + i, edx_mark_name(name, maps->lines[i]));
}

/* Takes the last tile back when it shows nothing; else it gets the range of the one before. */
static void fit_denoised(tiles *t)
{
    tile *last = &t->tile[t->n - 1];
    if (isnan(last->range[0]))
        t->n--;
    else if (t->n > 1 && !isnan(last[-1].range[0]))
        memcpy(last->range, last[-1].range, sizeof last->range);
}

/* Fractions and denoised fractions side by side, in one range each. */
static void add_fractions(tiles *t, const edx_gathered *run, const edx_maps_result *maps)
{
    char title[48];
    const size_t kinds = maps->denoised_fraction.ndim == 3 ? 3
                         : maps->atomic_fraction.ndim == 3 ? 2
                                                           : 1;
    for (uint32_t i = 0; i < edx_sheet_shown(maps->n); i++)
        for (size_t kind = 1; kind < kinds; kind++) {
            snprintf(title, sizeof title, "%s%s", maps->elements[i],
                     kind == 2 ? ", denoised" : " fraction");
            const size_t before = t->n;
            add(t, run, BASICS + kind * maps->n + i, title);
            if (kind == 2 && t->n > before)
                fit_denoised(t);
        }
}

/* ---- one ---- */

static uint32_t colour_of(const tile *t, double value)
{
    if (isnan(value) || isnan(t->range[0]))
        return 0;
    const double part = (value - t->range[0]) / (t->range[1] - t->range[0]);
    const uint32_t level = (uint32_t)lround(255 * fmin(fmax(part, 0), 1));
    return 0xff000000u | (t->grey ? level * 0x010101u : edx_sheet_cividis(part));
}

static void draw_missing(edx_paper *paper, edx_box box)
{
    edx_paper_ink(paper, 0xf4f4f4, 1);
    edx_paper_fill(paper, box);
    edx_paper_ink(paper, 0xb8b8b8, 1);
    edx_paper_hatch(paper, box, 4, 0.5);
}

static void draw_pixels(const tile *t, edx_paper *paper, edx_box box)
{
    const uint64_t rows = t->picture.rows, cols = t->picture.cols;
    uint32_t *pixels = malloc((size_t)(rows * cols) * sizeof *pixels);
    draw_missing(paper, box);
    if (!pixels)
        return;
    for (uint64_t i = 0; i < rows * cols; i++)
        pixels[i] = colour_of(t, edx_picture_at(&t->picture, EDX_VALUE, i / cols, i % cols));
    edx_paper_pixels(paper, box, pixels, rows, cols);
    free(pixels);
}

/* A bar of a round length, at most a third of the picture. */
static void draw_scale(const tile *t, edx_paper *paper, edx_box box)
{
    const double field = t->picture.step_nm[1] * (double)t->picture.cols;
    if (!(field > 0))
        return;
    double length = edx_nice_step(field, 3);
    length = length > field / 2.5 ? length / 2 : length;
    const double width = box.w * length / field, x = box.x + 5, y = box.y + box.h - 6;
    edx_paper_ink(paper, 0, 0.55);
    edx_paper_fill(paper, (edx_box){x - 2, y - 11, fmax(width, 22) + 4, 15});
    edx_paper_ink(paper, 0xffffff, 1);
    edx_paper_fill(paper, (edx_box){x, y, width, 2});
    edx_paper_print(paper, x, y - 2.5, EDX_SMALL, EDX_LEFT, "%.3g nm", length);
}

static void draw_bar(const tile *t, edx_paper *paper, edx_box box)
{
    char low[EDX_NUMBER], high[EDX_NUMBER];
    const double y = box.y + box.h + 4;
    const int steps = 64;
    if (isnan(t->range[0]))
        return;
    for (int i = 0; i < steps; i++) {
        const double part = (i + 0.5) / steps;
        edx_paper_ink(
            paper, colour_of(t, t->range[0] + part * (t->range[1] - t->range[0])) & 0xffffffu, 1);
        edx_paper_fill(paper, (edx_box){box.x + box.w * i / steps, y, box.w / steps + 0.3, BAR});
    }
    edx_paper_ink(paper, EDX_BLACK, 1);
    edx_paper_frame(paper, (edx_box){box.x, y, box.w, BAR}, 0.4);
    edx_paper_text(paper, box.x, y + BAR + 7.5, EDX_SMALL, EDX_LEFT, edx_number(low, t->range[0]));
    edx_paper_text(paper, box.x + box.w, y + BAR + 7.5, EDX_SMALL, EDX_RIGHT,
                   edx_number(high, t->range[1]));
    edx_paper_text(paper, box.x + box.w / 2, y + BAR + 7.5, EDX_SMALL, EDX_CENTRE, t->picture.unit);
}

/* Circles of the particles' diameters. Places are counted from the middle of scan pixel (0, 0). */
static void draw_particles(const edx_gathered *run, const tile *t, edx_paper *paper, edx_box box)
{
    const edx_particles_result *all = edx_gathered_particles(run);
    const double bin = (double)run->settings.analysis.bin_pixels;
    const double *step = t->picture.step_nm;
    if (!all || !(step[0] > 0) || !(step[1] > 0))
        return;
    edx_paper_clip(paper, box);
    for (size_t i = 0; i < all->count; i++) {
        const edx_particle *p = &all->particles[i];
        const double per_nm = box.w / (step[1] * (double)t->picture.cols);
        const double x = box.x + (p->centre_nm[1] + step[1] / bin / 2) * per_nm;
        const double y = box.y + (p->centre_nm[0] + step[0] / bin / 2) * box.h /
                                     (step[0] * (double)t->picture.rows);
        char id[24];
        snprintf(id, sizeof id, "%" PRIu64, p->id);
        edx_paper_ink(paper, 0xe69f00, 1);
        edx_paper_circle(paper, x, y, p->diameter_nm / 2 * per_nm, 0.9);
        const double wide = edx_paper_width(paper, EDX_SMALL, EDX_BOLD, id);
        edx_paper_ink(paper, 0, 0.65);
        edx_paper_fill(paper, (edx_box){x - wide / 2 - 1, y - 3.5, wide + 2, 7});
        edx_paper_ink(paper, 0xffb000, 1);
        edx_paper_text(paper, x, y + 2.3, EDX_SMALL, EDX_CENTRE | EDX_BOLD, id);
    }
    edx_paper_unclip(paper);
}

static void draw(const edx_gathered *run, const tile *t, edx_paper *paper, edx_box room)
{
    const edx_picture *p = &t->picture;
    const bool known = p->step_nm[0] > 0 && p->step_nm[1] > 0;
    const double high = (double)p->rows * (known ? p->step_nm[0] : 1);
    const double wide = (double)p->cols * (known ? p->step_nm[1] : 1);
    const double scale = fmin(room.w / wide, room.h / high);
    const edx_box box = {room.x, room.y + HEAD, wide * scale, high * scale};
    edx_paper_ink(paper, EDX_BLACK, 1);
    edx_paper_text(paper, box.x, room.y + HEAD - 3, EDX_NORMAL, EDX_BOLD, t->title);
    draw_pixels(t, paper, box);
    if (t->particles)
        draw_particles(run, t, paper, box);
    draw_scale(t, paper, box);
    edx_paper_ink(paper, EDX_BLACK, 1);
    edx_paper_frame(paper, box, 0.5);
    draw_bar(t, paper, box);
}

double edx_sheet_tiles(const edx_gathered *run, edx_paper *paper, double y)
{
    tiles t = {.n = 0};
    const edx_maps_result *maps = edx_gathered_maps(run);
    add_image(&t, run);
    if (maps && maps->n) {
        add_lines(&t, run, maps);
        add_fractions(&t, run, maps);
    }
    const size_t rows = (t.n + PER_ROW - 1) / PER_ROW;
    const double width = EDX_A4_WIDTH - 2 * EDX_MARGIN;
    const double pitch = (width + GAP) / PER_ROW, size = rows > 1 ? SMALLER : pitch - GAP;
    for (size_t i = 0; i < t.n; i++) {
        const size_t row = i / PER_ROW, col = i % PER_ROW;
        const edx_box room = {EDX_MARGIN + (double)col * pitch,
                              y + (double)row * (size + HEAD + FOOT), size, size};
        draw(run, &t.tile[i], paper, room);
    }
    return y + (double)rows * (size + HEAD + FOOT);
}
