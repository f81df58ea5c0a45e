#include "analysis/intensity.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/intensity_tile.h"

#define RUN 1024u       /* entries counted at once */
#define SPREAD 12u      /* entries marked for a pixel, needed or not */
#define LINE 64u        /* bytes in a cache line */
#define NEAR (1u << 21) /* bytes of cells that caches hold anyway */

/* A tile holds the segment counts of EDX_LANES pixels of one row, [segment][lane]. Counts beyond 16
 * bits go on in a second array of the same shape, whose memory the system grants where it is
 * touched. Segment 0 takes what is in no window. */
struct edx_intensity {
    uint32_t n;          /* lines */
    uint32_t rows, cols; /* analysis pixels */
    uint32_t scan_cols, bin, channels;
    uint32_t segments;
    uint32_t row_tiles, tiles;
    uint32_t lines; /* cache lines that a scan column's cells take, rounded up; 0: all are near */
    size_t tile_cells;
    uint32_t
        *cell_of_col;  /* scan column -> first cell of its pixel, in a row [cols * bin][SPREAD] */
    uint16_t *cell_of; /* full-resolution channel -> first cell of its segment [channels] */
    double *v;         /* [segments][n] */
    edx_term *terms;   /* by line */
    uint32_t *first_term; /* of each line [n + 1] */
    uint16_t *low;        /* [tiles][segments][lanes] */
    uint32_t *high;
    uint8_t *wide; /* tiles that use high */
    edx_tile_sum *sum;
    edx_pool *pool;
};

/* ---- functionals ---- */

/* What a line asks of the axis: which channels, and how much each counts. */
typedef struct functional {
    const double *windows[3];  /* peak, background, background: [lo, hi) */
    uint32_t first[3], end[3]; /* their channels */
    double weight[3];
} functional;

static double middle(const double window[2])
{
    return (window[0] + window[1]) / 2;
}

/* 1 on the peak; on the backgrounds what makes n times the straight line through their mean levels,
 * taken at the peak's middle. */
static edx_status functional_of(const edx_line *line, const edx_axis *axis, functional *out,
                                edx_error *err)
{
    uint32_t n[3];

    *out =
        (functional){.windows = {line->window_eV, line->background_eV[0], line->background_eV[1]},
                     .weight = {1, 0, 0}};
    for (int w = 0; w < 3; w++) {
        out->first[w] = edx_windows_first(axis, out->windows[w][0]);
        out->end[w] = edx_windows_first(axis, out->windows[w][1]);
        n[w] = out->end[w] - out->first[w];
        if (out->first[w] >= out->end[w])
            return edx_fail(err, EDX_E_RANGE,
                            "%s: no channel in %g to %g eV, expected one at least", line->name,
                            out->windows[w][0], out->windows[w][1]);
    }
    double at = middle(out->windows[0]), a = middle(out->windows[1]), b = middle(out->windows[2]);
    if (!(fabs(b - a) > 0))
        return edx_fail(err, EDX_E_RANGE,
                        "%s: both backgrounds around %g eV, expected two different energies",
                        line->name, a);
    out->weight[1] = -(double)n[0] / n[1] * ((b - at) / (b - a));
    out->weight[2] = -(double)n[0] / n[2] * ((at - a) / (b - a));
    return EDX_OK;
}

static void values_at(const functional *f, uint32_t n, uint32_t channel, double *v)
{
    for (uint32_t i = 0; i < n; i++) {
        v[i] = 0;
        for (int w = 0; w < 3; w++)
            if (channel >= f[i].first[w] && channel < f[i].end[w])
                v[i] += f[i].weight[w];
    }
}

/* ---- segments ---- */

/* Index of the segment whose functionals are v, the newest first; a new one if there is none. */
static uint32_t segment_of(edx_intensity *in, const double *v)
{
    size_t bytes = sizeof *v * in->n;

    for (uint32_t s = in->segments; s-- > 0;)
        if (memcmp(in->v + (size_t)s * in->n, v, bytes) == 0)
            return s;
    memcpy(in->v + (size_t)in->segments * in->n, v, bytes);
    return in->segments++;
}

/* Between two edges every functional is constant: at most so many segments, and the empty one. */
static uint32_t most_segments(uint32_t n)
{
    return 6 * n + 2;
}

