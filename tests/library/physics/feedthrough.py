"""Feedthrough: what goes in comes out, with the parameters added to the continuous one."""

from __future__ import annotations

import numpy as np
from library.solutions import Numbers, Solution, Values

from gateway_simulation.request import InputSignal

SWITCH = 0.95  # s, between two communication points of the default experiment


def _held(name: str, before: float, after: float) -> InputSignal:
    return InputSignal(name=name, time=[0, SWITCH], values=[before, after], interpolation="hold")


def _outputs(time: Numbers, p: Values) -> dict[str, Numbers]:
    later = time >= SWITCH
    return {
        "Float64_continuous_output": np.where(later, 6.0, 0.25)
        + p["Float64_fixed_parameter"]
        + p["Float64_tunable_parameter"],
        "Float64_discrete_output": np.where(later, -0.5, 1.5),
        "Int32_output": np.where(later, -7.0, 2.0),
        "Boolean_output": np.where(later, 0.0, 1.0),
        "Enumeration_output": np.where(later, 2.0, 1.0),
    }


SOLUTION = Solution(
    model="Feedthrough",
    defaults={"Float64_fixed_parameter": 0.0, "Float64_tunable_parameter": 0.0},
    exact=_outputs,
    others=({"Float64_fixed_parameter": 2.5, "Float64_tunable_parameter": -1.0},),
    jumps=lambda _: np.array(
        [SWITCH, 1.0]
    ),  # Co-Simulation sees it at the next communication point
    inputs=(
        _held("Float64_continuous_input", 0.25, 6.0),
        _held("Float64_discrete_input", 1.5, -0.5),
        _held("Int32_input", 2, -7),
        _held("Boolean_input", 1, 0),
        _held("Enumeration_input", 1, 2),
    ),
)
