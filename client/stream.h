/* Messages as lines of JSON: edxmon --json. */
#ifndef EDX_CLIENT_STREAM_H
#define EDX_CLIENT_STREAM_H

#include <stdint.h>

#include "client/feed.h"

/* Prints each message to standard output until count of them are out (0: no end), a signal asks for
 * the end or the reader is gone. END when timeout_s (0: none) passes without a message. */
edx_status edx_stream_json(edx_feed *feed, uint64_t count, double timeout_s, edx_error *err);

#endif
