"""Linear models of random size and numbers come to their analytic solution, whatever runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from fmpy import simulate_fmu  # type: ignore[import-untyped]
from fmus import compiled, linear
from fmus.linear import Size, Stepping, Version
from fmus.linear_cases import Case, cases, crossing_cases, ticking_cases
from fmus.linear_exact import Array, Signal, Solution, Stepped, System, exact
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun, RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator
from gateway_simulation.solvers import ENGINES
from gateway_simulation.trajectory import Trajectory

LinearModel = Callable[..., Model]
Planner = Callable[..., CanonicalRun]

EXCHANGE: dict[str, Any] = {"mode": "model_exchange"}
STEPPED: dict[str, Any] = {"mode": "co_simulation"}
TIGHT: dict[str, Any] = {"solver": {"name": "cvode", "relative_tolerance": 1e-10}}
ONE = Size(1, 1, 1)

repeated = settings(derandomize=True, deadline=None, database=None)
some = settings(repeated, max_examples=10)
many = settings(repeated, max_examples=20)


@pytest.fixture(scope="session")
def linear_model(installed: Callable[[bytes], Model]) -> LinearModel:
    """The linear FMU of a version and size."""
    if not compiled.available():
        pytest.skip("no C compiler")

    @cache
    def get(version: Version, size: Size, stepping: Stepping | None = None) -> Model:
        return installed(linear.fmu(version, size, stepping))

    return get


@many
@given(case=cases(sizes=(Size(0, 2, 1), ONE, Size(2, 1, 2), Size(3, 2, 1))))
def test_cvode_follows_the_exact_solution(
    case: Case, linear_model: LinearModel, planned: Planner, simulator: Simulator
) -> None:
    run = planned(linear_model(case.version, case.size), **case.request, **EXCHANGE, **TIGHT)
    trajectory, solution = simulator.run(run), _solution(case, run)
    assert len(trajectory.events) == len(solution.events)
    assert _distance(trajectory, solution.at(trajectory.time)) < 1e-6


@some
@given(case=cases(knots="on_grid"))
def test_runge_kutta_follows_the_exact_solution(
    case: Case, linear_model: LinearModel, planned: Planner, simulator: Simulator
) -> None:
    solver = {"name": "rk4", "step_size": case.step / np.ceil(case.step / 0.01)}
    run = planned(linear_model(case.version, case.size), **case.request, **EXCHANGE, solver=solver)
    trajectory, solution = simulator.run(run), _solution(case, run)
    assert len(trajectory.events) == len(solution.events)
    assert _distance(trajectory, solution.at(trajectory.time)) < 1e-6


@many
@given(case=st.one_of(cases(), ticking_cases()))
def test_rows_are_those_of_the_grid_and_two_for_each_event(
    case: Case, linear_model: LinearModel, planned: Planner, simulator: Simulator
) -> None:
    run = planned(linear_model(case.version, case.size), **case.request, **EXCHANGE)
    trajectory = simulator.run(run)
    events = _solution(case, run).events
    apart = [t for t in case.grid(case.step) if _away(t, events, run.tolerance)]
    expected = np.sort([case.start, *apart, *events, *events])
    assert trajectory.time.shape == expected.shape
    assert np.max(np.abs(trajectory.time - expected)) <= run.tolerance
    assert np.max(np.abs(np.subtract(trajectory.events, events)), initial=0) <= run.tolerance


@pytest.mark.parametrize("version", ["2.0", "3.0"])
@pytest.mark.parametrize("start", [0.0, -7.25, 1e6])
def test_a_saw_tooth_has_its_events_at_known_times(
    start: float,
    version: Version,
    linear_model: LinearModel,
    planned: Planner,
    simulator: Simulator,
) -> None:
    system = replace(_integrator(), level=1, back=-0.5)
    rising = Signal(0, (start,), (2.0,), "linear")
    case = Case(version, ONE, system, (rising,), start, start + 4, 0.3)
    run = planned(linear_model(version, ONE), **case.request, **EXCHANGE, **TIGHT)
    trajectory = simulator.run(run)
    known = start + np.array([0.5, 1.25, 2.0, 2.75, 3.5])
    assert trajectory.events == pytest.approx(known, abs=1e-8, rel=1e-15)
    after = np.flatnonzero(np.diff(trajectory.time) == 0) + 1
    assert trajectory.column("x[1]")[after - 1] == pytest.approx(np.full(5, 1.0), abs=1e-8)
    assert trajectory.column("x[1]")[after].tolist() == [-0.5] * 5
    assert trajectory.column("count")[after].tolist() == [1, 2, 3, 4, 5]


@many
@given(case=crossing_cases())
def test_state_events_are_found_where_the_exact_solution_has_them(
    case: Case, linear_model: LinearModel, planned: Planner, simulator: Simulator
) -> None:
    run = planned(linear_model(case.version, case.size), **case.request, **EXCHANGE, **TIGHT)
    solution = _solution(case, run)
    assume(solution.margin > 0.03 and solution.pieces[-1].discrete.count)
    trajectory = simulator.run(run)
    assert trajectory.events == pytest.approx(solution.events, abs=1e-6, rel=1e-15)
    assert _distance(trajectory, solution.at(trajectory.time)) < 1e-5


@many
@given(case=ticking_cases())
def test_time_events_come_at_their_times(
    case: Case, linear_model: LinearModel, planned: Planner, simulator: Simulator
) -> None:
    run = planned(linear_model(case.version, case.size), **case.request, **EXCHANGE, **TIGHT)
    trajectory, solution = simulator.run(run), _solution(case, run)
    assert trajectory.events == pytest.approx(solution.events, abs=run.tolerance, rel=0)
    assert _distance(trajectory, solution.at(trajectory.time)) < 1e-6


@pytest.mark.parametrize("version", ["2.0", "3.0"])
@pytest.mark.parametrize(("step", "period"), [(0.5, 0.25), (0.1, 0.3)])
@pytest.mark.parametrize("solver", ["cvode", "rk4"])
def test_a_time_event_on_a_grid_point_is_one_event(  # noqa: PLR0913, PLR0917 - fixtures
    version: Version,
    step: float,
    period: float,
    solver: str,
    linear_model: LinearModel,
    planned: Planner,
    simulator: Simulator,
) -> None:
    case = Case(version, ONE, replace(_integrator(), period=period), (), 0, 1.4, step)
    run = planned(linear_model(version, ONE), **case.request, **EXCHANGE, solver={"name": solver})
    trajectory = simulator.run(run)
    assert trajectory.events == pytest.approx(_solution(case, run).events, abs=run.tolerance)
    assert trajectory.column("tick")[-1] == len(trajectory.events)


def test_a_model_is_told_the_very_time_that_it_announced(
    linear_model: LinearModel, planned: Planner
) -> None:
    """FMI 2.0 §3.2.2: at a time event the time is the one the model gave, 7 * 0.1 > 0.7 here."""
    case = Case("2.0", ONE, replace(_integrator(), period=0.1), (), 0, 1.4, 0.7)
    run = planned(linear_model("2.0", ONE), **case.request, **EXCHANGE)
    impatient = Simulator(timeout_s=2, memory_mb=512)
    try:
        assert len(impatient.run(run).events) == 14
    finally:
        impatient.close()


@pytest.mark.parametrize("interpolates", [False, True])
@pytest.mark.parametrize("variable", [False, True])
@some
@given(case=st.one_of(cases(), ticking_cases(), crossing_cases()), parts=st.integers(1, 4))
def test_co_simulation_samples_inputs_at_communication_points(  # noqa: PLR0913, PLR0917 - fixtures
    case: Case,
    parts: int,
    variable: bool,  # noqa: FBT001 - of the model
    interpolates: bool,  # noqa: FBT001 - of the model
    linear_model: LinearModel,
    planned: Planner,
    simulator: Simulator,
) -> None:
    case = replace(case, version="2.0") if interpolates else case
    model = linear_model(case.version, case.size, Stepping(variable, interpolates))
    finer = {"communication_step": case.step / parts}
    run = planned(model, **case.request, **STEPPED, **finer)
    points = case.grid(case.step / parts, to_stop=variable)
    recorded = case.grid(case.step, to_stop=variable)
    points = [t for t in points if t <= recorded[-1] + run.tolerance]
    jumps = [t for t in case.jumps if variable and _away(t, points, run.tolerance)]
    expected = Stepped(case.system, case.drive(run.tolerance), case.start)
    expected.to_all(sorted([*points, *jumps]), interpolates=interpolates)
    trajectory = simulator.run(run)
    assert trajectory.time == pytest.approx([case.start, *recorded], abs=run.tolerance, rel=0)
    assert _distance(trajectory, expected.at(trajectory.time, run.tolerance)) < 1e-9


@some
@given(case=st.one_of(cases(), ticking_cases()), parts=st.integers(2, 5))
def test_a_finer_communication_step_records_the_same_rows(
    case: Case, parts: int, linear_model: LinearModel, planned: Planner, simulator: Simulator
) -> None:
    model = linear_model(case.version, case.size)
    coarse, fine = (
        simulator.run(planned(model, **case.request, **STEPPED, communication_step=step))
        for step in (case.step, case.step / parts)
    )
    assert coarse.time.tolist() == fine.time.tolist()


@some
@given(case=cases(sizes=(ONE,)))
def test_a_held_input_jumps_where_it_says_if_steps_may_vary(
    case: Case, linear_model: LinearModel, planned: Planner, simulator: Simulator
) -> None:
    """Then held inputs make no error, however long the steps."""
    held = tuple(replace(signal, interpolation="hold") for signal in case.signals)
    case = replace(case, signals=held)
    run = planned(linear_model(case.version, ONE), **case.request, **STEPPED)
    trajectory = simulator.run(run)
    solution = _solution(case, run)
    continuous = np.unique([case.start, *case.grid(case.step)])
    exactly = [_state_at(solution, t) for t in continuous]
    assert trajectory.column("x[1]") == pytest.approx(exactly, abs=1e-9, rel=1e-9)


@many
@given(case=st.one_of(cases(), ticking_cases(), crossing_cases()))
def test_event_mode_keeps_both_limits_of_every_event(
    case: Case, linear_model: LinearModel, planned: Planner, simulator: Simulator
) -> None:
    case = replace(case, version="3.0")
    model = linear_model("3.0", case.size, Stepping(has_event_mode=True))
    run = planned(model, **case.request, **STEPPED)
    trajectory = simulator.run(run)
    expected = Stepped(case.system, case.drive(run.tolerance), case.start)
    expected.to_all_with_events(case.grid(case.step))
    assert trajectory.events == pytest.approx(expected.events, abs=run.tolerance, rel=0)
    assert trajectory.time == pytest.approx(expected.times, abs=run.tolerance, rel=0)
    assert _distance(trajectory, expected.table) < 1e-9


METHODS: tuple[dict[str, Any], ...] = (
    EXCHANGE | TIGHT,
    EXCHANGE | {"solver": {"name": "cvode", "relative_tolerance": 1e-4}},
    EXCHANGE | {"solver": {"name": "rk4"}},
    EXCHANGE | {"solver": {"name": "euler"}},
    STEPPED,
)
STEPPINGS = (
    Stepping(),
    Stepping(variable=False),
    Stepping(interpolates=True),
    Stepping(has_event_mode=True),
    Stepping(variable=False, has_event_mode=True),
)


@pytest.mark.skipif(len(ENGINES) < 2, reason="there is only one engine to agree with itself")
@settings(repeated, max_examples=40)
@given(
    case=st.one_of(cases(sizes=(Size(0, 2, 1), Size(3, 2, 1))), ticking_cases(), crossing_cases()),
    method=st.sampled_from(METHODS),
    stepping=st.sampled_from(STEPPINGS),
)
def test_engines_agree_bit_for_bit(
    case: Case,
    method: dict[str, Any],
    stepping: Stepping,
    linear_model: LinearModel,
    simulator: Simulator,
) -> None:
    model = linear_model(case.version, case.size, stepping)
    mine, *others = (
        simulator.run(_planned(model, engine=engine, **case.request, **method))
        for engine in ENGINES
    )
    for other in others:
        assert mine.time.tobytes() == other.time.tobytes()
        assert mine.values.tobytes() == other.values.tobytes()
        assert mine.events == other.events


@some
@given(case=st.one_of(ticking_cases(driven=False), cases(driven=False)), level=st.booleans())
def test_numbers_are_fmpys_where_nothing_drives_the_model(
    case: Case,
    level: bool,  # noqa: FBT001 - drawn
    linear_model: LinearModel,
    planned: Planner,
    simulator: Simulator,
) -> None:
    assume(abs(case.start) < 1e3)
    if level:
        first = float(case.system.x0[0])
        case = replace(case, system=replace(case.system, level=first + 0.0437, back=first - 0.2))
    run = planned(linear_model(case.version, case.size), **case.request, **EXCHANGE)
    mine, theirs = simulator.run(run), _fmpy(case, run)
    assert mine.time.tolist() == theirs["time"].tolist()
    for name in mine.names:
        assert mine.column(name).tolist() == _column(theirs, name).tolist()


def test_fmpy_applies_a_ramp_at_communication_points_only_and_we_everywhere(
    linear_model: LinearModel, planned: Planner, simulator: Simulator
) -> None:
    ramp = Signal(0, (0.0, 1.0), (0.0, 1.0), "linear")
    case = Case("2.0", ONE, _integrator(), (ramp,), 0, 1, 0.1)
    run = planned(linear_model("2.0", ONE), **case.request, **EXCHANGE, **TIGHT)
    signal = np.array([(0, 0), (1, 1)], dtype=[("time", float), ("u[1]", float)])
    mine, theirs = simulator.run(run), _fmpy(case, run, relative_tolerance=1e-6, input=signal)
    assert abs(theirs["x[1]"][-1] - 0.5) > 1e-3
    assert abs(mine.column("x[1]")[-1] - 0.5) < 1e-6


@pytest.mark.parametrize("mode", ["model_exchange", "co_simulation"])
@pytest.mark.parametrize("version", ["2.0", "3.0"])
def test_the_same_request_gives_the_same_bytes_a_hundred_times(
    mode: str,
    version: Version,
    linear_model: LinearModel,
    planned: Planner,
    simulator: Simulator,
) -> None:
    run = planned(linear_model(version, ONE), **_busy(version).request, mode=mode)
    assert len({_bytes(simulator.run(run)) for _ in range(100)}) == 1


@some
@given(first=ticking_cases(), second=crossing_cases())
def test_runs_leave_nothing_behind_for_one_another(
    first: Case, second: Case, linear_model: LinearModel, planned: Planner, simulator: Simulator
) -> None:
    runs = [
        planned(linear_model(case.version, case.size), **case.request, **EXCHANGE)
        for case in (first, second)
    ]
    there = [_bytes(simulator.run(run)) for run in runs]
    back = [_bytes(simulator.run(run)) for run in reversed(runs)]
    assert there == back[::-1]


def _integrator() -> System:
    """x' = u, y = x."""
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    return System(a=zero, b=one, c=one, d=zero, x0=np.zeros(1))


