/* Recorded runs as the messages they were, or would have been: one table of formats, each open,
 * next, close. */
#ifndef EDX_INSTRUMENT_REPLAY_H
#define EDX_INSTRUMENT_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "instrument/source.h"
#include "proto/status.h"

typedef struct edx_replay edx_replay;

/* By the ending of the name; a name with an ending that no format has is taken for a recording,
 * whose first bytes tell. Never NULL. */
const edx_source *edx_replay_format(const char *path);

/* IO, DECODE for what is no such file, and what else its format finds wrong. options NULL: none. */
edx_status edx_replay_open(const char *path, const edx_source_options *options, edx_replay **out,
                           edx_error *err);
void edx_replay_free(edx_replay **replay);

/* The next message that can be played. END at the end, or, while the file grows, when there is none
 * yet. IO and NOMEM end it as well. Any other error is something lost: say so and go on. */
edx_status edx_replay_next(edx_replay *replay, edx_source_message *out, edx_error *err);
/* The file grows no more: what was held back for that comes next, then the end. */
void edx_replay_settle(edx_replay *replay);

/* Bytes read, and in all. */
uint64_t edx_replay_position(const edx_replay *replay);
uint64_t edx_replay_size(const edx_replay *replay);

#endif
