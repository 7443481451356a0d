"""Modelica's SlewRateLimiter, integrated by scipy from one change of a limiter to the next."""

from __future__ import annotations

from library.integration import Hybrid, Sides, switching
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    "vMax": 2.0,
    "limit_a.Rising": 20.0,
    "limit_v.Td": 1e-4,
    "limit_a.Td": 1e-4,
    "positionStep.startTime": 0.1,
    "positionStep.height": 1.0,
    "positionStep.offset": 0.0,
    "limit_a.y": 0.0,
}


def _smoothing(time: Numbers, p: Values) -> dict[str, Numbers]:
    v_max, a_max, begin = p["vMax"], p["limit_a.Rising"], p["positionStep.startTime"]
    levels = p["positionStep.offset"], p["positionStep.offset"] + p["positionStep.height"]

    def wanted(x: Numbers, beyond: Sides) -> tuple[float, float]:
        """Velocity and acceleration, if it had no limits."""
        v = (levels[beyond[0]] - x[0]) / p["limit_v.Td"]
        limited = v_max if beyond[1] else v if beyond[2] else -v_max
        return v, (limited - x[1]) / p["limit_a.Td"]

    def boundaries(t: float, x: Numbers, beyond: Sides) -> list[float]:
        v, a = wanted(x, beyond)
        return [t - begin, v - v_max, v + v_max, a - a_max, a + a_max]

    def slope(_: float, x: Numbers, beyond: Sides) -> list[float]:
        v, a = wanted(x, beyond)
        v = v_max if beyond[1] else v if beyond[2] else -v_max
        return [v, a_max if beyond[3] else a if beyond[4] else -a_max, x[1]]

    start = [levels[0], p["limit_a.y"], levels[0]]
    position, velocity, smoothed = switching(Hybrid(slope, boundaries, 5), start, time)
    return {"limit_v.y": position, "limit_a.y": velocity, "positionSmoothed.y": smoothed}


SOLUTION = Solution(
    model="Modelica.Blocks.Examples.SlewRateLimiter",
    defaults=DEFAULTS,
    exact=_smoothing,
    others=(
        {"positionStep.height": -0.3, "positionStep.offset": 2.0, "limit_a.Td": 0.01},
        {"positionStep.startTime": 0.0, "limit_a.Rising": 1e6, "limit_v.Td": 0.05, "vMax": 30.0},
        {"positionStep.height": 0.0, "limit_a.y": 0.5},
    ),
)
