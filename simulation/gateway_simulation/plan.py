"""From a request to a canonical run: everything that can be wrong is found here.

Nothing of the model is loaded; only its description is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway_simulation import (
    columns,
    instants,
    notices,
    signals,
    solvers,
    timegrid,
    units,
    values,
)
from gateway_simulation.exceptions import (
    DuplicateNameError,
    TooMuchOutputError,
    UnknownDisplayUnitError,
)
from gateway_simulation.kpis import Kpi, check_windows, parse_kpis
from gateway_simulation.model import Model, ModelDescription
from gateway_simulation.notices import Notice
from gateway_simulation.request import KpiRequest, SimulationRequest
from gateway_simulation.run import CanonicalRun, Column, Signal, StartValue

__all__ = ["CanonicalRun", "RunLimits", "plan"]

_NEEDED: Final = "variables that KPIs need are recorded too"
_HELD: Final = "inputs that end before the stop time are held from there"


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What one run may ask for at most.

    `output_points` counts rows, `output_values` rows times columns; `communication_points` the
    steps an FMU is asked for.
    """

    output_points: int = 200_000
    output_values: int = 5_000_000
    communication_points: int = 20_000_000
    input_points: int = 1_000_000
    outputs: int = 2_000
    kpis: int = 200


def plan(model: Model, request: SimulationRequest, limits: RunLimits) -> CanonicalRun:
    """Check and complete `request` for `model`. Every input error is raised here: RequestError."""
    description = model.description
    grid = timegrid.resolve(request, description.default_experiment, limits.output_points)
    solving = solvers.resolve(description, request, grid)
    start_values, shapes = values.start_values(description, request.start_values)
    inputs = signals.input_signals(
        description, request.input_signals, request.inputs_csv, shapes, limits.input_points
    )
    _check_overlap(start_values, inputs)
    recorded, output_notices = columns.requested(
        description, request.outputs, shapes, limits.outputs
    )
    kpis, recorded, kpi_notices = _kpis(description, request.kpis, recorded, limits)
    check_windows(kpis, grid.start, grid.stop)
    told = (*output_notices, *kpi_notices, *_held(inputs, grid))
    in_steps = solving.mode == "co_simulation"
    run = CanonicalRun(
        model=model,
        mode=solving.mode,
        engine=solving.engine,
        solver=solving.solver,
        relative_tolerance=solving.relative_tolerance,
        step_size=solving.step_size,
        start_time=grid.start,
        stop_time=grid.stop,
        step=grid.step,
        communication_step=grid.communication_step if in_steps else None,
        start_values=start_values,
        inputs=inputs,
        columns=recorded,
        shapes=tuple(sorted(shapes.items())),
        check_accuracy=request.check_accuracy,
        kpis=kpis,
        display_units=_display_units(description, request.display_units, recorded),
        defaults_used=_defaults(request, grid, solving, in_steps=in_steps),
        warnings=(
            *solving.warnings,
            *notices.warnings(told),
            *_end_warning(description, grid, in_steps=in_steps),
        ),
        decided=notices.names(told),
    )
    _check_size(run, limits)
    return run


def _kpis(
    description: ModelDescription,
    asked: Sequence[str | KpiRequest],
    recorded: tuple[Column, ...],
    limits: RunLimits,
) -> tuple[tuple[Kpi, ...], tuple[Column, ...], tuple[Notice, ...]]:
    """The KPIs, the columns with what they need, and notices."""
    if len(asked) > limits.kpis:
        msg = f"more than {limits.kpis} KPIs"
        raise TooMuchOutputError(msg, {"what": "kpis", "asked": len(asked), "limit": limits.kpis})
    known = columns.recordable(description, recorded)
    kpis, found = parse_kpis(asked, known, [column.name for column in recorded])
    names = {column.name for column in recorded}
    needed = dict.fromkeys(kpi.variable for kpi in kpis if kpi.variable not in names)
    extra = [c for n in needed for c in columns.of_name(description, n, {}, limits.outputs)]
    if extra:
        found += (Notice(_NEEDED, "recorded_for_kpis", tuple(c.name for c in extra)),)
    return kpis, (*recorded, *extra), found


def _check_overlap(start_values: Sequence[StartValue], inputs: Sequence[Signal]) -> None:
    both = {s.name for s in start_values} & {s.variable.name for s in inputs}
    if both:
        name = min(both)
        msg = "a variable has both a start value and an input signal"
        raise DuplicateNameError(msg, {"name": name})


def _display_units(
    description: ModelDescription, asked: dict[str, str], recorded: Sequence[Column]
) -> tuple[tuple[str, str], ...]:
    by_name = {c.name: c.variable for c in recorded} | {
        c.variable.name: c.variable for c in recorded
    }
    for name, shown in asked.items():
        variable = by_name.get(name)
        if variable is None:
            raise values.unknown(name, description)
        relative = variable.relative_quantity
        if units.convert(description, variable.unit, shown, relative=relative) is None:
            msg = "the variable can't be shown in this unit"
            raise UnknownDisplayUnitError(
                msg,
                {
                    "name": name,
                    "unit": variable.unit,
                    "display_unit": shown[:100],
                    "known": list(units.known(description, variable.unit)),
                },
            )
    return tuple(sorted(asked.items()))


def _defaults(
    request: SimulationRequest,
    grid: timegrid.TimeGrid,
    solving: solvers.Solving,
    *,
    in_steps: bool,
) -> tuple[str, ...]:
    used = [n for n in grid.defaults_used if in_steps or n != "communication_step"]
    if request.outputs is None:
        used.append("outputs")
    return (*used, *solving.defaults_used)


def _end_warning(
    description: ModelDescription, grid: timegrid.TimeGrid, *, in_steps: bool
) -> tuple[str, ...]:
    interface = description.co_simulation
    if not in_steps or interface is None or interface.can_handle_variable_step:
        return ()
    tolerance = instants.tolerance(grid.start, grid.stop, grid.step, grid.communication_step)
    last = grid.start + grid.step * instants.whole_steps(
        grid.start, grid.stop, grid.step, tolerance
    )
    if last > grid.stop or instants.same_time(last, grid.stop, tolerance):
        return ()
    return (f"the model takes only whole steps: the last point is at {last:g} s",)


def _held(inputs: Sequence[Signal], grid: timegrid.TimeGrid) -> tuple[Notice, ...]:
    held = tuple(
        signal.name
        for signal in inputs
        if not signal.hold and len(signal.time) > 1 and signal.time[-1] < grid.stop
    )
    return (Notice(_HELD, "held_inputs", held),) if held else ()


def _check_size(run: CanonicalRun, limits: RunLimits) -> None:
    size = run.rows * len(run.columns)
    if size > limits.output_values:
        msg = f"more than {limits.output_values} values: fewer outputs, or a longer step"
        raise TooMuchOutputError(
            msg, {"what": "output_values", "asked": size, "limit": limits.output_values}
        )
    interval = run.communication_step or run.step_size
    points = (run.stop_time - run.start_time) / interval if interval else 0
    if points > limits.communication_points:
        msg = f"more than {limits.communication_points} steps"
        raise TooMuchOutputError(
            msg,
            {
                "what": "steps",
                "asked": int(min(points, 1e18)),
                "limit": limits.communication_points,
            },
        )
