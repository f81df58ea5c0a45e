/* edxsim: a simulated instrument with a known truth. */
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instrument/arguments.h"
#include "instrument/faults.h"
#include "instrument/output.h"
#include "instrument/progress.h"
#include "instrument/scenes.h"
#include "instrument/simulator.h"
#include "instrument/stop.h"
#include "instrument/truth.h"
#include "proto/built.h"

enum { DONE = 0, FAILED = 1, USAGE = 2 };

static const char help_text[] =
    "Usage: edxsim [OPTION]...\n"
    "Simulate a scanning electron microscope's X-ray spectrum imaging run, frame by\n"
    "frame, with a known truth: send it to edxd, or write it to a recording.\n"
    "\n"
    "What is measured:\n"
    "      --scene NAME       the specimen; --scenes lists them (default: agau-8nm)\n"
    "      --seed N           other counts of the same specimen (default: 1); the same\n"
    "                         seed gives the same bytes on every machine\n"
    "      --frames N         scan frames; 0: until stopped (default: the scene's, 100)\n"
    "      --size N           N x N pixels over the same field of view\n"
    "      --dose FACTOR      times the scene's probe current (default: 1)\n"
    "      --drift DY,DX      the specimen moves by that many nm in every frame\n"
    "      --wander NM        and by a random step of that size in y and in x\n"
    "      --damage FRACTION  that share of the first element is gone by the last frame\n"
    "      --decay FRACTION   and that share of the probe current\n"
    "      --acq ID           acquisition id (default: SCENE-sSEED)\n"
    "      --truth FILE       write what is true as JSON\n"
    "\n"
    "Where it goes:\n"
    "  -o, --output FILE      a recording (.edxr), at once and with fixed times\n"
    "      --endpoint EP      ZeroMQ endpoint (default: tcp://127.0.0.1:5555)\n"
    "      --pattern P        pub, push or dealer (default: pub); edxd's ingest.pattern\n"
    "                         is then sub, pull or router\n"
    "      --bind, --connect  which side opens the endpoint (default: --bind)\n"
    "      --speed X          X times as fast as the scan really is, or max (default: 1)\n"
    "      --wait SECONDS     pub: for the first subscriber (default: 5)\n"
    "      --timeout SECONDS  push, dealer: give up after so long without any progress;\n"
    "                         0: never (default: 300)\n"
    "      --key FILE         this instrument's secret key, where edxd wants one (EDX_KEY)\n"
    "      --server-key FILE  edxd's public key (default: edxd.pub beside the other)\n"
    "      --stop-endpoint EP bound: stops when edxd says that the target is reached\n"
    "                         (its ingest.stop_endpoint)\n"
    "\n"
    "      --fault KIND[,..]  what goes wrong: gap, duplicate, reorder, garbage, late,\n"
    "                         broken, silence[=SECONDS], blocks\n"
    "  -q, --quiet            no progress\n"
    "      --scenes           list the scenes\n"
    "  -h, --help             this text\n"
    "  -V, --version          the version\n"
    "\n"
    "Examples:\n"
    "  edxsim --speed 20\n"
    "      the paper's 8 nm AgAu particle, twenty times as fast, to edxd's default\n"
    "  edxsim --scene agau-two --seed 7 -o two.edxr --truth two.json\n"
    "      a recording and its truth; analyse it with: edxd --offline two.edxr -o out\n"
    "  edxsim --pattern dealer --speed max --frames 20 --drift 0.02,-0.01\n"
    "      a drifting specimen; every message is kept until edxd has it on disk\n"
    "\n"
    "SIGINT and SIGTERM end the run with an edx.end. Exit status: 0 done, 1 failed,\n"
    "2 wrong usage. See edxsim(1).\n";

typedef struct arguments {
    const char *scene, *acq, *truth, *output, *frames, *size, *seed;
    const char *dose, *drift, *wander, *damage, *decay, *fault;
    edx_stream_arguments stream;
    edx_simulator_options run;
    edx_sender_options sender;
    edx_faults faults;
    double times; /* speed */
    bool quiet;
} arguments;

/* ---- saying ---- */

static int complain(const edx_error *err, int code)
{
    fprintf(stderr, "edxsim: %s\n", err->text);
    return code;
}

