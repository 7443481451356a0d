"""A canonical run: everything a run depends on, checked, completed and hashed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from gateway_simulation import instants
from gateway_simulation.canonical import sha256_of
from gateway_simulation.kpis import Kpi
from gateway_simulation.model import Kind, Model, Scalar, Variable
from gateway_simulation.notices import Names

SolverName = Literal["cvode", "euler", "rk4"]
Engine = Literal["native", "fmpy"]

FORMAT: Final = 3
"""Part of every hash: raised whenever the same request may give other numbers."""


@dataclass(frozen=True, slots=True)
class StartValue:
    """Values for one variable before the start: one for a scalar, row-major for an array."""

    name: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Signal:
    """One scalar input over time: a variable, or element `index` of an array (row-major).

    `hold` keeps each value until the next time, otherwise values are interpolated linearly; before
    the first and after the last time the value is held.
    """

    name: str
    variable: Variable
    index: int
    time: tuple[float, ...]
    values: tuple[float, ...]
    hold: bool


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the result: a scalar variable, or element `index` of an array, row-major."""

    name: str
    variable: Variable
    index: int = 0


@dataclass(frozen=True, slots=True)
class CanonicalRun:
    """One run of one model. Times in seconds, values in the variables' own units.

    `outputs` names the columns of the result, elements of arrays one by one (`x[1,2]`), in order.
    `solver` and `step_size` are None for Co-Simulation, `communication_step` for Model Exchange.
    `shapes` holds the shapes that structural parameters change, `decided` the names that warnings
    are about.
    """

    model: Model
    mode: Kind
    engine: Engine
    solver: SolverName | None
    relative_tolerance: float | None
    step_size: float | None
    start_time: float
    stop_time: float
    step: float
    communication_step: float | None
    start_values: tuple[StartValue, ...]
    inputs: tuple[Signal, ...]
    columns: tuple[Column, ...]
    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    check_accuracy: bool
    kpis: tuple[Kpi, ...]
    display_units: tuple[tuple[str, str], ...]
    defaults_used: tuple[str, ...]
    warnings: tuple[str, ...]
    decided: Names = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the recorded columns."""
        return tuple(column.name for column in self.columns)

    @property
    def rows(self) -> int:
        """Output points on the time grid, without those that events add."""
        return self._points(self.step)

    @property
    def sha256(self) -> str:
        """The run's hash: the model and all that decides the numbers, and nothing else."""
        return sha256_of(self.identity)

    @property
    def identity(self) -> dict[str, Any]:
        """What is hashed, as JSON. Points, KPIs, units and who asks are no part of it."""
        return {
            "format": FORMAT,
            "model": self.model.identity,
            "mode": self.mode,
            "engine": self.engine,
            "solver": self.solver,
            "relative_tolerance": self.relative_tolerance,
            "step_size": self.step_size,
            "start_time": self.start_time,
            "stop_time": self.stop_time,
            "step": self.step,
            "communication_step": self.communication_step,
            "start_values": {s.name: list(s.values) for s in self.start_values},
            "inputs": [
                {"name": s.name, "time": s.time, "values": s.values, "hold": s.hold}
                for s in sorted(self.inputs, key=lambda s: s.name)
            ],
            "outputs": list(self.outputs),
            "check_accuracy": self.check_accuracy,
        }

    @property
    def work_units(self) -> int:
        """What the run is priced by: communication points x (1 + states + outputs)."""
        interval = self.communication_step or self.step_size or self.step
        points = self._points(min(interval, self.step))
        width = 1 + self.model.description.n_states + len(self.columns)
        return points * width * (2 if self.check_accuracy else 1)

    @property
    def resolved(self) -> dict[str, Any]:
        """What was decided for the caller, as the answer shows it."""
        chosen = {
            "mode": self.mode,
            "start_time": self.start_time,
            "stop_time": self.stop_time,
            "step": self.step,
            "communication_step": self.communication_step,
            "solver": self.solver,
            "relative_tolerance": self.relative_tolerance,
            "step_size": self.step_size,
        }
        shown: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
        shown["defaults_used"] = list(self.defaults_used)
        shown |= {about: list(names) for about, names in self.decided}
        return shown

    @property
    def tolerance(self) -> float:
        """How far apart [s] two instants of this run may be and still be the same."""
        return instants.tolerance(
            self.start_time, self.stop_time, self.step, self.communication_step, self.step_size
        )

    def _points(self, interval: float) -> int:
        """Points of the grid start, start + interval, … that closes at the stop time."""
        start, stop, tolerance = self.start_time, self.stop_time, self.tolerance
        whole = instants.whole_steps(start, stop, interval, tolerance)
        reached = start + whole * interval
        closed = reached > stop or instants.same_time(reached, stop, tolerance)
        return whole + (1 if closed else 2)
