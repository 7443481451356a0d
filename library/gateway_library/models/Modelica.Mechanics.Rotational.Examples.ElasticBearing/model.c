/* A shaft drives a load through a gear whose housing rests on a spring and a damper. */
#include <math.h>

#include "model.h"

enum { BEFORE, RISING, HELD };

static double ramp(const Variables *m)
{
    if (m->ramp_phase == BEFORE)
        return 0;
    if (m->ramp_phase == HELD)
        return m->ramp_height;
    return m->ramp_height * (m->time - m->ramp_startTime) / m->ramp_duration;
}

void equations(Variables *m)
{
    double ratio = m->idealGear_ratio;

    /* The gear has no inertia. Relative to its housing the shaft turns `ratio` times as fast as the
       slow side, so a slow side that turns by d_phi takes the shaft along by d_phi / ratio and the
       housing by the rest; torques are shared in the same way. */
    double slow_side = m->housing_phi + (m->shaft_phi - m->housing_phi) / ratio;
    double tau = m->spring_c * (m->load_phi - slow_side);

    m->torque_tau = ramp(m);
    m->spring_tau = tau;
    m->springDamper_phi_rel = m->housing_phi;
    m->springDamper_w_rel = m->housing_w;
    m->springDamper_tau = m->springDamper_c * m->housing_phi + m->springDamper_d * m->housing_w;

    m->der_shaft_phi = m->shaft_w;
    m->der_shaft_w = (m->torque_tau + tau / ratio) / m->shaft_J;
    m->der_housing_phi = m->housing_w;
    m->der_housing_w = (tau - tau / ratio - m->springDamper_tau) / m->housing_J;
    m->der_load_phi = m->load_w;
    m->der_load_w = -tau / m->load_J;
}

void event(Variables *m, Event *e)
{
    double top = m->ramp_startTime + m->ramp_duration;
    m->ramp_phase = m->time < m->ramp_startTime ? BEFORE : m->time < top ? RISING : HELD;
    e->next_time = m->ramp_phase == BEFORE   ? m->ramp_startTime
                   : m->ramp_phase == RISING ? top
                                             : INFINITY;
}
