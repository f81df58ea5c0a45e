#include "daemon/receive.h"

#include <errno.h>
#include <malloc.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "daemon/alarms.h"
#include "daemon/analyst.h"
#include "daemon/control.h"
#include "daemon/curve.h"
#include "daemon/intake.h"
#include "daemon/journal.h"
#include "daemon/link.h"
#include "daemon/monitor.h"
#include "daemon/notify.h"
#include "daemon/publish.h"
#include "daemon/retention.h"
#include "daemon/warn.h"

#define QUEUE_BYTES ((size_t)256 << 20)
#define WAITING_BYTES ((size_t)64 << 20)
#define HISTORY_BYTES ((size_t)64 << 20)
#define SUBSCRIPTION_BYTES 256u  /* libzmq keeps some hundred bytes for each of a topic */
#define REQUEST_BYTES (1u << 20) /* beside a mask of all pixels */
#define FRAMES_AT_ONCE 64
#define TICK_MS 500 /* a status at least once a second, whatever else the machine does */
#define SYNC_MS 200
#define SETTLE_NS 1000000000 /* a finished acquisition that got late frames is saved after this */
#define SAVE_PAUSE_NS INT64_C(2000000000) /* until what could not be saved is saved again, and */
#define SAVE_PAUSE_MOST_NS INT64_C(300000000000) /* twice as long each time, up to this */
#define SLOW_S 1.0                               /* of one write: the disk holds the daemon up */
#define SLOW_NS INT64_C(10000000000)             /* the alarm stands so long after the last */
#define ACKS 1024
#define STOP_TICKET UINT64_MAX /* of the save before leaving */

/* An acknowledgement that waits for the recording to be on the disk. */
typedef struct ack {
    edx_message sender;
    edx_receipt receipt;
    char error[EDX_ERROR_TEXT];
} ack;

typedef enum socket_index { INGEST, CONTROL, PUBLISH, REPORTS, STOP, SOCKETS } socket_index;

typedef struct receiver {
    edx_config *config;
    edx_log *log;
    edx_curve *curve; /* NULL: anybody may connect */
    edx_link *link;
    uint64_t refused; /* connections, not yet logged */
    int64_t refused_ns;
    edx_socket *sockets[SOCKETS];
    edx_socket *report_in; /* the analyst's end of REPORTS */
    edx_journal *journal;
    edx_alarms alarms;
    edx_analyst *analyst;
    edx_intake *intake;
    edx_retention retention;
    char stop_sent[EDX_ACQ_SIZE]; /* the acquisition whose instrument was told to stop */
    edx_publisher *publisher;
    edx_monitor *monitor;
    edx_control *control;
    edx_pack *pack;
    int signals;
    bool stopping, stopped;
    edx_error last_save; /* before leaving */
    bool unsynced;
    int64_t ready_ns, ticked_ms, synced_ms, status_ms, fed_ns;
    int64_t save_after_ns, save_pause_ns, slow_ns;
    uint64_t alarm_version, progress;
    int64_t progress_ns;
    ack *acks;
    unsigned n_acks;
} receiver;

static int64_t monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static uint64_t unix_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static double unix_time(void)
{
    return 1e-9 * (double)unix_ns();
}

/* ---- what the analyst reports ---- */

/* In the analyst's thread: over an inproc socket, so that one wait serves everything. */
static void report(void *context, const edx_report *report, void *body, size_t n)
{
    receiver *r = context;
    edx_message parts[2];
    edx_message_init(&parts[0]);
    edx_message_init(&parts[1]);
    edx_message_set(&parts[0], report, sizeof *report);
    if (body) {
        edx_message_adopt(&parts[1], body, n);
    }
    edx_socket_send(r->report_in, parts, 2);
}

/* Publishes what stands in r->pack. */
static void send_pack(receiver *r, edx_result_topic topic, double t)
{
    size_t n = 0;
    edx_message body;
    edx_message_init(&body);
    void *bytes = edx_pack_take(r->pack, &n);
    if (bytes && edx_message_adopt(&body, bytes, n) == EDX_OK) {
        edx_publisher_send(r->publisher, topic, &body, t, edx_monitor_head(r->monitor)->frame,
                           false);
    }
    edx_message_close(&body);
}

