/* edxweb without its sockets: how good quantised values are, what a browser gets next, who may ask,
 * and which names are ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/web_control.h"
#include "client/web_files.h"
#include "client/web_origin.h"
#include "client/web_parcel.h"
#include "client/web_quantise.h"
#include "client/web_relay.h"

/* ---- quantised values ---- */

enum { ROWS = 40, COLS = 30, PLANE = ROWS * COLS, PLANES = 5 };

/* Planes of every kind: noise, one value, nothing, a huge offset, values and gaps of every kind. */
static void fill(double *values)
{
    for (int i = 0; i < PLANE; i++) {
        values[i] = 1000.0 * rand() / RAND_MAX - 300.0;
        values[PLANE + i] = 7.25;
        values[2 * PLANE + i] = NAN;
        values[3 * PLANE + i] = 1e6 + 1e-3 * i;
        values[4 * PLANE + i] = i % 7 == 0   ? NAN
                                : i % 7 == 1 ? INFINITY
                                : i % 7 == 2 ? -INFINITY
                                             : -1e-3 * i;
    }
}

/* {"map": array} quantised and parsed again; the caller frees both. */
static const edx_node *through(const edx_array *array, edx_wire *wire, edx_pack *from, edx_pack *to)
{
    edx_error err = {0};
    const edx_node *root;
    edx_quantiser *quantiser = edx_quantiser_new();
    edx_pack_map(from, 2);
    edx_pack_text(from, "map");
    edx_pack_array(from, array);
    edx_pack_text(from, "n");
    edx_pack_uint(from, 3);
    assert_int_equal(edx_wire_parse(wire, edx_pack_data(from), edx_pack_size(from), &root, &err),
                     EDX_OK);
    assert_int_equal(edx_quantise(quantiser, root, to, &err), EDX_OK);
    assert_int_equal(edx_wire_parse(wire, edx_pack_data(to), edx_pack_size(to), &root, &err),
                     EDX_OK);
    edx_quantiser_free(&quantiser);
    assert_null(quantiser);
    assert_int_equal(edx_map_get(root, "n")->as.u, 3);
    return edx_map_get(root, "map");
}

static void check_plane(const double *want, const edx_array *got, size_t plane, double offset,
                        double scale, double resolution)
{
    double lo = INFINITY, hi = -INFINITY;
    for (size_t i = 0; i < PLANE; i++) {
        double q = edx_array_get(got, plane * PLANE + i);
        if (!isfinite(want[i])) {
            assert_true(q == EDX_QUANTISE_MISSING);
            continue;
        }
        lo = fmin(lo, want[i]);
        hi = fmax(hi, want[i]);
        assert_true(q <= EDX_QUANTISE_LEVELS);
        assert_true(fabs(offset + scale * q - want[i]) <= 0.5 * scale + resolution * fabs(want[i]));
    }
    if (hi >= lo)
        assert_true(fabs(scale - (hi - lo) / EDX_QUANTISE_LEVELS) <= 1e-9 * (fabs(hi) + fabs(lo)));
}

static void check_error(edx_dtype dtype, const void *data, const double *values, double resolution)
{
    edx_error err = {0};
    double offset[PLANES], scale[PLANES];
    edx_array array = edx_array_3(dtype, data, PLANES, ROWS, COLS), got;
    edx_wire *wire = edx_wire_new(0);
    edx_pack *from = edx_pack_new(), *to = edx_pack_new();
    const edx_node *map = through(&array, wire, from, to);
    assert_int_equal(edx_node_array(map, "map", &got, &err), EDX_OK);
    assert_int_equal(got.dtype, EDX_U2);
    assert_int_equal(got.ndim, 3);
    assert_memory_equal(got.shape, array.shape, 3 * sizeof *got.shape);
    assert_int_equal(edx_node_floats(edx_map_get(map, "offset"), "offset", offset, PLANES, &err),
                     EDX_OK);
    assert_int_equal(edx_node_floats(edx_map_get(map, "scale"), "scale", scale, PLANES, &err),
                     EDX_OK);
    for (size_t p = 0; p < PLANES; p++)
        check_plane(values + p * PLANE, &got, p, offset[p], scale[p], resolution);
    edx_pack_free(&from);
    edx_pack_free(&to);
    edx_wire_free(&wire);
}

