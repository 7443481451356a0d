"""Co-Simulation: the FMU solves itself and is asked for one step after another."""

from __future__ import annotations

import math
from typing import Final

from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.fmu import Fmu
from gateway_simulation.engine.inputs import Inputs
from gateway_simulation.engine.recorder import Recorder
from gateway_simulation.instants import whole_steps
from gateway_simulation.layout import Ability, Status
from gateway_simulation.order import Order

_REFUSALS: Final = 20


class Stepper:
    """Brings an FMU that has left initialization from start to stop.

    The FMU is stepped by `communication_step`, rows are recorded each `step`. Where it can handle
    variable steps it is also stopped at the jumps of inputs and exactly at the stop time. With
    event mode (FMI 3.0, section 4.2.2), inputs jump and discrete states settle there, and a row is
    recorded before and after.
    """

    def __init__(self, order: Order, fmu: Fmu, inputs: Inputs, recorder: Recorder) -> None:
        self._order = order
        self._fmu = fmu
        self._inputs = inputs
        self._recorder = recorder
        self._variable = Ability.VARIABLE_STEP in order.abilities
        self._slopes = Ability.INPUT_DERIVATIVES in order.abilities
        self._events = Ability.EVENT_MODE in order.abilities
        self._time = order.start
        self._next_event = math.inf
        self._refusals = self._steps = 0
        self._recorded = False

    @property
    def statistics(self) -> dict[str, int]:
        """How many communication steps it took so far."""
        return {"steps": self._steps}

    def run(self) -> None:
        """Simulate. Raises EngineError, also where the model ends the simulation by itself."""
        order = self._order
        if self._events:
            self._settle()
        self._recorder.record(order.start)
        ratio = max(1, round(order.step / order.communication_step))
        whole = whole_steps(order.start, order.stop, order.step, order.tolerance)
        for interval in range(whole):
            self._interval(interval, ratio)
        if self._variable and not order.same_time(self._time, order.stop):
            self._interval(whole, ratio)

    def _interval(self, interval: int, ratio: int) -> None:
        for part in range(1, ratio + 1):
            self._advance(self._point(interval, part, ratio))
        if not self._recorded:
            self._recorder.record(self._time)

    def _point(self, interval: int, part: int, ratio: int) -> float:
        """Communication point `part` of an output interval; the last is the grid point itself.

        Never past the stop time by a rounding error: an FMU that was told of it may refuse such a
        step.
        """
        whole = interval + 1 if part == ratio else interval + part / ratio
        point = self._order.start + whole * self._order.step
        return self._order.stop if self._over(point, self._order.stop) else point

    def _advance(self, target: float) -> None:
        """Step until `target` is reached, or give up on an FMU that doesn't move."""
        while not self._over(self._time, target):
            jump = self._inputs.next_jump(self._time)
            self._step(self._end_of_step(target, jump), jump)

    def _end_of_step(self, target: float, jump: float) -> float:
        """A communication point; the very time of a jump or announced event that comes first."""
        end, event, same = target, self._next_event, self._order.same_time
        if not self._variable:
            return end
        if jump < end and not same(jump, end):
            end = jump
        if not same(event, end) if event < end else event <= self._order.stop and same(event, end):
            end = event
        return end

    def _step(self, end: float, jump: float) -> None:
        if not self._events:
            self._inputs.apply_held(self._time)
        self._inputs.apply_linear(self._time)
        if self._slopes:
            self._inputs.apply_derivatives(self._time)
        made = self._fmu.do_step(self._time, end - self._time)
        self._steps += 1
        if made.terminate:
            ended = min(made.reached, end) if made.reached > self._time else self._time
            self._recorder.record(ended)
            raise EngineError(Status.MODEL_TERMINATED, time=ended)
        if made.reached > self._time:
            self._refusals, self._recorded = 0, False
            self._time = end if self._over(made.reached, end) else made.reached
        elif not (made.event and self._events):
            self._refusals += 1
            if self._refusals > _REFUSALS:
                raise EngineError(Status.STEP_REFUSED, time=self._time, bound=end - self._time)
        due = self._over(self._time, min(jump, self._next_event))
        if self._events and (made.event or due):
            self._handle_event()

    def _handle_event(self) -> None:
        self._recorder.record(self._time)
        self._recorder.event(self._time)
        self._fmu.enter_event_mode()
        self._inputs.apply_held(self._time)
        self._inputs.apply_linear(self._time)
        self._settle()
        self._recorder.record(self._time)
        self._recorded = True

    def _settle(self) -> None:
        """Leave event mode. An event announced for a time that has come can't be stepped to."""
        announced = self._fmu.settle(self._time)
        self._next_event = announced if announced > self._time else math.inf
        self._fmu.enter_step_mode()

    def _over(self, time: float, end: float) -> bool:
        return time >= end or self._order.same_time(time, end)
