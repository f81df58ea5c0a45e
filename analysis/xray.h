/* Elements and their X-ray lines: what xraylib knows, in this project's units, its known errors put
 * right. The one file of the analysis that includes it. Numbers are 0 where nothing is known. */
#ifndef EDX_ANALYSIS_XRAY_H
#define EDX_ANALYSIS_XRAY_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/frame.h"

#define EDX_XRAY_ELEMENTS 98 /* highest atomic number that has lines */
#define EDX_XRAY_LINES 219   /* of one element */

/* The shell that a line's vacancy was in. */
typedef enum edx_xray_series {
    EDX_XRAY_K,
    EDX_XRAY_L,
    EDX_XRAY_M,
    EDX_XRAY_SERIES
} edx_xray_series;

typedef struct edx_xray_line {
    double energy_eV;
    double weight; /* photons per atom of a thin specimen, in one unit for all elements */
    edx_xray_series series;
} edx_xray_line;

/* Atomic number of a symbol ("Ag"); 0 when there is none such. */
int edx_xray_z(const char *symbol);
/* The symbol of an atomic number; "" when there is none such. */
void edx_xray_symbol(int z, char out[EDX_SYMBOL_SIZE]);
double edx_xray_atomic_weight(int z); /* g/mol; IUPAC 2021 */

/* HyperSpy's names of transitions ("Ka", "Lb1", ...) by index from 0: NULL after the last. */
const char *edx_xray_family_name(int family);
/* Its index; -1 when there is none of that name. */
int edx_xray_family(const char *name);
double edx_xray_family_energy(int z, int family); /* eV */
double edx_xray_family_edge(int z, int family);   /* eV, of the sub-shell that it fills */

/* Every line of an element under the beam (vacancies by Casnati, Tartari and Baraldi 1982 with
 * Coster-Kronig transfer, times yield and radiative rate) but those weaker than 1e-4 of the
 * element's strongest. Returns how many went into out; 0 for z or beam without any. */
size_t edx_xray_lines(int z, double beam_eV, edx_xray_line out[EDX_XRAY_LINES]);

/* Total mass attenuation coefficient mu / rho of an element, m2/kg (0.1 of cm2/g), from 100 eV on;
 * 0 below. */
double edx_xray_attenuation(int z, double energy_eV);

#endif
