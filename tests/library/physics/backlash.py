"""Modelica.Mechanics.Rotational.Examples.Backlash: each relation of its equations is an event."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from library.integration import explicit
from library.modes import Modal, hybrid
from library.solutions import Numbers, Solution, Values

QUARTER = 1.570796326794897
DEFAULTS: Values = {
    **{f"{name}.c": 20e3 for name in ("springDamper", "elastoBacklash", "elastoBacklash2")},
    **{f"{name}.d": 50.0 for name in ("springDamper", "elastoBacklash", "elastoBacklash2")},
    "elastoBacklash.b": 0.7853981633974483,
    "elastoBacklash2.b": 0.78539816339745,
    **{f"inertia{k}.J": 5.0 for k in (1, 2, 3)},
    **{f"inertia{k}.phi": QUARTER for k in (1, 2, 3)},
    **{f"inertia{k}.w": 0.0 for k in (1, 2, 3)},
}

Relations = tuple[bool, ...]
Torque = Callable[[float, float, Relations], float]


def _rotation(p: Values, name: str, k: int, time: Numbers, tau: Torque) -> Numbers:
    """Angle and speed of inertia `k` under the torque `tau` of a backlash; a relation holds until
    it is an event."""
    c, d, b = (p[f"{name}.{parameter}"] for parameter in ("c", "d", "b"))

    def relations(phi: float, w: float) -> list[float]:
        upper, lower = c * (phi - b / 2), c * (phi + b / 2)
        return [
            phi - b / 2,
            -b / 2 - phi,
            upper + d * w,
            -(lower + d * w),
            upper - d * w,
            d * w - lower,
        ]

    def slope(_: float, x: Numbers, hold: Relations) -> list[float]:
        return [x[1], -tau(x[0], x[1], hold) / p[f"inertia{k}.J"]]

    def guards(_: float, x: Numbers, hold: Relations) -> list[float]:
        return [r if h else -r for r, h in zip(relations(x[0], x[1]), hold, strict=True)]

    def switch(
        _: float, x: Numbers, hold: Relations, fired: int | None
    ) -> tuple[Relations, Numbers]:
        return tuple(h != (i == fired) for i, h in enumerate(hold)), x

    start = [p[f"inertia{k}.phi"], p[f"inertia{k}.w"]]
    problem = Modal(slope=slope, guards=guards, switch=switch)
    return hybrid(problem, tuple(r > 0 for r in relations(*start)), start, time)


def _soft(c: float, d: float, b: float) -> Torque:
    def tau(phi: float, w: float, hold: Relations) -> float:
        above, below, pushes_up, pushes_down, damper_is_less, damper_is_more = hold
        if above:
            tau_c = c * (phi - b / 2)
            return (tau_c + (d * w if damper_is_less else tau_c)) if pushes_up else 0.0
        if below:
            tau_c = c * (phi + b / 2)
            return (tau_c + (d * w if damper_is_more else tau_c)) if pushes_down else 0.0
        return 0.0

    return tau


def _hard(c: float, d: float, b: float) -> Torque:
    def tau(phi: float, w: float, hold: Relations) -> float:
        above, below, pushes_up, pushes_down, *_ = hold
        if above:
            return c * (phi - b / 2) + d * w if pushes_up else 0.0
        if below:
            return c * (phi + b / 2) + d * w if pushes_down else 0.0
        return 0.0

    return tau


def _oscillations(time: Numbers, p: Values) -> dict[str, Numbers]:
    def linear(_: float, x: Numbers) -> list[float]:
        tau = p["springDamper.c"] * x[0] + p["springDamper.d"] * x[1]
        return [x[1], -tau / p["inertia1.J"]]

    found = {"springDamper": explicit(linear, [p["inertia1.phi"], p["inertia1.w"]], time)}
    for name, k, law in (("elastoBacklash", 2, _soft), ("elastoBacklash2", 3, _hard)):
        tau = law(p[f"{name}.c"], p[f"{name}.d"], p[f"{name}.b"])
        found[name] = _rotation(p, name, k, time, tau)
    return {
        f"{name}.{signal}": values
        for name, states in found.items()
        for signal, values in zip(("phi_rel", "w_rel"), np.asarray(states), strict=True)
    }


SOLUTION = Solution(
    model="Modelica.Mechanics.Rotational.Examples.Backlash",
    defaults=DEFAULTS,
    exact=_oscillations,
    others=(
        {"elastoBacklash.d": 400.0, "elastoBacklash2.d": 400.0, "inertia2.phi": -1.0},
        {"elastoBacklash.d": 0.5, "elastoBacklash2.d": 0.5, "inertia3.phi": 0.1, "inertia3.w": 5.0},
        {"elastoBacklash.b": 1e-3, "elastoBacklash2.b": 1e-3, "inertia2.J": 0.5},
        {"elastoBacklash.b": math.pi, "elastoBacklash2.b": 4.0, "inertia2.w": -2.0},
    ),
)
