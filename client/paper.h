/* Pages of vector graphics, as PDF or PNG. Lengths are points (1/72 inch) from the upper left. The
 * one file behind this header is the only one of the clients that includes cairo. */
#ifndef EDX_CLIENT_PAPER_H
#define EDX_CLIENT_PAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "proto/status.h"

#define EDX_A4_WIDTH 595.276
#define EDX_A4_HEIGHT 841.89

typedef struct edx_paper edx_paper;
typedef enum edx_paper_kind { EDX_PDF, EDX_PNG } edx_paper_kind;

typedef struct edx_box {
    double x, y, w, h;
} edx_box;

/* Pages of width x height that go to a file (the caller's, open until finish); a PNG is one page of
 * dpi. NOMEM. */
edx_status edx_paper_new(edx_paper_kind kind, FILE *to, double width, double height, double dpi,
                         edx_paper **out, edx_error *err);
void edx_paper_next(edx_paper *paper); /* page */
/* Writes what is left. The first error of all that was drawn: NOMEM, IO. Frees the instance. */
edx_status edx_paper_finish(edx_paper **paper, edx_error *err);
void edx_paper_free(edx_paper **paper);

/* 0xRRGGBB and opacity of all that follows. */
void edx_paper_ink(edx_paper *paper, uint32_t rgb, double alpha);
/* Dashes of that length for lines that follow; 0: none. */
void edx_paper_dash(edx_paper *paper, double length);
void edx_paper_clip(edx_paper *paper, edx_box box);
void edx_paper_unclip(edx_paper *paper);

void edx_paper_line(edx_paper *paper, double x0, double y0, double x1, double y1, double width);
void edx_paper_path(edx_paper *paper, const double (*xy)[2], size_t n, double width);
void edx_paper_area(edx_paper *paper, const double (*xy)[2], size_t n);
void edx_paper_fill(edx_paper *paper, edx_box box);
void edx_paper_frame(edx_paper *paper, edx_box box, double width);
void edx_paper_dot(edx_paper *paper, double x, double y, double radius);
void edx_paper_circle(edx_paper *paper, double x, double y, double radius, double width);
/* Slanting lines, spacing apart. */
void edx_paper_hatch(edx_paper *paper, edx_box box, double spacing, double width);
/* Pixels 0xAARRGGBB (not premultiplied) [rows, cols], sharp; those of no opacity show what is
 * below. */
void edx_paper_pixels(edx_paper *paper, edx_box box, const uint32_t *pixels, uint64_t rows,
                      uint64_t cols);

typedef enum edx_style {
    EDX_LEFT = 0,
    EDX_CENTRE = 1,
    EDX_RIGHT = 2,
    EDX_BOLD = 4,
    EDX_UPWARD = 8 /* turned by a quarter */
} edx_style;

/* Text whose base line starts, has its middle or ends at (x, y). */
void edx_paper_text(edx_paper *paper, double x, double y, double size, int style, const char *text);
__attribute__((format(printf, 6, 7))) void
edx_paper_print(edx_paper *paper, double x, double y, double size, int style, const char *fmt, ...);
double edx_paper_width(edx_paper *paper, double size, int style, const char *text);

#endif
