#define _GNU_SOURCE
#include "instrument/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/wire.h"

/* What the child says: the result of open, then of each next. A body of bytes follows. */
typedef struct packet {
    edx_status status;
    edx_source_kind kind;
    uint64_t arrival_ns, position, size, bytes;
    char text[EDX_ERROR_TEXT];
} packet;

typedef struct apart {
    pid_t child; /* 0: waited for */
    int from;    /* the end of the pipe that is read */
    packet packet;
    char *body;
    size_t capacity;
    edx_wire *wire;
    edx_limits limits;
    edx_begin begin;
    bool ended;
} apart;

/* ---- the child ---- */

static bool write_all(int fd, const void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t more = write(fd, (const char *)bytes + done, n - done);
        if (more < 0 && errno != EINTR)
            return false;
        done += more > 0 ? (size_t)more : 0;
    }
    return true;
}

static void pack_message(edx_pack *pack, const edx_source_message *message)
{
    if (message->kind == EDX_SOURCE_BEGIN)
        edx_begin_write(pack, message->begin);
    else if (message->kind == EDX_SOURCE_FRAME)
        edx_frame_write(pack, &message->frame);
    else
        edx_end_write(pack, &message->end);
}

static bool say_next(const edx_source *format, void *self, edx_pack *pack, int fd)
{
    edx_source_message message;
    edx_error err = {0};
    packet said = {.status = format->next(self, &message, &err)};
    if (said.status == EDX_OK) {
        said.kind = message.kind;
        said.arrival_ns = message.arrival_ns;
        pack_message(pack, &message);
        if (edx_pack_status(pack) != EDX_OK)
            said.status = edx_fail(&err, EDX_E_NOMEM, "no memory for a message");
    }
    memcpy(said.text, err.text, sizeof said.text);
    said.position = format->position(self);
    said.size = format->size(self);
    said.bytes = said.status == EDX_OK ? edx_pack_size(pack) : 0;
    return write_all(fd, &said, sizeof said) && write_all(fd, edx_pack_data(pack), said.bytes) &&
           said.status != EDX_E_END && said.status != EDX_E_IO && said.status != EDX_E_NOMEM;
}

static void serve(const edx_source *format, const char *path, const edx_source_options *options,
                  int fd)
{
    edx_error err = {0};
    void *self = NULL;
    packet said = {.status = format->open(path, options, &self, &err)};
    edx_pack *pack = edx_pack_new();
    if (!pack)
        return;
    memcpy(said.text, err.text, sizeof said.text);
    said.size = self ? format->size(self) : 0;
    bool more = write_all(fd, &said, sizeof said) && self;
    while (more)
        more = say_next(format, self, pack, fd);
    if (self)
        format->close(self);
    edx_pack_free(&pack);
}

/* What the C library says of a broken heap is not for the person who waits. */
static void live_apart(const edx_source *format, const char *path,
                       const edx_source_options *options, int fd)
{
    struct rlimit none = {0};
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &none);
    signal(SIGPIPE, SIG_DFL);
    if (nowhere >= 0)
        dup2(nowhere, STDERR_FILENO);
    serve(format, path, options, fd);
    _exit(0);
}

/* ---- the parent ---- */

static edx_status broke_down(apart *a, edx_error *err)
{
    int how = 0;
    a->ended = true;
    if (a->child > 0 && waitpid(a->child, &how, 0) == a->child && WIFSIGNALED(how)) {
        a->child = 0;
        return edx_fail(err, EDX_E_IO,
                        "HDF5 broke down on it (signal %d): damaged, expected a whole file",
                        WTERMSIG(how));
    }
    a->child = 0;
    return edx_fail(err, EDX_E_IO, "its reader gave up (status %d): damaged, expected a whole file",
                    WIFEXITED(how) ? WEXITSTATUS(how) : how);
}

static bool read_all(int fd, void *bytes, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t more = read(fd, (char *)bytes + done, n - done);
        if (more == 0 || (more < 0 && errno != EINTR))
            return false;
        done += more > 0 ? (size_t)more : 0;
    }
    return true;
}

