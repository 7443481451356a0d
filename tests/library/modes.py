"""Independent integration of what is smooth within a mode, from event to event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from library.integration import Numbers
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

Mode = TypeVar("Mode")

_STEPS = 200  # at least so many, so that none steps over two events at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Modal(Generic[Mode]):
    """Equations that are smooth within a mode. All take time, states and mode.

    `guards` are positive as long as the mode lasts. `switch` gets the number of the guard that fell
    to zero, None at the start and at one of `breaks` [s]; it returns the mode and states after it.
    """

    slope: Callable[[float, Numbers, Mode], Sequence[float] | Numbers]
    guards: Callable[[float, Numbers, Mode], Sequence[float]]
    switch: Callable[[float, Numbers, Mode, int | None], tuple[Mode, Numbers]]
    breaks: Sequence[float] = ()


def hybrid(problem: Modal[Mode], mode: Mode, start: Sequence[float], time: Numbers) -> Numbers:
    """The states, shape (states, n), by DOP853 from event to event."""
    found = np.empty((len(start), len(time)))
    now, end, states = float(time[0]), float(time[-1]), np.array(start)
    mode, states = problem.switch(now, states, mode, None)
    for stop in (*(b for b in sorted(problem.breaks) if now < b < end), end):
        while now < stop:
            piece = _until_an_event(problem, mode, states, (now, stop), (end - time[0]) / _STEPS)
            here = (time >= now) & (time <= piece.t[-1])
            if here.any():
                found[:, here] = piece.sol(time[here])
            fired = next((i for i, times in enumerate(piece.t_events) if len(times)), None)
            now = piece.t[-1]
            mode, states = problem.switch(now, piece.y[:, -1], mode, fired)
    return found


def _until_an_event(
    problem: Modal[Mode], mode: Mode, start: Numbers, span: tuple[float, float], step: float
) -> Any:  # noqa: ANN401  scipy is untyped
    events = []
    for i in range(len(problem.guards(span[0], start, mode))):

        def guard(t: float, x: Numbers, i: int = i) -> float:
            return problem.guards(t, x, mode)[i]

        guard.terminal, guard.direction = True, -1.0  # type: ignore[attr-defined]
        events.append(guard)
    return solve_ivp(
        lambda t, x: problem.slope(t, x, mode),
        span,
        start,
        method="DOP853",
        rtol=1e-13,
        atol=1e-13,
        max_step=step,
        events=events,
        dense_output=True,
    )
