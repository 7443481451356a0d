"""Money that Stripe took back from what was paid: refunds and disputes, one row for each.

    open -> taken       a dispute that the bank decided for its customer
    open | taken -> undone    a dispute that we won, a refund that came back

A row counts as soon as it is there, unless it is undone, and `undone` is for ever: news may come
twice and in any order. What went back of a payment is the sum of its rows, but never more than was
paid. Each change of that moves `refunded -> stripe`, or back, whoever has to bear it:

    deferred -> refunded    a right that nobody has used is withdrawn once all of its money is gone,
                            and restored when some came again; one that a run holds is withdrawn
                            when that run fails
    credits -> refunded     credits that a pack bought are taken as far as there are any left

What stays in `refunded` after that is the operator's loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import structlog
from sqlalchemy import CheckConstraint, Connection, ForeignKey, func, select, update
from sqlalchemy.orm import Mapped, aliased, mapped_column

from gateway_payments import entitlements, payments
from gateway_payments.entitlements import Entitlement, EntitlementRow
from gateway_payments.insertion import insert_once
from gateway_payments.ledger import Role, Transfer, TransferRow, post, post_up_to
from gateway_payments.money import Money
from gateway_payments.payments import Payment, PaymentRow
from gateway_storage.base import Base

Kind = Literal["refund", "dispute"]
State = Literal["open", "taken", "undone"]
GONE: Final = frozenset({"disputed", "refunded"})
CERTAIN: Final = GONE | {"paid"}
_EARLIER: Final[dict[State, tuple[State, ...]]] = {
    "open": (),
    "taken": ("open",),
    "undone": ("open", "taken"),
}
_UNDOING: Final[dict[Kind, str]] = {"refund": "refund_failed", "dispute": "dispute_won"}

_log = structlog.get_logger()


class ReversalRow(Base):
    """One refund or dispute. `id`: Stripe's; of a refund that we asked for, its payment's."""

    __tablename__ = "reversals"
    __table_args__ = (
        CheckConstraint("amount_micros > 0", name="amount"),
        CheckConstraint("kind IN ('refund', 'dispute')", name="kind"),
        CheckConstraint("state IN ('open', 'taken', 'undone')", name="state"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"), index=True)
    kind: Mapped[str]
    amount_micros: Mapped[int]
    state: Mapped[str]
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Reversal:
    """What Stripe says of a refund or a dispute."""

    id: str
    kind: Kind
    money: Money
    state: State


def book(
    db: Connection, payment: Payment, news: Reversal, now: datetime, token_ttl: timedelta
) -> bool:
    """Act on news of a refund or dispute of a payment that was paid; False for what is old."""
    payment = payments.lock(db, payment.id)
    if news.money.currency != payment.money.currency:
        _log.error("reversal_in_another_currency", payment=payment.id, reversal=news.id)
        return False
    before = went_back(db, payment)
    if not _note(db, payment, news, now):
        return False
    after = went_back(db, payment)
    if after > before:
        _take(db, payment, news.id, after, now)
    elif after < before:
        _return(db, payment, news.id, after, now, token_ttl)
    _move(db, payment, news, after - before, now)  # last: books are taken in one order everywhere
    _restate(db, payment, after)
    return True


def take_back(db: Connection, payment: Payment, held: Entitlement, now: datetime) -> Money:
    """Book that we refund what `held`, which has just become `returned`, was bought with.

    How much Stripe has to be asked for: what went back of it before is not refunded twice.
    """
    payment = payments.lock(db, payment.id)
    left = payment.money.amount_micros - went_back(db, payment)
    news = Reversal(payment.id, "refund", payment.money, "taken")
    if not _note(db, payment, news, now):
        message = f"payment {payment.id} was given back twice"
        raise AssertionError(message)
    withdraw(db, held, payment.id, now)
    _move(db, payment, news, left, now)
    _restate(db, payment, payment.money.amount_micros)
    return Money(left, payment.money.currency)


def withdraw(db: Connection, held: Entitlement, cause: str, now: datetime) -> None:
    """The right has just become `returned`: what was deferred for it makes up for the refund."""
    name = f"withdraw:{cause}"
    post(db, Transfer(name, held.account_id, "deferred", "refunded", held.money), now)


def is_gone(db: Connection, run_id: str) -> bool:
    """Whether all the money for what this run holds went back meanwhile. Locks the payment."""
    paid = (
        select(PaymentRow.state)
        .join(EntitlementRow, EntitlementRow.payment_id == PaymentRow.id)
        .where(EntitlementRow.run_id == run_id)
        .with_for_update(of=PaymentRow)
    )
    return db.execute(paid).scalar() in GONE


def was_deducted(db: Connection, payment: Payment, reversal_id: str) -> bool:
    """Whether it had gone back before we gave back the rest, which was less by that."""
    earlier, ours = aliased(ReversalRow), aliased(ReversalRow)
    both = (earlier.id == reversal_id, ours.id == payment.id)
    found = select(ours.id).where(*both, earlier.created_at <= ours.created_at)
    return db.execute(found).first() is not None


def went_back(db: Connection, payment: Payment) -> int:
    """What went back of the payment, in micros; at most what was paid."""
    counted = (ReversalRow.payment_id == payment.id, ReversalRow.state != "undone")
    asked = db.execute(select(func.sum(ReversalRow.amount_micros)).where(*counted)).scalar() or 0
    return min(int(asked), payment.money.amount_micros)


def _note(db: Connection, payment: Payment, news: Reversal, now: datetime) -> bool:
    row = {
        "id": news.id,
        "payment_id": payment.id,
        "kind": news.kind,
        "amount_micros": news.money.amount_micros,
        "state": news.state,
        "created_at": now,
    }
    if insert_once(db, ReversalRow, row):
        return True
    movable = (ReversalRow.id == news.id, ReversalRow.state.in_(_EARLIER[news.state]))
    moved = update(ReversalRow).where(*movable).values(state=news.state)
    return db.execute(moved).rowcount == 1


def _move(db: Connection, payment: Payment, news: Reversal, change: int, now: datetime) -> None:
    if not change:
        return
    money = Money(abs(change), payment.money.currency)
    if change > 0:
        name = f"{news.kind}:{news.id}"
        post(db, Transfer(name, payment.account_id, "refunded", "stripe", money), now)
    else:
        name = f"{_UNDOING[news.kind]}:{news.id}"
        post(db, Transfer(name, payment.account_id, "stripe", "refunded", money), now)


def _take(db: Connection, payment: Payment, cause: str, after: int, now: datetime) -> None:
    """Take from the payer what the money had bought, as far as it isn't used up."""
    if payment.quote_id is None:
        more = Money(after - _credits_taken(db, payment), payment.money.currency)
        taking = Transfer(f"withdraw:{cause}", payment.account_id, "credits", "refunded", more)
        post_up_to(db, taking, now)
    elif after == payment.money.amount_micros:
        held = entitlements.withdraw(db, entitlements.id_of(payment))
        if held:
            withdraw(db, held, cause, now)


