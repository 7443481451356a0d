"""Model Exchange: we integrate, the FMU gives derivatives and events (FMI 2.0 §3, 3.0 §3)."""

from __future__ import annotations

import math
from typing import Final

from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.fmu import Fmu
from gateway_simulation.engine.inputs import Inputs
from gateway_simulation.engine.integrators import Integrator, integrator
from gateway_simulation.engine.recorder import Recorder
from gateway_simulation.instants import same_time
from gateway_simulation.layout import Status
from gateway_simulation.order import Order

_EVENT_ITERATIONS: Final = 10_000
_NEVER: Final = math.inf


def run(order: Order, fmu: Fmu, inputs: Inputs, recorder: Recorder) -> dict[str, int]:
    """Simulate from start to stop; the solver's statistics. The FMU has left initialization.

    Rows are recorded on the grid of `order.step` and, at events, before and after.
    """
    next_event = _settle(fmu, order.start_time)
    fmu.enter_continuous_time_mode()
    solver = integrator(order, fmu, inputs)
    loop = _Loop(order, fmu, inputs, recorder, solver, next_event)
    recorder.record(order.start_time)
    while not loop.finished:
        loop.advance()
    return solver.statistics


class _Loop:
    """The state of one simulation between two points."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of one simulation
        self,
        order: Order,
        fmu: Fmu,
        inputs: Inputs,
        recorder: Recorder,
        solver: Integrator,
        next_event: float,
    ) -> None:
        self._order = order
        self._fmu = fmu
        self._inputs = inputs
        self._recorder = recorder
        self._solver = solver
        self._next_event = next_event
        self._time = order.start_time
        self._points = 0
        self._tolerance = order.tolerance

    @property
    def finished(self) -> bool:
        return self._time > self._order.stop_time or self._same(self._time, self._order.stop_time)

    def advance(self) -> None:
        """Integrate to the next grid point or event, whatever comes first, and deal with it."""
        regular = self._order.start_time + (self._points + 1) * self._order.step
        jump = self._inputs.next_jump(self._time)
        target = self._target(regular, jump)
        input_event = self._same(target, jump)
        time_event = self._same(target, self._next_event)
        state_event = False
        if not self._same(self._time, target):
            state_event, self._time = self._solver.step(self._time, target)
        if not self._same(self._time, target):
            input_event = time_event = False
        self._fmu.set_time(self._time)
        self._inputs.apply_linear(self._time)
        on_grid = self._same(self._time, regular)
        if on_grid:
            self._points += 1
        step_event = self._completed()
        event = input_event or time_event or state_event or step_event
        if on_grid or event or self.finished:
            self._recorder.record(self._time)
        if event:
            self._handle_event(input_event=input_event)

    def _target(self, regular: float, jump: float) -> float:
        """Where to integrate to: a grid point unless an event or the stop time comes before it."""
        target = regular
        for earlier in (jump, self._next_event):
            if target > earlier and not self._same(target, earlier):
                target = earlier
        stop = self._order.stop_time
        if target > stop or self._same(target, stop):
            target = stop
        if target < self._time and not self._same(target, self._time):
            raise EngineError(Status.EVENT_ITERATION, time=self._time, iterations=0)
        return target

    def _same(self, a: float, b: float) -> bool:
        return same_time(a, b, self._tolerance)

    def _completed(self) -> bool:
        if not self._order.needs_completed_step:
            return False
        event, terminate = self._fmu.completed_step()
        if terminate:
            raise EngineError(Status.MODEL_TERMINATED, time=self._time)
        return event

    def _handle_event(self, *, input_event: bool) -> None:
        self._recorder.event(self._time)
        self._fmu.enter_event_mode()
        if input_event:
            self._inputs.apply_held(self._time)
        self._next_event = _settle(self._fmu, self._time)
        self._fmu.enter_continuous_time_mode()
        self._solver.reset(self._time)
        self._recorder.record(self._time)


def _settle(fmu: Fmu, time: float) -> float:
    """Iterate until the discrete states settle; when the next time event is."""
    for _ in range(_EVENT_ITERATIONS):
        update = fmu.update_discrete_states()
        if update.terminate:
            raise EngineError(Status.MODEL_TERMINATED, time=time)
        if not update.again:
            when = update.next_event_time
            return _NEVER if when is None or math.isnan(when) else when
    raise EngineError(Status.EVENT_ITERATION, time=time, iterations=_EVENT_ITERATIONS)
