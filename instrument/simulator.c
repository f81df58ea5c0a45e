#include "instrument/simulator.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instrument/random.h"
#include "instrument/sampler.h"

#define BARN_PER_NM2 1e-10 /* barn times atoms per nm2, as a number */
#define ELECTRON_C 1.602176634e-19
#define SOLID_ANGLE_SR 1.0
#define RESOLUTION_EV 130.0
#define LIVE_FRACTION 0.97
#define MAX_SIZE 4096u
#define DAMAGE_FRAMES 100u /* over which an open-ended run loses its shares */
#define PI 3.14159265358979323846
#define WANDER_STREAM UINT64_MAX /* no frame's */

/* HAADF: detector units for atoms per nm2 times Z^1.7, electrons behind one unit for each electron
 * of the probe, offset and read-out noise. */
#define HAADF_GAIN 0.05
#define HAADF_ELECTRONS 4e-6
#define HAADF_OFFSET 200.0
#define HAADF_NOISE 20.0

typedef struct component {
    char name[8];
    double *spectrum; /* [channels], sums to 1 */
    double barn;      /* its sum before that, per atom */
    double per_nm2;   /* of a uniform component */
    double expected;  /* counts in a frame, drift and damage as they are now */
    double first;     /* the same in frame 0 */
    double haadf;     /* HAADF signal per atom */
    int particle;     /* element of the particles, -1: uniform */
} component;

struct edx_simulator {
    edx_simulator_options options;
    edx_physics physics;
    edx_specimen *specimen;
    edx_sampler *sampler;
    uint32_t pixels, n_elements, n_components;
    component components[EDX_SIMULATOR_COMPONENTS];
    edx_simulator_peak peaks[EDX_SCENES_ELEMENTS];
    double calibration;
    double step_nm;
    double electrons; /* per pixel and frame, live */
    double shift_nm[2];
    edx_random wander; /* the steps of frames up to wandered */
    uint64_t wandered;
    double wander_nm[2];
    double *map;     /* [pixels] work */
    double *haadf;   /* [pixels] expected, without offset */
    uint16_t *image; /* [pixels] */
};

void edx_simulator_defaults(const edx_scenes_scene *scene, uint64_t seed,
                            edx_simulator_options *out)
{
    memset(out, 0, sizeof *out);
    out->scene = scene;
    out->seed = seed;
    out->frames = scene->frames;
    out->size = scene->size;
    out->dose = 1.0;
    snprintf(out->acq, sizeof out->acq, "%s-s%llu", scene->name, (unsigned long long)seed);
}

static edx_status check(const edx_simulator_options *options, edx_error *err)
{
    if (options->size < 1 || options->size > MAX_SIZE)
        return edx_fail(err, EDX_E_RANGE, "size: %u, expected 1 to %u", options->size, MAX_SIZE);
    if (!(options->dose > 0.0) || options->dose > 1e6)
        return edx_fail(err, EDX_E_RANGE, "dose: %g, expected above 0, at most 1e6", options->dose);
    if (!(options->damage >= 0.0 && options->damage <= 1.0))
        return edx_fail(err, EDX_E_RANGE, "damage: %g, expected 0 to 1", options->damage);
    if (!(options->decay >= 0.0 && options->decay <= 1.0))
        return edx_fail(err, EDX_E_RANGE, "decay: %g, expected 0 to 1", options->decay);
    if (!isfinite(options->drift_nm[0]) || !isfinite(options->drift_nm[1]))
        return edx_fail(err, EDX_E_RANGE, "drift: expected two finite numbers, nm per frame");
    if (!(options->wander_nm >= 0.0) || !isfinite(options->wander_nm))
        return edx_fail(err, EDX_E_RANGE, "wander: %g, expected 0 or more, nm per frame",
                        options->wander_nm);
    if (!edx_acq_valid(options->acq))
        return edx_fail(err, EDX_E_RANGE,
                        "acq: \"%s\", expected 1 to 64 of A-Z a-z 0-9 . _ -, no dot first",
                        options->acq);
    return EDX_OK;
}

/* ---- components ---- */

static component *add_component(edx_simulator *simulator, const char *name, int particle,
                                double per_nm2)
{
    component *added = &simulator->components[simulator->n_components++];
    added->spectrum = calloc(simulator->physics.channels, sizeof *added->spectrum);
    snprintf(added->name, sizeof added->name, "%s", name);
    added->particle = particle;
    added->per_nm2 = per_nm2;
    return added->spectrum ? added : NULL;
}

