/* Model Exchange: we integrate, the FMU gives derivatives and events (FMI 2.0 and 3.0, section 3).
 *
 * A model that waits for an event is told the very time that it announced, not a grid point that is
 * a rounding before it. Rows are recorded on the grid of the order's step and, at events, before
 * and after. */
#include "core.h"

#include <math.h>

/* Iterate at an event; when the next time event is. */
static double settled(Core *core) {
    Update update = settle(core);
    if (update.terminate) end_by_model(core, core->time);
    return update.next_event;
}

static double handle_event(Core *core, bool input_event) {
    Fmu *fmu = &core->fmu;
    record_event(core, core->time);
    check(core, NAME(core, "EnterEventMode"), fmu->enter_event_mode(fmu->instance));
    if (input_event) apply_held(core, core->time);
    double next_event = settled(core);
    check(core, NAME(core, "EnterContinuousTimeMode"),
          fmu->enter_continuous_time_mode(fmu->instance));
    return next_event;
}

/* Where to integrate to: a grid point unless an event or the stop time comes before it. */
static double target_of(Core *core, double regular, double jump, double next_event) {
    double target = regular;
    if (target > jump && !same_time(core, target, jump)) target = jump;
    if (target > next_event && !same_time(core, target, next_event)) target = next_event;
    double stop = core->order->stop;
    if (target < next_event && same_time(core, target, next_event)) target = next_event;
    if (target > stop || same_time(core, target, stop)) target = stop;
    if (target < core->time && !same_time(core, target, core->time))
        fail_bound(core, STATUS_EVENT_ITERATION, 0);
    return target;
}

static bool finished(const Core *core) {
    return core->time > core->order->stop || same_time(core, core->time, core->order->stop);
}

void exchange(Core *core) {
    const Order *order = core->order;
    double next_event = settled(core);
    check(core, NAME(core, "EnterContinuousTimeMode"),
          core->fmu.enter_continuous_time_mode(core->fmu.instance));
    Solver *solver = core->solver = (order->method == METHOD_CVODE ? cvode : fixed_step)(core);
    record(core, order->start);
    for (uint64_t points = 0; !finished(core);) {
        double regular = order->start + (double)(points + 1) * order->step;
        double jump = next_jump(core, core->time), reached = core->time;
        double target = target_of(core, regular, jump, next_event);
        bool state_event = false;
        if (!same_time(core, reached, target))
            state_event = solver->step(solver, core->time, target, &reached);
        else if (target == next_event)
            reached = target;
        bool arrived = same_time(core, reached, target);
        bool input_event = arrived && same_time(core, target, jump);
        bool time_event = arrived && same_time(core, target, next_event);
        set_time(core, reached);
        apply_linear(core, reached);
        bool on_grid = same_time(core, reached, regular);
        points += on_grid;
        bool event = completed_step(core) || input_event || time_event || state_event;
        if (on_grid || event || finished(core)) record(core, reached);
        if (event) {
            next_event = handle_event(core, input_event);
            solver->restart(solver, reached);
            record(core, reached);
        }
    }
}
