/* One instance of the model: what FMI 2.0 and FMI 3.0 have in common. */
#ifndef GATEWAY_INSTANCE_H
#define GATEWAY_INSTANCE_H

#include <stddef.h>

#include "model.h"

#define EXPORT __attribute__((visibility("default")))
#define AT_LEAST_ONE(n) ((n) > 0 ? (n) : 1)

/* The first five statuses of FMI 2.0 and FMI 3.0 have the same numbers. */
enum Status { OK, WARNING, DISCARD, ERROR, FATAL };

enum Mode {
    INSTANTIATED = 1,
    INITIALIZATION = 2,
    EVENT_MODE = 4,
    CONTINUOUS_TIME = 8, /* Model Exchange */
    STEP_MODE = 16,      /* Co-Simulation */
    TERMINATED = 32,
    FAILED = 64
};
#define INITIALIZED (EVENT_MODE | CONTINUOUS_TIME | STEP_MODE)

/* All that changes while simulating. Plain data: an FMU state is a copy of it. */
typedef struct {
    Variables m;
    double step;      /* what the solver tries next; 0 = unknown */
    double tolerance; /* relative, of the internal solver */
    double stop_time; /* INFINITY where the importer named none */
    double next_event;
    int mode;
    int stale;        /* `equations` must run before a value is read */
    int touched;      /* an input or tunable parameter changed since the last step */
    int terminated;   /* an event ended the simulation */
} State;

typedef struct Instance Instance;
typedef void Report(Instance *instance, enum Status status, const char *category, const char *text);

struct Instance {
    State state;
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

/* Where the value is, or NULL (reported) for an unknown reference or none of the `types`. */
const double *readable(Instance *instance, unsigned reference, int types);
const char *readable_text(Instance *instance, unsigned reference);
enum Status assign(Instance *instance, unsigned reference, int types, double value);
enum Status assign_text(Instance *instance, unsigned reference, const char *text);
void refresh(Instance *instance);

enum Status set_time(Instance *instance, double time);
enum Status set_states(Instance *instance, const double x[], size_t n);
enum Status copy_out(Instance *instance, const unsigned references[], size_t count, double to[],
                     size_t n);

enum Status update(Instance *instance, Event *e);
enum Status settle(Instance *instance);

/* Integrate to `end`. With `returns_early` it stops at an event not yet handled: `*pending`. */
enum Status advance(Instance *instance, double end, bool *pending);
enum Status step(Instance *instance, double from, double size, bool *pending);

State *copy_state(const State *state);
size_t serialized_size(void);
void serialize(const State *state, char bytes[]);
State *deserialize(const char bytes[], size_t size);

#endif
