"""The same run at another time of day gives the same numbers, and rounding makes no events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gateway_simulation import exceptions as e
from gateway_simulation.instants import same_time, tolerance, whole_steps
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.runner import Simulator

ModelThat = Callable[[str], Model]
Planner = Callable[..., CanonicalRun]

STARTS = [0.0, 1e6, 1.7e9, -0.3, -1e6]
SOLVERS: list[dict[str, Any]] = [
    {"name": "cvode", "relative_tolerance": 1e-8},
    {"name": "rk4", "step_size": 0.1},
    {"name": "euler", "step_size": 0.05},
]


@pytest.mark.parametrize("start", STARTS)
def test_co_simulation_takes_every_step_at_any_time(
    start: float, model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    jump = {"name": "u", "t": [start, start + 0.35], "u": [0, 1], "interpolation": "hold"}
    run = planned(
        model_that("integrates"),
        start_time=start,
        stop_time=start + 1,
        step=0.1,
        input_signals=[jump],
    )
    trajectory = simulator.run(run)
    assert trajectory.rows == run.rows == 11
    assert trajectory.column("steps")[-1] == 11
    assert trajectory.time[-1] == run.stop_time
    assert np.diff(trajectory.time) == pytest.approx(np.full(10, 0.1), rel=1e-5)
    assert trajectory.column("y")[-1] == pytest.approx(0.65, rel=1e-5)


@pytest.mark.parametrize("start", STARTS)
def test_communication_steps_are_taken_at_any_time(
    start: float, model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    run = planned(
        model_that("integrates"),
        start_time=start,
        stop_time=start + 1,
        step=0.1,
        communication_step=0.01,
    )
    trajectory = simulator.run(run)
    assert trajectory.column("steps")[-1] == 100
    assert (trajectory.rows, trajectory.time[-1]) == (11, run.stop_time)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("start", STARTS)
def test_model_exchange_reaches_every_point_at_any_time(
    start: float,
    solver: dict[str, Any],
    model_that: ModelThat,
    planned: Planner,
    simulator: Simulator,
) -> None:
    jump = {"name": "u", "t": [start, start + 0.3], "u": [0, 1], "interpolation": "hold"}
    run = planned(
        model_that("driven"),
        start_time=start,
        stop_time=start + 1,
        step=0.1,
        solver=solver,
        input_signals=[jump],
    )
    trajectory = simulator.run(run)
    assert trajectory.rows == 12
    assert len(trajectory.events) == 1
    assert trajectory.time[-1] == run.stop_time
    accuracy = 0.03 if solver["name"] == "euler" else 1e-5
    assert trajectory.column("y")[-1] == pytest.approx(1 - np.exp(-0.7), rel=accuracy)
    if solver["name"] != "cvode":
        assert trajectory.statistics["steps"] == (10 if solver["name"] == "rk4" else 20)


@pytest.mark.parametrize("start", STARTS)
def test_a_ball_bounces_as_often_at_any_time(
    start: float, reference: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    model = reference("fmi2/BouncingBall")
    shifted, first = (
        simulator.run(
            planned(model, mode="model_exchange", start_time=s, stop_time=s + 2, step=0.01)
        )
        for s in (start, 0.0)
    )
    assert len(shifted.events) == len(first.events)
    assert shifted.rows == first.rows
    assert shifted.column("h") == pytest.approx(first.column("h"), abs=0.02)


@pytest.mark.parametrize("name", ["fmi2/Stair", "fmi3/Stair"])
def test_time_events_through_zero_are_met_once(
    name: str, reference: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    run = planned(reference(name), mode="model_exchange", start_time=-0.3, stop_time=3.3, step=0.1)
    trajectory = simulator.run(run)
    assert trajectory.events == pytest.approx((1, 2, 3))
    assert trajectory.rows == 37 + 3
    assert trajectory.time[-1] == 3.3


def test_two_jumps_within_rounding_are_one_with_the_later_value(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    close = {"name": "u", "t": [0, 0.5, 0.5 + 1e-13], "u": [0, 1, 2], "interpolation": "hold"}
    run = planned(model_that("driven"), step=0.1, input_signals=[close], outputs=["u"])
    trajectory = simulator.run(run)
    assert len(trajectory.events) == 1
    assert trajectory.column("u")[-1] == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"start_time": 1.7e9, "stop_time": 1.7e9 + 0.01, "step": 1e-5},
        {"start_time": 1.7e9, "stop_time": 1.7e9 + 1, "step": 0.1, "communication_step": 1e-6},
        {"start_time": 1e15, "stop_time": 1e15 + 1, "step": 0.1},
        {"stop_time": 1e-320},
        {"stop_time": 1e-300},
        {
            "start_time": 1.7e9,
            "stop_time": 1.7e9 + 1,
            "step": 0.1,
            "solver": {"name": "rk4", "step_size": 1e-6},
        },
    ],
)
def test_steps_lost_in_rounding_are_refused(
    fields: dict[str, Any], model_that: ModelThat, planned: Planner
) -> None:
    with pytest.raises(e.InvalidTimeError) as caught:
        planned(model_that("driven"), **fields)
    assert caught.value.details["min"]


def test_a_step_longer_than_the_run_by_rounding_is_the_run(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    run = planned(model_that("integrates"), stop_time=1, step=1.0000001)
    assert simulator.run(run).time.tolist() == [0, 1]


def test_the_tolerance_is_small_against_steps_and_large_against_rounding() -> None:
    assert tolerance(0, 1, 0.1, None) < 2e-10
    assert 2**-21 < tolerance(1.7e9, 1.7e9 + 1, 0.1) < 1e-5
    assert same_time(-0.3 + 3 * 0.1, 0, tolerance(-0.3, 1, 0.1))
    assert not same_time(0, float("inf"), 1.0)
    assert whole_steps(0, 1.4, 0.01, 1e-11) == 140
