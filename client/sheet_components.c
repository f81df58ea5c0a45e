/* Scree of the principal components; spectra and maps of the non-negative ones. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "client/sheet.h"

#define SCREE_WIDTH 150.0
#define COLUMNS 2
#define TALLEST 84.0
#define MAX_COMPONENTS 16

/* ---- scree ---- */

static double smallest_positive(const edx_array *a, double least)
{
    for (uint64_t i = 0; a->ndim == 1 && i < a->shape[0]; i++)
        if (edx_array_get(a, i) > 0)
            least = fmin(least, edx_array_get(a, i));
    return least;
}

static void draw_cross(const edx_axes *a, double x, double y)
{
    const double px = edx_axes_x(a, x), py = edx_axes_y(a, y), r = 3;
    edx_paper_line(a->paper, px - r, py - r, px + r, py + r, 0.9);
    edx_paper_line(a->paper, px - r, py + r, px + r, py - r, 0.9);
}

static void draw_eigenvalues(const edx_axes *a, const edx_pca_result *p)
{
    for (uint64_t i = 0; i < p->eigenvalues.shape[0]; i++) {
        const double x = (double)i + 1, plain = edx_array_get(&p->eigenvalues, i);
        const double px = edx_axes_x(a, x);
        if (plain > 0 && i < p->rank) {
            edx_paper_ink(a->paper, edx_sheet_colour(0), 1);
            edx_paper_dot(a->paper, px, edx_axes_y(a, plain), 2);
        } else if (plain > 0) {
            edx_paper_ink(a->paper, edx_sheet_colour(0), 1);
            edx_paper_circle(a->paper, px, edx_axes_y(a, plain), 2, 0.7);
        }
        if (p->eigenvalues_noise_free.ndim && i < p->eigenvalues_noise_free.shape[0] &&
            edx_array_get(&p->eigenvalues_noise_free, i) >= a->y[0]) {
            edx_paper_ink(a->paper, edx_sheet_colour(1), 1);
            draw_cross(a, x, edx_array_get(&p->eigenvalues_noise_free, i));
        }
    }
}

static void draw_scree_legend(const edx_axes *a)
{
    const double x = a->box.x + a->box.w - 62, y = a->box.y + 10;
    edx_paper_ink(a->paper, edx_sheet_colour(0), 1);
    edx_paper_dot(a->paper, x, y - 2, 2.2);
    edx_paper_circle(a->paper, x, y + 7, 2, 0.7);
    edx_paper_ink(a->paper, edx_sheet_colour(1), 1);
    draw_cross(&(edx_axes){.paper = a->paper, .box = {0, 0, 1, 1}, .x = {0, 1}, .y = {0, 1}}, x,
               1 - (y + 16));
    edx_paper_ink(a->paper, EDX_GREY, 1);
    edx_paper_dash(a->paper, 2);
    edx_paper_line(a->paper, x - 4, y + 25, x + 4, y + 25, 0.8);
    edx_paper_dash(a->paper, 0);
    edx_paper_ink(a->paper, EDX_BLACK, 1);
    edx_paper_text(a->paper, x + 7, y, EDX_SMALL, EDX_LEFT, "kept");
    edx_paper_text(a->paper, x + 7, y + 9, EDX_SMALL, EDX_LEFT, "not kept");
    edx_paper_text(a->paper, x + 7, y + 18, EDX_SMALL, EDX_LEFT, "without noise");
    edx_paper_text(a->paper, x + 7, y + 27, EDX_SMALL, EDX_LEFT, "noise edge");
}

