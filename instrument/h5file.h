/* HDF5 files as they are read: groups, texts, attributes, blocks of datasets. The one file behind
 * this header is the only one of the instrument that includes HDF5. */
#ifndef EDX_INSTRUMENT_H5FILE_H
#define EDX_INSTRUMENT_H5FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/array.h"
#include "proto/status.h"

#define EDX_H5FILE_NAME 128
#define EDX_H5FILE_TEXT_MAX 16777216u /* bytes of a text that is believed */

typedef struct edx_h5file edx_h5file;

/* IO, or DECODE with HDF5's reason. */
edx_status edx_h5file_open(const char *path, edx_h5file **out, edx_error *err);
void edx_h5file_free(edx_h5file **file);

/* True when there is a group or dataset at path (absolute, from "/"). */
bool edx_h5file_has(edx_h5file *file, const char *path);
/* The name of the index-th member of a group, in order of names. MISSING where there is no such
 * group or it has no more. */
edx_status edx_h5file_child(edx_h5file *file, const char *group, uint32_t index,
                            char name[EDX_H5FILE_NAME], edx_error *err);
/* The index-th text of a dataset of texts; free() it. MISSING, TYPE, LIMIT, DECODE. */
edx_status edx_h5file_text(edx_h5file *file, const char *path, uint64_t index, char **out,
                           edx_error *err);
/* An attribute of a group: a number, or a text cut to size. False where there is none such. */
bool edx_h5file_number(edx_h5file *file, const char *group, const char *name, double *out);
bool edx_h5file_label(edx_h5file *file, const char *group, const char *name, char *out,
                      size_t size);

/* A dataset of numbers. */
typedef struct edx_h5set edx_h5set;

typedef struct edx_h5set_facts {
    bool floats, is_signed;
    uint32_t bytes; /* of an element */
    uint32_t ndim;  /* at most EDX_MAX_DIM */
    uint64_t shape[EDX_MAX_DIM];
    uint64_t stored; /* bytes in the file, compressed as they are */
} edx_h5set_facts;

/* Chunks are kept decompressed, up to cache bytes of them. MISSING, TYPE when it holds no
 * numbers or has too many dimensions, LIMIT for chunks of more than 64 MiB. */
edx_status edx_h5set_open(edx_h5file *file, const char *path, size_t cache, edx_h5set **out,
                          edx_error *err);
void edx_h5set_free(edx_h5set **set);
edx_h5set_facts edx_h5set_about(const edx_h5set *set);
/* A block [ndim] into out, converted to dtype. RANGE when it is not inside, DECODE. */
edx_status edx_h5set_read(edx_h5set *set, edx_dtype dtype, const uint64_t *start,
                          const uint64_t *count, void *out, edx_error *err);

#endif
