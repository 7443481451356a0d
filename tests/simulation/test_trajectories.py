"""Trajectories come to the analytic solution, and are the same whenever they are run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
import pytest
from fmpy import simulate_fmu  # type: ignore[import-untyped]

from gateway_simulation import exceptions as e
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Samples, Trajectory

Reference = Callable[[str], Model]
Planner = Callable[..., CanonicalRun]

EXCHANGE: Final = "model_exchange"
STEPPED: Final = "co_simulation"
RAMP: Final = [{"name": "u", "t": [0, 10], "u": [0, 10]}]


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


@pytest.mark.parametrize("version", ["fmi2", "fmi3"])
def test_dahlquist_solves_itself_by_explicit_euler(
    version: str, reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    """Its Co-Simulation has a step of 0.1 s, whatever the communication step."""
    h, k, expected = 0.1, 1.5, [1.0]
    for _ in range(100):
        expected.append(expected[-1] + h * (-k * expected[-1]))
    model = reference(f"{version}/Dahlquist")
    run = planned(model, mode=STEPPED, step=h, stop_time=10, start_values={"k": k})
    assert simulator.run(run).column("x").tolist() == expected


@pytest.mark.parametrize("tolerance", [1e-3, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12])
@pytest.mark.parametrize("version", ["fmi2", "fmi3"])
def test_an_exponential_is_as_near_as_the_tolerance_says(
    tolerance: float, version: str, reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    """Measured: 3 to 19 times the tolerance."""
    solver = {"name": "cvode", "relative_tolerance": tolerance}
    run = planned(reference(f"{version}/Dahlquist"), mode=EXCHANGE, solver=solver)
    trajectory = simulator.run(run)
    assert _largest(trajectory.column("x") - np.exp(-trajectory.time)) < 25 * tolerance


@pytest.mark.parametrize("tolerance", [1e-3, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12])
@pytest.mark.parametrize("version", ["fmi2", "fmi3"])
def test_a_ball_bounces_when_the_formula_says(
    tolerance: float, version: str, reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    """Measured over six bounces: 8 to 13 times the tolerance, and more with each bounce."""
    g, e, h = 9.81, 0.7, 1.0
    flights = [math.sqrt(2 * h / g), *(2 * e**n * math.sqrt(2 * h / g) for n in range(1, 6))]
    solver = {"name": "cvode", "relative_tolerance": tolerance}
    model = reference(f"{version}/BouncingBall")
    trajectory = simulator.run(planned(model, mode=EXCHANGE, stop_time=2.5, solver=solver))
    assert _largest(np.array(trajectory.events[:6]) - np.cumsum(flights)) < 20 * tolerance


@pytest.mark.parametrize(("interval", "error_of_fmpy"), [(0.01, 0.0080), (0.1, 0.069), (1.0, 0.61)])
def test_a_ramp_goes_wrong_in_fmpy_and_right_here(
    interval: float,
    error_of_fmpy: float,
    model_that: Reference,
    planned: Planner,
    simulator: Simulator,
) -> None:
    """x' = -x + t: FMPy holds the input from one output point to the next."""
    model, tolerance = model_that("driven"), 1e-6
    solver = {"name": "cvode", "relative_tolerance": tolerance}
    run = planned(model, stop_time=5, step=interval, solver=solver, input_signals=RAMP)
    ours = simulator.run(run)
    theirs = simulate_fmu(
        str(model.folder),
        fmi_type="ModelExchange",
        stop_time=5,
        output_interval=interval,
        relative_tolerance=tolerance,
        input=np.array([(0, 0), (10, 10)], dtype=[("time", float), ("u", float)]),
    )
    assert _largest(ours.column("y") - _driven(ours.time)) < 1e-5
    assert _largest(theirs["y"] - _driven(theirs["time"])) == pytest.approx(error_of_fmpy, rel=0.02)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("rk4", 4)])
def test_fixed_steps_converge_with_their_order_also_when_driven(
    solver: str, order: int, model_that: Reference, planned: Planner, simulator: Simulator
) -> None:
    def error(size: float) -> float:
        options = {"name": solver, "step_size": size}
        run = planned(
            model_that("driven"), stop_time=5, step=0.5, solver=options, input_signals=RAMP
        )
        trajectory = simulator.run(run)
        return _largest(trajectory.column("y") - _driven(trajectory.time))

    errors = [error(1 / 8), error(1 / 16), error(1 / 32)]
    assert np.log2(np.divide(errors[:-1], errors[1:])) == pytest.approx([order] * 2, abs=0.1)


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


def test_a_check_of_the_accuracy_is_as_large_as_the_error_under_model_exchange(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    """Measured: difference 0.0070, error 0.0079."""
    request = {"mode": EXCHANGE, "check_accuracy": True, "stop_time": 20, "step": 0.01}
    model, solver = reference("fmi2/VanDerPol"), {"name": "cvode", "relative_tolerance": 1e-4}
    trajectory = simulator.run(planned(model, **request, solver=solver))
    fine = {"solver": solver | {"relative_tolerance": 1e-12}, "check_accuracy": False}
    exact = simulator.run(planned(model, **request | fine))
    assert trajectory.accuracy is not None
    difference = _largest(trajectory.values - trajectory.accuracy.values)
    assert difference == pytest.approx(_largest(trajectory.values - exact.values), rel=0.2)


def test_a_check_of_the_accuracy_sees_nothing_of_a_step_inside_the_model(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    """The difference is no bound: here it is 0 and the error 0.019."""
    run = planned(reference("fmi2/Dahlquist"), mode=STEPPED, check_accuracy=True)
    trajectory = simulator.run(run)
    assert trajectory.accuracy is not None
    assert trajectory.accuracy.values.tolist() == trajectory.values.tolist()
    assert _largest(trajectory.column("x") - np.exp(-trajectory.time)) > 0.019


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


def test_two_runs_give_the_same_bytes_a_hundred_times_in_any_order_and_process(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    solver = {"name": "cvode", "relative_tolerance": 1e-4}
    runs = [
        planned(
            reference("fmi2/BouncingBall"), mode=EXCHANGE, stop_time=1, step=0.1, solver=solver
        ),
        planned(reference("fmi3/BouncingBall"), mode=STEPPED, stop_time=1, step=0.1),
    ]
    other = Simulator(timeout_s=20, memory_mb=512)
    found: dict[str, set[bytes]] = {run.sha256: set() for run in runs}
    try:
        for i in range(100):
            for run in runs[:: 1 if i % 2 else -1]:
                found[run.sha256].add(_bytes((simulator, other)[i // 2 % 2].run(run)))
    finally:
        other.close()
    assert [len(bytes_) for bytes_ in found.values()] == [1, 1]


def test_a_wrong_guid_is_the_models_error(
    reference: Reference, planned: Planner, simulator: Simulator
) -> None:
    model = reference("fmi2/Dahlquist")
    other = replace(model, description=replace(model.description, guid="{other}"))
    with pytest.raises(e.ModelNotInstantiatedError) as caught:
        simulator.run(planned(other))
    assert "nstantiate" in str(caught.value.details["function"])
    assert caught.value.details["log"]


def _driven(time: Samples) -> Samples:
    """x' = -x + t from 0."""
    return time - 1 + np.exp(-time)


def _largest(error: Samples) -> float:
    return float(np.max(np.abs(error)))


def _bytes(trajectory: Trajectory) -> bytes:
    events = np.array(trajectory.events)
    return trajectory.time.tobytes() + trajectory.values.tobytes() + events.tobytes()
