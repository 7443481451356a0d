/* Values, modes and events of one instance. */
#include "state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_ITERATIONS 100
#define COARSEST_TOLERANCE 1e-10 /* finer costs next to nothing, so a run is never coarser */
#define FINEST_TOLERANCE 1e-13
#define TIME_SLACK 1e-9 /* by which an importer's communication points may be rounded */

Instance *create(const char *name, const char *token, bool co_simulation, bool logging,
                 void *environment, void (*logger)(void), Report *report)
{
    Instance *instance = calloc(1, sizeof *instance);
    if (!instance)
        return NULL;
    instance->co_simulation = co_simulation;
    instance->logging = logging;
    instance->environment = environment;
    instance->logger = logger;
    instance->report = report;
    instance->name = calloc(1, name ? strlen(name) + 1 : 1);
    if (instance->name && name)
        strcpy(instance->name, name);
    instance->state = malloc(sizeof *instance->state);
    if (!instance->name || !instance->state || !name || !*name || !token ||
        strcmp(token, MODEL_TOKEN) != 0) {
        fail(instance, !name || !*name ? "an instance needs a name"
                                       : "the description is of another build: wrong token");
        destroy(instance);
        return NULL;
    }
    reset(instance);
    return instance;
}

void destroy(Instance *instance)
{
    if (instance) {
        free(instance->name);
        free(instance->state);
    }
    free(instance);
}

void reset(Instance *instance)
{
    State *s = instance->state;
    memset(s, 0, sizeof *s);
    memcpy(s->m.value, STARTS, sizeof STARTS);
    for (int i = 0; i < N_STRINGS; i++)
        strcpy(s->m.text[i], TEXTS[i]);
    s->mode = INSTANTIATED;
    s->tolerance = COARSEST_TOLERANCE;
    s->stop_time = INFINITY;
    s->next_event = INFINITY;
    s->stale = 1;
}

enum Status fail(Instance *instance, const char *text)
{
    instance->report(instance, ERROR, "logStatusError", text);
    return ERROR;
}

bool allowed(Instance *instance, int modes, const char *function)
{
    char text[128];
    if (!instance)
        return false;
    if (instance->state->mode & modes)
        return true;
    snprintf(text, sizeof text, "%s may not be called in this mode", function);
    fail(instance, text);
    return false;
}

enum Status begin(Instance *instance, bool tolerance_defined, double tolerance, double start,
                  bool stop_defined, double stop)
{
    State *s = instance->state;
    if (!isfinite(start) || (stop_defined && !(stop >= start)))
        return fail(instance, "start and stop time must be finite and in order");
    if (tolerance_defined && !(tolerance > 0))
        return fail(instance, "the tolerance must be positive");
    s->m.time = start;
    s->stop_time = stop_defined ? stop : INFINITY;
    if (tolerance_defined)
        s->tolerance = fmax(FINEST_TOLERANCE, fmin(COARSEST_TOLERANCE, tolerance));
    s->stale = 1;
    return OK;
}

enum Status initialized(Instance *instance)
{
    refresh(instance);
    instance->state->mode = EVENT_MODE;
    if (!instance->co_simulation || instance->uses_event_mode)
        return OK;
    instance->state->mode = STEP_MODE;
    return settle(instance);
}

void refresh(Instance *instance)
{
    State *s = instance->state;
    if (!s->stale)
        return;
#if HAS_INITIAL
    if (s->mode & (INSTANTIATED | CONFIGURATION | INITIALIZATION))
        initial(&s->m);
#endif
    equations(&s->m);
    s->stale = 0;
}

static size_t elements(const Variables *m, const Declared *declared)
{
    size_t n = 1;
    for (int i = 0; i < declared->rank; i++)
        n *= (size_t)m->value[DECLARED[declared->dimensions[i]].slot];
    return n;
}

size_t count_values(const Instance *instance, const unsigned references[], size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += references[i] < N_VARIABLES
                     ? elements(&instance->state->m, &DECLARED[references[i]])
                     : 1;
    return count;
}

static bool known(Instance *instance, unsigned reference, int types)
{
    char text[96];
    if (reference < N_VARIABLES && (DECLARED[reference].type & types))
        return true;
    snprintf(text, sizeof text, "no variable of this type has the value reference %u", reference);
    fail(instance, text);
    return false;
}

const double *readable(Instance *instance, unsigned reference, int types)
{
    if (!known(instance, reference, types))
        return NULL;
    refresh(instance);
    return &instance->state->m.value[DECLARED[reference].slot];
}

