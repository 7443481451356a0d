"""Python client of FMU Gateway: upload, quote, pay and simulate FMI models."""

from __future__ import annotations

from fmu_gateway_sdk.client import AsyncFMUGatewayClient, FMUGatewayClient
from fmu_gateway_sdk.exceptions import (
    BusyError,
    ConflictError,
    GatewayError,
    InvalidAnswerError,
    InvalidRequestError,
    LocalSimulationError,
    NotFoundError,
    PaymentRequired,
    SimulationTimeoutError,
    UnauthorizedError,
    UnreachableError,
)
from fmu_gateway_sdk.keys import KeyStore
from fmu_gateway_sdk.progress import Bar
from fmu_gateway_sdk.request import InputSignal, SimulateRequest
from fmu_gateway_sdk.trajectory import Trajectory

__all__ = [
    "AsyncFMUGatewayClient",
    "Bar",
    "BusyError",
    "ConflictError",
    "FMUGatewayClient",
    "GatewayError",
    "InputSignal",
    "InvalidAnswerError",
    "InvalidRequestError",
    "KeyStore",
    "LocalSimulationError",
    "NotFoundError",
    "PaymentRequired",
    "SimulateRequest",
    "SimulationTimeoutError",
    "Trajectory",
    "UnauthorizedError",
    "UnreachableError",
]
