#include "analysis/folds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/krylov.h"

#define GROWTH 1.1

/* Vectors that the next search starts from. */
typedef struct start {
    double *v; /* [channels, width] */
    bool warm;
} start;

struct edx_folds {
    uint32_t channels, m, width;
    edx_krylov *krylov;
    start folds[EDX_FOLDS]; /* of all but a fold: they have never seen its counts */
    start products;         /* between folds */
    double *theta;          /* [width] */
    double *error;          /* [m] */
    double *coming;         /* [m] error of the round under way, less squares */
    double squares;         /* of its folds so far */
    uint32_t next;          /* fold of it, after the last their products */
    bool underway;
    uint64_t rounds;    /* that came to their end */
    double *noise_free; /* [m] */
    uint64_t counts;    /* at the last update */
    uint32_t full;      /* folds that had counts then */
};

/* What one search works on. */
typedef struct job {
    edx_folds *folds;
    edx_scaled *scaled;
    const edx_pass_term *terms;
    uint32_t n_terms;
} job;

/* ---- life ---- */

static bool allocate(edx_folds *f)
{
    size_t cells = (size_t)f->channels * f->width;
    bool got = true;

    for (uint32_t i = 0; i < EDX_FOLDS; i++) {
        f->folds[i].v = calloc(cells, sizeof(double));
        got = got && f->folds[i].v != NULL;
    }
    f->products.v = calloc(cells, sizeof(double));
    f->theta = calloc(f->width, sizeof *f->theta);
    f->error = calloc(f->m, sizeof *f->error);
    f->coming = calloc(f->m, sizeof *f->coming);
    f->noise_free = calloc(f->m, sizeof *f->noise_free);
    return got && f->products.v != NULL && f->theta != NULL && f->error != NULL &&
           f->coming != NULL && f->noise_free != NULL;
}

static void forget(edx_folds *f)
{
    for (uint32_t j = 0; j < f->m; j++)
        f->error[j] = f->noise_free[j] = NAN;
}

edx_status edx_folds_new(uint32_t channels, uint32_t m, edx_folds **out, edx_error *err)
{
    edx_folds *f = calloc(1, sizeof *f);

    *out = f;
    if (f == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for folds");
    f->channels = channels;
    f->m = m;
    f->width = (m + EDX_PASS - 1) / EDX_PASS * EDX_PASS;
    edx_status status = edx_krylov_new(channels, f->width, &f->krylov, err);
    if (status == EDX_OK && !allocate(f))
        status = edx_fail(err, EDX_E_NOMEM, "no memory for folds of %u channels", channels);
    if (status != EDX_OK)
        edx_folds_free(out);
    else
        forget(f);
    return status;
}

void edx_folds_free(edx_folds **folds)
{
    edx_folds *f = *folds;

    *folds = NULL;
    if (f == NULL)
        return;
    edx_krylov_free(&f->krylov);
    for (uint32_t i = 0; i < EDX_FOLDS; i++)
        free(f->folds[i].v);
    free(f->products.v);
    free(f->theta);
    free(f->error);
    free(f->coming);
    free(f->noise_free);
    free(f);
}

/* ---- folds ---- */

static bool has_counts(const edx_sparse *sparse, uint32_t fold)
{
    const edx_scene *scene = edx_sparse_fold(sparse, fold);
    return scene != NULL && edx_scene_counts(scene) > 0;
}

static uint32_t folds_of(const edx_sparse *sparse)
{
    return edx_sparse_shape_of(sparse)->folds;
}

static uint32_t full_folds(const edx_sparse *sparse)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < folds_of(sparse); i++)
        n += has_counts(sparse, i);
    return n;
}

/* A fold's share of the exposure; of the fold after the last: of what is in no fold. */
static double share(const edx_sparse *sparse, uint32_t fold)
{
    double all = 0;

    for (uint32_t i = 0; i <= folds_of(sparse); i++)
        all += (double)edx_sparse_exposure(sparse, i);
    return (double)edx_sparse_exposure(sparse, fold) / all;
}

bool edx_folds_due(const edx_folds *folds, const edx_sparse *sparse)
{
    double counts = (double)edx_scene_counts(edx_sparse_total(sparse));

    return full_folds(sparse) != folds->full || counts >= GROWTH * (double)folds->counts;
}

/* ---- searches ---- */

static void apply(void *context, const double *v, double *gv)
{
    const job *j = context;

    edx_scaled_apply(j->scaled, j->terms, j->n_terms, j->folds->width, v, gv);
}

