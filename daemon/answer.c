#include "daemon/answer.h"

#include <math.h>
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

/* Whose rows counts, fraction and sigma are. */
static void put_elements(edx_pack *reply, const edx_analysis *analysis)
{
    uint32_t n = 0;
    const edx_line *lines = edx_analysis_lines(analysis, &n);
    edx_pack_text(reply, "elements");
    edx_pack_list(reply, n);
    for (uint32_t i = 0; i < n; i++) {
        edx_pack_text(reply, lines[i].element);
    }
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
    ok(reply, 8);
    put_elements(reply, analysis);
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

/* The region that a request names, summed. */
static edx_status sum_region(edx_analysis *analysis, const edx_node *request,
                             edx_region_result *out, edx_error *err)
{
    const edx_node *corners = edx_map_get(request, "polygon_nm");
    const edx_node *pixels = edx_map_get(request, "mask");
    if (corners) {
        return polygon(analysis, corners, out, err);
    }
    return pixels ? mask(analysis, pixels, out, err)
                  : edx_fail(err, EDX_E_MISSING,
                             "polygon_nm, mask: missing, expected one: corners [y, x] or pixels");
}

static edx_status region(edx_analysis *analysis, const edx_node *request, edx_pack *reply,
                         edx_error *err)
{
    edx_region_result result;
    const edx_status status = sum_region(analysis, request, &result, err);
    if (status) {
        return status;
    }
    ok(reply, result.counts.ndim ? 6 : 2);
    edx_pack_text(reply, "pixels");
    edx_pack_uint(reply, result.pixels);
    put(reply, "spectrum", &result.spectrum);
    if (result.counts.ndim) {
        put_elements(reply, analysis);
        put(reply, "counts", &result.counts);
        put(reply, "fraction", &result.fraction);
        put(reply, "sigma", &result.sigma);
    }
    return EDX_OK;
}

/* ---- calibrate ---- */

/* The known atomic fraction of every element, in the lines' order. */
static edx_status read_fractions(const edx_node *map, const edx_line *lines, uint32_t n,
                                 double *fractions, edx_error *err)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        const char *element = lines[i].element;
        const edx_status status =
            edx_node_float(edx_map_get(map, element), element, &fractions[i], err);
        if (status) {
            edx_error_prefix(err, "fractions");
            return status;
        }
        if (!(fractions[i] > 0.0)) {
            return edx_fail(err, EDX_E_RANGE, "fractions: %s: %g, expected more than 0", element,
                            fractions[i]);
        }
        sum += fractions[i];
    }
    if (fabs(sum - 1.0) > 0.01) {
        return edx_fail(err, EDX_E_RANGE,
                        "fractions: their sum is %g, expected 1: one for each listed element", sum);
    }
    return EDX_OK;
}

/* k_i = C_i N_n / (C_n N_i), so that the last line's is 1; sigma from the counts' covariance. */
static void put_factors(edx_pack *reply, const edx_line *lines, uint32_t n, const double *fractions,
                        const edx_region_result *region)
{
    const double *cov = region->covariance;
    const uint32_t last = n - 1;
    const double reference = edx_array_get(&region->counts, last);
    edx_pack_text(reply, "k");
    edx_pack_map(reply, n);
    for (uint32_t i = 0; i < n; i++) {
        const double counts = edx_array_get(&region->counts, i);
        const double variance = cov[i * n + i] / (counts * counts) +
                                cov[last * n + last] / (reference * reference) -
                                2.0 * cov[i * n + last] / (counts * reference);
        double k[2];
        k[0] = fractions[i] / fractions[last] * reference / counts;
        k[1] = i == last ? 0.0 : k[0] * sqrt(fmax(variance, 0.0));
        edx_pack_text(reply, lines[i].element);
        edx_pack_floats(reply, k, 2);
    }
}

static edx_status calibrate(edx_analysis *analysis, const edx_node *request, edx_pack *reply,
                            edx_error *err)
{
    uint32_t n = 0;
    double fractions[EDX_MAX_LINES];
    edx_region_result result;
    const edx_line *lines = edx_analysis_lines(analysis, &n);
    if (n < 2) {
        return edx_fail(err, EDX_E_STATE,
                        "%u lines are known, expected at least two in quant.lines", n);
    }
    edx_status status = read_fractions(edx_map_get(request, "fractions"), lines, n, fractions, err);
    if (status == EDX_OK) {
        status = sum_region(analysis, request, &result, err);
    }
    if (status) {
        return status;
    }
    const double limit = edx_analysis_settings(analysis)->quant.limit;
    for (uint32_t i = 0; i < n; i++) {
        const double counts = edx_array_get(&result.counts, i);
        if (!(counts > limit * sqrt(result.covariance[i * n + i]))) {
            return edx_fail(err, EDX_E_NUMERIC,
                            "%s: %.0f net counts are under the quantification limit, expected a "
                            "larger region or more frames",
                            lines[i].name, counts);
        }
    }
    ok(reply, 1);
    put_factors(reply, lines, n, fractions, &result);
    return EDX_OK;
}

static const struct {
    const char *cmd;
    edx_status (*answer)(edx_analysis *analysis, const edx_node *request, edx_pack *reply,
                         edx_error *err);
} questions[] = {{"profile", profile}, {"region", region}, {"calibrate", calibrate}};

void edx_answer(edx_analysis *analysis, const char *cmd, const edx_node *request, edx_pack *reply)
{
    edx_error err = {0};
    edx_status status = EDX_E_UNKNOWN;
    if (!analysis) {
        status =
            edx_fail(&err, EDX_E_STATE,
                     "there is no acquisition, expected an edx.begin from the instrument first");
    }
    for (size_t i = 0; analysis && i < sizeof questions / sizeof *questions; i++) {
        if (strcmp(cmd, questions[i].cmd) == 0) {
            status = questions[i].answer(analysis, request, reply, &err);
        }
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
