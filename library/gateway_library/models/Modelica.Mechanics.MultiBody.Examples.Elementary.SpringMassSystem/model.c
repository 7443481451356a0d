/* Two masses on springs in gravity, in coordinates downwards: m s'' = m g - f.

   The first spring acts along its joint. The second is a line between two points: its length is |s|,
   and where the body passes the support the force changes its sign. */
#include <math.h>

#include "model.h"

#define HYSTERESIS 1e-12 /* m */

void equations(Variables *m)
{
    m->spring1_f = m->spring1_c * (m->p1_s - m->spring1_s_rel0);
    m->der_p1_s = m->p1_v;
    m->der_p1_v = m->world_g - m->spring1_f / m->body1_m;

    double downwards = m->spring2_above ? -1 : 1;
    m->spring2_f = m->spring2_c * (downwards * m->p2_s - m->spring2_s_unstretched);
    m->der_p2_s = m->p2_v;
    m->der_p2_v = m->world_g - downwards * m->spring2_f / m->body2_m;

    m->spring2_margin = downwards * m->p2_s + HYSTERESIS;
}

void event(Variables *m, Event *e)
{
    (void)e; /* positions and velocities go on as they are */
    if (m->spring2_margin <= 0)
        m->spring2_above = m->p2_s < 0;
}
