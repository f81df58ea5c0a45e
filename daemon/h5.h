/* An HDF5 file of groups, attributes and datasets, written once and put in place whole. Equal calls
 * give equal bytes: no times are stored, and nothing depends on what memory held before. */
#ifndef EDX_DAEMON_H5_H
#define EDX_DAEMON_H5_H

#include <stddef.h>
#include <stdint.h>

#include "proto/array.h"
#include "proto/status.h"

typedef struct edx_h5 edx_h5;

#define EDX_H5_MAX_DIM EDX_MAX_DIM
#define EDX_H5_MAX_DEPTH 40

/* Types of values, in the file and in memory. The first are edx_dtype's. */
typedef enum edx_h5_type {
    EDX_H5_U1 = EDX_U1,
    EDX_H5_U2 = EDX_U2,
    EDX_H5_U4 = EDX_U4,
    EDX_H5_U8 = EDX_U8,
    EDX_H5_I4 = EDX_I4,
    EDX_H5_F4 = EDX_F4,
    EDX_H5_F8 = EDX_F8,
    EDX_H5_I8 = EDX_DTYPES,
    EDX_H5_BOOL, /* bool; the enum FALSE, TRUE of 8 bits that h5py reads as bool */
    EDX_H5_TEXT  /* const char *, UTF-8; a string of variable length */
} edx_h5_type;

/* A file that will be <dir>/<name>. Every call below takes an error in silence and makes commit
 * fail with the first one. IO, NOMEM. */
edx_status edx_h5_new(const char *dir, const char *name, edx_h5 **out, edx_error *err);
/* Throws away what was not committed. */
void edx_h5_free(edx_h5 **h5);
/* Closes, syncs and renames into place, and frees the instance. On error no trace is left and what
 * stood there before stands there still. IO, and whatever edx_h5_refuse was told. */
edx_status edx_h5_commit(edx_h5 **h5, edx_error *err);
/* Makes commit fail. */
void edx_h5_refuse(edx_h5 *h5, edx_status code, const char *text);

/* Creates a group in the current one and makes it the current one; leave goes back. A name holds no
 * '/' and is not ".". */
void edx_h5_enter(edx_h5 *h5, const char *name);
void edx_h5_leave(edx_h5 *h5);

/* One value as an attribute of the current group. */
void edx_h5_attribute(edx_h5 *h5, const char *key, edx_h5_type type, const void *value);

/* A dataset in the current group, C order; ndim 0 is a scalar. Data may be unaligned. More than 64
 * KiB are stored in chunks, shuffled and deflated. */
void edx_h5_put(edx_h5 *h5, const char *name, edx_h5_type type, uint32_t ndim,
                const uint64_t *shape, const void *data);

/* A dataset in chunks [ndim], written block by block from start [ndim], size [ndim], and then
 * closed; one is open at a time. Blocks that are whole chunks are fastest. */
void edx_h5_open(edx_h5 *h5, const char *name, edx_h5_type type, uint32_t ndim,
                 const uint64_t *shape, const uint64_t *chunk);
void edx_h5_write(edx_h5 *h5, const uint64_t *start, const uint64_t *size, const void *data);
void edx_h5_close(edx_h5 *h5);

#endif
