"""Modelica.Mechanics.Rotational.Examples.First, its gear torques found from a linear system."""

from __future__ import annotations

import math

import numpy as np
from library.integration import explicit
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    "amplitude": 10.0,
    "f": 5.0,
    "Jmotor": 0.1,
    "inertia2.J": 2.0,
    "Jload": 2.0,
    "ratio": 10.0,
    "damping": 10.0,
    "spring.c": 1e4,
    "inertia2.phi": 0.0,
    "inertia2.w": 0.0,
    "inertia3.phi": 0.0,
    "inertia3.w": 0.0,
}


def _vibration(time: Numbers, p: Values) -> dict[str, Numbers]:
    # unknowns: accelerations of inertias 1 and 2, torques on the gear's flanges a and b
    balance = np.array(
        [
            [p["Jmotor"], 0, 1, 0],
            [0, p["inertia2.J"], 0, 1],
            [0, 0, p["ratio"], 1],
            [1, -p["ratio"], 0, 0],
        ]
    )
    inverse = np.linalg.inv(balance)

    def slope(t: float, x: Numbers) -> list[float]:
        phi2, w2, phi3, w3 = x
        spring = p["spring.c"] * (phi3 - phi2)
        motor = p["amplitude"] * math.sin(2 * math.pi * p["f"] * t)
        a2 = inverse[1] @ np.array([motor, spring - p["damping"] * w2, 0, 0])
        return [w2, a2, w3, -spring / p["Jload"]]

    start = [p[f"inertia{k}.{name}"] for k in (2, 3) for name in ("phi", "w")]
    phi2, w2, phi3, w3 = explicit(slope, start, time)
    return {
        "damper.phi_rel": 0 - phi2,
        "damper.w_rel": 0 - w2,
        "inertia3.phi": phi3,
        "inertia3.w": w3,
        "inertia1.w": p["ratio"] * w2,
    }


SOLUTION = Solution(
    model="Modelica.Mechanics.Rotational.Examples.First",
    defaults=DEFAULTS,
    exact=_vibration,
    others=(
        {"ratio": -2.0, "damping": 0.0, "Jmotor": 0.0, "f": 0.5, "spring.c": 10.0},
        {"amplitude": 0.0, "inertia2.w": 3.0, "inertia3.phi": 0.1, "Jload": 0.2},
    ),
)
