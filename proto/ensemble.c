#include "proto/ensemble.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_MEMBERS 1000000u

/* Who owns what in edx_ensemble_result.owned. */
enum { OWNED_GROUPS, OWNED_MEMBERS, OWNED_RADIUS, OWNED_DEPTH };

const char *edx_estimator_name(edx_estimator estimator)
{
    static const char *const names[EDX_ESTIMATORS] = {"raw", "model", "denoised", "pca", "nmf"};
    return names[estimator];
}

/* ---- writing ---- */

static void put_float(edx_pack *pack, const char *key, double value)
{
    edx_pack_text(pack, key);
    edx_pack_float(pack, value);
}

static void put_uint(edx_pack *pack, const char *key, uint64_t value)
{
    edx_pack_text(pack, key);
    edx_pack_uint(pack, value);
}

static void put_array(edx_pack *pack, const char *key, const edx_array *array)
{
    edx_pack_text(pack, key);
    edx_pack_array(pack, array);
}

/* One list for each column of a table, from rows size bytes apart. */
static void put_floats(edx_pack *pack, const char *key, const void *first, size_t size, size_t n)
{
    edx_pack_text(pack, key);
    edx_pack_list(pack, n);
    for (size_t i = 0; i < n; i++)
        edx_pack_float(pack, *(const double *)(const void *)((const char *)first + i * size));
}

static void put_uints(edx_pack *pack, const char *key, const void *first, size_t size, size_t n)
{
    edx_pack_text(pack, key);
    edx_pack_list(pack, n);
    for (size_t i = 0; i < n; i++)
        edx_pack_uint(pack, *(const uint64_t *)(const void *)((const char *)first + i * size));
}

static void put_axis(edx_pack *pack, const char *key, const edx_ensemble_axis *axis)
{
    edx_pack_text(pack, key);
    edx_pack_map(pack, 1 + EDX_ESTIMATORS);
    put_floats(pack, "at_nm", axis->at_nm, sizeof *axis->at_nm, axis->m);
    for (edx_estimator e = EDX_RAW; e < EDX_ESTIMATORS; e++) {
        edx_pack_text(pack, edx_estimator_name(e));
        edx_pack_map(pack, 4);
        put_array(pack, "mean", &axis->by[e].mean);
        put_array(pack, "sigma", &axis->by[e].sigma);
        put_array(pack, "chi2", &axis->by[e].chi2);
        put_array(pack, "particles", &axis->by[e].particles);
    }
}

static void put_groups(edx_pack *pack, const edx_ensemble_group *g, size_t n)
{
    edx_pack_text(pack, "groups");
    edx_pack_map(pack, 4);
    put_floats(pack, "from_nm", &g->from_nm, sizeof *g, n);
    put_floats(pack, "to_nm", &g->to_nm, sizeof *g, n);
    put_floats(pack, "diameter_nm", &g->diameter_nm, sizeof *g, n);
    put_uints(pack, "particles", &g->particles, sizeof *g, n);
}

/* Fractions (which 0) or their sigma (1) of every member: [members, n]. */
static void put_compositions(edx_pack *pack, const char *key, const edx_ensemble_result *r,
                             size_t which)
{
    edx_pack_text(pack, key);
    edx_pack_list(pack, r->members);
    for (size_t p = 0; p < r->members; p++) {
        edx_pack_list(pack, r->n);
        for (uint32_t i = 0; i < r->n; i++)
            edx_pack_float(pack, r->member[p].composition[i][which]);
    }
}

