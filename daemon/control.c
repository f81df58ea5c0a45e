#include "daemon/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ENVELOPE 4
#define MAX_PENDING 256
#define REQUESTS_AT_ONCE 64

/* Whom to answer: the identity frames of a request, an empty delimiter included. */
typedef struct envelope {
    uint64_t ticket; /* 0: free */
    unsigned n;
    edx_message frames[MAX_ENVELOPE];
} envelope;

struct edx_control {
    edx_control_parts parts;
    edx_wire *wire, *inner;
    edx_pack *pack;
    uint64_t tickets;
    envelope pending[MAX_PENDING];
    double unix_t;
    int64_t now_ns;
};

edx_control *edx_control_new(const edx_control_parts *parts)
{
    edx_control *c = calloc(1, sizeof *c);
    if (!c) {
        return NULL;
    }
    c->parts = *parts;
    for (int i = 0; i < MAX_PENDING; i++) {
        for (int k = 0; k < MAX_ENVELOPE; k++) {
            edx_message_init(&c->pending[i].frames[k]);
        }
    }
    c->wire = edx_wire_new(0);
    c->inner = edx_wire_new(0);
    c->pack = edx_pack_new();
    if (!c->wire || !c->inner || !c->pack) {
        edx_control_free(&c);
    }
    return c;
}

static void envelope_clear(envelope *e)
{
    for (int k = 0; k < MAX_ENVELOPE; k++) {
        edx_message_close(&e->frames[k]);
    }
    e->ticket = 0;
    e->n = 0;
}

void edx_control_free(edx_control **control)
{
    edx_control *c = *control;
    if (!c) {
        return;
    }
    for (int i = 0; i < MAX_PENDING; i++) {
        envelope_clear(&c->pending[i]);
    }
    edx_wire_free(&c->wire);
    edx_wire_free(&c->inner);
    edx_pack_free(&c->pack);
    free(c);
    *control = NULL;
}

/* ---- replies ---- */

/* Sends body (moved) to whom the envelope names; the envelope is used up. */
static void reply(edx_control *c, envelope *to, edx_message *body)
{
    edx_message parts[MAX_ENVELOPE + 1];
    for (unsigned i = 0; i < to->n; i++) {
        edx_message_init(&parts[i]);
        edx_message_move(&parts[i], &to->frames[i]);
    }
    edx_message_init(&parts[to->n]);
    edx_message_move(&parts[to->n], body);
    edx_socket_send(c->parts.socket, parts, to->n + 1);
    envelope_clear(to);
}

static void reply_pack(edx_control *c, envelope *to)
{
    size_t n = 0;
    edx_message body;
    edx_message_init(&body);
    void *bytes = edx_pack_take(c->pack, &n);
    if (bytes && edx_message_adopt(&body, bytes, n) == EDX_OK) {
        reply(c, to, &body);
    }
    envelope_clear(to);
}

static void reply_error(edx_control *c, envelope *to, const edx_error *err)
{
    edx_pack_reset(c->pack);
    edx_pack_map(c->pack, 2);
    edx_pack_text(c->pack, "ok");
    edx_pack_bool(c->pack, false);
    edx_pack_text(c->pack, "error");
    edx_pack_text(c->pack, err->text);
    reply_pack(c, to);
}

static void begin_ok(edx_control *c, size_t more)
{
    edx_pack_reset(c->pack);
    edx_pack_map(c->pack, 1 + more);
    edx_pack_text(c->pack, "ok");
    edx_pack_bool(c->pack, true);
}

static void reply_ok(edx_control *c, envelope *to)
{
    begin_ok(c, 0);
    reply_pack(c, to);
}

/* ok and every key of the map body. */
static void reply_map(edx_control *c, envelope *to, const void *body, size_t n)
{
    const edx_node *map;
    edx_error err = {0};
    if (edx_wire_parse(c->inner, body, n, &map, &err)) {
        reply_error(c, to, &err);
        return;
    }
    begin_ok(c, map->count);
    const edx_node *node = edx_node_first(map);
    for (uint32_t i = 0; i < 2 * map->count; i++, node = edx_node_next(node)) {
        edx_pack_node(c->pack, node);
    }
    reply_pack(c, to);
}

/* Keeps the envelope until the ticket comes back; NULL when too many wait. */
static envelope *park(edx_control *c, envelope *from)
{
    for (int i = 0; i < MAX_PENDING; i++) {
        envelope *e = &c->pending[i];
        if (e->ticket == 0) {
            e->ticket = ++c->tickets;
            e->n = from->n;
            for (unsigned k = 0; k < from->n; k++) {
                edx_message_move(&e->frames[k], &from->frames[k]);
            }
            from->n = 0;
            return e;
        }
    }
    return NULL;
}

static envelope *unpark(edx_control *c, uint64_t ticket)
{
    for (int i = 0; ticket && i < MAX_PENDING; i++) {
        if (c->pending[i].ticket == ticket) {
            return &c->pending[i];
        }
    }
    return NULL;
}