static void send_status(receiver *r)
{
    const double t = unix_time();
    edx_monitor_write(r->monitor, t, monotonic_ns(), r->pack);
    send_pack(r, EDX_STATUS, t);
    r->status_ms = monotonic_ns() / 1000000;
}

static void send_alarms(receiver *r)
{
    edx_alarm_result result = {.count = r->alarms.n, .alarms = r->alarms.alarm};
    result.head = *edx_monitor_head(r->monitor);
    result.head.head.t = unix_time();
    edx_alarm_write(r->pack, &result);
    send_pack(r, EDX_ALARM, result.head.head.t);
    r->alarm_version = r->alarms.version;
}

static void take_saved(receiver *r, const edx_report *report)
{
    edx_intake_saved(r->intake, &report->facts, &report->error);
    r->save_pause_ns = !report->error.code     ? 0
                       : r->save_pause_ns == 0 ? SAVE_PAUSE_NS
                                               : 2 * r->save_pause_ns;
    r->save_pause_ns =
        r->save_pause_ns > SAVE_PAUSE_MOST_NS ? SAVE_PAUSE_MOST_NS : r->save_pause_ns;
    r->save_after_ns = monotonic_ns() + r->save_pause_ns;
    if (!report->error.code) {
        edx_log_write(r->log, EDX_LOG_NOTICE, "%s: saved, %llu frames, %llu counts",
                      report->facts.head.head.acq, (unsigned long long)report->facts.head.frames,
                      (unsigned long long)report->facts.head.counts);
    }
    edx_monitor_saved(r->monitor, &report->facts, report->state);
    if (report->state == EDX_FINISHED) {
        /* What is freed is kept while a run lasts (edxd.c): over a year it would grow. */
        malloc_trim(0);
    }
    edx_control_saved(r->control, report->ticket, &report->error);
    send_status(r);
    if (r->stopping && report->ticket == STOP_TICKET) {
        r->stopped = true;
        r->last_save = report->error;
    }
}

/* Tells the instrument, once, that there is enough. */
static void send_stop(receiver *r, const edx_run_facts *facts)
{
    const edx_begin *begin = edx_intake_begin(r->intake);
    edx_intake_facts now;
    edx_intake_facts_get(r->intake, &now);
    const char *stored = facts->head.head.acq;
    if (!r->sockets[STOP] || !facts->target_reached || !begin || now.finished ||
        strcmp(stored, now.stored) != 0 || strcmp(stored, r->stop_sent) == 0 ||
        !edx_alarms_active(&r->alarms, "target")) {
        return;
    }
    edx_message parts[2];
    size_t n = 0;
    edx_pack_reset(r->pack);
    edx_pack_map(r->pack, 4);
    edx_pack_text(r->pack, "v");
    edx_pack_uint(r->pack, 1);
    edx_pack_text(r->pack, "acq");
    edx_pack_text(r->pack, begin->head.acq);
    edx_pack_text(r->pack, "t");
    edx_pack_float(r->pack, unix_time());
    edx_pack_text(r->pack, "reason");
    edx_pack_text(r->pack, "target");
    void *body = edx_pack_take(r->pack, &n);
    edx_message_init(&parts[0]);
    edx_message_init(&parts[1]);
    const bool made = body && edx_message_adopt(&parts[1], body, n) == EDX_OK &&
                      edx_message_set(&parts[0], EDX_TOPIC_STOP, strlen(EDX_TOPIC_STOP)) == EDX_OK;
    if (made && edx_socket_send(r->sockets[STOP], parts, 2)) {
        snprintf(r->stop_sent, sizeof r->stop_sent, "%s", stored);
        edx_log_write(r->log, EDX_LOG_NOTICE,
                      "%s: the target is reached, the instrument is told to stop", stored);
    }
    edx_message_close(&parts[0]);
    edx_message_close(&parts[1]);
}