/* Adds what fraction of an atom of symbol emits; lines whose name begins with shell are scaled. */
static edx_status add_element(const edx_simulator *simulator, component *to, const char *symbol,
                              double fraction, char shell, double scale, edx_error *err)
{
    edx_physics_line lines[EDX_PHYSICS_LINES];
    uint32_t n = 0;
    edx_status status = edx_physics_lines(&simulator->physics, symbol, lines, &n, err);
    if (status != EDX_OK)
        return status;
    int z = edx_physics_z(symbol);
    for (uint32_t i = 0; i < n; i++)
        edx_physics_add_line(&simulator->physics, lines[i].energy_eV,
                             fraction * lines[i].barn * (lines[i].name[0] == shell ? scale : 1.0),
                             to->spectrum);
    edx_physics_add_bremsstrahlung(&simulator->physics, z, fraction, to->spectrum);
    to->haadf += fraction * pow(z, 1.7);
    return EDX_OK;
}

/* Normalises the spectrum and hands it to the sampler. */
static edx_status seal(edx_simulator *simulator, component *sealed, edx_error *err)
{
    for (uint32_t c = 0; c < simulator->physics.channels; c++)
        sealed->barn += sealed->spectrum[c];
    for (uint32_t c = 0; c < simulator->physics.channels; c++)
        sealed->spectrum[c] /= sealed->barn;
    return edx_sampler_add(simulator->sampler, sealed->spectrum, err);
}

static edx_status no_memory(edx_error *err)
{
    return edx_fail(err, EDX_E_NOMEM, "no memory for the simulator");
}

/* One component per element of the particles or of the sheet. */
static edx_status add_elements(edx_simulator *simulator, edx_error *err)
{
    const edx_scenes_scene *scene = simulator->options.scene;
    for (uint32_t e = 0; e < simulator->n_elements; e++) {
        const edx_scenes_element *element = &scene->elements[e];
        bool in_particles = scene->n_particles > 0;
        component *added =
            add_component(simulator, element->symbol, in_particles ? (int)e : -1,
                          in_particles ? 0.0 : scene->sheet_per_nm2 * scene->sheet_fraction[e]);
        if (!added)
            return no_memory(err);
        double scale = e == 1 ? simulator->calibration : 1.0;
        edx_status status = add_element(simulator, added, element->symbol, 1.0,
                                        element->line[strlen(element->symbol) + 1], scale, err);
        if (status == EDX_OK)
            status = seal(simulator, added, err);
        if (status != EDX_OK)
            return status;
    }
    return EDX_OK;
}

/* The film and the stray copper: the same everywhere. */
static edx_status add_surroundings(edx_simulator *simulator, edx_error *err)
{
    const edx_scenes_scene *scene = simulator->options.scene;
    const edx_scenes_film *film = edx_scenes_film_elements();
    component *added = add_component(simulator, "film", -1, scene->film_per_nm2);
    if (!added)
        return no_memory(err);
    edx_status status = EDX_OK;
    for (uint32_t i = 0; status == EDX_OK && i < EDX_SCENES_FILM; i++)
        status = add_element(simulator, added, film[i].symbol, film[i].fraction, 0, 1.0, err);
    if (status == EDX_OK)
        status = seal(simulator, added, err);
    if (status != EDX_OK)
        return status;
    added = add_component(simulator, "stray", -1, scene->stray_per_nm2);
    if (!added)
        return no_memory(err);
    status = add_element(simulator, added, "Cu", 1.0, 0, 1.0, err);
    added->haadf = 0.0; /* it is not under the beam */
    return status == EDX_OK ? seal(simulator, added, err) : status;
}

/* ---- peaks and their k ---- */

static edx_status find_peak(edx_simulator *simulator, uint32_t index, edx_error *err)
{
    edx_simulator_peak *peak = &simulator->peaks[index];
    edx_physics_line lines[EDX_PHYSICS_LINES];
    uint32_t n = 0;
    peak->element = &simulator->options.scene->elements[index];
    edx_status status =
        edx_physics_lines(&simulator->physics, peak->element->symbol, lines, &n, err);
    for (uint32_t i = 0; status == EDX_OK && i < n; i++) {
        if (lines[i].energy_eV < peak->element->peak_eV[0] ||
            lines[i].energy_eV >= peak->element->peak_eV[1])
            continue;
        memcpy(peak->lines[peak->n_lines++], lines[i].name, sizeof lines[i].name);
        peak->barn += lines[i].barn;
    }
    return status;
}

/* Fluorescence yields of M shells are known to no better than 20 to 30 %; a measured k is. So the
 * second element's lines of its shell are scaled until the scene's k holds. */
