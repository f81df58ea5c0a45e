/* Every published topic: the keys are those of the interface, spelled out here; random content
 * comes back from bytes; what is missing, contradicts itself or is damaged is refused and never
 * harms. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/result.h"
#include "proto/result_keys.h"
#include "tests/json_value.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef struct fixture {
    edx_wire *wire;
    edx_pack *pack, *again;
    edx_error err;
    edx_result in, out;
    void *made[4096]; /* what random content lies in */
    size_t n_made;
} fixture;

static int setup(void **state)
{
    static fixture f;
    f = (fixture){.wire = edx_wire_new(0), .pack = edx_pack_new(), .again = edx_pack_new()};
    *state = &f;
    return !f.wire || !f.pack || !f.again;
}

static int teardown(void **state)
{
    fixture *f = *state;
    edx_wire_free(&f->wire);
    edx_pack_free(&f->pack);
    edx_pack_free(&f->again);
    while (f->n_made > 0)
        free(f->made[--f->n_made]);
    return 0;
}

static void write_result(edx_pack *pack, const edx_result *result)
{
    switch (result->topic) {
    case EDX_STATUS:
        edx_status_write(pack, &result->as.status);
        break;
    case EDX_SPECTRUM:
        edx_spectrum_write(pack, &result->as.spectrum);
        break;
    case EDX_MAPS:
        edx_maps_write(pack, &result->as.maps);
        break;
    case EDX_PCA:
        edx_pca_write(pack, &result->as.pca);
        break;
    case EDX_NMF:
        edx_nmf_write(pack, &result->as.nmf);
        break;
    case EDX_PARTICLES:
        edx_particles_write(pack, &result->as.particles);
        break;
    case EDX_PROFILE:
        edx_profile_write(pack, &result->as.profile);
        break;
    case EDX_TREND:
        edx_trend_write(pack, &result->as.trend);
        break;
    default:
        edx_alarm_write(pack, &result->as.alarm);
        break;
    }
}

/* ---- one example of each topic, and how the interface spells it ---- */

#define HEAD                                                                                       \
    {                                                                                              \
        .head = {.acq = "a-1", .t = 8.5}, .frames = 3, .frame = 4, .counts = 5                     \
    }

/* Arrays of one byte n. */
static const uint8_t byte[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11,
                               12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23};
#define A1(n)                                                                                      \
    {                                                                                              \
        .dtype = EDX_U1, .ndim = 1, .shape = {1}, .data = &byte[n]                                 \
    }
#define A2(n)                                                                                      \
    {                                                                                              \
        .dtype = EDX_U1, .ndim = 2, .shape = {1, 1}, .data = &byte[n]                              \
    }
#define A3(n)                                                                                      \
    {                                                                                              \
        .dtype = EDX_U1, .ndim = 3, .shape = {1, 1, 1}, .data = &byte[n]                           \
    }

static const uint64_t outliers[] = {7, 1000};

static const edx_status_result status_example = {
    .head = HEAD,
    .state = EDX_ACQUIRING,
    .expected = 50,
    .received = 51,
    .lost = 52,
    .duplicate = 53,
    .bad = 54,
    .rate_cps = 1e5,
    .drift_nm = {-1, 2},
    .health = {.chi2 = 1.5, .p = 0.25, .dof = 9, .outliers = outliers, .n_outliers = 2},
    .latency_ms = {1, 2, 3},
    .behind = {.sum = 1, .maps = 2, .components = 3, .heldout = 4, .profiles = 5},
    .last = {1.5, NAN, 2.5, NAN, NAN, NAN, NAN, NAN, 9.5},
    .version = "0.1.0",
    .uptime_s = 60};

static const char j_status[] =
    "{\"v\": 1, \"acq\": \"a-1\", \"t\": 8.5, \"frames\": 3, \"frame\": 4, \"counts\": 5, "
    "\"state\": \"acquiring\", \"expected\": 50, \"received\": 51, \"lost\": 52, \"duplicate\": "
    "53, \"bad\": 54, \"rate_cps\": 100000, \"drift_nm\": [-1, 2], \"health\": {\"chi2\": 1.5, "
    "\"dof\": 9, \"p\": 0.25, \"outliers\": [7, 1000]}, \"latency_ms\": {\"p50\": 1, \"p99\": 2, "
    "\"max\": 3}, \"behind\": {\"sum\": 1, \"maps\": 2, \"components\": 3, \"heldout\": 4, "
    "\"profiles\": 5}, \"last\": {\"edx.status\": 1.5, \"edx.maps\": 2.5, \"edx.alarm\": 9.5}, "
    "\"version\": \"0.1.0\", \"uptime_s\": 60}";

