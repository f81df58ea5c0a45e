/* Begin, frame and end against messages that Python's msgpack and numpy wrote, and against every
 * way in which they can be wrong. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "proto/frame.h"
#include "proto/load.h"
#include "tests/messages.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum { ROWS = 2, COLS = 3, CHANNELS = 8, PIXELS = ROWS * COLS, VALUES = PIXELS * CHANNELS };

typedef struct fixture {
    edx_wire *wire, *values;
    edx_pack *pack;
    edx_events_buffer *buffer;
    edx_limits limits;
    edx_error err;
    edx_begin begin;
    edx_frame frame;
    edx_end end;
    guard readable;
} fixture;

/* {"v": 1, "acq": "AgAu-07", "t": 1790000000.25, "title": "Ag–Au core",
 *  "scan": {"rows": 2, "cols": 3, "step_nm": [0.5, 0.25], "dwell_s": 1e-5, "frames": 100},
 *  "energy": {"channels": 8, "offset_eV": -200.0, "scale_eV": 10}, "beam_keV": 200,
 *  "detector": {"name": "Super-X", "solid_angle_sr": 0.7, "elevation_deg": 18, "azimuth_deg": 45,
 *               "resolution_eV": 130.0},
 *  "probe_nA": 0.1, "images": ["HAADF", "BF"], "elements": ["Ag", "Au", "C"],
 *  "extra": {"unknown": [1, 2, 3]}} */
static const char python_begin[] =
    "8ca17601a3616371a7416741752d3037a174cb41daac4ee0100000a57469746c65ac4167e28093417520636f72"
    "65a47363616e85a4726f777302a4636f6c7303a7737465705f6e6d92cb3fe0000000000000cb3fd00000000000"
    "00a76477656c6c5f73cb3ee4f8b588e368f1a66672616d657364a6656e6572677983a86368616e6e656c7308a9"
    "6f66667365745f6556cbc069000000000000a87363616c655f65560aa86265616d5f6b6556ccc8a86465746563"
    "746f7285a46e616d65a753757065722d58ae736f6c69645f616e676c655f7372cb3fe6666666666666ad656c65"
    "766174696f6e5f64656712ab617a696d7574685f6465672dad7265736f6c7574696f6e5f6556cb406040000000"
    "0000a870726f62655f6e41cb3fb999999999999aa6696d6167657392a54841414446a24246a8656c656d656e74"
    "7393a24167a24175a143a5657874726181a7756e6b6e6f776e93010203";

/* seq 7, frame 3, live 0.8 s, real 1.0 s, images HAADF (<f4, 1.5 times 0..5) and BF (<u2, 0..5). */
static const char python_dense[] =
    "89a17601a3616371a7416741752d3037a174cb41daac4ee0600000a373657107a56672616d6503a66c6976655f"
    "73cb3fe999999999999aa67265616c5f73cb3ff0000000000000a6636f756e747383a56474797065a33c7532a5"
    "736861706593020308a464617461c4600200000000000000000000000000020000000300000001000100010002"
    "000200010000000000000000000100000001000100000001000000000000000100010001000100000001000100"
    "00000100010000000100000001000100030000002c01a6696d6167657382a5484141444683a56474797065a33c"
    "6634a57368617065920203a464617461c418000000000000c03f00004040000090400000c0400000f040a24246"
    "83a56474797065a33c7532a57368617065920203a464617461c40c000001000200030004000500";

static const uint32_t dense_counts[VALUES] = {
    2, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 1, 1, 1, 2, 2, 1, 0, 0, 0, 0, 1, 0, 1,
    1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 3, 0, 300,
};

/* The same but for 3 counts in the last channel, each pixel's events in random order. */
static const char python_events[] =
    "88a17601a3616371a7416741752d3037a174cb41daac4ee0600000a373657107a56672616d6503a66c6976655f"
    "73cb3fe999999999999aa67265616c5f73cb3ff0000000000000a6636f756e747382a76f66667365747383a564"
    "74797065a33c7534a573686170659107a464617461c41c00000000040000000e00000011000000150000001b00"
    "000024000000a86368616e6e656c7383a56474797065a33c7532a573686170659124a464617461c44807000000"
    "070000000600060004000100010005000100070003000700000007000500000007000200060000000400070006"
    "0003000100050007000700010005000700030005000400";

/* {"v": 1, "acq": "AgAu-07", "t": 1790000002, "frames": 4, "messages": 8, "reason": "complete"} */
static const char python_end[] =
    "86a17601a3616371a7416741752d3037a174ce6ab13b82a66672616d657304a86d6573736167657308a6726561"
    "736f6ea8636f6d706c657465";

typedef enum message { BEGIN, DENSE, EVENTS, END, MESSAGES } message;
static const char *const python_messages[MESSAGES] = {python_begin, python_dense, python_events,
                                                      python_end};

static edx_status read_node(fixture *f, message which, const edx_node *root)
{
    f->err = (edx_error){0};
    if (which == BEGIN)
        return edx_begin_read(root, &f->limits, &f->begin, &f->err);
    if (which == END)
        return edx_end_read(root, &f->end, &f->err);
    return edx_frame_read(root, &f->begin, &f->limits, &f->frame, &f->err);
}

static edx_status read_bytes(fixture *f, message which, const void *bytes, size_t n)
{
    const edx_node *root;
    f->err = (edx_error){0};
    edx_status status =
        edx_wire_parse(f->wire, guard_put(&f->readable, bytes, n), n, &root, &f->err);
    return status == EDX_OK ? read_node(f, which, root) : status;
}

static edx_status read_hex(fixture *f, message which, const char *hex)
{
    unsigned char bytes[2048];
    return read_bytes(f, which, bytes, hex_bytes(hex, bytes, sizeof bytes));
}

static edx_status read_pack(fixture *f, message which)
{
    assert_int_equal(edx_pack_status(f->pack), EDX_OK);
    return read_bytes(f, which, edx_pack_data(f->pack), edx_pack_size(f->pack));
}

static int setup(void **state)
{
    static fixture f;
    f = (fixture){.wire = edx_wire_new(0),
                  .values = edx_wire_new(0),
                  .pack = edx_pack_new(),
                  .buffer = edx_events_buffer_new(),
                  .limits = edx_limits_default(),
                  .readable = guard_new((size_t)4 << 20)};
    *state = &f;
    return read_hex(&f, BEGIN, python_begin) != EDX_OK;
}

static int teardown(void **state)
{
    fixture *f = *state;
    edx_wire_free(&f->wire);
    edx_wire_free(&f->values);
    edx_pack_free(&f->pack);
    edx_events_buffer_free(&f->buffer);
    edx_events_buffer_free(&f->buffer);
    guard_free(&f->readable);
    return f->buffer != NULL;
}

static void expect_text(const fixture *f, const char *part)
{
    if (strstr(f->err.text, part) == NULL)
        fail_msg("\"%s\" does not hold \"%s\"", f->err.text, part);
}

