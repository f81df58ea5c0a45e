#include "proto/frame.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/load.h"

#define PROTOCOL_VERSION 1
#define HARD_MAX_CHANNELS 16384u
#define BYTES_PER_PIXEL 32u  /* of a cube that holds no count yet */
#define BYTES_PER_CHANNEL 8u /* of its sum spectrum */
#define PATH_SIZE (EDX_NAME_SIZE + 16)

#define TRY(call)                                                                                  \
    do {                                                                                           \
        edx_status try_status = (call);                                                            \
        if (try_status != EDX_OK)                                                                  \
            return try_status;                                                                     \
    } while (0)

edx_topic edx_topic_parse(const void *topic, size_t n)
{
    static const char *const names[] = {
        [EDX_TOPIC_IS_BEGIN] = EDX_TOPIC_BEGIN,
        [EDX_TOPIC_IS_FRAME] = EDX_TOPIC_FRAME,
        [EDX_TOPIC_IS_END] = EDX_TOPIC_END,
        [EDX_TOPIC_IS_CONFIG] = EDX_TOPIC_CONFIG,
    };
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strlen(names[i]) == n && memcmp(names[i], topic, n) == 0)
            return (edx_topic)i;
    }
    return EDX_TOPIC_IS_OTHER;
}

edx_limits edx_limits_default(void)
{
    return (edx_limits){.max_message_bytes = UINT64_C(512) << 20,
                        .max_pixels = 16777216,
                        .max_channels = HARD_MAX_CHANNELS,
                        .max_cube_bytes = UINT64_C(8) << 30};
}

bool edx_acq_valid(const char *acq)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(acq);
    return n >= 1 && n <= EDX_ACQ_MAX && acq[0] != '.' && strspn(acq, allowed) == n;
}

/* ---- values with a condition ---- */

static edx_status read_uint(const edx_node *map, const char *key, const char *path, uint64_t max,
                            uint64_t *out, edx_error *err)
{
    return edx_node_uint(edx_map_get(map, key), path, max, out, err);
}

static edx_status read_count(const edx_node *map, const char *key, const char *path, uint32_t *out,
                             edx_error *err)
{
    uint64_t value = 0;
    TRY(read_uint(map, key, path, UINT32_MAX, &value, err));
    if (value == 0)
        return edx_fail(err, EDX_E_RANGE, "%s: 0, expected at least 1", path);
    *out = (uint32_t)value;
    return EDX_OK;
}

static edx_status check_positive(double value, const char *path, edx_error *err)
{
    if (!isfinite(value) || value <= 0.0)
        return edx_fail(err, EDX_E_RANGE, "%s: %g, expected a positive number", path, value);
    return EDX_OK;
}

static edx_status read_positive(const edx_node *map, const char *key, const char *path, double *out,
                                edx_error *err)
{
    TRY(edx_node_float(edx_map_get(map, key), path, out, err));
    return check_positive(*out, path, err);
}

/* NaN when absent or not finite. */
static edx_status read_optional(const edx_node *map, const char *key, const char *path, double *out,
                                edx_error *err)
{
    *out = (double)NAN;
    const edx_node *node = edx_map_get(map, key);
    if (node == NULL)
        return EDX_OK;
    TRY(edx_node_float(node, path, out, err));
    if (!isfinite(*out))
        *out = (double)NAN;
    return EDX_OK;
}

/* Text that only people read: "" when absent, cut between two characters when too long, and at a
 * NUL. */
static edx_status read_label(const edx_node *map, const char *key, const char *path, char *out,
                             size_t size, edx_error *err)
{
    out[0] = '\0';
    const edx_node *node = edx_map_get(map, key);
    if (node == NULL)
        return EDX_OK;
    if (node->kind != EDX_STR)
        return edx_node_text(node, path, out, size, err);
    size_t n = node->count;
    if (n >= size) {
        n = size - 1;
        while (n > 0 && ((unsigned char)node->as.bytes[n] & 0xc0) == 0x80)
            n--;
    }
    memcpy(out, node->as.bytes, n);
    out[n] = '\0';
    return EDX_OK;
}