static const edx_spectrum_result spectrum_example = {.head = HEAD,
                                                     .offset_eV = -5,
                                                     .scale_eV = 10,
                                                     .sum = A1(1),
                                                     .image = A2(2),
                                                     .total = A2(3),
                                                     .fit = A1(4),
                                                     .background = A1(5),
                                                     .fit_chi2 = 700,
                                                     .fit_dof = 650,
                                                     .calibration = {1, 0.5, 1.25, 0.125, 130, 2},
                                                     .n_found = 1,
                                                     .found = {"Ag"},
                                                     .significance = {40}};

static const char j_spectrum[] =
    "{\"v\": 1, \"acq\": \"a-1\", \"t\": 8.5, \"frames\": 3, \"frame\": 4, \"counts\": 5, "
    "\"energy\": {\"offset_eV\": -5, \"scale_eV\": 10}, \"sum\": |u1 [1] 01, \"image\": |u1 [1, 1] "
    "02, \"total\": |u1 [1, 1] 03, \"fit\": |u1 [1] 04, \"background\": |u1 [1] 05, "
    "\"fit_chi2\": 700, \"fit_dof\": 650, \"calibration\": {\"offset_eV\": 1, \"offset_sigma\": "
    "0.5, "
    "\"gain\": 1.25, \"gain_sigma\": 0.125, \"resolution_eV\": 130, \"resolution_sigma\": 2}, "
    "\"found\": {\"Ag\": 40}}";

static const uint8_t window[] = {11, 12};

static const edx_maps_result maps_example = {
    .head = HEAD,
    .n = 1,
    .lines = {"Ag_La"},
    .elements = {"Ag"},
    .step_nm = {0.5, 0.25},
    .origin_nm = {0.125, 0.0625},
    .energy_eV = A1(10),
    .window_eV = {.dtype = EDX_U1, .ndim = 2, .shape = {1, 2}, .data = window},
    .intensity = A3(1),
    .sigma = A3(2),
    .atomic_fraction = A3(3),
    .fraction_sigma = A3(4),
    .denoised_fraction = A3(5),
    .denoised_sigma = A3(6),
    .exposure = A2(7),
    .mass_thickness = A2(8),
    .atoms = A3(9)};

static const char j_maps[] =
    "{\"v\": 1, \"acq\": \"a-1\", \"t\": 8.5, \"frames\": 3, \"frame\": 4, \"counts\": 5, "
    "\"lines\": [\"Ag_La\"], \"elements\": [\"Ag\"], \"step_nm\": [0.5, 0.25], \"origin_nm\": "
    "[0.125, 0.0625], "
    "\"energy_eV\": |u1 [1] 0a, \"window_eV\": |u1 [1, 2] 0b0c, \"intensity\": |u1 "
    "[1, 1, 1] 01, \"sigma\": |u1 [1, 1, 1] 02, \"atomic_fraction\": |u1 [1, 1, 1] 03, "
    "\"fraction_sigma\": |u1 [1, 1, 1] 04, \"denoised_fraction\": |u1 [1, 1, 1] 05, "
    "\"denoised_sigma\": |u1 [1, 1, 1] 06, \"exposure\": |u1 [1, 1] 07, "
    "\"mass_thickness\": |u1 [1, 1] 08, \"atoms\": |u1 [1, 1, 1] 09}";

static const edx_pca_result pca_example = {.head = HEAD,
                                           .rank = 3,
                                           .eigenvalues = A1(1),
                                           .eigenvalues_noise_free = A1(2),
                                           .noise_edge = 0.5,
                                           .heldout_error = A1(3),
                                           .spectra = A2(4),
                                           .maps = A3(5),
                                           .explained = A1(6)};

static const char j_pca[] =
    "{\"v\": 1, \"acq\": \"a-1\", \"t\": 8.5, \"frames\": 3, \"frame\": 4, \"counts\": 5, "
    "\"rank\": 3, \"eigenvalues\": |u1 [1] 01, \"eigenvalues_noise_free\": |u1 [1] 02, "
    "\"noise_edge\": 0.5, \"heldout_error\": |u1 [1] 03, \"spectra\": |u1 [1, 1] 04, \"maps\": |u1 "
    "[1, 1, 1] 05, \"explained\": |u1 [1] 06}";

static const bool yes[] = {true};

static const edx_nmf_result nmf_example = {.head = HEAD,
                                           .spectra = A2(1),
                                           .maps = A3(2),
                                           .divergence = 3.5,
                                           .share = A2(3),
                                           .k = 1,
                                           .particle = yes};

static const char j_nmf[] =
    "{\"v\": 1, \"acq\": \"a-1\", \"t\": 8.5, \"frames\": 3, \"frame\": 4, \"counts\": 5, "
    "\"spectra\": |u1 [1, 1] 01, \"maps\": |u1 [1, 1, 1] 02, \"divergence\": 3.5, \"share\": |u1 "
    "[1, 1] 03, \"particle\": [true]}";