static void error_is_half_a_level(void **state)
{
    (void)state;
    static double values[PLANES * PLANE];
    static float single[PLANES * PLANE];
    fill(values);
    check_error(EDX_F8, values, values, 1e-15);
    for (size_t i = 0; i < PLANES * PLANE; i++) {
        single[i] = (float)values[i];
        values[i] = (double)single[i];
    }
    check_error(EDX_F4, single, values, 1e-15);
}

static void extremes_are_harmless(void **state)
{
    (void)state;
    static double values[PLANE];
    for (int i = 0; i < PLANE; i++)
        values[i] = i % 2 ? 1.7e308 : -1.7e308;
    edx_array array = edx_array_2(EDX_F8, values, ROWS, COLS), got;
    edx_wire *wire = edx_wire_new(0);
    edx_pack *from = edx_pack_new(), *to = edx_pack_new();
    assert_int_equal(edx_node_array(through(&array, wire, from, to), "map", &got, NULL), EDX_OK);
    for (size_t i = 0; i < PLANE; i++)
        assert_true(edx_array_get(&got, i) == (i % 2 ? EDX_QUANTISE_LEVELS : 0));
    edx_pack_free(&from);
    edx_pack_free(&to);
    edx_wire_free(&wire);
}

static void copied(edx_array array)
{
    edx_array got;
    uint64_t n, bytes;
    edx_wire *wire = edx_wire_new(0);
    edx_pack *from = edx_pack_new(), *to = edx_pack_new();
    const edx_node *map = through(&array, wire, from, to);
    assert_null(edx_map_get(map, "scale"));
    assert_int_equal(edx_node_array(map, "map", &got, NULL), EDX_OK);
    assert_int_equal(got.dtype, array.dtype);
    assert_true(edx_array_count(&got, &n, &bytes));
    assert_memory_equal(got.data, array.data, bytes);
    assert_int_equal(edx_pack_size(from), edx_pack_size(to));
    assert_memory_equal(edx_pack_data(from), edx_pack_data(to), edx_pack_size(to));
    edx_pack_free(&from);
    edx_pack_free(&to);
    edx_wire_free(&wire);
}

static void others_are_copied(void **state)
{
    (void)state;
    static double values[PLANE];
    for (int i = 0; i < PLANE; i++)
        values[i] = rand();
    copied(edx_array_1(EDX_F8, values, PLANE));
    copied(edx_array_2(EDX_F4, values, 31, 33)); /* 1023 elements */
    copied(edx_array_2(EDX_U8, values, ROWS, COLS));
    copied(edx_array_2(EDX_I4, values, ROWS, COLS));
}

/* ---- parcels ---- */

static void deflated_where_it_pays(void **state)
{
    (void)state;
    static char same[4000];
    static unsigned char noise[4000];
    edx_deflater *deflater = edx_deflater_new();
    edx_pack *pack = edx_pack_new();
    edx_pack_bin(pack, same, sizeof same);
    edx_parcel *parcel = edx_parcel_wrap(pack, deflater);
    assert_int_equal(parcel->bytes[0], 1);
    assert_true(parcel->size < 100);
    edx_parcel_drop(&parcel);
    parcel = edx_parcel_wrap(pack, NULL);
    assert_int_equal(parcel->bytes[0], 0);
    assert_int_equal(parcel->size, edx_pack_size(pack) + 1);
    edx_parcel_drop(&parcel);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (unsigned char)(rand() >> 8);
    edx_pack_reset(pack);
    edx_pack_bin(pack, noise, sizeof noise);
    parcel = edx_parcel_wrap(pack, deflater);
    assert_int_equal(parcel->bytes[0], 0);
    assert_memory_equal(parcel->bytes + 1, edx_pack_data(pack), edx_pack_size(pack));
    edx_parcel_drop(&parcel);
    edx_pack_free(&pack);
    edx_deflater_free(&deflater);
}

