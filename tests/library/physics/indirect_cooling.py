"""IndirectCooling as a network of heat capacities and conductances, integrated by scipy."""

from __future__ import annotations

import numpy as np
from library.integration import explicit
from library.solutions import Numbers, Solution, Values

NAMES = ["heatCapacitor.T", "pipe1.T", "innerPipe.T", "outerPipe.T"]
SIDES = ("inner", "outer")
BODY, HEATED, INNER, OUTER = range(4)


def _warming(time: Numbers, p: Values) -> dict[str, Numbers]:
    inner, outer = (
        p[f"{side}Medium.rho"] * p[f"{side}Medium.cp"] * abs(p[f"{side}VolumeFlow.k"])
        for side in SIDES
    )  # W/K
    resistance = sum(1 / p[f"{side}Gc.k"] if p[f"{side}Gc.k"] else np.inf for side in SIDES)
    capacity = np.array(
        [
            p["heatCapacitor.C"],
            p["pipe1.m"] * p["innerMedium.cv"],
            p["innerPipe.m"] * p["innerMedium.cv"],
            p["outerPipe.m"] * p["outerMedium.cv"],
        ]
    )

    def slope(_: float, T: Numbers) -> Numbers:
        received = np.array([p["heatFlow.k"], 0.0, 0.0, 0.0])
        for warm, cold, heat in (
            (BODY, HEATED, p["thermalConductor.G"] * (T[BODY] - T[HEATED])),
            (HEATED, INNER, inner * (T[HEATED] - T[INNER])),
            (INNER, OUTER, (T[INNER] - T[OUTER]) / resistance),
        ):
            received[warm] -= heat
            received[cold] += heat
        received[OUTER] -= outer * (T[OUTER] - p["TAmb"])
        return np.asarray(received / capacity)

    T = explicit(slope, [p["TAmb"]] * len(NAMES), time)
    return {
        **dict(zip(NAMES, T, strict=True)),
        "dTSource": T[BODY] - p["TAmb"],
        "dTtoPipe": T[BODY] - T[HEATED],
        "dTCooler": T[INNER] - T[OUTER],
        "innerConvection.Q_flow": (T[OUTER] - T[INNER]) / resistance,
    }


SOLUTION = Solution(
    model="Modelica.Thermal.FluidHeatFlow.Examples.IndirectCooling",
    defaults={
        "TAmb": 293.15,
        "heatFlow.k": 10.0,
        "innerVolumeFlow.k": 1.0,
        "outerVolumeFlow.k": 1.0,
        "innerGc.k": 2.0,
        "outerGc.k": 2.0,
        "thermalConductor.G": 1.0,
        "heatCapacitor.C": 0.05,
        **dict.fromkeys(["pipe1.m", "innerPipe.m", "outerPipe.m"], 0.1),
        **{f"{side}Medium.{name}": 1.0 for side in SIDES for name in ("rho", "cp", "cv")},
    },
    exact=_warming,
    others=(
        {"TAmb": 280.0, "innerGc.k": 5.0, "outerPipe.m": 0.5, "innerMedium.cp": 2.0},
        {"innerVolumeFlow.k": -2.0, "outerVolumeFlow.k": -0.3, "outerMedium.rho": 1.5},
        {"innerGc.k": 0.0, "heatFlow.k": -4.0, "innerMedium.cv": 0.6, "TAmb": 350.0},
    ),
)
