#include "bench/grains.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "instrument/sampler.h"

#define STEPS 48    /* along a chord */
#define WAVE_NM 2.6 /* of the onion's shells */
#define PI 3.14159265358979323846

struct grain_source {
    edx_simulator *simulator;
    edx_sampler *sampler;
    uint32_t size, pixels, channels;
    double step_nm;
    double per_atom[2]; /* counts a frame for one unit of map */
    double *map;        /* [2, pixels] */
    double sum[2];
};

static const char *const names[] = {"flat",  "weak", "strong", "inverted", "thin",   "linear",
                                    "onion", "step", "small",  "paper",    "tilted", "two-faced"};

const char *grain_name(grain_shape shape)
{
    return names[shape];
}

/* ---- shapes ---- */

static double uniform(edx_random *random, double lo, double hi)
{
    return lo + (hi - lo) * edx_random_unit(random);
}

void grain_draw(grain_shape shape, uint64_t seed, grain *out)
{
    edx_random random;

    edx_random_seed(&random, seed, 1000);
    out->shape = shape;
    out->diameter_nm = shape == GRAIN_SMALL ? uniform(&random, 4, 6) : uniform(&random, 6, 10);
    if (shape >= GRAIN_SHAPES)
        out->diameter_nm = 8.0;
    out->centre_nm[0] = uniform(&random, 7.4, 8.4);
    out->centre_nm[1] = uniform(&random, 7.4, 8.4);
    out->level = shape >= GRAIN_SHAPES ? 0 : uniform(&random, -GRAIN_LEVEL, GRAIN_LEVEL);
    out->turn = uniform(&random, 0, 2 * PI);
}

/* From core to shell, 2 nm under the surface but no deeper than half way, in width nm. */
static double shelled(double radius, double r, double core, double shell, double depth,
                      double width)
{
    double x = (r - fmax(radius - depth, radius / 2)) / width + 0.5;
    double t = fmin(fmax(x, 0), 1);
    return core + (shell - core) * t * t * (3 - 2 * t);
}

static double round_fraction(grain_shape shape, double radius, double r)
{
    switch (shape) {
    case GRAIN_FLAT:
        return 0.535;
    case GRAIN_WEAK:
        return shelled(radius, r, 0.52, 0.55, 2, 1);
    case GRAIN_STRONG:
        return shelled(radius, r, 0.43, 0.63, 2, 1);
    case GRAIN_INVERTED:
        return shelled(radius, r, 0.58, 0.49, 2, 1);
    case GRAIN_THIN:
        return shelled(radius, r, 0.50, 0.66, 0.8, 0.3);
    case GRAIN_LINEAR:
        return 0.47 + 0.13 * r / radius;
    case GRAIN_ONION:
        return 0.535 + 0.06 * cos(2 * PI * (radius - r) / WAVE_NM);
    case GRAIN_STEP:
        return shelled(radius, r, 0.49, 0.58, 2, 0.01);
    default:
        return shelled(radius, r, 0.49, 0.58, 2, 1);
    }
}

double grain_fraction(const grain *g, const double at_nm[3])
{
    double along = at_nm[0] * sin(g->turn) + at_nm[1] * cos(g->turn);
    double r = sqrt(at_nm[0] * at_nm[0] + at_nm[1] * at_nm[1] + at_nm[2] * at_nm[2]);
    double radius = g->diameter_nm / 2;

    if (g->shape == GRAIN_TILTED)
        return 0.535 + 0.06 * along / radius;
    if (g->shape == GRAIN_TWO_FACED)
        return along > 0 ? 0.58 : 0.49;
    return g->level + round_fraction(g->shape, radius, r);
}

/* ---- projection ---- */

/* Adds the chord at y, x (from the centre), weighted, to both elements' column. */
static void add_chord(const grain *g, double y, double x, double weight, double column[2])
{
    double radius = g->diameter_nm / 2, square = radius * radius - y * y - x * x;

    if (square <= 0)
        return;
    double half = sqrt(square), sum = 0;
    for (int i = 0; i < STEPS; i++) {
        const double at[3] = {y, x, (2 * (i + 0.5) / STEPS - 1) * half};
        sum += grain_fraction(g, at);
    }
    column[0] += weight * 2 * half * sum / STEPS;
    column[1] += weight * 2 * half * (1 - sum / STEPS);
}

/* The probe as three by three points: Gauss-Hermite, so that second moments are exact. */
static void add_probe(const grain *g, double sigma, double y, double x, double column[2])
{
    static const double node[3] = {-1.7320508075688772, 0, 1.7320508075688772};
    static const double weight[3] = {1.0 / 6, 2.0 / 3, 1.0 / 6};

    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            add_chord(g, y + sigma * node[i], x + sigma * node[j], weight[i] * weight[j], column);
}

