/* The thread that owns every socket and the journal: frames in, results and replies out. */
#ifndef EDX_DAEMON_RECEIVE_H
#define EDX_DAEMON_RECEIVE_H

#include "daemon/config.h"
#include "daemon/log.h"
#include <signal.h>

/* The signals that end the daemon: SIGTERM, SIGINT, and SIGHUP where it is not ignored. */
void edx_receive_signals(sigset_t *set);

/* Runs the daemon until one of them, all of which must be blocked in every thread: opens the
 * sockets, replays the newest acquisition, reports READY, serves, saves. config is changed by
 * `set`. */
edx_status edx_receive_run(edx_config *config, edx_log *log, edx_error *err);

#endif