static void draw_scree(const edx_pca_result *p, edx_paper *paper, edx_box box)
{
    const double least = smallest_positive(&p->eigenvalues_noise_free,
                                           smallest_positive(&p->eigenvalues, p->noise_edge));
    const edx_axes a = {.paper = paper,
                        .box = box,
                        .x = {0, (double)p->eigenvalues.shape[0] + 1},
                        .y = {fmax(least / 2, 1e-8), 3},
                        .logarithmic = true,
                        .x_label = "component",
                        .y_label = "eigenvalue",
                        .size = EDX_SMALL};
    edx_paper_ink(paper, EDX_GREY, 1);
    edx_paper_dash(paper, 2);
    edx_axes_level(&a, p->noise_edge, 0.8);
    edx_paper_dash(paper, 0);
    draw_eigenvalues(&a, p);
    draw_scree_legend(&a);
    edx_axes_frame(&a);
    edx_paper_ink(paper, EDX_BLACK, 1);
    edx_paper_print(paper, EDX_MARGIN, box.y - 5, EDX_NORMAL, EDX_BOLD,
                    "Principal components: %" PRIu64 " kept", p->rank);
}

/* ---- components ---- */

typedef struct component {
    const edx_gathered *run;
    const edx_nmf_result *nmf;
    edx_paper *paper;
    uint64_t k;
} component;

static bool is_particle(const component *c)
{
    return c->nmf->particle && c->nmf->particle[c->k];
}

static void draw_map(const component *c, edx_box box)
{
    const uint64_t rows = c->nmf->maps.shape[1], cols = c->nmf->maps.shape[2];
    const uint64_t first = c->k * rows * cols;
    uint32_t *pixels = malloc((size_t)(rows * cols) * sizeof *pixels);
    double most = 0;
    for (uint64_t i = 0; pixels && i < rows * cols; i++)
        most = fmax(most, edx_array_get(&c->nmf->maps, first + i));
    for (uint64_t i = 0; pixels && i < rows * cols; i++)
        pixels[i] =
            0xff000000u |
            edx_sheet_cividis(most > 0 ? edx_array_get(&c->nmf->maps, first + i) / most : 0);
    if (pixels)
        edx_paper_pixels(c->paper, box, pixels, rows, cols);
    edx_paper_ink(c->paper, is_particle(c) ? edx_sheet_colour(1) : EDX_BLACK, 1);
    edx_paper_frame(c->paper, box, is_particle(c) ? 1.2 : 0.4);
    free(pixels);
}

/* "Ag 96 %, Au 3 %": what part of each line's counts the component carries. */
static void share_text(const component *c, char *out, size_t size)
{
    const edx_maps_result *maps = edx_gathered_maps(c->run);
    const edx_array *share = &c->nmf->share;
    size_t used = 0;
    out[0] = '\0';
    for (uint64_t i = 0; maps && share->ndim == 2 && i < share->shape[1] && i < maps->n; i++) {
        const double part = edx_array_get(share, c->k * share->shape[1] + i);
        if (used < size - 16 && fabs(part) >= 0.02)
            used += (size_t)snprintf(out + used, size - used, "%s%s %.0f %%", used ? ", " : "",
                                     maps->elements[i], 100 * part);
    }
}

/* The last channel of any component that holds a thousandth of its largest. */
static double highest_keV(const edx_nmf_result *nmf, const edx_spectrum_result *s)
{
    const uint64_t channels = nmf->spectra.shape[1];
    uint64_t last = 0;
    for (uint64_t k = 0; k < nmf->k; k++) {
        double most = 0;
        for (uint64_t e = 0; e < channels; e++)
            most = fmax(most, edx_array_get(&nmf->spectra, k * channels + e));
        for (uint64_t e = last; e < channels; e++)
            if (edx_array_get(&nmf->spectra, k * channels + e) > 0.02 * most)
                last = e;
    }
    return 1e-3 * (s->offset_eV + s->scale_eV * (double)last) * 1.05;
}

static void draw_spectrum(const component *c, edx_box box, double end, bool lowest)
{
    const edx_spectrum_result *s = edx_gathered_spectrum(c->run);
    const uint64_t n = c->nmf->spectra.shape[1];
    double *x = malloc(2 * n * sizeof *x), most = 0;
    if (!x)
        return;
    for (uint64_t e = 0; e < n; e++) {
        x[e] = 1e-3 * (s->offset_eV + s->scale_eV * (double)e);
        x[n + e] = edx_array_get(&c->nmf->spectra, c->k * n + e);
        most = fmax(most, x[n + e]);
    }
    const edx_axes a = {.paper = c->paper,
                        .box = box,
                        .x = {fmin(x[0], 0), end},
                        .y = {0, most > 0 ? 1.3 * most : 1},
                        .x_label = lowest ? "energy (keV)" : NULL,
                        .size = EDX_SMALL};
    edx_paper_ink(c->paper, is_particle(c) ? edx_sheet_colour(1) : edx_sheet_colour(0), 1);
    edx_axes_curve(&a, x, x + n, n, 0.7);
    edx_axes_frame(&a);
    free(x);
}

