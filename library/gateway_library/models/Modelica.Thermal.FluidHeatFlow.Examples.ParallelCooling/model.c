/* Two heat sources are cooled by a stream that parts into two branches and comes together again.
   The branches' pipes are alike, so that half of the stream takes each. */
#include "fluid_heat_flow.h"
#include "model.h"

/* All is as warm as the ambient. */
void initial(Variables *m)
{
    m->heatCapacitor1_T = m->heatCapacitor2_T = m->TAmb;
    m->pipe1_T = m->pipe2_T = m->pipe3_T = m->TAmb;
}

void equations(Variables *m)
{
    Medium coolant = {m->medium_rho, m->medium_cp, m->medium_cv};
    double V_flow = m->volumeFlow_k, half = V_flow / 2;
    bool forward = V_flow >= 0;
    double mixed = (m->pipe1_T + m->pipe2_T) / 2;
    double to_branches = forward ? m->TAmb : m->pipe3_T;
    double to_pipe3 = forward ? mixed : m->TAmb;

    m->dTSource1 = m->heatCapacitor1_T - m->TAmb;
    m->dTSource2 = m->heatCapacitor2_T - m->TAmb;
    m->dTtoPipe1 = m->heatCapacitor1_T - m->pipe1_T;
    m->dTtoPipe2 = m->heatCapacitor2_T - m->pipe2_T;
    m->dTCoolant1 = increase(V_flow, to_branches, m->pipe1_T);
    m->dTCoolant2 = increase(V_flow, to_branches, m->pipe2_T);
    m->dTmixedCoolant = forward ? m->pipe3_T - m->TAmb : m->TAmb - mixed;

    double Q1 = m->thermalConductance1_k * m->dTtoPipe1;
    double Q2 = m->thermalConductance2_k * m->dTtoPipe2;
    m->der_heatCapacitor1_T = (m->heatFlow1_k - Q1) / m->heatCapacitor1_C;
    m->der_heatCapacitor2_T = (m->heatFlow2_k - Q2) / m->heatCapacitor2_C;
    m->der_pipe1_T = warming(coolant, m->pipe1_m, half, to_branches, m->pipe1_T, Q1);
    m->der_pipe2_T = warming(coolant, m->pipe2_m, half, to_branches, m->pipe2_T, Q2);
    m->der_pipe3_T = warming(coolant, m->pipe3_m, V_flow, to_pipe3, m->pipe3_T, 0);
}
