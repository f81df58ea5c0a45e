/* A request to edxd from the words of a command line. */
#ifndef EDX_CLIENT_REQUEST_H
#define EDX_CLIENT_REQUEST_H

#include "proto/wire.h"

/* Writes the request of words[0 .. n) (a command and its arguments). SYNTAX and UNKNOWN name the
 * word that is wrong and what was expected. */
edx_status edx_request_write(char *const *words, int n, edx_pack *pack, edx_error *err);

#endif
