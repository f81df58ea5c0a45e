/* What the reader and the writer of recordings share: the file's magic and a record's header. */
#ifndef EDX_PROTO_RECORDING_FORMAT_H
#define EDX_PROTO_RECORDING_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define EDX_RECORDING_MAGIC "EDXREC01"
#define EDX_RECORDING_START 8u
#define EDX_RECORD_MAGIC "EDXR"
#define EDX_RECORD_HEADER 32u

typedef struct edx_record_header {
    uint32_t topic_size;
    uint64_t body_size;
    uint64_t arrival_ns;
    uint32_t crc; /* of topic and body */
} edx_record_header;

void edx_record_header_pack(const edx_record_header *header, uint8_t out[EDX_RECORD_HEADER]);
/* False when the magic or the header's own CRC does not hold. */
bool edx_record_header_parse(const uint8_t in[EDX_RECORD_HEADER], edx_record_header *out);

/* pread until n bytes or the end of the file: how many came, or -1 with errno. */
ssize_t edx_recording_pread(int fd, void *out, size_t n, uint64_t offset);

#endif
