#include "client/web_relay.h"

#include <stdlib.h>

/* A ring of references. */
typedef struct queue {
    edx_parcel **slots;
    size_t room, first, n;
} queue;

struct edx_viewer {
    edx_relay *relay;
    edx_viewer *next, **link; /* in the relay's list */
    unsigned pending;         /* a bit per topic */
    unsigned last;            /* topic sent last: the next round begins after it */
    bool waits, overrun;
    uint64_t awaited;
    queue alarms, others;
    edx_parcel *alarm_slots[EDX_VIEWER_ALARMS];
    edx_parcel *other_slots[EDX_VIEWER_OTHERS];
};

struct edx_relay {
    edx_parcel *latest[EDX_RESULT_TOPICS];
    edx_viewer *viewers;
    size_t n_viewers;
};

/* ---- queues ---- */

static bool push(queue *q, edx_parcel *parcel)
{
    if (q->n == q->room)
        return false;
    q->slots[(q->first + q->n++) % q->room] = parcel;
    return true;
}

static edx_parcel *pop(queue *q)
{
    if (q->n == 0)
        return NULL;
    edx_parcel *parcel = q->slots[q->first];
    q->first = (q->first + 1) % q->room;
    q->n--;
    return parcel;
}

static void empty(queue *q)
{
    for (edx_parcel *parcel = pop(q); parcel; parcel = pop(q))
        edx_parcel_drop(&parcel);
}

/* ---- the relay ---- */

edx_relay *edx_relay_new(void)
{
    return calloc(1, sizeof(edx_relay));
}

void edx_relay_free(edx_relay **relay)
{
    if (*relay)
        edx_relay_forget(*relay);
    free(*relay);
    *relay = NULL;
}

static void offer(edx_viewer *viewer, edx_parcel *parcel)
{
    if (parcel->topic != EDX_ALARM)
        viewer->pending |= 1u << parcel->topic;
    else if (push(&viewer->alarms, parcel))
        edx_parcel_keep(parcel);
    else
        viewer->overrun = true;
}

void edx_relay_publish(edx_relay *relay, edx_parcel *parcel)
{
    edx_parcel_drop(&relay->latest[parcel->topic]);
    relay->latest[parcel->topic] = parcel;
    for (edx_viewer *viewer = relay->viewers; viewer; viewer = viewer->next)
        offer(viewer, parcel);
}

void edx_relay_forget(edx_relay *relay)
{
    for (int i = 0; i < EDX_RESULT_TOPICS; i++)
        edx_parcel_drop(&relay->latest[i]);
    for (edx_viewer *viewer = relay->viewers; viewer; viewer = viewer->next)
        viewer->pending = 0;
}

size_t edx_relay_viewers(const edx_relay *relay)
{
    return relay->n_viewers;
}

/* ---- viewers ---- */

static void enlist(edx_relay *relay, edx_viewer *viewer)
{
    viewer->next = relay->viewers;
    viewer->link = &relay->viewers;
    if (viewer->next)
        viewer->next->link = &viewer->next;
    relay->viewers = viewer;
    relay->n_viewers++;
}

edx_viewer *edx_viewer_new(edx_relay *relay)
{
    edx_viewer *viewer = calloc(1, sizeof *viewer);
    if (!viewer)
        return NULL;
    viewer->relay = relay;
    viewer->last = EDX_RESULT_TOPICS - 1;
    viewer->alarms = (queue){.slots = viewer->alarm_slots, .room = EDX_VIEWER_ALARMS};
    viewer->others = (queue){.slots = viewer->other_slots, .room = EDX_VIEWER_OTHERS};
    enlist(relay, viewer);
    for (int i = 0; i < EDX_RESULT_TOPICS; i++)
        if (relay->latest[i])
            offer(viewer, relay->latest[i]);
    return viewer;
}

void edx_viewer_free(edx_viewer **viewer)
{
    edx_viewer *v = *viewer;
    if (!v)
        return;
    *v->link = v->next;
    if (v->next)
        v->next->link = v->link;
    v->relay->n_viewers--;
    empty(&v->alarms);
    empty(&v->others);
    free(v);
    *viewer = NULL;
}

bool edx_viewer_send(edx_viewer *viewer, edx_parcel *parcel)
{
    if (push(&viewer->others, parcel))
        return true;
    edx_parcel_drop(&parcel);
    return false;
}

bool edx_viewer_ready(const edx_viewer *viewer)
{
    return viewer->others.n > 0 || (!viewer->waits && (viewer->alarms.n > 0 || viewer->pending));
}

/* Topics take turns, so that one that comes often keeps no other back. */
static edx_parcel *next_topic(edx_viewer *viewer)
{
    for (unsigned i = 1; i <= EDX_RESULT_TOPICS; i++) {
        unsigned topic = (viewer->last + i) % EDX_RESULT_TOPICS;
        if (!(viewer->pending >> topic & 1))
            continue;
        viewer->pending &= ~(1u << topic);
        viewer->last = topic;
        return edx_parcel_keep(viewer->relay->latest[topic]);
    }
    return NULL;
}

edx_parcel *edx_viewer_next(edx_viewer *viewer)
{
    edx_parcel *parcel = pop(&viewer->others);
    if (parcel || viewer->waits)
        return parcel;
    parcel = pop(&viewer->alarms);
    if (!parcel)
        parcel = next_topic(viewer);
    if (parcel) {
        viewer->waits = true;
        viewer->awaited = parcel->serial;
    }
    return parcel;
}

bool edx_viewer_acknowledge(edx_viewer *viewer, uint64_t serial)
{
    if (!viewer->waits || viewer->awaited != serial)
        return false;
    viewer->waits = false;
    return true;
}

bool edx_viewer_waits(const edx_viewer *viewer)
{
    return viewer->waits;
}

bool edx_viewer_overrun(const edx_viewer *viewer)
{
    return viewer->overrun;
}
