/* What the monitor shows, without a terminal: messages in, cells out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/choice.h"
#include "client/keys.h"
#include "client/latest.h"
#include "client/plot.h"
#include "client/spectrum.h"
#include "client/view.h"

#define ROWS 8
#define COLS 12

/* ---- messages ---- */

static edx_result_head head_of(const char *acq, double t, uint64_t frame)
{
    edx_result_head head = {.frames = frame + 1, .frame = frame, .counts = 1000 * (frame + 1)};
    snprintf(head.head.acq, sizeof head.head.acq, "%s", acq);
    head.head.t = t;
    return head;
}

static void give(edx_latest *model, edx_result_topic topic, edx_pack *pack, double arrival)
{
    edx_error err = {0};
    edx_message *message =
        edx_message_new(topic, arrival, edx_pack_data(pack), edx_pack_size(pack));
    if (edx_latest_take(model, message, &err))
        fail_msg("%s", err.text);
    edx_pack_free(&pack);
}

static void give_status(edx_latest *model, const char *acq, double t, uint64_t frame, double maps_t,
                        double arrival)
{
    edx_pack *pack = edx_pack_new();
    edx_status_result status = {.head = head_of(acq, t, frame),
                                .state = EDX_ACQUIRING,
                                .expected = 10,
                                .rate_cps = 1234,
                                .drift_nm = {3, 4}};
    for (int i = 0; i < EDX_RESULT_TOPICS; i++)
        status.last[i] = i == EDX_MAPS ? maps_t : (double)NAN;
    edx_status_write(pack, &status);
    give(model, EDX_STATUS, pack, arrival);
}

static void fill_maps(edx_maps_result *maps, float *values, float *sigma)
{
    for (int i = 0; i < 2 * ROWS * COLS; i++) {
        values[i] = (float)(i % (ROWS * COLS));
        sigma[i] = 0.25f * values[i];
    }
    values[0] = NAN;
    maps->n = 2;
    snprintf(maps->lines[0], EDX_LINE_SIZE, "Ag_La");
    snprintf(maps->lines[1], EDX_LINE_SIZE, "Au_Ma");
    snprintf(maps->elements[0], EDX_SYMBOL_SIZE, "Ag");
    snprintf(maps->elements[1], EDX_SYMBOL_SIZE, "Au");
    maps->step_nm[0] = maps->step_nm[1] = 0.5;
    maps->intensity = maps->atomic_fraction = edx_array_3(EDX_F4, values, 2, ROWS, COLS);
    maps->sigma = maps->fraction_sigma = edx_array_3(EDX_F4, sigma, 2, ROWS, COLS);
}

/* Pixel i of both lines holds i, its sigma i / 4; the first of Ag is missing. */
static void give_maps(edx_latest *model, const char *acq, double t, uint64_t frame)
{
    static float values[2 * ROWS * COLS], sigma[2 * ROWS * COLS];
    edx_maps_result *maps = calloc(1, sizeof *maps);
    edx_pack *pack = edx_pack_new();
    maps->head = head_of(acq, t, frame);
    fill_maps(maps, values, sigma);
    edx_maps_write(pack, maps);
    give(model, EDX_MAPS, pack, t);
    free(maps);
}

static void give_alarm(edx_latest *model, const char *kind, int64_t since, bool active)
{
    edx_pack *pack = edx_pack_new();
    edx_alarm alarm = {.severity = "warning", .since_frame = since, .active = active};
    edx_alarm_result result = {.head = head_of("a", 1, 1), .count = kind ? 1 : 0, .alarms = &alarm};
    if (kind)
        snprintf(alarm.kind, sizeof alarm.kind, "%s", kind);
    snprintf(alarm.message, sizeof alarm.message, "something");
    edx_alarm_write(pack, &result);
    give(model, EDX_ALARM, pack, 0);
}

/* ---- the model ---- */

