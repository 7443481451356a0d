"""The client under the name that many scripts know."""

from __future__ import annotations

from fmu_gateway_sdk.client import FMUGatewayClient
from fmu_gateway_sdk.request import InputSignal, SimulateRequest

__all__ = ["EnhancedFMUGatewayClient", "InputSignal", "SimulateRequest"]


class EnhancedFMUGatewayClient(FMUGatewayClient):
    """FMUGatewayClient: `gateway_url="auto"`, `upload_fmu_smart`, `simulate_with_fallback`."""
