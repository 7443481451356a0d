"""A payment of x402's exact scheme on EVM chains, read and checked without asking anybody.

What the payer signs is an EIP-3009 authorization: from, to, value, a window of time, and a nonce
that the token takes once. The quote that it pays stands beside it, in what the payer `accepted`.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from gateway_payments.exceptions import PaymentMalformedError
from gateway_payments.identifiers import is_plausible
from gateway_payments.x402_settings import ADDRESS, NETWORK

VERSION: Final = 2
SCHEME: Final = "exact"
TIMEOUT_S: Final = 120  # for how long the payer is asked to sign
LONGEST_S: Final = 3600  # as long as a quote: what stays open longer can't be called lost
_MARGIN_S: Final = 10  # until it is on the chain
_NONCE: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_SIGNATURE: Final = re.compile(r"0x(?:[0-9a-fA-F]{2}){65,2048}")  # a smart wallet's may be long
_NUMBER: Final = re.compile(r"[0-9]{1,78}")
_MOST: Final = 2**256


@dataclass(frozen=True, slots=True)
class Authorization:
    """What the payer signed, `quote_id` and `signature` apart. Times in seconds since 1970."""

    network: str
    asset: str
    payer: str
    pay_to: str
    value: int
    valid_after: int
    valid_before: int
    nonce: str
    signature: str
    quote_id: str

    @property
    def external_id(self) -> str:
        """The one name of this payment in the world: a token takes each nonce of a payer once."""
        return f"{self.network}:{self.asset}:{self.payer}:{self.nonce}"

    def as_payload(self) -> dict[str, Any]:
        """As x402 writes it, from what was read: nothing else of the caller's goes on."""
        return {
            "authorization": {
                "from": self.payer,
                "to": self.pay_to,
                "value": str(self.value),
                "validAfter": str(self.valid_after),
                "validBefore": str(self.valid_before),
                "nonce": self.nonce,
            },
            "signature": self.signature,
        }


def stored(authorization: Authorization) -> dict[str, str]:
    """As JSON: what would be more than JSON's numbers hold is text."""
    return {name: str(value) for name, value in asdict(authorization).items()}


def restored(kept: dict[str, str]) -> Authorization:
    """What was stored."""
    numbers = {name: int(kept[name]) for name in ("value", "valid_after", "valid_before")}
    return Authorization(**{**kept, **numbers})  # type: ignore[arg-type]


def read(payload: dict[str, Any]) -> Authorization:
    """What a payment says. Raises PaymentMalformedError for anything but one of this scheme."""
    if payload.get("x402Version") != VERSION or isinstance(payload.get("x402Version"), bool):
        reason = f"x402Version must be {VERSION}"
        raise PaymentMalformedError(reason)
    signed = _object(payload, "payload")
    accepted = _object(payload, "accepted")
    if accepted.get("scheme") != SCHEME or "permit2Authorization" in signed:
        reason = f"only the scheme {SCHEME} with an EIP-3009 authorization is taken"
        raise PaymentMalformedError(reason)
    authorization = _object(signed, "authorization")
    return Authorization(
        network=_text(accepted, "network", NETWORK),
        asset=_text(accepted, "asset", ADDRESS).lower(),
        payer=_text(authorization, "from", ADDRESS).lower(),
        pay_to=_text(authorization, "to", ADDRESS).lower(),
        value=_number(authorization, "value"),
        valid_after=_number(authorization, "validAfter"),
        valid_before=_number(authorization, "validBefore"),
        nonce=_text(authorization, "nonce", _NONCE).lower(),
        signature=_text(signed, "signature", _SIGNATURE).lower(),
        quote_id=_quote_id(accepted),
    )


def refusal(authorization: Authorization, wanted: dict[str, Any], now: datetime) -> str | None:
    """Why this doesn't pay what is wanted (an entry of `accepts`), in x402's words, or None."""
    at = int(now.timestamp())
    mistakes = {
        "network_mismatch": authorization.network != wanted["network"],
        "asset_mismatch": authorization.asset != wanted["asset"].lower(),
        "invalid_exact_evm_payload_recipient_mismatch": authorization.pay_to
        != wanted["payTo"].lower(),
        "invalid_exact_evm_payload_authorization_value_mismatch": authorization.value
        != int(wanted["amount"]),
        "quote_mismatch": authorization.quote_id != wanted["extra"]["quoteId"],
        "invalid_exact_evm_payload_authorization_valid_after": authorization.valid_after >= at,
        "invalid_exact_evm_payload_authorization_valid_before": not at + _MARGIN_S
        <= authorization.valid_before
        <= at + LONGEST_S,
    }
    return next((reason for reason, wrong in mistakes.items() if wrong), None)


def _object(raw: dict[str, Any], name: str) -> dict[str, Any]:
    value = raw.get(name)
    if not isinstance(value, dict):
        reason = f"{name} must be an object"
        raise PaymentMalformedError(reason)
    return value


def _text(raw: dict[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        reason = f"{name} has not the right form"
        raise PaymentMalformedError(reason)
    return value


def _number(raw: dict[str, Any], name: str) -> int:
    """A whole number, as x402 writes it (text), or as some clients do."""
    value = raw.get(name)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
        reason = f"{name} must be a whole number"
        raise PaymentMalformedError(reason)
    return value


def _quote_id(accepted: dict[str, Any]) -> str:
    value = _object(accepted, "extra").get("quoteId")
    if not isinstance(value, str) or not is_plausible(value):
        reason = "accepted.extra.quoteId must name the quote, as the offer does"
        raise PaymentMalformedError(reason)
    return value