const char *readable_text(Instance *instance, unsigned reference)
{
    if (!known(instance, reference, STRING))
        return NULL;
    refresh(instance);
    return instance->state->m.text[reference - N_NUMBERS];
}

static bool settable(const State *s, const Declared *declared)
{
    if (s->mode == CONFIGURATION)
        return declared->flags & IS_STRUCTURAL;
    if (s->mode & (INSTANTIATED | INITIALIZATION))
        return declared->flags & (IS_INPUT | HAS_START);
    if (s->mode & (EVENT_MODE | STEP_MODE))
        return declared->flags & (IS_INPUT | IS_TUNABLE);
    if (s->mode == CONTINUOUS_TIME)
        return (declared->flags & IS_INPUT) && !(declared->flags & IS_DISCRETE);
    return false;
}

/* Whether the variable exists, is of one of the types and may be set now; reports why not. */
static bool open_to_change(Instance *instance, unsigned reference, int types)
{
    char text[96];
    if (!known(instance, reference, types))
        return false;
    if (settable(instance->state, &DECLARED[reference]))
        return true;
    snprintf(text, sizeof text, "the variable with value reference %u cannot be set now", reference);
    fail(instance, text);
    return false;
}

static size_t columns(const Variables *m, const Declared *array)
{
    return array->rank < RANK ? 1 : (size_t)m->value[DECLARED[array->dimensions[1]].slot];
}

/* Give a structural parameter its value: elements that an array had before it keeps, others are 0. */
static enum Status resize(Instance *instance, const Declared *parameter, double size)
{
    Variables *m = &instance->state->m;
    const Variables before = *m;
    if (size > LARGEST_SIZE[parameter - DECLARED])
        return fail(instance, "a structural parameter is above its maximum");
    m->value[parameter->slot] = size;
    for (const Declared *array = DECLARED; array < DECLARED + N_NUMBERS; array++) {
        const size_t n = columns(m, array), had = columns(&before, array);
        if (array->rank == 0)
            continue;
        memset(&m->value[array->slot], 0, array->room * sizeof m->value[0]);
        for (size_t i = 0; n > 0 && i < elements(m, array); i++)
            if (i % n < had && i / n * had < elements(&before, array))
                m->value[array->slot + i] = before.value[array->slot + i / n * had + i % n];
    }
    return OK;
}

enum Status assign(Instance *instance, unsigned reference, int types, size_t element, double value)
{
    State *s = instance->state;
    if (!open_to_change(instance, reference, types))
        return ERROR;
    if (!isfinite(value))
        return fail(instance, "a value must be finite");
    if (DECLARED[reference].flags & IS_STRUCTURAL) {
        if (resize(instance, &DECLARED[reference], value) != OK)
            return ERROR;
    } else {
        s->m.value[DECLARED[reference].slot + element] = value;
    }
    s->stale = 1;
    s->touched = 1;
    return OK;
}

enum Status assign_text(Instance *instance, unsigned reference, const char *text)
{
    State *s = instance->state;
    if (!open_to_change(instance, reference, STRING))
        return ERROR;
    if (!text || strlen(text) >= TEXT_SIZE)
        return fail(instance, "a string must be there and not be too long");
    strcpy(s->m.text[reference - N_NUMBERS], text);
    s->stale = 1;
    s->touched = 1;
    return OK;
}

enum Status set_time(Instance *instance, double time)
{
    if (!isfinite(time))
        return fail(instance, "time must be finite");
    instance->state->m.time = time;
    instance->state->stale = 1;
    return OK;
}

/* Whether the i-th of the states is there: arrays have room for more. */
static bool is_there(const Variables *m, int i)
{
    const Declared *state = &DECLARED[STATE_VARIABLES[i]];
    return STATES[i] - state->slot < elements(m, state);
}

bool has_structure(const Instance *instance)
{
    (void)instance;
    for (int i = 0; i < N_NUMBERS; i++)
        if (DECLARED[i].flags & IS_STRUCTURAL)
            return true;
    return false;
}

size_t count_states(const Instance *instance)
{
    size_t n = 0;
    for (int i = 0; i < N_STATES; i++)
        n += is_there(&instance->state->m, i);
    return n;
}

enum Status set_states(Instance *instance, const double x[], size_t n)
{
    Variables *m = &instance->state->m;
    if (n != count_states(instance))
        return fail(instance, "wrong number of continuous states");
    for (int i = 0; i < N_STATES; i++)
        if (is_there(m, i))
            m->value[STATES[i]] = *x++;
    instance->state->stale = 1;
    return OK;
}

