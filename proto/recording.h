/* Recordings (.edxr): what came over the wire, in order, each record guarded by CRC-32C. */
#ifndef EDX_PROTO_RECORDING_H
#define EDX_PROTO_RECORDING_H

#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

/* CRC-32C (Castagnoli), of n bytes, continuing from crc (0 to start). */
uint32_t edx_crc32c(uint32_t crc, const void *bytes, size_t n);
/* The same without special instructions, for processors that lack them. */
uint32_t edx_crc32c_portable(uint32_t crc, const void *bytes, size_t n);

/* ---- writing ---- */

typedef struct edx_recording_writer edx_recording_writer;

/* A new file (EXCL: it must not exist), or, with append, an existing one: its torn tail is cut off
 * first, so that what follows can be read. Errors: IO (text says what errno said), DECODE when the
 * file is no recording, NOMEM. */
edx_status edx_recording_create(const char *path, edx_recording_writer **out, edx_error *err);
edx_status edx_recording_append(const char *path, edx_recording_writer **out, edx_error *err);
void edx_recording_writer_free(edx_recording_writer **writer);
/* What edx_recording_append cut off, and why, for people; "": nothing. */
const char *edx_recording_cut(const edx_recording_writer *writer);

/* Writes one record; arrival is Unix time in ns. On failure the file is cut back to the last whole
 * record and later calls may try again. *offset (may be NULL) is where the record starts. */
edx_status edx_recording_write(edx_recording_writer *writer, const char *topic, const void *body,
                               size_t n, uint64_t arrival_ns, uint64_t *offset, edx_error *err);
/* fdatasync. */
edx_status edx_recording_sync(edx_recording_writer *writer, edx_error *err);
uint64_t edx_recording_size(const edx_recording_writer *writer);

/* ---- reading ---- */

typedef struct edx_recording edx_recording;

/* body and topic belong to the recording and are valid until its next call. */
typedef struct edx_record {
    const char *topic; /* terminated */
    size_t topic_size;
    const void *body;
    size_t body_size;
    uint64_t arrival_ns;
    uint64_t offset; /* of the record in the file */
} edx_record;

/* Refuses records larger than max_record bytes (0: 1 GiB) as damaged. A file whose own first bytes
 * are damaged is taken for a recording when records follow; next() says so first. */
edx_status edx_recording_open(const char *path, uint64_t max_record, edx_recording **out,
                              edx_error *err);
void edx_recording_free(edx_recording **recording);

/* The next whole record. END at the end; TORN when the file ends inside a record (nothing follows);
 * DAMAGED when a record was lost: text says at which offset, its topic if that can be read, and
 * how many bytes were passed over; the next call goes on behind it. */
edx_status edx_recording_next(edx_recording *recording, edx_record *out, edx_error *err);
/* The record that starts at offset. Does not move next(). */
edx_status edx_recording_at(edx_recording *recording, uint64_t offset, edx_record *out,
                            edx_error *err);
/* Bytes read so far by next(), and the file's size now: for a progress bar. */
uint64_t edx_recording_position(const edx_recording *recording);
uint64_t edx_recording_file_size(const edx_recording *recording);

#endif
