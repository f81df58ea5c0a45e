#include "client/picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SAMPLES 16384 /* pixels that percentiles look at */
#define TAIL 0.01
#define BASICS 2 /* HAADF and total */

const char *edx_measure_name(edx_measure measure)
{
    static const char *const names[EDX_MEASURES] = {"value", "σ", "S/N"};
    return names[measure];
}

const char *edx_picture_unit(const edx_picture *picture, edx_measure measure)
{
    return measure == EDX_SNR ? "σ" : picture->unit;
}

/* ---- which there are ---- */

static const edx_maps_result *maps_of(const edx_latest *model)
{
    const edx_result *result = edx_latest_get(model, EDX_MAPS);
    return result ? &result->as.maps : NULL;
}

/* Kinds that every line has: intensity, fraction, denoised fraction. */
static size_t kinds_of(const edx_maps_result *maps)
{
    return maps->denoised_fraction.ndim == 3 ? 3 : maps->atomic_fraction.ndim == 3 ? 2 : 1;
}

size_t edx_picture_count(const edx_latest *model)
{
    const edx_maps_result *maps = maps_of(model);
    if (!maps)
        return BASICS;
    return BASICS + kinds_of(maps) * maps->n + (maps->atoms.ndim == 3 ? maps->n : 0) +
           (maps->mass_thickness.ndim == 2) + (maps->exposure.ndim == 2);
}

/* A two-dimensional array, or plane number plane of a three-dimensional one. */
static void set_values(edx_picture *picture, const edx_array *array, uint64_t plane)
{
    if (array->ndim < 2 || array->ndim > 3 || (array->ndim == 3 && plane >= array->shape[0]))
        return;
    picture->values = *array;
    picture->rows = array->shape[array->ndim - 2];
    picture->cols = array->shape[array->ndim - 1];
    picture->first = plane * picture->rows * picture->cols;
    if (!picture->rows || !picture->cols)
        picture->rows = picture->cols = 0;
}

static bool same_shape(const edx_array *a, const edx_array *b)
{
    bool same = a->ndim == b->ndim;
    for (uint32_t i = 0; same && i < a->ndim; i++)
        same = a->shape[i] == b->shape[i];
    return same;
}

static void set_sigma(edx_picture *picture, const edx_array *array)
{
    if (same_shape(array, &picture->values))
        picture->sigma = *array;
}

static edx_picture basic(const edx_latest *model, bool total)
{
    edx_picture picture = {.topic = EDX_SPECTRUM, .factor = 1, .poisson = total};
    const edx_result *spectrum = edx_latest_get(model, EDX_SPECTRUM);
    picture.unit = total ? "counts" : "";
    snprintf(picture.name, sizeof picture.name, total ? "total" : "HAADF");
    if (spectrum)
        set_values(&picture, total ? &spectrum->as.spectrum.total : &spectrum->as.spectrum.image,
                   0);
    return picture;
}

static edx_picture of_line(const edx_maps_result *maps, uint32_t kind, uint32_t i)
{
    const edx_array *values[] = {&maps->intensity, &maps->atomic_fraction,
                                 &maps->denoised_fraction};
    const edx_array *sigma[] = {&maps->sigma, &maps->fraction_sigma, &maps->denoised_sigma};
    edx_picture picture = {.topic = EDX_MAPS, .factor = kind ? 100 : 1, .suppressed = kind > 0};
    picture.unit = kind ? "at.%" : "counts";
    snprintf(picture.name, sizeof picture.name, "%s%s", kind ? maps->elements[i] : maps->lines[i],
             kind == 2 ? " denoised"
             : kind    ? " at.%"
                       : "");
    set_values(&picture, values[kind], i);
    set_sigma(&picture, sigma[kind]);
    return picture;
}

/* What comes after the kinds, index from 0: atoms, thickness, exposure. */
static edx_picture extra(const edx_maps_result *maps, size_t index)
{
    size_t atoms = maps->atoms.ndim == 3 ? maps->n : 0;
    bool thickness = index == atoms && maps->mass_thickness.ndim == 2;
    edx_picture picture = {.topic = EDX_MAPS, .factor = 1};
    if (index < atoms) {
        snprintf(picture.name, sizeof picture.name, "%s atoms", maps->elements[index]);
        picture.unit = "per pixel";
        set_values(&picture, &maps->atoms, index);
        return picture;
    }
    snprintf(picture.name, sizeof picture.name, thickness ? "thickness" : "exposure");
    picture.unit = thickness ? "kg/m²" : "frames";
    set_values(&picture, thickness ? &maps->mass_thickness : &maps->exposure, 0);
    return picture;
}

/* The step of maps, on the picture's own grid: an image may be finer. */
static void set_step(edx_picture *picture, const edx_maps_result *maps)
{
    const uint64_t size[2] = {picture->rows, picture->cols};
    bool known = maps && maps->intensity.ndim == 3 && size[0] && size[1];
    for (int i = 0; i < 2; i++)
        picture->step_nm[i] =
            known && maps->step_nm[i] > 0
                ? maps->step_nm[i] * (double)maps->intensity.shape[i + 1] / (double)size[i]
                : (double)NAN;
}

static void set_grid(edx_picture *picture, const edx_maps_result *maps)
{
    set_step(picture, maps);
    if (maps && maps->exposure.ndim == 2 && maps->exposure.shape[0] == picture->rows &&
        maps->exposure.shape[1] == picture->cols)
        picture->exposure = maps->exposure;
}

