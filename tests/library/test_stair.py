"""Stair: a model without states that ends the simulation by itself."""

from __future__ import annotations

import pytest

from gateway_library.catalogue import Catalogue
from gateway_library.verification import Mode
from gateway_simulation.plan import RunLimits, plan
from gateway_simulation.request import SimulationRequest
from gateway_simulation.runner import Simulator
from gateway_simulation.trial import tried

each_build = pytest.mark.parametrize("model_id", ["Stair", "Stair@fmi3"])


@each_build
@pytest.mark.parametrize("mode", ["co_simulation", "model_exchange"])
def test_the_counter_ends_the_simulation_at_ten(
    catalogue: Catalogue, simulator: Simulator, model_id: str, mode: Mode
) -> None:
    request = SimulationRequest(fmu_id=model_id, mode=mode)
    run = simulator.run(plan(catalogue.resolve(model_id), request, RunLimits()))
    assert run.terminated_at == 9.0
    assert run.column("counter")[-1] >= 9  # not every mode records what the last event left


@each_build
def test_a_reset_restores_it(catalogue: Catalogue, simulator: Simulator, model_id: str) -> None:
    assert tried(simulator, catalogue.resolve(model_id)).resets
