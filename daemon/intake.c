#include "daemon/intake.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/analysis.h"
#include "daemon/arrears.h"
#include "proto/recording.h"

/* An acquisition, by the id that its messages carry, and where it is kept. */
typedef struct side {
    edx_acquisition *acquisition; /* NULL: none */
    edx_run_file *file;           /* NULL: no folder, or not opened */
    edx_arrears *arrears;         /* what the recording lacks; NULL: nothing */
    bool lacking;                 /* it does without some that memory could not keep either */
    char stored[EDX_ACQ_SIZE];
    edx_source source; /* its messages */
} side;

/* A frame or end whose begin has not come. */
typedef struct orphan {
    struct orphan *next;
    edx_message body, sender;
    edx_topic topic;
    uint64_t unix_ns;
    int64_t monotonic_ns;
} orphan;

#define LOG_PER_SECOND 50u
#define MANY_STRIDES 16u
#define MOST_BEGIN 65536u /* bytes of a begin that are kept a second time */

struct edx_intake {
    edx_intake_options options;
    edx_disk disk;
    edx_settings settings; /* for acquisitions to come */
    edx_settings current;  /* in force */
    edx_wire *wire;
    edx_pack *pack;
    edx_begin begin; /* scratch */
    edx_frame frame;
    side now, earlier;
    char strange[EDX_ACQ_SIZE]; /* an id that is neither here nor on disk */
    orphan *orphans, **last_orphan;
    size_t orphan_bytes;
    bool reading;       /* messages come from a recording */
    const char *path;   /* … this, */
    uint64_t offset;    /* the record under way */
    const char *stored; /* … the one that they would go to: this folder's */
    bool changed;
    uint64_t stride, strides, last_seq; /* from one message to the next, and how often the same */
    uint64_t bad;
    int64_t last_ns; /* monotonic, of the last message accepted live; 0: none */
    uint64_t last_unix_ns;
    int64_t log_second;
    unsigned log_count;
};

edx_intake *edx_intake_new(const edx_intake_options *options)
{
    edx_intake *in = calloc(1, sizeof *in);
    if (!in) {
        return NULL;
    }
    in->options = *options;
    in->disk.alarms = options->alarms;
    in->settings = in->current = *options->settings;
    in->last_orphan = &in->orphans;
    in->wire = edx_wire_new(0);
    in->pack = edx_pack_new();
    if (!in->wire || !in->pack) {
        edx_intake_free(&in);
    }
    return in;
}

edx_disk *edx_intake_disk(edx_intake *intake)
{
    return &intake->disk;
}

static edx_status sync_file(edx_intake *in, side *s, edx_error *err)
{
    const edx_status status = s->file ? edx_run_file_sync(s->file, err) : EDX_OK;
    if (status) {
        edx_disk_fails(&in->disk, EDX_DISK_SYNC, 0, "%s: cannot sync the recording: %s", s->stored,
                       err->text);
    }
    return status;
}

static void sync_side(edx_intake *in, side *s)
{
    edx_error err = {0};
    if (in->options.sync) {
        sync_file(in, s, &err);
    }
}

/* Says once more what the recording that is closed lacks. */
static void close_arrears(edx_intake *in, side *s)
{
    char which[400];
    edx_error err = {0};
    if (!s->arrears) {
        return;
    }
    if (s->file) {
        edx_arrears_pay(s->arrears, s->file, &err);
    }
    edx_arrears_give_up(s->arrears);
    const uint64_t n = edx_arrears_missing(s->arrears, which, sizeof which);
    if (n > 0) {
        edx_log_write(in->options.log, EDX_LOG_ERROR,
                      "%s: its recording lacks %" PRIu64 " frame messages: %s", s->stored, n,
                      which);
    }
    edx_arrears_free(&s->arrears);
}

static void side_clear(edx_intake *in, side *s)
{
    close_arrears(in, s);
    sync_side(in, s);
    edx_acquisition_free(&s->acquisition);
    edx_run_file_free(&s->file);
    s->stored[0] = '\0';
    s->source = (edx_source){.path = ""};
}

static void orphan_free(orphan *o)
{
    edx_message_close(&o->body);
    edx_message_close(&o->sender);
    free(o);
}

void edx_intake_free(edx_intake **intake)
{
    edx_intake *in = *intake;
    if (!in) {
        return;
    }
    while (in->orphans) {
        orphan *next = in->orphans->next;
        orphan_free(in->orphans);
        in->orphans = next;
    }
    side_clear(in, &in->now);
    side_clear(in, &in->earlier);
    edx_wire_free(&in->wire);
    edx_pack_free(&in->pack);
    free(in);
    *intake = NULL;
}

/* ---- bad messages ---- */

static void log_bad(edx_intake *in, int64_t now_ns, const char *why)
{
    const int64_t second = now_ns / 1000000000;
    if (second != in->log_second) {
        in->log_second = second;
        in->log_count = 0;
    }
    if (++in->log_count <= LOG_PER_SECOND) {
        edx_log_write(in->options.log, EDX_LOG_WARNING, "bad message %" PRIu64 ": %s", in->bad,
                      why);
    } else if (in->log_count == LOG_PER_SECOND + 1) {
        edx_log_write(in->options.log, EDX_LOG_WARNING,
                      "bad messages: more than %u a second, the rest are counted only",
                      LOG_PER_SECOND);
    }
}

void edx_intake_bad(edx_intake *intake, int64_t now_ns, const char *why)
{
    intake->bad++;
    log_bad(intake, now_ns, why);
}

static edx_verdict refuse(edx_intake *in, const edx_arrival *arrival, const edx_error *err)
{
    in->bad++;
    log_bad(in, arrival->monotonic_ns, err->text);
    return EDX_REFUSED;
}

