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
/* A span of time: "7 s", "12 min", "3.4 h". */
const char *edx_number_span(char out[EDX_NUMBER], double seconds);

#endif
