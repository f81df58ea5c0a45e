#include "client/export.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "client/csv.h"
#include "client/series.h"
#include "client/verdict.h"

/* One file: what there is for it, and how it is written. */
typedef struct table {
    const edx_gathered *run;
    edx_csv csv;
    uint64_t index; /* of the map or particle that it is about */
} table;

/* Where the numbers come from; every file begins with that. */
static void put_origin(edx_csv *csv, const edx_result_head *head)
{
    char when[40] = "";
    const time_t t = (time_t)head->head.t;
    struct tm utc;
    if (gmtime_r(&t, &utc))
        strftime(when, sizeof when, ", %Y-%m-%dT%H:%M:%SZ", &utc);
    edx_csv_note(csv, "%s, newest frame %" PRIu64 ", %" PRIu64 " frames%s", head->head.acq,
                 head->frame, head->frames, when);
}

static void put_fraction_note(edx_csv *csv)
{
    edx_csv_note(csv, "atomic fractions from 0 to 1; sigma: one standard deviation, from counting; "
                      "empty: not known");
}

/* The elements of the index n. */
static const edx_maps_result *elements_of(const table *t)
{
    return edx_gathered_maps(t->run);
}

static const char *element(const table *t, uint64_t i)
{
    const edx_maps_result *maps = elements_of(t);
    return maps && i < maps->n ? maps->elements[i] : "?";
}

/* ---- spectrum, maps ---- */

/* The model is published as 0 where nothing is fitted, which is no answer. */
static void put_fit(edx_csv *csv, const edx_spectrum_result *s, uint64_t i)
{
    const edx_array none = {0};
    bool fitted = edx_at_1(&s->fit, i) > 0;
    edx_csv_at(csv, fitted ? &s->fit : &none, i);
    edx_csv_at(csv, fitted ? &s->background : &none, i);
}

static void write_spectrum(table *t)
{
    const edx_spectrum_result *s = edx_gathered_spectrum(t->run);
    edx_csv *csv = &t->csv;
    put_origin(csv, &s->head);
    edx_csv_note(csv, "energy: middle of the channel; empty: not fitted there");
    edx_csv_text(csv, "energy_eV");
    edx_csv_text(csv, "counts");
    edx_csv_text(csv, "fit_counts");
    edx_csv_text(csv, "background_counts");
    edx_csv_end(csv);
    for (uint64_t i = 0; s->sum.ndim == 1 && i < s->sum.shape[0]; i++) {
        edx_csv_float(csv, s->offset_eV + s->scale_eV * (double)i);
        edx_csv_at(csv, &s->sum, i);
        put_fit(csv, s, i);
        edx_csv_end(csv);
    }
}

/* Where the middle of an analysis pixel is, from that of scan pixel (0, 0). */
static double place(const table *t, uint64_t index, int axis)
{
    const edx_maps_result *maps = edx_gathered_maps(t->run);
    const double step = maps ? maps->step_nm[axis] : (double)NAN;
    const double bin = (double)t->run->settings.analysis.bin_pixels;
    return step * ((double)index + 0.5 - 0.5 / bin);
}

static void put_place(table *t, uint64_t row, uint64_t col)
{
    edx_csv_float(&t->csv, place(t, row, 0));
    edx_csv_float(&t->csv, place(t, col, 1));
}

static void write_image(table *t)
{
    static const char *const names[] = {"y_nm", "x_nm", "image", "total_counts", "exposure_frames"};
    const edx_spectrum_result *s = edx_gathered_spectrum(t->run);
    const edx_maps_result *maps = edx_gathered_maps(t->run);
    const edx_array none = {0};
    put_origin(&t->csv, &s->head);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        edx_csv_text(&t->csv, "%s", names[i]);
    edx_csv_end(&t->csv);
    const uint64_t rows = s->total.shape[0], cols = s->total.shape[1];
    for (uint64_t i = 0; i < rows * cols; i++) {
        put_place(t, i / cols, i % cols);
        edx_csv_at(&t->csv, &s->image, i);
        edx_csv_at(&t->csv, &s->total, i);
        edx_csv_at(&t->csv, maps ? &maps->exposure : &none, i);
        edx_csv_end(&t->csv);
    }
}

