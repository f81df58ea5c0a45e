#include "tests/store_example.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/result.h"

static void must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "store_example: %s\n", what);
        exit(1);
    }
}

/* ---- the cube ---- */

uint32_t example_count(uint32_t pixel, uint32_t channel)
{
    uint32_t h = pixel * 2654435761u + channel * 40503u + 12345u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    return h % 97 == 0 ? h / 97 % 1000 : 0;
}

static void add_row(edx_scene *scene, uint32_t row, uint32_t cols, uint32_t channels,
                    uint32_t extra)
{
    uint32_t *offsets = calloc((size_t)cols + 1, sizeof *offsets);
    uint16_t *list = malloc((size_t)cols * channels * sizeof *list);
    uint32_t *weights = malloc((size_t)cols * channels * sizeof *weights);
    must(offsets && list && weights, "no memory");
    uint32_t n = 0;
    for (uint32_t x = 0; x < cols; x++) {
        for (uint32_t e = 0; e < channels; e++) {
            const uint32_t more = row + x + e == 0 ? extra : 0;
            const uint32_t count = example_count(row * cols + x, e) + more;
            if (count > 0) {
                list[n] = (uint16_t)e;
                weights[n++] = count;
            }
        }
        offsets[x + 1] = n;
    }
    const edx_events events = {cols, offsets, list, weights};
    must(edx_scene_add(scene, row, &events, NULL) == EDX_OK, "a row cannot be added");
    free(offsets);
    free(list);
    free(weights);
}

edx_scene *example_scene(uint32_t rows, uint32_t cols, uint32_t channels, uint32_t extra)
{
    edx_scene *scene = NULL;
    must(edx_scene_new(rows, cols, channels, &scene, NULL) == EDX_OK, "no scene");
    for (uint32_t y = 0; y < rows; y++) {
        add_row(scene, y, cols, channels, extra);
    }
    return scene;
}

edx_begin example_begin(uint32_t rows, uint32_t cols, uint32_t channels)
{
    edx_begin begin = {
        .head = {.acq = "example-1", .t = 1.0},
        .rows = rows,
        .cols = cols,
        .step_nm = {0.5, 0.25},
        .dwell_s = 1e-5,
        .channels = channels,
        .offset_eV = -480.0,
        .scale_eV = 10.0,
        .beam_keV = 200.0,
        .has_detector = true,
        .detector = "SuperX",
        .solid_angle_sr = 0.7,
        .elevation_deg = 18.0,
        .azimuth_deg = 45.0,
        .resolution_eV = 131.0,
        .probe_nA = 0.12,
    };
    return begin;
}

const edx_line example_lines[EXAMPLE_LINES] = {
    {.name = "Au_Ma", .element = "Au", .z = 79, .energy_eV = 2122.9},
    {.name = "Ag_La", .element = "Ag", .z = 47, .energy_eV = 2984.4},
};

double *example_live_time(uint32_t pixels)
{
    double *live = malloc(pixels * sizeof *live);
    must(live != NULL, "no memory");
    for (uint32_t p = 0; p < pixels; p++) {
        live[p] = 0.001 * (p + 1);
    }
    return live;
}

/* ---- messages ---- */

static void put_head(edx_pack *pack, size_t more)
{
    edx_pack_map(pack, 3 + more);
    edx_pack_text(pack, "v");
    edx_pack_uint(pack, 1);
    edx_pack_text(pack, "acq");
    edx_pack_text(pack, "example-1");
    edx_pack_text(pack, "t");
    edx_pack_float(pack, 1.5);
}

static void put_texts(edx_pack *pack, const char *const *texts, size_t n)
{
    edx_pack_list(pack, n);
    for (size_t i = 0; i < n; i++) {
        edx_pack_text(pack, texts[i]);
    }
}

static void put_array(edx_pack *pack, const char *key, edx_array array)
{
    edx_pack_text(pack, key);
    edx_pack_array(pack, &array);
}

static void put_maps(edx_pack *pack)
{
    static const char *const lines[] = {"Au_Ma", "Ag_La"};
    const float fraction[2][1][3] = {{{0.25f, NAN, 0.5f}}, {{0.75f, NAN, 0.5f}}};
    const uint32_t exposure[1][3] = {{3, 2, 4294967295u}};
    static float large[200][300];
    for (uint32_t i = 0; i < 200 * 300; i++) {
        large[i / 300][i % 300] = (float)(i % 1013);
    }
    put_head(pack, 6);
    edx_pack_text(pack, "lines");
    put_texts(pack, lines, 2);
    edx_pack_text(pack, "step_nm");
    edx_pack_floats(pack, (const double[]){0.5, 0.25}, 2);
    put_array(pack, "atomic_fraction", edx_array_3(EDX_F4, fraction, 2, 1, 3));
    put_array(pack, "exposure", edx_array_2(EDX_U4, exposure, 1, 3));
    put_array(pack, "large", edx_array_2(EDX_F4, large, 200, 300));
    put_array(pack, "empty", edx_array_2(EDX_F8, NULL, 0, 3));
}

