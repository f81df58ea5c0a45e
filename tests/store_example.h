/* A cube and messages that test_store.c checks and that make_store.c writes for interop_store.py,
 * which knows the same numbers by its own arithmetic. */
#ifndef EDX_TESTS_STORE_EXAMPLE_H
#define EDX_TESTS_STORE_EXAMPLE_H

#include "daemon/store.h"
#include "proto/wire.h"

/* Counts of a voxel: about 1 in 97 is not zero, and then below 1000. */
uint32_t example_count(uint32_t pixel, uint32_t channel);

/* A scene of these counts, extra more in the first voxel. Exits on failure. */
edx_scene *example_scene(uint32_t rows, uint32_t cols, uint32_t channels, uint32_t extra);

/* A begin that gives everything, without title and elements. */
edx_begin example_begin(uint32_t rows, uint32_t cols, uint32_t channels);

#define EXAMPLE_LINES 2
extern const edx_line example_lines[EXAMPLE_LINES]; /* Au_Ma, Ag_La */

/* Live time of pixel p: 0.001 (p + 1) s. Exits on failure; free() it. */
double *example_live_time(uint32_t pixels);

#define EXAMPLE_MESSAGES 3
typedef struct example_messages {
    edx_store_message message[EXAMPLE_MESSAGES]; /* maps, particles, alarm */
    void *config;
    size_t config_size;
} example_messages;

/* Messages with every kind of value; edx.particles lists so many. Exits on failure. */
example_messages example_results(uint32_t particles);
void example_results_clear(example_messages *messages);

#define EXAMPLE_BIN 2u /* scan pixels to a pixel's side */
#define EXAMPLE_SIGNALS 3

/* Messages edx.spectrum, edx.maps and edx.particles of a scan of 6 x 7; particle p has p + 1 rings
 * of 0.5 nm with example_ring(p, line, ring) net counts. Exits on failure; free() the bodies. */
void example_signals(uint32_t particles, edx_store_message messages[EXAMPLE_SIGNALS]);
double example_ring(uint32_t particle, uint32_t line, uint32_t ring);

#endif