static void take_facts(receiver *r, const edx_report *report)
{
    if (strcmp(report->facts.head.head.acq, edx_monitor_head(r->monitor)->head.acq) != 0) {
        edx_publisher_forget(r->publisher);
        r->alarm_version = UINT64_MAX; /* the alarms are of this acquisition now */
    }
    edx_monitor_facts(r->monitor, &report->facts);
    edx_warn(&r->alarms, &report->facts);
    send_stop(r, &report->facts);
    edx_monitor_latency(r->monitor, report->arrival_ns, monotonic_ns());
    if (monotonic_ns() / 1000000 - r->status_ms >= 100) {
        send_status(r);
    }
}

static void take_report(receiver *r, edx_message *parts)
{
    edx_report report;
    memcpy(&report, edx_message_data(&parts[0]), sizeof report);
    switch (report.kind) {
    case EDX_REPORT_RESULT:
        edx_publisher_send(r->publisher, report.topic, &parts[1], report.t, report.frame, true);
        break;
    case EDX_REPORT_FACTS:
        take_facts(r, &report);
        break;
    case EDX_REPORT_SAVED:
        take_saved(r, &report);
        break;
    case EDX_REPORT_ANSWER:
        edx_control_answered(r->control, report.ticket, &parts[1]);
        break;
    }
}

static void take_reports(receiver *r)
{
    edx_message parts[2];
    edx_message_init(&parts[0]);
    edx_message_init(&parts[1]);
    while (edx_socket_receive(r->sockets[REPORTS], parts, 2) == 2) {
        take_report(r, parts);
        edx_message_close(&parts[0]);
        edx_message_close(&parts[1]);
    }
}

/* ---- acknowledgements ---- */

static void send_ack(receiver *r, ack *a)
{
    edx_message parts[3];
    size_t n = 0;
    static const char *const topics[] = {EDX_TOPIC_BEGIN, EDX_TOPIC_FRAME, EDX_TOPIC_END};
    edx_pack_reset(r->pack);
    edx_pack_map(r->pack, 4 + (a->receipt.has_seq ? 1u : 0u) + (a->error[0] ? 1u : 0u));
    edx_pack_text(r->pack, "v");
    edx_pack_uint(r->pack, 1);
    edx_pack_text(r->pack, "acq");
    edx_pack_text(r->pack, a->receipt.acq);
    edx_pack_text(r->pack, "t");
    edx_pack_float(r->pack, unix_time());
    edx_pack_text(r->pack, "topic");
    edx_pack_text(r->pack, a->receipt.topic <= EDX_TOPIC_IS_END ? topics[a->receipt.topic] : "");
    if (a->receipt.has_seq) {
        edx_pack_text(r->pack, "seq");
        edx_pack_uint(r->pack, a->receipt.seq);
    }
    if (a->error[0]) {
        edx_pack_text(r->pack, "error");
        edx_pack_text(r->pack, a->error);
    }
    for (int i = 0; i < 3; i++) {
        edx_message_init(&parts[i]);
    }
    void *body = edx_pack_take(r->pack, &n);
    edx_message_move(&parts[0], &a->sender);
    edx_message_set(&parts[1], EDX_TOPIC_ACK, strlen(EDX_TOPIC_ACK));
    if (body) {
        edx_message_adopt(&parts[2], body, n);
        edx_socket_send(r->sockets[INGEST], parts, 3);
    }
}

/* One fdatasync for all that came together. */
static void flush_journal(receiver *r)
{
    edx_error err = {0};
    const bool to_disk = r->config->output.sync == EDX_SYNC_FRAME;
    const bool failed = to_disk && r->unsynced && edx_intake_sync(r->intake, &err);
    if (failed) {
        for (unsigned i = 0; i < r->n_acks; i++) {
            edx_message_close(&r->acks[i].sender); /* not safe: the instrument sends it again */
        }
        r->n_acks = 0;
    }
    r->unsynced = failed; /* a repeat of what is not safe is not acknowledged either */
    r->synced_ms = monotonic_ns() / 1000000;
    for (unsigned i = 0; i < r->n_acks; i++) {
        send_ack(r, &r->acks[i]);
    }
    r->n_acks = 0;
}

