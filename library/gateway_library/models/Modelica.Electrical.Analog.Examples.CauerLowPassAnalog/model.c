/* A ladder of capacitors to ground, joined by resonant circuits, between two resistors.

   C2 and C4 couple the nodes' voltages, so that their slopes solve a system of three equations:
   capacitances times slopes are the currents that flow into the nodes through R and L. */
#include "model.h"

void equations(Variables *m)
{
    m->V_v = m->stepped ? m->V_V : 0;
    m->R1_i = (m->V_v - m->C1_v) / m->R1_R;
    m->R2_i = m->C5_v / m->R2_R;
    m->C2_v = m->C1_v - m->C3_v;
    m->C4_v = m->C3_v - m->C5_v;

    double into1 = m->R1_i - m->L1_i;
    double into3 = m->L1_i - m->L2_i;
    double into5 = m->L2_i - m->R2_i;

    /* The matrix is {{c1 + c2, -c2, 0}, {-c2, c2 + c3 + c4, -c4}, {0, -c4, c4 + c5}}: eliminate the
       outer nodes, then go back. */
    double part1 = m->c2 / (m->c1 + m->c2);
    double part5 = m->c4 / (m->c4 + m->c5);
    m->der_C3_v = (into3 + part1 * into1 + part5 * into5)
                  / (m->c3 + part1 * m->c1 + part5 * m->c5);
    m->der_C1_v = into1 / (m->c1 + m->c2) + part1 * m->der_C3_v;
    m->der_C5_v = into5 / (m->c4 + m->c5) + part5 * m->der_C3_v;
    m->der_L1_i = m->C2_v / m->l1;
    m->der_L2_i = m->C4_v / m->l2;
}

void event(Variables *m, Event *e)
{
    m->stepped = m->time >= m->V_startTime;
    if (!m->stepped)
        e->next_time = m->V_startTime;
}
