/* Raw deflate (RFC 1951). The one file behind this header is the only one of the clients that
 * includes zlib. */
#ifndef EDX_CLIENT_WEB_DEFLATE_H
#define EDX_CLIENT_WEB_DEFLATE_H

#include <stddef.h>

typedef struct edx_deflater edx_deflater;

/* NULL without memory. */
edx_deflater *edx_deflater_new(void);
void edx_deflater_free(edx_deflater **deflater);

/* Deflates n bytes into out, which holds room bytes. The size of what came out; 0 when it does not
 * fit, so that a room smaller than n says how much must be saved. */
size_t edx_deflater_pack(edx_deflater *deflater, const void *bytes, size_t n, void *out,
                         size_t room);

#endif
