"""Points in time, compared with one tolerance that a run fixes once.

A tolerance relative to the time itself would take all instants of a run at 1.7e9 s (seconds since
1970) for the same, and none near zero.
"""

from __future__ import annotations

import math
from typing import Final

_OF_STEP: Final = 1e-9
_ULPS: Final = 4
_ULPS_PER_STEP: Final = 1000
SHORTEST_STEP: Final = 1e-30
"""Steps below this [s] are no physics, and make solvers underflow."""


def tolerance(start: float, stop: float, *steps: float | None) -> float:
    """How far apart [s] two instants of a run may be and still be the same.

    A small part of the shortest of `steps` (None: there is no such step), and a few roundings of
    the largest time.
    """
    return _OF_STEP * min(step for step in steps if step) + _ULPS * _ulp(start, stop)


def same_time(a: float, b: float, tolerance: float) -> bool:
    """Whether `a` and `b` are the same instant."""
    return min(a, b) + tolerance >= max(a, b)


def shortest_step(start: float, stop: float) -> float:
    """The shortest step [s] that doubles resolve well between `start` and `stop`."""
    return max(_ULPS_PER_STEP * _ulp(start, stop), SHORTEST_STEP)


def whole_steps(start: float, stop: float, step: float, tolerance: float) -> int:
    """How many steps fit between `start` and `stop`; one that ends at `stop` but for rounding does.

    At least one.
    """
    whole = math.floor((stop - start) / step)
    if same_time(start + (whole + 1) * step, stop, tolerance):
        whole += 1
    return max(whole, 1)


def _ulp(start: float, stop: float) -> float:
    return math.ulp(max(abs(start), abs(stop)))