static const edx_particle particle_examples[] = {
    {.id = 11,
     .centre_nm = {1, 2},
     .diameter_nm = 5,
     .area_diameter_nm = 4.5,
     .touches_edge = true,
     .n = 2,
     .elements = {"Ag", "Au"},
     .composition = {{0.75, 0.125}, {0.25, 0.0625}},
     .radial = {.m = 1,
                .r_nm = A1(1),
                .counts = A2(2),
                .counts_sigma = A2(3),
                .fraction = A2(4),
                .sigma = A2(5),
                .quantified = yes,
                .model = A2(6),
                .model_sigma = A2(7),
                .denoised = A2(8),
                .denoised_sigma = A2(9),
                .pca = A2(10),
                .pca_sigma = A2(11),
                .nmf = A2(12),
                .nmf_sigma = A2(13),
                .denoised_check = {1, 0.5, 2, true},
                .pca_check = {3, 0.25, 4, false},
                .nmf_check = {5, 0.125, 6, true}},
     .segregation = {"Ag", {0.1, 0.2}, {0.3, 0.4}, 0.5, 0.6, 0.7}},
    {.id = 12,
     .centre_nm = {NAN, NAN},
     .diameter_nm = NAN,
     .area_diameter_nm = 1,
     .n = 2,
     .elements = {"Ag", "Au"},
     .composition = {{NAN, NAN}, {1, NAN}},
     .radial = {.denoised_check = {NAN, NAN, 0, false},
                .pca_check = {NAN, NAN, 0, false},
                .nmf_check = {NAN, NAN, 0, false}},
     .segregation = {"", {NAN, NAN}, {NAN, NAN}, NAN, NAN, NAN}}};

static const edx_particles_result particles_example = {.head = HEAD,
                                                       .count = 2,
                                                       .particles = particle_examples,
                                                       .n = 2,
                                                       .elements = {"Ag", "Au"},
                                                       .systematic = {0.01, NAN}};

static const char j_particles[] =
    "{\"v\": 1, \"acq\": \"a-1\", \"t\": 8.5, \"frames\": 3, \"frame\": 4, \"counts\": 5, "
    "\"particles\": [{\"id\": 11, \"centre_nm\": [1, 2], \"diameter_nm\": 5, \"area_diameter_nm\": "
    "4.5, \"touches_edge\": true, \"composition\": {\"Ag\": [0.75, 0.125], \"Au\": [0.25, "
    "0.0625]}, \"radial\": {\"r_nm\": |u1 [1] 01, \"counts\": |u1 [1, 1] 02, \"counts_sigma\": |u1 "
    "[1, 1] 03, \"fraction\": |u1 [1, 1] 04, \"sigma\": |u1 [1, 1] 05, \"quantified\": [true], "
    "\"model\": |u1 [1, 1] 06, \"model_sigma\": |u1 [1, 1] 07, \"denoised\": |u1 [1, 1] 08, "
    "\"denoised_sigma\": |u1 [1, 1] 09, \"pca\": |u1 [1, 1] 0a, \"pca_sigma\": |u1 [1, 1] 0b, "
    "\"nmf\": |u1 [1, 1] 0c, \"nmf_sigma\": |u1 [1, 1] 0d, \"denoised_check\": {\"chi2\": 1, "
    "\"dof\": 2, \"p\": 0.5, \"passed\": true}, \"pca_check\": {\"chi2\": 3, \"dof\": 4, \"p\": "
    "0.25, \"passed\": false}, \"nmf_check\": {\"chi2\": 5, \"dof\": 6, \"p\": 0.125, \"passed\": "
    "true}}, \"segregation\": {\"element\": \"Ag\", \"core\": [0.1, 0.2], \"shell\": [0.3, 0.4], "
    "\"delta\": 0.5, \"sigma\": 0.6, \"z\": 0.7}}, {\"id\": 12, \"area_diameter_nm\": 1, "
    "\"touches_edge\": false, \"composition\": {\"Au\": [1, nan]}, \"radial\": "
    "{\"denoised_check\": {\"dof\": 0, \"passed\": false}, \"pca_check\": {\"dof\": 0, \"passed\": "
    "false}, \"nmf_check\": {\"dof\": 0, \"passed\": false}}}], \"systematic\": {\"Ag\": 0.01}}";

static const edx_profile_result profile_example = {.head = HEAD,
                                                   .from_nm = {1, 2},
                                                   .to_nm = {3, 4},
                                                   .width_nm = 5,
                                                   .d_nm = A1(1),
                                                   .counts = A2(2),
                                                   .fraction = A2(3),
                                                   .sigma = A2(4)};