static edx_status need_map(const edx_node *node, const char *path, edx_error *err)
{
    if (node == NULL)
        return edx_fail(err, EDX_E_MISSING, "%s: missing, expected a map", path);
    if (node->kind != EDX_MAP)
        return edx_fail(err, EDX_E_TYPE, "%s: expected a map", path);
    return EDX_OK;
}

/* *count is 0 when node is absent. */
static edx_status need_list(const edx_node *node, const char *path, uint32_t max, uint32_t *count,
                            edx_error *err)
{
    *count = 0;
    if (node == NULL)
        return EDX_OK;
    if (node->kind != EDX_LIST)
        return edx_fail(err, EDX_E_TYPE, "%s: expected a list of strings", path);
    if (node->count > max)
        return edx_fail(err, EDX_E_LIMIT, "%s: %" PRIu32 " names, expected at most %" PRIu32, path,
                        node->count, max);
    *count = node->count;
    return EDX_OK;
}

/* ---- head ---- */

edx_status edx_head_read(const edx_node *body, edx_head *out, edx_error *err)
{
    TRY(need_map(body, "body", err));
    uint64_t version = 0;
    edx_status status = read_uint(body, "v", "v", UINT64_MAX, &version, err);
    if (status != EDX_OK || version != PROTOCOL_VERSION)
        return edx_fail(err, EDX_E_VERSION, "v: expected protocol version %d", PROTOCOL_VERSION);
    TRY(edx_node_text(edx_map_get(body, "acq"), "acq", out->acq, sizeof out->acq, err));
    if (!edx_acq_valid(out->acq))
        return edx_fail(
            err, EDX_E_RANGE,
            "acq: \"%s\", expected 1 to %d characters of A-Z a-z 0-9 . _ -, no leading dot",
            out->acq, EDX_ACQ_MAX);
    return edx_node_float(edx_map_get(body, "t"), "t", &out->t, err);
}

/* ---- begin ---- */

static edx_status read_scan(const edx_node *scan, edx_begin *out, edx_error *err)
{
    TRY(need_map(scan, "scan", err));
    TRY(read_count(scan, "rows", "scan.rows", &out->rows, err));
    TRY(read_count(scan, "cols", "scan.cols", &out->cols, err));
    TRY(edx_node_floats(edx_map_get(scan, "step_nm"), "scan.step_nm", out->step_nm, 2, err));
    TRY(check_positive(out->step_nm[0], "scan.step_nm", err));
    TRY(check_positive(out->step_nm[1], "scan.step_nm", err));
    TRY(read_positive(scan, "dwell_s", "scan.dwell_s", &out->dwell_s, err));
    return read_uint(scan, "frames", "scan.frames", INT64_MAX, &out->frames, err);
}

static edx_status read_energy(const edx_node *energy, edx_begin *out, edx_error *err)
{
    TRY(need_map(energy, "energy", err));
    TRY(read_count(energy, "channels", "energy.channels", &out->channels, err));
    TRY(edx_node_float(edx_map_get(energy, "offset_eV"), "energy.offset_eV", &out->offset_eV, err));
    if (!isfinite(out->offset_eV))
        return edx_fail(err, EDX_E_RANGE, "energy.offset_eV: %g, expected a finite number",
                        out->offset_eV);
    return read_positive(energy, "scale_eV", "energy.scale_eV", &out->scale_eV, err);
}

