#include "analysis/patch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/linalg.h"

#define PI 3.14159265358979323846
#define SQRT_2 1.41421356237309504880
#define TERMS EDX_PATCH_TERMS
#define ROUND EDX_PATCH_ROUND
#define WIDTH EDX_PATCH_WIDTH
#define WAVES EDX_PATCH_SIDE
#define TONES (2 * WAVES - 1) /* cosines that products of two need */
#define LINE (TONES + 2 * TERMS)
#define PLANE_ROW ((size_t)TONES * WIDTH)
#define CHUNK 128u /* pixels of a row at a time */
#define BAND 32u   /* rows at a time */
#define FINEST 256u
#define MARGIN 1.2 /* half a side of the square, in reach of the patch */

/* Pixels of one row. */
typedef struct strip {
    uint32_t first, n;
} strip;

struct edx_patch {
    edx_patch_place place;
    edx_patch_pixel *pixels; /* the caller's */
    uint32_t n;
    double half_nm;
    uint32_t n_waves;
    uint32_t wave[EDX_PATCH_MOST][2];
    uint32_t first_col, cols;
    double *across; /* [cols, TONES] cosines along x */
    double *radial; /* [n, 2 TERMS] */
    size_t across_room, radial_room;
    double basis[CHUNK * LINE];      /* [pixels, tones and radial terms] */
    double columns[CHUNK * WIDTH];   /* [pixels, 1, radial terms and one more] */
    double line[LINE * WIDTH];       /* of a strip: [tones of x and radial terms, columns] */
    double down[BAND * TONES];       /* [strips, tones of y] */
    double rows[BAND * PLANE_ROW];   /* [strips, tones of x, columns] */
    double plane[TONES * PLANE_ROW]; /* [tones of y, tones of x, columns] */
    double part[TONES * PLANE_ROW];
    double terms[2 * TERMS * WIDTH]; /* [radial terms, columns] */
};

edx_status edx_patch_new(edx_patch **out, edx_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory for a patch of pixels");
}

void edx_patch_free(edx_patch **patch)
{
    if (*patch) {
        free((*patch)->across);
        free((*patch)->radial);
    }
    free(*patch);
    *patch = NULL;
}

/* ---- where ---- */

static double offset_of(const edx_patch *p, int axis, uint32_t index)
{
    return p->place.origin_nm[axis] + index * p->place.step_nm[axis] - p->place.centre_nm[axis];
}

static void measure(edx_patch *p)
{
    const double *step = p->place.step_nm;
    double widest = 0, reach = 0;
    uint32_t first = UINT32_MAX, last = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        edx_patch_pixel *at = &p->pixels[i];
        double y = offset_of(p, 0, at->row), x = offset_of(p, 1, at->col);
        widest = fmax(widest, fmax(fabs(y), fabs(x)));
        at->r = hypot(y, x);
        reach = fmax(reach, at->r);
        first = at->col < first ? at->col : first;
        last = at->col > last ? at->col : last;
    }
    p->half_nm = MARGIN * fmax(widest, fmax(step[0], step[1]));
    p->first_col = first;
    p->cols = p->n > 0 ? last - first + 1 : 0;
    for (uint32_t i = 0; i < p->n; i++)
        p->pixels[i].r = reach > 0 ? p->pixels[i].r / reach : 0;
}

static void choose_waves(edx_patch *p)
{
    uint32_t finest = edx_patch_finest(p), most = finest < WAVES - 1 ? finest : WAVES - 1;

    p->n_waves = 0;
    for (uint32_t j = 0; j <= most; j++)
        for (uint32_t k = 0; k <= most; k++)
            if (j + k > 0 && j * j + k * k <= most * most) {
                p->wave[p->n_waves][0] = j;
                p->wave[p->n_waves++][1] = k;
            }
}

/* cos(k theta), k from 0, of a place along an axis. */
static void fill_tones(const edx_patch *p, int axis, uint32_t index, double *out)
{
    double theta = PI * (offset_of(p, axis, index) + p->half_nm) / (2 * p->half_nm);

    for (uint32_t k = 0; k < TONES; k++)
        out[k] = cos(k * theta);
}

/* Terms of a Brownian motion of x in 0 to 1, each of variance 1 / ((j - 1/2) pi)^2 / 2; the sines
 * by turning from one to the next. */
static void fill_radial(double x, double *out)
{
    double s = sin(0.5 * PI * x), c = cos(0.5 * PI * x);
    double turn_s = 2 * s * c, turn_c = c * c - s * s;

    for (uint32_t j = 0; j < TERMS; j++) {
        double next = s * turn_c + c * turn_s;
        out[j] = s / ((j + 0.5) * PI);
        c = c * turn_c - s * turn_s;
        s = next;
    }
}

static edx_status reserve(double **at, size_t *room, size_t n, edx_error *err)
{
    if (n <= *room)
        return EDX_OK;
    free(*at);
    *room = 0;
    *at = malloc(n * sizeof **at);
    if (!*at)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a patch of pixels");
    *room = n;
    return EDX_OK;
}

