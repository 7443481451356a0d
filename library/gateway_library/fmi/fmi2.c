/* FMI 2.0 for Model Exchange and Co-Simulation. */
#include "fmi2_types.h"

#include <math.h>
#include <stdlib.h>

#include "instance.h"

/* Refuse a call outside of `modes`. */
#define REQUIRE(c, modes)                     \
    if (!allowed((Instance *)(c), modes, __func__)) \
        return fmi2Error

#define BEFORE_START (INSTANTIATED | INITIALIZATION)
#define READABLE (INITIALIZATION | INITIALIZED | TERMINATED | FAILED)

/* A function of the standard that this FMU does not offer; its capability flag says so. */
#define UNSUPPORTED(c) return (fmi2Status)fail((Instance *)(c), "not supported by this FMU")

EXPORT const char *fmi2GetTypesPlatform(void)
{
    return "default";
}

EXPORT const char *fmi2GetVersion(void)
{
    return "2.0";
}

static void report(Instance *instance, enum Status status, const char *category, const char *text)
{
    fmi2CallbackLogger logger = (fmi2CallbackLogger)instance->logger;
    if (logger)
        logger(instance->environment, instance->name, (fmi2Status)status, category, text);
}

EXPORT fmi2Component fmi2Instantiate(fmi2String instanceName, fmi2Type fmuType, fmi2String fmuGUID,
                                     fmi2String fmuResourceLocation,
                                     const fmi2CallbackFunctions *functions, fmi2Boolean visible,
                                     fmi2Boolean loggingOn)
{
    (void)fmuResourceLocation;
    (void)visible;
    return create(instanceName, fmuGUID, fmuType == fmi2CoSimulation, loggingOn,
                  functions ? functions->componentEnvironment : NULL,
                  functions ? (void (*)(void))functions->logger : NULL, report);
}

EXPORT void fmi2FreeInstance(fmi2Component c)
{
    destroy(c);
}

EXPORT fmi2Status fmi2SetDebugLogging(fmi2Component c, fmi2Boolean loggingOn, size_t nCategories,
                                      const fmi2String categories[])
{
    (void)nCategories;
    (void)categories;
    if (!c)
        return fmi2Error;
    ((Instance *)c)->logging = loggingOn;
    return fmi2OK;
}

EXPORT fmi2Status fmi2SetupExperiment(fmi2Component c, fmi2Boolean toleranceDefined,
                                      fmi2Real tolerance, fmi2Real startTime,
                                      fmi2Boolean stopTimeDefined, fmi2Real stopTime)
{
    REQUIRE(c, INSTANTIATED);
    return (fmi2Status)begin(c, toleranceDefined, tolerance, startTime, stopTimeDefined, stopTime);
}

static fmi2Status in_mode(Instance *instance, enum Mode mode)
{
    enter(instance, mode);
    return fmi2OK;
}

EXPORT fmi2Status fmi2EnterInitializationMode(fmi2Component c)
{
    REQUIRE(c, INSTANTIATED);
    return in_mode(c, INITIALIZATION);
}

EXPORT fmi2Status fmi2ExitInitializationMode(fmi2Component c)
{
    REQUIRE(c, INITIALIZATION);
    return (fmi2Status)initialized(c);
}

EXPORT fmi2Status fmi2Terminate(fmi2Component c)
{
    REQUIRE(c, INITIALIZED);
    return in_mode(c, TERMINATED);
}

EXPORT fmi2Status fmi2Reset(fmi2Component c)
{
    if (!c)
        return fmi2Error;
    reset(c);
    return fmi2OK;
}

#define GET(NAME, TYPE, KIND)                                                                 \
    EXPORT fmi2Status NAME(fmi2Component c, const fmi2ValueReference vr[], size_t nvr,        \
                           TYPE value[])                                                      \
    {                                                                                         \
        REQUIRE(c, READABLE | INSTANTIATED);                                                  \
        for (size_t i = 0; i < nvr; i++) {                                                    \
            const double *from = readable(c, vr[i], KIND);                                    \
            if (!from)                                                                        \
                return fmi2Error;                                                             \
            value[i] = (TYPE)*from;                                                           \
        }                                                                                     \
        return fmi2OK;                                                                        \
    }

#define SET(NAME, TYPE, KIND)                                                                 \
    EXPORT fmi2Status NAME(fmi2Component c, const fmi2ValueReference vr[], size_t nvr,        \
                           const TYPE value[])                                                \
    {                                                                                         \
        REQUIRE(c, BEFORE_START | INITIALIZED);                                               \
        for (size_t i = 0; i < nvr; i++)                                                      \
            if (assign(c, vr[i], KIND, 0, (KIND) == BOOLEAN ? value[i] != 0 : value[i]) != OK)     \
                return fmi2Error;                                                             \
        return fmi2OK;                                                                        \
    }

