/* A few threads that share one loop, and the other processes (analysis/ranks.h) that do their part
 * of the same. The owner decides how many there are and when they end. */
#ifndef EDX_ANALYSIS_POOL_H
#define EDX_ANALYSIS_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/ranks.h"
#include "proto/array.h"
#include "proto/status.h"

typedef struct edx_pool edx_pool;

/* A loop shared by threads threads, the caller's included (1: no thread is made). RANGE for 0 or
 * more than 256; NOMEM; IO when the system grants no thread. */
edx_status edx_pool_new(uint32_t threads, edx_pool **out, edx_error *err);
/* Ends and joins the threads. */
void edx_pool_free(edx_pool **pool);

/* Threads that take part, the caller's included; 1 for NULL. */
uint32_t edx_pool_threads(const edx_pool *pool);

/* One step of a loop; worker (0 the caller, below edx_pool_threads) names its scratch memory. */
typedef void edx_pool_task(void *context, uint32_t chunk, uint32_t worker);

/* Runs task for chunks 0 .. chunks - 1, each once, in any order, and returns when all are done; all
 * in the caller and in order for NULL. A thread that gets no processor delays nothing: the others
 * take its chunks. One caller at a time; a task must not run another loop of its pool. */
void edx_pool_run(edx_pool *pool, uint32_t chunks, edx_pool_task *task, void *context);

/* How many rows of cols pixels make a chunk, where a pixel takes nanoseconds: with fewer, threads
 * wait for each other's cache lines, and for their turn, as long as they work. */
#define EDX_POOL_PIXELS 4096u
static inline uint32_t edx_pool_rows(uint32_t cols)
{
    return cols < EDX_POOL_PIXELS ? EDX_POOL_PIXELS / cols : 1;
}

/* The pool is that of one of several processes (the caller's, alive as long as the pool): whoever
 * works with it adds the counts of its own pixels alone. */
void edx_pool_join(edx_pool *pool, const edx_ranks *ranks);
/* Those processes; NULL where there is one alone, and for NULL. */
const edx_ranks *edx_pool_ranks(const edx_pool *pool);
/* Replaces n values (EDX_F4, EDX_F8, EDX_U4, EDX_U8) by their sums over all processes, in all of
 * them; nothing where there is one alone. All must come here in the same order. */
void edx_pool_sum(const edx_pool *pool, edx_dtype type, void *values, size_t n);

#endif
