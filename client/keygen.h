/* New pairs of keys for CURVE. The one file behind this header is the only one of the clients that
 * includes CZMQ. */
#ifndef EDX_CLIENT_KEYGEN_H
#define EDX_CLIENT_KEYGEN_H

#include "proto/status.h"

/* Writes a secret certificate to path, its owner's alone (mode 600), and the public one to
 * PATH.pub. What is there already is never overwritten. STATE: one of them is; IO; RANGE: no such
 * path. */
edx_status edx_keygen(const char *path, edx_error *err);

#endif