static edx_status check_limits(const edx_begin *begin, const edx_limits *limits, edx_error *err)
{
    uint64_t max_channels =
        limits->max_channels < HARD_MAX_CHANNELS ? limits->max_channels : HARD_MAX_CHANNELS;
    if (begin->channels > max_channels)
        return edx_fail(err, EDX_E_LIMIT, "energy.channels: %" PRIu32 ", expected 1 to %" PRIu64,
                        begin->channels, max_channels);
    uint64_t pixels = (uint64_t)begin->rows * begin->cols;
    if (pixels > limits->max_pixels)
        return edx_fail(err, EDX_E_LIMIT,
                        "scan: %" PRIu32 " x %" PRIu32 " pixels, expected at most %" PRIu64,
                        begin->rows, begin->cols, limits->max_pixels);
    uint64_t bytes;
    if (__builtin_mul_overflow(pixels, (uint64_t)BYTES_PER_PIXEL, &bytes) ||
        __builtin_add_overflow(bytes, (uint64_t)begin->channels * BYTES_PER_CHANNEL, &bytes) ||
        bytes > limits->max_cube_bytes)
        return edx_fail(err, EDX_E_LIMIT,
                        "scan: a cube of %" PRIu32 " x %" PRIu32
                        " pixels takes more than the %" PRIu64 " bytes allowed",
                        begin->rows, begin->cols, limits->max_cube_bytes);
    return EDX_OK;
}

#define WORST_RESOLUTION 1e4 /* eV: no detector is worse */

/* An impossible solid angle or resolution is one that is not known. */
static double positive_or_nan(double value)
{
    return value > 0.0 ? value : (double)NAN;
}

static edx_status read_detector(const edx_node *detector, edx_begin *out, edx_error *err)
{
    out->has_detector = detector != NULL;
    if (detector != NULL)
        TRY(need_map(detector, "detector", err));
    TRY(read_label(detector, "name", "detector.name", out->detector, sizeof out->detector, err));
    TRY(read_optional(detector, "solid_angle_sr", "detector.solid_angle_sr", &out->solid_angle_sr,
                      err));
    TRY(read_optional(detector, "elevation_deg", "detector.elevation_deg", &out->elevation_deg,
                      err));
    TRY(read_optional(detector, "azimuth_deg", "detector.azimuth_deg", &out->azimuth_deg, err));
    TRY(read_optional(detector, "resolution_eV", "detector.resolution_eV", &out->resolution_eV,
                      err));
    out->solid_angle_sr = positive_or_nan(out->solid_angle_sr);
    out->resolution_eV = positive_or_nan(out->resolution_eV);
    if (out->resolution_eV > WORST_RESOLUTION)
        out->resolution_eV = (double)NAN;
    return EDX_OK;
}

