#include "client/gather.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "client/ask.h"
#include "client/reply.h"
#include "client/saved.h"

static edx_status start(edx_gathered *out, edx_error *err)
{
    edx_settings_default(&out->settings);
    out->latest = edx_latest_new();
    return out->latest ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory for the results");
}

void edx_gathered_clear(edx_gathered *gathered)
{
    edx_latest_free(&gathered->latest);
}

/* Reads settings out of a map of both groups; keys of a newer version are ignored. */
static edx_status read_settings(const void *bytes, size_t n, edx_settings *out, edx_error *err)
{
    const edx_node *map;
    edx_wire *wire = edx_wire_new(0);
    edx_status status = wire ? edx_wire_parse(wire, bytes, n, &map, err)
                             : edx_fail(err, EDX_E_NOMEM, "no memory for the settings");
    if (!status)
        status = edx_fields_read(edx_settings_table, out, map, err);
    edx_wire_free(&wire);
    return status;
}

/* ---- from a folder ---- */

static edx_status take_topics(edx_saved *file, edx_gathered *out, edx_error *err)
{
    edx_status status = EDX_OK;
    for (edx_result_topic topic = EDX_STATUS; !status && topic < EDX_RESULT_TOPICS; topic++) {
        edx_message *message = NULL;
        status = edx_saved_message(file, topic, &message, err);
        if (message)
            status = edx_latest_take(out->latest, message, err);
    }
    return status;
}

static edx_status take_config(edx_saved *file, edx_gathered *out, edx_error *err)
{
    edx_pack *pack = edx_pack_new();
    edx_status status = pack ? edx_saved_group(file, "config", pack, err)
                             : edx_fail(err, EDX_E_NOMEM, "no memory for the settings");
    if (!status)
        status = read_settings(edx_pack_data(pack), edx_pack_size(pack), &out->settings, err);
    edx_pack_free(&pack);
    return status == EDX_E_MISSING ? EDX_OK : status;
}

edx_status edx_gather_folder(const char *folder, edx_gathered *out, edx_error *err)
{
    char path[4096];
    edx_saved *file = NULL;
    snprintf(path, sizeof path, "%s/results.h5", folder);
    edx_status status = start(out, err);
    if (status)
        return status;
    status = edx_saved_open(path, &file, err);
    if (!status) {
        status = take_topics(file, out, err);
        if (!status)
            status = take_config(file, out, err);
        if (status)
            edx_error_prefix(err, "%.100s", path);
    }
    edx_saved_close(&file);
    return status;
}

/* ---- from a daemon ---- */

typedef struct asker {
    const char *endpoint;
    double timeout_s;
    edx_pack *pack;
} asker;

static edx_status ask_status(const asker *a, edx_gathered *out, uint64_t *frame, edx_error *err)
{
    edx_message *reply = NULL;
    edx_pack_reset(a->pack);
    edx_pack_map(a->pack, 1);
    edx_pack_text(a->pack, "cmd");
    edx_pack_text(a->pack, "status");
    edx_status status = edx_ask(a->endpoint, a->timeout_s, a->pack, &reply, err);
    if (status)
        return status;
    reply->topic = EDX_STATUS;
    status = edx_latest_take(out->latest, reply, err);
    if (status)
        return status;
    const edx_status_result *s = &edx_latest_get(out->latest, EDX_STATUS)->as.status;
    *frame = s->head.frame;
    return s->state == EDX_IDLE
               ? edx_fail(err, EDX_E_STATE, "%.150s: edxd has no acquisition", a->endpoint)
               : EDX_OK;
}

/* A topic as it was after frame; one that edxd does not keep is no error. */
static edx_status ask_topic(const asker *a, edx_gathered *out, edx_result_topic topic,
                            uint64_t frame, edx_error *err)
{
    edx_message *reply = NULL;
    edx_pack_reset(a->pack);
    edx_pack_map(a->pack, 3);
    edx_pack_text(a->pack, "cmd");
    edx_pack_text(a->pack, "history");
    edx_pack_text(a->pack, "topic");
    edx_pack_text(a->pack, edx_result_topic_name(topic));
    edx_pack_text(a->pack, "frame");
    edx_pack_uint(a->pack, frame);
    edx_status status = edx_ask(a->endpoint, a->timeout_s, a->pack, &reply, err);
    if (!status)
        status = edx_latest_past(out->latest, topic, reply, err);
    return status == EDX_E_STATE ? EDX_OK : status;
}