/* A message with the value at path replaced by one value in hex, or left out. */
static edx_status read_edited(fixture *f, message which, const char *path, const char *hex)
{
    unsigned char bytes[2048];
    unsigned char value_bytes[2048];
    const edx_node *root;
    const edx_node *value = NULL;
    size_t n = hex_bytes(python_messages[which], bytes, sizeof bytes);
    assert_int_equal(edx_wire_parse(f->wire, bytes, n, &root, NULL), EDX_OK);
    if (hex != NULL) {
        n = hex_bytes(hex, value_bytes, sizeof value_bytes);
        assert_int_equal(edx_wire_parse(f->values, value_bytes, n, &value, NULL), EDX_OK);
    }
    edit_message(f->pack, root, path, value);
    return read_pack(f, which);
}

typedef struct edit {
    const char *path, *hex;
    edx_status status;
    const char *text;
} edit;

static void check_edits(fixture *f, message which, const edit *edits, size_t n)
{
    edx_begin begin = f->begin;
    for (size_t i = 0; i < n; i++) {
        f->begin = begin;
        edx_status status = read_edited(f, which, edits[i].path, edits[i].hex);
        if (status != edits[i].status || status != f->err.code)
            fail_msg("%s = %s: %d (%s)", edits[i].path, edits[i].hex, status, f->err.text);
        expect_text(f, edits[i].text);
    }
    f->begin = begin;
}

/* ---- topics, names ---- */

static void knows_topics(void **state)
{
    (void)state;
    assert_int_equal(edx_topic_parse("edx.begin", 9), EDX_TOPIC_IS_BEGIN);
    assert_int_equal(edx_topic_parse("edx.frame", 9), EDX_TOPIC_IS_FRAME);
    assert_int_equal(edx_topic_parse("edx.end", 7), EDX_TOPIC_IS_END);
    assert_int_equal(edx_topic_parse("edx.config", 10), EDX_TOPIC_IS_CONFIG);
    assert_int_equal(edx_topic_parse("edx.frames", 10), EDX_TOPIC_IS_OTHER);
    assert_int_equal(edx_topic_parse("edx.fram", 8), EDX_TOPIC_IS_OTHER);
    assert_int_equal(edx_topic_parse("", 0), EDX_TOPIC_IS_OTHER);
}

static void knows_acquisition_ids(void **state)
{
    (void)state;
    char id[66];
    memset(id, 'a', 65);
    id[65] = '\0';
    assert_false(edx_acq_valid(id));
    assert_true(edx_acq_valid(id + 1));
    static const char *const good[] = {"a", "Ag-Au_7.2", "0", "-", "_", "a..b"};
    static const char *const bad[] = {"",    ".a",       "..",  "a/b", "a b",
                                      "a\n", "\xc3\xa9", "a:b", "a\\b"};
    for (size_t i = 0; i < COUNT(good); i++)
        assert_true(edx_acq_valid(good[i]));
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(edx_acq_valid(bad[i]));
}

/* ---- begin ---- */

static void reads_begin(void **state)
{
    fixture *f = *state;
    const edx_begin *b = &f->begin;
    assert_string_equal(b->head.acq, "AgAu-07");
    assert_true(b->head.t == 1790000000.25);
    assert_string_equal(b->title, "Ag\xe2\x80\x93"
                                  "Au core");
    assert_int_equal(b->rows, 2);
    assert_int_equal(b->cols, 3);
    assert_true(b->step_nm[0] == 0.5 && b->step_nm[1] == 0.25);
    assert_true(b->dwell_s == 1e-5);
    assert_int_equal(b->frames, 100);
    assert_int_equal(b->channels, 8);
    assert_true(b->offset_eV == -200.0 && b->scale_eV == 10.0);
    assert_true(b->beam_keV == 200.0);
    assert_true(b->has_detector);
    assert_string_equal(b->detector, "Super-X");
    assert_true(b->solid_angle_sr == 0.7 && b->elevation_deg == 18.0 && b->azimuth_deg == 45.0);
    assert_true(b->resolution_eV == 130.0);
    assert_true(b->probe_nA == 0.1);
    assert_int_equal(b->n_images, 2);
    assert_string_equal(b->images[0], "HAADF");
    assert_string_equal(b->images[1], "BF");
    assert_int_equal(b->n_elements, 3);
    assert_string_equal(b->elements[0], "Ag");
    assert_string_equal(b->elements[2], "C");
}

static void begin_needs_its_keys(void **state)
{
    static const edit edits[] = {
        {"v", NULL, EDX_E_VERSION, "v: "},
        {"v", "02", EDX_E_VERSION, "v: expected protocol version 1"},
        {"v", "a131", EDX_E_VERSION, "v: "},
        {"v", "d30000000000000001", EDX_OK, ""},
        {"acq", NULL, EDX_E_MISSING, "acq: missing"},
        {"acq", "07", EDX_E_TYPE, "acq: an integer, expected a string"},
        {"acq", "a32e6162", EDX_E_RANGE, "acq: \".ab\""},
        {"acq", "a0", EDX_E_RANGE, "acq: \"\""},
        {"t", NULL, EDX_E_MISSING, "t: missing"},
        {"t", "a0", EDX_E_TYPE, "t: a string"},
        {"t", "05", EDX_OK, ""},
        {"scan", NULL, EDX_E_MISSING, "scan: missing"},
        {"scan", "93010203", EDX_E_TYPE, "scan: expected a map"},
        {"scan.rows", NULL, EDX_E_MISSING, "scan.rows: missing"},
        {"scan.rows", "00", EDX_E_RANGE, "scan.rows: 0, expected at least 1"},
        {"scan.rows", "cf0000000100000000", EDX_E_RANGE, "scan.rows: 4294967296"},
        {"scan.cols", "ff", EDX_E_RANGE, "scan.cols: -1"},
        {"scan.cols", "a0", EDX_E_TYPE, "scan.cols: a string"},
        {"scan.step_nm", NULL, EDX_E_MISSING, "scan.step_nm"},
        {"scan.step_nm", "cb3fe0000000000000", EDX_E_TYPE, "scan.step_nm"},
        {"scan.step_nm", "93010101", EDX_E_RANGE, "scan.step_nm: 3 values"},
        {"scan.step_nm", "920100", EDX_E_RANGE, "scan.step_nm: 0"},
        {"scan.step_nm", "92cb7ff800000000000001", EDX_E_RANGE, "scan.step_nm"},
        {"scan.dwell_s", NULL, EDX_E_MISSING, "scan.dwell_s"},
        {"scan.dwell_s", "00", EDX_E_RANGE, "scan.dwell_s"},
        {"scan.dwell_s", "cb7ff0000000000000", EDX_E_RANGE, "scan.dwell_s: inf"},
        {"scan.frames", NULL, EDX_E_MISSING, "scan.frames"},
        {"scan.frames", "ff", EDX_E_RANGE, "scan.frames"},
        {"scan.frames", "00", EDX_OK, ""},
        {"energy", NULL, EDX_E_MISSING, "energy: missing"},
        {"energy", "07", EDX_E_TYPE, "energy: expected a map"},
        {"energy.channels", "00", EDX_E_RANGE, "energy.channels"},
        {"energy.offset_eV", "cb7ff8000000000000", EDX_E_RANGE, "energy.offset_eV"},
        {"energy.offset_eV", NULL, EDX_E_MISSING, "energy.offset_eV"},
        {"energy.scale_eV", "ff", EDX_E_RANGE, "energy.scale_eV: -1"},
        {"beam_keV", NULL, EDX_E_MISSING, "beam_keV"},
        {"beam_keV", "00", EDX_E_RANGE, "beam_keV: 0"},
    };
    check_edits(*state, BEGIN, edits, COUNT(edits));
}