static void results_of_old_acquisitions_go(void **state)
{
    edx_latest *model = edx_latest_new();
    (void)state;
    give_status(model, "a", 100, 3, 99, 0);
    give_maps(model, "a", 99, 3);
    assert_non_null(edx_latest_get(model, EDX_MAPS));
    /* newer results of the next acquisition may come before its first status */
    give_maps(model, "b", 101, 0);
    assert_non_null(edx_latest_get(model, EDX_MAPS));
    give_status(model, "b", 102, 0, 101, 0);
    assert_non_null(edx_latest_get(model, EDX_MAPS));
    /* a late repeat of the last acquisition is not shown */
    give_maps(model, "a", 99, 3);
    assert_null(edx_latest_get(model, EDX_MAPS));
    edx_latest_free(&model);
}

static void a_bad_message_changes_nothing(void **state)
{
    edx_latest *model = edx_latest_new();
    edx_error err = {0};
    (void)state;
    give_status(model, "a", 100, 3, NAN, 0);
    edx_message *message = edx_message_new(EDX_STATUS, 1, "\xc1", 1);
    assert_int_not_equal(edx_latest_take(model, message, &err), EDX_OK);
    assert_true(err.text[0]);
    assert_int_equal(edx_result_head_of(edx_latest_get(model, EDX_STATUS))->frame, 3);
    edx_latest_free(&model);
}

static void alarms_stay_until_acknowledged(void **state)
{
    size_t n;
    edx_latest *model = edx_latest_new();
    (void)state;
    give_alarm(model, "loss", 12, true);
    assert_true(edx_latest_rang(model));
    assert_false(edx_latest_rang(model));
    give_alarm(model, "loss", 12, true);
    assert_false(edx_latest_rang(model));
    give_alarm(model, NULL, 0, false);
    assert_false(edx_latest_alarms(model, &n)[0].alarm.active);
    assert_int_equal(n, 1);
    edx_latest_acknowledge(model);
    edx_latest_alarms(model, &n);
    assert_int_equal(n, 0);
    give_alarm(model, "loss", 20, true);
    assert_true(edx_latest_rang(model));
    edx_latest_acknowledge(model);
    assert_true(edx_latest_alarms(model, &n)[0].acknowledged);
    assert_int_equal(n, 1);
    give_alarm(model, "drift", 21, false);
    edx_latest_alarms(model, &n);
    assert_int_equal(n, 0);
    edx_latest_free(&model);
}

static void history_replaces_and_gives_back(void **state)
{
    edx_latest *model = edx_latest_new();
    edx_pack *body = edx_pack_new(), *reply = edx_pack_new();
    edx_wire *wire = edx_wire_new(0);
    const edx_node *root;
    edx_error err = {0};
    edx_status_result past = {.head = head_of("a", 50, 1)};
    (void)state;
    give_status(model, "a", 100, 3, NAN, 0);
    edx_status_write(body, &past);
    edx_wire_parse(wire, edx_pack_data(body), edx_pack_size(body), &root, &err);
    edx_pack_map(reply, 2);
    edx_pack_text(reply, "ok");
    edx_pack_bool(reply, true);
    edx_pack_text(reply, "message");
    edx_pack_node(reply, root);
    edx_message *message =
        edx_message_new(EDX_RESULT_TOPICS, 0, edx_pack_data(reply), edx_pack_size(reply));
    assert_int_equal(edx_latest_past(model, EDX_STATUS, message, &err), EDX_OK);
    assert_int_equal(edx_result_head_of(edx_latest_get(model, EDX_STATUS))->frame, 1);
    edx_latest_present(model);
    assert_int_equal(edx_result_head_of(edx_latest_get(model, EDX_STATUS))->frame, 3);
    message = edx_message_new(EDX_RESULT_TOPICS, 0,
                              "\x82\xa2ok\xc2\xa5"
                              "error\xa3why",
                              15);
    assert_int_equal(edx_latest_past(model, EDX_STATUS, message, &err), EDX_E_STATE);
    assert_string_equal(err.text, "why");
    edx_pack_free(&body);
    edx_pack_free(&reply);
    edx_wire_free(&wire);
    edx_latest_free(&model);
}

/* ---- pictures ---- */