/* Here counts are those along the line. */
static const char j_profile[] =
    "{\"v\": 1, \"acq\": \"a-1\", \"t\": 8.5, \"frames\": 3, \"frame\": 4, \"from_nm\": [1, 2], "
    "\"to_nm\": [3, 4], \"width_nm\": 5, \"d_nm\": |u1 [1] 01, \"counts\": |u1 [1, 1] 02, "
    "\"fraction\": |u1 [1, 1] 03, \"sigma\": |u1 [1, 1] 04}";

static const uint8_t drift[] = {21, 22};

static const edx_trend_result trend_example = {
    .head = HEAD,
    .composition = A2(1),
    .sigma = A2(2),
    .dose_e_per_A2 = 1000,
    .drift_nm = {.dtype = EDX_U1, .ndim = 2, .shape = {1, 2}, .data = drift},
    .damage = {.z = -1, .p = 0.5, .since_frame = -1},
    .contamination = {.z = 5, .p = 0.25, .since_frame = 8},
    .forecast = {.target_sigma = 0.01,
                 .frames_needed = 400,
                 .seconds = 60,
                 .delta_frames_needed = 90,
                 .delta_seconds = 12}};

static const char j_trend[] =
    "{\"v\": 1, \"acq\": \"a-1\", \"t\": 8.5, \"frames\": 3, \"frame\": 4, \"counts\": 5, "
    "\"composition\": |u1 [1, 1] 01, \"sigma\": |u1 [1, 1] 02, \"dose_e_per_A2\": 1000, "
    "\"drift_nm\": |u1 [1, 2] 1516, \"damage\": {\"z\": -1, \"p\": 0.5, \"since_frame\": -1}, "
    "\"contamination\": {\"z\": 5, \"p\": 0.25, \"since_frame\": 8}, "
    "\"forecast\": {\"target_sigma\": 0.01, \"frames_needed\": 400, \"seconds\": 60, "
    "\"delta_frames_needed\": 90, \"delta_seconds\": 12}}";

static const edx_alarm alarm_examples[] = {{"loss", "warning", "3 frames lost", 12, true},
                                           {"no-begin", "error", "no begin", -1, false}};

static const edx_alarm_result alarm_example = {.head = HEAD, .count = 2, .alarms = alarm_examples};

static const char j_alarm[] =
    "{\"v\": 1, \"acq\": \"a-1\", \"t\": 8.5, \"frames\": 3, \"frame\": 4, \"counts\": 5, "
    "\"alarms\": [{\"kind\": \"loss\", \"severity\": \"warning\", \"message\": \"3 frames lost\", "
    "\"since_frame\": 12, \"active\": true}, {\"kind\": \"no-begin\", \"severity\": \"error\", "
    "\"message\": \"no begin\", \"since_frame\": -1, \"active\": false}]}";

/* text: the body. needed: the keys that a reader misses when they do not come. */
typedef struct example {
    const char *name;
    const void *result;
    size_t size;
    const char *text, *needed;
} example;

#define NEEDED_HEAD "v acq t frames frame "
#define NEEDED NEEDED_HEAD "counts "
#define EXAMPLE(topic, needed)                                                                     \
    {                                                                                              \
        "edx." #topic, &topic##_example, sizeof topic##_example, j_##topic, needed                 \
    }

static const example examples[EDX_RESULT_TOPICS] = {
    [EDX_STATUS] =
        EXAMPLE(status, NEEDED "state expected received lost duplicate bad health latency_ms "
                               "last version "),
    [EDX_SPECTRUM] = EXAMPLE(spectrum, NEEDED "energy "),
    [EDX_MAPS] = EXAMPLE(maps, NEEDED "lines elements "),
    [EDX_PCA] = EXAMPLE(pca, NEEDED "rank "),
    [EDX_NMF] = EXAMPLE(nmf, NEEDED),
    [EDX_PARTICLES] = EXAMPLE(particles, NEEDED "particles systematic "),
    [EDX_PROFILE] = EXAMPLE(profile, NEEDED_HEAD),
    [EDX_TREND] = EXAMPLE(trend, NEEDED "damage forecast "),
    [EDX_ALARM] = EXAMPLE(alarm, NEEDED "alarms "),
};

/* f->in and f->pack become the example of a topic. */
static const edx_node *make_example(fixture *f, edx_result_topic topic)
{
    f->in = (edx_result){.topic = topic};
    memcpy(&f->in.as, examples[topic].result, examples[topic].size);
    write_result(f->pack, &f->in);
    return packed_root(f->wire, f->pack);
}

