/* edxmon: the live monitor in a terminal; with --json, messages as JSON lines. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/feed.h"
#include "client/monitor.h"
#include "client/signals.h"
#include "client/stream.h"
#include "client/view.h"
#include "proto/built.h"
#include "proto/certificate.h"

#define ALL_TOPICS ((1u << EDX_RESULT_TOPICS) - 1u)
#define ONCE_TIMEOUT_S 5.0
#define LARGEST 1000

enum { DONE = 0, FAILED = 1, USAGE = 2 };

typedef struct options {
    const char *endpoint, *control;
    bool json, once, has_depth;
    uint64_t count;
    double timeout_s;
    int rows, cols;
    edx_depth depth;
    edx_view view;
    unsigned topics;
} options;

static const char help[] =
    "usage: edxmon [--endpoint EP] [--control EP] [--colour DEPTH]\n"
    "       edxmon --once [--size COLSxROWS] [--view V] [--map N] [--measure M] [--source S]\n"
    "              [--cursor ROW,COL] [--point N]\n"
    "       edxmon --json [--count N] [--timeout S] [TOPIC...]\n"
    "\n"
    "Shows what edxd publishes: live in the terminal, once as text, or as JSON lines.\n"
    "\n"
    "  --endpoint EP      where edxd publishes (" EDX_PUBLISH_ENDPOINT ")\n"
    "  --control EP       where edxd answers, for history (" EDX_CONTROL_ENDPOINT ")\n"
    "  --colour DEPTH     truecolor, 256, 16 or mono instead of what TERM promises\n"
    "  --once             write one picture to standard output\n"
    "  --size COLSxROWS   of that picture (80x24)\n"
    "  --view V           maps, particles, trend, components or scree\n"
    "  --map N            map, particle or component to start with, as the keys 1-9 do\n"
    "  --measure M        value, sigma or snr\n"
    "  --source S         of profiles: raw, model, denoised, pca or nmf; of components: pca or "
    "nmf\n"
    "  --cursor ROW,COL   where the cursor stands\n"
    "  --point N          the ring, frame or component that is read out, from 0\n"
    "  --json             print every message of the topics (default: all) as one line\n"
    "  --count N          end after N messages\n"
    "  --timeout S        fail when nothing comes for S seconds\n"
    "  --key FILE         your secret key, where edxd wants one (EDX_KEY)\n"
    "  --server-key FILE  its public key (edxd.pub beside yours)\n"
    "  --help, --version\n";

static int usage(const char *where, const char *what)
{
    fprintf(stderr, "edxmon: %s: %s\n", where, what);
    return USAGE;
}

/* ---- values of options ---- */

/* A whole number from 1 to max that fills text up to end. */
static bool read_count(const char *text, char end, uint64_t max, uint64_t *out, const char **rest)
{
    char *stop;
    if (*text < '0' || *text > '9')
        return false;
    *out = strtoull(text, &stop, 10);
    *rest = stop + (end != '\0');
    return *stop == end && *out <= max;
}

static int read_size(options *o, const char *text)
{
    uint64_t cols, rows;
    const char *rest;
    if (!read_count(text, 'x', LARGEST, &cols, &rest) ||
        !read_count(rest, '\0', LARGEST, &rows, &rest) || !cols || !rows)
        return usage("--size", "expected COLSxROWS, such as 80x24, each 1 to 1000");
    o->cols = (int)cols;
    o->rows = (int)rows;
    return DONE;
}

static int read_cursor(options *o, const char *text)
{
    const char *rest;
    if (!read_count(text, ',', UINT32_MAX, &o->view.cursor[0], &rest) ||
        !read_count(rest, '\0', UINT32_MAX, &o->view.cursor[1], &rest))
        return usage("--cursor", "expected ROW,COL, such as 12,7");
    o->view.has_cursor = true;
    return DONE;
}

