#include "daemon/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

struct edx_aside {
    int folder; /* descriptors, -1: none */
    int file;
    uint64_t size;
    int failed; /* errno of the first failure */
    char name[NAME_MAX + 1];
    char partial[NAME_MAX + 1];
};

static void set_failed(edx_aside *aside)
{
    if (!aside->failed) {
        aside->failed = errno ? errno : EIO;
    }
}

static edx_status open_both(edx_aside *aside, const char *dir, edx_error *err)
{
    aside->folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (aside->folder < 0) {
        return edx_fail(err, EDX_E_IO, "%s: cannot open the folder: %s", dir, strerror(errno));
    }
    aside->file = openat(aside->folder, aside->partial,
                         O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (aside->file < 0) {
        return edx_fail(err, EDX_E_IO, "%s: cannot create it: %s", aside->partial, strerror(errno));
    }
    return EDX_OK;
}

static edx_status set_names(edx_aside *aside, const char *name, edx_error *err)
{
    const int n = snprintf(aside->partial, sizeof aside->partial, "%s.partial", name);
    if (n < 0 || (size_t)n >= sizeof aside->partial) {
        return edx_fail(err, EDX_E_IO, "%s: the name is too long", name);
    }
    memcpy(aside->name, name, strlen(name) + 1);
    return EDX_OK;
}

edx_status edx_aside_new(const char *dir, const char *name, edx_aside **out, edx_error *err)
{
    *out = NULL;
    edx_aside *aside = calloc(1, sizeof *aside);
    if (!aside) {
        return edx_fail(err, EDX_E_NOMEM, "no memory to write %s", name);
    }
    aside->folder = -1;
    aside->file = -1;
    edx_status status = set_names(aside, name, err);
    if (!status) {
        status = open_both(aside, dir, err);
    }
    if (status) {
        edx_aside_free(&aside);
    }
    *out = aside;
    return status;
}

void edx_aside_free(edx_aside **aside)
{
    edx_aside *a = *aside;
    if (!a) {
        return;
    }
    if (a->file >= 0) {
        close(a->file);
        unlinkat(a->folder, a->partial, 0);
    }
    if (a->folder >= 0) {
        close(a->folder);
    }
    free(a);
    *aside = NULL;
}

void edx_aside_write(edx_aside *aside, uint64_t offset, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n > 0 && !aside->failed) {
        const ssize_t done = pwrite(aside->file, at, n, (off_t)offset);
        if (done > 0) {
            at += done;
            offset += (uint64_t)done;
            n -= (size_t)done;
            aside->size = offset > aside->size ? offset : aside->size;
        } else if (done == 0 || errno != EINTR) {
            set_failed(aside);
        }
    }
}

void edx_aside_read(edx_aside *aside, uint64_t offset, void *bytes, size_t n)
{
    char *at = bytes;
    while (n > 0) {
        const ssize_t done = pread(aside->file, at, n, (off_t)offset);
        if (done > 0) {
            at += done;
            offset += (uint64_t)done;
            n -= (size_t)done;
        } else if (done == 0 || errno != EINTR) {
            break;
        }
    }
    memset(at, 0, n);
}

void edx_aside_resize(edx_aside *aside, uint64_t size)
{
    if (aside->failed || size == aside->size) {
        return;
    }
    if (ftruncate(aside->file, (off_t)size)) {
        set_failed(aside);
    } else {
        aside->size = size;
    }
}

uint64_t edx_aside_size(const edx_aside *aside)
{
    return aside->size;
}

int edx_aside_errno(const edx_aside *aside)
{
    return aside->failed;
}

/* The rename is the last step that may fail without harm; the folder's own sync is no reason to
 * call the file unwritten, but it is one to say that it may not survive a power cut. */
static edx_status put_in_place(edx_aside *aside, edx_error *err)
{
    if (!aside->failed && fsync(aside->file)) {
        set_failed(aside);
    }
    if (!aside->failed && renameat(aside->folder, aside->partial, aside->folder, aside->name)) {
        set_failed(aside);
    }
    if (aside->failed) {
        return edx_fail(err, EDX_E_IO, "%s: cannot write it: %s", aside->name,
                        strerror(aside->failed));
    }
    close(aside->file);
    aside->file = -1;
    if (fsync(aside->folder)) {
        return edx_fail(err, EDX_E_IO, "%s: written, but its folder cannot be synced: %s",
                        aside->name, strerror(errno));
    }
    return EDX_OK;
}

edx_status edx_aside_commit(edx_aside **aside, edx_error *err)
{
    const edx_status status = put_in_place(*aside, err);
    edx_aside_free(aside);
    return status;
}
