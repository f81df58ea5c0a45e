/* How long until the error bar is as small as it should be. */
#ifndef EDX_ANALYSIS_FORECAST_H
#define EDX_ANALYSIS_FORECAST_H

/* Frames after which sqrt(sigma^2 + systematic^2) comes down to target, when it stands at
 * sqrt(statistical^2 + systematic^2) after frames frames, since only the statistical part falls, as
 * 1 / sqrt(frames): t* = t statistical^2 / (target^2 - systematic^2), rounded up. INFINITY where
 * the systematic part alone is no smaller than the target: no dose will do; NaN while nothing is
 * known (no frames, no statistical sigma). */
double edx_forecast_frames(double frames, double statistical, double systematic, double target);

#endif
