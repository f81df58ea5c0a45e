/* The way in, with the analyst and the journal that are real and a disk that is not: what waits,
 * what is held, what is synced, what is read back. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/intake.h"
#include "proto/recording.h"

#define ROWS 4u
#define COLS 4u
#define CHANNELS 32u
#define PIXELS (ROWS * COLS)

/* ---- the disk ---- */

static bool disk_full, no_folders;
static unsigned syncs;

ssize_t __real_pwritev(int fd, const struct iovec *parts, int n, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int n, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int n, off_t offset)
{
    if (disk_full) {
        errno = ENOSPC;
        return -1;
    }
    return __real_pwritev(fd, parts, n, offset);
}

int __real_mkdirat(int folder, const char *name, mode_t mode);
int __wrap_mkdirat(int folder, const char *name, mode_t mode);

int __wrap_mkdirat(int folder, const char *name, mode_t mode)
{
    if (no_folders && faccessat(folder, name, F_OK, 0) != 0) {
        errno = EROFS;
        return -1;
    }
    return __real_mkdirat(folder, name, mode);
}

int __wrap_fdatasync(int fd)
{
    syncs++;
    return __real_fdatasync(fd);
}

/* ---- everything behind the socket ---- */

typedef struct fixture {
    char dir[64];
    edx_settings settings;
    edx_limits limits;
    edx_journal *journal;
    edx_analyst *analyst;
    edx_alarms alarms;
    edx_intake *intake;
    edx_pack *pack;
    edx_error err;
    edx_receipt receipt;
    unsigned settled, settled_bad;
    pthread_mutex_t gate; /* held: the analyst stands still at its next report */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t saved; /* ticket */
    edx_run_facts facts;
    unsigned results;
} fixture;

static void report(void *context, const edx_report *r, void *body, size_t n)
{
    fixture *f = context;
    (void)n;
    free(body);
    pthread_mutex_lock(&f->gate);
    pthread_mutex_unlock(&f->gate);
    pthread_mutex_lock(&f->mutex);
    if (r->kind == EDX_REPORT_SAVED || r->kind == EDX_REPORT_FACTS)
        f->facts = r->facts;
    if (r->kind == EDX_REPORT_SAVED)
        f->saved = r->ticket;
    f->results += r->kind == EDX_REPORT_RESULT;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mutex);
}

static void settled(void *context, edx_message *sender, const edx_receipt *receipt,
                    edx_verdict verdict, const edx_error *err)
{
    fixture *f = context;
    (void)sender;
    (void)receipt;
    (void)err;
    f->settled++;
    f->settled_bad += verdict != EDX_ACCEPTED;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    disk_full = no_folders = false;
    syncs = 0;
    if (!f)
        return 1;
    snprintf(f->dir, sizeof f->dir, "/tmp/edx-intake-XXXXXX");
    pthread_mutex_init(&f->gate, NULL);
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->changed, NULL);
    edx_settings_default(&f->settings);
    f->limits = edx_limits_default();
    f->pack = edx_pack_new();
    if (!f->pack || !mkdtemp(f->dir) || edx_journal_new(f->dir, true, true, &f->journal, &f->err))
        return 1;
    f->analyst = edx_analyst_new(&f->limits, NULL, report, f);
    return !f->analyst;
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[100];
    edx_intake_free(&f->intake);
    edx_analyst_free(&f->analyst);
    edx_journal_free(&f->journal);
    edx_pack_free(&f->pack);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    const int rc = system(command);
    free(f);
    return rc;
}

static void start(fixture *f, edx_intake_options options)
{
    options.limits = f->limits;
    options.queue_bytes = options.queue_bytes ? options.queue_bytes - 1 : SIZE_MAX;
    options.waiting_bytes = options.waiting_bytes ? options.waiting_bytes : 1 << 20;
    options.settings = &f->settings;
    options.replay_settings = true;
    options.journal = f->journal;
    options.analyst = f->analyst;
    options.alarms = &f->alarms;
    options.settled = settled;
    options.context = f;
    f->intake = edx_intake_new(&options);
    assert_non_null(f->intake);
}

