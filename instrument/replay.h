/* Recorded runs as the messages they were: one table of formats, each open, next, close. */
#ifndef EDX_INSTRUMENT_REPLAY_H
#define EDX_INSTRUMENT_REPLAY_H

#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/status.h"

typedef enum edx_replay_kind {
    EDX_REPLAY_BEGIN,
    EDX_REPLAY_FRAME,
    EDX_REPLAY_END,
    EDX_REPLAY_CONFIG /* settings that edxd journaled: for a copy, not for a daemon */
} edx_replay_kind;

/* One message; views are valid until the next one. */
typedef struct edx_replay_message {
    edx_replay_kind kind;
    uint64_t arrival_ns;
    const edx_begin *begin; /* of the message's acquisition */
    edx_frame frame;        /* FRAME */
    edx_end end;            /* END */
    const void *body;       /* CONFIG: as it stands */
    size_t size;
} edx_replay_message;

typedef struct edx_replay edx_replay;

/* UNKNOWN for a format that this version does not read, IO, DECODE for what is no such file. */
edx_status edx_replay_open(const char *path, edx_replay **out, edx_error *err);
void edx_replay_free(edx_replay **replay);

/* The next message that can be played; repeated begins are passed over. END
 * at the end. IO and NOMEM end it as well. Any other error is one message lost: say so and go on.
 */
edx_status edx_replay_next(edx_replay *replay, edx_replay_message *out, edx_error *err);

/* Bytes read, and in all. */
uint64_t edx_replay_position(const edx_replay *replay);
uint64_t edx_replay_size(const edx_replay *replay);

#endif
