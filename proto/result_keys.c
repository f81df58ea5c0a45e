#include "proto/result_keys.h"

/* KEY where key and member are called alike, NAMED where not. */
#define NAMED(name, kind_, type, member)                                                           \
    .key = name, .kind = kind_, .offset = offsetof(type, member)
#define KEY(kind, type, member) NAMED(#member, kind, type, member)
#define UINT(type, member)                                                                         \
    {                                                                                              \
        KEY(EDX_KEY_UINT, type, member)                                                            \
    }
#define FLOAT(type, member)                                                                        \
    {                                                                                              \
        KEY(EDX_KEY_FLOAT, type, member)                                                           \
    }
#define PAIR(type, member)                                                                         \
    {                                                                                              \
        KEY(EDX_KEY_PAIR, type, member)                                                            \
    }
#define ARRAY(type, member, extents)                                                               \
    {                                                                                              \
        KEY(EDX_KEY_ARRAY, type, member), .dims = extents                                          \
    }
#define GROUP(name, keys)                                                                          \
    {                                                                                              \
        .key = name, .kind = EDX_KEY_GROUP, .sub = keys                                            \
    }
#define END                                                                                        \
    {                                                                                              \
        0                                                                                          \
    }

/* The total. First of every topic but edx.profile, whose counts are those along the line. */
#define COUNTS UINT(edx_result_head, counts)

const edx_key edx_result_head_keys[] = {
    {NAMED("acq", EDX_KEY_TEXT, edx_result_head, head.acq), .size = EDX_ACQ_SIZE},
    {NAMED("t", EDX_KEY_FLOAT, edx_result_head, head.t), .required = true},
    UINT(edx_result_head, frames),
    UINT(edx_result_head, frame),
    END};