static void cut_axis(edx_intensity *in, const functional *f, const edx_axis *axis,
                     uint32_t bin_energy)
{
    double v[EDX_MAX_LINES] = {0};

    segment_of(in, v);
    for (uint32_t a = 0; a < axis->channels; a++) {
        values_at(f, in->n, a, v);
        uint16_t cell = (uint16_t)(segment_of(in, v) * EDX_LANES);
        for (uint32_t k = 0; k < bin_energy; k++)
            if ((uint64_t)a * bin_energy + k < in->channels)
                in->cell_of[a * bin_energy + k] = cell;
    }
}

static void list_terms(edx_intensity *in)
{
    uint32_t t = 0;

    for (uint32_t i = 0; i < in->n; i++) {
        in->first_term[i] = t;
        for (uint32_t s = 0; s < in->segments; s++) {
            double v = in->v[(size_t)s * in->n + i];
            if (v != 0)
                in->terms[t++] = (edx_term){s * EDX_LANES, v, v * v};
        }
    }
    in->first_term[in->n] = t;
}

/* ---- life ---- */

static edx_status make_segments(edx_intensity *in, const edx_line *lines, const edx_axis *axis,
                                uint32_t bin_energy, edx_error *err)
{
    functional f[EDX_MAX_LINES];
    uint32_t most = most_segments(in->n);

    for (uint32_t i = 0; i < in->n; i++) {
        edx_status status = functional_of(&lines[i], axis, &f[i], err);
        if (status != EDX_OK)
            return status;
    }
    in->cell_of = calloc(in->channels, sizeof *in->cell_of);
    in->v = calloc((size_t)most * (in->n + 1), sizeof *in->v);
    in->terms = calloc((size_t)most * (in->n + 1), sizeof *in->terms);
    in->first_term = calloc(in->n + 1, sizeof *in->first_term);
    if (in->cell_of == NULL || in->v == NULL || in->terms == NULL || in->first_term == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for %u lines", in->n);
    cut_axis(in, f, axis, bin_energy);
    list_terms(in);
    return EDX_OK;
}

/* First cell of an analysis pixel: where segment 0 of its lane stands. */
static size_t cell_of_pixel(const edx_intensity *in, uint32_t row, uint32_t col)
{
    size_t tile = (size_t)row * in->row_tiles + col / EDX_LANES;
    return tile * in->tile_cells + col % EDX_LANES;
}

static uint32_t lines_of(const edx_intensity *in)
{
    size_t row = in->row_tiles * in->tile_cells * sizeof *in->low;

    return row * in->rows <= NEAR ? 0 : (uint32_t)(row / LINE) / (in->cols * in->bin) + 1;
}

static edx_status make_tiles(edx_intensity *in, edx_error *err)
{
    in->row_tiles = (in->cols + EDX_LANES - 1) / EDX_LANES;
    in->tiles = in->rows * in->row_tiles;
    in->tile_cells = (size_t)in->segments * EDX_LANES;
    in->lines = lines_of(in);
    in->low = calloc(in->tiles * in->tile_cells, sizeof *in->low);
    in->high = calloc(in->tiles * in->tile_cells, sizeof *in->high);
    in->wide = calloc(in->tiles, sizeof *in->wide);
    in->cell_of_col = calloc((size_t)in->cols * in->bin * SPREAD, sizeof *in->cell_of_col);
    if (in->low == NULL || in->high == NULL || in->wide == NULL || in->cell_of_col == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for %u segments of %u x %u pixels",
                        in->segments, in->rows, in->cols);
    for (size_t k = 0; k < (size_t)in->cols * in->bin * SPREAD; k++)
        in->cell_of_col[k] = (uint32_t)cell_of_pixel(in, 0, (uint32_t)(k / SPREAD) / in->bin);
    return EDX_OK;
}

edx_status edx_intensity_new(const edx_line *lines, uint32_t n, const edx_axis *axis,
                             uint32_t bin_energy, uint32_t rows, uint32_t cols, uint32_t channels,
                             uint32_t bin_pixels, edx_intensity **out, edx_error *err)
{
    if (n == 0 || n > EDX_MAX_LINES)
        return edx_fail(err, EDX_E_RANGE, "%u lines, expected 1 to %u", n, EDX_MAX_LINES);
    if (bin_energy == 0 || channels / bin_energy < axis->channels)
        return edx_fail(err, EDX_E_RANGE, "%u x %u channels, expected %u at most", axis->channels,
                        bin_energy, channels);
    if (bin_pixels == 0 || rows / bin_pixels == 0 || cols / bin_pixels == 0)
        return edx_fail(err, EDX_E_RANGE, "bins of %u pixels, expected 1 to %u", bin_pixels,
                        rows < cols ? rows : cols);
    edx_intensity *in = calloc(1, sizeof *in);
    if (in == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for intensities");
    in->n = n;
    in->rows = rows / bin_pixels;
    in->cols = cols / bin_pixels;
    in->scan_cols = cols;
    in->bin = bin_pixels;
    in->channels = channels;
    in->sum = edx_tile_sum_best();
    edx_status status = make_segments(in, lines, axis, bin_energy, err);
    if (status == EDX_OK)
        status = make_tiles(in, err);
    if (status != EDX_OK)
        edx_intensity_free(&in);
    *out = in;
    return status;
}

void edx_intensity_free(edx_intensity **intensity)
{
    edx_intensity *in = *intensity;

    *intensity = NULL;
    if (in == NULL)
        return;
    free(in->cell_of);
    free(in->cell_of_col);
    free(in->v);
    free(in->terms);
    free(in->first_term);
    free(in->low);
    free(in->high);
    free(in->wide);
    free(in);
}

void edx_intensity_clear(edx_intensity *in)
{
    memset(in->low, 0, sizeof *in->low * in->tiles * in->tile_cells);
    for (uint32_t t = 0; t < in->tiles; t++)
        if (in->wide[t] != 0)
            memset(in->high + t * in->tile_cells, 0, sizeof *in->high * in->tile_cells);
    memset(in->wide, 0, in->tiles);
}

void edx_intensity_set_pool(edx_intensity *in, edx_pool *pool)
{
    in->pool = pool;
}

void edx_intensity_use(edx_intensity *in, edx_tile_sum *sum)
{
    in->sum = sum;
}

uint32_t edx_intensity_rows(const edx_intensity *in)
{
    return in->rows;
}

uint32_t edx_intensity_cols(const edx_intensity *in)
{
    return in->cols;
}

/* ---- events ---- */

static void add_high(edx_intensity *in, size_t cell, uint32_t amount)
{
    in->high[cell] += amount;
    in->wide[cell / in->tile_cells] = 1;
}

static void add_weight(edx_intensity *in, size_t cell, uint32_t w)
{
    uint32_t sum = in->low[cell] + (w & 0xffffu);
    uint32_t high = (w >> 16) + (sum >> 16);

    in->low[cell] = (uint16_t)sum;
    if (high != 0)
        add_high(in, cell, high);
}

static void add_weights(edx_intensity *in, size_t pixel, const edx_events *events, uint32_t first,
                        uint32_t end)
{
    for (uint32_t e = first; e < end; e++)
        add_weight(in, pixel + in->cell_of[events->channels[e]],
                   events->weights == NULL ? 1 : events->weights[e]);
}

/* Counts n entries of one count each; pixel[k] is the first cell of entry k's pixel, in row. */
static void count_run(edx_intensity *in, size_t row, const uint16_t *channels,
                      const uint32_t *pixel, uint32_t n)
{
    const uint16_t *cell_of = in->cell_of;
    uint16_t *low = in->low + row;

    for (uint32_t k = 0; k < n; k++) {
        uint32_t cell = pixel[k] + cell_of[channels[k]];
        if (__builtin_expect(++low[cell] == 0, 0))
            add_high(in, row + cell, 1);
    }
}

/* Asks for a column's share of the cells of the row behind: where those of all rows are more than
 * the caches hold, counting would wait for memory most of the time. Always as many lines, so that
 * no branch is mispredicted. (Inlined by force: see prefetch in scene_add.c.) */
static inline __attribute__((always_inline)) uintptr_t ask(uintptr_t at, uint32_t lines)
{
    for (uint32_t k = 0; k < lines; k++, at += LINE)
        __builtin_prefetch((const void *)at, 1);
    return at;
}

/* One scan row, whose offsets these are, into an analysis row: entries of several pixels in one
 * loop, because where a pixel's entries end is not predictable, and a branch there would cost more
 * than the counting. */
static void add_units(edx_intensity *in, size_t row, const edx_events *events,
                      const uint32_t *offsets)
{
    uint32_t pixel[RUN + SPREAD] = {0};
    const uint32_t *cells = in->cell_of_col, cols = in->cols * in->bin;
    uint32_t first = offsets[0];
    uintptr_t behind = (uintptr_t)(in->low + row + in->row_tiles * in->tile_cells);

    for (uint32_t c = 0; c < cols; c++, cells += SPREAD) {
        uint32_t at = offsets[c] - first, end = offsets[c + 1] - first;
        behind = ask(behind, in->lines);
        if (end > RUN) {
            count_run(in, row, events->channels + first, pixel, at);
            first = offsets[c];
            at = 0;
            end = offsets[c + 1] - first;
        }
        if (end > RUN) {
            add_weights(in, row + *cells, events, first, offsets[c + 1]);
            first = offsets[c + 1];
            continue;
        }
        memcpy(pixel + at, cells, sizeof *pixel * SPREAD);
        for (at += SPREAD; at < end; at++)
            pixel[at] = *cells;
    }
    count_run(in, row, events->channels + first, pixel, offsets[cols] - first);
}

static void add_row(edx_intensity *in, uint32_t row, const edx_events *events,
                    const uint32_t *offsets)
{
    size_t cell = cell_of_pixel(in, row, 0);

    if (events->weights == NULL) {
        add_units(in, cell, events, offsets);
        return;
    }
    for (uint32_t c = 0; c < in->cols * in->bin; c++)
        add_weights(in, cell + in->cell_of_col[(size_t)c * SPREAD], events, offsets[c],
                    offsets[c + 1]);
}

typedef struct adding {
    edx_intensity *in;
    const edx_events *events;
    uint32_t first, end; /* scan rows */
    uint32_t row_0;      /* analysis row of the first chunk */
} adding;

static void add_task(void *context, uint32_t chunk, uint32_t worker)
{
    const adding *a = context;
    uint32_t bin = a->in->bin, rows = edx_pool_rows(a->in->cols) * bin;
    uint32_t from = a->row_0 * bin + chunk * rows, to = from + rows;
    uint32_t first = from > a->first ? from : a->first, end = to < a->end ? to : a->end;

    (void)worker;
    for (uint32_t r = first; r < end; r++)
        add_row(a->in, r / bin, a->events,
                a->events->offsets + (size_t)(r - a->first) * a->in->scan_cols);
}

void edx_intensity_add(edx_intensity *in, uint32_t row, const edx_events *events)
{
    uint32_t end = row + events->pixels / in->scan_cols, last = in->rows * in->bin;
    adding a = {in, events, row, end < last ? end : last, row / in->bin};

    if (a.first < a.end)
        edx_pool_run(in->pool, ((a.end - 1) / in->bin - a.row_0) / edx_pool_rows(in->cols) + 1,
                     add_task, &a);
}

typedef struct rebuilding {
    edx_intensity *in;
    const edx_scene *scene;
    size_t pixel;
} rebuilding;

static void add_voxel(void *context, uint32_t channel, uint32_t count)
{
    const rebuilding *b = context;

    add_weight(b->in, b->pixel + b->in->cell_of[channel], count);
}

static void rebuild_task(void *context, uint32_t row, uint32_t worker)
{
    const rebuilding *all = context;
    uint32_t bin = all->in->bin;
    rebuilding b = *all;

    (void)worker;
    for (uint32_t r = row * bin; r < (row + 1) * bin; r++)
        for (uint32_t c = 0; c < b.in->cols * bin; c++) {
            b.pixel = cell_of_pixel(b.in, row, c / bin);
            edx_scene_visit(b.scene, r * b.in->scan_cols + c, add_voxel, &b);
        }
}

void edx_intensity_rebuild(edx_intensity *in, const edx_scene *scene)
{
    rebuilding b = {in, scene, 0};

    edx_intensity_clear(in);
    edx_pool_run(in->pool, in->rows, rebuild_task, &b);
}

/* ---- results ---- */

typedef struct mapping {
    const edx_intensity *in;
    float *net, *sigma;
} mapping;

/* Sums one line in one tile into the lanes of a row that there are. */
static void sum_lanes(edx_tile_sum *sum, const edx_tile_terms *terms, uint32_t lanes, float *net,
                      float *sigma)
{
    float spare[2][EDX_LANES];

    if (lanes == EDX_LANES) {
        sum(terms, net == NULL ? spare[0] : net, sigma);
        return;
    }
    sum(terms, spare[0], spare[1]);
    if (net != NULL)
        memcpy(net, spare[0], sizeof *net * lanes);
    if (sigma != NULL)
        memcpy(sigma, spare[1], sizeof *sigma * lanes);
}

static void map_tile(const mapping *m, uint32_t row, uint32_t t)
{
    const edx_intensity *in = m->in;
    size_t tile = (size_t)row * in->row_tiles + t, first = tile * in->tile_cells;
    uint32_t col = t * EDX_LANES, rest = in->cols - col;
    edx_tile_terms terms = {.low = in->low + first};
    edx_tile_sum *sum = in->sum;

    if (in->wide[tile] != 0) {
        terms.high = in->high + first;
        sum = edx_tile_sum_get(EDX_KERNEL_PLAIN);
    }
    for (uint32_t i = 0; i < in->n; i++) {
        size_t at = ((size_t)i * in->rows + row) * in->cols + col;
        terms.terms = in->terms + in->first_term[i];
        terms.n = in->first_term[i + 1] - in->first_term[i];
        sum_lanes(sum, &terms, rest < EDX_LANES ? rest : EDX_LANES,
                  m->net == NULL ? NULL : m->net + at, m->sigma == NULL ? NULL : m->sigma + at);
    }
}

static void map_task(void *context, uint32_t chunk, uint32_t worker)
{
    const mapping *m = context;
    uint32_t rows = edx_pool_rows(m->in->cols), first = chunk * rows;

    (void)worker;
    for (uint32_t row = first; row < first + rows && row < m->in->rows; row++)
        for (uint32_t t = 0; t < m->in->row_tiles; t++)
            map_tile(m, row, t);
}

void edx_intensity_maps(const edx_intensity *in, float *net, float *sigma)
{
    mapping m = {in, net, sigma};

    edx_pool_run(in->pool, (in->rows - 1) / edx_pool_rows(in->cols) + 1, map_task, &m);
}

/* Adds what a segment with count counts gives to all lines. */
static void add_segment(const edx_intensity *in, uint32_t s, double count, double *net,
                        double *covariance)
{
    const double *v = in->v + (size_t)s * in->n;

    if (count == 0 || s == 0)
        return;
    for (uint32_t i = 0; i < in->n; i++) {
        if (v[i] == 0)
            continue;
        net[i] += v[i] * count;
        for (uint32_t j = 0; j < in->n; j++)
            covariance[(size_t)i * in->n + j] += v[i] * v[j] * count;
    }
}

static void zero(const edx_intensity *in, double *net, double *covariance)
{
    memset(net, 0, sizeof *net * in->n);
    memset(covariance, 0, sizeof *covariance * in->n * in->n);
}

void edx_intensity_pixel(const edx_intensity *in, uint32_t pixel, double *net, double *covariance)
{
    size_t cell = cell_of_pixel(in, pixel / in->cols, pixel % in->cols);

    zero(in, net, covariance);
    for (uint32_t s = 0; s < in->segments; s++, cell += EDX_LANES)
        add_segment(in, s, in->low[cell] + 65536.0 * in->high[cell], net, covariance);
}

void edx_intensity_spectrum(const edx_intensity *in, const uint64_t *spectrum, double *net,
                            double *covariance)
{
    uint64_t count[6 * EDX_MAX_LINES + 2] = {0};

    zero(in, net, covariance);
    for (uint32_t c = 0; c < in->channels; c++)
        count[in->cell_of[c] / EDX_LANES] += spectrum[c];
    for (uint32_t s = 0; s < in->segments; s++)
        add_segment(in, s, (double)count[s], net, covariance);
}
