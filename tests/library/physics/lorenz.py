"""Lorenz, integrated by scipy, over a time in which chaos leaves digits to compare."""

from __future__ import annotations

from library.integration import explicit
from library.solutions import Numbers, Solution, Values


def _butterfly(time: Numbers, p: Values) -> dict[str, Numbers]:
    def slope(_: float, s: Numbers) -> list[float]:
        x, y, z = s
        return [p["sigma"] * (y - x), x * (p["rho"] - z) - y, x * y - p["beta"] * z]

    x, y, z = explicit(slope, [p["x"], p["y"], p["z"]], time)
    return {"x": x, "y": y, "z": z}


SOLUTION = Solution(
    model="Lorenz",
    defaults={"x": 1.0, "y": 1.0, "z": 1.0, "sigma": 10.0, "rho": 28.0, "beta": 8 / 3},
    exact=_butterfly,
    others=({"rho": 0.5}, {"rho": 13.0, "x": -2.0}, {"sigma": 4.0, "rho": 10.0}),
    within=1e-3,  # what 1e-10 grows to, e-fold in 1.1 s
)
