"""A trial tells whether a model runs, and whether it can be reset."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway_simulation.model import Model
from gateway_simulation.runner import Simulator
from gateway_simulation.trial import tried

Named = Callable[[str], Model]


@pytest.mark.parametrize(
    ("name", "resets"),
    [
        ("fmi2/BouncingBall", True),
        ("fmi3/BouncingBall", True),
        ("fmi2/VanDerPol", True),
        ("fmi2/Stair", False),
        ("CoupledClutches_CS_linux64", True),
    ],
)
def test_a_model_that_reset_doesnt_restore_is_found(
    name: str, *, resets: bool, reference: Named, simulator: Simulator
) -> None:
    trial = tried(simulator, reference(name))
    assert trial.resets is resets
    assert trial.failure is None


@pytest.mark.parametrize(
    ("behaviour", "failure"),
    [("crashes", "the model crashed (SIGSEGV)"), ("spins", "the run took longer than")],
)
def test_a_trial_tells_how_a_model_fails(
    behaviour: str, failure: str, model_that: Named, simulator: Simulator
) -> None:
    trial = tried(simulator, model_that(behaviour))
    assert trial.failure is not None
    assert trial.failure.startswith(failure)
    assert not trial.resets


def test_a_trial_is_made_once(model_that: Named) -> None:
    model = model_that("driven")
    simulator = Simulator(timeout_s=10, memory_mb=256)
    first = tried(simulator, model)
    simulator.close()
    assert tried(simulator, model) == first
