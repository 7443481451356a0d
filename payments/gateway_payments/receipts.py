"""What a person is told who comes back from a Checkout page: no names, no ids, no tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import Connection

from gateway_payments import entitlements, payments
from gateway_payments.money import Money
from gateway_payments.quotes import find_quote

Stage = Literal["paid", "used", "confirming", "open", "ended", "mismatched", "returned"]
_STAGES: Final[dict[str, Stage]] = {
    "paid": "paid",
    "processing": "confirming",
    "begun": "open",
    "open": "open",
    "disputed": "returned",
    "refunded": "returned",
    "mismatched": "mismatched",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a payment stands. `model`: what is to be run; None where credits are bought."""

    stage: Stage
    money: Money
    model: str | None


def find(db: Connection, session_id: str) -> Receipt | None:
    """The payment on this Checkout page as its payer may see it; None for an unknown one."""
    payment = payments.named(db, session_id)
    if payment is None:
        return None
    stage, model = _STAGES.get(payment.state, "ended"), None
    if payment.quote_id is not None:
        model = find_quote(db, payment.account_id, payment.quote_id).model_id
        right = entitlements.find(db, payment.account_id, entitlements.id_of(payment))
        if stage == "paid" and right and right.state in {"captured", "exhausted"}:
            stage = "used"
    return Receipt(stage, payment.money, model)
