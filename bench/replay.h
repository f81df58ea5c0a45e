/* What the benchmarks share: a clock, the spread of times, and a recording handed over frame by
 * frame. */
#ifndef EDX_BENCH_REPLAY_H
#define EDX_BENCH_REPLAY_H

#include <stdint.h>

#include "proto/frame.h"

double bench_now_ms(void);

/* Prints "name": [min, median, max] and a comma, of the last 15 of n values; nothing of none. */
void bench_print_spread(const char *name, const double *values, uint32_t n);

/* Of each message of a recording; what is not EDX_OK ends it. */
typedef struct bench_calls {
    edx_status (*begin)(void *context, const edx_begin *begin, edx_error *err);
    edx_status (*frame)(void *context, const edx_frame *frame, const edx_events *events,
                        edx_error *err);
} bench_calls;

edx_status bench_replay(const char *path, const bench_calls *calls, void *context, edx_error *err);

#endif
