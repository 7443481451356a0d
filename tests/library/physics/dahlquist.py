"""Dahlquist in closed form: x = x(0) exp(-k t)."""

from __future__ import annotations

import numpy as np
from library.solutions import Numbers, Solution, Values


def _decay(time: Numbers, p: Values) -> dict[str, Numbers]:
    return {"x": p["x"] * np.exp(-p["k"] * time)}


SOLUTION = Solution(
    model="Dahlquist",
    defaults={"x": 1.0, "k": 1.0},
    exact=_decay,
    others=({"x": -2.0, "k": 0.25}, {"k": -0.5}, {"k": 0.0}),
)
