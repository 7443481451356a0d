"""What can go wrong between a program and its gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fmu_gateway_sdk.answers import Offer, PaymentRequirement


class GatewayError(Exception):
    """The gateway refused or failed. `code` is stable, `remedy` says what to do next.

    `status` is the HTTP status (0: no answer came), `details` whatever helps to correct the call,
    such as `nearest` for a misspelt name.
    """

    def __init__(
        self,
        code: str,
        status: int,
        message: str,
        remedy: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code, status, message, remedy, details)
        self.code = code
        self.status = status
        self.message = message
        self.remedy = remedy
        self.details: Mapping[str, Any] = details or {}

    def __str__(self) -> str:
        """What happened and what to do, in a line."""
        return f"{self.message} ({self.code}). {self.remedy}".strip()


class UnauthorizedError(GatewayError):
    """401: no key, or one that the gateway doesn't know or that was revoked."""


class InvalidKeyError(UnauthorizedError):
    """The key has letters that no header can carry; nothing was sent."""

    def __init__(self) -> None:
        super().__init__(
            "invalid_key",
            0,
            "this is no API key: it has letters that no key has",
            "Give the key as POST /keys answered it.",
        )


class PaymentRequired(GatewayError):  # noqa: N818  the name of the status, as everybody knows it
    """402: the run costs something; `requirement` is all that was said, `offers` how to pay."""

    @property
    def requirement(self) -> PaymentRequirement:
        """Price, quote and ways to pay."""
        return PaymentRequirement.parse(self.details)

    @property
    def offers(self) -> tuple[Offer, ...]:
        """The ways to pay, the headline first."""
        return self.requirement.offers


class NotFoundError(GatewayError):
    """404: no such model, result, quote or session, or it is someone else's."""


class ConflictError(GatewayError):
    """409: a token is spent or expired, a quote has expired, an idempotency key was reused."""


class InvalidRequestError(GatewayError):
    """413 or 422: the request doesn't fit, or the model failed with it."""


class BusyError(GatewayError):
    """429 or 503: come again in `retry_after_s` seconds; nothing was charged."""

    @property
    def retry_after_s(self) -> float:
        """Seconds to wait, as the gateway says; 1 where it doesn't."""
        return float(self.details.get("retry_after_s", 1))


class SimulationTimeoutError(GatewayError):
    """504: the run took longer than the gateway allows; nothing was charged."""


class UnreachableError(GatewayError):
    """No answer: nothing listens there, the name doesn't resolve, or the connection broke."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            "unreachable",
            0,
            f"no gateway answers at {url}: {reason}",
            "Start one with `fmu-gateway serve`, or set FMU_GATEWAY_URL.",
        )


class InvalidAnswerError(GatewayError):
    """Something answered, but not as a gateway does (a proxy's page, another service)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(
            "invalid_answer", status, message, "Check the address: is it an FMU Gateway?"
        )


class WalletMissingError(GatewayError):
    """The x402 package, by which a wallet pays, is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "wallet_missing", 0, "x402 is not installed", "pip install fmu-gateway-sdk[x402]"
        )


class LocalSimulationError(GatewayError):
    """The model can't be run on this machine; its subclasses say why."""

    def __init__(self, message: str, remedy: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__("local_simulation", 0, message, remedy, details)


class LocalSimulatorMissingError(LocalSimulationError):
    """FMPy, the default local simulator, is not installed."""

    def __init__(self) -> None:
        super().__init__("FMPy is not installed", "pip install fmpy, or give a local_simulator.")


class NoLocalModelError(LocalSimulationError):
    """There is no file to simulate here."""

    def __init__(self, model: str) -> None:
        super().__init__(
            f"there is no file of {model} on this machine",
            "Give fmu_path with the path of an FMU, or simulate at a gateway.",
        )


class OnlyAtGatewayError(LocalSimulationError):
    """The request asks for what FMPy does not do, or does wrong."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: only a gateway does that", "Leave it out, or simulate at a gateway."
        )


class UnknownLocalVariableError(LocalSimulationError):
    """The model has no such variable; `details["variables"]` are those that it has."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(
            f"the model has no variable {name}",
            "Use one of details.variables.",
            {"name": name, "variables": list(known)[:200]},
        )


class UnavailableLocalModeError(LocalSimulationError):
    """The model can't be run in the mode asked for."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"the model has no {kind}", "Use mode auto.", {"mode": kind})


class LocalRunFailedError(LocalSimulationError):
    """The model or FMPy failed."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the local run failed: {reason}", "Check the model, its start values and inputs."
        )
