#include "analysis/portraits.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/bias.h"
#include "analysis/denoise.h"
#include "analysis/denoise_maps.h"
#include "analysis/functional.h"
#include "analysis/projection.h"
#include "analysis/radial.h"

#define MAP_REACH 1.1 /* of R: pixels whose composition is denoised */

/* What a particle's last verdicts said; they stay until the next, or until its rings change. */
typedef struct verdict {
    uint32_t id;
    size_t m;
    edx_check denoised, pca, nmf;
    double *values; /* [4, n, m] pca, its sigma, nmf, its sigma */
    size_t room;
} verdict;

struct edx_portraits {
    edx_begin begin;
    uint32_t bin_pixels, rows, cols, channels, groups, n, max_rank;
    double limit, ring_nm;
    edx_line lines[EDX_MAX_LINES];
    double k[EDX_MAX_LINES];
    double *windows; /* [n, E] */
    edx_particles *particles;
    edx_radial *radial;
    edx_denoise *denoise;
    edx_denoise_maps *maps;
    edx_bias *bias;
    edx_functional *functional;
    verdict verdicts[EDX_MAX_PARTICLES];
    float *fraction, *sigma; /* [n, analysis pixels] */
    /* scratch */
    double *vectors;                  /* [max_rank, E] */
    double *columns;                  /* [2, E] sums by channel; without a group */
    double *projected;                /* [n + 1, E] */
    double *total;                    /* [1 + groups, E] a particle; by group */
    double *net, *covariance;         /* [n], [n, n] of every analysis pixel */
    double *one_fraction, *one_sigma; /* [n, analysis pixels] of a particle */
    uint8_t *mask;                    /* [analysis pixels] */
    double *rest;                     /* [m, E] rings without a group */
    double *heldout, *spread;         /* [groups, n, m], [n, m] */
    double *coefficients;             /* [m, factors] */
    double weights[EDX_PORTRAITS_FACTORS * EDX_MAX_LINES];
    size_t rings_room;
};

/* ---- life ---- */

static edx_status open_parts(edx_portraits *p, edx_error *err)
{
    const edx_particles_shape shape = {.rows = p->begin.rows,
                                       .cols = p->begin.cols,
                                       .step_nm = {p->begin.step_nm[0], p->begin.step_nm[1]},
                                       .bin_pixels = p->bin_pixels,
                                       .channels = p->channels};
    edx_status status = edx_particles_new(&shape, &p->particles, err);

    if (status == EDX_OK)
        status = edx_radial_new(p->begin.rows, p->begin.cols, p->begin.step_nm, p->channels,
                                p->groups, &p->radial, err);
    if (status == EDX_OK)
        status = edx_denoise_new(&p->denoise, err);
    if (status == EDX_OK)
        status = edx_denoise_maps_new(&p->maps, err);
    if (status == EDX_OK)
        status = edx_bias_new(&p->bias, err);
    if (status == EDX_OK && p->n > 0)
        status = edx_functional_new(p->n, p->channels, &p->functional, err);
    return status;
}

static bool allocate(edx_portraits *p)
{
    size_t pixels = (size_t)p->rows * p->cols, e = p->channels, n = p->n;

    p->windows = calloc(n * e + 1, sizeof(double));
    p->vectors = calloc(p->max_rank * e, sizeof(double));
    p->columns = calloc(2 * e, sizeof(double));
    p->projected = calloc((n + 1) * e, sizeof(double));
    p->total = calloc((1 + p->groups) * e, sizeof(double));
    p->fraction = malloc((n * pixels + 1) * sizeof(float));
    p->sigma = malloc((n * pixels + 1) * sizeof(float));
    p->net = calloc(n * pixels + 1, sizeof(double));
    p->covariance = calloc(n * n * pixels + 1, sizeof(double));
    p->one_fraction = calloc(n * pixels + 1, sizeof(double));
    p->one_sigma = calloc(n * pixels + 1, sizeof(double));
    p->mask = calloc(pixels, 1);
    return p->windows && p->vectors && p->columns && p->projected && p->total && p->fraction &&
           p->sigma && p->net && p->covariance && p->one_fraction && p->one_sigma && p->mask;
}

