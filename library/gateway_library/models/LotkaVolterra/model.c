/* prey' = alpha prey - beta prey predators, predators' = delta prey predators - gamma predators. */
#include "model.h"

void equations(Variables *m)
{
    double meetings = m->prey * m->predators;
    m->der_prey = m->alpha * m->prey - m->beta * meetings;
    m->der_predators = m->delta * meetings - m->gamma * m->predators;
}
