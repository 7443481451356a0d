"""One run, from loading the FMU to freeing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway_simulation.engine import exchange, stepping
from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.fmu import Fmu, Log
from gateway_simulation.engine.inputs import Inputs
from gateway_simulation.engine.recorder import Recorder
from gateway_simulation.layout import Status
from gateway_simulation.order import Order, Setting


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that came to its end, the model's own end if that came first [s]."""

    rows: int
    events: int
    statistics: dict[str, int]
    terminated_at: float | None


def simulate(
    order: Order, rows: NDArray[np.float64], events: NDArray[np.float64], log: Log
) -> Outcome:
    """Run `order`, recording into `rows` and `events`. Raises EngineError.

    A model may end the simulation by itself (FMI's terminateSimulation): what it recorded until
    then counts.
    """
    fmu = Fmu(order, log)
    tolerance = order.relative_tolerance if order.mode == "co_simulation" else None
    structural = [s for s in order.settings if s.structural]
    if structural:
        fmu.configure(_setter(fmu, structural))
    fmu.set_up(order, tolerance)
    _setter(fmu, [s for s in order.settings if not s.structural])()
    inputs = Inputs(fmu, order.drives, order.tolerance)
    fmu.enter_initialization(order, tolerance)
    inputs.start(order.start_time)
    fmu.exit_initialization()
    recorder = Recorder(fmu, order, rows, events)
    loop = exchange if order.mode == "model_exchange" else stepping
    terminated_at = None
    try:
        statistics = loop.run(order, fmu, inputs, recorder)
    except EngineError as error:
        if error.status is not Status.MODEL_TERMINATED or recorder.count == 0:
            raise
        statistics, terminated_at = {}, float(str(error.details["time"]))
    fmu.terminate()
    fmu.free()
    statistics["events"] = recorder.events_met
    return Outcome(recorder.count, recorder.events_met, statistics, terminated_at)


def _setter(fmu: Fmu, settings: Sequence[Setting]) -> Callable[[], None]:
    def apply() -> None:
        for setting in settings:
            if setting.fmi_type == "String":
                fmu.set_strings(setting.reference, [str(v) for v in setting.values])
                continue
            values: Any = fmu.values(setting.fmi_type, [setting.reference], len(setting.values))
            for i, value in enumerate(setting.values):
                values.buffer[i] = value
            values.set()

    return apply