static void pictures_hold_the_published_numbers(void **state)
{
    edx_latest *model = edx_latest_new();
    (void)state;
    assert_int_equal(edx_picture_count(model), 2);
    give_maps(model, "a", 1, 3);
    assert_int_equal(edx_picture_count(model), 6);
    edx_picture line = edx_picture_get(model, 3), fraction = edx_picture_get(model, 4);
    assert_string_equal(line.name, "Au_Ma");
    assert_true(edx_picture_at(&line, EDX_VALUE, 2, 5) == 2 * COLS + 5);
    assert_true(edx_picture_at(&line, EDX_SIGMA, 2, 5) == 0.25 * (2 * COLS + 5));
    assert_true(edx_picture_at(&line, EDX_SNR, 2, 5) == 4);
    assert_string_equal(fraction.name, "Ag at.%");
    assert_true(edx_picture_at(&fraction, EDX_VALUE, 2, 5) == 100 * (2 * COLS + 5));
    for (int measure = 0; measure < EDX_MEASURES; measure++)
        assert_true(isnan(edx_picture_at(&fraction, (edx_measure)measure, 0, 0)));
    assert_int_equal(edx_picture_get(model, 0).rows, 0);
    edx_latest_free(&model);
}

static void a_few_odd_pixels_do_not_set_the_range(void **state)
{
    static double values[100 * 100];
    double range[2];
    (void)state;
    for (int i = 0; i < 100 * 100; i++)
        values[i] = i % 101;
    values[17] = 1e9;
    values[5000] = -1e9;
    values[3] = NAN;
    edx_picture picture = {
        .values = edx_array_2(EDX_F8, values, 100, 100), .rows = 100, .cols = 100, .factor = 1};
    edx_picture_range(&picture, EDX_VALUE, range);
    /* numpy.percentile of the same: 1 and 99 to 100 */
    assert_true(range[0] >= 0 && range[0] <= 1);
    assert_true(range[1] >= 99 && range[1] <= 100);
}

static void means_leave_gaps_out(void **state)
{
    static double values[4] = {1, NAN, 5, 6};
    const uint64_t from[2] = {0, 0}, to[2] = {2, 2}, narrow[2] = {1, 2};
    edx_picture picture = {
        .values = edx_array_2(EDX_F8, values, 2, 2), .rows = 2, .cols = 2, .factor = 1};
    (void)state;
    assert_true(edx_picture_mean(&picture, EDX_VALUE, from, to) == 4);
    assert_true(isnan(edx_picture_mean(&picture, EDX_VALUE, from, narrow)));
}

static void maps_keep_their_aspect(void **state)
{
    static const double values[10 * 50];
    edx_picture picture = {.values = edx_array_2(EDX_F8, values, 10, 50),
                           .rows = 10,
                           .cols = 50,
                           .factor = 1,
                           .step_nm = {1, 1}};
    (void)state;
    edx_map map = edx_map_fit(&picture, EDX_VALUE, (edx_area){0, 0, 18, 56}, EDX_TRUECOLOUR);
    assert_int_equal(map.area.cols, 50);
    assert_int_equal(map.area.rows, 5);
    assert_int_equal(map.samples, 10);
    picture.step_nm[0] = 3;
    map = edx_map_fit(&picture, EDX_VALUE, (edx_area){0, 0, 18, 56}, EDX_TRUECOLOUR);
    assert_int_equal(map.area.cols, 50);
    assert_int_equal(map.samples, 30);
    map = edx_map_fit(&picture, EDX_VALUE, (edx_area){0, 0, 5, 20}, EDX_MONO);
    assert_true(map.area.cols <= 20 && map.area.rows <= 5);
}

