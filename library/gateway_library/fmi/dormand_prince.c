/* The method for models that are not stiff: Dormand and Prince's 5(4) pair.

   Source: Dormand, Prince: A family of embedded Runge-Kutta formulae. J. Comp. Appl. Math. 6 (1980). */
#include "method.h"

#define STAGES 7

const double DOUBLE_BELOW = 1. / 64; /* doubling a step multiplies its error by 2^5 */

static const double C[STAGES] = {0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1};

static const double A[STAGES][STAGES - 1] = {
    {0},
    {1. / 5},
    {3. / 40, 9. / 40},
    {44. / 45, -56. / 15, 32. / 9},
    {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
    {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
    {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
};

/* The fifth order's weights less the fourth's. */
static const double E[STAGES] = {71. / 57600,       0,           -71. / 16695, 71. / 1920,
                                 -17253. / 339200, 22. / 525, -1. / 40};

double attempt(Variables *m, const Point *p, double h, double tolerance)
{
    double k[STAGES][NX] = {{0}};
    double x[NX] = {0};
    double e[NX] = {0};
    for (int stage = 0; stage < STAGES; stage++) {
        for (int i = 0; i < N_STATES; i++) {
            double sum = 0;
            for (int j = 0; j < stage; j++)
                sum += A[stage][j] * k[j][i];
            x[i] = p->x[i] + h * sum;
        }
        slope(m, p->time + C[stage] * h, x, k[stage]);
    }
    for (int i = 0; i < N_STATES; i++) {
        for (int stage = 0; stage < STAGES; stage++)
            e[i] += E[stage] * k[stage][i];
        e[i] *= h;
    }
    return in_tolerances(e, p, x, tolerance);
}
