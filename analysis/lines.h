/* X-ray lines: energies, windows, k-factors. */
#ifndef EDX_ANALYSIS_LINES_H
#define EDX_ANALYSIS_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/windows.h"
#include "proto/frame.h"
#include "proto/settings.h"
#include "proto/status.h"

/* A line as the analysis uses it: windows in analysis channels and its factor, all decided. */
typedef struct edx_line {
    char name[EDX_LINE_SIZE];      /* "Ag_La" */
    char element[EDX_SYMBOL_SIZE]; /* "Ag" */
    int z;                         /* atomic number */
    double energy_eV;
    double window_eV[2];        /* peak window [lo, hi) */
    double background_eV[2][2]; /* two background windows */
    bool default_windows;       /* chosen here, not given */
    double k;                   /* atomic basis: C_i proportional to k_i N_i */
    double k_sigma;             /* absolute, of k */
    bool computed_k;            /* from xraylib, not given */
    double factor;              /* zeta, kg/m2, or cross-section, m2, where quant.method is that */
    double atomic_weight;
} edx_line;

/* FWHM^2 = resolution^2 + 2.45 eV (E - 5898.7 eV), resolution at Mn Ka; all in eV. */
double edx_lines_fwhm(double energy_eV, double resolution_eV);

/* The windows of a resolved line alone. */
edx_windows edx_lines_windows(const edx_line *line);

/* The energies that the analysis uses, [lo, hi) of channel centres: analysis.energy_eV, or for auto
 * everything, from 100 eV on when begin's axis starts below 0 (a strobe peak is no X-rays) unless
 * all of axis, the analysis', lies below 100 eV. */
void edx_lines_range(const edx_settings *settings, const edx_begin *begin, const edx_axis *axis,
                     double range_eV[2]);

/* Energy of a line by HyperSpy's name ("Ag_La", "Au_Ma", "Fe_Ka", "Cu_Kb", ...). UNKNOWN names the
 * element or family that xraylib does not know and what was expected. */
edx_status edx_lines_energy(const char *name, double *energy_eV, edx_error *err);

/* The lines to quantify, in the settings' order; where the settings name none, one line for each of
 * begin's elements (the best family that the beam excites and the axis holds; an element that has
 * none is left out: no operator's list may cost the data); where neither names any, none (*n = 0).
 * Windows that are not given are chosen to keep clear of every other line of the listed elements
 * and of C, O, Si, Cu, Cl; a k that is not given is computed from xraylib, with a relative sigma of
 * 20 % (K), 30 % (L) or 60 % (M), on a scale where the last line's is 1. Errors: UNKNOWN line;
 * RANGE for a window without channels on the axis, or where some lines have a k and others none;
 * MISSING where quant.method needs a factor that a line has not. */
edx_status edx_lines_resolve(const edx_settings *settings, const edx_begin *begin,
                             const edx_axis *axis, edx_line *out, uint32_t *n, edx_error *err);

/* Whether the settings give every line the factors that quant.method needs: what they do not, no
 * acquisition can be quantified with, though one key set after the other must pass through it.
 * MISSING or RANGE as above. */
edx_status edx_lines_check(const edx_settings *settings, edx_error *err);

#endif