static void begin_options_have_types(void **state)
{
    static const edit edits[] = {
        {"title", "07", EDX_E_TYPE, "title: an integer, expected a string"},
        {"title", NULL, EDX_OK, ""},
        {"detector", "a0", EDX_E_TYPE, "detector: expected a map"},
        {"detector", NULL, EDX_OK, ""},
        {"detector", "80", EDX_OK, ""},
        {"detector.name", "07", EDX_E_TYPE, "detector.name"},
        {"detector.resolution_eV", "a0", EDX_E_TYPE, "detector.resolution_eV: a string"},
        {"detector.azimuth_deg", "c0", EDX_E_TYPE, "detector.azimuth_deg"},
        {"probe_nA", NULL, EDX_OK, ""},
        {"probe_nA", "00", EDX_E_RANGE, "probe_nA: 0"},
        {"probe_nA", "a0", EDX_E_TYPE, "probe_nA"},
        {"images", NULL, EDX_OK, ""},
        {"images", "a0", EDX_E_TYPE, "images: expected a list"},
        {"images", "9101", EDX_E_TYPE, "images: an integer"},
        {"images", "dc0011a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0", EDX_E_LIMIT, "images: 17 names"},
        {"images", "dc0010a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0", EDX_OK, ""},
        {"elements", NULL, EDX_OK, ""},
        {"elements", "a24167", EDX_E_TYPE, "elements: expected a list"},
        {"elements", "92a24167a3556e6f", EDX_E_RANGE, "\"Uno\""},
        {"elements", "91a0", EDX_E_RANGE, "elements: \"\""},
        {"elements", "91a24131", EDX_E_RANGE, "elements: \"A1\""},
        {"elements", "9107", EDX_E_TYPE, "elements: an integer"},
        {"extra", NULL, EDX_OK, ""},
    };
    check_edits(*state, BEGIN, edits, COUNT(edits));
}

/* A width that no detector has is not known: computed with, it ends in infinities. */
static void impossible_resolution_is_unknown(void **state)
{
    static const struct {
        const char *hex;
        double expected;
    } cases[] = {
        {"cb40c3880000000000", 1e4}, {"cb3ff0000000000000", 1},
        {"cb40c3880ccccccccd", NAN}, /* 10000.1 */
        {"cb6052a5568b9f52f4", NAN}, /* 1e156: its square is infinite */
        {"cb7ff0000000000000", NAN}, {"cb7ff8000000000000", NAN},
        {"cbbff0000000000000", NAN},
    };
    fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(read_edited(f, BEGIN, "detector.resolution_eV", cases[i].hex), EDX_OK);
        if (isnan(cases[i].expected))
            assert_true(isnan(f->begin.resolution_eV));
        else
            assert_true(f->begin.resolution_eV == cases[i].expected);
    }
}

static void absent_options_are_nan(void **state)
{
    fixture *f = *state;
    assert_int_equal(read_edited(f, BEGIN, "detector", NULL), EDX_OK);
    assert_false(f->begin.has_detector);
    assert_string_equal(f->begin.detector, "");
    assert_true(isnan(f->begin.solid_angle_sr) && isnan(f->begin.elevation_deg));
    assert_true(isnan(f->begin.azimuth_deg) && isnan(f->begin.resolution_eV));
    assert_int_equal(read_edited(f, BEGIN, "detector.solid_angle_sr", "00"), EDX_OK);
    assert_true(f->begin.has_detector && isnan(f->begin.solid_angle_sr));
    assert_true(f->begin.resolution_eV == 130.0);
    assert_int_equal(read_edited(f, BEGIN, "probe_nA", NULL), EDX_OK);
    assert_true(isnan(f->begin.probe_nA));
    assert_int_equal(read_edited(f, BEGIN, "elements", NULL), EDX_OK);
    assert_int_equal(f->begin.n_elements, 0);
    assert_int_equal(read_edited(f, BEGIN, "title", NULL), EDX_OK);
    assert_string_equal(f->begin.title, "");
}

/* A title too long is cut between two characters, whatever falls on the cut. */
static void long_titles_are_cut(void **state)
{
    fixture *f = *state;
    edx_begin begin = f->begin;
    for (size_t lead = 0; lead < 3; lead++) {
        edx_pack_reset(f->pack);
        char title[900];
        memset(title, 'x', lead);
        for (size_t i = lead; i + 4 < sizeof title; i += 3)
            memcpy(title + i, "\xe2\x82\xac", 4);
        char hex[2048];
        int n = snprintf(hex, sizeof hex, "da%04zx", strlen(title));
        for (size_t i = 0; i < strlen(title); i++)
            n += snprintf(hex + n, sizeof hex - (size_t)n, "%02x", (unsigned char)title[i]);
        assert_int_equal(read_edited(f, BEGIN, "title", hex), EDX_OK);
        size_t kept = strlen(f->begin.title);
        assert_in_range(kept, EDX_TITLE_SIZE - 3, EDX_TITLE_SIZE - 1);
        assert_int_equal((kept - lead) % 3, 0);
        assert_memory_equal(f->begin.title, title, kept);
    }
    f->begin = begin;
}

