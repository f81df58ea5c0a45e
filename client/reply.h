/* A reply of edxd as text for people. */
#ifndef EDX_CLIENT_REPLY_H
#define EDX_CLIENT_REPLY_H

#include <stdio.h>

#include "proto/wire.h"

/* STATE with the daemon's own words when the reply says that it is not ok; MISSING or TYPE when it
 * is no reply. */
edx_status edx_reply_check(const edx_node *reply, edx_error *err);
/* Prints an ok reply to the command: a profile as a table, a value as edxctl set takes it, all else
 * one key a line. */
void edx_reply_print(FILE *to, const char *command, const edx_node *reply);

#endif
