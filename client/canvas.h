/* A grid of character cells in memory, and its way to a terminal as bytes. */
#ifndef EDX_CLIENT_CANVAS_H
#define EDX_CLIENT_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/palette.h"

#define EDX_BOLD 1u
#define EDX_DIM 2u
#define EDX_REVERSE 4u

typedef struct edx_cell {
    uint32_t glyph; /* a code point one column wide */
    edx_colour fg, bg;
    uint8_t attr;
} edx_cell;

typedef struct edx_canvas {
    int rows, cols;
    edx_depth depth;
    edx_cell *cells; /* [rows * cols] */
} edx_canvas;

/* Where to draw: the half-open rectangle from (row, col). */
typedef struct edx_area {
    int row, col, rows, cols;
} edx_area;

/* Blank; NULL without memory. */
edx_canvas *edx_canvas_new(int rows, int cols, edx_depth depth);
void edx_canvas_free(edx_canvas **canvas);
void edx_canvas_clear(edx_canvas *canvas);

/* NULL outside the grid. */
edx_cell *edx_canvas_at(edx_canvas *canvas, int row, int col);
/* Whatever is outside the grid is left out. */
void edx_canvas_put(edx_canvas *canvas, int row, int col, uint32_t glyph, edx_role role);
/* Writes UTF-8 text in at most width columns; longer text ends in an ellipsis. Control characters
 * and bytes that are no UTF-8 show as '?'. Returns the columns used. */
int edx_canvas_text(edx_canvas *canvas, int row, int col, int width, edx_role role,
                    const char *text);
int edx_canvas_printf(edx_canvas *canvas, int row, int col, int width, edx_role role,
                      const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Text that ends at column end (exclusive). */
void edx_canvas_right(edx_canvas *canvas, int row, int end, edx_role role, const char *text);
/* Ground of a whole area. */
void edx_canvas_ground(edx_canvas *canvas, edx_area area, edx_role ground);
/* Columns that UTF-8 text takes. */
int edx_text_width(const char *text);

/* Bytes of text that fill at most width columns, up to a blank where there is one. */
size_t edx_text_fold(const char *text, int width);

/* Bytes that grow; data is terminated. */
typedef struct edx_bytes {
    char *data;
    size_t size, capacity;
    bool failed; /* no memory */
} edx_bytes;

void edx_bytes_clear(edx_bytes *bytes);
void edx_bytes_free(edx_bytes *bytes);

/* Appends what turns the terminal's picture from before (NULL: unknown, everything is sent) into
 * now; both have the same size. */
void edx_canvas_delta(const edx_canvas *before, const edx_canvas *now, edx_bytes *out);
/* Appends the canvas as lines of text; with colour sequences unless the depth is mono. Blanks at
 * the ends of lines are left out. */
void edx_canvas_lines(const edx_canvas *canvas, edx_bytes *out);

#endif
