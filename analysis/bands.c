#include "analysis/bands.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "analysis/xray.h"

#define PEAK_SHARE 0.1 /* of the highest peak */
#define PURITY 10.0    /* times what others have there */
#define CARBON 6
#define CARBON_EV 277.0

/* Of the grid, the film and the detector: they may be anywhere. */
static const int common[] = {CARBON, 8, 14, 17, 29};
enum { COMMON = sizeof common / sizeof *common };

typedef struct element {
    edx_xray_line lines[EDX_XRAY_LINES];
    size_t n;
    double resolution_eV;
} element;

/* Photons per eV. */
static double density(const element *e, double energy_eV)
{
    double sum = 0;

    for (size_t i = 0; i < e->n; i++) {
        double sigma =
            edx_windows_fwhm(e->lines[i].energy_eV, e->resolution_eV) / (2 * sqrt(2 * log(2)));
        double d = (energy_eV - e->lines[i].energy_eV) / sigma;
        if (fabs(d) < 5)
            sum += e->lines[i].weight * exp(-0.5 * d * d) / sigma;
    }
    return sum;
}

static void open_element(element *e, int z, double beam_eV, double resolution_eV)
{
    e->n = edx_xray_lines(z, beam_eV, e->lines);
    e->resolution_eV = resolution_eV;
}

static double energy_of(const edx_axis *axis, uint32_t c)
{
    return axis->offset_eV + axis->scale_eV * c;
}

static void mark_own(const edx_axis *axis, const element *e, uint8_t *band)
{
    double highest = 0;

    for (uint32_t c = 0; c < axis->channels; c++)
        highest = fmax(highest, density(e, energy_of(axis, c)));
    for (uint32_t c = 0; c < axis->channels; c++) {
        double own = density(e, energy_of(axis, c));
        band[c] = own > 0 && own >= PEAK_SHARE * highest;
    }
}

/* Takes channels out in which other is too strong. */
static void take_out(const edx_axis *axis, const element *e, const element *other, uint8_t *band)
{
    for (uint32_t c = 0; c < axis->channels; c++)
        if (band[c] && density(e, energy_of(axis, c)) < PURITY * density(other, energy_of(axis, c)))
            band[c] = 0;
}

static bool listed(const edx_line *lines, uint32_t n, int z)
{
    for (uint32_t i = 0; i < n; i++)
        if (lines[i].z == z)
            return true;
    return false;
}

void edx_bands(const edx_line *lines, uint32_t n, const edx_axis *axis, double beam_eV,
               double resolution_eV, uint8_t *band, uint8_t *apart)
{
    element own, other;
    double width = edx_windows_fwhm(CARBON_EV, resolution_eV);

    for (uint32_t i = 0; i < n; i++) {
        uint8_t *row = band + (size_t)i * axis->channels;
        open_element(&own, lines[i].z, beam_eV, resolution_eV);
        mark_own(axis, &own, row);
        for (uint32_t j = 0; j < n; j++)
            if (j != i) {
                open_element(&other, lines[j].z, beam_eV, resolution_eV);
                take_out(axis, &own, &other, row);
            }
        for (int j = 0; j < COMMON; j++)
            if (!listed(lines, n, common[j])) {
                open_element(&other, common[j], beam_eV, resolution_eV);
                take_out(axis, &own, &other, row);
            }
    }
    for (uint32_t c = 0; c < axis->channels; c++)
        apart[c] = !listed(lines, n, CARBON) && fabs(energy_of(axis, c) - CARBON_EV) < width;
}
