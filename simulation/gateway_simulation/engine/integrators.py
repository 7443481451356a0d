"""Integrators for Model Exchange: what the loop asks of one, and two with a fixed step."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway_simulation.engine.failures import EngineError
from gateway_simulation.engine.fmu import Fmu
from gateway_simulation.engine.inputs import Inputs
from gateway_simulation.layout import Method, Quantity, Status
from gateway_simulation.order import Order


class Integrator(Protocol):
    """What the Model Exchange loop needs of a solver."""

    def step(self, t: float, t_next: float) -> tuple[bool, float]:
        """Integrate towards `t_next`: whether a state event was met, and the time reached."""
        ...

    def reset(self, t: float) -> None:
        """Start afresh at `t`, after an event."""
        ...

    @property
    def statistics(self) -> dict[str, int]:
        """Steps and evaluations of the right-hand side so far."""
        ...


def integrator(order: Order, fmu: Fmu, inputs: Inputs) -> Integrator:
    """The integrator that `order` names."""
    nx, nz = fmu.counts(order)
    if order.method is Method.CVODE:
        from gateway_simulation.engine.cvode import (  # noqa: PLC0415 - not on every machine
            DrivenCVode,
        )

        return DrivenCVode.made(order, fmu, inputs, nx, nz)
    return _FixedStep(order, fmu, inputs, nx, nz)


class _FixedStep:
    """Explicit Euler, or the classic Runge-Kutta method of fourth order.

    A state event counts as met at the end of the step in which an indicator changed its sign.
    """

    def __init__(self, order: Order, fmu: Fmu, inputs: Inputs, nx: int, nz: int) -> None:
        self._calls = fmu.solver_calls()
        self._inputs = inputs
        self._size = order.step_size
        self._tolerance = order.tolerance
        self._advance = self._rk4 if order.method is Method.RK4 else self._euler
        self._x, self._dx = np.zeros(nx), np.zeros(nx)
        self._z, self._before = np.zeros(nz), np.zeros(nz)
        self._steps = self._evaluations = 0
        self.reset(order.start)

    def step(self, t: float, t_next: float) -> tuple[bool, float]:
        parts = max(1, math.ceil((t_next - t - self._tolerance) / self._size))
        reached = t_next if parts == 1 else t + (t_next - t) / parts
        _into(self._calls["get_x"], self._x)
        self._x = self._advance(t, reached - t)
        self._steps += 1
        if not np.all(np.isfinite(self._x)):
            i = int(np.flatnonzero(~np.isfinite(self._x))[0])
            raise EngineError(Status.NON_FINITE, quantity=Quantity.STATE, index=i, time=reached)
        self._calls["set_time"](reached)
        self._inputs.apply_linear(reached)
        _into(self._calls["set_x"], self._x)
        self._before[:] = self._z
        _into(self._calls["get_z"], self._z)
        return bool(np.any((self._before > 0) != (self._z > 0))), reached

    def reset(self, t: float) -> None:
        del t
        _into(self._calls["get_z"], self._z)

    @property
    def statistics(self) -> dict[str, int]:
        return {"steps": self._steps, "evaluations": self._evaluations}

    def _slope(self, t: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
        self._evaluations += 1
        self._calls["set_time"](t)
        self._inputs.apply_linear(t)
        _into(self._calls["set_x"], x)
        _into(self._calls["get_dx"], self._dx)
        return self._dx.copy()

    def _euler(self, t: float, h: float) -> NDArray[np.float64]:
        return self._x + h * self._slope(t, self._x)

    def _rk4(self, t: float, h: float) -> NDArray[np.float64]:
        x = self._x
        k1 = self._slope(t, x)
        k2 = self._slope(t + h / 2, x + h / 2 * k1)
        k3 = self._slope(t + h / 2, x + h / 2 * k2)
        k4 = self._slope(t + h, x + h * k3)
        return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _into(call: Callable[..., Any], vector: NDArray[np.float64]) -> None:
    """Exchange a vector with the FMU; some refuse to be asked for one without elements."""
    if vector.size:
        call(vector.ctypes.data_as(ctypes.POINTER(ctypes.c_double)), vector.size)
