#include "client/web_upstream.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/feed.h"
#include "client/web_quantise.h"

#define ALL_TOPICS ((1u << EDX_RESULT_TOPICS) - 1u)
#define WAIT_MS 250
#define LOST_S 3.0
/* The control socket is asked this often whether it answers, and does not after so long. */
#define PROBE_S 2.0
#define UNANSWERED_S 6.0
/* How long a question waits for edxweb to meet edxd; then for its answer; a patient one, while edxd
 * is heard. */
#define CONNECT_S 3.0
#define ANSWER_S 10.0
#define PATIENT_S 900.0
#define MAX_QUESTIONS 64

/* A request on its way to the thread. */
typedef struct question question;
struct question {
    question *next;
    uint64_t viewer, id;
    bool patient;
    double since;
    void *bytes;
    size_t size;
};

/* A request that edxd was sent. viewer 0: a probe. */
typedef struct waiting {
    uint64_t tag; /* 0: free */
    uint64_t viewer, id;
    bool patient;
    double since;
} waiting;

typedef struct list {
    edx_parcel *first, **end;
} list;

struct edx_upstream {
    void (*wake)(void *whom);
    void *whom;
    pthread_t thread;
    bool started;
    int bell; /* an eventfd: wakes the thread */

    /* Of both threads, under lock. */
    pthread_mutex_t lock;
    bool stop, anyone, anew;
    question *questions, **questions_end;
    size_t n_questions;
    edx_parcel *results[EDX_RESULT_TOPICS];
    list parcels;
    edx_upstream_state state;
    double heard; /* monotonic; 0: never */
    edx_error error;

    /* Of the thread alone. */
    edx_feed *feed;
    edx_caller *caller;
    edx_wire *wire;
    edx_pack *pack;
    edx_quantiser *quantiser;
    edx_deflater *deflater;
    edx_message *newest[EDX_RESULT_TOPICS];
    unsigned unmade; /* a bit per topic whose newest is to be made into a parcel */
    bool looked_at;
    uint64_t serial, tags;
    question *held; /* the next, while nobody is connected */
    waiting waits[MAX_QUESTIONS];
    double answered, probe; /* last answer; next probe */
};

/* ---- handing over ---- */

static void ring(edx_upstream *u)
{
    const uint64_t one = 1;
    ssize_t n = write(u->bell, &one, sizeof one);
    (void)n; /* a full counter has rung already */
}

static void append(list *l, edx_parcel *parcel)
{
    *l->end = parcel;
    l->end = &parcel->next;
}

static edx_parcel *shift(list *l)
{
    edx_parcel *parcel = l->first;
    if (!parcel)
        return NULL;
    l->first = parcel->next;
    if (!l->first)
        l->end = &l->first;
    parcel->next = NULL;
    return parcel;
}

static void hand_over(edx_upstream *u, edx_parcel *parcel)
{
    if (!parcel)
        return;
    pthread_mutex_lock(&u->lock);
    if (parcel->topic == EDX_RESULT_TOPICS || parcel->topic == EDX_ALARM) {
        append(&u->parcels, parcel);
    } else {
        edx_parcel_drop(&u->results[parcel->topic]);
        u->results[parcel->topic] = parcel;
    }
    pthread_mutex_unlock(&u->lock);
    u->wake(u->whom);
}

/* ---- publications ---- */

static edx_parcel *make_result(edx_upstream *u, const edx_message *message)
{
    const edx_node *body;
    edx_pack *pack = u->pack;
    if (edx_wire_parse(u->wire, message->body, message->size, &body, NULL))
        return NULL;
    edx_pack_reset(pack);
    edx_pack_map(pack, 4);
    edx_pack_text(pack, "type");
    edx_pack_text(pack, "result");
    edx_pack_text(pack, "topic");
    edx_pack_text(pack, edx_result_topic_name(message->topic));
    edx_pack_text(pack, "serial");
    edx_pack_uint(pack, u->serial + 1);
    edx_pack_text(pack, "body");
    if (edx_quantise(u->quantiser, body, pack, NULL))
        return NULL;
    edx_parcel *parcel = edx_parcel_wrap(pack, u->deflater);
    if (parcel) {
        parcel->topic = message->topic;
        parcel->serial = ++u->serial;
    }
    return parcel;
}

/* edxd repeats the last message of every topic whenever somebody subscribes. */
static bool is_repeat(const edx_message *a, const edx_message *b)
{
    return a && a->size == b->size && memcmp(a->body, b->body, b->size) == 0;
}

