/* The counts of one frame, taken as they come and handed out pixel by pixel. */
#ifndef EDX_INSTRUMENT_GATHER_H
#define EDX_INSTRUMENT_GATHER_H

#include <stdint.h>

#include "proto/frame.h"
#include "proto/status.h"

typedef struct edx_gather edx_gather;

/* pixels from 1 to 2^24. NULL without memory. */
edx_gather *edx_gather_new(uint32_t pixels);
void edx_gather_free(edx_gather **gather);

/* Forgets the counts, not the memory. */
void edx_gather_clear(edx_gather *gather);
/* One count; pixel is below pixels. NOMEM; LIMIT for more than 2^32 - 2 counts in a frame. */
edx_status edx_gather_add(edx_gather *gather, uint32_t pixel, uint16_t channel, edx_error *err);
uint64_t edx_gather_total(const edx_gather *gather);
/* The counts in events form, in the order in which each pixel got them; they are valid until the
 * next clear. Call it once between two of these. NOMEM. */
edx_status edx_gather_counts(edx_gather *gather, edx_counts *out, edx_error *err);

#endif
