"""Modelica's PID_Controller, integrated by scipy from one phase of the movement to the next."""

from __future__ import annotations

import math

import numpy as np
from library.integration import Hybrid, Sides, switching
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    "driveAngle": math.pi / 2,
    "kinematicPTP.startTime": 0.5,
    "kinematicPTP.qd_max[1]": 1.0,
    "kinematicPTP.qdd_max[1]": 1.0,
    "PI.k": 100.0,
    "PI.Ti": 0.1,
    "PI.Ni": 0.1,
    "PI.yMax": 12.0,
    "inertia1.J": 1.0,
    "inertia2.J": 2.0,
    "spring.c": 1e4,
    "spring.d": 100.0,
    "loadTorque.tau_constant": 10.0,
    "inertia1.phi": 0.0,
}


def _movement(p: Values) -> tuple[Numbers, float]:
    """When the acceleration changes [s], and how large it is [rad/s2]."""
    angle, speed, rate = (
        p[name] for name in ("driveAngle", "kinematicPTP.qd_max[1]", "kinematicPTP.qdd_max[1]")
    )
    peak = min(speed, math.sqrt(abs(angle) * rate))  # the speed that is reached
    constant = abs(angle) / peak - peak / rate if peak else 0.0
    lasting = [0.0, peak / rate, constant, peak / rate]
    return p["kinematicPTP.startTime"] + np.cumsum(lasting), math.copysign(rate, angle)


def _control(time: Numbers, p: Values) -> dict[str, Numbers]:
    instants, rate = _movement(p)
    load, limit = p["loadTorque.tau_constant"], p["PI.yMax"]

    def boundaries(t: float, x: Numbers, _: Sides) -> list[float]:
        wish = p["PI.k"] * (x[0] - x[3] + x[1])
        return [wish - limit, wish + limit, *(t - instants)]

    def slope(_: float, x: Numbers, beyond: Sides) -> list[float]:
        speed, integral, _, w1, twist, w_rel = x
        wish = p["PI.k"] * (speed - w1 + integral)
        torque = limit if beyond[0] else wish if beyond[1] else -limit
        shaft = p["spring.c"] * twist + p["spring.d"] * w_rel
        a1, a2 = (torque + shaft) / p["inertia1.J"], (load - shaft) / p["inertia2.J"]
        windup = (torque - wish) / (p["PI.k"] * p["PI.Ni"])
        asked = rate * (0, 1, 0, -1, 0)[sum(beyond[2:])]
        return [asked, (speed - w1 + windup) / p["PI.Ti"], w1, a1, w_rel, a2 - a1]

    start = [0.0, -load / p["PI.k"], p["inertia1.phi"], 0.0, load / p["spring.c"], 0.0]
    x = switching(Hybrid(slope, boundaries, 6), start, time)
    names = ("integrator.y", "PI.I.y", "inertia1.phi", "inertia1.w", "spring.phi_rel")
    return dict(zip((*names, "spring.w_rel"), x, strict=True))


SOLUTION = Solution(
    model="Modelica.Blocks.Examples.PID_Controller",
    defaults=DEFAULTS,
    exact=_control,
    others=(
        {"driveAngle": -0.5, "loadTorque.tau_constant": -4.0, "PI.yMax": 6.0, "spring.d": 0.0},
        {
            "kinematicPTP.startTime": 0.0,
            "PI.k": 30.0,
            "PI.Ni": 0.9,
            "inertia2.J": 1.0,
            "spring.d": 20.0,
        },
    ),
)
