/* What the clients are made of: values typed and printed, JSON, requests and replies, numbers,
 * colours, the grid of cells and its way to a terminal. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "client/canvas.h"
#include "client/json.h"
#include "client/message.h"
#include "client/number.h"
#include "client/request.h"
#include "client/value.h"

/* ---- values ---- */

/* The value of text as JSON, or the error's text. */
static void value_as_json(const char *text, char *out, size_t size)
{
    edx_error err = {0};
    edx_pack *pack = edx_pack_new();
    edx_wire *wire = edx_wire_new(0);
    const edx_node *root;
    char *line = NULL;
    if (edx_value_parse(text, pack, &err)) {
        snprintf(out, size, "%s", err.text);
    } else {
        assert_int_equal(
            edx_wire_parse(wire, edx_pack_data(pack), edx_pack_size(pack), &root, &err), EDX_OK);
        assert_int_equal(edx_json_line(NULL, root, &line, &err), EDX_OK);
        snprintf(out, size, "%s", line);
    }
    free(line);
    edx_wire_free(&wire);
    edx_pack_free(&pack);
}

static void values_are_read(void **state)
{
    static const char *const pairs[][2] = {
        {"12", "12"},
        {" -7 ", "-7"},
        {"0x1F", "31"},
        {"10L", "10"},
        {"18446744073709551615", "1.8446744073709552e19"},
        {"1.75", "1.75"},
        {"-.5e1", "-5.0"},
        {"true", "true"},
        {"False", "false"},
        {"auto", "\"auto\""},
        {"nan", "\"nan\""},
        {"2024-11-05", "\"2024-11-05\""},
        {"tcp://127.0.0.1:5555", "\"tcp://127.0.0.1:5555\""},
        {"two words", "\"two words\""},
        {"\"12\"", "\"12\""},
        {"\"a\\\"b\\n\"", "\"a\\\"b\\n\""},
        {"()", "[]"},
        {"(1, 2.5)", "[1,2.5]"},
        {"[ 1,2, ]", "[1,2]"},
        {"{}", "{}"},
        {"{rank = 4; max_rank = 16;}", "{\"rank\":4,\"max_rank\":16}"},
        {"{\"rank\": 4, \"on\": true}", "{\"rank\":4,\"on\":true}"},
        {"({line=\"Fe_Ka\"; k=1.25;},{line=Pt_La; window_eV=(9000,9800)})",
         "[{\"line\":\"Fe_Ka\",\"k\":1.25},{\"line\":\"Pt_La\",\"window_eV\":[9000,9800]}]"},
        {"((1, 2), (3, (4)))", "[[1,2],[3,[4]]]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char got[512];
        value_as_json(pairs[i][0], got, sizeof got);
        assert_string_equal(got, pairs[i][1]);
    }
}

static void bad_values_say_where(void **state)
{
    static const char *const pairs[][2] = {
        {"",
         "position 1: text ends, expected a value: number, true, false, \"text\", word, ( [ or {"},
        {"(1, 2", "position 6: text ends, expected ',' or ')'"},
        {"(1 2)", "position 4: '2', expected ',' or ')'"},
        {"[1)", "position 3: ')', expected ',' or ']'"},
        {"{a 1}", "position 4: '1', expected '=' after the key"},
        {"{a = 1 b = 2}", "position 8: 'b', expected ';' or '}'"},
        {"{= 1}", "position 2: '=', expected a key or '}'"},
        {"{a = ;}",
         "position 6: ';', expected a value: number, true, false, \"text\", word, ( [ or {"},
        {"\"open", "position 6: text ends, expected a closing \""},
        {"\"\\q\"", "position 3: 'q', expected one of \" \\ / n r t f after a backslash"},
        {"(1) 2", "position 5: '2', expected the end of the value"},
        {"((((((((((((((((((1))))))))))))))))))",
         "position 17: '(', expected lists and groups nested at most 16 deep"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char got[512];
        value_as_json(pairs[i][0], got, sizeof got);
        assert_string_equal(got, pairs[i][1]);
    }
}

/* What is printed is read again as the same. */
static void values_print_as_they_are_typed(void **state)
{
    static const char *const texts[] = {"12",
                                        "-7",
                                        "0.1",
                                        "1e300",
                                        "3.0",
                                        "true",
                                        "\"a \\\"b\\\" \\\\ c\"",
                                        "(1, (2.5, \"x\"), ())",
                                        "{a = {b = (1, 2); c = {};}; d = -1.25;}"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *printed = NULL, first[512], second[512];
        size_t n = 0;
        edx_pack *pack = edx_pack_new();
        edx_wire *wire = edx_wire_new(0);
        const edx_node *root;
        FILE *to = open_memstream(&printed, &n);
        assert_int_equal(edx_value_parse(texts[i], pack, NULL), EDX_OK);
        assert_int_equal(
            edx_wire_parse(wire, edx_pack_data(pack), edx_pack_size(pack), &root, NULL), EDX_OK);
        edx_value_print(to, root, 0);
        fclose(to);
        value_as_json(texts[i], first, sizeof first);
        value_as_json(printed, second, sizeof second);
        assert_string_equal(first, second);
        free(printed);
        edx_wire_free(&wire);
        edx_pack_free(&pack);
    }
}

/* Whatever is typed ends in a value or an error, never in a crash (with sanitizers). */
static void any_text_is_survived(void **state)
{
    static const char letters[] = "(){}[],;=:\"\\ a1.-x\n";
    unsigned seed = (unsigned)time(NULL);
    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    for (int trial = 0; trial < 20000; trial++) {
        char text[24];
        size_t n = (size_t)rand() % sizeof text;
        edx_error err = {0};
        edx_pack *pack = edx_pack_new();
        for (size_t i = 0; i < n; i++)
            text[i] = letters[(size_t)rand() % (sizeof letters - 1)];
        text[n < sizeof text ? n : sizeof text - 1] = '\0';
        edx_status status = edx_value_parse(text, pack, &err);
        assert_true(status == EDX_OK || (status == EDX_E_SYNTAX && err.text[0]));
        if (!status) {
            edx_wire *wire = edx_wire_new(0);
            const edx_node *root;
            assert_int_equal(
                edx_wire_parse(wire, edx_pack_data(pack), edx_pack_size(pack), &root, &err),
                EDX_OK);
            edx_wire_free(&wire);
        }
        edx_pack_free(&pack);
    }
}

/* ---- JSON ---- */

static void json_shows_arrays_and_gaps(void **state)
{
    static const float values[] = {1.5f, NAN, -2, INFINITY, 0, 4};
    static const uint64_t big[] = {0, 9007199254740991u};
    edx_array f = edx_array_3(EDX_F4, values, 1, 2, 3), u = edx_array_1(EDX_U8, big, 2);
    edx_array none = edx_array_1(EDX_F8, NULL, 0);
    edx_pack *pack = edx_pack_new();
    edx_wire *wire = edx_wire_new(0);
    const edx_node *root;
    char *line;
    (void)state;
    edx_pack_map(pack, 6);
    edx_pack_text(pack, "f");
    edx_pack_array(pack, &f);
    edx_pack_text(pack, "u");
    edx_pack_array(pack, &u);
    edx_pack_text(pack, "none");
    edx_pack_array(pack, &none);
    edx_pack_text(pack, "nan");
    edx_pack_float(pack, NAN);
    edx_pack_text(pack, "bytes");
    edx_pack_bin(pack, "\x00\xff\x10\x80", 4);
    edx_pack_text(pack, "nil");
    edx_pack_nil(pack);
    assert_int_equal(edx_wire_parse(wire, edx_pack_data(pack), edx_pack_size(pack), &root, NULL),
                     EDX_OK);
    assert_int_equal(edx_json_line("edx.maps", root, &line, NULL), EDX_OK);
    assert_string_equal(line, "{\"topic\":\"edx.maps\",\"f\":[[[1.5,null,-2.0],[null,0.0,4.0]]],"
                              "\"u\":[0,9007199254740991],\"none\":[],\"nan\":null,"
                              "\"bytes\":\"AP8QgA==\",\"nil\":null}");
    free(line);
    edx_wire_free(&wire);
    edx_pack_free(&pack);
}

/* ---- requests ---- */

/* The request of a command line split at '|', as JSON, or the error's text. */
static void request_as_json(const char *command, char *out, size_t size)
{
    char text[256], *words[16], *save = NULL, *line = NULL;
    int n = 0;
    edx_error err = {0};
    edx_pack *pack = edx_pack_new();
    edx_wire *wire = edx_wire_new(0);
    const edx_node *root;
    snprintf(text, sizeof text, "%s", command);
    for (char *word = strtok_r(text, "|", &save); word; word = strtok_r(NULL, "|", &save))
        words[n++] = word;
    if (edx_request_write(words, n, pack, &err)) {
        snprintf(out, size, "%s", err.text);
    } else {
        assert_int_equal(
            edx_wire_parse(wire, edx_pack_data(pack), edx_pack_size(pack), &root, &err), EDX_OK);
        assert_int_equal(edx_json_line(NULL, root, &line, &err), EDX_OK);
        snprintf(out, size, "%s", line);
    }
    free(line);
    edx_wire_free(&wire);
    edx_pack_free(&pack);
}

static void requests_follow_the_interface(void **state)
{
    static const char *const pairs[][2] = {
        {"status", "{\"cmd\":\"status\"}"},
        {"get|quant.limit", "{\"cmd\":\"get\",\"key\":\"quant.limit\"}"},
        {"set|quant.limit|3", "{\"cmd\":\"set\",\"key\":\"quant.limit\",\"value\":3}"},
        {"set|quant.limit|(3", "set: VALUE: position 3: text ends, expected ',' or ')'"},
        {"profile|1,2.5|-3,4|0.75", "{\"cmd\":\"profile\",\"from_nm\":[1.0,2.5],"
                                    "\"to_nm\":[-3.0,4.0],\"width_nm\":0.75}"},
        {"profile|1;2|3,4|1", "profile: \"1;2\": expected a point Y,X in nm, such as 3.5,12"},
        {"profile|1,2|3,4|0", "profile: \"0\": expected a width in nm, more than 0"},
        {"region|0,0|0,4|4,0",
         "{\"cmd\":\"region\",\"polygon_nm\":[[0.0,0.0],[0.0,4.0],[4.0,0.0]]}"},
        {"region|0,0|0,4", "region: 2 arguments, expected region Y,X Y,X Y,X... (three points or "
                           "more)"},
        {"calibrate|Ag=0.25,Au=0.75|0,0|0,4|4,0",
         "{\"cmd\":\"calibrate\",\"fractions\":{\"Ag\":0.25,\"Au\":0.75},"
         "\"polygon_nm\":[[0.0,0.0],[0.0,4.0],[4.0,0.0]]}"},
        {"calibrate|Ag=2|0,0|0,4|4,0",
         "calibrate: \"Ag=2\": expected fractions from 0 to 1, such as Ag=0.5,Au=0.5"},
        {"history|maps|12", "{\"cmd\":\"history\",\"topic\":\"edx.maps\",\"frame\":12}"},
        {"history|edx.pca|0", "{\"cmd\":\"history\",\"topic\":\"edx.pca\",\"frame\":0}"},
        {"history|cube|0", "history: topic \"cube\": unknown, expected one of: status spectrum "
                           "maps pca nmf particles profile trend alarm"},
        {"history|maps|-1", "history: \"-1\": expected the number of a frame, from 0 on"},
        {"restart", "restart: unknown command, expected status, save, stop, reset, get, set, "
                    "profile, region, calibrate, history, keygen, export or report"},
        {"status|now", "status: 1 arguments, expected status"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char got[512];
        request_as_json(pairs[i][0], got, sizeof got);
        assert_string_equal(got, pairs[i][1]);
    }
}

static void topics_have_short_and_long_names(void **state)
{
    (void)state;
    assert_int_equal(edx_topic_from_name("maps"), EDX_MAPS);
    assert_int_equal(edx_topic_from_name("edx.alarm"), EDX_ALARM);
    assert_int_equal(edx_topic_from_name("map"), EDX_RESULT_TOPICS);
    assert_int_equal(edx_topic_from_name("edx.edx.maps"), EDX_RESULT_TOPICS);
    assert_int_equal(edx_topic_from_name(""), EDX_RESULT_TOPICS);
}

/* ---- numbers ---- */

static void numbers_have_three_digits(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {7, "7"},
                 {999, "999"},
                 {1000, "1.00 k"},
                 {35120, "35.1 k"},
                 {999499, "999 k"},
                 {1.24e6, "1.24 M"},
                 {0.1234, "0.123"},
                 {9.996, "10.0"},
                 {-2.5, "-2.50"},
                 {NAN, "–"},
                 {INFINITY, "∞"},
                 {0.00012, "0.00012"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[EDX_NUMBER];
        assert_string_equal(edx_number(text, cases[i].value), cases[i].text);
    }
}

static void sigma_sets_the_digits(void **state)
{
    static const struct {
        double value, sigma;
        const char *text;
    } cases[] = {{12.34, 1.44, "12.3 ± 1.4"},
                 {48.3, 0.0996, "48.30 ± 0.10"},
                 {223.2, 15.4, "223 ± 15"},
                 {12345, 111, "12345 ± 111"},
                 {1.2345e6, 11000, "1.234 ± 0.011 M"},
                 {0.5, NAN, "0.500 ± ?"},
                 {NAN, 1, "–"},
                 {5, 0, "5 ± 0"},
                 {-0.002, 0.034, "-0.002 ± 0.034"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[EDX_NUMBER];
        assert_string_equal(edx_number_pm(text, cases[i].value, cases[i].sigma), cases[i].text);
    }
}

/* ---- colours ---- */

static double lightness(edx_colour colour)
{
    uint32_t rgb = EDX_COLOUR_VALUE(colour);
    return 0.299 * (rgb >> 16) + 0.587 * (rgb >> 8 & 255) + 0.114 * (rgb & 255);
}

static void map_colours_rise(void **state)
{
    (void)state;
    for (int level = 1; level < edx_palette_levels(EDX_TRUECOLOUR); level++)
        for (int fade = 0; fade <= EDX_FADE_ALL; fade++)
            assert_true(lightness(edx_palette_map(EDX_TRUECOLOUR, level, fade)) >
                        lightness(edx_palette_map(EDX_TRUECOLOUR, level - 1, fade)));
    for (int level = 1; level < edx_palette_levels(EDX_256); level++)
        assert_true(edx_palette_map(EDX_256, level, 0) > edx_palette_map(EDX_256, level - 1, 0));
    assert_true(EDX_COLOUR_VALUE(edx_palette_map(EDX_256, 99, 0)) <= 255);
    assert_int_equal(edx_palette_map(EDX_TRUECOLOUR, 0, 0), EDX_COLOUR_RGB(0x00224e));
    assert_int_equal(edx_palette_map(EDX_TRUECOLOUR, 15, 0), EDX_COLOUR_RGB(0xfee838));
    assert_int_equal(edx_palette_glyph(EDX_MONO, 7), '7');
}

static void stale_maps_have_no_colour(void **state)
{
    (void)state;
    for (int level = 0; level < edx_palette_levels(EDX_TRUECOLOUR); level++) {
        uint32_t rgb = EDX_COLOUR_VALUE(edx_palette_map(EDX_TRUECOLOUR, level, EDX_FADE_ALL));
        assert_int_equal(rgb >> 16, rgb & 255);
        assert_int_equal(rgb >> 8 & 255, rgb & 255);
    }
}

static void depth_comes_from_the_environment(void **state)
{
    static const struct {
        const char *colorterm, *term;
        edx_depth depth;
    } cases[] = {{"truecolor", "xterm-256color", EDX_TRUECOLOUR},
                 {"24bit", NULL, EDX_TRUECOLOUR},
                 {NULL, "xterm-256color", EDX_256},
                 {"", "xterm-direct", EDX_TRUECOLOUR},
                 {NULL, "xterm", EDX_16},
                 {NULL, "linux", EDX_16},
                 {NULL, "vt220", EDX_MONO},
                 {NULL, "xterm-mono", EDX_MONO},
                 {NULL, "dumb", EDX_MONO},
                 {NULL, NULL, EDX_MONO}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(edx_depth_guess(cases[i].colorterm, cases[i].term), cases[i].depth);
}

/* ---- cells ---- */

/* A terminal as our sequences see it. */
typedef struct terminal {
    edx_canvas *screen;
    int at;
    edx_cell pen;
} terminal;

static edx_colour colour_of(const unsigned *p, unsigned base)
{
    if (p[0] == base + 8)
        return p[1] == 2 ? EDX_COLOUR_RGB(p[2] << 16 | p[3] << 8 | p[4]) : EDX_COLOUR_256(p[2]);
    if (p[0] >= base + 60)
        return EDX_COLOUR_16(p[0] - base - 60 + 8);
    return p[0] == base + 9 ? EDX_COLOUR_DEFAULT : EDX_COLOUR_16(p[0] - base);
}

static void set_pen(edx_cell *pen, const unsigned *p)
{
    if (p[0] == 0)
        *pen = (edx_cell){0};
    else if (p[0] == 1 || p[0] == 2)
        pen->attr |= p[0] == 1 ? EDX_BOLD : EDX_DIM;
    else if (p[0] == 7)
        pen->attr |= EDX_REVERSE;
    else if ((p[0] >= 30 && p[0] < 40) || (p[0] >= 90 && p[0] < 98))
        pen->fg = colour_of(p, 30);
    else
        pen->bg = colour_of(p, 40);
}

/* One control sequence; returns what is behind it. */
static const char *sequence(terminal *t, const char *s)
{
    unsigned p[5] = {0};
    int n = 0;
    for (s += 2; (*s >= '0' && *s <= '9') || *s == ';'; s++) {
        if (*s == ';')
            assert_true(++n < 5);
        else
            p[n] = 10 * p[n] + (unsigned)(*s - '0');
    }
    if (*s == 'H')
        t->at = ((int)p[0] - 1) * t->screen->cols + (int)p[1] - 1;
    else if (*s == 'J')
        edx_canvas_clear(t->screen);
    else if (*s == 'm')
        set_pen(&t->pen, p);
    else
        fail_msg("unknown sequence ending in %c", *s);
    return s + 1;
}

static void show_on(terminal *t, const char *s)
{
    while (*s) {
        if (*s == '\033') {
            s = sequence(t, s);
            continue;
        }
        unsigned char c = (unsigned char)*s++;
        uint32_t glyph = c < 0x80 ? c : c < 0xe0 ? c & 0x1fu : c & 0x0fu;
        for (int more = c < 0x80 ? 0 : c < 0xe0 ? 1 : 2; more > 0; more--)
            glyph = glyph << 6 | ((unsigned char)*s++ & 0x3fu);
        assert_true(t->at >= 0);
        t->screen->cells[t->at] = t->pen;
        t->screen->cells[t->at++].glyph = glyph;
        if (t->at % t->screen->cols == 0)
            t->at = -1; /* terminals differ in where the cursor is now */
    }
}

static edx_colour random_colour(void)
{
    switch (rand() % 4) {
    case 0:
        return EDX_COLOUR_DEFAULT;
    case 1:
        return EDX_COLOUR_RGB((uint32_t)rand() & 0xffffffu);
    case 2:
        return EDX_COLOUR_256((uint32_t)rand() & 255u);
    default:
        return EDX_COLOUR_16((uint32_t)rand() & 15u);
    }
}

static void scribble(edx_canvas *canvas, int cells)
{
    static const uint32_t glyphs[] = {' ', 'x', 0xb1, 0x2580, 0x2571};
    for (int i = 0; i < cells; i++)
        canvas->cells[rand() % (canvas->rows * canvas->cols)] =
            (edx_cell){.glyph = glyphs[rand() % 5],
                       .fg = random_colour(),
                       .bg = random_colour(),
                       .attr = (uint8_t)(rand() % 8)};
}

static void assert_same_picture(const edx_canvas *a, const edx_canvas *b)
{
    for (int i = 0; i < a->rows * a->cols; i++) {
        assert_int_equal(a->cells[i].glyph, b->cells[i].glyph);
        assert_int_equal(a->cells[i].fg, b->cells[i].fg);
        assert_int_equal(a->cells[i].bg, b->cells[i].bg);
        assert_int_equal(a->cells[i].attr, b->cells[i].attr);
    }
}

/* The terminal shows every picture, whatever it showed before. */
static void deltas_give_the_picture(void **state)
{
    unsigned seed = (unsigned)time(NULL);
    edx_canvas *before = edx_canvas_new(9, 17, EDX_TRUECOLOUR);
    edx_canvas *now = edx_canvas_new(9, 17, EDX_TRUECOLOUR);
    terminal t = {.screen = edx_canvas_new(9, 17, EDX_TRUECOLOUR)};
    edx_bytes bytes = {0};
    (void)state;
    print_message("seed %u\n", seed);
    srand(seed);
    scribble(t.screen, 100);
    for (int trial = 0; trial < 500; trial++) {
        memcpy(before->cells, now->cells, 9 * 17 * sizeof *now->cells);
        scribble(now, rand() % 60);
        edx_bytes_clear(&bytes);
        edx_canvas_delta(trial ? before : NULL, now, &bytes);
        show_on(&t, bytes.data);
        assert_same_picture(t.screen, now);
    }
    edx_bytes_clear(&bytes);
    edx_canvas_delta(now, now, &bytes);
    assert_int_equal(bytes.size, 0);
    edx_bytes_free(&bytes);
    edx_canvas_free(&before);
    edx_canvas_free(&now);
    edx_canvas_free(&t.screen);
}

/* Text from outside can neither leave its room nor steer the terminal. */
static void text_stays_in_its_room(void **state)
{
    edx_canvas *canvas = edx_canvas_new(1, 8, EDX_MONO);
    edx_bytes bytes = {0};
    (void)state;
    assert_int_equal(edx_canvas_text(canvas, 0, 1, 4, EDX_TEXT, "12.3 ± 1"), 4);
    edx_canvas_text(canvas, 0, 5, 9, EDX_TEXT, "\033[2Jabc");
    edx_canvas_text(canvas, 7, 0, 9, EDX_TEXT, "outside");
    edx_canvas_put(canvas, 0, -1, 'x', EDX_TEXT);
    edx_canvas_lines(canvas, &bytes);
    assert_string_equal(bytes.data, " 12.…?[2\n");
    edx_bytes_clear(&bytes);
    edx_canvas_clear(canvas);
    edx_canvas_text(canvas, 0, 0, 8, EDX_TEXT, "\xff\xc2\x9b\xc3(σ");
    edx_canvas_lines(canvas, &bytes);
    assert_string_equal(bytes.data, "??\?(σ\n");
    assert_int_equal(edx_text_width("1.4 ± σ"), 7);
    edx_bytes_free(&bytes);
    edx_canvas_free(&canvas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(bad_values_say_where),
        cmocka_unit_test(values_print_as_they_are_typed),
        cmocka_unit_test(any_text_is_survived),
        cmocka_unit_test(json_shows_arrays_and_gaps),
        cmocka_unit_test(requests_follow_the_interface),
        cmocka_unit_test(topics_have_short_and_long_names),
        cmocka_unit_test(numbers_have_three_digits),
        cmocka_unit_test(sigma_sets_the_digits),
        cmocka_unit_test(map_colours_rise),
        cmocka_unit_test(stale_maps_have_no_colour),
        cmocka_unit_test(depth_comes_from_the_environment),
        cmocka_unit_test(deltas_give_the_picture),
        cmocka_unit_test(text_stays_in_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