/* ---- the relay ---- */

static edx_parcel *result(edx_result_topic topic, uint64_t serial)
{
    edx_parcel *parcel = edx_parcel_new(8);
    parcel->topic = topic;
    parcel->serial = serial;
    return parcel;
}

/* The serial of what comes next; 0 when nothing does, 1000 for what is no result. */
static uint64_t next(edx_viewer *viewer)
{
    assert_int_equal(edx_viewer_ready(viewer), edx_viewer_ready(viewer));
    bool ready = edx_viewer_ready(viewer);
    edx_parcel *parcel = edx_viewer_next(viewer);
    assert_int_equal(ready, parcel != NULL);
    uint64_t serial = !parcel ? 0 : parcel->topic == EDX_RESULT_TOPICS ? 1000 : parcel->serial;
    edx_parcel_drop(&parcel);
    return serial;
}

static void window_of_one(void **state)
{
    (void)state;
    edx_relay *relay = edx_relay_new();
    edx_relay_publish(relay, result(EDX_MAPS, 1));
    edx_viewer *a = edx_viewer_new(relay), *b = edx_viewer_new(relay);
    assert_int_equal(edx_relay_viewers(relay), 2);
    assert_int_equal(next(a), 1);
    for (uint64_t serial = 2; serial < 10; serial++)
        edx_relay_publish(relay, result(EDX_MAPS, serial));
    assert_int_equal(next(a), 0);
    assert_int_equal(next(b), 9); /* the newest only */
    assert_true(edx_viewer_waits(b));
    assert_false(edx_viewer_acknowledge(a, 9));
    assert_int_equal(next(a), 0);
    assert_true(edx_viewer_acknowledge(a, 1));
    assert_false(edx_viewer_acknowledge(a, 1));
    assert_int_equal(next(a), 9);
    assert_true(edx_viewer_acknowledge(a, 9));
    assert_int_equal(next(a), 0);
    assert_true(edx_viewer_acknowledge(b, 9));
    assert_int_equal(next(b), 0);
    edx_viewer_free(&a);
    assert_int_equal(edx_relay_viewers(relay), 1);
    edx_relay_publish(relay, result(EDX_TREND, 10));
    assert_int_equal(next(b), 10);
    edx_viewer_free(&b);
    edx_relay_free(&relay);
}

static void turns_alarms_and_others(void **state)
{
    (void)state;
    edx_relay *relay = edx_relay_new();
    edx_viewer *v = edx_viewer_new(relay);
    edx_relay_publish(relay, result(EDX_STATUS, 1));
    edx_relay_publish(relay, result(EDX_MAPS, 2));
    edx_relay_publish(relay, result(EDX_ALARM, 3));
    edx_relay_publish(relay, result(EDX_ALARM, 4));
    assert_true(edx_viewer_send(v, edx_parcel_new(1)));
    static const uint64_t order[] = {1000, 3, 4, 1, 2};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        assert_int_equal(next(v), order[i]);
        edx_viewer_acknowledge(v, order[i]);
        edx_relay_publish(relay, result(EDX_STATUS, i < 4 ? 1 : 9)); /* comes all the time */
    }
    edx_viewer_free(&v);
    edx_relay_free(&relay);
}

static void replies_need_no_window(void **state)
{
    (void)state;
    edx_relay *relay = edx_relay_new();
    edx_viewer *v = edx_viewer_new(relay);
    edx_relay_publish(relay, result(EDX_MAPS, 1));
    assert_int_equal(next(v), 1);
    for (int i = 0; i < EDX_VIEWER_OTHERS; i++)
        assert_true(edx_viewer_send(v, edx_parcel_new(1)));
    assert_false(edx_viewer_send(v, edx_parcel_new(1)));
    for (int i = 0; i < EDX_VIEWER_OTHERS; i++)
        assert_int_equal(next(v), 1000);
    assert_int_equal(next(v), 0);
    assert_true(edx_viewer_waits(v));
    edx_viewer_free(&v);
    edx_relay_free(&relay);
}

