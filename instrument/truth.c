#include "instrument/truth.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING_NM 0.5
#define FAR_NM 1e9
#define RADIAL_STEP_NM 0.1

double edx_truth_ring(const edx_simulator *simulator, uint32_t particle, double from_nm,
                      double to_nm, double fraction[2])
{
    const edx_simulator_options *options = edx_simulator_settings(simulator);
    const double *centre = options->scene->particles[particle].centre_nm;
    double step = edx_simulator_step_nm(simulator);
    double sum[2] = {0.0, 0.0};
    for (uint32_t row = 0; row < options->size; row++)
        for (uint32_t col = 0; col < options->size; col++) {
            double rho = hypot(row * step - centre[0], col * step - centre[1]);
            if (rho < from_nm || rho >= to_nm)
                continue;
            for (uint32_t e = 0; e < 2; e++)
                sum[e] += edx_specimen_column(edx_simulator_specimen(simulator), particle, e, rho);
        }
    double all = sum[0] + sum[1];
    for (uint32_t e = 0; e < 2; e++)
        fraction[e] = all > 0.0 ? sum[e] / all : 0.0;
    return all * step * step;
}

static void print_pair(FILE *file, const char *key, const edx_scenes_scene *scene,
                       const double fraction[2])
{
    fprintf(file, "\"%s\": {\"%s\": %.8g, \"%s\": %.8g}", key, scene->elements[0].symbol,
            fraction[0], scene->elements[1].symbol, fraction[1]);
}

/* "projected": rings as a perfect analysis would see them; "space": the fraction by radius. */
static void print_radial(FILE *file, const edx_simulator *simulator, uint32_t particle)
{
    const edx_scenes_scene *scene = edx_simulator_settings(simulator)->scene;
    const edx_scenes_particle *sphere = &scene->particles[particle];
    double radius = sphere->diameter_nm / 2.0;
    int rings = (int)ceil(radius / RING_NM - 1e-9);
    double fraction[2];
    fprintf(file, "     \"radial\": {\"r_nm\": [");
    for (int i = 0; i < rings; i++)
        fprintf(file, "%s%.8g", i ? ", " : "", (i + 0.5) * RING_NM);
    for (uint32_t e = 0; e < 2; e++) {
        fprintf(file, "], \"%s\": [", scene->elements[e].symbol);
        for (int i = 0; i < rings; i++) {
            double atoms =
                edx_truth_ring(simulator, particle, i * RING_NM, (i + 1) * RING_NM, fraction);
            if (atoms > 0.0)
                fprintf(file, "%s%.8g", i ? ", " : "", fraction[e]);
            else
                fprintf(file, "%snull", i ? ", " : "");
        }
    }
    fprintf(file, "]},\n     \"radial_in_space\": {\"r_nm\": [");
    int steps = (int)(radius / RADIAL_STEP_NM + 0.5);
    for (int i = 0; i <= steps; i++)
        fprintf(file, "%s%.8g", i ? ", " : "", i * RADIAL_STEP_NM);
    fprintf(file, "], \"%s\": [", scene->elements[0].symbol);
    for (int i = 0; i <= steps; i++)
        fprintf(file, "%s%.8g", i ? ", " : "", edx_specimen_fraction(sphere, i * RADIAL_STEP_NM));
    fprintf(file, "]}");
}

static void print_particle(FILE *file, const edx_simulator *simulator, uint32_t particle)
{
    const edx_scenes_scene *scene = edx_simulator_settings(simulator)->scene;
    const edx_scenes_particle *sphere = &scene->particles[particle];
    const edx_specimen *specimen = edx_simulator_specimen(simulator);
    double atoms[2] = {edx_specimen_atoms(specimen, particle, 0),
                       edx_specimen_atoms(specimen, particle, 1)};
    double whole = atoms[0] + atoms[1];
    double composition[2] = {atoms[0] / whole, atoms[1] / whole};
    double radius = sphere->diameter_nm / 2.0;
    double limit = fmax(radius - 2.0, radius / 2.0);
    double core[2], shell[2];
    edx_truth_ring(simulator, particle, 0.0, limit, core);
    edx_truth_ring(simulator, particle, limit, FAR_NM, shell);
    fprintf(file,
            "    {\"centre_nm\": [%.8g, %.8g], \"diameter_nm\": %.8g, \"atoms\": %.8g,\n     ",
            sphere->centre_nm[0], sphere->centre_nm[1], sphere->diameter_nm, whole);
    print_pair(file, "composition", scene, composition);
    fprintf(file, ",\n     \"core_radius_nm\": %.8g, ", limit);
    print_pair(file, "core", scene, core);
    fprintf(file, ", ");
    print_pair(file, "shell", scene, shell);
    fprintf(file, ",\n");
    print_radial(file, simulator, particle);
    fprintf(file, "}");
}

static void print_particles(FILE *file, const edx_simulator *simulator)
{
    uint32_t n = edx_simulator_settings(simulator)->scene->n_particles;
    fprintf(file, "  \"particles\": [");
    for (uint32_t p = 0; p < n; p++) {
        fprintf(file, "%s\n", p ? "," : "");
        print_particle(file, simulator, p);
    }
    fprintf(file, "],\n");
}