edx_picture edx_picture_get(const edx_latest *model, size_t index)
{
    const edx_maps_result *maps = maps_of(model);
    edx_picture picture;
    size_t by_line = maps ? kinds_of(maps) * maps->n : 0;
    if (index < BASICS || !maps || index >= edx_picture_count(model))
        picture = basic(model, index > 0);
    else if (index < BASICS + by_line)
        picture = of_line(maps, (uint32_t)((index - BASICS) / maps->n),
                          (uint32_t)((index - BASICS) % maps->n));
    else
        picture = extra(maps, index - BASICS - by_line);
    set_grid(&picture, maps);
    return picture;
}

bool edx_picture_is_denoised(const edx_latest *model, size_t index)
{
    const edx_maps_result *maps = maps_of(model);
    return maps && maps->n && index >= BASICS && (index - BASICS) / maps->n == 2 &&
           kinds_of(maps) == 3;
}

size_t edx_picture_denoised(const edx_latest *model, size_t index)
{
    const edx_maps_result *maps = maps_of(model);
    if (!maps || !maps->n || index < BASICS || kinds_of(maps) < 3)
        return index;
    size_t kind = (index - BASICS) / maps->n;
    return kind == 1 ? index + maps->n : kind == 2 ? index - maps->n : index;
}

static const edx_array *component_maps(const edx_latest *model, bool nmf)
{
    const edx_result *result = edx_latest_get(model, nmf ? EDX_NMF : EDX_PCA);
    const edx_array *maps = !result ? NULL : nmf ? &result->as.nmf.maps : &result->as.pca.maps;
    return maps && maps->ndim == 3 ? maps : NULL;
}

size_t edx_picture_components(const edx_latest *model, bool nmf)
{
    const edx_array *maps = component_maps(model, nmf);
    return maps ? (size_t)maps->shape[0] : 0;
}

edx_picture edx_picture_component(const edx_latest *model, bool nmf, size_t index)
{
    const edx_array *maps = component_maps(model, nmf);
    edx_picture picture = {.topic = nmf ? EDX_NMF : EDX_PCA,
                           .factor = 1,
                           .unit = nmf ? "counts" : "score",
                           .around_zero = !nmf && index > 0};
    snprintf(picture.name, sizeof picture.name, "%s %zu", nmf ? "NMF" : "PCA", index + 1);
    if (maps)
        set_values(&picture, maps, index);
    set_grid(&picture, maps_of(model));
    return picture;
}

/* ---- what they hold ---- */

edx_measure edx_picture_measure(const edx_picture *picture, edx_measure wanted)
{
    return picture->sigma.ndim || picture->poisson ? wanted : EDX_VALUE;
}

static double sigma_at(const edx_picture *picture, uint64_t index, double value)
{
    if (picture->sigma.ndim)
        return edx_array_get(&picture->sigma, index);
    return picture->poisson && value >= 0 ? sqrt(value) : (double)NAN;
}

double edx_picture_at(const edx_picture *picture, edx_measure measure, uint64_t row, uint64_t col)
{
    uint64_t index = picture->first + row * picture->cols + col;
    double value = edx_array_get(&picture->values, index);
    if (measure == EDX_VALUE || !isfinite(value))
        return isfinite(value) ? value * picture->factor : (double)NAN;
    double sigma = sigma_at(picture, index, value);
    if (measure == EDX_SIGMA)
        return isfinite(sigma) ? sigma * picture->factor : (double)NAN;
    return sigma > 0 ? value / sigma : (double)NAN;
}

double edx_picture_mean(const edx_picture *picture, edx_measure measure, const uint64_t from[2],
                        const uint64_t to[2])
{
    double sum = 0;
    uint64_t there = 0, all = 0;
    for (uint64_t row = from[0]; row < to[0]; row++)
        for (uint64_t col = from[1]; col < to[1]; col++, all++) {
            double value = edx_picture_at(picture, measure, row, col);
            if (isnan(value))
                continue;
            sum += value;
            there++;
        }
    return 2 * there > all ? sum / (double)there : (double)NAN;
}

double edx_picture_exposure(const edx_picture *picture, uint64_t row, uint64_t col)
{
    if (!picture->exposure.ndim)
        return (double)NAN;
    return edx_array_get(&picture->exposure, row * picture->cols + col);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts the values. */
static void set_range(bool around_zero, double *values, size_t n, double range[2])
{
    qsort(values, n, sizeof *values, by_value);
    range[0] = values[(size_t)(TAIL * (double)(n - 1))];
    range[1] = values[n - 1 - (size_t)(TAIL * (double)(n - 1))];
    if (around_zero) {
        range[1] = fmax(fabs(range[0]), fabs(range[1]));
        range[0] = -range[1];
    }
    if (!(range[1] > range[0]))
        range[1] = range[0] + (range[0] != 0 ? fabs(range[0]) : 1);
}

void edx_picture_range(const edx_picture *picture, edx_measure measure, double range[2])
{
    uint64_t pixels = picture->rows * picture->cols, step = pixels / SAMPLES + 1;
    double *values = malloc((size_t)(pixels / step + 1) * sizeof *values);
    size_t n = 0;
    range[0] = range[1] = (double)NAN;
    for (uint64_t i = 0; values && i < pixels; i += step) {
        double value = edx_picture_at(picture, measure, i / picture->cols, i % picture->cols);
        if (!isnan(value))
            values[n++] = value;
    }
    if (n)
        set_range(picture->around_zero && measure == EDX_VALUE, values, n, range);
    free(values);
}
