/* What the machine can do, and what adding a frame's counts and mapping its lines cost beside it.
 * Prints one JSON object on one line; bench/run.py makes the table.
 *
 * usage: kernels limits
 *        kernels scene SIDE
 *        kernels maps SIDE CUBE NET < LINES
 *
 * scene adds 105 frames of SIDE x SIDE pixels, 1024 channels, 5 counts a pixel. maps reads lines of
 * six numbers (window, background, background, eV), adds 100 frames, writes the summed cube
 * (u16 [SIDE, SIDE, 1024]) and the net maps (f32 [n, SIDE, SIDE]) for others to compare with. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analysis/intensity.h"
#include "analysis/scene.h"
#include "bench/events.h"

#define CHANNELS 1024u
#define SCALE_EV 20.0
#define MEAN 5.0
#define FRAMES 105u
#define THREADS 2u
#define REPEATS 15
#define RMW_BYTES ((size_t)512 << 20)
#define RMW_CHUNKS 64u

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* "name": [min, median, max] */
static void print_spread(const char *name, double *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    printf(", \"%s\": [%.6g, %.6g, %.6g]", name, values[0], values[n / 2], values[n - 1]);
}

static void *need(void *memory)
{
    if (memory == NULL) {
        fputs("kernels: no memory\n", stderr);
        exit(EXIT_FAILURE);
    }
    return memory;
}

static void must(edx_status status, const edx_error *err)
{
    if (status != EDX_OK) {
        fprintf(stderr, "kernels: %s\n", err->text);
        exit(EXIT_FAILURE);
    }
}

/* ---- limits ---- */

static void rmw_task(void *context, uint32_t chunk, uint32_t worker)
{
    size_t n = RMW_BYTES / sizeof(uint32_t) / RMW_CHUNKS;
    uint32_t *at = (uint32_t *)context + chunk * n;

    (void)worker;
    for (size_t i = 0; i < n; i++)
        at[i] += 3;
}

/* GB/s read and written by u32 += over an array that no cache holds. */
static void measure_rmw(uint32_t *array, edx_pool *pool, const char *name)
{
    double rate[REPEATS];

    for (int r = 0; r < REPEATS; r++) {
        double start = now_ms();
        edx_pool_run(pool, RMW_CHUNKS, rmw_task, array);
        rate[r] = 2e-6 * (double)RMW_BYTES / (now_ms() - start);
    }
    print_spread(name, rate, REPEATS);
}

static void nothing(void *context, uint32_t chunk, uint32_t worker)
{
    (void)context;
    (void)chunk;
    (void)worker;
}

/* Microseconds to share a loop of two empty steps. */
static void measure_pool(edx_pool *pool)
{
    double us[REPEATS];

    for (int r = 0; r < REPEATS; r++) {
        double start = now_ms();
        for (int k = 0; k < 200; k++)
            edx_pool_run(pool, 2, nothing, NULL);
        us[r] = (now_ms() - start) * 1e3 / 200;
    }
    print_spread("pool_us", us, REPEATS);
}

static void limits(edx_pool *pool)
{
    uint32_t *array = need(malloc(RMW_BYTES));

    memset(array, 0, RMW_BYTES);
    printf("{\"threads\": %u", edx_pool_threads(pool));
    measure_rmw(array, NULL, "rmw_1_GBs");
    measure_rmw(array, pool, "rmw_2_GBs");
    measure_pool(pool);
    puts("}");
    free(array);
}

/* ---- scene ---- */

typedef struct frames {
    edx_events *frame[FRAMES];
} frames;

static frames frames_new(uint32_t side)
{
    frames f;
    bench_source *source = need(bench_source_new(CHANNELS, 0, SCALE_EV, 20241));

    for (uint32_t i = 0; i < FRAMES; i++)
        f.frame[i] = need(bench_frame_new(source, side * side, MEAN));
    bench_source_free(&source);
    return f;
}

static void frames_free(frames *f)
{
    for (uint32_t i = 0; i < FRAMES; i++)
        bench_frame_free(&f->frame[i]);
}

/* Bytes that adding a frame must move: keys read, digits read and written back as a whole, the
 * entries, and 24 bytes of sums a pixel. */
static double bytes_of(const edx_scene *scene, const edx_events *events)
{
    return 4.0 * (double)edx_scene_slots(scene) + 2.0 * events->offsets[events->pixels] +
           28.0 * events->pixels;
}

/* Milliseconds of every frame; the scene ends with all of them. */
static edx_scene *add_all(uint32_t side, const frames *f, edx_pool *pool, double *ms)
{
    edx_scene *scene = NULL;
    edx_error err;

    must(edx_scene_new(side, side, CHANNELS, &scene, &err), &err);
    must(edx_scene_set_pool(scene, pool, &err), &err);
    for (uint32_t i = 0; i < FRAMES; i++) {
        double start = now_ms();
        must(edx_scene_add(scene, 0, f->frame[i], &err), &err);
        ms[i] = now_ms() - start;
    }
    return scene;
}

/* Each frame number's time is that of the frames around it, in several runs. */
static void measure_adding(uint32_t side, const frames *f, edx_pool *pool, const char *suffix)
{
    enum { RUNS = 5, AROUND = 9 };
    double ms[FRAMES], at_10[RUNS * AROUND], at_100[RUNS * AROUND];
    char name[2][32];

    for (int r = 0; r < RUNS; r++) {
        edx_scene *scene = add_all(side, f, pool, ms);
        memcpy(at_10 + r * AROUND, ms + 5, sizeof *ms * AROUND);
        memcpy(at_100 + r * AROUND, ms + 95, sizeof *ms * AROUND);
        edx_scene_free(&scene);
    }
    (void)snprintf(name[0], sizeof name[0], "frame_10%s_ms", suffix);
    (void)snprintf(name[1], sizeof name[1], "frame_100%s_ms", suffix);
    print_spread(name[0], at_10, RUNS * AROUND);
    print_spread(name[1], at_100, RUNS * AROUND);
}

