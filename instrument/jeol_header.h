/* The head of a JEOL Analysis Station map (.pts): where its events are and what they mean. */
#ifndef EDX_INSTRUMENT_JEOL_HEADER_H
#define EDX_INSTRUMENT_JEOL_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/status.h"

#define EDX_JEOL_FIXED 304u     /* bytes before the tags */
#define EDX_JEOL_SCALE 4096u    /* positions are scaled to it */
#define EDX_JEOL_CHANNELS 4096u /* of the stream, whatever NumCH says */
#define EDX_JEOL_TICK_S 0.01    /* of live and of real time */
#define EDX_JEOL_HEAD_MAX 67108864u

typedef struct edx_jeol_header {
    uint32_t head_size;     /* bytes from the file's start to the end of the tags */
    uint32_t data_pos;      /* of the first event */
    uint32_t width, height; /* what positions are scaled from; height 1 for a line scan */
    bool line;
    double offset_eV, scale_eV;
    double dwell_s, beam_keV;
    double step_nm;
    double t; /* Unix time (the file's clock taken for UTC); 0: unknown */
    double resolution_eV, elevation_deg; /* NaN: unknown */
    char detector[EDX_NAME_SIZE];
    char title[EDX_TITLE_SIZE]; /* the memo, UTF-8 */
} edx_jeol_header;

/* The first EDX_JEOL_FIXED bytes of a file: sets head_size, data_pos, t and title. DECODE for what
 * is no such file. */
edx_status edx_jeol_fixed(const uint8_t bytes[EDX_JEOL_FIXED], edx_jeol_header *out,
                          edx_error *err);
/* The first head_size bytes: sets the rest. DECODE where the tags are damaged, MISSING and RANGE
 * name the tag that is absent or impossible. */
edx_status edx_jeol_tags(const uint8_t *bytes, edx_jeol_header *out, edx_error *err);

#endif
