"""What a run took is known, whether it ended well or not, and shapes no number of its result."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from gateway_simulation import exceptions as e
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory
from gateway_simulation.usage import Usage

ModelThat = Callable[[str], Model]
Planner = Callable[..., CanonicalRun]


@pytest.fixture
def small() -> Iterator[Simulator]:
    made = Simulator(timeout_s=1.5, memory_mb=128, concurrency=2)
    yield made
    made.close()


def test_a_run_says_what_it_took(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    found = simulator.run(planned(model_that("driven")))
    usage = _used(found.usage)
    assert usage.wall_ms == found.wall_ms
    assert 0 < usage.cpu_ms < 1000
    assert 2**20 < usage.peak_bytes < 512 * 2**20
    assert usage.sandbox == found.engine["sandbox"]


def test_a_run_that_was_ended_says_what_it_took(
    model_that: ModelThat, planned: Planner, small: Simulator
) -> None:
    with pytest.raises(e.RunTimeoutError) as spun:
        small.run(planned(model_that("spins")))
    assert 50 < _used(spun.value.usage).cpu_ms < 4000
    with pytest.raises(e.OutOfMemoryError) as hogged:
        small.run(planned(model_that("hogs_memory")))
    assert _used(hogged.value.usage).peak_bytes > 100 * 2**20


def test_an_accuracy_check_takes_what_both_runs_take(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    found = simulator.run(planned(model_that("driven"), check_accuracy=True))
    assert isinstance(found.accuracy, Trajectory)
    twin = _used(found.accuracy.usage)
    assert _used(found.usage).cpu_ms > twin.cpu_ms > 0


def test_a_batch_shares_what_its_process_took(
    model_that: ModelThat, planned: Planner, simulator: Simulator
) -> None:
    found = simulator.run_all([planned(model_that("driven"))] * 10)
    shares = {one.usage for one in found if isinstance(one, Trajectory)}
    assert len(shares) == 1


def _used(usage: Usage | None) -> Usage:
    assert usage is not None
    return usage
