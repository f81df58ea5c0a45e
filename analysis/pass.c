#include "analysis/pass.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/lanes.h"
#include "analysis/pass_kernels.h"

#define MAX_LANES 16u
#define PIXELS_PER_FLUSH 4096u
#define ROWS_PER_CHUNK 64u

/* A range of pixels, summed by one thread in order. */
typedef struct lane {
    uint32_t first, end;
    float *y;    /* [channels + 1, EDX_PASS] the last: of channels that a view has none for */
    double *sum; /* the same, of what was flushed */
    double square[EDX_PASS], product[EDX_PASS];
    double gram[EDX_PASS * EDX_PASS];
} lane;

struct edx_pass {
    uint32_t pixels, channels, n_lanes;
    const edx_pass_kernel *kernel;
    edx_pool *pool;
    float *scale;  /* [pixels] a_i */
    float *w;      /* [channels + 1, EDX_PASS] the last: 0 */
    float *column; /* [channels] */
    float values[2][EDX_PASS_VALUES];
    float squares[256]; /* of digits */
    lane lanes[MAX_LANES];
};

/* ---- life ---- */

static float *aligned_floats(size_t n)
{
    float *floats = aligned_alloc(64, (n * sizeof *floats + 63) / 64 * 64);

    if (floats != NULL)
        memset(floats, 0, n * sizeof *floats);
    return floats;
}

static bool open_lane(lane *l, size_t cells)
{
    l->y = aligned_floats(cells);
    l->sum = calloc(cells, sizeof *l->sum);
    return l->y != NULL && l->sum != NULL;
}

static bool allocate(edx_pass *p)
{
    size_t cells = ((size_t)p->channels + 1) * EDX_PASS;
    bool got = true;

    p->scale = calloc(p->pixels, sizeof *p->scale);
    p->column = calloc(p->channels, sizeof *p->column);
    p->w = aligned_floats(cells);
    for (uint32_t l = 0; got && l < p->n_lanes; l++)
        got = open_lane(&p->lanes[l], cells);
    return got && p->scale != NULL && p->column != NULL && p->w != NULL;
}

static void fill_values(edx_pass *p)
{
    for (uint32_t i = 0; i < EDX_PASS_VALUES; i++) {
        p->values[0][i] = (float)ldexp(i % 256, (int)(i / 256 * 8));
        p->values[1][i] = -p->values[0][i];
    }
    for (uint32_t i = 0; i < 256; i++)
        p->squares[i] = (float)(i * i);
}

static void cut_lanes(edx_pass *p)
{
    p->n_lanes = edx_lanes_between(p->pixels / EDX_LANE_PIXELS, 1, MAX_LANES);
    for (uint32_t l = 0; l < p->n_lanes; l++) {
        p->lanes[l].first = edx_lanes_first(p->pixels, p->n_lanes, l);
        p->lanes[l].end = edx_lanes_first(p->pixels, p->n_lanes, l + 1);
    }
}

edx_status edx_pass_new(uint32_t pixels, uint32_t channels, edx_pass **out, edx_error *err)
{
    edx_pass *p = calloc(1, sizeof *p);

    if (p != NULL) {
        p->pixels = pixels;
        p->channels = channels;
        p->kernel = edx_pass_kernel_best();
        cut_lanes(p);
        fill_values(p);
    }
    if (p == NULL || !allocate(p)) {
        edx_pass_free(&p);
        return edx_fail(err, EDX_E_NOMEM, "no memory for passes over %u channels", channels);
    }
    *out = p;
    return EDX_OK;
}

void edx_pass_free(edx_pass **pass)
{
    edx_pass *p = *pass;

    *pass = NULL;
    if (p == NULL)
        return;
    for (uint32_t l = 0; l < p->n_lanes; l++) {
        free(p->lanes[l].y);
        free(p->lanes[l].sum);
    }
    free(p->scale);
    free(p->column);
    free(p->w);
    free(p);
}

void edx_pass_set_pool(edx_pass *pass, edx_pool *pool)
{
    pass->pool = pool;
}

void edx_pass_use(edx_pass *pass, const edx_pass_kernel *kernel)
{
    pass->kernel = kernel;
}

