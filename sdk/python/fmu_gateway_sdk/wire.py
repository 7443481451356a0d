"""What goes over the wire and comes back, without doing it: the clients do the talking."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from fmu_gateway_sdk.answers import Answer
from fmu_gateway_sdk.exceptions import (
    BusyError,
    ConflictError,
    GatewayError,
    InvalidAnswerError,
    InvalidRequestError,
    NotFoundError,
    PaymentRequired,
    SimulationTimeoutError,
    UnauthorizedError,
)
from fmu_gateway_sdk.progress import Progress

T = TypeVar("T")
A = TypeVar("A", bound=Answer)

OK: Final = frozenset({200, 201, 204})
PAYMENT: Final = frozenset({200, 202, 410})  # paid, pending, expired: all are answers
_ERRORS: Final[dict[int, type[GatewayError]]] = {
    401: UnauthorizedError,
    402: PaymentRequired,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidRequestError,
    422: InvalidRequestError,
    429: BusyError,
    503: BusyError,
    504: SimulationTimeoutError,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP request. `path` is below the gateway's URL.

    `repeatable`: sent twice, it does what it does once. `payment` is the x402 header.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None
    file: bytes | None = None
    progress: Progress | None = None
    payment: str | None = None
    accept: str = "application/json"
    statuses: frozenset[int] = OK
    with_key: bool = True
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Sent:
    """A call made ready: its whole address, its headers, how long to wait [s]; None: as usual."""

    call: Call
    url: str
    headers: Mapping[str, str]
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing to send: time to let pass [s]."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    content: bytes
    retry_after: str | None

    def json(self) -> Mapping[str, Any]:
        """The JSON object in it.

        Raises:
            InvalidAnswerError: there is none.

        """
        try:
            value = json.loads(self.content)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise InvalidAnswerError(self.status, f"an answer {self.status} that is no JSON object")
        return value

    def read(self, kind: type[A]) -> A:
        """The typed answer in it.

        Raises:
            InvalidAnswerError: it is none.

        """
        plain = self.json()
        try:
            return kind.parse(plain)
        except ValueError as error:
            raise InvalidAnswerError(self.status, str(error)) from None


Flow = Generator[Sent | Pause, Reply, T]
"""A conversation with the gateway that ends in a T: yields what to send, is sent the replies."""


def error_of(reply: Reply) -> GatewayError:
    """The refusal or failure that a reply tells of."""
    try:
        told = reply.json()
        code, message = str(told["code"]), str(told["message"])
    except (InvalidAnswerError, KeyError):
        return InvalidAnswerError(reply.status, f"status {reply.status} without a reason")
    details = dict(told if reply.status == 402 else told.get("details") or {})  # noqa: PLR2004
    if reply.retry_after and reply.retry_after.isdigit():
        details["retry_after_s"] = int(reply.retry_after)
    kind = _ERRORS.get(reply.status, GatewayError)
    return kind(code, reply.status, message, str(told.get("remedy", "")), details)
