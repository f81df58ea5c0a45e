/* ZeroMQ, and nothing else knows it: messages, sockets, waiting. */
#ifndef EDX_DAEMON_LINK_H
#define EDX_DAEMON_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/curve.h"
#include "proto/status.h"

/* Room for one zmq_msg_t. A message is moved, never copied byte by byte. */
typedef struct edx_message {
    _Alignas(8) unsigned char opaque[64];
} edx_message;

void edx_message_init(edx_message *message);
void edx_message_close(edx_message *message); /* leaves it empty and usable */
void edx_message_move(edx_message *to, edx_message *from);
/* Both hold the same bytes afterwards; cheap at any size. */
void edx_message_share(edx_message *to, edx_message *from);
const void *edx_message_data(edx_message *message);
size_t edx_message_size(edx_message *message);
/* A copy of n bytes. NOMEM. */
edx_status edx_message_set(edx_message *message, const void *bytes, size_t n);
/* Takes over bytes from malloc. NOMEM (bytes are then freed). */
edx_status edx_message_adopt(edx_message *message, void *bytes, size_t n);

typedef struct edx_link edx_link;     /* the context */
typedef struct edx_socket edx_socket; /* one socket; belongs to one thread at a time */

/* With curve, which must outlive the link, whoever connects to a socket that is not inproc must
 * have a key that curve allows; NULL: anybody may. */
edx_link *edx_link_new(edx_curve *curve);
void edx_link_free(edx_link **link); /* after all of its sockets */

typedef enum edx_socket_kind {
    EDX_SOCKET_SUB, /* subscribed to everything */
    EDX_SOCKET_PULL,
    EDX_SOCKET_ROUTER,
    EDX_SOCKET_ACKS, /* a router whose answers are small: many may wait, more are lost */
    EDX_SOCKET_XPUB, /* verbose */
    EDX_SOCKET_PUSH,
    EDX_SOCKET_INPROC_PUSH,
    EDX_SOCKET_INPROC_PULL
} edx_socket_kind;

/* max_message_bytes: larger ones make libzmq close the connection (0: no limit). */
edx_status edx_socket_open(edx_link *link, edx_socket_kind kind, const char *endpoint, bool bind,
                           uint64_t max_message_bytes, edx_socket **out, edx_error *err);
void edx_socket_free(edx_socket **socket);
/* The endpoint really bound (tcp://127.0.0.1:* gets a port). "" when unknown. */
const char *edx_socket_endpoint(const edx_socket *socket);

#define EDX_MAX_PARTS 8

/* One whole multipart message, without waiting. Returns the number of parts (further ones than
 * max_parts are read and dropped, and counted), or 0 when there is none. parts must be initialised;
 * those received hold data, to be closed by the caller. */
unsigned edx_socket_receive(edx_socket *socket, edx_message *parts, unsigned max_parts);
/* Sends parts as one message without waiting; they are closed whether it was sent or not. false
 * when the peer takes nothing now. */
bool edx_socket_send(edx_socket *socket, edx_message *parts, unsigned n);

/* Waits until one of n sockets or m descriptors is readable, at most timeout_ms. ready[i] tells for
 * sockets first, then descriptors. A NULL socket is never ready. false on a failure of the system
 * other than a signal. */
bool edx_link_wait(edx_socket *const *sockets, unsigned n, const int *fds, unsigned m,
                   long timeout_ms, bool *ready);

/* Connections that libzmq closed on us because of what they sent, since the last call. */
uint64_t edx_socket_protocol_failures(edx_socket *socket);
/* Connections refused because their key is not allowed, or that had none, since the last call. */
uint64_t edx_socket_refusals(edx_socket *socket);

#endif
