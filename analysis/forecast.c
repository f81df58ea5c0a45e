#include "analysis/forecast.h"

#include <math.h>

double edx_forecast_frames(double frames, double statistical, double systematic, double target)
{
    double room = target * target - systematic * systematic;

    if (!(frames > 0) || !isfinite(statistical) || !isfinite(systematic))
        return NAN;
    if (!(room > 0))
        return INFINITY;
    return ceil(frames * statistical * statistical / room);
}
