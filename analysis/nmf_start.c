#include <math.h>
#include <string.h>

#include "analysis/krylov.h"
#include "analysis/nmf_inside.h"

/* ---- from principal components ---- */

static double square(const float *values, uint32_t n, float sign)
{
    double sum = 0;

    for (uint32_t i = 0; i < n; i++) {
        double value = (double)(sign * values[i]);
        sum += value > 0 ? value * value : 0;
    }
    return sum;
}

/* 1 or -1, whichever leaves more of spectrum and map; 0 where there is nothing. */
static float sign_of(const edx_nmf *n, const float *spectrum, const float *map)
{
    double plus = square(spectrum, n->channels, 1) * square(map, n->pixels, 1);
    double minus = square(spectrum, n->channels, -1) * square(map, n->pixels, -1);

    if (!(plus > 0 || minus > 0))
        return 0;
    return minus > plus ? -1 : 1;
}

static float positive(float value)
{
    return value > 0 ? value : 0;
}

/* A principal component without its negative parts, unscaled: counts are sqrt(a b) times scaled
 * ones, a and b the sums of pixels and channels. */
static void cut_component(edx_nmf *n, const edx_scene *store, uint32_t k, const float *spectrum,
                          const float *map, float sign)
{
    const uint64_t *a = edx_scene_pixel_counts(store), *b = edx_scene_spectrum(store);
    float *to_spectrum = n->start + (size_t)k * n->channels,
          *to_map = n->maps + (size_t)k * n->pixels;
    double sum = 0;

    for (uint32_t c = 0; c < n->channels; c++) {
        to_spectrum[c] = positive(sign * spectrum[c]) * (float)sqrt((double)b[c]);
        sum += (double)to_spectrum[c];
    }
    for (uint32_t i = 0; i < n->pixels; i++)
        to_map[i] = positive(sign * map[i]) * (float)sqrt((double)a[i]) * (float)sum;
}

/* The mean, changed by what nothing else is changed by. */
static void make_component(edx_nmf *n, const edx_scene *store, uint32_t k)
{
    const uint64_t *a = edx_scene_pixel_counts(store), *b = edx_scene_spectrum(store);
    uint64_t first = (uint64_t)k * (n->channels + (uint64_t)n->pixels);

    for (uint32_t c = 0; c < n->channels; c++)
        n->start[(size_t)k * n->channels + c] =
            (float)((double)b[c] * (1 + 0.5 * edx_krylov_scatter(first + c)));
    for (uint32_t i = 0; i < n->pixels; i++)
        n->maps[(size_t)k * n->pixels + i] =
            (float)((double)a[i] * (1 + 0.5 * edx_krylov_scatter(first + n->channels + i)));
}

void edx_nmf_begin(edx_nmf *nmf, const edx_scene *store, uint32_t k, const float *spectra,
                   const float *maps)
{
    for (uint32_t j = 0; j < k; j++) {
        const float *spectrum = spectra + (size_t)j * nmf->channels;
        const float *map = maps + (size_t)j * nmf->pixels;
        float sign = sign_of(nmf, spectrum, map);
        if (sign == 0)
            make_component(nmf, store, j);
        else
            cut_component(nmf, store, j, spectrum, map, sign);
    }
}

/* ---- order ---- */

/* Correlation of what two spectra have beyond the mean, each channel in units of its noise. */
static double likeness(const float *a, const float *b, const uint64_t *spectrum, uint32_t channels,
                       double counts)
{
    double aa = 0, bb = 0, ab = 0;

    for (uint32_t c = 0; c < channels; c++) {
        if (spectrum[c] == 0)
            continue;
        double mean = (double)spectrum[c] / counts;
        double x = (double)a[c] - mean, y = (double)b[c] - mean;
        aa += x * x / mean;
        bb += y * y / mean;
        ab += x * y / mean;
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

typedef struct matching {
    double like[EDX_NMF_WIDEST][EDX_NMF_WIDEST]; /* of old and new */
    bool old_taken[EDX_NMF_WIDEST], taken[EDX_NMF_WIDEST];
    uint32_t partner[EDX_NMF_WIDEST]; /* of an old one */
} matching;

/* The most alike of those that are left become a pair; false when there are none. */
static bool match_one(matching *m, uint32_t known, uint32_t k)
{
    uint32_t best_old = known, best = k;

    for (uint32_t o = 0; o < known; o++)
        for (uint32_t j = 0; j < k; j++)
            if (!m->old_taken[o] && !m->taken[j] &&
                (best == k || m->like[o][j] > m->like[best_old][best])) {
                best_old = o;
                best = j;
            }
    if (best == k)
        return false;
    m->old_taken[best_old] = m->taken[best] = true;
    m->partner[best_old] = best;
    return true;
}

static uint32_t largest_left(const edx_nmf *n, const matching *m)
{
    uint32_t best = n->k;

    for (uint32_t j = 0; j < n->k; j++)
        if (!m->taken[j] && (best == n->k || n->totals[j] > n->totals[best]))
            best = j;
    return best;
}

void edx_nmf_find_order(const edx_nmf *nmf, const edx_scene *store, uint32_t *order)
{
    matching m = {.old_taken = {false}};
    double counts = (double)edx_scene_counts(store);
    uint32_t placed = 0;

    for (uint32_t o = 0; o < nmf->known; o++)
        for (uint32_t j = 0; j < nmf->k; j++)
            m.like[o][j] = likeness(nmf->before + (size_t)o * nmf->channels,
                                    nmf->spectra + (size_t)j * nmf->channels,
                                    edx_scene_spectrum(store), nmf->channels, counts);
    while (match_one(&m, nmf->known, nmf->k))
        continue;
    for (uint32_t o = 0; o < nmf->known; o++)
        if (m.old_taken[o])
            order[placed++] = m.partner[o];
    while (placed < nmf->k) {
        uint32_t j = largest_left(nmf, &m);
        m.taken[j] = true;
        order[placed++] = j;
    }
}
