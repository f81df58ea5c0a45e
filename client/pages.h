/* The monitor's pages: each draws its body and its figures at the right. */
#ifndef EDX_CLIENT_PAGES_H
#define EDX_CLIENT_PAGES_H

#include "client/canvas.h"
#include "client/choice.h"

/* What a page is given. */
typedef struct edx_page_frame {
    const edx_view *view;
    const edx_latest *model;
    edx_canvas *canvas;
    edx_area body, panel;
    bool stale;
} edx_page_frame;

void edx_page_maps(const edx_page_frame *page);
void edx_page_particles(const edx_page_frame *page);
void edx_page_trend(const edx_page_frame *page);
void edx_page_components(const edx_page_frame *page);
void edx_page_scree(const edx_page_frame *page);

/* A map with cursor, legend (the row below map) and what is under the cursor (the row after). */
void edx_page_map(const edx_page_frame *page, edx_area area);

/* The keys. */
void edx_page_help(edx_canvas *canvas);

#endif
