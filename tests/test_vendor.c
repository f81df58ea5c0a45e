/* Recordings of other makers, through the table of calls that replay uses. The JEOL files are made
 * here, word by word; tests/test_vendor_play.py makes Velox files and reads real recordings. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "instrument/gather.h"
#include "instrument/imported.h"
#include "instrument/replay.h"

#define MAX_BYTES 65536
#define HEAD_POS 305u

enum { REAL = 0x6000, LIVE = 0x7000, X = 0x8000, Y = 0x9000, IMAGE = 0xa000, COUNT = 0xb000 };

/* ---- files ---- */

typedef struct file {
    char dir[64], path[96];
    uint8_t bytes[MAX_BYTES];
    size_t n;
    edx_replay *replay;
    edx_source_message message;
    edx_error err;
} file;

static void put(file *f, const void *bytes, size_t n)
{
    assert_true(f->n + n <= MAX_BYTES);
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
}

static void put_u32(file *f, uint32_t value)
{
    put(f, &value, sizeof value);
}

static void put_word(file *f, unsigned word)
{
    uint16_t value = (uint16_t)word;
    put(f, &value, sizeof value);
}

/* Opens an entry; the caller closes it. */
static void enter(file *f, const char *name, uint32_t type, const void *payload, uint32_t n)
{
    put(f, "\1", 1);
    put_u32(f, (uint32_t)strlen(name) + 1);
    put(f, name, strlen(name) + 1);
    put_u32(f, type);
    put_u32(f, n);
    if (n > 0)
        put(f, payload, n);
}

static void leave(file *f, int levels)
{
    while (levels-- > 0)
        put(f, "\xff", 1);
}

static void leaf(file *f, const char *name, uint32_t type, const void *payload, uint32_t n)
{
    enter(f, name, type, payload, n);
    leave(f, 1);
}

static void leaf_f64(file *f, const char *name, double value)
{
    leaf(f, name, 5, &value, sizeof value);
}

static void leaf_f32(file *f, const char *name, float value)
{
    leaf(f, name, 4, &value, sizeof value);
}

typedef struct map {
    const char *pixels;
    uint16_t area[4];
    int32_t magnification;
    uint16_t zero;
} map;

static void put_params(file *f, const map *m)
{
    enter(f, "PTTD Param", 0, "", 0);
    enter(f, "Params", 0, "", 0);
    enter(f, "PARAMPAGE1", 12, "EDXRF", 6);
    enter(f, "Tpl", 0, "", 0);
    uint16_t other = 500;
    enter(f, "T1", 0, "", 0);
    leaf(f, "DigZ", 2, &other, sizeof other);
    leave(f, 1);
    enter(f, "T3", 0, "", 0);
    leaf(f, "DigZ", 2, &m->zero, sizeof m->zero);
    leave(f, 3);
    enter(f, "PARAMPAGE0", 12, "SEM", 4);
    leaf_f32(f, "ScanSize", 200.0f);
    leaf_f32(f, "ElevAng", 25.0f);
    leave(f, 3);
}

static void put_measured(file *f, const map *m)
{
    enter(f, "PTTD Data", 0, "", 0);
    enter(f, "AnalyzableMap MeasData", 0, "", 0);
    enter(f, "Doc", 0, "", 0);
    /* a value and children, both to be passed over */
    enter(f, "CountRate", 3, "\1\0\0", 4);
    leaf(f, "n", 3, "\1\0\0", 4);
    leave(f, 1);
    leaf_f64(f, "CoefA", 0.01);
    leaf_f64(f, "CoefB", -0.002);
    leaf_f64(f, "DwellTime(msec)", 0.5);
    leave(f, 1);
    enter(f, "Meas Cond", 0, "", 0);
    leaf(f, "Tpl", 12, "T3", 3);
    leaf(f, "Pixels", 12, m->pixels, (uint32_t)strlen(m->pixels) + 1);
    leaf(f, "Aim Area", 7, m->area, sizeof m->area);
    leave(f, 1);
    enter(f, "MeasCond", 0, "", 0);
    leaf_f32(f, "AccKV", 200.0f);
    leaf(f, "Mag", 3, &m->magnification, 4);
    leave(f, 3);
}

