/* x' = -a x + u, y = x. Value references: 0 x, 1 x', 2 u, 3 a, 4 y. */
#include "fmu.h"
void started(void) { v[3] = 1; }
int fmi2GetReal(void *c, const vr_t *vr, size_t n, double *value) {
    v[1] = -v[3] * v[0] + v[2];
    v[4] = v[0];
    for (size_t i = 0; i < n; i++) value[i] = v[vr[i]];
    return OK;
}
int fmi2SetContinuousStates(void *c, const double *x, size_t n) { v[0] = x[0]; return OK; }
int fmi2GetContinuousStates(void *c, double *x, size_t n) { x[0] = v[0]; return OK; }
int fmi2GetDerivatives(void *c, double *dx, size_t n) { dx[0] = -v[3] * v[0] + v[2]; return OK; }
