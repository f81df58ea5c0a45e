/* The search that adding counts spends its time in, in several instruction sets. Only the scene,
 * its tests and benchmarks include this. */
#ifndef EDX_ANALYSIS_SCENE_KERNELS_H
#define EDX_ANALYSIS_SCENE_KERNELS_H

#include <stdint.h>

#include "analysis/scene.h"

#define EDX_EIGHT 8u
#define EDX_WRAPPED 256u
#define EDX_KEYS_PAD 128u /* bytes after the last of n keys that a search may read */

/* Where wanted stands among n different keys: its index, or some number >= n when it is not there.
 * What follows the n keys may be read, and may hold anything. */
typedef uint32_t edx_find(const uint16_t *keys, uint32_t n, uint16_t wanted);

/* Adds 1, modulo 256, to the digits of those of m (1 to EDX_EIGHT) wanted keys that are among n
 * different keys (n < 2^30). digits[i] belongs to keys[i]; the others are counted in digits[spare]
 * .. digits[spare + 7]. Bit m - 1 - k of the answer tells that wanted[k] is there, EDX_WRAPPED that
 * some digit, perhaps a spare one, became 0. */
typedef uint32_t edx_count_eight(const uint16_t *keys, uint32_t n, uint8_t *digits, uint32_t spare,
                                 const uint16_t *wanted, uint32_t m);

typedef struct edx_kernel {
    const char *name;
    edx_find *find;
    edx_count_eight *count_eight;
} edx_kernel;

typedef enum edx_kernel_set {
    EDX_KERNEL_PLAIN,
    EDX_KERNEL_AVX2,
    EDX_KERNEL_AVX512,
    EDX_KERNELS
} edx_kernel_set;

/* The search in one instruction set; NULL where compiler or processor has none. */
const edx_kernel *edx_kernel_get(edx_kernel_set set);
/* The fastest one here. */
const edx_kernel *edx_kernel_best(void);

/* Makes a scene use this search. */
void edx_scene_use(edx_scene *scene, const edx_kernel *kernel);

#endif
