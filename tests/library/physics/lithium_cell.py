"""LithiumCell, integrated by scipy up to its cut-off and on from there."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from library.legs import Leg, instants, leg, sampled
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    "I": 0.85,
    "T_ambient": 25.0,
    "SOC": 1.0,
    "v1": 0.0,
    "v2": 0.0,
    "T": 25.0,
    "capacity": 0.85,
    "efficiency": 1.0,
    "V_min": 3.0,
    "V_max": 4.2,
    "R0": 0.07446,
    "R1": 0.04669,
    "C1": 703.6,
    "R2": 0.04984,
    "C2": 4475.0,
    "E_a": 20000.0,
    "dU_dT": 0.0,
    "C_th": 17.0,
    "R_th": 25.0,
    "ocv.a0": 3.685,
    "ocv.a1": 0.2156,
    "ocv.a2": -0.1178,
    "ocv.a3": 0.3201,
    "ocv.b": -1.031,
    "ocv.c": 35.0,
}
END = 4500.0


def _circuit(p: Values, charge: float, temperature: float) -> tuple[float, ...]:
    """R0, R1, C1, R2, C2, the published fits divided by their plateaus."""
    arrhenius = math.exp(p["E_a"] / 8.314462618 * (1 / (temperature + 273.15) - 1 / 298.15))
    s, held = charge, max(charge, 0.03)
    return (
        p["R0"] * arrhenius * (1 + 0.1562 / 0.07446 * math.exp(-24.37 * s)),
        p["R1"] * arrhenius * (1 + 0.3208 / 0.04669 * math.exp(-29.14 * s)),
        p["C1"] * (1 - 752.9 / 703.6 * math.exp(-13.51 * held)),
        p["R2"] * arrhenius * (1 + 6.603 / 0.04984 * math.exp(-155.2 * s)),
        p["C2"] * (1 - 6056 / 4475 * math.exp(-27.12 * held)),
    )


def _voltage(p: Values, x: Numbers, current: float) -> float:
    charge, v1, v2, temperature = x
    terms = [p[f"ocv.a{power}"] * charge**power for power in range(4)]
    source = sum(terms) + p["ocv.b"] * math.exp(-p["ocv.c"] * charge)
    series = _circuit(p, charge, temperature)[0] * current
    return float(source - v1 - v2 - series)


def _heat(p: Values, x: Numbers, current: float) -> float:
    charge, v1, v2, temperature = x
    r0, r1, _, r2, _ = _circuit(p, charge, temperature)
    reversible = -current * (temperature + 273.15) * p["dU_dT"]
    return float(r0 * current**2 + v1**2 / r1 + v2**2 / r2 + reversible)


def _left(p: Values, x: Numbers) -> float:
    """Until the cut-off, in volts or charge."""
    voltage = _voltage(p, x, p["I"])
    if p["I"] > 0:
        return float(min(voltage - p["V_min"], x[0]))
    return float(min(p["V_max"] - voltage, 1 - x[0]))


@cache
def _legs(values: tuple[tuple[str, float], ...]) -> list[Leg]:
    p = dict(values)
    start = np.array([p["SOC"], p["v1"], p["v2"], p["T"]])
    if p["I"] == 0 or _left(p, start) <= 0:
        return [_leg(p, start, 0.0, 0.0)]
    first = _leg(p, start, 0.0, p["I"])
    return [first] if first.end >= END else [first, _leg(p, first.last, first.end, 0.0)]


def _leg(p: Values, states: Numbers, start: float, current: float) -> Leg:
    def slope(_: float, x: Numbers) -> list[float]:
        charge, v1, v2, temperature = x
        _, r1, c1, r2, c2 = _circuit(p, charge, temperature)
        efficiency = p["efficiency"] if current < 0 else 1.0
        cooling = (temperature - p["T_ambient"]) / p["R_th"]
        return [
            -efficiency * current / 3600 / p["capacity"],
            current / c1 - v1 / (r1 * c1),
            current / c2 - v2 / (r2 * c2),
            (_heat(p, x, current) - cooling) / p["C_th"],
        ]

    def guard(x: Numbers) -> float:
        return _left(p, x) if current else 1.0

    return leg(slope, states, (start, END), current, guard)


def _course(time: Numbers, p: Values) -> dict[str, Numbers]:
    states, currents = sampled(_legs(tuple(p.items())), time)
    points = list(zip(states.T, currents, strict=True))
    return {
        "SOC": states[0],
        "T": states[3],
        "V": np.array([_voltage(p, x, i) for x, i in points]),
        "Q_heat": np.array([_heat(p, x, i) for x, i in points]),
    }


SOLUTION = Solution(
    model="LithiumCell",
    defaults=DEFAULTS,
    exact=_course,
    others=(
        {"I": -0.4, "SOC": 0.1, "efficiency": 0.97, "V_max": 4.1},
        {"I": 2.5, "T_ambient": -10.0, "T": -10.0, "E_a": 40000.0, "dU_dT": -2e-4},
        {"I": 3.0, "capacity": 2.5, "R0": 0.02, "R1": 0.01, "C1": 2000.0, "C_th": 45.0},
        {"I": 0.0, "v1": 0.1, "v2": -0.05, "SOC": 0.5},
        {"I": -1.0, "SOC": 1.0},
    ),
    jumps=lambda p: instants(_legs(tuple(p.items()))),
)
