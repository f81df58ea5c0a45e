/* A recording of whole frames in events form from any that can be replayed. */
#ifndef EDX_INSTRUMENT_CONVERT_H
#define EDX_INSTRUMENT_CONVERT_H

#include <stdint.h>

#include "instrument/output.h"
#include "instrument/replay.h"
#include "proto/status.h"

typedef struct edx_convert_options {
    void (*lost)(void *context, const char *text);  /* one line on what is lost or incomplete */
    void (*step)(void *context, uint64_t position); /* bytes read so far */
    void *context;
} edx_convert_options;

/* Reads replay to its end into output: acquisitions, t and arrival stay, row blocks are joined,
 * messages are numbered anew, settings (edx.config) are copied. What is lost is told and left out.
 * STATE when there is no acquisition in it. */
edx_status edx_convert(edx_replay *replay, edx_output *output, const edx_convert_options *options,
                       edx_error *err);

#endif
