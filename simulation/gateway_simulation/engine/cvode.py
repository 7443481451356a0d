"""CVODE for Model Exchange, through FMPy's bindings to SUNDIALS.

FMPy's settings are kept, so that its numbers are ours where it is right. Two things differ: inputs
are applied inside the right-hand side, and no step goes past a kink of an input. FMPy applies them
only at communication points, and is wrong by as much as they change in between.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any, Final

import numpy.ctypeslib  # noqa: F401 - FMPy's, which imports it too late for the jail
from fmpy.sundials import CVodeSolver  # type: ignore[import-untyped]
from fmpy.sundials.cvode import CV_NORMAL, CV_ROOT_RETURN, CVode  # type: ignore[import-untyped]
from fmpy.sundials.libraries import sundials_cvode  # type: ignore[import-untyped]
from fmpy.sundials.nvector_serial import NV_DATA_S  # type: ignore[import-untyped]

from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.fmu import Fmu
from gateway_simulation.engine.inputs import Inputs
from gateway_simulation.layout import Quantity, Status
from gateway_simulation.order import Order

_MOST_STEPS: Final = 1_000_000
_MAX_STEP_PARTS: Final = 50
_MOST_REFUSALS: Final = 1000
_DISCARD: Final = 2

_set_stop_time = sundials_cvode.CVodeSetStopTime
_set_stop_time.argtypes = [ctypes.c_void_p, ctypes.c_double]
_clear_stop_time = sundials_cvode.CVodeClearStopTime
_clear_stop_time.argtypes = [ctypes.c_void_p]
_get_num_steps = sundials_cvode.CVodeGetNumSteps
_get_num_steps.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_long)]


_Base: Any = CVodeSolver
"""Untyped on purpose: our steps tell less than FMPy's."""


class DrivenCVode(_Base):  # type: ignore[misc]
    """FMPy's CVODE with inputs and failures where they belong."""

    def __init__(self, order: Order, fmu: Fmu, inputs: Inputs, nx: int, nz: int) -> None:
        self._inputs = inputs
        self._failure: EngineError | None = None
        self._evaluations = 0
        self._steps_before_reset = 0
        self._bounded = False
        self._same_time = order.same_time
        self._stuck, self._refusals = -math.inf, 0
        super().__init__(
            nx=nx,
            nz=nz,
            input=inputs,
            startTime=order.start,
            maxStep=(order.stop - order.start) / _MAX_STEP_PARTS,
            relativeTolerance=order.relative_tolerance,
            maxNumSteps=_MOST_STEPS,
            **fmu.solver_calls(),
        )

    @classmethod
    def made(cls, *args: Any) -> DrivenCVode:  # noqa: ANN401 - what it is made of
        """The solver. Raises EngineError, also where CVODE refuses what the FMU says."""
        try:
            return cls(*args)
        except Exception as error:
            if type(error) is not Exception:  # what FMPy raises then
                raise
            raise EngineError(Status.SOLVER_FAILED, reason=str(error)) from error

    def f(self, t: float, y: Any, ydot: Any, user_data: Any) -> int:  # noqa: ANN401
        """Right-hand side. An exception would get lost in C: it is kept for `step`."""
        self._evaluations += 1
        try:
            self.set_time(t)
            self._inputs.apply_linear(t)
            super().f(t, y, ydot, user_data)
        except EngineError as error:
            return self._fail(t, error)
        return 0 if self.discrete else self._check(t, NV_DATA_S(ydot)[: self.nx])

    def g(self, t: float, y: Any, gout: Any, user_data: Any) -> int:  # noqa: ANN401, ARG002
        """Event indicators, with continuous inputs only: held ones change at events."""
        try:
            self.set_time(t)
            self._inputs.apply_linear(t)
            if not self.discrete:
                self.set_x(NV_DATA_S(y), self.nx)
            self.get_z(gout, self.nz)
        except EngineError as error:
            return self._fail(t, error)
        return 0

    def step(self, t: float, t_next: float) -> tuple[bool, float]:
        """Integrate towards `t_next`, never past a kink of an input."""
        self._bound(self._inputs.next_kink(t))
        if not self.discrete:
            self.get_x(self.px, self.nx)
        reached = ctypes.c_double(t)
        flag = CVode(self.cvode_mem, t_next, self.x, ctypes.byref(reached), CV_NORMAL)
        failure, self._failure = self._failure, None
        if flag < 0:
            if failure is not None:
                raise failure
            reason = self.error_info[-1] if self.error_info else f"CVODE error {flag}"
            raise EngineError(Status.SOLVER_FAILED, time=reached.value, reason=reason[:300])
        if not self.discrete:
            self.set_x(self.px, self.nx)
        return flag == CV_ROOT_RETURN, reached.value

    def reset(self, t: float) -> None:
        """Start afresh after an event; CVODE forgets its count of steps then."""
        self._steps_before_reset += self._internal_steps()
        super().reset(t)

    @property
    def statistics(self) -> dict[str, int]:
        """Internal steps and evaluations of the right-hand side."""
        steps = self._steps_before_reset + self._internal_steps()
        return {"steps": steps, "evaluations": self._evaluations}

    def _check(self, t: float, slopes: list[float]) -> int:
        """Let CVODE try a smaller step where a derivative isn't finite; it ends if that fails."""
        if math.isfinite(sum(slopes)) or all(map(math.isfinite, slopes)):
            return 0
        i = next(i for i, slope in enumerate(slopes) if not math.isfinite(slope))
        self._failure = EngineError(
            Status.NON_FINITE, quantity=Quantity.DERIVATIVE, index=i, time=t
        )
        return self._again(t)

    def _bound(self, kink: float) -> None:
        if math.isfinite(kink):
            _set_stop_time(self.cvode_mem, kink)
            self._bounded = True
        elif self._bounded:
            _clear_stop_time(self.cvode_mem)
            self._bounded = False

    def _internal_steps(self) -> int:
        steps = ctypes.c_long()
        _get_num_steps(self.cvode_mem, ctypes.byref(steps))
        return int(steps.value)

    def _fail(self, t: float, error: EngineError) -> int:
        """A discarded evaluation lets CVODE try a smaller step, anything else ends it."""
        self._failure = error
        return self._again(t) if error.fields.get("fmi_status") == _DISCARD else -1

    def _again(self, t: float) -> int:
        """CVODE may try again, but mustn't creep on in steps that no longer move the time."""
        if not self._same_time(t, self._stuck):
            self._stuck, self._refusals = t, 0
        self._refusals += 1
        return -1 if self._refusals > _MOST_REFUSALS else 1
