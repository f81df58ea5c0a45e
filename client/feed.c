#include "client/feed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "proto/certificate.h"

#define HEARTBEAT_MS 2000
#define HEARTBEAT_TIMEOUT_MS 5000
#define RECONNECT_MS 100
#define RECONNECT_MAX_MS 1000
/* Messages that may wait inside ZeroMQ while the client works; more are dropped by the sender. */
#define QUEUE 64
#define MAX_PARTS 3 /* of a reply: the tag, a delimiter, the body */

#define DOOR "inproc://door"

typedef struct zsocket {
    void *context, *socket, *door; /* where ZeroMQ tells of handshakes */
    edx_admission admission;
} zsocket;

struct edx_feed {
    zsocket link;
    edx_message *newest[EDX_RESULT_TOPICS];
};

struct edx_caller {
    zsocket link;
};

double edx_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- sockets ---- */

static int set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static int set_options(void *socket)
{
    return set_int(socket, ZMQ_LINGER, 0) || set_int(socket, ZMQ_RCVHWM, QUEUE) ||
           set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) ||
           set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS) ||
           set_int(socket, ZMQ_HEARTBEAT_IVL, HEARTBEAT_MS) ||
           set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS);
}

static void link_close(zsocket *l)
{
    if (l->socket)
        zmq_socket_monitor(l->socket, NULL, 0);
    if (l->door)
        zmq_close(l->door);
    if (l->socket)
        zmq_close(l->socket);
    if (l->context)
        while (zmq_ctx_term(l->context) && errno == EINTR)
            continue;
    *l = (zsocket){0};
}

static edx_status use_keys(zsocket *l, edx_error *err)
{
    edx_keys keys;
    edx_status status = edx_keys_find(&keys, &l->admission.has_keys, err);
    if (status)
        return err ? err->code = EDX_E_RANGE : EDX_E_RANGE;
    int failed = 0;
    if (l->admission.has_keys)
        failed = zmq_setsockopt(l->socket, ZMQ_CURVE_SERVERKEY, keys.server_key, EDX_KEY_SIZE) |
                 zmq_setsockopt(l->socket, ZMQ_CURVE_PUBLICKEY, keys.public_key, EDX_KEY_SIZE) |
                 zmq_setsockopt(l->socket, ZMQ_CURVE_SECRETKEY, keys.secret_key, EDX_KEY_SIZE);
    explicit_bzero(&keys, sizeof keys);
    return failed
               ? edx_fail(err, EDX_E_RANGE, "key: ZeroMQ does not take it: %s", zmq_strerror(errno))
               : EDX_OK;
}

static edx_status watch_door(zsocket *l, edx_error *err)
{
    static const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                              ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                              ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
    if (!zmq_socket_monitor(l->socket, DOOR, events))
        l->door = zmq_socket(l->context, ZMQ_PAIR);
    if (l->door && !set_int(l->door, ZMQ_RCVHWM, 0) && !zmq_connect(l->door, DOOR))
        return EDX_OK;
    return edx_fail(err, EDX_E_IO, "ZeroMQ: no socket: %s", zmq_strerror(errno));
}

static edx_status link_open(zsocket *l, int type, edx_error *err)
{
    l->context = zmq_ctx_new();
    if (!l->context)
        return edx_fail(err, EDX_E_NOMEM, "ZeroMQ: no context: %s", zmq_strerror(errno));
    l->socket = zmq_socket(l->context, type);
    if (!l->socket || set_options(l->socket))
        return edx_fail(err, EDX_E_IO, "ZeroMQ: no socket: %s", zmq_strerror(errno));
    edx_status status = use_keys(l, err);
    return status ? status : watch_door(l, err);
}

static edx_status link_connect(zsocket *l, const char *endpoint, edx_error *err)
{
    if (!zmq_connect(l->socket, endpoint))
        return EDX_OK;
    return edx_fail(err, EDX_E_RANGE,
                    "endpoint \"%s\": %s, expected one like tcp://127.0.0.1:5556 or "
                    "ipc:///run/edxd.sock",
                    endpoint, zmq_strerror(errno));
}

static void note_handshake(zsocket *l, uint16_t event, uint32_t value)
{
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
        edx_admission_note(&l->admission, EDX_HANDSHAKE_DONE);
    else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        edx_admission_note(&l->admission, EDX_HANDSHAKE_DENIED);
    else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
        edx_admission_note(&l->admission, EDX_HANDSHAKE_BROKEN);
    else if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        edx_admission_note(&l->admission, EDX_HANDSHAKE_FOREIGN);
}