static edx_status read_image_names(const edx_node *node, edx_begin *out, edx_error *err)
{
    TRY(need_list(node, "images", EDX_MAX_IMAGES, &out->n_images, err));
    const edx_node *at = node == NULL ? NULL : edx_node_first(node);
    for (uint32_t i = 0; i < out->n_images; i++, at = edx_node_next(at))
        TRY(edx_node_text(at, "images", out->images[i], EDX_NAME_SIZE, err));
    return EDX_OK;
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static edx_status read_symbol(const edx_node *node, char *out, edx_error *err)
{
    char text[EDX_NAME_SIZE];
    TRY(edx_node_text(node, "elements", text, sizeof text, err));
    size_t n = strlen(text);
    if (n < 1 || n > 2 || !is_letter(text[0]) || (n == 2 && !is_letter(text[1])))
        return edx_fail(err, EDX_E_RANGE, "elements: \"%s\", expected a symbol of 1 or 2 letters",
                        text);
    memcpy(out, text, n + 1);
    return EDX_OK;
}

static edx_status read_elements(const edx_node *node, edx_begin *out, edx_error *err)
{
    TRY(need_list(node, "elements", EDX_MAX_ELEMENTS, &out->n_elements, err));
    const edx_node *at = node == NULL ? NULL : edx_node_first(node);
    for (uint32_t i = 0; i < out->n_elements; i++, at = edx_node_next(at))
        TRY(read_symbol(at, out->elements[i], err));
    return EDX_OK;
}

edx_status edx_begin_read(const edx_node *body, const edx_limits *limits, edx_begin *out,
                          edx_error *err)
{
    memset(out, 0, sizeof *out);
    TRY(edx_head_read(body, &out->head, err));
    TRY(read_label(body, "title", "title", out->title, sizeof out->title, err));
    TRY(read_scan(edx_map_get(body, "scan"), out, err));
    TRY(read_energy(edx_map_get(body, "energy"), out, err));
    TRY(check_limits(out, limits, err));
    TRY(read_positive(body, "beam_keV", "beam_keV", &out->beam_keV, err));
    TRY(read_detector(edx_map_get(body, "detector"), out, err));
    TRY(read_optional(body, "probe_nA", "probe_nA", &out->probe_nA, err));
    if (!isnan(out->probe_nA))
        TRY(check_positive(out->probe_nA, "probe_nA", err));
    TRY(read_image_names(edx_map_get(body, "images"), out, err));
    return read_elements(edx_map_get(body, "elements"), out, err);
}

/* ---- frame: shapes ---- */

static edx_status need_shape(const edx_array *array, const char *path, const edx_array *expected,
                             edx_error *err)
{
    bool same = array->ndim == expected->ndim;
    for (uint32_t d = 0; same && d < array->ndim; d++)
        same = array->shape[d] == expected->shape[d];
    if (same)
        return EDX_OK;
    char is[EDX_ARRAY_TEXT];
    char should[EDX_ARRAY_TEXT];
    edx_array like = *expected;
    like.dtype = array->dtype;
    edx_array_text(array, is, sizeof is);
    edx_array_text(&like, should, sizeof should);
    return edx_fail(err, EDX_E_MISMATCH, "%s: %s, expected %s", path, is, should);
}

static edx_status need_dtype(const edx_array *array, const char *path, bool allowed,
                             const char *expected, edx_error *err)
{
    if (allowed)
        return EDX_OK;
    return edx_fail(err, EDX_E_TYPE, "%s: dtype %s, expected %s", path,
                    edx_dtype_name(array->dtype), expected);
}

/* ---- frame: dense counts ---- */

/* Blocks of a fixed length in the first-level cache: the compiler turns both sums into vector code,
 * and sums of one block fit 32 bits (64 for u4). */
#define BLOCK_BYTES 4096u

#define BLOCK_SCAN(name, type, sum_type)                                                           \
    static void name(const unsigned char *bytes, uint64_t *total, uint64_t *peak)                  \
    {                                                                                              \
        type block[BLOCK_BYTES / sizeof(type)];                                                    \
        memcpy(block, bytes, BLOCK_BYTES);                                                         \
        sum_type sum = 0;                                                                          \
        type most = 0;                                                                             \
        for (size_t i = 0; i < BLOCK_BYTES / sizeof(type); i++) {                                  \
            sum += block[i];                                                                       \
            most = block[i] > most ? block[i] : most;                                              \
        }                                                                                          \
        *total += sum;                                                                             \
        *peak = most > *peak ? most : *peak;                                                       \
    }

BLOCK_SCAN(scan_u1, uint8_t, uint32_t)
BLOCK_SCAN(scan_u2, uint16_t, uint32_t)
BLOCK_SCAN(scan_u4, uint32_t, uint64_t)

static void scan_dense(edx_counts *counts, uint64_t bytes)
{
    void (*scan)(const unsigned char *, uint64_t *, uint64_t *) =
        counts->dense.dtype == EDX_U1   ? scan_u1
        : counts->dense.dtype == EDX_U2 ? scan_u2
                                        : scan_u4;
    const unsigned char *data = counts->dense.data;
    uint64_t at = 0;
    for (; bytes - at >= BLOCK_BYTES; at += BLOCK_BYTES)
        scan(data + at, &counts->total, &counts->peak);
    unsigned char rest[BLOCK_BYTES] = {0};
    memcpy(rest, data + at, bytes - at);
    scan(rest, &counts->total, &counts->peak);
}

static edx_status read_dense(const edx_node *node, uint32_t rows, const edx_begin *begin,
                             edx_counts *out, edx_error *err)
{
    TRY(edx_node_array(node, "counts", &out->dense, err));
    edx_dtype dtype = out->dense.dtype;
    TRY(need_dtype(&out->dense, "counts", dtype == EDX_U1 || dtype == EDX_U2 || dtype == EDX_U4,
                   "|u1, <u2 or <u4", err));
    edx_array expected = edx_array_3(dtype, NULL, rows, begin->cols, begin->channels);
    TRY(need_shape(&out->dense, "counts", &expected, err));
    uint64_t elements;
    uint64_t bytes;
    if (!edx_array_count(&out->dense, &elements, &bytes))
        return edx_fail(err, EDX_E_RANGE, "counts: more values than can be counted");
    scan_dense(out, bytes);
    return EDX_OK;
}

/* ---- frame: counts as events ---- */

/* The largest number of events of one pixel; *rise tells whether no offset is below the one before.
 * In fixed blocks for the same reason as above: a decrease shows as a huge difference. */
static uint32_t offsets_scan(const void *offsets, size_t pixels, bool *rise)
{
    uint32_t most = 0;
    unsigned falls = 0;
    for (size_t p = 0; p < pixels; p++) {
        uint32_t lo = edx_load_u32(offsets, p);
        uint32_t hi = edx_load_u32(offsets, p + 1);
        falls |= hi < lo;
        most = hi - lo > most ? hi - lo : most;
    }
    *rise = falls == 0;
    return most;
}

static edx_status check_offsets(edx_counts *counts, size_t pixels, edx_error *err)
{
    const void *offsets = counts->offsets.data;
    bool rise;
    counts->peak = offsets_scan(offsets, pixels, &rise);
    if (!rise) {
        size_t p = 0;
        while (edx_load_u32(offsets, p + 1) >= edx_load_u32(offsets, p))
            p++;
        return edx_fail(err, EDX_E_MISMATCH,
                        "counts.offsets: decrease from %" PRIu32 " to %" PRIu32 " at pixel %zu",
                        edx_load_u32(offsets, p), edx_load_u32(offsets, p + 1), p);
    }
    uint32_t last = edx_load_u32(offsets, pixels);
    if (last > counts->channels.shape[0])
        return edx_fail(err, EDX_E_MISMATCH,
                        "counts.offsets: end at %" PRIu32 ", expected at most %" PRIu64
                        ", the number of events",
                        last, counts->channels.shape[0]);
    counts->total = last - edx_load_u32(offsets, 0);
    return EDX_OK;
}

/* The largest of n unaligned values, block by block. */
#define BLOCK_MOST(name, type)                                                                     \
    static uint32_t name(const unsigned char *bytes, size_t n)                                     \
    {                                                                                              \
        type most = 0;                                                                             \
        type block[BLOCK_BYTES / sizeof(type)] = {0};                                              \
        for (size_t left = n * sizeof(type); left > 0;) {                                          \
            size_t step = left < BLOCK_BYTES ? left : BLOCK_BYTES;                                 \
            memcpy(block, bytes, step);                                                            \
            for (size_t i = 0; i < BLOCK_BYTES / sizeof(type); i++)                                \
                most = block[i] > most ? block[i] : most;                                          \
            bytes += step;                                                                         \
            left -= step;                                                                          \
        }                                                                                          \
        return most;                                                                               \
    }

BLOCK_MOST(most_u2, uint16_t)
BLOCK_MOST(most_u4, uint32_t)

static uint32_t event_channel(const edx_array *channels, size_t i)
{
    return channels->dtype == EDX_U2 ? edx_load_u16(channels->data, i)
                                     : edx_load_u32(channels->data, i);
}

static edx_status bad_channel(const edx_counts *counts, uint32_t limit, edx_error *err)
{
    const void *offsets = counts->offsets.data;
    size_t i = edx_load_u32(offsets, 0);
    while (event_channel(&counts->channels, i) < limit)
        i++;
    size_t p = 0;
    while (edx_load_u32(offsets, p + 1) <= i)
        p++;
    return edx_fail(err, EDX_E_MISMATCH,
                    "counts.channels: %" PRIu32 " at pixel %zu, expected at most %" PRIu32,
                    event_channel(&counts->channels, i), p, limit - 1);
}

/* Entries that no pixel owns count for nothing and may be anything. */
static edx_status check_channels(const edx_counts *counts, uint32_t limit, edx_error *err)
{
    if (counts->total == 0)
        return EDX_OK;
    const unsigned char *bytes = counts->channels.data;
    bytes += edx_load_u32(counts->offsets.data, 0) * edx_dtype_size(counts->channels.dtype);
    uint32_t most = counts->channels.dtype == EDX_U2 ? most_u2(bytes, counts->total)
                                                     : most_u4(bytes, counts->total);
    return most < limit ? EDX_OK : bad_channel(counts, limit, err);
}

static edx_status read_events(const edx_node *node, uint32_t rows, const edx_begin *begin,
                              edx_counts *out, edx_error *err)
{
    out->events = true;
    TRY(edx_node_array(edx_map_get(node, "offsets"), "counts.offsets", &out->offsets, err));
    TRY(edx_node_array(edx_map_get(node, "channels"), "counts.channels", &out->channels, err));
    TRY(need_dtype(&out->offsets, "counts.offsets", out->offsets.dtype == EDX_U4, "<u4", err));
    TRY(need_dtype(&out->channels, "counts.channels",
                   out->channels.dtype == EDX_U2 || out->channels.dtype == EDX_U4, "<u2 or <u4",
                   err));
    uint64_t pixels = (uint64_t)rows * begin->cols;
    edx_array expected = edx_array_1(EDX_U4, NULL, pixels + 1);
    TRY(need_shape(&out->offsets, "counts.offsets", &expected, err));
    expected.shape[0] = out->channels.ndim > 0 ? out->channels.shape[0] : 0;
    TRY(need_shape(&out->channels, "counts.channels", &expected, err));
    TRY(check_offsets(out, pixels, err));
    return check_channels(out, begin->channels, err);
}

static edx_status read_counts(const edx_node *node, uint32_t rows, const edx_begin *begin,
                              edx_counts *out, edx_error *err)
{
    TRY(need_map(node, "counts", err));
    if (edx_map_get(node, "dtype") != NULL)
        return read_dense(node, rows, begin, out, err);
    return read_events(node, rows, begin, out, err);
}

/* ---- frame: the rest ---- */

static edx_status read_rows(const edx_node *body, const edx_begin *begin, edx_frame *out,
                            edx_error *err)
{
    uint64_t row = 0;
    out->rows = begin->rows;
    if (edx_map_get(body, "row") != NULL)
        TRY(read_uint(body, "row", "row", UINT32_MAX, &row, err));
    if (edx_map_get(body, "rows") != NULL)
        TRY(read_count(body, "rows", "rows", &out->rows, err));
    if (row + out->rows > begin->rows)
        return edx_fail(err, EDX_E_MISMATCH,
                        "row: rows %" PRIu64 " to %" PRIu64
                        ", expected them inside a scan of %" PRIu32,
                        row, row + out->rows - 1, begin->rows);
    out->row = (uint32_t)row;
    return EDX_OK;
}

/* A time that cannot be is a time that is not known. */
static edx_status read_time(const edx_node *body, const char *key, double *out, edx_error *err)
{
    TRY(read_optional(body, key, key, out, err));
    if (*out < 0.0)
        *out = (double)NAN;
    return EDX_OK;
}

/* Where the image of that name is, or shall be. */
static uint32_t image_slot(const edx_frame *frame, const char *name)
{
    uint32_t i = 0;
    while (i < frame->n_images && strcmp(frame->image_names[i], name) != 0)
        i++;
    return i;
}

static edx_status read_image(const edx_node *key, const edx_begin *begin, edx_frame *out,
                             edx_error *err)
{
    char name[EDX_NAME_SIZE];
    TRY(edx_node_text(key, "images", name, sizeof name, err));
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "images.%s", name);
    edx_array image;
    TRY(edx_node_array(edx_node_next(key), path, &image, err));
    edx_array expected = edx_array_2(image.dtype, NULL, out->rows, begin->cols);
    TRY(need_shape(&image, path, &expected, err));
    uint32_t i = image_slot(out, name);
    if (i == EDX_MAX_IMAGES)
        return edx_fail(err, EDX_E_LIMIT, "images: more than %d", EDX_MAX_IMAGES);
    memcpy(out->image_names[i], name, sizeof name);
    out->images[i] = image;
    if (i == out->n_images)
        out->n_images++;
    return EDX_OK;
}

