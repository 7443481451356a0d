/* The traps as an FMI 3.0 FMU. */
#include "traps.h"
#include <math.h>
#include <stdint.h>

typedef void (*log3_t)(void *, int, const char *, const char *);

double now, v[16];
static log3_t logger;
static bool with_events;

void say(const char *category, const char *message) { logger(NULL, WARNING, category, message); }

void *fmi3InstantiateModelExchange(const char *name, const char *token, const char *path,
                                   bool visible, bool logging, void *environment, log3_t log) {
    logger = log;
    return agrees(name, token) ? v : NULL;
}
void *fmi3InstantiateCoSimulation(const char *name, const char *token, const char *path,
                                  bool visible, bool logging, bool uses_event_mode,
                                  bool early_return, const vr_t *vr, size_t n, void *environment,
                                  log3_t log, void *intermediate) {
    logger = log;
    with_events = uses_event_mode;
    return agrees(name, token) ? v : NULL;
}
void *fmi3InstantiateScheduledExecution(void) { return NULL; }
void fmi3FreeInstance(void *c) { trap("FreeInstance"); }
const char *fmi3GetVersion(void) { return "3.0"; }
int fmi3EnterInitializationMode(void *c, bool t, double tolerance, double start, bool s,
                                double stop) {
    now = start;
    return trap_at_once("EnterInitializationMode");
}
int fmi3ExitInitializationMode(void *c) { return trap_at_once("ExitInitializationMode"); }
int fmi3Terminate(void *c) { return trap("Terminate"); }
int fmi3EnterEventMode(void *c) { return OK; }
int fmi3GetFloat64(void *c, const vr_t *vr, size_t n, double *value, size_t n_values) {
    return get(vr, n, value);
}
int fmi3SetFloat64(void *c, const vr_t *vr, size_t n, const double *value, size_t n_values) {
    return set(vr, n, value);
}
int fmi3UpdateDiscreteStates(void *c, bool *more, bool *terminate, bool *nominals, bool *values,
                             bool *next_defined, double *next) {
    *more = again(), *terminate = ends("UpdateDiscreteStates");
    *nominals = *values = false;
    *next_defined = next_event(next);
    return trap("UpdateDiscreteStates");
}

/* Model Exchange */
int fmi3CompletedIntegratorStep(void *c, bool no_set, bool *event, bool *terminate) {
    *event = is("CompletedIntegratorStep_wants_events");
    *terminate = ends("CompletedIntegratorStep");
    return trap("CompletedIntegratorStep");
}
int fmi3SetTime(void *c, double time) {
    now = time;
    return OK;
}
int fmi3SetContinuousStates(void *c, const double *x, size_t n) {
    v[X] = *x;
    return trap("SetContinuousStates");
}
int fmi3GetContinuousStates(void *c, double *x, size_t n) {
    *x = spoilt("GetContinuousStates", v[X]);
    return trap("GetContinuousStates");
}
int fmi3GetContinuousStateDerivatives(void *c, double *dx, size_t n) {
    *dx = spoilt("GetContinuousStateDerivatives", 1);
    return trap("GetContinuousStateDerivatives");
}
int fmi3GetEventIndicators(void *c, double *z, size_t n) {
    if (n) *z = spoilt("GetEventIndicators", v[X] - 0.55);
    return trap("GetEventIndicators");
}
int fmi3GetNominalsOfContinuousStates(void *c, double *nominal, size_t n) {
    *nominal = 1;
    if (is("Nominals_are_nan")) *nominal = NAN;
    if (is("Nominals_are_negative")) *nominal = -1;
    return OK;
}
static size_t count(size_t own) {
    if (is("States_are_many")) return 1000000000000;
    if (is("States_overflow")) return SIZE_MAX / 8 + 2;
    return own;
}
int fmi3GetNumberOfContinuousStates(void *c, size_t *n) {
    *n = count(1);
    return trap_at_once("GetNumberOfContinuousStates");
}
int fmi3GetNumberOfEventIndicators(void *c, size_t *n) {
    *n = is("Indicators_are_many") ? 1000000000000 : 1;
    return OK;
}

/* Co-Simulation */
int fmi3DoStep(void *c, double time, double step, bool no_set, bool *event, bool *terminate,
               bool *early, double *last) {
    int status = trap("DoStep");
    *event = *early = *terminate = false;
    *last = time + step;
    if (status != OK && status != WARNING) return status;
    if (now > 0.45 && (is("DoStep_stays_for_events") || is("DoStep_stays"))) {
        *event = is("DoStep_stays_for_events");
        *early = true;
        *last = time;
        return OK;
    }
    if (ends("DoStep") || (is("DoStep_lies_about_its_end") && now > 0.45)) {
        *terminate = *early = true;
        *last = is("DoStep_lies_about_its_end") ? 1e9 : time;
        return OK;
    }
    if (now > 0.45 && (is("DoStep_goes_back") || is("DoStep_gets_lost"))) {
        *early = true;
        *last = is("DoStep_goes_back") ? time - 1 : NAN;
    }
    now = time + step;
    v[X] = now;
    return status;
}

#define DOES_NOTHING(name) int fmi3##name(void) { return OK; }
DOES_NOTHING(SetDebugLogging)
DOES_NOTHING(EnterContinuousTimeMode)
DOES_NOTHING(EnterStepMode)
DOES_NOTHING(EvaluateDiscreteStates)
DOES_NOTHING(Reset)

#define REFUSES(name) int fmi3##name(void) { return ERROR; }
#define NO_VARIABLES(type) REFUSES(Get##type) REFUSES(Set##type)
NO_VARIABLES(Float32)
NO_VARIABLES(Int8)
NO_VARIABLES(UInt8)
NO_VARIABLES(Int16)
NO_VARIABLES(UInt16)
NO_VARIABLES(Int32)
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