void edx_control_saved(edx_control *control, uint64_t ticket, const edx_error *result)
{
    envelope *to = unpark(control, ticket);
    if (!to) {
        return;
    }
    if (result->code) {
        reply_error(control, to, result);
    } else {
        reply_ok(control, to);
    }
}

void edx_control_answered(edx_control *control, uint64_t ticket, edx_message *body)
{
    envelope *to = unpark(control, ticket);
    if (to) {
        reply(control, to, body);
    }
}

/* ---- commands ---- */

typedef struct request {
    const char *cmd;
    const edx_node *map;
    edx_message *message; /* the whole, for those who answer later */
    envelope from;
} request;

typedef void command(edx_control *c, request *r);

static void do_status(edx_control *c, request *r)
{
    size_t n = 0;
    edx_monitor_write(c->parts.monitor, c->unix_t, c->now_ns, c->pack);
    void *body = edx_pack_take(c->pack, &n);
    if (body) {
        reply_map(c, &r->from, body, n);
    }
    free(body);
}

static edx_status key_of(const request *r, char *key, size_t size, edx_error *err)
{
    return edx_node_text(edx_map_get(r->map, "key"), "key", key, size, err);
}

/* What is in force: a run that was taken up again has the settings of its recording. */
static void do_get(edx_control *c, request *r)
{
    char key[128];
    edx_error err = {0};
    c->parts.config->settings = *edx_intake_settings(c->parts.intake);
    begin_ok(c, 1);
    edx_pack_text(c->pack, "value");
    edx_status status = key_of(r, key, sizeof key, &err);
    if (status == EDX_OK) {
        status = edx_config_get(c->parts.config, key, c->pack, &err);
    }
    if (status) {
        reply_error(c, &r->from, &err);
    } else {
        reply_pack(c, &r->from);
    }
}

static edx_status set_key(edx_control *c, const request *r, edx_error *err)
{
    char key[128];
    const edx_node *value = edx_map_get(r->map, "value");
    edx_status status = key_of(r, key, sizeof key, err);
    if (status) {
        return status;
    }
    if (!value) {
        return edx_fail(err, EDX_E_MISSING, "value: missing, expected {cmd, key, value}");
    }
    if (strncmp(key, "analysis", 8) != 0 && strncmp(key, "quant", 5) != 0) {
        edx_pack_reset(c->pack);
        status = edx_config_get(c->parts.config, key, c->pack, err); /* an unknown key says so */
        return status ? status
                      : edx_fail(err, EDX_E_STATE,
                                 "%s: cannot change while the daemon runs, expected a key in "
                                 "analysis or quant (or change the configuration and restart)",
                                 key);
    }
    edx_config *changed = malloc(sizeof *changed);
    if (!changed) {
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    }
    *changed = *c->parts.config;
    changed->settings = *edx_intake_settings(c->parts.intake);
    status = edx_config_set(changed, key, value, err);
    if (status == EDX_OK) {
        status = edx_config_check(changed, err);
    }
    if (status == EDX_OK) {
        status = edx_intake_set(c->parts.intake, &changed->settings, err);
    }
    if (status == EDX_OK) {
        *c->parts.config = *changed;
        edx_log_write(c->parts.log, EDX_LOG_NOTICE, "set %s", key);
    }
    free(changed);
    return status;
}

static void do_set(edx_control *c, request *r)
{
    edx_error err = {0};
    if (set_key(c, r, &err)) {
        reply_error(c, &r->from, &err);
    } else {
        reply_ok(c, &r->from);
    }
}

static const edx_error busy = {
    .code = EDX_E_LIMIT,
    .text = "too many requests wait for an answer, expected fewer at a time; try again"};

/* Commands that are answered when files are in place. */
static void do_later(edx_control *c, request *r,
                     edx_status order(edx_intake *intake, uint64_t ticket, edx_error *err))
{
    edx_error err = {0};
    envelope *e = park(c, &r->from);
    if (!e) {
        reply_error(c, &r->from, &busy);
    } else if (order(c->parts.intake, e->ticket, &err)) {
        reply_error(c, e, &err);
    }
}

static void do_save(edx_control *c, request *r)
{
    do_later(c, r, edx_intake_save);
}

static void do_stop(edx_control *c, request *r)
{
    do_later(c, r, edx_intake_stop);
}

static edx_status reset(edx_intake *intake, uint64_t ticket, edx_error *err)
{
    if (!edx_intake_begin(intake)) {
        return edx_fail(err, EDX_E_STATE, "there is no acquisition to reset, the daemon is idle");
    }
    edx_intake_reset(intake, ticket);
    return EDX_OK;
}

static void do_reset(edx_control *c, request *r)
{
    do_later(c, r, reset);
    edx_publisher_forget(c->parts.publisher);
}

