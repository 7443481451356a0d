"""DCSE_Start, integrated by scipy between the corners of the starting resistance."""

from __future__ import annotations

import numpy as np
from library.integration import explicit_pieces
from library.solutions import Numbers, Solution, Values


def _run_up(time: Numbers, p: Values) -> dict[str, Numbers]:
    windings = p["dcseData.Ra"] + p["dcseData.Re"]
    inductance = p["dcseData.La"] + p["dcseData.Le"]
    inertia = p["dcseData.Jr"] + p["JLoad"]
    nominal_emf = 100 - 100 * windings  # V, at 100 A and 1410 rpm
    coupling = nominal_emf / (100 * 1410 / 60 * 2 * np.pi)  # V/(A.rad/s), and N.m/A2

    def starter(t: float) -> float:
        if t >= p["tStart"] + p["tRamp"]:
            return 0.0
        return 1 - max(0.0, t - p["tStart"]) / p["tRamp"]

    def load(speed: float) -> float:
        return float(p["TLoad"] * np.sign(speed) * (speed / p["wLoad"]) ** 2)

    def slope(t: float, x: Numbers) -> list[float]:
        current, _, speed = x
        drop = p["Va"] - (starter(t) + windings) * current - coupling * current * speed
        return [drop / inductance, speed, (coupling * current**2 - load(speed)) / inertia]

    start = [p["dcse.la.i"], p["loadInertia.phi"], p["loadInertia.w"]]
    corners = [p["tStart"], p["tStart"] + p["tRamp"]]
    current, angle, speed = explicit_pieces(slope, start, time, corners)
    resistance = np.array([starter(t) for t in time])
    rise = (p["Va"] - (resistance + windings) * current - coupling * current * speed) / inductance
    return {
        "dcse.la.i": current,
        "loadInertia.phi": angle,
        "loadInertia.w": speed,
        "variableResistor.R": resistance,
        "dcse.tauElectrical": coupling * current**2,
        "quadraticLoadTorque.tau": -np.array([load(w) for w in speed]),
        "dcse.va": p["Va"] - (resistance + p["dcseData.Re"]) * current - p["dcseData.Le"] * rise,
    }


SOLUTION = Solution(
    model="Modelica.Electrical.Machines.Examples.DCMachines.DCSE_Start",
    defaults={
        **dict.fromkeys(["dcse.la.i", "loadInertia.phi", "loadInertia.w"], 0.0),
        "Va": 100.0,
        "tStart": 0.1,
        "tRamp": 0.9,
        "TLoad": 63.66,
        "wLoad": 1410 / 60 * 2 * np.pi,
        "JLoad": 0.15,
        "dcseData.Jr": 0.15,
        "dcseData.Ra": 0.05,
        "dcseData.La": 0.0015,
        "dcseData.Re": 0.01,
        "dcseData.Le": 0.0005,
    },
    exact=_run_up,
    others=(
        {"Va": -80.0, "loadInertia.w": -30.0, "JLoad": 0.05, "dcseData.Re": 0.1},
        {"tStart": 0.5, "tRamp": 0.2, "TLoad": 5.0, "dcse.la.i": 40.0, "dcseData.Le": 0.004},
    ),
)
