/* Contact of two parts through a spring and a damper that can lift off: they push, but never pull.

   The damping force is bounded by the spring's, so that the force is continuous where contact begins
   and ends. Contact is a discrete variable: it changes at events only.

   Source: Modelica Standard Library 4.0.0, Modelica.Mechanics.Translational.Components.ElastoGap. */
#ifndef GATEWAY_ELASTO_GAP_H
#define GATEWAY_ELASTO_GAP_H

#include <math.h>
#include <stdbool.h>

#define GAP_HYSTERESIS 1e-12 /* m: far more than rounding, far less than a force could tell */

/* Force [N] that pulls the ends together, never positive, for the distance `s_rel` [m] between them,
   its rate `v_rel` [m/s], the distance `s_rel0` [m] below which they touch, the stiffness `c` [N/m]
   and the damping `d` [N.s/m]. */
static inline double elasto_gap_force(double contact, double s_rel, double v_rel, double s_rel0,
                                      double c, double d)
{
    double pushing = contact ? c * fmax(0, s_rel0 - s_rel) : 0;
    return fmax(-pushing, fmin(pushing, d * v_rel)) - pushing;
}

/* Event indicator [m]: positive as long as `contact` is right. */
static inline double elasto_gap_margin(double contact, double s_rel, double s_rel0)
{
    return (contact ? s_rel0 - s_rel : s_rel - s_rel0) + GAP_HYSTERESIS;
}

/* At an event: bring `contact` in line. True where it changed. */
static inline bool elasto_gap_changes(double *contact, double s_rel, double s_rel0)
{
    if (elasto_gap_margin(*contact, s_rel, s_rel0) > 0)
        return false;
    *contact = s_rel < s_rel0;
    return true;
}

#endif
