/* The runs' folders: names, the lock, recordings that go on, which run is the newest. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/journal.h"
#include "proto/recording.h"

/* ---- what the system does ---- */

static unsigned syncs;
static size_t written; /* bytes */
static bool sync_fails;
static bool read_only; /* also for root, who may write everywhere */

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_faccessat(int fd, const char *path, int mode, int flags);
int __wrap_faccessat(int fd, const char *path, int mode, int flags);

ssize_t __real_pwritev(int fd, const struct iovec *parts, int n, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int n, off_t offset);

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int n, off_t offset)
{
    for (int i = 0; i < n; i++)
        written += parts[i].iov_len;
    return __real_pwritev(fd, parts, n, offset);
}

int __wrap_fdatasync(int fd)
{
    syncs++;
    if (sync_fails) {
        errno = EIO;
        return -1;
    }
    return __real_fdatasync(fd);
}

int __wrap_faccessat(int fd, const char *path, int mode, int flags)
{
    if (read_only && (mode & W_OK)) {
        errno = EROFS;
        return -1;
    }
    return __real_faccessat(fd, path, mode, flags);
}

/* ---- a folder for each test ---- */

typedef struct fixture {
    char dir[64], runs[80];
    edx_journal *journal;
    edx_error err;
} fixture;

static int setup(void **state)
{
    static fixture f;
    f = (fixture){.dir = "/tmp/edx-journal-XXXXXX"};
    syncs = 0;
    sync_fails = read_only = false;
    *state = &f;
    if (!mkdtemp(f.dir))
        return 1;
    snprintf(f.runs, sizeof f.runs, "%s/runs", f.dir);
    return edx_journal_new(f.runs, true, true, &f.journal, &f.err) != EDX_OK;
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[100];
    edx_journal_free(&f->journal);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    return system(command);
}

/* Makes a run whose first record came at arrival_ns; its stored name goes to stored. */
static void run(fixture *f, const char *acq, uint64_t arrival_ns, char stored[EDX_ACQ_SIZE])
{
    edx_run_file *file = NULL;
    assert_int_equal(edx_journal_create(f->journal, acq, stored, &file, &f->err), EDX_OK);
    if (arrival_ns)
        assert_int_equal(edx_run_file_write(file, "edx.begin", "x", 1, arrival_ns, NULL, &f->err),
                         EDX_OK);
    edx_run_file_free(&file);
    assert_null(file);
}

static void path_of(const fixture *f, const char *name, char path[EDX_PATH_SIZE])
{
    edx_journal_recording_path(f->journal, name, path);
}

/* ---- names ---- */

static void test_suffixes(void **state)
{
    fixture *f = *state;
    static const char *const expected[] = {"a", "a.2", "a.3"};
    char stored[EDX_ACQ_SIZE];
    for (unsigned i = 0; i < 3; i++) {
        run(f, "a", i + 1, stored);
        assert_string_equal(stored, expected[i]);
        assert_int_equal(edx_journal_find(f->journal, "a", stored), EDX_OK);
        assert_string_equal(stored, expected[i]);
    }
    run(f, "a.2", 9, stored);
    assert_string_equal(stored, "a.2.2");
    assert_int_equal(edx_journal_find(f->journal, "b", stored), EDX_E_END);
}

/* 64 characters and a suffix. */
static void test_longest_name(void **state)
{
    fixture *f = *state;
    char acq[EDX_ACQ_MAX + 1], stored[EDX_ACQ_SIZE];
    memset(acq, 'x', EDX_ACQ_MAX);
    acq[EDX_ACQ_MAX] = '\0';
    run(f, acq, 1, stored);
    assert_string_equal(stored, acq);
    run(f, acq, 2, stored);
    assert_int_equal(strlen(stored), EDX_ACQ_MAX + 2);
    assert_int_equal(edx_journal_newest(f->journal, stored, &f->err), EDX_OK);
    assert_int_equal(strlen(stored), EDX_ACQ_MAX + 2);
}

static void test_folder_of_a_run(void **state)
{
    fixture *f = *state;
    char stored[EDX_ACQ_SIZE], path[EDX_PATH_SIZE], expected[200];
    edx_run_file *file = NULL;
    assert_int_equal(edx_journal_create(f->journal, "a", stored, &file, &f->err), EDX_OK);
    snprintf(expected, sizeof expected, "%s/a", f->runs);
    assert_string_equal(edx_run_file_folder(file), expected);
    path_of(f, "a", path);
    assert_string_equal(edx_run_file_recording(file), path);
    snprintf(expected, sizeof expected, "%s/a/recording.edxr", f->runs);
    assert_string_equal(path, expected);
    edx_run_file_free(&file);
}