static edx_status read_result(fixture *f, edx_result_topic topic, const edx_node *root)
{
    edx_result_clear(&f->out);
    f->err = (edx_error){0};
    edx_status status = edx_result_read(topic, root, &f->out, &f->err);
    assert_int_equal(status, f->err.code);
    return status;
}

/* f->pack, read and written again, is the same bytes. */
static void assert_comes_back(fixture *f, edx_result_topic topic)
{
    if (read_result(f, topic, packed_root(f->wire, f->pack)))
        fail_msg("%s: %s", edx_result_topic_name(topic), f->err.text);
    assert_int_equal(f->out.topic, topic);
    write_result(f->again, &f->out);
    assert_int_equal(edx_pack_size(f->again), edx_pack_size(f->pack));
    assert_memory_equal(edx_pack_data(f->again), edx_pack_data(f->pack), edx_pack_size(f->again));
    edx_result_clear(&f->out);
}

static void test_names(void **state)
{
    (void)state;
    for (edx_result_topic topic = EDX_STATUS; topic < EDX_RESULT_TOPICS; topic++) {
        const char *name = examples[topic].name;
        assert_string_equal(edx_result_topic_name(topic), name);
        assert_int_equal(edx_result_topic_parse(name, strlen(name)), topic);
        assert_int_equal(edx_result_topic_parse(name, strlen(name) - 1), EDX_RESULT_TOPICS);
    }
    assert_int_equal(edx_result_topic_parse("", 0), EDX_RESULT_TOPICS);
    assert_int_equal(edx_result_topic_parse("edx.begin", 9), EDX_RESULT_TOPICS);
    assert_string_equal(edx_state_name(EDX_IDLE), "idle");
    assert_string_equal(edx_state_name(EDX_ACQUIRING), "acquiring");
    assert_string_equal(edx_state_name(EDX_FINISHED), "finished");
}

static void test_keys(void **state)
{
    fixture *f = *state;
    for (edx_result_topic topic = EDX_STATUS; topic < EDX_RESULT_TOPICS; topic++) {
        make_example(f, topic);
        assert_packed(f->wire, f->pack, examples[topic].text);
        assert_comes_back(f, topic);
    }
}

/* A few members, read by name: what a client sees. */
static void test_members(void **state)
{
    fixture *f = *state;
    assert_int_equal(read_result(f, EDX_PARTICLES, make_example(f, EDX_PARTICLES)), EDX_OK);
    const edx_particle *p = f->out.as.particles.particles;
    assert_int_equal(f->out.as.particles.count, 2);
    assert_int_equal(p[0].radial.m, 1);
    assert_true(p[0].radial.quantified[0]);
    assert_float_equal(edx_array_get(&p[0].radial.nmf_sigma, 0), 13, 0);
    assert_float_equal(p[0].composition[1][1], 0.0625, 0);
    assert_string_equal(p[1].elements[0], "Au");
    assert_int_equal(p[1].n, 1);
    assert_true(isnan(p[1].diameter_nm) && isnan(p[1].centre_nm[0]) && isnan(p[1].segregation.z));
    assert_int_equal(p[1].radial.m, 0);
    assert_null(p[1].radial.quantified);
    assert_int_equal(read_result(f, EDX_NMF, make_example(f, EDX_NMF)), EDX_OK);
    assert_int_equal(f->out.as.nmf.k, 1);
    assert_true(f->out.as.nmf.particle[0]);
    assert_int_equal(read_result(f, EDX_STATUS, make_example(f, EDX_STATUS)), EDX_OK);
    assert_int_equal(f->out.as.status.health.n_outliers, 2);
    assert_int_equal(f->out.as.status.health.outliers[1], 1000);
    assert_true(isnan(f->out.as.status.last[EDX_PCA]));
    assert_float_equal(f->out.as.status.last[EDX_ALARM], 9.5, 0);
    edx_result_clear(&f->out);
}

static bool is_needed(const char *needed, const edx_node *key)
{
    char word[64];
    snprintf(word, sizeof word, "%.*s ", (int)key->count, key->as.bytes);
    const char *at = strstr(needed, word);
    return at && (at == needed || at[-1] == ' ');
}

static void test_missing_keys(void **state)
{
    fixture *f = *state;
    for (edx_result_topic topic = EDX_STATUS; topic < EDX_RESULT_TOPICS; topic++) {
        const edx_node *root = make_example(f, topic);
        uint32_t pairs = root->count;
        for (uint32_t i = 0; i < pairs; i++) {
            root = packed_root(f->wire, f->pack);
            const edx_node *key = edx_node_first(root);
            for (uint32_t k = 0; k < i; k++)
                key = edx_node_next(edx_node_next(key));
            edx_status expected = is_needed(examples[topic].needed, key) ? EDX_E_MISSING : EDX_OK;
            pack_without(f->again, root, i);
            if (read_result(f, topic, packed_root(f->wire, f->again)) != expected)
                fail_msg("%s without pair %d: \"%s\", expected %d", examples[topic].name, (int)i,
                         f->err.text, expected);
        }
    }
    edx_result_clear(&f->out);
}

