#include "client/latest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ALARMS 32
#define MAX_FORECASTS 8

typedef struct entry {
    edx_message *message; /* NULL: nothing */
    edx_result result;    /* views into the message */
} entry;

struct edx_latest {
    edx_wire *wire;
    entry live[EDX_RESULT_TOPICS];
    entry past[EDX_RESULT_TOPICS];
    edx_latched alarms[MAX_ALARMS];
    size_t n_alarms;
    bool rang;
    double forecasts[MAX_FORECASTS];
    size_t n_forecasts;
    edx_head forecast_of; /* the message of the newest */
};

edx_latest *edx_latest_new(void)
{
    edx_latest *model = calloc(1, sizeof *model);
    if (model)
        model->wire = edx_wire_new(0);
    if (model && !model->wire)
        edx_latest_free(&model);
    return model;
}

static void drop(entry *e)
{
    edx_result_clear(&e->result);
    edx_message_free(&e->message);
}

void edx_latest_free(edx_latest **model)
{
    if (!*model)
        return;
    for (int i = 0; i < EDX_RESULT_TOPICS; i++) {
        drop(&(*model)->live[i]);
        drop(&(*model)->past[i]);
    }
    edx_wire_free(&(*model)->wire);
    free(*model);
    *model = NULL;
}

const edx_result_head *edx_result_head_of(const edx_result *result)
{
    switch (result->topic) {
    case EDX_STATUS:
        return &result->as.status.head;
    case EDX_SPECTRUM:
        return &result->as.spectrum.head;
    case EDX_MAPS:
        return &result->as.maps.head;
    case EDX_PCA:
        return &result->as.pca.head;
    case EDX_NMF:
        return &result->as.nmf.head;
    case EDX_PARTICLES:
        return &result->as.particles.head;
    case EDX_PROFILE:
        return &result->as.profile.head;
    case EDX_TREND:
        return &result->as.trend.head;
    default:
        return &result->as.alarm.head;
    }
}

/* ---- alarms ---- */

static int gravity(const edx_latched *latched)
{
    const char *severity = latched->alarm.severity;
    int grave = strcmp(severity, "error") == 0 ? 2 : strcmp(severity, "warning") == 0 ? 1 : 0;
    return grave + (latched->acknowledged ? 0 : 4);
}

static int graver_first(const void *a, const void *b)
{
    return gravity(b) - gravity(a);
}

static edx_latched *find_alarm(edx_latest *model, const edx_alarm *alarm)
{
    for (size_t i = 0; i < model->n_alarms; i++)
        if (strcmp(model->alarms[i].alarm.kind, alarm->kind) == 0 &&
            model->alarms[i].alarm.since_frame == alarm->since_frame)
            return &model->alarms[i];
    return NULL;
}

/* Forgets what is over and acknowledged. */
static void sort_alarms(edx_latest *model)
{
    size_t kept = 0;
    for (size_t i = 0; i < model->n_alarms; i++)
        if (model->alarms[i].alarm.active || !model->alarms[i].acknowledged)
            model->alarms[kept++] = model->alarms[i];
    model->n_alarms = kept;
    qsort(model->alarms, kept, sizeof *model->alarms, graver_first);
}

static void latch(edx_latest *model, const edx_alarm *alarm)
{
    edx_latched *known = find_alarm(model, alarm);
    if (!known && (!alarm->active || model->n_alarms == MAX_ALARMS))
        return;
    if (!known) {
        known = &model->alarms[model->n_alarms++];
        model->rang = true;
        known->acknowledged = false;
    }
    known->alarm = *alarm;
}

static void latch_all(edx_latest *model, const edx_alarm_result *result)
{
    for (size_t i = 0; i < model->n_alarms; i++)
        model->alarms[i].alarm.active = false;
    for (size_t i = 0; i < result->count; i++)
        latch(model, &result->alarms[i]);
    sort_alarms(model);
}

const edx_latched *edx_latest_alarms(const edx_latest *model, size_t *n)
{
    *n = model->n_alarms;
    return model->alarms;
}

void edx_latest_acknowledge(edx_latest *model)
{
    for (size_t i = 0; i < model->n_alarms; i++)
        model->alarms[i].acknowledged = true;
    sort_alarms(model);
}

bool edx_latest_rang(edx_latest *model)
{
    bool rang = model->rang;
    model->rang = false;
    return rang;
}

/* ---- results ---- */

/* Puts a decoded body, with the message that it points into, in place of what was there. */
static edx_status replace(entry *e, edx_result_topic topic, const edx_node *body,
                          edx_message *message, edx_error *err)
{
    edx_result result = {0};
    edx_status status = edx_result_read(topic, body, &result, err);
    if (status) {
        edx_result_clear(&result);
        edx_error_prefix(err, "%s", edx_result_topic_name(topic));
        return status;
    }
    drop(e);
    result.topic = topic;
    e->result = result;
    e->message = message;
    return EDX_OK;
}

