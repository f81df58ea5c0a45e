/* What edxd publishes and answers, over ZeroMQ. The one file behind this header is the only one of
 * the clients that includes ZeroMQ. */
#ifndef EDX_CLIENT_FEED_H
#define EDX_CLIENT_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/message.h"
#include "proto/status.h"

#define EDX_PUBLISH_ENDPOINT "tcp://127.0.0.1:5556"
#define EDX_CONTROL_ENDPOINT "tcp://127.0.0.1:5557"

/* Seconds of a clock that never jumps. */
double edx_monotonic(void);

/* ---- publications ---- */

typedef struct edx_feed edx_feed;

/* The keys of whoever asks are those that EDX_KEY and EDX_SERVER_KEY name (edx_keys_find). Where
 * edxd refuses the connection for them, or for want of them, every function that sends or receives
 * says so: DENIED, which does not change any more. */

/* Subscribes to the topics whose bits (1 << topic) are set. The connection is made, and made again
 * after every loss, in the background: a daemon that is not there yet is no error. Errors: RANGE
 * (an endpoint or a key that is none), NOMEM, IO. */
edx_status edx_feed_new(const char *endpoint, unsigned topics, edx_feed **out, edx_error *err);
void edx_feed_free(edx_feed **feed);

/* The next message in the order of arrival; the caller frees it. END when timeout_ms (-1: for ever)
 * passes first, or a signal comes. */
edx_status edx_feed_receive(edx_feed *feed, int timeout_ms, edx_message **out, edx_error *err);

/* Takes in everything that waits; of each topic only the newest stays. */
edx_status edx_feed_drain(edx_feed *feed, edx_error *err);
/* The newest message of topic that was not taken yet (the caller frees it), or NULL. */
edx_message *edx_feed_take(edx_feed *feed, edx_result_topic topic);

/* ---- requests ---- */

typedef struct edx_caller edx_caller;

edx_status edx_caller_new(const char *endpoint, edx_caller **out, edx_error *err);
void edx_caller_free(edx_caller **caller);

/* Replies come in the order of requests. IO when the request cannot even be queued. */
edx_status edx_caller_send(edx_caller *caller, const void *body, size_t n, edx_error *err);
/* A reply; the caller frees it. END as in edx_feed_receive. */
edx_status edx_caller_receive(edx_caller *caller, int timeout_ms, edx_message **out,
                              edx_error *err);

/* Requests whose replies may come in any order: each carries a tag that comes back with its reply.
 * Nothing waits for a daemon that is not there. */
edx_status edx_caller_new_tagged(const char *endpoint, edx_caller **out, edx_error *err);
/* STATE when no daemon is connected. */
edx_status edx_caller_ask(edx_caller *caller, uint64_t tag, const void *body, size_t n,
                          edx_error *err);
/* A reply that waits and the tag of its request; the caller frees it. END when there is none. */
edx_status edx_caller_answer(edx_caller *caller, uint64_t *tag, edx_message **out, edx_error *err);

/* ---- waiting ---- */

/* Waits until the feed, the caller (each may be NULL) or the file descriptor fd (-1: none) has
 * something, a signal comes or timeout_ms passes. */
void edx_feed_wait(edx_feed *feed, edx_caller *caller, int fd, int timeout_ms);

#endif
