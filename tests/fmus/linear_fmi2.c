/* The linear model as an FMI 2.0 FMU; base.c has what isn't here. */
#include "linear.h"
#include <math.h>
#include <string.h>

/* base.c reads integers from `v` */
static void publish(void) {
    v[COUNT] = cell[COUNT];
    v[TICK] = cell[TICK];
}

int fmi2ExitInitializationMode(void *c) {
    begin();
    publish();
    return OK;
}
int fmi2GetReal(void *c, const vr_t *vr, size_t n, double *value) {
    refresh();
    for (size_t i = 0; i < n; i++) value[i] = cell[vr[i]];
    return OK;
}
int fmi2SetReal(void *c, const vr_t *vr, size_t n, const double *value) {
    for (size_t i = 0; i < n; i++) {
        cell[vr[i]] = value[i];
        if (vr[i] >= U && vr[i] < Y) slope[vr[i] - U] = 0;
    }
    return OK;
}

/* Model Exchange */
int fmi2NewDiscreteStates(void *c, event_info_t *info) {
    bool jumped = update();
    publish();
    *info = (event_info_t){.values_changed = jumped,
                           .next_defined = isfinite(next_tick()),
                           .next = next_tick()};
    return OK;
}
int fmi2SetContinuousStates(void *c, const double *x, size_t n) {
    memcpy(&cell[X], x, n * sizeof *x);
    return OK;
}
int fmi2GetContinuousStates(void *c, double *x, size_t n) {
    memcpy(x, &cell[X], n * sizeof *x);
    return OK;
}
int fmi2GetDerivatives(void *c, double *dx, size_t n) {
    refresh();
    memcpy(dx, &cell[DX], n * sizeof *dx);
    return OK;
}
int fmi2GetEventIndicators(void *c, double *z, size_t n) {
    refresh();
    memcpy(z, &cell[Z], n * sizeof *z);
    return OK;
}

/* Co-Simulation */
int fmi2SetRealInputDerivatives(void *c, const vr_t *vr, size_t n, const int *order,
                                const double *value) {
    for (size_t i = 0; i < n; i++) slope[vr[i] - U] = value[i];
    return OK;
}
int fmi2DoStep(void *c, double time, double step, int no_set) {
    now = time;
    solve(time + step, false);
    publish();
    return OK;
}
