/* Inputs over time: linear ones applied at any time, held ones changed at events only.
 *
 * A point less than the run's tolerance ahead has come already: what differs is rounding. */
#include "core.h"

#include <math.h>

void open_inputs(Core *core) {
    const InputGroup *groups = at(core, core->order->input_groups);
    core->n_inputs = core->order->n_input_groups;
    core->inputs = allocate(core, core->n_inputs, sizeof *core->inputs);
    for (size_t i = 0; i < core->n_inputs; i++) {
        Inputs *group = &core->inputs[i];
        const Signal *signals = at(core, groups[i].signals);
        group->values = (Values){.type = groups[i].type,
                                 .references = at(core, groups[i].references),
                                 .n_references = groups[i].n_references,
                                 .n_values = groups[i].n_values};
        open_values(core, &group->values);
        group->is_array = groups[i].is_array;
        group->n_inputs = groups[i].n_signals;
        group->inputs = allocate(core, group->n_inputs, sizeof *group->inputs);
        for (size_t j = 0; j < group->n_inputs; j++) {
            group->inputs[j] = (Input){.time = at(core, signals[j].time),
                                       .values = at(core, signals[j].values),
                                       .n_points = signals[j].n_points,
                                       .element = signals[j].element,
                                       .hold = signals[j].hold};
            *(signals[j].hold ? &group->has_held : &group->has_linear) = true;
        }
    }
}

/* How many of the points have come by `time`. */
static size_t come(Input *input, double time) {
    const double *times = input->time;
    size_t low = 0, high = input->n_points, i = input->position;
    if ((i == 0 || times[i - 1] <= time) && (i == high || time < times[i])) return i;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (times[middle] <= time)
            low = middle + 1;
        else
            high = middle;
    }
    return input->position = low;
}

static double slope(const Input *input, size_t i) {
    return (input->values[i] - input->values[i - 1]) / (input->time[i] - input->time[i - 1]);
}

static double interpolated(Input *input, double time) {
    size_t i = come(input, time);
    if (i == 0) return input->values[0];
    if (i == input->n_points || input->time[i - 1] == time) return input->values[i - 1];
    return slope(input, i) * (time - input->time[i - 1]) + input->values[i - 1];
}

static void place(Core *core, Inputs *group, double time, bool hold) {
    for (size_t j = 0; j < group->n_inputs; j++) {
        Input *input = &group->inputs[j];
        if (input->hold != hold) continue;
        double value;
        if (hold) {
            size_t i = come(input, time + core->order->tolerance);
            value = input->values[i ? i - 1 : 0];
        } else {
            value = interpolated(input, time);
        }
        store(core, &group->values, input->element, value);
    }
}

/* Set everything for the first time; elements of arrays that nothing drives keep their start. */
void start_inputs(Core *core, double time) {
    for (size_t i = 0; i < core->n_inputs; i++) {
        Inputs *group = &core->inputs[i];
        if (group->is_array) get_values(core, &group->values);
        place(core, group, time, true);
        place(core, group, time, false);
        set_values(core, &group->values);
    }
}

/* Within an evaluation, which may be refused: true if it was. */
bool try_linear(Core *core, double time) {
    for (size_t i = 0; i < core->n_inputs; i++) {
        Inputs *group = &core->inputs[i];
        if (!group->has_linear) continue;
        place(core, group, time, false);
        int status = try_set_values(core, &group->values);
        if (refuse_call(core, setter_name(core, &group->values), status)) return true;
    }
    return false;
}

void apply_linear(Core *core, double time) {
    if (try_linear(core, time)) fail_refused(core);
}

void apply_held(Core *core, double time) {
    for (size_t i = 0; i < core->n_inputs; i++) {
        Inputs *group = &core->inputs[i];
        if (!group->has_held) continue;
        place(core, group, time, true);
        set_values(core, &group->values);
    }
}

/* First derivatives of the linear scalar inputs from `time` on (FMI 2.0, section 4.2.1). */
void apply_input_derivatives(Core *core, double time) {
    const int first = 1;
    for (size_t i = 0; i < core->n_inputs; i++) {
        Inputs *group = &core->inputs[i];
        if (!group->has_linear || group->is_array) continue;
        for (size_t j = 0; j < group->n_inputs; j++) {
            Input *input = &group->inputs[j];
            size_t k = come(input, time + core->order->tolerance);
            double rate = k == 0 || k == input->n_points ? 0 : slope(input, k);
            check(core, "fmi2SetRealInputDerivatives",
                  core->fmu.set_input_derivatives2(core->fmu.instance,
                                                   &group->values.references[input->element], 1,
                                                   &first, &rate));
        }
    }
}

static double next(Core *core, double time, bool held_only) {
    double found = INFINITY;
    for (size_t i = 0; i < core->n_inputs; i++)
        for (size_t j = 0; j < core->inputs[i].n_inputs; j++) {
            Input *input = &core->inputs[i].inputs[j];
            if (held_only && !input->hold) continue;
            size_t k = come(input, time + core->order->tolerance);
            if (k < input->n_points) found = fmin(found, input->time[k]);
        }
    return found;
}

/* When a held input next changes; INFINITY if never. */
double next_jump(Core *core, double time) { return next(core, time, true); }

/* When any input next changes its value or slope; INFINITY if never. */
double next_kink(Core *core, double time) { return next(core, time, false); }
