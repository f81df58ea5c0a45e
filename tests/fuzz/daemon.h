/* A whole edxd in one thread, from its sockets on: what instruments, clients and subscribers send
 * stands in a queue, what edxd sends is checked, and what its analyst is handed is added up a
 * second time. The linker's --wrap puts this in the place of ZeroMQ's sockets, the analyst's
 * thread, the log, and HDF5. */
#ifndef EDX_TESTS_FUZZ_DAEMON_H
#define EDX_TESTS_FUZZ_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/config.h"

typedef enum fuzz_socket { FUZZ_INGEST, FUZZ_CONTROL, FUZZ_PUBLISH, FUZZ_REPORTS } fuzz_socket;

typedef struct fuzz_part {
    const void *bytes;
    size_t size;
} fuzz_part;

#define FUZZ_MAX_PARTS 12

/* Puts a message of at most FUZZ_MAX_PARTS parts, which are copied, into the queue. */
void fuzz_send(fuzz_socket to, const fuzz_part *parts, unsigned n);

/* What edxd said in one life. */
typedef struct fuzz_heard {
    unsigned refused, waiting;      /* messages of instruments; those may be refused later */
    unsigned acks, replies, errors; /* errors: replies that are not ok */
    unsigned cubes;                 /* stored, and compared with the account */
    bool has_status;                /* of the newest reply that has them: */
    uint64_t received, bad;
} fuzz_heard;

/* Starts edxd, hands it the queue, ends it with SIGTERM. What it finds in config->output.dir is
 * taken up again. */
edx_status fuzz_live(edx_config *config, fuzz_heard *heard, edx_error *err);

/* Small limits, nothing synced, a folder of its own in $TMPDIR; false where it cannot be made. */
bool fuzz_config(edx_config *config);
void fuzz_config_remove(const edx_config *config); /* its folder */

#endif
