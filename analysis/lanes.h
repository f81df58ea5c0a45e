/* How passes over pixels are cut into pieces that are summed one by one: what a sum is made of, and
 * so how it is rounded, depends on the number of pixels alone, not on who adds which piece. */
#ifndef EDX_ANALYSIS_LANES_H
#define EDX_ANALYSIS_LANES_H

#include <assert.h>
#include <stdint.h>

#define EDX_LANE_PIXELS 512u /* at least, where there are as many */
#define EDX_LANES_BLOCKS 4u
#define EDX_LANES_PER_BLOCK 16u

static inline uint32_t edx_lanes_between(uint32_t value, uint32_t least, uint32_t most)
{
    return value < least ? least : value > most ? most : value;
}

/* Blocks of pixels, as many lanes in each. */
static inline uint32_t edx_lanes_blocks(uint32_t pixels)
{
    return edx_lanes_between(pixels / EDX_LANE_PIXELS, 1, EDX_LANES_BLOCKS);
}

static inline uint32_t edx_lanes_per_block(uint32_t pixels)
{
    return edx_lanes_between(pixels / edx_lanes_blocks(pixels) / EDX_LANE_PIXELS, 1,
                             EDX_LANES_PER_BLOCK);
}

static inline uint32_t edx_lanes(uint32_t pixels)
{
    return edx_lanes_blocks(pixels) * edx_lanes_per_block(pixels);
}

/* First pixel of lane l of n: it ends where the next one begins. */
static inline uint32_t edx_lanes_first(uint32_t pixels, uint32_t n, uint32_t l)
{
    return (uint32_t)((uint64_t)pixels * l / n);
}

/* The lane of n in which a pixel is. */
static inline uint32_t edx_lanes_of(uint32_t pixels, uint32_t n, uint32_t pixel)
{
    assert(pixel < pixels);
    return (uint32_t)((((uint64_t)pixel + 1) * n + pixels - 1) / pixels) - 1;
}

#endif
