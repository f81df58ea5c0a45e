/* Where to count: peak and background windows of a line among its neighbours. Pure numbers. */
#ifndef EDX_ANALYSIS_WINDOWS_H
#define EDX_ANALYSIS_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The analysis' energy axis. */
typedef struct edx_axis {
    double offset_eV; /* centre of channel 0 */
    double scale_eV;
    uint32_t channels;
} edx_axis;

/* One X-ray line of one element; weight: photons in one unit for all elements, for as many atoms of
 * each as may be there. */
typedef struct edx_emission {
    double energy_eV;
    double weight;
    int z;
} edx_emission;

/* The neighbourhood in which windows are chosen. */
typedef struct edx_surroundings {
    edx_axis axis;
    double range_eV[2]; /* channels whose centre is in [lo, hi) may be used */
    double resolution_eV;
    const edx_emission *emissions; /* of every element that may be there */
    size_t n;
} edx_surroundings;

/* The windows of one line. */
typedef struct edx_windows {
    int z; /* its element */
    double energy_eV;
    double window_eV[2];        /* peak window [lo, hi) */
    double background_eV[2][2]; /* two background windows */
} edx_windows;

/* FWHM^2 = resolution^2 + 2.45 eV (E - 5898.7 eV), resolution at Mn Ka; all in eV. */
double edx_windows_fwhm(double energy_eV, double resolution_eV);

/* Share of a line's Gaussian that falls into [lo, hi). */
double edx_windows_share(double energy_eV, double resolution_eV, const double window_eV[2]);

/* First channel of axis whose centre E_c = offset_eV + scale_eV * index, each step rounded to a
 * double, is not below energy; channels where there is none. So [first(lo), first(hi)) are the
 * channels with lo <= E_c < hi. An infinite energy is no limit. */
uint32_t edx_windows_first(const edx_axis *axis, double energy_eV);

/* Number of channels of axis whose centre E_c has lo <= E_c < hi, limited to range (NULL: all). */
size_t edx_windows_channels(const edx_axis *axis, const double range_eV[2],
                            const double window_eV[2]);

/* Counts that the windows of line yield per photon weight of its own element: the peak window's
 * share of every line of the element, less what the background windows take for background. */
double edx_windows_response(const edx_surroundings *around, const edx_windows *line);
/* The same sum over every other element, each as abundant as its weights say: what is not ours. */
double edx_windows_foreign(const edx_surroundings *around, const edx_windows *line);

/* The windows of line as the linear functional that they are: net = sum of row [axis->channels]
 * times counts. 1 on the peak; on the backgrounds what makes n times the straight line through
 * their mean levels, taken at the peak's middle. False, and a row of zeros, when a window holds no
 * channel or the backgrounds have one midpoint. */
bool edx_windows_row(const edx_axis *axis, const edx_windows *line, double *row);

/* Sets line->window_eV for line->energy_eV, z; false when it leaves the range. */
bool edx_windows_peak(const edx_surroundings *around, edx_windows *line);
/* Sets line->background_eV for the line's peak window; false when one side has no room. */
bool edx_windows_background(const edx_surroundings *around, edx_windows *line);

#endif
