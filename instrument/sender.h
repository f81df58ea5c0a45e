/* Messages to edxd, by one of the three patterns of the protocol. The one file behind this header
 * is the only one of the instrument that includes ZeroMQ. */
#ifndef EDX_INSTRUMENT_SENDER_H
#define EDX_INSTRUMENT_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "instrument/stop.h"
#include "proto/status.h"

typedef enum edx_sender_pattern {
    EDX_SENDER_PUB,   /* nobody waits: what a slow or absent edxd misses is lost */
    EDX_SENDER_PUSH,  /* sending waits for edxd */
    EDX_SENDER_DEALER /* kept until acknowledged, sent again after silence or reconnection */
} edx_sender_pattern;

/* "pub", "push" or "dealer"; false when it is none. */
bool edx_sender_pattern_parse(const char *text, edx_sender_pattern *out);
const char *edx_sender_pattern_name(edx_sender_pattern pattern);

typedef struct edx_sender_options {
    const char *endpoint;
    const char
        *stop_endpoint; /* bound: an edx.stop of what is being sent asks for a stop; or NULL */
    edx_sender_pattern pattern;
    bool connect;     /* instead of binding */
    double wait_s;    /* pub: for the first subscriber, before the first message */
    double timeout_s; /* push, dealer: without any progress; 0: for ever */
    edx_stop *stop;   /* may be NULL */
    /* One line for the person who waits; may be NULL. */
    void (*notice)(void *context, const char *text);
    void *context;
} edx_sender_options;

/* A message on its way. Strings and body are the caller's and copied where they must be kept. */
typedef struct edx_outgoing {
    const char *topic;
    const void *body;
    size_t size;
    const char *acq; /* NULL: not ours to acknowledge (rubbish sent on purpose), not kept */
    bool has_seq;
    uint64_t seq;
} edx_outgoing;

typedef struct edx_sender edx_sender;

/* Binds or connects, with the keys that EDX_KEY and EDX_SERVER_KEY name (edx_keys_find). IO with
 * what the system said; RANGE: a key that is none. Where it connects and edxd refuses it for its
 * key, or for want of one, sending says so: DENIED. */
edx_status edx_sender_new(const edx_sender_options *options, edx_sender **out, edx_error *err);
/* What is still on its way gets the timeout to leave; nothing unacknowledged is waited for. */
void edx_sender_free(edx_sender **sender);

/* Sends one message, waiting for room as the pattern demands. END when a stop was asked while it
 * waited (the message may or may not leave), IO on timeout. After a stop, waiting is cut to 2 s. */
edx_status edx_sender_send(edx_sender *sender, const edx_outgoing *message, edx_error *err);
/* Lets time pass, answering acknowledgements meanwhile. END as soon as a stop is asked. */
edx_status edx_sender_pause(edx_sender *sender, double seconds, edx_error *err);
/* Waits until everything is acknowledged (dealer). IO on timeout or when a second stop is asked. */
edx_status edx_sender_finish(edx_sender *sender, edx_error *err);

typedef struct edx_sender_counts {
    uint64_t sent;         /* messages handed to ZeroMQ */
    uint64_t resent;       /* of these, sent again */
    uint64_t acknowledged; /* refused ones included */
    uint64_t refused;      /* acknowledged with an error */
} edx_sender_counts;

edx_sender_counts edx_sender_statistics(const edx_sender *sender);

#endif
