#include "client/monitor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/keys.h"
#include "client/latest.h"
#include "client/screen.h"
#include "client/signals.h"
#include "proto/wire.h"

#define TICK_MS 250   /* pictures at least that often, for ages go on */
#define FASTEST_MS 50 /* and at most that often */
#define ANSWER_S 5.0  /* for a history request */
#define NOTE_S 6.0    /* how long a note stands */
#define MAX_QUESTIONS 7u

typedef struct monitor {
    edx_feed *feed;
    edx_caller *control; /* NULL: not asked yet */
    const char *control_endpoint;
    edx_latest *model;
    edx_view *view;
    edx_pack *pack;
    edx_result_topic asked[MAX_QUESTIONS]; /* replies to come, in order */
    unsigned n_asked;
    int held;       /* the key of another step, pressed before all replies came; 0: none */
    uint64_t frame; /* asked for last */
    double asked_at, noted_at, drawn_at;
} monitor;

static void note(monitor *m, const char *text)
{
    snprintf(m->view->note, sizeof m->view->note, "%s", text);
    m->noted_at = edx_monotonic();
}

/* ---- history ---- */

static const edx_result_topic with_history[MAX_QUESTIONS] = {
    EDX_MAPS, EDX_SPECTRUM, EDX_PCA, EDX_NMF, EDX_PARTICLES, EDX_PROFILE, EDX_TREND};

static edx_status ask(monitor *m, edx_result_topic topic, uint64_t frame, edx_error *err)
{
    edx_pack_reset(m->pack);
    edx_pack_map(m->pack, 3);
    edx_pack_text(m->pack, "cmd");
    edx_pack_text(m->pack, "history");
    edx_pack_text(m->pack, "topic");
    edx_pack_text(m->pack, edx_result_topic_name(topic));
    edx_pack_text(m->pack, "frame");
    edx_pack_uint(m->pack, frame);
    edx_status status = edx_pack_status(m->pack);
    if (status)
        return edx_fail(err, status, "no memory for a request");
    return edx_caller_send(m->control, edx_pack_data(m->pack), edx_pack_size(m->pack), err);
}

/* Replies that still come go nowhere. */
static void forget_questions(monitor *m)
{
    m->n_asked = 0;
    m->held = 0;
    edx_caller_free(&m->control);
}

static void go_live(monitor *m)
{
    if (m->n_asked)
        forget_questions(m);
    edx_latest_present(m->model);
    m->view->past = false;
}

/* Asks for what there is of the topics, as it was at a frame. */
static edx_status ask_all(monitor *m, uint64_t frame, edx_error *err)
{
    edx_status status = EDX_OK;
    if (!m->control)
        status = edx_caller_new(m->control_endpoint, &m->control, err);
    for (unsigned i = 0; !status && i < MAX_QUESTIONS; i++) {
        if (!edx_latest_get(m->model, with_history[i]))
            continue;
        status = ask(m, with_history[i], frame, err);
        if (!status)
            m->asked[m->n_asked++] = with_history[i];
    }
    m->frame = frame;
    m->asked_at = edx_monotonic();
    return status;
}

/* Shows the topics as they were one frame before ('[') or after (']') what is shown. */
static void travel(monitor *m, int key)
{
    edx_error err;
    const bool earlier = key == '[';
    const edx_result *shown = edx_latest_get(m->model, EDX_SPECTRUM);
    const edx_result *newest = edx_latest_get(m->model, EDX_STATUS);
    m->held = m->n_asked ? key : 0;
    if (m->n_asked || !shown || (!earlier && !m->view->past))
        return;
    /* edxd answers with what it kept at or before a frame: forward, the frame shown may lie back.
     */
    uint64_t frame = earlier ? edx_result_head_of(shown)->frame : m->frame;
    if (earlier && frame == 0)
        note(m, "history: this is the first frame");
    else if (!earlier && newest && frame + 1 >= edx_result_head_of(newest)->frame)
        go_live(m);
    else if (ask_all(m, earlier ? frame - 1 : frame + 1, &err))
        note(m, err.text);
}

static void give_up(monitor *m)
{
    char text[EDX_NOTE_SIZE];
    snprintf(text, sizeof text, "history: no answer from %.150s within %.0f s", m->control_endpoint,
             ANSWER_S);
    note(m, text);
    forget_questions(m);
}

static void take_replies(monitor *m)
{
    edx_error err;
    edx_message *reply;
    while (m->n_asked && edx_caller_receive(m->control, 0, &reply, &err) == EDX_OK) {
        if (edx_latest_past(m->model, m->asked[0], reply, &err)) {
            edx_error_prefix(&err, "history");
            note(m, err.text);
        } else {
            m->view->past = true;
        }
        m->n_asked--;
        memmove(m->asked, m->asked + 1, m->n_asked * sizeof *m->asked);
    }
    if (m->n_asked && edx_monotonic() - m->asked_at > ANSWER_S)
        give_up(m);
    if (!m->n_asked && m->held)
        travel(m, m->held);
}

/* ---- messages and keys ---- */

static edx_status take_messages(monitor *m, edx_error *err)
{
    edx_error why;
    edx_status status = edx_feed_drain(m->feed, err);
    if (status)
        return status;
    for (int i = 0; i < EDX_RESULT_TOPICS; i++) {
        edx_result_topic topic = (edx_result_topic)i;
        if (m->view->frozen && topic != EDX_STATUS && topic != EDX_ALARM)
            continue;
        edx_message *message = edx_feed_take(m->feed, topic);
        if (message && edx_latest_take(m->model, message, &why))
            note(m, why.text);
    }
    return EDX_OK;
}

