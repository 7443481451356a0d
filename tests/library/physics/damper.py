"""Modelica's Damper in closed form: an exponential decay, and a damped oscillator twice."""

from __future__ import annotations

import cmath

import numpy as np
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    **{
        f"mass{i}.{name}": value
        for i in (1, 2, 3)
        for name, value in {"m": 1.0, "L": 1.0, "s": 3.0, "v": 10.0}.items()
    },
    **{f"fixed{i}.s0": 4.5 for i in (1, 2, 3)},
    "damper1.d": 25.0,
    "damper2.d": 25.0,
    "spring2.c": 1.0,
    "spring2.s_rel0": 1.0,
    "springDamper3.d": 25.0,
    "springDamper3.c": 1.0,
    "springDamper3.s_rel0": 1.0,
}


def _braked(time: Numbers, p: Values, i: int, law: tuple[float, ...]) -> tuple[Numbers, Numbers]:
    """Length of the elements and its rate, from the roots of m r^2 + d r + c = 0."""
    d, c, rest = law
    mass = p[f"mass{i}.m"]
    length = p[f"fixed{i}.s0"] - p[f"mass{i}.s"] - p[f"mass{i}.L"] / 2
    rate = -p[f"mass{i}.v"]
    width = cmath.sqrt(d * d - 4 * mass * c)
    fast = (-d - width) / (2 * mass)
    slow = c / (mass * fast)
    a = (rate - slow * (length - rest)) / (fast - slow)
    b = length - rest - a
    grown, faded = np.exp(fast * time), np.exp(slow * time)
    return (rest + a * grown + b * faded).real, (a * fast * grown + b * slow * faded).real


def _lengths(time: Numbers, p: Values) -> dict[str, Numbers]:
    laws = {
        "damper1": (p["damper1.d"], 0.0, 0.0),
        "damper2": (p["damper2.d"], p["spring2.c"], p["spring2.s_rel0"]),
        "springDamper3": tuple(p[f"springDamper3.{q}"] for q in ("d", "c", "s_rel0")),
    }
    found = {}
    for i, (name, law) in enumerate(laws.items(), start=1):
        found[f"{name}.s_rel"], found[f"{name}.v_rel"] = _braked(time, p, i, law)
    return found


SOLUTION = Solution(
    model="Modelica.Mechanics.Translational.Examples.Damper",
    defaults=DEFAULTS,
    exact=_lengths,
    others=(
        {"mass1.m": 0.5, "damper1.d": 3.0, "spring2.c": 4e3, "damper2.d": 0.5, "mass3.v": -2.0},
        {"fixed1.s0": 6.0, "mass1.L": 0.2, "springDamper3.c": 2e4, "springDamper3.s_rel0": 0.7},
    ),
)
