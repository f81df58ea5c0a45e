#include "analysis/nmf_pass.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/lanes.h"

#define MAX_BLOCKS EDX_LANES_BLOCKS
#define MAX_LANES EDX_LANES_PER_BLOCK /* in a block */
#define ROWS_PER_CHUNK 64u
/* The least share of a pixel's or channel's counts that a component keeps, so that it can grow
 * again and products stay normal numbers. */
#define LEAST 1e-9f
/* What a push leaves of a value at least. */
#define LEFT 0.1f

/* A range of pixels, gone through by one thread in order. */
typedef struct lane {
    uint32_t first, end;
    double sum, digits; /* of logarithms; see edx_nmf_pass_log */
    double totals[EDX_NMF_WIDEST];
} lane;

/* A component's part of what is kept in channel rows c is at [c * width + k]. */
struct edx_nmf_pass {
    uint32_t pixels, channels, k, width, widest;
    uint32_t n_blocks, per_block, n_lanes; /* lanes of a block, which follow each other; of all */
    uint32_t n_chunks;
    const edx_nmf_kernel *kernel, *wanted;
    edx_pool *pool;
    float *w, *w_kept, *w_before; /* [pixels, width] W */
    float *h, *h_kept; /* [channels, width] shares of all blocks, H times the components' totals */
    /* [channels, width] of a block; before: before the last pass */
    float *shares[MAX_BLOCKS], *shares_kept[MAX_BLOCKS], *shares_before[MAX_BLOCKS];
    float *spread[MAX_LANES];      /* [channels, width] s of a lane */
    float *part;                   /* [channels] of the counts */
    double *gathered;              /* [channels, width] of all lanes of a block */
    double *sums;                  /* [n_chunks, width] of rows of h */
    float inverse[EDX_NMF_WIDEST]; /* of the sums of the columns of h */
    float inverse_kept[EDX_NMF_WIDEST];
    float least[EDX_NMF_WIDEST]; /* LEAST for components, 0 beyond */
    lane lanes[MAX_BLOCKS * MAX_LANES];
};

/* ---- life ---- */

static float *aligned_floats(size_t n)
{
    float *floats = aligned_alloc(64, (n * sizeof *floats + 63) / 64 * 64);

    if (floats != NULL)
        memset(floats, 0, n * sizeof *floats);
    return floats;
}

static bool allocate(edx_nmf_pass *p)
{
    size_t cells = (size_t)p->channels * p->widest, weights = (size_t)p->pixels * p->widest;
    bool got = true;

    for (uint32_t b = 0; b < p->n_blocks; b++) {
        got = got && (p->shares[b] = aligned_floats(cells)) != NULL;
        got = got && (p->shares_kept[b] = aligned_floats(cells)) != NULL;
        got = got && (p->shares_before[b] = aligned_floats(cells)) != NULL;
    }
    for (uint32_t l = 0; l < p->per_block; l++)
        got = got && (p->spread[l] = aligned_floats(cells)) != NULL;
    p->h = aligned_floats(cells);
    p->h_kept = aligned_floats(cells);
    p->w = aligned_floats(weights);
    p->w_kept = aligned_floats(weights);
    p->w_before = aligned_floats(weights);
    p->part = calloc(p->channels, sizeof *p->part);
    p->gathered = calloc(cells, sizeof *p->gathered);
    p->sums = calloc((size_t)p->n_chunks * p->widest, sizeof *p->sums);
    return got && p->h != NULL && p->h_kept != NULL && p->w != NULL && p->w_kept != NULL &&
           p->w_before != NULL && p->part != NULL && p->gathered != NULL && p->sums != NULL;
}

/* As many lanes in every block. */
static void cut(edx_nmf_pass *p)
{
    p->n_blocks = edx_lanes_blocks(p->pixels);
    p->per_block = edx_lanes_per_block(p->pixels);
    p->n_lanes = edx_lanes(p->pixels);
    for (uint32_t l = 0; l < p->n_lanes; l++) {
        p->lanes[l].first = edx_lanes_first(p->pixels, p->n_lanes, l);
        p->lanes[l].end = edx_lanes_first(p->pixels, p->n_lanes, l + 1);
    }
}