static void calibrate(edx_simulator *simulator)
{
    double k = simulator->options.scene->k_atomic;
    edx_simulator_peak *peaks = simulator->peaks;
    simulator->calibration = k > 0.0 ? k * peaks[0].barn / peaks[1].barn : 1.0;
    if (simulator->n_elements > 1)
        peaks[1].barn *= simulator->calibration;
    const edx_simulator_peak *last = &peaks[simulator->n_elements - 1];
    double per_barn = simulator->electrons * BARN_PER_NM2 * SOLID_ANGLE_SR / (4.0 * PI) /
                      (simulator->step_nm * simulator->step_nm);
    for (uint32_t e = 0; e < simulator->n_elements; e++) {
        peaks[e].k = last->barn / peaks[e].barn;
        peaks[e].counts_per_atom = peaks[e].barn * per_barn;
    }
}

static edx_status find_peaks(edx_simulator *simulator, edx_error *err)
{
    const edx_scenes_scene *scene = simulator->options.scene;
    while (simulator->n_elements < EDX_SCENES_ELEMENTS &&
           scene->elements[simulator->n_elements].symbol)
        simulator->n_elements++;
    for (uint32_t e = 0; e < simulator->n_elements; e++) {
        edx_status status = find_peak(simulator, e, err);
        if (status != EDX_OK)
            return status;
    }
    calibrate(simulator);
    return EDX_OK;
}

/* ---- maps ---- */

/* Rounded to float, so that the last bits of libm's answers cannot show in the counts. */
static double expected_counts(const edx_simulator *simulator, const component *of, double per_nm2)
{
    double counts =
        simulator->electrons * BARN_PER_NM2 * SOLID_ANGLE_SR / (4.0 * PI) * of->barn * per_nm2;
    return (double)(float)counts;
}

/* Expected counts and HAADF of a component with the specimen where it is now. */
static edx_status place(edx_simulator *simulator, uint32_t index, edx_error *err)
{
    component *placed = &simulator->components[index];
    if (placed->particle < 0) {
        for (uint32_t p = 0; p < simulator->pixels; p++)
            simulator->haadf[p] += placed->per_nm2 * placed->haadf;
        placed->expected = expected_counts(simulator, placed, placed->per_nm2 * simulator->pixels);
        return EDX_OK;
    }
    double sum = 0.0;
    edx_specimen_map(simulator->specimen, (uint32_t)placed->particle, simulator->options.size,
                     simulator->step_nm, simulator->shift_nm, simulator->map);
    for (uint32_t p = 0; p < simulator->pixels; p++) {
        sum += simulator->map[p];
        simulator->haadf[p] += simulator->map[p] * placed->haadf;
    }
    placed->expected = expected_counts(simulator, placed, sum);
    return sum > 0.0 ? edx_sampler_map(simulator->sampler, index, simulator->map, err) : EDX_OK;
}

static edx_status place_all(edx_simulator *simulator, edx_error *err)
{
    edx_status status = EDX_OK;
    memset(simulator->haadf, 0, simulator->pixels * sizeof *simulator->haadf);
    for (uint32_t c = 0; status == EDX_OK && c < simulator->n_components; c++)
        status = place(simulator, c, err);
    return status;
}

/* ---- life ---- */

static edx_status allocate(edx_simulator *simulator, edx_error *err)
{
    simulator->specimen = edx_specimen_new(simulator->options.scene);
    simulator->sampler = edx_sampler_new(simulator->pixels, simulator->physics.channels);
    simulator->map = calloc(simulator->pixels, sizeof *simulator->map);
    simulator->haadf = calloc(simulator->pixels, sizeof *simulator->haadf);
    simulator->image = calloc(simulator->pixels, sizeof *simulator->image);
    bool ok = simulator->specimen && simulator->sampler && simulator->map && simulator->haadf &&
              simulator->image;
    return ok ? EDX_OK : no_memory(err);
}

static edx_status prepare(edx_simulator *simulator, edx_error *err)
{
    edx_status status = allocate(simulator, err);
    if (status == EDX_OK)
        status = find_peaks(simulator, err);
    if (status == EDX_OK)
        status = add_elements(simulator, err);
    if (status == EDX_OK)
        status = add_surroundings(simulator, err);
    if (status == EDX_OK)
        status = place_all(simulator, err);
    for (uint32_t c = 0; c < simulator->n_components; c++)
        simulator->components[c].first = simulator->components[c].expected;
    return status;
}

