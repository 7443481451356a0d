"""A run that has to happen: at the gateway if it can be had, else on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fmu_gateway_sdk.answers import SimulationResult
from fmu_gateway_sdk.exceptions import (
    BusyError,
    GatewayError,
    InvalidAnswerError,
    UnreachableError,
)
from fmu_gateway_sdk.local import simulate_locally
from fmu_gateway_sdk.request import SimulateRequest
from fmu_gateway_sdk.trajectory import Trajectory

LocalSimulator = Callable[[SimulateRequest], Trajectory]

_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came out, where it ran (`ran`) and why there. `answer` is None where it ran locally."""

    ran: Literal["gateway", "local"]
    why: str
    trajectory: Trajectory
    answer: SimulationResult | None


def remotely(answer: SimulationResult, trajectory: Trajectory) -> Outcome:
    """A run at the gateway."""
    return Outcome("gateway", "the gateway answered", trajectory, answer)


def fits_fallback(error: GatewayError) -> bool:
    """Whether the gateway is the trouble, not the request, the model or the money."""
    return (
        isinstance(error, UnreachableError | BusyError | InvalidAnswerError)
        or error.status == _SERVER_ERROR
    )


def locally(
    request: SimulateRequest | Mapping[str, Any],
    simulator: LocalSimulator | None,
    reason: GatewayError,
) -> Outcome:
    """A run on this machine, since the gateway couldn't for that reason.

    Raises:
        LocalSimulationError: it can't be run here either.

    """
    asked = request if isinstance(request, SimulateRequest) else SimulateRequest.from_json(request)
    trajectory = (simulator or simulate_locally)(asked)
    return Outcome("local", reason.message, trajectory, None)