/* ---- to the disk and to the analyst ---- */

#define NO_TASK                                                                                    \
    "no memory to sum everything that comes: it is in the recording; free memory and restart edxd"

static void give(edx_intake *in, edx_task *task)
{
    if (edx_analyst_give(in->options.analyst, task)) {
        edx_alarms_raise(in->options.alarms, "memory", "error", 0, "%s", NO_TASK);
        edx_task_clear(task);
    }
}

static edx_start *start_new(edx_intake *in)
{
    edx_start *start = calloc(1, sizeof *start);
    if (!start) {
        edx_alarms_raise(in->options.alarms, "memory", "error", 0, "%s", NO_TASK);
        return NULL;
    }
    start->settings = in->current;
    return start;
}

/* What it is called, and where it is kept. */
static void describe_start(const edx_intake *in, edx_start *start)
{
    start->begin = *edx_acquisition_begin(in->now.acquisition);
    snprintf(start->begin.head.acq, EDX_ACQ_SIZE, "%s", in->now.stored);
    if (in->now.file) {
        snprintf(start->folder, sizeof start->folder, "%s", edx_run_file_folder(in->now.file));
        snprintf(start->recording, sizeof start->recording, "%s",
                 edx_run_file_recording(in->now.file));
    }
    start->source = in->now.source;
}

static void give_folder(edx_intake *in)
{
    edx_task task;
    edx_task_init(&task, EDX_TASK_FOLDER);
    task.start = start_new(in);
    if (task.start) {
        describe_start(in, task.start);
        give(in, &task);
    }
}

/* A folder that could not be made when the acquisition began. */
static edx_status open_late(edx_intake *in, side *s, edx_error *err)
{
    const char *acq = edx_acquisition_begin(s->acquisition)->head.acq;
    const edx_status status =
        edx_journal_create(in->options.journal, acq, s->stored, &s->file, err);
    if (status == EDX_OK) {
        snprintf(s->source.path, sizeof s->source.path, "%s", edx_run_file_recording(s->file));
        edx_log_write(in->options.log, EDX_LOG_NOTICE, "%s: its folder could be made at last",
                      s->stored);
        if (s == &in->now) {
            give_folder(in);
            in->changed = true;
        }
    }
    return status;
}

/* Into the file, behind what waits for it. */
static edx_status write_entry(edx_intake *in, side *s, const edx_entry *entry, uint64_t *offset,
                              edx_error *err)
{
    edx_status status = s->file ? EDX_OK : open_late(in, s, err);
    if (status == EDX_OK && s->arrears) {
        status = edx_arrears_pay(s->arrears, s->file, err);
    }
    if (status == EDX_OK && entry) {
        status = edx_run_file_write(s->file, entry->topic, entry->body, entry->size, entry->unix_ns,
                                    offset, err);
    }
    return status;
}

/* Until the disk takes it. */
static void keep_entry(edx_intake *in, side *s, const edx_entry *entry)
{
    s->arrears = s->arrears ? s->arrears : edx_arrears_new(in->options.queue_bytes);
    if (s->arrears && edx_arrears_keep(s->arrears, entry)) {
        return;
    }
    if (!s->lacking) {
        edx_log_write(in->options.log, EDX_LOG_ERROR,
                      "%s: no memory is left for what cannot be recorded: from this %s on it is "
                      "summed only",
                      s->stored, entry->topic);
    }
    s->lacking = true;
}

/* The disk works again. */
static void report_recorded(edx_intake *in, side *s)
{
    char which[400];
    edx_disk_works(&in->disk, EDX_DISK_RECORD);
    if (s->lacking && s->arrears) {
        const uint64_t n = edx_arrears_missing(s->arrears, which, sizeof which);
        edx_log_write(in->options.log, EDX_LOG_ERROR,
                      "%s: recording again; lost to the recording, but summed: %" PRIu64
                      " frame messages: %s",
                      s->stored, n, which);
    }
    s->lacking = false;
}

/* Records, or keeps what an instrument does not send again. false: it is not in the file. */
static bool record(edx_intake *in, side *s, const edx_entry *entry, bool sent_again,
                   uint64_t *offset)
{
    edx_error err = {0};
    if (in->stored) {
        return true;
    }
    if (write_entry(in, s, entry, offset, &err) == EDX_OK) {
        report_recorded(in, s);
        return true;
    }
    if (!sent_again) {
        keep_entry(in, s, entry);
    }
    edx_disk_fails(&in->disk, EDX_DISK_RECORD, (int64_t)edx_acquisition_tally(s->acquisition).frame,
                   "%s: cannot record: %s; free space or mend output.dir, frames are %s until then",
                   s->stored, err.text, sent_again ? "not acknowledged" : "kept in memory");
    return false;
}

static edx_entry entry_of(const char *topic, const edx_arrival *arrival, const edx_frame *frame)
{
    return (edx_entry){.topic = topic,
                       .owner = arrival->owner,
                       .body = arrival->body,
                       .size = arrival->size,
                       .unix_ns = arrival->unix_ns,
                       .frame = frame};
}

/* What stands in in->pack. */
static void record_own(edx_intake *in, const char *topic, uint64_t unix_ns)
{
    const edx_entry entry = {.topic = topic,
                             .body = edx_pack_data(in->pack),
                             .size = edx_pack_size(in->pack),
                             .unix_ns = unix_ns};
    if (edx_pack_status(in->pack) == EDX_OK) {
        record(in, &in->now, &entry, false, NULL);
    } else {
        edx_log_write(in->options.log, EDX_LOG_ERROR, "%s: no memory to record %s", in->now.stored,
                      topic);
    }
}

