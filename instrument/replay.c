#include "instrument/replay.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "instrument/apart.h"
#include "instrument/hspy.h"
#include "instrument/jeol.h"
#include "instrument/recorded.h"
#include "instrument/velox.h"

struct edx_replay {
    const edx_source *calls;
    void *source;
};

static const edx_source *const formats[] = {&edx_recorded_source, &edx_jeol_source,
                                            &edx_velox_source, &edx_hspy_source};

const edx_source *edx_replay_format(const char *path)
{
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending && i < sizeof formats / sizeof *formats; i++)
        if (strcasecmp(ending, formats[i]->ending) == 0)
            return formats[i];
    return formats[0];
}

edx_status edx_replay_open(const char *path, const edx_source_options *options, edx_replay **out,
                           edx_error *err)
{
    static const edx_source_options none = {0};
    *out = NULL;
    edx_replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    const edx_source *format = edx_replay_format(path);
    options = options ? options : &none;
    replay->calls = format->apart ? &edx_apart_source : format;
    edx_status status = format->apart ? edx_apart_open(format, path, options, &replay->source, err)
                                      : format->open(path, options, &replay->source, err);
    if (status != EDX_OK)
        edx_replay_free(&replay);
    *out = replay;
    return status;
}

void edx_replay_free(edx_replay **replay)
{
    if (!*replay)
        return;
    if ((*replay)->source)
        (*replay)->calls->close((*replay)->source);
    free(*replay);
    *replay = NULL;
}

edx_status edx_replay_next(edx_replay *replay, edx_source_message *out, edx_error *err)
{
    return replay->calls->next(replay->source, out, err);
}

void edx_replay_settle(edx_replay *replay)
{
    replay->calls->settle(replay->source);
}

uint64_t edx_replay_position(const edx_replay *replay)
{
    return replay->calls->position(replay->source);
}

uint64_t edx_replay_size(const edx_replay *replay)
{
    return replay->calls->size(replay->source);
}
