/* CVODE (BDF, dense Newton) out of SUNDIALS 7, with FMPy's settings: its numbers are ours where it
 * is right. Two things differ: inputs are applied inside the right-hand side, and no step goes past
 * a kink of an input. FMPy applies them at communication points only.
 *
 * Hindmarsh et al., SUNDIALS: suite of nonlinear and differential/algebraic equation solvers, ACM
 * Transactions on Mathematical Software 31 (2005). */
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include "core.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BDF = 2, NORMAL = 1, ROOT_RETURN = 2, MOST_STEPS = 1000000, MAX_STEP_PARTS = 50,
       MOST_REFUSALS = 1000, NO_WARNINGS = -1 };

typedef int Rhs(double, void *, void *, void *);
typedef int Roots(double, void *, double *, void *);
typedef void OnError(int, const char *, const char *, const char *, int, void *, void *);

static struct {
    int (*SUNContext_Create)(int, void **);
    int (*SUNContext_ClearErrHandlers)(void *);
    int (*SUNContext_PushErrHandler)(void *, OnError *, void *);
    int (*SUNContext_Free)(void **);
    int (*SUNDIALSGetVersion)(char *, int);
    void *(*N_VNew_Serial)(int64_t, void *);
    double *(*N_VGetArrayPointer)(void *);
    void (*N_VDestroy)(void *);
    void *(*SUNDenseMatrix)(int64_t, int64_t, void *);
    void (*SUNMatDestroy)(void *);
    void *(*SUNLinSol_Dense)(void *, void *, void *);
    int (*SUNLinSolFree)(void *);
    void *(*CVodeCreate)(int, void *);
    int (*CVodeInit)(void *, Rhs *, double, void *);
    int (*CVodeSetUserData)(void *, void *);
    int (*CVodeSVtolerances)(void *, double, void *);
    int (*CVodeRootInit)(void *, int, Roots *);
    int (*CVodeSetLinearSolver)(void *, void *, void *);
    int (*CVodeSetMaxStep)(void *, double);
    int (*CVodeSetMaxNumSteps)(void *, long);
    int (*CVodeSetNoInactiveRootWarn)(void *);
    int (*CVodeSetMaxHnilWarns)(void *, int);
    int (*CVodeSetStopTime)(void *, double);
    int (*CVodeClearStopTime)(void *);
    int (*CVodeGetNumSteps)(void *, long *);
    int (*CVode)(void *, double, void *, double *, int);
    int (*CVodeReInit)(void *, double, void *);
    void (*CVodeFree)(void **);
} sundials;

static const struct {
    size_t member;
    const char *name;
} SYMBOLS[] = {
#define SYMBOL(name) {offsetof(__typeof__(sundials), name), #name}
    SYMBOL(SUNContext_Create), SYMBOL(SUNContext_ClearErrHandlers),
    SYMBOL(SUNContext_PushErrHandler), SYMBOL(SUNContext_Free), SYMBOL(SUNDIALSGetVersion),
    SYMBOL(N_VNew_Serial), SYMBOL(N_VGetArrayPointer), SYMBOL(N_VDestroy),
    SYMBOL(SUNDenseMatrix), SYMBOL(SUNMatDestroy), SYMBOL(SUNLinSol_Dense),
    SYMBOL(SUNLinSolFree), SYMBOL(CVodeCreate), SYMBOL(CVodeInit), SYMBOL(CVodeSetUserData),
    SYMBOL(CVodeSVtolerances), SYMBOL(CVodeRootInit), SYMBOL(CVodeSetLinearSolver),
    SYMBOL(CVodeSetMaxStep), SYMBOL(CVodeSetMaxNumSteps), SYMBOL(CVodeSetNoInactiveRootWarn),
    SYMBOL(CVodeSetMaxHnilWarns), SYMBOL(CVodeSetStopTime), SYMBOL(CVodeClearStopTime),
    SYMBOL(CVodeGetNumSteps), SYMBOL(CVode), SYMBOL(CVodeReInit), SYMBOL(CVodeFree),
#undef SYMBOL
};

static bool loaded;

/* Load SUNDIALS from a folder, once and before any FMU. NULL, or why CVODE can't be used.
 * Its libraries name each other with a build machine's path, hence the order and RTLD_GLOBAL. */