static void lost_alarms_show(void **state)
{
    (void)state;
    edx_relay *relay = edx_relay_new();
    edx_viewer *v = edx_viewer_new(relay);
    for (uint64_t i = 0; i < EDX_VIEWER_ALARMS; i++)
        edx_relay_publish(relay, result(EDX_ALARM, i + 1));
    assert_false(edx_viewer_overrun(v));
    edx_relay_publish(relay, result(EDX_ALARM, 100));
    assert_true(edx_viewer_overrun(v));
    edx_viewer *late = edx_viewer_new(relay);
    assert_int_equal(next(late), 100);
    edx_relay_forget(relay);
    edx_viewer *later = edx_viewer_new(relay);
    assert_int_equal(next(later), 0);
    edx_viewer_free(&later);
    edx_viewer_free(&late);
    edx_viewer_free(&v);
    edx_relay_free(&relay);
}

/* ---- who may ---- */

static void tokens(void **state)
{
    (void)state;
    edx_token token = {.size = 20}, none = {0};
    memcpy(token.bytes, "abcdefghijklmnopqrst", 20);
    char given[600] = "abcdefghijklmnopqrst";
    assert_true(edx_token_matches(&token, given, 20));
    for (size_t n = 0; n < 600; n++)
        assert_int_equal(edx_token_matches(&token, given, n), n == 20);
    for (size_t i = 0; i < 20; i++) {
        given[i] ^= 1;
        assert_false(edx_token_matches(&token, given, 20));
        given[i] ^= 1;
    }
    assert_false(edx_token_matches(&none, "", 0));
    assert_false(edx_token_matches(&none, "\0", 1));
    assert_false(edx_token_matches(&token, "", 0));
}

/* As a browser would say it. */
static edx_status permitted(const char *cmd, const char *given, const edx_token *token)
{
    edx_error err = {0};
    edx_web_said said;
    edx_wire *wire = edx_wire_new(0);
    edx_pack *pack = edx_pack_new();
    edx_pack_map(pack, given ? 4 : 3);
    edx_pack_text(pack, "type");
    edx_pack_text(pack, "control");
    edx_pack_text(pack, "id");
    edx_pack_uint(pack, 5);
    edx_pack_text(pack, "request");
    edx_pack_map(pack, 1);
    edx_pack_text(pack, "cmd");
    edx_pack_text(pack, cmd);
    if (given) {
        edx_pack_text(pack, "token");
        edx_pack_text(pack, given);
    }
    assert_int_equal(edx_web_hear(wire, edx_pack_data(pack), edx_pack_size(pack), &said, &err),
                     EDX_OK);
    assert_false(said.acknowledges);
    assert_int_equal(said.id, 5);
    edx_status status = edx_web_permit(&said, token, &err);
    edx_pack_free(&pack);
    edx_wire_free(&wire);
    return status;
}

static void commands(void **state)
{
    (void)state;
    static const char *const open[] = {"status", "get",       "profile",
                                       "region", "calibrate", "history"};
    static const char *const closed[] = {"save", "stop", "reset", "set", "Status", "status ", ""};
    edx_token token = {.size = 16}, none = {0};
    memcpy(token.bytes, "0123456789abcdef", 16);
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        assert_int_equal(permitted(open[i], NULL, &none), EDX_OK);
        assert_int_equal(permitted(open[i], "wrong", &token), EDX_OK);
    }
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++) {
        assert_int_equal(permitted(closed[i], NULL, &none), EDX_E_STATE);
        assert_int_equal(permitted(closed[i], "", &none), EDX_E_STATE);
        assert_int_equal(permitted(closed[i], NULL, &token), EDX_E_STATE);
        assert_int_equal(permitted(closed[i], "0123456789abcdeF", &token), EDX_E_STATE);
        assert_int_equal(permitted(closed[i], "0123456789abcdef", &token), EDX_OK);
    }
}

