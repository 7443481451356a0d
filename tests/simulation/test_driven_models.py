"""Inputs reach the model where it needs them: inside the right-hand side, and exactly at jumps."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gateway_simulation.exceptions import NonFiniteValueError
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.runner import Simulator

ModelThat = Callable[[str], Model]
Planner = Callable[..., CanonicalRun]
TIGHT = {"name": "cvode", "relative_tolerance": 1e-9}


@pytest.mark.parametrize("step", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("solver", [TIGHT, {"name": "rk4", "step_size": 0.01}])
def test_a_ramp_is_applied_inside_the_right_hand_side(
    step: float,
    solver: dict[str, object],
    model_that: ModelThat,
    planned: Planner,
    simulator: Simulator,
) -> None:
    ramp = [{"name": "u", "t": [0, 10], "u": [0, 10]}]
    run = planned(model_that("driven"), stop_time=5, step=step, solver=solver, input_signals=ramp)
    trajectory = simulator.run(run)
    exact = trajectory.time - 1 + np.exp(-trajectory.time)
    assert np.max(np.abs(trajectory.column("y") - exact)) < 1e-7


def test_a_jump_is_an_event_with_both_limits(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    jump = [{"name": "u", "time": [0, 0.37], "values": [0, 1], "interpolation": "hold"}]
    run = planned(
        model_that("driven"),
        step=0.1,
        solver=TIGHT,
        input_signals=jump,
        outputs=["y", "u", "der(x)"],
    )
    trajectory = simulator.run(run)
    assert trajectory.events == (0.37,)
    at = np.flatnonzero(trajectory.time == 0.37)
    assert trajectory.column("u")[at].tolist() == [0, 1]
    exact = np.where(trajectory.time < 0.37, 0, 1 - np.exp(-(trajectory.time - 0.37)))
    assert np.max(np.abs(trajectory.column("y") - exact)) < 1e-8


def test_a_pulse_shorter_than_a_step_is_not_overlooked(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    pulse = [{"name": "u", "time": [0, 0.5, 0.501, 0.502], "values": [0, 0, 100, 0]}]
    trajectory = simulator.run(
        planned(model_that("driven"), step=0.5, solver=TIGHT, input_signals=pulse)
    )
    assert trajectory.column("y")[-1] == pytest.approx(0.1 * np.exp(-(1 - 0.501)), rel=1e-5)


def test_inputs_as_csv_are_the_same_inputs(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    model = model_that("driven")
    arrays = planned(model, input_signals=[{"name": "u", "t": [0, 1], "u": [1, 2]}])
    table = planned(model, inputs_csv="time, u\n0, 1\n1, 2\n")
    exported = planned(model, inputs_csv="\ufefftime,u\r\n0,1\r\n1,2\r\n")  # by a spreadsheet
    assert exported.sha256 == table.sha256 == arrays.sha256
    assert simulator.run(table).values.tolist() == simulator.run(arrays).values.tolist()


def test_derivatives_are_given_where_a_model_takes_them(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    ramp = [{"name": "u", "t": [0, 1], "u": [0, 1]}]
    trajectory = simulator.run(planned(model_that("integrates"), step=0.25, input_signals=ramp))
    assert trajectory.column("y") == pytest.approx(trajectory.time**2 / 2, abs=1e-14)


def test_a_model_with_variable_steps_is_stopped_at_a_jump(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    jump = [{"name": "u", "t": [0, 0.3], "u": [0, 1], "interpolation": "hold"}]
    trajectory = simulator.run(planned(model_that("integrates"), step=0.25, input_signals=jump))
    assert trajectory.column("y")[-1] == pytest.approx(0.7)
    assert trajectory.column("steps")[-1] == 5
    assert trajectory.time.tolist() == [0, 0.25, 0.5, 0.75, 1]


def test_a_last_step_that_isnt_whole_ends_at_the_stop_time(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    trajectory = simulator.run(planned(model_that("integrates"), step=0.4))
    assert trajectory.time.tolist() == pytest.approx([0, 0.4, 0.8, 1])


@pytest.mark.parametrize("mode", ["co_simulation", "model_exchange"])
@pytest.mark.parametrize("version", ["fmi2", "fmi3"])
def test_every_type_of_input_gets_through(
    mode: str,
    version: str,
    reference: ModelThat,
    planned: Planner,
    simulator: Simulator,
) -> None:
    names = ("Float64_continuous", "Int32", "Boolean", "Enumeration")
    found = [f"{name}_input" for name in names]
    model = reference(f"{version}/Feedthrough")
    signals = [
        {"name": found[0], "t": [0, 2], "u": [0, 2]},
        {"name": found[1], "t": [0, 1], "u": [1, 2]},
        {"name": found[2], "t": [0, 1], "u": [False, True]},
        {"name": found[3], "t": [0, 1], "u": ["Option 1", "Option 2"]},
    ]
    outputs = [name.replace("input", "output") for name in found]
    trajectory = simulator.run(
        planned(model, mode=mode, step=0.5, input_signals=signals, outputs=outputs)
    )
    last = trajectory.values[-1].tolist()
    lag = 0.5 if mode == "co_simulation" else 0.0
    assert last == pytest.approx([2 - lag, 2, 1, 2])


def test_a_state_that_runs_away_ends_the_run_with_its_name(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    run = planned(
        model_that("driven"), start_values={"a": -800, "x": 1}, stop_time=100, solver=TIGHT
    )
    with pytest.raises(NonFiniteValueError) as caught:
        simulator.run(run)
    assert caught.value.details["variable"] == "der(x)"
    assert caught.value.details["time"] == pytest.approx(709 / 800, rel=0.1)


def test_a_long_table_of_inputs_takes_no_longer_than_its_length(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    times = [i / 1000 for i in range(20_000)]
    signal = {"name": "u", "t": times, "u": [float(i % 2) for i in range(20_000)]}
    run = planned(model_that("driven"), stop_time=1, step=0.1, input_signals=[signal])
    assert simulator.run(run).wall_ms < 5_000
