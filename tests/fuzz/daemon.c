#define _GNU_SOURCE
#include "tests/fuzz/daemon.h"

#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/analyst.h"
#include "daemon/intake.h"
#include "daemon/link.h"
#include "daemon/receive.h"
#include "daemon/store.h"
#include "proto/result.h"
#include "tests/fuzz/account.h"
#include "tests/fuzz/expect.h"

struct edx_socket {
    fuzz_socket which;
};

typedef struct item {
    struct item *next;
    fuzz_socket to;
    unsigned n;
    edx_message parts[FUZZ_MAX_PARTS];
} item;

typedef struct queue {
    item *first, **last;
} queue;

/* What waits for edxd, and what its analyst reports. */
static queue sent, reports;
static fuzz_heard ears;
static edx_analyst *analyst;
static bool told_to_end, frames_came;
static unsigned idle;

#define MOST_IDLE 100

/* ---- queues ---- */

static item *put(queue *q, fuzz_socket to, unsigned n)
{
    item *new = calloc(1, sizeof *new);
    fuzz_expect(new &&n <= FUZZ_MAX_PARTS);
    new->to = to;
    new->n = n;
    for (unsigned i = 0; i < n; i++)
        edx_message_init(&new->parts[i]);
    if (!q->first)
        q->last = &q->first;
    *q->last = new;
    q->last = &new->next;
    return new;
}

static void drop(queue *q)
{
    item *first = q->first;
    if (first) {
        q->first = first->next;
        for (unsigned i = 0; i < first->n; i++)
            edx_message_close(&first->parts[i]);
        free(first);
    }
}

void fuzz_send(fuzz_socket to, const fuzz_part *parts, unsigned n)
{
    item *new = put(&sent, to, n);
    for (unsigned i = 0; i < n; i++)
        fuzz_expect(!edx_message_set(&new->parts[i], parts[i].bytes, parts[i].size));
}

/* ---- what edxd says ---- */

static const edx_node *parse(edx_wire *wire, edx_message *body)
{
    const edx_node *root = NULL;
    edx_error err = {0};
    fuzz_expect(!edx_wire_parse(wire, edx_message_data(body), edx_message_size(body), &root, &err));
    fuzz_expect(root->kind == EDX_MAP);
    return root;
}

static void hear_result(edx_message *parts, unsigned n)
{
    edx_result result = {0};
    edx_error err = {0};
    edx_wire *wire = edx_wire_new(0);
    fuzz_expect(n == 2 && wire);
    const edx_result_topic topic =
        edx_result_topic_parse(edx_message_data(&parts[0]), edx_message_size(&parts[0]));
    fuzz_expect(topic != EDX_RESULT_TOPICS);
    fuzz_expect(edx_result_read(topic, parse(wire, &parts[1]), &result, &err) == EDX_OK);
    edx_result_clear(&result);
    edx_wire_free(&wire);
}

static void hear_ack(edx_message *parts, unsigned n)
{
    edx_wire *wire = edx_wire_new(0);
    fuzz_expect(n == 3 && wire);
    const edx_node *root = parse(wire, &parts[2]);
    fuzz_expect(edx_map_get(root, "acq") && edx_map_get(root, "topic"));
    ears.acks++;
    edx_wire_free(&wire);
}

/* One line, and not empty. */
static void check_error(const edx_node *text)
{
    fuzz_expect(text && text->kind == EDX_STR && text->count > 0);
    fuzz_expect(!memchr(text->as.bytes, '\n', text->count));
}

static void hear_reply(edx_message *parts, unsigned n)
{
    bool ok = false;
    edx_wire *wire = edx_wire_new(0);
    fuzz_expect(n >= 2 && wire);
    const edx_node *root = parse(wire, &parts[n - 1]);
    fuzz_expect(edx_node_bool(edx_map_get(root, "ok"), "ok", &ok, NULL) == EDX_OK);
    ears.replies++;
    ears.errors += !ok;
    if (!ok)
        check_error(edx_map_get(root, "error"));
    if (edx_node_uint(edx_map_get(root, "received"), "", UINT64_MAX, &ears.received, NULL) ==
        EDX_OK)
        ears.has_status =
            edx_node_uint(edx_map_get(root, "bad"), "", UINT64_MAX, &ears.bad, NULL) == EDX_OK;
    edx_wire_free(&wire);
}