GET(fmi2GetReal, fmi2Real, REAL)
GET(fmi2GetInteger, fmi2Integer, INTEGER | ENUMERATION)
GET(fmi2GetBoolean, fmi2Boolean, BOOLEAN)
SET(fmi2SetReal, fmi2Real, REAL)
SET(fmi2SetInteger, fmi2Integer, INTEGER | ENUMERATION)
SET(fmi2SetBoolean, fmi2Boolean, BOOLEAN)

EXPORT fmi2Status fmi2GetString(fmi2Component c, const fmi2ValueReference vr[], size_t nvr,
                                fmi2String value[])
{
    REQUIRE(c, READABLE | INSTANTIATED);
    for (size_t i = 0; i < nvr; i++)
        if (!(value[i] = readable_text(c, vr[i])))
            return fmi2Error;
    return fmi2OK;
}

EXPORT fmi2Status fmi2SetString(fmi2Component c, const fmi2ValueReference vr[], size_t nvr,
                                const fmi2String value[])
{
    REQUIRE(c, BEFORE_START | INITIALIZED);
    for (size_t i = 0; i < nvr; i++)
        if (assign_text(c, vr[i], value[i]) != OK)
            return fmi2Error;
    return fmi2OK;
}

EXPORT fmi2Status fmi2GetFMUstate(fmi2Component c, fmi2FMUstate *FMUstate)
{
    if (!c || !FMUstate)
        return fmi2Error;
    if (!save(c, (State **)FMUstate))
        return (fmi2Status)fail(c, "out of memory");
    return fmi2OK;
}

EXPORT fmi2Status fmi2SetFMUstate(fmi2Component c, fmi2FMUstate FMUstate)
{
    if (!c || !FMUstate)
        return fmi2Error;
    restore(c, FMUstate);
    return fmi2OK;
}

EXPORT fmi2Status fmi2FreeFMUstate(fmi2Component c, fmi2FMUstate *FMUstate)
{
    if (!c || !FMUstate)
        return fmi2Error;
    free(*FMUstate);
    *FMUstate = NULL;
    return fmi2OK;
}

EXPORT fmi2Status fmi2SerializedFMUstateSize(fmi2Component c, fmi2FMUstate FMUstate, size_t *size)
{
    if (!c || !FMUstate || !size)
        return fmi2Error;
    *size = serialized_size();
    return fmi2OK;
}

EXPORT fmi2Status fmi2SerializeFMUstate(fmi2Component c, fmi2FMUstate FMUstate,
                                        fmi2Byte serializedState[], size_t size)
{
    if (!c || !FMUstate || !serializedState)
        return fmi2Error;
    if (size < serialized_size())
        return (fmi2Status)fail(c, "too little room for the FMU state");
    serialize(FMUstate, serializedState);
    return fmi2OK;
}

EXPORT fmi2Status fmi2DeSerializeFMUstate(fmi2Component c, const fmi2Byte serializedState[],
                                          size_t size, fmi2FMUstate *FMUstate)
{
    State *state;
    if (!c || !serializedState || !FMUstate)
        return fmi2Error;
    state = deserialize(serializedState, size);
    if (!state)
        return (fmi2Status)fail(c, "not an FMU state of this build");
    free(*FMUstate);
    *FMUstate = state;
    return fmi2OK;
}

EXPORT fmi2Status fmi2GetDirectionalDerivative(fmi2Component c,
                                               const fmi2ValueReference vUnknown_ref[],
                                               size_t nUnknown,
                                               const fmi2ValueReference vKnown_ref[], size_t nKnown,
                                               const fmi2Real dvKnown[], fmi2Real dvUnknown[])
{
    (void)vUnknown_ref, (void)nUnknown, (void)vKnown_ref, (void)nKnown;
    (void)dvKnown, (void)dvUnknown;
    REQUIRE(c, READABLE);
    UNSUPPORTED(c);
}

/* Model Exchange */

EXPORT fmi2Status fmi2EnterEventMode(fmi2Component c)
{
    REQUIRE(c, CONTINUOUS_TIME | EVENT_MODE);
    return in_mode(c, EVENT_MODE);
}

EXPORT fmi2Status fmi2NewDiscreteStates(fmi2Component c, fmi2EventInfo *info)
{
    Event e;
    REQUIRE(c, EVENT_MODE);
    update(c, &e);
    *info = (fmi2EventInfo){
        .newDiscreteStatesNeeded = e.again,
        .terminateSimulation = e.terminate,
        .valuesOfContinuousStatesChanged = e.states_changed,
        .nextEventTimeDefined = isfinite(e.next_time),
        .nextEventTime = isfinite(e.next_time) ? e.next_time : 0,
    };
    return fmi2OK;
}

EXPORT fmi2Status fmi2EnterContinuousTimeMode(fmi2Component c)
{
    REQUIRE(c, EVENT_MODE);
    if (((Instance *)c)->co_simulation)
        return (fmi2Status)fail(c, "Co-Simulation has no continuous-time mode");
    return in_mode(c, CONTINUOUS_TIME);
}