def _busy(version: Version) -> Case:
    """A short run in which everything happens."""
    system = replace(_integrator(), level=0.3, back=0, period=0.37)
    jump = Signal(0, (0.0, 0.55), (1.0, -2.0), "hold")
    return Case(version, ONE, system, (jump,), 0, 1, 0.1)


def _solution(case: Case, run: CanonicalRun) -> Solution:
    return exact(case.system, case.drive(run.tolerance), case.start, case.stop)


def _state_at(solution: Solution, t: float) -> float:
    """The first state at `t`, where it doesn't jump."""
    piece = [piece for piece in solution.pieces if piece.begin <= t][-1]
    return float(solution.system.after(piece, t)[0])


def _distance(trajectory: Trajectory, expected: dict[str, Array]) -> float:
    """The largest difference of any variable, in parts of the largest it comes to (at least 1)."""
    return max(
        float(np.max(np.abs(trajectory.column(name) - expected[name])))
        / max(1, float(np.max(np.abs(expected[name]))))
        for name in trajectory.names
    )


def _away(t: float, others: list[float], tolerance: float) -> bool:
    return all(abs(t - other) > tolerance for other in others)


def _bytes(trajectory: Trajectory) -> bytes:
    events = np.array(trajectory.events)
    return trajectory.time.tobytes() + trajectory.values.tobytes() + events.tobytes()


