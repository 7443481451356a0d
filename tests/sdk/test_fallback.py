"""Runs that have to happen, and FMPy as the local simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmu_gateway_sdk import FMUGatewayClient, LocalSimulationError, NotFoundError, Trajectory
from fmu_gateway_sdk.enhanced_client import EnhancedFMUGatewayClient, SimulateRequest
from fmu_gateway_sdk.exceptions import LocalSimulatorMissingError
from fmu_gateway_sdk.local import simulate_locally

NOWHERE = "http://127.0.0.1:1"


def test_a_gateway_that_answers_runs_it(client: FMUGatewayClient, fmu_file: Path) -> None:
    outcome = client.simulate_with_fallback(SimulateRequest(fmu_path=fmu_file, stop_time=2.0))
    assert outcome.ran == "gateway"
    assert outcome.answer is not None
    assert outcome.trajectory.time[-1] == 2.0


def test_without_a_gateway_fmpy_runs_the_file_and_gives_the_same_numbers(
    client: FMUGatewayClient, fmu_file: Path
) -> None:
    request = SimulateRequest(
        fmu_path=fmu_file, stop_time=2.0, step=0.1, start_values={"mu": 2.0}, mode="co_simulation"
    )
    there = client.simulate_with_fallback(request).trajectory
    with EnhancedFMUGatewayClient(NOWHERE) as lonely:
        outcome = lonely.simulate_with_fallback(request)
    assert outcome.ran == "local"
    assert NOWHERE in outcome.why
    assert outcome.trajectory.names == there.names
    assert np.allclose(outcome.trajectory.time, there.time)
    assert np.allclose(outcome.trajectory["x0"], there["x0"], rtol=1e-12)


def test_a_simulator_of_ones_own_is_asked_instead() -> None:
    def mine(request: SimulateRequest) -> Trajectory:
        return Trajectory.of({"time": [0.0, request.stop_time or 0.0], "y": [1.0, 2.0]}, {})

    with EnhancedFMUGatewayClient(NOWHERE) as lonely:
        request = SimulateRequest(fmu_id="msl:BouncingBall", stop_time=5.0)
        outcome = lonely.simulate_with_fallback(request, local_simulator=mine)
    assert outcome.trajectory.time[-1] == 5.0


def test_a_refused_request_is_not_run_elsewhere(client: FMUGatewayClient) -> None:
    with pytest.raises(NotFoundError):
        client.simulate_with_fallback(SimulateRequest(fmu_id="msl:Nothing"))


def test_without_fmpy_it_says_what_to_install(
    fmu_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fmu_gateway_sdk.local.find_spec", lambda _: None)
    with pytest.raises(LocalSimulatorMissingError, match="pip install fmpy"):
        simulate_locally(SimulateRequest(fmu_path=fmu_file))


@pytest.mark.parametrize(
    "fields",
    [
        {"fmu_path": None, "fmu_id": "msl:BouncingBall"},
        {"fmu_path": "missing.fmu"},
        {"start_values": {"muu": 1.0}},
        {"outputs": ["x9"]},
        {"check_accuracy": True},
        {"inputs_csv": "time,u"},
        {"mode": "model_exchange", "solver": {"name": "rk4"}},
        {
            "mode": "model_exchange",
            "input_signals": [{"name": "mu", "time": [0, 1], "values": [1, 2]}],
        },
        {
            "input_signals": [
                {"name": "mu", "t": [0, 1], "u": [1, 2], "interpolation": "hold"},
            ]
        },
        {"start_values": {"mu": "much"}},
    ],
    ids=str,
)
def test_what_fmpy_cannot_do_rightly_is_refused(fmu_file: Path, fields: dict[str, Any]) -> None:
    with pytest.raises(LocalSimulationError) as refusal:
        simulate_locally(SimulateRequest(**{"fmu_path": fmu_file, **fields}))
    assert refusal.value.remedy
