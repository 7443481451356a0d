"""What Stripe tells us: signed webhooks and Checkout sessions, read and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway_payments.exceptions import WebhookMalformedError, WebhookSignatureError
from gateway_payments.identifiers import is_plausible

TOLERANCE_S: Final = 300
SESSION_EVENTS: Final = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
    }
)


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
class Event:
    """One thing that happened to a Checkout session."""

    id: str
    type: str
    session: Session


def read_event(body: bytes, signature: str, secret: str, now: datetime) -> Event | None:
    """The event in a webhook; None for a kind that does not concern us.

    Raises WebhookSignatureError unless Stripe signed exactly this body for us, at most TOLERANCE_S
    ago and at most TOLERANCE_S ahead of our clock; WebhookMalformedError for no event of Stripe's.
    """
    _require_signed(body, signature, secret)
    _require_fresh(signature, now)
    try:
        return _event(json.loads(body))
    except RecursionError:
        reason = "it is nested too deeply"
        raise WebhookMalformedError(reason) from None
    except ValueError as error:
        raise WebhookMalformedError(str(error)) from error


def session_of(raw: object) -> Session:
    """Read what we need of a Checkout session; ValueError where that is not there."""
    session = _object(raw, "the session")
    return Session(
        id=_id(session, "id"),
        payment_id=_payment_id(session),
        status=_text(session, "status"),
        payment_status=_text(session, "payment_status"),
        amount_minor=_amount(session),
        currency=_text(session, "currency"),
    )


def _event(raw: object) -> Event | None:
    event = _object(raw, "the body")
    kind = _text(event, "type")
    if kind not in SESSION_EVENTS:
        return None
    session = _object(_object(event.get("data"), "data").get("object"), "the session")
    if _payment_id(session) is None:  # another product's: it may well lack an amount
        return None
    return Event(_id(event, "id"), kind, session_of(session))


def _payment_id(session: dict[str, Any]) -> str | None:
    ours = _object(session.get("metadata") or {}, "metadata").get("payment_id")
    if not isinstance(ours, str | None):
        message = "metadata.payment_id is not text"
        raise ValueError(message)  # noqa: TRY004
    return ours if ours and is_plausible(ours) else None


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


def _amount(raw: dict[str, Any]) -> int:
    value = raw.get("amount_total")
    if not isinstance(value, int) or isinstance(value, bool):
        message = "amount_total is not an integer"
        raise ValueError(message)  # noqa: TRY004
    return value


def _require_signed(body: bytes, signature: str, secret: str) -> None:
    import stripe  # noqa: PLC0415  0.6 s that the server's start need not pay

    if not signature.isascii():
        reason = "the signature is not ASCII"
        raise WebhookSignatureError(reason)
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret)
    except (stripe.SignatureVerificationError, UnicodeDecodeError) as error:
        reason = "the signature does not match"
        raise WebhookSignatureError(reason) from error


def _require_fresh(signature: str, now: datetime) -> None:
    """The SDK accepts timestamps of the future, so the age is checked here, in both directions."""
    parts = (part.split("=", 2) for part in signature.split(","))  # as the SDK reads it
    signed_at = next(int(part[1]) for part in parts if part[0] == "t")
    if abs(now.timestamp() - signed_at) > TOLERANCE_S:
        reason = "its timestamp is too far from now"
        raise WebhookSignatureError(reason)