/* A head; words follow. */
static void put_head(file *f, const map *m)
{
    double days = 25569.0 + 18000.25; /* 18000.25 days after 1970-01-01 */
    uint32_t places[] = {304, 0, 0, 131072, 1, HEAD_POS, 0, 0, 1};
    f->n = 0;
    memset(f->bytes, 0, sizeof f->bytes);
    memcpy(f->bytes, places, sizeof places);
    memcpy(f->bytes + 4, "PTTDFILE", 8);
    memcpy(f->bytes + 164, "\x8e\x8b\x96\xec 4", 6);
    memcpy(f->bytes + 296, &days, sizeof days);
    f->n = HEAD_POS + 12;
    put_params(f, m);
    put_measured(f, m);
    leave(f, 1);
    uint32_t length = (uint32_t)f->n - HEAD_POS, data = (uint32_t)f->n + 7;
    memcpy(f->bytes + 24, &length, 4);
    memcpy(f->bytes + 28, &data, 4);
    f->n = data;
}

static const map small = {"4x4", {0, 0, 3, 3}, 100000, 96};
static const map line = {"8x8", {0, 3, 7, 3}, 100000, 96};

static void write_file(file *f)
{
    FILE *out = fopen(f->path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(f->bytes, 1, f->n, out), f->n);
    assert_int_equal(fclose(out), 0);
}

static void open_file(file *f, bool growing)
{
    edx_source_options options = {.growing = growing};
    write_file(f);
    edx_replay_free(&f->replay);
    edx_status status = edx_replay_open(f->path, &options, &f->replay, &f->err);
    if (status != EDX_OK)
        fail_msg("%s", f->err.text);
}

static edx_status next(file *f)
{
    return edx_replay_next(f->replay, &f->message, &f->err);
}

static void expect_kind(file *f, edx_source_kind kind)
{
    if (next(f) != EDX_OK)
        fail_msg("%s", f->err.text);
    assert_int_equal(f->message.kind, kind);
}

static void expect_said(file *f, const char *text)
{
    assert_int_equal(next(f), EDX_E_DAMAGED);
    if (!strstr(f->err.text, text))
        fail_msg("\"%s\", expected \"%s\" in it", f->err.text, text);
}

static int set_up(void **state)
{
    file *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->dir, sizeof f->dir, "/tmp/edx-vendor-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/.m\xc3\xa4p 1.pts", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    file *f = *state;
    edx_replay_free(&f->replay);
    unlink(f->path);
    rmdir(f->dir);
    free(f);
    return 0;
}

/* ---- gather ---- */

/* The counts of every pixel come out in the order in which they went in. */
static void check_gathered(const edx_counts *counts, uint32_t pixels, const uint32_t *pixel,
                           const uint16_t *channel, size_t n)
{
    const uint32_t *offsets = counts->offsets.data;
    const uint16_t *channels = counts->channels.data;
    uint64_t peak = 0;
    assert_int_equal(counts->total, n);
    assert_int_equal(counts->offsets.shape[0], pixels + 1);
    assert_int_equal(offsets[0], 0);
    assert_int_equal(offsets[pixels], n);
    for (uint32_t p = 0; p < pixels; p++) {
        uint32_t at = offsets[p];
        for (size_t i = 0; i < n; i++)
            if (pixel[i] == p)
                assert_int_equal(channels[at++], channel[i]);
        assert_int_equal(at, offsets[p + 1]);
        peak = at - offsets[p] > peak ? at - offsets[p] : peak;
    }
    assert_int_equal(counts->peak, peak);
}

static void test_gather(void **state)
{
    (void)state;
    enum { MOST = 20000, PIXELS = 7 };
    static uint32_t pixel[MOST];
    static uint16_t channel[MOST];
    unsigned seed = (unsigned)time(NULL);
    edx_gather *gather = edx_gather_new(PIXELS);
    edx_counts counts;
    printf("seed %u\n", seed);
    srand(seed);
    for (int trial = 0; trial < 12; trial++) {
        size_t n = trial == 0 ? 0 : (size_t)rand() % MOST;
        bool ordered = trial % 3 == 0;
        edx_gather_clear(gather);
        for (size_t i = 0; i < n; i++) {
            pixel[i] = ordered ? (uint32_t)(i * PIXELS / n) : (uint32_t)rand() % PIXELS;
            channel[i] = (uint16_t)rand();
            assert_int_equal(edx_gather_add(gather, pixel[i], channel[i], NULL), EDX_OK);
        }
        assert_int_equal(edx_gather_counts(gather, &counts, NULL), EDX_OK);
        check_gathered(&counts, PIXELS, pixel, channel, n);
    }
    edx_gather_free(&gather);
}

