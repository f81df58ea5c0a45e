/* Where an element's counts lie: wide bands of all its lines, for tests that compare counts with
 * counts and need many rather than pure ones. */
#ifndef EDX_ANALYSIS_BANDS_H
#define EDX_ANALYSIS_BANDS_H

#include <stdint.h>

#include "analysis/lines.h"
#include "analysis/windows.h"

/* band [n, E] is 1 in channels of axis where the lines of element i (of an equal amount of all
 * listed elements, under beam_eV, resolution_eV at Mn Ka) are at least a tenth of their highest
 * peak and ten times what any other listed element or C, O, Si, Cu, Cl has there; apart [E] is 1
 * around C Ka, which contamination brings. */
void edx_bands(const edx_line *lines, uint32_t n, const edx_axis *axis, double beam_eV,
               double resolution_eV, uint8_t *band, uint8_t *apart);

#endif
