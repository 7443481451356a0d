/* Co-Simulation: the FMU solves itself and is asked for one step after another. */
#include "core.h"

#include <math.h>

enum { REFUSALS = 20 };

typedef struct {
    Core *core;
    bool variable, slopes, events;
    double next_event; /* announced by the FMU [s] */
    int refusals;
    bool recorded; /* a row of the current time is there already */
} Stepper;

static bool over(const Core *core, double time, double end) {
    return time >= end || same_time(core, time, end);
}

/* Leave event mode. An event announced for a time that has come can't be stepped to. */
static void settle_discrete(Stepper *stepper) {
    Core *core = stepper->core;
    Update update = settle(core);
    if (update.terminate) end_by_model(core, core->time);
    stepper->next_event = update.next_event > core->time ? update.next_event : INFINITY;
    check(core, "fmi3EnterStepMode", core->fmu.enter_step_mode(core->fmu.instance));
}

/* In event mode (FMI 3.0, section 4.2.2): inputs may jump, discrete states settle. */
static void handle_event(Stepper *stepper) {
    Core *core = stepper->core;
    Fmu *fmu = &core->fmu;
    record(core, core->time);
    record_event(core, core->time);
    check(core, "fmi3EnterEventMode", fmu->enter_event_mode(fmu->instance));
    apply_held(core, core->time);
    apply_linear(core, core->time);
    settle_discrete(stepper);
    record(core, core->time);
    stepper->recorded = true;
}

static double end_of_step(Stepper *stepper, double target, double jump) {
    double end = target;
    if (!stepper->variable) return end;
    if (jump < end && !same_time(stepper->core, jump, end)) end = jump;
    double event = stepper->next_event, stop = stepper->core->order->stop;
    if (event < end ? !same_time(stepper->core, event, end)
                    : event <= stop && same_time(stepper->core, event, end))
        end = event;
    return end;
}

static void apply_inputs(Stepper *stepper) {
    Core *core = stepper->core;
    if (!stepper->events) apply_held(core, core->time);
    apply_linear(core, core->time);
    if (stepper->slopes) apply_input_derivatives(core, core->time);
}

static void step(Stepper *stepper, double end, double jump) {
    Core *core = stepper->core;
    if (core->n_inputs) apply_inputs(stepper);
    Step made = do_step(core, end);
    core->run->steps++;
    if (made.terminate) {
        core->time = fmin(fmax(made.reached, core->time), end);
        record(core, core->time);
        end_by_model(core, core->time);
    }
    if (made.reached > core->time) {
        stepper->refusals = 0;
        stepper->recorded = false;
        core->time = over(core, made.reached, end) ? end : made.reached;
    } else if (!(made.event && stepper->events) && ++stepper->refusals > REFUSALS) {
        fail_bound(core, STATUS_STEP_REFUSED, end - core->time);
    }
    if (!stepper->events) return;
    if (made.event || over(core, core->time, fmin(jump, stepper->next_event)))
        handle_event(stepper);
}

/* Step until `target` is reached, or give up on an FMU that doesn't move. */
static void advance(Stepper *stepper, double target) {
    Core *core = stepper->core;
    while (!over(core, core->time, target)) {
        double jump = core->n_inputs ? next_jump(core, core->time) : INFINITY;
        step(stepper, end_of_step(stepper, target, jump), jump);
    }
}

/* Communication point `part` of an output interval; the last is the grid point itself. Never past
 * the stop time by a rounding error: an FMU that was told of it may refuse such a step. */
static double point(const Core *core, double interval, double part, double ratio) {
    const Order *order = core->order;
    double whole = part == ratio ? interval + 1 : interval + part / ratio;
    double time = order->start + whole * order->step;
    return over(core, time, order->stop) ? order->stop : time;
}

static void interval_of(Stepper *stepper, double interval, double ratio) {
    Core *core = stepper->core;
    for (double part = 1; part <= ratio; part++)
        advance(stepper, point(core, interval, part, ratio));
    if (!stepper->recorded) record(core, core->time);
}

void stepping(Core *core) {
    const Order *order = core->order;
    Stepper stepper = {.core = core,
                       .variable = order->abilities & ABILITY_VARIABLE_STEP,
                       .slopes = order->abilities & ABILITY_INPUT_DERIVATIVES,
                       .events = order->abilities & ABILITY_EVENT_MODE,
                       .next_event = INFINITY};
    if (stepper.events) settle_discrete(&stepper);
    record(core, order->start);
    double ratio = fmax(1, rint(order->step / order->communication_step));
    double whole = whole_steps(core, order->step);
    for (double interval = 0; interval < whole; interval++) interval_of(&stepper, interval, ratio);
    if (stepper.variable && !same_time(core, core->time, order->stop))
        interval_of(&stepper, whole, ratio);
}