/* ---- JEOL: what the head says ---- */

static void test_begin(void **state)
{
    file *f = *state;
    put_head(f, &small);
    put_word(f, Y | 3 * 1024);
    open_file(f, false);
    expect_kind(f, EDX_SOURCE_BEGIN);
    const edx_begin *begin = f->message.begin;
    assert_string_equal(begin->head.acq, "_m__p_1");
    assert_string_equal(begin->title, "\xe8\xa6\x96\xe9\x87\x8e 4"); /* of Shift-JIS */
    assert_true(fabs(begin->head.t - 18000.25 * 86400.0) < 1e-3);
    assert_int_equal(begin->rows, 4);
    assert_int_equal(begin->cols, 4);
    assert_int_equal(begin->channels, 4096);
    assert_int_equal(begin->n_images, 0);
    assert_true(fabs(begin->offset_eV - (-2.0 - 960.0)) < 1e-9);
    assert_true(fabs(begin->scale_eV - 10.0) < 1e-12);
    assert_true(fabs(begin->dwell_s - 5e-4) < 1e-15);
    assert_true(fabs(begin->step_nm[0] - 500.0) < 1e-9); /* 200 um / 100000 / 4 */
    assert_true(begin->beam_keV == 200.0 && begin->elevation_deg == 25.0);
}

typedef struct wrong {
    const char *pixels;
    int32_t magnification;
    const char *says;
} wrong;

static void test_impossible_heads(void **state)
{
    static const wrong cases[] = {{"0x4", 1, "Pixels"},  {"4", 1, "Pixels"},
                                  {"4x4x", 1, "Pixels"}, {"4097x4", 1, "Pixels"},
                                  {"", 1, "Pixels"},     {"4x4", 0, "MeasCond/Mag"}};
    file *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        map m = small;
        m.pixels = cases[i].pixels;
        m.magnification = cases[i].magnification;
        put_head(f, &m);
        put_word(f, Y);
        write_file(f);
        assert_int_not_equal(edx_replay_open(f->path, NULL, &f->replay, &f->err), EDX_OK);
        assert_null(f->replay);
        assert_non_null(strstr(f->err.text, cases[i].says));
    }
}

/* Cut anywhere, or with any byte of its head spoilt, a file is refused in one line or read; which
 * bytes are looked at, the sanitizers tell. */
static void test_spoilt_heads(void **state)
{
    file *f = *state;
    put_head(f, &small);
    put_word(f, Y);
    size_t n = f->n;
    for (size_t cut = 0; cut + 1 < n; cut++) {
        f->n = cut;
        write_file(f);
        assert_int_equal(edx_replay_open(f->path, NULL, &f->replay, &f->err), EDX_E_DECODE);
        assert_null(strchr(f->err.text, '\n'));
    }
    f->n = n;
    for (size_t at = 0; at + 2 < n; at++) {
        uint8_t kept = f->bytes[at];
        f->bytes[at] = (uint8_t)(at % 2 ? kept ^ 0xff : 0xff);
        write_file(f);
        if (edx_replay_open(f->path, NULL, &f->replay, &f->err) == EDX_OK)
            while (next(f) != EDX_E_END)
                ;
        edx_replay_free(&f->replay);
        f->bytes[at] = kept;
    }
}

/* ---- JEOL: sweeps ---- */

static void put_pixel(file *f, unsigned x, unsigned image, unsigned channel)
{
    put_word(f, X | x * 1024);
    if (image > 0)
        put_word(f, IMAGE | image);
    put_word(f, COUNT | channel);
}

static uint32_t offset(const file *f, uint32_t pixel)
{
    return ((const uint32_t *)f->message.frame.counts.offsets.data)[pixel];
}

static unsigned channel(const file *f, uint32_t count)
{
    return ((const uint16_t *)f->message.frame.counts.channels.data)[count];
}

