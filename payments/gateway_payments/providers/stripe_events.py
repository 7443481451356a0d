"""What Stripe tells us: webhooks, sessions, refunds and disputes, read and checked.

`None` is what another product of the same Stripe account did; ValueError is what should be ours and
can't be read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gateway_payments.exceptions import WebhookMalformedError
from gateway_payments.identifiers import is_plausible
from gateway_payments.reversals import Kind, State

LINKING: Final = "link"  # a session's metadata.purpose
_UNDONE: Final = frozenset({"failed", "canceled"})  # states of a refund
_DISPUTES: Final[dict[str, State]] = {
    "needs_response": "open",
    "under_review": "open",
    "lost": "taken",
    "won": "undone",
}  # while it only warns, nothing was taken


@dataclass(frozen=True, slots=True)
class Session:
    """A Checkout session as Stripe describes it; `amount_minor` in the currency's minor unit."""

    id: str
    payment_id: str | None  # ours, out of its metadata
    status: str
    payment_status: str
    amount_minor: int
    currency: str

    @property
    def is_paid(self) -> bool:
        """Whether the money is certain."""
        return self.status == "complete" and self.payment_status != "unpaid"


@dataclass(frozen=True, slots=True)
class Linking:
    """A Checkout session on which a customer agrees to be charged by the meter."""

    id: str
    account_id: str
    customer_id: str
    status: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Reversed:
    """A refund or a dispute. `payment_intent`: of what; `letter`: ours, where we asked for it."""

    id: str
    kind: Kind
    payment_intent: str
    amount_minor: int
    currency: str
    state: State
    letter: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ChargeRefunded:
    """Something was refunded of this payment; how much has to be asked."""

    payment_intent: str


@dataclass(frozen=True, slots=True)
class Unsubscribed:
    """The subscription through which a customer paid what the meter counts has ended."""

    account_id: str
    customer_id: str


News = Session | Linking | Reversed | ChargeRefunded | Unsubscribed


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at Stripe; `object_id` is what it happened to."""

    id: str
    type: str
    object_id: str
    news: News


def parsed(body: bytes) -> object:
    """The JSON of a webhook. Raises WebhookMalformedError."""
    try:
        return json.loads(body)
    except RecursionError:
        reason = "it is nested too deeply"
        raise WebhookMalformedError(reason) from None
    except ValueError as error:
        raise WebhookMalformedError(str(error)) from error


def event_of(raw: object) -> Event | None:
    """The event in a webhook that Stripe signed; None for a kind that does not concern us.

    Raises WebhookMalformedError for no event of Stripe's.
    """
    try:
        return _event(raw)
    except ValueError as error:
        raise WebhookMalformedError(str(error)) from error


def linking_of(raw: object) -> Linking | None:
    """Read a session that links an account; None for any other."""
    session = _object(raw, "the session")
    metadata = _metadata(session)
    if metadata.get("purpose") != LINKING:
        return None
    url = session.get("url")
    return Linking(
        id=_id(session, "id"),
        account_id=_id(metadata, "account_id"),
        customer_id=_id(session, "customer"),
        status=_text(session, "status"),
        url=url if isinstance(url, str) else None,
    )


def refund_of(raw: object) -> Reversed | None:
    """Read a refund; None for one of a charge that no Checkout session made."""
    refund = _object(raw, "the refund")
    if refund.get("payment_intent") is None:
        return None
    letter, reason = _metadata(refund).get("letter"), refund.get("failure_reason")
    return Reversed(
        id=_id(refund, "id"),
        kind="refund",
        payment_intent=_id(refund, "payment_intent"),
        amount_minor=_amount(refund, "amount"),
        currency=_text(refund, "currency"),
        state="undone" if refund.get("status") in _UNDONE else "taken",
        letter=letter if isinstance(letter, str) and is_plausible(letter) else None,
        reason=reason if isinstance(reason, str) else None,
    )


def dispute_of(raw: object) -> Reversed | None:
    """Read a dispute; None for one that takes no money, or none of ours."""
    dispute = _object(raw, "the dispute")
    state = _DISPUTES.get(_text(dispute, "status"))
    if dispute.get("payment_intent") is None or state is None:
        return None
    return Reversed(
        id=_id(dispute, "id"),
        kind="dispute",
        payment_intent=_id(dispute, "payment_intent"),
        amount_minor=_amount(dispute, "amount"),
        currency=_text(dispute, "currency"),
        state=state,
        letter=None,
        reason=None,
    )


def payment_of(raw: object) -> str | None:
    """Our payment, out of a payment intent's metadata."""
    intent = _object(raw, "the payment intent")
    _id(intent, "id")  # an answer without anything in it must not pass for another product's
    return _payment_id(intent)


