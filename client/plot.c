#include "client/plot.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "client/number.h"

#define WHOLE_ZOOM_AT_LEAST 0.75 /* of the largest zoom that fits */
#define UNSURE 3                 /* the class of sigma that hides a value */
#define BAR_LEGEND 16            /* columns of the colour bar */
#define LEFT_EIGHTHS 0x2590u     /* from the left: 0x258f (one) to 0x2588 (eight) */

/* ---- fitting ---- */

static int at_least_1(double cells)
{
    return cells < 1 ? 1 : (int)cells;
}

/* Height over width of one pixel on the specimen. */
static double aspect(const edx_picture *picture)
{
    double ratio = picture->step_nm[0] / picture->step_nm[1];
    return ratio > 0 && isfinite(ratio) ? ratio : 1;
}

edx_map edx_map_fit(const edx_picture *picture, edx_measure measure, edx_area area, edx_depth depth)
{
    edx_map map = {.picture = *picture,
                   .measure = edx_picture_measure(picture, measure),
                   .area = {area.row, area.col, 0, 0}};
    edx_picture_range(picture, map.measure, map.range);
    if (!picture->rows)
        return map;
    double rows = (double)picture->rows * aspect(picture), cols = (double)picture->cols;
    double zoom = fmin(area.cols / cols, 2 * area.rows / rows);
    if (zoom >= 1 && floor(zoom) >= WHOLE_ZOOM_AT_LEAST * zoom)
        zoom = floor(zoom);
    int halves = at_least_1(floor(rows * zoom + 0.01));
    map.area.cols = at_least_1(floor(cols * zoom + 0.01));
    map.area.rows = (halves + 1) / 2;
    map.samples = edx_palette_halves(depth) ? halves : map.area.rows;
    return map;
}

/* ---- the map ---- */

/* The pixels [*from, *to) that part i of n parts of size pixels covers, one at least. */
static void span(uint64_t size, int i, int n, uint64_t *from, uint64_t *to)
{
    *from = size * (uint64_t)i / (uint64_t)n;
    *to = size * (uint64_t)(i + 1) / (uint64_t)n;
    if (*to == *from)
        *to = *from + 1;
}

static double sample(const edx_map *map, edx_measure measure, int y, int x)
{
    uint64_t from[2], to[2];
    span(map->picture.rows, y, map->samples, &from[0], &to[0]);
    span(map->picture.cols, x, map->area.cols, &from[1], &to[1]);
    return edx_picture_mean(&map->picture, measure, from, to);
}

static int level_of(const edx_map *map, edx_depth depth, double value)
{
    int levels = edx_palette_levels(depth);
    double part = (value - map->range[0]) / (map->range[1] - map->range[0]);
    int level = (int)floor(part * levels);
    return level < 0 ? 0 : level >= levels ? levels - 1 : level;
}

/* The class of a sample's sigma as a part of the range: 0 for less than an eighth, to 3 for half of
 * it and more. */
static int class_of(const edx_map *map, int y, int x)
{
    if (map->measure != EDX_VALUE || !map->picture.suppressed || y >= map->samples)
        return 0;
    double part = sample(map, EDX_SIGMA, y, x) / (map->range[1] - map->range[0]);
    return !(part < 0.5) ? UNSURE : part < 0.125 ? 0 : part < 0.25 ? 1 : 2;
}

static edx_colour colour_of(const edx_map *map, edx_depth depth, int level, int fade)
{
    bool around_zero = map->picture.around_zero && map->measure == EDX_VALUE;
    return around_zero ? edx_palette_signed(depth, level, fade)
                       : edx_palette_map(depth, level, fade);
}

/* The colour of a sample, DEFAULT where it is missing or below the map. */
static edx_colour colour_at(const edx_map *map, edx_depth depth, int y, int x)
{
    if (y >= map->samples)
        return EDX_COLOUR_DEFAULT;
    double value = sample(map, map->measure, y, x);
    if (isnan(value))
        return EDX_COLOUR_DEFAULT;
    int fade = map->faded ? EDX_FADE_ALL : class_of(map, y, x);
    return colour_of(map, depth, level_of(map, depth, value), fade);
}

static void hatch(edx_canvas *canvas, int row, int col)
{
    edx_canvas_put(canvas, row, col, canvas->depth == EDX_MONO ? '/' : EDX_GLYPH_MISSING,
                   EDX_FAINT);
}

static void draw_halves(const edx_map *map, edx_canvas *canvas, int y, int x)
{
    int row = map->area.row + y, col = map->area.col + x;
    edx_cell *cell = edx_canvas_at(canvas, row, col);
    edx_colour upper = colour_at(map, canvas->depth, 2 * y, x);
    edx_colour lower = colour_at(map, canvas->depth, 2 * y + 1, x);
    if (!cell)
        return;
    if (upper == EDX_COLOUR_DEFAULT && lower == EDX_COLOUR_DEFAULT)
        hatch(canvas, row, col);
    else if (upper == EDX_COLOUR_DEFAULT)
        *cell = (edx_cell){.glyph = EDX_GLYPH_UPPER + 4, .fg = lower};
    else if (lower == EDX_COLOUR_DEFAULT)
        *cell = (edx_cell){.glyph = EDX_GLYPH_UPPER, .fg = upper};
    else
        *cell = (edx_cell){.glyph = EDX_GLYPH_UPPER, .fg = upper, .bg = lower};
    if (canvas->depth == EDX_256 && cell->bg &&
        class_of(map, 2 * y, x) + class_of(map, 2 * y + 1, x) == 2 * UNSURE)
        *cell = (edx_cell){
            .glyph = EDX_GLYPH_UNSURE, .fg = edx_palette_contrast(EDX_256, upper), .bg = upper};
}