static void record_settings(edx_intake *in, uint64_t unix_ns)
{
    edx_head head = edx_acquisition_begin(in->now.acquisition)->head;
    size_t n = 0;
    const void *begin = edx_acquisition_bytes(in->now.acquisition, &n);
    head.t = (double)unix_ns * 1e-9;
    edx_config_write(in->pack, &head, &in->current, n <= MOST_BEGIN ? begin : NULL, n);
    record_own(in, EDX_TOPIC_CONFIG, unix_ns);
}

static void give_save(edx_intake *in, uint64_t ticket, edx_state state)
{
    edx_task task;
    if (state == EDX_FINISHED) {
        sync_side(in, &in->now);
    }
    edx_task_init(&task, EDX_TASK_SAVE);
    task.ticket = ticket;
    task.state = state;
    task.t = (double)in->last_unix_ns * 1e-9;
    task.closing = calloc(1, sizeof *task.closing);
    if (!task.closing) {
        edx_log_write(in->options.log, EDX_LOG_ERROR, "no memory to save");
        return;
    }
    if (in->now.acquisition) {
        task.closing->tally = edx_acquisition_tally(in->now.acquisition);
    }
    task.closing->bad = in->bad;
    /* a recording that lacks messages: the files may hold more than it */
    task.closing->stands = in->stored && task.closing->tally.lost > 0 && in->now.file &&
                           edx_run_file_stands(in->now.file);
    task.closing->n_alarms = in->options.alarms->n;
    memcpy(task.closing->alarms, in->options.alarms->alarm, sizeof task.closing->alarms);
    in->changed = false;
    give(in, &task);
}

static void give_place(edx_intake *in, const edx_placement *placement)
{
    if (placement->n_incomplete > 0) {
        edx_task task;
        edx_task_init(&task, EDX_TASK_PLACE);
        task.placement = *placement;
        give(in, &task);
    }
}

static void give_begin(edx_intake *in)
{
    edx_task task;
    edx_task_init(&task, EDX_TASK_BEGIN);
    task.start = start_new(in);
    if (!task.start) {
        return;
    }
    describe_start(in, task.start);
    give(in, &task);
}

static void give_settings(edx_intake *in)
{
    edx_task task;
    edx_task_init(&task, EDX_TASK_CONFIGURE);
    task.start = start_new(in);
    if (task.start) {
        give(in, &task);
        in->changed = true;
    }
}

/* ---- the running acquisition ---- */

static void log_lost(edx_intake *in, const side *s);

/* Ends it as if edx.end had come, and saves it unless it is saved as it stands. */
static void close_running(edx_intake *in, uint64_t ticket)
{
    edx_placement placement;
    if (in->now.acquisition &&
        edx_acquisition_end(in->now.acquisition, NULL, &placement, NULL) == EDX_OK) {
        give_place(in, &placement);
    }
    if (in->changed || ticket) {
        log_lost(in, &in->now);
        give_save(in, ticket, EDX_FINISHED);
    }
}

static void open_folder(edx_intake *in, side *s, const char *acq)
{
    edx_error err = {0};
    snprintf(s->stored, EDX_ACQ_SIZE, "%s", acq);
    const edx_status status =
        in->stored ? edx_journal_reopen(in->options.journal, in->stored, &s->file, &err)
                   : edx_journal_create(in->options.journal, acq, s->stored, &s->file, &err);
    if (in->stored) {
        snprintf(s->stored, EDX_ACQ_SIZE, "%s", in->stored);
    }
    if (status) {
        edx_disk_fails(&in->disk, EDX_DISK_RECORD, 0,
                       "%s; free space or mend output.dir, frames are kept in memory until then",
                       err.text);
    } else if (edx_run_file_cut(s->file)[0]) {
        edx_log_write(in->options.log, EDX_LOG_WARNING, "%s: %s", in->path,
                      edx_run_file_cut(s->file));
    }
}

static bool is_side(const side *s, const char *acq)
{
    return s->acquisition && strcmp(edx_acquisition_begin(s->acquisition)->head.acq, acq) == 0;
}

/* Where the messages of the acquisition that begins can be read again. In a recording that holds
 * several of one name each begins with its begin. */
static void set_source(edx_intake *in, side *s)
{
    const char *acq = edx_acquisition_begin(s->acquisition)->head.acq;
    const char *path = in->reading ? in->path : s->file ? edx_run_file_recording(s->file) : "";
    snprintf(s->source.path, sizeof s->source.path, "%s", path);
    snprintf(s->source.acq, sizeof s->source.acq, "%s", acq);
    if (in->reading && (is_side(&in->now, acq) || is_side(&in->earlier, acq))) {
        s->source.from = in->offset;
    }
}

/* A place for the acquisition that begins; false where it must be recorded and cannot be. */
static bool open_side(edx_intake *in, side *s, const edx_arrival *arrival)
{
    open_folder(in, s, edx_acquisition_begin(s->acquisition)->head.acq);
    const edx_entry entry = entry_of(EDX_TOPIC_BEGIN, arrival, NULL);
    if (record(in, s, &entry, in->options.must_record, NULL) || !in->options.must_record) {
        set_source(in, s);
        return true;
    }
    if (s->file) {
        edx_journal_discard(in->options.journal, s->stored, &s->file);
    }
    edx_arrears_free(&s->arrears);
    edx_acquisition_free(&s->acquisition);
    return false;
}

static void make_earlier(edx_intake *in)
{
    if (in->now.acquisition) {
        close_running(in, 0);
        side_clear(in, &in->earlier);
        in->earlier = in->now;
    }
}

static void adopt_orphans(edx_intake *in);

