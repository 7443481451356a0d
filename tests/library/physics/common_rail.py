"""CommonRail, integrated by scipy between the edges of strokes and injections."""

from __future__ import annotations

from functools import cache

import numpy as np
from library.legs import Leg, between, instants, leg, sampled
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    "speed": 1970.0,
    "p_set": 1000.0,
    "injector.duration": 1.25,
    "rail.p": 600.0,
    "controller.I": 0.5,
    "rail.V": 20.0,
    "fuel.K0": 12000.0,
    "fuel.slope": 12.0,
    "leak.G": 5e-4,
    "firings": 2.0,
    "injector.q": 50.0,
    "injector.p_nominal": 1000.0,
    "injector.exponent": 0.5,
    "pump.V": 150.0,
    "pump.start": 0.27,
    "pump.length": 0.4,
    "controlled": 1,
    "pump.u_fixed": 0.5,
    "controller.K": 0.002,
    "controller.Ti": 0.1,
    "valve.p": 2000.0,
    "valve.G": 0.05,
}
END = 0.3


def _edges(p: Values) -> list[float]:
    """Where a pump or an injector starts or stops, with both ends of the experiment [s]."""
    if not p["speed"]:
        return [0.0, p["injector.duration"] / 1e3, END]
    period = 60 / (p["speed"] * p["firings"])
    starts = np.arange(np.ceil(END / period) + 1) * period
    stroke = p["pump.start"] * period
    offsets = [0.0, p["injector.duration"] / 1e3, stroke, stroke + p["pump.length"] * period]
    inside = {float(t) for t in np.add.outer(starts, offsets).ravel() if t < END}
    return sorted({*inside, 0.0, END})


def _works(p: Values, time: float) -> tuple[bool, bool]:
    """Whether the pump delivers and an injector is open at a time that is no edge."""
    if not p["speed"]:
        return False, time < p["injector.duration"] / 1e3
    period = 60 / (p["speed"] * p["firings"])
    since = time % period
    into_stroke = (since / period - p["pump.start"]) % 1
    began = time >= p["pump.start"] * period
    return began and into_stroke < p["pump.length"], since < p["injector.duration"] / 1e3


def _opening(p: Values, pressure: float, integral: float) -> tuple[float, float]:
    """Of the metering valve; and what the controller would have liked."""
    asked = p["controller.K"] * (p["p_set"] - pressure) + integral
    return (min(max(asked, 0.0), 1.0) if p["controlled"] else p["pump.u_fixed"]), asked


@cache
def _legs(values: tuple[tuple[str, float], ...]) -> list[Leg]:
    p = dict(values)
    states, legs = np.array([p["rail.p"], p["controller.I"], 0.0]), list[Leg]()
    for span in between(_edges(p)):
        legs.append(_leg(p, states, span))
        states = legs[-1].last
    return legs


def _leg(p: Values, states: Numbers, span: tuple[float, float]) -> Leg:
    pumping, injecting = _works(p, sum(span) / 2)
    full = p["pump.V"] / 1e3 * p["speed"] / 60 * p["firings"] / p["pump.length"]

    def slope(_: float, x: Numbers) -> list[float]:
        pressure, integral, _ = x
        u, asked = _opening(p, pressure, integral)
        inflow = full * u if pumping else 0.0
        nominal = p["injector.q"] * min(pressure / 10, 1.0) if injecting else 0.0
        injected = nominal * (pressure / p["injector.p_nominal"]) ** p["injector.exponent"]
        beyond = p["valve.G"] * max(pressure - p["valve.p"], 0.0)
        stiffness = (p["fuel.K0"] + p["fuel.slope"] * pressure) / p["rail.V"]
        error = p["p_set"] - pressure
        tracked = (p["controller.K"] * error + u - asked) / p["controller.Ti"]
        return [
            stiffness * (inflow - injected - p["leak.G"] * pressure - beyond),
            tracked if p["controlled"] else 0.0,
            injected * 1e3,
        ]

    return leg(slope, states, span, (pumping, injecting))


def _course(time: Numbers, p: Values) -> dict[str, Numbers]:
    (pressure, integral, injected), _ = sampled(_legs(tuple(p.items())), time)
    openings = [_opening(p, *x)[0] for x in zip(pressure, integral, strict=True)]
    return {"rail.p": pressure, "injected": injected, "pump.u": np.array(openings)}


SOLUTION = Solution(
    model="CommonRail",
    defaults=DEFAULTS,
    exact=_course,
    others=(
        {"controlled": 0, "fuel.slope": 0.0, "injector.exponent": 0.0, "pump.u_fixed": 0.3},
        {"speed": 4100.0, "p_set": 1800.0, "injector.duration": 0.7, "controller.K": 0.02},
        {"controlled": 0, "pump.u_fixed": 1.0, "valve.p": 900.0, "valve.G": 0.5},  # limited
        {"controlled": 0, "pump.u_fixed": 0.0, "leak.G": 0.01},  # runs dry
        {"speed": 0.0},
    ),
    jumps=lambda p: instants(_legs(tuple(p.items()))),
    within=1e-5,  # solvers step over the controller's limits, where the slope has a kink
)
