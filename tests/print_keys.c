/* Prints the topic and the dotted path of every key that edxd can publish, for tests/docs.sh. */
#include <stdio.h>

#include "proto/result_keys.h"

static void print(const char *topic, const char *prefix, const edx_key *keys)
{
    for (; keys->key; keys++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "." : "", keys->key);
        if (keys->kind != EDX_KEY_GROUP)
            printf("%s %s\n", topic, path);
        if (keys->sub)
            print(topic, path, keys->sub);
    }
}

int main(void)
{
    print("head", "", edx_result_head_keys);
    for (int topic = 0; topic < EDX_RESULT_TOPICS; topic++)
        print(edx_result_topic_name((edx_result_topic)topic), "", edx_result_keys[topic]);
    return 0;
}
