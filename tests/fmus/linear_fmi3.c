/* The linear model as an FMI 3.0 FMU. */
#include "linear.h"
#include <math.h>
#include <stdint.h>
#include <string.h>

double now;
static bool event_mode;

static void *instance(bool uses_event_mode) {
    event_mode = uses_event_mode;
    started();
    return cell;
}
void *fmi3InstantiateModelExchange(const char *name, const char *token, const char *path,
                                   bool visible, bool logging, void *environment, void *logger) {
    return instance(false);
}
void *fmi3InstantiateCoSimulation(const char *name, const char *token, const char *path,
                                  bool visible, bool logging, bool uses_event_mode,
                                  bool early_return, const vr_t *vr, size_t n, void *environment,
                                  void *logger, void *intermediate) {
    return instance(uses_event_mode);
}
void *fmi3InstantiateScheduledExecution(void) { return NULL; }
void fmi3FreeInstance(void *c) {}
const char *fmi3GetVersion(void) { return "3.0"; }

int fmi3EnterInitializationMode(void *c, bool t, double tolerance, double start, bool s,
                                double stop) {
    now = start;
    return OK;
}
int fmi3ExitInitializationMode(void *c) {
    begin();
    return OK;
}

static size_t extent(vr_t reference) {
    static const vr_t arrays[] = {X, DX, U, Y, A, B, C, D, X0, CELLS};
    if (reference < X) return 1;
    size_t i = 0;
    while (arrays[i] <= reference) i++;
    return arrays[i] - reference;
}
int fmi3GetFloat64(void *c, const vr_t *vr, size_t n, double *value, size_t n_values) {
    refresh();
    for (size_t i = 0; i < n; i++) {
        memcpy(value, &cell[vr[i]], extent(vr[i]) * sizeof *value);
        value += extent(vr[i]);
    }
    return OK;
}
int fmi3SetFloat64(void *c, const vr_t *vr, size_t n, const double *value, size_t n_values) {
    for (size_t i = 0; i < n; i++) {
        memcpy(&cell[vr[i]], value, extent(vr[i]) * sizeof *value);
        value += extent(vr[i]);
    }
    return OK;
}
int fmi3GetInt32(void *c, const vr_t *vr, size_t n, int32_t *value, size_t n_values) {
    for (size_t i = 0; i < n; i++) value[i] = (int32_t)cell[vr[i]];
    return OK;
}
int fmi3UpdateDiscreteStates(void *c, bool *again, bool *terminate, bool *nominals_changed,
                             bool *values_changed, bool *next_defined, double *next) {
    *again = *terminate = *nominals_changed = false;
    *values_changed = update();
    *next_defined = isfinite(next_tick());
    *next = next_tick();
    return OK;
}

/* Model Exchange */
int fmi3CompletedIntegratorStep(void *c, bool no_set, bool *event, bool *terminate) {
    *event = *terminate = false;
    return OK;
}
int fmi3SetTime(void *c, double time) {
    now = time;
    return OK;
}
int fmi3SetContinuousStates(void *c, const double *x, size_t n) {
    memcpy(&cell[X], x, n * sizeof *x);
    return OK;
}
int fmi3GetContinuousStates(void *c, double *x, size_t n) {
    memcpy(x, &cell[X], n * sizeof *x);
    return OK;
}
int fmi3GetContinuousStateDerivatives(void *c, double *dx, size_t n) {
    refresh();
    memcpy(dx, &cell[DX], n * sizeof *dx);
    return OK;
}
int fmi3GetEventIndicators(void *c, double *z, size_t n) {
    refresh();
    memcpy(z, &cell[Z], n * sizeof *z);
    return OK;
}
int fmi3GetNominalsOfContinuousStates(void *c, double *nominal, size_t n) {
    for (size_t i = 0; i < n; i++) nominal[i] = 1;
    return OK;
}
int fmi3GetNumberOfContinuousStates(void *c, size_t *n) {
    *n = N;
    return OK;
}
int fmi3GetNumberOfEventIndicators(void *c, size_t *n) {
    *n = N > 0;
    return OK;
}

/* Co-Simulation: with event mode, a step ends early at a tick. */
int fmi3DoStep(void *c, double time, double step, bool no_set, bool *event, bool *terminate,
               bool *early, double *last) {
    now = time;
    solve(time + step, event_mode);
    *event = event_mode && due();
    *terminate = false;
    *early = now < time + step;
    *last = now;
    return OK;
}

/* What has nothing to do here. */
#define DOES_NOTHING(name) int fmi3##name(void) { return OK; }
DOES_NOTHING(SetDebugLogging)
DOES_NOTHING(EnterEventMode)
DOES_NOTHING(EnterContinuousTimeMode)
DOES_NOTHING(EnterStepMode)
DOES_NOTHING(EvaluateDiscreteStates)
DOES_NOTHING(Terminate)

/* What no one may ask of this model. */
#define REFUSES(name) int fmi3##name(void) { return ERROR; }
#define NO_VARIABLES(type) REFUSES(Get##type) REFUSES(Set##type)
NO_VARIABLES(Float32)
NO_VARIABLES(Int8)
NO_VARIABLES(UInt8)
NO_VARIABLES(Int16)
NO_VARIABLES(UInt16)
NO_VARIABLES(UInt32)
NO_VARIABLES(Int64)
NO_VARIABLES(UInt64)
NO_VARIABLES(Boolean)
NO_VARIABLES(String)
NO_VARIABLES(Binary)
NO_VARIABLES(Clock)
NO_VARIABLES(IntervalDecimal)
NO_VARIABLES(IntervalFraction)
NO_VARIABLES(ShiftDecimal)
NO_VARIABLES(ShiftFraction)
NO_VARIABLES(FMUState)
REFUSES(SetInt32)
REFUSES(Reset)
REFUSES(FreeFMUState)
REFUSES(SerializedFMUStateSize)
REFUSES(SerializeFMUState)
REFUSES(DeserializeFMUState)
REFUSES(GetNumberOfVariableDependencies)
REFUSES(GetVariableDependencies)
REFUSES(GetDirectionalDerivative)
REFUSES(GetAdjointDerivative)
REFUSES(GetOutputDerivatives)
REFUSES(EnterConfigurationMode)
REFUSES(ExitConfigurationMode)
REFUSES(ActivateModelPartition)
