/* Geometry of a scene: how many atoms of each element the beam meets where. */
#ifndef EDX_INSTRUMENT_SPECIMEN_H
#define EDX_INSTRUMENT_SPECIMEN_H

#include <stdint.h>

#include "instrument/scenes.h"

/* Particles consist of the scene's first two elements. */
#define EDX_SPECIMEN_ELEMENTS 2

typedef struct edx_specimen edx_specimen;

/* Projects the particles of a scene and blurs them with its probe. The scene must outlive it. NULL
 * without memory. */
edx_specimen *edx_specimen_new(const edx_scenes_scene *scene);
void edx_specimen_free(edx_specimen **specimen);

/* Fraction of the first element at distance r_nm from the particle's centre, in space. */
double edx_specimen_fraction(const edx_scenes_particle *particle, double r_nm);

/* Atoms per nm2 of element (0 or 1) that a probe at rho_nm from the particle's projected centre
 * meets in that particle, probe blur included. */
double edx_specimen_column(const edx_specimen *specimen, uint32_t particle, uint32_t element,
                           double rho_nm);

/* Atoms per nm2 of element in all particles at each of size x size pixels of step_nm, the specimen
 * having moved by shift_nm [dy, dx]. */
void edx_specimen_map(const edx_specimen *specimen, uint32_t element, uint32_t size, double step_nm,
                      const double shift_nm[2], double *out);

/* Atoms of element in the whole particle, integrated in space. */
double edx_specimen_atoms(const edx_specimen *specimen, uint32_t particle, uint32_t element);

#endif
