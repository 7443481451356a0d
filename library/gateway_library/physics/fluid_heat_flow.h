/* Streams of an incompressible fluid as in Modelica.Thermal.FluidHeatFlow. */
#ifndef GATEWAY_FLUID_HEAT_FLOW_H
#define GATEWAY_FLUID_HEAT_FLOW_H

#include <math.h>

typedef struct {
    double rho; /* kg/m3 */
    double cp;  /* J/(kg.K) */
    double cv;  /* J/(kg.K) */
} Medium;

/* Rate [K/s] at which a well mixed volume of mass m [kg] warms: fluid enters with T_in [K] at
   V_flow [m3/s], in whichever direction, and leaves with T [K]; Q_flow [W] comes from outside. */
static inline double warming(Medium fluid, double m, double V_flow, double T_in, double T,
                             double Q_flow)
{
    return (fluid.rho * fabs(V_flow) * fluid.cp * (T_in - T) + Q_flow) / (m * fluid.cv);
}

/* The library's "temperature increase in flow direction", dT: from flowPort_a to the fluid, and for
   a flow that enters at flowPort_b from the fluid to there. */
static inline double increase(double V_flow, double T_in, double T)
{
    return V_flow >= 0 ? T - T_in : T_in - T;
}

#endif
