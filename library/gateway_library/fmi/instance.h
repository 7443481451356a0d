/* One instance of a model: what FMI 2.0 and FMI 3.0 have in common.

   Nothing here depends on the model, so that fmi2.c and fmi3.c are compiled once for all of them. */
#ifndef GATEWAY_INSTANCE_H
#define GATEWAY_INSTANCE_H

#include <stddef.h>

#include "declared.h"

#define EXPORT __attribute__((visibility("default")))

/* The first five statuses of FMI 2.0 and FMI 3.0 have the same numbers. */
enum Status { OK, WARNING, DISCARD, ERROR, FATAL };

enum Mode {
    INSTANTIATED = 1,
    INITIALIZATION = 2,
    EVENT_MODE = 4,
    CONTINUOUS_TIME = 8, /* Model Exchange */
    STEP_MODE = 16,      /* Co-Simulation */
    TERMINATED = 32,
    FAILED = 64,
    CONFIGURATION = 128 /* FMI 3.0 */
};
#define INITIALIZED (EVENT_MODE | CONTINUOUS_TIME | STEP_MODE)

typedef struct State State; /* all that changes while simulating: an FMU state is a copy of it */
typedef struct Instance Instance;
typedef void Report(Instance *instance, enum Status status, const char *category, const char *text);

struct Instance {
    State *state;
    bool co_simulation;
    bool uses_event_mode; /* Co-Simulation in which the importer may handle events (FMI 3.0) */
    bool returns_early;   /* ... and an event ends a step */
    bool logging;
    Report *report;
    void *environment;
    void (*logger)(void);
    char *name;
};

Instance *create(const char *name, const char *token, bool co_simulation, bool logging,
                 void *environment, void (*logger)(void), Report *report);
void destroy(Instance *instance);
void reset(Instance *instance);

/* True in one of `modes`; else reports that `function` may not be called now. */
bool allowed(Instance *instance, int modes, const char *function);
enum Status fail(Instance *instance, const char *text);

enum Status begin(Instance *instance, bool tolerance_defined, double tolerance, double start,
                  bool stop_defined, double stop);
enum Status initialized(Instance *instance);

/* How many values these variables have together; one for an unknown reference. */
size_t count_values(const Instance *instance, const unsigned references[], size_t n);

/* Where the values are, or NULL (reported) for an unknown reference or none of the `types`. */
const double *readable(Instance *instance, unsigned reference, int types);
const char *readable_text(Instance *instance, unsigned reference);
enum Status assign(Instance *instance, unsigned reference, int types, size_t element, double value);
enum Status assign_text(Instance *instance, unsigned reference, const char *text);
void refresh(Instance *instance);

enum Status set_time(Instance *instance, double time);
enum Status set_states(Instance *instance, const double x[], size_t n);
bool has_structure(const Instance *instance); /* whether there are structural parameters */
size_t count_states(const Instance *instance);
size_t count_indicators(const Instance *instance);
enum Status get_states(Instance *instance, double x[], size_t n);
enum Status get_derivatives(Instance *instance, double derivatives[], size_t n);
enum Status get_nominals(Instance *instance, double nominals[], size_t n);
enum Status get_indicators(Instance *instance, double z[], size_t n);

double now(const Instance *instance);
bool ended(const Instance *instance); /* whether an event ended the simulation */
void enter(Instance *instance, enum Mode mode);
enum Status update(Instance *instance, Event *e);
enum Status settle(Instance *instance);

/* A Co-Simulation's step. With `returns_early` it stops at an event not yet handled: `*pending`. */
enum Status step(Instance *instance, double from, double size, bool *pending);

/* Copy the state to `*into`, which is made where it is NULL; false where memory is out. */
bool save(const Instance *instance, State **into);
void restore(Instance *instance, const State *state);
size_t serialized_size(void);
void serialize(const State *state, char bytes[]);
State *deserialize(const char bytes[], size_t size);

#endif
