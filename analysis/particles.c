#include "analysis/particles.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/scene_rows.h"
#include "analysis/segment.h"

#define PI 3.14159265358979323846
#define PIECES 1048576.0    /* functionals are whole multiples of 1 / this: sums are exact */
#define AREA_TO_SPHERE 1.12 /* half of a sphere's thickness is reached at 0.87 R */
#define ROUNDS 2            /* sizes are measured again when the neighbours' are known */
#define ITERATIONS 40
#define CONVERGED 1e-4 /* of R */
#define SIGNIFICANT 5.0

/* A particle while it is measured. */
typedef struct body {
    edx_particle_place place;
    double start_nm[2], start_radius_nm; /* of its pixels */
} body;

/* A grid of pixels in which moments are taken. */
typedef struct grid {
    uint32_t rows, cols;
    double step_nm[2], origin_nm[2];
    uint32_t bin; /* of its pixels to a label's */
} grid;

struct edx_particles {
    edx_particles_shape shape;
    uint32_t rows, cols; /* analysis pixels */
    double step_nm[2];   /* of analysis pixels */
    edx_segment *segment;
    float *signal, *variance; /* [rows, cols] summed over lines, or the image */
    double *weight;           /* [channels] summed functionals */
    float *value;             /* [scan pixels] per frame, background subtracted */
    uint8_t *valued;          /* [scan pixels] value is known */
    uint32_t *owner;          /* [scan pixels] */
    uint8_t *mask;            /* [rows, cols] */
    body bodies[EDX_MAX_PARTICLES];
    edx_particle_place places[EDX_MAX_PARTICLES];
    uint32_t count, last_id;
};

/* ---- life ---- */

static bool allocate(edx_particles *p)
{
    size_t scan = (size_t)p->shape.rows * p->shape.cols, pixels = (size_t)p->rows * p->cols;

    p->signal = calloc(pixels, sizeof *p->signal);
    p->variance = calloc(pixels, sizeof *p->variance);
    p->weight = calloc(p->shape.channels, sizeof *p->weight);
    p->value = calloc(scan, sizeof *p->value);
    p->valued = calloc(scan, sizeof *p->valued);
    p->owner = calloc(scan, sizeof *p->owner);
    p->mask = calloc(pixels, sizeof *p->mask);
    return p->signal && p->variance && p->weight && p->value && p->valued && p->owner && p->mask;
}

