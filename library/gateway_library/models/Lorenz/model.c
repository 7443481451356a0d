/* x' = sigma (y - x), y' = x (rho - z) - y, z' = x y - beta z, in units of the model's time. */
#include "model.h"

void equations(Variables *m)
{
    m->der_x = m->sigma * (m->y - m->x);
    m->der_y = m->x * (m->rho - m->z) - m->y;
    m->der_z = m->x * m->y - m->beta * m->z;
}