/* ---- in place of daemon/link.c's sockets ---- */

edx_status __wrap_edx_socket_open(edx_link *link, edx_socket_kind kind, const char *endpoint,
                                  bool bind, uint64_t max_message_bytes, edx_socket **out,
                                  edx_error *err);
void __wrap_edx_socket_free(edx_socket **socket);
const char *__wrap_edx_socket_endpoint(const edx_socket *socket);
unsigned __wrap_edx_socket_receive(edx_socket *socket, edx_message *parts, unsigned max_parts);
bool __wrap_edx_socket_send(edx_socket *socket, edx_message *parts, unsigned n);
bool __wrap_edx_link_wait(edx_socket *const *sockets, unsigned n, const int *fds, unsigned m,
                          long timeout_ms, bool *ready);
uint64_t __wrap_edx_socket_protocol_failures(edx_socket *socket);
uint64_t __wrap_edx_socket_refusals(edx_socket *socket);

static const char *const endpoints[] = {"ipc://ingest", "ipc://control", "ipc://publish",
                                        "inproc://reports"};

edx_status __wrap_edx_socket_open(edx_link *link, edx_socket_kind kind, const char *endpoint,
                                  bool bind, uint64_t max_message_bytes, edx_socket **out,
                                  edx_error *err)
{
    (void)link;
    (void)kind;
    (void)bind;
    (void)max_message_bytes;
    (void)err;
    *out = calloc(1, sizeof **out);
    fuzz_expect(*out != NULL);
    for (unsigned i = 0; i < sizeof endpoints / sizeof *endpoints; i++)
        if (strcmp(endpoint, endpoints[i]) == 0)
            (*out)->which = (fuzz_socket)i;
    return EDX_OK;
}

void __wrap_edx_socket_free(edx_socket **socket)
{
    free(*socket);
    *socket = NULL;
}

const char *__wrap_edx_socket_endpoint(const edx_socket *socket)
{
    return endpoints[socket->which];
}

unsigned __wrap_edx_socket_receive(edx_socket *socket, edx_message *parts, unsigned max_parts)
{
    queue *q = socket->which == FUZZ_REPORTS ? &reports : &sent;
    if (!q->first || q->first->to != socket->which)
        return 0;
    const unsigned n = q->first->n;
    for (unsigned i = 0; i < n && i < max_parts; i++)
        edx_message_move(&parts[i], &q->first->parts[i]);
    frames_came = frames_came || socket->which == FUZZ_INGEST;
    drop(q);
    return n;
}

bool __wrap_edx_socket_send(edx_socket *socket, edx_message *parts, unsigned n)
{
    item *report = socket->which == FUZZ_REPORTS ? put(&reports, FUZZ_REPORTS, n) : NULL;
    if (socket->which == FUZZ_PUBLISH)
        hear_result(parts, n);
    else if (socket->which == FUZZ_INGEST)
        hear_ack(parts, n);
    else if (socket->which == FUZZ_CONTROL)
        hear_reply(parts, n);
    for (unsigned i = 0; i < n; i++) {
        if (report)
            edx_message_move(&report->parts[i], &parts[i]);
        edx_message_close(&parts[i]);
    }
    return true;
}

static bool mark(edx_socket *const *sockets, unsigned n, const queue *q, bool *ready)
{
    for (unsigned i = 0; q->first && i < n; i++) {
        if (sockets[i] && sockets[i]->which == q->first->to) {
            ready[i] = true;
            return true;
        }
    }
    return false;
}

/* SIGTERM, once nothing more comes. */
static void end(bool *signal_ready)
{
    fuzz_expect(++idle < MOST_IDLE);
    if (!told_to_end)
        fuzz_expect(raise(SIGTERM) == 0); /* to this thread */
    *signal_ready = !told_to_end;
    told_to_end = true;
}

