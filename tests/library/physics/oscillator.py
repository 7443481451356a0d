"""Modelica's Oscillator: forced oscillations, integrated by scipy."""

from __future__ import annotations

import math

from library.integration import explicit
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    "mass1.m": 1.0,
    "mass1.L": 1.0,
    "mass1.s": -0.5,
    "mass1.v": 0.0,
    "mass2.m": 1.0,
    "mass2.L": 1.0,
    "mass2.s": -0.5,
    "mass2.v": 0.0,
    "spring1.c": 1e4,
    "spring1.s_rel0": 1.0,
    "spring2.c": 1e4,
    "spring2.s_rel0": 1.0,
    "damper1.d": 10.0,
    "fixed1.s0": 1.0,
    "fixed2.s0": 1.0,
    "sine1.amplitude": 1.0,
    "sine1.f": 15.9155,
    "sine2.amplitude": 1.0,
    "sine2.f": 15.9155,
}


def _vibration(time: Numbers, p: Values, i: int, damping: float) -> Numbers:
    """Position and velocity, shape (2, n): a spring-mass about the place where the spring rests."""
    rest = p[f"fixed{i}.s0"] - p[f"spring{i}.s_rel0"] - p[f"mass{i}.L"] / 2
    omega = 2 * math.pi * p[f"sine{i}.f"]

    def slope(t: float, x: Numbers) -> list[float]:
        force = p[f"sine{i}.amplitude"] * math.sin(omega * t)
        restoring = -p[f"spring{i}.c"] * (x[0] - rest) - damping * x[1]
        return [x[1], (force + restoring) / p[f"mass{i}.m"]]

    return explicit(slope, [p[f"mass{i}.s"], p[f"mass{i}.v"]], time)


def _vibrations(time: Numbers, p: Values) -> dict[str, Numbers]:
    s1, v1 = _vibration(time, p, 1, 0.0)
    s2, v2 = _vibration(time, p, 2, p["damper1.d"])
    length = p["fixed2.s0"] - s2 - p["mass2.L"] / 2
    return {"mass1.s": s1, "mass1.v": v1, "damper1.s_rel": length, "damper1.v_rel": -v2}


SOLUTION = Solution(
    model="Modelica.Mechanics.Translational.Examples.Oscillator",
    defaults=DEFAULTS,
    exact=_vibrations,
    others=(
        {"mass1.m": 0.2, "sine1.f": 3.0, "sine1.amplitude": 50.0, "spring1.s_rel0": 0.9},
        {"damper1.d": 300.0, "fixed2.s0": 2.0, "mass2.L": 0.0, "spring2.c": 0.0},
    ),
    within=5e-6,  # at resonance errors grow with the amplitude
)
