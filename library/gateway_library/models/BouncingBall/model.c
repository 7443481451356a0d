/* Free flight between impacts with a restitution e: v+ = -e v-. */
#include <float.h>
#include <math.h>

#include "model.h"

#define SLOWEST 1e-9 /* m/s: flights any shorter would be lost in the resolution of time */

void equations(Variables *m)
{
    m->der_h = m->resting ? 0 : m->v;
    m->der_v = m->resting ? 0 : m->g;

    /* The floor itself counts as above it, so that a flight can begin at h = 0. */
    m->clearance = m->resting ? 1 : m->h == 0 ? DBL_MIN : m->h;
}

void event(Variables *m, Event *e)
{
    if (m->resting || m->h > 0 || m->v > 0)
        return;
    m->h = 0;
    m->v = -m->e * m->v;
    if (m->v <= fmax(m->v_min, SLOWEST)) {
        m->v = 0;
        m->resting = 1;
    }
    e->states_changed = true;
}
