/* The figures at the right. */
#ifndef EDX_CLIENT_PANEL_H
#define EDX_CLIENT_PANEL_H

#include "client/canvas.h"
#include "client/latest.h"
#include "client/picture.h"

/* Lines are written from above until the area is full. Stale figures lose their colour. */
typedef struct edx_panel {
    edx_canvas *canvas;
    edx_area area;
    int row;
    bool stale;
} edx_panel;

/* A label at the left, text at the right. */
void edx_panel_line(edx_panel *panel, const char *label, edx_role role, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* An empty line and a title; nothing where no line would fit below. */
void edx_panel_heading(edx_panel *panel, const char *text);
/* Text over as many lines as it needs. */
void edx_panel_words(edx_panel *panel, edx_role role, const char *text);

/* State of the acquisition. */
void edx_panel_acquisition(edx_panel *panel, const edx_latest *model);
/* The composition of the sum (value with sigma, sigma, or their ratio), dose, damage, forecast,
 * particles. */
void edx_panel_sum(edx_panel *panel, const edx_latest *model, edx_measure measure);

#endif
