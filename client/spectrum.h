/* Spectra in cells: the sum's, and those of components. */
#ifndef EDX_CLIENT_SPECTRUM_H
#define EDX_CLIENT_SPECTRUM_H

#include "client/canvas.h"
#include "proto/result.h"

/* The sum spectrum, square root over energy, with the elements found in it. */
void edx_spectrum_draw(const edx_spectrum_result *spectrum, edx_canvas *canvas, edx_area area);

/* Row k of spectra [k, E] over energy: square root, or as it is with negative values downwards;
 * axis: whose energies they have, NULL: numbers of channels. */
void edx_component_draw(const edx_array *spectra, uint64_t k, const edx_spectrum_result *axis,
                        edx_canvas *canvas, edx_area area);

#endif
