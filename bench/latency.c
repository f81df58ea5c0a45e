/* Last byte of a frame in to edx.maps out, over ipc, against a live edxd that is done with the
 * frame before, since a microscope takes seconds for one, and against one that may not be; beside
 * it the ipc round trip in the same run, and the time of the kernels alone (decode, add, analyse,
 * encode) in this process. Prints one JSON line.
 *
 * The round trip carries what the daemon carries: a frame's bytes there, a maps message's bytes
 * back; that of a single byte stands beside it.
 *
 * usage: latency EDXD SIZE CHANNELS MEAN FRAMES */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <zmq.h>

#include "bench/events.h"
#include "daemon/run.h"
#include "proto/frame.h"
#include "proto/result.h"

#define SETTLE_MS 300
#define PACE_MS 40  /* between frames, at least */
#define AT_REST 0.1 /* of a processor */
#define MOST_RESTS 500u
#define WAIT_MS 20000
#define WARM_UP 10u
#define LINES                                                                                      \
    "quant.lines=({line=\"Ag_La\"; k=1.44;}, {line=\"Au_Ma\"; k=1.0;}, {line=\"Cu_Ka\"; k=1.0;})"

typedef struct bench {
    char dir[64];
    const char *edxd;
    pid_t pid;
    void *context, *push, *sub;
    edx_begin begin;
    edx_events *events;
    edx_pack *pack;
    uint32_t frames;
    double *ms;
} bench;

static double now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return 1e3 * (double)ts.tv_sec + 1e-6 * (double)ts.tv_nsec;
}

static void pause_ms(long ms)
{
    const struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&ts, NULL);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *values, uint32_t n, double q)
{
    qsort(values, n, sizeof *values, by_value);
    return values[(uint32_t)(q * (n - 1) + 0.5)];
}

static int die(const char *what)
{
    fprintf(stderr, "latency: %s: %s\n", what, errno ? strerror(errno) : "failed");
    return EXIT_FAILURE;
}

/* ---- the daemon ---- */

static void argument(char *out, size_t size, const bench *b, const char *key, const char *name)
{
    snprintf(out, size, "%s=ipc://%s/%s", key, b->dir, name);
}

static pid_t start_edxd(const bench *b)
{
    char in[128], out[128], control[128], dir[128];
    argument(in, sizeof in, b, "ingest.endpoint", "in");
    argument(out, sizeof out, b, "publish.endpoint", "out");
    argument(control, sizeof control, b, "control.endpoint", "control");
    snprintf(dir, sizeof dir, "output.dir=%s/runs", b->dir);
    const pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(1);
        }
        execl(b->edxd, b->edxd, "-c", "/dev/null", "-s", in, "-s", out, "-s", control, "-s", dir,
              "-s", "ingest.pattern=pull", "-s", "ingest.bind=true", "-s", LINES, "-s",
              "analysis.bin_pixels=1", "-s", "analysis.bin_energy=1", (char *)NULL);
        _exit(127);
    }
    return pid;
}

static int open_sockets(bench *b)
{
    char endpoint[96];
    const int wait = WAIT_MS;
    b->push = zmq_socket(b->context, ZMQ_PUSH);
    b->sub = zmq_socket(b->context, ZMQ_SUB);
    zmq_setsockopt(b->sub, ZMQ_SUBSCRIBE, "edx.maps", 8);
    zmq_setsockopt(b->sub, ZMQ_RCVTIMEO, &wait, sizeof wait);
    zmq_setsockopt(b->push, ZMQ_LINGER, &(int){0}, sizeof(int));
    snprintf(endpoint, sizeof endpoint, "ipc://%s/in", b->dir);
    int rc = zmq_connect(b->push, endpoint);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/out", b->dir);
    rc |= zmq_connect(b->sub, endpoint);
    return rc;
}

static void send_pack(bench *b, const char *topic)
{
    zmq_send(b->push, topic, strlen(topic), ZMQ_SNDMORE);
    zmq_send(b->push, edx_pack_data(b->pack), edx_pack_size(b->pack), 0);
}

static void encode_frame(bench *b, uint64_t index)
{
    edx_frame frame = {.head = b->begin.head, .seq = index, .frame = index, .rows = b->begin.rows};
    const uint32_t pixels = b->events->pixels;
    frame.counts.events = true;
    frame.counts.offsets = edx_array_1(EDX_U4, b->events->offsets, pixels + 1);
    frame.counts.channels = edx_array_1(EDX_U2, b->events->channels, b->events->offsets[pixels]);
    frame.live_s = frame.real_s = b->begin.dwell_s;
    edx_frame_write(b->pack, &frame);
}

/* The frame number in a body of edx.maps. */
static uint64_t maps_frame(edx_wire *wire, zmq_msg_t *body)
{
    const edx_node *root;
    uint64_t frame = UINT64_MAX;
    if (edx_wire_parse(wire, zmq_msg_data(body), zmq_msg_size(body), &root, NULL) == EDX_OK) {
        edx_node_uint(edx_map_get(root, "frame"), "frame", UINT64_MAX, &frame, NULL);
    }
    return frame;
}

