/* x' = A x + B u, y = C x + D u, with n states, m inputs and r outputs. */
#include "model.h"

/* P x + Q u for each of the rows. */
static void combine(double to[], int rows, const double P[], const double Q[], const Variables *v)
{
    const int n = (int)v->n, m = (int)v->m;
    for (int i = 0; i < rows; i++) {
        to[i] = 0;
        for (int j = 0; j < n; j++)
            to[i] += P[i * n + j] * v->x[j];
        for (int j = 0; j < m; j++)
            to[i] += Q[i * m + j] * v->u[j];
    }
}

void initial(Variables *m)
{
    for (int i = 0; i < (int)m->n; i++)
        m->x[i] = m->x0[i];
}

void equations(Variables *m)
{
    combine(m->der_x, (int)m->n, m->A, m->B, m);
    combine(m->y, (int)m->r, m->C, m->D, m);
}
