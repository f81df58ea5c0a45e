#include "client/number.h"

#include <math.h>
#include <stdio.h>

#define NONE "–"
#define MILLION 1e6

/* The power of 1000 of the largest prefix below value, 0 to 4, and its letter. */
static int thousands(double value, const char **prefix)
{
    static const char *const prefixes[] = {"", " k", " M", " G", " T"};
    int power = 0;
    for (double v = fabs(value); v >= 999.5 && power < 4; v /= 1000)
        power++;
    *prefix = prefixes[power];
    return power;
}

const char *edx_number(char out[EDX_NUMBER], double value)
{
    const char *prefix;
    if (!isfinite(value)) {
        snprintf(out, EDX_NUMBER, "%s", isnan(value) ? NONE : "∞");
        return out;
    }
    double scaled = value / pow(1000, thousands(value, &prefix)), size = fabs(scaled);
    if (prefix[0] == '\0' && scaled == floor(scaled))
        snprintf(out, EDX_NUMBER, "%.0f", scaled);
    else if (size < 1e-3)
        snprintf(out, EDX_NUMBER, "%.2g", scaled);
    else
        snprintf(out, EDX_NUMBER, "%.*f%s",
                 size < 1       ? 3
                 : size < 9.995 ? 2
                 : size < 99.95 ? 1
                                : 0,
                 scaled, prefix);
    return out;
}

/* Decimals that give sigma two significant digits. */
static int decimals_of(double sigma)
{
    int decimals = 1 - (int)floor(log10(sigma));
    /* 0.0996 becomes 0.10: rounding may gain a digit. */
    if (sigma * pow(10, decimals) >= 99.5)
        decimals--;
    return decimals < 0 ? 0 : decimals > 6 ? 6 : decimals;
}

const char *edx_number_pm(char out[EDX_NUMBER], double value, double sigma)
{
    const char *prefix = "";
    if (!isfinite(value)) {
        snprintf(out, EDX_NUMBER, NONE);
        return out;
    }
    double unit = fabs(value) >= MILLION ? pow(1000, thousands(value, &prefix)) : 1;
    if (!isfinite(sigma) || sigma < 0) {
        char number[EDX_NUMBER];
        snprintf(out, EDX_NUMBER, "%.20s ± ?", edx_number(number, value));
        return out;
    }
    int decimals = sigma > 0 ? decimals_of(sigma / unit) : 0;
    snprintf(out, EDX_NUMBER, "%.*f ± %.*f%s", decimals, value / unit, decimals, sigma / unit,
             prefix);
    return out;
}

const char *edx_number_span(char out[EDX_NUMBER], double seconds)
{
    if (seconds < 120)
        snprintf(out, EDX_NUMBER, "%.0f s", seconds);
    else if (seconds < 7200)
        snprintf(out, EDX_NUMBER, "%.0f min", seconds / 60);
    else
        snprintf(out, EDX_NUMBER, "%.1f h", seconds / 3600);
    return out;
}

const char *edx_number_percent(char out[EDX_NUMBER], double fraction, double sigma)
{
    return edx_number_pm(out, 100 * fraction, 100 * sigma);
}

const char *edx_number_signed(char out[EDX_NUMBER], double value, int decimals)
{
    if (isnan(value))
        snprintf(out, EDX_NUMBER, NONE);
    else
        snprintf(out, EDX_NUMBER, "%+.*f", decimals, value);
    return out;
}

const char *edx_number_small(char out[EDX_NUMBER], double value)
{
    if (isnan(value))
        snprintf(out, EDX_NUMBER, NONE);
    else
        snprintf(out, EDX_NUMBER, "%.3g", value);
    return out;
}

const char *edx_number_probability(char out[EDX_NUMBER], double p)
{
    if (!isfinite(p))
        snprintf(out, EDX_NUMBER, "p unknown");
    else if (p < 0.001)
        snprintf(out, EDX_NUMBER, "p < 0.001");
    else
        snprintf(out, EDX_NUMBER, "p = %.*f", p < 0.1 ? 3 : 2, p);
    return out;
}

double edx_number_step(double x)
{
    double power = pow(10, floor(log10(x)));
    return x >= 5 * power ? 5 * power : x >= 2 * power ? 2 * power : power;
}
