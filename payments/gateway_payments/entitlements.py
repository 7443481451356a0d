"""The right to one paid run: issued when the money is certain, spent by a delivered run.

    issued -> reserved -> captured     the run was delivered
              reserved -> issued       the run failed: the right is given back, afresh
              reserved -> exhausted    it failed through the model's fault, MAX_FAULTS times
              reserved -> returned     it failed, and the money goes back instead (`returns_to`)
    issued -> returned                 the money went back: a refund, a dispute
    issued, past its time              unusable until the paid quote or session is claimed again

Each arrow is one conditional UPDATE whose row count decides who made it. The database settles
races and survives crashes; nothing here holds a lock or remembers anything. Expiry needs no arrow:
it is a time in the row that `reserve` looks at. A capture succeeds after expiry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    Row,
    Update,
    bindparam,
    literal,
    select,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from gateway_payments.insertion import insert_once
from gateway_payments.ledger import Role
from gateway_payments.money import Money
from gateway_payments.payments import Payment
from gateway_payments.quotes import QuoteRow
from gateway_storage.base import Base
from gateway_storage.statement import Statement

MAX_FAULTS: Final = 3  # an FMU that burns its time and fails must not compute for ever


class EntitlementRow(Base):
    """One right to one run, bought in one payment.

    `returns_to`: the book to which the money goes back when the run fails; None: the right is kept
    for another try. `our_faults`: how many runs failed in its name through our fault.
    """

    __tablename__ = "entitlements"
    __table_args__ = (
        CheckConstraint("amount_micros > 0", name="amount"),
        CheckConstraint(
            "state IN ('issued', 'reserved', 'captured', 'exhausted', 'returned')",
            name="state",
        ),
        CheckConstraint(
            "(run_id IS NOT NULL) = (state IN ('reserved', 'captured', 'exhausted'))",
            name="run",
        ),
        Index("ix_entitlements_account_state", "account_id", "state"),  # few are unspent
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id"))
    payment_id: Mapped[str] = mapped_column(ForeignKey("payments.id"), unique=True)
    quote_id: Mapped[str] = mapped_column(ForeignKey("quotes.id"), index=True)
    offer: Mapped[str]
    amount_micros: Mapped[int]
    currency: Mapped[str]
    state: Mapped[str]
    run_id: Mapped[str | None] = mapped_column(unique=True)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    returns_to: Mapped[str | None]
    our_faults: Mapped[int]


_UNSPENT: Final = Statement(
    select(EntitlementRow.__table__, QuoteRow.request)
    .where(
        EntitlementRow.account_id == bindparam("account"),
        EntitlementRow.state.in_([literal("issued"), literal("reserved")]),
        QuoteRow.id == EntitlementRow.quote_id,
        QuoteRow.request_sha256 == bindparam("sha256"),
    )
    .order_by(EntitlementRow.state, EntitlementRow.id)  # issued first
)
_CAPTURE: Final = Statement(
    update(EntitlementRow)
    .where(EntitlementRow.run_id == bindparam("run"), EntitlementRow.state == "reserved")
    .values(state="captured")
    .returning(EntitlementRow.__table__)
)


@dataclass(frozen=True, slots=True)
class Entitlement:
    """An entitlement as it stood when it was read."""

    id: str
    account_id: str
    payment_id: str
    quote_id: str
    offer: str
    money: Money
    state: str
    run_id: str | None
    expires_at: datetime
    returns_to: Role | None
    our_faults: int


def id_of(payment: Payment) -> str:
    """The id of what a payment buys: derived, so that it cannot buy twice."""
    return payment.id.replace("pay_", "ent_", 1)


def issue(  # noqa: PLR0913  what it is, and whose
    db: Connection,
    payment: Payment,
    now: datetime,
    expires_at: datetime,
    returns_to: Role | None = None,
    *,
    run_id: str | None = None,
) -> None:
    """Record that `payment` has bought the right to one run. Once for each payment.

    With `run_id` it is reserved for that run at once.
    """
    row = {
        "id": id_of(payment),
        "account_id": payment.account_id,
        "payment_id": payment.id,
        "quote_id": payment.quote_id,
        "offer": payment.provider,
        "amount_micros": payment.money.amount_micros,
        "currency": payment.money.currency,
        "state": "issued" if run_id is None else "reserved",
        "run_id": run_id,
        "issued_at": now,
        "expires_at": expires_at,
        "returns_to": returns_to,
        "our_faults": 0,
    }
    insert_once(db, EntitlementRow, row)


def find(db: Connection, account_id: str, entitlement_id: str) -> Entitlement | None:
    """The account's entitlement with this id."""
    mine = (EntitlementRow.id == entitlement_id, EntitlementRow.account_id == account_id)
    return next(iter(_entitlements(db, *mine)), None)


def of_quote(db: Connection, quote_id: str) -> list[Entitlement]:
    """The rights bought for a quote, usable ones first.

    Mostly one; two when a Checkout page was still being paid while credits had paid already.
    """
    found = _entitlements(db, EntitlementRow.quote_id == quote_id)
    order = ("issued", "reserved", "captured", "exhausted", "returned")
    return sorted(found, key=lambda e: (order.index(e.state), e.id))


