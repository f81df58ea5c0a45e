/* The monitor's picture: results in, cells out. Knows no terminal and no clock. */
#ifndef EDX_CLIENT_VIEW_H
#define EDX_CLIENT_VIEW_H

#include "client/canvas.h"
#include "client/choice.h"
#include "client/latest.h"

#define EDX_MIN_ROWS 24
#define EDX_MIN_COLS 80

/* Draws everything; a canvas that is too small says so. */
void edx_view_draw(const edx_view *view, const edx_latest *model, edx_canvas *canvas);

/* Seconds that what is shown of topic is out of date, 0 when it is not: no status for two of its
 * periods, or the status names newer data that did not come. */
double edx_view_stale(const edx_view *view, const edx_latest *model, edx_result_topic topic);

#endif
