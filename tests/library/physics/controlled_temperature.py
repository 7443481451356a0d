"""ControlledTemperature, integrated by scipy from one switching of the controller to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from library.solutions import Numbers, Solution, Values
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]

STOP = 10.0  # s
Piece = tuple[float, bool, Callable[[Numbers], Numbers]]  # end, heating, temperature


def _reference(t: float, p: Values) -> float:
    """In kelvin."""
    start, duration = p["ramp.startTime"], p["ramp.duration"]
    risen = 1.0 if t >= start + duration else max(0.0, (t - start) / duration)
    return p["ramp.offset"] + 273.15 + p["ramp.height"] * risen


def _piece(t: float, T: float, p: Values, *, heating: bool) -> tuple[float, float, bool, Piece]:
    """From t on with one state of the switch, over no corner of the reference."""
    sign = 1 if heating else -1

    def slope(_: float, x: Numbers) -> Numbers:
        R = 10 + 10 * p["resistor.alpha"] * (x - 293.15)
        current = 10 / (R + (1e-5 if heating else 1e5))
        warming = R * current**2 - p["thermalConductor.G"] * (x - p["TAmb"])
        return np.asarray(warming / p["heatCapacitor.C"])

    def limit(s: float, x: Numbers) -> float:
        return float(x[0]) - _reference(s, p) - sign * p["TDif"] / 2

    limit.terminal, limit.direction = True, sign  # type: ignore[attr-defined]
    rise = p["ramp.startTime"]
    end = min(c for c in (rise, rise + p["ramp.duration"], STOP + 1) if c > t)
    options = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-12, "dense_output": True}
    found = solve_ivp(slope, (t, end), [T], events=limit, **options)
    stays = heating == (found.status == 0)
    temperature = found.sol
    piece = (float(found.t[-1]), heating, lambda s: temperature(s)[0])
    return float(found.t[-1]), float(found.y[0, -1]), stays, piece


def _pieces(p: Values) -> Iterator[Piece]:
    t, T = 0.0, p["TAmb"]
    heating = _reference(t, p) - p["TDif"] / 2 > T
    while t < STOP:
        t, T, heating, piece = _piece(t, T, p, heating=heating)
        yield piece


def _switching(time: Numbers, p: Values) -> dict[str, Numbers]:
    T, y = np.empty_like(time), np.empty_like(time)
    begin = 0.0
    for end, heating, temperature in _pieces(p):
        now = (time >= begin) & (time <= end)
        if now.any():
            T[now], y[now] = temperature(time[now]), heating
        begin = end
    return {"heatCapacitor.T": T, "temperatureSensor.T": T - 273.15, "onOffController.y": y}


SOLUTION = Solution(
    model="Modelica.Thermal.HeatTransfer.Examples.ControlledTemperature",
    defaults={
        "TAmb": 293.15,
        "TDif": 2.0,
        "heatCapacitor.C": 1.0,
        "thermalConductor.G": 0.1,
        "resistor.alpha": 1 / 255,
        "ramp.offset": 25.0,
        "ramp.height": 25.0,
        "ramp.startTime": 2.0,
        "ramp.duration": 6.0,
    },
    exact=_switching,
    others=(
        {"TDif": 0.5, "heatCapacitor.C": 0.5, "thermalConductor.G": 0.2},
        {"TAmb": 280.0, "thermalConductor.G": 0.3},
        {"ramp.height": -20.0, "ramp.offset": 40.0, "ramp.duration": 0.5, "resistor.alpha": 0.0},
    ),
    jumps=lambda p: np.array([end for end, _, _ in _pieces(p)]),
)
