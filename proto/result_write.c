#include "proto/result.h"

#include <math.h>
#include <string.h>

#include "proto/result_keys.h"

static const char *const topic_names[EDX_RESULT_TOPICS] = {
    [EDX_STATUS] = "edx.status",   [EDX_SPECTRUM] = "edx.spectrum",
    [EDX_MAPS] = "edx.maps",       [EDX_PCA] = "edx.pca",
    [EDX_NMF] = "edx.nmf",         [EDX_PARTICLES] = "edx.particles",
    [EDX_PROFILE] = "edx.profile", [EDX_TREND] = "edx.trend",
    [EDX_ALARM] = "edx.alarm",
};

const char *edx_result_topic_name(edx_result_topic topic)
{
    return topic_names[topic];
}

edx_result_topic edx_result_topic_parse(const void *name, size_t n)
{
    edx_result_topic topic = EDX_STATUS;
    while (topic < EDX_RESULT_TOPICS &&
           (strlen(topic_names[topic]) != n || memcmp(topic_names[topic], name, n) != 0))
        topic++;
    return topic;
}

const char *edx_state_name(edx_state state)
{
    static const char *const names[] = {
        [EDX_IDLE] = "idle", [EDX_ACQUIRING] = "acquiring", [EDX_FINISHED] = "finished"};
    return names[state];
}

/* ---- what is there to be written ---- */

/* Members are reached by offset, in a struct of their type. */
#define AT(type, base, offset) (*(const type *)(const void *)((base) + (offset)))

static bool any_present(const edx_key *keys, const char *base);

static bool present(const edx_key *key, const char *base)
{
    switch (key->kind) {
    case EDX_KEY_FLOAT:
    case EDX_KEY_PAIR:
        return key->required || !isnan(AT(double, base, key->offset));
    case EDX_KEY_ARRAY:
        return AT(edx_array, base, key->offset).ndim > 0;
    case EDX_KEY_BOOLS:
        return AT(bool *, base, key->offset) != NULL;
    case EDX_KEY_TEXT:
        return !key->optional || base[key->offset] != '\0';
    case EDX_KEY_NUMBERS:
        return !key->optional || AT(uint32_t, base, key->count) > 0;
    case EDX_KEY_GROUP:
        return !key->optional || any_present(key->sub, base);
    default:
        return true;
    }
}

static size_t count_present(const edx_key *keys, const char *base)
{
    size_t n = 0;
    for (const edx_key *key = keys; key->key; key++)
        n += present(key, base);
    return n;
}

static bool any_present(const edx_key *keys, const char *base)
{
    return count_present(keys, base) > 0;
}

/* ---- writing ---- */

static void write_map(edx_pack *pack, const edx_key *keys, const char *base);

static void write_last(edx_pack *pack, const double *last)
{
    size_t n = 0;
    for (int topic = 0; topic < EDX_RESULT_TOPICS; topic++)
        n += isnan(last[topic]) ? 0u : 1u;
    edx_pack_map(pack, n);
    for (int topic = 0; topic < EDX_RESULT_TOPICS; topic++) {
        if (isnan(last[topic]))
            continue;
        edx_pack_text(pack, topic_names[topic]);
        edx_pack_float(pack, last[topic]);
    }
}

static void write_names(edx_pack *pack, const edx_key *key, const char *base)
{
    uint32_t n = AT(uint32_t, base, key->count);
    edx_pack_list(pack, n);
    for (uint32_t i = 0; i < n; i++)
        edx_pack_text(pack, base + key->offset + i * key->size);
}

static void write_uints(edx_pack *pack, const edx_key *key, const char *base)
{
    const uint64_t *values = AT(uint64_t *, base, key->offset);
    size_t n = AT(size_t, base, key->count);
    edx_pack_list(pack, n);
    for (size_t i = 0; i < n; i++)
        edx_pack_uint(pack, values[i]);
}

static void write_bools(edx_pack *pack, const edx_key *key, const char *base)
{
    const bool *values = AT(bool *, base, key->offset);
    size_t n = AT(size_t, base, key->count);
    edx_pack_list(pack, n);
    for (size_t i = 0; i < n; i++)
        edx_pack_bool(pack, values[i]);
}

/* A map by name of one number (stride 1) or of [f, s] (stride 2); what is not known is left out. */
static void write_by_name(edx_pack *pack, const edx_key *key, const char *base, size_t stride)
{
    const double *values = &AT(double, base, key->values);
    uint32_t n = AT(uint32_t, base, key->count);
    size_t known = 0;
    for (uint32_t i = 0; i < n; i++)
        known += isnan(values[i * stride]) ? 0u : 1u;
    edx_pack_map(pack, known);
    for (uint32_t i = 0; i < n; i++) {
        if (isnan(values[i * stride]))
            continue;
        edx_pack_text(pack, base + key->offset + i * key->size);
        if (stride == 2)
            edx_pack_floats(pack, &values[i * stride], 2);
        else
            edx_pack_float(pack, values[i]);
    }
}

