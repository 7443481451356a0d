/* A disc turning in a magnetic field brakes itself and gets hot, which shifts its torque curve. */
#include "model.h"

#define ROOM_TEMPERATURE 293.15 /* K: to which alpha20 belongs */

void equations(Variables *m)
{
    double from_20 = m->eddyCurrentTorque_TRef - ROOM_TEMPERATURE;
    double alpha = m->eddyCurrentTorque_alpha20 / (1 + m->eddyCurrentTorque_alpha20 * from_20);
    double resistance = 1 + alpha * (m->heatCapacitor_T - m->eddyCurrentTorque_TRef);
    double w = m->inertia_w;

    /* The speed of the largest torque; the resistance of the disc moves it. */
    double peak = m->eddyCurrentTorque_w_nominal * resistance;
    double tau = 2 * m->eddyCurrentTorque_tau_nominal * w * peak / (w * w + peak * peak);

    m->eddyCurrentTorque_tau = tau;
    m->eddyCurrentTorque_lossPower = tau * w;
    m->der_inertia_phi = w;
    m->der_inertia_w = -tau / m->inertia_J;
    m->der_heatCapacitor_T = m->eddyCurrentTorque_lossPower / m->heatCapacitor_C;
}