static edx_verdict take_begin(edx_intake *in, edx_arrival *arrival, const edx_node *body,
                              edx_error *err)
{
    if (in->now.acquisition &&
        edx_acquisition_is_repeat(in->now.acquisition, arrival->body, arrival->size)) {
        return EDX_REPEAT;
    }
    if (edx_begin_read(body, &in->options.limits, &in->begin, err)) {
        edx_error_prefix(err, EDX_TOPIC_BEGIN);
        return refuse(in, arrival, err);
    }
    if (!in->reading) { /* the newest is found by it, also where the clock was set back */
        arrival->unix_ns = edx_journal_later(in->options.journal, arrival->unix_ns);
    }
    side fresh = {.acquisition = edx_acquisition_new(&in->begin, arrival->body, arrival->size)};
    if (!fresh.acquisition) {
        edx_fail(err, EDX_E_NOMEM, EDX_TOPIC_BEGIN ": no memory");
        return refuse(in, arrival, err);
    }
    if (!open_side(in, &fresh, arrival)) {
        edx_fail(err, EDX_E_IO, "cannot be recorded now, send it again");
        return EDX_HELD;
    }
    make_earlier(in);
    in->now = fresh;
    in->strides = in->stride = in->last_seq = 0;
    in->strange[0] = '\0';
    in->current = in->settings;
    in->changed = true;
    edx_alarms_begin(in->options.alarms);
    record_settings(in, arrival->unix_ns);
    give_begin(in);
    edx_log_write(in->options.log, EDX_LOG_NOTICE,
                  "%s: begins: %u x %u pixels, %u channels, %" PRIu64 " frames expected",
                  in->now.stored, in->begin.rows, in->begin.cols, in->begin.channels,
                  in->begin.frames);
    adopt_orphans(in);
    return EDX_ACCEPTED;
}

/* on_disk: the analyst reads it back from the recording. */
static void give_frame(edx_intake *in, edx_arrival *arrival, const edx_placement *placement,
                       bool on_disk, uint64_t offset)
{
    edx_task task;
    edx_task_init(&task, EDX_TASK_FRAME);
    task.placement = *placement;
    task.arrival_ns = in->reading ? 0 : arrival->monotonic_ns;
    task.on_disk = on_disk;
    task.offset = offset;
    if (!arrival->owner) {
        task.body = arrival->body;
        task.size = arrival->size;
    } else if (!on_disk) {
        edx_message_share(&task.message, arrival->owner);
    }
    give(in, &task);
}

/* The same step again and again: what is between goes to somebody else. */
static void watch_stride(edx_intake *in)
{
    const uint64_t step = in->frame.seq - in->last_seq;
    in->strides = step == in->stride ? in->strides + 1 : 0;
    in->stride = step;
    in->last_seq = in->frame.seq;
}

static const char *loss_cure(const edx_intake *in)
{
    if (in->strides >= MANY_STRIDES && in->stride > 1 && in->stride < MANY_STRIDES) {
        return "messages are missing at every other place: does another edxd take them from the "
               "same instrument?";
    }
    return "with ingest.pattern \"router\" none is lost on the way";
}

static void report_loss(edx_intake *in)
{
    char which[EDX_LOST_TEXT] = "";
    const edx_tally tally = edx_acquisition_tally(in->now.acquisition);
    const uint64_t missing =
        in->now.arrears ? edx_arrears_missing(in->now.arrears, which, sizeof which) : 0;
    if (tally.lost + missing == 0) {
        edx_alarms_clear(in->options.alarms, "loss");
    } else if (tally.lost > 0) {
        edx_alarms_raise(in->options.alarms, "loss", "warning", (int64_t)tally.frame,
                         "%" PRIu64 " frame messages did not arrive or were refused; %s",
                         tally.lost, loss_cure(in));
    } else {
        edx_alarms_raise(in->options.alarms, "loss", "warning", (int64_t)tally.frame,
                         "%" PRIu64 " frame messages are summed but not recorded: %s", missing,
                         which);
    }
}

/* Which messages never came, once it is known. */
static void log_lost(edx_intake *in, const side *s)
{
    char which[EDX_LOST_TEXT];
    size_t next = 0;
    while (s->acquisition && edx_acquisition_lost(s->acquisition, &next, which, sizeof which)) {
        edx_log_write(in->options.log, EDX_LOG_WARNING, "%s: frame messages that are missing: %s",
                      s->stored, which);
    }
}

static bool record_frame(edx_intake *in, const edx_arrival *arrival, uint64_t *offset)
{
    const edx_entry entry = entry_of(EDX_TOPIC_FRAME, arrival, &in->frame);
    return record(in, &in->now, &entry, in->options.must_record, offset);
}

/* Of the running acquisition. The analyst gets the frame first and works while it is written,
 * except where it must be on disk before: to be acknowledged, or to be read back. */
static edx_verdict take_frame(edx_intake *in, edx_arrival *arrival, edx_error *err)
{
    edx_placement placement;
    uint64_t offset = 0;
    const bool full = arrival->owner && edx_journal_records(in->options.journal) &&
                      edx_analyst_backlog(in->options.analyst) > in->options.queue_bytes;
    const bool first = full || in->options.must_record;
    const bool recorded = first && record_frame(in, arrival, &offset);
    if (!recorded && in->options.must_record) {
        edx_fail(err, EDX_E_IO, "cannot be recorded now, send it again");
        return EDX_HELD;
    }
    if (edx_acquisition_frame(in->now.acquisition, &in->frame, &placement, err)) {
        return refuse(in, arrival, err);
    }
    give_frame(in, arrival, &placement, full && recorded, offset);
    if (!first) {
        record_frame(in, arrival, NULL);
    }
    in->changed = true;
    watch_stride(in);
    report_loss(in);
    if (placement.finish) {
        log_lost(in, &in->now);
        give_save(in, 0, EDX_FINISHED);
    }
    return EDX_ACCEPTED;
}