static int wait_maps(bench *b, edx_wire *wire, uint64_t index, double *arrived_ms)
{
    zmq_msg_t part;
    uint64_t frame = UINT64_MAX;
    zmq_msg_init(&part);
    while (frame != index) {
        const int topic = zmq_msg_recv(&part, b->sub, 0);
        if (topic < 0 || zmq_msg_recv(&part, b->sub, 0) < 0) {
            return -1;
        }
        *arrived_ms = now_ms();
        frame = maps_frame(wire, &part);
    }
    zmq_msg_close(&part);
    return 0;
}

static double processor_ms(clockid_t clock)
{
    struct timespec ts = {0};
    clock_gettime(clock, &ts);
    return 1e3 * (double)ts.tv_sec + 1e-6 * (double)ts.tv_nsec;
}

/* Until edxd works no more. */
static void wait_for_rest(const bench *b)
{
    clockid_t clock;
    if (clock_getcpuclockid(b->pid, &clock) != 0) {
        return;
    }
    for (uint32_t i = 0; i < MOST_RESTS; i++) {
        const double before = processor_ms(clock), start = now_ms();
        pause_ms(PACE_MS);
        if (processor_ms(clock) - before < AT_REST * (now_ms() - start)) {
            return;
        }
    }
}

/* Of the frames from first on, without the WARM_UP first ones. */
static int measure(bench *b, uint32_t first, bool at_rest)
{
    edx_wire *wire = edx_wire_new(0);
    int rc = wire ? 0 : -1;
    for (uint32_t i = 0; rc == 0 && i < b->frames + WARM_UP; i++) {
        double arrived = 0.0;
        encode_frame(b, first + i);
        const double sent = now_ms();
        send_pack(b, EDX_TOPIC_FRAME);
        rc = wait_maps(b, wire, first + i, &arrived);
        if (i >= WARM_UP) {
            b->ms[i - WARM_UP] = arrived - sent;
        }
        pause_ms(PACE_MS);
        if (at_rest) {
            wait_for_rest(b);
        }
    }
    edx_wire_free(&wire);
    return rc;
}

/* ---- what it is held against ---- */

typedef struct echoer {
    void *socket;
    size_t answer; /* bytes to send back; 0: what came */
} echoer;

/* Answers until one byte comes, which the trips of one byte end with too. */
static void *echo(void *argument)
{
    const echoer *e = argument;
    char *answer = calloc(e->answer, 1);
    zmq_msg_t part;
    zmq_msg_init(&part);
    while (answer && zmq_msg_recv(&part, e->socket, 0) > 0) {
        if (*(const char *)zmq_msg_data(&part) == 'q') {
            break;
        }
        zmq_send(e->socket, answer, e->answer, 0);
    }
    zmq_msg_close(&part);
    free(answer);
    return NULL;
}

/* Median round trip over ipc: `there` bytes out, `back` bytes in. */
static double round_trip_ms(const bench *b, size_t there, size_t back)
{
    enum { TRIPS = 100 };
    double ms[TRIPS];
    char endpoint[96];
    char *bytes = calloc(there, 1);
    pthread_t thread;
    zmq_msg_t part;
    void *rep = zmq_socket(b->context, ZMQ_PAIR);
    void *req = zmq_socket(b->context, ZMQ_PAIR);
    echoer e = {rep, back};
    snprintf(endpoint, sizeof endpoint, "ipc://%s/echo-%zu", b->dir, back);
    if (!bytes || zmq_bind(rep, endpoint) != 0 || zmq_connect(req, endpoint) != 0 ||
        pthread_create(&thread, NULL, echo, &e) != 0) {
        free(bytes);
        return -1.0;
    }
    zmq_msg_init(&part);
    for (int i = 0; i < TRIPS; i++) {
        const double start = now_ms();
        zmq_send(req, bytes, there, 0);
        zmq_msg_recv(&part, req, 0);
        ms[i] = now_ms() - start;
        pause_ms(PACE_MS / 4);
    }
    zmq_msg_close(&part);
    zmq_send(req, "q", 1, 0);
    pthread_join(thread, NULL);
    zmq_close(req);
    zmq_close(rep);
    free(bytes);
    return quantile(ms, TRIPS, 0.5);
}

/* When the maps were ready, and how large they are. */
typedef struct ready {
    double ms;
    size_t bytes;
} ready;

static void drop(void *context, edx_result_topic topic, void *bytes, size_t n)
{
    ready *maps = context;
    if (topic == EDX_MAPS) {
        maps->ms = now_ms();
        maps->bytes = n;
    }
    free(bytes);
}

/* Median time of what the daemon computes from a frame's bytes to the maps', without its threads
 * and sockets, from rest too. */