/* False: quit. */
static bool take_keys(monitor *m, edx_screen *screen)
{
    for (int key; (key = edx_screen_key(screen)) != EDX_KEY_NONE;) {
        switch (edx_view_key(m->view, m->model, key)) {
        case EDX_ACT_QUIT:
            return false;
        case EDX_ACT_ACKNOWLEDGE:
            edx_latest_acknowledge(m->model);
            break;
        case EDX_ACT_EARLIER:
        case EDX_ACT_LATER:
            travel(m, key);
            break;
        case EDX_ACT_LIVE:
            go_live(m);
            break;
        default:
            break;
        }
    }
    return true;
}

/* ---- the loop ---- */

static edx_status show(monitor *m, edx_screen *screen, edx_error *err)
{
    edx_canvas *canvas = edx_screen_canvas(screen);
    if (!canvas)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the picture");
    m->view->now = m->drawn_at = edx_monotonic();
    if (m->view->now - m->noted_at > NOTE_S)
        m->view->note[0] = '\0';
    if (edx_signals_continued())
        edx_screen_forget(screen);
    edx_view_draw(m->view, m->model, canvas);
    return edx_screen_show(screen, edx_latest_rang(m->model), err);
}

/* Waits for something to do; messages alone have to wait until the next picture is due. */
static void pause_for(monitor *m)
{
    int early = FASTEST_MS - (int)(1e3 * (edx_monotonic() - m->drawn_at));
    if (early > 0)
        edx_feed_wait(NULL, m->control, STDIN_FILENO, early);
    else
        edx_feed_wait(m->feed, m->control, STDIN_FILENO, TICK_MS);
}

static edx_status loop(monitor *m, edx_screen *screen, edx_error *err)
{
    edx_status status = EDX_OK;
    while (!status && !edx_signals_stop() && take_keys(m, screen)) {
        status = take_messages(m, err);
        if (status)
            break;
        take_replies(m);
        status = show(m, screen, err);
        pause_for(m);
    }
    return status;
}

static edx_status open_monitor(monitor *m, edx_error *err)
{
    m->model = edx_latest_new();
    m->pack = edx_pack_new();
    return m->model && m->pack ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory");
}

static void close_monitor(monitor *m)
{
    edx_caller_free(&m->control);
    edx_latest_free(&m->model);
    edx_pack_free(&m->pack);
}

edx_status edx_monitor_run(edx_feed *feed, const char *control, edx_view *view, edx_depth depth,
                           edx_error *err)
{
    monitor m = {.feed = feed, .control_endpoint = control, .view = view};
    edx_screen *screen = NULL;
    edx_status status = open_monitor(&m, err);
    if (!status)
        status = edx_screen_new(depth, &screen, err);
    if (!status)
        status = loop(&m, screen, err);
    edx_screen_free(&screen);
    close_monitor(&m);
    return status;
}

/* ---- one picture ---- */

/* True when every topic that the status names has come, as new as it says. */
static bool complete(const edx_latest *model)
{
    const edx_result *status = edx_latest_get(model, EDX_STATUS);
    if (!status)
        return false;
    for (int i = 0; i < EDX_RESULT_TOPICS; i++) {
        bool named = !isnan(status->as.status.last[i]);
        edx_result_topic topic = (edx_result_topic)i;
        if (topic != EDX_STATUS && named &&
            (!edx_latest_get(model, topic) || edx_latest_behind(model, topic) > 0))
            return false;
    }
    return true;
}

static edx_status print(const edx_view *view, const edx_latest *model, edx_canvas *canvas,
                        edx_error *err)
{
    edx_bytes bytes = {0};
    edx_status status = EDX_OK;
    edx_view_draw(view, model, canvas);
    edx_canvas_lines(canvas, &bytes);
    if (bytes.failed)
        status = edx_fail(err, EDX_E_NOMEM, "no memory for the picture");
    else if (fwrite(bytes.data, 1, bytes.size, stdout) != bytes.size || fflush(stdout))
        status = edx_fail(err, EDX_E_IO, "standard output: cannot write");
    edx_bytes_free(&bytes);
    return status;
}

edx_status edx_monitor_once(edx_feed *feed, edx_view *view, edx_depth depth, int rows, int cols,
                            double timeout_s, edx_error *err)
{
    monitor m = {.feed = feed, .view = view};
    edx_canvas *canvas = edx_canvas_new(rows, cols, depth);
    edx_status status = open_monitor(&m, err);
    double end = edx_monotonic() + timeout_s;
    while (!status && !edx_signals_stop() && !complete(m.model) && edx_monotonic() < end) {
        edx_feed_wait(feed, NULL, -1, TICK_MS);
        status = take_messages(&m, err);
    }
    view->now = edx_monotonic();
    if (!status && !edx_latest_get(m.model, EDX_STATUS))
        status = edx_fail(err, EDX_E_END,
                          "nothing came within %g s: is edxd running? (systemctl status edxd)",
                          timeout_s);
    if (!status && !canvas)
        status = edx_fail(err, EDX_E_NOMEM, "no memory for the picture");
    if (!status)
        status = print(view, m.model, canvas, err);
    edx_canvas_free(&canvas);
    close_monitor(&m);
    return status;
}
