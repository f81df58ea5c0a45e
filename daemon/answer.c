#include "daemon/answer.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CORNERS 4096u

static void ok(edx_pack *reply, size_t more)
{
    edx_pack_reset(reply);
    edx_pack_map(reply, 1 + more);
    edx_pack_text(reply, "ok");
    edx_pack_bool(reply, true);
}

static void put(edx_pack *reply, const char *key, const edx_array *array)
{
    edx_pack_text(reply, key);
    edx_pack_array(reply, array);
}

/* ---- profile ---- */

static edx_status profile(edx_analysis *analysis, const edx_node *request, edx_pack *reply,
                          edx_error *err)
{
    double from[2], to[2], width = 0.0;
    edx_profile_result result;
    edx_status status = edx_node_floats(edx_map_get(request, "from_nm"), "from_nm", from, 2, err);
    if (status == EDX_OK) {
        status = edx_node_floats(edx_map_get(request, "to_nm"), "to_nm", to, 2, err);
    }
    if (status == EDX_OK) {
        status = edx_node_float(edx_map_get(request, "width_nm"), "width_nm", &width, err);
    }
    if (status == EDX_OK) {
        status = edx_analysis_profile(analysis, from, to, width, &result, err);
    }
    if (status) {
        return status;
    }
    ok(reply, 7);
    edx_pack_text(reply, "from_nm");
    edx_pack_floats(reply, result.from_nm, 2);
    edx_pack_text(reply, "to_nm");
    edx_pack_floats(reply, result.to_nm, 2);
    edx_pack_text(reply, "width_nm");
    edx_pack_float(reply, result.width_nm);
    put(reply, "d_nm", &result.d_nm);
    put(reply, "counts", &result.counts);
    put(reply, "fraction", &result.fraction);
    put(reply, "sigma", &result.sigma);
    return EDX_OK;
}

/* ---- region ---- */

static edx_status read_corners(const edx_node *list, double (*corners)[2], size_t *n,
                               edx_error *err)
{
    if (list->kind != EDX_LIST || list->count > MAX_CORNERS) {
        return edx_fail(err, EDX_E_TYPE, "polygon_nm: expected a list of at most %u corners [y, x]",
                        MAX_CORNERS);
    }
    const edx_node *corner = edx_node_first(list);
    for (*n = 0; *n < list->count; (*n)++, corner = edx_node_next(corner)) {
        const edx_status status = edx_node_floats(corner, "polygon_nm", corners[*n], 2, err);
        if (status) {
            return status;
        }
    }
    return EDX_OK;
}

static edx_status polygon(edx_analysis *analysis, const edx_node *list, edx_region_result *out,
                          edx_error *err)
{
    size_t n = 0;
    double(*corners)[2] = malloc(MAX_CORNERS * sizeof *corners);
    if (!corners) {
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    }
    edx_status status = read_corners(list, corners, &n, err);
    if (status == EDX_OK) {
        status = edx_analysis_region_polygon(analysis, (const double(*)[2])corners, n, out, err);
    }
    free(corners);
    return status;
}

static edx_status mask(edx_analysis *analysis, const edx_node *node, edx_region_result *out,
                       edx_error *err)
{
    const edx_scene *scene = edx_analysis_scene(analysis);
    const uint32_t rows = edx_scene_rows(scene);
    const uint32_t cols = edx_scene_cols(scene);
    edx_array array;
    const edx_status status = edx_node_array(node, "mask", &array, err);
    if (status) {
        return status;
    }
    if (array.dtype != EDX_U1 || array.ndim != 2 || array.shape[0] != rows ||
        array.shape[1] != cols) {
        return edx_fail(err, EDX_E_MISMATCH, "mask: expected |u1 of shape [%u, %u], scan pixels",
                        rows, cols);
    }
    return edx_analysis_region(analysis, array.data, out, err);
}

static edx_status region(edx_analysis *analysis, const edx_node *request, edx_pack *reply,
                         edx_error *err)
{
    edx_region_result result;
    const edx_node *corners = edx_map_get(request, "polygon_nm");
    const edx_node *pixels = edx_map_get(request, "mask");
    edx_status status =
        corners  ? polygon(analysis, corners, &result, err)
        : pixels ? mask(analysis, pixels, &result, err)
                 : edx_fail(err, EDX_E_MISSING, "expected polygon_nm (corners [y, x]) or mask");
    if (status) {
        return status;
    }
    ok(reply, result.counts.ndim ? 5 : 2);
    edx_pack_text(reply, "pixels");
    edx_pack_uint(reply, result.pixels);
    put(reply, "spectrum", &result.spectrum);
    if (result.counts.ndim) {
        put(reply, "counts", &result.counts);
        put(reply, "fraction", &result.fraction);
        put(reply, "sigma", &result.sigma);
    }
    return EDX_OK;
}

void edx_answer(edx_analysis *analysis, const char *cmd, const edx_node *request, edx_pack *reply)
{
    edx_error err = {0};
    edx_status status;
    if (!analysis) {
        status =
            edx_fail(&err, EDX_E_STATE,
                     "there is no acquisition, expected an edx.begin from the instrument first");
    } else if (strcmp(cmd, "profile") == 0) {
        status = profile(analysis, request, reply, &err);
    } else {
        status = region(analysis, request, reply, &err);
    }
    if (status) {
        edx_pack_reset(reply);
        edx_pack_map(reply, 2);
        edx_pack_text(reply, "ok");
        edx_pack_bool(reply, false);
        edx_pack_text(reply, "error");
        edx_pack_text(reply, err.text);
    }
}
