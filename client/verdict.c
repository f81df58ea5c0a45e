#include "client/verdict.h"

#include <math.h>
#include <stdio.h>

#include "client/number.h"

#define CLEAR_Z 3.0

const char *edx_trust_name(edx_trust trust)
{
    static const char *const names[] = {
        [EDX_TRUSTED] = "ok", [EDX_UNCHECKED] = "unchecked", [EDX_BIASED] = "biased"};
    return names[trust];
}

edx_trust edx_verdict_check(const edx_check *check)
{
    if (!check)
        return EDX_TRUSTED;
    if (!check->dof || !isfinite(check->p))
        return EDX_UNCHECKED;
    return check->passed ? EDX_TRUSTED : EDX_BIASED;
}

/* ---- profiles ---- */

typedef struct bias {
    double delta, r_nm;
    uint64_t element;
} bias;

/* Where value differs most from the model, in sigma of the model; false where nowhere. */
static bool largest_bias(const edx_particle *particle, const edx_radial *radial, bias *out)
{
    double most = 0;
    for (uint64_t i = 0; i < particle->n; i++)
        for (uint64_t k = 0; k < particle->radial.m; k++) {
            double delta = edx_at_2(radial->value, i, k) - edx_at_2(&particle->radial.model, i, k);
            double z = fabs(delta) / edx_at_2(&particle->radial.model_sigma, i, k);
            if (!edx_radial_known(particle, k) || !isfinite(z) || !(z > most))
                continue;
            most = z;
            *out = (bias){delta, edx_at_1(&particle->radial.r_nm, k), i};
        }
    return most > 0;
}

edx_trust edx_verdict_profile(const edx_particle *particle, edx_estimator source,
                              char out[EDX_WORDS])
{
    char p[EDX_NUMBER], delta[EDX_NUMBER];
    bias worst = {0};
    edx_radial radial = edx_radial_of(particle, source);
    if (!radial.check) {
        snprintf(out, EDX_WORDS,
                 source == EDX_RAW ? "window counts: unbiased"
                                   : "anchored to window counts: unbiased");
        return EDX_TRUSTED;
    }
    edx_trust trust = edx_verdict_check(radial.check);
    edx_number_probability(p, radial.check->p);
    if (trust == EDX_UNCHECKED)
        snprintf(out, EDX_WORDS, "not checked yet: do not rely on it");
    else if (trust == EDX_TRUSTED)
        snprintf(out, EDX_WORDS, "check passed, %s", p);
    else if (largest_bias(particle, &radial, &worst))
        snprintf(out, EDX_WORDS, "biased %s %s at.%% %s at %.1f nm: check not passed, %s",
                 worst.delta > 0 ? "▲" : "▼", edx_number_signed(delta, 100 * worst.delta, 1),
                 particle->elements[worst.element], worst.r_nm, p);
    else
        snprintf(out, EDX_WORDS, "biased: check not passed, %s", p);
    return trust;
}

edx_trust edx_verdict_denoised(const edx_particles_result *result, char out[EDX_WORDS])
{
    edx_trust worst = EDX_TRUSTED;
    snprintf(out, EDX_WORDS, "no particle, no check");
    for (size_t i = 0; i < result->count; i++) {
        char words[EDX_WORDS];
        edx_trust trust = edx_verdict_profile(&result->particles[i], EDX_DENOISED, words);
        if (i > 0 && trust <= worst)
            continue;
        worst = trust;
        snprintf(out, EDX_WORDS, "%.140s", words);
    }
    return result->count ? worst : EDX_UNCHECKED;
}

int edx_verdict_bias(const edx_particle *particle, edx_estimator source, uint64_t element,
                     uint64_t ring)
{
    edx_radial radial = edx_radial_of(particle, source);
    double delta =
        edx_at_2(radial.value, element, ring) - edx_at_2(&particle->radial.model, element, ring);
    double sigma = edx_at_2(&particle->radial.model_sigma, element, ring);
    return delta > sigma ? 1 : delta < -sigma ? -1 : 0;
}