static void scene(uint32_t side, edx_pool *pool)
{
    frames f = frames_new(side);
    double ms[FRAMES];
    edx_scene *full = add_all(side, &f, pool, ms);
    const edx_events *last = f.frame[99];

    printf("{\"side\": %u, \"events\": %u, \"slots_per_pixel\": %.1f, \"bytes\": %.0f", side,
           last->offsets[last->pixels], (double)edx_scene_slots(full) / ((double)side * side),
           bytes_of(full, last));
    printf(", \"memory\": %.4f",
           (double)edx_scene_bytes(full) / (3.0 * (double)edx_scene_slots(full)));
    edx_scene_free(&full);
    measure_adding(side, &f, NULL, "_1");
    measure_adding(side, &f, pool, "_2");
    puts("}");
    frames_free(&f);
}

/* ---- maps ---- */

/* Six numbers from a line of text. */
static bool read_numbers(const char *text, double out[6])
{
    for (int i = 0; i < 6; i++) {
        char *end = NULL;
        out[i] = strtod(text, &end);
        if (end == text)
            return false;
        text = end;
    }
    return true;
}

static uint32_t read_lines(edx_line *lines)
{
    char text[512];
    double e[6];
    uint32_t n = 0;

    while (n < EDX_MAX_LINES && fgets(text, sizeof text, stdin) != NULL && read_numbers(text, e))
        lines[n++] =
            (edx_line){.window_eV = {e[0], e[1]}, .background_eV = {{e[2], e[3]}, {e[4], e[5]}}};
    return n;
}

static void write_file(const char *path, const void *data, size_t size, size_t n)
{
    FILE *file = need(fopen(path, "wb"));

    if (fwrite(data, size, n, file) != n || fclose(file) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

static void write_cube(const char *path, uint32_t side, const frames *f, uint32_t n)
{
    size_t pixels = (size_t)side * side;
    uint16_t *cube = need(calloc(pixels * CHANNELS, sizeof *cube));

    for (uint32_t i = 0; i < n; i++)
        for (size_t p = 0; p < pixels; p++)
            for (uint32_t e = f->frame[i]->offsets[p]; e < f->frame[i]->offsets[p + 1]; e++)
                cube[p * CHANNELS + f->frame[i]->channels[e]]++;
    write_file(path, cube, sizeof *cube, pixels * CHANNELS);
    free(cube);
}

/* From a frame's events to all its net maps, and with their sigmas. */
static void measure_maps(edx_intensity *in, const frames *f, float *net, float *sigma,
                         const char *suffix)
{
    double maps[REPEATS], both[REPEATS];
    char name[2][32];

    for (int r = 0; r < REPEATS; r++) {
        double start = now_ms();
        edx_intensity_add(in, 0, f->frame[r]);
        edx_intensity_maps(in, net, NULL);
        maps[r] = now_ms() - start;
        start = now_ms();
        edx_intensity_add(in, 0, f->frame[r]);
        edx_intensity_maps(in, net, sigma);
        both[r] = now_ms() - start;
    }
    (void)snprintf(name[0], sizeof name[0], "maps%s_ms", suffix);
    (void)snprintf(name[1], sizeof name[1], "maps_sigma%s_ms", suffix);
    print_spread(name[0], maps, REPEATS);
    print_spread(name[1], both, REPEATS);
}

static void maps(uint32_t side, edx_pool *pool, const char *cube, const char *out)
{
    frames f = frames_new(side);
    edx_line lines[EDX_MAX_LINES];
    uint32_t n = read_lines(lines);
    edx_axis axis = {0, SCALE_EV, CHANNELS};
    size_t map = (size_t)n * side * side;
    float *net = need(calloc(map + 1, sizeof *net)), *sigma = need(calloc(map + 1, sizeof *sigma));
    edx_intensity *in = NULL;
    edx_error err;

    must(edx_intensity_new(lines, n, &axis, 1, side, side, CHANNELS, 1, &in, &err), &err);
    for (uint32_t i = 0; i < 100; i++)
        edx_intensity_add(in, 0, f.frame[i]);
    edx_intensity_maps(in, net, sigma);
    write_cube(cube, side, &f, 100);
    write_file(out, net, sizeof *net, map);
    printf("{\"side\": %u, \"lines\": %u", side, n);
    measure_maps(in, &f, net, sigma, "_1");
    edx_intensity_set_pool(in, pool);
    measure_maps(in, &f, net, sigma, "_2");
    puts("}");
    edx_intensity_free(&in);
    frames_free(&f);
    free(net);
    free(sigma);
}

static int run(int argc, char **argv, edx_pool *pool)
{
    const char *what = argc > 1 ? argv[1] : "";
    uint32_t side = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;

    if (strcmp(what, "limits") == 0 && argc == 2)
        limits(pool);
    else if (strcmp(what, "scene") == 0 && argc == 3 && side > 0)
        scene(side, pool);
    else if (strcmp(what, "maps") == 0 && argc == 5 && side > 0)
        maps(side, pool, argv[3], argv[4]);
    else {
        fputs("usage: kernels limits | scene SIDE | maps SIDE CUBE NET < LINES\n", stderr);
        return 2;
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    edx_pool *pool = NULL;
    edx_error err;

    must(edx_pool_new(THREADS, &pool, &err), &err);
    int code = run(argc, argv, pool);
    edx_pool_free(&pool);
    return code;
}