/* ---- the newest ---- */

static void test_newest(void **state)
{
    fixture *f = *state;
    char stored[EDX_ACQ_SIZE];
    assert_int_equal(edx_journal_newest(f->journal, stored, &f->err), EDX_E_END);
    run(f, "z", 100, stored);
    run(f, "old", 50, stored);
    run(f, "new", 200, stored);
    run(f, "empty", 0, stored);
    char path[200];
    snprintf(path, sizeof path, "%s/not-a-run", f->runs);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/.hidden", f->runs);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/a-file", f->runs);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(edx_journal_newest(f->journal, stored, &f->err), EDX_OK);
    assert_string_equal(stored, "new");
}

/* Of two that began in the same instant, always the same. */
static void test_newest_of_equals(void **state)
{
    fixture *f = *state;
    char stored[EDX_ACQ_SIZE];
    static const char *const names[] = {"m", "z", "a", "k"};
    for (unsigned i = 0; i < 4; i++)
        run(f, names[i], 7, stored);
    assert_int_equal(edx_journal_newest(f->journal, stored, &f->err), EDX_OK);
    assert_string_equal(stored, "z");
}

/* A run whose first record is damaged still counts, by its next. */
static void test_newest_with_damage(void **state)
{
    fixture *f = *state;
    char stored[EDX_ACQ_SIZE], path[EDX_PATH_SIZE];
    edx_run_file *file = NULL;
    run(f, "good", 100, stored);
    assert_int_equal(edx_journal_create(f->journal, "bad", stored, &file, &f->err), EDX_OK);
    for (uint64_t t = 200; t < 203; t++)
        assert_int_equal(edx_run_file_write(file, "edx.begin", "body", 4, t, NULL, &f->err),
                         EDX_OK);
    edx_run_file_free(&file);
    path_of(f, "bad", path);
    const int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "!", 1, 8 + 32), 1);
    close(fd);
    assert_int_equal(edx_journal_newest(f->journal, stored, &f->err), EDX_OK);
    assert_string_equal(stored, "bad");
}

/* ---- recordings that go on ---- */

static void test_reopen(void **state)
{
    fixture *f = *state;
    char stored[EDX_ACQ_SIZE], path[EDX_PATH_SIZE];
    edx_run_file *file = NULL;
    edx_recording *recording = NULL;
    edx_record record;
    uint64_t offset = 0;
    run(f, "a", 1, stored);
    path_of(f, "a", path);
    const int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "EDXR torn", 9), 9);
    close(fd);
    assert_int_equal(edx_journal_reopen(f->journal, "a", &file, &f->err), EDX_OK);
    assert_int_equal(edx_run_file_write(file, "edx.frame", "yz", 2, 2, &offset, &f->err), EDX_OK);
    edx_run_file_free(&file);
    assert_int_equal(edx_recording_open(path, 0, &recording, &f->err), EDX_OK);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_OK);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_OK);
    assert_string_equal(record.topic, "edx.frame");
    assert_int_equal(record.offset, offset);
    assert_memory_equal(record.body, "yz", 2);
    assert_int_equal(edx_recording_next(recording, &record, &f->err), EDX_E_END);
    edx_recording_free(&recording);
    assert_int_not_equal(edx_journal_reopen(f->journal, "nothing", &file, &f->err), EDX_OK);
}

/* Synced when something was written, not again, and once more after a failure. */
static void test_sync(void **state)
{
    fixture *f = *state;
    char stored[EDX_ACQ_SIZE];
    edx_run_file *file = NULL;
    assert_int_equal(edx_journal_create(f->journal, "a", stored, &file, &f->err), EDX_OK);
    assert_int_equal(edx_run_file_sync(file, &f->err), EDX_OK);
    const unsigned before = syncs;
    assert_int_equal(edx_run_file_write(file, "edx.begin", "x", 1, 1, NULL, &f->err), EDX_OK);
    sync_fails = true;
    assert_int_equal(edx_run_file_sync(file, &f->err), EDX_E_IO);
    sync_fails = false;
    written = 0;
    assert_int_equal(edx_run_file_sync(file, &f->err), EDX_OK);
    assert_int_equal(written, 56); /* once more: the system has forgotten that it owes them */
    assert_int_equal(edx_run_file_sync(file, &f->err), EDX_OK);
    assert_int_equal(written, 56);
    assert_int_equal(syncs - before, 2);
    edx_run_file_free(&file);
}

