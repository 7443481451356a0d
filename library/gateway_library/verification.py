"""A library model against its published trajectory, which stands beside it as `reference.csv`.

First column `time` [s], the others named by the model's variables, in their units; an instant that
stands twice is an event, with the values before and after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from gateway_library.sources import models_folder
from gateway_simulation.comparison import departures, span
from gateway_simulation.model import Model
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator

Mode = Literal["co_simulation", "model_exchange"]
WINDOW: Final = 1e-4  # of the experiment: how far apart in time an event may be

_POINTS: Final = round(2 / WINDOW)  # so many that each window holds some


@dataclass(frozen=True, slots=True)
class Reference:
    """A published trajectory: `time` of shape (n,) [s], and for each signal as many values."""

    time: NDArray[np.float64]
    signals: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Verification:
    """How far a run is from its reference: by signal, relative to the signal's range."""

    errors: dict[str, float]
    wall_ms: float

    @property
    def error(self) -> float:
        """The largest of them."""
        return max(self.errors.values())


def reference_file(model_name: str) -> Path | None:
    """Where the published trajectory of a library model stands; None where it has none."""
    path = models_folder() / model_name / "reference.csv"
    return path if path.is_file() else None


def read_reference(path: Path) -> Reference:
    """The trajectory in a CSV file."""
    with path.open(encoding="utf-8") as file:
        names = [name.strip().strip('"') for name in file.readline().split(",")]
        table = np.loadtxt(file, delimiter=",", ndmin=2)
    signals = dict(zip(names[1:], np.ascontiguousarray(table.T[1:]), strict=True))
    return Reference(np.ascontiguousarray(table[:, 0]), signals)


def verify(model: Model, reference: Reference, simulator: Simulator, mode: Mode) -> Verification:
    """Run the model's default experiment and hold it against `reference`.

    Raises what planning and running raise; a signal that the model lacks is an input error there.
    """
    time, names = reference.time, list(reference.signals)
    duration = float(time[-1] - time[0])
    experiment = model.description.default_experiment
    step = experiment.step_size or duration / _POINTS
    request = SimulationRequest(
        fmu_id=model.id,
        start_time=float(time[0]),
        stop_time=float(time[-1]),
        step=step / max(1, round(_POINTS * step / duration)),
        outputs=names,
        mode=mode,
    )
    run = simulator.run(plan(model, request, RunLimits()))
    errors = {}
    for name, expected in reference.signals.items():
        apart = departures(time, expected, run.time, run.column(name), WINDOW * duration)
        errors[name] = float(apart.max()) / span(expected)
    return Verification(errors, run.wall_ms)
