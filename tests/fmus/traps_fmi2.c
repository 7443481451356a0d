/* The traps as an FMI 2.0 FMU; base.c has what isn't here. */
#include "traps.h"
#include <stdlib.h>

void say(const char *category, const char *message) {
    callbacks->logger(callbacks->environment, "model", WARNING, category, message);
}

void *fmi2Instantiate(const char *name, int type, const char *guid, const char *location,
                      const callbacks_t *functions, int visible, int logging) {
    callbacks = functions;
    return agrees(name, guid) ? v : NULL;
}
void fmi2FreeInstance(void *c) { trap("FreeInstance"); }
int fmi2EnterInitializationMode(void *c) { return trap_at_once("EnterInitializationMode"); }
int fmi2ExitInitializationMode(void *c) { return trap_at_once("ExitInitializationMode"); }
int fmi2Terminate(void *c) { return trap("Terminate"); }
int fmi2GetReal(void *c, const vr_t *vr, size_t n, double *value) { return get(vr, n, value); }
int fmi2SetReal(void *c, const vr_t *vr, size_t n, const double *value) { return set(vr, n, value); }

int fmi2NewDiscreteStates(void *c, event_info_t *info) {
    *info = (event_info_t){.again = again(), .terminate = ends("UpdateDiscreteStates")};
    info->next_defined = next_event(&info->next);
    return trap("UpdateDiscreteStates");
}
int fmi2CompletedIntegratorStep(void *c, int no_set, int *event, int *terminate) {
    *event = is("CompletedIntegratorStep_wants_events");
    *terminate = ends("CompletedIntegratorStep");
    return trap("CompletedIntegratorStep");
}
int fmi2SetContinuousStates(void *c, const double *x, size_t n) {
    v[X] = *x;
    return trap("SetContinuousStates");
}
int fmi2GetContinuousStates(void *c, double *x, size_t n) {
    *x = spoilt("GetContinuousStates", v[X]);
    return trap("GetContinuousStates");
}
int fmi2GetDerivatives(void *c, double *dx, size_t n) {
    *dx = spoilt("GetContinuousStateDerivatives", 1);
    return trap("GetContinuousStateDerivatives");
}
int fmi2GetEventIndicators(void *c, double *z, size_t n) {
    *z = spoilt("GetEventIndicators", v[X] - 0.55);
    return trap("GetEventIndicators");
}
int fmi2GetNominalsOfContinuousStates(void *c, double *x, size_t n) {
    *x = 1;
    if (is("Nominals_are_nan")) *x = 0. / 0.;
    if (is("Nominals_are_negative")) *x = -1;
    return OK;
}

static bool discarded;
int fmi2DoStep(void *c, double time, double step, int no_set) {
    int status = trap("DoStep");
    discarded = ends("DoStep") || is("DoStep_lies_about_its_end");
    if (discarded && now > 0.45) return DISCARD;
    if (status != OK && status != WARNING) return status;
    now = time + step;
    v[X] = now;
    return status;
}
int fmi2GetBooleanStatus(void *c, int kind, int *value) {
    *value = discarded;
    return OK;
}
int fmi2GetRealStatus(void *c, int kind, double *value) {
    *value = is("DoStep_lies_about_its_end") ? 1e9 : now;
    return OK;
}
