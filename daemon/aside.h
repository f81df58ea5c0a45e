/* A file written aside, in the folder where it will stand, and renamed into place when it is whole:
 * at any instant the name holds all of the old file or all of the new one. */
#ifndef EDX_DAEMON_ASIDE_H
#define EDX_DAEMON_ASIDE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/status.h"

typedef struct edx_aside edx_aside;

/* Opens <dir>/<name>.partial, emptied, for what will be <dir>/<name>. IO, NOMEM. */
edx_status edx_aside_new(const char *dir, const char *name, edx_aside **out, edx_error *err);
/* Closes and removes the partial file, if it was not committed. */
void edx_aside_free(edx_aside **aside);

/* Writes n bytes at offset. A failure sticks: every later write does nothing, and commit tells. So
 * a library in between need not understand that a disk can be full. */
void edx_aside_write(edx_aside *aside, uint64_t offset, const void *bytes, size_t n);
/* Reads n bytes back; zeros where nothing was written. */
void edx_aside_read(edx_aside *aside, uint64_t offset, void *bytes, size_t n);
void edx_aside_resize(edx_aside *aside, uint64_t size);
uint64_t edx_aside_size(const edx_aside *aside);
/* errno of the first failure; 0: none. */
int edx_aside_errno(const edx_aside *aside);

/* Puts the file in its place, on the disk and not only in memory, and frees the instance. On error
 * the partial file is gone and what stood in its place stands there still; only where the folder
 * refuses its sync is the new file there already. IO. */
edx_status edx_aside_commit(edx_aside **aside, edx_error *err);

#endif
