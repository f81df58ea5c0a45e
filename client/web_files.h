/* The page's files, read once at start, and the files of runs. What a URL says is looked up in the
 * list, or checked character by character: it never becomes a path by itself. */
#ifndef EDX_CLIENT_WEB_FILES_H
#define EDX_CLIENT_WEB_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

#define EDX_ETAG_SIZE 32

/* A file's bytes, as they are or compressed by gzip. */
typedef struct edx_web_blob {
    unsigned char *bytes;
    size_t size;
    char etag[EDX_ETAG_SIZE]; /* with its quotes; empty: there is no such blob */
} edx_web_blob;

typedef struct edx_web_file {
    char *name;
    const char *type; /* Content-Type */
    edx_web_blob plain, gzip;
} edx_web_file;

typedef struct edx_web_files edx_web_files;

/* Reads the regular files of a folder whose names are of A-Z a-z 0-9 . _ - and end as one of the
 * kinds known; NAME.gz goes with NAME. Errors: IO, MISSING (no index.html), LIMIT (over 64 MB),
 * NOMEM. */
edx_status edx_web_files_read(const char *root, edx_web_files **out, edx_error *err);
void edx_web_files_free(edx_web_files **files);

/* The file of a URL's path ("/" is index.html), or NULL. */
const edx_web_file *edx_web_files_find(const edx_web_files *files, const char *path);

/* The content type of a name's ending; NULL when the kind is unknown. */
const char *edx_content_type(const char *name);

/* Opens "/runs/ACQ/FILE" below the folder dir, without following a link; *fd is the caller's.
 * Errors: MISSING (no such path, no such file), IO. */
edx_status edx_run_file_open(const char *dir, const char *path, int *fd, uint64_t *size,
                             edx_error *err);

#endif
