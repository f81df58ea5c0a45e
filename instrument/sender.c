#include "instrument/sender.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zmq.h>

#include "proto/certificate.h"
#include "proto/frame.h"
#include "proto/wire.h"

#define WINDOW_MESSAGES 64
#define WINDOW_BYTES ((size_t)64 << 20)
#define SILENCE_MS 1000      /* without an acknowledgement, then everything is sent again, */
#define SILENCE_MAX_MS 16000 /* the next time after twice as long */
#define STOPPED_MS 2000      /* how long a message may wait after a stop */
#define NOTICE_MS 2000       /* silence before somebody is told what it waits for */
#define PUSH_QUEUE 16        /* messages inside ZeroMQ: few, they are lost when edxd dies */
#define TICK_MS 200
#define MONITOR "inproc://monitor"

/* A message that waits for its acknowledgement. */
typedef struct kept {
    char topic[EDX_NAME_SIZE];
    char acq[EDX_ACQ_SIZE];
    bool has_seq, sent, ever_sent;
    uint64_t seq;
    void *body;
    size_t size;
} kept;

struct edx_sender {
    edx_sender_options options;
    char endpoint[256];
    void *context, *socket, *monitor;
    void *stops;            /* NULL: nobody but who runs us says stop */
    char acq[EDX_ACQ_SIZE]; /* of what was sent last */
    edx_wire *wire;
    kept window[WINDOW_MESSAGES]; /* ring, oldest at first */
    size_t first, n, bytes;
    int64_t progress_ms; /* last time anything moved */
    int64_t silent_from_ms, silence_ms;
    bool told;
    edx_admission admission;
    edx_sender_counts counts;
};

static const char *const pattern_names[] = {
    [EDX_SENDER_PUB] = "pub", [EDX_SENDER_PUSH] = "push", [EDX_SENDER_DEALER] = "dealer"};

bool edx_sender_pattern_parse(const char *text, edx_sender_pattern *out)
{
    for (unsigned i = 0; i < sizeof pattern_names / sizeof *pattern_names; i++)
        if (strcmp(text, pattern_names[i]) == 0) {
            *out = (edx_sender_pattern)i;
            return true;
        }
    return false;
}

const char *edx_sender_pattern_name(edx_sender_pattern pattern)
{
    return pattern_names[pattern];
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void tell(edx_sender *sender, const char *what)
{
    char text[1024];
    if (!sender->options.notice)
        return;
    snprintf(text, sizeof text, "%s: %s", sender->endpoint, what);
    for (char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?'; /* it may come from elsewhere; one line, no escapes */
    sender->options.notice(sender->options.context, text);
}

static void moved(edx_sender *sender)
{
    sender->progress_ms = now_ms();
    sender->told = false;
}

/* ---- opening ---- */

static edx_status fail_zmq(const edx_sender *sender, const char *expected, edx_error *err)
{
    return edx_fail(err, EDX_E_IO, "%s: %s, expected %s", sender->options.endpoint,
                    zmq_strerror(errno), expected);
}

static int set_option(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

static edx_status open_socket(edx_sender *sender, edx_error *err)
{
    static const int types[] = {[EDX_SENDER_PUB] = ZMQ_XPUB,
                                [EDX_SENDER_PUSH] = ZMQ_PUSH,
                                [EDX_SENDER_DEALER] = ZMQ_DEALER};
    edx_sender_pattern pattern = sender->options.pattern;
    sender->context = zmq_ctx_new();
    if (sender->context)
        sender->socket = zmq_socket(sender->context, types[pattern]);
    if (!sender->socket)
        return fail_zmq(sender, "a ZeroMQ socket", err);
    double linger = sender->options.timeout_s > 0.0 ? sender->options.timeout_s * 1e3 : -1.0;
    set_option(sender->socket, ZMQ_LINGER, (int)fmin(linger, 1e9));
    if (pattern == EDX_SENDER_PUB)
        return EDX_OK;
    set_option(sender->socket, ZMQ_IMMEDIATE, 1); /* queue for those who are there only */
    set_option(sender->socket, ZMQ_SNDHWM,
               pattern == EDX_SENDER_PUSH ? PUSH_QUEUE : 2 * WINDOW_MESSAGES);
    return EDX_OK;
}

static edx_status use_keys(edx_sender *sender, void *socket, edx_error *err)
{
    edx_keys keys;
    edx_status status = edx_keys_find(&keys, &sender->admission.has_keys, err);
    int failed = 0;
    if (status)
        return err ? err->code = EDX_E_RANGE : EDX_E_RANGE;
    if (sender->admission.has_keys)
        failed = zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, keys.server_key, EDX_KEY_SIZE) |
                 zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys.public_key, EDX_KEY_SIZE) |
                 zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys.secret_key, EDX_KEY_SIZE);
    explicit_bzero(&keys, sizeof keys);
    return failed ? fail_zmq(sender, "ZeroMQ to take the key", err) : EDX_OK;
}

