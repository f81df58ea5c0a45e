#include "bench/events.h"

#include <math.h>
#include <stdlib.h>

#define ALIASES 65536u /* table of channels, each as often as it is likely */

struct bench_source {
    uint64_t state;
    uint16_t table[ALIASES];
};

typedef struct peak {
    double energy_eV, share;
} peak;

/* C K, O K, Cu L, Al K, Si K, Au M, Ag L (three), Cu K, Au L: shares of the counts. */
static const peak peaks[] = {{277, 0.10},  {525, 0.03},  {930, 0.06},  {1487, 0.02},
                             {1740, 0.03}, {2123, 0.16}, {2984, 0.12}, {3151, 0.06},
                             {3348, 0.02}, {8046, 0.08}, {9713, 0.04}};

static uint64_t next(bench_source *source)
{
    uint64_t z = (source->state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double uniform(bench_source *source)
{
    return (double)(next(source) >> 11) * 0x1p-53;
}

/* Relative rate at an energy: Kramers' background with absorption below, and the peaks. */
static double rate(double e, double scale_eV)
{
    double sum = e < 100 ? 0 : 0.065 * scale_eV * exp(-e / 3500) / 3500 * (1 - exp(-e / 500)) * 1.2;

    for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++) {
        double sigma = sqrt(130 * 130 + 2.45 * (peaks[i].energy_eV - 5898.7)) / 2.3548;
        double x = (e - peaks[i].energy_eV) / sigma;
        sum += peaks[i].share * scale_eV / (sigma * 2.5066) * exp(-0.5 * x * x);
    }
    return sum;
}

static void fill_table(bench_source *source, uint32_t channels, double offset_eV, double scale_eV)
{
    double total = 0, sum = 0;
    uint32_t at = 0;

    for (uint32_t c = 0; c < channels; c++)
        total += rate(offset_eV + c * scale_eV, scale_eV);
    for (uint32_t c = 0; c < channels; c++) {
        sum += rate(offset_eV + c * scale_eV, scale_eV);
        while (at < ALIASES && at < sum / total * ALIASES)
            source->table[at++] = (uint16_t)c;
    }
    while (at < ALIASES)
        source->table[at++] = (uint16_t)(channels - 1);
}

bench_source *bench_source_new(uint32_t channels, double offset_eV, double scale_eV, uint64_t seed)
{
    bench_source *source = malloc(sizeof *source);

    if (source == NULL)
        return NULL;
    source->state = seed;
    fill_table(source, channels, offset_eV, scale_eV);
    return source;
}

void bench_source_free(bench_source **source)
{
    free(*source);
    *source = NULL;
}

/* Knuth's product of uniforms; mean is small. */
static uint32_t poisson(bench_source *source, double mean)
{
    double limit = exp(-mean), product = uniform(source);
    uint32_t n = 0;

    for (; product > limit; n++)
        product *= uniform(source);
    return n;
}

edx_events *bench_frame_new(bench_source *source, uint32_t pixels, double mean)
{
    edx_events *frame = calloc(1, sizeof *frame);
    uint32_t *offsets = malloc(sizeof *offsets * (pixels + 1));
    uint16_t *channels = NULL;

    if (offsets != NULL) {
        offsets[0] = 0;
        for (uint32_t p = 0; p < pixels; p++)
            offsets[p + 1] = offsets[p] + poisson(source, mean);
        channels = malloc(sizeof *channels * (offsets[pixels] + 1));
    }
    if (frame == NULL || channels == NULL) {
        free(channels);
        free(offsets);
        free(frame);
        return NULL;
    }
    for (uint32_t i = 0; i < offsets[pixels]; i++)
        channels[i] = source->table[next(source) % ALIASES];
    *frame = (edx_events){.pixels = pixels, .offsets = offsets, .channels = channels};
    return frame;
}

void bench_frame_free(edx_events **frame)
{
    if (*frame != NULL) {
        free((void *)(uintptr_t)(*frame)->offsets);
        free((void *)(uintptr_t)(*frame)->channels);
    }
    free(*frame);
    *frame = NULL;
}
