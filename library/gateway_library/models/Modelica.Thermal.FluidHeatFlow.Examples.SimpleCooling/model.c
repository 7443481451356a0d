/* A heat source is cooled by a stream of ambient temperature. */
#include "fluid_heat_flow.h"
#include "model.h"

/* All is as warm as the ambient. */
void initial(Variables *m)
{
    m->heatCapacitor_T = m->pipe_T = m->TAmb;
}

void equations(Variables *m)
{
    Medium coolant = {m->medium_rho, m->medium_cp, m->medium_cv};
    double V_flow = m->volumeFlow_k;

    m->dTSource = m->heatCapacitor_T - m->TAmb;
    m->dTtoPipe = m->heatCapacitor_T - m->pipe_T;
    m->dTCoolant = increase(V_flow, m->TAmb, m->pipe_T);

    m->convection_Q_flow = m->thermalConductance_k * m->dTtoPipe;
    m->der_heatCapacitor_T = (m->heatFlow_k - m->convection_Q_flow) / m->heatCapacitor_C;
    m->der_pipe_T =
        warming(coolant, m->pipe_m, V_flow, m->TAmb, m->pipe_T, m->convection_Q_flow);
}
