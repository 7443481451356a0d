/* x' = -k x. */
#include "model.h"

void equations(Variables *m)
{
    m->der_x = -m->k * m->x;
}