const char *core_load_sundials(const char *folder) {
    static const char *const LIBRARIES[] = {"core", "nvecserial", "sunmatrixdense",
                                            "sunlinsoldense", "cvode"};
    char path[4096];
    for (size_t i = 0; i < sizeof LIBRARIES / sizeof *LIBRARIES; i++) {
        snprintf(path, sizeof path, "%s/sundials_%s.so", folder, LIBRARIES[i]);
        if (!dlopen(path, RTLD_NOW | RTLD_GLOBAL)) return dlerror();
    }
    for (size_t i = 0; i < sizeof SYMBOLS / sizeof *SYMBOLS; i++) {
        void *symbol = dlsym(RTLD_DEFAULT, SYMBOLS[i].name);
        if (!symbol) return SYMBOLS[i].name;
        *(void **)((char *)&sundials + SYMBOLS[i].member) = symbol;
    }
    static char version[32];
    if (sundials.SUNDIALSGetVersion(version, sizeof version) || version[0] != '7')
        return "not SUNDIALS 7";
    loaded = true;
    return NULL;
}

typedef struct {
    Solver solver;
    void *context, *memory, *x, *tolerances, *matrix, *linear;
    bool discrete; /* no states: CVODE gets a constant one */
    bool bounded;
    uint64_t steps, evaluations; /* steps before the last restart: CVODE forgets them */
    double stuck; /* where evaluations are refused [s] */
    int refusals; /* there */
    char reason[200];
} Cvode;

static void keep_reason(int line, const char *function, const char *file, const char *message,
                        int code, void *data, void *context) {
    (void)line, (void)function, (void)file, (void)code, (void)context;
    Cvode *self = data;
    snprintf(self->reason, sizeof self->reason, "%s", message ? message : "");
}

static bool set_point(Cvode *self, double t) {
    Core *core = self->solver.core;
    core->time = t;
    int status = core->fmu.set_time(core->fmu.instance, t);
    return refuse_call(core, NAME(core, "SetTime"), status) || try_linear(core, t);
}

static bool set_states(Cvode *self, void *y) {
    Core *core = self->solver.core;
    if (self->discrete) return false;
    int status = core->fmu.set_states(core->fmu.instance, sundials.N_VGetArrayPointer(y),
                                      self->solver.nx);
    return refuse_call(core, NAME(core, "SetContinuousStates"), status);
}

/* CVODE may try a smaller step, but mustn't creep on in steps that no longer move the time. */
static int try_again(Cvode *self, double t) {
    if (!same_time(self->solver.core, t, self->stuck)) self->stuck = t, self->refusals = 0;
    return ++self->refusals > MOST_REFUSALS ? -1 : 1;
}

/* Whether the FMU refuses to be evaluated, or a derivative isn't finite. */
static bool refuses(Cvode *self, double t, void *y, double *slopes) {
    Core *core = self->solver.core;
    if (set_point(self, t) || set_states(self, y)) return true;
    if (self->discrete) return slopes[0] = 0, false;
    int status = core->fmu.get_derivatives(core->fmu.instance, slopes, self->solver.nx);
    if (refuse_call(
            core, core->fmu.three ? "fmi3GetContinuousStateDerivatives" : "fmi2GetDerivatives",
            status))
        return true;
    for (size_t i = 0; i < self->solver.nx; i++)
        if (!isfinite(slopes[i])) return refuse_value(core, QUANTITY_DERIVATIVE, i, t);
    return false;
}

static int rhs(double t, void *y, void *ydot, void *data) {
    Cvode *self = data;
    self->evaluations++;
    return refuses(self, t, y, sundials.N_VGetArrayPointer(ydot)) ? try_again(self, t) : 0;
}

/* Event indicators, with continuous inputs only: held ones change at events. */
static int roots(double t, void *y, double *z, void *data) {
    Cvode *self = data;
    Core *core = self->solver.core;
    if (set_point(self, t) || set_states(self, y)) return 1;
    int status = core->fmu.get_indicators(core->fmu.instance, z, self->solver.nz);
    return refuse_call(core, NAME(core, "GetEventIndicators"), status) ||
           refuse_indicators(core, z, self->solver.nz, t);
}

static void get_states(Cvode *self) {
    Core *core = self->solver.core;
    double *x = sundials.N_VGetArrayPointer(self->x);
    if (self->discrete) return;
    check(core, NAME(core, "GetContinuousStates"),
          core->fmu.get_states(core->fmu.instance, x, self->solver.nx));
    for (size_t i = 0; i < self->solver.nx; i++)
        if (!isfinite(x[i])) fail_value(core, QUANTITY_STATE, i, core->time);
}

static uint64_t internal_steps(const Cvode *self) {
    long steps = 0;
    sundials.CVodeGetNumSteps(self->memory, &steps);
    return (uint64_t)steps;
}