bool edx_verdict_segregation(const edx_particle *particle, char out[EDX_WORDS])
{
    double delta = particle->segregation.delta, sigma = particle->segregation.sigma;
    double z = particle->segregation.z;
    const char *element = particle->segregation.element;
    char number[EDX_NUMBER];
    if (!isfinite(delta) || !isfinite(sigma) || !*element) {
        snprintf(out, EDX_WORDS, "segregation: not enough counts yet");
        return false;
    }
    int digits = 100 * sigma < 0.95 ? 2 : 1;
    edx_number_signed(number, 100 * delta, digits);
    if (!(fabs(z) >= CLEAR_Z))
        snprintf(out, EDX_WORDS, "no segregation shown: Δ%s = %s ± %.*f at.%% (z = %.1f)", element,
                 number, digits, 100 * sigma, z);
    else
        snprintf(out, EDX_WORDS, "%s richer in %s: Δ = %s ± %.*f at.%% (z = %.1f)",
                 delta > 0 ? "shell" : "core", element, number, digits, 100 * sigma, z);
    return fabs(z) >= CLEAR_Z;
}

/* ---- trend ---- */

static edx_change change(double z, double p, double since)
{
    char text[EDX_NUMBER];
    edx_change out = {.known = isfinite(z), .found = isfinite(z) && since >= 0};
    if (out.found)
        snprintf(out.words, sizeof out.words, "since frame %.0f", since);
    else
        snprintf(out.words, sizeof out.words, "%s", out.known ? "none seen" : "–");
    if (out.known)
        snprintf(out.numbers, sizeof out.numbers, "z = %.1f, %s", z,
                 edx_number_probability(text, p));
    return out;
}

edx_change edx_verdict_damage(const edx_trend_result *trend)
{
    return change(trend->damage.z, trend->damage.p, (double)trend->damage.since_frame);
}

edx_change edx_verdict_contamination(const edx_trend_result *trend)
{
    return change(trend->contamination.z, trend->contamination.p, trend->contamination.since_frame);
}

/* Frames from now on until needed frames are in all. */
static double left(double needed, double frames)
{
    return fmax(0, round(needed - frames));
}

static void interval(const edx_latest *model, bool delta, double needed, double frames,
                     edx_forecast *out)
{
    size_t n;
    const double *noted = edx_latest_forecasts(model, &n);
    double margin = needed / sqrt(fmax(4, frames)) / 2;
    double low = needed - margin, high = needed + margin;
    for (size_t i = 0; i < n && !delta; i++) {
        low = fmin(low, noted[i]);
        high = fmax(high, noted[i]);
    }
    out->low = left(low, frames);
    out->high = left(high, frames);
    out->kind = out->high <= 0 || needed <= frames ? EDX_FORECAST_REACHED : EDX_FORECAST_INTERVAL;
}

edx_forecast edx_verdict_forecast(const edx_latest *model, bool delta, bool stale)
{
    edx_forecast out = {.kind = EDX_FORECAST_UNKNOWN, .seconds = (double)NAN};
    const edx_result *result = edx_latest_get(model, EDX_TREND);
    if (!result)
        return out;
    const edx_trend_result *trend = &result->as.trend;
    double needed = delta ? trend->forecast.delta_frames_needed : trend->forecast.frames_needed;
    if (isnan(needed) || !(trend->forecast.target_sigma > 0))
        return out;
    out.seconds = delta ? trend->forecast.delta_seconds : trend->forecast.seconds;
    if (stale)
        out.kind = EDX_FORECAST_STALE;
    else if (trend->damage.since_frame >= 0)
        out.kind = EDX_FORECAST_WITHHELD;
    else if (isinf(needed) || needed < 0)
        out.kind = EDX_FORECAST_NEVER;
    else
        interval(model, delta, needed, (double)trend->head.frames, &out);
    return out;
}

void edx_forecast_text(const edx_forecast *forecast, char out[EDX_WORDS])
{
    static const char *const words[] = {
        [EDX_FORECAST_UNKNOWN] = "–",         [EDX_FORECAST_STALE] = "– (stale)",
        [EDX_FORECAST_WITHHELD] = "withheld", [EDX_FORECAST_NEVER] = "not reachable",
        [EDX_FORECAST_REACHED] = "reached",
    };
    if (forecast->kind == EDX_FORECAST_INTERVAL)
        snprintf(out, EDX_WORDS, "%.0f to %.0f frames", forecast->low, forecast->high);
    else
        snprintf(out, EDX_WORDS, "%s", words[forecast->kind]);
}