edx_status edx_nmf_pass_new(uint32_t pixels, uint32_t channels, uint32_t max_k, edx_nmf_pass **out,
                            edx_error *err)
{
    edx_nmf_pass *p = calloc(1, sizeof *p);

    if (p != NULL) {
        p->pixels = pixels;
        p->channels = channels;
        p->widest = edx_nmf_kernel_best(max_k)->width;
        p->n_chunks = (channels + ROWS_PER_CHUNK - 1) / ROWS_PER_CHUNK;
        cut(p);
    }
    if (p == NULL || !allocate(p)) {
        edx_nmf_pass_free(&p);
        return edx_fail(err, EDX_E_NOMEM, "no memory for %u factors of %u pixels", max_k, pixels);
    }
    *out = p;
    return EDX_OK;
}

void edx_nmf_pass_free(edx_nmf_pass **pass)
{
    edx_nmf_pass *p = *pass;

    *pass = NULL;
    if (p == NULL)
        return;
    for (uint32_t b = 0; b < MAX_BLOCKS; b++) {
        free(p->shares[b]);
        free(p->shares_kept[b]);
        free(p->shares_before[b]);
    }
    for (uint32_t l = 0; l < MAX_LANES; l++)
        free(p->spread[l]);
    free(p->h);
    free(p->h_kept);
    free(p->w);
    free(p->w_kept);
    free(p->w_before);
    free(p->part);
    free(p->gathered);
    free(p->sums);
    free(p);
}

void edx_nmf_pass_set_pool(edx_nmf_pass *pass, edx_pool *pool)
{
    pass->pool = pool;
}

void edx_nmf_pass_use(edx_nmf_pass *pass, const edx_nmf_kernel *kernel)
{
    pass->wanted = kernel;
}

/* ---- H from the shares of the blocks ---- */

typedef float four __attribute__((vector_size(16)));
typedef float any_four __attribute__((vector_size(16), may_alias));

static void add_rows(float *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i += 4)
        *(any_four *)(to + i) += *(const any_four *)(from + i);
}

typedef struct job {
    edx_nmf_pass *pass;
    const edx_scene *store;
    uint32_t block, first_lane, n_lanes; /* of the lanes that run */
    bool whole;
    bool gathered; /* the lanes are */
    bool digits;   /* are asked for */
    float mix, push;
    const float *maps;
    float even[EDX_NMF_WIDEST]; /* each component's part of all counts */
} job;

/* Where the chunk of channels ends that begins at first. */
static uint32_t end_of(const edx_nmf_pass *p, uint32_t first)
{
    return p->channels - first < ROWS_PER_CHUNK ? p->channels : first + ROWS_PER_CHUNK;
}

/* Rows first to end - 1 of h, not below the least, and their sums. */
static void sum_blocks(const edx_nmf_pass *p, uint32_t chunk, uint32_t first, uint32_t end)
{
    size_t at = (size_t)first * p->width, n = (size_t)(end - first) * p->width;
    double *sums = p->sums + (size_t)chunk * p->width;

    memcpy(p->h + at, p->shares[0] + at, sizeof *p->h * n);
    for (uint32_t b = 1; b < p->n_blocks; b++)
        add_rows(p->h + at, p->shares[b] + at, n);
    memset(sums, 0, sizeof *sums * p->width);
    for (uint32_t c = first; c < end; c++) {
        float *row = p->h + (size_t)c * p->width;
        for (uint32_t k = 0; k < p->width; k++) {
            float least = p->part[c] * p->least[k];
            if (row[k] < least)
                row[k] = least;
            sums[k] += (double)row[k];
        }
    }
}

/* In double precision: lanes may come together in any order. */
static void gather_lanes(void *context, uint32_t chunk, uint32_t worker)
{
    const job *j = context;
    edx_nmf_pass *p = j->pass;
    uint32_t first = chunk * ROWS_PER_CHUNK, end = end_of(p, first);
    size_t at = (size_t)first * p->width, n = (size_t)(end - first) * p->width;
    double *sum = p->gathered + at;

    (void)worker;
    memset(sum, 0, sizeof *sum * n);
    for (uint32_t l = 0; l < j->n_lanes; l++)
        for (size_t i = 0; i < n; i++)
            sum[i] += (double)p->spread[l][at + i];
}

