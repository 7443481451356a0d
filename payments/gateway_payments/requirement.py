"""What a caller is told about paying: the offers, the 402, and how a payment stands.

All three doors render these objects; `as_dict` is their JSON form. The next steps are written for
a language model: which tool or endpoint to call, with which id.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from gateway_payments.exceptions import PaymentError
from gateway_payments.money import Money
from gateway_payments.payments import Payment
from gateway_payments.quotes import Quote

Status = Literal["paid", "pending", "expired"]


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to pay a quote. `data` is what this way needs: a Checkout session, a balance."""

    kind: str
    amount: float
    amount_minor: int
    amount_micros: int
    currency: str
    expires_at: datetime
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class PaymentRequirement:
    """The answer 402: how a quote can be paid. The amounts are those of the first offer."""

    code: Literal["payment_required"]
    amount: float
    amount_minor: int
    amount_micros: int
    methods: tuple[str, ...]
    currency: str
    quote_id: str
    session_id: str | None
    checkout_url: str | None
    expires_at: datetime
    next_steps: tuple[str, ...]
    next_step: str
    offers: tuple[Offer, ...]
    existing_result_id: str | None
    already_paid_quote_id: str | None

    def as_dict(self) -> dict[str, Any]:
        """As JSON: times are ISO 8601 text."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @property
    def x402(self) -> dict[str, Any] | None:
        """What makes x402's clients pay by themselves; None where that isn't offered.

        Nor where the request is paid already: a program would pay again without a second look.
        """
        if self.already_paid_quote_id is not None:
            return None
        return next((offer.data for offer in self.offers if offer.kind == "x402"), None)


@dataclass(frozen=True, slots=True)
class Balance:
    """Prepaid credits."""

    amount: float
    amount_micros: int
    currency: str


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """How a payment stands. `expires_at`: the token's when paid, else the session's or quote's.

    Credits that were bought have no quote and answer the `balance` instead of a token.
    """

    status: Status
    quote_id: str | None
    offer: str | None
    session_id: str | None
    checkout_url: str | None
    payment_token: str | None
    expires_at: datetime | None
    amount: float
    amount_minor: int
    amount_micros: int
    currency: str
    next_steps: tuple[str, ...]
    balance: Balance | None = None

    def as_dict(self) -> dict[str, Any]:
        """As JSON: times are ISO 8601 text."""
        return {name: _plain(value) for name, value in asdict(self).items()}


class PaymentRequiredError(PaymentError):
    """The run costs something and nothing was given to pay for it."""

    def __init__(self, requirement: PaymentRequirement) -> None:
        super().__init__(
            f"this run costs {Money(requirement.amount_micros, requirement.currency)}",
            **requirement.as_dict(),
        )
        self.requirement = requirement


class PaymentRefusedError(PaymentError):
    """The payment that came along isn't good for its quote; nothing was charged.

    `reason`: in x402's words. `x402`: what to pay, as x402 writes it.
    """

    def __init__(self, reason: str, quote_id: str, x402: dict[str, Any]) -> None:
        super().__init__(f"the payment was refused: {reason}", reason=reason, quote_id=quote_id)
        self.reason = reason
        self.x402 = x402


def offer_of(kind: str, money: Money, expires_at: datetime, data: dict[str, Any]) -> Offer:
    """An offer of `money` in all its spellings."""
    return Offer(
        kind=kind,
        amount=money.amount,
        amount_minor=money.amount_minor,
        amount_micros=money.amount_micros,
        currency=money.currency,
        expires_at=expires_at,
        data=data,
    )


def requirement_of(quote: Quote, offers: tuple[Offer, ...]) -> PaymentRequirement:
    """The 402 for a quote; at least one offer."""
    first = offers[0]
    checkout = next((o.data for o in offers if "session_id" in o.data), {})
    steps = requirement_steps(quote, offers)
    return PaymentRequirement(
        code="payment_required",
        amount=first.amount,
        amount_minor=first.amount_minor,
        amount_micros=first.amount_micros,
        methods=tuple(offer.kind for offer in offers),
        currency=first.currency,
        quote_id=quote.id,
        session_id=checkout.get("session_id"),
        checkout_url=checkout.get("checkout_url"),
        expires_at=quote.expires_at,
        next_steps=steps,
        next_step=steps[0],
        offers=offers,
        existing_result_id=quote.existing_result_id,
        already_paid_quote_id=quote.already_paid_quote_id,
    )


def requirement_steps(quote: Quote, offers: tuple[Offer, ...]) -> tuple[str, ...]:
    """What to do about a 402, one sentence a step."""
    steps = list(paid_already_steps(quote))
    if quote.existing_result_id:
        steps.append(
            f"This account has this result already: call get_result with result_id "
            f'"{quote.existing_result_id}", free of charge.'
        )
    for offer in offers:
        steps.extend(_PAYING[offer.kind](quote, offer))
    steps.append(
        f'Once it is paid, call {quote.tool} with quote_id "{quote.id}" and nothing else '
        f"(REST: POST {quote.route})."
    )
    return tuple(steps)


def paid_already_steps(quote: Quote) -> tuple[str, ...]:
    """How to use what was paid for this request before, instead of paying again; often nothing."""
    paid = f'call {quote.tool} with quote_id "{quote.already_paid_quote_id}" and nothing else'
    if quote.already_paid_quote_id is None:
        return ()
    if quote.running_result_id is None:
        rest = f"REST: POST {quote.route}"
        return (f"This request is paid already: {paid} ({rest}); do not pay again.",)
    step = (
        "This request is paid already and running: wait for it, then call get_result with "
        f'result_id "{quote.running_result_id}"; if that run fails, {paid}.'
    )
    return (step,)


def paid(payment: Payment, quote: Quote, token: str, expires_at: datetime) -> PaymentStatus:
    """The money is certain; here is the token."""
    step = (
        f'Call {quote.tool} with quote_id "{quote.id}" and nothing else, '
        f"or with this payment_token (REST: POST {quote.route})."
    )
    return _status("paid", payment, token, expires_at, (step,))


def bought(payment: Payment, held: Money) -> PaymentStatus:
    """The credits are there; this is what the account has now."""
    step = f'The account has {held} of credits: pay runs with offer "credits".'
    there = Balance(held.amount, held.amount_micros, held.currency)
    return replace(_status("paid", payment, None, None, (step,)), balance=there)


def pending(payment: Payment) -> PaymentStatus:
    """Nobody has paid yet, or the money is still on its way."""
    if payment.provider == "x402":
        step = (
            f'The payment is on its way to the chain: call pay with quote_id "{payment.quote_id}" '
            "in a moment; nothing is to be paid again."
        )
        return _status("pending", payment, None, payment.expires_at, (step,))
    ask = _claim_step(payment.external_id)
    if payment.state == "processing":
        wait = "The payment method takes time to confirm, up to days: nothing is to be paid again."
        return _status("pending", payment, None, payment.expires_at, (wait, ask))
    show = f"Ask the user to pay {payment.money} at {payment.checkout_url}"
    return _status("pending", payment, None, payment.expires_at, (show, ask))


def ended(payment: Payment) -> PaymentStatus:
    """The Checkout session ended without money."""
    why = {
        "failed": "The payment failed; nothing was charged.",
        "mismatched": "Another amount than asked was paid: contact the operator of this gateway.",
        "dismissed": "Another amount than asked was paid; the operator has dealt with it.",
        "disputed": "The payer's bank took the money back.",
        "refunded": "The money went back to the payer.",
    }.get(payment.state, "The Checkout page has expired; nothing was charged.")
    again = "Call quote with the same request, then pay with its quote_id."
    if payment.quote_id is None:
        again = "To buy credits, begin again (REST: POST /credits)."
    return _status("expired", payment, None, payment.expires_at, (why, again))


def lapsed(quote: Quote) -> PaymentStatus:
    """The quote's time is over and nothing was paid."""
    steps = (
        "The quote has expired: call quote with the same request, then pay with its quote_id.",
    )
    return _of_quote("expired", quote, quote.expires_at, steps)


