/* Event indicators must never rest at zero: a sign that isn't there can't change. */
#ifndef GATEWAY_CROSSING_H
#define GATEWAY_CROSSING_H

#include <float.h>

/* `indicator`, where zero counts as negative. */
static inline double signed_indicator(double indicator)
{
    return indicator == 0 ? -DBL_MIN : indicator;
}

#endif
