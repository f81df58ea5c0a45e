/* What the monitor's pages choose and say, without a terminal. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/chart.h"
#include "client/choice.h"
#include "client/keys.h"
#include "client/verdict.h"

#define RINGS 4

/* ---- a message of each topic ---- */

static edx_result_head head_of(double t, uint64_t frame)
{
    edx_result_head head = {.frames = frame + 1, .frame = frame, .counts = 1000};
    snprintf(head.head.acq, sizeof head.head.acq, "a");
    head.head.t = t;
    return head;
}

static void give(edx_latest *model, edx_result_topic topic, edx_pack *pack)
{
    edx_error err = {0};
    edx_message *message = edx_message_new(topic, 0, edx_pack_data(pack), edx_pack_size(pack));
    if (edx_latest_take(model, message, &err))
        fail_msg("%s", err.text);
    edx_pack_free(&pack);
}

static void give_status(edx_latest *model)
{
    edx_pack *pack = edx_pack_new();
    edx_status_result status = {.head = head_of(1, 3), .state = EDX_ACQUIRING, .expected = 10};
    for (int i = 0; i < EDX_RESULT_TOPICS; i++)
        status.last[i] = (double)NAN;
    edx_status_write(pack, &status);
    give(model, EDX_STATUS, pack);
}

static void give_forecast(edx_latest *model, double t, uint64_t frame, double needed, int64_t since)
{
    edx_pack *pack = edx_pack_new();
    edx_trend_result trend = {.head = head_of(t, frame)};
    trend.damage.z = 1;
    trend.damage.p = 0.5;
    trend.damage.since_frame = since;
    trend.contamination.z = trend.contamination.p = trend.contamination.since_frame = (double)NAN;
    trend.forecast.target_sigma = 0.01;
    trend.forecast.frames_needed = needed;
    trend.forecast.seconds = 60;
    trend.forecast.delta_frames_needed = trend.forecast.delta_seconds = INFINITY;
    edx_trend_write(pack, &trend);
    give(model, EDX_TREND, pack);
}

static const double r_nm[RINGS] = {0.25, 0.75, 1.25, 1.75};
static const double value[2 * RINGS] = {0.50, 0.50, 0.50, 0.50, 0.50, 0.50, 0.50, 0.50};
static const double truth[2 * RINGS] = {0.40, 0.48, 0.505, 0.60, 0.60, 0.52, 0.495, 0.40};
static const double sigma[2 * RINGS] = {0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01};
static const bool quantified[RINGS] = {true, true, true, false};

static edx_particle particle_of(uint64_t id, double diameter)
{
    edx_particle p = {.id = id, .diameter_nm = diameter, .area_diameter_nm = diameter, .n = 2};
    snprintf(p.elements[0], EDX_SYMBOL_SIZE, "Ag");
    snprintf(p.elements[1], EDX_SYMBOL_SIZE, "Au");
    p.radial.m = RINGS;
    p.radial.r_nm = edx_array_1(EDX_F8, r_nm, RINGS);
    p.radial.quantified = quantified;
    p.radial.fraction = p.radial.pca = edx_array_2(EDX_F8, value, 2, RINGS);
    p.radial.model = edx_array_2(EDX_F8, truth, 2, RINGS);
    p.radial.sigma = p.radial.model_sigma = p.radial.pca_sigma =
        edx_array_2(EDX_F8, sigma, 2, RINGS);
    p.radial.pca_check = (edx_check){.chi2 = 50, .p = 1e-6, .dof = 4};
    p.segregation.delta = p.segregation.sigma = p.segregation.z = (double)NAN;
    return p;
}

/* The second one is the largest. */
static void give_particles(edx_latest *model, size_t count)
{
    const edx_particle particles[] = {particle_of(3, 5), particle_of(8, 9), particle_of(9, 7)};
    const edx_particles_result result = {
        .head = head_of(1, 3), .count = count, .particles = particles};
    edx_pack *pack = edx_pack_new();
    edx_particles_write(pack, &result);
    give(model, EDX_PARTICLES, pack);
}

/* A rank that is larger than m, eigenvalues that are none, components without an axis. */
static void give_components(edx_latest *model)
{
    static const double eigenvalues[3] = {0, -1, NAN}, spectra[2 * 5] = {-1, 2, NAN, 0, 1};
    static const double maps[2 * 6];
    edx_pack *pack = edx_pack_new();
    edx_pca_result pca = {.head = head_of(1, 3), .rank = 9, .noise_edge = (double)NAN};
    pca.eigenvalues = pca.eigenvalues_noise_free = pca.heldout_error =
        edx_array_1(EDX_F8, eigenvalues, 3);
    pca.spectra = edx_array_2(EDX_F8, spectra, 2, 5);
    pca.maps = edx_array_3(EDX_F8, maps, 2, 2, 3);
    pca.explained = edx_array_1(EDX_F8, maps, 2);
    edx_pca_write(pack, &pca);
    give(model, EDX_PCA, pack);
}

/* ---- verdicts ---- */

