"""Tool `pay`: pay a quote, or ask how a payment stands."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway_payments.quotes import Quote
from gateway_payments.requirement import paid_already_steps
from gateway_simulation.request import SimulationRequest
from gateway_tools.context import Context
from gateway_tools.exceptions import OnePaymentError
from gateway_tools.requests import planned
from gateway_tools.tool import Tool

NAME: Final = "pay"
DESCRIPTION: Final = """\
Pay for a quote, or ask how a payment stands. The one tool that spends money: use it when the
user agreed or the budget allows. Offer credits answers paid with a payment_token;
stripe_checkout pending with a checkout_url for a person; x402 takes the signed payment in _meta.
Repeat with session_id or quote_id until paid; nothing is paid twice. Example: {"quote_id":
"qt_...", "offer": "credits"}."""


class PayInput(BaseModel):
    """What to pay, or which payment to look after; exactly one id."""

    model_config = ConfigDict(extra="forbid")

    quote_id: str | None = Field(default=None, max_length=100)
    session_id: str | None = Field(default=None, max_length=300)
    fmu_id: str | None = Field(default=None, max_length=300)
    offer: str | None = Field(default=None, max_length=40)


class BalanceView(BaseModel):
    """Prepaid credits."""

    amount: float
    amount_micros: int
    currency: str


class PayOutput(BaseModel):
    """How the payment stands."""

    status: Literal["paid", "pending", "expired"]
    quote_id: str | None = Field(description="null: credits are bought")
    offer: str | None = None
    session_id: str | None = None
    checkout_url: str | None = Field(default=None, description="For a person to open")
    payment_token: str | None = Field(
        default=None, description="For simulate or run_study; pays for one"
    )
    balance: BalanceView | None = Field(default=None, description="Once credits were bought")
    expires_at: datetime | None = None
    amount: float
    amount_minor: int
    amount_micros: int
    currency: str
    next_steps: list[str]


def handle(context: Context, request: PayInput) -> PayOutput:
    """Begin or look after a payment."""
    given = [request.quote_id, request.session_id, request.fmu_id]
    if sum(value is not None for value in given) != 1:
        raise OnePaymentError
    quote_id = request.quote_id
    if request.fmu_id is not None:
        quote = _default_quote(context, request.fmu_id)
        if request.offer is None and quote.prices:
            return _quoted(quote)
        quote_id = quote.id
    status = context.gateway.payments.pay(
        context.caller,
        quote_id=quote_id,
        session_id=request.session_id,
        offer=request.offer,
        proof=context.proof,
        now=context.now,
    )
    return PayOutput.model_validate(status.as_dict())


def _default_quote(context: Context, fmu_id: str) -> Quote:
    plan = planned(context, SimulationRequest(fmu_id=fmu_id))
    return context.gateway.payments.quote(context.account_id, plan.priced, context.now)


def _quoted(quote: Quote) -> PayOutput:
    """Nothing is begun until an offer is chosen."""
    return PayOutput(
        status="pending",
        quote_id=quote.id,
        expires_at=quote.expires_at,
        amount=quote.money.amount,
        amount_minor=quote.money.amount_minor,
        amount_micros=quote.money.amount_micros,
        currency=quote.money.currency,
        next_steps=[
            *paid_already_steps(quote),
            *_choices(quote),
        ],
    )


def _choices(quote: Quote) -> list[str]:
    return [
        f'Choose an offer: pay {{"quote_id": "{quote.id}", "offer": "{kind}"}} ({price})'
        for kind, price in quote.prices.items()
    ]


TOOL: Final = Tool(
    name=NAME,
    title="Pay for a simulation",
    description=DESCRIPTION,
    input=PayInput,
    output=PayOutput,
    handle=handle,
    tells=("status", "payment_token", "checkout_url"),
    destructive=True,
    idempotent=True,
)
