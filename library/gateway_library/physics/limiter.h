/* A value kept between two limits, `low` <= `high`.

   `side` is -1 at the lower limit, 0 between them and 1 at the upper one. It is a discrete variable
   that changes at events only, so that what a solver sees between them is smooth. */
#ifndef GATEWAY_LIMITER_H
#define GATEWAY_LIMITER_H

#include <float.h>
#include <math.h>
#include <stdbool.h>

#define LIMITER_HYSTERESIS 1e-10 /* of the distance between the limits */

static inline double limited(double side, double value, double low, double high)
{
    return side > 0 ? high : side < 0 ? low : value;
}

/* Event indicator, in the value's unit: positive as long as `side` is right. */
static inline double limiter_margin(double side, double value, double low, double high)
{
    double inside = fmin(value - low, high - value);
    double margin = side > 0 ? value - high : side < 0 ? low - value : inside;
    return margin + LIMITER_HYSTERESIS * (high - low) + DBL_MIN;
}

/* At an event: bring `side` in line. True where it changed. */
static inline bool limiter_changes(double *side, double value, double low, double high)
{
    if (limiter_margin(*side, value, low, high) > 0)
        return false;
    *side = value >= high ? 1 : value <= low ? -1 : 0;
    return true;
}

#endif
