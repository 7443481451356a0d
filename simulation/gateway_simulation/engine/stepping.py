"""Co-Simulation: the FMU solves itself and is asked for one step after another."""

from __future__ import annotations

from typing import Final

from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.fmu import Fmu
from gateway_simulation.engine.inputs import Inputs
from gateway_simulation.engine.recorder import Recorder
from gateway_simulation.instants import same_time, whole_steps
from gateway_simulation.layout import Status
from gateway_simulation.order import Order

_REFUSALS: Final = 20


def run(order: Order, fmu: Fmu, inputs: Inputs, recorder: Recorder) -> dict[str, int]:
    """Simulate from start to stop; how many steps it took. The FMU has left initialization.

    The FMU is stepped by `communication_step`, rows are recorded each `step`. Where it can handle
    variable steps it is also stopped at the jumps of inputs and exactly at the stop time.
    """
    stepper = _Stepper(order, fmu, inputs, recorder)
    recorder.record(order.start_time)
    ratio = max(1, round(order.step / (order.communication_step or order.step)))
    tolerance = order.tolerance
    whole = whole_steps(order.start_time, order.stop_time, order.step, tolerance)
    for interval in range(whole):
        for part in range(1, ratio + 1):
            stepper.advance(_point(order, interval, part, ratio))
        recorder.record(stepper.time)
    if order.can_handle_variable_step and not same_time(stepper.time, order.stop_time, tolerance):
        for part in range(1, ratio + 1):
            stepper.advance(_point(order, whole, part, ratio))
        recorder.record(stepper.time)
    return {"steps": stepper.steps}


def _point(order: Order, interval: int, part: int, ratio: int) -> float:
    """Communication point `part` of an output interval; the last is the grid point itself.

    Never past the stop time by a rounding error: an FMU that was told of it may refuse such a step.
    """
    whole = interval + 1 if part == ratio else interval + part / ratio
    point = order.start_time + whole * order.step
    stop = order.stop_time
    return stop if point > stop or same_time(point, stop, order.tolerance) else point


class _Stepper:
    """Brings the FMU from point to point."""

    def __init__(self, order: Order, fmu: Fmu, inputs: Inputs, recorder: Recorder) -> None:
        self.time = order.start_time
        self.steps = 0
        self._fmu = fmu
        self._inputs = inputs
        self._recorder = recorder
        self._variable = order.can_handle_variable_step
        self._slopes = order.can_interpolate_inputs and order.fmi_version == "2.0"
        self._refusals = 0
        self._tolerance = order.tolerance

    def advance(self, target: float) -> None:
        """Step until `target` is reached, or give up on an FMU that doesn't move."""
        while self.time < target and not self._same(self.time, target):
            end = target
            jump = self._inputs.next_jump(self.time)
            if self._variable and jump < end and not self._same(jump, end):
                end = jump
            self._step(end)

    def _same(self, a: float, b: float) -> bool:
        return same_time(a, b, self._tolerance)

    def _step(self, end: float) -> None:
        self._inputs.apply_held(self.time)
        self._inputs.apply_linear(self.time)
        if self._slopes:
            self._inputs.apply_derivatives(self.time)
        result = self._fmu.do_step(self.time, end - self.time)
        self.steps += 1
        if result.terminate:
            self._recorder.record(result.reached)
            raise EngineError(Status.MODEL_TERMINATED, time=result.reached)
        if result.reached > self.time:
            self._refusals = 0
            arrived = result.reached >= end or self._same(result.reached, end)
            self.time = end if arrived else result.reached
            return
        self._refusals += 1
        if self._refusals > _REFUSALS:
            raise EngineError(Status.STEP_REFUSED, time=self.time, step=end - self.time)
