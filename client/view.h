/* The monitor's picture: results in, cells out. Knows no terminal and no clock. */
#ifndef EDX_CLIENT_VIEW_H
#define EDX_CLIENT_VIEW_H

#include <stdbool.h>

#include "client/canvas.h"
#include "client/latest.h"
#include "client/picture.h"

#define EDX_MIN_ROWS 24
#define EDX_MIN_COLS 80
#define EDX_NOTE_SIZE 256

/* What the person at the keyboard has chosen. Zeroed, with an endpoint, is a good start. */
typedef struct edx_view {
    bool chosen;     /* else the first picture that is there is shown */
    size_t selected; /* the picture that was chosen */
    edx_measure measure;
    bool has_cursor; /* else the cursor stands in the middle */
    uint64_t cursor[2];
    bool frozen, past, help;
    const char *endpoint;
    double now;               /* monotonic, s */
    char note[EDX_NOTE_SIZE]; /* in place of the hints, "" for none */
} edx_view;

/* Draws everything; a canvas that is too small says so. */
void edx_view_draw(const edx_view *view, const edx_latest *model, edx_canvas *canvas);

/* The picture that is shown, by number and itself, and its cursor inside it. */
size_t edx_view_shown(const edx_view *view, const edx_latest *model);
edx_picture edx_view_picture(const edx_view *view, const edx_latest *model);
void edx_view_cursor(const edx_view *view, const edx_picture *picture, uint64_t cursor[2]);

/* Seconds that what is shown of topic is out of date, 0 when it is not: no status for two of its
 * periods, or the status names newer data that did not come. */
double edx_view_stale(const edx_view *view, const edx_latest *model, edx_result_topic topic);

#endif
