/* Every topic that edxd publishes, as plain structs. analysis and daemon fill them, one file turns
 * them into bytes. Arrays are views of the filler's memory; after reading, of the message's. */
#ifndef EDX_PROTO_RESULT_H
#define EDX_PROTO_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/array.h"
#include "proto/frame.h"
#include "proto/settings.h"
#include "proto/wire.h"

typedef enum edx_result_topic {
    EDX_STATUS,
    EDX_SPECTRUM,
    EDX_MAPS,
    EDX_PCA,
    EDX_NMF,
    EDX_PARTICLES,
    EDX_PROFILE,
    EDX_TREND,
    EDX_ALARM,
    EDX_RESULT_TOPICS
} edx_result_topic;

const char *edx_result_topic_name(edx_result_topic topic); /* "edx.maps" */
/* From a name of n bytes; EDX_RESULT_TOPICS when it is none. */
edx_result_topic edx_result_topic_parse(const void *name, size_t n);

/* What every published body carries. */
typedef struct edx_result_head {
    edx_head head;
    uint64_t frames; /* complete scan frames summed so far */
    uint64_t frame;  /* the newest */
    uint64_t counts; /* the total; edx.profile has its own key of that name, and no total */
} edx_result_head;

typedef enum edx_state { EDX_IDLE, EDX_ACQUIRING, EDX_FINISHED } edx_state;
const char *edx_state_name(edx_state state);

typedef struct edx_status_result {
    edx_result_head head;
    edx_state state;
    uint64_t expected; /* frames; 0: open-ended */
    uint64_t received, lost, duplicate, bad;
    double rate_cps;
    double drift_nm[2];
    struct {
        double chi2, p;
        uint64_t dof;
        const uint64_t *outliers;
        size_t n_outliers;
    } health;
    struct {
        double p50, p99, max;
    } latency_ms;
    struct {
        uint64_t sum, maps, components, heldout, profiles;
    } behind; /* complete frames that came and are not in the newest of each */
    double last[EDX_RESULT_TOPICS]; /* newest t of each topic, NaN: none yet */
    char version[32];
    double uptime_s;
} edx_status_result;

typedef struct edx_spectrum_result {
    edx_result_head head;
    double offset_eV, scale_eV;
    edx_array sum;             /* [E] */
    edx_array image;           /* [rows, cols]; ndim 0: none came */
    edx_array total;           /* [rows, cols] */
    edx_array fit, background; /* [E] what a model makes of sum; its bremsstrahlung alone */
    double fit_chi2, fit_dof;  /* NaN: no fit */
    struct {                   /* the axis as the lines have it; NaN: they are too weak to tell */
        double offset_eV, offset_sigma, gain, gain_sigma, resolution_eV, resolution_sigma;
    } calibration;
    uint32_t n_found; /* elements found in sum */
    char found[EDX_MAX_LINES][EDX_SYMBOL_SIZE];
    double significance[EDX_MAX_LINES]; /* net counts of each over their sigma */
} edx_spectrum_result;

typedef struct edx_maps_result {
    edx_result_head head;
    uint32_t n;
    char lines[EDX_MAX_LINES][EDX_LINE_SIZE];
    char elements[EDX_MAX_LINES][EDX_SYMBOL_SIZE];
    double step_nm[2], origin_nm[2];             /* centre of the first pixel */
    edx_array energy_eV, window_eV;              /* [n], [n, 2] of the lines */
    edx_array intensity, sigma;                  /* [n, rows, cols] */
    edx_array atomic_fraction, fraction_sigma;   /* [n, rows, cols] */
    edx_array denoised_fraction, denoised_sigma; /* [n, rows, cols] */
    edx_array exposure;                          /* [rows, cols] */
    edx_array mass_thickness;                    /* [rows, cols] kg/m2 */
    edx_array atoms;                             /* [n, rows, cols] per pixel */
} edx_maps_result;

typedef struct edx_pca_result {
    edx_result_head head;
    uint64_t rank;
    edx_array eigenvalues, eigenvalues_noise_free; /* [m] */
    double noise_edge;
    edx_array heldout_error; /* [m] */
    edx_array spectra;       /* [k, E] */
    edx_array maps;          /* [k, rows, cols] */
    edx_array explained;     /* [k] */
} edx_pca_result;

typedef struct edx_nmf_result {
    edx_result_head head;
    edx_array spectra; /* [k, E] */
    edx_array maps;    /* [k, rows, cols] */
    double divergence;
    edx_array share; /* [k, n lines] */
    size_t k;
    const bool *particle; /* [k] */
} edx_nmf_result;

