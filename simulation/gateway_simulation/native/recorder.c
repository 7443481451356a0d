/* Rows and events, written straight into the result. */
#include "core.h"

#include <math.h>

void open_outputs(Core *core) {
    const OutputGroup *groups = at(core, core->order->output_groups);
    core->n_outputs = core->order->n_output_groups;
    core->outputs = allocate(core, core->n_outputs, sizeof *core->outputs);
    for (size_t i = 0; i < core->n_outputs; i++) {
        Outputs *group = &core->outputs[i];
        *group = (Outputs){.values = {.type = groups[i].type,
                                      .references = at(core, groups[i].references),
                                      .n_references = groups[i].n_references,
                                      .n_values = groups[i].n_values},
                           .elements = at(core, groups[i].elements),
                           .columns = at(core, groups[i].columns),
                           .n_columns = groups[i].n_columns};
        open_values(core, &group->values);
        group->direct = group->values.type == TYPE_FLOAT64 && group->n_columns > 0 &&
                        group->n_columns == group->values.n_values;
        for (size_t j = 0; group->direct && j < group->n_columns; j++)
            group->direct = group->elements[j] == j && group->columns[j] == group->columns[0] + j;
    }
}

/* One row at `time`: every value is finite, or the run ends. */
void record(Core *core, double time) {
    size_t n = core->order->n_columns;
    double *row = core->rows + core->rows_used * (1 + n);
    if (core->run->rows >= core->order->run_capacity)
        fail_bound(core, STATUS_TOO_MANY_EVENTS, (double)core->order->run_capacity);
    row[0] = time;
    for (size_t i = 0; i < core->n_outputs; i++) {
        Outputs *group = &core->outputs[i];
        if (group->direct) group->values.buffer = row + group->columns[0];
        get_values(core, &group->values);
        if (!group->direct)
            read_values(core, &group->values, group->elements, group->columns, group->n_columns,
                        row);
    }
    for (size_t i = 0; i <= n; i++)
        if (!isfinite(row[i]))
            fail_value(core, i ? QUANTITY_COLUMN : QUANTITY_TIME, i ? i - 1 : 0, time);
    core->run->rows++;
    core->result->rows = ++core->rows_used;
}

/* Events that follow each other without time going on are endless. */
void record_event(Core *core, double time) {
    core->events_at_once = time == core->last_event ? core->events_at_once + 1 : 1;
    core->last_event = time;
    if (core->events_at_once > EVENT_ITERATIONS)
        fail_bound(core, STATUS_EVENT_ITERATION, EVENT_ITERATIONS);
    if (core->run->events++ < MAX_EVENTS) core->events[core->events_used++] = time;
}
