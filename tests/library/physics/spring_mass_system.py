"""Modelica's SpringMassSystem in closed form: harmonic oscillations about the equilibrium.

The second spring has the length |s|: where its body passes the support, another oscillation
follows, about the equilibrium of that side.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    **{f"p{i}.{q}": v for i in (1, 2) for q, v in {"s": 0.1, "v": 0.0}.items()},
    "body1.m": 1.0,
    "spring1.c": 30.0,
    "spring1.s_rel0": 0.1,
    "body2.m": 1.0,
    "spring2.c": 30.0,
    "spring2.s_unstretched": 0.1,
    "world.g": 9.80665,
}


def _oscillation(time: Numbers, omega: float, middle: float, s: float, v: float) -> Numbers:
    """Position and velocity, shape (2, n), from `s` and `v` at time zero."""
    c, d = np.cos(omega * time), np.sin(omega * time)
    return np.stack([middle + (s - middle) * c + v / omega * d, v * c - omega * (s - middle) * d])


def _passages(p: Values, omega: float, end: float) -> Iterator[tuple[float, float, float, float]]:
    """(time, middle, s, v) of each oscillation of the second body, which begins at the support."""
    time, s, v = 0.0, p["p2.s"], p["p2.v"]
    while time < end:
        side = math.copysign(1.0, s or v)
        middle = side * p["spring2.s_unstretched"] + p["world.g"] / omega**2
        yield time, middle, s, v
        amplitude, phase = math.hypot(s - middle, v / omega), math.atan2(v / omega, s - middle)
        if amplitude <= abs(middle):
            return
        turn = math.acos(-middle / amplitude)
        waits = ((phase + sign * turn) % (2 * math.pi) for sign in (-1, 1))
        wait = min(w for w in waits if w > 1e-9) / omega
        v = float(_oscillation(np.array([wait]), omega, middle, s, v)[1, 0])
        time, s = time + wait, 0.0


def _hanging(time: Numbers, p: Values) -> dict[str, Numbers]:
    g = p["world.g"]
    omega = math.sqrt(p["spring1.c"] / p["body1.m"])
    middle = p["spring1.s_rel0"] + g / omega**2
    first = _oscillation(time, omega, middle, p["p1.s"], p["p1.v"])

    omega = math.sqrt(p["spring2.c"] / p["body2.m"])
    second = np.empty((2, len(time)))
    for begin, middle, s, v in _passages(p, omega, float(time[-1])):
        later = time >= begin
        second[:, later] = _oscillation(time[later] - begin, omega, middle, s, v)
    return {"p1.s": first[0], "p1.v": first[1], "p2.s": second[0], "p2.v": second[1]}


SOLUTION = Solution(
    model="Modelica.Mechanics.MultiBody.Examples.Elementary.SpringMassSystem",
    defaults=DEFAULTS,
    exact=_hanging,
    others=(
        {"world.g": 1.62, "body1.m": 3.0, "p1.s": -0.2, "p2.v": 0.4, "spring2.c": 12.0},
        {"p2.v": 6.0},
        {"p2.s": -0.3, "spring2.s_unstretched": 0.0, "spring1.s_rel0": 0.4, "world.g": 0.0},
    ),
)
