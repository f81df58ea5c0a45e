/* Recordings in, run folders out: the live analysis without sockets, in one thread; or in several
 * processes, which share the recordings or, where they are more than those, the rows of one. */
#ifndef EDX_DAEMON_OFFLINE_H
#define EDX_DAEMON_OFFLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/config.h"
#include "daemon/crew.h"
#include "daemon/log.h"

typedef struct edx_offline_options {
    const edx_config *config;
    bool config_given;            /* -c: replaces what the recordings say */
    const char *const *overrides; /* -s, over either */
    size_t n_overrides;
    const char *dir; /* -o */
    bool progress;   /* a line on stderr that is written over */
    edx_crew *crew;  /* all of whom call this alike; NULL: alone */
} edx_offline_options;

/* Analyses n recordings one after the other. An unreadable one is reported and the others go on;
 * the first such error is returned, to all of a crew. */
edx_status edx_offline_run(const edx_offline_options *options, const char *const *paths, size_t n,
                           edx_log *log, edx_error *err);

#endif
