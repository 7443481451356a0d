/* Two masses on springs, driven by a sine force each; the second has a damper beside its spring. */
#include <math.h>

#include "model.h"

#define TWO_PI 6.283185307179586

void equations(Variables *m)
{
    m->sine1_y = m->sine1_amplitude * sin(TWO_PI * m->sine1_f * m->time);
    m->spring1_s_rel = m->fixed1_s0 - (m->mass1_s + m->mass1_L / 2);
    double pull1 = m->spring1_c * (m->spring1_s_rel - m->spring1_s_rel0);
    m->der_mass1_s = m->mass1_v;
    m->der_mass1_v = (m->sine1_y + pull1) / m->mass1_m;

    m->sine2_y = m->sine2_amplitude * sin(TWO_PI * m->sine2_f * m->time);
    m->damper1_s_rel = m->fixed2_s0 - (m->mass2_s + m->mass2_L / 2);
    m->damper1_v_rel = -m->mass2_v;
    double pull2 = m->spring2_c * (m->damper1_s_rel - m->spring2_s_rel0)
                   + m->damper1_d * m->damper1_v_rel;
    m->der_mass2_s = m->mass2_v;
    m->der_mass2_v = (m->sine2_y + pull2) / m->mass2_m;
}