static void begin_keeps_to_limits(void **state)
{
    fixture *f = *state;
    edx_limits defaults = edx_limits_default();
    assert_true(defaults.max_message_bytes == 536870912 && defaults.max_pixels == 16777216);
    assert_true(defaults.max_channels == 16384 && defaults.max_cube_bytes == 8589934592);
    static const struct {
        edx_limits limits;
        edx_status status;
        const char *text;
    } cases[] = {
        {{1, 6, 8, 6 * 32 + 8 * 8}, EDX_OK, ""},
        {{1, 5, 8, 1 << 20}, EDX_E_LIMIT, "scan: 2 x 3 pixels, expected at most 5"},
        {{1, 6, 7, 1 << 20}, EDX_E_LIMIT, "energy.channels: 8, expected 1 to 7"},
        {{1, 6, 8, 6 * 32 + 8 * 8 - 1}, EDX_E_LIMIT, "more than the 255 bytes allowed"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        f->limits = cases[i].limits;
        assert_int_equal(read_hex(f, BEGIN, python_begin), cases[i].status);
        expect_text(f, cases[i].text);
    }
    f->limits = (edx_limits){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    assert_int_equal(read_edited(f, BEGIN, "energy.channels", "cd4000"), EDX_OK);
    assert_int_equal(read_edited(f, BEGIN, "energy.channels", "cd4001"), EDX_E_LIMIT);
    f->limits.max_cube_bytes = UINT64_MAX / 8;
    unsigned char bytes[2048];
    const edx_node *root;
    edx_begin huge = f->begin;
    huge.channels = 8;
    huge.rows = huge.cols = UINT32_MAX;
    edx_begin_write(f->pack, &huge);
    size_t n = edx_pack_size(f->pack);
    memcpy(bytes, edx_pack_data(f->pack), n);
    assert_int_equal(edx_wire_parse(f->wire, bytes, n, &root, NULL), EDX_OK);
    assert_int_equal(read_node(f, BEGIN, root), EDX_E_LIMIT);
}

static void head_needs_a_map(void **state)
{
    fixture *f = *state;
    assert_int_equal(read_hex(f, BEGIN, "93010203"), EDX_E_TYPE);
    assert_int_equal(read_hex(f, DENSE, "01"), EDX_E_TYPE);
    assert_int_equal(read_hex(f, END, "c0"), EDX_E_TYPE);
    assert_int_equal(read_hex(f, END, "80"), EDX_E_VERSION);
}

/* ---- frame ---- */

static void check_frame_head(const edx_frame *frame)
{
    assert_string_equal(frame->head.acq, "AgAu-07");
    assert_true(frame->head.t == 1790000001.5);
    assert_int_equal(frame->seq, 7);
    assert_int_equal(frame->frame, 3);
    assert_int_equal(frame->row, 0);
    assert_int_equal(frame->rows, 2);
    assert_true(frame->live_s == 0.8 && frame->real_s == 1.0);
}

/* The counts as a dense block, from what analysis sees. */
static void collect(fixture *f, uint32_t *out, size_t pixels, size_t channels)
{
    edx_events e;
    assert_int_equal(edx_events_from_frame(f->buffer, &f->frame, &e, &f->err), EDX_OK);
    assert_int_equal(e.pixels, pixels);
    assert_int_equal(e.offsets[0], 0);
    memset(out, 0, pixels * channels * sizeof *out);
    for (size_t p = 0; p < pixels; p++) {
        assert_true(e.offsets[p + 1] >= e.offsets[p]);
        for (uint32_t i = e.offsets[p]; i < e.offsets[p + 1]; i++) {
            assert_true(e.channels[i] < channels);
            out[p * channels + e.channels[i]] += e.weights == NULL ? 1 : e.weights[i];
        }
    }
}

static void reads_dense_frames(void **state)
{
    fixture *f = *state;
    uint32_t counts[VALUES];
    assert_int_equal(read_hex(f, DENSE, python_dense), EDX_OK);
    check_frame_head(&f->frame);
    assert_false(f->frame.counts.events);
    assert_int_equal(f->frame.counts.total, 333);
    assert_int_equal(f->frame.counts.peak, 300);
    collect(f, counts, PIXELS, CHANNELS);
    assert_memory_equal(counts, dense_counts, sizeof counts);
    assert_int_equal(f->frame.n_images, 2);
    assert_string_equal(f->frame.image_names[0], "HAADF");
    assert_string_equal(f->frame.image_names[1], "BF");
    for (uint64_t i = 0; i < PIXELS; i++) {
        assert_true(edx_array_get(&f->frame.images[0], i) == 1.5 * (double)i);
        assert_true(edx_array_get(&f->frame.images[1], i) == (double)i);
    }
}

static void reads_event_frames(void **state)
{
    fixture *f = *state;
    uint32_t counts[VALUES];
    uint32_t expected[VALUES];
    memcpy(expected, dense_counts, sizeof expected);
    expected[VALUES - 1] = 3;
    assert_int_equal(read_hex(f, EVENTS, python_events), EDX_OK);
    check_frame_head(&f->frame);
    assert_true(f->frame.counts.events);
    assert_int_equal(f->frame.counts.total, 36);
    assert_int_equal(f->frame.counts.peak, 10);
    collect(f, counts, PIXELS, CHANNELS);
    assert_memory_equal(counts, expected, sizeof counts);
    assert_int_equal(f->frame.n_images, 0);
}

static void frame_needs_its_keys(void **state)
{
    static const edit edits[] = {
        {"v", "03", EDX_E_VERSION, "v: "},
        {"seq", NULL, EDX_E_MISSING, "seq: missing"},
        {"seq", "ff", EDX_E_RANGE, "seq: -1"},
        {"seq", "a0", EDX_E_TYPE, "seq: a string"},
        {"seq", "cf7fffffffffffffff", EDX_OK, ""},
        {"seq", "cf8000000000000000", EDX_E_RANGE, "seq: 9223372036854775808"},
        {"frame", NULL, EDX_E_MISSING, "frame: missing"},
        {"frame", "cb3fe0000000000000", EDX_E_RANGE, "frame: 0.5"},
        {"t", "cb7ff8000000000000", EDX_OK, ""},
        {"t", NULL, EDX_E_MISSING, "t: missing"},
        {"row", "01", EDX_E_MISMATCH, "row: rows 1 to 2, expected them inside a scan of 2"},
        {"row", "a0", EDX_E_TYPE, "row: a string"},
        {"row", "ceffffffff", EDX_E_MISMATCH, "row: rows 4294967295 to 4294967296"},
        {"rows", "00", EDX_E_RANGE, "rows: 0, expected at least 1"},
        {"rows", "03", EDX_E_MISMATCH, "row: rows 0 to 2"},
        {"rows", "01", EDX_E_MISMATCH, "counts"},
        {"live_s", "a0", EDX_E_TYPE, "live_s: a string, expected a number"},
        {"real_s", "c0", EDX_E_TYPE, "real_s: nil"},
        {"counts", NULL, EDX_E_MISSING, "counts: missing"},
        {"counts", "93010203", EDX_E_TYPE, "counts: expected a map"},
        {"counts", "80", EDX_E_MISSING, "counts.offsets: missing"},
        {"images", "90", EDX_E_TYPE, "images: expected a map"},
        {"images", "80", EDX_OK, ""},
        {"images", "81a2484101", EDX_E_TYPE, "images.HA: an integer, expected an array"},
        {"images.BF.shape", "920302", EDX_E_MISMATCH, "images.BF: <u2 [3, 2], expected <u2 [2, 3]"},
        {"images.BF.shape", "9106", EDX_E_MISMATCH, "images.BF: <u2 [6], expected <u2 [2, 3]"},
    };
    check_edits(*state, DENSE, edits, COUNT(edits));
    check_edits(*state, EVENTS, edits, COUNT(edits) - 2);
}

static void impossible_times_are_unknown(void **state)
{
    fixture *f = *state;
    static const char *const hex[] = {NULL, "ff", "cb7ff8000000000000", "cb7ff0000000000000"};
    for (size_t i = 0; i < COUNT(hex); i++) {
        assert_int_equal(read_edited(f, DENSE, "live_s", hex[i]), EDX_OK);
        assert_true(isnan(f->frame.live_s) && f->frame.real_s == 1.0);
        assert_int_equal(read_edited(f, DENSE, "real_s", hex[i]), EDX_OK);
        assert_true(isnan(f->frame.real_s) && f->frame.live_s == 0.8);
    }
    assert_int_equal(read_edited(f, DENSE, "live_s", "00"), EDX_OK);
    assert_true(f->frame.live_s == 0.0);
}

static void dense_counts_match_the_begin(void **state)
{
    static const edit edits[] = {
        {"counts.shape", "93020208", EDX_E_RANGE, "counts: data: 96 bytes"},
        {"counts.shape", "93030208", EDX_E_MISMATCH,
         "counts: <u2 [3, 2, 8], expected <u2 [2, 3, 8]"},
        {"counts.shape", "920608", EDX_E_MISMATCH, "counts: <u2 [6, 8]"},
        {"counts.shape", "9401020308", EDX_E_MISMATCH, "counts: <u2 [1, 2, 3, 8]"},
        {"counts.shape", "93020304", EDX_E_RANGE, "counts: data"},
        {"counts.dtype", "a33c6934", EDX_E_RANGE, "counts: data: 96 bytes"},
        {"counts.dtype", NULL, EDX_E_MISSING, "counts.offsets: missing"},
    };
    fixture *f = *state;
    check_edits(f, DENSE, edits, COUNT(edits));
    float values[VALUES] = {0};
    assert_int_equal(read_hex(f, DENSE, python_dense), EDX_OK);
    edx_frame frame = f->frame;
    frame.n_images = 0;
    frame.counts.dense = edx_array_3(EDX_F4, values, ROWS, COLS, CHANNELS);
    edx_frame_write(f->pack, &frame);
    assert_int_equal(read_pack(f, DENSE), EDX_E_TYPE);
    expect_text(f, "counts: dtype <f4, expected |u1, <u2 or <u4");
}

/* ---- events ---- */

/* An events frame of the given arrays, read. */
static edx_status read_event_arrays(fixture *f, edx_array offsets, edx_array channels)
{
    edx_frame frame = {.head = f->begin.head, .rows = ROWS, .live_s = 1.0, .real_s = 1.0};
    frame.counts = (edx_counts){.events = true, .offsets = offsets, .channels = channels};
    edx_frame_write(f->pack, &frame);
    return read_pack(f, EVENTS);
}

static void events_match_the_begin(void **state)
{
    static const struct {
        uint32_t offsets[PIXELS + 1];
        uint16_t channels[4];
        edx_status status;
        const char *text;
    } cases[] = {
        {{0, 1, 2, 2, 3, 4, 4}, {7, 0, 1, 7}, EDX_OK, ""},
        {{0, 0, 0, 0, 0, 0, 0}, {8, 9, 9, 9}, EDX_OK, ""},
        {{1, 1, 2, 2, 2, 2, 3}, {9, 0, 1, 9}, EDX_OK, ""},
        {{0, 1, 2, 2, 3, 4, 5}, {7, 0, 1, 7}, EDX_E_MISMATCH, "end at 5, expected at most 4"},
        {{0, 2, 1, 2, 3, 4, 4}, {0}, EDX_E_MISMATCH, "decrease from 2 to 1 at pixel 1"},
        {{4, 4, 4, 4, 4, 4, 3}, {0}, EDX_E_MISMATCH, "decrease from 4 to 3 at pixel 5"},
        {{0, 1, 1, 2, 3, 4, 4},
         {7, 8, 1, 9},
         EDX_E_MISMATCH,
         "counts.channels: 8 at pixel 2, expected at most 7"},
        {{1, 1, 1, 2, 2, 2, 4}, {9, 1, 1, 65535}, EDX_E_MISMATCH, "65535 at pixel 5"},
        {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
         {0},
         EDX_E_MISMATCH,
         "end at 4294967295"},
    };
    fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint32_t wide[4];
        for (size_t k = 0; k < 4; k++)
            wide[k] = cases[i].channels[k];
        edx_array offsets = edx_array_1(EDX_U4, cases[i].offsets, PIXELS + 1);
        assert_int_equal(read_event_arrays(f, offsets, edx_array_1(EDX_U2, cases[i].channels, 4)),
                         cases[i].status);
        expect_text(f, cases[i].text);
        assert_int_equal(read_event_arrays(f, offsets, edx_array_1(EDX_U4, wide, 4)),
                         cases[i].status);
        expect_text(f, cases[i].text);
    }
}

static void events_have_types(void **state)
{
    fixture *f = *state;
    uint32_t zeros[16] = {0};
    edx_array offsets = edx_array_1(EDX_U4, zeros, PIXELS + 1);
    edx_array none = edx_array_1(EDX_U2, zeros, 0);
    assert_int_equal(read_event_arrays(f, offsets, none), EDX_OK);
    assert_int_equal(f->frame.counts.total, 0);
    assert_int_equal(read_event_arrays(f, edx_array_1(EDX_U2, zeros, PIXELS + 1), none),
                     EDX_E_TYPE);
    expect_text(f, "counts.offsets: dtype <u2, expected <u4");
    assert_int_equal(read_event_arrays(f, offsets, edx_array_1(EDX_U1, zeros, 0)), EDX_E_TYPE);
    expect_text(f, "counts.channels: dtype |u1, expected <u2 or <u4");
    assert_int_equal(read_event_arrays(f, edx_array_1(EDX_U4, zeros, PIXELS), none),
                     EDX_E_MISMATCH);
    expect_text(f, "counts.offsets: <u4 [6], expected <u4 [7]");
    assert_int_equal(read_event_arrays(f, offsets, edx_array_2(EDX_U2, zeros, 2, 2)),
                     EDX_E_MISMATCH);
    expect_text(f, "counts.channels: <u2 [2, 2], expected <u2 [2]");
    static const edit edits[] = {
        {"counts.channels", NULL, EDX_E_MISSING, "counts.channels: missing"},
        {"counts.offsets", "07", EDX_E_TYPE, "counts.offsets: an integer"},
        {"counts.channels.data", "c40100", EDX_E_RANGE, "counts.channels: data: 1 bytes"},
    };
    check_edits(f, EVENTS, edits, COUNT(edits));
}

/* What is said as u4 and does not fit 16 bits must not come through as what is left of it. */
static void wide_channels_are_not_cut(void **state)
{
    fixture *f = *state;
    uint32_t offsets[PIXELS + 1] = {0, 1, 1, 1, 1, 1, 1};
    uint32_t channel = 65536 + 3;
    assert_int_equal(read_event_arrays(f, edx_array_1(EDX_U4, offsets, PIXELS + 1),
                                       edx_array_1(EDX_U4, &channel, 1)),
                     EDX_E_MISMATCH);
    expect_text(f, "65539 at pixel 0");
}

/* ---- random counts in every form ---- */

typedef struct scene {
    uint32_t rows, cols, channels;
    uint32_t *counts;
    size_t pixels, values, total, peak;
} scene;

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(((z ^ (z >> 31)) >> 32) * n >> 32);
}

