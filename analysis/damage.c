#include "analysis/damage.h"

#include <math.h>
#include <stdbool.h>

#define FIRST_HORIZON 64.0 /* frames, where none are expected */
#define HORIZONS 40u
#define EXPECTED_WEIGHT 0.9 /* of the chance of a false alarm, for the frames expected */

/* Sums over the frames so far. */
typedef struct sums {
    double n, nt, ntt; /* of N, N t, N t^2 */
    double a, at;
} sums;

/* Largest |B| so far for one horizon. */
typedef struct horizon {
    double frames, weight, largest;
} horizon;

/* P(sup over 0 .. 1 of |B| >= c) of a Brownian motion: the reflection principle's series. */
static double exceedance(double c)
{
    double sum = 0;

    if (c < 0.5)
        return 1;
    for (int k = 0; k < 6; k++)
        sum += (k % 2 == 0 ? 2 : -2) * erfc((2 * k + 1) * c / sqrt(2));
    return fmin(1, fmax(0, sum));
}

static void add(sums *s, double t, double a, double n)
{
    s->n += n;
    s->nt += n * t;
    s->ntt += n * t * t;
    s->a += a;
    s->at += a * t;
}

/* Spread of the counts in time. */
static double spread(const sums *s)
{
    return s->n > 0 ? s->ntt - s->nt * s->nt / s->n : 0;
}

static double trend(const sums *s)
{
    double p = s->n > 0 ? s->a / s->n : 0;
    double variance = p * (1 - p) * spread(s);

    return variance > 0 ? (s->at - s->nt * p) / sqrt(variance) : 0;
}

static void look(horizon *h, const sums *s, double z, double seen)
{
    double most = s->n / seen * (h->frames * h->frames * h->frames - h->frames) / 12;
    double time = most > 0 ? spread(s) / most : 0;

    if (time > 0 && time <= 1.0000001)
        h->largest = fmax(h->largest, fabs(z) * sqrt(time));
}

static void start(horizon *h, uint64_t expected)
{
    bool known = expected >= 2;
    double frames = known ? (double)expected : FIRST_HORIZON;
    double left = known ? 1 - EXPECTED_WEIGHT : 0.5;

    for (uint32_t i = 0; i < HORIZONS; i++) {
        h[i] = (horizon){frames, i == 0 && known ? EXPECTED_WEIGHT : left, 0};
        if (i > 0 || !known)
            left /= 2;
        if (i == 0 && known)
            left /= 2;
        frames *= 2;
    }
}

static double smallest(const horizon *h)
{
    double p = 1;

    for (uint32_t i = 0; i < HORIZONS; i++)
        p = fmin(p, exceedance(h[i].largest) / h[i].weight);
    return p;
}

edx_damage edx_damage_test(size_t frames, const uint64_t *frame, const double *a, const double *n,
                           uint64_t expected, uint32_t tests)
{
    edx_damage out = {.p = 1, .since = -1};
    horizon h[HORIZONS];
    sums s = {0};

    start(h, expected);
    for (size_t i = 0; i < frames; i++) {
        add(&s, (double)(frame[i] - frame[0]), a[i], n[i]);
        out.z = trend(&s);
        for (uint32_t j = 0; i > 0 && j < HORIZONS; j++)
            look(&h[j], &s, out.z, (double)(frame[i] - frame[0]) + 1);
        out.p = fmin(1, smallest(h) * tests);
        if (out.p <= EDX_DAMAGE_LEVEL && out.since < 0)
            out.since = (int64_t)frame[i];
    }
    return out;
}