static void print_sheet(FILE *file, const edx_simulator *simulator)
{
    const edx_scenes_scene *scene = edx_simulator_settings(simulator)->scene;
    if (scene->sheet_per_nm2 <= 0.0)
        return;
    fprintf(file, "  \"sheet\": {\"atoms_per_nm2\": %.8g, \"composition\": {",
            scene->sheet_per_nm2);
    for (uint32_t e = 0; e < edx_simulator_elements(simulator); e++)
        fprintf(file, "%s\"%s\": %.8g", e ? ", " : "", scene->elements[e].symbol,
                scene->sheet_fraction[e]);
    fprintf(file, "}},\n");
}

static void print_peaks(FILE *file, const edx_simulator *simulator)
{
    const edx_simulator_peak *peaks = edx_simulator_peaks(simulator);
    uint32_t n = edx_simulator_elements(simulator);
    fprintf(file, "  \"k\": {");
    for (uint32_t e = 0; e < n; e++)
        fprintf(file, "%s\"%s\": %.8g", e ? ", " : "", peaks[e].element->line, peaks[e].k);
    fprintf(file, "},\n  \"k_basis\": \"atomic\",\n  \"calibration\": %.8g,\n  \"lines\": [",
            edx_simulator_calibration(simulator));
    for (uint32_t e = 0; e < n; e++) {
        fprintf(
            file,
            "%s\n    {\"line\": \"%s\", \"element\": \"%s\", \"from_eV\": %.8g, \"to_eV\": %.8g, "
            "\"barn\": %.8g, \"counts_per_atom\": %.8g, \"counted\": [",
            e ? "," : "", peaks[e].element->line, peaks[e].element->symbol,
            peaks[e].element->peak_eV[0], peaks[e].element->peak_eV[1], peaks[e].barn,
            peaks[e].counts_per_atom);
        for (uint32_t i = 0; i < peaks[e].n_lines; i++)
            fprintf(file, "%s\"%s\"", i ? ", " : "", peaks[e].lines[i]);
        fprintf(file, "]}");
    }
    fprintf(file, "],\n");
}

static void print_track(FILE *file, edx_simulator *simulator)
{
    uint64_t frames = edx_simulator_settings(simulator)->frames;
    double nm[2];
    fprintf(file, "  \"drift_nm\": [");
    for (uint64_t f = 0; f < frames; f++) {
        edx_simulator_moved(simulator, f, nm);
        fprintf(file, "%s[%.8g, %.8g]", f ? ", " : "", nm[0], nm[1]);
    }
    fprintf(file, "],\n");
}

static void print_expected(FILE *file, const edx_simulator *simulator)
{
    double sum = 0.0;
    fprintf(file, "  \"expected_counts_by_component\": {");
    for (uint32_t c = 0; c < edx_simulator_components(simulator); c++) {
        double expected = edx_simulator_expected(simulator, c);
        sum += expected;
        fprintf(file, "%s\"%s\": %.8g", c ? ", " : "", edx_simulator_component_name(simulator, c),
                expected);
    }
    fprintf(file, "},\n  \"expected_counts_per_frame\": %.8g\n", sum);
}

static void print(FILE *file, edx_simulator *simulator)
{
    const edx_simulator_options *options = edx_simulator_settings(simulator);
    double step = edx_simulator_step_nm(simulator);
    fprintf(file,
            "{\n  \"scene\": \"%s\",\n  \"acq\": \"%s\",\n  \"seed\": %" PRIu64
            ",\n  \"frames\": %" PRIu64 ",\n  \"rows\": %u,\n  \"cols\": %u,\n",
            options->scene->name, options->acq, options->seed, options->frames, options->size,
            options->size);
    fprintf(file,
            "  \"step_nm\": [%.8g, %.8g],\n  \"beam_keV\": %.8g,\n  \"dose\": %.8g,\n"
            "  \"probe_nA\": %.8g,\n  \"drift_nm_per_frame\": [%.8g, %.8g],\n"
            "  \"wander_nm_per_frame\": %.8g,\n  \"damage\": %.8g,\n  \"decay\": %.8g,\n",
            step, step, options->scene->beam_keV, options->dose,
            options->scene->probe_nA * options->dose, options->drift_nm[0], options->drift_nm[1],
            options->wander_nm, options->damage, options->decay);
    print_track(file, simulator);
    print_particles(file, simulator);
    print_sheet(file, simulator);
    print_peaks(file, simulator);
    print_expected(file, simulator);
    fprintf(file, "}\n");
}

edx_status edx_truth_write(edx_simulator *simulator, const char *path, edx_error *err)
{
    size_t n = strlen(path) + sizeof ".part";
    char *aside = malloc(n);
    if (!aside)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    snprintf(aside, n, "%s.part", path);
    FILE *file = fopen(aside, "w");
    bool ok = file != NULL;
    if (file) {
        print(file, simulator);
        ok = ferror(file) == 0;
        ok = fclose(file) == 0 && ok;
    }
    if (!ok || rename(aside, path) != 0) {
        edx_fail(err, EDX_E_IO, "%s: %s, expected a file that can be written", path,
                 strerror(errno));
        remove(aside);
        ok = false;
    }
    free(aside);
    return ok ? EDX_OK : EDX_E_IO;
}