uint32_t edx_pass_scale(edx_pass *pass, const edx_scene *store)
{
    const uint64_t *counts = edx_scene_pixel_counts(store);
    uint64_t full = 0;

    for (uint32_t i = 0; i < pass->pixels; i++) {
        pass->scale[i] = counts[i] == 0 ? 0 : (float)(1 / (double)counts[i]);
        full += counts[i] > 0;
    }
    edx_pool_sum(pass->pool, EDX_U8, &full, 1);
    return (uint32_t)full;
}

float *edx_pass_input(edx_pass *pass)
{
    return pass->w;
}

/* ---- one pixel ---- */

static void dot_part(const edx_pass *p, const edx_scene *part, uint32_t pixel, const float *values,
                     float *sum)
{
    const uint16_t *map = edx_scene_map(part);

    for (uint32_t i = 0; i < edx_scene_pieces(part); i++) {
        edx_scene_row row = edx_scene_piece(part, pixel, i);
        p->kernel->dot(&row, map, values, p->w, sum);
    }
}

static void dot_parts(const edx_pass *p, const edx_pass_term *term, uint32_t pixel, float *sum)
{
    memset(sum, 0, sizeof *sum * EDX_PASS);
    for (uint32_t k = 0; k < term->parts; k++)
        if (term->part[k] != NULL)
            dot_part(p, term->part[k], pixel, p->values[term->sign[k] < 0], sum);
}

static void spread_part(const edx_pass *p, const edx_scene *part, uint32_t pixel,
                        const float *values, const float *u, float *y)
{
    const uint16_t *map = edx_scene_map(part);

    for (uint32_t i = 0; i < edx_scene_pieces(part); i++) {
        edx_scene_row row = edx_scene_piece(part, pixel, i);
        p->kernel->spread(&row, map, values, u, y);
    }
}

static void spread_parts(const edx_pass *p, const edx_pass_term *term, uint32_t pixel,
                         const float *u, float *y)
{
    for (uint32_t k = 0; k < term->parts; k++)
        if (term->part[k] != NULL)
            spread_part(p, term->part[k], pixel, p->values[term->sign[k] < 0], u, y);
}

/* ---- X' a X w ---- */

typedef struct job {
    edx_pass *pass;
    const edx_pass_term *terms;
    uint32_t n_terms;
    const edx_scene *store;
    double *out;
    float *maps;
    uint32_t n;
} job;

static void apply_pixel(const job *j, uint32_t pixel, float *y)
{
    const edx_pass *p = j->pass;
    _Alignas(64) float u[EDX_PASS];

    if (p->scale[pixel] == 0)
        return;
    for (uint32_t t = 0; t < j->n_terms; t++) {
        float scale = p->scale[pixel] * (float)j->terms[t].weight;
        dot_parts(p, &j->terms[t], pixel, u);
        for (uint32_t k = 0; k < EDX_PASS; k++)
            u[k] *= scale;
        spread_parts(p, &j->terms[t], pixel, u, y);
    }
}

static void flush(lane *l, size_t cells)
{
    for (size_t i = 0; i < cells; i++) {
        l->sum[i] += (double)l->y[i];
        l->y[i] = 0;
    }
    memset(l->y + cells, 0, sizeof *l->y * EDX_PASS);
}

/* Where what is summed from pixel i on is flushed: at the end of a lane, and where a finer one
 * ends, so that these can be summed apart. */
static uint32_t end_of_sum(const edx_pass *p, const lane *l, uint32_t i)
{
    uint32_t n = edx_lanes(p->pixels), end = i + PIXELS_PER_FLUSH;
    uint32_t next = edx_lanes_first(p->pixels, n, edx_lanes_of(p->pixels, n, i) + 1);

    end = end < next ? end : next;
    return end < l->end ? end : l->end;
}

static void apply_lane(void *context, uint32_t index, uint32_t worker)
{
    const job *j = context;
    lane *l = &j->pass->lanes[index];
    size_t cells = (size_t)j->pass->channels * EDX_PASS;

    (void)worker;
    memset(l->sum, 0, sizeof *l->sum * cells);
    for (uint32_t i = l->first; i < l->end;) {
        uint32_t end = end_of_sum(j->pass, l, i);
        for (; i < end; i++)
            apply_pixel(j, i, l->y);
        flush(l, cells);
    }
}

