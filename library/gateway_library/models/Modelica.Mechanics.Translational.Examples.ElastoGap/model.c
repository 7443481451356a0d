/* Two masses between walls: one at spring-dampers, the other free between two elastic contacts. */
#include "elasto_gap.h"
#include "model.h"

static void between_spring_dampers(Variables *m)
{
    m->springDamper1_s_rel = m->mass1_s + m->rod1_L;
    m->springDamper1_v_rel = m->mass1_v;
    m->springDamper1_f = m->springDamper1_c * (m->springDamper1_s_rel - m->springDamper1_s_rel0)
                         + m->springDamper1_d * m->springDamper1_v_rel;
    m->springDamper2_s_rel = m->rod2_L - m->mass1_s;
    m->springDamper2_v_rel = -m->mass1_v;
    m->springDamper2_f = m->springDamper2_c * (m->springDamper2_s_rel - m->springDamper2_s_rel0)
                         + m->springDamper2_d * m->springDamper2_v_rel;
    m->der_mass1_s = m->mass1_v;
    m->der_mass1_v = (m->springDamper2_f - m->springDamper1_f) / m->mass1_m;
}

static void between_contacts(Variables *m)
{
    m->elastoGap1_s_rel = m->mass2_s + m->rod1_L;
    m->elastoGap1_v_rel = m->mass2_v;
    m->elastoGap1_f = elasto_gap_force(m->elastoGap1_contact, m->elastoGap1_s_rel,
                                       m->elastoGap1_v_rel, m->elastoGap1_s_rel0, m->elastoGap1_c,
                                       m->elastoGap1_d);
    m->elastoGap2_s_rel = m->rod2_L - m->mass2_s;
    m->elastoGap2_v_rel = -m->mass2_v;
    m->elastoGap2_f = elasto_gap_force(m->elastoGap2_contact, m->elastoGap2_s_rel,
                                       m->elastoGap2_v_rel, m->elastoGap2_s_rel0, m->elastoGap2_c,
                                       m->elastoGap2_d);
    m->der_mass2_s = m->mass2_v;
    m->der_mass2_v = (m->elastoGap2_f - m->elastoGap1_f) / m->mass2_m;
}

void equations(Variables *m)
{
    between_spring_dampers(m);
    between_contacts(m);
    m->elastoGap1_margin =
        elasto_gap_margin(m->elastoGap1_contact, m->elastoGap1_s_rel, m->elastoGap1_s_rel0);
    m->elastoGap2_margin =
        elasto_gap_margin(m->elastoGap2_contact, m->elastoGap2_s_rel, m->elastoGap2_s_rel0);
}

void event(Variables *m, Event *e)
{
    (void)e; /* forces are continuous: nothing else changes */
    elasto_gap_changes(&m->elastoGap1_contact, m->elastoGap1_s_rel, m->elastoGap1_s_rel0);
    elasto_gap_changes(&m->elastoGap2_contact, m->elastoGap2_s_rel, m->elastoGap2_s_rel0);
}