static edx_verdict take_end(edx_intake *in, side *s, edx_arrival *arrival, const edx_end *end)
{
    edx_placement placement;
    if (edx_acquisition_ended(s->acquisition)) {
        return EDX_REPEAT;
    }
    const edx_entry entry = entry_of(EDX_TOPIC_END, arrival, NULL);
    if (!record(in, s, &entry, in->options.must_record, NULL) && in->options.must_record) {
        return EDX_HELD;
    }
    edx_acquisition_end(s->acquisition, end, &placement, NULL);
    if (s == &in->now) {
        give_place(in, &placement);
        report_loss(in);
        edx_log_write(in->options.log, EDX_LOG_NOTICE,
                      "%s: ends (%s): %" PRIu64 " messages, %" PRIu64 " lost", s->stored,
                      end->reason, end->messages, edx_acquisition_tally(s->acquisition).lost);
        log_lost(in, s);
        if (in->changed) {
            give_save(in, 0, EDX_FINISHED);
        }
    }
    return EDX_ACCEPTED;
}

/* ---- whose message is it ---- */

/* Takes one record of an earlier recording into its acquisition's account. */
static void recall_record(edx_intake *in, edx_wire *wire, const edx_record *r, side *s)
{
    const edx_node *body;
    edx_placement placement;
    edx_end end;
    if (edx_wire_parse(wire, r->body, r->body_size, &body, NULL)) {
        return;
    }
    const edx_topic topic = edx_topic_parse(r->topic, r->topic_size);
    size_t n = r->body_size;
    const void *begin = topic == EDX_TOPIC_IS_BEGIN    ? r->body
                        : topic == EDX_TOPIC_IS_CONFIG ? edx_config_begin(body, &n)
                                                       : NULL;
    if (begin && !s->acquisition && edx_wire_parse(wire, begin, n, &body, NULL) == EDX_OK &&
        edx_begin_read(body, &in->options.limits, &in->begin, NULL) == EDX_OK) {
        s->acquisition = edx_acquisition_new(&in->begin, begin, n);
    } else if (topic == EDX_TOPIC_IS_FRAME && s->acquisition &&
               edx_frame_read(body, edx_acquisition_begin(s->acquisition), &in->options.limits,
                              &in->frame, NULL) == EDX_OK &&
               edx_acquisition_judge(s->acquisition, &in->frame, NULL) == EDX_OK) {
        edx_acquisition_frame(s->acquisition, &in->frame, &placement, NULL);
    } else if (topic == EDX_TOPIC_IS_END && s->acquisition &&
               edx_end_read(body, &end, NULL) == EDX_OK) {
        edx_acquisition_end(s->acquisition, &end, &placement, NULL);
    }
}

/* An earlier acquisition as its recording tells it, ready to be appended to. */
static bool recall(edx_intake *in, const char *acq)
{
    char path[EDX_PATH_SIZE];
    edx_recording *recording = NULL;
    edx_record r;
    side found = {0};
    edx_wire *wire = edx_wire_new(0);
    if (!wire || edx_journal_find(in->options.journal, acq, found.stored) ||
        !edx_journal_records(in->options.journal)) {
        edx_wire_free(&wire);
        return false;
    }
    edx_journal_recording_path(in->options.journal, found.stored, path);
    if (edx_recording_open(path, UINT64_MAX, &recording, NULL) == EDX_OK) {
        edx_status status = EDX_OK;
        while (status == EDX_OK || status == EDX_E_DAMAGED) {
            status = edx_recording_next(recording, &r, NULL);
            if (status == EDX_OK) {
                recall_record(in, wire, &r, &found);
            }
        }
    }
    edx_recording_free(&recording);
    edx_wire_free(&wire);
    if (!is_side(&found, acq) ||
        edx_journal_reopen(in->options.journal, found.stored, &found.file, NULL)) {
        side_clear(in, &found);
        return false;
    }
    side_clear(in, &in->earlier);
    in->earlier = found;
    return true;
}

/* NULL: no begin of that name is known. */
static side *whose(edx_intake *in, const char *acq)
{
    if (is_side(&in->now, acq)) {
        return &in->now;
    }
    if (is_side(&in->earlier, acq)) {
        return &in->earlier;
    }
    if (in->reading || strcmp(in->strange, acq) == 0) {
        return NULL;
    }
    if (recall(in, acq)) {
        return &in->earlier;
    }
    snprintf(in->strange, sizeof in->strange, "%s", acq);
    return NULL;
}

/* ---- messages whose begin has not come ---- */

static edx_verdict wait_for_begin(edx_intake *in, edx_arrival *arrival, edx_topic topic,
                                  const char *acq, edx_error *err)
{
    orphan *o = NULL;
    const size_t size = arrival->size + sizeof *o;
    if (in->orphan_bytes + size > in->options.waiting_bytes) {
        edx_fail(err, EDX_E_LIMIT, "acquisition %s has no begin, and more than %zu MB wait already",
                 acq, in->options.waiting_bytes >> 20);
        return refuse(in, arrival, err);
    }
    o = calloc(1, sizeof *o);
    if (!o) {
        edx_fail(err, EDX_E_NOMEM, "no memory for a message that waits for its begin");
        return refuse(in, arrival, err);
    }
    edx_message_init(&o->body);
    edx_message_init(&o->sender);
    /* A copy: a small message of libzmq's holds on to the whole block that was read with it. */
    if (edx_message_set(&o->body, arrival->body, arrival->size)) {
        orphan_free(o);
        edx_fail(err, EDX_E_NOMEM, "no memory for a message that waits for its begin");
        return refuse(in, arrival, err);
    }
    if (arrival->sender) {
        edx_message_share(&o->sender, arrival->sender);
    }
    o->topic = topic;
    o->unix_ns = arrival->unix_ns;
    o->monotonic_ns = arrival->monotonic_ns;
    in->orphan_bytes += size;
    *in->last_orphan = o;
    in->last_orphan = &o->next;
    if (topic != EDX_TOPIC_IS_END) {
        edx_alarms_raise(in->options.alarms, "no-begin", "warning", 0,
                         "frames of acquisition %s wait for its edx.begin; send it again", acq);
    }
    return EDX_WAITING;
}