/* What has come from the door: an event and its value, then the endpoint. */
static edx_status link_check(zsocket *l, edx_error *err)
{
    unsigned char event[6];
    char endpoint[512];
    while (zmq_recv(l->door, event, sizeof event, ZMQ_DONTWAIT) == (int)sizeof event) {
        uint16_t what;
        uint32_t value;
        memcpy(&what, event, sizeof what);
        memcpy(&value, event + sizeof what, sizeof value);
        note_handshake(l, what, value);
        zmq_recv(l->door, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
    }
    return l->admission.trouble ? edx_fail(err, EDX_E_DENIED, "%s", l->admission.trouble) : EDX_OK;
}

/* END when the wait was in vain; a signal ends it too. */
static edx_status link_await(zsocket *l, int timeout_ms, edx_error *err)
{
    zmq_pollitem_t items[2] = {{.socket = l->socket, .events = ZMQ_POLLIN},
                               {.socket = l->door, .events = ZMQ_POLLIN}};
    int n = zmq_poll(items, 2, timeout_ms);
    if (n > 0)
        return link_check(l, err);
    if (n == 0 || errno == EINTR)
        return edx_fail(err, EDX_E_END, "nothing came");
    return edx_fail(err, EDX_E_IO, "ZeroMQ: %s", zmq_strerror(errno));
}

static void parts_init(zmq_msg_t part[MAX_PARTS])
{
    for (int i = 0; i < MAX_PARTS; i++)
        zmq_msg_init(&part[i]);
}

static void parts_close(zmq_msg_t part[MAX_PARTS])
{
    for (int i = 0; i < MAX_PARTS; i++)
        zmq_msg_close(&part[i]);
}

/* Reads one whole message without waiting: of its parts, the first go into part[]; *parts says how
 * many there were, 0 for none at all. */
static edx_status link_read(const zsocket *l, zmq_msg_t part[MAX_PARTS], int *parts, edx_error *err)
{
    zmq_msg_t rest;
    int more = 1;
    zmq_msg_init(&rest);
    for (*parts = 0; more; ++*parts) {
        zmq_msg_t *to = *parts < MAX_PARTS ? &part[*parts] : &rest;
        if (zmq_msg_recv(to, l->socket, ZMQ_DONTWAIT) < 0)
            break;
        more = zmq_msg_more(to);
    }
    zmq_msg_close(&rest);
    if (more && errno != EAGAIN && errno != EINTR)
        return edx_fail(err, EDX_E_IO, "ZeroMQ: %s", zmq_strerror(errno));
    if (more)
        *parts = 0;
    return EDX_OK;
}

static edx_status keep(edx_result_topic topic, zmq_msg_t *body, edx_message **out, edx_error *err)
{
    *out = edx_message_new(topic, edx_monotonic(), zmq_msg_data(body), zmq_msg_size(body));
    return *out ? EDX_OK
                : edx_fail(err, EDX_E_NOMEM, "no memory for a message of %zu bytes",
                           zmq_msg_size(body));
}

/* ---- publications ---- */

static edx_status subscribe(edx_feed *feed, unsigned topics, edx_error *err)
{
    for (int i = 0; i < EDX_RESULT_TOPICS; i++) {
        const char *name = edx_result_topic_name((edx_result_topic)i);
        if (topics >> i & 1 && zmq_setsockopt(feed->link.socket, ZMQ_SUBSCRIBE, name, strlen(name)))
            return edx_fail(err, EDX_E_IO, "%s: cannot subscribe: %s", name, zmq_strerror(errno));
    }
    return EDX_OK;
}

edx_status edx_feed_new(const char *endpoint, unsigned topics, edx_feed **out, edx_error *err)
{
    edx_feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the feed");
    edx_status status = link_open(&feed->link, ZMQ_SUB, err);
    if (!status)
        status = subscribe(feed, topics, err);
    if (!status)
        status = link_connect(&feed->link, endpoint, err);
    if (status)
        edx_feed_free(&feed);
    *out = feed;
    return status;
}

void edx_feed_free(edx_feed **feed)
{
    if (!*feed)
        return;
    for (int i = 0; i < EDX_RESULT_TOPICS; i++)
        edx_message_free(&(*feed)->newest[i]);
    link_close(&(*feed)->link);
    free(*feed);
    *feed = NULL;
}

/* One message that waits; *out is NULL when none does or it is none of ours. *any tells. */
static edx_status read_one(edx_feed *feed, edx_message **out, bool *any, edx_error *err)
{
    zmq_msg_t part[MAX_PARTS];
    int parts = 0;
    parts_init(part);
    *out = NULL;
    edx_status status = link_read(&feed->link, part, &parts, err);
    *any = parts > 0;
    if (!status && parts == 2) {
        edx_result_topic topic =
            edx_result_topic_parse(zmq_msg_data(&part[0]), zmq_msg_size(&part[0]));
        if (topic != EDX_RESULT_TOPICS)
            status = keep(topic, &part[1], out, err);
    }
    parts_close(part);
    return status;
}

static int left_ms(double end, int timeout_ms)
{
    double left = 1e3 * (end - edx_monotonic());
    return timeout_ms < 0 ? -1 : left > 0 ? (int)left + 1 : 0;
}

edx_status edx_feed_receive(edx_feed *feed, int timeout_ms, edx_message **out, edx_error *err)
{
    double end = edx_monotonic() + 1e-3 * timeout_ms;
    for (;;) {
        bool any;
        edx_status status = read_one(feed, out, &any, err);
        if (status || *out)
            return status;
        if (any)
            continue;
        status = link_await(&feed->link, left_ms(end, timeout_ms), err);
        if (status)
            return status;
    }
}

edx_status edx_feed_drain(edx_feed *feed, edx_error *err)
{
    bool any = true;
    edx_status status = link_check(&feed->link, err);
    while (!status && any) {
        edx_message *message;
        status = read_one(feed, &message, &any, err);
        if (!message)
            continue;
        edx_message_free(&feed->newest[message->topic]);
        feed->newest[message->topic] = message;
    }
    return status;
}

edx_message *edx_feed_take(edx_feed *feed, edx_result_topic topic)
{
    edx_message *message = feed->newest[topic];
    feed->newest[topic] = NULL;
    return message;
}

/* ---- requests ---- */

static edx_status caller_new(const char *endpoint, bool immediate, edx_caller **out, edx_error *err)
{
    edx_caller *caller = calloc(1, sizeof *caller);
    if (!caller)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a caller");
    edx_status status = link_open(&caller->link, ZMQ_DEALER, err);
    if (!status && set_int(caller->link.socket, ZMQ_IMMEDIATE, immediate))
        status = edx_fail(err, EDX_E_IO, "ZeroMQ: %s", zmq_strerror(errno));
    if (!status)
        status = link_connect(&caller->link, endpoint, err);
    if (status)
        edx_caller_free(&caller);
    *out = caller;
    return status;
}

edx_status edx_caller_new(const char *endpoint, edx_caller **out, edx_error *err)
{
    return caller_new(endpoint, false, out, err);
}

edx_status edx_caller_new_tagged(const char *endpoint, edx_caller **out, edx_error *err)
{
    return caller_new(endpoint, true, out, err);
}

void edx_caller_free(edx_caller **caller)
{
    if (!*caller)
        return;
    link_close(&(*caller)->link);
    free(*caller);
    *caller = NULL;
}

edx_status edx_caller_send(edx_caller *caller, const void *body, size_t n, edx_error *err)
{
    void *socket = caller->link.socket;
    if (zmq_send(socket, "", 0, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_send(socket, body, n, ZMQ_DONTWAIT) < 0)
        return edx_fail(err, EDX_E_IO, "cannot send the request: %s", zmq_strerror(errno));
    return EDX_OK;
}

static edx_status read_reply(edx_caller *caller, edx_message **out, edx_error *err)
{
    zmq_msg_t part[MAX_PARTS];
    int parts = 0;
    parts_init(part);
    edx_status status = link_read(&caller->link, part, &parts, err);
    if (!status && parts == 2 && zmq_msg_size(&part[0]) == 0)
        status = keep(EDX_RESULT_TOPICS, &part[1], out, err);
    parts_close(part);
    return status;
}

edx_status edx_caller_receive(edx_caller *caller, int timeout_ms, edx_message **out, edx_error *err)
{
    double end = edx_monotonic() + 1e-3 * timeout_ms;
    *out = NULL;
    for (;;) {
        edx_status status = link_await(&caller->link, left_ms(end, timeout_ms), err);
        if (!status)
            status = read_reply(caller, out, err);
        if (status || *out)
            return status;
    }
}

edx_status edx_caller_ask(edx_caller *caller, uint64_t tag, const void *body, size_t n,
                          edx_error *err)
{
    void *socket = caller->link.socket;
    edx_status status = link_check(&caller->link, err);
    if (status)
        return status;
    if (zmq_send(socket, &tag, sizeof tag, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return edx_fail(err, errno == EAGAIN ? EDX_E_STATE : EDX_E_IO,
                        "cannot send the request: %s",
                        errno == EAGAIN ? "no edxd is connected" : zmq_strerror(errno));
    return edx_caller_send(caller, body, n, err);
}

edx_status edx_caller_answer(edx_caller *caller, uint64_t *tag, edx_message **out, edx_error *err)
{
    zmq_msg_t part[MAX_PARTS];
    int parts = 1;
    edx_status status = link_check(&caller->link, err);
    *out = NULL;
    while (!status && !*out && parts > 0) {
        parts_init(part);
        status = link_read(&caller->link, part, &parts, err);
        if (!status && parts == MAX_PARTS && zmq_msg_size(&part[0]) == sizeof *tag) {
            memcpy(tag, zmq_msg_data(&part[0]), sizeof *tag);
            status = keep(EDX_RESULT_TOPICS, &part[2], out, err);
        }
        parts_close(part);
    }
    return status || *out ? status : edx_fail(err, EDX_E_END, "nothing came");
}

/* ---- waiting ---- */

void edx_feed_wait(edx_feed *feed, edx_caller *caller, int fd, int timeout_ms)
{
    zmq_pollitem_t items[3];
    int n = 0;
    if (feed)
        items[n++] = (zmq_pollitem_t){.socket = feed->link.socket, .events = ZMQ_POLLIN};
    if (caller)
        items[n++] = (zmq_pollitem_t){.socket = caller->link.socket, .events = ZMQ_POLLIN};
    if (fd >= 0)
        items[n++] = (zmq_pollitem_t){.fd = fd, .events = ZMQ_POLLIN};
    zmq_poll(items, n, timeout_ms);
}
