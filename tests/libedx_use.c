/* libedx as a program uses it, against a running edxd whose ingest.pattern is router and whose
 * socket is bound: libedx_use ENDPOINT PUBLISH CONTROL. Ends with 0 when everything was as edx.h
 * says. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <edx.h>

enum { ROWS = 4, COLS = 6, CHANNELS = 300, FRAMES = 3, WAIT_MS = 90000 };

static int failures;

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            failures++;                                                                            \
            printf("%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #condition, problem.text);      \
        }                                                                                          \
    } while (0)

/* The counts of frame f: every third channel of a pixel has one, more where the frame is later. */
static uint16_t count(int f, int p, int channel)
{
    return channel % 3 == p % 3 ? (uint16_t)(1 + f) : 0;
}

static edx_scan scan(const char *acq)
{
    static const char *const elements[] = {"Ag", "Au"};
    edx_scan s;
    edx_scan_init(&s, sizeof s);
    s.acq = acq;
    s.title = "µ";
    s.rows = ROWS;
    s.cols = COLS;
    s.step_nm[0] = s.step_nm[1] = 1.0;
    s.dwell_s = 1e-3;
    s.frames = FRAMES;
    s.channels = CHANNELS;
    s.offset_eV = 0.0;
    s.scale_eV = 20.0;
    s.beam_keV = 200.0;
    s.elements = elements;
    s.n_elements = 2;
    return s;
}

/* Frame f as two blocks, the second of dense counts and the first of events. */
static int send_frame(edx_driver *driver, int f, edx_problem *problem)
{
    static uint16_t dense[ROWS / 2][COLS][CHANNELS], channels[ROWS / 2 * COLS * CHANNELS * FRAMES];
    uint32_t offsets[ROWS / 2 * COLS + 1] = {0}, n = 0;
    edx_block block;
    for (int p = 0; p < ROWS / 2 * COLS; p++) {
        for (int c = 0; c < CHANNELS; c++) {
            dense[p / COLS][p % COLS][c] = count(f, p + ROWS / 2 * COLS, c);
            for (int i = 0; i < count(f, p, c); i++)
                channels[n++] = (uint16_t)c;
        }
        offsets[p + 1] = n;
    }
    edx_block_init(&block, sizeof block);
    block.rows = ROWS / 2;
    block.live_s = block.real_s = 1e-3;
    int failed = edx_driver_frame_events(driver, &block, offsets, channels, problem);
    block.row = ROWS / 2;
    block.rows = 0;
    return failed ? failed
                  : edx_driver_frame_dense(driver, &block, dense, sizeof dense[0][0][0], problem);
}

static void check_refusals_of_begin(edx_driver *driver)
{
    edx_problem problem = {0};
    edx_scan s = scan("no slash/");
    uint8_t counts[1] = {0};
    EXPECT(edx_driver_frame_dense(driver, NULL, counts, 1, &problem) == EDX_USAGE);
    EXPECT(edx_driver_end(driver, "complete", &problem) == EDX_USAGE);
    EXPECT(edx_driver_begin(driver, &s, &problem) == EDX_USAGE && strstr(problem.text, "acq"));
    s = scan("a");
    s.beam_keV = (double)NAN;
    EXPECT(edx_driver_begin(driver, &s, &problem) == EDX_USAGE && strstr(problem.text, "beam_keV"));
    s = scan("a");
    s.n_images = 17;
    EXPECT(edx_driver_begin(driver, &s, &problem) == EDX_USAGE && strstr(problem.text, "images"));
    s = scan("a");
    s.size = 3;
    EXPECT(edx_driver_begin(driver, &s, &problem) == EDX_USAGE && strstr(problem.text, "size"));
    EXPECT(problem.outcome == EDX_USAGE);
    EXPECT(edx_driver_begin(driver, &s, NULL) == EDX_USAGE);
}

static void check_refusals_of_frames(edx_driver *driver)
{
    edx_problem problem = {0};
    uint32_t offsets[ROWS * COLS + 1] = {0};
    uint16_t channels[2] = {0, CHANNELS};
    edx_block block;
    edx_block_init(&block, sizeof block);
    EXPECT(edx_driver_frame_dense(driver, &block, channels, 3, &problem) == EDX_USAGE);
    offsets[ROWS * COLS] = 2;
    EXPECT(edx_driver_frame_events(driver, NULL, offsets, channels, &problem) == EDX_USAGE);
    EXPECT(strstr(problem.text, "300"));
    offsets[1] = 3;
    EXPECT(edx_driver_frame_events(driver, NULL, offsets, channels, &problem) == EDX_USAGE);
    offsets[0] = 1;
    EXPECT(edx_driver_frame_events(driver, NULL, offsets, channels, &problem) == EDX_USAGE);
    block.row = ROWS;
    EXPECT(edx_driver_frame_events(driver, &block, offsets, channels, &problem) == EDX_USAGE);
    EXPECT(edx_driver_end(driver, "enough", &problem) == EDX_USAGE);
}