static void form(void *context, const double *v, double *out)
{
    const job *j = context;

    edx_scaled_form(j->scaled, j->terms, j->n_terms, v, out);
}

/* The mean spectrum, which is nearly the first, and vectors that know nothing. */
static void fixed_start(const job *j, double *v)
{
    uint32_t w = j->folds->width;

    for (uint32_t c = 0; c < j->folds->channels; c++)
        for (uint32_t k = 0; k < w; k++) {
            size_t at = (size_t)c * w + k;
            double other = j->scaled->root[c] > 0 ? edx_krylov_scatter(at) : 0;
            v[at] = k == 0 ? j->scaled->first[c] : other;
        }
}

static edx_status search(const job *j, start *from, double edge, bool fixed, edx_error *err)
{
    bool warm = from->warm && !fixed;
    edx_krylov_goal goal = {.edge = edge,
                            .significant = 1.21 * edge,
                            .tolerance = fixed ? 1e-5 : 5e-3,
                            .min_passes = fixed  ? 10
                                          : warm ? 2
                                                 : 6,
                            .max_passes = fixed  ? 40
                                          : warm ? 4
                                                 : 12,
                            .form = j->folds->width == EDX_PASS ? form : NULL};

    if (!warm)
        fixed_start(j, from->v);
    from->warm = true;
    return edx_krylov_solve(j->folds->krylov, apply, (void *)(uintptr_t)j, &goal, NULL, from->v,
                            j->folds->theta, NULL, err);
}

/* ---- held-out error ---- */

/* Adds what ranks 1 to m miss of a fold, less its sum of squares, when all others predict it. */
static void add_errors(const job *j, const edx_scene *fold, const double *v, double share)
{
    edx_folds *f = j->folds;
    double square[EDX_PASS], product[EDX_PASS], ratio = share / (1 - share), sum = 0;

    for (uint32_t k = 0; k < f->m; k++) {
        if (k % EDX_PASS == 0)
            edx_scaled_overlap(j->scaled, j->terms, fold, f->width, k, v, square, product);
        sum += ratio * (ratio * square[k % EDX_PASS] - 2 * product[k % EDX_PASS]);
        f->coming[k] += sum;
    }
}

static edx_status hold_out(edx_folds *f, edx_scaled *scaled, const edx_sparse *sparse,
                           uint32_t fold, bool fixed, edx_error *err)
{
    const edx_scene *out = edx_sparse_fold(sparse, fold);
    const edx_pass_term rest = {1, 2, {edx_sparse_total(sparse), out}, {1, -1}};
    const job j = {f, scaled, &rest, 1};
    double w = share(sparse, fold);
    edx_status status = search(&j, &f->folds[fold], (1 - w) * scaled->edge, fixed, err);

    if (status == EDX_OK)
        add_errors(&j, out, f->folds[fold].v, w);
    return status;
}

static edx_status find_error(edx_folds *f, edx_scaled *scaled, const edx_sparse *sparse,
                             uint32_t fold, bool fixed, edx_error *err)
{
    f->squares += edx_scaled_square(scaled, edx_sparse_fold(sparse, fold));
    return hold_out(f, scaled, sparse, fold, fixed, err);
}

/* ---- noise-free eigenvalues ---- */

/* X'X less the same of every fold, and of what is in none. Returns how many terms. */
static uint32_t product_terms(const edx_sparse *sparse, edx_pass_term *terms)
{
    const edx_scene *total = edx_sparse_total(sparse);
    edx_pass_term rest = {-1, 1, {total}, {1}};
    uint32_t n = 1;

    terms[0] = (edx_pass_term){1, 1, {total}, {1}};
    for (uint32_t i = 0; i < folds_of(sparse); i++) {
        if (!has_counts(sparse, i))
            continue;
        terms[n++] = (edx_pass_term){-1, 1, {edx_sparse_fold(sparse, i)}, {1}};
        rest.part[rest.parts] = edx_sparse_fold(sparse, i);
        rest.sign[rest.parts++] = -1;
    }
    if (edx_sparse_exposure(sparse, folds_of(sparse)) > 0)
        terms[n++] = rest;
    return n;
}