static void put_composition(edx_pack *pack)
{
    edx_pack_map(pack, 2);
    edx_pack_text(pack, "Au");
    edx_pack_floats(pack, (const double[]){0.51, 0.01}, 2);
    edx_pack_text(pack, "Ag");
    edx_pack_floats(pack, (const double[]){0.49, 0.01}, 2);
}

static void put_radial(edx_pack *pack)
{
    const double r[] = {0.25, 0.75, 1.25};
    edx_pack_map(pack, 3);
    put_array(pack, "r_nm", edx_array_1(EDX_F8, r, 3));
    edx_pack_text(pack, "quantified");
    edx_pack_list(pack, 3);
    edx_pack_bool(pack, true);
    edx_pack_bool(pack, true);
    edx_pack_bool(pack, false);
    edx_pack_text(pack, "denoised_check");
    edx_pack_map(pack, 2);
    edx_pack_text(pack, "dof");
    edx_pack_uint(pack, 8);
    edx_pack_text(pack, "passed");
    edx_pack_bool(pack, true);
}

static void put_particle(edx_pack *pack, uint32_t id)
{
    edx_pack_map(pack, 4);
    edx_pack_text(pack, "id");
    edx_pack_uint(pack, id);
    edx_pack_text(pack, "centre_nm");
    edx_pack_floats(pack, (const double[]){1.0, 2.0 + id}, 2);
    edx_pack_text(pack, "composition");
    put_composition(pack);
    edx_pack_text(pack, "radial");
    put_radial(pack);
}

static void put_particles(edx_pack *pack, uint32_t n)
{
    put_head(pack, 2);
    edx_pack_text(pack, "particles");
    edx_pack_list(pack, n);
    for (uint32_t i = 0; i < n; i++) {
        put_particle(pack, i);
    }
    edx_pack_text(pack, "systematic");
    edx_pack_map(pack, 1);
    edx_pack_text(pack, "Au");
    edx_pack_float(pack, 0.007);
}

/* Lists of every kind. */
static void put_lists(edx_pack *pack)
{
    edx_pack_text(pack, "none");
    edx_pack_list(pack, 0);
    edx_pack_text(pack, "whole");
    edx_pack_list(pack, 2);
    edx_pack_int(pack, -1);
    edx_pack_uint(pack, 7);
    edx_pack_text(pack, "mixed");
    edx_pack_list(pack, 3);
    edx_pack_uint(pack, 1);
    edx_pack_float(pack, 0.5);
    edx_pack_nil(pack);
    edx_pack_text(pack, "table");
    edx_pack_list(pack, 3);
    for (int i = 0; i < 3; i++) {
        edx_pack_floats(pack, (const double[]){i, i + 0.5}, 2);
    }
    edx_pack_text(pack, "ragged");
    edx_pack_list(pack, 2);
    edx_pack_floats(pack, (const double[]){1.0}, 1);
    edx_pack_floats(pack, (const double[]){1.0, 2.0}, 2);
    edx_pack_text(pack, "anything");
    edx_pack_list(pack, 2);
    edx_pack_text(pack, "text");
    edx_pack_map(pack, 1);
    edx_pack_text(pack, "inside");
    edx_pack_bool(pack, true);
}

static void put_scalars(edx_pack *pack)
{
    edx_pack_text(pack, "below");
    edx_pack_int(pack, -5);
    edx_pack_text(pack, "huge");
    edx_pack_uint(pack, UINT64_MAX);
    edx_pack_text(pack, "nothing");
    edx_pack_nil(pack);
    edx_pack_text(pack, "unknown");
    edx_pack_float(pack, NAN);
    edx_pack_text(pack, "off");
    edx_pack_bool(pack, false);
    edx_pack_text(pack, "message");
    edx_pack_text(pack, "drift of 3 \xc3\x85"); /* Å */
    edx_pack_text(pack, "blank");
    edx_pack_text(pack, "");
    edx_pack_text(pack, "bytes");
    edx_pack_bin(pack, "\0\1\2", 3);
    edx_pack_text(pack, "a/b");
    edx_pack_uint(pack, 1);
    edx_pack_text(pack, ".");
    edx_pack_uint(pack, 2);
}

static void put_config(edx_pack *pack)
{
    edx_pack_map(pack, 2);
    edx_pack_text(pack, "analysis");
    edx_pack_map(pack, 1);
    edx_pack_text(pack, "bin_energy");
    edx_pack_uint(pack, 4);
    edx_pack_text(pack, "quant");
    edx_pack_map(pack, 1);
    edx_pack_text(pack, "lines");
    edx_pack_list(pack, 1);
    edx_pack_map(pack, 2);
    edx_pack_text(pack, "line");
    edx_pack_text(pack, "Au_Ma");
    edx_pack_text(pack, "k");
    edx_pack_float(pack, 1.25);
}

