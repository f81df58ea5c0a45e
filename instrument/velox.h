/* Velox spectrum images (.emd, HDF5) as a source: the frames of their spectrum streams, those of
 * all segments of the detector added pixel by pixel. */
#ifndef EDX_INSTRUMENT_VELOX_H
#define EDX_INSTRUMENT_VELOX_H

#include "instrument/source.h"

extern const edx_source edx_velox_source;

#endif