static edx_status find_noise_free(edx_folds *f, edx_scaled *scaled, const edx_sparse *sparse,
                                  bool fixed, edx_error *err)
{
    edx_pass_term terms[EDX_FOLDS + 2];
    const job j = {f, scaled, terms, product_terms(sparse, terms)};
    double rows = scaled->full_pixels, divisor = 1;
    edx_status status =
        search(&j, &f->products, scaled->edge - rows / (double)scaled->counts, fixed, err);

    for (uint32_t i = 0; i <= folds_of(sparse); i++)
        divisor -= share(sparse, i) * share(sparse, i);
    for (uint32_t k = 0; status == EDX_OK && k < f->m; k++)
        f->noise_free[k] = f->theta[k] / divisor;
    return status;
}

/* ---- all ---- */

static void begin_round(edx_folds *f, const edx_sparse *sparse)
{
    f->full = full_folds(sparse);
    f->counts = edx_scene_counts(edx_sparse_total(sparse));
    f->squares = 0;
    f->next = 0;
    f->underway = true;
    memset(f->coming, 0, sizeof *f->coming * f->m);
}

/* The last piece, whose errors are those of all folds then. */
static edx_status end_round(edx_folds *f, edx_scaled *scaled, const edx_sparse *sparse, bool fixed,
                            edx_error *err)
{
    f->underway = false;
    for (uint32_t k = 0; k < f->m; k++)
        f->error[k] = 1 + f->coming[k] / f->squares;
    return find_noise_free(f, scaled, sparse, fixed, err);
}

/* The next fold, or the products. */
static edx_status take_piece(edx_folds *f, edx_scaled *scaled, const edx_sparse *sparse, bool fixed,
                             edx_error *err)
{
    const uint32_t n = folds_of(sparse);

    while (f->next < n && !has_counts(sparse, f->next))
        f->next++;
    if (f->next < n)
        return find_error(f, scaled, sparse, f->next++, fixed, err);
    return end_round(f, scaled, sparse, fixed, err);
}

/* A fold's error and its sum of squares are of the same counts and the same scaling, and it is
 * predicted by counts without it: so each is what the round asks for, whatever came between two of
 * them. The round's errors are their mean, in which a later fold weighs a little more or less. A
 * piece has begun. */
static edx_status go_on(edx_folds *f, edx_scaled *scaled, const edx_sparse *sparse, bool fixed,
                        const edx_pace *pace, edx_error *err)
{
    edx_status status = EDX_OK;

    do {
        if (f->full >= 2)
            status = take_piece(f, scaled, sparse, fixed, err);
        f->underway = f->underway && f->full >= 2 && status == EDX_OK;
        f->rounds += !f->underway;
        edx_pace_end(pace);
    } while (f->underway && edx_pace_begin(pace));
    if (f->full < 2 || status != EDX_OK)
        forget(f);
    return status;
}

edx_status edx_folds_update(edx_folds *folds, edx_scaled *scaled, const edx_sparse *sparse,
                            bool fixed, edx_error *err)
{
    begin_round(folds, sparse);
    return go_on(folds, scaled, sparse, fixed, NULL, err);
}

edx_status edx_folds_follow(edx_folds *folds, edx_scaled *scaled, const edx_sparse *sparse,
                            const edx_pace *pace, edx_error *err)
{
    if ((!folds->underway && !edx_folds_due(folds, sparse)) || !edx_pace_begin(pace))
        return EDX_OK;
    if (!folds->underway)
        begin_round(folds, sparse);
    return go_on(folds, scaled, sparse, false, pace, err);
}

uint64_t edx_folds_rounds(const edx_folds *folds)
{
    return folds->rounds;
}

bool edx_folds_underway(const edx_folds *folds)
{
    return folds->underway;
}

const double *edx_folds_error(const edx_folds *folds)
{
    return folds->error;
}

const double *edx_folds_noise_free(const edx_folds *folds)
{
    return folds->noise_free;
}

uint32_t edx_folds_rank(const edx_folds *folds)
{
    uint32_t best = 0;

    if (isnan(folds->error[0]))
        return 0;
    for (uint32_t k = 1; k < folds->m; k++)
        if (folds->error[k] < folds->error[best])
            best = k;
    return best + 1;
}

bool edx_folds_vectors(const edx_folds *folds, uint32_t fold, uint32_t k, double *out)
{
    const start *from = &folds->folds[fold];

    if (folds->full < 2 || !from->warm)
        return false;
    for (uint32_t j = 0; j < k; j++)
        for (uint32_t c = 0; c < folds->channels; c++)
            out[(size_t)j * folds->channels + c] = from->v[(size_t)c * folds->width + j];
    return true;
}