/* Handshakes; and a dealer must know when edxd has gone: what it had not read is lost, and wanted
 * when it is back. */
static edx_status watch(edx_sender *sender, edx_error *err)
{
    const int unlimited = 0;
    const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                       ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                       ZMQ_EVENT_DISCONNECTED;
    if (zmq_socket_monitor(sender->socket, MONITOR, events) != 0)
        return fail_zmq(sender, "a socket monitor", err);
    sender->monitor = zmq_socket(sender->context, ZMQ_PAIR);
    if (!sender->monitor ||
        zmq_setsockopt(sender->monitor, ZMQ_RCVHWM, &unlimited, sizeof unlimited) != 0 ||
        zmq_connect(sender->monitor, MONITOR) != 0)
        return fail_zmq(sender, "a socket monitor", err);
    return EDX_OK;
}

static edx_status attach(edx_sender *sender, edx_error *err)
{
    const char *endpoint = sender->options.endpoint;
    int rc = sender->options.connect ? zmq_connect(sender->socket, endpoint)
                                     : zmq_bind(sender->socket, endpoint);
    if (rc != 0)
        return fail_zmq(sender,
                        sender->options.connect ? "an endpoint to connect to, such as "
                                                  "tcp://127.0.0.1:5555"
                                                : "a free endpoint, such as "
                                                  "tcp://127.0.0.1:5555 or ipc:///tmp/edx",
                        err);
    size_t size = sizeof sender->endpoint;
    if (zmq_getsockopt(sender->socket, ZMQ_LAST_ENDPOINT, sender->endpoint, &size) != 0)
        snprintf(sender->endpoint, sizeof sender->endpoint, "%s", endpoint);
    return EDX_OK;
}

/* Where edxd says that it has seen enough. */
static edx_status listen_for_stops(edx_sender *sender, edx_error *err)
{
    const int64_t most = 4096;
    sender->stops = zmq_socket(sender->context, ZMQ_PULL);
    if (!sender->stops)
        return fail_zmq(sender, "a ZeroMQ socket", err);
    set_option(sender->stops, ZMQ_LINGER, 0);
    zmq_setsockopt(sender->stops, ZMQ_MAXMSGSIZE, &most, sizeof most);
    edx_status status = use_keys(sender, sender->stops, err);
    if (status == EDX_OK && zmq_bind(sender->stops, sender->options.stop_endpoint) != 0)
        status = edx_fail(err, EDX_E_IO,
                          "--stop-endpoint: %s: %s, expected a free endpoint, such as "
                          "tcp://127.0.0.1:5558",
                          sender->options.stop_endpoint, zmq_strerror(errno));
    return status;
}

static edx_status wait_for_subscriber(edx_sender *sender, edx_error *err);

edx_status edx_sender_new(const edx_sender_options *options, edx_sender **out, edx_error *err)
{
    *out = NULL;
    edx_sender *sender = calloc(1, sizeof *sender);
    if (!sender)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    sender->options = *options;
    sender->progress_ms = sender->silent_from_ms = now_ms();
    sender->silence_ms = SILENCE_MS;
    sender->wire = edx_wire_new(64);
    edx_status status =
        sender->wire ? open_socket(sender, err) : edx_fail(err, EDX_E_NOMEM, "no memory");
    if (status == EDX_OK)
        status = use_keys(sender, sender->socket, err);
    if (status == EDX_OK)
        status = watch(sender, err);
    if (status == EDX_OK)
        status = attach(sender, err);
    if (status == EDX_OK && options->stop_endpoint)
        status = listen_for_stops(sender, err);
    if (status == EDX_OK && options->pattern == EDX_SENDER_PUB)
        status = wait_for_subscriber(sender, err);
    if (status != EDX_OK)
        edx_sender_free(&sender);
    *out = sender;
    return status;
}

