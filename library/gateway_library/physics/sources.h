/* The ramp of Modelica.Blocks.Sources. Its corners are time events: `event` keeps the phase. */
#ifndef GATEWAY_SOURCES_H
#define GATEWAY_SOURCES_H

#include <math.h>

enum { BEFORE_RAMP, ON_RAMP, AFTER_RAMP };

static inline int ramp_phase(double time, double start, double duration)
{
    return time < start ? BEFORE_RAMP : time < start + duration ? ON_RAMP : AFTER_RAMP;
}

/* When the phase changes next. */
static inline double ramp_corner(double phase, double start, double duration)
{
    return phase == BEFORE_RAMP ? start : phase == ON_RAMP ? start + duration : INFINITY;
}

/* From 0 to `height`; a duration of 0 gives a step. */
static inline double ramp(double time, double phase, double start, double duration, double height)
{
    return phase == BEFORE_RAMP ? 0 : phase == ON_RAMP ? height * (time - start) / duration : height;
}

#endif