static void take_message(edx_upstream *u, edx_message *message)
{
    edx_message **newest = &u->newest[message->topic];
    if (is_repeat(*newest, message)) {
        edx_message_free(&message);
        return;
    }
    edx_message_free(newest);
    *newest = message;
    if (message->topic == EDX_ALARM && u->looked_at)
        hand_over(u, make_result(u, message));
    else
        u->unmade |= 1u << message->topic;
}

static edx_status receive(edx_upstream *u, edx_error *err)
{
    edx_message *message = NULL;
    edx_status status = edx_feed_receive(u->feed, 0, &message, err);
    bool any = status == EDX_OK;
    for (; !status; status = edx_feed_receive(u->feed, 0, &message, err))
        take_message(u, message);
    if (any) {
        pthread_mutex_lock(&u->lock);
        u->heard = edx_monotonic();
        pthread_mutex_unlock(&u->lock);
    }
    return status == EDX_E_END || status == EDX_E_NOMEM ? EDX_OK : status;
}

static void make_results(edx_upstream *u)
{
    for (int i = 0; u->looked_at && i < EDX_RESULT_TOPICS; i++)
        if (u->unmade >> i & 1 && u->newest[i])
            hand_over(u, make_result(u, u->newest[i]));
    if (u->looked_at)
        u->unmade = 0;
}

/* ---- questions ---- */

static void refuse(edx_upstream *u, uint64_t viewer, uint64_t id, const char *why)
{
    if (viewer)
        hand_over(u, edx_parcel_refusal(u->pack, viewer, id, why));
}

static edx_status send_request(edx_upstream *u, const waiting *about, const void *bytes, size_t n,
                               edx_error *err)
{
    for (int i = 0; i < MAX_QUESTIONS; i++) {
        waiting *w = &u->waits[i];
        if (w->tag)
            continue;
        edx_status status = edx_caller_ask(u->caller, u->tags + 1, bytes, n, err);
        if (status)
            return status;
        *w = *about;
        w->tag = ++u->tags;
        w->since = edx_monotonic();
        return EDX_OK;
    }
    return edx_fail(err, EDX_E_LIMIT, "too many questions wait for edxd, try again");
}

static void free_question(question *q)
{
    free(q->bytes);
    free(q);
}

static question *next_question(edx_upstream *u)
{
    question *q = u->held;
    u->held = NULL;
    if (q)
        return q;
    pthread_mutex_lock(&u->lock);
    q = u->questions;
    if (q) {
        u->questions = q->next;
        u->n_questions--;
        if (!u->questions)
            u->questions_end = &u->questions;
    }
    pthread_mutex_unlock(&u->lock);
    return q;
}

/* A page may ask before edxweb and edxd have met; once they have, nothing waits for an edxd that is
 * away: a stop is not for the next one. */
static void send_questions(edx_upstream *u)
{
    edx_error err;
    for (question *q = next_question(u); q; q = next_question(u)) {
        waiting about = {.viewer = q->viewer, .id = q->id, .patient = q->patient};
        edx_status status = send_request(u, &about, q->bytes, q->size, &err);
        if (status == EDX_E_STATE && u->answered <= 0 && edx_monotonic() - q->since < CONNECT_S) {
            u->held = q;
            return;
        }
        if (status)
            refuse(u, q->viewer, q->id, err.text);
        free_question(q);
    }
}

static edx_parcel *make_reply(edx_upstream *u, const waiting *w, const edx_message *message,
                              edx_error *err)
{
    const edx_node *body;
    edx_pack *pack = u->pack;
    if (edx_wire_parse(u->wire, message->body, message->size, &body, err))
        return NULL;
    edx_pack_reset(pack);
    edx_pack_map(pack, 3);
    edx_pack_text(pack, "type");
    edx_pack_text(pack, "reply");
    edx_pack_text(pack, "id");
    edx_pack_uint(pack, w->id);
    edx_pack_text(pack, "reply");
    if (edx_quantise(u->quantiser, body, pack, err))
        return NULL;
    edx_parcel *parcel = edx_parcel_wrap(pack, u->deflater);
    if (parcel)
        parcel->viewer = w->viewer;
    else
        edx_fail(err, EDX_E_NOMEM, "no memory for the reply");
    return parcel;
}

