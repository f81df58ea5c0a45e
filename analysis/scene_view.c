#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/scene.h"
#include "analysis/scene_inside.h"
#include "analysis/scene_rows.h"

/* Of a pixel; memory that is never written is never taken. */
static size_t most_slots(const edx_scene *view)
{
    uint32_t pieces = view->bin * view->bin;

    if (view->group == EDX_SCENE_ALL)
        pieces *= EDX_SCENE_GROUPS + 1; /* there may be others some day */
    return (size_t)pieces * view->of->channels * EDX_DIGITS;
}

edx_status edx_scene_new_view(const edx_scene *of, uint32_t group, uint32_t bin,
                              const uint16_t *map, uint32_t channels, edx_scene **out,
                              edx_error *err)
{
    edx_scene *s = calloc(1, sizeof *s);

    assert(bin > 0 && bin <= of->rows && bin <= of->cols);
    *out = s;
    if (s == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a group's counts");
    s->rows = of->rows / bin;
    s->cols = of->cols / bin;
    s->pixels = s->rows * s->cols;
    s->channels = channels;
    s->kernel = of->kernel;
    s->of = of;
    s->group = group;
    s->bin = bin;
    s->map = map;
    s->stores = calloc(1, sizeof *s->stores); /* that hold nothing */
    s->spectrum = calloc(channels, sizeof *s->spectrum);
    s->keys = malloc(sizeof *s->keys * most_slots(s));
    s->digits = malloc(most_slots(s));
    if (s->stores == NULL || s->spectrum == NULL || s->keys == NULL || s->digits == NULL) {
        edx_scene_free(out);
        return edx_fail(err, EDX_E_NOMEM, "no memory for a group's %u channels", channels);
    }
    return EDX_OK;
}

bool edx_scene_is_kept(const edx_scene *scene)
{
    return scene->of == NULL;
}

/* ---- pieces ---- */

uint32_t edx_scene_pieces(const edx_scene *scene)
{
    if (scene->of == NULL)
        return scene->groups + 1;
    uint32_t groups = scene->group == EDX_SCENE_ALL ? scene->of->groups + 1 : 1;
    return groups * scene->bin * scene->bin;
}

const uint16_t *edx_scene_map(const edx_scene *scene)
{
    return scene->map;
}

static bool open_row(const edx_scene *scene, uint32_t group, uint32_t pixel, edx_slots *out)
{
    const edx_strip *strips = scene->stores[group].strips;

    if (strips == NULL || strips[pixel / EDX_STRIP].buffer == NULL)
        return false;
    *out = edx_strip_open(&strips[pixel / EDX_STRIP], pixel % EDX_STRIP);
    return true;
}

bool edx_scene_open_piece(const edx_scene *scene, uint32_t pixel, uint32_t piece, edx_slots *out)
{
    uint32_t bin = scene->bin;

    if (scene->of == NULL)
        return open_row(scene, piece, pixel, out);
    if (bin == 1) /* without the divisions, which cost as much as the rest */
        return open_row(scene->of, scene->group == EDX_SCENE_ALL ? piece : scene->group, pixel,
                        out);
    uint32_t part = piece % (bin * bin), all = piece / (bin * bin);
    uint32_t y = pixel / scene->cols * bin + part / bin;
    uint32_t x = pixel % scene->cols * bin + part % bin;
    return open_row(scene->of, scene->group == EDX_SCENE_ALL ? all : scene->group,
                    y * scene->of->cols + x, out);
}

edx_scene_row edx_scene_piece(const edx_scene *scene, uint32_t pixel, uint32_t piece)
{
    edx_slots px;

    if (!edx_scene_open_piece(scene, pixel, piece, &px))
        return (edx_scene_row){NULL, NULL, 0};
    return (edx_scene_row){px.keys, px.digits, px.n};
}

/* The view's channel, or its number of channels. */
static uint32_t channel_of(const edx_scene *view, uint32_t channel)
{
    return view->map != NULL ? view->map[channel] : channel;
}

edx_scene_row edx_scene_whole(const edx_scene *view, uint32_t pixel)
{
    edx_scene_row whole = {view->keys, view->digits, 0};

    for (uint32_t i = 0; i < edx_scene_pieces(view); i++) {
        edx_scene_row row = edx_scene_piece(view, pixel, i);
        for (uint32_t k = 0; k < row.n; k++) {
            uint32_t to = channel_of(view, row.keys[k] & EDX_ROW_CHANNEL);
            if (to == view->channels)
                continue;
            view->keys[whole.n] = (uint16_t)(to | (row.keys[k] & ~EDX_ROW_CHANNEL));
            view->digits[whole.n++] = row.digits[k];
        }
    }
    return whole;
}

/* ---- sums ---- */

static void remove_slots(edx_scene *view, const edx_slots *px)
{
    for (uint32_t i = 0; i < px->n; i++) {
        uint32_t to = channel_of(view, px->keys[i] & EDX_ROW_CHANNEL);
        if (to < view->channels)
            view->spectrum[to] -= (uint64_t)px->digits[i] << (px->keys[i] >> EDX_CHANNEL_BITS) * 8;
    }
}

static void remove_pixel(edx_scene *view, uint32_t pixel)
{
    const edx_scene *of = view->of;
    uint32_t first = view->group == EDX_SCENE_ALL ? 0 : view->group;
    uint32_t last = view->group == EDX_SCENE_ALL ? of->groups : view->group;
    edx_slots px;

    for (uint32_t g = first; g <= last; g++)
        if (open_row(of, g, pixel, &px))
            remove_slots(view, &px);
}

/* Pixels that fill no bin lie in the last rows and columns. */
static void remove_edges(edx_scene *view)
{
    const edx_scene *of = view->of;
    uint32_t rows = view->rows * view->bin, cols = view->cols * view->bin;

    for (uint32_t y = 0; y < of->rows; y++)
        for (uint32_t x = y < rows ? cols : 0; x < of->cols; x++)
            remove_pixel(view, y * of->cols + x);
}

static void sum_view(edx_scene *view)
{
    const edx_scene *of = view->of;
    const uint64_t *from =
        view->group == EDX_SCENE_ALL ? of->spectrum : of->stores[view->group].spectrum;

    memset(view->spectrum, 0, sizeof *view->spectrum * view->channels);
    for (uint32_t c = 0; from != NULL && c < view->of->channels; c++)
        if (channel_of(view, c) < view->channels)
            view->spectrum[channel_of(view, c)] += from[c];
    remove_edges(view);
    view->counts = 0;
    for (uint32_t c = 0; c < view->channels; c++)
        view->counts += view->spectrum[c];
}

void edx_scene_look(const edx_scene *scene)
{
    edx_scene *view = (edx_scene *)(uintptr_t)scene;

    if (scene->of == NULL || scene->seen == scene->of->changes)
        return;
    view->seen = scene->of->changes;
    view->shared = false;
    sum_view(view);
}

/* ---- rows as events ---- */

typedef struct taking {
    uint16_t *channels;
    uint32_t *weights;
    uint32_t n;
} taking;

static void take_voxel(void *context, uint32_t channel, uint32_t count)
{
    taking *m = context;

    m->channels[m->n] = (uint16_t)channel;
    m->weights[m->n++] = count;
}

edx_status edx_scene_row_events(const edx_scene *scene, uint32_t row, edx_scene_events *buffer,
                                edx_events *out, edx_error *err)
{
    uint32_t cols = scene->cols, first = row * cols;
    size_t slots = 0;

    for (uint32_t p = first; p < first + cols; p++)
        for (uint32_t i = 0; i < edx_scene_pieces(scene); i++)
            slots += edx_scene_piece(scene, p, i).n;
    if (slots > buffer->room || buffer->offsets == NULL) {
        const size_t room = 2 * slots + 1;
        edx_scene_events_free(buffer);
        buffer->offsets = malloc(sizeof *buffer->offsets * ((size_t)cols + 1));
        buffer->channels = malloc(sizeof *buffer->channels * room);
        buffer->weights = malloc(sizeof *buffer->weights * room);
        buffer->room = room;
    }
    if (buffer->offsets == NULL || buffer->channels == NULL || buffer->weights == NULL) {
        edx_scene_events_free(buffer);
        return edx_fail(err, EDX_E_NOMEM, "no memory for a row of %u pixels", cols);
    }
    taking m = {buffer->channels, buffer->weights, 0};
    for (uint32_t c = 0; c < cols; c++) {
        buffer->offsets[c] = m.n;
        edx_scene_visit(scene, first + c, take_voxel, &m);
    }
    buffer->offsets[cols] = m.n;
    *out = (edx_events){cols, buffer->offsets, buffer->channels, buffer->weights};
    return EDX_OK;
}

void edx_scene_events_free(edx_scene_events *buffer)
{
    free(buffer->offsets);
    free(buffer->channels);
    free(buffer->weights);
    *buffer = (edx_scene_events){NULL, NULL, NULL, 0};
}

/* ---- other groups ---- */

static edx_status copy_rows(const edx_scene *from, edx_scene *to, edx_error *err)
{
    edx_scene_events buffer = {NULL, NULL, NULL, 0};
    edx_status status = EDX_OK;
    edx_events events;

    for (uint32_t row = 0; status == EDX_OK && row < from->rows; row++) {
        status = edx_scene_row_events(from, row, &buffer, &events, err);
        if (status == EDX_OK)
            status = edx_scene_add(to, row, &events, err);
    }
    edx_scene_events_free(&buffer);
    return status;
}

/* Sums stay as they were but for the group's exposure; what is kept by pixel is exchanged. */
static void take_stores(edx_scene *scene, edx_scene *from)
{
    edx_scene_store *stores = scene->stores;
    uint32_t groups = scene->groups;
    uint64_t exposure = 0;

    for (uint32_t g = 0; g <= groups; g++)
        exposure += stores[g].exposure;
    scene->stores = from->stores;
    scene->groups = from->groups;
    scene->stores[scene->groups].exposure = exposure;
    scene->changes++;
    from->stores = stores;
    from->groups = groups;
}

edx_status edx_scene_regroup(edx_scene *scene, uint32_t groups, edx_error *err)
{
    edx_scene *next = NULL;

    if (groups == scene->groups)
        return EDX_OK;
    edx_status status =
        edx_scene_new_grouped(scene->rows, scene->cols, scene->channels, groups, &next, err);
    if (status == EDX_OK)
        status = edx_scene_set_pool(next, scene->pool, err);
    if (status == EDX_OK && scene->counts > 0)
        status = copy_rows(scene, next, err);
    if (status == EDX_OK)
        take_stores(scene, next);
    edx_scene_free(&next);
    return status;
}
