/* edxplay: recorded runs, edxd's and others', sent as if they were measured now, or rewritten. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instrument/arguments.h"
#include "instrument/convert.h"
#include "instrument/output.h"
#include "instrument/progress.h"
#include "instrument/replay.h"
#include "instrument/stop.h"
#include "proto/built.h"

#define PROGRESS_BYTES 1000u
#define MAX_FRAMES 1000000u
#define LOOK_S 0.2 /* how often a growing file is looked at */

enum { DONE = 0, FAILED = 1, USAGE = 2 };

static const char help_text[] =
    "Usage: edxplay [OPTION]... FILE...\n"
    "       edxplay --convert OUT.edxr FILE\n"
    "Replay recordings of X-ray spectrum imaging runs to edxd, one FILE after the\n"
    "other, as if they were measured now; or rewrite one. FILE is an edxd recording\n"
    "(.edxr), a JEOL map (.pts), a Velox map with its stream (.emd) or a HyperSpy\n"
    "signal (.hspy), whose counts are dealt to frames.\n"
    "\n"
    "      --endpoint EP      ZeroMQ endpoint (default: tcp://127.0.0.1:5555)\n"
    "      --pattern P        pub, push or dealer (default: pub); edxd's ingest.pattern\n"
    "                         is then sub, pull or router\n"
    "      --bind, --connect  which side opens the endpoint (default: --bind)\n"
    "      --speed X          X times as fast as it was recorded, or max (default: 1)\n"
    "      --loop N           play everything N times; 0: until stopped (default: 1)\n"
    "      --wait SECONDS     pub: for the first subscriber (default: 5)\n"
    "      --timeout SECONDS  push, dealer: give up after so long without any progress;\n"
    "                         0: never (default: 300)\n"
    "      --key FILE         this instrument's secret key, where edxd wants one (EDX_KEY)\n"
    "      --server-key FILE  edxd's public key (default: edxd.pub beside the other)\n"
    "      --stop-endpoint EP bound: stops when edxd says that the target is reached\n"
    "                         (its ingest.stop_endpoint)\n"
    "      --convert OUT      write a recording of whole frames in events form instead\n"
    "      --follow[=SECONDS] FILE (.edxr, .pts) is still being written: send what is\n"
    "                         added, until nothing was for SECONDS (default: until\n"
    "                         stopped, or a recording's edx.end)\n"
    "      --frames N         .hspy: deal its counts to N frames (default: 1)\n"
    "      --seed S           .hspy: of the dealing (default: 0)\n"
    "  -q, --quiet            no progress\n"
    "  -h, --help             this text\n"
    "  -V, --version          the version\n"
    "\n"
    "Every message gets the time of now; loops after the first get the acquisition ids\n"
    "ID-2, ID-3 and so on.\n"
    "\n"
    "Examples:\n"
    "  edxplay run.edxr\n"
    "      at the speed of the measurement, to edxd's default endpoint\n"
    "  edxplay --pattern dealer --speed max monday.edxr tuesday.edxr\n"
    "      as fast as edxd can take them; every message is kept until it is on disk\n"
    "  edxplay --speed 10 --loop 0 run.edxr\n"
    "      a demonstration that goes on until Ctrl-C\n"
    "  edxplay --convert whole.edxr blocks.edxr\n"
    "      row blocks joined to whole frames\n"
    "  edxplay --convert map.edxr map.pts\n"
    "      a JEOL map's sweeps as a recording\n"
    "  edxplay --frames 50 --seed 1 cube.hspy\n"
    "      a finished map as if it were measured again, in 50 scans\n"
    "\n"
    "What is damaged or incomplete is reported and left out. SIGINT and SIGTERM end the run with "
    "an\n"
    "edx.end. Exit status: 0 done, 1 failed, 2 wrong usage. See edxplay(1).\n";

typedef struct arguments {
    const char *loop, *convert, *frames, *seed, *idle;
    edx_stream_arguments stream;
    edx_sender_options sender;
    double times; /* speed */
    uint64_t loops;
    edx_source_options source;
    double idle_s; /* following: so long without anything new ends it; 0: never */
    bool quiet;
    char **files;
    int n_files;
} arguments;

/* ---- saying ---- */

static int complain(const edx_error *err, int code)
{
    fprintf(stderr, "edxplay: %s\n", err->text);
    return code;
}

