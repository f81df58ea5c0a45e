#include "analysis/scene.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/scene_inside.h"
#include "analysis/scene_rows.h"

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
    scene->stores = calloc(scene->groups + 1, sizeof *scene->stores);
    scene->spectrum = calloc(scene->channels, sizeof *scene->spectrum);
    scene->pixel_counts = calloc(scene->pixels, sizeof *scene->pixel_counts);
    scene->exposure = calloc(scene->pixels, sizeof *scene->exposure);
    return scene->stores != NULL && scene->spectrum != NULL && scene->pixel_counts != NULL &&
           scene->exposure != NULL && edx_scene_set_pool(scene, NULL, NULL) == EDX_OK;
}

static edx_status check_size(uint64_t rows, uint64_t cols, uint32_t channels, uint32_t groups,
                             edx_error *err)
{
    uint64_t pixels = rows * cols;

    if (pixels == 0 || pixels > UINT32_MAX - EDX_STRIP)
        return edx_fail(err, EDX_E_RANGE, "scan of %u x %u pixels, expected 1 to %u",
                        (uint32_t)rows, (uint32_t)cols, UINT32_MAX - EDX_STRIP);
    if (channels == 0 || channels > EDX_MAX_CHANNELS)
        return edx_fail(err, EDX_E_RANGE, "channels: %u, expected 1 to %u", channels,
                        EDX_MAX_CHANNELS);
    if (groups > EDX_SCENE_GROUPS)
        return edx_fail(err, EDX_E_RANGE, "%u groups, expected at most %u", groups,
                        EDX_SCENE_GROUPS);
    return EDX_OK;
}

