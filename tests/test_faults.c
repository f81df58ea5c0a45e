/* What is behind the sockets, while every allocation and every call of the system fails in turn:
 * what was accepted is in the sums and in the recording, or an error says so; a restart has it all.
 * As many faults as EDX_FAULTS says (all: every one; a number: that call), else a sample that fits
 * into a test. */
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/intake.h"

#define ROWS 8u
#define COLS 8u
#define CHANNELS 64u
#define PIXELS (ROWS * COLS)
#define FRAMES 6u

/* ---- faults ---- */

typedef enum fault { NOTHING, ALLOCATION, FULL, BROKEN, INTERRUPTED, SHORT, SYNC, FOLDER } fault;

static const char *const names[] = {"nothing",     "allocation", "full disk", "broken disk",
                                    "interrupted", "short",      "sync",      "folder"};

static struct {
    fault fault;         /* in force */
    fault tried;         /* in this life */
    unsigned long at;    /* which call of its kind fails */
    unsigned long calls; /* of that kind so far */
    unsigned long last;  /* from at on, so many fail */
    void *stack[12];     /* who called the first that failed, */
    int depth;           /* … so many of them */
    bool living;         /* a life is under way */
} now;

static bool strikes(fault kind)
{
    if (now.fault != kind)
        return false;
    const unsigned long call = now.calls++;
    if (call == now.at)
        now.depth = backtrace(now.stack, (int)(sizeof now.stack / sizeof *now.stack));
    return call >= now.at && call - now.at < now.last;
}

/* With names and lines where there is addr2line. */
static void print_caller(void *address)
{
    char **text = backtrace_symbols(&address, 1);
    const char *at = text ? strstr(text[0], "(+0x") : NULL;
    char command[200];
    snprintf(command, sizeof command, "addr2line -s -f -p -e /proc/%ld/exe 0x%lx >&2",
             (long)getpid(), at ? strtoul(at + 2, NULL, 16) - 1 : 0); /* of the call */
    if (text && (!at || system(command) != 0))
        print_error("%s\n", text[0]);
    free(text);
}

/* Which call it was, where a life ended before its end. */
static int say_where(void **state)
{
    (void)state;
    now.fault = NOTHING;
    if (!now.living)
        return 0;
    print_error("%s: call %lu and %lu more failed, the first called by\n", names[now.tried], now.at,
                now.last - 1);
    for (int i = 0; i < now.depth; i++)
        print_caller(now.stack[i]);
    now.living = false;
    return 0;
}

/* The names are the linker's. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t n);
ssize_t __real_pwritev(int fd, const struct iovec *parts, int n, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int n, off_t offset);
ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __real_mkdirat(int folder, const char *name, mode_t mode);
int __wrap_mkdirat(int folder, const char *name, mode_t mode);

void *__wrap_malloc(size_t n)
{
    return strikes(ALLOCATION) ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return strikes(ALLOCATION) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *at, size_t n)
{
    return strikes(ALLOCATION) ? NULL : __real_realloc(at, n);
}

static int fault_of_write(void)
{
    return strikes(FULL) ? ENOSPC : strikes(BROKEN) ? EIO : strikes(INTERRUPTED) ? EINTR : 0;
}

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int n, off_t offset)
{
    errno = fault_of_write();
    if (errno)
        return -1;
    if (strikes(SHORT))
        return __real_pwrite(fd, parts[0].iov_base, parts[0].iov_len / 2, offset);
    return __real_pwritev(fd, parts, n, offset);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    errno = fault_of_write();
    if (errno)
        return -1;
    return __real_pwrite(fd, bytes, strikes(SHORT) ? n / 2 : n, offset);
}

int __wrap_fdatasync(int fd)
{
    (void)fd;
    errno = EIO;
    return strikes(SYNC) ? -1 : 0; /* nobody pulls the plug here: quicker without */
}

int __wrap_fsync(int fd)
{
    (void)fd;
    errno = EIO;
    return strikes(SYNC) ? -1 : 0;
}

