#include "analysis/overlap.h"

#include <math.h>
#include <stddef.h>

typedef struct sums {
    double n, f, r, ff, fr, rr;
} sums;

/* Over every step-th pixel, in both directions, that both have. */
static sums sum(const edx_overlap *o, const int32_t offset[2], uint32_t step)
{
    sums s = {0};
    for (uint32_t y = 0; y < o->rows; y += step) {
        const int64_t row = (int64_t)y + o->reach[0] + offset[0];
        const float *under = o->reference + row * o->stride + o->reach[1] + offset[1];
        for (uint32_t x = 0; x < o->cols && (!o->there || o->there[y]); x += step) {
            const double f = o->picture[(size_t)y * o->cols + x], r = under[x];
            if (isnan(r))
                continue;
            s.n += 1;
            s.f += f;
            s.r += r;
            s.ff += f * f;
            s.fr += f * r;
            s.rr += r * r;
        }
    }
    return s;
}

static bool enough(const edx_overlap *o, const sums *s, uint32_t step)
{
    const double all = ceil((double)o->rows / step) * ceil((double)o->cols / step);
    return s->n >= 0.5 * all;
}

double edx_overlap_unlike(const edx_overlap *overlap, const int32_t offset[2])
{
    const sums s = sum(overlap, offset, 1);
    if (!enough(overlap, &s, 1))
        return INFINITY;
    const double ff = s.ff - s.f * s.f / s.n, rr = s.rr - s.r * s.r / s.n;
    const double fr = s.fr - s.f * s.r / s.n;
    return fmax(0, ff - (rr > 0 && fr > 0 ? fr * fr / rr : 0)) / s.n;
}

/* Level and slopes about the middle are all but independent where nearly all pixels are known. */
double edx_overlap_slope(const edx_overlap *overlap)
{
    const edx_overlap *o = overlap;
    double n = 0, r = 0, rr = 0, ry = 0, rx = 0, yy = 0, xx = 0;
    for (uint32_t y = 0; y < o->rows; y++)
        for (uint32_t x = 0; x < o->cols; x++) {
            const size_t p = (size_t)(y + o->reach[0]) * o->stride + x + o->reach[1];
            const double value = o->reference[p];
            const double dy = y - 0.5 * (o->rows - 1), dx = x - 0.5 * (o->cols - 1);
            if (isnan(value))
                continue;
            n += 1;
            r += value;
            rr += value * value;
            ry += value * dy;
            rx += value * dx;
            yy += dy * dy;
            xx += dx * dx;
        }
    const double variance = rr - r * r / n;
    return n > 0 && variance > 0 ? fmin(1, (ry * ry / yy + rx * rx / xx) / variance) : 0;
}

/* Mean square difference; infinite outside of reach. */
static double apart(const edx_overlap *o, const int32_t offset[2], uint32_t step)
{
    for (int i = 0; i < 2; i++)
        if (offset[i] < -(int32_t)o->reach[i] || offset[i] > (int32_t)o->reach[i])
            return INFINITY;
    const sums s = sum(o, offset, step);
    return enough(o, &s, step) ? (s.ff - 2 * s.fr + s.rr) / s.n : INFINITY;
}

/* The best of the grid of steps about the middle. */
static double scan(const edx_overlap *o, int32_t step, int32_t offset[2])
{
    double least = INFINITY;
    for (int32_t y = -(int32_t)o->reach[0]; y <= (int32_t)o->reach[0]; y += step)
        for (int32_t x = -(int32_t)o->reach[1]; x <= (int32_t)o->reach[1]; x += step) {
            const double here = apart(o, (const int32_t[2]){y, x}, (uint32_t)step);
            if (here < least) {
                least = here;
                offset[0] = y;
                offset[1] = x;
            }
        }
    return least;
}

/* Downhill from offset to the best neighbour a step away, as long as that is better. */
static double descend(const edx_overlap *o, int32_t step, int32_t offset[2])
{
    double least = apart(o, offset, (uint32_t)step);
    for (bool better = true; better;) {
        const int32_t from[2] = {offset[0], offset[1]};
        better = false;
        for (int32_t k = 0; k < 9; k++) {
            const int32_t to[2] = {from[0] + step * (k / 3 - 1), from[1] + step * (k % 3 - 1)};
            const double there = apart(o, to, (uint32_t)step);
            if (there < least) {
                least = there;
                offset[0] = to[0];
                offset[1] = to[1];
                better = true;
            }
        }
    }
    return least;
}

double edx_overlap_search(const edx_overlap *overlap, int32_t offset[2])
{
    const uint32_t reach =
        overlap->reach[0] < overlap->reach[1] ? overlap->reach[0] : overlap->reach[1];
    int32_t step = reach > 4 ? (int32_t)(reach / 4) : 1;
    offset[0] = offset[1] = 0;
    double least = scan(overlap, step, offset);
    for (; step >= 1; step /= 2)
        least = descend(overlap, step, offset);
    return least;
}