EXPORT fmi2Status fmi2CompletedIntegratorStep(fmi2Component c,
                                              fmi2Boolean noSetFMUStatePriorToCurrentPoint,
                                              fmi2Boolean *enterEventMode,
                                              fmi2Boolean *terminateSimulation)
{
    (void)noSetFMUStatePriorToCurrentPoint;
    REQUIRE(c, CONTINUOUS_TIME);
    *enterEventMode = 0;
    *terminateSimulation = 0;
    return fmi2OK;
}

EXPORT fmi2Status fmi2SetTime(fmi2Component c, fmi2Real time)
{
    REQUIRE(c, CONTINUOUS_TIME | EVENT_MODE);
    return (fmi2Status)set_time(c, time);
}

EXPORT fmi2Status fmi2SetContinuousStates(fmi2Component c, const fmi2Real x[], size_t nx)
{
    REQUIRE(c, CONTINUOUS_TIME);
    return (fmi2Status)set_states(c, x, nx);
}

EXPORT fmi2Status fmi2GetDerivatives(fmi2Component c, fmi2Real derivatives[], size_t nx)
{
    REQUIRE(c, READABLE);
    return (fmi2Status)get_derivatives(c, derivatives, nx);
}

EXPORT fmi2Status fmi2GetEventIndicators(fmi2Component c, fmi2Real eventIndicators[], size_t ni)
{
    REQUIRE(c, READABLE);
    return (fmi2Status)get_indicators(c, eventIndicators, ni);
}

EXPORT fmi2Status fmi2GetContinuousStates(fmi2Component c, fmi2Real x[], size_t nx)
{
    REQUIRE(c, READABLE);
    return (fmi2Status)get_states(c, x, nx);
}

EXPORT fmi2Status fmi2GetNominalsOfContinuousStates(fmi2Component c, fmi2Real x_nominal[],
                                                    size_t nx)
{
    REQUIRE(c, READABLE | INSTANTIATED);
    return (fmi2Status)get_nominals(c, x_nominal, nx);
}

/* Co-Simulation */

EXPORT fmi2Status fmi2SetRealInputDerivatives(fmi2Component c, const fmi2ValueReference vr[],
                                              size_t nvr, const fmi2Integer order[],
                                              const fmi2Real value[])
{
    (void)vr, (void)nvr, (void)order, (void)value;
    REQUIRE(c, INITIALIZATION | STEP_MODE);
    UNSUPPORTED(c);
}

EXPORT fmi2Status fmi2GetRealOutputDerivatives(fmi2Component c, const fmi2ValueReference vr[],
                                               size_t nvr, const fmi2Integer order[],
                                               fmi2Real value[])
{
    (void)vr, (void)nvr, (void)order, (void)value;
    REQUIRE(c, READABLE);
    UNSUPPORTED(c);
}

EXPORT fmi2Status fmi2DoStep(fmi2Component c, fmi2Real currentCommunicationPoint,
                             fmi2Real communicationStepSize,
                             fmi2Boolean noSetFMUStatePriorToCurrentPoint)
{
    bool pending;
    enum Status status;
    (void)noSetFMUStatePriorToCurrentPoint;
    REQUIRE(c, STEP_MODE);
    status = step(c, currentCommunicationPoint, communicationStepSize, &pending);
    return status == OK && ended(c) ? fmi2Discard : (fmi2Status)status;
}

EXPORT fmi2Status fmi2CancelStep(fmi2Component c)
{
    REQUIRE(c, STEP_MODE);
    UNSUPPORTED(c); /* no step is ever pending */
}

/* What an FMU cannot tell about its steps it discards (FMI 2.0.4, section 4.2.3). */
EXPORT fmi2Status fmi2GetStatus(fmi2Component c, const fmi2StatusKind s, fmi2Status *value)
{
    (void)c, (void)s, (void)value;
    return fmi2Discard;
}

EXPORT fmi2Status fmi2GetRealStatus(fmi2Component c, const fmi2StatusKind s, fmi2Real *value)
{
    if (!c || s != fmi2LastSuccessfulTime)
        return fmi2Discard;
    *value = now(c);
    return fmi2OK;
}

EXPORT fmi2Status fmi2GetIntegerStatus(fmi2Component c, const fmi2StatusKind s, fmi2Integer *value)
{
    (void)c, (void)s, (void)value;
    return fmi2Discard;
}

EXPORT fmi2Status fmi2GetBooleanStatus(fmi2Component c, const fmi2StatusKind s, fmi2Boolean *value)
{
    if (!c || s != fmi2Terminated)
        return fmi2Discard;
    *value = ended(c);
    return fmi2OK;
}

EXPORT fmi2Status fmi2GetStringStatus(fmi2Component c, const fmi2StatusKind s, fmi2String *value)
{
    (void)c, (void)s, (void)value;
    return fmi2Discard;
}