static double kernels_ms(bench *b, size_t *frame_bytes, size_t *maps_bytes)
{
    const edx_limits limits = edx_limits_default();
    const edx_placement whole = {.place = true, .complete = true};
    edx_settings *settings = calloc(1, sizeof *settings);
    ready maps = {0};
    edx_run *run = edx_run_new(&limits, (edx_outlet){&maps, drop}, NULL);
    double median = -1.0;
    if (!settings || !run) {
        goto out;
    }
    edx_settings_default(settings);
    settings->analysis.bin_energy = settings->analysis.bin_pixels = 1;
    if (edx_run_begin(run, &b->begin, "", settings, NULL)) {
        goto out;
    }
    for (uint32_t i = 0; i < b->frames + WARM_UP; i++) {
        encode_frame(b, i);
        const double start = now_ms();
        edx_run_frame(run, edx_pack_data(b->pack), edx_pack_size(b->pack), &whole, NULL);
        edx_run_update(run, 0.0, NULL);
        if (i >= WARM_UP) {
            b->ms[i - WARM_UP] = maps.ms - start;
        }
        pause_ms(PACE_MS);
    }
    median = quantile(b->ms, b->frames, 0.5);
    *frame_bytes = edx_pack_size(b->pack);
    *maps_bytes = maps.bytes;
out:
    edx_run_free(&run);
    free(settings);
    return median;
}

/* ---- main ---- */

static void describe(bench *b, uint32_t size, uint32_t channels)
{
    static const char *const elements[] = {"Ag", "Au", "Cu"};
    b->begin = (edx_begin){.head = {.acq = "latency"},
                           .rows = size,
                           .cols = size,
                           .step_nm = {0.25, 0.25},
                           .dwell_s = 1e-3,
                           .channels = channels,
                           .offset_eV = 0.0,
                           .scale_eV = 20480.0 / channels,
                           .beam_keV = 80.0,
                           .probe_nA = NAN,
                           .n_elements = 3};
    for (int i = 0; i < 3; i++) {
        snprintf(b->begin.elements[i], EDX_SYMBOL_SIZE, "%s", elements[i]);
    }
}

static int run(bench *b, uint32_t size, uint32_t channels)
{
    size_t frame_bytes = 1;
    size_t maps_bytes = 1;
    const double kernels = kernels_ms(b, &frame_bytes, &maps_bytes);
    const double byte = round_trip_ms(b, 1, 1);
    const double trip = round_trip_ms(b, frame_bytes, maps_bytes);
    b->pid = start_edxd(b);
    if (b->pid < 0 || open_sockets(b) != 0) {
        return die("cannot start");
    }
    pause_ms(SETTLE_MS);
    edx_begin_write(b->pack, &b->begin);
    send_pack(b, EDX_TOPIC_BEGIN);
    if (measure(b, 0, true) != 0) {
        return die("edxd sends no maps");
    }
    const double p50 = quantile(b->ms, b->frames, 0.5), p99 = quantile(b->ms, b->frames, 0.99);
    if (measure(b, b->frames + WARM_UP, false) != 0) {
        return die("edxd sends no maps");
    }
    printf("{\"size\": %u, \"channels\": %u, \"frames\": %u, \"frame_bytes\": %zu, "
           "\"maps_bytes\": %zu, \"byte_round_trip_ms\": %.4f, \"round_trip_ms\": %.4f, "
           "\"kernels_ms\": %.4f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"allowed_ms\": %.4f, "
           "\"busy_p50_ms\": %.4f}\n",
           size, channels, b->frames, frame_bytes, maps_bytes, byte, trip, kernels, p50, p99,
           3.0 * trip + kernels, quantile(b->ms, b->frames, 0.5));
    return EXIT_SUCCESS;
}

static void clean_up(bench *b)
{
    char command[128];
    if (b->pid > 0) {
        kill(b->pid, SIGTERM);
        waitpid(b->pid, NULL, 0);
    }
    if (b->push) {
        zmq_close(b->push);
    }
    if (b->sub) {
        zmq_close(b->sub);
    }
    zmq_ctx_term(b->context);
    snprintf(command, sizeof command, "rm -rf '%s'", b->dir);
    if (system(command) != 0) {
        fprintf(stderr, "latency: %s is left behind\n", b->dir);
    }
    bench_frame_free(&b->events);
    edx_pack_free(&b->pack);
    free(b->ms);
}

int main(int argc, char **argv)
{
    bench b = {.dir = "/tmp/edx-latency-XXXXXX"};
    if (argc != 6) {
        fputs("usage: latency EDXD SIZE CHANNELS MEAN FRAMES\n", stderr);
        return 2;
    }
    const uint32_t size = (uint32_t)strtoul(argv[2], NULL, 10);
    const uint32_t channels = (uint32_t)strtoul(argv[3], NULL, 10);
    b.edxd = argv[1];
    b.frames = (uint32_t)strtoul(argv[5], NULL, 10);
    b.context = zmq_ctx_new();
    b.pack = edx_pack_new();
    b.ms = calloc(b.frames + 1, sizeof *b.ms);
    bench_source *source = bench_source_new(channels, 0.0, 20480.0 / channels, 1);
    b.events = source ? bench_frame_new(source, size * size, strtod(argv[4], NULL)) : NULL;
    int code = EXIT_FAILURE;
    if (!mkdtemp(b.dir) || !b.context || !b.pack || !b.ms || !b.events) {
        code = die("cannot start");
    } else {
        describe(&b, size, channels);
        code = run(&b, size, channels);
    }
    clean_up(&b);
    bench_source_free(&source);
    return code;
}