static void draw_component(const component *c, edx_box box, double end, bool lowest)
{
    char share[64], text[96];
    const double rows = (double)c->nmf->maps.shape[1], cols = (double)c->nmf->maps.shape[2];
    const double scale = fmin(box.h / rows, 0.35 * box.w / cols);
    const edx_box map = {box.x, box.y, cols * scale, rows * scale};
    const edx_box frame = {map.x + map.w + 4, box.y, box.w - map.w - 4, map.h};
    draw_map(c, map);
    draw_spectrum(c, frame, end, lowest);
    share_text(c, share, sizeof share);
    snprintf(text, sizeof text, "#%" PRIu64 "%s%s%s", c->k + 1, is_particle(c) ? " particle" : "",
             share[0] ? ": " : "", share);
    edx_paper_ink(c->paper, is_particle(c) ? edx_sheet_colour(1) : EDX_BLACK, 1);
    const int style = EDX_RIGHT | (is_particle(c) ? EDX_BOLD : 0);
    const double wide = edx_paper_width(c->paper, EDX_SMALL, style, text), room = frame.w - 6;
    const double size = wide > room ? EDX_SMALL * room / wide : EDX_SMALL;
    edx_paper_text(c->paper, frame.x + frame.w - 3, frame.y + size + 2, size, style, text);
}

static void draw_components(const edx_gathered *run, edx_paper *paper, edx_box box)
{
    const edx_nmf_result *nmf = edx_gathered_nmf(run);
    const uint64_t k = nmf->k < MAX_COMPONENTS ? nmf->k : MAX_COMPONENTS;
    const uint64_t rows = (k + COLUMNS - 1) / COLUMNS;
    const double gap = 6, height = fmin(TALLEST, box.h / (double)rows - gap);
    const double width = (box.w - (COLUMNS - 1) * gap) / COLUMNS;
    const double end = highest_keV(nmf, edx_gathered_spectrum(run));
    edx_paper_ink(paper, EDX_BLACK, 1);
    edx_paper_print(paper, box.x, box.y - 5, EDX_NORMAL, EDX_BOLD,
                    "Non-negative components: %" PRIu64 "%s", nmf->k,
                    nmf->k > k ? ", the first 16 shown" : "");
    for (uint64_t i = 0; i < k; i++) {
        const component c = {.run = run, .nmf = nmf, .paper = paper, .k = i};
        const uint64_t row = i / COLUMNS, col = i % COLUMNS;
        draw_component(&c,
                       (edx_box){box.x + (double)col * (width + gap),
                                 box.y + (double)row * (height + gap), width, height},
                       end, i + COLUMNS >= k);
    }
}

double edx_sheet_components(const edx_gathered *run, edx_paper *paper, double y, double bottom)
{
    const edx_pca_result *pca = edx_gathered_pca(run);
    const edx_nmf_result *nmf = edx_gathered_nmf(run);
    const double top = y + 14, height = bottom - top - 22;
    const double left = EDX_MARGIN + SCREE_WIDTH + 14;
    if (pca && pca->eigenvalues.ndim == 1 && pca->eigenvalues.shape[0] > 0)
        draw_scree(pca, paper,
                   (edx_box){EDX_MARGIN + 26, top, SCREE_WIDTH - 26, fmin(height, 170)});
    if (nmf && nmf->k && nmf->maps.ndim == 3 && edx_gathered_spectrum(run))
        draw_components(run, paper,
                        (edx_box){left, top, EDX_A4_WIDTH - EDX_MARGIN - left, height + 4});
    return bottom;
}