int __wrap_mkdirat(int folder, const char *name, mode_t mode)
{
    errno = EROFS;
    return strikes(FOLDER) ? -1 : __real_mkdirat(folder, name, mode);
}

/* ---- a daemon without sockets, and what it was sent ---- */

typedef struct fixture {
    char dir[64];
    edx_settings settings;
    edx_limits limits;
    edx_journal *journal;
    edx_analyst *analyst;
    edx_alarms alarms;
    edx_intake *intake;
    edx_pack *pack;
    edx_run_facts facts;
    edx_error saved;
    uint64_t accepted; /* counts */
    unsigned refused;
    bool begun;
} fixture;

static void report(void *context, const edx_report *r, void *body, size_t n)
{
    fixture *f = context;
    (void)n;
    free(body);
    if (r->kind == EDX_REPORT_SAVED || r->kind == EDX_REPORT_FACTS)
        f->facts = r->facts;
    if (r->kind == EDX_REPORT_SAVED)
        f->saved = r->error;
}

static void start(fixture *f)
{
    const edx_intake_options options = {.limits = f->limits,
                                        .queue_bytes = 1 << 20,
                                        .waiting_bytes = 1 << 20,
                                        .settings = &f->settings,
                                        .replay_settings = true,
                                        .sync = true,
                                        .journal = f->journal,
                                        .analyst = f->analyst,
                                        .alarms = &f->alarms};
    f->analyst = edx_analyst_new(&f->limits, NULL, report, f);
    edx_intake_options all = options;
    all.analyst = f->analyst;
    f->intake = f->analyst ? edx_intake_new(&all) : NULL;
    assert_non_null(f->intake);
}

static void stop(fixture *f)
{
    edx_intake_free(&f->intake);
    edx_analyst_free(&f->analyst);
}

static void open_fixture(fixture *f)
{
    *f = (fixture){.limits = edx_limits_default()};
    snprintf(f->dir, sizeof f->dir, "/tmp/edx-faults-XXXXXX");
    edx_settings_default(&f->settings);
    f->settings.analysis.bin_energy = f->settings.analysis.bin_pixels = 1;
    f->pack = edx_pack_new();
    assert_non_null(f->pack);
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(edx_journal_new(f->dir, true, true, &f->journal, NULL), EDX_OK);
    start(f);
}

static void close_fixture(fixture *f)
{
    char command[100];
    stop(f);
    edx_journal_free(&f->journal);
    edx_pack_free(&f->pack);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    assert_int_equal(system(command), 0);
}

/* What the pack holds, as it comes over the wire; the message itself is not ours to fail. */
static edx_verdict deliver(fixture *f, const char *topic, fault with)
{
    edx_message owner;
    edx_error err = {0};
    edx_message_init(&owner);
    assert_int_equal(edx_message_set(&owner, edx_pack_data(f->pack), edx_pack_size(f->pack)), 0);
    edx_arrival arrival = {.topic = topic,
                           .topic_size = strlen(topic),
                           .body = edx_message_data(&owner),
                           .size = edx_message_size(&owner),
                           .owner = &owner,
                           .unix_ns = 1000000000,
                           .monotonic_ns = 5};
    now.fault = with;
    const edx_verdict verdict = edx_intake_message(f->intake, &arrival, NULL, &err);
    now.fault = NOTHING;
    edx_message_close(&owner);
    assert_true(verdict != EDX_REFUSED || err.text[0] != '\0');
    f->refused += verdict == EDX_REFUSED;
    return verdict;
}