static void draw_glyph(const edx_map *map, edx_canvas *canvas, int y, int x)
{
    int row = map->area.row + y, col = map->area.col + x;
    double value = sample(map, map->measure, y, x);
    if (isnan(value)) {
        hatch(canvas, row, col);
        return;
    }
    int unsure = class_of(map, y, x);
    uint32_t glyph = unsure < UNSURE
                         ? edx_palette_glyph(canvas->depth, level_of(map, canvas->depth, value))
                     : canvas->depth == EDX_MONO ? '?'
                                                 : EDX_GLYPH_UNSURE;
    edx_canvas_put(canvas, row, col, glyph, map->faded || unsure > 1 ? EDX_FAINT : EDX_TEXT);
}

void edx_map_draw(const edx_map *map, edx_canvas *canvas)
{
    for (int y = 0; y < map->area.rows; y++)
        for (int x = 0; x < map->area.cols; x++)
            if (edx_palette_halves(canvas->depth))
                draw_halves(map, canvas, y, x);
            else
                draw_glyph(map, canvas, y, x);
}

void edx_map_cursor(const edx_map *map, edx_canvas *canvas, uint64_t row, uint64_t col)
{
    if (row >= map->picture.rows || col >= map->picture.cols)
        return;
    int y = (int)((2 * row + 1) * (uint64_t)map->area.rows / (2 * map->picture.rows));
    int x = (int)((2 * col + 1) * (uint64_t)map->area.cols / (2 * map->picture.cols));
    edx_cell *cell = edx_canvas_at(canvas, map->area.row + y, map->area.col + x);
    if (!cell)
        return;
    if (!edx_palette_halves(canvas->depth)) {
        cell->attr |= EDX_REVERSE;
        return;
    }
    edx_colour ground = cell->bg ? cell->bg : cell->fg;
    bool missing = cell->glyph == EDX_GLYPH_MISSING;
    *cell = (edx_cell){.glyph = '+', .attr = EDX_BOLD};
    if (missing)
        cell->attr |= EDX_REVERSE;
    else
        cell->bg = ground;
    if (!missing)
        cell->fg = edx_palette_contrast(canvas->depth, ground);
}

/* ---- its legend ---- */

static int draw_colours(const edx_map *map, edx_canvas *canvas, int row, int col)
{
    int levels = edx_palette_levels(canvas->depth);
    int width = edx_palette_halves(canvas->depth) ? BAR_LEGEND : levels;
    for (int i = 0; i < width; i++) {
        int level = i * levels / width;
        edx_cell *cell = edx_canvas_at(canvas, row, col + i);
        if (!cell)
            break;
        if (edx_palette_halves(canvas->depth))
            *cell = (edx_cell){
                .glyph = ' ',
                .bg = colour_of(map, canvas->depth, level, map->faded ? EDX_FADE_ALL : 0)};
        else
            edx_canvas_put(canvas, row, col + i, edx_palette_glyph(canvas->depth, level), EDX_TEXT);
    }
    return width;
}

static void draw_scale(const edx_map *map, edx_canvas *canvas, edx_area area)
{
    double cell_nm = map->picture.step_nm[1] * (double)map->picture.cols / map->area.cols;
    if (!(cell_nm > 0) || area.cols < 12)
        return;
    char text[EDX_NUMBER];
    double nm = edx_number_step(cell_nm * fmin(map->area.cols / 2.0, area.cols - 9));
    int width = (int)lround(nm / cell_nm);
    snprintf(text, sizeof text, " %g nm", nm);
    if (width < 2 || width + edx_text_width(text) > area.cols)
        return;
    for (int i = 0; i < width; i++)
        edx_canvas_put(canvas, area.row, area.col + i,
                       i == 0           ? 0x251cu
                       : i == width - 1 ? 0x2524u
                                        : 0x2500u,
                       EDX_TEXT);
    edx_canvas_text(canvas, area.row, area.col + width, area.cols - width, EDX_TEXT, text);
}

void edx_map_legend(const edx_map *map, edx_canvas *canvas, edx_area area)
{
    char text[EDX_NUMBER];
    int col = area.col, end = area.col + area.cols;
    if (isnan(map->range[0])) {
        edx_canvas_text(canvas, area.row, col, area.cols, EDX_FAINT,
                        map->picture.rows ? "nothing to show: every pixel is missing"
                                          : "not published yet");
        return;
    }
    col += edx_canvas_text(canvas, area.row, col, 10, EDX_TEXT, edx_number(text, map->range[0]));
    col += 1 + draw_colours(map, canvas, area.row, col + 1);
    col += 1 + edx_canvas_printf(canvas, area.row, col + 1, end - col - 1, EDX_TEXT, "%s %s",
                                 edx_number(text, map->range[1]),
                                 edx_picture_unit(&map->picture, map->measure));
    draw_scale(map, canvas, (edx_area){area.row, col + 3, 1, end - col - 3});
}

/* ---- bar ---- */

void edx_bar_draw(edx_canvas *canvas, int row, int col, int width, double part, edx_role role)
{
    int eighths = part > 0 ? (int)lround(fmin(part, 1) * width * 8) : 0;
    for (int i = 0; i < width; i++, eighths -= 8) {
        if (eighths <= 0)
            edx_canvas_put(canvas, row, col + i, 0x2500u, EDX_FAINT);
        else
            edx_canvas_put(canvas, row, col + i,
                           LEFT_EIGHTHS - (uint32_t)(eighths < 8 ? eighths : 8), role);
    }
}
