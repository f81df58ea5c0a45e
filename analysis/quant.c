#include "analysis/quant.h"

#include <math.h>

/* C_i = k_i N_i / S with S = sum k N, so dC_i / dN_j = k_j (delta_ij - C_i) / S. */
static double variance(const edx_line *lines, uint32_t n, uint32_t i, double total,
                       const double *covariance, const double *fraction)
{
    double sum = 0;
    for (uint32_t a = 0; a < n; a++) {
        double row = 0;
        for (uint32_t b = 0; b < n; b++)
            row += covariance[a * n + b] * lines[b].k * ((b == i) - fraction[i]);
        sum += lines[a].k * ((a == i) - fraction[i]) * row;
    }
    return sum / (total * total);
}

static bool quantified(uint32_t n, double limit, const double *net, const double *covariance)
{
    for (uint32_t i = 0; i < n; i++)
        if (!(net[i] > 0 && net[i] > limit * sqrt(covariance[i * n + i])))
            return false;
    return n >= 2;
}

bool edx_quant_fractions(const edx_line *lines, uint32_t n, double limit, const double *net,
                         const double *covariance, double *fraction, double *sigma)
{
    bool known = quantified(n, limit, net, covariance);
    double total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += lines[i].k * net[i];
    for (uint32_t i = 0; i < n; i++)
        fraction[i] = known ? lines[i].k * net[i] / total : NAN;
    for (uint32_t i = 0; i < n; i++) {
        double square = known ? variance(lines, n, i, total, covariance, fraction) : NAN;
        sigma[i] =
            square < 0 ? 0 : sqrt(square); /* rounding may leave a little less than nothing */
    }
    return known;
}

/* d ln C_i / d ln k_j = delta_ij - C_j, the k independent of each other. */
void edx_quant_systematic(const edx_line *lines, uint32_t n, const double *fraction,
                          double *relative_sigma)
{
    for (uint32_t i = 0; i < n; i++) {
        double sum = 0;
        for (uint32_t j = 0; j < n; j++) {
            double part = ((i == j) - fraction[j]) * lines[j].k_sigma / lines[j].k;
            sum += part * part;
        }
        relative_sigma[i] = sqrt(sum);
    }
}
