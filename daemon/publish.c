#include "daemon/publish.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REPEAT_MS 20
#define MAX_HISTORY 4096u

typedef struct kept {
    uint64_t frame;
    edx_message body;
} kept;

typedef struct channel {
    bool sent, wanted;
    double t;
    int64_t repeated_ms;
    edx_message last;
    kept *history;
    size_t n, capacity;
    size_t bytes;
} channel;

struct edx_publisher {
    edx_socket *socket;
    size_t history_bytes;
    channel channels[EDX_RESULT_TOPICS];
};

edx_publisher *edx_publisher_new(edx_socket *socket, size_t history_bytes)
{
    edx_publisher *p = calloc(1, sizeof *p);
    if (p) {
        p->socket = socket;
        p->history_bytes = history_bytes;
        for (int i = 0; i < EDX_RESULT_TOPICS; i++) {
            edx_message_init(&p->channels[i].last);
        }
    }
    return p;
}

static void forget(channel *c)
{
    for (size_t i = 0; i < c->n; i++) {
        edx_message_close(&c->history[i].body);
    }
    c->n = 0;
    c->bytes = 0;
}

void edx_publisher_forget(edx_publisher *publisher)
{
    for (int i = 0; i < EDX_RESULT_TOPICS; i++) {
        forget(&publisher->channels[i]);
    }
}

void edx_publisher_free(edx_publisher **publisher)
{
    edx_publisher *p = *publisher;
    if (!p) {
        return;
    }
    edx_publisher_forget(p);
    for (int i = 0; i < EDX_RESULT_TOPICS; i++) {
        edx_message_close(&p->channels[i].last);
        free(p->channels[i].history);
    }
    free(p);
    *publisher = NULL;
}

/* Every second of the older ones goes, so that the whole acquisition stays in reach, coarser. */
static void thin(channel *c)
{
    size_t kept_n = 0;
    c->bytes = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (i % 2 == 1 && i + 1 < c->n) {
            edx_message_close(&c->history[i].body);
            continue;
        }
        c->bytes += edx_message_size(&c->history[i].body);
        c->history[kept_n++] = c->history[i];
    }
    c->n = kept_n;
}

static void remember(edx_publisher *p, channel *c, uint64_t frame)
{
    const size_t size = edx_message_size(&c->last);
    if (size > p->history_bytes) {
        return;
    }
    while (c->n > 1 && (c->bytes + size > p->history_bytes || c->n >= MAX_HISTORY)) {
        thin(c);
    }
    if (c->n == c->capacity) {
        const size_t capacity = c->capacity ? 2 * c->capacity : 64;
        kept *grown = realloc(c->history, capacity * sizeof *grown);
        if (!grown) {
            return;
        }
        c->history = grown;
        c->capacity = capacity;
    }
    kept *k = &c->history[c->n++];
    k->frame = frame;
    edx_message_init(&k->body);
    edx_message_share(&k->body, &c->last);
    c->bytes += size;
}

static void transmit(edx_publisher *p, edx_result_topic topic)
{
    edx_message parts[2];
    const char *name = edx_result_topic_name(topic);
    edx_message_init(&parts[0]);
    edx_message_init(&parts[1]);
    edx_message_set(&parts[0], name, strlen(name));
    edx_message_share(&parts[1], &p->channels[topic].last);
    edx_socket_send(p->socket, parts, 2);
}

void edx_publisher_send(edx_publisher *publisher, edx_result_topic topic, edx_message *message,
                        double t, uint64_t frame, bool keep)
{
    channel *c = &publisher->channels[topic];
    edx_message_move(&c->last, message);
    c->sent = true;
    c->wanted = false;
    c->t = t;
    transmit(publisher, topic);
    if (keep) {
        remember(publisher, c, frame);
    }
}

/* A subscription is one byte 1 and a prefix of topics. */
static void subscribed(edx_publisher *p, edx_message *part)
{
    const size_t n = edx_message_size(part);
    const unsigned char *bytes = edx_message_data(part);
    if (n == 0 || bytes[0] != 1) {
        return;
    }
    for (int i = 0; i < EDX_RESULT_TOPICS; i++) {
        const char *name = edx_result_topic_name((edx_result_topic)i);
        if (strlen(name) >= n - 1 && memcmp(name, bytes + 1, n - 1) == 0) {
            p->channels[i].wanted = true;
        }
    }
}

long edx_publisher_serve(edx_publisher *publisher, int64_t now_ms)
{
    edx_message part;
    long next = -1;
    edx_message_init(&part);
    while (edx_socket_receive(publisher->socket, &part, 1) > 0) {
        subscribed(publisher, &part);
        edx_message_close(&part);
    }
    for (int k = 1; k <= EDX_RESULT_TOPICS; k++) {
        const int i = k % EDX_RESULT_TOPICS; /* status last: who reads "finished" has the results */
        channel *c = &publisher->channels[i];
        if (!c->wanted || !c->sent) {
            continue;
        }
        const int64_t due = c->repeated_ms + REPEAT_MS - now_ms;
        if (due <= 0) {
            c->wanted = false;
            c->repeated_ms = now_ms;
            transmit(publisher, (edx_result_topic)i);
        } else if (next < 0 || due < next) {
            next = (long)due;
        }
    }
    return next;
}

void edx_publisher_last(const edx_publisher *publisher, double last[EDX_RESULT_TOPICS])
{
    for (int i = 0; i < EDX_RESULT_TOPICS; i++) {
        last[i] = publisher->channels[i].sent ? publisher->channels[i].t : (double)NAN;
    }
}

bool edx_publisher_history(edx_publisher *publisher, edx_result_topic topic, uint64_t frame,
                           edx_message *out)
{
    channel *c = &publisher->channels[topic];
    for (size_t i = c->n; i-- > 0;) {
        if (c->history[i].frame <= frame) {
            edx_message_share(out, &c->history[i].body);
            return true;
        }
    }
    return false;
}