edx_status edx_scene_new_grouped(uint32_t rows, uint32_t cols, uint32_t channels, uint32_t groups,
                                 edx_scene **out, edx_error *err)
{
    edx_status status = check_size(rows, cols, channels, groups, err);
    edx_scene *scene = status == EDX_OK ? calloc(1, sizeof *scene) : NULL;

    *out = NULL;
    if (status != EDX_OK)
        return status;
    if (scene != NULL) {
        scene->rows = rows;
        scene->cols = cols;
        scene->channels = channels;
        scene->groups = groups;
        scene->pixels = rows * cols;
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

edx_status edx_scene_new(uint32_t rows, uint32_t cols, uint32_t channels, edx_scene **out,
                         edx_error *err)
{
    return edx_scene_new_grouped(rows, cols, channels, 0, out, err);
}

static void free_store(edx_scene_store *store, uint32_t n_strips)
{
    for (uint32_t i = 0; store->strips != NULL && i < n_strips; i++)
        free(store->strips[i].buffer);
    free(store->strips);
    free(store->spectrum);
}

bool edx_scene_open_store(edx_scene *scene, uint32_t group)
{
    edx_scene_store *store = &scene->stores[group];

    if (store->strips == NULL)
        store->strips = calloc(scene->n_strips, sizeof *store->strips);
    if (store->spectrum == NULL && scene->groups > 0)
        store->spectrum = calloc(scene->channels, sizeof *store->spectrum);
    return store->strips != NULL && (store->spectrum != NULL || scene->groups == 0);
}

void edx_scene_free(edx_scene **scene)
{
    edx_scene *s = *scene;

    *scene = NULL;
    if (s == NULL)
        return;
    for (uint32_t g = 0; s->stores != NULL && g <= s->groups; g++)
        free_store(&s->stores[g], s->n_strips);
    free_workers(s->workers, s->n_workers);
    free(s->stores);
    free(s->spectrum);
    free(s->all);
    free(s->keys);
    free(s->digits);
    free(s->pixel_counts);
    free(s->exposure);
    free(s);
}

void edx_scene_clear(edx_scene *scene)
{
    for (uint32_t g = 0; g <= scene->groups; g++) {
        edx_scene_store *store = &scene->stores[g];
        for (uint32_t s = 0; store->strips != NULL && s < scene->n_strips; s++)
            edx_strip_clear(&store->strips[s], edx_scene_strip_pixels(scene, s));
        if (store->spectrum != NULL)
            memset(store->spectrum, 0, sizeof *store->spectrum * scene->channels);
        store->exposure = 0;
    }
    memset(scene->spectrum, 0, sizeof *scene->spectrum * scene->channels);
    memset(scene->pixel_counts, 0, sizeof *scene->pixel_counts * scene->pixels);
    memset(scene->exposure, 0, sizeof *scene->exposure * scene->pixels);
    scene->counts = 0;
    scene->changes++;
    scene->shared = false;
}

edx_status edx_scene_share(edx_scene *scene, const edx_pool *pool, edx_error *err)
{
    if (edx_pool_ranks(pool) == NULL)
        return EDX_OK;
    edx_scene_look(scene);
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

uint32_t edx_scene_groups(const edx_scene *scene)
{
    return scene->groups;
}

uint64_t edx_scene_group_exposure(const edx_scene *scene, uint32_t group)
{
    return scene->stores[group].exposure;
}

uint64_t edx_scene_counts(const edx_scene *scene)
{
    edx_scene_look(scene);
    return scene->shared ? scene->all_counts : scene->counts;
}

const uint64_t *edx_scene_spectrum(const edx_scene *scene)
{
    edx_scene_look(scene);
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
    return scene->of != NULL ? scene->of->exposure : scene->exposure;
}

static size_t store_bytes(const edx_scene *scene, const edx_scene_store *store)
{
    size_t bytes = 0;

    if (store->strips == NULL)
        return 0;
    for (uint32_t s = 0; s < scene->n_strips; s++)
        bytes += sizeof *store->strips + store->strips[s].bytes;
    return bytes + (store->spectrum != NULL ? scene->channels * sizeof *store->spectrum : 0);
}

size_t edx_scene_bytes(const edx_scene *scene)
{
    size_t bytes = sizeof *scene + (scene->groups + 1) * sizeof *scene->stores +
                   scene->channels * sizeof *scene->spectrum;

    if (scene->of != NULL)
        return bytes;
    bytes += scene->pixels * (sizeof *scene->pixel_counts + sizeof *scene->exposure);
    bytes += scene->n_workers *
             (sizeof *scene->workers +
              scene->channels * (sizeof *scene->workers->spectrum + sizeof *scene->workers->tally));
    for (uint32_t g = 0; g <= scene->groups; g++)
        bytes += store_bytes(scene, &scene->stores[g]);
    return bytes;
}

uint64_t edx_scene_slots(const edx_scene *scene)
{
    uint64_t slots = 0;

    for (uint32_t p = 0; p < scene->pixels; p++)
        for (uint32_t i = 0; i < edx_scene_pieces(scene); i++)
            slots += edx_scene_piece(scene, p, i).n;
    return slots;
}

static void visit_slots(const edx_scene *scene, edx_slots *px, edx_scene_visitor *visit,
                        void *context)
{
    const uint16_t *map = scene->map;
    bool wide = edx_slots_wide(px);

    for (uint32_t i = 0; i < px->n; i++) {
        uint32_t key = px->keys[i], channel = key;
        if (key >= EDX_MAX_CHANNELS)
            continue;
        if (map != NULL && (channel = map[key]) == scene->channels)
            continue;
        visit(context, channel, wide ? edx_slots_value(px, scene->kernel, i) : px->digits[i]);
    }
}

void edx_scene_visit(const edx_scene *scene, uint32_t pixel, edx_scene_visitor *visit,
                     void *context)
{
    for (uint32_t i = 0; i < edx_scene_pieces(scene); i++) {
        edx_slots px;
        if (edx_scene_open_piece(scene, pixel, i, &px))
            visit_slots(scene, &px, visit, context);
    }
}

static uint32_t plus(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static void put_dense(void *context, uint32_t channel, uint32_t count)
{
    uint32_t *out = context;

    out[channel] = plus(out[channel], count);
}

typedef struct largest {
    uint32_t *tally; /* [channels] */
    uint32_t peak;
} largest;

static void tally_voxel(void *context, uint32_t channel, uint32_t count)
{
    largest *l = context;
    uint32_t sum = l->tally[channel] = plus(l->tally[channel], count);

    l->peak = sum > l->peak ? sum : l->peak;
}

static void forget_voxel(void *context, uint32_t channel, uint32_t count)
{
    largest *l = context;

    (void)count;
    l->tally[channel] = 0;
}

uint32_t edx_scene_peak(const edx_scene *scene)
{
    largest l = {scene->workers[0].tally, 0};

    for (uint32_t p = 0; p < scene->pixels; p++) {
        edx_scene_visit(scene, p, tally_voxel, &l);
        edx_scene_visit(scene, p, forget_voxel, &l);
    }
    return l.peak;
}

void edx_scene_dense(const edx_scene *scene, uint32_t first, uint32_t n, uint32_t *out)
{
    memset(out, 0, sizeof *out * n * scene->channels);
    for (uint32_t p = 0; p < n; p++)
        edx_scene_visit(scene, first + p, put_dense, out + (size_t)p * scene->channels);
}