static void answer(edx_upstream *u, uint64_t tag, const edx_message *message)
{
    edx_error err;
    for (int i = 0; i < MAX_QUESTIONS; i++) {
        waiting *w = &u->waits[i];
        if (w->tag != tag)
            continue;
        edx_parcel *parcel = w->viewer ? make_reply(u, w, message, &err) : NULL;
        if (parcel)
            hand_over(u, parcel);
        else
            refuse(u, w->viewer, w->id, err.text);
        w->tag = 0;
        return;
    }
}

static edx_status take_answers(edx_upstream *u, edx_error *err)
{
    uint64_t tag;
    edx_message *message;
    edx_status status = edx_caller_answer(u->caller, &tag, &message, err);
    for (; !status; status = edx_caller_answer(u->caller, &tag, &message, err)) {
        u->answered = edx_monotonic();
        if (tag)
            answer(u, tag, message);
        edx_message_free(&message);
    }
    return status == EDX_E_END || status == EDX_E_NOMEM ? EDX_OK : status;
}

static void expire(edx_upstream *u, double now, bool connected)
{
    for (int i = 0; i < MAX_QUESTIONS; i++) {
        waiting *w = &u->waits[i];
        double limit = w->patient && connected ? PATIENT_S : ANSWER_S;
        if (!w->tag || now - w->since < limit)
            continue;
        refuse(u, w->viewer, w->id, "no answer from edxd: is it running? (systemctl status edxd)");
        w->tag = 0;
    }
}

static void probe(edx_upstream *u, double now)
{
    static const waiting nobody = {0};
    if (now < u->probe || now - u->answered < PROBE_S)
        return;
    edx_pack_reset(u->pack);
    edx_pack_map(u->pack, 1);
    edx_pack_text(u->pack, "cmd");
    edx_pack_text(u->pack, "status");
    bool sent = !send_request(u, &nobody, edx_pack_data(u->pack), edx_pack_size(u->pack), NULL);
    u->probe = now + (sent ? PROBE_S : 0.0);
}

/* ---- the thread ---- */

/* Also tells whether the other thread wants the end. */
static bool look_round(edx_upstream *u)
{
    uint64_t rung;
    ssize_t n = read(u->bell, &rung, sizeof rung);
    (void)n;
    pthread_mutex_lock(&u->lock);
    bool stop = u->stop;
    u->looked_at = u->anyone;
    if (u->anew)
        u->unmade = ALL_TOPICS;
    u->anew = false;
    pthread_mutex_unlock(&u->lock);
    return stop;
}

static void report(edx_upstream *u, double now, const edx_error *failure)
{
    pthread_mutex_lock(&u->lock);
    edx_upstream_state s = {.connected = u->heard > 0 &&
                                         now - u->heard<LOST_S, .control = u->answered> 0 &&
                                         now - u->answered < UNANSWERED_S,
                            .failed = failure != NULL};
    bool news = s.connected != u->state.connected || s.control != u->state.control || s.failed;
    u->state = s;
    if (failure)
        u->error = *failure;
    pthread_mutex_unlock(&u->lock);
    if (news)
        u->wake(u->whom);
}

static edx_status step(edx_upstream *u, edx_error *err)
{
    edx_status status = receive(u, err);
    if (!status)
        status = take_answers(u, err);
    send_questions(u);
    make_results(u);
    double now = edx_monotonic();
    expire(u, now, u->heard > 0 && now - u->heard < LOST_S);
    probe(u, now);
    report(u, now, status ? err : NULL);
    return status;
}

static void *run(void *upstream)
{
    edx_upstream *u = upstream;
    edx_error err;
    while (!look_round(u) && !step(u, &err))
        edx_feed_wait(u->feed, u->caller, u->bell, WAIT_MS);
    return NULL;
}

/* Signals are for the thread that serves: it sleeps in a call that they end. */
static edx_status start_thread(edx_upstream *u, edx_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&u->thread, NULL, run, u);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    u->started = rc == 0;
    return rc ? edx_fail(err, EDX_E_IO, "no thread: %s", strerror(rc)) : EDX_OK;
}

static edx_status make_parts(edx_upstream *u, edx_error *err)
{
    u->wire = edx_wire_new(0);
    u->pack = edx_pack_new();
    u->quantiser = edx_quantiser_new();
    u->deflater = edx_deflater_new();
    u->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (u->bell < 0 || !u->wire || !u->pack || !u->quantiser || !u->deflater)
        return edx_fail(err, EDX_E_NOMEM, "no memory to listen to edxd");
    return EDX_OK;
}

