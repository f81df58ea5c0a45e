#include "instrument/scenes.h"

#include <string.h>

/* AgAu as in Moreira et al., Small 2024 (10.1002/sml.202411151): 64 x 64 px of 0.25 nm, 4096
 * channels of 5 eV, 100 frames of 1 ms, 80 kV, 0.3 nm probe, 1 sr, particles between films of
 * carbon; k(Ag La, Au Ma) = 1.44. Core and shell are fractions in space: a projection always looks
 * through the shell, so that its gradient is about two thirds as large. The probe current makes 493
 * counts a pixel in 100 frames over the map of agau-8nm, the 500 of the design: 5 a frame, 11 where
 * the particle is and 3.4 beside it. */
#define PAPER_SCAN                                                                                 \
    .size = 64, .step_nm = 0.25, .dwell_s = 1e-3, .frames = 100, .beam_keV = 80.0,                 \
    .probe_nA = 0.7, .probe_nm = 0.3, .channels = 4096, .scale_eV = 5.0

#define AGAU                                                                                       \
    .elements = {{"Ag", "Ag_La", {2930.0, 3030.0}}, {"Au", "Au_Ma", {2060.0, 2270.0}}},            \
    .k_atomic = 1.44, .atoms_per_nm3 = 58.8

/* 20 nm of carbon at 2.0 g/cm3, and what the copper grid sends from elsewhere. */
#define CARBON .film_per_nm2 = 2000.0, .stray_per_nm2 = 30.0

#define SPHERE(y, x, diameter, in, out)                                                            \
    {                                                                                              \
        .centre_nm = {y, x}, .diameter_nm = diameter, .core = in, .shell = out, .shell_nm = 2.0,   \
        .gradient_nm = 1.0                                                                         \
    }

static const edx_scenes_scene scenes[] = {
    {.name = "agau-8nm",
     .about = "AgAu sphere of 8 nm, core 0.49 Ag, shell 0.58 Ag, between carbon films (80 kV)",
     PAPER_SCAN,
     AGAU,
     CARBON,
     .particles = {SPHERE(8.06, 7.63, 8.0, 0.49, 0.58)},
     .n_particles = 1},
    {.name = "agau-two",
     .about = "two AgAu spheres, 6 and 9 nm, core 0.49 Ag, shell 0.58 Ag",
     PAPER_SCAN,
     AGAU,
     CARBON,
     .particles = {SPHERE(4.4, 4.2, 6.0, 0.49, 0.58), SPHERE(10.55, 10.7, 9.0, 0.49, 0.58)},
     .n_particles = 2},
    {.name = "agau-flat",
     .about = "AgAu sphere of 8 nm without segregation: 0.535 Ag throughout",
     PAPER_SCAN,
     AGAU,
     CARBON,
     .particles = {SPHERE(8.06, 7.63, 8.0, 0.535, 0.535)},
     .n_particles = 1},
    {.name = "agau-inverted",
     .about = "AgAu sphere of 8 nm, core 0.58 Ag, shell 0.49 Ag: gold outside",
     PAPER_SCAN,
     AGAU,
     CARBON,
     .particles = {SPHERE(8.06, 7.63, 8.0, 0.58, 0.49)},
     .n_particles = 1},
    {.name = "agau-4nm",
     .about = "AgAu sphere of 4 nm, core 0.49 Ag, shell 0.58 Ag: the smallest of the paper",
     PAPER_SCAN,
     AGAU,
     CARBON,
     .particles = {SPHERE(7.7, 8.1, 4.0, 0.49, 0.58)},
     .n_particles = 1},
    {.name = "agau-10nm",
     .about = "AgAu sphere of 10 nm, core 0.49 Ag, shell 0.58 Ag: the largest of the paper",
     PAPER_SCAN,
     AGAU,
     CARBON,
     .particles = {SPHERE(7.95, 7.8, 10.0, 0.49, 0.58)},
     .n_particles = 1},
    {.name = "film-3",
     .about = "uniform film of 20 nm Ti 0.2 Fe 0.5 Ni 0.3 on carbon, no particle (80 kV)",
     PAPER_SCAN,
     .elements = {{"Ti", "Ti_Ka", {4480.0, 4540.0}},
                  {"Fe", "Fe_Ka", {6360.0, 6440.0}},
                  {"Ni", "Ni_Ka", {7430.0, 7510.0}}},
     .sheet_fraction = {0.2, 0.5, 0.3},
     .sheet_per_nm2 = 1600.0,
     CARBON},
    {.name = "fept-200kv",
     .about =
         "FePt sphere of 8 nm, core 0.40 Fe, shell 0.60 Fe, on carbon (200 kV, 10 eV channels)",
     .size = 64,
     .step_nm = 0.25,
     .dwell_s = 1e-3,
     .frames = 100,
     .beam_keV = 200.0,
     .probe_nA = 0.7,
     .probe_nm = 0.2,
     .channels = 2048,
     .scale_eV = 10.0,
     .elements = {{"Fe", "Fe_Ka", {6360.0, 6440.0}}, {"Pt", "Pt_La", {9340.0, 9470.0}}},
     .atoms_per_nm3 = 72.7,
     CARBON,
     .particles = {SPHERE(8.06, 7.63, 8.0, 0.40, 0.60)},
     .n_particles = 1},
};

static const edx_scenes_film film[EDX_SCENES_FILM] = {
    {"C", 0.970}, {"O", 0.020}, {"Si", 0.0095}, {"Cl", 0.0005}};

size_t edx_scenes_count(void)
{
    return sizeof scenes / sizeof *scenes;
}

const edx_scenes_scene *edx_scenes_at(size_t index)
{
    return index < edx_scenes_count() ? &scenes[index] : NULL;
}

const edx_scenes_scene *edx_scenes_find(const char *name)
{
    for (size_t i = 0; i < edx_scenes_count(); i++)
        if (strcmp(scenes[i].name, name) == 0)
            return &scenes[i];
    return NULL;
}

const edx_scenes_film *edx_scenes_film_elements(void)
{
    return film;
}
