#include "client/canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ELLIPSIS 0x2026u
#define TEXT_MAX 1024

static const edx_cell blank = {.glyph = ' '};

edx_canvas *edx_canvas_new(int rows, int cols, edx_depth depth)
{
    edx_canvas *canvas = calloc(1, sizeof *canvas);
    if (!canvas)
        return NULL;
    *canvas = (edx_canvas){.rows = rows, .cols = cols, .depth = depth};
    canvas->cells = calloc((size_t)rows * (size_t)cols, sizeof *canvas->cells);
    if (!canvas->cells)
        edx_canvas_free(&canvas);
    else
        edx_canvas_clear(canvas);
    return canvas;
}

void edx_canvas_free(edx_canvas **canvas)
{
    if (*canvas)
        free((*canvas)->cells);
    free(*canvas);
    *canvas = NULL;
}

void edx_canvas_clear(edx_canvas *canvas)
{
    for (int i = 0; i < canvas->rows * canvas->cols; i++)
        canvas->cells[i] = blank;
}

edx_cell *edx_canvas_at(edx_canvas *canvas, int row, int col)
{
    if (row < 0 || row >= canvas->rows || col < 0 || col >= canvas->cols)
        return NULL;
    return &canvas->cells[row * canvas->cols + col];
}

/* ---- text ---- */

/* Without colours, weight and reversal tell what words mean. */
static uint8_t role_attr(edx_depth depth, edx_role role)
{
    if (role == EDX_ACCENT || role == EDX_BAD)
        return EDX_BOLD;
    if (depth != EDX_MONO)
        return 0;
    return role == EDX_INK || role == EDX_BAR ? EDX_REVERSE
           : role == EDX_FAINT                ? EDX_DIM
           : role == EDX_WARN                 ? EDX_BOLD
                                              : 0;
}

void edx_canvas_put(edx_canvas *canvas, int row, int col, uint32_t glyph, edx_role role)
{
    edx_cell *cell = edx_canvas_at(canvas, row, col);
    if (!cell)
        return;
    cell->glyph = glyph;
    cell->fg = edx_palette_role(canvas->depth, role);
    cell->attr = role_attr(canvas->depth, role);
}

/* The code point at *text, which moves on behind it; '?' for what is none, or controls the
 * terminal. */
static uint32_t next_glyph(const char **text)
{
    const unsigned char *s = (const unsigned char *)*text;
    int more = *s < 0x80 ? 0 : *s >= 0xc2 && *s < 0xe0 ? 1 : *s >= 0xe0 && *s < 0xf0 ? 2 : -1;
    if (*s >= 0xf0 && *s < 0xf5)
        more = 3;
    uint32_t glyph = more <= 0 ? *s : *s & (0x3fu >> more);
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            more = -1;
            break;
        }
        glyph = glyph << 6 | (s[i] & 0x3fu);
    }
    *text += more < 0 ? 1 : more + 1;
    return more < 0 || glyph < 0x20 || (glyph >= 0x7f && glyph < 0xa0) ? '?' : glyph;
}

int edx_text_width(const char *text)
{
    int width = 0;
    for (; *text; width++)
        next_glyph(&text);
    return width;
}

size_t edx_text_fold(const char *text, int width)
{
    const char *at = text, *blank_at = NULL;
    int used = 0;
    for (; *at && used < width; used++) {
        if (*at == ' ' && at > text)
            blank_at = at;
        next_glyph(&at);
    }
    if (*at && *at != ' ' && blank_at)
        at = blank_at;
    return at == text && *at ? 1 : (size_t)(at - text);
}

int edx_canvas_text(edx_canvas *canvas, int row, int col, int width, edx_role role,
                    const char *text)
{
    int used = 0;
    while (*text && used < width) {
        uint32_t glyph = next_glyph(&text);
        if (*text && used == width - 1)
            glyph = ELLIPSIS;
        edx_canvas_put(canvas, row, col + used++, glyph, role);
    }
    return used;
}

