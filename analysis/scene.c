#include "analysis/scene.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/scene_inside.h"

/* ---- life ---- */

static void free_workers(edx_scene_worker *workers, uint32_t n)
{
    for (uint32_t w = 0; workers != NULL && w < n; w++) {
        free(workers[w].spectrum);
        free(workers[w].tally);
    }
    free(workers);
}

static edx_scene_worker *new_workers(uint32_t n, uint32_t channels)
{
    edx_scene_worker *workers = calloc(n, sizeof *workers);

    for (uint32_t w = 0; workers != NULL && w < n; w++) {
        workers[w].spectrum = calloc(channels, sizeof *workers->spectrum);
        workers[w].tally = calloc(channels, sizeof *workers->tally);
        if (workers[w].spectrum == NULL || workers[w].tally == NULL) {
            free_workers(workers, n);
            return NULL;
        }
    }
    return workers;
}

edx_status edx_scene_set_pool(edx_scene *scene, edx_pool *pool, edx_error *err)
{
    uint32_t n = edx_pool_threads(pool);
    edx_scene_worker *workers = new_workers(n, scene->channels);

    if (workers == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for %u threads of %u channels", n,
                        scene->channels);
    free_workers(scene->workers, scene->n_workers);
    scene->workers = workers;
    scene->n_workers = n;
    scene->pool = pool;
    return EDX_OK;
}

void edx_scene_use(edx_scene *scene, const edx_kernel *kernel)
{
    scene->kernel = kernel;
}

static bool allocate(edx_scene *scene)
{
    scene->strips = calloc(scene->n_strips, sizeof *scene->strips);
    scene->spectrum = calloc(scene->channels, sizeof *scene->spectrum);
    scene->pixel_counts = calloc(scene->pixels, sizeof *scene->pixel_counts);
    scene->exposure = calloc(scene->pixels, sizeof *scene->exposure);
    return scene->strips != NULL && scene->spectrum != NULL && scene->pixel_counts != NULL &&
           scene->exposure != NULL && edx_scene_set_pool(scene, NULL, NULL) == EDX_OK;
}

edx_status edx_scene_new(uint32_t rows, uint32_t cols, uint32_t channels, edx_scene **out,
                         edx_error *err)
{
    uint64_t pixels = (uint64_t)rows * cols;

    if (pixels == 0 || pixels > UINT32_MAX - EDX_STRIP)
        return edx_fail(err, EDX_E_RANGE, "scan of %u x %u pixels, expected 1 to %u", rows, cols,
                        UINT32_MAX - EDX_STRIP);
    if (channels == 0 || channels > EDX_MAX_CHANNELS)
        return edx_fail(err, EDX_E_RANGE, "channels: %u, expected 1 to %u", channels,
                        EDX_MAX_CHANNELS);
    edx_scene *scene = calloc(1, sizeof *scene);
    if (scene != NULL) {
        scene->rows = rows;
        scene->cols = cols;
        scene->channels = channels;
        scene->pixels = (uint32_t)pixels;
        scene->n_strips = (scene->pixels + EDX_STRIP - 1) / EDX_STRIP;
        scene->kernel = edx_kernel_best();
    }
    if (scene == NULL || !allocate(scene)) {
        edx_scene_free(&scene);
        return edx_fail(err, EDX_E_NOMEM, "no memory for a scene of %u x %u pixels", rows, cols);
    }
    *out = scene;
    return EDX_OK;
}

void edx_scene_free(edx_scene **scene)
{
    edx_scene *s = *scene;

    *scene = NULL;
    if (s == NULL)
        return;
    for (uint32_t i = 0; s->strips != NULL && i < s->n_strips; i++)
        free(s->strips[i].buffer);
    free_workers(s->workers, s->n_workers);
    free(s->strips);
    free(s->spectrum);
    free(s->all);
    free(s->pixel_counts);
    free(s->exposure);
    free(s);
}

void edx_scene_clear(edx_scene *scene)
{
    for (uint32_t s = 0; s < scene->n_strips; s++)
        edx_strip_clear(&scene->strips[s], edx_scene_strip_pixels(scene, s));
    memset(scene->spectrum, 0, sizeof *scene->spectrum * scene->channels);
    memset(scene->pixel_counts, 0, sizeof *scene->pixel_counts * scene->pixels);
    memset(scene->exposure, 0, sizeof *scene->exposure * scene->pixels);
    scene->counts = 0;
    scene->shared = false;
}