static void profiles_are_judged_by_their_check(void **state)
{
    char words[EDX_WORDS];
    edx_particle p = particle_of(1, 5);
    (void)state;
    assert_int_equal(edx_verdict_profile(&p, EDX_RAW, words), EDX_TRUSTED);
    assert_int_equal(edx_verdict_profile(&p, EDX_BY_NMF, words), EDX_UNCHECKED);
    assert_int_equal(edx_verdict_profile(&p, EDX_BY_PCA, words), EDX_BIASED);
    /* ring 3 is further off, but under the limit */
    assert_string_equal(words, "biased ▲ +10.0 at.% Ag at 0.2 nm: check not passed, p < 0.001");
    assert_int_equal(edx_verdict_bias(&p, EDX_BY_PCA, 0, 0), 1);
    assert_int_equal(edx_verdict_bias(&p, EDX_BY_PCA, 1, 0), -1);
    assert_int_equal(edx_verdict_bias(&p, EDX_BY_PCA, 0, 2), 0);
    p.radial.pca_check.passed = true;
    p.radial.pca_check.p = 0.25;
    assert_int_equal(edx_verdict_profile(&p, EDX_BY_PCA, words), EDX_TRUSTED);
    assert_string_equal(words, "check passed, p = 0.25");
}

static void segregation_is_said_in_words(void **state)
{
    char words[EDX_WORDS];
    edx_particle p = particle_of(1, 5);
    (void)state;
    assert_false(edx_verdict_segregation(&p, words));
    assert_string_equal(words, "segregation: not enough counts yet");
    snprintf(p.segregation.element, EDX_SYMBOL_SIZE, "Ag");
    p.segregation.delta = -0.0512;
    p.segregation.sigma = 0.0123;
    p.segregation.z = -4.16;
    assert_true(edx_verdict_segregation(&p, words));
    assert_string_equal(words, "core richer in Ag: Δ = -5.1 ± 1.2 at.% (z = -4.2)");
    p.segregation.sigma = 0.0091;
    p.segregation.z = 2.9;
    assert_false(edx_verdict_segregation(&p, words));
    assert_string_equal(words, "no segregation shown: ΔAg = -5.12 ± 0.91 at.% (z = 2.9)");
}

static void assert_forecast(const edx_latest *model, bool delta, bool stale, const char *expected)
{
    char words[EDX_WORDS];
    edx_forecast next = edx_verdict_forecast(model, delta, stale);
    edx_forecast_text(&next, words);
    assert_string_equal(words, expected);
}

static void a_forecast_is_an_interval(void **state)
{
    edx_latest *model = edx_latest_new();
    (void)state;
    assert_forecast(model, false, false, "–");
    give_forecast(model, 1, 15, 100, -1);
    /* 100 / sqrt(16) / 2 = 12.5 on both sides; round(71.5) is 72, round(96.5) is 97 */
    assert_forecast(model, false, false, "72 to 97 frames");
    assert_forecast(model, true, false, "not reachable");
    assert_forecast(model, false, true, "– (stale)");
    /* what was forecast before widens it, a repeat of the message does not count */
    give_forecast(model, 2, 24, 140, -1);
    give_forecast(model, 2, 24, 140, -1);
    assert_forecast(model, false, false, "75 to 129 frames");
    give_forecast(model, 3, 24, 20, -1);
    assert_forecast(model, false, false, "reached");
    give_forecast(model, 4, 24, 140, 12);
    assert_forecast(model, false, false, "withheld");
    edx_latest_free(&model);
}

/* ---- choices ---- */

static void particles_keep_their_identity(void **state)
{
    edx_latest *model = edx_latest_new();
    edx_view view = {.page = EDX_PAGE_PARTICLES};
    (void)state;
    assert_null(edx_choice_particle(&view, model));
    give_particles(model, 3);
    assert_int_equal(edx_choice_particle(&view, model)->id, 8);
    edx_view_key(&view, model, '3');
    assert_int_equal(edx_choice_particle(&view, model)->id, 9);
    edx_view_key(&view, model, EDX_KEY_DOWN);
    assert_int_equal(edx_choice_particle(&view, model)->id, 3);
    give_particles(model, 2);
    assert_int_equal(edx_choice_particle(&view, model)->id, 3);
    view.particle = 9; /* gone: the largest */
    assert_int_equal(edx_choice_particle(&view, model)->id, 8);
    edx_latest_free(&model);
}

static void sources_without_numbers_are_passed_over(void **state)
{
    edx_latest *model = edx_latest_new();
    edx_view view = {.page = EDX_PAGE_PARTICLES, .source = EDX_DENOISED};
    (void)state;
    give_particles(model, 1);
    assert_int_equal(edx_choice_source(&view, model), EDX_MODEL);
    edx_view_key(&view, model, 's');
    assert_int_equal(edx_choice_source(&view, model), EDX_BY_PCA);
    edx_view_key(&view, model, 's');
    assert_int_equal(edx_choice_source(&view, model), EDX_RAW);
    edx_latest_free(&model);
}

