/* A room and the mass of its building as two heat capacities; an air-water heat pump heats the room. */
#include <math.h>

#include "model.h"

#define ZERO_CELSIUS 273.15 /* K */
#define RATED_AMBIENT 7.    /* degC: the rating point A7 of EN 14511 */
#define LEAST_LIFT 10.      /* K: a compressor doesn't run at a smaller one */

static double limited(double value, double least, double most)
{
    return fmax(least, fmin(most, value));
}

static double command(Variables *m)
{
    double error = m->T_set - m->room_T;
    double asked = m->controller_K * error + m->controller_I;
    double least = fmin(m->heatPump_u_min, 1);
    double u = m->heatPump_on ? limited(asked, least, 1) : 0;

    m->der_controller_I = 0;
    if (!m->modulating)
        return m->heatPump_on ? 1 : 0;
    m->der_controller_I = (m->controller_K * error + (u - asked)) / m->controller_Ti;
    return u;
}

/* A fixed share of Carnot's coefficient, between the temperatures of the refrigerant. */
static double performance(const Variables *m, double heat)
{
    double condensing = m->room_T + heat / m->emitter_G + m->heatPump_dT_condenser;
    double evaporating = m->T_ambient - m->heatPump_dT_evaporator;
    double lift = fmax(condensing - evaporating, LEAST_LIFT);
    return fmax(1, m->heatPump_quality * (condensing + ZERO_CELSIUS) / lift);
}

void equations(Variables *m)
{
    double available = 1 + m->heatPump_k_capacity * (m->T_ambient - RATED_AMBIENT);
    double to_mass = m->mass_G * (m->room_T - m->mass_T);

    m->heatPump_u = command(m);
    m->heatPump_Q = m->heatPump_u * m->heatPump_Q_nominal * fmax(0, available);
    m->heatPump_COP = performance(m, m->heatPump_Q);
    m->heatPump_P = m->heatPump_Q / m->heatPump_COP + m->heatPump_P_standby;
    m->heatPump_SPF = m->heatPump_E > 0 ? m->heatPump_H / m->heatPump_E : 0;

    m->loss = m->room_G * (m->room_T - m->T_ambient) + m->wall_G * (m->mass_T - m->T_ambient);
    m->der_room_T = (m->heatPump_Q + m->gains - to_mass - m->room_G * (m->room_T - m->T_ambient)) /
                    m->room_C;
    m->der_mass_T = (to_mass - m->wall_G * (m->mass_T - m->T_ambient)) / m->mass_C;
    m->der_heatPump_E = m->heatPump_P;
    m->der_heatPump_H = m->heatPump_Q;

    m->to_switch = m->heatPump_on ? m->T_set + m->band / 2 - m->room_T
                                  : m->room_T - (m->T_set - m->band / 2);
}

void event(Variables *m, Event *e)
{
    bool on = m->heatPump_on;
    (void)e;
    if (m->room_T >= m->T_set + m->band / 2)
        on = false;
    else if (m->room_T <= m->T_set - m->band / 2)
        on = true;
    if (on && !m->heatPump_on)
        m->heatPump_starts++;
    m->heatPump_on = on;
}