/* An end alone holds no counts. */
static bool frames_wait(const edx_intake *in)
{
    const orphan *o = in->orphans;
    while (o && o->topic == EDX_TOPIC_IS_END) {
        o = o->next;
    }
    return o != NULL;
}

/* After a begin, everything that waited is looked at once more; what still has none waits on. */
static void adopt_orphans(edx_intake *in)
{
    orphan *list = in->orphans;
    in->orphans = NULL;
    in->last_orphan = &in->orphans;
    in->orphan_bytes = 0;
    while (list) {
        orphan *o = list;
        list = o->next;
        edx_error err = {0};
        edx_receipt receipt;
        const char *topic = o->topic == EDX_TOPIC_IS_END ? EDX_TOPIC_END : EDX_TOPIC_FRAME;
        edx_arrival arrival = {.topic = topic,
                               .topic_size = strlen(topic),
                               .body = edx_message_data(&o->body),
                               .size = edx_message_size(&o->body),
                               .owner = &o->body,
                               .sender = &o->sender,
                               .unix_ns = o->unix_ns,
                               .monotonic_ns = o->monotonic_ns};
        const edx_verdict verdict = edx_intake_message(in, &arrival, &receipt, &err);
        if (verdict != EDX_WAITING && in->options.settled) {
            in->options.settled(in->options.context, &o->sender, &receipt, verdict, &err);
        }
        orphan_free(o);
    }
    if (!frames_wait(in)) {
        edx_alarms_clear(in->options.alarms, "no-begin");
    }
}

/* ---- one message ---- */

static edx_verdict route_frame(edx_intake *in, side *s, edx_arrival *arrival, const edx_node *body,
                               edx_error *err)
{
    edx_status status = edx_frame_read(body, edx_acquisition_begin(s->acquisition),
                                       &in->options.limits, &in->frame, err);
    if (status == EDX_OK) {
        status = edx_acquisition_judge(s->acquisition, &in->frame, err);
    }
    if (status == EDX_E_DUPLICATE) {
        edx_acquisition_repeat(s->acquisition);
        return EDX_REPEAT;
    }
    if (status) {
        edx_error_prefix(err, EDX_TOPIC_FRAME " of %s", s->stored);
        return refuse(in, arrival, err);
    }
    if (s == &in->now) {
        return take_frame(in, arrival, err);
    }
    edx_placement placement;
    const edx_entry entry = entry_of(EDX_TOPIC_FRAME, arrival, &in->frame);
    if (!record(in, s, &entry, in->options.must_record, NULL) && in->options.must_record) {
        return EDX_HELD;
    }
    edx_acquisition_frame(s->acquisition, &in->frame, &placement, NULL);
    edx_log_write(in->options.log, EDX_LOG_NOTICE,
                  "%s: a late frame went into its recording, not into the live sum", s->stored);
    return EDX_ACCEPTED;
}

static edx_verdict route_end(edx_intake *in, side *s, edx_arrival *arrival, const edx_node *body,
                             edx_error *err)
{
    edx_end end;
    if (edx_end_read(body, &end, err)) {
        edx_error_prefix(err, EDX_TOPIC_END " of %s", s->stored);
        return refuse(in, arrival, err);
    }
    return take_end(in, s, arrival, &end);
}

/* A begin whose own record is damaged stands in the settings behind it, too. */
static void restore_begin(edx_intake *in, const edx_arrival *arrival, const void *begin, size_t n)
{
    const edx_node *body = NULL;
    edx_error err = {0};
    edx_arrival restored = *arrival;
    if (in->now.acquisition && edx_acquisition_is_repeat(in->now.acquisition, begin, n)) {
        return;
    }
    restored.topic = EDX_TOPIC_BEGIN;
    restored.topic_size = strlen(EDX_TOPIC_BEGIN);
    restored.body = begin;
    restored.size = n;
    if (edx_wire_parse(in->wire, begin, n, &body, &err) == EDX_OK &&
        take_begin(in, &restored, body, &err) == EDX_ACCEPTED) {
        edx_log_write(
            in->options.log, EDX_LOG_NOTICE,
            "%s: the record of its edx.begin is damaged; nothing of it is lost, it stands "
            "in the edx.config behind it, too",
            in->now.stored);
    }
}

static edx_verdict take_config(edx_intake *in, edx_arrival *arrival, const edx_node *body,
                               edx_error *err)
{
    edx_settings settings;
    size_t n = 0;
    if (edx_config_read(body, &settings, err)) {
        edx_error_prefix(err, EDX_TOPIC_CONFIG);
        return refuse(in, arrival, err);
    }
    const void *begin = edx_config_begin(body, &n);
    if (begin) {
        restore_begin(in, arrival, begin, n);
    }
    if (in->options.replay_settings && in->now.acquisition) {
        in->current = settings;
        if (in->options.adjust) {
            in->options.adjust(in->options.context, &in->current);
        }
        give_settings(in);
    }
    return EDX_ACCEPTED;
}

