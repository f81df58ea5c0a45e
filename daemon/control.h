/* The control socket: one request map in, one reply map out. */
#ifndef EDX_DAEMON_CONTROL_H
#define EDX_DAEMON_CONTROL_H

#include "daemon/config.h"
#include "daemon/intake.h"
#include "daemon/link.h"
#include "daemon/monitor.h"
#include "daemon/publish.h"

typedef struct edx_control edx_control;

/* Everything is the caller's and outlives the control; config is changed by `set`. */
typedef struct edx_control_parts {
    edx_socket *socket; /* ROUTER */
    edx_config *config;
    edx_intake *intake;
    edx_analyst *analyst;
    edx_publisher *publisher;
    edx_monitor *monitor;
    edx_log *log;
} edx_control_parts;

edx_control *edx_control_new(const edx_control_parts *parts);
void edx_control_free(edx_control **control);

/* Answers the requests that wait, at most some at a time. */
void edx_control_serve(edx_control *control, double unix_t, int64_t now_ns);
/* The files that a ticket waits for are in place (status 0) or not. */
void edx_control_saved(edx_control *control, uint64_t ticket, const edx_error *result);
/* The analyst's reply map to a question, moved from body. */
void edx_control_answered(edx_control *control, uint64_t ticket, edx_message *body);

#endif