static void drive(const char *endpoint)
{
    edx_problem problem = {0};
    edx_driver *driver = NULL;
    edx_driver_options options;
    edx_scan s = scan("use");
    edx_driver_options_init(&options, sizeof options);
    options.pattern = 7;
    EXPECT(edx_driver_open(&options, &driver, &problem) == EDX_USAGE && !driver);
    options.pattern = EDX_PATTERN_DEALER;
    options.connect = 1;
    options.timeout_s = WAIT_MS / 1000;
    options.endpoint = "nowhere";
    EXPECT(edx_driver_open(&options, &driver, &problem) == EDX_SYSTEM && !driver);
    options.endpoint = endpoint;
    EXPECT(edx_driver_open(&options, &driver, &problem) == EDX_DONE);
    if (!driver)
        return;
    check_refusals_of_begin(driver);
    EXPECT(edx_driver_begin(driver, &s, &problem) == EDX_DONE);
    check_refusals_of_frames(driver);
    for (int f = 0; f < FRAMES; f++)
        EXPECT(send_frame(driver, f, &problem) == EDX_DONE);
    EXPECT(edx_driver_end(driver, "complete", &problem) == EDX_DONE);
    edx_driver_close(&driver);
    EXPECT(!driver);
    edx_driver_close(&driver);
}

/* A scan with more pixels than the daemon's limits allow: its begin is refused there. */
static void drive_too_much(const char *endpoint)
{
    edx_problem problem = {0};
    edx_driver *driver = NULL;
    edx_driver_options options;
    edx_scan s = scan("large");
    edx_driver_options_init(&options, sizeof options);
    options.pattern = EDX_PATTERN_DEALER;
    options.connect = 1;
    options.timeout_s = WAIT_MS / 1000;
    options.endpoint = endpoint;
    s.rows = s.cols = 5000;
    EXPECT(edx_driver_open(&options, &driver, &problem) == EDX_DONE);
    EXPECT(edx_driver_begin(driver, &s, &problem) == EDX_REFUSED);
    EXPECT(strstr(problem.text, "16777216"));
    EXPECT(edx_driver_end(driver, "error", &problem) == EDX_USAGE);
    edx_driver_close(&driver);
}

/* ---- client ---- */

static void check_spectrum(const edx_item *body)
{
    edx_problem problem = {0};
    edx_grid grid;
    char text[3];
    double sum[CHANNELS + 1], expected = 0;
    const edx_item *energy = edx_item_get(body, "energy");
    EXPECT(edx_item_kind_of(body) == EDX_ITEM_MAP && edx_item_count(body) > 5);
    EXPECT(edx_item_kind_of(energy) == EDX_ITEM_MAP && edx_item_count(energy) == 2);
    EXPECT(edx_item_number(edx_item_get(energy, "scale_eV")) == 20.0);
    EXPECT(edx_item_number(edx_item_at(energy, 0)) == 0.0 && !edx_item_at(energy, 2));
    EXPECT(strcmp(edx_item_text(edx_item_get(body, "acq"), text, sizeof text), "us") == 0);
    EXPECT(strcmp(edx_item_text(energy, text, sizeof text), "") == 0);
    EXPECT(edx_item_get(energy, "none") == NULL && isnan(edx_item_number(NULL)));
    EXPECT(edx_item_kind_of(edx_item_get(body, "sum")) == EDX_ITEM_ARRAY);
    EXPECT(edx_item_grid(edx_item_get(body, "sum"), &grid) && grid.ndim == 1);
    EXPECT(grid.count == CHANNELS && grid.shape[0] == CHANNELS && grid.shape[1] == 1);
    EXPECT(edx_grid_copy(&grid, 0, CHANNELS + 1, sum) == CHANNELS);
    for (int c = 0; c < CHANNELS; c++) {
        expected = 0;
        for (int f = 0; f < FRAMES; f++)
            for (int p = 0; p < ROWS * COLS; p++)
                expected += count(f, p, c);
        EXPECT(sum[c] == expected && edx_grid_at(&grid, (uint64_t)c) == expected);
    }
    EXPECT(isnan(edx_grid_at(&grid, CHANNELS)) && edx_grid_copy(&grid, CHANNELS, 1, sum) == 0);
    EXPECT(!edx_item_grid(energy, &grid) && grid.count == 0 && isnan(edx_grid_at(&grid, 0)));
}

