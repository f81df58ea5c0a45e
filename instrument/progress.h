/* How far it is, on stderr: a bar where somebody watches, a line every tenth where a log does. */
#ifndef EDX_INSTRUMENT_PROGRESS_H
#define EDX_INSTRUMENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct edx_progress {
    const char *program, *unit;
    uint64_t total; /* 0: unknown */
    bool quiet, terminal;
    bool drawn;
    uint64_t said;   /* tenths, or units of SAY_EVERY where total is unknown */
    int64_t last_ms; /* when the bar was drawn */
} edx_progress;

/* program and unit ("frames") must outlive it. */
void edx_progress_start(edx_progress *progress, const char *program, const char *unit,
                        uint64_t total, bool quiet);
void edx_progress_step(edx_progress *progress, uint64_t done);
/* Takes the bar away, so that a line can be printed. */
void edx_progress_clear(edx_progress *progress);

#endif