edx_status edx_particles_new(const edx_particles_shape *shape, edx_particles **out, edx_error *err)
{
    uint32_t bin = shape->bin_pixels;

    *out = NULL;
    if (bin == 0 || bin > shape->rows || bin > shape->cols)
        return edx_fail(err, EDX_E_RANGE, "bins of %u pixels, expected 1 to the scan's %u x %u",
                        bin, shape->rows, shape->cols);
    edx_particles *p = calloc(1, sizeof *p);
    if (p == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for particles");
    p->shape = *shape;
    p->rows = shape->rows / bin;
    p->cols = shape->cols / bin;
    p->step_nm[0] = shape->step_nm[0] * bin;
    p->step_nm[1] = shape->step_nm[1] * bin;
    edx_status status = EDX_OK;
    if (!allocate(p))
        status = edx_fail(err, EDX_E_NOMEM, "no memory for particles in %u x %u pixels",
                          shape->rows, shape->cols);
    if (status == EDX_OK)
        status = edx_segment_new(p->rows, p->cols, EDX_MAX_PARTICLES, &p->segment, err);
    if (status != EDX_OK)
        edx_particles_free(&p);
    *out = p;
    return status;
}

void edx_particles_free(edx_particles **particles)
{
    edx_particles *p = *particles;

    *particles = NULL;
    if (p == NULL)
        return;
    edx_segment_free(&p->segment);
    free(p->signal);
    free(p->variance);
    free(p->weight);
    free(p->value);
    free(p->valued);
    free(p->owner);
    free(p->mask);
    free(p);
}

void edx_particles_follow(edx_particles *particles, const edx_particles *before)
{
    memcpy(particles->places, before->places, sizeof particles->places);
    particles->count = before->count;
    particles->last_id = before->last_id;
}

/* ---- the map ---- */

/* One functional for all lines, in steps so coarse that sums do not depend on their order. */
static void sum_functionals(edx_particles *p, const edx_particles_source *source)
{
    for (uint32_t c = 0; c < p->shape.channels; c++) {
        double v = 0;
        for (uint32_t i = 0; i < source->n; i++)
            v += source->rows[(size_t)i * p->shape.channels + c];
        p->weight[c] = rint(v * PIECES) / PIECES;
    }
}

/* Lines that share windows are correlated: variance of their sum over the sum of their variances,
 * in all counts; at least 1, since the share of what is shared differs from pixel to pixel. */
static double correlation(const edx_particles *p, const edx_particles_source *source)
{
    double together = 0, apart = 0;

    if (source->counts == NULL)
        return 1;
    const uint64_t *spectrum = edx_scene_spectrum(edx_sparse_total(source->counts));
    for (uint32_t c = 0; c < p->shape.channels; c++) {
        together += p->weight[c] * p->weight[c] * (double)spectrum[c];
        for (uint32_t i = 0; i < source->n; i++) {
            double v = source->rows[(size_t)i * p->shape.channels + c];
            apart += v * v * (double)spectrum[c];
        }
    }
    return apart > 0 ? fmax(together / apart, 1) : 1;
}

static void sum_lines(edx_particles *p, const edx_particles_source *source)
{
    size_t pixels = (size_t)p->rows * p->cols;
    float factor = (float)correlation(p, source);

    memset(p->signal, 0, sizeof *p->signal * pixels);
    memset(p->variance, 0, sizeof *p->variance * pixels);
    for (uint32_t i = 0; i < source->n; i++)
        for (size_t k = 0; k < pixels; k++) {
            float sigma = source->sigma[i * pixels + k];
            p->signal[k] += source->net[i * pixels + k];
            p->variance[k] += factor * sigma * sigma;
        }
}

static bool is_significant(const edx_particles *p)
{
    double signal = 0, variance = 0;

    for (size_t k = 0; k < (size_t)p->rows * p->cols; k++) {
        signal += (double)p->signal[k];
        variance += (double)p->variance[k];
    }
    return signal > SIGNIFICANT * sqrt(variance);
}

/* Fills signal and the segments; false when it was the image that they are of. */
static bool find_segments(edx_particles *p, const edx_particles_source *source, uint32_t *count)
{
    edx_segment_map map = {p->signal, p->variance, source->exposure};

    *count = 0;
    if (source->n > 0) {
        if (source->counts != NULL)
            sum_functionals(p, source);
        sum_lines(p, source);
        *count = edx_segment_find(p->segment, &map);
        if (*count > 0 || source->image == NULL || is_significant(p))
            return true;
    }
    if (source->image == NULL)
        return true;
    for (size_t k = 0; k < (size_t)p->rows * p->cols; k++)
        p->signal[k] = (float)source->image[k];
    map.variance = NULL;
    *count = edx_segment_find(p->segment, &map);
    return false;
}

/* ---- pixels ---- */

static double slot_net(const edx_particles *p, const edx_scene_row *row, uint32_t i)
{
    uint32_t key = row->keys[i], place = key >> EDX_ROW_CHANNEL_BITS;

    if (place == 0) /* most are */
        return p->weight[key] * (int)row->digits[i];
    return p->weight[key & EDX_ROW_CHANNEL] * ((uint32_t)row->digits[i] << 8 * place);
}

/* In four sums, so that one addition need not wait for another. */
static double net_of(const edx_particles *p, const edx_scene *scene, uint32_t pixel)
{
    edx_scene_row row = edx_scene_row_at(scene, pixel);
    double a = 0, b = 0, c = 0, d = 0;
    uint32_t i = 0;

    for (; i + 3 < row.n; i += 4) {
        a += slot_net(p, &row, i);
        b += slot_net(p, &row, i + 1);
        c += slot_net(p, &row, i + 2);
        d += slot_net(p, &row, i + 3);
    }
    for (; i < row.n; i++)
        a += slot_net(p, &row, i);
    return (a + b) + (c + d);
}

/* What moments are taken of. */
typedef struct field {
    edx_particles *p;
    grid grid;
    const edx_scene *scene;  /* NULL: of analysis pixels, which may be the scan's */
    const float *exposure;   /* of analysis pixels */
    const uint32_t *covered; /* frames of scan pixels */
    double background;       /* per pixel and frame */
    edx_pool *pool;          /* NULL: pixels are for one thread */
} field;

static float scan_value(const field *f, uint32_t pixel)
{
    edx_particles *p = f->p;
    uint32_t exposure = f->exposure != NULL ? f->covered[pixel] : 1;

    if (!p->valued[pixel]) {
        double net = exposure > 0 ? net_of(p, f->scene, pixel) / exposure - f->background : 0;
        p->value[pixel] = (float)net;
        p->valued[pixel] = 1;
    }
    return p->value[pixel];
}

/* Of several processes each knows the counts of its own pixels: what all need is put together. */
static void share_values(const field *f, const edx_pool *pool)
{
    const edx_ranks *ranks = edx_pool_ranks(pool);
    const edx_ranks_grid dealt = {f->p->rows, f->p->cols, f->p->shape.bin_pixels};
    size_t pixels = (size_t)f->grid.rows * f->grid.cols;

    if (ranks == NULL)
        return;
    memset(f->p->value, 0, pixels * sizeof *f->p->value);
    for (uint32_t i = 0; i < pixels; i++)
        if (edx_ranks_owner_at(ranks, &dealt, i / f->grid.cols, i % f->grid.cols) == ranks->rank)
            (void)scan_value(f, i);
    edx_pool_sum(pool, EDX_F4, f->p->value, pixels);
    memset(f->p->valued, 1, pixels);
}

static double value_of(const field *f, uint32_t pixel)
{
    if (f->scene != NULL) /* pixel is the scan's; exposure has the fewer ones of the analysis */
        return (double)scan_value(f, pixel);

    double exposure = f->exposure != NULL ? (double)f->exposure[pixel] : 1;
    return exposure > 0 ? (double)f->p->signal[pixel] / exposure - f->background : 0;
}

/* Label of the analysis pixel in which a pixel of the grid lies; 0 for none. */
static uint32_t label_at(const edx_particles *p, const grid *g, uint32_t row, uint32_t col)
{
    uint32_t r = g->bin == 1 ? row : row / g->bin, c = g->bin == 1 ? col : col / g->bin;

    return r < p->rows && c < p->cols ? edx_segment_labels(p->segment)[r * p->cols + c] : 0;
}

static field make_field(edx_particles *p, const edx_particles_source *source, bool lines)
{
    double background = edx_segment_background(p->segment), bin = p->shape.bin_pixels;
    const double *step = p->shape.step_nm;
    field f = {.p = p, .exposure = source->exposure, .background = background};

    if (lines && source->counts != NULL && p->shape.bin_pixels > 1) {
        f.grid =
            (grid){p->shape.rows, p->shape.cols, {step[0], step[1]}, {0, 0}, p->shape.bin_pixels};
        f.scene = edx_sparse_total(source->counts);
        f.covered = source->covered != NULL ? source->covered : edx_scene_exposure(f.scene);
        f.background = background / (bin * bin);
        memset(p->valued, 0, (size_t)p->shape.rows * p->shape.cols);
    } else {
        f.grid = (grid){p->rows,
                        p->cols,
                        {p->step_nm[0], p->step_nm[1]},
                        {(bin - 1) / 2 * step[0], (bin - 1) / 2 * step[1]},
                        1};
    }
    if (isnan(f.background)) /* particles everywhere: net counts have none, an image may have */
        f.background = 0;
    if (f.scene != NULL && edx_scene_is_kept(f.scene))
        f.pool = edx_sparse_pool(source->counts);
    if (f.scene != NULL)
        share_values(&f, edx_sparse_pool(source->counts));
    return f;
}

/* ---- whose ---- */

static double distance(const double a[2], const double b[2])
{
    double y = a[0] - b[0], x = a[1] - b[1];

    return sqrt(y * y + x * x);
}

/* How far a point is outside the sphere. */
static double height_over(const body *b, const double at[2])
{
    return distance(at, b->place.centre_nm) - b->place.radius_nm;
}

/* Those that may have a claim to pixels within reach of body i (they are nearer than 1.7 R and
 * their own radius), into out; returns how many. */
static uint32_t find_rivals(const edx_particles *p, uint32_t i, uint32_t *out)
{
    const edx_particle_place *one = &p->bodies[i].place;
    uint32_t n = 0;

    for (uint32_t k = 0; k < p->count; k++) {
        const edx_particle_place *other = &p->bodies[k].place;
        double most = 2 * (one->radius_nm + other->radius_nm);
        if (k != i && distance(one->centre_nm, other->centre_nm) < most)
            out[n++] = k;
    }
    return n;
}

static bool is_ours(const edx_particles *p, uint32_t i, const double at[2], uint32_t label,
                    const uint32_t *rivals, uint32_t n)
{
    if (label != 0 || n == 0)
        return label == 0 || label == i + 1;
    double height = height_over(&p->bodies[i], at);
    for (uint32_t k = 0; k < n; k++)
        if (height_over(&p->bodies[rivals[k]], at) < height)
            return false;
    return true;
}

/* ---- size ---- */

typedef struct moments {
    double sum, y, x, square; /* relative to centre */
} moments;

/* Indices of a grid's pixels along one axis within reach of at. */
static void span(const grid *g, int axis, double at, double reach, uint32_t *first, uint32_t *end)
{
    double count = axis == 0 ? g->rows : g->cols, relative = at - g->origin_nm[axis];

    *first = (uint32_t)fmin(fmax(ceil((relative - reach) / g->step_nm[axis]), 0), count);
    *end = (uint32_t)fmin(fmax(floor((relative + reach) / g->step_nm[axis]) + 1, *first), count);
}

/* What the first moments of every body are taken of, for threads to share: a row of the scan. */
static void value_row(void *context, uint32_t row, uint32_t worker)
{
    const field *f = context;
    const grid *g = &f->grid;
    uint32_t cols[2];

    (void)worker;
    for (uint32_t i = 0; i < f->p->count; i++) {
        const body *b = &f->p->bodies[i];
        double y = g->origin_nm[0] + row * g->step_nm[0] - b->start_nm[0];
        double reach = EDX_PARTICLES_REACH * b->start_radius_nm, square = reach * reach - y * y;
        if (!(square > 0))
            continue;
        span(g, 1, b->start_nm[1], sqrt(square), &cols[0], &cols[1]);
        for (uint32_t c = cols[0]; c < cols[1]; c++)
            (void)scan_value(f, row * g->cols + c);
    }
}

/* Taking them: of what, round where, who else has a claim. */
typedef struct gathering {
    const field *field;
    uint32_t i;
    const double *centre;
    double reach, rim;
    const uint32_t *rivals;
    uint32_t n;
    moments m;
} gathering;

/* Part of a pixel that counts, by its squared distance. */
static double part_of(const gathering *t, double square)
{
    double part = (t->reach - sqrt(square)) / t->rim + 0.5;

    return part < 1 ? part : 1;
}

static void gather_row(gathering *t, uint32_t row, uint32_t first, uint32_t end)
{
    const grid *g = &t->field->grid;
    double at[2] = {g->origin_nm[0] + row * g->step_nm[0]}, y = at[0] - t->centre[0];

    for (uint32_t col = first; col < end; col++) {
        at[1] = g->origin_nm[1] + col * g->step_nm[1];
        double x = at[1] - t->centre[1], square = y * y + x * x, part = part_of(t, square);
        if (!(part > 0) ||
            !is_ours(t->field->p, t->i, at, label_at(t->field->p, g, row, col), t->rivals, t->n))
            continue;
        double value = part * value_of(t->field, row * g->cols + col);
        t->m.sum += value;
        t->m.y += value * y;
        t->m.x += value * x;
        t->m.square += value * square;
    }
}

/* Pixels at the rim count in part, so that sums change smoothly with the radius. */
static moments take_moments(const field *f, uint32_t i, const double centre[2], double reach,
                            const uint32_t *rivals, uint32_t n)
{
    const double *step = f->grid.step_nm;
    gathering t = {.field = f,
                   .i = i,
                   .centre = centre,
                   .reach = reach,
                   .rim = sqrt(step[0] * step[1]),
                   .rivals = rivals,
                   .n = n};
    uint32_t rows[2], cols[2];

    span(&f->grid, 0, centre[0], reach + t.rim, &rows[0], &rows[1]);
    span(&f->grid, 1, centre[1], reach + t.rim, &cols[0], &cols[1]);
    for (uint32_t r = rows[0]; r < rows[1]; r++)
        gather_row(&t, r, cols[0], cols[1]);
    return t.m;
}

static double between(double lo, double value, double hi)
{
    return fmin(fmax(value, lo), hi);
}

/* One step of the iteration; false when the counts have no positive moments. */
static bool refine(const field *f, uint32_t i, const uint32_t *rivals, uint32_t n, double centre[2],
                   double *radius)
{
    const body *b = &f->p->bodies[i];
    const double *h = f->grid.step_nm;
    moments m = take_moments(f, i, centre, EDX_PARTICLES_REACH * *radius, rivals, n);
    double y = m.y / m.sum, x = m.x / m.sum;
    double square = m.square / m.sum - y * y - x * x - (h[0] * h[0] + h[1] * h[1]) / 12;

    if (!(m.sum > 0) || !(square > 0) || !isfinite(square))
        return false;
    centre[0] = between(b->start_nm[0] - b->start_radius_nm, centre[0] + y,
                        b->start_nm[0] + b->start_radius_nm);
    centre[1] = between(b->start_nm[1] - b->start_radius_nm, centre[1] + x,
                        b->start_nm[1] + b->start_radius_nm);
    *radius = between(0.5 * b->start_radius_nm, sqrt(2.5 * square), 2 * b->start_radius_nm);
    return true;
}

/* Where counts do not tell, the pixels above the threshold do. Again: nothing has changed for whom
 * has no rivals. */
static void measure(const field *f, uint32_t i, bool again)
{
    body *b = &f->p->bodies[i];
    uint32_t rivals[EDX_MAX_PARTICLES], n = find_rivals(f->p, i, rivals);
    double centre[2] = {b->place.centre_nm[0], b->place.centre_nm[1]};
    double radius = b->place.radius_nm;

    for (int k = 0; k < ITERATIONS && !(again && n == 0); k++) {
        double before[3] = {centre[0], centre[1], radius};
        if (!refine(f, i, rivals, n, centre, &radius)) {
            memcpy(centre, b->start_nm, sizeof centre);
            radius = b->start_radius_nm;
            break;
        }
        if (distance(centre, before) + fabs(radius - before[2]) < CONVERGED * radius)
            break;
    }
    memcpy(b->place.centre_nm, centre, sizeof centre);
    b->place.radius_nm = radius;
}

static void start_bodies(edx_particles *p)
{
    const edx_segment_part *parts = edx_segment_parts(p->segment);
    double middle = (p->shape.bin_pixels - 1.0) / 2;

    for (uint32_t i = 0; i < p->count; i++) {
        body *b = &p->bodies[i];
        double area = parts[i].area * p->step_nm[0] * p->step_nm[1];
        *b = (body){.start_radius_nm = AREA_TO_SPHERE * sqrt(area / PI)};
        for (int axis = 0; axis < 2; axis++)
            b->start_nm[axis] =
                parts[i].centre[axis] * p->step_nm[axis] + middle * p->shape.step_nm[axis];
        memcpy(b->place.centre_nm, b->start_nm, sizeof b->start_nm);
        b->place.radius_nm = b->start_radius_nm;
        b->place.area_diameter_nm = 2 * sqrt(area / PI);
    }
}

static bool leaves_scan(const edx_particles *p, const edx_particle_place *place)
{
    const uint32_t size[2] = {p->shape.rows, p->shape.cols};

    for (int axis = 0; axis < 2; axis++) {
        double step = p->shape.step_nm[axis], at = place->centre_nm[axis];
        if (at - place->radius_nm < -step / 2 || at + place->radius_nm > (size[axis] - 0.5) * step)
            return true;
    }
    return false;
}

static bool touches(const edx_particles *p, uint32_t i)
{
    const edx_particle_place *one = &p->bodies[i].place;
    double gap = fmax(p->shape.step_nm[0], p->shape.step_nm[1]);

    for (uint32_t k = 0; k < p->count; k++) {
        const edx_particle_place *other = &p->bodies[k].place;
        if (k != i &&
            distance(one->centre_nm, other->centre_nm) < one->radius_nm + other->radius_nm + gap)
            return true;
    }
    return false;
}

static void measure_bodies(edx_particles *p, const field *f)
{
    const edx_segment_part *parts = edx_segment_parts(p->segment);

    start_bodies(p);
    if (f->pool != NULL)
        edx_pool_run(f->pool, f->grid.rows, value_row, (void *)(uintptr_t)f);
    for (int round = 0; round < ROUNDS; round++)
        for (uint32_t i = 0; i < p->count; i++)
            measure(f, i, round > 0);
    for (uint32_t i = 0; i < p->count; i++) {
        edx_particle_place *place = &p->bodies[i].place;
        place->diameter_nm = 2 * place->radius_nm;
        place->touches_edge = parts[i].touches_edge || leaves_scan(p, place);
        place->touches_neighbour = parts[i].touches_neighbour || touches(p, i);
    }
}

/* ---- identity ---- */

/* The nearest of n places that are not taken, no further than the larger radius; n for none. */
static uint32_t nearest(const edx_particle_place *to, const edx_particle_place *const *among,
                        const bool *taken, uint32_t n)
{
    double best = INFINITY;
    uint32_t found = n;

    for (uint32_t k = 0; k < n; k++) {
        double away = distance(to->centre_nm, among[k]->centre_nm);
        if (!taken[k] && away < best && away <= fmax(to->radius_nm, among[k]->radius_nm)) {
            best = away;
            found = k;
        }
    }
    return found;
}

/* Those that are each other's nearest keep the id; again among the rest, until none is. */
static void keep_ids(edx_particles *p, uint32_t before)
{
    const edx_particle_place *now[EDX_MAX_PARTICLES], *then[EDX_MAX_PARTICLES];
    bool has_id[EDX_MAX_PARTICLES] = {false}, gone[EDX_MAX_PARTICLES] = {false}, any = true;

    for (uint32_t i = 0; i < p->count; i++)
        now[i] = &p->bodies[i].place;
    for (uint32_t k = 0; k < before; k++)
        then[k] = &p->places[k];
    while (any) {
        any = false;
        for (uint32_t i = 0; i < p->count; i++) {
            uint32_t k = has_id[i] ? before : nearest(now[i], then, gone, before);
            if (k == before || nearest(then[k], now, has_id, p->count) != i)
                continue;
            p->bodies[i].place.id = then[k]->id;
            has_id[i] = gone[k] = any = true;
        }
    }
}

static int by_place(const void *a, const void *b)
{
    const edx_particle_place *one = a, *other = b;

    for (int axis = 0; axis < 2; axis++)
        if (one->centre_nm[axis] < other->centre_nm[axis] ||
            one->centre_nm[axis] > other->centre_nm[axis])
            return one->centre_nm[axis] < other->centre_nm[axis] ? -1 : 1;
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const edx_particle_place *one = a, *other = b;

    return (one->id > other->id) - (one->id < other->id);
}

/* New ids are given in order of place. A body is known again by its label, which the id of its
 * place holds meanwhile. */
static void give_ids(edx_particles *p, uint32_t before, bool fixed)
{
    if (fixed)
        p->last_id = 0;
    else
        keep_ids(p, before);
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->count; i++)
        if (p->bodies[i].place.id == 0) {
            p->places[n] = p->bodies[i].place;
            p->places[n++].id = i;
        }
    qsort(p->places, n, sizeof *p->places, by_place);
    for (uint32_t k = 0; k < n; k++)
        p->bodies[p->places[k].id].place.id = ++p->last_id;
    for (uint32_t i = 0; i < p->count; i++)
        p->places[i] = p->bodies[i].place;
    qsort(p->places, p->count, sizeof *p->places, by_id);
}