typedef struct refusal {
    edx_result_topic topic;
    const char *json;
    edx_status status;
    const char *text;
} refusal;

#define IN_HEAD "\"acq\": \"a\", \"t\": 1, \"frames\": 1, \"frame\": 1, \"counts\": 1"
#define BODY(rest) "{\"v\": 1, " IN_HEAD rest "}"

static void test_refusals(void **state)
{
    static const refusal cases[] = {
        {EDX_ALARM, "[]", EDX_E_MISSING, NULL},
        {EDX_ALARM, "{\"v\": 2, " IN_HEAD ", \"alarms\": []}", EDX_E_VERSION, "v: 2, expected 1"},
        {EDX_ALARM, BODY(", \"alarms\": [], \"new\": [1, {}]"), EDX_OK, ""},
        {EDX_ALARM, BODY(", \"alarms\": {}"), EDX_E_TYPE, "alarms: expected a list"},
        {EDX_ALARM, BODY(", \"alarms\": [7]"), EDX_E_TYPE, "alarms[0]: expected a map"},
        {EDX_ALARM, BODY(", \"alarms\": [{\"kind\": 1}]"), EDX_E_TYPE,
         "alarms[0]: kind: an integer, expected a string"},
        {EDX_ALARM,
         BODY(", \"alarms\": [{\"kind\": \"a\", \"severity\": \"b\", \"message\": \"c\", "
              "\"since_frame\": -1.0, \"active\": true}]"),
         EDX_OK, ""},
        {EDX_ALARM,
         BODY(", \"alarms\": [{\"kind\": \"a\", \"severity\": \"b\", \"message\": \"c\", "
              "\"since_frame\": -1.5, \"active\": true}]"),
         EDX_E_RANGE, NULL},
        {EDX_MAPS, BODY(", \"lines\": [\"Ag_La\"], \"elements\": []"), EDX_E_RANGE,
         "elements: extent 0, expected 1"},
        {EDX_MAPS, BODY(", \"lines\": [\"Ag_La_and_more_text\"], \"elements\": [\"Ag\"]"),
         EDX_E_RANGE, NULL},
        {EDX_NMF, BODY(", \"particle\": [1]"), EDX_E_TYPE, NULL},
        {EDX_TREND, BODY(""), EDX_E_MISSING, "damage: missing, expected a map"},
        {EDX_TREND, BODY(", \"damage\": {}, \"forecast\": {}"), EDX_E_MISSING,
         "damage: since_frame: missing, expected an integer"},
        {EDX_PARTICLES, BODY(", \"particles\": [], \"systematic\": {\"Agg_\": 1}"), EDX_E_RANGE,
         NULL},
        {EDX_PARTICLES, BODY(", \"particles\": [], \"systematic\": {\"Ag\": \"x\"}"), EDX_E_TYPE,
         "Ag: a string, expected a number"},
        {EDX_RESULT_TOPICS, BODY(""), EDX_E_UNKNOWN, NULL},
    };
    fixture *f = *state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const edx_node *root = parse_json(f->wire, f->pack, cases[i].json);
        edx_status status = read_result(f, cases[i].topic, root);
        if (status != cases[i].status || (cases[i].text && strcmp(f->err.text, cases[i].text) != 0))
            fail_msg("%s: %d \"%s\"", cases[i].json, status, f->err.text);
    }
    edx_result_clear(&f->out);
}

static void test_states(void **state)
{
    fixture *f = *state;
    for (edx_state s = EDX_IDLE; s <= EDX_FINISHED; s++) {
        make_example(f, EDX_STATUS);
        f->in.as.status.state = s;
        write_result(f->pack, &f->in);
        assert_int_equal(read_result(f, EDX_STATUS, packed_root(f->wire, f->pack)), EDX_OK);
        assert_int_equal(f->out.as.status.state, s);
    }
    edx_result_clear(&f->out);
}

/* ---- extents that contradict each other: a client would read beyond an array ---- */

static edx_status read_changed(fixture *f)
{
    write_result(f->pack, &f->in);
    edx_status status = read_result(f, f->in.topic, packed_root(f->wire, f->pack));
    edx_result_clear(&f->out);
    return status;
}

