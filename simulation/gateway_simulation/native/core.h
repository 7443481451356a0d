/* The native core: runs one FMU, FMI 2.0 or 3.0, as an order says (layout.py).
 *
 * A process runs one order and ends. Whatever goes wrong ends the run by `fail_…`, which leaves by
 * longjmp: no frame of an FMU is on the stack then, and the process isn't used again. */
#ifndef CORE_H
#define CORE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "layout.h"

enum { FMI_OK, FMI_WARNING, FMI_DISCARD, FMI_ERROR, FMI_FATAL };
enum { EVENT_ITERATIONS = 10000, MOST_STATES = 1 << 24, N_TYPES = TYPE_STRING + 1 };

/* Variables of one type that are set or got by one call. */
typedef struct {
    uint32_t type;
    const uint32_t *references;
    size_t n_references, n_values;
    void *buffer; /* n_values elements of the type */
} Values;

typedef struct {
    const double *time, *values;
    size_t n_points, element;
    size_t position; /* where the last search ended */
    bool hold;
} Input;

typedef struct {
    Values values;
    Input *inputs;
    size_t n_inputs;
    bool is_array, has_linear, has_held;
} Inputs;

typedef struct {
    Values values;
    const uint32_t *elements, *columns;
    size_t n_columns;
    bool direct; /* the values are neighbouring columns as they come */
} Outputs;

typedef int Call(void *);
typedef int Vector(void *, double *, size_t);

/* The functions of an FMU. Where both versions have the same prototype they share a member. */
typedef struct {
    bool three;
    void *library, *instance;
    void *access[N_TYPES][2]; /* get, set */
    Call *enter_event_mode, *enter_continuous_time_mode, *enter_step_mode;
    Call *enter_configuration, *exit_configuration, *exit_initialization, *terminate, *reset;
    int (*set_time)(void *, double);
    Vector *get_states, *get_derivatives, *get_indicators, *get_nominals;
    int (*set_states)(void *, const double *, size_t);
    void (*free_instance)(void *);
    void *(*instantiate2)(const char *, int, const char *, const char *, const void *, int, int);
    void *(*instantiate_me3)(const char *, const char *, const char *, bool, bool, void *,
                             void (*)(void *, int, const char *, const char *));
    void *(*instantiate_cs3)(const char *, const char *, const char *, bool, bool, bool, bool,
                             const uint32_t *, size_t, void *,
                             void (*)(void *, int, const char *, const char *), void *);
    int (*setup2)(void *, int, double, double, int, double);
    Call *enter_initialization2;
    int (*enter_initialization3)(void *, bool, double, double, bool, double);
    int (*completed_step2)(void *, int, int *, int *);
    int (*completed_step3)(void *, bool, bool *, bool *);
    int (*new_states2)(void *, void *);
    int (*update_states3)(void *, bool *, bool *, bool *, bool *, bool *, double *);
    int (*count_states3)(void *, size_t *), (*count_indicators3)(void *, size_t *);
    int (*step2)(void *, double, double, int);
    int (*step3)(void *, double, double, bool, bool *, bool *, bool *, double *);
    int (*set_input_derivatives2)(void *, const uint32_t *, size_t, const int *, const double *);
    int (*get_boolean_status2)(void *, int, int *);
    int (*get_real_status2)(void *, int, double *);
} Fmu;

typedef struct Solver Solver;

/* Everything about the run under way. */
typedef struct {
    const Order *order;
    Result *result;
    RunRecord *run; /* under way, where the FMU doesn't know it */
    RunRecord *records; /* in the result, of the runs that ended */
    const char *values; /* this run's block of values to set */
    double *rows, *events;
    char *log;
    char locale[512]; /* of the process before it loaded anything */
    uint64_t rows_used, events_used;
    double time; /* last told to the FMU [s] */
    double last_event; /* [s] */
    int events_at_once; /* then */
    Fmu fmu;
    Inputs *inputs;
    size_t n_inputs;
    Outputs *outputs;
    size_t n_outputs;
    Solver *solver; /* Model Exchange */
    RunRecord refusal; /* why the last evaluation was refused, while a solver may try again */
    bool refused;
    jmp_buf failed;
} Core;