/* Never past a kink of an input. */
static void bound(Cvode *self, double kink) {
    if (isfinite(kink))
        sundials.CVodeSetStopTime(self->memory, kink);
    else if (self->bounded)
        sundials.CVodeClearStopTime(self->memory);
    self->bounded = isfinite(kink);
}

static bool step(Solver *solver, double t, double end, double *reached) {
    Cvode *self = (Cvode *)solver;
    Core *core = solver->core;
    bound(self, next_kink(core, t));
    get_states(self);
    core->refused = false;
    *reached = t;
    int flag = sundials.CVode(self->memory, end, self->x, reached, NORMAL);
    if (flag < 0 && core->refused) fail_refused(core);
    if (flag < 0) {
        core->time = *reached;
        fail_text(core, STATUS_SOLVER_FAILED, "", self->reason);
    }
    if (set_states(self, self->x)) fail_refused(core);
    return flag == ROOT_RETURN;
}

static void restart(Solver *solver, double t) {
    Cvode *self = (Cvode *)solver;
    self->steps += internal_steps(self);
    get_states(self);
    sundials.CVodeReInit(self->memory, t, self->x);
}

static void finish(Solver *solver) {
    Cvode *self = (Cvode *)solver;
    count_solver(solver->core, self->steps + internal_steps(self), self->evaluations);
    sundials.CVodeFree(&self->memory);
    sundials.SUNLinSolFree(self->linear);
    sundials.SUNMatDestroy(self->matrix);
    sundials.N_VDestroy(self->x);
    sundials.N_VDestroy(self->tolerances);
    sundials.SUNContext_Free(&self->context);
    free(self);
}

/* The first states, and absolute tolerances from their nominal values. */
static void start_states(Cvode *self, int64_t n) {
    Core *core = self->solver.core;
    double *x = sundials.N_VGetArrayPointer(self->x);
    double *tolerances = sundials.N_VGetArrayPointer(self->tolerances);
    x[0] = tolerances[0] = 1;
    get_states(self);
    if (!self->discrete)
        check(core, NAME(core, "GetNominalsOfContinuousStates"),
              core->fmu.get_nominals(core->fmu.instance, tolerances, self->solver.nx));
    for (int64_t i = 0; i < n; i++) tolerances[i] *= core->order->relative_tolerance;
}

Solver *cvode(Core *core) {
    if (!loaded) fail_text(core, STATUS_ENGINE_FAILED, "", "CVODE is not on this machine");
    const Order *order = core->order;
    Cvode *self = allocate(core, 1, sizeof *self);
    self->solver = (Solver){.core = core, .step = step, .restart = restart, .finish = finish};
    count_states(core, &self->solver.nx, &self->solver.nz);
    self->discrete = self->solver.nx == 0;
    int64_t n = self->discrete ? 1 : (int64_t)self->solver.nx;
    sundials.SUNContext_Create(0, &self->context);
    sundials.SUNContext_ClearErrHandlers(self->context);
    sundials.SUNContext_PushErrHandler(self->context, keep_reason, self);
    self->x = sundials.N_VNew_Serial(n, self->context);
    self->tolerances = sundials.N_VNew_Serial(n, self->context);
    self->matrix = sundials.SUNDenseMatrix(n, n, self->context);
    self->memory = sundials.CVodeCreate(BDF, self->context);
    if (!self->x || !self->tolerances || !self->matrix || !self->memory)
        fail(core, STATUS_OUT_OF_MEMORY);
    start_states(self, n);
    self->linear = sundials.SUNLinSol_Dense(self->x, self->matrix, self->context);
    bool refused =
        sundials.CVodeInit(self->memory, rhs, order->start, self->x) ||
        sundials.CVodeSetUserData(self->memory, self) ||
        sundials.CVodeSVtolerances(self->memory, order->relative_tolerance, self->tolerances) ||
        sundials.CVodeRootInit(self->memory, (int)self->solver.nz, roots) ||
        sundials.CVodeSetLinearSolver(self->memory, self->linear, self->matrix) ||
        sundials.CVodeSetMaxStep(self->memory, (order->stop - order->start) / MAX_STEP_PARTS) ||
        sundials.CVodeSetMaxNumSteps(self->memory, MOST_STEPS) ||
        sundials.CVodeSetNoInactiveRootWarn(self->memory) ||
        sundials.CVodeSetMaxHnilWarns(self->memory, NO_WARNINGS);
    if (refused) fail_text(core, STATUS_SOLVER_FAILED, "", self->reason);
    return &self->solver;
}