static int read_measure(options *o, const char *text)
{
    static const char *const names[EDX_MEASURES] = {"value", "sigma", "snr"};
    for (int i = 0; i < EDX_MEASURES; i++)
        if (strcmp(text, names[i]) == 0) {
            o->view.measure = (edx_measure)i;
            return DONE;
        }
    return usage("--measure", "expected value, sigma or snr");
}

/* A particle's number is its id. */
static int read_map(options *o, const char *text)
{
    uint64_t n;
    const char *rest;
    if (!read_count(text, '\0', 100, &n, &rest) || !n)
        return usage("--map", "expected a number from 1 on");
    o->view.chosen = true;
    o->view.selected = o->view.component = (size_t)n - 1;
    o->view.particle = n;
    return DONE;
}

static int read_view(options *o, const char *text)
{
    return edx_page_parse(text, &o->view.page)
               ? DONE
               : usage("--view", "expected maps, particles, trend, components or scree");
}

static int read_source(options *o, const char *text)
{
    if (!edx_estimator_parse(text, &o->view.source))
        return usage("--source", "expected raw, model, denoised, pca or nmf");
    o->view.pca = o->view.source == EDX_BY_PCA;
    return DONE;
}

static int read_point(options *o, const char *text)
{
    uint64_t n;
    const char *rest;
    if (!read_count(text, '\0', UINT32_MAX, &n, &rest))
        return usage("--point", "expected a number from 0 on");
    for (int i = 0; i < EDX_PAGES; i++) {
        o->view.pointed[i] = true;
        o->view.point[i] = (size_t)n;
    }
    return DONE;
}

static int read_timeout(options *o, const char *text)
{
    char *end;
    o->timeout_s = strtod(text, &end);
    if (*end || !(o->timeout_s > 0) || o->timeout_s > 1e6)
        return usage("--timeout", "expected seconds, more than 0");
    return DONE;
}

static int read_number_of_messages(options *o, const char *text)
{
    const char *rest;
    if (!read_count(text, '\0', UINT64_MAX, &o->count, &rest) || !o->count)
        return usage("--count", "expected a number of messages, from 1 on");
    return DONE;
}

/* ---- options ---- */

enum {
    CONTROL = 256,
    COLOUR,
    ONCE,
    SIZE,
    VIEW,
    MAP,
    MEASURE,
    SOURCE,
    CURSOR,
    POINT,
    JSON,
    COUNT,
    TIMEOUT,
    KEY,
    SERVER_KEY,
    VERSION
};

static const struct option names[] = {{"endpoint", required_argument, NULL, 'e'},
                                      {"control", required_argument, NULL, CONTROL},
                                      {"colour", required_argument, NULL, COLOUR},
                                      {"color", required_argument, NULL, COLOUR},
                                      {"once", no_argument, NULL, ONCE},
                                      {"size", required_argument, NULL, SIZE},
                                      {"map", required_argument, NULL, MAP},
                                      {"view", required_argument, NULL, VIEW},
                                      {"source", required_argument, NULL, SOURCE},
                                      {"point", required_argument, NULL, POINT},
                                      {"measure", required_argument, NULL, MEASURE},
                                      {"cursor", required_argument, NULL, CURSOR},
                                      {"json", no_argument, NULL, JSON},
                                      {"count", required_argument, NULL, COUNT},
                                      {"timeout", required_argument, NULL, TIMEOUT},
                                      {"key", required_argument, NULL, KEY},
                                      {"server-key", required_argument, NULL, SERVER_KEY},
                                      {"help", no_argument, NULL, 'h'},
                                      {"version", no_argument, NULL, VERSION},
                                      {NULL, 0, NULL, 0}};

static int name_key(const char *own, const char *server)
{
    edx_error err;
    return edx_keys_name(own, server, &err) ? usage("--key", err.text) : DONE;
}

