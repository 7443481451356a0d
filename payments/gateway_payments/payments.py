"""Payments: one row for each begun payment, written before the outside world is asked.

    begun -> open -> processing -> paid     a Checkout session; `processing`: paid by a slow method
    begun | open -> expired                 nobody paid in time
    begun | open | processing -> failed     the slow method failed
    anything but paid -> paid               the provider says that the money is certain
    anything but paid -> mismatched         the provider took another amount: an operator decides
    mismatched -> dismissed                 and has, by hand
    paid -> disputed -> paid                the bank took all of it back; we won it again
    paid | disputed -> refunded             all of the money went back: refunds, lost disputes
    refunded -> paid | disputed             a refund came back to us; see reversals.py

Each row gets to `paid` once from a state of waiting: its UPDATE's row count decides who issues what
was bought. Events may come in any order, so `paid` is reachable from all of those; what leaves it
is money that went back, never news of an older state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    CheckConstraint,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    UniqueConstraint,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.identifiers import is_plausible
from gateway_payments.insertion import insert_once
from gateway_payments.money import Money
from gateway_payments.quotes import Quote
from gateway_storage.base import Base

WAITING: Final = frozenset({"begun", "open", "processing"})


class PaymentRow(Base):
    """One begun payment. `external_id`: the provider's name for it (a Checkout session).

    Without a quote it buys credits. `key_id`: whose budget it counts against. `details`: what its
    provider must know to go on after a crash. `ask_at`: when to ask the provider how it stands, in
    case its news was lost; while somebody does, the end of its lease.
    """

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint("amount_micros > 0", name="amount"),
        CheckConstraint(
            "state IN ('begun', 'open', 'processing', 'paid', 'expired', 'failed', 'mismatched', "
            "'dismissed', 'disputed', 'refunded')",
            name="state",
        ),
        UniqueConstraint("quote_id", "provider", "attempt"),
        Index(None, "state", "ask_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"), index=True)
    quote_id: Mapped[str | None] = mapped_column(ForeignKey("quotes.id"))
    provider: Mapped[str]
    attempt: Mapped[int]
    external_id: Mapped[str | None] = mapped_column(unique=True)
    state: Mapped[str]
    amount_micros: Mapped[int]
    currency: Mapped[str]
    checkout_url: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    key_id: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"))
    details: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    ask_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it stood when it was read."""

    id: str
    account_id: str
    quote_id: str | None  # None: it buys credits
    provider: str
    attempt: int
    external_id: str | None
    state: str
    money: Money
    checkout_url: str | None
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    key_id: str | None
    details: dict[str, Any]


_PLAIN: Final = [f.name for f in fields(Payment) if f.name not in {"money", "details"}]


def record(  # noqa: PLR0913
    db: Connection,
    quote: Quote,
    provider: str,
    attempt: int,
    *,
    now: datetime,
    expires_at: datetime,
    key_id: str | None = None,
    external_id: str | None = None,
    details: dict[str, Any] | None = None,
    ask_at: datetime | None = None,
    paid: bool = False,
) -> Payment | None:
    """Write down that `quote` is about to be paid, or is. None if this attempt is on record."""
    row = {
        "id": payment_id(quote.id, provider, attempt),
        "account_id": quote.account_id,
        "quote_id": quote.id,
        "provider": provider,
        "attempt": attempt,
        "external_id": external_id,
        "state": "paid" if paid else "begun",
        "created_at": now,
        "expires_at": expires_at,
        "paid_at": now if paid else None,
        "key_id": key_id,
        "details": details,
        "ask_at": ask_at,
    }
    return _insert(db, row, quote.prices[provider])


def record_pack(  # noqa: PLR0913
    db: Connection,
    account_id: str,
    money: Money,
    provider: str,
    attempt: int,
    *,
    now: datetime,
    expires_at: datetime,
    key_id: str | None,
) -> Payment:
    """Write down that the account is about to buy credits, or find that it was written down."""
    pack = f"credits:{account_id}:{money.amount_micros}:{money.currency}"
    row = {
        "id": payment_id(pack, provider, attempt),
        "account_id": account_id,
        "quote_id": None,
        "provider": provider,
        "attempt": attempt,
        "external_id": None,
        "state": "begun",
        "created_at": now,
        "expires_at": expires_at,
        "paid_at": None,
        "key_id": key_id,
        "details": None,
        "ask_at": None,
    }
    return _insert(db, row, money) or load(db, payment_id(pack, provider, attempt))


def _insert(db: Connection, row: dict[str, Any], money: Money) -> Payment | None:
    row |= {
        "amount_micros": money.amount_micros,
        "currency": money.currency,
        "checkout_url": None,
    }
    return _payment(row) if insert_once(db, PaymentRow, row) else None


def payment_id(quote_id: str, provider: str, attempt: int) -> str:
    """The id of the nth payment for a quote: derived, so that concurrent callers begin the same."""
    name = f"{quote_id}:{provider}:{attempt}"
    return f"pay_{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def load(db: Connection, payment_id: str) -> Payment:
    """The payment with this id, which is known to exist."""
    found = find(db, payment_id)
    if found is None:
        message = f"payment {payment_id} was recorded and is gone"
        raise AssertionError(message)
    return found