edx_status edx_simulator_new(const edx_simulator_options *options, edx_simulator **out,
                             edx_error *err)
{
    edx_status status = check(options, err);
    if (status != EDX_OK)
        return status;
    edx_simulator *simulator = calloc(1, sizeof *simulator);
    if (!simulator)
        return no_memory(err);
    const edx_scenes_scene *scene = options->scene;
    simulator->options = *options;
    simulator->pixels = options->size * options->size;
    simulator->step_nm = scene->step_nm * scene->size / options->size;
    simulator->electrons =
        scene->probe_nA * options->dose * 1e-9 * scene->dwell_s * LIVE_FRACTION / ELECTRON_C;
    simulator->physics = (edx_physics){.beam_keV = scene->beam_keV,
                                       .resolution_eV = RESOLUTION_EV,
                                       .channels = scene->channels,
                                       .scale_eV = scene->scale_eV};
    status = prepare(simulator, err);
    if (status != EDX_OK)
        edx_simulator_free(&simulator);
    *out = simulator;
    return status;
}

void edx_simulator_free(edx_simulator **simulator)
{
    if (!*simulator)
        return;
    for (uint32_t c = 0; c < EDX_SIMULATOR_COMPONENTS; c++)
        free((*simulator)->components[c].spectrum);
    edx_specimen_free(&(*simulator)->specimen);
    edx_sampler_free(&(*simulator)->sampler);
    free((*simulator)->map);
    free((*simulator)->haadf);
    free((*simulator)->image);
    free(*simulator);
    *simulator = NULL;
}

/* ---- messages ---- */

double edx_simulator_frame_s(const edx_simulator *simulator)
{
    return simulator->options.scene->dwell_s * simulator->pixels;
}

static void stamp(const edx_simulator *simulator, uint64_t frames, edx_head *out)
{
    memcpy(out->acq, simulator->options.acq, sizeof out->acq);
    out->t = EDX_SIMULATOR_EPOCH + (double)frames * edx_simulator_frame_s(simulator);
}

static void describe_detector(edx_begin *out)
{
    out->has_detector = true;
    snprintf(out->detector, sizeof out->detector, "simulated silicon drift detector");
    out->solid_angle_sr = SOLID_ANGLE_SR;
    out->elevation_deg = 25.0;
    out->azimuth_deg = 0.0;
    out->resolution_eV = RESOLUTION_EV;
}

void edx_simulator_begin(const edx_simulator *simulator, edx_begin *out)
{
    const edx_scenes_scene *scene = simulator->options.scene;
    memset(out, 0, sizeof *out);
    stamp(simulator, 0, &out->head);
    snprintf(out->title, sizeof out->title, "Simulated: %s", scene->about);
    out->rows = out->cols = simulator->options.size;
    out->step_nm[0] = out->step_nm[1] = simulator->step_nm;
    out->dwell_s = scene->dwell_s;
    out->frames = simulator->options.frames;
    out->channels = scene->channels;
    out->scale_eV = scene->scale_eV;
    out->beam_keV = scene->beam_keV;
    out->probe_nA = scene->probe_nA * simulator->options.dose;
    describe_detector(out);
    out->n_images = 1;
    snprintf(out->images[0], sizeof out->images[0], "HAADF");
    out->n_elements = simulator->n_elements;
    for (uint32_t e = 0; e < simulator->n_elements; e++)
        snprintf(out->elements[e], sizeof out->elements[e], "%s", scene->elements[e].symbol);
}

/* What is left in this frame of something that loses a share of itself. */
static double left(const edx_simulator *simulator, uint64_t index, double share)
{
    uint64_t frames = simulator->options.frames ? simulator->options.frames : DAMAGE_FRAMES;
    double done = frames > 1 ? (double)index / (double)(frames - 1) : 0.0;
    return 1.0 - share * fmin(done, 1.0);
}

/* Back to frame 0. */
static void stop_wandering(edx_simulator *simulator)
{
    edx_random_seed(&simulator->wander, simulator->options.seed, WANDER_STREAM);
    simulator->wandered = 0;
    simulator->wander_nm[0] = simulator->wander_nm[1] = 0.0;
}

void edx_simulator_moved(edx_simulator *simulator, uint64_t index, double nm[2])
{
    const edx_simulator_options *options = &simulator->options;
    if (index < simulator->wandered || simulator->wandered == 0)
        stop_wandering(simulator);
    for (; simulator->wandered < index && options->wander_nm > 0.0; simulator->wandered++)
        for (int i = 0; i < 2; i++)
            simulator->wander_nm[i] += options->wander_nm * edx_random_gauss(&simulator->wander);
    for (int i = 0; i < 2; i++)
        nm[i] = options->drift_nm[i] * (double)index + simulator->wander_nm[i];
}

