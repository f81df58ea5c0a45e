/* Which elements a spectrum shows: peaks explained by whole elements. */
#ifndef EDX_ANALYSIS_ELEMENTS_H
#define EDX_ANALYSIS_ELEMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/templates.h"
#include "analysis/windows.h"
#include "proto/frame.h"
#include "proto/settings.h"
#include "proto/status.h"

typedef struct edx_elements edx_elements;

typedef struct edx_found {
    int z;
    char symbol[EDX_SYMBOL_SIZE];
    char line[EDX_LINE_SIZE]; /* of its series that is seen best: "Fe_Ka"; "" where none is */
    double net, sigma;        /* counts of all lines of that series */
    double share; /* of the atoms of all that are no instrument, by computed yields: to a factor */
    bool given;   /* by the operator */
    bool instrument; /* what microscope, grid, film and detector show of themselves, not given */
    bool quantify;   /* given, or where nothing is given: a sample's, 2 % of its atoms or more */
} edx_found;

/* Everything that finding works with. RANGE when the range holds no channel, NOMEM. */
edx_status edx_elements_new(const edx_axis *axis, const double range_eV[2], double beam_keV,
                            edx_elements **out, edx_error *err);
void edx_elements_free(edx_elements **elements);

/* Finds elements in a spectrum [E] (counts). The strongest peak above 6 sigma that nothing explains
 * yet goes to the element that explains most of what is unexplained with all its series that the
 * beam excites, in ratios within a factor of three of xraylib's; and so on. sigma includes 3 % of
 * the lines found there, so that no element is made of what a strong line leaves over; what may be
 * an escape or a sum peak of one makes none either. given [n_given] are the operator's, found
 * whatever the spectrum. out has room for EDX_MAX_LINES; given ones first, in their order, then by
 * significance. A function of the spectrum alone. NUMERIC when it is not finite. */
edx_status edx_elements_find(edx_elements *elements, const double *spectrum,
                             const edx_response *response, const int *given, uint32_t n_given,
                             edx_found *out, uint32_t *n, edx_error *err);

#endif
