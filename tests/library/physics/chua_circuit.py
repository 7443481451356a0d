"""ChuaCircuit, integrated by scipy for as long as chaos lets a solution be known."""

from __future__ import annotations

import numpy as np
from library.integration import explicit
from library.solutions import Numbers, Solution, Values


def _scrolling(time: Numbers, p: Values) -> dict[str, Numbers]:
    def resistor(v: float) -> float:
        Ve = p["Nr.Ve"]
        return float(p["Nr.Gb"] * v + (p["Nr.Ga"] - p["Nr.Gb"]) * (abs(v + Ve) - abs(v - Ve)) / 2)

    def slope(_: float, x: Numbers) -> list[float]:
        coil, v1, v2 = x
        through = p["G.G"] * (v1 - v2)
        return [
            (v2 - p["Ro.R"] * coil) / p["L.L"],
            -(through + resistor(v1)) / p["C1.C"],
            (through - coil) / p["C2.C"],
        ]

    coil, v1, v2 = explicit(slope, [p["L.i"], p["C1.v"], p["C2.v"]], time)
    return {
        "L.i": coil,
        "C1.v": v1,
        "C2.v": v2,
        "Nr.i": np.array([resistor(v) for v in v1]),
        "G.i": p["G.G"] * (v2 - v1),
    }


SOLUTION = Solution(
    model="Modelica.Electrical.Analog.Examples.ChuaCircuit",
    defaults={
        "L.i": 0.0,
        "C1.v": 4.0,
        "C2.v": 0.0,
        "L.L": 18.0,
        "Ro.R": 0.0125,
        "G.G": 0.565,
        "C1.C": 10.0,
        "C2.C": 100.0,
        "Nr.Ga": -0.757576,
        "Nr.Gb": -0.409091,
        "Nr.Ve": 1.0,
    },
    exact=_scrolling,
    stop=4000.0,
    within=1e-4,
    others=({"G.G": 0.7, "Nr.Ve": 2.0}, {"Ro.R": 0.5, "C1.v": -0.5, "L.L": 10.0}),
)
