/* One FMU: loading it, and the calls whose prototypes differ between FMI 2.0 and 3.0. */
#include "core.h"

#include <dlfcn.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANY = 1, EXCHANGE = 2, CO_SIMULATION = 4, CONFIGURATION = 8, INPUT_DERIVATIVES = 16,
       EVENT_MODE = 32 };

/* Where each function goes, its name in both versions, and what it is needed for. */
static const struct {
    size_t member;
    const char *two, *three;
    unsigned needed;
} FUNCTIONS[] = {
#define AT(member) offsetof(Fmu, member)
    {AT(exit_initialization), "fmi2ExitInitializationMode", "fmi3ExitInitializationMode", ANY},
    {AT(terminate), "fmi2Terminate", "fmi3Terminate", ANY},
    {AT(reset), "fmi2Reset", "fmi3Reset", ANY},
    {AT(free_instance), "fmi2FreeInstance", "fmi3FreeInstance", ANY},
    {AT(instantiate2), "fmi2Instantiate", 0, ANY},
    {AT(setup2), "fmi2SetupExperiment", 0, ANY},
    {AT(enter_initialization2), "fmi2EnterInitializationMode", 0, ANY},
    {AT(enter_initialization3), 0, "fmi3EnterInitializationMode", ANY},
    {AT(enter_configuration), 0, "fmi3EnterConfigurationMode", CONFIGURATION},
    {AT(exit_configuration), 0, "fmi3ExitConfigurationMode", CONFIGURATION},
    {AT(instantiate_me3), 0, "fmi3InstantiateModelExchange", EXCHANGE},
    {AT(enter_event_mode), "fmi2EnterEventMode", "fmi3EnterEventMode", EXCHANGE},
    {AT(enter_event_mode), 0, "fmi3EnterEventMode", EVENT_MODE},
    {AT(enter_continuous_time_mode), "fmi2EnterContinuousTimeMode", "fmi3EnterContinuousTimeMode",
     EXCHANGE},
    {AT(set_time), "fmi2SetTime", "fmi3SetTime", EXCHANGE},
    {AT(set_states), "fmi2SetContinuousStates", "fmi3SetContinuousStates", EXCHANGE},
    {AT(get_states), "fmi2GetContinuousStates", "fmi3GetContinuousStates", EXCHANGE},
    {AT(get_derivatives), "fmi2GetDerivatives", "fmi3GetContinuousStateDerivatives", EXCHANGE},
    {AT(get_indicators), "fmi2GetEventIndicators", "fmi3GetEventIndicators", EXCHANGE},
    {AT(get_nominals), "fmi2GetNominalsOfContinuousStates", "fmi3GetNominalsOfContinuousStates",
     EXCHANGE},
    {AT(completed_step2), "fmi2CompletedIntegratorStep", 0, EXCHANGE},
    {AT(completed_step3), 0, "fmi3CompletedIntegratorStep", EXCHANGE},
    {AT(new_states2), "fmi2NewDiscreteStates", 0, EXCHANGE},
    {AT(update_states3), 0, "fmi3UpdateDiscreteStates", EXCHANGE | EVENT_MODE},
    {AT(count_states3), 0, "fmi3GetNumberOfContinuousStates", EXCHANGE},
    {AT(count_indicators3), 0, "fmi3GetNumberOfEventIndicators", EXCHANGE},
    {AT(instantiate_cs3), 0, "fmi3InstantiateCoSimulation", CO_SIMULATION},
    {AT(enter_step_mode), 0, "fmi3EnterStepMode", EVENT_MODE},
    {AT(step2), "fmi2DoStep", 0, CO_SIMULATION},
    {AT(step3), 0, "fmi3DoStep", CO_SIMULATION},
    {AT(get_boolean_status2), "fmi2GetBooleanStatus", 0, CO_SIMULATION},
    {AT(get_real_status2), "fmi2GetRealStatus", 0, CO_SIMULATION},
    {AT(set_input_derivatives2), "fmi2SetRealInputDerivatives", 0, INPUT_DERIVATIVES},
#undef AT
};

typedef struct {
    int again, terminate, nominals_changed, states_changed, event_defined;
    double next_event;
} EventInfo;

/* Not every FMU hands back the environment that it was given. */
static Core *logged;

static char *message_place(void) {
    return logged->log + logged->result->messages++ % LOG_LINES * LOG_LENGTH;
}