static void reduce_rows(void *context, uint32_t chunk, uint32_t worker)
{
    const job *j = context;
    const edx_pass *p = j->pass;
    uint32_t first = chunk * ROWS_PER_CHUNK, rows = p->channels - first;
    size_t at = (size_t)first * EDX_PASS;
    size_t n = (size_t)(rows < ROWS_PER_CHUNK ? rows : ROWS_PER_CHUNK) * EDX_PASS;

    (void)worker;
    memcpy(j->out + at, p->lanes[0].sum + at, sizeof *j->out * n);
    for (uint32_t l = 1; l < p->n_lanes; l++)
        for (size_t i = at; i < at + n; i++)
            j->out[i] += p->lanes[l].sum[i];
}

void edx_pass_apply(edx_pass *pass, const edx_pass_term *terms, uint32_t n_terms, double *out)
{
    job j = {.pass = pass, .terms = terms, .n_terms = n_terms, .out = out};

    edx_pool_run(pass->pool, pass->n_lanes, apply_lane, &j);
    edx_pool_run(pass->pool, (pass->channels + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK, reduce_rows,
                 &j);
    edx_pool_sum(pass->pool, EDX_F8, out, (size_t)pass->channels * EDX_PASS);
}

/* ---- w' X' a X w ---- */

static void form_pixel(const job *j, uint32_t pixel, float *gram)
{
    const edx_pass *p = j->pass;
    _Alignas(64) float u[EDX_PASS];

    if (p->scale[pixel] == 0)
        return;
    for (uint32_t t = 0; t < j->n_terms; t++) {
        dot_parts(p, &j->terms[t], pixel, u);
        p->kernel->outer(p->scale[pixel] * (float)j->terms[t].weight, u, gram);
    }
}

static void form_lane(void *context, uint32_t index, uint32_t worker)
{
    const job *j = context;
    lane *l = &j->pass->lanes[index];

    (void)worker;
    memset(l->gram, 0, sizeof l->gram);
    for (uint32_t i = l->first; i < l->end;) {
        uint32_t end = end_of_sum(j->pass, l, i);
        _Alignas(64) float gram[EDX_PASS * EDX_PASS] = {0};
        for (; i < end; i++)
            form_pixel(j, i, gram);
        for (uint32_t k = 0; k < EDX_PASS * EDX_PASS; k++)
            l->gram[k] += (double)gram[k];
    }
}

void edx_pass_form(edx_pass *pass, const edx_pass_term *terms, uint32_t n_terms, double *out)
{
    job j = {.pass = pass, .terms = terms, .n_terms = n_terms};

    edx_pool_run(pass->pool, pass->n_lanes, form_lane, &j);
    memset(out, 0, sizeof *out * EDX_PASS * EDX_PASS);
    for (uint32_t l = 0; l < pass->n_lanes; l++)
        for (uint32_t k = 0; k < EDX_PASS * EDX_PASS; k++)
            out[k] += pass->lanes[l].gram[k];
    edx_pool_sum(pass->pool, EDX_F8, out, (size_t)EDX_PASS * EDX_PASS);
}

/* ---- sums over pixels ---- */

static void overlap_pixel(const job *j, uint32_t pixel, lane *l)
{
    const edx_pass *p = j->pass;
    const edx_pass_term other = {1, 1, {j->store}, {1}};
    _Alignas(64) float a[EDX_PASS], b[EDX_PASS];
    double scale = (double)p->scale[pixel];

    dot_parts(p, j->terms, pixel, a);
    dot_parts(p, &other, pixel, b);
    for (uint32_t k = 0; k < EDX_PASS; k++) {
        l->square[k] += scale * (double)a[k] * (double)a[k];
        l->product[k] += scale * (double)a[k] * (double)b[k];
    }
}

static void overlap_lane(void *context, uint32_t index, uint32_t worker)
{
    const job *j = context;
    lane *l = &j->pass->lanes[index];

    (void)worker;
    memset(l->square, 0, sizeof l->square);
    memset(l->product, 0, sizeof l->product);
    for (uint32_t i = l->first; i < l->end; i++)
        if (j->pass->scale[i] != 0)
            overlap_pixel(j, i, l);
}

void edx_pass_overlap(edx_pass *pass, const edx_pass_term *term, const edx_scene *other,
                      double square[EDX_PASS], double product[EDX_PASS])
{
    job j = {.pass = pass, .terms = term, .store = other};

    edx_pool_run(pass->pool, pass->n_lanes, overlap_lane, &j);
    for (uint32_t k = 0; k < EDX_PASS; k++) {
        square[k] = product[k] = 0;
        for (uint32_t l = 0; l < pass->n_lanes; l++) {
            square[k] += pass->lanes[l].square[k];
            product[k] += pass->lanes[l].product[k];
        }
    }
    edx_pool_sum(pass->pool, EDX_F8, square, EDX_PASS);
    edx_pool_sum(pass->pool, EDX_F8, product, EDX_PASS);
}

static void map_lane(void *context, uint32_t index, uint32_t worker)
{
    const job *j = context;
    const edx_pass *p = j->pass;
    const edx_pass_term term = {1, 1, {j->store}, {1}};
    _Alignas(64) float u[EDX_PASS];

    (void)worker;
    for (uint32_t i = p->lanes[index].first; i < p->lanes[index].end; i++) {
        dot_parts(p, &term, i, u);
        float scale = sqrtf(p->scale[i]);
        for (uint32_t k = 0; k < j->n; k++)
            j->maps[(size_t)k * p->pixels + i] = scale * u[k];
    }
}

void edx_pass_maps(edx_pass *pass, const edx_scene *store, uint32_t n, float *maps)
{
    job j = {.pass = pass, .store = store, .n = n, .maps = maps};

    edx_pool_run(pass->pool, pass->n_lanes, map_lane, &j);
    edx_pool_sum(pass->pool, EDX_F4, maps, (size_t)n * pass->pixels);
}

typedef struct squaring {
    const float *squares; /* [256] of a digit */
    const float *column;
    float *tally; /* [channels] 0 between pixels */
    double sum;
} squaring;

static void tally_voxel(void *context, uint32_t channel, uint32_t count)
{
    squaring *s = context;

    s->tally[channel] += (float)count;
}

/* Once for a channel, however often it comes. */
static void square_voxel(void *context, uint32_t channel, uint32_t count)
{
    squaring *s = context;
    double x = (double)s->tally[channel];

    (void)count;
    s->tally[channel] = 0;
    s->sum += x * x * (double)s->column[channel];
}

static inline float square_slot(const edx_scene_row *row, uint32_t i, const squaring *s)
{
    return s->squares[row->digits[i]] * s->column[row->keys[i]];
}

/* A pixel in one piece whose counts all have one digit: others go the long way. Four sums, so that
 * additions need not wait for each other. */
static bool square_row(const edx_scene *store, uint32_t pixel, squaring *s)
{
    float a = 0, b = 0, c = 0, d = 0;
    uint32_t i = 0;

    if (edx_scene_pieces(store) != 1 || edx_scene_map(store) != NULL)
        return false;
    edx_scene_row row = edx_scene_piece(store, pixel, 0);
    if (!edx_scene_row_is_narrow(&row))
        return false;
    for (; i + 4 <= row.n; i += 4) {
        a += square_slot(&row, i, s);
        b += square_slot(&row, i + 1, s);
        c += square_slot(&row, i + 2, s);
        d += square_slot(&row, i + 3, s);
    }
    for (; i < row.n; i++)
        a += square_slot(&row, i, s);
    s->sum = (double)(a + b + (c + d));
    return true;
}

static void square_lane(void *context, uint32_t index, uint32_t worker)
{
    const job *j = context;
    const edx_pass *p = j->pass;
    lane *l = &j->pass->lanes[index];

    (void)worker;
    l->square[0] = 0;
    for (uint32_t i = l->first; i < l->end; i++) {
        squaring s = {p->squares, p->column, l->y, 0};
        if (!square_row(j->store, i, &s)) {
            s.sum = 0;
            edx_scene_visit(j->store, i, tally_voxel, &s);
            edx_scene_visit(j->store, i, square_voxel, &s);
        }
        l->square[0] += (double)p->scale[i] * s.sum;
    }
}

double edx_pass_square(edx_pass *pass, const edx_scene *store, const double *column)
{
    job j = {.pass = pass, .store = store};
    double sum = 0;

    for (uint32_t c = 0; c < pass->channels; c++)
        pass->column[c] = (float)column[c];
    edx_pool_run(pass->pool, pass->n_lanes, square_lane, &j);
    for (uint32_t l = 0; l < pass->n_lanes; l++)
        sum += pass->lanes[l].square[0];
    edx_pool_sum(pass->pool, EDX_F8, &sum, 1);
    return sum;
}
