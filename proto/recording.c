#include "proto/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/recording_format.h"

#define DEFAULT_MAX_RECORD ((uint64_t)1 << 30)
#define BLOCK 65536u
/* Blocks of a search overlap so that no header lies across two of them. */
#define BLOCK_STEP (BLOCK - EDX_RECORD_HEADER + 8u)

struct edx_recording {
    int fd;
    uint64_t size;     /* of the file, when last asked */
    uint64_t position; /* where next() goes on */
    uint64_t max_record;
    bool defaced; /* the file's own first bytes are damaged, and next() has not said so yet */
    char *buffer; /* body, topic, a terminator */
    size_t capacity;
    uint8_t block[BLOCK];
};

typedef enum verdict {
    WHOLE,
    BAD_HEADER,
    BEYOND_END, /* the file ends before the record does */
    TOO_LARGE,
    BAD_CRC,
    NO_MEMORY, /* with these two, err is already set */
    NOT_READ
} verdict;

static const char *const verdict_text[] = {
    [WHOLE] = "whole",
    [BAD_HEADER] = "its header does not check",
    [BEYOND_END] = "the file ends inside it",
    [TOO_LARGE] = "it is larger than a record may be",
    [BAD_CRC] = "its checksum does not hold",
};

static const edx_status verdict_status[] = {
    [WHOLE] = EDX_OK,          [BAD_HEADER] = EDX_E_DAMAGED,
    [BEYOND_END] = EDX_E_TORN, [TOO_LARGE] = EDX_E_DAMAGED,
    [BAD_CRC] = EDX_E_DAMAGED, [NO_MEMORY] = EDX_E_NOMEM,
    [NOT_READ] = EDX_E_IO,
};

static void put_little(uint8_t *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get_little(const uint8_t *in, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)in[i] << 8 * i;
    return value;
}

void edx_record_header_pack(const edx_record_header *header, uint8_t out[EDX_RECORD_HEADER])
{
    memcpy(out, EDX_RECORD_MAGIC, 4);
    put_little(out + 4, header->topic_size, 4);
    put_little(out + 8, header->body_size, 8);
    put_little(out + 16, header->arrival_ns, 8);
    put_little(out + 24, header->crc, 4);
    put_little(out + 28, edx_crc32c(0, out, 28), 4);
}

bool edx_record_header_parse(const uint8_t in[EDX_RECORD_HEADER], edx_record_header *out)
{
    if (memcmp(in, EDX_RECORD_MAGIC, 4) != 0 || get_little(in + 28, 4) != edx_crc32c(0, in, 28))
        return false;
    out->topic_size = (uint32_t)get_little(in + 4, 4);
    out->body_size = get_little(in + 8, 8);
    out->arrival_ns = get_little(in + 16, 8);
    out->crc = (uint32_t)get_little(in + 24, 4);
    return true;
}

