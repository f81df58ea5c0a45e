/* Removes old runs, where output.keep_days asks for it. */
#ifndef EDX_DAEMON_RETENTION_H
#define EDX_DAEMON_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/journal.h"
#include "daemon/log.h"

typedef struct edx_retention {
    double keep_days; /* 0: for ever */
    edx_journal *journal;
    edx_log *log;
    bool (*in_use)(void *context, const char *stored); /* not to be touched whatever its age */
    void *context;
    int64_t checked_ns, offset_ns; /* of the last look; the clock against monotonic time then */
} edx_retention;

/* Looks once an hour, and every few seconds while space is low; removes at most one run, the
 * oldest, a call. A run may go when it is older than keep_days and finished: its folder holds
 * recording.edxr, cube.hspy, results.h5, maps.hspy where there are maps, and nothing else but
 * .partial files of theirs, and the
 * results were written after the last record; its age is that of the results. Nothing is removed at
 * the first look, nor at one before which the clock was set. */
void edx_retention_look(edx_retention *retention, bool space_low, int64_t unix_ns, int64_t now_ns);

#endif
