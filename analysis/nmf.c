#include "analysis/nmf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/linalg.h"
#include "analysis/nmf_inside.h"

/* The share of everything that components have alike after a start, and what they get of it again
 * for every part by which the counts grow. */
#define START_MIX 0.2f
#define GROWTH_MIX 0.1f
/* How far a pass may be carried on before the next: t / (t + 3) after t of them (Nesterov). */
#define PUSH_DELAY 3.0f
#define MOST_PUSH 0.95f

/* ---- life ---- */

static bool allocate(edx_nmf *n)
{
    size_t spectra = (size_t)n->max_k * n->channels;

    n->counts = calloc(n->pixels, sizeof *n->counts);
    n->spectrum = calloc(n->channels, sizeof *n->spectrum);
    n->spectra = calloc(spectra, sizeof *n->spectra);
    n->before = calloc(spectra, sizeof *n->before);
    n->start = calloc(spectra, sizeof *n->start);
    n->totals = calloc(n->max_k, sizeof *n->totals);
    n->maps = calloc((size_t)n->max_k * n->pixels, sizeof *n->maps);
    return n->counts != NULL && n->spectrum != NULL && n->spectra != NULL && n->before != NULL &&
           n->start != NULL && n->totals != NULL && n->maps != NULL;
}

edx_status edx_nmf_new(uint32_t pixels, uint32_t channels, uint32_t max_k, edx_nmf **out,
                       edx_error *err)
{
    *out = NULL;
    if (max_k < 1 || max_k > EDX_NMF_WIDEST)
        return edx_fail(err, EDX_E_RANGE, "%u components, expected 1 to %u", max_k, EDX_NMF_WIDEST);
    edx_nmf *n = calloc(1, sizeof *n);
    if (n == NULL)
        return edx_fail(err, EDX_E_NOMEM, "no memory for factors");
    edx_linalg_init();
    n->pixels = pixels;
    n->channels = channels;
    n->max_k = max_k;
    n->empty = true;
    edx_status status = edx_nmf_pass_new(pixels, channels, max_k, &n->pass, err);
    if (status == EDX_OK && !allocate(n))
        status = edx_fail(err, EDX_E_NOMEM, "no memory for %u factors of %u pixels", max_k, pixels);
    if (status != EDX_OK)
        edx_nmf_free(&n);
    *out = n;
    return status;
}

void edx_nmf_free(edx_nmf **nmf)
{
    edx_nmf *n = *nmf;

    *nmf = NULL;
    if (n == NULL)
        return;
    edx_nmf_pass_free(&n->pass);
    free(n->counts);
    free(n->spectrum);
    free(n->spectra);
    free(n->before);
    free(n->start);
    free(n->totals);
    free(n->maps);
    free(n);
}

void edx_nmf_set_pool(edx_nmf *nmf, edx_pool *pool)
{
    nmf->pool = pool;
    edx_nmf_pass_set_pool(nmf->pass, pool);
}

/* ---- what the factors are of ---- */

static double sum_of(const uint64_t *values, uint32_t n)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += values[i];
    return (double)sum;
}

/* Whether the store is another than that of the last call, which it then becomes; grown is the part
 * of the counts that is new. */
static bool take_store(edx_nmf *n, const edx_scene *store, double *grown)
{
    const uint64_t *counts = edx_scene_pixel_counts(store), *spectrum = edx_scene_spectrum(store);
    size_t pixels = sizeof *counts * n->pixels, channels = sizeof *spectrum * n->channels;

    if (memcmp(n->counts, counts, pixels) == 0 && memcmp(n->spectrum, spectrum, channels) == 0)
        return false;
    double before = sum_of(n->spectrum, n->channels), now = (double)edx_scene_counts(store);
    *grown = now > before ? 1 - before / now : 1;
    memcpy(n->counts, counts, pixels);
    memcpy(n->spectrum, spectrum, channels);
    return true;
}

static void take_results(edx_nmf *n)
{
    edx_nmf_pass_get(n->pass, n->spectra, NULL);
    edx_nmf_pass_totals(n->pass, n->totals);
}

static double evaluate(edx_nmf *n, const edx_scene *store)
{
    double sum = edx_nmf_pass_log(n->pass, store, isnan(n->digits) ? &n->digits : NULL);

    return sum + n->digits;
}

/* ---- start ---- */

bool edx_nmf_needs_start(const edx_nmf *nmf, uint32_t k)
{
    return nmf->empty || nmf->k != k;
}

/* What every start has in common. */
static void begin_with(edx_nmf *n, const edx_scene *store, uint32_t k)
{
    double grown;

    (void)take_store(n, store, &grown);
    n->k = k;
    n->age = 0;
    n->divergence = NAN;
    n->empty = edx_scene_counts(store) == 0;
}

edx_status edx_nmf_start_as(edx_nmf *nmf, const edx_scene *store, const edx_nmf *other,
                            edx_error *err)
{
    if (other->k == 0)
        return edx_fail(err, EDX_E_STATE, "no components to start from");
    if (other->k > nmf->max_k)
        return edx_fail(err, EDX_E_RANGE, "%u components, expected 1 to %u", other->k, nmf->max_k);
    begin_with(nmf, store, other->k);
    nmf->known = 0;
    nmf->to_order = false;
    edx_nmf_pass_get(other->pass, nmf->start, nmf->maps);
    edx_nmf_pass_set(nmf->pass, store, nmf->k, nmf->start, nmf->maps, GROWTH_MIX);
    take_results(nmf);
    return EDX_OK;
}

