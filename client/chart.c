#include "client/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "client/number.h"

#define ROWS_A_TICK 3
#define COLS_A_TICK 9
#define SHADE 0x2591u
#define DASHED 0x254cu
#define AXIS 0x2502u

edx_chart edx_chart_fit(edx_canvas *canvas, edx_area area, const double x[2], const double y[2])
{
    edx_chart chart = {.canvas = canvas, .x = {x[0], x[1]}, .y = {y[0], y[1]}};
    int rows = area.rows - 1, cols = area.cols - EDX_CHART_MARGIN;
    chart.plot =
        (edx_area){area.row, area.col + EDX_CHART_MARGIN, rows < 0 ? 0 : rows, cols < 0 ? 0 : cols};
    return chart;
}

void edx_chart_room(double low, double high, double least, double out[2])
{
    bool known = isfinite(low) && isfinite(high);
    double margin = known ? fmax(least, 0.1 * (high - low)) : 0;
    out[0] = known ? low - margin : 0;
    out[1] = known ? high + margin : least;
}

/* ---- where ---- */

int edx_chart_col(const edx_chart *chart, double x)
{
    double span = chart->x[1] - chart->x[0];
    double part = span > 0 ? (x - chart->x[0]) / span : 0.5;
    if (!(part >= -1e-9 && part <= 1 + 1e-9) || chart->plot.cols < 1)
        return -1;
    return chart->plot.col + (int)lround(part * (chart->plot.cols - 1));
}

double edx_chart_x(const edx_chart *chart, int col)
{
    double part =
        chart->plot.cols > 1 ? (double)(col - chart->plot.col) / (double)(chart->plot.cols - 1) : 0;
    return chart->x[0] + part * (chart->x[1] - chart->x[0]);
}

double edx_chart_depth(const edx_chart *chart, double y)
{
    double value = chart->log_y ? y > 0 ? log10(y) : (double)NAN : y;
    return (chart->y[1] - value) / (chart->y[1] - chart->y[0]) * chart->plot.rows;
}

static edx_role role_of(const edx_chart *chart, edx_role role)
{
    return chart->faint ? EDX_FAINT : role;
}

/* The row of the canvas at a depth, the edges belonging to the rows inside; -1 outside. */
static int row_at(const edx_chart *chart, double depth)
{
    if (!(depth >= -1e-9 && depth <= chart->plot.rows + 1e-9))
        return -1;
    int row = (int)floor(depth);
    row = row < 0 ? 0 : row >= chart->plot.rows ? chart->plot.rows - 1 : row;
    return chart->plot.row + row;
}

/* ---- axes ---- */

static void tick_y(const edx_chart *chart, double y, const char *text)
{
    int row = row_at(chart, edx_chart_depth(chart, chart->log_y ? pow(10, y) : y));
    if (row < 0)
        return;
    edx_canvas_right(chart->canvas, row, chart->plot.col - 1, EDX_FAINT, text);
    edx_canvas_put(chart->canvas, row, chart->plot.col - 1, 0x2524u, EDX_FAINT);
}

static int ticks_in(const double range[2], double step)
{
    return (int)(floor(range[1] / step) - ceil(range[0] / step)) + 1;
}

/* The finest step that leaves each tick its room, but two ticks at least. */
static double tick_step(const double range[2], int cells, int cells_a_tick)
{
    int most = cells / cells_a_tick;
    double step = edx_number_step(range[1] - range[0]);
    while (ticks_in(range, edx_number_step(0.6 * step)) <= (most < 2 ? 2 : most) ||
           ticks_in(range, step) < 2)
        step = edx_number_step(0.6 * step);
    return step;
}

static void power_text(char *out, size_t size, int exponent)
{
    static const char *const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    int n = exponent < 0 ? -exponent : exponent;
    snprintf(out, size, "10%s%s%s", exponent < 0 ? "⁻" : "", n > 9 ? digits[n / 10 % 10] : "",
             digits[n % 10]);
}

void edx_chart_axis_y(const edx_chart *chart)
{
    char text[EDX_NUMBER];
    double span = chart->y[1] - chart->y[0];
    if (chart->plot.rows < 1 || !(span > 0) || !isfinite(span))
        return;
    for (int i = 0; i < chart->plot.rows; i++)
        edx_canvas_put(chart->canvas, chart->plot.row + i, chart->plot.col - 1, AXIS, EDX_FAINT);
    double step = tick_step(chart->y, chart->plot.rows, ROWS_A_TICK);
    if (chart->log_y)
        step = fmax(1, ceil(2 * span / chart->plot.rows));
    for (double y = ceil(chart->y[0] / step) * step; y <= chart->y[1] + 1e-9 * span; y += step) {
        if (chart->log_y)
            power_text(text, sizeof text, (int)lround(y));
        else
            snprintf(text, sizeof text, "%g", fabs(y) < step / 2 ? 0 : y);
        tick_y(chart, y, text);
    }
}

