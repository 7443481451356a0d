"""Independent integration, as far as scipy can be asked to go."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

Numbers = NDArray[np.float64]
Slope = Callable[[float, Numbers], Sequence[float] | Numbers]
Jacobian = Callable[[float, Numbers], Sequence[Sequence[float]]]
Sides = tuple[bool, ...]
Switched = Callable[[float, Numbers, Sides], Sequence[float] | Numbers]

_MOST_TURNS = 2000


@dataclass(frozen=True, slots=True)
class Hybrid:
    """Slopes that depend on the signs of so many boundaries.

    Both are called with the time, the states and, for each boundary, whether it was last found not
    to be negative.
    """

    slope: Switched
    boundaries: Switched
    count: int


def explicit(slope: Slope, start: Sequence[float], time: Numbers) -> Numbers:
    """The states, shape (states, n), by DOP853; `start` belongs to `time[0]`."""
    return _solved(slope, start, time, method="DOP853", rtol=1e-13, atol=1e-13)


def explicit_pieces(
    slope: Slope, start: Sequence[float], time: Numbers, corners: Iterable[float]
) -> Numbers:
    """As `explicit`, but never across one of `corners` [s], where the slope changes abruptly."""
    states = np.empty((len(start), len(time)))
    ends = [t for t in sorted(corners) if time[0] < t < time[-1]]
    for begin, end in itertools.pairwise([time[0], *ends, time[-1]]):
        inside = (time >= begin) & (time <= end)
        grid = np.unique([begin, *time[inside], end])
        found = explicit(_until(slope, math.nextafter(end, begin)), start, grid)
        states[:, inside] = found[:, np.searchsorted(grid, time[inside])]
        start = found[:, -1].tolist()
    return states


def _until(slope: Slope, last: float) -> Slope:
    """The slope on this side of the corner, also where the solver looks at its other side."""
    return lambda t, x: slope(min(t, last), x)


def switching(
    system: Hybrid, start: Sequence[float], time: Numbers, method: str = "DOP853"
) -> Numbers:
    """The states, shape (states, n), where slopes depend on the signs of boundaries.

    Each change of a sign is located, and the integration begins anew from there.
    """
    boundaries = system.boundaries
    state, begin, end = np.asarray(start, dtype=float), float(time[0]), float(time[-1])
    beyond = _initial(boundaries, begin, state, (False,) * system.count)
    found = np.empty((len(state), len(time)))
    for _ in range(_MOST_TURNS):
        run = solve_ivp(
            system.slope,
            (begin, end),
            state,
            method,
            args=(beyond,),
            events=[_crossing(boundaries, i, upwards=not side) for i, side in enumerate(beyond)],
            dense_output=True,
            rtol=1e-12,
            atol=1e-13,
        )
        assert run.success, run.message
        now = (time >= begin) & (time <= run.t[-1])
        if now.any():
            found[:, now] = run.sol(time[now])
        begin, state = float(run.t[-1]), run.y[:, -1]
        if run.status == 0 or begin >= end:
            return found
        crossed = next(i for i, times in enumerate(run.t_events) if len(times))
        beyond = _turned(boundaries, begin, state, beyond, crossed)
    message = f"{_MOST_TURNS} turns until {begin} s"
    raise AssertionError(message)


def _initial(boundaries: Switched, t: float, x: Numbers, beyond: Sides) -> Sides:
    for _ in beyond:  # some may depend on others
        beyond = tuple(value >= 0 for value in boundaries(t, x, beyond))
    return beyond


def _turned(boundaries: Switched, t: float, x: Numbers, beyond: Sides, crossed: int) -> Sides:
    """The sides after `crossed` was: those of others change where this makes their values jump."""
    after = (*beyond[:crossed], not beyond[crossed], *beyond[crossed + 1 :])
    while beyond != after:
        values = zip(boundaries(t, x, beyond), boundaries(t, x, after), strict=True)
        jumped = [new >= 0 if new != old else None for old, new in values]
        beyond, after = (
            after,
            tuple(
                side if jump is None or i == crossed else jump
                for i, (side, jump) in enumerate(zip(after, jumped, strict=True))
            ),
        )
    return after


def _crossing(boundaries: Switched, i: int, *, upwards: bool) -> Callable[..., float]:
    def value(t: float, x: Numbers, beyond: Sides) -> float:
        return boundaries(t, x, beyond)[i]

    value.terminal = True  # type: ignore[attr-defined]  # how solve_ivp is told
    value.direction = 1 if upwards else -1  # type: ignore[attr-defined]
    return value


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


def multistep(
    slope: Slope, start: Sequence[float], time: Numbers, atol: float | Sequence[float] = 1e-13
) -> Numbers:
    """As `stiff`, by LSODA: many times faster where kinks in the slope keep steps short."""
    return _solved(slope, start, time, method="LSODA", rtol=1e-12, atol=atol)


def _solved(slope: Slope, start: Sequence[float], time: Numbers, **options: Any) -> Numbers:  # noqa: ANN401
    found = solve_ivp(slope, (time[0], time[-1]), list(start), t_eval=time, **options)
    assert found.success, found.message
    states: Numbers = found.y
    return states
