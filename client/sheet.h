/* What the parts of a report share: colours, curves out of arrays, pages into files. */
#ifndef EDX_CLIENT_SHEET_H
#define EDX_CLIENT_SHEET_H

#include "client/axes.h"
#include "client/gather.h"
#include "client/series.h"
#include "client/verdict.h"

#define EDX_MARGIN 32.0
#define EDX_SMALL 6.5 /* letters of ticks and legends */
#define EDX_NORMAL 8.0
#define EDX_LARGE 14.0
#define EDX_BLACK 0x222222u
#define EDX_GREY 0x777777u
#define EDX_PALE 0xe6e6e6u
#define EDX_RED 0xb3261eu

/* Colour i of curves, and of cividis where part is 0 to 1. */
uint32_t edx_sheet_colour(size_t i);
uint32_t edx_sheet_cividis(double part);

/* One row of an array [n, m] with its error, all times 100 (percent). */
typedef struct edx_trace {
    size_t n;
    double *x, *y, *sigma; /* one block, at x */
} edx_trace;

/* From value and sigma [n, m], row i; n 0 where there is no such row or no memory. */
edx_trace edx_trace_percent(const edx_array *x, const edx_array *value, const edx_array *sigma,
                            uint64_t i);
void edx_trace_free(edx_trace *curve);

/* How many elements of n need a curve: of two, one says all. */
static inline uint32_t edx_sheet_shown(uint32_t n)
{
    return n == 2 ? 1 : n;
}

/* Draws page number page (from 0) of a document. */
typedef void edx_draw_page(const void *document, edx_paper *paper, size_t page);

/* Writes <dir>/<name>.pdf of all pages and <name>.png, <name>-2.png ... of each, A4 upright. */
edx_status edx_sheet_write(const void *document, size_t pages, edx_draw_page *draw, const char *dir,
                           const char *name, edx_error *err);

/* The parts of a run's report; each is drawn from y down and returns where it ends. */
double edx_sheet_tiles(const edx_gathered *run, edx_paper *paper, double y);
double edx_sheet_spectrum(const edx_gathered *run, edx_paper *paper, double y);
double edx_sheet_radial(const edx_gathered *run, const edx_particle *particle, edx_paper *paper,
                        double y);
double edx_sheet_components(const edx_gathered *run, edx_paper *paper, double y, double bottom);

#endif
