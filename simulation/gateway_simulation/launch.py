"""From a canonical run to the order that its process gets."""

from __future__ import annotations

import math
from typing import Final

from gateway_simulation import order
from gateway_simulation.model import Variable
from gateway_simulation.run import CanonicalRun

_ROOM_FOR_EVENTS: Final = 20_000
_MOST_ROOM: Final = 400_000
_MOST_VALUES: Final = 5_000_000


def order_for(run: CanonicalRun) -> order.Order:
    """The order for `run`; names stay behind, but for those that error messages need."""
    description = run.model.description
    interface = (
        description.co_simulation if run.mode == "co_simulation" else description.model_exchange
    )
    if interface is None:
        msg = f"planned for {run.mode}, which the model doesn't offer"
        raise ValueError(msg)
    stepping, exchange = description.co_simulation, description.model_exchange
    shapes = dict(run.shapes)

    def size(variable: Variable) -> int:
        return math.prod(shapes.get(variable.name, variable.dimensions))

    return order.Order(
        folder=str(run.model.folder.resolve()),
        model_identifier=interface.model_identifier,
        guid=description.guid,
        fmi_version=description.fmi_version,
        mode=run.mode,
        solver=run.solver,
        relative_tolerance=run.relative_tolerance,
        step_size=run.step_size,
        start_time=run.start_time,
        stop_time=run.stop_time,
        step=run.step,
        communication_step=run.communication_step,
        n_states=description.n_states,
        n_event_indicators=description.n_event_indicators,
        states=description.states,
        needs_completed_step=bool(exchange and exchange.needs_completed_integrator_step),
        can_handle_variable_step=bool(stepping and stepping.can_handle_variable_step),
        can_interpolate_inputs=bool(
            run.mode == "co_simulation" and stepping and stepping.can_interpolate_inputs
        ),
        settings=tuple(
            order.Setting(
                name=start.name,
                fmi_type=description.by_name[start.name].fmi_type,
                reference=description.by_name[start.name].value_reference,
                values=start.values,
                structural=description.by_name[start.name].causality == "structuralParameter",
            )
            for start in run.start_values
        ),
        drives=tuple(
            order.Drive(
                fmi_type=signal.variable.fmi_type,
                reference=signal.variable.value_reference,
                size=size(signal.variable),
                index=signal.index,
                time=signal.time,
                values=signal.values,
                hold=signal.hold,
            )
            for signal in run.inputs
        ),
        probes=tuple(
            order.Probe(
                name=column.name,
                fmi_type=column.variable.fmi_type,
                reference=column.variable.value_reference,
                size=size(column.variable),
                index=column.index,
            )
            for column in run.columns
        ),
        capacity=_capacity(run),
    )


def _capacity(run: CanonicalRun) -> int:
    """Rows that the result has room for: the grid's, and two for each event."""
    if run.mode == "co_simulation":
        return run.rows
    wide = min(run.rows + _MOST_ROOM, _MOST_VALUES // (1 + len(run.columns)))
    return max(run.rows + _ROOM_FOR_EVENTS, wide)
