"""From canonical runs to the order that their process gets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from gateway_simulation import layout, order, platforms
from gateway_simulation.layout import Ability, Method, Mode, Type
from gateway_simulation.model import CoSimulationInterface, ModelExchangeInterface, Variable
from gateway_simulation.run import CanonicalRun, Column, Signal

_ROOM_FOR_EVENTS: Final = 20_000
_MOST_ROOM: Final = 400_000
_MOST_VALUES: Final = 5_000_000
_EVENTS_OF_A_RUN: Final = 100
_METHODS: Final = {
    None: Method.NONE,
    "cvode": Method.CVODE,
    "euler": Method.EULER,
    "rk4": Method.RK4,
}
_FMI2_NAMES: Final = {"Real": "Float64", "Integer": "Int32"}


def order_for(runs: Sequence[CanonicalRun], seen: str | None = None) -> order.Order:
    """The order for `runs`, which differ in the values of their start values only.

    `seen` is where the process sees the extracted model, if not where it is.
    """
    run = runs[0]
    description = run.model.description
    folder = run.model.folder
    inside = Path(seen) if seen else folder
    interface = _interface(run)
    fmi = 2 if description.fmi_version == "2.0" else 3
    settings = [description.by_name[start.name] for start in run.start_values]
    capacity = _capacity(run)
    return order.Order(
        fmi=fmi,
        mode=Mode[run.mode.upper()],
        method=_METHODS[run.solver],
        abilities=_abilities(run),
        start=run.start_time,
        stop=run.stop_time,
        step=run.step,
        communication_step=run.communication_step or 0.0,
        step_size=run.step_size or 0.0,
        relative_tolerance=run.relative_tolerance or 0.0,
        tolerance=run.tolerance,
        n_states=description.n_states,
        n_indicators=description.n_event_indicators,
        folder=str(inside),
        library=str(inside / _library(folder, interface.model_identifier)),
        identifier=interface.model_identifier,
        token=description.guid,
        resources=_resources(inside, fmi),
        settings=tuple(
            order.Setting(
                type=_type(run, variable),
                reference=variable.value_reference,
                count=len(start.values),
                structural=variable.causality == "structuralParameter",
            )
            for variable, start in zip(settings, run.start_values, strict=True)
        ),
        runs=tuple(tuple(start.values for start in one.start_values) for one in runs),
        inputs=tuple(_inputs(run)),
        outputs=tuple(_outputs(run)),
        n_columns=len(run.columns),
        run_capacity=capacity,
        row_capacity=capacity + (len(runs) - 1) * (run.rows + _EVENTS_OF_A_RUN),
        event_capacity=layout.MAX_EVENTS + (len(runs) - 1) * _EVENTS_OF_A_RUN,
    )


def _interface(run: CanonicalRun) -> CoSimulationInterface | ModelExchangeInterface:
    description = run.model.description
    in_steps = run.mode == "co_simulation"
    interface = description.co_simulation if in_steps else description.model_exchange
    if interface is None:
        msg = f"planned for {run.mode}, which the model doesn't offer"
        raise ValueError(msg)
    return interface


def _abilities(run: CanonicalRun) -> Ability:
    interface = _interface(run)
    found = Ability.RESETS if run.model.resets else Ability(0)
    if isinstance(interface, ModelExchangeInterface):
        if interface.needs_completed_integrator_step:
            found |= Ability.COMPLETED_STEP
        return found
    fmi2 = run.model.description.fmi_version == "2.0"
    if interface.can_handle_variable_step:
        found |= Ability.VARIABLE_STEP
    if interface.can_interpolate_inputs and fmi2:
        found |= Ability.INPUT_DERIVATIVES
    if interface.has_event_mode and not fmi2:
        found |= Ability.EVENT_MODE
    return found


def _library(folder: Path, identifier: str) -> Path:
    """The shared library for this machine within `folder`, under whichever name it has there."""
    names = platforms.folder_names(platforms.host())
    places = [Path("binaries", name, f"{identifier}.so") for name in names]
    return next((place for place in places if (folder / place).is_file()), places[0])


def _resources(folder: Path, fmi: int) -> str:
    """FMI 2.0 wants a URI, FMI 3.0 a path that ends in a separator."""
    place = folder / "resources"
    return place.as_uri() if fmi == 2 else f"{place}/"  # noqa: PLR2004


def _type(run: CanonicalRun, variable: Variable) -> Type:
    fmi2 = run.model.description.fmi_version == "2.0"
    if variable.fmi_type == "Enumeration":
        return Type.INT32 if fmi2 else Type.INT64
    return Type[_FMI2_NAMES.get(variable.fmi_type, variable.fmi_type).upper()]


def _size(run: CanonicalRun, variable: Variable) -> int:
    """Elements of the variable, 1 for a scalar."""
    return math.prod(dict(run.shapes).get(variable.name, variable.dimensions))


def _inputs(run: CanonicalRun) -> Iterator[order.InputGroup]:
    """One group for each array, and for each type one of held and one of linear scalars."""

    def key(signal: Signal) -> tuple[str, str]:
        array = bool(signal.variable.dimensions)
        return signal.variable.fmi_type, signal.variable.name if array else f" {signal.hold}"

    for _, found in groupby(sorted(run.inputs, key=key), key):
        signals = list(found)
        first = signals[0].variable
        array = bool(first.dimensions)
        references = [first] if array else [signal.variable for signal in signals]
        yield order.InputGroup(
            type=_type(run, first),
            references=tuple(variable.value_reference for variable in references),
            n_values=_size(run, first) if array else len(signals),
            is_array=array,
            signals=tuple(
                order.Signal(s.index if array else i, s.hold, s.time, s.values)
                for i, s in enumerate(signals)
            ),
        )


def _outputs(run: CanonicalRun) -> Iterator[order.OutputGroup]:
    for kind in dict.fromkeys(_type(run, column.variable) for column in run.columns):
        yield _output_group(
            run,
            kind,
            [(i, c) for i, c in enumerate(run.columns, start=1) if _type(run, c.variable) is kind],
        )


def _output_group(
    run: CanonicalRun, kind: Type, columns: Iterable[tuple[int, Column]]
) -> order.OutputGroup:
    places: dict[int, int] = {}
    count = 0
    elements, filled = [], []
    for place, column in columns:
        reference = column.variable.value_reference
        if reference not in places:
            places[reference] = count
            count += _size(run, column.variable)
        elements.append(places[reference] + column.index)
        filled.append(place)
    return order.OutputGroup(kind, tuple(places), count, tuple(elements), tuple(filled))


def _capacity(run: CanonicalRun) -> int:
    """Rows that one run has room for: the grid's, and two for each event."""
    if run.mode == "co_simulation" and Ability.EVENT_MODE not in _abilities(run):
        return run.rows
    wide = min(run.rows + _MOST_ROOM, _MOST_VALUES // (1 + len(run.columns)))
    return max(run.rows + _ROOM_FOR_EVENTS, wide)
