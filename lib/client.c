#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/feed.h"
#include "client/request.h"
#include "lib/inside.h"

#define ALL_TOPICS ((1u << EDX_RESULT_TOPICS) - 1)
#define MAX_WORDS 4100 /* a polygon may have 4096 corners */
#define CONNECT_MS 20  /* between looks whether edxd is there */

struct edx_client {
    edx_feed *feed;
    edx_caller *caller; /* NULL until the first question */
    char *control;
    edx_wire *wire, *answer_wire;
    edx_message *message, *answer;
    edx_pack *pack;
    uint64_t tag; /* of the newest question */
};

/* ---- life ---- */

static const edx_client_options default_options = {.size = sizeof default_options,
                                                   .publish = EDX_PUBLISH_ENDPOINT,
                                                   .control = EDX_CONTROL_ENDPOINT};

void edx_client_options_init(edx_client_options *options, size_t size)
{
    edx_lib_give(options, size, &default_options, sizeof default_options);
}

static int no_memory(edx_problem *problem)
{
    return edx_lib_fail(problem, EDX_MEMORY, "no memory for a client");
}

static int parse_topics(const char *text, unsigned *out, edx_problem *problem)
{
    *out = text ? 0 : ALL_TOPICS;
    for (text = text ? text : ""; *(text += strspn(text, " ")) != '\0';) {
        char name[32], all[256];
        size_t n = strcspn(text, " ");
        snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name), text);
        edx_result_topic topic = edx_topic_from_name(name);
        if (topic == EDX_RESULT_TOPICS) {
            edx_topic_names(all, sizeof all);
            return edx_lib_fail(problem, EDX_USAGE, "topic \"%s\": unknown, expected some of: %s",
                                name, all);
        }
        *out |= 1u << topic;
        text += n;
    }
    return EDX_DONE;
}

static int fill(edx_client *client, const edx_client_options *options, edx_problem *problem)
{
    edx_error err;
    unsigned topics;
    int outcome = parse_topics(options->topics, &topics, problem);
    if (outcome)
        return outcome;
    client->control = strdup(options->control ? options->control : EDX_CONTROL_ENDPOINT);
    client->wire = edx_wire_new(0);
    client->answer_wire = edx_wire_new(0);
    client->pack = edx_pack_new();
    if (!client->control || !client->wire || !client->answer_wire || !client->pack)
        return no_memory(problem);
    edx_status status = edx_feed_new(options->publish ? options->publish : EDX_PUBLISH_ENDPOINT,
                                     topics, &client->feed, &err);
    return edx_lib_pass(problem, status, &err);
}

int edx_client_open(const edx_client_options *options, edx_client **out, edx_problem *problem)
{
    edx_client_options chosen = default_options;
    *out = NULL;
    int outcome = edx_lib_take(&chosen, sizeof chosen, options, "edx_client_options", problem);
    if (outcome)
        return outcome;
    edx_client *client = calloc(1, sizeof *client);
    if (!client)
        return no_memory(problem);
    outcome = fill(client, &chosen, problem);
    if (outcome)
        edx_client_close(&client);
    *out = client;
    return outcome;
}

void edx_client_close(edx_client **client)
{
    edx_client *c = *client;
    if (!c)
        return;
    edx_feed_free(&c->feed);
    edx_caller_free(&c->caller);
    edx_message_free(&c->message);
    edx_message_free(&c->answer);
    edx_wire_free(&c->wire);
    edx_wire_free(&c->answer_wire);
    edx_pack_free(&c->pack);
    free(c->control);
    free(c);
    *client = NULL;
}

/* ---- publications ---- */

static const edx_item *item_of(const edx_node *node)
{
    return (const edx_item *)(const void *)node;
}

/* The root of a message, which must be a map; MESSAGE with what it was in. */
static int parse(edx_wire *wire, const edx_message *message, const char *what,
                 const edx_item **body, edx_problem *problem)
{
    const edx_node *root = NULL;
    edx_error err;
    edx_status status = edx_wire_parse(wire, message->body, message->size, &root, &err);
    if (status == EDX_E_NOMEM)
        return no_memory(problem);
    if (status)
        return edx_lib_fail(problem, EDX_MESSAGE, "%s: %s", what, err.text);
    if (root->kind != EDX_MAP)
        return edx_lib_fail(problem, EDX_MESSAGE, "%s: expected a map", what);
    *body = item_of(root);
    return EDX_DONE;
}

