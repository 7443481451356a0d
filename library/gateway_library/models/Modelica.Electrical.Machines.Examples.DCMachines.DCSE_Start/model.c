/* A DC machine whose armature current also excites it: both windings and a starting resistor are in
   series; rotor and load are on one shaft. */
#include "model.h"
#include "sources.h"

#define VA_NOMINAL 100.0             /* V */
#define IA_NOMINAL 100.0             /* A */
#define W_NOMINAL 147.6548547187203 /* rad/s: 1410 rpm */
#define STARTING_RESISTANCE 1.0      /* Ohm */

/* Induced voltage by speed and current, and torque by the current's square [H]: at nominal speed and
   current the machine takes its nominal voltage. */
static double machine_constant(const Variables *m)
{
    double windings = m->dcseData_Ra + m->dcseData_Re;
    return (VA_NOMINAL - windings * IA_NOMINAL) / (W_NOMINAL * IA_NOMINAL);
}

void equations(Variables *m)
{
    double i = m->dcse_la_i;
    double flux = machine_constant(m) * i;
    double speed = m->loadInertia_w / m->wLoad;

    m->variableResistor_R =
        STARTING_RESISTANCE
        + ramp(m->time, m->ramp_phase, m->tStart, m->tRamp, -STARTING_RESISTANCE);
    m->dcse_airGapDC_vai = flux * m->loadInertia_w;
    m->dcse_tauElectrical = flux * i;
    m->quadraticLoadTorque_tau = -m->TLoad * speed * fabs(speed);

    double R = m->variableResistor_R + m->dcseData_Ra + m->dcseData_Re;
    m->der_dcse_la_i =
        (m->Va - R * i - m->dcse_airGapDC_vai) / (m->dcseData_La + m->dcseData_Le);
    m->dcse_va =
        m->dcseData_Ra * i + m->dcseData_La * m->der_dcse_la_i + m->dcse_airGapDC_vai;

    m->der_loadInertia_phi = m->loadInertia_w;
    m->der_loadInertia_w =
        (m->dcse_tauElectrical + m->quadraticLoadTorque_tau) / (m->dcseData_Jr + m->JLoad);
}

void event(Variables *m, Event *e)
{
    m->ramp_phase = ramp_phase(m->time, m->tStart, m->tRamp);
    e->next_time = ramp_corner(m->ramp_phase, m->tStart, m->tRamp);
}
