/* Frames of counts with a realistic spectrum, for the benchmarks: a few peaks on a falling
 * background, so that 100 frames of 5 counts fill about 120 channels of a pixel. */
#ifndef EDX_BENCH_EVENTS_H
#define EDX_BENCH_EVENTS_H

#include <stdint.h>

#include "proto/frame.h"

typedef struct bench_source bench_source;

/* Spectrum of channels channels, first one at offset_eV, scale_eV wide. NULL without memory. */
bench_source *bench_source_new(uint32_t channels, double offset_eV, double scale_eV, uint64_t seed);
void bench_source_free(bench_source **source);

/* One frame of pixels pixels, Poisson with mean counts each; NULL without memory. */
edx_events *bench_frame_new(bench_source *source, uint32_t pixels, double mean);
void bench_frame_free(edx_events **frame);

#endif