/* What f->pack holds, as if it had come over the wire. */
static edx_verdict deliver(fixture *f, const char *topic)
{
    edx_message owner;
    edx_message_init(&owner);
    assert_int_equal(edx_message_set(&owner, edx_pack_data(f->pack), edx_pack_size(f->pack)), 0);
    edx_arrival arrival = {.topic = topic,
                           .topic_size = strlen(topic),
                           .body = edx_message_data(&owner),
                           .size = edx_message_size(&owner),
                           .owner = &owner,
                           .unix_ns = 1000000000,
                           .monotonic_ns = 5};
    f->err = (edx_error){0};
    const edx_verdict verdict = edx_intake_message(f->intake, &arrival, &f->receipt, &f->err);
    edx_message_close(&owner);
    return verdict;
}

static edx_verdict send_begin(fixture *f, const char *acq, uint64_t frames)
{
    edx_begin begin = {.rows = ROWS,
                       .cols = COLS,
                       .step_nm = {1.0, 1.0},
                       .dwell_s = 1e-6,
                       .frames = frames,
                       .channels = CHANNELS,
                       .scale_eV = 10.0,
                       .beam_keV = 200.0,
                       .solid_angle_sr = NAN,
                       .elevation_deg = NAN,
                       .azimuth_deg = NAN,
                       .resolution_eV = NAN,
                       .probe_nA = NAN};
    snprintf(begin.head.acq, sizeof begin.head.acq, "%s", acq);
    edx_begin_write(f->pack, &begin);
    return deliver(f, EDX_TOPIC_BEGIN);
}

/* A whole frame with one count in every pixel, and so many more in the first. */
static edx_verdict send_frame(fixture *f, const char *acq, uint64_t seq, uint8_t more)
{
    uint8_t counts[PIXELS * CHANNELS] = {0};
    for (unsigned p = 0; p < PIXELS; p++)
        counts[p * CHANNELS + seq % CHANNELS] = 1;
    counts[seq % CHANNELS] = (uint8_t)(1 + more);
    edx_frame frame = {.seq = seq, .frame = seq, .rows = ROWS, .live_s = NAN, .real_s = NAN};
    frame.counts.dense = edx_array_3(EDX_U1, counts, ROWS, COLS, CHANNELS);
    snprintf(frame.head.acq, sizeof frame.head.acq, "%s", acq);
    edx_frame_write(f->pack, &frame);
    return deliver(f, EDX_TOPIC_FRAME);
}

static edx_verdict send_end(fixture *f, const char *acq, uint64_t messages)
{
    edx_end end = {.frames = messages, .messages = messages, .reason = "complete"};
    snprintf(end.head.acq, sizeof end.head.acq, "%s", acq);
    edx_end_write(f->pack, &end);
    return deliver(f, EDX_TOPIC_END);
}

static edx_intake_facts facts(const fixture *f)
{
    edx_intake_facts out;
    edx_intake_facts_get(f->intake, &out);
    return out;
}

static unsigned records(const fixture *f, const char *acq)
{
    char path[EDX_PATH_SIZE];
    edx_recording *recording = NULL;
    edx_record record;
    unsigned n = 0;
    edx_journal_recording_path(f->journal, acq, path);
    if (edx_recording_open(path, 0, &recording, NULL))
        return 0;
    while (edx_recording_next(recording, &record, NULL) == EDX_OK)
        n++;
    edx_recording_free(&recording);
    return n;
}

/* ---- frames that wait for their begin ---- */