static edx_verdict route(edx_intake *in, edx_topic topic, edx_arrival *arrival,
                         const edx_node *body, edx_receipt *receipt, edx_error *err)
{
    if (topic == EDX_TOPIC_IS_BEGIN) {
        return take_begin(in, arrival, body, err);
    }
    if (topic == EDX_TOPIC_IS_CONFIG) {
        return take_config(in, arrival, body, err);
    }
    side *s = whose(in, receipt->acq);
    if (!s) {
        return wait_for_begin(in, arrival, topic, receipt->acq, err);
    }
    return topic == EDX_TOPIC_IS_END ? route_end(in, s, arrival, body, err)
                                     : route_frame(in, s, arrival, body, err);
}

static edx_status check_envelope(edx_intake *in, edx_topic topic, const edx_arrival *arrival,
                                 edx_error *err)
{
    if (topic == EDX_TOPIC_IS_OTHER || (topic == EDX_TOPIC_IS_CONFIG && !in->reading)) {
        return edx_fail(err, EDX_E_UNKNOWN,
                        "topic '%.*s', expected edx.begin, edx.frame or edx.end",
                        (int)(arrival->topic_size > 40 ? 40 : arrival->topic_size),
                        (const char *)arrival->topic);
    }
    if (arrival->size > in->options.limits.max_message_bytes) {
        return edx_fail(err, EDX_E_LIMIT,
                        "%.*s: %zu bytes, expected at most %" PRIu64 " (limits.max_message_MB)",
                        (int)arrival->topic_size, (const char *)arrival->topic, arrival->size,
                        in->options.limits.max_message_bytes);
    }
    return EDX_OK;
}

/* What an answer can name, also of a message that is refused. */
static void read_receipt(const edx_node *body, edx_receipt *receipt)
{
    char acq[EDX_ACQ_SIZE];
    if (edx_node_text(edx_map_get(body, "acq"), "acq", acq, sizeof acq, NULL) == EDX_OK &&
        edx_acq_valid(acq)) {
        memcpy(receipt->acq, acq, sizeof acq);
    }
    receipt->has_seq =
        receipt->topic == EDX_TOPIC_IS_FRAME &&
        edx_node_uint(edx_map_get(body, "seq"), "seq", UINT64_MAX, &receipt->seq, NULL) == EDX_OK;
}

edx_verdict edx_intake_message(edx_intake *intake, edx_arrival *arrival, edx_receipt *receipt,
                               edx_error *err)
{
    const edx_node *body;
    edx_head head;
    edx_receipt mine = {0};
    edx_receipt *r = receipt ? receipt : &mine;
    *r = mine;
    r->topic = edx_topic_parse(arrival->topic, arrival->topic_size);
    if (check_envelope(intake, r->topic, arrival, err)) {
        return refuse(intake, arrival, err);
    }
    edx_status status = edx_wire_parse(intake->wire, arrival->body, arrival->size, &body, err);
    if (status == EDX_OK) {
        read_receipt(body, r);
        status = edx_head_read(body, &head, err);
    }
    if (status) {
        edx_error_prefix(err, "%.*s", (int)arrival->topic_size, (const char *)arrival->topic);
        return refuse(intake, arrival, err);
    }
    const edx_verdict verdict = route(intake, r->topic, arrival, body, r, err);
    if (verdict == EDX_ACCEPTED) {
        intake->last_ns = intake->reading ? 0 : arrival->monotonic_ns;
        intake->last_unix_ns = arrival->unix_ns;
    }
    return verdict;
}

/* ---- recordings ---- */

#define PROGRESS_EVERY 16

static void replay_record(edx_intake *in, const edx_record *r)
{
    edx_error err = {0};
    edx_arrival arrival = {.topic = r->topic,
                           .topic_size = r->topic_size,
                           .body = r->body,
                           .size = r->body_size,
                           .unix_ns = r->arrival_ns,
                           .monotonic_ns = (int64_t)r->arrival_ns};
    in->offset = r->offset;
    edx_intake_message(in, &arrival, NULL, &err);
}

static void replay_all(edx_intake *in, const char *path, edx_recording *recording,
                       void (*progress)(void *context, double share), void *context)
{
    edx_status status = EDX_OK;
    for (uint64_t n = 0; status == EDX_OK || status == EDX_E_DAMAGED; n++) {
        edx_record r;
        edx_error err = {0};
        status = edx_recording_next(recording, &r, &err);
        if (status == EDX_OK) {
            replay_record(in, &r);
        } else if (status != EDX_E_END) {
            edx_log_write(in->options.log, EDX_LOG_WARNING, "%s: %s", path, err.text);
        }
        if (progress && n % PROGRESS_EVERY == 0) {
            progress(context, (double)edx_recording_position(recording) /
                                  (double)(edx_recording_file_size(recording) + 1));
        }
    }
}

edx_status edx_intake_replay(edx_intake *intake, const char *path, const char *stored,
                             void (*progress)(void *context, double share), void *context,
                             edx_error *err)
{
    edx_recording *recording = NULL;
    const edx_status status =
        edx_recording_open(path, intake->options.limits.max_message_bytes + 1024, &recording, err);
    if (status) {
        return status;
    }
    intake->reading = true;
    intake->stored = stored;
    intake->path = path;
    replay_all(intake, path, recording, progress, context);
    intake->reading = false;
    intake->stored = NULL;
    if (stored) {
        log_lost(intake, &intake->now);
    }
    edx_recording_free(&recording);
    return EDX_OK;
}

/* ---- orders ---- */

