/* x'' - mu (1 - x^2) x' + x = 0 as a system of first order. */
#include "model.h"

void equations(Variables *m)
{
    m->der_x0 = m->x1;
    m->der_x1 = m->mu * (1 - m->x0 * m->x0) * m->x1 - m->x0;
}