edx_status edx_scene_share(edx_scene *scene, const edx_pool *pool, edx_error *err)
{
    if (edx_pool_ranks(pool) == NULL)
        return EDX_OK;
    if (scene->all == NULL)
        scene->all = calloc(scene->channels, sizeof *scene->all);
    if (scene->all == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a spectrum of all processes");
    memcpy(scene->all, scene->spectrum, sizeof *scene->all * scene->channels);
    edx_pool_sum(pool, EDX_U8, scene->all, scene->channels);
    scene->all_counts = 0;
    for (uint32_t c = 0; c < scene->channels; c++)
        scene->all_counts += scene->all[c];
    scene->shared = true;
    return EDX_OK;
}

/* ---- what is in it ---- */

void edx_scene_set_exposure(edx_scene *scene, uint32_t pixel, uint32_t frames)
{
    scene->exposure[pixel] = frames;
}

uint32_t edx_scene_rows(const edx_scene *scene)
{
    return scene->rows;
}

uint32_t edx_scene_cols(const edx_scene *scene)
{
    return scene->cols;
}

uint32_t edx_scene_channels(const edx_scene *scene)
{
    return scene->channels;
}

uint64_t edx_scene_counts(const edx_scene *scene)
{
    return scene->shared ? scene->all_counts : scene->counts;
}

const uint64_t *edx_scene_spectrum(const edx_scene *scene)
{
    return scene->shared ? scene->all : scene->spectrum;
}

const uint64_t *edx_scene_pixel_counts(const edx_scene *scene)
{
    return scene->pixel_counts;
}

void edx_scene_uncover(edx_scene *scene, uint32_t row, uint32_t rows, uint32_t col, uint32_t cols)
{
    for (uint32_t y = row; y < row + rows; y++)
        for (uint32_t x = col; x < col + cols; x++)
            scene->exposure[y * scene->cols + x]--;
}

const uint32_t *edx_scene_exposure(const edx_scene *scene)
{
    return scene->exposure;
}

size_t edx_scene_bytes(const edx_scene *scene)
{
    size_t bytes = sizeof *scene + scene->n_strips * sizeof *scene->strips +
                   scene->pixels * (sizeof *scene->pixel_counts + sizeof *scene->exposure) +
                   scene->channels * sizeof *scene->spectrum;

    bytes += scene->n_workers *
             (sizeof *scene->workers +
              scene->channels * (sizeof *scene->workers->spectrum + sizeof *scene->workers->tally));
    for (uint32_t s = 0; s < scene->n_strips; s++)
        bytes += scene->strips[s].bytes;
    return bytes;
}

uint64_t edx_scene_slots(const edx_scene *scene)
{
    uint64_t slots = 0;

    for (uint32_t s = 0; s < scene->n_strips; s++)
        for (uint32_t i = 0; i < edx_scene_strip_pixels(scene, s); i++)
            slots += scene->strips[s].records[i].n;
    return slots;
}

void edx_scene_visit(const edx_scene *scene, uint32_t pixel, edx_scene_visitor *visit,
                     void *context)
{
    const edx_strip *strip = &scene->strips[pixel / EDX_STRIP];

    if (strip->buffer == NULL)
        return;
    edx_slots px = edx_strip_open(strip, pixel % EDX_STRIP);
    bool wide = edx_slots_wide(&px);
    for (uint32_t i = 0; i < px.n; i++) {
        if (px.keys[i] >= EDX_MAX_CHANNELS)
            continue;
        visit(context, px.keys[i], wide ? edx_slots_value(&px, scene->kernel, i) : px.digits[i]);
    }
}

static void keep_largest(void *context, uint32_t channel, uint32_t count)
{
    uint32_t *peak = context;

    (void)channel;
    *peak = count > *peak ? count : *peak;
}

uint32_t edx_scene_peak(const edx_scene *scene)
{
    uint32_t peak = 0;

    for (uint32_t p = 0; p < scene->pixels; p++)
        edx_scene_visit(scene, p, keep_largest, &peak);
    return peak;
}

static void put_dense(void *context, uint32_t channel, uint32_t count)
{
    uint32_t *out = context;

    out[channel] = count;
}

void edx_scene_dense(const edx_scene *scene, uint32_t first, uint32_t n, uint32_t *out)
{
    memset(out, 0, sizeof *out * n * scene->channels);
    for (uint32_t p = 0; p < n; p++)
        edx_scene_visit(scene, first + p, put_dense, out + (size_t)p * scene->channels);
}
