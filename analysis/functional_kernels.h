/* The loop over a pixel's slots that functionals spend their time in. Only functional.c, its tests
 * and benchmarks include this. */
#ifndef EDX_ANALYSIS_FUNCTIONAL_KERNELS_H
#define EDX_ANALYSIS_FUNCTIONAL_KERNELS_H

#include <stdint.h>

#include "analysis/functional.h"
#include "analysis/scene_kernels.h"
#include "analysis/scene_rows.h"

#define EDX_FUNCTIONAL_LANES 4u

/* sums [EDX_FUNCTIONAL_LANES] = sum over slots of counts * table[channel]; table is aligned. All
 * give the same where the sums are exact. */
typedef void edx_functional_kernel(const edx_scene_row *row, const double *table, double *sums);

/* The one of an instruction set; NULL where compiler or processor has none. */
edx_functional_kernel *edx_functional_kernel_get(edx_kernel_set set);
/* The fastest one here. */
edx_functional_kernel *edx_functional_kernel_best(void);

/* Makes a functional use this loop. */
void edx_functional_use(edx_functional *functional, edx_functional_kernel *kernel);

#endif
