/* From a published body to what browsers get: the same, but large arrays of floats as u16 planes,
 * which take half the bytes and compress. doc/web.md has the form. */
#ifndef EDX_CLIENT_WEB_QUANTISE_H
#define EDX_CLIENT_WEB_QUANTISE_H

#include "proto/wire.h"

/* Arrays of floats with at least two dimensions and this many elements are quantised. */
#define EDX_QUANTISE_FROM 1024
#define EDX_QUANTISE_LEVELS 65534
#define EDX_QUANTISE_MISSING 65535

typedef struct edx_quantiser edx_quantiser;

/* Keeps its buffers between messages. NULL without memory. */
edx_quantiser *edx_quantiser_new(void);
void edx_quantiser_free(edx_quantiser **quantiser);

/* Appends body to pack. value = offset + scale * q to within scale / 2, per plane (its last two
 * dimensions); what is not finite becomes EDX_QUANTISE_MISSING. An array whose data do not fit its
 * shape is copied as it is. Errors: NOMEM. */
edx_status edx_quantise(edx_quantiser *quantiser, const edx_node *body, edx_pack *pack,
                        edx_error *err);

#endif
