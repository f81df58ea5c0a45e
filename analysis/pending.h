/* Events that are put aside until there is time for them, in the order they came. */
#ifndef EDX_ANALYSIS_PENDING_H
#define EDX_ANALYSIS_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/status.h"

typedef struct edx_pending edx_pending;

/* NOMEM. */
edx_status edx_pending_new(edx_pending **out, edx_error *err);
void edx_pending_free(edx_pending **pending);

/* Whose events they are, and what they cover: columns col .. col + cols - 1 of whole rows. */
typedef struct edx_pending_place {
    uint64_t frame;
    uint32_t row, col, cols;
} edx_pending_place;

/* Copies the events of rows row ... of a scan frame. NOMEM changes nothing. */
edx_status edx_pending_put(edx_pending *pending, const edx_pending_place *place,
                           const edx_events *events, edx_error *err);
/* How many messages' events there are. */
size_t edx_pending_count(const edx_pending *pending);
/* Counts put aside. */
size_t edx_pending_events(const edx_pending *pending);
size_t edx_pending_bytes(const edx_pending *pending); /* memory held now */
/* Message i, as it was put; a view until the next call of put or clear. */
void edx_pending_get(const edx_pending *pending, size_t i, edx_pending_place *place,
                     edx_events *events);
/* Forgets all, keeping the memory. */
void edx_pending_clear(edx_pending *pending);

#endif
