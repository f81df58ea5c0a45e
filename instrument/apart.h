/* A source that is read in a process of its own. HDF5 breaks down on some damaged files; there it
 * takes nothing else with it, and a frame is read while the one before is sent. */
#ifndef EDX_INSTRUMENT_APART_H
#define EDX_INSTRUMENT_APART_H

#include "instrument/source.h"

/* Opens path with format in a child process; *self belongs to edx_apart_source. As format's open;
 * DECODE when the child died. */
edx_status edx_apart_open(const edx_source *format, const char *path,
                          const edx_source_options *options, void **self, edx_error *err);

/* The calls for it, all but open. */
extern const edx_source edx_apart_source;

#endif
