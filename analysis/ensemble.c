#include "analysis/ensemble.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEAR 1e-9 /* of a bin: what lies on a limit belongs to the bin above */
#define MAX_BINS 100000

/* One particle, copied. */
typedef struct member {
    edx_ensemble_member about;
    size_t m;
    double step_nm;
    double *r_nm;                  /* [m], the block that holds the rest */
    double *value[EDX_ESTIMATORS]; /* [n, m] each; NULL: none, or not to be believed */
    double *sigma[EDX_ESTIMATORS];
} member;

/* Sums of one axis: [estimator][g, n, m]. */
typedef struct axis_sums {
    long first; /* bin of index 0, at first + 1/2 steps */
    size_t m;
    double *at_nm;
    double *weight[EDX_ESTIMATORS], *mean[EDX_ESTIMATORS], *sigma[EDX_ESTIMATORS];
    double *chi2[EDX_ESTIMATORS];
    uint32_t *particles[EDX_ESTIMATORS];
    double *block;
    uint32_t *counts;
} axis_sums;

enum { RADIUS, DEPTH, AXES };

struct edx_ensemble {
    double group_nm, step_nm;
    uint32_t n;
    char elements[EDX_MAX_LINES][EDX_SYMBOL_SIZE];
    double systematic[EDX_MAX_LINES]; /* the largest of all runs */
    uint64_t left_out_edge, left_out_other;
    member *members;
    size_t count, room;
    edx_ensemble_group *groups; /* groups of diameter, and all */
    size_t n_groups;
    edx_ensemble_member *about; /* of the members, for the result */
    axis_sums axis[AXES];
};

edx_ensemble *edx_ensemble_new(double group_nm)
{
    edx_ensemble *e = calloc(1, sizeof *e);
    if (e)
        e->group_nm = group_nm;
    return e;
}

static void clear_axis(axis_sums *axis)
{
    free(axis->block);
    free(axis->counts);
    *axis = (axis_sums){0};
}

static void clear_averages(edx_ensemble *e)
{
    for (int i = 0; i < AXES; i++)
        clear_axis(&e->axis[i]);
    free(e->groups);
    free(e->about);
    e->groups = NULL;
    e->about = NULL;
    e->n_groups = 0;
}

void edx_ensemble_free(edx_ensemble **ensemble)
{
    edx_ensemble *e = *ensemble;
    if (!e)
        return;
    clear_averages(e);
    for (size_t i = 0; i < e->count; i++)
        free(e->members[i].r_nm);
    free(e->members);
    free(e);
    *ensemble = NULL;
}

/* ---- what goes in ---- */

typedef struct profile {
    const edx_array *value, *sigma;
    bool believed;
} profile;

static void list_profiles(const edx_particle *p, profile out[EDX_ESTIMATORS])
{
    out[EDX_RAW] = (profile){&p->radial.fraction, &p->radial.sigma, true};
    out[EDX_MODEL] = (profile){&p->radial.model, &p->radial.model_sigma, true};
    out[EDX_DENOISED] =
        (profile){&p->radial.denoised, &p->radial.denoised_sigma, p->radial.denoised_check.passed};
    out[EDX_BY_PCA] = (profile){&p->radial.pca, &p->radial.pca_sigma, p->radial.pca_check.passed};
    out[EDX_BY_NMF] = (profile){&p->radial.nmf, &p->radial.nmf_sigma, p->radial.nmf_check.passed};
}

static bool has_shape(const edx_array *array, uint64_t n, uint64_t m)
{
    return array->ndim == 2 && array->shape[0] == n && array->shape[1] == m;
}

/* Copies one estimator's points; those that are not quantified become NaN. */
static void copy_profile(member *out, edx_estimator e, const profile *from, uint32_t n,
                         const bool *quantified, double **room)
{
    const size_t m = out->m, points = n * m;
    if (!from->believed || !has_shape(from->value, n, m) || !has_shape(from->sigma, n, m))
        return;
    out->value[e] = *room;
    out->sigma[e] = *room + points;
    *room += 2 * points;
    for (size_t i = 0; i < points; i++) {
        out->value[e][i] = edx_array_get(from->value, i);
        out->sigma[e][i] = edx_array_get(from->sigma, i);
        if (e == EDX_RAW && quantified && !quantified[i % m])
            out->value[e][i] = NAN;
    }
}

