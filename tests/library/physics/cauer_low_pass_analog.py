"""CauerLowPassAnalog by nodal analysis, integrated by scipy before and after the step."""

from __future__ import annotations

import numpy as np
from library.integration import explicit_pieces
from library.solutions import Numbers, Solution, Values

NAMES = ["C1.v", "C3.v", "C5.v", "L1.i", "L2.i"]
INTO_NODES = np.array([[-1.0, 0.0], [1.0, -1.0], [0.0, 1.0]])  # by the coils' currents


def _capacitances(p: Values) -> Numbers:
    matrix = np.diag([p["c1"], p["c3"], p["c5"]])
    for first, C in ((0, p["c2"]), (1, p["c4"])):
        matrix[first : first + 2, first : first + 2] += [[C, -C], [-C, C]]
    return matrix


def _ringing(time: Numbers, p: Values) -> dict[str, Numbers]:
    inverse = np.linalg.inv(_capacitances(p))
    inductances = np.array([p["l1"], p["l2"]])

    def slope(t: float, x: Numbers) -> Numbers:
        source = p["V.V"] if t >= p["V.startTime"] else 0.0
        v, i = x[:3], x[3:]
        received = INTO_NODES @ i
        received[0] += (source - v[0]) / p["R1.R"]
        received[2] -= v[2] / p["R2.R"]
        return np.concatenate([inverse @ received, -INTO_NODES.T @ v / inductances])

    start = [p[name] for name in NAMES]
    x = explicit_pieces(slope, start, time, [p["V.startTime"]])
    return {
        **dict(zip(NAMES, x, strict=True)),
        "C2.v": x[0] - x[1],
        "C4.v": x[1] - x[2],
        "R2.i": x[2] / p["R2.R"],
    }


SOLUTION = Solution(
    model="Modelica.Electrical.Analog.Examples.CauerLowPassAnalog",
    defaults={
        **dict.fromkeys(NAMES, 0.0),
        "l1": 1.304,
        "l2": 0.8586,
        "c1": 1.072,
        "c2": 1 / (1.704992**2 * 1.304),
        "c3": 1.682,
        "c4": 1 / (1.179945**2 * 0.8586),
        "c5": 0.7262,
        "R1.R": 1.0,
        "R2.R": 1.0,
        "V.V": 1.0,
        "V.startTime": 1.0,
    },
    exact=_ringing,
    others=(
        {"C3.v": 2.0, "V.V": 5.0, "V.startTime": 7.5, "c2": 0.0, "R2.R": 10.0},
        {"V.startTime": 0.0, "l1": 3.0, "c5": 0.1, "L2.i": -0.5},
    ),
)
