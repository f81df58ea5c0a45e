/* The messages that were summed, read once more from their recording, frame by frame. */
#ifndef EDX_DAEMON_RERUN_H
#define EDX_DAEMON_RERUN_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/spans.h"
#include "proto/frame.h"
#include "proto/status.h"

/* Where an acquisition's messages are. */
typedef struct edx_source {
    char path[4096];        /* "": nothing is recorded */
    uint64_t from;          /* none of them is before this offset */
    char acq[EDX_ACQ_SIZE]; /* as they name it */
} edx_source;

typedef struct edx_rerun edx_rerun;

/* Finds the frame messages whose seq is in summed. STATE when one of them is not there; IO, NOMEM.
 */
edx_status edx_rerun_open(const edx_source *source, const edx_spans *summed, edx_rerun **out,
                          edx_error *err);
void edx_rerun_free(edx_rerun **rerun);

/* How many messages there are; message i is of scan frame frame(i), and frames follow in the order
 * of their numbers. */
size_t edx_rerun_count(const edx_rerun *rerun);
uint64_t edx_rerun_frame(const edx_rerun *rerun, size_t i);
/* The body of message i, valid until the next call. */
edx_status edx_rerun_read(edx_rerun *rerun, size_t i, const void **body, size_t *n, edx_error *err);

#endif
