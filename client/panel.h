/* The figures beside the map. */
#ifndef EDX_CLIENT_PANEL_H
#define EDX_CLIENT_PANEL_H

#include "client/canvas.h"
#include "client/latest.h"

/* State of the acquisition, composition of the sum, particles; as many lines as area holds. Stale
 * figures lose their colour, and forecasts are left out. */
void edx_panel_draw(const edx_latest *model, bool stale, edx_canvas *canvas, edx_area area);

#endif
