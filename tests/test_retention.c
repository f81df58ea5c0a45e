/* Old runs go, and nothing else does. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/retention.h"

#define DAY INT64_C(86400)
#define NS INT64_C(1000000000)
#define NOW (1000 * DAY)

typedef struct fixture {
    char dir[64];
    edx_journal *journal;
    edx_retention retention;
    int64_t clock_s, monotonic_s;
} fixture;

static bool in_use(void *context, const char *stored)
{
    (void)context;
    return strncmp(stored, "present", 7) == 0;
}

static int setup(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    if (!f)
        return 1;
    snprintf(f->dir, sizeof f->dir, "/tmp/edx-retention-XXXXXX");
    if (!mkdtemp(f->dir) || edx_journal_new(f->dir, true, true, &f->journal, NULL))
        return 1;
    f->retention =
        (edx_retention){.keep_days = 30, .journal = f->journal, .in_use = in_use, .context = f};
    f->clock_s = NOW;
    f->monotonic_s = 5000;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    char command[100];
    edx_journal_free(&f->journal);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    const int rc = system(command);
    free(f);
    return rc;
}

static void touch(const fixture *f, const char *run, const char *file, int64_t when)
{
    char path[200];
    const struct timespec times[2] = {{.tv_sec = when}, {.tv_sec = when}};
    snprintf(path, sizeof path, "%s/%s", f->dir, run);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", f->dir, run, file);
    const int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* A finished run, so many days old. */
static void make(const fixture *f, const char *run, int64_t days)
{
    touch(f, run, "recording.edxr", NOW - days * DAY - 5);
    touch(f, run, "cube.hspy", NOW - days * DAY - 1);
    touch(f, run, "results.h5", NOW - days * DAY);
}

static bool stands(const fixture *f, const char *run)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", f->dir, run);
    return access(path, F_OK) == 0;
}

static void look(fixture *f, int64_t later_s, bool space_low)
{
    f->clock_s += later_s;
    f->monotonic_s += later_s;
    edx_retention_look(&f->retention, space_low, f->clock_s * NS, f->monotonic_s * NS);
}

static void look_often(fixture *f)
{
    for (int i = 0; i < 20; i++)
        look(f, 6, true);
}

static void test_only_what_is_old_and_finished(void **state)
{
    fixture *f = *state;
    static const char *const kept[] = {
        "young", "present", "unfinished", "late", "noted", "halved", "linked", ".hidden", "folder",
    };
    make(f, "old", 31);
    make(f, "older.2", 400);
    touch(f, "older.2", "maps.hspy", NOW - 400 * DAY);
    for (size_t i = 1; i < sizeof kept / sizeof *kept; i++)
        make(f, kept[i], 400);
    make(f, "young", 29);
    touch(f, "unfinished", "recording.edxr", NOW - 399 * DAY); /* results of a save on the way */
    touch(f, "late", "recording.edxr", NOW - DAY);
    touch(f, "noted", "notes.txt", NOW - 400 * DAY);
    char path[200], other[200];
    snprintf(path, sizeof path, "%s/halved/cube.hspy", f->dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/linked/results.h5", f->dir);
    unlink(path);
    assert_int_equal(symlink("../young/results.h5", path), 0);
    snprintf(path, sizeof path, "%s/elsewhere", f->dir);
    snprintf(other, sizeof other, "%s/old", f->dir);
    assert_int_equal(symlink("old", path), 0);
    snprintf(path, sizeof path, "%s/folder/inner", f->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    look_often(f);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (!stands(f, kept[i]))
            fail_msg("%s is gone", kept[i]);
    }
    assert_false(stands(f, "old"));
    assert_false(stands(f, "older.2"));
}

static void test_the_oldest_first(void **state)
{
    fixture *f = *state;
    make(f, "b", 50);
    make(f, "a", 40);
    make(f, "c", 60);
    look(f, 6, true);
    assert_true(stands(f, "c"));
    look(f, 6, true);
    assert_false(stands(f, "c"));
    assert_true(stands(f, "a") && stands(f, "b"));
    look(f, 1, true); /* one more at once, one at a time */
    assert_false(stands(f, "b"));
    assert_true(stands(f, "a"));
}

static void test_once_an_hour(void **state)
{
    fixture *f = *state;
    make(f, "a", 40);
    look(f, 1, false);
    look(f, 3590, false);
    assert_true(stands(f, "a"));
    look(f, 20, false);
    assert_false(stands(f, "a"));
}

static void test_for_ever(void **state)
{
    fixture *f = *state;
    make(f, "a", 900);
    f->retention.keep_days = 0;
    look_often(f);
    assert_true(stands(f, "a"));
}

/* A clock that jumps a year ahead makes nothing old at once. */
static void test_clock(void **state)
{
    fixture *f = *state;
    make(f, "a", 10);
    look(f, 6, true);
    f->clock_s += 365 * DAY;
    look(f, 6, true);
    assert_true(stands(f, "a"));
    f->clock_s -= 365 * DAY;
    look_often(f);
    assert_true(stands(f, "a"));
}

/* A removal that was interrupted is finished. */
static void test_interrupted(void **state)
{
    fixture *f = *state;
    char path[200];
    make(f, "a", 40);
    touch(f, "a", "cube.hspy.partial", NOW);
    snprintf(path, sizeof path, "%s/a/recording.edxr", f->dir);
    unlink(path);
    look_often(f);
    assert_false(stands(f, "a"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_only_what_is_old_and_finished),
        TEST(test_the_oldest_first),
        TEST(test_once_an_hour),
        TEST(test_for_ever),
        TEST(test_clock),
        TEST(test_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
