"""What an account does about money beside paying for runs, over REST only.

Buying credits, letting the meter charge it, and getting back what couldn't be delivered.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from gateway_simulation.request import WHOLE
from gateway_tools.context import Context
from gateway_tools.exceptions import OnePackError
from gateway_tools.pay import PayOutput


class CreditsInput(BaseModel):
    """Which pack; exactly one of both."""

    model_config = ConfigDict(extra="forbid")

    amount_minor: Annotated[int, Field(strict=True, gt=0), WHOLE] | None = Field(
        default=None, description="In the currency's smallest unit: 500 is 5.00 USD"
    )
    pack: Annotated[int, Field(strict=True, ge=1, le=100), WHOLE] | None = Field(
        default=None, description="1 for the smallest pack"
    )


class CustomerOutput(BaseModel):
    """How linking a Stripe customer stands."""

    customer_id: str
    linked: bool = Field(description="Whether runs can be put on the monthly invoice")
    setup_url: str | None = Field(description="For a person to open; null once it is linked")
    next_steps: list[str]


class RefundOutput(BaseModel):
    """What was given back."""

    status: str = "refunded"
    quote_id: str
    payment_id: str
    offer: str = Field(description="How it had been paid, which is the way it goes back")
    amount: float
    amount_minor: int
    amount_micros: int
    currency: str
    next_steps: list[str]


def buy_credits(context: Context, request: CreditsInput) -> PayOutput:
    """The Checkout page of a pack (`POST /credits`)."""
    given = [request.amount_minor, request.pack]
    if sum(value is not None for value in given) != 1:
        raise OnePackError
    payments = context.gateway.payments
    amount = request.amount_minor or 0
    if request.pack is not None:
        amount = dict(enumerate(sorted(payments.packs), start=1)).get(request.pack, 0)
    status = payments.buy_credits(context.caller, amount, context.now)
    return PayOutput.model_validate(status.as_dict())


def link_customer(context: Context) -> CustomerOutput:
    """The account's own customer, and where it agrees (`POST /account/stripe-customer`)."""
    found = context.gateway.payments.set_up_metered(context.caller, context.now)
    if found.linked:
        step = "The account is linked: runs are put on its monthly invoice without asking."
    else:
        step = (
            f"Ask the user to open {found.setup_url} and agree; then call "
            "POST /account/stripe-customer again, until linked is true."
        )
    return CustomerOutput(
        customer_id=found.customer_id,
        linked=found.linked,
        setup_url=found.setup_url,
        next_steps=[step],
    )


def refund(context: Context, quote_id: str) -> RefundOutput:
    """Give back what couldn't be delivered (`POST /payments/{quote_id}/refund`)."""
    back = context.gateway.payments.refund(context.account_id, quote_id, context.now)
    way = "to the card; banks take some days" if back.offer == "stripe_checkout" else "at once"
    return RefundOutput(
        quote_id=back.quote_id,
        payment_id=back.payment_id,
        offer=back.offer,
        amount=back.money.amount,
        amount_minor=back.money.amount_minor,
        amount_micros=back.money.amount_micros,
        currency=back.money.currency,
        next_steps=[f"{back.money} go back {way}. To run it after all, call quote again."],
    )