static edx_status read_images(const edx_node *images, const edx_begin *begin, edx_frame *out,
                              edx_error *err)
{
    if (images == NULL)
        return EDX_OK;
    TRY(need_map(images, "images", err));
    const edx_node *key = edx_node_first(images);
    for (uint32_t i = 0; i < images->count; i++, key = edx_node_next(edx_node_next(key)))
        TRY(read_image(key, begin, out, err));
    return EDX_OK;
}

edx_status edx_frame_read(const edx_node *body, const edx_begin *begin, const edx_limits *limits,
                          edx_frame *out, edx_error *err)
{
    memset(out, 0, sizeof *out);
    TRY(check_limits(begin, limits, err));
    TRY(edx_head_read(body, &out->head, err));
    TRY(read_uint(body, "seq", "seq", INT64_MAX, &out->seq, err));
    TRY(read_uint(body, "frame", "frame", INT64_MAX, &out->frame, err));
    TRY(read_rows(body, begin, out, err));
    TRY(read_time(body, "live_s", &out->live_s, err));
    TRY(read_time(body, "real_s", &out->real_s, err));
    TRY(read_counts(edx_map_get(body, "counts"), out->rows, begin, &out->counts, err));
    return read_images(edx_map_get(body, "images"), begin, out, err);
}

