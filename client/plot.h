/* Drawings in cells: a map with its colour bar and scale bar, a bar. */
#ifndef EDX_CLIENT_PLOT_H
#define EDX_CLIENT_PLOT_H

#include "client/canvas.h"
#include "client/picture.h"

/* How a picture is laid over cells, and what its colours mean. */
typedef struct edx_map {
    edx_picture picture;
    edx_measure measure;
    double range[2]; /* NaN: nothing to show */
    bool faded;      /* stale: no colour */
    edx_area area;   /* the cells the map takes, none when there is nothing */
    int samples;     /* samples from top to bottom: two a row where halves are drawn */
} edx_map;

/* Fits the picture into area at its true aspect, whole cells per pixel where that costs little. */
edx_map edx_map_fit(const edx_picture *picture, edx_measure measure, edx_area area,
                    edx_depth depth);
/* Missing pixels are hatched. Those whose sigma is a large part of the range turn grey, or are
 * crossed out where there is no colour to lose. */
void edx_map_draw(const edx_map *map, edx_canvas *canvas);
/* Marks the pixel. */
void edx_map_cursor(const edx_map *map, edx_canvas *canvas, uint64_t row, uint64_t col);
/* "0 [colours] 124 counts   |---| 4 nm" in one row. */
void edx_map_legend(const edx_map *map, edx_canvas *canvas, edx_area area);

/* A bar of width columns filled to part (0 to 1). */
void edx_bar_draw(edx_canvas *canvas, int row, int col, int width, double part, edx_role role);

#endif
