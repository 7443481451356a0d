"""TwoTanks, integrated by scipy: levels, and the heat in each tank."""

from __future__ import annotations

import numpy as np
from library.integration import explicit
from library.solutions import Numbers, Solution, Values
from scipy.optimize import brentq  # type: ignore[import-untyped]


def _flow(p: Values, dp: float) -> float:
    """The flow at which the pipe's pressure drop is dp."""

    def drop(V: float) -> float:
        over = max(0.0, V - p["pipe.V_flowLaminar"])
        return p["pipe.dpLaminar"] * V / p["pipe.V_flowLaminar"] + p["pipe.k"] * over**2

    most = 2 * abs(dp) * p["pipe.V_flowLaminar"] / p["pipe.dpLaminar"] + 1e-9
    return float(np.sign(dp) * brentq(lambda V: drop(V) - abs(dp), 0, most, xtol=1e-15))


def _levelling(time: Numbers, p: Values) -> dict[str, Numbers]:
    rho, cp = p["medium.rho"], p["medium.cp"]
    areas = np.array([p["openTank1.ATank"], p["openTank2.ATank"]])
    levels = np.array([p["openTank1.level"], p["openTank2.level"]])
    start_T = np.array([p["openTank1.T"], p["openTank2.T"]])

    def slope(_: float, x: Numbers) -> list[float]:
        V = _flow(p, float(rho * p["g"] * (x[0] - x[1])))
        giver = 0 if V >= 0 else 1
        heat = V * x[2 + giver] / (areas[giver] * x[giver])
        return [-V / areas[0], V / areas[1], -heat, heat]

    start = [*levels, *(rho * cp * areas * levels * start_T)]
    level1, level2, H1, H2 = explicit(slope, start, time)
    return {
        "openTank1.m": rho * areas[0] * level1,
        "openTank2.m": rho * areas[1] * level2,
        "openTank1.H": H1,
        "openTank2.H": H2,
        "V_flow": np.array([_flow(p, dp) for dp in rho * p["g"] * (level1 - level2)]),
    }


SOLUTION = Solution(
    model="Modelica.Thermal.FluidHeatFlow.Examples.TwoTanks",
    defaults={
        "openTank1.level": 0.9,
        "openTank2.level": 0.1,
        "openTank1.T": 313.15,
        "openTank2.T": 293.15,
        "openTank1.ATank": 1.0,
        "openTank2.ATank": 1.0,
        "g": 10.0,
        "pipe.V_flowLaminar": 2.0,
        "pipe.dpLaminar": 10.0,
        "pipe.k": 2.5,
        "medium.rho": 1.0,
        "medium.cp": 1.0,
    },
    exact=_levelling,
    others=(
        {"openTank2.ATank": 3.0, "pipe.V_flowLaminar": 0.5, "pipe.dpLaminar": 1.0, "pipe.k": 8.0},
        {"openTank1.level": 0.2, "openTank2.level": 0.8, "medium.cp": 2.0, "medium.rho": 1.2},
    ),
)
