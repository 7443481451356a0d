"""Modelica.Mechanics.Rotational.Examples.ElasticBearing in closed form: a matrix exponential."""

from __future__ import annotations

import numpy as np
from library.solutions import Numbers, Solution, Values
from scipy.linalg import expm  # type: ignore[import-untyped]

DEFAULTS: Values = {
    "shaft.J": 1.0,
    "housing.J": 5.0,
    "load.J": 50.0,
    "idealGear.ratio": 3.0,
    "spring.c": 1e3,
    "springDamper.c": 1e5,
    "springDamper.d": 5.0,
    "ramp.height": 100.0,
    "ramp.duration": 5.0,
    "ramp.startTime": 0.0,
}
TORQUE, RATE = 6, 7  # rows behind angle and speed of shaft, housing and load


def _system(p: Values) -> Numbers:
    """x' = A x; each equation of the example is a row, solved for what the states don't know."""
    ratio = p["idealGear.ratio"]
    # unknown: accelerations, spring, bearing, the gear's torques on a, b, support, its angle b
    known, unknown = np.zeros((9, 8)), np.zeros((9, 9))
    a_shaft, a_housing, a_load, spring, bearing, tau_a, tau_b, tau_support, flange_b = range(9)
    unknown[0, [a_shaft, tau_a]] = p["shaft.J"], 1
    known[0, TORQUE] = 1
    unknown[1, [a_housing, tau_support, bearing]] = p["housing.J"], 1, 1
    unknown[2, [a_load, spring]] = p["load.J"], 1
    unknown[3, [spring, flange_b]] = 1, p["spring.c"]
    known[3, 4] = p["spring.c"]
    unknown[4, bearing] = 1
    known[4, [2, 3]] = p["springDamper.c"], p["springDamper.d"]
    unknown[5, [tau_a, tau_b]] = ratio, 1
    unknown[6, [tau_a, tau_b, tau_support]] = 1, 1, 1
    unknown[7, [tau_b, spring]] = 1, -1
    unknown[8, flange_b] = ratio
    known[8, [0, 2]] = 1, ratio - 1
    accelerations = np.linalg.solve(unknown, known)[:3]
    system = np.zeros((8, 8))
    system[[0, 2, 4], [1, 3, 5]] = 1
    system[[1, 3, 5]] = accelerations
    system[TORQUE, RATE] = 1
    return system


def _vibration(time: Numbers, p: Values) -> dict[str, Numbers]:
    system = _system(p)
    begin, duration = p["ramp.startTime"], p["ramp.duration"]
    rates = {begin: p["ramp.height"] / duration, begin + duration: 0.0}
    grid = np.unique([*time, *(t for t in rates if 0 <= t <= time[-1])])
    steps: dict[float, Numbers] = {}
    states, x = np.zeros((len(grid), 8)), np.zeros(8)
    for i, t in enumerate(grid):
        if i > 0:
            size = t - grid[i - 1]
            if size not in steps:
                steps[size] = expm(system * size)
            x = steps[size] @ x
        x[RATE] = rates.get(t, x[RATE])
        states[i] = x
    shaft, w_shaft, housing, w_housing, load, w_load, *_ = states[np.searchsorted(grid, time)].T
    return {
        "load.phi": load,
        "load.w": w_load,
        "shaft.phi": shaft,
        "shaft.w": w_shaft,
        "springDamper.phi_rel": housing,
        "springDamper.w_rel": w_housing,
    }


SOLUTION = Solution(
    model="Modelica.Mechanics.Rotational.Examples.ElasticBearing",
    defaults=DEFAULTS,
    exact=_vibration,
    others=(
        {
            "idealGear.ratio": 0.5,
            "ramp.startTime": 2.0,
            "ramp.duration": 1.5,
            "springDamper.d": 50.0,
        },
        {"springDamper.c": 500.0, "load.J": 2.0, "ramp.height": -30.0},
    ),
)
