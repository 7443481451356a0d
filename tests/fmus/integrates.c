/* y' = u by Co-Simulation, with the input's derivative where it is given.
 * Value references: 0 y, 1 u, 2 steps, 3 largest step. */
#include "fmu.h"
static double slope;
int fmi2SetRealInputDerivatives(void *c, const vr_t *vr, size_t n, const int *order,
                                const double *value) {
    slope = value[0];
    return OK;
}
int fmi2DoStep(void *c, double time, double step, int no_set) {
    v[0] += step * v[1] + step * step / 2 * slope;
    v[2] += 1;
    if (step > v[3]) v[3] = step;
    return OK;
}
