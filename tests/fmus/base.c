/* Harmless defaults of all FMI 2.0 functions; weak, so that a test's own one wins. */
#include "fmu.h"

#define WEAK __attribute__((weak))

double v[16];
double now;
const callbacks_t *callbacks;
const char *resources;

WEAK void started(void) {}

const char *fmi2GetTypesPlatform(void) { return "default"; }
const char *fmi2GetVersion(void) { return "2.0"; }
int fmi2SetDebugLogging(void *c, int on, size_t n, const char *const *categories) { return OK; }
WEAK void *fmi2Instantiate(const char *name, int type, const char *guid, const char *location,
                           const callbacks_t *functions, int visible, int logging) {
    callbacks = functions;
    resources = location;
    started();
    return v;
}
WEAK void fmi2FreeInstance(void *c) {}
int fmi2SetupExperiment(void *c, int t, double tolerance, double start, int s, double stop) {
    now = start;
    return OK;
}
WEAK int fmi2EnterInitializationMode(void *c) { return OK; }
WEAK int fmi2ExitInitializationMode(void *c) { return OK; }
WEAK int fmi2Terminate(void *c) { return OK; }
WEAK int fmi2Reset(void *c) { return OK; }
WEAK int fmi2GetReal(void *c, const vr_t *vr, size_t n, double *value) {
    for (size_t i = 0; i < n; i++) value[i] = v[vr[i]];
    return OK;
}
WEAK int fmi2SetReal(void *c, const vr_t *vr, size_t n, const double *value) {
    for (size_t i = 0; i < n; i++) v[vr[i]] = value[i];
    return OK;
}
int fmi2GetInteger(void *c, const vr_t *vr, size_t n, int *value) {
    for (size_t i = 0; i < n; i++) value[i] = (int)v[vr[i]];
    return OK;
}
int fmi2SetInteger(void *c, const vr_t *vr, size_t n, const int *value) {
    for (size_t i = 0; i < n; i++) v[vr[i]] = value[i];
    return OK;
}
int fmi2GetBoolean(void *c, const vr_t *vr, size_t n, int *value) {
    for (size_t i = 0; i < n; i++) value[i] = v[vr[i]] != 0;
    return OK;
}
int fmi2SetBoolean(void *c, const vr_t *vr, size_t n, const int *value) {
    for (size_t i = 0; i < n; i++) v[vr[i]] = value[i] != 0;
    return OK;
}
WEAK int fmi2GetString(void *c, const vr_t *vr, size_t n, const char **value) {
    for (size_t i = 0; i < n; i++) value[i] = "";
    return OK;
}
WEAK int fmi2SetString(void *c, const vr_t *vr, size_t n, const char *const *value) { return OK; }
int fmi2GetFMUstate(void *c, void **state) { return ERROR; }
int fmi2SetFMUstate(void *c, void *state) { return ERROR; }
int fmi2FreeFMUstate(void *c, void **state) { return ERROR; }
int fmi2SerializedFMUstateSize(void *c, void *state, size_t *size) { return ERROR; }
int fmi2SerializeFMUstate(void *c, void *state, char *bytes, size_t size) { return ERROR; }
int fmi2DeSerializeFMUstate(void *c, const char *bytes, size_t size, void **state) { return ERROR; }
int fmi2GetDirectionalDerivative(void *c, const vr_t *z, size_t nz, const vr_t *k, size_t nk,
                                 const double *dk, double *dz) { return ERROR; }

/* Model Exchange */
int fmi2EnterEventMode(void *c) { return OK; }
WEAK int fmi2NewDiscreteStates(void *c, event_info_t *info) {
    *info = (event_info_t){0};
    return OK;
}
int fmi2EnterContinuousTimeMode(void *c) { return OK; }
WEAK int fmi2CompletedIntegratorStep(void *c, int no_set, int *event, int *terminate) {
    *event = *terminate = 0;
    return OK;
}
int fmi2SetTime(void *c, double time) { now = time; return OK; }
WEAK int fmi2SetContinuousStates(void *c, const double *x, size_t n) { return OK; }
WEAK int fmi2GetDerivatives(void *c, double *dx, size_t n) { return OK; }
WEAK int fmi2GetEventIndicators(void *c, double *z, size_t n) { return OK; }
WEAK int fmi2GetContinuousStates(void *c, double *x, size_t n) { return OK; }
WEAK int fmi2GetNominalsOfContinuousStates(void *c, double *x, size_t n) {
    for (size_t i = 0; i < n; i++) x[i] = 1;
    return OK;
}

/* Co-Simulation */
WEAK int fmi2SetRealInputDerivatives(void *c, const vr_t *vr, size_t n, const int *order,
                                     const double *value) { return OK; }
int fmi2GetRealOutputDerivatives(void *c, const vr_t *vr, size_t n, const int *order,
                                 double *value) { return ERROR; }
WEAK int fmi2DoStep(void *c, double time, double step, int no_set) {
    now = time + step;
    return OK;
}
int fmi2CancelStep(void *c) { return ERROR; }
WEAK int fmi2GetStatus(void *c, int kind, int *value) { return DISCARD; }
WEAK int fmi2GetRealStatus(void *c, int kind, double *value) { return DISCARD; }
int fmi2GetIntegerStatus(void *c, int kind, int *value) { return DISCARD; }
WEAK int fmi2GetBooleanStatus(void *c, int kind, int *value) { return DISCARD; }
int fmi2GetStringStatus(void *c, int kind, const char **value) { return DISCARD; }
