/* Row blocks into whole scan frames, as events. */
#ifndef EDX_INSTRUMENT_WHOLE_H
#define EDX_INSTRUMENT_WHOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/status.h"

typedef struct edx_whole edx_whole;

/* Takes a whole frame, numbered by seq from 0 on in the order in which they become whole; its views
 * are valid during the call. missing: rows that never came, empty. */
typedef edx_status edx_whole_emit(void *context, const edx_frame *frame, uint32_t missing,
                                  edx_error *err);

/* begin is copied. NULL without memory. */
edx_whole *edx_whole_new(const edx_begin *begin, edx_whole_emit *emit, void *context);
void edx_whole_free(edx_whole **whole);

/* Adds one message. A frame leaves when its last row is there; one still incomplete when a message
 * of one two frames ahead comes leaves as it is. DUPLICATE: this seq came before, or a row twice
 * (nothing is added); else NOMEM, RANGE, or what emit returns. */
edx_status edx_whole_add(edx_whole *whole, const edx_frame *frame, edx_error *err);
/* What is left leaves as it is. */
edx_status edx_whole_flush(edx_whole *whole, edx_error *err);
uint64_t edx_whole_frames(const edx_whole *whole); /* that have left */

#endif
