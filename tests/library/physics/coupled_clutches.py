"""Modelica.Mechanics.Rotational.Examples.CoupledClutches: at rest, every way to go on is tried."""

from __future__ import annotations

import itertools
import math

import numpy as np
from library.modes import Modal, hybrid
from library.solutions import Numbers, Solution, Values

CLUTCHES = (0, 1, 2)
DEFAULTS: Values = {
    **{f"J{k}.J": 1.0 for k in (1, 2, 3, 4)},
    **{f"clutch{k}.fn_max": 20.0 for k in (1, 2, 3)},
    **{f"clutch{k}.mu_pos[1,2]": 0.5 for k in (1, 2, 3)},
    **{f"clutch{k}.peak": 1.1 for k in (1, 2, 3)},
    "sin1.amplitude": 10.0,
    "sin1.f": 5.0,
    "f": 0.2,
    "T2": 0.4,
    "T3": 0.9,
    "J1.w": 10.0,
    "clutch1.w_rel": -10.0,
    "clutch2.w_rel": 0.0,
    "clutch3.w_rel": 0.0,
}

STUCK, OPEN = 0, 2  # beside 1 and -1, the direction of sliding
Modes = tuple[int, ...]


class _Train:
    """Four inertias and three clutches; states are four angles, then four speeds."""

    def __init__(self, p: Values) -> None:
        self.p = p
        self.inertia = [p[f"J{k}.J"] for k in (1, 2, 3, 4)]
        self.peak = [p[f"clutch{k}.peak"] for k in (1, 2, 3)]

    def pressure(self, t: float) -> list[float]:
        return [
            math.cos(2 * math.pi * self.p["f"] * t),
            float(t >= self.p["T2"]),
            float(t >= self.p["T3"]),
        ]

    def friction(self, t: float) -> list[float]:
        return [
            self.p[f"clutch{k + 1}.mu_pos[1,2]"] * self.p[f"clutch{k + 1}.fn_max"] * pressure
            for k, pressure in enumerate(self.pressure(t))
        ]

    def balance(self, t: float, modes: Modes) -> tuple[Numbers, Numbers]:
        """Four accelerations and the clutches' three torques."""
        matrix, right = np.zeros((7, 7)), np.zeros(7)
        for i, inertia in enumerate(self.inertia):
            matrix[i, i] = inertia
            if i < 3:
                matrix[i, 4 + i] = -1
            if i > 0:
                matrix[i, 3 + i] = 1
        right[0] = self.p["sin1.amplitude"] * math.sin(2 * math.pi * self.p["sin1.f"] * t)
        friction = self.friction(t)
        for k in CLUTCHES:
            if modes[k] == STUCK:
                matrix[4 + k, [k, k + 1]] = -1, 1
            else:
                matrix[4 + k, 4 + k] = 1
                right[4 + k] = 0 if modes[k] == OPEN else modes[k] * friction[k]
        found: Numbers = np.asarray(np.linalg.solve(matrix, right), dtype=np.float64)
        return found[:4], found[4:]

    def slope(self, t: float, x: Numbers, modes: Modes) -> Numbers:
        return np.concatenate([x[4:], self.balance(t, modes)[0]])

    def guards(self, t: float, x: Numbers, modes: Modes) -> list[float]:
        """Of each clutch what keeps it pressed or open, and what keeps its motion."""
        pressure, friction, torques = self.pressure(t), self.friction(t), self.balance(t, modes)[1]
        found = []
        for k in CLUTCHES:
            if modes[k] == OPEN:
                found += [-pressure[0] if k == 0 else 1.0, 1.0]
            elif modes[k] == STUCK:
                found += [pressure[k], self.peak[k] * friction[k] - abs(torques[k])]
            else:
                found += [pressure[k], modes[k] * (x[5 + k] - x[4 + k])]
        return found

    def switch(
        self, t: float, x: Numbers, modes: Modes, fired: int | None
    ) -> tuple[Modes, Numbers]:
        pressure, torques = self.pressure(t), self.balance(t, modes)[1]
        choices: list[list[int]] = []
        for k in CLUTCHES:
            speed = x[5 + k] - x[4 + k]
            turned = fired == 2 * k  # pressed or opened at this instant, where its pressure is zero
            pressed = pressure[k] > 0 if fired is None else (modes[k] == OPEN) == turned
            if not pressed:
                choices.append([OPEN])
            elif fired == 2 * k + 1 and modes[k] == STUCK:
                choices.append([int(np.sign(torques[k]))])
            elif abs(speed) < 1e-9 and (modes[k] in {STUCK, OPEN} or fired == 2 * k + 1):
                choices.append([STUCK, 1, -1])
            else:
                choices.append([int(np.sign(speed))])
        at_rest = [len(choice) > 1 or modes[k] == STUCK for k, choice in enumerate(choices)]
        for candidate in sorted(itertools.product(*choices), key=lambda c: -c.count(STUCK)):
            if self._holds(t, candidate, at_rest):
                return candidate, x
        message = f"no way to go on at {t} s"
        raise AssertionError(message)

    def _holds(self, t: float, modes: Modes, at_rest: list[bool]) -> bool:
        accelerations, torques = self.balance(t, modes)
        friction = self.friction(t)
        for k in CLUTCHES:
            relative = accelerations[k + 1] - accelerations[k]
            if modes[k] == STUCK and abs(torques[k]) > self.peak[k] * friction[k] * (1 + 1e-10):
                return False
            if modes[k] in {1, -1} and at_rest[k] and modes[k] * relative < 0:
                return False
        return True


def _drive(time: Numbers, p: Values) -> dict[str, Numbers]:
    train = _Train(p)
    speeds = np.cumsum([p["J1.w"], *(p[f"clutch{k}.w_rel"] for k in (1, 2, 3))])
    problem = Modal(
        slope=train.slope, guards=train.guards, switch=train.switch, breaks=[p["T2"], p["T3"]]
    )
    found = hybrid(problem, (OPEN, OPEN, OPEN), [0.0] * 4 + speeds.tolist(), time)
    signals = {"J1.phi": found[0], "J1.w": found[4]}
    for k in CLUTCHES:
        signals[f"clutch{k + 1}.phi_rel"] = found[k + 1] - found[k]
        signals[f"clutch{k + 1}.w_rel"] = found[k + 5] - found[k + 4]
    return signals


SOLUTION = Solution(
    model="Modelica.Mechanics.Rotational.Examples.CoupledClutches",
    defaults=DEFAULTS,
    exact=_drive,
    others=(
        {"f": 0.8, "sin1.amplitude": 40.0, "T3": 0.2, "clutch3.fn_max": 5.0},
        {"clutch2.peak": 1.0, "clutch3.peak": 2.0, "J3.J": 0.3, "sin1.f": 2.0, "T2": 0.0},
        {"sin1.amplitude": 60.0, "J1.J": 0.5, "J4.J": 5.0, "T2": 0.1, "T3": 0.3, "f": 0.05},
    ),
)