typedef struct edx_check {
    double chi2, p;
    uint64_t dof;
    bool passed;
} edx_check;

typedef struct edx_particle {
    uint64_t id;
    double centre_nm[2];
    double diameter_nm, area_diameter_nm;
    bool touches_edge;
    uint32_t n;                                    /* elements */
    char elements[EDX_MAX_LINES][EDX_SYMBOL_SIZE]; /* of composition */
    double composition[EDX_MAX_LINES][2];          /* fraction, sigma */
    struct {
        size_t m;
        edx_array r_nm;                     /* [m] */
        edx_array counts, counts_sigma;     /* [n, m] */
        edx_array fraction, sigma;          /* [n, m] */
        const bool *quantified;             /* [m] */
        edx_array model, model_sigma;       /* [n, m] each */
        edx_array denoised, denoised_sigma; /* [n, m] */
        edx_array pca, pca_sigma;           /* [n, m] */
        edx_array nmf, nmf_sigma;           /* [n, m] */
        edx_check denoised_check, pca_check, nmf_check;
    } radial;
    struct {
        char element[EDX_SYMBOL_SIZE];
        double core[2], shell[2];
        double delta, sigma, z;
    } segregation;
} edx_particle;

typedef struct edx_particles_result {
    edx_result_head head;
    size_t count;
    const edx_particle *particles;
    uint32_t n; /* elements of systematic */
    char elements[EDX_MAX_LINES][EDX_SYMBOL_SIZE];
    double systematic[EDX_MAX_LINES]; /* relative sigma from k */
} edx_particles_result;

typedef struct edx_profile_result {
    edx_result_head head;
    double from_nm[2], to_nm[2], width_nm;
    edx_array d_nm;                    /* [m] */
    edx_array counts, fraction, sigma; /* [n, m] */
} edx_profile_result;

typedef struct edx_trend_result {
    edx_result_head head;
    edx_array composition, sigma; /* [n, f] */
    double dose_e_per_A2;
    edx_array drift_nm; /* [f, 2] */
    struct {
        double z, p;
        int64_t since_frame;
    } damage;
    struct {
        double z, p, since_frame; /* NaN: nothing found */
    } contamination;              /* carbon */
    struct {
        double target_sigma, frames_needed, seconds; /* of the composition; INFINITY: never */
        double delta_frames_needed, delta_seconds;   /* of the difference of shell and core */
    } forecast;
} edx_trend_result;

typedef struct edx_alarm {
    char kind[16];     /* drift, damage, loss, disk, saturation, health, target, stalled, ... */
    char severity[8];  /* info, warning, error */
    char message[256]; /* one line, with the cure in it */
    int64_t since_frame;
    bool active;
} edx_alarm;

typedef struct edx_alarm_result {
    edx_result_head head;
    size_t count;
    const edx_alarm *alarms;
} edx_alarm_result;

/* Each writes one body; pack is reset first. An edx_array of ndim 0 is left out. */
void edx_status_write(edx_pack *pack, const edx_status_result *result);
void edx_spectrum_write(edx_pack *pack, const edx_spectrum_result *result);
void edx_maps_write(edx_pack *pack, const edx_maps_result *result);
void edx_pca_write(edx_pack *pack, const edx_pca_result *result);
void edx_nmf_write(edx_pack *pack, const edx_nmf_result *result);
void edx_particles_write(edx_pack *pack, const edx_particles_result *result);
void edx_profile_write(edx_pack *pack, const edx_profile_result *result);
void edx_trend_write(edx_pack *pack, const edx_trend_result *result);
void edx_alarm_write(edx_pack *pack, const edx_alarm_result *result);

/* Any published body, decoded; all memory but the message's own belongs to the holder. */
typedef struct edx_result {
    edx_result_topic topic;
    union {
        edx_status_result status;
        edx_spectrum_result spectrum;
        edx_maps_result maps;
        edx_pca_result pca;
        edx_nmf_result nmf;
        edx_particles_result particles;
        edx_profile_result profile;
        edx_trend_result trend;
        edx_alarm_result alarm;
    } as;
    void *owned[4]; /* what edx_result_clear frees */
} edx_result;

/* Reads a parsed body of the topic into out (cleared first by the caller: zeroed or
 * edx_result_clear). Arrays stay views into the message. */
edx_status edx_result_read(edx_result_topic topic, const edx_node *body, edx_result *out,
                           edx_error *err);
void edx_result_clear(edx_result *result);

#endif
