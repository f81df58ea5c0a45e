#include "client/paper.h"

#include <cairo-pdf.h>
#include <cairo.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define FONT "sans-serif"
#define POINTS_PER_INCH 72.0

struct edx_paper {
    edx_paper_kind kind;
    FILE *to;
    double scale; /* pixels per point of a PNG */
    cairo_surface_t *surface;
    cairo_t *c;
};

static cairo_status_t put_bytes(void *to, const unsigned char *bytes, unsigned int n)
{
    return fwrite(bytes, 1, n, to) == n ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

static cairo_surface_t *make_surface(edx_paper *p, double width, double height)
{
    if (p->kind == EDX_PDF)
        return cairo_pdf_surface_create_for_stream(put_bytes, p->to, width, height);
    return cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)lround(width * p->scale),
                                      (int)lround(height * p->scale));
}

edx_status edx_paper_new(edx_paper_kind kind, FILE *to, double width, double height, double dpi,
                         edx_paper **out, edx_error *err)
{
    edx_paper *p = calloc(1, sizeof *p);
    if (!p)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a page");
    *p = (edx_paper){.kind = kind, .to = to, .scale = dpi / POINTS_PER_INCH};
    p->surface = make_surface(p, width, height);
    p->c = cairo_create(p->surface);
    if (kind == EDX_PNG)
        cairo_scale(p->c, p->scale, p->scale);
    cairo_set_source_rgb(p->c, 1, 1, 1);
    if (kind == EDX_PNG)
        cairo_paint(p->c);
    cairo_set_line_join(p->c, CAIRO_LINE_JOIN_ROUND);
    *out = p;
    return EDX_OK;
}

void edx_paper_next(edx_paper *p)
{
    cairo_show_page(p->c);
}

void edx_paper_free(edx_paper **paper)
{
    if (!*paper)
        return;
    cairo_destroy((*paper)->c);
    cairo_surface_destroy((*paper)->surface);
    free(*paper);
    *paper = NULL;
}

edx_status edx_paper_finish(edx_paper **paper, edx_error *err)
{
    edx_paper *p = *paper;
    cairo_status_t status = cairo_status(p->c);
    if (!status && p->kind == EDX_PNG)
        status = cairo_surface_write_to_png_stream(p->surface, put_bytes, p->to);
    cairo_surface_finish(p->surface);
    if (!status)
        status = cairo_surface_status(p->surface);
    edx_paper_free(paper);
    if (!status)
        return EDX_OK;
    return edx_fail(err, status == CAIRO_STATUS_WRITE_ERROR ? EDX_E_IO : EDX_E_NOMEM, "%s",
                    status == CAIRO_STATUS_WRITE_ERROR ? strerror(errno)
                                                       : cairo_status_to_string(status));
}

/* ---- how ---- */

void edx_paper_ink(edx_paper *p, uint32_t rgb, double alpha)
{
    cairo_set_source_rgba(p->c, (rgb >> 16 & 255) / 255.0, (rgb >> 8 & 255) / 255.0,
                          (rgb & 255) / 255.0, alpha);
}

void edx_paper_dash(edx_paper *p, double length)
{
    cairo_set_dash(p->c, &length, length > 0, 0);
}

void edx_paper_clip(edx_paper *p, edx_box box)
{
    cairo_save(p->c);
    cairo_rectangle(p->c, box.x, box.y, box.w, box.h);
    cairo_clip(p->c);
}

void edx_paper_unclip(edx_paper *p)
{
    cairo_restore(p->c);
}

/* ---- lines and areas ---- */

void edx_paper_line(edx_paper *p, double x0, double y0, double x1, double y1, double width)
{
    cairo_set_line_width(p->c, width);
    cairo_move_to(p->c, x0, y0);
    cairo_line_to(p->c, x1, y1);
    cairo_stroke(p->c);
}

static void trace(edx_paper *p, const double (*xy)[2], size_t n)
{
    for (size_t i = 0; i < n; i++)
        cairo_line_to(p->c, xy[i][0], xy[i][1]);
}

void edx_paper_path(edx_paper *p, const double (*xy)[2], size_t n, double width)
{
    cairo_set_line_width(p->c, width);
    trace(p, xy, n);
    cairo_stroke(p->c);
}

void edx_paper_area(edx_paper *p, const double (*xy)[2], size_t n)
{
    trace(p, xy, n);
    cairo_close_path(p->c);
    cairo_fill(p->c);
}

