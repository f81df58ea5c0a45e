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
#include <unistd.h>

#include "proto/recording.h"

#define RECORDING "recording.edxr"
#define MAX_SUFFIX 1000000u

struct edx_journal {
    char dir[EDX_PATH_SIZE];
    int fd; /* of dir: holds the lock, and is synced when a folder is made */
    bool record;
};

struct edx_run_file {
    char folder[EDX_PATH_SIZE];
    char recording[EDX_PATH_SIZE];
    edx_recording_writer *writer;
    bool dirty;
};

edx_status edx_journal_new(const char *dir, bool record, bool lock, edx_journal **out,
                           edx_error *err)
{
    edx_journal *j = calloc(1, sizeof *j);
    if (!j) {
        return edx_fail(err, EDX_E_NOMEM, "%s: no memory", dir);
    }
    j->record = record;
    j->fd = -1;
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

/* mkdir is what makes a name ours: two programs in one folder cannot both get it. */
static edx_status make_folder(edx_journal *j, const char *acq, char stored[EDX_ACQ_SIZE],
                              edx_error *err)
{
    for (unsigned n = 1; n < MAX_SUFFIX; n++) {
        suffixed(stored, acq, n);
        if (mkdirat(j->fd, stored, 0750) == 0) {
            fsync(j->fd);
            return EDX_OK;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    edx_fail(err, EDX_E_IO, "%s/%s: cannot be made: %s", j->dir, stored, strerror(errno));
    snprintf(stored, EDX_ACQ_SIZE, "%.*s", EDX_ACQ_MAX, acq);
    return EDX_E_IO;
}

static edx_run_file *run_file_new(const edx_journal *j, const char *stored)
{
    edx_run_file *file = calloc(1, sizeof *file);
    if (file && (!join(file->folder, j->dir, stored) ||
                 (j->record && !join(file->recording, file->folder, RECORDING)))) {
        free(file);
        file = NULL;
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

edx_status edx_journal_reopen(edx_journal *journal, const char *stored, edx_run_file **out,
                              edx_error *err)
{
    edx_run_file *file = run_file_new(journal, stored);
    if (!file) {
        return edx_fail(err, EDX_E_NOMEM, "%s: no memory, or path too long", stored);
    }
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

edx_status edx_run_file_write(edx_run_file *file, const char *topic, const void *body, size_t n,
                              uint64_t arrival_ns, uint64_t *offset, edx_error *err)
{
    if (!file->writer) {
        return EDX_OK;
    }
    file->dirty = true;
    return edx_recording_write(file->writer, topic, body, n, arrival_ns, offset, err);
}

edx_status edx_run_file_sync(edx_run_file *file, edx_error *err)
{
    if (!file->writer || !file->dirty) {
        return EDX_OK;
    }
    const edx_status status = edx_recording_sync(file->writer, err);
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
        const bool later = arrival > newest ||
                           (arrival == newest && arrival > 0 && strcmp(entry->d_name, stored) > 0);
        if (later) {
            newest = arrival;
            snprintf(stored, EDX_ACQ_SIZE, "%.*s", EDX_ACQ_SIZE - 1, entry->d_name);
        }
    }
    closedir(dir);
    return newest ? EDX_OK : EDX_E_END;
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