def unspent_for(
    db: Connection, account_id: str, request: dict[str, Any], request_sha256: str
) -> Entitlement | None:
    """What the account has paid for exactly this request and not spent, a usable one first.

    Whatever its age: claiming it renews it. One query, over the account's unspent ones.
    """
    rows = _UNSPENT.rows(db, {"account": account_id, "sha256": request_sha256})
    return next((_entitlement(row) for row in rows if row.request == request), None)


def renew(db: Connection, entitlement_id: str, now: datetime, expires_at: datetime) -> None:
    """Revive an unused entitlement whose time was over; a valid one keeps its time."""
    stale = (
        EntitlementRow.id == entitlement_id,
        EntitlementRow.state == "issued",
        EntitlementRow.expires_at <= now,
    )
    db.execute(update(EntitlementRow).where(*stale).values(expires_at=expires_at))


def reserve(
    db: Connection, entitlement_id: str, account_id: str, run_id: str, now: datetime
) -> bool:
    """Reserve for `run_id`. True for exactly one of any number of concurrent callers."""
    free = (
        EntitlementRow.id == entitlement_id,
        EntitlementRow.account_id == account_id,
        EntitlementRow.state == "issued",
        EntitlementRow.expires_at > now,
    )
    taken = update(EntitlementRow).where(*free).values(state="reserved", run_id=run_id)
    return db.execute(taken).rowcount == 1


def capture(db: Connection, run_id: str) -> Entitlement | None:
    """Spend the entitlement that `run_id` holds; None if it holds none (any more)."""
    row = _CAPTURE.first(db, {"run": run_id})
    return None if row is None else _entitlement(row)


def exhaust(db: Connection, run_id: str) -> Entitlement | None:
    """Use up the entitlement that `run_id` holds, since its model failed too often."""
    return _settle(db, _held_by(run_id).values(state="exhausted"))


def release(
    db: Connection, run_id: str, expires_at: datetime, *, our_fault: bool
) -> Entitlement | None:
    """Give the entitlement back after a failed run; None if it was settled before."""
    faults = EntitlementRow.our_faults + int(our_fault)  # Postgres adds no boolean
    back = {"state": "issued", "run_id": None, "expires_at": expires_at, "our_faults": faults}
    return _settle(db, _held_by(run_id).values(back))


def give_up(db: Connection, run_id: str) -> Entitlement | None:
    """The run that holds it failed, and its money goes back; None if it was settled before."""
    return _settle(db, _held_by(run_id).values(state="returned", run_id=None))


def withdraw(db: Connection, entitlement_id: str) -> Entitlement | None:
    """Its money went back and nobody holds it: it buys nothing any more. None where it isn't so."""
    unused = (EntitlementRow.id == entitlement_id, EntitlementRow.state == "issued")
    return _settle(db, update(EntitlementRow).where(*unused).values(state="returned"))


def restore(db: Connection, entitlement_id: str, expires_at: datetime) -> Entitlement | None:
    """The money came again after all; None where it hadn't been withdrawn."""
    gone = (EntitlementRow.id == entitlement_id, EntitlementRow.state == "returned")
    back = update(EntitlementRow).where(*gone).values(state="issued", expires_at=expires_at)
    return _settle(db, back)


def undelivered(db: Connection, before: datetime, most: int) -> list[str]:
    """Payments for what failed through our fault and nobody tried again until `before`."""
    left = (
        EntitlementRow.state == "issued",
        EntitlementRow.our_faults > 0,
        EntitlementRow.expires_at <= before,
    )
    return list(db.execute(select(EntitlementRow.payment_id).where(*left).limit(most)).scalars())


def returns(db: Connection, run_id: str) -> bool:
    """Whether the money of what `run_id` holds goes back when it fails."""
    held = (EntitlementRow.run_id == run_id, EntitlementRow.returns_to.is_not(None))
    return db.execute(select(EntitlementRow.id).where(*held)).first() is not None


def _held_by(run_id: str) -> Update:
    held = (EntitlementRow.run_id == run_id, EntitlementRow.state == "reserved")
    return update(EntitlementRow).where(*held)


def _settle(db: Connection, transition: Update) -> Entitlement | None:
    row = db.execute(transition.returning(EntitlementRow.__table__)).first()
    return None if row is None else _entitlement(row)


def _entitlements(db: Connection, *where: ColumnElement[bool]) -> list[Entitlement]:
    return [_entitlement(r) for r in db.execute(select(EntitlementRow.__table__).where(*where))]


def _entitlement(row: Row[Any]) -> Entitlement:
    return Entitlement(
        id=row.id,
        account_id=row.account_id,
        payment_id=row.payment_id,
        quote_id=row.quote_id,
        offer=row.offer,
        money=Money(row.amount_micros, row.currency),
        state=row.state,
        run_id=row.run_id,
        expires_at=row.expires_at,
        returns_to=row.returns_to,
        our_faults=row.our_faults,
    )
