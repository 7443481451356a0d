"""Modelica's ElastoGap, integrated from one change of a contact's force law to the next."""

from __future__ import annotations

from library.integration import Hybrid, Sides, explicit, switching
from library.solutions import Numbers, Solution, Values

DEFAULTS: Values = {
    "mass1.m": 1.0,
    "mass1.s": 2.0,
    "mass1.v": 0.0,
    "rod1.L": 2.0,
    "mass2.m": 1.0,
    "mass2.s": 2.0,
    "mass2.v": 0.0,
    "rod2.L": 2.0,
    **{
        f"springDamper{i}.{q}": v
        for i in (1, 2)
        for q, v in {"c": 10.0, "d": 1.5, "s_rel0": 1.0}.items()
    },
    **{
        f"elastoGap{i}.{q}": v
        for i in (1, 2)
        for q, v in {"c": 10.0, "d": 1.5, "s_rel0": 1.5}.items()
    },
}


def gap_boundaries(s_rel: float, v_rel: float, s_rel0: float, c: float, d: float) -> list[float]:
    """Of a contact: it touches; its damper doesn't outdo its spring in pulling, nor in pushing."""
    spring = c * (s_rel0 - s_rel)
    return [s_rel0 - s_rel, spring - d * v_rel, spring + d * v_rel]


def push(s_rel: float, v_rel: float, s_rel0: float, c: float, d: float) -> float:
    """Force [N] by which the ends of a contact push each other away."""
    spring = max(0.0, c * (s_rel0 - s_rel))
    return min(max(spring - d * v_rel, 0.0), 2 * spring)


def _motion(time: Numbers, p: Values) -> dict[str, Numbers]:
    def linear(_: float, x: Numbers) -> list[float]:
        (c1, d1, l1), (c2, d2, l2) = (
            [p[f"springDamper{i}.{q}"] for q in ("c", "d", "s_rel0")] for i in (1, 2)
        )
        left = -c1 * (x[0] + p["rod1.L"] - l1) - d1 * x[1]
        right = c2 * (p["rod2.L"] - x[0] - l2) - d2 * x[1]
        return [x[1], (left + right) / p["mass1.m"]]

    laws = [[p[f"elastoGap{i}.{q}"] for q in ("s_rel0", "c", "d")] for i in (1, 2)]

    def boundaries(_: float, x: Numbers, __: Sides) -> list[float]:
        left = gap_boundaries(p["rod1.L"] + x[0], x[1], *laws[0])
        return left + gap_boundaries(p["rod2.L"] - x[0], -x[1], *laws[1])

    def lifting_off(_: float, x: Numbers, __: Sides) -> list[float]:
        left = push(p["rod1.L"] + x[0], x[1], *laws[0])
        right = push(p["rod2.L"] - x[0], -x[1], *laws[1])
        return [x[1], (left - right) / p["mass2.m"]]

    s1, v1 = explicit(linear, [p["mass1.s"], p["mass1.v"]], time)
    start = [p["mass2.s"], p["mass2.v"]]
    s2, v2 = switching(Hybrid(lifting_off, boundaries, 6), start, time)
    return {
        "springDamper1.v_rel": v1,
        "springDamper2.s_rel": p["rod2.L"] - s1,
        "elastoGap1.v_rel": v2,
        "elastoGap2.s_rel": p["rod2.L"] - s2,
    }


SOLUTION = Solution(
    model="Modelica.Mechanics.Translational.Examples.ElastoGap",
    defaults=DEFAULTS,
    exact=_motion,
    others=(
        {"mass2.m": 0.3, "elastoGap1.c": 300.0, "elastoGap2.c": 100.0, "elastoGap2.d": 0.1},
        {"mass2.s": 0.0, "mass2.v": 3.0, "elastoGap1.d": 100.0, "rod1.L": 1.0, "mass1.m": 5.0},
        {"elastoGap1.s_rel0": 2.5, "elastoGap2.s_rel0": 2.5, "springDamper1.c": 0.0},
    ),
)
