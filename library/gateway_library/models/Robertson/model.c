/* A -> B, B + B -> C + B, B + C -> A + C with rates of very different size. */
#include "model.h"

void equations(Variables *m)
{
    double slow = m->k1 * m->A;
    double fast = m->k2 * m->B * m->B;
    double back = m->k3 * m->B * m->C;
    m->der_A = -slow + back;
    m->der_B = slow - back - fast;
    m->der_C = fast;
}
