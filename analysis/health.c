#include "analysis/health.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/numeric.h"

#define OUTLYING 5.0
#define QUARTILES_TO_SIGMA 1.349 /* interquartile range of a normal distribution, in sigma */

typedef struct total {
    uint64_t frame;
    uint64_t counts;
} total;

typedef struct list {
    total *items;
    size_t n, room;
} list;

/* closed is sorted by counts, so that median and outliers are at hand; a new frame costs one
 * memmove of 16 bytes per frame. Mean and spread run along (Welford). */
struct edx_health {
    list open, closed, broken;
    double mean, spread; /* spread = sum (n_f - mean)^2 */
    uint64_t *outliers;
    size_t outliers_room;
};

edx_status edx_health_new(edx_health **out, edx_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory for the frames' health");
}

void edx_health_free(edx_health **health)
{
    edx_health *h = *health;
    if (!h)
        return;
    free(h->open.items);
    free(h->closed.items);
    free(h->broken.items);
    free(h->outliers);
    free(h);
    *health = NULL;
}

void edx_health_clear(edx_health *health)
{
    health->open.n = health->closed.n = health->broken.n = 0;
    health->mean = health->spread = 0;
}

static bool reserve(list *l, size_t n)
{
    if (n <= l->room)
        return true;
    size_t room = n < 64 ? 64 : 2 * n;
    total *items = realloc(l->items, room * sizeof *items);
    if (!items)
        return false;
    l->items = items;
    l->room = room;
    return true;
}

/* Room for every open frame to be closed either way, and for its name among the outliers. */
static bool reserve_all(edx_health *h)
{
    size_t frames = h->open.n + h->closed.n + h->broken.n + 1;
    if (!reserve(&h->open, h->open.n + 1) || !reserve(&h->closed, h->closed.n + h->open.n + 1) ||
        !reserve(&h->broken, h->broken.n + h->open.n + 1))
        return false;
    if (frames <= h->outliers_room)
        return true;
    uint64_t *outliers = realloc(h->outliers, 2 * frames * sizeof *outliers);
    if (!outliers)
        return false;
    h->outliers = outliers;
    h->outliers_room = 2 * frames;
    return true;
}

static total *find(list *l, uint64_t frame)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->items[i].frame == frame)
            return &l->items[i];
    return NULL;
}

edx_status edx_health_add(edx_health *health, uint64_t frame, uint64_t counts, edx_error *err)
{
    total *open = find(&health->open, frame);
    if (open) {
        open->counts += counts;
        return EDX_OK;
    }
    if (!reserve_all(health))
        return edx_fail(err, EDX_E_NOMEM, "no memory for the total of frame %llu",
                        (unsigned long long)frame);
    health->open.items[health->open.n++] = (total){frame, counts};
    return EDX_OK;
}

/* First place in the sorted list whose counts are above. */
static size_t place_of(const list *l, uint64_t counts)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->items[mid].counts <= counts)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void take(edx_health *h, total t)
{
    list *l = &h->closed;
    size_t at = place_of(l, t.counts);
    memmove(&l->items[at + 1], &l->items[at], (l->n - at) * sizeof *l->items);
    l->items[at] = t;
    l->n++;
    double before = (double)t.counts - h->mean;
    h->mean += before / (double)l->n;
    h->spread += before * ((double)t.counts - h->mean);
}

/* Takes frame out of the list; its counts, 0 where it is not in it. */
static uint64_t take_out(list *l, uint64_t frame, bool *was_in)
{
    total *found = find(l, frame);
    *was_in = found != NULL;
    if (!found)
        return 0;
    uint64_t counts = found->counts;
    *found = l->items[--l->n];
    return counts;
}

void edx_health_close(edx_health *health, uint64_t frame, bool complete)
{
    bool was_open, was_broken;
    total t = {frame, take_out(&health->open, frame, &was_open)};
    t.counts += take_out(&health->broken, frame, &was_broken); /* rows that come late join theirs */
    if (complete) {
        if (was_open || was_broken)
            take(health, t);
    } else if (was_open || was_broken || reserve_all(health)) {
        health->broken.items[health->broken.n++] = t;
    }
}

/* Anscombe's transform: of unit variance for Poisson counts, and nearly normal. */
static double even(const list *l, size_t i)
{
    return 2 * sqrt((double)l->items[i].counts + 0.375);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Outliers sit at both ends of the sorted list. */
static size_t name_outliers(edx_health *h)
{
    const list *l = &h->closed;
    size_t n = 0;
    for (size_t i = 0; i < h->broken.n; i++)
        h->outliers[n++] = h->broken.items[i].frame;
    if (l->n >= 2) {
        double median = 0.5 * (even(l, (l->n - 1) / 2) + even(l, l->n / 2));
        double range = even(l, (3 * l->n) / 4) - even(l, l->n / 4);
        double far = OUTLYING * fmax(1, range / QUARTILES_TO_SIGMA);
        size_t first = 0, last = l->n;
        for (; first < last && median - even(l, first) > far; first++)
            h->outliers[n++] = l->items[first].frame;
        for (; last > first && even(l, last - 1) - median > far; last--)
            h->outliers[n++] = l->items[last - 1].frame;
    }
    if (n > 1)
        qsort(h->outliers, n, sizeof *h->outliers, by_number);
    return n;
}

void edx_health_result(edx_health *health, double *chi2, uint64_t *dof, double *p,
                       const uint64_t **outliers, size_t *n_outliers)
{
    size_t n = health->closed.n;
    bool tested = n >= 2 && health->mean > 0;
    *chi2 = tested ? health->spread / health->mean : 0;
    *dof = tested ? n - 1 : 0;
    *p = edx_health_chi2_p(*chi2, *dof);
    *n_outliers = name_outliers(health);
    *outliers = health->outliers;
}

double edx_health_chi2_p(double chi2, uint64_t dof)
{
    return edx_numeric_chi2_p(chi2, dof);
}