static scene random_scene(uint32_t rows, uint32_t cols, uint32_t channels)
{
    scene s = {.rows = rows, .cols = cols, .channels = channels, .pixels = (size_t)rows * cols};
    s.values = s.pixels * channels;
    s.counts = calloc(s.values, sizeof *s.counts);
    assert_non_null(s.counts);
    uint32_t sparse = 1 + random_below(20);
    for (size_t i = 0; i < s.values; i++) {
        uint32_t value = random_below(sparse) == 0 ? 1 + random_below(255) % 5 : 0;
        s.counts[i] = value;
        s.total += value;
        s.peak = value > s.peak ? value : s.peak;
    }
    return s;
}

static void *narrowed(const scene *s, edx_dtype dtype)
{
    unsigned char *out = calloc(s->values, edx_dtype_size(dtype));
    assert_non_null(out);
    for (size_t i = 0; i < s->values; i++)
        memcpy(out + i * edx_dtype_size(dtype), &s->counts[i], edx_dtype_size(dtype));
    return out;
}

static void check_read_scene(fixture *f, const scene *s)
{
    uint32_t *seen = calloc(s->values, sizeof *seen);
    assert_non_null(seen);
    edx_status status = read_pack(f, DENSE);
    if (status != EDX_OK)
        fail_msg("%s", f->err.text);
    assert_int_equal(f->frame.counts.total, s->total);
    collect(f, seen, s->pixels, s->channels);
    assert_memory_equal(seen, s->counts, s->values * sizeof *seen);
    free(seen);
}

