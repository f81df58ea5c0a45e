/* One message or reply as it came, kept by whoever shows it. */
#ifndef EDX_CLIENT_MESSAGE_H
#define EDX_CLIENT_MESSAGE_H

#include <stddef.h>

#include "proto/result.h"

typedef struct edx_message {
    edx_result_topic topic; /* EDX_RESULT_TOPICS: a reply */
    double arrival;         /* monotonic, s */
    size_t size;
    unsigned char body[];
} edx_message;

/* A copy of n bytes; NULL without memory. */
edx_message *edx_message_new(edx_result_topic topic, double arrival, const void *body, size_t n);
void edx_message_free(edx_message **message);

/* A topic from its long or short name ("edx.maps", "maps"); EDX_RESULT_TOPICS when it is none. */
edx_result_topic edx_topic_from_name(const char *name);
/* The short names of all topics, separated by blanks, for a usage error; out holds size bytes. */
void edx_topic_names(char *out, size_t size);

#endif
