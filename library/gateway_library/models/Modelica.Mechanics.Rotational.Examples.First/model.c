/* A motor turns, through a rigid gear with a damped bearing, a load behind a spring. */
#include <math.h>

#include "model.h"

#define PI 3.14159265358979323846

void equations(Variables *m)
{
    double ratio = m->ratio;
    double motor = m->amplitude * sin(2 * PI * m->f * m->time);

    /* Motor and gear are one body: seen from the gear's slow side, torque grows with the ratio and
       the motor's inertia with its square. */
    double inertia = m->inertia2_J + ratio * ratio * m->Jmotor;

    m->spring_tau = m->spring_c * (m->inertia3_phi - m->inertia2_phi);
    m->damper_phi_rel = -m->inertia2_phi;
    m->damper_w_rel = -m->inertia2_w;
    m->damper_tau = m->damping * m->damper_w_rel;
    m->inertia1_w = ratio * m->inertia2_w;
    m->torque_tau = motor;

    m->der_inertia2_phi = m->inertia2_w;
    m->der_inertia2_w = (ratio * motor + m->spring_tau + m->damper_tau) / inertia;
    m->der_inertia3_phi = m->inertia3_w;
    m->der_inertia3_w = -m->spring_tau / m->Jload;
}
