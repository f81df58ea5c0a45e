/* The specimens that the simulator knows, as one table of numbers. */
#ifndef EDX_INSTRUMENT_SCENES_H
#define EDX_INSTRUMENT_SCENES_H

#include <stddef.h>
#include <stdint.h>

#define EDX_SCENES_ELEMENTS 4
#define EDX_SCENES_PARTICLES 4
#define EDX_SCENES_FILM 4

/* An element of the specimen with the line that quantifies it: all its lines between lo and hi eV
 * are that peak. */
typedef struct edx_scenes_element {
    const char *symbol; /* NULL ends the list */
    const char *line;   /* "Ag_La" */
    double peak_eV[2];
} edx_scenes_element;

/* A sphere of the first two elements. The first has the fraction core inside r = R - shell_nm (at
 * least R / 2) and shell outside, with a smooth step gradient_nm wide between them. */
typedef struct edx_scenes_particle {
    double centre_nm[2]; /* [y, x] from the centre of pixel (0, 0) */
    double diameter_nm;
    double core, shell;
    double shell_nm, gradient_nm;
} edx_scenes_particle;

typedef struct edx_scenes_scene {
    const char *name, *about;
    uint32_t size; /* pixels a side */
    double step_nm, dwell_s;
    uint64_t frames;
    double beam_keV, probe_nA, probe_nm; /* probe_nm: FWHM */
    uint32_t channels;
    double scale_eV; /* channel 0 is centred on 0 eV */
    edx_scenes_element elements[EDX_SCENES_ELEMENTS];
    double k_atomic;      /* C_0 / C_1 = k N_0 / N_1; 0: as the physics has it */
    double atoms_per_nm3; /* of the particles */
    edx_scenes_particle particles[EDX_SCENES_PARTICLES];
    uint32_t n_particles;
    double sheet_fraction[EDX_SCENES_ELEMENTS]; /* a uniform sheet of the elements */
    double sheet_per_nm2;                       /* its atoms; 0: none */
    double film_per_nm2;                        /* atoms of the supporting film */
    double stray_per_nm2; /* copper that would give the stray spectrum of the grid */
} edx_scenes_scene;

/* The supporting and covering film: amorphous carbon with traces. */
typedef struct edx_scenes_film {
    const char *symbol;
    double fraction;
} edx_scenes_film;

size_t edx_scenes_count(void);
const edx_scenes_scene *edx_scenes_at(size_t index);
/* NULL when there is none of that name. */
const edx_scenes_scene *edx_scenes_find(const char *name);
/* [EDX_SCENES_FILM] */
const edx_scenes_film *edx_scenes_film_elements(void);

#endif
