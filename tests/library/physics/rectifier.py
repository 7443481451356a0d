"""Rectifier, integrated by scipy with each leg of the bridge as one broken line."""

from __future__ import annotations

import numpy as np
from library.integration import multistep
from library.solutions import Numbers, Solution, Values

NAMES = ["Capacitor1.v", "Capacitor2.v", "Inductor2.i", "Inductor3.i"]
FAR = 1e4  # V


def _diode(v: Numbers, p: Values) -> Numbers:
    """Its current at a forward voltage."""
    beyond = np.maximum(0.0, v - p["Vknee"])
    return np.asarray(p["Goff"] * v + (1 / p["Ron"] - p["Goff"]) * beyond)


def _legs(coils: Numbers, positive: float, negative: float, p: Values) -> Numbers:
    """The voltages at which each coil's current goes through its two diodes."""
    knees = sorted((negative - p["Vknee"], positive + p["Vknee"]))
    corners = np.array([knees[0] - FAR, *knees, knees[1] + FAR])
    currents = _diode(corners - positive, p) - _diode(negative - corners, p)
    return np.asarray(np.interp(coils, currents, corners))


def _rectifying(time: Numbers, p: Values) -> dict[str, Numbers]:
    amplitude, shifts = p["VAC"] * np.sqrt(2 / 3), np.arange(3) * 2 * np.pi / 3

    def slope(t: float, x: Numbers) -> Numbers:
        positive, negative = x[0], -x[1]
        legs = _legs(np.array([-x[2] - x[3], x[2], x[3]]), positive, negative, p)
        drive = amplitude * np.sin(2 * np.pi * p["f"] * t - shifts) - legs
        rails = [_diode(legs - positive, p).sum(), _diode(negative - legs, p).sum()]
        charging = (np.array(rails) - p["IDC"]) / (2 * p["CDC"])
        return np.concatenate([charging, (drive - drive.mean())[1:] / p["LAC"]])

    rail = p["VAC"] * np.sqrt(2) / 2
    start = [rail, rail, p["Inductor2.i"], p["Inductor3.i"]]
    x = multistep(slope, start, time, atol=1e-9)
    coils = np.array([-x[2] - x[3], x[2], x[3]])
    legs = np.array([_legs(i, v1, -v2, p) for i, v1, v2 in zip(coils.T, x[0], x[1], strict=True)])
    above, below = legs.T - x[0], -x[1] - legs.T
    losses = above * _diode(above, p) + below * _diode(below, p)
    return {
        **dict(zip(NAMES, x, strict=True)),
        "uDC": x[0] + x[1],
        "iAC[1]": coils[0],
        "uAC[1]": legs[:, 0] - legs[:, 1],
        "Losses": losses.sum(axis=0),
    }


SOLUTION = Solution(
    model="Modelica.Electrical.Analog.Examples.Rectifier",
    defaults={
        **dict.fromkeys(NAMES[2:], 0.0),
        "VAC": 400.0,
        "f": 50.0,
        "LAC": 60e-6,
        "Ron": 1e-3,
        "Goff": 1e-3,
        "Vknee": 2.0,
        "CDC": 15e-3,
        "IDC": 500.0,
    },
    exact=_rectifying,
    stop=0.02,
    within=1e-5,
    others=(
        {"VAC": 230.0, "IDC": 50.0, "Vknee": 0.7},
        {"IDC": 2000.0, "Ron": 0.02, "CDC": 1e-3, "f": 60.0, "LAC": 2e-4, "Inductor2.i": 30.0},
    ),
)