static enum Status of_states(Instance *instance, const unsigned slots[], double to[], size_t n)
{
    const Variables *m = &instance->state->m;
    if (n != count_states(instance))
        return fail(instance, "wrong number of continuous states");
    refresh(instance);
    for (int i = 0; i < N_STATES; i++)
        if (is_there(m, i))
            *to++ = m->value[slots[i]];
    return OK;
}

size_t count_indicators(const Instance *instance)
{
    (void)instance;
    return N_INDICATORS;
}

enum Status get_states(Instance *instance, double x[], size_t n)
{
    return of_states(instance, STATES, x, n);
}

enum Status get_derivatives(Instance *instance, double derivatives[], size_t n)
{
    return of_states(instance, DERIVATIVES, derivatives, n);
}

enum Status get_nominals(Instance *instance, double nominals[], size_t n)
{
    if (n != count_states(instance))
        return fail(instance, "wrong number of continuous states");
    for (int i = 0; i < N_STATES; i++)
        if (is_there(&instance->state->m, i))
            *nominals++ = NOMINALS[i];
    return OK;
}

enum Status get_indicators(Instance *instance, double z[], size_t n)
{
    if (n != N_INDICATORS)
        return fail(instance, "wrong number of event indicators");
    refresh(instance);
    for (size_t i = 0; i < n; i++)
        z[i] = instance->state->m.value[INDICATORS[i]];
    return OK;
}

double now(const Instance *instance)
{
    return instance->state->m.time;
}

bool ended(const Instance *instance)
{
    return instance->state->terminated;
}

void enter(Instance *instance, enum Mode mode)
{
    instance->state->mode = mode;
}

enum Status update(Instance *instance, Event *e)
{
    State *s = instance->state;
    char text[64];
    *e = (Event){.next_time = INFINITY};
    refresh(instance);
#if HAS_EVENTS
    event(&s->m, e);
#endif
    s->next_event = e->next_time;
    s->terminated |= e->terminate;
    s->stale = 1;
    s->touched = 0;
    if (instance->logging && e->states_changed) {
        snprintf(text, sizeof text, "event at time %.17g", s->m.time);
        instance->report(instance, OK, "logEvents", text);
    }
    return OK;
}

enum Status settle(Instance *instance)
{
    for (int i = 0; i < EVENT_ITERATIONS; i++) {
        Event e;
        update(instance, &e);
        if (!e.again) {
            refresh(instance);
            return OK;
        }
    }
    return fail(instance, "the event iteration does not settle");
}

enum Status step(Instance *instance, double from, double size, bool *pending)
{
    State *s = instance->state;
    double slack = TIME_SLACK * fmax(1, fabs(from));
    double end = from + size;
    enum Status status = OK;
    *pending = false;
    if (!isfinite(end) || size < 0)
        return fail(instance, "a step must be finite and forward");
    if (fabs(from - s->m.time) > slack)
        return fail(instance, "a step must begin where the last one ended");
    if (s->terminated)
        return fail(instance, "the model has ended the simulation");
    if (end > s->stop_time + slack)
        return fail(instance, "a step must not go beyond the stop time");
    s->m.time = from;
    if (s->touched && !instance->returns_early)
        status = settle(instance);
    if (status == OK)
        status = advance(instance, end, pending);
    if (status != OK)
        s->mode = FAILED;
    return status;
}

bool save(const Instance *instance, State **into)
{
    if (!*into)
        *into = malloc(sizeof **into);
    if (*into)
        **into = *instance->state;
    return *into;
}

void restore(Instance *instance, const State *state)
{
    *instance->state = *state;
}

size_t serialized_size(void)
{
    return sizeof MODEL_TOKEN + sizeof(State);
}

void serialize(const State *state, char bytes[])
{
    memcpy(bytes, MODEL_TOKEN, sizeof MODEL_TOKEN);
    memcpy(bytes + sizeof MODEL_TOKEN, state, sizeof *state);
}

State *deserialize(const char bytes[], size_t size)
{
    State *state;
    if (size != serialized_size() || memcmp(bytes, MODEL_TOKEN, sizeof MODEL_TOKEN) != 0)
        return NULL;
    state = malloc(sizeof *state);
    if (state)
        memcpy(state, bytes + sizeof MODEL_TOKEN, sizeof *state);
    return state;
}
