"""HeatPumpRoom, integrated by scipy between the switchings of its thermostat."""

from __future__ import annotations

from functools import cache

import numpy as np
from library.legs import Leg, between, instants, leg, sampled
from library.solutions import Numbers, Solution, Values

from gateway_simulation.request import InputSignal

DEFAULTS: Values = {
    "room.T": 20.0,
    "mass.T": 19.0,
    "gains": 300.0,
    "modulating": 0,
    "band": 1.0,
    "controller.K": 0.5,
    "controller.Ti": 3600.0,
    "heatPump.u_min": 0.25,
    "heatPump.Q_nominal": 8000.0,
    "heatPump.k_capacity": 0.02,
    "heatPump.quality": 0.45,
    "heatPump.dT_evaporator": 8.0,
    "heatPump.dT_condenser": 4.0,
    "heatPump.P_standby": 10.0,
    "emitter.G": 500.0,
    "room.C": 5e6,
    "mass.C": 5e7,
    "room.G": 80.0,
    "mass.G": 600.0,
    "wall.G": 120.0,
}
DAY = 86400.0
HOURS = (0.0, 6.0, 9.0, 15.0, 20.0)
AMBIENT = (0.0, -9.0, 2.0, 8.0, -3.0)  # degC, from each of these hours on
WANTED = (18.0, 21.0, 20.0, 21.5, 19.0)  # degC


def _power(p: Values, room: float, ambient: float, u: float) -> tuple[float, float]:
    """Heat and electrical power [W] at a part `u` of the capacity."""
    heat = u * p["heatPump.Q_nominal"] * (1 + p["heatPump.k_capacity"] * (ambient - 7))
    hot = room + heat / p["emitter.G"] + p["heatPump.dT_condenser"] + 273.15
    cold = ambient - p["heatPump.dT_evaporator"] + 273.15
    carnot = hot / max(hot - cold, 10.0)
    cop = max(p["heatPump.quality"] * carnot, 1.0)
    return heat, heat / cop + p["heatPump.P_standby"]


def _part(p: Values, room: float, integral: float, wanted: float, *, on: bool) -> float:
    if not on:
        return 0.0
    if not p["modulating"]:
        return 1.0
    asked = p["controller.K"] * (wanted - room) + integral
    return min(max(asked, p["heatPump.u_min"]), 1.0)


@cache
def _legs(values: tuple[tuple[str, float], ...]) -> list[Leg]:
    p = dict(values)
    states = np.array([p["room.T"], p["mass.T"], 0.0, 0.0, 0.0])
    on, legs = False, list[Leg]()
    spans = between([hour * 3600 for hour in HOURS] + [DAY])
    for (start, end), ambient, wanted in zip(spans, AMBIENT, WANTED, strict=True):
        now = start
        while now < end:
            high, low = wanted + p["band"] / 2, wanted - p["band"] / 2
            on = states[0] <= low or (on and states[0] < high)
            legs.append(_leg(p, states, (now, end), (on, ambient, wanted)))
            now, states = legs[-1].end, legs[-1].last.copy()
            if now < end:  # the root is found to rounding: stand exactly on the edge of the band
                states[0] = high if on else low
    return legs


def _leg(
    p: Values, states: Numbers, span: tuple[float, float], mode: tuple[bool, float, float]
) -> Leg:
    on, ambient, wanted = mode

    def slope(_: float, x: Numbers) -> list[float]:
        room, mass, integral, _, _ = x
        u = _part(p, room, integral, wanted, on=on)
        heat, electrical = _power(p, room, ambient, u)
        error = wanted - room
        asked = p["controller.K"] * error + integral
        windup = (p["controller.K"] * error + u - asked) / p["controller.Ti"]
        inward, outward = p["mass.G"] * (mass - room), p["room.G"] * (ambient - room)
        return [
            (heat + p["gains"] + inward + outward) / p["room.C"],
            (p["wall.G"] * (ambient - mass) - inward) / p["mass.C"],
            windup if p["modulating"] else 0.0,
            electrical,
            heat,
        ]

    def guard(x: Numbers) -> float:
        return float(wanted + p["band"] / 2 - x[0] if on else x[0] - wanted + p["band"] / 2)

    return leg(slope, states, span, mode, guard)


def _day(time: Numbers, p: Values) -> dict[str, Numbers]:
    (room, mass, integral, energy, heat), modes = sampled(_legs(tuple(p.items())), time)
    powers = []
    for t, i, (on, ambient, wanted) in zip(room, integral, modes, strict=True):
        powers.append(_power(p, t, ambient, _part(p, t, i, wanted, on=on)))
    return {
        "room.T": room,
        "mass.T": mass,
        "heatPump.E": energy,
        "heatPump.H": heat,
        "heatPump.Q": np.array([q for q, _ in powers]),
        "heatPump.P": np.array([e for _, e in powers]),
    }


def _signal(name: str, values: tuple[float, ...]) -> InputSignal:
    times = [hour * 3600 for hour in HOURS]
    return InputSignal(name=name, time=times, values=list(values), interpolation="hold")


SOLUTION = Solution(
    model="HeatPumpRoom",
    defaults=DEFAULTS,
    exact=_day,
    others=(
        {"modulating": 1},
        {"modulating": 1, "heatPump.u_min": 0.0, "controller.Ti": 600.0, "heatPump.quality": 0.3},
        {"band": 3.0, "room.C": 2e6, "emitter.G": 150.0, "gains": 1500.0, "room.T": 25.0},
        {"heatPump.Q_nominal": 0.0, "heatPump.quality": 0.05, "mass.G": 0.0},
    ),
    jumps=lambda p: instants(_legs(tuple(p.items()))),
    inputs=(_signal("T_ambient", AMBIENT), _signal("T_set", WANTED)),
)
