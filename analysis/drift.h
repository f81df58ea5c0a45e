/* How far the specimen has moved: each scan frame registered against the sum of the others. */
#ifndef EDX_ANALYSIS_DRIFT_H
#define EDX_ANALYSIS_DRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/array.h"
#include "proto/frame.h"
#include "proto/status.h"

/* A frame's picture is its image where one comes with it and can be registered, else its counts per
 * pixel. It is laid on the mean of the frames placed before (at fractions of a pixel: only events
 * need whole ones), and where it lies is judged together with its neighbours (analysis/track.h), so
 * that noise alone moves nothing. Two ways to know: live, against the frames before; and, once all
 * came, each against all others. Frames are given whole: looked at message by message, then
 * registered. Owned by one thread. */
typedef struct edx_drift edx_drift;

#define EDX_DRIFT_MIN_SIDE 8u /* scan pixels; smaller scans show no place to register */

/* NOMEM; RANGE for a scan that is too small. */
edx_status edx_drift_new(uint32_t rows, uint32_t cols, edx_drift **out, edx_error *err);
void edx_drift_free(edx_drift **drift);
/* Forgets every frame. */
void edx_drift_clear(edx_drift *drift);

/* Looks at rows of a frame; another frame than the last time is a new picture. Entries of channels
 * lo .. hi - 1 count; image [rows, cols] may be NULL. */
void edx_drift_look(edx_drift *drift, uint64_t frame, uint32_t row, const edx_events *events,
                    uint32_t lo, uint32_t hi, const edx_array *image);
/* Whether something was looked at of this frame, last. */
bool edx_drift_looks_at(const edx_drift *drift, uint64_t frame);

/* What is known of a frame. */
typedef struct edx_drift_place {
    uint64_t frame;
    int32_t shift[2]; /* [dy, dx] whole scan pixels by which its events are to be moved */
    double moved[2];  /* of the specimen since the first frame, scan pixels */
    bool registered;  /* false: its peak was weak; moved is what its neighbours say, and so is shift
                       * where they know to a pixel, else 0 */
} edx_drift_place;

/* Registers the frame that was looked at, live, and keeps its place; a frame that has one keeps it.
 * NOMEM. */
edx_status edx_drift_register(edx_drift *drift, edx_error *err);
/* NULL: not registered yet. Valid until the next register. */
const edx_drift_place *edx_drift_find(const edx_drift *drift, uint64_t frame);

/* Looking back: restart, then every frame looked at once more and registered again, in any order,
 * then settle, which gives all places anew; changed: some shift is another now. Live places and
 * what is placed live later are what they would have been without. NOMEM changes nothing. */
void edx_drift_look_back(edx_drift *drift);
void edx_drift_register_again(edx_drift *drift);
edx_status edx_drift_settle(edx_drift *drift, bool *changed, edx_error *err);

/* All places in the order of their frames, and how many could not be registered. */
const edx_drift_place *edx_drift_places(const edx_drift *drift, size_t *n);
size_t edx_drift_unregistered(const edx_drift *drift);
/* The last ten frames placed live that could not be registered, and the share of the field of view
 * that the newest registered frame does not share with the first. */
unsigned edx_drift_recent_failures(const edx_drift *drift);
double edx_drift_lost_field(const edx_drift *drift);

#endif