/* What an event iteration or a communication step found. */
typedef struct {
    bool terminate;
    double next_event; /* INFINITY: none [s] */
} Update;

typedef struct {
    bool terminate, event;
    double reached; /* [s] */
} Step;

/* An integrator for Model Exchange. `step` integrates towards `end`, says where it came to and
 * whether a state event stopped it; `restart` begins afresh after an event. */
struct Solver {
    Core *core;
    size_t nx, nz;
    bool (*step)(Solver *, double t, double end, double *reached);
    void (*restart)(Solver *, double t);
    void (*finish)(Solver *); /* counts into the run's record, frees */
};

/* Asked several times a step, hence here and without fmin and fmax, which are calls. instants.py says
 * why not relative to the time itself. */
static inline bool same_time(const Core *core, double a, double b) {
    double tolerance = core->order->tolerance;
    return a <= b ? a + tolerance >= b : !(b + tolerance < a);
}

/* What others call: core.c, cvode.c. */
#pragma GCC visibility push(default)

/* Runs the order at `order` into the zeroed block at `result`; both as layout.py says. It ends
 * after the last run, after one that failed, or where the block has no room for another. */
void core_run(const void *order, void *result);
const char *core_version(void);
/* Load CVODE out of `folder`, before any model. NULL, or why it can't be. */
const char *core_load_sundials(const char *folder);

#pragma GCC visibility pop

/* core.c */
const void *at(const Core *, uint64_t offset);
void *allocate(Core *, size_t count, size_t size);
double whole_steps(const Core *, double step);
void count_solver(Core *, uint64_t steps, uint64_t evaluations);
_Noreturn void fail(Core *, uint32_t status);
_Noreturn void fail_call(Core *, const char *function, int status);
_Noreturn void fail_text(Core *, uint32_t status, const char *function, const char *reason);
_Noreturn void fail_bound(Core *, uint32_t status, double bound);
_Noreturn void fail_value(Core *, uint32_t quantity, size_t index, double time);
_Noreturn void end_by_model(Core *, double time);
bool refuse_call(Core *, const char *function, int status);
bool refuse_value(Core *, uint32_t quantity, size_t index, double time);
bool refuse_indicators(Core *, const double *z, size_t nz, double time);
_Noreturn void fail_refused(Core *);

/* fmu.c */
#define NAME(core, name) ((core)->fmu.three ? "fmi3" name : "fmi2" name)
void load(Core *);
void instantiate(Core *);
static inline void check(Core *core, const char *function, int status) {
    if (status > FMI_WARNING || status < 0) fail_call(core, function, status);
}
void set_time(Core *, double);
void initialize(Core *);
Update settle(Core *);
bool completed_step(Core *);
Step do_step(Core *, double end);
void count_states(Core *, size_t *nx, size_t *nz);

/* values.c */
void open_values(Core *, Values *);
void get_values(Core *, Values *);
void set_values(Core *, Values *);
int try_set_values(Core *, const Values *);
const char *setter_name(Core *, const Values *);
void store(const Core *, Values *, size_t element, double);
void apply_settings(Core *, bool structural);
void read_values(const Core *, const Values *, const uint32_t *elements, const uint32_t *columns,
                 size_t n, double *row);

/* inputs.c */
void open_inputs(Core *);
void start_inputs(Core *, double time);
void apply_linear(Core *, double time);
bool try_linear(Core *, double time);
void apply_held(Core *, double time);
void apply_input_derivatives(Core *, double time);
double next_jump(Core *, double time);
double next_kink(Core *, double time);

/* recorder.c */
void open_outputs(Core *);
void record(Core *, double time);
void record_event(Core *, double time);

/* exchange.c, stepping.c */
void exchange(Core *);
void stepping(Core *);

/* integrators.c, cvode.c */
Solver *fixed_step(Core *);
Solver *cvode(Core *);

#endif
