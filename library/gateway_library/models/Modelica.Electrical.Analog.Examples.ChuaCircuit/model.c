/* Two capacitors, a coil with its resistance and a conductor, driven by a piecewise linear resistor
   whose conductance is negative. */
#include "crossing.h"
#include "model.h"

/* Current through the nonlinear resistor on the present piece of its characteristic. */
static double current(const Variables *m)
{
    double inner = m->piece == 0 ? m->C1_v : m->piece * m->Nr_Ve;
    return m->Nr_Gb * m->C1_v + (m->Nr_Ga - m->Nr_Gb) * inner;
}

void equations(Variables *m)
{
    m->Nr_i = current(m);
    m->G_i = m->G_G * (m->C2_v - m->C1_v);
    m->der_L_i = (m->C2_v - m->Ro_R * m->L_i) / m->L_L;
    m->der_C1_v = (m->G_i - m->Nr_i) / m->C1_C;
    m->der_C2_v = (-m->L_i - m->G_i) / m->C2_C;

    m->above = signed_indicator(m->C1_v - m->Nr_Ve);
    m->below = signed_indicator(-m->Nr_Ve - m->C1_v);
}

void event(Variables *m, Event *e)
{
    (void)e;
    m->piece = m->C1_v > m->Nr_Ve ? 1 : m->C1_v < -m->Nr_Ve ? -1 : 0;
}
