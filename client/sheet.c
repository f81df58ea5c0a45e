#include "client/sheet.h"

#include <math.h>
#include <stdlib.h>

#include "client/outfile.h"
#include "client/palette.h"

#define PNG_DPI 200.0

uint32_t edx_sheet_colour(size_t i)
{
    /* Okabe and Ito's, told apart by those who see few colours. */
    static const uint32_t colours[] = {0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7,
                                       0x56b4e9, 0xe69f00, 0x000000};
    return colours[i % (sizeof colours / sizeof *colours)];
}

uint32_t edx_sheet_cividis(double part)
{
    const int last = edx_palette_levels(EDX_TRUECOLOUR) - 1;
    const double at = fmin(fmax(part, 0), 1) * last;
    const int level = at >= last ? last - 1 : (int)at;
    const uint32_t a = EDX_COLOUR_VALUE(edx_palette_map(EDX_TRUECOLOUR, level, 0));
    const uint32_t b = EDX_COLOUR_VALUE(edx_palette_map(EDX_TRUECOLOUR, level + 1, 0));
    uint32_t out = 0;
    for (int shift = 0; shift < 24; shift += 8) {
        const double x = a >> shift & 255, y = b >> shift & 255;
        out |= (uint32_t)lround(x + (y - x) * (at - level)) << shift;
    }
    return out;
}

edx_trace edx_trace_percent(const edx_array *x, const edx_array *value, const edx_array *sigma,
                            uint64_t i)
{
    edx_trace out = {0};
    const uint64_t m = x->ndim == 1 ? x->shape[0] : 0;
    if (!m || value->ndim != 2 || sigma->ndim != 2 || i >= value->shape[0] ||
        i >= sigma->shape[0] || value->shape[1] != m || sigma->shape[1] != m)
        return out;
    out.x = malloc(3 * m * sizeof *out.x);
    if (!out.x)
        return out;
    out.n = m;
    out.y = out.x + m;
    out.sigma = out.y + m;
    for (uint64_t j = 0; j < m; j++) {
        out.x[j] = edx_array_get(x, j);
        out.y[j] = 100 * edx_array_get(value, i * m + j);
        out.sigma[j] = 100 * edx_array_get(sigma, i * m + j);
    }
    return out;
}

void edx_trace_free(edx_trace *curve)
{
    free(curve->x);
    *curve = (edx_trace){0};
}

/* ---- files ---- */

typedef struct job {
    const void *document;
    size_t first, last; /* pages */
    edx_draw_page *draw;
} job;

static edx_status write_file(const job *j, edx_paper_kind kind, const char *dir, const char *name,
                             edx_error *err)
{
    edx_outfile out;
    edx_paper *paper = NULL;
    edx_status status = edx_outfile_open(&out, dir, name, err);
    if (status)
        return status;
    status = edx_paper_new(kind, out.file, EDX_A4_WIDTH, EDX_A4_HEIGHT, PNG_DPI, &paper, err);
    for (size_t page = j->first; !status && page < j->last; page++) {
        j->draw(j->document, paper, page);
        if (kind == EDX_PDF)
            edx_paper_next(paper);
    }
    if (!status)
        status = edx_paper_finish(&paper, err);
    if (!status)
        return edx_outfile_commit(&out, err);
    edx_error_prefix(err, "%.180s", out.path);
    edx_outfile_drop(&out);
    return status;
}

edx_status edx_sheet_write(const void *document, size_t pages, edx_draw_page *draw, const char *dir,
                           const char *name, edx_error *err)
{
    char file[64];
    job j = {document, 0, pages, draw};
    snprintf(file, sizeof file, "%.40s.pdf", name);
    edx_status status = write_file(&j, EDX_PDF, dir, file, err);
    for (size_t page = 0; !status && page < pages; page++) {
        if (page == 0)
            snprintf(file, sizeof file, "%.30s.png", name);
        else
            snprintf(file, sizeof file, "%.30s-%zu.png", name, page + 1);
        j.first = page;
        j.last = page + 1;
        status = write_file(&j, EDX_PNG, dir, file, err);
    }
    return status;
}