edx_status edx_patch_set(edx_patch *patch, const edx_patch_place *place, edx_patch_pixel *pixels,
                         uint32_t n, edx_error *err)
{
    edx_patch *p = patch;

    p->place = *place;
    p->pixels = pixels;
    p->n = n;
    measure(p);
    choose_waves(p);
    edx_status status = reserve(&p->across, &p->across_room, (size_t)p->cols * TONES, err);
    if (status == EDX_OK)
        status = reserve(&p->radial, &p->radial_room, (size_t)n * 2 * TERMS, err);
    if (status != EDX_OK) {
        p->n = 0;
        return status;
    }
    for (uint32_t c = 0; c < p->cols; c++)
        fill_tones(p, 1, p->first_col + c, p->across + (size_t)c * TONES);
    for (uint32_t i = 0; i < n; i++) {
        fill_radial(pixels[i].r * pixels[i].r, p->radial + (size_t)i * 2 * TERMS);
        fill_radial(pixels[i].r, p->radial + (size_t)i * 2 * TERMS + TERMS);
    }
    return EDX_OK;
}

double edx_patch_half_nm(const edx_patch *patch)
{
    return patch->half_nm;
}

uint32_t edx_patch_waves(const edx_patch *patch, const uint32_t (**waves)[2])
{
    *waves = patch->wave;
    return patch->n_waves;
}

uint32_t edx_patch_finest(const edx_patch *patch)
{
    const double *step = patch->place.step_nm;
    double most = 2 * patch->half_nm / fmax(step[0], step[1]);

    return (uint32_t)fmin(fmax(most, 1), FINEST);
}

/* ---- rows ---- */

/* The strips of a band, from pixel first on; returns how many, *end is the pixel after them. */
static uint32_t cut_band(const edx_patch *p, uint32_t first, strip *strips, uint32_t *end)
{
    uint32_t count = 0;

    while (first < p->n && count < BAND) {
        strip s = {first, 0};
        while (first < p->n && s.n < CHUNK && p->pixels[first].row == p->pixels[s.first].row) {
            s.n++;
            first++;
        }
        strips[count++] = s;
    }
    *end = first;
    return count;
}

static void fill_basis(edx_patch *p, const strip *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        double *out = p->basis + (size_t)i * LINE;
        const edx_patch_pixel *at = &p->pixels[s->first + i];
        memcpy(out, p->across + (size_t)(at->col - p->first_col) * TONES, sizeof *out * TONES);
        memcpy(out + TONES, p->radial + (size_t)(s->first + i) * 2 * TERMS,
               sizeof *out * 2 * TERMS);
    }
}

/* ---- sums ---- */

/* Weighted round functions, and the weighted value. */
static void weigh(edx_patch *p, const strip *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        const edx_patch_pixel *at = &p->pixels[s->first + i];
        const double *radial = p->basis + (size_t)i * LINE + TONES;
        double *out = p->columns + (size_t)i * WIDTH;
        out[0] = at->weight;
        for (uint32_t j = 0; j < 2 * TERMS; j++)
            out[1 + j] = at->weight * radial[j];
        out[ROUND] = at->weight * at->value;
    }
}

static void add(size_t n, const double *from, double *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] += from[i];
}

static void add_band(edx_patch *p, const strip *strips, uint32_t count)
{
    for (uint32_t k = 0; k < count; k++) {
        fill_basis(p, &strips[k]);
        weigh(p, &strips[k]);
        edx_linalg_inner(strips[k].n, LINE, WIDTH, p->basis, p->columns, p->line);
        memcpy(p->rows + (size_t)k * PLANE_ROW, p->line, sizeof *p->rows * PLANE_ROW);
        add((size_t)2 * TERMS * WIDTH, p->line + PLANE_ROW, p->terms);
        fill_tones(p, 0, p->pixels[strips[k].first].row, p->down + (size_t)k * TONES);
    }
    edx_linalg_inner(count, TONES, PLANE_ROW, p->down, p->rows, p->part);
    add((size_t)TONES * PLANE_ROW, p->part, p->plane);
}

static void clear(edx_patch *p)
{
    memset(p->plane, 0, sizeof p->plane);
    memset(p->terms, 0, sizeof p->terms);
}

/* sqrt(2) of every cosine that is not constant. */
static double norm_of(const uint32_t wave[2])
{
    return (wave[0] > 0 ? SQRT_2 : 1) * (wave[1] > 0 ? SQRT_2 : 1);
}

static uint32_t apart(uint32_t a, uint32_t b)
{
    return a > b ? a - b : b - a;
}

static size_t at_tones(uint32_t y, uint32_t x)
{
    return ((size_t)y * TONES + x) * WIDTH;
}