/* ---- owners ---- */

/* Body that a pixel of no label belongs to, so far; index + 1, 0 for none. */
static void claim(edx_particles *p, uint32_t i, const double at[2], uint32_t *owner)
{
    double height = height_over(&p->bodies[i], at), radius = p->bodies[i].place.radius_nm;

    if (height <= (EDX_PARTICLES_REACH - 1) * radius &&
        (*owner == 0 || height < height_over(&p->bodies[*owner - 1], at)))
        *owner = i + 1;
}

static void claim_around(edx_particles *p, uint32_t i, const grid *g)
{
    const edx_particle_place *place = &p->bodies[i].place;
    double reach = EDX_PARTICLES_REACH * place->radius_nm;
    uint32_t rows[2], cols[2];

    span(g, 0, place->centre_nm[0], reach, &rows[0], &rows[1]);
    span(g, 1, place->centre_nm[1], reach, &cols[0], &cols[1]);
    for (uint32_t r = rows[0]; r < rows[1]; r++)
        for (uint32_t c = cols[0]; c < cols[1]; c++)
            if (label_at(p, g, r, c) == 0)
                claim(p, i, (double[2]){r * g->step_nm[0], c * g->step_nm[1]},
                      &p->owner[(size_t)r * g->cols + c]);
}

/* Labels of a row of scan pixels. */
static void spread_labels(edx_particles *p, uint32_t row)
{
    uint32_t bin = p->shape.bin_pixels, *owner = p->owner + (size_t)row * p->shape.cols;
    const uint32_t *labels = edx_segment_labels(p->segment) + (size_t)(row / bin) * p->cols;

    memset(owner, 0, sizeof *owner * p->shape.cols);
    for (uint32_t c = 0; row / bin < p->rows && c < p->cols; c++)
        for (uint32_t k = 0; k < bin; k++)
            *owner++ = labels[c];
}

