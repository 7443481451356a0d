"""Whether a webhook is Stripe's, and for us, and from now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from gateway_payments.exceptions import WebhookSignatureError

TOLERANCE_S: Final = 300


def require_genuine(body: bytes, signature: str, secrets: Iterable[str], now: datetime) -> str:
    """The one of `secrets` under which Stripe signed exactly this body.

    Raises WebhookSignatureError unless it did, at most TOLERANCE_S ago and at most TOLERANCE_S
    ahead of our clock.
    """
    if not signature.isascii():
        reason = "the signature is not ASCII"
        raise WebhookSignatureError(reason)
    for secret in secrets:
        if _is_signed(body, signature, secret):
            _require_fresh(signature, now)
            return secret
    reason = "the signature does not match"
    raise WebhookSignatureError(reason)


def _is_signed(body: bytes, signature: str, secret: str) -> bool:
    import stripe  # noqa: PLC0415  0.6 s that the server's start need not pay

    try:
        stripe.WebhookSignature.verify_header(body, signature, secret)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def _require_fresh(signature: str, now: datetime) -> None:
    """The SDK accepts timestamps of the future, so the age is checked here, in both directions."""
    parts = (part.split("=", 2) for part in signature.split(","))  # as the SDK reads it
    signed_at = next(int(part[1]) for part in parts if part[0] == "t")
    if abs(now.timestamp() - signed_at) > TOLERANCE_S:
        reason = "its timestamp is too far from now"
        raise WebhookSignatureError(reason)
