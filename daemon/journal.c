#include "daemon/journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "proto/recording.h"

#define RECORDING "recording.edxr"
#define MAX_SUFFIX 1000000u
#define UNBORN_MAX (1 << 20) /* a begin is no larger */

struct edx_journal {
    char dir[EDX_PATH_SIZE];
    int fd; /* of dir: holds the lock, and is synced when a folder is made */
    bool record, locked;
    uint64_t newest_ns; /* when the newest run began */
    int64_t slowest_ns;
};

struct edx_run_file {
    char folder[EDX_PATH_SIZE];
    char recording[EDX_PATH_SIZE];
    edx_recording_writer *writer;
    edx_journal *journal;
    bool dirty, stands;
};

edx_status edx_journal_new(const char *dir, bool record, bool lock, edx_journal **out,
                           edx_error *err)
{
    edx_journal *j = calloc(1, sizeof *j);
    if (!j) {
        return edx_fail(err, EDX_E_NOMEM, "%s: no memory", dir ? dir : "runs");
    }
    j->fd = -1;
    if (!dir) {
        *out = j;
        return EDX_OK;
    }
    j->record = record;
    j->locked = lock;
    snprintf(j->dir, sizeof j->dir, "%s", dir);
    if (mkdir(dir, 0750) != 0 && errno != EEXIST) {
        edx_fail(err, EDX_E_IO,
                 "%s: cannot be made: %s; expected a folder that can be written "
                 "(output.dir)",
                 dir, strerror(errno));
        goto fail;
    }
    j->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->fd < 0 || faccessat(j->fd, ".", W_OK, AT_EACCESS) != 0) {
        edx_fail(err, EDX_E_IO, "%s: %s; expected a folder that can be written (output.dir)", dir,
                 strerror(errno));
        goto fail;
    }
    if (lock && flock(j->fd, LOCK_EX | LOCK_NB) != 0) {
        edx_fail(err, EDX_E_STATE,
                 "%s: another edxd holds this folder; expected one daemon a "
                 "folder (stop it, or set output.dir)",
                 dir);
        goto fail;
    }
    *out = j;
    return EDX_OK;
fail:
    edx_journal_free(&j);
    return err ? err->code : EDX_E_IO;
}

void edx_journal_free(edx_journal **journal)
{
    if (*journal) {
        if ((*journal)->fd >= 0) {
            close((*journal)->fd);
        }
        free(*journal);
        *journal = NULL;
    }
}

bool edx_journal_records(const edx_journal *journal)
{
    return journal->record;
}

int edx_journal_fd(const edx_journal *journal)
{
    return journal->fd;
}

