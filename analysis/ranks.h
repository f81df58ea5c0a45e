/* Several processes that analyse one acquisition together. Each goes through all messages, but adds
 * the counts of its own pixels alone; what then is summed over pixels is summed over all of them,
 * and from there on every process computes the same. */
#ifndef EDX_ANALYSIS_RANKS_H
#define EDX_ANALYSIS_RANKS_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/lanes.h"
#include "proto/array.h"

typedef struct edx_ranks {
    uint32_t rank, n; /* this process of how many; 2 at least */
    void *context;
    /* Replaces count values by their sums over all processes: the same to the last bit in all. */
    void (*sum)(void *context, edx_dtype type, void *values, size_t count);
} edx_ranks;

#define EDX_RANKS_RUN 64u /* pixels */

/* Whose an analysis pixel of pixels is. Lanes, which are bands of rows, are dealt out whole: what
 * they sum is then rounded as it is in one process. Where there are more processes than lanes in a
 * block, runs of pixels are dealt. */
static inline uint32_t edx_ranks_owner(const edx_ranks *ranks, uint32_t pixels, uint32_t pixel)
{
    uint32_t lanes = edx_lanes(pixels);

    if (ranks->n <= EDX_LANES_PER_BLOCK)
        return edx_lanes_of(pixels, lanes, pixel) % ranks->n;
    return pixel / EDX_RANKS_RUN % ranks->n;
}

/* Rows and columns of analysis pixels, each of bin x bin pixels of the scan. */
typedef struct edx_ranks_grid {
    uint32_t rows, cols, bin;
} edx_ranks_grid;

/* Whose a pixel of the scan is: those that fill no analysis pixel are with the last. */
static inline uint32_t edx_ranks_owner_at(const edx_ranks *ranks, const edx_ranks_grid *grid,
                                          uint32_t row, uint32_t col)
{
    uint32_t y = row / grid->bin, x = col / grid->bin;

    y = y < grid->rows ? y : grid->rows - 1;
    x = x < grid->cols ? x : grid->cols - 1;
    return edx_ranks_owner(ranks, grid->rows * grid->cols, y * grid->cols + x);
}

#endif