/* The width of the rings, whose middles are half a width from 0 and a width apart. */
static double step_of(const double *r_nm, size_t m)
{
    return m > 1 ? r_nm[1] - r_nm[0] : 2 * r_nm[0];
}

static void describe(edx_ensemble_member *out, const edx_particle *p, const char *acq, uint32_t n)
{
    *out = (edx_ensemble_member){.id = p->id,
                                 .diameter_nm = p->diameter_nm,
                                 .delta = p->segregation.delta,
                                 .delta_sigma = p->segregation.sigma};
    memcpy(out->acq, acq, sizeof out->acq);
    memcpy(out->composition, p->composition, n * sizeof out->composition[0]);
}

static edx_status copy_particle(const edx_ensemble *e, const edx_particle *p, const char *acq,
                                member *out, edx_error *err)
{
    profile profiles[EDX_ESTIMATORS];
    const size_t m = p->radial.m;
    double *block = malloc((1 + (size_t)2 * EDX_ESTIMATORS * e->n) * m * sizeof *block);
    if (!block)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a particle");
    *out = (member){.m = m, .r_nm = block};
    describe(&out->about, p, acq, e->n);
    for (size_t j = 0; j < m; j++)
        out->r_nm[j] = edx_array_get(&p->radial.r_nm, j);
    out->step_nm = step_of(out->r_nm, m);
    block += m;
    list_profiles(p, profiles);
    for (edx_estimator i = EDX_RAW; i < EDX_ESTIMATORS; i++)
        copy_profile(out, i, &profiles[i], e->n, p->radial.quantified, &block);
    return EDX_OK;
}

static bool same_elements(const edx_ensemble *e, const edx_particle *p)
{
    bool same = e->n > 0 && p->n == e->n;
    for (uint32_t i = 0; same && i < e->n; i++)
        same = strcmp(p->elements[i], e->elements[i]) == 0;
    return same;
}

/* Room for one member more. */
static bool grow(edx_ensemble *e)
{
    if (e->count < e->room)
        return true;
    const size_t room = e->room ? 2 * e->room : 16;
    member *grown = realloc(e->members, room * sizeof *grown);
    if (!grown)
        return false;
    e->members = grown;
    e->room = room;
    return true;
}

static edx_status add_particle(edx_ensemble *e, const edx_particle *p, const char *acq,
                               edx_error *err)
{
    if (!same_elements(e, p)) {
        e->left_out_other++;
        return EDX_OK;
    }
    if (p->touches_edge || !(p->diameter_nm > 0) || p->radial.m == 0) {
        e->left_out_edge++;
        return EDX_OK;
    }
    if (!grow(e))
        return edx_fail(err, EDX_E_NOMEM, "no memory for a particle");
    edx_status status = copy_particle(e, p, acq, &e->members[e->count], err);
    if (status)
        return status;
    const member *added = &e->members[e->count++];
    e->step_nm = added->step_nm > e->step_nm ? added->step_nm : e->step_nm;
    return EDX_OK;
}

edx_status edx_ensemble_add(edx_ensemble *e, const edx_particles_result *run, edx_error *err)
{
    edx_status status = EDX_OK;
    if (e->n == 0 && run->count > 0) {
        e->n = run->particles[0].n;
        memcpy(e->elements, run->particles[0].elements, sizeof e->elements);
    }
    for (uint32_t i = 0; i < e->n; i++)
        for (uint32_t j = 0; j < run->n; j++)
            if (strcmp(run->elements[j], e->elements[i]) == 0)
                e->systematic[i] = fmax(e->systematic[i], run->systematic[j]);
    for (size_t p = 0; !status && p < run->count; p++)
        status = add_particle(e, &run->particles[p], run->head.head.acq, err);
    return status;
}

/* ---- groups ---- */

static double group_start(const edx_ensemble *e, double diameter_nm)
{
    return (floor(diameter_nm / e->group_nm + 0.5) - 0.5) * e->group_nm;
}

static int by_start(const void *a, const void *b)
{
    const double x = ((const edx_ensemble_group *)a)->from_nm;
    const double y = ((const edx_ensemble_group *)b)->from_nm;
    return (x > y) - (x < y);
}

