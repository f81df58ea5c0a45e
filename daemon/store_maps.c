#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/store.h"
#include "daemon/store_signal.h"
#include "proto/result.h"
#include "proto/wire.h"

#define MAX_NODES (1u << 26) /* our own messages: memory is the limit */

typedef struct maps {
    edx_h5 *h5;
    const edx_begin *begin;
    uint32_t bin; /* scan pixels to a pixel's side */
    bool there[EDX_RESULT_TOPICS];
    edx_result results[EDX_RESULT_TOPICS];
} maps;

/* ---- signals ---- */

/* A signal of data whose axes are named by a letter each: (p)article, (k) component, (l)ine, then y
 * x, (E)nergy, (d)istance along the profile or (r)adius. */
typedef struct plan {
    const char *title, *quantity, *axes;
    edx_array data;
} plan;

/* Of equally spaced values; one alone tells no distance. */
static void set_scale(edx_signal_axis *axis, const edx_array *values)
{
    axis->offset = edx_array_get(values, 0);
    axis->scale = axis->size > 1 ? edx_array_get(values, 1) - axis->offset : 1.0;
}

static edx_signal_axis space_axis(const maps *m, const char *name, int i, uint64_t size)
{
    const double step = m->begin->step_nm[i];
    return (edx_signal_axis){.name = name,
                             .units = "nm",
                             .offset = 0.5 * (m->bin - 1.0) * step,
                             .scale = m->bin * step,
                             .size = size};
}

static edx_signal_axis energy_axis(const maps *m, uint64_t size)
{
    const edx_spectrum_result *s = &m->results[EDX_SPECTRUM].as.spectrum;
    return (edx_signal_axis){.name = "Energy",
                             .units = "keV",
                             .offset = s->offset_eV / 1000.0,
                             .scale = s->scale_eV / 1000.0,
                             .size = size,
                             .binned = true};
}

/* The particle with most rings; NULL where none has any. */
static const edx_particle *widest(const edx_particles_result *r)
{
    const edx_particle *found = NULL;
    for (size_t p = 0; p < r->count; p++) {
        const edx_particle *one = &r->particles[p];
        if (one->radial.r_nm.shape[0] > (found ? found->radial.r_nm.shape[0] : 0)) {
            found = one;
        }
    }
    return found;
}

/* All rings are of one width, the first from 0: its middle is half of it. */
static edx_signal_axis radius_axis(const maps *m, uint64_t size)
{
    edx_signal_axis axis = {.name = "r", .units = "nm", .size = size};
    axis.offset = edx_array_get(&widest(&m->results[EDX_PARTICLES].as.particles)->radial.r_nm, 0);
    axis.scale = 2.0 * axis.offset;
    return axis;
}

static edx_signal_axis distance_axis(const maps *m, uint64_t size)
{
    edx_signal_axis axis = {.name = "d", .units = "nm", .size = size};
    set_scale(&axis, &m->results[EDX_PROFILE].as.profile.d_nm);
    return axis;
}

static edx_signal_axis index_axis(const char *name, uint64_t size)
{
    return (edx_signal_axis){
        .name = name, .units = "", .scale = 1.0, .size = size, .navigate = true};
}

static edx_signal_axis axis_of(const maps *m, char letter, uint64_t size)
{
    switch (letter) {
    case 'p':
        return index_axis("particle", size);
    case 'k':
        return index_axis("component", size);
    case 'l':
        return index_axis("line", size);
    case 'y':
        return space_axis(m, "y", 0, size);
    case 'x':
        return space_axis(m, "x", 1, size);
    case 'E':
        return energy_axis(m, size);
    case 'd':
        return distance_axis(m, size);
    default:
        return radius_axis(m, size);
    }
}

/* Names of the planes, in their order. */
static void put_planes(edx_h5 *h5, const edx_maps_result *lines)
{
    const char *elements[EDX_MAX_LINES] = {0};
    const char *names[EDX_MAX_LINES] = {0};
    for (uint32_t i = 0; i < lines->n; i++) {
        elements[i] = lines->elements[i];
        names[i] = lines->lines[i];
    }
    edx_h5_enter(h5, "Sample");
    edx_signal_texts(h5, "_list_elements", elements, lines->n);
    edx_signal_texts(h5, "_list_xray_lines", names, lines->n);
    edx_h5_leave(h5);
}

static void put_metadata(const maps *m, const plan *p)
{
    const edx_result_head *head = &m->results[EDX_SPECTRUM].as.spectrum.head;
    edx_h5_enter(m->h5, "metadata");
    edx_signal_general(m->h5, p->title);
    edx_h5_enter(m->h5, "Signal");
    edx_signal_text(m->h5, "signal_type", "");
    edx_signal_text(m->h5, "quantity", p->quantity);
    edx_h5_leave(m->h5);
    if (strchr(p->axes, 'l')) {
        put_planes(m->h5, &m->results[EDX_MAPS].as.maps);
    }
    edx_h5_leave(m->h5);
    edx_h5_enter(m->h5, "original_metadata");
    edx_h5_enter(m->h5, "edxd");
    edx_signal_text(m->h5, "acq", m->begin->head.acq);
    edx_signal_integer(m->h5, "frames", head->frames);
    edx_h5_leave(m->h5);
    edx_h5_leave(m->h5);
}

