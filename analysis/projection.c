#include "analysis/projection.h"

#include <math.h>
#include <string.h>

/* Adds vector (vector . scratch) to out. */
static void add_vector(uint32_t channels, const double *vector, const double *scratch, double *out)
{
    double sum = 0;

    for (uint32_t c = 0; c < channels; c++)
        sum += vector[c] * scratch[c];
    for (uint32_t c = 0; c < channels; c++)
        out[c] += vector[c] * sum;
}

void edx_projection_rows(uint32_t r, uint32_t channels, const double *vectors, const double *b,
                         uint32_t n, const double *rows, double *scratch, double *out)
{
    for (uint32_t e = 0; e < n; e++) {
        const double *row = rows + (size_t)e * channels;
        double *to = out + (size_t)e * channels;
        memset(to, 0, channels * sizeof *to);
        for (uint32_t c = 0; c < channels; c++)
            scratch[c] = b[c] > 0 ? row[c] * sqrt(b[c]) : 0;
        for (uint32_t j = 0; j < r; j++)
            add_vector(channels, vectors + (size_t)j * channels, scratch, to);
        for (uint32_t c = 0; c < channels; c++)
            to[c] = b[c] > 0 ? to[c] / sqrt(b[c]) : 0;
    }
}

void edx_projection_fractions(const edx_rings *rings, uint32_t n, const double *rows,
                              const double *k, const bool *wanted, double *fraction)
{
    uint32_t channels = rings->channels, m = rings->m;

    for (uint32_t i = 0; i < m; i++) {
        const double *spectrum = rings->spectra + (size_t)i * channels;
        bool known = n >= 2 && (wanted == NULL || wanted[i]);
        double total = 0;
        for (uint32_t e = 0; e < n; e++) {
            const double *row = rows + (size_t)e * channels;
            double net = 0;
            for (uint32_t c = 0; known && c < channels; c++)
                net += row[c] * spectrum[c];
            known = known && net > 0;
            fraction[(size_t)e * m + i] = k[e] * net;
            total += k[e] * net;
        }
        for (uint32_t e = 0; e < n; e++)
            fraction[(size_t)e * m + i] = known ? fraction[(size_t)e * m + i] / total : NAN;
    }
}

void edx_projection_rings(const edx_rings *rings, uint32_t r, const double *vectors,
                          const double *b, uint32_t n, const double *windows, const double *k,
                          const bool *wanted, double *scratch, double *fraction)
{
    double *rows = scratch + rings->channels;

    edx_projection_rows(r, rings->channels, vectors, b, n, windows, scratch, rows);
    edx_projection_fractions(rings, n, rows, k, wanted, fraction);
}