static void put_members(edx_pack *pack, const edx_ensemble_result *r)
{
    const edx_ensemble_member *m = r->member;
    edx_pack_text(pack, "members");
    edx_pack_map(pack, 8);
    edx_pack_text(pack, "acq");
    edx_pack_list(pack, r->members);
    for (size_t p = 0; p < r->members; p++)
        edx_pack_text(pack, m[p].acq);
    put_uints(pack, "id", &m->id, sizeof *m, r->members);
    put_uints(pack, "group", &m->group, sizeof *m, r->members);
    put_floats(pack, "diameter_nm", &m->diameter_nm, sizeof *m, r->members);
    put_compositions(pack, "fraction", r, 0);
    put_compositions(pack, "sigma", r, 1);
    put_floats(pack, "delta", &m->delta, sizeof *m, r->members);
    put_floats(pack, "delta_sigma", &m->delta_sigma, sizeof *m, r->members);
}

void edx_ensemble_write(edx_pack *pack, const edx_ensemble_result *r)
{
    edx_pack_reset(pack);
    edx_pack_map(pack, 13);
    put_uint(pack, "v", 1);
    put_float(pack, "group_nm", r->group_nm);
    put_float(pack, "step_nm", r->step_nm);
    edx_pack_text(pack, "elements");
    edx_pack_list(pack, r->n);
    for (uint32_t i = 0; i < r->n; i++)
        edx_pack_text(pack, r->elements[i]);
    put_floats(pack, "composition", &r->composition[0][0], sizeof r->composition[0], r->n);
    put_floats(pack, "composition_sigma", &r->composition[0][1], sizeof r->composition[0], r->n);
    put_floats(pack, "systematic", r->systematic, sizeof *r->systematic, r->n);
    put_uint(pack, "left_out_edge", r->left_out_edge);
    put_uint(pack, "left_out_other", r->left_out_other);
    put_groups(pack, r->group, r->groups);
    put_members(pack, r);
    put_axis(pack, "radius", &r->radius);
    put_axis(pack, "depth", &r->depth);
}

/* ---- reading ---- */

/* A list of exactly n values, as rows size bytes apart. */
static edx_status expect_list(const edx_node *node, const char *key, size_t n, edx_error *err)
{
    if (node && node->kind == EDX_LIST && node->count == n)
        return EDX_OK;
    return edx_fail(err, node ? EDX_E_TYPE : EDX_E_MISSING, "%s: expected a list of %zu values",
                    key, n);
}

static edx_status get_floats(const edx_node *map, const char *key, void *first, size_t size,
                             size_t n, edx_error *err)
{
    const edx_node *list = edx_map_get(map, key);
    edx_status status = expect_list(list, key, n, err);
    const edx_node *at = status ? NULL : edx_node_first(list);
    for (size_t i = 0; !status && i < n; i++, at = edx_node_next(at))
        status = edx_node_float(at, key, (double *)(void *)((char *)first + i * size), err);
    return status;
}

static edx_status get_uints(const edx_node *map, const char *key, void *first, size_t size,
                            size_t n, edx_error *err)
{
    const edx_node *list = edx_map_get(map, key);
    edx_status status = expect_list(list, key, n, err);
    const edx_node *at = status ? NULL : edx_node_first(list);
    for (size_t i = 0; !status && i < n; i++, at = edx_node_next(at))
        status =
            edx_node_uint(at, key, INT64_MAX, (uint64_t *)(void *)((char *)first + i * size), err);
    return status;
}

/* Texts of at most width - 1 bytes. */
static edx_status get_texts(const edx_node *map, const char *key, char *first, size_t size,
                            size_t width, size_t n, edx_error *err)
{
    const edx_node *list = edx_map_get(map, key);
    edx_status status = expect_list(list, key, n, err);
    const edx_node *at = status ? NULL : edx_node_first(list);
    for (size_t i = 0; !status && i < n; i++, at = edx_node_next(at))
        status = edx_node_text(at, key, first + i * size, width, err);
    return status;
}

static size_t length(const edx_node *map, const char *key)
{
    const edx_node *list = edx_map_get(map, key);
    return list && list->kind == EDX_LIST ? list->count : 0;
}