int edx_client_next(edx_client *client, int timeout_ms, const char **topic, const edx_item **body,
                    edx_problem *problem)
{
    edx_error err;
    *topic = NULL;
    *body = NULL;
    edx_message_free(&client->message);
    edx_status status =
        edx_feed_receive(client->feed, timeout_ms < 0 ? -1 : timeout_ms, &client->message, &err);
    if (status)
        return edx_lib_pass(problem, status, &err);
    *topic = edx_result_topic_name(client->message->topic);
    return parse(client->wire, client->message, *topic, body, problem);
}

/* ---- questions ---- */

static int write_question(edx_client *client, const char *const *words, edx_problem *problem)
{
    char *copy[MAX_WORDS];
    int n = 0;
    edx_error err;
    for (; n < MAX_WORDS && words[n]; n++)
        copy[n] = (char *)(uintptr_t)words[n]; /* only read */
    if (n == MAX_WORDS)
        return edx_lib_fail(problem, EDX_USAGE, "question: more than %d words", MAX_WORDS - 1);
    return edx_lib_pass(problem, edx_request_write(copy, n, client->pack, &err), &err);
}

/* What is left of the time, in ms from now, for one wait; at most most. */
static int left_ms(double end, int timeout_ms, int most)
{
    double left = timeout_ms < 0 ? 1e9 : 1e3 * (end - edx_monotonic());
    return left <= 0 ? 0 : left < most ? (int)left + 1 : most;
}

/* Sends as soon as edxd is there. */
static int send_question(edx_client *client, double end, int timeout_ms, edx_problem *problem)
{
    edx_error err;
    edx_status status = EDX_OK;
    if (!client->caller)
        status = edx_caller_new_tagged(client->control, &client->caller, &err);
    if (status)
        return edx_lib_pass(problem, status, &err);
    client->tag++;
    for (;;) {
        status = edx_caller_ask(client->caller, client->tag, edx_pack_data(client->pack),
                                edx_pack_size(client->pack), &err);
        int left = left_ms(end, timeout_ms, CONNECT_MS);
        if (status != EDX_E_STATE)
            return edx_lib_pass(problem, status, &err);
        if (left == 0)
            return edx_lib_fail(problem, EDX_NOTHING, "%s: %s", client->control, err.text);
        edx_feed_wait(NULL, NULL, -1, left);
    }
}

/* Answers to questions that were given up come late: theirs is another tag. */
static int await_answer(edx_client *client, double end, int timeout_ms, edx_problem *problem)
{
    edx_error err;
    for (;;) {
        uint64_t tag = 0;
        edx_message *answer;
        edx_status status = edx_caller_answer(client->caller, &tag, &answer, &err);
        if (!status && tag == client->tag) {
            client->answer = answer;
            return EDX_DONE;
        }
        edx_message_free(&answer);
        int left = left_ms(end, timeout_ms, 1000);
        if (status && status != EDX_E_END)
            return edx_lib_pass(problem, status, &err);
        if (status && left == 0)
            return edx_lib_fail(problem, EDX_NOTHING, "%s: no answer within %g s", client->control,
                                1e-3 * timeout_ms);
        if (status)
            edx_feed_wait(NULL, client->caller, -1, left);
    }
}

static int check_answer(const edx_item *reply, edx_problem *problem)
{
    char why[EDX_PROBLEM_TEXT];
    if (edx_item_truth(edx_item_get(reply, "ok")))
        return EDX_DONE;
    if (edx_item_kind_of(edx_item_get(reply, "error")) != EDX_ITEM_TEXT)
        return edx_lib_fail(problem, EDX_MESSAGE, "reply: no error, expected ok to be true");
    return edx_lib_fail(problem, EDX_REFUSED, "%s",
                        edx_item_text(edx_item_get(reply, "error"), why, sizeof why));
}

int edx_client_ask(edx_client *client, const char *const *words, int timeout_ms,
                   const edx_item **reply, edx_problem *problem)
{
    const edx_item *body = NULL;
    double end = edx_monotonic() + 1e-3 * timeout_ms;
    edx_message_free(&client->answer);
    if (reply)
        *reply = NULL;
    int outcome = write_question(client, words, problem);
    if (!outcome)
        outcome = send_question(client, end, timeout_ms, problem);
    if (!outcome)
        outcome = await_answer(client, end, timeout_ms, problem);
    if (!outcome)
        outcome = parse(client->answer_wire, client->answer, "reply", &body, problem);
    if (!outcome)
        outcome = check_answer(body, problem);
    if (reply && !outcome)
        *reply = body;
    return outcome;
}
