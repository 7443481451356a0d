/* Fluid flows through a pipe from the tank with the higher level into the other. */
#include <math.h>

#include "model.h"

/* Volume flow [m3/s] through the pipe at the pressure drop dp [Pa]: proportional up to
   V_flowLaminar, and solved for there where a square part comes in. */
static double flow(const Variables *m, double dp)
{
    double a = m->pipe_dpLaminar / m->pipe_V_flowLaminar;
    double beyond = fabs(dp) - m->pipe_dpLaminar;
    if (beyond <= 0)
        return dp / a;
    double above = 2 * beyond / (a + sqrt(a * a + 4 * m->pipe_k * beyond));
    return copysign(m->pipe_V_flowLaminar + above, dp);
}

void equations(Variables *m)
{
    double rho = m->medium_rho;
    double V = flow(m, rho * m->g * (m->openTank1_level - m->openTank2_level));

    m->V_flow = V;
    m->openTank1_m = rho * m->openTank1_ATank * m->openTank1_level;
    m->openTank2_m = rho * m->openTank2_ATank * m->openTank2_level;
    m->openTank1_H = m->openTank1_m * m->medium_cp * m->openTank1_T;
    m->openTank2_H = m->openTank2_m * m->medium_cp * m->openTank2_T;

    m->der_openTank1_level = -V / m->openTank1_ATank;
    m->der_openTank2_level = V / m->openTank2_ATank;

    /* The tank that gives keeps its temperature, the other one mixes. */
    double warmer = rho * V * (m->openTank1_T - m->openTank2_T);
    m->der_openTank1_T = V < 0 ? warmer / m->openTank1_m : 0;
    m->der_openTank2_T = V > 0 ? warmer / m->openTank2_m : 0;
}
