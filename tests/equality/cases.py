"""Simulations that FMPy and we are both asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

CS: Final = "co_simulation"
ME: Final = "model_exchange"
MODES: Final = (CS, ME)


class Input(NamedTuple):
    """One scalar input over time, as both sides are told it."""

    name: str
    time: tuple[float, ...]
    values: tuple[float, ...]
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """One simulation that both sides are asked for."""

    model: str
    mode: str
    what: str
    request: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[Input, ...] = ()

    def __str__(self) -> str:
        short = "CS" if self.mode == CS else "ME"
        return f"{self.model} {short} {self.what}"


MODELS: Final = (
    *(
        f"{version}/{name}"
        for version in ("fmi2", "fmi3")
        for name in ("BouncingBall", "Dahlquist", "Feedthrough", "Stair", "VanDerPol")
    ),
    "fmi3/StateSpace",
)
CLUTCHES: Final = "CoupledClutches_CS_linux64"

_START_VALUES: Final[dict[str, dict[str, Any]]] = {
    "BouncingBall": {"e": 0.5, "h": 2.0},
    "Dahlquist": {"k": 2.5, "x": 3.0},
    "Feedthrough": {
        "Float64_fixed_parameter": 2.5,
        "Float64_continuous_input": 1.25,
        "Int32_input": 7,
        "Boolean_input": True,
        "Enumeration_input": 2,
    },
    "Stair": {"counter": 3},
    "VanDerPol": {"mu": 5.0, "x0": 1.5},
    "StateSpace": {
        "A": [[-1, 0.5, 0], [0, -2, 0.25], [0.1, 0, -0.5]],
        "x0": [1, 2, 3],
        "u": [0, 1, 0],
    },
}
_TWO_BY_ONE: Final[dict[str, Any]] = {
    "m": 1, "n": 2, "r": 2,
    "A": [[-1, 0], [0, -2]], "B": [[0], [0]], "C": [[1, 0], [0, 1]], "D": [[0], [0]],
    "x0": [1, 1], "u": [0],
}  # fmt: skip
_INTEGERS: Final = ("Int8", "UInt8", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64")


def _tolerances() -> Iterator[Case]:
    for name in MODELS:
        for tolerance in (1e-4, 1e-6, 1e-9):
            solver = {"name": "cvode", "relative_tolerance": tolerance}
            request = {"step": 1 / 64, "stop_time": 1.25, "solver": solver}
            yield Case(name, ME, f"tolerance {tolerance:g}", request)


def _grids() -> Iterator[Case]:
    for name in (*MODELS, CLUTCHES):
        for mode in MODES[: 1 if name == CLUTCHES else 2]:
            yield Case(name, mode, "default experiment")
            for step, stop in ((1 / 64, 1.25), (0.1, 1.5), (0.07, 1.5)):
                request = {"step": step, "stop_time": stop}
                yield Case(name, mode, f"step {step:g}", request)
            for start in (0.3, -2.5, 1e6):
                request = {"step": 0.1, "start_time": start, "stop_time": start + 1.5}
                yield Case(name, mode, f"start {start:g}", request)
    since_1970 = {"step": 0.1, "start_time": 1.7e9, "stop_time": 1.7e9 + 1.5}
    for name, mode in (*((name, ME) for name in MODELS), ("fmi2/Dahlquist", CS)):
        yield Case(name, mode, "start 1.7e+09", since_1970)
    yield Case(CLUTCHES, CS, "stop that rounding passes", {"step": 0.01, "stop_time": 1.4})


def _fixed_steps() -> Iterator[Case]:
    for name in MODELS:
        for step, size in ((0.01, 0.01), (0.3, 0.3), (0.1, 0.01)):
            solver = {"name": "euler", "step_size": size}
            request = {"step": step, "stop_time": 2, "solver": solver}
            yield Case(name, ME, f"euler {size:g} in {step:g}", request)


def _starts() -> Iterator[Case]:
    for name in MODELS:
        for mode in MODES:
            values = _START_VALUES[name.partition("/")[2]]
            request = {"step": 1 / 64, "stop_time": 1.25, "start_values": values}
            yield Case(name, mode, "start values", request)
    for mode in MODES:
        request = {"step": 0.1, "start_values": _TWO_BY_ONE}
        yield Case("fmi3/StateSpace", mode, "structural parameters", request)
    changed = {"step": 1 / 64, "stop_time": 1.0, "start_values": {"T2": 0.2}}
    yield Case(CLUTCHES, CS, "start values", changed)


def _driven() -> Iterator[Case]:
    for version in ("fmi2", "fmi3"):
        for mode in MODES:
            for what, inputs in _feedthrough_inputs(version).items():
                for step in (0.25, 0.3):
                    request = {"step": step, "stop_time": 2}
                    name = f"{what} each {step:g}"
                    yield Case(f"{version}/Feedthrough", mode, name, request, inputs)
    for what, inputs in _vector_inputs().items():
        for mode in MODES:
            for step in (0.25, 0.1):
                request = {"step": step, "stop_time": 2}
                yield Case("fmi3/StateSpace", mode, f"{what} each {step:g}", request, inputs)
        by_euler = {"step": 0.25, "stop_time": 2, "solver": {"name": "euler"}}
        yield Case("fmi3/StateSpace", ME, f"{what} by euler", by_euler, inputs)


def _feedthrough_inputs(version: str) -> dict[str, tuple[Input, ...]]:
    ramp = Input("Float64_continuous_input", (0, 2), (0, 2))
    number = Input("Int32_input", (0, 1), (1, 2), hold=True)
    found = {
        "ramp": (ramp,),
        "kinked ramp": (Input("Float64_continuous_input", (0, 0.7, 2), (0, 1, -1)),),
        "held continuous": (Input("Float64_continuous_input", (0, 0.77), (1, -1), hold=True),),
        "held discrete": (Input("Float64_discrete_input", (0, 0.77), (1, -1), hold=True),),
        "held on grid": (Input("Float64_discrete_input", (0, 1.5), (0, 3), hold=True),),
        "integer": (number,),
        "boolean": (Input("Boolean_input", (0, 1), (0, 1), hold=True),),
        "enumeration": (Input("Enumeration_input", (0, 1.5), (1, 2), hold=True),),
        "ramp and integer": (ramp, number),
    }
    if version == "fmi3":
        every = (Input(f"{kind}_input", (0, 1), (1, 2), hold=True) for kind in _INTEGERS)
        found["all integers"] = tuple(every)
        found["single precision ramp"] = (Input("Float32_continuous_input", (0, 2), (0, 2)),)
    return found


def _vector_inputs() -> dict[str, tuple[Input, ...]]:
    def each(*time: float, hold: bool = False) -> tuple[Input, ...]:
        ends = (0.0, 1.0)[-len(time) :]
        return tuple(
            Input(f"u[{i}]", time, tuple(i * end for end in ends), hold) for i in (1, 2, 3)
        )

    return {
        "constants": each(0),
        "ramps": each(0, 2),
        "jumps on grid": each(0, 1.5, hold=True),
        "jumps": each(0, 0.77, hold=True),
    }


CASES: Final = (*_tolerances(), *_grids(), *_fixed_steps(), *_starts(), *_driven())