/* ---- end ---- */

edx_status edx_end_read(const edx_node *body, edx_end *out, edx_error *err)
{
    memset(out, 0, sizeof *out);
    TRY(edx_head_read(body, &out->head, err));
    TRY(read_uint(body, "frames", "frames", INT64_MAX, &out->frames, err));
    TRY(read_uint(body, "messages", "messages", INT64_MAX, &out->messages, err));
    return edx_node_text(edx_map_get(body, "reason"), "reason", out->reason, sizeof out->reason,
                         err);
}

/* ---- writing ---- */

#define HEAD_PAIRS 3u

static void write_head(edx_pack *pack, const edx_head *head, size_t pairs)
{
    edx_pack_reset(pack);
    edx_pack_map(pack, HEAD_PAIRS + pairs);
    edx_pack_text(pack, "v");
    edx_pack_uint(pack, PROTOCOL_VERSION);
    edx_pack_text(pack, "acq");
    edx_pack_text(pack, head->acq);
    edx_pack_text(pack, "t");
    edx_pack_float(pack, head->t);
}

static void write_uint(edx_pack *pack, const char *key, uint64_t value)
{
    edx_pack_text(pack, key);
    edx_pack_uint(pack, value);
}

static void write_float(edx_pack *pack, const char *key, double value)
{
    edx_pack_text(pack, key);
    edx_pack_float(pack, value);
}

