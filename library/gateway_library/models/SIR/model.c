/* Susceptible -> infected at the rate beta I / N, infected -> recovered at the rate gamma. */
#include "model.h"

void equations(Variables *m)
{
    double population = m->S + m->I + m->R;
    double infections = population > 0 ? m->beta * m->S * m->I / population : 0;
    double recoveries = m->gamma * m->I;
    m->der_S = -infections;
    m->der_I = infections - recoveries;
    m->der_R = recoveries;
    m->R0 = m->beta / m->gamma;
}