static void do_ask(edx_control *c, request *r)
{
    edx_task task;
    envelope *e = park(c, &r->from);
    if (!e) {
        reply_error(c, &r->from, &busy);
        return;
    }
    edx_task_init(&task, EDX_TASK_ASK);
    task.ticket = e->ticket;
    edx_message_move(&task.message, r->message);
    if (edx_analyst_give(c->parts.analyst, &task)) {
        edx_task_clear(&task);
        reply_error(c, e, &busy);
    }
}

static edx_status find_history(edx_control *c, const request *r, edx_message *out, edx_error *err)
{
    char topic[32];
    char full[40];
    uint64_t frame = 0;
    edx_status status =
        edx_node_text(edx_map_get(r->map, "topic"), "topic", topic, sizeof topic, err);
    if (status == EDX_OK) {
        status = edx_node_uint(edx_map_get(r->map, "frame"), "frame", UINT64_MAX, &frame, err);
    }
    if (status) {
        return status;
    }
    snprintf(full, sizeof full, "%s%s", strncmp(topic, "edx.", 4) == 0 ? "" : "edx.", topic);
    const edx_result_topic which = edx_result_topic_parse(full, strlen(full));
    if (which == EDX_RESULT_TOPICS) {
        return edx_fail(err, EDX_E_UNKNOWN, "topic: '%s', expected one like edx.maps", topic);
    }
    if (!edx_publisher_history(c->parts.publisher, which, frame, out)) {
        return edx_fail(err, EDX_E_RANGE, "frame: no %s is kept at or before that frame", full);
    }
    return EDX_OK;
}

static void do_history(edx_control *c, request *r)
{
    edx_error err = {0};
    edx_message found;
    const edx_node *body;
    edx_message_init(&found);
    edx_status status = find_history(c, r, &found, &err);
    if (status == EDX_OK) {
        status = edx_wire_parse(c->inner, edx_message_data(&found), edx_message_size(&found), &body,
                                &err);
    }
    if (status == EDX_OK) {
        begin_ok(c, 1);
        edx_pack_text(c->pack, "message");
        edx_pack_node(c->pack, body);
        reply_pack(c, &r->from);
    } else {
        reply_error(c, &r->from, &err);
    }
    edx_message_close(&found);
}

static const struct {
    const char *cmd;
    command *run;
} commands[] = {
    {"status", do_status}, {"save", do_save},     {"stop", do_stop},       {"reset", do_reset},
    {"get", do_get},       {"set", do_set},       {"history", do_history}, {"profile", do_ask},
    {"region", do_ask},    {"calibrate", do_ask},
};

static void unknown(edx_control *c, request *r)
{
    edx_error err = {0};
    edx_fail(&err, EDX_E_UNKNOWN,
             "cmd: '%s', expected status, save, stop, reset, get, set, history, profile, region or "
             "calibrate",
             r->cmd);
    reply_error(c, &r->from, &err);
}

static void dispatch(edx_control *c, request *r)
{
    char cmd[32] = "";
    edx_error err = {0};
    if (edx_wire_parse(c->wire, edx_message_data(r->message), edx_message_size(r->message), &r->map,
                       &err) ||
        edx_node_text(edx_map_get(r->map, "cmd"), "cmd", cmd, sizeof cmd, &err)) {
        edx_error_prefix(&err, "request (expected one MessagePack map with cmd)");
        reply_error(c, &r->from, &err);
        return;
    }
    r->cmd = cmd;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(cmd, commands[i].cmd) == 0) {
            commands[i].run(c, r);
            return;
        }
    }
    unknown(c, r);
}

/* The envelope is everything up to an empty frame, that included; without one (a DEALER that sends
 * none) the identity alone. */
static void serve_one(edx_control *c, edx_message *parts, unsigned n)
{
    request r = {0};
    for (int k = 0; k < MAX_ENVELOPE; k++) {
        edx_message_init(&r.from.frames[k]);
    }
    if (n >= 2 && n <= MAX_ENVELOPE) {
        r.from.n = n - 1;
        for (unsigned i = 0; i + 1 < n; i++) {
            edx_message_move(&r.from.frames[i], &parts[i]);
        }
        r.message = &parts[n - 1];
        dispatch(c, &r);
    }
    envelope_clear(&r.from);
}

void edx_control_serve(edx_control *control, double unix_t, int64_t now_ns)
{
    control->unix_t = unix_t;
    control->now_ns = now_ns;
    for (int i = 0; i < REQUESTS_AT_ONCE; i++) {
        edx_message parts[EDX_MAX_PARTS];
        for (int k = 0; k < EDX_MAX_PARTS; k++) {
            edx_message_init(&parts[k]);
        }
        const unsigned n = edx_socket_receive(control->parts.socket, parts, EDX_MAX_PARTS);
        serve_one(control, parts, n <= EDX_MAX_PARTS ? n : 0);
        for (int k = 0; k < EDX_MAX_PARTS; k++) {
            edx_message_close(&parts[k]);
        }
        if (n == 0) {
            break;
        }
    }
}
