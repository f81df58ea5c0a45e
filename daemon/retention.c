#include "daemon/retention.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/frame.h"

#define SECOND_NS INT64_C(1000000000)
#define HOUR_NS (3600 * SECOND_NS)
#define SOON_NS (5 * SECOND_NS)
#define STEP_NS (60 * SECOND_NS) /* by which the clock may be corrected between two looks */
#define DAY_S 86400.0

/* In the order in which they are removed: what is left is a run that can still be removed. */
static const char *const files[] = {"recording.edxr", "maps.hspy", "cube.hspy", "results.h5"};
enum { RECORDING, MAPS, CUBE, RESULTS, FILES };

static bool is_ours(const char *name)
{
    for (int i = 0; i < FILES; i++) {
        const size_t n = strlen(files[i]);
        if (strncmp(name, files[i], n) == 0 &&
            (name[n] == '\0' || strcmp(name + n, ".partial") == 0)) {
            return true;
        }
    }
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Nothing but our files, and the descriptor goes with it. */
static bool holds_ours_only(int folder)
{
    DIR *dir = fdopendir(folder);
    bool ours = dir != NULL;
    for (const struct dirent *entry; ours && (entry = readdir(dir)) != NULL;) {
        ours = is_ours(entry->d_name);
    }
    if (dir) {
        closedir(dir);
    } else {
        close(folder);
    }
    return ours;
}

static bool is_later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec >= b->tv_nsec);
}

/* When a finished run was finished; false for anything else. What was left by a removal that was
 * interrupted has no recording any more. */
static bool finished(int dir, const char *stored, struct timespec *when)
{
    struct stat st[FILES];
    const int folder = openat(dir, stored, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) {
        return false;
    }
    bool all = true;
    for (int i = 0; i < FILES && all; i++) {
        const int rc = fstatat(folder, files[i], &st[i], AT_SYMLINK_NOFOLLOW);
        all = rc == 0 ? S_ISREG(st[i].st_mode) : i <= MAPS && errno == ENOENT;
        st[i].st_mtim = rc == 0 ? st[i].st_mtim : (struct timespec){0};
    }
    if (!holds_ours_only(folder) || !all) {
        return false;
    }
    *when = st[RESULTS].st_mtim;
    return is_later(&st[RESULTS].st_mtim, &st[RECORDING].st_mtim) &&
           is_later(&st[CUBE].st_mtim, &st[RECORDING].st_mtim);
}

/* The run that was finished first of those that may go. */
static bool find_oldest(const edx_retention *r, int64_t unix_ns, char stored[EDX_ACQ_SIZE],
                        double *days)
{
    const int dir = edx_journal_fd(r->journal);
    const int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again >= 0 ? fdopendir(again) : NULL;
    *days = r->keep_days;
    bool found = false;
    for (const struct dirent *entry; list && (entry = readdir(list)) != NULL;) {
        struct timespec when;
        if (!edx_acq_valid(entry->d_name) || r->in_use(r->context, entry->d_name) ||
            !finished(dir, entry->d_name, &when)) {
            continue;
        }
        const double age = (1e-9 * (double)unix_ns - (double)when.tv_sec) / DAY_S;
        if (age > *days) {
            *days = age;
            found = true;
            snprintf(stored, EDX_ACQ_SIZE, "%.*s", EDX_ACQ_SIZE - 1, entry->d_name);
        }
    }
    if (list) {
        closedir(list);
    } else if (again >= 0) {
        close(again);
    }
    return found;
}

static bool remove_run(int dir, const char *stored)
{
    const int folder = openat(dir, stored, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool gone = folder >= 0;
    for (int i = 0; i < FILES && gone; i++) {
        char partial[32];
        snprintf(partial, sizeof partial, "%s.partial", files[i]);
        unlinkat(folder, partial, 0);
        gone = unlinkat(folder, files[i], 0) == 0 || errno == ENOENT;
    }
    if (folder >= 0) {
        const int why = errno;
        close(folder);
        errno = why;
    }
    return gone && unlinkat(dir, stored, AT_REMOVEDIR) == 0;
}

/* The clock runs as it did at the last look. */
static bool is_steady(edx_retention *r, int64_t unix_ns, int64_t now_ns)
{
    const int64_t offset_ns = unix_ns - now_ns;
    const int64_t step = offset_ns - r->offset_ns;
    const bool steady = r->checked_ns != 0 && step > -STEP_NS && step < STEP_NS;
    r->offset_ns = offset_ns;
    r->checked_ns = now_ns;
    return steady;
}

void edx_retention_look(edx_retention *retention, bool space_low, int64_t unix_ns, int64_t now_ns)
{
    char stored[EDX_ACQ_SIZE];
    double days;
    const int64_t pause_ns = space_low ? SOON_NS : HOUR_NS;
    if (retention->keep_days <= 0.0 ||
        (retention->checked_ns != 0 && now_ns - retention->checked_ns < pause_ns) ||
        !is_steady(retention, unix_ns, now_ns) || !find_oldest(retention, unix_ns, stored, &days)) {
        return;
    }
    if (remove_run(edx_journal_fd(retention->journal), stored)) {
        edx_log_write(retention->log, EDX_LOG_NOTICE,
                      "%s: removed, finished %.1f days ago (output.keep_days = %g)", stored, days,
                      retention->keep_days);
        retention->checked_ns = now_ns - pause_ns; /* there may be more */
    } else {
        edx_log_write(retention->log, EDX_LOG_WARNING,
                      "%s: cannot be removed: %s (output.keep_days = %g)", stored, strerror(errno),
                      retention->keep_days);
    }
}