typedef struct reporter {
    edx_progress progress;
    const char *file;
    uint64_t before; /* bytes of files done */
} reporter;

static void say(void *context, const char *text)
{
    reporter *r = context;
    edx_progress_clear(&r->progress);
    if (r->file)
        fprintf(stderr, "edxplay: %s: %s\n", r->file, text);
    else
        fprintf(stderr, "edxplay: %s\n", text);
}

static void notice(void *context, const char *text)
{
    reporter *r = context;
    edx_progress_clear(&r->progress);
    fprintf(stderr, "edxplay: %s\n", text);
}

static void step(void *context, uint64_t position)
{
    reporter *r = context;
    edx_progress_step(&r->progress, (r->before + position) / PROGRESS_BYTES);
}

/* ---- the command line ---- */

enum {
    OPT_ENDPOINT = 256,
    OPT_PATTERN,
    OPT_BIND,
    OPT_CONNECT,
    OPT_SPEED,
    OPT_LOOP,
    OPT_WAIT,
    OPT_TIMEOUT,
    OPT_KEY,
    OPT_SERVER_KEY,
    OPT_STOP_ENDPOINT,
    OPT_CONVERT,
    OPT_FOLLOW,
    OPT_FRAMES,
    OPT_SEED
};

static const struct option options[] = {
    {"endpoint", required_argument, NULL, OPT_ENDPOINT},
    {"pattern", required_argument, NULL, OPT_PATTERN},
    {"bind", no_argument, NULL, OPT_BIND},
    {"connect", no_argument, NULL, OPT_CONNECT},
    {"speed", required_argument, NULL, OPT_SPEED},
    {"loop", required_argument, NULL, OPT_LOOP},
    {"wait", required_argument, NULL, OPT_WAIT},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"key", required_argument, NULL, OPT_KEY},
    {"server-key", required_argument, NULL, OPT_SERVER_KEY},
    {"stop-endpoint", required_argument, NULL, OPT_STOP_ENDPOINT},
    {"convert", required_argument, NULL, OPT_CONVERT},
    {"follow", optional_argument, NULL, OPT_FOLLOW},
    {"frames", required_argument, NULL, OPT_FRAMES},
    {"seed", required_argument, NULL, OPT_SEED},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0}};

/* Where the text of an option that takes one goes; NULL: it takes none. */
static const char **slot(arguments *args, int option)
{
    switch (option) {
    case OPT_ENDPOINT:
        return &args->sender.endpoint;
    case OPT_PATTERN:
        return &args->stream.pattern;
    case OPT_SPEED:
        return &args->stream.speed;
    case OPT_LOOP:
        return &args->loop;
    case OPT_WAIT:
        return &args->stream.wait;
    case OPT_TIMEOUT:
        return &args->stream.timeout;
    case OPT_KEY:
        return &args->stream.key;
    case OPT_SERVER_KEY:
        return &args->stream.server_key;
    case OPT_STOP_ENDPOINT:
        return &args->sender.stop_endpoint;
    case OPT_CONVERT:
        return &args->convert;
    case OPT_FOLLOW:
        args->source.growing = true;
        return &args->idle;
    case OPT_FRAMES:
        return &args->frames;
    case OPT_SEED:
        return &args->seed;
    default:
        return NULL;
    }
}

/* Returns -1 to go on, else the exit code. */
static int parse(arguments *args, int argc, char **argv)
{
    int option = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":qhV", options, NULL)) != -1) {
        const char **text = slot(args, option);
        if (text)
            *text = optarg;
        else if (option == OPT_BIND || option == OPT_CONNECT)
            args->sender.connect = option == OPT_CONNECT;
        else if (option == 'q')
            args->quiet = true;
        else if (option == 'h')
            return fputs(help_text, stdout) < 0 ? FAILED : DONE;
        else if (option == 'V')
            return puts(EDX_BUILT("edxplay")) < 0 ? FAILED : DONE;
        else {
            edx_arguments_refused("edxplay", options, option, argv);
            return USAGE;
        }
    }
    args->files = argv + optind;
    args->n_files = argc - optind;
    return -1;
}