static edx_status token_of(const char *text, size_t n, mode_t mode, edx_token *token)
{
    edx_error err = {0};
    char path[] = "/tmp/edx-token-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), (ssize_t)n);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    edx_status status = edx_token_read(path, token, &err);
    assert_int_equal(status, err.code);
    assert_int_equal(unlink(path), 0);
    return status;
}

static void token_files(void **state)
{
    (void)state;
    edx_token token;
    static const char text[] = "0123456789abcdef\nnot this\n";
    assert_int_equal(token_of(text, sizeof text - 1, 0600, &token), EDX_OK);
    assert_true(edx_token_matches(&token, "0123456789abcdef", 16));
    assert_int_equal(token_of(text, 16, 0400, &token), EDX_OK);
    assert_int_equal(token.size, 16);
    assert_int_equal(token_of(text, 16, 0640, &token), EDX_E_STATE);
    assert_int_equal(token_of(text, 16, 0602, &token), EDX_E_STATE);
    assert_int_equal(token_of(text, 15, 0600, &token), EDX_E_RANGE);
    assert_int_equal(token_of("\n0123456789abcdef", 17, 0600, &token), EDX_E_RANGE);
    assert_int_equal(token.size, 0);
    assert_int_equal(edx_token_read("/tmp", &token, NULL), EDX_E_IO);
    assert_int_equal(edx_token_read("/nowhere/token", &token, NULL), EDX_E_IO);
}

/* ---- names ---- */

