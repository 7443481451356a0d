"""Modelica.Mechanics.Rotational.Examples.OneWayClutch: sliding, or both inertias as one."""

from __future__ import annotations

import math

from library.modes import Modal, hybrid
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    "inertiaIn.J": 1.0,
    "inertiaOut.J": 1.0,
    "inertiaIn.w": -0.5,
    "oneWayClutch.w_rel": 0.5,
    "oneWayClutch.fn_max": 3.0,
    "oneWayClutch.mu_pos[1,2]": 0.5,
    "oneWayClutch.peak": 25.0,
    "signalTorque.amplitude": 10.0,
    "signalTorque.f": 3.0,
    "signalEngagement.amplitude": 1.0,
    "signalEngagement.width": 50.0,
    "signalEngagement.period": 1.3,
    "signalEngagement.startTime": 0.3,
}


def _edges(p: Values, end: float) -> list[tuple[float, bool]]:
    """When the clutch is pressed (True) and released (False)."""
    found, rise = [], p["signalEngagement.startTime"]
    while rise <= end:
        pressed = p["signalEngagement.width"] / 100 * p["signalEngagement.period"]
        found += [(rise, True), (rise + pressed, False)]
        rise += p["signalEngagement.period"]
    return found


def _drive(time: Numbers, p: Values) -> dict[str, Numbers]:
    edges = _edges(p, float(time[-1]))
    fastest = p["oneWayClutch.mu_pos[1,2]"] * p["oneWayClutch.fn_max"]
    peak = max(p["oneWayClutch.peak"], 1.0001)
    both = p["inertiaIn.J"] + p["inertiaOut.J"]

    def torque(t: float) -> float:
        return p["signalTorque.amplitude"] * math.sin(2 * math.pi * p["signalTorque.f"] * t)

    # a mode is whether the clutch is held, and whether it is pressed
    def slope(t: float, x: Numbers, mode: tuple[bool, bool]) -> list[float]:
        held, pressed = mode
        _, w_in, _, w_out = x
        if held:
            return [w_in, torque(t) / both, w_out, torque(t) / both]
        tau = fastest * p["signalEngagement.amplitude"] if pressed else 0.0
        a_in, a_out = (torque(t) + tau) / p["inertiaIn.J"], -tau / p["inertiaOut.J"]
        return [w_in, a_in, w_out, a_out]

    def guards(t: float, x: Numbers, mode: tuple[bool, bool]) -> list[float]:
        held, pressed = mode
        if not held:
            return [x[3] - x[1]]
        most = peak * fastest * p["signalEngagement.amplitude"] if pressed else 1e-4 * fastest
        return [most + torque(t) * p["inertiaOut.J"] / both]

    def switch(
        t: float, x: Numbers, mode: tuple[bool, bool], fired: int | None
    ) -> tuple[tuple[bool, bool], Numbers]:
        held = mode[0] != (fired is not None)
        pressed = [on for when, on in edges if when <= t]
        after = (held, bool(pressed) and pressed[-1])
        if fired is None and held and guards(t, x, after)[0] < 0:
            after = (False, after[1])
        if fired is not None and held:
            x[1] = x[3] = (x[1] + x[3]) / 2
        return after, x

    w_in = p["inertiaIn.w"]
    start = [0.0, w_in, 0.0, w_in + p["oneWayClutch.w_rel"]]
    problem = Modal(slope=slope, guards=guards, switch=switch, breaks=[t for t, _ in edges])
    phi_in, w_in_, phi_out, w_out = hybrid(problem, (False, False), start, time)
    return {
        "inertiaIn.phi": phi_in,
        "inertiaIn.w": w_in_,
        "oneWayClutch.phi_rel": phi_out - phi_in,
        "oneWayClutch.w_rel": w_out - w_in_,
    }


SOLUTION = Solution(
    model="Modelica.Mechanics.Rotational.Examples.OneWayClutch",
    defaults=DEFAULTS,
    exact=_drive,
    others=(
        {"oneWayClutch.peak": 1.0, "signalEngagement.period": 0.37, "inertiaOut.J": 3.0},
        {"signalEngagement.amplitude": 0.0, "signalTorque.f": 0.7},
        {"signalEngagement.width": 100.0, "signalEngagement.startTime": -0.4, "inertiaIn.J": 0.2},
    ),
)