#define IN(kind, type, group, member)                                                              \
    {                                                                                              \
        NAMED(#member, kind, type, group.member)                                                   \
    }

static const edx_key health_keys[] = {
    IN(EDX_KEY_FLOAT, edx_status_result, health, chi2),
    IN(EDX_KEY_UINT, edx_status_result, health, dof),
    IN(EDX_KEY_FLOAT, edx_status_result, health, p),
    {NAMED("outliers", EDX_KEY_UINTS, edx_status_result, health.outliers),
     .count = offsetof(edx_status_result, health.n_outliers)},
    END};

static const edx_key latency_keys[] = {IN(EDX_KEY_FLOAT, edx_status_result, latency_ms, p50),
                                       IN(EDX_KEY_FLOAT, edx_status_result, latency_ms, p99),
                                       IN(EDX_KEY_FLOAT, edx_status_result, latency_ms, max), END};

/* Not of the first edxd. */
#define BEHIND(member)                                                                             \
    {                                                                                              \
        NAMED(#member, EDX_KEY_UINT, edx_status_result, behind.member), .optional = true           \
    }
static const edx_key behind_keys[] = {BEHIND(sum),     BEHIND(maps),     BEHIND(components),
                                      BEHIND(heldout), BEHIND(profiles), END};

static const edx_key status_keys[] = {
    COUNTS,
    {KEY(EDX_KEY_STATE, edx_status_result, state)},
    UINT(edx_status_result, expected),
    UINT(edx_status_result, received),
    UINT(edx_status_result, lost),
    UINT(edx_status_result, duplicate),
    UINT(edx_status_result, bad),
    FLOAT(edx_status_result, rate_cps),
    PAIR(edx_status_result, drift_nm),
    GROUP("health", health_keys),
    GROUP("latency_ms", latency_keys),
    {.key = "behind", .kind = EDX_KEY_GROUP, .sub = behind_keys, .optional = true},
    {KEY(EDX_KEY_LAST, edx_status_result, last)},
    {KEY(EDX_KEY_TEXT, edx_status_result, version), .size = 32},
    FLOAT(edx_status_result, uptime_s),
    END};

static const edx_key energy_keys[] = {FLOAT(edx_spectrum_result, offset_eV),
                                      FLOAT(edx_spectrum_result, scale_eV), END};

static const edx_key calibration_keys[] = {
    IN(EDX_KEY_FLOAT, edx_spectrum_result, calibration, offset_eV),
    IN(EDX_KEY_FLOAT, edx_spectrum_result, calibration, offset_sigma),
    IN(EDX_KEY_FLOAT, edx_spectrum_result, calibration, gain),
    IN(EDX_KEY_FLOAT, edx_spectrum_result, calibration, gain_sigma),
    IN(EDX_KEY_FLOAT, edx_spectrum_result, calibration, resolution_eV),
    IN(EDX_KEY_FLOAT, edx_spectrum_result, calibration, resolution_sigma),
    END};

static const edx_key spectrum_keys[] = {
    COUNTS,
    GROUP("energy", energy_keys),
    ARRAY(edx_spectrum_result, sum, "e"),
    ARRAY(edx_spectrum_result, image, "rc"),
    ARRAY(edx_spectrum_result, total, "yx"),
    ARRAY(edx_spectrum_result, fit, "e"),
    ARRAY(edx_spectrum_result, background, "e"),
    FLOAT(edx_spectrum_result, fit_chi2),
    FLOAT(edx_spectrum_result, fit_dof),
    {.key = "calibration", .kind = EDX_KEY_GROUP, .sub = calibration_keys, .optional = true},
    {NAMED("found", EDX_KEY_NUMBERS, edx_spectrum_result, found), .size = EDX_SYMBOL_SIZE,
     .values = offsetof(edx_spectrum_result, significance),
     .count = offsetof(edx_spectrum_result, n_found), .optional = true},
    END};

static const edx_key maps_keys[] = {
    COUNTS,
    {KEY(EDX_KEY_NAMES, edx_maps_result, lines), .size = EDX_LINE_SIZE,
     .count = offsetof(edx_maps_result, n), .dims = "n"},
    {KEY(EDX_KEY_NAMES, edx_maps_result, elements), .size = EDX_SYMBOL_SIZE,
     .count = offsetof(edx_maps_result, n), .dims = "n"},
    PAIR(edx_maps_result, step_nm),
    PAIR(edx_maps_result, origin_nm),
    ARRAY(edx_maps_result, energy_eV, "n"),
    ARRAY(edx_maps_result, window_eV, "n2"),
    ARRAY(edx_maps_result, intensity, "nyx"),
    ARRAY(edx_maps_result, sigma, "nyx"),
    ARRAY(edx_maps_result, atomic_fraction, "nyx"),
    ARRAY(edx_maps_result, fraction_sigma, "nyx"),
    ARRAY(edx_maps_result, denoised_fraction, "nyx"),
    ARRAY(edx_maps_result, denoised_sigma, "nyx"),
    ARRAY(edx_maps_result, exposure, "yx"),
    ARRAY(edx_maps_result, mass_thickness, "yx"),
    ARRAY(edx_maps_result, atoms, "nyx"),
    END};

static const edx_key pca_keys[] = {COUNTS,
                                   UINT(edx_pca_result, rank),
                                   ARRAY(edx_pca_result, eigenvalues, "m"),
                                   ARRAY(edx_pca_result, eigenvalues_noise_free, "m"),
                                   FLOAT(edx_pca_result, noise_edge),
                                   ARRAY(edx_pca_result, heldout_error, "m"),
                                   ARRAY(edx_pca_result, spectra, "ke"),
                                   ARRAY(edx_pca_result, maps, "kyx"),
                                   ARRAY(edx_pca_result, explained, "k"),
                                   END};

static const edx_key nmf_keys[] = {COUNTS,
                                   {KEY(EDX_KEY_ARRAY, edx_nmf_result, spectra), .dims = "ke",
                                    .count = offsetof(edx_nmf_result, k)},
                                   ARRAY(edx_nmf_result, maps, "kyx"),
                                   FLOAT(edx_nmf_result, divergence),
                                   ARRAY(edx_nmf_result, share, "kn"),
                                   {KEY(EDX_KEY_BOOLS, edx_nmf_result, particle), .dims = "k",
                                    .count = offsetof(edx_nmf_result, k)},
                                   END};

#define CHECK(name)                                                                                \
    {                                                                                              \
        {NAMED("chi2", EDX_KEY_FLOAT, edx_particle, radial.name.chi2)},                            \
            {NAMED("dof", EDX_KEY_UINT, edx_particle, radial.name.dof)},                           \
            {NAMED("p", EDX_KEY_FLOAT, edx_particle, radial.name.p)},                              \
            {NAMED("passed", EDX_KEY_BOOL, edx_particle, radial.name.passed)}, END                 \
    }

static const edx_key denoised_check_keys[] = CHECK(denoised_check);
static const edx_key pca_check_keys[] = CHECK(pca_check);
static const edx_key nmf_check_keys[] = CHECK(nmf_check);

#define RINGS(member)                                                                              \
    {                                                                                              \
        NAMED(#member, EDX_KEY_ARRAY, edx_particle, radial.member), .dims = "nm"                   \
    }

static const edx_key radial_keys[] = {
    {NAMED("r_nm", EDX_KEY_ARRAY, edx_particle, radial.r_nm), .dims = "m",
     .count = offsetof(edx_particle, radial.m)},
    RINGS(counts),
    RINGS(counts_sigma),
    RINGS(fraction),
    RINGS(sigma),
    {NAMED("quantified", EDX_KEY_BOOLS, edx_particle, radial.quantified), .dims = "m",
     .count = offsetof(edx_particle, radial.m)},
    RINGS(model),
    RINGS(model_sigma),
    RINGS(denoised),
    RINGS(denoised_sigma),
    RINGS(pca),
    RINGS(pca_sigma),
    RINGS(nmf),
    RINGS(nmf_sigma),
    GROUP("denoised_check", denoised_check_keys),
    GROUP("pca_check", pca_check_keys),
    GROUP("nmf_check", nmf_check_keys),
    END};

static const edx_key segregation_keys[] = {
    {NAMED("element", EDX_KEY_TEXT, edx_particle, segregation.element), .size = EDX_SYMBOL_SIZE,
     .optional = true},
    IN(EDX_KEY_PAIR, edx_particle, segregation, core),
    IN(EDX_KEY_PAIR, edx_particle, segregation, shell),
    IN(EDX_KEY_FLOAT, edx_particle, segregation, delta),
    IN(EDX_KEY_FLOAT, edx_particle, segregation, sigma),
    IN(EDX_KEY_FLOAT, edx_particle, segregation, z),
    END};

static const edx_key particle_keys[] = {
    UINT(edx_particle, id),
    PAIR(edx_particle, centre_nm),
    FLOAT(edx_particle, diameter_nm),
    FLOAT(edx_particle, area_diameter_nm),
    {KEY(EDX_KEY_BOOL, edx_particle, touches_edge)},
    {NAMED("composition", EDX_KEY_PAIRS, edx_particle, elements), .size = EDX_SYMBOL_SIZE,
     .values = offsetof(edx_particle, composition), .count = offsetof(edx_particle, n)},
    GROUP("radial", radial_keys),
    {.key = "segregation", .kind = EDX_KEY_GROUP, .sub = segregation_keys, .optional = true},
    END};

static const edx_key particles_keys[] = {
    COUNTS,
    {KEY(EDX_KEY_RECORDS, edx_particles_result, particles), .size = sizeof(edx_particle),
     .sub = particle_keys, .count = offsetof(edx_particles_result, count)},
    {NAMED("systematic", EDX_KEY_NUMBERS, edx_particles_result, elements), .size = EDX_SYMBOL_SIZE,
     .values = offsetof(edx_particles_result, systematic),
     .count = offsetof(edx_particles_result, n)},
    END};

static const edx_key profile_keys[] = {
    PAIR(edx_profile_result, from_nm),       PAIR(edx_profile_result, to_nm),
    FLOAT(edx_profile_result, width_nm),     ARRAY(edx_profile_result, d_nm, "m"),
    ARRAY(edx_profile_result, counts, "nm"), ARRAY(edx_profile_result, fraction, "nm"),
    ARRAY(edx_profile_result, sigma, "nm"),  END};

static const edx_key damage_keys[] = {IN(EDX_KEY_FLOAT, edx_trend_result, damage, z),
                                      IN(EDX_KEY_FLOAT, edx_trend_result, damage, p),
                                      IN(EDX_KEY_INT, edx_trend_result, damage, since_frame), END};

static const edx_key contamination_keys[] = {
    IN(EDX_KEY_FLOAT, edx_trend_result, contamination, z),
    IN(EDX_KEY_FLOAT, edx_trend_result, contamination, p),
    IN(EDX_KEY_FLOAT, edx_trend_result, contamination, since_frame), END};

static const edx_key forecast_keys[] = {
    IN(EDX_KEY_FLOAT, edx_trend_result, forecast, target_sigma),
    IN(EDX_KEY_FLOAT, edx_trend_result, forecast, frames_needed),
    IN(EDX_KEY_FLOAT, edx_trend_result, forecast, seconds),
    IN(EDX_KEY_FLOAT, edx_trend_result, forecast, delta_frames_needed),
    IN(EDX_KEY_FLOAT, edx_trend_result, forecast, delta_seconds),
    END};

static const edx_key trend_keys[] = {
    COUNTS,
    ARRAY(edx_trend_result, composition, "nf"),
    ARRAY(edx_trend_result, sigma, "nf"),
    FLOAT(edx_trend_result, dose_e_per_A2),
    ARRAY(edx_trend_result, drift_nm, "f2"),
    GROUP("damage", damage_keys),
    {.key = "contamination", .kind = EDX_KEY_GROUP, .sub = contamination_keys, .optional = true},
    GROUP("forecast", forecast_keys),
    END};

static const edx_key one_alarm_keys[] = {
    {KEY(EDX_KEY_TEXT, edx_alarm, kind), .size = sizeof((edx_alarm *)0)->kind},
    {KEY(EDX_KEY_TEXT, edx_alarm, severity), .size = sizeof((edx_alarm *)0)->severity},
    {KEY(EDX_KEY_TEXT, edx_alarm, message), .size = sizeof((edx_alarm *)0)->message},
    {KEY(EDX_KEY_INT, edx_alarm, since_frame)},
    {KEY(EDX_KEY_BOOL, edx_alarm, active)},
    END};

static const edx_key alarm_keys[] = {COUNTS,
                                     {KEY(EDX_KEY_RECORDS, edx_alarm_result, alarms),
                                      .size = sizeof(edx_alarm), .sub = one_alarm_keys,
                                      .count = offsetof(edx_alarm_result, count)},
                                     END};

const edx_key *const edx_result_keys[EDX_RESULT_TOPICS] = {
    [EDX_STATUS] = status_keys,   [EDX_SPECTRUM] = spectrum_keys, [EDX_MAPS] = maps_keys,
    [EDX_PCA] = pca_keys,         [EDX_NMF] = nmf_keys,           [EDX_PARTICLES] = particles_keys,
    [EDX_PROFILE] = profile_keys, [EDX_TREND] = trend_keys,       [EDX_ALARM] = alarm_keys,
};
