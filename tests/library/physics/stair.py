"""Stair in closed form: the full seconds that have passed."""

from __future__ import annotations

import numpy as np
from library.solutions import Numbers, Solution, Values


def _counted(time: Numbers, p: Values) -> dict[str, Numbers]:
    return {"counter": p["counter"] + np.floor(time)}


def _full_seconds(p: Values) -> Numbers:
    return np.arange(1.0, 11.0 - p["counter"])


SOLUTION = Solution(
    model="Stair",
    defaults={"counter": 1},
    exact=_counted,
    others=({"counter": 7},),
    jumps=_full_seconds,
)
