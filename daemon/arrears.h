/* What a recording could not take: messages that wait in memory, in the order in which they came,
 * until it takes them, and the numbers of those that memory could not keep either. */
#ifndef EDX_DAEMON_ARREARS_H
#define EDX_DAEMON_ARREARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/journal.h"
#include "daemon/link.h"
#include "proto/frame.h"

typedef struct edx_arrears edx_arrears;

/* A message to record. owner (may be NULL) holds body and is shared; else body is copied. */
typedef struct edx_entry {
    const char *topic; /* lives for ever */
    edx_message *owner;
    const void *body;
    size_t size;
    uint64_t unix_ns;
    const edx_frame *frame; /* NULL: no frame message */
} edx_entry;

/* Frame messages wait up to limit bytes; the few others always. NULL without memory. */
edx_arrears *edx_arrears_new(size_t limit);
void edx_arrears_free(edx_arrears **arrears);

/* false: there is no room. The seq and the frame of a frame message are then noted as missing. */
bool edx_arrears_keep(edx_arrears *arrears, const edx_entry *entry);
bool edx_arrears_waits(const edx_arrears *arrears);
/* Writes what waits into the file, oldest first, until one fails. */
edx_status edx_arrears_pay(edx_arrears *arrears, edx_run_file *file, edx_error *err);
/* Nothing can be written any more: what waits is missing. */
void edx_arrears_give_up(edx_arrears *arrears);

/* How many frame messages are missing; text says which: "seq 12-15, 20 (frames 12-15, 20)". */
uint64_t edx_arrears_missing(const edx_arrears *arrears, char *text, size_t size);

#endif
