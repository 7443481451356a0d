/* A heat source is cooled by a closed circuit, and that by a stream of ambient temperature. */
#include "fluid_heat_flow.h"
#include "model.h"

/* Conductance of two in a row; they may both be 0. */
static double in_series(double G1, double G2)
{
    return G1 > 0 && G2 > 0 ? 1 / (1 / G1 + 1 / G2) : 0;
}

/* All is as warm as the ambient. */
void initial(Variables *m)
{
    m->heatCapacitor_T = m->pipe1_T = m->TAmb;
    m->innerPipe_T = m->outerPipe_T = m->TAmb;
}

void equations(Variables *m)
{
    Medium inner = {m->innerMedium_rho, m->innerMedium_cp, m->innerMedium_cv};
    Medium outer = {m->outerMedium_rho, m->outerMedium_cp, m->outerMedium_cv};

    m->dTSource = m->heatCapacitor_T - m->TAmb;
    m->dTtoPipe = m->heatCapacitor_T - m->pipe1_T;
    m->dTinnerCoolant = increase(m->innerVolumeFlow_k, m->innerPipe_T, m->pipe1_T);
    m->dTCooler = m->innerPipe_T - m->outerPipe_T;
    m->dTouterCoolant = increase(m->outerVolumeFlow_k, m->TAmb, m->outerPipe_T);

    double from_source = m->thermalConductor_G * m->dTtoPipe;
    double to_outer = in_series(m->innerGc_k, m->outerGc_k) * m->dTCooler;
    m->innerConvection_Q_flow = -to_outer;

    m->der_heatCapacitor_T = (m->heatFlow_k - from_source) / m->heatCapacitor_C;
    m->der_pipe1_T =
        warming(inner, m->pipe1_m, m->innerVolumeFlow_k, m->innerPipe_T, m->pipe1_T, from_source);
    m->der_innerPipe_T =
        warming(inner, m->innerPipe_m, m->innerVolumeFlow_k, m->pipe1_T, m->innerPipe_T, -to_outer);
    m->der_outerPipe_T =
        warming(outer, m->outerPipe_m, m->outerVolumeFlow_k, m->TAmb, m->outerPipe_T, to_outer);
}