static void check_dense_scene(fixture *f, const scene *s, edx_frame *frame)
{
    static const edx_dtype dtypes[] = {EDX_U1, EDX_U2, EDX_U4};
    for (size_t i = 0; i < COUNT(dtypes); i++) {
        void *data = narrowed(s, dtypes[i]);
        frame->counts =
            (edx_counts){.dense = edx_array_3(dtypes[i], data, s->rows, s->cols, s->channels)};
        edx_frame_write(f->pack, frame);
        check_read_scene(f, s);
        assert_int_equal(f->frame.counts.peak, s->peak);
        free(data);
    }
}

/* Events of each pixel from its highest channel down, with `gap` entries before and after that
 * nobody owns. */
static uint32_t *event_list(const scene *s, uint32_t gap, uint32_t *offsets)
{
    uint32_t *list = malloc((s->total + 2 * (size_t)gap + 1) * sizeof *list);
    assert_non_null(list);
    uint32_t n = 0;
    while (n < gap)
        list[n++] = UINT32_MAX;
    for (size_t p = 0; p < s->pixels; p++) {
        offsets[p] = n;
        for (uint32_t c = s->channels; c-- > 0;)
            for (uint32_t k = 0; k < s->counts[p * s->channels + c]; k++)
                list[n++] = c;
    }
    offsets[s->pixels] = n;
    for (uint32_t i = 0; i < gap; i++)
        list[n++] = UINT32_MAX;
    return list;
}

static void check_event_scene(fixture *f, const scene *s, edx_frame *frame)
{
    uint32_t *offsets = calloc(s->pixels + 1, sizeof *offsets);
    assert_non_null(offsets);
    uint32_t gap = random_below(4);
    uint32_t *list = event_list(s, gap, offsets);
    size_t n = s->total + 2 * (size_t)gap;
    uint16_t *narrow = calloc(n + 1, sizeof *narrow);
    assert_non_null(narrow);
    for (size_t i = 0; i < n; i++)
        narrow[i] = (uint16_t)list[i];
    frame->counts = (edx_counts){.events = true,
                                 .offsets = edx_array_1(EDX_U4, offsets, s->pixels + 1),
                                 .channels = edx_array_1(EDX_U4, list, n)};
    edx_frame_write(f->pack, frame);
    check_read_scene(f, s);
    frame->counts.channels = edx_array_1(EDX_U2, narrow, n);
    edx_frame_write(f->pack, frame);
    check_read_scene(f, s);
    free(narrow);
    free(list);
    free(offsets);
}

/* Twice as many pixels and one, which sanitizers watch: room for twice as many is not enough. */
static void room_grows_by_what_is_needed(void **state)
{
    static const unsigned char nothing[400] = {0};
    (void)state;
    for (uint64_t pixels = 1; pixels < 40; pixels++) {
        edx_events_buffer *buffer = edx_events_buffer_new();
        edx_events events;
        assert_non_null(buffer);
        for (uint64_t n = pixels; n <= 2 * pixels + 2; n += pixels + 2) {
            edx_frame frame = {
                .counts = {
                    .dense = {.dtype = EDX_U1, .ndim = 3, .shape = {1, n, 3}, .data = nothing}}};
            assert_int_equal(edx_events_from_frame(buffer, &frame, &events, NULL), EDX_OK);
            assert_int_equal(events.pixels, n);
            assert_int_equal(events.offsets[n], 0);
        }
        edx_events_buffer_free(&buffer);
    }
}

static void every_form_gives_the_same_counts(void **state)
{
    fixture *f = *state;
    const char *given = getenv("EDX_SEED");
    random_state = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    print_message("EDX_SEED=%" PRIu64 "\n", random_state);
    for (int round = 0; round < 40; round++) {
        scene s = random_scene(1 + random_below(5), 1 + random_below(7), 1 + random_below(400));
        f->begin.rows = s.rows + random_below(3);
        f->begin.cols = s.cols;
        f->begin.channels = s.channels;
        edx_frame frame = {.head = f->begin.head, .rows = s.rows, .live_s = 1.0};
        frame.row = random_below(f->begin.rows - s.rows + 1);
        check_dense_scene(f, &s, &frame);
        check_event_scene(f, &s, &frame);
        free(s.counts);
    }
}