static void authorities(void **state)
{
    (void)state;
    edx_authority a;
    static const char *const bad[] = {
        "",        ":80",  "a:",   "a:0",       "a:65536", "a:99999999999", "a:1x", "a b",
        "a/b",     "[::1", "::1",  "[]:1",      "[::1]x",  "a:1:2",         "a@b",  "a,b",
        "[::1%1]", "a\t",  "a:+1", "b\xc3\xa9", "[fe80]:", "a:-1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(edx_authority_parse(bad[i], &a));
    assert_true(edx_authority_parse("LocalHost", &a));
    assert_string_equal(a.name, "localhost");
    assert_int_equal(a.port, 0);
    assert_true(edx_authority_parse("[::FFFF:1.2.3.4]:65535", &a));
    assert_string_equal(a.name, "::ffff:1.2.3.4");
    assert_int_equal(a.port, 65535);
    char longest[EDX_WEB_NAME + 1];
    memset(longest, 'a', EDX_WEB_NAME);
    longest[EDX_WEB_NAME] = '\0';
    assert_false(edx_authority_parse(longest, &a));
    longest[EDX_WEB_NAME - 1] = '\0';
    assert_true(edx_authority_parse(longest, &a));
    assert_true(edx_origin_parse("https://a:443", &a) && a.port == 0);
    assert_true(edx_origin_parse("http://a:443", &a) && a.port == 443);
    assert_false(edx_origin_parse("null", &a));
    assert_false(edx_origin_parse("http://a/", &a));
    assert_false(edx_origin_parse("HTTP://a", &a)); /* browsers write it in lower case */
}

static void which_are_ours(void **state)
{
    (void)state;
    static const char *const extra[] = {"Scope.Lab"};
    static const edx_web_names none = {0}, one = {extra, 1};
    static const struct {
        const edx_web_names *names;
        const char *host, *origin;
        bool ours;
    } rows[] = {{&none, "localhost:5580", NULL, true},
                {&none, "127.0.0.1", "http://127.0.0.1", true},
                {&none, "10.1.2.3:80", "http://10.1.2.3", true}, /* where it arrived */
                {&none, "10.1.2.4", NULL, false},
                {&none, "scope.lab", NULL, false},
                {&one, "SCOPE.lab:1", "http://scope.lab:1", true},
                {&one, "scope.lab.evil", NULL, false},
                {&one, "scope.la", NULL, false},
                {&one, "localhost:5580", "https://scope.lab", true}, /* a proxy changed Host */
                {&none, "localhost:5580", "https://scope.lab", false},
                {&none, "localhost:5580", "http://localhost:5581", false},
                {&none, "localhost:5580", "http://localhost", false},
                {&none, "localhost:5580", "http://127.0.0.1:5580", false},
                {&none, "localhost:5580", "", false},
                {&none, "localhost:5580", "null", false},
                {&none, "", NULL, false},
                {&one, "evil", "http://scope.lab", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (edx_web_is_ours(rows[i].names, "10.1.2.3", rows[i].host, rows[i].origin) !=
            rows[i].ours)
            fail_msg("%s from %s", rows[i].host, rows[i].origin ? rows[i].origin : "nowhere");
}

static void where_to_listen(void **state)
{
    (void)state;
    char addr[EDX_WEB_NAME];
    int port;
    static const char *const bad[] = {
        "",        "5580",          ":5580",      "a:1",        "::1:80",
        "1.2.3:4", "[::1]",         "127.0.0.1:", "1.2.3.4:x",  "[a]:1",
        "[:1",     "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:1 ", "[]:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (edx_listen_parse(bad[i], addr, &port))
            fail_msg("%s", bad[i]);
    assert_true(edx_listen_parse("[::1]:80", addr, &port));
    assert_string_equal(addr, "::1");
    assert_int_equal(port, 80);
    assert_true(edx_listen_parse("localhost:0", addr, &port));
    assert_string_equal(addr, "127.0.0.1");
    assert_int_equal(port, 0);
}

static void paths_of_runs(void **state)
{
    (void)state;
    char acq[EDX_ACQ_SIZE];
    const char *file;
    static const char *const bad[] = {"",
                                      "run",
                                      "run/",
                                      "/cube.hspy",
                                      "../cube.hspy",
                                      ".run/cube.hspy",
                                      "a/b/cube.hspy",
                                      "run/recording.edxr",
                                      "run/cube.hspy/",
                                      "run/../cube.hspy",
                                      "r n/cube.hspy",
                                      "run//cube.hspy",
                                      "\xc3\xa9/cube.hspy",
                                      "run\\cube.hspy"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(edx_run_path_parse(bad[i], acq, &file));
    assert_true(edx_run_path_parse("My_run-1.2/results.h5", acq, &file));
    assert_string_equal(acq, "My_run-1.2");
    assert_string_equal(file, "results.h5");
    char longest[EDX_ACQ_SIZE + 16];
    memset(longest, 'a', EDX_ACQ_SIZE);
    snprintf(longest + EDX_ACQ_SIZE, 16, "/cube.hspy");
    assert_false(edx_run_path_parse(longest, acq, &file));
    assert_true(edx_run_path_parse(longest + 1, acq, &file));
    assert_null(edx_content_type("a.exe"));
    assert_null(edx_content_type("html"));
}

int main(void)
{
    const char *given = getenv("EDX_SEED");
    unsigned seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
    printf("EDX_SEED=%u\n", seed);
    srand(seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(error_is_half_a_level),
                                       cmocka_unit_test(extremes_are_harmless),
                                       cmocka_unit_test(others_are_copied),
                                       cmocka_unit_test(deflated_where_it_pays),
                                       cmocka_unit_test(window_of_one),
                                       cmocka_unit_test(turns_alarms_and_others),
                                       cmocka_unit_test(replies_need_no_window),
                                       cmocka_unit_test(lost_alarms_show),
                                       cmocka_unit_test(tokens),
                                       cmocka_unit_test(commands),
                                       cmocka_unit_test(token_files),
                                       cmocka_unit_test(authorities),
                                       cmocka_unit_test(which_are_ours),
                                       cmocka_unit_test(where_to_listen),
                                       cmocka_unit_test(paths_of_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