ssize_t edx_recording_pread(int fd, void *out, size_t n, uint64_t offset)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(fd, (char *)out + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

static edx_status fail_errno(edx_error *err, const char *what)
{
    return edx_fail(err, EDX_E_IO, "%s: %s", what, strerror(errno));
}

static edx_status refresh_size(edx_recording *recording, edx_error *err)
{
    struct stat st;
    if (fstat(recording->fd, &st) < 0)
        return fail_errno(err, "fstat");
    if (!S_ISREG(st.st_mode))
        return edx_fail(err, EDX_E_DECODE, "not a regular file, expected a recording");
    recording->size = (uint64_t)st.st_size;
    return EDX_OK;
}

/* What does not start like a recording is one if a record's header stands where the first records
 * are: damage of a few bytes must not cost them all. */
static edx_status check_start(edx_recording *recording, edx_error *err)
{
    char magic[EDX_RECORDING_START];
    edx_record_header header;
    ssize_t got = edx_recording_pread(recording->fd, magic, sizeof magic, 0);
    if (got < 0)
        return fail_errno(err, "read");
    if ((size_t)got == sizeof magic && memcmp(magic, EDX_RECORDING_MAGIC, sizeof magic) == 0)
        return EDX_OK;
    got = edx_recording_pread(recording->fd, recording->block, BLOCK, EDX_RECORDING_START);
    for (size_t i = 0; got > 0 && i + EDX_RECORD_HEADER <= (size_t)got; i += 8)
        if (edx_record_header_parse(recording->block + i, &header)) {
            recording->defaced = true;
            return EDX_OK;
        }
    return edx_fail(err, EDX_E_DECODE,
                    "no recording, expected a file that starts with " EDX_RECORDING_MAGIC);
}

edx_status edx_recording_open(const char *path, uint64_t max_record, edx_recording **out,
                              edx_error *err)
{
    *out = NULL;
    edx_recording *recording = calloc(1, sizeof *recording);
    if (!recording)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a recording's reader");
    recording->max_record = max_record ? max_record : DEFAULT_MAX_RECORD;
    recording->position = EDX_RECORDING_START;
    /* O_NONBLOCK: a FIFO of that name must not hang us. */
    recording->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    edx_status status = recording->fd < 0 ? fail_errno(err, "open") : refresh_size(recording, err);
    if (!status)
        status = check_start(recording, err);
    if (status)
        edx_recording_free(&recording);
    *out = recording;
    return status;
}

void edx_recording_free(edx_recording **recording)
{
    if (!*recording)
        return;
    if ((*recording)->fd >= 0)
        close((*recording)->fd);
    free((*recording)->buffer);
    free(*recording);
    *recording = NULL;
}

static bool grow(edx_recording *recording, size_t need)
{
    if (need <= recording->capacity)
        return true;
    char *buffer = realloc(recording->buffer, need);
    if (!buffer)
        return false;
    recording->buffer = buffer;
    recording->capacity = need;
    return true;
}

/* Where the record that starts at offset ends, its padding left out. */
static uint64_t data_end(uint64_t offset, const edx_record_header *header)
{
    return offset + EDX_RECORD_HEADER + header->topic_size + header->body_size;
}

static uint64_t align8(uint64_t offset)
{
    return (offset + 7u) & ~(uint64_t)7u;
}

/* A claimed length is believed only after it was held against the bytes that are there. */
static verdict check_size(const edx_recording *recording, uint64_t offset,
                          const edx_record_header *header)
{
    uint64_t left = recording->size - offset - EDX_RECORD_HEADER;
    if (header->body_size > left || header->topic_size > left - header->body_size)
        return BEYOND_END;
    if (header->body_size + header->topic_size > recording->max_record)
        return TOO_LARGE;
    return WHOLE;
}

static verdict not_read(edx_error *err)
{
    fail_errno(err, "read");
    return NOT_READ;
}

static verdict read_header(edx_recording *recording, uint64_t offset, edx_record_header *header,
                           edx_error *err)
{
    uint8_t bytes[EDX_RECORD_HEADER];
    if (offset > recording->size || recording->size - offset < EDX_RECORD_HEADER)
        return BEYOND_END;
    ssize_t got = edx_recording_pread(recording->fd, bytes, sizeof bytes, offset);
    if (got < 0)
        return not_read(err);
    if ((size_t)got < sizeof bytes)
        return BEYOND_END;
    return edx_record_header_parse(bytes, header) ? WHOLE : BAD_HEADER;
}

/* Topic and body into the buffer; their checksum. The body lies first, so that it is aligned. */
static verdict read_data(edx_recording *recording, uint64_t offset, const edx_record_header *header,
                         edx_error *err)
{
    size_t topic = header->topic_size, body = (size_t)header->body_size;
    if (!grow(recording, topic + body + 1)) {
        edx_fail(err, EDX_E_NOMEM, "no memory for a record of %zu bytes", topic + body);
        return NO_MEMORY;
    }
    char *text = recording->buffer + body;
    uint64_t start = offset + EDX_RECORD_HEADER;
    ssize_t got = edx_recording_pread(recording->fd, text, topic, start);
    if (got < 0)
        return not_read(err);
    ssize_t more = edx_recording_pread(recording->fd, recording->buffer, body, start + topic);
    if (more < 0)
        return not_read(err);
    if ((size_t)got < topic || (size_t)more < body)
        return BEYOND_END;
    text[topic] = '\0';
    uint32_t crc = edx_crc32c(edx_crc32c(0, text, topic), recording->buffer, body);
    return crc == header->crc ? WHOLE : BAD_CRC;
}

static verdict load(edx_recording *recording, uint64_t offset, edx_record_header *header,
                    edx_record *out, edx_error *err)
{
    verdict found = read_header(recording, offset, header, err);
    if (found == WHOLE)
        found = check_size(recording, offset, header);
    if (found == WHOLE)
        found = read_data(recording, offset, header, err);
    if (found == WHOLE)
        *out = (edx_record){.topic = recording->buffer + header->body_size,
                            .topic_size = header->topic_size,
                            .body = recording->buffer,
                            .body_size = (size_t)header->body_size,
                            .arrival_ns = header->arrival_ns,
                            .offset = offset};
    return found;
}

/* The first header that checks at a multiple of 8 from start on: OK, END or IO. */
static edx_status find_header(edx_recording *recording, uint64_t start, uint64_t *found,
                              edx_error *err)
{
    edx_record_header header;
    for (uint64_t at = start;; at += BLOCK_STEP) {
        ssize_t got = edx_recording_pread(recording->fd, recording->block, BLOCK, at);
        if (got < 0)
            return fail_errno(err, "read");
        for (size_t i = 0; i + EDX_RECORD_HEADER <= (size_t)got; i += 8)
            if (edx_record_header_parse(recording->block + i, &header)) {
                *found = at + i;
                return EDX_OK;
            }
        if ((size_t)got < BLOCK)
            return EDX_E_END;
    }
}

static edx_status torn(const edx_recording *recording, verdict why, edx_error *err)
{
    return edx_fail(err, EDX_E_TORN,
                    "the last record, at offset %" PRIu64 ", is torn: %s; %" PRIu64
                    " bytes are lost",
                    recording->position, verdict_text[why], recording->size - recording->position);
}

/* " (edx.begin)": what the record held, where its topic can still be read. */
static void name_topic(const edx_recording *recording, verdict why, const edx_record_header *header,
                       char out[40])
{
    size_t n = header->topic_size;
    const char *topic = recording->buffer + header->body_size;
    out[0] = '\0';
    if (why != BAD_CRC || n == 0 || n > 32)
        return;
    for (size_t i = 0; i < n; i++)
        if (topic[i] <= ' ' || topic[i] > '~')
            return;
    snprintf(out, 40, " (%.*s)", (int)n, topic);
}

/* Where a damaged record was to end is not believed as long as a header checks before that: it may
 * be the rest of one that was torn, with others written behind it. */
static edx_status pass_over(edx_recording *recording, verdict why, const edx_record_header *header,
                            edx_error *err)
{
    uint64_t from = recording->position, to = 0;
    edx_status status = refresh_size(recording, err);
    if (!status)
        status =
            find_header(recording, from + (why == BAD_HEADER ? 8u : EDX_RECORD_HEADER), &to, err);
    if (status == EDX_E_END) {
        if (why == BAD_HEADER || why == BEYOND_END)
            return torn(recording, why, err);
        to = align8(data_end(from, header));
    } else if (status)
        return status;
    recording->position = to;
    char topic[40];
    name_topic(recording, why, header, topic);
    return edx_fail(err, EDX_E_DAMAGED,
                    "the record at offset %" PRIu64 "%s is lost: %s; %" PRIu64
                    " bytes were passed over",
                    from, topic, verdict_text[why], to - from);
}

edx_status edx_recording_next(edx_recording *recording, edx_record *out, edx_error *err)
{
    edx_record_header header = {0};
    if (recording->defaced) {
        recording->defaced = false;
        return edx_fail(err, EDX_E_DAMAGED,
                        "its first bytes are damaged, expected " EDX_RECORDING_MAGIC
                        "; no record stood there");
    }
    verdict found = load(recording, recording->position, &header, out, err);
    if (found == BEYOND_END) { /* the file may have grown */
        edx_status status = refresh_size(recording, err);
        if (status)
            return status;
        if (recording->position >= recording->size)
            return edx_fail(err, EDX_E_END, "end of the recording");
        found = load(recording, recording->position, &header, out, err);
    }
    if (found == NO_MEMORY || found == NOT_READ)
        return verdict_status[found];
    if (found != WHOLE)
        return pass_over(recording, found, &header, err);
    recording->position = align8(data_end(out->offset, &header));
    return EDX_OK;
}

edx_status edx_recording_at(edx_recording *recording, uint64_t offset, edx_record *out,
                            edx_error *err)
{
    edx_record_header header;
    if (offset < EDX_RECORDING_START || offset % 8 != 0)
        return edx_fail(err, EDX_E_RANGE, "offset %" PRIu64 ", expected a multiple of 8 from 8 on",
                        offset);
    edx_status status = refresh_size(recording, err);
    if (status)
        return status;
    if (offset >= recording->size)
        return edx_fail(err, EDX_E_END, "offset %" PRIu64 " is behind the end", offset);
    verdict found = load(recording, offset, &header, out, err);
    if (found == WHOLE || found == NO_MEMORY || found == NOT_READ)
        return verdict_status[found];
    return edx_fail(err, verdict_status[found], "the record at offset %" PRIu64 ": %s", offset,
                    verdict_text[found]);
}

uint64_t edx_recording_position(const edx_recording *recording)
{
    return recording->position < recording->size ? recording->position : recording->size;
}

uint64_t edx_recording_file_size(const edx_recording *recording)
{
    return recording->size;
}
