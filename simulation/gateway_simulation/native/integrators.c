/* Explicit Euler and the classic Runge-Kutta method of fourth order, with fixed steps.
 *
 * A state event counts as met at the end of the step in which an indicator changed its sign. */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    Solver solver;
    double *x, *next, *stage, *slopes, *z, *before; /* slopes: four vectors */
    uint64_t steps, evaluations;
} Fixed;

static void slope(Fixed *fixed, double t, const double *x, double *slope) {
    Core *core = fixed->solver.core;
    Fmu *fmu = &core->fmu;
    size_t nx = fixed->solver.nx;
    fixed->evaluations++;
    set_time(core, t);
    apply_linear(core, t);
    if (!nx) return;
    check(core, NAME(core, "SetContinuousStates"), fmu->set_states(fmu->instance, x, nx));
    check(core, core->fmu.three ? "fmi3GetContinuousStateDerivatives" : "fmi2GetDerivatives",
          fmu->get_derivatives(fmu->instance, slope, nx));
}

static void indicators(Fixed *fixed) {
    Core *core = fixed->solver.core;
    size_t nz = fixed->solver.nz;
    if (!nz) return;
    check(core, NAME(core, "GetEventIndicators"),
          core->fmu.get_indicators(core->fmu.instance, fixed->z, nz));
    if (refuse_indicators(core, fixed->z, nz, core->time)) fail_refused(core);
}

static void euler(Fixed *fixed, double t, double h) {
    double *k = fixed->slopes;
    slope(fixed, t, fixed->x, k);
    for (size_t i = 0; i < fixed->solver.nx; i++) fixed->next[i] = fixed->x[i] + h * k[i];
}

static const double *shifted(Fixed *fixed, double h, const double *k) {
    for (size_t i = 0; i < fixed->solver.nx; i++) fixed->stage[i] = fixed->x[i] + h * k[i];
    return fixed->stage;
}

static void rk4(Fixed *fixed, double t, double h) {
    size_t nx = fixed->solver.nx;
    double *k1 = fixed->slopes, *k2 = k1 + nx, *k3 = k2 + nx, *k4 = k3 + nx;
    slope(fixed, t, fixed->x, k1);
    slope(fixed, t + h / 2, shifted(fixed, h / 2, k1), k2);
    slope(fixed, t + h / 2, shifted(fixed, h / 2, k2), k3);
    slope(fixed, t + h, shifted(fixed, h, k3), k4);
    for (size_t i = 0; i < nx; i++)
        fixed->next[i] = fixed->x[i] + h / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
}

static bool step(Solver *solver, double t, double end, double *reached) {
    Fixed *fixed = (Fixed *)solver;
    Core *core = solver->core;
    Fmu *fmu = &core->fmu;
    double parts = fmax(1, ceil((end - t - core->order->tolerance) / core->order->step_size));
    *reached = parts == 1 ? end : t + (end - t) / parts;
    if (solver->nx)
        check(core, NAME(core, "GetContinuousStates"),
              fmu->get_states(fmu->instance, fixed->x, solver->nx));
    (core->order->method == METHOD_RK4 ? rk4 : euler)(fixed, t, *reached - t);
    fixed->steps++;
    for (size_t i = 0; i < solver->nx; i++)
        if (!isfinite(fixed->next[i])) fail_value(core, QUANTITY_STATE, i, *reached);
    set_time(core, *reached);
    apply_linear(core, *reached);
    if (solver->nx)
        check(core, NAME(core, "SetContinuousStates"),
              fmu->set_states(fmu->instance, fixed->next, solver->nx));
    memcpy(fixed->before, fixed->z, solver->nz * sizeof(double));
    indicators(fixed);
    bool event = false;
    for (size_t i = 0; i < solver->nz; i++) event |= (fixed->before[i] > 0) != (fixed->z[i] > 0);
    return event;
}

static void restart(Solver *solver, double t) {
    (void)t;
    indicators((Fixed *)solver);
}

static void finish(Solver *solver) {
    Fixed *fixed = (Fixed *)solver;
    count_solver(solver->core, fixed->steps, fixed->evaluations);
    free(fixed->x);
    free(fixed);
}

Solver *fixed_step(Core *core) {
    Fixed *fixed = allocate(core, 1, sizeof *fixed);
    fixed->solver =
        (Solver){.core = core, .step = step, .restart = restart, .finish = finish};
    count_states(core, &fixed->solver.nx, &fixed->solver.nz);
    size_t nx = fixed->solver.nx, nz = fixed->solver.nz;
    fixed->x = allocate(core, 7 * nx + 2 * nz, sizeof(double));
    fixed->next = fixed->x + nx;
    fixed->stage = fixed->next + nx;
    fixed->slopes = fixed->stage + nx;
    fixed->z = fixed->slopes + 4 * nx;
    fixed->before = fixed->z + nz;
    indicators(fixed);
    return &fixed->solver;
}
