/* A motor turns a load over a flexible shaft; a PI controller with limited output makes its speed
   follow that of a movement from one angle to another. */
#include <math.h>

#include "limiter.h"
#include "model.h"

#define INSTANTS 4

/* When the phases of the movement begin: speeding up, constant speed, slowing down, rest. */
static void movement(const Variables *m, double at[INSTANTS])
{
    double angle = fabs(m->driveAngle);
    double to_full_speed = m->kinematicPTP_qd_max_1 / m->kinematicPTP_qdd_max_1;
    double half_way = sqrt(angle / m->kinematicPTP_qdd_max_1);
    double speeding_up = fmin(to_full_speed, half_way);
    double slowing_down =
        to_full_speed < half_way ? angle / m->kinematicPTP_qd_max_1 : half_way;
    at[0] = m->kinematicPTP_startTime;
    at[1] = at[0] + speeding_up;
    at[2] = at[0] + slowing_down;
    at[3] = at[2] + speeding_up;
}

static double asked_acceleration(const Variables *m)
{
    double a = copysign(m->kinematicPTP_qdd_max_1, m->driveAngle);
    return m->kinematicPTP_phase == 1 ? a : m->kinematicPTP_phase == 3 ? -a : 0;
}

/* The motor's torque and the shaft's hold the load, and nothing accelerates. */
void initial(Variables *m)
{
    double torque = -m->loadTorque_tau_constant;
    m->spring_phi_rel = (-torque - m->spring_d * m->spring_w_rel) / m->spring_c;
    m->PI_I_y = torque / m->PI_k - (m->integrator_y - m->inertia1_w);
}

static void controller(Variables *m)
{
    double error = m->integrator_y - m->inertia1_w;
    double unlimited = m->PI_k * (error + m->PI_I_y);
    m->PI_limiter_u = unlimited;
    m->PI_limiter_margin =
        limiter_margin(m->PI_limiter_side, unlimited, -m->PI_yMax, m->PI_yMax);
    m->PI_y = limited(m->PI_limiter_side, unlimited, -m->PI_yMax, m->PI_yMax);
    m->der_PI_I_y = (error + (m->PI_y - unlimited) / (m->PI_k * m->PI_Ni)) / m->PI_Ti;
}

void equations(Variables *m)
{
    m->kinematicPTP_y_1 = asked_acceleration(m);
    m->der_integrator_y = m->kinematicPTP_y_1;
    controller(m);

    m->spring_tau = m->spring_c * m->spring_phi_rel + m->spring_d * m->spring_w_rel;
    m->inertia2_phi = m->inertia1_phi + m->spring_phi_rel;
    m->inertia2_w = m->inertia1_w + m->spring_w_rel;
    m->der_inertia1_phi = m->inertia1_w;
    m->der_inertia1_w = (m->PI_y + m->spring_tau) / m->inertia1_J;
    m->der_spring_phi_rel = m->spring_w_rel;
    m->der_spring_w_rel =
        (m->loadTorque_tau_constant - m->spring_tau) / m->inertia2_J - m->der_inertia1_w;
}

void event(Variables *m, Event *e)
{
    double at[INSTANTS];
    movement(m, at);
    m->kinematicPTP_phase = 0;
    for (int i = INSTANTS - 1; i >= 0; i--) {
        if (m->time >= at[i])
            m->kinematicPTP_phase++;
        else
            e->next_time = at[i];
    }
    limiter_changes(&m->PI_limiter_side, m->PI_limiter_u, -m->PI_yMax, m->PI_yMax);
}