static edx_status need_acquisition(const edx_intake *in, edx_error *err)
{
    return in->now.acquisition
               ? EDX_OK
               : edx_fail(
                     err, EDX_E_STATE,
                     "there is no acquisition, expected an edx.begin from the instrument first");
}

/* Stopped from here is as if ended, also for a restart: the recording says so. */
static void record_stop(edx_intake *in)
{
    const edx_begin *begin = edx_acquisition_begin(in->now.acquisition);
    const edx_tally tally = edx_acquisition_tally(in->now.acquisition);
    edx_end end = {.head = begin->head, .messages = tally.received + tally.lost};
    if (edx_acquisition_finished(in->now.acquisition)) {
        return;
    }
    end.head.t = (double)in->last_unix_ns * 1e-9;
    end.frames = tally.received > 0 ? tally.frame + 1 : 0;
    snprintf(end.reason, sizeof end.reason, "stopped");
    edx_end_write(in->pack, &end);
    record_own(in, EDX_TOPIC_END, in->last_unix_ns);
}

edx_status edx_intake_stop(edx_intake *intake, uint64_t ticket, edx_error *err)
{
    const edx_status status = need_acquisition(intake, err);
    if (status == EDX_OK) {
        record_stop(intake);
        close_running(intake, ticket);
    }
    return status;
}

edx_status edx_intake_save(edx_intake *intake, uint64_t ticket, edx_error *err)
{
    const edx_status status = need_acquisition(intake, err);
    if (status == EDX_OK) {
        const bool finished = edx_acquisition_finished(intake->now.acquisition);
        give_save(intake, ticket, finished ? EDX_FINISHED : EDX_ACQUIRING);
        intake->changed = !finished;
    }
    return status;
}

void edx_intake_reset(edx_intake *intake, uint64_t ticket)
{
    edx_task task;
    if (intake->now.acquisition) {
        record_stop(intake);
        close_running(intake, ticket);
    }
    edx_task_init(&task, EDX_TASK_FORGET);
    give(intake, &task);
    side_clear(intake, &intake->earlier);
    intake->earlier = intake->now;
    intake->now = (side){0};
    intake->changed = false;
    edx_alarms_begin(intake->options.alarms);
}

void edx_intake_saved(edx_intake *intake, const edx_run_facts *facts, const edx_error *result)
{
    const char *acq = facts->head.head.acq;
    if (!result->code) {
        edx_disk_works(&intake->disk, EDX_DISK_STORE);
        return;
    }
    edx_disk_fails(&intake->disk, EDX_DISK_STORE, (int64_t)facts->head.frame,
                   "%s: cannot store the results: %s", acq, result->text);
    if (intake->now.acquisition && strcmp(acq, intake->now.stored) == 0) {
        intake->changed = true;
    } else {
        edx_log_write(
            intake->options.log, EDX_LOG_ERROR,
            "%s: its results are not stored; edxd --offline makes them from its recording", acq);
    }
}

void edx_intake_retry(edx_intake *intake)
{
    side *sides[] = {&intake->now, &intake->earlier};
    for (int i = 0; i < 2; i++) {
        edx_error err = {0};
        side *s = sides[i];
        if (s->arrears && edx_arrears_waits(s->arrears) &&
            write_entry(intake, s, NULL, NULL, &err) == EDX_OK) {
            report_recorded(intake, s);
        }
    }
}

bool edx_intake_uses(const edx_intake *intake, const char *stored)
{
    return strcmp(intake->now.stored, stored) == 0 || strcmp(intake->earlier.stored, stored) == 0;
}

bool edx_intake_recording_fails(const edx_intake *intake)
{
    return intake->disk.fails[EDX_DISK_RECORD];
}

void edx_intake_save_changes(edx_intake *intake)
{
    if (intake->changed && intake->now.acquisition &&
        edx_acquisition_finished(intake->now.acquisition)) {
        give_save(intake, 0, EDX_FINISHED);
    }
}

edx_status edx_intake_set(edx_intake *intake, const edx_settings *settings, edx_error *err)
{
    if (intake->now.acquisition) {
        const edx_begin *begin = edx_acquisition_begin(intake->now.acquisition);
        const edx_status status = edx_analysis_check(begin, settings, err);
        if (status) {
            return status;
        }
    }
    intake->settings = intake->current = *settings;
    if (intake->now.acquisition) {
        record_settings(intake, intake->last_unix_ns);
        give_settings(intake);
    }
    return EDX_OK;
}

const edx_settings *edx_intake_settings(const edx_intake *intake)
{
    return intake->now.acquisition ? &intake->current : &intake->settings;
}

edx_status edx_intake_sync(edx_intake *intake, edx_error *err)
{
    const edx_status now = sync_file(intake, &intake->now, err);
    const edx_status earlier = now ? now : sync_file(intake, &intake->earlier, err);
    if (earlier == EDX_OK) {
        edx_disk_works(&intake->disk, EDX_DISK_SYNC);
    }
    return earlier;
}

void edx_intake_facts_get(const edx_intake *intake, edx_intake_facts *out)
{
    const edx_acquisition *a = intake->now.acquisition;
    *out = (edx_intake_facts){.bad = intake->bad,
                              .changed = intake->changed,
                              .waits = intake->orphans != NULL,
                              .last_ns = intake->last_ns};
    if (a) {
        out->active = true;
        out->finished = edx_acquisition_finished(a);
        out->expected = edx_acquisition_begin(a)->frames;
        out->tally = edx_acquisition_tally(a);
        memcpy(out->stored, intake->now.stored, sizeof out->stored);
    }
}

const edx_begin *edx_intake_begin(const edx_intake *intake)
{
    return intake->now.acquisition ? edx_acquisition_begin(intake->now.acquisition) : NULL;
}