static void *take(edx_pack *pack, size_t *size)
{
    void *bytes = edx_pack_take(pack, size);
    must(bytes != NULL, "a message cannot be written");
    return bytes;
}

example_messages example_results(uint32_t particles)
{
    example_messages m = {
        .message = {{.topic = "edx.maps"}, {.topic = "edx.particles"}, {.topic = "edx.alarm"}}};
    edx_pack *pack = edx_pack_new();
    must(pack != NULL, "no memory");
    put_maps(pack);
    m.message[0].body = take(pack, &m.message[0].size);
    put_particles(pack, particles);
    m.message[1].body = take(pack, &m.message[1].size);
    put_head(pack, 16);
    put_lists(pack);
    put_scalars(pack);
    m.message[2].body = take(pack, &m.message[2].size);
    put_config(pack);
    m.config = take(pack, &m.config_size);
    edx_pack_free(&pack);
    return m;
}

void example_results_clear(example_messages *messages)
{
    for (size_t i = 0; i < EXAMPLE_MESSAGES; i++) {
        free((void *)messages->message[i].body);
    }
    free(messages->config);
}

/* ---- what maps.hspy shows ---- */

#define MAP_ROWS 3u
#define MAP_COLS 3u
#define MAX_RINGS 512u

double example_ring(uint32_t particle, uint32_t line, uint32_t ring)
{
    return 1000.0 * particle + 500.0 * line + ring + 0.25;
}

static void write_spectrum(edx_pack *pack)
{
    const double sum[4] = {1, 2, 3, 4};
    const uint32_t total[MAP_ROWS * MAP_COLS] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
    const edx_spectrum_result r = {
        .head = {.head = {.acq = "example-1", .t = 1.5}, .frames = 12},
        .offset_eV = -400.0,
        .scale_eV = 40.0,
        .sum = edx_array_1(EDX_F8, sum, 4),
        .total = edx_array_2(EDX_U4, total, MAP_ROWS, MAP_COLS),
    };
    edx_spectrum_write(pack, &r);
}

static void write_maps(edx_pack *pack)
{
    const float net[EXAMPLE_LINES][MAP_ROWS][MAP_COLS] = {{{1, 2, 3}}, {{4, 5, NAN}}};
    edx_maps_result r = {
        .head = {.head = {.acq = "example-1", .t = 1.5}, .frames = 12},
        .n = EXAMPLE_LINES,
        .intensity = edx_array_3(EDX_F4, net, EXAMPLE_LINES, MAP_ROWS, MAP_COLS),
    };
    for (int i = 0; i < EXAMPLE_LINES; i++) {
        memcpy(r.lines[i], example_lines[i].name, sizeof r.lines[i]);
        memcpy(r.elements[i], example_lines[i].element, sizeof r.elements[i]);
    }
    edx_maps_write(pack, &r);
}

/* Of one particle, for as long as its message is not written. */
typedef struct rings {
    double r_nm[MAX_RINGS];
    double counts[EXAMPLE_LINES * MAX_RINGS];
} rings;

static void fill_particle(uint32_t id, rings *values, edx_particle *out)
{
    const uint32_t m = id + 1;
    for (uint32_t i = 0; i < EXAMPLE_LINES * m; i++) {
        values->counts[i] = example_ring(id, i / m, i % m);
        values->r_nm[i % m] = 0.5 * (i % m + 0.5);
    }
    out->id = id;
    out->radial.m = m;
    out->radial.r_nm = edx_array_1(EDX_F8, values->r_nm, m);
    out->radial.counts = edx_array_2(EDX_F8, values->counts, EXAMPLE_LINES, m);
}

static void write_particles(edx_pack *pack, uint32_t n)
{
    must(n <= MAX_RINGS, "too many particles");
    edx_particle *particles = calloc(n + 1, sizeof *particles);
    rings *values = calloc(n + 1, sizeof *values);
    bool *quantified = calloc(n + 1, sizeof *quantified);
    must(particles && values && quantified, "no memory");
    for (uint32_t p = 0; p < n; p++) {
        fill_particle(p, &values[p], &particles[p]);
        particles[p].radial.quantified = quantified;
    }
    const edx_particles_result r = {
        .head = {.head = {.acq = "example-1", .t = 1.5}}, .count = n, .particles = particles};
    edx_particles_write(pack, &r);
    free(particles);
    free(values);
    free(quantified);
}

void example_signals(uint32_t particles, edx_store_message messages[EXAMPLE_SIGNALS])
{
    edx_pack *pack = edx_pack_new();
    must(pack != NULL, "no memory");
    write_spectrum(pack);
    messages[0].topic = "edx.spectrum";
    messages[0].body = take(pack, &messages[0].size);
    write_maps(pack);
    messages[1].topic = "edx.maps";
    messages[1].body = take(pack, &messages[1].size);
    write_particles(pack, particles);
    messages[2].topic = "edx.particles";
    messages[2].body = take(pack, &messages[2].size);
    edx_pack_free(&pack);
}