static void test_waiting(void **state)
{
    fixture *f = *state;
    start(f, (edx_intake_options){.waiting_bytes = 8000});
    unsigned n = 0;
    while (send_frame(f, "a", n, 0) == EDX_WAITING)
        n++;
    assert_in_range(n, 5, 8000 / (PIXELS * CHANNELS));
    assert_int_equal(f->err.code, EDX_E_LIMIT);
    assert_int_equal(facts(f).bad, 1);
    assert_true(facts(f).waits && edx_alarms_active(&f->alarms, "no-begin"));
    assert_int_equal(send_begin(f, "b", 0), EDX_ACCEPTED);
    assert_int_equal(f->settled, 0);
    assert_true(facts(f).waits && edx_alarms_active(&f->alarms, "no-begin"));
    assert_int_equal(send_begin(f, "a", 0), EDX_ACCEPTED);
    assert_int_equal(f->settled, n);
    assert_int_equal(f->settled_bad, 0);
    assert_int_equal(facts(f).tally.received, n);
    assert_false(facts(f).waits || edx_alarms_active(&f->alarms, "no-begin"));
    assert_int_equal(records(f, "a"), 2 + n);
    assert_int_equal(send_frame(f, "x", 0, 0), EDX_WAITING); /* there is room again */
}

/* An end alone holds no counts that a begin could save. */
static void test_waiting_end(void **state)
{
    fixture *f = *state;
    start(f, (edx_intake_options){0});
    assert_int_equal(send_end(f, "gone", 5), EDX_WAITING);
    assert_true(facts(f).waits);
    assert_false(edx_alarms_active(&f->alarms, "no-begin"));
    assert_int_equal(send_frame(f, "a", 0, 0), EDX_WAITING);
    assert_true(edx_alarms_active(&f->alarms, "no-begin"));
    assert_int_equal(send_begin(f, "a", 0), EDX_ACCEPTED);
    assert_true(facts(f).waits); /* the end, still */
    assert_false(edx_alarms_active(&f->alarms, "no-begin"));
}

/* A begin that comes before what waits is judged with it. */
static void test_waiting_and_wrong(void **state)
{
    fixture *f = *state;
    start(f, (edx_intake_options){0});
    assert_int_equal(send_frame(f, "a", 0, 0), EDX_WAITING);
    assert_int_equal(send_frame(f, "a", 0, 0), EDX_WAITING);
    assert_int_equal(send_frame(f, "a", 1u << 21, 0), EDX_WAITING);
    assert_int_equal(send_end(f, "a", 5), EDX_WAITING);
    assert_int_equal(send_begin(f, "a", 0), EDX_ACCEPTED);
    assert_int_equal(f->settled, 4);
    assert_int_equal(f->settled_bad, 2); /* a repeat and one too far ahead */
    const edx_intake_facts now = facts(f);
    assert_int_equal(now.tally.received, 1);
    assert_int_equal(now.tally.duplicate, 1);
    assert_int_equal(now.tally.lost, 4);
    assert_int_equal(now.bad, 1);
    assert_true(now.finished);
}

/* ---- a full disk ---- */

static void test_held(void **state)
{
    fixture *f = *state;
    start(f, (edx_intake_options){.must_record = true});
    disk_full = true;
    for (int i = 0; i < 3; i++)
        assert_int_equal(send_begin(f, "a", 0), EDX_HELD);
    assert_false(facts(f).active);
    assert_true(edx_alarms_active(&f->alarms, "disk"));
    disk_full = false;
    assert_int_equal(send_begin(f, "a", 0), EDX_ACCEPTED);
    assert_string_equal(facts(f).stored, "a"); /* no folder was left from before */
    assert_false(edx_alarms_active(&f->alarms, "disk"));
    assert_int_equal(send_frame(f, "a", 0, 0), EDX_ACCEPTED);
    disk_full = true;
    assert_int_equal(send_frame(f, "a", 1, 0), EDX_HELD);
    assert_int_equal(send_frame(f, "a", 0, 0), EDX_REPEAT);
    assert_int_equal(send_end(f, "a", 2), EDX_HELD);
    assert_int_equal(send_begin(f, "b", 0), EDX_HELD);
    assert_int_equal(facts(f).tally.received, 1);
    assert_false(facts(f).finished);
    assert_string_equal(facts(f).stored, "a");
    disk_full = false;
    assert_int_equal(send_frame(f, "a", 1, 0), EDX_ACCEPTED);
    assert_int_equal(send_end(f, "a", 2), EDX_ACCEPTED);
    assert_int_equal(facts(f).bad, 0);
    assert_int_equal(records(f, "a"), 5);
    assert_int_equal(f->facts.head.counts, 2 * PIXELS);
}