static void test_extents(void **state)
{
    fixture *f = *state;
    make_example(f, EDX_MAPS);
    f->in.as.maps.sigma.shape[2] = 2;
    assert_int_equal(read_changed(f), EDX_E_RANGE);
    assert_string_equal(f->err.text, "sigma: extent 2, expected 1");
    make_example(f, EDX_MAPS);
    f->in.as.maps.intensity.ndim = 2;
    assert_int_equal(read_changed(f), EDX_E_RANGE);
    assert_string_equal(f->err.text, "intensity: 2 dimensions, expected 3");
    make_example(f, EDX_NMF);
    f->in.as.nmf.share.shape[0] = 0;
    assert_int_equal(read_changed(f), EDX_E_RANGE);
    make_example(f, EDX_NMF);
    f->in.as.nmf.k = 0;
    assert_int_equal(read_changed(f), EDX_E_RANGE);
    assert_string_equal(f->err.text, "particle: extent 0, expected 1");
    make_example(f, EDX_TREND);
    f->in.as.trend.drift_nm.shape[1] = 1;
    assert_int_equal(read_changed(f), EDX_E_RANGE);
    assert_string_equal(f->err.text, "drift_nm: extent 1, expected 2");
}

/* ---- random content, filled in by the tables ---- */

static void *make(fixture *f, size_t size)
{
    void *made = calloc(1, size ? size : 1);
    assert_non_null(made);
    assert_true(f->n_made < COUNT(f->made));
    return f->made[f->n_made++] = made;
}

static double random_number(rng *r)
{
    uint64_t bits = rng_next(r);
    double number;
    memcpy(&number, &bits, sizeof number);
    return isfinite(number) ? number : NAN;
}

static void random_name(rng *r, char *out, size_t size)
{
    size_t n = 1 + rng_below(r, size - 1);
    for (size_t i = 0; i < n; i++)
        out[i] = (char)('!' + rng_below(r, 90));
    out[n] = '\0';
}

typedef struct extents {
    uint64_t of[128];
} extents;

static void random_extents(rng *r, extents *e, bool all)
{
    for (int c = 'a'; c <= 'z'; c++)
        if (all || c != 'n')
            e->of[c] = rng_below(r, 5);
    e->of['2'] = 2;
}

static void fill(fixture *f, rng *r, extents *e, const edx_key *keys, char *base);

static void fill_array(fixture *f, rng *r, const extents *e, const edx_key *key, char *base)
{
    edx_array array = {.dtype = (edx_dtype)rng_below(r, EDX_DTYPES)};
    uint64_t elements, bytes;
    if (!key->count && rng_below(r, 4) == 0)
        return;
    for (const char *c = key->dims; *c; c++)
        array.shape[array.ndim++] = e->of[(unsigned char)*c];
    assert_true(edx_array_count(&array, &elements, &bytes));
    uint8_t *data = make(f, bytes);
    for (uint64_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)rng_next(r);
    array.data = data;
    memcpy(base + key->offset, &array, sizeof array);
    if (key->count)
        memcpy(base + key->count, &array.shape[0], sizeof array.shape[0]);
}

static void fill_names(rng *r, const extents *e, const edx_key *key, char *base)
{
    uint32_t n =
        key->dims ? (uint32_t)e->of[(unsigned char)*key->dims] : (uint32_t)rng_below(r, 33);
    memcpy(base + key->count, &n, sizeof n);
    for (uint32_t i = 0; i < n; i++)
        random_name(r, base + key->offset + i * key->size, key->size);
    size_t stride = key->kind == EDX_KEY_PAIRS ? 2 : 1;
    double number;
    for (size_t i = 0; key->values && i < n * stride; i++) {
        number = random_number(r);
        memcpy(base + key->values + i * sizeof number, &number, sizeof number);
    }
}

static void fill_uints(fixture *f, rng *r, const edx_key *key, char *base)
{
    size_t n = rng_below(r, 20);
    uint64_t *values = make(f, n * sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = rng_next(r);
    memcpy(base + key->offset, &values, sizeof values);
    memcpy(base + key->count, &n, sizeof n);
}

static void fill_bools(fixture *f, rng *r, const extents *e, const edx_key *key, char *base)
{
    size_t n = e->of[(unsigned char)*key->dims];
    bool *values = make(f, n);
    for (size_t i = 0; i < n; i++)
        values[i] = rng_below(r, 2);
    memcpy(base + key->offset, &values, sizeof values);
    memcpy(base + key->count, &n, sizeof n);
}

static void fill_records(fixture *f, rng *r, extents *e, const edx_key *key, char *base)
{
    size_t n = rng_below(r, 9);
    char *records = make(f, n * key->size);
    for (size_t i = 0; i < n; i++) {
        random_extents(r, e, false);
        fill(f, r, e, key->sub, records + i * key->size);
    }
    memcpy(base + key->offset, &records, sizeof records);
    memcpy(base + key->count, &n, sizeof n);
}

static void fill_numbers(rng *r, char *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double number = rng_below(r, 5) ? random_number(r) : NAN;
        memcpy(out + i * sizeof number, &number, sizeof number);
    }
}

