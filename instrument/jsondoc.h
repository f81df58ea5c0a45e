/* A JSON text that can be asked for what stands at a path. The one file behind this header is the
 * only one of the instrument that includes jansson. */
#ifndef EDX_INSTRUMENT_JSONDOC_H
#define EDX_INSTRUMENT_JSONDOC_H

#include <stddef.h>

#include "proto/status.h"

typedef struct edx_jsondoc edx_jsondoc;

/* The first n bytes, or up to a NUL. DECODE says where it is wrong. */
edx_status edx_jsondoc_parse(const char *text, size_t n, edx_jsondoc **out, edx_error *err);
void edx_jsondoc_free(edx_jsondoc **doc);

/* A path is keys with '/' between them. Each is NULL, NaN or 0 where there is nothing of that kind;
 * doc may be NULL. A number may stand as text, as Velox writes them. */
const char *edx_jsondoc_text(const edx_jsondoc *doc, const char *path);
double edx_jsondoc_number(const edx_jsondoc *doc, const char *path);
/* How many values a list or a map has, the key of the i-th of a map, the i-th number of a list. */
size_t edx_jsondoc_count(const edx_jsondoc *doc, const char *path);
const char *edx_jsondoc_key(const edx_jsondoc *doc, const char *path, size_t i);
double edx_jsondoc_item(const edx_jsondoc *doc, const char *path, size_t i);

#endif
