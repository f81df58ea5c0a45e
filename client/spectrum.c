#include "client/spectrum.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "client/number.h"

#define XRAYS_FROM_EV 100.0 /* below, an axis that starts under 0 has its strobe peak */
#define EIGHTH 0x2580u      /* one to eight eighths of a cell from below: 0x2581 to 0x2588 */
#define LEAST 1e-300
#define SIGNED 1e-3 /* of the largest: what is further below zero counts */

/* A spectrum over the columns of an area. */
typedef struct curve {
    const edx_array *values;
    uint64_t first, n; /* elements of values */
    int width;         /* columns */
    double low, high;  /* the axis at its ends */
    const char *unit;
} curve;

/* The mean of the channels under column x. */
static double column(const curve *c, int x)
{
    uint64_t from = c->n * (uint64_t)x / (uint64_t)c->width, n = (uint64_t)c->width;
    uint64_t to = c->n * (uint64_t)(x + 1) / n;
    double total = 0;
    to = to > from ? to : from + 1;
    for (uint64_t i = from; i < to; i++)
        total += edx_array_get(c->values, c->first + i);
    return total / (double)(to - from);
}

static uint64_t first_channel(const edx_spectrum_result *axis, uint64_t channels)
{
    double channel = (XRAYS_FROM_EV - axis->offset_eV) / axis->scale_eV;
    if (!(axis->offset_eV < 0) || !(channel > 0) || channel >= (double)channels)
        return 0;
    return (uint64_t)ceil(channel);
}

/* Over row plane of values, of E channels; axis may be NULL. */
static curve curve_of(const edx_array *values, uint64_t plane, uint64_t channels,
                      const edx_spectrum_result *axis, int width)
{
    bool energies = axis && axis->scale_eV > 0;
    uint64_t skipped = energies ? first_channel(axis, channels) : 0;
    curve c = {.values = values,
               .first = plane * channels + skipped,
               .n = channels - skipped,
               .width = width,
               .high = (double)channels,
               .unit = "channel"};
    if (energies) {
        c.low = (axis->offset_eV + (double)skipped * axis->scale_eV) / 1e3;
        c.high = (axis->offset_eV + (double)channels * axis->scale_eV) / 1e3;
        c.unit = "keV";
    }
    return c;
}

static void extremes(const curve *c, double *lowest, double *highest)
{
    *lowest = *highest = 0;
    for (int x = 0; x < c->width; x++) {
        *lowest = fmin(*lowest, column(c, x));
        *highest = fmax(*highest, column(c, x));
    }
}

static void draw_up(edx_canvas *canvas, int bottom, int col, int eighths)
{
    for (int row = bottom; eighths > 0; row--, eighths -= 8)
        edx_canvas_put(canvas, row, col, EIGHTH + (uint32_t)(eighths < 8 ? eighths : 8), EDX_PLOT);
}

/* Downwards there are glyphs for an eighth, a half and a whole. */
static void draw_down(edx_canvas *canvas, int top, int col, int eighths)
{
    for (int row = top; eighths > 0; row++, eighths -= 8)
        edx_canvas_put(canvas, row, col,
                       eighths < 3   ? 0x2594u
                       : eighths < 7 ? 0x2580u
                                     : 0x2588u,
                       EDX_SERIES_2);
}

/* Counts as their square root, what has both signs as it is. */
static double height(double value, bool both)
{
    return both ? value : sqrt(fmax(value, 0));
}

static void draw_columns(const curve *c, edx_canvas *canvas, edx_area area)
{
    double lowest, highest;
    extremes(c, &lowest, &highest);
    bool both = lowest < -SIGNED * highest;
    double up = height(highest, both), down = both ? -height(lowest, both) : 0;
    int below = both ? (int)lround(area.rows * down / (up + down)) : 0;
    below = both && below < 1 ? 1 : below >= area.rows ? area.rows - 1 : below;
    int rows = area.rows - below;
    double scale = rows / fmax(up, LEAST);
    if (both)
        scale = fmin(scale, below / down);
    for (int x = 0; x < c->width; x++) {
        double value = height(column(c, x), both);
        int eighths = (int)lround(8 * scale * fabs(value));
        if (value > 0)
            draw_up(canvas, area.row + rows - 1, area.col + x, eighths);
        else if (both)
            draw_down(canvas, area.row + rows, area.col + x, eighths);
    }
}

static void draw_axis(const curve *c, edx_canvas *canvas, edx_area area)
{
    int unit = edx_text_width(c->unit);
    double step = edx_number_step((c->high - c->low) / 3);
    for (double x = ceil(c->low / step) * step; x <= c->high; x += step) {
        int col = (int)((x - c->low) / (c->high - c->low) * area.cols);
        char text[EDX_NUMBER];
        snprintf(text, sizeof text, "%g", fabs(x) < step / 2 ? 0 : x);
        if (col + edx_text_width(text) < area.cols - unit)
            edx_canvas_text(canvas, area.row, area.col + col, 8, EDX_FAINT, text);
    }
    edx_canvas_right(canvas, area.row, area.col + area.cols, EDX_FAINT, c->unit);
}

static void draw_curve(const curve *c, edx_canvas *canvas, edx_area area)
{
    draw_columns(c, canvas, (edx_area){area.row, area.col, area.rows - 1, area.cols});
    draw_axis(c, canvas, (edx_area){area.row + area.rows - 1, area.col, 1, area.cols});
}

/* "found Ag Au C", as many as there is room for. */
static void draw_found(const edx_spectrum_result *spectrum, edx_canvas *canvas, int row, int col,
                       int end)
{
    char text[EDX_MAX_LINES * EDX_SYMBOL_SIZE + 8] = "found";
    size_t used = strlen(text);
    for (uint32_t i = 0; i < spectrum->n_found; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " %s", spectrum->found[i]);
    if (spectrum->n_found && col + 2 < end)
        edx_canvas_text(canvas, row, col + 2, end - col - 2, EDX_FAINT, text);
}

void edx_spectrum_draw(const edx_spectrum_result *spectrum, edx_canvas *canvas, edx_area area)
{
    const edx_array *sum = &spectrum->sum;
    char text[EDX_NUMBER];
    double lowest, highest;
    if (sum->ndim != 1 || sum->shape[0] == 0 || area.rows < 3 || area.cols < 1 ||
        !(spectrum->scale_eV > 0))
        return;
    curve c = curve_of(sum, 0, sum->shape[0], spectrum, area.cols);
    extremes(&c, &lowest, &highest);
    int used = edx_canvas_printf(canvas, area.row, area.col, area.cols, EDX_FAINT,
                                 "sum spectrum, square root, to %s counts a channel",
                                 edx_number(text, highest));
    draw_found(spectrum, canvas, area.row, area.col + used, area.col + area.cols);
    draw_curve(&c, canvas, (edx_area){area.row + 1, area.col, area.rows - 1, area.cols});
}

void edx_component_draw(const edx_array *spectra, uint64_t k, const edx_spectrum_result *axis,
                        edx_canvas *canvas, edx_area area)
{
    if (spectra->ndim != 2 || k >= spectra->shape[0] || !spectra->shape[1] || area.rows < 3 ||
        area.cols < 1)
        return;
    bool same = axis && axis->sum.ndim == 1 && axis->sum.shape[0] == spectra->shape[1];
    curve c = curve_of(spectra, k, spectra->shape[1], same ? axis : NULL, area.cols);
    draw_curve(&c, canvas, area);
}
