"""Runs at a gateway: priced first, paid for when it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fmu_gateway_sdk import FMUGatewayClient, PaymentRequired, SimulateRequest
from fmu_gateway_sdk.answers import SimulationResult


class UnpaidError(Exception):
    """The gateway waits for a payment that a person has to make; the message says how."""


@dataclass(frozen=True, slots=True)
class Price:
    """What some runs would cost together."""

    runs: int
    amount: float
    currency: str
    quote_ids: tuple[str, ...]

    def __str__(self) -> str:
        """For a reader."""
        return f"{self.amount:.2f} {self.currency.upper()}" if self.amount else "free"


@dataclass(frozen=True, slots=True)
class Ordered:
    """One run that was delivered, and what paid for it; `quote_id` is None where nothing had to."""

    purpose: str
    answer: SimulationResult
    quote_id: str | None

    @property
    def trace(self) -> dict[str, Any]:
        """What finds this run again."""
        return {
            "purpose": self.purpose,
            "result_id": self.answer.result_id,
            "request_sha256": self.answer.request_sha256,
            "quote_id": self.quote_id,
            "answered_from_store": self.answer.cached,
        }


def price(client: FMUGatewayClient, requests: list[SimulateRequest]) -> Price:
    """Quote each run; also finds every mistake in the requests before anything is paid."""
    quotes = [client.quote(request) for request in requests]
    due = [quote for quote in quotes if not quote.existing_result_id]
    return Price(
        runs=len(quotes),
        amount=sum(quote.amount for quote in due),
        currency=quotes[0].currency,
        quote_ids=tuple(quote.quote_id for quote in quotes),
    )


def order(client: FMUGatewayClient, purpose: str, request: SimulateRequest, offer: str) -> Ordered:
    """Run it; where the gateway asks for money, pay by `offer` and run what was paid.

    Raises:
        UnpaidError: that way to pay needs a person, or isn't offered.

    """
    try:
        return Ordered(purpose, client.simulate(request), None)
    except PaymentRequired as required:
        needed = required.requirement
    quote_id = needed.already_paid_quote_id
    if quote_id is None:
        offered = [one.kind for one in needed.offers]
        if offer not in offered:
            message = f"this gateway doesn't take {offer}; choose --offer from {offered}"
            raise UnpaidError(message)
        payment = client.pay(quote_id=needed.quote_id, offer=offer)
        if payment.status != "paid":
            message = f"pay {payment.amount:.2f} {payment.currency.upper()} at "
            message += f"{payment.checkout_url} and start this again"
            raise UnpaidError(message)
        quote_id = needed.quote_id
    return Ordered(purpose, client.simulate(SimulateRequest(quote_id=quote_id)), quote_id)