static edx_status get_array(const edx_node *map, const char *key, const uint64_t shape[3],
                            edx_array *out, edx_error *err)
{
    edx_status status = edx_node_array(edx_map_get(map, key), key, out, err);
    if (!status && (out->ndim != 3 || memcmp(out->shape, shape, 3 * sizeof *shape) != 0))
        status = edx_fail(err, EDX_E_RANGE,
                          "%s: expected the shape [%" PRIu64 ", %" PRIu64 ", %" PRIu64 "]", key,
                          shape[0], shape[1], shape[2]);
    return status;
}

static edx_status get_average(const edx_node *map, const uint64_t shape[3], edx_average *out,
                              edx_error *err)
{
    edx_status status = get_array(map, "mean", shape, &out->mean, err);
    if (!status)
        status = get_array(map, "sigma", shape, &out->sigma, err);
    if (!status)
        status = get_array(map, "chi2", shape, &out->chi2, err);
    if (!status)
        status = get_array(map, "particles", shape, &out->particles, err);
    return status;
}

static edx_status get_axis(const edx_node *map, edx_ensemble_result *r, edx_ensemble_axis *out,
                           void **owned, edx_error *err)
{
    out->m = length(map, "at_nm");
    double *at = calloc(out->m + 1, sizeof *at);
    if (!at)
        return edx_fail(err, EDX_E_NOMEM, "no memory for %zu bins", out->m);
    *owned = at;
    out->at_nm = at;
    const uint64_t shape[3] = {r->groups, r->n, out->m};
    edx_status status = get_floats(map, "at_nm", at, sizeof *at, out->m, err);
    for (edx_estimator e = EDX_RAW; !status && e < EDX_ESTIMATORS; e++) {
        const char *name = edx_estimator_name(e);
        status = get_average(edx_map_get(map, name), shape, &out->by[e], err);
        if (status)
            edx_error_prefix(err, "%s", name);
    }
    return status;
}

static edx_status get_groups(const edx_node *map, edx_ensemble_result *r, edx_error *err)
{
    const size_t n = r->groups = length(map, "particles");
    edx_ensemble_group *g = calloc(n + 1, sizeof *g);
    if (!g)
        return edx_fail(err, EDX_E_NOMEM, "no memory for %zu groups", n);
    r->owned[OWNED_GROUPS] = g;
    r->group = g;
    edx_status status = get_floats(map, "from_nm", &g->from_nm, sizeof *g, n, err);
    if (!status)
        status = get_floats(map, "to_nm", &g->to_nm, sizeof *g, n, err);
    if (!status)
        status = get_floats(map, "diameter_nm", &g->diameter_nm, sizeof *g, n, err);
    if (!status)
        status = get_uints(map, "particles", &g->particles, sizeof *g, n, err);
    return status;
}

static edx_status get_compositions(const edx_node *map, const char *key, uint32_t n,
                                   edx_ensemble_member *m, size_t members, size_t which,
                                   edx_error *err)
{
    double row[EDX_MAX_LINES];
    const edx_node *list = edx_map_get(map, key);
    edx_status status = expect_list(list, key, members, err);
    const edx_node *at = status ? NULL : edx_node_first(list);
    for (size_t p = 0; !status && p < members; p++, at = edx_node_next(at)) {
        status = edx_node_floats(at, key, row, n, err);
        for (uint32_t i = 0; !status && i < n; i++)
            m[p].composition[i][which] = row[i];
    }
    return status;
}

