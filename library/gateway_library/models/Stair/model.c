/* A counter that goes up at each full second, and ends the simulation at 10. */
#include <math.h>

#include "model.h"

void equations(Variables *m)
{
    (void)m; /* nothing changes between events */
}

void event(Variables *m, Event *e)
{
    if (!m->started) {
        m->started = 1;
        m->due = floor(m->time) + 1;
    } else if (m->time >= m->due) {
        m->counter++;
        m->due++;
    }
    e->next_time = m->due;
    e->terminate = m->counter >= 10;
}
