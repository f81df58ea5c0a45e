#include "client/web_deflate.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

/* Noisy maps shrink by a fiftieth more at level 3, which takes half as long again. */
#define LEVEL 1
#define RAW_WINDOW_BITS (-15)
#define MEMORY_LEVEL 8

struct edx_deflater {
    z_stream stream;
};

edx_deflater *edx_deflater_new(void)
{
    edx_deflater *deflater = calloc(1, sizeof *deflater);
    if (deflater && deflateInit2(&deflater->stream, LEVEL, Z_DEFLATED, RAW_WINDOW_BITS,
                                 MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(deflater);
        return NULL;
    }
    return deflater;
}

void edx_deflater_free(edx_deflater **deflater)
{
    if (*deflater)
        deflateEnd(&(*deflater)->stream);
    free(*deflater);
    *deflater = NULL;
}

size_t edx_deflater_pack(edx_deflater *deflater, const void *bytes, size_t n, void *out,
                         size_t room)
{
    z_stream *z = &deflater->stream;
    if (n > UINT_MAX || deflateReset(z) != Z_OK)
        return 0;
    z->next_in = (z_const Bytef *)bytes;
    z->avail_in = (uInt)n;
    z->next_out = out;
    z->avail_out = room > UINT_MAX ? UINT_MAX : (uInt)room;
    return deflate(z, Z_FINISH) == Z_STREAM_END ? z->total_out : 0;
}
