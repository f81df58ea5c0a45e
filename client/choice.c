#include "client/choice.h"

#include <stdio.h>
#include <string.h>

#include "client/number.h"

static const char *const pages[EDX_PAGES] = {"maps", "particles", "trend", "components", "scree"};

const char *edx_page_name(edx_page page)
{
    return pages[page];
}

bool edx_page_parse(const char *name, edx_page *out)
{
    for (int i = 0; i < EDX_PAGES; i++)
        if (strcmp(name, pages[i]) == 0) {
            *out = (edx_page)i;
            return true;
        }
    return false;
}

/* ---- particles ---- */

static const edx_particles_result *particles_of(const edx_latest *model)
{
    const edx_result *result = edx_latest_get(model, EDX_PARTICLES);
    return result ? &result->as.particles : NULL;
}

static size_t particle_index(const edx_view *view, const edx_particles_result *list)
{
    size_t largest = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (view->particle && list->particles[i].id == view->particle)
            return i;
        if (list->particles[i].diameter_nm > list->particles[largest].diameter_nm)
            largest = i;
    }
    return largest;
}

bool edx_choice_line(const edx_view *view, const edx_latest *model)
{
    const edx_particles_result *list = particles_of(model);
    return edx_latest_get(model, EDX_PROFILE) && (view->line || !list || !list->count);
}

const edx_particle *edx_choice_particle(const edx_view *view, const edx_latest *model)
{
    const edx_particles_result *list = particles_of(model);
    if (!list || !list->count || edx_choice_line(view, model))
        return NULL;
    return &list->particles[particle_index(view, list)];
}

edx_estimator edx_choice_source(const edx_view *view, const edx_latest *model)
{
    const edx_particle *particle = edx_choice_particle(view, model);
    return particle ? edx_estimator_shown(particle, view->source) : EDX_RAW;
}

/* ---- items ---- */

static size_t shown_map(const edx_view *view, const edx_latest *model)
{
    size_t count = edx_picture_count(model);
    if (view->chosen)
        return view->selected < count ? view->selected : count - 1;
    for (size_t i = 0; i < count; i++)
        if (edx_picture_get(model, i).rows)
            return i;
    return 0;
}

bool edx_choice_pca(const edx_view *view, const edx_latest *model)
{
    return view->pca ||
           (!edx_picture_components(model, true) && edx_picture_components(model, false));
}

size_t edx_choice_count(const edx_view *view, const edx_latest *model)
{
    const edx_particles_result *list = particles_of(model);
    switch (view->page) {
    case EDX_PAGE_MAPS:
        return edx_picture_count(model);
    case EDX_PAGE_COMPONENTS:
        return edx_picture_components(model, !edx_choice_pca(view, model));
    case EDX_PAGE_PARTICLES:
        return (list ? list->count : 0) + (edx_latest_get(model, EDX_PROFILE) != NULL);
    default:
        return 0;
    }
}

size_t edx_choice_item(const edx_view *view, const edx_latest *model)
{
    size_t count = edx_choice_count(view, model);
    const edx_particles_result *list = particles_of(model);
    switch (view->page) {
    case EDX_PAGE_MAPS:
        return shown_map(view, model);
    case EDX_PAGE_COMPONENTS:
        return view->component < count ? view->component : count ? count - 1 : 0;
    case EDX_PAGE_PARTICLES:
        return edx_choice_line(view, model) ? count - 1 : list ? particle_index(view, list) : 0;
    default:
        return 0;
    }
}

void edx_choice_name(const edx_view *view, const edx_latest *model, size_t i,
                     char out[EDX_ITEM_NAME])
{
    char size[EDX_NUMBER];
    const edx_particles_result *list = particles_of(model);
    out[0] = '\0';
    if (view->page == EDX_PAGE_MAPS)
        snprintf(out, EDX_ITEM_NAME, "%s", edx_picture_get(model, i).name);
    else if (view->page == EDX_PAGE_COMPONENTS)
        snprintf(out, EDX_ITEM_NAME, "%s",
                 edx_picture_component(model, !edx_choice_pca(view, model), i).name);
    else if (list && i < list->count)
        snprintf(out, EDX_ITEM_NAME, "%s nm", edx_number(size, list->particles[i].diameter_nm));
    else
        snprintf(out, EDX_ITEM_NAME, "line");
}

bool edx_choice_there(const edx_view *view, const edx_latest *model, size_t i)
{
    return view->page != EDX_PAGE_MAPS || edx_picture_get(model, i).rows;
}

void edx_choice_set(edx_view *view, const edx_latest *model, size_t i)
{
    const edx_particles_result *list = particles_of(model);
    switch (view->page) {
    case EDX_PAGE_COMPONENTS:
        view->component = i;
        break;
    case EDX_PAGE_PARTICLES:
        view->line = !list || i >= list->count;
        if (!view->line)
            view->particle = list->particles[i].id;
        break;
    default:
        view->page = EDX_PAGE_MAPS;
        view->chosen = true;
        view->selected = i;
    }
}

void edx_choice_step(edx_view *view, const edx_latest *model, bool forward)
{
    size_t count = edx_choice_count(view, model);
    if (count)
        edx_choice_set(view, model,
                       (edx_choice_item(view, model) + (forward ? 1 : count - 1)) % count);
}

