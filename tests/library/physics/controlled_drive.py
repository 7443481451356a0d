"""Modelica's SimpleControlledDrive.Continuous, integrated from corner to corner of its ramp."""

from __future__ import annotations

import numpy as np
from library.integration import Hybrid, switching
from library.solutions import Numbers, Solution, Values
from numpy.typing import NDArray

DEFAULTS: Values = {
    "load.phi": 0.0,
    "load.w": 0.0,
    "load.J": 10.0,
    "PI.k": 110.0,
    "PI.T": 0.1,
    "PI.y_start": 0.0,
    "ramp.height": 1.0,
    "ramp.duration": 2.0,
    "ramp.startTime": 0.0,
    "ramp.offset": 0.0,
}


def _corners(p: Values) -> Numbers:
    return p["ramp.startTime"] + np.array([0.0, p["ramp.duration"]])


def _asked(t: Numbers, passed: NDArray[np.intp], p: Values) -> Numbers:
    """The ramp, of which `passed` corners lie behind."""
    rising = (t - p["ramp.startTime"]) / (p["ramp.duration"] or 1.0)
    share = np.choose(passed, [np.zeros_like(t), rising, np.ones_like(t)])
    return p["ramp.offset"] + p["ramp.height"] * share


def _control(time: Numbers, p: Values) -> dict[str, Numbers]:
    corners = _corners(p)

    def slope(t: float, x: Numbers, beyond: tuple[bool, ...]) -> list[float]:
        error = float(_asked(np.array(t), np.array(sum(beyond)), p)) - x[1]
        return [x[1], p["PI.k"] * (error + x[2]) / p["load.J"], error / p["PI.T"]]

    asked = _asked(time, np.searchsorted(corners, time, side="right"), p)
    start = [p["load.phi"], p["load.w"], p["PI.y_start"] / p["PI.k"] - (asked[0] - p["load.w"])]
    phi, w, x = switching(Hybrid(slope, lambda t, *_: t - corners, 2), start, time)
    return {"load.phi": phi, "load.w": w, "PI.x": x, "PI.y": p["PI.k"] * (x + asked - w)}


SOLUTION = Solution(
    model="Modelica.Clocked.Examples.SimpleControlledDrive.Continuous",
    defaults=DEFAULTS,
    exact=_control,
    jumps=_corners,
    others=(
        {"ramp.offset": -1.0, "ramp.startTime": 0.7, "PI.y_start": 5.0, "load.w": 0.3},
        {"ramp.duration": 0.0, "ramp.startTime": 1.3, "PI.k": 20.0, "PI.T": 0.4},
        {"ramp.duration": 0.0, "ramp.height": 3.0},
    ),
)
