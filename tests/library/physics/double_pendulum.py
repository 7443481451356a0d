"""Modelica's DoublePendulum by Newton and Euler, with the force in the lower joint."""

from __future__ import annotations

import numpy as np
from library.integration import explicit
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    **{f"revolute{i}.{q}": 0.0 for i in (1, 2) for q in ("phi", "w")},
    **{
        f"boxBody{i}.{q}": v
        for i in (1, 2)
        for q, v in {"length": 0.5, "width": 0.06, "height": 0.06, "density": 7700.0}.items()
    },
    "world.g": 9.80665,
    "damper.d": 0.1,
}


def _bar(p: Values, i: int) -> tuple[float, float, float]:
    """Mass, half of the length, moment of inertia about the centre."""
    length, width, height, density = (
        p[f"boxBody{i}.{q}"] for q in ("length", "width", "height", "density")
    )
    mass = density * length * width * height
    return mass, length / 2, mass * (length**2 + width**2) / 12


def _accelerations(p: Values, angle: Numbers, speed: Numbers) -> Numbers:
    """Of the absolute angles of both bars.

    Unknown are these and the force (fx, fy) of the upper bar on the lower one.
    """
    (m1, h1, i1), (m2, h2, i2) = _bar(p, 1), _bar(p, 2)
    (x1, x2), (y1, y2) = np.cos(angle), np.sin(angle)
    g, tip = p["world.g"], 2 * h1
    matrix = [
        [i1 + m1 * h1**2, 0.0, -tip * y1, tip * x1],  # upper bar about the fixed joint
        [0.0, i2, -h2 * y2, h2 * x2],  # lower bar about its centre
        [-m2 * tip * y1, -m2 * h2 * y2, -1.0, 0.0],  # its centre, horizontally
        [m2 * tip * x1, m2 * h2 * x2, 0.0, -1.0],  # and upwards
    ]
    inward = [tip * speed[0] ** 2, h2 * speed[1] ** 2]
    right = [
        -m1 * g * h1 * x1 - p["damper.d"] * speed[0],
        0.0,
        m2 * (inward[0] * x1 + inward[1] * x2),
        m2 * (inward[0] * y1 + inward[1] * y2) - m2 * g,
    ]
    return np.asarray(np.linalg.solve(matrix, right)[:2])


def _swing(time: Numbers, p: Values) -> dict[str, Numbers]:
    def slope(_: float, x: Numbers) -> Numbers:
        return np.concatenate([x[2:], _accelerations(p, x[:2], x[2:])])

    phi, w = ([p[f"revolute{i}.{q}"] for i in (1, 2)] for q in ("phi", "w"))
    start = [phi[0], sum(phi), w[0], sum(w)]
    upper, lower, upper_speed, lower_speed = explicit(slope, start, time)
    return {
        "revolute1.phi": upper,
        "revolute1.w": upper_speed,
        "revolute2.phi": lower - upper,
        "revolute2.w": lower_speed - upper_speed,
    }


SOLUTION = Solution(
    model="Modelica.Mechanics.MultiBody.Examples.Elementary.DoublePendulum",
    defaults=DEFAULTS,
    exact=_swing,
    others=(
        {"revolute1.phi": -1.0, "revolute2.phi": 0.7, "revolute2.w": 2.0, "damper.d": 0.0},
        {"boxBody1.length": 0.3, "boxBody2.width": 0.2, "boxBody2.density": 700.0, "damper.d": 9.0},
    ),
)
