/* What the JSON texts of a Velox file say about a spectrum stream. */
#ifndef EDX_INSTRUMENT_VELOX_META_H
#define EDX_INSTRUMENT_VELOX_META_H

#include <stdbool.h>
#include <stdint.h>

#include "instrument/jsondoc.h"
#include "proto/frame.h"
#include "proto/status.h"

typedef struct edx_velox_meta {
    char detector[EDX_NAME_SIZE]; /* BinaryResult/Detector; "" when it has none */
    double index;                 /* BinaryResult/DetectorIndex; NaN when there is none */
    bool map;                     /* false: a single spectrum */
    uint32_t rows, cols;          /* 0: not told */
    uint32_t channels;
    double offset_eV, scale_eV;
    double dwell_s, frame_s; /* frame_s NaN: not told */
    double live;             /* live time per real time; NaN: not told */
    double step_nm[2];
    double beam_keV;
    double probe_nA;       /* NaN: not told */
    double t;              /* Unix time; 0: not told */
    uint32_t segments;     /* detectors that the stream may hold, whose name it has or begins */
    double solid_angle_sr; /* of one segment; NaN when there are several */
    double elevation_deg, azimuth_deg; /* NaN: not told, or the segments differ */
} edx_velox_meta;

/* settings: AcquisitionSettings, metadata: Metadata of the stream. MISSING and RANGE name the key.
 */
edx_status edx_velox_meta_read(const edx_jsondoc *settings, const edx_jsondoc *metadata,
                               edx_velox_meta *out, edx_error *err);

/* Symbol of an element, 1 to 98; NULL for any other number. */
const char *edx_velox_symbol(double z);

#endif
