/* How much of it there is: mass thickness and atoms, by zeta-factors or cross-sections, and what
 * the specimen itself absorbs. */
#ifndef EDX_ANALYSIS_THICKNESS_H
#define EDX_ANALYSIS_THICKNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/lines.h"
#include "proto/frame.h"

typedef struct edx_thickness {
    uint32_t n;
    int method;
    double electrons_per_s; /* NaN: probe current unknown */
    double pixel_m2;        /* of a scan pixel */
    double cosec;           /* of the take-off angle; 0: unknown, absorption is not corrected */
    double factor[EDX_MAX_LINES]; /* zeta, kg/m2, or cross-section, m2 */
    double atom_kg[EDX_MAX_LINES];
    double attenuation[EDX_MAX_LINES][EDX_MAX_LINES]; /* [line][element] mu / rho, m2/kg */
} edx_thickness;

/* For n lines of edx_lines_resolve with quant.method zeta or cross-section. */
void edx_thickness_init(edx_thickness *thickness, int method, const edx_begin *begin,
                        const edx_line *lines, uint32_t n);

/* Corrects net counts [n] of pixels scan pixels that were looked at for live_s each (on average),
 * and their covariance [n, n], for absorption in the specimen, A = chi / (1 - exp(-chi)), chi =
 * (mu / rho) rho t cosec(take-off), mu / rho of the composition that results, until it changes no
 * more (Watanabe & Williams 2006). atoms [n] (may be NULL) there are in all. Returns the mean mass
 * thickness rho t, kg/m2. Where the current is unknown: NaN everywhere, the counts as they were.
 * Where no thickness explains so many counts: NaN in the counts too. */
double edx_thickness_correct(const edx_thickness *thickness, double pixels, double live_s,
                             double *net, double *covariance, double *atoms);

#endif