static void find_owners(edx_particles *p)
{
    const double *step = p->shape.step_nm;
    const grid g = {p->shape.rows, p->shape.cols, {step[0], step[1]}, {0, 0}, p->shape.bin_pixels};
    size_t scan = (size_t)g.rows * g.cols;

    if (p->count == 0) {
        memset(p->owner, 0, sizeof *p->owner * scan);
        return;
    }
    for (uint32_t r = 0; r < g.rows; r++)
        spread_labels(p, r);
    for (uint32_t i = 0; i < p->count; i++)
        claim_around(p, i, &g);
    for (size_t k = 0; k < scan; k++)
        if (p->owner[k] > 0)
            p->owner[k] = p->bodies[p->owner[k] - 1].place.id;
}

uint32_t edx_particles_detect(edx_particles *particles, const edx_particles_source *source,
                              bool fixed)
{
    edx_particles *p = particles;
    uint32_t before = p->count;

    assert(source->counts == NULL || edx_sparse_channels(source->counts) == p->shape.channels);
    bool lines = find_segments(p, source, &p->count);
    field f = make_field(p, source, lines);
    measure_bodies(p, &f);
    give_ids(p, before, fixed);
    find_owners(p);
    return p->count;
}

/* ---- asking ---- */

uint32_t edx_particles_count(const edx_particles *particles)
{
    return particles->count;
}

