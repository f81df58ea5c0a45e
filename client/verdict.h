/* What may be believed, in words: the same in the terminal, in reports and in exports. A profile
 * that failed its check is biased: the model's stands. */
#ifndef EDX_CLIENT_VERDICT_H
#define EDX_CLIENT_VERDICT_H

#include "client/latest.h"
#include "client/series.h"

#define EDX_WORDS 160

typedef enum edx_trust { EDX_TRUSTED, EDX_UNCHECKED, EDX_BIASED } edx_trust;
const char *edx_trust_name(edx_trust trust); /* "ok", "unchecked", "biased" */

/* NULL: what needs no check. */
edx_trust edx_verdict_check(const edx_check *check);

/* "check passed, p = 0.43", "biased ▲ +3.2 at.% Ag at 1.3 nm: check not passed, p < 0.001". */
edx_trust edx_verdict_profile(const edx_particle *particle, edx_estimator source,
                              char out[EDX_WORDS]);
/* The worst over all particles, of the denoised maps. */
edx_trust edx_verdict_denoised(const edx_particles_result *result, char out[EDX_WORDS]);
/* The sign of a ring's bias: of value - model where it is more than one sigma, 0 where not. */
int edx_verdict_bias(const edx_particle *particle, edx_estimator source, uint64_t element,
                     uint64_t ring);

/* "shell richer in Ag: Δ = +7.9 ± 1.4 at.% (z = 5.6)", Δ being shell - core; true when it is clear.
 */
bool edx_verdict_segregation(const edx_particle *particle, char out[EDX_WORDS]);

/* What a watch over the frames says: "since frame 69" or "none seen", and "z = 5.7, p < 0.001". */
typedef struct edx_change {
    bool known, found;
    char words[EDX_WORDS], numbers[EDX_WORDS];
} edx_change;

edx_change edx_verdict_damage(const edx_trend_result *trend);
edx_change edx_verdict_contamination(const edx_trend_result *trend);

typedef enum edx_forecast_kind {
    EDX_FORECAST_UNKNOWN,
    EDX_FORECAST_STALE,
    EDX_FORECAST_WITHHELD, /* the specimen changes */
    EDX_FORECAST_NEVER,    /* not reachable */
    EDX_FORECAST_REACHED,
    EDX_FORECAST_INTERVAL
} edx_forecast_kind;

typedef struct edx_forecast {
    edx_forecast_kind kind;
    double low, high; /* frames still to come */
    double seconds;   /* NaN: unknown */
} edx_forecast;

/* Of the composition, or of the difference between shell and core. The interval spans what the
 * latest messages forecast and the error of a forecast from so many frames. */
edx_forecast edx_verdict_forecast(const edx_latest *model, bool delta, bool stale);
/* "12 to 18 frames", "not reachable", "withheld", "reached", "–". */
void edx_forecast_text(const edx_forecast *forecast, char out[EDX_WORDS]);

#endif