bool __wrap_edx_link_wait(edx_socket *const *sockets, unsigned n, const int *fds, unsigned m,
                          long timeout_ms, bool *ready)
{
    (void)fds;
    (void)timeout_ms;
    memset(ready, 0, (n + m) * sizeof *ready);
    if (sent.first && sent.first->to != FUZZ_INGEST && frames_came) {
        edx_analyst_update(analyst, 1.0); /* as its thread would in a pause */
        frames_came = false;
    }
    if (mark(sockets, n, &reports, ready))
        return true;
    while (sent.first && !mark(sockets, n, &sent, ready))
        drop(&sent); /* to a socket that is not open */
    if (!sent.first)
        end(&ready[n]);
    return true;
}

uint64_t __wrap_edx_socket_protocol_failures(edx_socket *socket)
{
    (void)socket;
    return 0;
}

uint64_t __wrap_edx_socket_refusals(edx_socket *socket)
{
    (void)socket;
    return 0;
}

/* ---- what becomes of each message ---- */

edx_verdict __real_edx_intake_message(edx_intake *intake, edx_arrival *arrival,
                                      edx_receipt *receipt, edx_error *err);
edx_verdict __wrap_edx_intake_message(edx_intake *intake, edx_arrival *arrival,
                                      edx_receipt *receipt, edx_error *err);
void __real_edx_intake_bad(edx_intake *intake, int64_t now_ns, const char *why);
void __wrap_edx_intake_bad(edx_intake *intake, int64_t now_ns, const char *why);

static bool same_tally(const edx_tally *a, const edx_tally *b)
{
    return a->received == b->received && a->lost == b->lost && a->duplicate == b->duplicate &&
           a->counts == b->counts && a->frame == b->frame;
}

edx_verdict __wrap_edx_intake_message(edx_intake *intake, edx_arrival *arrival,
                                      edx_receipt *receipt, edx_error *err)
{
    edx_intake_facts before, after;
    edx_intake_facts_get(intake, &before);
    const edx_verdict verdict = __real_edx_intake_message(intake, arrival, receipt, err);
    edx_intake_facts_get(intake, &after);
    if (verdict == EDX_REFUSED) { /* counted, said, and nothing else */
        fuzz_expect(after.bad == before.bad + 1 && same_tally(&before.tally, &after.tally));
        fuzz_expect(after.active == before.active && after.finished == before.finished);
        fuzz_expect(err->text[0] && !strchr(err->text, '\n'));
    }
    ears.refused += verdict == EDX_REFUSED;
    ears.waiting += verdict == EDX_WAITING;
    fuzz_expect(verdict != EDX_HELD); /* the disk is good */
    return verdict;
}

void __wrap_edx_intake_bad(edx_intake *intake, int64_t now_ns, const char *why)
{
    ears.refused++;
    __real_edx_intake_bad(intake, now_ns, why);
}

/* ---- in place of the analyst's thread, the log, the disk, and HDF5 ---- */

