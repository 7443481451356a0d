"""Modelica's Pendulum, integrated by scipy."""

from __future__ import annotations

import math

from library.integration import explicit
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    "rev.phi": 0.0,
    "rev.w": 0.0,
    "world.g": 9.80665,
    "damper.d": 0.1,
    "body.m": 1.0,
    "body.r_CM[1]": 0.5,
    "body.I_33": 0.001,
}


def _swing(time: Numbers, p: Values) -> dict[str, Numbers]:
    lever = p["body.m"] * p["body.r_CM[1]"]
    inertia = p["body.I_33"] + lever * p["body.r_CM[1]"]

    def slope(_: float, x: Numbers) -> list[float]:
        torque = -lever * p["world.g"] * math.cos(x[0]) - p["damper.d"] * x[1]
        return [x[1], torque / inertia]

    phi, w = explicit(slope, [p["rev.phi"], p["rev.w"]], time)
    return {"rev.phi": phi, "rev.w": w}


SOLUTION = Solution(
    model="Modelica.Mechanics.MultiBody.Examples.Elementary.Pendulum",
    defaults=DEFAULTS,
    exact=_swing,
    others=(
        {"rev.phi": 1.4, "rev.w": -8.0, "damper.d": 0.0, "body.m": 3.0},
        {"body.r_CM[1]": 0.0, "rev.w": 5.0, "body.I_33": 0.1},
        {"world.g": -1.62, "damper.d": 5.0},
    ),
)
