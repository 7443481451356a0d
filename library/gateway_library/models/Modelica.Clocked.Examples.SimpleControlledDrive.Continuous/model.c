/* An inertia turned by a PI controller's torque, whose set point is a ramp. */
#include "model.h"

/* The phase is constant between events, so that a ramp is smooth where a solver looks beyond it. */
static double ramp(const Variables *m)
{
    double share = m->ramp_phase < 1   ? 0
                   : m->ramp_phase > 1 ? 1
                                       : (m->time - m->ramp_startTime) / m->ramp_duration;
    return m->ramp_offset + share * m->ramp_height;
}

static double phase(const Variables *m)
{
    return (m->time >= m->ramp_startTime) + (m->time >= m->ramp_startTime + m->ramp_duration);
}

void initial(Variables *m)
{
    m->ramp_phase = phase(m);
    m->PI_x = m->PI_y_start / m->PI_k - (ramp(m) - m->load_w);
}

void equations(Variables *m)
{
    m->ramp_y = ramp(m);
    m->feedback_y = m->ramp_y - m->load_w;
    m->PI_y = m->PI_k * (m->PI_x + m->feedback_y);
    m->der_PI_x = m->feedback_y / m->PI_T;
    m->der_load_phi = m->load_w;
    m->der_load_w = m->PI_y / m->load_J;
}

void event(Variables *m, Event *e)
{
    m->ramp_phase = phase(m);
    if (m->ramp_phase < 2)
        e->next_time = m->ramp_startTime + (m->ramp_phase < 1 ? 0 : m->ramp_duration);
}
