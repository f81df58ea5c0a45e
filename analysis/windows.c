#include "analysis/windows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The peak window's edges lie this far (FWHM) from the outermost line of the peak, at the channel
 * edge where what the window takes of the element comes nearest to all of the peak: where a
 * neighbour of the same element (Ag Lb beside La) leaks in, it makes up for the tail that is cut
 * off. So a k that holds for whole peaks holds for these windows, whatever the line. A wider window
 * costs noise where the background dominates. */
#define PEAK_NEAR 0.6
#define PEAK_FAR 1.25
#define PEAK_NOISE 0.004 /* of a FWHM more, as a fraction of the peak */
#define PEAK_STEPS 32    /* places tried per FWHM */
#define PEAK_PLACES ((int)((PEAK_FAR - PEAK_NEAR) * PEAK_STEPS) + 1)
/* A line of the same element this near (FWHM) and this strong is one peak with ours (Au Ma and Mb)
 * and the window takes it in. */
#define SAME_PEAK 1.0
#define SAME_PEAK_WEIGHT 0.25

#define REACH 12         /* FWHM from the peak window within which a background is looked for */
#define STEPS 8          /* places tried per FWHM */
#define LONGEST_TAIL 5.0 /* sigma beyond which a Gaussian is nothing */

/* What a pair of background windows costs, as a fraction of the peak: the lines that leak into it,
 * others counted threefold since their element may be the more abundant one; the curvature of the
 * bremsstrahlung between the windows (1/E, one tenth of the peak); and the noise of narrow windows,
 * weighed such that halving their width is worth half a percent of bias. */
#define OWN 2.0
#define FOREIGN 4.0
#define BREMSSTRAHLUNG 0.1
#define NOISE 0.005

static const double widths[] = {1.0, 0.75, 0.5}; /* FWHM */
#define WIDTHS (sizeof widths / sizeof widths[0])
#define CANDIDATES ((REACH * STEPS + 1) * WIDTHS)

double edx_windows_fwhm(double energy_eV, double resolution_eV)
{
    double square = resolution_eV * resolution_eV + 2.45 * (energy_eV - 5898.7);
    return sqrt(fmax(square, 1.0));
}

double edx_windows_share(double energy_eV, double resolution_eV, const double window_eV[2])
{
    double sigma = edx_windows_fwhm(energy_eV, resolution_eV) / (2.0 * sqrt(2.0 * log(2.0)));
    double lo = (window_eV[0] - energy_eV) / sigma;
    double hi = (window_eV[1] - energy_eV) / sigma;
    if (lo > LONGEST_TAIL || hi < -LONGEST_TAIL)
        return 0;
    return 0.5 * (erf(hi / sqrt(2.0)) - erf(lo / sqrt(2.0)));
}

static double centre(const edx_axis *axis, uint32_t channel)
{
    volatile double rise = axis->scale_eV * channel; /* not fused with the sum into one rounding */
    return axis->offset_eV + rise;
}

uint32_t edx_windows_first(const edx_axis *axis, double energy_eV)
{
    uint32_t lo = 0, hi = axis->channels;
    if (isinf(energy_eV))
        return energy_eV > 0 ? hi : lo;
    while (lo < hi) {
        uint32_t between = lo + (hi - lo) / 2;
        if (centre(axis, between) < energy_eV)
            lo = between + 1;
        else
            hi = between;
    }
    return lo;
}

size_t edx_windows_channels(const edx_axis *axis, const double range_eV[2],
                            const double window_eV[2])
{
    double lo = window_eV[0], hi = window_eV[1];
    if (range_eV) {
        lo = fmax(lo, range_eV[0]);
        hi = fmin(hi, range_eV[1]);
    }
    uint32_t first = edx_windows_first(axis, lo), end = edx_windows_first(axis, hi);
    return first < end ? end - first : 0;
}

static double middle(const double window_eV[2])
{
    return 0.5 * (window_eV[0] + window_eV[1]);
}

static double width(const double window_eV[2])
{
    return window_eV[1] - window_eV[0];
}

/* How much of the straight line's value at the peak the first background window decides. */
static double lever(const edx_windows *line)
{
    double first = middle(line->background_eV[0]), second = middle(line->background_eV[1]);
    return (second - middle(line->window_eV)) / (second - first);
}

/* What the functional of the line's windows makes of one emission. */
static double functional(const edx_surroundings *around, const edx_windows *line,
                         const edx_emission *e)
{
    double share[3], first = lever(line), res = around->resolution_eV;
    share[0] = edx_windows_share(e->energy_eV, res, line->window_eV);
    share[1] = edx_windows_share(e->energy_eV, res, line->background_eV[0]);
    share[2] = edx_windows_share(e->energy_eV, res, line->background_eV[1]);
    double level = first * share[1] / width(line->background_eV[0]) +
                   (1 - first) * share[2] / width(line->background_eV[1]);
    return e->weight * (share[0] - width(line->window_eV) * level);
}