edx_status __wrap_edx_analyst_start(edx_analyst *self, edx_error *err);
edx_status __real_edx_analyst_give(edx_analyst *self, edx_task *task);
edx_status __wrap_edx_analyst_give(edx_analyst *self, edx_task *task);
void __wrap_edx_log_write(edx_log *log, edx_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
edx_status __wrap_edx_store_cube(const char *dir, const edx_scene *scene, const edx_begin *begin,
                                 const edx_store_lines *used, const double *live_time_s,
                                 edx_error *err);
edx_status __wrap_edx_store_cube_of(const void *together, const char *dir, const edx_scene *scene,
                                    const edx_begin *begin, const edx_store_lines *used,
                                    const double *live_time_s, edx_error *err);
edx_status __wrap_edx_store_maps(const char *dir, const edx_begin *begin, uint32_t bin_pixels,
                                 const edx_store_message *messages, size_t n, edx_error *err);
edx_status __wrap_edx_store_results(const char *dir, const edx_store_message *messages, size_t n,
                                    const void *config, size_t config_size, const char *version,
                                    edx_error *err);

edx_status __wrap_edx_analyst_start(edx_analyst *self, edx_error *err)
{
    (void)err;
    analyst = self;
    return EDX_OK;
}

edx_status __wrap_edx_analyst_give(edx_analyst *self, edx_task *task)
{
    fuzz_account_task(task);
    return __real_edx_analyst_give(self, task);
}

void __wrap_edx_log_write(edx_log *log, edx_level level, const char *fmt, ...)
{
    char line[4096];
    va_list arguments;
    (void)log;
    (void)level;
    va_start(arguments, fmt);
    const int n = vsnprintf(line, sizeof line, fmt, arguments);
    va_end(arguments);
    fuzz_expect(n > 0);
}

int __wrap_fdatasync(int fd)
{
    return fd >= 0 ? 0 : -1;
}

int __wrap_fsync(int fd)
{
    return fd >= 0 ? 0 : -1;
}

edx_status __wrap_edx_store_cube(const char *dir, const edx_scene *scene, const edx_begin *begin,
                                 const edx_store_lines *used, const double *live_time_s,
                                 edx_error *err)
{
    (void)dir;
    (void)begin;
    (void)used;
    (void)live_time_s;
    (void)err;
    fuzz_account_check(scene);
    ears.cubes++;
    return EDX_OK;
}

edx_status __wrap_edx_store_cube_of(const void *together, const char *dir, const edx_scene *scene,
                                    const edx_begin *begin, const edx_store_lines *used,
                                    const double *live_time_s, edx_error *err)
{
    (void)together;
    return __wrap_edx_store_cube(dir, scene, begin, used, live_time_s, err);
}

edx_status __wrap_edx_store_maps(const char *dir, const edx_begin *begin, uint32_t bin_pixels,
                                 const edx_store_message *messages, size_t n, edx_error *err)
{
    (void)dir;
    (void)begin;
    (void)bin_pixels;
    (void)messages;
    (void)err;
    fuzz_expect(n > 0);
    return EDX_OK;
}

edx_status __wrap_edx_store_results(const char *dir, const edx_store_message *messages, size_t n,
                                    const void *config, size_t config_size, const char *version,
                                    edx_error *err)
{
    (void)dir;
    (void)messages;
    (void)config;
    (void)version;
    (void)err;
    fuzz_expect(n > 0 && config_size > 0);
    return EDX_OK;
}

/* ---- one life ---- */

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *ftw)
{
    (void)info;
    (void)kind;
    (void)ftw;
    return remove(path);
}

bool fuzz_config(edx_config *config)
{
    const char *where = getenv("TMPDIR");
    edx_config_default(config);
    snprintf(config->output.dir, sizeof config->output.dir, "%.200s/edx-fuzz-XXXXXX",
             where ? where : "/tmp");
    snprintf(config->ingest.endpoint, EDX_ENDPOINT_SIZE, "%s", endpoints[FUZZ_INGEST]);
    snprintf(config->control.endpoint, EDX_ENDPOINT_SIZE, "%s", endpoints[FUZZ_CONTROL]);
    snprintf(config->publish.endpoint, EDX_ENDPOINT_SIZE, "%s", endpoints[FUZZ_PUBLISH]);
    config->output.sync = EDX_SYNC_NONE;
    config->limits.max_message_MB = 1;
    config->limits.max_pixels = 64;
    config->limits.max_channels = 64;
    config->limits.min_free_GB = 0.0;
    config->settings.analysis.drift = EDX_DRIFT_NONE;
    config->settings.analysis.exclude = false;
    config->settings.analysis.bin_energy = config->settings.analysis.bin_pixels = 1;
    config->settings.analysis.nmf.automatic = false; /* what takes long, unless a client asks */
    config->settings.analysis.nmf.components = 0;
    config->settings.analysis.replicates = 0;
    config->settings.analysis.pca.rank = 1;
    config->settings.analysis.pca.max_rank = 2;
    return mkdtemp(config->output.dir) != NULL;
}

void fuzz_config_remove(const edx_config *config)
{
    nftw(config->output.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

edx_status fuzz_live(edx_config *config, fuzz_heard *heard, edx_error *err)
{
    const struct timespec now = {0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    ears = (fuzz_heard){0};
    told_to_end = frames_came = false;
    idle = 0;
    const edx_status status = edx_receive_run(config, NULL, err);
    sigtimedwait(&set, NULL, &now);
    while (sent.first)
        drop(&sent);
    while (reports.first)
        drop(&reports);
    *heard = ears;
    return status;
}
