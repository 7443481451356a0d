"""The one place where money that has become certain turns into what it buys, and back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from gateway_payments import budgets, entitlements, outbox, payments, reversals
from gateway_payments.entitlements import Entitlement
from gateway_payments.ledger import Role, Transfer, post
from gateway_payments.payments import Payment
from gateway_payments.quotes import close_quote

REFUND: Final = "stripe_refund"  # letters of the outbox
CHAIN_REFUND: Final = "x402_refund"
UNPAID: Final = frozenset({"begun", "open", "processing", "expired", "failed"})
_SOURCE: Final[dict[str, Role]] = {
    "stripe_checkout": "stripe",
    "credits": "credits",
    "metered": "metered",
    "x402": "x402",
}


def settle(
    db: Connection,
    payment: Payment,
    now: datetime,
    token_ttl: timedelta,
    returns_to: Role | None = None,
) -> bool:
    """Mark the payment paid, move its money, issue what it buys: a run, or credits.

    All of it once for each payment, however often and in whatever order the news arrives: False if
    it had happened before. Raises InsufficientFundsError (roll back) where a book is too small.
    `returns_to`: where the money goes when the run fails; None: what was bought is kept.
    """
    if not payments.move(db, payment.id, of=UNPAID, to="paid", paid_at=now):
        return False
    book(db, payment, now)
    if payment.quote_id is not None:
        entitlements.issue(db, payment, now, now + token_ttl, returns_to)
        close_quote(db, payment.quote_id)
    return True


def book(db: Connection, payment: Payment, now: datetime) -> None:
    """Move the money of a payment that has just become paid to what it buys."""
    source = _SOURCE[payment.provider]
    into: Role = "credits" if payment.quote_id is None else "deferred"
    name = f"pay:{payment.id}"
    post(db, Transfer(name, payment.account_id, source, into, payment.money), now)


def give_back(db: Connection, held: Entitlement, now: datetime) -> None:
    """Return the money of an entitlement that has just become `returned`, once for each payment.

    To `returns_to`, else to where it came from; a card's or a chain's by a letter of the outbox.
    """
    payment = payments.load(db, held.payment_id)
    into = held.returns_to or _SOURCE[payment.provider]
    if into == "stripe":
        _refund(db, payment, held, now)
        return
    counted_at = payment.created_at  # counters before books, as whoever spends: no deadlock
    budgets.unspend(db, payment.key_id, payment.provider, payment.money, counted_at)
    payments.move(db, payment.id, of=frozenset({"paid"}), to="refunded")
    name = f"give_back:{payment.id}"
    post(db, Transfer(name, held.account_id, "deferred", into, held.money), now)
    if into == "x402":
        outbox.put(db, refund_letter(payment.id), CHAIN_REFUND, {"payment_id": payment.id}, now)


def _refund(db: Connection, payment: Payment, held: Entitlement, now: datetime) -> None:
    left = reversals.take_back(db, payment, held, now)
    letter = {
        "payment_id": payment.id,
        "session_id": payment.external_id,
        "amount_minor": left.amount_minor,
    }
    outbox.put(db, refund_letter(payment.id), REFUND, letter, now)


def refund_letter(payment_id: str) -> str:
    """The letter by which Stripe or the chain is asked to refund the payment."""
    return f"refund:{payment_id}"