static void test_without_recording(void **state)
{
    fixture *f = *state;
    char stored[EDX_ACQ_SIZE], dir[100];
    edx_journal *journal = NULL;
    edx_run_file *file = NULL;
    snprintf(dir, sizeof dir, "%s/offline", f->dir);
    assert_int_equal(edx_journal_new(dir, false, false, &journal, &f->err), EDX_OK);
    assert_false(edx_journal_records(journal));
    assert_int_equal(edx_journal_create(journal, "a", stored, &file, &f->err), EDX_OK);
    assert_string_equal(edx_run_file_recording(file), "");
    assert_int_equal(edx_run_file_write(file, "edx.begin", "x", 1, 1, NULL, &f->err), EDX_OK);
    assert_int_equal(edx_run_file_sync(file, &f->err), EDX_OK);
    assert_int_equal(edx_journal_newest(journal, stored, &f->err), EDX_E_END);
    edx_run_file_free(&file);
    edx_journal_free(&journal);
    snprintf(dir, sizeof dir, "%s/offline/a", f->dir);
    assert_int_equal(rmdir(dir), 0); /* it holds nothing */
}

/* ---- folders that will not do ---- */

static void test_lock(void **state)
{
    fixture *f = *state;
    edx_journal *second = NULL;
    assert_int_equal(edx_journal_new(f->runs, true, true, &second, &f->err), EDX_E_STATE);
    assert_null(second);
    assert_non_null(strstr(f->err.text, f->runs));
    assert_non_null(strstr(f->err.text, "another edxd"));
    assert_int_equal(edx_journal_new(f->runs, true, false, &second, &f->err), EDX_OK);
    edx_journal_free(&second);
    edx_journal_free(&f->journal);
    assert_int_equal(edx_journal_new(f->runs, true, true, &f->journal, &f->err), EDX_OK);
}

/* The process that held it may have died in any way. */
static void test_lock_of_the_dead(void **state)
{
    fixture *f = *state;
    edx_journal_free(&f->journal);
    const pid_t child = fork();
    if (child == 0)
        _exit(edx_journal_new(f->runs, true, true, &f->journal, NULL) == EDX_OK ? 0 : 1);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(edx_journal_new(f->runs, true, true, &f->journal, &f->err), EDX_OK);
}

static void assert_refused(fixture *f, const char *dir)
{
    edx_journal *journal = NULL;
    f->err = (edx_error){0};
    assert_int_equal(edx_journal_new(dir, true, true, &journal, &f->err), EDX_E_IO);
    assert_null(journal);
    if (!strstr(f->err.text, dir) || !strstr(f->err.text, "output.dir"))
        fail_msg("'%s' does not say what to do about %s", f->err.text, dir);
}

/* Each error names the folder and the key that cures it. */
static void test_folders_that_will_not_do(void **state)
{
    fixture *f = *state;
    char path[120];
    snprintf(path, sizeof path, "%s/no/where", f->dir);
    assert_refused(f, path);
    snprintf(path, sizeof path, "%s/file", f->dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_refused(f, path);
    assert_refused(f, "");
    snprintf(path, sizeof path, "%s/read-only", f->dir);
    read_only = true;
    assert_refused(f, path);
    assert_non_null(strstr(f->err.text, "ead-only"));
    if (geteuid() == 0)
        return;
    read_only = false;
    assert_int_equal(chmod(path, 0500), 0);
    assert_refused(f, path);
}

/* Without a place to be stored the name is the plain one. */
static void test_no_folder(void **state)
{
    fixture *f = *state;
    char stored[EDX_ACQ_SIZE] = "", command[120];
    edx_run_file *file = NULL;
    run(f, "a", 1, stored);
    snprintf(command, sizeof command, "rm -rf %s", f->runs);
    assert_int_equal(system(command), 0);
    assert_int_equal(edx_journal_create(f->journal, "a", stored, &file, &f->err), EDX_E_IO);
    assert_null(file);
    assert_string_equal(stored, "a");
    assert_int_equal(edx_journal_newest(f->journal, stored, &f->err), EDX_E_IO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_suffixes),
        TEST(test_longest_name),
        TEST(test_folder_of_a_run),
        TEST(test_newest),
        TEST(test_newest_of_equals),
        TEST(test_newest_with_damage),
        TEST(test_reopen),
        TEST(test_sync),
        TEST(test_without_recording),
        TEST(test_lock),
        TEST(test_lock_of_the_dead),
        TEST(test_folders_that_will_not_do),
        TEST(test_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
