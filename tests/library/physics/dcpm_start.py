"""DCPM_Start, integrated by scipy between the corners of voltage and load."""

from __future__ import annotations

import numpy as np
from library.integration import explicit_pieces
from library.solutions import Numbers, Solution, Values


def _run_up(time: Numbers, p: Values) -> dict[str, Numbers]:
    resistance, inertia = p["dcpmData.Ra"], p["dcpmData.Jr"] + p["JLoad"]
    flux = (100 - 100 * resistance) / (1425 / 60 * 2 * np.pi)  # V.s: V / (rad/s), and N.m/A

    def voltage(t: float) -> float:
        if t >= p["tStart"] + p["tRamp"]:
            return p["Va"]
        return p["Va"] * max(0.0, t - p["tStart"]) / p["tRamp"]

    def slope(t: float, x: Numbers) -> list[float]:
        current, _, speed = x
        drop = voltage(t) - resistance * current - flux * speed
        load = p["TLoad"] if t >= p["tStep"] else 0.0
        return [drop / p["dcpmData.La"], speed, (flux * current - load) / inertia]

    start = [p["dcpm.la.i"], p["loadInertia.phi"], p["loadInertia.w"]]
    corners = [p["tStart"], p["tStart"] + p["tRamp"], p["tStep"]]
    current, angle, speed = explicit_pieces(slope, start, time, corners)
    return {
        "dcpm.la.i": current,
        "loadInertia.phi": angle,
        "loadInertia.w": speed,
        "dcpm.va": np.array([voltage(t) for t in time]),
        "dcpm.airGapDC.vai": flux * speed,
        "dcpm.tauElectrical": flux * current,
    }


SOLUTION = Solution(
    model="Modelica.Electrical.Machines.Examples.DCMachines.DCPM_Start",
    defaults={
        **dict.fromkeys(["dcpm.la.i", "loadInertia.phi", "loadInertia.w"], 0.0),
        "Va": 100.0,
        "tStart": 0.2,
        "tRamp": 0.8,
        "TLoad": 63.66,
        "tStep": 1.5,
        "JLoad": 0.15,
        "dcpmData.Jr": 0.15,
        "dcpmData.Ra": 0.05,
        "dcpmData.La": 0.0015,
    },
    exact=_run_up,
    others=(
        {"Va": -60.0, "tRamp": 0.1, "TLoad": -20.0, "tStep": 0.25, "dcpmData.Ra": 0.2},
        {"loadInertia.w": 150.0, "JLoad": 0.0, "dcpmData.La": 0.01, "tStart": 0.0},
    ),
)
