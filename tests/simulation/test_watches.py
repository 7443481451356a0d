"""Whoever holds a run's watch sees how far it is and can end it, in the queue and in its jail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway_simulation.exceptions import RunCancelledError
from gateway_simulation.model import Model
from gateway_simulation.pool import Pool
from gateway_simulation.runner import Simulator
from gateway_simulation.watch import Watch

ModelThat = Callable[[str], Model]
Planner = Callable[..., Any]
DEADLINE_S = 15


@pytest.fixture(scope="module")
def patient() -> Iterator[Simulator]:
    """One core, and more patience than any of these tests has."""
    made = Simulator(timeout_s=60, memory_mb=256, concurrency=1)
    yield made
    made.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_cancelled_run_ends_at_once_and_its_core_is_free(
    model_that: ModelThat, planned: Planner, patient: Simulator
) -> None:
    watch = Watch()
    with ThreadPoolExecutor(1) as threads:
        begun = time.monotonic()
        spinning = threads.submit(patient.run, planned(model_that("spins")), "a", watch)
        until(lambda: bool(watch._readers))  # noqa: SLF001  its process is asked for
        watch.cancel()
        with pytest.raises(RunCancelledError) as caught:
            spinning.result()
    assert time.monotonic() - begun < DEADLINE_S
    assert caught.value.usage is not None
    assert not caught.value.models_fault
    assert patient.run(planned(model_that("integrates"))).values.size


def test_who_cancels_in_the_queue_leaves_it() -> None:
    pool, watch = Pool(1, 60), Watch()

    def wait() -> None:
        with pool.core("b", watch):
            raise AssertionError

    with ThreadPoolExecutor(1) as threads, pool.core("a", Watch()):
        waiting = threads.submit(wait)
        until(lambda: pool._queue.waiting == 1)  # noqa: SLF001
        watch.cancel()
        with pytest.raises(RunCancelledError):
            waiting.result(DEADLINE_S)
        assert pool._queue.waiting == 0  # noqa: SLF001
    with pool.core("c", Watch()):
        pass


def test_a_run_that_was_cancelled_before_it_began_never_begins(
    model_that: ModelThat, planned: Planner, patient: Simulator
) -> None:
    watch = Watch()
    watch.cancel()
    with pytest.raises(RunCancelledError):
        patient.run(planned(model_that("spins")), "a", watch)


def test_others_runs_go_on_when_one_is_cancelled(model_that: ModelThat, planned: Planner) -> None:
    simulator = Simulator(timeout_s=60, memory_mb=256, concurrency=2)
    try:
        spinning, staying = Watch(), Watch()
        with ThreadPoolExecutor(2) as threads:
            spin = planned(model_that("spins"))
            first = threads.submit(simulator.run, spin, "a", spinning)
            second = threads.submit(simulator.run, spin, "b", staying)
            until(lambda: bool(spinning._readers and staying._readers))  # noqa: SLF001
            spinning.cancel()
            with pytest.raises(RunCancelledError):
                first.result(DEADLINE_S)
            assert not second.done()
            staying.cancel()
            with pytest.raises(RunCancelledError):
                second.result(DEADLINE_S)
    finally:
        simulator.close()


def test_the_share_is_that_of_the_rows_while_the_run_goes_on(
    model_that: ModelThat, planned: Planner, patient: Simulator
) -> None:
    watch = Watch()
    with ThreadPoolExecutor(1) as threads:
        spinning = threads.submit(patient.run, planned(model_that("spins")), "a", watch)
        until(lambda: 0 < watch.share < 1)  # its first row is there
        watch.cancel()
        assert isinstance(spinning.exception(DEADLINE_S), RunCancelledError)


def test_the_share_of_what_has_ended_is_all_of_it(
    model_that: ModelThat, planned: Planner, patient: Simulator
) -> None:
    watch = Watch()
    patient.run(planned(model_that("integrates")), "a", watch)
    assert watch.share == 1


def test_a_cancelled_study_is_ended_as_a_whole(
    model_that: ModelThat, planned: Planner, patient: Simulator
) -> None:
    runs = [planned(model_that("spins"))] * 3
    watch = Watch()
    with ThreadPoolExecutor(1) as threads:
        studying = threads.submit(patient.run_all, runs, None, "a", watch)
        until(lambda: bool(watch._readers))  # noqa: SLF001
        watch.cancel()
        with pytest.raises(RunCancelledError):
            studying.result(DEADLINE_S)


def test_ends_are_forgotten_with_their_block() -> None:
    watch, ended = Watch(), []
    with watch.ended_by(lambda: ended.append("inner")):
        pass
    with watch.ended_by(lambda: ended.append("outer")):
        watch.cancel()
    assert ended == ["outer"]