static void fill_word(rng *r, const edx_key *key, char *out)
{
    uint64_t word = rng_next(r);
    edx_state s = (edx_state)rng_below(r, 3);
    if (key->kind == EDX_KEY_BOOL)
        *out = (char)(word & 1);
    else if (key->kind == EDX_KEY_STATE)
        memcpy(out, &s, sizeof s);
    else if (key->kind == EDX_KEY_TEXT)
        random_name(r, out, key->size);
    else
        memcpy(out, &word, sizeof word);
}

static void fill_key(fixture *f, rng *r, extents *e, const edx_key *key, char *base)
{
    switch (key->kind) {
    case EDX_KEY_FLOAT:
        fill_numbers(r, base + key->offset, 1);
        break;
    case EDX_KEY_PAIR:
        fill_numbers(r, base + key->offset, 2);
        break;
    case EDX_KEY_LAST:
        fill_numbers(r, base + key->offset, EDX_RESULT_TOPICS);
        break;
    case EDX_KEY_ARRAY:
        fill_array(f, r, e, key, base);
        break;
    case EDX_KEY_GROUP:
        fill(f, r, e, key->sub, base);
        break;
    case EDX_KEY_NAMES:
    case EDX_KEY_PAIRS:
    case EDX_KEY_NUMBERS:
        fill_names(r, e, key, base);
        break;
    case EDX_KEY_UINTS:
        fill_uints(f, r, key, base);
        break;
    case EDX_KEY_BOOLS:
        fill_bools(f, r, e, key, base);
        break;
    case EDX_KEY_RECORDS:
        fill_records(f, r, e, key, base);
        break;
    default:
        fill_word(r, key, base + key->offset);
        break;
    }
}

static void fill(fixture *f, rng *r, extents *e, const edx_key *keys, char *base)
{
    for (const edx_key *key = keys; key->key; key++)
        fill_key(f, r, e, key, base);
}

static void make_random(fixture *f, rng *r, edx_result_topic topic)
{
    extents e;
    while (f->n_made > 0)
        free(f->made[--f->n_made]);
    f->in = (edx_result){.topic = topic};
    random_extents(r, &e, true);
    fill(f, r, &e, edx_result_head_keys, (char *)&f->in.as);
    fill(f, r, &e, edx_result_keys[topic], (char *)&f->in.as);
    write_result(f->pack, &f->in);
}

static void test_random_round_trip(void **state)
{
    fixture *f = *state;
    rng r = rng_new();
    for (int i = 0; i < 200; i++)
        for (edx_result_topic topic = EDX_STATUS; topic < EDX_RESULT_TOPICS; topic++) {
            make_random(f, &r, topic);
            assert_comes_back(f, topic);
        }
}

/* Reads bytes as a topic, from memory of exactly their size; whatever comes out can be written. */
static edx_status read_bytes(fixture *f, edx_result_topic topic, const void *bytes, size_t n)
{
    const edx_node *root;
    void *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    edx_status status = edx_wire_parse(f->wire, copy, n, &root, &f->err);
    if (!status)
        status = edx_result_read(topic, root, &f->out, &f->err);
    if (!status)
        write_result(f->again, &f->out);
    edx_result_clear(&f->out);
    free(copy);
    return status;
}

static void test_damaged_bytes(void **state)
{
    fixture *f = *state;
    rng r = rng_new();
    for (edx_result_topic topic = EDX_STATUS; topic < EDX_RESULT_TOPICS; topic++) {
        make_example(f, topic);
        size_t n = edx_pack_size(f->pack);
        uint8_t *bytes = malloc(n);
        assert_non_null(bytes);
        memcpy(bytes, edx_pack_data(f->pack), n);
        for (size_t i = 0; i < n; i++)
            assert_int_not_equal(read_bytes(f, topic, bytes, i), EDX_OK);
        assert_int_equal(read_bytes(f, topic, bytes, n), EDX_OK);
        for (size_t i = 0; i < n; i++)
            for (int k = 0; k < 24; k++) {
                uint8_t was = bytes[i];
                bytes[i] = (uint8_t)(k < 8 ? was ^ 1u << k : rng_next(&r));
                (void)read_bytes(f, topic, bytes, n);
                bytes[i] = was;
            }
        free(bytes);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names), TEST(test_keys),
        TEST(test_members),           TEST(test_missing_keys),
        TEST(test_refusals),          TEST(test_states),
        TEST(test_extents),           TEST(test_random_round_trip),
        TEST(test_damaged_bytes),
    };
    return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