static void send_begin(fixture *f, fault with)
{
    edx_begin begin = {.rows = ROWS,
                       .cols = COLS,
                       .step_nm = {1.0, 1.0},
                       .dwell_s = 1e-3,
                       .channels = CHANNELS,
                       .scale_eV = 200.0,
                       .beam_keV = 200.0,
                       .solid_angle_sr = NAN,
                       .elevation_deg = NAN,
                       .azimuth_deg = NAN,
                       .resolution_eV = 130.0,
                       .probe_nA = NAN,
                       .n_elements = 1};
    snprintf(begin.head.acq, sizeof begin.head.acq, "a");
    snprintf(begin.elements[0], sizeof begin.elements[0], "Cu");
    edx_begin_write(f->pack, &begin);
    for (int i = 0; i < 2 && !f->begun; i++) /* an instrument may send it again */
        f->begun = deliver(f, EDX_TOPIC_BEGIN, i ? NOTHING : with) == EDX_ACCEPTED;
    assert_true(f->begun);
}

static void send_rows(fixture *f, uint64_t seq, uint64_t frame, uint32_t row, uint32_t rows,
                      fault with)
{
    uint16_t counts[PIXELS * CHANNELS] = {0};
    uint64_t total = 0;
    for (uint32_t i = 0; i < rows * COLS * CHANNELS; i++) {
        counts[i] = (uint16_t)((i * 7 + frame * 3 + i % CHANNELS / 40 * 5) % 11 / 9);
        total += counts[i];
    }
    edx_frame message = {
        .seq = seq, .frame = frame, .row = row, .rows = rows, .live_s = NAN, .real_s = NAN};
    message.counts.dense = edx_array_3(EDX_U2, counts, rows, COLS, CHANNELS);
    snprintf(message.head.acq, sizeof message.head.acq, "a");
    edx_frame_write(f->pack, &message);
    if (deliver(f, EDX_TOPIC_FRAME, with) == EDX_ACCEPTED)
        f->accepted += total;
}

static void send_end(fixture *f, fault with)
{
    edx_end end = {.frames = FRAMES, .messages = FRAMES + 2, .reason = "complete"};
    snprintf(end.head.acq, sizeof end.head.acq, "a");
    edx_end_write(f->pack, &end);
    if (deliver(f, EDX_TOPIC_END, with) == EDX_REFUSED) {
        edx_end_write(f->pack, &end);
        assert_int_equal(deliver(f, EDX_TOPIC_END, NOTHING), EDX_ACCEPTED);
    }
}

/* Whole frames and rows, other settings on the way, results between, the end with its files. */
static void acquire(fixture *f, fault with)
{
    uint64_t seq = 0;
    send_begin(f, with);
    for (uint64_t frame = 0; frame < FRAMES; frame++) {
        if (frame % 3 == 1) {
            send_rows(f, seq++, frame, 0, 3, with);
            send_rows(f, seq++, frame, 3, ROWS - 3, with);
        } else {
            send_rows(f, seq++, frame, 0, ROWS, with);
        }
        now.fault = with;
        edx_analyst_update(f->analyst, 1.0);
        if (frame == 3) {
            edx_settings other = f->settings;
            other.analysis.pca.max_rank = 8;
            edx_intake_set(f->intake, &other, NULL);
        }
        now.fault = NOTHING;
    }
    send_end(f, with);
}

/* ---- what must hold ---- */

static unsigned long hash_of(const fixture *f, const char *name)
{
    char path[128];
    unsigned long hash = 5381;
    snprintf(path, sizeof path, "%s/a/%s", f->dir, name);
    FILE *file = fopen(path, "rb");
    for (int c; file && (c = getc(file)) != EOF;)
        hash = hash * 33 ^ (unsigned long)c;
    if (file)
        fclose(file);
    return file ? hash : 0;
}

static bool warned(const fixture *f)
{
    return f->facts.unsummed > 0 || f->facts.starved || edx_alarms_active(&f->alarms, "memory");
}

typedef struct truth {
    uint64_t counts;
    unsigned long cube;
} truth;

