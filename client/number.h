/* Numbers as people read them. */
#ifndef EDX_CLIENT_NUMBER_H
#define EDX_CLIENT_NUMBER_H

#include <stddef.h>

#define EDX_NUMBER 32 /* bytes that any of these needs */

/* Three significant digits: "0.012", "987", "1.24 M"; "–" for NaN. */
const char *edx_number(char out[EDX_NUMBER], double value);
/* "48.3 ± 1.4": sigma with two significant digits, value to the same place; "?" for a sigma that is
 * NaN, "–" where value is. From a million on both in the same thousands: "1.234 ± 0.011 M". */
const char *edx_number_pm(char out[EDX_NUMBER], double value, double sigma);
/* The page's way for fractions, times 100: "48.3 ± 1.4", without unit. */
const char *edx_number_percent(char out[EDX_NUMBER], double fraction, double sigma);
/* "+7.9", "-0.12", with so many decimals. */
const char *edx_number_signed(char out[EDX_NUMBER], double value, int decimals);
/* Three digits of what may be very small: "0.0123", "1.23e-05". */
const char *edx_number_small(char out[EDX_NUMBER], double value);
/* "p = 0.43", "p < 0.001". */
const char *edx_number_probability(char out[EDX_NUMBER], double p);
/* The largest of 1, 2, 5 times a power of ten that is not above x > 0. */
double edx_number_step(double x);
/* A span of time: "7 s", "12 min", "3.4 h". */
const char *edx_number_span(char out[EDX_NUMBER], double seconds);

#endif