static void listen_to(const edx_client_options *given)
{
    edx_problem problem = {0};
    edx_client_options options = *given;
    edx_client *client = NULL;
    const char *topic = NULL;
    const edx_item *body = NULL;
    options.topics = "maps nonsense";
    EXPECT(edx_client_open(&options, &client, &problem) == EDX_USAGE && !client);
    EXPECT(strstr(problem.text, "nonsense"));
    options.topics = "spectrum  edx.trend";
    EXPECT(edx_client_open(&options, &client, &problem) == EDX_DONE);
    int failed = !client;
    while (!failed && edx_item_integer(edx_item_get(body, "frames"), 0) != FRAMES)
        do
            failed = edx_client_next(client, WAIT_MS, &topic, &body, &problem);
        while (!failed && strcmp(topic, "edx.spectrum") != 0);
    EXPECT(!failed);
    if (!failed)
        check_spectrum(body);
    while (!failed)
        failed = edx_client_next(client, 200, &topic, &body, &problem);
    EXPECT(failed == EDX_NOTHING && !topic && !body);
    edx_client_close(&client);
    EXPECT(!client);
}

static void check_states(const edx_item *reply)
{
    edx_problem problem = {0};
    char text[16];
    const edx_item *key = edx_item_key(reply, 0);
    EXPECT(edx_item_truth(edx_item_get(reply, "ok")) == 1);
    EXPECT(edx_item_kind_of(edx_item_get(reply, "ok")) == EDX_ITEM_TRUTH);
    EXPECT(edx_item_kind_of(key) == EDX_ITEM_TEXT && !edx_item_key(reply, 1000));
    EXPECT(edx_item_integer(edx_item_get(reply, "received"), -1) == 2 * FRAMES);
    EXPECT(edx_item_integer(edx_item_get(reply, "state"), -1) == -1);
    EXPECT(strcmp(edx_item_text(edx_item_get(reply, "state"), text, sizeof text), "finished") == 0);
    EXPECT(edx_item_kind_of(edx_item_at(edx_item_get(reply, "drift_nm"), 1)) == EDX_ITEM_NUMBER);
}

/* Results are there before edxd has stored them; then it is finished. */
static void wait_until_finished(edx_client *client)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    const char *const question[] = {"status", NULL};
    const edx_item *reply = NULL;
    char text[16] = "";
    for (int i = 0; i < WAIT_MS / 50 && strcmp(text, "finished") != 0; i++) {
        nanosleep(&pause, NULL);
        if (edx_client_ask(client, question, WAIT_MS, &reply, NULL) != EDX_DONE)
            return;
        edx_item_text(edx_item_get(reply, "state"), text, sizeof text);
    }
}

static void ask(const edx_client_options *given)
{
    static const char *const questions[][4] = {{"status"},
                                               {"get", "quant.limit"},
                                               {"set", "quant.limit", "2.5"},
                                               {"get", "nobody.knows"},
                                               {"dance"},
                                               {"set"}};
    static const int outcomes[] = {EDX_DONE, EDX_DONE, EDX_DONE, EDX_REFUSED, EDX_USAGE, EDX_USAGE};
    edx_problem problem = {0};
    edx_client_options options = *given;
    edx_client *client = NULL;
    const edx_item *reply = NULL;
    options.topics = "";
    EXPECT(edx_client_open(&options, &client, &problem) == EDX_DONE);
    if (client)
        wait_until_finished(client);
    for (size_t i = 0; client && i < sizeof outcomes / sizeof *outcomes; i++) {
        problem.text[0] = '\0';
        int outcome = edx_client_ask(client, questions[i], WAIT_MS, &reply, &problem);
        EXPECT(outcome == outcomes[i] && !reply == (outcome != EDX_DONE));
        EXPECT((problem.text[0] != '\0') == (outcome != EDX_DONE));
        if (i == 0)
            check_states(reply);
    }
    EXPECT(edx_client_ask(client, questions[1], WAIT_MS, &reply, NULL) == EDX_DONE);
    EXPECT(edx_item_number(edx_item_get(reply, "value")) == 2.5);
    EXPECT(edx_client_ask(client, questions[2], WAIT_MS, NULL, NULL) == EDX_DONE);
    edx_client_close(&client);
    options.control = "ipc:///nowhere/at/all";
    EXPECT(edx_client_open(&options, &client, &problem) == EDX_DONE);
    EXPECT(edx_client_ask(client, questions[0], 100, &reply, &problem) == EDX_NOTHING && !reply);
    edx_client_close(&client);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    edx_client_options options;
    edx_client_options_init(&options, sizeof options);
    options.publish = argv[2];
    options.control = argv[3];
    drive(argv[1]);
    listen_to(&options);
    ask(&options);
    drive_too_much(argv[1]);
    printf("libedx %s: %d failures\n", edx_library_version(), failures);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
