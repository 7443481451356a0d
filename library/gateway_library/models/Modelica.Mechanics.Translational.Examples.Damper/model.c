/* Masses braked by linear elements between them and a wall: m s'' = d s_rel' + c (s_rel - s_rel0). */
#include "model.h"

void equations(Variables *m)
{
    m->damper1_s_rel = m->fixed1_s0 - (m->mass1_s + m->mass1_L / 2);
    m->damper1_v_rel = -m->mass1_v;
    m->damper1_f = m->damper1_d * m->damper1_v_rel;
    m->der_mass1_s = m->mass1_v;
    m->der_mass1_v = m->damper1_f / m->mass1_m;

    m->damper2_s_rel = m->fixed2_s0 - (m->mass2_s + m->mass2_L / 2);
    m->damper2_v_rel = -m->mass2_v;
    double pull2 = m->damper2_d * m->damper2_v_rel
                   + m->spring2_c * (m->damper2_s_rel - m->spring2_s_rel0);
    m->der_mass2_s = m->mass2_v;
    m->der_mass2_v = pull2 / m->mass2_m;

    m->springDamper3_s_rel = m->fixed3_s0 - (m->mass3_s + m->mass3_L / 2);
    m->springDamper3_v_rel = -m->mass3_v;
    m->springDamper3_f = m->springDamper3_d * m->springDamper3_v_rel
                         + m->springDamper3_c * (m->springDamper3_s_rel - m->springDamper3_s_rel0);
    m->der_mass3_s = m->mass3_v;
    m->der_mass3_v = m->springDamper3_f / m->mass3_m;
}
