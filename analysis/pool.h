/* A few threads that share one loop. The owner decides how many there are and when they end. */
#ifndef EDX_ANALYSIS_POOL_H
#define EDX_ANALYSIS_POOL_H

#include <stdint.h>

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

#endif
