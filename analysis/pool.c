#include "analysis/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define MAX_THREADS 256u
/* Loops follow each other closely: looking this often before sleeping saves most wake-ups. */
#define SPINS 4000

typedef struct helper {
    edx_pool *pool;
    uint32_t worker;
    pthread_t thread;
} helper;

struct edx_pool {
    uint32_t threads;
    uint32_t started;
    pthread_mutex_t lock;
    pthread_cond_t work;    /* a loop opened, or the end */
    pthread_cond_t idle;    /* the last helper left the loop */
    atomic_uint generation; /* counts loops; written under the lock */
    atomic_uint inside;     /* helpers inside the loop; written under the lock */
    bool open;
    bool ending;
    uint32_t chunks;
    edx_pool_task *task;
    void *context;
    atomic_uint next;
    const edx_ranks *ranks;
    helper helpers[];
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void take_chunks(edx_pool *pool, uint32_t worker)
{
    for (;;) {
        uint32_t chunk = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (chunk >= pool->chunks)
            return;
        pool->task(pool->context, chunk, worker);
    }
}

/* Waits for a loop after generation seen; true inside it, false at the end. Holds the lock. */
static bool enter(edx_pool *pool, unsigned *seen)
{
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < SPINS && atomic_load(&pool->generation) == *seen; i++)
        relax();
    pthread_mutex_lock(&pool->lock);
    while (!pool->ending && !(pool->open && atomic_load(&pool->generation) != *seen))
        pthread_cond_wait(&pool->work, &pool->lock);
    *seen = atomic_load(&pool->generation);
    return !pool->ending;
}

static void *help(void *argument)
{
    helper *me = argument;
    edx_pool *pool = me->pool;
    unsigned seen = 0;

    pthread_mutex_lock(&pool->lock);
    while (enter(pool, &seen)) {
        atomic_fetch_add(&pool->inside, 1);
        pthread_mutex_unlock(&pool->lock);
        take_chunks(pool, me->worker);
        pthread_mutex_lock(&pool->lock);
        if (atomic_fetch_sub(&pool->inside, 1) == 1)
            pthread_cond_signal(&pool->idle);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static edx_status start(edx_pool *pool, edx_error *err)
{
    for (uint32_t i = 0; i + 1 < pool->threads; i++) {
        helper *h = &pool->helpers[i];
        *h = (helper){.pool = pool, .worker = i + 1};
        if (pthread_create(&h->thread, NULL, help, h) != 0)
            return edx_fail(err, EDX_E_IO, "thread %u of %u refused, expected to start it", i + 1,
                            pool->threads);
        pool->started++;
    }
    return EDX_OK;
}

edx_status edx_pool_new(uint32_t threads, edx_pool **out, edx_error *err)
{
    if (threads == 0 || threads > MAX_THREADS)
        return edx_fail(err, EDX_E_RANGE, "threads: %u, expected 1 to %u", threads, MAX_THREADS);
    edx_pool *pool = calloc(1, sizeof *pool + (threads - 1) * sizeof pool->helpers[0]);
    if (pool == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for %u threads", threads);
    pool->threads = threads;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->idle, NULL);
    edx_status status = start(pool, err);
    if (status != EDX_OK)
        edx_pool_free(&pool);
    *out = pool;
    return status;
}

void edx_pool_free(edx_pool **pool)
{
    edx_pool *p = *pool;

    *pool = NULL;
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->ending = true;
    atomic_fetch_add(&p->generation, 1);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 0; i < p->started; i++)
        pthread_join(p->helpers[i].thread, NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

uint32_t edx_pool_threads(const edx_pool *pool)
{
    return pool == NULL ? 1 : pool->threads;
}

static void open_loop(edx_pool *pool, uint32_t chunks, edx_pool_task *task, void *context)
{
    pthread_mutex_lock(&pool->lock);
    pool->chunks = chunks;
    pool->task = task;
    pool->context = context;
    atomic_store(&pool->next, 0);
    pool->open = true;
    atomic_fetch_add(&pool->generation, 1);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

/* Lets nobody in any more and waits for those inside. */
static void close_loop(edx_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->open = false;
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < SPINS && atomic_load(&pool->inside) != 0; i++)
        relax();
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->inside) != 0)
        pthread_cond_wait(&pool->idle, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void edx_pool_run(edx_pool *pool, uint32_t chunks, edx_pool_task *task, void *context)
{
    if (pool == NULL || pool->threads == 1 || chunks < 2) {
        for (uint32_t i = 0; i < chunks; i++)
            task(context, i, 0);
        return;
    }
    open_loop(pool, chunks, task, context);
    take_chunks(pool, 0);
    close_loop(pool);
}

/* ---- other processes ---- */

void edx_pool_join(edx_pool *pool, const edx_ranks *ranks)
{
    pool->ranks = ranks;
}

const edx_ranks *edx_pool_ranks(const edx_pool *pool)
{
    return pool == NULL ? NULL : pool->ranks;
}

void edx_pool_sum(const edx_pool *pool, edx_dtype type, void *values, size_t n)
{
    if (pool != NULL && pool->ranks != NULL)
        pool->ranks->sum(pool->ranks->context, type, values, n);
}
