#include "daemon/link.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zmq.h>

#include "proto/certificate.h"

_Static_assert(sizeof(zmq_msg_t) <= sizeof(edx_message), "edx_message must hold a zmq_msg_t");

struct edx_link {
    void *context;
    edx_curve *curve;  /* whose context it is; NULL: ours */
    unsigned monitors; /* names of their inproc endpoints */
};

struct edx_socket {
    void *socket;
    void *monitor; /* PAIR; connecting sockets, and with CURVE all but inproc */
    bool connects;
    char endpoint[512];
    char monitor_name[32];
    uint64_t refusals;
    bool refused;    /* the connection broke for want of a key */
    int64_t gone_ms; /* when the connection broke and libzmq did not try again; 0: it stands */
};

/* ---- messages ---- */

static zmq_msg_t *msg(edx_message *message)
{
    return (zmq_msg_t *)(void *)message->opaque;
}

void edx_message_init(edx_message *message)
{
    zmq_msg_init(msg(message));
}

void edx_message_close(edx_message *message)
{
    zmq_msg_close(msg(message));
    zmq_msg_init(msg(message));
}

void edx_message_move(edx_message *to, edx_message *from)
{
    zmq_msg_move(msg(to), msg(from));
}

void edx_message_share(edx_message *to, edx_message *from)
{
    zmq_msg_copy(msg(to), msg(from));
}

const void *edx_message_data(edx_message *message)
{
    return zmq_msg_data(msg(message));
}

size_t edx_message_size(edx_message *message)
{
    return zmq_msg_size(msg(message));
}

edx_status edx_message_set(edx_message *message, const void *bytes, size_t n)
{
    zmq_msg_close(msg(message));
    if (zmq_msg_init_size(msg(message), n) != 0) {
        zmq_msg_init(msg(message));
        return EDX_E_NOMEM;
    }
    if (n > 0) {
        memcpy(zmq_msg_data(msg(message)), bytes, n);
    }
    return EDX_OK;
}

static void release(void *bytes, void *hint)
{
    (void)hint;
    free(bytes);
}

edx_status edx_message_adopt(edx_message *message, void *bytes, size_t n)
{
    zmq_msg_close(msg(message));
    if (zmq_msg_init_data(msg(message), bytes, n, release, NULL) != 0) {
        zmq_msg_init(msg(message));
        free(bytes);
        return EDX_E_NOMEM;
    }
    return EDX_OK;
}

/* ---- sockets ---- */

edx_link *edx_link_new(edx_curve *curve)
{
    edx_link *link = calloc(1, sizeof *link);
    if (!link) {
        return NULL;
    }
    link->curve = curve;
    link->context = curve ? edx_curve_context(curve) : zmq_ctx_new();
    if (!link->context) {
        free(link);
        return NULL;
    }
    return link;
}

void edx_link_free(edx_link **link)
{
    if (*link) {
        if (!(*link)->curve) {
            zmq_ctx_term((*link)->context);
        }
        free(*link);
        *link = NULL;
    }
}

static int zmq_kind(edx_socket_kind kind)
{
    static const int kinds[] = {ZMQ_SUB,  ZMQ_PULL, ZMQ_ROUTER, ZMQ_ROUTER,
                                ZMQ_XPUB, ZMQ_PUSH, ZMQ_PUSH,   ZMQ_PULL};
    return kinds[kind];
}

static int set_int(edx_socket *s, int option, int value)
{
    return zmq_setsockopt(s->socket, option, &value, sizeof value);
}

static bool answers(edx_socket_kind kind)
{
    return kind == EDX_SOCKET_XPUB || kind == EDX_SOCKET_ROUTER || kind == EDX_SOCKET_ACKS;
}