static void forget_maps(edx_portraits *p)
{
    for (size_t i = 0; i < (size_t)p->n * p->rows * p->cols; i++)
        p->fraction[i] = p->sigma[i] = NAN;
}

edx_status edx_portraits_new(const edx_portraits_setup *setup, edx_portraits **out, edx_error *err)
{
    edx_portraits *p = calloc(1, sizeof *p);

    *out = p;
    if (p == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for particles");
    p->begin = *setup->begin;
    p->bin_pixels = setup->bin_pixels;
    p->rows = setup->rows;
    p->cols = setup->cols;
    p->channels = setup->channels;
    p->groups = setup->groups;
    p->n = setup->n;
    p->max_rank = setup->max_rank;
    p->limit = setup->limit;
    p->ring_nm = setup->ring_nm;
    edx_status status = open_parts(p, err);
    if (status == EDX_OK && !allocate(p))
        status = edx_fail(err, EDX_E_NOMEM, "no memory for particles in %u x %u pixels", p->rows,
                          p->cols);
    if (status != EDX_OK) {
        edx_portraits_free(out);
        return status;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        p->lines[i] = setup->lines[i];
        p->k[i] = setup->lines[i].k;
    }
    memcpy(p->windows, setup->windows, (size_t)p->n * p->channels * sizeof(double));
    forget_maps(p);
    return EDX_OK;
}

void edx_portraits_free(edx_portraits **portraits)
{
    edx_portraits *p = *portraits;

    *portraits = NULL;
    if (p == NULL)
        return;
    edx_particles_free(&p->particles);
    edx_radial_free(&p->radial);
    edx_denoise_free(&p->denoise);
    edx_denoise_maps_free(&p->maps);
    edx_bias_free(&p->bias);
    edx_functional_free(&p->functional);
    for (uint32_t i = 0; i < EDX_MAX_PARTICLES; i++)
        free(p->verdicts[i].values);
    void *memory[] = {p->windows,    p->vectors,      p->columns,   p->projected,
                      p->total,      p->fraction,     p->sigma,     p->net,
                      p->covariance, p->one_fraction, p->one_sigma, p->mask,
                      p->rest,       p->heldout,      p->spread,    p->coefficients};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        free(memory[i]);
    free(p);
}

void edx_portraits_follow(edx_portraits *portraits, const edx_portraits *before)
{
    edx_particles_follow(portraits->particles, before->particles);
}

/* ---- where ---- */

edx_status edx_portraits_find(edx_portraits *portraits, const edx_portraits_input *in,
                              edx_error *err)
{
    const edx_particles_source source = {.n = portraits->n,
                                         .net = in->net,
                                         .sigma = in->sigma,
                                         .image = in->image,
                                         .exposure = in->exposure,
                                         .covered = in->covered,
                                         .counts = edx_grouped_scan(in->grouped),
                                         .rows = portraits->windows};

    (void)err;
    edx_particles_detect(portraits->particles, &source, in->fixed);
    return EDX_OK;
}

edx_particles *edx_portraits_particles(edx_portraits *portraits)
{
    return portraits->particles;
}

/* ---- one particle ---- */

/* What is known of the particle under way. */
typedef struct sitting {
    edx_portraits *p;
    const edx_portraits_input *in;
    uint32_t index;
    const edx_particle_place *place;
    edx_rings rings;
    edx_denoise_input what;
    edx_denoise_result found;
} sitting;

static double *values(const sitting *s, edx_radial_kind kind)
{
    return edx_radial_values(s->p->radial, s->index, kind);
}

static size_t cells(const sitting *s)
{
    return (size_t)s->p->n * s->rings.m;
}

static edx_status reserve(edx_portraits *p, size_t m, edx_error *err)
{
    size_t room = 2 * m;

    if (m <= p->rings_room)
        return EDX_OK;
    free(p->rest);
    free(p->heldout);
    free(p->spread);
    free(p->coefficients);
    p->rest = malloc(room * p->channels * sizeof(double));
    p->coefficients = malloc(room * EDX_PORTRAITS_FACTORS * sizeof(double));
    p->heldout = malloc((size_t)(p->groups + 1) * p->n * room * sizeof(double));
    p->spread = malloc(p->n * room * sizeof(double));
    p->rings_room = p->rest && p->heldout && p->spread && p->coefficients ? room : 0;
    return p->rings_room > 0 ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory for %zu rings", m);
}

static void add_spectra(const double *from, uint32_t m, uint32_t channels, const double *mean_nm,
                        double radius_nm, double *out)
{
    memset(out, 0, channels * sizeof *out);
    for (uint32_t i = 0; i < m; i++)
        for (uint32_t c = 0; mean_nm[i] < radius_nm && c < channels; c++)
            out[c] += from[(size_t)i * channels + c];
}

/* The particle's spectrum, and by group. */
static void sum_rings(sitting *s)
{
    const edx_rings *r = &s->rings;
    size_t block = (size_t)r->m * r->channels;

    add_spectra(r->spectra, r->m, r->channels, r->mean_nm, r->radius_nm, s->p->total);
    for (uint32_t g = 0; g < r->groups; g++)
        add_spectra(r->group + g * block, r->m, r->channels, r->mean_nm, r->radius_nm,
                    s->p->total + (size_t)(1 + g) * r->channels);
}

static edx_status fit(sitting *s, edx_error *err)
{
    edx_portraits *p = s->p;

    sum_rings(s);
    edx_status status = edx_model_fit(s->in->model, p->total, err);
    if (status != EDX_OK)
        return status;
    s->what = (edx_denoise_input){.n = p->n,
                                  .rings = &s->rings,
                                  .windows = p->windows,
                                  .model = edx_model_rows(s->in->model),
                                  .k = p->k,
                                  .total = p->total,
                                  .groups = s->rings.groups > 0 ? p->total + p->channels : NULL,
                                  .limit = p->limit};
    return edx_denoise_rings(p->denoise, &s->what, &s->found, err);
}

static void take_found(const sitting *s)
{
    size_t size = cells(s) * sizeof(double);

    memcpy(values(s, EDX_RADIAL_MODEL), s->found.model, size);
    memcpy(values(s, EDX_RADIAL_MODEL_SIGMA), s->found.model_sigma, size);
    memcpy(values(s, EDX_RADIAL_DENOISED), s->found.denoised, size);
    memcpy(values(s, EDX_RADIAL_DENOISED_SIGMA), s->found.denoised_sigma, size);
}

/* Core and shell by the anchored model, which is sharper than the windows. */
static void segregate(const sitting *s)
{
    edx_portraits *p = s->p;
    edx_line lines[EDX_MAX_LINES];
    edx_radial_lines by_model = {lines, p->n, p->limit, s->what.model};

    for (uint32_t i = 0; i < p->n; i++) {
        if (!isfinite(s->found.anchored[i]))
            return;
        lines[i] = p->lines[i];
        lines[i].k = s->found.anchored[i];
    }
    edx_rings zones = edx_radial_zones(p->radial);
    edx_radial_segregation(&by_model, p->channels, zones.spectra, zones.spectra + p->channels,
                           &edx_radial_particles(p->radial)[s->index]);
}

/* ---- maps ---- */

static bool near_enough(const edx_portraits *p, const edx_particle_place *place, uint32_t row,
                        uint32_t col)
{
    double half = 0.5 * (p->bin_pixels - 1);
    double y = (row * p->bin_pixels + half) * p->begin.step_nm[0] - place->centre_nm[0];
    double x = (col * p->bin_pixels + half) * p->begin.step_nm[1] - place->centre_nm[1];
    const uint32_t *owner = edx_particles_owner(p->particles);
    size_t middle = p->bin_pixels / 2, y_scan = (size_t)row * p->bin_pixels + middle;
    uint32_t id = owner[y_scan * p->begin.cols + (size_t)col * p->bin_pixels + middle];

    return hypot(y, x) < MAP_REACH * place->radius_nm && (id == 0 || id == place->id);
}

/* First and last row with a pixel of the mask; false where there is none. */
static bool rows_of_mask(const edx_portraits *p, size_t *first, size_t *last)
{
    bool any = false;

    for (size_t row = 0; row < p->rows; row++) {
        if (memchr(p->mask + row * p->cols, 1, p->cols) == NULL)
            continue;
        *first = any ? *first : row;
        *last = row;
        any = true;
    }
    return any;
}

/* Puts together what each process counted. */
static void share_pixels(const sitting *s)
{
    const edx_portraits *p = s->p;
    const edx_pool *pool = edx_sparse_pool(edx_grouped_pixels(s->in->grouped));
    size_t pixels = (size_t)p->rows * p->cols, first = 0, last = 0;

    if (edx_pool_ranks(pool) == NULL || !rows_of_mask(p, &first, &last))
        return;
    size_t at = first * p->cols, n = (last + 1 - first) * p->cols;
    for (uint32_t a = 0; a < p->n; a++)
        edx_pool_sum(pool, EDX_F8, p->net + a * pixels + at, n);
    for (uint32_t a = 0; a < p->n * p->n; a++)
        edx_pool_sum(pool, EDX_F8, p->covariance + a * pixels + at, n);
}

/* Marks the particle's pixels and counts in them by the model. */
static void look_at_pixels(sitting *s)
{
    edx_portraits *p = s->p;
    size_t pixels = (size_t)p->rows * p->cols;
    double net[EDX_MAX_LINES], covariance[EDX_MAX_LINES * EDX_MAX_LINES];
    const edx_scene *store = edx_sparse_total(edx_grouped_pixels(s->in->grouped));

    memset(p->net, 0, p->n * pixels * sizeof *p->net);
    memset(p->covariance, 0, (size_t)p->n * p->n * pixels * sizeof *p->covariance);
    for (uint32_t i = 0; i < pixels; i++) {
        p->mask[i] = near_enough(p, s->place, i / p->cols, i % p->cols);
        if (!p->mask[i])
            continue;
        edx_functional_pixel(p->functional, store, i, net, covariance);
        for (uint32_t a = 0; a < p->n; a++) {
            p->net[a * pixels + i] = net[a];
            for (uint32_t b = 0; b < p->n; b++)
                p->covariance[(a * p->n + b) * pixels + i] = covariance[a * p->n + b];
        }
    }
    share_pixels(s);
}

static void take_pixels(const edx_portraits *p)
{
    size_t pixels = (size_t)p->rows * p->cols;

    for (size_t i = 0; i < pixels; i++)
        for (uint32_t a = 0; p->mask[i] && a < p->n; a++) {
            p->fraction[a * pixels + i] = (float)p->one_fraction[a * pixels + i];
            p->sigma[a * pixels + i] = (float)p->one_sigma[a * pixels + i];
        }
}

static edx_status map(sitting *s, edx_error *err)
{
    edx_portraits *p = s->p;
    double half = 0.5 * (p->bin_pixels - 1);

    const edx_particle *raw = &edx_radial_particles(p->radial)[s->index];

    if (!isfinite(raw->composition[0][0]) || !isfinite(s->found.anchored[0]) ||
        edx_functional_set(p->functional, s->what.model, NULL) != EDX_OK)
        return EDX_OK; /* nothing to go by */
    look_at_pixels(s);
    edx_denoise_maps_input in = {.n = p->n,
                                 .rows = p->rows,
                                 .cols = p->cols,
                                 .radius_nm = s->place->radius_nm,
                                 .mask = p->mask,
                                 .net = p->net,
                                 .covariance = p->covariance,
                                 .k = s->found.anchored,
                                 .anchor = s->found.anchor_covariance};
    for (int d = 0; d < 2; d++) {
        in.step_nm[d] = p->begin.step_nm[d] * p->bin_pixels;
        in.origin_nm[d] = p->begin.step_nm[d] * half;
        in.centre_nm[d] = s->place->centre_nm[d];
    }
    edx_status status = edx_denoise_maps_particle(p->maps, &in, p->one_fraction, p->one_sigma, err);
    if (status == EDX_OK)
        take_pixels(p);
    return status;
}

/* ---- verdicts ---- */

static edx_status new_verdict(sitting *s, edx_error *err)
{
    verdict *v = &s->p->verdicts[s->index];
    size_t needed = 4 * cells(s);

    if (needed > v->room) {
        free(v->values);
        v->values = malloc(needed * sizeof(double));
        v->room = v->values != NULL ? needed : 0;
    }
    if (v->room == 0)
        return edx_fail(err, EDX_E_NOMEM, "no memory for verdicts on %u rings", s->rings.m);
    v->id = s->place->id;
    v->m = s->rings.m;
    v->denoised = v->pca = v->nmf = (edx_check){0};
    for (size_t i = 0; i < needed; i++)
        v->values[i] = NAN;
    return EDX_OK;
}

static edx_status check_denoised(sitting *s, edx_error *err)
{
    edx_portraits *p = s->p;
    bool judged[4096];

    memcpy(judged, s->found.smoothed, s->rings.m * sizeof *judged);
    edx_status status = edx_denoise_heldout(p->denoise, &s->what, p->heldout, err);
    if (status == EDX_OK)
        status = edx_bias_load(p->bias, &s->rings, p->n, p->windows, p->k, judged, err);
    if (status == EDX_OK)
        edx_bias_check(p->bias, p->heldout, &p->verdicts[s->index].denoised);
    return status;
}

/* The rings without a group of frames; of all where there is no such group. */
static edx_rings without(const sitting *s, uint32_t group)
{
    edx_rings rest = s->rings;
    size_t block = (size_t)s->rings.m * s->rings.channels;

    for (size_t i = 0; i < block; i++)
        s->p->rest[i] = s->rings.spectra[i] - s->rings.group[group * block + i];
    rest.spectra = s->p->rest;
    rest.groups = 0;
    rest.group = NULL;
    return rest;
}

static void count_columns(const edx_scene *total, const edx_scene *less, uint32_t channels,
                          double *out)
{
    const uint64_t *all = edx_scene_spectrum(total);

    for (uint32_t c = 0; c < channels; c++)
        out[c] = (double)(all[c] - (less != NULL ? edx_scene_spectrum(less)[c] : 0));
}

static void project(const sitting *s, const edx_rings *rings, uint32_t rank, const double *columns,
                    double *fraction)
{
    edx_portraits *p = s->p;

    edx_projection_rings(rings, rank, p->vectors, columns, p->n, p->windows, p->k,
                         edx_radial_particles(p->radial)[s->index].radial.quantified, p->projected,
                         fraction);
}

static void project_without(const sitting *s, uint32_t rank, uint32_t group, double *fraction)
{
    edx_portraits *p = s->p;
    const edx_sparse *counts = edx_grouped_pixels(s->in->grouped);
    const edx_scene *fold = edx_sparse_fold(counts, group);
    edx_rings rest = without(s, group);

    for (size_t i = 0; i < cells(s); i++)
        fraction[i] = NAN;
    if (!edx_folds_vectors(s->in->folds, group, rank, p->vectors))
        return;
    count_columns(edx_sparse_total(counts), fold, p->channels, p->columns + p->channels);
    project(s, &rest, rank, p->columns + p->channels, fraction);
}

/* The paper's way: the profile of the spectra as the components have them. */
static void show_components(const sitting *s)
{
    edx_portraits *p = s->p;
    verdict *v = &p->verdicts[s->index];
    const edx_pca_result *pca = s->in->pca;
    uint32_t rank = (uint32_t)pca->rank;
    const float *spectra = pca->spectra.data;

    for (uint32_t g = 0; g < s->rings.groups; g++)
        project_without(s, rank, g, p->heldout + g * cells(s));
    for (size_t i = 0; i < (size_t)rank * p->channels; i++)
        p->vectors[i] = (double)spectra[i];
    count_columns(edx_sparse_total(edx_grouped_pixels(s->in->grouped)), NULL, p->channels,
                  p->columns);
    project(s, &s->rings, rank, p->columns, v->values);
    edx_bias_jackknife(p->bias, p->heldout, v->values + cells(s));
    edx_bias_check(p->bias, p->heldout, &v->pca);
}

/* Net counts of line i in one count of component k, by the windows. */
static void weigh_factors(const edx_portraits *p, const edx_nmf *nmf, double *out)
{
    const float *spectra = edx_nmf_spectra(nmf);

    for (uint32_t k = 0; k < edx_nmf_rank(nmf); k++)
        for (uint32_t i = 0; i < p->n; i++) {
            double sum = 0;
            for (uint32_t c = 0; c < p->channels; c++)
                sum += p->windows[(size_t)i * p->channels + c] *
                       (double)spectra[(size_t)k * p->channels + c];
            out[k * p->n + i] = sum;
        }
}

/* What a ring's coefficients [rank] say of composition: the particles' components alone. */
static void compose_ring(const sitting *s, const double *coefficients, const double *weights,
                         uint32_t rank, uint32_t ring, double *fraction)
{
    uint32_t n = s->p->n;
    double amount[EDX_MAX_LINES], total = 0, least = INFINITY;

    for (uint32_t i = 0; i < n; i++) {
        amount[i] = 0;
        for (uint32_t k = 0; k < rank; k++)
            if (s->in->particle[k])
                amount[i] += s->p->k[i] * weights[k * n + i] * coefficients[k];
        total += amount[i];
        least = fmin(least, amount[i]);
    }
    for (uint32_t i = 0; i < n; i++)
        fraction[(size_t)i * s->rings.m + ring] = least > 0 ? amount[i] / total : NAN;
}

/* The profile of rings as factors have them; NaN where there are none. */
static void factor_rings(const sitting *s, const edx_rings *rings, edx_nmf *nmf, double *fraction)
{
    edx_portraits *p = s->p;
    const bool *wanted = edx_radial_particles(p->radial)[s->index].radial.quantified;
    uint32_t rank = nmf != NULL ? edx_nmf_rank(nmf) : 0;

    for (size_t i = 0; i < cells(s); i++)
        fraction[i] = NAN;
    if (rank == 0 ||
        edx_nmf_project(nmf, rings->spectra, rings->m, p->coefficients, NULL) != EDX_OK)
        return;
    weigh_factors(p, nmf, p->weights);
    for (uint32_t r = 0; r < rings->m; r++)
        if (wanted[r])
            compose_ring(s, p->coefficients + (size_t)r * rank, p->weights, rank, r, fraction);
}

/* The same by non-negative factors, those of the particles alone. */
static void show_factors(const sitting *s)
{
    edx_portraits *p = s->p;
    verdict *v = &p->verdicts[s->index];
    double *values = v->values + 2 * cells(s);

    for (uint32_t g = 0; g < s->rings.groups; g++) {
        edx_rings rest = without(s, g);
        factor_rings(s, &rest, edx_replicates_without(s->in->replicates, g),
                     p->heldout + g * cells(s));
    }
    factor_rings(s, &s->rings, s->in->nmf, values);
    edx_bias_jackknife(p->bias, p->heldout, values + cells(s));
    edx_bias_check(p->bias, p->heldout, &v->nmf);
}

/* Raw counts to judge components by: those of the anchored model, which are sharper than windows
 * and have no part in what is judged. */
static edx_status load_model(const sitting *s, edx_error *err)
{
    return edx_bias_load(s->p->bias, &s->rings, s->p->n, edx_model_anchored_rows(s->in->model),
                         s->p->k, edx_radial_particles(s->p->radial)[s->index].radial.quantified,
                         err);
}

/* Everything that takes the groups. */
static edx_status judge(sitting *s, edx_error *err)
{
    edx_status status = new_verdict(s, err);

    if (status == EDX_OK && s->rings.groups >= 2)
        status = check_denoised(s, err);
    if (status == EDX_OK && s->rings.groups >= 2)
        status = load_model(s, err);
    if (status != EDX_OK || s->rings.groups < 2)
        return status;
    if (s->in->pca != NULL && s->in->pca->rank > 0)
        show_components(s);
    if (s->in->nmf != NULL && s->in->replicates != NULL)
        show_factors(s);
    return EDX_OK;
}

static void take_verdict(const sitting *s)
{
    const verdict *v = &s->p->verdicts[s->index];
    edx_particle *out = &edx_radial_particles(s->p->radial)[s->index];
    size_t n = cells(s);

    if (v->id != s->place->id || v->m != s->rings.m || v->values == NULL)
        return;
    out->radial.denoised_check = v->denoised;
    out->radial.pca_check = v->pca;
    out->radial.nmf_check = v->nmf;
    memcpy(values(s, EDX_RADIAL_PCA), v->values, n * sizeof(double));
    memcpy(values(s, EDX_RADIAL_PCA_SIGMA), v->values + n, n * sizeof(double));
    memcpy(values(s, EDX_RADIAL_NMF), v->values + 2 * n, n * sizeof(double));
    memcpy(values(s, EDX_RADIAL_NMF_SIGMA), v->values + 3 * n, n * sizeof(double));
}

/* ---- all ---- */

/* Whether a particle is among the largest. */
static bool denoised(const edx_particle_place *places, uint32_t count, uint32_t index)
{
    uint32_t larger = 0;

    for (uint32_t i = 0; i < count; i++)
        larger += places[i].diameter_nm > places[index].diameter_nm ||
                  (i < index && places[i].diameter_nm >= places[index].diameter_nm);
    return larger < EDX_PORTRAITS_DENOISED;
}

/* Beyond raw: only what takes every group waits for a verdict. */
static edx_status sit(sitting *s, edx_error *err)
{
    edx_status status = reserve(s->p, s->rings.m, err);

    if (status == EDX_OK)
        status = fit(s, err);
    if (status != EDX_OK)
        return status;
    take_found(s);
    segregate(s);
    if (s->in->verdict) {
        status = map(s, err);
        if (status == EDX_OK)
            status = judge(s, err);
    }
    take_verdict(s);
    return status;
}

edx_status edx_portraits_update(edx_portraits *portraits, const edx_portraits_input *input,
                                edx_particles_result *out, edx_error *err)
{
    edx_portraits *p = portraits;
    uint32_t count = edx_particles_count(p->particles);
    const edx_particle_place *places = edx_particles_places(p->particles);
    const edx_radial_source source = {.counts = edx_grouped_scan(input->grouped),
                                      .lines = {p->lines, p->n, p->limit, p->windows},
                                      .width_nm = p->ring_nm,
                                      .owner = edx_particles_owner(p->particles)};
    edx_status status = EDX_OK;

    if (input->verdict)
        forget_maps(p);
    for (uint32_t i = 0; i < count && status == EDX_OK; i++) {
        sitting s = {.p = p, .in = input, .index = i, .place = &places[i]};
        bool more = p->n >= 2 && input->model != NULL && denoised(places, count, i);
        status = edx_radial_take(p->radial, &source, i, &places[i],
                                 more && input->verdict && p->groups >= 2, &s.rings, err);
        if (status == EDX_OK && more)
            status = sit(&s, err);
    }
    if (status == EDX_OK)
        edx_radial_show(p->radial, &source.lines, count, out);
    return status;
}

const float *edx_portraits_fraction(const edx_portraits *portraits)
{
    return portraits->fraction;
}

const float *edx_portraits_sigma(const edx_portraits *portraits)
{
    return portraits->sigma;
}