/* What has no size, or was not published, is left out. */
static bool is_there(const maps *m, const plan *p)
{
    const edx_array *data = &p->data;
    const bool named = !strchr(p->axes, 'l') || m->there[EDX_MAPS];
    bool filled = data->ndim == strlen(p->axes) && data->ndim > 0;
    for (uint32_t d = 0; d < data->ndim; d++) {
        filled = filled && data->shape[d] > 0;
    }
    return filled && named;
}

static void put_signal(const maps *m, const plan *p)
{
    const edx_array *data = &p->data;
    if (!is_there(m, p)) {
        return;
    }
    edx_signal_enter(m->h5, p->title, "");
    for (uint32_t d = 0; d < data->ndim; d++) {
        const edx_signal_axis axis = axis_of(m, p->axes[d], data->shape[d]);
        edx_signal_put_axis(m->h5, d, &axis);
    }
    put_metadata(m, p);
    edx_signal_array(m->h5, "data", (edx_h5_type)data->dtype, data->ndim, data->shape, data->data);
    edx_h5_leave(m->h5);
}

static void put_signals(const maps *m, const plan *plans, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put_signal(m, &plans[i]);
    }
}

#define PUT(m, plans) put_signals(m, plans, sizeof(plans) / sizeof *(plans))

static void put_spectrum(const maps *m)
{
    const edx_spectrum_result *s = &m->results[EDX_SPECTRUM].as.spectrum;
    const plan plans[] = {
        {"sum", "Counts", "E", s->sum},
        {"fit", "Counts", "E", s->fit},
        {"background", "Counts", "E", s->background},
        {"total", "Counts", "yx", s->total},
        {"image", "Intensity", "yx", s->image},
    };
    PUT(m, plans);
}

static void put_maps(const maps *m)
{
    const edx_maps_result *r = &m->results[EDX_MAPS].as.maps;
    const plan plans[] = {
        {"intensity", "Net counts", "lyx", r->intensity},
        {"sigma", "Net counts", "lyx", r->sigma},
        {"atomic_fraction", "Atomic fraction", "lyx", r->atomic_fraction},
        {"fraction_sigma", "Atomic fraction", "lyx", r->fraction_sigma},
        {"denoised_fraction", "Atomic fraction", "lyx", r->denoised_fraction},
        {"denoised_sigma", "Atomic fraction", "lyx", r->denoised_sigma},
        {"exposure", "Frames", "yx", r->exposure},
        {"mass_thickness", "Mass thickness (kg/m2)", "yx", r->mass_thickness},
        {"atoms", "Atoms", "lyx", r->atoms},
    };
    PUT(m, plans);
}

static void put_components(const maps *m)
{
    const edx_pca_result *pca = &m->results[EDX_PCA].as.pca;
    const edx_nmf_result *nmf = &m->results[EDX_NMF].as.nmf;
    const plan plans[] = {
        {"pca maps", "Scaled counts", "kyx", pca->maps},
        {"pca spectra", "Scaled counts", "kE", pca->spectra},
        {"nmf maps", "Counts", "kyx", nmf->maps},
        {"nmf spectra", "Counts", "kE", nmf->spectra},
    };
    PUT(m, plans);
}

static void put_profile(const maps *m)
{
    const edx_profile_result *r = &m->results[EDX_PROFILE].as.profile;
    const plan plans[] = {
        {"profile counts", "Net counts", "ld", r->counts},
        {"profile fraction", "Atomic fraction", "ld", r->fraction},
        {"profile sigma", "Atomic fraction", "ld", r->sigma},
    };
    PUT(m, plans);
}

/* ---- particles: one has more rings than another ---- */

static const struct {
    const char *title, *quantity;
    size_t at; /* in edx_particle, the array [n, m] */
} rings_table[] = {
    {"radial counts", "Net counts", offsetof(edx_particle, radial.counts)},
    {"radial counts_sigma", "Net counts", offsetof(edx_particle, radial.counts_sigma)},
    {"radial fraction", "Atomic fraction", offsetof(edx_particle, radial.fraction)},
    {"radial sigma", "Atomic fraction", offsetof(edx_particle, radial.sigma)},
    {"radial model", "Atomic fraction", offsetof(edx_particle, radial.model)},
    {"radial model_sigma", "Atomic fraction", offsetof(edx_particle, radial.model_sigma)},
    {"radial denoised", "Atomic fraction", offsetof(edx_particle, radial.denoised)},
    {"radial denoised_sigma", "Atomic fraction", offsetof(edx_particle, radial.denoised_sigma)},
    {"radial pca", "Atomic fraction", offsetof(edx_particle, radial.pca)},
    {"radial pca_sigma", "Atomic fraction", offsetof(edx_particle, radial.pca_sigma)},
    {"radial nmf", "Atomic fraction", offsetof(edx_particle, radial.nmf)},
    {"radial nmf_sigma", "Atomic fraction", offsetof(edx_particle, radial.nmf_sigma)},
};