def session_of(raw: object) -> Session:
    """Read what we need of a Checkout session; ValueError where that is not there."""
    session = _object(raw, "the session")
    return Session(
        id=_id(session, "id"),
        payment_id=_payment_id(session),
        status=_text(session, "status"),
        payment_status=_text(session, "payment_status"),
        amount_minor=_amount(session, "amount_total"),
        currency=_text(session, "currency"),
    )


def _event(raw: object) -> Event | None:
    event = _object(raw, "the body")
    kind = _text(event, "type")
    reader = _READERS.get(kind)
    if reader is None:
        return None
    about = _object(_object(event.get("data"), "data").get("object"), "data.object")
    news = reader(about)
    return None if news is None else Event(_id(event, "id"), kind, _id(about, "id"), news)


def _session_news(about: dict[str, Any]) -> Session | Linking | None:
    if _payment_id(about) is None:  # another product's may well lack an amount
        return linking_of(about)
    return session_of(about)


def _charge_news(about: dict[str, Any]) -> ChargeRefunded | None:
    if about.get("payment_intent") is None:
        return None
    return ChargeRefunded(_id(about, "payment_intent"))


def _subscription_news(about: dict[str, Any]) -> Unsubscribed | None:
    metadata = _metadata(about)
    if metadata.get("purpose") != LINKING:
        return None
    return Unsubscribed(_id(metadata, "account_id"), _id(about, "customer"))


_READERS: Final[dict[str, Callable[[dict[str, Any]], News | None]]] = {
    "checkout.session.completed": _session_news,
    "checkout.session.async_payment_succeeded": _session_news,
    "checkout.session.async_payment_failed": _session_news,
    "checkout.session.expired": _session_news,
    "refund.created": refund_of,
    "refund.updated": refund_of,
    "refund.failed": refund_of,
    "charge.refunded": _charge_news,
    "charge.dispute.created": dispute_of,
    "charge.dispute.updated": dispute_of,
    "charge.dispute.closed": dispute_of,
    "charge.dispute.funds_withdrawn": dispute_of,
    "charge.dispute.funds_reinstated": dispute_of,
    "customer.subscription.deleted": _subscription_news,
}


def _payment_id(about: dict[str, Any]) -> str | None:
    ours = _metadata(about).get("payment_id")
    if not isinstance(ours, str | None):
        message = "metadata.payment_id is not text"
        raise ValueError(message)  # noqa: TRY004
    return ours if ours and is_plausible(ours) else None


def _metadata(about: dict[str, Any]) -> dict[str, Any]:
    return _object(about.get("metadata") or {}, "metadata")


def _object(raw: object, name: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        message = f"{name} is not an object"
        raise ValueError(message)  # noqa: TRY004  one kind of error for whatever was posted
    return raw


def _text(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str):
        message = f"{name} is not text"
        raise ValueError(message)  # noqa: TRY004
    return value


def _id(raw: dict[str, Any], name: str) -> str:
    value = _text(raw, name)
    if not value or not is_plausible(value):
        message = f"{name} is not an id"
        raise ValueError(message)
    return value


def _amount(raw: dict[str, Any], name: str) -> int:
    value = raw.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        message = f"{name} is not a positive integer"
        raise ValueError(message)
    return value