/* What only some formats can do. */
static edx_status check_formats(const arguments *args, edx_error *err)
{
    bool dealt = args->frames || args->seed;
    if (args->source.growing && (args->convert || args->n_files > 1 || args->loops != 1))
        return edx_fail(err, EDX_E_STATE, "--follow: with %s, expected one file, played once",
                        args->convert       ? "--convert"
                        : args->n_files > 1 ? "several"
                                            : "--loop");
    for (int f = 0; f < args->n_files; f++) {
        const edx_source *format = edx_replay_format(args->files[f]);
        if (args->source.growing && !format->grows)
            return edx_fail(err, EDX_E_STATE, "--follow: %s, expected an .edxr or .pts",
                            args->files[f]);
        if (dealt && !format->deals)
            return edx_fail(err, EDX_E_STATE, "%s: %s has frames of its own, expected an .hspy",
                            args->frames ? "--frames" : "--seed", args->files[f]);
    }
    if (args->frames && args->source.frames == 0)
        return edx_fail(err, EDX_E_RANGE, "--frames: 0, expected 1 to %u", MAX_FRAMES);
    return EDX_OK;
}

static edx_status check(arguments *args, edx_error *err)
{
    args->loops = 1;
    if (args->n_files == 0)
        return edx_fail(err, EDX_E_MISSING,
                        "FILE: none given, expected a recording (.edxr, .pts, .emd or .hspy)");
    if (args->convert && args->n_files > 1)
        return edx_fail(err, EDX_E_RANGE, "--convert: %d files, expected one", args->n_files);
    edx_status status = edx_arguments_stream(&args->stream, &args->sender, &args->times, err);
    if (status == EDX_OK)
        status = edx_arguments_whole("--loop", args->loop, UINT64_MAX, &args->loops, err);
    if (status == EDX_OK)
        status =
            edx_arguments_whole("--frames", args->frames, MAX_FRAMES, &args->source.frames, err);
    if (status == EDX_OK)
        status = edx_arguments_whole("--seed", args->seed, UINT64_MAX, &args->source.seed, err);
    if (status == EDX_OK)
        status = edx_arguments_number("--follow", args->idle, &args->idle_s, err);
    return status == EDX_OK ? check_formats(args, err) : status;
}

/* ---- playing ---- */

typedef struct player {
    const arguments *args;
    edx_stop *stop;
    edx_output *output;
    reporter reporter;
    uint64_t loop;       /* from 1 */
    bool running;        /* a begin was sent, its end not yet */
    edx_head head;       /* of the begin that was sent last */
    uint64_t frames;     /* the highest frame of it, and one */
    uint64_t messages;   /* frames sent of it */
    uint64_t arrival_ns; /* of the message before */
    uint64_t played;     /* acquisitions */
    double idle_s;       /* following: since something was added */
    bool following;      /* the file may still grow */
    bool flushing;       /* it did not: what is left goes out, stopped or not */
} player;

/* The acquisition id in this loop: cut where the suffix would make it too long. */
static void rename_acq(const player *p, edx_head *head)
{
    char suffix[24];
    if (p->loop < 2)
        return;
    int n = snprintf(suffix, sizeof suffix, "-%" PRIu64, p->loop);
    size_t length = strlen(head->acq), room = EDX_ACQ_MAX - (size_t)n;
    if (length > room)
        length = room;
    memcpy(head->acq + length, suffix, (size_t)n + 1);
}

static edx_status send_end(player *p, const edx_end *end, edx_error *err)
{
    edx_end renamed = *end;
    p->running = false;
    return edx_output_end(p->output, &renamed, err);
}

/* Ends what has no end of its own: the file stops short, or somebody stopped edxplay. */
static edx_status cut_short(player *p, edx_error *err)
{
    edx_end end = {.head = p->head, .frames = p->frames, .messages = p->messages};
    if (!p->running)
        return EDX_OK;
    snprintf(end.reason, sizeof end.reason, "stopped");
    return send_end(p, &end, err);
}

static edx_status play_begin(player *p, const edx_begin *begin, edx_error *err)
{
    edx_begin renamed = *begin;
    rename_acq(p, &renamed.head);
    p->running = true;
    p->head = renamed.head;
    p->frames = p->messages = 0;
    p->played++;
    return edx_output_begin(p->output, &renamed, err);
}

/* Time since the message before, as recorded; where the stamps do not tell, as long as the scan of
 * these rows took. */
