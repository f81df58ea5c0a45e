/* What an element in the beam sends into the detector: lines, bremsstrahlung, efficiency. The one
 * file behind this header is the only one of the instrument that includes xraylib.
 *
 * Thin-specimen model: every atom in the beam counts by itself; absorption and fluorescence inside
 * the specimen (under 1 % for Ag L and Au M in 30 nm) are left out. Cross-sections are in barn per
 * atom, all directions together; counts = electrons * atoms/area * barn * solid angle / 4 pi. */
#ifndef EDX_INSTRUMENT_PHYSICS_H
#define EDX_INSTRUMENT_PHYSICS_H

#include <stdint.h>

#include "proto/frame.h"
#include "proto/status.h"

#define EDX_PHYSICS_LINES 96

/* The spectrometer and the beam. */
typedef struct edx_physics {
    double beam_keV;
    double resolution_eV; /* FWHM at Mn Ka */
    uint32_t channels;
    double offset_eV, scale_eV; /* centre of channel 0, channel width */
} edx_physics;

/* One characteristic line, as detected. */
typedef struct edx_physics_line {
    char name[8];     /* IUPAC with the vacancy first: "L3M5" */
    double energy_eV; /* xraylib (Bearden, Deslattes) */
    double barn;      /* vacancies * fluorescence yield * radiative rate * detector efficiency */
} edx_physics_line;

/* Atomic number of a symbol; 0 when there is none such. */
int edx_physics_z(const char *symbol);
double edx_physics_weight(int z); /* g/mol */

/* Cross-section, barn, of one shell of n electrons bound with edge_eV under electrons of beam_eV:
 * Casnati, Tartari and Baraldi 1982 (J. Phys. B 15, 155), with its relativistic factor; made for K
 * shells, used for L and M shells as well, where the yields are uncertain by more. 0 at or below
 * the edge. */
double edx_physics_ionisation(double beam_eV, double edge_eV, double electrons);

/* Detected share of photons that reach the detector: 40 nm Si3N4 and 30 nm Al window, 30 nm dead
 * layer, 0.45 mm crystal (total attenuation of xraylib); 0 below 100 eV, where the discriminator
 * cuts. */
double edx_physics_efficiency(double energy_eV);

/* Kramers' bremsstrahlung cross-section of a thin target, barn per eV and atom, before the
 * detector: 16 pi / (3 sqrt 3) alpha r_e^2 Z^2 / (beta^2 E); 0 above the beam's energy. */
double edx_physics_bremsstrahlung(int z, double beam_keV, double energy_eV);

/* FWHM of the detector, eV: FWHM^2 = resolution^2 + 2.45 eV (E - 5898.7 eV). */
double edx_physics_fwhm(double energy_eV, double resolution_eV);

/* All lines of an element that the beam excites: K, L1 to L3 and M1 to M5 vacancies, with
 * Coster-Kronig transfer inside L and inside M. UNKNOWN element. */
edx_status edx_physics_lines(const edx_physics *physics, const char *element,
                             edx_physics_line out[EDX_PHYSICS_LINES], uint32_t *n, edx_error *err);

/* Adds amount, spread by the detector's Gaussian round energy_eV, to spectrum [channels]. */
void edx_physics_add_line(const edx_physics *physics, double energy_eV, double amount,
                          double *spectrum);
/* Adds the detected bremsstrahlung of one atom, times amount. */
void edx_physics_add_bremsstrahlung(const edx_physics *physics, int z, double amount,
                                    double *spectrum);

#endif
