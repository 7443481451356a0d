/* Four inertias in a row, joined by three clutches that slide, hold or are open. */
#include <math.h>

#include "model.h"

#include "friction.h"

#define PI 3.14159265358979323846
#define CLUTCHES 3
#define INERTIAS (CLUTCHES + 1)
#define PASSES 27 /* three states of each clutch: a longer search would go in circles */

/* One clutch's share of the variables. */
typedef struct {
    double *speed, *acceleration, *torque, *mode, *starts_forward, *starts_backward;
    double *grip, *margin;
    double sliding_torque, peak;
} Clutch;

#define CLUTCH(m, NAME)                                                                        \
    {                                                                                          \
        .speed = &(m)->NAME##_w_rel, .acceleration = &(m)->der_##NAME##_w_rel,                 \
        .torque = &(m)->NAME##_tau, .mode = &(m)->NAME##_mode,                                 \
        .starts_forward = &(m)->NAME##_startForward,                                           \
        .starts_backward = &(m)->NAME##_startBackward, .grip = &(m)->NAME##_grip,              \
        .margin = &(m)->NAME##_margin, .peak = (m)->NAME##_peak,                               \
        .sliding_torque = (m)->NAME##_mu_pos_1_2 * (m)->NAME##_fn_max * (m)->NAME##_f_normalized \
    }

typedef struct {
    double inertia[INERTIAS], acceleration[INERTIAS];
    double driving_torque; /* on the first inertia */
    Clutch clutch[CLUTCHES];
    Friction friction[CLUTCHES];
    double torque[CLUTCHES]; /* between the clutch's sides: drives the left one */
} Train;

static Hold hold(const Clutch *clutch)
{
    double most = fmax(0, clutch->peak * clutch->sliding_torque);
    return (Hold){.lowest = -most, .highest = most};
}

static Train train(Variables *m)
{
    Train t = {
        .inertia = {m->J1_J, m->J2_J, m->J3_J, m->J4_J},
        .driving_torque = m->sin1_amplitude * sin(2 * PI * m->sin1_f * m->time),
    };
    m->clutch1_f_normalized = sin(2 * PI * m->f * m->time + PI / 2);
    t.clutch[0] = (Clutch)CLUTCH(m, clutch1);
    t.clutch[1] = (Clutch)CLUTCH(m, clutch2);
    t.clutch[2] = (Clutch)CLUTCH(m, clutch3);
    for (int k = 0; k < CLUTCHES; k++) {
        const Clutch *c = &t.clutch[k];
        t.friction[k] = (Friction){
            .mode = (int)*c->mode,
            .start = (int)(*c->starts_forward - *c->starts_backward),
            .speed = *c->speed,
        };
    }
    return t;
}

/* Inertias that clutches hold together move as one; a held clutch's torque follows from that. */
static void balance(Train *t)
{
    for (int k = 0; k < CLUTCHES; k++)
        t->torque[k] = sliding_direction(&t->friction[k]) * t->clutch[k].sliding_torque;
    for (int first = 0, last; first < INERTIAS; first = last + 1) {
        double left = first == 0 ? t->driving_torque : -t->torque[first - 1];
        double inertia = t->inertia[first];
        for (last = first; last < CLUTCHES && is_held(&t->friction[last]); last++)
            inertia += t->inertia[last + 1];
        double right = last < CLUTCHES ? t->torque[last] : 0;
        double acceleration = (left + right) / inertia;
        for (int i = first; i <= last; i++) {
            t->acceleration[i] = acceleration;
            if (i == last)
                break;
            t->torque[i] = t->inertia[i] * acceleration - left;
            left = -t->torque[i];
        }
    }
}

void equations(Variables *m)
{
    Train t = train(m);
    balance(&t);
    for (int k = 0; k < CLUTCHES; k++) {
        const Clutch *c = &t.clutch[k];
        *c->acceleration = t.acceleration[k + 1] - t.acceleration[k];
        *c->torque = t.torque[k];
        *c->grip = signed_indicator(c->sliding_torque);
        *c->margin = friction_indicator(&t.friction[k], t.torque[k], hold(c));
    }
    m->der_J1_phi = m->J1_w;
    m->der_J1_w = t.acceleration[0];
    m->der_clutch1_phi_rel = m->clutch1_w_rel;
    m->der_clutch2_phi_rel = m->clutch2_w_rel;
    m->der_clutch3_phi_rel = m->clutch3_w_rel;
    m->J2_w = m->J1_w + m->clutch1_w_rel;
    m->J3_w = m->J2_w + m->clutch2_w_rel;
    m->J4_w = m->J3_w + m->clutch3_w_rel;
}

/* One look at all clutches under their torques; true where one gave way or holds again. */
static bool rearrange(Train *t)
{
    bool changed = false;
    balance(t);
    for (int k = 0; k < CLUTCHES; k++)
        changed |= give_way(&t->friction[k], t->torque[k], hold(&t->clutch[k]));
    for (int k = 0; k < CLUTCHES && !changed; k++)
        changed = hold_again(&t->friction[k], t->acceleration[k + 1] - t->acceleration[k]);
    return changed;
}

/* The steps that press the clutches; the time of the next one. */
static double press(Variables *m)
{
    m->clutch2_f_normalized = m->time >= m->T2;
    m->clutch3_f_normalized = m->time >= m->T3;
    return fmin(m->time < m->T2 ? m->T2 : INFINITY, m->time < m->T3 ? m->T3 : INFINITY);
}

void event(Variables *m, Event *e)
{
    e->next_time = press(m);
    Train t = train(m);
    for (int k = 0; k < CLUTCHES; k++)
        follow_speed(&t.friction[k], t.clutch[k].sliding_torque > 0);
    for (int pass = 0; pass < PASSES && rearrange(&t); pass++)
        ;
    for (int k = 0; k < CLUTCHES; k++) {
        const Clutch *c = &t.clutch[k];
        e->states_changed |= *c->speed != t.friction[k].speed;
        *c->speed = t.friction[k].speed;
        *c->mode = t.friction[k].mode;
        *c->starts_forward = t.friction[k].start == FORWARD;
        *c->starts_backward = t.friction[k].start == BACKWARD;
    }
}