void edx_paper_fill(edx_paper *p, edx_box box)
{
    cairo_rectangle(p->c, box.x, box.y, box.w, box.h);
    cairo_fill(p->c);
}

void edx_paper_frame(edx_paper *p, edx_box box, double width)
{
    cairo_set_line_width(p->c, width);
    cairo_rectangle(p->c, box.x, box.y, box.w, box.h);
    cairo_stroke(p->c);
}

void edx_paper_dot(edx_paper *p, double x, double y, double radius)
{
    cairo_new_sub_path(p->c);
    cairo_arc(p->c, x, y, radius, 0, 2 * M_PI);
    cairo_fill(p->c);
}

void edx_paper_circle(edx_paper *p, double x, double y, double radius, double width)
{
    cairo_set_line_width(p->c, width);
    cairo_new_sub_path(p->c);
    cairo_arc(p->c, x, y, radius, 0, 2 * M_PI);
    cairo_stroke(p->c);
}

void edx_paper_hatch(edx_paper *p, edx_box box, double spacing, double width)
{
    edx_paper_clip(p, box);
    cairo_set_line_width(p->c, width);
    for (double x = box.x - box.h; x < box.x + box.w; x += spacing) {
        cairo_move_to(p->c, x, box.y + box.h);
        cairo_line_to(p->c, x + box.h, box.y);
    }
    cairo_stroke(p->c);
    edx_paper_unclip(p);
}

/* ---- pictures ---- */

static uint32_t premultiply(uint32_t argb)
{
    const uint32_t alpha = argb >> 24;
    uint32_t out = alpha << 24;
    for (int shift = 0; shift < 24; shift += 8)
        out |= ((argb >> shift & 255) * alpha + 127) / 255 << shift;
    return out;
}

void edx_paper_pixels(edx_paper *p, edx_box box, const uint32_t *pixels, uint64_t rows,
                      uint64_t cols)
{
    cairo_surface_t *image =
        rows && cols && rows < 32768 && cols < 32768
            ? cairo_image_surface_create(CAIRO_FORMAT_ARGB32, (int)cols, (int)rows)
            : NULL;
    unsigned char *data = image ? cairo_image_surface_get_data(image) : NULL;
    for (uint64_t r = 0; data && r < rows; r++) {
        uint32_t *row =
            (uint32_t *)(void *)(data + r * (size_t)cairo_image_surface_get_stride(image));
        for (uint64_t c = 0; c < cols; c++)
            row[c] = premultiply(pixels[r * cols + c]);
    }
    if (data) {
        cairo_surface_mark_dirty(image);
        cairo_save(p->c);
        cairo_translate(p->c, box.x, box.y);
        cairo_scale(p->c, box.w / (double)cols, box.h / (double)rows);
        cairo_set_source_surface(p->c, image, 0, 0);
        cairo_pattern_set_filter(cairo_get_source(p->c), CAIRO_FILTER_NEAREST);
        cairo_paint(p->c);
        cairo_restore(p->c);
    }
    if (image)
        cairo_surface_destroy(image);
}

/* ---- words ---- */

static void choose_font(edx_paper *p, double size, int style)
{
    cairo_select_font_face(p->c, FONT, CAIRO_FONT_SLANT_NORMAL,
                           style & EDX_BOLD ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(p->c, size);
}

double edx_paper_width(edx_paper *p, double size, int style, const char *text)
{
    cairo_text_extents_t extents;
    choose_font(p, size, style);
    cairo_text_extents(p->c, text, &extents);
    return extents.x_advance;
}

void edx_paper_text(edx_paper *p, double x, double y, double size, int style, const char *text)
{
    const double width = edx_paper_width(p, size, style, text);
    const double back = style & EDX_RIGHT ? width : style & EDX_CENTRE ? width / 2 : 0;
    cairo_save(p->c);
    cairo_translate(p->c, x, y);
    if (style & EDX_UPWARD)
        cairo_rotate(p->c, -M_PI / 2);
    cairo_move_to(p->c, -back, 0);
    cairo_show_text(p->c, text);
    cairo_new_path(p->c);
    cairo_restore(p->c);
}

void edx_paper_print(edx_paper *p, double x, double y, double size, int style, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    edx_paper_text(p, x, y, size, style, text);
}