void edx_sender_free(edx_sender **sender)
{
    edx_sender *s = *sender;
    if (!s)
        return;
    for (; s->n > 0; s->n--, s->first = (s->first + 1) % WINDOW_MESSAGES)
        free(s->window[s->first].body);
    if (s->socket && (s->options.pattern == EDX_SENDER_DEALER || edx_stop_asked(s->options.stop)))
        set_option(s->socket, ZMQ_LINGER, STOPPED_MS);
    if (s->socket)
        zmq_socket_monitor(s->socket, NULL, 0);
    if (s->monitor)
        zmq_close(s->monitor);
    if (s->stops)
        zmq_close(s->stops);
    if (s->socket)
        zmq_close(s->socket);
    if (s->context)
        zmq_ctx_term(s->context);
    edx_wire_free(&s->wire);
    free(s);
    *sender = NULL;
}

/* ---- what comes back ---- */

static kept *at(edx_sender *sender, size_t i)
{
    return &sender->window[(sender->first + i) % WINDOW_MESSAGES];
}

static void send_all_again(edx_sender *sender)
{
    for (size_t i = 0; i < sender->n; i++)
        at(sender, i)->sent = false;
    sender->silent_from_ms = now_ms();
}

/* Takes the i-th kept message out of the window, which may leave a gap to close. */
static void drop(edx_sender *sender, size_t i)
{
    kept *gone = at(sender, i);
    sender->bytes -= gone->size;
    free(gone->body);
    for (; i > 0; i--)
        *at(sender, i) = *at(sender, i - 1);
    memset(at(sender, 0), 0, sizeof(kept));
    sender->first = (sender->first + 1) % WINDOW_MESSAGES;
    sender->n--;
}

typedef struct acknowledgement {
    char topic[EDX_NAME_SIZE];
    char acq[EDX_ACQ_SIZE];
    char error[EDX_ERROR_TEXT];
    bool has_seq;
    uint64_t seq;
} acknowledgement;

static bool read_acknowledgement(edx_sender *sender, const void *body, size_t n,
                                 acknowledgement *out)
{
    const edx_node *root = NULL;
    memset(out, 0, sizeof *out);
    if (edx_wire_parse(sender->wire, body, n, &root, NULL) != EDX_OK)
        return false;
    edx_node_text(edx_map_get(root, "error"), "error", out->error, sizeof out->error, NULL);
    out->has_seq =
        edx_node_uint(edx_map_get(root, "seq"), "seq", UINT64_MAX, &out->seq, NULL) == EDX_OK;
    return edx_node_text(edx_map_get(root, "topic"), "topic", out->topic, sizeof out->topic,
                         NULL) == EDX_OK &&
           edx_node_text(edx_map_get(root, "acq"), "acq", out->acq, sizeof out->acq, NULL) ==
               EDX_OK;
}

static bool answers(const acknowledgement *ack, const kept *message)
{
    return message->ever_sent && strcmp(ack->topic, message->topic) == 0 &&
           strcmp(ack->acq, message->acq) == 0 && ack->has_seq == message->has_seq &&
           (!ack->has_seq || ack->seq == message->seq);
}

static void take_acknowledgement(edx_sender *sender, const acknowledgement *ack)
{
    moved(sender);
    sender->silent_from_ms = sender->progress_ms;
    sender->silence_ms = SILENCE_MS;
    for (size_t i = 0; i < sender->n; i++) {
        if (!answers(ack, at(sender, i)))
            continue;
        drop(sender, i);
        sender->counts.acknowledged++;
        if (ack->error[0] != '\0') {
            char text[EDX_ERROR_TEXT + EDX_ACQ_SIZE + EDX_NAME_SIZE + 16];
            snprintf(text, sizeof text, "%s %s refused: %s", ack->acq, ack->topic, ack->error);
            tell(sender, text);
            sender->counts.refused++;
        }
        return;
    }
}

/* Receives one multipart message without waiting: true when there was one; the second part, if it
 * has exactly two (or three with an empty delimiter), is an acknowledgement's body. */
static bool receive(edx_sender *sender)
{
    zmq_msg_t part;
    bool is_ack = false;
    int more = 1;
    for (int i = 0; more; i++) {
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, sender->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            return i > 0;
        }
        more = zmq_msg_more(&part);
        const char *data = zmq_msg_data(&part);
        size_t size = zmq_msg_size(&part);
        acknowledgement ack;
        if (is_ack && !more && read_acknowledgement(sender, data, size, &ack))
            take_acknowledgement(sender, &ack);
        is_ack = size == strlen(EDX_TOPIC_ACK) && memcmp(data, EDX_TOPIC_ACK, size) == 0;
        zmq_msg_close(&part);
    }
    return true;
}