/* Every pixel of a sweep, one count in channel first + pixel, an image of that too. */
static void put_whole(file *f, unsigned first, bool images)
{
    for (unsigned y = 0; y < 4; y++) {
        put_word(f, Y | y * 1024);
        for (unsigned x = 0; x < 4; x++) {
            put_pixel(f, x, images ? first + 4 * y + x : 0, first + 4 * y + x);
            put_word(f, REAL);
            put_word(f, x == 0 ? REAL : LIVE);
        }
    }
}

static void expect_whole(file *f, uint64_t frame, unsigned first, bool images)
{
    expect_kind(f, EDX_SOURCE_FRAME);
    const edx_frame *got = &f->message.frame;
    assert_int_equal(got->frame, frame);
    assert_int_equal(got->seq, frame);
    assert_int_equal(got->counts.total, 16);
    assert_int_equal(got->n_images, images);
    assert_true(fabs(got->real_s - 0.20) < 1e-12 && fabs(got->live_s - 0.12) < 1e-12);
    for (uint32_t p = 0; p < 16; p++) {
        assert_int_equal(offset(f, p), p);
        assert_int_equal(channel(f, p), first + p);
        if (images)
            assert_int_equal(((const uint16_t *)got->images[0].data)[p], first + p);
    }
}

static void expect_end(file *f, uint64_t frames, const char *reason)
{
    expect_kind(f, EDX_SOURCE_END);
    assert_int_equal(f->message.end.frames, frames);
    assert_int_equal(f->message.end.messages, frames);
    assert_string_equal(f->message.end.reason, reason);
    assert_int_equal(next(f), EDX_E_END);
}

static void test_sweeps(void **state)
{
    file *f = *state;
    for (int images = 0; images < 2; images++) {
        put_head(f, &small);
        put_whole(f, 1, images);
        put_word(f, 0x1234); /* nobody knows such words */
        put_whole(f, 4000, images);
        open_file(f, false);
        expect_kind(f, EDX_SOURCE_BEGIN);
        assert_int_equal(f->message.begin->n_images, images);
        uint64_t start = f->message.arrival_ns;
        expect_whole(f, 0, 1, images);
        assert_int_equal(f->message.arrival_ns - start, 200000000);
        expect_whole(f, 1, 4000, images);
        expect_end(f, 2, "complete");
    }
}

/* With images, a sweep that does not reach the last pixel of the last line is not whole; without,
 * nobody can tell, and the last line counts. */
static void test_broken_off(void **state)
{
    file *f = *state;
    for (int images = 0; images < 2; images++) {
        put_head(f, &small);
        put_whole(f, 1, images);
        put_whole(f, 100, images);
        f->n -= 8; /* the last pixel, and of the one before what follows its count */
        f->n -= images ? 2 : 0;
        open_file(f, false);
        expect_kind(f, EDX_SOURCE_BEGIN);
        expect_whole(f, 0, 1, images);
        if (images) {
            expect_said(f, "sweep 2 was broken off in line 4: its 15 counts");
        } else {
            expect_kind(f, EDX_SOURCE_FRAME);
            assert_int_equal(f->message.frame.counts.total, 15);
        }
        expect_end(f, images ? 1 : 2, images ? "stopped" : "complete");
    }
}

static void test_broken_off_early(void **state)
{
    file *f = *state;
    put_head(f, &small);
    put_whole(f, 1, false);
    put_word(f, Y);
    put_pixel(f, 2, 0, 77);
    open_file(f, false);
    expect_kind(f, EDX_SOURCE_BEGIN);
    expect_whole(f, 0, 1, false);
    expect_said(f, "sweep 2 was broken off in line 1: its 1 counts");
    expect_end(f, 1, "stopped");
}