/* [particles, n, m] of all, NaN beyond a particle's last ring. */
static void gather(const edx_particles_result *r, size_t at, uint64_t n, uint64_t m, double *out)
{
    for (uint64_t i = 0; i < r->count * n * m; i++) {
        out[i] = NAN;
    }
    for (size_t p = 0; p < r->count; p++) {
        edx_array one;
        memcpy(&one, (const char *)&r->particles[p] + at, sizeof one);
        const bool fits = one.ndim == 2 && one.shape[0] == n && one.shape[1] <= m;
        for (uint64_t i = 0; fits && i < n * one.shape[1]; i++) {
            const uint64_t line = i / one.shape[1];
            out[(p * n + line) * m + i % one.shape[1]] = edx_array_get(&one, i);
        }
    }
}

static edx_status put_particles(const maps *m, edx_error *err)
{
    const edx_particles_result *r = &m->results[EDX_PARTICLES].as.particles;
    const uint64_t n = m->results[EDX_MAPS].as.maps.n;
    const edx_particle *largest = widest(r);
    if (n == 0 || !largest) {
        return EDX_OK;
    }
    const uint64_t rings = largest->radial.r_nm.shape[0];
    double *values = malloc(r->count * n * rings * sizeof *values);
    if (!values) {
        return edx_fail(err, EDX_E_NOMEM, "no memory for the rings of %zu particles", r->count);
    }
    for (size_t i = 0; i < sizeof rings_table / sizeof *rings_table; i++) {
        gather(r, rings_table[i].at, n, rings, values);
        const plan p = {rings_table[i].title, rings_table[i].quantity, "plr",
                        edx_array_3(EDX_F8, values, r->count, n, rings)};
        put_signal(m, &p);
    }
    free(values);
    return EDX_OK;
}

/* ---- the file ---- */

static edx_status read_message(maps *m, edx_wire *wire, const edx_store_message *message,
                               edx_error *err)
{
    const edx_result_topic topic = edx_result_topic_parse(message->topic, strlen(message->topic));
    const edx_node *root = NULL;
    if (topic == EDX_RESULT_TOPICS || m->there[topic]) {
        return EDX_OK;
    }
    edx_status status = edx_wire_parse(wire, message->body, message->size, &root, err);
    if (!status) {
        status = edx_result_read(topic, root, &m->results[topic], err);
        m->there[topic] = !status;
    }
    if (status) {
        edx_error_prefix(err, "%s", message->topic);
    }
    return status;
}

static edx_status read_messages(maps *m, const edx_store_message *messages, size_t n,
                                edx_error *err)
{
    edx_wire *wire = edx_wire_new(MAX_NODES);
    edx_status status = EDX_OK;
    if (!wire) {
        status = edx_fail(err, EDX_E_NOMEM, "no memory to read messages");
    }
    for (size_t i = 0; !status && i < n; i++) {
        status = read_message(m, wire, &messages[i], err);
    }
    edx_wire_free(&wire);
    if (!status && !m->there[EDX_SPECTRUM]) {
        status = edx_fail(err, EDX_E_MISSING, "no message edx.spectrum, expected one");
    }
    return status;
}

static edx_status put_all(const maps *m, edx_error *err)
{
    edx_signal_start(m->h5);
    put_spectrum(m);
    put_maps(m);
    put_components(m);
    put_profile(m);
    const edx_status status = put_particles(m, err);
    edx_h5_leave(m->h5);
    return status;
}

static edx_status write_file(maps *m, const char *dir, edx_error *err)
{
    edx_status status = edx_h5_new(dir, "maps.hspy", &m->h5, err);
    if (!status) {
        status = put_all(m, err);
    }
    if (!status) {
        status = edx_h5_commit(&m->h5, err);
    }
    edx_h5_free(&m->h5);
    return status;
}

edx_status edx_store_maps(const char *dir, const edx_begin *begin, uint32_t bin_pixels,
                          const edx_store_message *messages, size_t n, edx_error *err)
{
    maps *m = calloc(1, sizeof *m);
    if (!m) {
        return edx_fail(err, EDX_E_NOMEM, "maps.hspy: no memory");
    }
    m->begin = begin;
    m->bin = bin_pixels;
    edx_status status = read_messages(m, messages, n, err);
    if (status) {
        edx_error_prefix(err, "maps.hspy");
    } else {
        status = write_file(m, dir, err);
    }
    for (size_t i = 0; i < EDX_RESULT_TOPICS; i++) {
        edx_result_clear(&m->results[i]);
    }
    free(m);
    return status;
}
