/* Two masses, each at one temperature, exchange heat through a conductor. */
#include "model.h"

#define CELSIUS 273.15

void equations(Variables *m)
{
    m->conduction_Q_flow = m->conduction_G * (m->mass1_T - m->mass2_T);
    m->der_mass1_T = -m->conduction_Q_flow / m->mass1_C;
    m->der_mass2_T = m->conduction_Q_flow / m->mass2_C;

    /* The heat that both hold doesn't change, so this is the same at all times. */
    m->T_final_K = (m->mass1_C * m->mass1_T + m->mass2_C * m->mass2_T) / (m->mass1_C + m->mass2_C);
    m->Tsensor1_T = m->mass1_T - CELSIUS;
    m->Tsensor2_T = m->mass2_T - CELSIUS;
}
