/* edxd as the server of the page sees it: a thread that receives what edxd publishes, makes of it
 * what browsers get (once, however many there are), and carries their questions to the control
 * socket. All functions are for the one thread that started it. */
#ifndef EDX_CLIENT_WEB_UPSTREAM_H
#define EDX_CLIENT_WEB_UPSTREAM_H

#include "client/web_parcel.h"

typedef struct edx_upstream edx_upstream;

/* wake(whom) is called from the thread when there is something to take, or the state changed; it
 * must be safe there and return at once. Errors: RANGE (an endpoint that is none), NOMEM, IO. */
edx_status edx_upstream_start(const char *endpoint, const char *control, void (*wake)(void *whom),
                              void *whom, edx_upstream **out, edx_error *err);
void edx_upstream_stop(edx_upstream **upstream);

/* Whether anyone looks: without, nothing is made. When somebody comes, the newest of every topic is
 * made anew. */
void edx_upstream_watch(edx_upstream *upstream, bool anyone);

/* The next parcel: alarms and replies in order, and of each other topic the newest; NULL when there
 * is none. */
edx_parcel *edx_upstream_take(edx_upstream *upstream);

/* Passes a request of a viewer (not 0) on; a reply to id comes in any case. patient: the answer may
 * take minutes. Errors: NOMEM, LIMIT. */
edx_status edx_upstream_ask(edx_upstream *upstream, uint64_t viewer, uint64_t id,
                            const edx_node *request, bool patient, edx_error *err);

typedef struct edx_upstream_state {
    bool connected; /* heard within 3 s */
    bool control;   /* the control socket answers */
    double age_s;   /* since it was heard; NaN: never */
    bool failed;    /* the thread has ended; err of edx_upstream_state_of says why */
} edx_upstream_state;

edx_upstream_state edx_upstream_state_of(edx_upstream *upstream, edx_error *err);

#endif
