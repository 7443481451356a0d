"""Many runs in one process give what each gives alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gateway_simulation import exceptions as e
from gateway_simulation.model import Model
from gateway_simulation.plan import CanonicalRun
from gateway_simulation.runner import Simulator
from gateway_simulation.trajectory import Trajectory

Named = Callable[[str], Model]
Planner = Callable[..., CanonicalRun]


def _equal(one: Trajectory | e.RunError, other: Trajectory | e.RunError) -> bool:
    assert isinstance(one, Trajectory)
    assert isinstance(other, Trajectory)
    return (
        one.time.tobytes() == other.time.tobytes()
        and one.values.tobytes() == other.values.tobytes()
        and one.events == other.events
        and one.statistics == other.statistics
    )


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize(
    ("name", "mode", "varied"),
    [
        ("fmi2/BouncingBall", "co_simulation", "e"),
        ("fmi2/BouncingBall", "model_exchange", "e"),
        ("fmi3/BouncingBall", "co_simulation", "e"),
        ("fmi3/VanDerPol", "model_exchange", "mu"),
    ],
)
def test_a_batch_gives_the_same_bytes_as_single_runs(  # noqa: PLR0913, PLR0917 - fixtures
    name: str,
    mode: str,
    varied: str,
    resets: bool,  # noqa: FBT001 - a parameter of the test
    reference: Named,
    planned: Planner,
    simulator: Simulator,
) -> None:
    model = replace(reference(name), resets=resets)
    values = np.linspace(0.55, 0.95, 7).tolist()
    runs = [planned(model, mode=mode, start_values={varied: value}) for value in values]
    batch = simulator.run_all(runs)
    assert all(_equal(simulator.run(run), found) for run, found in zip(runs, batch, strict=True))
    assert all(_equal(*p) for p in zip(simulator.run_all(runs[::-1]), batch[::-1], strict=True))


def test_a_batch_on_several_cores_is_in_order(reference: Named, planned: Planner) -> None:
    model = replace(reference("fmi2/Dahlquist"), resets=True)
    runs = [planned(model, start_values={"k": 1 + i / 400}) for i in range(400)]
    many = Simulator(timeout_s=20, memory_mb=256, concurrency=3)
    one = Simulator(timeout_s=20, memory_mb=256, concurrency=1)
    try:
        spread, alone = many.run_all(runs), one.run_all(runs)
    finally:
        many.close()
        one.close()
    assert len(spread) == 400
    assert all(_equal(*pair) for pair in zip(spread, alone, strict=True))


def test_a_run_that_fails_fails_alone(
    model_that: Named, planned: Planner, simulator: Simulator
) -> None:
    model = model_that("driven")
    runs = [
        planned(model, start_values={"a": a, "x": 1}, stop_time=10) for a in (1, -800, 2, -800, 3)
    ]
    found = simulator.run_all(runs)
    failed = [isinstance(one, e.NonFiniteValueError) for one in found]
    assert failed == [False, True, False, True, False]
    assert _equal(found[4], simulator.run(runs[4]))


def test_a_model_that_crashes_takes_no_other_run_with_it(
    model_that: Named, planned: Planner, simulator: Simulator
) -> None:
    found = simulator.run_all([planned(model_that("crashes"))] * 3)
    assert [type(one) for one in found] == [e.ModelCrashedError] * 3


def test_a_batch_ends_in_time_and_says_which_runs_came_too_late(
    model_that: Named, planned: Planner, simulator: Simulator
) -> None:
    found = simulator.run_all([planned(model_that("spins"))] * 5, timeout_s=0.5)
    assert [type(one) for one in found] == [e.RunTimeoutError] * 5


def test_accuracy_is_judged_for_each_run(
    reference: Named, planned: Planner, simulator: Simulator
) -> None:
    model = reference("fmi2/Dahlquist")
    runs = [
        planned(model, step=0.5, start_values={"k": k}, check_accuracy=True) for k in (0.5, 1.5)
    ]
    for run, found in zip(runs, simulator.run_all(runs), strict=True):
        assert isinstance(found, Trajectory)
        alone = simulator.run(run)
        assert found.accuracy is not None
        assert alone.accuracy is not None
        assert _equal(found.accuracy, alone.accuracy)


def test_an_accuracy_that_says_nothing_is_told_as_such(
    reference: Named, planned: Planner, simulator: Simulator
) -> None:
    fixed = simulator.run(planned(reference("fmi2/Dahlquist"), step=0.2, check_accuracy=True))
    assert "says nothing" in fixed.warnings[-1]
    free = simulator.run(
        planned(reference("fmi2/Dahlquist"), mode="model_exchange", check_accuracy=True)
    )
    assert not any("says nothing" in warning for warning in free.warnings)


def test_runs_that_arent_alike_are_refused(
    reference: Named, planned: Planner, simulator: Simulator
) -> None:
    model = reference("fmi2/Dahlquist")
    with pytest.raises(ValueError, match="more than the values of their start values"):
        simulator.run_all([planned(model), planned(model, stop_time=3)])
    with pytest.raises(ValueError, match="more than the values of their start values"):
        simulator.run_all([planned(model), planned(model, start_values={"k": 2})])


def test_no_runs_are_no_trouble(simulator: Simulator) -> None:
    assert simulator.run_all([]) == []