static void settled(void *context, edx_message *sender, const edx_receipt *receipt,
                    edx_verdict verdict, const edx_error *err)
{
    receiver *r = context;
    if (!r->acks || verdict == EDX_WAITING || verdict == EDX_HELD) {
        return;
    }
    if (r->n_acks == ACKS) {
        flush_journal(r);
    }
    ack *a = &r->acks[r->n_acks++];
    edx_message_init(&a->sender);
    edx_message_share(&a->sender, sender);
    a->receipt = *receipt;
    snprintf(a->error, sizeof a->error, "%s", verdict == EDX_REFUSED ? err->text : "");
}

/* ---- frames ---- */

static void take_message(receiver *r, edx_message *parts, unsigned n)
{
    const bool router = r->config->ingest.pattern == EDX_PATTERN_ROUTER;
    const unsigned first = router ? 1 : 0;
    edx_error err = {0};
    edx_receipt receipt = {.topic = EDX_TOPIC_IS_OTHER};
    edx_verdict verdict = EDX_REFUSED;
    if (n != first + 2) {
        edx_fail(&err, EDX_E_DECODE, "a message of %u parts, expected 2: topic and body",
                 n - (n >= first ? first : 0));
        edx_intake_bad(r->intake, monotonic_ns(), err.text);
    } else {
        edx_arrival arrival = {.topic = edx_message_data(&parts[first]),
                               .topic_size = edx_message_size(&parts[first]),
                               .body = edx_message_data(&parts[first + 1]),
                               .size = edx_message_size(&parts[first + 1]),
                               .owner = &parts[first + 1],
                               .sender = router ? &parts[0] : NULL,
                               .unix_ns = unix_ns(),
                               .monotonic_ns = monotonic_ns()};
        verdict = edx_intake_message(r->intake, &arrival, &receipt, &err);
    }
    if (verdict == EDX_ACCEPTED) {
        r->unsynced = true;
        edx_alarms_clear(&r->alarms, "stalled");
    }
    if (router) {
        settled(r, &parts[0], &receipt, verdict, &err);
    }
}

static void take_messages(receiver *r)
{
    edx_message parts[EDX_MAX_PARTS];
    for (int k = 0; k < EDX_MAX_PARTS; k++) {
        edx_message_init(&parts[k]);
    }
    for (int i = 0; i < FRAMES_AT_ONCE; i++) {
        const unsigned n = edx_socket_receive(r->sockets[INGEST], parts, EDX_MAX_PARTS);
        if (n == 0) {
            break;
        }
        take_message(r, parts, n);
        for (int k = 0; k < EDX_MAX_PARTS; k++) {
            edx_message_close(&parts[k]);
        }
    }
}

/* Without a recording to read frames back from, the queue's limit holds the instrument up. */
static bool ingest_open(receiver *r)
{
    const bool read_back = r->config->output.record && !edx_intake_recording_fails(r->intake);
    return !r->stopping && (read_back || edx_analyst_backlog(r->analyst) < QUEUE_BYTES);
}

/* ---- once a second ---- */

static void watch_stall(receiver *r, int64_t now_ns)
{
    edx_intake_facts facts;
    edx_intake_facts_get(r->intake, &facts);
    const int64_t heard_ns = facts.last_ns > r->ready_ns ? facts.last_ns : r->ready_ns;
    const double silent_s = 1e-9 * (double)(now_ns - heard_ns);
    if (facts.active && !facts.finished && silent_s > r->config->limits.stall_s) {
        edx_alarms_raise(&r->alarms, "stalled", "warning", (int64_t)facts.tally.frame,
                         "no message for more than %g s in the middle of an acquisition: is the "
                         "instrument still scanning?",
                         r->config->limits.stall_s);
    }
    if (facts.finished && facts.changed && now_ns - heard_ns > SETTLE_NS &&
        now_ns > r->save_after_ns) {
        r->save_after_ns = INT64_MAX; /* until it is known what became of it */
        edx_intake_save_changes(r->intake);
    }
}

