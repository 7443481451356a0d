"""From a request to a canonical run (being written)."""

from __future__ import annotations

from dataclasses import dataclass

from gateway_simulation.model import Model
from gateway_simulation.request import SimulationRequest
from gateway_simulation.run import CanonicalRun


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What one run may ask for at most."""

    output_points: int = 200_000
    output_values: int = 5_000_000
    communication_points: int = 20_000_000
    input_points: int = 1_000_000
    outputs: int = 2_000
    kpis: int = 200


def plan(model: Model, request: SimulationRequest, limits: RunLimits) -> CanonicalRun:
    """Check and complete `request`. Every input error appears here, as a RequestError."""
    raise NotImplementedError