static void note_handshake(edx_sender *sender, uint16_t event, uint32_t value)
{
    const char *before = sender->admission.trouble;
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
        edx_admission_note(&sender->admission, EDX_HANDSHAKE_DONE);
    else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        edx_admission_note(&sender->admission, EDX_HANDSHAKE_DENIED);
    else if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
        edx_admission_note(&sender->admission, EDX_HANDSHAKE_BROKEN);
    else if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
        edx_admission_note(&sender->admission, EDX_HANDSHAKE_FOREIGN);
    if (sender->admission.trouble && sender->admission.trouble != before &&
        !sender->options.connect)
        tell(sender, sender->admission.trouble);
}

/* Takes what the monitor saw: an event and its value, then the endpoint. True when a peer left. */
static bool peer_left(edx_sender *sender)
{
    bool left = false;
    unsigned char seen[6];
    char endpoint[512];
    while (zmq_recv(sender->monitor, seen, sizeof seen, ZMQ_DONTWAIT) == (int)sizeof seen) {
        uint16_t event;
        uint32_t value;
        memcpy(&event, seen, sizeof event);
        memcpy(&value, seen + sizeof event, sizeof value);
        left = left || event == ZMQ_EVENT_DISCONNECTED;
        note_handshake(sender, event, value);
        zmq_recv(sender->monitor, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
    }
    return left;
}

/* Whoever binds waits for another one; whoever connects has nobody else to wait for. */
static edx_status check_admission(const edx_sender *sender, edx_error *err)
{
    return sender->options.connect && sender->admission.trouble
               ? edx_fail(err, EDX_E_DENIED, "%.100s: %s", sender->endpoint,
                          sender->admission.trouble)
               : EDX_OK;
}

/* Whether an edx.stop's body is of the acquisition that is being sent; tells why it came. */
static bool is_ours(edx_sender *sender, const void *body, size_t n)
{
    const edx_node *root = NULL;
    char acq[EDX_ACQ_SIZE], reason[EDX_NAME_SIZE] = "", text[2 * EDX_NAME_SIZE + EDX_ACQ_SIZE];
    if (edx_wire_parse(sender->wire, body, n, &root, NULL) != EDX_OK ||
        edx_node_text(edx_map_get(root, "acq"), "acq", acq, sizeof acq, NULL) != EDX_OK ||
        strcmp(acq, sender->acq) != 0)
        return false;
    edx_node_text(edx_map_get(root, "reason"), "reason", reason, sizeof reason, NULL);
    snprintf(text, sizeof text, "%s: edxd says stop: %s", acq, reason);
    tell(sender, text);
    return true;
}

/* What edxd says: one message of two parts at a time, the rest is passed over. */
static void take_stops(edx_sender *sender)
{
    char topic[EDX_NAME_SIZE], body[4096];
    for (;;) {
        const int n = zmq_recv(sender->stops, topic, sizeof topic, ZMQ_DONTWAIT);
        int more = 0;
        size_t size = sizeof more;
        if (n < 0)
            return;
        zmq_getsockopt(sender->stops, ZMQ_RCVMORE, &more, &size);
        const int got = more ? zmq_recv(sender->stops, body, sizeof body, ZMQ_DONTWAIT) : -1;
        if (got >= 0 && (size_t)got <= sizeof body && (size_t)n == strlen(EDX_TOPIC_STOP) &&
            memcmp(topic, EDX_TOPIC_STOP, (size_t)n) == 0 && is_ours(sender, body, (size_t)got))
            edx_stop_ask(sender->options.stop);
        while (zmq_getsockopt(sender->stops, ZMQ_RCVMORE, &more, &size) == 0 && more)
            if (zmq_recv(sender->stops, body, sizeof body, ZMQ_DONTWAIT) < 0)
                return;
    }
}

/* ---- sending ---- */

/* Both parts or none: false when there is no room now. */
static bool send_now(edx_sender *sender, const char *topic, const void *body, size_t size)
{
    if (zmq_send(sender->socket, topic, strlen(topic), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return false;
    if (zmq_send(sender->socket, body, size, 0) < 0)
        return false;
    sender->counts.sent++;
    return true;
}

/* Sends what of the window has not left yet, in order. */
static void flush(edx_sender *sender)
{
    for (size_t i = 0; i < sender->n; i++) {
        kept *message = at(sender, i);
        if (message->sent)
            continue;
        if (!send_now(sender, message->topic, message->body, message->size))
            return;
        sender->counts.resent += message->ever_sent;
        message->sent = message->ever_sent = true;
    }
}

static bool something_unsent(edx_sender *sender)
{
    for (size_t i = 0; i < sender->n; i++)
        if (!at(sender, i)->sent)
            return true;
    return false;
}

static void resend_after_silence(edx_sender *sender)
{
    int64_t now = now_ms();
    if (sender->n == 0 || something_unsent(sender)) {
        sender->silent_from_ms = now;
    } else if (now - sender->silent_from_ms >= sender->silence_ms) {
        send_all_again(sender);
        if (sender->silence_ms < SILENCE_MAX_MS)
            sender->silence_ms *= 2;
    }
}

/* Waits up to timeout_ms for anything to happen, and lets it. */
static void pump(edx_sender *sender, int64_t timeout_ms, bool want_room)
{
    zmq_pollitem_t items[4] = {{.socket = sender->socket, .events = ZMQ_POLLIN}};
    int n = 1;
    if (want_room || something_unsent(sender))
        items[0].events = ZMQ_POLLIN | ZMQ_POLLOUT;
    if (sender->monitor)
        items[n++] = (zmq_pollitem_t){.socket = sender->monitor, .events = ZMQ_POLLIN};
    if (sender->options.stop)
        items[n++] =
            (zmq_pollitem_t){.fd = edx_stop_fd(sender->options.stop), .events = ZMQ_POLLIN};
    if (sender->stops)
        items[n++] = (zmq_pollitem_t){.socket = sender->stops, .events = ZMQ_POLLIN};
    zmq_poll(items, n, timeout_ms > 0 ? timeout_ms : 0);
    while (sender->options.pattern != EDX_SENDER_PUSH && receive(sender))
        ;
    if (peer_left(sender) && sender->options.pattern == EDX_SENDER_DEALER)
        send_all_again(sender);
    if (sender->stops)
        take_stops(sender);
    flush(sender);
    resend_after_silence(sender);
}

/* One look at why waiting should end: stops asked since stops_before, no progress for too long. */
static edx_status patience(edx_sender *sender, unsigned stops_before, int64_t since_ms,
                           edx_error *err)
{
    unsigned stops = edx_stop_asked(sender->options.stop);
    int64_t waited = now_ms() - since_ms;
    edx_status status = check_admission(sender, err);
    if (status != EDX_OK)
        return status;
    if (stops > stops_before)
        return edx_fail(err, EDX_E_END, "stopped");
    if (waited >= NOTICE_MS && !sender->told) {
        sender->told = true;
        tell(sender, sender->n > 0 ? "waiting for edxd to acknowledge"
                                   : "waiting for edxd to take messages");
    }
    double limit_ms = stops > 0 ? STOPPED_MS : sender->options.timeout_s * 1e3;
    if (limit_ms > 0.0 && (double)waited >= limit_ms)
        return edx_fail(err, EDX_E_IO, "%s: no answer for %.3g s, expected edxd at the other end",
                        sender->endpoint, limit_ms / 1e3);
    return EDX_OK;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static edx_status send_pushed(edx_sender *sender, const edx_outgoing *message, edx_error *err)
{
    unsigned stops = edx_stop_asked(sender->options.stop);
    int64_t start = now_ms();
    while (!send_now(sender, message->topic, message->body, message->size)) {
        if (errno != EAGAIN && errno != EINTR)
            return fail_zmq(sender, "to send a message", err);
        pump(sender, TICK_MS, true);
        edx_status status = patience(sender, stops, start, err);
        if (status != EDX_OK)
            return status;
    }
    moved(sender);
    return EDX_OK;
}

static edx_status keep(edx_sender *sender, const edx_outgoing *message, edx_error *err)
{
    kept *slot = at(sender, sender->n);
    memset(slot, 0, sizeof *slot);
    slot->body = malloc(message->size ? message->size : 1);
    if (!slot->body)
        return edx_fail(err, EDX_E_NOMEM, "no memory to keep a message of %zu bytes",
                        message->size);
    memcpy(slot->body, message->body, message->size);
    slot->size = message->size;
    snprintf(slot->topic, sizeof slot->topic, "%s", message->topic);
    snprintf(slot->acq, sizeof slot->acq, "%s", message->acq);
    slot->has_seq = message->has_seq;
    slot->seq = message->seq;
    sender->bytes += message->size;
    if (sender->n++ == 0)
        sender->silent_from_ms = now_ms();
    return EDX_OK;
}

/* Waits for room in the window, then keeps the message and sends what can be sent. */
static edx_status send_kept(edx_sender *sender, const edx_outgoing *message, edx_error *err)
{
    unsigned stops = edx_stop_asked(sender->options.stop);
    int64_t start = now_ms();
    while (sender->n == WINDOW_MESSAGES ||
           (sender->n > 0 && sender->bytes + message->size > WINDOW_BYTES)) {
        pump(sender, TICK_MS, false);
        edx_status status = patience(sender, stops, later(start, sender->progress_ms), err);
        if (status != EDX_OK)
            return status;
    }
    edx_status status = keep(sender, message, err);
    if (status == EDX_OK)
        pump(sender, 0, false);
    return status;
}

edx_status edx_sender_send(edx_sender *sender, const edx_outgoing *message, edx_error *err)
{
    if (message->acq)
        snprintf(sender->acq, sizeof sender->acq, "%s", message->acq);
    if (sender->stops)
        take_stops(sender);
    if (sender->options.pattern == EDX_SENDER_DEALER && message->acq)
        return send_kept(sender, message, err);
    if (sender->options.pattern == EDX_SENDER_PUB)
        while (receive(sender))
            ;
    peer_left(sender);
    edx_status status = check_admission(sender, err);
    return status != EDX_OK ? status : send_pushed(sender, message, err);
}

edx_status edx_sender_pause(edx_sender *sender, double seconds, edx_error *err)
{
    unsigned stops = edx_stop_asked(sender->options.stop);
    double end = (double)now_ms() + seconds * 1e3;
    double left = seconds * 1e3;
    while (left > 0.0) {
        pump(sender, (int64_t)fmin(ceil(left), TICK_MS), false);
        if (edx_stop_asked(sender->options.stop) > stops)
            return edx_fail(err, EDX_E_END, "stopped");
        left = end - (double)now_ms();
    }
    return EDX_OK;
}

edx_status edx_sender_finish(edx_sender *sender, edx_error *err)
{
    unsigned asked = edx_stop_asked(sender->options.stop);
    int64_t start = now_ms();
    while (sender->n > 0) {
        pump(sender, TICK_MS, false);
        edx_status status = check_admission(sender, err);
        if (status != EDX_OK)
            return status;
        unsigned stops = edx_stop_asked(sender->options.stop);
        double limit = sender->options.timeout_s;
        int64_t waited = now_ms() - later(start, sender->progress_ms);
        if (waited >= NOTICE_MS && !sender->told) {
            sender->told = true;
            tell(sender, "waiting for edxd to acknowledge the last messages");
        }
        if (sender->n > 0 &&
            (stops > (asked > 0 ? asked : 1) || (limit > 0.0 && (double)waited >= limit * 1e3)))
            return edx_fail(err, EDX_E_IO, "%s: %zu messages not acknowledged, expected edxd to",
                            sender->endpoint, sender->n);
    }
    return EDX_OK;
}

/* A subscriber that comes after the first message would miss it. */
static edx_status wait_for_subscriber(edx_sender *sender, edx_error *err)
{
    bool found = false;
    int64_t end = now_ms() + (int64_t)(sender->options.wait_s * 1e3);
    while (!found && now_ms() < end) {
        zmq_pollitem_t items[3] = {{.socket = sender->socket, .events = ZMQ_POLLIN},
                                   {.socket = sender->monitor, .events = ZMQ_POLLIN},
                                   {.fd = edx_stop_fd(sender->options.stop), .events = ZMQ_POLLIN}};
        zmq_poll(items, sender->options.stop ? 3 : 2, TICK_MS);
        if (edx_stop_asked(sender->options.stop) > 0)
            return edx_fail(err, EDX_E_END, "stopped");
        found = receive(sender);
        peer_left(sender);
        edx_status status = check_admission(sender, err);
        if (status != EDX_OK)
            return status;
    }
    if (found)
        return edx_sender_pause(sender, 0.05, err); /* its other subscriptions come right after */
    if (sender->options.wait_s > 0.0) {
        char text[128];
        snprintf(text, sizeof text, "no subscriber within %g s, sending all the same",
                 sender->options.wait_s);
        tell(sender, text);
    }
    return EDX_OK;
}

edx_sender_counts edx_sender_statistics(const edx_sender *sender)
{
    return sender->counts;
}
