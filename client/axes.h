/* A diagram on a page: a frame with ticks, curves, bands, points. */
#ifndef EDX_CLIENT_AXES_H
#define EDX_CLIENT_AXES_H

#include "client/paper.h"

typedef struct edx_axes {
    edx_paper *paper;
    edx_box box;         /* the frame */
    double x[2], y[2];   /* values at its ends, ascending */
    bool logarithmic;    /* y */
    const char *x_label; /* NULL: neither label nor numbers */
    const char *y_label;
    double size; /* of letters */
} edx_axes;

double edx_axes_x(const edx_axes *axes, double value);
double edx_axes_y(const edx_axes *axes, double value);

/* Ticks, numbers, labels and the frame itself; drawn last it stands above the curves. */
void edx_axes_frame(const edx_axes *axes);

/* Points that are NaN interrupt a curve or band; all is cut at the frame. */
void edx_axes_curve(const edx_axes *axes, const double *x, const double *y, size_t n, double width);
/* Between y - times * sigma and y + times * sigma. */
void edx_axes_band(const edx_axes *axes, const double *x, const double *y, const double *sigma,
                   size_t n, double times);
void edx_axes_points(const edx_axes *axes, const double *x, const double *y, size_t n,
                     double radius);
void edx_axes_bars(const edx_axes *axes, const double *x, const double *y, const double *sigma,
                   size_t n, double times, double width);
void edx_axes_level(const edx_axes *axes, double y, double width);
void edx_axes_upright(const edx_axes *axes, double x, double width);

/* A step of 1, 2 or 5 times a power of ten that divides span into at most most parts. */
double edx_nice_step(double span, double most);

#endif
