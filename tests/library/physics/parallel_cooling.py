"""ParallelCooling as a network of heat capacities and conductances, integrated by scipy."""

from __future__ import annotations

import numpy as np
from library.integration import explicit
from library.solutions import Numbers, Solution, Values

BODY1, BODY2, BRANCH1, BRANCH2, COMMON = range(5)


def _network(p: Values) -> tuple[Numbers, Numbers, Numbers]:
    """Capacities [J/K], what each temperature does to each of the others [W/K], sources [W]."""
    stream = p["medium.rho"] * p["medium.cp"] * abs(p["volumeFlow.k"])
    coupling, source = np.zeros((5, 5)), np.zeros(5)
    for n, (body, branch) in enumerate(((BODY1, BRANCH1), (BODY2, BRANCH2)), start=1):
        G = p[f"thermalConductance{n}.k"]
        coupling[np.ix_([body, branch], [body, branch])] += [[-G, G], [G, -G]]
        source[body] = p[f"heatFlow{n}.k"]
    arriving: dict[int, tuple[float, dict[int, float]]]
    if p["volumeFlow.k"] >= 0:
        arriving = {BRANCH1: (stream / 2, {}), BRANCH2: (stream / 2, {})}
        arriving[COMMON] = (stream, {BRANCH1: 0.5, BRANCH2: 0.5})
    else:
        arriving = {b: (stream / 2, {COMMON: 1.0}) for b in (BRANCH1, BRANCH2)}
        arriving[COMMON] = (stream, {})
    for volume, (share, origins) in arriving.items():
        coupling[volume, volume] -= share
        source[volume] += 0 if origins else share * p["TAmb"]
        for origin, part in origins.items():
            coupling[volume, origin] += share * part
    bodies = [p["heatCapacitor1.C"], p["heatCapacitor2.C"]]
    pipes = [p["medium.cv"] * p[f"pipe{n}.m"] for n in (1, 2, 3)]
    return np.array([*bodies, *pipes]), coupling, source


def _warming(time: Numbers, p: Values) -> dict[str, Numbers]:
    capacity, coupling, source = _network(p)
    names = ["heatCapacitor1.T", "heatCapacitor2.T", "pipe1.T", "pipe2.T", "pipe3.T"]
    start = [p["TAmb"]] * len(names)
    T = explicit(lambda _, now: (coupling @ now + source) / capacity, start, time)
    signals = dict(zip(names, T, strict=True))
    signals["dTSource2"] = T[BODY2] - p["TAmb"]
    signals["dTtoPipe1"] = T[BODY1] - T[BRANCH1]
    if p["volumeFlow.k"] > 0:
        signals["dTCoolant2"] = T[BRANCH2] - p["TAmb"]
        signals["dTmixedCoolant"] = T[COMMON] - p["TAmb"]
    return signals


SOLUTION = Solution(
    model="Modelica.Thermal.FluidHeatFlow.Examples.ParallelCooling",
    defaults={
        "TAmb": 293.15,
        "heatFlow1.k": 5.0,
        "heatFlow2.k": 10.0,
        "volumeFlow.k": 1.0,
        "thermalConductance1.k": 1.0,
        "thermalConductance2.k": 1.0,
        "heatCapacitor1.C": 0.1,
        "heatCapacitor2.C": 0.1,
        **dict.fromkeys(["pipe1.m", "pipe2.m", "pipe3.m"], 0.1),
        **dict.fromkeys(["medium.rho", "medium.cp", "medium.cv"], 1.0),
    },
    exact=_warming,
    within=3e-6,
    others=(
        {"TAmb": 300.0, "heatFlow1.k": -2.0, "heatCapacitor2.C": 0.4, "pipe2.m": 0.3},
        {"volumeFlow.k": -0.7, "pipe3.m": 0.02, "medium.cp": 1.3, "medium.rho": 0.8},
        {"volumeFlow.k": 0.0, "thermalConductance1.k": 3.0, "thermalConductance2.k": 0.0},
    ),
)
