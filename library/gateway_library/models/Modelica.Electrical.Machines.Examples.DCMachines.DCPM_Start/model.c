/* A DC machine with permanent magnets: armature circuit, rotor and load on one shaft. */
#include "model.h"
#include "sources.h"

#define VA_NOMINAL 100.0                 /* V */
#define IA_NOMINAL 100.0                 /* A */
#define W_NOMINAL 149.22565104551515     /* rad/s: 1425 rpm */

/* Induced voltage by speed, and torque by current: at nominal speed and current the machine takes
   its nominal voltage. */
static double machine_constant(const Variables *m)
{
    return (VA_NOMINAL - m->dcpmData_Ra * IA_NOMINAL) / W_NOMINAL;
}

void equations(Variables *m)
{
    double k = machine_constant(m);

    m->dcpm_va = ramp(m->time, m->ramp_phase, m->tStart, m->tRamp, m->Va);
    m->dcpm_airGapDC_vai = k * m->loadInertia_w;
    m->dcpm_tauElectrical = k * m->dcpm_la_i;
    m->loadTorqueStep_tau = m->loaded ? -m->TLoad : 0;

    m->der_dcpm_la_i =
        (m->dcpm_va - m->dcpmData_Ra * m->dcpm_la_i - m->dcpm_airGapDC_vai) / m->dcpmData_La;
    m->der_loadInertia_phi = m->loadInertia_w;
    m->der_loadInertia_w =
        (m->dcpm_tauElectrical + m->loadTorqueStep_tau) / (m->dcpmData_Jr + m->JLoad);
    m->dcpm_tauShaft = m->dcpm_tauElectrical - m->dcpmData_Jr * m->der_loadInertia_w;
}

void event(Variables *m, Event *e)
{
    m->ramp_phase = ramp_phase(m->time, m->tStart, m->tRamp);
    m->loaded = m->time >= m->tStep;
    e->next_time = fmin(ramp_corner(m->ramp_phase, m->tStart, m->tRamp),
                        m->loaded ? INFINITY : m->tStep);
}
