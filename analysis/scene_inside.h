/* What a scene consists of. Only the scene's own files include this. */
#ifndef EDX_ANALYSIS_SCENE_INSIDE_H
#define EDX_ANALYSIS_SCENE_INSIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/pool.h"
#include "analysis/scene_strip.h"

/* What each thread writes alone. */
typedef struct edx_scene_worker {
    uint64_t *spectrum; /* [channels] of this call */
    uint32_t *tally;    /* [channels], zero between uses */
} edx_scene_worker;

struct edx_scene {
    uint32_t rows, cols, channels;
    uint32_t pixels, n_strips;
    uint64_t counts;
    const edx_kernel *kernel;
    edx_pool *pool;
    edx_strip *strips;
    uint64_t *spectrum;
    uint64_t *all; /* [channels] of all processes; NULL: never shared */
    uint64_t all_counts;
    bool shared; /* those are up to date */
    uint64_t *pixel_counts;
    uint32_t *exposure;
    uint32_t n_workers;
    edx_scene_worker *workers;
};

static inline uint32_t edx_scene_strip_pixels(const edx_scene *scene, uint32_t s)
{
    uint32_t rest = scene->pixels - s * EDX_STRIP;
    return rest < EDX_STRIP ? rest : EDX_STRIP;
}

#endif
