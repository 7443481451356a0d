"""VanDerPol, integrated by scipy."""

from __future__ import annotations

from library.integration import explicit
from library.solutions import Numbers, Solution, Values


def _oscillation(time: Numbers, p: Values) -> dict[str, Numbers]:
    def slope(_: float, x: Numbers) -> list[float]:
        return [x[1], p["mu"] * (1 - x[0] ** 2) * x[1] - x[0]]

    x0, x1 = explicit(slope, [p["x0"], p["x1"]], time)
    return {"x0": x0, "x1": x1}


SOLUTION = Solution(
    model="VanDerPol",
    defaults={"x0": 2.0, "x1": 0.0, "mu": 1.0},
    exact=_oscillation,
    others=({"x0": 0.5, "x1": -1.0, "mu": 5.0}, {"mu": 0.0}),
)