/* Where the instrument cannot send again, what cannot be recorded is summed all the same, and
 * recorded when it can be. */
static void test_not_held(void **state)
{
    fixture *f = *state;
    start(f, (edx_intake_options){0});
    assert_int_equal(send_begin(f, "a", 0), EDX_ACCEPTED);
    disk_full = true;
    assert_int_equal(send_frame(f, "a", 0, 7), EDX_ACCEPTED);
    assert_true(edx_alarms_active(&f->alarms, "disk"));
    disk_full = false;
    assert_int_equal(send_frame(f, "a", 1, 0), EDX_ACCEPTED);
    assert_false(edx_alarms_active(&f->alarms, "disk"));
    edx_analyst_update(f->analyst, 0.0);
    assert_int_equal(f->facts.head.counts, 2 * PIXELS + 7);
    assert_int_equal(records(f, "a"), 4);
    assert_false(edx_alarms_active(&f->alarms, "loss"));
}

static const edx_alarm *alarm_of(const fixture *f, const char *kind)
{
    for (size_t i = 0; i < f->alarms.n; i++)
        if (strcmp(f->alarms.alarm[i].kind, kind) == 0)
            return &f->alarms.alarm[i];
    return NULL;
}

/* What memory cannot keep either is summed, and named. */
static void test_not_kept(void **state)
{
    fixture *f = *state;
    start(f, (edx_intake_options){.queue_bytes = 1 + 3 * (8192 + 200)});
    assert_int_equal(send_begin(f, "a", 0), EDX_ACCEPTED);
    assert_int_equal(send_frame(f, "a", 0, 0), EDX_ACCEPTED);
    disk_full = true;
    for (unsigned n = 1; n < 8; n++)
        assert_int_equal(send_frame(f, "a", n, 0), EDX_ACCEPTED);
    assert_true(edx_intake_recording_fails(f->intake));
    assert_int_equal(records(f, "a"), 3);
    disk_full = false;
    edx_intake_retry(f->intake);
    assert_false(edx_intake_recording_fails(f->intake));
    assert_false(edx_alarms_active(&f->alarms, "disk"));
    assert_int_equal(records(f, "a"), 3 + 3);
    assert_int_equal(send_frame(f, "a", 8, 0), EDX_ACCEPTED);
    assert_true(edx_alarms_active(&f->alarms, "loss"));
    assert_non_null(strstr(alarm_of(f, "loss")->message, "4 frame messages"));
    assert_non_null(strstr(alarm_of(f, "loss")->message, "seq 4-7 (frames 4-7)"));
    edx_analyst_update(f->analyst, 0.0);
    assert_int_equal(f->facts.head.counts, 9 * PIXELS);
    assert_int_equal(facts(f).tally.lost, 0);
    send_begin(f, "b", 0);
    assert_false(edx_alarms_active(&f->alarms, "loss"));
}

/* A folder that cannot be made when the acquisition begins is made later, and holds all of it. */
static void test_folder_made_late(void **state)
{
    fixture *f = *state;
    start(f, (edx_intake_options){0});
    send_begin(f, "a", 0);
    no_folders = true;
    assert_int_equal(send_begin(f, "a", 1), EDX_ACCEPTED);
    assert_string_equal(facts(f).stored, "a.2"); /* what it will be called */
    assert_true(edx_alarms_active(&f->alarms, "disk"));
    assert_int_equal(send_frame(f, "a", 0, 0), EDX_ACCEPTED);
    edx_error failed = {.code = EDX_E_STATE};
    edx_intake_saved(f->intake, &f->facts, &failed);
    assert_true(facts(f).changed);
    no_folders = false;
    edx_intake_retry(f->intake);
    assert_int_equal(records(f, "a.2"), 3);
    assert_true(edx_alarms_active(&f->alarms, "disk")); /* results are not there yet */
    edx_intake_save_changes(f->intake);
    edx_intake_saved(f->intake, &f->facts, &(edx_error){0});
    assert_false(edx_alarms_active(&f->alarms, "disk"));
    char path[128];
    snprintf(path, sizeof path, "%s/a.2/cube.hspy", f->dir);
    assert_int_equal(access(path, R_OK), 0);
}