/* Above the limit by a tenth it is over, so that it does not come and go. */
static void watch_space(receiver *r)
{
    const double gb = (double)(1u << 30);
    const double limit = r->config->limits.min_free_GB;
    const double left = (double)edx_journal_free_bytes(r->journal) / gb;
    if (left < limit) {
        edx_alarms_raise(&r->alarms, "space", "warning",
                         (int64_t)edx_monitor_head(r->monitor)->frame,
                         "less than %g GB are left in %s: move old runs away (limits.min_free_GB)",
                         limit, r->config->output.dir);
    } else if (left > 1.1 * limit) {
        edx_alarms_clear(&r->alarms, "space");
    }
}

static bool in_use(void *context, const char *stored)
{
    const receiver *r = context;
    return edx_intake_uses(r->intake, stored) ||
           strcmp(edx_monitor_head(r->monitor)->head.acq, stored) == 0;
}

static void watch_age(receiver *r, int64_t now_ns)
{
    edx_retention_look(&r->retention, edx_alarms_active(&r->alarms, "space"), (int64_t)unix_ns(),
                       now_ns);
}

static void watch_disk(receiver *r, int64_t now_ns)
{
    edx_disk *disk = edx_intake_disk(r->intake);
    const double slowest_s = edx_journal_slowest_s(r->journal);
    edx_intake_retry(r->intake);
    if (slowest_s > SLOW_S) {
        r->slow_ns = now_ns;
        edx_disk_fails(disk, EDX_DISK_SLOW, (int64_t)edx_monitor_head(r->monitor)->frame,
                       "the disk is slow: it took %.1f s to record one message; mend it, or record "
                       "to another one (output.dir)",
                       slowest_s);
    } else if (now_ns - r->slow_ns > SLOW_NS) {
        edx_disk_works(disk, EDX_DISK_SLOW);
    }
}

/* The watchdog is fed while the analyst gets on, or has nothing to do. */
static void feed_watchdog(receiver *r, int64_t now_ns)
{
    const int64_t period_ns = (int64_t)edx_notify_watchdog_usec() * 1000;
    bool busy = false;
    const uint64_t progress = edx_analyst_progress(r->analyst, &busy);
    if (period_ns == 0) {
        return;
    }
    if (progress != r->progress || !busy) {
        r->progress = progress;
        r->progress_ns = now_ns;
    }
    if (now_ns - r->progress_ns < period_ns && now_ns - r->fed_ns >= period_ns / 4) {
        edx_notify_watchdog();
        r->fed_ns = now_ns;
    }
}

/* At once, then once a minute: somebody who has no key tries again and again. */
static void watch_refusals(receiver *r, int64_t now_ns)
{
    const int64_t minute_ns = 60000000000;
    for (int i = 0; i < SOCKETS; i++) {
        r->refused += r->sockets[i] ? edx_socket_refusals(r->sockets[i]) : 0;
    }
    if (r->refused == 0 || (r->refused_ns != 0 && now_ns - r->refused_ns < minute_ns)) {
        return;
    }
    edx_log_write(r->log, EDX_LOG_WARNING,
                  "%llu connections refused: no key, or none of security.clients, or a foreign "
                  "server key; whoever may connect needs a key (edxctl keygen) and its .pub there",
                  (unsigned long long)r->refused);
    r->refused = 0;
    r->refused_ns = now_ns;
}

static void tick(receiver *r)
{
    const int64_t now_ns = monotonic_ns();
    char line[256];
    const uint64_t failures = edx_socket_protocol_failures(r->sockets[INGEST]);
    for (uint64_t i = 0; i < failures; i++) {
        edx_intake_bad(r->intake, now_ns,
                       "a connection was closed: what came was no ZeroMQ message, or far "
                       "larger than limits.max_message_MB");
    }
    feed_watchdog(r, now_ns);
    if (now_ns / 1000000 - r->ticked_ms < TICK_MS) {
        return;
    }
    r->ticked_ms = now_ns / 1000000;
    watch_stall(r, now_ns);
    watch_space(r);
    watch_refusals(r, now_ns);
    watch_disk(r, now_ns);
    watch_age(r, now_ns);
    edx_monitor_tick(r->monitor, now_ns);
    send_status(r);
    edx_monitor_line(r->monitor, line, sizeof line);
    edx_notify_status("%s", line);
}