/* The settings are asked for as a whole group, and read as one of two. */
static edx_status ask_settings(const asker *a, edx_gathered *out, const char *group, edx_error *err)
{
    edx_message *reply = NULL;
    const edx_node *root, *value;
    edx_pack_reset(a->pack);
    edx_pack_map(a->pack, 2);
    edx_pack_text(a->pack, "cmd");
    edx_pack_text(a->pack, "get");
    edx_pack_text(a->pack, "key");
    edx_pack_text(a->pack, group);
    edx_status status = edx_ask(a->endpoint, a->timeout_s, a->pack, &reply, err);
    if (status)
        return status;
    edx_wire *wire = edx_wire_new(0);
    status = wire ? edx_wire_parse(wire, reply->body, reply->size, &root, err)
                  : edx_fail(err, EDX_E_NOMEM, "no memory for the settings");
    if (!status)
        status = edx_reply_check(root, err);
    if (!status && (value = edx_map_get(root, "value"))) {
        edx_pack_reset(a->pack);
        edx_pack_map(a->pack, 1);
        edx_pack_text(a->pack, group);
        edx_pack_node(a->pack, value);
        status = read_settings(edx_pack_data(a->pack), edx_pack_size(a->pack), &out->settings, err);
    }
    edx_wire_free(&wire);
    edx_message_free(&reply);
    return status;
}

static edx_status ask_all(const asker *a, edx_gathered *out, edx_error *err)
{
    uint64_t frame = 0;
    edx_status status = ask_status(a, out, &frame, err);
    if (!status)
        status = ask_topic(a, out, EDX_PARTICLES, frame, err);
    if (!status && edx_gathered_particles(out))
        frame = edx_gathered_particles(out)->head.frame;
    for (edx_result_topic topic = EDX_SPECTRUM; !status && topic < EDX_ALARM; topic++)
        if (topic != EDX_PARTICLES)
            status = ask_topic(a, out, topic, frame, err);
    if (!status)
        status = ask_settings(a, out, "analysis", err);
    return status ? status : ask_settings(a, out, "quant", err);
}

edx_status edx_gather_daemon(const char *endpoint, double timeout_s, edx_gathered *out,
                             edx_error *err)
{
    asker a = {.endpoint = endpoint, .timeout_s = timeout_s, .pack = edx_pack_new()};
    edx_status status = start(out, err);
    if (!status && !a.pack)
        status = edx_fail(err, EDX_E_NOMEM, "no memory to ask");
    if (!status)
        status = ask_all(&a, out, err);
    edx_pack_free(&a.pack);
    return status;
}

/* ---- what there is ---- */

static const edx_result *get(const edx_gathered *g, edx_result_topic topic)
{
    return edx_latest_get(g->latest, topic);
}

const edx_spectrum_result *edx_gathered_spectrum(const edx_gathered *g)
{
    return get(g, EDX_SPECTRUM) ? &get(g, EDX_SPECTRUM)->as.spectrum : NULL;
}

const edx_maps_result *edx_gathered_maps(const edx_gathered *g)
{
    return get(g, EDX_MAPS) ? &get(g, EDX_MAPS)->as.maps : NULL;
}

const edx_pca_result *edx_gathered_pca(const edx_gathered *g)
{
    return get(g, EDX_PCA) ? &get(g, EDX_PCA)->as.pca : NULL;
}

const edx_nmf_result *edx_gathered_nmf(const edx_gathered *g)
{
    return get(g, EDX_NMF) ? &get(g, EDX_NMF)->as.nmf : NULL;
}

const edx_particles_result *edx_gathered_particles(const edx_gathered *g)
{
    return get(g, EDX_PARTICLES) ? &get(g, EDX_PARTICLES)->as.particles : NULL;
}

const edx_profile_result *edx_gathered_profile(const edx_gathered *g)
{
    return get(g, EDX_PROFILE) ? &get(g, EDX_PROFILE)->as.profile : NULL;
}

const edx_trend_result *edx_gathered_trend(const edx_gathered *g)
{
    return get(g, EDX_TREND) ? &get(g, EDX_TREND)->as.trend : NULL;
}

const edx_result_head *edx_gathered_head(const edx_gathered *g)
{
    static const edx_result_topic order[] = {EDX_SPECTRUM, EDX_MAPS, EDX_STATUS};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (get(g, order[i]))
            return edx_result_head_of(get(g, order[i]));
    return NULL;
}
