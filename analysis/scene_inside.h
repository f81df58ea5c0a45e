/* What a scene consists of. Only the scene's own files include this. */
#ifndef EDX_ANALYSIS_SCENE_INSIDE_H
#define EDX_ANALYSIS_SCENE_INSIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/pool.h"
#include "analysis/scene_rows.h"
#include "analysis/scene_strip.h"

/* What each thread writes alone. */
typedef struct edx_scene_worker {
    uint64_t *spectrum; /* [channels] of this call */
    uint32_t *tally;    /* [channels], zero between uses */
} edx_scene_worker;

/* The counts of one group of frames. */
typedef struct edx_scene_store {
    edx_strip *strips;  /* [n_strips]; NULL until something comes */
    uint64_t *spectrum; /* [channels]; NULL where there are no groups */
    uint64_t exposure;  /* pixels that came */
} edx_scene_store;

/* Either counts of its own, or (of) some that another one has, seen through bins. */
struct edx_scene {
    uint32_t rows, cols, channels;
    uint32_t pixels, n_strips;
    uint64_t counts;
    uint64_t changes; /* counts them */
    const edx_kernel *kernel;
    edx_pool *pool;
    uint32_t groups;
    edx_scene_store *stores; /* [groups + 1] the last: of no group */
    uint64_t *spectrum;
    uint64_t *all; /* [channels] of all processes; NULL: never shared */
    uint64_t all_counts;
    bool shared; /* those are up to date */
    uint64_t *pixel_counts;
    uint32_t *exposure;
    uint32_t n_workers;
    edx_scene_worker *workers;
    const edx_scene *of;
    uint32_t group, bin; /* of it */
    const uint16_t *map; /* [of->channels] its channels; channels for none */
    uint64_t seen;       /* its changes when spectrum and counts were made */
    uint16_t *keys;      /* a pixel, put together, with the most slots that it can have */
    uint8_t *digits;
};

/* Takes memory for what comes to a group; false where there is none. */
bool edx_scene_open_store(edx_scene *scene, uint32_t group);
/* Slots of a piece of a pixel (analysis/scene_rows.h); false where nothing came. */
bool edx_scene_open_piece(const edx_scene *scene, uint32_t pixel, uint32_t piece, edx_slots *out);
/* All pieces of a view's pixel, its channels for the scene's. */
edx_scene_row edx_scene_whole(const edx_scene *view, uint32_t pixel);
/* Brings a view's spectrum and counts up to date; nothing for others. */
void edx_scene_look(const edx_scene *scene);

static inline uint32_t edx_scene_strip_pixels(const edx_scene *scene, uint32_t s)
{
    uint32_t rest = scene->pixels - s * EDX_STRIP;
    return rest < EDX_STRIP ? rest : EDX_STRIP;
}

#endif
