/* The XPUB socket: results out, last values for those who come late, earlier ones for history. */
#ifndef EDX_DAEMON_PUBLISH_H
#define EDX_DAEMON_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/link.h"
#include "proto/result.h"

typedef struct edx_publisher edx_publisher;

/* socket is an XPUB, the caller's. history_bytes bounds what is kept of each topic. */
edx_publisher *edx_publisher_new(edx_socket *socket, size_t history_bytes);
void edx_publisher_free(edx_publisher **publisher);

/* Publishes a body (moved from message) that carries time t and frame; a slow client misses it.
 * keep: it may be asked for later by history. */
void edx_publisher_send(edx_publisher *publisher, edx_result_topic topic, edx_message *message,
                        double t, uint64_t frame, bool keep);
/* Reads new subscriptions and repeats the last value of what they name, at most every 20 ms a
 * topic. Returns the ms until the next repeat is due, or -1. */
long edx_publisher_serve(edx_publisher *publisher, int64_t now_ms);
/* t of each topic's last message, NaN where none was sent. */
void edx_publisher_last(const edx_publisher *publisher, double last[EDX_RESULT_TOPICS]);
/* The message of topic at frame, or the newest before it; false when there is none. out shares it.
 */
bool edx_publisher_history(edx_publisher *publisher, edx_result_topic topic, uint64_t frame,
                           edx_message *out);
/* A new acquisition: history and last values are forgotten, status and alarms excepted. */
void edx_publisher_forget(edx_publisher *publisher);

#endif