int edx_canvas_printf(edx_canvas *canvas, int row, int col, int width, edx_role role,
                      const char *fmt, ...)
{
    char text[TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return edx_canvas_text(canvas, row, col, width, role, text);
}

void edx_canvas_right(edx_canvas *canvas, int row, int end, edx_role role, const char *text)
{
    int width = edx_text_width(text);
    edx_canvas_text(canvas, row, end - width, width, role, text);
}

void edx_canvas_ground(edx_canvas *canvas, edx_area area, edx_role ground)
{
    for (int row = area.row; row < area.row + area.rows; row++)
        for (int col = area.col; col < area.col + area.cols; col++) {
            edx_cell *cell = edx_canvas_at(canvas, row, col);
            if (!cell)
                continue;
            cell->bg = edx_palette_role(canvas->depth, ground);
            cell->attr |= role_attr(canvas->depth, ground);
        }
}

/* ---- bytes ---- */

void edx_bytes_clear(edx_bytes *bytes)
{
    bytes->size = 0;
    if (bytes->data)
        bytes->data[0] = '\0';
}

void edx_bytes_free(edx_bytes *bytes)
{
    free(bytes->data);
    *bytes = (edx_bytes){0};
}

static void append(edx_bytes *out, const char *data, size_t n)
{
    if (out->capacity - out->size < n + 1) {
        size_t capacity = 2 * (out->capacity + n) + 256;
        char *larger = realloc(out->data, capacity);
        out->failed = out->failed || !larger;
        if (!larger)
            return;
        out->data = larger;
        out->capacity = capacity;
    }
    memcpy(out->data + out->size, data, n);
    out->size += n;
    out->data[out->size] = '\0';
}

__attribute__((format(printf, 2, 3))) static void append_format(edx_bytes *out, const char *fmt,
                                                                ...)
{
    char text[64];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    append(out, text, n > 0 ? (size_t)n : 0);
}

static void append_glyph(edx_bytes *out, uint32_t glyph)
{
    char s[4];
    size_t n = glyph < 0x80 ? 1 : glyph < 0x800 ? 2 : glyph < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, glyph >>= 6)
        s[i] = (char)(0x80 | (glyph & 0x3f));
    static const unsigned first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    s[0] = (char)(first[n] | glyph);
    append(out, s, n);
}

/* base: 38 for the letter, 48 for the ground. */
static void append_colour(edx_bytes *out, edx_colour colour, unsigned base)
{
    uint32_t value = EDX_COLOUR_VALUE(colour);
    switch (EDX_COLOUR_KIND(colour)) {
    case 1:
        append_format(out, "\033[%u;2;%u;%u;%um", base, value >> 16, value >> 8 & 255, value & 255);
        break;
    case 2:
        append_format(out, "\033[%u;5;%um", base, value);
        break;
    case 3:
        append_format(out, "\033[%um", value < 8 ? base - 8 + value : base + 52 + value - 8);
        break;
    default:
        append_format(out, "\033[%um", base + 1);
    }
}

static void append_style(edx_bytes *out, const edx_cell *cell, edx_cell *style)
{
    if (cell->attr != style->attr) {
        append(out, "\033[0m", 4);
        for (unsigned bit = 0; bit < 3; bit++)
            if (cell->attr >> bit & 1)
                append_format(out, "\033[%um", bit == 0 ? 1u : bit == 1 ? 2u : 7u);
        *style = (edx_cell){.attr = cell->attr};
    }
    if (cell->fg != style->fg)
        append_colour(out, cell->fg, 38);
    if (cell->bg != style->bg)
        append_colour(out, cell->bg, 48);
    style->fg = cell->fg;
    style->bg = cell->bg;
}

static bool same(const edx_cell *a, const edx_cell *b)
{
    return a->glyph == b->glyph && a->fg == b->fg && a->bg == b->bg && a->attr == b->attr;
}

void edx_canvas_delta(const edx_canvas *before, const edx_canvas *now, edx_bytes *out)
{
    edx_cell style = blank;
    int cursor = -1; /* the cell the terminal would write to next */
    if (!before)
        append(out, "\033[0m\033[2J", 8);
    for (int i = 0; i < now->rows * now->cols; i++) {
        if (same(before ? &before->cells[i] : &blank, &now->cells[i]))
            continue;
        if (i != cursor || i % now->cols == 0)
            append_format(out, "\033[%d;%dH", i / now->cols + 1, i % now->cols + 1);
        append_style(out, &now->cells[i], &style);
        append_glyph(out, now->cells[i].glyph);
        cursor = i + 1;
    }
    if (cursor >= 0)
        append(out, "\033[0m", 4);
}

void edx_canvas_lines(const edx_canvas *canvas, edx_bytes *out)
{
    for (int row = 0; row < canvas->rows; row++) {
        const edx_cell *line = &canvas->cells[(size_t)row * (size_t)canvas->cols];
        edx_cell style = blank;
        int end = canvas->cols;
        while (end > 0 && same(&line[end - 1], &blank))
            end--;
        for (int col = 0; col < end; col++) {
            if (canvas->depth != EDX_MONO)
                append_style(out, &line[col], &style);
            append_glyph(out, line[col].glyph);
        }
        if (style.attr || style.fg || style.bg)
            append(out, "\033[0m", 4);
        append(out, "\n", 1);
    }
}