static edx_status read_packet(apart *a, edx_error *err)
{
    if (!read_all(a->from, &a->packet, sizeof a->packet))
        return broke_down(a, err);
    if (a->packet.bytes > a->capacity) {
        char *body = realloc(a->body, a->packet.bytes);
        if (!body)
            return edx_fail(err, EDX_E_NOMEM, "no memory for a message");
        a->body = body;
        a->capacity = a->packet.bytes;
    }
    if (!read_all(a->from, a->body, a->packet.bytes))
        return broke_down(a, err);
    if (a->packet.status == EDX_OK)
        return EDX_OK;
    a->packet.text[sizeof a->packet.text - 1] = '\0';
    return edx_fail(err, a->packet.status, "%s", a->packet.text);
}

static void close_apart(void *self)
{
    apart *a = self;
    if (a->from >= 0)
        close(a->from);
    if (a->child > 0) {
        kill(a->child, SIGKILL);
        waitpid(a->child, NULL, 0);
    }
    edx_wire_free(&a->wire);
    free(a->body);
    free(a);
}

static edx_status start(apart *a, const edx_source *format, const char *path,
                        const edx_source_options *options, edx_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return edx_fail(err, EDX_E_IO, "pipe: %s", strerror(errno));
    a->from = ends[0];
    a->child = fork();
    if (a->child == 0)
        live_apart(format, path, options, ends[1]);
    int why = errno;
    close(ends[1]);
    if (a->child > 0)
        return EDX_OK;
    a->child = 0;
    return edx_fail(err, EDX_E_IO, "fork: %s", strerror(why));
}

edx_status edx_apart_open(const edx_source *format, const char *path,
                          const edx_source_options *options, void **self, edx_error *err)
{
    *self = NULL;
    apart *a = calloc(1, sizeof *a);
    if (!a)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    a->from = -1;
    a->limits = edx_limits_default();
    a->limits.max_message_bytes = UINT64_MAX;
    a->wire = edx_wire_new(0);
    edx_status status =
        a->wire ? start(a, format, path, options, err) : edx_fail(err, EDX_E_NOMEM, "no memory");
    if (status == EDX_OK)
        status = read_packet(a, err);
    if (status == EDX_OK)
        *self = a;
    else
        close_apart(a);
    return status;
}

static edx_status decode(apart *a, edx_source_message *out, edx_error *err)
{
    const edx_node *body = NULL;
    edx_status status = edx_wire_parse(a->wire, a->body, a->packet.bytes, &body, err);
    if (status != EDX_OK)
        return status;
    out->kind = a->packet.kind;
    out->arrival_ns = a->packet.arrival_ns;
    out->begin = &a->begin;
    if (out->kind == EDX_SOURCE_BEGIN)
        return edx_begin_read(body, &a->limits, &a->begin, err);
    if (out->kind == EDX_SOURCE_FRAME)
        return edx_frame_read(body, &a->begin, &a->limits, &out->frame, err);
    return edx_end_read(body, &out->end, err);
}

static edx_status next_apart(void *self, edx_source_message *out, edx_error *err)
{
    apart *a = self;
    if (a->ended)
        return edx_fail(err, EDX_E_END, "nothing more to read");
    edx_status status = read_packet(a, err);
    a->ended = a->ended || status == EDX_E_END || status == EDX_E_IO || status == EDX_E_NOMEM;
    return status == EDX_OK ? decode(a, out, err) : status;
}

static void settle_apart(void *self)
{
    (void)self; /* what is read apart does not grow */
}

static uint64_t position_apart(const void *self)
{
    return ((const apart *)self)->packet.position;
}

static uint64_t size_apart(const void *self)
{
    return ((const apart *)self)->packet.size;
}

const edx_source edx_apart_source = {
    .next = next_apart,
    .settle = settle_apart,
    .position = position_apart,
    .size = size_apart,
    .close = close_apart,
};
