"""SIR, integrated by scipy."""

from __future__ import annotations

import numpy as np
from library.integration import explicit
from library.solutions import Numbers, Solution, Values


def _epidemic(time: Numbers, p: Values) -> dict[str, Numbers]:
    population = p["S"] + p["I"] + p["R"]

    def slope(_: float, n: Numbers) -> list[float]:
        infections, recoveries = p["beta"] * n[0] * n[1] / population, p["gamma"] * n[1]
        return [-infections, infections - recoveries, recoveries]

    s, i, r = explicit(slope, [p["S"], p["I"], p["R"]], time)
    return {"S": s, "I": i, "R": r, "R0": np.full_like(time, p["beta"] / p["gamma"])}


SOLUTION = Solution(
    model="SIR",
    defaults={"S": 990.0, "I": 10.0, "R": 0.0, "beta": 0.3, "gamma": 0.1},
    exact=_epidemic,
    others=({"beta": 0.05}, {"S": 0.0}, {"beta": 2.0, "R": 500.0}),
)