/* FMI 3.0 */
static void log_message(void *environment, int status, const char *category, const char *message) {
    (void)environment;
    snprintf(message_place(), LOG_LENGTH, "[%d %.50s] %s", status,
             category ? category : "", message ? message : "");
}

/* FMI 2.0: the message is a format for what follows. */
static void log_format(void *environment, const char *instance, int status, const char *category,
                       const char *message, ...) {
    (void)environment, (void)instance;
    char *place = message_place();
    int used = snprintf(place, LOG_LENGTH, "[%d %.50s] ", status, category ? category : "");
    va_list values;
    va_start(values, message);
    vsnprintf(place + used, (size_t)(LOG_LENGTH - used), message ? message : "", values);
    va_end(values);
}

static unsigned needs(const Core *core) {
    const Order *order = core->order;
    const Setting *settings = at(core, order->settings);
    unsigned found = ANY | (order->mode == MODE_CO_SIMULATION ? CO_SIMULATION : EXCHANGE);
    if (order->abilities & ABILITY_INPUT_DERIVATIVES) found |= INPUT_DERIVATIVES;
    if (order->abilities & ABILITY_EVENT_MODE) found |= EVENT_MODE;
    for (uint64_t i = 0; i < order->n_settings; i++)
        if (settings[i].structural) found |= CONFIGURATION;
    return found;
}

/* Load the library and find the functions that this order needs. */
void load(Core *core) {
    Fmu *fmu = &core->fmu;
    fmu->three = core->order->fmi == 3;
    fmu->library = dlopen(at(core, core->order->library), RTLD_NOW | RTLD_LOCAL);
    if (!fmu->library) fail_text(core, STATUS_LOAD_FAILED, "load", dlerror());
    unsigned needed = needs(core);
    for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++) {
        const char *name = fmu->three ? FUNCTIONS[i].three : FUNCTIONS[i].two;
        if (!name || !(FUNCTIONS[i].needed & needed)) continue;
        void *symbol = dlsym(fmu->library, name);
        if (!symbol) fail_text(core, STATUS_LOAD_FAILED, name, "the library lacks this function");
        *(void **)((char *)fmu + FUNCTIONS[i].member) = symbol;
    }
}

/* A fresh instance, or the last one as good as new. */
void instantiate(Core *core) {
    static struct {
        void *log, *allocate, *free, *step_finished, *environment;
    } callbacks;
    Fmu *fmu = &core->fmu;
    const Order *order = core->order;
    if (fmu->instance && order->abilities & ABILITY_RESETS) {
        check(core, NAME(core, "Reset"), fmu->reset(fmu->instance));
        return;
    }
    if (fmu->instance) fmu->free_instance(fmu->instance);
    const char *name = at(core, order->identifier), *token = at(core, order->token);
    const char *resources = at(core, order->resources);
    bool steps = order->mode == MODE_CO_SIMULATION;
    bool events = order->abilities & ABILITY_EVENT_MODE;
    callbacks.log = (void *)log_format;
    callbacks.allocate = (void *)calloc;
    callbacks.free = (void *)free;
    logged = core;
    if (!fmu->three)
        fmu->instance = fmu->instantiate2(name, steps, token, resources, &callbacks, 0, 0);
    else if (steps)
        fmu->instance = fmu->instantiate_cs3(name, token, resources, false, false, events, events,
                                             NULL, 0, NULL, log_message, NULL);
    else
        fmu->instance =
            fmu->instantiate_me3(name, token, resources, false, false, NULL, log_message);
    if (!fmu->instance)
        fail_text(core, STATUS_INSTANTIATION_FAILED,
                  fmu->three ? (steps ? "fmi3InstantiateCoSimulation" : "fmi3InstantiateModelExchange")
                             : "fmi2Instantiate",
                  "");
}

void set_time(Core *core, double time) {
    core->time = time;
    check(core, NAME(core, "SetTime"), core->fmu.set_time(core->fmu.instance, time));
}

/* From instantiated to initialized, with start values and the inputs' first values. */
void initialize(Core *core) {
    Fmu *fmu = &core->fmu;
    const Order *order = core->order;
    bool tolerant = order->mode == MODE_CO_SIMULATION && order->relative_tolerance > 0;
    double tolerance = tolerant ? order->relative_tolerance : 0;
    apply_settings(core, true);
    if (!fmu->three)
        check(core, "fmi2SetupExperiment",
              fmu->setup2(fmu->instance, tolerant, tolerance, order->start, true, order->stop));
    apply_settings(core, false);
    check(core, NAME(core, "EnterInitializationMode"),
          fmu->three ? fmu->enter_initialization3(fmu->instance, tolerant, tolerance, order->start,
                                                  true, order->stop)
                     : fmu->enter_initialization2(fmu->instance));
    start_inputs(core, order->start);
    check(core, NAME(core, "ExitInitializationMode"), fmu->exit_initialization(fmu->instance));
}