const edx_particle_place *edx_particles_places(const edx_particles *particles)
{
    return particles->places;
}

const uint32_t *edx_particles_owner(const edx_particles *particles)
{
    return particles->owner;
}

/* Sets analysis pixels within reach of a point. */
static void stamp(edx_particles *p, const double at[2], double reach)
{
    double middle = (p->shape.bin_pixels - 1.0) / 2;
    const grid g = {p->rows,
                    p->cols,
                    {p->step_nm[0], p->step_nm[1]},
                    {middle * p->shape.step_nm[0], middle * p->shape.step_nm[1]},
                    1};
    uint32_t rows[2], cols[2];

    span(&g, 0, at[0], reach, &rows[0], &rows[1]);
    span(&g, 1, at[1], reach, &cols[0], &cols[1]);
    for (uint32_t r = rows[0]; r < rows[1]; r++)
        for (uint32_t c = cols[0]; c < cols[1]; c++) {
            const double here[2] = {g.origin_nm[0] + r * g.step_nm[0],
                                    g.origin_nm[1] + c * g.step_nm[1]};
            if (distance(at, here) <= reach)
                p->mask[(size_t)r * p->cols + c] = 1;
        }
}

/* Whether a pixel with a label has a side neighbour without. */
static bool is_rim(const edx_particles *p, const uint32_t *labels, uint32_t r, uint32_t c)
{
    const uint32_t *at = labels + (size_t)r * p->cols + c;

    return (r > 0 && *(at - p->cols) == 0) || (r + 1 < p->rows && at[p->cols] == 0) ||
           (c > 0 && *(at - 1) == 0) || (c + 1 < p->cols && at[1] == 0);
}

const uint8_t *edx_particles_mask(edx_particles *particles, double margin_nm)
{
    edx_particles *p = particles;
    const uint32_t *labels = edx_segment_labels(p->segment);
    double middle = (p->shape.bin_pixels - 1.0) / 2;

    for (uint32_t k = 0; k < p->rows * p->cols; k++)
        p->mask[k] = labels[k] > 0;
    for (uint32_t i = 0; i < p->count; i++)
        stamp(p, p->places[i].centre_nm, p->places[i].radius_nm + margin_nm);
    for (uint32_t r = 0; margin_nm > 0 && r < p->rows; r++)
        for (uint32_t c = 0; c < p->cols; c++)
            if (labels[(size_t)r * p->cols + c] > 0 && is_rim(p, labels, r, c))
                stamp(p,
                      (double[2]){r * p->step_nm[0] + middle * p->shape.step_nm[0],
                                  c * p->step_nm[1] + middle * p->shape.step_nm[1]},
                      margin_nm);
    return p->mask;
}
