"""SimpleCooling as a chain of heat capacities and conductances, integrated by scipy."""

from __future__ import annotations

import numpy as np
from library.integration import explicit
from library.solutions import Numbers, Solution, Values


def _warming(time: Numbers, p: Values) -> dict[str, Numbers]:
    G = p["thermalConductance.k"]
    stream = p["medium.rho"] * p["medium.cp"] * abs(p["volumeFlow.k"])  # W/K
    capacity = np.array([p["heatCapacitor.C"], p["pipe.m"] * p["medium.cv"]])
    coupling = np.array([[-G, G], [G, -G - stream]])
    source = np.array([p["heatFlow.k"], stream * p["TAmb"]])
    start = [p["TAmb"], p["TAmb"]]
    body, fluid = explicit(lambda _, T: (coupling @ T + source) / capacity, start, time)
    direction = 1 if p["volumeFlow.k"] >= 0 else -1
    return {
        "heatCapacitor.T": body,
        "pipe.T": fluid,
        "dTSource": body - p["TAmb"],
        "dTtoPipe": body - fluid,
        "dTCoolant": direction * (fluid - p["TAmb"]),
    }


SOLUTION = Solution(
    model="Modelica.Thermal.FluidHeatFlow.Examples.SimpleCooling",
    defaults={
        "TAmb": 293.15,
        "heatFlow.k": 10.0,
        "volumeFlow.k": 1.0,
        "thermalConductance.k": 1.0,
        "heatCapacitor.C": 0.1,
        "pipe.m": 0.1,
        "medium.rho": 1.0,
        "medium.cp": 1.0,
        "medium.cv": 1.0,
    },
    exact=_warming,
    others=(
        {"TAmb": 320.0, "heatFlow.k": 3.0, "pipe.m": 0.3, "medium.cp": 1.5},
        {"volumeFlow.k": -0.5, "medium.rho": 2.0, "thermalConductance.k": 4.0},
        {"volumeFlow.k": 0.0, "medium.cv": 0.5, "heatCapacitor.C": 0.02},
    ),
)
