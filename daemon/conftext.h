/* Configuration text made ready for libconfig: [ ] as ( ), for its arrays hold scalars of one type
 * only; whole numbers beyond 32 bits marked as such, for it would wrap them; what @include names in
 * place, so that this is true of it too. Strings and comments stay as they are. */
#ifndef EDX_DAEMON_CONFTEXT_H
#define EDX_DAEMON_CONFTEXT_H

#include "proto/status.h"

typedef struct edx_conftext edx_conftext;

/* A file with what it includes; a relative name is one beside the file that includes it. Errors
 * name file and line. */
edx_status edx_conftext_file(const char *path, edx_conftext **out, edx_error *err);
/* A text that includes nothing. */
edx_status edx_conftext_text(const char *bytes, edx_conftext **out, edx_error *err);
void edx_conftext_free(edx_conftext **text);

const char *edx_conftext_get(const edx_conftext *text);
/* The file that line of the text comes from, NULL where none is known; the text's. */
const char *edx_conftext_source(const edx_conftext *text, unsigned line);
/* Puts "FILE:LINE: " before err: where line of the text comes from. */
void edx_conftext_at(const edx_conftext *text, unsigned line, edx_error *err);

#endif