static double since_last(const player *p, const edx_source_message *message)
{
    const edx_begin *begin = message->begin;
    if (p->arrival_ns != 0 && message->arrival_ns > p->arrival_ns)
        return (double)(message->arrival_ns - p->arrival_ns) * 1e-9;
    return begin->dwell_s * message->frame.rows * begin->cols;
}

static edx_status play_frame(player *p, const edx_source_message *message, edx_error *err)
{
    edx_frame renamed = message->frame;
    rename_acq(p, &renamed.head);
    edx_status status = edx_output_pace(p->output, since_last(p, message), err);
    if (status != EDX_OK)
        return status;
    p->messages++;
    if (renamed.frame >= p->frames)
        p->frames = renamed.frame + 1;
    return edx_output_frame(p->output, &renamed, err);
}

static edx_status play_message(player *p, const edx_source_message *message, edx_error *err)
{
    edx_status status = EDX_OK;
    if (message->kind == EDX_SOURCE_CONFIG)
        return EDX_OK; /* the daemon's own settings are its own affair */
    if (message->kind == EDX_SOURCE_BEGIN) {
        status = play_begin(p, message->begin, err);
    } else if (message->kind == EDX_SOURCE_FRAME) {
        status = play_frame(p, message, err);
    } else {
        edx_end end = message->end;
        rename_acq(p, &end.head);
        status = send_end(p, &end, err);
    }
    p->arrival_ns = message->arrival_ns;
    return status;
}

/* At a growing file's end: waits a little, or takes it for the end of all. Who stops edxplay here
 * ends the measurement: what was held back until its end still goes out. */
static void wait_for_more(player *p, edx_replay *replay, edx_error *err)
{
    double limit = p->args->idle_s;
    bool stopped =
        edx_stop_asked(p->stop) > 0 || edx_output_silence(p->output, LOOK_S, err) == EDX_E_END;
    p->idle_s += LOOK_S;
    p->following = !stopped && (limit <= 0.0 || p->idle_s < limit);
    p->flushing = !p->following;
    if (p->flushing)
        edx_replay_settle(replay);
}

/* END: stopped. */
static edx_status play_one(player *p, edx_replay *replay, const edx_source_message *message,
                           edx_error *err)
{
    if (edx_stop_asked(p->stop) > 0 && !p->flushing)
        return EDX_E_END;
    edx_status status = play_message(p, message, err);
    if (message->kind == EDX_SOURCE_END)
        p->following = false;
    p->idle_s = 0.0;
    step(&p->reporter, edx_replay_position(replay));
    return status;
}

/* END: stopped. */
static edx_status play_messages(player *p, edx_replay *replay, edx_error *err)
{
    edx_source_message message;
    p->following = p->args->source.growing;
    for (;;) {
        edx_status status = edx_replay_next(replay, &message, err);
        if (status == EDX_E_END && p->following) {
            wait_for_more(p, replay, err);
            continue;
        }
        if (status == EDX_E_END)
            return EDX_OK;
        if (status == EDX_E_IO || status == EDX_E_NOMEM)
            return status;
        if (status != EDX_OK) {
            say(&p->reporter, err->text);
            continue;
        }
        status = play_one(p, replay, &message, err);
        if (status != EDX_OK)
            return status;
    }
}

static edx_status play_file(player *p, const char *path, edx_error *err)
{
    edx_replay *replay = NULL;
    p->arrival_ns = 0;
    p->reporter.file = path;
    edx_status status = edx_replay_open(path, &p->args->source, &replay, err);
    if (status != EDX_OK) {
        edx_error_prefix(err, "%s", path);
        return status;
    }
    status = play_messages(p, replay, err);
    p->reporter.before += edx_replay_size(replay);
    edx_replay_free(&replay);
    if (status == EDX_OK)
        status = cut_short(p, err);
    return status;
}

static edx_status play_all(player *p, edx_error *err)
{
    edx_status status = EDX_OK;
    uint64_t loops = p->args->loops;
    for (p->loop = 1; status == EDX_OK && (loops == 0 || p->loop <= loops); p->loop++) {
        uint64_t before = p->played;
        for (int f = 0; status == EDX_OK && f < p->args->n_files; f++)
            status = play_file(p, p->args->files[f], err);
        if (status == EDX_OK && p->played == before)
            status = edx_fail(err, EDX_E_STATE, "%s: no edx.begin in it, expected an acquisition",
                              p->args->files[0]);
    }
    return status;
}

