/* What each browser gets next: of every topic the newest only, alarms all and first, one result at
 * a time until it is acknowledged. Knows no socket and no clock; used by one thread. */
#ifndef EDX_CLIENT_WEB_RELAY_H
#define EDX_CLIENT_WEB_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/web_parcel.h"

/* Alarms, and other messages, that may wait for one browser. */
#define EDX_VIEWER_ALARMS 32
#define EDX_VIEWER_OTHERS 32

typedef struct edx_relay edx_relay;
typedef struct edx_viewer edx_viewer;

edx_relay *edx_relay_new(void);
/* Viewers must have gone before. */
void edx_relay_free(edx_relay **relay);

/* Takes the caller's reference. */
void edx_relay_publish(edx_relay *relay, edx_parcel *parcel);
/* Forgets what was published; who comes later gets what is published from then on. */
void edx_relay_forget(edx_relay *relay);
size_t edx_relay_viewers(const edx_relay *relay);

/* A browser, for which the newest of every topic waits. NULL without memory. */
edx_viewer *edx_viewer_new(edx_relay *relay);
void edx_viewer_free(edx_viewer **viewer);

/* Something that needs no acknowledgement. Takes the caller's reference, even when it fails: false
 * when too many wait. */
bool edx_viewer_send(edx_viewer *viewer, edx_parcel *parcel);

/* Whether edx_viewer_next would give something. */
bool edx_viewer_ready(const edx_viewer *viewer);
/* What is to be sent now, with a reference of the caller's, or NULL. A result closes the window. */
edx_parcel *edx_viewer_next(edx_viewer *viewer);
/* Opens the window; false when no result of that serial is out. */
bool edx_viewer_acknowledge(edx_viewer *viewer, uint64_t serial);
bool edx_viewer_waits(const edx_viewer *viewer); /* for an acknowledgement */
/* More alarms waited than may: one was lost, and this browser cannot be trusted with the rest. */
bool edx_viewer_overrun(const edx_viewer *viewer);

#endif