/* Other processes gather the rest of the block's pixels. */
static void gather_ranks(job *j)
{
    edx_nmf_pass *p = j->pass;

    edx_pool_run(p->pool, p->n_chunks, gather_lanes, j);
    edx_pool_sum(p->pool, EDX_F8, p->gathered, (size_t)p->channels * p->width);
    j->gathered = true;
}

/* What the lanes of a block gathered becomes its shares; then H follows, or waits for all blocks.
 */
static void reduce(void *context, uint32_t chunk, uint32_t worker)
{
    const job *j = context;
    edx_nmf_pass *p = j->pass;
    uint32_t first = chunk * ROWS_PER_CHUNK, end = end_of(p, first);
    size_t at = (size_t)first * p->width, n = (size_t)(end - first) * p->width;

    if (j->n_lanes > 0) {
        if (!j->gathered)
            gather_lanes(context, chunk, worker);
        for (size_t i = at; i < at + n; i++)
            p->shares[j->block][i] = (float)p->gathered[i] * p->h[i];
    }
    if (!j->whole)
        sum_blocks(p, chunk, first, end);
}

static void update_h(job *j)
{
    edx_nmf_pass *p = j->pass;

    if (j->n_lanes > 0 && edx_pool_ranks(p->pool) != NULL)
        gather_ranks(j);
    edx_pool_run(p->pool, p->n_chunks, reduce, j);
    for (uint32_t k = 0; !j->whole && k < p->k; k++) {
        double sum = 0;
        for (uint32_t c = 0; c < p->n_chunks; c++)
            sum += p->sums[(size_t)c * p->width + k];
        p->inverse[k] = sum > 0 ? (float)(1 / sum) : 0;
    }
}

/* ---- a pass ---- */

static void step_pixel(const edx_nmf_pass *p, const edx_scene *store, uint32_t pixel, float counts,
                       float *spread)
{
    _Alignas(64) float u[EDX_NMF_WIDEST], g[EDX_NMF_WIDEST];
    edx_scene_row row = edx_scene_row_at(store, pixel);
    float *w = p->w + (size_t)pixel * p->width;

    for (uint32_t k = 0; k < p->width; k++)
        u[k] = w[k] * p->inverse[k];
    p->kernel->step(&row, p->h, u, g, spread);
    for (uint32_t k = 0; k < p->width; k++) {
        float least = counts * p->least[k], share = u[k] * g[k];
        w[k] = share < least ? least : share;
    }
}

static void step_lane(void *context, uint32_t index, uint32_t worker)
{
    const job *j = context;
    edx_nmf_pass *p = j->pass;
    const lane *l = &p->lanes[j->first_lane + index];
    const uint64_t *counts = edx_scene_pixel_counts(j->store);

    (void)worker;
    memset(p->spread[index], 0, sizeof(float) * p->channels * p->width);
    for (uint32_t i = l->first; i < l->end; i++)
        if (counts[i] > 0)
            step_pixel(p, j->store, i, (float)counts[i], p->spread[index]);
}

static void run_pass(edx_nmf_pass *p, const edx_scene *store, bool whole)
{

    for (uint32_t b = 0; b < p->n_blocks; b++) {
        job j = {.pass = p, .store = store, .block = b, .n_lanes = p->per_block};
        j.first_lane = b * p->per_block;
        j.whole = whole && b + 1 < p->n_blocks;
        edx_pool_run(p->pool, p->per_block, step_lane, &j);
        update_h(&j);
    }
}

void edx_nmf_pass_whole(edx_nmf_pass *pass, const edx_scene *store)
{
    run_pass(pass, store, true);
}

/* ---- a push ---- */

/* Carries values on from what they were before, which they become. */
static void push_values(float *values, float *before, size_t n, float push)
{
    for (size_t i = 0; i < n; i++) {
        float value = values[i], on = value + push * (value - before[i]), left = LEFT * value;
        before[i] = value;
        values[i] = on < left ? left : on;
    }
}