/* Pixels without counts leave no trace; an image word of one sweep is not the next one's. */
static void test_sparse(void **state)
{
    file *f = *state;
    put_head(f, &small);
    put_word(f, Y);
    put_pixel(f, 1, 9, 5);
    put_word(f, COUNT | 4095);
    put_word(f, Y | 3 * 1024);
    put_word(f, Y | 3 * 1024); /* again: the same line still */
    put_pixel(f, 3, 0, 6);
    put_word(f, Y);
    put_word(f, Y | 3 * 1024);
    put_pixel(f, 3, 0, 7);
    open_file(f, false);
    expect_kind(f, EDX_SOURCE_BEGIN);
    expect_kind(f, EDX_SOURCE_FRAME);
    assert_int_equal(f->message.frame.counts.total, 3);
    assert_int_equal(offset(f, 1), 0);
    assert_int_equal(offset(f, 2), 2);
    assert_int_equal(offset(f, 15), 2);
    assert_int_equal(channel(f, 1), 4095);
    assert_true(isnan(f->message.frame.live_s) && isnan(f->message.frame.real_s));
    assert_int_equal(((const uint16_t *)f->message.frame.images[0].data)[1], 9);
    expect_kind(f, EDX_SOURCE_FRAME);
    assert_int_equal(channel(f, 0), 7);
    assert_int_equal(((const uint16_t *)f->message.frame.images[0].data)[1], 0);
    expect_end(f, 2, "complete");
}

/* A line scan: y does not tell, x does. */
static void test_line_scan(void **state)
{
    file *f = *state;
    put_head(f, &line);
    put_word(f, Y | 3 * 512);
    for (unsigned sweep = 0; sweep < 3; sweep++)
        for (unsigned x = sweep == 1; x < (sweep == 2 ? 5 : 8); x++) {
            put_word(f, X | x * 512);
            put_word(f, IMAGE | 1);
            put_word(f, COUNT | (10 * sweep + x));
        }
    open_file(f, false);
    expect_kind(f, EDX_SOURCE_BEGIN);
    assert_int_equal(f->message.begin->rows, 1);
    assert_int_equal(f->message.begin->cols, 8);
    expect_kind(f, EDX_SOURCE_FRAME);
    assert_int_equal(f->message.frame.counts.total, 8);
    expect_kind(f, EDX_SOURCE_FRAME);
    assert_int_equal(f->message.frame.counts.total, 7);
    assert_int_equal(offset(f, 1), 0);
    assert_int_equal(channel(f, 0), 11);
    expect_said(f, "sweep 3 was broken off at pixel 5: its 5 counts");
    expect_end(f, 2, "stopped");
}

/* ---- JEOL: a file that grows ---- */

/* Word by word, half a word first: no message comes early, none is lost, none differs. */
static void test_growing(void **state)
{
    file *f = *state;
    put_head(f, &small);
    size_t head = f->n;
    put_whole(f, 1, true);
    size_t second = f->n;
    put_whole(f, 50, true);
    size_t all = f->n;
    f->n = head;
    open_file(f, true);
    for (f->n = head; f->n < second + 2; f->n++) {
        write_file(f);
        assert_int_equal(next(f), EDX_E_END);
    }
    write_file(f); /* the word that begins the second sweep ends the first */
    expect_kind(f, EDX_SOURCE_BEGIN);
    expect_whole(f, 0, 1, true);
    for (; f->n < all; f->n++) {
        write_file(f);
        assert_int_equal(next(f), EDX_E_END);
    }
    write_file(f);
    assert_int_equal(next(f), EDX_E_END);
    edx_replay_settle(f->replay);
    expect_whole(f, 1, 50, true);
    expect_end(f, 2, "complete");
}

/* ---- what is no such file ---- */

static void test_endings(void **state)
{
    (void)state;
    assert_string_equal(edx_replay_format("a/b.PTS")->ending, ".pts");
    assert_string_equal(edx_replay_format("x.emd")->ending, ".emd");
    assert_string_equal(edx_replay_format("x.hspy")->ending, ".hspy");
    assert_string_equal(edx_replay_format("x")->ending, ".edxr");
    assert_true(edx_replay_format("x")->grows && edx_replay_format("x.pts")->grows);
    assert_false(edx_replay_format("x.emd")->grows);
    assert_true(edx_replay_format("x.hspy")->deals);
}

static void test_units(void **state)
{
    (void)state;
    assert_true(edx_imported_nm("m") == 1e9 && edx_imported_nm("nm") == 1.0);
    assert_true(edx_imported_nm("\xc2\xb5m") == 1e3 && isnan(edx_imported_nm("inch")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_endings),
        cmocka_unit_test(test_units),
        cmocka_unit_test_setup_teardown(test_begin, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_impossible_heads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spoilt_heads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sweeps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_broken_off_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sparse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_line_scan, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_growing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
