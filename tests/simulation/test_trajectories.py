"""Trajectories are FMPy's where FMPy is right, and the analytic solution's everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fmpy import simulate_fmu  # type: ignore[import-untyped]

from gateway_simulation import exceptions as e
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory

Reference = Callable[[str], Model]
Planner = Callable[..., CanonicalRun]

_CASES = [
    (f"{version}/{name}", mode)
    for version in ("fmi2", "fmi3")
    for name in ("BouncingBall", "Dahlquist", "VanDerPol", "Stair", "Feedthrough")
    for mode in ("co_simulation", "model_exchange")
] + [
    ("fmi3/StateSpace", "co_simulation"),
    ("fmi3/StateSpace", "model_exchange"),
    ("CoupledClutches_CS_linux64", "co_simulation"),
]


@pytest.mark.parametrize(("name", "mode"), _CASES)
def test_numbers_are_fmpys(
    name: str, mode: str, reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    model = reference(name)
    scalars = [v.name for v in model.description.outputs if not v.dimensions and v.type != "string"]
    numeric = [n for n in scalars if model.description.by_name[n].type != "binary"]
    chosen = numeric or None
    tolerance = {"solver": {"relative_tolerance": 1e-7}}
    run = planned(model, mode=mode, step=1 / 64, stop_time=1.25, outputs=chosen, **tolerance)
    mine = simulator.run(run)
    theirs = _fmpy(run, relative_tolerance=1e-7)
    assert mine.time.tolist() == theirs["time"].tolist()
    for column in mine.names:
        expected = theirs[column] if column in theirs.dtype.names else _element(theirs, column)
        assert mine.column(column).tolist() == expected.astype(float).tolist()


def test_rounding_never_asks_for_a_step_past_the_stop_time(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    model = reference("CoupledClutches_CS_linux64")
    trajectory = simulator.run(planned(model, step=0.01, stop_time=1.4))
    assert 140 * 0.01 > 1.4
    assert trajectory.time[-1] == 1.4


def test_start_values_change_numbers_as_fmpys(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    run = planned(reference("fmi2/BouncingBall"), start_values={"e": 0.5, "h": 2})
    mine, theirs = simulator.run(run), _fmpy(run, start_values={"e": 0.5, "h": 2.0})
    assert mine.column("h").tolist() == theirs["h"].tolist()


def test_a_finer_communication_step_is_recorded_on_the_coarse_grid(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    model = reference("fmi2/Dahlquist")
    fine = simulator.run(planned(model, step=0.1, mode="co_simulation"))
    thinned = simulator.run(planned(model, step=0.5, communication_step=0.1, mode="co_simulation"))
    assert thinned.time == pytest.approx(fine.time[::5])
    assert thinned.column("x") == pytest.approx(fine.column("x")[::5], rel=1e-12)


def test_events_keep_both_limits_and_are_listed(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    model = reference("fmi2/BouncingBall")
    trajectory = simulator.run(planned(model, mode="model_exchange", stop_time=1.2))
    first = math.sqrt(2 / 9.81)
    assert trajectory.events[0] == pytest.approx(first, abs=1e-4)
    rows = np.flatnonzero(trajectory.time == trajectory.events[0])
    assert rows.size == 2
    before, after = trajectory.column("v")[rows]
    assert after == pytest.approx(-0.7 * before)


@pytest.mark.parametrize(("solver", "accuracy"), [("euler", 2e-2), ("rk4", 1e-7), ("cvode", 1e-4)])
def test_every_solver_comes_near_the_exact_solution(
    solver: str, accuracy: float, reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    options = {"name": solver} | ({"step_size": 0.05} if solver != "cvode" else {})
    trajectory = simulator.run(
        planned(reference("fmi3/Dahlquist"), stop_time=2, step=0.1, solver=options)
    )
    error = np.max(np.abs(trajectory.column("x") - np.exp(-trajectory.time)))
    assert error < accuracy


def test_fixed_steps_are_fmpys_where_the_step_is_the_interval(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    run = planned(reference("fmi2/VanDerPol"), solver={"name": "euler"}, stop_time=5, step=0.01)
    theirs = _fmpy(run, solver="Euler", step_size=0.01)
    assert simulator.run(run).column("x0").tolist() == theirs["x0"].tolist()


def test_checking_the_accuracy_runs_a_twin_with_a_tenth_of_the_tolerance(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    run = planned(reference("fmi2/VanDerPol"), mode="model_exchange", check_accuracy=True)
    trajectory = simulator.run(run)
    assert isinstance(trajectory.accuracy, Trajectory)
    assert trajectory.accuracy.statistics["steps"] > trajectory.statistics["steps"]
    difference = np.abs(trajectory.values[-1] - trajectory.accuracy.values[-1])
    assert 0 < float(difference.max()) < 0.1


def test_checking_the_accuracy_halves_the_communication_step(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    run = planned(reference("fmi2/VanDerPol"), mode="co_simulation", check_accuracy=True)
    trajectory = simulator.run(run)
    assert trajectory.accuracy is not None
    assert trajectory.accuracy.statistics["steps"] == 2 * trajectory.statistics["steps"]
    assert trajectory.accuracy.time.tolist() == trajectory.time.tolist()


def test_structural_parameters_change_the_shape_of_results(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    start = {
        "m": 1, "n": 2, "r": 2,
        "A": [[-1, 0], [0, -2]], "B": [[0], [0]], "C": [[1, 0], [0, 1]], "D": [[0], [0]],
        "x0": [1, 1], "u": [0],
    }  # fmt: skip
    model = reference("fmi3/StateSpace")
    assert planned(model, start_values=start).outputs == ("y[1]", "y[2]")
    run = planned(model, start_values=start, stop_time=1, outputs=["A", "x0", "y[2]"])
    trajectory = simulator.run(run)
    assert trajectory.names == ("A[1,1]", "A[1,2]", "A[2,1]", "A[2,2]", "x0[1]", "x0[2]", "y[2]")
    assert trajectory.values[-1][:6].tolist() == [-1, 0, 0, -2, 1, 1]


def test_a_run_gives_the_same_bytes_every_time(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    run = planned(reference("fmi2/VanDerPol"), mode="model_exchange", stop_time=5)
    assert len({simulator.run(run).values.tobytes() for _ in range(5)}) == 1


def test_a_wrong_guid_is_the_models_error(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    model = reference("fmi2/Dahlquist")
    other = replace(model, description=replace(model.description, guid="{other}"))
    with pytest.raises(e.ModelNotInstantiatedError) as caught:
        simulator.run(planned(other))
    assert "nstantiate" in str(caught.value.details["function"])
    assert caught.value.details["log"]


def _fmpy(run: CanonicalRun, **options: Any) -> Any:  # noqa: ANN401
    """FMPy's own result for a run without inputs."""
    kinds = {"co_simulation": "CoSimulation", "model_exchange": "ModelExchange"}
    stepped = run.model.description.co_simulation
    if run.mode == "co_simulation" and stepped is not None and stepped.has_event_mode:
        options |= {"use_event_mode": True, "early_return_allowed": True}
    names = [column.variable.name for column in run.columns]
    return simulate_fmu(
        str(run.model.folder),
        fmi_type=kinds[run.mode],
        start_time=run.start_time,
        stop_time=run.stop_time,
        output_interval=run.step,
        output=list(dict.fromkeys(names)),
        **options,
    )


def _element(theirs: Any, column: str) -> Any:  # noqa: ANN401
    name, _, index = column.rstrip("]").partition("[")
    return theirs[name][:, int(index) - 1]