void edx_chart_axes(const edx_chart *chart, const char *x_unit)
{
    double span = chart->x[1] - chart->x[0];
    int row = chart->plot.row + chart->plot.rows, end = chart->plot.col + chart->plot.cols;
    int last = end - edx_text_width(x_unit) - 3;
    edx_chart_axis_y(chart);
    edx_canvas_right(chart->canvas, row, end - 2, EDX_FAINT,
                     x_unit); /* a cursor may stand behind */
    if (!(span > 0) || !isfinite(span))
        return;
    double step = tick_step(chart->x, chart->plot.cols, COLS_A_TICK);
    for (double x = ceil(chart->x[0] / step) * step; x <= chart->x[1] + 1e-9 * span; x += step) {
        char text[EDX_NUMBER];
        snprintf(text, sizeof text, "%g", fabs(x) < step / 2 ? 0 : x);
        int col = edx_chart_col(chart, x), width = edx_text_width(text);
        if (col >= 0 && col + width <= last)
            edx_canvas_text(chart->canvas, row, col, width, EDX_FAINT, text);
    }
}

/* ---- marks ---- */

void edx_chart_point(const edx_chart *chart, int col, double y, uint32_t glyph, edx_role role)
{
    int row = row_at(chart, edx_chart_depth(chart, y));
    if (row >= 0 && col >= chart->plot.col && col < chart->plot.col + chart->plot.cols)
        edx_canvas_put(chart->canvas, row, col, glyph, role_of(chart, role));
}

/* 2, 1 or 0: heavy, light or nothing at a depth. */
static unsigned weight_at(double depth, double middle, double sigma)
{
    double distance = fabs(depth - middle);
    return distance <= sigma ? 2 : distance <= 3 * sigma ? 1 : 0;
}

/* Box drawing by the weights of the upper and of the lower half. */
static uint32_t stem(unsigned upper, unsigned lower)
{
    static const uint32_t glyphs[3][3] = {
        {0, 0x2577, 0x257b}, {0x2575, 0x2502, 0x257d}, {0x2579, 0x257f, 0x2503}};
    return glyphs[upper][lower];
}

void edx_chart_bar(const edx_chart *chart, int col, double y, double sigma, edx_role role)
{
    double middle = edx_chart_depth(chart, y);
    double width = sigma / (chart->y[1] - chart->y[0]) * chart->plot.rows;
    if (!isfinite(middle) || !(width > 0))
        return;
    for (int i = 0; i < chart->plot.rows; i++) {
        uint32_t glyph =
            stem(weight_at(i + 0.25, middle, width), weight_at(i + 0.75, middle, width));
        if (glyph)
            edx_canvas_put(chart->canvas, chart->plot.row + i, col, glyph, role_of(chart, role));
    }
}

void edx_chart_dash(const edx_chart *chart, int col, double y, edx_role role)
{
    static const uint32_t lines[] = {0x2594, 0x2500, 0x2581};
    double depth = edx_chart_depth(chart, y);
    int row = row_at(chart, depth);
    if (row < 0)
        return;
    int part = (int)((depth - (row - chart->plot.row)) * 3);
    part = part < 0 ? 0 : part > 2 ? 2 : part;
    edx_canvas_put(chart->canvas, row, col, lines[part], role_of(chart, role));
}

void edx_chart_band(const edx_chart *chart, int col, double low, double high, edx_role role)
{
    double top = edx_chart_depth(chart, high), bottom = edx_chart_depth(chart, low);
    for (int i = 0; i < chart->plot.rows; i++)
        if (i + 0.5 >= top && i + 0.5 <= bottom)
            edx_canvas_put(chart->canvas, chart->plot.row + i, col, SHADE, role_of(chart, role));
}

void edx_chart_across(const edx_chart *chart, double y, edx_role role)
{
    for (int i = 0; i < chart->plot.cols; i++)
        edx_chart_point(chart, chart->plot.col + i, y, DASHED, role);
}

void edx_chart_hatch(const edx_chart *chart)
{
    uint32_t glyph = chart->canvas->depth == EDX_MONO ? '/' : EDX_GLYPH_MISSING;
    for (int i = 0; i < chart->plot.rows; i++)
        for (int k = (i % 2) * 3; k < chart->plot.cols; k += 6) {
            edx_cell *cell = edx_canvas_at(chart->canvas, chart->plot.row + i, chart->plot.col + k);
            if (cell && cell->glyph == ' ')
                edx_canvas_put(chart->canvas, chart->plot.row + i, chart->plot.col + k, glyph,
                               EDX_FAINT);
        }
}
