#include "client/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "edx."

edx_message *edx_message_new(edx_result_topic topic, double arrival, const void *body, size_t n)
{
    if (n > SIZE_MAX - sizeof(edx_message))
        return NULL;
    edx_message *message = malloc(sizeof *message + n);
    if (!message)
        return NULL;
    message->topic = topic;
    message->arrival = arrival;
    message->size = n;
    if (n)
        memcpy(message->body, body, n);
    return message;
}

void edx_message_free(edx_message **message)
{
    free(*message);
    *message = NULL;
}

edx_result_topic edx_topic_from_name(const char *name)
{
    edx_result_topic topic = edx_result_topic_parse(name, strlen(name));
    if (topic != EDX_RESULT_TOPICS || strchr(name, '.'))
        return topic;
    char full[64];
    int n = snprintf(full, sizeof full, PREFIX "%s", name);
    if (n < 0 || (size_t)n >= sizeof full)
        return EDX_RESULT_TOPICS;
    return edx_result_topic_parse(full, (size_t)n);
}

void edx_topic_names(char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < EDX_RESULT_TOPICS && used < size; i++) {
        const char *name = edx_result_topic_name((edx_result_topic)i) + strlen(PREFIX);
        int n = snprintf(out + used, size - used, "%s%s", i ? " " : "", name);
        used += n > 0 ? (size_t)n : 0;
    }
}
