"""Whatever a model does, its run ends by itself with its own error, and the next run works."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway_simulation import exceptions as e
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.runner import Simulator

ModelThat = Callable[[str], Model]
Planner = Callable[..., CanonicalRun]


@pytest.fixture(scope="module")
def impatient() -> Iterator[Simulator]:
    made = Simulator(timeout_s=1, memory_mb=128)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("discards", e.StepRefusedError),
        ("never_settles", e.EventIterationError),
        ("past_event", e.EventIterationError),
        ("spins", e.RunTimeoutError),
        ("turns_nan", e.NonFiniteValueError),
        ("exits", e.ModelExitedError),
        ("crashes", e.ModelCrashedError),
        ("crashes_at_end", e.ModelCrashedError),
        ("fails", e.ModelFailedError),
        ("hogs_memory", e.OutOfMemoryError),
    ],
)
def test_each_way_to_fail_has_its_own_error(
    behaviour: str,
    error: type[e.RunError],
    model_that: ModelThat,
    planned: Planner,
    impatient: Simulator,
) -> None:
    begun = time.monotonic()
    with pytest.raises(e.RunError) as caught:
        impatient.run(planned(model_that(behaviour)))
    assert type(caught.value) is error
    assert caught.value.models_fault
    assert time.monotonic() - begun < 5


def test_nan_is_told_with_variable_and_time(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    with pytest.raises(e.NonFiniteValueError) as caught:
        simulator.run(planned(model_that("turns_nan")))
    assert caught.value.details["variable"] == "y"
    assert caught.value.details["time"] == pytest.approx(0.5)


def test_a_models_last_words_are_in_the_details_and_only_there(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    with pytest.raises(e.ModelFailedError) as caught:
        simulator.run(planned(model_that("fails")))
    assert caught.value.details["function"] == "fmi2DoStep"
    assert caught.value.details["time"] == pytest.approx(0.5)
    log = caught.value.details["log"]
    assert isinstance(log, list)
    assert "pressure -1.5 Pa is too low" in log[-1]
    assert "pressure" not in str(caught.value)


def test_exit_zero_is_no_success(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    with pytest.raises(e.ModelExitedError) as caught:
        simulator.run(planned(model_that("exits")))
    assert caught.value.details["exit_status"] == 0


@pytest.mark.parametrize("behaviour", ["floods_log", "noisy"])
def test_noise_neither_stops_a_run_nor_leaves_it(
    behaviour: str,
    model_that: ModelThat,
    planned: Planner,
    simulator: Simulator,
    capfd: pytest.CaptureFixture[str],
) -> None:
    trajectory = simulator.run(planned(model_that(behaviour)))
    assert trajectory.rows == 11
    assert capfd.readouterr() == ("", "")


def test_a_models_folder_is_its_own_and_gone_afterwards(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    before = Path.cwd()
    model = model_that("changes_folder")
    files = sorted(model.folder.rglob("*"))
    trajectory = simulator.run(planned(model))
    assert trajectory.column("y")[0] == 1
    assert Path.cwd() == before
    assert sorted(model.folder.rglob("*")) == files


def test_the_servers_environment_stays_with_the_server(
    model_that: ModelThat, planned: Planner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_of_ours")
    simulator = Simulator(timeout_s=10, memory_mb=256)
    try:
        trajectory = simulator.run(planned(model_that("knows_environment")))
    finally:
        simulator.close()
    assert trajectory.column("y")[-1] == 0


def test_a_process_left_behind_ends_with_its_run(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    trajectory = simulator.run(planned(model_that("leaves_process")))
    left = int(trajectory.column("y")[-1])
    assert left > 0
    with pytest.raises(ProcessLookupError):
        os.kill(left, 0)


def test_a_model_that_ends_early_says_so(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    trajectory = simulator.run(planned(model_that("stops_early")))
    assert trajectory.terminated_at == pytest.approx(0.5)
    assert trajectory.time[-1] == pytest.approx(0.5)
    assert "ended the simulation at 0.5 s" in trajectory.warnings[-1]


def test_a_string_output_is_refused_not_dropped(model_that: ModelThat, planned: Planner) -> None:
    with pytest.raises(e.UnsupportedOutputError) as caught:
        planned(model_that("has_text"), outputs=["y", "message"])
    assert caught.value.details == {"name": "message", "type": "string"}
    run = planned(model_that("has_text"))
    assert run.outputs == ("y", "T")
    assert any("message" in warning for warning in run.warnings)


def test_the_next_run_works_after_all_of_this(
    model_that: ModelThat, planned: Planner, impatient: Simulator
) -> None:
    assert impatient.run(planned(model_that("driven"))).rows == 11