static int set_options(edx_socket *s, edx_socket_kind kind, uint64_t max_message_bytes)
{
    const int64_t limit = max_message_bytes ? (int64_t)max_message_bytes : -1;
    int rc = zmq_setsockopt(s->socket, ZMQ_MAXMSGSIZE, &limit, sizeof limit);
    rc |= set_int(s, ZMQ_LINGER, answers(kind) ? 200 : 0);
    switch (kind) {
    case EDX_SOCKET_SUB:
        rc |= zmq_setsockopt(s->socket, ZMQ_SUBSCRIBE, "", 0);
        rc |= set_int(s, ZMQ_RCVHWM, 10000);
        break;
    case EDX_SOCKET_PULL:
        rc |= set_int(s, ZMQ_RCVHWM, 64);
        break;
    case EDX_SOCKET_XPUB:
        rc |= set_int(s, ZMQ_XPUB_VERBOSE, 1);
        rc |= set_int(s, ZMQ_SNDHWM, 64);
        break;
    case EDX_SOCKET_PUSH:
        rc |= set_int(s, ZMQ_SNDHWM, 16);
        break;
    case EDX_SOCKET_ACKS:
        rc |= set_int(s, ZMQ_SNDHWM, 65536);
        rc |= set_int(s, ZMQ_ROUTER_HANDOVER, 1);
        break;
    case EDX_SOCKET_ROUTER:
        rc |= set_int(s, ZMQ_ROUTER_HANDOVER, 1);
        break;
    default:
        rc |= set_int(s, ZMQ_SNDHWM, 0) | set_int(s, ZMQ_RCVHWM, 0);
    }
    if (kind < EDX_SOCKET_INPROC_PUSH) {
        rc |= set_int(s, ZMQ_TCP_KEEPALIVE, 1) | set_int(s, ZMQ_TCP_KEEPALIVE_IDLE, 30);
        rc |= set_int(s, ZMQ_RECONNECT_IVL_MAX, 2000);
    }
    return rc;
}

/* The domain makes libzmq ask; where nobody answers it would let everybody in, so curve must be
 * there before the socket and after it. */
static int set_curve(edx_socket *s, const edx_curve *curve)
{
    static const char domain[] = "edxd";
    int rc = set_int(s, ZMQ_CURVE_SERVER, 1);
    rc |= zmq_setsockopt(s->socket, ZMQ_CURVE_SECRETKEY, edx_curve_secret(curve), EDX_KEY_SIZE);
    return rc | zmq_setsockopt(s->socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain));
}

/* The limit holds for what the handshake says, too. */
#define HANDSHAKE_BYTES 1024

#define REFUSALS                                                                                   \
    (ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |                  \
     ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)

static void watch(edx_link *link, edx_socket *s)
{
    snprintf(s->monitor_name, sizeof s->monitor_name, "inproc://monitor-%u", link->monitors++);
    const int connecting = ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECTED |
                           ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECT_RETRIED;
    const int events = (s->connects ? connecting : 0) | (link->curve ? REFUSALS : 0);
    const int unlimited = 0; /* libzmq waits for room in the middle of its work */
    if (zmq_socket_monitor(s->socket, s->monitor_name, events) != 0) {
        return;
    }
    s->monitor = zmq_socket(link->context, ZMQ_PAIR);
    if (s->monitor && (zmq_setsockopt(s->monitor, ZMQ_RCVHWM, &unlimited, sizeof unlimited) != 0 ||
                       zmq_connect(s->monitor, s->monitor_name) != 0)) {
        zmq_close(s->monitor);
        s->monitor = NULL;
    }
}

edx_status edx_socket_open(edx_link *link, edx_socket_kind kind, const char *endpoint, bool bind,
                           uint64_t max_message_bytes, edx_socket **out, edx_error *err)
{
    edx_socket *s = calloc(1, sizeof *s);
    if (!s) {
        return edx_fail(err, EDX_E_NOMEM, "%s: no memory", endpoint);
    }
    if (link->curve && max_message_bytes > 0) {
        max_message_bytes += HANDSHAKE_BYTES;
    }
    s->socket = zmq_socket(link->context, zmq_kind(kind));
    if (!s->socket || set_options(s, kind, max_message_bytes) != 0) {
        edx_fail(err, EDX_E_IO, "%s: %s", endpoint, zmq_strerror(zmq_errno()));
        goto fail;
    }
    if (link->curve && kind < EDX_SOCKET_INPROC_PUSH && set_curve(s, link->curve) != 0) {
        edx_fail(err, EDX_E_IO,
                 "%s: no CURVE: %s; expected a libzmq that was built with it, and a good key",
                 endpoint, zmq_strerror(zmq_errno()));
        goto fail;
    }
    s->connects = !bind;
    if ((!bind || link->curve) && kind < EDX_SOCKET_INPROC_PUSH) {
        watch(link, s);
    }
    if ((bind ? zmq_bind(s->socket, endpoint) : zmq_connect(s->socket, endpoint)) != 0) {
        edx_fail(err, EDX_E_IO,
                 "%s: cannot %s: %s; expected an endpoint like tcp://127.0.0.1:5555 or ipc:///path "
                 "that nobody else holds",
                 endpoint, bind ? "bind" : "connect", zmq_strerror(zmq_errno()));
        goto fail;
    }
    size_t size = sizeof s->endpoint;
    if (!bind || zmq_getsockopt(s->socket, ZMQ_LAST_ENDPOINT, s->endpoint, &size) != 0) {
        snprintf(s->endpoint, sizeof s->endpoint, "%s", endpoint);
    }
    *out = s;
    return EDX_OK;
fail:
    edx_socket_free(&s);
    return err ? err->code : EDX_E_IO;
}

