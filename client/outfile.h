/* A file that is written aside and renamed: there is all of it, or what was there before. */
#ifndef EDX_CLIENT_OUTFILE_H
#define EDX_CLIENT_OUTFILE_H

#include <stdio.h>

#include "proto/status.h"

typedef struct edx_outfile {
    char path[4096], partial[4112];
    FILE *file;
} edx_outfile;

/* A file <dir>/<name>; dir is made where only its last part is missing. IO. */
edx_status edx_outfile_open(edx_outfile *out, const char *dir, const char *name, edx_error *err);
/* Closes it and puts it in place; on error no trace is left. IO. */
edx_status edx_outfile_commit(edx_outfile *out, edx_error *err);
/* Throws away what was not committed. */
void edx_outfile_drop(edx_outfile *out);

#endif