static void points_stay_inside(void **state)
{
    edx_latest *model = edx_latest_new();
    edx_view view = {.page = EDX_PAGE_PARTICLES};
    (void)state;
    edx_view_key(&view, model, EDX_KEY_RIGHT);
    give_particles(model, 1);
    for (int i = 0; i < 9; i++)
        edx_view_key(&view, model, EDX_KEY_RIGHT);
    assert_int_equal(edx_choice_point(&view, model), RINGS - 1);
    for (int i = 0; i < 9; i++)
        edx_view_key(&view, model, EDX_KEY_LEFT);
    assert_int_equal(edx_choice_point(&view, model), 0);
    edx_view_key(&view, model, EDX_KEY_BACKTAB);
    assert_int_equal(view.page, EDX_PAGE_MAPS);
    edx_view_key(&view, model, EDX_KEY_BACKTAB);
    assert_int_equal(view.page, EDX_PAGE_SCREE);
    edx_view_key(&view, model, '2');
    assert_int_equal(view.page, EDX_PAGE_MAPS);
    assert_int_equal(view.selected, 1);
    edx_latest_free(&model);
}

/* ---- charts ---- */

static void values_have_their_cells(void **state)
{
    const double x[2] = {0, 10}, y[2] = {0, 4};
    edx_canvas *canvas = edx_canvas_new(9, EDX_CHART_MARGIN + 11, EDX_MONO);
    edx_chart chart = edx_chart_fit(canvas, (edx_area){0, 0, 9, EDX_CHART_MARGIN + 11}, x, y);
    (void)state;
    assert_int_equal(edx_chart_col(&chart, 0), EDX_CHART_MARGIN);
    assert_int_equal(edx_chart_col(&chart, 10), EDX_CHART_MARGIN + 10);
    assert_int_equal(edx_chart_col(&chart, 10.1), -1);
    assert_int_equal(edx_chart_col(&chart, (double)NAN), -1);
    assert_true(edx_chart_depth(&chart, 4) == 0 && edx_chart_depth(&chart, 1) == 6);
    /* 8 rows for 4 units: one sigma of 0.5 is a row, heavy, three are light */
    edx_chart_bar(&chart, 8, 2, 0.5, EDX_TEXT);
    static const uint32_t bar[8] = {' ', 0x2502, 0x2502, 0x2503, 0x2503, 0x2502, 0x2502, ' '};
    for (int row = 0; row < 8; row++)
        assert_int_equal(edx_canvas_at(canvas, row, 8)->glyph, bar[row]);
    edx_chart_bar(&chart, 9, (double)NAN, 1, EDX_TEXT);
    edx_chart_point(&chart, 9, 4.5, 'x', EDX_TEXT);
    for (int row = 0; row < 9; row++)
        assert_int_equal(edx_canvas_at(canvas, row, 9)->glyph, ' ');
    edx_canvas_free(&canvas);
}

static void words_are_folded_at_blanks(void **state)
{
    (void)state;
    assert_int_equal(edx_text_fold("two words", 7), 3);
    assert_int_equal(edx_text_fold("two words", 9), 9);
    assert_int_equal(edx_text_fold("two words", 3), 3);
    assert_int_equal(edx_text_fold("unbroken", 5), 5);
    assert_int_equal(edx_text_fold("±±±", 2), 4);
    assert_int_equal(edx_text_fold("", 5), 0);
}

/* ---- any message, any size ---- */

static void draw_all(const edx_latest *model)
{
    for (int page = 0; page < EDX_PAGES; page++)
        for (int depth = EDX_MONO; depth <= EDX_TRUECOLOUR; depth++)
            for (int size = 0; size < 30; size++) {
                edx_view view = {.endpoint = "here", .page = (edx_page)page, .help = size % 7 == 6};
                edx_canvas *canvas = edx_canvas_new(20 + 2 * size, 75 + 5 * size, (edx_depth)depth);
                view.source = (edx_estimator)(size % EDX_ESTIMATORS);
                view.measure = (edx_measure)(size % EDX_MEASURES);
                edx_view_draw(&view, model, canvas);
                edx_canvas_free(&canvas);
            }
}

static void odd_messages_are_drawn(void **state)
{
    edx_latest *model = edx_latest_new();
    (void)state;
    draw_all(model);
    give_status(model);
    give_particles(model, 0);
    give_components(model);
    give_forecast(model, 1, 0, (double)NAN, -1);
    draw_all(model);
    give_particles(model, 3);
    give_forecast(model, 2, 3, INFINITY, 2);
    draw_all(model);
    edx_latest_free(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_are_judged_by_their_check),
        cmocka_unit_test(segregation_is_said_in_words),
        cmocka_unit_test(a_forecast_is_an_interval),
        cmocka_unit_test(particles_keep_their_identity),
        cmocka_unit_test(sources_without_numbers_are_passed_over),
        cmocka_unit_test(points_stay_inside),
        cmocka_unit_test(values_have_their_cells),
        cmocka_unit_test(words_are_folded_at_blanks),
        cmocka_unit_test(odd_messages_are_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