static void notice(void *context, const char *text)
{
    edx_progress_clear(context);
    fprintf(stderr, "edxsim: %s\n", text);
}

static int list_scenes(void)
{
    for (size_t i = 0; i < edx_scenes_count(); i++)
        printf("%-14s %s\n", edx_scenes_at(i)->name, edx_scenes_at(i)->about);
    return DONE;
}

/* ---- reading numbers ---- */

static edx_status pair(const char *option, const char *text, double out[2], edx_error *err)
{
    char *end = NULL;
    if (!text)
        return EDX_OK;
    out[0] = strtod(text, &end);
    bool ok = end != text && *end == ',';
    const char *second = end + 1;
    if (ok) {
        out[1] = strtod(second, &end);
        ok = end != second && *end == '\0' && isfinite(out[0]) && isfinite(out[1]);
    }
    return ok ? EDX_OK
              : edx_fail(err, EDX_E_RANGE, "%s: \"%s\", expected DY,DX in nm, such as 0.02,-0.01",
                         option, text);
}

/* ---- the command line ---- */

enum {
    OPT_SCENE = 256,
    OPT_SEED,
    OPT_FRAMES,
    OPT_SIZE,
    OPT_DOSE,
    OPT_DRIFT,
    OPT_WANDER,
    OPT_DAMAGE,
    OPT_DECAY,
    OPT_ACQ,
    OPT_TRUTH,
    OPT_ENDPOINT,
    OPT_PATTERN,
    OPT_BIND,
    OPT_CONNECT,
    OPT_SPEED,
    OPT_WAIT,
    OPT_TIMEOUT,
    OPT_KEY,
    OPT_SERVER_KEY,
    OPT_STOP_ENDPOINT,
    OPT_FAULT,
    OPT_SCENES
};

static const struct option options[] = {
    {"scene", required_argument, NULL, OPT_SCENE},
    {"seed", required_argument, NULL, OPT_SEED},
    {"frames", required_argument, NULL, OPT_FRAMES},
    {"size", required_argument, NULL, OPT_SIZE},
    {"dose", required_argument, NULL, OPT_DOSE},
    {"drift", required_argument, NULL, OPT_DRIFT},
    {"wander", required_argument, NULL, OPT_WANDER},
    {"damage", required_argument, NULL, OPT_DAMAGE},
    {"decay", required_argument, NULL, OPT_DECAY},
    {"acq", required_argument, NULL, OPT_ACQ},
    {"truth", required_argument, NULL, OPT_TRUTH},
    {"output", required_argument, NULL, 'o'},
    {"endpoint", required_argument, NULL, OPT_ENDPOINT},
    {"pattern", required_argument, NULL, OPT_PATTERN},
    {"bind", no_argument, NULL, OPT_BIND},
    {"connect", no_argument, NULL, OPT_CONNECT},
    {"speed", required_argument, NULL, OPT_SPEED},
    {"wait", required_argument, NULL, OPT_WAIT},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"key", required_argument, NULL, OPT_KEY},
    {"server-key", required_argument, NULL, OPT_SERVER_KEY},
    {"stop-endpoint", required_argument, NULL, OPT_STOP_ENDPOINT},
    {"fault", required_argument, NULL, OPT_FAULT},
    {"quiet", no_argument, NULL, 'q'},
    {"scenes", no_argument, NULL, OPT_SCENES},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0}};

/* Where the text of an option that takes one goes; NULL: it takes none. */
static const char **slot(arguments *args, int option)
{
    switch (option) {
    case OPT_SCENE:
        return &args->scene;
    case OPT_SEED:
        return &args->seed;
    case OPT_FRAMES:
        return &args->frames;
    case OPT_SIZE:
        return &args->size;
    case OPT_DOSE:
        return &args->dose;
    case OPT_DRIFT:
        return &args->drift;
    case OPT_WANDER:
        return &args->wander;
    case OPT_DAMAGE:
        return &args->damage;
    case OPT_DECAY:
        return &args->decay;
    case OPT_ACQ:
        return &args->acq;
    case OPT_TRUTH:
        return &args->truth;
    case 'o':
        return &args->output;
    case OPT_ENDPOINT:
        return &args->sender.endpoint;
    case OPT_PATTERN:
        return &args->stream.pattern;
    case OPT_SPEED:
        return &args->stream.speed;
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
    case OPT_FAULT:
        return &args->fault;
    default:
        return NULL;
    }
}