static long next_timeout(const receiver *r, long repeat_ms)
{
    const int64_t now_ms = monotonic_ns() / 1000000;
    long wait = (long)(r->ticked_ms + TICK_MS - now_ms);
    if (repeat_ms >= 0 && repeat_ms < wait) {
        wait = repeat_ms;
    }
    if (r->unsynced && r->synced_ms + SYNC_MS - now_ms < wait) {
        wait = (long)(r->synced_ms + SYNC_MS - now_ms);
    }
    return wait < 0 ? 0 : wait;
}

/* ---- signals and the end ---- */

void edx_receive_signals(sigset_t *set)
{
    struct sigaction hangup;
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) { /* no nohup(1) */
        sigaddset(set, SIGHUP);
    }
}

/* Saves and ends; a second one ends at once, but for those that a closing terminal repeats. */
static void take_signal(receiver *r)
{
    struct signalfd_siginfo info;
    edx_error err = {0};
    edx_intake_facts facts;
    if (read(r->signals, &info, sizeof info) != sizeof info) {
        return;
    }
    if (r->stopping && info.ssi_signo == SIGHUP) {
        return;
    }
    edx_notify_stopping();
    if (r->stopping) {
        edx_log_write(r->log, EDX_LOG_WARNING, "second signal: leaving without saving");
        _exit(1);
    }
    r->stopping = true;
    flush_journal(r);
    edx_intake_facts_get(r->intake, &facts);
    if (!facts.changed || edx_intake_save(r->intake, STOP_TICKET, &err)) {
        r->stopped = true; /* a save under way is finished when the analyst is stopped */
    }
    edx_log_write(r->log, EDX_LOG_NOTICE, "stopping%s", r->stopped ? "" : ": saving first");
}

static edx_status serve(receiver *r, edx_error *err)
{
    bool ready[SOCKETS + 1];
    long repeat_ms = -1;
    while (!r->stopped) {
        edx_socket *sockets[SOCKETS];
        memcpy(sockets, r->sockets, sizeof sockets);
        if (!ingest_open(r)) {
            sockets[INGEST] = NULL;
        }
        if (!edx_link_wait(sockets, SOCKETS, &r->signals, 1, next_timeout(r, repeat_ms), ready)) {
            return edx_fail(err, EDX_E_IO, "waiting for messages: %s", strerror(errno));
        }
        if (ready[SOCKETS]) {
            take_signal(r);
        }
        if (ready[REPORTS]) {
            take_reports(r);
        }
        if (ready[INGEST]) {
            take_messages(r);
        }
        if (ready[CONTROL]) {
            edx_control_serve(r->control, unix_time(), monotonic_ns());
        }
        const int64_t now_ms = monotonic_ns() / 1000000;
        if (r->n_acks > 0 || (r->unsynced && now_ms - r->synced_ms >= SYNC_MS)) {
            flush_journal(r);
        }
        if (r->alarms.version != r->alarm_version) {
            send_alarms(r);
        }
        repeat_ms = edx_publisher_serve(r->publisher, now_ms);
        tick(r);
    }
    if (r->last_save.code && err) {
        *err = r->last_save;
    }
    return r->last_save.code;
}

/* ---- beginning ---- */

static edx_socket_kind ingest_kind(const edx_config *config)
{
    static const edx_socket_kind kinds[] = {EDX_SOCKET_SUB, EDX_SOCKET_PULL, EDX_SOCKET_ACKS};
    return kinds[config->ingest.pattern];
}

static edx_status open_socket(receiver *r, socket_index index, const char *key,
                              edx_socket_kind kind, const char *endpoint, bool bind, uint64_t limit,
                              edx_error *err)
{
    const edx_status status =
        edx_socket_open(r->link, kind, endpoint, bind, limit, &r->sockets[index], err);
    if (status) {
        edx_error_prefix(err, "%s", key);
    }
    return status;
}

/* Messages up to twice the limit are received, so that they can be counted and named; beyond that
 * libzmq closes the connection. */