/* Moves the specimen to where it is in this frame. */
static edx_status drift(edx_simulator *simulator, uint64_t index, edx_error *err)
{
    double shift[2];
    edx_simulator_moved(simulator, index, shift);
    if (shift[0] == simulator->shift_nm[0] && shift[1] == simulator->shift_nm[1])
        return EDX_OK;
    simulator->shift_nm[0] = shift[0];
    simulator->shift_nm[1] = shift[1];
    return place_all(simulator, err);
}

static void draw_image(edx_simulator *simulator, double current, edx_random *random)
{
    double per_unit = simulator->electrons * HAADF_ELECTRONS;
    for (uint32_t p = 0; p < simulator->pixels; p++) {
        double mean = HAADF_GAIN * simulator->haadf[p] * current;
        double noise = sqrt(mean / per_unit + HAADF_NOISE * HAADF_NOISE);
        double value = HAADF_OFFSET + mean + noise * edx_random_gauss(random);
        simulator->image[p] = (uint16_t)fmin(fmax(value + 0.5, 0.0), 65535.0);
    }
}

static void fill_counts(const edx_simulator *simulator, const edx_events *events, edx_counts *out)
{
    out->events = true;
    out->total = events->offsets[events->pixels];
    out->offsets = edx_array_1(EDX_U4, events->offsets, (uint64_t)simulator->pixels + 1);
    out->channels = edx_array_1(EDX_U2, events->channels, out->total);
}

edx_status edx_simulator_frame(edx_simulator *simulator, uint64_t index, edx_frame *out,
                               edx_error *err)
{
    edx_random random;
    edx_events events;
    double mean[EDX_SIMULATOR_COMPONENTS];
    double current = left(simulator, index, simulator->options.decay);
    double first = left(simulator, index, simulator->options.damage);
    edx_status status = drift(simulator, index, err);
    if (status != EDX_OK)
        return status;
    for (uint32_t c = 0; c < simulator->n_components; c++)
        mean[c] = simulator->components[c].expected * current *
                  (simulator->components[c].particle == 0 ? first : 1.0);
    edx_random_seed(&random, simulator->options.seed, index);
    status = edx_sampler_draw(simulator->sampler, &random, mean, &events, err);
    if (status != EDX_OK)
        return status;
    draw_image(simulator, current, &random);
    uint32_t size = simulator->options.size;
    memset(out, 0, sizeof *out);
    stamp(simulator, index + 1, &out->head);
    out->seq = out->frame = index;
    out->rows = size;
    out->real_s = edx_simulator_frame_s(simulator);
    out->live_s = out->real_s * LIVE_FRACTION;
    fill_counts(simulator, &events, &out->counts);
    out->n_images = 1;
    snprintf(out->image_names[0], sizeof out->image_names[0], "HAADF");
    out->images[0] = edx_array_2(EDX_U2, simulator->image, size, size);
    return EDX_OK;
}

void edx_simulator_end(const edx_simulator *simulator, uint64_t frames, uint64_t messages,
                       const char *reason, edx_end *out)
{
    memset(out, 0, sizeof *out);
    stamp(simulator, frames, &out->head);
    out->frames = frames;
    out->messages = messages;
    snprintf(out->reason, sizeof out->reason, "%s", reason);
}

/* ---- the truth ---- */

const edx_simulator_options *edx_simulator_settings(const edx_simulator *simulator)
{
    return &simulator->options;
}

const edx_specimen *edx_simulator_specimen(const edx_simulator *simulator)
{
    return simulator->specimen;
}

uint32_t edx_simulator_elements(const edx_simulator *simulator)
{
    return simulator->n_elements;
}

const edx_simulator_peak *edx_simulator_peaks(const edx_simulator *simulator)
{
    return simulator->peaks;
}

double edx_simulator_calibration(const edx_simulator *simulator)
{
    return simulator->calibration;
}

double edx_simulator_step_nm(const edx_simulator *simulator)
{
    return simulator->step_nm;
}

uint32_t edx_simulator_components(const edx_simulator *simulator)
{
    return simulator->n_components;
}

const char *edx_simulator_component_name(const edx_simulator *simulator, uint32_t index)
{
    return simulator->components[index].name;
}

double edx_simulator_expected(const edx_simulator *simulator, uint32_t index)
{
    return simulator->components[index].first;
}

const double *edx_simulator_spectrum(const edx_simulator *simulator, uint32_t index)
{
    return simulator->components[index].spectrum;
}