static edx_status get_members(const edx_node *map, edx_ensemble_result *r, edx_error *err)
{
    const size_t n = r->members = length(map, "id");
    edx_ensemble_member *m = n <= MAX_MEMBERS ? calloc(n + 1, sizeof *m) : NULL;
    if (!m)
        return edx_fail(err, EDX_E_NOMEM, "no memory for %zu members", n);
    r->owned[OWNED_MEMBERS] = m;
    r->member = m;
    edx_status status = get_texts(map, "acq", m->acq, sizeof *m, sizeof m->acq, n, err);
    if (!status)
        status = get_uints(map, "id", &m->id, sizeof *m, n, err);
    if (!status)
        status = get_uints(map, "group", &m->group, sizeof *m, n, err);
    if (!status)
        status = get_floats(map, "diameter_nm", &m->diameter_nm, sizeof *m, n, err);
    if (!status)
        status = get_compositions(map, "fraction", r->n, m, n, 0, err);
    if (!status)
        status = get_compositions(map, "sigma", r->n, m, n, 1, err);
    if (!status)
        status = get_floats(map, "delta", &m->delta, sizeof *m, n, err);
    if (!status)
        status = get_floats(map, "delta_sigma", &m->delta_sigma, sizeof *m, n, err);
    return status;
}

static edx_status get_elements(const edx_node *body, edx_ensemble_result *r, edx_error *err)
{
    const size_t n = length(body, "elements"), size = sizeof r->composition[0];
    if (n < 1 || n > EDX_MAX_LINES)
        return edx_fail(err, EDX_E_RANGE, "elements: %zu, expected 1 to %d", n, EDX_MAX_LINES);
    r->n = (uint32_t)n;
    edx_status status = get_texts(body, "elements", r->elements[0], sizeof r->elements[0],
                                  sizeof r->elements[0], n, err);
    if (!status)
        status = get_floats(body, "composition", &r->composition[0][0], size, n, err);
    if (!status)
        status = get_floats(body, "composition_sigma", &r->composition[0][1], size, n, err);
    if (!status)
        status = get_floats(body, "systematic", r->systematic, sizeof *r->systematic, n, err);
    return status;
}

static edx_status get_numbers(const edx_node *body, edx_ensemble_result *r, edx_error *err)
{
    uint64_t version = 0;
    edx_status status = edx_node_uint(edx_map_get(body, "v"), "v", UINT64_MAX, &version, err);
    if (!status && version != 1)
        status = edx_fail(err, EDX_E_VERSION, "v: %" PRIu64 ", expected 1", version);
    if (!status)
        status = edx_node_float(edx_map_get(body, "group_nm"), "group_nm", &r->group_nm, err);
    if (!status)
        status = edx_node_float(edx_map_get(body, "step_nm"), "step_nm", &r->step_nm, err);
    if (!status)
        status = edx_node_uint(edx_map_get(body, "left_out_edge"), "left_out_edge", INT64_MAX,
                               &r->left_out_edge, err);
    if (!status)
        status = edx_node_uint(edx_map_get(body, "left_out_other"), "left_out_other", INT64_MAX,
                               &r->left_out_other, err);
    return status;
}

edx_status edx_ensemble_read(const edx_node *body, edx_ensemble_result *out, edx_error *err)
{
    edx_status status = get_numbers(body, out, err);
    if (!status)
        status = get_elements(body, out, err);
    if (!status)
        status = get_groups(edx_map_get(body, "groups"), out, err);
    if (!status)
        status = get_members(edx_map_get(body, "members"), out, err);
    if (!status)
        status = get_axis(edx_map_get(body, "radius"), out, &out->radius, &out->owned[OWNED_RADIUS],
                          err);
    if (!status)
        status =
            get_axis(edx_map_get(body, "depth"), out, &out->depth, &out->owned[OWNED_DEPTH], err);
    for (size_t p = 0; !status && p < out->members; p++)
        if (out->member[p].group >= out->groups)
            status = edx_fail(err, EDX_E_RANGE, "members.group: %" PRIu64 ", expected below %zu",
                              out->member[p].group, out->groups);
    if (status)
        edx_ensemble_clear(out);
    return status;
}

void edx_ensemble_clear(edx_ensemble_result *result)
{
    for (size_t i = 0; i < sizeof result->owned / sizeof *result->owned; i++)
        free(result->owned[i]);
    *result = (edx_ensemble_result){0};
}
