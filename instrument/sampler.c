#include "instrument/sampler.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct component {
    edx_alias *channels;
    edx_alias *pixels; /* NULL: uniform */
} component;

typedef struct count {
    uint32_t pixel;
    uint16_t channel;
} count;

struct edx_sampler {
    uint32_t pixels, channels;
    uint32_t n_components;
    component components[EDX_SAMPLER_COMPONENTS];
    uint32_t *offsets; /* [pixels + 1] */
    count *drawn;      /* [capacity] in the order of drawing */
    uint16_t *sorted;  /* [capacity] channels in pixel order */
    size_t capacity;
};

edx_sampler *edx_sampler_new(uint32_t pixels, uint32_t channels)
{
    edx_sampler *sampler = calloc(1, sizeof *sampler);
    if (!sampler)
        return NULL;
    sampler->pixels = pixels;
    sampler->channels = channels;
    sampler->offsets = calloc((size_t)pixels + 1, sizeof *sampler->offsets);
    if (!sampler->offsets)
        edx_sampler_free(&sampler);
    return sampler;
}

void edx_sampler_free(edx_sampler **sampler)
{
    if (!*sampler)
        return;
    for (uint32_t c = 0; c < EDX_SAMPLER_COMPONENTS; c++) {
        edx_alias_free(&(*sampler)->components[c].channels);
        edx_alias_free(&(*sampler)->components[c].pixels);
    }
    free((*sampler)->offsets);
    free((*sampler)->drawn);
    free((*sampler)->sorted);
    free(*sampler);
    *sampler = NULL;
}

static edx_status no_memory(edx_error *err)
{
    return edx_fail(err, EDX_E_NOMEM, "no memory for the simulated counts");
}

edx_status edx_sampler_add(edx_sampler *sampler, const double *spectrum, edx_error *err)
{
    if (sampler->n_components == EDX_SAMPLER_COMPONENTS)
        return edx_fail(err, EDX_E_RANGE, "more than %d components", EDX_SAMPLER_COMPONENTS);
    component *added = &sampler->components[sampler->n_components];
    added->channels = edx_alias_new(sampler->channels);
    if (!added->channels)
        return no_memory(err);
    edx_status status = edx_alias_set(added->channels, spectrum, err);
    if (status != EDX_OK)
        edx_alias_free(&added->channels);
    else
        sampler->n_components++;
    return status;
}

edx_status edx_sampler_map(edx_sampler *sampler, uint32_t index, const double *map, edx_error *err)
{
    component *mapped = &sampler->components[index];
    if (!mapped->pixels)
        mapped->pixels = edx_alias_new(sampler->pixels);
    return mapped->pixels ? edx_alias_set(mapped->pixels, map, err) : no_memory(err);
}

static bool reserve(edx_sampler *sampler, size_t n)
{
    if (n <= sampler->capacity)
        return true;
    size_t capacity = n + n / 4;
    count *drawn = realloc(sampler->drawn, capacity * sizeof *drawn);
    if (drawn)
        sampler->drawn = drawn;
    uint16_t *sorted = realloc(sampler->sorted, capacity * sizeof *sorted);
    if (sorted)
        sampler->sorted = sorted;
    if (drawn && sorted)
        sampler->capacity = capacity;
    return drawn && sorted;
}

/* n counts of one component into drawn; offsets[p + 1] counts those of pixel p. */
static void draw_component(edx_sampler *sampler, const component *from, edx_random *random,
                           count *drawn, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        uint32_t pixel = from->pixels ? edx_alias_draw(from->pixels, random)
                                      : edx_random_below(random, sampler->pixels);
        drawn[i] = (count){pixel, (uint16_t)edx_alias_draw(from->channels, random)};
        sampler->offsets[pixel + 1]++;
    }
}

/* Counting sort: offsets become starts, move through their pixel, and are set back. */
static void sort_by_pixel(edx_sampler *sampler, size_t n)
{
    uint32_t *offsets = sampler->offsets;
    for (uint32_t p = 0; p < sampler->pixels; p++)
        offsets[p + 1] += offsets[p];
    for (size_t i = 0; i < n; i++)
        sampler->sorted[offsets[sampler->drawn[i].pixel]++] = sampler->drawn[i].channel;
    memmove(offsets + 1, offsets, sampler->pixels * sizeof *offsets);
    offsets[0] = 0;
}

edx_status edx_sampler_draw(edx_sampler *sampler, edx_random *random, const double *mean,
                            edx_events *out, edx_error *err)
{
    size_t n = 0;
    memset(sampler->offsets, 0, ((size_t)sampler->pixels + 1) * sizeof *sampler->offsets);
    for (uint32_t c = 0; c < sampler->n_components; c++) {
        uint64_t more = edx_random_poisson(random, mean[c]);
        if (n + more > UINT32_MAX)
            return edx_fail(err, EDX_E_RANGE, "a frame of %.3g counts, expected at most 4.29e9",
                            (double)n + (double)more);
        if (!reserve(sampler, n + more + 1))
            return no_memory(err);
        draw_component(sampler, &sampler->components[c], random, sampler->drawn + n, more);
        n += more;
    }
    sort_by_pixel(sampler, n);
    *out = (edx_events){
        .pixels = sampler->pixels, .offsets = sampler->offsets, .channels = sampler->sorted};
    return EDX_OK;
}