/* True when head is of another acquisition than the status and no newer. */
static bool outdated(const edx_result_head *head, const edx_result_head *status)
{
    return strcmp(head->head.acq, status->head.acq) != 0 && head->head.t <= status->head.t;
}

static void drop_outdated(edx_latest *model)
{
    if (!model->live[EDX_STATUS].message)
        return;
    const edx_result_head *status = &model->live[EDX_STATUS].result.as.status.head;
    for (int i = 0; i < EDX_RESULT_TOPICS; i++) {
        if (model->live[i].message && outdated(edx_result_head_of(&model->live[i].result), status))
            drop(&model->live[i]);
        if (model->past[i].message && outdated(edx_result_head_of(&model->past[i].result), status))
            drop(&model->past[i]);
    }
}

/* Notes what a new edx.trend forecasts; a repeat changes nothing. */
static void note_forecast(edx_latest *model, const edx_trend_result *trend)
{
    const edx_head *head = &trend->head.head;
    if (strcmp(head->acq, model->forecast_of.acq) != 0)
        model->n_forecasts = 0;
    else if (head->t <= model->forecast_of.t)
        return;
    model->forecast_of = *head;
    if (!isfinite(trend->forecast.frames_needed))
        return;
    if (model->n_forecasts == MAX_FORECASTS)
        memmove(model->forecasts, model->forecasts + 1,
                --model->n_forecasts * sizeof *model->forecasts);
    model->forecasts[model->n_forecasts++] = trend->forecast.frames_needed;
}

const double *edx_latest_forecasts(const edx_latest *model, size_t *n)
{
    *n = model->past[EDX_TREND].message ? 0 : model->n_forecasts;
    return model->forecasts;
}

edx_status edx_latest_take(edx_latest *model, edx_message *message, edx_error *err)
{
    const edx_node *body;
    edx_result_topic topic = message->topic;
    edx_status status = edx_wire_parse(model->wire, message->body, message->size, &body, err);
    if (!status)
        status = replace(&model->live[topic], topic, body, message, err);
    if (status) {
        edx_message_free(&message);
        return status;
    }
    if (topic == EDX_ALARM)
        latch_all(model, &model->live[topic].result.as.alarm);
    if (topic == EDX_TREND)
        note_forecast(model, &model->live[topic].result.as.trend);
    drop_outdated(model);
    return EDX_OK;
}

/* The body inside a reply to "history"; a binary one is parsed in its turn. */
static edx_status past_body(edx_latest *model, const edx_message *reply, const edx_node **body,
                            edx_error *err)
{
    const edx_node *root;
    bool ok = false;
    edx_status status = edx_wire_parse(model->wire, reply->body, reply->size, &root, err);
    if (!status)
        status = edx_node_bool(edx_map_get(root, "ok"), "ok", &ok, err);
    if (status)
        return status;
    if (!ok) {
        char why[EDX_ERROR_TEXT] = "refused";
        edx_node_text(edx_map_get(root, "error"), "error", why, sizeof why, NULL);
        return edx_fail(err, EDX_E_STATE, "%s", why);
    }
    *body = edx_map_get(root, "message");
    if (!*body)
        return edx_fail(err, EDX_E_MISSING, "message: missing, expected an earlier message");
    if ((*body)->kind == EDX_BIN)
        return edx_wire_parse(model->wire, (*body)->as.bytes, (*body)->count, body, err);
    return EDX_OK;
}

edx_status edx_latest_past(edx_latest *model, edx_result_topic topic, edx_message *reply,
                           edx_error *err)
{
    const edx_node *body = NULL;
    edx_status status = past_body(model, reply, &body, err);
    if (!status)
        status = replace(&model->past[topic], topic, body, reply, err);
    if (status)
        edx_message_free(&reply);
    return status;
}

void edx_latest_present(edx_latest *model)
{
    for (int i = 0; i < EDX_RESULT_TOPICS; i++)
        drop(&model->past[i]);
}

const edx_result *edx_latest_get(const edx_latest *model, edx_result_topic topic)
{
    if (model->past[topic].message)
        return &model->past[topic].result;
    return model->live[topic].message ? &model->live[topic].result : NULL;
}

double edx_latest_age(const edx_latest *model, edx_result_topic topic, double now)
{
    const edx_message *message = model->live[topic].message;
    return message ? now - message->arrival : (double)NAN;
}

double edx_latest_behind(const edx_latest *model, edx_result_topic topic)
{
    if (!model->live[EDX_STATUS].message || !model->live[topic].message)
        return 0;
    double newest = model->live[EDX_STATUS].result.as.status.last[topic];
    double behind = newest - edx_result_head_of(&model->live[topic].result)->head.t;
    return behind > 0 ? behind : 0;
}