edx_status edx_nmf_start(edx_nmf *nmf, const edx_scene *store, uint32_t k, const float *spectra,
                         const float *maps, bool fixed, edx_error *err)
{
    if (k < 1 || k > nmf->max_k)
        return edx_fail(err, EDX_E_RANGE, "%u components, expected 1 to %u", k, nmf->max_k);
    nmf->known = fixed || nmf->empty ? 0 : nmf->k;
    memcpy(nmf->before, nmf->spectra, sizeof *nmf->before * nmf->known * nmf->channels);
    begin_with(nmf, store, k);
    nmf->to_order = true;
    edx_nmf_begin(nmf, store, k, spectra, maps);
    edx_nmf_pass_set(nmf->pass, store, k, nmf->start, nmf->maps, START_MIX);
    take_results(nmf);
    return EDX_OK;
}

/* ---- passes ---- */

static void push_on(edx_nmf *n, const edx_scene *store, uint32_t passes)
{
    for (uint32_t i = 0; i < passes; i++, n->age++) {
        float push = (float)n->age / ((float)n->age + PUSH_DELAY);
        edx_nmf_pass_blocks(n->pass, store, push < MOST_PUSH ? push : MOST_PUSH);
    }
    n->passes += passes;
}

/* Passes that do not let the divergence rise: where pushed ones did, plain ones; where those did,
 * which is rounding, none. False then. */
static bool step(edx_nmf *n, const edx_scene *store, uint32_t passes)
{
    double before = n->divergence;

    edx_nmf_pass_keep(n->pass);
    push_on(n, store, passes);
    n->divergence = evaluate(n, store);
    if (n->divergence <= before)
        return true;
    edx_nmf_pass_undo(n->pass);
    n->age = 0;
    for (uint32_t i = 0; i < passes; i++)
        edx_nmf_pass_whole(n->pass, store);
    n->divergence = evaluate(n, store);
    if (n->divergence <= before)
        return true;
    edx_nmf_pass_undo(n->pass);
    n->divergence = before;
    return false;
}

/* Makes everything fit the store, and its divergence known. */
static void follow(edx_nmf *n, const edx_scene *store, uint32_t passes)
{
    double grown = 0;

    if (take_store(n, store, &grown)) {
        edx_nmf_pass_follow(n->pass, store, GROWTH_MIX * (float)grown);
        n->divergence = NAN;
        n->age = 0;
    }
    if (isnan(n->divergence)) {
        n->digits = NAN;
        push_on(n, store, passes);
        n->divergence = evaluate(n, store);
    } else if (passes > 0) {
        (void)step(n, store, passes);
    }
}

static edx_status finish(edx_nmf *n, const edx_scene *store, edx_error *err)
{
    uint32_t order[EDX_NMF_WIDEST];

    take_results(n);
    if (n->to_order) {
        edx_nmf_find_order(n, store, order);
        edx_nmf_pass_order(n->pass, order);
        n->to_order = false;
        n->age = 0;
        take_results(n);
    }
    if (isfinite(n->divergence))
        return EDX_OK;
    n->empty = true;
    return edx_fail(err, EDX_E_NUMERIC, "factors of %u components came out not finite", n->k);
}

edx_status edx_nmf_update(edx_nmf *nmf, const edx_scene *store, uint32_t n, edx_error *err)
{
    if (nmf->k == 0)
        return edx_fail(err, EDX_E_STATE, "no start, expected one before passes");
    nmf->passes = 0;
    follow(nmf, store, n);
    return finish(nmf, store, err);
}

edx_status edx_nmf_converge(edx_nmf *nmf, const edx_scene *store, double tolerance,
                            uint32_t max_passes, edx_error *err)
{
    double before = INFINITY;

    if (nmf->k == 0)
        return edx_fail(err, EDX_E_STATE, "no start, expected one before passes");
    nmf->passes = 0;
    follow(nmf, store, max_passes < EDX_NMF_ROUND ? max_passes : EDX_NMF_ROUND);
    while (before - nmf->divergence > tolerance * nmf->divergence && nmf->passes < max_passes) {
        uint32_t left = max_passes - nmf->passes;
        before = nmf->divergence;
        if (!step(nmf, store, left < EDX_NMF_ROUND ? left : EDX_NMF_ROUND))
            break;
    }
    return finish(nmf, store, err);
}

/* ---- asking ---- */

uint32_t edx_nmf_rank(const edx_nmf *nmf)
{
    return nmf->k;
}

double edx_nmf_divergence(const edx_nmf *nmf)
{
    return nmf->divergence;
}

uint32_t edx_nmf_passes(const edx_nmf *nmf)
{
    return nmf->passes;
}

const float *edx_nmf_spectra(const edx_nmf *nmf)
{
    return nmf->spectra;
}

const double *edx_nmf_totals(const edx_nmf *nmf)
{
    return nmf->totals;
}

void edx_nmf_maps(const edx_nmf *nmf, float *maps)
{
    edx_nmf_pass_get(nmf->pass, NULL, maps);
    edx_pool_sum(nmf->pool, EDX_F4, maps, (size_t)nmf->k * nmf->pixels);
}
