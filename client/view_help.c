#include "client/pages.h"

#define WIDTH 64

static void draw_line(edx_canvas *canvas, int row, int col, const char *text)
{
    for (int x = 0; x < WIDTH; x++)
        *edx_canvas_at(canvas, row, col + x) = (edx_cell){.glyph = ' '};
    edx_canvas_ground(canvas, (edx_area){row, col, 1, WIDTH}, EDX_BAR);
    for (int x = 0; x < WIDTH; x++)
        edx_canvas_put(canvas, row, col + x, ' ', EDX_INK);
    edx_canvas_text(canvas, row, col, WIDTH, EDX_INK, text);
}

void edx_page_help(edx_canvas *canvas)
{
    static const char *const lines[] = {
        "",
        "  Tab        maps, particles, trend, components, scree;",
        "             Shift-Tab: back",
        "  1-9        a map, a particle, a component; n p: next, previous",
        "  s          source: denoised or not; raw, model, denoised, pca,",
        "             nmf; PCA or NMF",
        "  u          value, uncertainty, signal to noise",
        "  arrows     the cursor; the ring, frame, component read out",
        "  [ ]        one frame back, one forward; l: live again",
        "  space      freeze, go on",
        "  a          acknowledge the alarms",
        "  ?          this page, or back",
        "  q          quit",
        "",
        "  Maps: hatched: missing. Grey, crossed or ?: the uncertainty",
        "  is as large as what is shown. No colour at all: stale.",
        "  Profiles: ▲ ▼ biased upwards, downwards: the model stands.",
        "  Hollow: not checked. Hatched: not to be trusted.",
        "",
    };
    int n = (int)(sizeof lines / sizeof *lines);
    int row = (canvas->rows - n) / 2, col = (canvas->cols - WIDTH) / 2;
    for (int i = 0; i < n; i++)
        draw_line(canvas, row + i, col, lines[i]);
}
