"""Independent integration, as far as scipy can be asked to go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

Numbers = NDArray[np.float64]
Slope = Callable[[float, Numbers], Sequence[float] | Numbers]
Jacobian = Callable[[float, Numbers], Sequence[Sequence[float]]]


def explicit(slope: Slope, start: Sequence[float], time: Numbers) -> Numbers:
    """The states, shape (states, n), by DOP853; `start` belongs to `time[0]`."""
    return _solved(slope, start, time, method="DOP853", rtol=1e-13, atol=1e-13)


def stiff(
    slope: Slope,
    start: Sequence[float],
    time: Numbers,
    *,
    jacobian: Jacobian | None = None,
    atol: float | Sequence[float] = 1e-13,
) -> Numbers:
    """The states, shape (states, n), by Radau IIA; `start` belongs to `time[0]`.

    The tolerance is that of an estimate of order 3; what comes out is of order 5, some 1e-12.
    """
    options = {"method": "Radau", "rtol": 1e-10, "atol": atol, "jac": jacobian}
    return _solved(slope, start, time, **options)


def _solved(slope: Slope, start: Sequence[float], time: Numbers, **options: Any) -> Numbers:  # noqa: ANN401
    found = solve_ivp(slope, (time[0], time[-1]), list(start), t_eval=time, **options)
    assert found.success, found.message
    states: Numbers = found.y
    return states
