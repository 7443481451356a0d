/* Two inertias joined by a freewheel, which lets the right one run ahead of the left one only, and a
   clutch that is pressed from time to time and then slows that down. */
#include <float.h>
#include <math.h>

#include "model.h"

#include "friction.h"

#define PI 3.14159265358979323846
#define LEAST_HOLD 1e-4 /* of the clutch's torque: what it takes to free an open one from its stop */

static double sliding_torque(const Variables *m)
{
    return m->oneWayClutch_mu_pos_1_2 * m->oneWayClutch_fn_max * m->oneWayClutch_f_normalized;
}

/* Backward the freewheel is a stop. */
static Hold hold(const Variables *m)
{
    double open = LEAST_HOLD * m->oneWayClutch_mu_pos_1_2 * m->oneWayClutch_fn_max;
    double pressed = fmax(m->oneWayClutch_peak, 1 + LEAST_HOLD) * sliding_torque(m);
    double most = m->oneWayClutch_f_normalized > 0 ? pressed : open;
    return (Hold){.lowest = -INFINITY, .highest = fmax(most, DBL_MIN)};
}

static Friction clutch(const Variables *m)
{
    return (Friction){
        .mode = m->oneWayClutch_stuck ? STUCK : FORWARD,
        .start = m->oneWayClutch_startForward ? FORWARD : 0,
        .speed = m->oneWayClutch_w_rel,
    };
}

static double driving_torque(const Variables *m)
{
    return m->signalTorque_amplitude * sin(2 * PI * m->signalTorque_f * m->time);
}

/* The torque between the inertias: what moves both alike while the clutch is held. */
static double torque(const Variables *m, const Friction *f)
{
    if (is_held(f))
        return -driving_torque(m) * m->inertiaOut_J / (m->inertiaIn_J + m->inertiaOut_J);
    return sliding_torque(m);
}

/* Of the right side against the left one; exactly zero while the clutch is held. */
static double relative_acceleration(const Variables *m, const Friction *f)
{
    double tau = torque(m, f);
    if (is_held(f))
        return 0;
    return -tau / m->inertiaOut_J - (driving_torque(m) + tau) / m->inertiaIn_J;
}

void equations(Variables *m)
{
    Friction f = clutch(m);
    double tau = torque(m, &f);
    m->torque_tau = driving_torque(m);
    m->oneWayClutch_tau = tau;
    m->oneWayClutch_margin = friction_indicator(&f, tau, hold(m));
    m->inertiaOut_phi = m->inertiaIn_phi + m->oneWayClutch_phi_rel;
    m->inertiaOut_w = m->inertiaIn_w + m->oneWayClutch_w_rel;

    m->der_inertiaIn_phi = m->inertiaIn_w;
    m->der_inertiaIn_w = (m->torque_tau + tau) / m->inertiaIn_J;
    m->der_oneWayClutch_phi_rel = m->oneWayClutch_w_rel;
    m->der_oneWayClutch_w_rel = relative_acceleration(m, &f);
}

/* The pulses that press the clutch; the time of the next edge. */
static double press(Variables *m)
{
    double start = m->signalEngagement_startTime, period = m->signalEngagement_period;
    double count = floor((m->time - start) / period);
    double rise, fall;

    /* An edge computed from its number is the instant to which the solver was sent; dividing that
       again may miss the number by a rounding. */
    if (m->time >= start + (count + 1) * period)
        count++;
    rise = start + count * period;
    fall = rise + m->signalEngagement_width / 100 * period;
    m->oneWayClutch_f_normalized =
        m->time >= start && m->time < fall ? m->signalEngagement_amplitude : 0;
    if (m->time < start)
        return start;
    return m->time < fall ? fall : start + (count + 1) * period;
}

void event(Variables *m, Event *e)
{
    Friction f;
    e->next_time = press(m);
    f = clutch(m);
    follow_speed(&f, true);
    give_way(&f, torque(m, &f), hold(m));
    hold_again(&f, relative_acceleration(m, &f));
    e->states_changed = m->oneWayClutch_w_rel != f.speed;
    m->oneWayClutch_w_rel = f.speed;
    m->oneWayClutch_stuck = f.mode == STUCK;
    m->oneWayClutch_startForward = f.start == FORWARD;
}
