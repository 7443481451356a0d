/* FMI 3.0 for Model Exchange and Co-Simulation. */
#include "fmi3_types.h"

#include <math.h>
#include <stdlib.h>

#include "instance.h"

/* Refuse a call outside of `modes`. */
#define REQUIRE(c, modes)                           \
    if (!allowed((Instance *)(c), modes, __func__)) \
        return fmi3Error

#define BEFORE_START (INSTANTIATED | CONFIGURATION | INITIALIZATION)
#define READABLE (INITIALIZATION | INITIALIZED | TERMINATED | FAILED)

/* A function of the standard that this FMU does not offer; its description says so. */
#define UNSUPPORTED(NAME, ...)                                                  \
    EXPORT fmi3Status NAME(fmi3Instance instance, __VA_ARGS__)                  \
    {                                                                           \
        return instance ? (fmi3Status)fail(instance, #NAME " is not supported") : fmi3Error; \
    }

EXPORT const char *fmi3GetVersion(void)
{
    return "3.0";
}

static void report(Instance *instance, enum Status status, const char *category, const char *text)
{
    fmi3LogMessageCallback logger = (fmi3LogMessageCallback)instance->logger;
    if (logger)
        logger(instance->environment, (fmi3Status)status, category, text);
}

EXPORT fmi3Status fmi3SetDebugLogging(fmi3Instance instance, fmi3Boolean loggingOn,
                                      size_t nCategories, const fmi3String categories[])
{
    (void)nCategories;
    (void)categories;
    if (!instance)
        return fmi3Error;
    ((Instance *)instance)->logging = loggingOn;
    return fmi3OK;
}

EXPORT fmi3Instance fmi3InstantiateModelExchange(fmi3String instanceName,
                                                 fmi3String instantiationToken,
                                                 fmi3String resourcePath, fmi3Boolean visible,
                                                 fmi3Boolean loggingOn,
                                                 fmi3InstanceEnvironment instanceEnvironment,
                                                 fmi3LogMessageCallback logMessage)
{
    (void)resourcePath;
    (void)visible;
    return create(instanceName, instantiationToken, false, loggingOn, instanceEnvironment,
                  (void (*)(void))logMessage, report);
}

EXPORT fmi3Instance fmi3InstantiateCoSimulation(
    fmi3String instanceName, fmi3String instantiationToken, fmi3String resourcePath,
    fmi3Boolean visible, fmi3Boolean loggingOn, fmi3Boolean eventModeUsed,
    fmi3Boolean earlyReturnAllowed, const fmi3ValueReference requiredIntermediateVariables[],
    size_t nRequiredIntermediateVariables, fmi3InstanceEnvironment instanceEnvironment,
    fmi3LogMessageCallback logMessage, fmi3IntermediateUpdateCallback intermediateUpdate)
{
    Instance *instance;
    (void)resourcePath;
    (void)visible;
    (void)requiredIntermediateVariables;
    (void)nRequiredIntermediateVariables;
    (void)intermediateUpdate;
    instance = create(instanceName, instantiationToken, true, loggingOn, instanceEnvironment,
                      (void (*)(void))logMessage, report);
    if (instance) {
        instance->uses_event_mode = eventModeUsed;
        instance->returns_early = eventModeUsed && earlyReturnAllowed;
    }
    return instance;
}

EXPORT fmi3Instance fmi3InstantiateScheduledExecution(
    fmi3String instanceName, fmi3String instantiationToken, fmi3String resourcePath,
    fmi3Boolean visible, fmi3Boolean loggingOn, fmi3InstanceEnvironment instanceEnvironment,
    fmi3LogMessageCallback logMessage, fmi3ClockUpdateCallback clockUpdate,
    fmi3LockPreemptionCallback lockPreemption, fmi3UnlockPreemptionCallback unlockPreemption)
{
    (void)instanceName, (void)instantiationToken, (void)resourcePath, (void)visible;
    (void)loggingOn, (void)clockUpdate, (void)lockPreemption, (void)unlockPreemption;
    if (logMessage)
        logMessage(instanceEnvironment, fmi3Error, "logStatusError", "no Scheduled Execution");
    return NULL;
}

EXPORT void fmi3FreeInstance(fmi3Instance instance)
{
    destroy(instance);
}

static fmi3Status in_mode(Instance *instance, enum Mode mode)
{
    enter(instance, mode);
    return fmi3OK;
}

EXPORT fmi3Status fmi3EnterInitializationMode(fmi3Instance instance, fmi3Boolean toleranceDefined,
                                              fmi3Float64 tolerance, fmi3Float64 startTime,
                                              fmi3Boolean stopTimeDefined, fmi3Float64 stopTime)
{
    REQUIRE(instance, INSTANTIATED);
    if (begin(instance, toleranceDefined, tolerance, startTime, stopTimeDefined, stopTime) != OK)
        return fmi3Error;
    return in_mode(instance, INITIALIZATION);
}

EXPORT fmi3Status fmi3ExitInitializationMode(fmi3Instance instance)
{
    REQUIRE(instance, INITIALIZATION);
    return (fmi3Status)initialized(instance);
}

EXPORT fmi3Status fmi3EnterEventMode(fmi3Instance instance)
{
    Instance *self = instance;
    REQUIRE(instance, CONTINUOUS_TIME | STEP_MODE);
    if (self->co_simulation && !self->uses_event_mode)
        return (fmi3Status)fail(self, "this instance was made without the event mode");
    return in_mode(self, EVENT_MODE);
}

EXPORT fmi3Status fmi3Terminate(fmi3Instance instance)
{
    REQUIRE(instance, INITIALIZED);
    return in_mode(instance, TERMINATED);
}

EXPORT fmi3Status fmi3Reset(fmi3Instance instance)
{
    if (!instance)
        return fmi3Error;
    reset(instance);
    return fmi3OK;
}

#define GET(NAME, TYPE, KIND)                                                                  \
    EXPORT fmi3Status NAME(fmi3Instance instance, const fmi3ValueReference valueReferences[],  \
                           size_t nValueReferences, TYPE values[], size_t nValues)             \
    {                                                                                          \
        TYPE *to = values;                                                                     \
        REQUIRE(instance, READABLE | BEFORE_START);                                            \
        if (nValues != count_values(instance, valueReferences, nValueReferences))              \
            return (fmi3Status)fail(instance, "one value for each element");                   \
        for (size_t i = 0; i < nValueReferences; i++) {                                        \
            const double *from = readable(instance, valueReferences[i], KIND);                 \
            if (!from)                                                                         \
                return fmi3Error;                                                              \
            for (size_t n = count_values(instance, &valueReferences[i], 1); n > 0; n--)        \
                *to++ = (TYPE)*from++;                                                         \
        }                                                                                      \
        return fmi3OK;                                                                         \
    }

#define SET(NAME, TYPE, KIND)                                                                  \
    EXPORT fmi3Status NAME(fmi3Instance instance, const fmi3ValueReference valueReferences[],  \
                           size_t nValueReferences, const TYPE values[], size_t nValues)       \
    {                                                                                          \
        const TYPE *from = values;                                                             \
        REQUIRE(instance, BEFORE_START | INITIALIZED);                                         \
        if (nValues != count_values(instance, valueReferences, nValueReferences))              \
            return (fmi3Status)fail(instance, "one value for each element");                   \
        for (size_t i = 0; i < nValueReferences; i++) {                                        \
            const size_t n = count_values(instance, &valueReferences[i], 1);                   \
            for (size_t element = 0; element < n; element++)                                   \
                if (assign(instance, valueReferences[i], KIND, element, (double)*from++) != OK) \
                    return fmi3Error;                                                          \
        }                                                                                      \
        return fmi3OK;                                                                         \
    }

/* A type that no model has: getting or setting none of it is all that can go well. */
#define NO_VARIABLES(NAME, ...)                                                               \
    EXPORT fmi3Status NAME(fmi3Instance instance, const fmi3ValueReference valueReferences[], \
                           size_t nValueReferences, __VA_ARGS__)                              \
    {                                                                                         \
        (void)valueReferences;                                                                \
        REQUIRE(instance, BEFORE_START | INITIALIZED | TERMINATED | FAILED);                  \
        if (nValueReferences == 0)                                                            \
            return fmi3OK;                                                                    \
        return (fmi3Status)fail(instance, #NAME ": the model has no such variables");         \
    }

GET(fmi3GetFloat64, fmi3Float64, REAL)
GET(fmi3GetInt32, fmi3Int32, INTEGER)
GET(fmi3GetInt64, fmi3Int64, ENUMERATION)
GET(fmi3GetUInt64, fmi3UInt64, SIZE)
GET(fmi3GetBoolean, fmi3Boolean, BOOLEAN)
SET(fmi3SetFloat64, fmi3Float64, REAL)
SET(fmi3SetInt32, fmi3Int32, INTEGER)
SET(fmi3SetInt64, fmi3Int64, ENUMERATION)
SET(fmi3SetUInt64, fmi3UInt64, SIZE)
SET(fmi3SetBoolean, fmi3Boolean, BOOLEAN)

EXPORT fmi3Status fmi3GetString(fmi3Instance instance, const fmi3ValueReference valueReferences[],
                                size_t nValueReferences, fmi3String values[], size_t nValues)
{
    REQUIRE(instance, READABLE | BEFORE_START);
    if (nValues != nValueReferences)
        return (fmi3Status)fail(instance, "one value for each reference");
    for (size_t i = 0; i < nValues; i++)
        if (!(values[i] = readable_text(instance, valueReferences[i])))
            return fmi3Error;
    return fmi3OK;
}

EXPORT fmi3Status fmi3SetString(fmi3Instance instance, const fmi3ValueReference valueReferences[],
                                size_t nValueReferences, const fmi3String values[], size_t nValues)
{
    REQUIRE(instance, BEFORE_START | INITIALIZED);
    if (nValues != nValueReferences)
        return (fmi3Status)fail(instance, "one value for each reference");
    for (size_t i = 0; i < nValues; i++)
        if (assign_text(instance, valueReferences[i], values[i]) != OK)
            return fmi3Error;
    return fmi3OK;
}

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif

NO_VARIABLES(fmi3GetFloat32, fmi3Float32 values[], size_t nValues)
NO_VARIABLES(fmi3GetInt8, fmi3Int8 values[], size_t nValues)
NO_VARIABLES(fmi3GetUInt8, fmi3UInt8 values[], size_t nValues)
NO_VARIABLES(fmi3GetInt16, fmi3Int16 values[], size_t nValues)
NO_VARIABLES(fmi3GetUInt16, fmi3UInt16 values[], size_t nValues)
NO_VARIABLES(fmi3GetUInt32, fmi3UInt32 values[], size_t nValues)
NO_VARIABLES(fmi3GetBinary, size_t valueSizes[], fmi3Binary values[], size_t nValues)
NO_VARIABLES(fmi3GetClock, fmi3Clock values[])
NO_VARIABLES(fmi3SetFloat32, const fmi3Float32 values[], size_t nValues)
NO_VARIABLES(fmi3SetInt8, const fmi3Int8 values[], size_t nValues)
NO_VARIABLES(fmi3SetUInt8, const fmi3UInt8 values[], size_t nValues)
NO_VARIABLES(fmi3SetInt16, const fmi3Int16 values[], size_t nValues)
NO_VARIABLES(fmi3SetUInt16, const fmi3UInt16 values[], size_t nValues)
NO_VARIABLES(fmi3SetUInt32, const fmi3UInt32 values[], size_t nValues)
NO_VARIABLES(fmi3SetBinary, const size_t valueSizes[], const fmi3Binary values[], size_t nValues)
NO_VARIABLES(fmi3SetClock, const fmi3Clock values[])
NO_VARIABLES(fmi3GetIntervalDecimal, fmi3Float64 intervals[], fmi3IntervalQualifier qualifiers[])
NO_VARIABLES(fmi3GetIntervalFraction, fmi3UInt64 counters[], fmi3UInt64 resolutions[],
             fmi3IntervalQualifier qualifiers[])
NO_VARIABLES(fmi3GetShiftDecimal, fmi3Float64 shifts[])
NO_VARIABLES(fmi3GetShiftFraction, fmi3UInt64 counters[], fmi3UInt64 resolutions[])
NO_VARIABLES(fmi3SetIntervalDecimal, const fmi3Float64 intervals[])
NO_VARIABLES(fmi3SetIntervalFraction, const fmi3UInt64 counters[], const fmi3UInt64 resolutions[])
NO_VARIABLES(fmi3SetShiftDecimal, const fmi3Float64 shifts[])
NO_VARIABLES(fmi3SetShiftFraction, const fmi3UInt64 counters[], const fmi3UInt64 resolutions[])

UNSUPPORTED(fmi3GetNumberOfVariableDependencies, fmi3ValueReference valueReference,
            size_t *nDependencies)
UNSUPPORTED(fmi3GetVariableDependencies, fmi3ValueReference dependent,
            size_t elementIndicesOfDependent[], fmi3ValueReference independents[],
            size_t elementIndicesOfIndependents[], fmi3DependencyKind dependencyKinds[],
            size_t nDependencies)
UNSUPPORTED(fmi3GetDirectionalDerivative, const fmi3ValueReference unknowns[], size_t nUnknowns,
            const fmi3ValueReference knowns[], size_t nKnowns, const fmi3Float64 seed[],
            size_t nSeed, fmi3Float64 sensitivity[], size_t nSensitivity)
UNSUPPORTED(fmi3GetAdjointDerivative, const fmi3ValueReference unknowns[], size_t nUnknowns,
            const fmi3ValueReference knowns[], size_t nKnowns, const fmi3Float64 seed[],
            size_t nSeed, fmi3Float64 sensitivity[], size_t nSensitivity)
UNSUPPORTED(fmi3GetOutputDerivatives, const fmi3ValueReference valueReferences[],
            size_t nValueReferences, const fmi3Int32 orders[], fmi3Float64 values[],
            size_t nValues)
UNSUPPORTED(fmi3ActivateModelPartition, fmi3ValueReference clockReference,
            fmi3Float64 activationTime)

EXPORT fmi3Status fmi3EnterConfigurationMode(fmi3Instance instance)
{
    REQUIRE(instance, INSTANTIATED);
    if (!has_structure(instance))
        return (fmi3Status)fail(instance, "no structural parameters");
    return in_mode(instance, CONFIGURATION);
}

EXPORT fmi3Status fmi3ExitConfigurationMode(fmi3Instance instance)
{
    REQUIRE(instance, CONFIGURATION);
    return in_mode(instance, INSTANTIATED);
}

EXPORT fmi3Status fmi3EvaluateDiscreteStates(fmi3Instance instance)
{
    return instance ? (fmi3Status)fail(instance, "discrete states are only updated") : fmi3Error;
}

EXPORT fmi3Status fmi3GetFMUState(fmi3Instance instance, fmi3FMUState *FMUState)
{
    if (!instance || !FMUState)
        return fmi3Error;
    if (!save(instance, (State **)FMUState))
        return (fmi3Status)fail(instance, "out of memory");
    return fmi3OK;
}

EXPORT fmi3Status fmi3SetFMUState(fmi3Instance instance, fmi3FMUState FMUState)
{
    if (!instance || !FMUState)
        return fmi3Error;
    restore(instance, FMUState);
    return fmi3OK;
}

EXPORT fmi3Status fmi3FreeFMUState(fmi3Instance instance, fmi3FMUState *FMUState)
{
    if (!instance || !FMUState)
        return fmi3Error;
    free(*FMUState);
    *FMUState = NULL;
    return fmi3OK;
}

EXPORT fmi3Status fmi3SerializedFMUStateSize(fmi3Instance instance, fmi3FMUState FMUState,
                                             size_t *size)
{
    if (!instance || !FMUState || !size)
        return fmi3Error;
    *size = serialized_size();
    return fmi3OK;
}

EXPORT fmi3Status fmi3SerializeFMUState(fmi3Instance instance, fmi3FMUState FMUState,
                                        fmi3Byte serializedState[], size_t size)
{
    if (!instance || !FMUState || !serializedState)
        return fmi3Error;
    if (size < serialized_size())
        return (fmi3Status)fail(instance, "too little room for the FMU state");
    serialize(FMUState, (char *)serializedState);
    return fmi3OK;
}

EXPORT fmi3Status fmi3DeserializeFMUState(fmi3Instance instance, const fmi3Byte serializedState[],
                                          size_t size, fmi3FMUState *FMUState)
{
    State *state;
    if (!instance || !serializedState || !FMUState)
        return fmi3Error;
    state = deserialize((const char *)serializedState, size);
    if (!state)
        return (fmi3Status)fail(instance, "not an FMU state of this build");
    free(*FMUState);
    *FMUState = state;
    return fmi3OK;
}

EXPORT fmi3Status fmi3UpdateDiscreteStates(fmi3Instance instance,
                                           fmi3Boolean *discreteStatesNeedUpdate,
                                           fmi3Boolean *terminateSimulation,
                                           fmi3Boolean *nominalsOfContinuousStatesChanged,
                                           fmi3Boolean *valuesOfContinuousStatesChanged,
                                           fmi3Boolean *nextEventTimeDefined,
                                           fmi3Float64 *nextEventTime)
{
    Event e;
    REQUIRE(instance, EVENT_MODE);
    update(instance, &e);
    *discreteStatesNeedUpdate = e.again;
    *terminateSimulation = e.terminate;
    *nominalsOfContinuousStatesChanged = false;
    *valuesOfContinuousStatesChanged = e.states_changed;
    *nextEventTimeDefined = isfinite(e.next_time);
    *nextEventTime = isfinite(e.next_time) ? e.next_time : 0;
    return fmi3OK;
}

/* Model Exchange */

EXPORT fmi3Status fmi3EnterContinuousTimeMode(fmi3Instance instance)
{
    REQUIRE(instance, EVENT_MODE);
    if (((Instance *)instance)->co_simulation)
        return (fmi3Status)fail(instance, "Co-Simulation has no continuous-time mode");
    return in_mode(instance, CONTINUOUS_TIME);
}

EXPORT fmi3Status fmi3CompletedIntegratorStep(fmi3Instance instance,
                                              fmi3Boolean noSetFMUStatePriorToCurrentPoint,
                                              fmi3Boolean *enterEventMode,
                                              fmi3Boolean *terminateSimulation)
{
    REQUIRE(instance, CONTINUOUS_TIME);
    *enterEventMode = false;
    *terminateSimulation = false;
    return fmi3OK;
}

EXPORT fmi3Status fmi3SetTime(fmi3Instance instance, fmi3Float64 time)
{
    REQUIRE(instance, CONTINUOUS_TIME);
    return (fmi3Status)set_time(instance, time);
}

EXPORT fmi3Status fmi3SetContinuousStates(fmi3Instance instance,
                                          const fmi3Float64 continuousStates[],
                                          size_t nContinuousStates)
{
    REQUIRE(instance, CONTINUOUS_TIME);
    return (fmi3Status)set_states(instance, continuousStates, nContinuousStates);
}

EXPORT fmi3Status fmi3GetContinuousStateDerivatives(fmi3Instance instance,
                                                    fmi3Float64 derivatives[],
                                                    size_t nContinuousStates)
{
    REQUIRE(instance, READABLE);
    return (fmi3Status)get_derivatives(instance, derivatives, nContinuousStates);
}

EXPORT fmi3Status fmi3GetEventIndicators(fmi3Instance instance, fmi3Float64 eventIndicators[],
                                         size_t nEventIndicators)
{
    REQUIRE(instance, READABLE);
    return (fmi3Status)get_indicators(instance, eventIndicators, nEventIndicators);
}

EXPORT fmi3Status fmi3GetContinuousStates(fmi3Instance instance, fmi3Float64 continuousStates[],
                                          size_t nContinuousStates)
{
    REQUIRE(instance, READABLE);
    return (fmi3Status)get_states(instance, continuousStates, nContinuousStates);
}

EXPORT fmi3Status fmi3GetNominalsOfContinuousStates(fmi3Instance instance, fmi3Float64 nominals[],
                                                    size_t nContinuousStates)
{
    REQUIRE(instance, READABLE);
    return (fmi3Status)get_nominals(instance, nominals, nContinuousStates);
}

EXPORT fmi3Status fmi3GetNumberOfEventIndicators(fmi3Instance instance, size_t *nEventIndicators)
{
    if (!instance || !nEventIndicators)
        return fmi3Error;
    *nEventIndicators = count_indicators(instance);
    return fmi3OK;
}

EXPORT fmi3Status fmi3GetNumberOfContinuousStates(fmi3Instance instance, size_t *nContinuousStates)
{
    if (!instance || !nContinuousStates)
        return fmi3Error;
    *nContinuousStates = count_states(instance);
    return fmi3OK;
}

/* Co-Simulation */

EXPORT fmi3Status fmi3EnterStepMode(fmi3Instance instance)
{
    REQUIRE(instance, EVENT_MODE);
    if (!((Instance *)instance)->co_simulation)
        return (fmi3Status)fail(instance, "Model Exchange has no step mode");
    return in_mode(instance, STEP_MODE);
}

EXPORT fmi3Status fmi3DoStep(fmi3Instance instance, fmi3Float64 currentCommunicationPoint,
                             fmi3Float64 communicationStepSize,
                             fmi3Boolean noSetFMUStatePriorToCurrentPoint,
                             fmi3Boolean *eventHandlingNeeded, fmi3Boolean *terminateSimulation,
                             fmi3Boolean *earlyReturn, fmi3Float64 *lastSuccessfulTime)
{
    bool pending;
    enum Status status;
    const Instance *self = instance;
    const double end = currentCommunicationPoint + communicationStepSize;
    REQUIRE(instance, STEP_MODE);
    status = step(instance, currentCommunicationPoint, communicationStepSize, &pending);
    *eventHandlingNeeded = pending;
    *terminateSimulation = ended(self);
    *earlyReturn = pending && now(self) < end;
    *lastSuccessfulTime = now(self);
    return (fmi3Status)status;
}