/* Sorted limits, each once; behind them all particles together. */
static void make_groups(edx_ensemble *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->count; i++)
        e->groups[i].from_nm = group_start(e, e->members[i].about.diameter_nm);
    qsort(e->groups, e->count, sizeof *e->groups, by_start);
    for (size_t i = 0; i < e->count; i++)
        if (kept == 0 || e->groups[i].from_nm > e->groups[kept - 1].from_nm + NEAR)
            e->groups[kept++].from_nm = e->groups[i].from_nm;
    for (size_t g = 0; g < kept; g++)
        e->groups[g].to_nm = e->groups[g].from_nm + e->group_nm;
    e->groups[kept] =
        (edx_ensemble_group){.from_nm = e->groups[0].from_nm, .to_nm = e->groups[kept - 1].to_nm};
    e->n_groups = kept + 1;
}

static void count_group(edx_ensemble_group *group, double diameter_nm)
{
    group->particles++;
    group->diameter_nm += (diameter_nm - group->diameter_nm) / (double)group->particles;
}

static void assign_groups(edx_ensemble *e)
{
    for (size_t i = 0; i < e->count; i++) {
        edx_ensemble_member *about = &e->members[i].about;
        const double from = group_start(e, about->diameter_nm);
        about->group = 0;
        while (e->groups[about->group].from_nm < from - NEAR)
            about->group++;
        count_group(&e->groups[about->group], about->diameter_nm);
        count_group(&e->groups[e->n_groups - 1], about->diameter_nm);
        e->about[i] = *about;
    }
}

/* ---- averages ---- */

/* The bin of ring j on an axis, as a multiple of the step. */
static long bin_of(const edx_ensemble *e, int axis, const member *m, size_t j)
{
    const double r = m->r_nm[j], at = axis == RADIUS ? r : m->about.diameter_nm / 2 - r;
    return lround(floor(at / e->step_nm + NEAR));
}

static void find_bins(const edx_ensemble *e, int axis, long *first, long *last)
{
    *first = LONG_MAX;
    *last = LONG_MIN;
    for (size_t i = 0; i < e->count; i++)
        for (size_t j = 0; j < e->members[i].m; j++) {
            const long bin = bin_of(e, axis, &e->members[i], j);
            *first = bin < *first ? bin : *first;
            *last = bin > *last ? bin : *last;
        }
}

static edx_status make_axis(edx_ensemble *e, int which, edx_error *err)
{
    axis_sums *axis = &e->axis[which];
    long last;
    find_bins(e, which, &axis->first, &last);
    if (last - axis->first >= MAX_BINS)
        return edx_fail(err, EDX_E_RANGE, "rings too far apart to be averaged");
    axis->m = (size_t)(last - axis->first + 1);
    const size_t cells = e->n_groups * e->n * axis->m;
    axis->block = calloc(axis->m + (size_t)4 * EDX_ESTIMATORS * cells, sizeof *axis->block);
    axis->counts = calloc(EDX_ESTIMATORS * cells, sizeof *axis->counts);
    if (!axis->block || !axis->counts)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the averages");
    axis->at_nm = axis->block;
    double *room = axis->block + axis->m;
    for (int i = 0; i < EDX_ESTIMATORS; i++, room += 4 * cells) {
        axis->weight[i] = room;
        axis->mean[i] = room + cells;
        axis->sigma[i] = room + 2 * cells;
        axis->chi2[i] = room + 3 * cells;
        axis->particles[i] = axis->counts + (size_t)i * cells;
    }
    for (size_t j = 0; j < axis->m; j++)
        axis->at_nm[j] = ((double)axis->first + (double)j + 0.5) * e->step_nm;
    return EDX_OK;
}

static void add_weighted(axis_sums *axis, int estimator, size_t cell, double value, double sigma)
{
    const double w = 1 / (sigma * sigma);
    axis->weight[estimator][cell] += w;
    axis->mean[estimator][cell] += w * value;
    axis->particles[estimator][cell]++;
}

static void add_chi2(axis_sums *axis, int estimator, size_t cell, double value, double sigma)
{
    const double pull = (value - axis->mean[estimator][cell]) / sigma;
    axis->chi2[estimator][cell] += pull * pull;
}

typedef void adder(axis_sums *axis, int estimator, size_t cell, double value, double sigma);

/* Every known point of a profile, into its own group and into that of all. */
static void add_profile(edx_ensemble *e, int which, const member *m, int estimator, adder *add)
{
    axis_sums *axis = &e->axis[which];
    const size_t groups[2] = {(size_t)m->about.group, e->n_groups - 1};
    for (size_t i = 0; i < e->n; i++)
        for (size_t j = 0; j < m->m; j++) {
            const double value = m->value[estimator][i * m->m + j];
            const double sigma = m->sigma[estimator][i * m->m + j];
            if (!isfinite(value) || !isfinite(sigma) || !(sigma > 0))
                continue;
            const size_t bin = (size_t)(bin_of(e, which, m, j) - axis->first);
            for (int g = 0; g < 2; g++)
                add(axis, estimator, (groups[g] * e->n + i) * axis->m + bin, value, sigma);
        }
}

