/* Which counts of a frame lie where, kept in little more than a byte each: messages of (pixel,
 * symbol), in the order they came. */
#ifndef EDX_ANALYSIS_TAPE_H
#define EDX_ANALYSIS_TAPE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

#define EDX_TAPE_SYMBOLS 254u /* 1 to so many */

typedef struct edx_tape edx_tape;

/* NOMEM. */
edx_status edx_tape_new(edx_tape **out, edx_error *err);
void edx_tape_free(edx_tape **tape);
/* Forgets all messages. */
void edx_tape_clear(edx_tape *tape);

/* Begins a message of a frame, in which up to entries symbols lie in pixels first and after, fewer
 * than pixels on. NOMEM. */
edx_status edx_tape_begin(edx_tape *tape, uint64_t frame, uint32_t first, uint32_t pixels,
                          size_t entries, edx_error *err);
/* One more; pixels do not descend. */
void edx_tape_put(edx_tape *tape, uint32_t pixel, uint8_t symbol);
/* Several [n] of one pixel. */
void edx_tape_put_all(edx_tape *tape, uint32_t pixel, const uint8_t *symbols, size_t n);
/* Those of n pixels from first on, none of which had some yet; ends [n]: where each pixel's end
 * among symbols, which can be read EDX_TAPE_SLACK further. One step a pixel: for pixels that mostly
 * have some. */
#define EDX_TAPE_SLACK 8u
void edx_tape_put_run(edx_tape *tape, uint32_t first, uint32_t n, const uint8_t *symbols,
                      const uint32_t *ends);
/* Keeps the message. */
void edx_tape_end(edx_tape *tape);

size_t edx_tape_count(const edx_tape *tape); /* messages */
uint64_t edx_tape_frame(const edx_tape *tape, size_t index);
/* Calls visit(context, pixel, symbol) for all that was put into a message, in order. */
typedef void edx_tape_visitor(void *context, uint32_t pixel, uint8_t symbol);
void edx_tape_visit(const edx_tape *tape, size_t index, edx_tape_visitor *visit, void *context);
/* The same for pixels first .. end - 1 alone: work grows with their number. */
void edx_tape_visit_some(const edx_tape *tape, size_t index, uint32_t first, uint32_t end,
                         edx_tape_visitor *visit, void *context);

uint64_t edx_tape_bytes(const edx_tape *tape); /* memory of the messages */

#endif