def free(quote: Quote) -> PaymentStatus:
    """There is nothing to pay."""
    steps = (f'This service is free: call {quote.tool} with quote_id "{quote.id}".',)
    return _of_quote("paid", quote, None, steps)


def _checkout_steps(_: Quote, offer: Offer) -> tuple[str, ...]:
    session_id, price = offer.data["session_id"], Money(offer.amount_micros, offer.currency)
    return (
        f"Ask the user to pay {price} at {offer.data['checkout_url']}",
        _claim_step(session_id),
    )


def _credits_step(quote: Quote, offer: Offer) -> tuple[str, ...]:
    price = Money(offer.amount_micros, offer.currency)
    step = (
        f'To pay {price} from prepaid credits, call pay with quote_id "{quote.id}" and offer '
        '"credits" (REST: POST /pay).'
    )
    return (step,)


def _x402_step(quote: Quote, offer: Offer) -> tuple[str, ...]:
    price = Money(offer.amount_micros, offer.currency)
    step = (
        f"To pay {price} with x402, sign what `accepts` asks for and repeat this call with the "
        "payment: REST header PAYMENT-SIGNATURE, MCP _meta x402/payment, A2A message metadata "
        f'x402.payment.payload; or call pay with quote_id "{quote.id}" and the payment.'
    )
    return (step,)


def _claim_step(session_id: str | None) -> str:
    return (
        f'Then call pay with session_id "{session_id}" '
        f"(REST: GET /payments/checkout/{session_id}) until its status is paid."
    )


def _metered_step(quote: Quote, offer: Offer) -> tuple[str, ...]:
    price = Money(offer.amount_micros, offer.currency)
    step = (
        f"To have {price} put on this account's monthly invoice, call pay with quote_id "
        f'"{quote.id}" and offer "metered" (REST: POST /pay).'
    )
    return (step,)


_PAYING: Final = {
    "stripe_checkout": _checkout_steps,
    "credits": _credits_step,
    "metered": _metered_step,
    "x402": _x402_step,
}


def _status(
    status: Status,
    payment: Payment,
    token: str | None,
    expires_at: datetime | None,
    steps: tuple[str, ...],
) -> PaymentStatus:
    return PaymentStatus(
        status=status,
        quote_id=payment.quote_id,
        offer=payment.provider,
        session_id=payment.external_id if payment.provider == "stripe_checkout" else None,
        checkout_url=payment.checkout_url if status == "pending" else None,
        payment_token=token,
        expires_at=expires_at,
        amount=payment.money.amount,
        amount_minor=payment.money.amount_minor,
        amount_micros=payment.money.amount_micros,
        currency=payment.money.currency,
        next_steps=steps,
    )


def _of_quote(
    status: Status, quote: Quote, expires_at: datetime | None, steps: tuple[str, ...]
) -> PaymentStatus:
    return PaymentStatus(
        status=status,
        quote_id=quote.id,
        offer=None,
        session_id=None,
        checkout_url=None,
        payment_token=None,
        expires_at=expires_at,
        amount=quote.money.amount,
        amount_minor=quote.money.amount_minor,
        amount_micros=quote.money.amount_micros,
        currency=quote.money.currency,
        next_steps=steps,
    )


def _plain(value: Any) -> Any:  # noqa: ANN401  JSON has no static type
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