/* A stop that nobody hears is no failure. */
static edx_status play(player *p, edx_error *err)
{
    edx_status status = play_all(p, err);
    bool stopped = status == EDX_E_END;
    if (stopped)
        status = cut_short(p, err);
    if (status == EDX_OK)
        status = edx_output_finish(p->output, err);
    edx_progress_clear(&p->reporter.progress);
    if (stopped && status == EDX_E_IO && p->args->sender.pattern == EDX_SENDER_PUSH) {
        notice(&p->reporter, err->text);
        status = EDX_OK;
    }
    return status;
}

static void summarise(const player *p)
{
    edx_sender_counts counts = edx_output_counts(p->output);
    if (p->args->quiet)
        return;
    fprintf(stderr, "edxplay: %" PRIu64 " messages sent", counts.sent);
    if (p->args->sender.pattern == EDX_SENDER_DEALER)
        fprintf(stderr, ", %" PRIu64 " again; %" PRIu64 " acknowledged, %" PRIu64 " refused",
                counts.resent, counts.acknowledged, counts.refused);
    fputc('\n', stderr);
}

/* Every file must open before the first one plays. */
static edx_status look_at_files(const arguments *args, uint64_t *bytes, edx_error *err)
{
    for (int f = 0; f < args->n_files; f++) {
        edx_replay *replay = NULL;
        edx_status status = edx_replay_open(args->files[f], &args->source, &replay, err);
        if (status != EDX_OK) {
            edx_error_prefix(err, "%s", args->files[f]);
            return status;
        }
        *bytes += edx_replay_size(replay);
        edx_replay_free(&replay);
    }
    return EDX_OK;
}

static int run_player(const arguments *args)
{
    edx_error err = {0};
    uint64_t bytes = 0;
    player p = {.args = args};
    edx_status status = look_at_files(args, &bytes, &err);
    edx_progress_start(&p.reporter.progress, "edxplay", "kB", args->loops * bytes / PROGRESS_BYTES,
                       args->quiet);
    if (status == EDX_OK)
        status = edx_stop_new(&p.stop, &err);
    if (status == EDX_OK) {
        edx_sender_options sender = args->sender;
        sender.stop = p.stop;
        sender.notice = args->quiet ? NULL : notice;
        sender.context = &p.reporter;
        status = edx_output_live(&sender, args->times, &p.output, &err);
    }
    bool early = status == EDX_E_END; /* stopped before there was anybody to tell */
    if (status == EDX_OK)
        status = play(&p, &err);
    if (status == EDX_OK)
        summarise(&p);
    int code = status == EDX_OK || early ? DONE : complain(&err, FAILED);
    edx_output_free(&p.output);
    edx_stop_free(&p.stop);
    return code;
}

/* ---- converting ---- */

static edx_status convert_to(const arguments *args, edx_replay *replay, edx_error *err)
{
    edx_output *output = NULL;
    reporter r = {.file = args->files[0]};
    edx_convert_options how = {.lost = say, .step = step, .context = &r};
    edx_progress_start(&r.progress, "edxplay", "kB", edx_replay_size(replay) / PROGRESS_BYTES,
                       args->quiet);
    edx_status status = edx_output_file(args->convert, &output, err);
    if (status != EDX_OK)
        return status;
    status = edx_convert(replay, output, &how, err);
    if (status == EDX_OK)
        status = edx_output_finish(output, err);
    else
        edx_error_prefix(err, "%s", args->files[0]);
    edx_progress_clear(&r.progress);
    edx_output_free(&output);
    return status;
}

static int run_converter(const arguments *args)
{
    edx_error err = {0};
    edx_replay *replay = NULL;
    edx_status status = edx_replay_open(args->files[0], &args->source, &replay, &err);
    if (status != EDX_OK)
        edx_error_prefix(&err, "%s", args->files[0]);
    else
        status = convert_to(args, replay, &err);
    edx_replay_free(&replay);
    return status == EDX_OK ? DONE : complain(&err, FAILED);
}

int main(int argc, char **argv)
{
    arguments args = {0};
    edx_error err = {0};
    int code = parse(&args, argc, argv);
    if (code >= 0)
        return code;
    if (check(&args, &err) != EDX_OK)
        return complain(&err, USAGE);
    return args.convert ? run_converter(&args) : run_player(&args);
}