/* Every depth shows the order of values, and what is missing as nothing that a value looks like. */
static void missing_is_never_the_lowest_colour(void **state)
{
    static const double values[] = {NAN, NAN, 1, 2, NAN, NAN, 1, 2};
    edx_picture picture = {
        .values = edx_array_2(EDX_F8, values, 2, 4), .rows = 2, .cols = 4, .factor = 1};
    (void)state;
    for (int depth = EDX_MONO; depth <= EDX_TRUECOLOUR; depth++) {
        edx_canvas *canvas = edx_canvas_new(1, 4, (edx_depth)depth);
        edx_map map = edx_map_fit(&picture, EDX_VALUE, (edx_area){0, 0, 1, 4}, (edx_depth)depth);
        edx_map_draw(&map, canvas);
        uint32_t hatch = depth == EDX_MONO ? '/' : EDX_GLYPH_MISSING;
        assert_int_equal(canvas->cells[1].glyph, hatch);
        assert_int_equal(canvas->cells[1].bg, EDX_COLOUR_DEFAULT);
        assert_int_not_equal(canvas->cells[2].glyph, hatch);
        assert_true(canvas->cells[2].glyph != canvas->cells[3].glyph ||
                    canvas->cells[2].fg != canvas->cells[3].fg);
        edx_canvas_free(&canvas);
    }
}

/* The strobe peak of an axis that starts below 0 would dwarf every line. */
static void the_strobe_peak_is_left_out(void **state)
{
    static uint64_t sum[64];
    edx_spectrum_result spectrum = {
        .offset_eV = -200, .scale_eV = 50, .sum = edx_array_1(EDX_U8, sum, 64)};
    edx_canvas *canvas = edx_canvas_new(6, 64, EDX_MONO);
    edx_bytes bytes = {0};
    (void)state;
    sum[4] = 1000000; /* 0 eV */
    sum[40] = 321;    /* 1800 eV */
    edx_spectrum_draw(&spectrum, canvas, (edx_area){0, 0, 6, 64});
    edx_canvas_lines(canvas, &bytes);
    assert_non_null(strstr(bytes.data, "to 321 counts a channel"));
    assert_int_equal(canvas->cells[64 + (64 * (40 - 6) + 57) / 58].glyph, 0x2588);
    edx_bytes_free(&bytes);
    edx_canvas_free(&canvas);
}

/* ---- the view ---- */

/* The picture as text. */
static char *drawn(const edx_view *view, const edx_latest *model, int rows, int cols)
{
    edx_canvas *canvas = edx_canvas_new(rows, cols, EDX_MONO);
    edx_bytes bytes = {0};
    edx_view_draw(view, model, canvas);
    edx_canvas_lines(canvas, &bytes);
    edx_canvas_free(&canvas);
    return bytes.data;
}

static void assert_shows(const edx_view *view, const edx_latest *model, const char *text,
                         bool shown)
{
    char *picture = drawn(view, model, 24, 80);
    if ((strstr(picture, text) != NULL) != shown)
        fail_msg("%s\n%s \"%s\"", picture, shown ? "expected" : "not expected", text);
    free(picture);
}

static void stale_is_said_within_two_seconds(void **state)
{
    edx_view view = {.endpoint = "here", .now = 1001.9};
    edx_latest *model = edx_latest_new();
    (void)state;
    assert_shows(&view, model, "waiting for edxd at here", true);
    give_status(model, "a", 100, 3, 99, 1000);
    give_maps(model, "a", 99, 3);
    assert_shows(&view, model, "STALE", false);
    view.now = 1007.5;
    assert_shows(&view, model, "STALE 7 s", true);
    /* the status is fresh, but what it names did not come */
    view.now = 1000;
    view.chosen = true;
    view.selected = 2;
    give_status(model, "a", 105, 9, 104, 1000);
    assert_shows(&view, model, "STALE 5 s", true);
    view.frozen = true;
    assert_shows(&view, model, "FROZEN", true);
    edx_latest_free(&model);
}

static void the_readout_follows_the_cursor(void **state)
{
    edx_view view = {.endpoint = "here", .chosen = true, .selected = 5};
    edx_latest *model = edx_latest_new();
    (void)state;
    give_status(model, "a", 100, 3, 99, 0);
    give_maps(model, "a", 99, 3);
    assert_shows(&view, model, "y 4 x 6  Au at.%: 5400 ± 1350 at.%", true);
    edx_view_key(&view, model, EDX_KEY_UP);
    edx_view_key(&view, model, EDX_KEY_RIGHT);
    assert_shows(&view, model, "y 3 x 7  Au at.%: 4300 ± 1075 at.%", true);
    for (int i = 0; i < 20; i++)
        edx_view_key(&view, model, i < 10 ? EDX_KEY_UP : EDX_KEY_LEFT);
    edx_view_key(&view, model, '5');
    assert_shows(&view, model, "y 0 x 0  Ag at.%: missing", true);
    edx_latest_free(&model);
}

