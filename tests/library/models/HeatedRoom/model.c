/* T' = (T_ambient - T) / 1 s + 20 K/s while heating; between 20 degC - band and 20 degC + band. */
#include <math.h>

#include "model.h"

void equations(Variables *m)
{
    m->der_room_T = m->ambient - m->room_T + (m->heating ? 20 : 0);
    m->margin = m->heating ? 20 + m->band - m->room_T
                           : (m->away ? 1 : m->room_T - (20 - m->band));
}

void event(Variables *m, Event *e)
{
    bool on = m->heating;
    if (m->away || m->room_T >= 20 + m->band)
        on = false;
    else if (m->room_T <= 20 - m->band)
        on = true;
    if (on != (m->heating != 0))
        m->switches++;
    m->heating = on;
    m->day = m->first_day + floor(m->time / 4);
    e->next_time = 4 * (floor(m->time / 4) + 1);
}
