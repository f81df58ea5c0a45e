#include "instrument/specimen.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_NM 0.01 /* step of a radial table */
#define REACH_SIGMA 4.0
#define FWHM_PER_SIGMA 2.3548200450309493
#define PI 3.14159265358979323846

/* Column density by distance from the centre, in steps of TABLE_NM. */
typedef struct table {
    uint32_t n;
    double *value;
} table;

struct edx_specimen {
    const edx_scenes_scene *scene;
    table columns[EDX_SCENES_PARTICLES][EDX_SPECIMEN_ELEMENTS];
};

double edx_specimen_fraction(const edx_scenes_particle *particle, double r_nm)
{
    double radius = particle->diameter_nm / 2.0;
    double core = fmax(radius - particle->shell_nm, radius / 2.0);
    double x = (r_nm - core) / particle->gradient_nm + 0.5;
    double t = fmin(fmax(x, 0.0), 1.0);
    return particle->core + (particle->shell - particle->core) * t * t * (3.0 - 2.0 * t);
}

static double share(const edx_scenes_particle *particle, uint32_t element, double r_nm)
{
    double first = edx_specimen_fraction(particle, r_nm);
    return element == 0 ? first : 1.0 - first;
}

/* Integral of the fraction along the chord at rho, by the midpoint rule. */
static double chord(const edx_scenes_particle *particle, uint32_t element, double rho)
{
    double radius = particle->diameter_nm / 2.0;
    if (rho >= radius)
        return 0.0;
    const int steps = 400;
    double half = sqrt(radius * radius - rho * rho);
    double sum = 0.0;
    for (int i = 0; i < steps; i++) {
        double z = (i + 0.5) / steps * half;
        sum += share(particle, element, sqrt(rho * rho + z * z));
    }
    return 2.0 * half * sum / steps;
}

static double lookup(const table *columns, double rho)
{
    double at = rho / TABLE_NM;
    if (at >= (double)(columns->n - 1))
        return 0.0;
    uint32_t i = (uint32_t)at;
    double part = at - i;
    return columns->value[i] * (1.0 - part) + columns->value[i + 1] * part;
}

/* Gauss-Hermite nodes and weights for 7 points (Abramowitz and Stegun, table 25.10), the weights
 * divided by sqrt(pi). */
static const double nodes[7] = {-2.651961356835233, -1.673551628767471, -0.816287882858965, 0.0,
                                0.816287882858965,  1.673551628767471,  2.651961356835233};
static const double node_weights[7] = {
    0.000971781245099519 / 1.7724538509055160, 0.0545155828191270 / 1.7724538509055160,
    0.425607252610128 / 1.7724538509055160,    0.810264617556807 / 1.7724538509055160,
    0.425607252610128 / 1.7724538509055160,    0.0545155828191270 / 1.7724538509055160,
    0.000971781245099519 / 1.7724538509055160};

/* The sharp table seen by a Gaussian probe whose centre is at rho. */
static double blurred(const table *sharp, double rho, double sigma)
{
    double sum = 0.0;
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 7; j++) {
            double x = rho + sqrt(2.0) * sigma * nodes[i];
            double y = sqrt(2.0) * sigma * nodes[j];
            sum += node_weights[i] * node_weights[j] * lookup(sharp, sqrt(x * x + y * y));
        }
    return sum;
}

static bool tabulate(const edx_scenes_scene *scene, const edx_scenes_particle *particle,
                     uint32_t element, table *out)
{
    double sigma = scene->probe_nm / FWHM_PER_SIGMA;
    table sharp = {.n = 0};
    sharp.n = out->n =
        (uint32_t)((particle->diameter_nm / 2.0 + REACH_SIGMA * sigma) / TABLE_NM) + 2;
    sharp.value = calloc(sharp.n, sizeof *sharp.value);
    out->value = calloc(out->n, sizeof *out->value);
    bool ok = sharp.value && out->value;
    for (uint32_t i = 0; ok && i < sharp.n; i++)
        sharp.value[i] = scene->atoms_per_nm3 * chord(particle, element, i * TABLE_NM);
    for (uint32_t i = 0; ok && i < out->n; i++)
        out->value[i] = blurred(&sharp, i * TABLE_NM, sigma);
    free(sharp.value);
    return ok;
}

edx_specimen *edx_specimen_new(const edx_scenes_scene *scene)
{
    edx_specimen *specimen = calloc(1, sizeof *specimen);
    if (!specimen)
        return NULL;
    specimen->scene = scene;
    for (uint32_t p = 0; p < scene->n_particles; p++)
        for (uint32_t e = 0; e < EDX_SPECIMEN_ELEMENTS; e++)
            if (!tabulate(scene, &scene->particles[p], e, &specimen->columns[p][e])) {
                edx_specimen_free(&specimen);
                return NULL;
            }
    return specimen;
}

void edx_specimen_free(edx_specimen **specimen)
{
    if (!*specimen)
        return;
    for (uint32_t p = 0; p < EDX_SCENES_PARTICLES; p++)
        for (uint32_t e = 0; e < EDX_SPECIMEN_ELEMENTS; e++)
            free((*specimen)->columns[p][e].value);
    free(*specimen);
    *specimen = NULL;
}

double edx_specimen_column(const edx_specimen *specimen, uint32_t particle, uint32_t element,
                           double rho_nm)
{
    return lookup(&specimen->columns[particle][element], rho_nm);
}

void edx_specimen_map(const edx_specimen *specimen, uint32_t element, uint32_t size, double step_nm,
                      const double shift_nm[2], double *out)
{
    memset(out, 0, (size_t)size * size * sizeof *out);
    for (uint32_t p = 0; p < specimen->scene->n_particles; p++) {
        const double *centre = specimen->scene->particles[p].centre_nm;
        const table *columns = &specimen->columns[p][element];
        for (uint32_t row = 0; row < size; row++)
            for (uint32_t col = 0; col < size; col++) {
                double dy = row * step_nm - centre[0] - shift_nm[0];
                double dx = col * step_nm - centre[1] - shift_nm[1];
                out[(size_t)row * size + col] += lookup(columns, sqrt(dy * dy + dx * dx));
            }
    }
}

double edx_specimen_atoms(const edx_specimen *specimen, uint32_t particle, uint32_t element)
{
    const edx_scenes_particle *sphere = &specimen->scene->particles[particle];
    const int steps = 4000;
    double width = sphere->diameter_nm / 2.0 / steps;
    double sum = 0.0;
    for (int i = 0; i < steps; i++) {
        double r = (i + 0.5) * width;
        sum += r * r * share(sphere, element, r);
    }
    return 4.0 * PI * specimen->scene->atoms_per_nm3 * sum * width;
}
