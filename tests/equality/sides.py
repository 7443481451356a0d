"""The same simulation, by us and by FMPy itself."""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from equality.cases import CS, ME, Case, Input
from fmpy import read_model_description, simulate_fmu  # type: ignore[import-untyped]
from numpy.typing import NDArray

from gateway_simulation.exceptions import RunError
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun, RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.run import Column
from gateway_simulation.runner import Simulator
from gateway_simulation.solvers import ENGINES
from gateway_simulation.trajectory import Trajectory

Array = NDArray[np.float64]


class Found:
    """What came of a case on our side and on FMPy's; an exception where it failed."""

    def __init__(self, case: Case, model: Model, simulator: Simulator) -> None:
        self.case = case
        self._model = model
        self._simulator = simulator
        self.run = self._planned()

    def again(self, **changes: Any) -> Trajectory:  # noqa: ANN401
        """Ours, with something else in the request."""
        return self._simulator.run(self._planned(**changes))

    @cached_property
    def ours(self) -> Trajectory | RunError:
        """The same from all engines."""
        first, *others = (self._attempt(engine) for engine in ENGINES)
        for other in others:
            assert _same(first, other)
        return first

    @cached_property
    def theirs(self) -> Any:  # noqa: ANN401
        try:
            return _fmpy(self.case, self.run)
        except Exception as error:  # noqa: BLE001 - FMPy raises plain ones
            return error

    @property
    def trajectory(self) -> Trajectory:
        assert isinstance(self.ours, Trajectory)
        return self.ours

    @property
    def equal(self) -> bool:
        """Bit for bit: times, values, and events where FMPy records them."""
        if not isinstance(self.ours, Trajectory) or isinstance(self.theirs, Exception):
            return False
        events = tuple(t for t in self.ours.events if t != self.ours.terminated_at)
        return self.ours_is(self.theirs) and events == twice(self.theirs)

    def ours_is(self, theirs: Any) -> bool:  # noqa: ANN401
        """Whether these rows of FMPy's are all of ours."""
        return equal(self.trajectory, theirs, self.run)

    def distances(self, kept: NDArray[np.bool_] | slice = slice(None)) -> Array:
        """The largest difference in each row, where both sides have as many: `kept` of FMPy's."""
        theirs = self.theirs[kept]
        pairs = [(self.trajectory.column(c.name), column(theirs, c)) for c in self.run.columns]
        found: Array = np.max([np.abs(ours - other) for ours, other in pairs], axis=0)
        return found

    def _attempt(self, engine: str) -> Trajectory | RunError:
        try:
            return self._simulator.run(self._planned(engine=engine))
        except RunError as error:
            return error

    def _planned(self, **changes: Any) -> CanonicalRun:  # noqa: ANN401
        recorded = [
            v.name
            for v in self._model.description.variables
            if v.causality in {"output", "local"} and v.type not in {"string", "binary"}
        ]
        signals = [
            {"name": i.name, "t": i.time, "u": i.values, "interpolation": _INTERPOLATION[i.hold]}
            for i in self.case.inputs
        ]
        asked = {"fmu_id": self._model.id, "mode": self.case.mode, "outputs": recorded}
        request = asked | {"input_signals": signals} | dict(self.case.request) | changes
        return plan(self._model, SimulationRequest.model_validate(request), RunLimits())


_INTERPOLATION: Final = {True: "hold", False: "linear"}


def equal(ours: Trajectory, theirs: Any, run: CanonicalRun) -> bool:  # noqa: ANN401
    """Bit for bit, times and values."""
    return ours.time.tobytes() == theirs["time"].tobytes() and all(
        ours.column(one.name).tobytes() == column(theirs, one).tobytes() for one in run.columns
    )


def twice(theirs: Any) -> tuple[float, ...]:  # noqa: ANN401
    """Times that stand twice in FMPy's result: its events."""
    time = theirs["time"]
    return tuple(time[1:][np.diff(time) == 0].tolist())


def _same(one: Trajectory | RunError, other: Trajectory | RunError) -> bool:
    if isinstance(one, Trajectory) and isinstance(other, Trajectory):
        return (
            one.time.tobytes() == other.time.tobytes()
            and one.values.tobytes() == other.values.tobytes()
            and (one.events, one.statistics) == (other.events, other.statistics)
        )
    return type(one) is type(other) and str(one) == str(other)


def _fmpy(case: Case, run: CanonicalRun) -> Any:  # noqa: ANN401
    """FMPy's own result, with the options that mean what the run means."""
    options: dict[str, Any] = {"relative_tolerance": run.relative_tolerance}
    stepped = run.model.description.co_simulation
    if run.mode == CS and stepped is not None and stepped.has_event_mode:
        options |= {"use_event_mode": True, "early_return_allowed": True}
    if run.solver == "euler":
        options |= {"solver": "Euler", "step_size": run.step_size}
    start_values = case.request.get("start_values", {})
    return simulate_fmu(
        str(run.model.folder),
        model_description=_description(run.model.folder),
        fmi_type={CS: "CoSimulation", ME: "ModelExchange"}[run.mode],
        start_time=run.start_time,
        stop_time=run.stop_time,
        output_interval=run.step,
        output=list(dict.fromkeys(one.variable.name for one in run.columns)),
        start_values={
            name: np.ravel(value).tolist() if isinstance(value, list) else value
            for name, value in start_values.items()
        },
        input=_table(case.inputs, run.model) if case.inputs else None,
        **options,
    )


@cache
def _description(folder: Path) -> Any:  # noqa: ANN401
    return read_model_description(str(folder))


def _table(inputs: tuple[Input, ...], model: Model) -> Any:  # noqa: ANN401
    """Inputs as FMPy takes them: at a jump of a continuous one, two rows of the same time."""
    variables = {_base(i.name): model.description.by_name[_base(i.name)] for i in inputs}
    jumping = [i for i in inputs if i.hold and variables[_base(i.name)].continuous]
    jumps = {t for i in jumping for t in i.time[1:]}
    times = sorted({t for i in inputs for t in i.time})
    rows = [(t, side) for t in times for side in ("left", "right") if side == "right" or t in jumps]
    fields = [(name, float, v.dimensions) for name, v in variables.items()]
    table = np.zeros(len(rows), dtype=[("time", float), *fields])
    table["time"] = [t for t, _ in rows]
    for i in inputs:
        column = [_value(i, t, side) for t, side in rows]
        if i.name == _base(i.name):
            table[i.name] = column
        else:
            table[_base(i.name)][:, int(i.name.partition("[")[2][:-1]) - 1] = column
    return table


def _base(name: str) -> str:
    return name.partition("[")[0]


def _value(signal: Input, t: float, side: Any) -> float:  # noqa: ANN401
    if not signal.hold:
        return float(np.interp(t, signal.time, signal.values))
    return signal.values[max(int(np.searchsorted(signal.time, t, side)) - 1, 0)]


def column(theirs: Any, one: Column) -> Array:  # noqa: ANN401
    """A column of ours, in FMPy's result."""
    found = theirs[one.variable.name].astype(float)
    return np.ascontiguousarray(found.reshape(len(found), -1)[:, one.index])
