#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "proto/recording.h"
#include "proto/recording_format.h"

struct edx_recording_writer {
    int fd;
    uint64_t size;   /* up to the end of the last whole record, padding included */
    bool cut;        /* bytes of a failed write may lie behind size */
    uint64_t synced; /* up to here it is on the disk */
    bool unsure;     /* a sync failed since: what is behind synced may never get there */
    edx_error lost;  /* what was cut off when it was opened */
};

static edx_status writer_new(const char *path, int flags, edx_recording_writer **out,
                             edx_error *err)
{
    edx_recording_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a recording's writer");
    writer->fd = open(path, flags | O_CLOEXEC, 0640);
    if (writer->fd < 0) {
        edx_status status = edx_fail(err, EDX_E_IO, "open: %s", strerror(errno));
        free(writer);
        return status;
    }
    *out = writer;
    return EDX_OK;
}

void edx_recording_writer_free(edx_recording_writer **writer)
{
    if (!*writer)
        return;
    close((*writer)->fd);
    free(*writer);
    *writer = NULL;
}

/* Leaves out the first n bytes of *parts. */
static void advance(struct iovec **parts, int *count, size_t n)
{
    while (*count > 0 && n >= (*parts)->iov_len) {
        n -= (*parts)->iov_len;
        (*parts)++;
        (*count)--;
    }
    if (*count > 0) {
        (*parts)->iov_base = (char *)(*parts)->iov_base + n;
        (*parts)->iov_len -= n;
    }
}

