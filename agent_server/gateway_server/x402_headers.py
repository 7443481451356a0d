"""x402 over HTTP: payment, requirement and receipt as base64 of JSON in three headers."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

from starlette.datastructures import Headers

from gateway_payments.exceptions import PaymentMalformedError
from gateway_payments.proof import Proof

PAYMENT: Final = "PAYMENT-SIGNATURE"
REQUIRED: Final = "PAYMENT-REQUIRED"
RECEIPT: Final = "PAYMENT-RESPONSE"
_LONGEST: Final = 16_384


def proof_in(headers: Headers) -> Proof | None:
    """The payment that came with the request. Raises PaymentMalformedError."""
    text = headers.get(PAYMENT)
    if text is None:
        return None
    try:
        payload = json.loads(base64.b64decode(text[:_LONGEST], validate=True))
    except (ValueError, RecursionError):
        payload = None
    if not isinstance(payload, dict):
        reason = f"{PAYMENT} must be base64 of a JSON object"
        raise PaymentMalformedError(reason)
    return Proof(payload)


def receipt_headers(proof: Proof | None) -> dict[str, str]:
    """What has become of the request's payment; none where there is nothing to say."""
    return {RECEIPT: _encoded(proof.receipt)} if proof and proof.receipt else {}


def required_headers(x402: dict[str, Any] | None) -> dict[str, str]:
    """What to pay, for clients that pay by themselves."""
    return {REQUIRED: _encoded(x402)} if x402 else {}


def _encoded(value: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()