static void push_lane(void *context, uint32_t index, uint32_t worker)
{
    const job *j = context;
    edx_nmf_pass *p = j->pass;
    const lane *l = &p->lanes[index];
    size_t at = (size_t)l->first * p->width, n = (size_t)(l->end - l->first) * p->width;

    (void)worker;
    push_values(p->w + at, p->w_before + at, n, j->push);
}

static void push_chunk(void *context, uint32_t chunk, uint32_t worker)
{
    const job *j = context;
    edx_nmf_pass *p = j->pass;
    uint32_t first = chunk * ROWS_PER_CHUNK, end = end_of(p, first);
    size_t at = (size_t)first * p->width, n = (size_t)(end - first) * p->width;

    (void)worker;
    for (uint32_t b = 0; b < p->n_blocks; b++)
        push_values(p->shares[b] + at, p->shares_before[b] + at, n, j->push);
}

void edx_nmf_pass_blocks(edx_nmf_pass *pass, const edx_scene *store, float push)
{
    job j = {.pass = pass, .store = store, .push = push};

    edx_pool_run(pass->pool, pass->n_lanes, push_lane, &j);
    edx_pool_run(pass->pool, pass->n_chunks, push_chunk, &j);
    if (push > 0)
        update_h(&j);
    run_pass(pass, store, false);
}

/* ---- logarithms ---- */

static double own_log(double x)
{
    return x > 0 ? x * log(x) : 0;
}

static void digits_of_voxel(void *context, uint32_t channel, uint32_t count)
{
    double *sum = context;

    (void)channel;
    *sum += own_log(count);
}

/* Only of pixels where some count has several digits. */
static double digits_of_row(const edx_scene *store, uint32_t pixel, const edx_scene_row *row)
{
    double sum = 0;

    if (edx_scene_row_is_narrow(row))
        return 0;
    edx_scene_visit(store, pixel, digits_of_voxel, &sum);
    for (uint32_t s = 0; s < row->n; s++)
        sum -= own_log(ldexp(row->digits[s], (int)(row->keys[s] >> EDX_ROW_CHANNEL_BITS) * 8));
    return sum;
}

static void log_lane(void *context, uint32_t index, uint32_t worker)
{
    const job *j = context;
    edx_nmf_pass *p = j->pass;
    lane *l = &p->lanes[index];
    _Alignas(64) float u[EDX_NMF_WIDEST];

    (void)worker;
    l->sum = l->digits = 0;
    for (uint32_t i = l->first; i < l->end; i++) {
        edx_scene_row row = edx_scene_row_at(j->store, i);
        for (uint32_t k = 0; k < p->width; k++)
            u[k] = p->w[(size_t)i * p->width + k] * p->inverse[k];
        if (row.n > 0)
            l->sum += (double)p->kernel->log(&row, p->h, u);
        if (j->digits)
            l->digits += digits_of_row(j->store, i, &row);
    }
}

double edx_nmf_pass_log(edx_nmf_pass *pass, const edx_scene *store, double *digits)
{
    job j = {.pass = pass, .store = store, .digits = digits != NULL};
    double sums[2] = {0};

    edx_pool_run(pass->pool, pass->n_lanes, log_lane, &j);
    for (uint32_t l = 0; l < pass->n_lanes; l++) {
        sums[0] += pass->lanes[l].sum;
        sums[1] += pass->lanes[l].digits;
    }
    edx_pool_sum(pass->pool, EDX_F8, sums, 2);
    if (digits != NULL)
        *digits = sums[1];
    return sums[0];
}

/* ---- fitting to a store ---- */

/* The maps of a pixel, of any scale, become those of so many counts. */
static void fit_pixel(const job *j, float *w, float counts)
{
    uint32_t k = j->pass->k;
    float sum = 0;

    for (uint32_t c = 0; c < k; c++)
        sum += w[c];
    bool known = sum > 0 && sum < INFINITY;
    float mix = known ? j->mix : 1, scale = known ? (1 - mix) * counts / sum : 0;
    for (uint32_t c = 0; c < k; c++) {
        float least = counts * LEAST,
              value = (known ? scale * w[c] : 0) + mix * counts * j->even[c];
        w[c] = value < least ? least : value;
    }
}

