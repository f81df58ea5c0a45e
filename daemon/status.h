/* Puts edx.status together from what the receiving and the analysing side know. */
#ifndef EDX_DAEMON_STATUS_H
#define EDX_DAEMON_STATUS_H

#include "daemon/run.h"

/* Fills everything but latency, rate, last, t and uptime. outliers stay facts'. */
void edx_status_fill(edx_status_result *out, edx_state state, uint64_t expected,
                     const edx_run_facts *facts, const edx_tally *tally, uint64_t bad);

#endif
