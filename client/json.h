/* A parsed message as one line of JSON. The one file behind this header is the only one of the
 * clients that includes jansson. */
#ifndef EDX_CLIENT_JSON_H
#define EDX_CLIENT_JSON_H

#include "proto/wire.h"

/* *out is the line without its newline; free() it. A topic (NULL: none) becomes the first key of a
 * map. Arrays become nested lists, NaN and infinities null, bytes a string in base64. NOMEM. */
edx_status edx_json_line(const char *topic, const edx_node *node, char **out, edx_error *err);

#endif
