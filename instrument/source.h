/* What a format of recordings offers to replay: a table of calls, and the messages they hand over.
 */
#ifndef EDX_INSTRUMENT_SOURCE_H
#define EDX_INSTRUMENT_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/status.h"

typedef enum edx_source_kind {
    EDX_SOURCE_BEGIN,
    EDX_SOURCE_FRAME,
    EDX_SOURCE_END,
    EDX_SOURCE_CONFIG /* settings that edxd journaled: for a copy, not for a daemon */
} edx_source_kind;

/* One message; views are valid until the next one. */
typedef struct edx_source_message {
    edx_source_kind kind;
    uint64_t arrival_ns;
    const edx_begin *begin; /* of the message's acquisition */
    edx_frame frame;        /* FRAME */
    edx_end end;            /* END */
    const void *body;       /* CONFIG: as it stands */
    size_t size;
} edx_source_message;

typedef struct edx_source_options {
    bool growing;    /* the file is still being written, until settle */
    uint64_t frames; /* a summed cube: how many frames its counts are dealt to; 0: one */
    uint64_t seed;
} edx_source_options;

/* One format. self is its instance, made by open. */
typedef struct edx_source {
    const char *ending; /* of file names, with its dot */
    bool grows;         /* can be read while it is being written */
    bool deals;         /* is a sum: takes frames and seed */
    bool apart;         /* is read in a process of its own (instrument/apart.h) */
    /* IO, NOMEM, and DECODE and the like for what cannot be such a file. *self is NULL then. */
    edx_status (*open)(const char *path, const edx_source_options *options, void **self,
                       edx_error *err);
    /* The next message; END when there is none (growing: none yet). IO and NOMEM end it as well.
     * Any other error is something lost or remarkable: say so and go on. */
    edx_status (*next)(void *self, edx_source_message *out, edx_error *err);
    /* Nothing is added to the file any more. */
    void (*settle)(void *self);
    /* Bytes read, and in all. */
    uint64_t (*position)(const void *self);
    uint64_t (*size)(const void *self);
    void (*close)(void *self);
} edx_source;

#endif