static void large_counts_are_kept(void **state)
{
    fixture *f = *state;
    uint32_t counts[VALUES] = {[0] = UINT32_MAX, [13] = 65536, [VALUES - 1] = UINT32_MAX};
    scene s = {.rows = ROWS, .cols = COLS, .channels = CHANNELS, .counts = counts};
    s.pixels = PIXELS;
    s.values = VALUES;
    s.total = 2 * (size_t)UINT32_MAX + 65536;
    edx_frame frame = {.head = f->begin.head, .rows = ROWS};
    frame.counts.dense = edx_array_3(EDX_U4, counts, ROWS, COLS, CHANNELS);
    edx_frame_write(f->pack, &frame);
    check_read_scene(f, &s);
    assert_int_equal(f->frame.counts.peak, UINT32_MAX);
}

static void events_tell_when_memory_ends(void **state)
{
    fixture *f = *state;
    edx_events e;
    static const message forms[] = {DENSE, EVENTS};
    for (size_t i = 0; i < COUNT(forms); i++) {
        assert_int_equal(read_hex(f, forms[i], python_messages[forms[i]]), EDX_OK);
        for (size_t left = 0; left < 2; left++) {
            edx_events_buffer_free(&f->buffer);
            f->buffer = edx_events_buffer_new();
            allocations_left = left;
            edx_status status = edx_events_from_frame(f->buffer, &f->frame, &e, &f->err);
            allocations_left = SIZE_MAX;
            assert_int_equal(status, EDX_E_NOMEM);
        }
    }
    allocations_left = 0;
    edx_events_buffer *none = edx_events_buffer_new();
    allocations_left = SIZE_MAX;
    assert_null(none);
}

/* Once the buffers have grown, a frame costs no allocation. */
static void frames_allocate_nothing(void **state)
{
    fixture *f = *state;
    edx_events e;
    size_t before = 0;
    for (int round = 0; round < 3; round++) {
        before = allocated_bytes;
        assert_int_equal(read_hex(f, DENSE, python_dense), EDX_OK);
        assert_int_equal(edx_events_from_frame(f->buffer, &f->frame, &e, NULL), EDX_OK);
        assert_int_equal(read_hex(f, EVENTS, python_events), EDX_OK);
        assert_int_equal(edx_events_from_frame(f->buffer, &f->frame, &e, NULL), EDX_OK);
    }
    assert_int_equal(allocated_bytes, before);
}

/* ---- images ---- */

static void write_image(edx_pack *pack, const char *name, uint8_t first)
{
    const uint8_t pixels[PIXELS] = {first};
    edx_array image = edx_array_2(EDX_U1, pixels, ROWS, COLS);
    edx_pack_text(pack, name);
    edx_pack_array(pack, &image);
}

/* A frame without counts but one event, and n images of which `name` gives the names. */
static edx_status read_images(fixture *f, size_t n, const char *const *names)
{
    static const uint32_t offsets[PIXELS + 1];
    edx_frame frame = {.head = f->begin.head, .rows = ROWS, .n_images = 0};
    frame.counts = (edx_counts){.events = true,
                                .offsets = edx_array_1(EDX_U4, offsets, PIXELS + 1),
                                .channels = edx_array_1(EDX_U2, offsets, 0)};
    edx_frame_write(f->pack, &frame);
    const edx_node *root;
    const edx_node *images;
    edx_pack *list = edx_pack_new();
    assert_non_null(list);
    edx_pack_map(list, n);
    for (size_t i = 0; i < n; i++)
        write_image(list, names[i], (uint8_t)(10 + i));
    assert_int_equal(
        edx_wire_parse(f->values, edx_pack_data(list), edx_pack_size(list), &images, NULL), EDX_OK);
    size_t size = edx_pack_size(f->pack);
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    memcpy(bytes, edx_pack_data(f->pack), size);
    assert_int_equal(edx_wire_parse(f->wire, bytes, size, &root, NULL), EDX_OK);
    edit_message(f->pack, root, "images", images);
    free(bytes);
    edx_pack_free(&list);
    return read_pack(f, DENSE);
}

static void reads_at_most_16_images(void **state)
{
    fixture *f = *state;
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i",
                                        "j", "k", "l", "m", "n", "o", "p", "q"};
    assert_int_equal(read_images(f, 16, names), EDX_OK);
    assert_int_equal(f->frame.n_images, 16);
    assert_string_equal(f->frame.image_names[15], "p");
    assert_true(edx_array_get(&f->frame.images[15], 0) == 25.0);
    assert_int_equal(read_images(f, 17, names), EDX_E_LIMIT);
    expect_text(f, "images: more than 16");
}

static void last_image_of_a_name_wins(void **state)
{
    fixture *f = *state;
    assert_int_equal(read_images(f, 3, (const char *const[]){"x", "y", "x"}), EDX_OK);
    assert_int_equal(f->frame.n_images, 2);
    assert_true(edx_array_get(&f->frame.images[0], 0) == 12.0);
}

static void image_names_fit(void **state)
{
    fixture *f = *state;
    char name[EDX_NAME_SIZE + 1];
    memset(name, 'n', sizeof name - 1);
    name[EDX_NAME_SIZE] = '\0';
    assert_int_equal(read_images(f, 1, (const char *const[]){name + 1}), EDX_OK);
    assert_string_equal(f->frame.image_names[0], name + 1);
    assert_int_equal(read_images(f, 1, (const char *const[]){name}), EDX_E_RANGE);
    expect_text(f, "images: 64 bytes, expected at most 63");
}

/* ---- end ---- */

static void reads_end(void **state)
{
    fixture *f = *state;
    assert_int_equal(read_hex(f, END, python_end), EDX_OK);
    assert_string_equal(f->end.head.acq, "AgAu-07");
    assert_true(f->end.head.t == 1790000002.0);
    assert_int_equal(f->end.frames, 4);
    assert_int_equal(f->end.messages, 8);
    assert_string_equal(f->end.reason, "complete");
    static const edit edits[] = {
        {"frames", NULL, EDX_E_MISSING, "frames: missing"},
        {"messages", "ff", EDX_E_RANGE, "messages: -1"},
        {"messages", NULL, EDX_E_MISSING, "messages: missing"},
        {"reason", NULL, EDX_E_MISSING, "reason: missing"},
        {"reason", "07", EDX_E_TYPE, "reason: an integer"},
        {"v", "00", EDX_E_VERSION, "v: "},
    };
    check_edits(f, END, edits, COUNT(edits));
}

/* ---- there and back ---- */

/* NaN is the one number that does not equal itself: compare as bytes. */
static void check_begin_round_trip(fixture *f)
{
    edx_begin begin = f->begin;
    edx_begin_write(f->pack, &begin);
    assert_int_equal(read_pack(f, BEGIN), EDX_OK);
    assert_memory_equal(&f->begin, &begin, sizeof begin);
}

static void begin_comes_back(void **state)
{
    fixture *f = *state;
    static const char *const without[] = {"title",    "detector", "detector.name",       "probe_nA",
                                          "elements", "images",   "detector.azimuth_deg"};
    check_begin_round_trip(f);
    for (size_t i = 0; i < COUNT(without); i++) {
        assert_int_equal(read_edited(f, BEGIN, without[i], NULL), EDX_OK);
        check_begin_round_trip(f);
    }
}

