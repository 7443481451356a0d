"""What a library model must compute, known without it: one file for each under physics/."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway_library.verification import Mode
from gateway_simulation.comparison import span
from gateway_simulation.model import Model
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import InputSignal, SimulationRequest, Solver
from gateway_simulation.runner import Simulator

Numbers = NDArray[np.float64]
Values = Mapping[str, float]
Given = Mapping[str, Any]  # numbers, and arrays as nested lists

_BESIDE_A_JUMP = 1e-6  # of the experiment: closer to a jump no values are compared


def no_jumps(_: Given) -> Numbers:
    """Of a solution that is continuous."""
    return np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A closed form or an independent integration of one model.

    `exact` gives the signals at the given times, shape (n,) [s], for complete `values`: `defaults`,
    written down apart from the card, or with one of `others` over them. `jumps` are the instants
    [s] where a signal jumps. `stop` [s] is where to end and `step` [s] how finely to look, if not
    as the default experiment does.
    `within` bounds the error, relative to each signal's range, of Model Exchange at a tolerance of
    1e-10 and of other values than the defaults; of the defaults, Co-Simulation has the card's.
    """

    model: str
    defaults: Given
    exact: Callable[[Numbers, Given], dict[str, Numbers]]
    others: tuple[Given, ...]
    jumps: Callable[[Given], Numbers] = no_jumps
    inputs: tuple[InputSignal, ...] = ()
    stop: float | None = None
    step: float | None = None
    within: float = 1e-6


def solutions() -> dict[str, Solution]:
    """Every `SOLUTION` of a file under physics/, by the model's name."""
    folder = Path(__file__).with_name("physics")
    names = [module.name for module in pkgutil.iter_modules([str(folder)])]
    found = [import_module(f"library.physics.{name}").SOLUTION for name in names]
    return {solution.model: solution for solution in found}


def errors(
    model: Model, solution: Solution, values: Given, mode: Mode, simulator: Simulator
) -> dict[str, float]:
    """How far a run is from the solution: by signal, relative to the signal's range."""
    complete = {**solution.defaults, **values}
    columns = list(solution.exact(np.array([0.0, 1e-9]), complete))
    request = _request(model, solution, values, mode, columns)
    run = simulator.run(plan(model, request, RunLimits()))
    last = len(run.time) - 1 - np.unique(run.time[::-1], return_index=True)[1]
    time = run.time[last]
    calm = np.ones(len(time), dtype=bool)
    for jump in solution.jumps(complete):
        calm &= np.abs(time - jump) > _BESIDE_A_JUMP * time[-1]
    expected = _expected(solution, time, complete)
    return {
        name: float(np.abs(run.column(name)[last] - wanted)[calm].max()) / span(wanted)
        for name, wanted in expected.items()
    }


_known: dict[tuple[str, str, bytes], dict[str, Numbers]] = {}


def _expected(solution: Solution, time: Numbers, values: Given) -> dict[str, Numbers]:
    """The solution; each is found once, though several versions and kinds are held against it."""
    key = (solution.model, repr(values), time.tobytes())
    if key not in _known:
        _known[key] = solution.exact(time, values)
    return _known[key]


def _request(
    model: Model, solution: Solution, values: Given, mode: Mode, columns: list[str]
) -> SimulationRequest:
    return SimulationRequest(
        fmu_id=model.id,
        stop_time=solution.stop,
        step=solution.step,
        start_values=dict(values),
        input_signals=list(solution.inputs),
        outputs=columns,
        mode=mode,
        solver=Solver(relative_tolerance=1e-10 if mode == "model_exchange" else None),
    )