/* Options whose value is read by a function. */
static int take_value(options *o, int option, const char *text)
{
    switch (option) {
    case SIZE:
        return read_size(o, optarg);
    case MAP:
        return read_map(o, optarg);
    case VIEW:
        return read_view(o, optarg);
    case SOURCE:
        return read_source(o, optarg);
    case POINT:
        return read_point(o, optarg);
    case MEASURE:
        return read_measure(o, optarg);
    case CURSOR:
        return read_cursor(o, optarg);
    case COUNT:
        return read_number_of_messages(o, optarg);
    case TIMEOUT:
        return read_timeout(o, optarg);
    case KEY:
        return name_key(optarg, NULL);
    case SERVER_KEY:
        return name_key(NULL, optarg);
    case COLOUR:
        o->has_depth = edx_depth_parse(optarg, &o->depth);
        return o->has_depth ? DONE : usage("--colour", "expected truecolor, 256, 16 or mono");
    default:
        return usage(text, "unknown option or no value, expected those of edxmon --help");
    }
}

static int take_option(options *o, int option, const char *text)
{
    switch (option) {
    case 'e':
        o->endpoint = optarg;
        return DONE;
    case CONTROL:
        o->control = optarg;
        return DONE;
    case ONCE:
        o->once = true;
        return DONE;
    case JSON:
        o->json = true;
        return DONE;
    case 'h':
        fputs(help, stdout);
        exit(DONE);
    case VERSION:
        puts(EDX_BUILT("edxmon"));
        exit(DONE);
    default:
        return take_value(o, option, text);
    }
}

static int take_topics(options *o, char *const *names_given)
{
    for (; *names_given; names_given++) {
        edx_result_topic topic = edx_topic_from_name(*names_given);
        if (topic == EDX_RESULT_TOPICS) {
            char known[256];
            edx_topic_names(known, sizeof known);
            fprintf(stderr, "edxmon: topic \"%s\": unknown, expected one of: %s\n", *names_given,
                    known);
            return USAGE;
        }
        o->topics |= 1u << topic;
    }
    if (!o->topics)
        o->topics = ALL_TOPICS;
    return DONE;
}

static int parse(options *o, int argc, char **argv)
{
    int option, status = DONE;
    opterr = 0;
    while (!status && (option = getopt_long(argc, argv, "e:h", names, NULL)) != -1)
        status = take_option(o, option, argv[optind - 1]);
    if (!status && argv[optind] && !o->json)
        status = usage(argv[optind], "not expected here (topics go with --json)");
    return status ? status : take_topics(o, argv + optind);
}

/* ---- doing ---- */

static edx_status run(options *o, edx_feed *feed, edx_error *err)
{
    if (o->json)
        return edx_stream_json(feed, o->count, o->timeout_s, err);
    if (!o->has_depth)
        o->depth = o->once && !isatty(STDOUT_FILENO)
                       ? EDX_MONO
                       : edx_depth_guess(getenv("COLORTERM"), getenv("TERM"));
    if (o->once)
        return edx_monitor_once(feed, &o->view, o->depth, o->rows, o->cols,
                                o->timeout_s > 0 ? o->timeout_s : ONCE_TIMEOUT_S, err);
    return edx_monitor_run(feed, o->control, &o->view, o->depth, err);
}

int main(int argc, char **argv)
{
    edx_error err = {0};
    edx_feed *feed = NULL;
    options o = {.endpoint = EDX_PUBLISH_ENDPOINT,
                 .control = EDX_CONTROL_ENDPOINT,
                 .rows = EDX_MIN_ROWS,
                 .cols = EDX_MIN_COLS};
    int wrong = parse(&o, argc, argv);
    if (wrong)
        return wrong;
    edx_signals_catch();
    o.view.endpoint = o.endpoint;
    edx_status status = edx_feed_new(o.endpoint, o.topics, &feed, &err);
    bool bad_endpoint = status == EDX_E_RANGE;
    if (!status)
        status = run(&o, feed, &err);
    edx_feed_free(&feed);
    if (status)
        fprintf(stderr, "edxmon: %s: %s\n", o.endpoint, err.text);
    return bad_endpoint ? USAGE : status ? FAILED : DONE;
}