uint64_t edx_journal_free_bytes(const edx_journal *journal)
{
    struct statvfs fs;
    return fstatvfs(journal->fd, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : UINT64_MAX;
}

static bool join(char out[EDX_PATH_SIZE], const char *a, const char *b)
{
    return snprintf(out, EDX_PATH_SIZE, "%s/%s", a, b) < EDX_PATH_SIZE;
}

void edx_journal_recording_path(const edx_journal *journal, const char *stored,
                                char path[EDX_PATH_SIZE])
{
    const int n = snprintf(path, EDX_PATH_SIZE, "%s/%s/" RECORDING, journal->dir, stored);
    if (n >= EDX_PATH_SIZE) {
        path[0] = '\0';
    }
}

static void suffixed(char stored[EDX_ACQ_SIZE], const char *acq, unsigned n)
{
    if (n == 1) {
        snprintf(stored, EDX_ACQ_SIZE, "%.*s", EDX_ACQ_MAX, acq);
    } else {
        snprintf(stored, EDX_ACQ_SIZE, "%.*s.%u", EDX_ACQ_MAX, acq, n);
    }
}

/* mkdir is what makes a name ours: two programs in one folder cannot both get it. An empty folder
 * is what a kill left between its making and its first file, so that the name is free; rmdir takes
 * no other. */
static bool make_one(const edx_journal *j, const char *stored)
{
    if (mkdirat(j->fd, stored, 0750) == 0) {
        return true;
    }
    const int why = errno;
    if (why == EEXIST && j->locked && unlinkat(j->fd, stored, AT_REMOVEDIR) == 0) {
        return mkdirat(j->fd, stored, 0750) == 0;
    }
    errno = why;
    return false;
}

static edx_status make_folder(edx_journal *j, const char *acq, char stored[EDX_ACQ_SIZE],
                              edx_error *err)
{
    for (unsigned n = 1; n < MAX_SUFFIX; n++) {
        suffixed(stored, acq, n);
        if (j->fd < 0) {
            return EDX_OK;
        }
        if (make_one(j, stored)) {
            fsync(j->fd);
            return EDX_OK;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return edx_fail(err, EDX_E_IO, "%s/%s: cannot be made: %s", j->dir, stored, strerror(errno));
}

static edx_run_file *run_file_new(edx_journal *j, const char *stored)
{
    edx_run_file *file = calloc(1, sizeof *file);
    if (file && j->fd >= 0 &&
        (!join(file->folder, j->dir, stored) ||
         (j->record && !join(file->recording, file->folder, RECORDING)))) {
        free(file);
        return NULL;
    }
    if (file) {
        file->journal = j;
    }
    return file;
}

edx_status edx_journal_create(edx_journal *journal, const char *acq, char stored[EDX_ACQ_SIZE],
                              edx_run_file **out, edx_error *err)
{
    edx_status status = make_folder(journal, acq, stored, err);
    if (status) {
        return status;
    }
    edx_run_file *file = run_file_new(journal, stored);
    if (!file) {
        unlinkat(journal->fd, stored, AT_REMOVEDIR);
        return edx_fail(err, EDX_E_NOMEM, "%s: no memory, or path too long", stored);
    }
    if (journal->record) {
        status = edx_recording_create(file->recording, &file->writer, err);
        if (status) {
            edx_journal_discard(journal, stored, &file);
            return status;
        }
    }
    *out = file;
    return EDX_OK;
}

void edx_journal_discard(edx_journal *journal, const char *stored, edx_run_file **file)
{
    if (*file && (*file)->recording[0]) {
        unlink((*file)->recording);
    }
    edx_run_file_free(file);
    unlinkat(journal->fd, stored, AT_REMOVEDIR);
}

static bool written(const char *folder, const char *name, struct timespec *when)
{
    char path[EDX_PATH_SIZE];
    struct stat st;
    if (!join(path, folder, name) || stat(path, &st) != 0) {
        return false;
    }
    *when = st.st_mtim;
    return true;
}

static bool later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static bool files_stand(const edx_run_file *file)
{
    static const char *const names[] = {"cube.hspy", "maps.hspy", "results.h5"};
    struct timespec recording;
    struct timespec when;
    bool stand = written(file->folder, RECORDING, &recording);
    for (size_t i = 0; stand && i < sizeof names / sizeof *names; i++) {
        stand = written(file->folder, names[i], &when) && later(&when, &recording);
    }
    return stand;
}

bool edx_run_file_stands(const edx_run_file *file)
{
    return file->stands;
}

const char *edx_run_file_cut(const edx_run_file *file)
{
    return file->writer ? edx_recording_cut(file->writer) : "";
}

edx_status edx_journal_reopen(edx_journal *journal, const char *stored, edx_run_file **out,
                              edx_error *err)
{
    edx_run_file *file = run_file_new(journal, stored);
    if (!file) {
        return edx_fail(err, EDX_E_NOMEM, "%s: no memory, or path too long", stored);
    }
    file->stands = files_stand(file);
    if (journal->record) {
        const edx_status status = edx_recording_append(file->recording, &file->writer, err);
        if (status) {
            edx_run_file_free(&file);
            return status;
        }
    }
    *out = file;
    return EDX_OK;
}

void edx_run_file_free(edx_run_file **file)
{
    if (*file) {
        edx_recording_writer_free(&(*file)->writer);
        free(*file);
        *file = NULL;
    }
}

const char *edx_run_file_folder(const edx_run_file *file)
{
    return file->folder;
}

const char *edx_run_file_recording(const edx_run_file *file)
{
    return file->recording;
}

static int64_t monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void note_time(edx_journal *j, int64_t before)
{
    const int64_t took = monotonic_ns() - before;
    j->slowest_ns = took > j->slowest_ns ? took : j->slowest_ns;
}

double edx_journal_slowest_s(edx_journal *journal)
{
    const int64_t slowest = journal->slowest_ns;
    journal->slowest_ns = 0;
    return 1e-9 * (double)slowest;
}

edx_status edx_run_file_write(edx_run_file *file, const char *topic, const void *body, size_t n,
                              uint64_t arrival_ns, uint64_t *offset, edx_error *err)
{
    if (!file->writer) {
        return EDX_OK;
    }
    file->dirty = true;
    file->stands = false;
    const int64_t before = monotonic_ns();
    const edx_status status =
        edx_recording_write(file->writer, topic, body, n, arrival_ns, offset, err);
    note_time(file->journal, before);
    return status;
}

edx_status edx_run_file_sync(edx_run_file *file, edx_error *err)
{
    if (!file->writer || !file->dirty) {
        return EDX_OK;
    }
    const int64_t before = monotonic_ns();
    const edx_status status = edx_recording_sync(file->writer, err);
    note_time(file->journal, before);
    file->dirty = status != EDX_OK;
    return status;
}

/* ---- finding runs ---- */

/* Arrival of the first record of a folder's recording; 0 when it holds none. */
static uint64_t began(const edx_journal *j, const char *stored)
{
    char path[EDX_PATH_SIZE];
    edx_recording *recording = NULL;
    edx_record record = {0};
    edx_journal_recording_path(j, stored, path);
    if (edx_recording_open(path, 0, &recording, NULL) != EDX_OK) {
        return 0;
    }
    edx_status status;
    do {
        status = edx_recording_next(recording, &record, NULL);
    } while (status == EDX_E_DAMAGED);
    const uint64_t arrival = status == EDX_OK ? record.arrival_ns : 0;
    edx_recording_free(&recording);
    return arrival;
}

/* Whether a recording ends before its first record is whole: nothing that was acknowledged is in
 * it. */
static bool unborn(const edx_journal *j, const char *stored)
{
    char path[EDX_PATH_SIZE];
    edx_recording *recording = NULL;
    edx_record record;
    struct stat st;
    edx_journal_recording_path(j, stored, path);
    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > UNBORN_MAX) {
        return false;
    }
    if (edx_recording_open(path, 0, &recording, NULL) != EDX_OK) {
        return st.st_size < 8; /* its first bytes were not all written */
    }
    const edx_status status = edx_recording_next(recording, &record, NULL);
    edx_recording_free(&recording);
    return status == EDX_E_END || status == EDX_E_TORN;
}

static bool holds_more(const edx_journal *j, const char *stored)
{
    const int fd = openat(j->fd, stored, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    bool more = !dir;
    if (!dir && fd >= 0) {
        close(fd);
    }
    for (const struct dirent *entry = dir ? readdir(dir) : NULL; entry && !more;
         entry = readdir(dir)) {
        more = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
               strcmp(entry->d_name, RECORDING) != 0;
    }
    if (dir) {
        closedir(dir);
    }
    return more;
}

unsigned edx_journal_sweep(edx_journal *journal, char last[EDX_ACQ_SIZE])
{
    DIR *dir = opendir(journal->dir);
    char path[EDX_PATH_SIZE];
    unsigned n = 0;
    for (const struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        const char *name = entry->d_name;
        if (name[0] == '.' || strlen(name) >= EDX_ACQ_SIZE || !unborn(journal, name) ||
            holds_more(journal, name)) {
            continue;
        }
        edx_journal_recording_path(journal, name, path);
        if (unlink(path) == 0 && unlinkat(journal->fd, name, AT_REMOVEDIR) == 0) {
            snprintf(last, EDX_ACQ_SIZE, "%.*s", EDX_ACQ_SIZE - 1, name);
            n++;
        }
    }
    if (dir) {
        closedir(dir);
    }
    return n;
}

edx_status edx_journal_newest(edx_journal *journal, char stored[EDX_ACQ_SIZE], edx_error *err)
{
    DIR *dir = opendir(journal->dir);
    uint64_t newest = 0;
    if (!dir) {
        return edx_fail(err, EDX_E_IO, "%s: %s", journal->dir, strerror(errno));
    }
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= EDX_ACQ_SIZE) {
            continue;
        }
        const uint64_t arrival = began(journal, entry->d_name);
        if (arrival > newest ||
            (arrival == newest && arrival > 0 && strcmp(entry->d_name, stored) > 0)) {
            newest = arrival;
            snprintf(stored, EDX_ACQ_SIZE, "%.*s", EDX_ACQ_SIZE - 1, entry->d_name);
        }
    }
    closedir(dir);
    journal->newest_ns = newest;
    return newest ? EDX_OK : EDX_E_END;
}

uint64_t edx_journal_later(edx_journal *journal, uint64_t unix_ns)
{
    if (unix_ns <= journal->newest_ns) {
        unix_ns = journal->newest_ns + 1;
    }
    journal->newest_ns = unix_ns;
    return unix_ns;
}

edx_status edx_journal_find(edx_journal *journal, const char *acq, char stored[EDX_ACQ_SIZE])
{
    char path[EDX_PATH_SIZE];
    char name[EDX_ACQ_SIZE];
    unsigned n = 1;
    for (; n < MAX_SUFFIX; n++) {
        suffixed(name, acq, n);
        edx_journal_recording_path(journal, name, path);
        if (access(path, R_OK) != 0) {
            break;
        }
        memcpy(stored, name, sizeof name);
    }
    return n > 1 ? EDX_OK : EDX_E_END;
}
