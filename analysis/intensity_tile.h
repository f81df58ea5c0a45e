/* The sums that line maps spend their time in. Only intensity.c, its tests and benchmarks include
 * this. */
#ifndef EDX_ANALYSIS_INTENSITY_TILE_H
#define EDX_ANALYSIS_INTENSITY_TILE_H

#include <stdint.h>

#include "analysis/intensity.h"
#include "analysis/scene_kernels.h"

#define EDX_LANES 32u /* pixels in a tile */

/* A segment that a line counts v times. */
typedef struct edx_term {
    uint32_t cell; /* of the segment's first lane, in a tile */
    double v, v2;
} edx_term;

/* A line's terms, and the tile they are summed in; high (units of 65536) is NULL where all 0. */
typedef struct edx_tile_terms {
    const edx_term *terms;
    uint32_t n;
    const uint16_t *low;
    const uint32_t *high;
} edx_tile_terms;

/* Sums of v and square roots of sums of v^2 in every lane; sigma may be NULL. */
typedef void edx_tile_sum(const edx_tile_terms *terms, float *net, float *sigma);

/* The one of an instruction set; NULL where compiler or processor has none. All give the same bits.
 * Only that of EDX_KERNEL_PLAIN looks at high. */
edx_tile_sum *edx_tile_sum_get(edx_kernel_set set);
/* The fastest one here. */
edx_tile_sum *edx_tile_sum_best(void);

void edx_intensity_use(edx_intensity *intensity, edx_tile_sum *sum);

#endif
