/* JEOL Analysis Station maps and line scans (.pts) as a source: a frame for every sweep. */
#ifndef EDX_INSTRUMENT_JEOL_H
#define EDX_INSTRUMENT_JEOL_H

#include "instrument/source.h"

extern const edx_source edx_jeol_source;

#endif
