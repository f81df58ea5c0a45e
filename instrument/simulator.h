/* A simulated spectrum imaging run: the expected spectrum of every pixel, and frames drawn from it.
 *
 * What a pixel is expected to see is a sum of components (an element of the particles, the film,
 * the stray background), each a map times a spectrum. A frame draws the number of counts of each
 * component from a Poisson law, then pixel and channel of each count: exactly independent Poisson
 * counts in every voxel, at a cost that grows with the counts alone. Frame f depends on seed and f
 * only. */
#ifndef EDX_INSTRUMENT_SIMULATOR_H
#define EDX_INSTRUMENT_SIMULATOR_H

#include <stdint.h>

#include "instrument/physics.h"
#include "instrument/scenes.h"
#include "instrument/specimen.h"
#include "proto/frame.h"
#include "proto/status.h"

typedef struct edx_simulator_options {
    const edx_scenes_scene *scene;
    uint64_t seed;
    uint64_t frames;    /* 0: open-ended */
    uint32_t size;      /* pixels a side over the scene's field of view */
    double dose;        /* times the scene's probe current */
    double drift_nm[2]; /* of the specimen, [y, x] per frame */
    double wander_nm;   /* and a random step, normal of this sigma, in y and in x, per frame */
    double damage;      /* share of the first element that is lost by the last frame (by the 100th
                           when open-ended), linearly */
    double decay;       /* share of the probe current that is lost likewise */
    char acq[EDX_ACQ_SIZE];
} edx_simulator_options;

/* The scene's own size and frames, seed 1, dose 1, neither drift nor damage nor decay, acq
 * "SCENE-s1". */
void edx_simulator_defaults(const edx_scenes_scene *scene, uint64_t seed,
                            edx_simulator_options *out);

#define EDX_SIMULATOR_COMPONENTS (EDX_SCENES_ELEMENTS + 2)
#define EDX_SIMULATOR_EPOCH 1700000000.0 /* t of a simulated run's begin, Unix time */

typedef struct edx_simulator edx_simulator;

/* Computes all tables. RANGE for options that cannot be, NOMEM. */
edx_status edx_simulator_new(const edx_simulator_options *options, edx_simulator **out,
                             edx_error *err);
void edx_simulator_free(edx_simulator **simulator);

/* The three messages, with t from EDX_SIMULATOR_EPOCH on. A frame's views are valid until the next
 * frame; seq is its index. */
void edx_simulator_begin(const edx_simulator *simulator, edx_begin *out);
edx_status edx_simulator_frame(edx_simulator *simulator, uint64_t index, edx_frame *out,
                               edx_error *err);
void edx_simulator_end(const edx_simulator *simulator, uint64_t frames, uint64_t messages,
                       const char *reason, edx_end *out);

/* How far the specimen has moved in a frame since frame 0, nm. */
void edx_simulator_moved(edx_simulator *simulator, uint64_t index, double nm[2]);

/* Seconds from one frame to the next. */
double edx_simulator_frame_s(const edx_simulator *simulator);

/* ---- the truth ---- */

/* A peak as it truly is: all lines of the element inside the scene's peak_eV. */
typedef struct edx_simulator_peak {
    const edx_scenes_element *element;
    double barn;            /* detected, per atom */
    double k;               /* C_i proportional to k_i N_i, atomic; 1 for the last element */
    double counts_per_atom; /* expected per frame */
    uint32_t n_lines;
    char lines[EDX_PHYSICS_LINES][8];
} edx_simulator_peak;

const edx_simulator_options *edx_simulator_settings(const edx_simulator *simulator);
const edx_specimen *edx_simulator_specimen(const edx_simulator *simulator);
uint32_t edx_simulator_elements(const edx_simulator *simulator);
const edx_simulator_peak *edx_simulator_peaks(const edx_simulator *simulator);
/* By how much the second element's lines of the peak's shell were scaled to make k_atomic true. */
double edx_simulator_calibration(const edx_simulator *simulator);
double edx_simulator_step_nm(const edx_simulator *simulator);

uint32_t edx_simulator_components(const edx_simulator *simulator);
/* "Ag", "film", "stray" */
const char *edx_simulator_component_name(const edx_simulator *simulator, uint32_t index);
/* Expected counts of one component in frame 0, and how they spread over the channels [channels]
 * (sums to 1). */
double edx_simulator_expected(const edx_simulator *simulator, uint32_t index);
const double *edx_simulator_spectrum(const edx_simulator *simulator, uint32_t index);

#endif