static void add_all(edx_ensemble *e, int which, adder *add)
{
    for (size_t i = 0; i < e->count; i++)
        for (int s = 0; s < EDX_ESTIMATORS; s++)
            if (e->members[i].value[s])
                add_profile(e, which, &e->members[i], s, add);
}

/* Sums of weights to means and their errors. */
static void divide(const edx_ensemble *e, axis_sums *axis)
{
    const size_t cells = e->n_groups * e->n * axis->m;
    for (int s = 0; s < EDX_ESTIMATORS; s++)
        for (size_t c = 0; c < cells; c++) {
            const double weight = axis->weight[s][c];
            axis->mean[s][c] = weight > 0 ? axis->mean[s][c] / weight : (double)NAN;
            axis->sigma[s][c] = weight > 0 ? 1 / sqrt(weight) : (double)NAN;
            axis->chi2[s][c] = weight > 0 ? 0 : (double)NAN;
        }
}

static edx_status average_axis(edx_ensemble *e, int which, edx_ensemble_axis *out, edx_error *err)
{
    edx_status status = make_axis(e, which, err);
    if (status)
        return status;
    axis_sums *axis = &e->axis[which];
    add_all(e, which, add_weighted);
    divide(e, axis);
    add_all(e, which, add_chi2);
    out->m = axis->m;
    out->at_nm = axis->at_nm;
    for (int s = 0; s < EDX_ESTIMATORS; s++)
        out->by[s] = (edx_average){
            .mean = edx_array_3(EDX_F8, axis->mean[s], e->n_groups, e->n, axis->m),
            .sigma = edx_array_3(EDX_F8, axis->sigma[s], e->n_groups, e->n, axis->m),
            .chi2 = edx_array_3(EDX_F8, axis->chi2[s], e->n_groups, e->n, axis->m),
            .particles = edx_array_3(EDX_U4, axis->particles[s], e->n_groups, e->n, axis->m)};
    return EDX_OK;
}

/* The weighted mean of the particles' compositions. */
static void average_composition(const edx_ensemble *e, uint32_t element, double out[2])
{
    double weight = 0, sum = 0;
    for (size_t p = 0; p < e->count; p++) {
        const double *c = e->members[p].about.composition[element];
        if (!isfinite(c[0]) || !isfinite(c[1]) || !(c[1] > 0))
            continue;
        weight += 1 / (c[1] * c[1]);
        sum += c[0] / (c[1] * c[1]);
    }
    out[0] = weight > 0 ? sum / weight : (double)NAN;
    out[1] = weight > 0 ? 1 / sqrt(weight) : (double)NAN;
}

static void fill(const edx_ensemble *e, edx_ensemble_result *out)
{
    out->group_nm = e->group_nm;
    out->step_nm = e->step_nm;
    out->n = e->n;
    memcpy(out->elements, e->elements, sizeof out->elements);
    memcpy(out->systematic, e->systematic, sizeof out->systematic);
    out->left_out_edge = e->left_out_edge;
    out->left_out_other = e->left_out_other;
    out->groups = e->n_groups;
    out->group = e->groups;
    out->members = e->count;
    out->member = e->about;
    for (uint32_t i = 0; i < e->n; i++)
        average_composition(e, i, out->composition[i]);
}

edx_status edx_ensemble_average(edx_ensemble *e, edx_ensemble_result *out, edx_error *err)
{
    *out = (edx_ensemble_result){0};
    clear_averages(e);
    if (e->count == 0)
        return edx_fail(err, EDX_E_STATE,
                        "no particle that could be averaged, expected one with a profile and "
                        "clear of the edge");
    e->groups = calloc(e->count + 1, sizeof *e->groups);
    e->about = calloc(e->count, sizeof *e->about);
    if (!e->groups || !e->about)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the averages");
    make_groups(e);
    assign_groups(e);
    edx_status status = average_axis(e, RADIUS, &out->radius, err);
    if (!status)
        status = average_axis(e, DEPTH, &out->depth, err);
    if (!status)
        fill(e, out);
    return status;
}
