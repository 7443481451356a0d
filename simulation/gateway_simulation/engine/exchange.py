"""Model Exchange: we integrate, the FMU gives derivatives and events (FMI 2.0 §3, 3.0 §3)."""

from __future__ import annotations

import math

from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.fmu import Fmu
from gateway_simulation.engine.inputs import Inputs
from gateway_simulation.engine.integrators import Integrator, integrator
from gateway_simulation.engine.recorder import Recorder
from gateway_simulation.layout import Ability, Status
from gateway_simulation.order import Order


class Loop:
    """Simulates an FMU that has left initialization from start to stop.

    Rows are recorded on the grid of the order's step and, at events, before and after.
    """

    def __init__(self, order: Order, fmu: Fmu, inputs: Inputs, recorder: Recorder) -> None:
        self._order = order
        self._fmu = fmu
        self._inputs = inputs
        self._recorder = recorder
        self._solver: Integrator | None = None
        self._next_event = math.inf
        self._time = order.start
        self._points = 0

    @property
    def statistics(self) -> dict[str, int]:
        """The solver's, so far."""
        return self._solver.statistics if self._solver else {}

    def run(self) -> None:
        """Simulate. Raises EngineError, also where the model ends the simulation by itself."""
        self._next_event = self._fmu.settle(self._order.start)
        self._fmu.enter_continuous_time_mode()
        self._solver = integrator(self._order, self._fmu, self._inputs)
        self._recorder.record(self._order.start)
        while not self._finished:
            self._advance(self._solver)

    @property
    def _finished(self) -> bool:
        return self._time > self._order.stop or self._same(self._time, self._order.stop)

    def _advance(self, solver: Integrator) -> None:
        """Integrate to the next grid point or event, whatever comes first, and deal with it."""
        regular = self._order.start + (self._points + 1) * self._order.step
        jump = self._inputs.next_jump(self._time)
        target = self._target(regular, jump)
        input_event = self._same(target, jump)
        time_event = self._same(target, self._next_event)
        state_event = False
        if not self._same(self._time, target):
            state_event, self._time = solver.step(self._time, target)
        elif target == self._next_event:
            self._time = target
        if not self._same(self._time, target):
            input_event = time_event = False
        self._fmu.set_time(self._time)
        self._inputs.apply_linear(self._time)
        on_grid = self._same(self._time, regular)
        if on_grid:
            self._points += 1
        step_event = self._completed()
        event = input_event or time_event or state_event or step_event
        if on_grid or event or self._finished:
            self._recorder.record(self._time)
        if event:
            self._handle_event(solver, input_event=input_event)

    def _target(self, regular: float, jump: float) -> float:
        """Where to integrate to: a grid point unless an event or the stop time comes before it.

        A model that waits for an event is told the very time that it announced, not a grid point
        that is a rounding before it.
        """
        target = regular
        for earlier in (jump, self._next_event):
            if target > earlier and not self._same(target, earlier):
                target = earlier
        if target < self._next_event and self._same(target, self._next_event):
            target = self._next_event
        stop = self._order.stop
        if target > stop or self._same(target, stop):
            target = stop
        if target < self._time and not self._same(target, self._time):
            raise EngineError(Status.EVENT_ITERATION, time=self._time, bound=0)
        return target

    def _same(self, a: float, b: float) -> bool:
        return self._order.same_time(a, b)

    def _completed(self) -> bool:
        if Ability.COMPLETED_STEP not in self._order.abilities:
            return False
        event, terminate = self._fmu.completed_step()
        if terminate:
            self._recorder.record(self._time)
            raise EngineError(Status.MODEL_TERMINATED, time=self._time)
        return event

    def _handle_event(self, solver: Integrator, *, input_event: bool) -> None:
        self._recorder.event(self._time)
        self._fmu.enter_event_mode()
        if input_event:
            self._inputs.apply_held(self._time)
        self._next_event = self._fmu.settle(self._time)
        self._fmu.enter_continuous_time_mode()
        solver.reset(self._time)
        self._recorder.record(self._time)
