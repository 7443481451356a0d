"""What Stripe tells us: signed webhooks and Checkout sessions, read and checked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway_payments.exceptions import WebhookSignatureError

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
    ago and at most TOLERANCE_S ahead of our clock.
    """
    _require_signed(body, signature, secret)
    _require_fresh(signature, now)
    event: Any = json.loads(body)
    if event.get("type") not in SESSION_EVENTS:
        return None
    return Event(event["id"], event["type"], session_of(event["data"]["object"]))


def session_of(raw: dict[str, Any]) -> Session:
    """Read what we need of a Checkout session."""
    metadata = raw["metadata"] or {}
    return Session(
        id=raw["id"],
        payment_id=metadata.get("payment_id"),
        status=raw["status"],
        payment_status=raw["payment_status"],
        amount_minor=raw["amount_total"] or 0,
        currency=raw["currency"] or "",
    )


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
