"""A short trial of a model after its upload: whether it runs, and whether a reset restores it.

Many FMUs forget to restore something (the Reference FMU Stair keeps its counter). Runs of a study
share one instance only where the trial saw two runs with a reset in between give the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from gateway_simulation.exceptions import RequestError, RunError
from gateway_simulation.model import Kind, Model
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory

_STEPS: Final = 50
_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What was seen. `failure`: what went wrong in the first run, in our words; None if nothing."""

    resets: bool
    failure: str | None


def tried(simulator: Simulator, model: Model, turn: str = "") -> Trial:
    """The model's trial, made when it is first asked for and kept beside its files.

    `turn` is whose turn its runs take. Raises BusyError where no core came free.
    """
    place = _place(model.folder)
    try:
        return Trial(**json.loads(place.read_bytes()))
    except (OSError, ValueError, TypeError):
        pass
    trials = [_try(simulator, model, kind, turn) for kind in model.description.kinds]
    failure = next((trial.failure for trial in trials if trial.failure), None)
    found = Trial(all(trial.resets for trial in trials), failure)
    place.write_text(json.dumps({"resets": found.resets, "failure": found.failure}))
    return found


def _place(folder: Path) -> Path:
    return folder / "trial.json"


def _try(simulator: Simulator, model: Model, kind: Kind, turn: str) -> Trial:
    request = SimulationRequest(fmu_id=model.id, mode=kind)
    try:
        run = plan(replace(model, resets=True), request, RunLimits())
    except RequestError as error:
        return Trial(resets=False, failure=str(error))
    short = replace(run, stop_time=min(run.stop_time, run.start_time + _STEPS * run.step))
    first, second = simulator.run_all([short, short], _TIMEOUT_S, turn)
    if isinstance(first, RunError):
        return Trial(resets=False, failure=str(first))
    return Trial(resets=_same(first, second), failure=None)


def _same(first: Trajectory, second: Trajectory | RunError) -> bool:
    return (
        isinstance(second, Trajectory)
        and first.events == second.events
        and np.array_equal(first.time, second.time)
        and np.array_equal(first.values, second.values)
    )
