/* Any bytes as a recording: read through, as they are and with their checksums put right, and
 * continued. What is read lies inside the file, in order; what is appended is read last. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proto/recording.h"
#include "proto/recording_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool truth)
{
    if (!truth)
        abort();
}

/* A file in memory that has a path; -1 when the system has none to give. */
static int memory_file(const uint8_t *data, size_t size, char path[32])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0)
        return -1;
    expect(write(fd, data, size) == (ssize_t)size);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

/* A mutation would never meet a checksum: every header that is whole gets right ones. */
static void repair(uint8_t *file, size_t size)
{
    for (size_t at = EDX_RECORDING_START; at + EDX_RECORD_HEADER <= size; at += 8) {
        edx_record_header header = {0};
        if (memcmp(file + at, EDX_RECORD_MAGIC, 4) != 0)
            continue;
        memcpy(&header.topic_size, file + at + 4, 4);
        memcpy(&header.body_size, file + at + 8, 8);
        memcpy(&header.arrival_ns, file + at + 16, 8);
        size_t left = size - at - EDX_RECORD_HEADER;
        if (header.body_size <= left && header.topic_size <= left - header.body_size)
            header.crc = edx_crc32c(0, file + at + EDX_RECORD_HEADER,
                                    header.topic_size + (size_t)header.body_size);
        edx_record_header_pack(&header, file + at);
    }
}

/* Reads through; the last whole record is left in *last. */
static edx_status read_through(edx_recording *recording, size_t size, edx_record *last)
{
    edx_record record;
    edx_error err = {0};
    edx_status status;
    for (uint64_t before = 0;; before = edx_recording_position(recording)) {
        status = edx_recording_next(recording, &record, &err);
        if (status != EDX_OK && status != EDX_E_DAMAGED)
            break;
        expect(edx_recording_position(recording) > before);
        if (status)
            continue;
        expect(record.offset >= before && record.offset % 8 == 0);
        expect(record.offset + EDX_RECORD_HEADER + record.topic_size + record.body_size <= size);
        expect(record.topic[record.topic_size] == '\0');
        *last = record;
    }
    expect(status == EDX_E_END || status == EDX_E_TORN);
    return status;
}

static void read_file(const char *path, size_t size, edx_record *last)
{
    edx_recording *recording;
    edx_error err = {0};
    edx_status status = edx_recording_open(path, 0, &recording, &err);
    if (status)
        expect(status == EDX_E_DECODE && !recording);
    else
        (void)read_through(recording, size, last);
    edx_recording_free(&recording);
}

static void continue_file(const char *path)
{
    edx_recording_writer *writer;
    edx_recording *recording;
    edx_record last = {0};
    edx_error err = {0};
    uint64_t offset;
    if (edx_recording_append(path, &writer, &err))
        return;
    expect(edx_recording_write(writer, "new", "!", 1, 7, &offset, &err) == EDX_OK);
    expect(edx_recording_open(path, 0, &recording, &err) == EDX_OK);
    expect(read_through(recording, (size_t)edx_recording_size(writer), &last) == EDX_E_END);
    expect(last.offset == offset && last.arrival_ns == 7);
    edx_recording_free(&recording);
    edx_recording_writer_free(&writer);
}

static void try_bytes(const uint8_t *data, size_t size)
{
    char path[32];
    edx_record last = {0};
    int fd = memory_file(data, size, path);
    if (fd < 0)
        return;
    read_file(path, size, &last);
    continue_file(path);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = calloc(1, size + 1);
    if (!copy)
        return 0;
    if (size > 0)
        memcpy(copy, data, size);
    try_bytes(copy, size);
    if (size >= EDX_RECORDING_START)
        memcpy(copy, EDX_RECORDING_MAGIC, EDX_RECORDING_START);
    repair(copy, size);
    try_bytes(copy, size);
    free(copy);
    return 0;
}