def _planned(model: Model, **fields: Any) -> CanonicalRun:  # noqa: ANN401
    request = SimulationRequest.model_validate({"fmu_id": model.id, **fields})
    return plan(model, request, RunLimits())


def _fmpy(case: Case, run: CanonicalRun, **options: Any) -> Any:  # noqa: ANN401
    """FMPy's own result of a run for Model Exchange; it takes arrays flat only."""
    given_values = case.system.start_values(case.version)
    flat = {n: np.ravel(v).tolist() if isinstance(v, list) else v for n, v in given_values.items()}
    return simulate_fmu(
        str(run.model.folder),
        fmi_type="ModelExchange",
        start_time=run.start_time,
        stop_time=run.stop_time,
        output_interval=run.step,
        start_values=flat,
        output=list(dict.fromkeys(column.variable.name for column in run.columns)),
        **{"relative_tolerance": run.relative_tolerance} | options,
    )


def _column(theirs: Any, name: str) -> Array:  # noqa: ANN401
    """A column of FMPy's, whose arrays are columns of several numbers."""
    if name in theirs.dtype.names:
        return np.asarray(theirs[name], dtype=np.float64)
    array, _, index = name.rstrip("]").partition("[")
    column: Iterator[Any] = theirs[array].reshape(theirs.size, -1)[:, int(index) - 1]
    return np.asarray(column, dtype=np.float64)