static uint64_t transport_limit(uint64_t max_message_bytes)
{
    const uint64_t margin = 16u << 20;
    return 2 * max_message_bytes + margin;
}

static edx_status open_sockets(receiver *r, edx_error *err)
{
    static const char reports[] = "inproc://reports";
    const edx_config *c = r->config;
    const uint64_t limit = transport_limit(edx_config_limits(c).max_message_bytes);
    edx_status status =
        open_socket(r, REPORTS, "reports", EDX_SOCKET_INPROC_PULL, reports, true, 0, err);
    if (status == EDX_OK) {
        status =
            edx_socket_open(r->link, EDX_SOCKET_INPROC_PUSH, reports, false, 0, &r->report_in, err);
    }
    if (status == EDX_OK) {
        status = open_socket(r, PUBLISH, "publish.endpoint", EDX_SOCKET_XPUB, c->publish.endpoint,
                             true, SUBSCRIPTION_BYTES, err);
    }
    if (status == EDX_OK) {
        status = open_socket(r, CONTROL, "control.endpoint", EDX_SOCKET_ROUTER, c->control.endpoint,
                             true, c->limits.max_pixels + REQUEST_BYTES, err);
    }
    if (status == EDX_OK) {
        status = open_socket(r, INGEST, "ingest.endpoint", ingest_kind(c), c->ingest.endpoint,
                             c->ingest.bind, limit, err);
    }
    if (status == EDX_OK && c->ingest.stop_endpoint[0] != '\0') {
        status = open_socket(r, STOP, "ingest.stop_endpoint", EDX_SOCKET_PUSH,
                             c->ingest.stop_endpoint, false, 0, err);
    }
    return status;
}

static edx_status make_parts(receiver *r, edx_error *err)
{
    const int64_t now_ns = monotonic_ns();
    const edx_limits limits = edx_config_limits(r->config);
    const bool router = r->config->ingest.pattern == EDX_PATTERN_ROUTER;
    r->analyst = edx_analyst_new(&limits, r->log, report, r);
    const edx_intake_options options = {.limits = limits,
                                        .queue_bytes = QUEUE_BYTES,
                                        .waiting_bytes = WAITING_BYTES,
                                        .settings = &r->config->settings,
                                        .replay_settings = true,
                                        .must_record = router,
                                        .sync = r->config->output.sync != EDX_SYNC_NONE,
                                        .journal = r->journal,
                                        .analyst = r->analyst,
                                        .alarms = &r->alarms,
                                        .log = r->log,
                                        .settled = router ? settled : NULL,
                                        .context = r};
    r->pack = edx_pack_new();
    r->acks = router ? calloc(ACKS, sizeof *r->acks) : NULL;
    r->intake = r->analyst ? edx_intake_new(&options) : NULL;
    r->publisher = edx_publisher_new(r->sockets[PUBLISH], HISTORY_BYTES);
    r->monitor = edx_monitor_new(r->intake, r->publisher, now_ns);
    const edx_control_parts parts = {.socket = r->sockets[CONTROL],
                                     .config = r->config,
                                     .intake = r->intake,
                                     .analyst = r->analyst,
                                     .publisher = r->publisher,
                                     .monitor = r->monitor,
                                     .log = r->log};
    r->control = edx_control_new(&parts);
    r->retention = (edx_retention){.keep_days = r->config->output.keep_days,
                                   .journal = r->journal,
                                   .log = r->log,
                                   .in_use = in_use,
                                   .context = r};
    const bool made =
        r->pack && r->intake && r->publisher && r->monitor && r->control && (!router || r->acks);
    return made ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory to start");
}

static void replay_progress(void *context, double share)
{
    receiver *r = context;
    edx_notify_extend(30000000);
    edx_notify_status("replaying the newest acquisition: %.0f %%", 100.0 * share);
    take_reports(r);
}

