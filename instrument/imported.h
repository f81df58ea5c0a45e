/* What recordings of other makers have in common: frames that become an acquisition. */
#ifndef EDX_INSTRUMENT_IMPORTED_H
#define EDX_INSTRUMENT_IMPORTED_H

#include <stdbool.h>
#include <stdint.h>

#include "instrument/source.h"
#include "proto/frame.h"
#include "proto/status.h"

#define EDX_IMPORTED_NOTES 16u

/* A part of each format's instance; zero at first, then begun by edx_imported_start. */
typedef struct edx_imported {
    edx_begin begin; /* complete once the first frame is read */
    double
        frame_s; /* how long a frame takes where real_s does not tell; NaN: dwell of all pixels */
    bool growing;
    bool broken_off; /* the measurement ended inside a frame: edx.end says "stopped" */
    /* The rest is imported.c's. */
    edx_frame frame;
    double t; /* of the last message */
    uint64_t frames;
    bool begun, held, read_all, failed, done;
    char notes[EDX_IMPORTED_NOTES][EDX_ERROR_TEXT];
    uint32_t noted, told;
} edx_imported;

/* Reads the next frame: counts, images, live_s and real_s; the rest is filled in. The views live
 * until the next call. END when there is none (growing: none yet). */
typedef edx_status edx_imported_read(void *self, edx_frame *frame, edx_error *err);

/* A begin of which nothing is known but the acquisition id, from the file's name, and the time when
 * the file was last changed. */
void edx_imported_start(edx_imported *imported, const char *path);
/* One line that next reports before it goes on. */
void edx_imported_note(edx_imported *imported, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The next of edx.begin, frames and edx.end, read by read; as edx_source's next. */
edx_status edx_imported_next(edx_imported *imported, edx_imported_read *read, void *self,
                             edx_source_message *out, edx_error *err);

/* Checks that the begin can be one on the wire: limits, numbers that must be above 0. */
edx_status edx_imported_check(const edx_begin *begin, edx_error *err);

/* How many nm one unit is ("m", "um", "nm", "A"…); NaN when nobody knows it. */
double edx_imported_nm(const char *unit);

#endif