static void end_comes_back(void **state)
{
    fixture *f = *state;
    assert_int_equal(read_hex(f, END, python_end), EDX_OK);
    edx_end end = f->end;
    edx_end_write(f->pack, &end);
    assert_int_equal(read_pack(f, END), EDX_OK);
    assert_memory_equal(&f->end, &end, sizeof end);
}

/* Writing what was read, and reading and writing that again, gives the same bytes. */
static void frames_come_back(void **state)
{
    fixture *f = *state;
    static const message forms[] = {DENSE, EVENTS};
    for (size_t i = 0; i < COUNT(forms); i++) {
        assert_int_equal(read_hex(f, forms[i], python_messages[forms[i]]), EDX_OK);
        edx_frame_write(f->pack, &f->frame);
        size_t n = edx_pack_size(f->pack);
        unsigned char *first = malloc(n);
        assert_non_null(first);
        memcpy(first, edx_pack_data(f->pack), n);
        assert_int_equal(read_pack(f, forms[i]), EDX_OK);
        check_frame_head(&f->frame);
        edx_frame_write(f->pack, &f->frame);
        assert_int_equal(edx_pack_size(f->pack), n);
        assert_memory_equal(edx_pack_data(f->pack), first, n);
        free(first);
    }
}

/* ---- properties ---- */

static void every_cut_is_refused(void **state)
{
    fixture *f = *state;
    unsigned char bytes[2048];
    for (unsigned which = 0; which < MESSAGES; which++) {
        size_t n = hex_bytes(python_messages[which], bytes, sizeof bytes);
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(read_bytes(f, (message)which, bytes, cut), EDX_E_DECODE);
        bytes[n] = 0xc0;
        assert_int_equal(read_bytes(f, (message)which, bytes, n + 1), EDX_E_DECODE);
        assert_int_equal(read_bytes(f, (message)which, bytes, n), EDX_OK);
    }
}

/* Whatever one byte is changed to, a message is refused with a text or is one that can be worked
 * with. */
static void check_survivor(fixture *f, message which, edx_status status)
{
    uint32_t counts[VALUES];
    if (status != EDX_OK) {
        assert_int_equal(f->err.code, status);
        assert_true(f->err.text[0] != '\0');
    } else if (which == DENSE || which == EVENTS) {
        uint64_t sum = 0;
        collect(f, counts, PIXELS, CHANNELS);
        for (size_t i = 0; i < VALUES; i++)
            sum += counts[i];
        assert_true(sum == f->frame.counts.total);
        for (size_t i = 0; i < VALUES; i++)
            assert_true(counts[i] <= f->frame.counts.peak);
    }
}

static void every_changed_byte_is_handled(void **state)
{
    fixture *f = *state;
    const edx_begin begin = f->begin;
    unsigned char bytes[2048];
    for (unsigned which = 0; which < MESSAGES; which++) {
        size_t n = hex_bytes(python_messages[which], bytes, sizeof bytes);
        for (size_t i = 0; i < n; i++) {
            unsigned char was = bytes[i];
            for (unsigned value = 0; value < 256; value++) {
                bytes[i] = (unsigned char)value;
                f->begin = begin;
                check_survivor(f, (message)which, read_bytes(f, (message)which, bytes, n));
            }
            bytes[i] = was;
        }
    }
}

/* ---- speed ---- */

#if !defined(__OPTIMIZE__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||     \
    defined(EDX_FUZZING)
static const bool slow_build = true;
#else
static const bool slow_build = false;
#endif

/* Of work; the clock would go on while others have the processor. */
static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A frame of 256 x 256 pixels with 327680 events is read and turned into events in well under a
 * millisecond (0.08 ms where this was written). The best of 50, so that other work on the machine
 * does not matter. */
static void frames_are_fast(void **state)
{
    fixture *f = *state;
    if (slow_build)
        skip();
    enum { SIDE = 256, EACH = 5, EVENTS_N = SIDE * SIDE * EACH };
    static uint32_t offsets[SIDE * SIDE + 1];
    static uint16_t channels[EVENTS_N];
    for (uint32_t i = 0; i <= SIDE * SIDE; i++)
        offsets[i] = i * EACH;
    for (uint32_t i = 0; i < EVENTS_N; i++)
        channels[i] = (uint16_t)(i * 7919 % 1024);
    f->begin.rows = f->begin.cols = SIDE;
    f->begin.channels = 1024;
    edx_frame frame = {.head = f->begin.head, .rows = SIDE};
    frame.counts = (edx_counts){.events = true,
                                .offsets = edx_array_1(EDX_U4, offsets, SIDE * SIDE + 1),
                                .channels = edx_array_1(EDX_U2, channels, EVENTS_N)};
    edx_frame_write(f->pack, &frame);
    double best = INFINITY;
    for (int round = 0; round < 50; round++) {
        const edx_node *root;
        edx_events e;
        double start = now_s();
        assert_int_equal(
            edx_wire_parse(f->wire, edx_pack_data(f->pack), edx_pack_size(f->pack), &root, NULL),
            EDX_OK);
        assert_int_equal(read_node(f, EVENTS, root), EDX_OK);
        assert_int_equal(edx_events_from_frame(f->buffer, &f->frame, &e, NULL), EDX_OK);
        best = fmin(best, now_s() - start);
    }
    print_message("%d events: %.3f ms\n", EVENTS_N, 1e3 * best);
    assert_true(best < 1e-3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(knows_topics),
        TEST(knows_acquisition_ids),
        TEST(reads_begin),
        TEST(begin_needs_its_keys),
        TEST(begin_options_have_types),
        TEST(impossible_resolution_is_unknown),
        TEST(absent_options_are_nan),
        TEST(long_titles_are_cut),
        TEST(begin_keeps_to_limits),
        TEST(head_needs_a_map),
        TEST(reads_dense_frames),
        TEST(reads_event_frames),
        TEST(frame_needs_its_keys),
        TEST(impossible_times_are_unknown),
        TEST(dense_counts_match_the_begin),
        TEST(events_match_the_begin),
        TEST(events_have_types),
        TEST(wide_channels_are_not_cut),
        TEST(room_grows_by_what_is_needed),
        TEST(every_form_gives_the_same_counts),
        TEST(large_counts_are_kept),
        TEST(events_tell_when_memory_ends),
        TEST(frames_allocate_nothing),
        TEST(reads_at_most_16_images),
        TEST(last_image_of_a_name_wins),
        TEST(image_names_fit),
        TEST(reads_end),
        TEST(begin_comes_back),
        TEST(end_comes_back),
        TEST(frames_come_back),
        TEST(every_cut_is_refused),
        TEST(every_changed_byte_is_handled),
        TEST(frames_are_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