static void name_map_columns(edx_csv *csv)
{
    static const char *const names[] = {"y_nm",
                                        "x_nm",
                                        "net_counts",
                                        "net_counts_sigma",
                                        "atomic_fraction",
                                        "fraction_sigma",
                                        "quantified",
                                        "denoised_fraction",
                                        "denoised_sigma",
                                        "exposure_frames",
                                        "mass_thickness_kg_m2",
                                        "atoms"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        edx_csv_text(csv, "%s", names[i]);
    edx_csv_end(csv);
}

static void write_map(table *t)
{
    const edx_maps_result *m = edx_gathered_maps(t->run);
    const uint64_t rows = m->intensity.shape[1], cols = m->intensity.shape[2];
    put_origin(&t->csv, &m->head);
    put_fraction_note(&t->csv);
    name_map_columns(&t->csv);
    for (uint64_t i = 0; i < rows * cols; i++) {
        const uint64_t at = t->index * rows * cols + i;
        put_place(t, i / cols, i % cols);
        edx_csv_at(&t->csv, &m->intensity, at);
        edx_csv_at(&t->csv, &m->sigma, at);
        edx_csv_at(&t->csv, &m->atomic_fraction, at);
        edx_csv_at(&t->csv, &m->fraction_sigma, at);
        edx_csv_uint(&t->csv, m->atomic_fraction.ndim == 3 &&
                                  isfinite(edx_array_get(&m->atomic_fraction, at)));
        edx_csv_at(&t->csv, &m->denoised_fraction, at);
        edx_csv_at(&t->csv, &m->denoised_sigma, at);
        edx_csv_at(&t->csv, &m->exposure, i);
        edx_csv_at(&t->csv, &m->mass_thickness, i);
        edx_csv_at(&t->csv, &m->atoms, at);
        edx_csv_end(&t->csv);
    }
}

/* ---- particles ---- */

static void name_particle_columns(table *t)
{
    static const char *const first[] = {"id",          "centre_y_nm",      "centre_x_nm",
                                        "diameter_nm", "area_diameter_nm", "touches_edge"};
    static const char *const last[] = {
        "segregation_element", "core_fraction", "core_sigma",  "shell_fraction",
        "shell_sigma",         "delta",         "delta_sigma", "z",
        "denoised_trust",      "pca_trust",     "nmf_trust"};
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        edx_csv_text(&t->csv, "%s", first[i]);
    for (uint32_t i = 0; elements_of(t) && i < elements_of(t)->n; i++) {
        edx_csv_text(&t->csv, "%s_atomic_fraction", element(t, i));
        edx_csv_text(&t->csv, "%s_sigma", element(t, i));
        edx_csv_text(&t->csv, "%s_systematic_sigma", element(t, i));
    }
    for (size_t i = 0; i < sizeof last / sizeof *last; i++)
        edx_csv_text(&t->csv, "%s", last[i]);
    edx_csv_end(&t->csv);
}

static void put_composition(table *t, const edx_particles_result *all, const edx_particle *p)
{
    for (uint32_t i = 0; elements_of(t) && i < elements_of(t)->n; i++) {
        const double *c = edx_composition_of(p, element(t, i));
        edx_csv_float(&t->csv, c ? c[0] : (double)NAN);
        edx_csv_float(&t->csv, c ? c[1] : (double)NAN);
        edx_csv_float(&t->csv, c ? c[0] * edx_systematic_of(all, element(t, i)) : (double)NAN);
    }
}

static void put_segregation(edx_csv *csv, const edx_particle *p)
{
    const double values[] = {p->segregation.core[0],  p->segregation.core[1],
                             p->segregation.shell[0], p->segregation.shell[1],
                             p->segregation.delta,    p->segregation.sigma,
                             p->segregation.z};
    edx_csv_text(csv, "%s", p->segregation.element);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        edx_csv_float(csv, values[i]);
}

static void write_particles(table *t)
{
    const edx_particles_result *all = edx_gathered_particles(t->run);
    put_origin(&t->csv, &all->head);
    put_fraction_note(&t->csv);
    edx_csv_note(&t->csv, "systematic_sigma: from the error of k, common to all particles; biased "
                          "or unchecked profiles are not to be relied on");
    name_particle_columns(t);
    for (size_t i = 0; i < all->count; i++) {
        const edx_particle *p = &all->particles[i];
        edx_csv_uint(&t->csv, p->id);
        edx_csv_float(&t->csv, p->centre_nm[0]);
        edx_csv_float(&t->csv, p->centre_nm[1]);
        edx_csv_float(&t->csv, p->diameter_nm);
        edx_csv_float(&t->csv, p->area_diameter_nm);
        edx_csv_uint(&t->csv, p->touches_edge);
        put_composition(t, all, p);
        put_segregation(&t->csv, p);
        for (edx_estimator e = EDX_DENOISED; e < EDX_ESTIMATORS; e++)
            edx_csv_text(&t->csv, "%s",
                         edx_trust_name(edx_verdict_check(edx_radial_of(p, e).check)));
        edx_csv_end(&t->csv);
    }
}

static void note_estimates(table *t, const edx_particle *p)
{
    char words[EDX_WORDS];
    for (edx_estimator e = EDX_RAW; e < EDX_ESTIMATORS; e++) {
        const edx_radial radial = edx_radial_of(p, e);
        if (!radial.any)
            continue;
        edx_verdict_profile(p, e, words);
        if (radial.check)
            edx_csv_note(&t->csv, "%s: %s (chi2 = %.3g, dof = %" PRIu64 ")", edx_estimator_name(e),
                         words, radial.check->chi2, radial.check->dof);
        else
            edx_csv_note(&t->csv, "%s: %s", edx_estimator_name(e), words);
    }
}

static void name_radial_columns(table *t, uint64_t n)
{
    edx_csv_text(&t->csv, "r_nm");
    edx_csv_text(&t->csv, "quantified");
    for (uint64_t i = 0; i < n; i++) {
        edx_csv_text(&t->csv, "%s_net_counts", element(t, i));
        edx_csv_text(&t->csv, "%s_net_counts_sigma", element(t, i));
    }
    for (edx_estimator e = EDX_RAW; e < EDX_ESTIMATORS; e++) {
        for (uint64_t i = 0; i < n; i++) {
            edx_csv_text(&t->csv, "%s_%s_atomic_fraction", element(t, i), edx_estimator_name(e));
            edx_csv_text(&t->csv, "%s_%s_sigma", element(t, i), edx_estimator_name(e));
        }
        if (e >= EDX_DENOISED)
            edx_csv_text(&t->csv, "%s_trust", edx_estimator_name(e));
    }
    edx_csv_end(&t->csv);
}

static void put_ring(table *t, const edx_particle *p, uint64_t n, uint64_t ring)
{
    const uint64_t m = p->radial.m;
    edx_csv_at(&t->csv, &p->radial.r_nm, ring);
    edx_csv_uint(&t->csv, p->radial.quantified && p->radial.quantified[ring]);
    for (uint64_t i = 0; i < n; i++) {
        edx_csv_at(&t->csv, &p->radial.counts, i * m + ring);
        edx_csv_at(&t->csv, &p->radial.counts_sigma, i * m + ring);
    }
    for (edx_estimator e = EDX_RAW; e < EDX_ESTIMATORS; e++) {
        const edx_radial radial = edx_radial_of(p, e);
        for (uint64_t i = 0; i < n; i++) {
            edx_csv_at(&t->csv, radial.value, i * m + ring);
            edx_csv_at(&t->csv, radial.sigma, i * m + ring);
        }
        if (e >= EDX_DENOISED)
            edx_csv_text(&t->csv, "%s", edx_trust_name(edx_verdict_check(radial.check)));
    }
    edx_csv_end(&t->csv);
}

static void write_radial(table *t)
{
    char words[EDX_WORDS];
    const edx_particles_result *all = edx_gathered_particles(t->run);
    const edx_particle *p = &all->particles[t->index];
    const uint64_t n = p->radial.counts.ndim == 2 ? p->radial.counts.shape[0] : 0;
    put_origin(&t->csv, &all->head);
    put_fraction_note(&t->csv);
    edx_csv_note(&t->csv, "particle %" PRIu64 ", diameter %.3f nm%s; r: middle of the ring", p->id,
                 p->diameter_nm, p->touches_edge ? ", cut by the edge of the scan" : "");
    edx_verdict_segregation(p, words);
    edx_csv_note(&t->csv, "%s; Δ: shell − core", words);
    note_estimates(t, p);
    name_radial_columns(t, n);
    for (uint64_t ring = 0; ring < p->radial.m; ring++)
        put_ring(t, p, n, ring);
}

/* ---- line profile, trend ---- */

static void write_profile(table *t)
{
    const edx_profile_result *p = edx_gathered_profile(t->run);
    const uint64_t m = p->d_nm.ndim ? p->d_nm.shape[0] : 0;
    const uint64_t n = p->counts.ndim == 2 ? p->counts.shape[0] : 0;
    put_origin(&t->csv, &p->head);
    put_fraction_note(&t->csv);
    edx_csv_note(&t->csv, "from %.6g, %.6g to %.6g, %.6g nm (y, x), %.6g nm wide", p->from_nm[0],
                 p->from_nm[1], p->to_nm[0], p->to_nm[1], p->width_nm);
    edx_csv_text(&t->csv, "d_nm");
    for (uint64_t i = 0; i < n; i++) {
        edx_csv_text(&t->csv, "%s_net_counts", element(t, i));
        edx_csv_text(&t->csv, "%s_atomic_fraction", element(t, i));
        edx_csv_text(&t->csv, "%s_sigma", element(t, i));
    }
    edx_csv_end(&t->csv);
    for (uint64_t j = 0; j < m; j++) {
        edx_csv_at(&t->csv, &p->d_nm, j);
        for (uint64_t i = 0; i < n; i++) {
            edx_csv_at(&t->csv, &p->counts, i * m + j);
            edx_csv_at(&t->csv, &p->fraction, i * m + j);
            edx_csv_at(&t->csv, &p->sigma, i * m + j);
        }
        edx_csv_end(&t->csv);
    }
}

static void note_trend(edx_csv *csv, const edx_trend_result *r)
{
    put_origin(csv, &r->head);
    put_fraction_note(csv);
    edx_csv_note(csv, "composition of all frames up to each");
    edx_csv_note(csv, "damage: z %.4g, p %.4g, since frame %" PRId64 " (-1: none)", r->damage.z,
                 r->damage.p, r->damage.since_frame);
    if (!isnan(r->contamination.z))
        edx_csv_note(csv, "contamination by carbon: z %.4g, p %.4g", r->contamination.z,
                     r->contamination.p);
    if (!isnan(r->dose_e_per_A2))
        edx_csv_note(csv, "dose: %.6g electrons per square angstrom", r->dose_e_per_A2);
}

static void write_trend(table *t)
{
    const edx_trend_result *r = edx_gathered_trend(t->run);
    const bool known = r->composition.ndim == 2;
    const uint64_t n = known && elements_of(t) ? r->composition.shape[0] : 0;
    const uint64_t f = known ? r->composition.shape[1] : 0;
    note_trend(&t->csv, r);
    edx_csv_text(&t->csv, "frames");
    for (uint64_t i = 0; i < n; i++) {
        edx_csv_text(&t->csv, "%s_atomic_fraction", element(t, i));
        edx_csv_text(&t->csv, "%s_sigma", element(t, i));
    }
    edx_csv_text(&t->csv, "drift_y_nm");
    edx_csv_text(&t->csv, "drift_x_nm");
    edx_csv_end(&t->csv);
    for (uint64_t j = 0; j < f; j++) {
        edx_csv_uint(&t->csv, j + 1);
        for (uint64_t i = 0; i < n; i++) {
            edx_csv_at(&t->csv, &r->composition, i * f + j);
            edx_csv_at(&t->csv, &r->sigma, i * f + j);
        }
        edx_csv_at(&t->csv, &r->drift_nm, 2 * j);
        edx_csv_at(&t->csv, &r->drift_nm, 2 * j + 1);
        edx_csv_end(&t->csv);
    }
}

/* ---- components ---- */

static void write_scree(table *t)
{
    static const char *const names[] = {"component", "eigenvalue",    "noise_free_eigenvalue",
                                        "explained", "heldout_error", "kept"};
    const edx_pca_result *p = edx_gathered_pca(t->run);
    put_origin(&t->csv, &p->head);
    edx_csv_note(&t->csv, "eigenvalues on one scale without unit, the first is 1; noise edge %.9g",
                 p->noise_edge);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        edx_csv_text(&t->csv, "%s", names[i]);
    edx_csv_end(&t->csv);
    for (uint64_t i = 0; p->eigenvalues.ndim && i < p->eigenvalues.shape[0]; i++) {
        edx_csv_uint(&t->csv, i + 1);
        edx_csv_at(&t->csv, &p->eigenvalues, i);
        edx_csv_at(&t->csv, &p->eigenvalues_noise_free, i);
        edx_csv_at(&t->csv, &p->explained, i);
        edx_csv_at(&t->csv, &p->heldout_error, i);
        edx_csv_uint(&t->csv, i < p->rank);
        edx_csv_end(&t->csv);
    }
}

/* What each component is, in notes. */
static void note_components(table *t, const edx_nmf_result *r)
{
    const uint64_t n = r->share.ndim == 2 && elements_of(t) ? r->share.shape[1] : 0;
    for (uint64_t k = 0; k < r->k; k++) {
        char shares[512] = "";
        size_t used = 0;
        for (uint64_t i = 0; i < n && used < sizeof shares - 40; i++)
            used += (size_t)snprintf(shares + used, sizeof shares - used, ", %.4g of %s",
                                     edx_array_get(&r->share, k * n + i), elements_of(t)->lines[i]);
        edx_csv_note(&t->csv, "component %" PRIu64 ": %s%s", k + 1,
                     r->particle && r->particle[k] ? "particle" : "not particle", shares);
    }
}

static void name_components(edx_csv *csv, size_t k)
{
    for (size_t i = 0; i < k; i++)
        edx_csv_text(csv, "component_%zu", i + 1);
    edx_csv_end(csv);
}

static void write_nmf(table *t)
{
    const edx_nmf_result *r = edx_gathered_nmf(t->run);
    const edx_spectrum_result *s = edx_gathered_spectrum(t->run);
    const uint64_t channels = r->spectra.ndim == 2 ? r->spectra.shape[1] : 0;
    put_origin(&t->csv, &r->head);
    note_components(t, r);
    edx_csv_note(&t->csv, "spectra, each summing to 1; maps in nmf_maps.csv");
    edx_csv_text(&t->csv, "energy_eV");
    name_components(&t->csv, r->k);
    for (uint64_t e = 0; e < channels; e++) {
        edx_csv_float(&t->csv, s ? s->offset_eV + s->scale_eV * (double)e : (double)NAN);
        for (uint64_t k = 0; k < r->k; k++)
            edx_csv_at(&t->csv, &r->spectra, k * channels + e);
        edx_csv_end(&t->csv);
    }
}

static void write_nmf_maps(table *t)
{
    const edx_nmf_result *r = edx_gathered_nmf(t->run);
    const uint64_t cols = r->maps.ndim == 3 ? r->maps.shape[2] : 0;
    const uint64_t pixels = cols ? r->maps.shape[1] * cols : 0;
    put_origin(&t->csv, &r->head);
    note_components(t, r);
    edx_csv_note(&t->csv, "counts of each component; spectra in nmf.csv");
    edx_csv_text(&t->csv, "y_nm");
    edx_csv_text(&t->csv, "x_nm");
    name_components(&t->csv, r->k);
    for (uint64_t i = 0; i < pixels; i++) {
        put_place(t, i / cols, i % cols);
        for (uint64_t k = 0; k < r->k; k++)
            edx_csv_at(&t->csv, &r->maps, k * pixels + i);
        edx_csv_end(&t->csv);
    }
}

/* ---- all of a run ---- */

static edx_status write_file(table *t, const char *dir, const char *name, void (*write)(table *t),
                             edx_error *err)
{
    edx_status status = edx_csv_open(&t->csv, dir, name, err);
    if (status)
        return status;
    write(t);
    return edx_csv_close(&t->csv, err);
}

static edx_status write_maps(table *t, const char *dir, edx_error *err)
{
    char name[64];
    edx_status status = EDX_OK;
    const edx_maps_result *maps = edx_gathered_maps(t->run);
    for (t->index = 0; !status && t->index < maps->n; t->index++) {
        snprintf(name, sizeof name, "maps_%s.csv", maps->lines[t->index]);
        status = write_file(t, dir, name, write_map, err);
    }
    return status;
}

static edx_status write_radials(table *t, const char *dir, edx_error *err)
{
    char name[64];
    const edx_particles_result *all = edx_gathered_particles(t->run);
    edx_status status = write_file(t, dir, "particles.csv", write_particles, err);
    for (t->index = 0; !status && elements_of(t) && t->index < all->count; t->index++) {
        snprintf(name, sizeof name, "radial_%" PRIu64 ".csv", all->particles[t->index].id);
        status = write_file(t, dir, name, write_radial, err);
    }
    return status;
}

edx_status edx_export_run(const edx_gathered *run, const char *dir, edx_error *err)
{
    table t = {.run = run};
    const edx_maps_result *maps = edx_gathered_maps(run);
    edx_status status = EDX_OK;
    if (edx_gathered_spectrum(run))
        status = write_file(&t, dir, "spectrum.csv", write_spectrum, err);
    if (!status && edx_gathered_spectrum(run) && edx_gathered_spectrum(run)->total.ndim == 2)
        status = write_file(&t, dir, "image.csv", write_image, err);
    if (!status && maps && maps->intensity.ndim == 3)
        status = write_maps(&t, dir, err);
    if (!status && edx_gathered_particles(run))
        status = write_radials(&t, dir, err);
    if (!status && edx_gathered_profile(run) && maps)
        status = write_file(&t, dir, "profile.csv", write_profile, err);
    if (!status && edx_gathered_trend(run))
        status = write_file(&t, dir, "trend.csv", write_trend, err);
    if (!status && edx_gathered_pca(run))
        status = write_file(&t, dir, "scree.csv", write_scree, err);
    if (!status && edx_gathered_nmf(run))
        status = write_file(&t, dir, "nmf.csv", write_nmf, err);
    if (!status && edx_gathered_nmf(run))
        status = write_file(&t, dir, "nmf_maps.csv", write_nmf_maps, err);
    return status;
}

/* ---- the ensemble ---- */

static void note_ensemble(edx_csv *csv, const edx_ensemble_result *r)
{
    edx_csv_note(csv, "%zu particles, groups of diameter %.6g nm wide, bins %.6g nm wide",
                 r->members, r->group_nm, r->step_nm);
    edx_csv_note(csv, "left out: %" PRIu64 " cut by the edge, %" PRIu64 " of other elements",
                 r->left_out_edge, r->left_out_other);
    put_fraction_note(csv);
    for (uint32_t i = 0; i < r->n; i++)
        edx_csv_note(csv,
                     "%s of all particles: %.6g, sigma %.3g; from k %.3g of it, which does not "
                     "average down",
                     r->elements[i], r->composition[i][0], r->composition[i][1], r->systematic[i]);
}

static void put_point(edx_csv *csv, const edx_ensemble_result *r, const char *axis_name,
                      const edx_ensemble_axis *axis, const size_t at[4])
{
    const edx_ensemble_group *g = &r->group[at[0]];
    const edx_average *by = &axis->by[at[1]];
    const uint64_t cell = (at[0] * r->n + at[2]) * axis->m + at[3];
    edx_csv_text(csv, "%s", at[0] + 1 == r->groups ? "all" : "diameter");
    edx_csv_float(csv, g->from_nm);
    edx_csv_float(csv, g->to_nm);
    edx_csv_text(csv, "%s", axis_name);
    edx_csv_float(csv, axis->at_nm[at[3]]);
    edx_csv_text(csv, "%s", r->elements[at[2]]);
    edx_csv_text(csv, "%s", edx_estimator_name((edx_estimator)at[1]));
    edx_csv_at(csv, &by->mean, cell);
    edx_csv_at(csv, &by->sigma, cell);
    edx_csv_at(csv, &by->chi2, cell);
    edx_csv_at(csv, &by->particles, cell);
    edx_csv_end(csv);
}

/* Points that hold at least one particle. */
static void put_axis(edx_csv *csv, const edx_ensemble_result *r, const char *name,
                     const edx_ensemble_axis *axis)
{
    size_t at[4];
    for (at[0] = 0; at[0] < r->groups; at[0]++)
        for (at[1] = 0; at[1] < EDX_ESTIMATORS; at[1]++)
            for (at[2] = 0; at[2] < r->n; at[2]++)
                for (at[3] = 0; at[3] < axis->m; at[3]++)
                    if (edx_array_get(&axis->by[at[1]].particles,
                                      (at[0] * r->n + at[2]) * axis->m + at[3]) > 0)
                        put_point(csv, r, name, axis, at);
}

static edx_status export_means(const edx_ensemble_result *r, const char *dir, edx_error *err)
{
    static const char *const names[] = {"group", "from_nm", "to_nm",    "axis",
                                        "at_nm", "element", "profile",  "atomic_fraction",
                                        "sigma", "chi2",    "particles"};
    edx_csv csv;
    edx_status status = edx_csv_open(&csv, dir, "ensemble.csv", err);
    if (status)
        return status;
    note_ensemble(&csv, r);
    edx_csv_note(&csv, "radius: from the centre; depth: below the surface; chi2 of the particles "
                       "about the mean, particles - 1 degrees of freedom");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        edx_csv_text(&csv, "%s", names[i]);
    edx_csv_end(&csv);
    put_axis(&csv, r, "radius", &r->radius);
    put_axis(&csv, r, "depth", &r->depth);
    return edx_csv_close(&csv, err);
}

static edx_status export_members(const edx_ensemble_result *r, const char *dir, edx_error *err)
{
    edx_csv csv;
    edx_status status = edx_csv_open(&csv, dir, "ensemble_particles.csv", err);
    if (status)
        return status;
    note_ensemble(&csv, r);
    edx_csv_text(&csv, "acq");
    edx_csv_text(&csv, "id");
    edx_csv_text(&csv, "diameter_nm");
    for (uint32_t i = 0; i < r->n; i++) {
        edx_csv_text(&csv, "%s_atomic_fraction", r->elements[i]);
        edx_csv_text(&csv, "%s_sigma", r->elements[i]);
    }
    edx_csv_text(&csv, "delta");
    edx_csv_text(&csv, "delta_sigma");
    edx_csv_end(&csv);
    for (size_t p = 0; p < r->members; p++) {
        edx_csv_text(&csv, "%s", r->member[p].acq);
        edx_csv_uint(&csv, r->member[p].id);
        edx_csv_float(&csv, r->member[p].diameter_nm);
        for (uint32_t i = 0; i < r->n; i++) {
            edx_csv_float(&csv, r->member[p].composition[i][0]);
            edx_csv_float(&csv, r->member[p].composition[i][1]);
        }
        edx_csv_float(&csv, r->member[p].delta);
        edx_csv_float(&csv, r->member[p].delta_sigma);
        edx_csv_end(&csv);
    }
    return edx_csv_close(&csv, err);
}

edx_status edx_export_ensemble(const edx_ensemble_result *ensemble, const char *dir, edx_error *err)
{
    edx_status status = export_means(ensemble, dir, err);
    return status ? status : export_members(ensemble, dir, err);
}
