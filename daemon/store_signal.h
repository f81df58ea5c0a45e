/* HyperSpy's file format (.hspy 3.1): signals with axes and metadata, as groups of /Experiments.
 * Everything goes into the current group of an edx_h5. */
#ifndef EDX_DAEMON_STORE_SIGNAL_H
#define EDX_DAEMON_STORE_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/h5.h"
#include "proto/frame.h"

#define EDX_SIGNAL_CHUNK_BYTES 1000000u /* what HyperSpy aims at */

/* What says that the file is HyperSpy's; enters /Experiments. */
void edx_signal_start(edx_h5 *h5);
/* Enters the group of a signal: its title where HDF5 can take it as a name, like HyperSpy with '-'
 * for '/'; other where the title would be the group itself. */
void edx_signal_enter(edx_h5 *h5, const char *title, const char *other);

/* Attributes. */
void edx_signal_text(edx_h5 *h5, const char *key, const char *text);
void edx_signal_float(edx_h5 *h5, const char *key, double value); /* NaN: left out */
void edx_signal_integer(edx_h5 *h5, const char *key, uint64_t value);

typedef struct edx_signal_axis {
    const char *name, *units;
    double offset, scale;
    uint64_t size;
    bool navigate; /* else a dimension of the signal */
    bool binned;   /* values are integrals over a bin: counts of a channel */
} edx_signal_axis;

/* Of the dimension of that index, 0 the slowest. */
void edx_signal_put_axis(edx_h5 *h5, uint32_t index, const edx_signal_axis *axis);
/* The group General of the metadata. No date: a recording played again has another, and the same
 * file. */
void edx_signal_general(edx_h5 *h5, const char *title);
/* A list of texts, as metadata hold it; without texts nothing. */
void edx_signal_texts(edx_h5 *h5, const char *name, const char *const *texts, uint64_t n);
/* A dataset in chunks of about EDX_SIGNAL_CHUNK_BYTES: HyperSpy asks for chunks of everything that
 * it reads lazily, were it small. No size is 0. */
void edx_signal_array(edx_h5 *h5, const char *name, edx_h5_type type, uint32_t ndim,
                      const uint64_t *shape, const void *data);

#endif