/* Writes all parts from offset on; false with errno. */
static bool write_all(int fd, struct iovec *parts, int count, uint64_t offset)
{
    advance(&parts, &count, 0);
    while (count > 0) {
        ssize_t n = pwritev(fd, parts, count, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            errno = ENOSPC;
        if (n <= 0)
            return false;
        offset += (uint64_t)n;
        advance(&parts, &count, (size_t)n);
    }
    return true;
}

static bool cut_back(edx_recording_writer *writer)
{
    int rc;
    do
        rc = ftruncate(writer->fd, (off_t)writer->size);
    while (rc < 0 && errno == EINTR);
    writer->cut = rc < 0;
    return rc == 0;
}

static edx_status write_magic(edx_recording_writer *writer, edx_error *err)
{
    char magic[] = EDX_RECORDING_MAGIC;
    struct iovec part = {magic, EDX_RECORDING_START};
    if (!write_all(writer->fd, &part, 1, 0))
        return edx_fail(err, EDX_E_IO, "write: %s", strerror(errno));
    writer->size = EDX_RECORDING_START;
    return EDX_OK;
}

edx_status edx_recording_create(const char *path, edx_recording_writer **out, edx_error *err)
{
    *out = NULL;
    edx_recording_writer *writer;
    edx_status status = writer_new(path, O_RDWR | O_CREAT | O_EXCL, &writer, err);
    if (status)
        return status;
    status = write_magic(writer, err);
    if (status) {
        unlink(path);
        edx_recording_writer_free(&writer);
    }
    *out = writer;
    return status;
}

/* Whatever reads it is to know it for what it is. */
static edx_status mend_start(edx_recording_writer *writer, edx_error *err)
{
    char start[EDX_RECORDING_START];
    ssize_t n = edx_recording_pread(writer->fd, start, sizeof start, 0);
    uint64_t end = writer->size;
    if (n == sizeof start && memcmp(start, EDX_RECORDING_MAGIC, sizeof start) == 0)
        return EDX_OK;
    edx_status status = write_magic(writer, err);
    writer->size = end;
    return status;
}

/* A file that ended before its magic was whole: nothing is lost by starting it again. */
static bool unborn(const edx_recording_writer *writer)
{
    char start[EDX_RECORDING_START];
    ssize_t n = edx_recording_pread(writer->fd, start, sizeof start, 0);
    struct stat st;
    return n >= 0 && (size_t)n < sizeof start && fstat(writer->fd, &st) == 0 &&
           S_ISREG(st.st_mode) && memcmp(start, EDX_RECORDING_MAGIC, (size_t)n) == 0;
}

/* The end of the last whole record. Damaged ones before it stay where they are. */
static edx_status find_end(const char *path, uint64_t *end, edx_error *lost, edx_error *err)
{
    edx_recording *recording;
    edx_record record;
    *end = EDX_RECORDING_START;
    edx_status status = edx_recording_open(path, UINT64_MAX, &recording, err);
    if (status)
        return status;
    do {
        status = edx_recording_next(recording, &record, err);
        if (!status)
            *end = (record.offset + EDX_RECORD_HEADER + record.topic_size + record.body_size + 7) &
                   ~(uint64_t)7;
        *lost = status == EDX_OK ? (edx_error){0} : status == EDX_E_END ? *lost : *err;
    } while (status == EDX_OK || status == EDX_E_DAMAGED);
    edx_recording_free(&recording);
    return status == EDX_E_END || status == EDX_E_TORN ? EDX_OK : status;
}

static edx_status continue_at_end(edx_recording_writer *writer, const char *path, edx_error *err)
{
    struct stat st;
    edx_error lost = {0};
    edx_error why = {0};
    edx_status status = find_end(path, &writer->size, &lost, &why);
    if (status)
        return edx_fail(err, status, "%s", why.text);
    status = mend_start(writer, err);
    if (status)
        return status;
    if (fstat(writer->fd, &st) == 0 && (uint64_t)st.st_size == writer->size)
        return EDX_OK; /* its time of change stays */
    edx_fail(&writer->lost, EDX_E_TORN, "from offset %" PRIu64 " on no whole record follows: %s",
             writer->size, lost.text);
    return cut_back(writer) ? EDX_OK : edx_fail(err, EDX_E_IO, "truncate: %s", strerror(errno));
}

edx_status edx_recording_append(const char *path, edx_recording_writer **out, edx_error *err)
{
    *out = NULL;
    edx_recording_writer *writer;
    edx_status status = writer_new(path, O_RDWR | O_NONBLOCK, &writer, err);
    if (status)
        return status;
    status = unborn(writer) ? write_magic(writer, err) : continue_at_end(writer, path, err);
    if (status)
        edx_recording_writer_free(&writer);
    *out = writer;
    return status;
}

/* After a failure: what the caller can count on is the file up to the last whole record. */
static edx_status give_up(edx_recording_writer *writer, edx_error *err)
{
    int why = errno;
    const char *then = cut_back(writer) ? "" : ", and the torn record could not be cut off";
    return edx_fail(err, EDX_E_IO, "write at offset %" PRIu64 ": %s%s", writer->size, strerror(why),
                    then);
}

edx_status edx_recording_write(edx_recording_writer *writer, const char *topic, const void *body,
                               size_t n, uint64_t arrival_ns, uint64_t *offset, edx_error *err)
{
    static const uint8_t zeros[8];
    size_t topic_size = strlen(topic);
    if (topic_size > UINT32_MAX)
        return edx_fail(err, EDX_E_RANGE, "topic of %zu bytes, expected less than 2^32",
                        topic_size);
    if (writer->cut && !cut_back(writer))
        return edx_fail(err, EDX_E_IO, "truncate: %s", strerror(errno));
    edx_record_header header = {.topic_size = (uint32_t)topic_size,
                                .body_size = n,
                                .arrival_ns = arrival_ns,
                                .crc = edx_crc32c(edx_crc32c(0, topic, topic_size), body, n)};
    uint8_t head[EDX_RECORD_HEADER];
    edx_record_header_pack(&header, head);
    size_t padding = (8 - (topic_size + n) % 8) % 8;
    struct iovec parts[] = {{head, sizeof head},
                            {(void *)(uintptr_t)topic, topic_size},
                            {(void *)(uintptr_t)body, n},
                            {(void *)(uintptr_t)zeros, padding}};
    if (!write_all(writer->fd, parts, 4, writer->size))
        return give_up(writer, err);
    if (offset)
        *offset = writer->size;
    writer->size += sizeof head + topic_size + n + padding;
    return EDX_OK;
}

/* After a sync that failed the system counts as written what is not, and the next sync would tell
 * of success: everything since the last good one is written once more. */
static bool write_again(edx_recording_writer *writer)
{
    const size_t chunk = 1 << 16;
    uint8_t *bytes = malloc(chunk);
    bool good = bytes != NULL;
    for (uint64_t at = writer->synced; good && at < writer->size; at += chunk) {
        const size_t n = writer->size - at < chunk ? (size_t)(writer->size - at) : chunk;
        struct iovec part = {bytes, n};
        const ssize_t got = edx_recording_pread(writer->fd, bytes, n, at);
        if (got >= 0 && (size_t)got < n)
            errno = EIO;
        good = got == (ssize_t)n && write_all(writer->fd, &part, 1, at);
    }
    free(bytes);
    return good;
}

edx_status edx_recording_sync(edx_recording_writer *writer, edx_error *err)
{
    int rc;
    if (writer->unsure && !write_again(writer))
        return edx_fail(err, EDX_E_IO, "write again after a sync that failed: %s", strerror(errno));
    do
        rc = fdatasync(writer->fd);
    while (rc < 0 && errno == EINTR);
    writer->unsure = rc < 0;
    if (rc < 0)
        return edx_fail(err, EDX_E_IO, "fdatasync: %s", strerror(errno));
    writer->synced = writer->size;
    return EDX_OK;
}

const char *edx_recording_cut(const edx_recording_writer *writer)
{
    return writer->lost.text;
}

uint64_t edx_recording_size(const edx_recording_writer *writer)
{
    return writer->size;
}
