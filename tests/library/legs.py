"""Independent integration of models that switch: leg by leg, each smooth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from library.solutions import Numbers
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

Slope = Callable[[float, Numbers], Sequence[float]]
Guard = Callable[[Numbers], float]  # of the states; the leg ends where it falls through zero


@dataclass(frozen=True)
class Leg:
    """The states from `start` to `end` [s] in one `mode`."""

    start: float
    end: float
    mode: Any
    states: Callable[[Numbers], Numbers]  # at times of shape (n,): shape (states, n)

    @cached_property
    def last(self) -> Numbers:
        """The states at `end`."""
        return self.states(np.array([self.end]))[:, 0]


def leg(
    slope: Slope,
    states: Numbers,
    span: tuple[float, float],
    mode: object,
    guard: Guard | None = None,
) -> Leg:
    """Integrate by DOP853 over `span`, or until `guard` falls through zero."""

    def event(_: float, x: Numbers) -> float:
        assert guard
        return guard(x)

    event.terminal, event.direction = True, -1  # type: ignore[attr-defined]
    start, end = span
    found = solve_ivp(
        slope,
        span,
        states,
        method="DOP853",
        rtol=1e-13,
        atol=1e-13,
        dense_output=True,
        max_step=(end - start) / 8,
        events=event if guard else None,
    )
    assert found.success, found.message
    return Leg(start, float(found.t[-1]), mode, found.sol)


def instants(legs: Sequence[Leg]) -> Numbers:
    """Where one leg ends and the next begins [s]."""
    return np.array([following.start for following in legs[1:]])


def sampled(legs: Sequence[Leg], time: Numbers) -> tuple[Numbers, list[Any]]:
    """States, shape (states, n), and mode at each time; at an instant those after it."""
    starts = np.array([one.start for one in legs])
    which = np.clip(np.searchsorted(starts, time, side="right") - 1, 0, None)
    states = np.empty((len(legs[0].last), len(time)))
    for number, one in enumerate(legs):
        now = which == number
        if now.any():
            states[:, now] = one.states(time[now])
    return states, [legs[number].mode for number in which]


def between(breaks: Sequence[float]) -> list[tuple[float, float]]:
    """The spans between sorted instants, without empty ones."""
    return [(a, b) for a, b in pairwise(breaks) if b > a]