/* Files that may hold more than a recording which lacks messages are not written again at a
 * restart.
 */
static void test_files_stand(void **state)
{
    fixture *f = *state;
    char cube[128];
    char path[EDX_PATH_SIZE];
    struct stat st;
    start(f, (edx_intake_options){0});
    send_begin(f, "a", 3);
    send_frame(f, "a", 2, 0); /* the last: finished, two are lost */
    edx_intake_free(&f->intake);
    snprintf(cube, sizeof cube, "%s/a/cube.hspy", f->dir);
    edx_journal_recording_path(f->journal, "a", path);
    for (int older = 0; older < 2; older++) { /* the recording, then the files */
        const struct timespec now[2] = {{.tv_sec = 2000}, {.tv_sec = 2000}};
        const struct timespec then[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
        snprintf(cube, sizeof cube, "%s/a/results.h5", f->dir);
        assert_int_equal(utimensat(AT_FDCWD, cube, older ? then : now, 0), 0);
        snprintf(cube, sizeof cube, "%s/a/cube.hspy", f->dir);
        assert_int_equal(utimensat(AT_FDCWD, cube, older ? then : now, 0), 0);
        assert_int_equal(utimensat(AT_FDCWD, path, older ? now : then, 0), 0);
        start(f, (edx_intake_options){0});
        assert_int_equal(edx_intake_replay(f->intake, path, "a", NULL, NULL, &f->err), EDX_OK);
        assert_int_equal(f->facts.head.counts, PIXELS);
        edx_intake_free(&f->intake);
        assert_int_equal(stat(cube, &st), 0);
        assert_true((st.st_mtim.tv_sec == 2000) == !older);
    }
}

/* The clock was set back: what begins later is the newest all the same. */
static void test_clock_set_back(void **state)
{
    fixture *f = *state;
    char newest[EDX_ACQ_SIZE];
    start(f, (edx_intake_options){0});
    for (const char *acq = "z\0m\0a\0"; *acq; acq += 2)
        send_begin(f, acq, 0); /* all at the same instant */
    edx_intake_free(&f->intake);
    assert_int_equal(edx_journal_newest(f->journal, newest, &f->err), EDX_OK);
    assert_string_equal(newest, "a");
}

/* Every second message goes elsewhere. */
static void test_shared_stream(void **state)
{
    fixture *f = *state;
    start(f, (edx_intake_options){0});
    send_begin(f, "a", 0);
    for (unsigned n = 0; n < 40; n++)
        send_frame(f, "a", n + n / 10, 0);
    assert_null(strstr(alarm_of(f, "loss")->message, "another edxd"));
    for (unsigned n = 50; n < 100; n += 2)
        send_frame(f, "a", n, 0);
    assert_non_null(strstr(alarm_of(f, "loss")->message, "another edxd"));
}

/* ---- to the disk ---- */

static void test_closed_recordings_are_synced(void **state)
{
    fixture *f = *state;
    start(f, (edx_intake_options){.sync = true});
    send_begin(f, "a", 0);
    send_frame(f, "a", 0, 0);
    assert_int_equal(syncs, 0);
    send_begin(f, "b", 0); /* a is over */
    assert_int_equal(syncs, 1);
    send_frame(f, "a", 1, 0); /* late */
    send_begin(f, "c", 0);    /* a is closed */
    assert_int_equal(syncs, 3);
    send_frame(f, "c", 0, 0);
    send_end(f, "c", 1);
    assert_int_equal(syncs, 4);
    assert_int_equal(edx_intake_sync(f->intake, &f->err), EDX_OK);
    assert_int_equal(syncs, 4); /* nothing was left to do */
}

static void test_unless_nobody_asks(void **state)
{
    fixture *f = *state;
    start(f, (edx_intake_options){0});
    for (const char *acq = "a\0b\0c\0"; *acq; acq += 2) {
        send_begin(f, acq, 1);
        send_frame(f, acq, 0, 0);
        send_end(f, acq, 1);
    }
    edx_intake_free(&f->intake);
    assert_int_equal(syncs, 0);
}

/* ---- more frames than memory ---- */

/* While the analyst stands still the queue is over its limit: what comes is read back from the
 * recording later, and every count is there. */
static void test_read_back(void **state)
{
    fixture *f = *state;
    const unsigned n = 300;
    uint64_t expected = 0;
    start(f, (edx_intake_options){.queue_bytes = 1 + 2000});
    assert_int_equal(edx_analyst_start(f->analyst, &f->err), EDX_OK);
    pthread_mutex_lock(&f->gate);
    assert_int_equal(send_begin(f, "a", 0), EDX_ACCEPTED);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(send_frame(f, "a", i, (uint8_t)(i % 200)), EDX_ACCEPTED);
        expected += PIXELS + i % 200;
    }
    assert_in_range(edx_analyst_backlog(f->analyst), 1, 4000);
    pthread_mutex_unlock(&f->gate);
    assert_int_equal(edx_intake_save(f->intake, 77, &f->err), EDX_OK);
    pthread_mutex_lock(&f->mutex);
    while (f->saved != 77)
        pthread_cond_wait(&f->changed, &f->mutex);
    pthread_mutex_unlock(&f->mutex);
    assert_int_equal(f->facts.head.frames, n);
    assert_int_equal(f->facts.head.counts, expected);
}

