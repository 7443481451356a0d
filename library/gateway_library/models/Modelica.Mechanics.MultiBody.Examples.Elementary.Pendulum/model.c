/* A rigid body turns about a horizontal axis: (I + m r^2) phi'' = -m g r cos(phi) - d phi'. */
#include <math.h>

#include "model.h"

void equations(Variables *m)
{
    double inertia = m->body_I_33 + m->body_m * m->body_r_CM_1 * m->body_r_CM_1;
    double gravity = -m->body_m * m->world_g * m->body_r_CM_1 * cos(m->rev_phi);

    m->damper_tau = m->damper_d * m->rev_w;
    m->der_rev_phi = m->rev_w;
    m->der_rev_w = (gravity - m->damper_tau) / inertia;
}
