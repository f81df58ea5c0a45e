/* Who may connect: CZMQ's authentication of CURVE, and nothing else knows it. edxd is the server of
 * CURVE on every socket, whichever side binds; a client is known by its public key. */
#ifndef EDX_DAEMON_CURVE_H
#define EDX_DAEMON_CURVE_H

#include "proto/status.h"

typedef struct edx_curve edx_curve;

/* Reads what security.keys and security.clients name, and nothing more. Errors name key and file
 * and say what would help: IO, STATE, MISSING, RANGE as in proto/certificate.h. */
edx_status edx_curve_check(const char *keys, const char *clients, edx_error *err);

/* Reads both and answers for those clients from now on, in a thread of its own; in a folder, files
 * may come and go meanwhile. One at a time in a process; it has the context in which sockets are
 * authenticated. Errors as above, NOMEM. */
edx_status edx_curve_new(const char *keys, const char *clients, edx_curve **out, edx_error *err);
/* After all sockets of its context. */
void edx_curve_free(edx_curve **curve);

void *edx_curve_context(edx_curve *curve);            /* of ZeroMQ */
const char *edx_curve_secret(const edx_curve *curve); /* Z85 */

#endif