void edx_socket_free(edx_socket **socket)
{
    edx_socket *s = *socket;
    if (!s) {
        return;
    }
    if (s->monitor) {
        zmq_socket_monitor(s->socket, NULL, 0);
        zmq_close(s->monitor);
    }
    if (s->socket) {
        zmq_close(s->socket);
    }
    free(s);
    *socket = NULL;
}

const char *edx_socket_endpoint(const edx_socket *socket)
{
    return socket->endpoint;
}

unsigned edx_socket_receive(edx_socket *socket, edx_message *parts, unsigned max_parts)
{
    unsigned n = 0;
    bool more = true;
    edx_message rest;
    edx_message_init(&rest);
    while (more) {
        edx_message *part = n < max_parts ? &parts[n] : &rest;
        if (zmq_msg_recv(msg(part), socket->socket, ZMQ_DONTWAIT) < 0) {
            break; /* only the first part can be missing: libzmq delivers whole messages */
        }
        more = zmq_msg_more(msg(part));
        n++;
    }
    edx_message_close(&rest);
    return n;
}

bool edx_socket_send(edx_socket *socket, edx_message *parts, unsigned n)
{
    bool sent = true;
    for (unsigned i = 0; i < n; i++) {
        if (sent) {
            const int flags = ZMQ_DONTWAIT | (i + 1 < n ? ZMQ_SNDMORE : 0);
            sent = zmq_msg_send(msg(&parts[i]), socket->socket, flags) >= 0;
        }
        edx_message_close(&parts[i]);
    }
    return sent;
}

#define MAX_WAIT 16

bool edx_link_wait(edx_socket *const *sockets, unsigned n, const int *fds, unsigned m,
                   long timeout_ms, bool *ready)
{
    zmq_pollitem_t items[MAX_WAIT] = {0};
    unsigned index[MAX_WAIT];
    unsigned used = 0;
    assert(n + m <= MAX_WAIT);
    for (unsigned i = 0; i < n + m; i++) {
        ready[i] = false;
        if (i < n && !sockets[i]) {
            continue;
        }
        items[used] = (zmq_pollitem_t){
            .socket = i < n ? sockets[i]->socket : NULL,
            .fd = i < n ? 0 : fds[i - n],
            .events = ZMQ_POLLIN,
        };
        index[used++] = i;
    }
    if (zmq_poll(items, (int)used, timeout_ms) < 0) {
        return zmq_errno() == EINTR;
    }
    for (unsigned i = 0; i < used; i++) {
        ready[index[i]] = (items[i].revents & ZMQ_POLLIN) != 0;
    }
    return true;
}

/* ---- broken connections ---- */

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* One event: 0 when there is none. */
static uint16_t next_event(edx_socket *s)
{
    edx_message part;
    uint16_t event = 0;
    edx_message_init(&part);
    if (zmq_msg_recv(msg(&part), s->monitor, ZMQ_DONTWAIT) >= (int)sizeof event) {
        memcpy(&event, edx_message_data(&part), sizeof event);
        if (zmq_msg_more(msg(&part))) {
            zmq_msg_recv(msg(&part), s->monitor, ZMQ_DONTWAIT);
        }
    }
    edx_message_close(&part);
    return event;
}

static void take_events(edx_socket *s)
{
    for (uint16_t event = s->monitor ? next_event(s) : 0; event; event = next_event(s)) {
        if (event & REFUSALS) {
            s->refusals++;
            s->refused = true;
        } else if (event == ZMQ_EVENT_DISCONNECTED) {
            s->gone_ms = now_ms();
        } else {
            s->gone_ms = 0;
            s->refused = false;
        }
    }
}

uint64_t edx_socket_refusals(edx_socket *socket)
{
    take_events(socket);
    const uint64_t refusals = socket->refusals;
    socket->refusals = 0;
    return refusals;
}

/* libzmq tries again after a lost connection, but not after it closed one itself (a message over
 * the limit, rubbish instead of ZMTP): that one is connected anew here. */
uint64_t edx_socket_protocol_failures(edx_socket *socket)
{
    const int64_t patience_ms = 500;
    take_events(socket);
    if (!socket->connects || !socket->gone_ms || now_ms() - socket->gone_ms < patience_ms) {
        return 0;
    }
    socket->gone_ms = 0;
    zmq_disconnect(socket->socket, socket->endpoint);
    zmq_connect(socket->socket, socket->endpoint);
    return socket->refused ? 0 : 1;
}