static void write_known(edx_pack *pack, const char *key, double value)
{
    if (!isnan(value))
        write_float(pack, key, value);
}

static bool known(double value)
{
    return !isnan(value);
}

static void write_scan(edx_pack *pack, const edx_begin *begin)
{
    edx_pack_text(pack, "scan");
    edx_pack_map(pack, 5);
    write_uint(pack, "rows", begin->rows);
    write_uint(pack, "cols", begin->cols);
    edx_pack_text(pack, "step_nm");
    edx_pack_floats(pack, begin->step_nm, 2);
    write_float(pack, "dwell_s", begin->dwell_s);
    write_uint(pack, "frames", begin->frames);
}

static void write_energy(edx_pack *pack, const edx_begin *begin)
{
    edx_pack_text(pack, "energy");
    edx_pack_map(pack, 3);
    write_uint(pack, "channels", begin->channels);
    write_float(pack, "offset_eV", begin->offset_eV);
    write_float(pack, "scale_eV", begin->scale_eV);
}

static void write_detector(edx_pack *pack, const edx_begin *begin)
{
    edx_pack_text(pack, "detector");
    edx_pack_map(pack, 0u + (begin->detector[0] != '\0') + known(begin->solid_angle_sr) +
                           known(begin->elevation_deg) + known(begin->azimuth_deg) +
                           known(begin->resolution_eV));
    if (begin->detector[0] != '\0') {
        edx_pack_text(pack, "name");
        edx_pack_text(pack, begin->detector);
    }
    write_known(pack, "solid_angle_sr", begin->solid_angle_sr);
    write_known(pack, "elevation_deg", begin->elevation_deg);
    write_known(pack, "azimuth_deg", begin->azimuth_deg);
    write_known(pack, "resolution_eV", begin->resolution_eV);
}