static void write_records(edx_pack *pack, const edx_key *key, const char *base)
{
    const char *records = AT(char *, base, key->offset);
    size_t n = AT(size_t, base, key->count);
    edx_pack_list(pack, n);
    for (size_t i = 0; i < n; i++)
        write_map(pack, key->sub, records + i * key->size);
}

static void write_list(edx_pack *pack, const edx_key *key, const char *base)
{
    switch (key->kind) {
    case EDX_KEY_NAMES:
        write_names(pack, key, base);
        break;
    case EDX_KEY_UINTS:
        write_uints(pack, key, base);
        break;
    case EDX_KEY_BOOLS:
        write_bools(pack, key, base);
        break;
    case EDX_KEY_PAIRS:
        write_by_name(pack, key, base, 2);
        break;
    case EDX_KEY_NUMBERS:
        write_by_name(pack, key, base, 1);
        break;
    default:
        write_records(pack, key, base);
        break;
    }
}

static void write_value(edx_pack *pack, const edx_key *key, const char *base)
{
    switch (key->kind) {
    case EDX_KEY_UINT:
        edx_pack_uint(pack, AT(uint64_t, base, key->offset));
        break;
    case EDX_KEY_INT:
        edx_pack_int(pack, AT(int64_t, base, key->offset));
        break;
    case EDX_KEY_FLOAT:
        edx_pack_float(pack, AT(double, base, key->offset));
        break;
    case EDX_KEY_BOOL:
        edx_pack_bool(pack, AT(bool, base, key->offset));
        break;
    case EDX_KEY_PAIR:
        edx_pack_floats(pack, &AT(double, base, key->offset), 2);
        break;
    case EDX_KEY_TEXT:
        edx_pack_text(pack, base + key->offset);
        break;
    case EDX_KEY_STATE:
        edx_pack_text(pack, edx_state_name(AT(edx_state, base, key->offset)));
        break;
    case EDX_KEY_LAST:
        write_last(pack, &AT(double, base, key->offset));
        break;
    case EDX_KEY_ARRAY:
        edx_pack_array(pack, &AT(edx_array, base, key->offset));
        break;
    case EDX_KEY_GROUP:
        write_map(pack, key->sub, base);
        break;
    default:
        write_list(pack, key, base);
        break;
    }
}

static void write_keys(edx_pack *pack, const edx_key *keys, const char *base)
{
    for (const edx_key *key = keys; key->key; key++) {
        if (!present(key, base))
            continue;
        edx_pack_text(pack, key->key);
        write_value(pack, key, base);
    }
}

static void write_map(edx_pack *pack, const edx_key *keys, const char *base)
{
    edx_pack_map(pack, count_present(keys, base));
    write_keys(pack, keys, base);
}

/* Every result begins with its head. */
static void write_body(edx_pack *pack, edx_result_topic topic, const void *result)
{
    const edx_key *keys = edx_result_keys[topic];
    edx_pack_reset(pack);
    edx_pack_map(pack,
                 1 + count_present(edx_result_head_keys, result) + count_present(keys, result));
    edx_pack_text(pack, "v");
    edx_pack_uint(pack, 1);
    write_keys(pack, edx_result_head_keys, result);
    write_keys(pack, keys, result);
}

void edx_status_write(edx_pack *pack, const edx_status_result *result)
{
    write_body(pack, EDX_STATUS, result);
}

void edx_spectrum_write(edx_pack *pack, const edx_spectrum_result *result)
{
    write_body(pack, EDX_SPECTRUM, result);
}

void edx_maps_write(edx_pack *pack, const edx_maps_result *result)
{
    write_body(pack, EDX_MAPS, result);
}

void edx_pca_write(edx_pack *pack, const edx_pca_result *result)
{
    write_body(pack, EDX_PCA, result);
}

void edx_nmf_write(edx_pack *pack, const edx_nmf_result *result)
{
    write_body(pack, EDX_NMF, result);
}

void edx_particles_write(edx_pack *pack, const edx_particles_result *result)
{
    write_body(pack, EDX_PARTICLES, result);
}

void edx_profile_write(edx_pack *pack, const edx_profile_result *result)
{
    write_body(pack, EDX_PROFILE, result);
}

void edx_trend_write(edx_pack *pack, const edx_trend_result *result)
{
    write_body(pack, EDX_TREND, result);
}

void edx_alarm_write(edx_pack *pack, const edx_alarm_result *result)
{
    write_body(pack, EDX_ALARM, result);
}