/* Returns -1 to go on, else the exit code. */
static int parse(arguments *args, int argc, char **argv)
{
    int option = 0;
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":o:qhV", options, NULL)) != -1) {
        const char **text = slot(args, option);
        if (text)
            *text = optarg;
        else if (option == OPT_BIND || option == OPT_CONNECT)
            args->sender.connect = option == OPT_CONNECT;
        else if (option == 'q')
            args->quiet = true;
        else if (option == OPT_SCENES)
            return list_scenes();
        else if (option == 'h')
            return fputs(help_text, stdout) < 0 ? FAILED : DONE;
        else if (option == 'V')
            return puts(EDX_BUILT("edxsim")) < 0 ? FAILED : DONE;
        else {
            edx_arguments_refused("edxsim", options, option, argv);
            return USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "edxsim: \"%s\": not an option, expected none (edxsim --help)\n", argv[optind]);
    return USAGE;
}

static edx_status read_run(arguments *args, edx_error *err)
{
    edx_simulator_options *run = &args->run;
    uint64_t seed = 1;
    const edx_scenes_scene *scene = edx_scenes_find(args->scene ? args->scene : "agau-8nm");
    if (!scene)
        return edx_fail(err, EDX_E_UNKNOWN,
                        "--scene: \"%s\", expected one of those that edxsim --scenes lists",
                        args->scene);
    edx_status status = edx_arguments_whole("--seed", args->seed, UINT64_MAX, &seed, err);
    edx_simulator_defaults(scene, seed, run);
    uint64_t size = run->size;
    if (status == EDX_OK)
        status = edx_arguments_whole("--frames", args->frames, UINT32_MAX, &run->frames, err);
    if (status == EDX_OK)
        status = edx_arguments_whole("--size", args->size, UINT32_MAX, &size, err);
    if (status == EDX_OK)
        status = edx_arguments_number("--dose", args->dose, &run->dose, err);
    if (status == EDX_OK)
        status = edx_arguments_number("--damage", args->damage, &run->damage, err);
    if (status == EDX_OK)
        status = edx_arguments_number("--decay", args->decay, &run->decay, err);
    if (status == EDX_OK)
        status = edx_arguments_number("--wander", args->wander, &run->wander_nm, err);
    if (status == EDX_OK)
        status = pair("--drift", args->drift, run->drift_nm, err);
    run->size = (uint32_t)size;
    if (status != EDX_OK || !args->acq)
        return status;
    if (!edx_acq_valid(args->acq))
        return edx_fail(err, EDX_E_RANGE,
                        "--acq: \"%s\", expected 1 to 64 of A-Z a-z 0-9 . _ -, no dot first",
                        args->acq);
    snprintf(run->acq, sizeof run->acq, "%s", args->acq);
    return EDX_OK;
}

static edx_status read_stream(arguments *args, edx_error *err)
{
    if (args->output && (args->sender.endpoint || args->stream.pattern))
        return edx_fail(err, EDX_E_STATE,
                        "-o: a recording needs no --endpoint and no --pattern, expected one of "
                        "both ways");
    edx_status status = edx_arguments_stream(&args->stream, &args->sender, &args->times, err);
    if (status == EDX_OK && args->fault) {
        status = edx_faults_parse(args->fault, &args->faults, err);
        if (status != EDX_OK)
            edx_error_prefix(err, "--fault");
    }
    return status;
}

/* ---- running ---- */

typedef struct session {
    const arguments *args;
    edx_simulator *simulator;
    edx_output *output;
    edx_stop *stop;
    edx_progress progress;
} session;

static edx_status send_end(session *s, uint64_t frames, bool stopped, edx_error *err)
{
    edx_end end;
    uint64_t messages = edx_faults_messages(&s->args->faults, s->simulator, frames);
    edx_simulator_end(s->simulator, frames, messages, stopped ? "stopped" : "complete", &end);
    edx_status status = edx_output_end(s->output, &end, err);
    if (status == EDX_OK && !stopped)
        status = edx_faults_after(&s->args->faults, s->simulator, s->output, err);
    if (status == EDX_OK)
        status = edx_output_finish(s->output, err);
    return status;
}

