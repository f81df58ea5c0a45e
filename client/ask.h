/* One question to edxd, and its answer. */
#ifndef EDX_CLIENT_ASK_H
#define EDX_CLIENT_ASK_H

#include "client/feed.h"

/* Sends a request and waits for its reply, which the caller frees. END when none comes in time or a
 * signal asks for the end; RANGE for an endpoint that is none; IO, NOMEM. */
edx_status edx_ask(const char *endpoint, double timeout_s, const edx_pack *request,
                   edx_message **reply, edx_error *err);

#endif
