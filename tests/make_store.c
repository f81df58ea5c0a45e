/* Writes the example as cube.hspy and results.h5 into a folder, for interop_store.py. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/store_example.h"

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

/* What an instrument may leave out. */
static void strip(edx_begin *begin)
{
    begin->has_detector = false;
    begin->detector[0] = '\0';
    begin->solid_angle_sr = begin->elevation_deg = begin->azimuth_deg = NAN;
    begin->resolution_eV = begin->probe_nA = NAN;
    begin->n_elements = 2;
    snprintf(begin->elements[0], sizeof begin->elements[0], "Pt");
    snprintf(begin->elements[1], sizeof begin->elements[1], "Fe");
}

static edx_status write_cube(char **argv, edx_error *err)
{
    const uint32_t rows = number(argv[2]);
    const uint32_t cols = number(argv[3]);
    const uint32_t channels = number(argv[4]);
    const bool bare = strcmp(argv[7], "bare") == 0;
    edx_begin begin = example_begin(rows, cols, channels);
    snprintf(begin.title, sizeof begin.title, "%s", argv[6]);
    if (bare) {
        strip(&begin);
    }
    edx_scene *scene = example_scene(rows, cols, channels, number(argv[5]));
    double *live = bare ? NULL : example_live_time(rows * cols);
    const edx_store_lines used = {example_lines, bare ? 0 : EXAMPLE_LINES, 1};
    const edx_status status = edx_store_cube(argv[1], scene, &begin, &used, live, err);
    free(live);
    edx_scene_free(&scene);
    return status;
}

static edx_status write_results(const char *dir, edx_error *err)
{
    example_messages m = example_results(2);
    const edx_status status = edx_store_results(dir, m.message, EXAMPLE_MESSAGES, m.config,
                                                m.config_size, "0.1.0-test", err);
    example_results_clear(&m);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: make_store DIR ROWS COLS CHANNELS EXTRA TITLE full|bare\n");
        return 2;
    }
    edx_error err = {0};
    edx_status status = write_cube(argv, &err);
    if (!status) {
        status = write_results(argv[1], &err);
    }
    if (status) {
        fprintf(stderr, "make_store: %s\n", err.text);
    }
    return status ? 1 : 0;
}
