#include "analysis/thickness.h"

#include <math.h>

#include "analysis/xray.h"

#define ELECTRON_C 1.602176634e-19
#define DALTON_KG 1.66053906660e-27
#define ROUNDS 200
#define CLOSE 1e-12

void edx_thickness_init(edx_thickness *thickness, int method, const edx_begin *begin,
                        const edx_line *lines, uint32_t n)
{
    edx_thickness *t = thickness;
    double takeoff = begin->elevation_deg * (acos(-1) / 180);

    *t = (edx_thickness){.n = n, .method = method};
    t->electrons_per_s = begin->probe_nA > 0 ? begin->probe_nA * 1e-9 / ELECTRON_C : NAN;
    t->pixel_m2 = begin->step_nm[0] * begin->step_nm[1] * 1e-18;
    t->cosec = takeoff > 0 && sin(takeoff) > 0 ? 1 / sin(takeoff) : 0;
    for (uint32_t i = 0; i < n; i++) {
        t->factor[i] = lines[i].factor;
        t->atom_kg[i] = lines[i].atomic_weight * DALTON_KG;
        for (uint32_t j = 0; j < n; j++)
            t->attenuation[i][j] = edx_xray_attenuation(lines[j].z, lines[i].energy_eV);
    }
}

/* Mass of each element on a square metre, from corrected counts; the sum is rho t. */
static double masses(const edx_thickness *t, double pixels, double electrons, const double *net,
                     const double *a, double *mass)
{
    double sum = 0;

    for (uint32_t i = 0; i < t->n; i++) {
        double per_pixel = net[i] * a[i] / (pixels * electrons);
        mass[i] = t->method == EDX_ZETA
                      ? t->factor[i] * per_pixel
                      : per_pixel * t->atom_kg[i] / t->factor[i]; /* electrons per pixel, so area
                                                                     falls out */
        sum += mass[i];
    }
    return sum;
}

static double absorbed(const edx_thickness *t, uint32_t line, const double *mass)
{
    double chi = 0;

    for (uint32_t j = 0; j < t->n; j++)
        chi += t->attenuation[line][j] * fmax(mass[j], 0) * t->cosec;
    return chi < 1e-9 ? 1 + chi / 2 : chi / -expm1(-chi);
}

/* rho t and the corrections a [n] that belong together; NaN where they grow without end. */
static double settle(const edx_thickness *t, double pixels, double electrons, const double *net,
                     double *a, double *mass)
{
    double before, now = masses(t, pixels, electrons, net, a, mass);

    if (t->cosec <= 0)
        return now;
    for (int round = 0; round < ROUNDS; round++) {
        before = now;
        for (uint32_t i = 0; i < t->n; i++)
            a[i] = absorbed(t, i, mass);
        now = masses(t, pixels, electrons, net, a, mass);
        if (!isfinite(now))
            return NAN;
        if (fabs(now - before) <= CLOSE * fabs(now))
            return now;
    }
    return NAN;
}

double edx_thickness_correct(const edx_thickness *thickness, double pixels, double live_s,
                             double *net, double *covariance, double *atoms)
{
    const edx_thickness *t = thickness;
    double a[EDX_MAX_LINES], mass[EDX_MAX_LINES] = {0}, electrons = t->electrons_per_s * live_s;
    bool known = electrons > 0 && pixels > 0;

    for (uint32_t i = 0; i < t->n; i++)
        a[i] = 1;
    double thick = known ? settle(t, pixels, electrons, net, a, mass) : NAN;
    bool settled = isfinite(thick);
    for (uint32_t i = 0; i < t->n && atoms != NULL; i++)
        atoms[i] = settled ? mass[i] * pixels * t->pixel_m2 / t->atom_kg[i] : NAN;
    for (uint32_t i = 0; i < t->n && known; i++) {
        net[i] *= settled ? a[i] : NAN;
        for (uint32_t j = 0; j < t->n; j++)
            covariance[i * t->n + j] *= settled ? a[i] * a[j] : NAN;
    }
    return thick;
}
