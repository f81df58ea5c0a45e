/* Linked around edxd by ld --wrap: faults of the disk and of the clock, as the file that
 * EDX_FAULT_FILE names says at the moment, one a line:
 *
 *   enospc, eio, erofs   writes fail so (erofs: folders and new files too)
 *   sync                 fdatasync and fsync fail with EIO
 *   short N              a write takes at most N bytes
 *   eintr                every second write is interrupted
 *   slow MS              a write takes so long
 *   clock S              the system clock is off by so many seconds
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The names are the linker's. */
ssize_t __real_pwritev(int fd, const struct iovec *parts, int n, off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int n, off_t offset);
ssize_t __real_pwrite(int fd, const void *bytes, size_t n, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_mkdirat(int folder, const char *name, mode_t mode);
int __wrap_mkdirat(int folder, const char *name, mode_t mode);
int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

static atomic_uint calls;

/* Whether the fault is asked for; *number (may be NULL) is what stands behind its name. */
static bool asked(const char *fault, long *number)
{
    const char *path = getenv("EDX_FAULT_FILE");
    FILE *file = path ? fopen(path, "re") : NULL;
    char line[64];
    bool found = false;
    while (file && !found && fgets(line, sizeof line, file)) {
        const size_t n = strlen(fault);
        found = strncmp(line, fault, n) == 0 && (line[n] == ' ' || line[n] == '\n');
        if (found && number) {
            *number = strtol(line + n, NULL, 10);
        }
    }
    if (file) {
        fclose(file);
    }
    return found;
}

/* What the write is to fail with; 0: nothing. */
static int fault_of_write(void)
{
    long ms = 0;
    if (asked("slow", &ms)) {
        const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
    }
    if (asked("eintr", NULL) && atomic_fetch_add(&calls, 1) % 2 == 0) {
        return EINTR;
    }
    return asked("enospc", NULL)  ? ENOSPC
           : asked("eio", NULL)   ? EIO
           : asked("erofs", NULL) ? EROFS
                                  : 0;
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    long most = 0;
    errno = fault_of_write();
    if (errno) {
        return -1;
    }
    if (asked("short", &most) && n > (size_t)most) {
        n = (size_t)most;
    }
    return __real_pwrite(fd, bytes, n, offset);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *parts, int n, off_t offset)
{
    long most = 0;
    errno = fault_of_write();
    if (errno) {
        return -1;
    }
    if (asked("short", &most)) {
        const size_t size = parts[0].iov_len < (size_t)most ? parts[0].iov_len : (size_t)most;
        return __real_pwrite(fd, parts[0].iov_base, size, offset);
    }
    return __real_pwritev(fd, parts, n, offset);
}

int __wrap_fdatasync(int fd)
{
    if (asked("sync", NULL)) {
        errno = EIO;
        return -1;
    }
    return __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
    if (asked("sync", NULL)) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

int __wrap_mkdirat(int folder, const char *name, mode_t mode)
{
    if (asked("erofs", NULL) && faccessat(folder, name, F_OK, 0) != 0) {
        errno = EROFS;
        return -1;
    }
    return __real_mkdirat(folder, name, mode);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
    long s = 0;
    const int rc = __real_clock_gettime(clock, ts);
    if (clock == CLOCK_REALTIME && asked("clock", &s)) {
        ts->tv_sec += s;
    }
    return rc;
}