double edx_windows_response(const edx_surroundings *around, const edx_windows *line)
{
    double sum = 0;
    for (size_t i = 0; i < around->n; i++)
        if (around->emissions[i].z == line->z)
            sum += functional(around, line, &around->emissions[i]);
    return sum;
}

double edx_windows_foreign(const edx_surroundings *around, const edx_windows *line)
{
    double sum = 0;
    for (size_t i = 0; i < around->n; i++)
        if (around->emissions[i].z != line->z)
            sum += fabs(functional(around, line, &around->emissions[i]));
    return sum;
}

static void add_to_row(const edx_axis *axis, const double window_eV[2], double weight, double *row)
{
    uint32_t first = edx_windows_first(axis, window_eV[0]);
    uint32_t end = edx_windows_first(axis, window_eV[1]);
    for (uint32_t c = first; c < end; c++)
        row[c] += weight;
}

bool edx_windows_row(const edx_axis *axis, const edx_windows *line, double *row)
{
    size_t n[2];
    double apart = middle(line->background_eV[1]) - middle(line->background_eV[0]);
    memset(row, 0, sizeof *row * axis->channels);
    for (size_t b = 0; b < 2; b++)
        n[b] = edx_windows_channels(axis, NULL, line->background_eV[b]);
    size_t peak = edx_windows_channels(axis, NULL, line->window_eV);
    if (peak == 0 || n[0] == 0 || n[1] == 0 || !(fabs(apart) > 0))
        return false;
    double first = lever(line),
           second = (middle(line->window_eV) - middle(line->background_eV[0])) / apart;
    add_to_row(axis, line->window_eV, 1, row);
    add_to_row(axis, line->background_eV[0], -(double)peak / (double)n[0] * first, row);
    add_to_row(axis, line->background_eV[1], -(double)peak / (double)n[1] * second, row);
    return true;
}

/* Weight of the element's emission at the line's energy: the strongest within 1 eV. */
static double own_weight(const edx_surroundings *around, const edx_windows *line)
{
    double weight = 0;
    for (size_t i = 0; i < around->n; i++) {
        const edx_emission *e = &around->emissions[i];
        if (e->z == line->z && fabs(e->energy_eV - line->energy_eV) < 1)
            weight = fmax(weight, e->weight);
    }
    return weight;
}

/* Edges between channels, so that the midpoint of the stated edges is that of the channels. */
static double nearest_edge(const edx_axis *axis, double energy_eV)
{
    double edge = round((energy_eV - axis->offset_eV) / axis->scale_eV + 0.5);
    return axis->offset_eV + (edge - 0.5) * axis->scale_eV;
}

static bool inside(const edx_surroundings *around, const double window_eV[2])
{
    const edx_axis *axis = &around->axis;
    double n = round(width(window_eV) / axis->scale_eV);
    return n >= 1 && (double)edx_windows_channels(axis, around->range_eV, window_eV) >= n;
}

/* The lines of the element that are one peak with ours: their range, and their weight together. */
typedef struct together {
    double lo, hi;
    double weight;
} together;

static together find_peak(const edx_surroundings *around, const edx_windows *line, double fwhm)
{
    double least = SAME_PEAK_WEIGHT * own_weight(around, line);
    together found = {line->energy_eV, line->energy_eV, 0};
    for (size_t i = 0; i < around->n; i++) {
        const edx_emission *e = &around->emissions[i];
        double away = fabs(e->energy_eV - line->energy_eV);
        if (e->z != line->z || e->weight <= 0 || away >= SAME_PEAK * fwhm)
            continue;
        if (e->weight < least && away >= 0.5 * fwhm)
            continue; /* a weak line inside the peak is part of it, one at its side is not */
        found.weight += e->weight;
        if (e->weight < least)
            continue;
        found.lo = fmin(found.lo, e->energy_eV);
        found.hi = fmax(found.hi, e->energy_eV);
    }
    return found;
}

/* Of every element, in the window: ours, and the others'. */
static void take(const edx_surroundings *around, const edx_windows *line, const double window_eV[2],
                 double *own, double *foreign)
{
    *own = *foreign = 0;
    for (size_t i = 0; i < around->n; i++) {
        const edx_emission *e = &around->emissions[i];
        double share = edx_windows_share(e->energy_eV, around->resolution_eV, window_eV);
        *(e->z == line->z ? own : foreign) += e->weight * share;
    }
}

static double peak_cost(const edx_surroundings *around, const edx_windows *line, const together *p,
                        const double window_eV[2], double fwhm)
{
    double own, foreign;
    take(around, line, window_eV, &own, &foreign);
    if (p->weight <= 0) /* a line that is not excited: the Gaussian alone */
        return fabs(edx_windows_share(line->energy_eV, around->resolution_eV, window_eV) - 1) +
               PEAK_NOISE * width(window_eV) / fwhm;
    return fabs(own / p->weight - 1) + foreign / p->weight + PEAK_NOISE * width(window_eV) / fwhm;
}