edx_status edx_upstream_start(const char *endpoint, const char *control, void (*wake)(void *whom),
                              void *whom, edx_upstream **out, edx_error *err)
{
    edx_upstream *u = calloc(1, sizeof *u);
    *out = u;
    if (!u)
        return edx_fail(err, EDX_E_NOMEM, "no memory to listen to edxd");
    u->wake = wake;
    u->whom = whom;
    u->bell = -1;
    u->parcels.end = &u->parcels.first;
    u->questions_end = &u->questions;
    pthread_mutex_init(&u->lock, NULL);
    edx_status status = make_parts(u, err);
    if (!status)
        status = edx_feed_new(endpoint, ALL_TOPICS, &u->feed, err);
    if (!status)
        status = edx_caller_new_tagged(control, &u->caller, err);
    if (!status)
        status = start_thread(u, err);
    if (status)
        edx_upstream_stop(out);
    return status;
}

static void join(edx_upstream *u)
{
    if (!u->started)
        return;
    pthread_mutex_lock(&u->lock);
    u->stop = true;
    pthread_mutex_unlock(&u->lock);
    ring(u);
    pthread_join(u->thread, NULL);
}

void edx_upstream_stop(edx_upstream **upstream)
{
    edx_upstream *u = *upstream;
    if (!u)
        return;
    join(u);
    for (question *q = next_question(u); q; q = next_question(u))
        free_question(q);
    for (edx_parcel *p = edx_upstream_take(u); p; p = edx_upstream_take(u))
        edx_parcel_drop(&p);
    for (int i = 0; i < EDX_RESULT_TOPICS; i++)
        edx_message_free(&u->newest[i]);
    edx_feed_free(&u->feed);
    edx_caller_free(&u->caller);
    edx_deflater_free(&u->deflater);
    edx_quantiser_free(&u->quantiser);
    edx_pack_free(&u->pack);
    edx_wire_free(&u->wire);
    if (u->bell >= 0)
        close(u->bell);
    pthread_mutex_destroy(&u->lock);
    free(u);
    *upstream = NULL;
}

/* ---- for the other thread ---- */

void edx_upstream_watch(edx_upstream *u, bool anyone)
{
    pthread_mutex_lock(&u->lock);
    bool first = anyone && !u->anyone;
    u->anew = u->anew || first;
    u->anyone = anyone;
    for (int i = 0; first && i < EDX_RESULT_TOPICS; i++)
        edx_parcel_drop(&u->results[i]);
    pthread_mutex_unlock(&u->lock);
    ring(u);
}

edx_parcel *edx_upstream_take(edx_upstream *u)
{
    pthread_mutex_lock(&u->lock);
    edx_parcel *parcel = shift(&u->parcels);
    for (int i = 0; !parcel && i < EDX_RESULT_TOPICS; i++) {
        parcel = u->results[i];
        u->results[i] = NULL;
    }
    pthread_mutex_unlock(&u->lock);
    return parcel;
}

static edx_status enqueue(edx_upstream *u, question *q, edx_error *err)
{
    pthread_mutex_lock(&u->lock);
    bool full = u->n_questions >= MAX_QUESTIONS;
    if (!full) {
        *u->questions_end = q;
        u->questions_end = &q->next;
        u->n_questions++;
    }
    pthread_mutex_unlock(&u->lock);
    if (full)
        return edx_fail(err, EDX_E_LIMIT, "too many questions wait for edxd, try again");
    ring(u);
    return EDX_OK;
}

edx_status edx_upstream_ask(edx_upstream *u, uint64_t viewer, uint64_t id, const edx_node *request,
                            bool patient, edx_error *err)
{
    edx_pack *pack = edx_pack_new();
    question *q = calloc(1, sizeof *q);
    if (pack)
        edx_pack_node(pack, request);
    if (q) {
        *q = (question){.viewer = viewer, .id = id, .patient = patient, .since = edx_monotonic()};
        q->bytes = pack ? edx_pack_take(pack, &q->size) : NULL;
    }
    edx_status status =
        q && q->bytes ? enqueue(u, q, err) : edx_fail(err, EDX_E_NOMEM, "no memory for a question");
    if (status && q)
        free_question(q);
    edx_pack_free(&pack);
    return status;
}

edx_upstream_state edx_upstream_state_of(edx_upstream *u, edx_error *err)
{
    pthread_mutex_lock(&u->lock);
    edx_upstream_state state = u->state;
    state.age_s = u->heard > 0 ? edx_monotonic() - u->heard : NAN;
    if (state.failed && err)
        *err = u->error;
    pthread_mutex_unlock(&u->lock);
    return state;
}
