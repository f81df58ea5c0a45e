#include "client/web_parcel.h"

#include <stdlib.h>
#include <string.h>

#define PLAIN 0
#define DEFLATED 1
#define WORTH_DEFLATING 512 /* bytes */

edx_parcel *edx_parcel_new(size_t size)
{
    if (size > SIZE_MAX - sizeof(edx_parcel))
        return NULL;
    edx_parcel *parcel = malloc(sizeof *parcel + size);
    if (!parcel)
        return NULL;
    *parcel = (edx_parcel){.references = 1, .topic = EDX_RESULT_TOPICS, .size = size};
    return parcel;
}

edx_parcel *edx_parcel_keep(edx_parcel *parcel)
{
    parcel->references++;
    return parcel;
}

void edx_parcel_drop(edx_parcel **parcel)
{
    if (*parcel && --(*parcel)->references == 0)
        free(*parcel);
    *parcel = NULL;
}

/* What is not needed goes back; a parcel may live for long. */
static edx_parcel *cut(edx_parcel *parcel, size_t size)
{
    parcel->size = size;
    edx_parcel *smaller = realloc(parcel, sizeof *parcel + size);
    if (!smaller)
        return parcel;
    return smaller;
}

edx_parcel *edx_parcel_wrap(const edx_pack *pack, edx_deflater *deflater)
{
    const size_t n = edx_pack_size(pack);
    size_t packed = 0;
    edx_parcel *parcel = edx_pack_status(pack) ? NULL : edx_parcel_new(1 + n);
    if (!parcel)
        return NULL;
    if (deflater && n >= WORTH_DEFLATING)
        packed = edx_deflater_pack(deflater, edx_pack_data(pack), n, parcel->bytes + 1, n - n / 8);
    parcel->bytes[0] = packed ? DEFLATED : PLAIN;
    if (packed)
        return cut(parcel, 1 + packed);
    memcpy(parcel->bytes + 1, edx_pack_data(pack), n);
    return parcel;
}

edx_parcel *edx_parcel_refusal(edx_pack *pack, uint64_t viewer, uint64_t id, const char *why)
{
    edx_pack_reset(pack);
    edx_pack_map(pack, 3);
    edx_pack_text(pack, "type");
    edx_pack_text(pack, "reply");
    edx_pack_text(pack, "id");
    edx_pack_uint(pack, id);
    edx_pack_text(pack, "reply");
    edx_pack_map(pack, 2);
    edx_pack_text(pack, "ok");
    edx_pack_bool(pack, false);
    edx_pack_text(pack, "error");
    edx_pack_text(pack, why);
    edx_parcel *parcel = edx_parcel_wrap(pack, NULL);
    if (parcel)
        parcel->viewer = viewer;
    return parcel;
}