/* Where the four tones of a product of two waves are, each of a quarter of both norms. */
static void find_tones(const uint32_t a[2], const uint32_t b[2], size_t out[4])
{
    const uint32_t y[2] = {apart(a[0], b[0]), a[0] + b[0]};
    const uint32_t x[2] = {apart(a[1], b[1]), a[1] + b[1]};

    for (uint32_t i = 0; i < 4; i++)
        out[i] = at_tones(y[i / 2], x[i % 2]);
}

static void unfold_waves(const edx_patch *p, double *out)
{
    size_t at[4];

    for (uint32_t i = 0; i < p->n_waves; i++)
        for (uint32_t j = 0; j <= i; j++) {
            find_tones(p->wave[i], p->wave[j], at);
            double sum = p->plane[at[0]] + p->plane[at[1]] + p->plane[at[2]] + p->plane[at[3]];
            sum *= 0.25 * norm_of(p->wave[i]) * norm_of(p->wave[j]);
            out[(size_t)i * p->n_waves + j] = out[(size_t)j * p->n_waves + i] = sum;
        }
}

static void unfold(const edx_patch *p, edx_patch_sums *out)
{
    memcpy(out->round, p->plane, sizeof *out->round * WIDTH);
    memcpy(out->round + WIDTH, p->terms, sizeof p->terms);
    for (uint32_t i = 0; i < p->n_waves; i++) {
        const double *from = p->plane + at_tones(p->wave[i][0], p->wave[i][1]);
        for (uint32_t k = 0; k < WIDTH; k++)
            out->across[(size_t)i * WIDTH + k] = norm_of(p->wave[i]) * from[k];
    }
    unfold_waves(p, out->waves);
}

void edx_patch_accumulate(edx_patch *patch, edx_patch_sums *out)
{
    strip strips[BAND];
    uint32_t end = 0;

    clear(patch);
    while (end < patch->n) {
        uint32_t count = cut_band(patch, end, strips, &end);
        add_band(patch, strips, count);
    }
    unfold(patch, out);
}

/* ---- predictions ---- */

static void fold_waves(edx_patch *p, const double *moments)
{
    size_t at[4];

    for (uint32_t i = 0; i < p->n_waves; i++)
        for (uint32_t j = 0; j <= i; j++) {
            double part = (i == j ? 0.25 : 0.5) * norm_of(p->wave[i]) * norm_of(p->wave[j]) *
                          moments[(size_t)i * p->n_waves + j];
            find_tones(p->wave[i], p->wave[j], at);
            for (uint32_t k = 0; k < 4; k++)
                p->plane[at[k]] += part;
        }
}

/* What stands by 1 goes into the first column, by a radial term into that term's, half of it by
 * either; the mean into the last. */
static void fold(edx_patch *p, const edx_patch_sums *moments)
{
    clear(p);
    fold_waves(p, moments->waves);
    for (uint32_t i = 0; i < p->n_waves; i++) {
        double *to = p->plane + at_tones(p->wave[i][0], p->wave[i][1]), norm = norm_of(p->wave[i]);
        for (uint32_t k = 0; k < WIDTH; k++)
            to[k] += (k < ROUND ? 2 : 1) * norm * moments->across[(size_t)i * WIDTH + k];
    }
    p->plane[0] += moments->round[0];
    for (uint32_t k = 1; k < WIDTH; k++)
        p->plane[k] += (k < ROUND ? 2 : 1) * moments->round[k];
    memcpy(p->terms, moments->round + WIDTH, sizeof p->terms);
    for (uint32_t j = 0; j < 2 * TERMS; j++)
        p->terms[(size_t)j * WIDTH] = 0;
}

static void predict_strip(edx_patch *p, const strip *s)
{
    fill_basis(p, s);
    edx_linalg_times(s->n, LINE, WIDTH, 1, p->basis, p->line, 0, p->columns);
    for (uint32_t i = 0; i < s->n; i++) {
        edx_patch_pixel *at = &p->pixels[s->first + i];
        const double *column = p->columns + (size_t)i * WIDTH;
        const double *radial = p->basis + (size_t)i * LINE + TONES;
        at->mean = column[ROUND];
        at->variance = column[0];
        for (uint32_t j = 0; j < 2 * TERMS; j++)
            at->variance += radial[j] * column[1 + j];
    }
}

void edx_patch_predict(edx_patch *patch, const edx_patch_sums *moments)
{
    edx_patch *p = patch;
    strip strips[BAND];
    uint32_t end = 0;

    fold(p, moments);
    memcpy(p->line + PLANE_ROW, p->terms, sizeof p->terms);
    while (end < p->n) {
        uint32_t count = cut_band(p, end, strips, &end);
        for (uint32_t k = 0; k < count; k++)
            fill_tones(p, 0, p->pixels[strips[k].first].row, p->down + (size_t)k * TONES);
        edx_linalg_times(count, TONES, PLANE_ROW, 1, p->down, p->plane, 0, p->rows);
        for (uint32_t k = 0; k < count; k++) {
            memcpy(p->line, p->rows + (size_t)k * PLANE_ROW, sizeof *p->line * PLANE_ROW);
            predict_strip(p, &strips[k]);
        }
    }
}
