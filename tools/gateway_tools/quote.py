"""Tool `quote`: what a run would cost, before anything runs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, Field

from gateway_payments.quotes import Quote
from gateway_payments.requirement import paid_already_steps
from gateway_tools.context import Context
from gateway_tools.requests import RunRequest, planned, to_quote
from gateway_tools.tool import Tool

NAME: Final = "quote"
DESCRIPTION: Final = """\
Price one simulation without running it. Use it when the user has a budget or the run is large; it
also checks the request, so every input error shows here. Free and repeatable. Takes what simulate
takes. Returns the amount, how it came about, when it expires and the ways to pay; pass the quote_id
to pay. If existing_result_id is set, this account has that result already: read it with get_result
instead of paying again. Example: {"fmu_id": "msl:BouncingBall", "stop_time": 3}."""


class OfferView(BaseModel):
    """One way to pay, as in a payment requirement."""

    kind: str
    amount: float
    amount_minor: int
    amount_micros: int
    currency: str
    expires_at: datetime
    data: dict[str, Any] = Field(description="What this way needs; a quote begins nothing")


class QuoteOutput(BaseModel):
    """A price for exactly this run."""

    quote_id: str
    amount: float = Field(description="In `currency`, for reading: 1.0; 0 where runs are free")
    amount_minor: int = Field(description="In the currency's smallest unit, rounded up")
    amount_micros: int = Field(description="Exact, in millionths of the currency")
    currency: str
    because: list[str] = Field(description="How the amount came about")
    work_units: int = Field(description="Communication points x (1 + states + outputs)")
    request_sha256: str
    expires_at: datetime
    offers: list[OfferView] = Field(description="Ways to pay; empty where runs are free")
    existing_result_id: str | None = Field(description="An equal run of this account, free to read")
    already_paid_quote_id: str | None = Field(
        description="A quote for this request that is paid and not spent: use it, don't pay again"
    )
    next_steps: list[str]


def handle(context: Context, request: RunRequest) -> QuoteOutput:
    """Price the run. Input errors surface here, before money is spoken of."""
    plan = planned(context, request)
    payments = context.gateway.payments
    quote = payments.quote(context.account_id, to_quote(context, plan), context.now)
    return quoted(context, quote)


def quoted(context: Context, quote: Quote) -> QuoteOutput:
    """The quote as its caller sees it."""
    payments, money = context.gateway.payments, quote.money
    return QuoteOutput(
        quote_id=quote.id,
        amount=money.amount,
        amount_minor=money.amount_minor,
        amount_micros=money.amount_micros,
        currency=money.currency,
        because=list(quote.because),
        work_units=quote.work_units,
        request_sha256=quote.request_sha256,
        expires_at=quote.expires_at,
        offers=[OfferView(**asdict(offer)) for offer in payments.prices(quote, context.caller)],
        existing_result_id=quote.existing_result_id,
        already_paid_quote_id=quote.already_paid_quote_id,
        next_steps=_next_steps(quote),
    )


def _next_steps(quote: Quote) -> list[str]:
    if not quote.prices:
        return ["Runs are free here: call simulate with the same input"]
    first = next(iter(quote.prices))
    return [
        *paid_already_steps(quote),
        f'Pay: pay {{"quote_id": "{quote.id}", "offer": "{first}"}}',
        f'Then run: simulate {{"quote_id": "{quote.id}"}}',
    ]


TOOL: Final = Tool(
    name=NAME,
    title="Price a simulation",
    description=DESCRIPTION,
    input=RunRequest,
    output=QuoteOutput,
    handle=handle,
    idempotent=True,
)