/* Iterate in event mode until the discrete states settle. */
Update settle(Core *core) {
    Fmu *fmu = &core->fmu;
    for (int i = 0; i < EVENT_ITERATIONS; i++) {
        EventInfo info = {0};
        if (fmu->three) {
            bool again = false, terminate = false, nominals, states, defined = false;
            check(core, "fmi3UpdateDiscreteStates",
                  fmu->update_states3(fmu->instance, &again, &terminate, &nominals, &states,
                                      &defined, &info.next_event));
            info.again = again, info.terminate = terminate, info.event_defined = defined;
        } else {
            check(core, "fmi2NewDiscreteStates", fmu->new_states2(fmu->instance, &info));
        }
        if (info.terminate) return (Update){.terminate = true, .next_event = INFINITY};
        if (!info.again) {
            bool known = info.event_defined && !isnan(info.next_event);
            return (Update){.next_event = known ? info.next_event : INFINITY};
        }
    }
    fail_bound(core, STATUS_EVENT_ITERATION, EVENT_ITERATIONS);
}

/* Tell the FMU that a step was accepted; whether it wants event mode. */
bool completed_step(Core *core) {
    Fmu *fmu = &core->fmu;
    if (!(core->order->abilities & ABILITY_COMPLETED_STEP)) return false;
    bool event = false, terminate = false;
    if (fmu->three) {
        check(core, "fmi3CompletedIntegratorStep",
              fmu->completed_step3(fmu->instance, true, &event, &terminate));
    } else {
        int wants = 0, ends = 0;
        check(core, "fmi2CompletedIntegratorStep",
              fmu->completed_step2(fmu->instance, true, &wants, &ends));
        event = wants, terminate = ends;
    }
    if (!terminate) return event;
    record(core, core->time);
    end_by_model(core, core->time);
}

/* What an FMI 2.0 FMU says after it discarded a step; some can't even say that. */
static Step discarded(Core *core) {
    enum { LAST_SUCCESSFUL_TIME = 2, TERMINATED = 3 };
    Fmu *fmu = &core->fmu;
    int terminated = 0;
    double last = core->time;
    if (fmu->get_boolean_status2(fmu->instance, TERMINATED, &terminated) > FMI_WARNING ||
        fmu->get_real_status2(fmu->instance, LAST_SUCCESSFUL_TIME, &last) > FMI_WARNING)
        return (Step){.reached = core->time};
    return (Step){.terminate = terminated, .reached = fmax(core->time, last)};
}

/* One communication step from the current time towards `end`. */
Step do_step(Core *core, double end) {
    Fmu *fmu = &core->fmu;
    double size = end - core->time;
    if (!fmu->three) {
        int status = fmu->step2(fmu->instance, core->time, size, true);
        if (status == FMI_DISCARD) return discarded(core);
        check(core, "fmi2DoStep", status);
        return (Step){.reached = core->time + size};
    }
    bool event = false, terminate = false, early = false;
    double last = core->time;
    int status = fmu->step3(fmu->instance, core->time, size, true, &event, &terminate, &early, &last);
    if (status == FMI_DISCARD) return (Step){.reached = core->time};
    check(core, "fmi3DoStep", status);
    return (Step){
        .terminate = terminate, .event = event, .reached = early ? last : core->time + size};
}

/* Structural parameters may have changed the counts of an FMI 3.0 FMU. */
void count_states(Core *core, size_t *nx, size_t *nz) {
    Fmu *fmu = &core->fmu;
    *nx = core->order->n_states, *nz = core->order->n_indicators;
    if (fmu->three) {
        check(core, "fmi3GetNumberOfContinuousStates", fmu->count_states3(fmu->instance, nx));
        check(core, "fmi3GetNumberOfEventIndicators", fmu->count_indicators3(fmu->instance, nz));
    }
    if (*nx > MOST_STATES || *nz > MOST_STATES) fail(core, STATUS_OUT_OF_MEMORY);
}