def find(db: Connection, payment_id: str) -> Payment | None:
    """The payment with this id, if there is one."""
    return next(iter(_payments(db, PaymentRow.id == payment_id)), None)


def lock(db: Connection, payment_id: str) -> Payment:
    """The payment as it stands, which nobody else changes before this transaction ends."""
    held = select(PaymentRow.__table__).where(PaymentRow.id == payment_id).with_for_update()
    return _payment(db.execute(held).mappings().one())


def named(db: Connection, session_id: str) -> Payment | None:
    """Whoever's payment the provider calls `session_id`, if there is one."""
    if not is_plausible(session_id):
        return None
    return next(iter(_payments(db, PaymentRow.external_id == session_id)), None)


def by_session(db: Connection, account_id: str, session_id: str) -> Payment | None:
    """The account's payment that the provider calls `session_id`, if there is one."""
    if not is_plausible(session_id):
        return None
    mine = (PaymentRow.external_id == session_id, PaymentRow.account_id == account_id)
    return next(iter(_payments(db, *mine)), None)


def by_external_id(db: Connection, external_id: str) -> Payment | None:
    """The payment that the outside world calls `external_id`, whosever it is."""
    return next(iter(_payments(db, PaymentRow.external_id == external_id)), None)


def to_ask(db: Connection, provider: str, now: datetime, most: int) -> list[Payment]:
    """Payments whose provider should be asked how they stand, the longest due first."""
    due = (
        PaymentRow.provider == provider,
        PaymentRow.state.in_(sorted(WAITING)),
        PaymentRow.ask_at <= now,
    )
    query = select(PaymentRow.__table__).where(*due).order_by(PaymentRow.ask_at).limit(most)
    return [_payment(row) for row in db.execute(query).mappings()]


def ask_later(db: Connection, payment: Payment, now: datetime, at: datetime) -> bool:
    """Leave the payment to whoever calls this first; the next one asks `at`."""
    mine = (
        PaymentRow.id == payment.id,
        PaymentRow.state == payment.state,
        PaymentRow.ask_at <= now,
    )
    return db.execute(update(PaymentRow).where(*mine).values(ask_at=at)).rowcount == 1


def note(db: Connection, payment_id: str, details: dict[str, Any]) -> None:
    """Write down what its provider must know of it from now on."""
    db.execute(update(PaymentRow).where(PaymentRow.id == payment_id).values(details=details))


def of_quote(db: Connection, quote_id: str) -> list[Payment]:
    """All payments begun for the quote, by provider, the first attempt first."""
    return _payments(db, PaymentRow.quote_id == quote_id)


def undecided(db: Connection, by_chain: str, most: int) -> list[Payment]:
    """Payments of another amount, and those that a chain hasn't decided yet, the oldest first."""
    on_chain = (PaymentRow.provider == by_chain) & (PaymentRow.state == "processing")
    odd = or_(PaymentRow.state == "mismatched", on_chain)
    query = select(PaymentRow.__table__).where(odd).order_by(PaymentRow.created_at).limit(most)
    return [_payment(row) for row in db.execute(query).mappings()]


def latest(db: Connection, quote_id: str, provider: str) -> Payment | None:
    """The newest attempt to pay the quote this way."""
    attempts = _payments(db, PaymentRow.quote_id == quote_id, PaymentRow.provider == provider)
    return attempts[-1] if attempts else None


def latest_pack(db: Connection, account_id: str, money: Money, provider: str) -> Payment | None:
    """The account's newest purchase of that much credit."""
    bought = _payments(
        db,
        PaymentRow.account_id == account_id,
        PaymentRow.quote_id.is_(None),
        PaymentRow.provider == provider,
        PaymentRow.amount_micros == money.amount_micros,
        PaymentRow.currency == money.currency,
    )
    return bought[-1] if bought else None


def give_up_begun(db: Connection, provider: str, now: datetime) -> int:
    """Payments that were begun and never got a session: once their time is over, they expire."""
    lost = (
        PaymentRow.provider == provider,
        PaymentRow.state == "begun",
        PaymentRow.expires_at <= now,
    )
    return db.execute(update(PaymentRow).where(*lost).values(state="expired")).rowcount


def move(db: Connection, payment_id: str, *, of: frozenset[str], to: str, **also: object) -> bool:
    """Move the payment to state `to` if it is in one of `of`. True for exactly one mover."""
    movable = (PaymentRow.id == payment_id, PaymentRow.state.in_(sorted(of)))
    moved = update(PaymentRow).where(*movable).values(state=to, **also)
    return db.execute(moved).rowcount == 1


def _payments(db: Connection, *where: ColumnElement[bool]) -> list[Payment]:
    query = select(PaymentRow.__table__).where(*where)
    rows = db.execute(query.order_by(PaymentRow.provider, PaymentRow.attempt)).mappings()
    return [_payment(row) for row in rows]


def _payment(row: Mapping[Any, Any]) -> Payment:
    plain = {name: row[name] for name in _PLAIN}
    money = Money(row["amount_micros"], row["currency"])
    return Payment(**plain, money=money, details=row["details"] or {})