/* ---- from a recording ---- */

static void test_replay(void **state)
{
    fixture *f = *state;
    char path[EDX_PATH_SIZE];
    start(f, (edx_intake_options){0});
    send_begin(f, "a", 0);
    f->settings.analysis.replicates = 3;
    assert_int_equal(edx_intake_set(f->intake, &f->settings, &f->err), EDX_OK);
    for (unsigned i = 0; i < 5; i++)
        send_frame(f, "a", i, 0);
    edx_intake_free(&f->intake);
    edx_settings_default(&f->settings);
    start(f, (edx_intake_options){0});
    edx_journal_recording_path(f->journal, "a", path);
    assert_int_equal(edx_intake_replay(f->intake, path, "a", NULL, NULL, &f->err), EDX_OK);
    assert_int_equal(facts(f).tally.received, 5);
    assert_int_equal(facts(f).last_ns, 0); /* nothing came live */
    assert_int_equal(edx_intake_settings(f->intake)->analysis.replicates, 3);
    assert_int_equal(send_frame(f, "a", 5, 0), EDX_ACCEPTED);
    assert_int_equal(send_frame(f, "a", 4, 0), EDX_REPEAT);
    assert_int_equal(facts(f).last_ns, 5);
    assert_int_equal(records(f, "a"), 1 + 2 + 6); /* appended, nothing twice */
    assert_int_equal(send_begin(f, "b", 0), EDX_ACCEPTED);
    assert_int_equal(edx_intake_settings(f->intake)->analysis.replicates, 10);
}

static void test_orders_without_an_acquisition(void **state)
{
    fixture *f = *state;
    start(f, (edx_intake_options){0});
    assert_int_equal(edx_intake_save(f->intake, 1, &f->err), EDX_E_STATE);
    assert_int_equal(edx_intake_stop(f->intake, 1, &f->err), EDX_E_STATE);
    edx_intake_reset(f->intake, 0);
    edx_intake_save_changes(f->intake);
    assert_int_equal(f->saved, 0);
    assert_null(edx_intake_begin(f->intake));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_waiting),
        TEST(test_waiting_end),
        TEST(test_waiting_and_wrong),
        TEST(test_held),
        TEST(test_not_held),
        TEST(test_not_kept),
        TEST(test_folder_made_late),
        TEST(test_files_stand),
        TEST(test_clock_set_back),
        TEST(test_shared_stream),
        TEST(test_closed_recordings_are_synced),
        TEST(test_unless_nobody_asks),
        TEST(test_read_back),
        TEST(test_replay),
        TEST(test_orders_without_an_acquisition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