edx_picture edx_choice_picture(const edx_view *view, const edx_latest *model)
{
    size_t item = edx_choice_item(view, model);
    if (view->page == EDX_PAGE_MAPS)
        return edx_picture_get(model, item);
    if (view->page == EDX_PAGE_COMPONENTS)
        return edx_picture_component(model, !edx_choice_pca(view, model), item);
    return (edx_picture){.topic = EDX_MAPS};
}

void edx_choice_cursor(const edx_view *view, const edx_picture *picture, uint64_t cursor[2])
{
    const uint64_t size[2] = {picture->rows, picture->cols};
    for (int i = 0; i < 2; i++) {
        cursor[i] = view->has_cursor ? view->cursor[i] : size[i] / 2;
        if (cursor[i] >= size[i])
            cursor[i] = size[i] ? size[i] - 1 : 0;
    }
}

edx_result_topic edx_choice_topic(const edx_view *view, const edx_latest *model)
{
    switch (view->page) {
    case EDX_PAGE_PARTICLES:
        return edx_choice_line(view, model) ? EDX_PROFILE : EDX_PARTICLES;
    case EDX_PAGE_TREND:
        return EDX_TREND;
    case EDX_PAGE_SCREE:
        return EDX_PCA;
    default:
        return edx_choice_picture(view, model).topic;
    }
}

/* ---- points ---- */

static uint64_t length_of(const edx_array *array)
{
    return array->ndim ? array->shape[array->ndim - 1] : 0;
}

size_t edx_choice_points(const edx_view *view, const edx_latest *model)
{
    const edx_particle *particle = edx_choice_particle(view, model);
    const edx_result *result = edx_latest_get(model, edx_choice_topic(view, model));
    if (!result)
        return 0;
    switch (view->page) {
    case EDX_PAGE_PARTICLES:
        return particle                       ? particle->radial.m
               : edx_choice_line(view, model) ? (size_t)length_of(&result->as.profile.d_nm)
                                              : 0;
    case EDX_PAGE_TREND:
        return (size_t)length_of(&result->as.trend.composition);
    case EDX_PAGE_SCREE:
        return (size_t)length_of(&result->as.pca.eigenvalues);
    default:
        return 0;
    }
}

/* Until somebody moves it: the newest frame, the last component that is kept, the centre. */
static size_t own_point(const edx_view *view, const edx_latest *model, size_t points)
{
    const edx_result *pca = edx_latest_get(model, EDX_PCA);
    if (view->page == EDX_PAGE_TREND)
        return points - 1;
    if (view->page == EDX_PAGE_SCREE && pca && pca->as.pca.rank)
        return (size_t)pca->as.pca.rank - 1;
    return 0;
}

size_t edx_choice_point(const edx_view *view, const edx_latest *model)
{
    size_t points = edx_choice_points(view, model);
    if (!points)
        return 0;
    size_t point =
        view->pointed[view->page] ? view->point[view->page] : own_point(view, model, points);
    return point < points ? point : points - 1;
}

/* ---- keys ---- */

static void move_cursor(edx_view *view, const edx_picture *picture, int rows, int cols)
{
    edx_choice_cursor(view, picture, view->cursor);
    view->has_cursor = true;
    if ((rows < 0 && view->cursor[0] > 0) || (rows > 0 && view->cursor[0] + 1 < picture->rows))
        view->cursor[0] += (uint64_t)rows;
    if ((cols < 0 && view->cursor[1] > 0) || (cols > 0 && view->cursor[1] + 1 < picture->cols))
        view->cursor[1] += (uint64_t)cols;
}

/* Back at the newest frame, the point follows it again. */
static void move_point(edx_view *view, const edx_latest *model, bool forward)
{
    size_t points = edx_choice_points(view, model), point = edx_choice_point(view, model);
    if (!points || (forward ? point + 1 == points : point == 0))
        return;
    view->point[view->page] = forward ? point + 1 : point - 1;
    view->pointed[view->page] =
        view->page != EDX_PAGE_TREND || view->point[view->page] + 1 < points;
}

void edx_choice_move(edx_view *view, const edx_latest *model, int rows, int cols)
{
    edx_picture picture = edx_choice_picture(view, model);
    if (picture.rows)
        move_cursor(view, &picture, rows, cols);
    else if (cols)
        move_point(view, model, cols > 0);
    else
        edx_choice_step(view, model, rows > 0);
}

void edx_choice_switch(edx_view *view, const edx_latest *model)
{
    const edx_particle *particle = edx_choice_particle(view, model);
    edx_estimator shown = edx_choice_source(view, model), next = shown;
    if (view->page == EDX_PAGE_MAPS)
        edx_choice_set(view, model, edx_picture_denoised(model, shown_map(view, model)));
    if (view->page == EDX_PAGE_COMPONENTS)
        view->pca = !edx_choice_pca(view, model);
    if (view->page != EDX_PAGE_PARTICLES || !particle)
        return;
    do
        next = (edx_estimator)((next + 1) % EDX_ESTIMATORS);
    while (next != shown && !edx_radial_of(particle, next).any);
    view->source = next;
}
