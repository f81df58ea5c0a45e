/* One message as it goes out to browsers: the same bytes for all of them, made once. */
#ifndef EDX_CLIENT_WEB_PARCEL_H
#define EDX_CLIENT_WEB_PARCEL_H

#include <stddef.h>
#include <stdint.h>

#include "client/web_deflate.h"
#include "proto/result.h"
#include "proto/wire.h"

/* Counted references, of one thread at a time. */
typedef struct edx_parcel edx_parcel;
struct edx_parcel {
    unsigned references;
    edx_result_topic topic; /* EDX_RESULT_TOPICS: no result, goes out without acknowledgement */
    uint64_t serial;        /* of a result */
    uint64_t viewer;        /* of a reply: whose it is */
    edx_parcel *next;       /* for a list of whoever holds the only reference */
    size_t size;
    unsigned char bytes[];
};

/* Uninitialised bytes, one reference; NULL without memory. */
edx_parcel *edx_parcel_new(size_t size);
edx_parcel *edx_parcel_keep(edx_parcel *parcel);
void edx_parcel_drop(edx_parcel **parcel);

/* What pack holds, behind the byte that says whether it is deflated: where that saves an eighth.
 * deflater NULL: never. NULL without memory, or when pack ran out of it. */
edx_parcel *edx_parcel_wrap(const edx_pack *pack, edx_deflater *deflater);

/* The reply {ok: false, error} to question id of a viewer. NULL without memory. */
edx_parcel *edx_parcel_refusal(edx_pack *pack, uint64_t viewer, uint64_t id, const char *why);

#endif