static void fit_lane(void *context, uint32_t index, uint32_t worker)
{
    const job *j = context;
    edx_nmf_pass *p = j->pass;
    lane *l = &p->lanes[index];
    const uint64_t *counts = edx_scene_pixel_counts(j->store);

    (void)worker;
    memset(l->totals, 0, sizeof l->totals);
    for (uint32_t i = l->first; i < l->end; i++) {
        float *w = p->w + (size_t)i * p->width;
        fit_pixel(j, w, (float)counts[i]);
        for (uint32_t k = 0; k < p->k; k++)
            l->totals[k] += (double)w[k];
    }
}

/* Shares of a block as H and its maps' totals expect them. */
static void expect_block(edx_nmf_pass *p, uint32_t block, const uint64_t *spectrum, double counts,
                         float mix)
{
    double totals[EDX_NMF_WIDEST] = {0};

    for (uint32_t l = block * p->per_block; l < (block + 1) * p->per_block; l++)
        for (uint32_t k = 0; k < p->k; k++)
            totals[k] += p->lanes[l].totals[k];
    edx_pool_sum(p->pool, EDX_F8, totals, p->k);
    for (uint32_t c = 0; c < p->channels; c++) {
        float part = (float)((double)spectrum[c] / counts);
        for (uint32_t k = 0; k < p->k; k++) {
            float h = p->h[(size_t)c * p->width + k] * p->inverse[k];
            float value = part > 0 ? (1 - mix) * h + mix * part : 0;
            p->shares[block][(size_t)c * p->width + k] = (float)totals[k] * value;
        }
    }
}

/* even: what each component has of all counts. */
static void count_even(const edx_nmf_pass *p, float *even)
{
    double sum = 0;

    for (uint32_t k = 0; k < p->k; k++)
        sum += p->inverse[k] > 0 ? 1 / (double)p->inverse[k] : 0;
    for (uint32_t k = 0; k < p->k; k++)
        even[k] = p->inverse[k] > 0 ? (float)(1 / (double)p->inverse[k] / sum) : 0;
    if (!(sum > 0))
        for (uint32_t k = 0; k < p->k; k++)
            even[k] = 1 / (float)p->k;
}

void edx_nmf_pass_follow(edx_nmf_pass *p, const edx_scene *store, float mix)
{
    const uint64_t *spectrum = edx_scene_spectrum(store);
    double counts = (double)edx_scene_counts(store);
    job j = {.pass = p, .store = store, .mix = mix};

    count_even(p, j.even);
    for (uint32_t c = 0; c < p->channels; c++)
        p->part[c] = (float)spectrum[c];
    edx_pool_run(p->pool, p->n_lanes, fit_lane, &j);
    for (uint32_t b = 0; b < p->n_blocks; b++)
        expect_block(p, b, spectrum, counts, mix);
    update_h(&j);
}

static void use_width(edx_nmf_pass *p, uint32_t k)
{
    p->kernel = p->wanted != NULL && p->wanted->width >= k ? p->wanted : edx_nmf_kernel_best(k);
    p->k = k;
    p->width = p->kernel->width;
    memset(p->inverse, 0, sizeof p->inverse);
    memset(p->least, 0, sizeof p->least);
    for (uint32_t j = 0; j < k; j++) {
        p->inverse[j] = 1;
        p->least[j] = LEAST;
    }
    for (uint32_t b = 0; b < p->n_blocks; b++)
        memset(p->shares[b], 0, sizeof *p->shares[b] * p->channels * p->width);
}

static void fill_weights(void *context, uint32_t index, uint32_t worker)
{
    const job *j = context;
    edx_nmf_pass *p = j->pass;

    (void)worker;
    for (uint32_t i = p->lanes[index].first; i < p->lanes[index].end; i++)
        for (uint32_t k = 0; k < p->width; k++)
            p->w[(size_t)i * p->width + k] = k < p->k ? j->maps[(size_t)k * p->pixels + i] : 0;
}

