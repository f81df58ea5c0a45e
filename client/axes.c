#include "client/axes.h"

#include <math.h>

#define TICK 2.5
#define INK 0x222222u
#define MAX_TICKS 64

double edx_nice_step(double span, double most)
{
    const double least = span / most, decade = pow(10, floor(log10(least)));
    const double times = least / decade;
    return decade * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

double edx_axes_x(const edx_axes *a, double value)
{
    return a->box.x + a->box.w * (value - a->x[0]) / (a->x[1] - a->x[0]);
}

double edx_axes_y(const edx_axes *a, double value)
{
    double part = (value - a->y[0]) / (a->y[1] - a->y[0]);
    if (a->logarithmic)
        part = (log(fmax(value, a->y[0] / 10)) - log(a->y[0])) / (log(a->y[1]) - log(a->y[0]));
    return a->box.y + a->box.h * (1 - part);
}

/* ---- frame ---- */

static int decimals_of(double step)
{
    const int decimals = (int)ceil(-log10(step) - 1e-9);
    return decimals > 0 ? decimals : 0;
}

static void tick_x(const edx_axes *a, double value, int decimals)
{
    const double x = edx_axes_x(a, value), bottom = a->box.y + a->box.h;
    edx_paper_line(a->paper, x, bottom, x, bottom - TICK, 0.5);
    if (a->x_label)
        edx_paper_print(a->paper, x, bottom + a->size + 1, a->size, EDX_CENTRE, "%.*f", decimals,
                        fabs(value) < 1e-9 ? 0 : value);
}

static void ticks_x(const edx_axes *a)
{
    const double step = edx_nice_step(a->x[1] - a->x[0], fmax(2, a->box.w / (4 * a->size)));
    const double first = ceil(a->x[0] / step - 1e-9);
    for (int i = 0; i < MAX_TICKS && (first + i) * step <= a->x[1] + 1e-9 * step; i++)
        tick_x(a, (first + i) * step, decimals_of(step));
}

static void ticks_y(const edx_axes *a)
{
    const double step = edx_nice_step(a->y[1] - a->y[0], fmax(2, a->box.h / (2.5 * a->size)));
    const double first = ceil(a->y[0] / step - 1e-9);
    for (int i = 0; i < MAX_TICKS && (first + i) * step <= a->y[1] + 1e-9 * step; i++) {
        const double value = (first + i) * step, y = edx_axes_y(a, value);
        edx_paper_line(a->paper, a->box.x, y, a->box.x + TICK, y, 0.5);
        if (a->y_label)
            edx_paper_print(a->paper, a->box.x - 2.5, y + 0.35 * a->size, a->size, EDX_RIGHT,
                            "%.*f", decimals_of(step), fabs(value) < 1e-9 ? 0 : value);
    }
}

static void power_text(int power, char out[32])
{
    static const char *const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    const int size = power < 0 ? -power : power;
    snprintf(out, 32, "10%s%s%s", power < 0 ? "⁻" : "", size > 9 ? digits[size / 10 % 10] : "",
             digits[size % 10]);
}

static void ticks_log(const edx_axes *a)
{
    char text[32];
    const int first = (int)ceil(log10(a->y[0]) - 1e-9), last = (int)floor(log10(a->y[1]) + 1e-9);
    const int every = (int)ceil((last - first + 1) * 2.0 * a->size / a->box.h);
    for (int power = first; power <= last && power < first + MAX_TICKS; power++) {
        const double y = edx_axes_y(a, pow(10, power));
        edx_paper_line(a->paper, a->box.x, y, a->box.x + TICK, y, 0.5);
        power_text(power, text);
        if (a->y_label && (power - first) % (every > 0 ? every : 1) == 0)
            edx_paper_text(a->paper, a->box.x - 2.5, y + 0.35 * a->size, a->size, EDX_RIGHT, text);
    }
}

void edx_axes_frame(const edx_axes *a)
{
    edx_paper_dash(a->paper, 0);
    edx_paper_ink(a->paper, INK, 1);
    edx_paper_frame(a->paper, a->box, 0.6);
    ticks_x(a);
    if (a->logarithmic)
        ticks_log(a);
    else
        ticks_y(a);
    if (a->x_label)
        edx_paper_text(a->paper, a->box.x + a->box.w / 2, a->box.y + a->box.h + 2.2 * a->size + 1,
                       a->size, EDX_CENTRE, a->x_label);
    if (a->y_label)
        edx_paper_text(a->paper, a->box.x - 3.2 * a->size, a->box.y + a->box.h / 2, a->size,
                       EDX_CENTRE | EDX_UPWARD, a->y_label);
}

/* ---- what is inside ---- */

/* The end of the run of known points that begins at i. */
static size_t run_end(const double *y, const double *sigma, size_t i, size_t n)
{
    while (i < n && isfinite(y[i]) && (!sigma || isfinite(sigma[i])))
        i++;
    return i;
}

#define PIECE 512 /* points drawn at once */

void edx_axes_curve(const edx_axes *a, const double *x, const double *y, size_t n, double width)
{
    double xy[PIECE][2];
    edx_paper_clip(a->paper, a->box);
    for (size_t i = 0; i < n; i++) {
        const size_t end = run_end(y, NULL, i, n);
        while (i + 1 < end) { /* pieces share their end points */
            size_t m = 0;
            for (; m < PIECE && i + m < end; m++) {
                xy[m][0] = edx_axes_x(a, x[i + m]);
                xy[m][1] = edx_axes_y(a, y[i + m]);
            }
            edx_paper_path(a->paper, (const double(*)[2])xy, m, width);
            i += m - 1;
        }
        i = end;
    }
    edx_paper_unclip(a->paper);
}

void edx_axes_band(const edx_axes *a, const double *x, const double *y, const double *sigma,
                   size_t n, double times)
{
    double xy[PIECE][2];
    edx_paper_clip(a->paper, a->box);
    for (size_t i = 0; i < n; i++) {
        size_t end = run_end(y, sigma, i, n), m = 0;
        end = end - i > PIECE / 2 ? i + PIECE / 2 : end;
        for (size_t j = i; j < end; j++, m++) {
            xy[m][0] = edx_axes_x(a, x[j]);
            xy[m][1] = edx_axes_y(a, y[j] + times * sigma[j]);
        }
        for (size_t j = end; j > i; j--, m++) {
            xy[m][0] = edx_axes_x(a, x[j - 1]);
            xy[m][1] = edx_axes_y(a, y[j - 1] - times * sigma[j - 1]);
        }
        edx_paper_area(a->paper, (const double(*)[2])xy, m);
        i = end;
    }
    edx_paper_unclip(a->paper);
}

void edx_axes_points(const edx_axes *a, const double *x, const double *y, size_t n, double radius)
{
    edx_paper_clip(a->paper, a->box);
    for (size_t i = 0; i < n; i++)
        if (isfinite(y[i]))
            edx_paper_dot(a->paper, edx_axes_x(a, x[i]), edx_axes_y(a, y[i]), radius);
    edx_paper_unclip(a->paper);
}

void edx_axes_bars(const edx_axes *a, const double *x, const double *y, const double *sigma,
                   size_t n, double times, double width)
{
    edx_paper_clip(a->paper, a->box);
    for (size_t i = 0; i < n; i++) {
        const double at = edx_axes_x(a, x[i]);
        if (isfinite(y[i]) && isfinite(sigma[i]))
            edx_paper_line(a->paper, at, edx_axes_y(a, y[i] - times * sigma[i]), at,
                           edx_axes_y(a, y[i] + times * sigma[i]), width);
    }
    edx_paper_unclip(a->paper);
}

void edx_axes_level(const edx_axes *a, double y, double width)
{
    const double at = edx_axes_y(a, y);
    if (y >= a->y[0] && y <= a->y[1])
        edx_paper_line(a->paper, a->box.x, at, a->box.x + a->box.w, at, width);
}

void edx_axes_upright(const edx_axes *a, double x, double width)
{
    const double at = edx_axes_x(a, x);
    if (x >= a->x[0] && x <= a->x[1])
        edx_paper_line(a->paper, at, a->box.y, at, a->box.y + a->box.h, width);
}