bool edx_windows_peak(const edx_surroundings *around, edx_windows *line)
{
    double fwhm = edx_windows_fwhm(line->energy_eV, around->resolution_eV);
    double step = fmax(around->axis.scale_eV, fwhm / PEAK_STEPS), best = INFINITY;
    double near = PEAK_NEAR * fwhm, far = PEAK_FAR * fwhm;
    together p = find_peak(around, line, fwhm);
    for (int i = 0; i < PEAK_PLACES && near + i * step <= far; i++)
        for (int j = 0; j < PEAK_PLACES && near + j * step <= far; j++) {
            double below = near + i * step, above = near + j * step;
            double window_eV[2] = {nearest_edge(&around->axis, p.lo - below),
                                   nearest_edge(&around->axis, p.hi + above)};
            double cost = peak_cost(around, line, &p, window_eV, fwhm);
            if (cost >= best)
                continue;
            best = cost;
            line->window_eV[0] = window_eV[0];
            line->window_eV[1] = window_eV[1];
        }
    return isfinite(best) && inside(around, line->window_eV);
}

/* ---- background ---- */

typedef struct candidate {
    double window_eV[2];
    double level; /* leaked weight per eV */
} candidate;

static double leak(const edx_surroundings *around, const edx_windows *line,
                   const double window_eV[2])
{
    double sum = 0;
    for (size_t i = 0; i < around->n; i++) {
        const edx_emission *e = &around->emissions[i];
        double share = edx_windows_share(e->energy_eV, around->resolution_eV, window_eV);
        sum += (e->z == line->z ? OWN : FOREIGN) * e->weight * share;
    }
    return sum / width(window_eV);
}

static bool overlap(const double a[2], const double b[2])
{
    return fmin(a[1], b[1]) - fmax(a[0], b[0]) > 1e-6;
}

/* Every window on one side (-1 below, 1 above the peak) that the range holds. */
static size_t collect(const edx_surroundings *around, const edx_windows *line, int side,
                      candidate *out)
{
    double fwhm = edx_windows_fwhm(line->energy_eV, around->resolution_eV);
    double step = fmax(around->axis.scale_eV, fwhm / STEPS);
    double start = line->window_eV[side > 0];
    size_t n = 0;
    for (size_t w = 0; w < WIDTHS; w++)
        for (double away = 0; away < REACH * fwhm && n < CANDIDATES; away += step) {
            double near = start + side * away, far = near + side * widths[w] * fwhm;
            candidate *c = &out[n];
            c->window_eV[0] = nearest_edge(&around->axis, fmin(near, far));
            c->window_eV[1] = nearest_edge(&around->axis, fmax(near, far));
            if (!inside(around, c->window_eV) || overlap(line->window_eV, c->window_eV))
                continue;
            c->level = leak(around, line, c->window_eV);
            n++;
        }
    return n;
}

static double cost(const edx_windows *line, double own, const candidate *below,
                   const candidate *above)
{
    double peak = middle(line->window_eV), n = width(line->window_eV);
    double lo = middle(below->window_eV), hi = middle(above->window_eV);
    double first = (hi - peak) / (hi - lo), second = 1 - first;
    double leaked = n * (first * below->level + second * above->level) / own;
    double curved = BREMSSTRAHLUNG * (peak - lo) * (hi - peak) / (peak * peak);
    double noise =
        NOISE * n *
        (first * first / width(below->window_eV) + second * second / width(above->window_eV));
    return leaked + curved + noise;
}

/* The photon weight of the element in the peak window; 1 where it has none (a line not excited). */
static double own_share(const edx_surroundings *around, const edx_windows *line)
{
    double sum = 0;
    for (size_t i = 0; i < around->n; i++) {
        const edx_emission *e = &around->emissions[i];
        if (e->z == line->z)
            sum +=
                e->weight * edx_windows_share(e->energy_eV, around->resolution_eV, line->window_eV);
    }
    return sum > 0 ? sum : 1;
}

bool edx_windows_background(const edx_surroundings *around, edx_windows *line)
{
    candidate below[CANDIDATES], above[CANDIDATES];
    size_t n_below = collect(around, line, -1, below);
    size_t n_above = collect(around, line, 1, above);
    double own = own_share(around, line), best = INFINITY;
    for (size_t i = 0; i < n_below; i++)
        for (size_t j = 0; j < n_above; j++) {
            double c = cost(line, own, &below[i], &above[j]);
            if (c >= best)
                continue;
            best = c;
            for (size_t k = 0; k < 2; k++) {
                line->background_eV[0][k] = below[i].window_eV[k];
                line->background_eV[1][k] = above[j].window_eV[k];
            }
        }
    return isfinite(best);
}
