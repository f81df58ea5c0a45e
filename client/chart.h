/* Curves in cells: axes with numbers, points with error bars, lines, bands. */
#ifndef EDX_CLIENT_CHART_H
#define EDX_CLIENT_CHART_H

#include "client/canvas.h"

typedef struct edx_chart {
    edx_canvas *canvas;
    edx_area plot; /* the cells of the points */
    double x[2];   /* values at the middle of the first and of the last column */
    double y[2];   /* at the lower edge and at the upper edge */
    bool log_y;    /* y holds powers of ten */
    bool faint;    /* stale: no colour */
} edx_chart;

/* Columns that the numbers at the left take. */
#define EDX_CHART_MARGIN 7

/* Lays a chart over area: numbers at the left, those of x in the last row. Draws nothing. */
edx_chart edx_chart_fit(edx_canvas *canvas, edx_area area, const double x[2], const double y[2]);
/* Numbers of both axes, the unit of x at its end. */
void edx_chart_axes(const edx_chart *chart, const char *x_unit);
/* Numbers of y alone. */
void edx_chart_axis_y(const edx_chart *chart);

/* The column of x, of the canvas; -1 outside. */
int edx_chart_col(const edx_chart *chart, double x);
/* What the middle of a column of the canvas stands for. */
double edx_chart_x(const edx_chart *chart, int col);
/* Rows from the upper edge down to y, in parts; NaN for NaN. */
double edx_chart_depth(const edx_chart *chart, double y);

/* A glyph at (column, y); outside it is left out. */
void edx_chart_point(const edx_chart *chart, int col, double y, uint32_t glyph, edx_role role);
/* An error bar round y: heavy to one sigma, light to three. */
void edx_chart_bar(const edx_chart *chart, int col, double y, double sigma, edx_role role);
/* One column of a curve, to a third of a row. */
void edx_chart_dash(const edx_chart *chart, int col, double y, edx_role role);
/* One column of a shaded band. */
void edx_chart_band(const edx_chart *chart, int col, double low, double high, edx_role role);
/* A dashed line across. */
void edx_chart_across(const edx_chart *chart, double y, edx_role role);
/* Slanting lines where nothing else is: not to be trusted. */
void edx_chart_hatch(const edx_chart *chart);

/* Room round [low, high]: a tenth, at least least; [0, least] for NaN. */
void edx_chart_room(double low, double high, double least, double out[2]);

#endif