/* One column of h, where there are counts, summing to 1; 0 where it has no sum. */
static void fill_spectrum(edx_nmf_pass *p, uint32_t k, const float *spectrum,
                          const uint64_t *counts)
{
    double sum = 0;

    for (uint32_t c = 0; c < p->channels; c++)
        sum += counts[c] > 0 ? (double)spectrum[c] : 0;
    bool good = sum > 0 && sum < INFINITY;
    for (uint32_t c = 0; c < p->channels; c++)
        p->h[(size_t)c * p->width + k] =
            good && counts[c] > 0 ? (float)((double)spectrum[c] / sum) : 0;
}

void edx_nmf_pass_set(edx_nmf_pass *pass, const edx_scene *store, uint32_t k, const float *spectra,
                      const float *maps, float mix)
{
    job j = {.pass = pass, .maps = maps};

    use_width(pass, k);
    memset(pass->h, 0, sizeof *pass->h * pass->channels * pass->width);
    for (uint32_t i = 0; i < k; i++)
        fill_spectrum(pass, i, spectra + (size_t)i * pass->channels, edx_scene_spectrum(store));
    edx_pool_run(pass->pool, pass->n_lanes, fill_weights, &j);
    edx_nmf_pass_follow(pass, store, mix);
}

/* ---- memory ---- */

static void copy(const edx_nmf_pass *p, float *w, const float *w_from, float *h,
                 const float *h_from)
{
    memcpy(w, w_from, sizeof *w * p->pixels * p->width);
    memcpy(h, h_from, sizeof *h * p->channels * p->width);
}

void edx_nmf_pass_keep(edx_nmf_pass *p)
{
    copy(p, p->w_kept, p->w, p->h_kept, p->h);
    for (uint32_t b = 0; b < p->n_blocks; b++)
        memcpy(p->shares_kept[b], p->shares[b], sizeof(float) * p->channels * p->width);
    memcpy(p->inverse_kept, p->inverse, sizeof p->inverse);
}

void edx_nmf_pass_undo(edx_nmf_pass *p)
{
    copy(p, p->w, p->w_kept, p->h, p->h_kept);
    for (uint32_t b = 0; b < p->n_blocks; b++)
        memcpy(p->shares[b], p->shares_kept[b], sizeof(float) * p->channels * p->width);
    memcpy(p->inverse, p->inverse_kept, sizeof p->inverse);
}

static void order_rows(float *rows, size_t n, uint32_t width, uint32_t k, const uint32_t *order)
{
    float row[EDX_NMF_WIDEST];

    for (size_t i = 0; i < n; i++, rows += width) {
        memcpy(row, rows, sizeof *row * k);
        for (uint32_t j = 0; j < k; j++)
            rows[j] = row[order[j]];
    }
}

void edx_nmf_pass_order(edx_nmf_pass *p, const uint32_t *order)
{
    order_rows(p->w, p->pixels, p->width, p->k, order);
    order_rows(p->h, p->channels, p->width, p->k, order);
    for (uint32_t b = 0; b < p->n_blocks; b++)
        order_rows(p->shares[b], p->channels, p->width, p->k, order);
    order_rows(p->inverse, 1, p->width, p->k, order);
}

/* ---- asking ---- */

void edx_nmf_pass_get(const edx_nmf_pass *p, float *spectra, float *maps)
{
    for (uint32_t k = 0; spectra != NULL && k < p->k; k++)
        for (uint32_t c = 0; c < p->channels; c++)
            spectra[(size_t)k * p->channels + c] = p->h[(size_t)c * p->width + k] * p->inverse[k];
    for (uint32_t i = 0; maps != NULL && i < p->pixels; i++)
        for (uint32_t k = 0; k < p->k; k++)
            maps[(size_t)k * p->pixels + i] = p->w[(size_t)i * p->width + k];
}

void edx_nmf_pass_totals(const edx_nmf_pass *p, double *totals)
{
    memset(totals, 0, sizeof *totals * p->k);
    for (uint32_t i = 0; i < p->pixels; i++)
        for (uint32_t k = 0; k < p->k; k++)
            totals[k] += (double)p->w[(size_t)i * p->width + k];
    edx_pool_sum(p->pool, EDX_F8, totals, p->k);
}