/* END when it was stopped; *done counts the frames that were sent. */
static edx_status send_frames(session *s, uint64_t *done, edx_error *err)
{
    edx_status status = EDX_OK;
    uint64_t frames = s->args->run.frames;
    double frame_s = edx_simulator_frame_s(s->simulator);
    while (status == EDX_OK && (frames == 0 || *done < frames)) {
        status = edx_output_pace(s->output, frame_s, err);
        if (status == EDX_OK && edx_stop_asked(s->stop) > 0)
            status = EDX_E_END;
        if (status == EDX_OK)
            status = edx_faults_frame(&s->args->faults, s->simulator, *done, s->output, err);
        if (status == EDX_OK)
            edx_progress_step(&s->progress, ++*done);
    }
    return status;
}

/* A stop before anybody could hear an end is no failure. */
static edx_status stream(session *s, edx_error *err)
{
    edx_begin begin;
    uint64_t done = 0;
    edx_simulator_begin(s->simulator, &begin);
    edx_status status = edx_output_begin(s->output, &begin, err);
    if (status == EDX_OK)
        status = send_frames(s, &done, err);
    bool stopped = status == EDX_E_END;
    if (status == EDX_OK || stopped)
        status = send_end(s, done, stopped, err);
    edx_progress_clear(&s->progress);
    stopped = edx_stop_asked(s->stop) > 0;
    if (stopped && status == EDX_E_IO && s->args->sender.pattern == EDX_SENDER_PUSH) {
        notice(&s->progress, err->text);
        status = EDX_OK;
    }
    return status;
}

static edx_status open_output(session *s, edx_error *err)
{
    const arguments *args = s->args;
    if (args->output)
        return edx_output_file(args->output, &s->output, err);
    edx_sender_options sender = args->sender;
    sender.stop = s->stop;
    sender.notice = args->quiet ? NULL : notice;
    sender.context = &s->progress;
    return edx_output_live(&sender, args->times, &s->output, err);
}

static void summarise(const session *s)
{
    edx_sender_counts counts = edx_output_counts(s->output);
    if (s->args->quiet || s->args->output)
        return;
    fprintf(stderr, "edxsim: %" PRIu64 " messages sent", counts.sent);
    if (s->args->sender.pattern == EDX_SENDER_DEALER)
        fprintf(stderr, ", %" PRIu64 " again; %" PRIu64 " acknowledged, %" PRIu64 " refused",
                counts.resent, counts.acknowledged, counts.refused);
    fputc('\n', stderr);
}

static int run(const arguments *args)
{
    edx_error err = {0};
    session s = {.args = args};
    edx_progress_start(&s.progress, "edxsim", "frames", args->run.frames, args->quiet);
    edx_status status = edx_simulator_new(&args->run, &s.simulator, &err);
    if (status != EDX_OK)
        return complain(&err, status == EDX_E_RANGE ? USAGE : FAILED);
    if (args->truth)
        status = edx_truth_write(s.simulator, args->truth, &err);
    if (status == EDX_OK)
        status = edx_stop_new(&s.stop, &err);
    if (status == EDX_OK)
        status = open_output(&s, &err);
    bool early = status == EDX_E_END; /* stopped before there was anybody to tell */
    if (status == EDX_OK)
        status = stream(&s, &err);
    if (status == EDX_OK)
        summarise(&s);
    int code = status == EDX_OK || early ? DONE : complain(&err, FAILED);
    edx_output_free(&s.output);
    edx_stop_free(&s.stop);
    edx_simulator_free(&s.simulator);
    return code;
}

int main(int argc, char **argv)
{
    arguments args = {0};
    edx_error err = {0};
    int code = parse(&args, argc, argv);
    if (code >= 0)
        return code;
    edx_status status = read_run(&args, &err);
    if (status == EDX_OK)
        status = read_stream(&args, &err);
    if (status != EDX_OK)
        return complain(&err, USAGE);
    return run(&args);
}