def _return(  # noqa: PLR0913, PLR0917
    db: Connection, payment: Payment, cause: str, after: int, now: datetime, token_ttl: timedelta
) -> None:
    """Give the payer what was taken for more than what is gone now."""
    into: Role = "deferred"
    if payment.quote_id is None:
        into, less = "credits", _credits_taken(db, payment) - after
    else:
        again = entitlements.restore(db, entitlements.id_of(payment), now + token_ttl)
        less = again.money.amount_micros if again else 0
    if less > 0:
        money = Money(less, payment.money.currency)
        post(db, Transfer(f"restore:{cause}", payment.account_id, "refunded", into, money), now)


def _credits_taken(db: Connection, payment: Payment) -> int:
    """What was taken out of the account's credits for this pack's refunds, in micros."""
    ids = db.execute(select(ReversalRow.id).where(ReversalRow.payment_id == payment.id)).scalars()
    causes = list(ids)
    total = 0
    for sign, what in ((1, "withdraw"), (-1, "restore")):
        names = [f"{what}:{cause}" for cause in causes]
        posted = select(func.sum(TransferRow.amount_micros)).where(TransferRow.id.in_(names))
        total += sign * int(db.execute(posted).scalar() or 0)
    return total


def _restate(db: Connection, payment: Payment, after: int) -> None:
    if after < payment.money.amount_micros:
        state = "paid"
    else:
        open_ = (ReversalRow.payment_id == payment.id, ReversalRow.state == "open")
        asked = db.execute(select(ReversalRow.id).where(*open_).limit(1)).first()
        state = "disputed" if asked else "refunded"
    payments.move(db, payment.id, of=CERTAIN - {state}, to=state)