static void keys_choose_what_is_shown(void **state)
{
    edx_view view = {.endpoint = "here", .chosen = true};
    edx_latest *model = edx_latest_new();
    (void)state;
    give_maps(model, "a", 99, 3);
    edx_view_key(&view, model, 'p');
    assert_int_equal(view.selected, 5);
    edx_view_key(&view, model, 'n');
    assert_int_equal(view.selected, 0);
    edx_view_key(&view, model, '9');
    assert_int_equal(view.selected, 0);
    edx_view_key(&view, model, '4');
    assert_int_equal(view.selected, 3);
    for (int i = 1; i <= EDX_MEASURES; i++) {
        edx_view_key(&view, model, 'u');
        assert_int_equal(view.measure, i % EDX_MEASURES);
    }
    edx_view_key(&view, model, ' ');
    assert_true(view.frozen);
    assert_int_equal(edx_view_key(&view, model, 'q'), EDX_ACT_QUIT);
    assert_int_equal(edx_view_key(&view, model, 'a'), EDX_ACT_ACKNOWLEDGE);
    assert_int_equal(edx_view_key(&view, model, '['), EDX_ACT_EARLIER);
    assert_int_equal(edx_view_key(&view, model, ']'), EDX_ACT_LATER);
    edx_latest_free(&model);
}

/* No spectrum, so neither HAADF nor total: the first line is shown until somebody chooses. */
static void what_is_there_is_shown_first(void **state)
{
    edx_view view = {.endpoint = "here"};
    edx_latest *model = edx_latest_new();
    (void)state;
    assert_shows(&view, model, "not published yet", true);
    give_maps(model, "a", 99, 3);
    assert_shows(&view, model, "y 4 x 6  Ag_La: 54", true);
    assert_shows(&view, model, "not published yet", false);
    edx_view_key(&view, model, 'n');
    assert_int_equal(view.selected, 3);
    edx_view_key(&view, model, '1');
    assert_shows(&view, model, "not published yet", true);
    edx_latest_free(&model);
}

/* Any size is drawn without a step beside the canvas (with sanitizers), small ones say so. */
static void every_size_is_drawn(void **state)
{
    edx_latest *model = edx_latest_new();
    edx_view view = {.endpoint = "here", .chosen = true, .selected = 4, .help = true};
    (void)state;
    give_status(model, "a", 100, 3, 99, 0);
    give_maps(model, "a", 99, 3);
    give_alarm(model, "loss", 1, true);
    for (int rows = 1; rows < 70; rows += 3)
        for (int cols = 1; cols < 250; cols += 7) {
            char *picture = drawn(&view, model, rows, cols);
            assert_true(strstr(picture, "small") == NULL || rows < 24 || cols < 80);
            free(picture);
        }
    char *small = drawn(&view, model, 20, 60);
    assert_non_null(strstr(small, "60 x 20 is too small\n80 x 24 is needed\n"));
    free(small);
    edx_latest_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_of_old_acquisitions_go),
        cmocka_unit_test(a_bad_message_changes_nothing),
        cmocka_unit_test(alarms_stay_until_acknowledged),
        cmocka_unit_test(history_replaces_and_gives_back),
        cmocka_unit_test(pictures_hold_the_published_numbers),
        cmocka_unit_test(a_few_odd_pixels_do_not_set_the_range),
        cmocka_unit_test(means_leave_gaps_out),
        cmocka_unit_test(maps_keep_their_aspect),
        cmocka_unit_test(missing_is_never_the_lowest_colour),
        cmocka_unit_test(the_strobe_peak_is_left_out),
        cmocka_unit_test(stale_is_said_within_two_seconds),
        cmocka_unit_test(the_readout_follows_the_cursor),
        cmocka_unit_test(keys_choose_what_is_shown),
        cmocka_unit_test(what_is_there_is_shown_first),
        cmocka_unit_test(every_size_is_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
