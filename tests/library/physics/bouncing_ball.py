"""BouncingBall in closed form: parabolas between the bounces."""

from __future__ import annotations

import itertools
import math

import numpy as np
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {"h": 1.0, "v": 0.0, "g": -9.81, "e": 0.7, "v_min": 0.1}


def bounce_times(p: Values = DEFAULTS) -> Numbers:
    """When the ball, dropped at rest, touches the floor [s]."""
    return np.array([start for start, _, _ in _flights(p)[1:]])


def _flights(p: Values) -> list[tuple[float, float, float]]:
    """(start, height, speed) of each flight."""
    speed = math.sqrt(-2 * p["g"] * p["h"])
    time = speed / -p["g"]
    found = [(0.0, p["h"], 0.0)]
    while (speed := p["e"] * speed) > p["v_min"]:
        found.append((time, 0.0, speed))
        time += 2 * speed / -p["g"]
    return [*found, (time, 0.0, math.nan)]


def _parabolas(time: Numbers, p: Values) -> dict[str, Numbers]:
    h, v = np.zeros_like(time), np.zeros_like(time)
    for (start, height, speed), (end, _, _) in itertools.pairwise(_flights(p)):
        now = (time >= start) & (time < end)
        t = time[now] - start
        h[now] = height + speed * t + p["g"] * t**2 / 2
        v[now] = speed + p["g"] * t
    return {"h": h, "v": v}


SOLUTION = Solution(
    model="BouncingBall",
    defaults=DEFAULTS,
    exact=_parabolas,
    others=({"h": 3.0, "g": -1.62, "e": 0.9, "v_min": 0.5}, {"e": 0.0}),
    jumps=bounce_times,
)