const double *grain_source_place(grain_source *source, const grain *g)
{
    double sigma = edx_simulator_settings(source->simulator)->scene->probe_nm / 2.3548;
    edx_error err = {0};

    source->sum[0] = source->sum[1] = 0;
    for (uint32_t p = 0; p < source->pixels; p++) {
        double column[2] = {0, 0};
        add_probe(g, sigma, p / source->size * source->step_nm - g->centre_nm[0],
                  p % source->size * source->step_nm - g->centre_nm[1], column);
        for (uint32_t e = 0; e < 2; e++) {
            source->map[e * source->pixels + p] = column[e];
            source->sum[e] += column[e];
        }
    }
    for (uint32_t e = 0; e < 2; e++)
        if (edx_sampler_map(source->sampler, e, source->map + e * source->pixels, &err) != EDX_OK)
            fprintf(stderr, "grains: %s\n", err.text);
    return source->map;
}

/* ---- source ---- */

static int add_components(grain_source *source)
{
    double *map = source->map;
    const double still[2] = {0, 0};
    const edx_specimen *specimen = edx_simulator_specimen(source->simulator);

    for (uint32_t c = 0; c < edx_simulator_components(source->simulator); c++)
        if (edx_sampler_add(source->sampler, edx_simulator_spectrum(source->simulator, c), NULL) !=
            EDX_OK)
            return 0;
    double density = edx_simulator_settings(source->simulator)->scene->atoms_per_nm3;
    for (uint32_t e = 0; e < 2; e++) {
        double sum = 0;
        edx_specimen_map(specimen, e, source->size, source->step_nm, still, map);
        for (uint32_t p = 0; p < source->pixels; p++)
            sum += map[p];
        source->per_atom[e] = edx_simulator_expected(source->simulator, e) / sum * density;
    }
    return 1;
}

grain_source *grain_source_new(void)
{
    edx_simulator_options options;
    edx_error err = {0};
    grain_source *source = calloc(1, sizeof *source);

    if (!source)
        return NULL;
    edx_simulator_defaults(edx_scenes_find("agau-8nm"), 1, &options);
    source->size = options.size;
    source->pixels = options.size * options.size;
    source->channels = options.scene->channels;
    source->step_nm = options.scene->step_nm;
    source->map = calloc((size_t)2 * source->pixels, sizeof *source->map);
    source->sampler = edx_sampler_new(source->pixels, source->channels);
    if (source->map && source->sampler &&
        edx_simulator_new(&options, &source->simulator, &err) == EDX_OK && add_components(source))
        return source;
    fprintf(stderr, "grains: no source of particles %s\n", err.text);
    grain_source_free(&source);
    return NULL;
}

void grain_source_free(grain_source **source)
{
    if (!*source)
        return;
    edx_simulator_free(&(*source)->simulator);
    edx_sampler_free(&(*source)->sampler);
    free((*source)->map);
    free(*source);
    *source = NULL;
}

const edx_simulator *grain_source_simulator(const grain_source *source)
{
    return source->simulator;
}

/* Counts a frame of component c, and their share within a mask of so many pixels' sum of map. */
static double mean_of(const grain_source *source, uint32_t c)
{
    return c < 2 ? source->per_atom[c] * source->sum[c]
                 : edx_simulator_expected(source->simulator, c);
}

void grain_source_expected(const grain_source *source, const grain *g, double reach_nm,
                           double frames, double *spectrum)
{
    double part[EDX_SIMULATOR_COMPONENTS] = {0}, inside = 0;

    for (uint32_t p = 0; p < source->pixels; p++) {
        double y = p / source->size * source->step_nm - g->centre_nm[0];
        double x = p % source->size * source->step_nm - g->centre_nm[1];
        if (hypot(y, x) >= reach_nm)
            continue;
        inside += 1.0 / source->pixels;
        for (uint32_t e = 0; e < 2; e++)
            part[e] += source->map[e * source->pixels + p] / source->sum[e];
    }
    for (uint32_t c = 0; c < source->channels; c++)
        spectrum[c] = 0;
    for (uint32_t i = 0; i < edx_simulator_components(source->simulator); i++) {
        const double *shape = edx_simulator_spectrum(source->simulator, i);
        double counts = frames * mean_of(source, i) * (i < 2 ? part[i] : inside);
        for (uint32_t c = 0; c < source->channels; c++)
            spectrum[c] += counts * shape[c];
    }
}

int grain_source_counts(grain_source *source, uint64_t seed, uint64_t part, double frames,
                        edx_events *out)
{
    double mean[EDX_SIMULATOR_COMPONENTS];
    edx_random random;

    for (uint32_t c = 0; c < edx_simulator_components(source->simulator); c++)
        mean[c] = frames * mean_of(source, c);
    edx_random_seed(&random, seed, part);
    return edx_sampler_draw(source->sampler, &random, mean, out, NULL) == EDX_OK;
}