/* The live sums are right, or somebody said that they are not; files are right or absent. */
static void check_live(fixture *f, const truth *t)
{
    edx_analyst_update(f->analyst, 1.0);
    if (!warned(f))
        assert_int_equal(f->facts.head.counts, f->accepted);
    const unsigned long cube = hash_of(f, "cube.hspy");
    if (f->accepted == t->counts && cube != 0 && !warned(f) && cube != t->cube)
        fail_msg("%s %lu: a wrong cube", "call", now.at);
    if (f->saved.code) { /* what the receiving side does about it */
        edx_intake_saved(f->intake, &f->facts, &f->saved);
        edx_intake_retry(f->intake);
        edx_intake_save_changes(f->intake);
        if (f->saved.code && !warned(f))
            fail_msg("call %lu: not saved again: %s", now.at, f->saved.text);
        if (f->accepted == t->counts && !warned(f))
            assert_int_equal(hash_of(f, "cube.hspy"), t->cube);
    }
}

/* What was accepted is in the recording: a restart has all of it. */
static void check_restart(fixture *f, const truth *t)
{
    char path[EDX_PATH_SIZE];
    edx_error err = {0};
    stop(f);
    f->alarms = (edx_alarms){0};
    f->saved = (edx_error){0};
    start(f);
    edx_journal_recording_path(f->journal, "a", path);
    assert_int_equal(edx_intake_replay(f->intake, path, "a", NULL, NULL, &err), EDX_OK);
    edx_analyst_update(f->analyst, 1.0);
    assert_false(warned(f));
    assert_int_equal(f->saved.code, EDX_OK);
    assert_int_equal(f->facts.head.counts, f->accepted);
    if (f->accepted == t->counts)
        assert_int_equal(hash_of(f, "cube.hspy"), t->cube);
}

/* One life with calls at, at + 1, … of that kind failing; how many there are of it. */
static unsigned long live(fault with, unsigned long at, unsigned long last, const truth *t)
{
    fixture f;
    now.fault = NOTHING;
    open_fixture(&f);
    now.tried = with;
    now.at = at;
    now.last = last;
    now.calls = 0;
    now.depth = 0;
    now.living = true;
    acquire(&f, with);
    const unsigned long calls = now.calls;
    check_live(&f, t);
    check_restart(&f, t);
    now.living = false;
    close_fixture(&f);
    return calls;
}

static truth find_truth(void)
{
    truth t = {0};
    fixture f;
    now.fault = NOTHING;
    open_fixture(&f);
    acquire(&f, NOTHING);
    assert_int_equal(f.refused, 0);
    assert_int_equal(f.facts.head.counts, f.accepted);
    t.counts = f.accepted;
    t.cube = hash_of(&f, "cube.hspy");
    assert_true(t.counts > 1000 && t.cube != 0);
    close_fixture(&f);
    return t;
}

static double seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

/* A share of all calls, chosen by a step that is no divisor of anything. */
static void try_all(fault with, unsigned long last, double most_s)
{
    const char *faults = getenv("EDX_FAULTS");
    const bool all = faults && strcmp(faults, "all") == 0;
    const truth t = find_truth();
    const unsigned long calls = live(with, (unsigned long)-1, 1, &t);
    const double began = seconds();
    unsigned long tried = 0;
    const unsigned long stride = all ? 1 : calls * 618 / 1000 | 1;
    unsigned long at = 0;
    if (faults && !all) {
        live(with, strtoul(faults, NULL, 10), last, &t);
        return;
    }
    for (; tried < calls && (all || seconds() - began < most_s); tried++) {
        live(with, at, last, &t);
        at = (at + stride) % calls;
    }
    print_message("%s: %lu of %lu calls failed in turn\n", names[with], tried, calls);
    assert_true(calls > 0 && tried > 0);
}

static void test_allocations(void **state)
{
    (void)state;
    try_all(ALLOCATION, 1, 12.0);
}

static void test_disk(void **state)
{
    (void)state;
    try_all(FULL, 1, 2.0);
    try_all(FULL, 7, 2.0);
    try_all(BROKEN, 3, 2.0);
    try_all(INTERRUPTED, 2, 1.0);
    try_all(SHORT, 1, 1.0);
    try_all(SYNC, 1, 1.0);
    try_all(FOLDER, 1, 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_allocations, say_where),
        cmocka_unit_test_teardown(test_disk, say_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
