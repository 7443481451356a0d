/* Two slew rate limiters in series, y' = limited((u - y) / Td): the first limits the velocity of a
   position, the second the acceleration of that velocity, which is integrated again. */
#include "limiter.h"
#include "model.h"

void initial(Variables *m)
{
    m->limit_v_y = m->positionStep_offset;
    m->positionSmoothed_y = m->positionStep_offset;
}

static double wanted_velocity(const Variables *m)
{
    return (m->positionStep_y - m->limit_v_y) / m->limit_v_Td;
}

static double wanted_acceleration(const Variables *m)
{
    return (m->v_y - m->limit_a_y) / m->limit_a_Td;
}

void equations(Variables *m)
{
    m->positionStep_y = m->positionStep_offset + (m->positionStep_up ? m->positionStep_height : 0);

    double velocity = wanted_velocity(m);
    m->limit_v_margin = limiter_margin(m->limit_v_side, velocity, -m->vMax, m->vMax);
    m->v_y = limited(m->limit_v_side, velocity, -m->vMax, m->vMax);
    m->der_limit_v_y = m->v_y;

    double acceleration = wanted_acceleration(m);
    m->limit_a_margin =
        limiter_margin(m->limit_a_side, acceleration, -m->limit_a_Rising, m->limit_a_Rising);
    m->a_y = limited(m->limit_a_side, acceleration, -m->limit_a_Rising, m->limit_a_Rising);
    m->der_limit_a_y = m->a_y;

    m->der_positionSmoothed_y = m->limit_a_y;
}

void event(Variables *m, Event *e)
{
    bool up = m->time >= m->positionStep_startTime;
    bool stepped = up != (m->positionStep_up != 0);
    m->positionStep_up = up;
    if (!up)
        e->next_time = m->positionStep_startTime;
    bool switched = limiter_changes(&m->limit_v_side, wanted_velocity(m), -m->vMax, m->vMax);
    limiter_changes(&m->limit_a_side, wanted_acceleration(m), -m->limit_a_Rising,
                    m->limit_a_Rising);
    e->again = stepped || switched; /* what follows from it is known after `equations` only */
}
