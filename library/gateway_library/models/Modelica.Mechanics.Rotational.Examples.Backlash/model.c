/* Three inertias that were turned and let go, each on a spring and a damper of its own: without
   backlash, with backlash and a damping torque that grows from zero, and with backlash and a torque
   that jumps at the contact. */
#include <math.h>

#include "model.h"

#include "crossing.h"

#define LEAST_BACKLASH 1e-10 /* rad: any less counts as none */

/* An elastic stop on both sides of a gap. */
typedef struct {
    double c, d, gap; /* the gap [rad] from the middle to either side */
    double phi, w;
} Stop;

static Stop first_stop(const Variables *m)
{
    return (Stop){m->elastoBacklash_c, m->elastoBacklash_d, m->elastoBacklash_b / 2,
                  m->inertia2_phi, m->inertia2_w};
}

static Stop second_stop(const Variables *m)
{
    return (Stop){m->elastoBacklash2_c, m->elastoBacklash2_d, m->elastoBacklash2_b / 2,
                  m->inertia3_phi, m->inertia3_w};
}

static bool has_backlash(const Stop *s)
{
    return 2 * s->gap > LEAST_BACKLASH;
}

/* How far the stop on `side` (1 or -1) is pressed in; negative inside the gap. */
static double depth(const Stop *s, int side)
{
    return signed_indicator(side * s->phi - s->gap);
}

/* The side that is in contact, 0 for none. */
static int contact(const Stop *s)
{
    return (depth(s, 1) > 0) - (depth(s, -1) > 0);
}

static double spring(const Stop *s, int side)
{
    return s->c * depth(s, side);
}

static double damper(const Stop *s, int side)
{
    return s->d * side * s->w;
}

/* The damper never pulls at the stop and never pushes more than the spring: the torque is
   continuous at the contact. */
static double soft_torque(const Stop *s, int side)
{
    double tau_c = spring(s, side), tau_d = damper(s, side);
    if (!has_backlash(s))
        return s->c * s->phi + s->d * s->w;
    return tau_c + tau_d <= 0 ? 0 : side * (tau_c + fmin(tau_c, tau_d));
}

static double hard_torque(const Stop *s, int side, bool pushes)
{
    if (!has_backlash(s))
        return s->c * s->phi + s->d * s->w;
    return pushes ? side * (spring(s, side) + damper(s, side)) : 0;
}

static double push(const Stop *s, int side)
{
    return side == 0 ? 1 : signed_indicator(spring(s, side) + damper(s, side));
}

void equations(Variables *m)
{
    Stop first = first_stop(m), second = second_stop(m);
    int side = (int)m->elastoBacklash_contact, side2 = (int)m->elastoBacklash2_contact;

    m->springDamper_phi_rel = m->inertia1_phi;
    m->springDamper_w_rel = m->inertia1_w;
    m->springDamper_tau = m->springDamper_c * m->inertia1_phi + m->springDamper_d * m->inertia1_w;
    m->der_inertia1_phi = m->inertia1_w;
    m->der_inertia1_w = -m->springDamper_tau / m->inertia1_J;

    m->elastoBacklash_phi_rel = m->inertia2_phi;
    m->elastoBacklash_w_rel = m->inertia2_w;
    m->elastoBacklash_tau = soft_torque(&first, side);
    m->der_inertia2_phi = m->inertia2_w;
    m->der_inertia2_w = -m->elastoBacklash_tau / m->inertia2_J;

    m->elastoBacklash2_phi_rel = m->inertia3_phi;
    m->elastoBacklash2_w_rel = m->inertia3_w;
    m->elastoBacklash2_tau = hard_torque(&second, side2, m->elastoBacklash2_pushes);
    m->der_inertia3_phi = m->inertia3_w;
    m->der_inertia3_w = -m->elastoBacklash2_tau / m->inertia3_J;

    m->elastoBacklash_upper = depth(&first, 1);
    m->elastoBacklash_lower = depth(&first, -1);
    m->elastoBacklash2_upper = depth(&second, 1);
    m->elastoBacklash2_lower = depth(&second, -1);
    m->elastoBacklash2_push = push(&second, side2);
}

void event(Variables *m, Event *e)
{
    Stop first = first_stop(m), second = second_stop(m);
    (void)e;
    m->elastoBacklash_contact = contact(&first);
    m->elastoBacklash2_contact = contact(&second);
    m->elastoBacklash2_pushes = push(&second, contact(&second)) > 0;
}
