"""Modelica's PreLoad, integrated by scipy from one change of a contact's force law to the next."""

from __future__ import annotations

import math

import numpy as np
from library.integration import Hybrid, Sides, switching
from library.physics.elasto_gap import gap_boundaries, push
from library.solutions import Numbers, Solution, Values

GAPS = ("outerContactA", "outerContactB", "innerContactA", "innerContactB")
DEFAULTS: Values = {
    "spool.m": 0.15,
    "spool.L": 0.19,
    "spool.s": 0.01475,
    "spool.v": 0.0,
    "springPlateA.m": 0.01,
    "springPlateA.L": 0.002,
    "springPlateA.s": -0.093,
    "springPlateB.m": 0.01,
    "springPlateB.L": 0.002,
    "springPlateB.s": -0.06925,
    "springPlateA.v": 0.0,
    "springPlateB.v": 0.0,
    "spring.c": 20e3,
    "spring.s_rel0": 0.025,
    **{f"{gap}.{q}": v for gap in GAPS for q, v in {"c": 1e6, "d": 250.0}.items()},
    "outerContactA.s_rel0": 1.5e-3,
    "outerContactB.s_rel0": 1.5e-3,
    "innerContactA.s_rel0": 1e-3,
    "innerContactB.s_rel0": 1e-3,
    "friction.d": 2500.0,
    "sineForce.amplitude": 150.0,
    "sineForce.f": 0.01,
    "fixedLe.s0": -0.0955,
    "housing.L": 0.0305,
    "rod1.L": 0.007,
    "rod2.L": 0.007,
    "rod3.L": 5.75e-3,
    "rod4.L": 5.75e-3,
}


def _gaps(p: Values, x: Numbers) -> list[tuple[float, float]]:
    """Length of each contact and its rate; `x`: positions, then velocities, of spool, A and B."""
    spool, a, b, spool_v, a_v, b_v = x
    middle, right_end = spool - p["spool.L"] / 2, p["fixedLe.s0"] + p["housing.L"]
    half_a, half_b = p["springPlateA.L"] / 2, p["springPlateB.L"] / 2
    return [
        (a - half_a - p["fixedLe.s0"], a_v),
        (right_end - b - half_b, -b_v),
        (a + half_a + p["rod1.L"] - middle + p["rod3.L"], a_v - spool_v),
        (middle + p["rod4.L"] - b + half_b + p["rod2.L"], spool_v - b_v),
    ]


def _motion(time: Numbers, p: Values) -> dict[str, Numbers]:
    laws = [[p[f"{gap}.{q}"] for q in ("s_rel0", "c", "d")] for gap in GAPS]
    masses = [p[f"{part}.m"] for part in ("spool", "springPlateA", "springPlateB")]
    plates = p["springPlateA.L"] / 2 + p["springPlateB.L"] / 2

    def boundaries(_: float, x: Numbers, __: Sides) -> list[float]:
        pairs = zip(_gaps(p, x), laws, strict=True)
        return [value for gap, law in pairs for value in gap_boundaries(*gap, *law)]

    def slope(t: float, x: Numbers, _: Sides) -> list[float]:
        pairs = zip(_gaps(p, x), laws, strict=True)
        outer_a, outer_b, inner_a, inner_b = (push(*gap, *law) for gap, law in pairs)
        spring = p["spring.c"] * (p["spring.s_rel0"] - (x[2] - x[1] - plates))
        work = p["sineForce.amplitude"] * math.sin(2 * math.pi * p["sineForce.f"] * t)
        forces = (
            work - inner_a + inner_b - p["friction.d"] * x[3],
            outer_a + inner_a - spring,
            spring - outer_b - inner_b,
        )
        return [*x[3:], *(force / mass for force, mass in zip(forces, masses, strict=True))]

    start = [p[f"{part}.{q}"] for q in "sv" for part in ("spool", "springPlateA", "springPlateB")]
    x = switching(Hybrid(slope, boundaries, 12), start, time, "LSODA")
    gaps = {name: np.array(gap) for name, gap in zip(GAPS, _gaps(p, x), strict=True)}
    return {
        "friction.v_rel": x[3],
        "innerContactA.s_rel": gaps["innerContactA"][0],
        "innerContactB.s_rel": gaps["innerContactB"][0],
        "outerContactA.v_rel": gaps["outerContactA"][1],
        "outerContactB.s_rel": gaps["outerContactB"][0],
        "outerContactB.v_rel": gaps["outerContactB"][1],
    }


SOLUTION = Solution(
    model="Modelica.Mechanics.Translational.Examples.PreLoad",
    defaults=DEFAULTS,
    exact=_motion,
    others=({"sineForce.f": 50.0, "friction.d": 50.0, "sineForce.amplitude": 400.0},),
    stop=0.04,
    step=1e-5,
)
