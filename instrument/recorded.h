/* edxd's own recordings (.edxr) as a source: every record that is a message, repeated begins passed
 * over. */
#ifndef EDX_INSTRUMENT_RECORDED_H
#define EDX_INSTRUMENT_RECORDED_H

#include "instrument/source.h"

extern const edx_source edx_recorded_source;

#endif
