/* The loops over a pixel's slots, in several instruction sets. Only the pass, its tests and
 * benchmarks include this. */
#ifndef EDX_ANALYSIS_PASS_KERNELS_H
#define EDX_ANALYSIS_PASS_KERNELS_H

#include <stdint.h>

#include "analysis/pass.h"
#include "analysis/scene_kernels.h"
#include "analysis/scene_rows.h"

/* values[place * 256 + digit] is what a slot is worth. */
#define EDX_PASS_VALUES (EDX_ROW_PLACES * 256u)

/* sum [EDX_PASS] += sum over slots of value * w[map[channel]]; no map (NULL): of w[channel]. */
typedef void edx_pass_dot(const edx_scene_row *row, const uint16_t *map, const float *values,
                          const float *w, float *sum);
/* y[map[channel]] += value * u [EDX_PASS] for every slot. */
typedef void edx_pass_spread(const edx_scene_row *row, const uint16_t *map, const float *values,
                             const float *u, float *y);

/* gram [EDX_PASS, EDX_PASS] += scale * u u' */
typedef void edx_pass_outer(float scale, const float *u, float *gram);

typedef struct edx_pass_kernel {
    edx_pass_dot *dot;
    edx_pass_spread *spread;
    edx_pass_outer *outer;
} edx_pass_kernel;

/* The loops in one instruction set; NULL where compiler or processor has none. */
const edx_pass_kernel *edx_pass_kernel_get(edx_kernel_set set);
/* The fastest ones here. */
const edx_pass_kernel *edx_pass_kernel_best(void);

/* Makes a pass use these loops. */
void edx_pass_use(edx_pass *pass, const edx_pass_kernel *kernel);

#endif
