/* The loops over a pixel's slots that non-negative factors are made of, in several instruction
 * sets. Only the passes, their tests and benchmarks include this. */
#ifndef EDX_ANALYSIS_NMF_KERNELS_H
#define EDX_ANALYSIS_NMF_KERNELS_H

#include <stdint.h>

#include "analysis/scene_kernels.h"
#include "analysis/scene_rows.h"

/* One pixel with counts x: u [width] its weights, h [channels, width] what they weigh, p = h u
 * what is expected. h and s are aligned to 64 bytes.
 *
 * g [width] = sum over slots of x / p h[channel]; s[channel] += x / p u for every slot. p must not
 * be 0 where there is a slot. */
typedef void edx_nmf_step(const edx_scene_row *row, const float *h, const float *u, float *g,
                          float *s);
/* Sum over slots of x log(x / p). */
typedef float edx_nmf_log(const edx_scene_row *row, const float *h, const float *u);

typedef struct edx_nmf_kernel {
    uint32_t width;
    edx_nmf_step *step;
    edx_nmf_log *log;
} edx_nmf_kernel;

#define EDX_NMF_WIDEST 64u

/* The loops for vectors of 8, 16, 32 or 64 in one instruction set; NULL where compiler or processor
 * has none. */
const edx_nmf_kernel *edx_nmf_kernel_get(edx_kernel_set set, uint32_t width);
/* The fastest ones here that hold k, 1 to EDX_NMF_WIDEST. */
const edx_nmf_kernel *edx_nmf_kernel_best(uint32_t k);

#endif