/* State is a fold over the recording: the newest acquisition is taken up where it stopped. */
static edx_status resume(receiver *r, edx_error *err)
{
    char stored[EDX_ACQ_SIZE];
    char path[EDX_PATH_SIZE];
    if (!r->config->output.record) {
        return EDX_OK;
    }
    const unsigned unborn = edx_journal_sweep(r->journal, stored);
    if (unborn > 0) {
        edx_log_write(r->log, EDX_LOG_NOTICE,
                      "%s: ended before its edx.begin was recorded: removed%s", stored,
                      unborn > 1 ? ", and others like it" : "");
    }
    edx_status status = edx_journal_newest(r->journal, stored, err);
    if (status == EDX_E_END) {
        return EDX_OK;
    }
    if (status == EDX_OK) {
        edx_journal_recording_path(r->journal, stored, path);
        status = edx_intake_replay(r->intake, path, stored, replay_progress, r, err);
    }
    if (status == EDX_OK) {
        edx_analyst_update(r->analyst, unix_time());
        take_reports(r);
        edx_log_write(r->log, EDX_LOG_NOTICE, "%s: taken up again, %llu frames, %llu counts",
                      stored, (unsigned long long)edx_monitor_head(r->monitor)->frames,
                      (unsigned long long)edx_monitor_head(r->monitor)->counts);
    }
    return status;
}

static edx_status open_signals(receiver *r, edx_error *err)
{
    sigset_t set;
    edx_receive_signals(&set);
    r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return r->signals >= 0 ? EDX_OK : edx_fail(err, EDX_E_IO, "signalfd: %s", strerror(errno));
}

static edx_status open_keys(receiver *r, edx_error *err)
{
    const edx_config *c = r->config;
    return c->security.curve ? edx_curve_new(c->security.keys, c->security.clients, &r->curve, err)
                             : EDX_OK;
}

static edx_status start(receiver *r, edx_error *err)
{
    edx_status status = open_signals(r, err);
    if (status == EDX_OK) {
        status = edx_journal_new(r->config->output.dir, r->config->output.record, true, &r->journal,
                                 err);
    }
    if (status == EDX_OK) {
        status = open_keys(r, err);
    }
    if (status == EDX_OK) {
        r->link = edx_link_new(r->curve);
        status = r->link ? open_sockets(r, err) : edx_fail(err, EDX_E_NOMEM, "no memory");
    }
    if (status == EDX_OK) {
        status = make_parts(r, err);
    }
    if (status == EDX_OK) {
        status = resume(r, err);
    }
    return status == EDX_OK ? edx_analyst_start(r->analyst, err) : status;
}

static void release(receiver *r)
{
    for (unsigned i = 0; i < r->n_acks; i++) {
        edx_message_close(&r->acks[i].sender);
    }
    free(r->acks);
    edx_control_free(&r->control);
    edx_intake_free(&r->intake);
    edx_analyst_free(&r->analyst);
    edx_monitor_free(&r->monitor);
    edx_publisher_free(&r->publisher);
    edx_pack_free(&r->pack);
    edx_socket_free(&r->report_in);
    for (int i = 0; i < SOCKETS; i++) {
        edx_socket_free(&r->sockets[i]);
    }
    edx_link_free(&r->link);
    edx_curve_free(&r->curve);
    edx_journal_free(&r->journal);
    if (r->signals >= 0) {
        close(r->signals);
    }
}

edx_status edx_receive_run(edx_config *config, edx_log *log, edx_error *err)
{
    receiver *r = calloc(1, sizeof *r);
    if (!r) {
        return edx_fail(err, EDX_E_NOMEM, "no memory to start");
    }
    r->config = config;
    r->log = log;
    r->alarms.log = log;
    r->signals = -1;
    r->ticked_ms = r->synced_ms = monotonic_ns() / 1000000;
    edx_status status = start(r, err);
    if (status == EDX_OK) {
        edx_log_write(log, EDX_LOG_NOTICE, "ready: frames from %s, results on %s, control on %s",
                      edx_socket_endpoint(r->sockets[INGEST]),
                      edx_socket_endpoint(r->sockets[PUBLISH]),
                      edx_socket_endpoint(r->sockets[CONTROL]));
        edx_notify_ready();
        r->ready_ns = monotonic_ns();
        send_status(r);
        send_alarms(r);
        status = serve(r, err);
    }
    release(r);
    free(r);
    return status;
}