static void write_names(edx_pack *pack, const edx_begin *begin)
{
    if (begin->n_images > 0) {
        edx_pack_text(pack, "images");
        edx_pack_list(pack, begin->n_images);
        for (uint32_t i = 0; i < begin->n_images; i++)
            edx_pack_text(pack, begin->images[i]);
    }
    if (begin->n_elements > 0) {
        edx_pack_text(pack, "elements");
        edx_pack_list(pack, begin->n_elements);
        for (uint32_t i = 0; i < begin->n_elements; i++)
            edx_pack_text(pack, begin->elements[i]);
    }
}

void edx_begin_write(edx_pack *pack, const edx_begin *begin)
{
    size_t pairs = 3u + (begin->title[0] != '\0') + begin->has_detector + known(begin->probe_nA) +
                   (begin->n_images > 0) + (begin->n_elements > 0);
    write_head(pack, &begin->head, pairs);
    if (begin->title[0] != '\0') {
        edx_pack_text(pack, "title");
        edx_pack_text(pack, begin->title);
    }
    write_scan(pack, begin);
    write_energy(pack, begin);
    write_float(pack, "beam_keV", begin->beam_keV);
    if (begin->has_detector)
        write_detector(pack, begin);
    write_known(pack, "probe_nA", begin->probe_nA);
    write_names(pack, begin);
}

static void write_counts(edx_pack *pack, const edx_counts *counts)
{
    edx_pack_text(pack, "counts");
    if (!counts->events) {
        edx_pack_array(pack, &counts->dense);
        return;
    }
    edx_pack_map(pack, 2);
    edx_pack_text(pack, "offsets");
    edx_pack_array(pack, &counts->offsets);
    edx_pack_text(pack, "channels");
    edx_pack_array(pack, &counts->channels);
}

void edx_frame_write(edx_pack *pack, const edx_frame *frame)
{
    size_t pairs = 5u + known(frame->live_s) + known(frame->real_s) + (frame->n_images > 0);
    write_head(pack, &frame->head, pairs);
    write_uint(pack, "seq", frame->seq);
    write_uint(pack, "frame", frame->frame);
    write_uint(pack, "row", frame->row);
    write_uint(pack, "rows", frame->rows);
    write_known(pack, "live_s", frame->live_s);
    write_known(pack, "real_s", frame->real_s);
    write_counts(pack, &frame->counts);
    if (frame->n_images == 0)
        return;
    edx_pack_text(pack, "images");
    edx_pack_map(pack, frame->n_images);
    for (uint32_t i = 0; i < frame->n_images; i++) {
        edx_pack_text(pack, frame->image_names[i]);
        edx_pack_array(pack, &frame->images[i]);
    }
}

void edx_end_write(edx_pack *pack, const edx_end *end)
{
    write_head(pack, &end->head, 3);
    write_uint(pack, "frames", end->frames);
    write_uint(pack, "messages", end->messages);
    edx_pack_text(pack, "reason");
    edx_pack_text(pack, end->reason);
}
