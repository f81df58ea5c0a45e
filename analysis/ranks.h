/* Several processes that analyse one acquisition together. Each goes through all messages, but adds
 * the counts of its own rows alone; what then is summed over pixels is summed over all of them, and
 * from there on every process computes the same. */
#ifndef EDX_ANALYSIS_RANKS_H
#define EDX_ANALYSIS_RANKS_H

#include <stddef.h>
#include <stdint.h>

#include "proto/array.h"

typedef struct edx_ranks {
    uint32_t rank, n; /* this process of how many; 2 at least */
    void *context;
    /* Replaces count values by their sums over all processes: the same to the last bit in all. */
    void (*sum)(void *context, edx_dtype type, void *values, size_t count);
} edx_ranks;

/* Whose a row of analysis pixels is. Rows are dealt out one by one: neighbours hold as many counts.
 */
static inline uint32_t edx_ranks_owner(const edx_ranks *ranks, uint32_t row)
{
    return row % ranks->n;
}

#endif
