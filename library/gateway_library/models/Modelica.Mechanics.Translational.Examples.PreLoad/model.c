/* A spool in a housing and two plates with a spring between them. Each plate rests against the
   housing, against the spool or against both; a force on the spool that exceeds the preload of the
   spring lifts one of them off the housing. */
#include <math.h>

#include "elasto_gap.h"
#include "model.h"

#define TWO_PI 6.283185307179586

/* Forces and event indicator of a contact whose distance and its rate are known. */
#define TOUCH(gap)                                                                         \
    do {                                                                                   \
        m->gap##_f = elasto_gap_force(m->gap##_contact, m->gap##_s_rel, m->gap##_v_rel,    \
                                      m->gap##_s_rel0, m->gap##_c, m->gap##_d);            \
        m->gap##_margin =                                                                  \
            elasto_gap_margin(m->gap##_contact, m->gap##_s_rel, m->gap##_s_rel0);          \
    } while (0)

static void distances(Variables *m)
{
    double left_of_a = m->springPlateA_s - m->springPlateA_L / 2;
    double right_of_a = left_of_a + m->springPlateA_L;
    double left_of_b = m->springPlateB_s - m->springPlateB_L / 2;
    double right_of_b = left_of_b + m->springPlateB_L;
    double reference = m->spool_s - m->spool_L / 2;
    double groove_left = reference - m->rod3_L, groove_right = reference + m->rod4_L;

    m->spring_s_rel = left_of_b - right_of_a;
    m->friction_s_rel = groove_left - m->fixedLe_s0;
    m->outerContactA_s_rel = left_of_a - m->fixedLe_s0;
    m->outerContactB_s_rel = m->fixedLe_s0 + m->housing_L - right_of_b;
    m->innerContactA_s_rel = right_of_a + m->rod1_L - groove_left;
    m->innerContactB_s_rel = groove_right - (left_of_b - m->rod2_L);

    m->friction_v_rel = m->spool_v;
    m->outerContactA_v_rel = m->springPlateA_v;
    m->outerContactB_v_rel = -m->springPlateB_v;
    m->innerContactA_v_rel = m->springPlateA_v - m->spool_v;
    m->innerContactB_v_rel = m->spool_v - m->springPlateB_v;
}

static void forces(Variables *m)
{
    m->force_f = m->sineForce_amplitude * sin(TWO_PI * m->sineForce_f * m->time);
    m->spring_f = m->spring_c * (m->spring_s_rel - m->spring_s_rel0);
    m->friction_f = m->friction_d * m->friction_v_rel;
    TOUCH(outerContactA);
    TOUCH(outerContactB);
    TOUCH(innerContactA);
    TOUCH(innerContactB);
}

void equations(Variables *m)
{
    distances(m);
    forces(m);
    double on_a = m->spring_f - m->outerContactA_f - m->innerContactA_f;
    double on_b = m->outerContactB_f + m->innerContactB_f - m->spring_f;
    double on_spool = m->force_f + m->innerContactA_f - m->innerContactB_f - m->friction_f;

    m->der_springPlateA_s = m->springPlateA_v;
    m->der_springPlateA_v = on_a / m->springPlateA_m;
    m->der_springPlateB_s = m->springPlateB_v;
    m->der_springPlateB_v = on_b / m->springPlateB_m;
    m->der_spool_s = m->spool_v;
    m->der_spool_v = on_spool / m->spool_m;
}

void event(Variables *m, Event *e)
{
    (void)e; /* forces are continuous: nothing else changes */
    elasto_gap_changes(&m->outerContactA_contact, m->outerContactA_s_rel, m->outerContactA_s_rel0);
    elasto_gap_changes(&m->outerContactB_contact, m->outerContactB_s_rel, m->outerContactB_s_rel0);
    elasto_gap_changes(&m->innerContactA_contact, m->innerContactA_s_rel, m->innerContactA_s_rel0);
    elasto_gap_changes(&m->innerContactB_contact, m->innerContactB_s_rel, m->innerContactB_s_rel0);
}
