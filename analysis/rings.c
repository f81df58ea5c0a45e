#include "analysis/rings.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/scene_rows.h"

#define MOST_RINGS 4096u
#define PARTS 8u      /* that threads share */
#define ROUNDING 1e-9 /* part of a width by which the last ring may miss the reach */

/* A scan pixel in reach, and its ring. */
typedef struct member {
    uint32_t pixel, ring;
    double square; /* of its distance */
} member;

struct edx_ring_store {
    uint32_t rows, cols, channels, groups;
    double step_nm[2];
    member *members;
    size_t members_room, n;
    uint32_t *pixels; /* [m] */
    double *nearest;  /* [m] distance of the pixels, nothing between it and ... */
    double *farthest; /* [m] */
    uint32_t m;       /* of the last rings */
    double *values;   /* middle, mean, square [m] each; spectra [m, E]; groups [G, m, E] */
    size_t rings_room;
};

/* Whose pixels are wanted. */
typedef struct disc {
    double centre_nm[2];
    double to_nm; /* [0, to) */
    const uint32_t *owner;
    uint32_t id;
} disc;

/* ---- life ---- */

edx_status edx_rings_new(uint32_t rows, uint32_t cols, const double step_nm[2], uint32_t channels,
                         uint32_t groups, edx_ring_store **out, edx_error *err)
{
    edx_ring_store *s = calloc(1, sizeof *s);

    *out = s;
    if (s == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for rings");
    s->rows = rows;
    s->cols = cols;
    s->channels = channels;
    s->groups = groups;
    s->step_nm[0] = step_nm[0];
    s->step_nm[1] = step_nm[1];
    return EDX_OK;
}

void edx_rings_free(edx_ring_store **store)
{
    edx_ring_store *s = *store;

    *store = NULL;
    if (s == NULL)
        return;
    free(s->members);
    free(s->pixels);
    free(s->nearest);
    free(s->farthest);
    free(s->values);
    free(s);
}

static edx_status make_room(edx_ring_store *s, uint32_t rings, edx_error *err)
{
    size_t each = 3 + (size_t)s->channels * (1 + s->groups);

    if (rings <= s->rings_room)
        return EDX_OK;
    free(s->pixels);
    free(s->nearest);
    free(s->farthest);
    free(s->values);
    s->rings_room = 0;
    s->pixels = malloc(sizeof *s->pixels * rings);
    s->nearest = malloc(sizeof *s->nearest * rings);
    s->farthest = malloc(sizeof *s->farthest * rings);
    s->values = malloc(sizeof *s->values * rings * each);
    if (s->pixels == NULL || s->nearest == NULL || s->farthest == NULL || s->values == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for %u rings of %u channels", rings,
                        s->channels);
    s->rings_room = rings;
    return EDX_OK;
}

/* ---- pixels ---- */

/* First and last index whose centre may lie within reach of at; false when there is none. */
static bool range_of(double at, double reach, double step, uint32_t count, uint32_t *first,
                     uint32_t *end)
{
    double lo = fmax(ceil((at - reach) / step - ROUNDING), 0);
    double hi = fmin(floor((at + reach) / step + ROUNDING), count - 1.0);

    if (!(lo <= hi))
        return false;
    *first = (uint32_t)lo;
    *end = (uint32_t)hi + 1;
    return true;
}

/* Squared distance of a pixel that belongs to the disc; negative when it does not. */
static double square_of(const edx_ring_store *s, const disc *d, uint32_t row, uint32_t col)
{
    double y = row * s->step_nm[0] - d->centre_nm[0], x = col * s->step_nm[1] - d->centre_nm[1];
    double square = y * y + x * x, distance = sqrt(square);
    size_t pixel = (size_t)row * s->cols + col;
    bool ours = d->owner == NULL || d->owner[pixel] == 0 || d->owner[pixel] == d->id;

    return ours && distance < d->to_nm ? square : -1;
}

/* Sums of whole numbers: exact, in whatever order the slots are. */
static void add_pixel(const edx_scene *scene, uint32_t pixel, double *spectrum)
{
    edx_scene_row row = edx_scene_row_at(scene, pixel);

    for (uint32_t i = 0; i < row.n; i++) {
        uint32_t key = row.keys[i], place = key >> EDX_ROW_CHANNEL_BITS;
        if (place == 0) /* most are */
            spectrum[key] += (double)(int)row.digits[i];
        else
            spectrum[key & EDX_ROW_CHANNEL] += (double)((uint32_t)row.digits[i] << 8 * place);
    }
}

/* ---- rings ---- */

/* A bound: all pixels of the square round the disc. */
static edx_status make_room_for_members(edx_ring_store *s, const disc *d, edx_error *err)
{
    uint32_t rows[2] = {0}, cols[2] = {0};

    (void)range_of(d->centre_nm[0], d->to_nm, s->step_nm[0], s->rows, &rows[0], &rows[1]);
    (void)range_of(d->centre_nm[1], d->to_nm, s->step_nm[1], s->cols, &cols[0], &cols[1]);
    size_t n = (size_t)(rows[1] - rows[0]) * (cols[1] - cols[0]);
    if (n <= s->members_room)
        return EDX_OK;
    free(s->members);
    s->members_room = 0;
    s->members = malloc(sizeof *s->members * 2 * n);
    if (s->members == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for rings of %zu pixels", n);
    s->members_room = 2 * n;
    return EDX_OK;
}

static void take_member(edx_ring_store *s, double width_nm, uint32_t pixel, double square)
{
    double distance = sqrt(square), *mean = s->values + s->m;
    uint32_t ring = (uint32_t)(distance / width_nm);

    if (ring >= s->m) /* the quotient was rounded up */
        ring = s->m - 1;
    s->members[s->n++] = (member){pixel, ring, square};
    s->pixels[ring]++;
    mean[ring] += distance;
    mean[s->m + ring] += square;
    if (distance < s->nearest[ring])
        s->nearest[ring] = distance;
    if (distance > s->farthest[ring])
        s->farthest[ring] = distance;
}

static void take_members(edx_ring_store *s, const disc *d, double width_nm)
{
    uint32_t rows[2], cols[2];

    if (!range_of(d->centre_nm[0], d->to_nm, s->step_nm[0], s->rows, &rows[0], &rows[1]) ||
        !range_of(d->centre_nm[1], d->to_nm, s->step_nm[1], s->cols, &cols[0], &cols[1]))
        return;
    for (uint32_t row = rows[0]; row < rows[1]; row++)
        for (uint32_t col = cols[0]; col < cols[1]; col++) {
            double square = square_of(s, d, row, col);
            if (square >= 0)
                take_member(s, width_nm, row * s->cols + col, square);
        }
}

static void find_members(edx_ring_store *s, const disc *d, double width_nm, uint32_t m)
{
    double *middle = s->values, *mean = middle + m, *square = mean + m;

    s->n = 0;
    s->m = m;
    memset(s->pixels, 0, sizeof *s->pixels * m);
    memset(mean, 0, sizeof *mean * 2 * m);
    for (uint32_t i = 0; i < m; i++) {
        s->nearest[i] = INFINITY;
        s->farthest[i] = -INFINITY;
    }
    take_members(s, d, width_nm);
    for (uint32_t i = 0; i < m; i++) {
        middle[i] = (i + 0.5) * width_nm;
        mean[i] = s->pixels[i] > 0 ? mean[i] / s->pixels[i] : middle[i];
        square[i] = s->pixels[i] > 0 ? square[i] / s->pixels[i] : middle[i] * middle[i];
    }
}

typedef struct summing {
    const edx_ring_store *store;
    const edx_scene *scene;
    double *out;
    uint32_t parts;
} summing;

/* Every so many rings, so that each is summed by one thread. */
static void sum_part(void *context, uint32_t part, uint32_t worker)
{
    const summing *of = context;
    const edx_ring_store *s = of->store;

    (void)worker;
    for (size_t i = 0; i < s->n; i++) {
        uint32_t ring = s->members[i].ring;
        if (ring % of->parts == part)
            add_pixel(of->scene, s->members[i].pixel, of->out + (size_t)ring * s->channels);
    }
}

static void sum_members(const edx_ring_store *s, const edx_scene *scene, edx_pool *pool, uint32_t m,
                        double *out)
{
    memset(out, 0, sizeof *out * m * s->channels);
    if (scene == NULL)
        return;
    summing of = {s, scene, out, edx_scene_is_kept(scene) ? PARTS : 1};
    edx_pool_run(pool, of.parts, sum_part, &of);
}

static edx_status count_rings(double width_nm, double reach_nm, uint32_t *m, edx_error *err)
{
    double rings = ceil(reach_nm / width_nm - ROUNDING);

    if (!(width_nm > 0) || !(reach_nm > 0) || !(rings <= MOST_RINGS))
        return edx_fail(
            err, EDX_E_RANGE,
            "rings of %g nm to %g nm, expected 1 to %u: another analysis.radial_step_nm", width_nm,
            reach_nm, MOST_RINGS);
    *m = rings < 1 ? 1 : (uint32_t)rings;
    return EDX_OK;
}

/* All frames' [m, E]; those of the groups follow. */
static double *spectra_of(const edx_ring_store *s, uint32_t m)
{
    return s->values + 3 * (size_t)m;
}

static edx_rings show(const edx_ring_store *s, uint32_t m, uint32_t groups)
{
    const double *spectra = spectra_of(s, m);

    return (edx_rings){.m = m,
                       .channels = s->channels,
                       .groups = groups,
                       .pixels = s->pixels,
                       .middle_nm = s->values,
                       .mean_nm = s->values + m,
                       .square_nm2 = s->values + 2 * (size_t)m,
                       .spectra = spectra,
                       .group = groups > 0 ? spectra + (size_t)m * s->channels : NULL};
}

edx_status edx_rings_collect(edx_ring_store *store, const edx_sparse *counts,
                             const double centre_nm[2], double radius_nm, double width_nm,
                             double reach_nm, const uint32_t *owner, uint32_t id, int with_groups,
                             edx_rings *out, edx_error *err)
{
    edx_ring_store *s = store;
    uint32_t m = 0, groups = with_groups ? s->groups : 0;
    edx_status status = count_rings(width_nm, reach_nm, &m, err);

    assert(edx_sparse_channels(counts) == s->channels);
    assert(edx_sparse_pixels(counts) == s->rows * s->cols);
    assert(groups == 0 || edx_sparse_shape_of(counts)->folds == groups);
    if (status != EDX_OK)
        return status;
    disc d = {{centre_nm[0], centre_nm[1]}, m * width_nm, owner, id};
    status = make_room(s, m, err);
    if (status == EDX_OK)
        status = make_room_for_members(s, &d, err);
    if (status != EDX_OK)
        return status;
    find_members(s, &d, width_nm, m);
    double *spectra = spectra_of(s, m);
    edx_pool *pool = edx_sparse_pool(counts);
    sum_members(s, edx_sparse_total(counts), pool, m, spectra);
    for (uint32_t g = 0; g < groups; g++)
        sum_members(s, edx_sparse_fold(counts, g), pool, m,
                    spectra + (g + 1) * (size_t)m * s->channels);
    edx_pool_sum(pool, EDX_F8, spectra, (1 + groups) * (size_t)m * s->channels);
    *out = show(s, m, groups);
    memcpy(out->centre_nm, centre_nm, sizeof out->centre_nm);
    out->radius_nm = radius_nm;
    out->step_nm = width_nm;
    return EDX_OK;
}

/* ---- zones ---- */

static bool is_within(double distance, double from_nm, double to_nm)
{
    return distance >= from_nm && distance < to_nm;
}

static bool is_whole(const edx_ring_store *s, uint32_t ring, double from_nm, double to_nm)
{
    return is_within(s->nearest[ring], from_nm, to_nm) &&
           is_within(s->farthest[ring], from_nm, to_nm);
}

/* Adds the rings that are in the zone as a whole: sums are exact. */
static void add_rings(const edx_ring_store *s, double from_nm, double to_nm, double *spectrum)
{
    for (uint32_t i = 0; i < s->m; i++) {
        const double *ring = spectra_of(s, s->m) + (size_t)i * s->channels;
        for (uint32_t c = 0; is_whole(s, i, from_nm, to_nm) && c < s->channels; c++)
            spectrum[c] += ring[c];
    }
}

edx_ring_zone edx_rings_zone(const edx_ring_store *store, const edx_sparse *counts, double from_nm,
                             double to_nm, double *spectrum)
{
    const edx_ring_store *s = store;
    edx_ring_zone zone = {0};
    double middle = (from_nm + to_nm) / 2;

    memset(spectrum, 0, sizeof *spectrum * s->channels);
    for (size_t i = 0; i < s->n; i++) {
        const member *one = &s->members[i];
        double distance = sqrt(one->square);
        if (!is_within(distance, from_nm, to_nm))
            continue;
        if (!is_whole(s, one->ring, from_nm, to_nm))
            add_pixel(edx_sparse_total(counts), one->pixel, spectrum);
        zone.pixels++;
        zone.mean_nm += distance;
        zone.square_nm2 += one->square;
    }
    edx_pool_sum(edx_sparse_pool(counts), EDX_F8, spectrum, s->channels);
    add_rings(s, from_nm, to_nm, spectrum);
    if (zone.pixels == 0)
        return (edx_ring_zone){0, middle, middle * middle};
    zone.mean_nm /= zone.pixels;
    zone.square_nm2 /= zone.pixels;
    return zone;
}
