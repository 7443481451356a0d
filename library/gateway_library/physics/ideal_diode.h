/* The ideal diode of Modelica.Electrical.Analog.Ideal: two straight lines that meet at the knee.

   Blocking, i = Goff v; conducting, v - Vknee = Ron (i - Goff Vknee). Which line holds is a discrete
   variable; on it, i = slope v + offset. */
#ifndef GATEWAY_IDEAL_DIODE_H
#define GATEWAY_IDEAL_DIODE_H

#include <stdbool.h>

typedef struct {
    double Ron;   /* Ohm, > 0 */
    double Goff;  /* S, > 0 */
    double Vknee; /* V */
} Diode;

static inline double diode_slope(Diode d, bool conducts)
{
    return conducts ? 1 / d.Ron : d.Goff;
}

static inline double diode_current(Diode d, bool conducts, double v)
{
    return conducts ? (v - d.Vknee) / d.Ron + d.Goff * d.Vknee : d.Goff * v;
}

/* Positive where the diode must change to the other line. The voltages at which it changes lie
   `HYSTERESIS` to both sides of the knee, so that rounding can't make it change back at once. */
#define HYSTERESIS 1e-9 /* V */

static inline double diode_changes(Diode d, bool conducts, double v)
{
    return (conducts ? d.Vknee - v : v - d.Vknee) - HYSTERESIS;
}

#endif
