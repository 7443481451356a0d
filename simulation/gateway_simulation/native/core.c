/* An order from its first run to its last, and how runs fail. */
#define _GNU_SOURCE /* uselocale */
#include "core.h"

#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const void *at(const Core *core, uint64_t offset) { return (const char *)core->order + offset; }

void *allocate(Core *core, size_t count, size_t size) {
    void *found = calloc(count ? count : 1, size);
    if (!found) fail(core, STATUS_OUT_OF_MEMORY);
    return found;
}

double whole_steps(const Core *core, double step) {
    const Order *order = core->order;
    double whole = floor((order->stop - order->start) / step);
    if (same_time(core, order->start + (whole + 1) * step, order->stop)) whole += 1;
    return fmax(whole, 1);
}

void count_solver(Core *core, uint64_t steps, uint64_t evaluations) {
    core->run->steps += steps;
    core->run->evaluations += evaluations;
}

_Noreturn void fail(Core *core, uint32_t status) {
    core->run->status = status;
    longjmp(core->failed, 1);
}

static void note_call(RunRecord *run, const char *function, int status, double time) {
    run->fmi_status = status;
    run->time = time;
    snprintf(run->function, sizeof run->function, "%s", function);
}

static void note_value(RunRecord *run, uint32_t quantity, size_t index, double time) {
    run->quantity = quantity;
    run->index = index;
    run->time = time;
}

_Noreturn void fail_call(Core *core, const char *function, int status) {
    note_call(core->run, function, status, core->time);
    fail(core, STATUS_MODEL_FAILED);
}

_Noreturn void fail_text(Core *core, uint32_t status, const char *function, const char *reason) {
    note_call(core->run, function, 0, core->time);
    snprintf(core->run->reason, sizeof core->run->reason, "%s", reason ? reason : "");
    fail(core, status);
}

_Noreturn void fail_bound(Core *core, uint32_t status, double bound) {
    core->run->time = core->time;
    core->run->bound = bound;
    fail(core, status);
}

_Noreturn void fail_value(Core *core, uint32_t quantity, size_t index, double time) {
    note_value(core->run, quantity, index, time);
    fail(core, STATUS_NON_FINITE);
}

/* The model ended the simulation by itself: what was recorded until then counts. */
_Noreturn void end_by_model(Core *core, double time) {
    core->run->time = time;
    core->run->terminated = 1;
    fail(core, core->run->rows ? STATUS_OK : STATUS_MODEL_TERMINATED);
}

/* A discarded evaluation lets the solver try a smaller step, anything worse ends the run. */
bool refuse_call(Core *core, const char *function, int status) {
    if (status == FMI_OK || status == FMI_WARNING) return false;
    if (status != FMI_DISCARD) fail_call(core, function, status);
    core->refusal = (RunRecord){.status = STATUS_MODEL_FAILED};
    note_call(&core->refusal, function, status, core->time);
    return core->refused = true;
}

bool refuse_value(Core *core, uint32_t quantity, size_t index, double time) {
    core->refusal = (RunRecord){.status = STATUS_NON_FINITE};
    note_value(&core->refusal, quantity, index, time);
    return core->refused = true;
}

/* A NaN has no sign to change: its event would be missed. */
bool refuse_indicators(Core *core, const double *z, size_t nz, double time) {
    for (size_t i = 0; i < nz; i++) {
        if (!isnan(z[i])) continue;
        core->refusal = (RunRecord){.status = STATUS_NON_FINITE};
        note_call(&core->refusal, NAME(core, "GetEventIndicators"), FMI_OK, time);
        return core->refused = true;
    }
    return false;
}

/* The solver gave up because of the last refusal. */
_Noreturn void fail_refused(Core *core) {
    RunRecord *run = core->run, *refusal = &core->refusal;
    note_call(run, refusal->function, refusal->fmi_status, refusal->time);
    note_value(run, refusal->quantity, refusal->index, refusal->time);
    fail(core, refusal->status);
}

static void simulate(Core *core) {
    instantiate(core);
    initialize(core);
    (core->order->mode == MODE_CO_SIMULATION ? stepping : exchange)(core);
}

/* One run; false where the process isn't to be used again. A model that ended the simulation by
 * itself comes back from `simulate` by longjmp too. */
static bool attempt(Core *core) {
    if (setjmp(core->failed) == 0) simulate(core);
    if (core->run->status != STATUS_OK) return false;
    if (setjmp(core->failed)) return false;
    if (core->solver) core->solver->finish(core->solver);
    core->solver = NULL;
    check(core, NAME(core, "Terminate"), core->fmu.terminate(core->fmu.instance));
    return true;
}

/* Numbers don't depend on what the run before, or loading the library, did to the process: the
 * rounding, what becomes of the smallest numbers, how texts of numbers are read. */
static void restore_arithmetic(const Core *core) {
    fesetenv(FE_DFL_ENV);
    uselocale(LC_GLOBAL_LOCALE);
    if (strcmp(setlocale(LC_ALL, NULL), core->locale)) setlocale(LC_ALL, core->locale);
}

static void begin(Core *core, uint64_t index) {
    const Order *order = core->order;
    restore_arithmetic(core);
    core->values = (const char *)at(core, order->values) + index * order->values_size;
    core->time = order->start;
    core->refused = false;
    core->events_at_once = 0;
    *core->run = (RunRecord){
        .time = NAN, .first_row = core->rows_used, .first_event = core->events_used};
}

static bool has_room(const Core *core) {
    const Order *order = core->order;
    return core->rows_used + order->run_capacity <= order->row_capacity &&
           core->events_used + MAX_EVENTS <= order->event_capacity;
}

static bool prepare(Core *core) {
    begin(core, 0);
    if (setjmp(core->failed)) return false;
    load(core);
    open_inputs(core);
    open_outputs(core);
    return true;
}

static void end(Core *core, uint64_t index) {
    core->result->runs = index + 1;
    core->records[index] = *core->run;
    memcpy(core->records[index].magic, MAGIC, sizeof core->run->magic);
}

void core_run(const void *order, void *result) {
    static Core made;
    static RunRecord run;
    made = (Core){0};
    Core *core = &made;
    core->order = order;
    core->result = result;
    snprintf(core->locale, sizeof core->locale, "%s", setlocale(LC_ALL, NULL));
    core->log = (char *)result + sizeof(Result);
    core->run = &run;
    core->records = (RunRecord *)(core->log + LOG_LINES * LOG_LENGTH);
    core->events = (double *)(core->records + core->order->n_runs);
    core->rows = core->events + core->order->event_capacity;
    bool usable = prepare(core);
    if (!usable) end(core, 0);
    for (uint64_t i = 0; usable && i < core->order->n_runs && has_room(core); i++) {
        begin(core, i);
        usable = attempt(core);
        end(core, i);
    }
    if (usable && core->fmu.instance) core->fmu.free_instance(core->fmu.instance);
    memcpy(core->result->magic, MAGIC, sizeof core->result->magic);
}

const char *core_version(void) { return CORE_VERSION; }
