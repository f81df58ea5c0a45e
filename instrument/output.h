/* Where messages go: over a socket now, in their own time, or into a recording. */
#ifndef EDX_INSTRUMENT_OUTPUT_H
#define EDX_INSTRUMENT_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "instrument/sender.h"
#include "proto/frame.h"
#include "proto/status.h"

typedef struct edx_output edx_output;

/* "max" is 0, else how many times faster than real, above 0; false when it is neither. */
bool edx_output_speed(const char *text, double *out);

/* Live: every message gets t = now. With pub, edx.begin goes out again, byte by byte the same, with
 * every 10th frame, for those who join late. */
edx_status edx_output_live(const edx_sender_options *options, double speed, edx_output **out,
                           edx_error *err);
/* A recording, written to PATH.part and renamed to path by edx_output_finish. Messages keep their
 * t, which is also when they arrived. */
edx_status edx_output_file(const char *path, edx_output **out, edx_error *err);
/* Without finish before it, a recording is given up. */
void edx_output_free(edx_output **output);

/* Each writes one message; END: a stop was asked (edx_sender_send). */
edx_status edx_output_begin(edx_output *output, const edx_begin *begin, edx_error *err);
edx_status edx_output_frame(edx_output *output, const edx_frame *frame, edx_error *err);
edx_status edx_output_end(edx_output *output, const edx_end *end, edx_error *err);
/* Bytes as they stand, which nobody acknowledges: rubbish, or an edx.config record. */
edx_status edx_output_raw(edx_output *output, const char *topic, const void *body, size_t n,
                          edx_error *err);

/* The next message comes seconds after the one before: live, waits (divided by speed) until then;
 * waiting that a slow edxd has caused counts. */
edx_status edx_output_pace(edx_output *output, double seconds, edx_error *err);
/* Nothing happens for that long, whatever the speed: waits, or dates later messages later. */
edx_status edx_output_silence(edx_output *output, double seconds, edx_error *err);
/* Recording: when the next messages arrived, Unix time in ns, instead of their t. */
void edx_output_arrival(edx_output *output, uint64_t arrival_ns);

/* All is acknowledged, or the recording is in place. */
edx_status edx_output_finish(edx_output *output, edx_error *err);
/* Zeros for a recording. */
edx_sender_counts edx_output_counts(const edx_output *output);

#endif
