/* What edx.status says of the running daemon: facts of the analyst, latency, rate, age. */
#ifndef EDX_DAEMON_MONITOR_H
#define EDX_DAEMON_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/intake.h"
#include "daemon/publish.h"
#include "daemon/task.h"
#include "proto/wire.h"

typedef struct edx_monitor edx_monitor;

edx_monitor *edx_monitor_new(const edx_intake *intake, const edx_publisher *publisher,
                             int64_t now_ns);
void edx_monitor_free(edx_monitor **monitor);

/* Facts that the analyst reported. */
void edx_monitor_facts(edx_monitor *monitor, const edx_run_facts *facts);
/* The files of an acquisition are in place (or could not be written). */
void edx_monitor_saved(edx_monitor *monitor, const edx_run_facts *facts, edx_state state);
/* Maps went out for a frame whose last byte came at arrival_ns. */
void edx_monitor_latency(edx_monitor *monitor, int64_t arrival_ns, int64_t now_ns);
/* Samples the count rate; call about twice a second. */
void edx_monitor_tick(edx_monitor *monitor, int64_t now_ns);

edx_state edx_monitor_state(const edx_monitor *monitor);
/* The body of edx.status as of now. frame (may be NULL) gets its frame. */
void edx_monitor_write(edx_monitor *monitor, double unix_t, int64_t now_ns, edx_pack *pack);
/* frames, frame, counts and acq as last reported. */
const edx_result_head *edx_monitor_head(const edx_monitor *monitor);
/* One line for people. */
void edx_monitor_line(const edx_monitor *monitor, char *out, size_t size);

#endif
